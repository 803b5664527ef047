// SPDX-License-Identifier: MIT
/* A FreeSWITCH as a source: what is asked of it, and what becomes of what it says. */
#include <stdio.h>

#include "source/esl_frame.h"
#include "source/source_fixture.h"

#define AUTH "Content-Type: auth/request\n\n"
#define REPLY(text) "Content-Type: command/reply\nReply-Text: " text "\n\n"
#define ROW(token, url) "{\"reg_user\":\"x\",\"token\":\"" token "\",\"url\":\"" url "\"}"
#define CHANNEL(uuid, name, direction, state)                                       \
    "{\"uuid\":\"" uuid "\",\"direction\":\"" direction "\",\"name\":\"" name "\"," \
    "\"callstate\":\"" state "\"}"
#define ROWS(rows) "{\"row_count\":1,\"rows\":[" rows "]}\n"

static const struct source_settings esl = { .protocol = SOURCE_ESL,
                                            .mailboxes = true,
                                            .presence = true };

static void hear(struct bench *b, const char *text)
{
    source_received(b->source, str_of(text));
}

/* A message with a body. */
static void hear_body(struct bench *b, const char *type, const char *body)
{
    char room[4096];

    snprintf(room, sizeof(room), "Content-Length: %zu\nContent-Type: %s\n\n%s", strlen(body), type,
             body);
    hear(b, room);
}

static void hear_event(struct bench *b, const char *members)
{
    char room[2048];

    snprintf(room, sizeof(room), "{%s}", members);
    hear_body(b, "text/event-json", room);
}

static void hear_call(struct bench *b, const char *id, const char *channel, const char *direction,
                      const char *state)
{
    char room[1024];

    snprintf(room, sizeof(room),
             "\"Event-Name\":\"CHANNEL_CALLSTATE\",\"Unique-ID\":\"%s\",\"Channel-Name\":\"%s\","
             "\"Call-Direction\":\"%s\",\"Channel-Call-State\":\"%s\"",
             id, channel, direction, state);
    hear_event(b, room);
}

static void hear_registration(struct bench *b, const char *subclass, const char *user,
                              const char *call_id)
{
    char room[1024];

    snprintf(room, sizeof(room),
             "\"Event-Name\":\"CUSTOM\",\"Event-Subclass\":\"sofia::%s\",\"profile-name\":"
             "\"internal\",\"from-user\":\"%s\",\"call-id\":\"%s\"",
             subclass, user, call_id);
    hear_event(b, room);
}

static void assert_sent(struct bench *b, const char *want)
{
    if (!str_equal(buf_str(&b->sent), str_of(want))) {
        print_error("got:\n%.*s\nwanted:\n%s\n", STR_FMT(buf_str(&b->sent)), want);
        fail();
    }
    buf_reset(&b->sent);
}

static void assert_device(struct bench *b, const char *name, enum device_state state)
{
    enum device_state is = state_device_get(b->core, str_of(name));

    if (is != state)
        print_error("%s\n", name);
    assert_int_equal(is, state);
}

static struct source_view view_of(const struct bench *b)
{
    struct source_view v;

    source_view(b->source, &v);
    return v;
}

static void log_in(struct bench *b)
{
    source_opened(b->source);
    hear(b, AUTH);
    hear(b, REPLY("+OK accepted") REPLY("+OK event listener enabled json"));
}

static void begin(struct bench *b, const char *registrations, const char *channels)
{
    bench_init(b, &esl);
    bench_step(b, 10);
    log_in(b);
    hear_body(b, "api/response", registrations);
    hear_body(b, "api/response", channels);
    assert_int_equal(view_of(b).state, SOURCE_FOLLOWING);
    buf_reset(&b->sent);
}

