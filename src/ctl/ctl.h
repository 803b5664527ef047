// SPDX-License-Identifier: MIT
/* ctl.h - the control socket: how operators and programs look inside and set states.
 *
 * A Unix stream socket (mode 0600) that speaks lines of JSON: one request a line,
 * `{"id":7,"command":"hints","prefix":"10"}`, answered in order of completion by rows
 * `{"id":7,"row":{...}}` and then exactly one `{"id":7,"ok":true,...}` or
 * `{"id":7,"ok":false,"error":"usage","message":"..."}`. Errors: usage, unknown_command, not_found,
 * busy, failed. The commands and their fields are in doc/control-socket.md. The server runs on one
 * loop (the main thread's) and reaches the other threads by jobs. Threads: the loop's. */
#pragma once
#include <uv.h>

#include "base/json.h"
#include "base/keep.h"
#include "ctl/follow.h"
#include "ctl/recent.h"
#include "event/notifier.h"
#include "journal/journal.h"
#include "publication/asterisk_source.h"
#include "publication/compositor.h"
#include "publication/mailbox.h"
#include "publication/resource_list.h"
#include "publisher/publisher.h"
#include "registrar/qualifier.h"
#include "registrar/registrar.h"
#include "state/state.h"
#include "txn/uas.h"

struct ctl; /* opaque: see ctl.c */

struct ctl_state { /* what a job may look at and change on the state thread */
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct asterisk_sources *sources;
    struct keep keep;          /* where what they are told goes */
    unsigned lookup;           /* consumer bit for looking up what a name means */
    struct contacts *contacts; /* NULL: there is no registrar */
    struct resource_lists *lists;
    const struct settings *settings; /* that have been applied */
};

struct ctl_worker {          /* what a job may look at on a worker's thread */
    unsigned index, workers; /* which of how many it is */
    struct notifier *notifier;
    struct publisher *publisher;
    struct compositor *compositor;
    struct txn_layer *txn;
    struct uas *uas;
    struct net *net;
    struct registrar *registrar; /* NULL: there is none */
    struct qualifier *qualifier; /* likewise */
};

struct ctl_edge { /* what a job may look at on the edge thread */
    struct recent *recent;
    struct followers *followers;
};

struct ctl_job { /* embed it; the port runs it elsewhere and brings it back */
    /* On the state thread: `subject` is a struct ctl_state. On each worker's thread, one worker
     * after the other: a struct ctl_worker. On others: see ctl_port. */
    void (*run)(struct ctl_job *job, void *subject);
    /* Back on the loop's thread; the job belongs to it again. */
    void (*done)(struct ctl_job *job);
    /* It comes back when what it did on that thread, or on each worker's, is durable; run() may
     * take that back. `kept` is negative when that cannot be for now. */
    bool lasts;
    int kept;
};

struct ctl_hint { /* to be added, or with an empty text removed, until the next reload; borrowed */
    struct str context, extension, text, name;
    bool replace; /* one that is there already */
    /* Instead: a context that this one is to include, as an include line has it; or no more. */
    struct str include, exclude;
};
enum ctl_hint_outcome {
    CTL_HINT_EXISTS = 1,
    CTL_HINT_UNKNOWN, /* there is none to be removed */
    CTL_HINT_IMPOSSIBLE,
};

enum ctl_reload_outcome {
    CTL_RELOAD_PARTLY = 1, /* applied, but for what the errors of the report are about */
};

struct ctl_change {     /* that a reload would make; borrowed for the call */
    const char *kind;   /* "endpoint", "hint", "publications of outbound-publish" */
    struct str name;    /* "alice", "1000@users"; empty: there is one of it */
    const char *change; /* "added", "removed", "changed"; of publications "start", "stop",
                           "restart" */
    struct str options; /* that are changed: "context, aors" */
    struct str was, is; /* texts, where there are such */
    bool counted;
    uint64_t count;
};
typedef void (*ctl_change_fn)(void *ctx, const struct ctl_change *change);

struct ctl_source { /* a PBX whose states are followed; borrowed for the call */
    struct str source, protocol, state, server, complaint;
    bool stale;
    uint64_t since_ms, synced_ms, connections, events, reports, retry_ms;
};
typedef void (*ctl_source_fn)(void *ctx, const struct ctl_source *source);

struct ctl_table { /* what was found of one kind of record */
    const char *name;
    uint64_t records, wrong;
    char first[168]; /* that is wrong: its name or number */
};
struct ctl_verification {
    struct ctl_table tables[KEEP_TABLES];
    size_t n;
};

/* Of a request to give way to another program. Whoever takes the process's place answers it. */
struct ctl_upgrade {
    struct str program; /* an absolute path; empty: as this one was started */
    uint32_t timeout_s; /* to say whether it could */
    bool elsewhere;     /* it is none of the control socket's requests */
    /* It was not to be, and the request is answered so. */
    void (*failed)(struct ctl_upgrade *u, struct str why);
};

