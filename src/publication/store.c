// SPDX-License-Identifier: MIT
/* The operations of RFC 3903 section 4.1: by entity-tag, body and lifetime. */
#include "publication/compose.h"
#include "publication/store_internal.h"

#include <stdlib.h>

static struct published_resource *resource_of(struct map_node *node)
{
    return CONTAINER_OF(node, struct published_resource, node);
}

/* ---- life ---- */

int publication_store_create(struct publication_store **out, const struct publication_config *cfg)
{
    struct publication_store *store = calloc(1, sizeof(*store));
    int r = -ENOMEM;

    if (!store)
        return r;
    store->cfg = *cfg;
    /* Those of a store that was started before, whatever became of them, are smaller. */
    store->last_serial = store->last_change = cfg->incarnation << 32;
    list_init(&store->ended);
    list_init(&store->promises);
    timer_init(&store->clear, published_clear_fire);
    r = map_init(&store->words, cfg->rng);
    if (r == 0)
        r = map_init(&store->resources, cfg->rng);
    if (r == 0)
        r = map_init(&store->tags, cfg->rng);
    if (r)
        publication_store_destroy(store);
    else
        *out = store;
    return r;
}

void publication_store_destroy(struct publication_store *store)
{
    if (!store)
        return;
    store->cfg.keep = (struct keep){ .ctx = NULL };
    timer_stop(store->cfg.wheel, &store->clear);
    publications_restored_end(store);
    if (store->resources.buckets)
        MAP_FOREACH (node, &store->resources)
            resource_of(node)->kept = NULL;
    published_promises_destroy(store);
    published_clear(store, SIZE_MAX);
    if (store->resources.buckets)
        MAP_FOREACH_SAFE (node, &store->resources) {
            LIST_FOREACH_SAFE (it, &resource_of(node)->publications) {
                list_remove(it);
                published_destroy(store, published_at(it));
            }
            published_resource_tidy(resource_of(node));
        }
    map_fini(&store->tags);
    map_fini(&store->resources);
    map_fini(&store->words);
    free(store);
}

/* ---- what an entity-tag is good for ---- */

static bool names_resource(const struct published_resource *resource,
                           const struct publication_request *rq)
{
    return str_equal(published_extension(resource), rq->extension) &&
           str_equal(published_word_text(resource->context), rq->context);
}

static struct publication *publication_matching(struct publication_store *store,
                                                const struct publication_request *rq)
{
    struct publication *p = published_find(store, rq->if_match);

    return p && names_resource(p->resource, rq) &&
                   str_equal(published_word_text(p->package), rq->package) &&
                   str_equal(published_word_text(p->publisher), rq->publisher)
               ? p
               : NULL;
}

/* ---- granted ---- */

/* Without memory for it the one before goes on: it was of the same section. */
static void domain_keep(struct publication *p, struct str domain)
{
    struct publication_store *store = p->resource->store;
    struct published_word *former = p->domain, *next;

    if (str_equal(published_word_text(former), domain) ||
        published_word_get(store, WORD_DOMAIN, domain, &next))
        return;
    p->domain = next;
    published_word_put(store, former);
}

/* By a key that stays the same, as it outlives the process. Who finds another origin with the same
 * hash gets nothing by it: what he supersedes has to be of the same publisher. */
static uint64_t origin_of(const struct publication_request *rq)
{
    static const struct map fixed = { .key = { 1, 2 } };

    return rq->origin.n ? map_hash(&fixed, rq->origin) : 0;
}

/* The answer to a success: `p`, with another document if that is `modified`, lives on under a new
 * tag, until its new end. */
static void publication_grant(struct publication *p, const struct publication_request *rq,
                              bool modified, struct publication_answer *answer)
{
    struct publication_store *store = p->resource->store;

    domain_keep(p, rq->domain);
    p->origin = origin_of(rq);
    p->expires_s = rq->expires_s;
    p->grace_s = rq->grace_s;
    timer_start(store->cfg.wheel, &p->expiry, ((uint64_t)rq->expires_s + rq->grace_s) * 1000);
    published_tag_renew(store, p);
    answer->etag = published_tag_print(store->etag, p->tag);
    published_keep(p, modified);
}

/* RFC 3903 section 6 wants a tag even where there is nothing for it to name. */
static void nothing_grant(struct publication_store *store, struct publication_answer *answer)
{
    unsigned char tag[ETAG_BYTES];

    published_tag_random(store, tag);
    answer->etag = published_tag_print(store->etag, tag);
}

