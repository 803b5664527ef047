// SPDX-License-Identifier: MIT
/* The Asterisk Manager Interface as a client: log in, have the lists told, follow the events.
 *
 * Events are asked for with the login, so that nothing is missed between a list and what changes
 * meanwhile: each entry and each event is the state at its place in the stream, the last one
 * counts. Requests go one after the other; their ActionID says what an answer is about. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "source/ami_calls.h"
#include "source/ami_hints.h"

enum {
    LINE_MAX_BYTES = 8192, /* channel variables may be long */
    LINES_MAX = 1024,
    REQUEST_MAX = 4096,
    STALLED_PINGS = 4, /* a list that has not gone on for so many is not going to */
    HINTS_SETTLE_MS = 200,
    MD5_BYTES = 16,
};

/* A session.
 *
 *   closed ──▶ greeting ──▶ [challenge] ──▶ login ──▶ lists ──▶ events
 *     ▲            │             │            │         │ ▲        │
 *     └────────────┴─────────────┴────────────┴─────────┴─┼────────┤
 *                                                         └────────┘
 */
enum phase {
    PHASE_CLOSED,
    PHASE_GREETING,
    PHASE_CHALLENGE,
    PHASE_LOGIN,
    PHASE_LISTS,
    PHASE_EVENTS
};

struct ami_client {
    struct source *source;
    struct ami_reader reader;
    enum phase phase;
    uint64_t sessions;    /* so that whoever gave the connection up is noticed */
    unsigned list;        /* the one that is read now, in `lists` */
    bool listed;          /* its answer has come */
    bool whole;           /* every list so far could be read */
    bool mailboxes_known; /* one of their lists, too, or none is wanted */
    bool begin_again;     /* it has all to be read once more when this is done */
    uint64_t entries, entries_before;
    unsigned stalled;
    uint64_t requests;       /* numbers of requests */
    struct ami_hints *hints; /* NULL: not followed */
    struct ami_calls *calls; /* likewise */
    struct timer settle;
};

static void no_memory(struct ami_client *c)
{
    source_fail(c->source, false, str_of(strerror(ENOMEM)));
}

/* ---- requests ---- */

static struct buf *request(struct ami_client *c, struct buf *b, char *room, struct str action)
{
    (void)c;
    buf_init_on(b, room, REQUEST_MAX);
    ami_add(b, STR("Action"), action);
    return b;
}

static void request_id(struct ami_client *c, struct buf *b, const char *kind, struct str more)
{
    char room[256];
    struct buf id;

    buf_init_on(&id, room, sizeof(room));
    buf_printf(&id, "%s%llu", kind, (unsigned long long)++c->requests);
    if (more.n)
        buf_printf(&id, "-%.*s", STR_FMT(more));
    ami_add(b, STR("ActionID"), buf_str(&id));
}

static void request_send(struct ami_client *c, struct buf *b)
{
    ami_end(b);
    if (b->error)
        source_fail(c->source, true, STR("the login is too long"));
    else
        (void)source_send(c->source, buf_str(b));
}

static void ask_challenge(struct ami_client *c)
{
    char room[REQUEST_MAX];
    struct buf b;

    request(c, &b, room, STR("Challenge"));
    request_id(c, &b, "c", STR_EMPTY);
    ami_add(&b, STR("AuthType"), STR("MD5"));
    c->phase = PHASE_CHALLENGE;
    request_send(c, &b);
}

/* Lower-case hex of MD5(challenge, secret). */
static bool key_make(struct buf *key, struct str challenge, struct str secret)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool ok = md && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
              EVP_DigestUpdate(md, challenge.p, challenge.n) == 1 &&
              EVP_DigestUpdate(md, secret.p, secret.n) == 1 &&
              EVP_DigestFinal_ex(md, bytes, &n) == 1;

    EVP_MD_CTX_free(md);
    if (ok)
        buf_add_hex(key, bytes, n);
    return ok;
}

