// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void assert_buf(const struct buf *b, struct str want)
{
    assert_int_equal(b->error, 0);
    assert_int_equal(b->n, want.n);
    if (want.n)
        assert_memory_equal(b->p, want.p, want.n);
}

static void test_heap_growth(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_add(&b, STR_EMPTY);
    assert_null(b.p);
    for (int i = 0; i < 1000; i++) {
        buf_add_char(&b, (char)('a' + i % 26));
        assert_true(b.room <= 1000);
    }
    assert_int_equal(b.error, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    buf_add(&b, STR_EMPTY);
    assert_int_equal(b.error, 0);
    buf_add_char(&b, 'x');
    assert_int_equal(b.error, -EMSGSIZE);
    assert_int_equal(b.n, 1000);
    buf_fini(&b);
    buf_fini(&b);

    buf_init(&b, 500); /* all of it at once */
    buf_add_column(&b, STR("x"), 500);
    assert_int_equal(b.error, 0);
    assert_int_equal(b.n, 500);
    buf_fini(&b);
}

static void test_error_sticks(void **state)
{
    static const bool keep[256] = { ['x'] = true };
    char storage[4];
    struct buf b;

    (void)state;
    buf_init_on(&b, storage, sizeof(storage));
    buf_add(&b, STR("ab"));
    buf_add(&b, STR("cde")); /* wholly or not at all */
    assert_int_equal(b.error, -EMSGSIZE);
    buf_add_char(&b, 'x');
    buf_add(&b, STR("x"));
    buf_add_u64(&b, 1);
    buf_add_hex(&b, "x", 1);
    buf_printf(&b, "x");
    buf_add_xml(&b, STR("x"));
    buf_add_json(&b, STR("x"));
    buf_add_percent(&b, STR("x"), keep);
    buf_add_column(&b, STR("x"), 1);
    assert_int_equal(b.error, -EMSGSIZE);
    assert_int_equal(b.n, 2);
    assert_memory_equal(storage, "ab", 2);
    buf_reset(&b);
    buf_add(&b, STR("wxyz"));
    assert_buf(&b, STR("wxyz"));
    assert_ptr_equal(b.p, storage);
    buf_fini(&b);
}

static void test_zero_ceiling(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_printf(&b, "%s", "");
    buf_add_column(&b, STR("abc"), 0);
    assert_buf(&b, STR(""));
    buf_add_char(&b, 'x');
    assert_int_equal(b.error, -EMSGSIZE);
    buf_fini(&b);
}

static void test_take(void **state)
{
    struct str taken = STR_EMPTY;
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_int_equal(buf_take(&b, &taken), 0);
    assert_non_null(taken.p);
    assert_int_equal(taken.n, 0);
    str_free(&taken);

    buf_add(&b, STR("first"));
    assert_int_equal(buf_take(&b, &taken), 0);
    assert_int_equal(b.n, 0);
    buf_add(&b, STR("second"));
    assert_memory_equal(taken.p, "first", 6);
    assert_int_equal(taken.n, 5);
    str_free(&taken);
    assert_buf(&b, STR("second"));

    for (int i = 0; i < 20; i++)
        buf_add(&b, STR("0123456789"));
    assert_int_equal(b.error, -EMSGSIZE);
    assert_int_equal(buf_take(&b, &taken), -EMSGSIZE);
    assert_null(taken.p);
    buf_fini(&b);
}

static void test_numbers(void **state)
{
    static const struct {
        uint64_t value;
        struct str text;
    } cases[] = {
        { 0, STR_INIT("0") },
        { 9, STR_INIT("9") },
        { 10, STR_INIT("10") },
        { 1234567890, STR_INIT("1234567890") },
        { UINT64_MAX, STR_INIT("18446744073709551615") },
    };
    char digits[16];
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        buf_add_u64(&b, cases[i].value);
        assert_buf(&b, cases[i].text);
    }
    buf_reset(&b);
    buf_add_hex(&b, "\x00\x9f\xff", 3);
    buf_add_hex(&b, NULL, 0);
    assert_buf(&b, STR("009fff"));
    hex_u64(digits, 0x0123456789abcdef);
    assert_memory_equal(digits, "0123456789abcdef", sizeof(digits));
    buf_fini(&b);
}

