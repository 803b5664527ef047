// SPDX-License-Identifier: MIT
/* What the scenarios do not see of what is told unasked: addresses that do not come, or too late;
 * many contacts; counts at their limit. */
#include "event/notifier_fixture.h"

#define UDP "[udp]\ntype=transport\nprotocol=udp\nbind=192.0.2.1:5060\n"
#define ALICE                                                     \
    UDP "[alice]\ntype=endpoint\naors=alice\nmailboxes=1@d,2@d\n" \
        "[alice]\ntype=aor\ncontact=sip:alice@phone.example:5070\n"

static void settings_become(struct fixture *f, const char *pjsip)
{
    struct settings *s = settings_fixture(pjsip);

    notifier_settings_set(f->notifier, s);
    settings_unref(f->settings);
    f->settings = s;
}

static struct fixture *begin(const char *pjsip)
{
    struct fixture *f = fixture_create(pjsip);

    notifier_mailbox(f->notifier, STR("1@d"), true, 0, 0);
    notifier_mailbox(f->notifier, STR("2@d"), true, 0, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    return f;
}

/* The oldest question; `address` NULL: there is none. */
static uint64_t seek_answer(struct fixture *f, const char *address)
{
    struct fixture_seek s;
    struct addr a;

    assert_true(f->n_seeks > 0);
    s = f->seeks[0];
    memmove(f->seeks, f->seeks + 1, --f->n_seeks * sizeof(s));
    if (address)
        a = fixture_addr(address);
    fixture_resolved(f, s.question, address ? &a : NULL);
    return s.question;
}

static void told(struct fixture *f, const char *in_body)
{
    (void)seek_answer(f, "192.0.2.7:5070");
    expect_notify(f, "active", in_body);
    answer_last(f, 200);
    fixture_pass(f, WHEEL_TICK_MS);
}

static void test_address(void **state)
{
    struct fixture *f = begin(ALICE);
    uint64_t first;
    struct addr a = fixture_addr("192.0.2.8:5070");

    (void)state;
    assert_int_equal(f->n_seeks, 1);
    assert_string_equal(f->seeks[0].host, "phone.example");
    assert_int_equal(f->seeks[0].port, 5070);
    first = seek_answer(f, NULL);
    assert_int_equal(fixture_counters(f).unsolicited_failed, 1);
    fixture_pass(f, 31000);
    assert_int_equal(f->n_seeks, 0);
    fixture_pass(f, 1100);
    fixture_resolved(f, first, &a); /* a question that is none any more */
    expect_nothing(f);
    told(f, "Voice-Message: 0/0");
    expect_nothing(f);
    fixture_destroy(f);
}

/* RFC 3263 section 4.3: the next of its addresses is tried at once, by a NOTIFY of its own. */
static void test_addresses(void **state)
{
    struct fixture *f = begin(ALICE);
    struct dns_targets found = { .n = 2, .until_ms = UINT64_MAX };

    (void)state;
    found.list[0] = (struct dns_target){ fixture_addr("192.0.2.7:5070"), NET_UDP };
    found.list[1] = (struct dns_target){ fixture_addr("192.0.2.8:5070"), NET_UDP };
    assert_int_equal(f->n_seeks, 1);
    notifier_resolved(f->notifier, f->seeks[0].question, &found);
    f->n_seeks = 0;
    expect_notify(f, "active", "Voice-Message: 0/0");
    answer_last(f, 503);
    expect_notify(f, "active", "Voice-Message: 0/0");
    assert_true(addr_equal(&f->sent[f->n_sent - 1].to.remote, &found.list[1].addr));
    answer_last(f, 503);
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).unsolicited_failed, 1);
    fixture_pass(f, 33000);
    told(f, "Voice-Message: 0/0");
    fixture_destroy(f);
}

