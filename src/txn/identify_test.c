// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "txn/identify.h"
#include "txn/settings_fixture.h"

static const char base_conf[] =
    "[t]\ntype=transport\nprotocol=udp\nbind=127.0.0.1\ndomain=transport.example\n"
    "[old.example]\ntype=domain_alias\ndomain=new.example\n"
    "[alice]\ntype=endpoint\n"
    "[bob@new.example]\ntype=endpoint\n"
    "[carol@transport.example]\ntype=endpoint\n"
    "[dave]\ntype=endpoint\n"
    "[dave@home.example]\ntype=endpoint\n"
    "[Erin]\ntype=endpoint\n"
    "[trunk]\ntype=endpoint\nidentify_by=ip\n"
    "[silent]\ntype=endpoint\nidentify_by=auth_username\n"
    "[trunk-id]\ntype=identify\nendpoint=trunk\nmatch=192.0.2.0/24,!192.0.2.66,192.0.2.70:5070\n"
    "[trunk-six]\ntype=identify\nendpoint=trunk\nmatch=2001:db8::/32\n"
    "[alice-id]\ntype=identify\nendpoint=alice\nmatch=198.51.100.1,198.51.100.2:5080\n"
    "[silent-id]\ntype=identify\nendpoint=silent\nmatch=198.51.100.9\n"
    "[hidden]\ntype=endpoint\nidentify_by=username\n"
    "[by-header]\ntype=identify\nendpoint=hidden\nmatch_header=X-Tenant: blue one\n"
    "[by-pattern]\ntype=identify\nendpoint=trunk\nmatch_header=Subject: /^t-[0-9]+$/\n"
    "match=192.0.4.1\n"
    "[by-uri]\ntype=identify\nendpoint=Erin\nmatch_request_uri=/^sip:99@.*\\;x=1$/\n"
    "[nowhere]\ntype=identify\nendpoint=alice\nmatch_request_uri=sip:98@x\n"
    "[lost-id]\ntype=identify\nendpoint=alice\nmatch=203.0.113.0/24,!203.0.113.5\n";

struct who {
    const char *from, *authorization, *source;
    const char *endpoint;  /* NULL: nobody */
    const char *uri;       /* NULL: some */
    const char *name;      /* of a certificate; NULL: none */
    const char *transport; /* NULL: t */
};

static const struct endpoint_settings *ask(const struct settings *s,
                                           const struct identify_index *ix, const struct who *w)
{
    char text[1024];
    struct sip_message msg;
    struct flow from = { .names = NULL };
    const struct endpoint_settings *e;
    struct net_names *names = NULL;
    int n =
        snprintf(text, sizeof(text),
                 "SUBSCRIBE %s SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n"
                 "From: %s;tag=1\r\nTo: <sip:100@x>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n"
                 "%s\r\n",
                 w->uri ? w->uri : "sip:100@x", w->from, w->authorization ? w->authorization : "");

    assert_true(n > 0 && (size_t)n < sizeof(text));
    assert_int_equal(sip_message_parse(&msg, (struct str){ text, (size_t)n }, NULL), 0);
    assert_int_equal(addr_parse(&from.remote, str_of(w->source ? w->source : "10.0.0.1"), 5060), 0);
    if (w->name)
        assert_int_equal(net_names_create(&names, &(struct str){ w->name, strlen(w->name) }, 1), 0);
    from.names = names;
    e = ix ? identify_with(s, ix, &msg, &from, str_of(w->transport ? w->transport : "t"))
           : endpoint_identify(s, &msg, &from, str_of(w->transport ? w->transport : "t"));
    net_names_unref(names);
    return e;
}

/* With and without the index. */
static void check(const char *first_lines, const struct who *cases, size_t n)
{
    char conf[4096];
    struct identify_index *ix;
    struct settings *s;

    snprintf(conf, sizeof(conf), "%s%s", first_lines, base_conf);
    s = settings_fixture(conf);
    assert_int_equal(identify_index_create(&ix, s), 0);
    for (size_t i = 0; i < n; i++) {
        const struct endpoint_settings *e = ask(s, NULL, &cases[i]);
        struct str id = e ? e->id : STR("nobody");
        struct str want = cases[i].endpoint ? str_of(cases[i].endpoint) : STR("nobody");

        assert_ptr_equal(e, ask(s, ix, &cases[i]));
        if (!str_equal(id, want))
            fail_msg("%s from %s: %.*s instead of %.*s", cases[i].from,
                     cases[i].source ? cases[i].source : "-", STR_FMT(id), STR_FMT(want));
    }
    identify_index_destroy(ix);
    settings_unref(s);
}

