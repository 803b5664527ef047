// SPDX-License-Identifier: MIT
#include "ctl/recent.h"

#include "feed/change_json.h"

#include <stdlib.h>

enum {
    REFUSALS_MAX = 500, /* of endpoints, and as many of strangers, who push out none of those */
    TEXT_MAX = 4096,    /* of one refusal */
};

struct refusal {
    struct list link;
    struct str name, endpoint, from, detail;
    enum subscription_change what;
    unsigned status;
    bool known; /* what it is about */
    uint64_t times;
    char text[];
};

struct refusals {
    struct list list; /* the newest last */
    size_t n;
};

struct recent {
    struct feed *feed;
    struct feed_consumer consumer;
    struct refusals endpoints, strangers;
    struct buf scratch;
};

static void refusal_forget(struct refusals *of, struct refusal *f)
{
    list_remove(&f->link);
    of->n--;
    free(f);
}

/* What differs only in when it was. */
static struct refusal *refusal_find(const struct refusals *of, const struct refusal *like)
{
    LIST_FOREACH (it, &of->list) {
        struct refusal *f = CONTAINER_OF(it, struct refusal, link);

        if (f->what == like->what && f->status == like->status && str_equal(f->name, like->name) &&
            str_equal(f->endpoint, like->endpoint) && str_equal(f->from, like->from))
            return f;
    }
    return NULL;
}

/* NULL without memory. */
static struct refusal *refusal_make(struct recent *r, const struct change *c)
{
    const struct change_subscription *s = &c->subscription;
    struct json out = json_on(&r->scratch);
    struct refusal *made;
    size_t name_n;
    char *at;

    buf_reset(&r->scratch);
    change_print_name(c, &r->scratch);
    name_n = r->scratch.n;
    json_add_object(&out, NULL);
    change_print_json(c, &out);
    json_end_object(&out);
    if (r->scratch.error)
        return NULL;
    made = malloc(sizeof(*made) + r->scratch.n + s->watcher.endpoint.n + s->from.n);
    if (!made)
        return NULL;
    *made = (struct refusal){ .name = str_sub(buf_str(&r->scratch), 0, name_n),
                              .detail = str_sub(buf_str(&r->scratch), name_n, r->scratch.n),
                              .endpoint = s->watcher.endpoint,
                              .from = s->from,
                              .what = s->what,
                              .status = s->status,
                              .known = c->snapshot != NULL,
                              .times = 1 };
    at = made->text;
    str_keep(&made->name, &at);
    str_keep(&made->detail, &at);
    str_keep(&made->endpoint, &at);
    str_keep(&made->from, &at);
    list_init(&made->link);
    return made;
}

/* Without memory it is forgotten. */
static void refusal_remember(struct recent *r, const struct change *c)
{
    struct refusals *of = c->subscription.watcher.endpoint.n ? &r->endpoints : &r->strangers;
    struct refusal *made = refusal_make(r, c), *former;

    if (!made)
        return;
    former = refusal_find(of, made);
    if (former) {
        made->times += former->times;
        refusal_forget(of, former);
    } else if (of->n == REFUSALS_MAX) {
        refusal_forget(of, CONTAINER_OF(of->list.next, struct refusal, link));
    }
    list_append(&of->list, &made->link);
    of->n++;
}

static void on_change(void *ctx, const struct change *c)
{
    refusal_remember(ctx, c);
}

int recent_create(struct recent **out, struct feed *feed)
{
    struct recent *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    list_init(&r->endpoints.list);
    list_init(&r->strangers.list);
    buf_init(&r->scratch, TEXT_MAX);
    r->feed = feed;
    r->consumer =
        (struct feed_consumer){ .kinds = CHANGE_BIT(CHANGE_REFUSAL), .each = on_change, .ctx = r };
    feed_subscribe(feed, &r->consumer);
    *out = r;
    return 0;
}

void recent_destroy(struct recent *r)
{
    if (!r)
        return;
    feed_unsubscribe(r->feed, &r->consumer);
    LIST_FOREACH_SAFE (it, &r->endpoints.list)
        free(CONTAINER_OF(it, struct refusal, link));
    LIST_FOREACH_SAFE (it, &r->strangers.list)
        free(CONTAINER_OF(it, struct refusal, link));
    buf_fini(&r->scratch);
    free(r);
}

static bool is_by(const struct refusal *f, struct str endpoint)
{
    return !endpoint.n || str_equal(f->endpoint, endpoint) ||
           (!f->endpoint.n && str_equal(change_uri_user(f->from), endpoint));
}

/* Of one whose meaning is not known the name in the endpoint's context is a guess: it may have been
 * an AOR's, which is in none. */
static bool is_about(const struct refusal *f, const struct recent_question *q)
{
    struct str extension = str_sub(f->name, 0, str_find_char(f->name, '@'));

    if (!q->resources.n && !q->extension.n)
        return true;
    if (str_is_line(f->name, q->resources))
        return true;
    return !f->known && ((q->extension.n && str_equal(extension, q->extension)) ||
                         (extension.n && str_is_line(extension, q->resources)));
}

void recent_refusals_each(const struct recent *r, const struct recent_question *q,
                          void (*each)(void *ctx, struct str detail, uint64_t times), void *ctx)
{
    const struct refusals *all[] = { &r->endpoints, &r->strangers };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        LIST_FOREACH (it, &all[i]->list) {
            const struct refusal *f = CONTAINER_OF(it, const struct refusal, link);

            if (is_by(f, q->endpoint) && is_about(f, q))
                each(ctx, f->detail, f->times);
        }
}
