// SPDX-License-Identifier: MIT
#include "source/ami_calls.h"

#include <stdlib.h>

enum {
    CHANNELS_MAX = 100000,
    LINGER_MS = 2000, /* for the state of the device, which comes after the end of its call */
    URI_MAX = 512,
};

enum channel_state { /* Asterisk's numbers */
                     CHANNEL_DOWN = 0,
                     CHANNEL_RING = 4, /* it calls */
                     CHANNEL_RINGING = 5,
                     CHANNEL_UP = 6,
};

enum channel_text {
    TEXT_NAME,
    TEXT_NUMBER, /* its own */
    TEXT_DISPLAY,
    TEXT_CONNECTED, /* whom it talks to */
    TEXT_CONNECTED_DISPLAY,
    TEXT_EXTEN, /* what it has dialled */
    TEXT_CALL_ID,
    TEXT_LOCAL_TAG, /* the server's side */
    TEXT_REMOTE_TAG,
    TEXT_PEER, /* id of the channel that dialled this one, or that this one has dialled */
    TEXTS
};

struct channel {
    struct map_node node;
    struct list of_device;
    struct calls_device *device; /* NULL: of none that is taken */
    uint64_t generation;
    unsigned state;
    enum es_direction direction;
    bool held, asked;
    struct str texts[TEXTS]; /* on the heap */
    struct str unique;
    char room[];
};

struct calls_device {
    struct map_node node;
    struct list channels; /* channel.of_device */
    struct list dirty;
    struct timer linger;
    struct ami_calls *calls;
    bool told; /* that it has some */
    struct str name;
    char room[];
};

struct ami_calls {
    struct source *source;
    struct ami_calls_port port;
    struct map channels, devices;
    struct list dirty; /* calls_device.dirty */
    uint64_t generation;
};

/* ---- devices ---- */

static void device_touch(struct calls_device *d)
{
    if (list_empty(&d->dirty))
        list_append(&d->calls->dirty, &d->dirty);
}

static void on_linger(struct timer *t)
{
    struct calls_device *d = CONTAINER_OF(t, struct calls_device, linger);
    struct source *s = d->calls->source;

    device_touch(d);
    if (ami_calls_flush(d->calls) == 0) /* else with the next event */
        source_flush(s);
}

static bool device_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct calls_device, node)->name,
                     *(const struct str *)key);
}

static struct calls_device *device_find(const struct ami_calls *c, struct str name)
{
    struct map_node *node = map_find(&c->devices, map_hash(&c->devices, name), device_is, &name);

    return node ? CONTAINER_OF(node, struct calls_device, node) : NULL;
}

static struct calls_device *device_get(struct ami_calls *c, struct str name)
{
    struct calls_device *d = device_find(c, name);
    char *at;

    if (d)
        return d;
    d = calloc(1, sizeof(*d) + name.n);
    if (!d)
        return NULL;
    d->calls = c;
    d->name = name;
    at = d->room;
    str_keep(&d->name, &at);
    list_init(&d->channels);
    list_init(&d->dirty);
    timer_init(&d->linger, on_linger);
    map_add(&c->devices, &d->node, map_hash(&c->devices, d->name));
    return d;
}

static void device_free(struct calls_device *d)
{
    timer_stop(source_wheel(d->calls->source), &d->linger);
    map_remove(&d->calls->devices, &d->node);
    list_remove(&d->dirty);
    free(d);
}

/* "PJSIP/alice-0000001a" is a channel of PJSIP/alice. */
static struct str device_of(struct str channel)
{
    size_t n = channel.n;

    while (n > 0 && channel.p[n - 1] != '-')
        n--;
    return str_sub(channel, 0, n ? n - 1 : channel.n);
}

/* ---- channels ---- */

static bool channel_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, const struct channel, node)->unique,
                     *(const struct str *)key);
}

static struct channel *channel_find(const struct ami_calls *c, struct str unique)
{
    struct map_node *node =
        map_find(&c->channels, map_hash(&c->channels, unique), channel_is, &unique);

    return node ? CONTAINER_OF(node, struct channel, node) : NULL;
}

static void channel_leave(struct channel *ch)
{
    struct calls_device *d = ch->device;

    list_remove(&ch->of_device);
    ch->device = NULL;
    if (!d)
        return;
    /* The last call ends with its device's state, which comes in a moment: a lamp that turns dark
     * need not say before that nobody knows who is called. */
    if (list_empty(&d->channels) && d->told)
        timer_start(source_wheel(d->calls->source), &d->linger, LINGER_MS);
    else
        device_touch(d);
}

