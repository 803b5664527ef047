// SPDX-License-Identifier: MIT
#include "registrar/qualifier_testing.h"

#define ON "[registrar]\nenabled=yes\n"
#define UDP "[udp]\ntype=transport\nbind=192.0.2.1:5060\n"
#define AOR "[alice]\ntype=aor\nqualify_frequency=60\n"
#define ALICE UDP "[alice]\ntype=endpoint\naors=alice\n" AOR

static struct bench *bench_with(const char *pjsip_conf)
{
    return bench_create(settings_fixture_with(pjsip_conf, ON));
}

static struct bench *bench_of(const char *pjsip_conf, const char *uri)
{
    return bench_static(settings_fixture_with(pjsip_conf, ON), uri);
}

static void settings_are(struct bench *b, const char *pjsip_conf)
{
    bench_settings(b, settings_fixture_with(pjsip_conf, ON));
}

static void assert_status(const struct bench *b, enum qualify_status want)
{
    assert_string_equal(qualify_status_name(bench_view(b).status), qualify_status_name(want));
}

static void assert_reach(const struct bench *b, unsigned times, enum contact_reach want)
{
    assert_int_equal(b->reaches, times);
    if (times)
        assert_int_equal(b->reach, want);
}

/* ---- time ---- */

static void test_again_and_again(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@192.0.2.7:5070");
    uint64_t last_ms = 0;

    (void)state;
    assert_status(b, QUALIFY_UNKNOWN);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t passed_ms;

        assert_true(bench_await(b, 60100));
        passed_ms = bench_last(b)->at_ms - last_ms;
        assert_true(passed_ms <= 60100 && (i == 0 || passed_ms >= 53900));
        last_ms = bench_last(b)->at_ms;
        bench_pass(b, 40);
        bench_answer(b, 200, "");
        assert_status(b, QUALIFY_REACHABLE);
        assert_reach(b, 1, CONTACT_REACHED);
        assert_in_range(bench_view(b).next_s, 54, 61);
        assert_int_equal(bench_view(b).last_status, 200);
        assert_in_range(bench_view(b).rtt_ms, 40, 50);
    }
    assert_int_equal(bench_counters(b).sent, 20);
    assert_int_equal(bench_counters(b).answered, 20);
    assert_int_equal(bench_counters(b).reachable, 1);
    bench_destroy(b);
}

/* Nobody gathers: not at the start, and not after an hour. */
static void test_spread(void **state)
{
    enum { CONTACTS = 3000, SECONDS = 60 };
    struct bench *b = bench_with(ALICE);
    unsigned at[2 * SECONDS] = { 0 };

    (void)state;
    for (unsigned i = 0; i < CONTACTS; i++) {
        struct contact c = contact_static("sip:alice@192.0.2.7:5070");

        c.id = i + 1;
        bench_contact(b, &c);
    }
    while (bench_await(b, 60100) && b->wheel.now_ms < BENCH_START_MS + 2 * SECONDS * 1000) {
        at[bench_last(b)->at_ms / 1000]++;
        bench_answer(b, 200, "");
    }
    for (unsigned i = 0; i < 2 * SECONDS - 1;
         i++) /* 50 each, if they were even; twice that while */
        assert_in_range(at[i], 20, i < 54 ? 90 : 130); /* the first are asked for the second time */
    assert_int_equal(bench_counters(b).contacts, CONTACTS);
    bench_destroy(b);
}

static void test_initial_time(void **state)
{
    struct bench *b = bench_of("[global]\ntype=global\nmax_initial_qualify_time=2\n" ALICE,
                               "sip:alice@192.0.2.7:5070");

    (void)state;
    assert_true(bench_await(b, 2100));
    bench_destroy(b);
    b = bench_of("[global]\ntype=global\nmax_initial_qualify_time=3600\n" ALICE,
                 "sip:alice@192.0.2.7:5070");
    assert_true(bench_await(b, 60100));
    bench_destroy(b);
}

