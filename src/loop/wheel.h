// SPDX-License-Identifier: MIT
/* wheel.h - a four-level timer wheel: starting, stopping and restarting are O(1) at a million
 * timers.
 *
 * Ticks are 10 ms; a timer never fires early and at most one tick late. A delay beyond the wheel's
 * span (about 46 hours) is carried on by the wheel itself. The wheel does not run by itself:
 * whoever owns it calls wheel_advance, libuv in the daemon, the scenario runner in tests. Threads:
 * one owner. */
#pragma once
#include "base/clock.h"
#include "base/list.h"
#include <stdint.h>

#define WHEEL_TICK_MS 10
#define WHEEL_LEVELS 4
#define WHEEL_SLOTS 64

struct timer;
typedef void (*timer_fn)(struct timer *t);

struct timer {
    struct list link;
    uint64_t due_tick;
    timer_fn fire;
};

struct wheel {
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    uint64_t occupied[WHEEL_LEVELS]; /* a bit per slot that may hold timers */
    uint64_t now_tick;
    uint64_t now_ms; /* as last told by wheel_advance */
    size_t count;
    const struct clock *clock; /* NULL unless the owner sets it: see timer_start */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* Asserts that no timer is left. */
void wheel_fini(struct wheel *w);

void timer_init(struct timer *t, timer_fn fire);
bool timer_running(const struct timer *t);
/* (Re)start. Fires once, from a later wheel_advance, never from inside this call nor from the
 * wheel_advance that is running; the callback may start and stop any timer and free its own. The
 * delay counts from the wheel's clock when it has one, because a loop that has slept has not told
 * now_ms yet when its first callback runs; else from now_ms. */
void timer_start(struct wheel *w, struct timer *t, uint64_t delay_ms);
/* The same for who has just read that clock: not before w->now_ms. */
void timer_start_from(struct wheel *w, struct timer *t, uint64_t now_ms, uint64_t delay_ms);
void timer_stop(struct wheel *w, struct timer *t); /* safe when not running */
uint64_t timer_left_ms(const struct wheel *w,
                       const struct timer *t); /* 0 when not running or due */

/* Move to `now_ms` (never back) and fire what is due, in order of due tick. */
void wheel_advance(struct wheel *w, uint64_t now_ms);
/* When wheel_advance has something to do next: ms from now_ms, never late, UINT64_MAX when nothing
 * runs. May be early (a cascade of a higher level). */
uint64_t wheel_next_ms(const struct wheel *w);
