// SPDX-License-Identifier: MIT
#include "txn/txn_fixture.h"

struct caller {
    struct client_txn ct;
    struct fixture *f;
    int print_result;
    size_t more;       /* bytes of its body */
    unsigned restarts; /* start again so often from inside done */
    bool free_when_done;
    size_t done;
    unsigned status;
    bool with_response;
    struct caller **freed; /* set to NULL when done frees */
};

static int caller_print(struct client_txn *ct, struct buf *out)
{
    struct caller *c = CONTAINER_OF(ct, struct caller, ct);

    buf_add(out, STR("NOTIFY sip:100@192.0.2.7 SIP/2.0\r\n"));
    txn_print_via(ct, STR("192.0.2.1:5060"), true, out);
    buf_add(out, STR("From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\n"
                     "CSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n"));
    for (size_t i = 0; i < c->more; i++)
        buf_add_char(out, 'x');
    return c->print_result;
}

static const struct client_txn_ops caller_ops;

static void caller_done(struct client_txn *ct, unsigned status, const struct sip_message *response)
{
    struct caller *c = CONTAINER_OF(ct, struct caller, ct);

    c->done++;
    c->status = status;
    c->with_response = response != NULL;
    assert_false(ct->running);
    if (c->restarts) {
        c->restarts--;
        assert_int_equal(client_txn_start(c->f->txn, ct, SIP_NOTIFY, &c->f->from, &caller_ops), 0);
    } else if (c->free_when_done) {
        *c->freed = NULL;
        free(c);
    }
}

static const struct client_txn_ops caller_ops = { caller_print, caller_done };

static struct caller caller_on(struct fixture *f)
{
    struct caller c = { .f = f };

    return c;
}

static int caller_start(struct caller *c)
{
    client_txn_init(&c->ct);
    return client_txn_start(c->f->txn, &c->ct, SIP_NOTIFY, &c->f->from, &caller_ops);
}

static void respond(struct fixture *f, uint64_t branch, unsigned status, const char *method)
{
    char text[512], storage[BRANCH_LEN];
    struct str b = branch_print(branch, storage);

    snprintf(text, sizeof(text),
             "SIP/2.0 %u Text\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=%.*s\r\n"
             "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\n"
             "CSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
             status, STR_FMT(b), method);
    fixture_receive(f, text);
}

