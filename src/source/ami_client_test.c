// SPDX-License-Identifier: MIT
/* An Asterisk as a source: what is asked of it, and what becomes of what it says. The messages are
 * those that one was seen to send. */
#include <stdio.h>

#include "source/source_fixture.h"

#define GREETING "Asterisk Call Manager/11.0.0\r\n"
#define CHALLENGE "Response: Success\r\nActionID: c1\r\nChallenge: 859193513\r\n\r\n"
#define ACCEPTED(id) \
    "Response: Success\r\nActionID: " id "\r\nMessage: Authentication accepted\r\n\r\n"
#define START(id) "Response: Success\r\nActionID: " id "\r\nEventList: start\r\nMessage: x\r\n\r\n"
#define COMPLETE(event, id) \
    "Event: " event "\r\nActionID: " id "\r\nEventList: Complete\r\nListItems: 1\r\n\r\n"
#define REFUSED(id) "Response: Error\r\nActionID: " id "\r\nMessage: Permission denied\r\n\r\n"
#define DEVICE(name, state)                                                                       \
    "Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: " name "\r\nState: " state "\r\n" \
    "\r\n"
#define DEVICE_OF(id, name, state)                                                             \
    "Event: DeviceStateChange\r\nActionID: " id "\r\nDevice: " name "\r\nState: " state "\r\n" \
    "\r\n"
#define BOOTED                                                                              \
    "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 2\r\nLastReload: 2\r\nStatus: " \
    "x\r\n\r\n"

static const struct source_settings ami = { .protocol = SOURCE_AMI };

static void hear(struct bench *b, const char *text)
{
    source_received(b->source, str_of(text));
}

#define assert_sent(b, want) assert_text(&(b)->sent, want, __FILE__, __LINE__)
#define assert_did(b, want) assert_text(&(b)->did, want, __FILE__, __LINE__)
#define assert_hints(b, want) assert_text(&(b)->hints, want, __FILE__, __LINE__)
static void assert_text(struct buf *b, const char *want, const char *file, int line)
{
    if (!str_equal(buf_str(b), str_of(want))) {
        print_error("got:\n%.*s\nwanted:\n%s\n", STR_FMT(buf_str(b)), want);
        _fail(file, line);
    }
    buf_reset(b);
}

static void assert_device(struct bench *b, const char *name, enum device_state state)
{
    assert_int_equal(state_device_get(b->core, str_of(name)), state);
}

static struct source_view view_of(const struct bench *b)
{
    struct source_view v;

    source_view(b->source, &v);
    return v;
}

static void log_in(struct bench *b)
{
    bench_step(b, 10);
    source_opened(b->source);
    hear(b, GREETING);
    hear(b, ACCEPTED("i1"));
    buf_reset(&b->sent);
    buf_reset(&b->did);
}

/* Connected, and logged in by the secret itself; the first list is l2. */
static void begin(struct bench *b, const struct source_settings *settings)
{
    struct source_settings s = *settings;

    s.login = SOURCE_LOGIN_PLAIN;
    bench_init(b, &s);
    log_in(b);
}

static void hear_devices(struct bench *b)
{
    hear(b, START("l2") DEVICE_OF("l2", "PJSIP/alice", "INUSE") DEVICE_OF(
                "l2", "PJSIP/bob", "NOT_INUSE") COMPLETE("DeviceStateListComplete", "l2"));
}

static void follow(struct bench *b, const struct source_settings *settings)
{
    begin(b, settings);
    hear_devices(b);
    assert_int_equal(view_of(b).state, settings->calls ? SOURCE_READING : SOURCE_FOLLOWING);
    buf_reset(&b->sent);
}

static void reconnect(struct bench *b, const char *login)
{
    bench_step(b, 1010);
    source_opened(b->source);
    hear(b, GREETING);
    hear(b, login);
}

static void test_challenge(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, &ami);
    assert_did(&b, ""); /* not from within */
    bench_step(&b, 10);
    assert_did(&b, "connect ");
    source_opened(b.source);
    assert_sent(&b, "");
    hear(&b, "Asterisk Call");
    hear(&b, " Manager/11.0.0\r\n");
    assert_sent(&b, "Action: Challenge\r\nActionID: c1\r\nAuthType: MD5\r\n\r\n");
    hear(&b, CHALLENGE);
    /* MD5("859193513" "s3cret") */
    assert_sent(&b, "Action: Login\r\nActionID: i2\r\nAuthType: MD5\r\nUsername: extstate\r\n"
                    "Key: f4be3d9eaf0ba2c644d91e7e2832a3f7\r\nEvents: system,call\r\n\r\n");
    hear(&b, ACCEPTED("i2") BOOTED);
    assert_sent(&b, "Action: DeviceStateList\r\nActionID: l3\r\n\r\n");
    assert_int_equal(view_of(&b).state, SOURCE_READING);
    hear(&b, START("l3") DEVICE_OF("l3", "Custom:lamp", "RINGING"));
    hear(&b, COMPLETE("DeviceStateListComplete", "l3"));
    assert_device(&b, "Custom:lamp", DEVICE_RINGING);
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    assert_sent(&b, ""); /* it was booted before the list began */
    bench_fini(&b);
}

