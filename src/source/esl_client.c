// SPDX-License-Identifier: MIT
/* FreeSWITCH's event socket as a client. It has no device states: they are made of who is
 * registered and of the states of calls, for devices called sofia/PROFILE/USER. What is neither
 * registered nor asked for by `devices` is no device: a call to a gateway, for instance.
 *
 * Requests are answered in order, so that their answers need no name. */
#include <jansson.h>
#include <stdlib.h>

#include "source/esl_frame.h"
#include "source/source_internal.h"

enum {
    REQUEST_MAX = 1024,
    NAME_ROOM = 256,
    TABLE_MAX = 200000, /* calls, or registrations */
    STALLED_PINGS = 4,
};

/* A session.
 *
 *   closed ──▶ greeting ──▶ auth ──▶ subscribe ──▶ registrations ──▶ channels ──▶ events
 *     ▲            │          │          │               │               │           │
 *     └────────────┴──────────┴──────────┴───────────────┴───────────────┴───────────┘
 */
enum phase {
    PHASE_CLOSED,
    PHASE_GREETING,
    PHASE_AUTH,
    PHASE_SUBSCRIBE,
    PHASE_REGISTRATIONS,
    PHASE_CHANNELS,
    PHASE_EVENTS
};

enum call_state { CALL_DIALLING, CALL_RINGING, CALL_ACTIVE, CALL_HELD };

struct esl_device {
    struct map_node node;
    struct list registrations, calls; /* .of_device */
    struct list dirty;
    enum device_state told;
    bool is_told;
    uint64_t generation; /* of the session that told it last */
    struct str name;
    char room[];
};

struct part { /* a registration, or a call */
    struct map_node node;
    struct list of_device;
    struct esl_device *device;
    uint64_t generation;
    bool inbound; /* a call that the device has made */
    enum call_state state;
    struct str id;
    char room[];
};

struct esl_client {
    struct source *source;
    struct esl_reader reader;
    enum phase phase;
    uint64_t sessions;
    unsigned stalled;
    bool whole; /* both lists could be read */
    struct map devices, registrations, calls;
    struct list dirty; /* esl_device.dirty */
};

static void no_memory(struct esl_client *c)
{
    source_fail(c->source, false, str_of(strerror(ENOMEM)));
}

/* ---- devices ---- */

static void device_touch(struct esl_client *c, struct esl_device *d)
{
    if (list_empty(&d->dirty))
        list_append(&c->dirty, &d->dirty);
}

static bool device_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct esl_device, node)->name,
                     *(const struct str *)key);
}

static struct esl_device *device_find(const struct esl_client *c, struct str name)
{
    struct map_node *node = map_find(&c->devices, map_hash(&c->devices, name), device_is, &name);

    return node ? CONTAINER_OF(node, struct esl_device, node) : NULL;
}

static struct esl_device *device_get(struct esl_client *c, struct str name)
{
    struct esl_device *d = device_find(c, name);
    char *at;

    if (d)
        return d;
    d = calloc(1, sizeof(*d) + name.n);
    if (!d)
        return NULL;
    d->name = name;
    at = d->room;
    str_keep(&d->name, &at);
    list_init(&d->registrations);
    list_init(&d->calls);
    list_init(&d->dirty);
    map_add(&c->devices, &d->node, map_hash(&c->devices, d->name));
    return d;
}

static void device_free(struct esl_client *c, struct esl_device *d)
{
    map_remove(&c->devices, &d->node);
    list_remove(&d->dirty);
    free(d);
}

static enum device_state device_state_of(const struct esl_device *d)
{
    bool rings = false, talks = false, held = false;

    LIST_FOREACH (it, &d->calls) {
        const struct part *call = CONTAINER_OF(it, const struct part, of_device);

        held |= call->state == CALL_HELD;
        rings |= call->state == CALL_RINGING && !call->inbound;
        talks |= call->state == CALL_ACTIVE || (call->inbound && call->state != CALL_HELD);
    }
    if (rings)
        return talks || held ? DEVICE_RINGINUSE : DEVICE_RINGING;
    if (talks)
        return DEVICE_INUSE;
    if (held)
        return DEVICE_ONHOLD;
    return list_empty(&d->registrations) && list_empty(&d->calls) ? DEVICE_UNAVAILABLE
                                                                  : DEVICE_NOT_INUSE;
}

static bool asked_for(const struct esl_client *c, const struct esl_device *d)
{
    return source_settings(c->source)->n_devices && source_takes(c->source, d->name);
}