/* With an empty challenge the secret itself is told. */
static void login(struct ami_client *c, struct str challenge)
{
    const struct source_settings *settings = source_settings(c->source);
    char room[REQUEST_MAX], key_room[2 * MD5_BYTES];
    struct buf b, key;

    buf_init_on(&key, key_room, sizeof(key_room));
    request(c, &b, room, STR("Login"));
    request_id(c, &b, "i", STR_EMPTY);
    if (challenge.n && !key_make(&key, challenge, settings->secret)) {
        source_fail(c->source, true, STR("there is no MD5 here; use login = plain and tls"));
        return;
    }
    if (challenge.n)
        ami_add(&b, STR("AuthType"), STR("MD5"));
    ami_add(&b, STR("Username"), settings->username);
    if (challenge.n)
        ami_add(&b, STR("Key"), buf_str(&key));
    else
        ami_add(&b, STR("Secret"), settings->secret);
    ami_add(&b, STR("Events"), STR("system,call"));
    c->phase = PHASE_LOGIN;
    request_send(c, &b);
}

static void ask_variable(void *ctx, struct str channel, struct str variable, char which,
                         struct str unique)
{
    struct ami_client *c = ctx;
    char room[REQUEST_MAX], kind[] = { 'v', which, '\0' };
    struct buf b;

    if (c->phase != PHASE_LISTS && c->phase != PHASE_EVENTS)
        return;
    request(c, &b, room, STR("Getvar"));
    request_id(c, &b, kind, unique);
    ami_add(&b, STR("Channel"), channel);
    ami_add(&b, STR("Variable"), variable);
    request_send(c, &b);
}

/* ---- lists ---- */

static bool wants_always(const struct source_settings *s)
{
    (void)s;
    return true;
}

static bool wants_presence(const struct source_settings *s)
{
    return s->presence;
}

static bool wants_hints(const struct source_settings *s)
{
    return s->hints;
}

static bool wants_mailboxes(const struct source_settings *s)
{
    return s->mailboxes;
}

static bool wants_calls(const struct source_settings *s)
{
    return s->calls;
}

/* Mailboxes are kept by app_voicemail or told from outside; a server has one, or the other, or
 * none, and then its lists are unknown to it. */
static const struct list_kind {
    const char *action, *header, *value; /* one header more, or NULL */
    bool (*wanted)(const struct source_settings *s);
    bool needed;    /* without it nobody can say what is gone */
    bool mailboxes; /* it tells them */
    void (*begin)(struct ami_client *c);
    void (*end)(struct ami_client *c);
} lists[];

static void hints_begin(struct ami_client *c)
{
    ami_hints_begin(c->hints);
}

static void hints_end(struct ami_client *c)
{
    ami_hints_end(c->hints);
    timer_start(source_wheel(c->source), &c->settle, 0);
}

static void calls_begin(struct ami_client *c)
{
    ami_calls_begin(c->calls);
}

static void calls_end(struct ami_client *c)
{
    ami_calls_end(c->calls);
}

static const struct list_kind lists[] = {
    { "DeviceStateList", NULL, NULL, wants_always, true, false, NULL, NULL },
    { "PresenceStateList", NULL, NULL, wants_presence, true, false, NULL, NULL },
    { "ExtensionStateList", NULL, NULL, wants_hints, false, false, hints_begin, hints_end },
    { "MWIGet", "Mailbox", "/./", wants_mailboxes, false, true, NULL, NULL },
    { "VoicemailUsersList", NULL, NULL, wants_mailboxes, false, true, NULL, NULL },
    { "CoreShowChannels", NULL, NULL, wants_calls, false, false, calls_begin, calls_end },
};

static void list_next(struct ami_client *c);

static void lists_begin(struct ami_client *c)
{
    c->phase = PHASE_LISTS;
    c->list = UINT32_MAX;
    c->whole = true;
    c->begin_again = false;
    /* What is not asked for any more is gone. */
    c->mailboxes_known = !source_settings(c->source)->mailboxes;
    source_reading(c->source);
    list_next(c);
}

/* All has been read. Calls that are not told by now are gone. */
static void lists_done(struct ami_client *c)
{
    if (c->calls && ami_calls_read(c->calls)) {
        no_memory(c);
        return;
    }
    c->phase = PHASE_EVENTS;
    source_read(c->source, c->whole, c->mailboxes_known);
    if (c->begin_again && c->phase == PHASE_EVENTS)
        lists_begin(c);
}

static void list_ask(struct ami_client *c)
{
    const struct list_kind *l = &lists[c->list];
    char room[REQUEST_MAX];
    struct buf b;

    c->listed = false;
    c->entries_before = c->entries;
    c->stalled = 0;
    if (l->begin)
        l->begin(c);
    request(c, &b, room, str_of(l->action));
    request_id(c, &b, "l", STR_EMPTY);
    if (l->header)
        ami_add(&b, str_of(l->header), str_of(l->value));
    request_send(c, &b);
}

