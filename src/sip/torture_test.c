// SPDX-License-Identifier: MIT
/* RFC 4475 and RFC 5118. Where the RFC leaves a choice, rejecting is ours: a message that elements
 * read differently is a hole. */
#include "sip/sip_test.h"
#include "sip/torture_invalid.h"
#include "sip/torture_ipv6.h"
#include "sip/torture_semantics.h"
#include "sip/torture_valid.h"

typedef void (*check_fn)(const struct sip_message *m);

struct torture {
    const char *name;
    const struct str *bytes;
    int outcome;
    const char *fault; /* NULL with outcome 0 */
    check_fn check;    /* NULL: the outcome says it all */
};

static struct str user_of(struct str text)
{
    struct sip_uri uri;

    assert_int_equal(sip_uri_parse(&uri, text), 0);
    return uri.user;
}

static struct sip_name_addr contact_of(const struct sip_message *m)
{
    struct sip_name_addr contact;

    assert_int_equal(sip_name_addr_parse(&contact, sip_header_value(m, SIP_H_CONTACT)), 0);
    return contact;
}

static size_t via_count(const struct sip_message *m)
{
    size_t n = 0;

    for (const struct sip_header *h = sip_header_first(m, SIP_H_VIA); h;
         h = sip_header_next(m, h)) {
        struct str rest = h->value, value;
        struct sip_via via;

        while (sip_list_next(&rest, &value)) {
            assert_int_equal(sip_via_parse(&via, value), 0);
            n++;
        }
    }
    return n;
}

static void check_wsinv(const struct sip_message *m)
{
    struct sip_name_addr contact = contact_of(m);
    struct str q;

    assert_text("to", m->to_tag, "1918181833n");
    assert_text("from", m->from_tag, "98asjd8");
    assert_text("branch", m->branch, "390skdjuw");
    assert_int_equal(m->cseq, 9);
    assert_int_equal(m->method, SIP_INVITE);
    assert_int_equal(m->body.n, 150);
    assert_int_equal(via_count(m), 3);
    assert_text("max", sip_header_value(m, SIP_H_MAX_FORWARDS), "0068");
    assert_text("s", sip_header_named(m, STR("subject"))->value, "");
    assert_text("odd", sip_header_named(m, STR("unknownheaderwithunusualvalue"))->value,
                ";;,,;;,;");
    assert_text("display", contact.display, "Quoted string \\\"\\\"");
    assert_true(sip_param_find(contact.params, STR("Q"), &q));
    assert_text("q", q, "0.33");
    assert_true(sip_param_find(contact.params, STR("newparam"), &q));
    assert_text("newparam", q, "newvalue");
    assert_true(sip_param_find(contact.params, STR("secondparam"), &q));
    assert_text("secondparam", q, "");
}

