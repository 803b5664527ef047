// SPDX-License-Identifier: MIT
#include "event/notifier_fixture.h"

#define LONG_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_256 LONG_64 LONG_64 LONG_64 LONG_64

/* Every refusal says why in words, and what its status demands. */
static void test_refusals(void **state)
{
    static const struct {
        const char *what;
        struct sub change; /* what differs; "-" leaves a header out */
        unsigned status;
        const char *says;
    } cases[] = {
        { "not allowed", { .user = "mute" }, 603, "may not subscribe" },
        { "no Event",
          { .event = "-" },
          489,
          "Allow-Events: dialog, presence, message-summary\r\n" },
        { "bad Event", { .event = "dialog;=" }, 400, "Warning: 399 " },
        { "unknown package",
          { .event = "conference" },
          489,
          "Allow-Events: dialog, presence, message-summary\r\n" },
        { "watchers of watchers", { .event = "dialog.winfo.winfo" }, 489, "not served" },
        { "a template", { .event = "winfo" }, 489, "not served" },
        { "watchers of what is not served", { .event = "conference.winfo" }, 489, "not served" },
        { "watchers, and no body for them",
          { .event = "dialog.winfo" },
          406,
          "Accept: application/watcherinfo+xml\r\n" },
        { "long Event", { .event = "dialog;x=" LONG_64 LONG_64 }, 400, "longer than 128" },
        { "no Contact", { .contact = "-" }, 400, "no Contact" },
        { "Contact *", { .contact = "*" }, 400, "not a SIP URI" },
        { "tel Contact", { .contact = "<tel:+1234>" }, 400, "not a SIP URI" },
        { "broken Contact", { .contact = "<sip:alice@192.0.2.7:x>" }, 400, "not a SIP URI" },
        { "long Contact",
          { .contact = "<sip:" LONG_256 LONG_256 "@192.0.2.7>" },
          400,
          "longer than 512" },
        { "Accept", { .accept = "application/sdp" }, 406, "Accept: application/dialog-info+xml, " },
        { "Accept with q=0",
          { .accept = "application/*;q=0" },
          406,
          "Accept: application/dialog-info+xml, " },
        { "Accept, presence",
          { .event = "presence", .accept = "text/plain" },
          406,
          "Accept: application/pidf+xml, " },
        { "bad Expires", { .expires = "soon" }, 400, "not a number" },
        { "negative Expires", { .expires = "-1" }, 400, "not a number" },
        { "brief", { .expires = "59" }, 423, "Min-Expires: 60\r\n" },
        { "one second", { .expires = "1" }, 423, "Min-Expires: 60\r\n" },
        { "no user", { .uri = "sip:192.0.2.1" }, 404, "names no resource" },
        { "long user",
          { .uri = "sip:" LONG_64 "0123456789012345@192.0.2.1" },
          404,
          "longer than 79" },
        { "no hint", { .uri = "sip:999@192.0.2.1" }, 404, "nothing of that name" },
        { "long Call-ID", { .call_id = LONG_256 }, 400, "Call-ID is longer than 255" },
        { "long tag", { .from_params = ";tag=" LONG_64 LONG_64 "x" }, 400, "longer than 128" },
        { "long R-URI", { .uri = "sip:100@h;x=" LONG_256 LONG_256 }, 414, "longer than 512" },
        { "long routes",
          { .extra = "Record-Route: <sip:p;lr;x=" LONG_256 LONG_256 LONG_256 LONG_256
                     ">,<sip:q;x=" LONG_256 LONG_256 LONG_256 LONG_256 LONG_256 ">\r\n" },
          400,
          "too long to be kept" },
        { "Call-ID with NUL", { .call_id = "\"a\\" SUB_NUL "\"" }, 400, "not one word" },
        { "folded tag", { .from_params = ";tag=\"a\r\n b\"" }, 400, "not one word" },
        { "tag with NUL", { .from_params = ";tag=\"a\\" SUB_NUL "\"" }, 400, "not one word" },
        { "Event with NUL", { .event = "dialog;x=\"\\" SUB_NUL "\"" }, 400, "cannot be sent back" },
        { "routes with NUL",
          { .extra = "Record-Route: \"\\" SUB_NUL "\" <sip:192.0.2.9;lr>\r\n" },
          400,
          "cannot be sent back" },
    };
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sub s = sub_plain("call-1");
        const char **to = (const char **)&s;
        const char *const *from = (const char *const *)&cases[i].change;
        const struct sip_message *m;

        for (size_t k = 0; k < offsetof(struct sub, cseq) / sizeof(*to); k++)
            if (from[k])
                to[k] = strcmp(from[k], "-") ? from[k] : NULL;
        s.cseq = (unsigned)i + 1;
        sub_send(f, &s);
        fixture_answer_questions(f, 1);
        m = expect_status(f, cases[i].status);
        if (!has(m, cases[i].says) || !has(m, "Warning: 399"))
            fail_msg("%s: %.*s", cases[i].what, STR_FMT(m->raw));
        assert_true(m->to_tag.n > 0);
        expect_nothing(f);
        assert_int_equal(live(f), 0);
        assert_int_equal(f->held, 0);
    }
    fixture_destroy(f);
}

