// SPDX-License-Identifier: MIT
/* difference.c - what is different in a new dialplan. Most reloads change a few hints of very many,
 * and the thread that keeps state has no time to look at all of them. */
#include "base/arena.h"
#include "state/dialplan_internal.h"
#include <stdlib.h>

void dialplan_difference_forget(struct dialplan *dp)
{
    dialplan_unref(dp->difference.former);
    free(dp->difference.changes);
    dp->difference = (struct dialplan_difference){ .former = NULL };
}

/* ---- all but the literals ---- */

static bool globals_equal(const struct dialplan *a, const struct dialplan *b)
{
    if (a->globals.count != b->globals.count)
        return false;
    MAP_FOREACH (node, &a->globals) {
        const struct global *g = CONTAINER_OF(node, const struct global, node);
        const struct global *other = dialplan_global_find(b, g->name);

        if (!other || !str_equal(other->value, g->value))
            return false;
    }
    return true;
}

static bool includes_equal(const struct dialplan_context *a, const struct dialplan_context *b)
{
    const struct list *it = a->includes.next, *other = b->includes.next;

    for (; it != &a->includes && other != &b->includes; it = it->next, other = other->next)
        if (!str_equal(CONTAINER_OF(it, const struct include, link)->text,
                       CONTAINER_OF(other, const struct include, link)->text))
            return false;
    return it == &a->includes && other == &b->includes;
}

static bool reads_the_same(const struct hint_entry *a, const struct hint_entry *b)
{
    return str_equal(a->extension, b->extension) && str_equal(a->text, b->text) &&
           str_equal(a->name, b->name);
}

static bool patterns_equal(const struct dialplan_context *a, const struct dialplan_context *b)
{
    if (a->n_patterns != b->n_patterns)
        return false;
    for (size_t i = 0; i < a->n_patterns; i++)
        if (!reads_the_same(&a->patterns[i]->entry, &b->patterns[i]->entry))
            return false;
    return true;
}

static bool frames_equal(const struct dialplan *a, const struct dialplan *b)
{
    if (a->contexts_by_name.count != b->contexts_by_name.count || !globals_equal(a, b))
        return false;
    for (const struct dialplan_context *c = NULL; (c = dialplan_context_next(a, c));) {
        const struct dialplan_context *other = dialplan_context_find(b, c->name);

        if (!other || c->autohints || other->autohints || !includes_equal(c, other) ||
            !patterns_equal(c, other))
            return false;
    }
    return true;
}

/* ---- hints ---- */

/* Of the hints of a context: the former one and the one that is there now, either may be NULL.
 * Negative: no more of them. */
typedef int (*hint_pair_fn)(void *ctx, const struct dialplan_context *of,
                            const struct hint_entry *was, const struct hint_entry *is);

static const struct hint_entry *hint_of(const struct dialplan_context *ctx,
                                        const struct hint_entry *like)
{
    if (!ctx)
        return NULL;
    if (!like->pattern)
        return dialplan_context_literal(ctx, like->extension);
    for (size_t i = 0; i < ctx->n_patterns; i++)
        if (str_equal(ctx->patterns[i]->entry.extension, like->extension))
            return &ctx->patterns[i]->entry;
    return NULL;
}

bool dialplan_hint_has(const struct dialplan_context *ctx, const struct hint_entry *like)
{
    return hint_of(ctx, like);
}

/* Those that come, go, or read differently; with `literals` no others. Either context may be NULL.
 */
static int hints_compare(const struct dialplan_context *ctx, const struct dialplan_context *former,
                         bool literals, hint_pair_fn each, void *arg)
{
    size_t common = 0;
    int r = 0;

    for (const struct hint_entry *e = NULL;
         r == 0 && ctx && (e = dialplan_hint_next(ctx, e)) && !(literals && e->pattern);) {
        const struct hint_entry *before = hint_of(former, e);

        common += before && !e->pattern;
        if (!before || !reads_the_same(e, before))
            r = each(arg, ctx, before, e);
    }
    if (r || !former || (literals && common == former->literals.count))
        return r;
    for (const struct hint_entry *e = NULL;
         r == 0 && (e = dialplan_hint_next(former, e)) && !(literals && e->pattern);)
        if (!hint_of(ctx, e))
            r = each(arg, former, e, NULL);
    return r;
}

