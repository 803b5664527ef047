// SPDX-License-Identifier: MIT
/* What servers answer, and what is done about it. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

#define CHALLENGE(nonce, more)                                                                     \
    {                                                                                              \
        401, "WWW-Authenticate: Digest realm=\"esc.test\", nonce=\"" nonce "\", qop=\"auth\"" more \
             "\r\n"                                                                                \
    }

/* An extension is idle and published, then in use; the answers are for what follows. */
static const struct answer_case {
    const char *name, *conf;
    struct esc_answer next[8];
    uint64_t run_ms;
    const char *seen, *state;
    unsigned status, failures;
} answer_cases[] = {
    { "accepted",
      ESC,
      { { 200, NULL } },
      500,
      "1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "202 is a success",
      ESC,
      { { 202, "SIP-ETag: x\r\nExpires: 60\r\n" } },
      500,
      "1000 modify confirmed 3600: 202\n",
      "published",
      202,
      0 },
    { "503 is tried again soon",
      ESC,
      { { 503, NULL } },
      1100,
      "1000 modify confirmed 3600: 503\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "500",
      ESC,
      { { 500, NULL } },
      1100,
      "1000 modify confirmed 3600: 500\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "408 in words",
      ESC,
      { { 408, NULL } },
      1100,
      "1000 modify confirmed 3600: 408\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "480",
      ESC,
      { { 480, NULL } },
      1100,
      "1000 modify confirmed 3600: 480\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "Retry-After is respected",
      ESC,
      { { 503, "Retry-After: 5\r\n" } },
      4900,
      "1000 modify confirmed 3600: 503\n",
      "waiting",
      503,
      1 },
    { "and not longer",
      ESC,
      { { 503, "Retry-After: 5 (backup)\r\n" } },
      5100,
      "1000 modify confirmed 3600: 503\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "Retry-After is capped",
      ESC,
      { { 503, "Retry-After: 1000000\r\n" } },
      3600100,
      "1000 modify confirmed 3600: 503\n1000 initial confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "Retry-After is nonsense",
      ESC,
      { { 503, "Retry-After: soon\r\n" } },
      1100,
      "1000 modify confirmed 3600: 503\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "403",
      ESC,
      { { 403, NULL } },
      29000,
      "1000 modify confirmed 3600: 403\n",
      "refused",
      403,
      1 },
    { "403, later",
      ESC,
      { { 403, NULL } },
      38000,
      "1000 modify confirmed 3600: 403\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "404",
      ESC,
      { { 404, NULL } },
      29000,
      "1000 modify confirmed 3600: 404\n",
      "refused",
      404,
      1 },
    { "489",
      ESC,
      { { 489, NULL } },
      29000,
      "1000 modify confirmed 3600: 489\n",
      "refused",
      489,
      1 },
    { "501",
      ESC,
      { { 501, NULL } },
      29000,
      "1000 modify confirmed 3600: 501\n",
      "refused",
      501,
      1 },
    { "513",
      ESC,
      { { 513, NULL } },
      29000,
      "1000 modify confirmed 3600: 513\n",
      "refused",
      513,
      1 },
    { "603",
      ESC,
      { { 603, NULL } },
      29000,
      "1000 modify confirmed 3600: 603\n",
      "refused",
      603,
      1 },
    { "302",
      ESC,
      { { 302, "Contact: <sip:elsewhere>\r\n" } },
      29000,
      "1000 modify confirmed 3600: 302\n",
      "refused",
      302,
      1 },
    { "403 with Retry-After",
      ESC,
      { { 403, "Retry-After: 3\r\n" } },
      3100,
      "1000 modify confirmed 3600: 403\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "412: at once anew",
      ESC,
      { { 412, NULL } },
      50,
      "1000 modify confirmed 3600: 412\n1000 initial confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "412 to an initial one is no reason to repeat it",
      ESC,
      { { 412, NULL }, { 412, NULL } },
      29000,
      "1000 modify confirmed 3600: 412\n1000 initial confirmed 3600: 412\n",
      "refused",
      412,
      1 },
    { "423",
      ESC,
      { { 423, "Min-Expires: 7200\r\n" } },
      50,
      "1000 modify confirmed 3600: 423\n1000 modify confirmed 7200: 200\n",
      "published",
      200,
      0 },
    { "423 without Min-Expires",
      ESC,
      { { 423, NULL } },
      29000,
      "1000 modify confirmed 3600: 423\n",
      "refused",
      423,
      1 },
    { "423 that wants less",
      ESC,
      { { 423, "Min-Expires: 60\r\n" } },
      29000,
      "1000 modify confirmed 3600: 423\n",
      "refused",
      423,
      1 },
    { "423 that never has enough",
      ESC,
      { { 423, "Min-Expires: 4000\r\n" },
        { 423, "Min-Expires: 5000\r\n" },
        { 423, "Min-Expires: 6000\r\n" },
        { 423, "Min-Expires: 7000\r\n" } },
      29000,
      "1000 modify confirmed 3600: 423\n1000 modify confirmed 4000: 423\n"
      "1000 modify confirmed 5000: 423\n1000 modify confirmed 6000: 423\n",
      "refused",
      423,
      1 },
    { "401 and nothing to say",
      ESC,
      { CHALLENGE("a", "") },
      29000,
      "1000 modify confirmed 3600: 401\n",
      "refused",
      401,
      1 },
    { "401 for another realm's user",
      ESC_AUTH,
      { { 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\", algorithm=SHA-999\r\n" } },
      29000,
      "1000 modify confirmed 3600: 401\n",
      "refused",
      401,
      1 },
    { "401 without a challenge",
      ESC_AUTH,
      { { 401, NULL } },
      29000,
      "1000 modify confirmed 3600: 401\n",
      "refused",
      401,
      1 },
    { "401 is answered",
      ESC_AUTH,
      { CHALLENGE("a", "") },
      50,
      "1000 modify confirmed 3600: 401\n1000 modify confirmed 3600: 200\n",
      "published",
      200,
      0 },
    { "401 for ever",
      ESC_AUTH,
      { CHALLENGE("a", ""), CHALLENGE("b", ""), CHALLENGE("c", ""), CHALLENGE("d", "") },
      29000,
      "1000 modify confirmed 3600: 401\n1000 modify confirmed 3600: 401\n"
      "1000 modify confirmed 3600: 401\n1000 modify confirmed 3600: 401\n",
      "refused",
      401,
      1 },
    { "401, stale for ever",
      ESC_AUTH,
      { CHALLENGE("a", ", stale=true"), CHALLENGE("b", ", stale=true"),
        CHALLENGE("c", ", stale=true"), CHALLENGE("d", ", stale=true") },
      29000,
      "1000 modify confirmed 3600: 401\n1000 modify confirmed 3600: 401\n"
      "1000 modify confirmed 3600: 401\n1000 modify confirmed 3600: 401\n",
      "refused",
      401,
      1 },
    { "401, 412, 423 in a row",
      ESC_AUTH,
      { CHALLENGE("a", ""), { 412, NULL }, { 423, "Min-Expires: 9000\r\n" } },
      200,
      "1000 modify confirmed 3600: 401\n1000 modify confirmed 3600: 412\n"
      "1000 initial confirmed 3600: 423\n1000 initial confirmed 9000: 200\n",
      "published",
      200,
      0 },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct bench *b = bench_create(c->conf, NULL);
        struct publication_view v;

        b->retry_interval_s = 86400; /* no probes between */
        bench_reload(b, c->conf, NULL);
        bench_run(b, 100000);
        bench_set(b, "1000@users", EXTENSION_IDLE);
        bench_run(b, 1000);
        bench_forget_seen(b);
        b->esc.next = c->next;
        while (b->esc.n_next < ARRAY_LEN(c->next) && c->next[b->esc.n_next].status)
            b->esc.n_next++;
        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_run(b, c->run_ms);
        print_message("    %s\n", c->name);
        assert_string_equal(bench_seen(b), c->seen);
        v = bench_view(b, "esc", "1000");
        assert_string_equal(v.state, c->state);
        assert_int_equal(v.last_status, c->status);
        assert_int_equal(v.failures, c->failures);
        bench_destroy(b);
    }
}

