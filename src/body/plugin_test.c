// SPDX-License-Identifier: MIT
/* Loading of shared objects, and their options. PLUGIN_DIR: where meson built the fixtures. */
#include "body/body_testing.h"
#include <stdio.h>

static int setup(void **state)
{
    struct body_registry *r;

    if (body_registry_create(&r, NULL, NULL))
        return -1;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    body_registry_unref(*state);
    return 0;
}

static char reason[512];

static int load(struct body_registry *r, const char *name, const struct plugin_option *options,
                size_t n)
{
    struct buf why;
    int result;

    buf_init_on(&why, reason, sizeof(reason) - 1);
    result = body_plugin_load(r, STR(PLUGIN_DIR), str_of(name), options, n, &why);
    reason[why.n] = '\0';
    return result;
}

static void refuse(struct body_registry *r, const char *name, const struct plugin_option *options,
                   size_t n, int error, const char *expected)
{
    assert_int_equal(load(r, name, options, n), error);
    if (!strstr(reason, expected))
        fail_msg("'%s' does not say '%s'", reason, expected);
    assert_false(body_package_known(r, STR("greeting")));
}

static void check_greeting(struct body_registry *r, const char *expected)
{
    char *text = body_of(r, watcher("greeting", ""), "text/plain", 0, resource_in(EXTENSION_IDLE));

    assert_string_equal(text, expected);
    free(text);
}

static void test_defaults(void **state)
{
    assert_int_equal(load(*state, "fixture_good", NULL, 0), 0);
    assert_string_equal(reason, "");
    assert_string_equal(body_default_type(*state, STR("greeting")).p, "text/plain");
    check_greeting(*state, "hello");
}

static void test_options(void **state)
{
    const struct plugin_option options[] = {
        { STR("greeting"), STR("not this") },
        { STR("SHOUT"), STR("Yes") },
        { STR("times"), STR("3") },
        { STR("greeting"), STR("ahoy ") }, /* the last one counts */
    };

    assert_int_equal(load(*state, "fixture_good", options, ARRAY_LEN(options)), 0);
    check_greeting(*state, "ahoy ahoy ahoy !");
}

/* A predicate sees the options of its own plugin. */
static void test_options_of_predicate(void **state)
{
    const struct plugin_option options[] = { { STR("times"), STR("1000") } };
    struct es_subscriber s = watcher("greeting", "");
    const struct body_profile *p;

    assert_int_equal(load(*state, "fixture_good", options, ARRAY_LEN(options)), 0);
    assert_int_equal(body_choose(*state, &s, STR("text/plain"), 0, &p), BODY_NO_GENERATOR);
}

static void test_bad_options(void **state)
{
    static const struct {
        struct plugin_option option;
        const char *reason;
    } cases[] = {
        { { STR_INIT("shoot"), STR_INIT("yes") },
          "unknown option 'shoot'; it has shout, times, greeting" },
        { { STR_INIT(""), STR_INIT("") }, "unknown option ''" },
        { { STR_INIT("shout"), STR_INIT("loudly") },
          "option shout is 'loudly', but must be yes or no" },
        { { STR_INIT("shout"), STR_INIT("") }, "option shout is '', but must be yes or no" },
        { { STR_INIT("times"), STR_INIT("-1") },
          "option times is '-1', but must be a number from 0 to 4294967295" },
        { { STR_INIT("times"), STR_INIT("4294967296") },
          "option times is '4294967296', but must be a number" },
        { { STR_INIT("times"), STR_INIT("") }, "option times is '', but must be a number" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refuse(*state, "fixture_good", &cases[i].option, 1, -EINVAL, cases[i].reason);
    assert_int_equal(load(*state, "fixture_good", NULL, 0), 0); /* nothing of it was left behind */
}

static void test_boolean_words(void **state)
{
    static const char *const no[] = { "no", "No", "false", "n", "f", "0", "off" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        const struct plugin_option option = { STR("shout"), str_of(no[i]) };
        struct body_registry *r;

        assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
        assert_int_equal(load(r, "fixture_good", &option, 1), 0);
        check_greeting(r, "hello");
        body_registry_unref(r);
    }
}

static void test_twice(void **state)
{
    assert_int_equal(load(*state, "fixture_good", NULL, 0), 0);
    assert_int_equal(load(*state, "fixture_good", NULL, 0), -EINVAL);
    assert_string_equal(reason, "a plugin named fixture is loaded already");
    check_greeting(*state, "hello");
}

static void test_unusable(void **state)
{
    refuse(*state, "fixture_missing", NULL, 0, -ENOENT,
           "there is no file " PLUGIN_DIR "/fixture_missing.so");
    refuse(*state, "fixture_wrong_abi", NULL, 0, -EINVAL,
           "version 99 of the plugin ABI, this program has 1");
    refuse(*state, "fixture_no_symbol", NULL, 0, -EINVAL, "exports no es_plugin");
    refuse(*state, "fixture_bad_schema", NULL, 0, -EINVAL, "its option times has");
}

/* A name is a file of the plugin directory. */
static void test_names(void **state)
{
    static const char *const bad[] = {
        "", "../fixture_good", "/tmp/x", "fixture_good.so", "a/b", ".", "..", "a b"
    };
    char name[66];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuse(*state, bad[i], NULL, 0, -EINVAL, "is no plugin's name");
    memset(name, 'a', sizeof(name));
    name[65] = '\0';
    refuse(*state, name, NULL, 0, -EINVAL, "is no plugin's name");
}

static void test_not_a_library(void **state)
{
    char path[] = PLUGIN_DIR "/fixture_text.so";
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs("not a shared object", f) >= 0);
    assert_int_equal(fclose(f), 0);
    refuse(*state, "fixture_text", NULL, 0, -EINVAL, path); /* the loader's own words */
    remove(path);
}

static void test_failing(void **state)
{
    struct body_counters c;

    assert_int_equal(load(*state, "fixture_failing", NULL, 0), 0);
    assert_string_equal(
        body_profile_generator(profile_for(*state, watcher("greeting", ""), "text/plain", 0)).p,
        "failing");
    check_greeting(*state, "hello"); /* by the next one */
    body_counters_get(*state, &c);
    assert_int_equal(c.failures, 1);
    assert_int_equal(c.rendered, 1);
}

int main(void)
{
#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST_CASE(test_defaults),    TEST_CASE(test_options), TEST_CASE(test_options_of_predicate),
        TEST_CASE(test_bad_options), TEST_CASE(test_twice),   TEST_CASE(test_boolean_words),
        TEST_CASE(test_unusable),    TEST_CASE(test_names),   TEST_CASE(test_not_a_library),
        TEST_CASE(test_failing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
