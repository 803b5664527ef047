// SPDX-License-Identifier: MIT
#include "base/memory_testing.h"
#include "loop/inbox.h"
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

struct fixture {
    struct inbox in;
    unsigned ran[64]; /* ids in the order they ran */
    size_t n_ran, dropped, wakes;
};

struct note {
    struct inbox_message m;
    struct fixture *f;
    void (*act)(struct fixture *f);
    unsigned id;
};

static void note_run(struct inbox_message *m, void *owner)
{
    struct note *n = CONTAINER_OF(m, struct note, m);
    struct fixture *f = owner;

    assert_ptr_equal(n->f, f);
    f->ran[f->n_ran++ % 64] = n->id;
    if (n->act)
        n->act(f);
    free(n);
}

static void note_drop(struct inbox_message *m)
{
    struct note *n = CONTAINER_OF(m, struct note, m);

    n->f->dropped++;
    free(n);
}

static struct note *note_create(struct fixture *f, unsigned id, void (*act)(struct fixture *f))
{
    struct note *n = calloc(1, sizeof(*n));

    assert_non_null(n);
    *n = (struct note){ .m = { .run = note_run, .drop = note_drop }, .f = f, .act = act, .id = id };
    return n;
}

static void post(struct fixture *f, unsigned id)
{
    assert_int_equal(inbox_post(&f->in, &note_create(f, id, NULL)->m), 0);
}

