// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "daemon/threads.h"

enum {
    WORKER_INBOX_HIGH = 65536,
    WORKER_SERVER_TXN_BYTES = 64 << 20, /* answers to some 10,000 requests a second, for 32 s */
    WORKER_SEND_QUEUE_MAX = 65536,
    STOP_POLL_MS = 20,
};

static struct worker *worker_of(void *ctx)
{
    return ctx;
}

static int worker_post_send(struct worker *w, struct worker *from, const struct flow *to,
                            struct str bytes);

/* ---- ports of the engine ---- */

/* A full send queue loses datagrams as a network does, and retransmissions mend both. A connection
 * belongs to the worker that has accepted or opened it. */
static int port_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct worker *w = ctx;
    unsigned owner = net_connection_worker(to->connection);
    int r;

    if (to->connection && owner != w->index)
        return owner < w->n_peers ? worker_post_send(&w->peers[owner], w, to, bytes) : -ENOTCONN;
    r = net_send(w->net, to, bytes);
    return r == -EAGAIN && !to->connection ? 0 : r;
}

static int port_connect(void *ctx, struct flow *flow, struct str host)
{
    return net_connect(worker_of(ctx)->net, flow, host);
}

static int port_forward(void *ctx, unsigned peer, const struct flow *from, struct str datagram)
{
    struct worker *w = ctx;
    int r = 0;

    if (peer < w->n_peers)
        r = worker_post_datagram(&w->peers[peer], w, from, datagram);
    if (r == -EAGAIN && !from->connection)
        net_overloaded(w->net);
    return r;
}

static int port_watch(void *ctx, const struct resource_name *name, struct str served,
                      uint64_t cookie)
{
    struct worker *w = ctx;

    return state_post_watch(w->state, w->index, name, served, cookie);
}

static void port_unwatch(void *ctx, uint64_t resource_id)
{
    struct worker *w = ctx;

    state_post_unwatch(w->state, w->index, resource_id);
}

static int port_apply(void *ctx, const struct publication_request *rq, uint64_t cookie)
{
    struct worker *w = ctx;

    return state_post_publication(w->state, w->index, rq, cookie);
}

static int port_register(void *ctx, struct registration *r)
{
    struct worker *w = ctx;

    return state_post_registration(w->state, w->index, r);
}

static void port_watcher(void *ctx, const struct watcher_report *report)
{
    struct worker *w = ctx;

    state_post_watcher(w->state, w->index, report);
}

static bool port_admit(void *ctx)
{
    struct admission *a = worker_of(ctx)->admission;

    if (atomic_fetch_add(&a->held, 1) < atomic_load(&a->limit))
        return true;
    atomic_fetch_sub(&a->held, 1);
    return false;
}

static void port_readmit(void *ctx)
{
    atomic_fetch_add(&worker_of(ctx)->admission->held, 1);
}

static void port_release(void *ctx)
{
    atomic_fetch_sub(&worker_of(ctx)->admission->held, 1);
}

int worker_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                 const struct addr *remote, struct flow *out)
{
    return transports_route(&worker_of(ctx)->transports, transport_id, protocol, remote, out);
}

static int port_route_from(void *ctx, enum net_protocol protocol, const struct addr *local,
                           const struct addr *remote, struct flow *out)
{
    return transports_route_from(&worker_of(ctx)->transports, protocol, local, remote, out);
}

static bool port_widen(void *ctx, struct flow *flow)
{
    const struct worker *w = ctx;
    struct flow wide;

    if (w->engine.settings->global.disable_tcp_switch ||
        transports_route(&w->transports, STR_EMPTY, NET_TCP, &flow->remote, &wide))
        return false;
    *flow = wide;
    return true;
}

/* ---- messages ---- */

struct simple_message {
    struct inbox_message m;
    const struct settings *settings;
    struct listeners *listeners;
    struct body_registry *bodies;
    const struct snapshot *snapshot;
    struct addr_net *peers;
    size_t n_peers;
    uint64_t value;
    bool notifier, publisher, cacheable, all;
};

