// SPDX-License-Identifier: MIT
#include "event/notifier_fixture.h"

/* ---- the end of one ---- */

static void test_expiry(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    fixture_pass(f, 599990);
    expect_nothing(f);
    fixture_pass(f, 20);
    expect_notify(f, "terminated;reason=timeout", "version=\"1\"");
    assert_int_equal(fixture_counters(f).expired, 1);
    assert_int_equal(live(f), 1);
    fixture_state(f, "100", EXTENSION_IDLE);
    answer_last(f, 500); /* the last word is the last word */
    assert_int_equal(live(f), 0);
    assert_int_equal(f->unwatched, 1);
    fixture_pass(f, 1000000);
    expect_nothing(f);
    sub_send(f, &s);
    expect_status(f, 481);
    fixture_destroy(f);
}

static void test_refresh_postpones_expiry(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    for (unsigned i = 0; i < 20; i++) {
        fixture_pass(f, 590000);
        sub_send(f, &s);
        s.cseq++;
        expect_status(f, 200);
        expect_notify(f, "active;expires=600", "confirmed");
        answer_last(f, 200);
    }
    s.expires = "60"; /* and may make it earlier */
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=60", "confirmed");
    answer_last(f, 200);
    fixture_pass(f, 60010);
    expect_notify(f, "terminated;reason=timeout", "confirmed");
    fixture_destroy(f);
}

/* The end comes while a NOTIFY is unanswered: the last one waits for the answer. */
static void test_end_while_outstanding(void **state)
{
    static const struct {
        const char *what;
        unsigned answer; /* 0: none */
        bool last_notify;
    } cases[] = { { "told", 200, true },
                  { "refused", 500, true },
                  { "busy", 503, true },
                  { "unwanted", 481, false },
                  { "unanswered", 0, false } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned by_phone = 0; by_phone < 2; by_phone++) {
            struct fixture *f = fixture_create(NULL);
            struct sub s = sub_plain("c1");
            char tag[64];
            size_t first;

            fixture_state(f, "100", EXTENSION_INUSE);
            establish(f, &s, tag);
            fixture_pass(f, by_phone ? 1000 : 590000);
            fixture_state(f, "100", EXTENSION_IDLE);
            first = f->seen++;
            if (by_phone) {
                s.expires = "0";
                sub_send(f, &s);
                expect_status(f, 200);
                expect_nothing(f);
            }
            fixture_pass(f, 12000);
            fixture_state(f, "100", EXTENSION_RINGING);
            for (; f->seen < f->n_sent; f->seen++) /* nothing but the unanswered one again */
                assert_true(str_equal(f->sent[f->seen].bytes, f->sent[first].bytes));
            if (cases[i].answer)
                notify_answer(f, first, cases[i].answer, "");
            else
                fixture_pass(f, 21000);
            while (f->seen < f->n_sent && str_equal(f->sent[f->seen].bytes, f->sent[first].bytes))
                f->seen++;
            if (cases[i].last_notify) {
                expect_notify(f, "terminated;reason=timeout", "early");
                answer_last(f, 200);
            }
            expect_nothing(f);
            assert_int_equal(live(f), 0);
            fixture_destroy(f);
        }
    }
}

static void test_last_notify_unanswered(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    s.expires = "0";
    sub_send(f, &s);
    expect_status(f, 200);
    fixture_pass(f, 33000);
    assert_int_equal(live(f), 0);
    assert_int_equal(f->n_sent, 4 + 10);
    fixture_destroy(f);
}

static void test_last_notify_cannot_leave(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    f->send_result = -EAGAIN;
    fixture_pass(f, 600010);
    assert_int_equal(live(f), 0);
    f->send_result = 0;
    fixture_destroy(f);
}

static void test_terminated_without_reason(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    f->settings->compatibility.terminated_without_reason = true;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    s.expires = "0";
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "terminated", "confirmed");
    fixture_destroy(f);
}

/* ---- the end of a resource ---- */

