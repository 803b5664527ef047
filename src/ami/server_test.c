// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ami/server_testing.h"

static struct stage *stage_of(void **state)
{
    return *state;
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    stage_init(s, STAGE_MANAGER);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    stage_fini(stage_of(state));
    free(stage_of(state));
    return 0;
}

/* All that the client has been sent since the last look, without its CRs. */
static void expect(struct stage *s, size_t client, const char *want)
{
    struct buf *out = &s->clients[client].out;
    struct buf plain;

    buf_init(&plain, out->n + 1);
    for (size_t i = 0; i < out->n; i++)
        if (out->p[i] != '\r')
            buf_add_char(&plain, out->p[i]);
    if (!str_equal(buf_str(&plain), str_of(want)))
        fail_msg("sent is\n%.*s\nand not\n%s", STR_FMT(buf_str(&plain)), want);
    buf_fini(&plain);
    buf_reset(out);
}

static void input(struct stage *s, size_t client, const char *text)
{
    stage_input(s, client, str_of(text));
}

static void forget(struct stage *s, size_t client)
{
    buf_reset(&s->clients[client].out);
}

/* Logged in, with no event to come. */
static void enter(struct stage *s, size_t client, const char *user, const char *secret)
{
    char text[200];

    assert_int_equal(stage_connect(s, client), 0);
    snprintf(text, sizeof(text), "Action: Login\nUsername: %s\nSecret: %s\nEvents: call\n\n", user,
             secret);
    input(s, client, text);
    expect(s, client,
           "Asterisk Call Manager/11.0.0\nResponse: Success\nMessage: Authentication accepted\n\n");
}

/* ---- coming and going ---- */

static void test_login(void **state)
{
    struct stage *s = stage_of(state);

    assert_int_equal(stage_connect(s, 0), 0);
    input(s, 0, "Action: Login\r\nActionID: 1\r\nUsername: admin\r\nSecret: secret\r\n\r\n");
    expect(s, 0,
           "Asterisk Call Manager/11.0.0\n"
           "Response: Success\nActionID: 1\nMessage: Authentication accepted\n\n"
           "Event: FullyBooted\nPrivilege: system,all\nUptime: 0\nLastReload: 0\n"
           "Status: Fully Booted\n\n"
           "Event: SuccessfulAuth\nPrivilege: security,all\nEventTV: 1970-01-01T00:16:40.000+0000\n"
           "Severity: Informational\nService: AMI\nEventVersion: 1\nAccountID: admin\n"
           "SessionID: 0x1\nLocalAddress: IPV4/TCP/192.0.2.9/5038\n"
           "RemoteAddress: IPV4/TCP/192.0.2.1/1000\nUsingPassword: 0\n"
           "SessionTV: 1970-01-01T00:16:40.000+0000\n\n");
    assert_int_equal(s->clients[0].patience_ms, 10000);
    input(s, 0,
          "Action: Login\nUsername: wall\nSecret: look\n\nAction: Logoff\n\nAction: Ping\n\n");
    expect(s, 0,
           "Response: Success\nMessage: Already authenticated\n\n"
           "Response: Goodbye\nMessage: Thanks for all the fish.\n\n");
    assert_true(s->clients[0].closed);
}

/* Without a challenge no key is right; that of the right one is seen end to end. */
static void test_challenge(void **state)
{
    struct stage *s = stage_of(state);

    assert_int_equal(stage_connect(s, 0), 0);
    forget(s, 0);
    input(s, 0, "Action: Login\nAuthType: MD5\nUsername: admin\nKey: \n\n");
    expect(s, 0, "");
    stage_step(s, 1100);
    expect(s, 0, "Response: Error\nMessage: Authentication failed\n\n");
    assert_true(s->clients[0].closed);
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "Username: admin\nSecret: wrong", "Username: admin",       "Username: nobody\nSecret: x",
        "Username: far\nSecret: secret",  "Username: no\nSecret:", "Secret: secret",
    };
    struct stage *s = stage_of(state);

    enter(s, 1, "admin", "secret");
    input(s, 1, "Action: Events\nEventMask: security\n\n");
    forget(s, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];

        assert_int_equal(stage_connect(s, 0), 0);
        forget(s, 0);
        snprintf(text, sizeof(text), "Action: Login\nActionID: x\n%s\n\nAction: Ping\n\n",
                 cases[i]);
        input(s, 0, text);
        assert_true(s->clients[0].paused);
        stage_step(s, 900);
        expect(s, 0, "");
        assert_true(s->clients[1].out.n > 0); /* those who look after that are told at once */
        forget(s, 1);
        stage_step(s, 200);
        expect(s, 0, "Response: Error\nActionID: x\nMessage: Authentication failed\n\n");
        assert_true(s->clients[0].closed);
        ami_session_destroy(s->clients[0].session);
        s->clients[0].session = NULL;
        s->clients[0].closed = s->clients[0].paused = false;
    }
}

