// SPDX-License-Identifier: MIT
/* Transports with connections: listening, accepting, opening, and finding one by its number or by
 * whom it leads to. */
#include "net/stream.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SLOTS_MAX = (1 << 24) - 1,
    SLOTS_FIRST = 64,
    ACCEPT_BATCH = 64, /* per readable event */
    PAUSE_MS = 500,    /* when there are no descriptors */
    BACKLOG = 4096,
};

/* ---- numbers ---- */

static int slots_grow(struct streams *ss)
{
    uint32_t count = ss->n_slots ? 2 * ss->n_slots : SLOTS_FIRST;
    struct connection **slots = reallocarray(ss->slots, count, sizeof(*slots));
    bool *held;
    uint32_t *lost;

    if (!slots)
        return -ENOMEM;
    ss->slots = slots;
    held = reallocarray(ss->held, count, sizeof(*held));
    if (!held)
        return -ENOMEM;
    ss->held = held;
    lost = reallocarray(ss->lost, 2 * (size_t)count, sizeof(*lost));
    if (!lost)
        return -ENOMEM;
    ss->lost = lost;
    for (uint32_t i = ss->n_slots; i < count; i++) {
        slots[i] = NULL;
        held[i] = false;
    }
    ss->next_slot = ss->n_slots;
    ss->n_slots = count;
    return 0;
}

static bool slot_find(struct streams *ss, uint32_t *out)
{
    for (uint32_t i = 0; i < ss->n_slots; i++) {
        uint32_t at = (ss->next_slot + i) % ss->n_slots;

        if (ss->slots[at] || ss->held[at])
            continue;
        ss->next_slot = at + 1;
        *out = at;
        return true;
    }
    return false;
}

/* The number that was free for longest: a flow that names one of long ago finds nobody, or somebody
 * else, whom it does not mean (net_send compares the remotes). */
int tcp_enter(struct connection *c)
{
    struct net *n = c->net;
    struct streams *ss = n->streams;
    uint32_t slot;

    if (n->counters.connections >= n->cfg.limits.connections ||
        n->counters.connections >= SLOTS_MAX / 2)
        return -ENOBUFS;
    /* Half of them stay free, so that one is found soon. */
    if (2 * (n->counters.connections + ss->n_lost + 1) > ss->n_slots && slots_grow(ss))
        return -ENOMEM;
    if (!slot_find(ss, &slot))
        return -ENOBUFS;
    if (!c->opened && n->cfg.admit) {
        int r = n->cfg.admit(n->cfg.ctx, &c->remote);

        if (r)
            return r;
    }
    ss->slots[slot] = c;
    c->number = n->cfg.worker << 24 | (slot + 1);
    n->counters.connections++;
    return 0;
}

void tcp_tell(struct connection *c)
{
    struct streams *ss = c->net->streams;

    tcp_unmap(c);
    ss->lost[ss->n_lost++] = c->number;
}

void tcp_leave(struct connection *c)
{
    struct streams *ss = c->net->streams;
    uint32_t slot = (c->number & 0xffffff) - 1;

    tcp_tell(c);
    ss->slots[slot] = NULL;
    ss->held[slot] = true;
    c->net->counters.connections--;
    if (!c->opened && c->net->cfg.dismiss)
        c->net->cfg.dismiss(c->net->cfg.ctx, &c->remote);
}

static struct connection *connection_find(const struct net *n, uint32_t number)
{
    const struct streams *ss = n->streams;
    uint32_t slot = (number & 0xffffff) - 1;

    return net_connection_worker(number) == n->cfg.worker && slot < ss->n_slots ? ss->slots[slot]
                                                                                : NULL;
}

/* ---- by whom they lead to ---- */

struct whither {
    uint32_t transport;
    const struct addr *remote;
    struct str host;
    bool proven; /* by the certificate of whom we opened it to */
};

static uint64_t whither_hash(const struct streams *ss, const struct whither *w)
{
    const struct addr *a = w->remote;
    bool v6 = a->sa.sa_family == AF_INET6;
    struct str host = v6 ? (struct str){ (const char *)&a->v6.sin6_addr, sizeof(a->v6.sin6_addr) }
                         : (struct str){ (const char *)&a->v4.sin_addr, sizeof(a->v4.sin_addr) };
    uint64_t rest = (uint64_t)w->transport << 16 | addr_port(a);

    return map_hash_mix(map_hash(&ss->by_remote, host), map_hash_u64(&ss->by_remote, rest));
}

