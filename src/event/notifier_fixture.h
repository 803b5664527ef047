// SPDX-License-Identifier: MIT
/* notifier_fixture.h - for tests: a notifier over real transactions and bodies, whose network is an
 * array, whose time moves by hand and whose state thread is a table. */
#pragma once
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/event_internal.h"
#include "txn/settings_fixture.h"

#define FIXTURE_START_MS 5000000
#define FIXTURE_CONFIG                                                                             \
    "[udp]\ntype=transport\nprotocol=udp\nbind=192.0.2.1:5060\n"                                   \
    "[alice]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\nsub_min_expiry=60\n"              \
    "[bob]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\n"                                   \
    "[mute]\ntype=endpoint\ncontext=users\nallow_subscribe=no\n"                                   \
    "[early]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\nnotify_early_inuse_ringing=yes\n" \
    "[nat]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\nrewrite_contact=yes\ncontact_user=" \
    "blf\n"

struct fixture_sent {
    uint64_t at_ms;
    struct flow to;
    struct str bytes; /* owned */
};

struct fixture_question {
    uint64_t cookie;
    char context[80], extension[80];
};

struct fixture_resource {          /* as the state thread has it */
    const struct snapshot *newest; /* NULL: no such hint */
    char context[80], extension[80];
    bool watched;
};

struct fixture_seek { /* a question for an address */
    uint64_t question;
    char host[80];
    uint16_t port;
};

struct fixture_report { /* as told, and as one line */
    uint64_t generation, number;
    char line[160];
};

struct fixture {
    uint64_t now_ms;
    struct clock clock;
    struct wheel wheel;
    struct rng rng;
    struct log *log;
    int log_fd;
    struct txn_layer *txn;
    struct uas *uas;
    struct nonces *nonces;
    struct body_registry *bodies;
    struct settings *settings;
    struct notifier *notifier;
    struct feed_writer changes; /* nobody wants any, unless a test does */
    struct flow from;
    struct fixture_sent *sent;
    size_t n_sent, room, seen;
    int send_result;
    struct fixture_question *questions;
    size_t n_questions, questions_room, asked, unwatched;
    int watch_result;
    bool uncacheable;
    struct fixture_resource *resources;
    size_t n_resources;
    uint64_t next_id, held, limit;
    struct fixture_report reports[16]; /* those told since the test looked */
    size_t n_reports;
    struct fixture_seek *seeks;
    size_t n_seeks;
    int route_result;
    struct flow route;           /* without an address: it is as `from` */
    char routed[64];             /* the transport asked for last */
    uint32_t connections;        /* how many were opened */
    void (*guard)(bool subject); /* true: what runs now is the notifier, not the fixture; or NULL */
    unsigned branch;
    struct sip_message msg; /* the last one looked at */
};

/* ---- ports ---- */

static inline uint64_t fixture_clock(void *ctx)
{
    return ((struct fixture *)ctx)->now_ms;
}

static inline void fixture_guard(const struct fixture *f, bool subject)
{
    if (f->guard)
        f->guard(subject);
}

static inline int fixture_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct fixture *f = ctx;

    if (f->send_result)
        return f->send_result;
    fixture_guard(f, false);
    if (f->n_sent == f->room) {
        f->room = f->room ? 2 * f->room : 64;
        f->sent = realloc(f->sent, f->room * sizeof(*f->sent));
        assert_non_null(f->sent);
    }
    f->sent[f->n_sent] = (struct fixture_sent){ f->now_ms, *to, STR_EMPTY };
    assert_int_equal(str_dup(&f->sent[f->n_sent++].bytes, bytes), 0);
    fixture_guard(f, true);
    return 0;
}

static inline int fixture_watch(void *ctx, const struct resource_name *name, struct str served,
                                uint64_t cookie)
{
    struct fixture *f = ctx;
    struct fixture_question *q;

    if (f->watch_result)
        return f->watch_result;
    if (f->n_questions == f->questions_room) {
        fixture_guard(f, false);
        f->questions_room = f->questions_room ? 2 * f->questions_room : 16;
        f->questions = realloc(f->questions, f->questions_room * sizeof(*f->questions));
        assert_non_null(f->questions);
        fixture_guard(f, true);
    }
    q = &f->questions[f->n_questions++];
    *q = (struct fixture_question){ .cookie = cookie };
    snprintf(q->context, sizeof(q->context), "%.*s", STR_FMT(name->context));
    snprintf(q->extension, sizeof(q->extension), "%.*s", STR_FMT(name->extension));
    f->asked++;
    return 0;
}

