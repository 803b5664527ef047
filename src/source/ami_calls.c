// SPDX-License-Identifier: MIT
#include "source/ami_calls.h"

#include <stdlib.h>

#include "source/calls.h"

enum { LINGER_MS = 2000 };

enum channel_state { /* Asterisk's numbers */
                     CHANNEL_DOWN = 0,
                     CHANNEL_RING = 4, /* it calls */
                     CHANNEL_RINGING = 5,
                     CHANNEL_UP = 6,
};

struct ami_calls {
    struct calls *calls;
    struct ami_calls_port port;
};

/* "PJSIP/alice-0000001a" is a channel of PJSIP/alice. */
static struct str device_of(struct str channel)
{
    size_t n = channel.n;

    while (n > 0 && channel.p[n - 1] != '-')
        n--;
    return str_sub(channel, 0, n ? n - 1 : channel.n);
}

static int text_set(struct call *call, enum call_text which, struct str value)
{
    return call_text_set(call, which, str_equal(value, STR("<unknown>")) ? STR_EMPTY : value);
}

static void ask(struct ami_calls *c, struct call *call)
{
    static const struct {
        const char *technology, *variable;
        char which;
    } questions[] = {
        { "PJSIP/", "CHANNEL(pjsip,call-id)", 'c' },
        { "PJSIP/", "CHANNEL(pjsip,local_tag)", 'l' },
        { "PJSIP/", "CHANNEL(pjsip,remote_tag)", 'r' },
        { "SIP/", "SIPCALLID", 'c' },
    };

    /* The tag of who is called comes with the answer that it rings. */
    if (call->asked || !call->device || call->state == CALL_DOWN)
        return;
    call->asked = true;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        if (str_starts(call->texts[CALL_NAME], str_of(questions[i].technology)))
            c->port.ask(c->port.ctx, call->texts[CALL_NAME], str_of(questions[i].variable),
                        questions[i].which, call->id);
}

/* One header of a channel: those of the one that is dialled begin with "Dest". */
static struct str get(const struct ami_message *m, struct str prefix, const char *name)
{
    char room[64];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, prefix);
    buf_add(&b, str_of(name));
    return ami_get(m, buf_str(&b));
}

static void state_set(struct call *call, struct str value)
{
    static const enum call_state states[] = {
        [CHANNEL_RING] = CALL_CALLING, [CHANNEL_RINGING] = CALL_RINGING, [CHANNEL_UP] = CALL_UP
    };
    uint32_t state;

    if (str_to_u32(&state, value))
        return;
    if (call->direction == ES_DIRECTION_NONE)
        call->direction = state == CHANNEL_RING ? ES_DIRECTION_INITIATOR
                          : state == CHANNEL_DOWN || state == CHANNEL_RINGING
                              ? ES_DIRECTION_RECIPIENT
                              : ES_DIRECTION_NONE;
    call_state_set(call, state < ARRAY_LEN(states) ? states[state] : CALL_DOWN, call->held);
}

/* What a message says about one channel. `out` may come back NULL: there are too many, or it is
 * about none. */
static int channel_read(struct ami_calls *c, const struct ami_message *m, struct str prefix,
                        struct call **out)
{
    static const struct {
        const char *header;
        enum call_text which;
    } headers[] = {
        { "Channel", CALL_NAME },
        { "CallerIDNum", CALL_NUMBER },
        { "CallerIDName", CALL_DISPLAY },
        { "ConnectedLineNum", CALL_CONNECTED },
        { "ConnectedLineName", CALL_CONNECTED_DISPLAY },
        { "Exten", CALL_DIALLED },
    };
    struct str unique = get(m, prefix, "Uniqueid"), value;
    struct call *call;
    int r;

    *out = NULL;
    if (!unique.n)
        return 0;
    r = calls_get(c->calls, unique, &call);
    if (r || !call)
        return r;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(headers); i++) {
        value = get(m, prefix, headers[i].header);
        /* What it has dialled is where it began: the dialplan goes on to other extensions. */
        if (value.p && !(headers[i].which == CALL_DIALLED && call->texts[CALL_DIALLED].n))
            r = text_set(call, headers[i].which, value);
    }
    if (r == 0)
        r = call_enter(c->calls, call, device_of(call->texts[CALL_NAME]));
    if (r)
        return r;
    state_set(call, get(m, prefix, "ChannelState"));
    ask(c, call);
    *out = call;
    return 0;
}

/* Who has dialled whom. */
static int dial_read(struct ami_calls *c, const struct ami_message *m, struct call *caller)
{
    struct call *called;
    int r = channel_read(c, m, STR("Dest"), &called);

    if (r || !called)
        return r;
    called->direction = ES_DIRECTION_RECIPIENT;
    if (!caller)
        return 0;
    caller->direction = ES_DIRECTION_INITIATOR;
    r = call_text_set(called, CALL_PEER, caller->id);
    return r ? r : call_text_set(caller, CALL_PEER, called->id);
}