static void test_username(void **state)
{
    static const struct who cases[] = {
        { .from = "<sip:alice@anywhere>", .endpoint = "alice" },
        { .from = "\"A\" <sip:alice@anywhere:5080;user=phone>", .endpoint = "alice" },
        { .from = "sips:alice@anywhere", .endpoint = "alice" },
        { .from = "<tel:alice>", .endpoint = NULL },
        { .from = "<sip:Alice@anywhere>", .endpoint = NULL }, /* ids have case */
        { .from = "<sip:erin@anywhere>", .endpoint = NULL },
        { .from = "<sip:%61lice@anywhere>", .endpoint = "alice" },
        { .from = "<sip:bob@new.example>", .endpoint = "bob@new.example" },
        { .from = "<sip:bob@old.example>", .endpoint = "bob@new.example" },
        { .from = "<sip:bob@other.example>", .endpoint = NULL },
        { .from = "<sip:carol@anywhere>", .endpoint = "carol@transport.example" },
        { .from = "<sip:dave@home.example>", .endpoint = "dave@home.example" },
        { .from = "<sip:dave@else.example>", .endpoint = "dave" },
        { .from = "<sip:trunk@anywhere>", .endpoint = NULL }, /* identify_by without username */
        { .from = "<sip:silent@anywhere>", .endpoint = NULL },
        { .from = "<sip:anywhere>", .endpoint = NULL },
        { .from = "<sip:alice;x=y@anywhere>", .endpoint = NULL },
    };
    static const struct who truncated[] = {
        { .from = "<sip:alice;x=y@anywhere>", .endpoint = "alice" },
        { .from = "<sip:dave@home.example>", .endpoint = "dave" }, /* domains are not looked at */
    };

    (void)state;
    check("", cases, ARRAY_LEN(cases));
    check("[global]\ntype=global\nignore_uri_user_options=yes\ndisable_multi_domain=yes\n",
          truncated, ARRAY_LEN(truncated));
}

/* What is proved comes before what is said. */
static void test_certificate(void **state)
{
    static const struct who cases[] = {
        { .from = "<sip:x@y>", .name = "dns:sbc.example", .endpoint = "silent" },
        { .from = "<sip:alice@y>", .name = "dns:sbc.example", .endpoint = "silent" },
        { .from = "<sip:alice@y>", .name = "dns:other.example", .endpoint = "alice" },
        { .from = "<sip:x@y>", .name = "dns:other.example" },
        { .from = "<sip:x@y>", .name = "sip:bob@sbc.example", .endpoint = "bob@new.example" },
        { .from = "<sip:x@y>", .name = "sip:alice@sbc.example" },
        { .from = "<sip:x@y>", .name = "sip:lost.example" },
    };

    (void)state;
    check("[sbc]\ntype=identify\nendpoint=silent\n@match_certificate=a.example,sbc.example\n"
          "[bob]\ntype=identify\nendpoint=bob@new.example\n"
          "@match_certificate=sip:bob@sbc.example\n"
          "[lost]\ntype=identify\nendpoint=lost\n@match_certificate=lost.example\n",
          cases, ARRAY_LEN(cases));
}

