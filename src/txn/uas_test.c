// SPDX-License-Identifier: MIT
#include "txn/txn_fixture.h"

#include "txn/settings_fixture.h"
#include "txn/uas.h"

static const char conf[] = "[global]\ntype=global\nuser_agent=extstate/0.1\n"
                           "[alice]\ntype=endpoint\n"
                           "[direct]\ntype=endpoint\nforce_rport=no\n";

struct server {
    struct fixture *f;
    struct uas *uas;
    struct nonces *nonces;
    size_t handled;
    char endpoint[64], user[64];
    char text[4096]; /* of the last request */
};

static void handle(void *ctx, const struct uas_request *rq)
{
    struct server *s = ctx;

    s->handled++;
    snprintf(s->endpoint, sizeof(s->endpoint), "%.*s", STR_FMT(rq->endpoint->id));
    snprintf(s->user, sizeof(s->user), "%.*s", STR_FMT(rq->uri.user));
    server_txn_reject(rq->txn, 200, STR_EMPTY);
}

static void server_open(struct server *s, const char *pjsip_conf)
{
    struct settings *settings = settings_fixture(pjsip_conf);

    *s = (struct server){ .f = fixture_create(0, 100) };
    assert_int_equal(nonces_create(&s->nonces, &(struct nonces_config){ .clock = &clock_system }),
                     0);
    assert_int_equal(uas_create(&s->uas, &(struct uas_config){ .txn = s->f->txn,
                                                               .log = s->f->log,
                                                               .settings = settings,
                                                               .accept = STR("text/plain"),
                                                               .allow_events = STR("dialog"),
                                                               .nonces = s->nonces,
                                                               .rng = &s->f->rng }),
                     0);
    settings_unref(settings); /* the uas has its own reference */
    s->f->txn->cfg.request = uas_request;
    s->f->txn->cfg.admit = uas_admit;
    s->f->txn->cfg.ctx = s->uas;
    uas_method_set(s->uas, SIP_SUBSCRIBE, STR("eventlist, 100rel"), handle, s);
    uas_method_set(s->uas, SIP_PUBLISH, STR("eventlist"), handle, s);
}

static void server_close(struct server *s)
{
    uas_destroy(s->uas);
    nonces_destroy(s->nonces);
    fixture_destroy(s->f);
}

static unsigned branch_counter(struct server *s)
{
    return (unsigned)fixture_counters(s->f).requests;
}

static void request(struct server *s, const char *method, const char *uri, const char *from,
                    const char *headers, const char *body)
{
    int n = snprintf(s->text, sizeof(s->text),
                     "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5099;branch=z9hG4bK%u\r\n"
                     "From: %s;tag=1\r\nTo: <sip:100@example.com>\r\nCall-ID: c%u\r\n"
                     "CSeq: 1 %s\r\n%sContent-Length: %zu\r\n\r\n%s",
                     method, uri, branch_counter(s), from, branch_counter(s), method, headers,
                     strlen(body), body);

    assert_true(n > 0 && (size_t)n < sizeof(s->text));
    fixture_receive(s->f, s->text);
}

#define URI "sip:100@example.com"
#define WARNING "Warning: 399 extstate \""
#define ALICE "<sip:alice@example.com>"
#define MALLORY "<sip:mallory@example.com>"