/* ---- waiting ---- */

static unsigned answer_always(void *ctx, const struct sip_message *request)
{
    (void)request;
    return *(const unsigned *)ctx;
}

static uint64_t until_request(struct bench *b, uint64_t most_ms)
{
    uint64_t start = b->now_ms, deadline = start + most_ms;
    size_t requests = b->requests;

    while (b->requests == requests && b->now_ms < deadline)
        bench_run(b, 10);
    return b->now_ms - start;
}

static const struct backoff_case {
    unsigned status;
    uint64_t first_ms, most_ms;
    unsigned least_percent, most_percent; /* of the doubled value */
} backoff_cases[] = {
    { 503, 1000, 60000, 74, 104 },
    { 500, 1000, 60000, 74, 104 },
    { 403, 30000, 480000, 100, 126 },
    { 604, 30000, 480000, 100, 126 },
};

static void test_backoff(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(backoff_cases); i++) {
        const struct backoff_case *c = &backoff_cases[i];
        struct bench *b = bench_create(ESC, NULL);
        uint64_t ms = c->first_ms;
        unsigned status = c->status;

        b->esc.answer = answer_always;
        b->esc.ctx = &status;
        bench_set(b, "1000@users", EXTENSION_INUSE);
        until_request(b, 1000);
        for (unsigned n = 0; n < 12; n++) {
            uint64_t gap = until_request(b, 1000000);

            assert_in_range(gap, ms * c->least_percent / 100, ms * c->most_percent / 100 + 40);
            ms = ms * 2 > c->most_ms ? c->most_ms : ms * 2;
        }
        assert_int_equal(bench_view(b, "esc", "1000").failures, 12);
        bench_destroy(b);
    }
}

