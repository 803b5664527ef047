// SPDX-License-Identifier: MIT
/* net.h - one worker's sockets: UDP by uv_poll with recvmmsg and sendmmsg, connections by uv_poll
 * with messages cut out of the stream.
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
#include "net/names.h"
#include <stdatomic.h>

struct net;     /* opaque: see net.c */
struct net_tls; /* opaque: see tls.h */

/* The latter two are SIP over WebSocket, RFC 7118: peers come to us by them, we do not go to peers.
 */
enum net_protocol { NET_UDP, NET_TCP, NET_TLS, NET_WS, NET_WSS, NET_PROTOCOLS };

const char *net_protocol_name(enum net_protocol protocol); /* "udp" */

static inline bool net_is_secure(uint32_t protocol)
{
    return protocol == NET_TLS || protocol == NET_WSS;
}

static inline bool net_is_web(uint32_t protocol)
{
    return protocol == NET_WS || protocol == NET_WSS;
}

/* For flow.connection. Any: see net_connect. None: it was a connection, of a former process, and
 * nothing can be sent by it. */
#define NET_ANY_CONNECTION UINT32_MAX
#define NET_NO_CONNECTION (UINT32_MAX - 1)

/* Where a message came from, and how to get back there. */
struct flow {
    uint32_t transport;  /* as net_listen_udp gave it, or net_attach_udp was told */
    uint32_t connection; /* 0: datagrams. Else its number, which is unique among workers */
    uint32_t protocol;   /* enum net_protocol */
    struct addr local;   /* our side: the address the peer used */
    struct addr remote;
    /* Of what comes: whom the certificate of the peer names, where that has been asked for and
     * found good. Borrowed for the call that brings it, and NULL or nonsense anywhere else. */
    const struct net_names *names;
};

/* `datagram` is borrowed and writable for the call only; all of it, whatever is sent meanwhile and
 * if that is the end of the connection it came by. */
typedef void (*net_receive_fn)(void *ctx, const struct flow *from, struct str datagram);

struct net_fault { /* of a stream whose next message cannot be found */
    unsigned status;
    const char *why;
};

struct net_limits {       /* of connections */
    uint32_t connections; /* how many; more are closed as they come */
    uint64_t idle_ms; /* without any message or keep-alive for so long one is closed; 0: never */
    uint64_t keep_alive_ms; /* a ping, of RFC 5626 or of WebSocket, when nothing was sent for so
                               long; 0: never */
    struct str web_origins; /* of WebSocket: whose pages may open one, comma separated; empty:
                               anybody's. Borrowed for as long as the limits count */
};

enum { NET_HELD_MAX = 64 << 20 };

struct net_config {
    struct loop *loop;
    struct log *log;
    net_receive_fn receive;
    void *ctx;
    size_t send_queue_max; /* datagrams that may wait while the kernel's buffer is full; then the
                              newest is dropped, counted */
    _Atomic uint64_t *numbers; /* of what is kept as history, also by other nets; NULL: none is */
    bool sheds; /* refuse requests by UDP at random, with `rng`, when too many come: shed.h */
    struct rng *rng;
    /* For that: what other threads have had of a processor for what was received here and given to
     * them. NULL: nothing. */
    const _Atomic uint64_t *elsewhere_ns;
    /* For connections, and `rng`; the rest may be zero without them. */
    unsigned worker; /* 0 to 253: part of their numbers */
    struct net_limits limits;
    /* Bytes on the heap for messages that have begun, and as many for what waits to be sent, of all
     * connections; over it those are ended that have begun first, or that have not taken what waits
     * for longest. 0: NET_HELD_MAX. */
    size_t held_max;
    /* A message of which only the head could be told apart, or nothing, so that nothing is
     * answered. The connection is closed when what is sent now has gone. */
    void (*broken)(void *ctx, const struct flow *from, struct str head,
                   const struct net_fault *fault);
    /* No answer comes by these connections any more, for the peer has ended its side or all is
     * over; the numbers ascend, and one may be told for each of the two. No other connection has
     * such a number before it was told for the last time. From net_flush; `connections` is borrowed
     * until something is sent or opened. */
    void (*lost)(void *ctx, const uint32_t *connections, size_t n);
    /* Of those that are accepted, or adopted: may there be one more from this address? 0; -EDQUOT,
     * which is logged; -ENOMEM. And it is no more. NULL, both: any number. */
    int (*admit)(void *ctx, const struct addr *remote);
    void (*dismiss)(void *ctx, const struct addr *remote);
};
NODISCARD int net_create(struct net **out, const struct net_config *cfg);
/* Closes every socket; runs the loop's closing callbacks later (loop_fini). What is queued is sent
 * if the kernel takes it. */
