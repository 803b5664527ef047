// SPDX-License-Identifier: MIT
#include "sip/sip_test.h"

/* A SUBSCRIBE that is as it should be but for what the test puts into it. */
#define LINE "SUBSCRIBE sip:100@example.com SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
#define FROM "From: <sip:a@example.com>;tag=f\r\n"
#define TO "To: <sip:100@example.com>\r\n"
#define CALL_ID "Call-ID: c1\r\n"
#define CSEQ "CSeq: 7 SUBSCRIBE\r\n"
#define HEADERS VIA FROM TO CALL_ID CSEQ
#define END "\r\n"

static int parse(struct sip_message *m, const char *text, const char **fault)
{
    return sip_message_parse(m, str_of(text), fault);
}

static void test_subscribe(void **state)
{
    static const char text[] =
        LINE HEADERS "Event: dialog;id=1\r\nExpires: 600\r\nContact: <sip:a@192.0.2.1>\r\n"
                     "Accept: application/dialog-info+xml\r\nSupported:\r\n"
                     "Max-Forwards: 70\r\nContent-Length:   0\r\n" END;
    struct sip_message m;

    (void)state;
    assert_int_equal(parse(&m, text, NULL), 0);
    assert_true(m.request);
    assert_int_equal(m.method, SIP_SUBSCRIBE);
    assert_text("method", m.method_text, "SUBSCRIBE");
    assert_text("uri", m.uri, "sip:100@example.com");
    assert_text("call-id", m.call_id, "c1");
    assert_text("from", m.from, "<sip:a@example.com>;tag=f");
    assert_text("from tag", m.from_tag, "f");
    assert_text("to", m.to, "<sip:100@example.com>");
    assert_text("to tag", m.to_tag, "");
    assert_text("branch", m.branch, "z9hG4bK1");
    assert_int_equal(m.cseq, 7);
    assert_int_equal(m.n_headers, 12);
    assert_int_equal(m.status, 0);
    assert_int_equal(m.body.n, 0);
    assert_int_equal(m.raw.n, sizeof(text) - 1);
    assert_text("event", sip_header_value(&m, SIP_H_EVENT), "dialog;id=1");
    assert_text("supported", sip_header_value(&m, SIP_H_SUPPORTED), "");
    assert_non_null(sip_header_first(&m, SIP_H_SUPPORTED));
    assert_null(sip_header_first(&m, SIP_H_REQUIRE));
    assert_null(sip_header_value(&m, SIP_H_REQUIRE).p);
}

static void test_response(void **state)
{
    struct sip_message m;

    (void)state;
    assert_int_equal(parse(&m, "SIP/2.0 401 Un authorized\r\n" HEADERS END, NULL), 0);
    assert_false(m.request);
    assert_int_equal(m.status, 401);
    assert_text("reason", m.reason, "Un authorized");
    assert_int_equal(m.method, SIP_SUBSCRIBE);
    assert_text("uri", m.uri, "");
    assert_int_equal(parse(&m, "sip/2.0 699\r\n" HEADERS END, NULL), 0);
    assert_text("reason", m.reason, "");
}

static void test_compact_and_case(void **state)
{
    static const char text[] =
        "NOTIFY sip:a@192.0.2.1 SIP/2.0\n"
        "V: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bKx\n"
        "f :sip:100@example.com;tag=1\n"
        "T\t: <sip:a@example.com>;tag=2\n"
        "i:x@y\n"
        "cSEQ:1 NOTIFY\n"
        "O: dialog\nU: presence\nm: <sip:b@c>\nk: eventlist\n"
        "r: <sip:x@y>\nX: 90\na: *\nb: <sip:z@y>\nd: fork\nJ: *\nn: <http://k>\ny: sig\n"
        "e: identity\nc: text/plain\nL: 2\n"
        "subscription-STATE: active\n"
        "\n"
        "hi";
    static const struct {
        const char *name, *value;
    } named[] = {
        { "Refer-To", "<sip:x@y>" },
        { "session-expires", "90" },
        { "Accept-Contact", "*" },
        { "Referred-By", "<sip:z@y>" },
        { "Request-Disposition", "fork" },
        { "reject-contact", "*" },
        { "Identity-Info", "<http://k>" },
        { "Identity", "sig" },
        { "x", "90" },
        { "Event", "dialog" },
        { "o", "dialog" },
        { "Allow-Events", "presence" },
        { "contact", "<sip:b@c>" },
        { "Supported", "eventlist" },
        { "Content-Encoding", "identity" },
        { "Content-Type", "text/plain" },
        { "Subscription-State", "active" },
    };
    struct sip_message m;

    (void)state;
    assert_int_equal(parse(&m, text, NULL), 0);
    assert_text("branch", m.branch, "z9hG4bKx");
    assert_text("from tag", m.from_tag, "1");
    assert_text("to tag", m.to_tag, "2");
    assert_text("call-id", m.call_id, "x@y");
    assert_text("body", m.body, "hi");
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        const struct sip_header *h = sip_header_named(&m, str_of(named[i].name));

        if (!h)
            fail_msg("%s is not found", named[i].name);
        assert_text(named[i].name, h->value, named[i].value);
    }
    assert_null(sip_header_named(&m, STR("Subject")));
    assert_null(sip_header_named(&m, STR("")));
}