/* RFC 3261 section 8.2, one row per answer. */
static void test_checks(void **state)
{
    static const struct {
        const char *method, *uri, *from, *headers, *body;
        const char *answer;
        const char *parts[3];
    } cases[] = {
        { "SUBSCRIBE", URI, ALICE, "", "", "SIP/2.0 200 ", { 0 } },
        { "PUBLISH", URI, ALICE, "", "", "SIP/2.0 200 ", { 0 } },
        { "SUBSCRIBE", "tel:+4930123", ALICE, "", "", "SIP/2.0 416 ", { WARNING } },
        { "SUBSCRIBE", URI, ALICE, "Max-Forwards: 0\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "SUBSCRIBE", URI, ALICE, "Max-Forwards: 255\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "SUBSCRIBE",
          URI,
          ALICE,
          "Max-Forwards: x\r\n",
          "",
          "SIP/2.0 400 ",
          { WARNING "Max-Forwards" } },
        { "SUBSCRIBE",
          URI,
          ALICE,
          "Max-Forwards: 256\r\n",
          "",
          "SIP/2.0 400 ",
          { "Max-Forwards" } },
        { "SUBSCRIBE", URI, ALICE, "Route: <sip:192.0.2.1;lr>\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "DANCE", URI, ALICE, "", "", "SIP/2.0 501 ", { "Allow: ", WARNING } },
        { "REGISTER",
          URI,
          ALICE,
          "",
          "",
          "SIP/2.0 405 ",
          { "Allow: OPTIONS, SUBSCRIBE, PUBLISH\r\n", WARNING } },
        { "INVITE", URI, ALICE, "", "", "SIP/2.0 405 ", { "Allow: " } },
        { "SUBSCRIBE", URI, ALICE, "Require: eventlist\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "SUBSCRIBE", URI, ALICE, "Require: EventList,100rel\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "SUBSCRIBE",
          URI,
          ALICE,
          "Require: eventlist, recipient-list-subscribe\r\nRequire: x\r\n",
          "",
          "SIP/2.0 420 ",
          { "Unsupported: recipient-list-subscribe, x\r\n", WARNING } },
        { "PUBLISH",
          URI,
          ALICE,
          "Require: 100rel\r\n",
          "",
          "SIP/2.0 420 ",
          { "Unsupported: 100rel\r\n" } },
        { "SUBSCRIBE", URI, ALICE, "Require:\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "PUBLISH",
          URI,
          ALICE,
          "Content-Encoding: gzip\r\n",
          "zip",
          "SIP/2.0 415 ",
          { "Accept-Encoding: identity\r\n", WARNING } },
        { "PUBLISH", URI, ALICE, "Content-Encoding: gzip\r\n", "", "SIP/2.0 200 ", { 0 } },
        { "PUBLISH", URI, ALICE, "e: Identity\r\n", "x", "SIP/2.0 200 ", { 0 } },
        { "SUBSCRIBE",
          URI,
          "<sip:mallory@example.com>",
          "",
          "",
          "SIP/2.0 403 ",
          { "Warning: 399 extstate \"no endpoint matches From mallory or the source address\"" } },
        { "SUBSCRIBE", URI, "<sip:example.com>", "", "", "SIP/2.0 403 ", { "(no user)" } },
        /* The order: who asks is looked at last. */
        { "REGISTER", URI, "<sip:mallory@example.com>", "", "", "SIP/2.0 405 ", { 0 } },
        { "OPTIONS", "tel:1", "<sip:mallory@example.com>", "", "", "SIP/2.0 416 ", { 0 } },
        { "OPTIONS",
          URI,
          "<sip:mallory@example.com>",
          "Require: x\r\n",
          "",
          "SIP/2.0 420 ",
          { 0 } },
    };
    struct server s;

    (void)state;
    server_open(&s, conf);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        request(&s, cases[i].method, cases[i].uri, cases[i].from, cases[i].headers, cases[i].body);
        assert_int_equal(s.f->n_sent, i + 1);
        if (!fixture_last_is(s.f, cases[i].answer))
            fail_msg("%s %s: %.60s", cases[i].method, cases[i].headers, fixture_last(s.f).p);
        for (size_t k = 0; k < ARRAY_LEN(cases[i].parts) && cases[i].parts[k]; k++)
            if (!fixture_last_has(s.f, cases[i].parts[k]))
                fail_msg("%s: %s", cases[i].parts[k], fixture_last(s.f).p);
    }
    server_close(&s);
}