static void test_late(void **state)
{
    struct stage *s = stage_of(state);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(stage_connect(s, i), 0);
    assert_int_equal(stage_connect(s, 3), AMI_TOO_MANY);
    stage_step(s, 29000);
    input(s, 0, "Action: Login\nUsername: wall\nSecret: look\n\n");
    stage_step(s, 2000);
    assert_false(s->clients[0].closed);
    assert_true(s->clients[1].closed && s->clients[2].closed);
    assert_int_equal(s->clients[0].patience_ms, 100);
    ami_session_destroy(s->clients[1].session);
    s->clients[1].session = NULL;
    assert_int_equal(stage_connect(s, 3), 0);
}

static void test_in_use(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "one", "1");
    assert_int_equal(stage_connect(s, 1), 0);
    forget(s, 1);
    input(s, 1, "Action: Login\nUsername: one\nSecret: 1\n\n");
    stage_step(s, 1100);
    expect(s, 1, "Response: Error\nMessage: Login Already In Use\n\n");
}

static void test_rights(void **state)
{
    struct stage *s = stage_of(state);

    assert_int_equal(stage_connect(s, 0), 0);
    forget(s, 0);
    input(s, 0, "Action: Ping\n\nAction: NoSuch\n\n");
    expect(s, 0,
           "Response: Error\nMessage: Permission denied\n\n"
           "Response: Error\nMessage: Permission denied\n\n");
    ami_session_destroy(s->clients[0].session);
    s->clients[0].session = NULL;
    enter(s, 0, "wall", "look");
    input(s, 0, "Action: Setvar\nVariable: X\nValue: 1\n\nAction: NoSuch\n\n\nAction:\n\n");
    expect(s, 0,
           "Response: Error\nMessage: Permission denied\n\n"
           "Response: Error\nMessage: Invalid/unknown command: NoSuch. Use Action: ListCommands to "
           "show available commands.\n\n"
           "Response: Error\nMessage: Missing action in request\n\n");
}

/* ---- order ---- */

static void change_device(struct stage *s, const char *device, enum device_state state)
{
    ami_server_change(s->server,
                      &(struct change){ .kind = CHANGE_DEVICE,
                                        .device = { .device = str_of(device), .state = state } });
}

#define DEVICE(name, state) \
    "Event: DeviceStateChange\nPrivilege: call,all\nDevice: " name "\nState: " state "\n\n"

/* What an action changes comes behind its answer, what others change before that of a list. */
static void test_order(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "admin", "secret");
    enter(s, 1, "wall", "look");
    s->hold = true;
    input(s, 0,
          "Action: Setvar\nActionID: 1\nVariable: DEVICE_STATE(Custom:a)\nValue: BUSY\n\n"
          "Action: DeviceStateList\nActionID: 2\n\n");
    assert_string_equal(s->command, "devstate.set");
    assert_true(s->clients[0].paused);
    change_device(s, "Custom:a", DEVICE_BUSY);
    expect(s, 0, "");
    expect(s, 1, DEVICE("Custom:a", "BUSY"));
    stage_answer(s);
    expect(s, 0,
           "Response: Success\nActionID: 1\nMessage: Variable Set\n\n" DEVICE("Custom:a", "BUSY"));
    assert_string_equal(s->command, "devstate.list");
    change_device(s, "Custom:b", DEVICE_INUSE);
    s->rows = "{\"device\":\"Custom:b\",\"state\":\"INUSE\"},{\"device\":\"Custom:a\",\"state\":"
              "\"BUSY\"}";
    stage_answer(s);
    expect(
        s, 0,
        DEVICE("Custom:b",
               "INUSE") "Response: Success\nActionID: 2\nEventList: start\n"
                        "Message: Device State Changes will follow\n\n"
                        "Event: DeviceStateChange\nActionID: 2\nDevice: Custom:a\nState: BUSY\n\n"
                        "Event: DeviceStateChange\nActionID: 2\nDevice: Custom:b\nState: INUSE\n\n"
                        "Event: DeviceStateListComplete\nActionID: 2\nEventList: "
                        "Complete\nListItems: 2\n\n");
    assert_false(s->clients[0].paused);
}

