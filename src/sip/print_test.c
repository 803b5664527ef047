// SPDX-License-Identifier: MIT
#include "sip/sip_test.h"

#define REST                                                                                      \
    "From: \"A\"\r\n <sip:a@example.com>;tag=f\r\nTo: <sip:100@example.com>\r\ni: c1@h\r\nCSeq: " \
    "7\r\n SUBSCRIBE\r\n"

static void request_make(struct sip_message *m, struct buf *storage, const char *vias,
                         const char *more)
{
    buf_init(storage, 4000);
    buf_printf(storage, "SUBSCRIBE sip:100@example.com SIP/2.0\r\n%s" REST "%s\r\n", vias, more);
    assert_int_equal(sip_message_parse(m, buf_str(storage), NULL), 0);
}

static void test_headers(void **state)
{
    static const struct {
        const char *folded, *unfolded;
    } rows[] = {
        { "", "" },
        { "a b", "a b" },
        { "a\r\n b", "a b" },
        { "a \t\r\n\t b", "a b" },
        { "a\n b", "a b" },
        { "a\r\n \r\n b", "a b" },
        { "a\tb  c", "a\tb  c" },
        { "a\rEvil: b", "a Evil: b" },
        { "\r\n a", " a" },
        { "a\r\n", "a " },
        { "a\r\nb\r\n c", "a b c" },
    };
    char storage[100];
    struct buf b;

    (void)state;
    buf_init_on(&b, storage, sizeof(storage));
    sip_print_header(&b, STR("Event"), STR("dialog"));
    sip_print_header_u64(&b, STR("Expires"), 4294967295u);
    sip_print_header(&b, STR("Supported"), STR_EMPTY);
    assert_text("lines", buf_str(&b), "Event: dialog\r\nExpires: 4294967295\r\nSupported: \r\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_reset(&b);
        sip_print_unfolded(&b, str_of(rows[i].folded));
        assert_text(rows[i].folded, buf_str(&b), rows[i].unfolded);
    }
}

static void test_response(void **state)
{
    const struct addr source = test_addr("198.51.100.7:5062");
    const struct sip_reply reply = {
        .status = 200,
        .to_tag = STR("ours"),
        .headers = STR("Expires: 600\r\nContact: <sip:192.0.2.9>\r\n"),
        .content_type = STR("text/plain"),
        .body = STR("hello"),
        .server = STR("extstate"),
    };
    struct sip_message m;
    struct buf in, out;

    (void)state;
    request_make(&m, &in,
                 "v: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP b\r\n , "
                 "SIP/2.0/TLS c\r\n",
                 "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>, <sip:p0;lr>\r\n");
    buf_init(&out, 4000);
    sip_print_response(&out, &m, &source, false, &reply);
    assert_text("response", buf_str(&out),
                "SIP/2.0 200 OK\r\n"
                "Via: SIP/2.0/UDP 192.0.2.1;rport=5062;received=198.51.100.7;branch=z9hG4bK1\r\n"
                "Via: SIP/2.0/TCP b , SIP/2.0/TLS c\r\n"
                "Record-Route: <sip:p2;lr>\r\n"
                "Record-Route: <sip:p1;lr>, <sip:p0;lr>\r\n"
                "Call-ID: c1@h\r\n"
                "From: \"A\" <sip:a@example.com>;tag=f\r\n"
                "To: <sip:100@example.com>;tag=ours\r\n"
                "CSeq: 7 SUBSCRIBE\r\n"
                "Expires: 600\r\n"
                "Contact: <sip:192.0.2.9>\r\n"
                "Server: extstate\r\n"
                "Content-Type: text/plain\r\n"
                "Content-Length: 5\r\n"
                "\r\n"
                "hello");
    buf_fini(&out);
    buf_fini(&in);
}

