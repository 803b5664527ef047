// SPDX-License-Identifier: MIT
/* The settings as a whole, and extstate.conf. */
#include "config/settings_testing.h"

static void test_nothing(void **state)
{
    struct loaded l = load(NULL, NULL);

    (void)state;
    assert_int_equal(l.result, 0);
    assert_str(buf_str(&l.diag.text),
               "etc/pjsip.conf: warning: the file does not exist, so no SIP is served; does "
               "--config-dir name the right directory?\n");
    assert_int_equal(l.s->general.workers, 0);
    assert_str(l.s->general.control_socket, "/var/lib/extstate/extstated.sock");
    assert_str(l.s->general.log_level, "info");
    assert_int_equal(l.s->general.subscription_default_expiry_s, 3600);
    assert_int_equal(l.s->general.subscription_max_expiry_s, 3600);
    assert_int_equal(l.s->general.max_subscriptions, 1000000);
    assert_int_equal(l.s->general.publish_retry_interval_s, 30);
    assert_false(l.s->general.execincludes);
    assert_int_equal(l.s->global.max_forwards, 70);
    assert_false(l.s->compatibility.strict_objects);
    unload(&l);
}

static void test_references(void **state)
{
    struct loaded l = load(UDP, NULL);
    struct settings *again = settings_ref(l.s);

    (void)state;
    assert_ptr_equal(again, l.s);
    settings_unref(l.s);
    assert_int_equal(again->n_transports, 1);
    settings_unref(again);
    settings_unref(NULL);
    l.s = NULL;
    unload(&l);
}

/* ---- extstate.conf ---- */

static void test_general(void **state)
{
    struct loaded l = load(
        UDP, "[general]\nworkers=4\ncontrol_socket=/run/x\nplugin_directory=/p\nlog_level=debug\n"
             "systemname=pbx-1\nsubscription_default_expiry=10m\nsubscription_max_expiry=2h\nmax_"
             "subscriptions=5\n"
             "execincludes=yes\n[GENERAL]\nworkers=5\n");

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->general.workers, 5);
    assert_str(l.s->general.control_socket, "/run/x");
    assert_str(l.s->general.plugin_directory, "/p");
    assert_str(l.s->general.log_level, "debug");
    assert_int_equal(l.s->general.subscription_default_expiry_s, 600);
    assert_int_equal(l.s->general.subscription_max_expiry_s, 7200);
    assert_int_equal(l.s->general.max_subscriptions, 5);
    assert_str(l.s->general.systemname, "pbx-1");
    assert_true(l.s->general.execincludes);
    unload(&l);
}

static void test_general_problems(void **state)
{
    (void)state;
    check_diag("",
               "[general]\nworkers=2000\nlog_level=loud\nsubscription_max_expiry=1w\nworker="
               "1\nshoes=2\n@x=1\n",
               "etc/extstate.conf:2: error: workers = 2000: not a whole number from 0 to 1024; the "
               "default 0 is used "
               "instead\n"
               "etc/extstate.conf:3: error: log_level = loud: not one of error, warn, info, debug; "
               "the default info is used "
               "instead\n"
               "etc/extstate.conf:4: error: subscription_max_expiry = 1w: not a time in seconds "
               "(or 90s, 15m, 2h, 7d) from "
               "1 to 4294967295; the default 3600 is used instead\n"
               "etc/extstate.conf:5: warning: unknown option worker in [general] is ignored; did "
               "you mean workers?\n"
               "etc/extstate.conf:6: warning: unknown option shoes in [general] is ignored; remove "
               "it, or correct the "
               "name\n");
    check_diag("", "[genral]\nworkers=2\n[cluster]\nx=1\n",
               "etc/extstate.conf:1: warning: unknown section [genral] is ignored; did you mean "
               "[general]?\n"
               "etc/extstate.conf:3: warning: unknown section [cluster] is ignored; for the "
               "options of a plugin write load "
               "= cluster in [plugins]\n");
}

