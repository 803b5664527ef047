// SPDX-License-Identifier: MIT
#include "daemon/apply.h"

#include <stdlib.h>

struct state_switches configuration_switches(const struct settings *settings)
{
    const struct compatibility_settings *c = &settings->compatibility;

    return (struct state_switches){
        .ringing_repeat = c->ringing_repeat,
        .unavailable_is_silent = c->unavailable_is_silent,
        .asterisk_autohints = c->asterisk_autohints,
    };
}

static int device_name_of(struct buf *names, const struct endpoint_settings *e, struct str *out)
{
    size_t start = names->n;

    buf_add(names, STR("PJSIP/"));
    buf_add(names, e->id);
    *out = (struct str){ NULL, names->n - start };
    return names->error;
}

/* PJSIP/<endpoint> without a report: idle when a static contact makes her reachable, otherwise not
 * there. */
static int apply_device_defaults(struct state_core *core, const struct settings *settings)
{
    size_t n = settings->n_endpoints;
    struct str *devices = calloc(n + 1, sizeof(*devices));
    enum device_state *states = calloc(n + 1, sizeof(*states));
    struct buf names;
    size_t offset = 0;
    int r = -ENOMEM;

    buf_init(&names, SIZE_MAX / 2);
    if (!devices || !states)
        goto out;
    for (size_t i = 0; i < n; i++) {
        const struct endpoint_settings *e = &settings->endpoints[i];

        r = device_name_of(&names, e, &devices[i]);
        if (r)
            goto out;
        states[i] =
            settings_endpoint_reachable(settings, e) ? DEVICE_NOT_INUSE : DEVICE_UNAVAILABLE;
    }
    for (size_t i = 0; i < n; i++) { /* the buffer has stopped moving */
        devices[i].p = names.p + offset;
        offset += devices[i].n;
    }
    r = state_device_defaults(core, devices, states, n);
out:
    buf_fini(&names);
    free(states);
    free(devices);
    return r;
}

int configuration_apply(struct state_core *core, const struct settings *settings,
                        struct dialplan *dp)
{
    struct state_switches switches = configuration_switches(settings);
    int r;

    state_switches_set(core, &switches);
    r = apply_device_defaults(core, settings);
    return r ? r : state_dialplan_apply(core, dp);
}
