// SPDX-License-Identifier: MIT
#include "source/calls.h"

#include <stdlib.h>

enum {
    CALLS_MAX = 200000,
    URI_MAX = 512,
    RANKS = 4,
};

struct calls {
    struct source *source;
    struct calls_port port;
    struct map calls, devices;
    struct list dirty; /* calls_device.dirty */
    uint64_t generation;
    bool reading; /* between calls_begin and calls_end */
};

/* ---- devices ---- */

void calls_device_touch(struct calls_device *d)
{
    if (list_empty(&d->dirty))
        list_append(&d->owner->dirty, &d->dirty);
}

void calls_devices_each(struct calls *c, void (*each)(struct calls_device *d))
{
    MAP_FOREACH (node, &c->devices)
        each(CONTAINER_OF(node, struct calls_device, node));
}

void calls_devices_touch(struct calls *c)
{
    calls_devices_each(c, calls_device_touch);
}

static void on_linger(struct timer *t)
{
    struct calls_device *d = CONTAINER_OF(t, struct calls_device, linger);
    struct calls *c = d->owner;

    calls_device_touch(d);
    if (calls_flush(c) == 0) /* else with the next event */
        source_flush(c->source);
}

static bool device_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct calls_device, node)->name,
                     *(const struct str *)key);
}

struct calls_device *calls_device_find(const struct calls *c, struct str name)
{
    struct map_node *node = map_find(&c->devices, map_hash(&c->devices, name), device_is, &name);

    return node ? CONTAINER_OF(node, struct calls_device, node) : NULL;
}

struct calls_device *calls_device_get(struct calls *c, struct str name)
{
    struct calls_device *d = calls_device_find(c, name);
    char *at;

    if (d)
        return d;
    d = calloc(1, sizeof(*d) + name.n);
    if (!d)
        return NULL;
    d->owner = c;
    d->name = name;
    at = d->room;
    str_keep(&d->name, &at);
    list_init(&d->calls);
    list_init(&d->registrations);
    list_init(&d->dirty);
    timer_init(&d->linger, on_linger);
    map_add(&c->devices, &d->node, map_hash(&c->devices, d->name));
    return d;
}

static void device_free(struct calls_device *d)
{
    timer_stop(source_wheel(d->owner->source), &d->linger);
    map_remove(&d->owner->devices, &d->node);
    list_remove(&d->dirty);
    free(d);
}

/* ---- calls ---- */

static bool call_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct call, node)->id, *(const struct str *)key);
}

struct call *calls_find(const struct calls *c, struct str id)
{
    struct map_node *node = map_find(&c->calls, map_hash(&c->calls, id), call_is, &id);

    return node ? CONTAINER_OF(node, struct call, node) : NULL;
}

int calls_get(struct calls *c, struct str id, struct call **out)
{
    struct call *call = calls_find(c, id);
    char *at;

    *out = call;
    if (call)
        call->generation = c->generation;
    if (call || c->calls.count >= CALLS_MAX)
        return 0;
    call = calloc(1, sizeof(*call) + id.n);
    if (!call)
        return -ENOMEM;
    call->id = id;
    at = call->room;
    str_keep(&call->id, &at);
    call->generation = c->generation;
    call->listed = c->reading;
    list_init(&call->of_device);
    list_init(&call->asking);
    map_add(&c->calls, &call->node, map_hash(&c->calls, call->id));
    *out = call;
    return 0;
}

static void call_touch(struct call *call)
{
    if (call->device)
        calls_device_touch(call->device);
}

static void call_leave(struct calls *c, struct call *call)
{
    struct calls_device *d = call->device;

    list_remove(&call->of_device);
    call->device = NULL;
    if (!d)
        return;
    /* The last call ends with its device's state, which comes in a moment: a lamp that turns dark
     * need not say before that nobody knows who is called. */
    if (c->port.linger_ms && list_empty(&d->calls) && d->told)
        timer_start(source_wheel(c->source), &d->linger, c->port.linger_ms);
    else
        calls_device_touch(d);
}

void call_end(struct calls *c, struct call *call)
{
    call_leave(c, call);
    map_remove(&c->calls, &call->node);
    list_remove(&call->asking);
    for (size_t i = 0; i < CALL_TEXTS; i++)
        str_free(&call->texts[i]);
    free(call);
}

