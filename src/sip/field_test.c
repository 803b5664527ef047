// SPDX-License-Identifier: MIT
#include "sip/sip_test.h"

static const struct {
    const char *text;
    const char *display, *uri, *params; /* uri NULL: refused */
} name_addrs[] = {
    { "<sip:a@b>", "", "sip:a@b", "" },
    { "sip:a@b", "", "sip:a@b", "" },
    { "sip:a@b;tag=1", "", "sip:a@b", ";tag=1" },
    { "sip:a@b ; tag = 1", "", "sip:a@b", "; tag = 1" },
    { "<sip:a@b;x=1>;tag=1", "", "sip:a@b;x=1", ";tag=1" },
    { "Alice <sip:a@b>", "Alice", "sip:a@b", "" },
    { "Alice<sip:a@b>", "Alice", "sip:a@b", "" },
    { "A. G. Bell  <sip:a@b>", "A. G. Bell", "sip:a@b", "" },
    { "M\xc3\xbcller <sip:a@b>", "M\xc3\xbcller", "sip:a@b", "" },
    { "\"\"<sip:a@b>", "", "sip:a@b", "" },
    { "\"Bell, A <x> \\\" ;\" <sip:a@b>;q=0.5", "Bell, A <x> \\\" ;", "sip:a@b", ";q=0.5" },
    { "\"a\r\n b\"\r\n <sip:a@b>\r\n ;tag=1", "a\r\n b", "sip:a@b", ";tag=1" },
    { " <sip:a@b> ", "", "sip:a@b", "" },
    { "<sip:a@b?Route=%3Csip:c%3E>", "", "sip:a@b?Route=%3Csip:c%3E", "" },
    { "<sip:a,b@c>", "", "sip:a,b@c", "" },
    { "*", "", "*", "" },
    { "<http://www.example.com>;tag=1", "", "http://www.example.com", ";tag=1" },
    { "isbn:2983792873", "", "isbn:2983792873", "" },
    { "<sip:a@b>;+sip.instance=\"<urn:uuid:1>\";reg-id=1", "", "sip:a@b",
      ";+sip.instance=\"<urn:uuid:1>\";reg-id=1" },
    { "", NULL, NULL, NULL },
    { "<>", NULL, NULL, NULL },
    { "Alice", "", "Alice", "" }, /* for the caller's sip_uri_parse to refuse */
    { "Alice Liddell", NULL, NULL, NULL },
    { "<sip:a@b", NULL, NULL, NULL },
    { "< sip:a@b >", NULL, NULL, NULL },
    { "<sip:a b@c>", NULL, NULL, NULL },
    { "<sip:a@b>x", NULL, NULL, NULL },
    { "<sip:a@b>;", NULL, NULL, NULL },
    { "<sip:a@b>;;;;", NULL, NULL, NULL },
    { "<sip:a@b>, <sip:c@d>", NULL, NULL, NULL },
    { "<sip:a@b><sip:c@d>", NULL, NULL, NULL },
    { "sip:a@b?Route=%3Csip:c%3E", NULL, NULL, NULL },
    { "sip:a,b@c", NULL, NULL, NULL },
    { "Bell, Alexander <sip:a@b>", NULL, NULL, NULL },
    { "\"Alice <sip:a@b>", NULL, NULL, NULL },
    { "\"Alice\" sip:a@b", NULL, NULL, NULL },
    { "\"Alice\\\" <sip:a@b>", NULL, NULL, NULL },
    { "a@b <sip:a@b>", NULL, NULL, NULL },
};

static void test_name_addrs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(name_addrs); i++) {
        const char *row = name_addrs[i].text;
        struct sip_name_addr n = { .uri = STR("untouched") };
        int r = sip_name_addr_parse(&n, str_of(row));

        assert_number(row, r, name_addrs[i].uri ? 0 : -EBADMSG);
        assert_text(row, n.uri, name_addrs[i].uri ? name_addrs[i].uri : "untouched");
        if (r)
            continue;
        assert_text(row, n.display, name_addrs[i].display);
        assert_text(row, n.params, name_addrs[i].params);
    }
}

