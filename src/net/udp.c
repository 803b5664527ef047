// SPDX-License-Identifier: MIT
/* One UDP socket: recvmmsg into the ring, sendmmsg from a queue. */
#include "net/net_private.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BATCH 32
#define RECEIVE_BATCHES 8 /* per readable event: timers and other sockets want their turn */
#define SLOT_SIZE 65536   /* larger than any datagram: nothing is ever cut */
/* Not one multiple of a page after the other: the datagrams of a batch, most of them shorter than
 * this, would share the few lines that a cache has for each address modulo the page. */
#define SLOT_STRIDE (SLOT_SIZE + 832)
#define KERNEL_BUFFER (4 << 20)

union receive_control {
    struct cmsghdr align;
    char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_ring {
    struct mmsghdr messages[RECEIVE_BATCH];
    struct iovec pieces[RECEIVE_BATCH];
    struct sockaddr_storage names[RECEIVE_BATCH];
    union receive_control control[RECEIVE_BATCH];
    char *slots; /* RECEIVE_BATCH of SLOT_STRIDE; untouched pages cost nothing */
};

struct udp_socket {
    uv_poll_t poll;
    struct net *net; /* NULL once closing */
    struct str id;
    uint32_t transport;
    int fd;
    bool wildcard; /* bound to every address: each datagram says which one it means */
    bool blocked;  /* the kernel's buffer was full; waiting for writable */
    bool deaf;     /* another net reads it */
    struct addr local;
    struct udp_socket *next; /* of the same transport, from which nothing is sent */
    struct send_queue queue;
};

/* ---- the ring ---- */

int udp_ring_create(struct udp_ring **out)
{
    struct udp_ring *ring = calloc(1, sizeof(*ring));
    int r = -ENOMEM;

    if (!ring)
        goto out;
    ring->slots = malloc((size_t)RECEIVE_BATCH * SLOT_STRIDE);
    if (!ring->slots)
        goto out;
    for (size_t i = 0; i < RECEIVE_BATCH; i++) {
        ring->pieces[i] =
            (struct iovec){ .iov_base = ring->slots + i * SLOT_STRIDE, .iov_len = SLOT_SIZE };
        ring->messages[i].msg_hdr = (struct msghdr){ .msg_name = &ring->names[i],
                                                     .msg_iov = &ring->pieces[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = &ring->control[i] };
    }
    *out = ring;
    ring = NULL;
    r = 0;
out:
    udp_ring_destroy(ring);
    return r;
}

void udp_ring_destroy(struct udp_ring *ring)
{
    if (!ring)
        return;
    free(ring->slots);
    free(ring);
}

static int ring_fill(struct udp_ring *ring, int fd)
{
    int n;

    for (size_t i = 0; i < RECEIVE_BATCH; i++) { /* the kernel shortened them last time */
        ring->messages[i].msg_hdr.msg_namelen = sizeof(ring->names[i]);
        ring->messages[i].msg_hdr.msg_controllen = sizeof(ring->control[i]);
    }
    n = recvmmsg(fd, ring->messages, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
    return n < 0 ? -errno : n;
}

/* ---- receiving ---- */

void udp_read_destination(struct addr *out, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            out->v4.sin_addr = info.ipi_spec_dst;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            out->v6.sin6_addr = info.ipi6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                out->v6.sin6_scope_id = (uint32_t)info.ipi6_ifindex;
        }
    }
}

static void deliver(struct udp_socket *s, struct mmsghdr *m)
{
    struct net *n = s->net;
    struct flow from = { .transport = s->transport, .local = s->local };
    struct str datagram = { m->msg_hdr.msg_iov->iov_base, m->msg_len };

    n->counters.received++;
    n->counters.received_bytes += datagram.n;
    if (addr_from_sockaddr(&from.remote, m->msg_hdr.msg_name))
        return;
    if (s->wildcard)
        udp_read_destination(&from.local, &m->msg_hdr);
    net_trace(n, "received from", s->id, &from.remote, datagram);
    n->cfg.receive(n->cfg.ctx, &from, datagram);
}

static void receive_some(struct udp_socket *s)
{
    struct net *n = s->net;

    for (unsigned i = 0; i < RECEIVE_BATCHES; i++) {
        int got = ring_fill(n->ring, s->fd);

        n->counters.receive_calls++;
        if (got == -EINTR)
            continue;
        if (got < 0) {
            if (got != -EAGAIN && got != -EWOULDBLOCK)
                log_debug(n->cfg.log, "net.receive_failed", KV("transport", s->id), KV_ERR(got));
            return;
        }
        for (int k = 0; k < got; k++)
            deliver(s, &n->ring->messages[k]);
        if (got < RECEIVE_BATCH) /* empty now; if not, poll tells again */
            return;
    }
}

static void poll_anew(struct udp_socket *s);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct udp_socket *s = poll->data;

