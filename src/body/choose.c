// SPDX-License-Identifier: MIT
/* choose.c - which generator and supplements a subscriber gets, and what the registry can say about
 * itself. */
#include "body/registry.h"
#include <stdlib.h>

/* ---- media types ---- */

bool body_types_know(const struct body_types *types, struct str package, struct str media_type)
{
    for (size_t i = 0; i < types->n; i++)
        if (str_equal_nocase(types->rows[i].package, package) &&
            str_equal_nocase(types->rows[i].media_type, media_type))
            return true;
    return false;
}

bool body_package_known(const struct body_registry *r, struct str package)
{
    return body_default_type(r, package).n > 0;
}

bool body_type_known(const struct body_registry *r, struct str package, struct str media_type)
{
    return body_types_know(&r->types, package, media_type);
}

struct str body_default_type(const struct body_registry *r, struct str package)
{
    for (size_t i = 0; i < r->types.n; i++)
        if (str_equal_nocase(r->types.rows[i].package, package))
            return r->types.rows[i].media_type;
    return STR("");
}

/* Was this row's media type printed for an earlier package? */
static bool type_repeats(const struct body_types *types, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (str_equal_nocase(types->rows[i].media_type, types->rows[row].media_type))
            return true;
    return false;
}

void body_types_print(const struct body_registry *r, struct str package, struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < r->types.n; i++) {
        const struct body_type *t = &r->types.rows[i];

        if (package.p ? !str_equal_nocase(t->package, package)
                      : type_repeats(&r->types, i) || body_type_is_any(t->media_type))
            continue;
        if (!first)
            buf_add(out, STR(", "));
        buf_add(out, t->media_type);
        first = false;
    }
}

/* ---- profiles ---- */

/* The subscriber with the options of the one who looks at it. */
static bool part_accepts(const struct body_part *p, const struct es_subscriber *subscriber)
{
    struct es_subscriber s = *subscriber;

    s.size = sizeof(s);
    s.options = p->options;
    return !p->accepts || p->accepts(&s);
}

static bool part_makes(const struct body_part *p, struct str package, struct str media_type)
{
    struct str rest = p->packages;

    if (!str_equal_nocase(p->media_type, media_type))
        return false;
    while (rest.p)
        if (str_equal_nocase(str_next(&rest, ' '), package))
            return true;
    return false;
}

/* Of all parts those that apply. */
static void profile_build(struct body_profile *p, struct body_registry *r,
                          const struct es_subscriber *s, struct str media_type, unsigned flags)
{
    struct str package = { s->package.p, s->package.n };

    *p = (struct body_profile){ .registry = r, .flags = flags };
    for (struct body_part *g = r->generators; g; g = g->next)
        if (part_makes(g, package, media_type) && part_accepts(g, s))
            p->parts[p->n_generators++] = g;
    for (struct body_part *u = r->supplements; u && p->n_generators; u = u->next)
        if (str_equal_nocase(u->media_type, media_type) && part_accepts(u, s))
            p->parts[p->n_generators + p->n_supplements++] = u;
}

static size_t parts_size(const struct body_profile *p)
{
    return (p->n_generators + p->n_supplements) * sizeof(struct body_part *);
}

static bool profile_same(const struct body_profile *a, const struct body_profile *b)
{
    return a->flags == b->flags && a->n_generators == b->n_generators &&
           a->n_supplements == b->n_supplements && !memcmp(a->parts, b->parts, parts_size(a));
}

static struct body_profile *profile_find(const struct body_profile *p)
{
    struct body_profile *known = p->registry->profiles;

    while (known && !profile_same(known, p))
        known = known->next;
    return known;
}

/* Nearly always there is one, which needs no lock to be found. */
int body_profile_intern(const struct body_profile **out, const struct body_profile *p)
{
    struct body_registry *r = p->registry;
    struct body_profile *known = profile_find(p);

    if (!known) {
        pthread_mutex_lock(&r->lock);
        known = profile_find(p);
        if (!known) {
            known = malloc(sizeof(*known) + parts_size(p));
            if (known) {
                memcpy(known, p, sizeof(*known) + parts_size(p));
                known->key = (uint64_t)r->generation << 32 | r->n_profiles++ << 1 | 1;
                known->next = r->profiles;
                r->profiles = known;
            }
        }
        pthread_mutex_unlock(&r->lock);
    }
    *out = known ? known : *out;
    return known ? 0 : -ENOMEM;
}

int body_choose(struct body_registry *r, const struct es_subscriber *subscriber,
                struct str media_type, unsigned flags, const struct body_profile **out)
{
    union body_profile_room room;

    if (subscriber->publisher)
        flags |= ES_FLAG_PUBLISH;
    profile_build(&room.profile, r, subscriber, media_type, flags);
    return room.profile.n_generators ? body_profile_intern(out, &room.profile) : BODY_NO_GENERATOR;
}

int body_profile_with(const struct body_profile *p, unsigned flag, const struct body_profile **out)
{
    union body_profile_room room;

    memcpy(&room, p, sizeof(*p) + parts_size(p));
    room.profile.flags |= flag;
    return body_profile_intern(out, &room.profile);
}

const struct body_profile *body_profile_ref(const struct body_profile *p)
{
    (void)body_registry_ref(p->registry);
    return p;
}

void body_profile_unref(const struct body_profile *p)
{
    if (p)
        body_registry_unref(p->registry);
}

bool body_profile_is_of(const struct body_profile *p, const struct body_registry *r)
{
    return p->registry == r;
}

struct str body_profile_content_type(const struct body_profile *p)
{
    return p->parts[0]->media_type;
}

struct str body_profile_generator(const struct body_profile *p)
{
    return str_of(p->parts[0]->name);
}

/* ---- for people ---- */

void body_counters_get(const struct body_registry *r, struct body_counters *out)
{
    out->rendered = atomic_load_explicit(&r->rendered, memory_order_relaxed);
    out->failures = atomic_load_explicit(&r->failures, memory_order_relaxed);
    out->reused = atomic_load_explicit(&r->reused, memory_order_relaxed);
}

void body_registry_each(const struct body_registry *r,
                        void (*each)(void *ctx, const char *kind, const char *name,
                                     const char *package, const char *content_type,
                                     const char *plugin),
                        void *ctx)
{
    for (const struct body_part *p = r->generators; p; p = p->next)
        each(ctx, "generator", p->name, p->package, p->content_type, p->plugin);
    for (const struct body_part *p = r->supplements; p; p = p->next)
        each(ctx, "supplement", p->name, "", p->content_type, p->plugin);
}
