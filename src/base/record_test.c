// SPDX-License-Identifier: MIT
#include "base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_fields_come_back(void **state)
{
    static const uint64_t numbers[] = {
        0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX >> 1, UINT64_MAX
    };
    struct record r;
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        record_add_u64(&b, numbers[i]);
    record_add_str(&b, STR("text"));
    record_add_str(&b, STR_EMPTY);
    r = record_of(buf_str(&b));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_true(record_u64(&r) == numbers[i]);
    assert_true(str_equal(record_str(&r), STR("text")));
    assert_int_equal(record_str(&r).n, 0);
    assert_true(cursor_done(&r.at));
    assert_int_equal(r.error, 0);
    buf_fini(&b);
}

static void test_what_a_former_version_had_not_reads_as_nothing(void **state)
{
    struct record r = record_of(STR("\x05"));

    (void)state;
    assert_int_equal(record_u64(&r), 5);
    assert_int_equal(record_u64(&r), 0);
    assert_int_equal(record_str(&r).n, 0);
    assert_int_equal(r.error, 0);
}

static void test_nonsense_is_remembered(void **state)
{
    static const struct {
        struct str bytes;
        bool text;
    } cases[] = {
        { STR_INIT("\x80"), false },                                     /* more should follow */
        { STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false }, /* beyond 64 bits */
        { STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false }, /* likewise */
        { STR_INIT("\x03"
                   "ab"),
          true }, /* longer than there is */
        { STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record r = record_of(cases[i].bytes);

        if (cases[i].text)
            assert_int_equal(record_str(&r).n, 0);
        else
            assert_int_equal(record_u64(&r), 0);
        assert_int_equal(r.error, -EBADMSG);
        assert_int_equal(record_u64(&r), 0);
    }
}

static void test_a_number_that_does_not_fit_is_nonsense(void **state)
{
    struct record r = record_of(STR("\x80\x80\x80\x80\x10"));

    (void)state;
    assert_int_equal(record_u32(&r), 0);
    assert_int_equal(r.error, -EBADMSG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_come_back),
        cmocka_unit_test(test_what_a_former_version_had_not_reads_as_nothing),
        cmocka_unit_test(test_nonsense_is_remembered),
        cmocka_unit_test(test_a_number_that_does_not_fit_is_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