/* By TLS the secret itself is told, unless login = md5. */
static void test_plain(void **state)
{
    static const struct {
        bool tls;
        enum source_login login;
        bool plain;
    } cases[] = {
        { false, SOURCE_LOGIN_AUTO, false }, { false, SOURCE_LOGIN_MD5, false },
        { false, SOURCE_LOGIN_PLAIN, true }, { true, SOURCE_LOGIN_AUTO, true },
        { true, SOURCE_LOGIN_MD5, false },   { true, SOURCE_LOGIN_PLAIN, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct source_settings s = { .tls = cases[i].tls, .login = cases[i].login };
        struct bench b;

        bench_init(&b, &s);
        bench_step(&b, 10);
        source_opened(b.source);
        hear(&b, GREETING);
        assert_sent(&b, cases[i].plain
                            ? "Action: Login\r\nActionID: i1\r\nUsername: extstate\r\n"
                              "Secret: s3cret\r\nEvents: system,call\r\n\r\n"
                            : "Action: Challenge\r\nActionID: c1\r\nAuthType: MD5\r\n\r\n");
        bench_fini(&b);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *said, *complaint;
    } cases[] = {
        { "220 mail.example.com ESMTP\r\n", "it is no manager interface" },
        { GREETING "Response: Error\r\nActionID: c1\r\nMessage: Must specify AuthType\r\n\r\n",
          "it has no challenge for us; use login = plain and tls" },
        { GREETING CHALLENGE
          "Response: Error\r\nActionID: i2\r\nMessage: Authentication failed\r\n\r\n",
          "Authentication failed" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;

        bench_init(&b, &ami);
        bench_step(&b, 10);
        source_opened(b.source);
        hear(&b, cases[i].said);
        assert_did(&b, "connect disconnect ");
        assert_true(str_equal(view_of(&b).complaint, str_of(cases[i].complaint)));
        assert_true(view_of(&b).retry_ms > 20000); /* soon it would be the same */
        bench_fini(&b);
    }
}

static void test_pauses(void **state)
{
    uint64_t last_ms = 0;
    struct bench b;

    (void)state;
    bench_init(&b, &ami);
    bench_step(&b, 10);
    for (int i = 0; i < 8; i++) {
        uint64_t pause_ms;

        assert_did(&b, "connect ");
        source_ended(b.source, STR("Connection refused"));
        assert_did(&b, "disconnect ");
        pause_ms = view_of(&b).retry_ms;
        assert_true(pause_ms <= 30010 && (pause_ms > last_ms || pause_ms > 23000));
        last_ms = pause_ms > 23000 ? 0 : pause_ms;
        bench_step(&b, pause_ms + 10);
    }
    source_opened(b.source);
    bench_step(&b, 10010);
    assert_true(str_equal(view_of(&b).complaint, STR("it does not answer the login")));
    bench_fini(&b);
}

static void test_nothing_answers(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, &ami);
    b.connect_result = -ENOMEM;
    bench_step(&b, 10);
    assert_did(&b, "connect ");
    assert_int_equal(view_of(&b).state, SOURCE_WAITING);
    b.connect_result = 0;
    bench_step(&b, 1010);
    assert_did(&b, "connect ");
    bench_step(&b, 10010);
    assert_did(&b, "disconnect ");
    assert_true(str_equal(view_of(&b).complaint, STR("it cannot be reached")));
    source_opened(b.source); /* too late */
    source_received(b.source, STR(GREETING));
    assert_sent(&b, "");
    bench_fini(&b);
}

static void test_events(void **state)
{
    struct bench b;

    (void)state;
    follow(&b, &ami);
    assert_device(&b, "PJSIP/alice", DEVICE_INUSE);
    hear(&b, DEVICE("PJSIP/alice", "ONHOLD") DEVICE("PJSIP/bob", "nonsense") DEVICE("", "INUSE"));
    assert_device(&b, "PJSIP/alice", DEVICE_ONHOLD);
    assert_device(&b, "PJSIP/bob", DEVICE_NOT_INUSE);
    bench_fini(&b);
}

/* What a list has no more is gone; a list that was not read to its end says nothing of that. */
static void test_lists(void **state)
{
    struct bench b;

    (void)state;
    follow(&b, &ami);
    hear(&b,
         "Event: Reload\r\nPrivilege: system,all\r\nModule: pbx_config.so\r\nStatus: 0\r\n\r\n");
    assert_sent(&b, "Action: DeviceStateList\r\nActionID: l3\r\n\r\n");
    hear(&b, START("l3") DEVICE_OF("l3", "PJSIP/alice", "INUSE"));
    source_ended(b.source, STR("gone"));
    assert_device(&b, "PJSIP/bob", DEVICE_NOT_INUSE);
    bench_step(&b, 1010);
    source_opened(b.source);
    hear(&b, GREETING ACCEPTED("i4") START("l5") DEVICE_OF("l5", "PJSIP/alice", "INUSE"));
    hear(&b, DEVICE("PJSIP/new", "INUSE")); /* told while the list is */
    hear(&b, COMPLETE("DeviceStateListComplete", "l5"));
    assert_device(&b, "PJSIP/bob", DEVICE_INVALID);
    assert_device(&b, "PJSIP/alice", DEVICE_INUSE);
    assert_device(&b, "PJSIP/new", DEVICE_INUSE);
    bench_fini(&b);
}

static void test_refused_list(void **state)
{
    struct bench b;

    (void)state;
    follow(&b, &ami);
    hear(&b, "Event: Reload\r\nModule: x\r\nStatus: 0\r\n\r\n"
             "Response: Error\r\nActionID: l3\r\nMessage: Permission denied\r\n\r\n");
    assert_true(
        str_equal(view_of(&b).complaint, STR("DeviceStateList is refused: Permission denied")));
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    assert_device(&b, "PJSIP/alice", DEVICE_INUSE);
    bench_fini(&b);
}

/* It went on booting while the lists were read. */
static void test_booted_late(void **state)
{
    struct bench b;

    (void)state;
    begin(&b, &ami);
    hear(&b, START("l2") BOOTED COMPLETE("DeviceStateListComplete", "l2"));
    assert_sent(&b, "Action: DeviceStateList\r\nActionID: l3\r\n\r\n");
    assert_int_equal(view_of(&b).state, SOURCE_READING);
    bench_fini(&b);
}

static void test_all_lists(void **state)
{
    struct source_settings s = {
        .presence = true, .mailboxes = true, .hints = true, .calls = true
    };
    struct bench b;

    (void)state;
    begin(&b, &s);
    hear(&b, START("l2") COMPLETE("DeviceStateListComplete", "l2"));
    assert_sent(&b, "Action: PresenceStateList\r\nActionID: l3\r\n\r\n");
    hear(&b, START("l3") "Event: PresenceStateChange\r\nActionID: l3\r\n"
                         "Presentity: CustomPresence:a\r\nStatus: dnd\r\nSubtype: \r\n"
                         "Message: a\\r\\nb\r\n\r\n" COMPLETE("PresenceStateListComplete", "l3"));
    assert_sent(&b, "Action: ExtensionStateList\r\nActionID: l4\r\n\r\n");
    hear(&b, "Response: Error\r\nActionID: l4\r\n"
             "Message: No dialplan hints are available\r\n\r\n");
    assert_sent(&b, "Action: MWIGet\r\nActionID: l5\r\nMailbox: /./\r\n\r\n");
    hear(&b,
         "Response: Error\r\nActionID: l5\r\nMessage: Invalid/unknown command: MWIGet.\r\n\r\n");
    assert_sent(&b, "Action: VoicemailUsersList\r\nActionID: l6\r\n\r\n");
    hear(
        &b,
        START(
            "l6") "Event: VoicemailUserEntry\r\nActionID: l6\r\nVMContext: default\r\n"
                  "VoiceMailbox: 1000\r\nNewMessageCount: 2\r\nOldMessageCount: 1\r\n\r\n" COMPLETE(
                      "VoicemailUserEntryComplete", "l6"));
    assert_sent(&b, "Action: CoreShowChannels\r\nActionID: l7\r\n\r\n");
    hear(&b, "Response: Success\r\nActionID: l7\r\nMessage: none\r\n\r\n");
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    assert_int_equal(view_of(&b).complaint.n, 0);
    assert_device(&b, "MWI:1000@default", DEVICE_INUSE);
    /* Devices of mailboxes are made of their counts. */
    hear(&b, DEVICE("MWI:1000@default", "RINGING") "Event: MessageWaiting\r\nMailbox: "
                                                   "1000@default\r\nWaiting: 0\r\nNew: 0\r\nOld: 3"
                                                   "\r\n\r\n");
    assert_device(&b, "MWI:1000@default", DEVICE_NOT_INUSE);
    bench_fini(&b);
}

#define HINT(id, exten, text)                                                                  \
    "Event: ExtensionStatus\r\n" id "Exten: " exten "\r\nContext: users\r\nHint: " text "\r\n" \
    "Status: 0\r\nStatusText: Idle\r\n\r\n"
#define OF_LIST "ActionID: l3\r\n"

static void test_hints(void **state)
{
    struct source_settings s = { .hints = true };
    struct bench b;

    (void)state;
    begin(&b, &s);
    hear(&b, START("l2") COMPLETE("DeviceStateListComplete", "l2"));
    hear(&b, START("l3") HINT(OF_LIST, "1001", "PJSIP/bob") HINT(OF_LIST, "1000", "PJSIP/alice")
                 HINT(OF_LIST, "bad\texten", "x") COMPLETE("ExtensionStateListComplete", "l3"));
    bench_step(&b, 10);
    assert_hints(&b, "1000@users=PJSIP/alice 1001@users=PJSIP/bob ");
    hear(&b, HINT("", "1000", "PJSIP/alice")); /* a state that has changed is no other hint */
    bench_step(&b, 1000);
    assert_hints(&b, "");
    hear(&b, HINT("", "1000", "") HINT("", "1002", "Custom:x"));
    bench_step(&b, 210);
    assert_hints(&b, "1001@users=PJSIP/bob 1002@users=Custom:x ");
    bench_fini(&b);
}

static void test_filter(void **state)
{
    struct str prefixes[] = { STR("pjsip/"), STR("Custom:") };
    struct source_settings s = { .devices = prefixes, .n_devices = 2 };
    struct bench b;

    (void)state;
    follow(&b, &s);
    hear(&b, DEVICE("SIP/x", "INUSE") DEVICE("Custom:x", "INUSE"));
    assert_device(&b, "SIP/x", DEVICE_INVALID);
    assert_device(&b, "Custom:x", DEVICE_INUSE);
    assert_device(&b, "PJSIP/alice", DEVICE_INUSE);
    bench_fini(&b);
}

static void test_life_signs(void **state)
{
    struct bench b;

    (void)state;
    follow(&b, &ami);
    bench_step(&b, 15010);
    assert_sent(&b, "Action: Ping\r\nActionID: p3\r\n\r\n");
    hear(&b, "Response: Success\r\nActionID: p3\r\nPing: Pong\r\nTimestamp: 1.0\r\n\r\n");
    bench_step(&b, 15010);
    assert_sent(&b, "Action: Ping\r\nActionID: p4\r\n\r\n");
    bench_step(&b, 15010);
    assert_did(&b, "disconnect ");
    assert_true(str_equal(view_of(&b).complaint, STR("it gives no sign of life")));
    bench_fini(&b);
}

static void test_stalled_list(void **state)
{
    struct bench b;

    (void)state;
    begin(&b, &ami);
    hear(&b, START("l2"));
    for (int i = 0; i < 6; i++) {
        bench_step(&b, 15010);
        hear(&b, "Response: Success\r\nActionID: p\r\nPing: Pong\r\n\r\n");
    }
    assert_true(str_equal(view_of(&b).complaint, STR("a list does not go on")));
    bench_fini(&b);
}

static void test_stale(void **state)
{
    static const enum source_stale choices[] = { SOURCE_STALE_UNAVAILABLE, SOURCE_STALE_KEEP };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        struct source_settings s = { .stale = choices[i] };
        struct bench b;

        follow(&b, &s);
        source_ended(b.source, STR("gone"));
        b.connect_result = -ENETUNREACH;
        bench_step(&b, 29900);
        assert_false(view_of(&b).stale);
        assert_device(&b, "PJSIP/alice", DEVICE_INUSE);
        bench_step(&b, 200);
        assert_true(view_of(&b).stale);
        assert_true(state_device_is_stale(b.core, STR("PJSIP/alice")));
        assert_text(&b.told, "up down stale ", __FILE__, __LINE__);
        assert_device(&b, "PJSIP/alice",
                      choices[i] == SOURCE_STALE_KEEP ? DEVICE_INUSE : DEVICE_UNAVAILABLE);
        bench_fini(&b);
    }
}

