// SPDX-License-Identifier: MIT
#include "base/histogram.h"

const uint32_t histogram_bounds_ms[HISTOGRAM_BOUNDS] = { 1,   2,   5,    10,   20,   50,    100,
                                                         200, 500, 1000, 2000, 5000, 10000, 30000 };

void histogram_add(struct histogram *h, uint64_t ms)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && ms > histogram_bounds_ms[i])
        i++;
    h->counts[i]++;
    h->sum_ms += ms;
}

void histogram_merge(struct histogram *sum, const struct histogram *part)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        sum->counts[i] += part->counts[i];
    sum->sum_ms += part->sum_ms;
}
