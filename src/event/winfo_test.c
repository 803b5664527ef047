// SPDX-License-Identifier: MIT
/* What becomes of subscriptions, as it is told to whoever collects watchers. */
#include "event/notifier_fixture.h"

#define CONFIRM "[authorization]\nconfirm_timeout=1000\nconfirm=^bob$\n"
#define BOB "dialog of 100@users:  <sip:bob@example.com;user=phone> "

static const struct resource_name dialogs_of_100 = { STR_INIT("dialog"), STR_INIT("users"),
                                                     STR_INIT("100") };

static void settings_become(struct fixture *f, const char *pjsip, const char *rules)
{
    struct settings *s = settings_fixture_with(pjsip, rules);

    notifier_settings_set(f->notifier, s);
    settings_unref(f->settings);
    f->settings = s;
}

static struct fixture *begin(const char *rules)
{
    struct fixture *f = fixture_create(NULL);

    fixture_state(f, "100", EXTENSION_INUSE);
    if (rules)
        settings_become(f, FIXTURE_CONFIG, rules);
    return f;
}

static struct sub sub_by(const char *user, const char *call_id)
{
    struct sub s = sub_plain(call_id);

    s.user = user;
    return s;
}

static void expect_report(struct fixture *f, uint64_t generation, const char *line)
{
    assert_true(f->n_reports > 0);
    assert_string_equal(f->reports[0].line, line);
    assert_int_equal(f->reports[0].generation, generation);
    memmove(f->reports, f->reports + 1, --f->n_reports * sizeof(*f->reports));
}

static void start(struct fixture *f, uint64_t generation)
{
    notifier_winfo_start(f->notifier, &dialogs_of_100, 1, generation);
    expect_report(f, generation, "dialog of 100@users");
}

static void unsubscribe(struct fixture *f, struct sub *s)
{
    s->expires = "0";
    sub_send(f, s);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "");
    answer_last(f, 200);
}

/* Those that there are, of this resource and package only, then that these were all. */
static void test_listing(void **state)
{
    struct fixture *f = begin(NULL);
    struct sub subs[] = { sub_by("alice", "c1"), sub_by("bob", "c2"), sub_by("bob", "c3"),
                          sub_by("bob", "c4") };

    (void)state;
    fixture_state(f, "200", EXTENSION_IDLE);
    subs[0].display = "\"Alice \\\"A\\\" \xc3\xa9\" ";
    subs[2].event = "presence";
    subs[2].accept = NULL;
    subs[3].uri = "sip:200@192.0.2.1";
    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        sub_send(f, &subs[i]);
        fixture_answer_questions(f, 1);
        expect_status(f, 200);
        (void)fixture_next(f);
        answer_last(f, 200);
    }
    assert_int_equal(f->n_reports, 0);
    notifier_winfo_start(f->notifier, &dialogs_of_100, 1, 7);
    assert_int_equal(f->reports[0].number, 1);
    assert_int_equal(f->reports[1].number, 2);
    expect_report(f, 7,
                  "dialog of 100@users: Alice \"A\" \xc3\xa9 "
                  "<sip:alice@example.com;user=phone> active 0");
    expect_report(f, 7, BOB "active 0");
    expect_report(f, 7, "dialog of 100@users");
    assert_int_equal(f->n_reports, 0);
    fixture_destroy(f); /* without a word about them */
}

static void test_changes(void **state)
{
    struct fixture *f = begin(NULL);
    struct sub s = sub_by("bob", "c1"), again = sub_by("bob", "c2");
    char tag[64];

    (void)state;
    start(f, 1);
    establish(f, &s, tag);
    expect_report(f, 1, BOB "active 0");
    sub_send(f, &s); /* a refresh is no change */
    s.cseq++;
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "");
    assert_int_equal(f->n_reports, 0);
    answer_last(f, 200);
    unsubscribe(f, &s);
    expect_report(f, 1, BOB "terminated 5");
    assert_int_equal(f->n_reports, 0);
    notifier_winfo_stop(f->notifier, &dialogs_of_100);
    sub_send(f, &again);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    assert_int_equal(f->n_reports, 0);
    fixture_destroy(f);
}

/* A fetch comes and goes without a word. */
static void test_fetch(void **state)
{
    struct fixture *f = begin(NULL);
    struct sub s = sub_by("bob", "c1");

    (void)state;
    start(f, 1);
    s.expires = "0";
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "");
    answer_last(f, 200);
    assert_int_equal(f->n_reports, 0);
    fixture_destroy(f);
}

static void by_answer(struct fixture *f)
{
    fixture_state(f, "100", EXTENSION_IDLE);
    (void)fixture_next(f);
    answer_last(f, 481);
}

static void by_silence(struct fixture *f)
{
    fixture_state(f, "100", EXTENSION_IDLE);
    fixture_pass(f, 33000);
}

static void by_removal(struct fixture *f)
{
    fixture_state(f, "100", EXTENSION_REMOVED);
    fixture_answer_questions(f, 1);
}

static void by_stop(struct fixture *f)
{
    notifier_stop(f->notifier);
}