static void tell(const struct publication_store *store, const struct change_publication *c)
{
    if (store->cfg.port.changed)
        store->cfg.port.changed(store->cfg.port.ctx, c);
}

void published_tell(const struct publication *p, enum publication_change what)
{
    tell(p->resource->store,
         &(struct change_publication){ .what = what,
                                       .package = published_word_text(p->package),
                                       .context = published_word_text(p->resource->context),
                                       .extension = published_extension(p->resource),
                                       .publisher = published_word_text(p->publisher),
                                       .content_type = published_word_text(p->says.content_type),
                                       .call_id = p->call_id,
                                       .status = 200 });
}

void published_begin(const struct publication_store *store, struct str publisher)
{
    if (store->cfg.port.begin)
        store->cfg.port.begin(store->cfg.port.ctx, publisher);
}

void published_over(const struct publication_store *store)
{
    if (store->cfg.port.end)
        store->cfg.port.end(store->cfg.port.ctx);
}

static struct change_publication change_of(const struct publication_request *rq,
                                           const struct publication_answer *answer)
{
    return (struct change_publication){ .package = rq->package,
                                        .context = rq->context,
                                        .extension = rq->extension,
                                        .publisher = rq->publisher,
                                        .content_type = rq->content_type,
                                        .call_id = rq->call_id,
                                        .entity_tag = answer->etag,
                                        .expires_s = rq->expires_s };
}

static void tell_applied(const struct publication_store *store,
                         const struct publication_request *rq,
                         const struct publication_answer *answer, enum publication_change what)
{
    struct change_publication c = change_of(rq, answer);

    c.what = what;
    c.status = 200;
    log_debug(store->cfg.log, "publication.applied", KV("operation", publication_change_name(what)),
              KV("package", rq->package), KV("context", rq->context),
              KV("extension", rq->extension), KV("publisher", rq->publisher),
              KV_U("expires_s", rq->expires_s));
    tell(store, &c);
}

static void tell_refused(const struct publication_store *store,
                         const struct publication_request *rq,
                         const struct publication_answer *answer, enum publication_outcome outcome)
{
    static const struct {
        unsigned status;
        const char *why;
    } answers[] = {
        [PUBLICATION_NO_MATCH] = { 412, "no publication has this entity-tag" },
        [PUBLICATION_NO_BODY] = { 400, "there is no body" },
        [PUBLICATION_QUOTA] = { 503, "there are too many publications" },
        [PUBLICATION_UNSERVED] = { 404, "nothing is published there" },
        [PUBLICATION_UNKEPT] = { 503, "publications cannot be written to disk now" },
    };
    struct change_publication c = change_of(rq, answer);

    c.what = PUBLICATION_CHANGE_REFUSED;
    if (outcome == PUBLICATION_BAD_BODY) {
        c.status = answer->status;
        c.why = answer->why;
    } else {
        c.status = answers[outcome].status;
        c.why = str_of(answers[outcome].why);
    }
    tell(store, &c);
}

/* The Call-ID last used, on the heap; empty where the publication has it already. */
static int call_id_make(const struct publication *p, const struct publication_request *rq,
                        struct str *out)
{
    *out = STR_EMPTY;
    if (!rq->call_id.n || str_equal(p->call_id, rq->call_id))
        return 0;
    return str_dup(out, rq->call_id);
}

static void call_id_keep(struct publication *p, struct str call_id)
{
    if (!call_id.p)
        return;
    str_free(&p->call_id);
    p->call_id = call_id;
}

/* ---- refresh, modify, remove ---- */

/* Would the resource be too much for one NOTIFY? Then its watchers would see nothing any more, and
 * not only of this publisher. It is settled here, where somebody can be told: no composite of what
 * was accepted is larger, whichever publications end. */
static bool overflows(const struct publication *p, const struct event_state *next, bool *by_itself)
{
    size_t n = event_state_shown(next);

    *by_itself = n > COMPOSITE_SHOWN_MAX;
    LIST_FOREACH (it, &p->resource->publications)
        if (published_at(it) != p && event_states_add_up(published_at(it)->says.state, next))
            n += event_state_shown(published_at(it)->says.state);
    return n > COMPOSITE_SHOWN_MAX;
}

