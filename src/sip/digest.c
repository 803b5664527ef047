// SPDX-License-Identifier: MIT
#include "sip/digest.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "sip/print.h"

enum { CNONCE_BYTES = 16 };

static const struct {
    struct str name;
    const EVP_MD *(*md)(void);
    size_t hex_length;
} algorithms[DIGEST_ALGORITHMS] = {
    [DIGEST_MD5] = { STR_INIT("MD5"), EVP_md5, 32 },
    [DIGEST_SHA256] = { STR_INIT("SHA-256"), EVP_sha256, 64 },
    [DIGEST_SHA512_256] = { STR_INIT("SHA-512-256"), EVP_sha512_256, 64 },
};

int digest_algorithm_parse(enum digest_algorithm *out, struct str name)
{
    if (name.n == 0) {
        *out = DIGEST_MD5; /* RFC 7616 section 3.3 */
        return 0;
    }
    for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++) {
        if (str_equal_nocase(name, algorithms[i].name)) {
            *out = (enum digest_algorithm)i;
            return 0;
        }
    }
    return -EINVAL;
}

struct str digest_algorithm_name(enum digest_algorithm a)
{
    return algorithms[a].name;
}

size_t digest_hex_len(enum digest_algorithm a)
{
    return algorithms[a].hex_length;
}

void digest_session_fini(struct digest_session *s)
{
    str_free(&s->realm);
    str_free(&s->nonce);
    str_free(&s->opaque);
    *s = (struct digest_session){ .credential = NULL };
}

/* ---- choosing ---- */

struct candidate {
    struct sip_challenge challenge; /* realm, nonce and opaque still with escapes */
    const struct digest_credential *credential;
    enum digest_algorithm algorithm;
    bool exact; /* the credential names this realm */
};

/* Undo quoted-pairs; `storage` has room for `quoted` and a NUL. */
static struct str unescape(struct str quoted, char *storage)
{
    size_t n = 0;

    for (size_t i = 0; i < quoted.n; i++) {
        if (quoted.p[i] == '\\' && i + 1 < quoted.n)
            i++;
        storage[n++] = quoted.p[i];
    }
    storage[n] = '\0';
    return (struct str){ storage, n };
}

/* quoted-string with its quotes dropped, on the heap. A missing one stays NULL. */
static int quoted_dup(struct str *out, struct str quoted)
{
    struct str copy;
    int r;

    if (!quoted.p)
        return 0;
    r = str_dup(&copy, quoted);
    if (r)
        return r;
    *out = unescape(quoted, (char *)copy.p);
    return 0;
}

static bool is_wildcard(struct str realm)
{
    return realm.n == 0 || str_equal(realm, STR("*"));
}

/* The hash has a realm inside. Under a wildcard it is used only where there is nothing better, as
 * Asterisk does: whoever configures it has one server in mind. */
static bool hash_usable(const struct digest_credential *c, enum digest_algorithm a)
{
    return c->hash[a].n == algorithms[a].hex_length && (!is_wildcard(c->realm) || !c->password.n);
}

static bool password_usable(const struct digest_credential *c)
{
    size_t hashes = 0;

    for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++)
        hashes += c->hash[i].n;
    return c->password.n || !hashes; /* nobody with a hash means the empty password */
}

static bool can_answer(const struct digest_credential *c, enum digest_algorithm a)
{
    return (c->algorithms & BIT(a)) && (hash_usable(c, a) || password_usable(c));
}

/* qop is a list; without one the server is of RFC 2069's time. */
static bool qop_offers(struct str qop, struct str wanted)
{
    while (qop.p)
        if (str_equal_nocase(str_next(&qop, ','), wanted))
            return true;
    return false;
}

static bool challenge_usable(const struct sip_challenge *ch, enum digest_algorithm *algorithm)
{
    return str_equal_nocase(ch->scheme, STR("Digest")) && ch->realm.p && ch->nonce.n &&
           digest_algorithm_parse(algorithm, ch->algorithm) == 0 &&
           (ch->qop.n == 0 || qop_offers(ch->qop, STR("auth")));
}

/* An exact realm says whose password is wanted, so it weighs more than the algorithm. Among equals
 * the first one: RFC 8760 section 2.4. */
static bool better(const struct candidate *than, enum digest_algorithm algorithm, bool exact)
{
    if (!than->credential)
        return true;
    return exact != than->exact ? exact : algorithm > than->algorithm;
}