static void simple_drop(struct inbox_message *m)
{
    struct simple_message *s = CONTAINER_OF(m, struct simple_message, m);

    settings_unref(s->settings);
    listeners_unref(s->listeners);
    body_registry_unref(s->bodies);
    snapshot_unref(s->snapshot);
    free(s->peers);
    free(s);
}

/* Posts a copy of `what`. */
static void simple_post(struct worker *w, const struct simple_message *what, inbox_run_fn run,
                        bool patient)
{
    struct simple_message *s = inbox_message_alloc(w->log, sizeof(*s));

    *s = *what;
    s->m = (struct inbox_message){ .run = run, .drop = simple_drop, .patient = patient };
    list_init(&s->m.link);
    inbox_post_always(&w->loop.inbox, &s->m);
}

static struct net_limits limits_of(const struct worker *w, const struct settings *s)
{
    uint32_t all = s->general.max_connections;

    return (struct net_limits){ .connections = all / w->n_peers + (all % w->n_peers > w->index),
                                .idle_ms = UINT64_C(1000) * s->general.connection_idle_s,
                                .keep_alive_ms = UINT64_C(1000) * s->global.keep_alive_interval_s,
                                .web_origins = s->general.websocket_origins };
}

static void settings_run(struct inbox_message *m, void *owner)
{
    const struct settings *settings = CONTAINER_OF(m, struct simple_message, m)->settings;
    struct listeners *listeners = CONTAINER_OF(m, struct simple_message, m)->listeners;
    struct worker *w = owner;
    const struct global_settings *was = &w->engine.settings->global, *is = &settings->global;
    bool trace_changed = was->debug != is->debug || !str_equal(was->debug_host, is->debug_host);

    const struct net_limits limits = limits_of(w, settings);

    (void)!transports_apply(&w->transports, listeners, settings->global.timer_b_ms);
    net_limits_set(w->net, &limits);
    if (engine_transports_set(&w->engine, w->transports.list, w->transports.n))
        log_error(w->log, "worker.transports", KV_ERR(-ENOMEM));
    names_servers_set(&w->names, settings->general.nameservers);
    engine_bodies_set(&w->engine, CONTAINER_OF(m, struct simple_message, m)->bodies);
    engine_settings_set(&w->engine, settings);
    if (trace_changed)
        worker_trace_settings(w->net, is);
    simple_drop(m);
}

void worker_post_settings(struct worker *w, const struct settings *settings,
                          struct listeners *listeners, struct body_registry *bodies)
{
    simple_post(w,
                &(struct simple_message){ .settings = settings_ref(settings),
                                          .listeners = listeners_ref(listeners),
                                          .bodies = body_registry_ref(bodies) },
                settings_run, false);
}

static void snapshot_run(struct inbox_message *m, void *owner)
{
    struct simple_message *s = CONTAINER_OF(m, struct simple_message, m);
    struct worker *w = owner;

    if (s->notifier)
        notifier_snapshot(w->engine.notifier, s->snapshot);
    if (s->publisher)
        publisher_snapshot(w->engine.publisher, s->snapshot);
    simple_drop(m);
}

void worker_post_snapshot(struct worker *w, const struct snapshot *s, bool notifier, bool publisher)
{
    simple_post(w,
                &(struct simple_message){
                    .snapshot = snapshot_ref(s), .notifier = notifier, .publisher = publisher },
                snapshot_run, true);
}

static void watch_result_run(struct inbox_message *m, void *owner)
{
    struct simple_message *s = CONTAINER_OF(m, struct simple_message, m);

    notifier_watch_result(worker_of(owner)->engine.notifier, s->value, s->snapshot, s->cacheable);
    simple_drop(m);
}

void worker_post_watch_result(struct worker *w, uint64_t cookie, const struct snapshot *s,
                              bool cacheable)
{
    simple_post(w,
                &(struct simple_message){ .snapshot = s ? snapshot_ref(s) : NULL,
                                          .value = cookie,
                                          .cacheable = cacheable },
                watch_result_run, true);
}

static void dialplan_changed_run(struct inbox_message *m, void *owner)
{
    notifier_dialplan_changed(worker_of(owner)->engine.notifier);
    simple_drop(m);
}

