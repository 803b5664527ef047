// SPDX-License-Identifier: MIT
/* shape.h - who watches what, and when things happen. Repeatable: no random numbers. Threads: pure
 * functions. */
#pragma once
#include <stdint.h>

/* Give each of `watchers` one of `resources` > 0: in proportion to 1 / rank^exponent (Zipf), evenly
 * for 0. Every resource has its share, rounded; the array ascends. */
void shape_assign(uint32_t *resource_of, uint32_t watchers, uint32_t resources, double exponent);

/* The k-th of n things in an order that is not theirs, each once: neighbours watch one resource,
 * and phones do not come sorted. */
uint32_t shape_order(uint32_t k, uint32_t n);

/* An open loop: operation k = 0, 1, ... is due at a time of its own, however late the former ones
 * are. */
struct pace {
    uint64_t begin_us;
    uint32_t per_second; /* > 0 */
};
uint64_t pace_time_us(const struct pace *p, uint64_t k);
/* How many are due by then. */
uint64_t pace_due(const struct pace *p, uint64_t now_us);