/* RFC 3261 section 17.1.2.2: T1, 2*T1, 4*T1, then T2 apart. */
static void test_retransmission_times(void **state)
{
    static const struct {
        uint32_t t1_ms, timer_f_ms, provisional_ms; /* 0: none */
        uint64_t sent_ms[16];
        size_t n;
        uint64_t timeout_ms;
    } cases[] = {
        { 500,
          32000,
          0,
          { 0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500 },
          11,
          32000 },
        { 100, 6400, 0, { 0, 100, 300, 700, 1500, 3100, 6300 }, 7, 6400 },
        { 5000, 20000, 0, { 0, 5000, 10000, 15000 }, 4, 20000 },
        { 500,
          32000,
          600,
          { 0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500 },
          10,
          32000 },
        { 500, 32000, 10, { 0, 500, 4500, 8500, 12500, 16500, 20500, 24500, 28500 }, 9, 32000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(0, 10);
        struct caller c = caller_on(f);
        uint64_t answered_at = 0;

        txn_timing_set(f->txn, cases[i].t1_ms, cases[i].timer_f_ms);
        assert_int_equal(caller_start(&c), 0);
        while (!c.done) {
            fixture_pass(f, 10);
            answered_at = f->wheel.now_ms - FIXTURE_START_MS;
            if (cases[i].provisional_ms == answered_at)
                respond(f, c.ct.branch, 100, "NOTIFY");
        }
        assert_int_equal(f->n_sent, cases[i].n);
        for (size_t k = 0; k < cases[i].n; k++) {
            assert_int_equal(f->sent[k].at_ms, cases[i].sent_ms[k]);
            assert_true(str_equal(f->sent[k].bytes, f->sent[0].bytes));
        }
        assert_int_equal(answered_at, cases[i].timeout_ms);
        assert_int_equal(c.status, 408);
        assert_false(c.with_response);
        assert_int_equal(c.ct.sent, cases[i].n);
        assert_int_equal(fixture_counters(f).client_timeouts, 1);
        assert_int_equal(fixture_counters(f).client_retransmissions, cases[i].n - 1);
        fixture_destroy(f);
    }
}

static void test_final_answer(void **state)
{
    struct fixture *f = fixture_create(3, 10);
    struct caller c = caller_on(f);

    (void)state;
    assert_int_equal(caller_start(&c), 0);
    assert_int_equal(client_txn_start(f->txn, &c.ct, SIP_NOTIFY, &f->from, &caller_ops), -EBUSY);
    assert_int_equal(fixture_counters(f).client_live, 1);
    respond(f, c.ct.branch, 200, "SUBSCRIBE"); /* not the method of this one */
    assert_int_equal(c.done, 0);
    respond(f, c.ct.branch, 100, "NOTIFY");
    assert_int_equal(c.done, 0);
    respond(f, c.ct.branch, 489, "NOTIFY");
    assert_int_equal(c.done, 1);
    assert_int_equal(c.status, 489);
    assert_true(c.with_response);
    respond(f, c.ct.branch, 489, "NOTIFY");
    assert_int_equal(c.done, 1);
    assert_int_equal(fixture_counters(f).stray_responses, 2);
    assert_int_equal(fixture_counters(f).responses_in, 4);
    assert_int_equal(fixture_counters(f).client_live, 0);
    fixture_pass(f, 40000);
    assert_int_equal(f->n_sent, 1);
    fixture_destroy(f);
}

static void test_stop_forgets(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct caller c = caller_on(f);

    (void)state;
    assert_int_equal(caller_start(&c), 0);
    client_txn_stop(&c.ct);
    client_txn_stop(&c.ct);
    respond(f, c.ct.branch, 200, "NOTIFY");
    fixture_pass(f, 40000);
    assert_int_equal(c.done, 0);
    assert_int_equal(f->n_sent, 1);
    fixture_destroy(f);
}

static void test_errors_at_first_sending(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct caller c = caller_on(f);

    (void)state;
    f->send_result = -ENETUNREACH;
    assert_int_equal(caller_start(&c), -ENETUNREACH);
    f->send_result = 0;
    c.print_result = -EMSGSIZE;
    assert_int_equal(caller_start(&c), -EMSGSIZE);
    fixture_pass(f, 40000);
    assert_int_equal(c.done, 0);
    assert_int_equal(f->n_sent, 0);
    assert_int_equal(fixture_counters(f).client_live, 0);
    assert_int_equal(fixture_counters(f).client_started, 0);
    fixture_destroy(f);
}

static void test_errors_later(void **state)
{
    static const struct {
        int send, print;
        unsigned status;
    } cases[] = { { -ENETUNREACH, 0, 503 }, { 0, -EMSGSIZE, 500 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(0, 10);
        struct caller c = caller_on(f);

        assert_int_equal(caller_start(&c), 0);
        f->send_result = cases[i].send;
        c.print_result = cases[i].print;
        fixture_pass(f, 490);
        assert_int_equal(c.done, 0);
        fixture_pass(f, 10);
        assert_int_equal(c.done, 1);
        assert_int_equal(c.status, cases[i].status);
        assert_int_equal(fixture_counters(f).client_errors, 1);
        fixture_destroy(f);
    }
}

static void test_restart_inside_done(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct caller c = caller_on(f);
    uint64_t first;

    (void)state;
    c.restarts = 2;
    assert_int_equal(caller_start(&c), 0);
    first = c.ct.branch;
    respond(f, first, 401, "NOTIFY");
    assert_true(c.ct.running);
    assert_int_not_equal(c.ct.branch, first);
    assert_int_equal(c.ct.sent, 1);
    fixture_pass(f, 32000); /* the second one restarts from the timeout */
    assert_int_equal(c.done, 2);
    assert_int_equal(c.status, 408);
    assert_true(c.ct.running);
    respond(f, c.ct.branch, 200, "NOTIFY");
    assert_int_equal(c.done, 3);
    assert_false(c.ct.running);
    fixture_destroy(f);
}

static void test_free_inside_done(void **state)
{
    (void)state;
    for (unsigned by_timeout = 0; by_timeout < 2; by_timeout++) {
        struct fixture *f = fixture_create(0, 10);
        struct caller *c = calloc(1, sizeof(*c));

        assert_non_null(c);
        c->f = f;
        c->free_when_done = true;
        c->freed = &c;
        assert_int_equal(caller_start(c), 0);
        if (by_timeout)
            fixture_pass(f, 32000);
        else
            respond(f, c->ct.branch, 200, "NOTIFY");
        assert_null(c);
        fixture_destroy(f);
    }
}

/* A connection does its own retransmissions: Timer F alone remains. */
static void test_reliable_flow(void **state)
{
    struct fixture *f = fixture_create(0, 10);
    struct caller c = caller_on(f);

    (void)state;
    f->from.connection = 1;
    assert_int_equal(caller_start(&c), 0);
    fixture_pass(f, 31990);
    assert_int_equal(c.done, 0);
    fixture_pass(f, 10);
    assert_int_equal(c.status, 408);
    assert_int_equal(f->n_sent, 1);
    fixture_destroy(f);
}

static int connect_as_seven(void *ctx, struct flow *flow, struct str host)
{
    assert_int_equal(host.n, 0);
    assert_int_equal(flow->connection, NET_ANY_CONNECTION);
    flow->connection = 7;
    return ((struct fixture *)ctx)->send_result;
}

/* RFC 3261 section 17.1.4: who waits for an answer by a connection that has ended waits no more. */
static void test_lost_connection(void **state)
{
    static const uint32_t others[] = { 3, 8 }, ours[] = { 3, 7 };
    struct fixture *f = fixture_create(0, 10);
    struct caller c = caller_on(f);

    (void)state;
    f->txn->cfg.port.connect = connect_as_seven;
    f->from.connection = NET_ANY_CONNECTION;
    f->from.protocol = NET_TCP;
    f->send_result = -ECONNREFUSED;
    assert_int_equal(caller_start(&c), -ECONNREFUSED);
    f->send_result = 0;
    assert_int_equal(caller_start(&c), 0);
    assert_int_equal(f->sent[0].to.connection, 7);
    txn_connections_lost(f->txn, others, ARRAY_LEN(others));
    fixture_pass(f, 1000);
    assert_int_equal(c.done, 0);
    txn_connections_lost(f->txn, ours, ARRAY_LEN(ours));
    assert_int_equal(c.done, 0); /* never from inside */
    fixture_pass(f, 10);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.status, 503);
    assert_false(c.with_response);
    fixture_destroy(f);
}

static uint32_t connect_next;

static int connect_in_turn(void *ctx, struct flow *flow, struct str host)
{
    (void)ctx;
    (void)host;
    flow->connection = ++connect_next;
    return 0;
}

static int send_nothing(void *ctx, const struct flow *to, struct str bytes)
{
    (void)ctx;
    (void)to;
    (void)bytes;
    return 0;
}

/* As many ends as a server may see, among as many transactions as it may have: looking at all of
 * them for each would take minutes. */
static void test_many_lost_connections(void **state)
{
    enum { MANY = 50000, ENDS = 50000 };
    struct fixture *f = fixture_create(0, 10);
    struct caller *callers = calloc(MANY, sizeof(*callers));

    (void)state;
    assert_non_null(callers);
    connect_next = 0;
    f->txn->cfg.port.connect = connect_in_turn;
    f->txn->cfg.port.send = send_nothing;
    f->from.connection = NET_ANY_CONNECTION;
    for (size_t i = 0; i < MANY; i++) {
        callers[i] = caller_on(f);
        assert_int_equal(caller_start(&callers[i]), 0);
    }
    for (uint32_t i = 1; i <= ENDS; i++)
        txn_connections_lost(f->txn, &(uint32_t){ MANY + i }, 1);
    txn_connections_lost(f->txn, &(uint32_t){ MANY }, 1);
    client_txn_stop(&callers[0].ct);
    txn_connections_lost(f->txn, &(uint32_t){ 1 }, 1);
    fixture_pass(f, 10);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(callers[i].done, i == MANY - 1);
        client_txn_stop(&callers[i].ct);
    }
    free(callers);
    fixture_destroy(f);
}

