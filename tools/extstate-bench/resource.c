// SPDX-License-Identifier: MIT
#include "bench.h"

uint32_t resource_wrong(const struct resource *r)
{
    return r->known ? r->watchers - r->shows[r->lamp] : 0;
}

/* Whether it is changes that the phase counts. */
static bool is_operation(const struct bench *b)
{
    return b->phase.spec.kind == PHASE_PRIME || b->phase.spec.kind == PHASE_FANOUT;
}

/* Everyone shows it and the server has it: the change is over. */
static void check_shown(struct bench *b, struct resource *r)
{
    if (!r->changing || !r->acknowledged || resource_wrong(r))
        return;
    r->changing = false;
    if (is_operation(b))
        phase_finish(b, true);
}

void resource_count(struct bench *b, struct resource *r, int watchers, enum lamp lamp)
{
    b->wrong -= resource_wrong(r);
    r->watchers += (uint32_t)watchers;
    r->shows[lamp] += (uint32_t)watchers;
    b->wrong += resource_wrong(r);
    check_shown(b, r);
}

void resource_show(struct bench *b, struct resource *r, enum lamp from, enum lamp to)
{
    b->wrong -= resource_wrong(r);
    r->shows[from]--;
    r->shows[to]++;
    b->wrong += resource_wrong(r);
    check_shown(b, r);
}

void resource_change(struct bench *b, struct resource *r, enum lamp lamp)
{
    if (r->changing && is_operation(b)) { /* nobody waits for the former one */
        b->phase.counters.merged++;
        phase_finish(b, true);
    }
    b->wrong -= resource_wrong(r);
    r->lamp = lamp;
    r->known = true;
    r->changing = true;
    r->acknowledged = false;
    r->changed_us[lamp] = now_us();
    b->wrong += resource_wrong(r);
    b->phase.counters.changes++;
}

void resource_acknowledge(struct bench *b, struct resource *r)
{
    r->acknowledged = true;
    check_shown(b, r);
}

void resource_refuse(struct bench *b, struct resource *r)
{
    if (is_operation(b) && r->changing)
        phase_finish(b, false);
    else
        b->phase.failed++;
    r->changing = false;
}

void resource_user(struct buf *out, const struct bench *b, uint32_t resource)
{
    buf_add_u64(out, b->options->base + resource);
}
