// SPDX-License-Identifier: MIT
#include "daemon/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/become.h"
#include "daemon/configuration.h"
#include "daemon/daemon_internal.h"
#include "daemon/entity.h"
#include "daemon/place.h"
#include "daemon/systemd.h"

enum {
    MAIN_INBOX_HIGH = 65536,
    DISK_PATIENCE_S = 10, /* at the end */
    DISK_FAILS_S = 2,     /* when it has not worked for longer */
};

/* ---- stopping ---- */

static void stopped_run(struct inbox_message *m, void *owner)
{
    struct daemon *d = owner;

    free(m);
    if (++d->n_workers_stopped == d->n_workers)
        loop_stop(&d->loop);
}

static void stopped_drop(struct inbox_message *m)
{
    free(m);
}

static void on_worker_stopped(void *ctx, struct worker *w)
{
    struct daemon *d = ctx;
    /* Without it the process would never end. */
    struct inbox_message *m = inbox_message_alloc(w->log, sizeof(*m));

    *m = (struct inbox_message){ .run = stopped_run, .drop = stopped_drop };
    list_init(&m->link);
    inbox_post_always(&d->loop.inbox, m);
}

static void daemon_stop(struct daemon *d)
{
    upgrade_give_up(d);
    systemd_notify("STOPPING=1\nSTATUS=Waiting for the last answers");
    log_info(d->log, "daemon.stopping", KV_U("again", d->stopping));
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_post_stop(&d->workers[i],
                         d->stopping ? 0 : (uint64_t)d->settings->general.stop_grace_s * 1000);
    d->stopping = true;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    struct buf report;

    if (number != SIGHUP) {
        daemon_stop(d);
        return;
    }
    (void)!daemon_log_open(d);
    buf_init(&report, 1 << 20);
    (void)!daemon_reload(d, &report);
    if (report.n)
        (void)!write(STDERR_FILENO, report.p, report.n);
    buf_fini(&report);
}

static int daemon_catch_signals(struct daemon *d)
{
    static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uv_signal_init(&d->loop.uv, &d->signals[i]);
        d->signals[i].data = d;
    }
    d->signals_ready = true;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int r = uv_signal_start(&d->signals[i], on_signal, numbers[i]);

        if (r)
            return loop_result(r);
    }
    return 0;
}

/* ---- starting ---- */

static unsigned worker_count(const struct settings *s)
{
    long n = s->general.workers;

    if (n == 0)
        n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* Connections are files. Some systems let a process have few of them unless it asks. */
static void raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files))
        return;
    files.rlim_cur = files.rlim_max;
    (void)!setrlimit(RLIMIT_NOFILE, &files);
}

static int daemon_listen(struct daemon *d)
{
    struct listeners_draft draft = { .clock = &clock_system,
                                     .n_workers = d->n_workers,
                                     .inherited = d->options->inherited,
                                     .rehearsal = d->options->rehearsal };
    int r = 0;

    for (size_t i = 0; i < d->settings->n_transports && r == 0; i++) {
        const struct transport_settings *t = &d->settings->transports[i];
        struct transport_fault fault = { .option = NULL };
        struct buf text;
        char room[80], why[256];

        buf_init_on(&fault.why, why, sizeof(why));
        r = listeners_claim(&draft, t, &fault);
        if (!r)
            continue;
        buf_init_on(&text, room, sizeof(room));
        addr_print(&text, &t->bind);
        log_error(d->log, "transport.bind", KV("transport", t->id), KV("address", buf_str(&text)),
                  KV("error", fault.why.n ? buf_str(&fault.why) : str_of(strerror(-r))));
    }
    if (r == 0 && !d->options->rehearsal)
        r = listeners_make(&d->listeners, &draft, d->settings, 0);
    listeners_draft_fini(&draft);
    if (r || d->options->rehearsal)
        return r;
    for (size_t i = 0; i < d->listeners->n; i++)
        if (d->listeners->list[i].n_read < d->n_workers)
            log_warn(d->log, "transport.few_sockets", KV("transport", d->listeners->list[i].id),
                     KV_U("sockets", d->listeners->list[i].n_read), KV_U("workers", d->n_workers));
    return 0;
}

