// SPDX-License-Identifier: MIT
#include "loop/loop.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

struct fixture {
    struct loop loop;
    struct timer timer;
    uint64_t started_ms, fired_ms, delay_ms;
    char trail[64]; /* what happened, a letter each */
    size_t n_trail;
    size_t turns, ran, dropped;
    int pipe[2];
    uv_poll_t poll;
};

static void note(struct fixture *f, char what)
{
    if (f->n_trail < sizeof(f->trail) - 1)
        f->trail[f->n_trail++] = what;
}

static void on_flush(void *ctx)
{
    struct fixture *f = ctx;

    f->turns++;
    note(f, 'F');
}

static void on_timeout(struct timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, timer);

    f->fired_ms = clock_monotonic_ms(&clock_system);
    note(f, 'T');
    loop_stop(&f->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || loop_init(&f->loop, &clock_system, f, 1000) || pipe(f->pipe))
        return -1;
    loop_flush_hook(&f->loop, on_flush, f);
    timer_init(&f->timer, on_timeout);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->poll.data)
        uv_close((uv_handle_t *)&f->poll, NULL);
    loop_fini(&f->loop);
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
    return 0;
}

struct note {
    struct inbox_message m;
    struct fixture *f;
    void (*act)(struct fixture *f);
};

static void note_run(struct inbox_message *m, void *owner)
{
    struct note *n = CONTAINER_OF(m, struct note, m);
    struct fixture *f = owner;

    f->ran++;
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

static void post(struct fixture *f, void (*act)(struct fixture *f))
{
    struct note *n = calloc(1, sizeof(*n));

    BUG_UNLESS(n);
    *n = (struct note){ .m = { .run = note_run, .drop = note_drop }, .f = f, .act = act };
    inbox_post_always(&f->loop.inbox, &n->m);
}

static void act_stop(struct fixture *f)
{
    loop_stop(&f->loop);
}

static void start_timer(struct fixture *f, uint64_t delay_ms)
{
    f->started_ms = clock_monotonic_ms(&clock_system);
    f->delay_ms = delay_ms;
    timer_start(&f->loop.wheel, &f->timer, delay_ms);
}

static void assert_on_time(const struct fixture *f)
{
    assert_true(f->fired_ms >= f->started_ms + f->delay_ms);
    assert_true(f->fired_ms < f->started_ms + f->delay_ms + 500); /* a loaded machine */
}

static void test_timer(void **state)
{
    static const uint64_t delays_ms[] = { 0, 1, 25, 120 };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
        f->turns = 0;
        start_timer(f, delays_ms[i]);
        loop_run(&f->loop);
        assert_on_time(f);
        /* It slept: start, perhaps a rounding, the timer, the stop. */
        assert_in_range(f->turns, 1, 6);
    }
}

/* The timer lies in an upper level first; going there is no busy loop. */
static void test_timer_cascade(void **state)
{
    struct fixture *f = *state;

    start_timer(f, 700);
    loop_run(&f->loop);
    assert_on_time(f);
    assert_in_range(f->turns, 1, 10);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct fixture *f = p->data;
    char byte;

    (void)status;
    (void)events;
    if (read(f->pipe[0], &byte, 1) == 1)
        note(f, byte);
    if (byte == 'a')
        start_timer(f, 100);
    if (byte == 'o')
        loop_stop(&f->loop);
}

static void poll_start(struct fixture *f)
{
    assert_int_equal(uv_poll_init(&f->loop.uv, &f->poll, f->pipe[0]), 0);
    f->poll.data = f;
    assert_int_equal(uv_poll_start(&f->poll, UV_READABLE, on_readable), 0);
}

static void *write_late(void *ctx)
{
    struct fixture *f = ctx;

    usleep(250000);
    if (write(f->pipe[1], "a", 1) != 1)
        abort();
    return NULL;
}

/* An I/O callback after a long sleep: its timer counts from now, not from when the loop went to
 * sleep. */
static void test_timer_from_io(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    poll_start(f);
    assert_int_equal(pthread_create(&thread, NULL, write_late, f), 0);
    loop_run(&f->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_on_time(f);
}

static void act_inbox(struct fixture *f)
{
    note(f, 'i');
}

static void on_tick(struct timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, timer);

    note(f, 'T');
    if (write(f->pipe[1], "o", 1) != 1)
        abort();
    post(f, act_inbox);
}

/* One turn: inbox, due timers, flush; then I/O, and what it queued is flushed even when it stopped
 * the loop. */
static void test_order(void **state)
{
    struct fixture *f = *state;

    poll_start(f);
    timer_init(&f->timer, on_tick);
    timer_start(&f->loop.wheel, &f->timer, 0);
    usleep(20000);
    post(f, act_inbox);
    loop_run(&f->loop);
    assert_memory_equal(f->trail, "iTFoiF", 6);
    assert_int_equal(f->trail[f->n_trail - 1], 'F');
}

static void flush_starts_timer(void *ctx)
{
    struct fixture *f = ctx;

    if (f->turns++ == 0)
        start_timer(f, 30);
}

