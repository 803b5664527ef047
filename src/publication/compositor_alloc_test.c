// SPDX-License-Identifier: MIT
/* Each allocation fails in turn: every request is answered once all the same, or waits, and nothing
 * leaks. */
#include "base/memory_testing.h"
#include "publication/compositor_fixture.h"

static void publish_guarded(void *compositor, const struct uas_request *rq)
{
    memory.armed = true;
    compositor_publish(compositor, rq);
    memory.armed = false;
}

/* Publishes something opaque as nobody in particular, which takes all the memory there is to take.
 * False when none was missing. */
static bool publish_without(unsigned nth)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    memory.failed = false;
    memory.left = (long)nth - 1;
    f->guard = memory_guard;
    memory.armed = false;
    uas_method_set(f->uas, SIP_PUBLISH, STR_EMPTY, publish_guarded, f->compositor);
    p.from = "x@guest.example";
    p.event = "reg";
    publish_send(f, &p);
    memory.armed = false;
    assert_int_equal(f->n_sent + f->n_asked, 1);
    assert_int_equal(fixture_counters(f).pending, f->n_asked);
    if (f->n_sent)
        expect_status(f, 503, "");
    if (f->n_asked) {
        assert_true(f->asked[0].document->has_opaque);
        assert_string_equal(f->asked[0].publisher, "anonymous@guest.example 192.0.2.7");
        memory.armed = true;
        fixture_answer(f, 0, 0, &(struct publication_answer){ .etag = STR("e") });
        memory.armed = false;
        assert_int_equal(f->n_sent, 1);
        if (str_starts(f->sent[0].bytes, STR("SIP/2.0 200 ")))
            expect_status(f, 200, "SIP-ETag: e\r\n|Expires: 600\r\n");
        else
            assert_true(memory.failed && str_starts(f->sent[0].bytes, STR("SIP/2.0 50")));
    }
    memory.left = -1;
    f->guard = NULL;
    fixture_destroy(f);
    return memory.failed;
}

static void test_publish(void **state)
{
    unsigned nth = 1;

    (void)state;
    while (publish_without(nth))
        nth++;
    assert_in_range(nth, 5, 50);
}

static void test_create(void **state)
{
    struct fixture *f = fixture_create();
    struct compositor_config cfg = { .rng = &f->rng, .log = f->log, .settings = f->settings };
    unsigned nth = 0;
    int r;

    (void)state;
    do {
        struct compositor *c = NULL;

        memory.left = nth++;
        memory.armed = true;
        r = compositor_create(&c, &cfg);
        memory.armed = false;
        assert_true(r ? r == -ENOMEM && !c : c != NULL);
        compositor_destroy(c);
    } while (r);
    assert_in_range(nth, 3, 5);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_create),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
