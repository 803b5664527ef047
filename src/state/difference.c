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

/* ---- the literals ---- */

static int change_add(struct dialplan_difference *d, const struct dialplan_context *ctx,
                      struct str extension, const struct hint_entry *entry)
{
    if (ARRAY_GROW(d->changes, d->n))
        return -ENOMEM;
    d->changes[d->n++] =
        (struct literal_change){ .context = ctx->name, .extension = extension, .entry = entry };
    return 0;
}

static int literals_compare(struct dialplan_difference *d, const struct dialplan_context *ctx,
                            const struct dialplan_context *former)
{
    size_t common = 0;

    for (const struct hint_entry *e = NULL; (e = dialplan_hint_next(ctx, e)) && !e->pattern;) {
        const struct hint_entry *before = dialplan_context_literal(former, e->extension);

        common += before != NULL;
        if ((!before || !reads_the_same(e, before)) && change_add(d, ctx, e->extension, e))
            return -ENOMEM;
    }
    if (common < ctx->literals.count || common < former->literals.count)
        d->names_stay = false;
    if (common == former->literals.count)
        return 0;
    for (const struct hint_entry *e = NULL; (e = dialplan_hint_next(former, e)) && !e->pattern;)
        if (!dialplan_context_literal(ctx, e->extension) &&
            change_add(d, former, e->extension, NULL))
            return -ENOMEM;
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
        if (literals_compare(d, c, dialplan_context_find(former, c->name))) {
            dialplan_difference_forget(dp);
            return -ENOMEM;
        }
    return 0;
}