static void test_compatibility(void **state)
{
    static const struct {
        const char *text;
        bool swaps, bodies, strict;
    } cases[] = {
        { "", false, false, false },
        { "[compatibility]\nasterisk=yes\n", true, true, true },
        { "[compatibility]\nasterisk=no\n", false, false, false },
        { "[compatibility]\nasterisk=yes\nasterisk_bodies=no\n", true, false, true },
        { "[compatibility]\nasterisk_bodies=no\nstrict_objects=no\nasterisk=yes\n", true, false,
          false },
        { "[compatibility]\nasterisk_bodies=no\n[compatibility]\nasterisk=yes\nasterisk_bodies="
          "yes\n",
          true, true, true },
        { "[compatibility]\nPublish_Swaps_From_To=on\n", true, false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load(UDP, cases[i].text);

        assert_int_equal(l.result, 0);
        assert_int_equal(l.s->compatibility.publish_swaps_from_to, cases[i].swaps);
        assert_int_equal(l.s->compatibility.asterisk_bodies, cases[i].bodies);
        assert_int_equal(l.s->compatibility.strict_objects, cases[i].strict);
        unload(&l);
    }
}

static void test_plugins(void **state)
{
    struct loaded l = load(
        UDP, "[acme]\ncolour=red\n[plugins]\nload=acme\nload = other\nload=acme\nload=../evil\n"
             "[acme]\nsize=1\n[t](!)\nx=1\n");

    (void)state;
    assert_str(
        buf_str(&l.diag.text),
        "etc/extstate.conf:6: warning: plugin acme is loaded already; remove one of the lines\n"
        "etc/extstate.conf:7: error: load = ../evil: not the name of a plugin: letters, digits, _ "
        "- and ., at most "
        "64; the line is ignored\n"
        "etc/extstate.conf:8: warning: [acme] again; its options are added to the first\n");
    assert_int_equal(l.s->n_plugins, 2);
    assert_str(l.s->plugins[0].name, "acme");
    assert_int_equal(l.s->plugins[0].at.line, 4);
    assert_int_equal(l.s->plugins[0].options->n_entries, 2);
    assert_str(conf_entry_find(l.s->plugins[0].options, STR("size"))->value, "1");
    assert_null(l.s->plugins[1].options);
    unload(&l);
}

static void test_overrides(void **state)
{
    static const struct str good[] = { STR_INIT("general.workers=7"),
                                       STR_INIT("compatibility.asterisk=yes"),
                                       STR_INIT("plugins.load=acme"),
                                       STR_INIT("acme.colour = a=b") };
    static const struct str bad[] = { STR_INIT("general.workers"),   STR_INIT("workers=1"),
                                      STR_INIT("general.worker=1"),  STR_INIT("genral.workers=1"),
                                      STR_INIT("general.workers=x"), STR_INIT("acme.x=1"),
                                      STR_INIT("general.@x=1") };
    struct loaded l =
        load_with(UDP, "[general]\nworkers=1\n[acme]\ncolour=red\n", good, ARRAY_LEN(good));

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->general.workers, 7);
    assert_true(l.s->compatibility.asterisk_bodies);
    assert_int_equal(l.s->n_plugins, 1);
    assert_str(conf_entry_find(l.s->plugins[0].options, STR("colour"))->value, "a=b");
    unload(&l);

    l = load_with(UDP, NULL, good, ARRAY_LEN(good));
    assert_int_equal(l.result, 0);
    assert_int_equal(l.s->general.workers, 7);
    unload(&l);

    l = load_with(UDP, NULL, bad, ARRAY_LEN(bad));
    assert_int_equal(l.result, SETTINGS_UNUSABLE);
    assert_str(
        buf_str(&l.diag.text),
        "--set: error: \"general.workers\" is not SECTION.OPTION=VALUE, as general.workers=4\n"
        "--set: error: \"workers=1\" is not SECTION.OPTION=VALUE, as general.workers=4\n"
        "--set: error: unknown option worker in [general] is ignored; did you mean workers?\n"
        "--set: error: workers = x: not a whole number from 0 to 1024; the default 0 is used "
        "instead\n"
        "--set: error: unknown option @x in [general] is ignored; remove it, or correct the name\n"
        "--set: error: unknown section [genral] is ignored; did you mean [general]?\n"
        "--set: error: unknown section [acme] is ignored; for the options of a plugin write load = "
        "acme in "
        "[plugins]\n");
    unload(&l);
}

/* ---- [dialog-info] ---- */

static void test_one_dialog(void **state)
{
    static const struct {
        const char *text, *user_agent;
        bool one;
    } cases[] = {
        { "", "Linksys/SPA962-6.1.5(a)", true },
        { "", "spa962", true },
        { "", "SPA961", false },
        { "", "", false },
        { "[dialog-info]\nsingle_dialog_agents=snom, \tacme 1 ,,\n", "Acme 1.2", true },
        { "[dialog-info]\nsingle_dialog_agents=snom, \tacme 1 ,,\n", "Snom/8", true },
        { "[dialog-info]\nsingle_dialog_agents=snom, \tacme 1 ,,\n", "Acme 2", false },
        { "[dialog-info]\nsingle_dialog_agents=\n", "SPA962", false },
        { "[dialog-info]\nsingle_dialog_agents=, ,\n", "SPA962", false },
        { "[dialog-info]\nsingle_dialog=yes\n", "", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load(UDP, cases[i].text);

        assert_int_equal(settings_one_dialog(l.s, str_of(cases[i].user_agent)), cases[i].one);
        unload(&l);
    }
}

/* ---- the manual ---- */

static void test_reference(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    settings_print_reference(&b);
    assert_int_equal(b.error, 0);
    assert_true(str_contains_nocase(buf_str(&b), STR("### pjsip.conf: `type = outbound-publish`")));
    assert_true(str_contains_nocase(
        buf_str(&b), STR("| `expiration` | number | `3600` | Seconds a publication")));
    assert_true(str_contains_nocase(buf_str(&b), STR("| `server_uri` | SIP URI | required |")));
    assert_true(str_contains_nocase(buf_str(&b), STR("Accepted without effect: `100rel`, ")));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),       cmocka_unit_test(test_references),
        cmocka_unit_test(test_general),       cmocka_unit_test(test_general_problems),
        cmocka_unit_test(test_compatibility), cmocka_unit_test(test_plugins),
        cmocka_unit_test(test_overrides),     cmocka_unit_test(test_one_dialog),
        cmocka_unit_test(test_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