static void test_counters_of_refusals(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct notifier_counters c;
    struct sub s = sub_plain("a");

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    s.event = "x";
    sub_send(f, &s);
    s = sub_plain("b");
    s.accept = "a/b";
    sub_send(f, &s);
    s = sub_plain("c");
    s.expires = "2";
    sub_send(f, &s);
    s = sub_plain("d");
    s.to_tag = "none";
    sub_send(f, &s);
    s = sub_plain("e");
    s.user = "mute";
    sub_send(f, &s);
    c = fixture_counters(f);
    assert_int_equal(c.rejected_489, 1);
    assert_int_equal(c.rejected_406, 1);
    assert_int_equal(c.rejected_423, 1);
    assert_int_equal(c.rejected_481, 1);
    assert_int_equal(c.rejected_other, 1);
    assert_int_equal(c.rejected_400 + c.rejected_403 + c.rejected_404 + c.rejected_503, 0);
    fixture_destroy(f);
}

static void test_unacceptable_489(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("call-1");

    (void)state;
    f->settings->compatibility.unacceptable_489 = true;
    s.accept = "application/sdp";
    sub_send(f, &s);
    assert_true(has(expect_status(f, 489), "Allow-Events: dialog, presence, message-summary"));
    fixture_destroy(f);
}

static void test_quota(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub a = sub_plain("call-a"), b = sub_plain("call-b");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    f->limit = 1;
    establish(f, &a, tag);
    sub_send(f, &b);
    assert_true(has(expect_status(f, 503), "\r\nRetry-After: "));
    a.expires = "0";
    sub_send(f, &a);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "terminated");
    answer_last(f, 200);
    assert_int_equal(f->held, 0);
    b.call_id = "call-c";
    establish(f, &b, tag);
    fixture_destroy(f);
}

static void test_200(void **state)
{
    static const struct {
        const char *user, *expires, *expect;
    } cases[] = {
        { "alice", "600", "\r\nExpires: 600\r\n" },
        { "alice", NULL, "\r\nExpires: 3600\r\n" },
        { "alice", "60", "\r\nExpires: 60\r\n" },
        { "alice", "4294967295", "\r\nExpires: 3600\r\n" },
        { "bob", "1", "\r\nExpires: 1\r\n" },
        { "alice", "99999999999", "\r\nExpires: 3600\r\n" },
        { "alice", "3600", "\r\nExpires: 3600\r\n" },
        { "alice", "0", "\r\nExpires: 0\r\n" },
    };
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sub s = sub_plain("call-1");
        const struct sip_message *m;

        s.user = cases[i].user;
        s.expires = cases[i].expires;
        s.cseq = (unsigned)i + 1;
        sub_send(f, &s);
        fixture_answer_questions(f, 1);
        m = expect_status(f, 200);
        assert_true(has(m, cases[i].expect));
        assert_true(has(m, "\r\nContact: <sip:192.0.2.1:5060>\r\nAllow: OPTIONS, SUBSCRIBE\r\n"
                           "Allow-Events: dialog, presence, message-summary\r\n"));
        assert_true(txn_tag_worker(m->to_tag) == 0);
        f->seen++;
    }
    fixture_destroy(f);
}

/* RFC 6665 section 4.4.3. */
static void test_fetch(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("call-1");

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    s.expires = "0";
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    assert_true(has(expect_status(f, 200), "\r\nExpires: 0\r\n"));
    expect_notify(f, "terminated;reason=timeout", "confirmed");
    answer_last(f, 200);
    assert_int_equal(live(f), 0);
    assert_int_equal(fixture_counters(f).fetched, 1);
    assert_int_equal(fixture_counters(f).accepted, 0);
    assert_int_equal(f->unwatched, 1);
    fixture_pass(f, 40000);
    expect_nothing(f);
    fixture_destroy(f);
}

static void test_stopping(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");

    (void)state;
    notifier_stop(f->notifier);
    sub_send(f, &s);
    expect_status(f, 503);
    fixture_destroy(f);
}

