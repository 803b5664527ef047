// SPDX-License-Identifier: MIT
/* Resources that somebody publishes for, with a hint or without one. */
#include "state/state_internal.h"

#include <stdlib.h>

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

static enum composition_order order_in(const struct context_order *orders, size_t n,
                                       struct str context)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(orders[i].context, context))
            return orders[i].order;
    return COMPOSE_AGGREGATE;
}

/* The resource that a composite is for; NULL: there is none, and nothing to tell it. */
static int resource_for(struct state_core *core, const struct resource_name *name,
                        const struct event_state *composite, struct hint **out)
{
    if (composite)
        return resource_get(core, name, out);
    *out = state_name_is_possible(name) ? hint_find_name(core, name) : NULL;
    return 0;
}

static int publish(struct state_core *core, const struct resource_name *name,
                   const struct event_state *composite, struct hint **held)
{
    const struct contribution c = { composite,
                                    order_in(core->orders, core->n_orders, name->context) };
    struct hint *h;
    int r = 0;

    if (*held && (*held)->gone) {
        state_let_go(core, *held);
        *held = NULL;
    }
    h = *held;
    if (!h)
        r = resource_for(core, name, composite, &h);
    if (r || !h)
        return r;
    r = hint_stage_contribution(core, h, &c);
    if (r) {
        hint_release(core, h);
        return r;
    }
    if (!*held)
        h->holds++;
    *held = h;
    hints_commit(core);
    hints_tell(core);
    return 0;
}

int state_publish(struct state_core *core, const struct resource_name *name,
                  const struct event_state *composite, struct hint **held)
{
    int r;

    state_cause_begin(core, STATE_CAUSE_PUBLICATION);
    r = publish(core, name, composite, held);
    state_cause_end(core);
    return r;
}

void state_let_go(struct state_core *core, struct hint *held)
{
    if (!held)
        return;
    held->holds--;
    if (!held->gone)
        hint_release(core, held);
    else if (!held->holds)
        hint_destroy(core, held);
}

int state_published(struct state_core *core, const struct resource_name *name,
                    const struct event_state *composite)
{
    struct hint *h = NULL;
    int r = state_publish(core, name, composite, &h);

    state_let_go(core, h);
    return r;
}

static int resource_end(struct state_core *core, struct hint *h)
{
    static const struct contribution none;
    int r = hint_stage_contribution(core, h, &none);

    if (r)
        return r;
    h->next.told = false;
    hints_commit(core);
    hints_tell(core);
    r = hint_stage_end(core, h);
    hints_commit(core);
    hints_tell(core);
    return r;
}

int state_resource_end(struct state_core *core, const struct resource_name *name)
{
    struct hint *h = state_name_is_possible(name) ? hint_find_name(core, name) : NULL;
    int r;

    if (!h || h->origin != HINT_NONE)
        return 0;
    state_cause_begin(core, STATE_CAUSE_PUBLICATION);
    r = resource_end(core, h);
    state_cause_end(core);
    return r;
}

/* ---- orders ---- */

void orders_free(struct context_order *orders, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_free(&orders[i].context);
    free(orders);
}

static int orders_copy(struct context_order **out, const struct context_order *orders, size_t n)
{
    struct context_order *copy = calloc(n + 1, sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        copy[i].order = orders[i].order;
        if (str_dup(&copy[i].context, orders[i].context)) {
            orders_free(copy, i);
            return -ENOMEM;
        }
    }
    *out = copy;
    return 0;
}

static int orders_stage(struct state_core *core, const struct context_order *orders, size_t n)
{
    LIST_FOREACH (it, &core->hints) {
        struct hint *h = CONTAINER_OF(it, struct hint, link);
        struct contribution c = h->contribution;
        int r;

        if (!c.published)
            continue;
        c.order = order_in(orders, n, h->snapshot->context);
        r = c.order == h->contribution.order ? 0 : hint_stage_contribution(core, h, &c);
        if (r)
            return r;
    }
    return 0;
}

int state_orders_set(struct state_core *core, const struct context_order *orders, size_t n)
{
    struct context_order *copy;
    int r = orders_copy(&copy, orders, n);

    if (r)
        return r;
    state_cause_begin(core, STATE_CAUSE_CONFIGURATION);
    r = orders_stage(core, orders, n);
    if (r) {
        hints_rollback(core);
        orders_free(copy, n);
    } else {
        orders_free(core->orders, core->n_orders);
        core->orders = copy;
        core->n_orders = n;
        hints_commit(core);
        hints_tell(core);
    }
    state_cause_end(core);
    return r;
}
