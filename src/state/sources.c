// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "state/state_internal.h"

/* ---- what a hint follows ---- */

static size_t parts_count(struct str list)
{
    size_t n = 1;

    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == '&';
    return n;
}

/* Only one source object is filled at a time, so the last of the followers shows a name that was
 * given twice. */
static bool follows_already(const struct hint_sources *s, const struct list *followers)
{
    return !list_empty(followers) &&
           CONTAINER_OF(followers->prev, struct follow, link)->sources == s;
}

static int follow_device(struct state_core *core, struct hint_sources *s, struct str name)
{
    struct follow *f = &s->follows[s->n];
    int r = device_get(core, name, &f->device);

    if (r || follows_already(s, &f->device->followers))
        return r;
    f->sources = s;
    list_append(&f->device->followers, &f->link);
    s->n_devices++;
    s->n++;
    return 0;
}

static int follow_presence(struct state_core *core, struct hint_sources *s, struct str name)
{
    struct follow *f = &s->follows[s->n];
    int r = presence_get(core, name, &f->presence);

    if (r || follows_already(s, &f->presence->followers))
        return r;
    f->sources = s;
    list_append(&f->presence->followers, &f->link);
    s->n++;
    return 0;
}

static int follow_all(struct state_core *core, struct hint_sources *s, struct str list,
                      int (*follow)(struct state_core *core, struct hint_sources *s,
                                    struct str name))
{
    struct name_room room;
    struct str rest = list, name;

    while (rest.p) {
        struct str part = str_next(&rest, '&');
        int r = name_normalise(&name, part, &room);

        if (r) { /* an empty name, or one that nobody can report */
            if (part.n > NAME_MAX_LEN)
                log_warn(core->log, "hint.name_too_long", KV("name", part));
            continue;
        }
        r = follow(core, s, name);
        if (r)
            return r;
    }
    return 0;
}

static struct hint_sources *sources_alloc(struct state_core *core, struct hint *h, size_t n)
{
    struct hint_sources *s = calloc(1, sizeof(*s) + n * sizeof(s->follows[0]));

    if (!s)
        return NULL;
    s->hint = h;
    tally_add(&core->heap.hints, s);
    return s;
}

int hint_sources_parse(struct state_core *core, struct hint *h, struct str text,
                       struct hint_sources **out)
{
    size_t comma = str_find_char(text, ',');
    struct str devices = str_sub(text, 0, comma), providers = str_sub(text, comma + 1, text.n);
    struct hint_sources *s = sources_alloc(core, h, parts_count(devices) + parts_count(providers));
    int r = -ENOMEM;

    if (!s)
        goto out;
    r = follow_all(core, s, devices, follow_device);
    if (r)
        goto out;
    r = follow_all(core, s, providers, follow_presence);
    if (r)
        goto out;
    *out = s;
    s = NULL;
out:
    hint_sources_destroy(core, s);
    return r;
}

int hint_sources_of_device(struct state_core *core, struct hint *h, struct device *d,
                           struct hint_sources **out)
{
    struct hint_sources *s = sources_alloc(core, h, 1);

    if (!s)
        return -ENOMEM;
    s->n = s->n_devices = 1;
    s->follows[0].sources = s;
    s->follows[0].device = d;
    list_append(&d->followers, &s->follows[0].link);
    *out = s;
    return 0;
}

void hint_sources_destroy(struct state_core *core, struct hint_sources *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        list_remove(&s->follows[i].link);
        if (i < s->n_devices)
            device_release(core, s->follows[i].device);
        else
            presence_release(core, s->follows[i].presence);
    }
    tally_remove(&core->heap.hints, s);
    free(s);
}

/* ---- what its lamp shows ---- */

static enum device_state devices_state(const struct hint_sources *s)
{
    struct device_aggregate all;

    device_aggregate_init(&all);
    for (size_t i = 0; i < s->n_devices; i++)
        device_aggregate_add(&all, s->follows[i].device->state);
    return device_aggregate_result(&all);
}

/* A call that rings can be picked up: it comes before those that go on. */
static unsigned call_rank(enum device_state state)
{
    return state == DEVICE_RINGING ? 3 : state == DEVICE_RINGINUSE ? 2 : 1;
}

/* The calls of the device that matters most, the first of several. */
static const struct event_state *strongest_calls(const struct hint_sources *s)
{
    const struct event_state *calls = NULL;
    unsigned strongest = 0;

    for (size_t i = 0; i < s->n_devices; i++) {
        const struct device *d = s->follows[i].device;

        for (size_t k = 0; k < d->n_sources; k++) {
            const struct state_source_view *v = &d->sources[k];

            if (!v->calls || !device_state_is_call(v->state) || call_rank(v->state) <= strongest)
                continue;
            strongest = call_rank(v->state);
            calls = v->calls;
        }
    }
    return calls;
}

/* The provider with the highest rank, the first of several; NULL when none has a valid state. */
static const struct presence *presence_strongest(const struct hint_sources *s)
{
    const struct presence *strongest = NULL;

    for (size_t i = s->n_devices; i < s->n; i++) {
        const struct presence *p = s->follows[i].presence;

        if (p->state != PRESENCE_INVALID &&
            (!strongest || presence_state_rank(p->state) > presence_state_rank(strongest->state)))
            strongest = p;
    }
    return strongest;
}

static bool presence_is_reported(const struct hint_sources *s)
{
    for (size_t i = s->n_devices; i < s->n; i++)
        if (s->follows[i].presence->reported)
            return true;
    return false;
}

/* Providers that say that they know nothing change nothing; without any there is no presence. */
static void lamp_add_presence(struct lamp *lamp, const struct hint_sources *s,
                              const struct lamp *former)
{
    const struct presence *strongest = presence_strongest(s);

    for (size_t i = s->n_devices; i < s->n; i++)
        lamp->stale |= s->follows[i].presence->stale;
    if (strongest) {
        lamp->presence = strongest->state;
        lamp->subtype = strongest->subtype;
        lamp->message = strongest->message;
    } else if (former && presence_is_reported(s)) {
        lamp->presence = former->presence;
        lamp->subtype = former->subtype;
        lamp->message = former->message;
    }
}

struct lamp lamp_of(const struct hint_sources *s, const struct contribution *c,
                    const struct lamp *former)
{
    struct lamp lamp = { .presence = PRESENCE_NOT_SET, .hint_state = EXTENSION_UNAVAILABLE };
    struct device_aggregate all;

    device_aggregate_init(&all);
    if (s)
        lamp_add_presence(&lamp, s, former);
    lamp.has_hint = s && !(c->published && c->order == COMPOSE_PUBLICATION_FIRST);
    if (lamp.has_hint) {
        enum device_state devices = devices_state(s);

        for (size_t i = 0; i < s->n_devices; i++)
            lamp.stale |= s->follows[i].device->stale;
        lamp.hint_state = extension_state_of(devices);
        lamp.calls = strongest_calls(s);
        device_aggregate_add(&all, devices);
    }
    if (c->published && !(s && c->order == COMPOSE_HINT_FIRST)) {
        lamp.published = c->published;
        device_aggregate_add(&all, c->published->device);
    }
    lamp.state = extension_state_of(device_aggregate_result(&all));
    return lamp;
}
