// SPDX-License-Identifier: MIT
/* FreeSWITCH's event socket as a client. It has no device states: they are made of who is
 * registered and of the states of calls, for devices called sofia/PROFILE/USER. What is neither
 * registered nor asked for by `devices` is no device: a call to a gateway, for instance.
 *
 * Requests are answered in order, so that their answers need no name. */
#include <jansson.h>
#include <stdlib.h>

#include "source/calls.h"
#include "source/esl_frame.h"

enum {
    REQUEST_MAX = 1024,
    NAME_ROOM = 256,
    REGISTRATIONS_MAX = 200000,
    STALLED_PINGS = 4,
};
#define CUSTOM_EVENTS "CUSTOM sofia::register sofia::unregister sofia::expire"

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

struct registration {
    struct map_node node;
    struct list of_device;
    struct calls_device *device;
    uint64_t session; /* that it was in last */
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
    struct calls *calls;
    struct map registrations;
    /* One after the other is asked what only it knows. */
    struct list asking; /* call.asking */
    struct str asked;   /* id of one of them, which has left the list; empty: none is */
    char asked_room[NAME_ROOM];
};

static void no_memory(struct esl_client *c)
{
    source_fail(c->source, false, str_of(strerror(ENOMEM)));
}

/* ---- devices ---- */

static enum device_state device_state_of(const struct calls_device *d)
{
    bool rings = false, talks = false, held = false;

    LIST_FOREACH (it, &d->calls) {
        const struct call *call = CONTAINER_OF(it, const struct call, of_device);

        held |= call->held;
        rings |= call->state == CALL_RINGING;
        talks |= call->state == CALL_CALLING || (call->state == CALL_UP && !call->held);
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

/* Who is registered is a device, and stays one when she leaves: then it is unavailable. Of others
 * there is no end, as who calls from outside may be called anything: they are devices while they
 * are in a call. */
static bool is_device(const struct esl_client *c, const struct calls_device *d)
{
    return source_takes(c->source, d->name) &&
           (d->has_registered || (source_settings(c->source)->n_devices && !list_empty(&d->calls)));
}

static void device_end(struct esl_client *c, struct calls_device *d)
{
    if (!d->is_told)
        return;
    d->is_told = d->told = false; /* its calls go with it */
    report_no_device(source_reports(c->source), d->name);
    source_reported(c->source);
}

static void device_tell(void *ctx, struct calls_device *d)
{
    struct esl_client *c = ctx;
    enum device_state state = device_state_of(d);

    if (c->phase == PHASE_CLOSED) /* nothing is known but what was told */
        return;
    if (!is_device(c, d)) {
        device_end(c, d);
        return;
    }
    if (d->is_told && d->state == state && d->generation == c->sessions)
        return;
    d->is_told = true;
    d->state = state;
    d->generation = c->sessions;
    report_device(source_reports(c->source), d->name, state);
    source_reported(c->source);
}

static void flush(struct esl_client *c)
{
    if (calls_flush(c->calls))
        no_memory(c);
}

/* ---- registrations ---- */

static bool registration_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct registration, node)->id,
                     *(const struct str *)key);
}

static struct registration *registration_find(const struct esl_client *c, struct str id)
{
    struct map_node *node =
        map_find(&c->registrations, map_hash(&c->registrations, id), registration_is, &id);

    return node ? CONTAINER_OF(node, struct registration, node) : NULL;
}

static void registration_end(struct esl_client *c, struct registration *r)
{
    calls_device_touch(r->device);
    list_remove(&r->of_device);
    map_remove(&c->registrations, &r->node);
    free(r);
}

static int registration_add(struct esl_client *c, struct str id, struct str device)
{
    struct calls_device *d = calls_device_get(c->calls, device);
    struct registration *r;
    char *at;

    if (!d)
        return -ENOMEM;
    calls_device_touch(d); /* without anything it is looked at, and goes */
    r = calloc(1, sizeof(*r) + id.n);
    if (!r)
        return -ENOMEM;
    r->id = id;
    at = r->room;
    str_keep(&r->id, &at);
    r->device = d;
    d->has_registered = true;
    r->session = c->sessions;
    list_append(&d->registrations, &r->of_device);
    map_add(&c->registrations, &r->node, map_hash(&c->registrations, r->id));
    return 0;
}