/* ---- one question ---- */

static void test_message(void **state)
{
    struct bench *b = bench_of("[global]\ntype=global\nuser_agent=tests\n" UDP
                               "[alice]\ntype=endpoint\naors=alice\nfrom_user=pbx\n"
                               "from_domain=example.com\ncontact_user=us\n" AOR,
                               "sip:alice@192.0.2.7:5070;ob");
    struct sip_message m;

    (void)state;
    assert_true(bench_await(b, 60100));
    assert_true(str_starts(bench_last(b)->bytes,
                           STR("OPTIONS sip:alice@192.0.2.7:5070;ob SIP/2.0\r\nVia: SIP/2.0/UDP "
                               "192.0.2.1:5060;rport;branch=z9hG4bK")));
    assert_true(bench_has(b, "\r\nFrom: <sip:pbx@example.com>;tag="));
    assert_true(bench_has(b, "\r\nTo: <sip:alice@192.0.2.7:5070;ob>\r\n"));
    assert_true(bench_has(b, "\r\nContact: <sip:us@192.0.2.1:5060>\r\n"));
    assert_true(bench_has(b, "\r\nCSeq: 1 OPTIONS\r\n"));
    assert_true(bench_has(b, "\r\nUser-Agent: tests\r\n"));
    assert_true(bench_has(b, "\r\nMax-Forwards: 70\r\n"));
    assert_true(bench_has(b, "\r\nAccept: application/sdp\r\n"));
    assert_false(bench_has(b, "\r\nRoute:"));
    assert_int_equal(sip_message_parse(&m, bench_last(b)->bytes, NULL), 0);
    assert_int_equal(m.method, SIP_OPTIONS);
    bench_destroy(b);
}

static void test_no_answer(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@192.0.2.7:5070");
    uint64_t first_ms;

    (void)state;
    assert_true(bench_await(b, 60100));
    first_ms = bench_last(b)->at_ms;
    for (unsigned i = 1; i < 3; i++) { /* at 500 and 1500 ms */
        assert_true(bench_await(b, 1100));
        assert_true(str_equal(b->sent[i].bytes, b->sent[0].bytes));
    }
    assert_reach(b, 0, CONTACT_NOT_ASKED);
    assert_false(bench_await(b, first_ms + 2900 - (b->wheel.now_ms - BENCH_START_MS)));
    assert_reach(b, 0, CONTACT_NOT_ASKED);
    assert_false(bench_await(b, 200));
    assert_reach(b, 1, CONTACT_UNREACHED);
    assert_status(b, QUALIFY_UNREACHABLE);
    assert_int_equal(bench_view(b).last_status, 408);
    bench_answer(b, 200, ""); /* too late */
    assert_status(b, QUALIFY_UNREACHABLE);
    assert_true(bench_await(b, 60100));
    assert_true(bench_has(b, "\r\nCSeq: 2 OPTIONS\r\n"));
    bench_answer(b, 200, "");
    assert_reach(b, 2, CONTACT_REACHED);
    assert_int_equal(bench_counters(b).unanswered, 1);
    assert_int_equal(bench_counters(b).returned, 1);
    assert_int_equal(bench_counters(b).lost, 0); /* it was not there before */
    assert_true(bench_await(b, 60100));
    assert_false(bench_await(b, 400));
    bench_pass(b, 3000);
    assert_reach(b, 3, CONTACT_UNREACHED);
    assert_int_equal(bench_counters(b).lost, 1);
    bench_destroy(b);
}

