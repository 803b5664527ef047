// SPDX-License-Identifier: MIT
#include "config/config_test.h"
#include "config/manager.h"

#define EVENT                                                                     \
    "Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: Custom:lamp0\r\n" \
    "State: INUSE\r\n\r\n"

struct filter_case {
    const char *criteria, *text;
    bool pass;
};

static bool pass(const struct filter_case *c, size_t n)
{
    struct manager_filter *filters[4];
    bool result;

    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            manager_filter_create(&filters[i], str_of(c[i].criteria), str_of(c[i].text), NULL), 0);
    result = manager_filters_pass(filters, n, STR("DeviceStateChange"), STR(EVENT));
    for (size_t i = 0; i < n; i++)
        manager_filter_destroy(filters[i]);
    return result;
}

static void test_one(void **state)
{
    static const struct filter_case cases[] = {
        { "", "Event: DeviceStateChange", true },
        { "", "Event: Exten", false },
        { "", "!Device: Custom:lamp.", false },
        { "", "!Device: PJSIP", true },
        { "", "State: (INUSE|BUSY)", true },
        { "name(DeviceStateChange)", "", true },
        { "name(devicestatechange)", "", false },
        { "action(exclude),name(DeviceStateChange)", "", false },
        { "action(exclude), name(ExtensionStatus)", "", true },
        { "header(Device)", "lamp0$", true },
        { "header(device:),method(exact)", "Custom:lamp0", true },
        { "header(Device),method(exact)", "Custom:lamp", false },
        { "header(Device),method(starts_with)", "Custom:", true },
        { "header(Device),method(ends_with)", "lamp0", true },
        { "header(State),method(contains)", "US", true },
        { "header(State),method(contains)", "BUS", false },
        { "header(Nothing)", ".*", false },
        { "name(DeviceStateChange),method(none)", "never looked at", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (pass(&cases[i], 1) != cases[i].pass)
            fail_msg("eventfilter(%s) = %s", cases[i].criteria, cases[i].text);
}

static void test_several(void **state)
{
    static const struct filter_case both[] = { { "", "Event: Device" }, { "", "!lamp0" } };
    static const struct filter_case any[] = { { "", "Event: Extension" }, { "", "lamp0" } };
    static const struct filter_case none[] = { { "", "!Event: X" }, { "", "!lamp1" } };

    (void)state;
    assert_false(pass(both, 2));
    assert_true(pass(any, 2));
    assert_true(pass(none, 2));
    assert_true(manager_filters_pass(NULL, 0, STR("X"), STR("Event: X\r\n\r\n")));
}

static void test_bad(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "", "(" },
        { "", "!" },
        { "name", "x" },
        { "name(", "x" },
        { "name()", "x" },
        { "colour(red)", "x" },
        { "name(a)name(b)", "x" },
        { "name(a),name(b)", "x" },
        { "action(hide)", "x" },
        { "method(guess)", "x" },
        { "header(X)", "" },
        { "method(none)", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct manager_filter *f = NULL;
        char room[200];
        struct buf why;
        int r;

        buf_init_on(&why, room, sizeof(room));
        r = manager_filter_create(&f, str_of(cases[i][0]), str_of(cases[i][1]), &why);
        if (r != -EINVAL || !why.n)
            fail_msg("eventfilter(%s) = %s: %d", cases[i][0], cases[i][1], r);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