static void registration_note(struct esl_client *c, struct str id, struct str device)
{
    struct registration *r = device.n && id.n ? registration_find(c, id) : NULL;

    if (!device.n || !id.n)
        return;
    if (r && str_equal(r->device->name, device)) {
        r->session = c->sessions;
        return;
    }
    if (r)
        registration_end(c, r);
    if (c->registrations.count < REGISTRATIONS_MAX && registration_add(c, id, device))
        no_memory(c);
}

static void registrations_end(struct esl_client *c)
{
    MAP_FOREACH_SAFE (node, &c->registrations) {
        struct registration *r = CONTAINER_OF(node, struct registration, node);

        if (r->session != c->sessions)
            registration_end(c, r);
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

/* Several contacts of one user have several Call-IDs; a user without one is her own. */
static void on_registered(struct esl_client *c, const json_t *e, bool is)
{
    static const char *const users[] = { "from-user", "user", "username", NULL };
    static const char *const ids[] = { "call-id", "contact", NULL };
    struct str profile = text(e, "profile-name"), user = text_of(e, users), id = text_of(e, ids);
    char room[NAME_ROOM];
    struct buf name;
    struct registration *r;

    buf_init_on(&name, room, sizeof(room));
    buf_printf(&name, "sofia/%.*s/%.*s", STR_FMT(profile), STR_FMT(user));
    if (!profile.n || !user.n || name.error)
        return;
    id = id.n ? id : buf_str(&name);
    if (is) {
        registration_note(c, id, buf_str(&name));
        return;
    }
    r = registration_find(c, id);
    if (r)
        registration_end(c, r);
}

static bool call_state_read(struct str text, struct str direction, enum call_state *state,
                            bool *held, bool *over)
{
    static const struct {
        const char *name;
        enum call_state state;
        bool held, over;
    } states[] = {
        { .name = "DOWN", .over = true },
        { .name = "HANGUP", .over = true },
        { "DIALING", CALL_DOWN, false, false },
        { "RINGING", CALL_RINGING, false, false },
        { "RING_WAIT", CALL_RINGING, false, false },
        { "EARLY", CALL_RINGING, false, false },
        { "ACTIVE", CALL_UP, false, false },
        { "UNHELD", CALL_UP, false, false },
        { "HELD", CALL_UP, true, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (!str_equal(text, str_of(states[i].name)))
            continue;
        *state = states[i].state;
        *held = states[i].held;
        *over = states[i].over;
        /* Of who calls, ringing is what she hears. */
        if (str_equal_nocase(direction, STR("inbound")) && *state != CALL_UP)
            *state = CALL_CALLING;
        return true;
    }
    return false;
}

/* Each is called otherwise in events and in the list of channels. What the PBX calls inbound is
 * what the device begins. */
static int call_texts_read(struct call *call, const json_t *e)
{
    static const char *const caller_number[] = { "Caller-Caller-ID-Number", "cid_num", NULL };
    static const char *const caller_name[] = { "Caller-Caller-ID-Name", "cid_name", NULL };
    static const char *const callee_number[] = { "Caller-Callee-ID-Number", "callee_num", NULL };
    static const char *const callee_name[] = { "Caller-Callee-ID-Name", "callee_name", NULL };
    static const char *const dialled[] = { "Caller-Destination-Number", "dest", NULL };
    static const char *const call_id[] = { "variable_sip_call_id", NULL };
    static const char *const from_tag[] = { "variable_sip_from_tag", NULL };
    static const char *const to_tag[] = { "variable_sip_to_tag", NULL };
    static const char *const peer[] = { "Other-Leg-Unique-ID", NULL };
    static const struct {
        const char *const *names;
        enum call_text as_caller, as_called;
    } texts[] = {
        { caller_number, CALL_TEXTS, CALL_CONNECTED },
        { caller_name, CALL_DISPLAY, CALL_CONNECTED_DISPLAY },
        { callee_number, CALL_CONNECTED, CALL_TEXTS },
        { callee_name, CALL_CONNECTED_DISPLAY, CALL_DISPLAY },
        { dialled, CALL_DIALLED, CALL_DIALLED },
        { call_id, CALL_ID, CALL_ID },
        { from_tag, CALL_REMOTE_TAG, CALL_LOCAL_TAG },
        { to_tag, CALL_LOCAL_TAG, CALL_REMOTE_TAG },
        { peer, CALL_PEER, CALL_PEER },
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(texts) && r == 0; i++) {
        enum call_text which =
            call->direction == ES_DIRECTION_INITIATOR ? texts[i].as_caller : texts[i].as_called;
        struct str value = text_of(e, texts[i].names);

        /* This is how it calls whom it calls for somebody, unless it knows better. */
        if (which != CALL_TEXTS && value.n && !str_equal(value, STR("Outbound Call")))
            r = call_text_set(call, which, value);
    }
    return r;
}

/* The Call-ID and the tags of a call are channel variables, which not every event has. One that is
 * only in the list may have ended, or become another, before its events were asked for. */
static void call_ask(struct esl_client *c, struct call *call)
{
    bool details = source_settings(c->source)->calls && !call->asked && call->state != CALL_DOWN &&
                   !call->texts[CALL_ID].n;

    call->asked |= details;
    if ((details || (!call->sure && call->device)) && list_empty(&call->asking))
        list_append(&c->asking, &call->asking);
}

static void ask_next(struct esl_client *c);

/* A device is called like its user. */
static int call_read(struct esl_client *c, const json_t *e, struct call *call, struct str device,
                     struct str direction)
{
    struct str rest = device;
    int r = call_enter(c->calls, call, device);

    (void)str_next(&rest, '/');
    (void)str_next(&rest, '/');
    call->direction = str_equal_nocase(direction, STR("inbound")) ? ES_DIRECTION_INITIATOR
                                                                  : ES_DIRECTION_RECIPIENT;
    if (r || !source_settings(c->source)->calls)
        return r;
    r = call_text_set(call, CALL_NUMBER, rest);
    return r ? r : call_texts_read(call, e);
}

/* Its list of channels comes from a database, which is behind what happens. */
static void on_over(struct esl_client *c, struct str id)
{
    if (id.n && calls_over(c->calls, id))
        no_memory(c);
}

/* The words of an event, which the list has by other names. */
struct call_words {
    struct str id, channel, state, direction;
    bool listed;
};

static void call_note(struct esl_client *c, const json_t *e, const struct call_words *words)
{
    char room[NAME_ROOM];
    struct str device = device_name(words->channel, room);
    enum call_state state;
    bool held, over;
    struct call *call;

    if (!words->id.n || !device.n ||
        !call_state_read(words->state, words->direction, &state, &held, &over))
        return;
    if (over) {
        on_over(c, words->id);
        return;
    }
    if (calls_get(c->calls, words->id, &call)) {
        no_memory(c);
        return;
    }
    if (!call || call->over || (words->listed && call->sure))
        return;
    if (call_read(c, e, call, device, words->direction)) {
        no_memory(c);
        return;
    }
    call_state_set(call, state, held);
    call->sure = !words->listed;
    call_ask(c, call);
}

static void on_call_state(struct esl_client *c, const json_t *e)
{
    call_note(c, e,
              &(struct call_words){ .id = text(e, "Unique-ID"),
                                    .channel = text(e, "Channel-Name"),
                                    .state = text(e, "Channel-Call-State"),
                                    .direction = text(e, "Call-Direction") });
}

/* More of a call that is known. */
static void on_call_details(struct esl_client *c, const json_t *e)
{
    struct call *call = calls_find(c->calls, text(e, "Unique-ID"));

    if (call && call_texts_read(call, e))
        no_memory(c);
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
        on_over(c, text(e, "Unique-ID"));
    else if (str_is_listed(name, STR("CHANNEL_ANSWER,CHANNEL_BRIDGE,CALL_UPDATE")))
        on_call_details(c, e);
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
        call_note(c, row,
                  &(struct call_words){ .id = text(row, "uuid"),
                                        .channel = text(row, "name"),
                                        .state = text(row, "callstate"),
                                        .direction = text(row, "direction"),
                                        .listed = true });
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
    if (c->whole)
        registrations_end(c);
    calls_end(c->calls, c->whole);
    calls_devices_touch(c->calls);
    flush(c);
    if (c->sessions != session)
        return;
    c->phase = PHASE_EVENTS;
    /* Mailboxes, and what conferences and presence are, cannot be asked for; counts stay while they
     * are wanted. */
    source_read(c->source, c->whole, !source_settings(c->source)->mailboxes);
    if (c->sessions == session)
        ask_next(c);
}

/* Names of calls are UUIDs, or with `inbound-use-callid-as-uuid` Call-IDs: what else may be in one
 * cannot be put into a line without thinking. */
static bool is_uuid(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'z') ||
              (id.p[i] >= 'A' && id.p[i] <= 'Z') || (id.p[i] && strchr("-_.@+:~!*=%[]", id.p[i]))))
            return false;
    return id.n > 0 && id.n <= NAME_ROOM;
}