/* `p` says what the request says, in place of `former`. */
static int settle(struct publication *p, const struct publication_request *rq,
                  const struct publication_document *former, struct list *gone,
                  struct publication_answer *answer)
{
    struct publication_store *store = p->resource->store;
    struct publication_document next = { .state = NULL };
    bool by_itself;
    int r;

    if (rq->stream)
        return published_settle_stream(p, rq, gone);
    r = publication_document_make(store, rq, former, &next, answer);
    if (r)
        return r;
    if (overflows(p, next.state, &by_itself)) {
        r = published_refuse(store, answer, 413,
                             STR("all that is published for this resource would be too large to be "
                                 "sent to its watchers"));
        answer->temporary = !by_itself;
    } else {
        r = published_settle(p, &next, gone);
    }
    if (r)
        publication_document_fini(store, &next);
    return r;
}

static int apply_remove(struct publication_store *store, struct publication *p,
                        const struct publication_request *rq, struct publication_answer *answer)
{
    int r = published_remove(p);

    if (r)
        return r;
    nothing_grant(store, answer);
    store->counters.removed++;
    tell_applied(store, rq, answer, PUBLICATION_CHANGE_REMOVED);
    return 0;
}

static int apply_refresh(struct publication_store *store, struct publication *p,
                         const struct publication_request *rq, struct publication_answer *answer)
{
    struct str call_id;
    int r = call_id_make(p, rq, &call_id);

    if (r)
        return r;
    call_id_keep(p, call_id);
    published_count(p);
    publication_grant(p, rq, false, answer);
    store->counters.refreshed++;
    tell_applied(store, rq, answer, PUBLICATION_CHANGE_REFRESHED);
    return 0;
}

static int apply_modify(struct publication_store *store, struct publication *p,
                        const struct publication_request *rq, struct publication_answer *answer)
{
    struct list nobody = { &nobody, &nobody };
    struct str call_id;
    struct publication_promise *promise = NULL;
    int r;

    r = call_id_make(p, rq, &call_id);
    if (r == 0)
        r = published_promise(p, &promise);
    if (r == 0)
        r = settle(p, rq, &p->says, &nobody, answer);
    if (r)
        goto out;
    answer->promise = promise;
    promise = NULL;
    call_id_keep(p, call_id);
    call_id = STR_EMPTY;
    published_count(p);
    publication_grant(p, rq, true, answer);
    store->counters.modified++;
    tell_applied(store, rq, answer, PUBLICATION_CHANGE_MODIFIED);
out:
    published_promise_destroy(store, promise);
    str_free(&call_id);
    return r;
}

/* ---- initial, and what it supersedes ---- */

/* The local tag tells those apart to whom one call was forked. */
static bool same_dialog(const struct es_dialog *a, const struct es_dialog *b)
{
    struct str tags[] = { es_str(a->local_tag), es_str(b->local_tag) };

    return str_equal(es_str(a->call_id), es_str(b->call_id)) &&
           str_equal(es_str(a->id), es_str(b->id)) &&
           (!tags[0].n || !tags[1].n || str_equal(tags[0], tags[1]));
}

/* Mostly they are in the same order. */
static bool dialogs_within(const struct event_state *a, const struct event_state *b)
{
    for (size_t i = 0; i < a->n_dialogs; i++) {
        size_t n = 0;

        while (n < b->n_dialogs &&
               !same_dialog(&a->dialogs[i], &b->dialogs[(i + n) % b->n_dialogs]))
            n++;
        if (n == b->n_dialogs)
            return false;
    }
    return true;
}

static bool same_dialogs(const struct event_state *a, const struct event_state *b)
{
    return a->n_dialogs == b->n_dialogs && dialogs_within(a, b) && dialogs_within(b, a);
}

static size_t n_named(const struct event_state *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n_dialogs; i++)
        n += e->dialogs[i].call_id.n > 0;
    return n;
}

/* Without a Call-ID the id alone may be a counter that every telephone of a publisher begins at
 * one, and so they may all be one publisher: those behind one address who do not say who they are.
 * Then it must be the same host, which may have nothing to tell now. A publication that is
 * superseded wrongly hides a call. */
static bool tells_the_same_dialogs(const struct event_state *a, const struct event_state *b,
                                   bool same_host)
{
    if (n_named(a) == a->n_dialogs && n_named(b) == b->n_dialogs && a->n_dialogs && b->n_dialogs)
        return same_dialogs(a, b);
    return same_host && !n_named(a) && !n_named(b) &&
           (!a->n_dialogs || !b->n_dialogs || same_dialogs(a, b));
}

