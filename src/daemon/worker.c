// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* ---- ports of the engine ---- */

/* A full send queue loses datagrams as a network does, and retransmissions mend both. */
static int port_send(void *ctx, const struct flow *to, struct str bytes)
{
    int r = net_send(worker_of(ctx)->net, to, bytes);

    return r == -EAGAIN ? 0 : r;
}

static void port_forward(void *ctx, unsigned peer, const struct flow *from, struct str datagram)
{
    struct worker *w = ctx;

    if (peer < w->n_peers)
        worker_post_datagram(&w->peers[peer], from, datagram);
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

static void port_release(void *ctx)
{
    atomic_fetch_sub(&worker_of(ctx)->admission->held, 1);
}

int worker_route(void *ctx, struct str transport_id, const struct addr *remote, struct flow *out)
{
    struct worker *w = ctx;
    int r = -EAFNOSUPPORT;

    for (size_t i = 0; i < w->n_transports; i++) {
        struct addr bound, local;

        if (transport_id.n && !str_equal(w->transport_ids[i], transport_id))
            continue;
        net_local(w->net, (uint32_t)i, &bound);
        if (bound.sa.sa_family != remote->sa.sa_family)
            continue;
        r = net_local_for(w->net, (uint32_t)i, remote, &local);
        if (r)
            continue;
        *out = (struct flow){ .transport = (uint32_t)i, .local = local, .remote = *remote };
        return 0;
    }
    return r;
}

/* ---- messages ---- */

struct simple_message {
    struct inbox_message m;
    const struct settings *settings;
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
    snapshot_unref(s->snapshot);
    free(s->peers);
    free(s);
}

/* Posts a copy of `what`. */
static void simple_post(struct worker *w, const struct simple_message *what, inbox_run_fn run)
{
    struct simple_message *s = inbox_message_alloc(w->log, sizeof(*s));

    *s = *what;
    s->m = (struct inbox_message){ .run = run, .drop = simple_drop };
    list_init(&s->m.link);
    inbox_post_always(&w->loop.inbox, &s->m);
}

static void settings_run(struct inbox_message *m, void *owner)
{
    const struct settings *settings = CONTAINER_OF(m, struct simple_message, m)->settings;
    struct worker *w = owner;
    const struct global_settings *was = &w->engine.settings->global, *is = &settings->global;
    bool trace_changed = was->debug != is->debug || !str_equal(was->debug_host, is->debug_host);

    engine_settings_set(&w->engine, settings);
    if (trace_changed)
        worker_trace_settings(w->net, is);
    simple_drop(m);
}

void worker_post_settings(struct worker *w, const struct settings *settings)
{
    simple_post(w, &(struct simple_message){ .settings = settings_ref(settings) }, settings_run);
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
                snapshot_run);
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
                watch_result_run);
}

static void dialplan_changed_run(struct inbox_message *m, void *owner)
{
    notifier_dialplan_changed(worker_of(owner)->engine.notifier);
    simple_drop(m);
}

void worker_post_dialplan_changed(struct worker *w)
{
    simple_post(w, &(struct simple_message){ 0 }, dialplan_changed_run);
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
                trace_run);
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

struct datagram_message {
    struct inbox_message m;
    struct flow from;
    size_t n;
    char bytes[];
};

static void datagram_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct datagram_message, m));
}

static void datagram_run(struct inbox_message *m, void *owner)
{
    struct datagram_message *d = CONTAINER_OF(m, struct datagram_message, m);

    engine_receive(&worker_of(owner)->engine, &d->from, (struct str){ d->bytes, d->n });
    free(d);
}

void worker_post_datagram(struct worker *w, const struct flow *from, struct str datagram)
{
    struct datagram_message *d = malloc(sizeof(*d) + datagram.n);

    if (!d)
        return; /* as if the network had lost it */
    d->m = (struct inbox_message){ .run = datagram_run, .drop = datagram_drop };
    list_init(&d->m.link);
    d->from = *from;
    d->n = datagram.n;
    memcpy(d->bytes, datagram.p, datagram.n);
    if (inbox_post(&w->loop.inbox, &d->m))
        free(d);
}

/* ---- jobs: from worker to worker, then home ---- */

