// SPDX-License-Identifier: MIT
/* How publications end: hints that go, and the program's end. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

static unsigned answer_always(void *ctx, const struct sip_message *request)
{
    (void)request;
    return *(const unsigned *)ctx;
}

static const struct removal_case {
    const char *name;
    struct esc_answer next[5];
    uint64_t run_ms;
    const char *seen;
} removal_cases[] = {
    { "plain", { { 0, NULL } }, 100, "1000 modify idle 3600: 200\n1000 remove - 0: 200\n" },
    { "forgotten already", { { 412, NULL } }, 100, "1000 modify idle 3600: 412\n" },
    { "forgotten in between",
      { { 200, NULL }, { 412, NULL } },
      100,
      "1000 modify idle 3600: 200\n1000 remove - 0: 412\n" },
    { "the last word is refused",
      { { 403, NULL } },
      100,
      "1000 modify idle 3600: 403\n1000 remove - 0: 200\n" },
    { "everything is refused",
      { { 403, NULL }, { 403, NULL } },
      100,
      "1000 modify idle 3600: 403\n1000 remove - 0: 403\n" },
    { "no credentials",
      { { 401, NULL }, { 401, NULL } },
      100,
      "1000 modify idle 3600: 401\n1000 remove - 0: 401\n" },
    { "busy",
      { { 503, NULL }, { 200, NULL }, { 500, NULL } },
      5000,
      "1000 modify idle 3600: 503\n1000 modify idle 3600: 200\n"
      "1000 remove - 0: 500\n1000 remove - 0: 200\n" },
    { "too busy",
      { { 503, NULL }, { 503, NULL }, { 503, NULL } },
      10000,
      "1000 modify idle 3600: 503\n1000 modify idle 3600: 503\n1000 modify idle 3600: 503\n" },
    { "asks to wait",
      { { 503, "Retry-After: 30\r\n" } },
      31000,
      "1000 modify idle 3600: 503\n1000 modify idle 3600: 200\n1000 remove - 0: 200\n" },
};

static void test_removal(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(removal_cases); i++) {
        const struct removal_case *c = &removal_cases[i];
        struct bench *b = bench_create(ESC, NULL);

        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_run(b, 1000);
        bench_forget_seen(b);
        b->esc.next = c->next;
        while (b->esc.n_next < ARRAY_LEN(c->next) && c->next[b->esc.n_next].status)
            b->esc.n_next++;
        bench_remove(b, "1000@users");
        assert_string_equal(bench_view(b, "esc", "1000").state, "removing");
        assert_int_equal(publisher_busy(b->publisher), 1);
        bench_run(b, c->run_ms);
        print_message("    %s\n", c->name);
        assert_string_equal(bench_seen(b), c->seen);
        assert_int_equal(publisher_busy(b->publisher), 0);
        assert_int_equal(bench_count(b), 0);
        bench_destroy(b);
    }
}

/* What the server knows nothing of is not taken back. */
static void test_unknown_is_dropped(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    unsigned status = 403;

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE); /* has not been sent */
    bench_remove(b, "1000@users");
    assert_int_equal(bench_count(b), 0);
    b->esc.answer = answer_always;
    b->esc.ctx = &status;
    bench_set(b, "1001@users", EXTENSION_INUSE); /* is refused */
    bench_run(b, 1000);
    bench_remove(b, "1001@users");
    assert_int_equal(bench_count(b), 0);
    bench_set(b, "1002@users", EXTENSION_INUSE); /* will be refused */
    bench_run(b, 5);
    bench_remove(b, "1002@users");
    bench_run(b, 1000);
    assert_seen(b, "1001 initial confirmed 3600: 403\n1002 initial confirmed 3600: 403\n");
    b->esc.answer = NULL;
    b->esc.grants_s = 10; /* has lapsed: the compositor was away */
    bench_set(b, "1003@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    b->esc.silent = true;
    bench_run(b, 20000);
    bench_remove(b, "1003@users");
    b->esc.silent = false;
    bench_forget_seen(b);
    bench_run(b, 30000);
    assert_seen(b, "1003 modify confirmed 3600: 412\n"); /* was on its way, and is not repeated */
    assert_int_equal(bench_count(b), 0);
    bench_destroy(b);
}

/* Gone before its first answer: it must be taken back all the same. */
static void test_removed_in_flight(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->esc.nonce = "n";
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 35); /* challenged, and on its way again */
    bench_remove(b, "1000@users");
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 401\n1000 initial confirmed 3600: 200\n"
                   "1000 modify idle 3600: 200\n1000 remove - 0: 200\n");
    /* Before the challenge: then it need not be published at all. */
    b->esc.nonce = "m";
    bench_set(b, "1001@users", EXTENSION_INUSE);
    bench_run(b, 15);
    bench_remove(b, "1001@users");
    bench_run(b, 1000);
    assert_seen(b, "1001 initial confirmed 3600: 401\n");
    assert_int_equal(bench_count(b), 0);
    bench_destroy(b);
}

