// SPDX-License-Identifier: MIT
#include "txn/authenticate.h"

#include <openssl/crypto.h>

enum { NC_MAX_LEN = 8 };

void authenticator_init(struct authenticator *a, struct nonces *nonces, struct rng *rng)
{
    unsigned char random[DIGEST_HEX_MAX / 2];
    struct rng secret;
    struct buf hex;

    *a = (struct authenticator){ .nonces = nonces, .rng = rng };
    rng_init_system(&secret);
    rng_fill(&secret, random, sizeof(random));
    buf_init_on(&hex, a->no_hash, sizeof(a->no_hash));
    buf_add_hex(&hex, random, sizeof(random));
}

void authenticator_settings_set(struct authenticator *a, const struct settings *settings)
{
    const struct global_settings *g = &settings->global;

    a->settings = settings;
    a->nobody = (struct auth_server){ .order = g->algorithms_uas, .realm = g->default_realm };
    for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++)
        a->nobody.a1[i] = (struct str){ a->no_hash, digest_hex_len(i) };
}

/* ---- who may prove what ---- */

struct proof {
    const struct auth_server *server;
    struct str username;
};

/* The next of the endpoint's auth sections that is there. */
static bool proof_next(const struct authenticator *a, const struct endpoint_settings *e, size_t *at,
                       struct proof *out)
{
    if (!e) {
        *out = (struct proof){ .server = &a->nobody };
        return (*at)++ == 0;
    }
    while (*at < e->n_auths) {
        const struct auth_settings *auth = settings_auth(a->settings, e->auths[(*at)++]);

        if (!auth)
            continue;
        *out = (struct proof){ &auth->server, auth->credential.username };
        return true;
    }
    return false;
}

/* ---- one Authorization ---- */

struct credential { /* taken apart and found to be complete */
    struct sip_credentials c;
    enum digest_algorithm algorithm;
    bool known; /* the algorithm */
    uint32_t count;
};

static int fault(const char **why, const char *what)
{
    *why = what;
    return -EBADMSG;
}

static bool count_parse(uint32_t *out, struct str nc)
{
    uint32_t count = 0;

    if (nc.n == 0 || nc.n > NC_MAX_LEN)
        return false;
    for (size_t i = 0; i < nc.n; i++) {
        char c = (char)(nc.p[i] | 0x20);
        bool digit = nc.p[i] >= '0' && nc.p[i] <= '9';

        if (!digit && (c < 'a' || c > 'f'))
            return false;
        count = count << 4 | (uint32_t)(digit ? nc.p[i] - '0' : c - 'a' + 10);
    }
    *out = count;
    return count > 0;
}

/* Without qop the form is that of RFC 2069, in which nothing protects a count: a nonce is then good
 * for one request. There are clients that send one all the same. */
static int counts_read(struct credential *k, const char **why)
{
    k->count = 1;
    if (!k->c.qop.n) {
        k->c.nc = k->c.cnonce = STR_EMPTY;
        return 0;
    }
    if (!str_equal_nocase(k->c.qop, STR("auth")))
        return fault(why, "qop of Authorization is not auth");
    if (!count_parse(&k->count, k->c.nc))
        return fault(why, "nc of Authorization is not eight hexadecimal digits");
    if (!k->c.cnonce.n)
        return fault(why, "Authorization has qop but no cnonce");
    return 0;
}

/* 0 with a scheme or realm that may be somebody else's; -EBADMSG with the reason. Who says his name
 * before he is asked leaves the response empty: 3GPP TS 24.229 section 5.1.1.2. */
static int credential_read(struct credential *k, struct str value, const char **why)
{
    const struct sip_credentials *c = &k->c;

    *k = (struct credential){ .known = false };
    if (sip_credentials_parse(&k->c, value))
        return fault(why, "Authorization cannot be read");
    if (!str_equal_nocase(c->scheme, STR("Digest")))
        return 0;
    if (!c->username.p || !c->realm.p || !c->nonce.p || !c->uri.p || !c->response.p)
        return fault(why, "Authorization lacks one of username, realm, nonce, uri, response");
    if (!c->response.n)
        return 0;
    k->known = digest_algorithm_parse(&k->algorithm, c->algorithm) == 0;
    if (k->known && c->response.n != digest_hex_len(k->algorithm))
        return fault(why, "response of Authorization is not as long as the algorithm's");
    return counts_read(k, why);
}

static bool order_has(const struct digest_order *order, enum digest_algorithm a)
{
    for (size_t i = 0; i < order->n; i++)
        if (order->list[i] == a)
            return true;
    return false;
}

/* Is it about this realm, in a way that we have asked for? */
static bool is_about(const struct credential *k, const struct auth_server *s)
{
    return k->known && order_has(&s->order, k->algorithm) &&
           sip_quoted_equals(k->c.realm, s->realm);
}

