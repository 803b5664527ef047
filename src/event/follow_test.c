// SPDX-License-Identifier: MIT
/* What a reload does to subscriptions that run: where their names lead now, and who may still see
 * what, while others of them are waiting for their turn. */
#include "event/notifier_fixture.h"

enum { MANY = FAN_OUT_SLICE + 500 };

struct many {
    struct sub s;
    char call_id[16], tag[64];
};

/* The last ones come last in the row. */
static struct many *establish_many(struct fixture *f)
{
    struct many *many = calloc(MANY, sizeof(*many));

    assert_non_null(many);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(many[i].call_id, sizeof(many[i].call_id), "m%u", i);
        many[i].s = sub_plain(many[i].call_id);
        establish(f, &many[i].s, many[i].tag);
    }
    return many;
}

static struct fixture *begin(void)
{
    struct fixture *f = fixture_create(NULL);

    fixture_state(f, "100", EXTENSION_INUSE);
    return f;
}

static void rules_become(struct fixture *f, const char *rules)
{
    struct settings *s = settings_fixture_with(FIXTURE_CONFIG, rules);

    notifier_settings_set(f->notifier, s);
    fixture_turns(f);
    settings_unref(f->settings);
    f->settings = s;
}

static size_t answer_all(struct fixture *f)
{
    size_t n = 0;

    for (; f->seen < f->n_sent; n++) {
        expect_notify(f, "terminated;reason=rejected", "<state>terminated</state>");
        answer_last(f, 200);
    }
    return n;
}

/* ---- rules ---- */

/* Whatever comes to one that the new rules have not been asked about yet, it sees no more. */
static void test_blocked_before_its_turn(void **state)
{
    struct fixture *f = begin();
    struct many *many = establish_many(f), *last = &many[MANY - 1];
    const struct sip_message *m;

    (void)state;
    rules_become(f, "[authorization]\nblock=alice\n");
    assert_int_equal(answer_all(f), FAN_OUT_SLICE);
    sub_send(f, &last->s);
    expect_status(f, 200);
    m = expect_notify(f, "terminated;reason=rejected", "<state>terminated</state>");
    assert_true(str_equal(m->call_id, str_of(last->call_id)));
    answer_last(f, 200);
    last--;
    last->s.expires = "0";
    sub_send(f, &last->s);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "<state>terminated</state>");
    answer_last(f, 200);
    fixture_pass(f, 100);
    assert_int_equal(answer_all(f), MANY - FAN_OUT_SLICE - 2);
    assert_int_equal(live(f), 0);
    free(many);
    fixture_destroy(f);
}

/* Its answer comes when there are new rules and a new state. */
static void test_blocked_while_outstanding(void **state)
{
    struct fixture *f = begin();
    struct many *many = establish_many(f);
    size_t outstanding;

    (void)state;
    fixture_state(f, "100", EXTENSION_RINGING);
    fixture_pass(f, 100);
    assert_int_equal(f->n_sent - f->seen, MANY);
    outstanding = f->n_sent - 1; /* of the last one */
    for (; f->seen < outstanding; f->seen++)
        notify_answer(f, f->seen, 200, "");
    f->seen++;
    rules_become(f, "[authorization]\nblock=alice\n");
    fixture_state(f, "100", EXTENSION_INUSE);
    (void)answer_all(f);
    notify_answer(f, outstanding, 200, "");
    (void)answer_all(f);
    fixture_pass(f, 100);
    (void)answer_all(f);
    assert_int_equal(live(f), 0);
    free(many);
    fixture_destroy(f);
}

/* Expiry, and a retry after a refusal, do not wait for the turn either. */
static void test_blocked_when_its_time_comes(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_notify(f, "active;expires=600", "early");
    rules_become(f, "[authorization]\npolite-block=alice\n");
    notify_answer(f, f->seen - 1, 500, "");
    expect_notify(f, "active;expires=600", "<state>terminated</state>");
    answer_last(f, 200);
    fixture_pass(f, 600020);
    expect_notify(f, "terminated;reason=timeout", "<state>terminated</state>");
    fixture_destroy(f);
}

