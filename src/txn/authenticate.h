// SPDX-License-Identifier: MIT
/* authenticate.h - digest as a server: RFC 3261 section 22, RFC 7616, RFC 8760. Private to src/txn.
 * Threads: the worker's. */
#pragma once
#include "sip/print.h"
#include "txn/nonces.h"
#include "txn/uas.h"

struct authenticator {
    const struct settings *settings;
    struct nonces *nonces;
    struct rng *rng;
    /* What who is nobody is challenged with: like everybody else, but no password is right. */
    struct auth_server nobody;
    char no_hash[DIGEST_HEX_MAX];
};
void authenticator_init(struct authenticator *a, struct nonces *nonces, struct rng *rng);
void authenticator_settings_set(struct authenticator *a, const struct settings *settings);

enum authentication {
    AUTHENTICATION_PASSED,
    AUTHENTICATION_NONE,   /* nothing that answers a challenge of ours: challenge */
    AUTHENTICATION_WRONG,  /* another name or password: challenge */
    AUTHENTICATION_STALE,  /* right, but the nonce is old or was used already: challenge, stale */
    AUTHENTICATION_BROKEN, /* `why` says in which way: 400 */
    AUTHENTICATION_CLOSED, /* none of the endpoint's auth sections is there: 500 */
};
/* `e` NULL: nobody, who never passes, in the same time as somebody who does not. */
enum authentication authenticate(struct authenticator *a, const struct endpoint_settings *e,
                                 const struct sip_message *msg, const struct addr *source,
                                 const char **why);
/* WWW-Authenticate lines, the preferred one first; each realm with each algorithm once. 0 or a
 * negative errno. */
NODISCARD int authenticate_print(struct authenticator *a, const struct endpoint_settings *e,
                                 const struct addr *source, bool stale, struct buf *out);
