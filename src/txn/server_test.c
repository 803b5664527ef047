// SPDX-License-Identifier: MIT
#include "txn/txn_fixture.h"

/* Every refusal says why. */
#define WARNING "\r\nWarning: 399 extstate \""

static void test_answer_at_once(void **state)
{
    struct fixture *f = fixture_create(2, 10);
    struct ask a = ask_plain();

    (void)state;
    f->answer = 403;
    ask_send(f, &a);
    assert_int_equal(f->handled, 1);
    assert_int_equal(f->n_sent, 1);
    assert_true(fixture_last_is(f, "SIP/2.0 403 "));
    assert_true(fixture_last_has(f, ";rport=5062"));
    assert_true(fixture_last_has(f, "To: <sip:100@example.com>;tag=es02"));
    assert_true(fixture_last_has(f, "Server: extstate/test\r\n"));
    assert_true(addr_equal(&f->sent[0].to.remote, &f->from.remote));
    assert_true(addr_equal(&f->sent[0].to.local, &f->from.local));
    for (unsigned i = 0; i < 3; i++) {
        fixture_pass(f, 500);
        ask_send(f, &a);
        assert_true(str_equal(fixture_last(f), f->sent[0].bytes));
    }
    assert_int_equal(f->n_sent, 4);
    assert_int_equal(f->handled, 1);
    assert_int_equal(fixture_counters(f).retransmitted_requests, 3);
    fixture_destroy(f);
}

/* RFC 4320: silence until there is an answer. */
static void test_answer_later(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    ask_send(f, &a);
    for (unsigned i = 0; i < 4; i++) {
        fixture_pass(f, 2000);
        ask_send(f, &a);
    }
    assert_int_equal(f->handled, 1);
    assert_int_equal(f->n_sent, 0);
    server_txn_respond(f->asked, &(struct sip_reply){ .status = 200,
                                                      .to_tag = STR("mine"),
                                                      .headers = STR("Expires: 60\r\n"),
                                                      .content_type = STR("text/plain"),
                                                      .body = STR("hello") });
    assert_true(fixture_last_is(f, "SIP/2.0 200 OK\r\n"));
    assert_true(fixture_last_has(f, ";tag=mine\r\n"));
    assert_true(fixture_last_has(f, "Expires: 60\r\n"));
    assert_true(str_ends(fixture_last(f), STR("\r\n\r\nhello")));
    ask_send(f, &a);
    assert_true(str_equal(f->sent[0].bytes, f->sent[1].bytes));
    fixture_destroy(f);
}

/* Timer J is 64*T1 behind the answer; then the same request is a new one. */
static void test_timer_j(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    f->answer = 200;
    ask_send(f, &a);
    fixture_pass(f, 31990);
    ask_send(f, &a);
    assert_int_equal(f->handled, 1);
    fixture_pass(f, 10);
    assert_int_equal(fixture_counters(f).server_live, 0);
    assert_int_equal(f->txn->server_bytes, 0);
    ask_send(f, &a);
    assert_int_equal(f->handled, 2);
    fixture_destroy(f);
}

static void test_reliable_flow(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    f->answer = 200;
    f->from.connection = 9;
    ask_send(f, &a);
    assert_int_equal(f->sent[0].to.connection, 9);
    fixture_pass(f, 10);
    assert_int_equal(fixture_counters(f).server_live, 0);
    fixture_destroy(f);
}

