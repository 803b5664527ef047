// SPDX-License-Identifier: MIT
#include "base/random.h"
#include "loop/wheel.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define HOUR_MS 3600000ull

/* A timer that knows what is expected of it, for the tables and the model. */
struct probe {
    struct timer timer;
    struct wheel *wheel;
    uint64_t due_ms; /* start + delay, as the model has it */
    unsigned fired;
    bool running;
};

static void probe_fire(struct timer *t)
{
    CONTAINER_OF(t, struct probe, timer)->fired++;
}

static void test_never_early(void **state)
{
    static const uint64_t starts_ms[] = { 0,   1,     9,         10,        5995,      639,
                                          640, 40959, 123456789, 167772150, 1ull << 40 };
    static const uint64_t delays_ms[] = {
        0,
        1,
        9,
        10,
        11,
        500,
        629,
        630,
        639,
        640,
        641,
        650,
        4000,
        32000,
        40950,
        40960,
        40970,
        2621440,
        2621450,
        HOUR_MS,
        46 * HOUR_MS,
        167772150,
        167772160,
        167772170,
        47 * HOUR_MS,
        1000 * HOUR_MS,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts_ms); i++)
        for (size_t k = 0; k < ARRAY_LEN(delays_ms); k++) {
            uint64_t due_ms = starts_ms[i] + delays_ms[k];
            struct probe p = { .fired = 0 };
            struct wheel w;

            wheel_init(&w, starts_ms[i]);
            timer_init(&p.timer, probe_fire);
            timer_start(&w, &p.timer, delays_ms[k]);
            assert_int_equal(p.fired, 0);
            assert_int_equal(w.count, 1);
            assert_in_range(timer_left_ms(&w, &p.timer), delays_ms[k],
                            delays_ms[k] + WHEEL_TICK_MS);
            if (delays_ms[k]) {
                wheel_advance(&w, due_ms - 1);
                assert_int_equal(p.fired, 0);
                assert_true(timer_running(&p.timer));
            }
            wheel_advance(&w, due_ms + WHEEL_TICK_MS);
            assert_int_equal(p.fired, 1);
            assert_false(timer_running(&p.timer));
            assert_int_equal(timer_left_ms(&w, &p.timer), 0);
            wheel_advance(&w, due_ms + 100 * HOUR_MS);
            assert_int_equal(p.fired, 1);
            wheel_fini(&w);
        }
}

/* The owner sleeps as wheel_next_ms says, and not one timer is late by more than a tick. */
static void test_next_drives(void **state)
{
    static const uint64_t delays_ms[] = { 1, 640, 40960, 2621440, 50 * HOUR_MS, 200 * HOUR_MS };

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(delays_ms); k++) {
        uint64_t now_ms = 123457, due_ms = now_ms + delays_ms[k];
        struct probe p = { .fired = 0 };
        unsigned turns = 0;
        struct wheel w;

        wheel_init(&w, now_ms);
        assert_true(wheel_next_ms(&w) == UINT64_MAX);
        timer_init(&p.timer, probe_fire);
        timer_start(&w, &p.timer, delays_ms[k]);
        while (!p.fired) {
            uint64_t next_ms = wheel_next_ms(&w);

            assert_true(next_ms > 0 && next_ms != UINT64_MAX);
            now_ms += next_ms;
            wheel_advance(&w, now_ms);
            turns++;
        }
        assert_in_range(now_ms, due_ms, due_ms + WHEEL_TICK_MS);
        assert_in_range(turns, 1, 10); /* one a level, and the rounds beyond the span */
        assert_true(wheel_next_ms(&w) == UINT64_MAX);
        wheel_fini(&w);
    }
}

