// SPDX-License-Identifier: MIT
#include "journal/journal_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    APPLICATION_ID = 0x6578746a, /* "extj" */
    NAMES_MAX = 65536,           /* remembered */
    PATIENCE_MS = 2000,          /* with whoever looks at the file */
    FORGET_ROWS = 5000,          /* at once */
    SHRINK_PAGES = 2000,
};

#define FORGET_LIMIT "5000"
#define WATCHERS_LIMIT "50000"

/* From one schema version to the next; never changed, only added to. */
static const char *const migrations[] = {
    "CREATE TABLE run (id INTEGER PRIMARY KEY, begun_ms INTEGER NOT NULL, program TEXT NOT NULL) "
    "STRICT;"
    "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE change (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, run INTEGER NOT NULL,"
    " cause INTEGER NOT NULL, kind INTEGER NOT NULL, name INTEGER NOT NULL, detail TEXT NOT NULL) "
    "STRICT;"
    "CREATE INDEX change_by_name ON change (name, id);"
    "CREATE INDEX change_by_cause ON change (run, cause) WHERE cause > 0;",
};

static const struct sql_schema schema = { APPLICATION_ID, migrations, ARRAY_LEN(migrations) };

/* Of files, so that they stay what they are. */
static const unsigned kind_codes[CHANGE_KINDS] = {
    [CHANGE_DEVICE] = 1,    [CHANGE_PRESENCE] = 2,    [CHANGE_SNAPSHOT] = 3,
    [CHANGE_MAILBOX] = 4,   [CHANGE_PUBLICATION] = 5, [CHANGE_SUBSCRIPTION] = 6,
    [CHANGE_REFUSAL] = 7,   [CHANGE_NOTIFY] = 8,      [CHANGE_PUBLISH] = 9,
    [CHANGE_SOURCE] = 10,   [CHANGE_LOST] = 11,       [CHANGE_CONTACT] = 12,
    [CHANGE_ENDPOINT] = 13,
};

#define ROW "id, at_ms, run, cause, kind, detail"

#define IS_LINE_OF(lines) \
    "(text <> '' AND instr(char(10) || " lines " || char(10), char(10) || text || char(10)))"

static const char *const texts[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_PUT] = "INSERT INTO change (at_ms, run, cause, kind, name, detail)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_NAME_PUT] = "INSERT INTO name (text) VALUES (?1)",
    [STATEMENT_NAME_FIND] = "SELECT id FROM name WHERE text = ?1",
    [STATEMENT_OLD] = "DELETE FROM change WHERE id <= (SELECT max(id) FROM (SELECT id, at_ms FROM"
                      " change ORDER BY id LIMIT " FORGET_LIMIT ") WHERE at_ms < ?1)",
    [STATEMENT_OLDEST] = "DELETE FROM change WHERE id <= (SELECT max(id) FROM (SELECT id FROM"
                         " change ORDER BY id LIMIT " FORGET_LIMIT "))",
    /* ?1 NULL: of any name */
    [STATEMENT_BY_NAME] = "SELECT * FROM (SELECT " ROW " FROM change WHERE (?1 IS NULL OR name ="
                          " (SELECT name.id FROM name WHERE text = ?1)) AND at_ms BETWEEN ?2 AND ?3"
                          " AND (?4 >> kind) & 1 ORDER BY id DESC LIMIT ?5) ORDER BY id",
    [STATEMENT_NEXT] = "SELECT " ROW " FROM change WHERE name = (SELECT name.id FROM name WHERE"
                       " text = ?1) AND at_ms > ?2 AND (?3 >> kind) & 1 ORDER BY id LIMIT 1",
    /* When there are more than the limit, its own before those of its hint and those before others
     */
    [STATEMENT_BY_CAUSE] =
        "SELECT " ROW ", total FROM (SELECT change.id AS id, at_ms, run, cause, kind, detail,"
        " count(*) OVER () AS total FROM change JOIN name ON name.id = change.name"
        " WHERE run = ?1 AND cause = ?2 AND cause > 0 AND at_ms <= ?3"
        " AND (" IS_LINE_OF(
            "?4") " OR (?5 >> kind) & 1"
                  " OR ((?8 >> kind) & 1 AND " IS_LINE_OF(
                      "?9") ")"
                            " OR ((?10 >> kind) & 1 AND " IS_LINE_OF(
                                "?11") "))"
                                       " ORDER BY NOT " IS_LINE_OF("?4") ", NOT " IS_LINE_OF(
                                           "?6") ", change.id "
                                                 "LIMIT ?7) ORDER BY id",
    [STATEMENT_WATCHERS] =
        "SELECT " ROW " FROM change WHERE id IN (SELECT max(id) FROM"
        " (SELECT id, detail FROM change WHERE name = (SELECT name.id FROM name WHERE text = ?1)"
        " AND at_ms <= ?2 AND kind IN (6, 7, 8, 9) ORDER BY id DESC LIMIT " WATCHERS_LIMIT ")"
        " GROUP BY coalesce(json_extract(detail, '$.call_id'), json_extract(detail, '$.section')),"
        " json_extract(detail, '$.event')) ORDER BY id",
    [STATEMENT_FIRST] = "SELECT at_ms FROM change ORDER BY id LIMIT 1",
};