static void list_next(struct ami_client *c)
{
    do
        c->list++;
    while (c->list < ARRAY_LEN(lists) && !lists[c->list].wanted(source_settings(c->source)));
    if (c->list == ARRAY_LEN(lists))
        lists_done(c);
    else
        list_ask(c);
}

static void list_end(struct ami_client *c)
{
    const struct list_kind *l = &lists[c->list];

    c->mailboxes_known |= l->mailboxes;
    if (l->end)
        l->end(c);
    list_next(c);
}

static void list_refused(struct ami_client *c, struct str why)
{
    const struct list_kind *l = &lists[c->list];
    char room[200];
    struct buf b;

    /* This is how it says that there are none. */
    if (str_equal(str_of(l->action), STR("ExtensionStateList")) &&
        str_starts(why, STR("No dialplan hints"))) {
        list_end(c);
        return;
    }
    c->whole &= !l->needed;
    if (!l->mailboxes || str_equal(why, STR("Permission denied"))) {
        buf_init_on(&b, room, sizeof(room));
        buf_printf(&b, "%s is refused: %.*s", l->action, (int)(why.n < 100 ? why.n : 100), why.p);
        source_complain(c->source, buf_str(&b));
    }
    list_next(c);
}

/* Is it for the list that is read now? Requests are numbered, and while a list is read variables
 * and signs of life are asked for, too. */
static bool is_of_list(const struct ami_client *c, struct str id)
{
    (void)c;
    return str_starts(id, STR("l"));
}

static void list_answer(struct ami_client *c, const struct ami_message *m)
{
    if (!str_equal_nocase(ami_get(m, STR("Response")), STR("Success"))) {
        list_refused(c, ami_get(m, STR("Message")));
        return;
    }
    c->listed = true;
    /* Some say so when there is nothing to list. */
    if (!str_equal_nocase(ami_get(m, STR("EventList")), STR("start")))
        list_end(c);
}

/* ---- events ---- */

static void on_device(struct ami_client *c, const struct ami_message *m)
{
    struct str device = ami_get(m, STR("Device"));
    enum device_state state;

    /* What mailboxes have is told by their counts. */
    if (!device.n || device_state_parse(&state, ami_get(m, STR("State"))) ||
        (source_settings(c->source)->mailboxes && str_starts_nocase(device, STR("MWI:"))) ||
        !source_takes(c->source, device))
        return;
    report_device(source_reports(c->source), device, state);
    source_reported(c->source);
    if (c->calls && ami_calls_device(c->calls, device, state))
        no_memory(c);
}

static void on_presence(struct ami_client *c, const struct ami_message *m)
{
    struct str provider = ami_get(m, STR("Presentity"));
    char rooms[2][2048];
    struct buf subtype, message;
    enum presence_state state;

    if (!provider.n || !source_settings(c->source)->presence ||
        presence_state_parse(&state, ami_get(m, STR("Status"))))
        return;
    buf_init_on(&subtype, rooms[0], sizeof(rooms[0]));
    buf_init_on(&message, rooms[1], sizeof(rooms[1]));
    ami_unescape(&subtype, ami_get(m, STR("Subtype")));
    ami_unescape(&message, ami_get(m, STR("Message")));
    report_presence(source_reports(c->source), provider, state, buf_str(&subtype),
                    buf_str(&message));
    source_reported(c->source);
}

static void report_counts(struct ami_client *c, struct str mailbox, struct str new_text,
                          struct str old_text)
{
    uint32_t new_count, old_count = 0;

    if (!mailbox.n || !source_settings(c->source)->mailboxes || str_to_u32(&new_count, new_text) ||
        (old_text.n && str_to_u32(&old_count, old_text)))
        return;
    report_mailbox(source_reports(c->source), mailbox, new_count, old_count);
    source_reported(c->source);
}

static void on_message_waiting(struct ami_client *c, const struct ami_message *m)
{
    struct str new_count = ami_get(m, STR("New"));

    /* Without counts it says only whether there are any. */
    report_counts(c, ami_get(m, STR("Mailbox")),
                  new_count.n ? new_count : ami_get(m, STR("Waiting")), ami_get(m, STR("Old")));
}

static void on_mwi_get(struct ami_client *c, const struct ami_message *m)
{
    report_counts(c, ami_get(m, STR("Mailbox")), ami_get(m, STR("NewMessages")),
                  ami_get(m, STR("OldMessages")));
}