static void test_timeouts(void **state)
{
    static const struct {
        const char *option;
        uint64_t least_ms, most_ms;
    } cases[] = {
        { "qualify_timeout=0.2\n", 190, 230 },
        { "qualify_timeout=12\n", 11990, 12030 },
        { "qualify_timeout=0\n", 31990, 32030 }, /* timer F */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char conf[512];
        struct bench *b;
        uint64_t first_ms;

        snprintf(conf, sizeof(conf), "%s%s", ALICE, cases[i].option);
        b = bench_of(conf, "sip:alice@192.0.2.7:5070");
        assert_true(bench_await(b, 60100));
        first_ms = b->wheel.now_ms;
        while (!b->reaches)
            bench_tick(b);
        assert_in_range(b->wheel.now_ms - first_ms, cases[i].least_ms, cases[i].most_ms);
        assert_int_equal(b->reach, CONTACT_UNREACHED);
        bench_destroy(b);
    }
}

static void test_answers(void **state)
{
    static const struct {
        unsigned status;
        enum contact_reach any, only_2xx;
    } cases[] = {
        { 200, CONTACT_REACHED, CONTACT_REACHED },
        { 202, CONTACT_REACHED, CONTACT_REACHED },
        { 302, CONTACT_REACHED, CONTACT_UNREACHED },
        { 401, CONTACT_REACHED, CONTACT_UNREACHED },
        { 404, CONTACT_REACHED, CONTACT_UNREACHED },
        { 405, CONTACT_REACHED, CONTACT_UNREACHED },
        { 480, CONTACT_REACHED, CONTACT_UNREACHED },
        { 486, CONTACT_REACHED, CONTACT_UNREACHED },
        { 500, CONTACT_REACHED, CONTACT_UNREACHED },
        { 603, CONTACT_REACHED, CONTACT_UNREACHED },
        { 408, CONTACT_UNREACHED, CONTACT_UNREACHED },
        { 503, CONTACT_UNREACHED, CONTACT_UNREACHED },
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        bool only = i % 2;
        struct bench *b =
            bench_of(only ? ALICE "qualify_2xx_only=yes\n" : ALICE, "sip:alice@192.0.2.7:5070");

        assert_true(bench_await(b, 60100));
        bench_answer(b, 100, "");
        assert_reach(b, 0, CONTACT_NOT_ASKED);
        bench_answer(b, cases[i / 2].status, "");
        assert_reach(b, 1, only ? cases[i / 2].only_2xx : cases[i / 2].any);
        assert_int_equal(bench_view(b).last_status, cases[i / 2].status);
        bench_destroy(b);
    }
}

/* ---- where it goes ---- */

static void assert_to(const struct bench *b, const char *address)
{
    char room[64];
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, &bench_last(b)->to.remote);
    assert_int_equal(buf_str(&text).n, strlen(address));
    assert_memory_equal(room, address, strlen(address));
}

static void test_names(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@phones.two");

    (void)state;
    /* The first does not answer, the second does. */
    assert_true(bench_await(b, 60100));
    assert_to(b, "192.0.2.7:5060");
    for (unsigned i = 0; i < 2; i++)
        assert_true(bench_await(b, 1100));
    assert_true(bench_await(b, 3000));
    assert_to(b, "192.0.2.8:5060");
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);

    /* The first is in trouble. */
    assert_true(bench_await(b, 60100));
    assert_to(b, "192.0.2.7:5060");
    bench_answer(b, 503, "");
    assert_true(bench_await(b, 100));
    assert_to(b, "192.0.2.8:5060");
    bench_answer(b, 503, "");
    assert_reach(b, 2, CONTACT_UNREACHED);

    /* Without one it is not there; without an answer neither. */
    bench_destroy(b);
    b = bench_of(ALICE, "sip:alice@nowhere.example");
    while (!b->reaches && b->wheel.now_ms < BENCH_START_MS + 61000)
        bench_tick(b);
    assert_reach(b, 1, CONTACT_UNREACHED);
    assert_int_equal(bench_view(b).last_status, 503);
    bench_destroy(b);
    b = bench_of(ALICE, "sip:alice@phones.two");
    b->mute = true;
    while (!b->reaches && b->wheel.now_ms < BENCH_START_MS + 95000)
        bench_tick(b);
    assert_reach(b, 1, CONTACT_UNREACHED);
    b->mute = false; /* now it comes, too late */
    bench_tick(b);
    assert_int_equal(b->n_sent, 0);
    bench_destroy(b);

    /* That too much is asked already is no answer about the telephone. */
    b = bench_of(ALICE, "sip:alice@phones.two");
    b->mute = true;
    while (!b->n_seeks && b->wheel.now_ms < BENCH_START_MS + 61000)
        bench_tick(b);
    qualifier_resolved(b->qualifier, b->seeks[--b->n_seeks].question,
                       &(struct dns_targets){ .full = true, .until_ms = UINT64_MAX });
    assert_int_equal(b->reaches, 0);
    b->mute = false;
    assert_true(bench_await(b, 5000));
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);
    bench_destroy(b);
}