/* ---- results ---- */

void file_why(const struct journal_file *f, char *why, size_t why_n)
{
    snprintf(why, why_n, "%s", f->sql ? sqlite3_errmsg(f->sql) : "there is no memory for it");
}

static int step(struct journal_file *f, enum journal_statement which)
{
    sqlite3_stmt *st = f->statements[which];
    int code = sqlite3_step(st);

    (void)sqlite3_reset(st); /* says the same once more */
    return sql_result(code);
}

/* ---- opening ---- */

static int prepare_all(struct journal_file *f)
{
    int r = 0;

    for (size_t i = 0; i < STATEMENTS && r == 0; i++)
        r = sql_prepare(f->sql, &f->statements[i], texts[i]);
    return r;
}

static int run_begin(struct journal_file *f, uint64_t now_ms, struct str program)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(f->sql, "INSERT INTO run (begun_ms, program) VALUES (?1, ?2)", -1,
                                  &st, NULL);

    if (code == SQLITE_OK) {
        sqlite3_bind_int64(st, 1, (int64_t)now_ms);
        sqlite3_bind_text(st, 2, program.p, (int)program.n, SQLITE_STATIC);
        code = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    f->run = (uint64_t)sqlite3_last_insert_rowid(f->sql);
    return sql_result(code);
}

int file_open(struct journal_file *f, const char *path, uint64_t now_ms, struct str program,
              struct rng *rng, char *why, size_t why_n)
{
    int r;

    *f = (struct journal_file){ .sql = NULL };
    *why = '\0';
    r = map_init(&f->names, rng);
    f->names_ready = r == 0;
    r = r ? r
          : sql_result(sqlite3_open_v2(
                path, &f->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                NULL));
    if (r == 0)
        sqlite3_busy_timeout(f->sql, PATIENCE_MS);
    r = r ? r
          : sql_exec(f->sql, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                             "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;"
                             "PRAGMA journal_size_limit = 16777216; PRAGMA trusted_schema = OFF;"
                             "PRAGMA temp_store = MEMORY");
    r = r ? r : sql_migrate(f->sql, &schema, why, why_n);
    r = r ? r : prepare_all(f);
    r = r ? r : run_begin(f, now_ms, program);
    if (r) {
        if (!*why)
            file_why(f, why, why_n);
        file_close(f);
    }
    return r;
}

struct name {
    struct map_node node;
    int64_t id;
    size_t n;
    char text[];
};

static void names_forget(struct journal_file *f)
{
    MAP_FOREACH_SAFE (node, &f->names) {
        map_remove(&f->names, node);
        free(CONTAINER_OF(node, struct name, node));
    }
}

void file_close(struct journal_file *f)
{
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(f->statements[i]);
    sqlite3_close(f->sql);
    if (f->names_ready) {
        names_forget(f);
        map_fini(&f->names);
    }
    *f = (struct journal_file){ .sql = NULL };
}

/* ---- writing ---- */

static bool name_is(const struct map_node *node, const void *key)
{
    const struct name *n = CONTAINER_OF(node, const struct name, node);

    return str_equal((struct str){ n->text, n->n }, *(const struct str *)key);
}

/* Only remembered when there is memory for that. */
static void name_remember(struct journal_file *f, struct str text, int64_t id)
{
    struct name *n = malloc(sizeof(*n) + text.n);

    if (!n)
        return;
    if (f->names.count >= NAMES_MAX)
        names_forget(f);
    *n = (struct name){ .id = id, .n = text.n };
    if (text.n)
        memcpy(n->text, text.p, text.n);
    map_add(&f->names, &n->node, map_hash(&f->names, text));
}

static int name_get(struct journal_file *f, struct str text, int64_t *id)
{
    struct map_node *node = map_find(&f->names, map_hash(&f->names, text), name_is, &text);
    sqlite3_stmt *find = f->statements[STATEMENT_NAME_FIND];
    sqlite3_stmt *add = f->statements[STATEMENT_NAME_PUT];
    int code, r;

    if (node) {
        *id = CONTAINER_OF(node, const struct name, node)->id;
        return 0;
    }
    sqlite3_bind_text(find, 1, text.n ? text.p : "", (int)text.n, SQLITE_STATIC);
    code = sqlite3_step(find);
    if (code == SQLITE_ROW)
        *id = sqlite3_column_int64(find, 0);
    (void)sqlite3_reset(find);
    r = sql_result(code);
    if (r == 0 && code != SQLITE_ROW) {
        sqlite3_bind_text(add, 1, text.n ? text.p : "", (int)text.n, SQLITE_STATIC);
        r = step(f, STATEMENT_NAME_PUT);
        *id = sqlite3_last_insert_rowid(f->sql);
    }
    if (r == 0)
        name_remember(f, text, *id);
    return r;
}

