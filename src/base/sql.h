// SPDX-License-Identifier: MIT
/* sql.h - what our files of SQLite have in common: results as errnos, and schemas that grow.
 *
 * Threads: a connection belongs to the thread that uses it. */
#pragma once
#include "base/result.h"
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Beside 0 and negative errnos. */
enum sql_result {
    SQL_DAMAGED = 1, /* not a database, or one with broken pages */
};

/* Of one of SQLite's codes: 0 also of SQLITE_DONE and SQLITE_ROW. */
NODISCARD int sql_result(int code);
/* A file that only its owner and group may read, and so is its log; not while a connection has it
 * open. What cannot be made here SQLite says why. */
void sql_file_make(const char *path);
NODISCARD int sql_exec(sqlite3 *sql, const char *text);
/* A statement that lives as long as the connection; finalised by the caller. */
NODISCARD int sql_prepare(sqlite3 *sql, sqlite3_stmt **out, const char *text);
/* The first column of the first row; `*out` stays as it is when there is none. */
NODISCARD int sql_number(sqlite3 *sql, const char *query, int64_t *out);

struct sql_schema {
    int32_t application;           /* PRAGMA application_id */
    const char *const *migrations; /* from one version to the next; never changed, only added to */
    size_t n;
};
/* `*out`: of which version the file is, 0 of an empty one. -EPROTO with the reason in `why`: it is
 * a newer program's, or not ours. */
NODISCARD int sql_version(sqlite3 *sql, const struct sql_schema *schema, size_t *out, char *why,
                          size_t why_n);
/* To the newest version, or all is as before. As sql_version. */
NODISCARD int sql_migrate(sqlite3 *sql, const struct sql_schema *schema, char *why, size_t why_n);