/* What a stranger is answered takes no memory, and is the same when he asks once more. */
static void test_nothing_is_kept(void **state)
{
    static const char locked[] =
        "[alice]\ntype=endpoint\nauth=alice\n[alice]\ntype=auth\nusername=alice\npassword=x\n";
    static const struct {
        const char *conf, *method, *uri, *from, *headers, *body;
        unsigned answer;
    } cases[] = {
        { conf, "OPTIONS", URI, MALLORY, "", "", 200 },
        { conf, "OPTIONS", URI, ALICE, "", "", 200 },
        { conf, "SUBSCRIBE", URI, MALLORY, "", "", 403 },
        { conf, "SUBSCRIBE", "tel:1", MALLORY, "", "", 416 },
        { conf, "SUBSCRIBE", URI, MALLORY, "Max-Forwards: x\r\n", "", 400 },
        { conf, "INVITE", URI, MALLORY, "", "", 405 },
        { conf, "DANCE", URI, MALLORY, "", "", 501 },
        { conf, "SUBSCRIBE", URI, MALLORY, "Require: x\r\n", "", 420 },
        { conf, "PUBLISH", URI, MALLORY, "Content-Encoding: gzip\r\n", "zip", 415 },
        { locked, "SUBSCRIBE", URI, ALICE, "Authorization: Digest x\r\n", "", 400 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sip_message first;
        struct server s;

        server_open(&s, cases[i].conf);
        request(&s, cases[i].method, cases[i].uri, cases[i].from, cases[i].headers, cases[i].body);
        assert_int_equal(sip_message_parse(&first, fixture_last(s.f), NULL), 0);
        assert_int_equal(first.status, cases[i].answer);
        assert_int_equal(fixture_counters(s.f).server_live, 0);
        assert_int_equal(fixture_counters(s.f).server_bytes, 0);
        fixture_receive(s.f, s.text);
        assert_int_equal(s.f->n_sent, 2);
        assert_true(str_equal(s.f->sent[0].bytes, s.f->sent[1].bytes));
        server_close(&s);
    }
}

/* A request of 60,000 bytes is no way to have an answer of as many sent to somebody else. */
static void test_unsupported_is_short(void **state)
{
    enum { SIZE = 60000 };
    static const char name[] = "Require: ";
    char *text = malloc(SIZE + 1000), *huge = malloc(SIZE);
    struct ask a = ask_plain();
    struct sip_message answer;
    struct str unsupported;
    struct server s;

    (void)state;
    assert_non_null(text);
    assert_non_null(huge);
    memcpy(huge, name, strlen(name));
    for (size_t i = strlen(name); i < SIZE - 3; i++)
        huge[i] = i % 5 == 4 ? ',' : 'x';
    memcpy(huge + SIZE - 3, "\r\n", 3);
    a.extra = huge;
    server_open(&s, conf);
    ask_print(text, SIZE + 1000, &a);
    fixture_receive(s.f, text);
    assert_true(fixture_last_is(s.f, "SIP/2.0 420 "));
    assert_in_range(fixture_last(s.f).n, 300, 800);
    assert_int_equal(sip_message_parse(&answer, fixture_last(s.f), NULL), 0);
    unsupported = sip_header_value(&answer, SIP_H_UNSUPPORTED);
    assert_true(str_starts(unsupported, STR("xxxx, xxxx, ")) && str_ends(unsupported, STR("xxxx")));

    /* One that is too long, before one that is not. */
    for (size_t i = strlen(name); i < SIZE - 3; i++)
        huge[i] = i == SIZE - 8 ? ',' : 'x';
    ask_print(text, SIZE + 1000, &a);
    fixture_receive(s.f, text);
    assert_int_equal(sip_message_parse(&answer, fixture_last(s.f), NULL), 0);
    assert_true(str_equal(sip_header_value(&answer, SIP_H_UNSUPPORTED), STR("xxxx")));

    /* That one alone: a 420 would have nothing to name. */
    huge[SIZE - 8] = 'x';
    ask_print(text, SIZE + 1000, &a);
    fixture_receive(s.f, text);
    assert_true(fixture_last_is(s.f, "SIP/2.0 400 "));
    assert_in_range(fixture_last(s.f).n, 300, 800);
    assert_int_equal(sip_message_parse(&answer, fixture_last(s.f), NULL), 0);
    assert_true(str_ends(sip_header_value(&answer, SIP_H_WARNING),
                         STR("\"an option tag in Require is too long\"")));
    server_close(&s);
    free(huge);
    free(text);
}

static void test_options(void **state)
{
    struct server s;

    (void)state;
    server_open(&s, conf);
    request(&s, "OPTIONS", "sip:example.com", "<sip:mallory@example.com>", "", "");
    assert_true(fixture_last_is(s.f, "SIP/2.0 200 OK\r\n"));
    assert_true(fixture_last_has(s.f, "\r\nAllow: OPTIONS, SUBSCRIBE, PUBLISH\r\n"
                                      "Supported: eventlist, 100rel\r\n"
                                      "Accept: text/plain\r\nAllow-Events: dialog\r\n"
                                      "Accept-Encoding: identity\r\n"));
    uas_method_set(s.uas, SIP_SUBSCRIBE, STR_EMPTY, handle, &s);
    uas_method_set(s.uas, SIP_PUBLISH, STR(""), handle, &s);
    request(&s, "OPTIONS", "sip:example.com", "<sip:mallory@example.com>", "", "");
    assert_false(fixture_last_has(s.f, "Supported"));
    assert_int_equal(s.handled, 0);
    server_close(&s);
}

/* A request inside a dialog goes the same way; whether the dialog exists is the handler's question.
 */
static void test_what_the_handler_sees(void **state)
{
    struct server s;

    (void)state;
    server_open(&s, conf);
    request(&s, "SUBSCRIBE", "sip:10%30;phone-context=x@example.com", ALICE, "", "");
    assert_int_equal(s.handled, 1);
    assert_string_equal(s.endpoint, "alice");
    assert_string_equal(s.user, "10%30;phone-context=x");
    assert_int_equal(addr_port(&s.f->sent[0].to.remote), 5062); /* force_rport */
    request(&s, "SUBSCRIBE", URI, "<sip:direct@example.com>", "", "");
    assert_string_equal(s.endpoint, "direct");
    assert_int_equal(addr_port(&s.f->sent[1].to.remote), 5099);
    server_close(&s);
}

/* Who a dialog of ours is with. */
static const struct endpoint_settings *dialog_endpoint(void *ctx, const struct sip_message *msg)
{
    return str_equal(msg->to_tag, STR("ours")) ? settings_endpoint(ctx, STR("alice")) : NULL;
}

/* That is proof enough; but where she may be is looked at. */
static void test_our_dialog(void **state)
{
    static const struct {
        const char *to_tag;
        bool elsewhere;
        const char *answer;
    } cases[] = {
        { ";tag=ours", false, "SIP/2.0 200 " },
        { ";tag=other", false, "SIP/2.0 481 " },
        { "", false, "SIP/2.0 401 " },
        { ";tag=ours", true, "SIP/2.0 401 " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct settings *settings;
        char text[1024];
        struct server s;

        snprintf(text, sizeof(text),
                 "[alice]\ntype=endpoint\nauth=alice\n%s[alice]\ntype=auth\nusername=alice\n"
                 "password=x\n",
                 cases[i].elsewhere ? "deny=0.0.0.0/0\npermit=198.51.100.1\n" : "");
        server_open(&s, text);
        settings = settings_fixture(text);
        uas_method_set(s.uas, SIP_NOTIFY, STR_EMPTY, handle, &s);
        uas_dialog_set(s.uas, dialog_endpoint, settings);
        snprintf(text, sizeof(text),
                 "NOTIFY sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7:5099;branch=z9hG4bK1\r\n"
                 "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:h>%s\r\nCall-ID: c\r\n"
                 "CSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n",
                 cases[i].to_tag);
        fixture_receive(s.f, text);
        if (!fixture_last_is(s.f, cases[i].answer))
            fail_msg("%zu: %.60s", i, fixture_last(s.f).p);
        settings_unref(settings);
        server_close(&s);
    }
}

static void test_new_settings(void **state)
{
    struct server s;
    struct settings *next = settings_fixture("[global]\ntype=global\nignore_uri_user_options=yes\n"
                                             "[bob]\ntype=endpoint\n"
                                             "[i]\ntype=identify\nendpoint=bob\nmatch=192.0.2.7\n");

    (void)state;
    server_open(&s, conf);
    uas_settings_set(s.uas, next);
    settings_unref(next);
    request(&s, "SUBSCRIBE", "sip:100;a=b@example.com", ALICE, "", "");
    assert_string_equal(s.endpoint, "bob");
    assert_string_equal(s.user, "100");
    server_close(&s);
}

static void on_refused(void *ctx, const struct uas_request *rq, unsigned status, const char *why)
{
    buf_printf(ctx, "%u %.*s%s%.*s: %s\n", status,
               STR_FMT(rq->endpoint ? rq->endpoint->id : STR("")), rq->denied ? "!" : "",
               STR_FMT(rq->denied ? rq->denied->id : STR("")), why ? why : "(challenge)");
}

/* Whoever wants to know is told more than the answer says. */
static void test_what_is_told_of_refusals(void **state)
{
    static const char locked[] =
        "[alice]\ntype=endpoint\nauth=alice\n[alice]\ntype=auth\nusername=alice\npassword=x\n"
        "[far]\ntype=endpoint\ndeny=0.0.0.0/0\n[open]\ntype=endpoint\n";
    static const char digest[] = "Authorization: Digest username=\"alice\", realm=\"asterisk\", "
                                 "nonce=\"0\", uri=\"sip:100@example.com\"\r\n";
    char room[1024];
    struct server s;
    struct buf told;

    (void)state;
    server_open(&s, locked);
    buf_init_on(&told, room, sizeof(room) - 1);
    uas_refused_set(s.uas, on_refused, &told);
    request(&s, "SUBSCRIBE", URI, "<sip:open@example.com>", "", "");
    assert_int_equal(told.n, 0);
    request(&s, "SUBSCRIBE", URI, ALICE, "", "");
    request(&s, "SUBSCRIBE", URI, ALICE, digest, "");
    request(&s, "SUBSCRIBE", URI, "<sip:far@example.com>", "", "");
    request(&s, "SUBSCRIBE", "tel:1", "<sip:open@example.com>", "", "");
    room[told.n] = '\0';
    assert_string_equal(
        room, "401 alice: (challenge)\n"
              "400 alice: Authorization lacks one of username, realm, nonce, uri, response\n"
              "401 !far: the endpoint does not permit this address\n"
              "416 : the Request-URI is not a SIP URI\n");
    server_close(&s);
}

static void test_warning_text(void **state)
{
    static const struct {
        const char *agent, *text, *line;
    } cases[] = {
        { "pbx", "plain", "Warning: 399 pbx \"plain\"\r\n" },
        { "Asterisk PBX 22", "x", "Warning: 399 Asterisk \"x\"\r\n" },
        { "", "x", "Warning: 399 extstate \"x\"\r\n" },
        { "(odd)", "say \"hi\\\"\r\n\xff", "Warning: 399 extstate \"say \\\"hi\\\\\\\"???\"\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char storage[256];
        struct buf b;

        buf_init_on(&b, storage, sizeof(storage));
        uas_print_warning(&b, str_of(cases[i].agent), cases[i].text);
        assert_true(str_equal(buf_str(&b), str_of(cases[i].line)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_nothing_is_kept),
        cmocka_unit_test(test_unsupported_is_short),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_what_the_handler_sees),
        cmocka_unit_test(test_our_dialog),
        cmocka_unit_test(test_new_settings),
        cmocka_unit_test(test_what_is_told_of_refusals),
        cmocka_unit_test(test_warning_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