static bool leads_to(const struct map_node *node, const void *key)
{
    const struct connection *c = CONTAINER_OF(node, const struct connection, node);
    const struct whither *w = key;

    if (c->stream->transport != w->transport || !addr_equal(&c->remote, w->remote))
        return false;
    if (!c->tls)
        return true;
    if (w->proven)
        return tls_link_verifies(c->tls) && str_equal_nocase(tls_link_host(c->tls), w->host);
    return !w->host.n || str_equal_nocase(tls_link_host(c->tls), w->host);
}

void tcp_map(struct connection *c)
{
    struct streams *ss = c->net->streams;
    const struct whither w = { .transport = c->stream->transport, .remote = &c->remote };

    map_add(&ss->by_remote, &c->node, whither_hash(ss, &w));
    c->mapped = true;
}

void tcp_unmap(struct connection *c)
{
    if (c->mapped)
        map_remove(&c->net->streams->by_remote, &c->node);
    c->mapped = false;
}

static struct stream *stream_find(const struct net *n, uint32_t transport)
{
    const struct streams *ss = n->streams;

    return ss && transport < ss->n ? ss->list[transport] : NULL;
}

/* ---- options ---- */

static int set_option(int fd, int level, int option, uint32_t value)
{
    int v = (int)value;

    return setsockopt(fd, level, option, &v, sizeof(v)) ? -errno : 0;
}

static int set_tos(int fd, bool v6, uint32_t tos)
{
    return v6 ? set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos)
              : set_option(fd, IPPROTO_IP, IP_TOS, tos);
}

/* Best effort. What waits in the kernel is bounded too: without a size of its own it would grow
 * with the peer's window. */
static void tune(int fd, const struct stream *s)
{
    enum { KERNEL_SEND = 128 << 10, USER_TIMEOUT_MS = 30000 };
    const struct net_stream_options *o = &s->options;
    int r = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);

    if (!r)
        r = set_option(fd, SOL_SOCKET, SO_SNDBUF, KERNEL_SEND);
    if (!r) /* a peer that is gone without a word is found by what it does not acknowledge */
        r = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
    if (!r && o->tos)
        r = set_tos(fd, s->local.sa.sa_family == AF_INET6, o->tos);
    if (!r && o->keepalive_idle_s) {
        r = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        if (!r)
            r = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepalive_idle_s);
        if (!r)
            r = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, o->keepalive_interval_s);
        if (!r)
            r = set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepalive_probes);
    }
    if (!r && o->cos) /* last: not everybody may have any */
        r = socket_set_priority(fd, o->cos);
    if (r)
        log_debug(s->net->cfg.log, "net.option", KV("transport", s->id), KV_ERR(r));
}

/* ---- accepting ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void accept_resume(struct stream *s)
{
    int r = s->deaf || s->net->paused ? uv_poll_stop(&s->poll)
                                      : uv_poll_start(&s->poll, UV_READABLE, on_acceptable);

    BUG_UNLESS(r == 0); /* it fails for closing handles only */
}

static void on_pause_over(struct timer *t)
{
    accept_resume(CONTAINER_OF(t, struct stream, pause));
}

/* Most often there are no descriptors: the kernel holds who waits, and polling would spin. */
static void accept_pause(struct stream *s, int error)
{
    log_error(s->net->cfg.log, "net.accept", KV("transport", s->id), KV_ERR(error));
    uv_poll_stop(&s->poll);
    timer_start(&s->net->cfg.loop->wheel, &s->pause, PAUSE_MS);
}

static int read_name(struct addr *out, int fd, bool peer)
{
    struct sockaddr_storage name = { 0 };
    socklen_t len = sizeof(name);
    int r = peer ? getpeername(fd, (struct sockaddr *)&name, &len)
                 : getsockname(fd, (struct sockaddr *)&name, &len);

    return r ? -errno : addr_from_sockaddr(out, (const struct sockaddr *)&name);
}

static void tell_source_full(struct stream *s, int fd)
{
    char room[64];
    struct addr remote;
    struct buf peer;

    s->net->counters.refused_source++;
    buf_init_on(&peer, room, sizeof(room));
    if (read_name(&remote, fd, true) == 0)
        addr_print(&peer, &remote);
    log_warn(s->net->cfg.log, "net.source_full", KV("transport", s->id),
             KV("peer", buf_str(&peer)));
}

