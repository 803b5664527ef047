// SPDX-License-Identifier: MIT
/* histogram.h - how long something took: how many took at most so long, as Prometheus counts it.
 * Threads: one owner. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 14 };

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* each of those above the bound before it; the last: of
                                              those above all */
    uint64_t sum_ms;
};

/* Upper bounds, each included: 1, 2, 5, 10, ... 30000. */
extern const uint32_t histogram_bounds_ms[HISTOGRAM_BOUNDS];

void histogram_add(struct histogram *h, uint64_t ms);
void histogram_merge(struct histogram *sum, const struct histogram *part);
