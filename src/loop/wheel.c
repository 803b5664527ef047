// SPDX-License-Identifier: MIT
/* Level L has slots of 64^L ticks. A timer sits in the lowest level whose 64 slots reach its due
 * tick; when the wheel arrives at the first tick of an upper slot, that slot's timers are placed
 * again (cascade), now lower. What is due at tick T has come down to level 0 by then. Empty slots
 * are skipped by the bitmaps, so that time costs nothing, only timers do. */
#include "loop/wheel.h"
#include <stddef.h>

enum { SLOT_BITS = 6 };
_Static_assert(WHEEL_SLOTS == 1 << SLOT_BITS && WHEEL_SLOTS == 64, "a slot is a bit of a uint64_t");

static const uint64_t wheel_span = 1ull << (SLOT_BITS * WHEEL_LEVELS);

static size_t slot_at(uint64_t tick, unsigned level)
{
    return (size_t)(tick >> (SLOT_BITS * level)) % WHEEL_SLOTS;
}

/* The time to count from. Between two turns wheel_advance has not run, so now_ms may be as old as
 * the sleep was long; a timer started then would fire early. */
static uint64_t wheel_now_ms(const struct wheel *w)
{
    uint64_t now_ms = w->clock ? clock_monotonic_ms(w->clock) : w->now_ms;

    return now_ms > w->now_ms ? now_ms : w->now_ms;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    *w = (struct wheel){ .now_ms = now_ms, .now_tick = now_ms / WHEEL_TICK_MS };
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&w->slots[level][slot]);
}

void wheel_fini(struct wheel *w)
{
    BUG_UNLESS(w->count == 0);
}

void timer_init(struct timer *t, timer_fn fire)
{
    *t = (struct timer){ .fire = fire };
    list_init(&t->link);
}

bool timer_running(const struct timer *t)
{
    return !list_empty(&t->link);
}

/* Put the timer in its slot. Its due tick is not before the wheel's; on the wheel's tick (a
 * cascade) it goes to the level 0 slot that fires next. */
static void wheel_place(struct wheel *w, struct timer *t)
{
    uint64_t ahead = t->due_tick - w->now_tick, tick = t->due_tick;
    unsigned level = 0;
    size_t slot;

    if (ahead >= wheel_span) {
        /* As far as the wheel reaches; from there it is carried on. */
        ahead = wheel_span - 1;
        tick = w->now_tick + ahead;
    }
    while (ahead >> (SLOT_BITS * (level + 1)))
        level++;
    slot = slot_at(tick, level);
    list_append(&w->slots[level][slot], &t->link);
    w->occupied[level] |= 1ull << slot;
}

/* Unlink, and clear the slot's bit if it was the last one in there: the ring of a lone timer has
 * nothing but the head, whose place in the array tells the slot. */
static void wheel_unplace(struct wheel *w, struct timer *t)
{
    const struct list *neighbour = t->link.next;

    list_remove(&t->link);
    if (list_empty(neighbour)) {
        size_t at = (size_t)(neighbour - &w->slots[0][0]);

        w->occupied[at / WHEEL_SLOTS] &= ~(1ull << at % WHEEL_SLOTS);
    }
}

void timer_start(struct wheel *w, struct timer *t, uint64_t delay_ms)
{
    timer_start_from(w, t, wheel_now_ms(w), delay_ms);
}

void timer_start_from(struct wheel *w, struct timer *t, uint64_t now_ms, uint64_t delay_ms)
{
    uint64_t due_ms, first_tick = now_ms / WHEEL_TICK_MS + 1;

    timer_stop(w, t);
    if (__builtin_add_overflow(now_ms, delay_ms, &due_ms) || due_ms > UINT64_MAX - WHEEL_TICK_MS)
        due_ms =
            UINT64_MAX - WHEEL_TICK_MS; /* never; and ticks can still be made milliseconds again */
    t->due_tick = due_ms / WHEEL_TICK_MS + (due_ms % WHEEL_TICK_MS != 0);
    /* Late even without a delay: what a callback starts never fires within the same wheel_advance.
     */
    if (t->due_tick < first_tick)
        t->due_tick = first_tick;
    wheel_place(w, t);
    w->count++;
}

void timer_stop(struct wheel *w, struct timer *t)
{
    if (!timer_running(t))
        return;
    wheel_unplace(w, t);
    w->count--;
}

uint64_t timer_left_ms(const struct wheel *w, const struct timer *t)
{
    uint64_t due_ms = t->due_tick * WHEEL_TICK_MS, now_ms = wheel_now_ms(w);

    return timer_running(t) && due_ms > now_ms ? due_ms - now_ms : 0;
}

/* The next tick at which an occupied slot begins; UINT64_MAX when all are empty. */
static uint64_t wheel_next_tick(const struct wheel *w)
{
    uint64_t next = UINT64_MAX;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t occupied = w->occupied[level], tick;
        uint64_t after = (w->now_tick >> (SLOT_BITS * level)) + 1; /* in slots of this level */
        unsigned turn = (unsigned)(after % WHEEL_SLOTS);

        if (!occupied)
            continue;
        if (turn)
            occupied = occupied >> turn | occupied << (WHEEL_SLOTS - turn);
        tick = (after + (unsigned)__builtin_ctzll(occupied)) << (SLOT_BITS * level);
        if (tick < next)
            next = tick;
    }
    return next;
}

/* The wheel has come to `now_tick`: bring down the slots that begin here, from the top. */
static void wheel_cascade(struct wheel *w)
{
    for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
        size_t slot = slot_at(w->now_tick, level);
        struct list timers;

        if (w->now_tick % (1ull << (SLOT_BITS * level)) || !(w->occupied[level] & 1ull << slot))
            continue;
        /* Taken out whole first: none comes back here, but the ring must not change under the walk.
         */
        list_init(&timers);
        list_splice(&timers, &w->slots[level][slot]);
        w->occupied[level] &= ~(1ull << slot);
        while (!list_empty(&timers)) {
            struct timer *t = CONTAINER_OF(timers.next, struct timer, link);

            list_remove(&t->link);
            wheel_place(w, t);
        }
    }
}

/* The callbacks may start and stop anything: each timer is looked up again, and none can come into
 * this slot, since a new one is due later and less than a turn of level 0 away. */
static void wheel_fire(struct wheel *w)
{
    struct list *due = &w->slots[0][slot_at(w->now_tick, 0)];

    while (!list_empty(due)) {
        struct timer *t = CONTAINER_OF(due->next, struct timer, link);

        timer_stop(w, t);
        t->fire(t);
    }
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
    uint64_t target, next;

    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
    target = w->now_ms / WHEEL_TICK_MS;
    while ((next = wheel_next_tick(w)) <= target) {
        w->now_tick = next;
        wheel_cascade(w);
        wheel_fire(w);
    }
    w->now_tick = target;
}

uint64_t wheel_next_ms(const struct wheel *w)
{
    uint64_t next = wheel_next_tick(w), next_ms;

    if (next == UINT64_MAX)
        return UINT64_MAX;
    next_ms = next * WHEEL_TICK_MS;
    return next_ms > w->now_ms ? next_ms - w->now_ms : 0;
}
