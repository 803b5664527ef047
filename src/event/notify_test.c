// SPDX-License-Identifier: MIT
#include "event/notifier_fixture.h"

/* ---- bytes ---- */

static void test_bytes(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1@192.0.2.7");
    const struct sip_message *m;
    char expect[2048], tag[64];

    (void)state;
    fixture_state(f, "a&b", EXTENSION_RINGING);
    s.uri = "sip:a%26b@192.0.2.1:5060;user=phone";
    s.event = "dialog;id=42";
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    m = expect_status(f, 200);
    snprintf(tag, sizeof(tag), "%.*s", STR_FMT(m->to_tag));
    m = fixture_next(f);
    assert_true(m->cseq <= 1 << 15);
    snprintf(expect, sizeof(expect),
             "NOTIFY sip:alice@192.0.2.7:5062 SIP/2.0\r\n"
             "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=%.*s\r\n"
             "From: <sip:100@example.com>;tag=%s\r\n"
             "To: <sip:alice@example.com:5080;transport=udp;user=phone>;tag=ft\r\n"
             "Contact: <sip:192.0.2.1:5060>\r\n"
             "Call-ID: c1@192.0.2.7\r\n"
             "CSeq: %u NOTIFY\r\n"
             "Event: dialog;id=42\r\n"
             "Subscription-State: active;expires=600\r\n"
             "Allow-Events: dialog, presence, message-summary\r\n"
             "Max-Forwards: 70\r\n"
             "User-Agent: %.*s\r\n"
             "SIP-ETag: %.*s\r\n"
             "Content-Type: application/dialog-info+xml\r\n"
             "Content-Length: %zu\r\n\r\n%.*s",
             STR_FMT(m->branch), tag, m->cseq, STR_FMT(f->settings->global.user_agent),
             STR_FMT(sip_header_value(m, SIP_H_SIP_ETAG)), m->body.n, STR_FMT(m->body));
    if (!str_equal(m->raw, str_of(expect)))
        fail_msg("%.*s\n-- instead of --\n%s", STR_FMT(m->raw), expect);
    /* '&' is fine in a user, and not in XML. */
    assert_true(
        str_contains_nocase(m->body, STR("entity=\"sip:a&amp;b@192.0.2.1:5060;user=phone\"")));
    assert_true(str_contains_nocase(m->body, STR("version=\"0\"")));
    fixture_destroy(f);
}

static void test_remote_slot(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    f->settings->compatibility.asterisk_bodies = true; /* they name the subscriber */
    s.event = "presence";
    s.accept = NULL;
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600",
                  "<contact priority=\"1\">sip:alice@example.com;user=phone</contact>");
    fixture_destroy(f);
}

/* Whatever happens in between, a retransmission is the same bytes. */
static void test_retransmission(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    struct settings *other =
        settings_fixture(FIXTURE_CONFIG "[global]\ntype=global\nuser_agent=Other\n");
    char tag[64];
    size_t first;

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    first = f->seen;
    expect_notify(f, "active;expires=600", "confirmed");
    fixture_state(f, "100", EXTENSION_RINGING);
    s.accept = "application/pidf+xml";
    s.expires = "300";
    s.contact = "<sip:other@192.0.2.7:5062>";
    sub_send(f, &s);
    expect_status(f, 200);
    other->compatibility.asterisk_bodies = true;
    notifier_settings_set(f->notifier, other);
    fixture_pass(f, 20000);
    assert_true(f->n_sent > f->seen + 5);
    for (; f->seen < f->n_sent; f->seen++)
        assert_true(str_equal(f->sent[f->seen].bytes, f->sent[first].bytes));
    answer_last(f, 200);
    expect_notify(f, "active;expires=280", "<note>Ringing</note>");
    assert_true(str_contains_nocase(f->msg.raw, STR("User-Agent: Other\r\n")));
    assert_true(str_starts(f->msg.raw, STR("NOTIFY sip:other@192.0.2.7:5062 SIP/2.0\r\n")));
    settings_unref(other);
    fixture_destroy(f);
}

/* ---- changes ---- */

