// SPDX-License-Identifier: MIT
/* ledger.h - what one thread has the store write: the keep port of that thread.
 *
 * What is put gathers in a batch, which ledger_flush posts at the end of the turn. The store sends
 * the batch back when it is durable. A disk that hangs, and so says nothing at all, counts as one
 * that fails after 2 s in which somebody waited. Threads: its owner; init and fini also whoever
 * starts and joins that. */
#pragma once
#include "base/keep.h"
#include "loop/inbox.h"
#include "loop/wheel.h"
#include "store/store.h"

struct ledger_batch; /* private to the folder */

struct ledger {
    struct store *store; /* NULL: nothing is kept */
    struct inbox *home;  /* of the owner */
    void *ctx;
    /* The store begins a new file: everything is to be put again. */
    void (*rewrite)(void *ctx);
    struct list waits;          /* keep_wait.link */
    struct ledger_batch *batch; /* being filled, or NULL */
    /* Of the last batch begun; of the last one settled; of the last one told to have failed. */
    uint64_t mark, settled_mark, failed_mark;
    struct wheel *wheel;
    struct timer patience; /* while somebody waits, since a batch was settled */
    bool late;             /* it was over, and none has been settled since */
    bool rewriting;        /* everything is being put again */
    struct list link;      /* of the store */
    struct log *log;
};

struct ledger_config {
    struct store *store; /* NULL: nothing is kept, and the ledger needs nothing else */
    struct inbox *home;
    struct wheel *wheel; /* of the owner's loop */
    struct log *log;
    void *ctx;
    void (*rewrite)(void *ctx);
};
/* Before store_start. */
void ledger_init(struct ledger *l, const struct ledger_config *cfg);
/* After store_stop. Who still waits is told a failure. */
void ledger_fini(struct ledger *l);
/* The port; it borrows the ledger. */
struct keep ledger_keep(struct ledger *l);
/* At the end of each turn. */
void ledger_flush(struct ledger *l);
