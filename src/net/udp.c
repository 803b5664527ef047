// SPDX-License-Identifier: MIT
/* One UDP socket: recvmmsg into the ring, sendmmsg from a queue. */
#include "net/net_private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/shed.h"

#define RECEIVE_BATCH 32
#define RECEIVE_BATCHES 8 /* per readable event: timers and other sockets want their turn */
#define SLOT_SIZE 65536   /* larger than any datagram: nothing is ever cut */
/* Not one multiple of a page after the other: the datagrams of a batch, most of them shorter than
 * this, would share the few lines that a cache has for each address modulo the page. */
#define SLOT_STRIDE (SLOT_SIZE + 832)

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
    struct timer shed_timer;
    struct shed shed;
    uint64_t lost; /* by the kernel, before it was ours */
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
    net_trace(n, &(struct net_traced){ false, NET_UDP, s->id }, &from.remote, datagram);
    n->cfg.receive(n->cfg.ctx, &from, datagram);
}

/* ---- more than can be dealt with: shed.h ---- */

static struct shed_times times_now(const struct net *n)
{
    return (struct shed_times){ .clock = uv_hrtime(),
                                .thread = clock_thread_ns(),
                                .elsewhere =
                                    n->cfg.elsewhere_ns ? atomic_load(n->cfg.elsewhere_ns) : 0 };
}

static void shed_tell(const struct udp_socket *s, bool was)
{
    if (s->shed.filtering && !was)
        log_warn(s->net->cfg.log, "net.shedding", KV("transport", s->id));
    else if (was && !s->shed.filtering)
        log_info(s->net->cfg.log, "net.shedding_ended", KV("transport", s->id),
                 KV_U("lost", shed_lost(s->fd) - s->lost));
}

static void shed_do(struct udp_socket *s)
{
    bool was = s->shed.filtering;
    int r = shed_apply(&s->shed, s->fd, s->local.sa.sa_family == AF_INET6);

    if (r)
        log_warn(s->net->cfg.log, "net.shed_failed", KV("transport", s->id), KV_ERR(r));
    shed_tell(s, was);
}

static void on_shed_timer(struct timer *t)
{
    struct udp_socket *s = CONTAINER_OF(t, struct udp_socket, shed_timer);

    s->shed.full = s->shed.full || shed_is_needed(s->fd);
    shed_step(&s->shed, s->net->cfg.rng, times_now(s->net));
    shed_do(s);
    s->shed.watching = !shed_is_over(&s->shed);
    if (s->shed.watching)
        timer_start(&s->net->cfg.loop->wheel, t, SHED_WINDOW_MS);
}

/* A batch came full, or was too much for somebody: there may be more than is good. */
static void shed_look(struct udp_socket *s)
{
    if (!s->net->cfg.sheds || s->shed.full || (!s->net->overloaded && !shed_is_needed(s->fd)))
        return;
    s->shed.full = true;
    if (s->shed.watching)
        return;
    shed_begin(&s->shed, s->net->cfg.rng, times_now(s->net));
    timer_start(&s->net->cfg.loop->wheel, &s->shed_timer, SHED_WINDOW_MS);
}

static void shed_end(struct udp_socket *s)
{
    timer_stop(&s->net->cfg.loop->wheel, &s->shed_timer);
    s->shed.share = SHED_ALL;
    shed_do(s);
}

static void deliver_watched(struct udp_socket *s, struct mmsghdr *m)
{
    struct str datagram = { m->msg_hdr.msg_iov->iov_base, m->msg_len };
    bool answer = str_starts(datagram, STR("SIP/"));
    uint64_t begun = uv_hrtime();

    deliver(s, m);
    if (answer)
        s->shed.answers++;
    else
        shed_count(&s->shed, m->msg_hdr.msg_name, uv_hrtime() - begun);
}

static void receive_some(struct udp_socket *s)
{
    struct net *n = s->net;
    unsigned batches = s->shed.watching ? 1 : RECEIVE_BATCHES;

    for (unsigned i = 0; i < batches; i++) {
        int got = ring_fill(n->ring, s->fd);

        n->counters.receive_calls++;
        if (got == -EINTR)
            continue;
        if (got < 0) {
            if (got != -EAGAIN && got != -EWOULDBLOCK)
                log_debug(n->cfg.log, "net.receive_failed", KV("transport", s->id), KV_ERR(got));
            return;
        }
        n->overloaded = false;
        for (int k = 0; k < got; k++)
            if (s->shed.watching)
                deliver_watched(s, &n->ring->messages[k]);
            else
                deliver(s, &n->ring->messages[k]);
        if (got == RECEIVE_BATCH || n->overloaded)
            shed_look(s);
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
    net_trace(s->net, &(struct net_traced){ true, NET_UDP, s->id }, &to->remote, bytes);
    if (send_queue_waiting(&s->queue) >= SEND_BATCH)
        udp_flush(s);
    return 0;
}

/* ---- opening and closing ---- */

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
        r = udp_read_local(&s->local, fd);
    if (r)
        goto out;
    s->wildcard = addr_is_any(&s->local);
    s->lost = shed_lost(fd);
    timer_init(&s->shed_timer, on_shed_timer);
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

/* With another tos the kernel sets a priority that goes with it, so that comes before ours; and
 * back to that one leads only the way over a third. */
static int set_tos(struct udp_socket *s, uint32_t tos)
{
    bool v6 = s->local.sa.sa_family == AF_INET6;
    uint32_t former;
    int r = udp_tos(s->fd, v6, &former);

    if (!r)
        r = udp_set_tos(s->fd, v6, 0);
    if (r)
        return r;
    (void)!socket_set_priority(s->fd, 0);
    r = udp_set_tos(s->fd, v6, tos);
    if (r)
        (void)!udp_set_tos(s->fd, v6, former);
    return r;
}

static int set_qos(struct udp_socket *s, uint32_t tos, uint32_t cos)
{
    int r = set_tos(s, tos), failed = cos ? socket_set_priority(s->fd, cos) : 0;

    if (failed)
        log_warn(s->net->cfg.log, "net.priority", KV("transport", s->id), KV_U("cos", cos),
                 KV_ERR(failed));
    return r;
}

int udp_set(struct udp_socket *s, struct str id, uint32_t tos, uint32_t cos)
{
    struct str copy;
    int r = str_dup(&copy, id);

    if (r)
        return r;
    str_free(&s->id);
    s->id = copy;
    r = set_qos(s, tos, cos);
    return r || !s->next ? r : udp_set(s->next, id, tos, cos);
}

void udp_close(struct udp_socket *s)
{
    while (s) {
        struct udp_socket *next = s->next;

        s->blocked = false;
        udp_flush(s);
        shed_end(s);
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

uint64_t udp_lost(const struct udp_socket *s)
{
    uint64_t lost = 0;

    for (; s; s = s->next)
        lost += s->deaf ? 0 : shed_lost(s->fd) - s->lost;
    return lost;
}

const struct addr *udp_local(const struct udp_socket *s)
{
    return &s->local;
}
