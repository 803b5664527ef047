// SPDX-License-Identifier: MIT
#include "ctl/recent.h"

#include "feed/change_json.h"

#include <stdlib.h>

enum {
    REFUSALS_MAX = 500,
    SOURCES_MAX = 1000,
    TEXT_MAX = 4096, /* of one refusal */
};

struct refusal {
    struct list link;
    struct str name, endpoint, detail;
    char text[];
};

struct source {
    struct list link;
    struct recent_source is;
    char text[];
};

struct recent {
    struct feed *feed;
    struct feed_consumer consumer;
    struct list refusals, sources; /* the newest last */
    size_t n_refusals, n_sources;
    struct buf scratch;
};

static void refusal_forget(struct recent *r)
{
    struct refusal *oldest = CONTAINER_OF(r->refusals.next, struct refusal, link);

    list_remove(&oldest->link);
    r->n_refusals--;
    free(oldest);
}

/* Without memory one more is forgotten. */
static void refusal_remember(struct recent *r, const struct change *c)
{
    struct str endpoint = c->subscription.watcher.endpoint, all;
    struct json out = json_on(&r->scratch);
    struct refusal *made;
    size_t name_n;

    buf_reset(&r->scratch);
    change_print_name(c, &r->scratch);
    name_n = r->scratch.n;
    json_add_object(&out, NULL);
    change_print_json(c, &out);
    json_end_object(&out);
    all = buf_str(&r->scratch);
    made = r->scratch.error ? NULL : malloc(sizeof(*made) + all.n + endpoint.n);
    if (!made)
        return;
    memcpy(made->text, all.p, all.n);
    if (endpoint.n)
        memcpy(made->text + all.n, endpoint.p, endpoint.n);
    made->name = (struct str){ made->text, name_n };
    made->detail = (struct str){ made->text + name_n, all.n - name_n };
    made->endpoint = (struct str){ made->text + all.n, endpoint.n };
    list_init(&made->link);
    list_append(&r->refusals, &made->link);
    if (++r->n_refusals > REFUSALS_MAX)
        refusal_forget(r);
}

static struct source *source_find(const struct recent *r, struct str name)
{
    LIST_FOREACH (it, &r->sources) {
        struct source *s = CONTAINER_OF(it, struct source, link);

        if (str_equal(s->is.source, name))
            return s;
    }
    return NULL;
}

static void source_remember(struct recent *r, const struct change *c)
{
    const struct change_source *s = &c->source;
    struct source *made = malloc(sizeof(*made) + s->source.n + s->protocol.n + s->why.n), *former;
    char *at;

    if (!made)
        return;
    *made = (struct source){ .is = { .source = s->source,
                                     .protocol = s->protocol,
                                     .why = s->why,
                                     .up = s->up,
                                     .stale = s->stale,
                                     .since_wall_ms = c->wall_ms } };
    at = made->text;
    str_keep(&made->is.source, &at);
    str_keep(&made->is.protocol, &at);
    str_keep(&made->is.why, &at);
    former = source_find(r, s->source);
    if (!former && r->n_sources == SOURCES_MAX)
        former = CONTAINER_OF(r->sources.next, struct source, link);
    list_init(&made->link);
    list_append(&r->sources, &made->link);
    r->n_sources += former == NULL;
    if (former)
        list_remove(&former->link);
    free(former);
}

static void on_change(void *ctx, const struct change *c)
{
    if (c->kind == CHANGE_SOURCE)
        source_remember(ctx, c);
    else
        refusal_remember(ctx, c);
}

int recent_create(struct recent **out, struct feed *feed)
{
    struct recent *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    list_init(&r->refusals);
    list_init(&r->sources);
    buf_init(&r->scratch, TEXT_MAX);
    r->feed = feed;
    r->consumer = (struct feed_consumer){
        .kinds = CHANGE_BIT(CHANGE_REFUSAL) | CHANGE_BIT(CHANGE_SOURCE), .each = on_change, .ctx = r
    };
    feed_subscribe(feed, &r->consumer);
    *out = r;
    return 0;
}

void recent_destroy(struct recent *r)
{
    if (!r)
        return;
    feed_unsubscribe(r->feed, &r->consumer);
    LIST_FOREACH_SAFE (it, &r->refusals)
        free(CONTAINER_OF(it, struct refusal, link));
    LIST_FOREACH_SAFE (it, &r->sources)
        free(CONTAINER_OF(it, struct source, link));
    buf_fini(&r->scratch);
    free(r);
}

static bool fits(const struct refusal *f, const struct recent_question *q)
{
    if (q->endpoint.n && !str_equal(f->endpoint, q->endpoint))
        return false;
    return (!q->resource.n && !q->extension.n) ||
           (q->resource.n && str_equal(f->name, q->resource)) ||
           (q->extension.n && str_equal(f->name, q->extension));
}

void recent_refusals_each(const struct recent *r, const struct recent_question *q,
                          void (*each)(void *ctx, struct str detail), void *ctx)
{
    LIST_FOREACH (it, &r->refusals) {
        const struct refusal *f = CONTAINER_OF(it, const struct refusal, link);

        if (fits(f, q))
            each(ctx, f->detail);
    }
}

void recent_sources_each(const struct recent *r,
                         void (*each)(void *ctx, const struct recent_source *s), void *ctx)
{
    LIST_FOREACH (it, &r->sources)
        each(ctx, &CONTAINER_OF(it, const struct source, link)->is);
}