/* Before the workers, who share them. A file that cannot be had costs each telephone a challenge
 * after the next start, and no more. */
static int daemon_make_nonces(struct daemon *d)
{
    struct nonces_config cfg = { .clock = &clock_system };
    char boot_id[BOOT_ID_BYTES];
    int r = 0;

    if (d->store)
        r = carried_open(&d->carried,
                         &(struct carried_config){ .directory = d->options->state_directory,
                                                   .name = STR_INIT("nonces"),
                                                   .identity = store_identity(d->store),
                                                   .bytes = nonces_bytes() });
    if (r)
        log_warn(d->log, "nonces.not_kept", KV_ERR(r));
    boot_id_read(boot_id);
    /* With the kept key a nonce would be good after the next start, which may have a table from
     * before this one. */
    if (d->carried && *boot_id) {
        cfg.epoch = (struct str){ boot_id, sizeof(boot_id) };
        cfg.key = store_nonce_key(d->store);
        cfg.memory = carried_memory(d->carried);
    }
    return nonces_create(&d->nonces, &cfg);
}

static int daemon_init_workers(struct daemon *d)
{
    int r = 0;

    for (unsigned i = 0; i < d->n_workers && r == 0; i++) {
        r = worker_init(&d->workers[i], &(struct worker_config){
                                            .index = i,
                                            .clock = &clock_system,
                                            .log = d->log,
                                            .settings = d->settings,
                                            .bodies = d->bodies,
                                            .state = &d->state,
                                            .store = d->store,
                                            .directory = d->options->state_directory,
                                            .nonces = d->nonces,
                                            .kept = &d->kept,
                                            .limits = d->limits,
                                            .feed = &d->feed,
                                            .peers = d->workers,
                                            .n_peers = d->n_workers,
                                            .admission = &d->admission,
                                            .listeners = d->listeners,
                                            .stopped = on_worker_stopped,
                                            .stopped_ctx = d,
                                        });
        if (r == 0)
            d->n_workers_ready++;
    }
    return r;
}

static int daemon_start_threads(struct daemon *d)
{
    int r = state_thread_start(&d->state);

    for (unsigned i = 0; i < d->n_workers && r == 0; i++)
        r = worker_start(&d->workers[i]);
    return r ? r : edge_start(&d->edge);
}

static void diagnosis_write(struct diag *diag, int fd)
{
    struct buf b;

    buf_init(&b, diag->text.ceiling);
    diag_print(diag, &b);
    if (b.n)
        (void)!write(fd, b.p, b.n);
    buf_fini(&b);
}

static int daemon_configure(struct daemon *d)
{
    struct configuration c = { 0 };
    enum log_level level;
    struct diag diag;
    int r;

    diag_init(&diag);
    added_hints_init(&d->added, d->options->state_directory, d->log);
    r = configuration_read(&c, d->options, NULL, d->log, &diag);
    if (r)
        goto out;
    if (log_level_parse(&level, c.settings->general.log_level) == 0)
        log_level_set(d->log, level);
    d->settings = c.settings;
    d->begun_with = settings_ref(c.settings);
    d->bodies_of = settings_ref(c.settings);
    d->bodies = c.bodies;
    d->files_present = configuration_present(d->options);
    d->written = c.dialplan;
    c = (struct configuration){ 0 };
    r = added_hints_load(&d->added, d->settings);
    if (r == 0)
        r = added_hints_merge(&d->added, d->written, &d->dialplan);
out:
    diagnosis_write(&diag, STDERR_FILENO);
    if (r == -EINVAL)
        snprintf(d->why, sizeof(d->why),
                 "the configuration in %.*s cannot be used: the errors are above",
                 STR_FMT(d->options->config_directory));
    configuration_fini(&c);
    diag_fini(&diag);
    return r;
}

