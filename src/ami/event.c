// SPDX-License-Identifier: MIT
/* What has happened, as text. */
#include "ami/server_internal.h"

enum {
    EVENT_MAX = 16384,
    HINT_SHOWN_MAX = 511, /* bytes of a hint's text, as with Asterisk */
};

enum extension_state extension_state_of_text(struct str text)
{
    static const enum extension_state states[] = {
        EXTENSION_REMOVED, EXTENSION_DEACTIVATED,
        EXTENSION_IDLE,    EXTENSION_INUSE,
        EXTENSION_BUSY,    EXTENSION_UNAVAILABLE,
        EXTENSION_RINGING, EXTENSION_INUSE_RINGING,
        EXTENSION_ONHOLD,  EXTENSION_INUSE | EXTENSION_ONHOLD,
    };

    for (size_t i = 2; i < ARRAY_LEN(states); i++)
        if (str_equal(extension_state_text(states[i]), text))
            return states[i];
    return EXTENSION_DEACTIVATED;
}

void event_extension_fields(struct buf *b, struct str extension, struct str context,
                            struct str hint, enum extension_state state)
{
    ami_add(b, STR("Exten"), extension);
    ami_add(b, STR("Context"), context);
    ami_add(b, STR("Hint"), str_sub(hint, 0, HINT_SHOWN_MAX));
    buf_printf(b, "Status: %d\r\n", (int)state);
    ami_add(b, STR("StatusText"), extension_state_text(state));
}

static void add_escaped(struct buf *b, const char *name, struct str value)
{
    buf_printf(b, "%s: ", name);
    ami_escape(b, value);
    buf_add(b, STR("\r\n"));
}

void event_presence_fields(struct buf *b, struct str provider, struct str state, struct str subtype,
                           struct str message)
{
    ami_add(b, STR("Presentity"), provider);
    ami_add(b, STR("Status"), state);
    add_escaped(b, "Subtype", subtype);
    add_escaped(b, "Message", message);
}

/* Nobody hears most of them. */
static bool anybody(const struct ami_server *a, uint32_t class)
{
    LIST_FOREACH (it, &a->sessions) {
        const struct ami_session *s = CONTAINER_OF(it, struct ami_session, link);

        if (s->user && (s->user->read & s->mask & class))
            return true;
    }
    return false;
}

static void tell_device(struct ami_server *a, const struct change_device *c)
{
    static const char event[] = "DeviceStateChange";
    char room[1024];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_CALL);
    ami_add(&b, STR("Device"), c->device);
    ami_add(&b, STR("State"), device_state_name(c->state));
    ami_end(&b);
    server_tell(a, event, MANAGER_CALL, &b);
}

static void tell_provider(struct ami_server *a, const struct change_presence *c)
{
    static const char event[] = "PresenceStateChange";
    char room[EVENT_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_CALL);
    event_presence_fields(&b, c->provider, presence_state_name(c->state), c->subtype, c->message);
    ami_end(&b);
    server_tell(a, event, MANAGER_CALL, &b);
}

static void tell_mailbox(struct ami_server *a, const struct change_mailbox *c)
{
    static const char event[] = "MessageWaiting";
    char room[1024];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_CALL);
    ami_add(&b, STR("Mailbox"), c->mailbox);
    ami_add_u64(&b, STR("Waiting"), c->new_count > 0);
    ami_add_u64(&b, STR("New"), c->new_count);
    ami_add_u64(&b, STR("Old"), c->old_count);
    ami_end(&b);
    server_tell(a, event, MANAGER_CALL, &b);
}

static void tell_extension(struct ami_server *a, const struct snapshot *s)
{
    static const char event[] = "ExtensionStatus";
    char room[2048];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_CALL);
    event_extension_fields(&b, s->extension, s->context,
                           s->state == EXTENSION_REMOVED ? STR_EMPTY : s->hint, s->state);
    ami_end(&b);
    server_tell(a, event, MANAGER_CALL, &b);
}

