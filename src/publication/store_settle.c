// SPDX-License-Identifier: MIT
/* Publications of a resource come, change and go, and each time its composite is made anew. What
 * can fail is done first; telling the composite is the last of it. */
#include "publication/compose.h"
#include "publication/store_internal.h"

#include <stdlib.h>

enum {
    EXPIRY_RETRY_MS = 1000,
    CLEAR_MAX = 2048,      /* publications in each tick: some milliseconds of ten */
    CLOCK_LOOK_MS = 10000, /* how often somebody who waits for a time looks at the wall clock */
};

static void publication_expired(struct timer *t);

/* ---- bytes ---- */

static void bytes_count(struct publication_store *store, uint32_t *counted, size_t bytes)
{
    store->counters.bytes += bytes - *counted;
    *counted = (uint32_t)bytes;
}

void published_count(struct publication *p)
{
    bytes_count(p->resource->store, &p->bytes,
                sizeof(*p) + p->call_id.n + p->says.body.n + event_state_bytes(p->says.state));
}

/* Composites are shared with the only publication that a resource mostly has. */
static void resource_count(struct published_resource *resource)
{
    struct list *first = resource->publications.next;
    bool shared = !list_empty(&resource->publications) &&
                  published_at(first)->says.state == resource->composite;

    bytes_count(resource->store, &resource->bytes,
                sizeof(*resource) + resource->extension_len +
                    (shared ? 0 : event_state_bytes(resource->composite)));
}

/* ---- the composite ---- */

/* `changed`, which may be NULL, has just replaced `former`. */
static struct composition_input *inputs_make(struct published_resource *resource, size_t n,
                                             const struct publication *changed,
                                             const struct event_state *former)
{
    struct composition_input *inputs = calloc(n, sizeof(*inputs)), *in = inputs;

    if (!inputs)
        return NULL;
    LIST_FOREACH (it, &resource->publications) {
        const struct publication *p = published_at(it);

        *in++ = (struct composition_input){ .document = p->says.state,
                                            .former = p == changed ? former : NULL,
                                            .serial = p->serial,
                                            .changed = p->says.changed,
                                            .priority = p->says.priority,
                                            .scoped = p->scoped };
    }
    return inputs;
}

/* Of one that is settled right now that is written with the rest. */
static void scopes_keep(struct published_resource *resource, const struct composition_input *inputs)
{
    LIST_FOREACH (it, &resource->publications) {
        struct publication *p = published_at(it);
        bool changed = p->scoped != inputs->scoped;

        p->scoped = inputs++->scoped;
        if (changed && p->tagged)
            published_keep(p, false);
    }
}

static int composite_tell(struct published_resource *resource, const struct event_state *composite)
{
    const struct publication_port *port = &resource->store->cfg.port;
    const struct resource_name name = {
        .package = published_word_text(resource->package),
        .context = published_word_text(resource->context),
        .extension = published_extension(resource),
    };

    return port->composed(port->ctx, &name, composite, &resource->kept);
}

static bool composite_is_news(const struct published_resource *resource,
                              const struct event_state *composite)
{
    return !composite || !resource->composite || !composite_same(composite, resource->composite);
}

/* Somebody may set the clock: it is looked at again before long, and each time whether it is still
 * within what the composite was made for. */
static void turn_arm(struct published_turn *turn, uint64_t wall_ms)
{
    uint64_t left_ms = turn->until_ms - wall_ms;

    timer_start(turn->resource->store->cfg.wheel, &turn->timer,
                left_ms < CLOCK_LOOK_MS ? left_ms : CLOCK_LOOK_MS);
}

static void turn_fire(struct timer *t);

/* For what the resource's list says now; NULL when all of that holds always. 0 or -ENOMEM. */
static int turn_make(struct published_resource *resource, uint64_t wall_ms,
                     struct published_turn **out)
{
    struct published_turn turn = { .resource = resource, .until_ms = UINT64_MAX };