struct ctl_upgraded { /* what the answer then says */
    const char *version, *former;
    uint64_t took_ms;
    const char *failed; /* NULL: it serves; else why the former one had to be begun again */
};

struct ctl_port { /* without a command that needs one, it may be NULL */
    void *ctx;
    /* 0: `done` will be called. -EAGAIN: the thread is busy, nothing happens. */
    int (*on_state)(void *ctx, struct ctl_job *job);
    int (*on_workers)(void *ctx, struct ctl_job *job);
    /* Run it on the thread that `reload`, `preview` and `hint` may be called on; NULL: this is it.
     * As on_state. */
    int (*on_main)(void *ctx, struct ctl_job *job);
    /* Likewise, on the edge thread, where `sources` can be asked with the subject. */
    int (*on_edge)(void *ctx, struct ctl_job *job);
    void (*sources)(void *subject, ctl_source_fn each, void *each_ctx);
    /* Of that subject: what is remembered of changes. */
    const struct ctl_edge *(*seen)(const void *subject);
    /* On the journal's thread, whose subject is a struct journal. */
    int (*on_journal)(void *ctx, struct ctl_job *job);
    /* The context of an endpoint, borrowed. 0; -ENOENT: there is none; -EPERM: it may not
     * subscribe. */
    int (*endpoint)(void *ctx, struct str id, struct str *context);
    /* Read the configuration again. `report` gets the diagnostics as text, a line each. 0: applied;
     * CTL_RELOAD_PARTLY; a negative errno: nothing has changed. */
    int (*reload)(void *ctx, struct buf *report);
    /* The same without applying anything: `each` gets what would change. */
    int (*preview)(void *ctx, struct buf *report, ctl_change_fn each, void *each_ctx);
    /* 0, or an outcome, or a negative errno; unless 0 nothing has changed. */
    int (*hint)(void *ctx, const struct ctl_hint *hint);
    void (*log_level)(void *ctx, enum log_level level);
    /* The wire trace on every worker: all, or these networks, or (neither) off. */
    void (*trace)(void *ctx, bool all, const struct addr_net *peers, size_t n_peers);
    /* Facts about the process as members of an open JSON object: version, pid, started,
     * configuration, listeners (id, protocol, address), workers, endpoints, store, compatibility.
     */
    void (*status)(void *ctx, struct json *out);
    /* As store_backup; and store_verify, which tells what it found. On a thread of libuv's pool,
     * perhaps after ctl_destroy, but not after the loop has ended. */
    int (*backup)(void *ctx, struct str file, char *why, size_t why_n);
    int (*verify)(void *ctx, struct ctl_verification *found, char *why, size_t why_n);
    /* A listener and an endpoint that `extstatectl watch` can use to look at this context: members
     * "server" ("127.0.0.1:5060"), "from" (endpoint id), or nothing when there is none. */
    void (*watch_hint)(void *ctx, struct str context, struct json *out);
    /* Ends in `u->failed`, or never. */
    void (*upgrade)(void *ctx, struct ctl_upgrade *u);
};

struct ctl_config {
    uv_loop_t *loop;
    struct log *log;
    struct str path; /* a stale socket file is replaced; a live one is -EADDRINUSE */
    struct ctl_port port;
    size_t max_clients; /* one more makes the idlest go, or is refused when all wait for answers */
    size_t
        max_output_bytes; /* waiting for a client that does not read: then it is cut off; 64 MiB */
    bool listens;         /* the socket is there: */
    int listener;         /* taken on success */
};
/* The file gets mode 0600, and only root and the user that we run as are heard. */
NODISCARD int ctl_create(struct ctl **out, const struct ctl_config *cfg);
/* Closes the listener and every client (handles are closed by the loop's closing callbacks) and
 * removes the socket file. */
void ctl_destroy(struct ctl *c);

/* ---- from one process to the next ---- */

/* Read no more requests, or go on. Who comes meanwhile waits. */
void ctl_pause(struct ctl *c, bool paused);
size_t ctl_unanswered(const struct ctl *c); /* requests, also of clients that have hung up */
/* The descriptors of the listener, and of each client that waits for nothing but perhaps `u` (NULL:
 * none does), with a name for ctl_adopt. They stay the server's. */
void ctl_hand_over(struct ctl *c, const struct ctl_upgrade *u,
                   void (*each)(void *ctx, int fd, const char *name), void *ctx);
/* A client of the process before; the one that waits for the upgrade is answered. Takes `fd`, and
 * closes it when there is no memory. */
void ctl_adopt(struct ctl *c, int fd, const char *name, const struct ctl_upgraded *how);
