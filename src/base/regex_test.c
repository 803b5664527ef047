// SPDX-License-Identifier: MIT
#include "base/regex.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void test_matches(void **state)
{
    static const struct {
        struct str pattern, text;
        bool nocase, match;
    } cases[] = {
        { STR_INIT("b"), STR_INIT("abc"), false, true }, /* unanchored */
        { STR_INIT("^b"), STR_INIT("abc"), false, false },
        { STR_INIT("^1[0-9]{3}$"), STR_INIT("1234"), false, true },
        { STR_INIT("^1[0-9]{3}$"), STR_INIT("12345"), false, false },
        { STR_INIT("^SIP/(alice|bob)"), STR_INIT("SIP/bob-0001"), false, true },
        { STR_INIT("^sip/"), STR_INIT("SIP/bob"), false, false },
        { STR_INIT("^sip/"), STR_INIT("SIP/bob"), true, true },
        { STR_INIT("[[:alpha:]]+"), STR_INIT("12a"), false, true },
        { STR_INIT("a.c"), STR_INIT("a\nc"), false, true }, /* as regcomp without REG_NEWLINE */
        { STR_INIT("a$"), STR_INIT("a\n"), false, false },
        { STR_INIT(""), STR_INIT(""), false, true },
        { { NULL, 0 }, { NULL, 0 }, false, true },
        { STR_INIT("x"), { NULL, 0 }, false, false },
        { STR_INIT("^$"), { NULL, 0 }, false, true },
        { STR_INIT("\xe4"), STR_INIT("\xff\xe4\x80"), false, true }, /* bytes, not characters */
        { STR_INIT("^.$"), STR_INIT("\xc3\xa4"), false, false },
        { STR_INIT("a\0b"), STR_INIT("xa\0b"), false, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *re = NULL;
        bool limit = true;

        assert_int_equal(regex_create(&re, cases[i].pattern, cases[i].nocase, NULL), 0);
        assert_int_equal(regex_matches(re, cases[i].text, &limit), cases[i].match);
        assert_false(limit);
        assert_int_equal(regex_matches(re, cases[i].text, NULL), cases[i].match);
        regex_destroy(re);
    }
    regex_destroy(NULL);
}

static void test_refused(void **state)
{
    static const struct {
        struct str pattern;
        const char *why;
    } cases[] = {
        { STR_INIT("a("), "missing closing parenthesis at offset 2" },
        { STR_INIT("[a"), "missing terminating ] for character class at offset 2" },
        { STR_INIT("*a"), "quantifier does not follow a repeatable item at offset 0" },
        { STR_INIT("(*UTF)a"), NULL },
        { STR_INIT("(*UCP)a"), NULL },
        { STR_INIT("\\C"), NULL },
        { STR_INIT("(a)\\1"), NULL }, /* there are no captures */
        { STR_INIT("((a{1,65535}){1,65535}){1,65535}"), NULL },
        { STR_INIT("((((((((((((((((((((((a))))))))))))))))))))))"), NULL },
    };
    struct buf why;

    (void)state;
    buf_init(&why, 300);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *re = NULL;

        buf_reset(&why);
        assert_int_equal(regex_create(&re, cases[i].pattern, false, &why), -EINVAL);
        assert_null(re);
        assert_int_equal(why.error, 0);
        assert_true(why.n > 0);
        buf_add_char(&why, '\0');
        if (cases[i].why)
            assert_string_equal(why.p, cases[i].why);
        assert_int_equal(regex_create(&re, cases[i].pattern, false, NULL), -EINVAL);
    }
    buf_fini(&why);
}

static void test_pattern_length(void **state)
{
    char pattern[257];
    struct regex *re = NULL;

    (void)state;
    memset(pattern, 'a', sizeof(pattern));
    assert_int_equal(regex_create(&re, (struct str){ pattern, 256 }, false, NULL), 0);
    assert_true(regex_matches(re, (struct str){ pattern, 256 }, NULL));
    assert_false(regex_matches(re, (struct str){ pattern, 255 }, NULL));
    regex_destroy(re);
    assert_int_equal(regex_create(&re, (struct str){ pattern, 257 }, false, NULL), -EINVAL);
}

static void test_nesting(void **state)
{
    struct regex *re = NULL;

    (void)state;
    assert_int_equal(
        regex_create(&re, STR("((((((((((((((((((((a))))))))))))))))))))"), false, NULL), 0);
    assert_true(regex_matches(re, STR("a"), NULL));
    regex_destroy(re);
}

/* Patterns that would take a backtracking matcher for ever. */
static void test_steps(void **state)
{
    static const struct str patterns[] = {
        STR_INIT("^([a-z]+)*[0-9]$"),
        STR_INIT("^(a|a)*[0-9]$"),
        STR_INIT("^(.*)(.*)(.*)(.*)(.*)[0-9]$"),
        STR_INIT("(*NO_JIT)^([a-z]+)*[0-9]$"),
        STR_INIT("(*LIMIT_MATCH=4000000000)^([a-z]+)*[0-9]$"), /* cannot be raised from inside */
        STR_INIT("(*NO_JIT)(*LIMIT_DEPTH=4000000000)(*LIMIT_HEAP=4000000000)^(a|b(?R))*$[0-9]"),
    };
    char text[1024];

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct regex *re = NULL;
        bool limit = false;

        assert_int_equal(regex_create(&re, patterns[i], false, NULL), 0);
        assert_false(regex_matches(re, (struct str){ text, sizeof(text) }, &limit));
        assert_true(limit);
        assert_false(regex_matches(re, STR("-"), &limit));
        assert_false(limit);
        regex_destroy(re);
    }
}

/* 2^n ways through n letters: granted for 10, not for 16, which still would take only a moment. */
static void test_steps_granted(void **state)
{
    static const struct str patterns[] = {
        STR_INIT("^([a-z]+)*[0-9]$"),
        STR_INIT("(*NO_JIT)^([a-z]+)*[0-9]$"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct regex *re = NULL;
        bool limit = true;

        assert_int_equal(regex_create(&re, patterns[i], false, NULL), 0);
        assert_false(regex_matches(re, STR("aaaaaaaaaa"), &limit));
        assert_false(limit);
        assert_false(regex_matches(re, STR("aaaaaaaaaaaaaaaa"), &limit));
        assert_true(limit);
        regex_destroy(re);
    }
}

static void test_text_length(void **state)
{
    struct regex *re = NULL;
    char text[1025];
    bool limit;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(regex_create(&re, STR("a"), false, NULL), 0);
    assert_true(regex_matches(re, (struct str){ text, 1024 }, &limit));
    assert_false(limit);
    assert_false(regex_matches(re, (struct str){ text, 1025 }, &limit));
    assert_true(limit);
    regex_destroy(re);
}

static void *match_many(void *ctx)
{
    const struct regex *re = ctx;
    uintptr_t wrong = 0;

    for (unsigned i = 0; i < 2000; i++) {
        wrong += !regex_matches(re, STR("SIP/alice-1"), NULL);
        wrong += regex_matches(re, STR("SIP/alicia-1"), NULL);
    }
    return (void *)wrong;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    struct regex *re = NULL;

    (void)state;
    assert_int_equal(regex_create(&re, STR("^sip/(alice|bob)-[0-9]+$"), true, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_many, re), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    regex_destroy(re);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pattern_length), cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_steps),          cmocka_unit_test(test_steps_granted),
        cmocka_unit_test(test_text_length),    cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
