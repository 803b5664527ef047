// SPDX-License-Identifier: MIT
#include "event/notifier_fixture.h"

#define CONFIG_OUTSIDE                                                                            \
    "[udp]\ntype=transport\nprotocol=udp\nbind=192.0.2.1:5060\nexternal_signaling_address=203.0." \
    "113.9\n"                                                                                     \
    "external_signaling_port=5099\nlocal_net=192.0.2.0/24\n"                                      \
    "[alice]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\n"

struct where { /* a SUBSCRIBE, and where its NOTIFY goes; NULL: as usual */
    const char *what, *user, *source, *contact, *via, *routes;
    const char *to, *line, *route_lines, *our_contact, *our_via;
};

static void check(struct fixture *f, const struct where *w, unsigned number)
{
    struct sub s = sub_plain("call");
    const struct sip_message *m;
    char extra[512] = "", route_lines[512] = "", line[256];
    struct addr to = fixture_addr(w->to);
    struct buf lines;

    f->from.remote = fixture_addr(w->source ? w->source : "192.0.2.7:5062");
    s.user = w->user ? w->user : "alice";
    s.contact = w->contact;
    s.via = w->via ? w->via : "192.0.2.7:5062;rport";
    s.cseq = number;
    if (w->routes)
        snprintf(extra, sizeof(extra), "Record-Route: %s\r\n", w->routes);
    s.extra = extra;
    s.expires = "0";
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    m = expect_status(f, 200);
    if (w->our_contact)
        assert_true(str_equal(sip_header_value(m, SIP_H_CONTACT), str_of(w->our_contact)));
    m = fixture_next(f);
    snprintf(line, sizeof(line), "NOTIFY %s SIP/2.0\r\n", w->line);
    buf_init_on(&lines, route_lines, sizeof(route_lines));
    for (const struct sip_header *h = sip_header_first(m, SIP_H_ROUTE); h;
         h = sip_header_next(m, h)) {
        buf_add(&lines, h->value);
        buf_add_char(&lines, '|');
    }
    if (!addr_equal(&f->sent[f->seen - 1].to.remote, &to) || !str_starts(m->raw, str_of(line)) ||
        !str_equal(buf_str(&lines), str_of(w->route_lines ? w->route_lines : "")) ||
        (w->our_contact &&
         !str_equal(sip_header_value(m, SIP_H_CONTACT), str_of(w->our_contact))) ||
        (w->our_via && !str_starts(sip_header_value(m, SIP_H_VIA), str_of(w->our_via))))
        fail_msg("%s: %.*s", w->what, STR_FMT(m->raw));
    answer_last(f, 200);
    assert_int_equal(live(f), 0);
}

