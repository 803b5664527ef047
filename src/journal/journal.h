// SPDX-License-Identifier: MIT
/* journal.h - what has happened, on disk: the changes of the feed in a database of their own,
 * journal.db in the state directory, for as long and as large as the configuration says.
 *
 * It is history and no state: nothing waits for it, and when it cannot be written what happens
 * meanwhile is missing in it, counted and logged, and nothing else suffers. A damaged file is
 * called journal.db.damaged, and a new one begun. Writing and reading are done by a thread of its
 * own, what has come in the meantime in one transaction, which is not synced: with the power the
 * last seconds may be lost. Threads: said at each function. */
#pragma once
#include "config/settings.h"
#include "feed/feed.h"
#include "loop/loop.h"

struct journal; /* opaque: see journal.c */

struct journal_config {
    struct str directory; /* exists */
    struct str version;   /* of the program, for the record */
    const struct clock *clock;
    struct log *log;
    size_t waiting_max; /* bytes on their way to the thread: more are lost; 0: 32 MiB */
};
/* Its thread begins; the file is opened, or made, when there is something to do for it. */
NODISCARD int journal_create(struct journal **out, const struct journal_config *cfg);
/* Writes what has come, and ends the thread; when the edge thread has ended. NULL is fine. */
void journal_stop(struct journal *j);
/* Likewise; and forgets all but the file. */
void journal_destroy(struct journal *j);
/* Whether and what it keeps from now on. Of the edge thread, or before that runs. */
void journal_configure(struct journal *j, struct feed *feed, const struct journal_settings *s);
/* Where jobs on its thread are posted to. */
struct loop *journal_loop(struct journal *j);

struct journal_counters {
    uint64_t written, lost, transactions, failures;
    uint64_t bytes;                    /* of the file, its free pages not counted */
    uint64_t oldest_wall_ms, write_us; /* of all transactions together */
    bool enabled, failing;
    char why[128]; /* of the last failure */
};
void journal_counters_get(struct journal *j, struct journal_counters *out); /* any thread */

/* ---- reading, on its thread ---- */

struct journal_row { /* borrowed for the call */
    uint64_t number; /* in the order in which they were written */
    uint64_t at_ms;
    uint64_t run;   /* number of the process, since the file was begun */
    uint64_t cause; /* within that */
    enum change_kind kind;
    struct str detail; /* a JSON object: see change_print_json */
    uint64_t total;    /* of journal_chain: how many there are, whatever the limit */
};
/* 0: go on; anything else ends the reading, and is returned. */
typedef int (*journal_row_fn)(void *ctx, const struct journal_row *row);

struct journal_query {           /* borrowed */
    struct str name;             /* as change_print_name has it; empty: any */
    unsigned kinds;              /* as bits */
    uint64_t since_ms, until_ms; /* both included; until_ms 0: no end */
    uint32_t limit;              /* the newest ones; told in the order of time */
};
enum journal_outcome {
    JOURNAL_OFF = 1, /* none is kept */
    JOURNAL_FAILS,   /* it cannot be read */
};
/* 0, a journal_outcome, or what `each` has returned. */
NODISCARD int journal_each(struct journal *j, const struct journal_query *q, journal_row_fn each,
                           void *ctx);
/* The first of that name and these kinds after that time, if there is one. */
NODISCARD int journal_next(struct journal *j, struct str name, unsigned kinds, uint64_t after_ms,
                           journal_row_fn each, void *ctx);
struct journal_chain_query { /* borrowed */
    uint64_t run, cause;
    uint64_t until_ms;  /* included; 0: no end */
    struct str names;   /* of what is asked about, a line each */
    struct str hinted;  /* a line each: devices and providers that its hints name */
    struct str members; /* a line each: what resource lists among that show */
    struct str lists;   /* likewise: resource lists that show it */
    uint32_t limit;
};
/* How one cause led to the state of a resource, and what came of that, in the order of time: what
 * its own watchers were told, and those of lists that it is in. What it led to in other resources
 * is none of it. */
NODISCARD int journal_chain(struct journal *j, const struct journal_chain_query *q,
                            journal_row_fn each, void *ctx);
/* The last that is known of each watcher and publisher of the resource at that time: its
 * subscription, or a NOTIFY, or a PUBLISH. */
NODISCARD int journal_watchers(struct journal *j, struct str name, uint64_t at_ms,
                               journal_row_fn each, void *ctx);
/* Number of the present process; 0: none has been written to. */
uint64_t journal_run(struct journal *j);
/* The time of the first row; 0: there is none. */
uint64_t journal_begins(struct journal *j);
/* As SQLite's quick_check: 0, with "ok" in `why`, or what is wrong; or a journal_outcome. */
NODISCARD int journal_check(struct journal *j, char *why, size_t why_n);
