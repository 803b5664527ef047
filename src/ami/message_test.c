// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ami/message.h"
#include "base/memory_testing.h"

enum { LINE = 16, LINES = 3 };

/* What came out of a stream: [greeting], and for each message its headers, `name=value;` or
 * `!fault;`. */
static void read_all(struct buf *out, struct str stream, size_t piece, bool greeting)
{
    struct ami_reader r;
    struct ami_message m;

    ami_reader_init(&r, LINE, LINES);
    r.greeting = greeting;
    for (size_t at = 0; at < stream.n; at += piece) {
        struct str bytes = str_sub(stream, at, at + piece);
        int rc;

        while ((rc = ami_read(&r, &bytes, &m)) != 0) {
            assert_true(rc == AMI_READ_MESSAGE || rc == AMI_READ_GREETING);
            buf_add(out, rc == AMI_READ_GREETING ? STR("[") : STR("("));
            for (unsigned i = 0; i < m.n_headers; i++)
                buf_printf(out, "%.*s=%.*s;", STR_FMT(m.headers[i].name),
                           STR_FMT(m.headers[i].value));
            if (m.fault)
                buf_printf(out, "!%u;", m.fault);
            buf_add(out, rc == AMI_READ_GREETING ? STR("]") : STR(")"));
        }
        assert_int_equal(bytes.n, 0);
    }
    ami_reader_fini(&r);
}

static void test_streams(void **state)
{
    static const struct {
        const char *stream, *messages;
        bool greeting;
    } cases[] = {
        { "Action: Ping\r\nActionID: 1\r\n\r\n", "(Action=Ping;ActionID=1;)" },
        { "Action: Ping\nActionID: 1\n\n", "(Action=Ping;ActionID=1;)" },
        { "Action: Ping\n\r\nAction: Ping\r\n\n", "(Action=Ping;)(Action=Ping;)" },
        { "Action:Ping\r\n\r\n", "(Action=Ping;)" },
        { "Action:  Ping \r\n\r\n", "(Action= Ping ;)" }, /* one blank is the line's */
        { "Hint: a:b\r\nM:\r\n: c\r\n\r\n", "(Hint=a:b;M=;=c;)" },
        { "Output: 1\r\nOutput: 2\r\n\r\n", "(Output=1;Output=2;)" },
        { "no colon\r\n\r\n", "(=no colon;)" },
        { "\r\n\n\r\n", "" },
        { "\r\na: b\r\n\r\n\r\n\r\nc: d\r\n\r\n", "(a=b;)(c=d;)" },
        { "a: b\r\n", "" },
        { "a: b", "" },
        { "a\r: b\r\r\n\r\n", "(a\r=b\r;)" }, /* only the one before LF belongs to the line's end */
        { "1234567890123456\r\n1234567890:3456\n\n", "(=1234567890123456;1234567890=3456;)" },
        { "12345678901234567\r\na: b\r\n\r\n", "(a=b;!1;)" },
        { "12345678901234567\na: b\n\n", "(a=b;!1;)" },
        { "a: b\r\n12345678901234567890123456789012345678901234567890\r\nc: d\r\n\r\na: b\r\n\r\n",
          "(a=b;c=d;!1;)(a=b;)" },
        { "12345678901234567890\r\n\r\n", "(!1;)" },
        { "a: 1\na: 2\na: 3\n\n", "(a=1;a=2;a=3;)" },
        { "a: 1\na: 2\na: 3\na: 4\na: 5\n\na: 6\n\n", "(a=1;a=2;a=3;!2;)(a=6;)" },
        { "a: 1\n12345678901234567890\na: 2\na: 3\na: 4\n\n", "(a=1;a=2;a=3;!1;)" },
        { "Call Manager/1\r\n", "[=Call Manager/1;]", true },
        { "Call Manager/1\r\na: b\r\n\r\n", "[=Call Manager/1;](a=b;)", true },
        { "12345678901234567\r\na: b\r\n\r\n", "[!1;](a=b;)", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str stream = str_of(cases[i].stream);

        for (size_t piece = 1; piece <= stream.n; piece++) {
            struct buf out;

            buf_init(&out, 4096);
            read_all(&out, stream, piece, cases[i].greeting);
            buf_add_char(&out, '\0');
            assert_int_equal(out.error, 0);
            assert_string_equal(out.p, cases[i].messages);
            buf_fini(&out);
        }
    }
}

static void test_get(void **state)
{
    struct str bytes = STR("Event: X\r\nOutput: 1\r\nempty:\r\noutput: 2\r\n\r\n"), value;
    struct ami_reader r;
    struct ami_message m;
    unsigned at = 0;

    (void)state;
    ami_reader_init(&r, AMI_REQUEST_LINE_MAX, AMI_REQUEST_LINES_MAX);
    assert_int_equal(ami_read(&r, &bytes, &m), AMI_READ_MESSAGE);
    assert_true(str_equal(ami_get(&m, STR("event")), STR("X")));
    assert_true(str_equal(ami_get(&m, STR("OUTPUT")), STR("1"))); /* the first wins */
    assert_non_null(ami_get(&m, STR("Empty")).p);
    assert_int_equal(ami_get(&m, STR("Empty")).n, 0);
    assert_null(ami_get(&m, STR("Even")).p);
    assert_true(ami_each(&m, STR("Output"), &at, &value) && str_equal(value, STR("1")));
    assert_true(ami_each(&m, STR("Output"), &at, &value) && str_equal(value, STR("2")));
    assert_false(ami_each(&m, STR("Output"), &at, &value));
    ami_reader_fini(&r);
}

/* Without line ends nothing grows. */
static void test_bounded(void **state)
{
    static char noise[65536];
    struct ami_reader r;
    struct ami_message m;

    (void)state;
    memset(noise, 'x', sizeof(noise));
    ami_reader_init(&r, AMI_REQUEST_LINE_MAX, AMI_REQUEST_LINES_MAX);
    for (int i = 0; i < 64; i++) {
        struct str bytes = { noise, sizeof(noise) };

        assert_int_equal(ami_read(&r, &bytes, &m), 0);
        assert_true(r.text.room <= (size_t)2 * AMI_REQUEST_LINE_MAX);
    }
    ami_reader_fini(&r);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (long left = 0; left < 2; left++) {
        struct str bytes = STR("Action: Ping\r\n\r\n");
        struct ami_reader r;
        struct ami_message m;

        ami_reader_init(&r, AMI_REQUEST_LINE_MAX, AMI_REQUEST_LINES_MAX);
        memory = (struct memory_testing){ .armed = true, .left = left };
        assert_int_equal(ami_read(&r, &bytes, &m), -ENOMEM);
        memory.armed = false;
        ami_reader_fini(&r);
    }
}

static void test_print(void **state)
{
    static const struct {
        struct str value, printed;
    } cases[] = {
        { STR_INIT("1000"), STR_INIT("X: 1000\r\n") },
        { STR_INIT(""), STR_INIT("X: \r\n") },
        { STR_INIT("a\r\nAction: b"), STR_INIT("X: a  Action: b\r\n") },
        { STR_INIT("\na\0"), STR_INIT("X:  a \r\n") },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 256);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        ami_add(&b, STR("X"), cases[i].value);
        assert_true(str_equal(buf_str(&b), cases[i].printed));
    }
    buf_reset(&b);
    ami_add_u64(&b, STR("ListItems"), 21);
    ami_end(&b);
    assert_true(str_equal(buf_str(&b), STR("ListItems: 21\r\n\r\n")));
    buf_fini(&b);
}

