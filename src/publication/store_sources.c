// SPDX-License-Identifier: MIT
/* What the store is told otherwise than by PUBLISH, and what it tells of itself. */
#include "publication/compose.h"
#include "publication/store_internal.h"

/* ---- internal publications ---- */

static struct publication *internal_find(struct published_resource *resource, struct str package,
                                         struct str source)
{
    LIST_FOREACH (it, &resource->publications) {
        struct publication *p = published_at(it);

        if (p->internal && str_equal(published_word_text(p->publisher), source) &&
            str_equal(published_word_text(p->package), package))
            return p;
    }
    return NULL;
}

static int internal_settle(struct published_resource *resource,
                           const struct published_identity *who, const struct event_state *document)
{
    struct list nobody = { &nobody, &nobody };
    struct publication_document next = { .changed_wall_ms =
                                             clock_wall_ms(resource->store->cfg.clock) };
    struct publication *p = internal_find(resource, who->package, who->publisher), *created = NULL;
    struct event_state *packed;
    int r = 0;

    if (!p) {
        r = published_create(resource, who, &created);
        p = created;
    }
    if (r == 0)
        r = event_state_pack(&packed, document);
    if (r)
        goto out;
    next.state = packed;
    r = published_settle(p, &next, &nobody);
    if (r)
        goto out;
    next.state = NULL;
    created = NULL;
out:
    event_state_unref(next.state);
    published_destroy(resource->store, created);
    return r;
}

int publication_internal_set(struct publication_store *store, const struct resource_name *name,
                             struct str package, struct str source,
                             const struct event_state *document)
{
    const struct published_identity who = { .publisher = source,
                                            .package = package,
                                            .internal = true };
    struct published_resource *resource = published_resource_find(store, name);
    struct publication *p;
    int r = 0;

    if (!document) {
        p = resource ? internal_find(resource, package, source) : NULL;
        return p ? published_remove(p) : 0;
    }
    r = published_resource_get(store, name, &resource);
    if (r)
        return r;
    r = internal_settle(resource, &who, document);
    published_resource_tidy(resource); /* if it could not be */
    return r;
}

/* ---- views ---- */

static uint32_t granted_left_s(const struct publication *p)
{
    uint64_t left_s = (timer_left_ms(p->resource->store->cfg.wheel, &p->expiry) + 999) / 1000;

    return left_s > p->grace_s ? (uint32_t)(left_s - p->grace_s) : 0;
}

static void resource_show(const struct published_resource *resource,
                          void (*each)(void *ctx, const struct inbound_publication_view *v),
                          void *ctx)
{
    LIST_FOREACH (it, &resource->publications) {
        const struct publication *p = published_at(it);
        char etag[ETAG_DIGITS];
        const struct inbound_publication_view view = {
            .package = published_word_text(p->package),
            .context = published_word_text(resource->context),
            .extension = published_extension(resource),
            .publisher = published_word_text(p->publisher),
            .etag = p->tagged ? published_tag_print(etag, p->tag) : STR_EMPTY,
            .content_type = published_word_text(p->says.content_type),
            .call_id = p->call_id,
            .expires_s = granted_left_s(p),
            .published_wall_ms = p->published_wall_ms,
            .changed_wall_ms = p->says.changed_wall_ms,
            .body_len = p->says.body_len,
        };

        each(ctx, &view);
    }
}

void publication_store_each(const struct publication_store *store,
                            void (*each)(void *ctx, const struct inbound_publication_view *v),
                            void *ctx)
{
    MAP_FOREACH (node, &store->resources)
        resource_show(CONTAINER_OF(node, struct published_resource, node), each, ctx);
}

void publication_resource_each(const struct publication_store *store,
                               const struct resource_name *name,
                               void (*each)(void *ctx, const struct inbound_publication_view *v),
                               void *ctx)
{
    const struct published_resource *resource = published_resource_find(store, name);

    if (resource)
        resource_show(resource, each, ctx);
}

void publication_counters_get(const struct publication_store *store,
                              struct publication_counters *out)
{
    *out = store->counters;
    out->resources = store->resources.count;
}
