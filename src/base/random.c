// SPDX-License-Identifier: MIT
#include "base/random.h"
#include "base/result.h"
#include <string.h>
#include <sys/random.h>

static void kernel_fill(unsigned char *out, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        /* Tags and keys that others can guess are worse than not running. */
        BUG_UNLESS(got > 0);
        out += got;
        n -= (size_t)got;
    }
}

/* splitmix64: spreads one seed over the generator's state. */
static uint64_t seed_next(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

/* xoroshiro128**: fast, and good enough for tests, which is all it is for. */
static uint64_t seeded_next(struct rng *r)
{
    uint64_t a = r->seed[0], b = r->seed[1];
    uint64_t result = rotate_left(a * 5, 7) * 9;

    b ^= a;
    r->seed[0] = rotate_left(a, 24) ^ b ^ (b << 16);
    r->seed[1] = rotate_left(b, 37);
    return result;
}

void rng_init_system(struct rng *r)
{
    memset(r, 0, sizeof(*r));
    kernel_fill(r->pool, sizeof(r->pool));
    r->left = sizeof(r->pool);
}

void rng_init_seeded(struct rng *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->seeded = 1;
    r->seed[0] = seed_next(&seed);
    r->seed[1] = seed_next(&seed);
}

static void seeded_fill(struct rng *r, unsigned char *out, size_t n)
{
    while (n > 0) {
        uint64_t x = seeded_next(r);
        size_t part = n < sizeof(x) ? n : sizeof(x);

        memcpy(out, &x, part);
        out += part;
        n -= part;
    }
}

static void pool_fill(struct rng *r, unsigned char *out, size_t n)
{
    if (n > sizeof(r->pool)) {
        kernel_fill(out, n);
        return;
    }
    while (n > 0) {
        unsigned char *from;
        size_t part;

        if (r->left == 0) {
            kernel_fill(r->pool, sizeof(r->pool));
            r->left = sizeof(r->pool);
        }
        part = n < r->left ? n : r->left;
        from = r->pool + sizeof(r->pool) - r->left;
        memcpy(out, from, part);
        explicit_bzero(from,
                       part); /* a later leak of the pool tells nothing about what was given out */
        r->left -= part;
        out += part;
        n -= part;
    }
}

void rng_fill(struct rng *r, void *out, size_t n)
{
    if (r->seeded)
        seeded_fill(r, out, n);
    else
        pool_fill(r, out, n);
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t x;

    rng_fill(r, &x, sizeof(x));
    return x;
}

uint32_t rng_below(struct rng *r, uint32_t limit)
{
    uint32_t unfair;
    uint64_t x;

    BUG_UNLESS(limit > 0);
    /* Lemire's multiplication; the few low values that would make some results likelier are drawn
     * again. */
    unfair = (uint32_t)-limit % limit;
    do {
        uint32_t draw;

        rng_fill(r, &draw, sizeof(draw));
        x = (uint64_t)draw * limit;
    } while ((uint32_t)x < unfair);
    return (uint32_t)(x >> 32);
}