struct workers_job {
    struct inbox_message m;
    struct ctl_job *job;
    struct loop *home;
    struct worker *workers;
    unsigned n, next;
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

static void workers_job_run(struct inbox_message *m, void *owner)
{
    struct workers_job *j = CONTAINER_OF(m, struct workers_job, m);
    struct worker *w = owner;

    j->job->run(j->job, &(struct ctl_worker){ .index = w->index,
                                              .workers = j->n,
                                              .notifier = w->engine.notifier,
                                              .publisher = w->engine.publisher,
                                              .compositor = w->engine.compositor,
                                              .txn = w->engine.txn,
                                              .net = w->net });
    if (++j->next < j->n) {
        inbox_post_always(&j->workers[j->next].loop.inbox, m);
        return;
    }
    j->m.run = workers_job_finish;
    inbox_post_always(&j->home->inbox, m);
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

    if ((busy || w->resolving) && now < w->stop_deadline_ms) {
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
    simple_post(w, &(struct simple_message){ .value = grace_ms }, stop_run);
}

/* ---- life ---- */

static void on_datagram(void *ctx, const struct flow *from, struct str datagram)
{
    engine_receive(&worker_of(ctx)->engine, from, datagram);
}

static void on_flush(void *ctx)
{
    net_flush(worker_of(ctx)->net);
}

/* With SO_REUSEPORT two daemons could share a port and each get half of the datagrams: a socket
 * without it finds the other one. */
static int address_probe(const struct addr *bind_to)
{
    int fd = socket(bind_to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int yes = 1, r = 0;

    if (fd < 0)
        return -errno;
    if (bind_to->sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
    if (bind(fd, &bind_to->sa, addr_socklen(bind_to)))
        r = -errno;
    close(fd);
    return r;
}

static int worker_listen(struct worker *w, const struct worker_config *cfg)
{
    const struct settings *s = cfg->settings;

    w->transport_ids = calloc(s->n_transports + 1, sizeof(*w->transport_ids));
    if (!w->transport_ids)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_transports; i++) {
        const struct transport_settings *t = &s->transports[i];
        struct net_udp_spec spec = {
            .id = t->id, .bind = t->bind, .tos = t->tos, .sharers = cfg->n_peers
        };
        uint32_t index;
        int r;

        if (t->protocol != TRANSPORT_UDP)
            continue;
        if (cfg->bound)
            spec.bind = cfg->bound[w->n_transports];
        r = cfg->bound ? 0 : address_probe(&spec.bind);
        r = r ? r : net_listen_udp(w->net, &spec, &index);
        if (r) {
            struct buf text;
            char room[80];

            buf_init_on(&text, room, sizeof(room));
            addr_print(&text, &t->bind);
            log_error(w->log, "transport.bind", KV("transport", t->id),
                      KV("address", buf_str(&text)), KV_ERR(r));
            return r;
        }
        r = str_dup(&w->transport_ids[w->n_transports], t->id);
        if (r)
            return r;
        w->n_transports++;
    }
    return 0;
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
            .net = w->net,
            .worker = w->index,
            .workers = w->n_peers,
            .max_server_bytes = WORKER_SERVER_TXN_BYTES,
            .txn = { .ctx = w, .send = port_send, .forward = port_forward },
            .notifier = { .ctx = w,
                          .watch = port_watch,
                          .unwatch = port_unwatch,
                          .admit = port_admit,
                          .release = port_release,
                          .watcher = port_watcher,
                          .resolve = worker_notifier_resolve,
                          .route = worker_route,
                          .solicit = worker_solicit,
                          .unsolicit = worker_unsolicit },
            .publisher = { .ctx = w, .resolve = worker_publisher_resolve, .route = worker_route },
            .compositor = { .ctx = w, .apply = port_apply, .mailbox = worker_report_mailbox },
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
                          .state = cfg->state,
                          .peers = cfg->peers,
                          .n_peers = cfg->n_peers,
                          .admission = cfg->admission,
                          .stopped = cfg->stopped,
                          .stopped_ctx = cfg->stopped_ctx };
    rng_init_system(&w->rng);
    timer_init(&w->stop_poll, on_stop_poll);
    r = loop_init(&w->loop, cfg->clock, w, WORKER_INBOX_HIGH);
    if (r)
        return r;
    loop_flush_hook(&w->loop, on_flush, w);
    r = net_create(&w->net, &(struct net_config){ .loop = &w->loop,
                                                  .log = cfg->log,
                                                  .receive = on_datagram,
                                                  .ctx = w,
                                                  .send_queue_max = WORKER_SEND_QUEUE_MAX });
    if (r)
        goto out;
    r = worker_listen(w, cfg);
    if (r)
        goto out;
    r = worker_init_engine(w, cfg);
    if (r)
        goto out;
    w->engine_ready = true;
    worker_trace_settings(w->net, &cfg->settings->global);
out:
    if (r)
        worker_fini(w);
    return r;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;

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
    net_destroy(w->net);
    w->net = NULL;
    loop_flush_hook(&w->loop, NULL, NULL);
    loop_fini(&w->loop);
    for (size_t i = 0; i < w->n_transports; i++)
        str_free(&w->transport_ids[i]);
    free(w->transport_ids);
    w->transport_ids = NULL;
    w->n_transports = 0;
}
