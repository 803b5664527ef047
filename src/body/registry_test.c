// SPDX-License-Identifier: MIT
/* Which generator is chosen, what the registry refuses, and what it lists. */
#include "body/body_testing.h"
#include "body/registry.h"

#define PIDF "application/pidf+xml"
#define TEST "application/x-test"

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

static int generate_good(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->root(out, "good");
    return 0;
}

static int add_nothing(const struct es_body_request *rq, struct es_document *d)
{
    (void)rq;
    (void)d;
    return 0;
}

static bool accepts_special(const struct es_subscriber *s)
{
    return s->size >= sizeof(*s) && s->user_agent.n == 7 && !memcmp(s->user_agent.p, "special", 7);
}

static const struct es_body_generator *const for_special[] = {
    GENERATOR(.name = "special", .package = "presence", .content_type = PIDF, .priority = 1,
              .accepts = accepts_special, .generate = generate_good),
    GENERATOR(.name = "only", .package = "presence", .content_type = TEST,
              .accepts = accepts_special, .generate = generate_good),
    NULL,
};

static void test_predicates(void **state)
{
    struct es_subscriber phone = watcher("presence", "phone"),
                         special = watcher("presence", "special");
    const struct body_profile *p;
    static struct es_plugin plugin;

    plug(*state, &plugin, "plugin", for_special, NULL);
    assert_string_equal(body_profile_generator(profile_for(*state, phone, PIDF, 0)).p, "pidf");
    assert_string_equal(body_profile_generator(profile_for(*state, special, PIDF, 0)).p, "special");
    assert_int_equal(body_choose(*state, &phone, STR(TEST), 0, &p), BODY_NO_GENERATOR);
    assert_int_equal(body_choose(*state, &special, STR(TEST), 0, &p), 0);
    /* Negotiation goes on where nobody accepts. */
    assert_int_equal(body_negotiate(*state, &phone, STR(TEST ", " PIDF ";q=0.1"), 0, &p), 0);
    assert_string_equal(body_profile_content_type(p).p, PIDF);
    assert_int_equal(body_negotiate(*state, &special, STR(TEST ", " PIDF ";q=0.1"), 0, &p), 0);
    assert_string_equal(body_profile_content_type(p).p, TEST);
}

/* ---- what the registry refuses ---- */

static void refuse(struct body_registry *r, const struct es_plugin *plugin, const char *reason)
{
    char room[256];
    struct buf why;

    buf_init_on(&why, room, sizeof(room) - 1);
    assert_int_equal(body_registry_add(r, plugin, NULL, &why), -EINVAL);
    room[why.n] = '\0';
    if (!strstr(room, reason))
        fail_msg("'%s' does not say '%s'", room, reason);
    assert_false(body_package_known(r, STR("test")));
}

#define PLUGIN(...) \
    (&(struct es_plugin){ .abi = ES_PLUGIN_ABI, .size = sizeof(struct es_plugin), __VA_ARGS__ })
#define ONE_GENERATOR(...)                    \
    (const struct es_body_generator *const[]) \
    {                                         \
        GENERATOR(__VA_ARGS__), NULL          \
    }

static void test_refused_plugins(void **state)
{
    static const struct es_body_generator small = { .size = 16, .name = "g" };
    static const struct es_body_supplement useless = { .size = sizeof(useless),
                                                       .name = "s",
                                                       .content_type = TEST };
    struct body_registry *r = *state;

    refuse(r, &(struct es_plugin){ .abi = 2, .size = sizeof(struct es_plugin), .name = "p" },
           "version 2");
    refuse(r, &(struct es_plugin){ .abi = ES_PLUGIN_ABI, .size = 8, .name = "p" }, "size 8");
    refuse(r, PLUGIN(.name = NULL), "no name");
    refuse(r, PLUGIN(.name = "builtin"), "loaded already");
    refuse(r,
           PLUGIN(.name = "p",
                  .generators = (const struct es_body_generator *const[]){ &small, NULL }),
           "size 16");
    refuse(r,
           PLUGIN(.name = "p", .generators = ONE_GENERATOR(.name = "g", .package = "test",
                                                           .content_type = TEST)),
           "generator g");
    refuse(r,
           PLUGIN(.name = "p",
                  .generators = ONE_GENERATOR(.name = "g", .package = "test",
                                              .content_type = "text", .generate = generate_good)),
           "content_type");
    refuse(r,
           PLUGIN(.name = "p",
                  .generators = ONE_GENERATOR(.name = "g", .package = "te;st", .content_type = TEST,
                                              .generate = generate_good)),
           "te;st");
    refuse(r,
           PLUGIN(.name = "p",
                  .generators = ONE_GENERATOR(.name = "g", .package = "test", .content_type = TEST,
                                              .generate = generate_good),
                  .supplements = (const struct es_body_supplement *const[]){ &useless, NULL }),
           "supplement s");
}