static void ask_next(struct esl_client *c)
{
    char room[REQUEST_MAX];
    struct buf b;

    while (c->phase == PHASE_EVENTS && !c->asked.n && !list_empty(&c->asking)) {
        struct call *call = CONTAINER_OF(c->asking.next, struct call, asking);
        char *at = c->asked_room;

        list_remove(&call->asking);
        if (!is_uuid(call->id))
            continue;
        c->asked = call->id;
        str_keep(&c->asked, &at);
        buf_init_on(&b, room, sizeof(room));
        buf_printf(&b, "api uuid_dump %.*s json\n\n", STR_FMT(c->asked));
        (void)source_send(c->source, buf_str(&b));
    }
}

static void call_dump_read(struct esl_client *c, struct call *call, const json_t *e)
{
    enum call_state state;
    bool held, over;

    if (call->asked && call_texts_read(call, e)) {
        no_memory(c);
        return;
    }
    if (call->sure || !call_state_read(text(e, "Channel-Call-State"), text(e, "Call-Direction"),
                                       &state, &held, &over))
        return;
    if (over) {
        call_end(c->calls, call);
        return;
    }
    call->sure = true;
    call_state_set(call, state, held);
    call_ask(c, call);
}

/* What a call says of itself; it may have ended meanwhile. */
static void on_dump(struct esl_client *c, struct str body)
{
    struct call *call = calls_find(c->calls, c->asked);
    json_t *e = json_of(body);

    c->asked = STR_EMPTY;
    if (call && e)
        call_dump_read(c, call, e);
    else if (call && str_starts(body, STR("-ERR No such channel")))
        call_end(c->calls, call);
    json_decref(e);
}