/* An end that cannot be told is an end all the same. */
static void test_to_be_confirmed_without_a_network(void **state)
{
    struct fixture *f = begin();
    struct many *many = establish_many(f);

    (void)state;
    f->send_result = -ENETUNREACH;
    rules_become(f, "[authorization]\nconfirm=alice\n");
    fixture_pass(f, 100);
    assert_int_equal(live(f), 0);
    free(many);
    fixture_destroy(f);
}

/* ---- names ---- */

static void test_move_in_slices(void **state)
{
    struct fixture *f = begin();
    struct many *many = establish_many(f);

    (void)state;
    fixture_state(f, "100", EXTENSION_REMOVED);
    fixture_pass(f, 100);
    assert_int_equal(f->n_questions, 1);
    expect_nothing(f);
    fixture_state(f, "100", EXTENSION_RINGING); /* another one of that name */
    fixture_answer_questions(f, 1);
    assert_int_equal(f->n_sent - f->seen, FAN_OUT_SLICE);
    fixture_pass(f, 100);
    for (size_t i = 0; i < MANY; i++) {
        expect_notify(f, "active;expires=599", "version=\"1\"");
        assert_true(has(&f->msg, "<state>early</state>"));
        answer_last(f, 200);
    }
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).resources, 1);
    assert_int_equal(f->unwatched, 1);
    fixture_state(f, "100", EXTENSION_REMOVED);
    fixture_pass(f, 100);
    fixture_answer_questions(f, 1);
    for (size_t i = 0; i < MANY; i++) {
        expect_notify(f, "terminated;reason=noresource", "<state>terminated</state>");
        answer_last(f, 200);
    }
    assert_int_equal(live(f), 0);
    free(many);
    fixture_destroy(f);
}

/* The same resource: nothing is told, and nobody asks twice. */
static void test_nothing_changes(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1"), t = sub_plain("c2");
    char tags[2][64];

    (void)state;
    establish(f, &s, tags[0]);
    establish(f, &t, tags[1]);
    notifier_dialplan_changed(f->notifier);
    assert_int_equal(f->n_questions, 1);
    notifier_dialplan_changed(f->notifier); /* which the answer may not know of */
    assert_int_equal(f->n_questions, 1);
    fixture_answer_questions(f, 1);
    assert_int_equal(f->n_questions, 1);
    fixture_answer_questions(f, 1);
    assert_int_equal(f->n_questions, 0);
    expect_nothing(f);
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_notify(f, "active;expires=600", "early");
    answer_last(f, 200);
    expect_notify(f, "active;expires=600", "early");
    answer_last(f, 200);
    fixture_destroy(f);
}

/* An answer that finds it elsewhere at another time of day only ends what has gone. */
static void test_not_now(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    f->uncacheable = true;
    notifier_dialplan_changed(f->notifier);
    notifier_watch_result(f->notifier, f->questions[0].cookie, NULL, false);
    f->n_questions = 0;
    expect_nothing(f);
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_notify(f, "active;expires=600", "early");
    answer_last(f, 200);
    notifier_dialplan_changed(f->notifier);
    notifier_watch_result(f->notifier, f->questions[0].cookie, NULL, true);
    f->n_questions = 0;
    expect_notify(f, "terminated;reason=noresource", "<state>terminated</state>"); /* and dark */
    answer_last(f, 200);
    assert_int_equal(live(f), 0);
    assert_int_equal(f->unwatched, 1);
    fixture_destroy(f);
}

static void test_queue_is_full(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    f->watch_result = -EAGAIN;
    fixture_state(f, "100", EXTENSION_REMOVED);
    fixture_pass(f, UINT64_C(3) * CONGESTED_MS);
    expect_nothing(f);
    fixture_state(f, "100", EXTENSION_RINGING);
    f->watch_result = 0;
    fixture_pass(f, CONGESTED_MS + 20);
    fixture_answer_questions(f, 1);
    expect_notify(f, "active;expires=595", "early");
    answer_last(f, 200);
    fixture_destroy(f);
}

/* It leaves, or we do, while it is asked where it goes. */
static void test_leaving_while_asked(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1"), t = sub_plain("c2");
    char tags[2][64];

    (void)state;
    establish(f, &s, tags[0]);
    establish(f, &t, tags[1]);
    fixture_state(f, "100", EXTENSION_REMOVED);
    s.expires = "0";
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "<state>terminated</state>");
    answer_last(f, 200);
    assert_int_equal(live(f), 1);
    sub_send(f, &t); /* a refresh waits for the answer as well */
    expect_status(f, 200);
    expect_nothing(f);
    notifier_stop(f->notifier);
    expect_notify(f, "terminated;reason=deactivated", "<state>terminated</state>");
    answer_last(f, 200);
    assert_int_equal(live(f), 0);
    fixture_answer_questions(f, 1);
    fixture_destroy(f);
}

