// SPDX-License-Identifier: MIT
/* Devices: several sources of one are combined like the devices of a hint. */
#include <stdlib.h>

#include "state/state_internal.h"

/* ---- the table ---- */

static bool device_is(const struct map_node *node, const void *key)
{
    return name_equal(CONTAINER_OF(node, struct device, node)->name, *(const struct str *)key);
}

struct device *device_find(const struct state_core *core, struct str name)
{
    struct map_node *node =
        map_find(&core->devices_by_name, name_hash(&core->devices_by_name, name), device_is, &name);

    return node ? CONTAINER_OF(node, struct device, node) : NULL;
}

/* A custom device that was never set exists all the same, which nobody can say of others. */
static enum device_state unreported(struct str name)
{
    return str_starts(name, STR("Custom:")) ? DEVICE_UNKNOWN : DEVICE_INVALID;
}

/* What it has, after that has changed. */
static void device_count(struct state_core *core, struct device *d)
{
    uint64_t size = tally_size(d);

    if (d->sources) {
        size += tally_size(d->sources);
        for (size_t i = 0; i < d->n_sources; i++)
            size += tally_text(d->sources[i].source);
    }
    tally_again(&core->heap.devices, &d->counted, size);
}

int device_get(struct state_core *core, struct str name, struct device **out)
{
    struct device *d = device_find(core, name);

    if (!d) {
        d = calloc(1, sizeof(*d) + name.n);
        if (!d)
            return -ENOMEM;
        memcpy(d->text, name.p, name.n);
        d->name = (struct str){ d->text, name.n };
        d->state = unreported(d->name);
        d->state_here = DEVICE_UNKNOWN;
        list_init(&d->followers);
        list_init(&d->before.link);
        list_append(&core->devices, &d->link);
        map_add(&core->devices_by_name, &d->node, name_hash(&core->devices_by_name, name));
        device_count(core, d);
    }
    *out = d;
    return 0;
}

void device_destroy(struct state_core *core, struct device *d)
{
    tally_again(&core->heap.devices, &d->counted, 0);
    for (size_t i = 0; i < d->n_sources; i++) {
        str_free(&d->sources[i].source);
        event_state_unref(d->sources[i].calls);
    }
    free(d->sources);
    list_remove(&d->link);
    free(d);
}

void device_release(struct state_core *core, struct device *d)
{
    if (device_known(d) || !list_empty(&d->followers) || !list_empty(&d->before.link))
        return;
    map_remove(&core->devices_by_name, &d->node);
    device_destroy(core, d);
}

static enum device_state combined(const struct device *d)
{
    struct device_aggregate all;

    if (d->n_sources == 0)
        return d->has_default ? d->default_state : unreported(d->name);
    device_aggregate_init(&all);
    for (size_t i = 0; i < d->n_sources; i++)
        device_aggregate_add(&all, d->sources[i].state);
    return device_aggregate_result(&all);
}

/* ---- changes ---- */

/* To be called before anything about the device changes. */
static void device_touch(struct state_core *core, struct device *d)
{
    if (!list_empty(&d->before.link))
        return;
    d->before.known = device_known(d);
    d->before.has_default = d->has_default;
    d->before.default_state = d->default_state;
    d->before.state = d->state;
    d->before.stale = d->stale;
    list_append(&core->touched, &d->before.link);
}

static struct device *touched_device(struct list *link)
{
    return CONTAINER_OF(link, struct device, before.link);
}

static int followers_stage(struct state_core *core, struct device *d, bool repeat_ringing)
{
    LIST_FOREACH (it, &d->followers) {
        struct hint *h = CONTAINER_OF(it, struct follow, link)->sources->hint;
        int r = hint_stage_lamp(core, h, repeat_ringing);

        if (r)
            return r;
    }
    return 0;
}

static bool any_stale(const struct device *d)
{
    for (size_t i = 0; i < d->n_sources; i++)
        if (d->sources[i].stale)
            return true;
    return false;
}

static int touched_stage(struct state_core *core)
{
    int r = 0;

    LIST_FOREACH (it, &core->touched) {
        struct device *d = touched_device(it);

        d->state = combined(d);
        d->stale = any_stale(d);
    }
    for (struct list *it = core->touched.next; it != &core->touched && r == 0; it = it->next) {
        struct device *d = touched_device(it);
        bool changed = d->state != d->before.state;

        /* What ends is staged first: a hint has only one thing staged. */
        r = autohints_stage(core, d);
        if (r == 0 && (changed || d->stale != d->before.stale))
            r = followers_stage(core, d, changed && core->switches.ringing_repeat);
    }
    return r;
}

