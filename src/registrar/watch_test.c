// SPDX-License-Identifier: MIT
#include "registrar/qualifier_testing.h"
#include "registrar/watch.h"

#define ON "[registrar]\nenabled=yes\nwatch_dialogs=yes\n"
#define OFF "[registrar]\nenabled=yes\n"
#define UDP "[udp]\ntype=transport\nbind=192.0.2.1:5060\n"
#define AOR "[alice]\ntype=aor\n"
#define ENDPOINT UDP "[alice]\ntype=endpoint\naors=alice\n"
#define ALICE ENDPOINT AOR
#define HERE "sip:alice@192.0.2.7"
#define EMPTY DIALOG_INFO("0", "full", "")
#define BUSY DIALOG_INFO("0", "full", DIALOG("a", "confirmed", "recipient"))

static struct bench *bench_with(const char *pjsip_conf)
{
    return bench_create(settings_fixture_with(pjsip_conf, ON));
}

static struct bench *bench_of(const char *pjsip_conf, const char *uri)
{
    return bench_static(settings_fixture_with(pjsip_conf, ON), uri);
}

static void settings_are(struct bench *b, const char *pjsip_conf, const char *extstate_conf)
{
    bench_settings(b, settings_fixture_with(pjsip_conf, extstate_conf));
}

static void assert_watch(const struct bench *b, enum watch_status want)
{
    assert_string_equal(watch_status_name(bench_view(b).watch.status), watch_status_name(want));
}

static enum device_state told(const struct bench *b)
{
    return b->dialogs ? b->dialogs->device : DEVICE_INVALID;
}

static unsigned notify(struct bench *b, const char *body)
{
    return bench_notify(b, &(struct bench_notice){ .body = body });
}

/* One that is watched, and does that. */
static struct bench *bench_watching(const char *pjsip_conf, const char *body)
{
    struct bench *b = bench_of(pjsip_conf, HERE);

    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "Expires: 1000\r\n");
    assert_int_equal(notify(b, body), 200);
    assert_watch(b, WATCHED_YES);
    return b;
}

/* ---- the SUBSCRIBE ---- */

static void test_message(void **state)
{
    struct bench *b = bench_of("[global]\ntype=global\nuser_agent=tests\n" ENDPOINT
                               "from_user=pbx\nfrom_domain=example.com\n" AOR,
                               "sip:alice@192.0.2.7:5070;ob");

    (void)state;
    assert_watch(b, WATCHED_TRYING);
    assert_true(bench_await(b, 100));
    assert_true(
        str_starts(bench_last(b)->bytes, STR("SUBSCRIBE sip:alice@192.0.2.7:5070;ob SIP/2.0\r\n")));
    assert_true(bench_has(b, "\r\nFrom: <sip:pbx@example.com>;tag="));
    assert_true(bench_has(b, "\r\nTo: <sip:alice@192.0.2.7:5070;ob>\r\n"));
    assert_true(bench_has(b, "\r\nContact: <sip:192.0.2.1:5060>\r\n"));
    assert_true(bench_has(b, "\r\nCSeq: 1 SUBSCRIBE\r\n"));
    assert_true(bench_has(b, "\r\nEvent: dialog\r\nAccept: application/dialog-info+xml\r\n"
                             "Expires: 3600\r\nContent-Length: 0\r\n\r\n"));
    bench_destroy(b);
}

static void test_off(void **state)
{
    struct bench *b = bench_create(settings_fixture_with(ALICE, OFF));
    const struct contact c = contact_static(HERE);

    (void)state;
    bench_contact(b, &c);
    assert_false(bench_await(b, 100000));
    assert_watch(b, WATCHED_NOT);
    assert_int_equal(b->tellings, 0);
    bench_destroy(b);
}

/* However many there are at once: 200 in a second. */
static void test_pace(void **state)
{
    enum { CONTACTS = 1000 };
    struct bench *b = bench_with(ALICE);
    unsigned at[6] = { 0 };

    (void)state;
    for (unsigned i = 0; i < CONTACTS; i++) {
        struct contact c = contact_static(HERE);

        c.id = i + 1;
        bench_contact(b, &c);
    }
    while (bench_await(b, 400)) {
        at[bench_last(b)->at_ms / 1000]++;
        bench_answer(b, 489, "");
    }
    for (unsigned i = 0; i < 5; i++)
        assert_in_range(at[i], 195, 205);
    assert_int_equal(bench_counters(b).watch.refused, CONTACTS);
    assert_int_equal(bench_counters(b).watch.subscribed, CONTACTS);
    bench_destroy(b);
}