/* What makes two requests the same, and what does not. RFC 3261 section 17.2.3. */
static void test_matching(void **state)
{
    static const struct {
        const char *what;
        struct ask change;
        bool same;
    } cases[] = {
        { "nothing", { 0 }, true },
        { "the answer to a challenge on the old branch", { .cseq = 2 }, false },
        { "method", { .method = "PUBLISH" }, false },
        { "sent-by port", { .sent_by = "192.0.2.7:5063" }, false },
        { "sent-by host", { .sent_by = "192.0.2.8:5062" }, false },
        { "From tag alone", { .from_tag = "other" }, true },
        { "Call-ID alone", { .call_id = "other" }, true },
        { "extra header", { .extra = "Expires: 7\r\n" }, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(0, 10);
        struct ask a = ask_plain();
        const struct ask *change = &cases[i].change;

        f->answer = 200;
        a.to = "<sip:100@example.com>;tag=u"; /* in a dialog: no merging */
        ask_send(f, &a);
        a.method = change->method ? change->method : a.method;
        a.cseq = change->cseq ? change->cseq : a.cseq;
        a.sent_by = change->sent_by ? change->sent_by : a.sent_by;
        a.from_tag = change->from_tag ? change->from_tag : a.from_tag;
        a.call_id = change->call_id ? change->call_id : a.call_id;
        a.extra = change->extra ? change->extra : a.extra;
        ask_send(f, &a);
        if (f->handled != (cases[i].same ? 1u : 2u))
            fail_msg("%s", cases[i].what);
        fixture_destroy(f);
    }
}

static void test_sent_by_spelling(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    f->answer = 200;
    a.sent_by = "Phone.Example.COM";
    ask_send(f, &a);
    a.sent_by = "phone.example.com:5060";
    ask_send(f, &a);
    assert_int_equal(f->handled, 1);
    fixture_destroy(f);
}

/* A branch without the cookie means nothing: an RFC 2543 client. */
static void test_old_clients(void **state)
{
    static const char *const branches[] = { "", ";branch=1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(branches); i++) {
        struct fixture *f = fixture_create(0, 10);
        struct ask a = ask_plain();

        f->answer = 200;
        a.branch = branches[i];
        ask_send(f, &a);
        ask_send(f, &a);
        assert_int_equal(f->handled, 1);
        a.cseq = 2;
        ask_send(f, &a);
        assert_int_equal(f->handled, 2);
        a.call_id = "call-2";
        ask_send(f, &a);
        assert_int_equal(f->handled, 3);
        fixture_destroy(f);
    }
}

static void test_merged(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    ask_send(f, &a);
    a.branch = ";branch=z9hG4bKtwo";
    ask_send(f, &a);
    assert_int_equal(f->handled, 1);
    assert_true(fixture_last_is(f, "SIP/2.0 482 "));
    assert_true(fixture_last_has(f, WARNING));
    assert_int_equal(fixture_counters(f).merged, 1);
    a.cseq = 2;
    ask_send(f, &a);
    assert_int_equal(f->handled, 2);
    a.branch = ";branch=z9hG4bKthree";
    a.to = "<sip:100@example.com>;tag=u"; /* in a dialog CSeq sorts it out */
    ask_send(f, &a);
    assert_int_equal(f->handled, 3);
    fixture_destroy(f);
}

/* Where it comes from makes it another request, not the same by another way. */
static void test_source(void **state)
{
    enum outcome { REPEATED, NEW, MERGED };
    static const struct {
        const char *first, *second, *branch;
        enum outcome outcome;
    } cases[] = {
        { "192.0.2.7:5062", "192.0.2.7:5062", NULL, REPEATED },
        { "192.0.2.7:5062", "192.0.2.7:40000", NULL, REPEATED },
        { "192.0.2.7:5062", "192.0.2.8:5062", NULL, NEW },
        { "[2001:db8::1]:5062", "[2001:db8::1]:40000", NULL, REPEATED },
        { "[2001:db8::1]:5062", "[2001:db8::2]:5062", NULL, NEW },
        { "192.0.2.7:5062", "[2001:db8::1]:5062", NULL, NEW },
        { "192.0.2.7:5062", "192.0.2.8:5062", ";branch=z9hG4bKtwo", MERGED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(0, 10);
        struct ask a = ask_plain();

        f->answer = 200;
        f->from.remote = fixture_addr(cases[i].first);
        ask_send(f, &a);
        f->from.remote = fixture_addr(cases[i].second);
        a.branch = cases[i].branch ? cases[i].branch : a.branch;
        ask_send(f, &a);
        if (f->handled != (cases[i].outcome == NEW ? 2u : 1u))
            fail_msg("%zu", i);
        assert_int_equal(fixture_last_is(f, "SIP/2.0 482 "), cases[i].outcome == MERGED);
        assert_int_equal(fixture_counters(f).retransmitted_requests, cases[i].outcome == REPEATED);
        fixture_destroy(f);
    }
}

/* Who knows somebody's Call-ID, tag and CSeq beforehand is not in his way. */
static void test_somebody_elses_request(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    char text[2048], *name;
    struct ask a = ask_plain();

    (void)state;
    f->answer = 200;
    a.branch = ";branch=z9hG4bKhis";
    ask_print(text, sizeof(text), &a);
    name = strstr(text, "alice");
    assert_non_null(name);
    memcpy(name, "mally", 5);
    f->from.remote = fixture_addr("192.0.2.66:5062");
    fixture_receive(f, text);
    f->from.remote = fixture_addr("192.0.2.7:5062");
    a.branch = ";branch=z9hG4bKone";
    ask_send(f, &a);
    assert_int_equal(f->handled, 2);
    a.branch = ";branch=z9hG4bKtwo";
    ask_send(f, &a);
    assert_int_equal(f->handled, 2);
    assert_true(fixture_last_is(f, "SIP/2.0 482 ")); /* for her own */
    fixture_destroy(f);
}

static void test_another_workers_dialog(void **state)
{
    struct fixture *f = fixture_create(1, 10);
    struct ask a = ask_plain();

    (void)state;
    f->answer = 481;
    a.to = "<sip:100@example.com>;tag=es030000000000000001";
    ask_send(f, &a);
    assert_int_equal(f->forwarded, 1);
    assert_int_equal(f->forwarded_to, 3);
    assert_int_equal(f->handled, 0);
    assert_int_equal(fixture_counters(f).server_live, 0);
    a.to = "<sip:100@example.com>;tag=es010000000000000001"; /* ours: stays */
    ask_send(f, &a);
    a.branch = ";branch=z9hG4bKtwo";
    a.to = "<sip:100@example.com>;tag=es050000000000000001"; /* the sixth's of more: ours now */
    ask_send(f, &a);
    assert_int_equal(f->forwarded, 1);
    assert_int_equal(f->handled, 2);
    a.branch = ";branch=z9hG4bKthree";
    a.to = "<sip:100@example.com>;tag=es060000000000000001";
    ask_send(f, &a);
    assert_int_equal(f->forwarded, 2);
    assert_int_equal(f->forwarded_to, 2);
    a.branch = ";branch=z9hG4bKfour";
    a.to = "<sip:100@example.com>;tag=t"; /* another server's, of class 47 */
    ask_send(f, &a);
    assert_int_equal(f->forwarded, 3);
    assert_int_equal(f->forwarded_to, 3);
    a.branch = ";branch=z9hG4bKfive";
    a.to = "<sip:100@example.com>;tag=v"; /* of class 5 */
    ask_send(f, &a);
    assert_int_equal(f->forwarded, 3);
    assert_int_equal(f->handled, 3);
    fixture_destroy(f);
}

/* What a worker with too much to do does not get comes again, or is answered where it does not. */
static void test_other_worker_is_full(void **state)
{
    struct fixture *f = fixture_create(1, 10);
    struct ask a = ask_plain();

    (void)state;
    f->forward_result = -EAGAIN;
    a.to = "<sip:100@example.com>;tag=es030000000000000001";
    ask_send(f, &a);
    assert_int_equal(f->n_sent, 0);
    f->from.connection = 7;
    ask_send(f, &a);
    assert_int_equal(f->n_sent, 1);
    assert_int_equal(f->sent[0].to.connection, 7);
    assert_true(str_starts(f->sent[0].bytes, STR("SIP/2.0 503 ")));
    assert_non_null(memmem(f->sent[0].bytes.p, f->sent[0].bytes.n, "\r\nRetry-After: ", 15));
    assert_int_equal(fixture_counters(f).forward_lost, 2);
    assert_int_equal(fixture_counters(f).forwarded, 0);
    fixture_destroy(f);
}

/* Who is not admitted is told that and nothing else, whatever he sends. */
static void test_not_admitted(void **state)
{
    static const struct {
        struct ask change;
        const char *old; /* what comes before; NULL: nothing */
    } cases[] = {
        { { 0 }, NULL },
        { { .method = "OPTIONS" }, NULL },
        { { .method = "CANCEL" }, NULL },
        { { .method = "CANCEL" }, "SUBSCRIBE" },
        { { .branch = ";branch=z9hG4bKtwo" }, "SUBSCRIBE" }, /* else 482 */
        { { .extra = "Content-Length: 99\r\n" }, NULL },     /* 400 */
        { { .to = "<sip:100@example.com>;tag=es030000000000000001" }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(1, 10);
        const struct ask *change = &cases[i].change;
        struct ask a = ask_plain();
        size_t handled;

        f->answer = 200;
        if (cases[i].old)
            ask_send(f, &a);
        handled = f->handled;
        f->admissions = 0;
        f->refuse = 503;
        a.method = change->method ? change->method : a.method;
        a.branch = change->branch ? change->branch : a.branch;
        a.to = change->to ? change->to : a.to;
        a.extra = change->extra ? change->extra : a.extra;
        ask_send(f, &a);
        assert_int_equal(f->admissions, 1);
        assert_true(fixture_last_is(f, "SIP/2.0 503 "));
        assert_true(fixture_last_has(f, WARNING "not admitted\"\r\n"));
        assert_true(fixture_last_has(f, "\r\nRetry-After: 7\r\n"));
        assert_int_equal(f->handled, handled);
        assert_int_equal(f->forwarded, 0);
        assert_int_equal(fixture_counters(f).server_live, cases[i].old ? 1 : 0);
        fixture_destroy(f);
    }
}

/* Nobody is asked about what was admitted before, or is not answered. */
static void test_admitted_once(void **state)
{
    struct fixture *f = fixture_create(1, 10);
    struct ask a = ask_plain();
    char text[2048];

    (void)state;
    f->answer = 200;
    ask_send(f, &a);
    assert_int_equal(f->admissions, 1);
    f->refuse = 503;
    ask_send(f, &a);
    assert_true(fixture_last_is(f, "SIP/2.0 200 "));
    a.method = "ACK";
    ask_send(f, &a);
    a.extra = "Content-Length: 99\r\n";
    ask_send(f, &a);
    assert_int_equal(f->n_sent, 2);
    a = ask_plain();
    a.cseq = 2;
    ask_print(text, sizeof(text), &a);
    txn_receive_forwarded(f->txn, &f->from, str_of(text));
    assert_int_equal(f->handled, 2);
    assert_int_equal(f->admissions, 1);
    fixture_destroy(f);
}

static void test_ack_and_cancel(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    f->answer = 405;
    a.method = "ACK";
    ask_send(f, &a);
    assert_int_equal(f->n_sent, 0);
    a.method = "CANCEL";
    ask_send(f, &a);
    assert_true(fixture_last_is(f, "SIP/2.0 481 "));
    assert_true(fixture_last_has(f, WARNING));
    a.method = "INVITE";
    ask_send(f, &a);
    assert_int_equal(f->handled, 1);
    a.method = "CANCEL";
    ask_send(f, &a);
    assert_true(fixture_last_is(f, "SIP/2.0 200 "));
    assert_true(fixture_last_has(f, "CSeq: 1 CANCEL\r\n"));
    assert_int_equal(f->handled, 1);
    fixture_destroy(f);
}

/* RFC 3261 section 9.2. */
static void test_cancel_has_the_same_tag(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();
    struct sip_message first, second;

    (void)state;
    f->answer = 405;
    a.method = "INVITE";
    ask_send(f, &a);
    a.method = "CANCEL";
    ask_send(f, &a);
    assert_int_equal(sip_message_parse(&first, f->sent[0].bytes, NULL), 0);
    assert_int_equal(sip_message_parse(&second, f->sent[1].bytes, NULL), 0);
    assert_true(str_equal(first.to_tag, second.to_tag));
    fixture_destroy(f);
}

static void test_broken_messages(void **state)
{
    static const struct {
        const char *text, *answer; /* NULL: none */
    } cases[] = {
        { "\r\n\r\n", NULL },
        { "GET / HTTP/1.1\r\n\r\n", NULL },
        { "SUBSCRIBE sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7\r\n\r\n", NULL },
        { "SUBSCRIBE sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
          "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n"
          "Content-Length: 99\r\n\r\n",
          "SIP/2.0 400 " },
        { "ACK sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
          "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 ACK\r\n"
          "Content-Length: 99\r\n\r\n",
          NULL },
        { "SUBSCRIBE sip:1@x SIP/7.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
          "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n\r\n",
          "SIP/2.0 505 " },
        { "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
          "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\n"
          "Content-Length: 99\r\n\r\n",
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(0, 10);

        fixture_receive(f, cases[i].text);
        assert_int_equal(f->n_sent, cases[i].answer ? 1 : 0);
        if (cases[i].answer) {
            assert_true(fixture_last_is(f, cases[i].answer));
            assert_true(fixture_last_has(f, WARNING));
        }
        assert_int_equal(f->handled, 0);
        assert_int_equal(fixture_counters(f).server_live, 0);
        fixture_destroy(f);
    }
}

static void test_force_rport(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();

    (void)state;
    a.sent_by = "192.0.2.7:5099";
    f->unforced = true;
    ask_send(f, &a);
    assert_non_null(f->asked);
    assert_ptr_not_equal(server_txn_flow(f->asked), &f->from);
    assert_true(addr_equal(&server_txn_flow(f->asked)->remote, &f->from.remote));
    server_txn_reject(f->asked, 200, STR_EMPTY);
    assert_int_equal(addr_port(&f->sent[0].to.remote), 5099);
    assert_false(fixture_last_has(f, "rport"));
    ask_send(f, &a);
    assert_int_equal(addr_port(&f->sent[1].to.remote), 5099);
    fixture_destroy(f);
}

static void test_reply_too_large(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct ask a = ask_plain();
    char *body = malloc(70000);

    (void)state;
    assert_non_null(body);
    memset(body, 'x', 70000);
    ask_send(f, &a);
    assert_non_null(f->asked);
    server_txn_respond(f->asked, &(struct sip_reply){ .status = 200,
                                                      .content_type = STR("text/plain"),
                                                      .body = { body, 70000 } });
    assert_true(fixture_last_is(f, "SIP/2.0 500 "));
    free(body);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_at_once),
        cmocka_unit_test(test_answer_later),
        cmocka_unit_test(test_timer_j),
        cmocka_unit_test(test_reliable_flow),
        cmocka_unit_test(test_matching),
        cmocka_unit_test(test_sent_by_spelling),
        cmocka_unit_test(test_old_clients),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_somebody_elses_request),
        cmocka_unit_test(test_another_workers_dialog),
        cmocka_unit_test(test_other_worker_is_full),
        cmocka_unit_test(test_not_admitted),
        cmocka_unit_test(test_admitted_once),
        cmocka_unit_test(test_ack_and_cancel),
        cmocka_unit_test(test_cancel_has_the_same_tag),
        cmocka_unit_test(test_broken_messages),
        cmocka_unit_test(test_force_rport),
        cmocka_unit_test(test_reply_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
