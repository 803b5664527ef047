// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "state/state_internal.h"

/* ---- finding ---- */

uint64_t resource_name_hash(const struct map *m, const struct resource_name *name)
{
    struct extension_key key;
    struct str extension = name->extension;

    if (!name->package.n && extension.n <= NAME_MAX_LEN) {
        extension_key_init(&key, extension);
        extension = extension_key_str(&key);
    }
    return map_hash_mix(map_hash(m, name->context), map_hash(m, extension));
}

bool resource_name_equal(const struct resource_name *a, const struct resource_name *b)
{
    if (!str_equal(a->context, b->context) || !str_equal(a->package, b->package))
        return false;
    return a->package.n ? str_equal(a->extension, b->extension)
                        : extension_compare(a->extension, b->extension) == 0;
}

static bool has_key(const struct map_node *node, const void *key)
{
    const struct snapshot *s = CONTAINER_OF(node, struct hint, by_name)->snapshot;
    const struct resource_name name = { s->package, s->context, s->extension };

    return resource_name_equal(&name, key);
}

struct hint *hint_find_name(const struct state_core *core, const struct resource_name *name)
{
    struct map_node *node = map_find(&core->hints_by_name,
                                     resource_name_hash(&core->hints_by_name, name), has_key, name);

    return node ? CONTAINER_OF(node, struct hint, by_name) : NULL;
}

struct hint *hint_find(const struct state_core *core, struct str context, struct str extension)
{
    return hint_find_name(core,
                          &(struct resource_name){ .context = context, .extension = extension });
}

static bool has_id(const struct map_node *node, const void *id)
{
    return CONTAINER_OF(node, struct hint, by_id)->snapshot->resource_id == *(const uint64_t *)id;
}

struct hint *hint_find_id(const struct state_core *core, uint64_t id)
{
    struct map_node *node =
        map_find(&core->hints_by_id, map_hash_u64(&core->hints_by_id, id), has_id, &id);

    return node ? CONTAINER_OF(node, struct hint, by_id) : NULL;
}

/* ---- texts and lamps ---- */

struct str hint_text(const struct state_core *core, const struct dialplan *dp,
                     const struct hint_form *form, struct hint_text_room *room)
{
    struct buf b;

    if (!str_contains_nocase(form->text, STR("${")))
        return form->text;
    buf_init_on(&b, room->text, sizeof(room->text));
    dialplan_substitute(dp, form->text, form->context, form->extension, clock_wall_ms(core->clock),
                        &b);
    if (!b.error)
        return buf_str(&b);
    log_warn(core->log, "hint.text_too_long", KV("context", form->context),
             KV("extension", form->extension));
    return STR_EMPTY;
}

struct lamp snapshot_lamp(const struct snapshot *s)
{
    return (struct lamp){ .state = s->state,
                          .hint_state = s->hint_state,
                          .has_hint = s->has_hint,
                          .stale = s->stale,
                          .presence = s->presence,
                          .subtype = s->presence_subtype,
                          .message = s->presence_message,
                          .published = s->published,
                          .calls = s->calls };
}

/* As those see it who watch: whether it is stale is told to nobody who shows it. */
static bool lamp_equal(const struct lamp *a, const struct lamp *b)
{
    return a->state == b->state && a->hint_state == b->hint_state && a->has_hint == b->has_hint &&
           a->published == b->published && a->calls == b->calls && a->presence == b->presence &&
           str_equal(a->subtype, b->subtype) && str_equal(a->message, b->message);
}

struct moment { /* of a snapshot */
    struct snapshot_heap *heap;
    uint64_t sequence, wall_ms, since_ms;
    struct cause cause;
};

static struct moment moment_now(const struct state_core *core, uint64_t sequence)
{
    uint64_t now_ms = clock_wall_ms(core->clock);

    return (struct moment){ core->snapshots, sequence, now_ms, now_ms, core->cause };
}

/* Of the next snapshot of a resource, which shows something else; or of one in its place. */
static struct moment moment_next(const struct state_core *core, const struct snapshot *last,
                                 const struct lamp *lamp)
{
    struct moment next = moment_now(core, last->sequence + 1);

    if (lamp->state == last->state)
        next.since_ms = last->since_wall_ms;
    return next;
}