/* Sending starts retransmission timers: the sleep must know them. */
static void test_timer_from_flush(void **state)
{
    struct fixture *f = *state;

    loop_flush_hook(&f->loop, flush_starts_timer, f);
    loop_run(&f->loop);
    assert_on_time(f);
    loop_flush_hook(&f->loop, NULL, NULL);
}

static void test_inbox_batches(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 1000; i++)
        post(f, NULL);
    post(f, act_stop);
    loop_run(&f->loop);
    assert_int_equal(f->ran, 1001);
    assert_in_range(f->turns, 4, 6); /* 256 a turn, so that I/O and timers come in between */
}

static void flush_posts(void *ctx)
{
    struct fixture *f = ctx;

    if (f->turns++ < 5)
        post(f, NULL);
    else if (f->turns == 6)
        post(f, act_stop);
}

/* Posting to oneself from the flush hook, the last thing before sleeping. */
static void test_post_from_flush(void **state)
{
    struct fixture *f = *state;

    loop_flush_hook(&f->loop, flush_posts, f);
    loop_run(&f->loop);
    assert_int_equal(f->ran, 6);
    loop_flush_hook(&f->loop, NULL, NULL);
}

static void *stop_late(void *ctx)
{
    struct fixture *f = ctx;

    usleep(50000);
    loop_stop(&f->loop);
    return NULL;
}

/* With nothing to do the loop sleeps: no processor time, no turns. */
static void test_stop_from_thread(void **state)
{
    struct fixture *f = *state;
    struct rusage before, after;
    pthread_t thread;
    int64_t used_us;

    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(pthread_create(&thread, NULL, stop_late, f), 0);
    loop_run(&f->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    getrusage(RUSAGE_SELF, &after);
    used_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec -
              before.ru_utime.tv_usec;
    assert_true(used_us < 25000);
    assert_in_range(f->turns, 1, 3);
}

static void test_stop_before_run(void **state)
{
    struct fixture *f = *state;

    loop_stop(&f->loop);
    loop_run(&f->loop);
    loop_stop(&f->loop);
    loop_stop(&f->loop);
    loop_run(&f->loop);
    post(f, act_stop);
    loop_run(&f->loop);
    assert_int_equal(f->ran, 1);
    post(f, NULL); /* its wake-up is no stop left over from before: each stop ends one run */
    start_timer(f, 30);
    loop_run(&f->loop);
    assert_on_time(f);
}

static bool gate(void *ctx)
{
    struct fixture *f = ctx;

    return !timer_running(&f->timer);
}

static void on_gate_opens(struct timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, timer);

    assert_int_equal(f->ran, 0);
    f->fired_ms = clock_monotonic_ms(&clock_system);
}

/* Messages wait while the gate is closed, timers do not; when it opens the loop finds out by
 * itself. */
static void test_gate(void **state)
{
    struct fixture *f = *state;

    loop_gate(&f->loop, gate, f);
    timer_init(&f->timer, on_gate_opens);
    start_timer(f, 50);
    for (unsigned i = 0; i < 300; i++)
        post(f, NULL);
    post(f, act_stop);
    loop_run(&f->loop);
    assert_on_time(f);
    assert_int_equal(f->ran, 301);
    assert_in_range(f->turns, 3, 100); /* a look a millisecond, no busy loop */
}

enum { POSTERS = 3, POSTS = 5000 };

static void act_count(struct fixture *f)
{
    if (f->ran == (size_t)POSTERS * POSTS)
        loop_stop(&f->loop);
}

static void *post_many(void *ctx)
{
    struct fixture *f = ctx;

    for (unsigned i = 0; i < POSTS; i++) {
        post(f, act_count);
        if (i % 500 == 0)
            usleep(1000); /* let the loop fall asleep in between */
    }
    return NULL;
}

/* A lost wake-up would hang here. */
static void test_many_posters(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[POSTERS];

    for (size_t i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, f), 0);
    loop_run(&f->loop);
    for (size_t i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(f->ran, POSTERS * POSTS);
}

static void on_closed(uv_handle_t *h)
{
    struct fixture *f = h->data;

    note(f, 'c');
    timer_stop(&f->loop.wheel, &f->timer); /* what a connection does last */
}

static void test_fini(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    (void)state;
    assert_non_null(f);
    assert_int_equal(pipe(f->pipe), 0);
    assert_int_equal(loop_init(&f->loop, &clock_system, f, 10), 0);
    timer_init(&f->timer, on_timeout);
    poll_start(f);
    loop_stop(&f->loop);
    loop_run(&f->loop);
    timer_start(&f->loop.wheel, &f->timer, 60000);
    uv_close((uv_handle_t *)&f->poll, on_closed);
    post(f, NULL);
    loop_fini(&f->loop);
    assert_int_equal(f->ran, 0);
    assert_int_equal(f->dropped, 1);
    assert_string_equal(f->trail, "c");
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
}

/* A handle left open is told at once instead of by a server that never ends. */
static void test_fini_asserts(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        alarm(20);
        if (loop_init(&f->loop, &clock_system, f, 10))
            _exit(1);
        poll_start(f);
        loop_fini(&f->loop);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_cascade, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_from_io, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_from_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inbox_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post_from_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_from_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_before_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_posters, setup, teardown),
        cmocka_unit_test(test_fini),
        cmocka_unit_test_setup_teardown(test_fini_asserts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