static void test_printf(void **state)
{
    char storage[8];
    struct buf b;

    (void)state;
    buf_init_on(&b, storage, sizeof(storage));
    buf_printf(&b, "%s-%d", "ab", 42);
    assert_buf(&b, STR("ab-42"));
    buf_printf(&b, "%03d", 7); /* fits to the last byte, the NUL does not */
    assert_buf(&b, STR("ab-42007"));
    buf_printf(&b, "%s", "");
    assert_buf(&b, STR("ab-42007"));
    buf_printf(&b, "%d", 1);
    assert_int_equal(b.error, -EMSGSIZE);
    assert_int_equal(b.n, 8);

    buf_init(&b, 5000);
    buf_printf(&b, "%*s|", 4998, "x");
    assert_int_equal(b.error, 0);
    assert_int_equal(b.n, 4999);
    assert_memory_equal(b.p + 4996, " x|", 3);
    buf_printf(&b, "y");
    assert_int_equal(b.n, 5000);
    assert_int_equal(b.p[4999], 'y');
    assert_int_equal(b.error, 0);
    buf_fini(&b);
}

/* Text in, XML out, JSON out; NULL: as it came. */
static const struct {
    struct str in;
    const char *xml, *json;
} escapes[] = {
    { STR_INIT(""), NULL, NULL },
    { STR_INIT("plain ~ text"), NULL, NULL },
    { STR_INIT("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&apos;", "<a b=\\\"c\\\">&'" },
    { STR_INIT("a\r\nb\tc"), "a&#13;&#10;b\tc", "a\\r\\nb\\tc" },
    { STR_INIT("\b\f\\/"), "??\\/", "\\b\\f\\\\/" },
    { STR_INIT("\0\x01\x1f\x7f"), "???\x7f", "\\u0000\\u0001\\u001f\x7f" },
    { STR_INIT("Zo\xc3\xab \xe2\x82\xac \xf0\x9f\x93\x9e"), NULL, NULL },
    { STR_INIT("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd"), NULL, NULL },
    { STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), NULL, NULL },
    /* U+FFFE and U+FFFF are fine in JSON, and no Char of XML 1.0 */
    { STR_INIT("\xef\xbf\xbe-\xef\xbf\xbf"), "?-?", NULL },
    /* a continuation alone, a lead alone, cut short by the end, cut short by ASCII */
    { STR_INIT("a\x80z"), "a?z", "a\xef\xbf\xbdz" },
    { STR_INIT("a\xc3"), "a?", "a\xef\xbf\xbd" },
    { STR_INIT("\xe2\x82"), "??", "\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xe2\x82<"), "??&lt;", "\xef\xbf\xbd\xef\xbf\xbd<" },
    { STR_INIT("\xf0\x9f\x93"), "???", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { { "\xe2\x82\xac", 2 }, "??", "\xef\xbf\xbd\xef\xbf\xbd" }, /* the slice ends first */
    { { "\xc3\xa4", 1 }, "?", "\xef\xbf\xbd" },
    /* overlong, surrogate, beyond U+10FFFF, bytes UTF-8 never has */
    { STR_INIT("\xc0\xbc"), "??", "\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xc1\xbf"), "??", "\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xe0\x9f\xbf"), "???", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xf0\x8f\xbf\xbf"), "????", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xed\xa0\x80"), "???", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xf4\x90\x80\x80"), "????", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { STR_INIT("\xf5"), "?", "\xef\xbf\xbd" },
    { STR_INIT("\xff"), "?", "\xef\xbf\xbd" },
};

static void test_escapes(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        buf_reset(&b);
        buf_add_xml(&b, escapes[i].in);
        assert_buf(&b, escapes[i].xml ? str_of(escapes[i].xml) : escapes[i].in);
        buf_reset(&b);
        buf_add_json(&b, escapes[i].in);
        assert_buf(&b, escapes[i].json ? str_of(escapes[i].json) : escapes[i].in);
    }
    buf_fini(&b);
}

