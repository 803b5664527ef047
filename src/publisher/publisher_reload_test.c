// SPDX-License-Identifier: MIT
/* Reloads: sections that come, go and change, filters, and publications shared across contexts. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

#define BY_NAME "[compatibility]\npublish_key_without_context=yes\n"

/* ---- sections that change ---- */

/* esc_find's names with another host. */
static size_t documents_at(struct bench *b, const char *part)
{
    size_t n = 0;

    LIST_FOREACH (it, &b->documents)
        n += str_contains_nocase(CONTAINER_OF(it, struct esc_document, link)->resource,
                                 str_of(part));
    return n;
}

#define MODIFY_AWAY "1000 modify idle 3600: 200\n1000 remove - 0: 200\n"
#define ESC_AT(uri, rest) "[esc]\ntype=outbound-publish\nmulti_user=yes\nserver_uri=" uri "\n" rest

/* 1000@users is published, 2000@office is known. */
static const struct reload_case {
    const char *name, *conf, *extstate;
    const char *seen;
    size_t publications, sections;
} reload_cases[] = {
    { "nothing", ESC "@context=users\n", NULL, "", 1, 1 },
    { "a comment, order, another object",
      "; comment\n[x]\ntype=aor\n" ESC_HEAD "@context=users\n" ESC_BODY, NULL, "", 1, 1 },
    { "expiration", ESC "@context=users\nexpiration=60\n", NULL, "", 1, 1 },
    { "max_auth_attempts", ESC "@context=users\nmax_auth_attempts=2\n", NULL, "", 1, 1 },
    { "credentials", ESC_AUTH "@context=users\n", NULL, "", 1, 1 },
    { "header fields", "[global]\ntype=global\nuser_agent=x\n" ESC "@context=users\n",
      "[compatibility]\npublish_swaps_from_to=yes\n", "", 1, 1 },
    { "the filter's words, not its meaning", ESC "@context=^users$\n", NULL, "", 1, 1 },
    { "the filter takes more", ESC, NULL, "2000 initial early 3600: 200\n", 2, 1 },
    { "the filter takes another", ESC "@context=office\n", NULL,
      "1000 modify idle 3600: 200\n2000 initial early 3600: 200\n1000 remove - 0: 200\n", 1, 1 },
    { "the filter takes nothing", ESC "@exten=^9\n", NULL, MODIFY_AWAY, 0, 1 },
    { "the section is gone", "[other]\ntype=aor\n", NULL, MODIFY_AWAY, 0, 0 },
    { "it has no @body", ESC_HEAD, NULL, MODIFY_AWAY, 0, 0 },
    { "another name",
      ESC_AT("sip:esc.test", "event=dialog\n@context=users\n" ESC_BODY) "[esc2](esc)\n", NULL,
      "1000 initial confirmed 3600: 200\n", 2, 2 },
    { "another server", ESC_AT("sip:esc2.test", "event=dialog\n@context=users\n" ESC_BODY), NULL,
      "1000 modify idle 3600: 200\n1000 initial confirmed 3600: 200\n1000 remove - 0: 200\n", 1,
      1 },
    { "another identity", ESC "@context=users\nfrom_uri=sip:pbx.test\n", NULL,
      "1000 modify idle 3600: 200\n1000 initial confirmed 3600: 200\n1000 remove - 0: 200\n", 1,
      1 },
    { "another To", ESC "@context=users\nto_uri=sip:watch.test\n", NULL,
      "1000 modify idle 3600: 200\n1000 initial confirmed 3600: 200\n1000 remove - 0: 200\n", 1,
      1 },
    { "another proxy", ESC "@context=users\noutbound_proxy=sip:edge.test\\;lr\n", NULL,
      "1000 modify idle 3600: 200\n1000 initial confirmed 3600: 200\n1000 remove - 0: 200\n", 1,
      1 },
    { "another event", ESC_AT("sip:esc.test", "event=presence\n@context=users\n" ESC_BODY), NULL,
      "1000 modify idle 3600: 200\n1000 initial confirmed 3600: 200\n1000 remove - 0: 200\n", 1,
      1 },
    { "another body",
      ESC_AT("sip:esc.test", "event=presence\n@context=users\n@body=application/pidf+xml\n"), NULL,
      "1000 modify idle 3600: 200\n1000 initial On the phone 3600: 200\n1000 remove - 0: 200\n", 1,
      1 },
    { "a switch that does not show in this body", ESC "@context=users\n",
      "[compatibility]\nremoved_hint_is_idle=yes\n", "", 1, 1 },
};