static void test_escapes(void **state)
{
    static const struct {
        struct str plain, escaped, back;
    } cases[] = {
        { STR_INIT("Do not disturb"), STR_INIT("Do not disturb"), STR_INIT("Do not disturb") },
        { STR_INIT("a\r\nb\t\"?\\'"), STR_INIT("a\\r\\nb\\t\\\"\\?\\\\\\'"),
          STR_INIT("a\r\nb\t\"?\\'") },
        { STR_INIT("\a\b\f\v"), STR_INIT("\\a\\b\\f\\v"), STR_INIT("\a\b\f\v") },
        { STR_INIT("a\0b\\"), STR_INIT("a\0b\\\\"), STR_INIT("a\0b\\") },
        { STR_INIT(""), STR_INIT(""), STR_INIT("") },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 256);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        ami_escape(&b, cases[i].plain);
        assert_true(str_equal(buf_str(&b), cases[i].escaped));
        buf_reset(&b);
        ami_unescape(&b, cases[i].escaped);
        assert_true(str_equal(buf_str(&b), cases[i].back));
    }
    buf_reset(&b);
    ami_unescape(&b, STR("\\x\\\0\\"));
    assert_true(str_equal(buf_str(&b), STR("\\x\\\0\\")));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams), cmocka_unit_test(test_get),
        cmocka_unit_test(test_bounded), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_print),   cmocka_unit_test(test_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