static void test_lists(void **state)
{
    static const struct {
        const char *text;
        const char *values[4];
    } rows[] = {
        { "", { NULL } },
        { " , ,", { NULL } },
        { "a", { "a", NULL } },
        { "a,b , c", { "a", "b", "c", NULL } },
        { "a,,b,", { "a", "b", NULL } },
        { "\"x, y\" <sip:a@b>, <sip:c,d@e>;p=\"1,2\" ,sip:f@g",
          { "\"x, y\" <sip:a@b>", "<sip:c,d@e>;p=\"1,2\"", "sip:f@g", NULL } },
        { "\"a\"\"b,c\",d", { "\"a\"\"b,c\"", "d", NULL } },
        { "\"a\\\",b\",c", { "\"a\\\",b\"", "c", NULL } },
        { "<a\"b>,c\"", { "<a\"b>", "c\"", NULL } },
        { "\"open, b", { "\"open, b", NULL } },
        { "<open, b", { "<open, b", NULL } },
        { "a\r\n ,\r\n b", { "a", "b", NULL } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str rest = str_of(rows[i].text), value;
        size_t n = 0;

        while (sip_list_next(&rest, &value)) {
            if (!rows[i].values[n])
                fail_msg("%s: more: %.*s", rows[i].text, STR_FMT(value));
            assert_text(rows[i].text, value, rows[i].values[n++]);
        }
        if (rows[i].values[n])
            fail_msg("%s: less: %s", rows[i].text, rows[i].values[n]);
    }
}

static void test_vias(void **state)
{
    static const struct {
        const char *text;
        const char *transport, *host, *branch, *received; /* transport NULL: refused */
        uint16_t port, rport;
        bool has_rport, ipv6;
    } rows[] = {
        { "SIP/2.0/UDP a", "UDP", "a", "", "", 0, 0, false, false },
        { "SIP/2.0/UDP a:5060;rport;branch=z9hG4bK1", "UDP", "a", "z9hG4bK1", "", 5060, 0, true,
          false },
        { "SIP/2.0/TCP 192.0.2.1;rport=9988;received=192.0.2.2", "TCP", "192.0.2.1", "",
          "192.0.2.2", 0, 9988, true, false },
        { "SIP/2.0/TLS [2001:db8::1]:5061;BRANCH=x;Maddr=[2001:db8::2]", "TLS", "2001:db8::1", "x",
          "", 5061, 0, false, true },
        { "sip / 2.0 / WS x.invalid ; ttl = 1 ; branch = y , SIP/2.0/UDP b", "WS", "x.invalid", "y",
          "", 0, 0, false, false },
        { "SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5070 ;branch=1", "UDP", "192.0.2.2", "1", "",
          5070, 0, false, false },
        { "SIP/7.0/UDP a;received=[2001:db8::1]", "UDP", "a", "", "2001:db8::1", 0, 0, false,
          false },
        { "SIP/2.0/UDP a:0;rport=", "UDP", "a", "", "", 0, 0, true, false },
        { "SIP/2.0/UDP a;x=\"b;c\";branch=1", "UDP", "a", "1", "", 0, 0, false, false },
        { "", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDPa", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0 a", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "HTTP/2.0/UDP a", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a b", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a:", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a:65536", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP [::1", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a;", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP 192.0.2.15;;,;,,", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a;branch=1;branch=2", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a;rport=x", NULL, NULL, NULL, NULL, 0, 0, false, false },
        { "SIP/2.0/UDP a;rport=65536", NULL, NULL, NULL, NULL, 0, 0, false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *row = rows[i].text;
        struct sip_via v = { .port = 7 };
        int r = sip_via_parse(&v, str_of(row));

        assert_number(row, r, rows[i].transport ? 0 : -EBADMSG);
        if (r) {
            assert_number(row, v.port, 7);
            continue;
        }
        assert_text(row, v.transport, rows[i].transport);
        assert_text(row, v.host, rows[i].host);
        assert_text(row, v.branch, rows[i].branch);
        assert_text(row, v.received, rows[i].received);
        assert_number(row, v.port, rows[i].port);
        assert_number(row, v.rport, rows[i].rport);
        assert_number(row, v.has_rport, rows[i].has_rport);
        assert_number(row, v.host_ipv6, rows[i].ipv6);
    }
}

static void test_events(void **state)
{
    static const struct {
        const char *text, *package, *id, *params; /* package NULL: refused */
        bool has_id;
    } rows[] = {
        { "dialog", "dialog", "", "", false },
        { "presence.winfo;id=7", "presence.winfo", "7", ";id=7", true },
        { " dialog ; call-id=\"a;b\" ; ID = x ", "dialog", "x", "; call-id=\"a;b\" ; ID = x",
          true },
        { "dialog;id", "dialog", "", ";id", true },
        { "dialog;\r\n sla", "dialog", "", ";\r\n sla", false },
        { "", NULL, NULL, NULL, false },
        { ";id=1", NULL, NULL, NULL, false },
        { "dialog presence", NULL, NULL, NULL, false },
        { "dialog,presence", NULL, NULL, NULL, false },
        { "dialog;", NULL, NULL, NULL, false },
        { "a/b", NULL, NULL, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_event e;
        int r = sip_event_parse(&e, str_of(rows[i].text));

        assert_number(rows[i].text, r, rows[i].package ? 0 : -EBADMSG);
        if (r)
            continue;
        assert_text(rows[i].text, e.package, rows[i].package);
        assert_text(rows[i].text, e.id, rows[i].id);
        assert_text(rows[i].text, e.params, rows[i].params);
        assert_number(rows[i].text, e.has_id, rows[i].has_id);
    }
}

static void test_delta_seconds(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } rows[] = {
        { "0", 0 },
        { " 3600 ", 3600 },
        { "007", 7 },
        { "4294967295", UINT32_MAX },
        { "4294967296", UINT32_MAX },
        { "99999999999999999999999999999999999999", UINT32_MAX },
        { "120 (I'm in a (long \\) ) meeting)", 120 },
        { "18000;duration=3600", 18000 },
        { "5\r\n (x) ;a;b=c", 5 },
        { "", -1 },
        { "x", -1 },
        { "-1", -1 },
        { "+1", -1 },
        { "1.5", -1 },
        { "1 2", -1 },
        { "1 (open", -1 },
        { "1;", -1 },
        { "1, 2", -1 },
        { "1 (a\\", -1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t seconds = 42;
        int r = sip_delta_seconds_parse(&seconds, str_of(rows[i].text));

        assert_number(rows[i].text, r, rows[i].seconds < 0 ? -EBADMSG : 0);
        assert_number(rows[i].text, seconds, rows[i].seconds < 0 ? 42 : rows[i].seconds);
    }
}

static void test_media_ranges(void **state)
{
    static const struct {
        const char *text, *type, *subtype, *params; /* type NULL: refused */
        unsigned q;
    } rows[] = {
        { "application/pidf+xml", "application", "pidf+xml", "", 1000 },
        { "*/*;q=0", "*", "*", ";q=0", 0 },
        { "text/* ; Q = 0.5", "text", "*", "; Q = 0.5", 500 },
        { "multipart / related;type=\"a/b\";boundary=x;q=1.000", "multipart", "related",
          ";type=\"a/b\";boundary=x;q=1.000", 1000 },
        { "a/b;q=0.333", "a", "b", ";q=0.333", 333 },
        { "a/b;q=0.99999", "a", "b", ";q=0.99999", 999 },
        { "a/b;q=0.", "a", "b", ";q=0.", 0 },
        { "a/b;charset=UTF-8", "a", "b", ";charset=UTF-8", 1000 },
        { "", NULL, NULL, NULL, 0 },
        { "text", NULL, NULL, NULL, 0 },
        { "text/", NULL, NULL, NULL, 0 },
        { "/b", NULL, NULL, NULL, 0 },
        { "*/b", NULL, NULL, NULL, 0 },
        { "a/b c", NULL, NULL, NULL, 0 },
        { "a/b, c/d", NULL, NULL, NULL, 0 },
        { "a/b;q=1.001", NULL, NULL, NULL, 0 },
        { "a/b;q=2", NULL, NULL, NULL, 0 },
        { "a/b;q=x", NULL, NULL, NULL, 0 },
        { "a/b;q", NULL, NULL, NULL, 0 },
        { "a/b;", NULL, NULL, NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_media_range m;
        int r = sip_media_range_parse(&m, str_of(rows[i].text));

        assert_number(rows[i].text, r, rows[i].type ? 0 : -EBADMSG);
        if (r)
            continue;
        assert_text(rows[i].text, m.type, rows[i].type);
        assert_text(rows[i].text, m.subtype, rows[i].subtype);
        assert_text(rows[i].text, m.params, rows[i].params);
        assert_number(rows[i].text, m.q, rows[i].q);
    }
}

static void test_next_nonce(void **state)
{
    static const struct {
        const char *value, *want;
    } cases[] = {
        { "nextnonce=\"a\\\"b\"", "a\\\"b" },
        { " qop=auth ,rspauth=\"0\",\r\n NextNonce = n , nc=1 ", "n" },
        { "qop=auth, nc=1", "" },
        { "", "" },
        { "nextnonce=\"a\" nc=1", "" },
        { "nextnonce=\"a\",", "" },
        { "Digest nextnonce=\"a\"", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_text(cases[i].value, sip_next_nonce(str_of(cases[i].value)), cases[i].want);
}

static void test_challenges(void **state)
{
    static const char full[] =
        "Digest realm=\"a, \\\"b\\\"\",\r\n nonce = \"n==\" , opaque=\"\",algorithm=SHA-256,"
        "qop=\"auth,auth-int\", stale=TRUE, domain=\"sip:x\", charset=UTF-8";
    static const char *const bad[] = { "",
                                       ",",
                                       "Digest realm=\"a\" nonce=\"b\"",
                                       "Digest realm=\"a",
                                       "Digest realm=\"a\", Digest realm=\"b\"",
                                       "\"Digest\" realm=a" };
    struct str rest = STR("NTLM, Digest realm=\"a\", nonce=\"1\" ,\r\n Digest "
                          "nonce=\"2\",realm=b,stale=\"true\" , X y=z");
    struct sip_challenge ch = { .stale = false };

    (void)state;
    assert_int_equal(sip_challenge_parse(&ch, str_of(full)), 0);
    assert_text("scheme", ch.scheme, "Digest");
    assert_text("realm", ch.realm, "a, \\\"b\\\"");
    assert_text("nonce", ch.nonce, "n==");
    assert_text("opaque", ch.opaque, "");
    assert_non_null(ch.opaque.p);
    assert_text("algorithm", ch.algorithm, "SHA-256");
    assert_text("qop", ch.qop, "auth,auth-int");
    assert_true(ch.stale);
    assert_int_equal(sip_challenge_parse(&ch, STR("Basic realm=x")), 0);
    assert_text("scheme", ch.scheme, "Basic");
    assert_false(ch.stale);
    assert_null(ch.nonce.p);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_number(bad[i], sip_challenge_parse(&ch, str_of(bad[i])), -EBADMSG);

    assert_true(sip_challenge_next(&rest, &ch));
    assert_text("1st", ch.scheme, "NTLM");
    assert_true(sip_challenge_next(&rest, &ch));
    assert_text("2nd", ch.realm, "a");
    assert_text("2nd", ch.nonce, "1");
    assert_true(sip_challenge_next(&rest, &ch));
    assert_text("3rd", ch.realm, "b");
    assert_text("3rd", ch.nonce, "2");
    assert_true(ch.stale);
    assert_true(sip_challenge_next(&rest, &ch));
    assert_text("4th", ch.scheme, "X");
    assert_false(sip_challenge_next(&rest, &ch));
    assert_false(sip_challenge_next(&rest, &ch));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_addrs),    cmocka_unit_test(test_lists),
        cmocka_unit_test(test_vias),          cmocka_unit_test(test_events),
        cmocka_unit_test(test_delta_seconds), cmocka_unit_test(test_media_ranges),
        cmocka_unit_test(test_challenges),    cmocka_unit_test(test_next_nonce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