int file_put(struct journal_file *f, const struct row_head *head, const char *bytes)
{
    sqlite3_stmt *put = f->statements[STATEMENT_PUT];
    int64_t name = 0;
    int r = f->within ? 0 : step(f, STATEMENT_BEGIN);

    f->within = f->within || r == 0;
    r = r ? r : name_get(f, (struct str){ bytes, head->name_n }, &name);
    if (r)
        return r;
    sqlite3_bind_int64(put, 1, (int64_t)head->at_ms);
    sqlite3_bind_int64(put, 2, (int64_t)f->run);
    sqlite3_bind_int64(put, 3, (int64_t)head->cause);
    sqlite3_bind_int64(put, 4, kind_codes[head->kind]);
    sqlite3_bind_int64(put, 5, name);
    sqlite3_bind_text(put, 6, bytes + head->name_n, (int)head->detail_n, SQLITE_STATIC);
    return step(f, STATEMENT_PUT);
}

int file_commit(struct journal_file *f)
{
    int r = f->within ? step(f, STATEMENT_COMMIT) : 0;

    f->within = f->within && r;
    return r;
}

/* What was remembered of names may be undone with it. */
void file_rollback(struct journal_file *f)
{
    if (f->within)
        (void)!step(f, STATEMENT_ROLLBACK);
    f->within = false;
    names_forget(f);
}

/* ---- retention ---- */

int file_forget(struct journal_file *f, uint64_t before_ms, bool any, bool *more)
{
    enum journal_statement which = any ? STATEMENT_OLDEST : STATEMENT_OLD;
    int r;

    if (!any)
        sqlite3_bind_int64(f->statements[which], 1, (int64_t)before_ms);
    r = step(f, which);
    *more = r == 0 && sqlite3_changes(f->sql) >= FORGET_ROWS;
    return r;
}

int file_tidy(struct journal_file *f)
{
    names_forget(f);
    return sql_exec(f->sql,
                    "DELETE FROM name WHERE NOT EXISTS (SELECT 1 FROM change WHERE change.name ="
                    " name.id); DELETE FROM run WHERE id < (SELECT min(run) FROM change)");
}

int file_shrink(struct journal_file *f)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", SHRINK_PAGES);
    return sql_exec(f->sql, sql);
}

uint64_t file_bytes(struct journal_file *f)
{
    int64_t pages = 0, empty = 0, size = 0;

    if (sql_number(f->sql, "PRAGMA page_count", &pages) ||
        sql_number(f->sql, "PRAGMA freelist_count", &empty) ||
        sql_number(f->sql, "PRAGMA page_size", &size))
        return 0;
    return (uint64_t)((pages - empty) * size);
}

/* ---- reading ---- */

static enum change_kind kind_of(int code)
{
    for (unsigned k = 0; k < CHANGE_KINDS; k++)
        if (kind_codes[k] == (unsigned)code)
            return (enum change_kind)k;
    return CHANGE_KINDS;
}

int64_t file_kinds(unsigned kinds)
{
    int64_t codes = 0;

    for (unsigned k = 0; k < CHANGE_KINDS; k++)
        if (kinds & CHANGE_BIT(k))
            codes |= INT64_C(1) << kind_codes[k];
    return codes;
}

int file_rows(struct journal_file *f, enum journal_statement which, journal_row_fn each, void *ctx)
{
    sqlite3_stmt *st = f->statements[which];
    int code = SQLITE_DONE, r = 0;

    while (r == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const struct journal_row row = {
            .number = (uint64_t)sqlite3_column_int64(st, 0),
            .at_ms = (uint64_t)sqlite3_column_int64(st, 1),
            .run = (uint64_t)sqlite3_column_int64(st, 2),
            .cause = (uint64_t)sqlite3_column_int64(st, 3),
            .kind = kind_of(sqlite3_column_int(st, 4)),
            .detail = { (const char *)sqlite3_column_text(st, 5),
                        (size_t)sqlite3_column_bytes(st, 5) },
            .total = sqlite3_data_count(st) > 6 ? (uint64_t)sqlite3_column_int64(st, 6) : 0,
        };

        r = each(ctx, &row);
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    if (r)
        return r;
    r = sql_result(code);
    return r ? JOURNAL_FAILS : 0;
}

uint64_t file_begins(struct journal_file *f)
{
    int64_t at_ms = 0;

    (void)!sql_number(f->sql, texts[STATEMENT_FIRST], &at_ms);
    return (uint64_t)at_ms;
}

int file_check(struct journal_file *f, char *why, size_t why_n)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(f->sql, "PRAGMA quick_check(1)", -1, &st, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        snprintf(why, why_n, "%s", (const char *)sqlite3_column_text(st, 0));
    else
        file_why(f, why, why_n);
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? 0 : JOURNAL_FAILS;
}
