// SPDX-License-Identifier: MIT
/* Hints that nobody wrote: in a context with autohints each device that is known gets one, unless
 * the context has a hint of that name from elsewhere. */
#include "state/state_internal.h"

static bool device_may(const struct state_core *core, const struct device *d)
{
    return core->switches.asterisk_autohints || name_is_phone(d->name);
}

/* Does the dialplan itself have a hint of that name, seen from this context? */
static bool is_written(const struct state_core *core, const struct dialplan *dp,
                       const struct dialplan_context *ctx, struct str extension)
{
    struct dialplan_match match;

    return dialplan_find(dp, ctx->name, extension, clock_wall_ms(core->clock), &match) == 0;
}

static struct hint_form form_of(const struct dialplan_context *ctx, struct str extension,
                                struct device *d)
{
    return (struct hint_form){ .context = ctx->name,
                               .extension = extension,
                               .text = d->name,
                               .name = d->name,
                               .device = d,
                               .origin = HINT_AUTO };
}

static int device_stage(struct state_core *core, const struct dialplan *dp,
                        const struct dialplan_context *ctx, struct device *d)
{
    struct str extension = name_autohint(d->name);
    struct hint_form form = form_of(ctx, extension, d);
    struct hint *h;

    if (extension.n == 0 || !device_may(core, d))
        return 0;
    h = hint_find(core, ctx->name, extension);
    if ((h && h->origin != HINT_NONE) || is_written(core, dp, ctx, extension))
        return 0;
    if (!h)
        return hint_stage_new(core, &form, NULL);
    return h->stage == HINT_SETTLED ? hint_stage_form(core, h, &form) : 0;
}

/* Nobody reports the device any more. */
static int device_stage_end(struct state_core *core, struct device *d)
{
    LIST_FOREACH (it, &d->followers) {
        struct hint *h = CONTAINER_OF(it, struct follow, link)->sources->hint;
        int r = h->origin == HINT_AUTO ? hint_stage_hintless(core, h) : 0;

        if (r)
            return r;
    }
    return 0;
}

int autohints_stage(struct state_core *core, struct device *d)
{
    bool changed = d->state != d->before.state || !d->before.known;

    if (!device_known(d))
        return core->switches.asterisk_autohints ? 0 : device_stage_end(core, d);
    if (core->switches.asterisk_autohints && !changed)
        return 0;
    for (size_t i = 0; i < core->n_autos; i++) {
        int r = device_stage(core, core->dialplan, core->autos[i], d);

        if (r)
            return r;
    }
    return 0;
}

int autohint_make(struct state_core *core, struct str context, struct str device)
{
    const struct dialplan_context *ctx =
        core->dialplan ? dialplan_context_find(core->dialplan, context) : NULL;
    struct name_room room;
    struct device *d;
    struct hint *h;
    int r = name_normalise(&device, device, &room);

    if (r)
        return r;
    if (!core->switches.asterisk_autohints || !ctx || !ctx->autohints)
        return STATE_UNCHANGED;
    r = device_get(core, device, &d);
    if (r)
        return r;
    r = device_stage(core, core->dialplan, ctx, d);
    if (r) {
        hints_rollback(core);
        d = device_find(core, device); /* it may have gone with its new hint */
    } else {
        hints_commit(core);
        hints_tell(core);
        h = hint_find(core, context, name_autohint(d->name));
        r = h && h->origin == HINT_AUTO ? 0 : STATE_UNCHANGED;
    }
    if (d)
        device_release(core, d);
    return r;
}

/* ---- a new dialplan ---- */

/* An autohint goes on while its context has autohints and nothing else has taken its name. */
static int hint_stage_kept(struct state_core *core, const struct dialplan *dp, struct hint *h)
{
    const struct dialplan_context *ctx = dialplan_context_find(dp, h->snapshot->context);
    struct device *d = h->sources->follows[0].device;
    struct hint_form form;

    if (!ctx || !ctx->autohints || !device_may(core, d) ||
        !(device_known(d) || core->switches.asterisk_autohints) ||
        is_written(core, dp, ctx, h->snapshot->extension))
        return 0;
    form = form_of(ctx, h->snapshot->extension, d);
    return hint_stage_form(core, h, &form);
}

/* A name whose hint would end with the old dialplan may become an autohint, watchers and all. */
static int device_stage_applied(struct state_core *core, const struct dialplan *dp,
                                const struct dialplan_context *ctx, struct device *d)
{
    struct str extension = name_autohint(d->name);
    struct hint *h = extension.n ? hint_find(core, ctx->name, extension) : NULL;
    struct hint_form form;

    if (!h)
        return device_stage(core, dp, ctx, d);
    if (h->stage != HINT_SETTLED || !device_may(core, d) || is_written(core, dp, ctx, extension))
        return 0;
    form = form_of(ctx, extension, d);
    return hint_stage_form(core, h, &form);
}

static int kept_stage(struct state_core *core, const struct dialplan *dp)
{
    LIST_FOREACH (it, &core->hints) {
        struct hint *h = CONTAINER_OF(it, struct hint, link);
        int r =
            h->origin == HINT_AUTO && h->stage == HINT_SETTLED ? hint_stage_kept(core, dp, h) : 0;

        if (r)
            return r;
    }
    return 0;
}

int autohints_stage_all(struct state_core *core, struct dialplan *dp,
                        struct dialplan_context *const *autos, size_t n_autos)
{
    int r = kept_stage(core, dp);

    if (r || core->switches.asterisk_autohints)
        return r;
    for (size_t i = 0; i < n_autos; i++)
        LIST_FOREACH (it, &core->devices) {
            struct device *d = CONTAINER_OF(it, struct device, link);

            r = device_known(d) ? device_stage_applied(core, dp, autos[i], d) : 0;
            if (r)
                return r;
        }
    return 0;
}
