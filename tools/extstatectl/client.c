// SPDX-License-Identifier: MIT
#include "client.h"

#include "printable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int client_open(struct client *c, const char *path, bool raw)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    int r = -ENAMETOOLONG;

    *c = (struct client){ .fd = -1, .raw = raw };
    if (n < sizeof(to.sun_path)) {
        memcpy(to.sun_path, path, n);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        r = c->fd < 0 ? -errno : connect(c->fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
    }
    if (r == 0)
        return 0;
    fprintf(stderr,
            "extstatectl: no daemon answers at %s: %s\n"
            "Is extstated running? Name its socket with --socket PATH or in $EXTSTATE_SOCKET.\n",
            path, strerror(-r));
    client_close(c);
    return r;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->buffer);
    *c = (struct client){ .fd = -1 };
}

static int send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -errno;
        p += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int send_request(struct client *c, json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    int r = text ? send_all(c->fd, text, strlen(text)) : -ENOMEM;

    if (r == 0)
        r = send_all(c->fd, "\n", 1);
    free(text);
    return r;
}

static int read_more(struct client *c)
{
    ssize_t n;

    if (c->n == c->room) {
        size_t room = c->room ? c->room * 2 : 65536;
        char *p = realloc(c->buffer, room);

        if (!p)
            return -ENOMEM;
        c->buffer = p;
        c->room = room;
    }
    do
        n = read(c->fd, c->buffer + c->n, c->room - c->n);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n ? -errno : -ECONNRESET;
    c->n += (size_t)n;
    return 0;
}

/* The next line as JSON; `*scanned` remembers how far a line end has been looked for. */
static int read_line(struct client *c, json_t **out)
{
    size_t scanned = 0;
    json_error_t why;

    for (;;) {
        char *end = c->n > scanned ? memchr(c->buffer + scanned, '\n', c->n - scanned) : NULL;
        int r;

        if (end) {
            size_t n = (size_t)(end - c->buffer);

            *out = json_loadb(c->buffer, n, JSON_ALLOW_NUL, &why);
            memmove(c->buffer, end + 1, c->n - n - 1);
            c->n -= n + 1;
            return *out ? 0 : -EBADMSG;
        }
        scanned = c->n;
        r = read_more(c);
        if (r)
            return r;
    }
}

static const char lines_stay[] = "\n\t"; /* of answers, which may be reports */

static int answer_code(json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    const char *message = json_string_value(json_object_get(answer, "message"));

    if (json_is_true(json_object_get(answer, "ok")))
        return EXIT_OK;
    if (!message || !*message)
        message = error ? error : "the daemon refused";
    if (message[strlen(message) - 1] == '\n') { /* a report, whose lines begin with places */
        printable_print(stderr, str_of(message), lines_stay);
    } else {
        fputs("extstatectl: ", stderr);
        printable_print(stderr, str_of(message), lines_stay);
        fputc('\n', stderr);
    }
    if (error && (strcmp(error, "usage") == 0 || strcmp(error, "unknown_command") == 0))
        return EXIT_USAGE;
    return error && strcmp(error, "not_found") == 0 ? EXIT_NOTHING : EXIT_FAILED;
}

static int went_away(int r)
{
    fprintf(stderr, "extstatectl: the daemon went away: %s\n", strerror(-r));
    return EXIT_UNREACHABLE;
}

int client_send(struct client *c, json_t *request)
{
    int r;

    if (!request) { /* jansson takes nothing else */
        fputs("extstatectl: an argument is not UTF-8\n", stderr);
        return EXIT_USAGE;
    }
    r = send_request(c, request);
    json_decref(request);
    if (r == -EPIPE) /* a daemon that takes no client more has said so first */
        r = 0;
    return r ? went_away(r) : EXIT_OK;
}

int client_receive(struct client *c, client_row_fn row, void *ctx, json_t **answer)
{
    for (;;) {
        json_t *line = NULL;
        json_t *content;
        int r = read_line(c, &line);

        if (r)
            return went_away(r);
        content = json_object_get(line, "row");
        if (!content) {
            if (!c->raw)
                printable_make(line, lines_stay);
            *answer = line;
            return EXIT_OK;
        }
        if (!c->raw)
            printable_make(content, "");
        if (row)
            row(ctx, content);
        json_decref(line);
    }
}

int client_call(struct client *c, json_t *request, client_row_fn row, void *ctx, json_t **answer)
{
    int r;

    *answer = NULL;
    r = client_send(c, request);
    if (r == EXIT_OK)
        r = client_receive(c, row, ctx, answer);
    return r == EXIT_OK ? answer_code(*answer) : r;
}