static void test_folds(void **state)
{
    static const char text[] = LINE HEADERS "Subject: first\r\n second\r\n\t third\r\n"
                                            "X-Blank: \r\n \r\n"
                                            "X-Last:\n\t value \t\r\n" END "body";
    struct sip_message m;

    (void)state;
    assert_int_equal(parse(&m, text, NULL), 0);
    assert_int_equal(m.n_headers, 8);
    assert_text("subject", sip_header_named(&m, STR("s"))->value, "first\r\n second\r\n\t third");
    assert_text("blank", sip_header_named(&m, STR("x-blank"))->value, "");
    assert_text("last", sip_header_named(&m, STR("x-last"))->value, "value");
    assert_text("body", m.body, "body");
}

static void test_several_values(void **state)
{
    static const char text[] =
        LINE HEADERS "Accept: a/b\r\nX: 1\r\nAccept: c/d, e/f\r\nx: 2\r\nX-Y: 3\r\n"
                     "Session-Expires: 4\r\nACCEPT: g/h\r\n" END;
    const struct sip_header *h;
    struct sip_message m;

    (void)state;
    assert_int_equal(parse(&m, text, NULL), 0);
    h = sip_header_first(&m, SIP_H_ACCEPT);
    assert_text("1st", h->value, "a/b");
    h = sip_header_next(&m, h);
    assert_text("2nd", h->value, "c/d, e/f");
    h = sip_header_next(&m, h);
    assert_text("3rd", h->value, "g/h");
    assert_null(sip_header_next(&m, h));
    h = sip_header_named(&m, STR("Session-Expires"));
    assert_text("1st", h->value, "1");
    h = sip_header_next(&m, h);
    assert_text("2nd", h->value, "2");
    h = sip_header_next(&m, h);
    assert_text("3rd", h->value, "4");
    assert_null(sip_header_next(&m, h));
}

