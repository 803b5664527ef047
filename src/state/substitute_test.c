// SPDX-License-Identifier: MIT
#include "state/dialplan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static struct dialplan *plan(void)
{
    static const char *const globals[][2] = {
        { "NAME", "alice" },
        { "PEER", "PJSIP/${NAME}" },
        { "x", "NAME" },
        { "__INHERITED", "both" },
        { "_ONE", "one" },
        { "LATER", "${AFTER}" },
        { "AFTER", "z" },
        { "RAW", "$"
                 "{NAME" },
        { "name", "lower" },
        { "DOLLAR", "a$b" },
        { "CODE", "(x)" },
    };
    struct dialplan *dp;

    assert_int_equal(dialplan_create(&dp), 0);
    for (size_t i = 0; i < ARRAY_LEN(globals); i++)
        assert_int_equal(dialplan_global_set(dp, str_of(globals[i][0]), str_of(globals[i][1])), 0);
    return dp;
}

static void test_values(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "PJSIP/alice", "PJSIP/alice" },
        { "${EXTEN}", "1234567" },
        { "PJSIP/${EXTEN}&Custom:${EXTEN}x", "PJSIP/1234567&Custom:1234567x" },
        { "${CONTEXT}", "users" },
        { "${exten}", "" },
        { "${EPOCH}", "1700000000" },
        { "${SYSTEMNAME}", "" },
        { "${ENTITYID}", "" },
        { "${NOSUCH}", "" },
        { "${}", "" },
        { "a${NOSUCH}b", "ab" },
        { "${PEER}", "PJSIP/alice" },
        { "${NAME}${name}", "alicelower" },
        { "${INHERITED}${ONE}", "bothone" },
        { "${__INHERITED}", "" },
        { "${LATER}", "" }, /* what comes later is not there yet */
        { "${ NAME }", "alice" },

        { "${EXTEN:0}", "1234567" },
        { "${EXTEN:1}", "234567" },
        { "${EXTEN:7}", "" },
        { "${EXTEN:99}", "" },
        { "${EXTEN:-2}", "67" },
        { "${EXTEN:-99}", "1234567" },
        { "${EXTEN:1:2}", "23" },
        { "${EXTEN:0:0}", "" },
        { "${EXTEN:2:99}", "34567" },
        { "${EXTEN:1:-1}", "23456" },
        { "${EXTEN:1:-6}", "" },
        { "${EXTEN:1:-7}", "" },
        { "${EXTEN:-3:2}", "56" },
        { "${EXTEN:-3:-1}", "56" },
        { "${EXTEN::2}", "12" },
        { "${EXTEN:1:}", "234567" },
        { "${EXTEN:+1}", "234567" },
        { "${EXTEN: 1 : 2 }", "23" },
        { "${EXTEN:abc}", "1234567" },
        { "${EXTEN:99999999999999999999}", "" },
        { "${EXTEN:-99999999999999999999:1}", "1" },
        { "${EXTEN:1:99999999999999999999}", "234567" },
        { "${NAME:1:3}", "lic" },
        { "${NOSUCH:1}", "" },

        { "${${x}}", "alice" },
        { "${${x}:1}", "lice" },
        { "${N${NOSUCH}AME}", "alice" },
        { "${EXTEN:${NOSUCH}1}", "234567" },
        { "${${${x}}}", "" },
        { "${RAW}", "${NAME" }, /* values are not looked at again */
        { "${RAW}}", "${NAME}" },
        { "${DOLLAR}", "a$b" },
        { "${${CODE}}", "" },

        { "$", "$" },
        { "$$", "$$" },
        { "$x${NAME}$", "$xalice$" },
        { "100$", "100$" },
        { "${NAME", "${NAME" },
        { "${NAME${EXTEN}", "${NAME1234567" },
        { "}", "}" },
        { "${NAME}}", "alice}" },
        { "$[1 + ${EXTEN}]", "$[1 + ${EXTEN}]" },
        { "$[a[b]c]${NAME}", "$[a[b]c]alice" },
        { "$[${NAME}", "$[alice" },
        { "${DB(a/${EXTEN})}", "${DB(a/${EXTEN})}" },
        { "x${LEN(${NAME})}y${NAME}", "x${LEN(${NAME})}yalice" },
        { "${{NAME}}", "" },
    };
    struct dialplan *dp = plan();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;

        buf_init(&b, 4095);
        dialplan_substitute(dp, str_of(cases[i].text), STR("users"), STR("1234567"), 1700000000999,
                            &b);
        assert_int_equal(b.error, 0);
        if (!str_equal(buf_str(&b), str_of(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].text, STR_FMT(buf_str(&b)));
        buf_fini(&b);
    }
    dialplan_unref(dp);
}

/* Without a place there is no EXTEN; a global of that name is better than nothing. */
static void test_nowhere(void **state)
{
    struct dialplan *dp = plan();
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    dialplan_substitute(dp, STR("a${EXTEN}${CONTEXT}b"), STR_EMPTY, STR_EMPTY, 0, &b);
    assert_true(str_equal(buf_str(&b), STR("ab")));
    assert_int_equal(dialplan_global_set(dp, STR("EXTEN"), STR("e")), 0);
    assert_int_equal(dialplan_global_set(dp, STR("NAME"), STR("${NAME}2")), 0); /* of before */
    dialplan_substitute(dp, STR("${EXTEN}${NAME}"), STR_EMPTY, STR_EMPTY, 0, &b);
    assert_true(str_equal(buf_str(&b), STR("abealice2")));
    buf_fini(&b);
    dialplan_unref(dp);
}

static void test_limits(void **state)
{
    static char text[8000];
    struct dialplan *dp = plan();
    struct buf b;
    size_t n = 0;

    (void)state;
    memset(text, 'x', 4095);
    buf_init(&b, 100000);
    buf_add(&b, STR("before "));
    dialplan_substitute(dp, (struct str){ text, 4095 }, STR_EMPTY, STR_EMPTY, 0, &b);
    assert_int_equal(b.error, 0);
    assert_int_equal(b.n, 7 + 4095);
    buf_reset(&b);
    text[4095] = 'x';
    dialplan_substitute(dp, (struct str){ text, 4096 }, STR_EMPTY, STR_EMPTY, 0, &b);
    assert_int_equal(b.error, -EMSGSIZE);

    text[4095] = 'x'; /* a global that fills up the room, twice */
    assert_int_equal(dialplan_global_set(dp, STR("BIG"), (struct str){ text, 4095 }), 0);
    buf_reset(&b);
    dialplan_substitute(dp, STR("${BIG}"), STR_EMPTY, STR_EMPTY, 0, &b);
    assert_int_equal(b.error, 0);
    assert_int_equal(b.n, 4095);
    dialplan_substitute(dp, STR("${BIG}${BIG}${BIG}${BIG}"), STR_EMPTY, STR_EMPTY, 0, &b);
    assert_int_equal(b.error, -EMSGSIZE);
    assert_true(b.n < (size_t)4 * 4095); /* and it doesn't go on for long */
    buf_reset(&b);
    dialplan_substitute(dp, STR("${x${BIG}${BIG}}"), STR_EMPTY, STR_EMPTY, 0, &b);
    assert_int_equal(b.error, -EMSGSIZE);

    for (n = 0; n < 3000; n += 2) /* nested deeper than anybody means */
        memcpy(text + n, "${", 2);
    memset(text + n, '}', 1500);
    buf_reset(&b);
    dialplan_substitute(dp, (struct str){ text, 4500 }, STR_EMPTY, STR_EMPTY, 0, &b);
    assert_int_equal(b.error, 0);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    dialplan_unref(dp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