static void test_failure(void **state)
{
    const struct addr source = test_addr("192.0.2.1:5060");
    struct sip_reply reply = { .status = 489, .to_tag = STR("ours"), .content_type = STR("x/y") };
    char storage[300];
    struct sip_message m;
    struct buf in, out;

    (void)state;
    request_make(&m, &in, "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n",
                 "Record-Route: <sip:p2;lr>\r\n");
    buf_init_on(&out, storage, sizeof(storage));
    sip_print_response(&out, &m, &source, false, &reply);
    assert_text("489", buf_str(&out),
                "SIP/2.0 489 Bad Event\r\n"
                "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
                "Call-ID: c1@h\r\n"
                "From: \"A\" <sip:a@example.com>;tag=f\r\n"
                "To: <sip:100@example.com>;tag=ours\r\n"
                "CSeq: 7 SUBSCRIBE\r\n"
                "Content-Length: 0\r\n\r\n");

    buf_reset(&out);
    reply = (struct sip_reply){ .status = 100, .reason = STR("Wait\r\nX: y") };
    sip_print_response(&out, &m, &source, false, &reply);
    assert_true(str_starts(buf_str(&out), STR("SIP/2.0 100 Wait X: y\r\nVia: ")));
    assert_true(str_contains_nocase(buf_str(&out), STR("\r\nTo: <sip:100@example.com>\r\n")));

    buf_init_on(&out, storage, 100);
    sip_print_response(&out, &m, &source, false, &reply);
    assert_int_equal(out.error, -EMSGSIZE);
    buf_fini(&in);
}

/* Without the request the same bytes. */
static void test_echo(void **state)
{
    static const struct {
        const char *vias, *more;
    } rows[] = {
        { "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n", "" },
        { "Via: SIP/2.0/UDP p;branch=z9hG4bK2;rport\r\nVia: SIP/2.0/UDP q;branch=z9hG4bK1\r\n",
          "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\nContent-Length: "
          "4\r\n\r\nbody" },
    };
    static const unsigned statuses[] = { 200, 204, 404, 500 };
    const struct addr source = test_addr("198.51.100.7:5062");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(statuses) * 2; i++) {
        const struct sip_reply reply = { .status = statuses[i / 2 % ARRAY_LEN(statuses)],
                                         .to_tag = STR("ours"),
                                         .headers = STR("Expires: 600\r\n"),
                                         .server = STR("extstate") };
        struct buf storage, text, want, got;
        struct sip_message m;
        struct sip_echo echo;
        size_t row = i / 2 / ARRAY_LEN(statuses);

        request_make(&m, &storage, rows[row].vias, rows[row].more);
        buf_init(&text, 4000);
        buf_init(&want, 4000);
        buf_init(&got, 4000);
        sip_print_echo(&text, &echo, &m, &source, i % 2);
        sip_print_response(&want, &m, &source, i % 2, &reply);
        sip_print_response_from(&got, &echo, buf_str(&text), &reply);
        assert_int_equal(want.error, 0);
        assert_true(str_equal(buf_str(&want), buf_str(&got)));
        buf_fini(&storage);
        buf_fini(&text);
        buf_fini(&want);
        buf_fini(&got);
    }
}

static void test_to_tag_stays(void **state)
{
    const struct addr source = test_addr("192.0.2.1:5060");
    const struct sip_reply reply = { .status = 481, .to_tag = STR("ours") };
    static const char text[] =
        "NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nf: sip:a@b\r\n"
        "t: \"x;tag=no\" <sip:b@c;tag=no> ; tag = theirs\r\ni: 1\r\nCSeq: 1 NOTIFY\r\n\r\n";
    struct sip_message m;
    struct buf out;

    (void)state;
    assert_int_equal(sip_message_parse(&m, str_of(text), NULL), 0);
    assert_text("tag", m.to_tag, "theirs");
    buf_init(&out, 1000);
    sip_print_response(&out, &m, &source, false, &reply);
    assert_true(str_contains_nocase(buf_str(&out), STR("\r\nFrom: sip:a@b\r\n")));
    assert_true(str_contains_nocase(buf_str(&out), STR("<sip:b@c;tag=no> ; tag = theirs\r\n")));
    assert_false(str_contains_nocase(buf_str(&out), STR("ours")));
    buf_fini(&out);
}

