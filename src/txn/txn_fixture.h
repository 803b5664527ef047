// SPDX-License-Identifier: MIT
/* txn_fixture.h - for tests: a transaction layer whose network is an array and whose time moves by
 * hand. */
#pragma once
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "txn/layer.h"

#define FIXTURE_SENT 4096
#define FIXTURE_START_MS 1000000

struct fixture_sent {
    uint64_t at_ms;
    struct flow to;
    struct str bytes; /* owned */
};

struct fixture {
    struct wheel wheel;
    struct rng rng;
    struct log *log;
    int log_fd;
    struct txn_layer *txn;
    struct flow from; /* a peer at 192.0.2.7:5062 */
    struct fixture_sent sent[FIXTURE_SENT];
    size_t n_sent;
    int send_result; /* what the port answers */
    bool narrow;     /* nothing goes by TCP */
    int forward_result;
    size_t forwarded;
    unsigned forwarded_to;
    size_t handled;           /* requests handed up */
    struct server_txn *asked; /* the last of them */
    unsigned answer;          /* status given at once; 0: later */
    bool unforced;            /* without force_rport */
    size_t admissions;        /* asked for */
    unsigned refuse;          /* status given in the place of one; 0: granted */
};

static inline struct addr fixture_addr(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 5060), 0);
    return a;
}

static inline int fixture_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct fixture *f = ctx;
    struct fixture_sent *s = &f->sent[f->n_sent];

    if (f->send_result)
        return f->send_result;
    assert_true(f->n_sent < FIXTURE_SENT);
    *s = (struct fixture_sent){ f->wheel.now_ms - FIXTURE_START_MS, *to, STR_EMPTY };
    assert_int_equal(str_dup(&s->bytes, bytes), 0);
    f->n_sent++;
    return 0;
}

static inline int fixture_forward(void *ctx, unsigned worker, const struct flow *from,
                                  struct str datagram)
{
    struct fixture *f = ctx;

    (void)from;
    (void)datagram;
    f->forwarded++;
    f->forwarded_to = worker;
    return f->forward_result;
}

static inline void fixture_request(void *ctx, struct server_txn *st, const struct sip_message *msg,
                                   const struct flow *from)
{
    struct fixture *f = ctx;

    (void)msg;
    (void)from;
    f->handled++;
    f->asked = st;
    if (f->unforced)
        server_txn_force_rport_set(st, false);
    if (f->answer)
        server_txn_reject(st, f->answer, STR_EMPTY);
}

static inline bool fixture_admit(void *ctx, const struct sip_message *msg, const struct flow *from,
                                 struct txn_refusal *refusal)
{
    struct fixture *f = ctx;

    (void)msg;
    (void)from;
    f->admissions++;
    *refusal =
        (struct txn_refusal){ .status = f->refuse, .why = "not admitted", .retry_after_s = 7 };
    return !f->refuse;
}

static inline struct fixture *fixture_create(unsigned worker, size_t max_server_kib)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    wheel_init(&f->wheel, FIXTURE_START_MS);
    rng_init_seeded(&f->rng, 42);
    f->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&f->log, f->log_fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    f->from = (struct flow){ .local = fixture_addr("192.0.2.1:5060"),
                             .remote = fixture_addr("192.0.2.7:5062") };
    assert_int_equal(
        txn_create(&f->txn, &(struct txn_config){ .wheel = &f->wheel,
                                                  .rng = &f->rng,
                                                  .log = f->log,
                                                  .port = { f, fixture_send, fixture_forward },
                                                  .request = fixture_request,
                                                  .admit = fixture_admit,
                                                  .ctx = f,
                                                  .worker = worker,
                                                  .workers = 4,
                                                  .t1_ms = 500,
                                                  .timer_f_ms = 32000,
                                                  .max_server_bytes = max_server_kib << 10,
                                                  .server = STR("extstate/test") }),
        0);
    return f;
}

static inline void fixture_forget_sent(struct fixture *f)
{
    while (f->n_sent)
        str_free(&f->sent[--f->n_sent].bytes);
}

static inline void fixture_destroy(struct fixture *f)
{
    txn_destroy(f->txn);
    wheel_fini(&f->wheel); /* every timer went with its transaction */
    fixture_forget_sent(f);
    log_destroy(f->log);
    close(f->log_fd);
    free(f);
}

/* Time goes by, tick by tick. */
static inline void fixture_pass(struct fixture *f, uint64_t ms)
{
    uint64_t end = f->wheel.now_ms + ms;

    while (f->wheel.now_ms < end)
        wheel_advance(&f->wheel, f->wheel.now_ms + WHEEL_TICK_MS);
}

static inline void fixture_receive(struct fixture *f, const char *text)
{
    txn_receive(f->txn, &f->from, str_of(text));
}

static inline struct txn_counters fixture_counters(const struct fixture *f)
{
    struct txn_counters c;

    txn_counters_get(f->txn, &c);
    return c;
}

static inline struct str fixture_last(const struct fixture *f)
{
    assert_true(f->n_sent > 0);
    return f->sent[f->n_sent - 1].bytes;
}

static inline bool fixture_last_has(const struct fixture *f, const char *part)
{
    return str_contains_nocase(fixture_last(f), str_of(part));
}

static inline bool fixture_last_is(const struct fixture *f, const char *start)
{
    return str_starts(fixture_last(f), str_of(start));
}

/* One request, spelled out where a case needs it. */
struct ask {
    const char *method, *branch, *sent_by, *call_id, *from_tag, *to, *extra;
    unsigned cseq;
};

static inline struct ask ask_plain(void)
{
    return (struct ask){ .method = "SUBSCRIBE",
                         .branch = ";branch=z9hG4bKone",
                         .sent_by = "192.0.2.7:5062",
                         .call_id = "call-1",
                         .from_tag = "ft",
                         .to = "<sip:100@example.com>",
                         .extra = "",
                         .cseq = 1 };
}

static inline void ask_print(char *out, size_t size, const struct ask *a)
{
    int n = snprintf(out, size,
                     "%s sip:100@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s%s\r\n"
                     "From: <sip:alice@example.com>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\n"
                     "CSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
                     a->method, a->sent_by, a->branch, a->from_tag, a->to, a->call_id, a->cseq,
                     a->method, a->extra);

    assert_true(n > 0 && (size_t)n < size);
}

static inline void ask_send(struct fixture *f, const struct ask *a)
{
    char text[2048];

    ask_print(text, sizeof(text), a);
    fixture_receive(f, text);
}
