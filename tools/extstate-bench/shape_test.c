// SPDX-License-Identifier: MIT
#include "shape.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#include "base/result.h"

enum { WATCHERS = 10000 };

static uint32_t assigned[WATCHERS], counts[WATCHERS];

static void assign(uint32_t resources, double exponent)
{
    shape_assign(assigned, WATCHERS, resources, exponent);
    memset(counts, 0, sizeof(counts));
    for (uint32_t i = 0; i < WATCHERS; i++) {
        assert_true(assigned[i] < resources);
        assert_true(i == 0 || assigned[i] >= assigned[i - 1]);
        counts[assigned[i]]++;
    }
}

static void test_evenly(void **state)
{
    static const uint32_t resources[] = { 1, 2, 10, 1000, WATCHERS };

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(resources); k++) {
        assign(resources[k], 0);
        for (uint32_t r = 0; r < resources[k]; r++)
            assert_int_equal(counts[r], WATCHERS / resources[k]);
    }
    assign(3, 0);
    assert_in_range(counts[1], WATCHERS / 3, WATCHERS / 3 + 1);
}

static void test_by_zipf(void **state)
{
    static const double exponents[] = { 0.5, 1, 2 };

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(exponents); k++) {
        double total = 0;

        for (int rank = 1; rank <= 100; rank++)
            total += pow(rank, -exponents[k]);
        assign(100, exponents[k]);
        for (int rank = 1; rank <= 100; rank++)
            assert_true(fabs(counts[rank - 1] - WATCHERS * pow(rank, -exponents[k]) / total) <= 1);
    }
}

static void test_order_is_a_permutation(void **state)
{
    static const uint32_t sizes[] = { 1, 2, 3, 10, 997, 5000, WATCHERS };

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        memset(counts, 0, sizeof(counts));
        for (uint32_t i = 0; i < sizes[k]; i++)
            counts[shape_order(i, sizes[k])]++;
        for (uint32_t i = 0; i < sizes[k]; i++)
            assert_int_equal(counts[i], 1);
    }
    assert_true(shape_order(1, WATCHERS) != shape_order(0, WATCHERS) + 1);
}

static void test_pace(void **state)
{
    static const uint32_t rates[] = { 1, 3, 200, 999, 1000000, 3000000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        const struct pace p = { 1234567, rates[i] };

        assert_int_equal(pace_due(&p, 0), 0);
        assert_int_equal(pace_due(&p, p.begin_us - 1), 0);
        assert_true(pace_due(&p, p.begin_us) >= 1);
        assert_in_range(pace_due(&p, p.begin_us + 10000000), rates[i] * UINT64_C(10) + 1,
                        rates[i] * UINT64_C(10) + 3);
        for (uint64_t k = 0; k < 1000;
             k++) { /* each is due when its time has come, and not before */
            uint64_t at = pace_time_us(&p, k);

            assert_true(pace_due(&p, at) > k);
            assert_true(pace_due(&p, at - 1) <= k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evenly),
        cmocka_unit_test(test_by_zipf),
        cmocka_unit_test(test_order_is_a_permutation),
        cmocka_unit_test(test_pace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
