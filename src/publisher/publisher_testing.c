// SPDX-License-Identifier: MIT
#include "publisher/publisher_testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void bench_guard(const struct bench *b, bool subject)
{
    if (b->guard)
        b->guard(subject);
}

/* ---- time and network ---- */

static uint64_t bench_clock(void *ctx)
{
    return ((const struct bench *)ctx)->now_ms;
}

static uint64_t bench_wall(void *ctx)
{
    const struct bench *b = ctx;

    return b->now_ms + b->wall_ahead_ms;
}

static void datagram_free(struct bench_datagram *d)
{
    list_remove(&d->link);
    str_free(&d->bytes);
    free(d);
}

void bench_post(struct bench *b, const struct flow *flow, struct str bytes, bool is_response)
{
    struct bench_datagram *d;

    if (b->esc.loss && rng_below(&b->dice, 100) < b->esc.loss)
        return;
    d = calloc(1, sizeof(*d));
    assert_non_null(d);
    d->due_ms = b->now_ms + BENCH_LATENCY_MS;
    d->flow = *flow;
    d->is_response = is_response;
    assert_int_equal(str_dup(&d->bytes, bytes), 0);
    list_append(&b->network, &d->link);
}

static int bench_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct bench *b = ctx;

    bench_guard(b, false);
    if (b->send_result) {
        bench_unsent(b, bytes);
    } else {
        b->sent++;
        bench_watch(b, to, bytes);
        if (addr_equal(&to->remote, &b->address)) /* it may have moved */
            bench_post(b, to, bytes, false);
    }
    bench_guard(b, true);
    return b->send_result;
}

static void bench_request(void *ctx, struct server_txn *st, const struct sip_message *msg,
                          const struct flow *from)
{
    (void)ctx;
    (void)st;
    (void)msg;
    (void)from;
    fail_msg("nobody asks us");
}

struct lookup { /* an answer that comes with the next turn */
    struct list link;
    uint64_t cookie;
    enum net_protocol protocol;
    struct bench *bench;
    struct timer timer;
};

static void lookup_answer(struct timer *t)
{
    struct lookup *l = CONTAINER_OF(t, struct lookup, timer);
    struct bench *b = l->bench;

    b->targets.n = 0;
    if (b->resolves && b->dead.sa.sa_family)
        b->targets.list[b->targets.n++] = (struct dns_target){ b->dead, l->protocol };
    if (b->resolves)
        b->targets.list[b->targets.n++] = (struct dns_target){ b->address, l->protocol };
    b->targets.until_ms = UINT64_MAX;
    b->targets.why = b->resolves ? STR_EMPTY : STR("A esc.example.com: no such name");
    publisher_resolved(b->publisher, l->cookie, &b->targets);
    free(l);
}

static void bench_resolve(void *ctx, const struct dns_question *q, uint64_t cookie)
{
    struct bench *b = ctx;
    struct lookup *l;

    assert_true(q->host.n > 0);
    b->resolutions++;
    if (!b->answers_resolve)
        return;
    bench_guard(b, false);
    l = calloc(1, sizeof(*l));
    bench_guard(b, true);
    assert_non_null(l);
    l->cookie = cookie;
    l->protocol = q->protocol;
    l->bench = b;
    timer_init(&l->timer, lookup_answer);
    timer_start(&b->wheel, &l->timer, 0);
}

static int bench_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                       const struct addr *remote, struct flow *out)
{
    struct bench *b = ctx;

    (void)transport_id;
    if (b->route_result)
        return b->route_result;
    *out = (struct flow){ .protocol = protocol, .remote = *remote };
    return addr_parse(&out->local, STR("192.0.2.1:5060"), 5060);
}

static struct str bench_transport(void *ctx, uint32_t transport)
{
    (void)ctx;
    (void)transport;
    return STR("udp");
}

/* ---- running ---- */

static void bench_receive(struct bench *b, const struct flow *flow, struct str datagram)
{
    struct sip_message m;
    struct esc_client *c;

    assert_int_equal(sip_message_parse(&m, datagram, NULL), 0);
    c = esc_client_find(b, m.call_id);
    if (c && str_equal(c->branch, m.branch) && !c->answered) {
        c->answered = true;
        b->outstanding--;
    }
    bench_guard(b, true);
    txn_receive(b->txn, flow, datagram);
    bench_guard(b, false);
}

static void bench_deliver(struct bench *b)
{
    while (!list_empty(&b->network)) {
        struct bench_datagram *d = CONTAINER_OF(b->network.next, struct bench_datagram, link);

        if (d->due_ms > b->now_ms)
            return;
        list_remove(&d->link);
        if (d->is_response)
            bench_receive(b, &d->flow, d->bytes);
        else
            esc_receive(b, &d->flow, d->bytes);
        datagram_free(d);
    }
}

