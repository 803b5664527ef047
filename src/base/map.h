// SPDX-License-Identifier: MIT
/* map.h - an intrusive hash table that grows a few buckets per insertion, so that no insertion is
 * ever slow.
 *
 * Nodes live inside the caller's objects; the table owns only its bucket arrays. Keys come from the
 * network, so the hash is keyed: SipHash-1-3 of texts, with a key drawn from the table's random
 * source.
 * Threads: one owner. */
#pragma once
#include "base/random.h"
#include "base/str.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets, **old; /* `old` is being emptied into `buckets`; NULL when done */
    size_t mask, old_mask, moved;     /* sizes - 1; old buckets below `moved` are empty */
    size_t count;
    uint64_t key[2];
};

typedef bool (*map_equal_fn)(const struct map_node *node, const void *key);

/* Returns 0 or -ENOMEM. */
NODISCARD int map_init(struct map *m, struct rng *rng);
/* Frees the bucket arrays. The nodes are the caller's: they must be gone or about to be freed. */
void map_fini(struct map *m);

uint64_t map_hash(const struct map *m, struct str key);
uint64_t map_hash_nocase(const struct map *m, struct str key); /* ASCII folded */
/* Of a number, which is mostly ours: a product with the key, folded. */
static inline uint64_t map_hash_u64(const struct map *m, uint64_t key)
{
    unsigned __int128 product = (unsigned __int128)(key ^ m->key[0]) * (m->key[1] | 1);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
/* Combine hashes of several parts, in order. */
static inline uint64_t map_hash_mix(uint64_t a, uint64_t b)
{
    return (a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdull;
}

/* What the table has on the heap, nodes excluded. */
static inline size_t map_bytes(const struct map *m)
{
    return (m->mask + 1 + (m->old ? m->old_mask + 1 : 0)) * sizeof(*m->buckets);
}

struct map_node *map_find(const struct map *m, uint64_t hash, map_equal_fn equal, const void *key);
/* The node must not be in a table. Never fails: when memory for growing is missing the chains get
 * longer. */
void map_add(struct map *m, struct map_node *node, uint64_t hash);
void map_remove(struct map *m, struct map_node *node); /* the node must be in this table */

/* Walk all nodes: map_next(m, NULL) is the first; NULL ends it. Order is unspecified. Removing the
 * node just returned is allowed once its successor has been fetched; adding is not allowed during a
 * walk, nor is freeing a node that is still in the table. */
struct map_node *map_next(const struct map *m, const struct map_node *previous);
#define MAP_FOREACH(it, m) for (struct map_node *it = map_next(m, NULL); it; it = map_next(m, it))
#define MAP_FOREACH_SAFE(it, m)                                                                 \
    for (struct map_node *it = map_next(m, NULL), *it##_next = it ? map_next(m, it) : NULL; it; \
         it = it##_next, it##_next = it ? map_next(m, it) : NULL)
