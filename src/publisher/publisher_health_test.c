// SPDX-License-Identifier: MIT
/* Servers that are slow, away, back again, or have lost their memory. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

#define INTERVAL_MS 60000 /* bench_create's */

static void test_start_is_no_storm(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 10000, EXTENSION_INUSE);
    assert_int_equal(publisher_busy(b->publisher), 10000);
    bench_run(b, 5000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    assert_int_equal(b->most_outstanding, SECTION_WINDOW);
    assert_int_equal(b->requests, 10000);
    assert_int_equal(b->sent, 10000);
    assert_int_equal(esc_count(b), 10000);
    bench_destroy(b);
}

/* Their refreshes do not come together either. */
static void test_refreshes_are_spread(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    size_t most = 0;

    (void)state;
    b->quiet = true;
    bench_set_many(b, 1000, EXTENSION_INUSE);
    bench_run(b, 2800000);
    b->requests = 0;
    for (unsigned s = 0; s < 600; s++) {
        size_t before = b->requests;

        bench_run(b, 1000);
        most = b->requests - before > most ? b->requests - before : most;
    }
    assert_in_range(b->requests, 930, 1020); /* some were probed before */
    assert_in_range(most, 1, 15);
    bench_destroy(b);
}

static void test_one_at_a_time_while_away(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    b->esc.silent = true;
    bench_set_many(b, 1000, EXTENSION_INUSE);
    bench_run(b, 40000);
    assert_int_equal(b->requests, SECTION_WINDOW + 1); /* all of those timed out */
    b->requests = 0;
    for (unsigned minute = 0; minute < 60; minute++) {
        bench_run(b, 60000);
        assert_true(b->outstanding <= SECTION_WINDOW + 60); /* the bench counts unanswered ones */
    }
    assert_in_range(b->requests, 3600 / (32 + 60) - 2, 3600 / (32 + 45) + 4);
    b->esc.silent = false;
    bench_run(b, INTERVAL_MS + 1000);
    assert_int_equal(bench_shown(b, 1000, "confirmed"), 1000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    bench_destroy(b);
}

/* What each publication waits for meanwhile is what people see. */
static void test_away_as_seen(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    b->esc.silent = true;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 31000);
    assert_string_equal(bench_view(b, "esc", "1000").state, "publishing");
    bench_run(b, 1500);
    assert_string_equal(bench_view(b, "esc", "1000").state, "waiting");
    assert_int_equal(bench_view(b, "esc", "1000").last_status, 408);
    assert_int_equal(bench_view(b, "esc", "1000").retry_s, 1);
    bench_set(b, "1001@users", EXTENSION_RINGING);
    assert_string_equal(bench_view(b, "esc", "1001").state, "waiting"); /* for the server */
    bench_run(b, 10000);
    assert_int_equal(strcmp(bench_view(b, "esc", "1000").state, "publishing") == 0,
                     strcmp(bench_view(b, "esc", "1001").state, "waiting") == 0);
    b->esc.silent = false;
    bench_run(b, 5000);
    assert_string_equal(bench_view(b, "esc", "1000").state, "published");
    assert_string_equal(bench_view(b, "esc", "1001").state, "published");
    bench_destroy(b);
}

/* The first that is answered fetches the other, however long it would have waited; each is sent
 * once. */
static void test_back_for_all(void **state)
{
    (void)state;
    for (uint64_t away_ms = 3000000; away_ms < 3100000; away_ms += 7000) {
        struct bench *b = bench_create(ESC, NULL);
        uint64_t before;

        b->quiet = true;
        bench_set_many(b, 2, EXTENSION_INUSE);
        bench_run(b, 1000);
        b->esc.silent = true;
        bench_set_many(b, 2, EXTENSION_RINGING);
        bench_run(b, away_ms);
        b->esc.silent = false;
        before = bench_counters(b).acknowledged;
        while (!bench_shown(b, 2, "early"))
            bench_run(b, 10);
        bench_run(b, 200);
        assert_int_equal(bench_shown(b, 2, "early"), 2);
        bench_run(b, 5000);
        assert_int_equal(bench_counters(b).acknowledged, before + 2);
        bench_destroy(b);
    }
}