static void on_wake(void *ctx)
{
    struct fixture *f = ctx;

    f->wakes++;
    assert_int_equal(pthread_mutex_trylock(&f->in.lock), 0); /* outside the lock */
    pthread_mutex_unlock(&f->in.lock);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    inbox_init(&f->in, f, 10, on_wake, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    inbox_fini(&f->in);
    free(f);
    return 0;
}

static void assert_ran(const struct fixture *f, unsigned first, unsigned last)
{
    assert_int_equal(f->n_ran, last - first + 1);
    for (unsigned i = 0; i < f->n_ran; i++)
        assert_int_equal(f->ran[i], first + i);
}

static void test_order_and_limit(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(inbox_run(&f->in, 5), 0);
    for (unsigned i = 0; i < 7; i++)
        post(f, i);
    assert_int_equal(f->wakes, 1);
    assert_int_equal(f->in.length, 7);
    assert_int_equal(inbox_run(&f->in, 0), 0);
    assert_int_equal(inbox_run(&f->in, 3), 3);
    assert_int_equal(f->in.length, 4);
    post(f, 7); /* behind what the limit left */
    assert_int_equal(f->wakes, 1);
    assert_int_equal(inbox_run(&f->in, 100), 5);
    assert_ran(f, 0, 7);
    assert_int_equal(f->in.length, 0);
    assert_int_equal(f->in.peak, 7);
    post(f, 8);
    assert_int_equal(f->wakes, 2);
    assert_int_equal(inbox_run(&f->in, 1), 1);
    post(f, 9);
    assert_int_equal(f->wakes, 3);
    assert_int_equal(inbox_run(&f->in, 1), 1);
    assert_int_equal(f->dropped, 0);
}

static void post_patient(struct fixture *f, unsigned id)
{
    struct note *n = note_create(f, id, NULL);

    n->m.patient = true;
    assert_int_equal(inbox_post(&f->in, &n->m), 0);
}

static void test_patience(void **state)
{
    struct fixture *f = *state;

    post_patient(f, 0);
    post_patient(f, 1);
    assert_int_equal(f->wakes, 0);
    inbox_nudge(&f->in);
    inbox_nudge(&f->in);
    assert_int_equal(f->wakes, 1);
    assert_int_equal(inbox_run(&f->in, 1), 1);
    post_patient(f, 2); /* behind what the limit left, which the owner knows of */
    inbox_nudge(&f->in);
    assert_int_equal(f->wakes, 1);
    assert_int_equal(inbox_run(&f->in, 100), 2);
    post_patient(f, 3);
    assert_int_equal(inbox_run(&f->in, 100), 1); /* it was awake anyway */
    inbox_nudge(&f->in);
    assert_int_equal(f->wakes, 1);
    post(f, 4);
    assert_int_equal(f->wakes, 2);
    assert_int_equal(inbox_run(&f->in, 100), 1);
    assert_ran(f, 0, 4);
}

static void test_high_mark(void **state)
{
    struct fixture *f = *state;
    struct note *n;

    for (unsigned i = 0; i < 10; i++)
        post(f, i);
    n = note_create(f, 99, NULL);
    assert_int_equal(inbox_post(&f->in, &n->m), -EAGAIN);
    assert_int_equal(f->dropped, 0); /* still ours */
    inbox_post_always(&f->in, &note_create(f, 10, NULL)->m);
    assert_int_equal(f->in.length, 11);
    assert_int_equal(inbox_run(&f->in, 1), 1);
    assert_int_equal(inbox_post(&f->in, &n->m), -EAGAIN);
    assert_int_equal(inbox_run(&f->in, 1), 1);
    n->id = 11;
    assert_int_equal(inbox_post(&f->in, &n->m), 0);
    assert_int_equal(inbox_run(&f->in, 100), 10);
    assert_ran(f, 0, 11);
}

static void post_more(struct fixture *f)
{
    post(f, 50);
    /* What runs or waits behind this message still counts, as long as it has not run. */
    assert_int_equal(f->in.length, f->n_ran == 1 ? 3 : 1);
}

/* Posts out of a message are behind what already waits, and wait for the next run. */
static void test_post_from_message(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(inbox_post(&f->in, &note_create(f, 0, post_more)->m), 0);
    for (unsigned i = 1; i < 4; i++)
        post(f, i);
    assert_int_equal(inbox_run(&f->in, 2), 2);
    assert_int_equal(f->in.length, 3);
    assert_int_equal(inbox_run(&f->in, 2), 2);
    assert_int_equal(inbox_run(&f->in, 2), 1);
    assert_int_equal(f->n_ran, 5);
    assert_int_equal(f->ran[1], 1);
    assert_int_equal(f->ran[3], 3);
    assert_int_equal(f->ran[4], 50);
    assert_int_equal(f->wakes, 1); /* it never was empty */

    assert_int_equal(inbox_post(&f->in, &note_create(f, 0, post_more)->m), 0);
    assert_int_equal(f->wakes, 2);
    assert_int_equal(inbox_run(&f->in, 100), 1);
    assert_int_equal(f->wakes, 3); /* it was: the last message was taken out when it posted */
    assert_int_equal(f->in.length, 1);
}

static void close_it(struct fixture *f)
{
    inbox_close(&f->in);
    inbox_post_always(&f->in, &note_create(f, 60, NULL)->m);
}

static void test_close(void **state)
{
    struct fixture *f = *state;
    struct note *n = note_create(f, 99, NULL);

    for (unsigned i = 0; i < 5; i++)
        post(f, i);
    inbox_close(&f->in);
    assert_int_equal(f->dropped, 5);
    assert_int_equal(f->in.length, 0);
    assert_int_equal(inbox_run(&f->in, 100), 0);
    assert_int_equal(inbox_post(&f->in, &n->m), -ESHUTDOWN);
    assert_int_equal(f->dropped, 5);
    inbox_post_always(&f->in, &n->m);
    assert_int_equal(f->dropped, 6);
    assert_int_equal(f->n_ran, 0);
    assert_int_equal(f->wakes, 1);
    inbox_close(&f->in);
}

/* A message closes the inbox: none behind it runs, whether already taken out or not. */
static void test_close_from_message(void **state)
{
    struct fixture *f = *state;

    for (size_t limit = 1; limit < 8; limit++) {
        inbox_fini(&f->in);
        memset(f, 0, sizeof(*f));
        inbox_init(&f->in, f, 10, NULL, NULL);
        post(f, 0);
        assert_int_equal(inbox_post(&f->in, &note_create(f, 1, close_it)->m), 0);
        for (unsigned i = 2; i < 6; i++)
            post(f, i);
        if (limit == 1)
            assert_int_equal(inbox_run(&f->in, 1), 1);
        assert_true(inbox_run(&f->in, limit) > 0);
        assert_ran(f, 0, 1);
        assert_int_equal(f->dropped, 5);
        assert_int_equal(f->in.length, 0);
    }
}

static void test_fini_drops(void **state)
{
    struct fixture *f = *state;

    post(f, 1);
    inbox_fini(&f->in);
    assert_int_equal(f->dropped, 1);
    inbox_init(&f->in, f, 10, on_wake, f); /* for the teardown */
}

/* --- many producers --- */

enum { PRODUCERS = 4, PER_PRODUCER = 20000 };

struct receiver {
    struct inbox in;
    sem_t wake;
    unsigned next[PRODUCERS];
    size_t total, out_of_order;
};

struct parcel {
    struct inbox_message m;
    unsigned producer, number;
};

struct producer {
    struct receiver *r;
    unsigned id;
    pthread_t thread;
};

static void parcel_run(struct inbox_message *m, void *owner)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, m);
    struct receiver *r = owner;

    r->out_of_order += p->number != r->next[p->producer]++;
    r->total++;
    free(p);
}

