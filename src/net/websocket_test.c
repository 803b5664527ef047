// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/websocket.h"

/* ---- frames ---- */

enum how { MASKED, BARE, IN_16, IN_64, HUGE_64, NEGATIVE_64 };

struct piece { /* a frame; the last of a list has no payload, not even an empty one */
    unsigned first;
    struct str payload;
    enum how how;
};
#define P(first, text)                \
    {                                 \
        first, STR_INIT(text), MASKED \
    }

/* As a client would send it. */
static void print_piece(struct buf *out, const struct piece *p)
{
    static const char mask[4] = { 0x37, (char)0xfa, 0x21, 0x3d };
    static const unsigned char huge[8] = { 0, 0, 0, 1 }, negative[8] = { 0x80 };
    unsigned masked = p->how == BARE ? 0 : 0x80;
    size_t n = p->payload.n;

    buf_add_char(out, (char)p->first);
    if (p->how >= IN_64) {
        buf_add_char(out, (char)(masked | 127));
        for (int i = 0; i < 8; i++)
            buf_add_char(out, (char)(p->how == HUGE_64       ? huge[i]
                                     : p->how == NEGATIVE_64 ? negative[i]
                                                             : (int)(n >> 8 * (7 - i))));
    } else if (n > 125 || p->how == IN_16) {
        buf_add_char(out, (char)(masked | 126));
        buf_add_char(out, (char)(n >> 8));
        buf_add_char(out, (char)n);
    } else {
        buf_add_char(out, (char)(masked | n));
    }
    if (masked)
        buf_add(out, (struct str){ mask, sizeof(mask) });
    for (size_t i = 0; i < n; i++)
        buf_add_char(out, masked ? (char)(p->payload.p[i] ^ mask[i % 4]) : p->payload.p[i]);
}

/* Until nothing more can be said. False: it is broken. */
static bool take(struct buf *history, struct websocket *w, struct websocket_bytes *b)
{
    for (;;) {
        struct websocket_frame frame;
        int r = websocket_next(w, b, &frame);

        assert_true(b->begin <= b->decoded && b->decoded <= b->raw && b->raw <= b->end);
        if (r == WEBSOCKET_MORE)
            return true;
        if (r == WEBSOCKET_BROKEN) {
            assert_non_null(frame.why);
            buf_printf(history, "!%u", frame.code);
            return false;
        }
        if (r == 0)
            buf_printf(history, "m%zu", frame.payload.n);
        else
            buf_printf(history,
                       w->opcode == WEBSOCKET_PING   ? "ping"
                       : w->opcode == WEBSOCKET_PONG ? "pong"
                                                     : "close%u",
                       frame.code);
        if (frame.payload.n < 32 && w->opcode != WEBSOCKET_CLOSE)
            buf_printf(history, "(%.*s)", STR_FMT(frame.payload));
        buf_add_char(history, ' ');
    }
}

/* The stream in two reads, or in reads of one byte for `at` 0; what is left of one is moved to
 * where the next is read to, as connection.c does. */
static void run(struct buf *history, struct str stream, size_t at)
{
    struct websocket w = { .head_n = 0 };
    char *room = malloc(2 * stream.n + 1);
    size_t given = 0, kept = 0;
    bool good = true;

    assert_non_null(room);
    buf_reset(history);
    while (given < stream.n && good) {
        size_t step = at == 0 ? 1 : given < at ? at - given : stream.n - given;
        struct websocket_bytes b = { room, 0, kept, kept, kept + step };

        memcpy(room + kept, stream.p + given, step);
        given += step;
        good = take(history, &w, &b);
        kept = b.decoded - b.begin;
        memmove(room, room + b.begin, kept);
    }
    if (good && websocket_is_midway(&w))
        buf_add_char(history, '~');
    free(room);
}