static void test_proxies(void **state)
{
    struct bench *b =
        bench_of(ALICE "outbound_proxy=sip:192.0.2.20:5090\\;lr\n", "sip:alice@192.0.2.7:5070");
    struct contact c;

    (void)state;
    assert_true(bench_await(b, 60100));
    assert_to(b, "192.0.2.20:5090");
    assert_true(bench_has(b, "OPTIONS sip:alice@192.0.2.7:5070 SIP/2.0\r\n"));
    assert_true(bench_has(b, "\r\nRoute: <sip:192.0.2.20:5090;lr>\r\n"));
    bench_destroy(b);
    b = bench_of(UDP "[alice]\ntype=endpoint\naors=alice\noutbound_proxy=sip:192.0.2.21\\;lr\n" AOR,
                 "sip:alice@192.0.2.7:5070");
    assert_true(bench_await(b, 60100));
    assert_to(b, "192.0.2.21:5060");
    bench_destroy(b);

    /* A Path. */
    b = bench_with(ALICE);
    c = contact_registered(b, "sip:alice@10.0.0.7:5070", "192.0.2.30:5060");
    c.route = STR("<sip:192.0.2.31:5080;lr>, <sip:192.0.2.32;lr>");
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    assert_to(b, "192.0.2.31:5080");
    assert_true(bench_has(b, "\r\nRoute: <sip:192.0.2.31:5080;lr>, <sip:192.0.2.32;lr>\r\n"));
    bench_destroy(b);
}

static struct contact contact_by_connection(const struct bench *b, const char *uri)
{
    struct contact c = contact_registered(b, uri, "192.0.2.7:40000");

    c.flow.connection = 7;
    c.flow.protocol = NET_TCP;
    return c;
}

static void test_connection(void **state)
{
    const uint32_t lost[] = { 7 };
    struct bench *b = bench_with(ALICE);
    struct contact c = contact_by_connection(b, "sip:alice@192.0.2.9:5070;transport=udp");

    (void)state;
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    assert_int_equal(bench_last(b)->to.connection, 7);
    assert_true(bench_has(b, "Via: SIP/2.0/TCP "));
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);

    /* It ends: what it calls itself may be called. */
    assert_true(bench_await(b, 60100));
    txn_connections_lost(b->txn, lost, 1);
    assert_true(bench_await(b, 100));
    assert_to(b, "192.0.2.9:5070");
    assert_true(bench_has(b, "Via: SIP/2.0/UDP "));
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);
    bench_destroy(b);

    /* A browser cannot, nor can what is behind a NAT. */
    for (unsigned i = 0; i < 2; i++) {
        b = bench_with(ALICE);
        c = contact_by_connection(b, i ? "sip:alice@192.0.2.7:40000;transport=tcp"
                                       : "sip:alice@x.invalid;transport=ws");
        c.rewritten = i;
        bench_contact(b, &c);
        assert_true(bench_await(b, 300));
        txn_connections_lost(b->txn, lost, 1);
        bench_pass(b, 100);
        assert_int_equal(b->n_sent, 1);
        assert_reach(b, 1, CONTACT_UNREACHED);
        bench_destroy(b);
    }
}