/* One that has bad luck does not hold up those that are answered. */
static unsigned answer_not_1000(void *ctx, const struct sip_message *request)
{
    (void)ctx;
    return str_starts(request->uri, STR("sip:1000@")) ? ESC_NO_ANSWER : 0;
}

static void test_single_timeout(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    b->esc.answer = answer_not_1000;
    bench_set_many(b, 50, EXTENSION_INUSE);
    for (unsigned s = 0; s < 200; s++) {
        bench_set(b, "1001@users", s % 2 ? EXTENSION_INUSE : EXTENSION_IDLE);
        bench_run(b, 1000);
        assert_string_equal(esc_state(b, "1001"), s % 2 ? "confirmed" : "idle");
    }
    assert_in_range(b->requests, 50 + 200, 50 + 200 + 15); /* no verification of all */
    bench_destroy(b);
}

/* ---- lost memory ---- */

static void test_restart_without_memory(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 300, EXTENSION_INUSE);
    for (unsigned round = 0; round < 20; round++) {
        bench_run(b, 1000 + rng_below(&b->dice, 3 * INTERVAL_MS));
        esc_forget(b);
        b->requests = 0;
        bench_run(b, INTERVAL_MS);
        assert_int_equal(bench_shown(b, 300, "confirmed"), 300);
        assert_in_range(b->requests, 600, 602);
    }
    bench_destroy(b);
}

/* Again, before the first loss is mended or shortly after. */
static void test_restart_twice(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 300, EXTENSION_INUSE);
    bench_run(b, 10000);
    for (unsigned round = 0; round < 20; round++) {
        esc_forget(b);
        bench_run(b, rng_below(&b->dice, INTERVAL_MS));
        esc_forget(b);
        bench_run(b, INTERVAL_MS);
        assert_int_equal(bench_shown(b, 300, "confirmed"), 300);
    }
    /* In the middle of the verification. */
    for (unsigned round = 0; round < 20; round++) {
        esc_forget(b);
        while (esc_count(b) < 1 + round * 14)
            bench_run(b, 10);
        esc_forget(b);
        bench_run(b, INTERVAL_MS);
        assert_int_equal(bench_shown(b, 300, "confirmed"), 300);
    }
    bench_destroy(b);
}

static void test_away_and_forgotten(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 300, EXTENSION_INUSE);
    bench_run(b, 10000);
    for (unsigned round = 0; round < 5; round++) {
        b->esc.silent = true;
        bench_run(b, 20000 + rng_below(&b->dice, 30 * INTERVAL_MS));
        b->esc.silent = false;
        esc_forget(b);
        bench_run(b, INTERVAL_MS);
        assert_int_equal(bench_shown(b, 300, "confirmed"), 300);
        bench_run(b, (uint64_t)3 * INTERVAL_MS);
    }
    bench_destroy(b);
}

/* A change shows the loss before the probe does. */
static void test_change_shows_the_loss(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 300, EXTENSION_INUSE);
    bench_run(b, 1000);
    esc_forget(b);
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 200);
    assert_int_equal(bench_shown(b, 300, "confirmed"), 299);
    assert_string_equal(esc_state(b, "1000"), "idle");
    assert_int_equal(bench_counters(b).lost_tags, 300);
    bench_destroy(b);
}

/* An answer from before the loss that arrives after it was noticed proves nothing. */
static void test_late_answer(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set_many(b, 2, EXTENSION_IDLE);
    bench_run(b, 1000);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 5);
    b->esc.loss = 100; /* it is accepted, but the answer does not arrive */
    bench_run(b, 10);
    b->esc.loss = 0;
    esc_forget(b);
    bench_set(b, "1001@users", EXTENSION_INUSE);
    bench_run(b, 300);
    assert_int_equal(bench_counters(b).lost_tags, 1);
    assert_int_equal(bench_shown(b, 2, "confirmed"), 1);
    bench_run(b, 300);
    assert_int_equal(bench_shown(b, 2, "confirmed"), 2);
    bench_destroy(b);
}

