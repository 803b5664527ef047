// SPDX-License-Identifier: MIT
/* What a PUBLISH has replaced, until it is known whether that can be kept. Promises are kept or
 * broken in the order they were made. */
#include "publication/store_internal.h"

#include <stdlib.h>

struct publication_promise {
    struct list of_store;
    struct list of_publication; /* the oldest first; alone when that has ended */
    struct publication *publication;
    bool initial; /* there was nothing before */
    struct publication_former {
        unsigned char tag[ETAG_BYTES];
        struct publication_document says;
        struct str call_id;
        struct published_word *domain;
        uint64_t origin, published_wall_ms, ends_ms;
        uint32_t expires_s, grace_s;
    } former;
};

static struct publication_promise *promise_at(struct list *of_publication)
{
    return CONTAINER_OF(of_publication, struct publication_promise, of_publication);
}

void published_promise_destroy(struct publication_store *store, struct publication_promise *promise)
{
    if (!promise)
        return;
    list_remove(&promise->of_store);
    list_remove(&promise->of_publication);
    publication_document_fini(store, &promise->former.says);
    published_word_put(store, promise->former.domain);
    str_free(&promise->former.call_id);
    free(promise);
}

/* Everything but the tag, which needs no memory. */
static int former_copy(struct publication_former *former, const struct publication *p)
{
    struct publication_store *store = p->resource->store;
    int r = published_word_get(store, WORD_DOMAIN, published_word_text(p->domain), &former->domain);

    if (r == 0 && p->says.content_type)
        r = published_word_get(store, WORD_TYPE, published_word_text(p->says.content_type),
                               &former->says.content_type);
    if (r == 0 && p->says.body.n)
        r = str_dup(&former->says.body, p->says.body);
    if (r == 0 && p->call_id.n)
        r = str_dup(&former->call_id, p->call_id);
    if (r)
        return r;
    former->says.state = event_state_ref(p->says.state);
    former->says.body_len = p->says.body_len;
    former->says.version = p->says.version;
    former->says.priority = p->says.priority;
    former->says.changed = p->says.changed;
    former->says.changed_wall_ms = p->says.changed_wall_ms;
    former->origin = p->origin;
    former->published_wall_ms = p->published_wall_ms;
    former->expires_s = p->expires_s;
    former->grace_s = p->grace_s;
    former->ends_ms =
        clock_monotonic_ms(store->cfg.clock) + timer_left_ms(store->cfg.wheel, &p->expiry);
    memcpy(former->tag, p->tag, ETAG_BYTES);
    return 0;
}

int published_promise(struct publication *p, struct publication_promise **out)
{
    struct publication_store *store = p->resource->store;
    struct publication_promise *promise;
    int r = 0;

    *out = NULL;
    if (!store->cfg.keep.wait)
        return 0;
    promise = calloc(1, sizeof(*promise));
    if (!promise)
        return -ENOMEM;
    list_init(&promise->of_store);
    list_init(&promise->of_publication);
    promise->publication = p;
    promise->initial = !p->tagged;
    if (!promise->initial)
        r = former_copy(&promise->former, p);
    if (r) {
        published_promise_destroy(store, promise);
        return r;
    }
    list_append(&store->promises, &promise->of_store);
    list_append(&p->promises, &promise->of_publication);
    *out = promise;
    return 0;
}

void published_promises_forget(struct publication *p)
{
    LIST_FOREACH_SAFE (it, &p->promises) {
        promise_at(it)->publication = NULL;
        list_remove(it);
    }
}

void published_promises_destroy(struct publication_store *store)
{
    LIST_FOREACH_SAFE (it, &store->promises)
        published_promise_destroy(store, CONTAINER_OF(it, struct publication_promise, of_store));
}

/* ---- broken ---- */

/* Without memory for the composite the document stays; the next PUBLISH of its publisher, who has
 * been told to repeat it, brings another one anyway. */
static void former_document(struct publication *p, struct publication_former *former)
{
    struct publication_store *store = p->resource->store;

    if (!p->stream && published_put_back(p, &former->says)) {
        log_error(store->cfg.log, "publication.not_put_back",
                  KV("package", published_word_text(p->package)),
                  KV("extension", published_extension(p->resource)));
        return;
    }
    if (p->stream) { /* what its event did is told again with the next */
        publication_document_fini(store, &p->says);
        p->says = former->says;
    }
    former->says = (struct publication_document){ .state = NULL };
}

static void former_back(struct publication *p, struct publication_former *former)
{
    struct publication_store *store = p->resource->store;
    struct published_word *domain = p->domain;
    struct str call_id = p->call_id;
    uint64_t now_ms = clock_monotonic_ms(store->cfg.clock);

    former_document(p, former);
    BUG_UNLESS(published_tag_set(store, p, former->tag));
    p->domain = former->domain;
    former->domain = domain;
    p->call_id = former->call_id;
    former->call_id = call_id;
    p->origin = former->origin;
    p->published_wall_ms = former->published_wall_ms;
    p->expires_s = former->expires_s;
    p->grace_s = former->grace_s;
    timer_start(store->cfg.wheel, &p->expiry,
                former->ends_ms > now_ms ? former->ends_ms - now_ms : 0);
    published_count(p);
    published_keep(p, true);
}

static void promise_break(struct publication_promise *promise)
{
    struct publication *p = promise->publication;
    struct publication_store *store = p->resource->store;
    struct list *newer = promise->of_publication.next;

    log_warn(store->cfg.log, "publication.taken_back", KV_U("initial", promise->initial),
             KV("package", published_word_text(p->package)),
             KV("extension", published_extension(p->resource)));
    if (newer != &p->promises) { /* if that is broken too, this is what was before */
        struct publication_former former = promise->former;

        promise->former = promise_at(newer)->former;
        promise_at(newer)->former = former;
        promise_at(newer)->initial = promise->initial;
        return;
    }
    if (!promise->initial)
        former_back(p, &promise->former);
    /* A reload may have taken away the place where it was before. */
    if ((promise->initial || !published_keeps_place(p)) && published_remove(p))
        published_remove_later(p);
}

void publication_promise_end(struct publication_store *store, struct publication_promise *promise,
                             bool kept)
{
    if (promise->publication && !promise->publication->ended && !kept)
        promise_break(promise);
    published_promise_destroy(store, promise);
}