static bool widen_by_three(void *ctx, struct flow *flow)
{
    if (((struct fixture *)ctx)->narrow)
        return false;
    flow->transport = 3;
    flow->connection = NET_ANY_CONNECTION;
    flow->protocol = NET_TCP;
    return true;
}

/* RFC 3261 section 18.1.1: a long request goes by TCP, and by UDP again when nobody takes it there.
 */
static void test_long_requests(void **state)
{
    static const struct str udp = STR_INIT("\r\nVia: SIP/2.0/UDP "),
                            tcp = STR_INIT("\r\nVia: SIP/2.0/TCP ");
    struct fixture *f = fixture_create(0, 10);
    const uint32_t lost[] = { 7 };
    struct caller c = caller_on(f);

    (void)state;
    f->txn->cfg.port.connect = connect_as_seven;
    f->txn->cfg.port.widen = widen_by_three;
    assert_int_equal(caller_start(&c), 0); /* a short one */
    assert_int_equal(f->sent[0].to.connection, 0);
    client_txn_stop(&c.ct);
    c.more = 1300;
    assert_int_equal(caller_start(&c), 0);
    assert_int_equal(f->sent[1].to.connection, 7);
    assert_int_equal(f->sent[1].to.transport, 3);
    assert_true(str_contains_nocase(f->sent[1].bytes, tcp));
    fixture_pass(f, 5000);
    assert_int_equal(f->n_sent, 2);
    txn_connections_lost(f->txn, lost, ARRAY_LEN(lost));
    fixture_pass(f, 10);
    assert_int_equal(c.done, 0);
    assert_int_equal(f->n_sent, 3);
    assert_int_equal(f->sent[2].to.connection, 0);
    assert_int_equal(f->sent[2].to.transport, f->from.transport);
    assert_true(str_contains_nocase(f->sent[2].bytes, udp));
    client_txn_stop(&c.ct);
    assert_int_equal(caller_start(&c), 0); /* that is known by now */
    assert_int_equal(f->sent[3].to.connection, 0);
    assert_true(str_contains_nocase(f->sent[3].bytes, udp));
    client_txn_stop(&c.ct);
    f->from.remote = fixture_addr("192.0.2.9:5060"); /* of that one */
    assert_int_equal(caller_start(&c), 0);
    assert_int_equal(f->sent[4].to.connection, 7);
    client_txn_stop(&c.ct);
    f->from.remote = fixture_addr("192.0.2.7:5062");
    fixture_pass(f, NARROW_MS); /* it may have changed */
    assert_int_equal(caller_start(&c), 0);
    assert_int_equal(f->sent[5].to.connection, 7);
    client_txn_stop(&c.ct);
    f->narrow = true; /* it is not wanted */
    assert_int_equal(caller_start(&c), 0);
    assert_int_equal(f->sent[6].to.connection, 0);
    assert_true(str_contains_nocase(f->sent[6].bytes, udp));
    client_txn_stop(&c.ct);
    fixture_destroy(f);
}

