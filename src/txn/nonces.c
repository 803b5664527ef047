// SPDX-License-Identifier: MIT
#include "txn/nonces.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    SETS = 1 << 14,
    USES = 7, /* of a set */
    KEY_BYTES = 32,
    HASH_BYTES = 32, /* SHA-256 */
    BLOCK_BYTES = 64,
    MAC_BYTES = 16, /* of the HMAC's 32 */
    WINDOW = 64,    /* counts that are told apart */
};

struct use { /* of one nonce */
    uint64_t id;
    uint64_t made_ms;
    uint64_t counts; /* bit i: top - i was used */
    uint32_t top;    /* the highest count; 0: this is none */
};

/* The sets are small enough to be searched, and a nonce's id chooses one, so that there is nothing
 * to be linked and nothing that may fail. */
struct use_set {
    uint64_t forgotten_ms; /* one that was made before then may have been here and gone */
    struct use uses[USES];
};

static const char magic[8] = "extnonc2";

struct memory {
    char magic[8];
    struct use_set sets[SETS];
};

struct nonces {
    unsigned char key[KEY_BYTES];
    struct memory *memory;
    bool owned;
    const struct clock *clock;
    EVP_MD *sha256;       /* looked up once: that takes longer than the hashing */
    pthread_mutex_t lock; /* of the sets */
};

size_t nonces_bytes(void)
{
    return sizeof(struct memory);
}

/* The epoch is part of it, or a nonce would be young once more by each clock that begins anew. */
static bool key_derive(struct nonces *n, const struct nonces_config *cfg)
{
    char room[256];
    struct buf text;
    bool done;

    if (!cfg->key.n || !cfg->epoch.n)
        return false;
    buf_init_on(&text, room, sizeof(room));
    buf_add(&text, cfg->key);
    buf_add(&text, cfg->epoch);
    done = !text.error && n->sha256 && EVP_Digest(text.p, text.n, n->key, NULL, n->sha256, NULL);
    OPENSSL_cleanse(room, sizeof(room));
    return done;
}

static void key_make(struct nonces *n)
{
    struct rng rng;

    rng_init_system(&rng);
    rng_fill(&rng, n->key, sizeof(n->key));
    OPENSSL_cleanse(&rng, sizeof(rng));
}

static void memory_begin(struct memory *m, uint64_t stale_before_ms)
{
    memset(m, 0, sizeof(*m));
    for (size_t i = 0; i < SETS; i++)
        m->sets[i].forgotten_ms = stale_before_ms;
    memcpy(m->magic, magic, sizeof(magic));
}

int nonces_create(struct nonces **out, const struct nonces_config *cfg)
{
    struct nonces *n = calloc(1, sizeof(*n));
    struct memory *m = cfg->memory ? cfg->memory : calloc(1, sizeof(*m));
    bool derived;

    if (!n || !m) {
        free(n);
        if (!cfg->memory)
            free(m);
        return -ENOMEM;
    }
    *n = (struct nonces){ .memory = m,
                          .owned = !cfg->memory,
                          .clock = cfg->clock,
                          .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL) };
    derived = key_derive(n, cfg);
    if (!derived)
        key_make(n);
    if (derived ? memcmp(m->magic, magic, sizeof(magic)) != 0 : cfg->memory != NULL)
        memory_begin(m, clock_monotonic_ms(n->clock));
    pthread_mutex_init(&n->lock, NULL);
    *out = n;
    return 0;
}

void nonces_destroy(struct nonces *n)
{
    if (!n)
        return;
    pthread_mutex_destroy(&n->lock);
    EVP_MD_free(n->sha256);
    if (n->owned)
        free(n->memory);
    OPENSSL_cleanse(n->key, sizeof(n->key));
    free(n);
}

/* ---- the text ---- */

struct nonce { /* what the text is in hexadecimal digits */
    uint64_t made_ms, id;
    unsigned char mac[MAC_BYTES];
};

static struct str host_bytes(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6
               ? (struct str){ (const char *)&a->v6.sin6_addr, sizeof(a->v6.sin6_addr) }
               : (struct str){ (const char *)&a->v4.sin_addr, sizeof(a->v4.sin_addr) };
}

/* HMAC's two hashes, RFC 2104: the padded key, then the text. */
static int hash_keyed(const struct nonces *n, unsigned char pad, struct str text,
                      unsigned char out[HASH_BYTES])
{
    unsigned char bytes[512];

    memset(bytes, pad, BLOCK_BYTES);
    for (size_t i = 0; i < KEY_BYTES; i++)
        bytes[i] ^= n->key[i];
    if (text.n > sizeof(bytes) - BLOCK_BYTES)
        return -EMSGSIZE;
    memcpy(bytes + BLOCK_BYTES, text.p, text.n);
    if (!n->sha256 || !EVP_Digest(bytes, BLOCK_BYTES + text.n, out, NULL, n->sha256, NULL))
        return -EIO;
    return 0;
}