void worker_post_dialplan_changed(struct worker *w)
{
    simple_post(w, &(struct simple_message){ 0 }, dialplan_changed_run, false);
}

static void trace_run(struct inbox_message *m, void *owner)
{
    struct simple_message *s = CONTAINER_OF(m, struct simple_message, m);

    net_trace_set(worker_of(owner)->net, s->all, s->peers, s->n_peers);
    simple_drop(m);
}

void worker_post_trace(struct worker *w, bool all, const struct addr_net *peers, size_t n_peers)
{
    struct addr_net *copy = n_peers ? calloc(n_peers, sizeof(*copy)) : NULL;

    if (n_peers && !copy) {
        log_error(w->log, "worker.trace", KV_ERR(-ENOMEM));
        return;
    }
    if (n_peers)
        memcpy(copy, peers, n_peers * sizeof(*copy));
    simple_post(w, &(struct simple_message){ .all = all, .peers = copy, .n_peers = n_peers },
                trace_run, false);
}

struct section_message {
    struct inbox_message m;
    struct str section;
    char text[];
};

static void section_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct section_message, m));
}

static void republish_run(struct inbox_message *m, void *owner)
{
    struct section_message *s = CONTAINER_OF(m, struct section_message, m);

    publisher_republish(worker_of(owner)->engine.publisher, s->section);
    free(s);
}

void worker_post_republish(struct worker *w, struct str section)
{
    struct section_message *s = inbox_message_alloc(w->log, sizeof(*s) + section.n);
    char *at;

    *s = (struct section_message){ .m = { .run = republish_run, .drop = section_drop },
                                   .section = section };
    list_init(&s->m.link);
    at = s->text;
    str_keep(&s->section, &at);
    inbox_post_always(&w->loop.inbox, &s->m);
}

/* ---- connections of other workers ---- */

struct lost_message {
    struct inbox_message m;
    size_t n;
    uint32_t connections[];
};

static void lost_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct lost_message, m));
}

static void lost_run(struct inbox_message *m, void *owner)
{
    struct lost_message *l = CONTAINER_OF(m, struct lost_message, m);

    txn_connections_lost(worker_of(owner)->engine.txn, l->connections, l->n);
    free(l);
}

static void worker_post_lost(struct worker *w, const uint32_t *connections, size_t n)
{
    struct lost_message *l = inbox_message_alloc(w->log, sizeof(*l) + n * sizeof(*connections));

    l->m = (struct inbox_message){ .run = lost_run, .drop = lost_drop };
    list_init(&l->m.link);
    l->n = n;
    memcpy(l->connections, connections, n * sizeof(*connections));
    inbox_post_always(&w->loop.inbox, &l->m);
}

struct send_message {
    struct inbox_message m;
    struct worker *from;
    struct flow to;
    size_t n;
    char bytes[];
};

static void send_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct send_message, m));
}

/* What cannot be sent is lost with its connection, as far as the sender is concerned. */
static void send_run(struct inbox_message *m, void *owner)
{
    struct send_message *s = CONTAINER_OF(m, struct send_message, m);
    struct worker *w = owner;

    w->lends = true;
    if (net_send(w->net, &s->to, (struct str){ s->bytes, s->n }))
        worker_post_lost(s->from, &s->to.connection, 1);
    free(s);
}

static int worker_post_send(struct worker *w, struct worker *from, const struct flow *to,
                            struct str bytes)
{
    struct send_message *s = malloc(sizeof(*s) + bytes.n);

    if (!s)
        return -ENOMEM;
    s->m = (struct inbox_message){ .run = send_run, .drop = send_drop, .patient = true };
    list_init(&s->m.link);
    s->from = from;
    s->to = *to;
    s->n = bytes.n;
    memcpy(s->bytes, bytes.p, bytes.n);
    if (inbox_post(&w->loop.inbox, &s->m)) {
        free(s);
        return -EAGAIN;
    }
    return 0;
}

/* ---- jobs: from worker to worker, then home ---- */

struct workers_job {
    struct inbox_message m;
    struct ctl_job *job;
    struct loop *home;
    struct worker *workers;
    unsigned n, next;
    struct keep_wait wait;
};