static void test_session(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, &esl);
    bench_step(&b, 10);
    source_opened(b.source);
    hear(&b, "Content-Type: auth/re");
    assert_sent(&b, "");
    hear(&b, "quest\n\n");
    assert_sent(&b, "auth s3cret\n\n");
    hear(&b, REPLY("+OK accepted"));
    assert_sent(&b, "event json CHANNEL_CALLSTATE CHANNEL_DESTROY PRESENCE_IN MESSAGE_WAITING "
                    "HEARTBEAT CUSTOM sofia::register sofia::unregister sofia::expire\n\n");
    hear(&b, REPLY("+OK event listener enabled json"));
    assert_sent(&b, "api show registrations as json\n\n");
    hear_body(&b, "api/response",
              ROWS(ROW("t1", "sofia/internal/sip:1000@192.0.2.7:5060") "," ROW(
                  "t2", "sofia/internal/sip:1001@192.0.2.8") "," ROW("t3", "error/user")));
    assert_sent(&b, "api show channels as json\n\n");
    assert_int_equal(view_of(&b).state, SOURCE_READING);
    hear_body(&b, "api/response",
              ROWS(CHANNEL("u1", "sofia/internal/1001@192.0.2.8", "outbound", "ACTIVE") "," CHANNEL(
                  "u2", "sofia/external/gateway@x", "outbound", "ACTIVE")));
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    assert_device(&b, "sofia/internal/1001", DEVICE_INUSE);
    assert_device(&b, "sofia/external/gateway", DEVICE_INVALID); /* nobody registers there */
    assert_sent(&b, "api uuid_dump u1 json\n\n");
    hear_body(&b, "api/response", "{}");
    assert_sent(&b, "api uuid_dump u2 json\n\n");
    bench_step(&b, 15010);
    assert_sent(&b, "noop\n\n");
    bench_fini(&b);
}

static void test_refused(void **state)
{
    static const struct {
        const char *said, *complaint;
    } cases[] = {
        { AUTH REPLY("-ERR invalid"), "-ERR invalid" },
        { "Content-Type: text/rude-rejection\nContent-Length: 3\n\nno\n",
          "its access list denies us" },
        { AUTH REPLY("+OK accepted") REPLY("-ERR no"), "-ERR no" },
        { "Content-Length: 99999999\n\n", "it speaks no event socket protocol" },
        { "Content-Length: x\n\n", "it speaks no event socket protocol" },
        { AUTH REPLY("+OK accepted") REPLY("+OK") "Content-Type: api/response\nContent-Length: 1"
                                                  "\n\nx",
          "a list cannot be read" },
        { AUTH "Content-Type: text/disconnect-notice\nContent-Length: 2\n\nx\n",
          "it has said good-bye" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;

        bench_init(&b, &esl);
        bench_step(&b, 10);
        source_opened(b.source);
        hear(&b, cases[i].said);
        assert_int_equal(view_of(&b).state, SOURCE_WAITING);
        assert_true(str_equal(view_of(&b).complaint, str_of(cases[i].complaint)));
        bench_fini(&b);
    }
}

#define ALICE "sofia/internal/1000@192.0.2.7"

static void test_calls(void **state)
{
    static const struct {
        const char *id, *direction, *state;
        enum device_state device;
    } steps[] = {
        { "u1", "outbound", "RINGING", DEVICE_RINGING },
        { "u1", "outbound", "ACTIVE", DEVICE_INUSE },
        { "u2", "outbound", "EARLY", DEVICE_RINGINUSE },
        { "u1", "outbound", "HELD", DEVICE_RINGINUSE },
        { "u2", "outbound", "HANGUP", DEVICE_ONHOLD },
        { "u3", "inbound", "RINGING", DEVICE_INUSE }, /* she calls somebody */
        { "u3", "inbound", "HANGUP", DEVICE_ONHOLD },
        { "u1", "outbound", "UNHELD", DEVICE_INUSE },
        { "u1", "outbound", "HANGUP", DEVICE_NOT_INUSE },
        { "u4", "outbound", "DIALING", DEVICE_NOT_INUSE },
        { "u4", "outbound", "what", DEVICE_NOT_INUSE },
    };
    struct bench b;

    (void)state;
    begin(&b, ROWS(ROW("t1", "sofia/internal/sip:1000@192.0.2.7")), ROWS(""));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        hear_call(&b, steps[i].id, ALICE, steps[i].direction, steps[i].state);
        assert_device(&b, "sofia/internal/1000", steps[i].device);
    }
    hear_event(&b, "\"Event-Name\":\"CHANNEL_DESTROY\",\"Unique-ID\":\"u4\"");
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    bench_fini(&b);
}

