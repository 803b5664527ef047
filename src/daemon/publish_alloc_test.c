// SPDX-License-Identifier: MIT
/* A PUBLISH on its way through the threads, each allocation failing in turn: it is answered once
 * all the same, and what waits for an answer gets it. */
#include "publication/compositor_fixture.h"

#include "base/memory_testing.h"
#include "daemon/threads.h"

/* ---- two threads without threads ---- */

struct threads {
    struct fixture *f; /* the worker's transactions */
    struct state_thread state;
    struct worker worker;
};

static int composed(void *ctx, const struct resource_name *name, const struct event_state *s,
                    void **kept)
{
    (void)ctx;
    (void)name;
    (void)kept;
    (void)s;
    return 0;
}

static int apply(void *ctx, const struct publication_request *rq, uint64_t cookie)
{
    return state_post_publication(&((struct threads *)ctx)->state, 0, rq, cookie);
}

static void nobody_sleeps(void *ctx)
{
    (void)ctx;
}

static void threads_init(struct threads *t)
{
    *t = (struct threads){ .f = fixture_create() };
    t->f->guard = memory_guard;
    memory.armed = false;
    t->state.workers = &t->worker;
    inbox_init(&t->state.loop.inbox, &t->state, 10, nobody_sleeps, NULL);
    inbox_init(&t->worker.loop.inbox, &t->worker, 10, nobody_sleeps, NULL);
    assert_int_equal(publication_store_create(
                         &t->state.engine.publications,
                         &(struct publication_config){ .port = { .ctx = t, .composed = composed },
                                                       .wheel = &t->f->wheel,
                                                       .clock = &t->f->clock,
                                                       .rng = &t->f->rng }),
                     0);
    assert_int_equal(compositor_create(&t->worker.engine.compositor,
                                       &(struct compositor_config){ .rng = &t->f->rng,
                                                                    .log = t->f->log,
                                                                    .settings = t->f->settings,
                                                                    .port = { t, apply } }),
                     0);
    uas_method_set(t->f->uas, SIP_PUBLISH, STR_EMPTY, compositor_publish,
                   t->worker.engine.compositor);
}

static void threads_fini(struct threads *t)
{
    compositor_destroy(t->worker.engine.compositor);
    inbox_fini(&t->state.loop.inbox);
    inbox_fini(&t->worker.loop.inbox);
    publication_store_destroy(t->state.engine.publications);
    fixture_destroy(t->f);
}

/* False when no memory was missing. */
static bool publish_without(unsigned nth, const char *if_match)
{
    struct publish p = publish_plain();
    struct threads t;

    threads_init(&t);
    p.event = "reg";
    p.content_type = "text/plain";
    p.if_match = if_match;
    memory.failed = false;
    memory.left = (long)nth - 1;
    publish_send(t.f, &p);
    memory.armed = true;
    (void)inbox_run(&t.state.loop.inbox, 1);
    (void)inbox_run(&t.worker.loop.inbox, 1);
    memory.armed = false;
    assert_int_equal(t.f->n_sent, 1);
    assert_int_equal(compositor_unanswered(t.worker.engine.compositor), 0);
    if (!memory.failed)
        expect_status(t.f, if_match ? 412 : 200, if_match ? "entity-tag" : "SIP-ETag: ");
    threads_fini(&t);
    return memory.failed;
}

static void test_publish(void **state)
{
    static const char *const if_match[] = { NULL, "unknown" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(if_match); i++) {
        unsigned nth = 1;

        while (publish_without(nth, if_match[i]))
            nth++;
        assert_in_range(nth, 2, 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