/* Of a process before, or of the settings before. */
static void test_mailboxes_no_more(void **state)
{
    static const bool wanted[] = { false, true };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct source_settings s = { .mailboxes = wanted[i] };
        struct bench b;

        begin(&b, &s);
        assert_int_equal(mailbox_set(b.mailboxes, STR("pbx-a"), STR("1@x"), 2, 0), 0);
        assert_int_equal(mailbox_set(b.mailboxes, STR("pbx-b"), STR("2@x"), 2, 0), 0);
        source_ended(b.source, STR("gone"));
        reconnect(&b, ACCEPTED("i3"));
        hear(&b, START("l4") COMPLETE("DeviceStateListComplete", "l4"));
        if (wanted[i]) /* it may not ask for them */
            hear(&b, REFUSED("l5") REFUSED("l6"));
        assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
        assert_device(&b, "MWI:1@x", wanted[i] ? DEVICE_INUSE : DEVICE_INVALID);
        assert_device(&b, "MWI:2@x", DEVICE_INUSE);
        bench_fini(&b);
    }
}

static bool is_stale(struct bench *b, const char *device)
{
    return state_device_is_stale(b->core, str_of(device));
}

/* What is read again holds again, one after the other; what a list that breaks off did not come to
 * stays stale, until one that is whole has it, or has it no more. */
