// SPDX-License-Identifier: MIT
#include "base/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int sql_result(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SQL_DAMAGED;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EROFS;
    case SQLITE_CANTOPEN:
        return -ENOENT;
    default:
        return -EIO;
    }
}

void sql_file_make(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

    if (fd < 0)
        return;
    (void)!fchmod(fd, 0640);
    close(fd);
}

int sql_exec(sqlite3 *sql, const char *text)
{
    return sql_result(sqlite3_exec(sql, text, NULL, NULL, NULL));
}

int sql_prepare(sqlite3 *sql, sqlite3_stmt **out, const char *text)
{
    return sql_result(sqlite3_prepare_v3(sql, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

int sql_number(sqlite3 *sql, const char *query, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(sql, query, -1, &st, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return sql_result(code);
}

int sql_version(sqlite3 *sql, const struct sql_schema *schema, size_t *out, char *why, size_t why_n)
{
    int64_t version = 0, application = 0;
    int r = sql_number(sql, "PRAGMA user_version", &version);

    r = r ? r : sql_number(sql, "PRAGMA application_id", &application);
    if (r)
        return r;
    if (version < 0 || version > (int64_t)schema->n ||
        (version && application != schema->application)) {
        snprintf(why, why_n,
                 "its schema is version %lld of application %#llx; this program knows %zu of %#x",
                 (long long)version, (unsigned long long)application, schema->n,
                 (unsigned)schema->application);
        return -EPROTO;
    }
    *out = (size_t)version;
    return 0;
}

int sql_migrate(sqlite3 *sql, const struct sql_schema *schema, char *why, size_t why_n)
{
    char set[96];
    size_t version;
    int r = sql_version(sql, schema, &version, why, why_n);

    if (r || version == schema->n)
        return r;
    r = sql_exec(sql, "BEGIN IMMEDIATE");
    for (; version < schema->n && r == 0; version++)
        r = sql_exec(sql, schema->migrations[version]);
    snprintf(set, sizeof(set), "PRAGMA application_id = %d; PRAGMA user_version = %zu",
             (int)schema->application, schema->n);
    r = r ? r : sql_exec(sql, set);
    r = r ? r : sql_exec(sql, "COMMIT");
    if (r && !sqlite3_get_autocommit(sql)) /* otherwise SQLite has done it by itself */
        (void)!sql_exec(sql, "ROLLBACK");
    return r;
}
