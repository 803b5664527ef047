// SPDX-License-Identifier: MIT
#include "base/tally.h"
#include "state/snapshot.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static atomic_uint bodies_alive;

static void body_destroy(struct snapshot_body *b)
{
    atomic_fetch_sub(&bodies_alive, 1);
    free(b);
}

static struct snapshot_body *body_new(uint64_t key)
{
    struct snapshot_body *b = calloc(1, sizeof(*b));

    BUG_UNLESS(b); /* cmocka's own are for its own thread */
    b->key = key;
    b->destroy = body_destroy;
    atomic_fetch_add(&bodies_alive, 1);
    return b;
}

static void assert_str(struct str got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    if (got.n)
        assert_memory_equal(got.p, want, got.n);
}

static struct snapshot_heap heap;

static struct snapshot *snapshot_new(void)
{
    char message[] = "at lunch";
    const struct snapshot_spec spec = {
        .heap = &heap,
        .resource_id = 7,
        .sequence = 3,
        .changed_wall_ms = 1234,
        .state = EXTENSION_INUSE_RINGING,
        .presence = PRESENCE_AWAY,
        .context = STR("users"),
        .extension = STR("1000"),
        .hint = STR("PJSIP/alice,CustomPresence:alice"),
        .hint_name = STR_EMPTY,
        .presence_subtype = STR("lunch"),
        .presence_message = str_of(message),
    };
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &spec), 0);
    memset(message, 'x', sizeof(message)); /* it has its own */
    return s;
}

static void test_create(void **state)
{
    struct snapshot *s = snapshot_new();

    (void)state;
    assert_int_equal(s->resource_id, 7);
    assert_int_equal(s->sequence, 3);
    assert_int_equal(s->changed_wall_ms, 1234);
    assert_int_equal(s->state, EXTENSION_INUSE_RINGING);
    assert_int_equal(s->presence, PRESENCE_AWAY);
    assert_str(s->context, "users");
    assert_str(s->extension, "1000");
    assert_str(s->hint, "PJSIP/alice,CustomPresence:alice");
    assert_str(s->hint_name, "");
    assert_str(s->presence_subtype, "lunch");
    assert_str(s->presence_message, "at lunch");
    snapshot_unref(s);
    snapshot_unref(NULL);
}

static void test_bodies(void **state)
{
    struct snapshot *s = snapshot_new();
    struct snapshot_body *a = body_new(1), *b = body_new(3), *again = body_new(a->key);

    (void)state;
    assert_null(snapshot_body_find(s, a->key));
    assert_ptr_equal(snapshot_body_add(s, a), a);
    assert_ptr_equal(snapshot_body_add(s, b), b);
    assert_ptr_equal(snapshot_body_add(s, again), a); /* and the late one is gone */
    assert_int_equal(atomic_load(&bodies_alive), 2);
    assert_int_equal(heap.bytes, tally_size(s));
    assert_int_equal(heap.body_bytes, tally_size(a) + tally_size(b));
    assert_ptr_equal(snapshot_body_find(s, a->key), a);
    assert_ptr_equal(snapshot_body_find(s, b->key), b);
    assert_null(snapshot_body_find(s, 5));
    assert_ptr_equal(snapshot_ref(s), s);
    snapshot_unref(s);
    assert_int_equal(atomic_load(&bodies_alive), 2);
    snapshot_unref(s);
    assert_int_equal(atomic_load(&bodies_alive), 0);
    assert_int_equal(heap.bytes + heap.body_bytes, 0);
}

enum { THREADS = 4, KEYS = 200 };

struct racer {
    const struct snapshot *snapshot;
    pthread_barrier_t *start;
    struct snapshot_body *got[KEYS];
};

static void *race(void *arg)
{
    struct racer *r = arg;

    pthread_barrier_wait(r->start);
    for (size_t i = 0; i < KEYS; i++) {
        r->got[i] = snapshot_body_find(r->snapshot, i);
        if (!r->got[i])
            r->got[i] = snapshot_body_add(r->snapshot, body_new(i));
    }
    snapshot_unref(r->snapshot);
    return NULL;
}

/* Whoever is first wins, and all see the same. */
static void test_race(void **state)
{
    struct racer racers[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t start;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct snapshot *s = snapshot_new();

        pthread_barrier_init(&start, NULL, THREADS);
        for (size_t t = 0; t < THREADS; t++) {
            racers[t] = (struct racer){ .snapshot = snapshot_ref(s), .start = &start };
            assert_int_equal(pthread_create(&threads[t], NULL, race, &racers[t]), 0);
        }
        for (size_t t = 0; t < THREADS; t++)
            pthread_join(threads[t], NULL);
        for (size_t t = 1; t < THREADS; t++)
            assert_memory_equal(racers[t].got, racers[0].got, sizeof(racers[0].got));
        assert_int_equal(atomic_load(&bodies_alive), KEYS);
        snapshot_unref(s);
        assert_int_equal(atomic_load(&bodies_alive), 0);
        assert_int_equal(heap.bytes + heap.body_bytes, 0);
        pthread_barrier_destroy(&start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
