// SPDX-License-Identifier: MIT
/* clock.h - time is passed in, so that a test can be at 03:14:07. Milliseconds in uint64_t. */
#pragma once
#include <stdint.h>

struct clock {
    uint64_t (*monotonic_ms)(void *ctx); /* never goes back; timers and intervals */
    uint64_t (*wall_ms)(void *ctx);      /* since 1970-01-01 UTC; for people and time specs only */
    void *ctx;
};

static inline uint64_t clock_monotonic_ms(const struct clock *c)
{
    return c->monotonic_ms(c->ctx);
}

static inline uint64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c->ctx);
}

extern const struct clock clock_system;

uint64_t clock_thread_ns(void); /* of a processor, what the calling thread has had */