static void check(const struct piece *pieces, const char *expected, size_t stride)
{
    struct buf stream, history;

    buf_init(&stream, 1 << 20);
    buf_init(&history, 1 << 12);
    for (const struct piece *p = pieces; p->payload.p; p++)
        print_piece(&stream, p);
    for (size_t at = 0; at <= stream.n; at += stride) {
        run(&history, buf_str(&stream), at);
        if (!str_equal(buf_str(&history), str_of(expected)))
            fail_msg("cut at %zu: %.*s instead of %s", at, STR_FMT(buf_str(&history)), expected);
    }
    assert_int_equal(stream.error, 0);
    assert_int_equal(history.error, 0);
    buf_fini(&stream);
    buf_fini(&history);
}

static void test_frames(void **state)
{
    static const char long_ping[126];
    static const struct {
        struct piece pieces[6];
        const char *expected;
    } cases[] = {
        { { P(0x81, "hello") }, "m5(hello) " },
        { { P(0x82, "\xff") }, "m1(\xff) " },
        { { P(0x81, "") }, "m0() " },
        { { P(0x81, "a"), P(0x82, "b"), P(0x81, "\r\n") }, "m1(a) m1(b) m2(\r\n) " },
        { { P(0x01, "he"), P(0x00, "l"), P(0x80, "lo"), P(0x81, "x") }, "m5(hello) m1(x) " },
        { { P(0x01, "he"), P(0x89, "i"), P(0x00, "l"), P(0x8a, ""), P(0x80, "lo") },
          "ping(i) pong() m5(hello) " },
        { { P(0x01, ""), P(0x00, ""), P(0x80, "") }, "m0() " },
        { { P(0x01, "he"), P(0x00, "l") }, "~" },
        { { P(0x01, "\xc3"), P(0x80, "\xa4") }, "m2(\xc3\xa4) " }, /* a character in two */
        /* the end */
        { { P(0x88, "") }, "close0 " },
        { { P(0x88, "\x03\xe8 good-bye") }, "close1000 " },
        { { P(0x88, "\x0f\xa0") }, "close4000 " },
        { { P(0x88, "\x03") }, "!1002" },
        { { P(0x88, "\x03\xed") }, "!1002" }, /* 1005 is never sent */
        { { P(0x88, "\x13\x88") }, "!1002" },
        { { P(0x88, "\x03\xe8\xff") }, "!1007" },
        /* violations */
        { { { 0x81, STR_INIT("hello"), BARE } }, "!1002" },
        { { { 0x89, STR_INIT(""), BARE } }, "!1002" },
        { { P(0xc1, "a") }, "!1002" },
        { { P(0x83, "a") }, "!1002" },
        { { P(0x8b, "a") }, "!1002" },
        { { P(0x09, "a") }, "!1002" },
        { { { 0x89, { long_ping, sizeof(long_ping) }, MASKED } }, "!1002" },
        { { P(0x80, "a") }, "!1002" },
        { { P(0x01, "a"), P(0x81, "b") }, "!1002" },
        { { P(0x01, "a"), P(0x80, "b"), P(0x80, "c") }, "m2(ab) !1002" },
        { { { 0x81, STR_INIT("hello"), IN_16 } }, "!1002" },
        { { { 0x81, STR_INIT("hello"), IN_64 } }, "!1002" },
        { { { 0x81, STR_INIT(""), NEGATIVE_64 } }, "!1002" },
        { { { 0x81, STR_INIT(""), HUGE_64 } }, "!1009" },
        { { P(0x81, "\xe4") }, "!1007" },
        { { P(0x81, "\xed\xa0\x80") }, "!1007" },
        { { P(0x01, "a"), P(0x80, "\xc3") }, "!1007" },
        { { P(0x81, "12345678\xff") }, "!1007" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].pieces, cases[i].expected, 1);
}

