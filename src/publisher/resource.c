// SPDX-License-Identifier: MIT
/* What is known of each extension: its newest snapshot, so that a section that comes later can tell
 * it too. Filed under the extension's name, because publications may be shared across contexts. */
#include <stdlib.h>

#include "publisher/publisher_internal.h"

static bool resource_is(const struct map_node *node, const void *key)
{
    const struct resource *r = CONTAINER_OF(node, const struct resource, node);

    return r->newest->resource_id == *(const uint64_t *)key;
}

struct resource *resource_find(const struct publisher *p, const struct snapshot *snap)
{
    struct map_node *node = map_find(&p->resources, map_hash(&p->resources, snap->extension),
                                     resource_is, &snap->resource_id);

    return node ? CONTAINER_OF(node, struct resource, node) : NULL;
}

struct resource *resource_get(struct publisher *p, const struct snapshot *snap)
{
    struct resource *r = resource_find(p, snap);

    if (!r) {
        r = calloc(1, sizeof(*r));
        if (!r) {
            log_error(p->cfg.log, "publish.resource", KV("extension", snap->extension),
                      KV_ERR(-ENOMEM));
            return NULL;
        }
        tally_add(&p->heap.resources, r);
        map_add(&p->resources, &r->node, map_hash(&p->resources, snap->extension));
    }
    snapshot_replace(&r->newest, snap);
    r->changed = ++p->changes;
    return r;
}

struct candidate {
    const struct section *section;
    struct str extension;
    uint64_t except, changed_after;
};

static bool is_candidate(const struct map_node *node, const void *key)
{
    const struct resource *r = CONTAINER_OF(node, const struct resource, node);
    const struct candidate *c = key;

    return r->changed > c->changed_after && r->newest->resource_id != c->except &&
           str_equal(r->newest->extension, c->extension) && section_matches(c->section, r->newest);
}

struct resource *resource_latest(const struct section *s, struct str extension, uint64_t except)
{
    const struct map *m = &s->publisher->resources;
    struct candidate c = { s, extension, except, 0 };
    struct resource *latest = NULL;

    for (;;) {
        struct map_node *node = map_find(m, map_hash(m, extension), is_candidate, &c);

        if (!node)
            return latest;
        latest = CONTAINER_OF(node, struct resource, node);
        c.changed_after = latest->changed;
    }
}

void resource_destroy(struct publisher *p, struct resource *r)
{
    map_remove(&p->resources, &r->node);
    snapshot_unref(r->newest);
    tally_remove(&p->heap.resources, r);
    free(r);
}
