// SPDX-License-Identifier: MIT
/* store_internal.h - what the store's files share.
 *
 *   ledger ──batch──▶ store (its thread) ──▶ database
 *     ▲                │
 *     └────settled─────┘
 *
 * store.c       the thread: groups, commits, what happens when they fail
 * place.c       the file's place in the state directory, and what takes it
 * mapped.c      files in memory, which go on as memory when the disk fails
 * database.c    SQLite: the file, its schema, one record
 * log_check.c   what is lost with a damaged log of SQLite's
 * checkpoint.c  from SQLite's log into the file, beside the commits
 * ledger.c      the owners' side */
#pragma once
#include "base/sql.h"
#include "loop/loop.h"
#include "store/ledger.h"

/* ---- log_check.c ---- */

/* How many transactions, at least, are in the log of the database at `path` behind what SQLite
 * takes of it, which has read it. */
unsigned log_lost(sqlite3 *sql, const char *path);

/* ---- ledger.c ---- */

struct ledger_record { /* one put */
    struct ledger_record *next;
    struct keep_record record; /* its texts are below */
    char text[];
};

struct ledger_batch { /* what was put in one turn; there and back again */
    struct inbox_message m;
    struct ledger *ledger;
    struct ledger_record *first, *last;
    uint64_t mark;
    size_t n, bytes;
    uint64_t rewrite; /* everything has been put with it, or before; 0: not */
    bool failure_told;
};

void ledger_batch_free(struct ledger_batch *b);
/* To its owner: it is durable. Takes the batch. */
void ledger_batch_settle(struct ledger_batch *b);
/* To its owner: it is not, for this reason. */
void ledger_batch_fail(struct ledger_batch *b, int result);
/* Everything is to be put again; with a number also what had been put and is not durable. The last
 * batch of that has the number. */
void ledger_ask_rewrite(struct ledger *l, uint64_t rewrite);

/* ---- store.c ---- */

void store_batch_run(struct inbox_message *m, void *owner); /* of a batch that is posted */
void store_post(struct store *s, struct ledger_batch *b);
/* A ledger has waited in vain, or does no more. Its thread. */
void store_late(struct store *s, bool late);
/* So much waits for a disk that hangs that what comes is to be left out: when the disk answers,
 * everything is put again. Any thread. */
bool store_overflows(struct store *s);
void store_ledger_add(struct store *s, struct ledger *l); /* before the thread runs */

/* ---- database.c ---- */

struct database {
    sqlite3 *sql;
    int log_pages;   /* in SQLite's log, after the last commit */
    unsigned lost;   /* transactions in a damaged log, when it was opened */
    int failure;     /* errno of the last step, where SQLite only says that the disk failed; or 0 */
    ino_t beside[2]; /* SQLite's log and the index of that, when it was opened; 0: there was none */
    sqlite3_stmt *put[KEEP_TABLES], *forget[KEEP_TABLES], *begin, *commit, *rollback;
};

struct database_config {
    const char *path, *vfs;
    enum store_durability durability;
    int patience_ms; /* with others who have it locked */
};

/* 0, SQL_DAMAGED or a negative errno; unless 0, `why` has the reason and nothing is open. */
NODISCARD int database_open(struct database *d, const struct database_config *cfg, char *why,
                            size_t why_n);
void database_close(struct database *d); /* also one that was never opened */
/* Why the last one failed; `code` of SQLite's counts where nothing is open. */
void database_why(const struct database *d, int code, char *why, size_t why_n);
/* The same results for all of these; database_why has the reason. */
NODISCARD int database_begin(struct database *d);
NODISCARD int database_put(struct database *d, const struct keep_record *record);
NODISCARD int database_commit(struct database *d);
/* What was committed is on the disk, whatever the durability. */
NODISCARD int database_sync(struct database *d);
void database_rollback(struct database *d);
/* Everything is in the file itself, and on the disk. For one that nobody reads. */
NODISCARD int database_settle(struct database *d);
/* Somebody has removed or replaced the file or its log: what is written is found by nobody. */
bool database_is_elsewhere(const struct database *d);
#define ALL_RECORDS "1"
/* Those that fulfil the condition `which`. SQL_DAMAGED: some of them cannot be read; what is before
 * and behind was. */
NODISCARD int database_read(struct database *d, const char *which, enum keep_table table,
                            int (*each)(void *ctx, const struct keep_record *record), void *ctx,
                            int *each_result);
/* Is its schema one that this program knows? Reads only. As store_probe. */
NODISCARD int database_probe(const struct database_config *cfg, char *why, size_t why_n);
/* A connection that only reads, and closes like the other one. Likewise. */
NODISCARD int database_open_reader(struct database *d, const struct database_config *cfg);
/* Of another connection. */
NODISCARD int database_backup(const struct database_config *cfg, const char *file, char *why,
                              size_t why_n);
NODISCARD int database_verify(const struct database_config *cfg,
                              void (*each)(void *ctx, const struct keep_record *record), void *ctx,
                              char *why, size_t why_n);
const char *database_table_name(enum keep_table table);

/* ---- place.c ---- */

enum { PLACE_ROOM = 4096 };

struct place {
    char path[PLACE_ROOM];
    const char *vfs;
    enum store_durability durability;
    const struct clock *clock;
    struct log *log;
    int lock;        /* of the state directory: a descriptor */
    bool unfinished; /* the file is what came of the last try */
    /* Read by whoever opens the file by its path: SQLite would take the log of the one that has
     * come in its place meanwhile for its own. */
    pthread_rwlock_t readers;
};

/* 0 or -ENAMETOOLONG; place_fini in either case. */
NODISCARD int place_init(struct place *p, const struct store_config *cfg);
void place_fini(struct place *p);
struct database_config place_config(const struct place *p);
/* Takes the directory, and opens the file, or a new one when it is damaged. 0 or a negative errno
 * with the reason. */
NODISCARD int place_open(struct place *p, struct str directory, struct database *d, char *why,
                         size_t why_n);
/* Under that name a copy would be taken for a part of it, or for what is to take the place. */
bool place_is_own_name(const struct place *p, struct str file);
/* A new file beside it. As database_open. */
NODISCARD int place_making_open(const struct place *p, struct database *d, char *why, size_t why_n);
void place_making_remove(const struct place *p);
/* The new one, which is closed, takes the place of the one that is open. Waits a second for those
 * who read it; then -ETIMEDOUT. As database_open, but that one may be open still. */
NODISCARD int place_replace(struct place *p, struct database *d, char *why, size_t why_n);

/* ---- checkpoint.c ---- */

struct checkpointer; /* a thread */

/* `path` is held for reading while the file is open by its path. */
NODISCARD int checkpointer_create(struct checkpointer **out, const struct database_config *cfg,
                                  pthread_rwlock_t *path, struct log *log);
void checkpointer_destroy(struct checkpointer *c); /* NULL is fine */
void checkpointer_committed(struct checkpointer *c, const struct database *d);
