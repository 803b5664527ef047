// SPDX-License-Identifier: MIT
/* dial.h - one connection to a server: opened by TCP or TLS, a stream of bytes both ways. For what
 * is not SIP. Threads: the loop's. */
#pragma once
#include "base/addr.h"
#include "loop/loop.h"

struct net_dial; /* opaque: see dial.c */
struct net_tls;  /* opaque: see tls.h */

struct net_dial_port {
    void *ctx;
    /* The first: it is open. */
    void (*opened)(void *ctx);
    /* Bytes came, borrowed for the call, in which the link may be closed. */
    void (*received)(void *ctx, struct str bytes);
    /* It is over, or was not to be had: `why` is borrowed. The link has still to be closed. */
    void (*ended)(void *ctx, struct str why);
};

enum { NET_DIAL_ADDRESSES = 16 };

struct net_dial_config {
    struct loop *loop;
    struct str host;              /* whom a certificate has to name; copied, as is all */
    const struct addr *addresses; /* with their ports; the first NET_DIAL_ADDRESSES of them count */
    size_t n_addresses;
    struct net_tls *tls; /* a reference is taken; NULL: without */
    struct net_dial_port cb;
    size_t send_max; /* bytes that may wait for a peer who does not read */
};
/* The addresses are tried one after the other. No callback from within. 0; a negative errno: none
 * of them can even be tried, or -ENOMEM. */
NODISCARD int net_dial_open(struct net_dial **out, const struct net_dial_config *cfg);
/* 0; -EAGAIN: too much is waiting, and none of it was taken; -ENOMEM; -ENOTCONN. */
NODISCARD int net_dial_send(struct net_dial *l, struct str bytes);
/* Read no more for now, or go on. */
void net_dial_pause(struct net_dial *l, bool paused);
/* No callback comes from now on; NULL is fine. Its memory goes when the loop has closed it. */
void net_dial_close(struct net_dial *l);
