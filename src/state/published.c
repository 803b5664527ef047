// SPDX-License-Identifier: MIT
/* Resources that somebody publishes for, with a hint or without one. */
#include "state/state_internal.h"

/* The resource of that name; when there is none, the hint that a pattern of its context makes, or
 * one without a hint. */
static int resource_get(struct state_core *core, const struct resource_name *name,
                        struct hint **out)
{
    struct hint *h;
    int r = STATE_NO_HINT;

    if (!state_name_is_possible(name))
        return STATE_BAD_NAME;
    h = hint_find_name(core, name);

    if (!h && !name->package.n)
        r = pattern_materialise(core, name, &h);
    if (!h && r == STATE_NO_HINT)
        r = hint_make_bare(core, name, &h);
    if (h)
        r = 0;
    *out = h;
    return r;
}

int state_published(struct state_core *core, const struct resource_name *name,
                    enum composition_order order, const struct event_state *composite)
{
    const struct contribution c = { composite, order };
    struct hint *h = NULL;
    int r;

    if (composite) {
        r = resource_get(core, name, &h);
        if (r)
            return r;
    } else {
        h = state_name_is_possible(name) ? hint_find_name(core, name) : NULL;
        if (!h)
            return 0;
    }
    r = hint_stage_contribution(core, h, &c);
    if (r) {
        (void)!hint_release(core, h);
        return r;
    }
    hints_commit(core);
    hints_tell(core);
    return hint_release(core, h);
}