static void test_reload(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reload_cases); i++) {
        const struct reload_case *c = &reload_cases[i];
        struct bench *b = bench_create(ESC "@context=users\n", NULL);

        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_set(b, "2000@office", EXTENSION_RINGING);
        bench_run(b, 1000);
        bench_forget_seen(b);
        print_message("    %s\n", c->name);
        bench_reload(b, c->conf, c->extstate);
        bench_run(b, 1000);
        assert_string_equal(bench_seen(b), c->seen);
        assert_int_equal(bench_count(b), c->publications);
        assert_int_equal(esc_count(b), c->publications);
        assert_int_equal(bench_counters(b).sections, c->sections);
        assert_int_equal(publisher_busy(b->publisher), 0);
        /* And back again. */
        bench_reload(b, ESC "@context=users\n", NULL);
        bench_run(b, 1000);
        assert_int_equal(bench_count(b), 1);
        assert_string_equal(esc_state(b, "1000"), "confirmed");
        bench_destroy(b);
    }
}

static void test_only_the_body_changes(void **state)
{
    struct bench *b =
        bench_create(ESC_AT("sip:esc.test", "event=presence\n@body=application/pidf+xml\n"), NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    bench_reload(b, ESC_AT("sip:esc.test", "event=presence\n" ESC_BODY), NULL);
    bench_run(b, 1000);
    assert_seen(b, "1000 modify Unavailable 3600: 200\n1000 initial confirmed 3600: 200\n"
                   "1000 remove - 0: 200\n");
    bench_destroy(b);
}

static int generate_lamp(const struct es_body_request *rq, struct es_document *out)
{
    bool on = rq->snapshot->state == ES_EXTENSION_INUSE;

    rq->api->raw(out, on ? ES_TEXT("<state>early</state>") : ES_TEXT("<state>idle</state>"));
    return 0;
}

/* `generator` is all that there is beside what is built in; NULL: nothing is. */
static void plugins_become(struct bench *b, const struct es_body_generator *generator)
{
    const struct es_body_generator *const generators[] = { generator, NULL };
    const struct es_plugin plugin = {
        .abi = ES_PLUGIN_ABI, .size = sizeof(plugin), .name = "lamp", .generators = generators
    };
    struct body_registry *bodies;
    char reason[256];
    struct buf why;

    buf_init_on(&why, reason, sizeof(reason));
    assert_int_equal(body_registry_create(&bodies, b->log, b->bodies), 0);
    assert_int_equal(body_registry_add(bodies, &plugin, NULL, &why), 0);
    body_registry_unref(b->bodies);
    b->bodies = bodies;
    publisher_bodies_set(b->publisher, bodies);
}

/* Another body is published at once, by plugins that change alone, too; what nothing makes any more
 * goes on as it was. */
static void test_plugins(void **state)
{
    static const struct es_body_generator lamp = { .size = sizeof(lamp),
                                                   .name = "lamp",
                                                   .package = "dialog",
                                                   .content_type = "application/dialog-info+xml",
                                                   .priority = 1,
                                                   .generate = generate_lamp };
    static const char conf[] = ESC;
    struct bench *b = bench_create(conf, NULL);
    struct settings *s = b->settings;

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    plugins_become(b, NULL);
    publisher_settings_set(b->publisher, s);
    bench_run(b, 1000);
    assert_seen(b, "");
    plugins_become(b, &lamp);
    publisher_settings_set(b->publisher, s);
    bench_run(b, 1000);
    assert_seen(b, "1000 modify early 3600: 200\n");
    bench_destroy(b);
}

static void test_body_that_is_gone(void **state)
{
    static const struct es_body_generator lamp = { .size = sizeof(lamp),
                                                   .name = "lamp",
                                                   .package = "dialog",
                                                   .content_type = "text/plain",
                                                   .generate = generate_lamp };
    static const char conf[] = ESC_AT("sip:esc.test", "event=dialog\n@body=text/plain\n");
    struct bench *b = bench_create("[none]\ntype=aor\n", NULL);

    (void)state;
    plugins_become(b, &lamp);
    bench_reload(b, conf, NULL);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_string_equal(esc_state(b, "1000"), "early");
    bench_forget_seen(b);
    plugins_become(b, NULL);
    bench_reload(b, conf, NULL);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    assert_string_equal(esc_state(b, "1000"), "idle");
    bench_destroy(b);
}

static void test_new_server_is_told_at_once(void **state)
{
    struct bench *b = bench_create("[none]\ntype=aor\n", NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 500, EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_int_equal(b->requests, 0);
    bench_reload(b, ESC, NULL);
    bench_run(b, 1000);
    assert_int_equal(bench_shown(b, 500, "confirmed"), 500);
    bench_reload(b, ESC_AT("sip:esc2.test", "event=dialog\n" ESC_BODY), NULL);
    bench_run(b, 1000);
    assert_int_equal(documents_at(b, "@esc2.test"), 500);
    assert_int_equal(documents_at(b, "@esc.test"), 0);
    bench_destroy(b);
}

/* What is taken over takes effect with the next request; nonces stay good. */
static void test_taken_over(void **state)
{
    struct bench *b = bench_create(ESC_AUTH, NULL);

    (void)state;
    b->esc.nonce = "n";
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    bench_reload(b, ESC_AUTH "expiration=600\n", NULL);
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    assert_seen(b, "1000 modify idle 600: 200\n");
    assert_int_equal(b->challenges, 1);
    bench_destroy(b);
}

/* A switch that changes some bodies: those are told again, also when one was on its way. */
static void test_bodies_change(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1001@users", EXTENSION_IDLE);
    bench_set(b, "1002@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    bench_set(b, "1002@users", EXTENSION_IDLE);
    bench_run(b, 5);
    bench_reload(b, ESC, "[compatibility]\nasterisk_bodies=yes\n");
    bench_run(b, 1000);
    assert_seen(b, "1002 modify idle 3600: 200\n"
                   "1001 modify terminated 3600: 200\n"
                   "1002 modify terminated 3600: 200\n");
    bench_destroy(b);
}

/* The operator mends the password: whoever was refused need not wait for ten minutes. */
static void test_credentials_mended(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->esc.nonce = "n";
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 200000);
    assert_string_equal(bench_view(b, "esc", "1000").state, "refused");
    bench_forget_seen(b);
    bench_reload(b, ESC, NULL);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_reload(b, ESC_AUTH, NULL);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 401\n1000 initial confirmed 3600: 200\n");
    bench_destroy(b);
}

/* Its server is dead: a section that is gone does not stay for ever. */
static void test_retired_with_dead_server(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    bench_set_many(b, 1000, EXTENSION_INUSE);
    bench_run(b, 10000);
    b->esc.silent = true;
    bench_reload(b, "[none]\ntype=aor\n", NULL);
    assert_int_equal(bench_counters(b).sections, 1);
    bench_run(b, 300000);
    assert_int_equal(bench_counters(b).sections, 0);
    assert_int_equal(bench_counters(b).publications, 0);
    bench_destroy(b);
}

/* Never found, never sent: nothing to take back. */
static void test_retired_without_address(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->resolves = false;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 10000);
    bench_reload(b, "[none]\ntype=aor\n", NULL);
    assert_int_equal(bench_counters(b).sections, 0);
    bench_run(b, 10000);
    bench_destroy(b);
}

/* In the middle of everything: nothing is left over (the sanitizer's word). */
static void test_destroyed_early(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 200; ms += 5) {
        struct bench *b = bench_create(ESC_AUTH, NULL);

        b->esc.nonce = "n";
        bench_set_many(b, 20, EXTENSION_INUSE);
        bench_run(b, 50);
        bench_set_many(b, 10, EXTENSION_IDLE);
        bench_remove(b, "1015@users");
        bench_run(b, ms / 2);
        bench_reload(b, ESC_AT("sip:esc2.test", "event=dialog\n" ESC_BODY), NULL);
        bench_run(b, ms);
        bench_destroy(b);
    }
}