static void test_stale_until_read(void **state)
{
    static const enum source_stale choices[] = { SOURCE_STALE_UNAVAILABLE, SOURCE_STALE_KEEP };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        struct source_settings s = { .stale = choices[i], .retry_interval_s = 1 };
        struct bench b;

        follow(&b, &s);
        hear(&b, DEVICE("Custom:x", "BUSY"));
        b.settings.retry_interval_s = 1;
        source_ended(b.source, STR("gone"));
        b.connect_result = -ENETUNREACH;
        bench_step(&b, 30100);
        assert_true(is_stale(&b, "PJSIP/alice") && is_stale(&b, "PJSIP/bob"));
        b.connect_result = 0;
        reconnect(&b, ACCEPTED("i3"));
        assert_true(is_stale(&b, "PJSIP/alice"));
        hear(&b, START("l4") DEVICE_OF("l4", "PJSIP/alice", "INUSE"));
        assert_false(is_stale(&b, "PJSIP/alice"));
        assert_true(is_stale(&b, "PJSIP/bob"));
        source_ended(b.source, STR("gone")); /* in the middle */
        assert_true(is_stale(&b, "PJSIP/bob") && is_stale(&b, "Custom:x"));
        assert_device(&b, "PJSIP/bob",
                      choices[i] == SOURCE_STALE_KEEP ? DEVICE_NOT_INUSE : DEVICE_UNAVAILABLE);
        reconnect(&b, ACCEPTED("i5"));
        hear(&b, START("l6") DEVICE_OF("l6", "PJSIP/alice", "INUSE") DEVICE_OF(
                     "l6", "PJSIP/bob", "NOT_INUSE") COMPLETE("DeviceStateListComplete", "l6"));
        assert_false(is_stale(&b, "PJSIP/alice") || is_stale(&b, "PJSIP/bob"));
        assert_device(&b, "Custom:x", DEVICE_UNKNOWN);
        bench_fini(&b);
    }
}

enum { MANY = 300 }; /* more than a portion of a sweep */

static void tell(struct bench *b, struct buf *reports, int result)
{
    assert_int_equal(source_intake_apply(&b->intake, b->core, b->mailboxes, buf_str(reports)),
                     result);
    buf_reset(reports);
}

/* It is back while what has become stale is still being marked, in portions: what it does not tell
 * again is gone all the same. */
