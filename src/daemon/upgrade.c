// SPDX-License-Identifier: MIT
/* How a program makes room for another one. */
#include "daemon/upgrade.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

#include "daemon/become.h"
#include "daemon/daemon_internal.h"
#include "daemon/systemd.h"

enum {
    COMMANDS_MS = 10000, /* for the commands under way: a backup, a drain */
    REQUESTS_MS = 3000,  /* for requests, while nothing is read: telephones repeat them soon */
    UNSENT_MS = 200, /* for what has been said: who does not take it has his connection closed */
    LOOK_MS = 1,     /* between two looks */
    SAID_MAX = 64 << 10,
    CONNECTIONS_MAX = 32 << 20, /* bytes of their names */
};

static struct daemon *daemon_of(struct upgrade *u)
{
    return CONTAINER_OF(u, struct daemon, upgrade);
}

/* ---- a way out at any moment ---- */

static void sockets_forget(struct upgrade *u)
{
    for (size_t i = 0; i < u->n_fds; i++) {
        close(u->fds[i]);
        free(u->names[i]);
    }
    free(u->fds);
    free(u->names);
    u->fds = NULL;
    u->names = NULL;
    u->n_fds = 0;
}

static void resume_worker(struct ctl_job *job, void *worker)
{
    (void)job;
    net_pause(((struct ctl_worker *)worker)->net, false);
}

static void resumed(struct ctl_job *job)
{
    CONTAINER_OF(job, struct upgrade, job)->has_job = false;
}

static void resume(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;

    u->job = (struct ctl_job){ .run = resume_worker, .done = resumed };
    u->has_job = workers_post_job(d->workers, d->n_workers, &u->job, &d->loop) == 0;
    u->paused = !u->has_job;
    if (u->paused) { /* the inbox is full: that passes */
        u->next = resume;
        timer_start(&d->loop.wheel, &u->timer, LOOK_MS);
    }
}

static void refuse(struct daemon *d, struct str why)
{
    struct upgrade *u = &d->upgrade;
    struct ctl_upgrade *asked = u->asked;

    log_warn(d->log, "daemon.upgrade_refused", KV("program", u->program), KV("why", why));
    timer_stop(&d->loop.wheel, &u->timer);
    if (u->begun_ms && !d->stopping)
        systemd_notify("READY=1\nSTATUS=Serving; the last upgrade was refused");
    u->begun_ms = 0;
    u->asked = NULL;
    sockets_forget(u);
    if (u->paused)
        resume(d);
    ctl_pause(d->ctl, false);
    asked->failed(asked, why);
}

static void PRINTF_LIKE(2, 3) refuse_because(struct daemon *d, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    refuse(d, str_of(text));
}

static void on_timer(struct timer *t)
{
    struct daemon *d = daemon_of(CONTAINER_OF(t, struct upgrade, timer));

    d->upgrade.next(d);
}

static void later(struct daemon *d, void (*next)(struct daemon *d), uint64_t ms)
{
    d->upgrade.next = next;
    timer_start(&d->loop.wheel, &d->upgrade.timer, ms);
}

/* Once more in a moment; false when there has been time enough. */
static bool again(struct daemon *d, void (*next)(struct daemon *d))
{
    if (clock_monotonic_ms(&clock_system) >= d->upgrade.deadline_ms)
        return false;
    later(d, next, LOOK_MS);
    return true;
}

void upgrade_give_up(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;

    if (!u->asked)
        return;
    if (u->handles)
        uv_process_kill(&u->child, SIGKILL);
    if (!u->has_job)
        refuse_because(d, "the server is stopping");
}

/* ---- third: nothing is under way any more ---- */

static void look_at_worker(struct ctl_job *job, void *worker)
{
    struct upgrade *u = CONTAINER_OF(job, struct upgrade, job);
    struct ctl_worker *w = worker;

    net_pause(w->net, true);
    u->unanswered += txn_unanswered(w->txn);
    u->unsent += net_unsent(w->net);
}

/* Nobody is read meanwhile, so that one who reads nothing must not have the others wait for long.
 */
static bool is_under_way(const struct upgrade *u)
{
    return u->unanswered || (u->unsent && clock_monotonic_ms(&clock_system) < u->unsent_until_ms);
}