void bench_run(struct bench *b, uint64_t ms)
{
    uint64_t end = b->now_ms + ms;

    while (b->now_ms < end) {
        uint64_t next = wheel_next_ms(&b->wheel);

        next = next < end - b->now_ms ? b->now_ms + next : end;
        if (!list_empty(&b->network) &&
            CONTAINER_OF(b->network.next, struct bench_datagram, link)->due_ms < next)
            next = CONTAINER_OF(b->network.next, struct bench_datagram, link)->due_ms;
        b->now_ms = next;
        bench_deliver(b);
        bench_guard(b, true);
        wheel_advance(&b->wheel, b->now_ms);
        bench_guard(b, false);
    }
}

static uint64_t resource_id(struct str name)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
    return h | 1;
}

void bench_set(struct bench *b, const char *resource, enum extension_state state)
{
    struct str name = str_of(resource);
    size_t at = str_find_char(name, '@');
    struct snapshot *s;
    struct snapshot_spec spec = { .resource_id = resource_id(name),
                                  .sequence = b->now_ms,
                                  .state = state,
                                  .extension = str_sub(name, 0, at),
                                  .context = str_sub(name, at + 1, name.n) };

    assert_int_equal(snapshot_create(&s, &spec), 0);
    bench_guard(b, true);
    publisher_snapshot(b->publisher, s);
    bench_guard(b, false);
    snapshot_unref(s);
}

void bench_remove(struct bench *b, const char *resource)
{
    bench_set(b, resource, EXTENSION_REMOVED);
}

void bench_set_many(struct bench *b, unsigned n, enum extension_state state)
{
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "%u@users", 1000 + i);
        bench_set(b, name, state);
    }
}

size_t bench_shown(struct bench *b, unsigned n, const char *state)
{
    size_t shown = 0;
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "%u", 1000 + i);
        shown += strcmp(esc_state(b, name), state) == 0;
    }
    return shown;
}

const char *bench_seen(struct bench *b)
{
    static const char nothing[] = "";

    assert_int_equal(b->seen.error, 0);
    buf_add_char(&b->seen, '\0');
    b->seen.n = 0; /* the bytes stay until the next line */
    return b->seen.p ? b->seen.p : nothing;
}

void bench_forget_seen(struct bench *b)
{
    b->seen.n = 0;
}

/* ---- life ---- */

struct files {
    const char *pjsip, *extstate;
};

static int file_read(void *ctx, struct str path, struct str *text)
{
    const struct files *f = ctx;

    if (str_ends(path, STR("pjsip.conf")))
        return str_dup(text, str_of(f->pjsip));
    if (str_ends(path, STR("extstate.conf")) && f->extstate)
        return str_dup(text, str_of(f->extstate));
    return -ENOENT;
}

static int file_expand(void *ctx, struct str pattern, void (*each)(void *each_ctx, struct str path),
                       void *each_ctx)
{
    (void)ctx;
    each(each_ctx, pattern);
    return 0;
}

struct settings *bench_settings(const struct bench *b, const char *pjsip_conf,
                                const char *extstate_conf)
{
    struct files files = { pjsip_conf, extstate_conf };
    struct settings_source source = {
        .directory = STR("/nowhere"),
        .state_directory = STR("/nowhere"),
        .files = { .read = file_read, .expand = file_expand, .ctx = &files }
    };
    struct settings *s = NULL;
    struct diag diag;

    diag_init(&diag);
    if (settings_read(&s, &source, &diag))
        fail_msg("%.*s", STR_FMT(buf_str(&diag.text)));
    diag_fini(&diag);
    s->general.publish_retry_interval_s = b->retry_interval_s;
    return s;
}

void bench_reload(struct bench *b, const char *pjsip_conf, const char *extstate_conf)
{
    struct settings *s = bench_settings(b, pjsip_conf, extstate_conf);

    bench_guard(b, true);
    publisher_settings_set(b->publisher, s);
    bench_guard(b, false);
    settings_unref(b->settings);
    b->settings = s;
}

void bench_create_publisher(struct bench *b)
{
    struct txn_config txn = { .wheel = &b->wheel,
                              .rng = &b->rng,
                              .log = b->log,
                              .port = { .ctx = b, .send = bench_send },
                              .request = bench_request,
                              .t1_ms = 500,
                              .timer_f_ms = 32000,
                              .max_server_bytes = 10000 };
    struct publisher_config cfg = { .wheel = &b->wheel,
                                    .clock = &b->clock,
                                    .rng = &b->rng,
                                    .log = b->log,
                                    .bodies = b->bodies,
                                    .settings = b->settings,
                                    .port = { b, bench_resolve, bench_route, bench_transport },
                                    .keep = bench_keep(b),
                                    .words = bench_words(b),
                                    .incarnation = b->store.incarnation };

    assert_int_equal(txn_create(&b->txn, &txn), 0);
    cfg.txn = b->txn;
    assert_int_equal(publisher_create(&b->publisher, &cfg), 0);
}