/* Who is registered is a device, and stays one when she leaves: then it is unavailable. */
static bool is_device(const struct esl_client *c, const struct esl_device *d)
{
    if (!source_takes(c->source, d->name))
        return false;
    return !list_empty(&d->registrations) || d->is_told || asked_for(c, d);
}

static void devices_flush(struct esl_client *c)
{
    LIST_FOREACH_SAFE (it, &c->dirty) {
        struct esl_device *d = CONTAINER_OF(it, struct esl_device, dirty);
        enum device_state state = device_state_of(d);
        bool is = is_device(c, d);

        list_remove(&d->dirty);
        if (is && (!d->is_told || d->told != state || d->generation != c->sessions)) {
            d->is_told = true;
            d->told = state;
            d->generation = c->sessions;
            report_device(source_reports(c->source), d->name, state);
            source_reported(c->source);
        }
        if (!is && list_empty(&d->calls) && list_empty(&d->registrations))
            device_free(c, d);
    }
}

/* ---- registrations and calls ---- */

static bool part_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct part, node)->id, *(const struct str *)key);
}

static struct part *part_find(const struct map *m, struct str id)
{
    struct map_node *node = map_find(m, map_hash(m, id), part_is, &id);

    return node ? CONTAINER_OF(node, struct part, node) : NULL;
}

static void part_free(struct esl_client *c, struct map *m, struct part *p)
{
    device_touch(c, p->device);
    list_remove(&p->of_device);
    map_remove(m, &p->node);
    free(p);
}

/* Made when it is new. NULL: there is no memory, or there are too many. */
static struct part *part_get(struct esl_client *c, struct map *m, struct str id, struct str device)
{
    struct part *p = part_find(m, id);
    struct esl_device *d;
    char *at;

    if (p && str_equal(p->device->name, device)) {
        p->generation = c->sessions;
        return p;
    }
    if (p)
        part_free(c, m, p);
    d = m->count < TABLE_MAX ? device_get(c, device) : NULL;
    if (!d)
        return NULL;
    device_touch(c, d); /* without a part it is looked at, and goes */
    p = calloc(1, sizeof(*p) + id.n);
    if (!p)
        return NULL;
    p->id = id;
    at = p->room;
    str_keep(&p->id, &at);
    p->device = d;
    p->generation = c->sessions;
    list_append(m == &c->calls ? &d->calls : &d->registrations, &p->of_device);
    map_add(m, &p->node, map_hash(m, p->id));
    return p;
}

static void parts_end(struct esl_client *c, struct map *m)
{
    MAP_FOREACH_SAFE (node, m) {
        struct part *p = CONTAINER_OF(node, struct part, node);

        if (p->generation != c->sessions)
            part_free(c, m, p);
    }
}

/* ---- what is told ---- */

static struct str text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value)
               ? (struct str){ json_string_value(value), json_string_length(value) }
               : STR_EMPTY;
}

static struct str text_of(const json_t *object, const char *const *names)
{
    struct str value = STR_EMPTY;

    for (; *names && !value.n; names++)
        value = text(object, *names);
    return value;
}

/* "sofia/internal/1000@192.0.2.7:5060" and "sofia/internal/sip:1000@192.0.2.7" are of
 * sofia/internal/1000. Empty: of none that has a name for us. */
static struct str device_name(struct str channel, char *room)
{
    struct str rest = channel, technology = str_next(&rest, '/'), profile = str_next(&rest, '/');
    struct str user = str_sub(rest, 0, str_find_char(rest, '@'));
    struct buf b;

    if (!str_equal(technology, STR("sofia")) || !profile.n)
        return STR_EMPTY;
    if (str_starts_nocase(user, STR("sips:")))
        user = str_sub(user, 5, user.n);
    else if (str_starts_nocase(user, STR("sip:")))
        user = str_sub(user, 4, user.n);
    buf_init_on(&b, room, NAME_ROOM);
    buf_printf(&b, "sofia/%.*s/%.*s", STR_FMT(profile), STR_FMT(user));
    return b.error || !user.n ? STR_EMPTY : buf_str(&b);
}

static void registration_note(struct esl_client *c, struct str id, struct str device)
{
    if (device.n && id.n && !part_get(c, &c->registrations, id, device) &&
        c->registrations.count < TABLE_MAX)
        no_memory(c);
}

/* Several contacts of one user have several Call-IDs; a user without one is her own. */
static void on_registered(struct esl_client *c, const json_t *e, bool is)
{
    static const char *const users[] = { "from-user", "user", "username", NULL };
    static const char *const ids[] = { "call-id", "contact", NULL };
    struct str profile = text(e, "profile-name"), user = text_of(e, users), id = text_of(e, ids);
    char room[NAME_ROOM];
    struct buf name;
    struct part *p;

    buf_init_on(&name, room, sizeof(room));
    buf_printf(&name, "sofia/%.*s/%.*s", STR_FMT(profile), STR_FMT(user));
    if (!profile.n || !user.n || name.error)
        return;
    id = id.n ? id : buf_str(&name);
    if (is) {
        registration_note(c, id, buf_str(&name));
        return;
    }
    p = part_find(&c->registrations, id);
    if (p)
        part_free(c, &c->registrations, p);
}