/* Of other contacts none waits the longer, however often one registers anew. */
static void test_pace_kept(void **state)
{
    static const enum watch_status cases[] = { WATCHED_TRYING, WATCHED_YES, WATCHED_REFUSED };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_with(ALICE);
        struct contact c = contact_registered(b, HERE, "192.0.2.7:5060");
        char call_id[16];

        c.expires_wall_ms = UINT64_MAX;
        bench_contact(b, &c);
        if (cases[i] != WATCHED_TRYING) {
            assert_true(bench_await(b, 300));
            bench_answer(b, cases[i] == WATCHED_YES ? 200 : 489, "");
        }
        if (cases[i] == WATCHED_YES)
            assert_int_equal(notify(b, BUSY), 200);
        assert_watch(b, cases[i]);
        for (unsigned n = 0; n < 1000; n++) {
            snprintf(call_id, sizeof(call_id), "%u", n);
            c.call_id = str_of(call_id);
            bench_contact(b, &c);
        }
        c = contact_registered(b, "sip:bob@192.0.2.8", "192.0.2.8:5060");
        c.id = 3;
        bench_contact(b, &c);
        do
            assert_true(bench_await(b, 300));
        while (!bench_has(b, "SUBSCRIBE sip:bob@"));
        assert_in_range(b->n_sent, 1, 3);
        bench_destroy(b);
    }
}

/* By the connection that it was registered by. */
static void test_connection(void **state)
{
    struct bench *b = bench_with(ALICE);
    struct contact c = contact_registered(b, HERE ";transport=tcp", "192.0.2.7:40000");

    (void)state;
    c.flow.protocol = NET_TCP;
    c.flow.connection = 7;
    bench_contact(b, &c);
    assert_false(bench_await(b, 240)); /* its answer comes first */
    assert_true(bench_await(b, 50));
    assert_int_equal(bench_last(b)->to.connection, 7);
    bench_answer(b, 200, "");
    assert_int_equal(notify(b, BUSY), 200);
    assert_true(bench_await(b, 3300000));
    assert_int_equal(bench_last(b)->to.connection, 7);
    assert_true(bench_has(b, "SUBSCRIBE sip:alice@192.0.2.7:5070 SIP/2.0\r\n"));
    bench_destroy(b);
}

/* ---- its answers ---- */

