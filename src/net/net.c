// SPDX-License-Identifier: MIT
#include "net/net_private.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/masked.h"

/* Addresses and routes of a host change rarely; half a minute late is early enough. */
#define ROUTE_TTL_MS 30000

int net_create(struct net **out, const struct net_config *cfg)
{
    struct net *n = calloc(1, sizeof(*n));
    int r = -ENOMEM;

    if (!n)
        goto out;
    n->cfg = *cfg;
    if (!cfg->held_max)
        n->cfg.held_max = NET_HELD_MAX;
    history_init(&n->history);
    r = udp_ring_create(&n->ring);
    if (r)
        goto out;
    *out = n;
    n = NULL;
out:
    net_destroy(n);
    return r;
}

void net_destroy(struct net *n)
{
    if (!n)
        return;
    streams_destroy(n);
    for (uint32_t i = 0; i < n->n_sockets; i++)
        udp_close(n->sockets[i]);
    free(n->sockets);
    udp_ring_destroy(n->ring);
    BUG_UNLESS(!n->heap.bytes);
    free(n->traced);
    history_fini(&n->history);
    free(n);
}

int net_attach_udp(struct net *n, uint32_t transport, struct str id, int fd)
{
    uint32_t count = transport < n->n_sockets ? n->n_sockets : transport + 1;
    struct udp_socket **more = reallocarray(n->sockets, count, sizeof(*more));

    if (!more)
        return -ENOMEM;
    n->sockets = more;
    while (n->n_sockets < count)
        more[n->n_sockets++] = NULL;
    return udp_open(&more[transport], n, transport, id, fd);
}

int net_listen_udp(struct net *n, const struct net_udp_spec *spec, uint32_t *transport)
{
    uint32_t next = n->n_sockets;
    struct addr local;
    int fd, r = net_bind_udp(&fd, spec, &local);

    if (r)
        return r;
    r = net_attach_udp(n, next, spec->id, fd);
    if (r)
        close(fd);
    else
        *transport = next;
    return r;
}

static struct udp_socket *net_socket(const struct net *n, uint32_t transport)
{
    return transport < n->n_sockets ? n->sockets[transport] : NULL;
}

int net_udp_set(struct net *n, uint32_t transport, struct str id, uint32_t tos, uint32_t cos)
{
    struct udp_socket *s = net_socket(n, transport);

    BUG_UNLESS(s);
    return udp_set(s, id, tos, cos);
}

void net_close(struct net *n, uint32_t transport)
{
    if (stream_shut(n, transport) || !net_socket(n, transport))
        return;
    udp_close(n->sockets[transport]);
    n->sockets[transport] = NULL;
}

void net_deafen(struct net *n, uint32_t transport)
{
    struct udp_socket *s = net_socket(n, transport);

    BUG_UNLESS(s || stream_local(n, transport));
    if (!stream_deafen(n, transport))
        udp_deafen(s);
}

void net_pause(struct net *n, bool paused)
{
    n->paused = paused;
    for (uint32_t i = 0; i < n->n_sockets; i++)
        udp_pause(n->sockets[i]);
    streams_pause(n);
}

void net_overloaded(struct net *n)
{
    n->overloaded = true;
}

void net_each_socket(const struct net *n, net_socket_fn each, void *ctx)
{
    for (uint32_t i = 0; i < n->n_sockets; i++)
        udp_each(n->sockets[i], each, ctx);
    streams_each(n, each, ctx);
}

size_t net_unsent(const struct net *n)
{
    size_t unsent = streams_unsent(n);

    for (uint32_t i = 0; i < n->n_sockets; i++)
        if (n->sockets[i])
            unsent += udp_unsent(n->sockets[i]);
    return unsent;
}

static const struct addr *net_bound(const struct net *n, uint32_t transport)
{
    const struct udp_socket *s = net_socket(n, transport);

    return s ? udp_local(s) : stream_local(n, transport);
}

void net_local(const struct net *n, uint32_t transport, struct addr *out)
{
    const struct addr *bound = net_bound(n, transport);

    BUG_UNLESS(bound);
    *out = *bound;
}

/* ---- routes ---- */

static struct route *route_slot(struct net *n, const struct addr *remote)
{
    bool v6 = remote->sa.sa_family == AF_INET6;
    const unsigned char *p = v6 ? (const unsigned char *)&remote->v6.sin6_addr
                                : (const unsigned char *)&remote->v4.sin_addr;
    size_t len = v6 ? sizeof(remote->v6.sin6_addr) : sizeof(remote->v4.sin_addr);
    uint32_t h = 2166136261u; /* FNV-1a; a collision costs a look-up in the kernel, no more */

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return &n->routes[(h ^ (h >> 16)) % ROUTES];
}