/* ---- for taking over ---- */

static int literal_note(void *arg, const struct dialplan_context *of, const struct hint_entry *was,
                        const struct hint_entry *is)
{
    struct dialplan_difference *d = arg;

    if (ARRAY_GROW(d->changes, d->n))
        return -ENOMEM;
    d->changes[d->n++] = (struct literal_change){ .context = of->name,
                                                  .extension = is ? is->extension : was->extension,
                                                  .entry = is };
    d->names_stay = d->names_stay && was && is;
    return 0;
}

int dialplan_compare(struct dialplan *dp, struct dialplan *former)
{
    struct dialplan_difference *d = &dp->difference;

    dialplan_difference_forget(dp);
    if (!frames_equal(dp, former))
        return 0;
    d->former = dialplan_ref(former);
    d->names_stay = true;
    for (const struct dialplan_context *c = NULL; (c = dialplan_context_next(dp, c));)
        if (hints_compare(c, dialplan_context_find(former, c->name), true, literal_note, d)) {
            dialplan_difference_forget(dp);
            return -ENOMEM;
        }
    return 0;
}

/* ---- for telling ---- */

struct telling {
    dialplan_change_fn each;
    void *ctx;
};

static int hint_tell(void *arg, const struct dialplan_context *of, const struct hint_entry *was,
                     const struct hint_entry *is)
{
    const struct telling *t = arg;
    bool name = was && is && str_equal(was->text, is->text);

    t->each(t->ctx, &(struct dialplan_change){ .kind = name ? DIALPLAN_NAME : DIALPLAN_HINT,
                                               .context = of->name,
                                               .extension = is ? is->extension : was->extension,
                                               .was = name  ? was->name
                                                      : was ? was->text
                                                            : STR_EMPTY,
                                               .is = name ? is->name
                                                     : is ? is->text
                                                          : STR_EMPTY,
                                               .added = !was,
                                               .removed = !is });
    return 0;
}

static void globals_tell(const struct telling *t, const struct dialplan *dp,
                         const struct dialplan *former)
{
    MAP_FOREACH (node, &dp->globals) {
        const struct global *g = CONTAINER_OF(node, const struct global, node);
        const struct global *was = dialplan_global_find(former, g->name);

        if (!was || !str_equal(was->value, g->value))
            t->each(t->ctx, &(struct dialplan_change){ .kind = DIALPLAN_GLOBAL,
                                                       .extension = g->name,
                                                       .was = was ? was->value : STR_EMPTY,
                                                       .is = g->value,
                                                       .added = !was });
    }
    MAP_FOREACH (node, &former->globals) {
        const struct global *g = CONTAINER_OF(node, const struct global, node);

        if (!dialplan_global_find(dp, g->name))
            t->each(t->ctx, &(struct dialplan_change){ .kind = DIALPLAN_GLOBAL,
                                                       .extension = g->name,
                                                       .was = g->value,
                                                       .removed = true });
    }
}

static void context_tell(const struct telling *t, const struct dialplan_context *c,
                         const struct dialplan_context *was)
{
    bool autohints = was && was->autohints;

    if (c->autohints != autohints)
        t->each(t->ctx, &(struct dialplan_change){ .kind = DIALPLAN_AUTOHINTS,
                                                   .context = c->name,
                                                   .was = autohints ? STR("yes") : STR_EMPTY,
                                                   .is = c->autohints ? STR("yes") : STR_EMPTY });
    if (was && !includes_equal(c, was))
        t->each(t->ctx, &(struct dialplan_change){ .kind = DIALPLAN_INCLUDES, .context = c->name });
    (void)hints_compare(c, was, false, hint_tell, (void *)(uintptr_t)t);
}

void dialplan_changes(const struct dialplan *dp, const struct dialplan *former,
                      dialplan_change_fn each, void *ctx)
{
    const struct telling t = { each, ctx };

    globals_tell(&t, dp, former);
    for (const struct dialplan_context *c = NULL; (c = dialplan_context_next(dp, c));)
        context_tell(&t, c, dialplan_context_find(former, c->name));
    for (const struct dialplan_context *c = NULL; (c = dialplan_context_next(former, c));)
        if (!dialplan_context_find(dp, c->name))
            (void)hints_compare(NULL, c, false, hint_tell, (void *)(uintptr_t)&t);
}