static void test_restart_and_stop(void **state)
{
    struct probe p = { .fired = 0 };
    struct wheel w;

    (void)state;
    wheel_init(&w, 0);
    timer_init(&p.timer, probe_fire);
    timer_stop(&w, &p.timer);
    assert_int_equal(timer_left_ms(&w, &p.timer), 0);
    timer_start(&w, &p.timer, 100);
    wheel_advance(&w, 90);
    timer_start(&w, &p.timer, 100);
    assert_int_equal(w.count, 1);
    wheel_advance(&w, 180);
    assert_int_equal(p.fired, 0);
    assert_int_equal(timer_left_ms(&w, &p.timer), 10);
    wheel_advance(&w, 190);
    assert_int_equal(p.fired, 1);
    timer_start(&w, &p.timer, HOUR_MS);
    timer_stop(&w, &p.timer);
    timer_stop(&w, &p.timer);
    assert_false(timer_running(&p.timer));
    assert_int_equal(w.count, 0);
    assert_true(wheel_next_ms(&w) == UINT64_MAX); /* nothing left that would wake anybody */
    wheel_advance(&w, 2 * HOUR_MS);
    assert_int_equal(p.fired, 1);
    wheel_fini(&w);
}

static void test_time_does_not_go_back(void **state)
{
    struct probe p = { .fired = 0 };
    struct wheel w;

    (void)state;
    wheel_init(&w, 5000);
    timer_init(&p.timer, probe_fire);
    wheel_advance(&w, 4000);
    timer_start(&w, &p.timer, 100);
    wheel_advance(&w, 5090);
    assert_int_equal(p.fired, 0);
    wheel_advance(&w, 5100);
    assert_int_equal(p.fired, 1);
    wheel_fini(&w);
}

static void test_longest_delay(void **state)
{
    struct probe p = { .fired = 0 };
    struct wheel w;

    (void)state;
    wheel_init(&w, 5000);
    timer_init(&p.timer, probe_fire);
    timer_start(&w, &p.timer, UINT64_MAX);
    wheel_advance(&w, 100000 * HOUR_MS);
    assert_int_equal(p.fired, 0);
    assert_true(timer_left_ms(&w, &p.timer) > UINT64_MAX / 2);
    for (uint64_t less_ms = 0; less_ms < 30; less_ms++) {
        timer_start(&w, &p.timer, UINT64_MAX - w.now_ms - less_ms);
        assert_true(timer_left_ms(&w, &p.timer) > UINT64_MAX / 2);
    }
    timer_stop(&w, &p.timer);
    wheel_fini(&w);
}

static uint64_t clock_read(void *ctx)
{
    return *(uint64_t *)ctx;
}

/* A loop that slept ten seconds runs an I/O callback, which starts a timer, before it tells the
 * wheel the time. */
static void test_clock_after_sleep(void **state)
{
    uint64_t now_ms = 1000;
    const struct clock clock = { clock_read, clock_read, &now_ms };
    struct probe p = { .fired = 0 };
    struct wheel w;

    (void)state;
    wheel_init(&w, now_ms);
    w.clock = &clock;
    timer_init(&p.timer, probe_fire);
    now_ms += 10000;
    timer_start(&w, &p.timer, 500);
    assert_int_equal(timer_left_ms(&w, &p.timer), 500);
    wheel_advance(&w, now_ms);
    assert_int_equal(p.fired, 0);
    wheel_advance(&w, now_ms + 499);
    assert_int_equal(p.fired, 0);
    wheel_advance(&w, now_ms + 500);
    assert_int_equal(p.fired, 1);
    wheel_fini(&w);
}

/* --- what callbacks may do --- */

struct actor {
    struct timer timer;
    struct wheel *w;
    struct actor *peer;
    void (*act)(struct actor *a);
    unsigned fired;
    uint64_t delay_ms;
};

static void actor_fire(struct timer *t)
{
    struct actor *a = CONTAINER_OF(t, struct actor, timer);

    a->fired++;
    if (a->act)
        a->act(a);
}

static void actor_init(struct actor *a, struct wheel *w, void (*act)(struct actor *a),
                       struct actor *peer)
{
    *a = (struct actor){ .w = w, .act = act, .peer = peer };
    timer_init(&a->timer, actor_fire);
}

static void stop_peer(struct actor *a)
{
    timer_stop(a->w, &a->peer->timer);
}

/* Two due in the same tick, each stopping the other: exactly one fires. Same when they come by a
 * cascade, and when the other is due later. */