static void test_registrations(void **state)
{
    struct bench b;

    (void)state;
    begin(&b, ROWS(""), ROWS(""));
    hear_registration(&b, "register", "1000", "r1");
    hear_registration(&b, "register", "1000", "r2"); /* another telephone of hers */
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    hear_registration(&b, "unregister", "1000", "r1");
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    hear_registration(&b, "expire", "1000", "r2");
    assert_device(&b, "sofia/internal/1000", DEVICE_UNAVAILABLE);
    bench_fini(&b);
}

static void test_others(void **state)
{
    struct bench b;

    (void)state;
    begin(&b, ROWS(""), ROWS(""));
    hear_event(&b, "\"Event-Name\":\"PRESENCE_IN\",\"proto\":\"conf\",\"from\":\"3000@x\","
                   "\"answer-state\":\"confirmed\"");
    assert_device(&b, "conf/3000@x", DEVICE_INUSE);
    hear_event(&b, "\"Event-Name\":\"PRESENCE_IN\",\"proto\":\"sip\",\"from\":\"1000@x\","
                   "\"answer-state\":\"confirmed\",\"status\":\"Available\"");
    assert_device(&b, "sip/1000@x", DEVICE_INVALID);
    hear_event(&b, "\"Event-Name\":\"MESSAGE_WAITING\",\"MWI-Messages-Waiting\":\"yes\","
                   "\"MWI-Message-Account\":\"sip:1000@x\",\"MWI-Voice-Message\":\"2/1 (0/0)\"");
    assert_device(&b, "MWI:1000@x", DEVICE_INUSE);
    hear_event(&b, "\"Event-Name\":\"MESSAGE_WAITING\",\"MWI-Messages-Waiting\":\"no\","
                   "\"MWI-Message-Account\":\"sip:1000@x\"");
    assert_device(&b, "MWI:1000@x", DEVICE_NOT_INUSE);
    hear_body(&b, "text/event-json", "{\"Event-Name\":7,");
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    bench_fini(&b);
}

/* The list of channels is behind what happens: what has ended since it was asked for is over. */
static void test_list_is_late(void **state)
{
    static const char *const ends[] = {
        "\"Event-Name\":\"CHANNEL_DESTROY\",\"Unique-ID\":\"u1\"",
        "\"Event-Name\":\"CHANNEL_CALLSTATE\",\"Unique-ID\":\"u1\",\"Channel-Name\":"
        "\"" ALICE "\",\"Channel-Call-State\":\"HANGUP\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct bench b;

        bench_init(&b, &esl);
        bench_step(&b, 10);
        for (unsigned connection = 0; connection < 2; connection++) {
            log_in(&b);
            hear_event(&b, ends[i]);
            hear_body(&b, "api/response", ROWS(ROW("t1", "sofia/internal/sip:1000@192.0.2.7")));
            hear_body(&b, "api/response",
                      ROWS(CHANNEL("u1", ALICE, "outbound", "ACTIVE") "," CHANNEL(
                          "u2", "sofia/internal/1001@192.0.2.8", "outbound", "ACTIVE")));
            assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
            assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
            /* It is not remembered for ever. */
            hear_call(&b, "u1", ALICE, "outbound", "ACTIVE");
            assert_device(&b, "sofia/internal/1000", DEVICE_INUSE);
            source_ended(b.source, STR("gone"));
            bench_step(&b, 1010);
        }
        bench_fini(&b);
    }
}

/* It is behind what happened before events were asked for, too: who is only in it is asked herself.
 */
