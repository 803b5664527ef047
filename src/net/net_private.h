// SPDX-License-Identifier: MIT
/* net_private.h - what net.c and udp.c share. */
#pragma once
#include "net/net.h"
#include "net/send_queue.h"

#define DATAGRAM_MAX 65507 /* what IPv4's length field leaves for the payload */

struct udp_ring;   /* receive buffers, shared by the sockets of one net: see udp.c */
struct udp_socket; /* opaque: see udp.c */

struct route { /* the answer of the routing table for one peer */
    struct addr remote, local;
    uint64_t until_ms; /* 0: empty */
};
#define ROUTES 256 /* slots, one peer each; the last one asked for stays */

struct net {
    struct net_config cfg;
    struct udp_socket **sockets; /* by transport */
    uint32_t n_sockets;
    struct udp_ring *ring;
    struct net_counters counters;
    bool trace_all;
    struct addr_net *traced;
    size_t n_traced;
    struct route routes[ROUTES];
};

NODISCARD int udp_ring_create(struct udp_ring **out);
void udp_ring_destroy(struct udp_ring *ring);

NODISCARD int udp_open(struct udp_socket **out, struct net *n, const struct net_udp_spec *spec,
                       uint32_t transport);
/* Writes what the kernel takes, then closes; the memory goes in the loop's closing callback. NULL
 * is fine. */
void udp_close(struct udp_socket *s);
NODISCARD int udp_send(struct udp_socket *s, const struct flow *to, struct str bytes);
void udp_flush(struct udp_socket *s);
const struct addr *udp_local(const struct udp_socket *s);

/* `verb` is "received from" or "sent to". */
void net_trace(const struct net *n, const char *verb, struct str transport, const struct addr *peer,
               struct str bytes);