static void challenge_consider(struct candidate *best, const struct sip_challenge *ch,
                               const struct digest_credential *const *credentials, size_t n)
{
    enum digest_algorithm algorithm;

    if (!challenge_usable(ch, &algorithm))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct digest_credential *c = credentials[i];
        bool wildcard = is_wildcard(c->realm);

        if (!can_answer(c, algorithm) || (!wildcard && !sip_quoted_equals(ch->realm, c->realm)))
            continue;
        if (better(best, algorithm, !wildcard))
            *best = (struct candidate){ *ch, c, algorithm, !wildcard };
    }
}

static int session_init(struct digest_session *s, const struct candidate *best, bool proxy)
{
    int r;

    *s = (struct digest_session){
        .algorithm = best->algorithm,
        .qop_auth = best->challenge.qop.n > 0,
        .proxy = proxy,
        .credential = best->credential,
    };
    r = quoted_dup(&s->realm, best->challenge.realm);
    if (!r)
        r = quoted_dup(&s->nonce, best->challenge.nonce);
    if (!r)
        r = quoted_dup(&s->opaque, best->challenge.opaque);
    if (r)
        digest_session_fini(s);
    return r;
}

/* nc counts the uses of a nonce, even when the server asks with it again. */
static bool same_nonce(const struct digest_session *a, const struct digest_session *b)
{
    return a->algorithm == b->algorithm && a->proxy == b->proxy && str_equal(a->nonce, b->nonce) &&
           str_equal(a->realm, b->realm);
}

int digest_session_choose(struct digest_session *s, const struct sip_message *response,
                          const struct digest_credential *const *credentials, size_t n, bool *stale)
{
    bool proxy = response->status == 407;
    enum sip_header_id id = proxy ? SIP_H_PROXY_AUTHENTICATE : SIP_H_WWW_AUTHENTICATE;
    struct candidate best = { .credential = NULL };
    struct digest_session chosen;
    int r;

    for (const struct sip_header *h = sip_header_first(response, id); h;
         h = sip_header_next(response, h)) {
        struct str rest = h->value;
        struct sip_challenge ch;

        while (sip_challenge_next(&rest, &ch))
            challenge_consider(&best, &ch, credentials, n);
    }
    if (!best.credential)
        return DIGEST_NO_CREDENTIAL;
    r = session_init(&chosen, &best, proxy);
    if (r)
        return r;
    if (s->credential && same_nonce(s, &chosen))
        chosen.count = s->count;
    digest_session_fini(s);
    *s = chosen;
    if (stale)
        *stale = best.challenge.stale;
    return 0;
}

void digest_session_renew(struct digest_session *s, const struct sip_message *response)
{
    struct str next = sip_next_nonce(sip_header_value(response, SIP_H_AUTHENTICATION_INFO));
    struct str nonce = STR_EMPTY;

    if (!s->credential || !next.n || quoted_dup(&nonce, next))
        return;
    if (!str_equal(nonce, s->nonce))
        s->count = 0;
    str_free(&s->nonce);
    s->nonce = nonce;
}

/* ---- answering ---- */

/* H(parts[0] ":" parts[1] ...) in lower case hex. */
static int hash_parts(struct digest_hex *out, enum digest_algorithm a, const struct str *parts,
                      size_t n)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned length = 0;
    struct buf hex;
    bool ok;

    if (!ctx)
        return -ENOMEM;
    ok = EVP_DigestInit_ex(ctx, algorithms[a].md(), NULL);
    for (size_t i = 0; ok && i < n; i++) {
        if (i > 0)
            ok = EVP_DigestUpdate(ctx, ":", 1);
        if (ok && parts[i].n)
            ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
    }
    ok = ok && EVP_DigestFinal_ex(ctx, raw, &length);
    EVP_MD_CTX_free(ctx);
    if (!ok)
        return -EIO;
    buf_init_on(&hex, out->text, sizeof(out->text));
    buf_add_hex(&hex, raw, length);
    out->n = hex.n;
    OPENSSL_cleanse(raw, sizeof(raw));
    return hex.error;
}

int digest_a1(struct digest_hex *out, enum digest_algorithm algorithm, struct str username,
              struct str realm, struct str password)
{
    const struct str a1[] = { username, realm, password };

    return hash_parts(out, algorithm, a1, ARRAY_LEN(a1));
}

