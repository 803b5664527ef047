// SPDX-License-Identifier: MIT
/* Each allocation fails in turn: nothing breaks, nothing leaks, and in the end the server knows all
 * the same. */
#include <stdio.h>

#include "base/memory_testing.h"
#include "publisher/publisher_testing.h"

/* ---- the publisher's life ---- */

#define TWO                                                    \
    ESC_AUTH "[pres](esc)\nevent=presence\n@body=application/" \
             "pidf+xml\nserver_uri=sip:other.test\n"

static void assert_shown(struct bench *b)
{
    assert_string_equal(esc_state(b, "1000"), "early");
    assert_string_equal(esc_state(b, "1001"), "confirmed");
    assert_string_equal(esc_state(b, "1002"), "idle");
    assert_string_equal(esc_state(b, "1003"), "early");
    assert_int_equal(bench_count(b), 2 * 4);
    /* The one that the 412 was about, and a tag there was no room for, leave a document behind. */
    assert_in_range(esc_count(b), 2 * 4, 2 * 4 + 1 + memory.failed);
}

static void states_set(struct bench *b)
{
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_set(b, "1001@users", EXTENSION_INUSE);
    bench_set(b, "1002@users", EXTENSION_IDLE);
    bench_set(b, "1003@users", EXTENSION_RINGING);
}

static void live(struct bench *b)
{
    static const struct esc_answer answers[] = { { 412, NULL }, { 503, NULL } };

    b->esc.nonce = "n";
    b->esc.nonce_uses = 4;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_set(b, "1004@users", EXTENSION_INUSE);
    bench_run(b, 2000);
    states_set(b);
    bench_run(b, 5);
    bench_set(b, "1003@users", EXTENSION_BUSY);
    bench_reload(b, TWO, NULL);
    bench_run(b, 2000);
    b->esc.next = answers;
    b->esc.n_next = ARRAY_LEN(answers);
    bench_set(b, "1003@users", EXTENSION_RINGING);
    bench_remove(b, "1004@users");
    bench_run(b, 2000);
    bench_reload(b, ESC_AUTH, NULL);
    bench_run(b, 100);
    bench_reload(b, TWO, NULL);
    bench_run(b, 700000);
}

static void test_each_allocation(void **state)
{
    unsigned n = 0;

    (void)state;
    do {
        struct bench *b = bench_create(ESC_AUTH, NULL);

        b->quiet = true;
        b->guard = memory_guard;
        memory.failed = false;
        memory.left = n++;
        live(b);
        memory.left = -1;
        assert_int_equal(bench_count(b), 2 * b->publisher->resources.count);
        /* Of a hint that could not even be noted only its next change tells. */
        states_set(b);
        bench_run(b, 10000);
        assert_shown(b);
        publisher_stop(b->publisher);
        bench_run(b, 40000);
        assert_int_equal(publisher_busy(b->publisher), 0);
        b->guard = NULL;
        bench_destroy(b);
    } while (memory.failed);
    print_message("    %u allocations\n", n - 1);
    assert_true(n > 100);
}

/* A long shortage: everything fails for a minute. */
static void test_no_memory_at_all(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->quiet = true;
    bench_reload(b, TWO, NULL);
    states_set(b);
    bench_run(b, 1000);
    b->guard = memory_guard;
    for (unsigned i = 0; i < 60; i++) {
        memory.left = i % 2;
        bench_set(b, "1000@users", i % 2 ? EXTENSION_RINGING : EXTENSION_IDLE);
        bench_set(b, "1004@users", EXTENSION_IDLE);
        memory.left = 0;
        bench_run(b, 1000);
        bench_remove(b, "1004@users");
    }
    memory.left = -1;
    bench_run(b, 120000);
    assert_shown(b);
    b->guard = NULL;
    bench_destroy(b);
}

/* A publication that cannot be restored begins anew, and its record is no use any more. */
static void test_each_of_a_restart(void **state)
{
    static const char gone[] = "[none]\ntype=aor\n";
    unsigned n = 0;

    (void)state;
    do {
        struct bench *b = bench_create_keeping(ESC_AUTH, NULL);

        b->quiet = true;
        states_set(b);
        bench_run(b, 1000);
        b->guard = memory_guard;
        memory.failed = false;
        memory.left = n++;
        bench_restart(b, n % 2 ? ESC_AUTH : gone, NULL);
        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_run(b, ORPHAN_MS + 10000);
        memory.left = -1;
        bench_reload(b, ESC_AUTH, NULL);
        states_set(b);
        bench_run(b, 10000);
        assert_string_equal(esc_state(b, "1000"), "early");
        assert_string_equal(esc_state(b, "1003"), "early");
        assert_int_equal(bench_count(b), 4);
        b->guard = NULL;
        bench_destroy(b);
    } while (memory.failed || n % 2);
    print_message("    %u allocations\n", n - 1);
    assert_true(n > 30);
}

static void test_create(void **state)
{
    struct bench *b = bench_create(TWO, NULL);
    struct publisher_config cfg = b->publisher->cfg;
    unsigned n = 0;
    int r;

    (void)state;
    do {
        struct publisher *p = NULL;

        memory.failed = false;
        memory.left = n++;
        memory.armed = true;
        r = publisher_create(&p, &cfg);
        memory.armed = false;
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(memory.failed || r == 0);
        publisher_destroy(p);
    } while (memory.failed);
    memory.left = -1;
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_no_memory_at_all),
        cmocka_unit_test(test_each_of_a_restart),
        cmocka_unit_test(test_create),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
