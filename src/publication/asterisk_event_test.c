// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "publication/asterisk_event.h"

#define EID "\"eid\":\"02:00:00:00:51:6A\""

static void test_read(void **state)
{
    static const struct {
        const char *package, *body, *name;
        struct asterisk_event expect;
    } cases[] = {
        { "asterisk-devicestate",
          "{\"type\":\"devicestate\",\"device\":\"PJSIP/alice\",\"state\":\"ringinuse\","
          "\"cachable\":1," EID "}",
          "PJSIP/alice",
          { .type = ASTERISK_DEVICE_STATE, .state = DEVICE_RINGINUSE, .cachable = true } },
        { "asterisk-devicestate",
          " { \"device\" : \"Custom:b\\u00fcro\", \"x\": [1], \"state\":\"NOT_INUSE\", "
          "\"cachable\":0,"
          "\"type\":\"devicestate\"," EID "} ",
          "Custom:b\xc3\xbcro",
          { .type = ASTERISK_DEVICE_STATE, .state = DEVICE_NOT_INUSE } },
        { "asterisk-devicestate",
          "{\"type\":\"devicestate\",\"device\":\"X\",\"state\":\"SLEEPING\"," EID "}",
          "X",
          { .type = ASTERISK_DEVICE_STATE, .state = DEVICE_UNKNOWN } },
        { "asterisk-mwi",
          "{\"type\":\"mailboxstate\",\"uniqueid\":\"100@default\",\"old\":3,\"new\":"
          "4294967296," EID "}",
          "100@default",
          { .type = ASTERISK_MAILBOX_STATE, .new_count = UINT32_MAX, .old_count = 3 } },
        { "asterisk-mwi",
          "{\"type\":\"mailboxstate\",\"uniqueid\":\"100\",\"old\":-3,\"new\":\"1\"," EID "}",
          "100",
          { .type = ASTERISK_MAILBOX_STATE } },
        { "asterisk-mwi", "{\"type\":\"refresh\"," EID "}", "", { .type = ASTERISK_REFRESH } },
        { "asterisk-devicestate",
          "{\"type\":\"refresh\"," EID "}",
          "",
          { .type = ASTERISK_REFRESH } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct asterisk_event *x = &cases[i].expect;
        struct asterisk_event e;
        struct buf why;

        buf_init(&why, 256);
        if (asterisk_event_parse(&e, str_of(cases[i].package), str_of(cases[i].body), &why))
            fail_msg("%s: %.*s", cases[i].body, STR_FMT(buf_str(&why)));
        assert_int_equal(e.type, x->type);
        assert_string_equal(e.name, cases[i].name);
        assert_int_equal(e.name_n, strlen(cases[i].name));
        assert_string_equal(e.eid, "02:00:00:00:51:6a");
        assert_int_equal(e.state, x->state);
        assert_int_equal(e.cachable, x->cachable);
        assert_int_equal(e.new_count, x->new_count);
        assert_int_equal(e.old_count, x->old_count);
        buf_fini(&why);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *package, *body, *why;
    } cases[] = {
        { "asterisk-mwi", "", "not JSON" },
        { "asterisk-mwi", "{\"type\":\"refresh\"", "not JSON" },
        { "asterisk-mwi", "{\"type\":\"refresh\"," EID "} x", "not JSON" },
        { "asterisk-mwi", "{\"type\":\"refresh\",\"type\":\"refresh\"," EID "}", "not JSON" },
        { "asterisk-mwi", "{\"type\":\"\xff\"," EID "}", "not JSON" },
        { "asterisk-mwi", "[]", "something else" },
        { "asterisk-mwi", "{\"type\":\"refresh\"}", "no eid" },
        { "asterisk-mwi", "{\"type\":\"refresh\",\"eid\":\"02:00:00:00:51\"}", "no eid" },
        { "asterisk-mwi", "{\"type\":\"refresh\",\"eid\":\"02:00:00:00:51:6g\"}", "no eid" },
        { "asterisk-mwi", "{\"type\":\"refresh\",\"eid\":\"02-00-00-00-51-6a\"}", "no eid" },
        { "asterisk-mwi", "{\"type\":\"refresh\",\"eid\":2}", "no eid" },
        { "asterisk-mwi", "{" EID "}", "no type" },
        { "asterisk-mwi", "{\"type\":\"devicestate\",\"device\":\"X\",\"state\":\"INUSE\"," EID "}",
          "no type" },
        { "asterisk-devicestate", "{\"type\":\"mailboxstate\",\"uniqueid\":\"1\"," EID "}",
          "no type" },
        { "asterisk-mwi", "{\"type\":\"mailboxstate\",\"uniqueid\":\"\"," EID "}", "no uniqueid" },
        { "asterisk-devicestate", "{\"type\":\"devicestate\",\"state\":\"INUSE\"," EID "}",
          "no device" },
        { "asterisk-devicestate",
          "{\"type\":\"devicestate\",\"device\":\"a\\u0000b\",\"state\":\"INUSE\"," EID "}",
          "not JSON" },
        { "asterisk-devicestate",
          "{\"type\":\"devicestate\",\"device\":\"X\",\"state\":\"\"," EID "}", "no state" },
        { "asterisk-devicestate",
          "{\"type\":\"devicestate\",\"state\":\"INUSE\"," EID ",\"device\":\""
          "12345678901234567890123456789012345678901234567890123456789012345678901234567890\"}",
          "79 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asterisk_event e;
        struct buf why;

        buf_init(&why, 256);
        assert_int_equal(
            asterisk_event_parse(&e, str_of(cases[i].package), str_of(cases[i].body), &why),
            ASTERISK_EVENT_REFUSED);
        if (!str_contains_nocase(buf_str(&why), str_of(cases[i].why)))
            fail_msg("%s: %.*s", cases[i].body, STR_FMT(buf_str(&why)));
        buf_fini(&why);
    }
}

/* As Asterisk writes them, members in this order. */
static void test_written(void **state)
{
    static const struct {
        struct asterisk_event e;
        const char *package, *text;
    } cases[] = {
        { { .type = ASTERISK_DEVICE_STATE,
            .name = "Custom:a\"b",
            .name_n = 10,
            .state = DEVICE_INUSE,
            .cachable = true,
            .eid = "02:00:00:00:51:60" },
          "asterisk-devicestate",
          "{\"type\":\"devicestate\",\"device\":\"Custom:a\\\"b\",\"state\":\"INUSE\",\"cachable\":"
          "1,"
          "\"eid\":\"02:00:00:00:51:60\"}" },
        { { .type = ASTERISK_MAILBOX_STATE,
            .name = "100@default",
            .name_n = 11,
            .new_count = 2,
            .old_count = 1,
            .eid = "02:00:00:00:51:60" },
          "asterisk-mwi",
          "{\"type\":\"mailboxstate\",\"uniqueid\":\"100@default\",\"old\":1,\"new\":2,"
          "\"eid\":\"02:00:00:00:51:60\"}" },
        { { .type = ASTERISK_REFRESH, .eid = "02:00:00:00:51:60" },
          "asterisk-mwi",
          "{\"type\":\"refresh\",\"eid\":\"02:00:00:00:51:60\"}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asterisk_event again;
        struct buf b;

        buf_init(&b, 1024);
        asterisk_event_print(&cases[i].e, &b);
        if (!str_equal(buf_str(&b), str_of(cases[i].text)))
            fail_msg("%.*s", STR_FMT(buf_str(&b)));
        assert_int_equal(
            asterisk_event_parse(&again, str_of(cases[i].package), str_of(cases[i].text), &b), 0);
        assert_memory_equal(&again, &cases[i].e, sizeof(again));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
