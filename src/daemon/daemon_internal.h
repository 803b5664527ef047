// SPDX-License-Identifier: MIT
/* daemon_internal.h - the roots of the process, which daemon.c (start, stop), reload.c and
 * control.c (what the control socket reaches) share. Threads: the main thread. */
#pragma once
#include "daemon/daemon.h"
#include "daemon/threads.h"

struct daemon {
    const struct daemon_options *options;
    struct log *log;
    struct loop loop; /* its owner is this struct */
    struct body_registry *bodies;
    const struct settings *settings;
    const struct settings *begun_with; /* threads, sockets and plugins are made of these */
    struct dialplan *dialplan;         /* the one that was given to the state thread last */
    struct state_thread state;
    bool state_ready;
    struct worker *workers;
    unsigned n_workers, n_workers_ready, n_workers_stopped;
    struct admission admission;
    struct ctl *ctl;
    uv_signal_t signals[3];
    bool signals_ready, stopping;
    unsigned files_present;
    uint64_t started_wall_ms;
    char log_file[4096]; /* empty: standard error */
    char why[512];       /* it could not start */
};

/* reload.c */

/* As the control socket's port wants it: 0, CTL_RELOAD_PARTLY, or a negative errno and nothing has
 * changed. */
NODISCARD int daemon_reload(struct daemon *d, struct buf *report);
/* Which file the log goes to. */
NODISCARD int daemon_log_name(struct daemon *d);
/* Open it; also when it is open already, because somebody may have renamed it to begin a new one.
 */
NODISCARD int daemon_log_open(struct daemon *d);

/* control.c: 0, or a negative errno with `d->why`. */
NODISCARD int daemon_open_ctl(struct daemon *d);