static void accept_one(struct stream *s, int fd)
{
    struct net *n = s->net;
    struct connection *c;
    int r;

    tune(fd, s);
    r = tcp_create(&c, s, fd, NULL, STR_EMPTY);
    if (r == -EDQUOT) {
        tell_source_full(s, fd);
    } else if (r == -ENOBUFS) {
        n->counters.refused++;
        log_warn(n->cfg.log, "net.connections_full", KV("transport", s->id),
                 KV_U("connections", n->counters.connections));
    } else if (r) {
        log_debug(n->cfg.log, "net.accept", KV("transport", s->id), KV_ERR(r));
    }
    if (r)
        close(fd);
    else
        n->counters.accepted++;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct stream *s = poll->data;

    (void)events;
    if (status < 0) {
        accept_pause(s, status);
        return;
    }
    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            accept_one(s, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            accept_pause(s, -errno);
            return;
        } /* else: it is gone already, and the next one may be fine */
    }
}

/* ---- opening ---- */

static int open_socket(int *out, const struct stream *s, const struct addr *remote)
{
    struct addr local = s->local;
    int fd = socket(remote->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;

    if (fd < 0)
        return -errno;
    tune(fd, s);
    addr_port_set(&local, 0);
    if (!s->wildcard) {
        (void)!set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (bind(fd, &local.sa, addr_socklen(&local)))
            r = -errno;
    }
    if (!r && connect(fd, &remote->sa, addr_socklen(remote)) && errno != EINPROGRESS)
        r = -errno;
    if (r)
        close(fd);
    else
        *out = fd;
    return r;
}

static int stream_open(struct stream *s, struct flow *flow, struct str host)
{
    struct net *n = s->net;
    struct connection *c;
    int fd = -1, r;

    if (net_is_web(s->protocol))
        return -EPROTONOSUPPORT;
    if (n->counters.connections >= n->cfg.limits.connections)
        return -ENOBUFS;
    r = open_socket(&fd, s, &flow->remote);
    if (r)
        return r;
    r = tcp_create(&c, s, fd, flow, host);
    if (r) {
        close(fd);
        return r;
    }
    flow->connection = c->number;
    n->counters.opened++;
    return 0;
}

void net_find_connection(struct net *n, struct flow *flow)
{
    const struct whither w = { .transport = flow->transport, .remote = &flow->remote };
    struct map_node *node = NULL;

    if (n->streams && flow->connection == NET_ANY_CONNECTION)
        node = map_find(&n->streams->by_remote, whither_hash(n->streams, &w), leads_to, &w);
    if (node)
        flow->connection = CONTAINER_OF(node, struct connection, node)->number;
}

int net_connect(struct net *n, struct flow *flow, struct str host)
{
    struct stream *s = stream_find(n, flow->transport);
    struct addr literal;
    bool is_address = addr_parse(&literal, host, 0) == 0;
    const struct whither w = { flow->transport, &flow->remote, is_address ? STR_EMPTY : host,
                               s && net_tls_verifies_server(s->options.tls) };
    struct map_node *node;

    if (!s)
        return -EINVAL;
    if (flow->remote.sa.sa_family != s->local.sa.sa_family)
        return -EAFNOSUPPORT;
    node = map_find(&n->streams->by_remote, whither_hash(n->streams, &w), leads_to, &w);
    if (!node)
        return stream_open(s, flow, host);
    flow->connection = CONTAINER_OF(node, struct connection, node)->number;
    return 0;
}

/* ---- sending ---- */

int stream_send(struct net *n, const struct flow *to, struct str bytes)
{
    struct connection *c = n->streams ? connection_find(n, to->connection) : NULL;

    if (!c || !addr_equal(&c->remote, &to->remote))
        return -ENOTCONN;
    return tcp_send(c, bytes);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Whoever is told may send, and so lose more: that comes behind, and is told next time. A slot may
 * be among both, by the end of the peer's side and of all; it is held until the last is told. */
static void tell_lost(struct net *n)
{
    struct streams *ss = n->streams;
    size_t count = ss->n_lost;

    qsort(ss->lost, count, sizeof(*ss->lost), compare_numbers);
    if (n->cfg.lost)
        n->cfg.lost(n->cfg.ctx, ss->lost, count);
    for (size_t i = 0; i < count; i++)
        ss->held[(ss->lost[i] & 0xffffff) - 1] = false;
    ss->n_lost -= count;
    memmove(ss->lost, ss->lost + count, ss->n_lost * sizeof(*ss->lost));
    for (size_t i = 0; i < ss->n_lost; i++)
        ss->held[(ss->lost[i] & 0xffffff) - 1] = true;
}

void streams_flush(struct net *n)
{
    struct streams *ss = n->streams;

    while (!list_empty(&ss->dirty)) {
        tcp_flush(CONTAINER_OF(ss->dirty.next, struct connection, dirty));
        tcp_bound_unsent(n);
    }
    if (ss->n_lost)
        tell_lost(n);
}

/* ---- transports ---- */

int net_bind_stream(int *out, const struct net_udp_spec *spec, struct addr *local)
{
    bool v6 = spec->bind.sa.sa_family == AF_INET6;
    int fd = socket(spec->bind.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : 0;

    /* Connections of a former process that are only remembered by the kernel are in nobody's way;
     * who listens is found all the same. */
    if (!r)
        r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!r && v6)
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!r && spec->sharers)
        r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!r && (bind(fd, &spec->bind.sa, addr_socklen(&spec->bind)) || listen(fd, BACKLOG)))
        r = -errno;
    if (!r)
        r = read_name(local, fd, false);
    if (!r)
        *out = fd;
    else if (fd >= 0)
        close(fd);
    return r;
}

