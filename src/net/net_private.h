// SPDX-License-Identifier: MIT
/* net_private.h - what net.c, udp.c and udp_bind.c share. */
#pragma once
#include "base/tally.h"
#include "net/history.h"
#include "net/net.h"
#include "net/send_queue.h"

#define DATAGRAM_MAX 65507 /* what IPv4's length field leaves for the payload */

struct msghdr;
struct udp_ring;   /* receive buffers, shared by the sockets of one net: see udp.c */
struct udp_socket; /* opaque: see udp.c */

struct route { /* the answer of the routing table for one peer */
    struct addr remote, local;
    uint64_t until_ms; /* 0: empty */
};
struct own { /* the answer to the last question whether an address is one of this host */
    struct addr addr;
    bool ours;
    uint64_t until_ms; /* 0: nobody has asked */
};
#define ROUTES 256 /* slots, one peer each; the last one asked for stays */

struct streams; /* what is for connections only; NULL without: see stream.h */

struct net {
    struct net_config cfg;
    struct streams *streams;
    struct udp_socket **sockets; /* by transport; NULL: closed */
    uint32_t n_sockets;
    struct udp_ring *ring;
    struct net_counters counters;
    struct tally heap; /* of connections */
    bool trace_all, paused;
    bool overloaded; /* net_overloaded, by the batch that was read last */
    struct addr_net *traced;
    size_t n_traced;
    struct history history;
    struct route routes[ROUTES];
    struct own own;
};

NODISCARD int udp_ring_create(struct udp_ring **out);
void udp_ring_destroy(struct udp_ring *ring);

/* Takes `fd` on 0. One that `*out` has already goes on reading for the same transport. */
NODISCARD int udp_open(struct udp_socket **out, struct net *n, uint32_t transport, struct str id,
                       int fd);
NODISCARD int udp_set(struct udp_socket *s, struct str id, uint32_t tos, uint32_t cos);
/* Writes what the kernel takes, then closes; the memory goes in the loop's closing callback. NULL
 * is fine. */
void udp_close(struct udp_socket *s);
NODISCARD int udp_send(struct udp_socket *s, const struct flow *to, struct str bytes);
void udp_flush(struct udp_socket *s);
const struct addr *udp_local(const struct udp_socket *s);
void udp_pause(struct udp_socket *s); /* or go on: as the net says */
void udp_deafen(struct udp_socket *s);
void udp_each(const struct udp_socket *s, net_socket_fn each, void *ctx);
size_t udp_unsent(const struct udp_socket *s);
uint64_t udp_lost(const struct udp_socket *s);
/* udp_bind.c */
NODISCARD int udp_read_local(struct addr *local, int fd);
NODISCARD int udp_tos(int fd, bool v6, uint32_t *tos);
NODISCARD int udp_set_tos(int fd, bool v6, uint32_t tos);
NODISCARD int socket_set_priority(int fd, uint32_t cos);

/* The address the peer sent to; `out` keeps the bound one when the kernel does not tell. */
void udp_read_destination(struct addr *out, struct msghdr *m);

/* stream.c; all of them also without any stream. */
NODISCARD int stream_send(struct net *n, const struct flow *to, struct str bytes);
void streams_flush(struct net *n);                   /* with streams */
bool stream_shut(struct net *n, uint32_t transport); /* false: there is none of that number */
const struct addr *stream_local(const struct net *n, uint32_t transport); /* NULL: likewise */
bool stream_deafen(struct net *n, uint32_t transport);                    /* false: likewise */
void streams_pause(struct net *n);
void streams_each(const struct net *n, net_socket_fn each, void *ctx);
size_t streams_unsent(const struct net *n);
void streams_destroy(struct net *n);

struct net_traced {
    bool sent; /* not received */
    enum net_protocol protocol;
    struct str transport; /* its name */
};
void net_trace(struct net *n, const struct net_traced *what, const struct addr *peer,
               struct str bytes);
