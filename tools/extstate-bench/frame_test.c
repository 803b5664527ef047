// SPDX-License-Identifier: MIT
#include "frame.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define FIRST "SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nab\r\n\r"
#define SECOND "NOTIFY sip:w1@h SIP/2.0\r\nSubject: a\r\n b: c\r\nL :\r\n  0\r\n\r\n"
#define THIRD "NOTIFY sip:w2@h SIP/2.0\r\ncontent-length: 3\r\nl: 3\r\nX: y\r\n\r\nxyz"

static void test_outcomes(void **state)
{
    static const struct {
        const char *bytes;
        int result;
        size_t taken, message;
    } cases[] = {
        { "", FRAME_MORE, 0, 0 },
        { "\r\n\r\n", FRAME_MORE, 4, 0 },
        { FIRST, 0, sizeof(FIRST) - 1, sizeof(FIRST) - 1 },
        { "\r\n\r\n" FIRST SECOND, 0, sizeof(FIRST) + 3, sizeof(FIRST) - 1 },
        { SECOND FIRST, 0, sizeof(SECOND) - 1, sizeof(SECOND) - 1 },
        { THIRD, 0, sizeof(THIRD) - 1, sizeof(THIRD) - 1 },
        { "A\r\nl: 3\r\n\r\nxy", FRAME_MORE, 0, 0 },
        { "A\r\nTo: b\r\n\r\n", -EBADMSG, 0, 0 },
        { "A\r\nl: 3\r\nContent-Length: 4\r\n\r\nxyzz", -EBADMSG, 0, 0 },
        { "A\r\nl: -1\r\n\r\n", -EBADMSG, 0, 0 },
        { "A\r\nl:\r\n\r\n", -EBADMSG, 0, 0 },
        { "A\r\nl: 1048577\r\n\r\n", -EBADMSG, 0, 0 },
        { "A\r\nl: 4294967296\r\n\r\n", -EBADMSG, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str message = STR_EMPTY;
        size_t taken = SIZE_MAX;

        assert_int_equal(frame_next(&message, &taken, str_of(cases[i].bytes)), cases[i].result);
        assert_int_equal(taken, cases[i].taken);
        assert_int_equal(message.n, cases[i].message);
    }
}

/* A head that never ends is refused before it has taken all memory. */
static void test_endless_head(void **state)
{
    char *bytes = malloc(FRAME_MAX + 1);
    struct str message;
    size_t taken;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'a', FRAME_MAX + 1);
    assert_int_equal(frame_next(&message, &taken, (struct str){ bytes, FRAME_MAX }), FRAME_MORE);
    assert_int_equal(frame_next(&message, &taken, (struct str){ bytes, FRAME_MAX + 1 }), -EBADMSG);
    free(bytes);
}

/* What a reader does with a part that has come: take what is whole, keep the rest. */
static void feed(struct buf *kept, struct buf *seen, struct str part)
{
    struct str message;
    size_t taken;
    int r;

    buf_add(kept, part);
    do {
        r = frame_next(&message, &taken, buf_str(kept));
        assert_true(r == 0 || r == FRAME_MORE);
        if (r == 0) {
            buf_add(seen, message);
            buf_add_char(seen, '|');
        }
        kept->n -= taken;
        if (kept->n)
            memmove(kept->p, kept->p + taken, kept->n);
    } while (r == 0);
}

/* Cut into three parts at each two places, and byte by byte: the same three messages. */
static void test_split_anywhere(void **state)
{
    static const char stream[] = FIRST "\r\n\r\n" SECOND "\r\n" THIRD;
    static const char wanted[] = FIRST "|" SECOND "|" THIRD "|";
    struct str all = str_of(stream);
    struct buf kept, seen;

    (void)state;
    buf_init(&kept, 4096);
    buf_init(&seen, 4096);
    for (size_t i = 0; i <= all.n; i++) {
        for (size_t k = i; k <= all.n; k++) {
            buf_reset(&kept);
            buf_reset(&seen);
            feed(&kept, &seen, str_sub(all, 0, i));
            feed(&kept, &seen, str_sub(all, i, k));
            feed(&kept, &seen, str_sub(all, k, all.n));
            assert_true(str_equal(buf_str(&seen), str_of(wanted)));
            assert_int_equal(kept.n, 0);
        }
    }
    buf_reset(&seen);
    for (size_t i = 0; i < all.n; i++)
        feed(&kept, &seen, str_sub(all, i, i + 1));
    assert_true(str_equal(buf_str(&seen), str_of(wanted)));
    buf_fini(&kept);
    buf_fini(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_endless_head),
        cmocka_unit_test(test_split_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
