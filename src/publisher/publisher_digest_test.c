// SPDX-License-Identifier: MIT
/* Challenges, and the nonces that save most of them. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

#define CHALLENGE(nonce, more)                                                                     \
    {                                                                                              \
        401, "WWW-Authenticate: Digest realm=\"esc.test\", nonce=\"" nonce "\", qop=\"auth\"" more \
             "\r\n"                                                                                \
    }

/* One challenge, then every request has its answer with it, in one round trip. */
static void test_nonce_cache(void **state)
{
    (void)state;
    for (unsigned proxy = 0; proxy < 2; proxy++) {
        struct bench *b = bench_create(ESC_AUTH, NULL);

        b->esc.nonce = "n";
        b->esc.proxy = proxy;
        bench_set(b, "1000@users", EXTENSION_IDLE);
        bench_run(b, 1000);
        for (unsigned i = 0; i < 10; i++) {
            bench_set(b, "1000@users", i % 2 ? EXTENSION_IDLE : EXTENSION_INUSE);
            bench_set(b, "1001@users", i % 2 ? EXTENSION_IDLE : EXTENSION_INUSE);
            bench_run(b, 1000);
        }
        bench_remove(b, "1000@users");
        bench_run(b, 1000);
        assert_int_equal(b->challenges, 1);
        assert_int_equal(b->authorized, 1 + 20 + 2);
        assert_int_equal(b->last_nonce_count, b->authorized); /* none left out */
        assert_int_equal(bench_counters(b).challenged, 1);
        assert_int_equal(bench_count(b), 1);
        bench_destroy(b);
    }
}

static void test_nonce_grows_stale(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->esc.nonce = "n";
    b->esc.stale = true;
    b->esc.nonce_uses = 3;
    for (unsigned i = 0; i < 12; i++) {
        bench_set(b, "1000@users", i % 2 ? EXTENSION_IDLE : EXTENSION_INUSE);
        bench_run(b, 1000);
    }
    assert_int_equal(b->authorized, 12);
    assert_int_equal(b->challenges, 4);
    assert_int_equal(bench_counters(b).failed, 0);
    bench_destroy(b);
}

/* A nonce for each request, the next of which comes with the answer: none is asked for again. */
static void test_next_nonce(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->esc.nonce = "n";
    b->esc.nonce_uses = 1;
    b->esc.next_nonce = true;
    for (unsigned i = 0; i < 12; i++) {
        bench_set(b, "1000@users", i % 2 ? EXTENSION_IDLE : EXTENSION_INUSE);
        bench_run(b, 1000);
    }
    assert_int_equal(b->authorized, 12);
    assert_int_equal(b->challenges, 1);
    bench_destroy(b);
}

/* A start with many: all are challenged at once, each answers its own challenge. */
static void test_many_challenged(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);
    char name[16];

    (void)state;
    b->esc.nonce = "n";
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof(name), "%u@users", 1000 + i);
        bench_set(b, name, EXTENSION_INUSE);
    }
    bench_run(b, 5000);
    assert_int_equal(esc_count(b), 50);
    assert_int_equal(b->challenges, 50);
    assert_int_equal(b->authorized, 50);
    bench_destroy(b);
}

/* The proxy on the way and the server behind it: both want to know. */
static unsigned answer_both(void *ctx, const struct sip_message *request)
{
    (void)ctx;
    if (!sip_header_first(request, SIP_H_PROXY_AUTHORIZATION))
        return 407;
    return sip_header_first(request, SIP_H_AUTHORIZATION) ? 0 : 401;
}

static void test_proxy_and_server(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);
    static const struct esc_answer next[] = {
        { 407, "Proxy-Authenticate: Digest realm=\"esc.test\", nonce=\"p\", qop=\"auth\"\r\n" },
        CHALLENGE("s", ""),
    };

    (void)state;
    b->esc.next = next;
    b->esc.n_next = 2;
    b->esc.answer = answer_both;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial idle 3600: 407\n"
                   "1000 initial idle 3600: 401\n"
                   "1000 initial idle 3600: 200\n"
                   "1000 modify confirmed 3600: 200\n");
    bench_destroy(b);
}

/* The compositor's checks compare every repetition with the first sending; here one has a nonce. */
static void test_repetitions_are_equal(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->esc.nonce = "n";
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    b->esc.silent = true;
    b->sent = 0;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 100);
    bench_reload(
        b, "[global]\ntype=global\nuser_agent=Other\nmax_forwards=5\n" ESC_AUTH "expiration=60\n",
        "[compatibility]\nasterisk_bodies=yes\npublish_swaps_from_to=yes\n");
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 31900);
    assert_int_equal(b->sent, 11);
    b->esc.silent = false;
    bench_run(b, 5000);
    assert_true(str_contains_nocase(b->last, STR("User-Agent: Other")));
    assert_string_equal(esc_state(b, "1000"), "early");
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonce_cache),      cmocka_unit_test(test_nonce_grows_stale),
        cmocka_unit_test(test_next_nonce),       cmocka_unit_test(test_many_challenged),
        cmocka_unit_test(test_proxy_and_server), cmocka_unit_test(test_repetitions_are_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
