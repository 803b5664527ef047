// SPDX-License-Identifier: MIT
#include "daemon/become.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

enum { FIRST_FD = 3 };

/* ---- texts ---- */

void become_texts_free(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        free(texts[i]);
    free(texts);
}

struct texts {
    char **list; /* with a NULL behind it */
    size_t n;
    bool failed;
};

static void PRINTF_LIKE(2, 3) text_add(struct texts *t, const char *format, ...)
{
    char **more = t->failed ? NULL : reallocarray(t->list, t->n + 2, sizeof(*more)), *text = NULL;
    va_list args;
    int n = -1;

    if (more) {
        t->list = more;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        more[t->n] = n < 0 ? NULL : text;
        more[t->n + 1] = NULL;
    }
    if (n < 0)
        t->failed = true;
    else
        t->n++;
}

static int texts_done(struct texts *t, char ***out)
{
    if (t->failed) {
        become_texts_free(t->list);
        return -ENOMEM;
    }
    *out = t->list;
    return 0;
}

int become_arguments(char ***out, const struct daemon_options *o, const char *name, bool rehearsal)
{
    struct texts t = { 0 };

    text_add(&t, "%s", name);
    text_add(&t, "--config-dir=%.*s", STR_FMT(o->config_directory));
    text_add(&t, "--state-dir=%.*s", STR_FMT(o->state_directory));
    if (o->log_file.n)
        text_add(&t, "--log-file=%.*s", STR_FMT(o->log_file));
    for (size_t i = 0; i < o->n_overrides; i++)
        text_add(&t, "--set=%.*s", STR_FMT(o->overrides[i]));
    if (!o->background)
        text_add(&t, "--foreground");
    if (rehearsal)
        text_add(&t, "--rehearse");
    return texts_done(&t, out);
}

#define BETWEEN '\x1f' /* arguments: a unit separator, which no path has */

char *become_join(char *const *texts)
{
    struct buf joined;
    char *text = NULL;

    buf_init(&joined, 1 << 20);
    for (size_t i = 0; texts[i]; i++) {
        if (i)
            buf_add_char(&joined, BETWEEN);
        buf_add(&joined, str_of(texts[i]));
    }
    buf_add_char(&joined, '\0');
    if (!joined.error)
        text = strdup(joined.p);
    buf_fini(&joined);
    return text;
}

char **become_split(const char *joined)
{
    struct str rest = str_of(joined);
    struct texts t = { 0 };
    char **out = NULL;

    while (rest.n) {
        struct str part = str_sub(rest, 0, str_find_char(rest, BETWEEN));

        text_add(&t, "%.*s", STR_FMT(part));
        rest = str_sub(rest, part.n + 1, rest.n);
    }
    return texts_done(&t, &out) ? NULL : out;
}

static bool is_ours(const char *variable)
{
    return str_starts(str_of(variable), STR("LISTEN_")) ||
           str_starts(str_of(variable), STR("EXTSTATE_UPGRADE_"));
}

/* A colon ends a name. */
static int names_join(struct buf *joined, char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(joined, "%s%s", i ? ":" : "", strchr(names[i], ':') ? "" : names[i]);
    buf_add_char(joined, '\0');
    return joined->error;
}

int become_environment(char ***out, char *const *names, size_t n_fds, const char *const *more,
                       size_t n_more)
{
    struct texts t = { 0 };
    struct buf joined;

    buf_init(&joined, 1 << 20);
    for (char **variable = environ; *variable; variable++)
        if (!is_ours(*variable))
            text_add(&t, "%s", *variable);
    text_add(&t, "LISTEN_FDS=%zu", n_fds);
    if (names_join(&joined, names, n_fds) == 0)
        text_add(&t, "LISTEN_FDNAMES=%s", joined.p);
    else
        t.failed = true;
    for (size_t i = 0; i + 1 < n_more; i += 2)
        text_add(&t, "%s=%s", more[i], more[i + 1]);
    buf_fini(&joined);
    return texts_done(&t, out);
}

/* ---- becoming ---- */

/* To a number that is free; behind all places, if there is one. */
static int fd_move(int *fd, int end)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, end);

    if (moved < 0)
        moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FD);
    if (moved < 0)
        return -errno;
    close(*fd);
    *fd = moved;
    return 0;
}

/* `at`: which of them has the number of that place; -1: none. */
static int fd_place(int *fds, int *at, size_t i, int end)
{
    int place = FIRST_FD + (int)i, other = at[i];

    if (fds[i] == place)
        return fcntl(place, F_SETFD, 0) ? -errno : 0;
    if (other >= 0) {
        int r = fd_move(&fds[other], end);

        if (r)
            return r;
        if (fds[other] < end)
            at[fds[other] - FIRST_FD] = other;
    }
    if (dup2(fds[i], place) < 0)
        return -errno;
    close(fds[i]);
    if (fds[i] >= FIRST_FD && fds[i] < end)
        at[fds[i] - FIRST_FD] = -1;
    fds[i] = place;
    return 0;
}

/* There may be as many as the process may have open: one number that is free is enough. */
int become_place(int *fds, size_t n)
{
    const int end = FIRST_FD + (int)n;
    int *at = malloc((n + 1) * sizeof(*at)), r = at ? 0 : -ENOMEM;

    if (r)
        return r;
    for (size_t i = 0; i < n; i++)
        at[i] = -1;
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= FIRST_FD && fds[i] < end)
            at[fds[i] - FIRST_FD] = (int)i;
    for (size_t i = 0; i < n && r == 0; i++)
        r = fd_place(fds, at, i, end);
    free(at);
    return r;
}

int become(const struct become *what)
{
    char **environment = NULL, pid[16];
    const char **more = calloc(what->n_more + 2, sizeof(*more));
    int r = more && what->arguments ? 0 : -ENOMEM;

    for (size_t i = 0; more && i < what->n_more; i++)
        more[i] = what->more[i];
    if (r == 0) {
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        more[what->n_more] = "LISTEN_PID";
        more[what->n_more + 1] = pid;
        r = become_environment(&environment, what->names, what->n_fds, more, what->n_more + 2);
    }
    if (r == 0) {
        signal(SIGHUP, SIG_IGN); /* until it is handled again: it reads everything anyway */
        execve(what->path, what->arguments, environment);
        r = -errno;
    }
    become_texts_free(environment);
    free(more);
    return r;
}