static void touched_rollback(struct state_core *core)
{
    hints_rollback(core);
    LIST_FOREACH_SAFE (it, &core->touched) {
        struct device *d = touched_device(it);

        d->state = d->before.state;
        d->stale = d->before.stale;
        d->has_default = d->before.has_default;
        d->default_state = d->before.default_state;
        list_remove(it);
    }
}

static void here_tell(struct state_core *core, struct device *d)
{
    struct device_aggregate all;
    enum device_state state = DEVICE_UNKNOWN;
    bool reported = false;

    device_aggregate_init(&all);
    for (size_t i = 0; i < d->n_sources; i++) {
        if (str_starts(d->sources[i].source, STATE_SERVER_SOURCE))
            continue;
        device_aggregate_add(&all, d->sources[i].state);
        reported = true;
    }
    if (reported)
        state = device_aggregate_result(&all);
    if (reported == d->reported_here && state == d->state_here)
        return;
    d->reported_here = reported;
    d->state_here = state;
    core->port.device_here(core->port.ctx, d->name, reported, state);
}

/* Of the others only what comes of it: many are touched when all defaults are replaced. */
static void device_tell(const struct state_core *core, const struct device *d)
{
    const struct device_saying *saying = core->saying;
    struct state_device_change change = { .device = d->name,
                                          .state = d->state,
                                          .former = d->before.state };

    if (saying) {
        change.source = saying->source;
        change.says = saying->says;
        change.said = saying->said;
    }
    if (saying || d->state != d->before.state)
        core->port.device(core->port.ctx, &change);
}

static void touched_tell(struct state_core *core)
{
    LIST_FOREACH (it, &core->touched) {
        struct device *d = touched_device(it);

        here_tell(core, d);

        if (d->state != d->before.state)
            d->changed_wall_ms = clock_wall_ms(core->clock);
        device_tell(core, d);
    }
    hints_tell(core);
    LIST_FOREACH_SAFE (it, &core->touched) {
        list_remove(it);
        device_release(core, touched_device(it));
    }
}

/* On failure the touched devices are as they were before, their sources excepted: those are the
 * caller's to restore. */
static int touched_commit(struct state_core *core)
{
    int r = touched_stage(core);

    if (r) {
        touched_rollback(core);
        return r;
    }
    hints_commit(core);
    touched_tell(core);
    return 0;
}

/* Of one device, because its source says this now; NULL: nothing any more, or nothing new. */
static int saying_commit(struct state_core *core, struct str source,
                         const struct device_saying *saying)
{
    int r;

    state_cause_begin(core, source);
    core->saying = saying;
    r = touched_commit(core);
    core->saying = NULL;
    state_cause_end(core);
    return r;
}

/* ---- sources ---- */

static struct state_source_view *source_find(const struct device *d, struct str source)
{
    for (size_t i = 0; i < d->n_sources; i++)
        if (str_equal(d->sources[i].source, source))
            return &d->sources[i];
    return NULL;
}

static int source_add(struct device *d, const struct state_source_view *v)
{
    struct state_source_view *bigger;
    struct str source;
    int r;

    if (d->n_sources == d->sources_room) {
        size_t room = d->sources_room ? 2 * d->sources_room : 1;

        bigger = reallocarray(d->sources, room, sizeof(*bigger));
        if (!bigger)
            return -ENOMEM;
        d->sources = bigger;
        d->sources_room = room;
    }
    r = str_dup(&source, v->source);
    if (r)
        return r;
    d->sources[d->n_sources] = *v;
    d->sources[d->n_sources++].source = source;
    return 0;
}

static int source_report_first(struct state_core *core, struct device *d,
                               const struct state_source_view *v)
{
    int r;

    device_touch(core, d);
    r = source_add(d, v);
    device_count(core, d);
    if (r) {
        list_remove(&d->before.link);
        return r;
    }
    r = saying_commit(core, v->source, &(struct device_saying){ v->source, true, v->state });
    if (r)
        str_free(&d->sources[--d->n_sources].source);
    if (r)
        device_count(core, d);
    return r;
}

static int source_report_again(struct state_core *core, struct device *d,
                               struct state_source_view *known, const struct state_source_view *v)
{
    const struct device_saying saying = { v->source, true, v->state };
    struct state_source_view former = *known;
    int r;