/* ---- one publication for all contexts ---- */

static void test_by_name(void **state)
{
    struct bench *b = bench_create(ESC, BY_NAME);

    (void)state;
    bench_set(b, "100@a", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_set(b, "100@b", EXTENSION_RINGING);
    bench_run(b, 1000);
    assert_seen(b, "100 initial confirmed 3600: 200\n100 modify early 3600: 200\n");
    assert_int_equal(bench_count(b), 1);
    bench_remove(b, "100@b"); /* the other speaks again */
    bench_run(b, 1000);
    assert_seen(b, "100 modify confirmed 3600: 200\n");
    bench_set(b, "100@b", EXTENSION_IDLE);
    bench_set(b, "100@c", EXTENSION_RINGING);
    bench_set(b, "100@a", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    bench_remove(b, "100@a"); /* c was later than b */
    bench_run(b, 1000);
    bench_remove(b, "100@b"); /* was not speaking */
    bench_run(b, 1000);
    assert_seen(b, "100 modify early 3600: 200\n");
    bench_remove(b, "100@c");
    bench_run(b, 1000);
    assert_seen(b, "100 modify idle 3600: 200\n100 remove - 0: 200\n");
    bench_destroy(b);
}

/* A name that the filter does not take has no say. */
static void test_by_name_filtered(void **state)
{
    static const char *const names[] = { "100@a", "100@b", "100@c", "100@d", "100@e", "100@f" };
    struct bench *b = bench_create(ESC "@context=^a\n", BY_NAME);

    (void)state;
    bench_set(b, "100@a", EXTENSION_INUSE);
    bench_set(b, "100@b", EXTENSION_RINGING);
    bench_run(b, 1000);
    bench_set(b, "100@b", EXTENSION_IDLE);
    bench_remove(b, "100@b");
    bench_set(b, "100@b", EXTENSION_RINGING);
    bench_run(b, 1000);
    assert_seen(b, "100 initial confirmed 3600: 200\n");
    bench_reload(b, ESC "@context=^b\n", BY_NAME);
    bench_run(b, 1000);
    assert_seen(b, "100 modify early 3600: 200\n"); /* the publication goes on */
    bench_reload(b, ESC, BY_NAME);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_reload(b, ESC "@context=^x\n", BY_NAME);
    bench_run(b, 1000);
    assert_seen(b, "100 modify idle 3600: 200\n100 remove - 0: 200\n");
    bench_set(b, "100@a", EXTENSION_IDLE);
    bench_set(b, "100@b", EXTENSION_INUSE); /* the last that changed */
    bench_reload(b, ESC, BY_NAME);
    bench_run(b, 1000);
    assert_seen(b, "100 initial confirmed 3600: 200\n");
    for (size_t last = 0; last < ARRAY_LEN(names); last++) { /* whichever the walk begins with */
        bench_reload(b, ESC "@context=^x\n", BY_NAME);
        bench_run(b, 1000);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            bench_set(b, names[i], EXTENSION_INUSE);
        bench_set(b, names[last], EXTENSION_RINGING);
        bench_reload(b, ESC "@context=^.$\n", BY_NAME);
        bench_run(b, 1000);
        assert_string_equal(esc_state(b, "100"), "early");
    }
    for (size_t i = 2; i < ARRAY_LEN(names); i++)
        bench_remove(b, names[i]);
    bench_reload(b, ESC, NULL); /* each its own again */
    bench_run(b, 1000);
    assert_int_equal(bench_count(b), 2);
    assert_int_equal(esc_count(b), 2);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_only_the_body_changes),
        cmocka_unit_test(test_plugins),
        cmocka_unit_test(test_body_that_is_gone),
        cmocka_unit_test(test_new_server_is_told_at_once),
        cmocka_unit_test(test_taken_over),
        cmocka_unit_test(test_bodies_change),
        cmocka_unit_test(test_credentials_mended),
        cmocka_unit_test(test_retired_with_dead_server),
        cmocka_unit_test(test_retired_without_address),
        cmocka_unit_test(test_destroyed_early),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_by_name_filtered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
