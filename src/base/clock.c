// SPDX-License-Identifier: MIT
#include "base/clock.h"
#include "base/result.h"
#include <stddef.h>
#include <time.h>

static uint64_t clock_read_ms(clockid_t id)
{
    struct timespec ts;

    BUG_UNLESS(clock_gettime(id, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t system_monotonic_ms(void *ctx)
{
    (void)ctx;
    return clock_read_ms(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ms(void *ctx)
{
    (void)ctx;
    return clock_read_ms(CLOCK_REALTIME);
}

const struct clock clock_system = { system_monotonic_ms, system_wall_ms, NULL };

uint64_t clock_thread_ns(void)
{
    struct timespec ts;

    BUG_UNLESS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}
