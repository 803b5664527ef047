// SPDX-License-Identifier: MIT
#include "state/event_state.h"

#include "state/list_state.h"

#include <stdlib.h>

enum { EVENT_STATE_BLOCK = 960 }; /* what malloc has a quick way for, with its head */

int event_state_create(struct event_state **out)
{
    struct event_state *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    atomic_init(&s->refs, 1);
    s->device = DEVICE_INVALID;
    s->arena.block_size = EVENT_STATE_BLOCK;
    *out = s;
    return 0;
}

struct event_state *event_state_ref(const struct event_state *s)
{
    struct event_state *shared = (struct event_state *)s; /* only the count changes */

    if (shared)
        atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void event_state_unref(const struct event_state *s)
{
    struct event_state *shared = (struct event_state *)s;

    if (!shared || atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    event_state_unref(shared->source);
    if (shared->has_list)
        list_state_unref(shared->list);
    arena_fini(&shared->arena);
    free(shared);
}

int event_state_text(struct event_state *s, struct es_text *out, struct str text)
{
    struct str copy = STR("");
    int r = text.n ? arena_str(&s->arena, &copy, text) : 0;

    if (!r)
        *out = es_text_from(copy);
    return r;
}

/* ---- as a device's state ---- */

static enum device_state dialog_device_state(const struct es_dialog *d)
{
    switch (d->state) {
    case ES_DIALOG_TRYING:
        return DEVICE_INUSE;
    case ES_DIALOG_PROCEEDING:
        return d->direction == ES_DIRECTION_RECIPIENT ? DEVICE_RINGING : DEVICE_INUSE;
    case ES_DIALOG_EARLY: /* one that does not say who called is taken for the one to be picked up
                           */
        return d->direction == ES_DIRECTION_INITIATOR ? DEVICE_INUSE : DEVICE_RINGING;
    case ES_DIALOG_CONFIRMED:
        return d->held ? DEVICE_ONHOLD : DEVICE_INUSE;
    case ES_DIALOG_TERMINATED:
        break;
    }
    return DEVICE_NOT_INUSE;
}

enum device_state dialogs_device_state(const struct es_dialog *dialogs, size_t n)
{
    struct device_aggregate all;

    device_aggregate_init(&all);
    device_aggregate_add(&all, DEVICE_NOT_INUSE);
    for (size_t i = 0; i < n; i++)
        device_aggregate_add(&all, dialog_device_state(&dialogs[i]));
    return device_aggregate_result(&all);
}

static bool tells_of_a_call(const struct es_person *p)
{
    for (size_t i = 0; i < p->n_activities; i++) {
        struct str name = es_str(p->activities[i].name);

        if (str_equal(name, STR("on-the-phone")) || str_equal(name, STR("busy")))
            return true;
    }
    return false;
}

static bool anyone_open(const struct es_presence *p)
{
    for (size_t i = 0; i < p->n_tuples; i++)
        if (p->tuples[i].basic == ES_BASIC_OPEN)
            return true;
    return false;
}

enum device_state presence_device_state(const struct es_presence *p)
{
    if (!anyone_open(p))
        return DEVICE_UNAVAILABLE;
    for (size_t i = 0; i < p->n_persons; i++)
        if (tells_of_a_call(&p->persons[i]))
            return DEVICE_INUSE;
    return DEVICE_NOT_INUSE;
}
