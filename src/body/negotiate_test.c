// SPDX-License-Identifier: MIT
#include "body/body_testing.h"

#define DIALOG "application/dialog-info+xml"
#define PIDF "application/pidf+xml"
#define XPIDF "application/xpidf+xml"
#define CPIM "application/cpim-pidf+xml"
#define SUMMARY "application/simple-message-summary"
#define WATCHERINFO "application/watcherinfo+xml"
#define LIST "multipart/related, application/rlmi+xml"

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

/* The type chosen, or NULL. */
static const char *negotiated(struct body_registry *r, const char *package, struct str accept)
{
    struct es_subscriber s = watcher(package, "phone");
    const struct body_profile *p = NULL;
    int result = body_negotiate(r, &s, accept, 0, &p);

    if (result) {
        assert_int_equal(result, BODY_NO_GENERATOR);
        assert_null(p);
        return NULL;
    }
    return body_profile_content_type(p).p;
}

static void check(struct body_registry *r, const char *package, const char *accept,
                  const char *expected)
{
    const char *got = negotiated(r, package, str_of(accept));

    if (expected ? !got || strcmp(got, expected) != 0 : got != NULL)
        fail_msg("%s: '%s' gave %s, not %s", package, accept, got ? got : "nothing",
                 expected ? expected : "nothing");
}