static void test_branch_of_another_worker(void **state)
{
    struct fixture *f = fixture_create(1, 10);

    (void)state;
    respond(f, UINT64_C(2) << 56 | 77, 200, "NOTIFY");
    assert_int_equal(f->forwarded, 1);
    assert_int_equal(f->forwarded_to, 2);
    respond(f, UINT64_C(1) << 56 | 77, 200, "NOTIFY"); /* ours, unknown: must not go round */
    respond(f, UINT64_C(4) << 56 | 77, 200, "NOTIFY"); /* there are four: 0 to 3 */
    assert_int_equal(f->forwarded, 1);
    assert_int_equal(fixture_counters(f).stray_responses, 2);
    assert_int_equal(fixture_counters(f).forwarded, 1);
    fixture_destroy(f);
}

static void test_branch_text(void **state)
{
    static const struct {
        const char *text;
        bool ours;
    } cases[] = {
        { "z9hG4bKes0300000000000a1f", true },
        { "z9hG4bKesffffffffffffffff", true },
        { "z9hG4bKes0300000000000A1F", false },
        { "z9hG4bKes0300000000000a1", false },
        { "z9hG4bKes0300000000000a1f0", false },
        { "Z9HG4BKes0300000000000a1f", false },
        { "z9hG4bKPj300000000000a1f0", false },
        { "z9hG4bKes 300000000000a1f", false },
        { "", false },
    };
    char storage[BRANCH_LEN];
    uint64_t branch;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(branch_parse(&branch, str_of(cases[i].text)), cases[i].ours);
    assert_true(branch_parse(&branch, branch_print(UINT64_C(0x0300000000000a1f), storage)));
    assert_true(branch == UINT64_C(0x0300000000000a1f));
    assert_int_equal(branch_worker(branch), 3);
}

