// SPDX-License-Identifier: MIT
#include "config/config_test.h"

#include <stdio.h>

struct loaded {
    struct settings *s;
    struct diag diag;
};

static struct loaded load(const char *pjsip, const char *extstate)
{
    struct test_file files[] = { { "etc/pjsip.conf", pjsip },
                                 { "etc/extstate.conf", extstate },
                                 { NULL, NULL } };
    struct loaded l = { .s = NULL };
    struct settings_source source = { .directory = STR("etc"),
                                      .state_directory = STR("/var/lib/extstate"),
                                      .files = test_conf_source(files),
                                      .resolve = test_resolve };

    diag_init(&l.diag);
    assert_int_equal(settings_read(&l.s, &source, &l.diag), 0);
    return l;
}

static void unload(struct loaded *l)
{
    settings_unref(l->s);
    diag_fini(&l->diag);
}

#define UDP "[udp]\ntype=transport\nbind=127.0.0.1\n"
#define PJSIP UDP "[alice]\ntype=endpoint\naors=alice\n[alice]\ntype=aor\n"

static void assert_list(const struct str *list, size_t n, const char *want)
{
    char room[200];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    for (size_t i = 0; i < n; i++) {
        buf_add(&b, i ? STR(" ") : STR_EMPTY);
        buf_add(&b, list[i]);
    }
    assert_str(buf_str(&b), want);
}

static void test_defaults(void **state)
{
    struct loaded l = load(PJSIP, "[compositor]\n");
    const struct compositor_settings *c = l.s->compositors;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_compositors, 1);
    assert_str(c->id, "compositor");
    assert_int_equal(c->n_domains, 0);
    assert_str(c->context, "default");
    assert_list(c->packages, c->n_packages, "dialog presence message-summary");
    assert_int_equal(c->n_opaques, 0);
    assert_int_equal(c->publish, PUBLISH_OWN);
    assert_int_equal(c->n_publishers, 0);
    assert_int_equal(c->minimum_expiry_s, 5);
    assert_int_equal(c->maximum_expiry_s, 3600);
    assert_int_equal(c->default_expiry_s, 3600);
    assert_int_equal(c->expiry_grace_s, 10);
    assert_int_equal(c->max_per_publisher, 10000);
    assert_int_equal(c->max_per_resource, 32);
    assert_int_equal(c->max_body, 65536);
    assert_int_equal(c->order, COMPOSE_AGGREGATE);
    assert_true(c->any_user && c->supersede);
    assert_str(c->at.file, "etc/extstate.conf");
    assert_int_equal(c->at.line, 1);
    unload(&l);
    l = load(PJSIP, "[general]\n");
    assert_int_equal(l.s->n_compositors, 0);
    assert_null(settings_compositor(l.s, STR("example.com")));
    unload(&l);
}

static void test_values(void **state)
{
    struct loaded l =
        load(PJSIP,
             "[base](!)\ntype=Compositor\ncontext=users\n"
             "[main](base)\ndomains=Example.com, 192.0.2.1\ndomains=[2001:db8::1]\n"
             "packages=presence\npackages=dialog, presence\nopaque=reg, conference\nopaque=x-y\n"
             "publish=ANY\npublishers=alice\npriority=alice\nminimum_expiry=2m\nmaximum_expiry=1d\n"
             "default_expiry=10m\nexpiry_grace=0\nmax_publications_per_publisher=0\n"
             "max_publications_per_resource=5\nmax_body=2048\norder=hint\nusers=known\n"
             "supersede=no\n"
             "[other](base)\npackages=\nopaque=reg\npublish=none\norder=publication\ncontext=\n"
             "[Compositor]\ndomains=example.net\nusers=any\norder=aggregate\npublish=own\n");
    const struct compositor_settings *c = l.s->compositors;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_compositors, 3);
    assert_str(c[0].id, "main");
    assert_str(c[0].context, "users");
    assert_list(c[0].domains, c[0].n_domains, "Example.com 192.0.2.1 [2001:db8::1]");
    assert_list(c[0].packages, c[0].n_packages, "presence dialog");
    assert_list(c[0].opaques, c[0].n_opaques, "reg conference x-y");
    assert_int_equal(c[0].publish, PUBLISH_ANY);
    assert_list(c[0].publishers, c[0].n_publishers, "alice");
    assert_list(c[0].priorities, c[0].n_priorities, "alice");
    assert_int_equal(c[0].minimum_expiry_s, 120);
    assert_int_equal(c[0].maximum_expiry_s, 86400);
    assert_int_equal(c[0].default_expiry_s, 600);
    assert_int_equal(c[0].expiry_grace_s, 0);
    assert_int_equal(c[0].max_per_publisher, 0);
    assert_int_equal(c[0].max_per_resource, 5);
    assert_int_equal(c[0].max_body, 2048);
    assert_int_equal(c[0].order, COMPOSE_HINT_FIRST);
    assert_false(c[0].any_user || c[0].supersede);
    assert_str(c[1].context, "default");
    assert_int_equal(c[1].n_packages, 0);
    assert_int_equal(c[1].publish, PUBLISH_NONE);
    assert_int_equal(c[1].order, COMPOSE_PUBLICATION_FIRST);
    assert_str(c[2].id, "Compositor");
    assert_list(c[2].packages, c[2].n_packages, "dialog presence message-summary");
    unload(&l);
}