/* Nobody answers the question: that is a failure, too, and what comes later is for the next. */
static void test_address_patience(void **state)
{
    struct fixture *f = begin(ALICE);

    (void)state;
    fixture_pass(f, 29900);
    assert_int_equal(fixture_counters(f).unsolicited_failed, 0);
    fixture_pass(f, 200);
    assert_int_equal(fixture_counters(f).unsolicited_failed, 1);
    (void)seek_answer(f, "192.0.2.7:5070");
    expect_nothing(f);
    fixture_pass(f, 32100);
    told(f, "Voice-Message: 0/0");
    fixture_destroy(f);
}

/* What changes while the address is looked up is told at once; what is back where it was is not. */
static void test_change_while_seeking(void **state)
{
    struct fixture *f = begin(ALICE);

    (void)state;
    notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
    told(f, "Voice-Message: 1/0");
    assert_int_equal(f->n_seeks, 0);
    notifier_mailbox(f->notifier, STR("1@d"), true, 2, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    notifier_mailbox(f->notifier, STR("1@d"), false, 0, 0); /* no endpoint has it any more */
    (void)seek_answer(f, "192.0.2.7:5070");
    expect_nothing(f);
    assert_int_equal(notifier_unanswered(f->notifier), 0);
    fixture_destroy(f);
}

/* A reload asks anew: the address may be another's by now. */
static void test_reload_while_seeking(void **state)
{
    struct fixture *f = begin(ALICE);

    (void)state;
    settings_become(f, UDP "[alice]\ntype=endpoint\naors=alice\nmailboxes=1@d\n"
                           "outbound_proxy=sip:192.0.2.9\\;lr\n"
                           "[alice]\ntype=aor\ncontact=sip:alice@phone.example:5070\n");
    fixture_pass(f, WHEEL_TICK_MS);
    assert_int_equal(f->n_seeks, 2);
    (void)seek_answer(f, "192.0.2.7:5070");
    expect_nothing(f);
    assert_string_equal(f->seeks[0].host, "192.0.2.9");
    told(f, "Voice-Message: 0/0");
    /* Gone while it is asked for. */
    notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    settings_become(f, UDP);
    assert_int_equal(fixture_counters(f).unsolicited, 0);
    (void)seek_answer(f, "192.0.2.9:5060");
    expect_nothing(f);
    fixture_destroy(f);
}

static void test_no_way(void **state)
{
    struct fixture *f = begin(ALICE);

    (void)state;
    f->route_result = -EAFNOSUPPORT;
    (void)seek_answer(f, "[2001:db8::1]:5060");
    assert_int_equal(fixture_counters(f).unsolicited_failed, 1);
    f->route_result = 0;
    fixture_pass(f, 32100);
    f->send_result = -ENOBUFS; /* our own trouble: soon over, and nobody's failure */
    (void)seek_answer(f, "192.0.2.7:5060");
    f->send_result = 0;
    fixture_pass(f, 1100);
    assert_int_equal(fixture_counters(f).unsolicited_failed, 1);
    told(f, "Voice-Message: 0/0");
    fixture_destroy(f);
}

/* At the start everybody is due: not all in one go. */
static void test_many(void **state)
{
    enum { CONTACTS = 600 };
    struct fixture *f;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_add(&b, STR(UDP "[alice]\ntype=endpoint\naors=alice\nmailboxes=1@d\n[alice]\ntype=aor\n"));
    for (int i = 0; i < CONTACTS; i++)
        buf_printf(&b, "contact=sip:alice@192.0.2.7:%d\n", 6000 + i);
    buf_add_char(&b, '\0');
    f = begin(b.p);
    for (int i = 0; i < CONTACTS; i++) { /* other endpoints' */
        char name[16];

        snprintf(name, sizeof(name), "x%d", i);
        notifier_mailbox(f->notifier, str_of(name), true, 0, 0);
    }
    assert_int_equal(fixture_counters(f).unsolicited, CONTACTS);
    assert_in_range(f->n_seeks, 1, CONTACTS - 1);
    fixture_pass(f, 100);
    assert_int_equal(f->n_seeks, CONTACTS);
    while (f->n_seeks)
        told(f, "Voice-Message: 0/0");
    assert_int_equal(fixture_counters(f).unsolicited_acknowledged, CONTACTS);
    buf_fini(&b);
    fixture_destroy(f);
}

/* With outbound_auth a challenge is met, which is no failure. */
static void test_challenged(void **state)
{
    struct fixture *f =
        begin(UDP "[alice]\ntype=endpoint\naors=alice\nmailboxes=1@d\noutbound_auth=us\n"
                  "[us]\ntype=auth\nauth_type=userpass\nusername=us\npassword=secret\n"
                  "[alice]\ntype=aor\ncontact=sip:alice@192.0.2.7:5070\n");

    (void)state;
    (void)seek_answer(f, "192.0.2.7:5070");
    expect_notify(f, "active", "Voice-Message: 0/0");
    notify_answer(f, f->seen - 1, 401,
                  "WWW-Authenticate: Digest realm=\"phone\", nonce=\"n\", qop=\"auth\"\r\n");
    expect_notify(f, "active", "Voice-Message: 0/0");
    assert_true(str_contains_nocase(f->sent[f->n_sent - 1].bytes,
                                    STR("Authorization: Digest username=\"us\"")));
    answer_last(f, 200);
    assert_int_equal(fixture_counters(f).unsolicited_failed, 0);
    assert_int_equal(fixture_counters(f).unsolicited_acknowledged, 1);
    fixture_destroy(f);
}

/* ---- registered contacts ---- */

#define CAROL                                                                        \
    UDP "[tcp]\ntype=transport\nprotocol=tcp\nbind=192.0.2.1:5060\n"                 \
        "[carol]\ntype=endpoint\naors=carol\nmailboxes=1@d,2@d\n[carol]\ntype=aor\n" \
        "max_contacts=2\n"
#define QUIET "[global]\nmwi_disable_initial_unsolicited=yes\n"

/* At 192.0.2.7, by the connection of that number, or without; registered so long ago. */
static const struct contact *carols(const struct fixture *f, uint64_t id, uint32_t connection,
                                    uint64_t ago_ms)
{
    struct contact what = { .id = id,
                            .aor = STR("carol"),
                            .uri = STR("sip:carol@10.0.0.1"),
                            .target = STR("sip:carol@192.0.2.7:5070"),
                            .endpoint = STR("carol"),
                            .rewritten = true,
                            .registered_wall_ms = clock_wall_ms(&f->clock) - ago_ms };
    struct contact *c;

    what.flow = (struct flow){ .protocol = connection ? NET_TCP : NET_UDP,
                               .connection = connection,
                               .local = fixture_addr("192.0.2.1:5060"),
                               .remote = fixture_addr("192.0.2.7:5070") };
    assert_int_equal(contact_create(&c, &what), 0);
    return c;
}

static void registered(struct fixture *f, const struct contact *now, const struct contact *former)
{
    assert_int_equal(notifier_registered(f->notifier, STR("carol"), now, former), 0);
}

static void test_by_connection(void **state)
{
    struct fixture *f = begin(CAROL);
    const struct contact *first = carols(f, 1, 7, 0), *again = carols(f, 1, 8, 0);

    (void)state;
    registered(f, first, NULL);
    fixture_pass(f, 240);
    expect_nothing(f);
    fixture_pass(f, 20);
    expect_notify(f, "active", "Voice-Message: 0/0");
    assert_int_equal(f->sent[f->n_sent - 1].to.connection, 7);

    /* It comes back by another connection before it has answered; what is known is said again. */
    registered(f, again, first);
    registered(f, again, NULL);
    fixture_pass(f, 260);
    expect_notify(f, "active", "Voice-Message: 0/0");
    assert_int_equal(f->sent[f->n_sent - 1].to.connection, 8);
    answer_last(f, 200);
    registered(f, again, NULL);
    fixture_pass(f, 1000);
    expect_nothing(f);
    assert_int_equal(f->n_seeks, 0);

    /* The connection is no more, and no other leads there: as long as the contact is there it is
     * tried. */
    f->send_result = -ENOTCONN;
    notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    f->send_result = 0;
    assert_int_equal(fixture_counters(f).unsolicited_failed, 1);
    registered(f, NULL, again);
    assert_int_equal(fixture_counters(f).unsolicited, 0);
    fixture_pass(f, 40000);
    expect_nothing(f);
    contact_unref(first);
    contact_unref(again);
    fixture_destroy(f);
}

/* What ends while it is looked up or has no answer is over, and nobody waits for it. */
static void test_gone_under_way(void **state)
{
    struct fixture *f = begin(CAROL);
    const struct contact *c = carols(f, 1, 0, 0);

    (void)state;
    for (unsigned sent = 0; sent < 2; sent++) {
        registered(f, c, NULL);
        fixture_pass(f, 260);
        assert_int_equal(f->n_seeks, 1);
        if (sent)
            (void)seek_answer(f, "192.0.2.7:5070");
        assert_int_equal(notifier_unanswered(f->notifier), sent);
        registered(f, NULL, c);
        assert_int_equal(notifier_unanswered(f->notifier), 0);
        if (sent)
            expect_notify(f, "active", "Voice-Message: 0/0");
        else
            (void)seek_answer(f, "192.0.2.7:5070");
        fixture_pass(f, 40000);
        expect_nothing(f);
    }
    contact_unref(c);
    fixture_destroy(f);
}

/* Of a former process: told at once, or taken for told; by a reload told in any case. */
static void test_restored(void **state)
{
    (void)state;
    for (unsigned quiet = 0; quiet < 2; quiet++) {
        struct fixture *f = begin(quiet ? QUIET CAROL : CAROL);
        const struct contact *c = carols(f, 1, 0, 60000), *d = carols(f, 2, 0, 60000);

        registered(f, c, NULL);
        fixture_pass(f, WHEEL_TICK_MS);
        assert_int_equal(f->n_seeks, !quiet);
        if (!quiet)
            told(f, "Voice-Message: 0/0");
        notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
        fixture_pass(f, WHEEL_TICK_MS);
        told(f, "Voice-Message: 1/0");
        settings_become(f, quiet ? QUIET CAROL "; \n" : CAROL "; \n");
        assert_int_equal(fixture_counters(f).unsolicited, 0); /* there is no registrar */
        f->settings->registrar.enabled = true;
        registered(f, c, NULL);
        registered(f, d, NULL);
        fixture_pass(f, WHEEL_TICK_MS);
        assert_int_equal(f->n_seeks, 2);
        contact_unref(c);
        contact_unref(d);
        fixture_destroy(f);
    }
}

/* Nothing begins any more at the end; what is not this endpoint's is nobody's. */
static void test_not_told(void **state)
{
    struct fixture *f = begin(CAROL);
    const struct contact *c = carols(f, 1, 0, 0);

    (void)state;
    assert_int_equal(notifier_registered(f->notifier, STR("dave"), c, NULL), 0);
    ((struct contact *)c)->aor = STR("elsewhere");
    registered(f, c, NULL);
    ((struct contact *)c)->aor = STR("carol");
    notifier_stop(f->notifier);
    registered(f, c, NULL);
    assert_int_equal(fixture_counters(f).unsolicited, 0);
    contact_unref(c);
    fixture_destroy(f);
}

/* ---- listings ---- */

static void on_view(void *ctx, const struct notice_view *v)
{
    char *line = ctx;
    size_t n = strlen(line);

    snprintf(line + n, 200 - n, "%.*s %.*s %.*s: %s %u %u %u %u\n", STR_FMT(v->endpoint),
             STR_FMT(v->contact), STR_FMT(v->mailbox), v->state, v->last_status, v->failures,
             v->retry_s, v->cseq);
}

static void assert_listed(const struct fixture *f, const char *expected)
{
    char lines[200] = "";

    notifier_notices_each(f->notifier, on_view, lines);
    assert_string_equal(lines, expected);
}

static void test_listing(void **state)
{
    struct fixture *f =
        fixture_create(UDP "[alice]\ntype=endpoint\naors=alice\nmailboxes=1@d\n"
                           "aggregate_mwi=no\n[alice]\ntype=aor\ncontact=sip:alice@h\n");

    (void)state;
    fixture_pass(f, WHEEL_TICK_MS);
    assert_listed(f, "alice sip:alice@h 1@d: silent 0 0 0 0\n");
    notifier_mailbox(f->notifier, STR("1@d"), true, 0, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    assert_listed(f, "alice sip:alice@h 1@d: sending 0 0 0 0\n");
    (void)seek_answer(f, "192.0.2.7:5060");
    assert_listed(f, "alice sip:alice@h 1@d: sending 0 0 0 1\n");
    expect_notify(f, "active", "0/0");
    answer_last(f, 486);
    assert_listed(f, "alice sip:alice@h 1@d: waiting 486 1 33 1\n");
    fixture_pass(f, 32000 + WHEEL_TICK_MS);
    fixture_pass(f, WHEEL_TICK_MS);
    told(f, "0/0");
    assert_listed(f, "alice sip:alice@h 1@d: told 200 0 0 2\n");
    fixture_destroy(f);
}

static void test_limits(void **state)
{
    struct fixture *f = begin(ALICE);

    (void)state;
    notifier_mailbox(f->notifier, STR("1@d"), true, UINT32_MAX, 1);
    notifier_mailbox(f->notifier, STR("2@d"), true, 1, UINT32_MAX);
    told(f, "Voice-Message: 4294967295/4294967295 (0/0)");
    fixture_destroy(f);
}

/* Half a sum is not told, and an endpoint is told by one worker. */
static void test_home_and_parts(void **state)
{
    struct fixture *f = fixture_create(ALICE);
    unsigned homes[4] = { 0 };
    char id[16];

    (void)state;
    notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
    notifier_mailbox(f->notifier, STR("9@d"), true, 1, 0);
    fixture_pass(f, 1000);
    assert_int_equal(f->n_seeks, 0);
    notifier_mailbox(f->notifier, STR("2@d"), true, 0, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    told(f, "Voice-Message: 1/0");
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof(id), "%d", 1000 + i);
        homes[notifier_home(str_of(id), ARRAY_LEN(homes))]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(homes); i++)
        assert_in_range(homes[i], 50, 150);
    fixture_destroy(f);
}

/* Without memory to say so the endpoint is told both ways, which is no harm. */
static void test_solicited_without_memory(void **state)
{
    struct fixture *f =
        begin(UDP "[alice]\ntype=endpoint\ncontext=users\naors=alice\nmailboxes=1@d\n"
                  "mwi_subscribe_replaces_unsolicited=yes\n"
                  "[alice]\ntype=aor\nmailboxes=1@d\ncontact=sip:alice@192.0.2.7\n");
    struct sub s = sub_plain("one");

    (void)state;
    told(f, "Voice-Message: 0/0");
    fixture_state(f, "alice", EXTENSION_IDLE);
    s.uri = "sip:alice@192.0.2.1:5060";
    s.event = "message-summary";
    s.accept = NULL;
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "Voice-Message");
    answer_last(f, 200);
    notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
    fixture_pass(f, WHEEL_TICK_MS);
    told(f, "Voice-Message: 1/0");
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_address_patience),
        cmocka_unit_test(test_change_while_seeking),
        cmocka_unit_test(test_reload_while_seeking),
        cmocka_unit_test(test_no_way),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_challenged),
        cmocka_unit_test(test_by_connection),
        cmocka_unit_test(test_gone_under_way),
        cmocka_unit_test(test_restored),
        cmocka_unit_test(test_not_told),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_home_and_parts),
        cmocka_unit_test(test_solicited_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