static void test_answers(void **state)
{
    static const struct {
        unsigned status;
        const char *headers;
        enum watch_status want;
        uint32_t again_s; /* at most; 0: never */
    } cases[] = {
        { 489, "", WATCHED_REFUSED, 0 },
        { 405, "", WATCHED_REFUSED, 0 },
        { 501, "", WATCHED_REFUSED, 0 },
        { 403, "", WATCHED_REFUSED, 0 },
        { 404, "", WATCHED_REFUSED, 0 },
        { 606, "", WATCHED_REFUSED, 0 },
        { 302, "", WATCHED_REFUSED, 0 },
        { 401, "WWW-Authenticate: Digest realm=\"x\",nonce=\"y\"\r\n", WATCHED_REFUSED, 0 },
        { 423, "Min-Expires: 7200\r\n", WATCHED_TRYING, 1 },
        { 423, "Min-Expires: 3600\r\n", WATCHED_REFUSED, 0 },
        { 423, "Min-Expires: 99999999\r\n", WATCHED_REFUSED, 0 },
        { 423, "", WATCHED_REFUSED, 0 },
        { 480, "", WATCHED_TRYING, 30 },
        { 481, "", WATCHED_TRYING, 30 },
        { 500, "Retry-After: 100\r\n", WATCHED_TRYING, 100 },
        { 500, "Retry-After: 100000\r\n", WATCHED_TRYING, 3600 },
        { 503, "", WATCHED_TRYING, 30 },
        { 200, "Expires: 0\r\n", WATCHED_TRYING, 30 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_of(ALICE, HERE);

        assert_true(bench_await(b, 100));
        bench_answer(b, cases[i].status, cases[i].headers);
        assert_watch(b, cases[i].want);
        assert_int_equal(b->tellings, cases[i].status == 423 && cases[i].again_s ? 0 : 1);
        assert_null(b->dialogs);
        assert_int_equal(bench_view(b).watch.last_status,
                         cases[i].status == 423 && cases[i].again_s ? 0 : cases[i].status);
        if (!cases[i].again_s) {
            assert_false(bench_await(b, 4000000));
            assert_int_equal(bench_view(b).watch.next_s, 0);
        } else {
            assert_false(bench_await(b, cases[i].again_s * 890 - 890));
            assert_true(bench_await(b, cases[i].again_s * 111 + 900));
        }
        bench_destroy(b);
    }
}

/* It names another least time each time that it is asked: it is believed once for each time that
 * it grants something. */
static void test_too_brief(void **state)
{
    struct bench *b = bench_of(ALICE, HERE);

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 423, "Min-Expires: 3601\r\n");
    assert_true(bench_await(b, 1000));
    assert_true(bench_has(b, "Expires: 3601\r\n"));
    bench_answer(b, 200, "");
    assert_int_equal(notify(b, BUSY), 200);
    assert_true(bench_await(b, 3300000));
    bench_answer(b, 423, "Min-Expires: 3602\r\n");
    assert_true(bench_await(b, 1000));
    assert_true(bench_has(b, "Expires: 3602\r\n"));
    bench_answer(b, 423, "Min-Expires: 3603\r\n");
    assert_watch(b, WATCHED_REFUSED);
    assert_int_equal(bench_view(b).watch.last_status, 423);
    assert_false(bench_await(b, 4000000));
    bench_destroy(b);
}

/* Nobody answers: after 30 s, a minute, ... up to half an hour. */
static void test_back_off(void **state)
{
    struct bench *b = bench_of(ALICE, HERE);
    uint64_t pause_ms = 30000;

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        uint64_t from_ms;

        assert_true(bench_await(b, 100));
        bench_pass(b, 32100);
        b->seen = b->n_sent; /* those that were repeated */
        assert_watch(b, WATCHED_TRYING);
        assert_int_equal(bench_view(b).watch.last_status, 408);
        from_ms = b->wheel.now_ms;
        while (b->seen == b->n_sent)
            bench_tick(b);
        assert_in_range(b->wheel.now_ms - from_ms, pause_ms * 9 / 10 - 1000, pause_ms);
        pause_ms = pause_ms < 900000 ? 2 * pause_ms : 1800000;
    }
    assert_int_equal(b->tellings, 1);
    assert_int_equal(bench_counters(b).watch.failed, 9);
    bench_destroy(b);
}

static void test_refreshed(void **state)
{
    static const struct {
        const char *headers, *state;
        uint32_t from_s, to_s;
    } cases[] = {
        { "Expires: 1000\r\n", "active", 750, 901 },
        { "", "active", 2700, 3241 },
        { "Expires: 100000\r\n", "active", 2700, 3241 },
        { "Expires: 1000\r\n", "active;expires=100", 75, 91 },
        { "Expires: 1000\r\n", "pending;expires=2000", 750, 901 },
        { "Expires: 1\r\n", "active;expires=1", 5, 6 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_of(ALICE, HERE);

        assert_true(bench_await(b, 100));
        bench_answer(b, 200, cases[i].headers);
        assert_int_equal(
            bench_notify(b, &(struct bench_notice){ .state = cases[i].state, .body = EMPTY }), 200);
        assert_false(bench_await(b, cases[i].from_s * 1000 - 100));
        assert_true(bench_await(b, (cases[i].to_s - cases[i].from_s) * 1000 + 100));
        assert_true(bench_has(b, "\r\nCSeq: 2 SUBSCRIBE\r\n"));
        assert_true(bench_has(b, ";tag=phone\r\n"));
        bench_answer(b, 200, "");
        assert_false(bench_await(b, 40000)); /* RFC 6665 wants a NOTIFY; the state is known */
        assert_watch(b, WATCHED_YES);
        bench_destroy(b);
    }
}

/* RFC 6665 section 4.1.2.4. */
static void test_nothing_told(void **state)
{
    struct bench *b = bench_of(ALICE, HERE);

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "Expires: 1000\r\n");
    bench_pass(b, 31900);
    assert_int_equal(b->tellings, 0);
    assert_watch(b, WATCHED_TRYING);
    bench_pass(b, 200);
    assert_int_equal(b->tellings, 1);
    assert_true(str_equal(bench_view(b).watch.why, STR("it accepts and tells nothing")));
    assert_true(bench_await(b, 31000));
    assert_true(bench_has(b, "\r\nCSeq: 1 SUBSCRIBE\r\n")); /* anew */
    bench_destroy(b);
}