void net_destroy(struct net *n);

struct net_udp_spec {
    struct str id;
    struct addr bind; /* port 0: the kernel chooses; read it back with net_local */
    uint32_t tos;
    unsigned sharers; /* how many sockets will be bound there; 0: this one alone, for ever */
};
/* `*transport` is its index, one more than the highest so far. -EADDRINUSE and friends. */
NODISCARD int net_listen_udp(struct net *n, const struct net_udp_spec *spec, uint32_t *transport);
/* The first half of it, from any thread: a socket that is bound and that no net has yet. `*local`
 * is the bound address. */
NODISCARD int net_bind_udp(int *fd, const struct net_udp_spec *spec, struct addr *local);
/* In its place, a bound one that another process has made: the rest of what net_bind_udp does to
 * its sockets. `fd` stays the caller's. -EPROTOTYPE unless it is of UDP; -EAFNOSUPPORT when it
 * takes both IPv4 and IPv6. */
NODISCARD int net_adopt_udp(int fd, const struct net_udp_spec *spec, struct addr *local);
bool net_shares(int fd); /* may others be bound there, too? */
/* There are `sharers` sockets where this one is bound: which of them is to read a PUBLISH.
 * Everything else is left to the kernel, and so is this where it does not know how. */
void net_share_udp(int fd, unsigned sharers);
/* The second half: it becomes the transport of this index, which is not far above the highest so
 * far. If there is one, both are read, and the newer one sends. Takes `fd` on 0; -ENOMEM and what
 * the loop says. */
NODISCARD int net_attach_udp(struct net *n, uint32_t transport, struct str id, int fd);
/* What an open socket is called in the log, its tos, and its priority (`cos`, SO_PRIORITY; 0: the
 * one that the kernel has for the tos). On a failure it has the tos that it had; a priority that
 * may not be set, above 6 without CAP_NET_ADMIN, is logged and is no failure. */
NODISCARD int net_udp_set(struct net *n, uint32_t transport, struct str id, uint32_t tos,
                          uint32_t cos);
/* The same three for connections: a listening socket, and the connections that are accepted from it
 * or opened on its behalf. */
NODISCARD int net_bind_stream(int *fd, const struct net_udp_spec *spec, struct addr *local);
/* As net_adopt_udp. */
NODISCARD int net_adopt_stream(int fd, struct addr *local);
struct net_stream_options {
    uint32_t tos, cos;         /* see net_udp_set */
    uint32_t keepalive_idle_s; /* TCP's own keep-alive; 0: none */
    uint32_t keepalive_interval_s, keepalive_probes;
    struct net_tls *tls; /* with TLS; a reference is taken */
};
NODISCARD int net_attach_stream(struct net *n, uint32_t transport, enum net_protocol protocol,
                                struct str id, int fd);
/* The options count for connections from now on. 0 or -ENOMEM. */
NODISCARD int net_stream_set(struct net *n, uint32_t transport, struct str id,
                             const struct net_stream_options *options);
void net_limits_set(struct net *n, const struct net_limits *limits);
/* Put in the place of NET_ANY_CONNECTION the connection of this transport to flow->remote: the one
 * there is, else one that is opened now. What is sent before it is there waits; if it fails it is
 * lost. `host` is whom a server's certificate has to name, where that is looked at; empty: the
 * remote. 0; -EINVAL for a transport that is not there; -EPROTONOSUPPORT for one of WebSocket where
 * there is none; -ENOBUFS when there are too many; what the kernel says. */
NODISCARD int net_connect(struct net *n, struct flow *flow, struct str host);
/* Whose worker's connection is that? */
static inline unsigned net_connection_worker(uint32_t connection)
{
    return connection >> 24;
}

/* Only send from it, or open connections: another net reads this socket, as it has a descriptor of
 * it, too. */
void net_deafen(struct net *n, uint32_t transport);
/* No connection comes in by it any more; those that there are stay. Of datagrams nothing changes.
 */
void net_hang_up(struct net *n, uint32_t transport);
/* Read nothing, on no socket, or go on: what comes meanwhile waits in the kernel's buffers. */
void net_pause(struct net *n, bool paused);
/* From within `receive`: what this datagram asks for is too much for who has to do it. That counts
 * as a socket that is half full. */
