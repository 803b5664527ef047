// SPDX-License-Identifier: MIT
/* qualifier_testing.h - for tests: a qualifier whose network is an array, whose name servers are
 * the test, and whose time moves by hand. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "registrar/qualifier.h"
#include "txn/settings_fixture.h"

enum { BENCH_SENT = 16384, BENCH_SEEKS = 16384, BENCH_START_MS = 1000000 };

struct bench_sent {
    uint64_t at_ms; /* since the beginning */
    struct flow to;
    struct str bytes; /* owned */
};

struct bench_seek {
    struct dns_question q;
    char host[64];
    uint64_t question;
};

struct bench {
    struct wheel wheel;
    struct clock clock;
    struct rng rng;
    struct log *log;
    struct txn_layer *txn;
    struct qualifier *qualifier;
    const struct settings *settings;
    struct bench_sent sent[BENCH_SENT];
    size_t n_sent, seen;
    struct bench_seek seeks[BENCH_SEEKS];
    size_t n_seeks;
    bool mute; /* names are asked for in vain; otherwise they are what they say */
    int send_result, route_result;
    int (*send)(void *ctx, const struct flow *to, struct str bytes); /* bench_send */
    enum contact_reach reach;                                        /* the last that was told, */
    uint64_t reach_of;                                               /* and of which contact */
    unsigned reaches;
};

static inline uint64_t bench_monotonic(void *ctx)
{
    return ((const struct bench *)ctx)->wheel.now_ms;
}

static inline struct addr bench_addr(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 5060), 0);
    return a;
}

static inline int bench_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct bench *b = ctx;
    struct bench_sent *s = &b->sent[b->n_sent];

    if (b->send_result)
        return b->send_result;
    assert_true(b->n_sent < BENCH_SENT);
    *s = (struct bench_sent){ b->wheel.now_ms - BENCH_START_MS, *to, STR_EMPTY };
    assert_int_equal(str_dup(&s->bytes, bytes), 0);
    b->n_sent++;
    return 0;
}

static inline int bench_port_send(void *ctx, const struct flow *to, struct str bytes)
{
    return ((const struct bench *)ctx)->send(ctx, to, bytes);
}

static inline void bench_request(void *ctx, struct server_txn *st, const struct sip_message *msg,
                                 const struct flow *from)
{
    (void)ctx, (void)st, (void)msg, (void)from;
    fail_msg("nobody asks us");
}

static inline void bench_resolve(void *ctx, const struct dns_question *q, uint64_t question)
{
    struct bench *b = ctx;
    struct bench_seek *s = &b->seeks[b->n_seeks++];

    assert_true(b->n_seeks < BENCH_SEEKS && q->host.n < sizeof(s->host));
    *s = (struct bench_seek){ .q = *q, .question = question };
    memcpy(s->host, q->host.p, q->host.n);
    s->q.host = (struct str){ s->host, q->host.n };
}

static inline int bench_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                              const struct addr *remote, struct flow *out)
{
    const struct bench *b = ctx;

    if (b->route_result)
        return b->route_result;
    if (protocol > NET_TLS)
        return -EPROTONOSUPPORT;
    if (str_equal(transport_id, STR("gone")))
        return -ENOENT;
    *out = (struct flow){ .protocol = protocol,
                          .local = bench_addr("192.0.2.1:5060"),
                          .remote = *remote };
    return 0;
}

static inline struct str bench_transport(void *ctx, uint32_t transport)
{
    (void)ctx;
    return transport ? STR_EMPTY : STR("udp");
}

static inline void bench_reach(void *ctx, uint64_t contact_id, enum contact_reach reach)
{
    struct bench *b = ctx;

    b->reach = reach;
    b->reach_of = contact_id;
    b->reaches++;
}

/* The settings are taken. */
static inline struct bench *bench_create(const struct settings *settings)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    wheel_init(&b->wheel, BENCH_START_MS);
    b->clock =
        (struct clock){ .monotonic_ms = bench_monotonic, .wall_ms = bench_monotonic, .ctx = b };
    rng_init_seeded(&b->rng, 42);
    assert_int_equal(log_create(&b->log, 2, LOG_LEVEL_ERROR, &b->clock), 0);
    assert_int_equal(txn_create(&b->txn, &(struct txn_config){ .wheel = &b->wheel,
                                                               .rng = &b->rng,
                                                               .log = b->log,
                                                               .port = { b, bench_port_send },
                                                               .request = bench_request,
                                                               .ctx = b,
                                                               .workers = 1,
                                                               .t1_ms = 500,
                                                               .timer_f_ms = 32000,
                                                               .max_server_bytes = 1 << 20 }),
                     0);
    b->settings = settings;
    b->send = bench_send;
    assert_int_equal(
        qualifier_create(&b->qualifier,
                         &(struct qualifier_config){ .txn = b->txn,
                                                     .wheel = &b->wheel,
                                                     .clock = &b->clock,
                                                     .rng = &b->rng,
                                                     .log = b->log,
                                                     .settings = settings,
                                                     .port = { b, bench_resolve, bench_route,
                                                               bench_transport, bench_reach } }),
        0);
    return b;
}