static const struct {
    const char *name;
    int state; /* enum call_state; negative: there is no call */
} call_states[] = {
    { "DOWN", -1 },
    { "HANGUP", -1 },
    { "DIALING", CALL_DIALLING },
    { "RINGING", CALL_RINGING },
    { "RING_WAIT", CALL_RINGING },
    { "EARLY", CALL_RINGING },
    { "ACTIVE", CALL_ACTIVE },
    { "UNHELD", CALL_ACTIVE },
    { "HELD", CALL_HELD },
};

static void call_note(struct esl_client *c, struct str id, struct str channel, struct str state,
                      struct str direction)
{
    char room[NAME_ROOM];
    struct str device = device_name(channel, room);
    struct part *p;
    size_t i = 0;

    while (i < ARRAY_LEN(call_states) && !str_equal(state, str_of(call_states[i].name)))
        i++;
    if (!id.n || !device.n || i == ARRAY_LEN(call_states))
        return;
    if (call_states[i].state < 0) {
        p = part_find(&c->calls, id);
        if (p)
            part_free(c, &c->calls, p);
        return;
    }
    p = part_get(c, &c->calls, id, device);
    if (!p) {
        if (c->calls.count < TABLE_MAX)
            no_memory(c);
        return;
    }
    p->state = (enum call_state)call_states[i].state;
    p->inbound = str_equal_nocase(direction, STR("inbound"));
    device_touch(c, p->device);
}

static void on_call_state(struct esl_client *c, const json_t *e)
{
    call_note(c, text(e, "Unique-ID"), text(e, "Channel-Name"), text(e, "Channel-Call-State"),
              text(e, "Call-Direction"));
}

static void on_hangup(struct esl_client *c, const json_t *e)
{
    struct part *p = part_find(&c->calls, text(e, "Unique-ID"));

    if (p)
        part_free(c, &c->calls, p);
}

/* Conferences, parking lots and queues say by it whether somebody is there; telephones that publish
 * their presence, what it is. What it says of a telephone's calls the calls themselves say. */
static void on_presence(struct esl_client *c, const json_t *e)
{
    static const struct {
        const char *word;
        enum presence_state state;
    } words[] = {
        { "unavailable", PRESENCE_UNAVAILABLE },
        { "closed", PRESENCE_UNAVAILABLE },
        { "unregistered", PRESENCE_UNAVAILABLE },
        { "away", PRESENCE_AWAY },
        { "idle", PRESENCE_AWAY },
        { "disturb", PRESENCE_DND },
        { "dnd", PRESENCE_DND },
        { "busy", PRESENCE_DND },
        { "phone", PRESENCE_DND },
        { "available", PRESENCE_AVAILABLE },
        { "online", PRESENCE_AVAILABLE },
        { "registered", PRESENCE_AVAILABLE },
    };
    struct str proto = text(e, "proto"), from = text(e, "from"), answer = text(e, "answer-state"),
               status = text(e, "status");
    bool telephone = !proto.n || str_is_listed(proto, STR("sip, sips, any, sofia"));
    char room[NAME_ROOM];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_printf(&name, "%.*s%s%.*s", STR_FMT(telephone ? STR("sofia") : proto),
               telephone ? ":" : "/", STR_FMT(from));
    if (!from.n || name.error)
        return;
    if (!telephone) {
        if (!source_takes(c->source, buf_str(&name)) || !answer.n)
            return;
        report_device(source_reports(c->source), buf_str(&name),
                      str_equal(answer, STR("early"))       ? DEVICE_RINGING
                      : str_equal(answer, STR("confirmed")) ? DEVICE_INUSE
                                                            : DEVICE_NOT_INUSE);
        source_reported(c->source);
        return;
    }
    if (answer.n || !source_settings(c->source)->presence)
        return;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_contains_nocase(status, str_of(words[i].word)))
            continue;
        report_presence(source_reports(c->source), buf_str(&name), words[i].state, STR_EMPTY,
                        status);
        source_reported(c->source);
        return;
    }
}

