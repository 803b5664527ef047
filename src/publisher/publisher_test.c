// SPDX-License-Identifier: MIT
/* What is sent for a resource that changes, and when. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

static void test_life(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    assert_int_equal(publisher_busy(b->publisher), 1);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial idle 3600: 200\n");
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 1000);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 modify early 3600: 200\n"
                   "1000 modify confirmed 3600: 200\n");
    bench_set(b, "1001@users", EXTENSION_BUSY);
    bench_run(b, 1000);
    assert_seen(b, "1001 initial confirmed 3600: 200\n");
    bench_remove(b, "1000@users");
    bench_run(b, 1000);
    assert_seen(b, "1000 modify idle 3600: 200\n"
                   "1000 remove - 0: 200\n");
    assert_int_equal(publisher_busy(b->publisher), 0);
    assert_int_equal(bench_count(b), 1);
    bench_destroy(b);
}

/* ---- bytes ---- */

static struct str header_of(const struct bench *b, enum sip_header_id id)
{
    struct sip_message m;

    assert_int_equal(sip_message_parse(&m, b->last, NULL), 0);
    return sip_header_value(&m, id);
}

static void assert_header(const struct bench *b, enum sip_header_id id, const char *want)
{
    struct str value = header_of(b, id);

    if (!str_equal(value, str_of(want)))
        fail_msg("%.*s: %.*s, not %s", STR_FMT(sip_header_name(id)), STR_FMT(value), want);
}

static void test_request(void **state)
{
    struct bench *b =
        bench_create("[global]\ntype=global\nuser_agent=Lamps/1\nmax_forwards=20\n" ESC, NULL);
    struct sip_message m;

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_int_equal(sip_message_parse(&m, b->last, NULL), 0);
    assert_true(str_equal(m.uri, STR("sip:1000@esc.test")));
    assert_true(m.from_tag.n > 0 && m.to_tag.n == 0 && m.call_id.n >= 32);
    assert_true(str_starts(m.from, STR("<sip:1000@esc.test>;tag=")));
    assert_header(b, SIP_H_TO, "<sip:1000@esc.test>");
    assert_header(b, SIP_H_EVENT, "dialog");
    assert_header(b, SIP_H_SIP_IF_MATCH, "");
    assert_header(b, SIP_H_EXPIRES, "3600");
    assert_header(b, SIP_H_MAX_FORWARDS, "20");
    assert_header(b, SIP_H_USER_AGENT, "Lamps/1");
    assert_header(b, SIP_H_CONTENT_TYPE, "application/dialog-info+xml");
    assert_true(str_starts(header_of(b, SIP_H_VIA),
                           STR("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK")));
    assert_true(str_equal(m.body, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                      "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" "
                                      "version=\"0\" state=\"full\" entity=\"sip:1000@esc.test\">\n"
                                      " <dialog id=\"1000\">\n"
                                      "  <state>confirmed</state>\n"
                                      " </dialog>\n"
                                      "</dialog-info>\n")));
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    assert_header(b, SIP_H_SIP_IF_MATCH, "t1");
    bench_destroy(b);
}

static const struct identity_case {
    const char *options, *extstate, *extension;
    const char *from, *to, *entity, *route, *uri;
} identity_cases[] = {
    { "", NULL, "100@a", "<sip:100@esc.test>", "<sip:100@esc.test>", "sip:100@esc.test", "",
      "sip:100@esc.test" },
    { "from_uri=sip:pbx.test\n", NULL, "100@a", "<sip:100@pbx.test>", "<sip:100@esc.test>",
      "sip:100@pbx.test", "", "sip:100@esc.test" },
    { "from_uri=sip:x@pbx.test:5070\\;a=1\nto_uri=sip:watch.test\n", NULL, "100@a",
      "<sip:100@pbx.test:5070;a=1>", "<sip:100@watch.test>", "sip:100@pbx.test:5070;a=1", "",
      "sip:100@esc.test" },
    { "from_uri=sip:pbx.test\nto_uri=sip:watch.test\n",
      "[compatibility]\npublish_swaps_from_to=yes\n", "100@a", "<sip:100@watch.test>",
      "<sip:100@pbx.test>", "sip:100@pbx.test", "", "sip:100@esc.test" },
    { "from_uri=sip:x:pw@pbx.test\nto_uri=sip:x:pw@watch.test\n", NULL, "100@a",
      "<sip:100:pw@pbx.test>", "<sip:100:pw@watch.test>", "sip:100@pbx.test", "",
      "sip:100@esc.test" },
    { "outbound_proxy=sip:edge.test\\;lr\n", NULL, "100@a", "<sip:100@esc.test>",
      "<sip:100@esc.test>", "sip:100@esc.test", "<sip:edge.test;lr>", "sip:100@esc.test" },
    { "", NULL, "*72#@a", "<sip:*72%23@esc.test>", "<sip:*72%23@esc.test>", "sip:*72%23@esc.test",
      "", "sip:*72%23@esc.test" },
    { "", NULL, "a&b@a", "<sip:a&b@esc.test>", "<sip:a&b@esc.test>", "sip:a&amp;b@esc.test", "",
      "sip:a&b@esc.test" },
};