static void channel_free(struct ami_calls *c, struct channel *ch)
{
    channel_leave(ch);
    map_remove(&c->channels, &ch->node);
    for (size_t i = 0; i < TEXTS; i++)
        str_free(&ch->texts[i]);
    free(ch);
}

/* NULL: there is no memory, or there are too many. */
static struct channel *channel_new(struct ami_calls *c, struct str unique)
{
    struct channel *ch =
        c->channels.count < CHANNELS_MAX ? calloc(1, sizeof(*ch) + unique.n) : NULL;
    char *at;

    if (!ch)
        return NULL;
    ch->unique = unique;
    at = ch->room;
    str_keep(&ch->unique, &at);
    list_init(&ch->of_device);
    map_add(&c->channels, &ch->node, map_hash(&c->channels, ch->unique));
    return ch;
}

static void channel_touch(struct channel *ch)
{
    if (ch->device)
        device_touch(ch->device);
}

static int text_set(struct channel *ch, enum channel_text which, struct str value)
{
    struct str kept;
    int r;

    if (str_equal(value, STR("<unknown>")))
        value = STR_EMPTY;
    if (str_equal(ch->texts[which], value))
        return 0;
    r = str_dup(&kept, value);
    if (r)
        return r;
    str_free(&ch->texts[which]);
    ch->texts[which] = kept;
    channel_touch(ch);
    return 0;
}

static int enter_device(struct ami_calls *c, struct channel *ch)
{
    struct str name = device_of(ch->texts[TEXT_NAME]);
    struct calls_device *d = NULL;

    if (ch->device && str_equal(ch->device->name, name))
        return 0;
    channel_leave(ch);
    if (!source_takes(c->source, name))
        return 0;
    d = device_get(c, name);
    if (!d)
        return -ENOMEM;
    timer_stop(source_wheel(c->source), &d->linger);
    ch->device = d;
    list_append(&d->channels, &ch->of_device);
    device_touch(d);
    return 0;
}

static void ask(struct ami_calls *c, struct channel *ch)
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
    if (ch->asked || !ch->device || ch->state < CHANNEL_RING)
        return;
    ch->asked = true;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        if (str_starts(ch->texts[TEXT_NAME], str_of(questions[i].technology)))
            c->port.ask(c->port.ctx, ch->texts[TEXT_NAME], str_of(questions[i].variable),
                        questions[i].which, ch->unique);
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

static void state_set(struct channel *ch, struct str value)
{
    uint32_t state;

    if (str_to_u32(&state, value))
        return;
    if (ch->direction == ES_DIRECTION_NONE)
        ch->direction = state == CHANNEL_RING                               ? ES_DIRECTION_INITIATOR
                        : state == CHANNEL_DOWN || state == CHANNEL_RINGING ? ES_DIRECTION_RECIPIENT
                                                                            : ES_DIRECTION_NONE;
    if (ch->state == state)
        return;
    ch->state = state;
    channel_touch(ch);
}

/* What a message says about one channel. `out` may come back NULL: there is no memory, or it is
 * about none. */
static int channel_read(struct ami_calls *c, const struct ami_message *m, struct str prefix,
                        struct channel **out)
{
    static const struct {
        const char *header;
        enum channel_text which;
    } headers[] = {
        { "Channel", TEXT_NAME },
        { "CallerIDNum", TEXT_NUMBER },
        { "CallerIDName", TEXT_DISPLAY },
        { "ConnectedLineNum", TEXT_CONNECTED },
        { "ConnectedLineName", TEXT_CONNECTED_DISPLAY },
        { "Exten", TEXT_EXTEN },
    };
    struct str unique = get(m, prefix, "Uniqueid"), value;
    struct channel *ch = unique.n ? channel_find(c, unique) : NULL;
    int r = 0;

    *out = NULL;
    if (!unique.n)
        return 0;
    if (!ch && c->channels.count >= CHANNELS_MAX)
        return 0;
    if (!ch)
        ch = channel_new(c, unique);
    if (!ch)
        return -ENOMEM;
    ch->generation = c->generation;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(headers); i++) {
        value = get(m, prefix, headers[i].header);
        /* What it has dialled is where it began: the dialplan goes on to other extensions. */
        if (value.p && !(headers[i].which == TEXT_EXTEN && ch->texts[TEXT_EXTEN].n))
            r = text_set(ch, headers[i].which, value);
    }
    if (r == 0)
        r = enter_device(c, ch);
    if (r)
        return r;
    state_set(ch, get(m, prefix, "ChannelState"));
    ask(c, ch);
    *out = ch;
    return 0;
}