    if (status < 0) {
        log_error(s->net->cfg.log, "net.poll_failed", KV("transport", s->id), KV_ERR(status));
        return;
    }
    if (events & UV_WRITABLE) {
        s->blocked = false;
        poll_anew(s);
        udp_flush(s);
    }
    if (events & UV_READABLE)
        receive_some(s);
}

static void poll_anew(struct udp_socket *s)
{
    int events = (s->deaf || s->net->paused ? 0 : UV_READABLE) | (s->blocked ? UV_WRITABLE : 0);
    int r = uv_poll_start(&s->poll, events, on_poll);

    BUG_UNLESS(r == 0); /* it fails for closing handles only */
}

void udp_pause(struct udp_socket *s)
{
    for (; s; s = s->next)
        poll_anew(s);
}

void udp_deafen(struct udp_socket *s)
{
    s->deaf = true;
    poll_anew(s);
}

/* ---- sending ---- */

static int write_batch(void *ctx, struct mmsghdr *messages, unsigned n)
{
    struct udp_socket *s = ctx;
    struct net_counters *c = &s->net->counters;
    int r = sendmmsg(s->fd, messages, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (r < 0)
        r = -errno;
    c->send_calls++;
    for (int i = 0; i < r; i++) {
        c->sent++;
        c->sent_bytes += messages[i].msg_len;
    }
    return r;
}

/* EPERM from a packet filter, ENETUNREACH, EMSGSIZE and the like: this datagram is lost, as
 * datagrams may be. */
static void count_refused(void *ctx, const struct send_entry *entry, int error)
{
    struct udp_socket *s = ctx;
    char storage[64];
    struct buf peer;

    s->net->counters.send_errors++;
    if (!log_enabled(s->net->cfg.log, LOG_LEVEL_DEBUG))
        return;
    buf_init_on(&peer, storage, sizeof(storage));
    addr_print(&peer, &entry->remote);
    log_debug(s->net->cfg.log, "net.send_failed", KV("transport", s->id),
              KV("peer", buf_str(&peer)), KV_ERR(error));
}

void udp_flush(struct udp_socket *s)
{
    const struct send_writer writer = { s, write_batch, count_refused };

    if (s->blocked || !send_queue_waiting(&s->queue))
        return;
    if (send_queue_write(&s->queue, &writer) == SEND_QUEUE_BLOCKED) {
        s->blocked = true;
        poll_anew(s);
    }
}

int udp_send(struct udp_socket *s, const struct flow *to, struct str bytes)
{
    const struct addr *local = NULL;
    int r;

    if (s->wildcard && to->local.sa.sa_family == s->local.sa.sa_family && !addr_is_any(&to->local))
        local = &to->local;
    r = send_queue_add(&s->queue, &to->remote, local, bytes);
    if (r == -EAGAIN && !s->blocked) { /* a small limit, not a full kernel */
        udp_flush(s);
        r = send_queue_add(&s->queue, &to->remote, local, bytes);
    }
    if (r) {
        s->net->counters.dropped_full++;
        return r;
    }
    net_trace(s->net, "sent to", s->id, &to->remote, bytes);
    if (send_queue_waiting(&s->queue) >= SEND_BATCH)
        udp_flush(s);
    return 0;
}

/* ---- opening and closing ---- */

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* Best effort: beyond net.core.rmem_max only with CAP_NET_ADMIN. */
static void enlarge_buffers(int fd)
{
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, KERNEL_BUFFER))
        (void)!set_option(fd, SOL_SOCKET, SO_RCVBUF, KERNEL_BUFFER);
    if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, KERNEL_BUFFER))
        (void)!set_option(fd, SOL_SOCKET, SO_SNDBUF, KERNEL_BUFFER);
}

/* By a number made of the user part of "PUBLISH sip:USER@HOST", of USER_MAX bytes at most. Anything
 * else gets a number that no socket has. */
void net_share_udp(int fd, unsigned sharers)
{
    enum { METHOD = 0x5055424c /* "PUBL" */, MIX = 0x9e3779b1 };
    enum { USER = 12, USER_MAX = 24, EACH = 6, ALL = USER_MAX * EACH };
    const struct sock_filter before[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, USER + USER_MAX, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, METHOD, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_LDX | BPF_IMM, 0), /* the number so far */
    };
    const struct sock_filter after[] = {
        BPF_STMT(BPF_MISC | BPF_TXA, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, sharers),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_filter code[ARRAY_LEN(before) + ALL + ARRAY_LEN(after)], *at = code;

    memcpy(at, before, sizeof(before));
    at += ARRAY_LEN(before);
    for (unsigned i = 0; i < USER_MAX; i++, at += EACH) {
        uint8_t rest = (uint8_t)((USER_MAX - i) * EACH - 2); /* from the first jump to `after` */
        const struct sock_filter byte[EACH] = {
            BPF_STMT(BPF_LD | BPF_B | BPF_ABS, USER + i),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, '@', rest, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ' ', (uint8_t)(rest - 1), 0),
            BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
            BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MIX),
            BPF_STMT(BPF_MISC | BPF_TAX, 0),
        };
        memcpy(at, byte, sizeof(byte));
    }
    memcpy(at, after, sizeof(after));
    const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

    (void)!setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

