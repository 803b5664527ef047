// SPDX-License-Identifier: MIT
/* nonces.h - the nonces of our digest challenges: RFC 7616 sections 3.3 and 5.4.
 *
 * A challenge costs no memory: a nonce says when it was made, and proves that it is ours for this
 * source address and realm (HMAC-SHA-256 with a key). Only one that came back with the right
 * password is kept, to know which counts it was used with. That takes a table of fixed size, in
 * which the oldest go; of one that has gone is known that it may have been used, so that it is
 * stale. Threads: any; one lock, held for some 50 ns. */
#pragma once
#include "base/addr.h"
#include "base/clock.h"
#include "base/random.h"

struct nonces; /* opaque: see nonces.c */

#define NONCE_LEN 64 /* hexadecimal digits */

struct nonces_config {
    const struct clock *clock;
    /* Which monotonic clock that is: a nonce that was made by another is none of ours. */
    struct str epoch;
    /* At random and secret; the same one keeps nonces good. Empty, or without an epoch: one that is
     * made now, and nobody else's. */
    struct str key;
    /* Of nonces_bytes, aligned as calloc's, the caller's, there for as long as this is: zeroed, or
     * what another struct nonces of this key and epoch left there. Where there is nothing, all
     * nonces from before are stale, since they may have been used. NULL: own memory. */
    void *memory;
};
size_t nonces_bytes(void);
/* 0 or -ENOMEM. */
NODISCARD int nonces_create(struct nonces **out, const struct nonces_config *cfg);
void nonces_destroy(struct nonces *n); /* NULL is fine */

struct nonce_scope { /* for whom it is; the port of the address does not count: NATs change it */
    const struct addr *source;
    struct str realm;
};
/* NONCE_LEN digits. 0; a negative errno when OpenSSL has no HMAC: then nothing. */
NODISCARD int nonce_print(const struct nonces *n, struct rng *rng,
                          const struct nonce_scope *for_whom, struct buf *out);
/* The password was right. True once for each nonce and count, if the nonce is ours, of this scope
 * and not older than that. Counts may overtake each other by 63. */
bool nonce_use(struct nonces *n, const struct nonce_scope *by_whom, struct str nonce,
               uint32_t count, uint32_t lifetime_s);