int calls_over(struct calls *c, struct str id)
{
    struct call *call = calls_find(c, id);
    int r = 0;

    if (c->reading) {
        r = calls_get(c, id, &call);
        if (r || !call)
            return r;
        call_leave(c, call);
        list_remove(&call->asking);
        call->over = true;
    } else if (call) {
        call_end(c, call);
    }
    return r;
}

int call_enter(struct calls *c, struct call *call, struct str device)
{
    struct calls_device *d;

    if (call->device && str_equal(call->device->name, device))
        return 0;
    call_leave(c, call);
    if (!source_takes(c->source, device))
        return 0;
    d = calls_device_get(c, device);
    if (!d)
        return -ENOMEM;
    timer_stop(source_wheel(c->source), &d->linger);
    call->device = d;
    list_append(&d->calls, &call->of_device);
    calls_device_touch(d);
    return 0;
}

int call_text_set(struct call *call, enum call_text which, struct str value)
{
    struct str kept;
    int r;

    if (str_equal(call->texts[which], value))
        return 0;
    r = str_dup(&kept, value);
    if (r)
        return r;
    str_free(&call->texts[which]);
    call->texts[which] = kept;
    call_touch(call);
    return 0;
}

void call_state_set(struct call *call, enum call_state state, bool held)
{
    if (call->state == state && call->held == held)
        return;
    call->state = state;
    call->held = held;
    call_touch(call);
}

void calls_begin(struct calls *c)
{
    c->generation++;
    c->reading = true;
    MAP_FOREACH (node, &c->calls) {
        struct call *call = CONTAINER_OF(node, struct call, node);

        call->asked &= call->texts[CALL_ID].n > 0; /* the answer may have got lost */
        call->sure = false;
    }
}

void calls_end(struct calls *c, bool whole)
{
    c->reading = false;
    MAP_FOREACH_SAFE (node, &c->calls) {
        struct call *call = CONTAINER_OF(node, struct call, node);

        if (call->over || (whole && call->generation != c->generation))
            call_end(c, call);
    }
}

void calls_drop(struct calls *c)
{
    MAP_FOREACH_SAFE (node, &c->calls)
        call_end(c, CONTAINER_OF(node, struct call, node));
    calls_devices_touch(c);
}

/* ---- telling ---- */

/* A channel that is neither is of no interest to anybody, as one that is busy. */
static enum es_dialog_state dialog_state(const struct call *call)
{
    switch (call->state) {
    case CALL_UP:
        return ES_DIALOG_CONFIRMED;
    case CALL_RINGING:
        return ES_DIALOG_EARLY;
    case CALL_CALLING:
        return ES_DIALOG_PROCEEDING;
    default:
        return ES_DIALOG_TRYING;
    }
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.!~*'()&=+$,;?/", c));
}

/* The URI of a number: RFC 3261 section 25.1 escapes what a user part cannot have. */
static int uri_make(struct event_state *s, struct es_text *out, struct str number,
                    const struct source_settings *settings)
{
    bool keep[256];
    char room[URI_MAX];
    struct buf b;

    if (!number.n)
        return 0;
    for (int i = 0; i < 256; i++)
        keep[i] = is_unreserved((char)i);
    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, STR("sip:"));
    buf_add_percent(&b, number, keep);
    buf_add_char(&b, '@');
    sip_host_print(&b, settings->domain.n ? settings->domain : settings->host);
    return b.error ? 0 : event_state_text(s, out, buf_str(&b));
}

static int party_make(struct event_state *s, struct es_dialog_party *p, struct str number,
                      struct str display, const struct source_settings *settings)
{
    int r = uri_make(s, &p->identity, number, settings);

    p->target = p->identity;
    if (r == 0 && p->identity.n && display.n)
        r = event_state_text(s, &p->display, display);
    return r;
}

static int dialog_make(const struct calls *c, struct event_state *s, const struct call *call,
                       struct es_dialog *d)
{
    const struct source_settings *settings = source_settings(c->source);
    const struct call *peer = calls_find(c, call->texts[CALL_PEER]);
    struct str number = call->texts[CALL_CONNECTED], display = call->texts[CALL_CONNECTED_DISPLAY];
    int r;