static inline void fixture_unwatch(void *ctx, uint64_t id)
{
    struct fixture *f = ctx;

    f->unwatched++;
    for (size_t i = 0; i < f->n_resources; i++)
        if (f->resources[i].newest && f->resources[i].newest->resource_id == id)
            f->resources[i].watched = false;
}

static inline bool fixture_admit(void *ctx)
{
    struct fixture *f = ctx;

    if (f->held >= f->limit)
        return false;
    f->held++;
    return true;
}

static inline void fixture_release(void *ctx)
{
    struct fixture *f = ctx;

    assert_true(f->held > 0);
    f->held--;
}

static inline void fixture_readmit(void *ctx)
{
    ((struct fixture *)ctx)->held++;
}

static inline void fixture_watcher(void *ctx, const struct watcher_report *r)
{
    static const char *const states[] = { "pending", "active", "waiting", "terminated" };
    struct fixture *f = ctx;
    struct fixture_report *to = &f->reports[f->n_reports++];

    assert_true(f->n_reports <= ARRAY_LEN(f->reports));
    *to = (struct fixture_report){ .generation = r->generation, .number = r->number };
    if (r->number)
        snprintf(to->line, sizeof(to->line), "%.*s of %.*s@%.*s: %.*s <%.*s> %s %d",
                 STR_FMT(r->of.package), STR_FMT(r->of.extension), STR_FMT(r->of.context),
                 STR_FMT(r->display), STR_FMT(r->uri), states[r->status], (int)r->event);
    else
        snprintf(to->line, sizeof(to->line), "%.*s of %.*s@%.*s", STR_FMT(r->of.package),
                 STR_FMT(r->of.extension), STR_FMT(r->of.context));
}

static inline void fixture_resolve(void *ctx, const struct dns_question *q, uint64_t question)
{
    struct fixture *f = ctx;
    struct fixture_seek *s;

    fixture_guard(f, false);
    f->seeks = realloc(f->seeks, (f->n_seeks + 1) * sizeof(*f->seeks));
    assert_non_null(f->seeks);
    fixture_guard(f, true);
    s = &f->seeks[f->n_seeks++];
    *s = (struct fixture_seek){ .question = question, .port = q->port };
    snprintf(s->host, sizeof(s->host), "%.*s", STR_FMT(q->host));
}

static inline int fixture_connect(void *ctx, struct flow *flow, struct str host)
{
    (void)host;
    flow->connection = ++((struct fixture *)ctx)->connections;
    return 0;
}

/* One address, or with NULL none. */
static inline void fixture_resolved(struct fixture *f, uint64_t question, const struct addr *a)
{
    struct dns_targets found = { .n = a != NULL, .until_ms = UINT64_MAX };

    if (a)
        found.list[0] = (struct dns_target){ *a, NET_UDP };
    notifier_resolved(f->notifier, question, &found);
}

static inline int fixture_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                                const struct addr *remote, struct flow *out)
{
    struct fixture *f = ctx;

    snprintf(f->routed, sizeof(f->routed), "%.*s", STR_FMT(transport_id));
    *out = f->route.local.sa.sa_family ? f->route : f->from;
    out->remote = *remote;
    out->protocol = protocol;
    return f->route_result;
}

/* All there is has the address of what was sent last, or of `route`. */
static inline int fixture_route_from(void *ctx, enum net_protocol protocol,
                                     const struct addr *local, const struct addr *remote,
                                     struct flow *out)
{
    struct fixture *f = ctx;
    const struct flow *way = f->route.local.sa.sa_family ? &f->route : &f->from;

    if (!addr_equal(&way->local, local))
        return -EADDRNOTAVAIL;
    *out = *way;
    out->remote = *remote;
    out->protocol = protocol;
    return 0;
}

/* There is no memory for any. */
static inline struct solicitation *fixture_solicit(void *ctx, struct str endpoint, struct str group)
{
    (void)ctx;
    (void)endpoint;
    (void)group;
    return NULL;
}

/* ---- life ---- */

static inline struct addr fixture_addr(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 5060), 0);
    return a;
}