static void test_changes(void **state)
{
    static const struct {
        enum extension_state state;
        const char *body;
    } changes[] = {
        { EXTENSION_INUSE, "confirmed" }, { EXTENSION_RINGING, "early" },
        { EXTENSION_IDLE, "terminated" }, { EXTENSION_ONHOLD, "+sip.rendering" },
        { EXTENSION_BUSY, "confirmed" },
    };
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    struct subscription_view v;
    char tag[64], version[64];
    uint32_t cseq;

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    v = only_view(f);
    cseq = v.cseq;
    for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
        const struct sip_message *m;

        fixture_pass(f, 960);
        fixture_state(f, "100", changes[i].state);
        snprintf(version, sizeof(version), "active;expires=%u", 600 - i - 1);
        m = expect_notify(f, version, changes[i].body);
        assert_int_equal(m->cseq, ++cseq);
        snprintf(version, sizeof(version), "version=\"%u\"", i + 1);
        assert_true(str_contains_nocase(m->body, str_of(version)));
        v = only_view(f);
        assert_true(v.outstanding && v.version == i + 1 && v.cseq == cseq);
        assert_int_equal(v.told_sequence, i + 1);
        assert_int_equal(v.current_sequence, i + 2);
        assert_int_equal(notifier_unanswered(f->notifier), 1);
        fixture_pass(f, 40);
        answer_last(f, 200);
        v = only_view(f);
        assert_true(!v.outstanding && v.told_sequence == i + 2 && v.acknowledged_after_ms == 40);
    }
    assert_string_equal(v.state, "active");
    assert_true(str_equal(v.endpoint, STR("alice")) && str_equal(v.resource, STR("100")));
    assert_true(str_equal(v.context, STR("users")) && str_equal(v.package, STR("dialog")));
    assert_true(str_equal(v.contact, STR("sip:alice@192.0.2.7:5062")) &&
                str_equal(v.call_id, STR("c1")));
    assert_true(str_equal(v.remote_tag, STR("ft")) && str_equal(v.local_tag, str_of(tag)));
    assert_int_equal(fixture_counters(f).notify_sent, 6);
    assert_int_equal(fixture_counters(f).notify_acknowledged, 6);
    fixture_destroy(f);
}

static void test_newest_wins(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "version=\"1\"");
    for (unsigned i = 0; i < 50; i++)
        fixture_state(f, "100", i % 2 ? EXTENSION_IDLE : EXTENSION_RINGING);
    expect_nothing(f);
    answer_last(f, 200);
    expect_notify(f, "active;expires=600", "version=\"2\"");
    assert_true(str_contains_nocase(f->msg.body, STR("terminated")));
    answer_last(f, 200);
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).coalesced, 49);
    fixture_destroy(f);
}

/* A change that this body does not show is not told; an answer to SUBSCRIBE always is. */
static void test_swallow(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_BUSY); /* confirmed, as before */
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).swallowed, 1);
    assert_int_equal(only_view(f).told_sequence, 2);
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "version=\"1\"");
    fixture_state(f, "100", EXTENSION_RINGING);
    fixture_state(f, "100", EXTENSION_INUSE);
    answer_last(f, 200); /* there and back again while it was busy */
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).swallowed, 2);
    assert_int_equal(fixture_counters(f).coalesced, 1);
    s.cseq++;
    s.expires = "0";
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "version=\"2\"");
    fixture_destroy(f);
}

static void test_ringing_repeat(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_RINGING);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_nothing(f);
    f->settings->compatibility.ringing_repeat = true;
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_notify(f, "active;expires=600", "early");
    answer_last(f, 200);
    expect_nothing(f); /* once per change */
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 200);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_nothing(f);
    fixture_destroy(f);
}

/* A NOTIFY that was refused may have been shown all the same: going back is told. */
static void test_back_after_a_refusal(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 500);
    fixture_state(f, "100", EXTENSION_IDLE);
    expect_notify(f, "active;expires=600", "terminated");
    fixture_destroy(f);
}

/* ---- a connection of ours to the subscriber ---- */

static struct fixture *connected(struct sub *s, char tag[64])
{
    struct fixture *f = fixture_create(NULL);

    *s = sub_plain("c1");
    s->contact = "<sip:alice@192.0.2.9;transport=tcp>";
    f->route = (struct flow){ .connection = NET_ANY_CONNECTION,
                              .protocol = NET_TCP,
                              .local = fixture_addr("192.0.2.1:5060") };
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, s, tag);
    assert_int_equal(f->sent[f->seen - 1].to.connection, 1);
    return f;
}

/* The connection ends, or could not be had. */
static void lose(struct fixture *f)
{
    txn_connections_lost(f->txn, &f->connections, 1);
    fixture_pass(f, 40);
}

