// SPDX-License-Identifier: MIT
/* sip_test.h - what the tests of src/sip share. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* wants the four above */

#include "sip/print.h"

/* Rows of tables say which one failed; NULL for no text at all. */
#define assert_text(row, actual, expected)                                                         \
    do {                                                                                           \
        struct str actual_ = (actual), expected_ = str_of(expected);                               \
        if (!str_equal(actual_, expected_))                                                        \
            fail_msg("%s: \"%.*s\" is not \"%.*s\"", (row), STR_FMT(actual_), STR_FMT(expected_)); \
    } while (0)

#define assert_number(row, actual, expected)                                          \
    do {                                                                              \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);   \
        if (actual_ != expected_)                                                     \
            fail_msg("%s: %s is %lld, not %lld", (row), #actual, actual_, expected_); \
    } while (0)

static inline struct addr test_addr(const char *text)
{
    struct addr a;

    if (addr_parse(&a, str_of(text), 0))
        fail_msg("%s is no address", text);
    return a;
}