static void test_sizes(void **state)
{
    char *room = malloc(WEBSOCKET_MESSAGE_MAX);
    struct str most = { room, WEBSOCKET_MESSAGE_MAX }, half = { room, 32768 };

    (void)state;
    assert_non_null(room);
    memset(room, 'a', WEBSOCKET_MESSAGE_MAX);
    check((struct piece[]){ { 0x81, { room, 125 }, MASKED },
                            { 0x81, { room, 126 }, MASKED },
                            { 0x89, { room, 125 }, MASKED },
                            { 0 } },
          "m125 m126 ping ", 7);
    check((struct piece[]){ { 0x82, most, MASKED }, P(0x82, "b"), { 0 } }, "m65535 m1(b) ", 9973);
    check((struct piece[]){ { 0x02, half, MASKED }, { 0x80, half, MASKED }, { 0 } }, "!1009", 9973);
    check((struct piece[]){ { 0x02, most, MASKED }, P(0x89, "x"), P(0x80, ""), { 0 } },
          "ping(x) m65535 ", 9973);
    check((struct piece[]){ { 0x02, most, MASKED }, P(0x80, "b"), { 0 } }, "!1009", 9973);
    free(room);
}

static void test_heads(void **state)
{
    static const struct {
        size_t n;
        struct str head;
    } cases[] = {
        { 0, STR_INIT("\x81\0") },
        { 125, STR_INIT("\x81\x7d") },
        { 126, STR_INIT("\x81\x7e\0\x7e") },
        { 65535, STR_INIT("\x81\x7e\xff\xff") },
        { 65536, STR_INIT("\x81\x7f\0\0\0\0\0\1\0\0") },
    };
    char room[WEBSOCKET_HEAD_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_equal(websocket_head(room, WEBSOCKET_TEXT, cases[i].n), cases[i].head));
    assert_int_equal(websocket_opcode_for(STR("SIP/2.0 200 \xc3\xa4")), WEBSOCKET_TEXT);
    assert_int_equal(websocket_opcode_for(STR("SIP/2.0 200 \xe4")), WEBSOCKET_BINARY);
}

/* ---- the opening handshake ---- */

#define GET "GET /ws HTTP/1.1\r\n"
#define HOST "Host: pbx.example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: sip\r\n"
#define REST UPGRADE KEY VERSION PROTOCOL "\r\n"