static void by_drain(struct fixture *f)
{
    notifier_drain(f->notifier, &(struct notifier_drain){ .reason = NOTIFIER_DRAIN_PROBATION,
                                                          .retry_after_s = 60,
                                                          .rate_per_s = 100,
                                                          .workers = 1 });
    fixture_pass(f, 1000);
}

static void by_rule(struct fixture *f)
{
    settings_become(f, FIXTURE_CONFIG, "[authorization]\nblock=bob\n");
}

static void by_doubt(struct fixture *f)
{
    settings_become(f, FIXTURE_CONFIG, CONFIRM);
}

static void by_expiry(struct fixture *f)
{
    fixture_pass(f, 600020);
}

static void test_reasons(void **state)
{
    static const struct {
        void (*end)(struct fixture *f);
        const char *line;
    } cases[] = {
        { by_answer, BOB "terminated 5" },  { by_silence, BOB "terminated 5" },
        { by_removal, BOB "terminated 7" }, { by_stop, BOB "terminated 2" },
        { by_drain, BOB "terminated 3" },   { by_rule, BOB "terminated 4" },
        { by_doubt, BOB "terminated 2" },   { by_expiry, BOB "terminated 5" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = begin(NULL);
        struct sub s = sub_by("bob", "c1");
        char tag[64];

        start(f, 1);
        establish(f, &s, tag);
        expect_report(f, 1, BOB "active 0");
        cases[i].end(f);
        expect_report(f, 1, cases[i].line);
        assert_int_equal(f->n_reports, 0);
        fixture_destroy(f);
    }
}

/* After a reload its name leads elsewhere: there it is another watcher. */
static void test_moves(void **state)
{
    static const struct resource_name there = { STR_INIT("dialog"), STR_INIT("elsewhere"),
                                                STR_INIT("100") };
    struct fixture *f = begin(NULL);
    struct sub s = sub_by("bob", "c1");
    struct snapshot *elsewhere;
    uint64_t number;
    char tag[64];

    (void)state;
    start(f, 1);
    establish(f, &s, tag);
    number = f->reports[0].number;
    expect_report(f, 1, BOB "active 0");
    notifier_winfo_start(f->notifier, &there, 99, 2);
    expect_report(f, 2, "dialog of 100@elsewhere");
    assert_int_equal(
        snapshot_create(&elsewhere, &(struct snapshot_spec){ .resource_id = 99,
                                                             .sequence = 1,
                                                             .state = EXTENSION_INUSE,
                                                             .has_hint = true,
                                                             .presence = PRESENCE_NOT_SET,
                                                             .context = there.context,
                                                             .extension = there.extension }),
        0);
    notifier_dialplan_changed(f->notifier);
    notifier_watch_result(f->notifier, f->questions[0].cookie, elsewhere, true);
    snapshot_unref(elsewhere);
    assert_int_equal(f->reports[0].number, number);
    expect_report(f, 1, BOB "terminated 7");
    assert_int_not_equal(f->reports[0].number, number);
    expect_report(f, 2, "dialog of 100@elsewhere:  <sip:bob@example.com;user=phone> active 0");
    expect_nothing(f); /* its lamp shows the same */
    fixture_destroy(f);
}

/* Pending, then approved; whoever asks later is told that he was. */
static void test_approval(void **state)
{
    struct fixture *f = begin(CONFIRM);
    struct sub s = sub_by("bob", "c1");
    char tag[64];

    (void)state;
    start(f, 1);
    establish(f, &s, tag);
    expect_report(f, 1, BOB "pending 0");
    settings_become(f, FIXTURE_CONFIG, "");
    expect_report(f, 1, BOB "active 1");
    notifier_winfo_stop(f->notifier, &dialogs_of_100);
    notifier_winfo_start(f->notifier, &dialogs_of_100, 1, 2);
    expect_report(f, 2, BOB "active 1");
    fixture_destroy(f);
}

/* Pending to the end of the subscription: that is told whether anybody asks or not. To give up is
 * our decision, and final. */
static void test_waiting(void **state)
{
    struct fixture *f = begin(CONFIRM);
    struct sub s = sub_by("bob", "c1"), fetch = sub_by("bob", "c2"), patient = sub_by("bob", "c3");
    char tag[64], tag3[64];

    (void)state;
    establish(f, &s, tag);
    assert_int_equal(f->n_reports, 0);
    unsubscribe(f, &s);
    expect_report(f, 0, BOB "waiting 5");
    fetch.expires = "0";
    sub_send(f, &fetch);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "");
    answer_last(f, 200);
    expect_report(f, 0, BOB "waiting 5");
    start(f, 3);
    patient.expires = "3000";
    establish(f, &patient, tag3);
    expect_report(f, 3, BOB "pending 0");
    fixture_pass(f, 1000020);
    expect_report(f, 3, BOB "terminated 6");
    assert_int_equal(f->n_reports, 0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listing), cmocka_unit_test(test_changes),
        cmocka_unit_test(test_fetch),   cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_moves),   cmocka_unit_test(test_approval),
        cmocka_unit_test(test_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
