// SPDX-License-Identifier: MIT
/* What the answer to a NOTIFY does, or that there is none. */
#include "event/notifier_fixture.h"

static void test_verdicts(void **state)
{
    enum outcome { GONE, RETRY_32, RETRY_OR_CHANGE, RETRY_7 };
    static const struct {
        unsigned status;
        const char *headers;
        enum outcome outcome;
    } cases[] = {
        { 404, "", GONE },
        { 405, "", GONE },
        { 408, "", GONE },
        { 410, "", GONE },
        { 416, "", GONE },
        { 480, "", GONE },
        { 480, "Retry-After: 7\r\n", GONE },
        { 481, "", GONE },
        { 482, "", GONE },
        { 483, "", GONE },
        { 484, "", GONE },
        { 485, "", GONE },
        { 489, "", GONE },
        { 501, "", GONE },
        { 502, "", GONE },
        { 604, "", GONE },
        { 503, "", RETRY_32 },
        { 503, "Retry-After: 7 (busy);duration=3\r\n", RETRY_7 },
        { 500, "Retry-After: 7\r\n", RETRY_7 },
        { 486, "Retry-After: 7\r\n", RETRY_7 },
        { 500, "Retry-After: soon\r\n", RETRY_OR_CHANGE },
        { 300, "", RETRY_OR_CHANGE },
        { 400, "", RETRY_OR_CHANGE },
        { 401, "", RETRY_OR_CHANGE },
        { 403, "", RETRY_OR_CHANGE },
        { 406, "", RETRY_OR_CHANGE },
        { 407, "", RETRY_OR_CHANGE },
        { 413, "", RETRY_OR_CHANGE },
        { 415, "", RETRY_OR_CHANGE },
        { 488, "", RETRY_OR_CHANGE },
        { 491, "", RETRY_OR_CHANGE },
        { 500, "", RETRY_OR_CHANGE },
        { 504, "", RETRY_OR_CHANGE },
        { 513, "", RETRY_OR_CHANGE },
        { 600, "", RETRY_OR_CHANGE },
        { 699, "", RETRY_OR_CHANGE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned change = 0; change < 2; change++) {
            struct fixture *f = fixture_create(NULL);
            struct sub s = sub_plain("c1");
            uint64_t wait = cases[i].outcome == RETRY_7 ? 7000 : 32000;
            char tag[64];

            fixture_state(f, "100", EXTENSION_IDLE);
            establish(f, &s, tag);
            fixture_state(f, "100", EXTENSION_INUSE);
            f->seen++;
            notify_answer(f, f->seen - 1, cases[i].status, cases[i].headers);
            assert_int_equal(fixture_counters(f).notify_failed, 1);
            if (cases[i].outcome == GONE) {
                assert_int_equal(live(f), 0);
                assert_int_equal(f->unwatched, 1);
                sub_send(f, &s);
                expect_status(f, 481);
                fixture_destroy(f);
                continue;
            }
            expect_nothing(f);
            fixture_pass(f, 1000);
            if (change)
                fixture_state(f, "100", EXTENSION_RINGING);
            if (change && cases[i].outcome == RETRY_OR_CHANGE) {
                expect_notify(f, "active;expires=599", "early");
            } else {
                fixture_pass(f, wait - 1010);
                expect_nothing(f);
                fixture_pass(f, 20);
                assert_true(has(fixture_next(f), change ? "early" : "confirmed"));
            }
            answer_last(f, 200);
            expect_nothing(f);
            assert_int_equal(only_view(f).failures, 0);
            fixture_destroy(f);
        }
    }
}

/* 32 s, 64 s, ... ten minutes; after the second refusal changes wait too; a refresh never does. */
static void test_back_off(void **state)
{
    static const uint64_t delays[] = { 32, 64, 128, 256, 512, 600, 600 };
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];
    size_t n;

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    s.expires = "3600";
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        f->seen++;
        answer_last(f, 500);
        if (i)
            fixture_state(f, "100", i % 2 ? EXTENSION_RINGING : EXTENSION_INUSE);
        fixture_pass(f, delays[i] * 1000 - 10);
        expect_nothing(f);
        fixture_pass(f, 20);
        assert_int_equal(f->n_sent, f->seen + 1);
    }
    f->seen++;
    answer_last(f, 500);
    assert_int_equal(only_view(f).failures, 8);
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=3600", "confirmed");
    answer_last(f, 200);
    n = f->n_sent;
    fixture_pass(f, 700000);
    assert_int_equal(f->n_sent, n);
    fixture_state(f, "100", EXTENSION_IDLE);
    assert_int_equal(f->n_sent, n + 1);
    fixture_destroy(f);
}

static void test_retry_after_is_bounded(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    f->settings->general.subscription_max_expiry_s = 100000;
    fixture_state(f, "100", EXTENSION_IDLE);
    s.expires = "86400";
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    f->seen++;
    notify_answer(f, f->seen - 1, 503, "Retry-After: 4294967295\r\n");
    fixture_pass(f, 3599900);
    expect_nothing(f);
    fixture_pass(f, 200);
    expect_notify(f, "active;expires=82800", "confirmed");
    fixture_destroy(f);
}

