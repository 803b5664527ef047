// SPDX-License-Identifier: MIT
/* manager.h - where the manager interface listens. The main thread opens the sockets while a
 * configuration is read, so that what cannot be had is told with its place, and keeps them: the
 * edge thread accepts from copies of their descriptors. Private to the daemon folder. Threads: the
 * main thread. */
#pragma once
#include "ami/connections.h"
#include "config/manager.h"
#include "daemon/inherited.h"

struct manager_listeners {
    int fds[AMI_LISTENERS]; /* -1: none */
    struct addr at[AMI_LISTENERS];
    struct net_tls *tls; /* a reference */
};
#define MANAGER_LISTENERS_NONE          \
    (struct manager_listeners)          \
    {                                   \
        .fds = { [AMI_PLAIN] = -1, -1 } \
    }

struct manager_listen_config {
    const struct manager_settings *settings;
    const struct manager_listeners *former; /* whose sockets go on; NULL: none */
    struct inherited *inherited;            /* to be made use of; NULL: none */
    struct diag *diag;                      /* gets an error for what stays as it was */
};
/* What the settings ask for. `*out` has none yet. 0 or -ENOMEM. */
NODISCARD int manager_listen(struct manager_listeners *out,
                             const struct manager_listen_config *cfg);
void manager_listeners_fini(struct manager_listeners *m); /* closes them */
/* `to` ends and becomes `from`, which has none any more. */
void manager_listeners_move(struct manager_listeners *to, struct manager_listeners *from);
/* The edge thread's. */
void manager_listeners_share(const struct manager_listeners *m, struct ami_listeners *out);
void manager_each_socket(const struct manager_listeners *m,
                         void (*each)(void *ctx, struct str id, int fd), void *ctx);

/* What can be found wrong without listening. */
void manager_check(const struct manager_settings *s, struct diag *diag);
