// SPDX-License-Identifier: MIT
#include "state/dialplan.h"
#include "state/pattern.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void test_matches(void **state)
{
    static const struct {
        const char *pattern, *dialled;
        bool want;
    } cases[] = {
        { "1000", "1000", true },
        { "1000", "100", false },
        { "1000", "10000", false },
        { "alice", "Alice", false },
        { "10-00", "1000", true },
        { "1000", "1-0-0-0", true },
        { "1000", "", false },
        { "a_b", "a_b", true },
        { "1XX", "123", false }, /* no underscore, no pattern */
        { "1XX", "1XX", true },
        { "_1XX", "100", true },
        { "_1xx", "199", true },
        { "_1XX", "1a0", false },
        { "_1XX", "10", false },
        { "_1XX", "1000", false },
        { "_1XX", "1-00", true },
        { "_1-X-X", "100", true },
        { "_1XX", "_1XX", true }, /* itself */
        { "_1XX", "_1xx", false },
        { "_X.", "_X.", true },
        { "_Z", "0", false },
        { "_Z", "1", true },
        { "_z", "9", true },
        { "_N", "1", false },
        { "_N", "2", true },
        { "_n", "9", true },
        { "_n", "n", false },
        { "_X.", "1", false }, /* at least one more */
        { "_X.", "12", true },
        { "_X.", "1-", false },
        { "_X.", "12345678901234567890", true },
        { "_X.", "1abc", true },
        { "_X!", "1", true },
        { "_X!", "1abc", true },
        { "_X!", "", false },
        { "_.", "", false },
        { "_.", "a", true },
        { "_!", "", true },
        { "_!", "anything", true },
        { "_", "", true },
        { "_", "_", true },
        { "_", "1", false },
        { "_1.5", "19", true }, /* nothing counts behind a dot */
        { "_[1-57a-c]", "0", false },
        { "_[1-57a-c]", "1", true },
        { "_[1-57a-c]", "5", true },
        { "_[1-57a-c]", "6", false },
        { "_[1-57a-c]", "7", true },
        { "_[1-57a-c]", "b", true },
        { "_[1-57a-c]", "d", false },
        { "_[1-57a-c]", "A", false },
        { "_[XNZ.!]", "X", true }, /* no classes in a set */
        { "_[XNZ.!]", "5", false },
        { "_[XNZ.!]", ".", true },
        { "_[1-]", "1", true }, /* no range: a dash, which nobody can dial */
        { "_[-1]", "1", true },
        { "_[-1]", "-", false },
        { "_1[]2", "12", true }, /* empty sets say nothing */
        { "_1[]", "1", true },
        { "_[]", "", true },
        { "_[123", "1", false }, /* unclosed ones nothing good */
        { "_1[", "1", false },
        { "_[9-1]", "5", false },
        { "_[9-1]", "9", false },
        { "_[5]", "5", true },
        { "_1XX/555", "123", true }, /* callers' numbers are not ours */
        { "_1XX/", "123", true },
        { "_1XX/555", "123/555", false },
        { "_[/]", "/", true },
        { "_a*#", "a*#", true },
        { "_Alice", "Alice", true },
        { "_alice", "Alice", false },
        { "_e", "e", true },
        { "_\xc3\xa9X",
          "\xc3\xa9"
          "1",
          true },
        { "_[\xc0-\xff]", "\xe9", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (dialplan_pattern_matches(str_of(cases[i].pattern), str_of(cases[i].dialled)) !=
            cases[i].want)
            fail_msg("%s, %s", cases[i].pattern, cases[i].dialled);
}

/* Each is tried before all that follow it. */
static void test_order(void **state)
{
    static const char *const order[] = {
        "1000",          "1001",     "999",      "_100[0]1", "_1000",
        "_1001",         "_100[01]", "_100[02]", "_100[12]", "_100[013]",
        "_100[0123456]", "_100N",    "_100Z",    "_100X",    "_100[0-9a]",
        "_100.",         "_100!",    "_100",     "_10[12]X", "_10XX",
        "_10X.",         "_10!",     "_1N00",    "_1XX0",    "_1XXX",
        "_1XX.",         "_1XX!",    "_1XX",     "_1X.",     "_1.",
        "_1!",           "_1",       "_2",       "_a",       "_[12]",
        "_[13]",         "_[19]2",   "_[23]",    "_[129]",   "_[134]",
        "_N1",           "_N",       "_Z",       "_X",       "_[0-9*]",
        "_[\x01-\xff]",  "_.",       "_!",       "_",        "_[12",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        for (size_t j = 0; j < ARRAY_LEN(order); j++) {
            int got = dialplan_pattern_compare(str_of(order[i]), str_of(order[j]));

            if ((got > 0) - (got < 0) != (i > j) - (i < j))
                fail_msg("%s, %s: %d", order[i], order[j], got);
        }
}

static void test_equal(void **state)
{
    static const char *const cases[][2] = {
        { "1000", "1-000" },  { "_N", "_[2-9]" },    { "_N", "_n" },     { "_Z", "_[1-9]" },
        { "_X", "_[0-9]" },   { "_1", "_[1]" },      { "_1X", "_1-X" },  { "_1", "_1/555" },
        { "_[12]", "_[21]" }, { "_[112]", "_[12]" }, { "_1[]X", "_1X" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(dialplan_pattern_compare(str_of(cases[i][0]), str_of(cases[i][1])), 0);
        assert_int_equal(dialplan_pattern_compare(str_of(cases[i][1]), str_of(cases[i][0])), 0);
    }
}

static void test_key(void **state)
{
    struct extension_key key;

    (void)state;
    extension_key_init(&key, STR("--10-0-0-"));
    assert_true(str_equal(extension_key_str(&key), STR("1000")));
    extension_key_init(&key, STR("-"));
    assert_int_equal(key.n, 0);
    extension_key_init(&key, STR_EMPTY);
    assert_int_equal(key.n, 0);
    extension_key_init(&key, STR("-fr-ont--door"));
    assert_true(str_equal(extension_key_str(&key), STR("-fr-ont--door")));
    assert_true(extension_compare(STR("-"), STR_EMPTY) == 0);
    assert_true(extension_compare(STR("*1-0+#"), STR("*10-+#")) == 0);
    assert_true(extension_compare(STR("front-door"), STR("frontdoor")) < 0);
    assert_true(extension_compare(STR("1-0"), STR("1-0x")) > 0); /* 10, 1-0x */
    assert_true(extension_compare(STR("1-x"), STR("1-x")) == 0);
    assert_true(extension_compare(STR("1"), STR("12")) < 0);
    assert_true(extension_compare(STR("12"), STR("1-")) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