static int rename_read(struct ami_calls *c, const struct ami_message *m)
{
    struct call *call = calls_find(c->calls, ami_get(m, STR("Uniqueid")));
    struct str name = ami_get(m, STR("Newname"));
    int r = call ? text_set(call, CALL_NAME, name) : 0;

    return r || !call ? r : call_enter(c->calls, call, device_of(name));
}

int ami_calls_event(struct ami_calls *c, struct str event, const struct ami_message *m)
{
    static const char *const about[] = { "Newchannel",  "Newstate",         "NewCallerid",
                                         "DialBegin",   "NewConnectedLine", "DialState",
                                         "BridgeEnter", "CoreShowChannel",  "Hold",
                                         "Unhold",      "DialEnd" };
    struct call *call;
    int r;

    if (str_equal(event, STR("Hangup"))) {
        call = calls_find(c->calls, ami_get(m, STR("Uniqueid")));
        if (call)
            call_end(c->calls, call);
        return 0;
    }
    if (str_equal(event, STR("Rename")))
        return rename_read(c, m);
    for (size_t i = 0; i < ARRAY_LEN(about); i++) {
        if (!str_equal(event, str_of(about[i])))
            continue;
        r = channel_read(c, m, STR_EMPTY, &call);
        if (r == 0 && call && (str_equal(event, STR("Hold")) || str_equal(event, STR("Unhold"))))
            call_state_set(call, call->state, str_equal(event, STR("Hold")));
        return r ? r : dial_read(c, m, call);
    }
    return 0;
}

int ami_calls_variable(struct ami_calls *c, char which, struct str unique, struct str value)
{
    static const struct {
        char which;
        enum call_text text;
    } texts[] = { { 'c', CALL_ID }, { 'l', CALL_LOCAL_TAG }, { 'r', CALL_REMOTE_TAG } };
    struct call *call = calls_find(c->calls, unique);

    for (size_t i = 0; call && i < ARRAY_LEN(texts); i++)
        if (texts[i].which == which)
            return text_set(call, texts[i].text, value);
    return 0;
}

void ami_calls_begin(struct ami_calls *c)
{
    calls_begin(c->calls);
}

static bool all_held(const struct calls_device *d)
{
    LIST_FOREACH (it, &d->calls) {
        const struct call *call = CONTAINER_OF(it, const struct call, of_device);

        if (call->state == CALL_UP && !call->held)
            return false;
    }
    return true;
}

/* The list does not say which calls are held, and what was told of it may be out of date. All those
 * of a device that is on hold are; of one in use at least one is not. */
static void held_find(struct calls_device *d)
{
    bool held = d->state == DEVICE_ONHOLD;

    if (!held && !(d->state == DEVICE_INUSE && all_held(d)))
        return;
    LIST_FOREACH (it, &d->calls) {
        struct call *call = CONTAINER_OF(it, struct call, of_device);

        if (call->state == CALL_UP)
            call_state_set(call, CALL_UP, held);
    }
}

void ami_calls_end(struct ami_calls *c)
{
    calls_end(c->calls, true);
    calls_devices_each(c->calls, held_find);
}

int ami_calls_read(struct ami_calls *c)
{
    calls_devices_touch(c->calls);
    return calls_flush(c->calls);
}

/* One on hold is remembered until its calls are listed. */
int ami_calls_device(struct ami_calls *c, struct str device, enum device_state state)
{
    struct calls_device *d = state == DEVICE_ONHOLD ? calls_device_get(c->calls, device)
                                                    : calls_device_find(c->calls, device);
    bool idle = state == DEVICE_NOT_INUSE || state == DEVICE_UNAVAILABLE || state == DEVICE_INVALID;

    if (!d)
        return state == DEVICE_ONHOLD ? -ENOMEM : 0;
    d->state = state;
    held_find(d);
    if (idle && list_empty(&d->calls))
        calls_device_touch(d);
    return 0;
}

int ami_calls_flush(struct ami_calls *c)
{
    return calls_flush(c->calls);
}

void ami_calls_drop(struct ami_calls *c)
{
    calls_drop(c->calls);
}

/* ---- life ---- */

int ami_calls_create(struct ami_calls **out, struct source *s, const struct ami_calls_port *port)
{
    struct ami_calls *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->port = *port;
    r = calls_create(&c->calls, s, &(struct calls_port){ .linger_ms = LINGER_MS });
    if (r)
        free(c);
    else
        *out = c;
    return r;
}

void ami_calls_destroy(struct ami_calls *c)
{
    if (c)
        calls_destroy(c->calls);
    free(c);
}