static void test_accept(void **state)
{
    static const struct {
        const char *package, *accept, *expected;
    } cases[] = {
        /* none */
        { "dialog", "", DIALOG },
        { "presence", "", PIDF },
        { "presence", " , ,, ", PIDF },
        { "message-summary", "", SUMMARY },
        { "message-summary", SUMMARY, SUMMARY },
        { "message-summary", "application/*", SUMMARY },
        { "message-summary", "text/plain", NULL },
        { "message-summary", DIALOG, NULL },
        { "dialog", SUMMARY, NULL },
        { "reg", "", NULL },
        { "message-summary", "*/*", SUMMARY },
        { "DIALOG", "", DIALOG },
        /* by name and order */
        { "dialog", DIALOG, DIALOG },
        { "dialog", PIDF, PIDF },
        { "presence", XPIDF ", " CPIM "," PIDF, XPIDF },
        { "presence", "application/foo, " CPIM ", " PIDF, CPIM },
        { "presence", "application/foo", NULL },
        { "presence", "Application/PIDF+XML", PIDF },
        { "presence", "\t" PIDF "\r\n , " XPIDF, PIDF },
        { "presence", "application / pidf+xml", PIDF },
        /* weights */
        { "presence", XPIDF ";q=0.5, " PIDF, PIDF },
        { "presence", XPIDF ";q=0.5, " PIDF ";q=0.5", XPIDF },
        { "presence", XPIDF " ; Q = 0.499 , " PIDF ";q=0.5", PIDF },
        { "presence", XPIDF ";q=1.000," PIDF ";q=1", XPIDF },
        { "presence",
          XPIDF ";q=0."
                "," PIDF ";q=0.001",
          PIDF },
        { "presence", XPIDF ";q=0", NULL },
        { "presence", XPIDF ";q=0.000, application/foo", NULL },
        { "presence", XPIDF ";q=0.1;q=1, " PIDF ";q=0.2", PIDF },
        /* other parameters */
        { "presence", PIDF ";charset=utf-8;level=\"a;b,c\\\"\";q=0.2;ext, " XPIDF ";q=0.1", PIDF },
        { "presence", PIDF ";x=\"q=0\"", PIDF },
        /* wildcards: the package's own type first */
        { "presence", "*/*", PIDF },
        { "dialog", "*/*", DIALOG },
        { "dialog", "application/*", DIALOG },
        { "presence", "text/*", NULL },
        { "presence", "text/*, application/*;q=0.1", PIDF },
        { "presence", "*/*;q=0.1, " XPIDF ";q=0.2", XPIDF },
        { "presence", "*/*, " XPIDF, PIDF },
        { "presence", XPIDF ", */*", XPIDF },
        { "presence", "*/*;q=0.5, " PIDF ";q=0.4", DIALOG },
        { "presence", "*/*;q=0", NULL },
        /* the most exact range speaks for a type */
        { "presence", "*/*, " PIDF ";q=0, " DIALOG ";q=0", XPIDF },
        { "presence", "application/*;q=0, */*", NULL },
        { "presence", "application/*;q=0, " CPIM ";q=0.1", CPIM },
        { "presence", PIDF ";q=0.3, " PIDF ";q=0, " XPIDF ";q=0.2", PIDF },
        /* what is said about lists says nothing about one body */
        { "presence", LIST, PIDF },
        { "dialog", "Multipart/Related;type=\"application/rlmi+xml\"", DIALOG },
        { "presence", LIST ", " XPIDF, XPIDF },
        { "presence", LIST ", application/foo", NULL },
        { "presence", "multipart/*", NULL },
        /* malformed values are left out */
        { "presence", "application, " XPIDF, XPIDF },
        { "presence", "/pidf+xml, */pidf+xml, application/, " XPIDF, XPIDF },
        { "presence", PIDF ";q=1.5, " PIDF ";q=2, " XPIDF ";q=0.1", XPIDF },
        { "presence", PIDF ";q=0.1234, " PIDF ";q=.5, " PIDF ";q=, " PIDF ";q=x," XPIDF ";q=0.1",
          XPIDF },
        { "presence", PIDF " " XPIDF ", " CPIM, CPIM },
        { "presence", PIDF ";, " CPIM, CPIM },
        { "presence", CPIM ", " PIDF ";x=\"open, " XPIDF, CPIM },
        { "presence", "\"" PIDF "\", " CPIM, CPIM },
        { "presence", "garbage", NULL },
        { "presence", "*", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(*state, cases[i].package, cases[i].accept, cases[i].expected);
}

/* 32 values are looked at, empty ones not counted. */
static void test_limit(void **state)
{
    struct buf accept;

    buf_init(&accept, 4096);
    for (int i = 0; i < 31; i++)
        buf_printf(&accept, "application/x-%d, ,", i);
    buf_add(&accept, STR(XPIDF "," PIDF));
    assert_string_equal(negotiated(*state, "presence", buf_str(&accept)), XPIDF);
    buf_reset(&accept);
    for (int i = 0; i < 32; i++)
        buf_printf(&accept, "application/x-%d,", i);
    buf_add(&accept, STR(XPIDF));
    assert_null(negotiated(*state, "presence", buf_str(&accept)));
    buf_fini(&accept);
}

/* A long header of open quotes is read once, not once per quote. */
static void test_hostile(void **state)
{
    static char text[65536];

    memset(text, '\\', sizeof(text));
    for (size_t i = 0; i < sizeof(text); i += 2)
        text[i + 1] = '"';
    text[0] = '"';
    assert_null(negotiated(*state, "presence", (struct str){ text, sizeof(text) }));
    memset(text, ',', sizeof(text));
    assert_string_equal(negotiated(*state, "presence", (struct str){ text, sizeof(text) }), PIDF);
}

static void test_profiles_are_shared(void **state)
{
    struct es_subscriber a = watcher("presence", "phone"), b = watcher("presence", "another"),
                         c = watcher("presence", "Digium");
    const struct body_profile *p, *q;

    assert_int_equal(body_negotiate(*state, &a, STR_EMPTY, 0, &p), 0);
    assert_int_equal(body_negotiate(*state, &b, STR("application/*"), 0, &q), 0);
    assert_ptr_equal(p, q);
    assert_int_equal(body_choose(*state, &b, STR("APPLICATION/pidf+xml"), 0, &q), 0);
    assert_ptr_equal(p, q);
    assert_int_equal(body_negotiate(*state, &c, STR_EMPTY, 0, &q), 0);
    assert_ptr_not_equal(p, q); /* one supplement more */
    assert_int_equal(body_negotiate(*state, &a, STR_EMPTY, ES_FLAG_ASTERISK, &q), 0);
    assert_ptr_not_equal(p, q);
    a.publisher = true;
    assert_int_equal(body_negotiate(*state, &a, STR_EMPTY, 0, &q), 0);
    assert_ptr_not_equal(p, q); /* ES_FLAG_PUBLISH is set for it */
    assert_string_equal(body_profile_generator(p).p, "pidf");
    assert_int_equal(body_choose(*state, &a, STR("application/foo"), 0, &q), BODY_NO_GENERATOR);
    assert_int_equal(body_choose(*state, &a, STR(PIDF ";q=1"), 0, &q), BODY_NO_GENERATOR);
}

static void check_types(const struct body_registry *r, struct str package, const char *expected)
{
    struct buf out;
    char room[512];

    buf_init_on(&out, room, sizeof(room));
    body_types_print(r, package, &out);
    buf_add_char(&out, '\0');
    assert_string_equal(room, expected);
}

static void test_types(void **state)
{
    check_types(*state, STR("dialog"), DIALOG ", " PIDF ", " XPIDF ", " CPIM);
    check_types(*state, STR("presence"), PIDF ", " DIALOG ", " XPIDF ", " CPIM);
    check_types(*state, STR_EMPTY,
                DIALOG ", " PIDF ", " XPIDF ", " CPIM ", " SUMMARY ", " WATCHERINFO);
    check_types(*state, STR("message-summary"), SUMMARY);
    check_types(*state, STR("foo"), "");
    assert_true(body_package_known(*state, STR("Presence")));
    assert_false(body_package_known(*state, STR("presence dialog")));
    assert_false(body_package_known(*state, STR("")));
    assert_true(body_type_known(*state, STR("dialog"), STR("Application/XPIDF+xml")));
    assert_false(body_type_known(*state, STR("dialog"), STR("application/foo")));
    assert_string_equal(body_default_type(*state, STR("dialog")).p, DIALOG);
    assert_int_equal(body_default_type(*state, STR("foo")).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),  cmocka_unit_test(test_limit),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_profiles_are_shared),
        cmocka_unit_test(test_types),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