/* The answer brings a change that was lost on its way, and whoever asked cannot be told of it. */
static void test_ends_by_the_answer(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1"), t = sub_plain("c2");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    notifier_dialplan_changed(f->notifier);
    fixture_resource(f, "100")->watched = false;
    fixture_state(f, "100", EXTENSION_RINGING);
    f->send_result = -ENETUNREACH;
    fixture_answer_questions(f, 1);
    assert_int_equal(live(f), 0);
    f->send_result = 0;
    f->n_questions = 0;
    establish(f, &t, tag);
    fixture_destroy(f);
}

/* ---- transports ---- */

static void transport_moves(struct fixture *f)
{
    const struct notifier_transport list[] = { { STR("udp"), true }, { STR("udp"), false } };

    f->route = (struct flow){ .transport = 1, .local = fixture_addr("192.0.2.9:5070") };
    assert_int_equal(notifier_transports_set(f->notifier, list, ARRAY_LEN(list)), 0);
    rules_become(f, NULL);
}

static void expect_by(const struct fixture *f, uint32_t transport, const char *contact)
{
    const struct fixture_sent *last = &f->sent[f->seen - 1];

    assert_int_equal(last->to.transport, transport);
    assert_true(addr_equal(&last->to.remote, &f->from.remote));
    assert_true(str_equal(sip_header_value(&f->msg, SIP_H_CONTACT), str_of(contact)));
}

/* The subscriber is told where we are now, once; what it still sends to the old address is served.
 */
static void test_transport_moves(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    transport_moves(f);
    fixture_pass(f, 100);
    expect_notify(f, "active;expires=600", "<state>confirmed</state>");
    expect_by(f, 1, "<sip:192.0.2.9:5070>");
    assert_true(addr_equal(&f->sent[f->seen - 1].to.local, &f->route.local));
    assert_string_equal(f->routed, "udp");
    answer_last(f, 200);
    rules_become(f, NULL);
    fixture_pass(f, 100);
    expect_nothing(f);
    sub_send(f, &s);
    expect_status(f, 200);
    expect_by(f, 0, "<sip:192.0.2.9:5070>");
    expect_notify(f, "active;expires=600", "<state>confirmed</state>");
    expect_by(f, 1, "<sip:192.0.2.9:5070>");
    answer_last(f, 200);
    fixture_destroy(f);
}

/* What is under way is answered where it was sent from. */
static void test_transport_moves_under_way(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_notify(f, "active;expires=600", "<state>early</state>");
    transport_moves(f);
    fixture_pass(f, 100);
    expect_nothing(f);
    answer_last(f, 200);
    expect_notify(f, "active;expires=599", "<state>early</state>");
    expect_by(f, 1, "<sip:192.0.2.9:5070>");
    answer_last(f, 200);
    fixture_destroy(f);
}

static void test_transport_is_gone(void **state)
{
    struct fixture *f = begin();
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    establish(f, &s, tag);
    f->route_result = -EAFNOSUPPORT;
    transport_moves(f);
    fixture_pass(f, 100);
    expect_notify(f, "terminated;reason=deactivated", "<state>confirmed</state>");
    expect_by(f, 0, "<sip:192.0.2.1:5060>");
    answer_last(f, 200);
    assert_int_equal(live(f), 0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transport_moves),
        cmocka_unit_test(test_transport_moves_under_way),
        cmocka_unit_test(test_transport_is_gone),
        cmocka_unit_test(test_blocked_before_its_turn),
        cmocka_unit_test(test_blocked_while_outstanding),
        cmocka_unit_test(test_blocked_when_its_time_comes),
        cmocka_unit_test(test_to_be_confirmed_without_a_network),
        cmocka_unit_test(test_move_in_slices),
        cmocka_unit_test(test_nothing_changes),
        cmocka_unit_test(test_not_now),
        cmocka_unit_test(test_queue_is_full),
        cmocka_unit_test(test_leaving_while_asked),
        cmocka_unit_test(test_ends_by_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
