// SPDX-License-Identifier: MIT
/* keep.h - what is to survive the process: the port by which its owners have it written.
 *
 * An owner (a worker's notifier, the state thread) puts records by number or by name; what it puts
 * within one turn becomes durable together and in order. Where an acknowledgement must not leave
 * before that, the owner waits with it. A port without functions keeps nothing, and then nobody has
 * to wait. Records are made with base/record.h. Threads: the owner's. */
#pragma once
#include "base/list.h"
#include "base/str.h"

/* Their numbers are also the place in the store's schema: added at the end of each group only. */
enum keep_table {
    /* By number. */
    KEEP_SUBSCRIPTION,     /* the notifier's */
    KEEP_PUBLICATION,      /* the compositor's, without the body */
    KEEP_PUBLICATION_BODY, /* by the same numbers */
    KEEP_SENT_PUBLICATION, /* the publisher's */
    KEEP_CONTACT,          /* the registrar's */
    KEEP_NUMBERED,
    /* By name. */
    KEEP_DEVICE = KEEP_NUMBERED, /* Custom: states */
    KEEP_PRESENCE,               /* CustomPresence: states */
    KEEP_MAILBOX,
    KEEP_SOURCE_STATE, /* what other servers told */
    KEEP_AUTOHINT,
    KEEP_SELF,           /* about this server: keys, counters, whom it follows */
    KEEP_SILENT_CONTACT, /* those that do not answer */
    KEEP_TABLES
};

struct keep_record { /* borrowed for the call */
    enum keep_table table;
    uint64_t number;  /* of a table by number: from 1 to INT64_MAX */
    struct str name;  /* of a table by name */
    struct str bytes; /* empty: it is to be forgotten */
};

struct keep_wait { /* embed it in what waits; list_remove(&w->link) ends the waiting */
    struct list link;
    uint64_t mark; /* the port's */
    /* What had been put when the waiting began is durable; or `result` is negative: the store
     * cannot write at the moment, and goes on trying. */
    void (*done)(struct keep_wait *w, int result);
};

struct keep {
    void *ctx;
    void (*put)(void *ctx, const struct keep_record *record);
    /* `done` is called from inside when there is nothing to wait for. First come, first served. */
    void (*wait)(void *ctx, struct keep_wait *w);
    /* The store cannot write at the moment: nothing new is to be promised. */
    bool (*fails)(void *ctx);
};

/* For what changes too often to be written: one word for each number, which survives the process
 * because it is in memory that outlives it, but not the machine. Numbers are given out here, so
 * that few words suffice. Without functions there are no numbers: then nothing is kept. */
struct keep_words {
    void *ctx;
    /* A number that nobody has, its word 0. 0: there is no room. */
    uint64_t (*take)(void *ctx);
    /* The same, for what another server began: see txn_foreign_class. */
    uint64_t (*take_foreign)(void *ctx, unsigned class);
    void (*give)(void *ctx, uint64_t number); /* back */
    /* It is that of a record that was read again: where the word is not known any more it is 0. */
    void (*claim)(void *ctx, uint64_t number);
    void (*set)(void *ctx, uint64_t number, uint64_t word);
    uint64_t (*get)(void *ctx, uint64_t number);
};

static inline void keep_put(const struct keep *k, const struct keep_record *record)
{
    if (k->put)
        k->put(k->ctx, record);
}

static inline void keep_forget(const struct keep *k, enum keep_table table, uint64_t number)
{
    keep_put(k, &(struct keep_record){ .table = table, .number = number });
}

static inline void keep_wait(const struct keep *k, struct keep_wait *w)
{
    list_init(&w->link);
    if (k->wait)
        k->wait(k->ctx, w);
    else
        w->done(w, 0);
}

static inline bool keep_fails(const struct keep *k)
{
    return k->fails && k->fails(k->ctx);
}
