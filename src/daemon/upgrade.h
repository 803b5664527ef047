// SPDX-License-Identifier: MIT
/* upgrade.h - another program takes the place of this one, in the same process: execve(2).
 *
 * What is open stays open (sockets, the control socket, its clients), what is acknowledged is on
 * disk, and the new program goes on as after a restart. First it is run beside this one, to say
 * whether it could (--rehearse). If it could and then cannot, it makes room for its predecessor
 * again, whose executable it has a descriptor of. Private to the daemon folder. Threads: the main
 * thread. */
#pragma once
#include <limits.h>
#include <uv.h>

#include "ctl/ctl.h"
#include "daemon/inherited.h"
#include "loop/loop.h"

struct daemon;

/* ---- the one that goes ---- */

struct upgrade {
    struct ctl_upgrade *asked; /* NULL: nobody has */
    char program[PATH_MAX];    /* as it is called */
    char path[PATH_MAX];       /* what that is: the file that was looked at, and is run */
    int *fds;                  /* of the rehearsal: the sockets as they are now */
    char **names;
    size_t n_fds;
    struct buf connections; /* the names of those behind them, which are `n_connections` */
    size_t n_connections;
    bool out_of_memory;
    uv_process_t child;
    uv_pipe_t output;
    unsigned handles; /* of these two, that are open */
    char room[4096];
    struct buf said;
    int status, signal; /* how it ended */
    bool late;
    struct ctl_job job;
    bool has_job;                   /* on its way */
    size_t unanswered, unsent;      /* requests; bytes */
    void (*next)(struct daemon *d); /* when `timer` is due */
    struct timer timer;
    uint64_t deadline_ms, unsent_until_ms, begun_ms;
    bool paused; /* nobody reads sockets any more */
    bool agreed; /* the loop has ended for it */
};

void upgrade_init(struct daemon *d);
void upgrade_fini(struct daemon *d); /* before the loop's end, which calls back */
/* The control socket's port. */
void upgrade_begin(void *daemon, struct ctl_upgrade *asked);
/* The process is told to stop, which goes first. */
void upgrade_give_up(struct daemon *d);
/* After the loop, when it has agreed. Returns when the process was told to stop at the last moment.
 */
void upgrade_go(struct daemon *d);

/* ---- the one that comes ---- */

struct succession {     /* from the environment; texts are borrowed from there */
    const char *from;   /* the version of the program before; NULL: there is none */
    const char *failed; /* why the program in between could not start; NULL: there was none */
    /* Of the one before, to go back to: its arguments, and a descriptor of the program. */
    const char *arguments;
    int program_fd;    /* -1: there is no way back */
    size_t n_listed;   /* descriptors by LISTEN_FDS; the rest of the table are connections */
    uint64_t begun_ms; /* when it was asked for, by the monotonic clock */
};
/* Takes it out of the environment, and the program out of the table. */
void succession_read(struct succession *s, struct inherited *in);
void succession_fini(struct succession *s);
/* This program cannot start: back to the one before, if there is a way. */
void succession_go_back(struct daemon *d);
/* It serves: answer whoever waits for that. */
void succession_tell(struct daemon *d);
