// SPDX-License-Identifier: MIT
/* The file. One table for each of keep.h: by number with an integer key, which costs a quarter of a
 * text key, or by name. */
#include "base/buf.h"
#include "store/store_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    APPLICATION_ID = 0x65787473, /* "exts" */
    NAME_MAX_BYTES = 1 << 16,    /* more than any name has */
    PATH_ROOM = 4096 + 8,
    READER_PATIENCE_MS = 5000, /* readers of one file meet when its log's index is made anew */
};

#define NUMBERED(name) \
    "CREATE TABLE " name " (number INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;"
#define NAMED(name) \
    "CREATE TABLE " name " (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID;"

/* From one schema version to the next; never changed, only added to. */
static const char *const migrations[] = {
    NUMBERED("subscription") NUMBERED("publication") NUMBERED("publication_body")
        NUMBERED("sent_publication") NAMED("device") NAMED("presence") NAMED("mailbox")
            NAMED("source_state") NAMED("autohint") NAMED("self"),
    NUMBERED("contact"),
    NAMED("silent_contact"),
};

static const struct sql_schema schema = { APPLICATION_ID, migrations, ARRAY_LEN(migrations) };

static const char *const table_names[KEEP_TABLES] = {
    [KEEP_SUBSCRIPTION] = "subscription",
    [KEEP_PUBLICATION] = "publication",
    [KEEP_PUBLICATION_BODY] = "publication_body",
    [KEEP_SENT_PUBLICATION] = "sent_publication",
    [KEEP_CONTACT] = "contact",
    [KEEP_DEVICE] = "device",
    [KEEP_PRESENCE] = "presence",
    [KEEP_MAILBOX] = "mailbox",
    [KEEP_SOURCE_STATE] = "source_state",
    [KEEP_AUTOHINT] = "autohint",
    [KEEP_SELF] = "self",
    [KEEP_SILENT_CONTACT] = "silent_contact",
};

static bool by_number(enum keep_table table)
{
    return table < KEEP_NUMBERED;
}

/* ---- results ---- */

void database_why(const struct database *d, int code, char *why, size_t why_n)
{
    const char *text = d->sql ? sqlite3_errmsg(d->sql) : sqlite3_errstr(code);

    snprintf(why, why_n, d->failure ? "%s: %s" : "%s", text, strerror(d->failure));
}

/* ---- statements ---- */

/* Runs it, and leaves it ready for the next time. */
static int step(struct database *d, sqlite3_stmt *st)
{
    int code;

    errno = 0;
    code = sqlite3_step(st);
    d->failure = (code & 0xff) == SQLITE_IOERR ? errno : 0;
    (void)sqlite3_reset(st); /* says the same once more */
    return sql_result(code);
}

static int prepare_table(struct database *d, enum keep_table table)
{
    const char *key = by_number(table) ? "number" : "name";
    char sql[128];
    int r;

    snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO %s (%s, record) VALUES (?1, ?2)",
             table_names[table], key);
    r = sql_prepare(d->sql, &d->put[table], sql);
    if (r)
        return r;
    snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE %s = ?1", table_names[table], key);
    return sql_prepare(d->sql, &d->forget[table], sql);
}

static int prepare_all(struct database *d)
{
    int r = sql_prepare(d->sql, &d->begin, "BEGIN IMMEDIATE");

    r = r ? r : sql_prepare(d->sql, &d->commit, "COMMIT");
    r = r ? r : sql_prepare(d->sql, &d->rollback, "ROLLBACK");
    for (unsigned t = 0; t < KEEP_TABLES && r == 0; t++)
        r = prepare_table(d, t);
    return r;
}

/* ---- opening ---- */

/* In the place of SQLite's own checkpoints. */
static int on_commit(void *ctx, sqlite3 *sql, const char *name, int pages)
{
    (void)sql;
    (void)name;
    ((struct database *)ctx)->log_pages = pages;
    return SQLITE_OK;
}

