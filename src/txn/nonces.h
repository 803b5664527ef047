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

/* Bytes of the memory that nonces_create takes. */
size_t nonces_bytes(void);
/* The memory, aligned as calloc's, is zeroed, or what another struct nonces left there, whose clock
 * was the same monotonic one: then everybody's nonces stay good. NULL: they end with this one. It
 * stays the caller's, for as long as this exists. 0 or -ENOMEM. */
NODISCARD int nonces_create(struct nonces **out, void *memory, const struct clock *clock);
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
