// SPDX-License-Identifier: MIT
/* edge.h - the edge thread: what talks to people and other programs by anything but SIP. It owns
 * their connections and what they are told; states are set and asked for by jobs on the other
 * threads, as the control socket does it. What it does may take its time: no lamp waits for it.
 * Private to the daemon folder. Threads: the functions are the main thread's. */
#pragma once
#include "ami/connections.h"
#include "daemon/daemon.h"
#include "daemon/manager.h"
#include "daemon/threads.h"
#include "http/http.h"

struct edge_facts { /* of the process, for `status`; they stay as they are */
    const struct daemon_options *options;
    struct store *store;
    const struct admission *admission;
    enum durability durability;
    struct str eid; /* our entity id, where the settings have none */
    uint64_t started_wall_ms;
};

struct edge_terms { /* what a reload changes */
    const struct settings *settings;
    struct listeners *listeners;
    struct body_registry *bodies;
};

struct edge {
    struct loop loop;           /* its owner is this struct */
    struct feed *feed;          /* of changes: see feed/feed.h */
    struct feed_writer changes; /* its own */
    struct ctl_edge seen;       /* of changes, for jobs */
    struct journal *journal;
    struct log *log;
    struct edge_terms terms; /* those applied last: references */
    struct edge_facts facts;
    struct http *http;
    struct state_thread *state;
    struct worker *workers;
    unsigned n_workers;
    struct loop *main;      /* the main thread's, */
    struct ctl_port daemon; /* and what is called there */
    struct rng rng;
    struct commands *commands;
    struct ami_connections *ami;
    struct ctl_job reloaded; /* on the state thread, behind what a reload changed */
    bool configured, reloading, reloaded_again, restarts;
    struct pbxs *pbxs; /* that are followed */
    pthread_t thread;
    bool ready, started, hangs;
    bool alone; /* the other threads' objects have gone: nobody is asked anything any more */
    _Atomic bool ended;
};

struct edge_config {
    const struct clock *clock;
    struct log *log;
    struct feed *feed;
    struct edge_terms terms;
    struct edge_facts facts;
    struct loop *main;
    /* reload, preview, hint and upgrade, which are called on that loop */
    struct ctl_port daemon;
    struct state_thread *state;
    struct worker *workers;
    unsigned n_workers;
    int http_socket; /* that HTTP listens at; -1: it opens one */
    /* As pbxs_config has them; on this thread. */
    void (*hints)(void *ctx, struct str source, struct str text);
    void *hints_ctx;
};
NODISCARD int edge_init(struct edge *e, const struct edge_config *cfg);
NODISCARD int edge_start(struct edge *e);
/* References are taken, and where the manager interface listens is copied. */
void edge_post_terms(struct edge *e, const struct edge_terms *terms,
                     const struct manager_listeners *manager);
/* Run a ctl job there, whose subject is the struct edge, then finish it on `home`. -EAGAIN: it is
 * busy; -ENOMEM. */
NODISCARD int edge_post_job(struct edge *e, struct ctl_job *job, struct loop *home);
/* For a job that runs there, whose subject is `edge`: the PBXs that are followed. */
void edge_sources(void *edge, ctl_source_fn each, void *ctx);
/* Likewise: what is remembered of changes. */
const struct ctl_edge *edge_seen(const void *edge);
/* A job whose subject is the struct journal, on its thread. */
NODISCARD int edge_post_journal_job(struct edge *e, struct ctl_job *job, struct loop *home);
/* The socket that HTTP listens at, or -1. The thread has ended. */
int edge_http_socket(const struct edge *e);
/* Tells who is connected that it ends, stops and joins; before the threads that it has jobs on. */
void edge_stop(struct edge *e, bool restart); /* one that does not end in 5 s `hangs` */
/* When jobs under way have come home. */
void edge_fini(struct edge *e);