static void test_where(void **state)
{
    static const struct where cases[] = {
        { .what = "the Contact",
          .contact = "\"A\" <sip:alice@192.0.2.9:5070;line=1?x=y>;expires=60",
          .to = "192.0.2.9:5070",
          .line = "sip:alice@192.0.2.9:5070;line=1",
          .our_contact = "<sip:192.0.2.1:5060>",
          .our_via = "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK" },
        { .what = "default port",
          .contact = "sip:a@192.0.2.9",
          .to = "192.0.2.9:5060",
          .line = "sip:a@192.0.2.9" },
        { .what = "the first of two Contacts",
          .contact = "<sip:a@192.0.2.9>, <sip:b@192.0.2.10>",
          .to = "192.0.2.9:5060",
          .line = "sip:a@192.0.2.9" },
        { .what = "a name: the source",
          .contact = "<sip:a@phone.example.com>",
          .to = "192.0.2.7:5062",
          .line = "sip:a@phone.example.com" },
        { .what = "a browser's name",
          .contact = "<sip:a@7jk2.invalid;transport=ws>",
          .to = "192.0.2.7:5062",
          .line = "sip:a@7jk2.invalid;transport=ws" },
        { .what = "another transport",
          .contact = "<sip:a@192.0.2.9;transport=tcp>",
          .to = "192.0.2.9:5060",
          .line = "sip:a@192.0.2.9;transport=tcp",
          .our_contact = "<sip:192.0.2.1:5060;transport=TCP>",
          .our_via = "SIP/2.0/TCP 192.0.2.1:5060;" },
        { .what = "TLS",
          .contact = "<sip:a@192.0.2.9;transport=tls>",
          .to = "192.0.2.9:5061",
          .line = "sip:a@192.0.2.9;transport=tls",
          .our_via = "SIP/2.0/TLS " },
        { .what = "another transport of the first route",
          .contact = "<sip:a@10.1.2.3>",
          .routes = "<sip:198.51.100.8:5080;lr;transport=tcp>",
          .to = "198.51.100.8:5080",
          .line = "sip:a@10.1.2.3",
          .route_lines = "<sip:198.51.100.8:5080;lr;transport=tcp>|",
          .our_via = "SIP/2.0/TCP " },
        { .what = "another transport behind a NAT",
          .contact = "<sip:a@10.1.2.3:5060;transport=tcp>",
          .via = "10.1.2.3:5060",
          .to = "192.0.2.7:5062",
          .line = "sip:a@10.1.2.3:5060;transport=tcp",
          .our_via = "SIP/2.0/UDP " },
        { .what = "transport=udp",
          .contact = "<sip:a@192.0.2.9;transport=UDP>",
          .to = "192.0.2.9:5060",
          .line = "sip:a@192.0.2.9;transport=UDP" },
        { .what = "the other family: the source",
          .contact = "<sip:a@[2001:db8::9]>",
          .to = "192.0.2.7:5062",
          .line = "sip:a@[2001:db8::9]" },
        { .what = "nowhere: the source",
          .contact = "<sip:a@0.0.0.0>",
          .to = "192.0.2.7:5062",
          .line = "sip:a@0.0.0.0" },
        { .what = "private behind a NAT",
          .contact = "<sip:a@10.1.2.3:5060>",
          .via = "10.1.2.3:5060",
          .to = "192.0.2.7:5062",
          .line = "sip:a@10.1.2.3:5060" },
        { .what = "private at home",
          .source = "10.1.2.3:33000",
          .contact = "<sip:a@10.1.2.3:5060>",
          .via = "10.1.2.3:5060",
          .to = "10.1.2.3:5060",
          .line = "sip:a@10.1.2.3:5060" },
        { .what = "Via says other than source",
          .contact = "<sip:a@198.51.100.1>",
          .via = "198.51.100.1:5060;rport",
          .to = "192.0.2.7:5062",
          .line = "sip:a@198.51.100.1" },
        { .what = "a proxy without Record-Route",
          .contact = "<sip:a@198.51.100.1>",
          .via = "192.0.2.7:5062;rport",
          .to = "198.51.100.1:5060",
          .line = "sip:a@198.51.100.1" },
        { .what = "rewrite_contact",
          .user = "nat",
          .source = "198.51.100.7:40000",
          .contact = "<sip:a@10.1.2.3:5060;line=2;transport=udp;ob>",
          .to = "198.51.100.7:40000",
          .line = "sip:a@198.51.100.7:40000;line=2;ob",
          .our_contact = "<sip:blf@192.0.2.1:5060>" },
        { .what = "rewrite_contact that changes nothing",
          .user = "nat",
          .source = "198.51.100.7:5060",
          .contact = "<sip:a@198.51.100.7;transport=udp>",
          .to = "198.51.100.7:5060",
          .line = "sip:a@198.51.100.7;transport=udp" },
        { .what = "rewrite_contact, no user",
          .user = "nat",
          .source = "198.51.100.7:40000",
          .contact = "<sip:phone.example.com>",
          .to = "198.51.100.7:40000",
          .line = "sip:198.51.100.7:40000" },
        { .what = "rewrite_contact behind a proxy",
          .user = "nat",
          .source = "198.51.100.7:40000",
          .contact = "<sip:a@10.1.2.3>",
          .routes = "<sip:198.51.100.7;lr>",
          .to = "198.51.100.7:40000",
          .line = "sip:a@10.1.2.3",
          .route_lines = "<sip:198.51.100.7;lr>|" },
        { .what = "loose routing",
          .contact = "<sip:a@10.1.2.3>",
          .routes = "<sip:198.51.100.8:5080;lr;x=1>,\r\n  <sip:p2.example.com;lr>;y=2",
          .to = "198.51.100.8:5080",
          .line = "sip:a@10.1.2.3",
          .route_lines = "<sip:198.51.100.8:5080;lr;x=1>|<sip:p2.example.com;lr>;y=2|" },
        { .what = "loose routing by name: the source",
          .contact = "<sip:a@10.1.2.3>",
          .routes = "<sip:p1.example.com;lr=on>",
          .to = "192.0.2.7:5062",
          .line = "sip:a@10.1.2.3",
          .route_lines = "<sip:p1.example.com;lr=on>|" },
        { .what = "strict routing",
          .contact = "<sip:a@10.1.2.3>",
          .routes = "<sip:198.51.100.8:5080?a=b>, <sip:198.51.100.9;lr>",
          .to = "198.51.100.8:5080",
          .line = "sip:198.51.100.8:5080",
          .route_lines = "<sip:198.51.100.9;lr>|<sip:a@10.1.2.3>|" },
        { .what = "sips",
          .contact = "<sips:a@192.0.2.9>",
          .to = "192.0.2.9:5060",
          .line = "sips:a@192.0.2.9",
          .our_contact = "<sips:192.0.2.1:5060>" },
        { .what = "sips on the way",
          .contact = "<sip:a@192.0.2.9>",
          .routes = "<sips:192.0.2.8;lr>",
          .to = "192.0.2.8:5060",
          .line = "sip:a@192.0.2.9",
          .route_lines = "<sips:192.0.2.8;lr>|",
          .our_contact = "<sips:192.0.2.1:5060>" },
    };
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
        check(f, &cases[i], i + 1);
    fixture_destroy(f);
}