/* The change came while the NOTIFY that gets refused was under way: it need not wait either. */
static void test_refused_with_news(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "confirmed");
    fixture_state(f, "100", EXTENSION_RINGING);
    answer_last(f, 500);
    expect_notify(f, "active;expires=600", "early");
    fixture_state(f, "100", EXTENSION_IDLE);
    answer_last(f, 500);
    expect_nothing(f); /* not a second time */
    fixture_pass(f, 64010);
    expect_notify(f, "active;expires=536", "terminated");
    fixture_destroy(f);
}

static void test_unanswered(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    fixture_pass(f, 31990);
    assert_int_equal(live(f), 1);
    fixture_pass(f, 20);
    assert_int_equal(live(f), 0);
    assert_int_equal(fixture_counters(f).notify_timeout, 1);
    assert_int_equal(notifier_unanswered(f->notifier), 0);
    f->seen = f->n_sent;
    fixture_pass(f, 100000);
    expect_nothing(f);
    sub_send(f, &s);
    expect_status(f, 481);
    fixture_destroy(f);
}

/* ---- what our own side may refuse ---- */

static void test_send_fails(void **state)
{
    static const struct {
        int error;
        bool gone;
        uint64_t wait_ms;
    } cases[] = { { -EAGAIN, false, 1000 },    { -ENOBUFS, false, 1000 }, { -ENOMEM, false, 1000 },
                  { -EMSGSIZE, false, 32000 }, { -ENETUNREACH, true, 0 }, { -EINVAL, true, 0 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(NULL);
        struct sub s = sub_plain("c1");
        struct subscription_view v;
        uint32_t cseq;
        char tag[64];

        fixture_state(f, "100", EXTENSION_IDLE);
        establish(f, &s, tag);
        cseq = only_view(f).cseq;
        f->send_result = cases[i].error;
        fixture_state(f, "100", EXTENSION_INUSE);
        f->send_result = 0;
        if (cases[i].gone) {
            assert_int_equal(live(f), 0);
        } else {
            v = only_view(f);
            assert_true(v.cseq == cseq &&
                        v.version == 0); /* nothing was sent: no number is used up */
            fixture_pass(f, cases[i].wait_ms - 10);
            expect_nothing(f);
            fixture_pass(f, 20);
            expect_notify(f, cases[i].wait_ms > 1000 ? "active;expires=568" : "active;expires=599",
                          "version=\"1\"");
            assert_int_equal(f->msg.cseq, cseq + 1);
        }
        fixture_destroy(f);
    }
}

/* However many states in a row are too large to be sent, the next one is tried at once; and nothing
 * but that: the same one waits. */
static void test_too_large(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    for (unsigned i = 0; i < 5; i++) {
        f->send_result = -EMSGSIZE;
        fixture_state(f, "100", i % 2 ? EXTENSION_RINGING : EXTENSION_INUSE);
    }
    f->send_result = 0;
    fixture_pass(f, 10000);
    expect_nothing(f);
    fixture_state(f, "100", EXTENSION_ONHOLD);
    expect_notify(f, "active;expires=590", "+sip.rendering");
    assert_int_equal(fixture_counters(f).notify_failed, 5);
    fixture_destroy(f);
}

static void test_send_fails_later(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    f->send_result = -ENETUNREACH;
    fixture_pass(f, 510);
    assert_int_equal(live(f), 0);
    assert_int_equal(fixture_counters(f).notify_failed, 1);
    f->send_result = 0;
    fixture_destroy(f);
}

/* The subscriber has moved while a NOTIFY was under way to its old address. */
static void test_moved(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    struct addr there = fixture_addr("192.0.2.9:5070");
    char tag[64];

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, &s, tag);
    fixture_state(f, "100", EXTENSION_INUSE);
    expect_notify(f, "active;expires=600", "version=\"1\"");
    fixture_pass(f, 400);
    s.contact = "<sip:alice@192.0.2.9:5070>";
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "version=\"2\"");
    assert_true(addr_equal(&f->sent[f->seen - 1].to.remote, &there));
    assert_int_equal(notifier_unanswered(f->notifier), 1);
    fixture_pass(f, 600);
    while (f->seen < f->n_sent) /* the old one is not repeated */
        assert_true(addr_equal(&f->sent[f->seen++].to.remote, &there));
    answer_last(f, 200);
    fixture_pass(f, 40000);
    expect_nothing(f);
    assert_int_equal(live(f), 1);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_retry_after_is_bounded),
        cmocka_unit_test(test_refused_with_news),
        cmocka_unit_test(test_unanswered),
        cmocka_unit_test(test_send_fails),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_send_fails_later),
        cmocka_unit_test(test_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
