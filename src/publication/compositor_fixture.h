// SPDX-License-Identifier: MIT
/* compositor_fixture.h - for tests: a compositor over real transactions, whose network is an array,
 * whose time moves by hand and whose store is the test. */
#pragma once
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "publication/compositor.h"
#include "txn/settings_fixture.h"

#define FIXTURE_START_MS 5000000
#define FIXTURE_PJSIP                                                                            \
    "[udp]\ntype=transport\nprotocol=udp\nbind=192.0.2.1:5060\n"                                 \
    "[alice]\ntype=endpoint\naors=alice,200\n[alice]\ntype=aor\n[200]\ntype=aor\n"               \
    "[bob]\ntype=endpoint\n[group]\ntype=aor\n[anonymous]\ntype=endpoint\n"                      \
    "[anonymous@guest.example]\ntype=endpoint\n[alias.example]\ntype=domain_alias\ndomain=any\n" \
    "[global]\nuser_agent=extstate/9\n"
#define FIXTURE_EXTSTATE                                                                          \
    "[own]\ntype=compositor\ndomains=own\n"                                                       \
    "[any]\ntype=compositor\ndomains=any\ncontext=users\npublish=any\nopaque=reg,conference\n"    \
    "max_body=100\nminimum_expiry=100\nmaximum_expiry=1000\ndefault_expiry=500\nexpiry_grace=7\n" \
    "max_publications_per_publisher=3\nmax_publications_per_resource=2\norder=hint\n"             \
    "supersede=no\npriority=bob,alice\n"                                                          \
    "[none]\ntype=compositor\ndomains=none\npublish=none\n"                                       \
    "[few]\ntype=compositor\ndomains=few\npublish=any\npublishers=bob\npackages=presence\n"       \
    "[known]\ntype=compositor\ndomains=known\npublish=any\nusers=known\n"                         \
    "[bare]\ntype=compositor\ndomains=bare\npackages=\n"

struct fixture_sent {
    struct flow to;
    struct str bytes; /* owned */
};

struct fixture_asked { /* a question to the store */
    uint64_t cookie;
    char package[40], context[40], domain[40], extension[80], publisher[80], call_id[40],
        if_match[40], content_type[80], body[120], why[260];
    unsigned refusal;
    size_t body_len;
    struct publication_request rq; /* its texts are gone */
    const struct event_state *document;
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
    struct settings *settings;
    struct compositor *compositor;
    struct flow from;
    struct fixture_sent *sent;
    size_t n_sent, seen;
    struct fixture_asked *asked;
    size_t n_asked;
    int apply_result;
    void (*guard)(bool subject); /* may be NULL: is it the subject's code that runs now? */
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

    fixture_guard(f, false);
    assert_int_equal(ARRAY_GROW(f->sent, f->n_sent), 0);
    f->sent[f->n_sent] = (struct fixture_sent){ *to, STR_EMPTY };
    assert_int_equal(str_dup(&f->sent[f->n_sent++].bytes, bytes), 0);
    fixture_guard(f, true);
    return 0;
}

#define FIXTURE_COPY(to, text)                           \
    do {                                                 \
        assert_true((text).n < sizeof(to));              \
        snprintf(to, sizeof(to), "%.*s", STR_FMT(text)); \
    } while (0)

static inline int fixture_apply(void *ctx, const struct publication_request *rq, uint64_t cookie)
{
    struct fixture *f = ctx;
    struct fixture_asked *q;

    if (f->apply_result)
        return f->apply_result;
    fixture_guard(f, false);
    assert_int_equal(ARRAY_GROW(f->asked, f->n_asked), 0);
    q = &f->asked[f->n_asked++];
    *q = (struct fixture_asked){ .cookie = cookie,
                                 .rq = *rq,
                                 .refusal = rq->refusal.status,
                                 .body_len = rq->body.n,
                                 .document = event_state_ref(rq->document) };
    FIXTURE_COPY(q->package, rq->package);
    FIXTURE_COPY(q->context, rq->context);
    FIXTURE_COPY(q->domain, rq->domain);
    FIXTURE_COPY(q->extension, rq->extension);
    FIXTURE_COPY(q->publisher, rq->publisher);
    FIXTURE_COPY(q->call_id, rq->call_id);
    FIXTURE_COPY(q->if_match, rq->if_match);
    FIXTURE_COPY(q->content_type, rq->content_type);
    FIXTURE_COPY(q->body, str_sub(rq->body, 0, sizeof(q->body) - 1));
    FIXTURE_COPY(q->why, rq->refusal.why);
    fixture_guard(f, true);
    return 0;
}

/* ---- life ---- */

static inline struct addr fixture_addr(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 5060), 0);
    return a;
}