static struct moment moment_same(const struct state_core *core, const struct snapshot *last)
{
    return (struct moment){ core->snapshots, last->sequence, last->changed_wall_ms,
                            last->since_wall_ms, last->cause };
}

static int snapshot_of(struct snapshot **out, const struct hint_form *form, const struct lamp *lamp,
                       uint64_t id, const struct moment *when)
{
    const struct snapshot_spec spec = {
        .heap = when->heap,
        .resource_id = id,
        .sequence = when->sequence,
        .changed_wall_ms = when->wall_ms,
        .since_wall_ms = when->since_ms,
        .cause = when->cause,
        .state = lamp->state,
        .hint_state = lamp->hint_state,
        .has_hint = lamp->has_hint,
        .stale = lamp->stale,
        .presence = lamp->presence,
        .published = lamp->published,
        .calls = lamp->calls,
        .package = form->package,
        .context = form->context,
        .extension = form->extension,
        .hint = form->text,
        .hint_name = form->name,
        .presence_subtype = lamp->subtype,
        .presence_message = lamp->message,
    };

    return snapshot_create(out, &spec);
}

/* The next snapshot of a hint, which differs from the last one in its lamp only; or one in its
 * place. */
static int snapshot_at(struct snapshot **out, const struct snapshot *last, const struct lamp *lamp,
                       const struct moment *when)
{
    const struct hint_form form = { .package = last->package,
                                    .context = last->context,
                                    .extension = last->extension,
                                    .text = last->hint,
                                    .name = last->hint_name };

    return snapshot_of(out, &form, lamp, last->resource_id, when);
}

static int snapshot_after(struct snapshot **out, const struct state_core *core,
                          const struct snapshot *last, const struct lamp *lamp)
{
    const struct moment next = moment_next(core, last, lamp);

    return snapshot_at(out, last, lamp, &next);
}

/* A lamp that shows what it did. */
static int snapshot_instead(struct snapshot **out, const struct state_core *core,
                            const struct snapshot *last, const struct lamp *lamp)
{
    const struct moment same = moment_same(core, last);

    return snapshot_at(out, last, lamp, &same);
}

/* ---- life ---- */

static int sources_of(struct state_core *core, struct hint *h, const struct hint_form *form,
                      struct hint_sources **out)
{
    if (form->origin == HINT_NONE) {
        *out = NULL;
        return 0;
    }
    if (form->device)
        return hint_sources_of_device(core, h, form->device, out);
    return hint_sources_parse(core, h, form->text, out);
}

static void next_forget(struct state_core *core, struct hint *h)
{
    list_remove(&h->next.link);
    snapshot_unref(h->next.snapshot);
    h->next.snapshot = NULL;
    snapshot_unref(h->next.former);
    h->next.former = NULL;
    hint_sources_destroy(core, h->next.sources);
    h->next.sources = NULL;
    if (h->next.contributed)
        event_state_unref(h->next.contribution.published);
    h->next.contribution.published = NULL;
    h->next.told = h->next.reformed = h->next.contributed = false;
    h->stage = HINT_SETTLED;
}

/* Half-built is fine: what is not in the tables is not in a list either. */
void hint_destroy(struct state_core *core, struct hint *h)
{
    if (!h)
        return;
    next_forget(core, h);
    list_remove(&h->link);
    list_remove(&h->idle);
    hint_sources_destroy(core, h->sources);
    event_state_unref(h->contribution.published);
    snapshot_unref(h->snapshot);
    tally_remove(&core->heap.hints, h);
    free(h);
}

static struct hint *hint_alloc(struct state_core *core)
{
    struct hint *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    tally_add(&core->heap.hints, h);
    list_init(&h->link);
    list_init(&h->idle);
    list_init(&h->next.link);
    return h;
}

