// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/frame.h"

#define START "OPTIONS sip:a SIP/2.0\r\n"
#define ONE START "Content-Length: 3\r\n\r\nabc"
#define NONE START "l:0\r\n\r\n"

/* What comes out of a stream: m is a message, p a ping, ! the end, with the status. */
struct history {
    char text[64];
    size_t n, bytes; /* of the messages */
    unsigned status;
};

static void note(struct history *h, char what)
{
    assert_true(h->n + 1 < sizeof(h->text));
    h->text[h->n++] = what;
}

static bool take(struct history *h, struct framer *f, struct str *bytes)
{
    struct frame frame;
    int r = framer_next(f, *bytes, &frame);

    *bytes = str_sub(*bytes, frame.taken, bytes->n);
    if (r == 0) {
        note(h, 'm');
        h->bytes += frame.message.n;
    } else if (r == FRAME_PING) {
        note(h, 'p');
    } else if (r == FRAME_BROKEN) {
        note(h, '!');
        assert_non_null(frame.fault);
        h->status = frame.status;
    }
    return r == 0 || r == FRAME_PING;
}

/* The stream in two pieces, or in pieces of one byte for `at` 0. */
static void run(struct history *h, struct str stream, size_t at)
{
    struct framer f = { 0 };
    size_t given = 0;
    struct str bytes = { stream.p, 0 };

    *h = (struct history){ .n = 0 };
    while (given < stream.n && !h->status) {
        size_t step = at == 0 ? 1 : given < at ? at - given : stream.n - given;

        given += step;
        bytes.n += step;
        while (take(h, &f, &bytes))
            ;
    }
}

static void test_streams(void **state)
{
    static const struct {
        const char *stream, *history;
        unsigned status;
    } cases[] = {
        { ONE, "m", 0 },
        { ONE ONE NONE ONE, "mmmm", 0 },
        { START "l : 3\r\n\r\nabc", "m", 0 },
        { START "CONTENT-LENGTH:\r\n\t3 \r\n\r\nabc", "m", 0 },
        { START "Subject: x\r\n l: 9\r\nl: 0\r\n\r\n" ONE, "mm", 0 }, /* that is a fold */
        { START "l: 3\r\nContent-Length: 3\r\n\r\nabc", "m", 0 },
        { "\r\n" ONE, "m", 0 },
        { "\r\n\r\n", "p", 0 },
        { "\r\n\r\n\r\n\r\n" ONE "\r\n\r\n", "ppmp", 0 },
        { ONE "\r\n" ONE "\r\n" ONE, "mmm", 0 }, /* two empty lines, but not together */
        { "\n\n\r" NONE, "pm", 0 },
        { START "l: 5\r\n\r\nabc", "", 0 },
        { START "\r\n", "!", 400 },
        { START "l: x\r\n\r\n", "!", 400 },
        { START "l: -1\r\n\r\n", "!", 400 },
        { START "l:\r\n\r\n", "!", 400 },
        { START "l: 4294967299\r\n\r\nabc", "!", 400 },
        { START "l: 3\r\nl: 4\r\n\r\nabcd", "!", 400 },
        { START "l: 65535\r\n\r\n", "!", 513 },
        { NONE START "l: 99999\r\n\r\n", "m!", 513 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str stream = str_of(cases[i].stream);
        struct history whole, h;

        run(&whole, stream, stream.n);
        assert_string_equal(whole.text, cases[i].history);
        assert_int_equal(whole.status, cases[i].status);
        for (size_t at = 0; at < stream.n; at++) {
            run(&h, stream, at);
            assert_string_equal(h.text, cases[i].history);
            assert_int_equal(h.status, cases[i].status);
            assert_int_equal(h.bytes, whole.bytes);
        }
    }
}

static void test_message_borrows(void **state)
{
    static const char stream[] = "\r\n" ONE "OPT";
    struct framer f = { 0 };
    struct frame frame;

    (void)state;
    assert_int_equal(framer_next(&f, (struct str){ stream, sizeof(stream) - 1 }, &frame), 0);
    assert_ptr_equal(frame.message.p, stream + 2);
    assert_int_equal(frame.message.n, sizeof(ONE) - 1);
    assert_int_equal(frame.taken, sizeof(ONE) + 1);
}

/* Who has sent a ping gets one line back, and two of these are no ping. */
static void test_pongs(void **state)
{
    struct framer f = { .pong_due = true };
    struct frame frame;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(framer_next(&f, STR("\r\n"), &frame), FRAME_MORE);
        assert_int_equal(frame.taken, 2);
        assert_false(f.pong_due);
        f.pong_due = true;
    }
    /* Who does not know that, and sends pings of its own, is answered. */
    assert_int_equal(framer_next(&f, STR("\r\n\r\n\r\n"), &frame), FRAME_PING);
    assert_int_equal(frame.taken, 4);
}

/* A head that never ends, and one that is just as long as it may be. */
static void test_long_heads(void **state)
{
    static const char first[] = START "l: 0\r\nS: ", last[] = "\r\n\r\n";
    char *stream = malloc(FRAME_HEAD_MAX + 1);
    size_t last_n = sizeof(last) - 1;
    struct history h;

    (void)state;
    assert_non_null(stream);
    memset(stream, 'x', FRAME_HEAD_MAX + 1);
    memcpy(stream, first, sizeof(first) - 1);
    run(&h, (struct str){ stream, FRAME_HEAD_MAX - 1 }, FRAME_HEAD_MAX - 1);
    assert_string_equal(h.text, "");
    run(&h, (struct str){ stream, FRAME_HEAD_MAX }, 0);
    assert_string_equal(h.text, "!");
    assert_int_equal(h.status, 513);
    memcpy(stream + FRAME_HEAD_MAX - last_n, last, last_n);
    run(&h, (struct str){ stream, FRAME_HEAD_MAX }, 0);
    assert_string_equal(h.text, "m");
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_message_borrows),
        cmocka_unit_test(test_pongs),
        cmocka_unit_test(test_long_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
