// SPDX-License-Identifier: MIT
/* feed.h - how changes come to the edges: each thread writes what happens on it, and whoever has
 * registered on the edge thread is told.
 *
 * Nothing is written that nobody wants: to ask costs one load. What is written in a turn goes as
 * one message. Memory is bounded: while more waits than FEED_HIGH the state thread waits
 * (feed_is_behind is its gate), and what workers say is counted instead of kept.
 *
 * Threads: a writer belongs to its thread; consumers to the edge thread. */
#pragma once
#include "base/log.h"
#include "feed/change.h"
#include "loop/inbox.h"

enum { FEED_HIGH = 8 << 20 }; /* bytes */

struct feed {
    atomic_uint wanted;    /* kinds, as bits */
    atomic_size_t waiting; /* bytes on their way */
    atomic_uint_fast64_t told, lost;
    struct inbox *home; /* of the edge thread */
    struct log *log;
    struct list consumers;
    struct list *next; /* of the consumers to be told, while one is */
};

/* Before the threads run; nothing is wanted yet. */
void feed_init(struct feed *f, struct log *log);
/* Where the edge thread gets its messages; before anybody registers. */
void feed_open(struct feed *f, struct inbox *home);
/* The edge thread ends: nothing is wanted any more, and nobody is waited for. */
void feed_close(struct feed *f);

/* ---- the edge thread ---- */

struct feed_consumer {
    struct list link;
    unsigned kinds; /* as bits */
    /* Everything in it is borrowed for the call. It may register and leave, itself and others. */
    void (*each)(void *ctx, const struct change *c);
    /* These were all for now; may be NULL. */
    void (*turn)(void *ctx);
    void *ctx;
};

/* Told from now on; the consumer's memory is its owner's. A listing that is asked of the state
 * thread by a job after this misses nothing: what happens before the job is told before its answer,
 * and what happens behind it afterwards. */
void feed_subscribe(struct feed *f, struct feed_consumer *c);
void feed_unsubscribe(struct feed *f, struct feed_consumer *c); /* also when it is not registered */

/* ---- any thread ---- */

/* So much is waiting that nobody should add to it. */
bool feed_is_behind(struct feed *f);

struct feed_writer {
    struct feed *feed; /* NULL: nobody wants anything */
    struct feed_chunk *chunk;
    const struct clock *clock;
    bool patient; /* waits for memory, and loses nothing */
    struct change_lost lost;
};

void feed_writer_init(struct feed_writer *w, struct feed *f, const struct clock *clock,
                      bool patient);
void feed_writer_fini(struct feed_writer *w); /* what was not flushed is dropped */

static inline bool feed_wants(const struct feed_writer *w, enum change_kind kind)
{
    return w && w->feed &&
           atomic_load_explicit(&w->feed->wanted, memory_order_relaxed) &
               CHANGE_BIT((unsigned)kind);
}

/* Copied, with references to its snapshots. Without a time it is now; what tells a snapshot has the
 * cause of that when it has none. */
void feed_put(struct feed_writer *w, const struct change *c);
/* It is counted as one that is missing here, and that is told in its place. */
void feed_lose(struct feed_writer *w, enum change_kind kind);
/* At the end of a turn, and before a message that must not overtake what was put. */
void feed_flush(struct feed_writer *w);
