// SPDX-License-Identifier: MIT
/* daemon_internal.h - the roots of the process, which daemon.c (start, stop), reload.c and
 * control.c (what the control socket reaches) share. Threads: the main thread. */
#pragma once
#include "daemon/added_hints.h"
#include "daemon/daemon.h"
#include "daemon/edge.h"
#include "daemon/manager.h"
#include "daemon/threads.h"
#include "daemon/upgrade.h"
#include "daemon/watchdog.h"
#include "net/backlog.h"
#include "store/carried.h"
#include "txn/limits.h"
#include "txn/nonces.h"

#define DAEMON_HTTP_SOCKET "http" /* its name, when it is passed on */

struct daemon {
    const struct daemon_options *options;
    struct log *log;
    struct loop loop;                 /* its owner is this struct */
    struct body_registry *bodies;     /* those in force; a reference */
    const struct settings *bodies_of; /* whose plugins they have */
    const struct settings *settings;
    const struct settings *begun_with; /* the threads are made of these */
    char eid[ASTERISK_EID_LEN + 1];    /* our entity id, where the settings have none */
    struct dialplan *written;          /* in extensions.conf, as it was read last */
    struct added_hints added;          /* to it; together they are: */
    struct dialplan *dialplan;         /* the one that was given to the state thread last */
    struct listeners *listeners;       /* likewise, to the workers */
    struct backlog *backlog;           /* of inherited sockets, until the workers read them */
    struct store *store;               /* NULL: nothing is kept */
    struct nonces *nonces;             /* of all workers */
    struct snapshot_heap snapshots;    /* whoever has them */
    _Atomic uint64_t kept;             /* messages, by all workers: net_config.numbers */
    struct limits *limits;             /* likewise */
    struct carried *carried;           /* their memory; NULL: they have their own */
    pthread_mutex_t store_lock;        /* held while it is read, or ends */
    struct state_thread state;
    bool state_ready;
    struct worker *workers;
    unsigned n_workers, n_workers_ready, n_workers_stopped;
    struct feed feed; /* to the edge thread */
    struct edge edge;
    struct manager_listeners manager;
    struct admission admission;
    struct ctl *ctl;
    struct upgrade upgrade;
    struct watchdog watchdog;
    uv_signal_t signals[3];
    bool signals_ready, stopping;
    unsigned files_present;
    uint64_t started_wall_ms;
    char log_file[4096]; /* empty: standard error */
    char why[512];       /* it could not start */
};

/* daemon.c: the workers' and the state thread, then what they have put is written. */
void daemon_stop_threads(struct daemon *d);

/* For a service manager that waits for a sign of life, also in the long parts of a start. Any
 * thread. */
void daemon_still_alive(struct daemon *d);

/* reload.c */

/* As the control socket's port wants it: 0, CTL_RELOAD_PARTLY, or a negative errno and nothing has
 * changed. */
NODISCARD int daemon_reload(struct daemon *d, struct buf *report);
/* Both as the port of an edge wants them, on this thread; ctx is the daemon. */
int daemon_reload_port(void *ctx, struct buf *report);
int daemon_preview_port(void *ctx, struct buf *report, ctl_change_fn each, void *each_ctx);
int daemon_hint_port(void *ctx, const struct ctl_hint *hint);
/* The same for its report, and for what it would change. */
NODISCARD int daemon_preview(struct daemon *d, struct buf *report, ctl_change_fn each, void *ctx);
/* Hints that a source has, from any thread: they are taken over on the main thread. `ctx` is the
 * daemon. */
void daemon_post_hints(void *ctx, struct str source, struct str text);
/* Which file the log goes to. */
NODISCARD int daemon_log_name(struct daemon *d);
/* Open it; also when it is open already, because somebody may have renamed it to begin a new one.
 */
NODISCARD int daemon_log_open(struct daemon *d);

/* restore.c */

/* Open the store, if the configuration wants one. 0, or a negative errno with `d->why`. */
NODISCARD int daemon_open_store(struct daemon *d);
/* States that were set, to the state thread, before it has a dialplan: hints begin with them. */
NODISCARD int daemon_restore_states(struct daemon *d);
/* Give what else was kept to those who kept it, before their threads run, and start the store's. */
NODISCARD int daemon_restore(struct daemon *d);

/* takeover.c */

/* Begin to read the inherited sockets into memory. */
NODISCARD int daemon_inherit(struct daemon *d);
/* Give the workers the connections of the process before, before dialogs look for them. */
void daemon_adopt_connections(struct daemon *d);
/* Give the workers what was read, before their threads run. */
void daemon_deliver_backlog(struct daemon *d);

/* verify.c, as the control socket's port wants it: on any thread that may wait. */

NODISCARD int daemon_backup(struct daemon *d, struct str file, char *why, size_t why_n);
NODISCARD int daemon_verify(struct daemon *d, struct ctl_verification *found, char *why,
                            size_t why_n);

/* control.c: 0, or a negative errno with `d->why`. */
NODISCARD int daemon_open_ctl(struct daemon *d);