/* By the answer, and by what a NOTIFY says then. */
static void test_how_long(void **state)
{
    struct bench *b = bench_of(ALICE, HERE);

    (void)state;
    assert_int_equal(bench_view(b).watch.call_id.n, 0);
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "Expires: 1000\r\n");
    assert_int_equal(
        bench_notify(b, &(struct bench_notice){ .state = "active;expires=900", .body = EMPTY }),
        200);
    assert_true(bench_view(b).watch.call_id.n > 0);
    assert_int_equal(bench_view(b).watch.left_s, 900);
    bench_pass(b, 100000);
    assert_int_equal(bench_view(b).watch.left_s, 800);
    bench_destroy(b);
}

/* ---- NOTIFY ---- */

static void test_before_the_answer(void **state)
{
    static const struct bench_notice proxied = {
        .body = BUSY,
        .extra = "Record-Route: <sip:192.0.2.66;lr>\r\nContact: <sip:alice@192.0.2.7:5070?a=b>\r\n",
    };
    struct bench *b = bench_of(ALICE, HERE);
    const struct bench_sent *first;

    (void)state;
    assert_true(bench_await(b, 100));
    first = bench_last(b);
    assert_int_equal(bench_notify(b, &proxied), 200);
    assert_int_equal(told(b), DEVICE_INUSE);
    assert_true(bench_await(b, 600)); /* repeated: the same request */
    assert_true(str_equal(bench_last(b)->bytes, first->bytes));
    assert_true(addr_equal(&bench_last(b)->to.remote, &first->to.remote));
    /* Of the dialog is what is known of the way. */
    assert_int_equal(
        bench_notify(b, &(struct bench_notice){ .from = "192.0.2.66:5060", .body = BUSY }), 200);
    bench_answer(b, 200, "Expires: 1000\r\n");
    assert_false(bench_await(b, 60000));
    assert_watch(b, WATCHED_YES);
    assert_true(bench_await(b, 901000));
    assert_true(bench_has(b, "SUBSCRIBE sip:alice@192.0.2.7:5070 SIP/2.0\r\n"));
    assert_true(bench_has(b, "\r\nRoute: <sip:192.0.2.66;lr>\r\n"));
    assert_true(bench_has(b, ";tag=phone\r\n"));
    bench_destroy(b);
}

