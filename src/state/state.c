// SPDX-License-Identifier: MIT
#include "state/state.h"
#include <stdlib.h>

#include "state/state_internal.h"

/* ---- life ---- */

static void no_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    (void)ctx;
    (void)s;
    (void)former;
    (void)consumers;
}

static void no_device(void *ctx, const struct state_device_change *change)
{
    (void)ctx;
    (void)change;
}

static void no_presence(void *ctx, struct str provider, enum presence_state state,
                        struct str subtype, struct str message)
{
    (void)ctx;
    (void)provider;
    (void)state;
    (void)subtype;
    (void)message;
}

static void no_device_here(void *ctx, struct str device, bool reported, enum device_state state)
{
    (void)ctx;
    (void)device;
    (void)reported;
    (void)state;
}

static struct state_port port_complete(const struct state_port *port)
{
    return (struct state_port){
        .ctx = port->ctx,
        .snapshot = port->snapshot ? port->snapshot : no_snapshot,
        .device = port->device ? port->device : no_device,
        .presence = port->presence ? port->presence : no_presence,
        .device_here = port->device_here ? port->device_here : no_device_here,
    };
}

static void lists_init(struct state_core *core)
{
    struct list *lists[] = { &core->devices, &core->presences, &core->hints,     &core->idle,
                             &core->touched, &core->staged,    &core->departing, &core->gone };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
}

static int maps_init(struct state_core *core, struct rng *rng)
{
    struct map *maps[] = { &core->devices_by_name, &core->presences_by_name, &core->hints_by_name,
                           &core->hints_by_id };
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(maps) && r == 0; i++)
        r = map_init(maps[i], rng);
    return r;
}

int state_create(struct state_core **out, const struct state_config *cfg)
{
    struct state_core *core = calloc(1, sizeof(*core));
    int r;

    if (!core)
        return -ENOMEM;
    core->port = port_complete(&cfg->port);
    core->switches = cfg->switches;
    core->keep = cfg->keep;
    core->snapshots = cfg->snapshots;
    core->clock = cfg->clock;
    core->log = cfg->log;
    lists_init(core);
    r = maps_init(core, cfg->rng);
    if (r) {
        state_destroy(core);
        return r;
    }
    *out = core;
    return 0;
}

void state_destroy(struct state_core *core)
{
    if (!core)
        return;
    LIST_FOREACH_SAFE (it, &core->hints)
        hint_destroy(core, CONTAINER_OF(it, struct hint, link));
    LIST_FOREACH_SAFE (it, &core->gone)
        hint_destroy(core, CONTAINER_OF(it, struct hint, link));
    LIST_FOREACH_SAFE (it, &core->devices)
        device_destroy(core, CONTAINER_OF(it, struct device, link));
    LIST_FOREACH_SAFE (it, &core->presences)
        presence_destroy(core, CONTAINER_OF(it, struct presence, link));
    BUG_UNLESS(!(core->heap.devices.bytes | core->heap.presences.bytes | core->heap.hints.bytes));
    map_fini(&core->devices_by_name);
    map_fini(&core->presences_by_name);
    map_fini(&core->hints_by_name);
    map_fini(&core->hints_by_id);
    dialplan_unref(core->dialplan);
    orders_free(core->orders, core->n_orders);
    free(core->autos);
    free(core);
}

void state_switches_set(struct state_core *core, const struct state_switches *switches)
{
    core->switches = *switches;
}

/* ---- causes ---- */

void state_cause_begin(struct state_core *core, struct str source)
{
    if (core->cause_depth++ == 0)
        core->cause = (struct cause){ ++core->last_cause, source };
}

void state_cause_begin_away(struct state_core *core, struct str source, uint32_t grace_s)
{
    state_cause_begin(core, source);
    if (core->cause_depth == 1) {
        core->cause.away = true;
        core->cause.grace_s = grace_s;
    }
}

void state_cause_resume(struct state_core *core, const struct cause *cause)
{
    if (core->cause_depth++ == 0)
        core->cause = *cause;
}

void state_cause_end(struct state_core *core)
{
    BUG_UNLESS(core->cause_depth);
    if (--core->cause_depth == 0)
        core->cause = (struct cause){ 0 };
}

struct cause state_cause(const struct state_core *core)
{
    return core->cause;
}

/* ---- hints from patterns ---- */