static void pass_state(struct ctl_job *job, void *state)
{
    (void)job;
    (void)state;
}

static void requests_look(struct daemon *d);

static void state_passed(struct ctl_job *job)
{
    struct daemon *d = daemon_of(CONTAINER_OF(job, struct upgrade, job));
    struct upgrade *u = &d->upgrade;

    u->has_job = false;
    if (d->stopping || job->kept < 0) {
        refuse_because(d, d->stopping ? "the server is stopping"
                                      : "the store cannot write: extstatectl status says why");
        return;
    }
    u->agreed = true;
    loop_stop(&d->loop);
}

/* A pause reaches one worker after the other, and those may have handed on what they had read: the
 * first look does not count. */
static void workers_looked(struct ctl_job *job)
{
    struct daemon *d = daemon_of(CONTAINER_OF(job, struct upgrade, job));
    struct upgrade *u = &d->upgrade;
    bool first = !u->paused;

    u->has_job = false;
    u->paused = true;
    if (d->stopping) {
        refuse_because(d, "the server is stopping");
    } else if (first) {
        requests_look(d);
    } else if (is_under_way(u)) {
        if (!again(d, requests_look))
            refuse_because(d, "%zu requests could not be answered within %d s", u->unanswered,
                           REQUESTS_MS / 1000);
    } else {
        /* What was reported to the state thread without an answer. */
        u->job = (struct ctl_job){ .run = pass_state, .done = state_passed, .lasts = true };
        u->has_job = state_post_job(&d->state, &u->job, &d->loop) == 0;
        if (!u->has_job && !again(d, requests_look))
            refuse_because(d, "the state thread has too much to do");
    }
}

static void requests_look(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;

    u->unanswered = u->unsent = 0;
    u->job = (struct ctl_job){ .run = look_at_worker, .done = workers_looked };
    u->has_job = workers_post_job(d->workers, d->n_workers, &u->job, &d->loop) == 0;
    if (!u->has_job && !again(d, requests_look))
        refuse_because(d, "the workers have too much to do");
}

/* ---- second: commands end ---- */

static void commands_look(struct daemon *d)
{
    size_t others = ctl_unanswered(d->ctl) - !d->upgrade.asked->elsewhere;

    if (!others) {
        uint64_t now_ms = clock_monotonic_ms(&clock_system);

        d->upgrade.deadline_ms = now_ms + REQUESTS_MS;
        d->upgrade.unsent_until_ms = now_ms + UNSENT_MS;
        requests_look(d);
    } else if (!again(d, commands_look)) {
        refuse_because(d, "%zu commands have not ended within %d s", others, COMMANDS_MS / 1000);
    }
}

static void give_way(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;

    log_info(d->log, "daemon.giving_way", KV("program", u->program));
    systemd_notify_reloading();
    u->begun_ms = clock_monotonic_ms(&clock_system);
    u->deadline_ms = u->begun_ms + COMMANDS_MS;
    ctl_pause(d->ctl, true);
    commands_look(d);
}

/* ---- first: could it? ---- */

static void rehearsal_over(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;
    struct str said = str_trim(buf_str(&u->said));
    bool could = !u->status && !u->signal && str_ends(said, STR(BECOME_COULD));

    sockets_forget(u);
    timer_stop(&d->loop.wheel, &u->timer);
    if (!u->asked) { /* given up */
        buf_fini(&u->said);
        return;
    }
    if (u->late)
        refuse_because(d, "%s has not said within %u s whether it could start", u->program,
                       u->asked->timeout_s);
    else if (could)
        give_way(d);
    else if (said.n && !u->signal)
        refuse(d, said);
    else if (u->signal)
        refuse_because(d, "%s was ended by signal %d", u->program, u->signal);
    else
        refuse_because(d, "%s ended with status %d", u->program, u->status);
    buf_fini(&u->said);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct daemon *d = h->data;

    if (--d->upgrade.handles == 0)
        rehearsal_over(d);
}