static void test_checks(void **state)
{
    static const struct {
        struct bench_notice n;
        unsigned want;
    } cases[] = {
        { { .tag = "fork" }, 481 },
        { { .us = STR_INIT("<sip:x>;tag=nobody") }, 481 },
        { { .call_id = STR_INIT("another") }, 481 },
        { { .from = "192.0.2.66:5060" }, 403 },
        { { .from = "192.0.2.7:40000" }, 200 },
        { { .cseq = 2 }, 500 },
        { { .event = "presence" }, 489 },
        { { .event = "dialog;id=1" }, 489 },
        { { .state = "" }, 400 },
        { { .type = "application/pidf+xml", .body = EMPTY }, 415 },
        { { .type = "Application/Dialog-Info+XML; charset=utf-8", .body = EMPTY }, 200 },
        { { .body = "<dialog-info" }, 400 },
        { { .body = "<!DOCTYPE a [<!ENTITY b \"c\">]>" EMPTY }, 400 },
        { { .extra = "Contact: nonsense here\r\n" }, 200 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_watching(ALICE, BUSY);

        assert_int_equal(notify(b, BUSY), 200);
        assert_int_equal(bench_notify(b, &cases[i].n), cases[i].want);
        assert_watch(b, WATCHED_YES);
        if (cases[i].want != 200)
            assert_int_equal(told(b), DEVICE_INUSE);
        bench_destroy(b);
    }
}

/* Where a proxy is between, or a name, nobody knows where it comes from. */
static void test_source(void **state)
{
    struct bench *b =
        bench_of(ENDPOINT AOR "outbound_proxy=sip:192.0.2.40\\;lr\n", "sip:alice@phones.two");

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");
    assert_int_equal(
        bench_notify(b, &(struct bench_notice){ .from = "192.0.2.66:5060", .body = BUSY }), 200);
    bench_destroy(b);
}

static void test_documents(void **state)
{
    static const struct {
        const char *bodies[4];
        unsigned answers[4];
        enum device_state want;
        bool asks; /* for all there is */
    } cases[] = {
        { { EMPTY }, { 200 }, DEVICE_NOT_INUSE },
        { { DIALOG_INFO("7", "full", DIALOG("a", "early", "recipient")) },
          { 200 },
          DEVICE_RINGING },
        { { DIALOG_INFO("7", "full", DIALOG("a", "proceeding", "initiator")) },
          { 200 },
          DEVICE_INUSE },
        { { DIALOG_INFO("7", "full", DIALOG("a", "trying", "initiator")) }, { 200 }, DEVICE_INUSE },
        { { DIALOG_INFO("7", "full",
                        DIALOG("a", "early", "recipient") DIALOG("b", "confirmed", "initiator")) },
          { 200 },
          DEVICE_RINGINUSE },
        { { DIALOG_INFO(
              "7", "full",
              "<dialog id=\"a\"><state>confirmed</state><local><target uri=\"sip:a@b\">"
              "<param pname=\"+sip.rendering\" pval=\"no\"/></target></local></dialog>") },
          { 200 },
          DEVICE_ONHOLD },
        { { BUSY, DIALOG_INFO("1", "partial", DIALOG("a", "terminated", "recipient")) },
          { 200, 200 },
          DEVICE_NOT_INUSE },
        { { BUSY, DIALOG_INFO("1", "partial", DIALOG("b", "early", "recipient")),
            DIALOG_INFO("2", "partial", DIALOG("a", "terminated", "recipient")) },
          { 200, 200, 200 },
          DEVICE_RINGING },
        /* A gap: it is taken as it is, and all is asked for. */
        { { BUSY, DIALOG_INFO("2", "partial", DIALOG("b", "early", "recipient")) },
          { 200, 200 },
          DEVICE_RINGINUSE,
          true },
        /* Older, or counted anew: nobody knows what it changes. */
        { { BUSY, DIALOG_INFO("0", "partial", DIALOG("a", "terminated", "recipient")) },
          { 200, 200 },
          DEVICE_INUSE,
          true },
        { { DIALOG_INFO("5", "partial", DIALOG("a", "confirmed", "recipient")) },
          { 200 },
          DEVICE_INUSE,
          true },
        /* A whole document is the newest whatever its version. */
        { { BUSY, EMPTY }, { 200, 200 }, DEVICE_NOT_INUSE },
        { { BUSY, "<nonsense/>" }, { 200, 400 }, DEVICE_INUSE, true },
        { { BUSY, "" }, { 200, 200 }, DEVICE_INUSE },
        { { "" }, { 200 }, DEVICE_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_of(ALICE, HERE);

        assert_true(bench_await(b, 100));
        bench_answer(b, 200, "");
        for (size_t k = 0; k < 4 && cases[i].bodies[k]; k++)
            assert_int_equal(notify(b, cases[i].bodies[k]), cases[i].answers[k]);
        assert_int_equal(told(b), cases[i].want);
        assert_int_equal(bench_await(b, 100), cases[i].asks);
        if (cases[i].asks)
            assert_true(bench_has(b, "\r\nCSeq: 2 SUBSCRIBE\r\n"));
        bench_destroy(b);
    }
}

static void test_too_many(void **state)
{
    struct bench *b = bench_of(ALICE, HERE);
    struct buf body;

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");
    for (unsigned n = 100; n <= 101; n++) {
        buf_init(&body, 1 << 16);
        buf_add(&body,
                STR("<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" "
                    "state=\"full\" entity=\"sip:a@b\">"));
        for (unsigned i = 0; i < n; i++)
            buf_printf(&body, "<dialog id=\"%u\"><state>confirmed</state></dialog>", i);
        buf_add(&body, STR("</dialog-info>"));
        buf_add_char(&body, '\0');
        assert_int_equal(notify(b, body.p), n == 100 ? 200 : 413);
        assert_int_equal(b->dialogs->n_dialogs, 100);
        buf_fini(&body);
    }
    assert_int_equal(bench_view(b).watch.dialogs, 100);
    bench_destroy(b);
}

/* Little by little, too. */
static void test_too_much(void **state)
{
    enum { PARTY = 40000 };
    struct bench *b = bench_watching(ALICE, EMPTY);
    unsigned n = 0;

    (void)state;
    for (unsigned answer = 200; answer == 200;) {
        struct buf body;

        assert_int_equal(b->dialogs->n_dialogs, n);
        buf_init(&body, PARTY + 1000);
        buf_printf(&body,
                   "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"%u\" "
                   "state=\"partial\" entity=\"sip:a@b\"><dialog id=\"%u\"><state>confirmed</state>"
                   "<remote><identity>sip:",
                   n + 1, n);
        for (unsigned i = 0; i < PARTY; i++)
            buf_add_char(&body, 'x');
        buf_add(&body, STR("</identity></remote></dialog></dialog-info>"));
        buf_add_char(&body, '\0');
        assert_int_equal(body.error, 0);
        answer = notify(b, body.p);
        buf_fini(&body);
        if (answer == 200)
            n++;
        else
            assert_int_equal(answer, 413);
    }
    assert_int_equal(n, WATCH_BYTES_MAX / PARTY);
    assert_int_equal(bench_view(b).watch.dialogs, n);
    assert_watch(b, WATCHED_YES);
    bench_destroy(b);
}

/* Each time in vain is longer than the one before, and what goes well ends that. */
static void test_gaps(void **state)
{
    static const uint32_t pauses_ms[] = { 0, 20000, 40000, 80000 };
    struct bench *b = bench_of(ALICE, HERE);

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");
    assert_int_equal(notify(b, BUSY), 200);
    for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
        assert_int_equal(notify(b, "<nonsense/>"), 400);
        if (pauses_ms[i])
            assert_false(bench_await(b, pauses_ms[i] - 100));
        assert_true(bench_await(b, 200));
        bench_answer(b, 200, "");
    }
    assert_int_equal(notify(b, BUSY), 200);
    assert_int_equal(notify(b, "<nonsense/>"), 400);
    assert_true(bench_await(b, 100));
    /* All there is does not come: it is lost. */
    bench_answer(b, 200, "");
    assert_int_equal(told(b), DEVICE_INUSE);
    bench_pass(b, 32100);
    assert_null(b->dialogs);
    bench_destroy(b);
}

static void test_told_once(void **state)
{
    struct bench *b = bench_watching(ALICE, BUSY);

    (void)state;
    assert_int_equal(b->tellings, 1);
    assert_int_equal(notify(b, BUSY), 200);
    assert_int_equal(b->tellings, 1);
    assert_int_equal(notify(b, EMPTY), 200);
    assert_int_equal(b->tellings, 2);
    bench_destroy(b);
}

/* Nothing at all is an answer, too; while it is pending there is none. */
static void test_nothing_said(void **state)
{
    struct bench *b = bench_of(ALICE, HERE);

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");
    assert_int_equal(bench_notify(b, &(struct bench_notice){ .state = "pending" }), 200);
    assert_int_equal(b->tellings, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench_notify(b, &(struct bench_notice){ .state = "Active;expires=9" }),
                         200);
        assert_int_equal(b->tellings, 1);
        assert_null(b->dialogs);
    }
    bench_destroy(b);
}