static const struct {
    const char *name, *text;
    int outcome;
    const char *fault;
} broken[] = {
    /* Not SIP at all, and keep-alives. */
    { "empty", "", SIP_NOT_SIP, "Not SIP" },
    { "keep-alive", "\r\n\r\n", SIP_NOT_SIP, "Not SIP" },
    { "pong", "\r\n", SIP_NOT_SIP, "Not SIP" },
    { "jaK", "jaK", SIP_NOT_SIP, "Not SIP" },
    { "http", "GET / HTTP/1.1\r\n" HEADERS END, SIP_NOT_SIP, "Not SIP" },
    { "no line end", "OPTIONS sip:a SIP/2.0", SIP_NOT_SIP, "Not SIP" },
    { "one word", "OPTIONS\r\n" HEADERS END, SIP_NOT_SIP, "Not SIP" },
    { "blank first", " OPTIONS sip:a SIP/2.0\r\n" HEADERS END, SIP_NOT_SIP, "Not SIP" },
    { "method of no token", "OPT<IONS sip:a SIP/2.0\r\n" HEADERS END, SIP_NOT_SIP, "Not SIP" },

    /* Nothing to answer to. */
    { "no Via", LINE FROM TO CALL_ID CSEQ END, SIP_UNANSWERABLE, "Bad Via" },
    { "empty Via", LINE "Via:\r\n" FROM TO CALL_ID CSEQ END, SIP_UNANSWERABLE, "Bad Via" },
    { "Via without host", LINE "Via: SIP/2.0/UDP ;branch=1\r\n" FROM TO CALL_ID CSEQ END,
      SIP_UNANSWERABLE, "Bad Via" },
    { "Via of HTTP", LINE "Via: HTTP/1.1/TCP a\r\n" FROM TO CALL_ID CSEQ END, SIP_UNANSWERABLE,
      "Bad Via" },
    { "no From", LINE VIA TO CALL_ID CSEQ END, SIP_UNANSWERABLE,
      "From, To, Call-ID or CSeq is missing" },
    { "no To", LINE VIA FROM CALL_ID CSEQ END, SIP_UNANSWERABLE,
      "From, To, Call-ID or CSeq is missing" },
    { "no Call-ID", LINE VIA FROM TO CSEQ END, SIP_UNANSWERABLE,
      "From, To, Call-ID or CSeq is missing" },
    { "empty Call-ID", LINE VIA FROM TO CSEQ "i: \r\n" END, SIP_UNANSWERABLE,
      "From, To, Call-ID or CSeq is missing" },
    { "no CSeq", LINE VIA FROM TO CALL_ID END, SIP_UNANSWERABLE,
      "From, To, Call-ID or CSeq is missing" },
    { "start line only", LINE END, SIP_UNANSWERABLE, "From, To, Call-ID or CSeq is missing" },

    /* 505 */
    { "3.0", "OPTIONS sip:a SIP/3.0\r\n" VIA FROM TO CALL_ID "CSeq: 1 OPTIONS\r\n" END,
      SIP_BAD_VERSION, "SIP version not supported" },
    { "2.00", "OPTIONS sip:a SIP/2.00\r\n" VIA FROM TO CALL_ID "CSeq: 1 OPTIONS\r\n" END,
      SIP_BAD_VERSION, "SIP version not supported" },
    { "3.0 and malformed", "OPTIONS sip:a SIP/3.0\r\nBad Name: 1\r\n" HEADERS END, SIP_BAD_VERSION,
      "SIP version not supported" },
    { "3.0 and unanswerable", "OPTIONS sip:a SIP/3.0\r\n" VIA END, SIP_UNANSWERABLE,
      "From, To, Call-ID or CSeq is missing" },

    /* 400 */
    { "no URI", "SUBSCRIBE SIP/2.0\r\n" HEADERS END, SIP_MALFORMED, "No Request-URI" },
    { "blank URI", "SUBSCRIBE  SIP/2.0\r\n" HEADERS END, SIP_MALFORMED, "No Request-URI" },
    { "two blanks", "SUBSCRIBE  sip:a SIP/2.0\r\n" HEADERS END, SIP_MALFORMED,
      "Several blanks in the request line" },
    { "two blanks later", "SUBSCRIBE sip:a  SIP/2.0\r\n" HEADERS END, SIP_MALFORMED,
      "Several blanks in the request line" },
    { "blank at the end", "SUBSCRIBE sip:a SIP/2.0 \r\n" HEADERS END, SIP_MALFORMED,
      "Blanks behind the request line" },
    { "blank in the URI", "SUBSCRIBE sip:a b SIP/2.0\r\n" HEADERS END, SIP_MALFORMED,
      "Bad Request-URI" },
    { "URI without scheme", "SUBSCRIBE 100@example.com SIP/2.0\r\n" HEADERS END, SIP_MALFORMED,
      "Bad Request-URI" },
    { "control in the URI", "SUBSCRIBE sip:a\001b SIP/2.0\r\n" HEADERS END, SIP_MALFORMED,
      "Bad Request-URI" },
    { "status 99", "SIP/2.0 099 x\r\n" HEADERS END, SIP_MALFORMED, "Bad status code" },
    { "status 700", "SIP/2.0 700 x\r\n" HEADERS END, SIP_MALFORMED, "Bad status code" },
    { "status of letters", "SIP/2.0 2x0 x\r\n" HEADERS END, SIP_MALFORMED, "Bad status code" },
    { "status too long", "SIP/2.0 2000 x\r\n" HEADERS END, SIP_MALFORMED, "Bad status code" },
    { "no status", "SIP/2.0\r\n" HEADERS END, SIP_MALFORMED, "Bad status code" },
    { "bare CR in the reason", "SIP/2.0 200 a\rb\r\n" HEADERS END, SIP_MALFORMED,
      "Control character in the status line" },
    { "cut header", LINE HEADERS "Event: dia", SIP_MALFORMED, "Header field without line end" },
    { "cut body", LINE HEADERS "l: 1\r\n", SIP_MALFORMED, "Content-Length exceeds the message" },
    { "no colon", LINE "Event dialog\r\n" HEADERS END, SIP_MALFORMED, "Bad header field name" },
    { "no name", LINE ": dialog\r\n" HEADERS END, SIP_MALFORMED, "Bad header field name" },
    { "illegal name", LINE "Ev(ent: dialog\r\n" HEADERS END, SIP_MALFORMED,
      "Bad header field name" },
    { "name of two words", LINE "Event Name: dialog\r\n" HEADERS END, SIP_MALFORMED,
      "Bad header field name" },
    { "fold before all headers", LINE " Event: dialog\r\n" HEADERS END, SIP_MALFORMED,
      "Bad header field name" },
    { "fold before the colon", LINE "Event\r\n : dialog\r\n" HEADERS END, SIP_MALFORMED,
      "Bad header field name" },
    { "control in a value", LINE HEADERS "Event: dia\002log\r\n" END, SIP_MALFORMED,
      "Control character in a header field" },
    { "control in a short value", LINE HEADERS "X: \002\r\n" END, SIP_MALFORMED,
      "Control character in a header field" },
    { "bare CR in a value", LINE HEADERS "X-Y: a\rEvent: b\r\n" END, SIP_MALFORMED,
      "Control character in a header field" },
    { "quoted CR", LINE HEADERS "X-Y: \"a\\\rEvent: b\"\r\n" END, SIP_MALFORMED,
      "Control character in a header field" },
    { "Content-Length too large", LINE HEADERS "l: 3\r\n" END "ab", SIP_MALFORMED,
      "Content-Length exceeds the message" },
    { "Content-Length beyond 2^32", LINE HEADERS "l: 4294967298\r\n" END "ab", SIP_MALFORMED,
      "Bad Content-Length" },
    { "Content-Length with sign", LINE HEADERS "l: +2\r\n" END "ab", SIP_MALFORMED,
      "Bad Content-Length" },
    { "empty Content-Length", LINE HEADERS "l:\r\n" END "ab", SIP_MALFORMED, "Bad Content-Length" },
    { "CSeq 2^31", LINE VIA FROM TO CALL_ID "CSeq: 2147483648 SUBSCRIBE\r\n" END, SIP_MALFORMED,
      "Bad CSeq number" },
    { "CSeq without number", LINE VIA FROM TO CALL_ID "CSeq: SUBSCRIBE\r\n" END, SIP_MALFORMED,
      "Bad CSeq number" },
    { "CSeq without method", LINE VIA FROM TO CALL_ID "CSeq: 1\r\n" END, SIP_MALFORMED,
      "Bad CSeq method" },
    { "CSeq without blank", LINE VIA FROM TO CALL_ID "CSeq: 1SUBSCRIBE\r\n" END, SIP_MALFORMED,
      "Bad CSeq method" },
    { "CSeq with more", LINE VIA FROM TO CALL_ID "CSeq: 1 SUBSCRIBE x\r\n" END, SIP_MALFORMED,
      "Bad CSeq method" },
    { "other method", LINE VIA FROM TO CALL_ID "CSeq: 1 NOTIFY\r\n" END, SIP_MALFORMED,
      "CSeq method is not the request's" },
    { "method in another case", LINE VIA FROM TO CALL_ID "CSeq: 1 Subscribe\r\n" END, SIP_MALFORMED,
      "CSeq method is not the request's" },
    { "Via with empty parameters", LINE "Via: SIP/2.0/UDP a;;branch=1\r\n" FROM TO CALL_ID CSEQ END,
      SIP_MALFORMED, "Bad Via" },
    { "From without URI", LINE VIA "From: Alice\r\n" TO CALL_ID CSEQ END, SIP_MALFORMED,
      "Bad From" },
    { "From with an empty host", LINE VIA "From: <sip:a@>\r\n" TO CALL_ID CSEQ END, SIP_MALFORMED,
      "Bad From" },
    { "To not closed", LINE VIA FROM "To: <sip:a@b\r\n" CALL_ID CSEQ END, SIP_MALFORMED, "Bad To" },
    { "two From", LINE HEADERS "f: <sip:b@example.com>;tag=f\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two To", LINE HEADERS "t: <sip:b@example.com>\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two Call-ID", LINE HEADERS "i: c2\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two CSeq", LINE HEADERS "CSeq: 8 SUBSCRIBE\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two Event", LINE HEADERS "o: a\r\nEvent: b\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two Expires", LINE HEADERS "Expires: 1\r\nExpires: 2\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two Max-Forwards", LINE HEADERS "Max-Forwards: 1\r\nMax-Forwards: 2\r\n" END, SIP_MALFORMED,
      "Header field repeated with another value" },
    { "two Content-Length", LINE HEADERS "l: 0\r\nl: 1\r\n" END "a", SIP_MALFORMED,
      "Header field repeated with another value" },
    { "the first fault is told", LINE "Event\r\n" HEADERS "l: x\r\n" END, SIP_MALFORMED,
      "Bad header field name" },
};

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct sip_message m;
        const char *fault;

        assert_number(broken[i].name, parse(&m, broken[i].text, &fault), broken[i].outcome);
        assert_text(broken[i].name, str_of(fault), broken[i].fault);
    }
}