/* A changed state does not wait for the end of a refusal, but does not hammer either. */
static void test_change_while_refused(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    unsigned status = 403;
    static const struct esc_answer later[] = { { 403, "Retry-After: 20\r\n" }, { 503, NULL } };

    (void)state;
    b->esc.answer = answer_always;
    b->esc.ctx = &status;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 100);
    for (unsigned i = 0; i < 100; i++) { /* ten a second */
        bench_set(b, "1000@users", i % 2 ? EXTENSION_IDLE : EXTENSION_INUSE);
        bench_run(b, 100);
    }
    assert_in_range(b->requests, 9, 12);
    b->esc.answer = NULL;
    bench_run(b, 600000);
    bench_forget_seen(b);
    b->esc.next = later;
    b->esc.n_next = 2;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 100);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 15000);
    assert_seen(b, "1000 modify early 3600: 403\n");
    bench_run(b, 7000);
    assert_seen(b, "1000 modify confirmed 3600: 503\n1000 modify confirmed 3600: 200\n");
    bench_destroy(b);
}

/* The server forgets when what it granted is over, so the next one must be complete. */
static void test_lapsed_while_failing(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const struct esc_answer later = { 503, "Retry-After: 15\r\n" };

    (void)state;
    b->esc.grants_s = 20;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 10000);
    b->esc.next = &later;
    b->esc.n_next = 1;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 20000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n"
                   "1000 modify idle 3600: 503\n"
                   "1000 initial idle 3600: 200\n");
    assert_int_equal(esc_count(b), 1);
    bench_destroy(b);
}

/* The modify was lost, or its answer was: whatever it is now, it must be told again. */
static void test_unknown_outcome(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const struct esc_answer lost = { 500, NULL };

    (void)state;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    b->esc.next = &lost;
    b->esc.n_next = 1;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 200);
    bench_set(b, "1000@users", EXTENSION_IDLE); /* as told, if nothing had happened */
    bench_run(b, 2000);
    assert_seen(b, "1000 initial idle 3600: 200\n"
                   "1000 modify early 3600: 500\n"
                   "1000 modify idle 3600: 200\n");
    bench_destroy(b);
}

static void test_minimum_is_remembered(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->esc.min_expires_s = 7200;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    bench_set(b, "1001@users", EXTENSION_IDLE);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial idle 3600: 423\n"
                   "1000 initial idle 7200: 200\n"
                   "1001 initial idle 7200: 200\n"
                   "1000 modify confirmed 7200: 200\n");
    bench_remove(b, "1001@users");
    bench_run(b, 1000);
    assert_seen(b, "1001 modify idle 7200: 200\n"
                   "1001 remove - 0: 200\n");
    bench_destroy(b);
}

/* Two requests under way hear of different minima: the larger one counts. */
static void test_two_minima(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const struct esc_answer minima[] = { { 423, "Min-Expires: 7200\r\n" },
                                                { 423, "Min-Expires: 5000\r\n" } };

    (void)state;
    b->esc.next = minima;
    b->esc.n_next = 2;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_set(b, "1001@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial idle 3600: 423\n"
                   "1001 initial idle 3600: 423\n"
                   "1000 initial idle 7200: 200\n"
                   "1001 initial idle 7200: 200\n");
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_change_while_refused),
        cmocka_unit_test(test_lapsed_while_failing),
        cmocka_unit_test(test_unknown_outcome),
        cmocka_unit_test(test_minimum_is_remembered),
        cmocka_unit_test(test_two_minima),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