/* Some write it in capitals. */
static bool response_equals(const struct digest_hex *want, struct str given)
{
    char lower[DIGEST_HEX_MAX];

    if (given.n != want->n)
        return false;
    for (size_t i = 0; i < given.n; i++)
        lower[i] = given.p[i] >= 'A' && given.p[i] <= 'F' ? (char)(given.p[i] | 0x20) : given.p[i];
    return CRYPTO_memcmp(want->text, lower, want->n) == 0;
}

/* The name is compared last, so that a wrong one takes as long as a wrong password. */
static bool is_right(const struct credential *k, const struct proof *p, struct str method)
{
    struct digest_question q = { .algorithm = k->algorithm,
                                 .a1 = p->server->a1[k->algorithm],
                                 .nonce = k->c.nonce,
                                 .method = method,
                                 .uri = k->c.uri,
                                 .nc = k->c.nc,
                                 .cnonce = k->c.cnonce };
    struct digest_hex want;
    bool same;

    if (digest_response(&want, &q))
        return false;
    same = response_equals(&want, k->c.response);
    return sip_quoted_equals(k->c.username, p->username) && same;
}

static enum authentication credential_check(struct authenticator *a,
                                            const struct endpoint_settings *e,
                                            const struct credential *k, struct str method,
                                            const struct addr *source)
{
    enum authentication found = AUTHENTICATION_NONE;
    struct proof p;

    for (size_t at = 0; proof_next(a, e, &at, &p);) {
        const struct nonce_scope scope = { source, p.server->realm };

        if (!is_about(k, p.server))
            continue;
        found = AUTHENTICATION_WRONG;
        if (!is_right(k, &p, method) || !e)
            continue;
        return nonce_use(a->nonces, &scope, k->c.nonce, k->count, p.server->nonce_lifetime_s)
                   ? AUTHENTICATION_PASSED
                   : AUTHENTICATION_STALE;
    }
    return found;
}

/* Is it for a realm that is none of ours? Then it is somebody else's to judge it, a server's behind
 * us or in front: RFC 3261 section 22.3. */
static bool is_elsewhere(const struct authenticator *a, const struct endpoint_settings *e,
                         const struct credential *k)
{
    struct proof p;

    if (!k->c.realm.p)
        return false;
    for (size_t at = 0; proof_next(a, e, &at, &p);)
        if (sip_quoted_equals(k->c.realm, p.server->realm))
            return false;
    return true;
}

enum authentication authenticate(struct authenticator *a, const struct endpoint_settings *e,
                                 const struct sip_message *msg, const struct addr *source,
                                 const char **why)
{
    enum authentication found = AUTHENTICATION_NONE;
    struct proof any;
    size_t first = 0;

    if (!proof_next(a, e, &first, &any))
        return AUTHENTICATION_CLOSED;
    for (const struct sip_header *h = sip_header_first(msg, SIP_H_AUTHORIZATION); h;
         h = sip_header_next(msg, h)) {
        const char *what = NULL;
        struct credential k;
        enum authentication now;

        if (credential_read(&k, h->value, &what)) {
            if (is_elsewhere(a, e, &k))
                continue;
            *why = what;
            return AUTHENTICATION_BROKEN;
        }
        now = credential_check(a, e, &k, msg->method_text, source);
        if (now == AUTHENTICATION_PASSED)
            return now;
        found = now > found ? now : found;
    }
    return found;
}

/* ---- challenges ---- */

struct challenged { /* what has been printed */
    struct str realm;
    unsigned algorithms;
};

static int challenge_print(struct authenticator *a, const struct auth_server *s,
                           enum digest_algorithm algorithm, const struct addr *source, bool stale,
                           struct buf *out)
{
    int r;

    buf_add(out, STR("WWW-Authenticate: Digest "));
    sip_print_quoted(out, STR("realm"), s->realm);
    buf_add(out, STR(", nonce=\""));
    r = nonce_print(a->nonces, a->rng, &(struct nonce_scope){ source, s->realm }, out);
    buf_add(out, STR("\", algorithm="));
    buf_add(out, digest_algorithm_name(algorithm));
    buf_add(out, STR(", qop=\"auth\""));
    if (stale)
        buf_add(out, STR(", stale=true"));
    buf_add(out, STR("\r\n"));
    return r ? r : out->error;
}

int authenticate_print(struct authenticator *a, const struct endpoint_settings *e,
                       const struct addr *source, bool stale, struct buf *out)
{
    struct challenged done[8];
    size_t n = 0;
    struct proof p;
    int r = 0;

    for (size_t at = 0; r == 0 && proof_next(a, e, &at, &p);) {
        size_t i = 0;

        while (i < n && !str_equal(done[i].realm, p.server->realm))
            i++;
        if (i == n && n == ARRAY_LEN(done))
            break; /* who has that many realms has told them to nobody */
        if (i == n)
            done[n++] = (struct challenged){ p.server->realm, 0 };
        for (size_t k = 0; k < p.server->order.n && r == 0; k++) {
            enum digest_algorithm algorithm = p.server->order.list[k];

            if (!(done[i].algorithms & BIT(algorithm)))
                r = challenge_print(a, p.server, algorithm, source, stale, out);
            done[i].algorithms |= BIT(algorithm);
        }
    }
    return r;
}
