// SPDX-License-Identifier: MIT
/* digest.h - HTTP digest for SIP, the client's side, and the hashes of both: RFC 3261 section 22,
 * RFC 7616, RFC 8760. Hashes by OpenSSL. Threads: pure functions. */
#pragma once
#include "base/random.h"
#include "sip/field.h"

/* Weakest first. */
enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256, DIGEST_SHA512_256, DIGEST_ALGORITHMS };

/* "MD5", "SHA-256", "SHA-512-256" in any case; empty text is MD5. -EINVAL for others (the -sess
 * forms included). */
NODISCARD int digest_algorithm_parse(enum digest_algorithm *out, struct str name);
struct str digest_algorithm_name(enum digest_algorithm a);
#define DIGEST_HEX_MAX 64
size_t digest_hex_len(enum digest_algorithm a); /* of its hashes */

struct digest_credential {
    struct str username;
    struct str password;                /* used unless the algorithm's hash below is given */
    struct str hash[DIGEST_ALGORITHMS]; /* hex H(user:realm:password); empty: none. With a wildcard
                                         * realm only used when there is no password */
    struct str realm;                   /* empty or "*": any */
    unsigned algorithms;                /* BIT(enum digest_algorithm) it may answer with */
};

struct digest_session { /* a nonce we may reuse: one per server and realm; kept by the caller, text
                           owned */
    struct str realm, nonce, opaque;
    enum digest_algorithm algorithm;
    bool qop_auth, proxy;                       /* proxy: answers go into Proxy-Authorization */
    uint32_t count;                             /* nc of the last use */
    const struct digest_credential *credential; /* borrowed: must outlive the session */
};
void digest_session_fini(struct digest_session *s);

enum digest_outcome { DIGEST_NO_CREDENTIAL = 1, /* no challenge here that we can answer */ };
/* Choose among all challenges of a 401 or 407 one that some credential can answer: an exact realm
 * before a wildcard, then the strongest algorithm, then the first. On 0 the session replaces what
 * `*s` held (zeroed before its first use); a nonce that is still the same keeps its count. 0,
 * DIGEST_NO_CREDENTIAL, -ENOMEM. `*stale` (may be NULL) tells that the server only wants a fresh
 * nonce. */
NODISCARD int digest_session_choose(struct digest_session *s, const struct sip_message *response,
                                    const struct digest_credential *const *credentials, size_t n,
                                    bool *stale);
/* What was answered has been accepted: the server may have said with which nonce to go on (RFC 7616
 * section 3.5; SIP has no such field for proxies). Without memory for that it goes on as it is. */
void digest_session_renew(struct digest_session *s, const struct sip_message *response);
/* One "Authorization: Digest ..." (or Proxy-Authorization) line with the next nc. 0, a result of
 * digest_response, or the buffer's error. */
NODISCARD int digest_session_print(struct digest_session *s, struct rng *rng, struct str method,
                                   struct str uri, struct buf *out);

/* ---- the hashes alone, as a client answers and a server checks ---- */

struct digest_hex {
    char text[DIGEST_HEX_MAX];
    size_t n;
};
static inline struct str digest_hex_str(const struct digest_hex *h)
{
    return (struct str){ h->text, h->n };
}

struct digest_question {
    enum digest_algorithm algorithm;
    struct str a1; /* hex H(user:realm:password), any case */
    struct str nonce, method, uri;
    struct str nc, cnonce; /* with qop=auth; nc empty: without qop, the form of RFC 2069 */
};
/* H(user:realm:password) of RFC 7616 section 3.4.2. 0, -ENOMEM, -EIO when OpenSSL lacks the
 * algorithm; -EINVAL (below) when a1 is no hash of that algorithm. */
NODISCARD int digest_a1(struct digest_hex *out, enum digest_algorithm algorithm,
                        struct str username, struct str realm, struct str password);
NODISCARD int digest_response(struct digest_hex *out, const struct digest_question *q);