static void test_callback_stops_other(void **state)
{
    static const uint64_t delays_ms[][2] = {
        { 100, 100 }, { 650, 650 },   { 50000, 50000 },
        { 100, 110 }, { 100, 50000 }, { 50 * HOUR_MS, 50 * HOUR_MS },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
        struct actor a, b;
        struct wheel w;

        wheel_init(&w, 0);
        actor_init(&a, &w, stop_peer, &b);
        actor_init(&b, &w, stop_peer, &a);
        timer_start(&w, &a.timer, delays_ms[i][0]);
        timer_start(&w, &b.timer, delays_ms[i][1]);
        wheel_advance(&w, 100 * HOUR_MS);
        assert_int_equal(a.fired + b.fired, 1);
        assert_int_equal(w.count, 0);
        assert_true(wheel_next_ms(&w) == UINT64_MAX);
        wheel_fini(&w);
    }
}

static void restart_peer(struct actor *a)
{
    timer_start(a->w, &a->peer->timer, a->delay_ms);
}

static void test_callback_restarts_other(void **state)
{
    struct actor a, b;
    struct wheel w;

    (void)state;
    wheel_init(&w, 0);
    actor_init(&a, &w, restart_peer, &b);
    actor_init(&b, &w, NULL, NULL);
    a.delay_ms = 50;
    timer_start(&w, &a.timer, 100);
    timer_start(&w, &b.timer, 100);
    wheel_advance(&w, 100);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 0);
    wheel_advance(&w, 149);
    assert_int_equal(b.fired, 0);
    wheel_advance(&w, 150);
    assert_int_equal(b.fired, 1);
    wheel_fini(&w);
}

/* Restarting itself without a delay must not keep wheel_advance busy: once an advance. The late
 * turn counts from the time told, not from the tick that fired. */
static void test_callback_restarts_itself(void **state)
{
    static const uint64_t delays_ms[] = { 0, 1, 10, 640, 6400, 40960 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
        struct actor a;
        struct wheel w;

        wheel_init(&w, 0);
        actor_init(&a, &w, restart_peer, &a);
        a.delay_ms = delays_ms[i];
        timer_start(&w, &a.timer, 10);
        for (unsigned turn = 1; turn <= 200; turn++) {
            wheel_advance(&w, turn * HOUR_MS);
            assert_int_equal(a.fired, turn);
            assert_true(timer_running(&a.timer));
        }
        timer_stop(&w, &a.timer);
        wheel_fini(&w);
    }
}

static void free_self(struct actor *a)
{
    memset(a, 0xee, sizeof(*a));
    free(a);
}

static void test_callback_frees_itself(void **state)
{
    struct wheel w;

    (void)state;
    wheel_init(&w, 0);
    for (unsigned i = 0; i < 1000; i++) {
        struct actor *a = malloc(sizeof(*a));

        assert_non_null(a);
        actor_init(a, &w, free_self, NULL);
        timer_start(&w, &a->timer, (uint64_t)(i % 10) * 1000);
    }
    wheel_advance(&w, 20000);
    assert_int_equal(w.count, 0);
    wheel_fini(&w);
}

static void free_peer(struct actor *a)
{
    if (!a->peer)
        return;
    timer_stop(a->w, &a->peer->timer);
    free(a->peer);
    a->peer = NULL;
}

static void test_callback_frees_other_due_now(void **state)
{
    struct actor a;
    struct wheel w;

    (void)state;
    wheel_init(&w, 0);
    for (unsigned i = 0; i < 10; i++) {
        struct actor *b = malloc(sizeof(*b));

        assert_non_null(b);
        actor_init(b, &w, NULL, NULL);
        actor_init(&a, &w, free_peer, b);
        timer_start(&w, &a.timer, 1000);
        timer_start(&w, &b->timer, 1000);
        wheel_advance(&w, w.now_ms + 1000);
        assert_int_equal(w.count, 0);
    }
    wheel_fini(&w);
}