    device_touch(core, d);
    known->state = v->state;
    known->stale = v->stale;
    if (v->state != former.state)
        known->changed_wall_ms = v->changed_wall_ms;
    known->heard = v->heard;
    r = saying_commit(core, v->source, v->state != former.state ? &saying : NULL);
    if (r)
        *known = former;
    return r;
}

int device_report(struct state_core *core, struct str device, const struct state_source_view *v,
                  struct device **out)
{
    struct state_source_view *known;
    struct device *d;
    int r = device_get(core, device, &d);

    if (r)
        return r;
    known = source_find(d, v->source);
    if (known && known->state == v->state && known->stale == v->stale) {
        known->heard = v->heard;
        return STATE_UNCHANGED;
    }
    r = known ? source_report_again(core, d, known, v) : source_report_first(core, d, v);
    if (r)
        device_release(core, d);
    else
        *out = d;
    return r;
}

/* The report of another source becomes that of this one. */
static int source_report_instead(struct state_core *core, struct device *d,
                                 struct state_source_view *former,
                                 const struct state_source_view *v)
{
    struct state_source_view known = *former, other = *v;
    int r = str_dup(&other.source, v->source);

    if (r)
        return r;
    device_touch(core, d);
    *former = other;
    r = saying_commit(core, v->source, &(struct device_saying){ v->source, true, v->state });
    if (r) {
        *former = known;
        known = other;
    }
    device_count(core, d);
    str_free(&known.source);
    event_state_unref(known.calls);
    return r;
}

static int device_say(struct state_core *core, const struct state_device_word *w,
                      const struct state_source_view *v, struct device **out)
{
    struct device *d = w->instead_of.n ? device_find(core, w->device) : NULL;
    struct state_source_view *former =
        d && !source_find(d, w->source) ? source_find(d, w->instead_of) : NULL;

    if (!former)
        return device_report(core, w->device, v, out);
    *out = d;
    return source_report_instead(core, d, former, v);
}

int state_device_say(struct state_core *core, const struct state_device_word *word)
{
    struct state_source_view v = { .source = word->source,
                                   .state = word->state,
                                   .stale = word->stale,
                                   .changed_wall_ms = clock_wall_ms(core->clock) };
    struct state_device_word w = *word;
    struct name_room room;
    struct device *d;
    int r = name_normalise(&w.device, w.device, &room);

    BUG_UNLESS((unsigned)w.state < DEVICE_STATES);
    if (r || w.source.n > NAME_MAX_LEN)
        return STATE_BAD_NAME;
    v.heard = ++core->reports;
    core->counters.device_reports++;
    r = device_say(core, &w, &v, &d);
    core->counters.duplicates += r == STATE_UNCHANGED;
    if (r)
        return r;
    if (d->changed_wall_ms > v.changed_wall_ms) /* by this report: it is one moment */
        d->changed_wall_ms = v.changed_wall_ms;
    device_keep(core, d, w.source, source_find(d, w.source)); /* with its calls */
    if (w.instead_of.n)
        device_keep(core, d, w.instead_of, NULL);
    return 0;
}

int state_device_set(struct state_core *core, struct str source, struct str device,
                     enum device_state state)
{
    return state_device_say(
        core, &(struct state_device_word){ .source = source, .device = device, .state = state });
}

int state_device_forget(struct state_core *core, struct str source, struct str device)
{
    struct state_source_view *known = NULL, gone;
    struct name_room room;
    struct device *d;
    size_t behind;
    int r = name_normalise(&device, device, &room);

    if (r)
        return r;
    d = device_find(core, device);
    if (d)
        known = source_find(d, source);
    if (!known)
        return STATE_UNCHANGED;
    device_keep(core, d, source, NULL); /* while it is there */
    device_touch(core, d);
    gone = *known;
    behind = (size_t)(d->sources + --d->n_sources - known) * sizeof(*known);
    memmove(known, known + 1, behind);
    device_count(core, d);
    r = saying_commit(core, source, &(struct device_saying){ source, false, DEVICE_UNKNOWN });
    if (r) {
        memmove(known + 1, known, behind);
        *known = gone;
        d->n_sources++;
        device_count(core, d);
        device_keep(core, d, source, known);
        return r;
    }
    str_free(&gone.source);
    event_state_unref(gone.calls);
    return 0;
}

