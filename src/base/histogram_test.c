// SPDX-License-Identifier: MIT
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_bounds_are_included(void **state)
{
    static const struct {
        uint64_t ms;
        size_t bucket;
    } cases[] = { { 0, 0 },  { 1, 0 },      { 2, 1 },      { 3, 2 },
                  { 5, 2 },  { 6, 3 },      { 30000, 13 }, { 30001, HISTOGRAM_BOUNDS },
                  { 99, 6 }, { 100000, 14 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct histogram h = { .sum_ms = 7 };

        histogram_add(&h, cases[i].ms);
        assert_int_equal(h.counts[cases[i].bucket], 1);
        assert_int_equal(h.sum_ms, cases[i].ms + 7);
    }
}

static void test_merge_adds(void **state)
{
    struct histogram sum = { .sum_ms = 0 }, part = { .sum_ms = 0 };

    (void)state;
    histogram_add(&sum, 4);
    histogram_add(&part, 4);
    histogram_add(&part, 40000);
    histogram_merge(&sum, &part);
    assert_int_equal(sum.counts[2], 2);
    assert_int_equal(sum.counts[HISTOGRAM_BOUNDS], 1);
    assert_int_equal(sum.sum_ms, 40008);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_are_included),
        cmocka_unit_test(test_merge_adds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