/* Requests that come faster than they are answered, in pieces that are none of theirs. */
static void test_pipelined(void **state)
{
    static const char text[] = "Action: Getvar\nActionID: x\nVariable: A\n\nAction: Ping\n\n";
    struct stage *s = stage_of(state);
    struct buf stream;
    unsigned answers = 0;

    enter(s, 0, "admin", "secret");
    buf_init(&stream, 1 << 20);
    for (int i = 0; i < 50; i++)
        buf_add(&stream, str_of(text));
    s->hold = true;
    for (size_t at = 0; at < stream.n; at += 7)
        stage_input(s, 0, str_sub(buf_str(&stream), at, at + 7));
    buf_fini(&stream);
    while (s->n_held) {
        assert_int_equal(s->n_held, 1); /* one after the other */
        stage_answer(s);
        answers++;
    }
    assert_int_equal(answers, 50);
    assert_false(s->clients[0].paused);
    forget(s, 0);
    s->hold = false;
    input(s, 0, "Action: Ping\n\n");
    expect(s, 0, "Response: Success\nPing: Pong\nTimestamp: 1000.000000\n\n");
}

/* It has gone before its answer comes. */
static void test_gone(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "admin", "secret");
    s->hold = true;
    input(s, 0, "Action: DBDelTree\nFamily: CustomDevstate\n\n");
    ami_session_destroy(s->clients[0].session);
    s->clients[0].session = NULL;
    stage_answer(s);
    expect(s, 0, "");
    assert_int_equal(s->n_held, 0);
}

/* Who waits for an answer for too long is not kept events for without end. */
static void test_held(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "admin", "secret");
    enter(s, 1, "wall", "look");
    s->hold = true;
    input(s, 0, "Action: Setvar\nVariable: DEVICE_STATE(Custom:a)\nValue: BUSY\n\n");
    for (int i = 0; i < 100000 && !s->clients[0].closed; i++) {
        change_device(s, "Custom:a", i % 2 ? DEVICE_BUSY : DEVICE_INUSE);
        forget(s, 1);
    }
    assert_true(s->clients[0].closed);
    assert_false(s->clients[1].closed);
    stage_answer(s);
    expect(s, 0, "");
}

static void test_busy(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "admin", "secret");
    s->error = "busy";
    input(s, 0,
          "Action: ExtensionStateList\n\nAction: DBDelTree\nFamily: CustomDevstate\n\n"
          "Action: Command\nCommand: devstate list\n\nAction: Getvar\nVariable: DEVICE_STATE(x)\n\n"
          "Action: MailboxCount\nMailbox: x\n\nAction: Reload\n\n");
    expect(s, 0,
           "Response: Error\nMessage: because\n\n"
           "Response: Error\nMessage: Database entry not found\n\n"
           "Response: Error\nMessage: because\n\n"
           "Response: Success\nVariable: DEVICE_STATE(x)\nValue: \n\n"
           "Response: Success\nMessage: Mailbox Message Count\nMailbox: x\nUrgMessages: 0\n"
           "NewMessages: 0\nOldMessages: 0\n\n"
           "Response: Error\nMessage: An unknown error occurred\n\n");
}

/* ---- events ---- */

static struct snapshot *snapshot_of(uint64_t sequence, enum extension_state state,
                                    enum presence_state presence, const char *message)
{
    const struct snapshot_spec spec = { .sequence = sequence,
                                        .state = state,
                                        .hint_state = state,
                                        .has_hint = true,
                                        .presence = presence,
                                        .context = STR("users"),
                                        .extension = STR("1000"),
                                        .hint = STR("Custom:a,CustomPresence:a"),
                                        .presence_message = str_of(message) };
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &spec), 0);
    return s;
}

#define EXTENSION "Exten: 1000\nContext: users\nHint: Custom:a,CustomPresence:a\n"
#define STATUS(number, text)                                                    \
    "Event: ExtensionStatus\nPrivilege: call,all\n" EXTENSION "Status: " number \
    "\nStatusText: " text "\n\n"