/* A hash goes into the next hash as text, so its case matters. */
static int hex_lower(struct digest_hex *out, struct str hex, size_t length)
{
    if (hex.n != length)
        return -EINVAL;
    for (size_t i = 0; i < hex.n; i++) {
        char c = hex.p[i];

        if (c >= 'A' && c <= 'F')
            c = (char)(c | 0x20);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return -EINVAL;
        out->text[i] = c;
    }
    out->n = hex.n;
    return 0;
}

int digest_response(struct digest_hex *out, const struct digest_question *q)
{
    const struct str a2[] = { q->method, q->uri };
    struct digest_hex a1_hex, a2_hex;
    int r = hex_lower(&a1_hex, q->a1, algorithms[q->algorithm].hex_length);

    if (!r)
        r = hash_parts(&a2_hex, q->algorithm, a2, ARRAY_LEN(a2));
    if (!r && q->nc.n) {
        const struct str all[] = { digest_hex_str(&a1_hex), q->nonce, q->nc, q->cnonce, STR("auth"),
                                   digest_hex_str(&a2_hex) };

        r = hash_parts(out, q->algorithm, all, ARRAY_LEN(all)); /* RFC 7616 section 3.4.1 */
    } else if (!r) {
        const struct str all[] = { digest_hex_str(&a1_hex), q->nonce, digest_hex_str(&a2_hex) };

        r = hash_parts(out, q->algorithm, all, ARRAY_LEN(all));
    }
    OPENSSL_cleanse(&a1_hex, sizeof(a1_hex));
    return r;
}

static int session_response(struct digest_hex *out, const struct digest_session *s,
                            const struct digest_question *rest)
{
    const struct digest_credential *c = s->credential;
    struct digest_question q = *rest;
    struct digest_hex a1;
    int r = 0;

    if (hash_usable(c, s->algorithm)) {
        q.a1 = c->hash[s->algorithm];
    } else {
        r = digest_a1(&a1, s->algorithm, c->username, s->realm, c->password);
        q.a1 = digest_hex_str(&a1);
    }
    if (!r)
        r = digest_response(out, &q);
    OPENSSL_cleanse(&a1, sizeof(a1));
    return r;
}

int digest_session_print(struct digest_session *s, struct rng *rng, struct str method,
                         struct str uri, struct buf *out)
{
    const uint32_t count = s->count + 1;
    const unsigned char count_be[] = { (unsigned char)(count >> 24), (unsigned char)(count >> 16),
                                       (unsigned char)(count >> 8), (unsigned char)count };
    char nc_text[2 * sizeof(count_be)], cnonce_text[2 * CNONCE_BYTES];
    struct digest_question q = {
        .algorithm = s->algorithm, .nonce = s->nonce, .method = method, .uri = uri
    };
    unsigned char random[CNONCE_BYTES];
    struct digest_hex response;
    struct buf nc, cnonce;
    int r;

    buf_init_on(&nc, nc_text, sizeof(nc_text));
    buf_init_on(&cnonce, cnonce_text, sizeof(cnonce_text));
    if (s->qop_auth) {
        rng_fill(rng, random, sizeof(random));
        buf_add_hex(&nc, count_be, sizeof(count_be));
        buf_add_hex(&cnonce, random, sizeof(random));
    }
    q.nc = buf_str(&nc);
    q.cnonce = buf_str(&cnonce);
    r = session_response(&response, s, &q);
    if (r)
        return r;
    s->count = count;
    buf_add(out, s->proxy ? STR("Proxy-Authorization: Digest ") : STR("Authorization: Digest "));
    sip_print_quoted(out, STR("username"), s->credential->username);
    sip_print_quoted(out, STR(", realm"), s->realm);
    sip_print_quoted(out, STR(", nonce"), s->nonce);
    sip_print_quoted(out, STR(", uri"), uri);
    sip_print_quoted(out, STR(", response"), digest_hex_str(&response));
    buf_add(out, STR(", algorithm="));
    buf_add(out, digest_algorithm_name(s->algorithm));
    if (s->qop_auth) {
        sip_print_quoted(out, STR(", cnonce"), q.cnonce);
        buf_add(out, STR(", qop=auth, nc="));
        buf_add(out, q.nc);
    }
    if (s->opaque.p)
        sip_print_quoted(out, STR(", opaque"), s->opaque);
    buf_add(out, STR("\r\n"));
    return out->error;
}
