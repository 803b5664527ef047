// SPDX-License-Identifier: MIT
/* connections.h - the manager interface on a loop: who listens, who has come, and their sessions.
 * Threads: the loop's, but for struct ami_listeners. */
#pragma once
#include "ami/server.h"
#include "feed/feed.h"
#include "loop/loop.h"
#include "net/tls.h"

enum ami_listener { AMI_PLAIN, AMI_TLS, AMI_LISTENERS };

struct ami_listeners {      /* what is to be listened at */
    int fds[AMI_LISTENERS]; /* non-blocking sockets; -1: there is none */
    struct net_tls *tls;    /* a reference; NULL: there is none */
};

struct ami_connections; /* opaque: see connections.c */

struct ami_connections_config {
    struct loop *loop;
    struct log *log;
    struct feed *feed;               /* of changes: asked while somebody is connected */
    struct ami_server_config server; /* without send, pause, close and patience of its port */
};
NODISCARD int ami_connections_create(struct ami_connections **out,
                                     const struct ami_connections_config *cfg);
/* Everybody is let go at once. The loop closes their handles; NULL is fine. */
void ami_connections_destroy(struct ami_connections *c);
struct ami_server *ami_connections_server(struct ami_connections *c);
/* Listen there from now on, and nowhere else. Takes what is in it. */
void ami_connections_listen(struct ami_connections *c, const struct ami_listeners *listeners);