/* What cannot be had here is no reason to light no lamps. */
static int daemon_listen_manager(struct daemon *d)
{
    struct diag diag;
    int r;

    diag_init(&diag);
    r = manager_listen(&d->manager,
                       &(struct manager_listen_config){ .settings = d->settings->manager,
                                                        .inherited = d->options->inherited,
                                                        .diag = &diag });
    diagnosis_write(&diag, STDERR_FILENO);
    diag_fini(&diag);
    if (r == 0)
        edge_post_terms(&d->edge, &(struct edge_terms){ d->settings, d->listeners, d->bodies },
                        &d->manager);
    return r;
}

/* The one that was passed for it, or -1. */
static int http_passed(struct daemon *d)
{
    const struct http_settings *s = &d->settings->http;
    struct inherited_socket *passed =
        s->enabled ? inherited_take(d->options->inherited, INHERITED_LISTENER, &s->bind,
                                    STR(DAEMON_HTTP_SOCKET))
                   : NULL;

    return passed ? passed->fd : -1;
}

void daemon_still_alive(struct daemon *d)
{
    watchdog_alive(&d->watchdog, d->options->succession->from);
}

static int daemon_start(struct daemon *d)
{
    int r = daemon_configure(d);

    if (r)
        return r;
    /* First, because it tells best that there is another one. Nobody is answered before the loop
     * runs. */
    r = daemon_open_ctl(d);
    if (r)
        return r;
    r = daemon_open_store(d);
    if (r)
        return r;
    d->n_workers = worker_count(d->settings);
    atomic_init(&d->admission.held, 0);
    atomic_init(&d->admission.limit, d->settings->general.max_subscriptions);
    r = -ENOMEM;
    d->workers = calloc(d->n_workers, sizeof(*d->workers));
    if (!d->workers)
        return r;
    raise_files();
    r = daemon_listen(d);
    if (r) {
        snprintf(d->why, sizeof(d->why),
                 "the transports of pjsip.conf cannot all be opened: %s; the line above says which "
                 "one",
                 strerror(-r));
        return r;
    }
    r = daemon_make_nonces(d);
    if (r)
        return r;
    r = limits_create(&d->limits, &clock_system);
    if (r)
        return r;
    r = daemon_init_workers(d);
    if (r) {
        snprintf(d->why, sizeof(d->why), "a worker cannot begin: %s; the line above says why",
                 strerror(-r));
        return r;
    }
    daemon_adopt_connections(d);
    entity_id_make(d->eid, d->settings->general.control_socket);
    r = state_thread_init(&d->state, &(struct state_thread_config){ .clock = &clock_system,
                                                                    .log = d->log,
                                                                    .settings = d->settings,
                                                                    .snapshots = &d->snapshots,
                                                                    .store = d->store,
                                                                    .eid = str_of(d->eid),
                                                                    .feed = &d->feed,
                                                                    .workers = d->workers,
                                                                    .n_workers = d->n_workers });
    if (r)
        return r;
    d->state_ready = true;
    r = daemon_restore_states(d);
    if (r)
        return r;
    r = state_thread_apply(&d->state,
                           &(struct apply){ .settings = d->settings, .dialplan = d->dialplan });
    if (r)
        return r;
    r = daemon_restore(d);
    if (r)
        return r;
    daemon_deliver_backlog(d);
    r = edge_init(&d->edge,
                  &(struct edge_config){ .clock = &clock_system,
                                         .log = d->log,
                                         .feed = &d->feed,
                                         .terms = { d->settings, d->listeners, d->bodies },
                                         .facts = { .options = d->options,
                                                    .store = d->store,
                                                    .admission = &d->admission,
                                                    .durability = d->begun_with->general.durability,
                                                    .eid = str_of(d->eid),
                                                    .started_wall_ms = d->started_wall_ms },
                                         .main = &d->loop,
                                         .daemon = { .ctx = d,
                                                     .reload = daemon_reload_port,
                                                     .preview = daemon_preview_port,
                                                     .hint = daemon_hint_port,
                                                     .upgrade = upgrade_begin },
                                         .state = &d->state,
                                         .workers = d->workers,
                                         .n_workers = d->n_workers,
                                         .http_socket = http_passed(d),
                                         .hints = daemon_post_hints,
                                         .hints_ctx = d });
    if (r)
        return r;
    r = daemon_listen_manager(d);
    if (r)
        return r;
    added_hints_sweep(&d->added, d->settings);
    r = daemon_catch_signals(d);
    return r ? r : daemon_start_threads(d);
}