static void test_too_many_parts(void **state)
{
    static const struct es_body_supplement *many[65];
    static const struct es_body_supplement one = {
        .size = sizeof(one), .name = "s", .content_type = TEST, .supplement = add_nothing
    };

    for (size_t i = 0; i < 64; i++)
        many[i] = &one;
    refuse(*state, PLUGIN(.name = "p", .supplements = many), "more than 64");
}

struct listing {
    char text[1024];
    struct buf out;
};

static void list_part(void *ctx, const char *kind, const char *name, const char *package,
                      const char *content_type, const char *plugin)
{
    struct listing *l = ctx;

    buf_printf(&l->out, "%s %s [%s] %s %s\n", kind, name, package, content_type, plugin);
}

static void test_listing(void **state)
{
    struct listing l;

    buf_init_on(&l.out, l.text, sizeof(l.text) - 1);
    body_registry_each(*state, list_part, &l);
    l.text[l.out.n] = '\0';
    assert_string_equal(
        l.text, "generator dialog-info [dialog presence] application/dialog-info+xml builtin\n"
                "generator pidf [presence dialog] application/pidf+xml builtin\n"
                "generator xpidf [presence dialog] application/xpidf+xml builtin\n"
                "generator cpim-pidf [presence dialog] application/cpim-pidf+xml builtin\n"
                "generator message-summary [message-summary] application/simple-message-summary "
                "builtin\n"
                "generator watcherinfo [winfo] application/watcherinfo+xml builtin\n"
                "generator opaque [opaque] */* builtin\n"
                "supplement digium [] application/pidf+xml builtin\n"
                "supplement eyebeam [] application/pidf+xml builtin\n");
}

/* ---- one in the place of another ---- */

static void test_replaced(void **state)
{
    struct es_subscriber phone = watcher("presence", "phone");
    struct snapshot *s = snapshot_new(resource_in(EXTENSION_INUSE));
    const struct rendered_body *former_body, *body, *again;
    const struct body_profile *former, *p;
    struct body_registry *r;
    struct rng rng;

    (void)state;
    rng_init_seeded(&rng, 1);
    assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
    former = body_profile_ref(profile_for(r, phone, PIDF, 0));
    assert_int_equal(body_render(former, s, &rng, &former_body), 0);
    body_registry_unref(r);
    assert_int_equal(body_render(former, s, &rng, &again), 0);
    assert_ptr_equal(again, former_body);

    assert_int_equal(body_registry_create(&r, NULL, former->registry), 0);
    assert_false(body_profile_is_of(former, r));
    body_profile_unref(former);
    p = profile_for(r, phone, PIDF, 0);
    assert_int_equal(body_render(p, s, &rng, &body), 0);
    assert_ptr_not_equal(body, former_body); /* though the profile may be where the former was */
    assert_true(body_same(body, former_body));
    body_registry_unref(r);
    assert_true(str_equal(body_content_type(former_body), STR(PIDF)));
    snapshot_unref(s);
}

int main(void)
{
#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST_CASE(test_predicates), TEST_CASE(test_refused_plugins), TEST_CASE(test_too_many_parts),
        TEST_CASE(test_listing),    cmocka_unit_test(test_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
