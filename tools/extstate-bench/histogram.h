// SPDX-License-Identifier: MIT
/* histogram.h - how often each latency was seen, in log-linear buckets: 64 of them for each power
 * of two, so that a percentile is at most 1.6 % too high, whatever its size. Threads: one owner. */
#pragma once
#include <stdint.h>

#define HISTOGRAM_BITS 6
#define HISTOGRAM_LARGEST \
    ((UINT64_C(1) << 40) - 1) /* 12 days in microseconds; more counts as that */
#define HISTOGRAM_BUCKETS ((40 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram { /* begins zeroed */
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t n, largest;
};

void histogram_add(struct histogram *h, uint64_t value);
/* The smallest value that `per_10000` of 10000 values do not exceed; 0 when there is none. */
uint64_t histogram_percentile(const struct histogram *h, unsigned per_10000);
