// SPDX-License-Identifier: MIT
/* RFC 4475 and RFC 5118: README.md. Where the RFC leaves a choice, rejecting is ours: a message
 * that elements read differently is a hole. */
#include "sip/sip_test.h"

#include <stdlib.h>

#include "scenario.h"
#include "xml/xml.h"

struct torture {
    const char *name;
    const char *parsed, *answer, *with, *then; /* NULL: nothing of the kind */
    struct str bytes;
};

#include "torture_messages.h"

typedef void (*check_fn)(const struct sip_message *m);

/* ---- what the parser finds in them ---- */

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

    assert_text("from", m->from_tag, "wsinvtag");
    assert_text("branch", m->branch, "z9hG4bKwsinv");
    assert_int_equal(m->cseq, 9);
    assert_int_equal(m->method, SIP_SUBSCRIBE);
    assert_text("body", m->body, "nobody reads it");
    assert_int_equal(via_count(m), 3);
    assert_text("max", sip_header_value(m, SIP_H_MAX_FORWARDS), "0068");
    assert_text("s", sip_header_named(m, STR("subject"))->value, "");
    assert_text("odd", sip_header_named(m, STR("unknownheaderwithunusualvalue"))->value,
                ";;,,;;,;");
    assert_text("display", contact.display, "Quoted \\\"\\\"");
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
    assert_text("method", m->method_text, "!odd-Method0123456789_*+`.%indeed'~");
    assert_int_equal(sip_uri_parse(&uri, m->uri), 0);
    assert_text("user", uri.user, "1_odd.URI~(so-it!is)&isn't+it$/truly?,/;;*");
    assert_text("password", uri.password, "&it+has=1,odd!*pas$wo~d_too.(doesn't-it)");
    assert_text("host", uri.host, "lamps.example");
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
    assert_text("uri", buf_str(&b), "1000");
    assert_text("contact", contact_of(m).uri,
                "sip:al%69ce@192.0.2.7;%6C%72;n%61me=v%61lue%25%34%31");
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
    assert_text("display", from.display, "alice");
    assert_text("uri", from.uri, "sip:alice@lamps.example");
}

static void check_longreq(const struct sip_message *m)
{
    assert_int_equal(via_count(m), 34);
    assert_int_equal(m->from_tag.n, 155);
    assert_int_equal(m->call_id.n, 138);
    assert_int_equal(m->branch.n, 0);
}

static void check_dblreq(const struct sip_message *m)
{
    assert_int_equal(m->method, SIP_REGISTER);
    assert_int_equal(m->body.n, 0);
}

static void check_semiuri(const struct sip_message *m)
{
    assert_text("user", user_of(m->uri), "user;par=u%40lamps.example");
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
    assert_true(str_ends(m->body, STR("\xff\xfe\r\n--border--\r\n")));
}

static void check_unreason(const struct sip_message *m)
{
    assert_false(m->request);
    assert_int_equal(m->status, 200);
    assert_true(str_starts(m->reason, STR("= 2**3 * 5**2 \xd0\xbd\xd0\xbe")));
    assert_int_equal(m->method, SIP_NOTIFY);
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
    assert_text("contact", contact_of(m).uri, "name:Alice_Bell");
}

static void check_multi01(const struct sip_message *m)
{
    assert_text("the first", m->call_id, "multi01.one@192.0.2.1");
    assert_text("the first", m->from_tag, "3413415");
}

static void check_cparam01(const struct sip_message *m)
{
    assert_text("uri", contact_of(m).uri, "sip:+19725550100@192.0.2.7");
    assert_text("params", contact_of(m).params, ";unknownparam");
}

static void check_cparam02(const struct sip_message *m)
{
    assert_text("uri", contact_of(m).uri, "sip:+19725550100@192.0.2.7;unknownparam");
    assert_text("params", contact_of(m).params, "");
}

static void check_regescrt(const struct sip_message *m)
{
    struct sip_uri uri;

    assert_int_equal(sip_uri_parse(&uri, contact_of(m).uri), 0);
    assert_text("headers", uri.headers, "?Route=%3Csip:lamps.example%3E");
}

static void check_inv2543(const struct sip_message *m)
{
    assert_int_equal(m->from_tag.n, 0);
    assert_int_equal(m->branch.n, 0);
    assert_text("body", m->body, "that is all\r\n");
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

static const struct {
    const char *name;
    check_fn check;
} checks[] = {
    { "wsinv", check_wsinv },
    { "intmeth", check_intmeth },
    { "esc01", check_esc01 },
    { "escnull", check_escnull },
    { "esc02", check_esc02 },
    { "lwsdisp", check_lwsdisp },
    { "longreq", check_longreq },
    { "dblreq", check_dblreq },
    { "semiuri", check_semiuri },
    { "transports", check_transports },
    { "mpart01", check_mpart01 },
    { "unreason", check_unreason },
    { "noreason", check_noreason },
    { "badinv01", check_bad_contact },
    { "regbadct", check_bad_contact },
    { "badbranch", check_badbranch },
    { "unkscm", check_other_scheme },
    { "novelsc", check_other_scheme },
    { "unksm2", check_unksm2 },
    { "multi01", check_multi01 },
    { "cparam01", check_cparam01 },
    { "cparam02", check_cparam02 },
    { "regescrt", check_regescrt },
    { "inv2543", check_inv2543 },
    { "ipv6-good", check_ipv6_good },
    { "port-ambiguous", check_port_ambiguous },
    { "port-unambiguous", check_port_unambiguous },
    { "via-received-param-with-delim", check_received },
    { "via-received-param-no-delim", check_received },
    { "ipv4-mapped-ipv6", check_mapped },
};

static check_fn check_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (strcmp(checks[i].name, name) == 0)
            return checks[i].check;
    return NULL;
}