static int configure(struct database *d, enum store_durability durability)
{
    char sql[256];

    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
             "PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
             durability == STORE_FULL ? "FULL" : "NORMAL");
    sqlite3_wal_hook(d->sql, on_commit, d);
    return sql_exec(d->sql, sql);
}

static int attach(struct database *d, const struct database_config *cfg, int flags)
{
    int code = sqlite3_open_v2(cfg->path, &d->sql, flags | SQLITE_OPEN_NOMUTEX, cfg->vfs);

    if (code == SQLITE_OK)
        code = sqlite3_extended_result_codes(d->sql, 1);
    return sql_result(code);
}

/* As long as anybody has the file open its log stays one and the same. */
static ino_t beside_find(const struct database *d, size_t i)
{
    static const char *const ends[ARRAY_LEN(d->beside)] = { "-wal", "-shm" };
    char path[PATH_ROOM];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s%s", sqlite3_db_filename(d->sql, "main"), ends[i]);

    return n < PATH_ROOM && stat(path, &st) == 0 ? st.st_ino : 0;
}

int database_open(struct database *d, const struct database_config *cfg, char *why, size_t why_n)
{
    int r;

    *d = (struct database){ .sql = NULL };
    *why = '\0';
    r = attach(d, cfg, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (r == 0)
        sqlite3_busy_timeout(d->sql, cfg->patience_ms);
    r = r ? r : configure(d, cfg->durability);
    if (r == 0)
        d->lost = log_lost(d->sql, cfg->path); /* before anything is written over it */
    r = r ? r : sql_migrate(d->sql, &schema, why, why_n);
    r = r ? r : prepare_all(d);
    if (r) {
        if (!*why)
            database_why(d, SQLITE_NOMEM, why, why_n);
        database_close(d);
        return r;
    }
    for (size_t i = 0; i < ARRAY_LEN(d->beside); i++)
        d->beside[i] = beside_find(d, i);
    return 0;
}

int database_open_reader(struct database *d, const struct database_config *cfg)
{
    int r;

    *d = (struct database){ .sql = NULL };
    r = attach(d, cfg, SQLITE_OPEN_READWRITE); /* the log's index has to be written, too */
    if (r)
        database_close(d);
    else
        sqlite3_busy_timeout(d->sql, READER_PATIENCE_MS);
    return r;
}

int database_probe(const struct database_config *cfg, char *why, size_t why_n)
{
    struct database d;
    size_t version;
    int r = database_open_reader(&d, cfg);

    r = r ? r : sql_version(d.sql, &schema, &version, why, why_n);
    if (r && !*why)
        database_why(&d, SQLITE_CANTOPEN, why, why_n);
    database_close(&d);
    return r > 0 ? -EUCLEAN : r;
}

void database_close(struct database *d)
{
    for (unsigned t = 0; t < KEEP_TABLES; t++) {
        sqlite3_finalize(d->put[t]);
        sqlite3_finalize(d->forget[t]);
    }
    sqlite3_finalize(d->begin);
    sqlite3_finalize(d->commit);
    sqlite3_finalize(d->rollback);
    sqlite3_close(d->sql);
    *d = (struct database){ .sql = NULL };
}

/* ---- records ---- */

int database_begin(struct database *d)
{
    return step(d, d->begin);
}

int database_commit(struct database *d)
{
    return step(d, d->commit);
}

int database_sync(struct database *d)
{
    return sql_result(
        sqlite3_wal_checkpoint_v2(d->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

int database_settle(struct database *d)
{
    return sql_result(
        sqlite3_wal_checkpoint_v2(d->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
}

void database_rollback(struct database *d)
{
    if (!d->sql || sqlite3_get_autocommit(d->sql))
        return; /* SQLite has done it by itself */
    if (d->rollback)
        (void)!step(d, d->rollback);
    else
        (void)!sql_exec(d->sql, "ROLLBACK");
}

bool database_is_elsewhere(const struct database *d)
{
    int moved = 0;

    if (!d->sql)
        return false;
    if (sqlite3_file_control(d->sql, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(d->beside); i++)
        if (d->beside[i] && beside_find(d, i) != d->beside[i])
            return true;
    return false;
}

static int bind_key(sqlite3_stmt *st, const struct keep_record *k)
{
    if (by_number(k->table))
        return sqlite3_bind_int64(st, 1, (int64_t)k->number);
    return sqlite3_bind_text64(st, 1, k->name.n ? k->name.p : "", k->name.n, SQLITE_STATIC,
                               SQLITE_UTF8);
}

int database_put(struct database *d, const struct keep_record *k)
{
    sqlite3_stmt *st = k->bytes.n ? d->put[k->table] : d->forget[k->table];
    int code = bind_key(st, k);

    if (code == SQLITE_OK && k->bytes.n)
        code = sqlite3_bind_blob64(st, 2, k->bytes.p, k->bytes.n, SQLITE_STATIC);
    return code == SQLITE_OK ? step(d, st) : sql_result(code);
}

static struct keep_record row(sqlite3_stmt *st, enum keep_table table)
{
    struct keep_record k = { .table = table };

    if (by_number(table))
        k.number = (uint64_t)sqlite3_column_int64(st, 0);
    else
        k.name = (struct str){ (const char *)sqlite3_column_text(st, 0),
                               (size_t)sqlite3_column_bytes(st, 0) };
    k.bytes = (struct str){ sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1) };
    return k;
}

struct reading {
    enum keep_table table;
    int (*each)(void *ctx, const struct keep_record *record);
    void *ctx;
    int each_result;
    int64_t number; /* of the last record, or its name */
    struct buf name;
};

static void remember(struct reading *g, const struct keep_record *k)
{
    g->number = (int64_t)k->number;
    buf_reset(&g->name);
    buf_add(&g->name, k->name);
}

static int read_on(sqlite3_stmt *st, struct reading *g)
{
    int code = SQLITE_ROW;

    while (g->each_result == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct keep_record k = row(st, g->table);

        remember(g, &k);
        g->each_result = g->each(g->ctx, &k);
    }
    return code;
}

static int read_forwards(struct database *d, const char *which, struct reading *g)
{
    sqlite3_stmt *st = NULL;
    char sql[160];
    int code;

    snprintf(sql, sizeof(sql), "SELECT * FROM %s WHERE %s", table_names[g->table], which);
    code = sqlite3_prepare_v2(d->sql, sql, -1, &st, NULL);
    if (code == SQLITE_OK)
        code = read_on(st, g);
    sqlite3_finalize(st);
    return sql_result(code);
}

/* What is behind a page that cannot be read, as far as the next one. */
static void read_backwards(struct database *d, const char *which, struct reading *g)
{
    const char *key = by_number(g->table) ? "number" : "name";
    struct buf name;
    sqlite3_stmt *st = NULL;
    char sql[160];

    snprintf(sql, sizeof(sql), "SELECT * FROM %s WHERE %s AND %s > ?1 ORDER BY %s DESC",
             table_names[g->table], which, key, key);
    buf_init(&name, NAME_MAX_BYTES);
    buf_add(&name, buf_str(&g->name));
    if (!name.error && !g->name.error &&
        sqlite3_prepare_v2(d->sql, sql, -1, &st, NULL) == SQLITE_OK &&
        (by_number(g->table) ? sqlite3_bind_int64(st, 1, g->number)
                             : sqlite3_bind_text64(st, 1, name.n ? name.p : "", name.n,
                                                   SQLITE_STATIC, SQLITE_UTF8)) == SQLITE_OK)
        (void)read_on(st, g);
    sqlite3_finalize(st);
    buf_fini(&name);
}

int database_read(struct database *d, const char *which, enum keep_table table,
                  int (*each)(void *ctx, const struct keep_record *record), void *ctx,
                  int *each_result)
{
    struct reading g = { .table = table, .each = each, .ctx = ctx, .number = -1 };
    int r;

    buf_init(&g.name, NAME_MAX_BYTES);
    r = read_forwards(d, which, &g);
    if (r == SQL_DAMAGED && g.each_result == 0)
        read_backwards(d, which, &g);
    buf_fini(&g.name);
    *each_result = g.each_result;
    return r;
}

/* ---- the whole file ---- */

const char *database_table_name(enum keep_table table)
{
    return table_names[table];
}

/* As whoever may read the state directory: the file itself says more than anybody else should know.
 * SQLite fills an empty one. */
static int copy_begin(const char *file, char *why, size_t why_n)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    int r = fd < 0 || fchmod(fd, 0640) ? -errno : 0;

    if (fd >= 0)
        close(fd);
    if (r)
        snprintf(why, why_n, "%s: %s", file, strerror(-r));
    return r;
}

static int copy_fill(const struct database_config *cfg, const char *file, char *why, size_t why_n)
{
    struct database d = { .sql = NULL };
    sqlite3_stmt *st = NULL;
    int code, r = attach(&d, cfg, SQLITE_OPEN_READWRITE);

    code = r ? SQLITE_ERROR : sqlite3_prepare_v2(d.sql, "VACUUM INTO ?1", -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(st, 1, file, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    r = r ? r : sql_result(code);
    if (r)
        database_why(&d, code, why, why_n);
    sqlite3_finalize(st);
    database_close(&d);
    return r;
}

/* What is counted by incarnations jumps over all that the original has meanwhile. This also syncs
 * the file. */
static int copy_advance(const struct database_config *cfg, const char *file, char *why,
                        size_t why_n)
{
    const struct database_config copy = { .path = file, .vfs = cfg->vfs };
    struct database d = { .sql = NULL };
    int r = attach(&d, &copy, SQLITE_OPEN_READWRITE);

    r = r ? r
          : sql_exec(d.sql, "UPDATE self SET record = CAST(CAST(record AS TEXT) + 1000 AS BLOB) "
                            "WHERE name = 'incarnation'");
    if (r)
        database_why(&d, SQLITE_ERROR, why, why_n);
    database_close(&d);
    return r;
}

int database_backup(const struct database_config *cfg, const char *file, char *why, size_t why_n)
{
    int r = copy_begin(file, why, why_n);

    if (r)
        return r;
    r = copy_fill(cfg, file, why, why_n);
    r = r ? r : copy_advance(cfg, file, why, why_n);
    if (r)
        unlink(file);
    return r > 0 ? -EUCLEAN : r;
}

static int integrity_check(struct database *d, char *why, size_t why_n)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(d->sql, "PRAGMA integrity_check(1)", -1, &st, NULL);
    int r;

    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    r = sql_result(code);
    if (r) {
        database_why(d, code, why, why_n);
    } else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0) {
        snprintf(why, why_n, "%s", (const char *)sqlite3_column_text(st, 0));
        r = -EUCLEAN;
    }
    sqlite3_finalize(st);
    return r;
}

struct every {
    void (*each)(void *ctx, const struct keep_record *record);
    void *ctx;
};

static int give(void *ctx, const struct keep_record *record)
{
    const struct every *e = ctx;

    e->each(e->ctx, record);
    return 0;
}

int database_verify(const struct database_config *cfg,
                    void (*each)(void *ctx, const struct keep_record *record), void *ctx, char *why,
                    size_t why_n)
{
    struct database d = { .sql = NULL };
    struct every every = { each, ctx };
    int r = attach(&d, cfg, SQLITE_OPEN_READWRITE), ignored;

    r = r ? r : sql_exec(d.sql, "BEGIN");
    if (r)
        database_why(&d, SQLITE_ERROR, why, why_n);
    r = r ? r : integrity_check(&d, why, why_n);
    for (unsigned t = 0; t < KEEP_TABLES && r == 0; t++) {
        r = database_read(&d, ALL_RECORDS, t, give, &every, &ignored);
        if (r)
            database_why(&d, SQLITE_ERROR, why, why_n);
    }
    database_close(&d);
    return r > 0 ? -EUCLEAN : r;
}
