// SPDX-License-Identifier: MIT
#include "sip/sip_test.h"

#include "sip/message.h"

#define VIA "Via: SIP/2.0/UDP 192.0.2.1;rport=5060;branch=z9hG4bK1"
#define REST "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\n"
#define CSEQ "CSeq: 7 NOTIFY\r\n"

/* What it sees is what the parser sees; the rest is left to that. */
static void test_glance(void **state)
{
    static const struct {
        const char *text;
        unsigned status; /* 0: it says nothing */
    } cases[] = {
        { "SIP/2.0 200 OK\r\n" VIA "\r\n" REST CSEQ "\r\n", 200 },
        { "SIP/2.0 202 Accepted\r\n" REST CSEQ VIA "\r\n\r\n", 202 },
        { "SIP/2.0 299\n" VIA ";received=192.0.2.9\n" REST "CSeq:7 NOTIFY\n\n", 299 },
        { "SIP/2.0 200 OK\r\n" VIA ", SIP/2.0/UDP y;branch=z9hG4bK2\r\n" REST CSEQ "\r\n", 200 },
        { "SIP/2.0 200 OK\r\n" VIA "\r\nVia: SIP/2.0/UDP y;branch=z9hG4bK2\r\n" REST CSEQ "\r\n",
          200 },
        /* Other answers. */
        { "SIP/2.0 100 Trying\r\n" VIA "\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 481 Gone\r\n" VIA "\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 2000 OK\r\n" VIA "\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/3.0 200 OK\r\n" VIA "\r\n" REST CSEQ "\r\n", 0 },
        { "NOTIFY sip:a@x SIP/2.0\r\n" VIA "\r\n" REST CSEQ "\r\n", 0 },
        { "", 0 },
        { "SIP/2.0 2", 0 },
        /* Written in another way. */
        { "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP y;branch=z9hG4bK2\r\n" VIA "\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\nVIA: SIP/2.0/UDP y;branch=z9hG4bK2\r\n" VIA "\r\n" REST CSEQ "\r\n",
          0 },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y, SIP/2.0/UDP z;branch=z9hG4bK2\r\n" REST CSEQ
          "\r\n",
          0 },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y;a=\";branch=x\";branch=z9hG4bK2\r\n" REST CSEQ
          "\r\n",
          0 },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y;Branch=x;branch=z9hG4bK2\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y;branch =x;branch=z9hG4bK2\r\n" REST CSEQ "\r\n",
          0 },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y; branch=x;branch=z9hG4bK2\r\n" REST CSEQ "\r\n",
          0 },
        { "SIP/2.0 200 OK\r\n" VIA "\r\n ;more=1\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\n" VIA " ;more=1\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\n" VIA "\r\n" REST "CSeq: 7\r\n NOTIFY\r\n\r\n", 0 },
        { "SIP/2.0 200 OK\r\n" VIA "\r\n" REST "CSeq: 7 OTHER\r\n\r\n", 0 },
        /* Not all of it is there. */
        { "SIP/2.0 200 OK\r\n" VIA "\r\n" REST "\r\n" CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP y\r\n" REST CSEQ "\r\n", 0 },
        { "SIP/2.0 200 OK\r\n" VIA "\r\n" REST "CSeq: 7 NOTIFY", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_glance g;
        struct sip_message m, rest;

        assert_int_equal(sip_success_glance(&g, str_of(cases[i].text)), cases[i].status != 0);
        if (!cases[i].status)
            continue;
        assert_int_equal(sip_message_parse(&m, str_of(cases[i].text), NULL), 0);
        assert_int_equal(g.status, cases[i].status);
        assert_int_equal(g.status, m.status);
        assert_int_equal(g.method, m.method);
        assert_true(str_equal(g.branch, m.branch));
        assert_int_equal(sip_response_parse_rest(&rest, str_of(cases[i].text)), 0);
        assert_int_equal(rest.status, m.status);
        assert_int_equal(rest.n_headers, m.n_headers);
        assert_true(str_equal(sip_header_value(&rest, SIP_H_CALL_ID), m.call_id));
    }
}

/* Whatever else is broken is left to the parser, whose answer it is. */
static void test_rest_is_refused(void **state)
{
    static const char *const cases[] = {
        "SIP/2.0 200 OK\r\nCall-ID: a\r\nCall-ID: b\r\n\r\n",
        "SIP/2.0 200 OK\r\nSIP-ETag a\r\n\r\n",
        "SIP/2.0 200 OK\r\nServer: \x01\r\n\r\n",
        "SIP/2.0 200 OK\r\nContent-Length: 9\r\n\r\nbody",
        "SIP/3.0 200 OK\r\n\r\n",
        "NOTIFY sip:a@x SIP/2.0\r\n\r\n",
        "",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_message rest;

        if (sip_response_parse_rest(&rest, str_of(cases[i])) == 0)
            fail_msg("%s", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_glance),
                                        cmocka_unit_test(test_rest_is_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
