// SPDX-License-Identifier: MIT
/* A program in the place of another one: what that has left, and the way back. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/become.h"
#include "daemon/daemon_internal.h"

static const char *take_variable(const char *name)
{
    const char *value = getenv(name);

    return value ? strdup(value) : NULL;
}

/* Its descriptor, or -1. */
static int take_file(const struct succession *s, struct inherited *in, struct str name)
{
    for (size_t i = 0; i < in->n && s->from; i++) {
        struct inherited_socket *file = &in->list[i];

        if (file->kind != INHERITED_OTHER || !str_equal(file->name, name))
            continue;
        file->taken = true;
        return file->fd;
    }
    return -1;
}

void succession_read(struct succession *s, struct inherited *in)
{
    const char *begun = getenv(SUCCESSION_BEGUN);
    int names, r;

    *s = (struct succession){ .from = take_variable(SUCCESSION_FROM),
                              .failed = take_variable(SUCCESSION_FAILED),
                              .arguments = take_variable(SUCCESSION_ARGUMENTS),
                              .program_fd = -1 };
    if (begun && str_to_u64(&s->begun_ms, str_of(begun)))
        s->begun_ms = 0;
    unsetenv(SUCCESSION_FROM);
    unsetenv(SUCCESSION_FAILED);
    unsetenv(SUCCESSION_ARGUMENTS);
    unsetenv(SUCCESSION_BEGUN);
    s->n_listed = in->n;
    s->program_fd = take_file(s, in, STR(SUCCESSION_PROGRAM));
    names = take_file(s, in, STR(SUCCESSION_CONNECTIONS));
    r = names < 0 ? 0 : inherited_read_behind(in, names);
    if (r)
        fprintf(stderr, "extstated: not all connections can be taken over: %s\n", strerror(-r));
}

void succession_fini(struct succession *s)
{
    free((char *)(uintptr_t)s->from);
    free((char *)(uintptr_t)s->failed);
    free((char *)(uintptr_t)s->arguments);
    *s = (struct succession){ .program_fd = -1 };
}

/* ---- back ---- */

/* A connection may have ended meanwhile: then something that nobody wants is in its place. */
static int fd_of(const struct inherited_socket *s)
{
    if (s->lent && fcntl(s->fd, F_GETFD) < 0)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    return s->fd;
}

/* Everything as it was handed over, but for what has been read into memory: telephones repeat it.
 */
void succession_go_back(struct daemon *d)
{
    const struct succession *s = d->options->succession;
    const struct inherited *in = d->options->inherited;
    size_t n = in->n;
    int *fds = calloc(n + 1, sizeof(*fds)), r;
    char **names = calloc(n + 1, sizeof(*names)), path[64], begun[32], **arguments = NULL;
    const char *more[] = {
        SUCCESSION_FROM, s->from,           SUCCESSION_BEGUN,
        begun,           SUCCESSION_FAILED, *d->why ? d->why : "its log says why"
    };

    if (s->program_fd >= 0 && s->arguments)
        arguments = become_split(s->arguments);
    if (!arguments || s->failed || !fds || !names)
        goto out;
    log_error(d->log, "daemon.goes_back", KV("program", arguments[0]), KV("why", more[5]));
    daemon_stop_threads(d);
    backlog_stop(d->backlog);
    for (size_t i = 0; i < n; i++) {
        fds[i] = fd_of(&in->list[i]);
        names[i] = (char *)(uintptr_t)in->list[i].name.p;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", s->program_fd);
    snprintf(begun, sizeof(begun), "%llu", (unsigned long long)s->begun_ms);
    r = become_place(fds, n);
    for (size_t i = 0; i < n; i++) /* it is one of them, and has moved */
        if (in->list[i].fd == s->program_fd)
            snprintf(path, sizeof(path), "/proc/self/fd/%zu", i + 3);
    r = r ? r
          : become(&(struct become){ .path = path,
                                     .arguments = arguments,
                                     .names = names,
                                     .n_fds = s->n_listed,
                                     .more = more,
                                     .n_more = ARRAY_LEN(more) });
    log_error(d->log, "daemon.no_way_back", KV_ERR(r));
    _exit(EXIT_FAILURE); /* whatever was open is something else now */
out:
    become_texts_free(arguments);
    free(fds);
    free(names);
}

/* ---- on ---- */

void succession_tell(struct daemon *d)
{
    const struct succession *s = d->options->succession;
    const struct ctl_upgraded how = { .version = EXTSTATE_VERSION,
                                      .former = s->from,
                                      .took_ms = clock_monotonic_ms(&clock_system) - s->begun_ms,
                                      .failed = s->failed };

    if (!s->from)
        return;
    log_info(d->log, "daemon.took_over", KV("from", s->from), KV_U("took_ms", how.took_ms));
    for (size_t i = 0; i < d->options->inherited->n; i++) {
        struct inherited_socket *client = &d->options->inherited->list[i];
        int fd;

        if (client->kind == INHERITED_CONTROL && !client->taken)
            unlink(client->path.p); /* the configuration has another place for it now */
        if (client->kind != INHERITED_CLIENT)
            continue;
        client->taken = true;
        fd = fcntl(client->fd, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0)
            ctl_adopt(d->ctl, fd, client->name.p, &how);
    }
}
