// SPDX-License-Identifier: MIT
#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void test_small_values_are_exact(void **state)
{
    struct histogram h = { 0 };

    (void)state;
    for (uint64_t v = 1; v <= 100; v++)
        histogram_add(&h, v);
    assert_int_equal(histogram_percentile(&h, 5000), 50);
    assert_int_equal(histogram_percentile(&h, 9900), 99);
    assert_int_equal(histogram_percentile(&h, 9990), 100);
    assert_int_equal(histogram_percentile(&h, 10000), 100);
    assert_int_equal(histogram_percentile(&h, 0), 1);
}

/* Against the definition, on sorted values from one microsecond to a day. */
static void test_large_values_are_near(void **state)
{
    enum { N = 20000 };
    struct histogram h = { 0 };
    uint64_t *values = calloc(N, sizeof(*values));
    double v = 1;

    (void)state;
    assert_non_null(values);
    for (size_t i = 0; i < N; i++, v *= 1.00127) {
        values[i] = (uint64_t)v;
        histogram_add(&h, values[i]);
    }
    assert_true(values[N - 1] > UINT64_C(86400) * 1000000);
    for (unsigned p = 1; p <= 10000; p++) {
        uint64_t exact = values[((uint64_t)N * p + 9999) / 10000 - 1];
        uint64_t told = histogram_percentile(&h, p);

        assert_true(told >= exact && told <= exact + exact / 63);
    }
    free(values);
}

static void test_limits(void **state)
{
    struct histogram h = { 0 };

    (void)state;
    assert_int_equal(histogram_percentile(&h, 5000), 0);
    histogram_add(&h, 0);
    assert_int_equal(histogram_percentile(&h, 10000), 0);
    histogram_add(&h, UINT64_MAX);
    assert_int_equal(histogram_percentile(&h, 10000), HISTOGRAM_LARGEST);
    assert_int_equal(h.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_large_values_are_near),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
