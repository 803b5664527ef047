// SPDX-License-Identifier: MIT
/* watcher_info.h - who watches a resource, as one more producer of snapshots: `presence.winfo`.
 *
 * Workers tell whom they have only while somebody wants to know: with the first watch of X.winfo of
 * a resource every worker is asked, tells the subscriptions that it has, and then each change.
 * When all have answered, the watch is. A document is made at once, and then no more often than
 * every five seconds, which is what a subscriber is told at most; whoever misses none can be told
 * the differences. A watcher that was pending until its subscription ended is remembered (it is
 * `waiting`) so that the resource's owner may learn of it later, whether anybody watches or not.
 * Source: RFC 3857. Threads: the state thread. */
#pragma once
#include "config/settings.h"
#include "loop/wheel.h"
#include "state/state.h"
#include "state/watcher.h"

struct watcher_info; /* opaque: see watcher_info.c */

struct watcher_info_port {
    void *ctx;
    /* To every worker: notifier_winfo_start, notifier_winfo_stop. What they tell comes later, never
     * from inside. */
    void (*start)(void *ctx, const struct resource_name *of, uint64_t resource_id,
                  uint64_t generation);
    void (*stop)(void *ctx, const struct resource_name *of);
    /* To the worker that asked. NULL: it cannot be watched. */
    void (*answer)(void *ctx, unsigned worker, uint64_t cookie, const struct snapshot *s,
                   bool cacheable);
};

struct watcher_info_config {
    struct watcher_info_port port;
    struct state_core *core; /* outlives it */
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    unsigned n_workers; /* they are the consumers 0, 1, ... of the core */
};

enum { WAITING_MAX = 1000 }; /* watchers remembered; beyond that the oldest gives up */

/* 0 or -ENOMEM. */
NODISCARD int watcher_info_create(struct watcher_info **out, const struct watcher_info_config *cfg);
void watcher_info_destroy(struct watcher_info *wi); /* NULL is fine */

/* Waiting watchers about whom there is a rule are forgotten, and the others when they have
 * waited for [authorization] confirm_timeout. A reference to the settings is taken. */
void watcher_info_configure(struct watcher_info *wi, const struct settings *settings);

/* A resource shows something else: those that wait for it are decided about anew, as the rules may
 * ask for the sphere of who is watched. From inside of the core's port. */
void watcher_info_snapshot(struct watcher_info *wi, const struct snapshot *s);

struct watcher_info_question { /* borrowed for the call */
    struct resource_name of;   /* as in a report; it exists */
    uint64_t resource_id;      /* what `of` is, as workers know it */
    unsigned worker;
    uint64_t cookie;
    bool cacheable;
};
/* A worker watches: answered once, perhaps before this returns. */
void watcher_info_watch(struct watcher_info *wi, const struct watcher_info_question *q);
/* A worker does not watch this resource any more, after state_unwatch; any other is ignored. */
void watcher_info_unwatch(struct watcher_info *wi, uint64_t resource_id, unsigned worker);

/* A worker tells of a watcher; or, by number 0, that it has told of all it had. */
void watcher_info_report(struct watcher_info *wi, unsigned worker,
                         const struct watcher_report *report);