static int nonce_sign(const struct nonces *n, const struct nonce_scope *scope,
                      const struct nonce *nonce, unsigned char mac[MAC_BYTES])
{
    unsigned char inner[HASH_BYTES], outer[HASH_BYTES];
    struct str host = host_bytes(scope->source);
    char room[400];
    struct buf text;
    int r;

    buf_init_on(&text, room, sizeof(room));
    buf_add(&text, (struct str){ (const char *)nonce, offsetof(struct nonce, mac) });
    buf_add_char(&text, (char)host.n); /* so that no realm looks like the end of an address */
    buf_add(&text, host);
    buf_add(&text, scope->realm);
    r = text.error;
    if (!r)
        r = hash_keyed(n, 0x36, buf_str(&text), inner);
    if (!r)
        r = hash_keyed(n, 0x5c, (struct str){ (const char *)inner, HASH_BYTES }, outer);
    if (!r)
        memcpy(mac, outer, MAC_BYTES);
    return r;
}

int nonce_print(const struct nonces *n, struct rng *rng, const struct nonce_scope *for_whom,
                struct buf *out)
{
    struct nonce nonce = { .made_ms = clock_monotonic_ms(n->clock), .id = rng_u64(rng) };
    int r = nonce_sign(n, for_whom, &nonce, nonce.mac);

    if (r == 0)
        buf_add_hex(out, &nonce, sizeof(nonce));
    return r;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool nonce_parse(struct nonce *out, struct str text)
{
    unsigned char bytes[NONCE_LEN / 2];

    if (text.n != NONCE_LEN)
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        int high = digit_of(text.p[2 * i]), low = digit_of(text.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    memcpy(out, bytes, sizeof(*out));
    return true;
}

static bool nonce_is_ours(const struct nonces *n, const struct nonce_scope *scope,
                          const struct nonce *nonce)
{
    unsigned char mac[MAC_BYTES];

    return nonce_sign(n, scope, nonce, mac) == 0 && CRYPTO_memcmp(mac, nonce->mac, MAC_BYTES) == 0;
}

/* ---- counts ---- */

static bool use_count(struct use *u, uint32_t count)
{
    uint32_t behind;

    if (count > u->top) {
        uint32_t more = count - u->top;

        u->counts = more < WINDOW ? u->counts << more | 1 : 1;
        u->top = count;
        return true;
    }
    behind = u->top - count;
    if (behind >= WINDOW || u->counts >> behind & 1)
        return false;
    u->counts |= 1ull << behind;
    return true;
}

/* A place for one that is not there. */
static struct use *use_begin(struct use_set *set, const struct nonce *nonce)
{
    struct use *oldest = &set->uses[0];

    for (size_t i = 0; i < USES; i++) {
        struct use *u = &set->uses[i];

        if (!u->top || (oldest->top && u->made_ms < oldest->made_ms))
            oldest = u;
    }
    if (oldest->top && oldest->made_ms >= set->forgotten_ms)
        set->forgotten_ms = oldest->made_ms + 1;
    *oldest = (struct use){ .id = nonce->id, .made_ms = nonce->made_ms };
    return oldest;
}

static bool set_use(struct use_set *set, const struct nonce *nonce, uint32_t count)
{
    for (size_t i = 0; i < USES; i++) {
        struct use *u = &set->uses[i];

        if (u->top && u->id == nonce->id && u->made_ms == nonce->made_ms)
            return use_count(u, count);
    }
    return nonce->made_ms >= set->forgotten_ms && use_count(use_begin(set, nonce), count);
}

bool nonce_use(struct nonces *n, const struct nonce_scope *by_whom, struct str nonce,
               uint32_t count, uint32_t lifetime_s)
{
    uint64_t now_ms = clock_monotonic_ms(n->clock);
    struct nonce it;
    bool good;

    if (!count || !nonce_parse(&it, nonce) || !nonce_is_ours(n, by_whom, &it))
        return false;
    if (it.made_ms > now_ms || now_ms - it.made_ms > 1000ull * lifetime_s)
        return false;
    pthread_mutex_lock(&n->lock);
    good = set_use(&n->memory->sets[it.id % SETS], &it, count);
    pthread_mutex_unlock(&n->lock);
    return good;
}
