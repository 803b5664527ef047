// SPDX-License-Identifier: MIT
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define assert_str(got, want)                              \
    do {                                                   \
        struct str got_ = (got), want_ = (want);           \
        assert_int_equal(got_.n, want_.n);                 \
        if (want_.n)                                       \
            assert_memory_equal(got_.p, want_.p, want_.n); \
    } while (0)

static void test_equal(void **state)
{
    static const struct {
        struct str a, b;
        bool equal, nocase;
    } cases[] = {
        { STR_INIT("dialog"), STR_INIT("dialog"), true, true },
        { STR_INIT("Dialog"), STR_INIT("dIALOG"), false, true },
        { STR_INIT("dialog"), STR_INIT("dialo"), false, false },
        { STR_INIT("a\0b"), STR_INIT("a\0b"), true, true },
        { STR_INIT("a\0b"), STR_INIT("a\0c"), false, false },
        { { NULL, 0 }, STR_INIT(""), true, true },
        { { NULL, 0 }, { NULL, 0 }, true, true },
        { STR_INIT("@"), STR_INIT("`"), false, false }, /* 32 apart, but no letters */
        { STR_INIT("["), STR_INIT("{"), false, false },
        { STR_INIT("\xc4"), STR_INIT("\xe4"), false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(str_equal(cases[i].a, cases[i].b), cases[i].equal);
        assert_int_equal(str_equal(cases[i].b, cases[i].a), cases[i].equal);
        assert_int_equal(str_equal_nocase(cases[i].a, cases[i].b), cases[i].nocase);
    }
}

static void test_parts(void **state)
{
    static const struct {
        struct str s, part;
        bool starts, starts_nocase, ends, contains_nocase;
    } cases[] = {
        { STR_INIT("sip:bob"), STR_INIT("sip:"), true, true, false, true },
        { STR_INIT("SIP:bob"), STR_INIT("sip:"), false, true, false, true },
        { STR_INIT("sip:bob"), STR_INIT("bob"), false, false, true, true },
        { STR_INIT("sip:bob"), STR_INIT("BOB"), false, false, false, true },
        { STR_INIT("sip:bob"), STR_INIT(""), true, true, true, true },
        { { NULL, 0 }, { NULL, 0 }, true, true, true, true },
        { { NULL, 0 }, STR_INIT("x"), false, false, false, false },
        { STR_INIT("ab"), STR_INIT("abc"), false, false, false, false },
        { STR_INIT("aab"), STR_INIT("aB"), false, false, false, true },
        { STR_INIT("x-sip-y"), STR_INIT("SIP"), false, false, false, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(str_starts(cases[i].s, cases[i].part), cases[i].starts);
        assert_int_equal(str_starts_nocase(cases[i].s, cases[i].part), cases[i].starts_nocase);
        assert_int_equal(str_ends(cases[i].s, cases[i].part), cases[i].ends);
        assert_int_equal(str_contains_nocase(cases[i].s, cases[i].part), cases[i].contains_nocase);
    }
}

static void test_compare(void **state)
{
    static const struct str ordered[] = {
        { NULL, 0 },    STR_INIT("A"), STR_INIT("a"),    STR_INIT("a\0"),
        STR_INIT("aa"), STR_INIT("b"), STR_INIT("\xff"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ordered); i++)
        for (size_t j = 0; j < ARRAY_LEN(ordered); j++) {
            int order = str_compare(ordered[i], ordered[j]);

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void test_sub_and_find(void **state)
{
    const struct str s = STR("abc");

    (void)state;
    assert_str(str_sub(s, 0, 3), STR("abc"));
    assert_str(str_sub(s, 1, 2), STR("b"));
    assert_str(str_sub(s, 2, 1), STR(""));
    assert_str(str_sub(s, 1, 99), STR("bc"));
    assert_str(str_sub(s, 99, 100), STR(""));
    assert_str(str_sub(STR_EMPTY, 0, 5), STR(""));
    assert_int_equal(str_find_char(s, 'a'), 0);
    assert_int_equal(str_find_char(s, 'c'), 2);
    assert_int_equal(str_find_char(s, 'd'), 3);
    assert_int_equal(str_find_char(STR_EMPTY, 'd'), 0);
    assert_int_equal(str_find_char(STR("a\0b"), '\0'), 1);
    assert_str(str_of(NULL), STR(""));
    assert_str(str_of("xy"), STR("xy"));
}

static void test_trim(void **state)
{
    static const struct {
        struct str in, out;
    } cases[] = {
        { STR_INIT("a"), STR_INIT("a") },       { STR_INIT(" \t\r\na b\n\r\t "), STR_INIT("a b") },
        { STR_INIT(" \r\n "), STR_INIT("") },   { STR_INIT(""), STR_INIT("") },
        { { NULL, 0 }, STR_INIT("") },          { STR_INIT("\v"), STR_INIT("\v") },
        { STR_INIT("\xa0"), STR_INIT("\xa0") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_str(str_trim(cases[i].in), cases[i].out);
}

static void test_next(void **state)
{
    static const struct {
        struct str in;
        const char *parts[4]; /* up to NULL */
    } cases[] = {
        { STR_INIT("a, b ,c"), { "a", "b", "c" } },
        { STR_INIT("a"), { "a" } },
        { STR_INIT("a,"), { "a", "" } },
        { STR_INIT(",a"), { "", "a" } },
        { STR_INIT(""), { "" } },
        { STR_INIT(" , "), { "", "" } },
        { { NULL, 0 }, { NULL } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str rest = cases[i].in;
        size_t n = 0;

        while (rest.p) {
            struct str part = str_next(&rest, ',');

            assert_non_null(cases[i].parts[n]);
            assert_str(part, str_of(cases[i].parts[n]));
            n++;
        }
        assert_null(cases[i].parts[n]);
        assert_int_equal(rest.n, 0);
    }
}

static void test_utf8_length(void **state)
{
    static const struct {
        struct str s;
        size_t length;
    } cases[] = {
        { STR_INIT("a"), 1 },
        { STR_INIT("\0"), 1 },
        { STR_INIT("\xc3\xa4x"), 2 },
        { STR_INIT("\xe2\x82\xac"), 3 },
        { STR_INIT("\xf0\x9f\x93\x9e"), 4 },
        { { NULL, 0 }, 0 },
        { STR_INIT("\x80"), 0 },
        { STR_INIT("\xc3"), 0 },             /* cut */
        { STR_INIT("\xc0\xaf"), 0 },         /* overlong */
        { STR_INIT("\xed\xa0\x80"), 0 },     /* a surrogate */
        { STR_INIT("\xf4\x90\x80\x80"), 0 }, /* beyond U+10FFFF */
        { STR_INIT("\xe2\x82x"), 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(str_utf8_length(cases[i].s), cases[i].length);
    assert_true(str_is_utf8(STR_EMPTY));
    assert_true(str_is_utf8(STR("a long enough one: \xc3\xb6 and \xe2\x82\xac")));
    assert_false(str_is_utf8(STR("a long enough one: \xf6 and \xe2\x82\xac")));
}

static void test_numbers(void **state)
{
    static const struct {
        struct str in;
        int r32, r64;
        uint64_t value;
    } cases[] = {
        { STR_INIT("0"), 0, 0, 0 },
        { STR_INIT("007"), 0, 0, 7 },
        { STR_INIT("4294967295"), 0, 0, UINT32_MAX },
        { STR_INIT("4294967296"), -ERANGE, 0, 4294967296 },
        { STR_INIT("18446744073709551615"), -ERANGE, 0, UINT64_MAX },
        { STR_INIT("18446744073709551616"), -ERANGE, -ERANGE, 0 },
        { STR_INIT("99999999999999999999999"), -ERANGE, -ERANGE, 0 },
        { STR_INIT("99999999999999999999999x"), -EINVAL, -EINVAL, 0 },
        { STR_INIT(""), -EINVAL, -EINVAL, 0 },
        { { NULL, 0 }, -EINVAL, -EINVAL, 0 },
        { STR_INIT("-1"), -EINVAL, -EINVAL, 0 },
        { STR_INIT("+1"), -EINVAL, -EINVAL, 0 },
        { STR_INIT(" 1"), -EINVAL, -EINVAL, 0 },
        { STR_INIT("1 "), -EINVAL, -EINVAL, 0 },
        { STR_INIT("0x1"), -EINVAL, -EINVAL, 0 },
        { STR_INIT("1\0"), -EINVAL, -EINVAL, 0 },
        { STR_INIT("\xb1"), -EINVAL, -EINVAL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t u32 = 12345;
        uint64_t u64 = 12345;

        assert_int_equal(str_to_u32(&u32, cases[i].in), cases[i].r32);
        assert_int_equal(u32, cases[i].r32 ? 12345 : cases[i].value);
        assert_int_equal(str_to_u64(&u64, cases[i].in), cases[i].r64);
        assert_int_equal(u64, cases[i].r64 ? 12345 : cases[i].value);
    }
}

static void test_is_true(void **state)
{
    static const char *const yes[] = { "yes", "TRUE", "y", "T", "1", "On" };
    static const char *const no[] = {
        "no", "false", "", "0", "2", "yess", "ye", " yes", "off", "11"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(str_is_true(str_of(yes[i])));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(str_is_true(str_of(no[i])));
    assert_false(str_is_true(STR_EMPTY));
}

static void test_control_characters(void **state)
{
    (void)state;
    assert_false(str_has_controls(STR("a b\x7f\xff")));
    assert_true(str_has_controls(STR("a\tb")));
    assert_true(str_has_controls(STR("a\0")));
    assert_true(str_is_one_line(STR("a\tb\x01\x7f\xff")));
    assert_true(str_is_one_line(STR_EMPTY));
    assert_true(str_is_line(STR("b"), STR("a\nb\nc")) && str_is_line(STR("c"), STR("a\nb\nc")));
    assert_false(str_is_line(STR("B"), STR("a\nb")) || str_is_line(STR("a\nb"), STR("a\nb")));
    assert_false(str_is_line(STR("a"), STR("aa\nab")) || str_is_line(STR_EMPTY, STR("a")));
    assert_false(str_is_line(STR("a"), STR_EMPTY) || str_is_line(STR_EMPTY, STR_EMPTY));
    assert_false(str_is_one_line(STR("a\r")));
    assert_false(str_is_one_line(STR("a\nb")));
    assert_false(str_is_one_line(STR("\0")));
}

static void test_dup(void **state)
{
    const char text[] = "a\0b";
    struct str copy = STR_EMPTY;

    (void)state;
    assert_int_equal(str_dup(&copy, (struct str){ text, 3 }), 0);
    assert_ptr_not_equal(copy.p, text);
    assert_memory_equal(copy.p, "a\0b\0", 4);
    assert_int_equal(copy.n, 3);
    str_free(&copy);
    assert_null(copy.p);
    assert_int_equal(copy.n, 0);
    str_free(&copy);
    assert_int_equal(str_dup(&copy, STR_EMPTY), 0);
    assert_non_null(copy.p);
    assert_int_equal(copy.p[0], '\0');
    free((char *)copy.p);
}

static void test_cursor_blanks(void **state)
{
    static const struct {
        struct str in, rest;
    } cases[] = {
        { STR_INIT("a"), STR_INIT("a") },
        { STR_INIT(" \ta"), STR_INIT("a") },
        { STR_INIT("\r\n a"), STR_INIT("a") },
        { STR_INIT(" \r\n\t\r\n a"), STR_INIT("a") },
        { STR_INIT("\n a"), STR_INIT("a") },
        { STR_INIT("\r\na"), STR_INIT("\r\na") }, /* the next header, not a fold */
        { STR_INIT(" \r\n"), STR_INIT("\r\n") },
        { STR_INIT(" \r a"), STR_INIT("\r a") },
        { STR_INIT("\r"), STR_INIT("\r") },
        { STR_INIT("\n"), STR_INIT("\n") },
        { STR_INIT("  "), STR_INIT("") },
        { { "\r\n x", 2 }, STR_INIT("\r\n") }, /* what is behind the slice is not looked at */
        { { "\r\n x", 1 }, STR_INIT("\r") },
        { { "\n x", 1 }, STR_INIT("\n") },
        { { NULL, 0 }, STR_INIT("") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cursor c = cursor_on(cases[i].in);

        cursor_blanks(&c);
        assert_str(cursor_rest(&c), cases[i].rest);
    }
}

static void test_cursor_steps(void **state)
{
    struct cursor c = cursor_on(STR("presence ; id=7"));

    (void)state;
    assert_str(cursor_token(&c), STR("presence"));
    assert_false(cursor_char(&c, ';'));
    assert_false(cursor_skip(&c, ','));
    assert_str(cursor_rest(&c), STR(" ; id=7")); /* a failed step leaves the blanks too */
    assert_true(cursor_skip(&c, ';'));
    assert_str(cursor_until(&c, '='), STR("id"));
    assert_true(cursor_char(&c, '='));
    assert_false(cursor_done(&c));
    assert_str(cursor_until(&c, '='), STR("7"));
    assert_true(cursor_done(&c));
    assert_str(cursor_until(&c, '='), STR(""));
    assert_str(cursor_token(&c), STR(""));
    assert_false(cursor_char(&c, '7'));
    assert_false(cursor_skip(&c, '7'));

    c = cursor_on(STR_EMPTY);
    assert_true(cursor_done(&c));
    assert_str(cursor_until(&c, '='), STR(""));
    assert_str(cursor_token(&c), STR(""));
}

/* Against the grammar, all 256 bytes. */
static void test_token_bytes(void **state)
{
    const char *tokens = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~";

    (void)state;
    for (int i = 0; i < 256; i++) {
        const char ch = (char)i;
        struct cursor c = cursor_on((struct str){ &ch, 1 });

        assert_int_equal(cursor_token(&c).n, i && strchr(tokens, i) ? 1 : 0);
    }
}

static void test_quoted(void **state)
{
    static const struct {
        struct str in;
        bool ok;
        struct str out, rest;
    } cases[] = {
        { STR_INIT("\"Bob\";x"), true, STR_INIT("\"Bob\""), STR_INIT(";x") },
        { STR_INIT("\"\""), true, STR_INIT("\"\""), STR_INIT("") },
        { STR_INIT("\"a\\\"b\" "), true, STR_INIT("\"a\\\"b\""), STR_INIT(" ") },
        { STR_INIT("\"a\\\\\"b"), true, STR_INIT("\"a\\\\\""), STR_INIT("b") },
        { STR_INIT("\"a"), false, STR_INIT(""), STR_INIT("\"a") },
        { STR_INIT("\"a\\"), false, STR_INIT(""), STR_INIT("\"a\\") },
        { STR_INIT("\"a\\\""), false, STR_INIT(""), STR_INIT("\"a\\\"") },
        { STR_INIT("\""), false, STR_INIT(""), STR_INIT("\"") },
        { STR_INIT("a\"b\""), false, STR_INIT(""), STR_INIT("a\"b\"") },
        { { NULL, 0 }, false, STR_INIT(""), STR_INIT("") },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cursor c = cursor_on(cases[i].in);
        struct str out = STR_EMPTY;

        assert_int_equal(cursor_quoted(&c, &out), cases[i].ok);
        assert_str(out, cases[i].out);
        assert_str(cursor_rest(&c), cases[i].rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_sub_and_find),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_is_true),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_cursor_blanks),
        cmocka_unit_test(test_cursor_steps),
        cmocka_unit_test(test_token_bytes),
        cmocka_unit_test(test_quoted),
        cmocka_unit_test(test_utf8_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