static void test_identities(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(identity_cases); i++) {
        const struct identity_case *c = &identity_cases[i];
        char conf[1024], entity[128];
        struct bench *b;
        struct sip_message m;

        (void)snprintf(conf, sizeof(conf), "%s%s%s", ESC_HEAD, c->options, ESC_BODY);
        (void)snprintf(entity, sizeof(entity), "entity=\"%s\"", c->entity);
        b = bench_create(conf, c->extstate);
        bench_set(b, c->extension, EXTENSION_INUSE);
        bench_run(b, 1000);
        assert_int_equal(sip_message_parse(&m, b->last, NULL), 0);
        assert_true(str_equal(m.uri, str_of(c->uri)));
        assert_true(str_starts(m.from, str_of(c->from)));
        assert_header(b, SIP_H_TO, c->to);
        assert_header(b, SIP_H_ROUTE, c->route);
        assert_true(str_contains_nocase(m.body, str_of(entity)));
        bench_destroy(b);
    }
}

/* A compositor outside our networks sees the address, or name, and port by which we are reached. */
static void test_external(void **state)
{
    static const struct {
        const char *options, *via;
    } cases[] = {
        { "", "SIP/2.0/UDP 192.0.2.1:5060;rport;" },
        { "external_signaling_address=198.51.100.1\n", "SIP/2.0/UDP 198.51.100.1:5060;rport;" },
        { "external_signaling_address=2001:db8::1\nexternal_signaling_port=5099\n",
          "SIP/2.0/UDP [2001:db8::1]:5099;rport;" },
        { "external_signaling_hostname=blf.example.com\nexternal_signaling_port=5099\n",
          "SIP/2.0/UDP blf.example.com:5099;rport;" },
        { "external_signaling_port=5099\n", "SIP/2.0/UDP 192.0.2.1:5099;rport;" },
        { "external_signaling_hostname=blf.example.com\nlocal_net=0.0.0.0/0\n",
          "SIP/2.0/UDP 192.0.2.1:5060;rport;" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char conf[1024];
        struct bench *b;
        struct sip_message m;

        (void)snprintf(conf, sizeof(conf), ESC "[udp]\ntype=transport\nbind=192.0.2.1\n%s",
                       cases[i].options);
        b = bench_create(conf, NULL);
        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_run(b, 1000);
        assert_int_equal(sip_message_parse(&m, b->last, NULL), 0);
        if (!str_starts(sip_header_value(&m, SIP_H_VIA), str_of(cases[i].via)))
            fail_msg("%s: %.*s", cases[i].options, STR_FMT(sip_header_value(&m, SIP_H_VIA)));
        bench_destroy(b);
    }
}

static void test_too_long(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    char name[1100];

    (void)state;
    memset(name, 'x', sizeof(name));
    memcpy(name + sizeof(name) - 3, "@a", 3);
    bench_set(b, name, EXTENSION_INUSE);
    bench_set(b, "1000@a", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    name[sizeof(name) - 3] = '\0';
    assert_string_equal(bench_view(b, "esc", name).state, "refused");
    assert_int_equal(bench_view(b, "esc", name).last_status, 500);
    bench_run(b, 40000);
    assert_int_equal(bench_view(b, "esc", name).failures, 2);
    name[sizeof(name) - 3] = '@';
    bench_remove(b, name);
    assert_int_equal(bench_count(b), 1);
    bench_destroy(b);
}

/* ---- which ---- */

static const struct filter_case {
    const char *filters, *resource;
    bool published;
} filter_cases[] = {
    { "", "100@a", true },
    { "@context=^users\n", "100@users", true },
    { "@context=^users\n", "100@users-b", true },
    { "@context=^users$\n", "100@users-b", false },
    { "@context=^USERS\n", "100@users", true },
    { "@exten=^1000\n", "10001@users", true },
    { "@exten=^1000$\n", "10001@users", false },
    { "@context=^a\n@exten=^1\n", "100@a", true },
    { "@context=^a\n@exten=^1\n", "200@a", false },
    { "@context=^a\n@exten=^1\n", "100@b", false },
};

static void test_filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(filter_cases); i++) {
        const struct filter_case *c = &filter_cases[i];
        char conf[512];
        struct bench *b;

        (void)snprintf(conf, sizeof(conf), "%s%s%s", ESC_HEAD, c->filters, ESC_BODY);
        b = bench_create(conf, NULL);
        bench_set(b, c->resource, EXTENSION_IDLE);
        bench_set(b, c->resource, EXTENSION_INUSE);
        bench_run(b, 1000);
        assert_int_equal(b->requests > 0, c->published);
        bench_remove(b, c->resource);
        bench_run(b, 1000);
        assert_int_equal(bench_count(b), 0);
        bench_destroy(b);
    }
}