static const struct {
    const char *name, *text;
    const char *body;
} tolerated[] = {
    { "leading line ends", "\r\n\n\r\n" LINE HEADERS END, "" },
    { "no empty line", LINE HEADERS, "" },
    { "bare LF",
      "SUBSCRIBE sip:a SIP/2.0\nVia: SIP/2.0/UDP a\nf: sip:a@b\nt: sip:a@b\ni: 1\nCSeq: 1 "
      "SUBSCRIBE\n\nx",
      "x" },
    { "lower case version", "SUBSCRIBE sip:a sip/2.0\r\n" HEADERS END, "" },
    { "no From tag", LINE VIA "From: <sip:a@b>\r\n" TO CALL_ID CSEQ END, "" },
    { "equal duplicates", LINE HEADERS FROM TO CALL_ID CSEQ "l: 0\r\nContent-Length: 0\r\n" END,
      "" },
    { "body cut", LINE HEADERS "l: 2\r\n" END "abc", "ab" },
    { "body without length", LINE HEADERS END "abc", "abc" },
    { "length with zeros", LINE HEADERS "l: 0000000000000000000000001\r\n" END "abc", "a" },
    { "length with blanks", LINE HEADERS "Content-Length:   2  \r\n" END "ab", "ab" },
    { "CSeq 2^31-1", LINE VIA FROM TO CALL_ID "CSeq: 2147483647\t SUBSCRIBE\r\n" END, "" },
    { "empty headers", LINE HEADERS "Supported:\r\nSubject: \r\nX-Z:\r\n\t\r\n" END, "" },
    { "tab in a value", LINE HEADERS "Subject: a\tb\r\n" END, "" },
    { "quoted control", LINE HEADERS "Subject: \"a\\\001\"\r\n" END, "" },
    { "UTF-8", LINE HEADERS "Subject: \xd0\xbd\xd0\xbe\r\n" END, "" },
    { "tel in From",
      LINE VIA "From: <tel:+358-555-1234567;phone-context=x>;tag=1\r\n" TO CALL_ID CSEQ END, "" },
    { "Via list", LINE "v: SIP/2.0/UDP a;branch=1 , SIP/2.0/TCP b\r\n" FROM TO CALL_ID CSEQ END,
      "" },
};