/* Who has dialled whom. */
static int dial_read(struct ami_calls *c, const struct ami_message *m, struct channel *caller)
{
    struct channel *called;
    int r = channel_read(c, m, STR("Dest"), &called);

    if (r || !called)
        return r;
    called->direction = ES_DIRECTION_RECIPIENT;
    if (!caller)
        return 0;
    caller->direction = ES_DIRECTION_INITIATOR;
    r = text_set(called, TEXT_PEER, caller->unique);
    return r ? r : text_set(caller, TEXT_PEER, called->unique);
}

int ami_calls_event(struct ami_calls *c, struct str event, const struct ami_message *m)
{
    static const char *const about[] = { "Newchannel",  "Newstate",         "NewCallerid",
                                         "DialBegin",   "NewConnectedLine", "DialState",
                                         "BridgeEnter", "CoreShowChannel",  "Hold",
                                         "Unhold",      "DialEnd" };
    struct channel *ch;
    int r;

    if (str_equal(event, STR("Hangup"))) {
        ch = channel_find(c, ami_get(m, STR("Uniqueid")));
        if (ch)
            channel_free(c, ch);
        return 0;
    }
    if (str_equal(event, STR("Rename"))) {
        ch = channel_find(c, ami_get(m, STR("Uniqueid")));
        r = ch ? text_set(ch, TEXT_NAME, ami_get(m, STR("Newname"))) : 0;
        return r || !ch ? r : enter_device(c, ch);
    }
    for (size_t i = 0; i < ARRAY_LEN(about); i++) {
        if (!str_equal(event, str_of(about[i])))
            continue;
        r = channel_read(c, m, STR_EMPTY, &ch);
        if (r == 0 && ch && (str_equal(event, STR("Hold")) || str_equal(event, STR("Unhold")))) {
            ch->held = str_equal(event, STR("Hold"));
            channel_touch(ch);
        }
        return r ? r : dial_read(c, m, ch);
    }
    return 0;
}

int ami_calls_variable(struct ami_calls *c, char which, struct str unique, struct str value)
{
    static const struct {
        char which;
        enum channel_text text;
    } texts[] = { { 'c', TEXT_CALL_ID }, { 'l', TEXT_LOCAL_TAG }, { 'r', TEXT_REMOTE_TAG } };
    struct channel *ch = channel_find(c, unique);

    for (size_t i = 0; ch && i < ARRAY_LEN(texts); i++)
        if (texts[i].which == which)
            return text_set(ch, texts[i].text, value);
    return 0;
}

void ami_calls_begin(struct ami_calls *c)
{
    c->generation++;
}

void ami_calls_end(struct ami_calls *c)
{
    MAP_FOREACH_SAFE (node, &c->channels) {
        struct channel *ch = CONTAINER_OF(node, struct channel, node);

        if (ch->generation != c->generation)
            channel_free(c, ch);
    }
}

void ami_calls_device(struct ami_calls *c, struct str device, enum device_state state)
{
    struct calls_device *d = device_find(c, device);
    bool idle = state == DEVICE_NOT_INUSE || state == DEVICE_UNAVAILABLE || state == DEVICE_INVALID;

    if (d && idle && list_empty(&d->channels))
        device_touch(d);
}

void ami_calls_drop(struct ami_calls *c)
{
    MAP_FOREACH_SAFE (node, &c->channels)
        channel_free(c, CONTAINER_OF(node, struct channel, node));
    MAP_FOREACH (node, &c->devices)
        device_touch(CONTAINER_OF(node, struct calls_device, node));
}

/* ---- telling ---- */

