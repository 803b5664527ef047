// SPDX-License-Identifier: MIT
#include "net/tls_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

#define CCS "\x14\x03\x03\x00\x01\x01"
#define ALERT "\x15\x03\x01\x00\x02\x01\x00"
#define EMPTY "\x16\x03\x01\x00\x00"
#define HELLO(length) "\x16\x03\x01\x00\x04\x01" length
#define LONG "\x00\x40\x01"
/* One that is whole: two bytes, in records of their own. */
#define BRIEF HELLO("\x00\x00\x02") "\x16\x03\x01\x00\x01\x03\x16\x03\x01\x00\x01\x03"

struct row {
    struct str bytes;
    bool is_13, fine;
};

static const struct row rows[] = {
    { STR_INIT(HELLO("\x00\x40\x00")), true, true },
    { STR_INIT(HELLO(LONG)), true, false },
    { STR_INIT(HELLO("\x00\xff\xff")), true, false },
    { STR_INIT(HELLO("\x02\x00\x00")), true, false },
    { STR_INIT("\x16\x03\x01\x00\x03\x01\x00\x40"), true, true }, /* it may be 16384 */
    /* Its head in records of its own. */
    { STR_INIT("\x16\x03\x01\x00\x01\x01" EMPTY "\x16\x03\x01\x00\x02\x00\x40"
               "\x16\x03\x01\x00\x01\x01"),
      true, false },
    { STR_INIT("\x16\x03\x01\x00\x01\x01" ALERT "\x16\x03\x01\x00\x03" LONG), true, false },
    { STR_INIT(ALERT CCS EMPTY HELLO(LONG)), true, false },
    { STR_INIT(BRIEF HELLO(LONG)), true, false },
    { STR_INIT(BRIEF CCS HELLO(LONG)), true, false }, /* after a HelloRetryRequest */
    { STR_INIT(BRIEF CCS HELLO(LONG)), false, true }, /* encrypted */
    { STR_INIT(BRIEF "\x17\x03\x03\x00\x04\x01" LONG HELLO(LONG)), true, false }, /* early data */
    { STR_INIT(BRIEF "\x17\x03\x03\x00\x04\x01" LONG), true, true },
    { STR_INIT(BRIEF "\x16\x03\x03\x00\x04\x0b\x01\x00\x00"), false, true }, /* a Certificate */
    { STR_INIT("\x80\x2e\x01\x03\x01" HELLO(LONG)), true, true },            /* SSL 2's */
};

static bool looks_fine(const struct row *row, size_t piece)
{
    struct tls_hello h = { 0 };

    for (size_t at = 0; at < row->bytes.n; at += piece)
        if (!tls_hello_look(&h, str_sub(row->bytes, at, at + piece), row->is_13))
            return false;
    return true;
}

/* However it is cut. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t piece = 1; piece <= rows[i].bytes.n; piece++)
            if (looks_fine(&rows[i], piece) != rows[i].fine)
                fail_msg("row %zu in pieces of %zu bytes", i, piece);
}

/* Records of 16 KiB, and a message that has as many: what follows it is found. */
static void test_whole(void **state)
{
    enum { SIZE = 20000 };
    char *room = calloc(1, SIZE);
    struct tls_hello h = { 0 };
    struct buf b;

    (void)state;
    assert_non_null(room);
    buf_init_on(&b, room, SIZE);
    buf_add(&b, STR("\x16\x03\x01\x40\x00\x01\x00\x40\x00"));
    b.n = 5 + 16384;
    buf_add(&b, STR("\x16\x03\x01\x00\x04\x03\x03\x03\x03" HELLO(LONG)));
    assert_int_equal(b.error, 0);
    assert_true(tls_hello_look(&h, str_sub(buf_str(&b), 0, b.n - 1), true));
    assert_false(tls_hello_look(&h, str_sub(buf_str(&b), b.n - 1, b.n), true));
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