static void on_reply(struct esl_client *c, struct str reply)
{
    bool ok = str_starts(reply, STR("+OK"));

    if (c->phase == PHASE_AUTH && !ok) {
        source_fail(c->source, true, reply.n ? reply : STR("the password was refused"));
    } else if (c->phase == PHASE_AUTH) {
        source_logged_in(c->source);
        ask(c, PHASE_SUBSCRIBE,
            source_settings(c->source)->calls
                ? STR("event json CHANNEL_CALLSTATE CHANNEL_DESTROY CHANNEL_ANSWER CHANNEL_BRIDGE "
                      "CALL_UPDATE PRESENCE_IN MESSAGE_WAITING HEARTBEAT " CUSTOM_EVENTS)
                : STR("event json CHANNEL_CALLSTATE CHANNEL_DESTROY PRESENCE_IN MESSAGE_WAITING "
                      "HEARTBEAT " CUSTOM_EVENTS),
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
    } else if (str_equal(type, STR("api/response")) && c->phase == PHASE_EVENTS) {
        on_dump(c, m->body);
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
        flush(c);
    if (c->sessions == session)
        ask_next(c);
}

static void client_opened(void *client)
{
    struct esl_client *c = client;

    esl_reader_fini(&c->reader);
    esl_reader_init(&c->reader);
    c->stalled = 0;
    c->phase = PHASE_GREETING;
    calls_begin(c->calls);
}

static void client_closed(void *client)
{
    struct esl_client *c = client;

    c->sessions++;
    c->phase = PHASE_CLOSED;
    c->asked = STR_EMPTY;
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
    struct esl_client *c = client;

    calls_drop(c->calls);
    if (calls_flush(c->calls)) /* with the next connection */
        log_warn(source_log(c->source), "source.calls_stay", KV_ERR(-ENOMEM));
}

static void client_destroy(void *client)
{
    struct esl_client *c = client;

    if (!c)
        return;
    if (c->registrations.buckets)
        MAP_FOREACH_SAFE (node, &c->registrations)
            registration_end(c, CONTAINER_OF(node, struct registration, node));
    map_fini(&c->registrations);
    calls_destroy(c->calls);
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
    list_init(&c->asking);
    esl_reader_init(&c->reader);
    r = calls_create(&c->calls, s, &(struct calls_port){ .ctx = c, .device = device_tell });
    if (r == 0)
        r = map_init(&c->registrations, source_rng(s));
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
