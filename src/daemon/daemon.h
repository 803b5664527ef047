// SPDX-License-Identifier: MIT
/* daemon.h - the roots of the process: configuration, threads, control socket, signals, reload, the
 * orderly end. Threads: the main thread. */
#pragma once
#include "daemon/inherited.h"

struct succession;

struct daemon_options {
    struct str config_directory, state_directory;
    const struct str *overrides; /* --set */
    size_t n_overrides;
    struct str log_file; /* where the log goes once everything accepts; empty: in the background
                            extstated.log in the state directory, else standard error */
    bool background;     /* standard input and output are let go of, too */
    struct str program;  /* this one, an absolute path */
    struct inherited *inherited;   /* sockets that were open before */
    struct succession *succession; /* to a process before */
    bool rehearsal;                /* only to see whether it could start while another one runs */
    int ready_fd; /* where to write one byte once everything accepts; -1: nowhere */
};

/* Run until told to stop. Returns the process's exit status: 0 after an orderly end, 1 when it
 * could not start (the reason is on standard error). */
int daemon_run(const struct daemon_options *options);

/* Could a process of this program take the place of the one that runs? Says so, and changes
 * nothing. Returns 0, or 1. */
int daemon_rehearse(const struct daemon_options *options);

/* Read everything, print every problem to standard output. Returns 0, or 1 when there was an error.
 */
int daemon_check(const struct daemon_options *options);
