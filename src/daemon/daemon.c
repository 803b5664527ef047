// SPDX-License-Identifier: MIT
#include "daemon/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/bodies.h"
#include "daemon/configuration.h"
#include "daemon/daemon_internal.h"
#include "daemon/entity.h"
#include "daemon/place.h"
#include "daemon/systemd.h"

enum { MAIN_INBOX_HIGH = 65536 };

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
    struct inbox_message *m = malloc(sizeof(*m));

    (void)w;
    if (!m)
        abort(); /* without it the process would never end */
    *m = (struct inbox_message){ .run = stopped_run, .drop = stopped_drop };
    list_init(&m->link);
    inbox_post_always(&d->loop.inbox, m);
}

static void daemon_stop(struct daemon *d)
{
    systemd_notify("STOPPING=1");
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

/* What the first worker's sockets are bound to, so that the others share a port the kernel chose.
 */
static struct addr *daemon_bound(const struct daemon *d)
{
    const struct worker *first = &d->workers[0];
    struct addr *bound = calloc(first->n_transports + 1, sizeof(*bound));

    for (size_t i = 0; bound && i < first->n_transports; i++)
        net_local(first->net, (uint32_t)i, &bound[i]);
    return bound;
}

static int daemon_init_workers(struct daemon *d)
{
    struct addr *bound = NULL;
    int r = 0;

    for (unsigned i = 0; i < d->n_workers && r == 0; i++) {
        r = worker_init(&d->workers[i], &(struct worker_config){
                                            .index = i,
                                            .clock = &clock_system,
                                            .log = d->log,
                                            .settings = d->settings,
                                            .bodies = d->bodies,
                                            .state = &d->state,
                                            .peers = d->workers,
                                            .n_peers = d->n_workers,
                                            .admission = &d->admission,
                                            .bound = bound,
                                            .stopped = on_worker_stopped,
                                            .stopped_ctx = d,
                                        });
        if (r == 0)
            d->n_workers_ready++;
        if (r == 0 && !bound) {
            bound = daemon_bound(d);
            r = bound ? 0 : -ENOMEM;
        }
    }
    free(bound);
    return r;
}

static int daemon_start_threads(struct daemon *d)
{
    int r = state_thread_start(&d->state);

    for (unsigned i = 0; i < d->n_workers && r == 0; i++)
        r = worker_start(&d->workers[i]);
    return r;
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
    r = configuration_read(&c, d->options, NULL, &diag);
    if (r)
        goto out;
    r = bodies_create(&d->bodies, c.settings, d->log, &diag);
    if (r)
        goto out;
    r = configuration_load_plugins(c.settings, d->bodies, &diag);
    if (r)
        goto out;
    configuration_check_bodies(c.settings, d->bodies, &diag);
    if (log_level_parse(&level, c.settings->general.log_level) == 0)
        log_level_set(d->log, level);
    d->settings = c.settings;
    d->begun_with = settings_ref(c.settings);
    d->files_present = configuration_present(d->options);
    d->dialplan = c.dialplan;
    c = (struct configuration){ 0 };
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

static int daemon_start(struct daemon *d)
{
    char eid[ASTERISK_EID_LEN + 1];
    int r = daemon_configure(d);

    if (r)
        return r;
    /* First, because it tells best that there is another one. Nobody is answered before the loop
     * runs. */
    r = daemon_open_ctl(d);
    if (r)
        return r;
    d->n_workers = worker_count(d->settings);
    atomic_init(&d->admission.held, 0);
    atomic_init(&d->admission.limit, d->settings->general.max_subscriptions);
    r = -ENOMEM;
    d->workers = calloc(d->n_workers, sizeof(*d->workers));
    if (!d->workers)
        return r;
    r = daemon_init_workers(d);
    if (r) {
        snprintf(d->why, sizeof(d->why),
                 "the transports of pjsip.conf cannot all be opened: %s; the line above says which "
                 "one",
                 strerror(-r));
        return r;
    }
    entity_id_make(eid, d->settings->general.control_socket);
    r = state_thread_init(&d->state, &(struct state_thread_config){ .clock = &clock_system,
                                                                    .log = d->log,
                                                                    .settings = d->settings,
                                                                    .eid = str_of(eid),
                                                                    .workers = d->workers,
                                                                    .n_workers = d->n_workers });
    if (r)
        return r;
    d->state_ready = true;
    r = state_thread_apply(&d->state, d->settings, dialplan_ref(d->dialplan), NULL, NULL);
    if (r) {
        dialplan_unref(d->dialplan);
        return r;
    }
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
             KV_U("transports", d->workers[0].n_transports),
             KV_U("endpoints", d->settings->n_endpoints),
             KV_U("publishers", d->settings->n_publishes));
    systemd_notify("READY=1");
    if (d->options->background)
        place_let_go();
    if (d->options->ready_fd >= 0) {
        (void)!write(d->options->ready_fd, "", 1);
        close(d->options->ready_fd);
    }
    return 0;
}

static void daemon_fini(struct daemon *d)
{
    ctl_destroy(d->ctl);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        if (d->workers[i].started)
            loop_stop(&d->workers[i].loop);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        worker_join(&d->workers[i]);
    if (d->state_ready)
        state_thread_stop(&d->state);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        inbox_close(&d->workers[i]
                         .loop.inbox); /* jobs under way go home before their threads' objects go */
    if (d->state_ready)
        state_thread_fini(&d->state);
    for (unsigned i = 0; i < d->n_workers_ready; i++)
        worker_fini(&d->workers[i]);
    free(d->workers);
    if (d->signals_ready)
        for (size_t i = 0; i < ARRAY_LEN(d->signals); i++)
            uv_close((uv_handle_t *)&d->signals[i], NULL);
    loop_fini(&d->loop);
    body_registry_destroy(d->bodies);
    settings_unref(d->settings);
    settings_unref(d->begun_with);
    dialplan_unref(d->dialplan);
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
    struct daemon d = { .options = options, .started_wall_ms = clock_wall_ms(&clock_system) };
    bool has_loop = false;
    int r = log_create(&d.log, STDERR_FILENO, LOG_LEVEL_INFO, &clock_system);

    if (r)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    r = daemon_settle(&d);
    if (r)
        goto out;
    r = loop_init(&d.loop, &clock_system, &d, MAIN_INBOX_HIGH);
    if (r)
        goto out;
    has_loop = true;
    r = daemon_start(&d);
    if (r)
        goto out;
    r = daemon_ready(&d);
    if (r)
        goto out;
    loop_run(&d.loop);
    log_info(d.log, "daemon.stopped");
out:
    if (has_loop)
        daemon_fini(&d);
    if (r) /* the last line is the one that is read */
        log_error(d.log, "daemon.not_started", KV("why", *d.why ? d.why : strerror(-r)));
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
