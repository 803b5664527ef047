// SPDX-License-Identifier: MIT
/* qualifier_testing.h - for tests: a qualifier whose network is an array, whose name servers are
 * the test, and whose time moves by hand. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/answer.h"
#include "registrar/qualifier_internal.h"
#include "state/event_state.h"
#include "txn/settings_fixture.h"

enum { BENCH_SENT = 16384, BENCH_SEEKS = 16384, BENCH_START_MS = 1000000 };

struct bench_sent {
    uint64_t at_ms; /* since the beginning */
    struct flow to;
    struct str bytes; /* owned */
};

struct bench_seek {
    struct dns_question q;
    char host[DNS_NAME_MAX];
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
    void (*receive)(struct txn_layer *t, const struct flow *from, struct str datagram);
    enum contact_reach reach; /* the last that was told, */
    uint64_t reach_of;        /* and of which contact */
    unsigned reaches;
    uint32_t rtt_ms;
    const struct event_state *dialogs; /* likewise: a reference */
    unsigned tellings;
    uint32_t notify_cseq;
    unsigned notified; /* the answer to the last NOTIFY */
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
    if (str_starts(bytes, STR("SIP/2.0 "))) {
        uint32_t status;

        assert_int_equal(str_to_u32(&status, str_sub(bytes, 8, 11)), 0);
        b->notified = status;
        return 0;
    }
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

/* As uas_request and the engine do it. */
static inline void bench_request(void *ctx, struct server_txn *st, const struct sip_message *msg,
                                 const struct flow *from)
{
    struct bench *b = ctx;
    const struct uas_request rq = {
        .msg = msg,
        .flow = from,
        .txn = st,
        .settings = b->settings,
        .endpoint = qualifier_dialog_endpoint(b->qualifier, msg),
    };

    assert_int_equal(msg->method, SIP_NOTIFY);
    if (!rq.endpoint || !qualifier_notify(b->qualifier, &rq))
        server_txn_reject(st, 481, STR_EMPTY);
}

static inline void bench_resolve(void *ctx, const struct dns_question *q, uint64_t question)
{
    struct bench *b = ctx;
    struct bench_seek *s = &b->seeks[b->n_seeks++];

    assert_true(b->n_seeks < BENCH_SEEKS);
    *s = (struct bench_seek){ .q = *q, .question = question };
    s->q.host.n =
        q->host.n > sizeof(s->host) ? 0 : q->host.n; /* longer is no name, as in src/dns */
    memcpy(s->host, q->host.p, s->q.host.n);
    s->q.host.p = s->host;
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

/* Ours are 192.0.2.1 and 192.0.2.2, of the transports "udp" and "other". */
static inline int bench_route_from(void *ctx, enum net_protocol protocol, const struct addr *local,
                                   const struct addr *remote, struct flow *out)
{
    const struct addr other = bench_addr("192.0.2.2:5060");
    int r = bench_route(ctx, STR_EMPTY, protocol, remote, out);

    if (r || addr_equal(local, &out->local))
        return r;
    if (!addr_equal(local, &other))
        return -EADDRNOTAVAIL;
    out->transport = 1;
    out->local = other;
    return 0;
}

static inline struct str bench_transport(void *ctx, uint32_t transport)
{
    (void)ctx;
    return transport ? STR("other") : STR("udp");
}

static inline void bench_reach(void *ctx, uint64_t contact_id, enum contact_reach reach,
                               uint32_t rtt_ms)
{
    struct bench *b = ctx;

    b->rtt_ms = rtt_ms;

    b->reach = reach;
    b->reach_of = contact_id;
    b->reaches++;
}

static inline void bench_dialogs(void *ctx, uint64_t contact_id, const struct event_state *dialogs)
{
    struct bench *b = ctx;

    (void)contact_id;
    event_state_unref(b->dialogs);
    b->dialogs = event_state_ref(dialogs);
    b->tellings++;
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
    b->receive = txn_receive;
    assert_int_equal(
        qualifier_create(
            &b->qualifier,
            &(struct qualifier_config){ .txn = b->txn,
                                        .wheel = &b->wheel,
                                        .clock = &b->clock,
                                        .rng = &b->rng,
                                        .log = b->log,
                                        .settings = settings,
                                        .port = { .requests = { b, bench_resolve, bench_route,
                                                                bench_route_from, bench_transport },
                                                  .ctx = b,
                                                  .reach = bench_reach,
                                                  .dialogs = bench_dialogs } }),
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
    event_state_unref(b->dialogs);
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
    b->receive(b->txn, &s->to, buf_str(&text));
    buf_fini(&text);
}

/* A value of the request that was awaited last. */
static inline struct str bench_value(const struct bench *b, struct sip_message *room,
                                     enum sip_header_id id)
{
    assert_int_equal(sip_message_parse(room, bench_last(b)->bytes, NULL), 0);
    return sip_header_value(room, id);
}

struct bench_notice { /* what is not given is as a telephone does it */
    const char *state, *type, *body, *tag, *event, *from, *extra;
    struct str us, call_id; /* of the SUBSCRIBE; the one that was awaited last */
    uint32_t cseq;
};

/* A NOTIFY in the dialog of the SUBSCRIBE that was awaited last. Its answer. */
static inline unsigned bench_notify(struct bench *b, const struct bench_notice *n)
{
    struct sip_message m;
    struct flow from = bench_last(b)->to;
    struct str us = n->us.n ? n->us : bench_value(b, &m, SIP_H_FROM);
    struct str call_id = n->call_id.n ? n->call_id : bench_value(b, &m, SIP_H_CALL_ID);
    const char *body = n->body ? n->body : "";
    uint32_t cseq = n->cseq ? n->cseq : ++b->notify_cseq;
    struct buf text;

    buf_init(&text, 1 << 17);
    buf_printf(&text,
               "NOTIFY sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK%u%s\r\n"
               "From: <sip:alice@192.0.2.7>;tag=%s\r\nTo: %.*s\r\nCall-ID: %.*s\r\n"
               "CSeq: %u NOTIFY\r\nMax-Forwards: 70\r\nEvent: %s\r\n%s",
               ++b->notify_cseq + 100000, n->tag ? n->tag : "", n->tag ? n->tag : "phone",
               STR_FMT(us), STR_FMT(call_id), cseq, n->event ? n->event : "dialog",
               n->extra ? n->extra : "Contact: <sip:alice@192.0.2.7:5070>\r\n");
    if (!n->state || *n->state)
        buf_printf(&text, "Subscription-State: %s\r\n", n->state ? n->state : "active");
    if (*body)
        buf_printf(&text, "Content-Type: %s\r\n",
                   n->type ? n->type : "application/dialog-info+xml");
    buf_printf(&text, "Content-Length: %zu\r\n\r\n", strlen(body));
    buf_add(&text, str_of(body));
    assert_int_equal(text.error, 0);
    if (n->from)
        from.remote = bench_addr(n->from);
    b->notified = 0;
    b->receive(b->txn, &from, buf_str(&text));
    buf_fini(&text);
    return b->notified;
}

#define DIALOG_INFO(version, state, dialogs)                                       \
    "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"" version \
    "\" state=\"" state "\" entity=\"sip:alice@192.0.2.1\">" dialogs "</dialog-info>"
#define DIALOG(id, state, direction) \
    "<dialog id=\"" id "\" direction=\"" direction "\"><state>" state "</state></dialog>"

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

/* With a static contact of the first AOR. */
static inline struct bench *bench_static(const struct settings *settings, const char *uri)
{
    struct bench *b = bench_create(settings);
    const struct contact c = contact_static(uri);

    bench_contact(b, &c);
    return b;
}

/* After a reload; takes them. */
static inline void bench_settings(struct bench *b, const struct settings *settings)
{
    const struct settings *former = b->settings;

    b->settings = settings;
    qualifier_settings_set(b->qualifier, b->settings);
    settings_unref(former);
}