static void test_via_text(void **state)
{
    struct fixture *f = fixture_create(2, 10);
    struct client_txn ct = { .branch = UINT64_C(0x0200000000000001) };
    char storage[256];
    struct buf b;

    (void)state;
    buf_init_on(&b, storage, sizeof(storage));
    txn_print_via(&ct, STR("192.0.2.1:5060"), true, &b);
    ct.flow.protocol = NET_TCP;
    txn_print_via(&ct, STR("[2001:db8::1]:5080"), false, &b);
    assert_true(
        str_equal(buf_str(&b),
                  STR("Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKes0200000000000001\r\n"
                      "Via: SIP/2.0/TCP [2001:db8::1]:5080;branch=z9hG4bKes0200000000000001\r\n")));
    fixture_destroy(f);
}

static void test_protocol_of_a_uri(void **state)
{
    static const struct {
        const char *uri;
        int protocol; /* -1: none of ours */
    } cases[] = {
        { "sip:a@192.0.2.1", NET_UDP },
        { "sip:a@192.0.2.1;transport=UDP", NET_UDP },
        { "sip:a@192.0.2.1;transport=tcp", NET_TCP },
        { "sip:a@192.0.2.1;lr;transport=TCP", NET_TCP },
        { "sip:a@192.0.2.1;transport=tls", NET_TLS },
        { "sips:a@192.0.2.1", NET_TLS },
        { "sips:a@192.0.2.1;transport=tcp", NET_TLS },
        { "sips:a@192.0.2.1;transport=udp", -1 },
        { "sip:a@192.0.2.1;transport=sctp", -1 },
        { "sip:a@192.0.2.1;transport=", -1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum net_protocol protocol = NET_PROTOCOLS;
        struct sip_uri uri;
        int r;

        assert_int_equal(sip_uri_parse(&uri, str_of(cases[i].uri)), 0);
        r = txn_uri_protocol(&protocol, &uri);
        if (cases[i].protocol < 0)
            assert_int_equal(r, -EPROTONOSUPPORT);
        else
            assert_true(r == 0 && (int)protocol == cases[i].protocol);
    }
}

static void test_tags(void **state)
{
    static const char *const foreign[] = { "",
                                           "es",
                                           "1928301774",
                                           "es0300000000000000011",
                                           "es03000000000000000g",
                                           "esZ30000000000000001",
                                           "as030000000000000001" };
    struct fixture *f = fixture_create(3, 10);
    char a[TXN_TAG_MAX], b[TXN_TAG_MAX];
    struct str first = txn_tag_make(f->txn, a), second = txn_tag_make(f->txn, b);

    (void)state;
    assert_int_equal(txn_tag_worker(first), 3);
    assert_int_equal(txn_tag_worker(second), 3);
    assert_false(str_equal(first, second));
    assert_int_equal(txn_tag_worker(STR("es030000000000000001")), 3);
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        assert_int_equal(txn_tag_worker(str_of(foreign[i])), -1);
    fixture_destroy(f);
}

/* Many at once: each answer finds its own. */
static void test_many(void **state)
{
    enum { N = 2000 };
    struct fixture *f = fixture_create(1, 10);
    struct caller *c = calloc(N, sizeof(*c));

    (void)state;
    assert_non_null(c);
    for (size_t i = 0; i < N; i++) {
        c[i].f = f;
        assert_int_equal(caller_start(&c[i]), 0);
        assert_int_equal(branch_worker(c[i].ct.branch), 1);
    }
    assert_int_equal(fixture_counters(f).client_live, N);
    for (size_t i = N; i-- > 0;)
        respond(f, c[i].ct.branch, 200 + (unsigned)i % 100, "NOTIFY");
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(c[i].done, 1);
        assert_int_equal(c[i].status, 200 + i % 100);
    }
    free(c);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retransmission_times),
        cmocka_unit_test(test_final_answer),
        cmocka_unit_test(test_stop_forgets),
        cmocka_unit_test(test_errors_at_first_sending),
        cmocka_unit_test(test_errors_later),
        cmocka_unit_test(test_restart_inside_done),
        cmocka_unit_test(test_free_inside_done),
        cmocka_unit_test(test_reliable_flow),
        cmocka_unit_test(test_lost_connection),
        cmocka_unit_test(test_many_lost_connections),
        cmocka_unit_test(test_long_requests),
        cmocka_unit_test(test_branch_of_another_worker),
        cmocka_unit_test(test_branch_text),
        cmocka_unit_test(test_via_text),
        cmocka_unit_test(test_protocol_of_a_uri),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