/* ---- its end ---- */

static void test_terminated(void **state)
{
    static const struct {
        const char *state;
        enum watch_status want;
        uint32_t again_s; /* 0: never */
        bool stays;       /* what it does, until somebody says otherwise */
    } cases[] = {
        { "terminated;reason=deactivated", WATCHED_TRYING, 1, true },
        { "terminated;reason=timeout", WATCHED_TRYING, 1, true },
        { "Terminated;reason=probation;retry-after=100", WATCHED_TRYING, 101, false },
        { "terminated;reason=giveup", WATCHED_TRYING, 31, false },
        { "terminated", WATCHED_TRYING, 31, false },
        { "terminated;reason=rejected", WATCHED_REFUSED, 0, false },
        { "terminated;reason=noresource;retry-after=1", WATCHED_REFUSED, 0, false },
        { "terminated;reason=invariant", WATCHED_REFUSED, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_watching(ALICE, BUSY);

        bench_pass(b, 61000);
        assert_int_equal(bench_notify(b, &(struct bench_notice){ .state = cases[i].state }), 200);
        assert_watch(b, cases[i].want);
        assert_int_equal(told(b), cases[i].stays ? DEVICE_INUSE : DEVICE_INVALID);
        assert_int_equal(notify(b, BUSY), 481);
        assert_int_equal(bench_await(b, cases[i].again_s ? cases[i].again_s * 1000 : 4000000),
                         cases[i].again_s > 0);
        bench_destroy(b);
    }
}

/* A telephone that ends each at once is not asked again and again. */
static void test_terminated_at_once(void **state)
{
    struct bench *b = bench_watching(ALICE, BUSY);
    const struct bench_notice end = { .state = "terminated;reason=deactivated" };

    (void)state;
    assert_int_equal(bench_notify(b, &end), 200);
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");
    assert_int_equal(bench_notify(b, &end), 200);
    assert_false(bench_await(b, 53000));
    assert_true(bench_await(b, 8000));
    bench_destroy(b);
}

static void test_forgotten(void **state)
{
    struct bench *b = bench_watching(ALICE, BUSY);

    (void)state;
    assert_true(bench_await(b, 901000));
    bench_answer(b, 481, "");
    assert_int_equal(told(b), DEVICE_INUSE);
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "\r\nCSeq: 1 SUBSCRIBE\r\n"));
    assert_false(bench_has(b, "tag=phone"));
    bench_answer(b, 489, "");
    assert_null(b->dialogs);
    assert_watch(b, WATCHED_REFUSED);
    bench_destroy(b);
}

