// SPDX-License-Identifier: MIT
/* journal_internal.h - journal.c: the thread, what it is sent, when it fails. journal_file.c: the
 * database. Threads: the journal's. */
#pragma once
#include "base/map.h"
#include "base/sql.h"
#include "journal/journal.h"

enum journal_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_PUT,
    STATEMENT_NAME_PUT,
    STATEMENT_NAME_FIND,
    STATEMENT_OLD,     /* forgets some that are too old */
    STATEMENT_OLDEST,  /* forgets some, whatever their age */
    STATEMENT_BY_NAME, /* reading */
    STATEMENT_NEXT,
    STATEMENT_BY_CAUSE,
    STATEMENT_WATCHERS,
    STATEMENT_FIRST,
    STATEMENTS
};

struct journal_file {
    sqlite3 *sql; /* NULL: it is not open */
    sqlite3_stmt *statements[STATEMENTS];
    struct map names; /* of those used lately */
    uint64_t run;
    bool names_ready, within; /* a transaction */
};

struct row_head { /* before the bytes of name and detail */
    uint64_t at_ms, cause;
    uint32_t kind, name_n, detail_n;
};

/* `program`: for the record of who begins to write. 0, SQL_DAMAGED, -EPROTO (sql_migrate), or
 * another negative errno; unless 0 with the reason in `why`, and it is closed. */
NODISCARD int file_open(struct journal_file *f, const char *path, uint64_t now_ms,
                        struct str program, struct rng *rng, char *why, size_t why_n);
void file_close(struct journal_file *f);
/* In a transaction, which begins with the first. All as file_open, but that it stays open. */
NODISCARD int file_put(struct journal_file *f, const struct row_head *head, const char *bytes);
NODISCARD int file_commit(struct journal_file *f);
void file_rollback(struct journal_file *f);
void file_why(const struct journal_file *f, char *why, size_t why_n);
/* Forgets some rows, from before that time or the oldest there are; `*more`: there may be others.
 */
NODISCARD int file_forget(struct journal_file *f, uint64_t before_ms, bool any, bool *more);
/* Names that nothing has any more; and pages that are free, some of them, given back. */
NODISCARD int file_tidy(struct journal_file *f);
NODISCARD int file_shrink(struct journal_file *f);
uint64_t file_bytes(struct journal_file *f);
uint64_t file_begins(struct journal_file *f);
NODISCARD int file_check(struct journal_file *f, char *why, size_t why_n);
/* Bits of kinds, as they are in the file. */
int64_t file_kinds(unsigned kinds);
/* A statement whose rows are told; it has been bound. */
NODISCARD int file_rows(struct journal_file *f, enum journal_statement which, journal_row_fn each,
                        void *ctx);