/* Its transport is gone: any other will do, unless the endpoint names one. */
static void test_transport_gone(void **state)
{
    struct bench *b = bench_with(ALICE);
    struct contact c = contact_registered(b, "sip:alice@192.0.2.7:5070", "192.0.2.7:5070");

    (void)state;
    c.transport = STR("gone");
    c.flow.local = bench_addr("192.0.2.9:5060");
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    assert_to(b, "192.0.2.7:5070");
    bench_destroy(b);
    b = bench_of(UDP "[gone]\ntype=transport\nbind=192.0.2.2:5060\n"
                     "[alice]\ntype=endpoint\naors=alice\ntransport=gone\n" AOR,
                 "sip:alice@192.0.2.7:5070");
    bench_pass(b, 60100);
    assert_reach(b, 1, CONTACT_UNREACHED);
    assert_int_equal(b->n_sent, 0);
    bench_destroy(b);
}

/* A telephone's names count as its endpoint's, and not the configuration's. */
static void test_asker(void **state)
{
    static const struct {
        const char *options;
        bool registered;
        const char *asker;
    } rows[] = {
        { "", true, "alice" },
        { "", false, "" },
        { "outbound_proxy=sip:edge.example\\;lr\n", true, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct contact c;
        struct bench *b;
        char text[400];

        snprintf(text, sizeof(text), UDP "[alice]\ntype=endpoint\naors=alice\n%s" AOR,
                 rows[i].options);
        b = bench_with(text);
        c = rows[i].registered ? contact_registered(b, "sip:alice@x.example", "192.0.2.7:5070")
                               : contact_static("sip:alice@x.example");
        b->mute = true;
        bench_contact(b, &c);
        bench_pass(b, 60100);
        assert_true(b->n_seeks > 0);
        assert_true(str_equal(b->seeks[0].q.asker, str_of(rows[i].asker)));
        bench_destroy(b);
    }
}

static void test_round_trip(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@192.0.2.7:5070");

    (void)state;
    assert_true(bench_await(b, 60100));
    bench_pass(b, 40);
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);
    assert_in_range(b->rtt_ms, 40, 60);
    bench_destroy(b);
}

