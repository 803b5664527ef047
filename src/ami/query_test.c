// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ami/query.h"
#include "base/buf.h"

static void on_column(void *ctx, struct str name, struct str value, bool last)
{
    buf_printf(ctx, "%.*s=%.*s%s", STR_FMT(name), STR_FMT(value), last ? "\n" : ",");
}

static void on_change(void *ctx, struct str key, const struct str *value)
{
    buf_printf(ctx, value ? "%.*s becomes %.*s\n" : "%.*s goes\n", STR_FMT(key),
               STR_FMT(value ? *value : STR_EMPTY));
}

static uint64_t stands_still(void *ctx)
{
    (void)ctx;
    return 1;
}

static const struct clock standing = { stands_still, stands_still, NULL };

/* What is answered, or why not, and what has changed. */
static void check_text(struct str sql, int outcome, const char *want)
{
    struct query *q = NULL;
    struct buf out;
    int r;

    buf_init(&out, 1 << 20);
    assert_int_equal(query_create(&q), 0);
    assert_int_equal(query_put(q, STR("/CustomDevstate/b"), STR("BUSY")), 0);
    assert_int_equal(query_put(q, STR("/CustomDevstate/a"), STR("RINGING")), 0);
    assert_int_equal(query_put(q, STR("/CustomDevstate/a"), STR("INUSE")), 0);
    assert_int_equal(query_put(q, STR("/CustomPresence/a"), STR("away,,lunch")), 0);
    r = query_run(q, sql, &standing, &(struct query_sink){ &out, on_column });
    if (r == QUERY_REFUSED)
        buf_add(&out, str_of(query_why(q)));
    else
        assert_int_equal(query_changes(q, on_change, &out), 0);
    if (r != outcome || !str_equal(buf_str(&out), str_of(want)))
        fail_msg("%.*s: %d, %.*s", STR_FMT(sql), r, STR_FMT(buf_str(&out)));
    query_destroy(q);
    buf_fini(&out);
}

static void check(const char *sql, int outcome, const char *want)
{
    check_text(str_of(sql), outcome, want);
}

static void test_asked(void **state)
{
    static const struct {
        const char *sql, *rows;
    } cases[] = {
        { "SELECT * FROM astdb WHERE key LIKE '/CustomDev%' ORDER BY key",
          "key=/CustomDevstate/a,value=INUSE\nkey=/CustomDevstate/b,value=BUSY\n" },
        { "select count(*) as n from astdb; select value from astdb where key='/CustomPresence/a'",
          "n=3\nvalue=away,,lunch\n" },
        { "SELECT NULL AS x, 1.5 AS y", "x=,y=1.5\n" },
        { "WITH t AS (SELECT value v FROM astdb) SELECT max(v) m FROM t", "m=away,,lunch\n" },
        { "", "" },
        { " ; -- nothing", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].sql, 0, cases[i].rows);
    check_text(STR(" \0SELECT 1"), 0, ""); /* it ends there, for SQLite too */
    check_text(STR("SELECT 1 AS x;\0SELECT 2"), 0, "x=1\n");
}

static void test_changes(void **state)
{
    static const struct {
        const char *sql, *changes;
    } cases[] = {
        { "UPDATE astdb SET value='RINGING' WHERE key='/CustomDevstate/b'",
          "/CustomDevstate/b becomes RINGING\n" },
        { "UPDATE astdb SET value='BUSY' WHERE key='/CustomDevstate/b'", "" },
        { "DELETE FROM astdb WHERE key LIKE '%/a'",
          "/CustomDevstate/a goes\n/CustomPresence/a goes\n" },
        { "INSERT INTO astdb VALUES('/x/y','z')", "/x/y becomes z\n" },
        { "INSERT INTO astdb VALUES(NULL,'z') RETURNING value", "value=z\n becomes z\n" },
        { "DELETE FROM astdb WHERE key='/CustomDevstate/a';"
          "INSERT INTO astdb VALUES('/CustomDevstate/a','INUSE')",
          "" },
        { "UPDATE astdb SET key='/CustomDevstate/c' WHERE value='BUSY'",
          "/CustomDevstate/b goes\n/CustomDevstate/c becomes BUSY\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].sql, 0, cases[i].changes);
}

static void test_refused(void **state)
{
    static const char forbidden[] = "there is one table, astdb, and nothing else to be done";
    static const struct {
        const char *sql, *why;
    } cases[] = {
        { "SELEKT 1", "near \"SELEKT\": syntax error" },
        { "SELECT * FROM elsewhere", "no such table: elsewhere" },
        { "ATTACH '/etc/passwd' AS x", forbidden },
        { "PRAGMA database_list", forbidden },
        { "DROP TABLE astdb", forbidden },
        { "CREATE TABLE t(x)", forbidden },
        { "CREATE TEMP TABLE t(x)", forbidden },
        { "VACUUM INTO '/tmp/x'", "cannot VACUUM from within a transaction" },
        { "COMMIT", forbidden },
        { "DELETE FROM was", forbidden },
        { "SELECT key FROM was", forbidden },
        { "SELECT sql FROM sqlite_master", forbidden },
        { "INSERT INTO astdb SELECT key, value FROM astdb", "UNIQUE constraint failed: astdb.key" },
        { "SELECT zeroblob(1000000)", "string or blob too big" },
        { "SELECT trim('  a'), trim('a', 'b')", "only blanks can be trimmed here" },
        { "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT max(x) FROM n",
          "it takes too long" },
        { "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) "
          "SELECT x FROM n ORDER BY printf('%.*c', 8000, 'a')",
          "it takes too much memory" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].sql, QUERY_REFUSED, cases[i].why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