/* What is granted is counted from the question: the answer may have been long under way. */
static void test_slow_answer(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->esc.grants_s = 10;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 15);
    b->esc.loss = 100;
    bench_run(b, 7000);
    b->esc.loss = 0;
    for (unsigned i = 0; i < 300; i++) {
        bench_run(b, 100);
        assert_string_equal(esc_state(b, "1000"), "confirmed");
    }
    assert_int_equal(bench_counters(b).lost_tags, 0);
    bench_destroy(b);
}

static unsigned answer_forgetful(void *ctx, const struct sip_message *request)
{
    (void)ctx;
    return sip_header_first(request, SIP_H_SIP_IF_MATCH) ? 412 : 0;
}

/* A server that never remembers is not asked about everything all the time. */
static void test_verified_once_per_interval(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    b->esc.answer = answer_forgetful;
    bench_set_many(b, 100, EXTENSION_INUSE);
    bench_run(b, 100000);
    b->requests = 0;
    for (unsigned i = 0; i < 600; i++) {
        bench_set(b, "1000@users", i % 2 ? EXTENSION_INUSE : EXTENSION_IDLE);
        bench_run(b, 1000);
    }
    assert_in_range(b->requests, 10 * 200, 11 * 200 + 2 * 600 + 20);
    assert_int_equal(b->outstanding, 0);
    bench_destroy(b);
}

static void test_probe_is_one_request(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 100, EXTENSION_INUSE);
    bench_run(b, 1000);
    b->requests = 0;
    bench_run(b, (uint64_t)20 * INTERVAL_MS);
    assert_in_range(b->requests, 20, 26);
    assert_int_equal(bench_counters(b).refresh, b->requests);
    bench_destroy(b);
}

/* Each has its turn: what one server lost alone is found too. */
static void test_probes_go_round(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    char tags[5][16], name[8];

    (void)state;
    bench_set_many(b, 5, EXTENSION_INUSE);
    bench_run(b, 1000);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++) {
            struct str tag;

            (void)snprintf(name, sizeof(name), "%u", 1000 + i);
            tag = bench_view(b, "esc", name).entity_tag;
            if (round)
                assert_false(str_equal(tag, str_of(tags[i])));
            (void)snprintf(tags[i], sizeof(tags[i]), "%.*s", STR_FMT(tag));
        }
        bench_run(b, 5ull * INTERVAL_MS);
    }
    bench_destroy(b);
}

/* Without a tag there is nothing to ask. */
static void test_no_probe_without_tag(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->esc.no_tags = true;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 10ull * INTERVAL_MS);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    bench_destroy(b);
}

/* Changes do not wait behind a verification. */
static void test_changes_go_first(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    uint64_t start;

    (void)state;
    b->quiet = true;
    bench_set_many(b, 5000, EXTENSION_INUSE);
    bench_run(b, 2000);
    esc_forget(b);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 50); /* the verification is under way */
    start = b->now_ms;
    bench_set(b, "5999@users", EXTENSION_RINGING);
    while (strcmp(esc_state(b, "5999"), "early") != 0)
        bench_run(b, 10);
    assert_in_range(b->now_ms - start, 0, 100);
    assert_true(publisher_busy(b->publisher) > 3000);
    bench_run(b, 5000);
    assert_int_equal(esc_count(b), 5000);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_is_no_storm),
        cmocka_unit_test(test_refreshes_are_spread),
        cmocka_unit_test(test_one_at_a_time_while_away),
        cmocka_unit_test(test_away_as_seen),
        cmocka_unit_test(test_back_for_all),
        cmocka_unit_test(test_single_timeout),
        cmocka_unit_test(test_restart_without_memory),
        cmocka_unit_test(test_restart_twice),
        cmocka_unit_test(test_away_and_forgotten),
        cmocka_unit_test(test_change_shows_the_loss),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_slow_answer),
        cmocka_unit_test(test_verified_once_per_interval),
        cmocka_unit_test(test_probe_is_one_request),
        cmocka_unit_test(test_probes_go_round),
        cmocka_unit_test(test_no_probe_without_tag),
        cmocka_unit_test(test_changes_go_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