static void test_top_via(void **state)
{
    static const struct {
        const char *via, *source;
        bool force_rport;
        const char *printed;
    } rows[] = {
        { "SIP/2.0/UDP 192.0.2.1;branch=1", "192.0.2.1:7", false,
          "SIP/2.0/UDP 192.0.2.1;branch=1" },
        { "SIP/2.0/UDP 192.0.2.1:5060;branch=1", "192.0.2.2:7", false,
          "SIP/2.0/UDP 192.0.2.1:5060;received=192.0.2.2;branch=1" },
        { "SIP/2.0/UDP host;branch=1", "192.0.2.1:7", false,
          "SIP/2.0/UDP host;received=192.0.2.1;branch=1" },
        { "SIP/2.0/UDP 192.0.2.1;branch=1;rport", "192.0.2.1:7", false,
          "SIP/2.0/UDP 192.0.2.1;rport=7;received=192.0.2.1;branch=1" },
        { "SIP/2.0/UDP 192.0.2.1;branch=1", "192.0.2.1:7", true,
          "SIP/2.0/UDP 192.0.2.1;rport=7;received=192.0.2.1;branch=1" },
        { "SIP/2.0/UDP 192.0.2.1;RPORT=1;Received=9.9.9.9;x=\"a;b\";y", "192.0.2.1:7", false,
          "SIP/2.0/UDP 192.0.2.1;rport=7;received=192.0.2.1;x=\"a;b\";y" },
        { "SIP/2.0/UDP 192.0.2.1;received=9.9.9.9", "192.0.2.2:7", false,
          "SIP/2.0/UDP 192.0.2.1;received=192.0.2.2" },
        { "SIP/2.0/UDP [2001:db8::1]:5060;rport", "[2001:db8::2]:7", false,
          "SIP/2.0/UDP [2001:db8::1]:5060;rport=7;received=2001:db8::2" },
        { "SIP/2.0/UDP [2001:DB8:0::1];branch=1", "[2001:db8::1]:7", false,
          "SIP/2.0/UDP [2001:DB8:0::1];branch=1" },
        { "SIP/2.0/UDP [::ffff:192.0.2.1];branch=1", "192.0.2.1:7", false,
          "SIP/2.0/UDP [::ffff:192.0.2.1];branch=1" },
        { "SIP / 2.0 / UDP\r\n a : 5070 ; branch = 1 , SIP/2.0/TCP b;rport", "192.0.2.1:7", true,
          "SIP / 2.0 / UDP a : 5070;rport=7;received=192.0.2.1;branch=1, SIP/2.0/TCP b;rport" },
        { "SIP/2.0/UDP a", "192.0.2.1:7", true, "SIP/2.0/UDP a;rport=7;received=192.0.2.1" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct addr source = test_addr(rows[i].source);
        const struct sip_reply reply = { .status = 200 };
        struct buf in, out, via;
        struct sip_message m;

        buf_init(&via, 1000);
        buf_printf(&via, "Via: %s\r\n%c", rows[i].via, 0);
        request_make(&m, &in, via.p, "");
        buf_init(&out, 1000);
        sip_print_response(&out, &m, &source, rows[i].force_rport, &reply);
        via.n = 0;
        buf_printf(&via, "SIP/2.0 200 OK\r\nVia: %s\r\nCall-ID", rows[i].printed);
        if (!str_starts(buf_str(&out), buf_str(&via)))
            fail_msg("%s: %.*s", rows[i].via, STR_FMT(buf_str(&out)));
        buf_fini(&out);
        buf_fini(&via);
        buf_fini(&in);
    }
}

/* A Via whose parameters are broken still gets its 400. */
static void test_malformed_via(void **state)
{
    static const char text[] =
        "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;;\r\nf: sip:a@b\r\nt: sip:a@b\r\ni: 1\r\n"
        "CSeq: 1 OPTIONS\r\n\r\n";
    const struct addr source = test_addr("192.0.2.1:7");
    const struct sip_reply reply = { .status = 400, .reason = STR("Bad Via") };
    struct addr target;
    struct sip_message m;
    struct buf out;

    (void)state;
    assert_int_equal(sip_message_parse(&m, str_of(text), NULL), SIP_MALFORMED);
    buf_init(&out, 1000);
    sip_print_response(&out, &m, &source, true, &reply);
    assert_true(str_starts(buf_str(&out), STR("SIP/2.0 400 Bad Via\r\nVia: SIP/2.0/UDP a;;\r\n")));
    assert_int_equal(sip_response_target(&target, &m, &source, true), 0);
    assert_true(addr_equal(&target, &source));
    buf_fini(&out);
}

static void test_target(void **state)
{
    static const struct {
        const char *via, *source; /* source NULL: unknown */
        bool force_rport;
        const char *target; /* NULL: refused */
    } rows[] = {
        { "SIP/2.0/UDP 192.0.2.1:5070;rport", "192.0.2.2:7", false, "192.0.2.2:7" },
        { "SIP/2.0/UDP 192.0.2.1:5070", "192.0.2.2:7", true, "192.0.2.2:7" },
        { "SIP/2.0/UDP 192.0.2.1:5070", "192.0.2.2:7", false, "192.0.2.2:5070" },
        { "SIP/2.0/UDP 192.0.2.1", "192.0.2.2:7", false, "192.0.2.2:5060" },
        { "SIP/2.0/UDP host:5070;received=9.9.9.9", "192.0.2.2:7", false, "192.0.2.2:5070" },
        { "SIP/2.0/UDP [2001:db8::1]", "[2001:db8::2]:7", false, "[2001:db8::2]:5060" },
        { "SIP/2.0/UDP 192.0.2.1:5070;rport;maddr=224.0.1.75", "192.0.2.2:7", true, "192.0.2.2:7" },
        { "SIP/2.0/UDP 192.0.2.1;maddr=192.0.2.3", "192.0.2.2:7", false, "192.0.2.2:5060" },
        { "SIP/2.0/UDP 192.0.2.1:5070", NULL, false, "192.0.2.1:5070" },
        { "SIP/2.0/UDP [2001:db8::1]:5070", NULL, true, "[2001:db8::1]:5070" },
        { "SIP/2.0/UDP host", NULL, true, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct addr nowhere = { .sa.sa_family = AF_UNSPEC };
        const struct addr source = rows[i].source ? test_addr(rows[i].source) : nowhere;
        struct addr target = nowhere;
        struct sip_message m;
        struct buf in, via;
        int r;

        buf_init(&via, 1000);
        buf_printf(&via, "Via: %s\r\n%c", rows[i].via, 0);
        request_make(&m, &in, via.p, "");
        r = sip_response_target(&target, &m, &source, rows[i].force_rport);
        assert_number(rows[i].via, r, rows[i].target ? 0 : -EBADMSG);
        if (rows[i].target) {
            const struct addr expected = test_addr(rows[i].target);

            assert_number(rows[i].via, addr_equal(&target, &expected), true);
        }
        buf_fini(&via);
        buf_fini(&in);
    }
}

static void test_compact(void **state)
{
    static const char before[] =
        "NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\nFrom: <sip:a@b>\r\nX-Via: 1\r\n"
        "Call-ID: 1\r\nCSeq: 1 NOTIFY\r\nEvent: dialog\r\nAllow-Events: dialog\r\n"
        "Content-Length: 12\r\n\r\nFrom: body\r\n";
    static const char after[] =
        "NOTIFY sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP c\r\nf: <sip:a@b>\r\nX-Via: 1\r\n"
        "i: 1\r\nCSeq: 1 NOTIFY\r\no: dialog\r\nu: dialog\r\n"
        "l: 12\r\n\r\nFrom: body\r\n";
    char room[512];
    struct buf b;

    (void)state;
    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, str_of(before));
    sip_compact_headers(&b);
    assert_int_equal(b.n, sizeof(after) - 1);
    assert_memory_equal(b.p, after, b.n);
    buf_reset(&b);
    buf_add(&b, STR("NOTIFY")); /* no head, no end */
    sip_compact_headers(&b);
    assert_int_equal(b.n, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact),  cmocka_unit_test(test_headers),
        cmocka_unit_test(test_response), cmocka_unit_test(test_failure),
        cmocka_unit_test(test_echo),     cmocka_unit_test(test_to_tag_stays),
        cmocka_unit_test(test_top_via),  cmocka_unit_test(test_malformed_via),
        cmocka_unit_test(test_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
