// SPDX-License-Identifier: MIT
/* How the server is told of changes: each is a text down a stream, the control socket of extstated,
 * the manager interface of Asterisk, or the standard input of a command; or it is a PUBLISH. */
#include <jansson.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { STREAM_MAX = 64 << 20 };

struct change_stream {
    uv_pipe_t pipe; /* libuv reads and writes any stream through it, TCP too */
    struct bench *bench;
    struct buf out, in;
    char room[65536];
};

/* ---- the languages ---- */

static void print_change(struct buf *out, const struct bench *b, uint32_t resource, enum lamp lamp)
{
    const struct options *o = b->options;
    const char *state = lamp_device_state(lamp);
    uint32_t number = o->base + resource;

    if (o->change == CHANGE_CTL)
        buf_printf(
            out, "{\"id\":%u,\"command\":\"devstate.set\",\"device\":\"%s%u\",\"state\":\"%s\"}\n",
            resource, o->device, number, state);
    else if (o->change == CHANGE_AMI)
        buf_printf(out,
                   "Action: Setvar\r\nActionID: %u\r\nVariable: DEVICE_STATE(%s%u)\r\nValue: %s\r\n"
                   "\r\n",
                   resource, o->device, number, state);
    else
        buf_printf(out, "%s%u %s\n", o->device, number, state);
}

