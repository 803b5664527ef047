// SPDX-License-Identifier: MIT
/* store.h - records on disk: SQLite in the state directory, written by one thread with group
 * commit.
 *
 * Owners write through a ledger (ledger.h), from their own threads. Whatever the store's thread
 * finds in its inbox becomes one transaction; while that is synced to disk the next one gathers, so
 * that a lone write waits for one sync and many share it. A transaction that fails is tried again
 * until it succeeds: writes are kept in memory meanwhile, and each ledger is told that nothing new
 * should be promised. When they are too many, or the file is damaged, the store asks each ledger's
 * owner to put everything again, and makes a new file of that, extstate.db.new, which is called
 * extstate.db.whole when everything is in it and then takes the place of the former one. Threads:
 * said at each function. */
#pragma once
#include "base/clock.h"
#include "base/keep.h"
#include "base/log.h"

struct store; /* opaque: see store.c */

enum store_durability {
    STORE_FULL, /* acknowledged is synced: it survives a loss of power */
    /* It survives the end of the process; lost with the power is what the kernel has not written by
     * itself yet. */
    STORE_NORMAL,
};

struct store_config {
    struct str directory; /* exists; the file is extstate.db in it */
    enum store_durability durability;
    const struct clock *clock;
    struct log *log;
    /* For tests, else NULL and 0: SQLite's; while it fails, how much waits before it is dropped and
     * everything put again. */
    const char *vfs;
    size_t waiting_bytes_max;
};
/* Opens or makes the file, bringing an older schema up to date. One that is damaged is renamed to
 * extstate.db.damaged-SECONDS, which is logged, and a new one is begun. 0 or a negative errno with
 * the reason in `why`: -EBUSY when another process writes in it, -EPROTO when its schema is of a
 * newer program. */
NODISCARD int store_open(struct store **out, const struct store_config *cfg, char *why,
                         size_t why_n);
/* Before store_start: every record of a table, by its owner's thread or the one that starts it. A
 * damaged page ends the reading, is logged, and has the file replaced when the thread starts. 0, or
 * what `each` returned if that was not 0. */
NODISCARD int store_read(struct store *s, enum keep_table table,
                         int (*each)(void *ctx, const struct keep_record *record), void *ctx);
/* The same for the records by number that belong to one of several workers (told_worker), by a
 * connection of its own: several threads may do it at once. */
NODISCARD int store_read_share(struct store *s, enum keep_table table, unsigned worker,
                               unsigned workers,
                               int (*each)(void *ctx, const struct keep_record *record), void *ctx);
/* How often a store in this file was started, this time included. Any thread. */
uint64_t store_incarnation(const struct store *s);
/* Random, the same as long as the file is. Any thread, until the store's has begun. */
uint64_t store_identity(const struct store *s);
/* Random and secret, the same as long as the file is: what the key of the nonces of digest
 * challenges is made of. The store's. Any thread. */
struct str store_nonce_key(const struct store *s);
/* Writes that this incarnation has begun (one that was only opened leaves no trace), and begins the
 * thread. 0 or a negative errno with the reason in `why`. */
NODISCARD int store_start(struct store *s, char *why, size_t why_n);
/* Writes what has been posted, then ends the thread. What a failing disk does not take is lost, and
 * logged. All producers must have stopped. */
void store_stop(struct store *s);
void store_close(struct store *s); /* NULL is fine */

/* Could this program open the store of this directory, which another process has open? Changes
 * nothing. 0 or a negative errno with the reason in `why`. */
NODISCARD int store_probe(struct str directory, char *why, size_t why_n);

bool store_fails(const struct store *s); /* any thread */

struct store_counters {
    uint64_t commits, records, failures, replaced; /* files */
    uint64_t waiting_bytes;                        /* written by nobody yet, while it fails */
    uint64_t committed_wall_ms;                    /* the last time; 0: never */
    uint64_t commit_us, commit_us_max;             /* of the last one; of all */
    uint64_t largest;                              /* records in one transaction */
    bool failing;
    char why[128]; /* of the last failure */
};
void store_counters_get(struct store *s, struct store_counters *out); /* any thread */

const char *store_path(
    const struct store *s); /* of the file, as long as the store is; any thread */
const char *store_table_name(enum keep_table table);

/* A consistent copy while the store goes on, mode 0640, synced. `file` must not exist. The copy's
 * incarnation is some 1000 ahead, because the original goes on: what is counted by it must not come
 * twice should the copy be used one day. Blocks: for a thread that may wait. Any thread. 0 or a
 * negative errno with the reason in `why`, then there is no such file. */
NODISCARD int store_backup(struct store *s, struct str file, char *why, size_t why_n);
/* Checks the whole file, then gives every record to `each`, as it is at one moment. Likewise. 0, or
 * a negative errno with the reason: -EUCLEAN when the file is damaged, which then is replaced. */
NODISCARD int store_verify(struct store *s,
                           void (*each)(void *ctx, const struct keep_record *record), void *ctx,
                           char *why, size_t why_n);