static inline void bench_destroy(struct bench *b)
{
    qualifier_destroy(b->qualifier);
    txn_destroy(b->txn);
    wheel_fini(&b->wheel); /* every timer went with its contact */
    while (b->n_sent)
        str_free(&b->sent[--b->n_sent].bytes);
    settings_unref(b->settings);
    log_destroy(b->log);
    free(b);
}

/* Names that end in .two have two addresses, 192.0.2.7 and 192.0.2.8; others are addresses, or have
 * none. */
static inline void bench_answer_seek(struct bench *b, const struct bench_seek *s)
{
    struct dns_targets found = { .until_ms = UINT64_MAX, .why = STR("no such name") };
    uint16_t port = s->q.port ? s->q.port : 5060;
    struct addr a;

    if (str_ends(s->q.host, STR(".two"))) {
        found.list[found.n++] = (struct dns_target){ bench_addr("192.0.2.7"), s->q.protocol };
        found.list[found.n++] = (struct dns_target){ bench_addr("192.0.2.8"), s->q.protocol };
    } else if (addr_parse(&a, s->q.host, port) == 0) {
        addr_port_set(&a, port);
        found.list[found.n++] = (struct dns_target){ a, s->q.protocol };
    }
    qualifier_resolved(b->qualifier, s->question, &found);
}

static inline void bench_tick(struct bench *b)
{
    wheel_advance(&b->wheel, b->wheel.now_ms + WHEEL_TICK_MS);
    while (b->n_seeks && !b->mute) {
        struct bench_seek s = b->seeks[--b->n_seeks];

        s.q.host.p = s.host;
        bench_answer_seek(b, &s);
    }
}

static inline void bench_pass(struct bench *b, uint64_t ms)
{
    for (uint64_t end = b->wheel.now_ms + ms; b->wheel.now_ms < end;)
        bench_tick(b);
}

/* Time passes until something is sent, which is then the next one; false: nothing is within `ms`.
 */
static inline bool bench_await(struct bench *b, uint64_t ms)
{
    for (uint64_t end = b->wheel.now_ms + ms; b->seen == b->n_sent && b->wheel.now_ms < end;)
        bench_tick(b);
    if (b->seen == b->n_sent)
        return false;
    b->seen++;
    return true;
}

/* The one that was awaited last. */
static inline const struct bench_sent *bench_last(const struct bench *b)
{
    assert_true(b->seen > 0);
    return &b->sent[b->seen - 1];
}

static inline bool bench_has(const struct bench *b, const char *part)
{
    return str_contains_nocase(bench_last(b)->bytes, str_of(part));
}

static inline void bench_answer(struct bench *b, unsigned status, const char *headers)
{
    const struct bench_sent *s = bench_last(b);
    struct sip_message m;
    struct buf text;

    assert_int_equal(sip_message_parse(&m, s->bytes, NULL), 0);
    buf_init(&text, 8192);
    sip_print_response(&text, &m, &s->to.local, false,
                       &(struct sip_reply){
                           .status = status, .to_tag = STR("phone"), .headers = str_of(headers) });
    assert_int_equal(text.error, 0);
    txn_receive(b->txn, &s->to, buf_str(&text));
    buf_fini(&text);
}

/* A static contact of alice's. */
static inline struct contact contact_static(const char *uri)
{
    return (struct contact){ .id = 1,
                             .is_static = true,
                             .aor = STR("alice"),
                             .uri = str_of(uri),
                             .target = str_of(uri),
                             .endpoint = STR("alice") };
}

/* One that she has just registered from there. */
static inline struct contact contact_registered(const struct bench *b, const char *uri,
                                                const char *from)
{
    struct contact c = contact_static(uri);

    c.id = 2;
    c.is_static = false;
    c.transport = STR("udp");
    c.registered_wall_ms = b->wheel.now_ms;
    c.flow = (struct flow){ .local = bench_addr("192.0.2.1:5060"), .remote = bench_addr(from) };
    return c;
}

/* It is new, or another one now. */
static inline void bench_contact(struct bench *b, const struct contact *what)
{
    struct contact *c;

    assert_int_equal(contact_create(&c, what), 0);
    assert_int_equal(qualifier_contact(b->qualifier, c, NULL), 0);
    contact_unref(c);
}

static inline void keep_view(void *ctx, const struct qualify_view *v)
{
    *(struct qualify_view *)ctx = *v;
}

/* Of the one contact there is. */
static inline struct qualify_view bench_view(const struct bench *b)
{
    struct qualify_view v = { .contact = NULL };

    qualifier_each(b->qualifier, keep_view, &v);
    assert_non_null(v.contact);
    return v;
}

static inline struct qualifier_counters bench_counters(const struct bench *b)
{
    struct qualifier_counters c;

    qualifier_counters_get(b->qualifier, &c);
    return c;
}