static void test_list_is_behind(void **state)
{
    static const struct {
        const char *answer;
        enum device_state device;
    } cases[] = {
        { "-ERR No such channel!\n", DEVICE_NOT_INUSE },
        { "{\"Channel-Call-State\":\"HANGUP\"}", DEVICE_NOT_INUSE },
        { "{\"Channel-Call-State\":\"ACTIVE\",\"Call-Direction\":\"outbound\"}", DEVICE_INUSE },
        { "{\"Channel-Call-State\":\"HELD\",\"Call-Direction\":\"outbound\"}", DEVICE_ONHOLD },
        { "-ERR uuid_dump Command not found!\n", DEVICE_RINGING }, /* it says nothing */
        { "{}", DEVICE_RINGING },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;

        bench_init(&b, &esl);
        bench_step(&b, 10);
        for (unsigned connection = 0; connection < 2; connection++) {
            log_in(&b);
            hear_body(&b, "api/response", ROWS(ROW("t1", "sofia/internal/sip:1000@192.0.2.7")));
            buf_reset(&b.sent);
            hear_body(&b, "api/response",
                      ROWS(CHANNEL("u1@192.0.2.7", ALICE, "outbound", "RINGING") "," CHANNEL(
                          "u2", "sofia/internal/1001@192.0.2.8", "outbound", "DIALING")));
            assert_device(&b, "sofia/internal/1000", DEVICE_RINGING);
            assert_sent(&b, "api uuid_dump u1@192.0.2.7 json\n\n");
            hear_body(&b, "api/response", cases[i].answer);
            assert_device(&b, "sofia/internal/1000", cases[i].device);
            assert_sent(&b, "api uuid_dump u2 json\n\n"); /* one at a time */
            source_ended(b.source, STR("gone"));
            bench_step(&b, 1010);
        }
        bench_fini(&b);
    }
}

/* What has been told of one counts, whatever the list and the answer to an older question say. */
static void test_told_is_newer(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, &esl);
    bench_step(&b, 10);
    log_in(&b);
    hear_call(&b, "u1", ALICE, "outbound", "ACTIVE");
    hear_body(&b, "api/response", ROWS(ROW("t1", "sofia/internal/sip:1000@192.0.2.7")));
    buf_reset(&b.sent);
    hear_body(&b, "api/response",
              ROWS(CHANNEL("u1", ALICE, "outbound", "RINGING") "," CHANNEL(
                  "u2", "sofia/internal/1001@192.0.2.8", "outbound", "RINGING")));
    assert_device(&b, "sofia/internal/1000", DEVICE_INUSE);
    assert_sent(&b, "api uuid_dump u2 json\n\n");
    hear_call(&b, "u2", "sofia/internal/1001@192.0.2.8", "outbound", "HANGUP");
    hear_call(&b, "u1", ALICE, "outbound", "HELD");
    hear_body(&b, "api/response", "{\"Channel-Call-State\":\"ACTIVE\"}");
    assert_device(&b, "sofia/internal/1000", DEVICE_ONHOLD);
    assert_device(&b, "sofia/internal/1001", DEVICE_INVALID);
    assert_sent(&b, "");
    bench_fini(&b);
}

/* With `devices` who is in a call is a device without a registration, and no longer than that: any
 * number of strangers may call. */
static void test_strangers(void **state)
{
    static struct str prefixes[] = { STR_INIT("sofia/") };
    struct source_settings s = { .protocol = SOURCE_ESL, .devices = prefixes, .n_devices = 1 };
    struct bench b;

    (void)state;
    bench_init(&b, &s);
    /* One of a process before, whose call has ended meanwhile. */
    assert_int_equal(
        state_device_set(b.core, STR("pbx-a"), STR("sofia/external/400"), DEVICE_INUSE), 0);
    bench_step(&b, 10);
    log_in(&b);
    hear_body(&b, "api/response", ROWS(ROW("t1", "sofia/internal/sip:1000@192.0.2.7")));
    hear_body(&b, "api/response", ROWS(""));
    assert_device(&b, "sofia/external/400", DEVICE_INVALID);
    hear_call(&b, "u1", "sofia/external/500@x", "inbound", "ACTIVE");
    hear_call(&b, "u2", "sofia/external/500@x", "inbound", "RINGING");
    hear_call(&b, "u3", ALICE, "outbound", "ACTIVE");
    assert_device(&b, "sofia/external/500", DEVICE_INUSE);
    hear_call(&b, "u1", "sofia/external/500@x", "inbound", "HANGUP");
    assert_device(&b, "sofia/external/500", DEVICE_INUSE);
    hear_call(&b, "u2", "sofia/external/500@x", "inbound", "HANGUP");
    assert_device(&b, "sofia/external/500", DEVICE_INVALID);
    hear_call(&b, "u3", ALICE, "outbound", "HANGUP");
    hear_registration(&b, "unregister", "1000", "t1");
    assert_device(&b, "sofia/internal/1000", DEVICE_UNAVAILABLE);
    /* One whose call ends while it is away is gone when it is back. */
    hear_call(&b, "u4", "sofia/external/600@x", "inbound", "ACTIVE");
    source_ended(b.source, STR("gone"));
    bench_step(&b, 1010);
    assert_device(&b, "sofia/external/600", DEVICE_INUSE);
    log_in(&b);
    hear_body(&b, "api/response", ROWS(""));
    hear_body(&b, "api/response", ROWS(""));
    assert_device(&b, "sofia/external/600", DEVICE_INVALID);
    assert_device(&b, "sofia/internal/1000", DEVICE_UNAVAILABLE);
    bench_fini(&b);
}