/* Each allocation-sized text at its limit is kept. */
static void test_long_texts(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain(LONG_64 LONG_64 LONG_64
                             "012345678901234567890123456789012345678901234567890123456789");
    const struct sip_message *m;
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    s.from_params = ";tag=" LONG_64 LONG_64;
    s.event = "dialog;id=" LONG_64;
    s.contact = "<sip:" LONG_256 LONG_64 LONG_64 "@192.0.2.7:5062>";
    s.extra = "User-Agent: " LONG_256 "\r\nRecord-Route: <sip:192.0.2.8;lr;x=" LONG_256
              ">,\r\n <sip:p2;lr>\r\n";
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_IDLE);
    m = expect_notify(f, "active;expires=600", "terminated");
    assert_true(has(m, "Route: <sip:192.0.2.8;lr;x=" LONG_256 ">\r\nRoute: <sip:p2;lr>\r\n"));
    assert_true(has(m, "Event: dialog;id=" LONG_64 "\r\n"));
    fixture_destroy(f);
}

/* ---- the watch ---- */

static void test_one_question_for_many(void **state)
{
    struct fixture *f = fixture_create(NULL);
    char call_id[32];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    for (unsigned i = 0; i < 1000; i++) {
        struct sub s = sub_plain(call_id);

        snprintf(call_id, sizeof(call_id), "call-%u", i);
        sub_send(f, &s);
    }
    assert_int_equal(f->asked, 1);
    assert_int_equal(fixture_counters(f).watches_pending, 1);
    expect_nothing(f);
    fixture_answer_questions(f, 1);
    assert_int_equal(f->n_sent, 2000);
    assert_int_equal(fixture_counters(f).watches_pending, 0);
    for (unsigned i = 0; i < 1000; i++) { /* each its 200 before its NOTIFY */
        expect_status(f, 200);
        expect_notify(f, "active;expires=600", "terminated");
    }
    fixture_destroy(f);
}

static void subscribe_once(struct fixture *f, const char *call_id, const char *uri,
                           const char *expires)
{
    struct sub s = sub_plain(call_id);

    s.uri = uri;
    s.expires = expires;
    sub_send(f, &s);
}

static void test_name_cache(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    subscribe_once(f, "a", "sip:100@h", "600");
    fixture_answer_questions(f, 1);
    subscribe_once(f, "b", "sip:100@h", "600"); /* known */
    assert_int_equal(f->asked, 1);
    assert_int_equal(f->n_sent, 4);
    notifier_dialplan_changed(f->notifier);
    subscribe_once(f, "c", "sip:100@h", "600"); /* asked again */
    assert_int_equal(f->asked, 2);
    notifier_dialplan_changed(
        f->notifier); /* the open answer may be of the old plan: good for once */
    fixture_answer_questions(f, 1);
    assert_int_equal(f->n_sent, 6);
    subscribe_once(f, "d", "sip:100@h", "600");
    assert_int_equal(f->asked, 3);
    f->uncacheable = true;
    fixture_answer_questions(f, 1);
    subscribe_once(f, "e", "sip:100@h", "600");
    assert_int_equal(f->asked, 4);
    fixture_answer_questions(f, 1);
    assert_int_equal(fixture_counters(f).resources, 1);
    assert_int_equal(f->n_sent, 10);
    fixture_destroy(f);
}

/* 'No' is not kept: the hint may be made in the next moment. */
static void test_no_is_not_cached(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    subscribe_once(f, "a", "sip:100@h", "600");
    fixture_answer_questions(f, 1);
    expect_status(f, 404);
    fixture_state(f, "100", EXTENSION_IDLE);
    subscribe_once(f, "b", "sip:100@h", "600");
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    fixture_destroy(f);
}

static void test_watch_fails(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    f->watch_result = -EAGAIN;
    subscribe_once(f, "a", "sip:100@h", "600");
    assert_true(has(expect_status(f, 503), "Retry-After: "));
    assert_int_equal(live(f), 0);
    fixture_destroy(f);
}

/* An answer that never comes: 503 before the transaction layer loses its patience; then the name is
 * asked for anew. */
static void test_watch_unanswered(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    subscribe_once(f, "a", "sip:100@h", "600");
    fixture_pass(f, 15000);
    subscribe_once(f, "b", "sip:100@h", "600");
    fixture_pass(f, 1100);
    expect_status(f, 503);
    expect_nothing(f);
    fixture_pass(f, 15000);
    expect_status(f, 503);
    assert_int_equal(fixture_counters(f).watches_pending, 0);
    subscribe_once(f, "c", "sip:100@h", "600");
    assert_int_equal(f->asked, 2);
    fixture_answer_questions(f, 1); /* to the first question, at last: nobody */
    expect_nothing(f);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "terminated");
    assert_int_equal(fixture_counters(f).resources, 1);
    fixture_destroy(f);
}