static void on_exit_of_child(uv_process_t *child, int64_t status, int number)
{
    struct daemon *d = child->data;

    d->upgrade.status = (int)status;
    d->upgrade.signal = number;
    uv_close((uv_handle_t *)child, on_handle_closed);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct daemon *d = h->data;

    (void)suggested;
    *out = uv_buf_init(d->upgrade.room, sizeof(d->upgrade.room));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct daemon *d = stream->data;

    if (n < 0)
        uv_close((uv_handle_t *)stream, on_handle_closed);
    else
        buf_add(&d->upgrade.said, (struct str){ bytes->base, (size_t)n });
}

static void on_rehearsal_late(struct daemon *d)
{
    d->upgrade.late = true;
    uv_process_kill(&d->upgrade.child, SIGKILL);
}

static int rehearsal_spawn(struct daemon *d, uv_stdio_container_t *stdio, char **arguments,
                           char **environment, int output)
{
    struct upgrade *u = &d->upgrade;
    uv_process_options_t options = { .exit_cb = on_exit_of_child,
                                     .file = u->path,
                                     .args = arguments,
                                     .env = environment,
                                     .stdio = stdio,
                                     .stdio_count = (int)u->n_fds + 3 };

    stdio[0].flags = UV_IGNORE;
    stdio[1] = stdio[2] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = output };
    for (size_t i = 0; i < u->n_fds; i++)
        stdio[3 + i] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = u->fds[i] };
    return uv_spawn(&d->loop.uv, &u->child, &options);
}

/* From where both handles are begun both are closed, whatever fails. */
static int rehearsal_start(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;
    uv_stdio_container_t *stdio = calloc(u->n_fds + 3, sizeof(*stdio));
    char **arguments = NULL, **environment = NULL;
    int ends[2], r = stdio ? 0 : -ENOMEM;

    r = r ? r : become_arguments(&arguments, d->options, u->program, true);
    r = r ? r : become_environment(&environment, u->names, u->n_fds, NULL, 0);
    if (r == 0 && pipe2(ends, O_CLOEXEC))
        r = -errno;
    if (r)
        goto out;
    buf_init(&u->said, SAID_MAX);
    u->late = false;
    u->handles = 2;
    uv_pipe_init(&d->loop.uv, &u->output, 0);
    u->output.data = u->child.data = d;
    r = rehearsal_spawn(d, stdio, arguments, environment, ends[1]);
    if (r) { /* who asked hears it then */
        buf_printf(&u->said, "%s cannot be run: %s", u->program, strerror(-r));
        uv_close((uv_handle_t *)&u->child, on_handle_closed);
        r = 0;
    }
    close(ends[1]);
    if (uv_pipe_open(&u->output, ends[0]) ||
        uv_read_start((uv_stream_t *)&u->output, on_alloc, on_output))
        uv_close((uv_handle_t *)&u->output, on_handle_closed);
out:
    become_texts_free(arguments);
    become_texts_free(environment);
    free(stdio);
    return r;
}

/* ---- the sockets as they are ---- */

static void socket_add(struct upgrade *u, int fd, struct str name)
{
    char *text = strndup(name.n ? name.p : "", name.n);

    if (!text || ARRAY_GROW(u->names, u->n_fds) || ARRAY_GROW(u->fds, u->n_fds)) {
        u->out_of_memory = true;
        free(text);
        return;
    }
    u->names[u->n_fds] = text;
    u->fds[u->n_fds++] = fd;
}

static void on_socket(void *ctx, struct str id, int fd)
{
    socket_add(ctx, fd, id);
}

/* The worker goes on, and may close its own. */
static void on_socket_shared(void *ctx, struct str id, int fd)
{
    struct upgrade *u = ctx;
    size_t n = u->n_fds;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy >= 0)
        socket_add(u, copy, id);
    if (u->n_fds > n)
        return;
    u->out_of_memory = true;
    if (copy >= 0)
        close(copy);
}

static void sockets_of_worker(struct ctl_job *job, void *worker)
{
    net_each_socket(((struct ctl_worker *)worker)->net, on_socket_shared,
                    CONTAINER_OF(job, struct upgrade, job));
}

static void sockets_collected(struct ctl_job *job)
{
    struct daemon *d = daemon_of(CONTAINER_OF(job, struct upgrade, job));
    struct upgrade *u = &d->upgrade;
    int r;

    manager_each_socket(&d->manager, on_socket_shared, u);
    r = u->out_of_memory ? -ENOMEM : 0;
    u->has_job = false;
    if (d->stopping) {
        refuse_because(d, "the server is stopping");
        return;
    }
    r = r ? r : rehearsal_start(d);
    if (r)
        refuse_because(d, "%s cannot be run: %s", u->program, strerror(-r));
    else
        later(d, on_rehearsal_late, UINT64_C(1000) * u->asked->timeout_s);
}

