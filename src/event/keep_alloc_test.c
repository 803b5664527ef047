// SPDX-License-Identifier: MIT
/* Each allocation fails in turn while a subscription is promised, refreshed and restored: what was
 * granted has a record, what was refused has none, and a record without memory is not forgotten. */
#include "base/memory_testing.h"
#include "event/keep_fixture.h"

static void arm(struct fixture *f, unsigned nth)
{
    f->guard = memory_guard;
    memory.failed = false;
    memory.left = (long)nth - 1;
}

static bool disarm(struct fixture *f)
{
    bool failed = memory.failed;

    memory_guard(false);
    memory.left = -1;
    f->guard = NULL;
    return failed;
}

/* False when no memory was missing. */
static bool promised_without(unsigned nth)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct sub s = sub_plain("c1");
    unsigned status = 0;
    bool failed;

    kept_attach(&k, f, 1);
    fixture_state(f, "100", EXTENSION_INUSE);
    arm(f, nth);
    sub_send(f, &s);
    memory_guard(true);
    fixture_answer_questions(f, 1);
    memory_guard(false);
    kept_settle(&k, f, 0);
    failed = disarm(f);
    while (f->seen < f->n_sent && !status)
        status = fixture_next(f)->status;
    assert_int_equal(kept_records(&k), live(f));
    assert_int_equal(kept_numbers(&k), live(f));
    if (status && status != 500) /* which the layer says when it could not wait for the answer */
        assert_int_equal(live(f), status == 200);
    fixture_destroy(f);
    return failed;
}

static void test_promised(void **state)
{
    unsigned nth = 1;

    (void)state;
    while (promised_without(nth))
        nth++;
    assert_in_range(nth, 6, 1000);
}

/* Refreshed, or ended: with a 200, and then it is durable; or refused, and as before. */
static bool refreshed_without(unsigned nth, const char *expires)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct sub s = sub_plain("c1");
    const struct sip_message *m;
    char tag[64];
    bool failed;
    size_t puts;

    kept_attach(&k, f, 1);
    fixture_state(f, "100", EXTENSION_INUSE);
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    kept_settle(&k, f, 0);
    m = expect_status(f, 200);
    snprintf(tag, sizeof(tag), "%.*s", STR_FMT(m->to_tag));
    (void)fixture_next(f);
    answer_last(f, 200);
    s.to_tag = tag;
    s.cseq = 2;
    s.expires = expires;
    s.contact = "<sip:alice@192.0.2.7:5063>";
    puts = k.puts;
    arm(f, nth);
    sub_send(f, &s);
    kept_settle(&k, f, 0);
    failed = disarm(f);
    if (f->seen < f->n_sent && fixture_next(f)->status == 200)
        assert_true(k.puts > puts || failed);
    assert_int_equal(kept_records(&k), kept_numbers(&k));
    fixture_destroy(f);
    return failed;
}

static void test_refreshed(void **state)
{
    static const char *const expires[] = { "300", "0" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expires); i++) {
        unsigned nth = 1;

        while (refreshed_without(nth, expires[i]))
            nth++;
        assert_in_range(nth, 3, 1000);
    }
}

static bool restored_without(unsigned nth, const struct kept_entry *e)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    bool failed, told = false;

    kept_attach(&k, f, 2);
    k.at[1] = *e;
    fixture_state(f, "100", EXTENSION_RINGING);
    arm(f, nth);
    memory_guard(true);
    notifier_restore(f->notifier, &(struct keep_record){ .table = KEEP_SUBSCRIPTION,
                                                         .number = 1,
                                                         .bytes = { e->bytes, e->n } });
    for (unsigned i = 0; i < 300; i++) {
        fixture_answer_questions(f, 1);
        fixture_pass(f, WHEEL_TICK_MS);
    }
    failed = disarm(f);
    while (f->seen < f->n_sent)
        if (has(fixture_next(f), "<state>early</state>") || has(&f->msg, "reason=deactivated"))
            told = true; /* what there is, or to ask anew */
    assert_int_equal(kept_records(&k), 1);
    assert_true(failed ? told || !live(f) : told);
    fixture_destroy(f);
    return failed;
}

static void test_restored(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    unsigned nth = 1;

    (void)state;
    kept_attach(&k, f, 1);
    kept_establish(&k, f);
    fixture_destroy(f);
    while (restored_without(nth, &k.at[1]))
        nth++;
    assert_in_range(nth, 6, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promised),
        cmocka_unit_test(test_refreshed),
        cmocka_unit_test(test_restored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
