// SPDX-License-Identifier: MIT
/* Who we are among servers when nobody says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/entity.h"

static void test_nobody_else(void **state)
{
    static const struct entity entities[] = {
        { STR_INIT("id"), STR_INIT("one"), STR_INIT("/run/ctl") },
        { STR_INIT("id"), STR_INIT("two"), STR_INIT("/run/ctl") }, /* a clone */
        { STR_INIT("di"), STR_INIT("one"), STR_INIT("/run/ctl") },
        { STR_INIT("id"), STR_INIT("one"), STR_INIT("/run/ctl2") },
        { STR_INIT("ido"), STR_INIT("ne"), STR_INIT("/run/ctl") },
        { STR_INIT(""), STR_INIT("one"), STR_INIT("/run/ctl") },
        { STR_INIT("one"), STR_INIT(""), STR_INIT("/run/ctl") },
    };
    char ids[ARRAY_LEN(entities)][ASTERISK_EID_LEN + 1], again[ASTERISK_EID_LEN + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(entities); i++) {
        entity_id_of(ids[i], &entities[i]);
        entity_id_of(again, &entities[i]);
        assert_string_equal(ids[i], again);
        assert_int_equal(strlen(ids[i]), ASTERISK_EID_LEN);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nobody_else) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