static void on_voicemail_user(struct ami_client *c, const struct ami_message *m)
{
    struct str context = ami_get(m, STR("VMContext")), box = ami_get(m, STR("VoiceMailbox"));
    char room[256];
    struct buf b;

    if (!box.n)
        return;
    buf_init_on(&b, room, sizeof(room));
    buf_printf(&b, "%.*s@%.*s", STR_FMT(box), STR_FMT(context.n ? context : STR("default")));
    if (!b.error)
        report_counts(c, buf_str(&b), ami_get(m, STR("NewMessageCount")),
                      ami_get(m, STR("OldMessageCount")));
}

static void on_extension(struct ami_client *c, const struct ami_message *m)
{
    if (!c->hints)
        return;
    if (ami_hints_note(c->hints, ami_get(m, STR("Context")), ami_get(m, STR("Exten")),
                       ami_get(m, STR("Hint"))))
        no_memory(c);
    else if (c->phase == PHASE_EVENTS && !timer_running(&c->settle))
        timer_start(source_wheel(c->source), &c->settle, HINTS_SETTLE_MS);
}

/* What was read while it began, or before the reload, may not be all. */
static void on_changed(struct ami_client *c, const struct ami_message *m)
{
    (void)m;
    if (c->phase == PHASE_EVENTS)
        lists_begin(c);
    else if (c->phase == PHASE_LISTS && (c->list > 0 || c->listed))
        c->begin_again = true;
}

static const struct event_kind {
    const char *name;
    void (*handle)(struct ami_client *c, const struct ami_message *m);
} events[] = {
    { "DeviceStateChange", on_device },
    { "ExtensionStatus", on_extension },
    { "PresenceStateChange", on_presence },
    { "MessageWaiting", on_message_waiting },
    { "MWIGet", on_mwi_get },
    { "VoicemailUserEntry", on_voicemail_user },
    { "FullyBooted", on_changed },
    { "Reload", on_changed },
};

