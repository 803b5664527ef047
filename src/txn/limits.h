// SPDX-License-Identifier: MIT
/* limits.h - how often somebody may ask, and how many things he may hold: counted for all workers
 * together, because nobody chooses his worker.
 *
 * Who is meant is a key: a hash, by a secret, of what he is and his name; two of them are the same
 * by no accident. How often is remembered for a fixed number of keys, of which the idlest go. What
 * is held costs 32 bytes for each key that holds something. Threads: any; one lock, held for some
 * 50 ns, and only where a limit is set. */
#pragma once
#include "base/addr.h"
#include "base/clock.h"
#include "base/map.h"

struct limits; /* opaque: see limits.c */

NODISCARD int limits_create(struct limits **out, const struct clock *clock); /* 0 or -ENOMEM */
void limits_destroy(struct limits *l); /* NULL is fine; all that was held must be given back */

enum limit_what { LIMIT_SOURCE, LIMIT_ENDPOINT, LIMIT_RESOURCE, LIMIT_CONNECTIONS };
/* `more` is a second part of the name, or empty. */
uint64_t limit_key(const struct limits *l, enum limit_what what, struct str name, struct str more);
/* Who is behind an address, for that: of IPv6 the first 64 bits, since whoever has one has all that
 * follow. Borrowed. */
struct str limit_source(const struct addr *a);

/* May it ask once more? It may `per_s` times at once, then as often as that in a second. 0: as it
 * likes. */
bool limit_ask(struct limits *l, uint64_t key, uint32_t per_s);

struct limit_claim {
    uint64_t key;
    uint32_t most; /* it may hold; 0: any number */
};
/* One more for each of them. The number of the first that has as many as it may hold, then nothing
 * is taken; `n` when all is taken; or -ENOMEM. */
NODISCARD int limit_take(struct limits *l, const struct limit_claim *claims, size_t n);
void limit_give(struct limits *l, const struct limit_claim *claims, size_t n);