/* The name goes into the text of the hint, where these would bring in devices nobody has allowed to
 * be seen; and a name like a pattern's is never a lamp's. */
static bool name_is_plain(struct str extension)
{
    if (extension_is_pattern(extension))
        return false;
    for (size_t i = 0; i < extension.n; i++) {
        unsigned char c = (unsigned char)extension.p[i];

        if (c < 0x20 || c == 0x7f || c == '&' || c == ',')
            return false;
    }
    return true;
}

/* Stage the end of the one that nobody has watched for longest, if there is no room for one more.
 */
static int materialised_make_room(struct state_core *core)
{
    if (core->n_materialised < MATERIALISED_MAX)
        return 0;
    if (list_empty(&core->idle)) {
        log_warn(core->log, "state.too_many_pattern_hints", KV_U("hints", core->n_materialised));
        return STATE_NO_HINT;
    }
    return hint_stage_end(core, CONTAINER_OF(core->idle.next, struct hint, idle));
}

/* `*out`, unless NULL, is there without a hint. */
static int pattern_stage(struct state_core *core, const struct dialplan_match *match,
                         struct str extension, struct hint **out)
{
    struct hint_text_room room;
    struct extension_key key;
    struct hint_form form = {
        .context = match->context->name,
        .text = match->hint->text,
        .name = match->hint->name,
        .origin = HINT_MATERIALISED,
    };

    if (!name_is_plain(extension))
        return STATE_NO_HINT;
    extension_key_init(&key, extension);
    if (key.n == 0)
        return STATE_NO_HINT;
    form.extension = extension_key_str(&key); /* who asks first must not name the device */
    form.text = hint_text(core, core->dialplan, &form, &room);
    return *out ? hint_stage_form(core, *out, &form) : hint_stage_new(core, &form, out);
}

static int materialise(struct state_core *core, const struct dialplan_match *match,
                       struct str extension, struct hint **out)
{
    int r;

    state_cause_begin(core, STATE_CAUSE_WATCHED);
    r = materialised_make_room(core);
    if (r == 0)
        r = pattern_stage(core, match, extension, out);
    if (r) {
        hints_rollback(core);
    } else {
        hints_commit(core);
        hints_tell(core);
    }
    state_cause_end(core);
    return r;
}

bool state_name_is_possible(const struct resource_name *name)
{
    struct extension_key key;

    if (name->package.n)
        return name->extension.n > 0;
    if (name->extension.n > NAME_MAX_LEN || !name_is_plain(name->extension))
        return false;
    extension_key_init(&key, name->extension);
    return key.n > 0;
}

/* ---- watching ---- */

static bool has_hint(const struct hint *h)
{
    return h && h->origin != HINT_NONE;
}

/* What is only published does not hide what the dialplan has. */
static bool core_has(void *ctx, const struct dialplan_context *context, struct str extension)
{
    return has_hint(hint_find(ctx, context->name, extension));
}

/* 0: it is `*out`, or where that has no hint what the match makes of it. */
static int extension_find(struct state_core *core, struct str context, struct str extension,
                          struct dialplan_match *match, struct hint **out)
{
    const struct dialplan_search search = {
        .dialplan = core->dialplan,
        .context = context,
        .extension = extension,
        .wall_ms = clock_wall_ms(core->clock),
        .has = core_has,
        .ctx = core,
    };

    *match = (struct dialplan_match){ .cacheable = true };
    if (!core->dialplan || dialplan_search(&search, match))
        return STATE_NO_HINT;
    *out = hint_find(core, match->context->name, extension);
    return 0;
}

static int hint_resolve(struct state_core *core, struct str context, struct str extension,
                        struct hint **out, bool *cacheable)
{
    struct dialplan_match match;
    int r = extension_find(core, context, extension, &match, out);

    *cacheable = match.cacheable;
    return r || has_hint(*out) ? r : materialise(core, &match, extension, out);
}

int pattern_materialise(struct state_core *core, const struct resource_name *name,
                        struct hint **out)
{
    struct dialplan_context *ctx =
        core->dialplan ? dialplan_context_find(core->dialplan, name->context) : NULL;
    struct dialplan_match match = { .context = ctx };

    if (ctx)
        match.hint = dialplan_context_pattern(ctx, name->extension);
    return match.hint ? materialise(core, &match, name->extension, out) : STATE_NO_HINT;
}