static int set_tos(int fd, bool v6, uint32_t tos)
{
    return v6 ? set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, (int)tos)
              : set_option(fd, IPPROTO_IP, IP_TOS, (int)tos);
}

static int set_options(int fd, const struct net_udp_spec *spec)
{
    bool v6 = spec->bind.sa.sa_family == AF_INET6, wildcard = addr_is_any(&spec->bind);
    int r = 0;

    if (!r && spec->sharers)
        r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!r && wildcard)
        r = v6 ? set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
               : set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (!r && spec->tos)
        r = set_tos(fd, v6, spec->tos);
    enlarge_buffers(fd);
    return r;
}

static int read_local(struct addr *local, int fd)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t len = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &len))
        return -errno;
    return addr_from_sockaddr(local, (const struct sockaddr *)&bound);
}

/* What a socket is that somebody else has made. */
static int check_udp(int fd)
{
    int protocol = 0, only = 1;
    socklen_t len = sizeof(protocol);
    struct addr local = { .sa.sa_family = AF_UNSPEC };
    int r;

    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len))
        return -errno;
    r = protocol == IPPROTO_UDP ? read_local(&local, fd) : -EPROTOTYPE;
    len = sizeof(only);
    if (r == 0 && local.sa.sa_family == AF_INET6 &&
        getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len))
        r = -errno;
    return r ? r : only ? 0 : -EAFNOSUPPORT;
}

int net_adopt_udp(int fd, const struct net_udp_spec *spec, struct addr *local)
{
    struct net_udp_spec rest = *spec;
    int flags = fcntl(fd, F_GETFL), r = check_udp(fd);

    if (r)
        return r;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return -errno;
    rest.sharers = 0; /* it is bound, and shares or does not */
    r = set_options(fd, &rest);
    return r ? r : read_local(local, fd);
}

bool net_shares(int fd)
{
    int shares = 0;
    socklen_t len = sizeof(shares);

    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, &len) == 0 && shares;
}

int net_bind_udp(int *out, const struct net_udp_spec *spec, struct addr *local)
{
    int fd = socket(spec->bind.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : set_options(fd, spec);

    if (!r && spec->bind.sa.sa_family == AF_INET6)
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!r && bind(fd, &spec->bind.sa, addr_socklen(&spec->bind)))
        r = -errno;
    if (!r)
        r = read_local(local, fd);
    if (r) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    if (spec->sharers > 1)
        net_share_udp(fd, spec->sharers);
    *out = fd;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct udp_socket *s = handle->data;

    close(s->fd);
    send_queue_fini(&s->queue);
    str_free(&s->id);
    free(s);
}

int udp_open(struct udp_socket **out, struct net *n, uint32_t transport, struct str id, int fd)
{
    struct udp_socket *s = calloc(1, sizeof(*s));
    int r = -ENOMEM;

    if (!s)
        goto out;
    *s = (struct udp_socket){ .net = n, .transport = transport, .fd = fd };
    send_queue_init(&s->queue, n->cfg.send_queue_max);
    r = str_dup(&s->id, id);
    if (!r)
        r = read_local(&s->local, fd);
    if (r)
        goto out;
    s->wildcard = addr_is_any(&s->local);
    r = loop_result(uv_poll_init(&n->cfg.loop->uv, &s->poll, s->fd));
    if (r)
        goto out;
    s->poll.data = s;
    poll_anew(s);
    s->next = *out;
    *out = s;
    s = NULL;
out:
    if (s) { /* no handle yet: nothing for the loop to close */
        str_free(&s->id);
        free(s);
    }
    return r;
}

int udp_set(struct udp_socket *s, struct str id, uint32_t tos)
{
    struct str copy;
    int r = set_tos(s->fd, s->local.sa.sa_family == AF_INET6, tos);

    if (!r)
        r = str_dup(&copy, id);
    if (r)
        return r;
    str_free(&s->id);
    s->id = copy;
    return s->next ? udp_set(s->next, id, tos) : 0;
}

void udp_close(struct udp_socket *s)
{
    while (s) {
        struct udp_socket *next = s->next;

        s->blocked = false;
        udp_flush(s);
        s->net = NULL;
        uv_close((uv_handle_t *)&s->poll, on_closed);
        s = next;
    }
}

void udp_each(const struct udp_socket *s, net_socket_fn each, void *ctx)
{
    for (; s; s = s->next)
        if (!s->deaf)
            each(ctx, s->id, s->fd);
}

size_t udp_unsent(const struct udp_socket *s)
{
    return send_queue_waiting(&s->queue);
}

const struct addr *udp_local(const struct udp_socket *s)
{
    return &s->local;
}