static void hint_enter(struct state_core *core, struct hint *h)
{
    const struct snapshot *s = h->snapshot;

    map_add(&core->hints_by_name, &h->by_name,
            resource_name_hash(&core->hints_by_name,
                               &(struct resource_name){ s->package, s->context, s->extension }));
    map_add(&core->hints_by_id, &h->by_id, map_hash_u64(&core->hints_by_id, s->resource_id));
    list_append(&core->hints, &h->link);
    core->n_materialised += h->origin == HINT_MATERIALISED;
    hint_idle_update(core, h);
}

static void hint_leave(struct state_core *core, struct hint *h)
{
    map_remove(&core->hints_by_name, &h->by_name);
    map_remove(&core->hints_by_id, &h->by_id);
    list_remove(&h->link);
    list_remove(&h->idle);
    core->n_materialised -= h->origin == HINT_MATERIALISED;
    autohint_forget(core, h);
}

void hint_idle_update(struct state_core *core, struct hint *h)
{
    bool idle = h->origin == HINT_MATERIALISED && h->consumers == 0 && !h->contribution.published;

    if (idle == !list_empty(&h->idle))
        return;
    if (idle)
        list_append(&core->idle, &h->idle);
    else
        list_remove(&h->idle);
}

/* ---- staging ---- */

/* Of a lamp that is new, as all are after a start: since its devices have changed last. */
static uint64_t since_of(const struct hint_sources *s, uint64_t now_ms)
{
    uint64_t since_ms = 0;

    for (size_t i = 0; s && i < s->n_devices; i++) {
        const struct device *d = s->follows[i].device;

        if (device_known(d) && d->changed_wall_ms > since_ms)
            since_ms = d->changed_wall_ms;
    }
    return since_ms && since_ms < now_ms ? since_ms : now_ms;
}

int hint_stage_new(struct state_core *core, const struct hint_form *form, struct hint **out)
{
    struct moment now = moment_now(core, 1);
    struct hint *h = hint_alloc(core);
    struct lamp lamp;
    int r = -ENOMEM;

    if (!h)
        goto out;
    r = sources_of(core, h, form, &h->sources);
    if (r)
        goto out;
    lamp = lamp_of(h->sources, &h->contribution, NULL);
    now.since_ms = since_of(h->sources, now.wall_ms);
    r = snapshot_of(&h->snapshot, form, &lamp, ++core->last_id, &now);
    if (r)
        goto out;
    h->origin = form->origin;
    h->stage = HINT_NEW;
    h->next.told = !hint_is_silent(core, h);
    hint_enter(core, h);
    list_append(&core->staged, &h->next.link);
    if (out)
        *out = h;
    h = NULL;
out:
    hint_destroy(core, h);
    return r;
}

static bool form_is(const struct hint *h, const struct hint_form *form)
{
    const struct snapshot *s = h->snapshot;

    return str_equal(s->extension, form->extension) && str_equal(s->hint, form->text) &&
           str_equal(s->hint_name, form->name);
}

/* An autohint's text is the name of its device, whatever separators that may contain. */
static bool sources_stay(const struct hint *h, const struct hint_form *form)
{
    return (h->origin == HINT_AUTO) == (form->origin == HINT_AUTO) &&
           (h->origin == HINT_NONE) == (form->origin == HINT_NONE) &&
           str_equal(h->snapshot->hint, form->text);
}

/* A hint that only reads differently gets a new snapshot too, but nobody needs to be told. */
static int form_snapshot(struct state_core *core, struct hint *h, const struct hint_form *form,
                         bool sources_change)
{
    const struct snapshot *last = h->snapshot;
    struct lamp former = snapshot_lamp(last), lamp;
    struct moment when;
    bool changed;

    lamp = sources_change ? lamp_of(h->next.sources, &h->contribution, NULL)
                          : lamp_of(h->sources, &h->contribution, &former);
    changed = !lamp_equal(&lamp, &former);
    if (!changed && lamp.stale == former.stale && form_is(h, form))
        return 0;
    h->next.told = changed;
    when = changed ? moment_next(core, last, &lamp) : moment_same(core, last);
    return snapshot_of(&h->next.snapshot, form, &lamp, last->resource_id, &when);
}

