// SPDX-License-Identifier: MIT
/* The plugin as the server loads it. PLUGIN_DIR: where meson built it. */
#include "body/body_testing.h"

#define DIALOG_INFO "application/dialog-info+xml"
#define DIALOG(children)                                                                     \
    PROLOG                                                                                   \
    "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" state=\"full\"" \
    " entity=\"" LOCAL_URI "\">\n"                                                           \
    " <dialog id=\"1000\"" children " </dialog>\n"                                           \
    "</dialog-info>\n"
#define STATE(s) "  <state>" s "</state>\n"
#define NAMED(display, target) \
    "  <local>\n"              \
    "   <identity display=\"" display "\">" LOCAL_URI "</identity>\n" target "  </local>\n"
#define TARGET "   <target uri=\"" LOCAL_URI "\" />\n"
#define HELD_TARGET                                        \
    "   <target uri=\"" LOCAL_URI "\">\n"                  \
    "    <param pname=\"+sip.rendering\" pval=\"no\" />\n" \
    "   </target>\n"

/* The body for a watcher, from a registry with the plugin and these options. */
static void check(const struct plugin_option *options, size_t n, const char *user_agent,
                  unsigned flags, struct snapshot_spec spec, const char *expected)
{
    struct body_registry *r;
    char reason[256], *text;
    struct buf why;

    buf_init_on(&why, reason, sizeof(reason));
    assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
    assert_int_equal(body_plugin_load(r, STR(PLUGIN_DIR), STR("snom_lamp"), options, n, &why), 0);
    text = body_of(r, watcher("dialog", user_agent), DIALOG_INFO, flags, spec);
    assert_string_equal(text, expected);
    free(text);
    body_registry_unref(r);
}

static void test_states(void **state)
{
    static const struct {
        enum extension_state state;
        unsigned flags;
        const char *expected;
    } cases[] = {
        { EXTENSION_IDLE, 0, DIALOG(">\n" STATE("terminated")) },
        { EXTENSION_UNAVAILABLE, 0, DIALOG(">\n" STATE("terminated")) },
        { EXTENSION_REMOVED, 0, DIALOG(">\n" STATE("terminated")) },
        { EXTENSION_INUSE, 0, DIALOG(">\n" STATE("confirmed") NAMED("Alice Smith", TARGET)) },
        { EXTENSION_INUSE, ES_FLAG_ASTERISK,
          DIALOG(">\n" STATE("confirmed") NAMED("Alice Smith", TARGET)) },
        { EXTENSION_RINGING, 0,
          DIALOG(" direction=\"recipient\">\n" STATE("early") NAMED("Alice Smith", TARGET)) },
        { EXTENSION_RINGING, ES_FLAG_ASTERISK,
          DIALOG(" direction=\"recipient\">\n" NAMED("Alice Smith", TARGET) STATE("early")) },
        { EXTENSION_ONHOLD, 0, DIALOG(">\n" STATE("confirmed") NAMED("Alice Smith", HELD_TARGET)) },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(NULL, 0, "snomD785/10.1.30", cases[i].flags, resource_in(cases[i].state),
              cases[i].expected);
}

static void test_user_agent(void **state)
{
    const struct plugin_option other = { STR("user_agent"), STR("YEALINK") },
                               all = { STR("user_agent"), STR("") };
    const char *plain = DIALOG(">\n" STATE("confirmed"));
    const char *named = DIALOG(">\n" STATE("confirmed") NAMED("Alice Smith", TARGET));

    (void)state;
    check(NULL, 0, "Snom 370", 0, resource_in(EXTENSION_INUSE), named);
    check(NULL, 0, "Yealink SIP-T46S", 0, resource_in(EXTENSION_INUSE), plain);
    check(&other, 1, "Yealink SIP-T46S", 0, resource_in(EXTENSION_INUSE), named);
    check(&other, 1, "Snom 370", 0, resource_in(EXTENSION_INUSE), plain);
    check(&all, 1, "", 0, resource_in(EXTENSION_INUSE), named);
}

static void test_idle(void **state)
{
    const struct plugin_option idle = { STR("idle"), STR("yes") };

    (void)state;
    check(&idle, 1, "snom", 0, resource_in(EXTENSION_IDLE),
          DIALOG(">\n" STATE("terminated") NAMED("Alice Smith", TARGET)));
}

static void test_max_length(void **state)
{
    const struct plugin_option six = { STR("max_length"), STR("6") };
    struct snapshot_spec spec = resource_in(EXTENSION_INUSE);

    (void)state;
    spec.hint_name = STR("J\xc3\xb6rg <&> Co");
    check(&six, 1, "snom", 0, spec,
          DIALOG(">\n" STATE("confirmed") NAMED("J\xc3\xb6rg &lt;", TARGET)));
    spec.hint_name = STR("J\xc3\xb6");
    check(&six, 1, "snom", 0, spec, DIALOG(">\n" STATE("confirmed") NAMED("J\xc3\xb6", TARGET)));
    spec.hint_name = STR_EMPTY;
    check(&six, 1, "snom", 0, spec, DIALOG(">\n" STATE("confirmed")));
}

static void test_no_publish(void **state)
{
    const struct plugin_option all = { STR("user_agent"), STR("") };
    struct es_subscriber publisher = watcher("dialog", "");
    struct body_registry *r;
    char reason[256], *text;
    struct buf why;

    (void)state;
    publisher.publisher = true;
    buf_init_on(&why, reason, sizeof(reason));
    assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
    assert_int_equal(body_plugin_load(r, STR(PLUGIN_DIR), STR("snom_lamp"), &all, 1, &why), 0);
    text = body_of(r, publisher, DIALOG_INFO, 0, resource_in(EXTENSION_INUSE));
    assert_string_equal(text, DIALOG(">\n" STATE("confirmed")));
    free(text);
    body_registry_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),     cmocka_unit_test(test_user_agent),
        cmocka_unit_test(test_idle),       cmocka_unit_test(test_max_length),
        cmocka_unit_test(test_no_publish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