/* What is expected of extstate.conf without its name at the head of each line. */
static void test_problems(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "domains=example.com:5060,a b,192.0.2.1:5060,good.example\n",
          "2: error: domains = example.com:5060: not a host name or an address without a port; it "
          "is left out\n"
          "2: error: domains = a b: not a host name or an address without a port; it is left out\n"
          "2: error: domains = 192.0.2.1:5060: not a host name or an address without a port; it is "
          "left out\n" },
        { "domains=a:b\n",
          "2: error: domains = a:b: not a host name or an address without a port; it is left out\n"
          "2: error: compositor [compositor] is refused: none of its domains is one\n" },
        { "packages=dialog,conference\n",
          "2: error: packages = conference: not one of dialog, presence, message-summary; opaque = "
          "serves others as they are published; it is left out\n" },
        { "packages=\n", "2: warning: compositor [compositor] has neither packages nor opaque, so "
                         "nothing can be published there\n" },
        { "opaque=dialog,a/b,presence.winfo,Winfo\n",
          "2: error: opaque = dialog: a package that is understood; name it in packages; it is "
          "left out\n"
          "2: error: opaque = a/b: not the name of an event package; it is left out\n"
          "2: error: opaque = presence.winfo: a package that cannot be published; it is left "
          "out\n"
          "2: error: opaque = Winfo: a package that cannot be published; it is left out\n" },
        { "publish=others\n", "2: error: publish = others: not one of none, own, any; the default "
                              "own is used instead\n" },
        { "publishers=alice,bob\n", "1: warning: compositor [compositor]: publishers names bob, "
                                    "but there is no such endpoint\n" },
        { "priority=bob,alice\n", "1: warning: compositor [compositor]: priority names bob, but "
                                  "there is no such endpoint\n" },
        { "minimum_expiry=x\nmaximum_expiry=0\nexpiry_grace=2d\n",
          "2: error: minimum_expiry = x: not a time in seconds (or 90s, 15m, 2h, 7d) from 0 to "
          "4294967295; the default 5 is used instead\n"
          "3: error: maximum_expiry = 0: not a time in seconds (or 90s, 15m, 2h, 7d) from 1 to "
          "4294967295; the default 3600 is used instead\n"
          "4: error: expiry_grace = 2d: not a time in seconds (or 90s, 15m, 2h, 7d) from 0 to "
          "86400; the default 10 is used instead\n" },
        { "minimum_expiry=7200\n", "1: warning: maximum_expiry = 3600 is less than minimum_expiry; "
                                   "7200 is used for both\n" },
        { "maximum_expiry=600\n", "" },
        { "default_expiry=3\n", "2: warning: default_expiry = 3 is not between minimum_expiry "
                                "and maximum_expiry; 5 is used instead\n" },
        { "maximum_expiry=600\ndefault_expiry=601\n",
          "3: warning: default_expiry = 601 is not between minimum_expiry and maximum_expiry; 600 "
          "is used instead\n" },
        { "max_body=65537\n", "2: error: max_body = 65537: not a whole number from 1 to 65536; the "
                              "default 65536 is used instead\n" },
        { "max_publications_per_publisher=-1\nmax_publications_per_resource=many\n",
          "2: error: max_publications_per_publisher = -1: not a whole number from 0 to 4294967295; "
          "the default 10000 is used instead\n"
          "3: error: max_publications_per_resource = many: not a whole number from 0 to "
          "4294967295; the default 32 is used instead\n" },
        { "order=newest\nusers=all\nsupersede=perhaps\n",
          "2: error: order = newest: not one of aggregate, hint, publication; the default "
          "aggregate is used instead\n"
          "3: error: users = all: not one of any, known; the default any is used instead\n"
          "4: error: supersede = perhaps: not yes or no; the default yes is used instead\n" },
        { "publisher=alice\nminimum_expire=1\nrealm=x\n",
          "2: warning: unknown option publisher in compositor is ignored; did you mean "
          "publishers?\n"
          "3: warning: unknown option minimum_expire in compositor is ignored; did you mean "
          "minimum_expiry?\n"
          "4: warning: unknown option realm in compositor is ignored; remove it, or correct the "
          "name\n" },
        { "[compositer]\n", "2: warning: unknown section [compositer] is ignored; did you mean "
                            "[compositor]?\n" },
        { "[mine]\ntype=compositior\n", "2: warning: unknown section [mine] is ignored; did you "
                                        "mean type = compositor?\n" },
        /* ---- which of several serves a domain ---- */
        { "[b]\ntype=compositor\n",
          "2: error: compositor [b] has no domains, as [compositor] at etc/extstate.conf:1; the "
          "first serves what no other names, add domains = ...\n" },
        { "domains=a.example\n[b]\ntype=compositor\ndomains=b.example,A.Example\n",
          "3: error: compositor [b]: A.Example is served by [compositor] at etc/extstate.conf:1 "
          "already; the first keeps it, remove one\n" },
        { "domains=2001:db8::1\n[b]\ntype=compositor\ndomains=[2001:DB8:0::1]\n",
          "3: error: compositor [b]: [2001:DB8:0::1] is served by [compositor] at "
          "etc/extstate.conf:1 already; the first keeps it, remove one\n" },
        { "domains=a.example,A.EXAMPLE\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char room[2000], want[2000];
        struct str rest = str_of(cases[i].want);
        struct loaded l;
        struct buf b;

        assert_true(snprintf(room, sizeof(room), "[compositor]\n%s", cases[i].text) > 0);
        buf_init_on(&b, want, sizeof(want));
        while (rest.n) {
            struct str line = str_next(&rest, '\n');

            buf_printf(&b, "etc/extstate.conf:%.*s\n", STR_FMT(line));
        }
        buf_add_char(&b, '\0');
        l = load(PJSIP, room);
        test_assert_text("diag", cases[i].text, buf_str(&l.diag.text), want);
        unload(&l);
    }
}