/* A channel that is neither is of no interest to anybody, as one that is busy. */
static enum es_dialog_state dialog_state(const struct channel *ch)
{
    switch (ch->state) {
    case CHANNEL_UP:
        return ES_DIALOG_CONFIRMED;
    case CHANNEL_RINGING:
        return ES_DIALOG_EARLY;
    case CHANNEL_RING:
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
    buf_add(&b, settings->domain.n ? settings->domain : settings->host);
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

static int dialog_make(const struct ami_calls *c, struct event_state *s, const struct channel *ch,
                       struct es_dialog *d)
{
    const struct source_settings *settings = source_settings(c->source);
    const struct channel *peer = channel_find(c, ch->texts[TEXT_PEER]);
    struct str number = ch->texts[TEXT_CONNECTED], display = ch->texts[TEXT_CONNECTED_DISPLAY];
    int r;

    if (!number.n && peer) {
        number = peer->texts[TEXT_NUMBER];
        display = peer->texts[TEXT_DISPLAY];
    }
    if (!number.n && ch->direction == ES_DIRECTION_INITIATOR) {
        number = ch->texts[TEXT_EXTEN];
        display = STR_EMPTY;
    }
    *d = (struct es_dialog){ .direction = ch->direction,
                             .state = dialog_state(ch),
                             .held = ch->held };
    r = event_state_text(s, &d->id, ch->unique);
    r = r ? r : event_state_text(s, &d->call_id, ch->texts[TEXT_CALL_ID]);
    /* The telephone's side of the dialog is the server's other side. */
    r = r ? r : event_state_text(s, &d->local_tag, ch->texts[TEXT_REMOTE_TAG]);
    r = r ? r : event_state_text(s, &d->remote_tag, ch->texts[TEXT_LOCAL_TAG]);
    r = r ? r : party_make(s, &d->local, ch->texts[TEXT_NUMBER], ch->texts[TEXT_DISPLAY], settings);
    return r ? r : party_make(s, &d->remote, number, display, settings);
}

/* The one that a single lamp shows comes first: one that rings, then one that talks. */
static unsigned rank(const struct channel *ch)
{
    return ch->state == CHANNEL_RINGING ? 0 : ch->state == CHANNEL_UP ? 1 : 2;
}

static int calls_make(const struct ami_calls *c, const struct calls_device *d,
                      struct event_state **out)
{
    struct es_dialog *dialogs;
    struct event_state *s;
    size_t n = 0;
    int r = event_state_create(&s);

    if (r)
        return r;
    LIST_FOREACH (it, &d->channels)
        n++;
    dialogs = arena_alloc(&s->arena, n * sizeof(*dialogs));
    if (!dialogs)
        r = -ENOMEM;
    for (unsigned wanted = 0; r == 0 && wanted < 3; wanted++) {
        LIST_FOREACH (it, &d->channels) {
            const struct channel *ch = CONTAINER_OF(it, const struct channel, of_device);

            if (r == 0 && rank(ch) == wanted)
                r = dialog_make(c, s, ch, &dialogs[s->n_dialogs++]);
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

static int device_flush(struct ami_calls *c, struct calls_device *d)
{
    struct event_state *calls = NULL;
    bool any = !list_empty(&d->channels);
    int r = any ? calls_make(c, d, &calls) : 0;

    if (r)
        return r;
    if (any || d->told) {
        report_calls(source_reports(c->source), d->name, calls);
        source_reported(c->source);
    }
    d->told = any;
    event_state_unref(calls);
    return 0;
}

int ami_calls_flush(struct ami_calls *c)
{
    LIST_FOREACH_SAFE (it, &c->dirty) {
        struct calls_device *d = CONTAINER_OF(it, struct calls_device, dirty);
        int r = device_flush(c, d);

        if (r)
            return r;
        list_remove(&d->dirty);
        if (!d->told)
            device_free(d);
    }
    return 0;
}

/* ---- life ---- */

int ami_calls_create(struct ami_calls **out, struct source *s, const struct ami_calls_port *port)
{
    struct ami_calls *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->source = s;
    c->port = *port;
    list_init(&c->dirty);
    r = map_init(&c->channels, source_rng(s));
    if (r == 0)
        r = map_init(&c->devices, source_rng(s));
    if (r)
        ami_calls_destroy(c);
    else
        *out = c;
    return r;
}

void ami_calls_destroy(struct ami_calls *c)
{
    if (!c)
        return;
    if (c->channels.buckets)
        MAP_FOREACH_SAFE (node, &c->channels)
            channel_free(c, CONTAINER_OF(node, struct channel, node));
    if (c->devices.buckets)
        MAP_FOREACH_SAFE (node, &c->devices)
            device_free(CONTAINER_OF(node, struct calls_device, node));
    map_fini(&c->devices);
    map_fini(&c->channels);
    free(c);
}
