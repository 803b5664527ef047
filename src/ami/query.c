// SPDX-License-Identifier: MIT
#include "ami/query.h"
#include "base/sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    /* Between two looks at the clock is at least a row, so that what one may take is bounded by how
     * much stands in it. */
    SQL_MAX = 4096,
    VALUE_MAX = 8192,       /* bytes of one text; what is in the table has some 4 kB at most */
    PATTERN_MAX = 100,      /* of LIKE and GLOB, whose time grows with its square */
    STEPS_AT_ONCE = 10,     /* of SQLite's machine, between two looks */
    PORTIONS_MAX = 1000000, /* of so many steps: also where the clock stands still */
    TIME_MAX_MS = 500,
    MEMORY_MAX = 64 << 20, /* what is sorted is kept there */
};

struct query {
    sqlite3 *sql;
    sqlite3_stmt *put;
    char why[256];
    const struct clock *clock;
    uint64_t until_ms;
    unsigned portions;
    sqlite3_int64 memory_before; /* of all that SQLite does here */
    bool much_memory;
};

/* ---- what a statement may do ---- */

static int on_permission(void *ctx, int what, const char *a, const char *b, const char *database,
                         const char *inside)
{
    struct str name = str_of(a);

    (void)ctx;
    (void)b;
    (void)database;
    (void)inside;
    switch (what) {
    case SQLITE_SELECT:
    case SQLITE_FUNCTION: /* none of SQLite's own reaches out of it; no others can be loaded */
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ: /* of its own parts, too, which have names that it chooses */
        return str_equal_nocase(name, STR("was")) || str_starts_nocase(name, STR("sqlite_"))
                   ? SQLITE_DENY
                   : SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return str_equal_nocase(name, STR("astdb")) ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

static int on_progress(void *ctx)
{
    struct query *q = ctx;

    q->much_memory = sqlite3_memory_used() - q->memory_before > MEMORY_MAX;
    return q->much_memory || ++q->portions > PORTIONS_MAX ||
           clock_monotonic_ms(q->clock) > q->until_ms;
}

/* Their time grows with the product of two lengths. */
static void on_trim(sqlite3_context *c, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    sqlite3_result_error(c, "only blanks can be trimmed here", -1);
}

static int limit(sqlite3 *sql)
{
    static const char *const trims[] = { "trim", "ltrim", "rtrim" };
    int code = SQLITE_OK;

    sqlite3_limit(sql, SQLITE_LIMIT_SQL_LENGTH, SQL_MAX);
    sqlite3_limit(sql, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    sqlite3_limit(sql, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_MAX);
    for (size_t i = 0; i < ARRAY_LEN(trims) && code == SQLITE_OK; i++)
        code = sqlite3_create_function_v2(sql, trims[i], 2, SQLITE_UTF8, NULL, on_trim, NULL, NULL,
                                          NULL);
    return code;
}

/* ---- the table ---- */

int query_create(struct query **out)
{
    struct query *q = calloc(1, sizeof(*q));
    int r = -ENOMEM;

    if (!q)
        goto out;
    if (sqlite3_open_v2(":memory:", &q->sql,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        goto out;
    if (limit(q->sql))
        goto out;
    /* Inside the transaction, which it may not end, no statement writes a file. */
    r = sql_exec(q->sql, "PRAGMA temp_store = memory;"
                         "CREATE TABLE astdb(key VARCHAR(256) PRIMARY KEY, value VARCHAR(256));"
                         "BEGIN");
    if (r == 0)
        r = sql_prepare(q->sql, &q->put, "INSERT OR REPLACE INTO astdb VALUES(?, ?)");
    if (r)
        goto out;
    *out = q;
    q = NULL;
out:
    query_destroy(q);
    return r ? -ENOMEM : 0;
}

void query_destroy(struct query *q)
{
    if (!q)
        return;
    sqlite3_finalize(q->put);
    sqlite3_close(q->sql);
    free(q);
}

int query_put(struct query *q, struct str key, struct str value)
{
    int r = 0;

    if (sqlite3_bind_text64(q->put, 1, key.n ? key.p : "", key.n, SQLITE_STATIC, SQLITE_UTF8) ||
        sqlite3_bind_text64(q->put, 2, value.n ? value.p : "", value.n, SQLITE_STATIC,
                            SQLITE_UTF8) ||
        sqlite3_step(q->put) != SQLITE_DONE)
        r = -ENOMEM;
    sqlite3_reset(q->put);
    return r;
}

/* ---- asking ---- */

static int failed(struct query *q, int code)
{
    if (code == SQLITE_NOMEM)
        return -ENOMEM;
    snprintf(q->why, sizeof(q->why), "%s",
             q->much_memory             ? "it takes too much memory"
             : code == SQLITE_INTERRUPT ? "it takes too long"
             : code == SQLITE_AUTH      ? "there is one table, astdb, and nothing else to be done"
                                        : sqlite3_errmsg(q->sql));
    return QUERY_REFUSED;
}

static struct str column_text(sqlite3_stmt *st, int i)
{
    const char *p = (const char *)sqlite3_column_text(st, i);

    return (struct str){ p, p ? (size_t)sqlite3_column_bytes(st, i) : 0 };
}

static int statement_run(struct query *q, sqlite3_stmt *st, const struct query_sink *sink)
{
    int code, columns = sqlite3_column_count(st);

    while ((code = sqlite3_step(st)) == SQLITE_ROW)
        for (int i = 0; i < columns; i++)
            sink->column(sink->ctx, str_of(sqlite3_column_name(st, i)), column_text(st, i),
                         i + 1 == columns);
    return code == SQLITE_DONE ? 0 : failed(q, code);
}

int query_run(struct query *q, struct str sql, const struct clock *clock,
              const struct query_sink *sink)
{
    int r = sql_exec(q->sql, "CREATE TABLE was AS SELECT * FROM astdb");
    const char *p = sql.n ? sql.p : "", *end = p + str_find_char(sql, '\0'); /* SQLite's own end */

    if (r)
        return -ENOMEM;
    q->clock = clock;
    q->until_ms = clock_monotonic_ms(clock) + TIME_MAX_MS;
    q->memory_before = sqlite3_memory_used();
    sqlite3_set_authorizer(q->sql, on_permission, q);
    sqlite3_progress_handler(q->sql, STEPS_AT_ONCE, on_progress, q);
    while (r == 0 && p < end) {
        sqlite3_stmt *st = NULL;
        int code = sqlite3_prepare_v2(q->sql, p, (int)(end - p), &st, &p);

        if (code)
            r = failed(q, code);
        else if (st) /* else a comment, or nothing */
            r = statement_run(q, st, sink);
        sqlite3_finalize(st);
    }
    sqlite3_progress_handler(q->sql, 0, NULL, NULL);
    sqlite3_set_authorizer(q->sql, NULL, NULL);
    return r;
}

const char *query_why(const struct query *q)
{
    return q->why;
}

int query_changes(struct query *q, void (*each)(void *ctx, struct str key, const struct str *value),
                  void *ctx)
{
    static const char *const statements[] = {
        "SELECT key, NULL FROM was WHERE key NOT IN (SELECT key FROM astdb WHERE key IS NOT NULL)",
        "SELECT key, value FROM astdb EXCEPT SELECT key, value FROM was",
    };

    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        sqlite3_stmt *st = NULL;
        int code = sqlite3_prepare_v2(q->sql, statements[i], -1, &st, NULL);

        while (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
            struct str value = column_text(st, 1);

            each(ctx, column_text(st, 0), i ? &value : NULL);
            code = SQLITE_OK;
        }
        sqlite3_finalize(st);
        if (code != SQLITE_DONE)
            return -ENOMEM;
    }
    return 0;
}