static void test_removed(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1"), t = sub_plain("c2"), u = sub_plain("c3");
    const struct sip_message *m;
    char tag[64], tag2[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    t.accept = "application/pidf+xml";
    establish(f, &t, tag2);
    fixture_state(f, "100", EXTENSION_REMOVED);
    expect_nothing(f); /* first of all: what does the name mean now? */
    fixture_answer_questions(f, 1);
    expect_notify(f, "terminated;reason=noresource", "<state>terminated</state>");
    answer_last(f, 200);
    m = expect_notify(f, "terminated;reason=noresource", "<basic>closed</basic>");
    assert_true(str_equal(m->call_id, STR("c2")));
    fixture_state(f, "100", EXTENSION_IDLE); /* another resource of the same name */
    sub_send(f, &u);
    assert_int_equal(f->n_questions, 1);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "terminated");
    assert_int_equal(fixture_counters(f).resources, 2);
    sub_send(f, &s);
    expect_status(f, 481);
    fixture_destroy(f);
}

static void test_removed_while_outstanding(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    f->settings->compatibility.removed_hint_is_idle = true;
    fixture_state(f, "100", EXTENSION_INUSE);
    s.accept = "application/pidf+xml";
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_RINGING);
    expect_notify(f, "active;expires=600", "Ringing");
    fixture_state(f, "100", EXTENSION_REMOVED);
    fixture_answer_questions(f, 1);
    expect_nothing(f);
    answer_last(f, 200);
    expect_notify(f, "terminated;reason=noresource", "<basic>open</basic>");
    answer_last(f, 481);
    assert_int_equal(live(f), 0);
    assert_int_equal(fixture_counters(f).resources, 0);
    fixture_destroy(f);
}

/* ---- fan-out ---- */

static void establish_many_of(struct fixture *f, const char *uri, unsigned n)
{
    char call_id[64];

    for (unsigned i = 0; i < n; i++) {
        struct sub s = sub_plain(call_id);

        s.uri = uri;
        snprintf(call_id, sizeof(call_id), "many-%s-%u", uri, i);
        sub_send(f, &s);
        fixture_answer_questions(f, 1);
        expect_status(f, 200);
        expect_notify(f, "active;expires=600", "");
        answer_last(f, 200);
    }
}

static void establish_many(struct fixture *f, unsigned n)
{
    establish_many_of(f, "sip:100@h", n);
}

static size_t answer_all(struct fixture *f)
{
    size_t n = 0;

    for (; f->seen < f->n_sent; f->seen++, n++)
        notify_answer(f, f->seen, 200, "");
    return n;
}

static void test_slices(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("other");
    char tag[64];
    size_t told;

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish_many(f, 3000);
    fixture_state(f, "200", EXTENSION_IDLE);
    s.uri = "sip:200@h";
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    assert_int_equal(f->n_sent - f->seen, FAN_OUT_SLICE);
    assert_int_equal(answer_all(f), FAN_OUT_SLICE);
    fixture_state(f, "200", EXTENSION_INUSE); /* need not wait */
    assert_int_equal(f->n_sent - f->seen, 1);
    assert_int_equal(answer_all(f), 1);
    fixture_state(f, "100", EXTENSION_RINGING); /* those longest behind first */
    told = answer_all(f);
    assert_true(told <= FAN_OUT_SMALL);
    while (told < 3000) {
        size_t more;

        fixture_pass(f, 10);
        more = answer_all(f);
        assert_int_equal(more, 3000 - told < FAN_OUT_SLICE ? 3000 - told : FAN_OUT_SLICE);
        told += more;
    }
    fixture_pass(f, 100);
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).coalesced, 3000 - FAN_OUT_SLICE);
    fixture_destroy(f);
}

