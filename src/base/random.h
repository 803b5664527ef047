// SPDX-License-Identifier: MIT
/* random.h - where randomness comes from: the kernel in the daemon, a seeded generator in tests.
 * Threads: one owner per struct rng. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t seed[2];        /* used when `seeded` */
    unsigned char pool[256]; /* bytes already drawn from the kernel */
    size_t left;             /* unused bytes in the pool */
    int seeded;
};

void rng_init_system(struct rng *r); /* getrandom(2); aborts if the kernel has none */
void rng_init_seeded(struct rng *r, uint64_t seed); /* the same numbers every time: tests only */
void rng_fill(struct rng *r, void *out, size_t n);
uint64_t rng_u64(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t limit); /* 0 <= x < limit, limit > 0 */