/* "sip:1000@example.com", "3/1 (0/0)". */
static void on_messages(struct esl_client *c, const json_t *e)
{
    struct str box = text(e, "MWI-Message-Account"), counts = text(e, "MWI-Voice-Message");
    struct str first = str_trim(str_next(&counts, '/')),
               second = str_trim(str_sub(counts, 0, str_find_char(counts, ' ')));
    uint32_t new_count, old_count = 0;

    if (str_starts_nocase(box, STR("sip:")))
        box = str_sub(box, 4, box.n);
    if (!first.n)
        first = str_is_true(text(e, "MWI-Messages-Waiting")) ? STR("1") : STR("0");
    if (!box.n || !source_settings(c->source)->mailboxes || str_to_u32(&new_count, first) ||
        (second.n && str_to_u32(&old_count, second)))
        return;
    report_mailbox(source_reports(c->source), box, new_count, old_count);
    source_reported(c->source);
}

static void on_event(struct esl_client *c, const json_t *e)
{
    struct str name = text(e, "Event-Name"), subclass = text(e, "Event-Subclass");

    source_count_event(c->source);
    if (str_equal(name, STR("CHANNEL_CALLSTATE")))
        on_call_state(c, e);
    else if (str_equal(name, STR("CHANNEL_DESTROY")) || str_equal(name, STR("CHANNEL_HANGUP")))
        on_hangup(c, e);
    else if (str_equal(name, STR("PRESENCE_IN")))
        on_presence(c, e);
    else if (str_equal(name, STR("MESSAGE_WAITING")))
        on_messages(c, e);
    else if (str_equal(subclass, STR("sofia::register")))
        on_registered(c, e, true);
    else if (str_equal(subclass, STR("sofia::unregister")) ||
             str_equal(subclass, STR("sofia::expire")))
        on_registered(c, e, false);
}

/* ---- what is asked for ---- */

static void ask(struct esl_client *c, enum phase phase, struct str command, struct str secret)
{
    char room[REQUEST_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, command);
    for (size_t i = 0; i < secret.n; i++) /* it may not end the line */
        buf_add_char(&b, secret.p[i] == '\n' || secret.p[i] == '\r' ? ' ' : secret.p[i]);
    buf_add(&b, STR("\n\n"));
    c->phase = phase;
    if (b.error)
        source_fail(c->source, true, STR("the password is too long"));
    else
        (void)source_send(c->source, buf_str(&b));
}

static void on_row(struct esl_client *c, const json_t *row)
{
    char room[NAME_ROOM];

    if (c->phase == PHASE_REGISTRATIONS)
        registration_note(c, text(row, "token"), device_name(text(row, "url"), room));
    else
        call_note(c, text(row, "uuid"), text(row, "name"), text(row, "callstate"),
                  text(row, "direction"));
}

/* NULL: it is none. */
static json_t *json_of(struct str text)
{
    return text.n ? json_loadb(text.p, text.n, 0, NULL) : NULL;
}

static void on_list(struct esl_client *c, struct str body)
{
    uint64_t session = c->sessions;
    json_t *list = json_of(body), *row;
    bool refused = !list && str_starts(body, STR("-ERR"));
    size_t i;

    if (!list && !refused) {
        source_fail(c->source, false, STR("a list cannot be read"));
        return;
    }
    c->whole &= !refused; /* without a database it has none */
    if (refused)
        source_complain(c->source, str_sub(body, 0, str_find_char(body, '\n')));
    json_array_foreach(json_object_get(list, "rows"), i, row)
    {
        if (c->sessions == session)
            on_row(c, row);
    }
    json_decref(list);
    if (c->sessions != session)
        return;
    if (c->phase == PHASE_REGISTRATIONS) {
        ask(c, PHASE_CHANNELS, STR("api show channels as json"), STR_EMPTY);
        return;
    }
    if (c->whole) {
        parts_end(c, &c->registrations);
        parts_end(c, &c->calls);
    }
    MAP_FOREACH (node, &c->devices)
        device_touch(c, CONTAINER_OF(node, struct esl_device, node));
    devices_flush(c);
    c->phase = PHASE_EVENTS;
    /* Mailboxes, and what conferences and presence are, cannot be asked for. */
    source_read(c->source, c->whole, false);
}

static void on_reply(struct esl_client *c, struct str reply)
{
    bool ok = str_starts(reply, STR("+OK"));

    if (c->phase == PHASE_AUTH && !ok) {
        source_fail(c->source, true, reply.n ? reply : STR("the password was refused"));
    } else if (c->phase == PHASE_AUTH) {
        source_logged_in(c->source);
        ask(c, PHASE_SUBSCRIBE,
            STR("event json CHANNEL_CALLSTATE CHANNEL_DESTROY PRESENCE_IN MESSAGE_WAITING "
                "HEARTBEAT "
                "CUSTOM sofia::register sofia::unregister sofia::expire"),
            STR_EMPTY);
    } else if (c->phase == PHASE_SUBSCRIBE && !ok) {
        source_fail(c->source, true, reply.n ? reply : STR("events were refused"));
    } else if (c->phase == PHASE_SUBSCRIBE) {
        source_reading(c->source);
        c->whole = true;
        ask(c, PHASE_REGISTRATIONS, STR("api show registrations as json"), STR_EMPTY);
    }
}