/* ---- asked for ---- */

static bool is_trusted(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

static bool others_may_write(const struct stat *st)
{
    return st->st_mode & (S_IWGRP | S_IWOTH);
}

/* Whether another file can come to be there. Where everybody may write (/tmp), nobody may rename
 * what is somebody else's. */
static int check_directory(const char *path, char *why, size_t why_n)
{
    struct stat st;

    if (stat(path, &st)) {
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        return -EIO;
    }
    if (is_trusted(&st) && (!others_may_write(&st) || st.st_mode & S_ISVTX))
        return 0;
    snprintf(why, why_n, "others than root and the server's user may write into %s", path);
    return -EPERM;
}

static int check_directories(char *path, char *why, size_t why_n)
{
    int r = check_directory("/", why, why_n);

    for (size_t i = 1; path[i] && r == 0; i++) {
        if (path[i] != '/')
            continue;
        path[i] = '\0';
        r = check_directory(path, why, why_n);
        path[i] = '/';
    }
    return r;
}

/* Whoever may use the control socket could have anything run with our rights. */
static int check_program(struct upgrade *u, char *why, size_t why_n)
{
    struct stat st;

    if (!realpath(u->program, u->path) || stat(u->path, &st)) {
        int r = -errno;

        snprintf(why, why_n, "%s: %s", u->program, strerror(-r));
        return r;
    }
    if (S_ISREG(st.st_mode) && is_trusted(&st) && !others_may_write(&st))
        return check_directories(u->path, why, why_n);
    snprintf(
        why, why_n,
        "%s is no file that belongs to root, or to the server's user, and that nobody else may "
        "write",
        u->path);
    return -EPERM;
}

static const char *why_not(struct daemon *d)
{
    const struct upgrade *u = &d->upgrade;

    if (u->asked || u->paused || u->has_job || u->handles)
        return "another upgrade is under way";
    if (d->stopping)
        return "the server is stopping";
    if (!d->store)
        return "durability is none, so that the new program would know nothing of what this one "
               "does: restart instead";
    if (store_fails(d->store))
        return "the store cannot write at the moment: extstatectl status says why";
    return NULL;
}

void upgrade_init(struct daemon *d)
{
    timer_init(&d->upgrade.timer, on_timer);
}

void upgrade_fini(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;

    timer_stop(&d->loop.wheel, &u->timer);
    if (!u->handles)
        return;
    if (!uv_is_closing((uv_handle_t *)&u->child))
        uv_close((uv_handle_t *)&u->child, on_handle_closed);
    if (!uv_is_closing((uv_handle_t *)&u->output))
        uv_close((uv_handle_t *)&u->output, on_handle_closed);
}

void upgrade_begin(void *daemon, struct ctl_upgrade *asked)
{
    struct daemon *d = daemon;
    struct upgrade *u = &d->upgrade;
    struct str path = asked->program.n ? asked->program : d->options->program;
    const char *refusal = why_not(d);
    char why[PATH_MAX + 128];

    if (refusal) {
        asked->failed(asked, str_of(refusal));
        return;
    }
    u->asked = asked;
    u->out_of_memory = false;
    snprintf(u->program, sizeof(u->program), "%.*s", STR_FMT(path));
    if (check_program(u, why, sizeof(why))) {
        refuse(d, str_of(why));
        return;
    }
    u->job = (struct ctl_job){ .run = sockets_of_worker, .done = sockets_collected };
    u->has_job = workers_post_job(d->workers, d->n_workers, &u->job, &d->loop) == 0;
    if (!u->has_job)
        refuse_because(d, "the workers have too much to do; try again");
}

/* ---- going ---- */

struct worker_sockets {
    struct upgrade *u;
    unsigned worker;
};

/* Whose it is goes along, because its dialogs are that worker's. */
static void on_connection(void *ctx, struct str id, int fd)
{
    const struct worker_sockets *ws = ctx;
    struct upgrade *u = ws->u;
    size_t n = u->n_fds + u->n_connections;

    if (n == INHERITED_MAX || ARRAY_GROW(u->fds, n))
        return;
    buf_printf(&u->connections, "%u/%.*s\n", ws->worker, STR_FMT(id));
    u->fds[n] = fd;
    u->n_connections++;
}

/* They come last, so that the rest can go without them. */
static void connections_add(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;
    int names = memfd_create(SUCCESSION_CONNECTIONS, MFD_CLOEXEC);
    size_t all = 0;

    buf_init(&u->connections, CONNECTIONS_MAX);
    if (names >= 0)
        socket_add(u, names, STR(SUCCESSION_CONNECTIONS));
    for (unsigned i = 0; i < d->n_workers; i++) {
        struct worker_sockets ws = { u, i };
        struct net_counters counters;

        net_counters_get(d->workers[i].net, &counters);
        all += counters.connections;
        net_each_connection(d->workers[i].net, on_connection, &ws);
    }
    if (u->connections.error || names < 0 ||
        write(names, u->connections.p, u->connections.n) != (ssize_t)u->connections.n)
        u->n_connections = 0;
    log_info(d->log, "daemon.gives_way", KV("program", u->program), KV_U("sockets", u->n_fds),
             KV_U("connections", u->n_connections), KV_U("closed", all - u->n_connections));
    buf_fini(&u->connections);
}

static void place(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;
    int r = become_place(u->fds, u->n_fds + u->n_connections);

    if (r == 0)
        return;
    log_warn(d->log, "daemon.connections_lost", KV_U("connections", u->n_connections), KV_ERR(r));
    if (become_place(u->fds, u->n_fds))
        u->n_fds = 0; /* what it cannot be passed it opens itself */
}

static void on_control(void *ctx, int fd, const char *name)
{
    socket_add(ctx, fd, str_of(name));
}

void upgrade_go(struct daemon *d)
{
    struct upgrade *u = &d->upgrade;
    int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), r;
    char begun[32], **theirs = NULL, **ours = NULL;
    const char *more[] = { SUCCESSION_FROM, EXTSTATE_VERSION,     SUCCESSION_BEGUN,
                           begun,           SUCCESSION_ARGUMENTS, NULL };
    struct become what = { .path = u->path, .more = more, .n_more = ARRAY_LEN(more) };

    /* From here on they end it at once, which loses nothing; one that was caught before is heard.
     */
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    uv_run(&d->loop.uv, UV_RUN_NOWAIT);
    if (d->stopping) {
        close(program);
        return;
    }
    daemon_stop_threads(d);
    u->out_of_memory = false;
    for (unsigned i = 0; i < d->n_workers; i++)
        net_each_socket(d->workers[i].net, on_socket, u);
    manager_each_socket(&d->manager, on_socket, u);
    if (edge_http_socket(&d->edge) >= 0)
        socket_add(u, edge_http_socket(&d->edge), STR(DAEMON_HTTP_SOCKET));
    ctl_hand_over(d->ctl, u->asked->elsewhere ? NULL : u->asked, on_control, u);
    if (program >= 0)
        socket_add(u, program, STR(SUCCESSION_PROGRAM));
    connections_add(d);
    snprintf(begun, sizeof(begun), "%" PRIu64, u->begun_ms);
    place(d);
    systemd_notify("WATCHDOG=1");
    r = become_arguments(&ours, d->options, d->options->program.p, false);
    r = r ? r : become_arguments(&theirs, d->options, u->program, false);
    what.arguments = theirs;
    what.names = u->names;
    what.n_fds = u->n_fds;
    more[5] = ours ? become_join(ours) : NULL;
    r = r || !more[5] ? -ENOMEM : become(&what);
    /* It was there a moment ago. So is this one. */
    snprintf(d->why, sizeof(d->why), "%.400s cannot be run: %s", u->program, strerror(-r));
    log_error(d->log, "daemon.upgrade_failed", KV("why", d->why));
    what.path = "/proc/self/exe";
    what.arguments = ours;
    more[4] = SUCCESSION_FAILED;
    more[5] = d->why;
    r = become(&what);
    log_error(d->log, "daemon.upgrade_failed", KV_ERR(r));
    _exit(EXIT_FAILURE);
}