static int calls_replace(struct state_core *core, struct device *d, struct state_source_view *known,
                         const struct event_state *calls)
{
    const struct event_state *former = known->calls;
    int r;

    known->calls = event_state_ref(calls);
    state_cause_begin(core, known->source);
    r = followers_stage(core, d, false);
    if (r) {
        hints_rollback(core);
        known->calls = former;
        former = calls;
    } else {
        hints_commit(core);
        hints_tell(core);
    }
    state_cause_end(core);
    event_state_unref(former);
    return r;
}

static bool calls_same(const struct event_state *a, const struct event_state *b)
{
    return a == b || (a && b && event_state_same(a, b));
}

int state_device_calls_set(struct state_core *core, struct str source, struct str device,
                           const struct event_state *calls)
{
    struct state_source_view *known;
    struct name_room room;
    struct device *d;
    int r = name_normalise(&device, device, &room);

    if (r)
        return r;
    d = device_find(core, device);
    known = d ? source_find(d, source) : NULL;
    if (!known)
        return STATE_UNCHANGED;
    known->calls_heard = ++core->reports;
    if (calls_same(known->calls, calls))
        return STATE_UNCHANGED;
    r = calls_replace(core, d, known, calls);
    if (r == 0)
        device_keep(core, d, source, known);
    return r;
}

int device_calls_recall(struct state_core *core, struct device *d, struct str source,
                        const struct event_state *calls)
{
    struct state_source_view *known = source_find(d, source);

    return known && !calls_same(known->calls, calls) ? calls_replace(core, d, known, calls) : 0;
}

const struct event_state *state_device_calls(const struct state_core *core, struct str source,
                                             struct str device)
{
    const struct state_source_view *known = NULL;
    struct name_room room;
    const struct device *d;

    if (name_normalise(&device, device, &room))
        return NULL;
    d = device_find(core, device);
    if (d)
        known = source_find(d, source);
    return known ? known->calls : NULL;
}

/* ---- defaults ---- */

static int default_set(struct state_core *core, struct str name, enum device_state state)
{
    struct name_room room;
    struct device *d;
    int r = name_normalise(&name, name, &room);

    BUG_UNLESS((unsigned)state < DEVICE_STATES);
    if (r) {
        log_warn(core->log, "device.default_name", KV("device", name));
        return 0;
    }
    r = device_get(core, name, &d);
    if (r)
        return r;
    device_touch(core, d);
    d->has_default = true;
    d->default_state = state;
    return 0;
}

static int defaults_replace(struct state_core *core, const struct str *devices,
                            const enum device_state *states, size_t n)
{
    LIST_FOREACH (it, &core->devices) {
        struct device *d = CONTAINER_OF(it, struct device, link);

        if (d->has_default) {
            device_touch(core, d);
            d->has_default = false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        int r = default_set(core, devices[i], states[i]);

        if (r) {
            touched_rollback(core);
            return r;
        }
    }
    return touched_commit(core);
}

int state_device_defaults(struct state_core *core, const struct str *devices,
                          const enum device_state *states, size_t n)
{
    int r;

    state_cause_begin(core, STATE_CAUSE_CONFIGURATION);
    r = defaults_replace(core, devices, states, n);
    state_cause_end(core);
    if (r)
        LIST_FOREACH_SAFE (it, &core->devices) /* those that were made for it */
            device_release(core, CONTAINER_OF(it, struct device, link));
    return r;
}

int state_device_default_set(struct state_core *core, struct str device, enum device_state state)
{
    struct name_room room;
    struct device *d;
    int r = name_normalise(&device, device, &room);

    BUG_UNLESS((unsigned)state < DEVICE_STATES);
    if (r)
        return STATE_BAD_NAME;
    d = device_find(core, device);
    if (!d || !d->has_default || d->default_state == state)
        return STATE_UNCHANGED;
    device_touch(core, d);
    d->default_state = state;
    return touched_commit(core);
}

enum device_state state_device_get(const struct state_core *core, struct str device)
{
    struct name_room room;
    const struct device *d;

    if (name_normalise(&device, device, &room))
        return DEVICE_INVALID;
    d = device_find(core, device);
    return d ? d->state : unreported(device);
}

bool state_device_is_stale(const struct state_core *core, struct str device)
{
    struct name_room room;
    const struct device *d;

    if (name_normalise(&device, device, &room))
        return false;
    d = device_find(core, device);
    return d && d->stale;
}
