// SPDX-License-Identifier: MIT
/* What becomes of what a source has said when it is gone, or has said everything anew. */
#include "state/state_internal.h"

static const struct state_source_view *said_of(const struct device *d, struct str source,
                                               uint64_t until)
{
    for (size_t i = 0; i < d->n_sources; i++)
        if (d->sources[i].heard <= until && str_equal(d->sources[i].source, source))
            return &d->sources[i];
    return NULL;
}

static int device_end(struct state_core *core, struct str source, const struct device *d,
                      enum source_end how)
{
    int r = how == SOURCE_END_UNAVAILABLE
                ? state_device_set(core, source, d->name, DEVICE_UNAVAILABLE)
                : state_device_forget(core, source, d->name);

    return r < 0 ? r : 0;
}

static int presence_end(struct state_core *core, struct str source, struct presence *p,
                        enum source_end how)
{
    int r;

    if (how == SOURCE_END_FORGOTTEN)
        return presence_forget(core, p);
    r = state_presence_report(core, &(struct presence_report){ .source = source,
                                                               .provider = p->name,
                                                               .state = PRESENCE_UNAVAILABLE });
    return r < 0 ? r : 0;
}

static int devices_end(struct state_core *core, struct str source, uint64_t until,
                       enum source_end how, size_t *left)
{
    int r = 0;

    LIST_FOREACH_SAFE (it, &core->devices) {
        const struct device *d = CONTAINER_OF(it, struct device, link);

        if (!said_of(d, source, until))
            continue;
        if (!*left)
            return STATE_MORE;
        (*left)--;
        r = device_end(core, source, d, how);
        if (r)
            return r;
    }
    return r;
}

int state_source_end(struct state_core *core, struct str source, uint64_t until,
                     enum source_end how, size_t limit)
{
    int r = devices_end(core, source, until, how, &limit);

    if (r)
        return r;
    LIST_FOREACH_SAFE (it, &core->presences) {
        struct presence *p = CONTAINER_OF(it, struct presence, link);

        if (!p->reported || p->heard > until || !str_equal(p->source, source))
            continue;
        if (!limit)
            return STATE_MORE;
        limit--;
        r = presence_end(core, source, p, how);
        if (r)
            return r;
    }
    return 0;
}

uint64_t state_reports(const struct state_core *core)
{
    return core->reports;
}
