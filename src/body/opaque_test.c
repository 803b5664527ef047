// SPDX-License-Identifier: MIT
/* Event packages that are served as they were published. */
#include "body/published_testing.h"

#define REGINFO "application/reginfo+xml"

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

static const struct rendered_body *rendered(struct body_registry *r, const struct snapshot *s)
{
    const struct rendered_body *b = NULL;
    struct rng rng;

    rng_init_seeded(&rng, 1);
    assert_int_equal(body_render(profile_for(r, watcher(BODY_OPAQUE, ""), "*/*", 0), s, &rng, &b),
                     0);
    return b;
}

/* The bytes and the type that were published; neither while nothing is. */
static void test_body(void **state)
{
    static const struct {
        const char *content_type, *content, *type, *body;
    } cases[] = {
        { REGINFO, "<reginfo a='&'>\r\n", REGINFO, "<reginfo a='&'>\r\n" },
        { "text/plain;charset=\"utf-8\"", "x", "text/plain;charset=\"utf-8\"", "x" },
        { NULL, NULL, "", "" },
    };
    struct body_counters counters;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct published_resource of = { .content_type = cases[i].content_type,
                                               .content = cases[i].content };
        struct snapshot *s = published_snapshot(&of);

        assert_true(str_equal(body_content_type(rendered(*state, s)), str_of(cases[i].type)));
        snapshot_unref(s);
        check_published(*state, watcher(BODY_OPAQUE, ""), "*/*", 0, &of, cases[i].body);
    }
    body_counters_get(*state, &counters);
    assert_int_equal(counters.failures, 0);
}

/* That of other packages is their generator's. */
static void test_other_types(void **state)
{
    const struct body_profile *p =
        profile_for(*state, watcher("dialog", ""), "Application/Dialog-Info+XML", 0);
    struct snapshot *s = snapshot_new(resource_in(EXTENSION_IDLE));
    const struct rendered_body *b = NULL;
    struct rng rng;

    rng_init_seeded(&rng, 1);
    assert_int_equal(body_render(p, s, &rng, &b), 0);
    assert_true(str_equal(body_content_type(b), STR("application/dialog-info+xml")));
    snapshot_unref(s);
}

/* The same bytes of another type are another body. */
static void test_same(void **state)
{
    static const struct {
        struct published_resource a, b;
        bool same;
    } cases[] = {
        { { .content_type = "a/b", .content = "x" },
          { .content_type = "a/b", .content = "x" },
          true },
        { { .content_type = "a/b", .content = "x" },
          { .content_type = "a/c", .content = "x" },
          false },
        { { .content_type = "a/b", .content = "x" },
          { .content_type = "a/b", .content = "y" },
          false },
        { { .content_type = "a/b", .content = "x" }, { .content_type = NULL }, false },
        { { .content_type = NULL }, { .content_type = NULL }, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct snapshot *a = published_snapshot(&cases[i].a), *b = published_snapshot(&cases[i].b);

        assert_int_equal(body_same(rendered(*state, a), rendered(*state, b)), cases[i].same);
        assert_int_equal(body_digest(rendered(*state, a)) == body_digest(rendered(*state, b)),
                         cases[i].same);
        snapshot_unref(a);
        snapshot_unref(b);
    }
}

/* Any type may be the published one, so anything is acceptable that is not nothing. */
static void test_negotiation(void **state)
{
    static const struct {
        const char *accept;
        bool accepted;
    } cases[] = {
        { "", true },
        { "*/*", true },
        { REGINFO, true },
        { "application/foo, text/*;q=0.1", true },
        { "multipart/related, application/rlmi+xml", true },
        { "*/*;q=0, " REGINFO ";q=0.2", true },
        { REGINFO ";q=0", false },
        { "garbage", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct es_subscriber s = watcher(BODY_OPAQUE, "phone");
        const struct body_profile *p = NULL;
        int r = body_negotiate(*state, &s, str_of(cases[i].accept), 0, &p);

        assert_int_equal(r, cases[i].accepted ? 0 : BODY_NO_GENERATOR);
        if (!r)
            assert_string_equal(body_profile_content_type(p).p, "*/*");
    }
}

static void test_type_accepted(void **state)
{
    static const struct {
        const char *accept, *type;
        bool accepted;
    } cases[] = {
        { "", REGINFO, true },
        { "*/*", REGINFO, true },
        { "application/*", REGINFO, true },
        { "text/plain, APPLICATION/reginfo+xml", REGINFO ";charset=utf-8", true },
        { REGINFO, REGINFO " ; x=y", true },
        { "text/plain", REGINFO, false },
        { "*/*, " REGINFO ";q=0", REGINFO, false },
        { "multipart/related", REGINFO, true },
        { "garbage", REGINFO, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(body_type_accepted(str_of(cases[i].accept), str_of(cases[i].type)),
                         cases[i].accepted);
    assert_int_equal(body_type_weight(STR("text/plain;q=0.5, */*;q=0.1"), STR("text/plain")), 500);
    assert_int_equal(body_type_weight(STR("text/plain;q=0.5, */*;q=0.1"), STR(REGINFO)), 100);
    assert_int_equal(body_type_weight(STR_EMPTY, STR(REGINFO)), 1000);
}

static void test_known(void **state)
{
    char room[256];
    struct buf out;

    assert_true(body_package_known(*state, STR(BODY_OPAQUE)));
    assert_string_equal(body_default_type(*state, STR(BODY_OPAQUE)).p, "*/*");
    buf_init_on(&out, room, sizeof(room) - 1);
    body_types_print(*state, STR_EMPTY, &out); /* a list of what we can make has no use for it */
    assert_false(str_contains_nocase(buf_str(&out), STR("*/*")));
    buf_reset(&out);
    body_types_print(*state, STR(BODY_OPAQUE), &out);
    assert_true(str_equal(buf_str(&out), STR("*/*")));
}

/* What supplements a document adds nothing to one that nobody made. */
static int add_root(const struct es_body_request *rq, struct es_document *d)
{
    rq->api->root(d, "added");
    return 0;
}

static const struct es_body_supplement *const adding[] = {
    SUPPLEMENT(.name = "add", .content_type = "*/*", .supplement = add_root), NULL
};

static void test_no_supplements(void **state)
{
    const struct published_resource nothing = { .content_type = NULL };
    static struct es_plugin plugin;

    plug(*state, &plugin, "adding", NULL, adding);
    check_published(*state, watcher(BODY_OPAQUE, ""), "*/*", 0, &nothing, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),           cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_same),           cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_type_accepted),  cmocka_unit_test(test_known),
        cmocka_unit_test(test_no_supplements),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