/* It said when to come back, and that holds for the removal too. */
static void test_removed_while_waiting(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const struct esc_answer later = { 503, "Retry-After: 30\r\n" };

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    b->esc.next = &later;
    b->esc.n_next = 1;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    bench_forget_seen(b);
    bench_remove(b, "1000@users");
    assert_string_equal(bench_view(b, "esc", "1000").state, "removing");
    assert_int_equal(publisher_busy(b->publisher), 1);
    bench_run(b, 28000);
    assert_seen(b, "");
    bench_run(b, 2000);
    assert_seen(b, "1000 modify idle 3600: 200\n1000 remove - 0: 200\n");
    bench_destroy(b);
}

/* A lost tag in a removal is no reason to ask about all others. */
static void test_removal_alarms_nobody(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const struct esc_answer lost = { 412, NULL };

    (void)state;
    bench_set_many(b, 3, EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    b->esc.next = &lost;
    b->esc.n_next = 1;
    bench_remove(b, "1000@users");
    bench_run(b, 1000);
    assert_seen(b, "1000 modify idle 3600: 412\n");
    bench_destroy(b);
}

/* The hint is back while its publication is being removed: that is another publication. */
static void test_hint_returns(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_remove(b, "1000@users");
    bench_run(b, 5);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    assert_int_equal(bench_count(b), 2);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n"
                   "1000 modify idle 3600: 200\n"
                   "1000 initial early 3600: 200\n"
                   "1000 remove - 0: 200\n"
                   "1000 modify early 3600: 200\n"); /* the last word */
    assert_int_equal(esc_count(b), 1);
    assert_int_equal(bench_count(b), 1);
    bench_destroy(b);
}

/* A server that never comes back does not keep what is gone. */
static void test_removed_from_the_dead(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    b->esc.grants_s = 1800;
    bench_set_many(b, 300, EXTENSION_INUSE);
    bench_run(b, 10000);
    b->esc.silent = true;
    bench_run(b, 100000);
    for (unsigned i = 0; i < 299; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%u@users", 1000 + i);
        bench_remove(b, name);
    }
    bench_run(b, 1000);
    assert_int_equal(bench_count(b), 300);
    bench_run(b, 1800000);
    assert_int_equal(bench_count(b), 1);
    bench_destroy(b);
}

/* ---- the end ---- */

static void test_stop(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set_many(b, 3, EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    bench_set(b, "1001@users", EXTENSION_RINGING); /* on its way */
    bench_set(b, "1003@users", EXTENSION_RINGING);
    publisher_stop(b->publisher);
    publisher_stop(b->publisher);
    assert_int_equal(publisher_busy(b->publisher), 4);
    bench_run(b, 1000);
    assert_seen(b, "1001 modify early 3600: 200\n1003 initial early 3600: 200\n"
                   "1000 modify idle 3600: 200\n1002 modify idle 3600: 200\n"
                   "1001 modify idle 3600: 200\n1003 modify idle 3600: 200\n"
                   "1000 remove - 0: 200\n1002 remove - 0: 200\n"
                   "1001 remove - 0: 200\n1003 remove - 0: 200\n");
    assert_int_equal(publisher_busy(b->publisher), 0);
    assert_int_equal(bench_counters(b).sections, 0);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_reload(b, ESC, NULL);
    bench_run(b, 100000);
    assert_seen(b, "");
    bench_destroy(b);
}

static void test_stop_many(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->quiet = true;
    b->esc.nonce = "n";
    bench_set_many(b, 5000, EXTENSION_INUSE);
    bench_run(b, 2000);
    b->requests = 0;
    publisher_stop(b->publisher);
    bench_run(b, 2000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    assert_int_equal(b->requests, 10000);
    assert_int_equal(b->most_outstanding, SECTION_WINDOW);
    assert_int_equal(esc_count(b), 0);
    bench_destroy(b);
}

/* The end does not wait for a server that wants us to come back later. */
static void test_stop_while_waiting(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const struct esc_answer later[] = { { 503, "Retry-After: 600\r\n" },
                                               { 503, "Retry-After: 600\r\n" },
                                               { 503, "Retry-After: 600\r\n" } };

    (void)state;
    bench_set_many(b, 2, EXTENSION_INUSE);
    bench_run(b, 1000);
    b->esc.next = later;
    b->esc.n_next = 2;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_remove(b, "1001@users");
    bench_run(b, 1000);
    bench_forget_seen(b);
    b->esc.next = later;
    b->esc.n_next = 1;
    publisher_stop(b->publisher);
    bench_run(b, 1000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    assert_seen(b, "1000 modify idle 3600: 503\n"
                   "1001 modify idle 3600: 200\n1001 remove - 0: 200\n");
    bench_destroy(b);
}

static void test_stop_with_dead_server(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 1000, EXTENSION_INUSE);
    bench_run(b, 2000);
    b->esc.silent = true;
    publisher_stop(b->publisher);
    bench_run(b, 200000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_unknown_is_dropped),
        cmocka_unit_test(test_removed_in_flight),
        cmocka_unit_test(test_removed_while_waiting),
        cmocka_unit_test(test_removal_alarms_nobody),
        cmocka_unit_test(test_hint_returns),
        cmocka_unit_test(test_removed_from_the_dead),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_many),
        cmocka_unit_test(test_stop_while_waiting),
        cmocka_unit_test(test_stop_with_dead_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