/* Counts cannot be asked for: those that were told stay until they are wanted no more. */
static void test_mailboxes_no_more(void **state)
{
    static const bool wanted[] = { false, true };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct source_settings s = { .protocol = SOURCE_ESL, .mailboxes = wanted[i] };
        struct bench b;

        bench_init(&b, &s);
        assert_int_equal(mailbox_set(b.mailboxes, STR("pbx-a"), STR("1@x"), 2, 0), 0);
        bench_step(&b, 10);
        log_in(&b);
        hear_body(&b, "api/response", ROWS(""));
        hear_body(&b, "api/response", ROWS(""));
        assert_device(&b, "MWI:1@x", wanted[i] ? DEVICE_INUSE : DEVICE_INVALID);
        bench_fini(&b);
    }
}

/* It comes back: what has changed counts, what is gone is gone. */
static void test_again(void **state)
{
    struct bench b;

    (void)state;
    begin(&b,
          ROWS(ROW("t1", "sofia/internal/sip:1000@a") "," ROW("t2", "sofia/internal/sip:1001@a")),
          ROWS(CHANNEL("u1", ALICE, "outbound", "ACTIVE")));
    assert_device(&b, "sofia/internal/1000", DEVICE_INUSE);
    source_ended(b.source, STR("gone"));
    bench_step(&b, 1010);
    log_in(&b);
    hear_body(&b, "api/response", ROWS(ROW("t1", "sofia/internal/sip:1000@a")));
    hear_body(&b, "api/response", ROWS(""));
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    assert_device(&b, "sofia/internal/1001", DEVICE_UNAVAILABLE);
    bench_fini(&b);
}

/* Without its database it has no lists: nobody is gone for that. */
static void test_no_lists(void **state)
{
    struct bench b;

    (void)state;
    begin(&b, ROWS(ROW("t1", "sofia/internal/sip:1000@a")), ROWS(""));
    source_ended(b.source, STR("gone"));
    bench_step(&b, 1010);
    log_in(&b);
    hear_body(&b, "api/response", "-ERR SQL disabled, no data available!\n");
    hear_body(&b, "api/response", "-ERR SQL disabled, no data available!\n");
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    assert_true(str_starts(view_of(&b).complaint, STR("-ERR SQL disabled")));
    bench_fini(&b);
}

/* ---- who is in them ---- */

static const struct source_settings with_calls = { .protocol = SOURCE_ESL, .calls = true };

#define EVENT(name, id) "\"Event-Name\":\"" name "\",\"Unique-ID\":\"" id "\""
#define CALL(id, user, direction, state)                                              \
    EVENT("CHANNEL_CALLSTATE", id)                                                    \
    ",\"Channel-Name\":\"sofia/internal/" user "@x\",\"Call-Direction\":\"" direction \
    "\",\"Channel-Call-State\":\"" state "\""
#define PARTIES(number, name, callee, callee_name)                                           \
    ",\"Caller-Caller-ID-Number\":\"" number "\",\"Caller-Caller-ID-Name\":\"" name          \
    "\",\"Caller-Callee-ID-Number\":\"" callee "\",\"Caller-Callee-ID-Name\":\"" callee_name \
    "\",\"Caller-Destination-Number\":\"1000\""
#define SIP(call_id, from, to)                                                    \
    ",\"variable_sip_call_id\":\"" call_id "\",\"variable_sip_from_tag\":\"" from \
    "\",\"variable_sip_to_tag\":\"" to "\""

static void begin_with_calls(struct bench *b, const char *registrations, const char *channels)
{
    bench_init(b, &with_calls);
    bench_hint(b, "1000", "sofia/internal/1000", "200", "sofia/internal/200");
    bench_step(b, 10);
    source_opened(b->source);
    hear(b, AUTH REPLY("+OK accepted"));
    buf_reset(&b->sent);
    hear(b, REPLY("+OK event listener enabled json"));
    hear_body(b, "api/response", registrations);
    hear_body(b, "api/response", channels);
    assert_int_equal(view_of(b).state, SOURCE_FOLLOWING);
}