static void test_back_in_the_middle(void **state)
{
    char room[1000], name[32];
    struct buf reports;
    struct bench b;

    (void)state;
    bench_init(&b, &ami);
    buf_init_on(&reports, room, sizeof(room));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "PJSIP/%u", i);
        report_device(&reports, str_of(name), DEVICE_INUSE);
        tell(&b, &reports, 0);
    }
    report_stale(&reports, false, 30);
    tell(&b, &reports, INTAKE_SWEEPS);
    assert_int_equal(source_intake_sweep(&b.intake, b.core, b.mailboxes), INTAKE_SWEEPS);
    report_begin(&reports);
    tell(&b, &reports, INTAKE_SWEEPS);
    while (source_intake_sweep(&b.intake, b.core, b.mailboxes) == INTAKE_SWEEPS)
        ;
    report_device(&reports, STR("PJSIP/0"), DEVICE_INUSE);
    report_end(&reports, true);
    tell(&b, &reports, INTAKE_SWEEPS);
    while (source_intake_sweep(&b.intake, b.core, b.mailboxes) == INTAKE_SWEEPS)
        ;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "PJSIP/%u", i);
        assert_device(&b, name, i == 0 ? DEVICE_INUSE : DEVICE_INVALID);
    }
    bench_fini(&b);
}

/* Of a process that has just begun: it shows what the former one was told. */
static void test_stale_from_the_start(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, &ami);
    b.connect_result = -ENETUNREACH;
    assert_int_equal(state_device_set(b.core, STR("pbx-a"), STR("PJSIP/alice"), DEVICE_INUSE), 0);
    bench_step(&b, 29000);
    assert_device(&b, "PJSIP/alice", DEVICE_INUSE);
    bench_step(&b, 1100);
    assert_device(&b, "PJSIP/alice", DEVICE_UNAVAILABLE);
    bench_fini(&b);
}

/* Its time goes on over a restart, but for what it needs to be found; what is stale stays so. */
static void test_away_over_restarts(void **state)
{
    uint64_t lost_ms;
    struct bench b;

    (void)state;
    follow(&b, &ami);
    source_ended(b.source, STR("gone"));
    lost_ms = b.now_ms;
    b.connect_result = -ENETUNREACH;
    bench_step(&b, 12000);
    bench_source_begin(&b);
    assert_true(view_of(&b).since_ms == lost_ms);
    bench_step(&b, 17900);
    assert_false(view_of(&b).stale);
    bench_source_begin(&b);
    bench_step(&b, 9900);
    assert_false(view_of(&b).stale);
    bench_step(&b, 200);
    assert_true(view_of(&b).stale);
    bench_source_begin(&b);
    assert_true(view_of(&b).stale);
    assert_true(view_of(&b).since_ms == lost_ms);
    bench_step(&b, 60000);
    b.connect_result = 0;
    bench_source_begin(&b);
    log_in(&b);
    assert_true(view_of(&b).stale);
    hear_devices(&b);
    assert_false(view_of(&b).stale);
    assert_true(view_of(&b).since_ms == b.now_ms);
    bench_source_begin(&b); /* it was followed until now */
    assert_false(view_of(&b).stale);
    assert_true(view_of(&b).since_ms == b.now_ms);
    bench_fini(&b);
}

/* The clock was set back, or what is kept is nonsense. */
static void test_away_since_a_time_to_come(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, &ami);
    b.intake.standing = (struct source_standing){ .away_ms = b.now_ms + 1000000 };
    bench_source_begin(&b);
    b.connect_result = -ENETUNREACH;
    assert_true(view_of(&b).since_ms == b.now_ms);
    bench_step(&b, 29900);
    assert_false(view_of(&b).stale);
    bench_step(&b, 200);
    assert_true(view_of(&b).stale);
    bench_fini(&b);
}

/* Also in the middle of what is just read. */
static void test_send_fails(void **state)
{
    struct source_settings s = { .calls = true };
    struct bench b;

    (void)state;
    begin(&b, &s);
    hear(&b, START("l2"));
    b.send_result = -EAGAIN;
    hear(&b, "Event: Newchannel\r\nChannel: PJSIP/a-1\r\nUniqueid: 1.1\r\nChannelState: "
             "5\r\n\r\n" DEVICE("PJSIP/late", "INUSE"));
    assert_did(&b, "disconnect ");
    assert_true(str_equal(view_of(&b).complaint, STR("it does not read")));
    assert_device(&b, "PJSIP/late", DEVICE_INVALID);
    hear(&b, GREETING);
    assert_sent(&b, "");
    bench_fini(&b);
}

/* Of an Asterisk whose files are in ISO 8859-1: its device is that of a hint in the same encoding,
 * and can be named in UTF-8. */
static void test_latin1(void **state)
{
    static const struct source_settings s = { .protocol = SOURCE_AMI };
    const struct resource_name name = { .context = STR("users"), .extension = STR("1000") };
    struct bench b;

    (void)state;
    begin(&b, &s);
    bench_hint(&b, "1000", "PJSIP/J\xf6rg", "200", "PJSIP/bob");
    hear(&b, DEVICE("PJSIP/J\xf6rg", "INUSE"));
    assert_device(&b, "PJSIP/J\xc3\xb6rg", DEVICE_INUSE);
    assert_int_equal(state_find(b.core, &name)->state, EXTENSION_INUSE);
    bench_fini(&b);
}

/* ---- calls ---- */

#define SNAPSHOT(prefix, channel, state, number, connected, unique)                         \
    prefix "Channel: " channel "\r\n" prefix "ChannelState: " state "\r\n" prefix           \
           "CallerIDNum: " number "\r\n" prefix "CallerIDName: <unknown>\r\n" prefix        \
           "ConnectedLineNum: " connected "\r\n" prefix "ConnectedLineName: Bob\r\n" prefix \
           "Exten: 1000\r\n" prefix "Uniqueid: " unique "\r\n"