static void read_ctl(struct bench *b, struct str line)
{
    json_error_t why;
    json_t *answer = json_loadb(line.p, line.n, 0, &why);
    json_int_t id = json_integer_value(json_object_get(answer, "id"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    struct resource *r = id >= 0 && id < b->options->resources ? &b->resources[id] : NULL;

    if (r && json_is_true(json_object_get(answer, "ok"))) {
        resource_acknowledge(b, r);
    } else if (r && error && strcmp(error, "busy") == 0) { /* a queue is full: once more */
        b->phase.counters.refused++;
        print_change(&b->stream->out, b, (uint32_t)id, r->lamp);
    } else {
        bench_complain(b, "the control socket says %.*s", STR_FMT(line));
        if (r)
            resource_refuse(b, r);
    }
    json_decref(answer);
}

/* One block of "Key: value" lines. Events, and the greeting before the first block, say nothing. */
static void read_ami(struct bench *b, struct str block)
{
    struct str rest = block, response = STR_EMPTY, id = STR_EMPTY;
    struct resource *r = NULL;
    uint32_t resource;

    while (rest.p) {
        struct str value = str_next(&rest, '\n'), key = str_next(&value, ':');

        if (str_equal_nocase(key, STR("Response")))
            response = str_trim(value);
        else if (str_equal_nocase(key, STR("ActionID")))
            id = str_trim(value);
    }
    if (!response.n)
        return;
    if (!str_to_u32(&resource, id) && resource < b->options->resources)
        r = &b->resources[resource];
    if (!str_equal_nocase(response, STR("Success"))) {
        bench_complain(b, "the manager interface says %.*s", STR_FMT(str_trim(block)));
        if (r)
            resource_refuse(b, r);
    } else if (r) { /* else it is the login's */
        resource_acknowledge(b, r);
    }
}

/* ---- the stream ---- */

static void read_answers(struct change_stream *s)
{
    bool ami = s->bench->options->change == CHANGE_AMI;
    struct str separator = ami ? STR("\r\n\r\n") : STR("\n"), rest = buf_str(&s->in);
    const char *end;

    while (rest.n && (end = memmem(rest.p, rest.n, separator.p, separator.n))) {
        struct str one = { rest.p, (size_t)(end - rest.p) };

        rest = str_sub(rest, one.n + separator.n, rest.n);
        if (ami)
            read_ami(s->bench, one);
        else
            read_ctl(s->bench, one);
    }
    memmove(s->in.p, rest.p, rest.n);
    s->in.n = rest.n;
}

static void give_room(uv_handle_t *h, size_t wanted, uv_buf_t *out)
{
    struct change_stream *s = h->data;

    (void)wanted;
    *out = uv_buf_init(s->room, sizeof(s->room));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct change_stream *s = stream->data;

    if (n == 0)
        return;
    if (n < 0) {
        uv_read_stop(stream);
        if (s->bench->phase.spec.kind != PHASE_RESTART)
            bench_complain(s->bench, "the stream of changes has ended: %s", uv_strerror((int)n));
        return;
    }
    buf_add(&s->in, (struct str){ bytes->base, (size_t)n });
    read_answers(s);
}

struct stream_write {
    uv_write_t request;
    struct str bytes;
};

static void on_written(uv_write_t *request, int status)
{
    struct stream_write *w = CONTAINER_OF(request, struct stream_write, request);

    (void)status; /* on_read hears of it too, and nothing that is missing is acknowledged */
    str_free(&w->bytes);
    free(w);
}

static void stream_flush(struct change_stream *s)
{
    struct stream_write *w = s->out.n ? calloc(1, sizeof(*w)) : NULL;
    uv_buf_t bytes;

    if (!w || buf_take(&s->out, &w->bytes)) {
        free(w);
        return;
    }
    bytes = uv_buf_init((char *)w->bytes.p, (unsigned)w->bytes.n);
    if (uv_write(&w->request, (uv_stream_t *)&s->pipe, &bytes, 1, on_written))
        on_written(&w->request, 0);
}

static int connect_to(const struct sockaddr *to, socklen_t n)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, r;

    if (fd < 0)
        return -errno;
    if (connect(fd, to, n) == 0) {
        if (to->sa_family != AF_UNIX)
            (void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return fd;
    }
    r = -errno;
    close(fd);
    return r;
}

static int open_ctl(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    memcpy(to.sun_path, path, strlen(path));
    return connect_to((const struct sockaddr *)&to, sizeof(to));
}

/* "HOST:PORT:USER:SECRET"; the login waits in `out`. */
static int open_ami(struct buf *out, const char *where)
{
    struct str rest = str_of(where), host = str_next(&rest, ':'), port = str_next(&rest, ':');
    struct str user = str_next(&rest, ':');
    struct addr to;
    uint32_t number;

    if (!rest.p || str_to_u32(&number, port) || number > 65535 ||
        addr_parse(&to, host, (uint16_t)number))
        return -EINVAL;
    buf_printf(out,
               "Action: Login\r\nActionID: login\r\nUsername: %.*s\r\nSecret: %.*s\r\n"
               "Events: off\r\n\r\n",
               STR_FMT(user), STR_FMT(rest));
    return connect_to(&to.sa, addr_socklen(&to));
}

/* Its standard input is our stream; what it writes goes where our complaints go. */
static int open_command(struct bench *b, const char *command)
{
    char *words[] = { "sh", "-c", (char *)command, NULL };
    posix_spawn_file_actions_t actions;
    int ends[2], r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return -errno;
    r = -posix_spawn_file_actions_init(&actions);
    if (r == 0) {
        r = -posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
        if (r == 0)
            r = -posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        if (r == 0)
            r = -posix_spawn(&b->command, "/bin/sh", &actions, NULL, words, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (r)
        close(ends[0]);
    return r ? r : ends[0];
}

int change_open(struct bench *b)
{
    const struct options *o = b->options;
    struct change_stream *s;
    int fd;

    if (o->change == CHANGE_NONE || o->change == CHANGE_PUBLISH)
        return 0;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->bench = b;
    buf_init(&s->out, STREAM_MAX);
    buf_init(&s->in, STREAM_MAX);
    fd = o->change == CHANGE_CTL   ? open_ctl(o->change_to)
         : o->change == CHANGE_AMI ? open_ami(&s->out, o->change_to)
                                   : open_command(b, o->change_to);
    if (fd < 0) {
        fprintf(stderr, "extstate-bench: no way to make changes, %s: %s\n", o->change_to,
                strerror(-fd));
        buf_fini(&s->out);
        free(s);
        return fd;
    }
    BUG_UNLESS(uv_pipe_init(&b->loop.uv, &s->pipe, 0) == 0 && uv_pipe_open(&s->pipe, fd) == 0);
    s->pipe.data = s;
    b->stream = s;
    return loop_result(uv_read_start((uv_stream_t *)&s->pipe, give_room, on_read));
}

static void on_stream_closed(uv_handle_t *h)
{
    struct change_stream *s = h->data;

    buf_fini(&s->out);
    buf_fini(&s->in);
    free(s);
}

void change_close(struct bench *b)
{
    if (b->stream)
        uv_close((uv_handle_t *)&b->stream->pipe, on_stream_closed);
    b->stream = NULL;
}

void change_end(struct bench *b)
{
    while (b->command > 0 && waitpid(b->command, NULL, 0) < 0 && errno == EINTR)
        ;
}

void change_make(struct bench *b, uint32_t resource, enum lamp lamp)
{
    struct resource *r = &b->resources[resource];

    resource_change(b, r, lamp);
    if (b->options->change == CHANGE_PUBLISH) {
        publication_set(&b->publications[resource], lamp);
        return;
    }
    if (b->stream)
        print_change(&b->stream->out, b, resource, lamp);
    if (b->options->change == CHANGE_COMMAND) /* it does not say when it has done it */
        resource_acknowledge(b, r);
}

void change_flush(struct bench *b)
{
    if (b->stream)
        stream_flush(b->stream);
}
