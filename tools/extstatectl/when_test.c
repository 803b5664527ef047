// SPDX-License-Identifier: MIT
#include "when.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define NOW "2026-11-29 02:00:00"

static time_t now_of(const char *text)
{
    long long ms;

    assert_int_equal(when_parse(text, 0, &ms), WHEN_DATE);
    return (time_t)(ms / 1000);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int kind;
        const char *then;
    } cases[] = {
        { "2026-11-22 10:00", WHEN_DATE, "2026-11-22 10:00:00" },
        { "2026-11-22 10:00:07", WHEN_DATE, "2026-11-22 10:00:07" },
        { "2026-11-22T10:00", WHEN_DATE, "2026-11-22 10:00:00" },
        { "2026-11-22T23:59:59", WHEN_DATE, "2026-11-22 23:59:59" },
        { "2026-11-22", WHEN_DATE, "2026-11-22 00:00:00" },
        { "2028-02-29", WHEN_DATE, "2028-02-29 00:00:00" },
        { "2026-12-24 18:00", WHEN_DATE, "2026-12-24 18:00:00" }, /* it need not have been */
        { "01:30", WHEN_OF_DAY, "2026-11-29 01:30:00" },
        { "02:00", WHEN_OF_DAY, "2026-11-29 02:00:00" },
        { "02:00:01", WHEN_OF_DAY, "2026-11-28 02:00:01" },
        { "23:00", WHEN_OF_DAY, "2026-11-28 23:00:00" },
        { "90s", WHEN_AGO, "2026-11-29 01:58:30" },
        { "15m", WHEN_AGO, "2026-11-29 01:45:00" },
        { "3h", WHEN_AGO, "2026-11-28 23:00:00" },
        { "2d", WHEN_AGO, "2026-11-27 02:00:00" },
        { "0s", WHEN_AGO, NOW },
        { "", -EINVAL, NULL },
        { "now", -EINVAL, NULL },
        { "15", -EINVAL, NULL },
        { "15x", -EINVAL, NULL },
        { "15mm", -EINVAL, NULL },
        { "-5m", -EINVAL, NULL },
        { "m", -EINVAL, NULL },
        { "99999999999999999999d", -EINVAL, NULL },
        { "1000000d", -EINVAL, NULL }, /* before 1970 */
        { "24:00", -EINVAL, NULL },
        { "10:60", -EINVAL, NULL },
        { "2026-02-31", -EINVAL, NULL },
        { "2026-13-01", -EINVAL, NULL },
        { "2027-02-29 10:00", -EINVAL, NULL },
        { "1969-12-01", -EINVAL, NULL },
        { "2026-11-22 10:00 tomorrow", -EINVAL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        long long ms = 0;
        char then[40];

        if (when_parse(cases[i].text, now_of(NOW), &ms) != cases[i].kind)
            fail_msg("\"%s\" is of another kind", cases[i].text);
        if (!cases[i].then)
            continue;
        when_print(ms, WHEN_BOTH, then, sizeof(then));
        assert_string_equal(then, cases[i].then);
    }
}

/* Hours that are not there, and those that are there twice. */
static void test_summer_time(void **state)
{
    char then[40];
    long long ms;

    (void)state;
    assert_int_equal(when_parse("2026-03-29 02:30", 0, &ms), WHEN_DATE);
    when_print(ms, WHEN_BOTH, then, sizeof(then));
    assert_string_equal(then, "2026-03-29 03:30:00");
    assert_int_equal(when_parse("2026-10-25 02:30", 0, &ms), WHEN_DATE);
    when_print(ms, WHEN_BOTH, then, sizeof(then));
    assert_string_equal(then, "2026-10-25 02:30:00");
    /* Which of the two: with its distance from UTC. */
    assert_int_equal(when_parse("2026-10-25 02:30+02:00", 0, &ms), WHEN_DATE);
    assert_int_equal(ms, 1792888200000);
    assert_int_equal(when_parse("2026-10-25T02:30:00+0100", 0, &ms), WHEN_DATE);
    assert_int_equal(ms, 1792891800000);
    assert_int_equal(when_parse("2026-10-25T00:30Z", 0, &ms), WHEN_DATE);
    assert_int_equal(ms, 1792888200000);
    assert_int_equal(when_parse("2026-02-31 10:00Z", 0, &ms), -EINVAL);
    assert_int_equal(when_parse("10:00", now_of("2026-03-29 09:00"), &ms), WHEN_OF_DAY);
    when_print(ms, WHEN_BOTH, then, sizeof(then));
    assert_string_equal(then, "2026-03-28 10:00:00");
    when_print(when_next_day(ms), WHEN_BOTH, then, sizeof(then));
    assert_string_equal(then, "2026-03-29 10:00:00");
}

static void test_parts(void **state)
{
    char text[40];
    long long ms;

    (void)state;
    assert_int_equal(when_parse("2026-11-22 10:00:07", 0, &ms), WHEN_DATE);
    when_print(ms, WHEN_DAY, text, sizeof(text));
    assert_string_equal(text, "2026-11-22");
    when_print(ms, WHEN_TIME, text, sizeof(text));
    assert_string_equal(text, "10:00:07");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_summer_time),
        cmocka_unit_test(test_parts),
    };

    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