static inline void fixture_create_engine(struct fixture *f)
{
    assert_int_equal(uas_create(&f->uas, &(struct uas_config){ .log = f->log,
                                                               .settings = f->settings,
                                                               .rng = &f->rng,
                                                               .nonces = f->nonces }),
                     0);
    assert_int_equal(txn_create(&f->txn, &(struct txn_config){ .wheel = &f->wheel,
                                                               .rng = &f->rng,
                                                               .log = f->log,
                                                               .port = { f, fixture_send, NULL,
                                                                         fixture_connect },
                                                               .request = uas_request,
                                                               .ctx = f->uas,
                                                               .workers = 1,
                                                               .t1_ms = 500,
                                                               .timer_f_ms = 32000,
                                                               .max_server_bytes = 1 << 30,
                                                               .server = STR("extstate/test") }),
                     0);
    assert_int_equal(notifier_create(&f->notifier,
                                     &(struct notifier_config){
                                         .txn = f->txn,
                                         .wheel = &f->wheel,
                                         .clock = &f->clock,
                                         .rng = &f->rng,
                                         .log = f->log,
                                         .bodies = f->bodies,
                                         .settings = f->settings,
                                         .allow = STR("OPTIONS, SUBSCRIBE"),
                                         .workers = 1,
                                         .changes = &f->changes,
                                         .port = { f, fixture_watch, fixture_unwatch, fixture_admit,
                                                   fixture_release, fixture_readmit,
                                                   fixture_watcher, fixture_resolve, fixture_route,
                                                   fixture_route_from, fixture_solicit, NULL } }),
                     0);
    uas_refused_set(f->uas, notifier_refused, f->notifier);
    uas_method_set(f->uas, SIP_SUBSCRIBE, STR_EMPTY, notifier_subscribe, f->notifier);
}

static inline struct fixture *fixture_create(const char *config)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->now_ms = FIXTURE_START_MS;
    f->clock = (struct clock){ fixture_clock, fixture_clock, f };
    wheel_init(&f->wheel, f->now_ms);
    f->wheel.clock = &f->clock;
    rng_init_seeded(&f->rng, 42);
    f->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&f->log, f->log_fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    assert_int_equal(nonces_create(&f->nonces, &(struct nonces_config){ .clock = &f->clock }), 0);
    assert_int_equal(body_registry_create(&f->bodies, f->log, NULL), 0);
    f->settings = settings_fixture(config ? config : FIXTURE_CONFIG);
    f->from = (struct flow){ .local = fixture_addr("192.0.2.1:5060"),
                             .remote = fixture_addr("192.0.2.7:5062") };
    f->limit = 1000000;
    f->next_id = 1;
    fixture_create_engine(f);
    return f;
}

static inline void fixture_destroy(struct fixture *f)
{
    notifier_destroy(f->notifier);
    feed_writer_fini(&f->changes);
    assert_int_equal(f->held, 0);
    txn_destroy(f->txn);
    uas_destroy(f->uas);
    nonces_destroy(f->nonces);
    wheel_fini(&f->wheel); /* no timer outlives what it belongs to */
    settings_unref(f->settings);
    for (size_t i = 0; i < f->n_resources; i++)
        snapshot_unref(f->resources[i].newest);
    free(f->resources);
    body_registry_unref(f->bodies);
    while (f->n_sent)
        str_free(&f->sent[--f->n_sent].bytes);
    free(f->sent);
    free(f->questions);
    free(f->seeks);
    log_destroy(f->log);
    close(f->log_fd);
    free(f);
}

/* Of the loop, without sleep. */
static inline void fixture_turns(struct fixture *f)
{
    while (notifier_turn(f->notifier)) {
    }
}

static inline void fixture_pass(struct fixture *f, uint64_t ms)
{
    uint64_t end = f->now_ms + ms;

    while (f->now_ms < end) {
        uint64_t next = wheel_next_ms(&f->wheel);

        f->now_ms += next == 0 ? WHEEL_TICK_MS : next < end - f->now_ms ? next : end - f->now_ms;
        f->now_ms = f->now_ms < end ? f->now_ms : end;
        wheel_advance(&f->wheel, f->now_ms);
        fixture_turns(f);
    }
}

static inline struct notifier_counters fixture_counters(const struct fixture *f)
{
    struct notifier_counters c;

    notifier_counters_get(f->notifier, &c);
    return c;
}

/* ---- the state thread ---- */

static inline struct fixture_resource *fixture_resource(struct fixture *f, const char *extension)
{
    for (size_t i = 0; i < f->n_resources; i++)
        if (strcmp(f->resources[i].extension, extension) == 0)
            return &f->resources[i];
    return NULL;
}