    if (!number.n && peer) {
        number = peer->texts[CALL_NUMBER];
        display = peer->texts[CALL_DISPLAY];
    }
    if (!number.n && call->direction == ES_DIRECTION_INITIATOR) {
        number = call->texts[CALL_DIALLED];
        display = STR_EMPTY;
    }
    *d = (struct es_dialog){ .direction = call->direction,
                             .state = dialog_state(call),
                             .held = call->held };
    r = event_state_text(s, &d->id, call->id);
    r = r ? r : event_state_text(s, &d->call_id, call->texts[CALL_ID]);
    /* The telephone's side of the dialog is the server's other side. */
    r = r ? r : event_state_text(s, &d->local_tag, call->texts[CALL_REMOTE_TAG]);
    r = r ? r : event_state_text(s, &d->remote_tag, call->texts[CALL_LOCAL_TAG]);
    r = r ? r
          : party_make(s, &d->local, call->texts[CALL_NUMBER], call->texts[CALL_DISPLAY], settings);
    return r ? r : party_make(s, &d->remote, number, display, settings);
}

/* The one that a single lamp shows comes first: one that rings, then one that talks, then one that
 * is held. */
static unsigned rank(const struct call *call)
{
    if (call->state == CALL_UP)
        return call->held ? 2 : 1;
    return call->state == CALL_RINGING ? 0 : RANKS - 1;
}

static int calls_make(const struct calls *c, const struct calls_device *d, struct event_state **out)
{
    struct es_dialog *dialogs;
    struct event_state *s;
    size_t n = 0;
    int r = event_state_create(&s);

    if (r)
        return r;
    LIST_FOREACH (it, &d->calls)
        n++;
    dialogs = arena_alloc(&s->arena, n * sizeof(*dialogs));
    if (!dialogs)
        r = -ENOMEM;
    for (unsigned wanted = 0; r == 0 && wanted < RANKS; wanted++) {
        LIST_FOREACH (it, &d->calls) {
            const struct call *call = CONTAINER_OF(it, const struct call, of_device);

            if (r == 0 && rank(call) == wanted)
                r = dialog_make(c, s, call, &dialogs[s->n_dialogs++]);
        }
    }
    if (r) {
        event_state_unref(s);
        return r;
    }
    s->has_dialogs = true;
    s->dialogs = dialogs;
    *out = s;
    return 0;
}

static bool any_listed(const struct calls_device *d)
{
    LIST_FOREACH (it, &d->calls)
        if (CONTAINER_OF(it, const struct call, of_device)->listed)
            return true;
    return false;
}

static int device_tell_calls(struct calls *c, struct calls_device *d)
{
    struct event_state *calls = NULL;
    bool any = !list_empty(&d->calls);
    int r = any ? calls_make(c, d, &calls) : 0;

    if (r)
        return r;
    if (any || d->told) {
        report_calls(source_reports(c->source), d->name, calls, any_listed(d));
        source_reported(c->source);
    }
    d->told = any;
    event_state_unref(calls);
    return 0;
}

/* Calls count for a device whose state is that of a call: they come before it, and go behind it. */
static int device_flush(struct calls *c, struct calls_device *d)
{
    const struct calls_port *port = &c->port;
    bool before = d->is_told && !list_empty(&d->calls);
    int r = 0;

    if (port->device && !before)
        port->device(port->ctx, d);
    if (source_settings(c->source)->calls && (!port->device || d->is_told))
        r = device_tell_calls(c, d);
    if (port->device && before)
        port->device(port->ctx, d);
    return r;
}

int calls_flush(struct calls *c)
{
    LIST_FOREACH_SAFE (it, &c->dirty) {
        struct calls_device *d = CONTAINER_OF(it, struct calls_device, dirty);
        int r = device_flush(c, d);

        if (r)
            return r;
        list_remove(&d->dirty);
        if (!d->told && !d->is_told && list_empty(&d->calls) && list_empty(&d->registrations))
            device_free(d);
    }
    return 0;
}

/* ---- life ---- */

int calls_create(struct calls **out, struct source *s, const struct calls_port *port)
{
    struct calls *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->source = s;
    c->port = *port;
    list_init(&c->dirty);
    r = map_init(&c->calls, source_rng(s));
    if (r == 0)
        r = map_init(&c->devices, source_rng(s));
    if (r)
        calls_destroy(c);
    else
        *out = c;
    return r;
}

void calls_destroy(struct calls *c)
{
    if (!c)
        return;
    if (c->calls.buckets)
        MAP_FOREACH_SAFE (node, &c->calls)
            call_end(c, CONTAINER_OF(node, struct call, node));
    if (c->devices.buckets)
        MAP_FOREACH_SAFE (node, &c->devices)
            device_free(CONTAINER_OF(node, struct calls_device, node));
    map_fini(&c->devices);
    map_fini(&c->calls);
    free(c);
}