#define EVENT(name, fields) "Event: " name "\r\nPrivilege: call,all\r\n" fields "\r\n"
#define VALUE(id, value) \
    "Response: Success\r\nActionID: " id "\r\nVariable: x\r\nValue: " value "\r\n\r\n"

static void plan(struct bench *b)
{
    bench_hint(b, "1000", "PJSIP/alice", "200", "PJSIP/bob");
}

static void test_calls(void **state)
{
    struct source_settings s = { .calls = true };
    const struct event_state *calls;
    const struct es_dialog *d;
    struct bench b;

    (void)state;
    follow(&b, &s);
    plan(&b);
    hear(&b,
         DEVICE("PJSIP/alice", "NOT_INUSE") START("l3") COMPLETE("CoreShowChannelsComplete", "l3"));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/bob-01", "4", "200", "<unknown>", "1.1")));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/alice-02", "0", "1000", "200", "1.2")));
    buf_reset(&b.sent);
    hear(&b, EVENT("DialBegin", SNAPSHOT("", "PJSIP/bob-01", "4", "200", "<unknown>", "1.1")
                                    SNAPSHOT("Dest", "PJSIP/alice-02", "0", "1000", "200", "1.2")));
    assert_sent(&b, "");
    hear(&b, EVENT("Newstate", SNAPSHOT("", "PJSIP/alice-02", "5", "1000", "200", "1.2")));
    assert_sent(&b, "Action: Getvar\r\nActionID: vc7-1.2\r\nChannel: PJSIP/alice-02\r\n"
                    "Variable: CHANNEL(pjsip,call-id)\r\n\r\n"
                    "Action: Getvar\r\nActionID: vl8-1.2\r\nChannel: PJSIP/alice-02\r\n"
                    "Variable: CHANNEL(pjsip,local_tag)\r\n\r\n"
                    "Action: Getvar\r\nActionID: vr9-1.2\r\nChannel: PJSIP/alice-02\r\n"
                    "Variable: CHANNEL(pjsip,remote_tag)\r\n\r\n");
    hear(&b, VALUE("vc7-1.2", "abc@pbx") VALUE("vl8-1.2", "server") VALUE("vr9-1.2", "phone"));
    assert_null(bench_calls(&b, "1000"));
    hear(&b, DEVICE("PJSIP/alice", "RINGING") DEVICE("PJSIP/bob", "INUSE"));
    calls = bench_calls(&b, "1000");
    assert_non_null(calls);
    assert_int_equal(calls->n_dialogs, 1);
    d = calls->dialogs;
    assert_es(d->id, "1.2");
    assert_es(d->call_id, "abc@pbx");
    assert_es(d->local_tag, "phone");
    assert_es(d->remote_tag, "server");
    assert_int_equal(d->direction, ES_DIRECTION_RECIPIENT);
    assert_int_equal(d->state, ES_DIALOG_EARLY);
    assert_es(d->remote.identity, "sip:200@192.0.2.1");
    assert_es(d->remote.display, "Bob");
    assert_es(d->local.identity, "sip:1000@192.0.2.1");
    assert_int_equal(d->local.display.n, 0);
    d = bench_calls(&b, "200")->dialogs;
    assert_int_equal(d->direction, ES_DIRECTION_INITIATOR);
    assert_es(d->remote.identity, "sip:1000@192.0.2.1"); /* whom it has dialled */
    hear(&b, EVENT("Newstate", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                 EVENT("Hold", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                     DEVICE("PJSIP/alice", "ONHOLD"));
    d = bench_calls(&b, "1000")->dialogs;
    assert_int_equal(d->state, ES_DIALOG_CONFIRMED);
    assert_int_equal(d->local.n_params, 1);
    /* The call ends before its device does, for a moment. */
    hear(&b, EVENT("Hangup", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2")));
    assert_non_null(bench_calls(&b, "1000"));
    hear(&b, DEVICE("PJSIP/alice", "NOT_INUSE"));
    assert_null(bench_calls(&b, "1000"));
    hear(&b, EVENT("Hangup", SNAPSHOT("", "PJSIP/bob-01", "4", "200", "<unknown>", "1.1")));
    assert_non_null(bench_calls(&b, "200"));
    bench_step(&b, 2010);
    assert_null(bench_calls(&b, "200"));
    bench_fini(&b);
}

/* Calls that the list has no more after a pause are over; of those that are there it tells. */
static void test_calls_again(void **state)
{
    struct source_settings s = { .calls = true };
    struct bench b;

    (void)state;
    follow(&b, &s);
    plan(&b);
    hear(&b, START("l3")
                 EVENT("CoreShowChannel",
                       "ActionID: l3\r\n" SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                     COMPLETE("CoreShowChannelsComplete", "l3"));
    assert_non_null(bench_calls(&b, "1000"));
    assert_int_equal(bench_calls(&b, "1000")->dialogs->direction, ES_DIRECTION_NONE);
    source_ended(b.source, STR("gone"));
    assert_non_null(bench_calls(&b, "1000"));
    bench_step(&b, 1010);
    source_opened(b.source);
    buf_reset(&b.sent);
    hear(&b, GREETING ACCEPTED("i7") START("l8") DEVICE_OF("l8", "PJSIP/alice", "INUSE")
                 COMPLETE("DeviceStateListComplete", "l8") START("l9")
                     COMPLETE("CoreShowChannelsComplete", "l9"));
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    bench_step(&b, 2010);
    assert_null(bench_calls(&b, "1000"));
    bench_fini(&b);
}

#define CHANNEL(id, channel, state, number, connected, unique) \
    EVENT("CoreShowChannel",                                   \
          "ActionID: " id "\r\n" SNAPSHOT("", channel, state, number, connected, unique))

/* A client that has just begun, after a reload: alice and bob are in calls, as `channels` says. */
static void begin_again(struct bench *b, const char *channels)
{
    bench_source_begin(b);
    bench_step(b, 10);
    source_opened(b->source);
    hear(b, GREETING ACCEPTED("i1") START("l2") DEVICE_OF("l2", "PJSIP/alice", "ONHOLD")
                DEVICE_OF("l2", "PJSIP/bob", "INUSE") COMPLETE("DeviceStateListComplete", "l2"));
    hear(b, channels);
    assert_int_equal(view_of(b).state, SOURCE_FOLLOWING);
}

/* Calls that are not told again after a reload are gone, as is the one that has ended meanwhile; in
 * the state that the device is in. */
static void test_calls_no_more(void **state)
{
    static const bool wanted[] = { false, true };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct source_settings s = { .calls = true };
        struct bench b;

        follow(&b, &s);
        plan(&b);
        hear(&b, START("l3") CHANNEL("l3", "PJSIP/alice-02", "6", "1000", "200", "1.2")
                     CHANNEL("l3", "PJSIP/bob-01", "6", "200", "1000", "1.1")
                         COMPLETE("CoreShowChannelsComplete", "l3") DEVICE("PJSIP/bob", "INUSE"));
        assert_non_null(bench_calls(&b, "1000"));
        assert_non_null(bench_calls(&b, "200"));
        b.settings.calls = wanted[i];
        begin_again(&b, wanted[i] ? START("l3")
                                        CHANNEL("l3", "PJSIP/alice-02", "6", "1000", "200", "1.2")
                                            COMPLETE("CoreShowChannelsComplete", "l3")
                                  : "");
        assert_true((bench_calls(&b, "1000") != NULL) == wanted[i]);
        assert_null(bench_calls(&b, "200"));
        assert_device(&b, "PJSIP/bob", DEVICE_INUSE);
        bench_fini(&b);
    }
}

/* One that has just begun knows less than what was told before it: that stays, and nobody is told
 * anything. */
static void test_calls_quietly_again(void **state)
{
    struct source_settings s = { .calls = true };
    const struct event_state *alice, *bob;
    struct bench b;

    (void)state;
    follow(&b, &s);
    plan(&b);
    hear(&b, START("l3") COMPLETE("CoreShowChannelsComplete", "l3"));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/bob-01", "4", "200", "<unknown>", "1.1")));
    hear(&b, EVENT("DialBegin", SNAPSHOT("", "PJSIP/bob-01", "4", "200", "<unknown>", "1.1")
                                    SNAPSHOT("Dest", "PJSIP/alice-02", "5", "1000", "200", "1.2")));
    hear(&b, VALUE("vc4-1.1", "first@bob") VALUE("vc7-1.2", "abc@pbx") VALUE("vl8-1.2", "server")
                 VALUE("vr9-1.2", "phone"));
    hear(&b, EVENT("Newstate", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                 EVENT("Newstate", SNAPSHOT("", "PJSIP/bob-01", "6", "200", "1000", "1.1"))
                     EVENT("Hold", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                         DEVICE("PJSIP/alice", "ONHOLD") DEVICE("PJSIP/bob", "INUSE"));
    alice = bench_calls(&b, "1000");
    bob = bench_calls(&b, "200");
    assert_int_equal(alice->dialogs->direction, ES_DIRECTION_RECIPIENT);
    assert_es(alice->dialogs->call_id, "abc@pbx");
    assert_true(alice->dialogs->held);
    begin_again(&b, START("l3") CHANNEL("l3", "PJSIP/bob-01", "6", "200", "1000", "1.1")
                        CHANNEL("l3", "PJSIP/alice-02", "6", "1000", "200", "1.2")
                            COMPLETE("CoreShowChannelsComplete", "l3"));
    assert_ptr_equal(bench_calls(&b, "1000"), alice);
    assert_ptr_equal(bench_calls(&b, "200"), bob);
    hear(&b, VALUE("vc7-1.2", "abc@pbx") VALUE("vl8-1.2", "server"));
    assert_ptr_equal(bench_calls(&b, "1000"), alice);
    /* It is followed as before. */
    hear(&b, EVENT("Unhold", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                 DEVICE("PJSIP/alice", "INUSE"));
    assert_false(bench_calls(&b, "1000")->dialogs->held);
    assert_int_equal(bench_calls(&b, "1000")->dialogs->direction, ES_DIRECTION_RECIPIENT);
    bench_fini(&b);
}

#define CONNECTED(number, name)                                                               \
    EVENT("NewConnectedLine",                                                                 \
          "Channel: PJSIP/alice-02\r\nChannelState: 6\r\nCallerIDNum: 1000\r\nCallerIDName: " \
          "<unknown>\r\nConnectedLineNum: " number "\r\nConnectedLineName: " name             \
          "\r\nExten: 1000\r\nUniqueid: 1.2\r\n")

/* That somebody has no name any more, or is not known any more, is told as it happens; of a call
 * that was there before, what a list leaves out is not. */
static void test_name_cleared(void **state)
{
    struct source_settings s = { .calls = true };
    const struct event_state *calls;
    struct bench b;

    (void)state;
    follow(&b, &s);
    plan(&b);
    hear(&b, START("l3") COMPLETE("CoreShowChannelsComplete", "l3"));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/alice-02", "5", "1000", "200", "1.2"))
                 DEVICE("PJSIP/alice", "RINGING"));
    hear(&b, VALUE("vc4-1.2", "abc@pbx") VALUE("vl5-1.2", "server") VALUE("vr6-1.2", "phone"));
    hear(&b, EVENT("Newstate", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2")));
    assert_es(bench_calls(&b, "1000")->dialogs->remote.display, "Bob");
    assert_es(bench_calls(&b, "1000")->dialogs->call_id, "abc@pbx");
    hear(&b, CONNECTED("200", "<unknown>"));
    assert_es(bench_calls(&b, "1000")->dialogs->remote.identity, "sip:200@192.0.2.1");
    assert_es(bench_calls(&b, "1000")->dialogs->remote.display, "");
    hear(&b, CONNECTED("<unknown>", "<unknown>"));
    assert_es(bench_calls(&b, "1000")->dialogs->remote.identity, "");
    hear(&b, CONNECTED("200", "Bob") DEVICE("PJSIP/alice", "ONHOLD"));
    calls = bench_calls(&b, "1000");
    begin_again(&b,
                START("l3") EVENT("CoreShowChannel",
                                  "ActionID: l3\r\nChannel: PJSIP/alice-02\r\nChannelState: 6\r\n"
                                  "CallerIDNum: 1000\r\nConnectedLineNum: 200\r\nUniqueid: 1.2\r\n")
                    COMPLETE("CoreShowChannelsComplete", "l3"));
    assert_ptr_equal(bench_calls(&b, "1000"), calls);
    hear(&b, CONNECTED("200", "<unknown>"));
    assert_es(bench_calls(&b, "1000")->dialogs->remote.display, "");
    assert_es(bench_calls(&b, "1000")->dialogs->call_id, "abc@pbx");
    bench_fini(&b);
}

/* Whose Unhold nobody has heard, or that was held only because its device was, is not held when its
 * device is in use. */
static void test_held_no_more(void **state)
{
    struct source_settings s = { .calls = true };
    struct bench b;

    (void)state;
    follow(&b, &s);
    plan(&b);
    hear(&b, START("l3") COMPLETE("CoreShowChannelsComplete", "l3"));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                 EVENT("Hold", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                     DEVICE("PJSIP/alice", "ONHOLD"));
    assert_true(bench_calls(&b, "1000")->dialogs->held);
    source_ended(b.source, STR("gone"));
    bench_step(&b, 1010);
    source_opened(b.source);
    buf_reset(&b.sent);
    hear(&b, GREETING);
    hear(&b, ACCEPTED("i7") START("l8") DEVICE_OF("l8", "PJSIP/alice", "INUSE")
                 COMPLETE("DeviceStateListComplete", "l8") START("l9")
                     CHANNEL("l9", "PJSIP/alice-02", "6", "1000", "200", "1.2")
                         COMPLETE("CoreShowChannelsComplete", "l9"));
    assert_int_equal(view_of(&b).state, SOURCE_FOLLOWING);
    assert_false(bench_calls(&b, "1000")->dialogs->held);
    hear(&b, DEVICE("PJSIP/alice", "ONHOLD"));
    assert_true(bench_calls(&b, "1000")->dialogs->held);
    hear(&b, DEVICE("PJSIP/alice", "RINGINUSE"));
    assert_true(bench_calls(&b, "1000")->dialogs->held);
    hear(&b, DEVICE("PJSIP/alice", "INUSE"));
    assert_false(bench_calls(&b, "1000")->dialogs->held);
    bench_fini(&b);
}

/* One of several is held: it stays so, and the one that talks comes first. */
static void test_one_held(void **state)
{
    struct source_settings s = { .calls = true };
    const struct es_dialog *d;
    struct bench b;

    (void)state;
    follow(&b, &s);
    plan(&b);
    hear(&b, START("l3") COMPLETE("CoreShowChannelsComplete", "l3"));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                 EVENT("Hold", SNAPSHOT("", "PJSIP/alice-02", "6", "1000", "200", "1.2"))
                     DEVICE("PJSIP/alice", "ONHOLD"));
    hear(&b, EVENT("Newchannel", SNAPSHOT("", "PJSIP/alice-03", "6", "1000", "201", "1.3"))
                 DEVICE("PJSIP/alice", "INUSE"));
    assert_int_equal(bench_calls(&b, "1000")->n_dialogs, 2);
    d = bench_calls(&b, "1000")->dialogs;
    assert_es(d[0].id, "1.3");
    assert_false(d[0].held);
    assert_es(d[1].id, "1.2");
    assert_true(d[1].held);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_nothing_answers),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_refused_list),
        cmocka_unit_test(test_booted_late),
        cmocka_unit_test(test_all_lists),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_life_signs),
        cmocka_unit_test(test_stalled_list),
        cmocka_unit_test(test_mailboxes_no_more),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_stale_from_the_start),
        cmocka_unit_test(test_away_over_restarts),
        cmocka_unit_test(test_away_since_a_time_to_come),
        cmocka_unit_test(test_back_in_the_middle),
        cmocka_unit_test(test_stale_until_read),
        cmocka_unit_test(test_send_fails),
        cmocka_unit_test(test_latin1),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_calls_again),
        cmocka_unit_test(test_calls_no_more),
        cmocka_unit_test(test_calls_quietly_again),
        cmocka_unit_test(test_name_cleared),
        cmocka_unit_test(test_held_no_more),
        cmocka_unit_test(test_one_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