/* ---- what happens around it ---- */

static void test_turned_off(void **state)
{
    struct bench *b = bench_watching(ALICE, BUSY);

    (void)state;
    settings_are(b, ALICE, OFF);
    assert_null(b->dialogs);
    assert_int_equal(b->tellings, 2);
    assert_watch(b, WATCHED_NOT);
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "\r\nCSeq: 2 SUBSCRIBE\r\n"));
    assert_true(bench_has(b, "\r\nExpires: 0\r\n"));
    bench_answer(b, 200, "");
    assert_int_equal(bench_notify(b, &(struct bench_notice){ .state = "terminated", .body = BUSY }),
                     200);
    assert_int_equal(b->tellings, 2);
    bench_pass(b, 33000);
    assert_int_equal(notify(b, BUSY), 481);
    /* And on again. */
    settings_are(b, ALICE, ON);
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "\r\nCSeq: 1 SUBSCRIBE\r\n"));
    /* Nobody is told who has not been asked. */
    settings_are(b, ALICE, OFF);
    assert_false(bench_await(b, 40000));
    assert_int_equal(b->tellings, 3);
    bench_destroy(b);
}

/* Its AOR is gone before anybody could say so. */
static void test_leaving_reload(void **state)
{
    struct bench *b = bench_watching(ALICE, BUSY);

    (void)state;
    settings_are(b, ALICE, OFF);
    settings_are(b, UDP, OFF);
    assert_false(bench_await(b, 40000));
    settings_are(b, ALICE, ON);
    assert_true(bench_await(b, 100));
    bench_destroy(b);
}

static void contact_gone(struct bench *b)
{
    const struct contact *c = contact_ref(bench_view(b).contact);

    assert_int_equal(qualifier_contact(b->qualifier, NULL, c), 0);
    contact_unref(c);
}

