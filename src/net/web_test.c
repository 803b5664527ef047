// SPDX-License-Identifier: MIT
/* WebSocket on connections: what comes by it and goes out by it, and how it ends. */
#include <assert.h>

#include "net/stream_testing.h"
#include "net/websocket.h"

#define REQUEST                                                                    \
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Protocol: sip\r\n\r\n"
#define ACCEPTED                                                                        \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
/* Masked with zeros, which change nothing. */
#define MASK "\0\0\0\0"
#define SHORT "OPTIONS sip:a SIP/2.0\r\n\r\n" /* without Content-Length: RFC 7118 section 5 */
#define MESSAGE "\x81\x99" MASK SHORT
#define ANSWERED "\x81\x18" ANSWER

static void web_open(struct side *s, struct bench *b)
{
    assert_int_equal(side_try(s, b, 5, "127.0.0.1", NET_WS), 0);
}

static int browse(struct side *s)
{
    int fd = plug(s);

    put(fd, STR(REQUEST));
    expect(s, fd, STR(ACCEPTED));
    return fd;
}

static void test_messages(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    char last[8];
    int fd;

    (void)state;
    static_assert(sizeof(SHORT) - 1 == 0x19 && sizeof(ANSWER) - 1 == 0x18, "lengths");
    web_open(&s, b);
    s.answer = STR(ANSWER);
    fd = browse(&s);
    put(fd, STR(MESSAGE));
    expect(&s, fd, STR(ANSWERED));
    assert_int_equal(s.bytes, sizeof(SHORT) - 1);
    assert_int_equal(s.last.protocol, NET_WS);
    put(fd, STR(MESSAGE MESSAGE "\x01\x88" MASK "OPTIONS "));
    expect(&s, fd, STR(ANSWERED ANSWERED));
    put(fd, STR("\x89\x83" MASK "abc\x80\x8d" MASK "sip:a SIP/2.0"));
    expect(&s, fd,
           STR("\x8a\x03"
               "abc" ANSWERED));
    put(fd, STR("\x81\x84" MASK "\r\n\r\n\x81\x82" MASK "\r\n\x81\x80" MASK));
    expect(&s, fd, STR("\x81\x02\r\n"));
    assert_int_equal(s.received, 4);
    s.answer = STR("SIP/2.0 200 \xff\r\n\r\n"); /* a text has to be UTF-8 */
    put(fd, STR("\x82\x99" MASK SHORT));
    expect(&s, fd, STR("\x82\x11SIP/2.0 200 \xff\r\n\r\n"));
    assert_int_equal(counters(&s).websockets, 1);
    side_close(&s);
    uv_run(&b->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(recv(fd, last, sizeof(last), 0), 4); /* going away */
    assert_memory_equal(last, "\x88\x02\x03\xe9", 4);
    close(fd);
    bench_destroy(b);
}

static void test_pieces(void **state)
{
    static const char stream[] = REQUEST MESSAGE;
    struct bench *b = bench_create();
    struct side s;
    int fd;

    (void)state;
    web_open(&s, b);
    s.answer = STR(ANSWER);
    fd = plug(&s);
    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        put(fd, (struct str){ &stream[i], 1 });
        turn(&s);
    }
    expect(&s, fd, STR(ACCEPTED ANSWERED));
    close(fd);
    fd = plug(&s);
    put(fd, STR(REQUEST MESSAGE)); /* all at once */
    expect(&s, fd, STR(ACCEPTED ANSWERED));
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* Whoever is refused reads why, and then the end. */
static void test_refused(void **state)
{
    static const struct {
        struct str sent, answer;
    } cases[] = {
        { STR_INIT("POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
          STR_INIT("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n"
                   "Content-Type: text/plain\r\nContent-Length: 25\r\n\r\n"
                   "The method has to be GET\n") },
        { STR_INIT("OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n"),
          STR_INIT("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                   "Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n"
                   "This is no HTTP request\n") },
    };
    struct bench *b = bench_create();
    char *large = malloc(WEBSOCKET_REQUEST_MAX);
    struct side s;
    int fd;

    (void)state;
    assert_non_null(large);
    web_open(&s, b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fd = plug(&s);
        put(fd, cases[i].sent);
        expect(&s, fd, cases[i].answer);
        expect_end(&s, fd);
        close(fd);
    }
    memset(large, 'A', WEBSOCKET_REQUEST_MAX);
    fd = plug(&s);
    put(fd, (struct str){ large, WEBSOCKET_REQUEST_MAX });
    expect(&s, fd,
           STR("HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n"
               "Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n"
               "The request is too long\n"));
    expect_end(&s, fd);
    close(fd);
    free(large);
    UNTIL(&s, counters(&s).connections == 0);
    assert_int_equal(counters(&s).websockets_refused, 3);
    assert_int_equal(s.received, 0);
    side_close(&s);
    bench_destroy(b);
}

static void test_violations(void **state)
{
    static const struct {
        struct str sent, answer;
    } cases[] = {
        { STR_INIT("\x81\x01x"), STR_INIT("\x88\x02\x03\xea") },
        { STR_INIT("\x81\x81" MASK "\xff"), STR_INIT("\x88\x02\x03\xef") },
        { STR_INIT("\x82\xff\0\0\0\0\0\1\0\0" MASK), STR_INIT("\x88\x02\x03\xf1") },
        /* what comes after it is not looked at */
        { STR_INIT("\x80\x80" MASK MESSAGE), STR_INIT("\x88\x02\x03\xea") },
        { STR_INIT("\x88\x82" MASK "\x03\xe8" MESSAGE), STR_INIT("\x88\x02\x03\xe8") },
        { STR_INIT("\x88\x80" MASK), STR_INIT("\x88\0") },
    };
    struct bench *b = bench_create();
    struct side s;

    (void)state;
    web_open(&s, b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = browse(&s);

        put(fd, cases[i].sent);
        expect(&s, fd, cases[i].answer);
        expect_end(&s, fd);
        close(fd);
        UNTIL(&s, counters(&s).connections == 0);
    }
    assert_int_equal(s.received, 0);
    assert_int_equal(counters(&s).lost_broken, 4);
    /* A peer that closes is told at its close frame, and at its end. */
    assert_int_equal(s.n_lost, 8);
    side_close(&s);
    bench_destroy(b);
}

static void advance(struct side *s, uint64_t ms)
{
    s->bench->added_ms += ms;
    turn(s);
}

static void test_patience(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    int slow, silent, midway, fine;

    (void)state;
    web_open(&s, b);
    slow = plug(&s);
    silent = plug(&s);
    midway = browse(&s);
    fine = browse(&s);
    for (unsigned i = 0; i < 21; i++) { /* seconds */
        put(slow, STR("G"));
        put(midway, i ? STR("\x89\x80" MASK) : STR("\x01\x81" MASK "a")); /* and is answered */
        put(fine, STR("\x89\x80" MASK "\x89"));                           /* half of one */
        turn(&s);
        put(fine, STR("\x80" MASK));
        advance(&s, 1000);
    }
    UNTIL(&s, counters(&s).connections == 1);
    assert_int_equal(counters(&s).lost_late, 3);
    advance(&s, KEEP_ALIVE_MS);
    UNTIL(&s, counters(&s).pings == 1);
    put(fine, STR("\x8a\x80" MASK "\x8a\x80" MASK));
    UNTIL(&s, counters(&s).pongs == 1);
    advance(&s, IDLE_MS);
    UNTIL(&s, counters(&s).lost_idle == 1);
    close(slow);
    close(silent);
    close(midway);
    close(fine);
    side_close(&s);
    bench_destroy(b);
}

/* Who sends pings and reads nothing. */
static void test_reads_nothing(void **state)
{
    struct bench *b = bench_create();
    static const char ping[131] = "\x89\xfd" MASK;
    static char pings[500 * sizeof(ping)];
    struct side s;
    size_t sent = 0, most = 0;
    int fd;

    (void)state;
    web_open(&s, b);
    for (size_t i = 0; i < sizeof(pings); i++)
        pings[i] = ping[i % sizeof(ping)];
    fd = browse(&s);
    for (unsigned rounds = 0; rounds < 200; rounds++) { /* 13 MB */
        ssize_t r = send(fd, pings + sent, sizeof(pings) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        sent = r > 0 ? (sent + (size_t)r) % sizeof(pings) : sent;
        turn(&s);
        most = net_unsent(s.net) > most ? net_unsent(s.net) : most;
    }
    assert_in_range(most, (1 << 20) - 200, 1 << 20);
    for (unsigned i = 0; i < 22; i++)
        advance(&s, 1000);
    UNTIL(&s, counters(&s).lost_slow == 1);
    assert_int_equal(net_unsent(s.net), 0);
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

/* Neither fragments nor pings make a message younger. */
static void test_unfinished(void **state)
{
    static const struct str begun = STR_INIT("\x01\x88" MASK "OPTIONS ");
    struct bench *b = bench_create();
    struct net_config cfg;
    struct side s;
    int first, second, third;

    (void)state;
    cfg = usual(&s, b, 5);
    cfg.held_max = 2500; /* two that have just begun */
    assert_int_equal(side_create(&s, b, &cfg, "127.0.0.1", NET_WS), 0);
    s.answer = STR(ANSWER);
    first = browse(&s);
    second = browse(&s);
    third = browse(&s);
    feed(&s, first, begun);
    feed(&s, second, begun);
    feed(&s, first, STR("\x89\x80" MASK "\0\x85" MASK "sip:a"));
    expect(&s, first, STR("\x8a\0"));
    feed(&s, second, STR("\x80\x92" MASK "sip:a SIP/2.0\r\n\r\n\r" MESSAGE));
    expect(&s, second, STR(ANSWERED ANSWERED));
    feed(&s, second, begun);
    assert_int_equal(counters(&s).lost_unfinished, 0);
    feed(&s, third, begun);
    assert_int_equal(counters(&s).lost_unfinished, 1);
    expect_end(&s, first);
    assert_int_equal(counters(&s).connections, 2);
    close(first);
    close(second);
    close(third);
    side_close(&s);
    bench_destroy(b);
}

/* ---- who is found, and handed on ---- */

static void test_never_opened(void **state)
{
    struct bench *b = bench_create();
    struct flow flow = { .transport = 3, .connection = NET_ANY_CONNECTION };
    struct addr peer;
    struct side s;
    socklen_t len = sizeof(peer);
    int fd;

    (void)state;
    web_open(&s, b);
    flow.remote = s.local;
    assert_int_equal(net_connect(s.net, &flow, STR_EMPTY), -EPROTONOSUPPORT);
    fd = plug(&s);
    assert_int_equal(getsockname(fd, &peer.sa, &len), 0);
    flow.remote = peer;
    assert_int_equal(net_connect(s.net, &flow, STR_EMPTY), 0);
    assert_int_equal(net_send(s.net, &flow, STR(ONE)), -ENOTCONN); /* it speaks HTTP still */
    put(fd, STR(REQUEST));
    expect(&s, fd, STR(ACCEPTED));
    assert_int_equal(net_send(s.net, &flow, STR(ONE)), 0);
    expect(&s, fd, STR("\x81\x2f" ONE));
    close(fd);
    side_close(&s);
    bench_destroy(b);
}

struct handed {
    int fds[CONNECTIONS_MAX];
    size_t n;
};

static void on_each(void *ctx, struct str id, int fd)
{
    struct handed *h = ctx;

    (void)id;
    assert_true(h->n < CONNECTIONS_MAX);
    h->fds[h->n++] = dup(fd);
}

/* Between two frames, and not before the first, nor within a message. */
static void test_handed_on(void **state)
{
    struct bench *b = bench_create();
    struct handed handed = { .n = 0 };
    struct side former, s;
    int idle, early, midway;

    (void)state;
    web_open(&former, b);
    former.answer = STR(ANSWER);
    early = plug(&former);
    midway = browse(&former);
    put(midway, STR(MESSAGE "\x01\x80" MASK));
    expect(&former, midway, STR(ANSWERED));
    idle = browse(&former);
    net_each_connection(former.net, on_each, &handed);
    assert_int_equal(handed.n, 1);
    web_open(&s, b);
    s.answer = STR(ANSWER);
    assert_int_equal(net_adopt_connection(s.net, 3, handed.fds[0]), 0);
    net_pause(former.net, true);
    put(idle, STR(MESSAGE));
    expect(&s, idle, STR(ANSWERED));
    close(idle);
    close(early);
    close(midway);
    side_close(&former);
    side_close(&s);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),     cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_violations),
        cmocka_unit_test(test_patience),     cmocka_unit_test(test_reads_nothing),
        cmocka_unit_test(test_never_opened), cmocka_unit_test(test_handed_on),
        cmocka_unit_test(test_unfinished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
