// SPDX-License-Identifier: MIT
/* Ways to the server: no address, another address, no network. And what one kind of server does. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

#define INTERVAL_MS 60000 /* bench_create's */

static void test_unreachable(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    struct publication_view v;

    (void)state;
    b->send_result = -ENETUNREACH;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1001@users", EXTENSION_INUSE);
    bench_run(b, 600000);
    v = bench_view(b, "esc", "1000");
    assert_int_equal(v.last_status, 503);
    assert_string_equal(v.state, "waiting");
    assert_in_range(bench_counters(b).failed, 10, 25);
    assert_in_range(b->resolutions, 5, 25); /* it may be elsewhere */
    b->send_result = 0;
    bench_run(b, INTERVAL_MS + 1000);
    assert_int_equal(bench_shown(b, 2, "confirmed"), 2);
    assert_int_equal(bench_counters(b).initial, 2);
    bench_destroy(b);
}

static void test_congested(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    b->send_result = -EAGAIN;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_set(b, "1001@users", EXTENSION_IDLE);
    bench_run(b, 5000);
    b->send_result = 0;
    bench_run(b, 200);
    assert_seen(b, "1000 initial confirmed 3600: 200\n"
                   "1000 modify idle 3600: 200\n"
                   "1001 initial idle 3600: 200\n");
    assert_int_equal(bench_counters(b).failed, 0);
    bench_destroy(b);
}

static void test_no_address(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->resolves = false;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 600000);
    assert_in_range(b->resolutions, 10, 25);
    assert_string_equal(bench_view(b, "esc", "1000").state, "waiting");
    assert_int_equal(bench_view(b, "esc", "1000").last_status, 503);
    bench_set(b, "1001@users", EXTENSION_INUSE);
    bench_remove(b, "1001@users");
    assert_int_equal(bench_count(b), 1);
    b->resolves = true;
    bench_run(b, INTERVAL_MS);
    assert_string_equal(esc_state(b, "1000"), "confirmed");
    assert_int_equal(bench_counters(b).initial, 1);
    bench_destroy(b);
}

/* The answer to a look-up may get lost, when memory is short. */
static void test_no_word_of_the_address(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->answers_resolve = false;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 100000);
    assert_int_equal(b->resolutions, 4);
    b->answers_resolve = true;
    bench_run(b, 31000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    bench_destroy(b);
}

static void test_no_route(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->route_result = -EAFNOSUPPORT;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 30000);
    assert_seen(b, "");
    b->route_result = 0;
    bench_run(b, INTERVAL_MS);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    bench_destroy(b);
}

static void test_address_moves(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 10, EXTENSION_INUSE);
    bench_run(b, 1000);
    /* A reload asks, and whoever is there now is told everything. */
    assert_int_equal(addr_parse(&b->address, STR("192.0.2.10"), 5060), 0);
    esc_forget(b);
    bench_reload(b, ESC, NULL);
    bench_run(b, 1000);
    assert_int_equal(bench_shown(b, 10, "confirmed"), 10);
    bench_run(b, (uint64_t)10 * INTERVAL_MS);
    assert_int_equal(b->resolutions, 2);
    /* So does the first timeout. */
    assert_int_equal(addr_parse(&b->address, STR("192.0.2.11"), 5060), 0);
    esc_forget(b);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 32000 + 3000);
    assert_int_equal(bench_shown(b, 10, "confirmed"), 9);
    assert_string_equal(esc_state(b, "1000"), "early");
    bench_destroy(b);
}

/* RFC 3263 section 4.3: the next one is asked as soon as the first has not answered, and everything
 * goes there, one request first. It stays there, whatever comes first at the next look-up. */
static void test_failover(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    assert_int_equal(addr_parse(&b->dead, STR("192.0.2.66"), 5060), 0);
    b->quiet = true;
    bench_set_many(b, 10, EXTENSION_INUSE);
    bench_run(b, 31000);
    assert_int_equal(bench_shown(b, 10, "confirmed"), 0);
    bench_run(b, 1500);
    assert_int_equal(bench_shown(b, 10, "confirmed"), 10);
    assert_int_equal(b->resolutions, 1);
    bench_reload(b, ESC, NULL);
    bench_run(b, 1000);
    assert_int_equal(b->resolutions, 2);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 1000);
    assert_string_equal(esc_state(b, "1000"), "early");
    bench_destroy(b);
}

/* When nobody answers anywhere there are pauses between the rounds, and they grow. */
static void test_nobody_anywhere(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    uint64_t first;

    (void)state;
    assert_int_equal(addr_parse(&b->dead, STR("192.0.2.66"), 5060), 0);
    b->quiet = true;
    b->send_result = -ECONNREFUSED;
    bench_set_many(b, 10, EXTENSION_INUSE);
    bench_run(b, (uint64_t)10 * INTERVAL_MS);
    first = bench_counters(b).failed;
    assert_in_range(first, 1, 10 * 16);
    b->send_result = 0;
    bench_run(b, 3UL * INTERVAL_MS);
    assert_int_equal(bench_shown(b, 10, "confirmed"), 10);
    bench_destroy(b);
}

/* ---- Kamailio ---- */

static const struct habit_case {
    const char *extstate, *server, *idle;
    bool shown; /* is a ringing phone that was idle? */
} habit_cases[] = {
    { NULL, "kamailio (5.6.3 (x86_64/linux))", "idle", true },
    { "[compatibility]\nasterisk_bodies=yes\n", "kamailio (5.6.3 (x86_64/linux))", "terminated",
      true },
    { "[compatibility]\nasterisk_bodies=yes\n", "something else", "terminated", false },
};

static void test_idle_is_no_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(habit_cases); i++) {
        const struct habit_case *c = &habit_cases[i];
        struct bench *b = bench_create(ESC, c->extstate);

        b->esc.ends_idle = true;
        b->esc.server = c->server;
        bench_set(b, "1000@users", EXTENSION_IDLE);
        bench_run(b, 1000);
        for (unsigned n = 0; n < 5; n++) {
            bench_set(b, "1000@users", EXTENSION_RINGING);
            bench_run(b, 1000);
            assert_int_equal(strcmp(esc_state(b, "1000"), "early") == 0, c->shown);
            bench_set(b, "1000@users", EXTENSION_INUSE);
            bench_run(b, 1000);
            assert_string_equal(esc_state(b, "1000"), "confirmed");
            bench_set(b, "1000@users", EXTENSION_IDLE);
            bench_run(b, 1000);
            assert_string_equal(esc_state(b, "1000"), c->idle);
            assert_int_equal(esc_count(b), 1);
        }
        if (c->shown)
            assert_int_equal(bench_counters(b).lost_tags, 0);
        bench_remove(b, "1000@users");
        bench_run(b, 1000);
        assert_int_equal(bench_count(b), 0);
        bench_destroy(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unreachable),    cmocka_unit_test(test_congested),
        cmocka_unit_test(test_no_address),     cmocka_unit_test(test_no_word_of_the_address),
        cmocka_unit_test(test_no_route),       cmocka_unit_test(test_address_moves),
        cmocka_unit_test(test_failover),       cmocka_unit_test(test_nobody_anywhere),
        cmocka_unit_test(test_idle_is_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