static void test_opening(void **state)
{
    static const struct str accepted =
        STR_INIT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" /* RFC 6455 1.3 */
                 "Sec-WebSocket-Protocol: sip\r\n\r\n");
    static const struct {
        const char *request, *origins;
        unsigned status;
    } cases[] = {
        { GET HOST REST, "", 101 },
        { "GET / HTTP/1.1\r\nhost:a\r\nUPGRADE: h2c , WebSocket\r\nconnection: keep-alive, "
          "upgrade\r\n" KEY VERSION "Sec-WebSocket-Protocol: xmpp\r\n" PROTOCOL "\r\n",
          "", 101 },
        { GET HOST "Origin: https://a.example\r\nContent-Length: 0\r\nX:\r\n" REST, "", 101 },
        { GET HOST "Origin: https://a.example\r\n" REST, "http://b, https://A.example", 101 },
        { GET HOST REST, "https://a.example", 101 },
        { GET HOST "Origin: https://b.example\r\n" REST, "https://a.example", 403 },
        { GET HOST "Origin: null\r\n" REST, "https://a.example", 403 },
        { GET HOST "Origin: https://a.example\r\nOrigin: https://a.example\r\n" REST,
          "https://a.example", 403 },
        { "POST /ws HTTP/1.1\r\n" HOST REST, "", 405 },
        { "get /ws HTTP/1.1\r\n" HOST REST, "", 405 },
        { "GET /ws HTTP/1.0\r\n" HOST REST, "", 505 },
        { "GET /ws HTTP/2.0\r\n" HOST REST, "", 505 },
        { "OPTIONS sip:a SIP/2.0\r\n\r\n", "", 400 },
        { "GET /ws\r\n\r\n", "", 400 },
        { "GET  HTTP/1.1\r\n" HOST REST, "", 400 },
        { "GET /a b HTTP/1.1\r\n" HOST REST, "", 400 },
        { "\x16\x03\x01\r\n\r\n", "", 400 },
        { "\r\n\r\n", "", 400 },
        { GET REST, "", 400 },
        { GET "Host:\r\n" REST, "", 400 },
        { GET HOST HOST REST, "", 400 },
        { GET "Host : a\r\n" REST, "", 400 },
        { GET HOST " folded\r\n" REST, "", 400 },
        { GET HOST "no colon\r\n" REST, "", 400 },
        { GET HOST ": no name\r\n" REST, "", 400 },
        { GET HOST "X: a\rb\r\n" REST, "", 400 },
        { GET HOST "X: a\nb\r\n" REST, "", 400 },
        { GET HOST "Content-Length: 1\r\n" REST, "", 400 },
        { GET HOST "Transfer-Encoding: chunked\r\n" REST, "", 400 },
        { GET HOST "\r\n", "", 426 },
        { GET HOST "Connection: upgrade\r\n" KEY VERSION PROTOCOL "\r\n", "", 426 },
        { GET HOST "Upgrade: websocket\r\n" KEY VERSION PROTOCOL "\r\n", "", 426 },
        { GET HOST UPGRADE KEY PROTOCOL "\r\n", "", 426 },
        { GET HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" PROTOCOL "\r\n", "", 426 },
        { GET HOST UPGRADE KEY VERSION VERSION PROTOCOL "\r\n", "", 426 },
        { GET HOST UPGRADE VERSION PROTOCOL "\r\n", "", 400 },
        { GET HOST UPGRADE KEY KEY VERSION PROTOCOL "\r\n", "", 400 },
        { GET HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" VERSION PROTOCOL "\r\n",
          "", 400 },
        { GET HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n" VERSION PROTOCOL
                           "\r\n",
          "", 400 },
        { GET HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" VERSION PROTOCOL
                           "\r\n",
          "", 400 },
        { GET HOST UPGRADE KEY VERSION "\r\n", "", 400 },
        { GET HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: sips, chat\r\n\r\n", "", 400 },
    };
    char room[WEBSOCKET_REPLY_MAX], line[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct websocket_reply reply;
        struct buf out;

        buf_init_on(&out, room, sizeof(room));
        reply = websocket_answer(&out, str_of(cases[i].request), str_of(cases[i].origins));
        if (reply.status != cases[i].status)
            fail_msg("%u (%s) for\n%s", reply.status, reply.why, cases[i].request);
        assert_int_equal(out.error, 0);
        snprintf(line, sizeof(line), "HTTP/1.1 %u ", reply.status);
        assert_true(str_starts(buf_str(&out), str_of(line)));
        if (reply.status == 101)
            assert_true(str_equal(buf_str(&out), accepted));
        else
            assert_non_null(reply.why);
        assert_int_equal(str_contains_nocase(buf_str(&out), STR("Sec-WebSocket-Version: 13\r\n")),
                         reply.status == 426);
        assert_int_equal(str_contains_nocase(buf_str(&out), STR("Allow: GET\r\n")),
                         reply.status == 405);
    }
}

static void test_many_headers(void **state)
{
    char reply_room[WEBSOCKET_REPLY_MAX];
    struct buf request, out;

    (void)state;
    buf_init(&request, WEBSOCKET_REQUEST_MAX);
    buf_add(&request, STR(GET));
    for (unsigned i = 0; i < 101; i++)
        buf_add(&request, STR("X: y\r\n"));
    buf_add(&request, STR("\r\n"));
    buf_init_on(&out, reply_room, sizeof(reply_room));
    assert_int_equal(websocket_answer(&out, buf_str(&request), STR_EMPTY).status, 431);
    buf_fini(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),       cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_heads),        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_many_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