static int bare_stage(struct state_core *core, const struct resource_name *name, struct hint **out)
{
    struct hint_form form = { .package = name->package,
                              .context = name->context,
                              .extension = name->extension,
                              .origin = HINT_NONE };
    struct extension_key key;

    if (!state_name_is_possible(name))
        return STATE_BAD_NAME;
    if (!name->package.n) {
        extension_key_init(&key, name->extension);
        form.extension = extension_key_str(&key);
    }
    return hint_stage_new(core, &form, out);
}

int hint_make_bare(struct state_core *core, const struct resource_name *name, struct hint **out)
{
    int r;

    state_cause_begin(core, STATE_CAUSE_WATCHED);
    r = bare_stage(core, name, out);
    if (r == 0) {
        hints_commit(core);
        hints_tell(core);
    }
    state_cause_end(core);
    return r;
}

typedef int (*bare_fn)(struct state_core *core, const struct resource_name *name,
                       struct hint **out);

/* Behind all that the dialplan has: what is published under just that name, or is served. */
static int bare_resolve(struct state_core *core, const struct resource_name *name, bool served,
                        bare_fn make, struct hint **out)
{
    if (!state_name_is_possible(name))
        return STATE_NO_HINT;
    *out = hint_find_name(core, name);
    if (*out)
        return (*out)->contribution.published || served ? 0 : STATE_NO_HINT;
    return served ? make(core, name, out) : STATE_NO_HINT;
}

void state_substitute(const struct state_core *core, struct str text, struct buf *out)
{
    if (core->dialplan)
        dialplan_substitute(core->dialplan, text, STR_EMPTY, STR_EMPTY, clock_wall_ms(core->clock),
                            out);
}

const struct dialplan *state_dialplan(const struct state_core *core)
{
    return core->dialplan;
}

const struct snapshot *state_find(const struct state_core *core, const struct resource_name *name)
{
    const struct hint *h = hint_find_name(core, name);

    return h ? h->snapshot : NULL;
}

int state_watch(struct state_core *core, const struct resource_name *name, bool served,
                unsigned consumer, const struct snapshot **out, bool *cacheable)
{
    struct hint *h = NULL;
    bool stable = true;
    int r;

    BUG_UNLESS(consumer < 64);
    r = name->package.n ? STATE_NO_HINT
                        : hint_resolve(core, name->context, name->extension, &h, &stable);
    if (r == STATE_NO_HINT) {
        r = bare_resolve(core, name, served, hint_make_bare, &h);
        if (r == 0)
            stable = served;
    }
    if (cacheable)
        *cacheable = stable;
    if (r)
        return r;
    h->consumers |= 1ull << consumer;
    hint_idle_update(core, h);
    *out = h->snapshot;
    return 0;
}

int state_peek(struct state_core *core, const struct resource_name *name, bool served,
               const struct snapshot **out)
{
    struct dialplan_match match;
    struct hint *h = NULL;
    int r = name->package.n ? STATE_NO_HINT
                            : extension_find(core, name->context, name->extension, &match, &h);

    if (r == 0 && !has_hint(h))
        r = pattern_stage(core, &match, name->extension, &h);
    if (r == STATE_NO_HINT)
        r = bare_resolve(core, name, served, bare_stage, &h);
    if (r == 0)
        *out = snapshot_ref(h->next.snapshot ? h->next.snapshot : h->snapshot);
    hints_rollback(core);
    return r;
}

void state_unwatch(struct state_core *core, uint64_t resource_id, unsigned consumer)
{
    struct hint *h = hint_find_id(core, resource_id);

    BUG_UNLESS(consumer < 64);
    if (!h)
        return;
    h->consumers &= ~(1ull << consumer);
    hint_idle_update(core, h);
    hint_release(core, h);
}

void state_watch_all(struct state_core *core, unsigned consumer)
{
    uint64_t bit = 1ull << consumer;

    BUG_UNLESS(consumer < 64);
    if (core->watch_all & bit)
        return;
    core->watch_all |= bit;
    LIST_FOREACH (it, &core->hints) {
        struct hint *h = CONTAINER_OF(it, struct hint, link);

        if (hint_is_silent(core, h))
            continue;
        h->announced = true;
        core->port.snapshot(core->port.ctx, h->snapshot, NULL, bit);
    }
}
