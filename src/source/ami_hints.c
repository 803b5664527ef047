// SPDX-License-Identifier: MIT
#include "source/ami_hints.h"

#include <stdlib.h>

enum { HINTS_MAX = 1000000 };

struct entry {
    struct map_node node;
    uint64_t generation;
    struct source_hint hint;
    char room[];
};

struct ami_hints {
    struct source *source;
    struct map entries;
    uint64_t generation;
    bool changed;
};

static bool entry_is(const struct map_node *node, const void *key)
{
    const struct source_hint *mine = &CONTAINER_OF(node, const struct entry, node)->hint;
    const struct source_hint *hint = key;

    return str_equal(mine->extension, hint->extension) && str_equal(mine->context, hint->context);
}

static uint64_t hash_of(const struct ami_hints *h, const struct source_hint *hint)
{
    return map_hash_mix(map_hash(&h->entries, hint->context),
                        map_hash(&h->entries, hint->extension));
}

static void entry_free(struct ami_hints *h, struct entry *e)
{
    map_remove(&h->entries, &e->node);
    h->changed = true;
    free(e);
}

static bool name_is_possible(struct str name)
{
    return name.n > 0 && name.n <= NAME_MAX_LEN && !str_has_controls(name);
}

int ami_hints_note(struct ami_hints *h, struct str context, struct str extension, struct str text)
{
    const struct source_hint hint = { context, extension, text };
    uint64_t hash = hash_of(h, &hint);
    struct map_node *node = map_find(&h->entries, hash, entry_is, &hint);
    struct entry *e = node ? CONTAINER_OF(node, struct entry, node) : NULL;
    char *at;

    if (e && str_equal(e->hint.text, text)) {
        e->generation = h->generation;
        return 0;
    }
    if (e)
        entry_free(h, e);
    if (!text.n || !name_is_possible(context) || !name_is_possible(extension) ||
        h->entries.count >= HINTS_MAX)
        return 0;
    e = calloc(1, sizeof(*e) + context.n + extension.n + text.n);
    if (!e)
        return -ENOMEM;
    e->hint = hint;
    e->generation = h->generation;
    at = e->room;
    str_keep(&e->hint.context, &at);
    str_keep(&e->hint.extension, &at);
    str_keep(&e->hint.text, &at);
    map_add(&h->entries, &e->node, hash);
    h->changed = true;
    return 0;
}

void ami_hints_begin(struct ami_hints *h)
{
    h->generation++;
}

void ami_hints_end(struct ami_hints *h)
{
    MAP_FOREACH_SAFE (node, &h->entries) {
        struct entry *e = CONTAINER_OF(node, struct entry, node);

        if (e->generation != h->generation)
            entry_free(h, e);
    }
}

static int hint_compare(const void *a, const void *b)
{
    const struct source_hint *x = a, *y = b;
    int r = str_compare(x->context, y->context);

    return r ? r : str_compare(x->extension, y->extension);
}

int ami_hints_flush(struct ami_hints *h)
{
    struct source_hint *hints;
    size_t n = 0;

    if (!h->changed)
        return 0;
    hints = calloc(h->entries.count + 1, sizeof(*hints));
    if (!hints)
        return -ENOMEM;
    MAP_FOREACH (node, &h->entries)
        hints[n++] = CONTAINER_OF(node, const struct entry, node)->hint;
    qsort(hints, n, sizeof(*hints), hint_compare);
    source_hints(h->source, hints, n);
    free(hints);
    h->changed = false;
    return 0;
}

int ami_hints_create(struct ami_hints **out, struct source *s)
{
    struct ami_hints *h = calloc(1, sizeof(*h));
    int r;

    if (!h)
        return -ENOMEM;
    h->source = s;
    h->changed = true; /* what there was before the process is not known here */
    r = map_init(&h->entries, source_rng(s));
    if (r)
        ami_hints_destroy(h);
    else
        *out = h;
    return r;
}

void ami_hints_destroy(struct ami_hints *h)
{
    if (!h)
        return;
    if (h->entries.buckets)
        MAP_FOREACH_SAFE (node, &h->entries)
            entry_free(h, CONTAINER_OF(node, struct entry, node));
    map_fini(&h->entries);
    free(h);
}