static void test_tolerated(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tolerated); i++) {
        struct sip_message m;
        const char *fault = "unset";
        int r = parse(&m, tolerated[i].text, &fault);

        if (r)
            fail_msg("%s: %d %s", tolerated[i].name, r, fault);
        assert_null(fault);
        assert_text(tolerated[i].name, m.body, tolerated[i].body);
    }
}

/* A STUN binding request (RFC 5389), and binary noise. */
static void test_binary(void **state)
{
    static const char stun[] = "\x00\x01\x00\x00\x21\x12\xa4\x42\n23456789012";
    struct sip_message m;

    (void)state;
    assert_int_equal(sip_message_parse(&m, (struct str){ stun, sizeof(stun) - 1 }, NULL),
                     SIP_NOT_SIP);
    assert_int_equal(sip_message_parse(&m, STR("\x80\xff\n\n"), NULL), SIP_NOT_SIP);
    assert_int_equal(sip_message_parse(&m, STR_EMPTY, NULL), SIP_NOT_SIP);
}

static void test_limits(void **state)
{
    struct sip_message m;
    const char *fault;
    struct buf b;

    (void)state;
    buf_init(&b, SIP_MESSAGE_MAX + 1);
    buf_add(&b, STR(LINE HEADERS));
    for (size_t i = 5; i < SIP_HEADERS_MAX; i++)
        buf_printf(&b, "X-%zu: %zu\r\n", i, i);
    buf_add(&b, STR(END));
    assert_int_equal(sip_message_parse(&m, buf_str(&b), &fault), 0);
    assert_int_equal(m.n_headers, SIP_HEADERS_MAX);
    assert_text("last", sip_header_named(&m, STR("x-127"))->value, "127");
    b.n -= 2;
    buf_add(&b, STR("X-One: more\r\n" END));
    assert_int_equal(sip_message_parse(&m, buf_str(&b), &fault), SIP_MALFORMED);
    assert_text("one more", str_of(fault), "Too many header fields");

    while (b.n < SIP_MESSAGE_MAX && !b.error)
        buf_add_char(&b, '.');
    assert_int_equal(sip_message_parse(&m, buf_str(&b), &fault), SIP_MALFORMED);
    buf_add_char(&b, '.');
    assert_int_equal(sip_message_parse(&m, buf_str(&b), &fault), SIP_UNANSWERABLE);
    assert_text("too long", str_of(fault), "Message too long");
    buf_fini(&b);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = SIP_H_OTHER + 1; i < SIP_H_COUNT; i++) {
        struct str name = sip_header_name((enum sip_header_id)i), lower;

        assert_true(name.n > 0);
        assert_int_equal(sip_header_id_parse(name), i);
        assert_int_equal(str_dup(&lower, name), 0);
        for (size_t k = 0; k < lower.n; k++)
            if (lower.p[k] >= 'A' && lower.p[k] <= 'Z')
                ((char *)lower.p)[k] |= 0x20;
        assert_int_equal(sip_header_id_parse(lower), i);
        ((char *)lower.p)[lower.n - 1] ^= 0x10;
        assert_int_equal(sip_header_id_parse(lower), SIP_H_OTHER);
        str_free(&lower);
    }
    assert_int_equal(sip_header_id_parse(STR("")), SIP_H_OTHER);
    assert_int_equal(sip_header_id_parse(STR("z")), SIP_H_OTHER);
    assert_int_equal(sip_header_id_parse(STR("1")), SIP_H_OTHER);
    assert_int_equal(sip_header_id_parse(STR("A-Name-Longer-Than-Any-Other")), SIP_H_OTHER);
    for (unsigned i = SIP_METHOD_OTHER + 1; i < SIP_METHODS; i++)
        assert_int_equal(sip_method_parse(sip_method_name((enum sip_method)i)), i);
    assert_int_equal(sip_method_parse(STR("invite")), SIP_METHOD_OTHER);
    assert_int_equal(sip_method_parse(STR("")), SIP_METHOD_OTHER);
    assert_text("489", sip_reason_phrase(489), "Bad Event");
    assert_text("412", sip_reason_phrase(412), "Conditional Request Failed");
    for (unsigned status = 0; status < 1000; status++)
        assert_true(sip_reason_phrase(status).n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscribe),        cmocka_unit_test(test_response),
        cmocka_unit_test(test_compact_and_case), cmocka_unit_test(test_folds),
        cmocka_unit_test(test_several_values),   cmocka_unit_test(test_broken),
        cmocka_unit_test(test_tolerated),        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