static void test_fini_asserts(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct probe p = { .fired = 0 };
        struct wheel w;

        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        wheel_init(&w, 0);
        timer_init(&p.timer, probe_fire);
        timer_start(&w, &p.timer, 1);
        wheel_fini(&w);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* --- against a model: a list of due times, looked through in full --- */

enum { PROBES = 300 };

struct model {
    struct wheel w;
    struct rng rng;
    struct probe probes[PROBES];
    uint64_t now_ms, last_due_tick;
    size_t running, fired;
};

static uint64_t random_span_ms(struct rng *rng)
{
    static const uint32_t spans_ms[] = { 2, 30, 1000, 41000, 2700000, 200000000, 600000000 };

    return rng_below(rng, spans_ms[rng_below(rng, ARRAY_LEN(spans_ms))]);
}

static void model_start(struct model *m, struct probe *p)
{
    uint64_t delay_ms = random_span_ms(&m->rng);

    m->running += !p->running;
    p->running = true;
    p->due_ms = m->now_ms + delay_ms;
    timer_start(&m->w, &p->timer, delay_ms);
}

static void model_stop(struct model *m, struct probe *p)
{
    m->running -= p->running;
    p->running = false;
    timer_stop(&m->w, &p->timer);
}

static void model_fire(struct timer *t)
{
    struct probe *p = CONTAINER_OF(t, struct probe, timer);
    struct model *m = CONTAINER_OF(p->wheel, struct model, w);

    assert_true(p->running);
    assert_true(m->now_ms >= p->due_ms);          /* not early */
    assert_true(t->due_tick >= m->last_due_tick); /* in order */
    m->last_due_tick = t->due_tick;
    m->fired++;
    p->running = false;
    m->running--;
    if (rng_below(&m->rng, 4) == 0)
        model_start(m, p);
    if (rng_below(&m->rng, 4) == 0)
        model_start(m, &m->probes[rng_below(&m->rng, PROBES)]);
    if (rng_below(&m->rng, 4) == 0)
        model_stop(m, &m->probes[rng_below(&m->rng, PROBES)]);
}

static void model_check(struct model *m)
{
    uint64_t next_ms = wheel_next_ms(&m->w), soonest_ms = UINT64_MAX;
    size_t running = 0;

    for (size_t i = 0; i < PROBES; i++) {
        struct probe *p = &m->probes[i];

        assert_int_equal(timer_running(&p->timer), p->running);
        if (!p->running)
            continue;
        running++;
        assert_true(p->due_ms + WHEEL_TICK_MS > m->now_ms); /* at most a tick late */
        if (p->due_ms < soonest_ms)
            soonest_ms = p->due_ms;
        if (p->due_ms > m->now_ms)
            assert_in_range(timer_left_ms(&m->w, &p->timer), p->due_ms - m->now_ms,
                            p->due_ms - m->now_ms + WHEEL_TICK_MS);
    }
    assert_int_equal(running, m->running);
    assert_int_equal(m->w.count, m->running);
    if (running == 0) {
        assert_true(next_ms == UINT64_MAX);
        return;
    }
    assert_true(m->now_ms + next_ms <= soonest_ms + WHEEL_TICK_MS);
}

static void test_against_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct model *m = calloc(1, sizeof(*m));
        size_t fired = 0;

        assert_non_null(m);
        rng_init_seeded(&m->rng, seed);
        m->now_ms = seed % 2 ? rng_u64(&m->rng) >> 20 : seed;
        wheel_init(&m->w, m->now_ms);
        for (size_t i = 0; i < PROBES; i++) {
            m->probes[i].wheel = &m->w;
            timer_init(&m->probes[i].timer, model_fire);
        }
        for (unsigned step = 0; step < 6000; step++) {
            struct probe *p = &m->probes[rng_below(&m->rng, PROBES)];

            switch (rng_below(&m->rng, 8)) {
            case 0:
            case 1:
                model_stop(m, p);
                break;
            case 2:
            case 3:
            case 4:
                model_start(m, p);
                break;
            case 5: /* exactly as a loop would sleep */
                if (m->running && wheel_next_ms(&m->w) < 300 * HOUR_MS)
                    m->now_ms += wheel_next_ms(&m->w);
                break;
            default:
                m->now_ms += random_span_ms(&m->rng);
                break;
            }
            m->last_due_tick = 0;
            fired = m->fired;
            wheel_advance(&m->w, m->now_ms);
            /* What fires in one advance was running before it: callbacks add nothing to it. */
            assert_true(m->fired - fired <= PROBES);
            model_check(m);
        }
        assert_true(m->fired > 1000);
        for (size_t i = 0; i < PROBES; i++)
            model_stop(m, &m->probes[i]);
        wheel_fini(&m->w);
        free(m);
    }
}