/* From the address that it registered at, if it is asked where that came from. */
static void test_way_back(void **state)
{
    static const struct {
        const char *target, *route, *endpoint, *local;
    } rows[] = {
        { "sip:alice@192.0.2.7:5070", "", "", "192.0.2.2:5060" },
        { "sip:alice@10.0.0.7:5070", "<sip:192.0.2.7;lr>", "", "192.0.2.2:5060" },
        { "sip:alice@10.0.0.7:5070", "", "", "192.0.2.1:5060" },
        { "sip:alice@192.0.2.7:5070", "<sip:192.0.2.8;lr>", "", "192.0.2.1:5060" },
        { "sip:alice@192.0.2.7:5070", "", "transport=other\n", "192.0.2.2:5060" },
        { "sip:alice@192.0.2.7:5070", "", "transport=udp\n", "192.0.2.1:5060" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr expected = bench_addr(rows[i].local);
        struct contact c;
        struct bench *b;
        char text[400];

        snprintf(text, sizeof(text),
                 UDP "[other]\ntype=transport\nbind=192.0.2.2:5060\n"
                     "[alice]\ntype=endpoint\naors=alice\n%s" AOR,
                 rows[i].endpoint);
        b = bench_with(text);
        c = contact_registered(b, rows[i].target, "192.0.2.7:40000");
        c.flow.local = bench_addr("192.0.2.2:5060");
        c.transport = STR("other");
        c.route = str_of(rows[i].route);
        bench_contact(b, &c);
        assert_true(bench_await(b, 300));
        assert_true(addr_equal(&bench_last(b)->to.local, &expected));
        bench_destroy(b);
    }
}

/* ---- what fails ---- */

static void test_send_fails(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@192.0.2.7:5070");

    (void)state;
    b->send_result = -EAGAIN; /* ours: nothing is known by that */
    bench_pass(b, 62000);
    assert_reach(b, 0, CONTACT_NOT_ASKED);
    b->send_result = 0;
    assert_true(bench_await(b, 1100));
    assert_true(bench_has(b, "\r\nCSeq: 1 OPTIONS\r\n"));
    bench_answer(b, 200, "");
    b->send_result = -ENETUNREACH;
    bench_pass(b, 60100);
    assert_reach(b, 2, CONTACT_UNREACHED);
    assert_int_equal(bench_view(b).last_status, 503);
    b->send_result = 0;
    assert_true(bench_await(b, 60100));
    bench_answer(b, 200, "");
    assert_reach(b, 3, CONTACT_REACHED);
    bench_destroy(b);
}

/* ---- challenges ---- */

#define CREDENTIALS "[us]\ntype=auth\nusername=pbx\npassword=secret\n"
#define AUTH_ALICE                                                               \
    UDP "[alice]\ntype=endpoint\naors=alice\noutbound_auth=us\n" CREDENTIALS AOR \
        "authenticate_qualify=yes\n"
#define CHALLENGE "WWW-Authenticate: Digest realm=\"phone\",nonce=\"n1\",qop=\"auth\"\r\n"

static void test_challenge(void **state)
{
    struct bench *b = bench_of(AUTH_ALICE, "sip:alice@192.0.2.7:5070");
    struct str asked;

    (void)state;
    assert_true(bench_await(b, 60100));
    assert_false(bench_has(b, "Authorization:"));
    bench_answer(b, 401, CHALLENGE);
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "\r\nAuthorization: Digest username=\"pbx\""));
    assert_true(bench_has(b, "\r\nCSeq: 2 OPTIONS\r\n"));
    asked = bench_last(b)->bytes;
    assert_true(bench_await(b, 600));
    assert_true(str_equal(bench_last(b)->bytes, asked));
    assert_reach(b, 0, CONTACT_NOT_ASKED);
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);

    /* Whoever is never content has answered all the same. */
    assert_true(bench_await(b, 60100));
    assert_false(bench_has(b, "Authorization:"));
    for (unsigned i = 0; i < 2; i++) {
        bench_answer(b, 407,
                     "Proxy-Authenticate: Digest realm=\"phone\",nonce=\"n2\",qop=\"auth\"\r\n");
        assert_true(bench_await(b, 100));
        assert_true(bench_has(b, "\r\nProxy-Authorization: Digest "));
    }
    bench_answer(b, 407, CHALLENGE);
    assert_false(bench_await(b, 1000));
    assert_reach(b, 1, CONTACT_REACHED);
    assert_int_equal(bench_view(b).last_status, 407);
    assert_int_equal(bench_counters(b).challenged, 3);
    bench_destroy(b);

    /* Without credentials, or the wish, it is an answer. */
    b = bench_of(ALICE "authenticate_qualify=yes\n", "sip:alice@192.0.2.7:5070");
    assert_true(bench_await(b, 60100));
    bench_answer(b, 401, CHALLENGE);
    assert_reach(b, 1, CONTACT_REACHED);
    bench_destroy(b);
}

/* ---- contacts change ---- */