static void test_extensions(void **state)
{
    struct stage *s = stage_of(state);
    struct snapshot *at[] = { snapshot_of(1, EXTENSION_IDLE, PRESENCE_NOT_SET, ""),
                              snapshot_of(2, EXTENSION_INUSE_RINGING, PRESENCE_NOT_SET, ""),
                              snapshot_of(3, EXTENSION_INUSE_RINGING, PRESENCE_DND, "a\r\nb: c"),
                              snapshot_of(4, EXTENSION_BUSY, PRESENCE_AWAY, ""),
                              snapshot_of(5, EXTENSION_REMOVED, PRESENCE_AWAY, "") };
    struct snapshot *repeated = snapshot_of(3, EXTENSION_INUSE_RINGING, PRESENCE_NOT_SET, "");
    struct snapshot *stale = snapshot_of(3, EXTENSION_INUSE_RINGING, PRESENCE_NOT_SET, "");

    enter(s, 0, "wall", "look");
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        ami_server_change(s->server, &(struct change){ .kind = CHANGE_SNAPSHOT,
                                                       .snapshot = at[i],
                                                       .former = i ? at[i - 1] : NULL });
    ami_server_change(s->server, &(struct change){ .kind = CHANGE_SNAPSHOT,
                                                   .snapshot = repeated,
                                                   .former = at[1] }); /* while it rings */
    stale->stale = true;
    ami_server_change(s->server, &(struct change){ .kind = CHANGE_SNAPSHOT,
                                                   .snapshot = stale,
                                                   .former = repeated }); /* no event has that */
    snapshot_unref(repeated);
    snapshot_unref(stale);
    expect(s, 0,
           STATUS("0", "Idle") STATUS(
               "9",
               "InUse&Ringing") "Event: PresenceStatus\nPrivilege: call,all\n" EXTENSION
                                "Status: dnd\nSubtype: \nMessage: a  b: c\n\n" STATUS(
                                    "2",
                                    "Busy") "Event: PresenceStatus\nPrivilege: call,all\n" EXTENSION
                                            "Status: away\nSubtype: \nMessage: \n\n"
                                            "Event: ExtensionStatus\nPrivilege: call,all\nExten: "
                                            "1000\nContext: users\nHint: \n"
                                            "Status: -2\nStatusText: Unknown\n\n" STATUS(
                                                "9", "InUse&Ringing"));
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        snapshot_unref(at[i]);
}

static void test_others(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "wall", "look");
    ami_server_change(s->server,
                      &(struct change){ .kind = CHANGE_PRESENCE,
                                        .presence = { .provider = STR("CustomPresence:a"),
                                                      .state = PRESENCE_DND,
                                                      .message = STR("back at \"5\"\n") } });
    ami_server_change(
        s->server,
        &(struct change){ .kind = CHANGE_MAILBOX,
                          .mailbox = { .mailbox = STR("a@b"), .new_count = 2, .old_count = 1 } });
    ami_server_change(s->server, &(struct change){ .kind = CHANGE_DEVICE,
                                                   .device = { .device = STR("Custom:a"),
                                                               .state = DEVICE_BUSY,
                                                               .former = DEVICE_BUSY } });
    expect(s, 0,
           "Event: PresenceStateChange\nPrivilege: call,all\nPresentity: CustomPresence:a\n"
           "Status: dnd\nSubtype: \nMessage: back at \\\"5\\\"\\n\n\n"
           "Event: MessageWaiting\nPrivilege: call,all\nMailbox: a@b\nWaiting: 1\nNew: 2\nOld: 1\n"
           "\n");
    ami_server_reloaded(s->server);
    ami_server_shutdown(s->server, true);
    expect(s, 0, "");
    assert_true(s->clients[0].closed);
}

static void change_contact(struct stage *s, enum contact_change what, uint32_t rtt_ms)
{
    ami_server_change(s->server, &(struct change){ .kind = CHANGE_CONTACT,
                                                   .contact = { .what = what,
                                                                .aor = STR("a"),
                                                                .contact = STR("sip:a:pw@h"),
                                                                .endpoint = STR("alice"),
                                                                .rtt_ms = rtt_ms } });
}

#define CONTACT(status, rtt)                                                  \
    "Event: ContactStatus\nPrivilege: system,all\nURI: sip:a:(not shown)@h\n" \
    "ContactStatus: " status "\nAOR: a\nEndpointName: alice\nRoundtripUsec: " rtt "\n\n"
#define PEER(status)                                                                    \
    "Event: PeerStatus\nPrivilege: system,all\nChannelType: PJSIP\nPeer: PJSIP/alice\n" \
    "PeerStatus: " status "\n\n"

