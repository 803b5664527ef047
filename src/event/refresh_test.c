// SPDX-License-Identifier: MIT
/* SUBSCRIBE within a dialog. */
#include "event/notifier_fixture.h"

static void test_refresh(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");
    const struct sip_message *m;
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    fixture_pass(f, 100000);
    s.expires = "300";
    s.contact = "<sip:alice@192.0.2.9:5070>";
    sub_send(f, &s);
    assert_true(has(expect_status(f, 200), "Expires: 300\r\n"));
    m = expect_notify(f, "active;expires=300",
                      "version=\"1\" state=\"full\" entity=\"sip:100@192.0.2.1:5060\"");
    assert_true(str_equal(m->uri, STR("sip:alice@192.0.2.9:5070")));
    assert_true(addr_equal(&f->sent[f->seen - 1].to.remote,
                           &(struct addr){ .v4 = fixture_addr("192.0.2.9:5070").v4 }));
    answer_last(f, 200);
    s.cseq++;
    s.expires = NULL;
    s.contact = NULL;
    s.accept = "application/pidf+xml";
    sub_send(f, &s);
    assert_true(has(expect_status(f, 200), "Expires: 3600\r\n"));
    m = expect_notify(f, "active;expires=3600", "<presence entity=");
    assert_true(str_equal(m->uri, STR("sip:alice@192.0.2.9:5070")));
    answer_last(f, 200);
    s.cseq++;
    s.accept = NULL; /* as before */
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=3600", "<presence entity=");
    answer_last(f, 200);
    assert_int_equal(fixture_counters(f).refreshed, 3);
    assert_int_equal(fixture_counters(f).accepted, 1);
    fixture_destroy(f);
}

static void test_unsubscribe(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    s.expires = "0";
    sub_send(f, &s);
    assert_true(has(expect_status(f, 200), "Expires: 0\r\n"));
    expect_notify(f, "terminated;reason=timeout", "confirmed");
    s.cseq++;
    sub_send(f, &s); /* ended already */
    expect_status(f, 481);
    f->seen--;
    notify_answer(f, f->seen - 1, 200, "");
    f->seen++;
    assert_int_equal(live(f), 0);
    s.cseq++;
    sub_send(f, &s);
    expect_status(f, 481);
    expect_nothing(f);
    fixture_destroy(f);
}

/* What an in-dialog SUBSCRIBE may get instead; the subscription goes on as it was. */
static void test_refresh_refusals(void **state)
{
    static const struct {
        const char *what;
        struct sub change;
        unsigned status;
        int cseq; /* added */
        const char *says;
    } cases[] = {
        { "other endpoint", { .user = "bob" }, 403, 0, "another endpoint" },
        { "same CSeq", { .user = NULL }, 500, -2, "not higher" },
        { "unknown tag", { .to_tag = "es0000000000000000ff" }, 481, 0, "no such dialog" },
        { "other From tag", { .from_params = ";tag=other" }, 481, 0, "no such dialog" },
        { "other Call-ID", { .call_id = "other" }, 481, 0, "no such dialog" },
        { "no Event",
          { .event = "-" },
          489,
          0,
          "Allow-Events: dialog, presence, message-summary\r\n" },
        { "unknown package",
          { .event = "foo" },
          489,
          0,
          "Allow-Events: dialog, presence, message-summary\r\n" },
        { "unsubscribe of nothing",
          { .event = "dialog;id=9", .expires = "0" },
          481,
          0,
          "no such subscription" },
        { "brief", { .expires = "10" }, 423, 0, "Min-Expires: 60\r\n" },
        { "bad Expires", { .expires = "x" }, 400, 0, "not a number" },
        { "bad Contact", { .contact = "<tel:1>" }, 400, 0, "not a SIP URI" },
        { "Accept", { .accept = "text/plain" }, 406, 0, "Accept: application/dialog-info+xml, " },
    };
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sub t = s;
        const char **to = (const char **)&t;
        const char *const *from = (const char *const *)&cases[i].change;
        const struct sip_message *m;

        for (size_t k = 0; k < offsetof(struct sub, cseq) / sizeof(*to); k++)
            if (from[k])
                to[k] = strcmp(from[k], "-") ? from[k] : NULL;
        t.cseq = (unsigned)((int)s.cseq + cases[i].cseq);
        s.cseq++;
        sub_send(f, &t);
        m = expect_status(f, cases[i].status);
        if (!has(m, cases[i].says))
            fail_msg("%s: %.*s", cases[i].what, STR_FMT(m->raw));
        expect_nothing(f);
    }
    assert_int_equal(live(f), 1);
    fixture_pass(f, 599900);
    expect_nothing(f);
    fixture_pass(f, 100);
    expect_notify(f, "terminated;reason=timeout", "confirmed"); /* the old expiry */
    fixture_destroy(f);
}