/* However many are to be told of others: in 10 ms some 3 ms are theirs. */
static void test_fairness(void **state)
{
    static const char *const large[] = { "100", "101", "102" };
    struct fixture *f = fixture_create(NULL);
    char tag[64], uri[32];
    struct sub s = sub_plain("small");
    size_t told = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(large); i++) {
        fixture_state(f, large[i], EXTENSION_IDLE);
        snprintf(uri, sizeof(uri), "sip:%s@h", large[i]);
        establish_many_of(f, uri, 1000);
    }
    fixture_state(f, "200", EXTENSION_IDLE);
    s.uri = "sip:200@h";
    establish(f, &s, tag);
    fixture_pass(f, 10);
    for (size_t i = 0; i < ARRAY_LEN(large); i++)
        fixture_state(f, large[i], EXTENSION_INUSE);
    for (unsigned tick = 0; tick < 10; tick++) {
        size_t before = f->n_sent;

        fixture_state(f, "200", tick % 2 ? EXTENSION_INUSE : EXTENSION_RINGING);
        assert_int_equal(f->n_sent, before + 1);
        told += answer_all(f);
        assert_true(told <= (tick + 1) * FAN_OUT_SLICE + 2 * FAN_OUT_SMALL + tick + 1);
        fixture_pass(f, 10);
    }
    told += answer_all(f);
    assert_int_equal(told, 3 * 1000 + 10);
    fixture_destroy(f);
}

static void test_leaving_in_the_middle_of_a_fan_out(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish_many(f, 1500);
    fixture_state(f, "100", EXTENSION_INUSE);
    fixture_state(f, "100", EXTENSION_REMOVED);
    for (unsigned i = 0; i < 10; i++) { /* refused: gone at once, whether ending or not */
        for (; f->seen < f->n_sent; f->seen++)
            notify_answer(f, f->seen, 481, "");
        fixture_answer_questions(f, 1);
        fixture_pass(f, 10);
    }
    assert_int_equal(live(f), 0);
    assert_int_equal(fixture_counters(f).resources, 0);
    fixture_destroy(f);
}

/* ---- the end of us ---- */

static void test_stop(void **state)
{
    struct fixture *f = fixture_create(NULL);
    size_t told = 0;

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish_many(f, 2500);
    fixture_state(f, "100", EXTENSION_RINGING);
    fixture_pass(f, 20);
    told = f->seen;
    f->seen = f->n_sent;
    notifier_stop(f->notifier);
    notifier_stop(f->notifier);
    assert_int_equal(notifier_unanswered(f->notifier), 2500);
    expect_nothing(f); /* all of them have one under way */
    fixture_pass(f, 30);
    for (size_t i = told; i < told + 2500; i++)
        notify_answer(f, i, 200, "");
    assert_int_equal(f->n_sent - f->seen, 2500);
    for (unsigned i = 0; i < 2500; i++) {
        expect_notify(f, "terminated;reason=deactivated", "early");
        answer_last(f, 200);
    }
    assert_int_equal(notifier_unanswered(f->notifier), 0);
    assert_int_equal(live(f), 0);
    assert_int_equal(f->unwatched, 1);
    fixture_destroy(f);
}

static void test_destroy_with_everything_open(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("waiting");

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish_many(f, 1200);
    fixture_state(f, "100", EXTENSION_RINGING);
    s.uri = "sip:300@h";
    sub_send(f, &s);
    f->seen = f->n_sent;
    notifier_destroy(f->notifier);
    f->notifier = NULL;
    expect_status(f, 503);
    expect_nothing(f);
    assert_int_equal(f->unwatched, 0);
    fixture_destroy(f);
}

/* ---- settings ---- */

static void settings_change(struct fixture *f, const char *config)
{
    struct settings *other = settings_fixture(config);

    uas_settings_set(f->uas, other);
    notifier_settings_set(f->notifier, other);
    settings_unref(other);
}

static void test_endpoint_gone(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub a = sub_plain("c1"), b = sub_plain("c2"), c = sub_plain("c3");
    char tag[3][64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &a, tag[0]);
    b.user = "bob";
    establish(f, &b, tag[1]);
    c.user = "early";
    establish(f, &c, tag[2]);
    settings_change(
        f,
        "[bob]\ntype=endpoint\nallow_subscribe=no\n[early]\ntype=endpoint\nallow_subscribe=yes\n");
    for (unsigned i = 0; i < 2; i++) {
        expect_notify(f, "terminated;reason=rejected", "confirmed");
        assert_true(str_equal(f->msg.call_id, i ? STR("c2") : STR("c1")));
        answer_last(f, 200);
    }
    expect_nothing(f);
    assert_int_equal(live(f), 1);
    fixture_destroy(f);
}

