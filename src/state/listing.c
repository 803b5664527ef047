// SPDX-License-Identifier: MIT
#include "state/state_internal.h"

typedef void (*hint_each_fn)(void *ctx, const struct state_hint_view *v);

/* Where it was written; NULL: nowhere. */
static const struct hint_entry *entry_of(const struct state_core *core, const struct hint *h)
{
    const struct snapshot *s = h->snapshot;
    const struct dialplan_context *ctx =
        core->dialplan ? dialplan_context_find(core->dialplan, s->context) : NULL;

    if (ctx && h->origin == HINT_CONFIGURED)
        return dialplan_context_literal(ctx, s->extension);
    return ctx && h->origin == HINT_MATERIALISED ? dialplan_context_pattern(ctx, s->extension)
                                                 : NULL;
}

static struct state_hint_view view_of(const struct state_core *core, const struct hint *h)
{
    const struct hint_entry *entry = entry_of(core, h);
    const struct snapshot *s = h->snapshot;

    return (struct state_hint_view){
        .snapshot = s,
        .context = s->context,
        .extension = s->extension,
        .hint = s->hint,
        .name = s->hint_name,
        .file = entry ? entry->file : STR_EMPTY,
        .line = entry ? entry->line : 0,
        .consumers = h->consumers | core->watch_all,
        .autohint = h->origin == HINT_AUTO,
        .published = h->contribution.published != NULL,
    };
}

static struct state_hint_view pattern_view(const struct dialplan_context *ctx,
                                           const struct hint_entry *e)
{
    return (struct state_hint_view){
        .context = ctx->name,
        .extension = e->extension,
        .hint = e->text,
        .name = e->name,
        .file = e->file,
        .line = e->line,
        .pattern = true,
    };
}

static void configured_each(const struct state_core *core, const struct dialplan_context *ctx,
                            hint_each_fn each, void *each_ctx)
{
    for (const struct hint_entry *e = NULL; (e = dialplan_hint_next(ctx, e));) {
        const struct hint *h = e->pattern ? NULL : hint_find(core, ctx->name, e->extension);
        struct state_hint_view v = h ? view_of(core, h) : pattern_view(ctx, e);

        each(each_ctx, &v);
    }
}

/* As they are written, then those made at run time. */
void state_hints_each(const struct state_core *core, hint_each_fn each, void *ctx)
{
    if (core->dialplan)
        for (struct dialplan_context *c = NULL; (c = dialplan_context_next(core->dialplan, c));)
            configured_each(core, c, each, ctx);
    LIST_FOREACH (it, &core->hints) {
        const struct hint *h = CONTAINER_OF(it, struct hint, link);
        struct state_hint_view v = view_of(core, h);

        if (h->origin != HINT_CONFIGURED && !hint_is_unknown(h) && !h->snapshot->package.n)
            each(ctx, &v);
    }
}

static struct state_device_view device_view(const struct device *d)
{
    return (struct state_device_view){
        .device = d->name,
        .state = d->state,
        .sources = d->sources,
        .n_sources = d->n_sources,
        .changed_wall_ms = d->changed_wall_ms,
        .known = device_known(d),
        .stale = d->stale,
        .reported_here = d->reported_here,
        .state_here = d->state_here,
    };
}

static struct state_presence_view presence_view(const struct presence *p)
{
    return (struct state_presence_view){
        .provider = p->name,
        .subtype = p->subtype,
        .message = p->message,
        .source = p->source,
        .state = p->state,
        .stale = p->stale,
        .changed_wall_ms = p->changed_wall_ms,
    };
}

static void sources_look(const struct hint_sources *s, const struct state_look *look)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i < s->n_devices) {
            const struct state_device_view v = device_view(s->follows[i].device);

            look->device(look->ctx, &v);
        } else {
            const struct state_presence_view v = presence_view(s->follows[i].presence);

            look->presence(look->ctx, &v, s->follows[i].presence->reported);
        }
    }
}

int state_look(const struct state_core *core, const struct resource_name *name,
               const struct state_look *look)
{
    const struct hint *h = state_name_is_possible(name) ? hint_find_name(core, name) : NULL;
    struct state_hint_view v;

    if (!h)
        return STATE_NO_HINT;
    v = view_of(core, h);
    look->hint(look->ctx, &v, h->contribution.order);
    if (h->sources)
        sources_look(h->sources, look);
    return 0;
}

void state_devices_each(const struct state_core *core,
                        void (*each)(void *ctx, const struct state_device_view *v), void *ctx)
{
    LIST_FOREACH (it, &core->devices) {
        const struct device *d = CONTAINER_OF(it, struct device, link);
        const struct state_device_view v = device_view(d);

        if (v.known)
            each(ctx, &v);
    }
}

void state_presences_each(const struct state_core *core,
                          void (*each)(void *ctx, const struct state_presence_view *v), void *ctx)
{
    LIST_FOREACH (it, &core->presences) {
        const struct presence *p = CONTAINER_OF(it, struct presence, link);
        const struct state_presence_view v = presence_view(p);

        if (p->reported)
            each(ctx, &v);
    }
}

void state_counters_get(const struct state_core *core, struct state_counters *out)
{
    *out = core->counters;
    out->device_bytes = core->heap.devices.bytes;
    out->presence_bytes = core->heap.presences.bytes;
    out->hint_bytes = core->heap.hints.bytes;
    out->table_bytes = map_bytes(&core->devices_by_name) + map_bytes(&core->presences_by_name) +
                       map_bytes(&core->hints_by_name) + map_bytes(&core->hints_by_id);
    if (core->snapshots) {
        out->snapshot_bytes = core->snapshots->bytes;
        out->body_bytes = core->snapshots->body_bytes;
    }
    out->resources = core->hints_by_id.count;
    out->devices = out->presences = 0;
    LIST_FOREACH (it, &core->devices)
        out->devices += device_known(CONTAINER_OF(it, struct device, link));
    LIST_FOREACH (it, &core->presences)
        out->presences += CONTAINER_OF(it, struct presence, link)->reported;
}
