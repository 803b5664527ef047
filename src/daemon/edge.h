// SPDX-License-Identifier: MIT
/* edge.h - the edge thread: what talks to people and other programs by anything but SIP. It owns
 * their connections and what they are told; states are set and asked for by jobs on the other
 * threads, as the control socket does it. What it does may take its time: no lamp waits for it.
 * Private to the daemon folder. Threads: the functions are the main thread's. */
#pragma once
#include "daemon/threads.h"

struct edge {
    struct loop loop;           /* its owner is this struct */
    struct feed *feed;          /* of changes: see feed/feed.h */
    struct feed_writer changes; /* its own */
    struct log *log;
    const struct settings *settings; /* those applied last: a reference */
    struct state_thread *state;
    struct worker *workers;
    unsigned n_workers;
    pthread_t thread;
    bool ready, started;
};

struct edge_config {
    const struct clock *clock;
    struct log *log;
    const struct settings *settings;
    struct feed *feed;
    struct state_thread *state;
    struct worker *workers;
    unsigned n_workers;
};
NODISCARD int edge_init(struct edge *e, const struct edge_config *cfg);
NODISCARD int edge_start(struct edge *e);
/* The settings that a reload made. */
void edge_post_settings(struct edge *e, const struct settings *settings);
/* Run a ctl job there, whose subject is the struct edge, then finish it on `home`. -EAGAIN: it is
 * busy; -ENOMEM. */
NODISCARD int edge_post_job(struct edge *e, struct ctl_job *job, struct loop *home);
/* Stops and joins; before the threads that it has jobs on. */
void edge_stop(struct edge *e);
/* When jobs under way have come home. */
void edge_fini(struct edge *e);
