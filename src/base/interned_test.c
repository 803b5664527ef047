// SPDX-License-Identifier: MIT
#include "base/interned.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static struct interned *get(struct interned_table *table, const char *text)
{
    struct interned *i;

    assert_int_equal(interned_get(&i, table, str_of(text)), 0);
    assert_true(str_equal(interned_str(i), str_of(text)));
    return i;
}

/* The same bytes are the same object, as long as anybody has them. */
static void test_shared(void **state)
{
    struct interned *a, *b, *other, *none;
    struct interned_table table;
    struct rng rng;

    (void)state;
    rng_init_seeded(&rng, 1);
    assert_int_equal(interned_table_init(&table, &rng), 0);
    a = get(&table, "Yealink SIP-T46S");
    b = get(&table, "Yealink SIP-T46S");
    other = get(&table, "Yealink SIP-T46");
    none = get(&table, "");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other);
    assert_int_equal(table.tally.objects, 3);
    interned_unref(a);
    assert_int_equal(table.tally.objects, 3);
    assert_ptr_equal(interned_ref(b), b);
    interned_unref(b);
    interned_unref(b);
    assert_int_equal(table.tally.objects, 2);
    interned_unref(other);
    interned_unref(none);
    interned_unref(NULL);
    assert_int_equal(table.tally.objects, 0);
    assert_int_equal(table.tally.bytes, 0);
    interned_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