int net_adopt_stream(int fd, struct addr *local)
{
    int protocol = 0, listens = 0, only = 1, flags = fcntl(fd, F_GETFL), r;
    socklen_t len = sizeof(protocol);

    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len))
        return -errno;
    if (protocol != IPPROTO_TCP || !listens)
        return -EPROTOTYPE;
    r = read_name(local, fd, false);
    if (r)
        return r;
    if (local->sa.sa_family == AF_INET6 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len))
        return -errno;
    if (!only)
        return -EAFNOSUPPORT;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : 0;
}

static int streams_create(struct streams **out, struct rng *rng)
{
    enum { SCRATCH = 65536 };
    struct streams *ss = calloc(1, sizeof(*ss));
    int r = -ENOMEM;

    BUG_UNLESS(rng);
    if (!ss)
        return r;
    list_init(&ss->dirty);
    list_init(&ss->begun.order);
    list_init(&ss->unsent.order);
    r = map_init(&ss->by_remote, rng);
    if (r) {
        free(ss);
        return r;
    }
    ss->scratch = malloc(SCRATCH);
    if (!ss->scratch) {
        map_fini(&ss->by_remote);
        free(ss);
        return -ENOMEM;
    }
    *out = ss;
    return 0;
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;

    close(s->fd);
    net_tls_unref(s->options.tls);
    str_free(&s->id);
    free(s);
}

static void stream_close(struct stream *s)
{
    while (s) {
        struct stream *next = s->next;

        while (!list_empty(&s->connections)) /* what is said at the end of one may end others */
            tcp_close(CONTAINER_OF(s->connections.next, struct connection, of_stream));
        timer_stop(&s->net->cfg.loop->wheel, &s->pause);
        s->net = NULL;
        uv_close((uv_handle_t *)&s->poll, on_stream_closed);
        s = next;
    }
}

static int stream_create(struct stream **out, struct net *n, struct str id, int fd)
{
    struct stream *s = calloc(1, sizeof(*s));
    int r = -ENOMEM;

    if (!s)
        return r;
    s->net = n;
    s->fd = fd;
    list_init(&s->connections);
    timer_init(&s->pause, on_pause_over);
    r = str_dup(&s->id, id);
    if (!r)
        r = read_name(&s->local, fd, false);
    if (!r)
        r = loop_result(uv_poll_init(&n->cfg.loop->uv, &s->poll, fd));
    if (r) { /* no handle yet: nothing for the loop to close */
        str_free(&s->id);
        free(s);
        return r;
    }
    s->wildcard = addr_is_any(&s->local);
    s->poll.data = s;
    *out = s;
    return 0;
}

int net_attach_stream(struct net *n, uint32_t transport, enum net_protocol protocol, struct str id,
                      int fd)
{
    struct streams *ss;
    struct stream *s;
    int r = n->streams ? 0 : streams_create(&n->streams, n->cfg.rng);

    if (r)
        return r;
    ss = n->streams;
    if (transport >= ss->n) {
        struct stream **more = reallocarray(ss->list, transport + 1, sizeof(*more));

        if (!more)
            return -ENOMEM;
        ss->list = more;
        while (ss->n <= transport)
            more[ss->n++] = NULL;
    }
    r = stream_create(&s, n, id, fd);
    if (r)
        return r;
    s->transport = transport;
    s->protocol = protocol;
    accept_resume(s);
    s->next = ss->list[transport];
    ss->list[transport] = s;
    return 0;
}