static void test_transport_that_is_not_there(void **state)
{
    static const struct where there_is_none = {
        .what = "another transport: the source",
        .contact = "<sip:a@192.0.2.9;transport=tcp>",
        .to = "192.0.2.7:5062",
        .line = "sip:a@192.0.2.9;transport=tcp",
        .our_via = "SIP/2.0/UDP ",
    };
    struct fixture *f = fixture_create(NULL);

    (void)state;
    f->route_result = -EAFNOSUPPORT;
    fixture_state(f, "100", EXTENSION_IDLE);
    check(f, &there_is_none, 1);
    fixture_destroy(f);
}

/* The endpoint's transport counts where it leads to the telephone. */
static void test_transport_of_the_endpoint(void **state)
{
    static const struct {
        const char *transport;
        uint32_t by;
    } cases[] = { { "udp", 0 }, { "other", 1 }, { "tcp", 0 }, { "six", 0 }, { "none", 0 } };
    static const struct notifier_transport list[] = { { STR_INIT("udp"), false, NET_UDP },
                                                      { STR_INIT("other"), false, NET_UDP },
                                                      { STR_INIT("tcp"), false, NET_TCP },
                                                      { STR_INIT("six"), false, NET_UDP } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f;
        char config[512];

        snprintf(config, sizeof(config),
                 "[udp]\ntype=transport\nbind=192.0.2.1\n[other]\ntype=transport\nbind=192.0.2.2\n"
                 "[tcp]\ntype=transport\nprotocol=tcp\nbind=192.0.2.1\n"
                 "[six]\ntype=transport\nbind=[2001:db8::1]\n"
                 "[alice]\ntype=endpoint\ncontext=users\ntransport=%s\n",
                 cases[i].transport);
        f = fixture_create(config);
        assert_int_equal(notifier_transports_set(f->notifier, list, ARRAY_LEN(list)), 0);
        fixture_state(f, "100", EXTENSION_IDLE);
        check(f,
              &(struct where){ .what = cases[i].transport,
                               .contact = "<sip:a@192.0.2.9>",
                               .to = "192.0.2.9:5060",
                               .line = "sip:a@192.0.2.9" },
              1);
        assert_int_equal(f->sent[f->seen - 1].to.transport, cases[i].by);
        fixture_destroy(f);
    }
}

