// SPDX-License-Identifier: MIT
/* Each allocation fails in turn while a reload leads a subscription elsewhere, or nowhere: it shows
 * what is there in the end, or it has ended and leaves nothing behind. */
#include "base/memory_testing.h"
#include "event/notifier_fixture.h"

/* The answer to the oldest question is a resource of that id; 0: nothing is there. */
static void answer_question(struct fixture *f, uint64_t id)
{
    struct snapshot *snap = NULL;

    if (id)
        assert_int_equal(snapshot_create(&snap, &(struct snapshot_spec){ .resource_id = id,
                                                                         .sequence = 1,
                                                                         .state = EXTENSION_RINGING,
                                                                         .has_hint = true,
                                                                         .context = STR("users"),
                                                                         .extension = STR("100") }),
                         0);
    memory_guard(true);
    notifier_watch_result(f->notifier, f->questions[0].cookie, snap, true);
    memory_guard(false);
    snapshot_unref(snap);
    f->n_questions--;
    memmove(f->questions, f->questions + 1, f->n_questions * sizeof(*f->questions));
}

struct story {
    uint64_t there;     /* where the name leads now; 0: nowhere */
    uint64_t before_ms; /* the subscription has run so long */
    bool must_end;
};

/* False when no memory was missing. */
static bool led_without(unsigned nth, const struct story *story)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    bool told = false;
    char tag[64];

    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    fixture_pass(f, story->before_ms);
    f->guard = memory_guard;
    memory.failed = false;
    memory.left = (long)nth - 1;
    memory_guard(true);
    notifier_dialplan_changed(f->notifier);
    memory_guard(false);
    for (unsigned i = 0; i < 300; i++) {
        while (f->n_questions)
            answer_question(f, story->there);
        while (f->seen < f->n_sent) {
            told = has(fixture_next(f), "<state>early</state>");
            answer_last(f, 200);
            memory_guard(false);
        }
        memory_guard(true);
        fixture_pass(f, WHEEL_TICK_MS);
        memory_guard(false);
    }
    assert_true(!live(f) || (told && !story->must_end));
    memory.left = -1;
    fixture_destroy(f);
    return memory.failed;
}

static void test_elsewhere(void **state)
{
    const struct story story = { .there = 77, .before_ms = 1000 };
    unsigned nth = 1;

    (void)state;
    while (led_without(nth, &story))
        nth++;
    assert_in_range(nth, 4, 1000);
}

/* So late that it expires before it can be tried again. */
static void test_nowhere(void **state)
{
    const struct story story = { .before_ms = 599900, .must_end = true };
    unsigned nth = 1;

    (void)state;
    while (led_without(nth, &story))
        nth++;
    assert_in_range(nth, 4, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