static struct bench *bench_open(const char *pjsip_conf, const char *extstate_conf, bool keeping)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->store = (struct bench_store){ .works = keeping, .incarnation = 1 };
    list_init(&b->store.waits);
    b->now_ms = BENCH_START_MS;
    b->clock = (struct clock){ bench_clock, bench_wall, b };
    b->retry_interval_s = 60;
    b->resolves = b->answers_resolve = true;
    assert_int_equal(addr_parse(&b->address, STR("192.0.2.9:5060"), 5060), 0);
    wheel_init(&b->wheel, b->now_ms);
    b->wheel.clock = &b->clock;
    rng_init_seeded(&b->rng, 42);
    rng_init_seeded(&b->dice, 43);
    list_init(&b->network);
    list_init(&b->documents);
    buf_init(&b->seen, 1 << 22);
    assert_int_equal(map_init(&b->clients, &b->dice), 0);
    b->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&b->log, b->log_fd, LOG_LEVEL_DEBUG, &b->clock), 0);
    assert_int_equal(body_registry_create(&b->bodies, b->log, NULL), 0);
    b->settings = bench_settings(b, pjsip_conf, extstate_conf);
    bench_create_publisher(b);
    return b;
}

struct bench *bench_create(const char *pjsip_conf, const char *extstate_conf)
{
    return bench_open(pjsip_conf, extstate_conf, false);
}

struct bench *bench_create_keeping(const char *pjsip_conf, const char *extstate_conf)
{
    return bench_open(pjsip_conf, extstate_conf, true);
}

static void process_end(struct bench *b)
{
    publisher_destroy(b->publisher);
    txn_destroy(b->txn);
    for (unsigned i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++) /* what is left are our look-ups */
        LIST_FOREACH_SAFE (it, &b->wheel.slots[i / WHEEL_SLOTS][i % WHEEL_SLOTS]) {
            struct lookup *l =
                CONTAINER_OF(CONTAINER_OF(it, struct timer, link), struct lookup, timer);

            timer_stop(&b->wheel, &l->timer);
            free(l);
        }
}

static void restore(struct bench *b, unsigned number)
{
    struct keep_record r = { .table = KEEP_SENT_PUBLICATION,
                             .number = number,
                             .bytes = b->store.kept[number] };

    bench_guard(b, true);
    publisher_restore(b->publisher, &r, true);
    bench_guard(b, false);
}

void bench_restart(struct bench *b, const char *pjsip_conf, const char *extstate_conf)
{
    struct bench_store *store = &b->store;

    process_end(b);
    LIST_FOREACH_SAFE (it, &b->network)
        if (CONTAINER_OF(it, struct bench_datagram, link)->is_response)
            datagram_free(CONTAINER_OF(it, struct bench_datagram, link));
    bench_clients_restart(b);
    assert_true(list_empty(&store->waits));
    for (unsigned i = 0; i < KEPT_MAX; i++) {
        str_free(&store->unwritten[i]);
        store->put[i] = store->taken[i] = false;
    }
    store->incarnation++;
    settings_unref(b->settings);
    b->settings = bench_settings(b, pjsip_conf, extstate_conf);
    bench_create_publisher(b);
    for (unsigned i = 0; i < KEPT_MAX; i++)
        if (store->kept[i].n)
            restore(b, i);
}

void bench_destroy(struct bench *b)
{
    b->resolves = false;
    process_end(b);
    bench_lose(b);
    wheel_fini(&b->wheel);
    LIST_FOREACH_SAFE (it, &b->network)
        datagram_free(CONTAINER_OF(it, struct bench_datagram, link));
    esc_forget(b);
    esc_clients_free(b);
    map_fini(&b->clients);
    settings_unref(b->settings);
    body_registry_unref(b->bodies);
    log_destroy(b->log);
    close(b->log_fd);
    buf_fini(&b->seen);
    str_free(&b->last);
    free(b);
}

/* ---- looking ---- */

struct publisher_counters bench_counters(const struct bench *b)
{
    struct publisher_counters c;

    publisher_counters_get(b->publisher, &c);
    return c;
}

struct view_search {
    const char *section, *extension;
    struct publication_view found;
    size_t n;
};

static void on_view(void *ctx, const struct publication_view *v)
{
    struct view_search *search = ctx;

    search->n++;
    if (search->section && str_equal(v->section, str_of(search->section)) &&
        str_equal(v->extension, str_of(search->extension)))
        search->found = *v;
}

struct publication_view bench_view(const struct bench *b, const char *section,
                                   const char *extension)
{
    struct view_search search = { section, extension, { .state = NULL }, 0 };

    publisher_each(b->publisher, on_view, &search);
    assert_non_null(search.found.state);
    return search.found;
}

size_t bench_count(const struct bench *b)
{
    struct view_search search = { NULL, NULL, { .state = NULL }, 0 };

    publisher_each(b->publisher, on_view, &search);
    return search.n;
}
