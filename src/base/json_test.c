// SPDX-License-Identifier: MIT
#include "base/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void assert_json(struct buf *b, const char *want)
{
    assert_int_equal(b->error, 0);
    buf_add_char(b, '\0');
    assert_string_equal(b->p, want);
    buf_fini(b);
}

static void test_nesting(void **state)
{
    struct buf b;
    struct json j;

    (void)state;
    buf_init(&b, 1000);
    j = json_on(&b);
    json_add_object(&j, NULL);
    json_add_object(&j, "empty");
    json_end_object(&j);
    json_add_array(&j, "list");
    json_add_array(&j, NULL);
    json_end_array(&j);
    json_add_u64(&j, NULL, 1);
    json_add_object(&j, NULL);
    json_add_str(&j, "a", STR("x"));
    json_add_null(&j, "b");
    json_end_object(&j);
    json_add_bool(&j, NULL, true);
    json_end_array(&j);
    json_add_bool(&j, "last", false);
    json_end_object(&j);
    assert_json(&b, "{\"empty\":{},\"list\":[[],1,{\"a\":\"x\",\"b\":null},true],\"last\":false}");
}

static void test_values(void **state)
{
    struct buf b;
    struct json j;

    (void)state;
    buf_init(&b, 1000);
    j = json_on(&b);
    json_add_array(&j, NULL);
    json_add_u64(&j, NULL, UINT64_MAX);
    json_add_i64(&j, NULL, INT64_MIN);
    json_add_i64(&j, NULL, INT64_MAX);
    json_add_i64(&j, NULL, 0);
    json_add_i64(&j, NULL, -1);
    json_add_str(&j, NULL, STR_EMPTY);
    json_add_str(&j, NULL, STR("q\" b\\ n\n z\0 \xff"));
    json_add_null(&j, NULL);
    json_end_array(&j);
    assert_json(&b, "[18446744073709551615,-9223372036854775808,9223372036854775807,0,-1,\"\","
                    "\"q\\\" b\\\\ n\\n z\\u0000 \xef\xbf\xbd\",null]");
}

static void test_top_and_keys(void **state)
{
    struct buf b;
    struct json j;

    (void)state;
    buf_init(&b, 1000);
    j = json_on(&b);
    json_add_str(&j, NULL, STR("alone"));
    assert_json(&b, "\"alone\"");

    buf_init(&b, 1000);
    j = json_on(&b);
    json_add_object(&j, NULL);
    json_add_u64(&j, "k\"ey", 1);
    json_end_object(&j);
    assert_json(&b, "{\"k\\\"ey\":1}");
}

static void test_masked(void **state)
{
    struct buf b;
    struct json j;

    (void)state;
    buf_init(&b, 1000);
    j = json_on(&b);
    json_add_object(&j, NULL);
    json_add_masked(&j, "a", STR("\"N\" <sip:a:pw@h>, sip:b:\"@h"));
    json_add_masked(&j, "b", STR("sip:a@h:5060"));
    json_end_object(&j);
    assert_json(&b,
                "{\"a\":\"\\\"N\\\" <sip:a:(not shown)@h>, sip:b:\\\"@h\",\"b\":\"sip:a@h:5060\"}");
}

static void test_error_stays(void **state)
{
    char storage[10];
    struct buf b;
    struct json j;

    (void)state;
    buf_init_on(&b, storage, sizeof(storage));
    j = json_on(&b);
    json_add_array(&j, NULL);
    json_add_str(&j, NULL, STR("much too long for this"));
    json_end_array(&j);
    assert_int_equal(b.error, -EMSGSIZE);
    assert_true(b.n <= sizeof(storage));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_top_and_keys), cmocka_unit_test(test_masked),
        cmocka_unit_test(test_error_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
