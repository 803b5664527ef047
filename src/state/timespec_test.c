// SPDX-License-Identifier: MIT
#include "state/timespec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#include "state/dialplan.h"
#include "state/zone_rule.h"

static uint64_t instant(int year, int month, int day, int hour, int minute)
{
    int64_t days = days_to_month(year, month) + day - 1;

    return (uint64_t)((days * 24 + hour) * 60 + minute) * 60000;
}

/* 2026-03-14 is a Saturday. */
#define SATURDAY(hour, minute)    \
    {                             \
        2026, 3, 14, hour, minute \
    }
#define MONDAY(hour, minute)      \
    {                             \
        2026, 3, 16, hour, minute \
    }

static void test_holds(void **state)
{
    static const struct {
        const char *spec;
        int at[5];
        bool want;
    } cases[] = {
        { "", SATURDAY(3, 14), true },
        { "*", SATURDAY(3, 14), true },
        { "*,*,*,*", SATURDAY(3, 14), true },
        { ",,,", SATURDAY(3, 14), true },
        { "9:00-17:00", MONDAY(8, 59), false },
        { "9:00-17:00", MONDAY(9, 0), true },
        { "9:00-17:00", MONDAY(12, 30), true },
        { "9:00-17:00", MONDAY(17, 0), true }, /* the minute named last is in it */
        { "9:00-17:00", MONDAY(17, 1), false },
        { "09:00 - 17:00", MONDAY(9, 0), true },
        { "0:00-24:00", MONDAY(23, 59), true },
        { "22:00-6:00", MONDAY(21, 59), false },
        { "22:00-6:00", MONDAY(22, 0), true },
        { "22:00-6:00", MONDAY(0, 0), true },
        { "22:00-6:00", MONDAY(6, 0), true },
        { "22:00-6:00", MONDAY(6, 1), false },
        { "12:15", MONDAY(12, 15), true },
        { "12:15", MONDAY(12, 16), false },
        { "8:00-9:00&17:00-18:00", MONDAY(8, 30), true },
        { "8:00-9:00&17:00-18:00", MONDAY(12, 0), false },
        { "8:00-9:00 & 17:00-18:00", MONDAY(17, 30), true },
        { "*,mon-fri", MONDAY(3, 14), true },
        { "*,mon-fri", SATURDAY(3, 14), false },
        { "*,Mon-FRI", MONDAY(3, 14), true },
        { "*,fri-mon", SATURDAY(3, 14), true },
        { "*,fri-mon", MONDAY(3, 14), true },
        { "*,fri-mon", { 2026, 3, 17, 3, 14 }, false },
        { "*,sat", SATURDAY(3, 14), true },
        { "*,7", SATURDAY(3, 14), true }, /* counted from Sunday, 1 */
        { "*,1", { 2026, 3, 15, 0, 0 }, true },
        { "*,mon&wed&sat", SATURDAY(3, 14), true },
        { "*,mon&wed", SATURDAY(3, 14), false },
        { "*,*,14", SATURDAY(3, 14), true },
        { "*,*,1-13&15-31", SATURDAY(3, 14), false },
        { "*,*,25-5", { 2026, 3, 31, 0, 0 }, true },
        { "*,*,25-5", { 2026, 3, 5, 0, 0 }, true },
        { "*,*,25-5", SATURDAY(3, 14), false },
        { "*,*,*,mar", SATURDAY(3, 14), true },
        { "*,*,*,3", SATURDAY(3, 14), true },
        { "*,*,*,nov-feb", SATURDAY(3, 14), false },
        { "*,*,*,nov-feb", { 2026, 1, 1, 0, 0 }, true },
        { "*,*,*,nov-mar", SATURDAY(3, 14), true },
        { "9:00-17:00,mon-fri,1-31,jan-dec", MONDAY(9, 0), true },
        { "9:00-17:00|mon-fri|1-31|jan-dec", MONDAY(9, 0), true },
        { "9:00-17:00|mon-fri,*|*", SATURDAY(9, 0), false },
        { "*,*,29,feb", { 2028, 2, 29, 12, 0 }, true },
        { "*,*,*,*,", SATURDAY(3, 14), true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const int *at = cases[i].at;
        bool holds = !cases[i].want;

        assert_int_equal(timespec_holds(str_of(cases[i].spec),
                                        instant(at[0], at[1], at[2], at[3], at[4]) + 59999, &holds),
                         0);
        if (holds != cases[i].want)
            fail_msg("%s at %d-%d-%d %d:%d", cases[i].spec, at[0], at[1], at[2], at[3], at[4]);
    }
}

static void test_bad(void **state)
{
    static const char *const cases[] = {
        "9",
        "9:0",
        "9:60",
        "25:00",
        "24:00",
        "24:01-1:00",
        "1:00-24:01",
        "009:00",
        "9:00-",
        "-9:00",
        "9:00-17",
        "9:00-17:00-18",
        "9:00&",
        "&9:00",
        "a:bc",
        "*,monday",
        "*,0",
        "*,8",
        "*,mon-",
        "*,mon,0",
        "*,*,32",
        "*,*,1-32",
        "*,*,x",
        "*,*,*,0",
        "*,*,*,13",
        "*,*,*,foo",
        "*,*,*,*,UTC,x",
        "* *",
        "9:00-17:00;*",
        "*,*,*,*,No/Such_Zone",
        "*,*,*,*,..",
        "*,*,*,*,/etc/localtime",
        "*,*,*,*,../../../etc/passwd",
        "*,*,*,*,Europe",
        "*,*,*,*,zone.tab",
        "*,*,*,*,Europe/Berlin x",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool holds = true;

        if (timespec_holds(str_of(cases[i]), 0, &holds) != DIALPLAN_BAD_TIME || !holds)
            fail_msg("%s", cases[i]);
    }
}

/* ---- rules for the time after the tables ---- */

static void test_rule(void **state)
{
    static const struct {
        const char *rule;
        int at[5];
        int offset_min;
    } cases[] = {
        { "UTC0", SATURDAY(3, 14), 0 },
        { "<+0330>-3:30", SATURDAY(3, 14), 210 },
        { "EST5", SATURDAY(3, 14), -300 },
        { "CET-1CEST,M3.5.0,M10.5.0/3", { 2040, 3, 25, 0, 59 }, 60 },
        { "CET-1CEST,M3.5.0,M10.5.0/3", { 2040, 3, 25, 1, 0 }, 120 },
        { "CET-1CEST,M3.5.0,M10.5.0/3", { 2040, 10, 28, 0, 59 }, 120 },
        { "CET-1CEST,M3.5.0,M10.5.0/3", { 2040, 10, 28, 1, 0 }, 60 },
        { "EST5EDT,M3.2.0,M11.1.0", { 2041, 3, 10, 6, 59 }, -300 },
        { "EST5EDT,M3.2.0,M11.1.0", { 2041, 3, 10, 7, 0 }, -240 },
        { "EST5EDT,M3.2.0,M11.1.0", { 2041, 11, 3, 5, 59 }, -240 },
        { "EST5EDT,M3.2.0,M11.1.0", { 2041, 11, 3, 6, 0 }, -300 },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", { 2040, 1, 1, 0, 0 }, 660 },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", { 2040, 6, 1, 0, 0 }, 600 },
        { "AEST-10AEDT,M10.1.0,M4.1.0/3", { 2040, 12, 31, 23, 59 }, 660 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", { 2040, 3, 25, 0, 59 }, -120 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", { 2040, 3, 25, 1, 0 }, -60 },
        { "IST-2IDT,M3.4.4/26,M10.5.0", { 2040, 3, 22, 23, 59 }, 120 },
        { "IST-2IDT,M3.4.4/26,M10.5.0", { 2040, 3, 23, 0, 0 }, 180 },
        { "AAA0BBB-0:30,J60,J61", { 2040, 3, 1, 3, 0 }, 30 }, /* the first of March, leap or not */
        { "AAA0BBB-0:30,J60,J61", { 2040, 2, 29, 3, 0 }, 0 },
        { "AAA0BBB,59,60", { 2040, 2, 29, 3, 0 }, 60 },
        { "AAA0BBB,59,60", { 2041, 3, 1, 3, 0 }, 60 },
        { "AAA0BBB,59,60", { 2041, 3, 2, 3, 0 }, 0 },
    };
    static const char *const bad[] = {
        "",
        "U",
        "UT0",
        "UTC",
        "<+03",
        "<>0",
        "UTCx",
        "UTC168",
        "UTC1:60",
        "UTC1:00:60",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,1,2,3",
        "CET-1CEST,1/x,2",
        "CET-1C,1,2",
    };
    struct zone_rule rule;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const int *at = cases[i].at;
        int64_t s = (int64_t)instant(at[0], at[1], at[2], at[3], at[4]) / 1000;

        assert_int_equal(zone_rule_parse(&rule, str_of(cases[i].rule)), 0);
        if (zone_rule_offset_s(&rule, s) != (int64_t)cases[i].offset_min * 60)
            fail_msg("%s at %d-%d-%d %d:%d", cases[i].rule, at[0], at[1], at[2], at[3], at[4]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (zone_rule_parse(&rule, str_of(bad[i])) != -EINVAL)
            fail_msg("%s", bad[i]);
}

/* The year turns at every instant there is, and before 1970 too. */
static void test_years(void **state)
{
    struct zone_rule rule;

    (void)state;
    assert_int_equal(zone_rule_parse(&rule, STR("AAA0BBB,0/0,1/0")), 0); /* the first of January */
    for (int64_t year = 1600; year < 2800; year++) {
        int64_t first = days_to_month(year, 1) * 86400;

        assert_int_equal(zone_rule_offset_s(&rule, first - 1), 0);
        assert_int_equal(zone_rule_offset_s(&rule, first), 3600);
        assert_int_equal(zone_rule_offset_s(&rule, first + INT64_C(23) * 3600 - 1), 3600);
        assert_int_equal(zone_rule_offset_s(&rule, first + INT64_C(23) * 3600), 0);
    }
    assert_int_equal(days_to_month(1970, 1), 0);
    assert_int_equal(days_to_month(2000, 3), 11017);
}

/* ---- files ---- */

#define U32(n) (char)((n) >> 24), (char)((n) >> 16), (char)((n) >> 8), (char)(n)
#define HEADER(version, times, types, chars)                                                  \
    'T', 'Z', 'i', 'f', version, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, U32(0), U32(0), \
        U32(0), U32(times), U32(types), U32(chars)
#define TYPE(offset) U32(offset), 0, 0

/* Version 1: one hour ahead until 1000, two from then, one from 2000 on. */
static const char old_file[] = {
    HEADER(0, 2, 2, 1), U32(1000), U32(2000), 1, 0, TYPE(3600), TYPE(7200), 0,
};
/* Version 2: an empty block, then one with one transition, and a rule. */
static const char new_file[] = {
    HEADER('2', 0, 1, 1),
    TYPE(0),
    0,
    HEADER('2', 1, 2, 1),
    U32(0),
    U32(1000),
    1,
    TYPE(3600),
    TYPE(7200),
    0,
    '\n',
    'U',
    'T',
    'C',
    '-',
    '3',
    '\n',
};

static struct zone *zone_of(struct str file)
{
    struct zone *z = NULL;

    assert_int_equal(zone_create_from(&z, STR("Test"), file), 0);
    assert_true(str_equal(zone_name(z), STR("Test")));
    return z;
}

static void test_files(void **state)
{
    struct zone *z = zone_of((struct str){ old_file, sizeof(old_file) });

    (void)state;
    assert_int_equal(zone_offset_s(z, -5), 3600);
    assert_int_equal(zone_offset_s(z, 999), 3600);
    assert_int_equal(zone_offset_s(z, 1000), 7200);
    assert_int_equal(zone_offset_s(z, 1999), 7200);
    assert_int_equal(zone_offset_s(z, 2000), 3600);
    zone_destroy(z);

    z = zone_of((struct str){ new_file, sizeof(new_file) });
    assert_int_equal(zone_offset_s(z, 999), 3600);
    assert_int_equal(zone_offset_s(z, 1000), 10800);
    zone_destroy(z);

    z = zone_of((struct str){ new_file, sizeof(new_file) - 2 }); /* the rule is cut: no rule */
    assert_int_equal(zone_offset_s(z, 1000), 7200);
    zone_destroy(z);
}

/* Any file cut anywhere, and any byte changed: an answer or none, but no harm. */
static void test_broken_files(void **state)
{
    const struct str files[] = { { old_file, sizeof(old_file) }, { new_file, sizeof(new_file) } };
    char copy[sizeof(new_file)];
    struct zone *z;

    (void)state;
    for (size_t i = 0; i < sizeof(old_file); i++)
        assert_int_equal(zone_create_from(&z, STR("Test"), (struct str){ old_file, i }),
                         ZONE_UNKNOWN);
    for (size_t f = 0; f < ARRAY_LEN(files); f++)
        for (size_t i = 0; i < files[f].n; i++)
            for (int bit = 0; bit < 8; bit++) {
                memcpy(copy, files[f].p, files[f].n);
                copy[i] = (char)(copy[i] ^ 1 << bit);
                if (zone_create_from(&z, STR("Test"), (struct str){ copy, files[f].n }))
                    continue;
                (void)zone_offset_s(z, 1500);
                zone_destroy(z);
            }
}

/* Our reader against the C library's, if this system has the database. */
static void test_database(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",     "America/New_York", "Australia/Sydney",  "Asia/Kolkata", "Etc/UTC",
        "America/Sao_Paulo", "Pacific/Chatham",  "Africa/Casablanca", "Asia/Tehran",
    };
    struct rng {
        uint64_t x;
    } rng = { 88172645463325252ull };

    (void)state;
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct zone *z;

        assert_int_equal(zone_create(&z, str_of(names[i])), 0);
        setenv("TZ", names[i], 1);
        tzset();
        for (int n = 0; n < 5000; n++) {
            struct tm tm;
            time_t t;

            rng.x ^= rng.x << 13;
            rng.x ^= rng.x >> 7;
            rng.x ^= rng.x << 17;
            t = (time_t)(rng.x % 4102444800); /* until 2100 */
            assert_non_null(localtime_r(&t, &tm));
            if (zone_offset_s(z, t) != tm.tm_gmtoff)
                fail_msg("%s at %lld", names[i], (long long)t);
        }
        zone_destroy(z);
    }
    setenv("TZ", "UTC", 1);
    tzset();
}

