// SPDX-License-Identifier: MIT
/* While the table grows there are two arrays: a node whose bucket of `old` is below `moved`, or
 * that was added since, is in `buckets`. Each insertion empties MAP_STEP old buckets, so the old
 * array is done long before the new one is full: it has half as many buckets as insertions may
 * come. */
#include "base/map.h"
#include <endian.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MAP_FIRST_SIZE = 16,
    MAP_STEP = 2,
    MAP_RELEASE = 8192, /* old buckets whose memory goes back at once */
};

int map_init(struct map *m, struct rng *rng)
{
    struct map_node **buckets = calloc(MAP_FIRST_SIZE, sizeof(*buckets));

    if (!buckets)
        return -ENOMEM;
    *m = (struct map){ .buckets = buckets, .mask = MAP_FIRST_SIZE - 1 };
    rng_fill(rng, m->key, sizeof(m->key));
    return 0;
}

void map_fini(struct map *m)
{
    free(m->buckets);
    free(m->old);
    *m = (struct map){ .buckets = NULL };
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* SipHash-1-3: "SipHash: a fast short-input PRF", Aumasson and Bernstein, with one and three
 * rounds. */
static inline uint64_t sip_hash(const struct map *m, struct str key, bool fold)
{
    struct sip s = { m->key[0] ^ 0x736f6d6570736575ull, m->key[1] ^ 0x646f72616e646f6dull,
                     m->key[0] ^ 0x6c7967656e657261ull, m->key[1] ^ 0x7465646279746573ull };
    size_t whole = key.n / 8 * 8;
    uint64_t word;

    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, key.p + i, 8);
        word = le64toh(word);
        sip_word(&s, fold ? str_lower_word(word) : word);
    }
    word = str_last_word(key, whole);
    sip_word(&s, (fold ? str_lower_word(word) : word) | (uint64_t)key.n << 56);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t map_hash(const struct map *m, struct str key)
{
    return sip_hash(m, key, false);
}

uint64_t map_hash_nocase(const struct map *m, struct str key)
{
    return sip_hash(m, key, true);
}

/* The chain in the old array that may still hold nodes of this hash, or NULL. */
static struct map_node **old_chain(const struct map *m, uint64_t hash)
{
    size_t at = (size_t)hash & m->old_mask;

    return m->old && at >= m->moved ? &m->old[at] : NULL;
}

static struct map_node **new_chain(const struct map *m, uint64_t hash)
{
    return &m->buckets[(size_t)hash & m->mask];
}

static struct map_node *chain_find(struct map_node *n, uint64_t hash, map_equal_fn equal,
                                   const void *key)
{
    while (n && !(n->hash == hash && equal(n, key)))
        n = n->next;
    return n;
}

struct map_node *map_find(const struct map *m, uint64_t hash, map_equal_fn equal, const void *key)
{
    struct map_node *found = chain_find(*new_chain(m, hash), hash, equal, key);
    struct map_node **old = found ? NULL : old_chain(m, hash);

    return old ? chain_find(*old, hash, equal, key) : found;
}

static void chain_push(struct map_node **chain, struct map_node *node)
{
    node->next = *chain;
    *chain = node;
}

/* The last MAP_RELEASE of the emptied buckets: what the system gives for their pages when it is
 * asked again are NULLs, too. All in one, at the end, would take it a millisecond for a million. */
static void map_release(const struct map *m)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)m->old + page - 1,
              from = (uintptr_t)&m->old[m->moved - MAP_RELEASE], to = (uintptr_t)&m->old[m->moved];

    if (from < begin)
        from = begin;
    from -= from % page;
    to -= to % page;
    if (from < to)
        (void)!madvise((void *)from, to - from, MADV_DONTNEED);
}

/* Empty a few buckets of the old array, and free it after the last. */
static void map_move_some(struct map *m)
{
    for (unsigned i = 0; m->old && i < MAP_STEP; i++) {
        struct map_node *n = m->old[m->moved], *next;

        for (; n; n = next) {
            next = n->next;
            chain_push(new_chain(m, n->hash), n);
        }
        m->old[m->moved++] = NULL;
        if (m->moved % MAP_RELEASE == 0)
            map_release(m);
        if (m->moved > m->old_mask) {
            free(m->old);
            m->old = NULL;
        }
    }
}

static void map_grow(struct map *m)
{
    size_t size = (m->mask + 1) * 2;
    struct map_node **bigger = calloc(size, sizeof(*bigger));

    if (!bigger)
        return; /* longer chains until a later insertion has more luck */
    m->old = m->buckets;
    m->old_mask = m->mask;
    m->moved = 0;
    m->buckets = bigger;
    m->mask = size - 1;
}

void map_add(struct map *m, struct map_node *node, uint64_t hash)
{
    map_move_some(m);
    if (m->count > m->mask && !m->old)
        map_grow(m);
    node->hash = hash;
    chain_push(new_chain(m, hash), node);
    m->count++;
}

static bool chain_remove(struct map_node **chain, struct map_node *node)
{
    for (; *chain; chain = &(*chain)->next)
        if (*chain == node) {
            *chain = node->next;
            return true;
        }
    return false;
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **old = old_chain(m, node->hash);

    BUG_UNLESS((old && chain_remove(old, node)) || chain_remove(new_chain(m, node->hash), node));
    node->next = NULL;
    m->count--;
}

static struct map_node *first_from(struct map_node **buckets, size_t from, size_t mask)
{
    for (size_t i = from; i <= mask; i++)
        if (buckets[i])
            return buckets[i];
    return NULL;
}

static bool chain_has(const struct map_node *n, const struct map_node *node)
{
    while (n && n != node)
        n = n->next;
    return n;
}

/* Old array first, then the new one. */
struct map_node *map_next(const struct map *m, const struct map_node *previous)
{
    struct map_node **old, *next = NULL;
    size_t from = 0;

    if (previous && previous->next)
        return previous->next;
    old = previous ? old_chain(m, previous->hash) : NULL;
    if (m->count == 0)
        return NULL;
    if (!previous && m->old)
        next = first_from(m->old, m->moved, m->old_mask);
    else if (old && chain_has(*old, previous))
        next = first_from(m->old, ((size_t)previous->hash & m->old_mask) + 1, m->old_mask);
    else if (previous)
        from = ((size_t)previous->hash & m->mask) + 1;
    return next ? next : first_from(m->buckets, from, m->mask);
}
