// SPDX-License-Identifier: MIT
/* watchdog.h - systemd's WatchdogSec=: it is told that we live when the state thread, every worker
 * and the edge have answered, one after the other, so that one that hangs is seen. Private to the
 * daemon folder. Threads: the main thread. */
#pragma once
#include "daemon/edge.h"

struct watchdog {
    _Atomic uint64_t alive_ms; /* the last sign of life before watchdog_start */
    struct timer timer;
    struct ctl_job job;
    uint64_t interval_ms; /* 0: nobody watches */
    struct state_thread *state;
    struct worker *workers;
    unsigned n_workers;
    struct edge *edge;
    struct loop *home;
    bool asking, ended;
};

/* By the environment, and counting from now. */
void watchdog_init(struct watchdog *w);
/* While the process starts: give a sign of life if it is time for one. `watched`: the manager waits
 * for them already, as it does of a process that has taken another one's place; any other one is
 * given more time to start. Call it as often as something has been done. Any thread. */
void watchdog_alive(struct watchdog *w, bool watched);
/* It serves. */
void watchdog_start(struct watchdog *w, struct state_thread *state, struct worker *workers,
                    unsigned n_workers, struct edge *edge, struct loop *home);
/* Before the threads end; what is under way comes home to nothing. */
void watchdog_end(struct watchdog *w);
