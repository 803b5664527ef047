// SPDX-License-Identifier: MIT
/* inbox.h - how threads talk: a bounded queue with many producers and one consumer.
 *
 * A posted message belongs to the receiver, which runs it on its own thread. Messages of one
 * producer arrive in the order they were posted. Threads: inbox_post from any; everything else by
 * the owner. */
#pragma once
#include "base/list.h"
#include "base/log.h"
#include <pthread.h>
#include <stdatomic.h>

struct inbox_message;
/* Runs on the owner's thread and owns `m` from then on. `owner` is what inbox_init was given. */
typedef void (*inbox_run_fn)(struct inbox_message *m, void *owner);
/* Frees `m` without running it: the receiver is going away. */
typedef void (*inbox_drop_fn)(struct inbox_message *m);

struct inbox_message {
    struct list link;
    inbox_run_fn run;
    inbox_drop_fn drop;
    bool patient; /* its poster calls inbox_nudge before it sleeps: no need to wake anybody now */
};

struct inbox {
    pthread_mutex_t lock;
    struct list queue;
    size_t length, high, peak;
    bool closed;
    _Atomic bool unheard; /* a patient message made it non-empty, and nobody has looked since */
    void *owner;
    void (*wake)(
        void *ctx); /* called, outside the lock, when the queue turns non-empty; any thread */
    void *wake_ctx;
};

/* `high` is how many messages may wait. */
void inbox_init(struct inbox *in, void *owner, size_t high, void (*wake)(void *ctx),
                void *wake_ctx);
/* Drops what is queued. */
void inbox_fini(struct inbox *in);
/* Takes ownership of `m` on 0. -EAGAIN: the queue is full and `m` is still the caller's (who
 * answers its peer with 503, or tries again); -ESHUTDOWN: the inbox is closed, likewise. */
NODISCARD int inbox_post(struct inbox *in, struct inbox_message *m);
/* Room for a message that must not get lost (a lamp, an answer that somebody waits for). Without
 * memory the thread waits for some, and says so once; and so, sooner or later, does whoever has
 * something to tell it. */
void *inbox_message_alloc(struct log *log, size_t size);
/* Post what must not be refused (a state change, an answer someone waits for): exempt from `high`,
 * its number is bounded by the poster's own design. Drops `m` by its drop function when the inbox
 * is closed. */
void inbox_post_always(struct inbox *in, struct inbox_message *m);
/* Wake the owner if only patient messages have come since it looked: one wake-up for a turn's
 * messages instead of one for the first, which would find it alone. Any thread. */
void inbox_nudge(struct inbox *in);
/* Run what is queued now, at most `limit` messages; returns how many ran. The owner calls again
 * while it is `limit`. */
size_t inbox_run(struct inbox *in, size_t limit);
/* How many wait now. Any thread. */
size_t inbox_length(struct inbox *in);
/* No more posts; what is queued is dropped. */
void inbox_close(struct inbox *in);
