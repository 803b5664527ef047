// SPDX-License-Identifier: MIT
#include "net/qos_testing.h"
#include "net/stream_testing.h"

#include <netinet/ip.h>
#include <sys/mman.h>

static void check_two_nets(const char *bind_to)
{
    struct bench *b = bench_create();
    struct side phone, server;
    struct flow flow = { .transport = 3, .connection = NET_ANY_CONNECTION }, again;
    int r = side_try(&server, b, 5, bind_to, NET_TCP);

    if (r) {
        net_destroy(server.net);
        bench_destroy(b);
        skip();
    }
    assert_int_equal(side_try(&phone, b, 6, bind_to, NET_TCP), 0);
    server.answer = STR(ANSWER);
    flow.remote = server.local;
    flow.local = phone.local;
    assert_int_equal(net_connect(phone.net, &flow, STR_EMPTY), 0);
    assert_int_equal(net_connection_worker(flow.connection), 6);
    again = (struct flow){ .transport = 3, .connection = NET_ANY_CONNECTION };
    again.remote = server.local;
    assert_int_equal(net_connect(phone.net, &again, STR_EMPTY), 0);
    assert_int_equal(again.connection, flow.connection);
    for (unsigned i = 0; i < 3; i++) /* before it is there, too */
        assert_int_equal(net_send(phone.net, &flow, STR(ONE)), 0);
    UNTIL(&server, (net_flush(phone.net), phone.received == 3));
    assert_int_equal(server.received, 3);
    assert_int_equal(server.last.protocol, NET_TCP);
    assert_int_equal(server.last.transport, 3);
    assert_int_equal(net_connection_worker(server.last.connection), 5);
    assert_true(addr_equal(&server.last.local, &server.local));
    assert_false(addr_equal(&server.last.remote, &phone.local));
    assert_true(addr_equal(&phone.last.local, &phone.local));
    assert_true(addr_equal(&phone.last.remote, &server.local));
    /* A request the other way finds it by its remote. */
    again = server.last;
    again.connection = NET_ANY_CONNECTION;
    assert_int_equal(net_connect(server.net, &again, STR_EMPTY), 0);
    assert_int_equal(again.connection, server.last.connection);
    assert_int_equal(counters(&phone).opened, 1);
    assert_int_equal(counters(&server).opened, 0);
    side_close(&phone);
    UNTIL(&server, (b->added_ms += 100, counters(&server).connections == 0));
    side_close(&server);
    bench_destroy(b);
}

/* Of who listens, whom it accepts and whom it calls. */
static void test_qos(void **state)
{
    static const struct net_stream_options options[] = {
        { .tos = 0x68, .cos = 5 }, { .tos = 0x68 }, { .cos = 6 }, { .cos = 0 }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct net_stream_options *o = &options[i];
        struct flow flow = { .transport = 3, .connection = NET_ANY_CONNECTION };
        struct bench *b = bench_create();
        struct side sides[2];

        for (unsigned k = 0; k < 2; k++) {
            struct qos q = { .sockets = 0 };

            assert_int_equal(side_try(&sides[k], b, 5 + k, "127.0.0.1", NET_TCP), 0);
            assert_int_equal(net_stream_set(sides[k].net, 3, STR("a"), &options[0]), 0);
            assert_int_equal(net_stream_set(sides[k].net, 3, STR("a"), o), 0);
            net_each_socket(sides[k].net, qos_read, &q);
            assert_int_equal(q.sockets, 1);
            assert_int_equal(q.tos, o->tos);
            assert_int_equal(q.priority, o->cos);
        }
        sides[0].answer = STR(ANSWER);
        flow.remote = sides[0].local;
        assert_int_equal(net_connect(sides[1].net, &flow, STR_EMPTY), 0);
        assert_int_equal(net_send(sides[1].net, &flow, STR(ONE)), 0);
        UNTIL(&sides[0], (net_flush(sides[1].net), sides[1].received == 1));
        for (unsigned k = 0; k < 2; k++) {
            struct qos q = { .sockets = 0 };

            net_each_connection(sides[k].net, qos_read, &q);
            assert_int_equal(q.sockets, 1);
            assert_int_equal(q.tos, o->tos);
            if (o->cos || !o->tos) /* else it is the kernel's */
                assert_int_equal(q.priority, o->cos);
        }
        side_close(&sides[1]);
        UNTIL(&sides[0], (b->added_ms += 100, counters(&sides[0]).connections == 0));
        side_close(&sides[0]);
        bench_destroy(b);
    }
}