static void test_parties(void **state)
{
    const struct es_dialog *d;
    struct bench b;

    (void)state;
    begin_with_calls(
        &b, ROWS(ROW("t1", "sofia/internal/sip:1000@a") "," ROW("t2", "sofia/internal/sip:200@a")),
        ROWS(""));
    buf_reset(&b.sent);
    hear_event(&b, CALL("u1", "200", "inbound", "RINGING") PARTIES("200", "Bob", "", "")
                       SIP("first@200", "bob", "pbx"));
    assert_sent(&b, "");
    hear_event(&b, CALL("u2", "1000", "outbound", "RINGING")
                       PARTIES("200", "Bob", "1000", "Outbound Call"));
    assert_sent(&b, "api uuid_dump u2 json\n\n");
    d = bench_calls(&b, "1000")->dialogs;
    assert_es(d->id, "u2");
    assert_int_equal(d->direction, ES_DIRECTION_RECIPIENT);
    assert_int_equal(d->state, ES_DIALOG_EARLY);
    assert_es(d->remote.identity, "sip:200@192.0.2.1");
    assert_es(d->remote.display, "Bob");
    assert_es(d->local.identity, "sip:1000@192.0.2.1");
    assert_int_equal(d->local.display.n, 0);
    assert_int_equal(d->call_id.n, 0);
    hear_body(&b, "api/response",
              "{" EVENT("CHANNEL_DATA", "u2") SIP("second@pbx", "pbx2", "alice") "}");
    d = bench_calls(&b, "1000")->dialogs;
    assert_es(d->call_id, "second@pbx");
    assert_es(d->local_tag, "alice"); /* the telephone's side */
    assert_es(d->remote_tag, "pbx2");
    d = bench_calls(&b, "200")->dialogs;
    assert_int_equal(d->direction, ES_DIRECTION_INITIATOR);
    assert_int_equal(d->state, ES_DIALOG_PROCEEDING);
    assert_es(d->remote.identity, "sip:1000@192.0.2.1"); /* whom it has dialled */
    assert_es(d->local.display, "Bob");
    assert_es(d->call_id, "first@200");
    assert_es(d->local_tag, "bob");
    assert_es(d->remote_tag, "pbx");
    hear_event(&b, CALL("u2", "1000", "outbound", "ACTIVE"));
    hear_event(&b, EVENT("CHANNEL_BRIDGE", "u1") PARTIES("200", "Bob", "1000", "Alice"));
    hear_event(&b, EVENT("CALL_UPDATE", "none") PARTIES("1", "2", "3", "4"));
    assert_int_equal(bench_calls(&b, "1000")->dialogs->state, ES_DIALOG_CONFIRMED);
    assert_es(bench_calls(&b, "200")->dialogs->remote.display, "Alice");
    hear_event(&b, CALL("u2", "1000", "outbound", "HELD"));
    assert_int_equal(bench_calls(&b, "1000")->dialogs->local.n_params, 1);
    hear_event(&b, CALL("u2", "1000", "outbound", "HANGUP"));
    assert_null(bench_calls(&b, "1000"));
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    assert_non_null(bench_calls(&b, "200"));
    bench_fini(&b);
}