static void test_printable(void **state)
{
    static const struct {
        struct str in;
        const char *kept, *out;
    } cases[] = {
        { STR_INIT("plain \\ \"<&'"), "", "plain \\ \"<&'" },
        { STR_INIT("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\x9e"), "",
          "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\x9e" },
        { STR_INIT("\x1b[2J\x07\0\x7f\n\r\t"), "", "\\x1b[2J\\x07\\x00\\x7f\\n\\r\\t" },
        { STR_INIT("\x1b\0\n\r\t"), "\n\t", "\\x1b\\x00\n\\r\t" },
        { STR_INIT("\xc2\x80\xc2\x9b 1m\xc2\x9f\xc2\xa0"), "", "\\u0080\\u009b 1m\\u009f\xc2\xa0" },
        /* U+061C, U+200D, U+200E, U+200F, U+2028, U+2029 */
        { STR_INIT("\xd8\x9c\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xa8\xe2\x80\xa9"), "",
          "\\u061c\xe2\x80\x8d\\u200e\\u200f\\u2028\\u2029" },
        /* U+202A, U+202E, U+202F, U+2065, U+2066, U+2069, U+206A */
        { STR_INIT("\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2"
                   "\x81\xaa"),
          "", "\\u202a\\u202e\xe2\x80\xaf\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa" },
        /* no UTF-8: C1 as one byte, a lead alone, overlong */
        { STR_INIT("\x9b\xe2\x80 \xc0\x9b"), "", "\\x9b\\xe2\\x80 \\xc0\\x9b" },
        { STR_INIT(""), "\n", "" },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 200);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        buf_add_printable(&b, cases[i].in, cases[i].kept);
        assert_buf(&b, str_of(cases[i].out));
    }
    buf_fini(&b);
}

/* Whatever it is given, ASCII that comes out steers nothing, and four times the room is enough. */
static void test_printable_bytes(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++) {
            const char in[] = { (char)first, (char)second };
            char storage[8];
            struct buf b;

            buf_init_on(&b, storage, sizeof(storage));
            buf_add_printable(&b, (struct str){ in, 2 }, "");
            assert_int_equal(b.error, 0);
            for (size_t i = 0; i < b.n; i++)
                assert_true((unsigned char)storage[i] >= ' ' && storage[i] != 0x7f);
        }
}

/* At every ceiling: no byte beyond it, and an error exactly when the whole does not fit. */
static void test_escapes_at_ceiling(void **state)
{
    const struct str in = STR("ab<c\x01 \xe2\x82\xac&");
    char storage[64];

    (void)state;
    for (size_t size = 0; size < 40; size++) {
        struct buf b;

        memset(storage, '#', sizeof(storage));
        buf_init_on(&b, storage, size);
        buf_add_xml(&b, in);
        assert_int_equal(b.error, size < 17 ? -EMSGSIZE : 0);
        assert_true(b.n <= size);
        assert_int_equal(storage[size], '#');
        buf_init_on(&b, storage, size);
        buf_add_json(&b, in);
        assert_int_equal(b.error, size < 15 ? -EMSGSIZE : 0);
        assert_true(b.n <= size);
        assert_int_equal(storage[size], '#');
    }
}

static void test_percent(void **state)
{
    static const bool keep[256] = { ['a'] = true, ['B'] = true, ['-'] = true };
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_add_percent(&b, STR("aB- b\0\xff%"), keep);
    assert_buf(&b, STR("aB-%20%62%00%FF%25"));
    buf_fini(&b);
}

static void test_column(void **state)
{
    static const struct {
        struct str in;
        size_t width;
        struct str out;
    } cases[] = {
        { STR_INIT("ab"), 4, STR_INIT("ab  ") },
        { STR_INIT("abcd"), 4, STR_INIT("abcd") },
        { STR_INIT("abcde"), 4, STR_INIT("abcd") },
        { { NULL, 0 }, 2, STR_INIT("  ") },
        { STR_INIT("abc"), 0, STR_INIT("") },
        { STR_INIT("ab\xe2\x82\xac"), 4, STR_INIT("ab  ") }, /* not half a euro */
        { STR_INIT("ab\xe2\x82\xac"), 5, STR_INIT("ab\xe2\x82\xac") },
        { STR_INIT("\x80\x80\x80"), 2, STR_INIT("  ") },
    };
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        buf_add_column(&b, cases[i].in, cases[i].width);
        assert_buf(&b, cases[i].out);
    }
    buf_fini(&b);
}

static void test_utf8(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_add_utf8(&b, STR("J\xc3\xb6rg "));
    buf_add_utf8(&b, STR("J\xf6rg \x80\xff"));
    assert_buf(&b, STR("J\xc3\xb6rg J\xc3\xb6rg \xc2\x80\xc3\xbf"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_heap_growth),
        cmocka_unit_test(test_error_sticks),
        cmocka_unit_test(test_zero_ceiling),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_escapes_at_ceiling),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_printable_bytes),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