static void parcel_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct parcel, m));
}

static void receiver_wake(void *ctx)
{
    sem_post(ctx);
}

static void *produce(void *ctx)
{
    struct producer *p = ctx;

    for (unsigned i = 0; i < PER_PRODUCER; i++) {
        struct parcel *parcel;

        while (!(parcel = malloc(sizeof(*parcel))))
            sched_yield();
        *parcel = (struct parcel){ { .run = parcel_run, .drop = parcel_drop }, p->id, i };
        if (i % 3 == 0) {
            inbox_post_always(&p->r->in, &parcel->m);
            continue;
        }
        while (inbox_post(&p->r->in, &parcel->m) == -EAGAIN)
            sched_yield();
    }
    return NULL;
}

/* The receiver sleeps whenever a run was not full, so one lost wake-up stops it for ever. */
static void test_many_producers(void **state)
{
    struct producer producers[PRODUCERS];
    struct receiver r = { .total = 0 };

    (void)state;
    assert_int_equal(sem_init(&r.wake, 0, 0), 0);
    inbox_init(&r.in, &r, 100, receiver_wake, &r.wake);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){ .r = &r, .id = i };
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    while (r.total < (size_t)PRODUCERS * PER_PRODUCER)
        if (inbox_run(&r.in, 16) < 16 && r.total < (size_t)PRODUCERS * PER_PRODUCER) {
            struct timespec until;

            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 20;
            assert_int_equal(sem_timedwait(&r.wake, &until), 0);
        }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        assert_int_equal(r.next[i], PER_PRODUCER);
    }
    assert_int_equal(r.out_of_order, 0);
    assert_int_equal(r.in.length, 0);
    inbox_fini(&r.in);
    sem_destroy(&r.wake);
}

static void test_waits_for_memory(void **state)
{
    const struct clock clock = clock_system;
    struct log *log;
    void *room;

    (void)state;
    assert_int_equal(log_create(&log, STDERR_FILENO, LOG_LEVEL_ERROR, &clock), 0);
    memory.armed = true;
    memory.left = 0;
    room = inbox_message_alloc(log, 100);
    memory.armed = false;
    assert_true(memory.failed);
    assert_non_null(room);
    free(room);
    log_destroy(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_high_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post_from_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_from_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fini_drops, setup, teardown),
        cmocka_unit_test(test_many_producers),
        cmocka_unit_test(test_waits_for_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
