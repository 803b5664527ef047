// SPDX-License-Identifier: MIT
#include "lamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define ROOT "<dialog-info version=\"0\" state=\"full\" entity=\"sip:1@a\">"

static const struct {
    struct str document;
    enum lamp lamp;
} documents[] = {
    { STR_INIT(""), LAMP_DARK },
    { STR_INIT("Messages-Waiting: no\r\n"), LAMP_DARK },
    { STR_INIT(ROOT "</dialog-info>"), LAMP_IDLE },
    { STR_INIT(ROOT "<dialog id=\"a\"><state>terminated</state></dialog></dialog-info>"),
      LAMP_IDLE },
    { STR_INIT(ROOT "<dialog id=\"a\">\n <state>early</state>\n</dialog></dialog-info>"),
      LAMP_RINGING },
    { STR_INIT(ROOT "<dialog id=\"a\"><state> confirmed </state></dialog></dialog-info>"),
      LAMP_BUSY },
    { STR_INIT(ROOT "<dialog id=\"a\"><state event=\"x\">early</state></dialog></dialog-info>"),
      LAMP_RINGING },
    { STR_INIT(ROOT "<dialog id=\"a\"><state>confirmed</state><local><target uri=\"sip:1@a\">"
                    "<param pname=\"+sip.rendering\" pvalue=\"no\"/></target></local></dialog>"),
      LAMP_HELD },
    { STR_INIT(ROOT "<dialog id=\"a\"><state>trying</state></dialog></dialog-info>"), LAMP_DARK },
    { STR_INIT(ROOT "<dialog id=\"a\"><state>confirmed"),
      LAMP_BUSY }, /* cut off, and read all the same */
    { STR_INIT(ROOT "<state"), LAMP_IDLE },
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(documents); i++)
        assert_int_equal(lamp_read(documents[i].document), documents[i].lamp);
}

static void test_what_is_printed_is_read(void **state)
{
    (void)state;
    for (enum lamp l = LAMP_IDLE; l < LAMPS; l++) {
        char room[1024];
        struct buf b;

        buf_init_on(&b, room, sizeof(room));
        lamp_print(&b, l, STR("sip:1000@[::1]:5060;a=<b>"), 7);
        assert_int_equal(b.error, 0);
        assert_int_equal(lamp_read(buf_str(&b)), l);
        assert_true(str_contains_nocase(buf_str(&b), STR("a=&lt;b&gt;")));
        assert_true(str_contains_nocase(buf_str(&b), STR("version=\"7\"")));
    }
}

static void test_each_follows_the_former(void **state)
{
    enum lamp l = LAMP_IDLE;
    unsigned seen = 0;

    (void)state;
    for (int i = 0; i < LAMPS; i++, l = lamp_next(l))
        seen |= BIT(l);
    assert_int_equal(l, LAMP_IDLE);
    assert_int_equal(seen, BIT(LAMPS) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_what_is_printed_is_read),
        cmocka_unit_test(test_each_follows_the_former),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