static bool has_tuple(const struct es_presence *p, struct str id)
{
    for (size_t i = 0; i < p->n_tuples; i++)
        if (str_equal(es_str(p->tuples[i].id), id))
            return true;
    return false;
}

/* The ids of tuples are one document's own (RFC 3863 section 4.1.2), and those of one host. */
static bool tells_the_same_tuples(const struct es_presence *a, const struct es_presence *b)
{
    for (size_t i = 0; i < a->n_tuples; i++)
        if (!has_tuple(b, es_str(a->tuples[i].id)))
            return false;
    return a->n_tuples && a->n_tuples == b->n_tuples;
}

/* A publisher that lost its tag begins anew: known by its Call-ID, or by what it tells. */
static bool is_superseded(const struct publication *p, const struct publication_request *rq)
{
    bool same_host = p->origin && p->origin == origin_of(rq);
    const struct event_state *former = p->says.state, *now = rq->document;

    if (p->internal || !str_equal(published_word_text(p->publisher), rq->publisher) ||
        !str_equal(published_word_text(p->package), rq->package))
        return false;
    if (rq->call_id.n && str_equal(p->call_id, rq->call_id))
        return true;
    if (!former || !now)
        return false;
    if (former->has_dialogs && now->has_dialogs)
        return tells_the_same_dialogs(former, now, same_host);
    return same_host && former->has_presence && now->has_presence &&
           tells_the_same_tuples(&former->presence, &now->presence);
}

/* The first one found goes on as the new publication, which so keeps its place and the ids of its
 * dialogs; the others are taken out into `gone`. */
static struct publication *supersede(struct published_resource *resource,
                                     const struct publication_request *rq, struct list *gone)
{
    struct publication *heir = NULL;

    if (!rq->supersede)
        return NULL;
    LIST_FOREACH_SAFE (it, &resource->publications) {
        if (!is_superseded(published_at(it), rq))
            continue;
        if (heir) {
            list_remove(it);
            list_append(gone, it);
        } else {
            heir = published_at(it);
        }
    }
    return heir;
}

static bool over_quota(const struct publication_store *store,
                       const struct published_resource *resource,
                       const struct publication_request *rq)
{
    if (rq->max_per_resource && resource->published >= rq->max_per_resource)
        return true;
    return rq->max_per_publisher &&
           published_word_uses(store, WORD_PUBLISHER, rq->publisher) >= rq->max_per_publisher;
}

/* In a resource that is there: `heir` is what the new one supersedes, or NULL. */
static int initial_settle(struct published_resource *resource, struct publication *heir,
                          const struct publication_request *rq, struct list *gone,
                          struct publication_answer *answer)
{
    const struct published_identity who = { .publisher = rq->publisher,
                                            .package = rq->package,
                                            .call_id = rq->call_id,
                                            .domain = rq->domain,
                                            .stream = rq->stream };
    struct publication_store *store = resource->store;
    struct publication *p = heir, *created = NULL;
    struct publication_promise *promise = NULL;
    struct str call_id = STR_EMPTY;
    size_t n_gone = published_length(gone) + (heir ? 1 : 0);
    int r = 0;

    if (heir) {
        r = call_id_make(heir, rq, &call_id);
    } else {
        if (over_quota(store, resource, rq))
            return PUBLICATION_QUOTA;
        r = published_create(resource, &who, &created);
        p = created;
    }
    if (r == 0)
        r = published_promise(p, &promise);
    if (r == 0)
        r = settle(p, rq, NULL, gone, answer);
    if (r)
        goto out;
    answer->promise = promise;
    promise = NULL;
    created = NULL;
    call_id_keep(p, call_id);
    call_id = STR_EMPTY;
    p->published_wall_ms = clock_wall_ms(store->cfg.clock);
    published_count(p);
    publication_grant(p, rq, true, answer);
    store->counters.superseded += n_gone;
out:
    published_promise_destroy(store, promise);
    published_destroy(store, created);
    str_free(&call_id);
    return r;
}

static int apply_initial(struct publication_store *store, const struct publication_request *rq,
                         struct publication_answer *answer)
{
    const struct resource_name name = published_name(rq->package, rq->context, rq->extension);
    struct list gone = { &gone, &gone };
    struct published_resource *resource;
    struct publication *heir;
    int r;

