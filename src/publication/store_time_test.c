// SPDX-License-Identifier: MIT
/* What is told for a time only begins and ends by itself: RFC 4480 section 3.1. The clock stands at
 * 1000000 ms in the beginning. */
#include "publication/store_testing.h"

#define IDLE "1000@users presence tuple:t=open person:p\n"
#define BUSY "1000@users presence tuple:t=open person:p|a=busy\n"
#define MEETING "presence tuple:t=open person:p|a@1020000-1040000=busy"

static void test_bounds(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, MEETING), 0);
    assert_told(&b, IDLE);
    bench_run(&b, 19990);
    assert_told(&b, "");
    bench_run(&b, 20);
    assert_told(&b, BUSY);
    assert_int_equal(bench_publish(&b, "a", a, MEETING), 0); /* the same again */
    bench_run(&b, 19980);
    assert_told(&b, "");
    bench_run(&b, 20);
    assert_told(&b, IDLE);
    assert_int_equal(b.wheel.count, 2); /* the clock may be set back */
    assert_int_equal(bench_publish(&b, "a", a, "presence tuple:t=open person:p"), 0);
    assert_int_equal(b.wheel.count, 1);
    bench_fini(&b);
}

static void test_of_several(void **state)
{
    struct store_bench b;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "presence tuple:t=open person:p|a@-1010000=meal"),
                     0);
    assert_int_equal(bench_publish(&b, "c", c, "presence person:q|a@1005000-1007000=tv"), 0);
    assert_told(&b, "1000@users presence tuple:t=open person:p|a=meal\n");
    bench_run(&b, 5010);
    assert_told(&b, "1000@users presence tuple:t=open person:p|a=tv|a=meal\n");
    assert_int_equal(bench_remove(&b, "c", c), 0);
    assert_told(&b, "1000@users presence tuple:t=open person:p|a=meal\n");
    bench_run(&b, 5000);
    assert_told(&b, IDLE);
    assert_int_equal(bench_remove(&b, "a", a), 0);
    assert_told(&b, "1000@users -\n");
    bench_fini(&b);
}

/* Somebody sets the clock, to and fro: it is noticed within ten seconds. */
static void test_clock_set(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, MEETING), 0);
    assert_told(&b, IDLE);
    b.wall_off_ms = 15000;
    bench_run(&b, 10010);
    assert_told(&b, BUSY);
    b.wall_off_ms = -100000;
    bench_run(&b, 10010);
    assert_told(&b, IDLE);
    b.wall_off_ms = 3600000;
    bench_run(&b, 10010);
    assert_told(&b, "");
    b.wall_off_ms = -15000; /* back before the end of it */
    bench_run(&b, 10010);
    assert_told(&b, BUSY);
    bench_run(&b, 14950);
    assert_told(&b, "");
    bench_run(&b, 40);
    assert_told(&b, IDLE);
    bench_fini(&b);
}

/* Nothing is lost for want of memory, only late. */
static void test_delayed(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, MEETING), 0);
    assert_told(&b, IDLE);
    b.composed_result = -ENOMEM;
    bench_run(&b, 20500);
    b.composed_result = 0;
    bench_run(&b, 400);
    assert_told(&b, "");
    bench_run(&b, 200);
    assert_told(&b, BUSY);
    bench_run(&b, 18950);
    assert_told(&b, IDLE);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_of_several),
        cmocka_unit_test(test_clock_set),
        cmocka_unit_test(test_delayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