static int daemon_ready(struct daemon *d)
{
    static const char word[] = "ready\n";
    int r = daemon_log_open(d);

    if (r) {
        snprintf(d->why, sizeof(d->why), "the log file %.400s cannot be opened: %s", d->log_file,
                 strerror(-r));
        return r;
    }
    (void)!write(STDERR_FILENO, word, sizeof(word) - 1);
    log_info(d->log, "daemon.ready", KV_U("workers", d->n_workers),
             KV_U("transports", d->listeners->n), KV_U("endpoints", d->settings->n_endpoints),
             KV_U("publishers", d->settings->n_publishes));
    inherited_report(d->options->inherited, d->log);
    succession_tell(d);
    inherited_close(d->options->inherited);
    systemd_notify("READY=1\nSTATUS=Serving");
    watchdog_start(&d->watchdog, &d->state, d->workers, d->n_workers, &d->edge, &d->loop);
    if (d->options->background)
        place_let_go();
    if (d->options->ready_fd >= 0) {
        (void)!write(d->options->ready_fd, "", 1);
        close(d->options->ready_fd);
    }
    return 0;
}

/* A disk that hangs holds up the end, and what waits for it was acknowledged to nobody. */
static void on_hang(int number)
{
    static const char line[] =
        "error daemon.disk_hangs why=\"it does not take what was to be written last\"\n";

    (void)number;
    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    _exit(EXIT_FAILURE);
}

static void disk_patience(const struct store *store)
{
    signal(SIGALRM, on_hang);
    alarm(store_fails(store) ? DISK_FAILS_S : DISK_PATIENCE_S);
}

void daemon_stop_threads(struct daemon *d)
{
    watchdog_end(&d->watchdog);
    edge_stop(&d->edge, d->upgrade.agreed);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        if (d->workers[i].started)
            loop_stop(&d->workers[i].loop);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        worker_join(&d->workers[i]);
    if (d->state_ready)
        state_thread_stop(&d->state);
    if (!d->store)
        return;
    disk_patience(d->store);
    store_stop(d->store);
    alarm(0);
}

static void daemon_fini(struct daemon *d)
{
    ctl_destroy(d->ctl);
    daemon_stop_threads(d);
    if (d->edge.hangs) /* everything is written, but nothing may be freed under its hands */
        _exit(EXIT_FAILURE);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        inbox_close(&d->workers[i]
                         .loop.inbox); /* jobs under way go home before their threads' objects go */
    if (d->state_ready)
        state_thread_fini(&d->state);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        worker_fini(&d->workers[i]);
    edge_fini(&d->edge);
    manager_listeners_fini(&d->manager);
    free(d->workers);
    nonces_destroy(d->nonces);
    limits_destroy(d->limits);
    carried_close(d->carried);
    pthread_mutex_lock(&d->store_lock);
    if (d->store)
        disk_patience(d->store);
    store_close(d->store);
    alarm(0);
    d->store = NULL;
    pthread_mutex_unlock(&d->store_lock);
    if (d->signals_ready)
        for (size_t i = 0; i < ARRAY_LEN(d->signals); i++)
            uv_close((uv_handle_t *)&d->signals[i], NULL);
    upgrade_fini(d);
    loop_fini(&d->loop);
    body_registry_unref(d->bodies);
    settings_unref(d->settings);
    settings_unref(d->begun_with);
    settings_unref(d->bodies_of);
    dialplan_unref(d->dialplan);
    dialplan_unref(d->written);
    added_hints_fini(&d->added);
    listeners_unref(d->listeners);
    backlog_destroy(d->backlog);
}