/* Whichever of the message's lines; what the endpoint's identify_by says does not matter. */
static void test_message(void **state)
{
    static const struct who cases[] = {
        { "<sip:x@y>", "X-Tenant: blue one\r\n", .endpoint = "hidden" },
        { "<sip:x@y>", "x-tenant:\t blue\r\n one \r\n", .endpoint = "hidden" },
        { "<sip:x@y>", "X-Tenant: red\r\nX-Tenant: blue one\r\n", .endpoint = "hidden" },
        { "<sip:x@y>", "X-Tenant: Blue One\r\n", .endpoint = NULL },
        { "<sip:x@y>", "X-Tenant: blue one, red\r\n", .endpoint = NULL },
        { "<sip:x@y>", "Subject: t-17\r\n", .endpoint = "trunk" },
        { "<sip:x@y>", "Subject: T-17\r\n", .endpoint = NULL },
        { "<sip:x@y>", .source = "192.0.4.1", .endpoint = "trunk" },
        { "<sip:x@y>", .uri = "sip:99@z;x=1", .endpoint = "Erin" },
        { "<sip:x@y>", .uri = "sip:99@z", .endpoint = NULL },
        { "<sip:x@y>", .uri = "sip:98@x", .endpoint = "alice" },
        { "<sip:x@y>", .uri = "sip:98@X", .endpoint = NULL },
        /* The default order: a name is looked at first. */
        { "<sip:dave@else>", "X-Tenant: blue one\r\n", .endpoint = "dave" },
    };
    static const struct who headers_first[] = {
        { "<sip:dave@else>", "X-Tenant: blue one\r\n", .endpoint = "hidden" },
        { "<sip:dave@else>", "X-Tenant: blue one\r\n", .uri = "sip:98@x", .endpoint = "alice" },
    };

    (void)state;
    check("", cases, ARRAY_LEN(cases));
    check("[global]\ntype=global\nendpoint_identifier_order=request_uri,header\n", headers_first,
          ARRAY_LEN(headers_first));
}

static void test_address(void **state)
{
    static const struct who cases[] = {
        { "<sip:x@y>", NULL, "192.0.2.1", "trunk" },
        { "<sip:x@y>", NULL, "192.0.2.66", NULL },
        { "<sip:x@y>", NULL, "192.0.2.70:5070", "trunk" },
        { "<sip:x@y>", NULL, "192.0.3.1", NULL },
        { "<sip:x@y>", NULL, "[2001:db8::5]:5060", "trunk" },
        { "<sip:x@y>", NULL, "[2001:db9::5]:5060", NULL },
        { "<sip:x@y>", NULL, "198.51.100.1:7777", "alice" },
        { "<sip:x@y>", NULL, "198.51.100.2:5080", "alice" },
        { "<sip:x@y>", NULL, "198.51.100.2:5081", NULL },
        { "<sip:x@y>", NULL, "198.51.100.9", "silent" }, /* whose identify_by is without ip */
        { "<sip:x@y>", NULL, "203.0.113.4", "alice" },
        { "<sip:x@y>", NULL, "203.0.113.5", NULL },
        { "<sip:dave@y>", NULL, "198.51.100.1", "alice" }, /* ip comes first */
        { "<sip:dave@y>", NULL, "203.0.113.5", "dave" },
    };
    static const struct who name_first[] = {
        { "<sip:dave@y>", NULL, "198.51.100.1", "dave" },
        { "<sip:x@y>", NULL, "198.51.100.1", "alice" },
    };

    (void)state;
    check("", cases, ARRAY_LEN(cases));
    check("[global]\ntype=global\nendpoint_identifier_order=username,ip\n", name_first,
          ARRAY_LEN(name_first));
    /* What is not in the list comes behind it. */
    check("[global]\ntype=global\nendpoint_identifier_order=username\n", name_first,
          ARRAY_LEN(name_first));
}

static void test_auth_username(void **state)
{
    static const char order[] =
        "[global]\ntype=global\nendpoint_identifier_order=auth_username,ip,username\n";
    static const struct who cases[] = {
        { "<sip:x@y>", "Authorization: Digest username=\"silent\", realm=\"r\", nonce=\"n\"\r\n",
          NULL, "silent" },
        { "<sip:x@y>", "Authorization: Digest realm=\"a,b\" , username=silent\r\n", NULL,
          "silent" },
        { "<sip:x@y>", "Authorization: Digest username=\"si\\lent\", realm=\"r\"\r\n", NULL,
          "silent" },
        { "<sip:x@y>",
          "Authorization: Digest username=\"nobody\"\r\n"
          "Authorization: Digest username=\"silent\"\r\n",
          NULL, "silent" },
        { "<sip:x@y>", "Authorization: Basic c2lsZW50\r\n", NULL, NULL },
        { "<sip:x@y>", "Authorization: Digest username=\"alice\"\r\n", NULL, NULL },
        { "<sip:alice@y>", "Authorization: Digest username=\"nobody\"\r\n", NULL, "alice" },
        { "<sip:x@y>", NULL, NULL, NULL },
    };

    (void)state;
    check(order, cases, ARRAY_LEN(cases));
    check("", cases, ARRAY_LEN(cases)); /* last, as it is not in the default order */
}