    LIST_FOREACH (it, &resource->publications)
        event_state_period(published_at(it)->says.state, wall_ms, &turn.from_ms, &turn.until_ms);
    *out = NULL;
    if (!turn.from_ms && turn.until_ms == UINT64_MAX)
        return 0;
    *out = malloc(sizeof(turn));
    if (!*out)
        return -ENOMEM;
    **out = turn;
    timer_init(&(*out)->timer, turn_fire);
    return 0;
}

void published_turn_destroy(struct publication_store *store, struct published_turn *turn)
{
    if (!turn)
        return;
    timer_stop(store->cfg.wheel, &turn->timer);
    free(turn);
}

static void turn_replace(struct published_resource *resource, struct published_turn *turn,
                         uint64_t wall_ms)
{
    published_turn_destroy(resource->store, resource->turn);
    resource->turn = turn;
    if (turn)
        turn_arm(turn, wall_ms);
}

/* What the resource's list makes now, told if it is news. 0 or -ENOMEM, then nothing has been done.
 */
static int resource_compose(struct published_resource *resource, const struct publication *changed,
                            const struct event_state *former)
{
    struct publication_counters *counters = &resource->store->counters;
    size_t n = published_length(&resource->publications);
    struct composition_input *inputs = NULL;
    struct event_state *composite = NULL;
    struct published_turn *turn = NULL;
    uint64_t wall_ms = clock_wall_ms(resource->store->cfg.clock);
    bool news;
    int r = 0;

    if (n) {
        inputs = inputs_make(resource, n, changed, former);
        r = inputs ? composite_create(&composite, inputs, n, wall_ms) : -ENOMEM;
    }
    if (r == 0)
        r = turn_make(resource, wall_ms, &turn);
    if (r)
        goto out;
    news = composite_is_news(resource, composite);
    if (news)
        r = composite_tell(resource, composite);
    if (r)
        goto out;
    if (inputs)
        scopes_keep(resource, inputs);
    turn_replace(resource, turn, wall_ms);
    turn = NULL;
    if (news) {
        event_state_unref(resource->composite);
        resource->composite = composite;
        composite = NULL;
        counters->composed++;
    } else {
        counters->unchanged++;
    }
out:
    published_turn_destroy(resource->store, turn);
    event_state_unref(composite);
    free(inputs);
    return r;
}

static void turn_fire(struct timer *t)
{
    struct published_turn *turn = CONTAINER_OF(t, struct published_turn, timer);
    struct published_resource *resource = turn->resource;
    uint64_t wall_ms = clock_wall_ms(resource->store->cfg.clock);

    if (wall_ms >= turn->from_ms && wall_ms < turn->until_ms)
        turn_arm(turn, wall_ms);
    else if (resource_compose(resource, NULL, NULL)) /* must not be lost for want of memory */
        timer_start(resource->store->cfg.wheel, t, EXPIRY_RETRY_MS);
}

/* ---- publications ---- */

int published_create(struct published_resource *resource, const struct published_identity *who,
                     struct publication **out)
{
    struct publication_store *store = resource->store;
    struct publication *p = calloc(1, sizeof(*p));
    int r = -ENOMEM;

    if (!p)
        goto out;
    list_init(&p->of_resource);
    list_init(&p->promises);
    timer_init(&p->expiry, publication_expired);
    p->resource = resource;
    p->internal = who->internal;
    p->stream = who->stream;
    p->serial = store->last_serial + 1;
    p->published_wall_ms = clock_wall_ms(store->cfg.clock);
    r = published_word_get(store, who->internal ? WORD_SOURCE : WORD_PUBLISHER, who->publisher,
                           &p->publisher);
    if (r == 0)
        r = published_word_get(store, WORD_PACKAGE, who->package, &p->package);
    if (r == 0 && !who->internal)
        r = published_word_get(store, WORD_DOMAIN, who->domain, &p->domain);
    if (r == 0 && who->call_id.n)
        r = str_dup(&p->call_id, who->call_id);
    if (r)
        goto out;
    *out = p;
    p = NULL;
out:
    published_destroy(store, p);
    return r;
}