static void on_json(struct esl_client *c, struct str body)
{
    json_t *e = json_of(body);

    if (e) /* one that is no JSON is none that we have asked for */
        on_event(c, e);
    json_decref(e);
}

static void on_message(struct esl_client *c, const struct esl_message *m)
{
    struct str type = ami_get(&m->head, STR("Content-Type"));

    if (str_equal(type, STR("auth/request")) && c->phase == PHASE_GREETING) {
        source_server_set(c->source, STR("FreeSWITCH"));
        ask(c, PHASE_AUTH, STR("auth "), source_settings(c->source)->secret);
    } else if (str_equal(type, STR("command/reply"))) {
        on_reply(c, ami_get(&m->head, STR("Reply-Text")));
    } else if (str_equal(type, STR("api/response")) &&
               (c->phase == PHASE_REGISTRATIONS || c->phase == PHASE_CHANNELS)) {
        on_list(c, m->body);
    } else if (str_equal(type, STR("text/event-json"))) {
        on_json(c, m->body);
    } else if (str_equal(type, STR("text/rude-rejection"))) {
        source_fail(c->source, true, STR("its access list denies us"));
    } else if (str_equal(type, STR("text/disconnect-notice"))) {
        source_fail(c->source, false, STR("it has said good-bye"));
    }
}

/* ---- the protocol ---- */

static void client_received(void *client, struct str bytes)
{
    struct esl_client *c = client;
    uint64_t session = c->sessions;
    struct esl_message m;
    int r;

    while (c->sessions == session && (r = esl_read(&c->reader, &bytes, &m)) != 0) {
        if (r == ESL_READ_MESSAGE)
            on_message(c, &m);
        else
            source_fail(c->source, false,
                        r < 0 ? str_of(strerror(-r)) : STR("it speaks no event socket protocol"));
    }
    /* What was told while the lists are read may be of what they are to say. */
    if (c->sessions == session && c->phase == PHASE_EVENTS)
        devices_flush(c);
}

static void client_opened(void *client)
{
    struct esl_client *c = client;

    esl_reader_fini(&c->reader);
    esl_reader_init(&c->reader);
    c->stalled = 0;
    c->phase = PHASE_GREETING;
}

static void client_closed(void *client)
{
    struct esl_client *c = client;

    c->sessions++;
    c->phase = PHASE_CLOSED;
}

/* Any answer is a sign of life, also that there is no such command; heartbeats are, too. */
static void client_ping(void *client)
{
    struct esl_client *c = client;

    if (c->phase != PHASE_EVENTS && ++c->stalled > STALLED_PINGS)
        source_fail(c->source, false, STR("a list does not come"));
    else
        (void)source_send(c->source, STR("noop\n\n"));
}

static void client_stale(void *client)
{
    (void)client;
}

static void parts_free(struct esl_client *c, struct map *m)
{
    if (m->buckets)
        MAP_FOREACH_SAFE (node, m)
            part_free(c, m, CONTAINER_OF(node, struct part, node));
    map_fini(m);
}

static void client_destroy(void *client)
{
    struct esl_client *c = client;

    if (!c)
        return;
    parts_free(c, &c->calls);
    parts_free(c, &c->registrations);
    if (c->devices.buckets)
        MAP_FOREACH_SAFE (node, &c->devices)
            device_free(c, CONTAINER_OF(node, struct esl_device, node));
    map_fini(&c->devices);
    esl_reader_fini(&c->reader);
    free(c);
}

static int client_create(void **out, struct source *s)
{
    struct esl_client *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->source = s;
    list_init(&c->dirty);
    esl_reader_init(&c->reader);
    r = map_init(&c->devices, source_rng(s));
    if (r == 0)
        r = map_init(&c->registrations, source_rng(s));
    if (r == 0)
        r = map_init(&c->calls, source_rng(s));
    if (r)
        client_destroy(c);
    else
        *out = c;
    return r;
}

const struct protocol esl_protocol = {
    .create = client_create,
    .destroy = client_destroy,
    .opened = client_opened,
    .received = client_received,
    .closed = client_closed,
    .ping = client_ping,
    .stale = client_stale,
};
