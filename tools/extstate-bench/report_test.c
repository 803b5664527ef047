// SPDX-License-Identifier: MIT
#include "report.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static struct histogram latency;

static struct report example(void)
{
    return (struct report){ .phase = "subscribe",
                            .operation = "SUBSCRIBE",
                            .watchers = 1000,
                            .resources = 10,
                            .operations = 1000,
                            .elapsed_us = 250000,
                            .latency = &latency,
                            .sent_again = 3,
                            .connections_lost = 2,
                            .server_cpu_ns = 20500000,
                            .bench_cpu_ns = 9000000,
                            .memory_bytes = 6000000,
                            .memory_growth_bytes = 600000,
                            .memory_per_watcher = true };
}

static json_t *as_json(const struct report *r)
{
    char room[4096];
    json_error_t why;
    json_t *j;
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    report_print_json(&b, r);
    assert_int_equal(b.error, 0);
    assert_int_equal(str_find_char(buf_str(&b), '\n'), b.n - 1);
    j = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(j);
    return j;
}

static json_int_t number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);

    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static void test_json(void **state)
{
    struct report r = example();
    json_t *j, *l;

    (void)state;
    latency = (struct histogram){ 0 };
    for (uint64_t us = 1; us <= 1000; us++)
        histogram_add(&latency, us);
    j = as_json(&r);
    l = json_object_get(j, "latency_us");
    assert_string_equal(json_string_value(json_object_get(j, "phase")), "subscribe");
    assert_true(json_is_true(json_object_get(j, "complete")));
    assert_int_equal(number(j, "per_second"), 4000);
    assert_int_equal(number(j, "server_cpu_ns_per_operation"), 20500);
    assert_int_equal(number(j, "bench_cpu_ns_per_operation"), 9000);
    assert_int_equal(number(j, "memory_bytes_per_subscription"), 600);
    assert_int_equal(number(j, "sent_again"), 3);
    assert_int_equal(number(j, "connections_lost"), 2);
    assert_true(json_is_null(json_object_get(j, "rate")));
    assert_int_equal(number(l, "count"), 1000);
    assert_in_range(number(l, "p50"), 500, 508);
    assert_in_range(number(l, "p999"), 999, 1000);
    assert_int_equal(number(l, "max"), 1000);
    json_decref(j);
}

static void test_unknown_is_null(void **state)
{
    struct report r = example();
    json_t *j;

    (void)state;
    latency = (struct histogram){ 0 };
    r.server_cpu_ns = r.memory_bytes = REPORT_UNKNOWN;
    j = as_json(&r);
    assert_true(json_is_null(json_object_get(j, "server_cpu_ns")));
    assert_true(json_is_null(json_object_get(j, "server_cpu_ns_per_operation")));
    assert_true(json_is_null(json_object_get(j, "memory_bytes")));
    assert_true(json_is_null(json_object_get(j, "memory_bytes_per_subscription")));
    assert_true(json_is_null(json_object_get(json_object_get(j, "latency_us"), "p50")));
    json_decref(j);
    r.operations = 0; /* nothing to divide by */
    r.rate = 200;
    r.server_cpu_ns = 1;
    j = as_json(&r);
    assert_true(json_is_null(json_object_get(j, "server_cpu_ns_per_operation")));
    assert_int_equal(number(j, "rate"), 200);
    json_decref(j);
}

static void test_incomplete(void **state)
{
    struct report wrong = example(), undone = example();
    json_t *j;

    (void)state;
    wrong.wrong = 1;
    undone.undone = 1;
    assert_true(report_complete(&(struct report){ 0 }));
    assert_false(report_complete(&wrong));
    assert_false(report_complete(&undone));
    j = as_json(&wrong);
    assert_true(json_is_false(json_object_get(j, "complete")));
    json_decref(j);
}

/* The cell of a row ends where the title of its column ends. */
static void assert_column(const struct buf *title, const char *name, const struct buf *row,
                          const char *cell)
{
    const char *at = memmem(title->p, title->n, name, strlen(name));

    assert_non_null(at);
    at += strlen(name);
    assert_memory_equal(row->p + (at - title->p) - strlen(cell), cell, strlen(cell));
}

static void test_table(void **state)
{
    char title_room[512], row_room[512];
    struct report r = example();
    struct buf title, row;

    (void)state;
    histogram_add(&latency, 1500);
    buf_init_on(&title, title_room, sizeof(title_room));
    buf_init_on(&row, row_room, sizeof(row_room));
    report_print_title(&title);
    r.wrong = 12;
    report_print_row(&row, &r);
    assert_int_equal(title.error, 0);
    assert_int_equal(row.error, 0);
    assert_true(str_contains_nocase(buf_str(&row), STR("INCOMPLETE")));
    assert_column(&title, "wrong", &row, "12");
    assert_column(&title, "CPU-us", &row, "20.500");
    assert_column(&title, "B each", &row, "600");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_unknown_is_null),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