/* Two tenants, each with a transport: who comes by one of them is nobody of the other's. */
static void test_transports(void **state)
{
    static const char tenants[] = "[a]\ntype=transport\nbind=127.0.0.1:1\ndomain=a.example\n"
                                  "[b]\ntype=transport\nbind=127.0.0.1:2\ndomain=b.example\n"
                                  "[none]\ntype=transport\nbind=127.0.0.1:3\n"
                                  "[100@a.example]\ntype=endpoint\n[100@b.example]\ntype=endpoint\n"
                                  "[anonymous@b.example]\ntype=endpoint\n";
    static const struct who cases[] = {
        { .from = "<sip:100@192.0.2.1>", .transport = "a", .endpoint = "100@a.example" },
        { .from = "<sip:100@192.0.2.1>", .transport = "b", .endpoint = "100@b.example" },
        { .from = "<sip:100@a.example>", .transport = "b", .endpoint = "100@a.example" },
        { .from = "<sip:100@192.0.2.1>", .transport = "none" },
        { .from = "<sip:100@192.0.2.1>", .transport = "gone" },
        { .from = "<sip:x@y>", .transport = "b", .endpoint = "anonymous@b.example" },
        { .from = "<sip:x@y>", .transport = "a" },
    };

    (void)state;
    check(tenants, cases, ARRAY_LEN(cases));
}

static void test_anonymous(void **state)
{
    static const struct who cases[] = {
        { "<sip:x@y>", NULL, NULL, "anonymous" },
        { "<sip:x@there.example>", NULL, NULL, "anonymous@there.example" },
        { "<sip:alice@y>", NULL, NULL, "alice" },
        { "<sip:x@y>", NULL, "192.0.2.1", "trunk" },
    };
    static const struct who never[] = { { "<sip:x@y>", NULL, NULL, NULL } };
    static const char anonymous[] = "[anonymous]\ntype=endpoint\n"
                                    "[anonymous@there.example]\ntype=endpoint\n";

    (void)state;
    check(anonymous, cases, ARRAY_LEN(cases));
    check("", never, ARRAY_LEN(never));
}

/* Names not looked up yet are skipped. */
static void test_unknown_identifiers(void **state)
{
    static const struct who cases[] = { { "<sip:alice@y>", NULL, NULL, "alice" } };

    (void)state;
    check("[global]\ntype=global\nendpoint_identifier_order=header,request_uri,username\n", cases,
          ARRAY_LEN(cases));
}

/* The index finds what a walk finds, also where sections overlap: the first in the file wins. */
static void test_index_agrees_with_a_walk(void **state)
{
    enum { SECTIONS = 300 };
    struct buf conf;
    struct settings *s;
    struct identify_index *ix;
    struct rng rng;

    (void)state;
    rng_init_seeded(&rng, 7);
    buf_init(&conf, 1 << 20);
    for (unsigned i = 0; i < SECTIONS; i++) {
        buf_printf(&conf, "[e%u]\ntype=endpoint\n%s[i%u]\ntype=identify\nendpoint=e%u\nmatch=", i,
                   i % 7 ? "" : "identify_by=username\n", i, i);
        for (unsigned k = 0; k < 1 + i % 4; k++)
            buf_printf(&conf, "%s%s10.0.%u.%u%s", k ? "," : "", k && i % 5 == 0 ? "!" : "",
                       rng_below(&rng, 3), rng_below(&rng, 40), i % 11 ? "" : "/29");
        buf_add(&conf, STR("\n"));
    }
    buf_add_char(&conf, '\0');
    assert_int_equal(conf.error, 0);
    s = settings_fixture(conf.p);
    assert_int_equal(s->n_identifies, SECTIONS);
    assert_int_equal(identify_index_create(&ix, s), 0);
    for (unsigned i = 0; i < 3 * 48; i++) {
        char text[32];
        struct addr source;

        snprintf(text, sizeof(text), "10.0.%u.%u", i / 48, i % 48);
        assert_int_equal(addr_parse(&source, str_of(text), 5060), 0);
        assert_ptr_equal(identify_by_address(s, ix, &source),
                         identify_by_address(s, NULL, &source));
    }
    identify_index_destroy(ix);
    settings_unref(s);
    buf_fini(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_username),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_auth_username),
        cmocka_unit_test(test_transports),
        cmocka_unit_test(test_anonymous),
        cmocka_unit_test(test_unknown_identifiers),
        cmocka_unit_test(test_index_agrees_with_a_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