/* Each section has its own publication of a resource, with its own document. */
static void test_two_sections(void **state)
{
    struct bench *b =
        bench_create(ESC "[pres]\ntype=outbound-publish\nserver_uri=sip:esc.test\n"
                         "event=presence\nmulti_user=yes\n@body=application/pidf+xml\n",
                     NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_non_null(esc_find(b, "1000", "dialog"));
    assert_non_null(esc_find(b, "1000", "presence"));
    assert_int_equal(bench_counters(b).initial, 2);
    assert_int_equal(bench_counters(b).sections, 2);
    assert_int_equal(bench_counters(b).publications, 2);
    /* The same tuple; the dialog of a held call differs. */
    bench_forget_seen(b);
    bench_set(b, "1000@users", EXTENSION_BUSY);
    bench_run(b, 1000);
    assert_seen(b, "");
    assert_int_equal(bench_counters(b).swallowed, 2);
    bench_destroy(b);
}

/* ---- how many ---- */

static void test_burst_coalesces(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    static const enum extension_state burst[] = { EXTENSION_RINGING, EXTENSION_ONHOLD,
                                                  EXTENSION_IDLE, EXTENSION_RINGING,
                                                  EXTENSION_INUSE };

    (void)state;
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 15); /* asked, not answered */
    for (size_t i = 0; i < ARRAY_LEN(burst); i++)
        bench_set(b, "1000@users", burst[i]);
    assert_int_equal(bench_view(b, "esc", "1000").queued, 1);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial idle 3600: 200\n"
                   "1000 modify confirmed 3600: 200\n");
    assert_int_equal(bench_counters(b).coalesced, 4);
    bench_destroy(b);
}

static void test_equal_is_swallowed(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1000@users", EXTENSION_BUSY); /* confirmed as well */
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    assert_int_equal(bench_counters(b).swallowed, 2);
    /* There and back while a request is out: the last word is what counts. */
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 5);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 1000);
    assert_seen(b, "1000 modify early 3600: 200\n");
    bench_destroy(b);
}

/* ---- refreshes ---- */

static const struct grant_case {
    uint32_t grants_s;
    uint64_t least_ms, most_ms; /* of the first refresh */
} grant_cases[] = {
    { 0, 2880000, 3240100 }, { 20, 16000, 18100 },       { 3, 2400, 2800 },
    { 1, 800, 1000 },        { 7200, 5760000, 6480100 }, { 4000000000u, 0, 0 },
};

static void test_grants(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(grant_cases); i++) {
        const struct grant_case *c = &grant_cases[i];
        struct bench *b = bench_create(ESC, NULL);
        uint64_t start;

        b->retry_interval_s = 86400; /* no probes */
        bench_reload(b, ESC, NULL);
        bench_run(b, 72000000); /* the first probe was armed before */
        b->esc.grants_s = c->grants_s;
        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_run(b, 20);
        start = b->now_ms;
        b->requests = 0;
        bench_forget_seen(b);
        while (b->requests == 0 && b->now_ms - start < 7000000)
            bench_run(b, 10);
        if (c->most_ms) {
            assert_in_range(b->now_ms - start, c->least_ms, c->most_ms);
            bench_run(b, 100);
            assert_seen(b, "1000 modify confirmed 3600: 200\n");
            assert_int_equal(bench_counters(b).refresh, 1);
        } else {
            assert_int_equal(b->requests, 0);
        }
        bench_destroy(b);
    }
}