static void test_flags_change(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub a = sub_plain("c1"), b = sub_plain("c2");
    char tag[2][64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE_RINGING);
    establish(f, &a, tag[0]);
    assert_true(str_contains_nocase(f->sent[f->seen - 1].bytes, STR("confirmed")));
    b.user = "early";
    establish(f, &b, tag[1]);
    assert_true(str_contains_nocase(f->sent[f->seen - 1].bytes, STR("early")));
    settings_change(f, FIXTURE_CONFIG); /* the same again: nobody is told */
    expect_nothing(f);
    settings_change(f, "[alice]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\nnotify_early_"
                       "inuse_ringing=yes\n"
                       "[early]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\n");
    expect_notify(f, "active;expires=600", "early");
    answer_last(f, 200);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 200);
    expect_nothing(f);
    fixture_destroy(f);
}

static void test_flags_change_while_outstanding(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub a = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &a, tag);
    fixture_state(f, "100", EXTENSION_INUSE_RINGING);
    expect_nothing(f); /* confirmed, as before */
    fixture_state(f, "100", EXTENSION_IDLE);
    expect_notify(f, "active;expires=600", "terminated");
    fixture_state(f, "100", EXTENSION_INUSE_RINGING);
    settings_change(f, "[alice]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\nnotify_early_"
                       "inuse_ringing=yes\n");
    expect_nothing(f);
    answer_last(f, 200);
    expect_notify(f, "active;expires=600", "early");
    fixture_destroy(f);
}

/* ---- memory ---- */

/* All that a subscription has is counted, and given back with it; the second has in common with the
 * first what it can. */
static void test_bytes(void **state)
{
    enum { EACH_MAX = 600 };
    struct fixture *f = fixture_create(NULL);
    struct sub one = sub_plain("c1"), two = sub_plain("c2");
    struct notifier_counters first, both, none;
    char tag_one[64], tag_two[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &one, tag_one);
    first = fixture_counters(f);
    establish(f, &two, tag_two);
    both = fixture_counters(f);
    assert_int_equal(both.dialogs, 2);
    assert_in_range(first.subscription_bytes + first.dialog_bytes, 1, EACH_MAX);
    assert_in_range(both.subscription_bytes + both.dialog_bytes,
                    first.subscription_bytes + first.dialog_bytes + 1, 2 * EACH_MAX);
    assert_int_equal(both.interned_bytes, first.interned_bytes);
    assert_int_equal(both.resource_bytes, first.resource_bytes);
    assert_int_equal(both.notify_bytes, first.notify_bytes);
    one.expires = two.expires = "0";
    sub_send(f, &one);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "confirmed");
    answer_last(f, 200);
    sub_send(f, &two);
    expect_status(f, 200);
    expect_notify(f, "terminated;reason=timeout", "confirmed");
    answer_last(f, 200);
    none = fixture_counters(f);
    assert_int_equal(none.dialogs + none.interned + none.subscription_bytes + none.dialog_bytes +
                         none.interned_bytes + none.resource_bytes,
                     0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_refresh_postpones_expiry),
        cmocka_unit_test(test_end_while_outstanding),
        cmocka_unit_test(test_last_notify_unanswered),
        cmocka_unit_test(test_last_notify_cannot_leave),
        cmocka_unit_test(test_terminated_without_reason),
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_removed_while_outstanding),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_leaving_in_the_middle_of_a_fan_out),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_destroy_with_everything_open),
        cmocka_unit_test(test_endpoint_gone),
        cmocka_unit_test(test_flags_change),
        cmocka_unit_test(test_flags_change_while_outstanding),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
