// SPDX-License-Identifier: MIT
/* link.h - the bytes of one connection, by TCP or TLS, for what is not SIP: the manager interface
 * and its like.
 *
 * What is sent is bounded, and whoever takes nothing for too long is let go, so that nobody waits
 * for a peer. Threads: the loop's. */
#pragma once
#include "base/addr.h"
#include "loop/loop.h"
#include "net/tls.h"

struct net_link; /* opaque: see link.c */

struct net_link_port { /* none is called from inside another function of this header */
    void *ctx;
    /* It is there: connected, the handshake done. */
    void (*opened)(void *ctx);
    /* Borrowed for the call. */
    void (*received)(void *ctx, struct str bytes);
    /* It is over; the link may be destroyed. 0: the peer has closed, or net_link_close is done;
     * -ENOBUFS: too much waits for the peer; -ETIMEDOUT: it takes nothing; another negative errno,
     * with what OpenSSL says of it, or NULL. */
    void (*ended)(void *ctx, int result, const char *why);
};

struct net_link_spec {
    struct loop *loop;
    struct net_link_port port;
    int fd;              /* non-blocking; taken on success */
    bool client;         /* we have opened it, and connect(2) may be under way */
    struct net_tls *tls; /* NULL: without */
    struct str host;     /* of a client: whom the certificate has to name; empty: `remote` */
    struct addr remote;
    size_t waiting_max; /* bytes */
    uint32_t stall_ms;  /* and how long nothing may be taken of them; of the handshake, too */
};
NODISCARD int net_link_create(struct net_link **out, const struct net_link_spec *spec);
/* At once, whatever waits. NULL is fine. */
void net_link_destroy(struct net_link *l);

/* The bytes are copied. What cannot be kept ends the link, later. */
void net_link_send(struct net_link *l, struct str bytes);
size_t net_link_waiting(const struct net_link *l); /* bytes, not yet taken */
void net_link_patience(struct net_link *l, uint32_t stall_ms);
/* Read no more, or go on. */
void net_link_pause(struct net_link *l, bool paused);
/* Nothing more is read or sent; it ends when what waits has been taken. */
void net_link_close(struct net_link *l);

/* The next one who has come to a listening socket, non-blocking, with the addresses; -EAGAIN: there
 * is nobody. */
NODISCARD int net_accept(int listener, struct addr *remote, struct addr *local);