void net_overloaded(struct net *n);
/* Each socket that is read, or accepted from, here, with the name of its transport; also from
 * another thread when the net's has ended. */
typedef void (*net_socket_fn)(void *ctx, struct str id, int fd);
void net_each_socket(const struct net *n, net_socket_fn each, void *ctx);
/* Likewise each connection without TLS on which nothing is under way: no part of a message has
 * come, and none waits to be sent. */
void net_each_connection(const struct net *n, net_socket_fn each, void *ctx);
/* One that another process has had for this transport. Takes `fd` on 0. */
NODISCARD int net_adopt_connection(struct net *n, uint32_t transport, int fd);
/* If there is a connection of this transport to flow->remote, its number in the place of
 * NET_ANY_CONNECTION. */
void net_find_connection(struct net *n, struct flow *flow);
size_t net_unsent(const struct net *n); /* 0: the kernel has taken everything */
/* Its connections, those too that are still to come, end when nothing has been said by them for
 * five seconds. Of datagrams nothing changes. */
void net_leave(struct net *n, uint32_t transport);
/* Close one transport, with its connections: what is queued is sent if the kernel takes it, and its
 * index names nothing any more. */
void net_close(struct net *n, uint32_t transport);
/* The bound address of an open one. */
void net_local(const struct net *n, uint32_t transport, struct addr *out);
/* May messages leave from it, whatever the port (cached)? */
bool net_is_ours(struct net *n, const struct addr *a);
/* The address this host would use towards `remote` on that transport: the bound one, or for a
 * wildcard the one the routing table chooses (cached). Returns 0 or -ENETUNREACH etc. */
NODISCARD int net_local_for(struct net *n, uint32_t transport, const struct addr *remote,
                            struct addr *out);

/* Copies. 0; -EMSGSIZE over 65507 bytes; -EAGAIN when the queue is full; -EINVAL for a transport
 * that is not there; -EAFNOSUPPORT when it cannot speak the remote's family. What the kernel
 * refuses when the batch is written is counted in send_errors and lost, as datagrams may be. On a
 * wildcard socket `to->local`, when set, is the address it leaves from.
 *
 * By a connection: -ENOTCONN when it is no more, is another peer's now, or is given up because the
 * peer does not take what waits already; -EAGAIN for a request while it takes its time. Who has
 * ended its side gets answers, but no requests. */
NODISCARD int net_send(struct net *n, const struct flow *to, struct str bytes);
void net_flush(struct net *n);

/* The wire trace: messages from and to these networks go to the log. `all` traces everything. Empty
 * list and !all: off. */
void net_trace_set(struct net *n, bool all, const struct addr_net *peers, size_t n_peers);

/* The wire history: messages from and to everybody are kept in memory, what proves who sends them
 * masked. The newest ones, of at most NET_HISTORY_MAX bytes. Off it keeps what it has. */
enum { NET_HISTORY_MAX = 4 << 20 };
void net_history_set(struct net *n, bool on);
void net_history_clear(struct net *n);
struct net_kept {
    uint64_t number; /* of all nets that have one numbering */
    uint64_t wall_ms;
    bool sent; /* not received */
    enum net_protocol protocol;
    struct addr peer;
    struct str message;
};
/* The oldest first; borrowed for the call. */
void net_history_each(const struct net *n, void (*each)(void *ctx, const struct net_kept *what),
                      void *ctx);

struct net_counters {
    uint64_t received, received_bytes, sent, sent_bytes, receive_calls, send_calls, dropped_full,
        send_errors;
    uint64_t lost;                      /* came by UDP, and the kernel had no room, or was told to
                                           refuse it */
    uint64_t connections;               /* now */
    uint64_t accepted, opened, refused; /* the latter over the limit */
    uint64_t refused_source;            /* not admitted */
    uint64_t lost_slow;                 /* did not take what was sent */
    uint64_t lost_late;                 /* begun, and not gone on with: a handshake, a message */
    uint64_t lost_unfinished;           /* for too much that had begun, of all */
    uint64_t lost_broken, lost_idle, pings, pongs;
    uint64_t handshakes, resumed; /* of TLS; the latter among the former */
    uint64_t lost_tls;            /* failed ones, what was no TLS later, expired certificates */
    uint64_t websockets;          /* opening handshakes that were accepted */
    uint64_t websockets_refused;
    /* On the heap, malloc's own included: connections, but for what OpenSSL has for each; messages
     * that are kept as history. */
    uint64_t connection_bytes, history_bytes;
};
void net_counters_get(const struct net *n, struct net_counters *out);
