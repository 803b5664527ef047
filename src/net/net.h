// SPDX-License-Identifier: MIT
/* net.h - one worker's sockets. UDP by uv_poll with recvmmsg and sendmmsg; other transports join
 * behind the same calls.
 *
 * Several workers bind the same address with SO_REUSEPORT; the kernel gives each peer to one of
 * them, and PUBLISH requests by the user part of their Request-URI, from whomever they come: RFC
 * 3903 section 6 has those for one resource take effect in the order in which they arrive. Sending
 * copies into a batch that net_flush writes once per loop turn. Threads: the worker that owns it.
 */
#pragma once
#include "base/addr.h"
#include "base/log.h"
#include "loop/loop.h"

struct net; /* opaque: see net.c */

/* Where a message came from, and how to get back there. */
struct flow {
    uint32_t transport;  /* as net_listen_udp gave it */
    uint32_t connection; /* 0: datagrams */
    struct addr local;   /* our side: the address the peer used */
    struct addr remote;
};

/* `datagram` is borrowed and writable for the call only. */
typedef void (*net_receive_fn)(void *ctx, const struct flow *from, struct str datagram);

struct net_config {
    struct loop *loop;
    struct log *log;
    net_receive_fn receive;
    void *ctx;
    size_t send_queue_max; /* datagrams that may wait while the kernel's buffer is full; then the
                              newest is dropped, counted */
};
NODISCARD int net_create(struct net **out, const struct net_config *cfg);
/* Closes every socket; runs the loop's closing callbacks later (loop_fini). What is queued is sent
 * if the kernel takes it. */
void net_destroy(struct net *n);

struct net_udp_spec {
    struct str id;
    struct addr bind; /* port 0: the kernel chooses; read it back with net_local */
    uint32_t tos;
    unsigned sharers; /* how many sockets will be bound there; 0 or 1: this one alone */
};
/* `*transport` is its index, 0, 1, ... in order of calls. -EADDRINUSE and friends. */
NODISCARD int net_listen_udp(struct net *n, const struct net_udp_spec *spec, uint32_t *transport);
/* The bound address. */
void net_local(const struct net *n, uint32_t transport, struct addr *out);
/* The address this host would use towards `remote` on that transport: the bound one, or for a
 * wildcard the one the routing table chooses (cached). Returns 0 or -ENETUNREACH etc. */
NODISCARD int net_local_for(struct net *n, uint32_t transport, const struct addr *remote,
                            struct addr *out);

/* Copies. 0; -EMSGSIZE over 65507 bytes; -EAGAIN when the queue is full; -EINVAL for a transport
 * that is not there; -EAFNOSUPPORT when it cannot speak the remote's family. What the kernel
 * refuses when the batch is written is counted in send_errors and lost, as datagrams may be. On a
 * wildcard socket `to->local`, when set, is the address it leaves from. */
NODISCARD int net_send(struct net *n, const struct flow *to, struct str bytes);
void net_flush(struct net *n);

/* The wire trace: messages from and to these networks go to the log. `all` traces everything. Empty
 * list and !all: off. */
void net_trace_set(struct net *n, bool all, const struct addr_net *peers, size_t n_peers);

struct net_counters {
    uint64_t received, received_bytes, sent, sent_bytes, receive_calls, send_calls, dropped_full,
        send_errors;
};
void net_counters_get(const struct net *n, struct net_counters *out);