static void workers_job_finish(struct inbox_message *m, void *owner)
{
    struct workers_job *j = CONTAINER_OF(m, struct workers_job, m);

    (void)owner;
    j->job->done(j->job);
    free(j);
}

static void workers_job_drop(struct inbox_message *m)
{
    workers_job_finish(m, NULL);
}

static void workers_job_pass(struct keep_wait *w, int result)
{
    struct workers_job *j = CONTAINER_OF(w, struct workers_job, wait);

    if (result < 0)
        j->job->kept = result;
    if (++j->next < j->n) {
        inbox_post_always(&j->workers[j->next].loop.inbox, &j->m);
        return;
    }
    j->m.run = workers_job_finish;
    inbox_post_always(&j->home->inbox, &j->m);
}

static void workers_job_run(struct inbox_message *m, void *owner)
{
    struct workers_job *j = CONTAINER_OF(m, struct workers_job, m);
    struct worker *w = owner;
    struct keep keep = ledger_keep(&w->ledger);

    j->job->run(j->job, &(struct ctl_worker){ .index = w->index,
                                              .workers = j->n,
                                              .notifier = w->engine.notifier,
                                              .publisher = w->engine.publisher,
                                              .compositor = w->engine.compositor,
                                              .qualifier = w->engine.qualifier,
                                              .txn = w->engine.txn,
                                              .uas = w->engine.uas,
                                              .net = w->net,
                                              .registrar = w->engine.registrar });
    j->wait.done = workers_job_pass;
    if (j->job->lasts)
        keep_wait(&keep, &j->wait);
    else
        workers_job_pass(&j->wait, 0);
}

int workers_post_job(struct worker *workers, unsigned n, struct ctl_job *job, struct loop *home)
{
    struct workers_job *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    *j = (struct workers_job){ .m = { .run = workers_job_run, .drop = workers_job_drop },
                               .job = job,
                               .home = home,
                               .workers = workers,
                               .n = n };
    list_init(&j->m.link);
    r = inbox_post(&workers[0].loop.inbox, &j->m);
    if (r)
        free(j);
    return r;
}

/* ---- stopping ---- */

static void on_stop_poll(struct timer *t)
{
    struct worker *w = CONTAINER_OF(t, struct worker, stop_poll);
    uint64_t now = clock_monotonic_ms(w->loop.clock);
    size_t busy = engine_busy(&w->engine);

    if (busy && now < w->stop_deadline_ms) {
        timer_start(&w->loop.wheel, &w->stop_poll, STOP_POLL_MS);
        return;
    }
    if (busy)
        log_warn(w->log, "worker.stop_unanswered", KV_U("worker", w->index),
                 KV_U("requests", busy));
    /* The loop goes on: the kernel may give this worker's sockets the answers that others wait for.
     */
    w->stopped_told = true;
    w->stopped(w->stopped_ctx, w);
}

static void stop_run(struct inbox_message *m, void *owner)
{
    struct worker *w = owner;

    if (w->stopped_told) { /* a second signal that came too late */
        simple_drop(m);
        return;
    }
    w->stop_deadline_ms =
        clock_monotonic_ms(w->loop.clock) + CONTAINER_OF(m, struct simple_message, m)->value;
    engine_stop(&w->engine);
    timer_start(&w->loop.wheel, &w->stop_poll, 0);
    simple_drop(m);
}

void worker_post_stop(struct worker *w, uint64_t grace_ms)
{
    simple_post(w, &(struct simple_message){ .value = grace_ms }, stop_run, false);
}

/* ---- life ---- */

static void on_datagram(void *ctx, const struct flow *from, struct str datagram)
{
    engine_receive(&worker_of(ctx)->engine, from, datagram);
}

static void on_broken(void *ctx, const struct flow *from, struct str head,
                      const struct net_fault *fault)
{
    txn_broken(worker_of(ctx)->engine.txn, from, head, fault);
}

static void on_lost(void *ctx, const uint32_t *connections, size_t n)
{
    struct worker *w = ctx;

    if (w->engine_ready)
        txn_connections_lost(w->engine.txn, connections, n);
    for (unsigned i = 0; w->lends && i < w->n_peers; i++)
        if (i != w->index)
            worker_post_lost(&w->peers[i], connections, n);
    if (w->engine_ready)
        state_post_lost(w->state, w->log, connections, n);
}