static void test_zone(void **state)
{
    bool holds;

    (void)state;
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
        skip();
    assert_int_equal(
        timespec_holds(STR("9:00-9:59,*,*,*,Europe/Berlin"), instant(2026, 1, 5, 8, 30), &holds),
        0);
    assert_true(holds);
    assert_int_equal(
        timespec_holds(STR("9:00-9:59|*|*|*|Europe/Berlin"), instant(2026, 7, 5, 8, 30), &holds),
        0);
    assert_false(holds);
    assert_int_equal(
        timespec_holds(STR("*,mon,*,*,Pacific/Auckland"), instant(2026, 7, 5, 13, 0), &holds), 0);
    assert_true(holds); /* there it is Monday already */
}

/* Without a name it is the time of the process. */
static void test_local(void **state)
{
    bool holds;

    (void)state;
    setenv("TZ", "XXX-5", 1);
    tzset();
    assert_int_equal(timespec_holds(STR("13:00"), instant(2026, 1, 5, 8, 0), &holds), 0);
    assert_true(holds);
    setenv("TZ", "UTC", 1);
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),    cmocka_unit_test(test_bad),
        cmocka_unit_test(test_rule),     cmocka_unit_test(test_years),
        cmocka_unit_test(test_files),    cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_database), cmocka_unit_test(test_zone),
        cmocka_unit_test(test_local),
    };

    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