static void test_contact_gone(void **state)
{
    struct bench *b = bench_watching(ALICE, BUSY);
    struct contact c;

    (void)state;
    contact_gone(b);
    assert_null(b->dialogs);
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "\r\nExpires: 0\r\n"));
    bench_answer(b, 481, "");
    assert_true(list_empty(&b->qualifier->leaving));
    /* One that has expired is not there. */
    c = contact_registered(b, HERE, "192.0.2.7:5060");
    c.expires_wall_ms = b->wheel.now_ms + 10000;
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    bench_answer(b, 200, "");
    assert_int_equal(notify(b, BUSY), 200);
    bench_pass(b, 10000);
    contact_gone(b);
    assert_false(bench_await(b, 40000));
    bench_destroy(b);
}

/* The telephone has begun anew, or has moved: does it still know us? */
static void test_registered_again(void **state)
{
    struct bench *b = bench_with(ALICE);
    struct contact c = contact_registered(b, HERE, "192.0.2.7:5060");

    (void)state;
    c.call_id = STR("one");
    c.expires_wall_ms = UINT64_MAX;
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    bench_answer(b, 200, "");
    assert_int_equal(notify(b, BUSY), 200);
    bench_contact(b, &c);
    assert_false(bench_await(b, 1000));
    c.call_id = STR("two");
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    assert_true(bench_has(b, "\r\nCSeq: 2 SUBSCRIBE\r\n"));
    bench_answer(b, 481, "");
    assert_true(bench_await(b, 100));
    /* While it does not answer, each REGISTER is a reason to ask. */
    bench_answer(b, 480, "");
    assert_false(bench_await(b, 1000));
    bench_contact(b, &c);
    assert_true(bench_await(b, 300));
    /* One that does not support it is asked no more. */
    bench_answer(b, 489, "");
    c.call_id = STR("three");
    bench_contact(b, &c);
    assert_false(bench_await(b, 1000));
    settings_are(b, ALICE, ON);
    assert_true(bench_await(b, 100));
    bench_destroy(b);
}

/* It was away, and may have told us in vain. */
static void test_returned(void **state)
{
    struct bench *b = bench_of(ENDPOINT AOR "qualify_frequency=1000\n", HERE);
    unsigned options = 0;

    (void)state;
    assert_true(bench_await(b, 100));
    bench_answer(b, 200, "");
    assert_int_equal(notify(b, BUSY), 200);
    while (options < 2) {
        assert_true(bench_await(b, 1100000));
        if (!bench_has(b, "OPTIONS sip:")) {
            bench_answer(b, 200, "");
            continue;
        }
        bench_answer(b, options++ ? 200 : 408, "");
        b->seen = b->n_sent;
    }
    assert_true(bench_await(b, 100));
    assert_true(bench_has(b, "SUBSCRIBE sip:"));
    bench_destroy(b);
}

static void test_stop(void **state)
{
    static const struct bench_notice cases[] = {
        { .body = BUSY },
        { .body = "<nonsense/>" },
        { .state = "active;expires=60" },
        { .state = "terminated;reason=deactivated" },
        { .state = "terminated;reason=giveup" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = bench_watching(ALICE, BUSY);

        bench_pass(b, 61000);
        qualifier_stop(b->qualifier);
        assert_false(bench_await(b, 4000000));
        assert_int_equal(bench_notify(b, &cases[i]), i == 1 ? 400 : 200);
        assert_int_equal(b->tellings, i == 4 ? 2 : 1);
        assert_false(bench_await(b, 4000000));
        bench_destroy(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_pace_kept),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_too_brief),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_refreshed),
        cmocka_unit_test(test_nothing_told),
        cmocka_unit_test(test_how_long),
        cmocka_unit_test(test_before_the_answer),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_told_once),
        cmocka_unit_test(test_nothing_said),
        cmocka_unit_test(test_terminated),
        cmocka_unit_test(test_terminated_at_once),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_turned_off),
        cmocka_unit_test(test_leaving_reload),
        cmocka_unit_test(test_contact_gone),
        cmocka_unit_test(test_registered_again),
        cmocka_unit_test(test_returned),
        cmocka_unit_test(test_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