static inline void resource_tell(struct fixture *f, struct fixture_resource *r,
                                 enum extension_state state)
{
    const struct snapshot *former = r->newest;
    struct snapshot *made;

    assert_int_equal(snapshot_create(&made,
                                     &(struct snapshot_spec){
                                         .resource_id = former ? former->resource_id : f->next_id++,
                                         .sequence = former ? former->sequence + 1 : 1,
                                         .state = state,
                                         .has_hint = true,
                                         .presence = PRESENCE_NOT_SET,
                                         .context = str_of(r->context),
                                         .extension = str_of(r->extension),
                                     }),
                     0);
    r->newest = made;
    if (r->watched)
        notifier_snapshot(f->notifier, made);
    snapshot_unref(former);
    if (state == EXTENSION_REMOVED) {
        snapshot_unref(r->newest);
        r->newest = NULL;
        r->watched = false;
    }
}

/* The state of a hint; made when it is new. */
static inline void fixture_state(struct fixture *f, const char *extension,
                                 enum extension_state state)
{
    struct fixture_resource *r = fixture_resource(f, extension);

    if (!r) {
        f->resources = realloc(f->resources, (f->n_resources + 1) * sizeof(*f->resources));
        assert_non_null(f->resources);
        r = &f->resources[f->n_resources++];
        *r = (struct fixture_resource){ .context = "users" };
        snprintf(r->extension, sizeof(r->extension), "%s", extension);
    }
    resource_tell(f, r, state);
    fixture_turns(f);
}

/* Answer the oldest `n` questions. */
static inline void fixture_answer_questions(struct fixture *f, size_t n)
{
    n = n < f->n_questions ? n : f->n_questions;
    for (size_t i = 0; i < n; i++) {
        struct fixture_question q = f->questions[i];
        struct fixture_resource *r = fixture_resource(f, q.extension);
        bool found = r && r->newest;

        if (found)
            r->watched = true;
        notifier_watch_result(f->notifier, q.cookie, found ? r->newest : NULL, !f->uncacheable);
    }
    if (n)
        memmove(f->questions, f->questions + n, (f->n_questions - n) * sizeof(*f->questions));
    f->n_questions -= n;
    fixture_turns(f);
}

/* ---- messages in ---- */

struct sub { /* one SUBSCRIBE; fields are used as they are, NULL leaves the header out */
    const char *uri, *user, *display, *from_params, *to_tag, *call_id, *event, *accept, *expires,
        *contact, *extra, *via;
    unsigned cseq;
};

static inline struct sub sub_plain(const char *call_id)
{
    return (struct sub){ .uri = "sip:100@192.0.2.1:5060",
                         .user = "alice",
                         .from_params = ";tag=ft",
                         .call_id = call_id,
                         .event = "dialog",
                         .accept = "application/dialog-info+xml",
                         .expires = "600",
                         .contact = "<sip:alice@192.0.2.7:5062>",
                         .extra = "",
                         .via = "192.0.2.7:5062;rport",
                         .cseq = 1 };
}

static inline void add_line(struct buf *b, const char *name, const char *value)
{
    if (value)
        buf_printf(b, "%s: %s\r\n", name, value);
}

#define SUB_NUL "\x1a" /* in what is sent: a NUL */

static inline void sub_send_again(struct fixture *f, const struct sub *s)
{
    struct buf b;

    buf_init(&b, 60000);
    buf_printf(&b, "SUBSCRIBE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%u\r\n", s->uri,
               s->via, f->branch);
    buf_printf(&b, "From: %s<sip:%s@example.com:5080;transport=udp;user=phone>%s\r\n",
               s->display ? s->display : "", s->user, s->from_params);
    buf_printf(&b, "To: <sip:100@example.com>%s%s\r\n", s->to_tag ? ";tag=" : "",
               s->to_tag ? s->to_tag : "");
    buf_printf(&b, "CSeq: %u SUBSCRIBE\r\n", s->cseq);
    add_line(&b, "Call-ID", s->call_id);
    add_line(&b, "Event", s->event);
    add_line(&b, "Accept", s->accept);
    add_line(&b, "Expires", s->expires);
    add_line(&b, "Contact", s->contact);
    buf_printf(&b, "%sContent-Length: 0\r\n\r\n", s->extra);
    assert_int_equal(b.error, 0);
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == SUB_NUL[0])
            b.p[i] = 0;
    fixture_guard(f, true);
    txn_receive(f->txn, &f->from, buf_str(&b));
    fixture_guard(f, false);
    buf_fini(&b);
}