int hint_stage_form(struct state_core *core, struct hint *h, const struct hint_form *form)
{
    bool sources_change = !sources_stay(h, form);
    int r = 0;

    BUG_UNLESS(h->stage == HINT_SETTLED);
    if (sources_change)
        r = sources_of(core, h, form, &h->next.sources);
    if (r == 0)
        r = form_snapshot(core, h, form, sources_change);
    if (r) {
        next_forget(core, h);
        return r;
    }
    h->next.reformed = true;
    h->next.origin = form->origin;
    h->stage = HINT_CHANGING;
    list_append(&core->staged, &h->next.link);
    return 0;
}

int hint_stage_lamp(struct state_core *core, struct hint *h, bool repeat_ringing)
{
    struct lamp former = snapshot_lamp(h->snapshot), lamp;
    bool told;
    int r;

    if (h->stage != HINT_SETTLED)
        return 0;
    lamp = lamp_of(h->sources, &h->contribution, &former);
    told = !lamp_equal(&lamp, &former) || (repeat_ringing && (lamp.state & EXTENSION_RINGING));
    if (!told && lamp.stale == former.stale)
        return 0;
    r = told ? snapshot_after(&h->next.snapshot, core, h->snapshot, &lamp)
             : snapshot_instead(&h->next.snapshot, core, h->snapshot, &lamp);
    if (r)
        return r;
    h->next.told = told;
    h->stage = HINT_CHANGING;
    list_append(&core->staged, &h->next.link);
    return 0;
}

int hint_stage_end(struct state_core *core, struct hint *h)
{
    struct lamp last = snapshot_lamp(h->snapshot);
    int r;

    if (h->stage != HINT_SETTLED)
        return 0;
    last.state = EXTENSION_REMOVED;
    last.stale = false;
    last.calls = NULL;
    r = snapshot_after(&h->next.snapshot, core, h->snapshot, &last);
    if (r)
        return r;
    h->next.told = true;
    h->stage = HINT_DEPARTING;
    list_append(&core->departing, &h->next.link);
    return 0;
}

int hint_stage_hintless(struct state_core *core, struct hint *h)
{
    const struct snapshot *s = h->snapshot;

    if (h->stage != HINT_SETTLED)
        return 0;
    if (!h->contribution.published)
        return hint_stage_end(core, h);
    return hint_stage_form(core, h,
                           &(struct hint_form){ .package = s->package,
                                                .context = s->context,
                                                .extension = s->extension,
                                                .origin = HINT_NONE });
}

int hint_stage_contribution(struct state_core *core, struct hint *h, const struct contribution *c)
{
    struct lamp former = snapshot_lamp(h->snapshot), lamp = lamp_of(h->sources, c, &former);
    bool changed = !lamp_equal(&lamp, &former);
    int r = 0;

    BUG_UNLESS(h->stage == HINT_SETTLED);
    if (changed)
        r = snapshot_after(&h->next.snapshot, core, h->snapshot, &lamp);
    else if (lamp.stale != former.stale)
        r = snapshot_instead(&h->next.snapshot, core, h->snapshot, &lamp);
    if (r)
        return r;
    h->next.contributed = true;
    h->next.contribution = *c;
    (void)event_state_ref(c->published);
    h->next.told = changed;
    h->stage = HINT_CHANGING;
    list_append(&core->staged, &h->next.link);
    return 0;
}

/* ---- commit and rollback ---- */

static struct hint *staged_hint(struct list *link)
{
    return CONTAINER_OF(link, struct hint, next.link);
}

static void hint_reform(struct state_core *core, struct hint *h)
{
    if (h->next.sources || h->next.origin == HINT_NONE) {
        hint_sources_destroy(core, h->sources);
        h->sources = h->next.sources;
        h->next.sources = NULL;
    }
    core->n_materialised -= h->origin == HINT_MATERIALISED;
    core->n_materialised += h->next.origin == HINT_MATERIALISED;
    h->origin = h->next.origin;
    if (h->origin != HINT_AUTO)
        autohint_forget(core, h);
    hint_idle_update(core, h);
}