static inline struct fixture *fixture_create(void)
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
    f->settings = settings_fixture_with(FIXTURE_PJSIP, FIXTURE_EXTSTATE);
    f->from = (struct flow){ .local = fixture_addr("192.0.2.1:5060"),
                             .remote = fixture_addr("192.0.2.7:5062") };
    assert_int_equal(
        uas_create(&f->uas, &(struct uas_config){ .log = f->log, .settings = f->settings }), 0);
    assert_int_equal(txn_create(&f->txn, &(struct txn_config){ .wheel = &f->wheel,
                                                               .rng = &f->rng,
                                                               .log = f->log,
                                                               .port = { f, fixture_send, NULL },
                                                               .request = uas_request,
                                                               .ctx = f->uas,
                                                               .workers = 1,
                                                               .t1_ms = 500,
                                                               .timer_f_ms = 32000,
                                                               .max_server_bytes = 1 << 30,
                                                               .server = STR("extstate/test") }),
                     0);
    assert_int_equal(compositor_create(&f->compositor,
                                       &(struct compositor_config){ .rng = &f->rng,
                                                                    .log = f->log,
                                                                    .settings = f->settings,
                                                                    .port = { f, fixture_apply } }),
                     0);
    uas_method_set(f->uas, SIP_PUBLISH, STR_EMPTY, compositor_publish, f->compositor);
    return f;
}

static inline void fixture_destroy(struct fixture *f)
{
    compositor_destroy(f->compositor);
    txn_destroy(f->txn);
    uas_destroy(f->uas);
    wheel_fini(&f->wheel);
    settings_unref(f->settings);
    for (size_t i = 0; i < f->n_asked; i++)
        event_state_unref(f->asked[i].document);
    free(f->asked);
    while (f->n_sent)
        str_free(&f->sent[--f->n_sent].bytes);
    free(f->sent);
    log_destroy(f->log);
    close(f->log_fd);
    free(f);
}

static inline void fixture_pass(struct fixture *f, uint64_t ms)
{
    f->now_ms += ms;
    wheel_advance(&f->wheel, f->now_ms);
}

static inline struct compositor_counters fixture_counters(const struct fixture *f)
{
    struct compositor_counters c;

    compositor_counters_get(f->compositor, &c);
    return c;
}

/* ---- messages in ---- */

struct publish { /* one PUBLISH; NULL leaves the header out */
    const char *uri, *from, *call_id, *event, *expires, *if_match, *content_type, *body, *extra;
    unsigned cseq;
};

static inline struct publish publish_plain(void)
{
    return (struct publish){ .uri = "sip:100@any",
                             .from = "alice@any",
                             .call_id = "c1",
                             .event = "dialog",
                             .expires = "600",
                             .content_type = "application/dialog-info+xml",
                             .body = "fine",
                             .extra = "",
                             .cseq = 1 };
}

static inline void add_line(struct buf *b, const char *name, const char *value)
{
    if (value)
        buf_printf(b, "%s: %s\r\n", name, value);
}

static inline void publish_send_again(struct fixture *f, const struct publish *p)
{
    struct buf b;

    buf_init(&b, SIP_MESSAGE_MAX);
    buf_printf(&b, "PUBLISH %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK%u\r\n",
               p->uri, f->branch);
    buf_printf(&b, "From: <sip:%s>;tag=ft\r\n", p->from);
    if (!strstr(p->extra, "To: "))
        buf_printf(&b, "To: <%s>\r\n", p->uri);
    buf_printf(&b, "CSeq: %u PUBLISH\r\n", p->cseq);
    add_line(&b, "Call-ID", p->call_id);
    add_line(&b, "Event", p->event);
    add_line(&b, "Expires", p->expires);
    add_line(&b, "SIP-If-Match", p->if_match);
    add_line(&b, "Content-Type", p->content_type);
    buf_printf(&b, "%sContent-Length: %zu\r\n\r\n%s", p->extra, p->body ? strlen(p->body) : 0,
               p->body ? p->body : "");
    assert_int_equal(b.error, 0);
    txn_receive(f->txn, &f->from, buf_str(&b));
    buf_fini(&b);
}

static inline void publish_send(struct fixture *f, struct publish *p)
{
    f->branch++;
    publish_send_again(f, p);
    p->cseq++;
}

/* ---- messages out ---- */

static inline void expect_nothing(const struct fixture *f)
{
    if (f->seen < f->n_sent)
        fail_msg("unexpected: %.*s", STR_FMT(f->sent[f->seen].bytes));
}

/* The next answer that nobody has looked at; one with lines that contain each of `parts`, separated
 * by '|'. */
static inline const struct sip_message *expect_status(struct fixture *f, unsigned status,
                                                      const char *parts)
{
    struct str rest = str_of(parts);

    if (f->seen == f->n_sent)
        fail_msg("no answer, but wanted %u with %s", status, parts);
    assert_int_equal(sip_message_parse(&f->msg, f->sent[f->seen++].bytes, NULL), 0);
    if (f->msg.status != status)
        fail_msg("not a %u with %s: %.*s", status, parts, STR_FMT(f->msg.raw));
    while (rest.n) {
        struct str part = str_next(&rest, '|');

        if (!str_contains_nocase(f->msg.raw, part))
            fail_msg("not with %.*s: %.*s", STR_FMT(part), STR_FMT(f->msg.raw));
    }
    return &f->msg;
}

/* The only question to the store so far. */
static inline const struct fixture_asked *only_asked(const struct fixture *f)
{
    assert_int_equal(f->n_asked, 1);
    return &f->asked[0];
}

static inline void fixture_answer(struct fixture *f, size_t i, int result,
                                  const struct publication_answer *answer)
{
    assert_true(i < f->n_asked);
    compositor_answer(f->compositor, f->asked[i].cookie, result, answer);
}
