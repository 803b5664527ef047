// SPDX-License-Identifier: MIT
/* Taking over a new dialplan: hints are compared by context and extension, so that a resource and
 * its watchers outlive whatever its text was. */
#include <stdlib.h>

#include "state/state_internal.h"

struct application {
    struct state_core *core;
    struct dialplan *dialplan;
    struct dialplan_context **autos;
    size_t n_autos;
    struct hint_text_room room;
};

static int autos_collect(struct application *a)
{
    size_t n = 0;

    for (struct dialplan_context *c = NULL; (c = dialplan_context_next(a->dialplan, c));)
        n += c->autohints;
    a->autos = calloc(n + 1, sizeof(struct dialplan_context *));
    if (!a->autos)
        return -ENOMEM;
    for (struct dialplan_context *c = NULL; (c = dialplan_context_next(a->dialplan, c));)
        if (c->autohints)
            a->autos[a->n_autos++] = c;
    return 0;
}

static struct hint_form form_of(struct application *a, const struct dialplan_context *ctx,
                                const struct hint_entry *entry, struct str extension)
{
    struct hint_form form = {
        .context = ctx->name,
        .extension = extension,
        .text = entry->text,
        .name = entry->name,
        .origin = entry->pattern ? HINT_MATERIALISED : HINT_CONFIGURED,
    };

    form.text = hint_text(a->core, a->dialplan, &form, &a->room);
    return form;
}

static int literal_stage(struct application *a, const struct dialplan_context *ctx,
                         const struct hint_entry *e)
{
    struct hint *h = hint_find(a->core, ctx->name, e->extension);
    struct hint_form form = form_of(a, ctx, e, e->extension);

    return h ? hint_stage_form(a->core, h, &form) : hint_stage_new(a->core, &form, NULL);
}

static int literals_stage(struct application *a, const struct dialplan_context *ctx)
{
    for (const struct hint_entry *e = NULL; (e = dialplan_hint_next(ctx, e)) && !e->pattern;) {
        int r = literal_stage(a, ctx, e);

        if (r)
            return r;
    }
    return 0;
}

/* A hint from a pattern goes on while its context has a pattern that matches, and so does one that
 * was written out until now, if somebody watches it. */
static bool goes_on(const struct state_core *core, const struct hint *h)
{
    return h->consumers || h->contribution.published ||
           (h->origin == HINT_MATERIALISED && core->watch_all);
}

static int pattern_stage(struct application *a, struct hint *h)
{
    const struct dialplan_context *ctx;
    const struct hint_entry *e;
    struct hint_form form;

    if (h->stage != HINT_SETTLED || !goes_on(a->core, h) || h->snapshot->package.n)
        return 0;
    ctx = dialplan_context_find(a->dialplan, h->snapshot->context);
    e = ctx ? dialplan_context_pattern(ctx, h->snapshot->extension) : NULL;
    if (!e)
        return 0;
    form = form_of(a, ctx, e, h->snapshot->extension);
    return hint_stage_form(a->core, h, &form);
}

static int patterns_stage(struct application *a)
{
    LIST_FOREACH (it, &a->core->hints) {
        int r = pattern_stage(a, CONTAINER_OF(it, struct hint, link));

        if (r)
            return r;
    }
    return 0;
}

static int ends_stage(struct application *a)
{
    LIST_FOREACH (it, &a->core->hints) {
        struct hint *h = CONTAINER_OF(it, struct hint, link);
        int r = h->origin == HINT_NONE ? 0 : hint_stage_hintless(a->core, h);

        if (r)
            return r;
    }
    return 0;
}

/* ---- only literals are different ---- */

static int change_stage(struct application *a, const struct literal_change *change)
{
    struct hint *h;
    int r;

    if (change->entry)
        return literal_stage(a, dialplan_context_find(a->dialplan, change->context), change->entry);
    h = hint_find(a->core, change->context, change->extension);
    if (!h || h->origin != HINT_CONFIGURED)
        return 0;
    r = pattern_stage(a, h);
    return r ? r : hint_stage_hintless(a->core, h);
}

static int idle_stage(struct application *a)
{
    LIST_FOREACH (it, &a->core->idle) {
        struct hint *h = CONTAINER_OF(it, struct hint, idle);
        int r = goes_on(a->core, h) ? 0 : hint_stage_hintless(a->core, h);

        if (r)
            return r;
    }
    return 0;
}

static int changes_stage(struct application *a)
{
    const struct dialplan_difference *d = &a->dialplan->difference;

    for (size_t i = 0; i < d->n; i++) {
        int r = change_stage(a, &d->changes[i]);

        if (r)
            return r;
    }
    return idle_stage(a);
}

/* ---- all of it ---- */

static int stage(struct application *a)
{
    int r = autos_collect(a);

    if (r == 0 && a->core->dialplan && a->dialplan->difference.former == a->core->dialplan)
        return changes_stage(a);

    for (struct dialplan_context *c = NULL; r == 0 && (c = dialplan_context_next(a->dialplan, c));)
        r = literals_stage(a, c);
    if (r == 0)
        r = patterns_stage(a);
    if (r == 0)
        r = autohints_stage_all(a->core, a->dialplan, a->autos, a->n_autos);
    return r ? r : ends_stage(a);
}

static uint64_t hints_count(const struct dialplan *dp)
{
    uint64_t n = 0;

    for (struct dialplan_context *c = NULL; (c = dialplan_context_next(dp, c));)
        n += c->literals.count + c->n_patterns;
    return n;
}

static int apply(struct state_core *core, struct dialplan *dp)
{
    struct application *a = calloc(1, sizeof(*a));
    struct dialplan *former = core->dialplan;
    bool same_names;
    int r;

    if (!a)
        return -ENOMEM;
    a->core = core;
    a->dialplan = dp;
    r = stage(a);
    if (r) {
        hints_rollback(core);
        free(a->autos);
        free(a);
        return r;
    }
    free(core->autos);
    core->autos = a->autos;
    core->n_autos = a->n_autos;
    core->dialplan = dp;
    core->counters.hints = hints_count(dp);
    hints_commit(core);
    log_info(core->log, "dialplan.applied", KV_U("hints", core->counters.hints),
             KV_U("resources", core->hints_by_id.count));
    hints_tell(core);
    same_names = former && dp->difference.former == former && dp->difference.names_stay;
    dialplan_difference_forget(dp);
    dialplan_unref(former);
    free(a);
    return same_names ? STATE_SAME_NAMES : 0;
}

int state_dialplan_apply(struct state_core *core, struct dialplan *dp)
{
    int r;

    state_cause_begin(core, STATE_CAUSE_CONFIGURATION);
    r = apply(core, dp);
    state_cause_end(core);
    return r;
}