static int daemon_settle(struct daemon *d)
{
    struct str directory = d->options->state_directory;
    int r = place_directory_make(directory);

    if (r)
        snprintf(d->why, sizeof(d->why),
                 "the state directory %.*s cannot be made: %s; name another one with --state-dir",
                 STR_FMT(directory), strerror(-r));
    else
        r = daemon_log_name(d);
    return r;
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon d = { .options = options,
                        .manager = MANAGER_LISTENERS_NONE,
                        .started_wall_ms = clock_wall_ms(&clock_system) };
    bool has_loop = false;
    int r = log_create(&d.log, STDERR_FILENO, LOG_LEVEL_INFO, &clock_system);

    if (r)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&d.store_lock, NULL);
    feed_init(&d.feed, d.log);
    r = daemon_settle(&d);
    if (r)
        goto out;
    r = loop_init(&d.loop, &clock_system, &d, MAIN_INBOX_HIGH);
    if (r)
        goto out;
    has_loop = true;
    upgrade_init(&d);
    watchdog_init(&d.watchdog);
    r = daemon_inherit(&d);
    if (r)
        goto out;
    r = daemon_start(&d);
    if (r)
        goto out;
    r = daemon_ready(&d);
    if (r)
        goto out;
    loop_run(&d.loop);
    if (d.upgrade.agreed) {
        upgrade_go(&d);
        loop_run(&d.loop);
    }
    log_info(d.log, "daemon.stopped");
out:
    if (r)
        succession_go_back(&d);
    if (has_loop)
        daemon_fini(&d);
    if (r) /* the last line is the one that is read */
        log_error(d.log, "daemon.not_started", KV("why", *d.why ? d.why : strerror(-r)));
    pthread_mutex_destroy(&d.store_lock);
    log_destroy(d.log);
    return r ? 1 : 0;
}

static int rehearse(struct daemon *d)
{
    int r = daemon_configure(d);

    if (r)
        return r;
    if (d->settings->general.durability == DURABILITY_NONE) {
        snprintf(d->why, sizeof(d->why), "[general] durability is none: it would know nothing");
        return -EINVAL;
    }
    d->n_workers = worker_count(d->settings);
    r = daemon_listen(d);
    if (r) {
        snprintf(d->why, sizeof(d->why), "a transport cannot be opened: %s", strerror(-r));
        return r;
    }
    return store_probe(d->options->state_directory, d->why, sizeof(d->why));
}

int daemon_rehearse(const struct daemon_options *options)
{
    struct daemon d = { .options = options, .manager = MANAGER_LISTENERS_NONE };
    /* It has the sockets of who asks. Were it to outlive that one, killed meanwhile, nobody could
     * be started at their addresses. */
    int r = prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;

    r = r ? r : log_create(&d.log, STDERR_FILENO, LOG_LEVEL_WARN, &clock_system);

    if (r == 0)
        r = rehearse(&d);
    if (r)
        fprintf(stderr, "extstated " EXTSTATE_VERSION " cannot take over: %s\n",
                *d.why ? d.why : strerror(-r));
    else
        puts("extstated " EXTSTATE_VERSION " " BECOME_COULD);
    body_registry_unref(d.bodies);
    settings_unref(d.settings);
    settings_unref(d.begun_with);
    settings_unref(d.bodies_of);
    dialplan_unref(d.dialplan);
    dialplan_unref(d.written);
    added_hints_fini(&d.added);
    log_destroy(d.log);
    return r ? 1 : 0;
}

int daemon_check(const struct daemon_options *options)
{
    struct log *log = NULL;
    struct diag diag;
    int r;

    diag_init(&diag);
    r = log_create(&log, STDERR_FILENO, LOG_LEVEL_WARN, &clock_system);
    if (r == 0)
        r = configuration_check(options, log, &diag);
    diagnosis_write(&diag, STDOUT_FILENO);
    printf("%u errors, %u warnings\n", diag.errors, diag.warnings);
    log_destroy(log);
    diag_fini(&diag);
    return r ? 1 : 0;
}