static void tell_presence(struct ami_server *a, const struct snapshot *s)
{
    static const char event[] = "PresenceStatus";
    char room[EVENT_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_CALL);
    ami_add(&b, STR("Exten"), s->extension);
    ami_add(&b, STR("Context"), s->context);
    ami_add(&b, STR("Hint"), str_sub(s->hint, 0, HINT_SHOWN_MAX));
    ami_add(&b, STR("Status"), presence_state_name(s->presence));
    ami_add(&b, STR("Subtype"), s->presence_subtype);
    ami_add(&b, STR("Message"), s->presence_message);
    ami_end(&b);
    server_tell(a, event, MANAGER_CALL, &b);
}

static bool presence_differs(const struct snapshot *a, const struct snapshot *b)
{
    return a->presence != b->presence || !str_equal(a->presence_subtype, b->presence_subtype) ||
           !str_equal(a->presence_message, b->presence_message);
}

/* Asterisk has no word for what is stale. With `ringing_repeat` a snapshot comes that is like the
 * one before: it is told, too. */
static void tell_snapshot(struct ami_server *a, const struct snapshot *former,
                          const struct snapshot *now)
{
    bool presence;

    if (now->package.n || !(now->has_hint || (former && former->has_hint)))
        return;
    if (former && former->sequence == now->sequence)
        return;
    presence = former && now->state != EXTENSION_REMOVED && presence_differs(former, now);
    if (!former || former->state != now->state || !presence)
        tell_extension(a, now);
    if (presence)
        tell_presence(a, now);
}

/* Names are of AorDetail and ContactStatusDetail, too (contacts.c). */
static void tell_contact(struct ami_server *a, const struct change_contact *c)
{
    static const char event[] = "ContactStatus";
    static const char *const names[] = {
        [CONTACT_CHANGE_UNQUALIFIED] = "NonQualified", [CONTACT_CHANGE_UNKNOWN] = "Unknown",
        [CONTACT_CHANGE_REACHABLE] = "Reachable",      [CONTACT_CHANGE_UNREACHABLE] = "Unreachable",
        [CONTACT_CHANGE_REMOVED] = "Removed",
    };
    char room[4096];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_SYSTEM);
    ami_add_masked(&b, STR("URI"), c->contact);
    ami_add(&b, STR("ContactStatus"), str_of(names[c->what]));
    ami_add(&b, STR("AOR"), c->aor);
    ami_add(&b, STR("EndpointName"), c->endpoint);
    ami_add_u64(&b, STR("RoundtripUsec"), UINT64_C(1000) * c->rtt_ms);
    ami_end(&b);
    server_tell(a, event, MANAGER_SYSTEM, &b);
}

static void tell_endpoint(struct ami_server *a, const struct change_endpoint *c)
{
    static const char event[] = "PeerStatus";
    char room[1024];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, event, MANAGER_SYSTEM);
    ami_add(&b, STR("ChannelType"), STR("PJSIP"));
    buf_printf(&b, "Peer: PJSIP/%.*s\r\n", STR_FMT(c->endpoint));
    ami_add(&b, STR("PeerStatus"), c->reachable ? STR("Reachable") : STR("Unreachable"));
    ami_end(&b);
    server_tell(a, event, MANAGER_SYSTEM, &b);
}

void ami_server_change(struct ami_server *a, const struct change *c)
{
    bool system = c->kind == CHANGE_CONTACT || c->kind == CHANGE_ENDPOINT;

    if (!anybody(a, system ? MANAGER_SYSTEM : MANAGER_CALL))
        return;
    if (c->kind == CHANGE_CONTACT)
        tell_contact(a, &c->contact);
    else if (c->kind == CHANGE_ENDPOINT)
        tell_endpoint(a, &c->endpoint);
    else if (c->kind == CHANGE_DEVICE && c->device.state != c->device.former)
        tell_device(a, &c->device);
    else if (c->kind == CHANGE_PRESENCE)
        tell_provider(a, &c->presence);
    else if (c->kind == CHANGE_MAILBOX)
        tell_mailbox(a, &c->mailbox);
    else if (c->kind == CHANGE_SNAPSHOT)
        tell_snapshot(a, c->former, c->snapshot);
}