/* Refreshed or not, a lamp is there all day long. */
static void test_never_lapses(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->quiet = true;
    b->esc.grants_s = 60;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    for (unsigned i = 0; i < 3600; i++) {
        bench_run(b, 1000);
        assert_string_equal(esc_state(b, "1000"), "confirmed");
    }
    assert_in_range(b->requests, 60, 150); /* refreshes, and probes, which are refreshes too */
    assert_int_equal(bench_counters(b).lost_tags, 0);
    bench_destroy(b);
}

/* A change that is taken back before its turn comes sends nothing, and the refresh is not lost. */
static void test_change_taken_back(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->esc.grants_s = 60;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    b->send_result = -EAGAIN; /* it cannot go at once */
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    b->send_result = 0;
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    for (unsigned i = 0; i < 300; i++) {
        bench_run(b, 1000);
        assert_string_equal(esc_state(b, "1000"), "confirmed");
    }
    bench_destroy(b);
}

/* ---- entity-tags ---- */

static const struct tag_case {
    const char *tag;
    const char *if_match; /* of the next request */
} tag_cases[] = {
    { NULL, "t1" },
    { "a.1795490376.23063.1.0", "a.1795490376.23063.1.0" },
    { "\"quoted\"", "\"quoted\"" },
    { "two, tags", "" },
    { "a b", "" },
    { "a\r\n X-Evil: 1", "" },
    { "\xc3\xa4", "" },
    { "", "" },
};

static void test_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tag_cases); i++) {
        struct bench *b = bench_create(ESC, NULL);

        b->esc.odd_tag = tag_cases[i].tag;
        bench_set(b, "1000@users", EXTENSION_INUSE);
        bench_run(b, 1000);
        bench_set(b, "1000@users", EXTENSION_IDLE);
        bench_run(b, 2 * BENCH_LATENCY_MS - 5); /* the compositor knows no odd ones: 412 */
        assert_header(b, SIP_H_SIP_IF_MATCH, tag_cases[i].if_match);
        bench_destroy(b);
    }
}

/* Without tags every state is an initial one, refreshes too, and the removal does what it can. */
static void test_no_tags(void **state)
{
    struct bench *b = bench_create(ESC, NULL);

    (void)state;
    b->esc.no_tags = true;
    b->esc.grants_s = 50;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 47000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n"
                   "1000 initial early 3600: 200\n"
                   "1000 initial early 3600: 200\n");
    bench_remove(b, "1000@users");
    bench_run(b, 1000);
    assert_seen(b, "1000 initial idle 3600: 200\n"
                   "1000 clean - 0: 200\n");
    assert_int_equal(bench_count(b), 0);
    bench_destroy(b);
}

/* ---- for people ---- */

static void test_view(void **state)
{
    struct bench *b = bench_create(ESC, NULL);
    struct publication_view v;

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    v = bench_view(b, "esc", "1000");
    assert_string_equal(v.state, "waiting"); /* for the address */
    assert_int_equal(v.last_status, 503);
    bench_run(b, 15);
    assert_string_equal(bench_view(b, "esc", "1000").state, "publishing");
    bench_run(b, 1000);
    v = bench_view(b, "esc", "1000");
    assert_string_equal(v.state, "published");
    assert_true(str_equal(v.context, STR("users")) && str_equal(v.package, STR("dialog")));
    assert_true(str_equal(v.content_type, STR("application/dialog-info+xml")));
    assert_true(str_equal(v.server_uri, STR("sip:esc.test")));
    assert_true(str_equal(v.entity_tag, STR("t1")) && str_equal(v.last_reason, STR("OK")));
    assert_in_range(v.expires_s, 3598, 3600);
    assert_int_equal(v.last_status, 200);
    assert_int_equal(v.retry_s + v.queued + v.failures, 0);
    assert_int_equal(v.told_sequence, v.current_sequence);
    bench_destroy(b);
}

static void test_home(void **state)
{
    unsigned hits[4] = { 0 };
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "%u", 1000 + i);
        hits[publisher_home(str_of(name), 4)]++;
        assert_int_equal(publisher_home(str_of(name), 1), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(hits[i], 150, 350);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_two_sections),
        cmocka_unit_test(test_burst_coalesces),
        cmocka_unit_test(test_equal_is_swallowed),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_never_lapses),
        cmocka_unit_test(test_change_taken_back),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_no_tags),
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