/* Calls that are there already are asked for one after the other, and are over with their PBX. */
static void test_parties_of_list(void **state)
{
    static const char channels[] =
        ROWS("{\"uuid\":\"u1\",\"direction\":\"outbound\",\"name\":\"sofia/internal/"
             "1000@x\",\"callstate\":"
             "\"ACTIVE\",\"cid_num\":\"300\",\"cid_name\":\"Carol\",\"callee_num\":\"1000\"},"
             "{\"uuid\":\"u "
             "2\",\"direction\":\"inbound\",\"name\":\"sofia/internal/200@x\",\"callstate\":"
             "\"ACTIVE\",\"dest\":\"9\"},"
             "{\"uuid\":\"u3\",\"direction\":\"inbound\",\"name\":\"sofia/internal/"
             "200@x\",\"callstate\":"
             "\"ACTIVE\",\"dest\":\"9\"}");
    struct bench b;

    (void)state;
    begin_with_calls(
        &b, ROWS(ROW("t1", "sofia/internal/sip:1000@a") "," ROW("t2", "sofia/internal/sip:200@a")),
        channels);
    assert_sent(&b, "api show registrations as json\n\napi show channels as json\n\n"
                    "api uuid_dump u1 json\n\n");
    assert_es(bench_calls(&b, "1000")->dialogs->remote.identity, "sip:300@192.0.2.1");
    assert_int_equal(bench_calls(&b, "200")->n_dialogs, 2);
    hear_body(&b, "api/response", "{" EVENT("CHANNEL_DATA", "u1") SIP("first@pbx", "a", "b") "}");
    assert_es(bench_calls(&b, "1000")->dialogs->call_id, "first@pbx");
    assert_sent(&b, "api uuid_dump u3 json\n\n"); /* the other is no name for a line */
    source_ended(b.source, STR("gone"));
    bench_step(&b, 10);
    assert_non_null(bench_calls(&b, "1000"));
    bench_step(&b, 1000);
    log_in(&b);
    buf_reset(&b.sent);
    hear_body(&b, "api/response", ROWS(ROW("t1", "sofia/internal/sip:1000@a")));
    hear_body(&b, "api/response", ROWS(""));
    assert_null(bench_calls(&b, "1000"));
    assert_device(&b, "sofia/internal/1000", DEVICE_NOT_INUSE);
    hear_event(&b, CALL("u4", "1000", "outbound", "ACTIVE") PARTIES("200", "", "", ""));
    assert_non_null(bench_calls(&b, "1000"));
    source_ended(b.source, STR("gone"));
    bench_step(&b, 30010); /* its grace */
    assert_null(bench_calls(&b, "1000"));
    assert_device(&b, "sofia/internal/1000", DEVICE_UNAVAILABLE);
    bench_fini(&b);
}

/* One that is only dialled when it is listed has no tags yet: it is asked once more when it rings.
 */
static void test_parties_later(void **state)
{
    struct bench b;

    (void)state;
    begin_with_calls(&b, ROWS(ROW("t1", "sofia/internal/sip:1000@a")),
                     ROWS(CHANNEL("u1", "sofia/internal/1000@x", "outbound", "DIALING")));
    buf_reset(&b.sent);
    hear_body(&b, "api/response",
              "{\"Channel-Call-State\":\"DIALING\"" SIP("first@pbx", "pbx", "") "}");
    assert_sent(&b, "");
    hear_event(&b, CALL("u1", "1000", "outbound", "RINGING"));
    assert_sent(&b, "api uuid_dump u1 json\n\n");
    hear_body(&b, "api/response",
              "{\"Channel-Call-State\":\"RINGING\"" SIP("first@pbx", "pbx", "alice") "}");
    assert_es(bench_calls(&b, "1000")->dialogs->local_tag, "alice");
    assert_sent(&b, "");
    bench_fini(&b);
}

static void test_frames(void **state)
{
    static const char stream[] = "A: b\nContent-Length: 3\n\nx\n\nC: d\n\n\n\nE: f\r\n\r\n";

    (void)state;
    for (size_t piece = 1; piece < sizeof(stream); piece++) {
        struct esl_reader r;
        struct esl_message m;
        unsigned n = 0;

        esl_reader_init(&r);
        for (size_t at = 0; at < sizeof(stream) - 1; at += piece) {
            struct str bytes = str_sub(str_of(stream), at, at + piece);
            int rc;

            while ((rc = esl_read(&r, &bytes, &m)) != 0) {
                assert_int_equal(rc, ESL_READ_MESSAGE);
                assert_true(str_equal(m.body, n ? STR_EMPTY : STR("x\n\n")));
                n++;
            }
        }
        assert_int_equal(n, 3);
        esl_reader_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_registrations),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_list_is_late),
        cmocka_unit_test(test_list_is_behind),
        cmocka_unit_test(test_told_is_newer),
        cmocka_unit_test(test_mailboxes_no_more),
        cmocka_unit_test(test_no_lists),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_parties),
        cmocka_unit_test(test_parties_of_list),
        cmocka_unit_test(test_parties_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