static inline void sub_send(struct fixture *f, const struct sub *s)
{
    f->branch++;
    sub_send_again(f, s);
}

/* ---- messages out ---- */

/* The next message that nobody has looked at. */
static inline const struct sip_message *fixture_next(struct fixture *f)
{
    assert_true(f->seen < f->n_sent);
    assert_int_equal(sip_message_parse(&f->msg, f->sent[f->seen++].bytes, NULL), 0);
    return &f->msg;
}

static inline void expect_nothing(const struct fixture *f)
{
    if (f->seen < f->n_sent)
        fail_msg("unexpected: %.*s", STR_FMT(f->sent[f->seen].bytes));
}

static inline const struct sip_message *expect_status(struct fixture *f, unsigned status)
{
    const struct sip_message *m = fixture_next(f);

    if (m->request || m->status != status)
        fail_msg("not a %u: %.*s", status, STR_FMT(m->raw));
    return m;
}

static inline const struct sip_message *expect_notify(struct fixture *f, const char *state,
                                                      const char *in_body)
{
    const struct sip_message *m = fixture_next(f);

    if (!m->request || m->method != SIP_NOTIFY ||
        !str_equal(sip_header_value(m, SIP_H_SUBSCRIPTION_STATE), str_of(state)) ||
        !str_contains_nocase(m->body, str_of(in_body)))
        fail_msg("not a NOTIFY that is %s with %s: %.*s", state, in_body, STR_FMT(m->raw));
    return m;
}

/* The answer to message number `i` of those sent. */
static inline void notify_answer(struct fixture *f, size_t i, unsigned status, const char *headers)
{
    struct sip_message *m = malloc(sizeof(*m));
    struct buf b;

    assert_non_null(m);
    assert_true(i < f->n_sent);
    assert_int_equal(sip_message_parse(m, f->sent[i].bytes, NULL), 0);
    assert_int_equal(m->method, SIP_NOTIFY);
    buf_init(&b, 60000);
    buf_printf(&b, "SIP/2.0 %u Answer\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s\r\n", status,
               STR_FMT(sip_header_value(m, SIP_H_VIA)), STR_FMT(m->from), STR_FMT(m->to));
    buf_printf(&b, "Call-ID: %.*s\r\nCSeq: %.*s\r\n%sContent-Length: 0\r\n\r\n",
               STR_FMT(m->call_id), STR_FMT(sip_header_value(m, SIP_H_CSEQ)), headers);
    txn_receive(f->txn, &f->from, buf_str(&b));
    buf_fini(&b);
    free(m);
}

/* To the message just looked at. */
static inline void answer_last(struct fixture *f, unsigned status)
{
    notify_answer(f, f->seen - 1, status, "");
}

/* Subscribes, and answers the first NOTIFY. `s` is ready for an in-dialog request afterwards: its
 * to_tag is in `tag`. */
static inline void establish(struct fixture *f, struct sub *s, char tag[64])
{
    const struct sip_message *m;

    sub_send(f, s);
    fixture_answer_questions(f, 1);
    m = expect_status(f, 200);
    snprintf(tag, 64, "%.*s", STR_FMT(m->to_tag));
    s->to_tag = tag;
    s->uri = "sip:192.0.2.1:5060";
    s->cseq++;
    m = fixture_next(f);
    assert_int_equal(m->method, SIP_NOTIFY);
    answer_last(f, 200);
    expect_nothing(f);
}

static inline void count_view(void *ctx, const struct subscription_view *v)
{
    (void)v;
    ++*(size_t *)ctx;
}

static inline size_t live(const struct fixture *f)
{
    size_t n = 0;

    notifier_each(f->notifier, count_view, &n);
    assert_int_equal(n, fixture_counters(f).subscriptions);
    return n;
}

static inline bool has(const struct sip_message *m, const char *part)
{
    return str_contains_nocase(m->raw, str_of(part));
}

static inline void copy_view(void *ctx, const struct subscription_view *v)
{
    *(struct subscription_view *)ctx = *v;
}

static inline struct subscription_view only_view(const struct fixture *f)
{
    struct subscription_view v = { .state = "" };

    assert_int_equal(live(f), 1);
    notifier_each(f->notifier, copy_view, &v);
    return v;
}