static struct limit_claim connection_claim(const struct worker *w, const struct addr *remote)
{
    return (struct limit_claim){
        .key = limit_key(w->limits, LIMIT_CONNECTIONS, limit_source(remote), STR_EMPTY),
    };
}

/* All are counted, whatever the limit is now: a reload may set another. */
static int on_admit(void *ctx, const struct addr *remote)
{
    struct worker *w = ctx;
    struct limit_claim claim = connection_claim(w, remote);
    int taken;

    claim.most = w->engine.settings->general.connections_per_source;
    taken = limit_take(w->limits, &claim, 1);

    return taken < 0 ? taken : taken ? 0 : -EDQUOT;
}

static void on_dismiss(void *ctx, const struct addr *remote)
{
    struct worker *w = ctx;
    const struct limit_claim claim = connection_claim(w, remote);

    limit_give(w->limits, &claim, 1);
}

static void on_flush(void *ctx)
{
    struct worker *w = ctx;

    if (notifier_turn(w->engine.notifier))
        loop_again(&w->loop);
    ledger_flush(&w->ledger);
    feed_flush(&w->changes);
    net_flush(w->net);
    inbox_nudge(&w->state->loop.inbox);
    for (unsigned i = 0; i < w->n_peers; i++)
        inbox_nudge(&w->peers[i].loop.inbox);
}

static void on_rewrite(void *ctx)
{
    engine_rewrite(&worker_of(ctx)->engine);
}

static int worker_keep(struct worker *w, const struct worker_config *cfg)
{
    int r;

    ledger_init(&w->ledger, &(struct ledger_config){ .store = cfg->store,
                                                     .home = &w->loop.inbox,
                                                     .wheel = &w->loop.wheel,
                                                     .log = cfg->log,
                                                     .ctx = w,
                                                     .rewrite = on_rewrite });
    if (!cfg->store)
        return 0;
    r = told_open(&w->told, &(struct told_config){ .directory = cfg->directory,
                                                   .identity = store_identity(cfg->store),
                                                   .incarnation = store_incarnation(cfg->store),
                                                   .worker = w->index,
                                                   .workers = w->n_peers,
                                                   .log = cfg->log });
    if (r)
        log_error(w->log, "worker.told", KV("directory", cfg->directory), KV_ERR(r));
    return r;
}

static int worker_init_engine(struct worker *w, const struct worker_config *cfg)
{
    return engine_init(
        &w->engine,
        &(struct engine_config){
            .wheel = &w->loop.wheel,
            .clock = cfg->clock,
            .rng = &w->rng,
            .log = cfg->log,
            .bodies = cfg->bodies,
            .settings = cfg->settings,
            .nonces = cfg->nonces,
            .limits = cfg->limits,
            .net = w->net,
            .worker = w->index,
            .workers = w->n_peers,
            .max_server_bytes = WORKER_SERVER_TXN_BYTES,
            .keep = ledger_keep(&w->ledger),
            .words = w->told ? told_words(w->told) : (struct keep_words){ .ctx = NULL },
            .incarnation = cfg->store ? store_incarnation(cfg->store) : 0,
            .changes = &w->changes,
            .txn = { .ctx = w,
                     .send = port_send,
                     .forward = port_forward,
                     .connect = port_connect,
                     .widen = port_widen },
            .notifier = { .ctx = w,
                          .watch = port_watch,
                          .unwatch = port_unwatch,
                          .admit = port_admit,
                          .release = port_release,
                          .readmit = port_readmit,
                          .watcher = port_watcher,
                          .resolve = worker_notifier_resolve,
                          .route = worker_route,
                          .route_from = port_route_from,
                          .solicit = worker_solicit,
                          .unsolicit = worker_unsolicit },
            .publisher = { .ctx = w,
                           .resolve = worker_publisher_resolve,
                           .route = worker_route,
                           .transport = worker_transport_id },
            .compositor = { .ctx = w, .apply = port_apply, .mailbox = worker_report_mailbox },
            .registrar = { .ctx = w, .apply = port_register },
            .qualifier = { .requests = { .ctx = w,
                                         .resolve = worker_qualifier_resolve,
                                         .route = worker_route,
                                         .route_from = port_route_from,
                                         .transport = worker_transport_id },
                           .ctx = w,
                           .reach = worker_report_reach,
                           .dialogs = worker_report_dialogs },
        });
}