/* Connecting a datagram socket sends nothing; it makes the kernel choose our address. */
static int route_ask(struct addr *out, const struct addr *remote)
{
    struct addr to = *remote;
    struct sockaddr_storage local = { 0 };
    socklen_t len = sizeof(local);
    int fd = socket(remote->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

    if (fd < 0)
        return -errno;
    if (!addr_port(&to))
        addr_port_set(&to, 5060);
    if (connect(fd, &to.sa, addr_socklen(&to)) || getsockname(fd, (struct sockaddr *)&local, &len))
        r = -errno;
    close(fd);
    return r ? r : addr_from_sockaddr(out, (const struct sockaddr *)&local);
}

int net_local_for(struct net *n, uint32_t transport, const struct addr *remote, struct addr *out)
{
    const struct addr *bound = net_bound(n, transport);
    struct route *slot;
    uint64_t now = clock_monotonic_ms(n->cfg.loop->clock);
    int r;

    if (!bound)
        return -EINVAL;
    if (remote->sa.sa_family != bound->sa.sa_family)
        return -EAFNOSUPPORT;
    if (!addr_is_any(bound)) {
        *out = *bound;
        return 0;
    }
    slot = route_slot(n, remote);
    if (now >= slot->until_ms || !addr_equal_host(&slot->remote, remote)) {
        struct addr local;

        r = route_ask(&local, remote);
        if (r)
            return r;
        *slot = (struct route){ *remote, local, now + ROUTE_TTL_MS };
    }
    *out = slot->local;
    addr_port_set(out, addr_port(bound));
    return 0;
}

static bool may_bind(const struct addr *a)
{
    struct addr with_any_port = *a;
    int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool may;

    if (fd < 0)
        return false;
    addr_port_set(&with_any_port, 0);
    may = bind(fd, &with_any_port.sa, addr_socklen(a)) == 0;
    close(fd);
    return may;
}

bool net_is_ours(struct net *n, const struct addr *a)
{
    struct own *own = &n->own;
    uint64_t now = clock_monotonic_ms(n->cfg.loop->clock);

    if (now >= own->until_ms || !addr_equal_host(&own->addr, a))
        *own = (struct own){ *a, may_bind(a), now + ROUTE_TTL_MS };
    return own->ours;
}

/* ---- sending ---- */

int net_send(struct net *n, const struct flow *to, struct str bytes)
{
    struct udp_socket *s = net_socket(n, to->transport);

    if (to->connection)
        return stream_send(n, to, bytes);
    if (!s)
        return -EINVAL;
    if (bytes.n > DATAGRAM_MAX)
        return -EMSGSIZE;
    if (to->remote.sa.sa_family != udp_local(s)->sa.sa_family)
        return -EAFNOSUPPORT;
    return udp_send(s, to, bytes);
}

void net_flush(struct net *n)
{
    for (uint32_t i = 0; i < n->n_sockets; i++)
        if (n->sockets[i])
            udp_flush(n->sockets[i]);
    if (n->streams)
        streams_flush(n);
}

const char *net_protocol_name(enum net_protocol protocol)
{
    static const char *const names[NET_PROTOCOLS] = {
        [NET_UDP] = "udp", [NET_TCP] = "tcp", [NET_TLS] = "tls", [NET_WS] = "ws", [NET_WSS] = "wss"
    };

    return names[protocol];
}

/* ---- wire history ---- */

void net_history_set(struct net *n, bool on)
{
    n->history.on = on && n->cfg.numbers;
}

void net_history_clear(struct net *n)
{
    bool on = n->history.on;

    history_fini(&n->history);
    history_init(&n->history);
    n->history.on = on;
}

static void keep_message(struct net *n, const struct net_traced *what, const struct addr *peer,
                         struct str bytes)
{
    const struct net_kept kept = { .number = atomic_fetch_add(n->cfg.numbers, 1),
                                   .wall_ms = clock_wall_ms(n->cfg.loop->clock),
                                   .sent = what->sent,
                                   .protocol = what->protocol,
                                   .peer = *peer,
                                   .message = bytes };

    history_add(&n->history, &kept);
}

/* ---- wire trace ---- */

void net_trace_set(struct net *n, bool all, const struct addr_net *peers, size_t n_peers)
{
    struct addr_net *copy = n_peers ? reallocarray(NULL, n_peers, sizeof(*copy)) : NULL;

    free(n->traced);
    n->trace_all = all;
    n->traced = copy;
    n->n_traced = copy ? n_peers : 0;
    if (copy)
        memcpy(copy, peers, n_peers * sizeof(*copy));
    else if (n_peers)
        log_warn(n->cfg.log, "net.trace_off", KV_ERR(-ENOMEM));
}

static bool is_traced(const struct net *n, const struct addr *peer)
{
    if (n->trace_all)
        return true;
    for (size_t i = 0; i < n->n_traced; i++) {
        if (addr_net_contains(&n->traced[i], peer))
            return true;
    }
    return false;
}

static void log_message(const struct net *n, const struct net_traced *what, const struct addr *peer,
                        struct str bytes)
{
    int id_n = what->transport.n > 100 ? 100 : (int)what->transport.n;
    char storage[256];
    struct buf head, masked;

    buf_init_on(&head, storage, sizeof(storage));
    buf_printf(&head, "%zu bytes %s ", bytes.n, what->sent ? "sent to" : "received from");
    addr_print(&head, peer);
    buf_printf(&head, " %s, transport %.*s", net_protocol_name(what->protocol), id_n,
               what->transport.p);
    buf_init(&masked, 3 * bytes.n + 64);
    masked_add(&masked, bytes);
    log_trace(n->cfg.log, buf_str(&head), masked.error ? STR("(no memory)") : buf_str(&masked));
    buf_fini(&masked);
}

void net_trace(struct net *n, const struct net_traced *what, const struct addr *peer,
               struct str bytes)
{
    if (n->history.on)
        keep_message(n, what, peer, bytes);
    if (is_traced(n, peer))
        log_message(n, what, peer, bytes);
}

void net_counters_get(const struct net *n, struct net_counters *out)
{
    *out = n->counters;
    out->connection_bytes = n->heap.bytes;
    out->history_bytes = n->history.bytes;
    for (uint32_t i = 0; i < n->n_sockets; i++)
        out->lost += udp_lost(n->sockets[i]);
}
