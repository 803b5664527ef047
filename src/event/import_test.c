// SPDX-License-Identifier: MIT
/* A subscription that another server kept goes on here, in its dialog. */
#include "event/keep_fixture.h"

#define TAG "0d0a8a8e-9f2c-4d5e-8f0b-1c2d3e4f5a6b"
#define PACKET(first, from, extra)                                                            \
    first "\r\nVia: SIP/2.0/UDP 192.0.2.7:5062;rport;branch=z9hG4bKa\r\n"                     \
          "From: \"Alice\" <sip:alice@example.com>" from "\r\nTo: <sip:100@example.com>\r\n"  \
          "Call-ID: c1\r\nCSeq: 7 SUBSCRIBE\r\nContact: <sip:alice@192.0.2.7:5062>\r\n" extra \
          "Expires: 600\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
#define SUBSCRIBE "SUBSCRIBE sip:100@192.0.2.1 SIP/2.0"
#define DIALOG "Event: dialog\r\n"

static struct notifier_import import_plain(const struct fixture *f)
{
    struct notifier_import im = { .packet = STR(PACKET(SUBSCRIBE, ";tag=ft", DIALOG)),
                                  .endpoint = STR("alice"),
                                  .tag = STR(TAG),
                                  .cseq = 4711,
                                  .version = 12,
                                  .expires_wall_ms =
                                      clock_wall_ms(f->notifier->cfg.clock) + 300000 };

    assert_int_equal(addr_parse(&im.remote, STR("192.0.2.7:5062"), 0), 0);
    assert_int_equal(addr_parse(&im.local, STR("192.0.2.1:5060"), 0), 0);
    return im;
}

static void test_it_goes_on(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct notifier_import im = import_plain(f);
    struct sub s = sub_plain("c1");
    const struct sip_message *m;
    const char *why = NULL;

    (void)state;
    kept_attach(&k, f, 1);
    fixture_state(f, "100", EXTENSION_INUSE);
    im.packet =
        STR(PACKET(SUBSCRIBE, ";tag=ft", DIALOG "Record-Route: <sip:192.0.2.7:5062;lr>\r\n"));
    assert_int_equal(notifier_import(f->notifier, &im, &why), 0);
    assert_int_equal(k.puts, 1);
    assert_int_equal(notifier_import(f->notifier, &im, &why), -EEXIST);
    fixture_answer_questions(f, 1);
    m = fixture_next(f);
    assert_non_null(m);
    assert_true(str_equal(m->method_text, STR("NOTIFY")));
    assert_true(str_equal(m->uri, STR("sip:alice@192.0.2.7:5062")));
    assert_true(str_equal(m->from_tag, STR(TAG)));
    assert_true(str_equal(m->to_tag, STR("ft")));
    assert_true(str_equal(m->call_id, STR("c1")));
    assert_in_range(m->cseq, 4712, 4711 + 2 * NUMBERS_STRIDE);
    assert_true(str_equal(sip_header_value(m, SIP_H_ROUTE), STR("<sip:192.0.2.7:5062;lr>")));
    assert_true(
        str_equal(sip_header_value(m, SIP_H_SUBSCRIPTION_STATE), STR("active;expires=300")));
    assert_in_range(only_view(f).version, 13, 12 + 2 * NUMBERS_STRIDE);
    answer_last(f, 200);
    expect_nothing(f);

    s.to_tag = TAG;
    s.cseq = 8;
    sub_send(f, &s);
    kept_settle(&k, f, 0);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 200);
    fixture_destroy(f);
    assert_int_equal(kept_records(&k), 1);
}

static const struct refusal {
    const char *packet, *endpoint, *tag, *contact, *why;
    int64_t left_ms;
} refusals[] = {
    { .packet = "OPTIONS sip:100@192.0.2.1 SIP/2.0\r\n\r\n", .why = "no SUBSCRIBE" },
    { .packet = PACKET(SUBSCRIBE, "", DIALOG), .why = "does not begin a dialog" },
    { .packet = PACKET(SUBSCRIBE, ";tag=ft", ""), .why = "no Event" },
    { .packet = PACKET(SUBSCRIBE, ";tag=ft", "Event: reg\r\n"), .why = "package is not served" },
    { .packet = PACKET(SUBSCRIBE, ";tag=ft", DIALOG "Accept: text/x-none\r\n"),
      .why = "no media type" },
    { .endpoint = "nobody", .why = "no such endpoint" },
    { .tag = "es030000000000000001", .why = "none of another server" },
    { .tag = "two\r\nlines", .why = "not sound" },
    { .contact = "<tel:1000>", .why = "Contact" },
    { .left_ms = -1, .why = "expired" },
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct fixture *f = fixture_create(NULL);
        struct kept_fixture k = { .puts = 0 };
        struct notifier_import im = import_plain(f);
        const char *why = "";

        kept_attach(&k, f, 1);
        im.packet = r->packet ? str_of(r->packet) : im.packet;
        im.endpoint = r->endpoint ? str_of(r->endpoint) : im.endpoint;
        im.tag = r->tag ? str_of(r->tag) : im.tag;
        im.contact = r->contact ? str_of(r->contact) : STR_EMPTY;
        if (r->left_ms)
            im.expires_wall_ms = clock_wall_ms(f->notifier->cfg.clock);
        assert_int_equal(notifier_import(f->notifier, &im, &why), -EINVAL);
        assert_non_null(strstr(why, r->why));
        assert_int_equal(live(f), 0);
        assert_int_equal(kept_numbers(&k) + k.puts, 0);
        fixture_destroy(f);
    }
}

static void test_nothing_is_kept(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct notifier_import im = import_plain(f);
    const char *why = "";

    (void)state;
    assert_int_equal(notifier_import(f->notifier, &im, &why), -EINVAL);
    assert_non_null(strstr(why, "durability is none"));
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_goes_on),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
