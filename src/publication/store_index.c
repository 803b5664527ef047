// SPDX-License-Identifier: MIT
/* How things are found: words, resources and publications. */
#include "publication/store_internal.h"

#include <stdlib.h>

/* ---- words ---- */

struct word_key {
    enum published_word_kind kind;
    struct str text;
};

static uint64_t word_hash(const struct publication_store *store, const struct word_key *key)
{
    return map_hash_mix(map_hash(&store->words, key->text), key->kind);
}

static bool word_equal(const struct map_node *node, const void *key)
{
    const struct published_word *w = CONTAINER_OF(node, struct published_word, node);
    const struct word_key *k = key;

    return w->kind == k->kind && str_equal(published_word_text(w), k->text);
}

static struct published_word *word_find(const struct publication_store *store,
                                        const struct word_key *key)
{
    struct map_node *node = map_find(&store->words, word_hash(store, key), word_equal, key);

    return node ? CONTAINER_OF(node, struct published_word, node) : NULL;
}

int published_word_get(struct publication_store *store, enum published_word_kind kind,
                       struct str text, struct published_word **out)
{
    const struct word_key key = { kind, text };
    struct published_word *w = word_find(store, &key);

    if (!w) {
        w = calloc(1, sizeof(*w) + text.n);
        if (!w)
            return -ENOMEM;
        w->kind = kind;
        w->n = (uint32_t)text.n;
        if (text.n)
            memcpy(w->text, text.p, text.n);
        map_add(&store->words, &w->node, word_hash(store, &key));
        store->counters.bytes += sizeof(*w) + text.n;
    }
    w->uses++;
    *out = w;
    return 0;
}

void published_word_put(struct publication_store *store, struct published_word *w)
{
    if (!w || --w->uses)
        return;
    map_remove(&store->words, &w->node);
    store->counters.bytes -= sizeof(*w) + w->n;
    free(w);
}

uint32_t published_word_uses(const struct publication_store *store, enum published_word_kind kind,
                             struct str text)
{
    const struct word_key key = { kind, text };
    const struct published_word *w = word_find(store, &key);

    return w ? w->uses : 0;
}

/* ---- resources ---- */

struct resource_name published_name(struct str package, struct str context, struct str extension)
{
    bool shared = str_equal(package, STR("dialog")) || str_equal(package, STR("presence"));

    return (struct resource_name){ shared ? STR_EMPTY : package, context, extension };
}

static bool resource_equal(const struct map_node *node, const void *key)
{
    const struct published_resource *r = CONTAINER_OF(node, struct published_resource, node);
    const struct resource_name name = { published_word_text(r->package),
                                        published_word_text(r->context), published_extension(r) };

    return resource_name_equal(&name, key);
}

struct published_resource *published_resource_find(const struct publication_store *store,
                                                   const struct resource_name *name)
{
    struct map_node *node = map_find(&store->resources, resource_name_hash(&store->resources, name),
                                     resource_equal, name);

    return node ? CONTAINER_OF(node, struct published_resource, node) : NULL;
}

static void resource_destroy(struct publication_store *store, struct published_resource *r)
{
    store->counters.bytes -= r->bytes;
    published_word_put(store, r->package);
    published_word_put(store, r->context);
    event_state_unref(r->composite);
    published_turn_destroy(store, r->turn);
    free(r);
}

int published_resource_get(struct publication_store *store, const struct resource_name *name,
                           struct published_resource **out)
{
    struct published_resource *r = published_resource_find(store, name);
    int result;

    if (r) {
        *out = r;
        return 0;
    }
    r = calloc(1, sizeof(*r) + name->extension.n);
    if (!r)
        return -ENOMEM;
    list_init(&r->publications);
    r->store = store;
    r->extension_len = (uint32_t)name->extension.n;
    if (name->extension.n)
        memcpy(r->extension, name->extension.p, name->extension.n);
    result = published_word_get(store, WORD_PACKAGE, name->package, &r->package);
    if (result == 0)
        result = published_word_get(store, WORD_CONTEXT, name->context, &r->context);
    if (result) {
        resource_destroy(store, r);
        return result;
    }
    map_add(&store->resources, &r->node, resource_name_hash(&store->resources, name));
    *out = r;
    return 0;
}

void published_resource_tidy(struct published_resource *r)
{
    const struct publication_port *port = &r->store->cfg.port;

    if (!list_empty(&r->publications) || r->ended)
        return;
    if (r->kept)
        port->forgotten(port->ctx, r->kept);
    map_remove(&r->store->resources, &r->node);
    resource_destroy(r->store, r);
}

/* ---- entity-tags ---- */

static uint64_t tag_hash(const struct publication_store *store, const unsigned char *tag)
{
    return map_hash(&store->tags, (struct str){ (const char *)tag, ETAG_BYTES });
}

static bool tag_equal(const struct map_node *node, const void *key)
{
    return memcmp(CONTAINER_OF(node, struct publication, by_tag)->tag, key, ETAG_BYTES) == 0;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; /* one way to write it: tags are bytes */
}

bool published_tag_parse(unsigned char tag[ETAG_BYTES], struct str text)
{
    if (text.n != ETAG_DIGITS)
        return false;
    for (size_t i = 0; i < ETAG_BYTES; i++) {
        int high = digit_value(text.p[2 * i]), low = digit_value(text.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        tag[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

struct str published_tag_print(char out[ETAG_DIGITS], const unsigned char tag[ETAG_BYTES])
{
    struct buf b;

    buf_init_on(&b, out, ETAG_DIGITS);
    buf_add_hex(&b, tag, ETAG_BYTES);
    return buf_str(&b);
}

struct publication *published_find(const struct publication_store *store, struct str etag)
{
    unsigned char tag[ETAG_BYTES];
    struct map_node *node = published_tag_parse(tag, etag)
                                ? map_find(&store->tags, tag_hash(store, tag), tag_equal, tag)
                                : NULL;

    if (!node || CONTAINER_OF(node, struct publication, by_tag)->ended)
        return NULL;
    return CONTAINER_OF(node, struct publication, by_tag);
}

void published_tag_random(struct publication_store *store, unsigned char tag[ETAG_BYTES])
{
    rng_fill(store->cfg.rng, tag, ETAG_BYTES);
}

bool published_tag_set(struct publication_store *store, struct publication *p,
                       const unsigned char tag[ETAG_BYTES])
{
    uint64_t hash = tag_hash(store, tag);

    if (map_find(&store->tags, hash, tag_equal, tag))
        return false;
    if (p->tagged)
        map_remove(&store->tags, &p->by_tag);
    p->tagged = true;
    memcpy(p->tag, tag, ETAG_BYTES);
    map_add(&store->tags, &p->by_tag, hash);
    return true;
}

void published_tag_renew(struct publication_store *store, struct publication *p)
{
    unsigned char tag[ETAG_BYTES];

    published_tag_random(store, tag);
    BUG_UNLESS(published_tag_set(store, p, tag));
}