static void test_ipv6(void **state)
{
    static const struct where cases[] = {
        { .what = "the Contact",
          .source = "[2001:db8::7]:5062",
          .contact = "<sip:a@[2001:db8::9]:5070>",
          .via = "[2001:db8::7]:5062;rport",
          .to = "[2001:db8::9]:5070",
          .line = "sip:a@[2001:db8::9]:5070",
          .our_contact = "<sip:[2001:db8::1]:5060>",
          .our_via = "SIP/2.0/UDP [2001:db8::1]:5060;rport;" },
        { .what = "rewritten",
          .user = "nat",
          .source = "[2001:db8::7]:5062",
          .contact = "<sip:a@192.0.2.9>",
          .via = "[2001:db8::7]:5062;rport",
          .to = "[2001:db8::7]:5062",
          .line = "sip:a@[2001:db8::7]:5062" },
        { .what = "unique local, from elsewhere",
          .source = "[2001:db8::7]:5062",
          .contact = "<sip:a@[fd00::9]>",
          .to = "[2001:db8::7]:5062",
          .line = "sip:a@[fd00::9]" },
    };
    struct fixture *f = fixture_create(NULL);

    (void)state;
    f->from.local = fixture_addr("[2001:db8::1]:5060");
    fixture_state(f, "100", EXTENSION_IDLE);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
        check(f, &cases[i], i + 1);
    fixture_destroy(f);
}

static void test_outside(void **state)
{
    static const struct where cases[] = {
        { .what = "inside",
          .contact = "<sip:a@192.0.2.9>",
          .to = "192.0.2.9:5060",
          .line = "sip:a@192.0.2.9",
          .our_contact = "<sip:192.0.2.1:5060>",
          .our_via = "SIP/2.0/UDP 192.0.2.1:5060;rport;" },
        { .what = "outside",
          .source = "198.51.100.7:5060",
          .contact = "<sip:a@198.51.100.7>",
          .to = "198.51.100.7:5060",
          .line = "sip:a@198.51.100.7",
          .our_contact = "<sip:203.0.113.9:5099>",
          .our_via = "SIP/2.0/UDP 203.0.113.9:5099;rport;" },
    };
    struct fixture *f = fixture_create(CONFIG_OUTSIDE);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
        check(f, &cases[i], i + 1);
    f->settings->global.disable_rport = true;
    check(f,
          &(struct where){ .what = "without rport",
                           .contact = "<sip:a@192.0.2.9>",
                           .to = "192.0.2.9:5060",
                           .line = "sip:a@192.0.2.9",
                           .our_via = "SIP/2.0/UDP 192.0.2.1:5060;branch=" },
          3);
    fixture_destroy(f);
}

static void test_outside_by_name(void **state)
{
    struct fixture *f =
        fixture_create("[udp]\ntype=transport\nprotocol=udp\nbind=192.0.2.1:5060\n"
                       "external_signaling_hostname=blf.example.com\n"
                       "external_signaling_port=5099\n"
                       "[alice]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\n");

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    check(f,
          &(struct where){ .what = "a name",
                           .contact = "<sip:a@192.0.2.9>",
                           .to = "192.0.2.9:5060",
                           .line = "sip:a@192.0.2.9",
                           .our_contact = "<sip:blf.example.com:5099>",
                           .our_via = "SIP/2.0/UDP blf.example.com:5099;rport;" },
          1);
    fixture_destroy(f);
}

static void test_subscriber_uri(void **state)
{
    static const struct {
        const char *from, *expect;
    } cases[] = {
        { "sip:a@h", "sip:a@h" },
        { "sip:a@h:5070;transport=tcp", "sip:a@h" },
        { "sip:a@[2001:db8::1]:5070;Transport=tcp;lr", "sip:a@[2001:db8::1];lr" },
        { "sips:h;a;transport;b=c", "sips:h;a;b=c" },
        { "sip:a@h;transports=1;x", "sip:a@h;transports=1;x" },
        { "sip:a&b@h", "sip:a&amp;b@h" },
        { "tel:+1234;ext=&?a=b", "tel:+1234;ext=&amp;?a=b" },
        { "Mailto:a@h", "Mailto:a@h" },
    };
    struct buf plain;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_uri uri;
        struct buf b;

        buf_init(&b, 100);
        assert_int_equal(sip_uri_parse(&uri, str_of(cases[i].from)), 0);
        print_subscriber_uri(&b, &uri);
        assert_true(str_equal(buf_str(&b), str_of(cases[i].expect)));
        buf_fini(&b);
    }
    buf_init(&plain, 100);
    subscriber_uri_add(&plain, STR("tel:+1234;ext=<"));
    assert_true(str_equal(buf_str(&plain), STR("tel:+1234;ext=<")));
    buf_fini(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_outside_by_name),
        cmocka_unit_test(test_subscriber_uri),
        cmocka_unit_test(test_transport_that_is_not_there),
        cmocka_unit_test(test_transport_of_the_endpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