static void test_parsed(void **state)
{
    size_t n_checked = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        const struct torture *t = &messages[i];
        struct sip_message m;
        const char *fault = NULL;
        int r = sip_message_parse(&m, t->bytes, &fault);

        assert_text(t->name, str_of(fault), t->parsed);
        assert_int_equal(r == 0, t->parsed == NULL);
        if (!check_of(t->name))
            continue;
        check_of(t->name)(&m);
        n_checked++;
    }
    assert_int_equal(n_checked, ARRAY_LEN(checks));
}

/* Cut anywhere, the message must be refused or be whole but for its body. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        for (size_t n = 0; n < messages[i].bytes.n; n++) {
            /* On the heap and exactly as long, so that sanitizers see a step too far. */
            struct str copy;
            struct sip_message m;

            assert_int_equal(str_dup(&copy, str_sub(messages[i].bytes, 0, n)), 0);
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

        if (sip_message_parse(&m, messages[i].bytes, NULL) != 0 || !m.request)
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

/* ---- what becomes of them ---- */

static const char pjsip_conf[] = "[global]\nendpoint_identifier_order=username,ip\n"
                                 "[udp]\ntype=transport\nbind=192.0.2.1:5060\n"
                                 "[alice]\ntype=endpoint\ncontext=office\naors=alice\n"
                                 "[alice]\ntype=aor\nmax_contacts=2\n"
                                 "[dave]\ntype=endpoint\ncontext=office\nauth=dave\naors=dave\n"
                                 "[dave]\ntype=aor\nmax_contacts=2\n"
                                 "[dave]\ntype=auth\nusername=dave\npassword=secret\n"
                                 "[peer]\ntype=identify\nendpoint=alice\nmatch=192.0.2.0/24\n";

static struct str oldest(struct world *w)
{
    return list_empty(&w->sent) ? STR_EMPTY
                                : CONTAINER_OF(w->sent.next, struct waiting, link)->bytes;
}

static void oldest_free(struct world *w)
{
    struct waiting *m = CONTAINER_OF(w->sent.next, struct waiting, link);

    list_remove(&m->link);
    waiting_free(m);
}

static void check_with(const struct torture *t, struct str answer)
{
    struct str rest = str_of(t->with);

    while (rest.n) {
        struct str with = str_next(&rest, '\n');

        if (!memmem(answer.p, answer.n, with.p, with.n))
            fail_msg("%s: %.*s is not in %.*s", t->name, STR_FMT(with), STR_FMT(answer));
    }
}

static void check_answer(struct world *w, const struct torture *t)
{
    struct str is = oldest(w), line = str_sub(is, 0, str_find_char(is, '\r'));

    if (strcmp(t->answer, "nothing") == 0) {
        assert_text(t->name, is, "");
        return;
    }
    assert_text(t->name, str_sub(line, 8, line.n), t->answer);
    check_with(t, is);
    oldest_free(w);
    is = oldest(w);
    line = str_sub(is, 0, str_find_char(is, '\r'));
    assert_text(t->name, line, t->then);
    if (t->then)
        oldest_free(w);
    assert_true(list_empty(&w->sent));
}

/* Each comes to a server of its own, from where it says that it does not come from. */
static void test_answered(void **state)
{
    const struct addr from = test_addr("192.0.2.7:5060");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct world w;
        struct buf problems;

        world_init(&w, i, false);
        w.n_files = 3;
        w.files[0].name = STR("pjsip.conf");
        w.files[0].text = str_of(pjsip_conf);
        w.files[1].name = STR("extensions.conf");
        w.files[1].text = STR("[office]\nexten=>1000,hint,Custom:1\n");
        w.files[2].name = STR("extstate.conf");
        w.files[2].text = STR("[compositor]\npublish=any\n[registrar]\nenabled=yes\n");
        buf_init(&problems, 4096);
        if (world_start(&w, &problems) || problems.n)
            fail_msg("%.*s", STR_FMT(buf_str(&problems)));
        assert_int_equal(world_restore(&w), 0);
        world_receive(&w, &from, messages[i].bytes);
        world_advance(&w, 10);
        check_answer(&w, &messages[i]);
        buf_fini(&problems);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parsed),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_answers_parse),
        cmocka_unit_test(test_answered),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