static void on_event(struct ami_client *c, struct str event, const struct ami_message *m)
{
    struct str id = ami_get(m, STR("ActionID"));

    source_count_event(c->source);
    if (c->phase != PHASE_LISTS && c->phase != PHASE_EVENTS)
        return;
    if (c->phase == PHASE_LISTS && is_of_list(c, id)) {
        c->entries++;
        if (str_equal_nocase(ami_get(m, STR("EventList")), STR("Complete"))) {
            list_end(c);
            return;
        }
        if (str_equal_nocase(ami_get(m, STR("EventList")), STR("Cancelled"))) {
            list_refused(c, STR("cancelled"));
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (str_equal(event, str_of(events[i].name))) {
            events[i].handle(c, m);
            return;
        }
    if (c->calls && ami_calls_event(c->calls, event, m))
        no_memory(c);
}

/* ---- answers ---- */

static void on_login(struct ami_client *c, const struct ami_message *m, bool success)
{
    struct str why = ami_get(m, STR("Message"));

    if (!success) {
        source_fail(c->source, true, why.n ? why : STR("the login was refused"));
        return;
    }
    source_logged_in(c->source);
    lists_begin(c);
}

static void on_challenge(struct ami_client *c, const struct ami_message *m, bool success)
{
    struct str challenge = ami_get(m, STR("Challenge"));

    if (success && challenge.n)
        login(c, challenge);
    else
        source_fail(c->source, true, STR("it has no challenge for us; use login = plain and tls"));
}

/* "vc17-1764000000.42": the letter says which, and behind the number stands the channel. */
static void on_variable(struct ami_client *c, struct str id, const struct ami_message *m)
{
    struct str unique = str_sub(id, str_find_char(id, '-') + 1, id.n);

    if (c->calls && id.n > 2 &&
        ami_calls_variable(c->calls, id.p[1], unique, ami_get(m, STR("Value"))))
        no_memory(c);
}

static void on_response(struct ami_client *c, struct str response, const struct ami_message *m)
{
    struct str id = ami_get(m, STR("ActionID"));
    bool success = str_equal_nocase(response, STR("Success"));

    if (c->phase == PHASE_CHALLENGE && str_starts(id, STR("c")))
        on_challenge(c, m, success);
    else if (c->phase == PHASE_LOGIN && str_starts(id, STR("i")))
        on_login(c, m, success);
    else if (c->phase == PHASE_LISTS && is_of_list(c, id) && !c->listed)
        list_answer(c, m);
    else if (str_starts(id, STR("v")) && success)
        on_variable(c, id, m);
}

static void on_greeting(struct ami_client *c, const struct ami_message *m)
{
    const struct source_settings *settings = source_settings(c->source);
    bool plain = settings->login == SOURCE_LOGIN_PLAIN ||
                 (settings->login == SOURCE_LOGIN_AUTO && settings->tls);

    if (!m->n_headers || !str_contains_nocase(m->headers[0].value, STR("Call Manager"))) {
        source_fail(c->source, true, STR("it is no manager interface"));
        return;
    }
    source_server_set(c->source, m->headers[0].value);
    if (plain)
        login(c, STR_EMPTY);
    else
        ask_challenge(c);
}

static void on_message(struct ami_client *c, const struct ami_message *m)
{
    struct str event = ami_get(m, STR("Event")), response = ami_get(m, STR("Response"));

    if (event.n)
        on_event(c, event, m);
    else if (response.n)
        on_response(c, response, m);
}

/* ---- the protocol ---- */

static void client_received(void *client, struct str bytes)
{
    struct ami_client *c = client;
    uint64_t session = c->sessions;
    struct ami_message m;
    int r;

    while (c->sessions == session && (r = ami_read(&c->reader, &bytes, &m)) != 0) {
        if (r < 0)
            no_memory(c);
        else if (r == AMI_READ_GREETING)
            on_greeting(c, &m);
        else
            on_message(c, &m);
    }
    if (c->sessions == session && c->calls && ami_calls_flush(c->calls))
        no_memory(c);
}

static void client_opened(void *client)
{
    struct ami_client *c = client;

    ami_reader_fini(&c->reader);
    ami_reader_init(&c->reader, LINE_MAX_BYTES, LINES_MAX);
    c->reader.greeting = true;
    c->phase = PHASE_GREETING;
}

static void client_closed(void *client)
{
    struct ami_client *c = client;

    c->sessions++;
    c->phase = PHASE_CLOSED; /* the reader stays: a message of it may be looked at just now */
    timer_stop(source_wheel(c->source), &c->settle);
}

static void client_ping(void *client)
{
    struct ami_client *c = client;
    char room[REQUEST_MAX];
    struct buf b;

    if (c->phase == PHASE_LISTS) {
        c->stalled = c->entries == c->entries_before ? c->stalled + 1 : 0;
        c->entries_before = c->entries;
        if (c->stalled > STALLED_PINGS) {
            source_fail(c->source, false, STR("a list does not go on"));
            return;
        }
    }
    request(c, &b, room, STR("Ping"));
    request_id(c, &b, "p", STR_EMPTY);
    request_send(c, &b);
}

static void client_stale(void *client)
{
    struct ami_client *c = client;

    if (!c->calls)
        return;
    ami_calls_drop(c->calls);
    if (ami_calls_flush(c->calls)) /* with the next connection */
        log_warn(source_log(c->source), "source.calls_stay", KV_ERR(-ENOMEM));
}

static void on_settle(struct timer *t)
{
    struct ami_client *c = CONTAINER_OF(t, struct ami_client, settle);

    if (ami_hints_flush(c->hints))
        timer_start(source_wheel(c->source), t, HINTS_SETTLE_MS);
}

static void client_destroy(void *client)
{
    struct ami_client *c = client;

    if (!c)
        return;
    timer_stop(source_wheel(c->source), &c->settle);
    ami_calls_destroy(c->calls);
    ami_hints_destroy(c->hints);
    ami_reader_fini(&c->reader);
    free(c);
}

static int client_create(void **out, struct source *s)
{
    const struct source_settings *settings = source_settings(s);
    struct ami_client *c = calloc(1, sizeof(*c));
    int r = 0;

    if (!c)
        return -ENOMEM;
    c->source = s;
    timer_init(&c->settle, on_settle);
    ami_reader_init(&c->reader, LINE_MAX_BYTES, LINES_MAX);
    if (settings->hints)
        r = ami_hints_create(&c->hints, s);
    if (r == 0 && settings->calls)
        r = ami_calls_create(&c->calls, s, &(struct ami_calls_port){ c, ask_variable });
    if (r)
        client_destroy(c);
    else
        *out = c;
    return r;
}

const struct protocol ami_protocol = {
    .create = client_create,
    .destroy = client_destroy,
    .opened = client_opened,
    .received = client_received,
    .closed = client_closed,
    .ping = client_ping,
    .stale = client_stale,
};
