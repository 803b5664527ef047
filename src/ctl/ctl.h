// SPDX-License-Identifier: MIT
/* ctl.h - the control socket: how operators and programs look inside and set states.
 *
 * A Unix stream socket (mode 0660) that speaks lines of JSON: one request a line,
 * `{"id":7,"command":"hints","prefix":"10"}`, answered in order of completion by rows
 * `{"id":7,"row":{...}}` and then exactly one `{"id":7,"ok":true,...}` or
 * `{"id":7,"ok":false,"error":"usage","message":"..."}`. Errors: usage, unknown_command, not_found,
 * busy, failed. The commands and their fields are in doc/control-socket.md. The server runs on one
 * loop (the main thread's) and reaches the other threads by jobs. Threads: the loop's. */
#pragma once
#include <uv.h>

#include "base/json.h"
#include "event/notifier.h"
#include "publication/asterisk_source.h"
#include "publication/compositor.h"
#include "publication/mailbox.h"
#include "publisher/publisher.h"
#include "state/state.h"

struct ctl; /* opaque: see ctl.c */

struct ctl_state { /* what a job may look at and change on the state thread */
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct asterisk_sources *sources;
};

struct ctl_worker {          /* what a job may look at on a worker's thread */
    unsigned index, workers; /* which of how many it is */
    struct notifier *notifier;
    struct publisher *publisher;
    struct compositor *compositor;
    struct txn_layer *txn;
    struct net *net;
};

struct ctl_job { /* embed it; the port runs it elsewhere and brings it back */
    /* On the state thread: `subject` is a struct ctl_state. On each worker's thread, one worker
     * after the other: a struct ctl_worker. */
    void (*run)(struct ctl_job *job, void *subject);
    /* Back on the loop's thread; the job belongs to it again. */
    void (*done)(struct ctl_job *job);
};

enum ctl_reload_outcome {
    CTL_RELOAD_PARTLY = 1, /* applied, but for what the errors of the report are about */
};

struct ctl_port {
    void *ctx;
    /* 0: `done` will be called. -EAGAIN: the thread is busy, nothing happens. */
    int (*on_state)(void *ctx, struct ctl_job *job);
    int (*on_workers)(void *ctx, struct ctl_job *job);
    /* Read the configuration again. `report` gets the diagnostics as text, a line each. 0: applied;
     * CTL_RELOAD_PARTLY; a negative errno: nothing has changed. */
    int (*reload)(void *ctx, struct buf *report);
    void (*log_level)(void *ctx, enum log_level level);
    /* The wire trace on every worker: all, or these networks, or (neither) off. */
    void (*trace)(void *ctx, bool all, const struct addr_net *peers, size_t n_peers);
    /* Facts about the process as members of an open JSON object: version, pid, started,
     * configuration, listeners (id, protocol, address), workers, endpoints, compatibility. */
    void (*status)(void *ctx, struct json *out);
    /* A listener and an endpoint that `extstatectl watch` can use to look at this context: members
     * "server" ("127.0.0.1:5060"), "from" (endpoint id), or nothing when there is none. */
    void (*watch_hint)(void *ctx, struct str context, struct json *out);
};

struct ctl_config {
    uv_loop_t *loop;
    struct log *log;
    struct str path; /* a stale socket file is replaced; a live one is -EADDRINUSE */
    struct ctl_port port;
    size_t max_clients; /* one more makes the idlest go, or is refused when all wait for answers */
    size_t
        max_output_bytes; /* waiting for a client that does not read: then it is cut off; 64 MiB */
};
NODISCARD int ctl_create(struct ctl **out, const struct ctl_config *cfg);
/* Closes the listener and every client (handles are closed by the loop's closing callbacks) and
 * removes the socket file. */
void ctl_destroy(struct ctl *c);
