// SPDX-License-Identifier: MIT
#include "shape.h"

#include <math.h>

void shape_assign(uint32_t *resource_of, uint32_t watchers, uint32_t resources, double exponent)
{
    double total = 0, passed = 0;
    uint32_t rank = 1;

    for (uint32_t r = 1; r <= resources; r++)
        total += pow(r, -exponent);
    /* Watcher i stands in the middle of its part of the distribution. */
    for (uint32_t i = 0; i < watchers; i++) {
        double here = (i + 0.5) / watchers * total;

        while (rank < resources && passed + pow(rank, -exponent) <= here)
            passed += pow(rank++, -exponent);
        resource_of[i] = rank - 1;
    }
}

uint32_t shape_order(uint32_t k, uint32_t n)
{
    /* A prime above every n: its multiples meet each remainder once. */
    return (uint32_t)(k * UINT64_C(4294967311) % n);
}

uint64_t pace_time_us(const struct pace *p, uint64_t k)
{
    return p->begin_us + k * 1000000 / p->per_second;
}

uint64_t pace_due(const struct pace *p, uint64_t now_us)
{
    if (now_us < p->begin_us)
        return 0;
    /* k is due when its time, rounded down, is not later than now. */
    return ((now_us - p->begin_us + 1) * p->per_second - 1) / 1000000 + 1;
}
