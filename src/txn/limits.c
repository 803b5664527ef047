// SPDX-License-Identifier: MIT
#include "txn/limits.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    SETS = 4096,
    ASKERS = 4, /* of a set */
    SECOND_US = 1000000,
};

struct asker {
    uint64_t key;
    uint64_t due_us; /* when what it has asked so far would have been asked steadily */
};

struct holder {
    struct map_node node; /* by its key, which is the hash */
    uint32_t n;
};

struct limits {
    const struct clock *clock;
    pthread_mutex_t lock;
    struct map holders;
    struct asker sets[SETS][ASKERS];
};

int limits_create(struct limits **out, const struct clock *clock)
{
    struct limits *l = calloc(1, sizeof(*l));
    struct rng rng;
    int r = -ENOMEM;

    if (!l)
        return r;
    rng_init_system(&rng);
    r = map_init(&l->holders, &rng);
    if (r) {
        free(l);
        return r;
    }
    l->clock = clock;
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return 0;
}

void limits_destroy(struct limits *l)
{
    if (!l)
        return;
    BUG_UNLESS(l->holders.count == 0);
    map_fini(&l->holders);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

uint64_t limit_key(const struct limits *l, enum limit_what what, struct str name, struct str more)
{
    uint64_t key = map_hash_mix(map_hash(&l->holders, name), what);

    return more.n ? map_hash_mix(key, map_hash(&l->holders, more)) : key;
}

struct str limit_source(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6 ? (struct str){ (const char *)&a->v6.sin6_addr, 8 }
                                       : (struct str){ (const char *)&a->v4.sin_addr, 4 };
}

/* ---- asking ---- */

/* Its place, or that of who has been idle for the longest. */
static struct asker *asker_find(struct asker set[ASKERS], uint64_t key)
{
    struct asker *idlest = &set[0];

    for (size_t i = 0; i < ASKERS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].due_us < idlest->due_us)
            idlest = &set[i];
    }
    *idlest = (struct asker){ .key = key };
    return idlest;
}

/* The generic cell rate algorithm: one number for each. */
static bool asker_may(struct asker *a, uint64_t now_us, uint32_t per_s)
{
    uint64_t interval_us = SECOND_US / per_s, due_us = a->due_us > now_us ? a->due_us : now_us;

    if (due_us + interval_us > now_us + SECOND_US)
        return false;
    a->due_us = due_us + interval_us;
    return true;
}

bool limit_ask(struct limits *l, uint64_t key, uint32_t per_s)
{
    bool may;

    if (!per_s)
        return true;
    pthread_mutex_lock(&l->lock);
    may =
        asker_may(asker_find(l->sets[key % SETS], key), 1000 * clock_monotonic_ms(l->clock), per_s);
    pthread_mutex_unlock(&l->lock);
    return may;
}

/* ---- holding ---- */

static bool is_any(const struct map_node *node, const void *key)
{
    (void)node;
    (void)key;
    return true; /* the hash is the key */
}

static struct holder *holder_find(struct limits *l, uint64_t key)
{
    struct map_node *node = map_find(&l->holders, key, is_any, NULL);

    return node ? CONTAINER_OF(node, struct holder, node) : NULL;
}

static void holders_less(struct limits *l, const struct limit_claim *claims, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct holder *h = holder_find(l, claims[i].key);

        BUG_UNLESS(h && h->n);
        if (--h->n)
            continue;
        map_remove(&l->holders, &h->node);
        free(h);
    }
}

/* 0; 1: it has enough; -ENOMEM. */
static int holder_more(struct limits *l, const struct limit_claim *claim)
{
    struct holder *h = holder_find(l, claim->key);

    if (h && claim->most && h->n >= claim->most)
        return 1;
    if (!h) {
        h = calloc(1, sizeof(*h));
        if (!h)
            return -ENOMEM;
        map_add(&l->holders, &h->node, claim->key);
    }
    h->n++;
    return 0;
}

int limit_take(struct limits *l, const struct limit_claim *claims, size_t n)
{
    size_t taken = 0;
    int r = 0;

    pthread_mutex_lock(&l->lock);
    while (taken < n && (r = holder_more(l, &claims[taken])) == 0)
        taken++;
    if (taken < n)
        holders_less(l, claims, taken);
    pthread_mutex_unlock(&l->lock);
    return r < 0 ? r : (int)taken;
}

void limit_give(struct limits *l, const struct limit_claim *claims, size_t n)
{
    pthread_mutex_lock(&l->lock);
    holders_less(l, claims, n);
    pthread_mutex_unlock(&l->lock);
}