void published_destroy(struct publication_store *store, struct publication *p)
{
    if (!p)
        return;
    if (p->tagged)
        map_remove(&store->tags, &p->by_tag);
    published_promises_forget(p);
    timer_stop(store->cfg.wheel, &p->expiry);
    store->counters.bytes -= p->bytes;
    publication_document_fini(store, &p->says);
    published_word_put(store, p->publisher);
    published_word_put(store, p->package);
    published_word_put(store, p->domain);
    str_free(&p->call_id);
    free(p);
}

/* Leaves its resource and the quotas: all that anybody can see of it. What is left waits to be
 * cleared away. */
static void published_end(struct publication *p)
{
    struct publication_store *store = p->resource->store;

    if (p->stream)
        store->cfg.port.ended(store->cfg.port.ctx, p->serial);
    p->ended = true;
    p->resource->ended++;
    p->resource->published -= !p->internal;
    store->counters.publications -= !p->internal;
    published_word_put(store, p->publisher);
    p->publisher = NULL;
    list_remove(&p->of_resource);
    list_append(&store->ended, &p->of_resource);
}

/* Its resource may have nothing any more: see published_resource_tidy. */
static void published_bury(struct publication *p)
{
    published_forget(p);
    p->resource->ended--;
    list_remove(&p->of_resource);
    published_destroy(p->resource->store, p);
}

static void published_end_all(struct list *gone)
{
    LIST_FOREACH_SAFE (it, gone) {
        published_end(published_at(it));
        published_bury(published_at(it));
    }
}

void published_clear(struct publication_store *store, size_t max)
{
    LIST_FOREACH_SAFE (it, &store->ended) {
        struct publication *p = published_at(it);
        struct published_resource *resource = p->resource;

        if (!max--)
            return;
        published_bury(p);
        published_resource_tidy(resource);
    }
}

void published_clear_fire(struct timer *t)
{
    struct publication_store *store = CONTAINER_OF(t, struct publication_store, clear);

    published_clear(store, CLEAR_MAX);
    if (!list_empty(&store->ended))
        timer_start(store->cfg.wheel, t, 0);
}

/* `p` is in the list of its resource; what it replaces is no more. */
static void settled(struct publication *p, bool created, struct list *gone)
{
    struct published_resource *resource = p->resource;
    struct publication_store *store = resource->store;

    if (p->serial > store->last_serial)
        store->last_serial = p->serial;
    resource->published += created && !p->internal;
    store->counters.publications += created && !p->internal;
    published_count(p);
    published_end_all(gone);
    resource_count(resource);
}

void published_join(struct publication *p)
{
    struct list nobody = { &nobody, &nobody };

    list_append(&p->resource->publications, &p->of_resource);
    settled(p, true, &nobody);
}

int published_compose(struct published_resource *resource)
{
    int r = resource_compose(resource, NULL, NULL);

    resource_count(resource);
    return r;
}

/* The same once more, for nobody to notice: the document told first stays, and so does its age. */
static bool says_nothing_new(const struct publication *p, const struct publication_document *next,
                             const struct list *gone)
{
    return list_empty(gone) && p->says.state && next->priority == p->says.priority &&
           event_state_same(next->state, p->says.state);
}

int published_settle(struct publication *p, struct publication_document *next, struct list *gone)
{
    struct published_resource *resource = p->resource;
    struct publication_store *store = resource->store;
    struct publication_document former = p->says;
    bool creates = !former.state;
    int r = 0;

    if (says_nothing_new(p, next, gone)) {
        event_state_unref(next->state);
        next->state = event_state_ref(former.state);
        next->changed = former.changed;
        next->changed_wall_ms = former.changed_wall_ms;
        p->says = *next;
        store->counters.unchanged++;
    } else {
        next->changed = store->last_change + 1;
        p->says = *next;
        if (creates)
            list_append(&resource->publications, &p->of_resource);
        r = resource_compose(resource, p, former.state);
    }
    if (r) {
        p->says = former;
        if (creates)
            list_remove(&p->of_resource);
        return r;
    }
    store->last_change++;
    publication_document_fini(store, &former);
    settled(p, creates, gone);
    return 0;
}

