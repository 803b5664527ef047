// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include "base/timestamp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        bool zoned;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0, true },
        { "1969-12-31T23:59:59Z", -1000, true },
        { "2005-10-27T16:49:29Z", 1130431769000, true },
        { "2005-10-27T16:49:29", 1130431769000, false },
        { "2005-10-27T18:49:29+02:00", 1130431769000, true },
        { "2005-10-27T11:19:29-05:30", 1130431769000, true },
        { " 2005-10-27T16:49:29Z\n", 1130431769000, true },
        { "2005-10-27T16:49:29.5Z", 1130431769500, true },
        { "2005-10-27T16:49:29.05", 1130431769050, false },
        { "2005-10-27T16:49:29.123456789012345Z", 1130431769123, true },
        { "2000-02-29T00:00:00Z", 951782400000, true },
        { "2016-12-31T23:59:60Z", 1483228800000, true },
        { "2016-12-31T24:00:00Z", 1483228800000, true },
        { "2016-12-31T24:00:00.0+14:00", 1483178400000, true },
        { "9999-12-31T23:59:59.999Z", 253402300799999, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct timestamp t;

        assert_true(timestamp_parse(&t, str_of(cases[i].text)));
        assert_int_equal(t.ms, cases[i].ms);
        assert_int_equal(t.zoned, cases[i].zoned);
    }
}

static void test_none(void **state)
{
    static const char *const texts[] = {
        "",
        "now",
        "2005-10-27",
        "2005-10-27 16:49:29Z",
        "2005-10-27t16:49:29Z",
        "2005-10-27T16:49:29z",
        "2005-10-27T16:49Z",
        "2005-10-27T16:49:29.Z",
        "2005-10-27T16:49:29Zx",
        "2005-10-27T16:49:29 Z",
        "2005-10-27T16:49:29-",
        "2005-10-27T16:49:29+02",
        "2005-10-27T16:49:29+0200",
        "2005-10-27T16:49:29+14:01",
        "2005-10-27T16:49:29+02:60",
        "2005-13-27T16:49:29Z",
        "2005-00-27T16:49:29Z",
        "2005-10-00T16:49:29Z",
        "2005-10-32T16:49:29Z",
        "2005-02-29T16:49:29Z",
        "2005-10-27T24:49:29Z",
        "2005-10-27T24:00:00.1Z",
        "2005-10-27T16:60:29Z",
        "2005-10-27T16:49:61Z",
        "05-10-27T16:49:29Z",
        "+005-10-27T16:49:29Z",
        "-2005-10-27T16:49:29Z",
        "12005-10-27T16:49:29Z",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct timestamp t = { 7, true };

        if (timestamp_parse(&t, str_of(texts[i])) || t.ms != 7)
            fail_msg("%s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