static void test_connection_ends_under_way(void **state)
{
    struct sub s;
    char tag[64];
    struct fixture *f = connected(&s, tag);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    lose(f);
    expect_notify(f, "active;expires=599", "confirmed");
    assert_int_equal(f->sent[f->seen - 1].to.connection, 3);
    lose(f); /* it is being started */
    expect_nothing(f);
    fixture_state(f, "100", EXTENSION_IDLE);
    expect_nothing(f);
    fixture_pass(f, 480);
    expect_notify(f, "active;expires=599", "terminated");
    answer_last(f, 200);
    fixture_state(f, "100", EXTENSION_INUSE); /* what went before does not count any more */
    expect_notify(f, "active;expires=599", "confirmed");
    lose(f);
    expect_notify(f, "active;expires=599", "confirmed");
    answer_last(f, 200);
    assert_int_equal(live(f), 1);
    fixture_destroy(f);
}

static void test_no_connection(void **state)
{
    struct sub s;
    char tag[64];
    struct fixture *f = connected(&s, tag);
    uint64_t began = f->now_ms;
    unsigned times = 0;

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    while (live(f)) {
        assert_true(f->now_ms < began + 33000);
        if (f->seen == f->n_sent) {
            fixture_pass(f, 100);
            continue;
        }
        fixture_next(f);
        times++;
        lose(f);
    }
    assert_true(f->now_ms >= began + 20000);
    assert_in_range(times, 8, 12);
    fixture_destroy(f);
}

/* It came by TCP, and that connection has ended when there is something to tell. */
static void call_and_hang_up(struct fixture *f, const char *contact)
{
    struct sub s = sub_plain("c1");
    char tag[64];

    s.contact = contact;
    f->from.protocol = NET_TCP;
    f->from.connection = 9;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    assert_int_equal(f->sent[f->seen - 1].to.connection, 9);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    txn_connections_lost(f->txn, &f->from.connection, 1);
    fixture_pass(f, 40);
}

static void test_contact_takes_no_connection(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    call_and_hang_up(f, "<sip:alice@192.0.2.9:5070;transport=tcp>");
    expect_notify(f, "active;expires=599", "confirmed");
    assert_int_equal(f->sent[f->seen - 1].to.connection, 1);
    lose(f);
    expect_nothing(f);
    assert_int_equal(live(f), 0);
    fixture_destroy(f);
}

static void test_contact_of_another_protocol(void **state)
{
    struct fixture *f = fixture_create(NULL);
    const struct sip_message *m;

    (void)state;
    f->route = (struct flow){ .local = fixture_addr("192.0.2.1:5060") };
    call_and_hang_up(f, "<sip:alice@192.0.2.9:5070>");
    m = expect_notify(f, "active;expires=599", "confirmed");
    assert_true(has(m, "Via: SIP/2.0/UDP 192.0.2.1:5060;rport"));
    assert_int_equal(f->sent[f->seen - 1].to.connection, 0);
    assert_int_equal(addr_port(&f->sent[f->seen - 1].to.remote), 5070);
    answer_last(f, 200);
    assert_int_equal(live(f), 1);
    fixture_destroy(f);
}

/* One that is there and says nothing has had its time. */
static void test_silent_connection(void **state)
{
    struct sub s;
    char tag[64];
    struct fixture *f = connected(&s, tag);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    fixture_pass(f, 32100);
    expect_nothing(f);
    assert_int_equal(live(f), 0);
    fixture_destroy(f);
}

static void test_refresh_while_there_is_no_connection(void **state)
{
    struct sub s;
    char tag[64];
    struct fixture *f = connected(&s, tag);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    for (unsigned i = 0; i < 3; i++) {
        fixture_pass(f, 2000);
        if (f->seen < f->n_sent) {
            fixture_next(f);
            lose(f);
        }
    }
    f->seen = f->n_sent;
    s.cseq++;
    s.to_tag = tag;
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 200);
    assert_int_equal(live(f), 1);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_remote_slot),
        cmocka_unit_test(test_retransmission),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_newest_wins),
        cmocka_unit_test(test_swallow),
        cmocka_unit_test(test_ringing_repeat),
        cmocka_unit_test(test_back_after_a_refusal),
        cmocka_unit_test(test_connection_ends_under_way),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_silent_connection),
        cmocka_unit_test(test_contact_takes_no_connection),
        cmocka_unit_test(test_contact_of_another_protocol),
        cmocka_unit_test(test_refresh_while_there_is_no_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