int published_put_back(struct publication *p, const struct publication_document *former)
{
    struct publication_document next = p->says;
    struct list nobody = { &nobody, &nobody };
    int r;

    p->says = *former;
    r = resource_compose(p->resource, p, next.state);
    if (r) {
        p->says = next;
        return r;
    }
    publication_document_fini(p->resource->store, &next);
    settled(p, false, &nobody);
    return 0;
}

static int event_tell(const struct publication *p, const struct publication_request *rq)
{
    const struct publication_port *port = &p->resource->store->cfg.port;
    const struct publication_event e = { .serial = p->serial,
                                         .publisher = rq->publisher,
                                         .package = rq->package,
                                         .inbound = published_extension(p->resource),
                                         .answer_section = rq->answer_section,
                                         .event = rq->event };

    return rq->event ? port->event(port->ctx, &e) : 0;
}

int published_settle_stream(struct publication *p, const struct publication_request *rq,
                            struct list *gone)
{
    struct publication_store *store = p->resource->store;
    struct publication_document next = { .body_len = (uint32_t)rq->body.n,
                                         .changed_wall_ms = clock_wall_ms(store->cfg.clock) };
    bool creates = list_empty(&p->of_resource);
    int r = published_word_get(store, WORD_TYPE, rq->content_type, &next.content_type);

    if (r == 0)
        r = event_tell(p, rq);
    if (r) {
        publication_document_fini(store, &next);
        return r;
    }
    publication_document_fini(store, &p->says);
    p->says = next;
    if (creates)
        list_append(&p->resource->publications, &p->of_resource);
    settled(p, creates, gone);
    return 0;
}

int published_remove_all(struct published_resource *resource, struct list *gone)
{
    int r = published_at(gone->next)->stream ? 0 : resource_compose(resource, NULL, NULL);

    if (r) {
        list_splice(&resource->publications, gone);
        return r;
    }
    published_end_all(gone);
    resource_count(resource);
    published_resource_tidy(resource);
    return 0;
}

/* Told, and not yet cleared away. */
static int published_expire(struct publication *p)
{
    struct published_resource *resource = p->resource;
    struct list *next = p->of_resource.next;
    int r;

    list_remove(&p->of_resource);
    r = p->stream ? 0 : resource_compose(resource, NULL, NULL);
    if (r) { /* where it was */
        list_append(next, &p->of_resource);
        return r;
    }
    published_end(p);
    resource_count(resource);
    return 0;
}

int published_remove(struct publication *p)
{
    struct published_resource *resource = p->resource;
    int r = published_expire(p);

    if (r)
        return r;
    published_bury(p);
    published_resource_tidy(resource);
    return 0;
}

/* The end must not be lost for want of memory. */
void published_remove_later(struct publication *p)
{
    log_warn(p->resource->store->cfg.log, "publication.end_delayed");
    timer_start(p->resource->store->cfg.wheel, &p->expiry, EXPIRY_RETRY_MS);
}

static int expire_and_tell(struct publication *p)
{
    const struct publication_store *store = p->resource->store;
    int r;

    published_begin(store, STR_EMPTY);
    r = published_expire(p);
    if (!r)
        published_tell(p, PUBLICATION_CHANGE_EXPIRED);
    published_over(store);
    return r;
}

static void publication_expired(struct timer *t)
{
    struct publication *p = CONTAINER_OF(t, struct publication, expiry);
    struct publication_store *store = p->resource->store;

    log_info(store->cfg.log, "publication.expired", KV("package", published_word_text(p->package)),
             KV("context", published_word_text(p->resource->context)),
             KV("extension", published_extension(p->resource)),
             KV("publisher", published_word_text(p->publisher)));
    if (expire_and_tell(p)) {
        published_remove_later(p);
        return;
    }
    store->counters.expired++;
    if (!timer_running(&store->clear))
        timer_start(store->cfg.wheel, &store->clear, 0);
}