static void test_refresh_not_allowed_any_more(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct endpoint_settings *e;
    struct sub s = sub_plain("a");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    e = (struct endpoint_settings *)settings_endpoint(f->settings, STR("alice"));
    e->allow_subscribe = false;
    sub_send(f, &s);
    expect_status(f, 403);
    s.cseq++;
    s.expires = "0"; /* leaving is always allowed */
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "confirmed");
    fixture_destroy(f);
}

static void test_several_usages(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a"), t;
    const struct sip_message *m;
    uint32_t cseq;
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    fixture_state(f, "200", EXTENSION_IDLE);
    establish(f, &s, tag);
    t = s;
    t.event = "presence;id=7;x=y";
    t.accept = "application/pidf+xml";
    sub_send(f, &t); /* the Request-URI is our Contact: about the same resource */
    expect_status(f, 200);
    m = expect_notify(f, "active;expires=600", "entity=\"sip:100@192.0.2.1:5060\"");
    assert_true(str_equal(sip_header_value(m, SIP_H_EVENT), STR("presence;id=7;x=y")));
    cseq = m->cseq;
    answer_last(f, 200);
    t.event = "dialog;id=8";
    t.accept = NULL;
    t.uri = "sip:200@192.0.2.1";
    t.cseq++;
    sub_send(f, &t);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    m = expect_notify(f, "active;expires=600",
                      "version=\"0\" state=\"full\" entity=\"sip:200@192.0.2.1\"");
    assert_int_equal(m->cseq, cseq + 1);
    answer_last(f, 200);
    assert_int_equal(live(f), 3);
    assert_int_equal(f->n_sent, f->seen);
    t.expires = "0";
    t.cseq++;
    sub_send(f, &t);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "terminated");
    answer_last(f, 200);
    assert_int_equal(live(f), 2);
    fixture_state(f, "100", EXTENSION_IDLE); /* both are told, in one dialog */
    m = fixture_next(f);
    cseq = m->cseq;
    assert_true(str_equal(sip_header_value(m, SIP_H_EVENT), STR("dialog")));
    m = fixture_next(f);
    assert_int_equal(m->cseq, cseq + 1);
    assert_true(str_equal(sip_header_value(m, SIP_H_EVENT), STR("presence;id=7;x=y")));
    fixture_destroy(f);
}

static void test_usage_still_waiting(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    s.uri = "sip:200@h";
    s.event = "dialog;id=2";
    sub_send(f, &s);
    expect_nothing(f);
    s.cseq++;
    sub_send(f, &s);
    assert_true(has(expect_status(f, 500), "Retry-After: "));
    fixture_answer_questions(f, 1);
    expect_status(f, 404); /* the dialog and its first usage live on */
    assert_int_equal(live(f), 1);
    fixture_state(f, "100", EXTENSION_IDLE);
    expect_notify(f, "active;expires=600", "terminated");
    fixture_destroy(f);
}

static void test_usages_are_bounded(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");
    char tag[64], event[32];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    s.event = event;
    for (unsigned i = 1; i <= USAGES_MAX; i++) {
        snprintf(event, sizeof(event), "dialog;id=%u", i);
        sub_send(f, &s);
        s.cseq++;
        expect_status(f, i < USAGES_MAX ? 200 : 403);
        if (i == USAGES_MAX)
            break;
        f->seen++;
        answer_last(f, 200);
    }
    assert_int_equal(live(f), USAGES_MAX);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_unsubscribe),
        cmocka_unit_test(test_refresh_refusals),
        cmocka_unit_test(test_refresh_not_allowed_any_more),
        cmocka_unit_test(test_several_usages),
        cmocka_unit_test(test_usage_still_waiting),
        cmocka_unit_test(test_usages_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
