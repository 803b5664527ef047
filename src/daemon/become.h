// SPDX-License-Identifier: MIT
/* become.h - this process as another program with the same options: what execve(2) is given.
 * Private to the daemon folder. Threads: the main thread. */
#pragma once
#include "daemon/daemon.h"

#define BECOME_COULD "could take over" /* the last words of a rehearsal that has gone well */

/* What the new program is told, by its environment. */
#define SUCCESSION_FROM "EXTSTATE_UPGRADE_FROM"           /* our version */
#define SUCCESSION_BEGUN "EXTSTATE_UPGRADE_BEGUN"         /* by the monotonic clock, in ms */
#define SUCCESSION_ARGUMENTS "EXTSTATE_UPGRADE_ARGUMENTS" /* ours, our name first: become_join */
#define SUCCESSION_FAILED "EXTSTATE_UPGRADE_FAILED"       /* the program in between */
#define SUCCESSION_PROGRAM "program"                      /* a descriptor of ours has this name */
/* And this one a file with the names of the descriptors behind those of LISTEN_FDS, a line each:
 * connections, more than the environment has room for. */
#define SUCCESSION_CONNECTIONS "connections"

/* On the heap, each and all, as execve wants them. 0 or -ENOMEM. */
NODISCARD int become_arguments(char ***out, const struct daemon_options *options, const char *name,
                               bool rehearsal);
/* The environment with descriptors passed as in sd_listen_fds(3), and with `n_more` texts, names
 * and values in turn. Without a process number: the rehearsal has another one. */
NODISCARD int become_environment(char ***out, char *const *names, size_t n_fds,
                                 const char *const *more, size_t n_more);
void become_texts_free(char **texts); /* NULL is fine */
/* Arguments as one text, and back again; on the heap. NULL: there is no memory. */
char *become_join(char *const *texts);
char **become_split(const char *joined);

/* Descriptors, each another one, to where a program looks for them, open for it: `fds` says where
 * they are now, also after a failure (-errno). Whatever was there is closed, which may be anything:
 * on 0 there is no way back from here but to become something. */
NODISCARD int become_place(int *fds, size_t n);

struct become {
    const char *path;
    char *const *arguments;
    char *const *names; /* of the descriptors that are in place, for LISTEN_FDS */
    size_t n_fds;
    const char *const *more;
    size_t n_more;
};
/* Returns only when that cannot be: a negative errno. */
int become(const struct become *what);
