// SPDX-License-Identifier: MIT
/* What becomes of what a source has said when it is gone, or has said everything anew. */
#include "state/state_internal.h"

/* ---- devices ---- */

/* It is what it is to be already. */
static bool device_has_ended(const struct state_source_view *v, const struct source_ending *end)
{
    switch (end->how) {
    case SOURCE_END_FORGOTTEN:
        break;
    case SOURCE_END_UNAVAILABLE:
        return v->stale && v->state == DEVICE_UNAVAILABLE;
    case SOURCE_END_KEPT:
        return v->stale;
    }
    return false;
}

static const struct state_source_view *said_of(const struct device *d, struct str source)
{
    for (size_t i = 0; i < d->n_sources; i++)
        if (str_equal(d->sources[i].source, source))
            return &d->sources[i];
    return NULL;
}

static bool state_ends(const struct state_source_view *v, const struct source_ending *end)
{
    return v->heard <= end->until && !device_has_ended(v, end);
}

static bool calls_end(const struct state_source_view *v, const struct source_ending *end)
{
    return v->calls && v->calls_heard <= end->until;
}

/* It has not been heard again: `heard` stays. */
static int device_mark(struct state_core *core, struct device *d, struct state_source_view v,
                       enum source_end how)
{
    bool changes = how == SOURCE_END_UNAVAILABLE && v.state != DEVICE_UNAVAILABLE;
    int r;

    v.stale = true;
    if (changes) {
        v.state = DEVICE_UNAVAILABLE;
        v.changed_wall_ms = clock_wall_ms(core->clock);
    }
    r = device_report(core, d->name, &v, &d);
    if (r == 0 && changes)
        device_keep(core, d, v.source, &v);
    return r;
}

/* Its state first: calls of a device that is in none are shown nowhere. */
static int device_end(struct state_core *core, const struct source_ending *end, struct device *d,
                      const struct state_source_view *said)
{
    int r = 0;

    if (state_ends(said, end)) {
        if (end->how == SOURCE_END_FORGOTTEN) /* with its calls */
            return state_device_forget(core, end->source, d->name);
        r = device_mark(core, d, *said, end->how);
    }
    if (r >= 0 && calls_end(said, end))
        r = state_device_calls_set(core, end->source, d->name, NULL);
    return r;
}

static int device_end_caused(struct state_core *core, const struct source_ending *end,
                             struct device *d, const struct state_source_view *said)
{
    int r;

    if (end->how == SOURCE_END_FORGOTTEN)
        state_cause_begin(core, end->source);
    else
        state_cause_begin_away(core, end->source, end->grace_s);
    r = device_end(core, end, d, said);
    state_cause_end(core);
    return r < 0 ? r : 0;
}

static int devices_end(struct state_core *core, const struct source_ending *end, size_t *left)
{
    int r = 0;

    LIST_FOREACH_SAFE (it, &core->devices) {
        struct device *d = CONTAINER_OF(it, struct device, link);
        const struct state_source_view *said = said_of(d, end->source);

        if (!said || !(state_ends(said, end) || calls_end(said, end)))
            continue;
        if (!*left)
            return STATE_MORE;
        (*left)--;
        r = device_end_caused(core, end, d, said);
        if (r)
            return r;
    }
    return r;
}

/* ---- presence ---- */

static bool presence_ends(const struct presence *p, const struct source_ending *end)
{
    if (!p->reported || p->heard > end->until || !str_equal(p->source, end->source))
        return false;
    switch (end->how) {
    case SOURCE_END_FORGOTTEN:
        break;
    case SOURCE_END_UNAVAILABLE:
        return !p->stale || p->state != PRESENCE_UNAVAILABLE || p->subtype.n || p->message.n;
    case SOURCE_END_KEPT:
        return !p->stale;
    }
    return true;
}

static int presence_mark(struct state_core *core, const struct presence *p, enum source_end how)
{
    struct presence_said said = {
        .source = p->source, .wall_ms = clock_wall_ms(core->clock), .heard = p->heard, .stale = true
    };

    if (how == SOURCE_END_UNAVAILABLE) {
        said.state = PRESENCE_UNAVAILABLE;
        return presence_say(core, p->name, &said);
    }
    said.state = p->state;
    said.subtype = p->subtype;
    said.message = p->message;
    return presence_report(core, p->name, &said);
}

static int presence_end(struct state_core *core, const struct source_ending *end,
                        struct presence *p)
{
    int r;

    if (end->how == SOURCE_END_FORGOTTEN)
        return presence_forget(core, p);
    state_cause_begin_away(core, end->source, end->grace_s);
    r = presence_mark(core, p, end->how);
    state_cause_end(core);
    return r < 0 ? r : 0;
}

int state_source_end(struct state_core *core, const struct source_ending *end, size_t limit)
{
    int r = devices_end(core, end, &limit);

    if (r)
        return r;
    LIST_FOREACH_SAFE (it, &core->presences) {
        struct presence *p = CONTAINER_OF(it, struct presence, link);

        if (!presence_ends(p, end))
            continue;
        if (!limit)
            return STATE_MORE;
        limit--;
        r = presence_end(core, end, p);
        if (r)
            return r;
    }
    return 0;
}

uint64_t state_reports(const struct state_core *core)
{
    return core->reports;
}