/* Those of another class are not told who reads `call` alone. */
static void test_contacts(void **state)
{
    struct stage *s = stage_of(state);
    struct change_endpoint alice = { STR("alice"), true };

    enter(s, 0, "admin", "secret");
    enter(s, 1, "wall", "look");
    for (size_t client = 0; client < 2; client++) {
        input(s, client, "Action: Events\nEventMask: system,call\n\n");
        forget(s, client);
    }
    change_contact(s, CONTACT_CHANGE_UNQUALIFIED, 0);
    change_contact(s, CONTACT_CHANGE_UNKNOWN, 0);
    ami_server_change(s->server, &(struct change){ .kind = CHANGE_ENDPOINT, .endpoint = alice });
    change_contact(s, CONTACT_CHANGE_REACHABLE, 57);
    alice.reachable = false;
    ami_server_change(s->server, &(struct change){ .kind = CHANGE_ENDPOINT, .endpoint = alice });
    change_contact(s, CONTACT_CHANGE_UNREACHABLE, 0);
    change_contact(s, CONTACT_CHANGE_REMOVED, 0);
    expect(s, 0,
           CONTACT("NonQualified", "0") CONTACT("Unknown", "0") PEER("Reachable")
               CONTACT("Reachable", "57000") PEER("Unreachable") CONTACT("Unreachable", "0")
                   CONTACT("Removed", "0"));
    expect(s, 1, "");
}

/* ---- the end ---- */

static void test_end(void **state)
{
    struct stage *s = stage_of(state);

    enter(s, 0, "admin", "secret");
    enter(s, 1, "wall", "look");
    input(s, 0, "Action: Events\nEventMask: on\n\n");
    forget(s, 0);
    input(s, 1, "Action: Command\nCommand: core stop now\n\n");
    expect(s, 1, "Response: Error\nMessage: Permission denied\n\n");
    input(s, 0, "Action: Command\nCommand: core stop when it rains\n\n");
    assert_false(s->stopped);
    forget(s, 0);
    input(s, 0, "Action: Command\nCommand: core stop when convenient\n\n");
    expect(s, 0, "Response: Success\nMessage: Command output follows\n\n");
    assert_true(s->stopped);
    s->error = "failed";
    input(s, 0, "Action: Command\nCommand: core restart now\n\n");
    assert_string_equal(s->command, "upgrade");
    expect(s, 0, "Response: Error\nMessage: Command output follows\nOutput: because\n\n");
    /* Where it is to be there is no answer, and what waits for one is told all the same. */
    s->hold = true;
    input(s, 0, "Action: Command\nCommand: core restart gracefully\n\n");
    change_device(s, "Custom:a", DEVICE_BUSY);
    expect(s, 0, "");
    ami_server_shutdown(s->server, true);
    expect(s, 0,
           "Event: DeviceStateChange\nPrivilege: call,all\nDevice: Custom:a\nState: BUSY\n\n"
           "Event: Shutdown\nPrivilege: system,all\nShutdown: Cleanly\nRestart: True\n\n");
    assert_true(s->clients[0].closed);
}

/* ---- reload ---- */

static void test_reload(void **state)
{
    struct change mailbox = { .kind = CHANGE_MAILBOX };
    struct stage *s = stage_of(state);
    struct settings *now;

    enter(s, 0, "admin", "secret");
    enter(s, 1, "wall", "look");
    enter(s, 2, "one", "1");
    now = stage_settings(s, "[general]\ntimestampevents=yes\ndisabledevents=MessageWaiting\n"
                            "[admin]\nsecret=other\n[wall]\nsecret=look\nread=call,system\n"
                            "writetimeout=50\n");
    ami_server_settings(s->server, now);
    assert_true(s->clients[0].closed && s->clients[2].closed);
    assert_false(s->clients[1].closed);
    assert_int_equal(s->clients[1].patience_ms, 50);
    settings_unref(s->settings);
    s->settings = now;
    input(s, 1, "Action: Events\nEventMask: on\n\n");
    forget(s, 1);
    change_device(s, "Custom:a", DEVICE_BUSY);
    mailbox.mailbox.mailbox = STR("a@b");
    ami_server_change(s->server, &mailbox);
    ami_server_reloaded(s->server);
    expect(s, 1,
           "Event: DeviceStateChange\nPrivilege: call,all\nTimestamp: 1000.000000\n"
           "Device: Custom:a\nState: BUSY\n\n"
           "Event: Reload\nPrivilege: system,all\nTimestamp: 1000.000000\nModule: All\nStatus: 0\n"
           "\n");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_login),    TEST(test_challenge), TEST(test_refused),    TEST(test_late),
        TEST(test_in_use),   TEST(test_rights),    TEST(test_order),      TEST(test_pipelined),
        TEST(test_gone),     TEST(test_held),      TEST(test_extensions), TEST(test_others),
        TEST(test_contacts), TEST(test_reload),    TEST(test_busy),       TEST(test_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