static void test_two_nets(void **state)
{
    (void)state;
    check_two_nets("127.0.0.1");
    check_two_nets("::1");
}

static void test_pieces(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    side_open(&s, b);
    s.answer = STR(ANSWER);
    fd = plug(&s);
    for (size_t i = 0; i < sizeof(ONE) - 1; i++) {
        put(fd, (struct str){ &ONE[i], 1 });
        turn(&s);
    }
    expect(&s, fd, STR(ANSWER));
    put(fd, STR("\r\n\r\n" ONE ONE START));
    expect(&s, fd, STR("\r\n" ANSWER ANSWER));
    put(fd, STR("l: 1\r\n\r\nx" ONE));
    expect(&s, fd, STR(ANSWER ANSWER));
    assert_int_equal(s.received, 5);
    assert_int_equal(s.bytes, 4 * (sizeof(ONE) - 1) + sizeof(START "l: 1\r\n\r\nx") - 1);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

static void test_trace(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    char text[2000];
    ssize_t n;
    int fd, log_fd = memfd_create("log", MFD_CLOEXEC);

    (void)state;
    log_destroy(b->log);
    assert_int_equal(log_create(&b->log, log_fd, LOG_LEVEL_ERROR, &clock_system), 0);
    side_open(&s, b);
    s.answer = STR(ANSWER);
    net_trace_set(s.net, true, NULL, 0);
    fd = plug(&s);
    put(fd, STR(ONE));
    expect(&s, fd, STR(ANSWER));
    n = pread(log_fd, text, sizeof(text), 0);
    assert_true(n > 0);
    assert_non_null(memmem(text, (size_t)n, "received from 127.0.0.1:", 24));
    assert_non_null(memmem(text, (size_t)n, "sent to 127.0.0.1:", 18));
    assert_non_null(memmem(text, (size_t)n, " tcp, transport ", 16));
    assert_null(memmem(text, (size_t)n, " udp, ", 6));
    close(fd);
    side_close(&s);
    bench_destroy(b);
    close(log_fd);
}

/* The last answer can be read, then comes the end, whatever else had been sent. */
static void test_broken(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    side_open(&s, b);
    s.answer = STR(ANSWER);
    fd = plug(&s);
    put(fd, STR(ONE START "l: 70000\r\n\r\n"));
    put(fd, STR(ONE ONE ONE));
    expect(&s, fd, STR(ANSWER ANSWER));
    assert_int_equal(s.received, 1);
    assert_int_equal(s.broken, 1);
    assert_int_equal(s.fault.status, 513);
    expect_end(&s, fd);
    close(fd);
    UNTIL(&s, s.n_lost == 1);
    assert_int_equal(s.lost[0], s.last.connection);
    assert_int_equal(counters(&s).lost_broken, 1);
    side_close(&s);
    bench_destroy(b);
}

/* Who has ended its side is still answered, but not asked. */
static void test_half_close(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    side_open(&s, b);
    fd = plug(&s);
    put(fd, STR(ONE START));
    shutdown(fd, SHUT_WR);
    UNTIL(&s, s.received == 1 && net_send(s.net, &s.last, STR(ONE)) == -ENOTCONN);
    UNTIL(&s, s.n_lost == 1);
    assert_int_equal(net_send(s.net, &s.last, STR(ANSWER)), 0);
    expect(&s, fd, STR(ANSWER));
    assert_int_equal(counters(&s).connections, 1);
    b->added_ms += 5000;
    expect_end(&s, fd);
    assert_int_equal(counters(&s).lost_late, 0);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* Requests have to wait, answers are as many as were asked for, and there is an end to both. */
static void test_reads_nothing(void **state)
{
    static char large[32768] = ANSWER;
    struct bench *b = bench_create();
    struct side s;
    unsigned sent = 0;
    int fd, r;

    (void)state;
    memset(large + sizeof(ANSWER) - 1, 'x', sizeof(large) - sizeof(ANSWER) + 1);
    side_open(&s, b);
    fd = plug(&s);
    put(fd, STR(ONE));
    UNTIL(&s, s.received == 1);
    do {
        struct str request = { large + 1, sizeof(large) - 1 };

        r = net_send(s.net, &s.last, request);
        turn(&s);
    } while (r == 0 && ++sent < 1000);
    assert_int_equal(r, -EAGAIN);
    assert_in_range(sent, 1048576 / 32768, 300);
    assert_int_equal(net_send(s.net, &s.last, STR(ANSWER)), 0);
    for (sent = 0; r != -ENOTCONN && sent < 1000; sent++)
        r = net_send(s.net, &s.last, (struct str){ large, sizeof(large) });
    assert_in_range(sent, 20, 40);
    assert_int_equal(counters(&s).lost_slow, 1);
    assert_int_equal(counters(&s).connections, 0);
    UNTIL(&s, s.n_lost == 1);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* What waits must go on within a time. */
static void test_reads_slowly(void **state)
{
    static char large[32768];
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    side_open(&s, b);
    fd = plug(&s);
    put(fd, STR(ONE));
    UNTIL(&s, s.received == 1);
    while (net_send(s.net, &s.last, (struct str){ large, sizeof(large) }) == 0)
        turn(&s);
    for (unsigned i = 0; i < 3; i++) {
        size_t got = 0;
        bool end;

        b->added_ms += 15000;
        UNTIL(&s, (got += take(&s, fd, large, sizeof(large), &end)) > 900000);
        assert_int_equal(counters(&s).connections, 1);
        while (net_send(s.net, &s.last, (struct str){ large, sizeof(large) }) == 0)
            turn(&s);
    }
    b->added_ms += 21000;
    UNTIL(&s, counters(&s).lost_slow == 1);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* Who takes a little again and again is given up all the same. */
static void test_reads_by_drops(void **state)
{
    static char large[32768];
    struct bench *b = bench_create();
    unsigned rounds;
    struct side s;
    int fd, small = 65536;

    (void)state;
    side_open(&s, b);
    fd = plug(&s);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    put(fd, STR(ONE));
    UNTIL(&s, s.received == 1);
    while (net_send(s.net, &s.last, (struct str){ large, sizeof(large) }) == 0)
        turn(&s);
    for (rounds = 0; rounds < 8 && !counters(&s).lost_slow; rounds++) {
        uint64_t sent = counters(&s).sent_bytes;
        bool end;

        UNTIL(&s, (take(&s, fd, large, sizeof(large), &end), counters(&s).sent_bytes > sent));
        b->added_ms += 15000;
        turn(&s);
    }
    assert_in_range(rounds, 4, 5);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

static struct flow greet(struct side *s, int fd)
{
    size_t before = s->received;

    put(fd, STR(ONE));
    UNTIL(s, s->received == before + 1);
    return s->last;
}

/* All who do not read have one bound, also for the first thing that is sent to them; over it goes
 * whom it has waited for longest, and who reads is told everything. */
static void test_many_read_nothing(void **state)
{
    static char large[32768];
    const struct str request = { large, sizeof(large) };
    enum { HELD_MAX = 80000 }; /* of two of these what the kernel does not take */
    struct bench *b = bench_create();
    struct net_config cfg;
    struct flow flows[CONNECTIONS_MAX - 1], last;
    struct side s;
    int fds[CONNECTIONS_MAX - 1], reader;
    size_t waits = 0;

    (void)state;
    cfg = usual(&s, b, 5);
    cfg.held_max = HELD_MAX;
    assert_int_equal(side_create(&s, b, &cfg, "127.0.0.1", NET_TCP), 0);
    reader = plug(&s);
    last = greet(&s, reader);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = plug(&s);
        flows[i] = greet(&s, fds[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++, waits = net_unsent(s.net)) {
        assert_int_equal(counters(&s).lost_slow, 0);
        while (net_unsent(s.net) == waits && !counters(&s).lost_slow) {
            assert_int_equal(net_send(s.net, &flows[i], request), 0);
            assert_true(net_unsent(s.net) <= HELD_MAX);
            net_flush(s.net);
        }
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(net_send(s.net, &last, STR(ANSWER ANSWER)), 0);
            expect(&s, reader, STR(ANSWER ANSWER));
        }
    }
    assert_int_equal(counters(&s).lost_slow, 1);
    assert_int_equal(s.n_lost, 1);
    assert_int_equal(s.lost[0], flows[0].connection);
    net_close(s.net, 3);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    close(reader);
    side_close(&s);
    bench_destroy(b);
}

/* What is sent while a message is received may end the connection; the message stays. */
static void on_receive_and_lose(void *ctx, const struct flow *from, struct str message)
{
    static char large[65536] = ANSWER;
    struct side *s = ctx;

    memset(large + sizeof(ANSWER) - 1, 'x', sizeof(large) - sizeof(ANSWER) + 1);
    while (s->received++ == 0 || net_send(s->net, from, (struct str){ large, 65000 }) == 0)
        ;
    s->bytes += message.n;
    assert_true(str_ends(message, STR("abc")));
}

static void test_lost_while_received(void **state)
{
    struct bench *b = bench_create();
    struct net_config cfg;
    struct side s;
    int fd;

    (void)state;
    cfg = usual(&s, b, 5);
    cfg.receive = on_receive_and_lose;
    assert_int_equal(side_create(&s, b, &cfg, "127.0.0.1", NET_TCP), 0);
    fd = plug(&s);
    put(fd, STR(START));
    turn(&s);
    put(fd, STR("Content-Length: 3\r\n\r\nabc"));
    UNTIL(&s, s.bytes == sizeof(ONE) - 1);
    assert_int_equal(counters(&s).lost_slow, 1);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

static void test_patience(void **state)
{
    static const struct {
        struct str first, later; /* what comes, and 15 s afterwards */
        bool late;               /* it is over after another 10 s */
    } cases[] = {
        { STR_INIT(""), STR_INIT(""), true },
        { STR_INIT(""), STR_INIT(ONE), false },
        { STR_INIT("\r\n\r\n"), STR_INIT(""), false },
        { STR_INIT(ONE), STR_INIT(""), false },
        { STR_INIT(ONE START), STR_INIT("l: "), true }, /* a little more is not enough */
        { STR_INIT(ONE START), STR_INIT("l: 0\r\n\r\n" START), false },
        { STR_INIT(ONE START), STR_INIT("l: 0\r\n\r\n"), false },
    };
    struct bench *b = bench_create();
    struct side s;

    (void)state;
    side_open(&s, b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t before = counters(&s).received_bytes, late = counters(&s).lost_late;
        size_t n = cases[i].first.n, more = n + cases[i].later.n;
        int fd = plug(&s);

        put(fd, cases[i].first);
        UNTIL(&s, counters(&s).received_bytes == before + n);
        b->added_ms += 15000;
        turn(&s);
        assert_int_equal(counters(&s).connections, 1);
        put(fd, cases[i].later);
        UNTIL(&s, counters(&s).received_bytes == before + more);
        b->added_ms += 10000;
        for (unsigned k = 0; k < 20; k++)
            turn(&s);
        assert_int_equal(counters(&s).lost_late - late, cases[i].late);
        assert_int_equal(counters(&s).connections, !cases[i].late);
        close(fd);
        UNTIL(&s, (b->added_ms += 1000, counters(&s).connections == 0));
        s.n_lost = 0;
    }
    side_close(&s);
    bench_destroy(b);
}

static void test_keep_alive(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    side_open(&s, b);
    fd = plug(&s);
    put(fd, STR(ONE));
    UNTIL(&s, s.received == 1);
    for (unsigned i = 1; i < 5; i++) {
        b->added_ms += KEEP_ALIVE_MS;
        expect(&s, fd, STR("\r\n\r\n"));
        put(fd, STR("\r\n"));
        UNTIL(&s, counters(&s).pongs == i);
    }
    net_limits_set(s.net, &(struct net_limits){ CONNECTIONS_MAX, IDLE_MS, 0 });
    b->added_ms += IDLE_MS;
    expect_end(&s, fd);
    assert_int_equal(counters(&s).pings, 4);
    assert_int_equal(counters(&s).lost_idle, 1);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* Of a transport that is gone: who has nothing more to say, and who comes meanwhile. */
static void test_leaving(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fds[2];

    (void)state;
    side_open(&s, b);
    s.answer = STR(ANSWER);
    fds[0] = plug(&s);
    put(fds[0], STR(ONE));
    UNTIL(&s, s.received == 1);
    expect(&s, fds[0], STR(ANSWER));
    net_leave(s.net, 3);
    b->added_ms += 3000;
    turn(&s);
    put(fds[0], STR(ONE));
    fds[1] = plug(&s);
    UNTIL(&s, s.received == 2);
    expect(&s, fds[0], STR(ANSWER));
    b->added_ms += 3000;
    turn(&s);
    assert_int_equal(counters(&s).connections, 2);
    b->added_ms += 2000;
    expect_end(&s, fds[0]);
    expect_end(&s, fds[1]);
    assert_int_equal(counters(&s).connections, 0);
    assert_int_equal(counters(&s).lost_idle, 0);
    assert_int_equal(s.n_lost, 2);
    close(fds[0]);
    close(fds[1]);
    side_close(&s);
    bench_destroy(b);
}

/* Sooner than somebody is given up who never speaks: the first one, too. */
static void test_keep_alive_of_seconds(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    side_open(&s, b);
    net_limits_set(s.net, &(struct net_limits){ CONNECTIONS_MAX, IDLE_MS, 3000 });
    fd = plug(&s);
    put(fd, STR(ONE));
    UNTIL(&s, s.received == 1);
    for (unsigned i = 1; i < 4; i++) {
        b->added_ms += 3000;
        expect(&s, fd, STR("\r\n\r\n"));
        put(fd, STR("\r\n"));
        UNTIL(&s, counters(&s).pongs == i);
    }
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* Whoever began first goes, and nobody who sends whole messages. */
static void test_unfinished(void **state)
{
    static const struct str head = STR_INIT(START "Content-Length: 9000\r\n\r\n");
    static char more[3000];
    const struct str piece = { more, sizeof(more) };
    struct bench *b = bench_create();
    struct net_config cfg;
    struct side s;
    int first, second, whole, third;

    (void)state;
    memset(more, 'x', sizeof(more));
    cfg = usual(&s, b, 5);
    cfg.held_max = 20000;
    assert_int_equal(side_create(&s, b, &cfg, "127.0.0.1", NET_TCP), 0);
    s.answer = STR(ANSWER);
    whole = plug(&s);
    first = plug(&s);
    second = plug(&s);
    third = plug(&s);
    feed(&s, whole, STR(START));
    feed(&s, first, STR(ONE));
    feed(&s, first, head); /* what it claims is made room for */
    feed(&s, second, STR(START "Subject: "));
    feed(&s, first, piece);
    feed(&s, second, piece);
    feed(&s, whole, STR("Content-Length: 3\r\n\r\nabc" ONE START)); /* the last one is young */
    assert_int_equal(counters(&s).lost_unfinished, 0);
    feed(&s, third, head);
    assert_int_equal(counters(&s).lost_unfinished, 1);
    expect(&s, first, STR(ANSWER));
    expect_end(&s, first);
    feed(&s, whole, STR("Content-Length: 3\r\n\r\nabc" START));
    expect(&s, whole, STR(ANSWER ANSWER ANSWER));
    feed(&s, second, piece);
    assert_int_equal(counters(&s).lost_unfinished, 1);
    put(second, piece); /* there is room for it alone no more, and it is the oldest */
    UNTIL(&s, counters(&s).lost_unfinished == 2);
    UNTIL(&s, is_over(&s, second));
    for (unsigned i = 0; i < 3; i++)
        feed(&s, third, piece);
    UNTIL(&s, s.received == 5); /* 9000 of them */
    feed(&s, whole, STR("Content-Length: 3\r\n\r\nabc"));
    assert_int_equal(s.received, 6);
    assert_int_equal(counters(&s).connections, 2);
    close(first);
    close(second);
    close(whole);
    close(third);
    side_close(&s);
    bench_destroy(b);
}

static void test_limit(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int fds[CONNECTIONS_MAX], more = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    side_open(&s, b);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        fds[i] = plug(&s);
    assert_int_equal(connect(more, &s.local.sa, addr_socklen(&s.local)), 0);
    UNTIL(&s, counters(&s).refused == 1);
    expect_end(&s, more);
    close(more);
    close(fds[0]);
    UNTIL(&s, (b->added_ms += 100, counters(&s).connections == CONNECTIONS_MAX - 1));
    fds[0] = plug(&s);
    put(fds[0], STR(ONE));
    UNTIL(&s, s.received == 1);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        close(fds[i]);
    side_close(&s);
    bench_destroy(b);
}

static int admit_one(void *ctx, const struct addr *remote)
{
    struct side *s = ctx;

    assert_true(addr_equal_host(remote, &s->local));
    return s->admitted++ ? -EDQUOT : 0;
}

static void dismiss_one(void *ctx, const struct addr *remote)
{
    (void)remote;
    ((struct side *)ctx)->admitted = 0;
}

static void test_not_admitted(void **state)
{
    struct bench *b = bench_create();
    struct net_config cfg;
    struct side s;
    int fd, more = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    cfg = usual(&s, b, 5);
    cfg.admit = admit_one;
    cfg.dismiss = dismiss_one;
    assert_int_equal(side_create(&s, b, &cfg, "127.0.0.1", NET_TCP), 0);
    fd = plug(&s);
    assert_int_equal(connect(more, &s.local.sa, addr_socklen(&s.local)), 0);
    UNTIL(&s, counters(&s).refused_source == 1);
    expect_end(&s, more);
    assert_int_equal(s.admitted, 2);
    close(more);
    close(fd);
    UNTIL(&s, (b->added_ms += 100, s.admitted == 0));
    fd = plug(&s);
    assert_int_equal(counters(&s).refused, 0);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* A number is another one's some day. */
static void test_whom_it_means(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    struct flow other;
    int fd;

    (void)state;
    side_open(&s, b);
    fd = plug(&s);
    put(fd, STR(ONE));
    UNTIL(&s, s.received == 1);
    other = s.last;
    addr_port_set(&other.remote, 1);
    assert_int_equal(net_send(s.net, &other, STR(ANSWER)), -ENOTCONN);
    other = s.last;
    other.connection += 1u << 24;
    assert_int_equal(net_send(s.net, &other, STR(ANSWER)), -ENOTCONN);
    other.connection = NET_NO_CONNECTION;
    assert_int_equal(net_send(s.net, &other, STR(ANSWER)), -ENOTCONN);
    other.transport = 2;
    assert_int_equal(net_connect(s.net, &other, STR_EMPTY), -EINVAL);
    assert_int_equal(net_send(s.net, &s.last, STR(ANSWER)), 0);
    close(fd);
    net_close(s.net, 3);
    turn(&s);
    assert_int_equal(s.n_lost, 1);
    assert_int_equal(net_send(s.net, &s.last, STR(ANSWER)), -ENOTCONN);
    side_close(&s);
    bench_destroy(b);
}

static void test_nobody_there(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    struct addr nobody;
    const struct net_udp_spec spec = { .bind = address("127.0.0.1") };
    struct flow flow = { .transport = 3, .connection = NET_ANY_CONNECTION };
    int fd, r;

    (void)state;
    side_open(&s, b);
    assert_int_equal(net_bind_stream(&fd, &spec, &nobody), 0);
    close(fd);
    flow.remote = nobody;
    r = net_connect(s.net, &flow, STR_EMPTY);
    if (r == 0) {
        assert_int_equal(net_send(s.net, &flow, STR(ONE)), 0);
        UNTIL(&s, s.n_lost == 1);
        assert_int_equal(s.lost[0], flow.connection);
        assert_int_equal(net_send(s.net, &flow, STR(ONE)), -ENOTCONN);
    } else {
        assert_int_equal(r, -ECONNREFUSED);
    }
    flow.remote = address("::1");
    assert_int_equal(net_connect(s.net, &flow, STR_EMPTY), -EAFNOSUPPORT);
    side_close(&s);
    bench_destroy(b);
}

/* Somebody else who listens is found, whatever the kernel remembers of a former process. */
static void test_listening(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    struct net_udp_spec spec = { .sharers = 0 };
    struct addr local;
    int fd, other;

    (void)state;
    side_open(&s, b);
    spec.bind = s.local;
    assert_int_equal(net_bind_stream(&fd, &spec, &local), -EADDRINUSE);
    spec.sharers = 2;
    assert_int_equal(net_bind_stream(&fd, &spec, &local), 0);
    close(fd);
    other = plug(&s);
    side_close(&s); /* we end first: the kernel remembers it */
    uv_run(&b->loop.uv, UV_RUN_NOWAIT);
    close(other);
    spec.sharers = 0;
    assert_int_equal(net_bind_stream(&fd, &spec, &local), 0);
    close(fd);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_nets),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_reads_nothing),
        cmocka_unit_test(test_reads_slowly),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_keep_alive_of_seconds),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_whom_it_means),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_listening),
        cmocka_unit_test(test_reads_by_drops),
        cmocka_unit_test(test_lost_while_received),
        cmocka_unit_test(test_not_admitted),
        cmocka_unit_test(test_qos),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_many_read_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
