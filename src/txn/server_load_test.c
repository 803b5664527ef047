// SPDX-License-Identifier: MIT
/* Server transactions under pressure: many, huge, unanswered, and a network that repeats itself. */
#include "txn/txn_fixture.h"

static void ask_numbered(struct fixture *f, unsigned i)
{
    struct ask a = ask_plain();
    char branch[64], call_id[64];

    snprintf(branch, sizeof(branch), ";branch=z9hG4bK%u", i);
    snprintf(call_id, sizeof(call_id), "call-%u", i);
    a.branch = branch;
    a.call_id = call_id;
    ask_send(f, &a);
}

/* Answers make room for new requests, but not those that may well be asked for again. */
static void test_overload(void **state)
{
    struct fixture *f = fixture_create(0, 1);
    unsigned n;

    (void)state;
    f->answer = 200;
    for (n = 0; n < 100 && !fixture_counters(f).overload; n++)
        ask_numbered(f, n);
    assert_in_range(n, 3, 20);
    assert_int_equal(f->handled, n - 1);
    assert_true(fixture_last_is(f, "SIP/2.0 503 "));
    assert_true(fixture_last_has(f, "\r\nWarning: 399 extstate \""));
    assert_true(fixture_last_has(f, "Retry-After: "));
    ask_numbered(f, 0); /* retransmissions are still served */
    assert_true(fixture_last_is(f, "SIP/2.0 200 "));
    fixture_pass(f, 3990);
    ask_numbered(f, n);
    assert_true(fixture_last_is(f, "SIP/2.0 503 "));
    fixture_pass(f, 10);
    ask_numbered(f, n);
    assert_int_equal(f->handled, n);
    assert_true(fixture_last_is(f, "SIP/2.0 200 "));
    ask_numbered(f, 1); /* still known */
    assert_int_equal(f->handled, n);
    ask_numbered(f, 0); /* the oldest went */
    assert_int_equal(f->handled, n + 1);
    fixture_destroy(f);
}

/* Few requests with huge fields must not take what many small ones were granted. */
static void test_overload_by_size(void **state)
{
    struct fixture *f = fixture_create(0, 50);
    char *huge = malloc(60000), *text = malloc(65000);
    struct ask a = ask_plain();

    (void)state;
    assert_non_null(huge);
    assert_non_null(text);
    memset(huge, 'x', 59999);
    huge[59999] = '\0';
    memcpy(huge, ";branch=z9hG4bK", 15);
    a.branch = huge;
    ask_print(text, 65000, &a);
    fixture_receive(f, text);
    assert_int_equal(f->handled, 1);
    ask_numbered(f, 2);
    assert_int_equal(f->handled, 1);
    assert_true(fixture_last_is(f, "SIP/2.0 503 "));
    server_txn_reject(f->asked, 200, STR_EMPTY);
    ask_numbered(f, 2); /* an answer is small */
    assert_int_equal(f->handled, 2);
    free(huge);
    free(text);
    fixture_destroy(f);
}

/* An owner that never answers, one that is late, one that is very late. */
static void test_unanswered(void **state)
{
    static const struct {
        uint64_t answered_after_ms; /* 0: never */
        bool held;                  /* at the end, by its owner */
    } cases[] = { { 0, true }, { 40000, false }, { 63990, false }, { 70000, false } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(0, 10);
        struct ask a = ask_plain();
        uint64_t after_ms = cases[i].answered_after_ms;

        ask_send(f, &a);
        fixture_pass(f, 31990);
        assert_int_equal(f->n_sent, 0);
        fixture_pass(f, 10);
        assert_int_equal(f->n_sent, 1);
        assert_true(fixture_last_is(f, "SIP/2.0 500 "));
        ask_send(f, &a);
        assert_int_equal(f->n_sent, 2);
        fixture_pass(f, (after_ms ? after_ms : 90000) - 32000);
        if (after_ms)
            server_txn_reject(f->asked, 200, STR_EMPTY);
        fixture_pass(f, 64000);
        assert_int_equal(f->n_sent, 2); /* the peer got one answer, and that is that */
        assert_int_equal(fixture_counters(f).server_live, 0);
        assert_int_equal(f->txn->server_bytes > 0, cases[i].held);
        ask_send(f, &a); /* long forgotten */
        assert_int_equal(f->handled, 2);
        fixture_destroy(f);
    }
}