/* Two names of one resource: the last subscription by one leaves while the other is asked for. */
static void test_unwatch_waits_for_questions(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");
    char tag[64];

    (void)state;
    f->uncacheable = true;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    subscribe_once(f, "b", "sip:100@h", "600"); /* a new question: nothing was kept */
    assert_int_equal(f->n_questions, 1);
    s.expires = "0";
    sub_send(f, &s);
    expect_status(f, 200);
    f->seen++;
    answer_last(f, 200);
    assert_int_equal(live(f), 1);
    assert_int_equal(f->unwatched, 0); /* would end the watch that the open answer promises */
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "terminated");
    answer_last(f, 200);
    assert_int_equal(f->unwatched, 0);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 481);
    assert_int_equal(f->unwatched, 1);
    assert_int_equal(fixture_counters(f).resources, 0);
    fixture_destroy(f);
}

/* Likewise, but the answer's subscriber is refused. */
static void test_refused_at_an_idle_resource(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a"), other = sub_plain("b");
    char tag[64];

    (void)state;
    f->uncacheable = true;
    settings_unref(f->settings);
    f->settings = settings_fixture_with(FIXTURE_CONFIG, "[authorization]\nblock=bob\n");
    notifier_settings_set(f->notifier, f->settings);
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    other.user = "bob";
    sub_send(f, &other);
    s.expires = "0";
    sub_send(f, &s);
    expect_status(f, 200);
    f->seen++;
    answer_last(f, 200);
    assert_int_equal(live(f), 1);
    assert_int_equal(f->unwatched, 0);
    fixture_answer_questions(f, 1);
    expect_status(f, 403);
    assert_int_equal(f->unwatched, 1);
    assert_int_equal(fixture_counters(f).resources, 0);
    fixture_destroy(f);
}

static void test_retransmitted_subscribe(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("a");

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    sub_send(f, &s);
    sub_send_again(f, &s);
    assert_int_equal(f->asked, 1);
    fixture_answer_questions(f, 1);
    assert_int_equal(f->n_sent, 2);
    sub_send_again(f, &s);
    assert_int_equal(f->n_sent, 3);
    assert_true(str_equal(f->sent[0].bytes, f->sent[2].bytes));
    assert_int_equal(live(f), 1);
    fixture_destroy(f);
}

/* A SUBSCRIBE that waits is answered once, whatever happens to us meanwhile. */
static void test_waiting_when_all_ends(void **state)
{
    static const char *const without_alice = "[bob]\ntype=endpoint\ncontext=users\nallow_subscribe="
                                             "yes\n[alice]\ntype=endpoint\nallow_subscribe=no\n";

    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        struct fixture *f = fixture_create(NULL);
        struct sub bob = sub_plain("b");

        fixture_state(f, "100", EXTENSION_IDLE);
        subscribe_once(f, "a", "sip:100@h", "600");
        bob.user = "bob";
        if (how == 2)
            sub_send(f, &bob);
        if (how == 0) {
            notifier_destroy(f->notifier);
            f->notifier = NULL;
        } else if (how == 1) {
            notifier_stop(f->notifier);
            assert_int_equal(notifier_unanswered(f->notifier), 0);
        } else {
            struct settings *other = settings_fixture(without_alice);

            notifier_settings_set(f->notifier, other);
            settings_unref(other);
        }
        assert_true(has(expect_status(f, 503), "Call-ID: a\r\n"));
        expect_nothing(f);
        if (how)
            fixture_answer_questions(f, 1);
        if (how == 2)
            assert_true(has(expect_status(f, 200), "Call-ID: b\r\n"));
        else
            expect_nothing(f);
        fixture_destroy(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_counters_of_refusals),
        cmocka_unit_test(test_unacceptable_489),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_200),
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_one_question_for_many),
        cmocka_unit_test(test_name_cache),
        cmocka_unit_test(test_no_is_not_cached),
        cmocka_unit_test(test_watch_fails),
        cmocka_unit_test(test_watch_unanswered),
        cmocka_unit_test(test_unwatch_waits_for_questions),
        cmocka_unit_test(test_refused_at_an_idle_resource),
        cmocka_unit_test(test_retransmitted_subscribe),
        cmocka_unit_test(test_waiting_when_all_ends),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_long_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