bool stream_deafen(struct net *n, uint32_t transport)
{
    struct stream *s = stream_find(n, transport);

    if (!s)
        return false;
    s->deaf = true;
    accept_resume(s);
    return true;
}

/* The kernel lets go of the address, and its descriptor stays for what is done with all of them. */
static void socket_replace(int fd)
{
    int none = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (none < 0)
        return;
    (void)!dup3(none, fd, O_CLOEXEC);
    close(none);
}

void net_hang_up(struct net *n, uint32_t transport)
{
    for (struct stream *s = stream_find(n, transport); s; s = s->next) {
        if (s->hung_up)
            continue;
        s->deaf = s->hung_up = true;
        accept_resume(s);
        socket_replace(s->fd);
    }
}

void streams_pause(struct net *n)
{
    struct streams *ss = n->streams;

    for (uint32_t i = 0; ss && i < ss->n; i++)
        for (struct stream *s = ss->list[i]; s; s = s->next)
            accept_resume(s);
    for (uint32_t i = 0; ss && i < ss->n_slots; i++)
        if (ss->slots[i])
            tcp_pause(ss->slots[i]);
}

void streams_each(const struct net *n, net_socket_fn each, void *ctx)
{
    for (uint32_t i = 0; n->streams && i < n->streams->n; i++)
        for (const struct stream *s = n->streams->list[i]; s; s = s->next)
            if (!s->deaf)
                each(ctx, s->id, s->fd);
}

void net_each_connection(const struct net *n, net_socket_fn each, void *ctx)
{
    const struct streams *ss = n->streams;

    for (uint32_t i = 0; ss && i < ss->n_slots; i++) {
        const struct connection *c = ss->slots[i];

        if (c && c->stream && !net_is_secure(c->stream->protocol) && tcp_is_idle(c))
            each(ctx, c->stream->id, c->fd);
    }
}

int net_adopt_connection(struct net *n, uint32_t transport, int fd)
{
    struct stream *s = stream_find(n, transport);
    struct connection *c;
    int r = s ? tcp_create(&c, s, fd, NULL, STR_EMPTY) : -EINVAL;

    if (r)
        return r;
    tune(fd, s);
    tcp_adopted(c);
    return 0;
}

size_t streams_unsent(const struct net *n)
{
    return n->streams ? n->streams->waiting : 0;
}

int net_stream_set(struct net *n, uint32_t transport, struct str id,
                   const struct net_stream_options *options)
{
    struct stream *s = stream_find(n, transport);

    BUG_UNLESS(s);
    for (; s; s = s->next) {
        struct str copy;
        int r = str_dup(&copy, id);

        if (r)
            return r;
        str_free(&s->id);
        s->id = copy;
        net_tls_unref(s->options.tls);
        s->options = *options;
        net_tls_ref(s->options.tls);
        /* What it says itself is the second packet of each connection. */
        (void)!set_tos(s->fd, s->local.sa.sa_family == AF_INET6, options->tos);
        r = socket_set_priority(s->fd, options->cos);
        if (r && options->cos)
            log_warn(n->cfg.log, "net.priority", KV("transport", id), KV_U("cos", options->cos),
                     KV_ERR(r));
    }
    return 0;
}

void net_limits_set(struct net *n, const struct net_limits *limits)
{
    n->cfg.limits = *limits;
    for (uint32_t i = 0; n->streams && i < n->streams->n_slots; i++)
        if (n->streams->slots[i])
            tcp_arm(n->streams->slots[i]);
}

void net_leave(struct net *n, uint32_t transport)
{
    for (struct stream *s = stream_find(n, transport); s; s = s->next) {
        s->leaving = true;
        LIST_FOREACH (it, &s->connections)
            tcp_arm(CONTAINER_OF(it, struct connection, of_stream));
    }
}

bool stream_shut(struct net *n, uint32_t transport)
{
    struct stream *s = stream_find(n, transport);

    if (!s)
        return false;
    n->streams->list[transport] = NULL;
    stream_close(s);
    return true;
}

const struct addr *stream_local(const struct net *n, uint32_t transport)
{
    const struct stream *s = stream_find(n, transport);

    return s ? &s->local : NULL;
}

void streams_destroy(struct net *n)
{
    struct streams *ss = n->streams;

    if (!ss)
        return;
    for (uint32_t i = 0; i < ss->n; i++)
        (void)stream_shut(n, i);
    map_fini(&ss->by_remote);
    free(ss->list);
    free(ss->slots);
    free(ss->held);
    free(ss->lost);
    free(ss->scratch);
    free(ss);
    n->streams = NULL;
}