/* ---- the network at its worst ---- */

enum { REQUESTS = 40, DELIVERIES = 400 };

struct storm {
    struct fixture *f;
    size_t handled[REQUESTS];
    struct server_txn *pending[REQUESTS];
    struct str first_answer[REQUESTS]; /* owned */
    size_t answers[REQUESTS];
};

static size_t storm_index(struct str call_id)
{
    uint32_t index;

    assert_int_equal(str_to_u32(&index, str_sub(call_id, 5, call_id.n)), 0);
    assert_true(index < REQUESTS);
    return index;
}

static void storm_request(void *ctx, struct server_txn *st, const struct sip_message *msg,
                          const struct flow *from)
{
    struct storm *s = ctx;
    size_t index = storm_index(msg->call_id);

    (void)from;
    s->handled[index]++;
    if (index % 3 == 0)
        server_txn_reject(st, 200 + (unsigned)index, STR_EMPTY);
    else
        s->pending[index] = st;
}

static int storm_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct storm *s = ctx;
    struct sip_message msg;
    size_t index;

    (void)to;
    assert_int_equal(sip_message_parse(&msg, bytes, NULL), 0);
    index = storm_index(msg.call_id);
    if (!s->answers[index]++)
        assert_int_equal(str_dup(&s->first_answer[index], bytes), 0);
    assert_true(str_equal(s->first_answer[index], bytes));
    assert_int_equal(msg.status, 200 + index);
    return 0;
}

static void storm_run(uint64_t seed)
{
    struct fixture *f = fixture_create(0, REQUESTS);
    struct storm s = { .f = f };
    struct rng rng;
    struct ask a = ask_plain();
    char branch[64], call_id[64];

    rng_init_seeded(&rng, seed);
    f->txn->cfg.request = storm_request;
    f->txn->cfg.admit = NULL;
    f->txn->cfg.ctx = &s;
    f->txn->cfg.port.send = storm_send;
    f->txn->cfg.port.ctx = &s;
    /* Any order, any number of copies, some never: within the 32 s of a client that keeps trying.
     */
    for (size_t i = 0; i < DELIVERIES; i++) {
        uint32_t index = rng_below(&rng, REQUESTS);

        snprintf(branch, sizeof(branch), ";branch=z9hG4bK%u", index);
        snprintf(call_id, sizeof(call_id), "call-%u", index);
        a.branch = branch;
        a.call_id = call_id;
        ask_send(f, &a);
        if (s.pending[index] && rng_below(&rng, 3) == 0) {
            server_txn_reject(s.pending[index], 200 + index, STR_EMPTY);
            s.pending[index] = NULL;
        }
        fixture_pass(f, 10ull * rng_below(&rng, 8));
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_true(s.handled[i] <= 1);
        if (s.pending[i])
            server_txn_reject(s.pending[i], 200 + (unsigned)i, STR_EMPTY);
        assert_int_equal(s.handled[i], s.answers[i] ? 1 : 0);
        str_free(&s.first_answer[i]);
    }
    fixture_pass(f, 64000);
    assert_int_equal(fixture_counters(f).server_live, 0);
    assert_int_equal(f->txn->server_bytes, 0);
    fixture_destroy(f);
}

static void test_one_handler_call_and_one_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        storm_run(seed);
}

/* Dropping the layer drops what is in any state. */
static void test_destroy_with_live_ones(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    ask_send(f, &a);
    fixture_pass(f, 70000); /* an orphan, forgotten by the peer */
    a.cseq = 2;
    ask_send(f, &a);
    fixture_pass(f, 40000); /* an orphan, and the answer we gave */
    a.cseq = 3;
    ask_send(f, &a);
    f->answer = 200;
    a.cseq = 4;
    ask_send(f, &a);
    assert_int_equal(fixture_counters(f).server_live, 3);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_overload_by_size),
        cmocka_unit_test(test_unanswered),
        cmocka_unit_test(test_one_handler_call_and_one_answer),
        cmocka_unit_test(test_destroy_with_live_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