static void test_registered(void **state)
{
    struct bench *b = bench_with(ALICE);
    struct contact c = contact_registered(b, "sip:alice@192.0.2.7:5070", "192.0.2.7:5070");

    (void)state;
    bench_contact(b, &c);
    assert_false(bench_await(b, 200)); /* its answer first */
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");

    /* Refreshed: nothing is new. */
    bench_pass(b, 10000);
    c.registered_wall_ms = b->wheel.now_ms;
    bench_contact(b, &c);
    assert_false(bench_await(b, 30000));

    /* From elsewhere. */
    c.uri = c.target = STR("sip:alice@192.0.2.8:5070");
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    assert_to(b, "192.0.2.8:5070");

    /* And again, before it has answered. */
    c.uri = c.target = STR("sip:alice@192.0.2.9:5070");
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    assert_to(b, "192.0.2.9:5070");
    bench_pass(b, 5000);
    b->seen = b->n_sent;
    assert_status(b, QUALIFY_UNREACHABLE);

    /* Whoever registers is there to be asked. */
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    bench_answer(b, 200, "");
    assert_status(b, QUALIFY_REACHABLE);

    /* Gone, while it is asked. */
    assert_true(bench_await(b, 60100));
    assert_int_equal(qualifier_contact(b->qualifier, NULL, &c), 0);
    bench_answer(b, 200, "");
    assert_false(bench_await(b, 120000));
    assert_int_equal(bench_counters(b).contacts, 0);
    assert_int_equal(bench_counters(b).reachable, 0);
    assert_int_equal(qualifier_contact(b->qualifier, NULL, &c), 0);
    bench_destroy(b);

    /* One of a former process has its time. */
    b = bench_with(ALICE);
    c = contact_registered(b, "sip:alice@192.0.2.7:5070", "192.0.2.7:5070");
    c.registered_wall_ms -= 1;
    bench_contact(b, &c);
    assert_false(bench_await(b, 500));
    assert_true(bench_await(b, 60100));
    bench_destroy(b);
}

/* ---- settings change ---- */

static void test_settings(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@192.0.2.7:5070");

    (void)state;
    assert_true(bench_await(b, 60100));
    bench_answer(b, 200, "");
    assert_reach(b, 1, CONTACT_REACHED);

    /* Nothing is new for it. */
    settings_are(b, ALICE "mailboxes=1@d\n");
    assert_false(bench_await(b, 50000));
    assert_true(bench_await(b, 10100));

    /* While it is asked: it is asked anew. */
    settings_are(b, ALICE "mailboxes=2@d\n");
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "\r\nCSeq: 3 OPTIONS\r\n"));
    bench_answer(b, 200, "");

    /* More often. */
    settings_are(b, ALICE "qualify_frequency=5\n");
    for (unsigned i = 0; i < 5; i++) {
        assert_true(bench_await(b, 5100));
        bench_answer(b, 200, "");
    }
    assert_reach(b, 1, CONTACT_REACHED);

    /* Never, and again. */
    settings_are(b, ALICE "qualify_frequency=0\n");
    assert_reach(b, 2, CONTACT_NOT_ASKED);
    assert_status(b, QUALIFY_OFF);
    assert_false(bench_await(b, 200000));
    settings_are(b, ALICE);
    assert_status(b, QUALIFY_UNKNOWN);
    assert_reach(b, 2, CONTACT_NOT_ASKED);
    assert_true(bench_await(b, 60100));

    /* Nobody's any more, while it is asked. */
    settings_are(b, UDP AOR);
    assert_reach(b, 3, CONTACT_NOT_ASKED);
    assert_false(bench_await(b, 100000));
    assert_status(b, QUALIFY_OFF);
    assert_int_equal(bench_counters(b).unqualified, 1);
    bench_destroy(b);
}

static void test_stop(void **state)
{
    struct bench *b = bench_of(ALICE, "sip:alice@192.0.2.7:5070");
    struct contact c = contact_registered(b, "sip:alice@192.0.2.7:5071", "192.0.2.7:5071");

    (void)state;
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    qualifier_stop(b->qualifier);
    assert_false(bench_await(b, 200000));
    assert_reach(b, 0, CONTACT_NOT_ASKED);
    c.id = 3;
    bench_contact(b, &c);
    assert_false(bench_await(b, 200000));
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again_and_again),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_initial_time),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_transport_gone),
        cmocka_unit_test(test_way_back),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_asker),

        cmocka_unit_test(test_send_fails),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_registered),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