void worker_trace_settings(struct net *net, const struct global_settings *g)
{
    struct addr_net peer;

    if (g->debug && g->debug_host.n && addr_net_parse(&peer, g->debug_host) == 0)
        net_trace_set(net, false, &peer, 1);
    else
        net_trace_set(net, g->debug, NULL, 0);
}

int worker_init(struct worker *w, const struct worker_config *cfg)
{
    int r;

    *w = (struct worker){ .index = cfg->index,
                          .log = cfg->log,
                          .limits = cfg->limits,
                          .state = cfg->state,
                          .peers = cfg->peers,
                          .n_peers = cfg->n_peers,
                          .admission = cfg->admission,
                          .stopped = cfg->stopped,
                          .stopped_ctx = cfg->stopped_ctx };
    rng_init_system(&w->rng);
    feed_writer_init(&w->changes, cfg->feed, cfg->clock, false);
    timer_init(&w->stop_poll, on_stop_poll);
    r = loop_init(&w->loop, cfg->clock, w, WORKER_INBOX_HIGH);
    if (r)
        return r;
    loop_flush_hook(&w->loop, on_flush, w);
    r = net_create(&w->net, &(struct net_config){ .loop = &w->loop,
                                                  .log = cfg->log,
                                                  .receive = on_datagram,
                                                  .ctx = w,
                                                  .send_queue_max = WORKER_SEND_QUEUE_MAX,
                                                  .numbers = cfg->kept,
                                                  .sheds = true,
                                                  .elsewhere_ns = &w->elsewhere_ns,
                                                  .worker = w->index,
                                                  .rng = &w->rng,
                                                  .limits = limits_of(w, cfg->settings),
                                                  .broken = on_broken,
                                                  .lost = on_lost,
                                                  .admit = on_admit,
                                                  .dismiss = on_dismiss });
    if (r)
        goto out;
    transports_init(&w->transports, w->net, &w->loop.wheel, cfg->log, w->index);
    r = transports_apply(&w->transports, cfg->listeners, 0);
    if (r)
        goto out;
    r = worker_names_init(w, cfg->settings->general.nameservers);
    if (r)
        goto out;
    r = worker_keep(w, cfg);
    if (r)
        goto out;
    r = worker_init_engine(w, cfg);
    if (r)
        goto out;
    w->engine_ready = true;
    r = engine_transports_set(&w->engine, w->transports.list, w->transports.n);
    if (r)
        goto out;
    worker_trace_settings(w->net, &cfg->settings->global);
out:
    if (r)
        worker_fini(w);
    return r;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16]; /* as long as the kernel has room for */

    snprintf(name, sizeof(name), "worker-%u", w->index % 1000);
    (void)!pthread_setname_np(pthread_self(), name);
    loop_run(&w->loop);
    return NULL;
}

int worker_start(struct worker *w)
{
    int r = pthread_create(&w->thread, NULL, worker_main, w);

    w->started = r == 0;
    return -r;
}

void worker_join(struct worker *w)
{
    if (w->started)
        pthread_join(w->thread, NULL);
    w->started = false;
}

void worker_fini(struct worker *w)
{
    w->finishing = true;
    timer_stop(&w->loop.wheel, &w->stop_poll);
    inbox_close(&w->loop.inbox);
    if (w->engine_ready)
        engine_fini(&w->engine);
    w->engine_ready = false;
    names_fini(&w->names);
    feed_writer_fini(&w->changes);
    ledger_fini(&w->ledger);
    told_close(w->told);
    w->told = NULL;
    transports_fini(&w->transports);
    net_destroy(w->net);
    w->net = NULL;
    loop_flush_hook(&w->loop, NULL, NULL);
    loop_fini(&w->loop);
}