static void check_intmeth(const struct sip_message *m)
{
    struct sip_name_addr to, from;
    struct sip_uri uri;

    assert_int_equal(m->method, SIP_METHOD_OTHER);
    assert_text("method", m->method_text, "!interesting-Method0123456789_*+`.%indeed'~");
    assert_int_equal(sip_uri_parse(&uri, m->uri), 0);
    assert_text("user", uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
    assert_text("password", uri.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
    assert_text("host", uri.host, "example.com");
    assert_text("branch", m->branch, "z9hG4bK-.!%66*_+`'~");
    assert_text("tag", m->from_tag, "_token~1'+`*%!-.");
    assert_text("call-id", m->call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_int_equal(sip_name_addr_parse(&from, m->from), 0);
    assert_text("display", from.display, "token1~` token2'+_ token3*%!.-");
    assert_int_equal(sip_name_addr_parse(&to, m->to), 0);
    assert_int_equal(to.display.n, 20);
    assert_non_null(sip_header_named(m, STR("EXTENSIONHEADER-!.%*+_`'~")));
}

static void check_esc01(const struct sip_message *m)
{
    char storage[64];
    struct buf b;

    buf_init_on(&b, storage, sizeof(storage));
    sip_uri_user_decode(&b, user_of(m->uri));
    assert_text("uri", buf_str(&b), "sips:user@example.com");
    assert_text("contact", contact_of(m).uri,
                "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31");
    assert_int_equal(m->body.n, 150);
}

static void check_escnull(const struct sip_message *m)
{
    struct sip_name_addr to;
    char storage[64];
    struct buf b;

    assert_int_equal(sip_name_addr_parse(&to, m->to), 0);
    buf_init_on(&b, storage, sizeof(storage));
    sip_uri_user_decode(&b, user_of(to.uri));
    assert_int_equal(b.n, 11);
    assert_memory_equal(b.p, "null-\0-null", 11);
}

static void check_esc02(const struct sip_message *m)
{
    size_t n = 0;

    assert_int_equal(m->method, SIP_METHOD_OTHER);
    for (const struct sip_header *h = sip_header_first(m, SIP_H_CONTACT); h;
         h = sip_header_next(m, h))
        n++;
    assert_int_equal(n, 2);
}

static void check_lwsdisp(const struct sip_message *m)
{
    struct sip_name_addr from;

    assert_int_equal(sip_name_addr_parse(&from, m->from), 0);
    assert_text("display", from.display, "caller");
    assert_text("uri", from.uri, "sip:caller@example.com");
}

static void check_longreq(const struct sip_message *m)
{
    assert_int_equal(via_count(m), 34);
    assert_int_equal(m->from_tag.n, 155);
    assert_int_equal(m->call_id.n, 141);
    assert_int_equal(m->branch.n, 0);
    assert_int_equal(m->body.n, 150);
}

static void check_dblreq(const struct sip_message *m)
{
    assert_int_equal(m->method, SIP_REGISTER);
    assert_int_equal(m->body.n, 0);
}

static void check_semiuri(const struct sip_message *m)
{
    assert_text("user", user_of(m->uri), "user;par=u%40example.net");
}

static void check_transports(const struct sip_message *m)
{
    static const char *const expected[] = { "UDP", "SCTP", "TLS", "UNKNOWN", "TCP" };
    size_t n = 0;

    for (const struct sip_header *h = sip_header_first(m, SIP_H_VIA); h;
         h = sip_header_next(m, h)) {
        struct sip_via via;

        assert_int_equal(sip_via_parse(&via, h->value), 0);
        assert_text("transport", via.transport, expected[n++]);
    }
    assert_int_equal(n, ARRAY_LEN(expected));
}

static void check_mpart01(const struct sip_message *m)
{
    assert_int_equal(m->body.n, 553);
    assert_true(str_ends(m->body, STR("--7a9cbec02ceef655--\r\n")));
}

static void check_unreason(const struct sip_message *m)
{
    assert_false(m->request);
    assert_int_equal(m->status, 200);
    assert_true(str_starts(m->reason, STR("= 2**3 * 5**2 \xd0\xbd\xd0\xbe")));
    assert_int_equal(m->method, SIP_INVITE);
}

static void check_noreason(const struct sip_message *m)
{
    assert_int_equal(m->status, 100);
    assert_text("reason", m->reason, "");
}

static void check_bad_contact(const struct sip_message *m)
{
    struct sip_name_addr contact;

    assert_int_equal(sip_name_addr_parse(&contact, sip_header_value(m, SIP_H_CONTACT)), -EBADMSG);
}

static void check_badbranch(const struct sip_message *m)
{
    assert_text("branch", m->branch, "z9hG4bK");
}

static void check_other_scheme(const struct sip_message *m)
{
    struct sip_uri uri;

    assert_int_equal(sip_uri_parse(&uri, m->uri), 0);
    assert_false(uri.sip);
}

static void check_unksm2(const struct sip_message *m)
{
    assert_text("tag", m->from_tag, "3234233");
    assert_text("contact", contact_of(m).uri, "name:John_Smith");
}

static void check_multi01(const struct sip_message *m)
{
    assert_text("the first", m->call_id, "multi01.98asdh@192.0.2.1");
    assert_text("the first", m->from_tag, "3413415");
}

static void check_cparam01(const struct sip_message *m)
{
    assert_text("uri", contact_of(m).uri, "sip:+19725552222@gw1.example.net");
    assert_text("params", contact_of(m).params, ";unknownparam");
}

static void check_cparam02(const struct sip_message *m)
{
    assert_text("uri", contact_of(m).uri, "sip:+19725552222@gw1.example.net;unknownparam");
    assert_text("params", contact_of(m).params, "");
}

static void check_regescrt(const struct sip_message *m)
{
    struct sip_uri uri;

    assert_int_equal(sip_uri_parse(&uri, contact_of(m).uri), 0);
    assert_text("headers", uri.headers, "?Route=%3Csip:sip.example.com%3E");
}

static void check_inv2543(const struct sip_message *m)
{
    assert_int_equal(m->from_tag.n, 0);
    assert_int_equal(m->branch.n, 0);
    assert_int_equal(m->body.n, 105);
}

static void check_host(const struct sip_message *m, const char *host, uint16_t port)
{
    struct sip_uri uri;

    assert_int_equal(sip_uri_parse(&uri, m->uri), 0);
    assert_true(uri.host_ipv6);
    assert_text("host", uri.host, host);
    assert_int_equal(uri.port, port);
}

static void check_ipv6_good(const struct sip_message *m)
{
    check_host(m, "2001:db8::10", 0);
}

static void check_port_ambiguous(const struct sip_message *m)
{
    check_host(m, "2001:db8::10:5070", 0);
}

static void check_port_unambiguous(const struct sip_message *m)
{
    check_host(m, "2001:db8::10", 5070);
}

static void check_received(const struct sip_message *m)
{
    struct sip_via via;

    assert_int_equal(sip_via_parse(&via, sip_header_value(m, SIP_H_VIA)), 0);
    assert_text("host", via.host, "2001:db8::9:1");
    assert_text("received", via.received, "2001:db8::9:255");
}

static void check_mapped(const struct sip_message *m)
{
    struct sip_via via;

    assert_int_equal(via_count(m), 2);
    assert_int_equal(sip_via_parse(&via, sip_header_value(m, SIP_H_VIA)), 0);
    assert_text("host", via.host, "::ffff:192.0.2.10");
    assert_int_equal(via.port, 19823);
}

static const struct torture messages[] = {
    { "wsinv", &wsinv, 0, NULL, check_wsinv },
    { "intmeth", &intmeth, 0, NULL, check_intmeth },
    { "esc01", &esc01, 0, NULL, check_esc01 },
    { "escnull", &escnull, 0, NULL, check_escnull },
    { "esc02", &esc02, 0, NULL, check_esc02 },
    { "lwsdisp", &lwsdisp, 0, NULL, check_lwsdisp },
    { "longreq", &longreq, 0, NULL, check_longreq },
    { "dblreq", &dblreq, 0, NULL, check_dblreq },
    { "semiuri", &semiuri, 0, NULL, check_semiuri },
    { "transports", &transports, 0, NULL, check_transports },
    { "mpart01", &mpart01, 0, NULL, check_mpart01 },
    { "unreason", &unreason, 0, NULL, check_unreason },
    { "noreason", &noreason, 0, NULL, check_noreason },

    { "badinv01", &badinv01, SIP_MALFORMED, "Bad Via", check_bad_contact },
    { "clerr", &clerr, SIP_MALFORMED, "Content-Length exceeds the message", NULL },
    { "ncl", &ncl, SIP_MALFORMED, "Bad Content-Length", NULL },
    { "scalar02", &scalar02, SIP_MALFORMED, "Bad CSeq number", NULL },
    { "scalarlg", &scalarlg, SIP_MALFORMED, "Bad CSeq number", NULL },
    { "quotbal", &quotbal, SIP_MALFORMED, "Bad To", NULL },
    { "ltgtruri", &ltgtruri, SIP_MALFORMED, "Bad Request-URI", NULL },
    { "lwsruri", &lwsruri, SIP_MALFORMED, "Bad Request-URI", NULL },
    { "lwsstart", &lwsstart, SIP_MALFORMED, "Several blanks in the request line", NULL },
    { "trws", &trws, SIP_MALFORMED, "Blanks behind the request line", NULL },
    { "escruri", &escruri, SIP_MALFORMED, "Headers in the Request-URI", NULL },
    { "baddate", &baddate, 0, NULL, NULL }, /* nobody here reads the Date of a request */
    { "regbadct", &regbadct, 0, NULL, check_bad_contact },
    { "badaspec", &badaspec, SIP_MALFORMED, "Bad To", NULL },
    { "baddn", &baddn, SIP_MALFORMED, "Bad From", NULL },
    { "badvers", &badvers, SIP_BAD_VERSION, "SIP version not supported", NULL },
    { "mismatch01", &mismatch01, SIP_MALFORMED, "CSeq method is not the request's", NULL },
    { "mismatch02", &mismatch02, SIP_MALFORMED, "CSeq method is not the request's", NULL },
    { "bigcode", &bigcode, SIP_MALFORMED, "Bad status code", NULL },

    { "badbranch", &badbranch, 0, NULL, check_badbranch },
    { "insuf", &insuf, SIP_UNANSWERABLE, "From, To, Call-ID or CSeq is missing", NULL },
    { "unkscm", &unkscm, 0, NULL, check_other_scheme },
    { "novelsc", &novelsc, 0, NULL, check_other_scheme },
    { "unksm2", &unksm2, 0, NULL, check_unksm2 },
    { "bext01", &bext01, 0, NULL, NULL },
    { "invut", &invut, 0, NULL, NULL },
    { "regaut01", &regaut01, 0, NULL, NULL },
    { "multi01", &multi01, SIP_MALFORMED, "Header field repeated with another value",
      check_multi01 },
    { "mcl01", &mcl01, SIP_MALFORMED, "Header field repeated with another value", NULL },
    { "bcast", &bcast, 0, NULL, NULL },
    { "zeromf", &zeromf, 0, NULL, NULL },
    { "cparam01", &cparam01, 0, NULL, check_cparam01 },
    { "cparam02", &cparam02, 0, NULL, check_cparam02 },
    { "regescrt", &regescrt, 0, NULL, check_regescrt },
    { "sdp01", &sdp01, 0, NULL, NULL },
    { "inv2543", &inv2543, 0, NULL, check_inv2543 },

    { "ipv6-good", &ipv6_good, 0, NULL, check_ipv6_good },
    { "ipv6-bad", &ipv6_bad, SIP_MALFORMED, "Bad Request-URI", NULL },
    { "port-ambiguous", &port_ambiguous, 0, NULL, check_port_ambiguous },
    { "port-unambiguous", &port_unambiguous, 0, NULL, check_port_unambiguous },
    { "via-received-param-with-delim", &via_received_param_with_delim, 0, NULL, check_received },
    { "via-received-param-no-delim", &via_received_param_no_delim, 0, NULL, check_received },
    { "ipv6-in-sdp", &ipv6_in_sdp, 0, NULL, NULL },
    { "mult-ip-in-header", &mult_ip_in_header, 0, NULL, NULL },
    { "mult-ip-in-sdp", &mult_ip_in_sdp, 0, NULL, NULL },
    { "ipv4-mapped-ipv6", &ipv4_mapped_ipv6, 0, NULL, check_mapped },
    { "ipv6-bug-abnf-3-colons", &ipv6_bug_abnf_3_colons, 0, NULL, NULL },
    { "ipv6-correct-abnf-2-colons", &ipv6_correct_abnf_2_colons, 0, NULL, NULL },
};

static void test_outcomes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        const struct torture *t = &messages[i];
        struct sip_message m;
        const char *fault = "unset";
        int r = sip_message_parse(&m, *t->bytes, &fault);

        if (r != t->outcome)
            fail_msg("%s: outcome %d (%s)", t->name, r, fault ? fault : "none");
        assert_text(t->name, str_of(fault), t->fault);
        if (t->check)
            t->check(&m);
    }
}

/* Cut anywhere, the message must be refused or be whole but for its body. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        for (size_t n = 0; n < messages[i].bytes->n; n++) {
            /* On the heap and exactly as long, so that sanitizers see a step too far. */
            struct str copy;
            struct sip_message m;

            assert_int_equal(str_dup(&copy, str_sub(*messages[i].bytes, 0, n)), 0);
            if (sip_message_parse(&m, copy, NULL) == 0)
                assert_true(m.body.p + m.body.n <= copy.p + copy.n);
            str_free(&copy);
        }
    }
}

static void test_answers_parse(void **state)
{
    const struct addr source = test_addr("198.51.100.7:5062");
    const struct sip_reply reply = { .status = 200, .to_tag = STR("ours"), .server = STR("test") };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct sip_message m, answer;
        const char *fault;
        struct buf b;

        if (sip_message_parse(&m, *messages[i].bytes, NULL) != 0 || !m.request)
            continue;
        buf_init(&b, SIP_MESSAGE_MAX);
        sip_print_response(&b, &m, &source, true, &reply);
        if (b.error || sip_message_parse(&answer, buf_str(&b), &fault) != 0)
            fail_msg("%s: the answer is no SIP: %s", messages[i].name,
                     b.error ? "too long" : fault);
        assert_true(str_equal(answer.call_id, m.call_id));
        assert_true(str_equal(answer.from_tag, m.from_tag));
        assert_true(str_equal(answer.method_text, m.method_text));
        assert_int_equal(answer.cseq, m.cseq);
        assert_int_equal(via_count(&answer), via_count(&m));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_answers_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