    published_clear(store, 2); /* what has ended must not pile up, however many come and go */
    r = published_resource_get(store, &name, &resource);
    if (r)
        return r;
    heir = supersede(resource, rq, &gone);
    r = initial_settle(resource, heir, rq, &gone, answer);
    list_splice(&resource->publications, &gone);
    if (r) {
        published_resource_tidy(resource);
        return r;
    }
    store->counters.initial++;
    tell_applied(store, rq, answer, PUBLICATION_CHANGE_INITIAL);
    return 0;
}

/* ---- what has a place ---- */

bool published_is_served(const struct publication_store *store,
                         const struct publication_place *place)
{
    const struct publication_port *port = &store->cfg.port;

    return !port->served || port->served(port->ctx, place);
}

bool published_keeps_place(const struct publication *p)
{
    const struct published_resource *resource = p->resource;

    return p->internal || published_is_served(resource->store,
                                              &(struct publication_place){
                                                  .package = published_word_text(p->package),
                                                  .context = published_word_text(resource->context),
                                                  .extension = published_extension(resource),
                                                  .domain = published_word_text(p->domain),
                                                  .stream = p->stream });
}

static void resource_prune(struct published_resource *resource)
{
    struct publication_store *store = resource->store;
    struct list gone = { &gone, &gone };
    size_t n;

    LIST_FOREACH_SAFE (it, &resource->publications) {
        const struct publication *p = published_at(it);

        if (published_keeps_place(p))
            continue;
        log_info(store->cfg.log, "publication.unserved",
                 KV("package", published_word_text(p->package)),
                 KV("context", published_word_text(resource->context)),
                 KV("extension", published_extension(resource)),
                 KV("domain", published_word_text(p->domain)),
                 KV("publisher", published_word_text(p->publisher)));
        list_remove(it);
        list_append(&gone, it);
    }
    n = published_length(&gone);
    if (!n)
        return;
    LIST_FOREACH (it, &gone)
        published_tell(published_at(it), PUBLICATION_CHANGE_REMOVED);
    if (published_remove_all(resource, &gone) == 0) {
        store->counters.removed += n;
        return;
    }
    LIST_FOREACH (it, &resource->publications)
        if (!published_keeps_place(published_at(it)))
            published_remove_later(published_at(it));
}

void publication_store_prune(struct publication_store *store)
{
    published_begin(store, STR_EMPTY);
    MAP_FOREACH_SAFE (node, &store->resources)
        resource_prune(resource_of(node));
    published_over(store);
}

/* ---- one request ---- */

static int apply(struct publication_store *store, const struct publication_request *rq,
                 struct publication_answer *answer)
{
    struct publication *p = rq->if_match.n ? publication_matching(store, rq) : NULL;

    if (!published_is_served(store, &(struct publication_place){ .package = rq->package,
                                                                 .context = rq->context,
                                                                 .extension = rq->extension,
                                                                 .domain = rq->domain,
                                                                 .stream = rq->stream }))
        return PUBLICATION_UNSERVED;
    if (rq->if_match.n && !p)
        return PUBLICATION_NO_MATCH;
    if (!rq->expires_s) {
        if (p)
            return apply_remove(store, p, rq, answer);
        nothing_grant(store, answer);
        return 0;
    }
    if (rq->refusal.status)
        return published_refuse(store, answer, rq->refusal.status, rq->refusal.why);
    if (!rq->body.n)
        return p ? apply_refresh(store, p, rq, answer) : PUBLICATION_NO_BODY;
    if (keep_fails(&store->cfg.keep))
        return PUBLICATION_UNKEPT;
    return p ? apply_modify(store, p, rq, answer) : apply_initial(store, rq, answer);
}

int publication_apply(struct publication_store *store, const struct publication_request *rq,
                      struct publication_answer *answer)
{
    struct publication_counters *counters = &store->counters;
    int r;

    BUG_UNLESS(rq->document || rq->diff || rq->stream || !rq->body.n || !rq->expires_s ||
               rq->refusal.status);
    *answer = (struct publication_answer){ .status = 0 };
    published_begin(store, rq->publisher);
    r = apply(store, rq, answer);
    if (r > 0)
        tell_refused(store, rq, answer, (enum publication_outcome)r);
    published_over(store);
    counters->no_match += r == PUBLICATION_NO_MATCH || r == PUBLICATION_UNSERVED;
    counters->refused += r == PUBLICATION_NO_BODY || r == PUBLICATION_BAD_BODY;
    counters->over_quota += r == PUBLICATION_QUOTA;
    return r;
}