static void hint_settle(struct state_core *core, struct hint *h)
{
    struct snapshot *last = h->snapshot;

    if (h->next.reformed)
        hint_reform(core, h);
    if (h->next.contributed) {
        event_state_unref(h->contribution.published);
        h->contribution = h->next.contribution;
        h->next.contribution.published = NULL;
        hint_idle_update(core, h);
    }
    if (h->next.snapshot) {
        h->snapshot = h->next.snapshot;
        h->next.snapshot = NULL;
        h->next.former = last;
    }
    h->next.reformed = h->next.contributed = false;
    h->stage = HINT_SETTLED;
    if (h->origin == HINT_AUTO)
        autohint_keep(core, h);
}

/* Hints go before others come: whoever tells them apart by their extension alone, like a publisher,
 * must not take the end of the old one for that of the new. */
void hints_commit(struct state_core *core)
{
    LIST_FOREACH (it, &core->departing)
        hint_leave(core, staged_hint(it));
    LIST_FOREACH (it, &core->staged)
        hint_settle(core, staged_hint(it));
}

/* One that is only served, and nothing is known of, is nobody's business but its watchers'. */
static void hint_tell(struct state_core *core, struct hint *h, const struct snapshot *s,
                      const struct snapshot *former)
{
    h->announced = h->announced || !hint_is_unknown(h);
    core->counters.snapshots++;
    core->port.snapshot(core->port.ctx, s, former,
                        h->consumers | (h->announced ? core->watch_all : 0));
}

/* Whoever holds it learns that when it comes back to it. */
static void hint_end(struct state_core *core, struct hint *h)
{
    if (!h->holds) {
        hint_destroy(core, h);
        return;
    }
    next_forget(core, h);
    hint_sources_destroy(core, h->sources);
    h->sources = NULL;
    h->gone = true;
    list_append(&core->gone, &h->link);
}

/* It shows what it did, but that is stale now, or is not any more. */
static void hint_tell_stale(struct state_core *core, const struct hint *h)
{
    const struct snapshot *former = h->next.former;

    if (former && former->stale != h->snapshot->stale)
        core->port.snapshot(core->port.ctx, h->snapshot, former, 0);
}

void hints_tell(struct state_core *core)
{
    LIST_FOREACH_SAFE (it, &core->departing) {
        struct hint *h = staged_hint(it);

        hint_tell(core, h, h->next.snapshot, h->snapshot);
        hint_end(core, h);
    }
    LIST_FOREACH_SAFE (it, &core->staged) {
        struct hint *h = staged_hint(it);

        list_remove(it);
        if (h->next.told)
            hint_tell(core, h, h->snapshot, h->next.former);
        else
            hint_tell_stale(core, h);
        h->next.told = false;
        snapshot_unref(h->next.former);
        h->next.former = NULL;
    }
}

void hints_rollback(struct state_core *core)
{
    LIST_FOREACH_SAFE (it, &core->departing)
        next_forget(core, staged_hint(it));
    LIST_FOREACH_SAFE (it, &core->staged) {
        struct hint *h = staged_hint(it);

        if (h->stage == HINT_NEW) {
            hint_leave(core, h);
            hint_destroy(core, h);
        } else {
            next_forget(core, h);
        }
    }
}

void hint_release(struct state_core *core, struct hint *h)
{
    if (h->origin != HINT_NONE || h->contribution.published || h->consumers || h->holds)
        return;
    if (!h->announced) {
        hint_leave(core, h);
        hint_destroy(core, h);
        return;
    }
    state_cause_begin(core, STATE_CAUSE_UNWATCHED);
    if (hint_stage_end(core, h)) {
        log_warn(core->log, "state.resource_kept", KV("extension", h->snapshot->extension));
    } else {
        hints_commit(core);
        hints_tell(core);
    }
    state_cause_end(core);
}

bool hint_is_unknown(const struct hint *h)
{
    return h->origin == HINT_NONE && !h->contribution.published;
}

bool hint_is_silent(const struct state_core *core, const struct hint *h)
{
    const struct snapshot *s = h->snapshot;

    if (hint_is_unknown(h) && !h->announced)
        return true;
    return core->switches.unavailable_is_silent && s->sequence == 1 &&
           s->state == EXTENSION_UNAVAILABLE && s->presence == PRESENCE_NOT_SET;
}