static void test_expiries_after_problems(void **state)
{
    struct loaded l = load(PJSIP, "[compositor]\nminimum_expiry=7200\n"
                                  "[short]\ntype=compositor\ndomains=s\nmaximum_expiry=600\n"
                                  "[raised]\ntype=compositor\ndomains=r\ndefault_expiry=1\n");
    const struct compositor_settings *c = l.s->compositors;

    (void)state;
    assert_int_equal(l.s->n_compositors, 3);
    assert_int_equal(c[0].maximum_expiry_s, 7200);
    assert_int_equal(c[0].default_expiry_s, 7200);
    assert_int_equal(c[1].default_expiry_s, 600);
    assert_int_equal(c[2].default_expiry_s, 5);
    unload(&l);
}

static void test_domains(void **state)
{
    struct loaded l = load(PJSIP "[alias.example]\ntype=domain_alias\ndomain=One.example\n"
                                 "[two.example]\ntype=domain_alias\ndomain=one.example\n"
                                 "[nowhere.example]\ntype=domain_alias\ndomain=else.example\n",
                           "[one]\ntype=compositor\ndomains=one.example,192.0.2.1,2001:db8::1,pbx\n"
                           "[two]\ntype=compositor\ndomains=two.example\n"
                           "[rest]\ntype=compositor\n"
                           "[lost]\ntype=compositor\ndomains=/\n");
    static const struct {
        const char *domain, *want;
    } cases[] = {
        { "one.example", "one" },
        { "ONE.Example", "one" },
        { "192.0.2.1", "one" },
        { "2001:DB8::0:1", "one" }, /* as sip_uri_parse gives it */
        { "[2001:db8::1]", "one" },
        { "PBX", "one" },
        { "Alias.Example", "one" },
        { "two.example", "two" }, /* named, so the alias does not count */
        { "nowhere.example", "rest" },
        { "192.0.2.2", "rest" },
        { "sub.one.example", "rest" },
        { "", "rest" },
        { "a/b", "rest" },
    };
    char longest[300];

    (void)state;
    assert_str(buf_str(&l.diag.text),
               "etc/extstate.conf:11: error: domains = /: not a host name or an address without a "
               "port; it is left out\n"
               "etc/extstate.conf:11: error: compositor [lost] is refused: none of its domains is "
               "one\n");
    assert_int_equal(l.s->n_compositors, 3);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct compositor_settings *c = settings_compositor(l.s, str_of(cases[i].domain));

        assert_non_null(c);
        test_assert_text("compositor", cases[i].domain, c->id, cases[i].want);
    }
    memset(longest, 'a', sizeof(longest));
    assert_str(settings_compositor(l.s, (struct str){ longest, sizeof(longest) })->id, "rest");
    unload(&l);
    l = load(PJSIP, "[one]\ntype=compositor\ndomains=one.example\n");
    assert_non_null(settings_compositor(l.s, STR("one.example")));
    assert_null(settings_compositor(l.s, STR("two.example")));
    unload(&l);
}

static void test_override(void **state)
{
    const struct str good = STR("compositor.minimum_expiry=30");
    const struct str bad = STR("compositor.minimum=30");
    struct test_file files[] = { { "etc/pjsip.conf", PJSIP }, { NULL, NULL } };
    struct settings_source source = { .directory = STR("etc"),
                                      .state_directory = STR("/s"),
                                      .overrides = &good,
                                      .n_overrides = 1,
                                      .files = test_conf_source(files) };
    struct settings *s = NULL;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(settings_read(&s, &source, &diag), 0);
    assert_int_equal(s->compositors[0].minimum_expiry_s, 30);
    settings_unref(s);
    source.overrides = &bad;
    assert_int_equal(settings_read(&s, &source, &diag), SETTINGS_UNUSABLE);
    settings_unref(s);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_expiries_after_problems),
        cmocka_unit_test(test_domains),  cmocka_unit_test(test_override),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