static void test_million(void **state)
{
    const size_t n = 1000000;
    struct probe *probes = calloc(n, sizeof(*probes));
    uint64_t now_ms = 77;
    struct wheel w;
    struct rng rng;

    (void)state;
    assert_non_null(probes);
    rng_init_seeded(&rng, 5);
    wheel_init(&w, now_ms);
    for (size_t i = 0; i < n; i++) {
        uint64_t delay_ms = rng_below(&rng, 4000000);

        timer_init(&probes[i].timer, probe_fire);
        timer_start(&w, &probes[i].timer, delay_ms);
        probes[i].due_ms = now_ms + delay_ms;
    }
    assert_int_equal(w.count, n);
    for (size_t i = 0; i < n; i += 3)
        timer_stop(&w, &probes[i].timer);
    for (size_t i = 1; i < n; i += 3) {
        uint64_t delay_ms = rng_below(&rng, 4000000);

        timer_start(&w, &probes[i].timer, delay_ms);
        probes[i].due_ms = now_ms + delay_ms;
    }
    for (now_ms = 1000; now_ms < 4100000; now_ms += 500000) {
        wheel_advance(&w, now_ms);
        for (size_t i = 0; i < n; i++) {
            if (i % 3 == 0 || probes[i].due_ms > now_ms)
                assert_int_equal(probes[i].fired, 0);
            else if (probes[i].due_ms + WHEEL_TICK_MS <= now_ms)
                assert_int_equal(probes[i].fired, 1);
        }
    }
    wheel_advance(&w, 5000000);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(probes[i].fired, i % 3 != 0);
    assert_int_equal(w.count, 0);
    wheel_fini(&w);
    free(probes);
}

/* A server that was suspended for a year, with one timer: no walk over three billion ticks. */
static void test_long_idle(void **state)
{
    struct probe p = { .fired = 0 };
    struct wheel w;

    (void)state;
    wheel_init(&w, 0);
    timer_init(&p.timer, probe_fire);
    for (uint64_t year = 1; year <= 1000; year++) {
        timer_start(&w, &p.timer, 500);
        assert_in_range(wheel_next_ms(&w), 1,
                        500); /* from here, not from where the wheel last fired */
        wheel_advance(&w, w.now_ms + 510);
        assert_int_equal(p.fired, 2 * year - 1);
        timer_start(&w, &p.timer, 1000);
        wheel_advance(&w, year * 365 * 24 * HOUR_MS);
        assert_int_equal(p.fired, 2 * year);
        wheel_advance(&w, w.now_ms + 10 * HOUR_MS);
        timer_start(&w, &p.timer, 600); /* in reach of level 0 */
        assert_in_range(wheel_next_ms(&w), 600, 610);
        timer_stop(&w, &p.timer);
    }
    wheel_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_early),
        cmocka_unit_test(test_next_drives),
        cmocka_unit_test(test_restart_and_stop),
        cmocka_unit_test(test_time_does_not_go_back),
        cmocka_unit_test(test_longest_delay),
        cmocka_unit_test(test_clock_after_sleep),
        cmocka_unit_test(test_callback_stops_other),
        cmocka_unit_test(test_callback_restarts_other),
        cmocka_unit_test(test_callback_restarts_itself),
        cmocka_unit_test(test_callback_frees_itself),
        cmocka_unit_test(test_callback_frees_other_due_now),
        cmocka_unit_test(test_fini_asserts),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_long_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
