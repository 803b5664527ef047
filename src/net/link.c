// SPDX-License-Identifier: MIT
#include "net/link.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_link.h"

enum {
    READ_BYTES = 16384, /* a record of TLS, so that nothing is left that the kernel does not know */
    READS_A_TURN = 8,   /* so that one of them does not keep the others waiting */
};

struct net_link {
    struct net_link_spec spec;
    uv_poll_t poll;
    struct tls_link *tls;
    struct buf out; /* `sent` of it are gone */
    size_t sent;
    struct timer stall, later;
    int result; /* with which `later` ends it; positive: it does not */
    bool connecting, opened, paused, closing, ended, destroyed, wants_write;
};

/* ---- its end ---- */

static void on_poll_closed(uv_handle_t *h)
{
    struct net_link *l = h->data;

    tls_link_destroy(l->tls);
    close(l->spec.fd);
    buf_fini(&l->out);
    net_tls_unref(l->spec.tls);
    free(l);
}

void net_link_destroy(struct net_link *l)
{
    if (!l || l->destroyed)
        return;
    l->destroyed = true;
    timer_stop(&l->spec.loop->wheel, &l->stall);
    timer_stop(&l->spec.loop->wheel, &l->later);
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
}

static void on_later(struct timer *t)
{
    struct net_link *l = CONTAINER_OF(t, struct net_link, later);

    l->spec.port.ended(l->spec.port.ctx, l->result, l->tls ? tls_link_why(l->tls) : NULL);
}

/* Told from the loop, not from inside whatever found out. */
static void link_end(struct net_link *l, int result)
{
    if (l->ended)
        return;
    l->ended = true;
    l->result = result;
    (void)uv_poll_stop(&l->poll);
    timer_stop(&l->spec.loop->wheel, &l->stall);
    timer_start(&l->spec.loop->wheel, &l->later, 0);
}

static void on_stall(struct timer *t)
{
    link_end(CONTAINER_OF(t, struct net_link, stall), -ETIMEDOUT);
}

/* ---- reading and writing ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void link_watch(struct net_link *l)
{
    int events = 0, r;

    if (l->ended || l->destroyed)
        return;
    if (!l->opened)
        events = l->connecting || l->wants_write ? UV_WRITABLE : UV_READABLE;
    else if (!l->paused && !l->closing)
        events = UV_READABLE;
    if (l->opened && (l->wants_write || l->out.n > l->sent))
        events |= UV_WRITABLE;
    /* A peer that goes away is found out while nothing is read, too. */
    r = uv_poll_start(&l->poll, events ? events : UV_DISCONNECT, on_poll);
    if (r)
        link_end(l, loop_result(r));
}

static ssize_t link_write_some(struct net_link *l, const char *p, size_t n)
{
    ssize_t r;

    if (l->tls)
        return tls_link_write(l->tls, p, n);
    do
        r = send(l->spec.fd, p, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static void link_write(struct net_link *l)
{
    bool progress = false;

    l->wants_write = false;
    while (l->out.n > l->sent) {
        ssize_t r = link_write_some(l, l->out.p + l->sent, l->out.n - l->sent);

        if (r == -EAGAIN)
            break;
        if (r < 0) {
            link_end(l, (int)r);
            return;
        }
        l->sent += (size_t)r;
        progress = true;
    }
    if (l->sent == l->out.n) {
        if (l->out.room > 1 << 16) {
            buf_fini(&l->out);
            buf_init(&l->out, 2 * l->spec.waiting_max);
        }
        buf_reset(&l->out);
        l->sent = 0;
        timer_stop(&l->spec.loop->wheel, &l->stall);
        if (l->closing)
            link_end(l, 0);
    } else if (progress || !timer_running(&l->stall)) {
        timer_start(&l->spec.loop->wheel, &l->stall, l->spec.stall_ms);
    }
}

static ssize_t link_read_some(struct net_link *l, char *p, size_t n)
{
    ssize_t r;

    if (l->tls)
        return tls_link_read(l->tls, p, n);
    do
        r = recv(l->spec.fd, p, n, 0);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static void link_read(struct net_link *l)
{
    char room[READ_BYTES];

    for (int i = 0; i < READS_A_TURN || (l->tls && tls_link_pending(l->tls)); i++) {
        ssize_t r;

        if (l->paused || l->closing || l->ended || l->destroyed)
            return;
        r = link_read_some(l, room, sizeof(room));
        if (r == -EAGAIN)
            return;
        if (r <= 0) {
            link_end(l, (int)r);
            return;
        }
        l->spec.port.received(l->spec.port.ctx, (struct str){ room, (size_t)r });
    }
}

/* ---- opening ---- */

static void link_open(struct net_link *l)
{
    int error = 0, r;
    socklen_t n = sizeof(error);

    if (l->connecting) {
        if (getsockopt(l->spec.fd, SOL_SOCKET, SO_ERROR, &error, &n))
            error = errno;
        if (error) {
            link_end(l, -error);
            return;
        }
        l->connecting = false;
    }
    r = l->tls ? tls_link_handshake(l->tls) : 0;
    l->wants_write = r == TLS_WANTS_WRITE;
    if (r < 0) {
        link_end(l, r);
    } else if (r == 0) {
        l->opened = true;
        timer_stop(&l->spec.loop->wheel, &l->stall);
        l->spec.port.opened(l->spec.port.ctx);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct net_link *l = poll->data;

    if (status) {
        link_end(l, loop_result(status));
        return;
    }
    if (!l->opened)
        link_open(l);
    if (!l->destroyed && l->opened && !l->ended && (events & UV_WRITABLE || l->out.n > l->sent))
        link_write(l);
    if (!l->destroyed && l->opened && !l->ended && events & UV_READABLE)
        link_read(l);
    else if (!l->destroyed && l->opened && !l->ended && events & UV_DISCONNECT)
        link_end(l, 0);
    link_watch(l);
}

/* ---- from outside ---- */

void net_link_send(struct net_link *l, struct str bytes)
{
    if (l->ended || l->closing || l->destroyed)
        return;
    if (bytes.n > l->spec.waiting_max - net_link_waiting(l)) {
        link_end(l, -ENOBUFS);
        return;
    }
    if (l->sent > l->out.n / 2) { /* seldom, so that what waits is not moved for each */
        memmove(l->out.p, l->out.p + l->sent, l->out.n - l->sent);
        l->out.n -= l->sent;
        l->sent = 0;
    }
    buf_add(&l->out, bytes);
    if (l->out.error) {
        link_end(l, l->out.error);
        return;
    }
    if (l->opened && !timer_running(&l->stall))
        timer_start(&l->spec.loop->wheel, &l->stall, l->spec.stall_ms);
    link_watch(l);
}

size_t net_link_waiting(const struct net_link *l)
{
    return l->out.n - l->sent;
}

void net_link_patience(struct net_link *l, uint32_t stall_ms)
{
    l->spec.stall_ms = stall_ms;
}

void net_link_pause(struct net_link *l, bool paused)
{
    l->paused = paused;
    link_watch(l);
}

void net_link_close(struct net_link *l)
{
    if (l->closing || l->ended || l->destroyed)
        return;
    l->closing = true;
    if (l->opened)
        link_write(l); /* ends it when nothing waits */
    else
        link_end(l, 0);
    link_watch(l);
}

int net_link_create(struct net_link **out, const struct net_link_spec *spec)
{
    struct net_link *l = calloc(1, sizeof(*l));
    int r = -ENOMEM;

    if (!l)
        return r;
    l->spec = *spec;
    l->spec.host = STR_EMPTY; /* borrowed */
    buf_init(&l->out, 2 * spec->waiting_max);
    timer_init(&l->stall, on_stall);
    timer_init(&l->later, on_later);
    l->connecting = spec->client;
    if (spec->tls) {
        r = tls_link_create(&l->tls, &(struct tls_link_spec){ .tls = spec->tls,
                                                              .fd = spec->fd,
                                                              .client = spec->client,
                                                              .host = spec->host,
                                                              .remote = &spec->remote,
                                                              .clock = spec->loop->clock });
        if (r)
            goto out;
    }
    r = loop_result(uv_poll_init(&spec->loop->uv, &l->poll, spec->fd));
    if (r)
        goto out;
    l->poll.data = l;
    l->spec.tls = net_tls_ref(spec->tls);
    timer_start(&spec->loop->wheel, &l->stall, spec->stall_ms);
    if (!spec->client && !spec->tls)
        l->wants_write = true; /* it is open as soon as the loop looks */
    link_watch(l);
    *out = l;
    return 0;
out:
    tls_link_destroy(l->tls);
    free(l);
    return r;
}

/* ---- who comes ---- */

int net_accept(int listener, struct addr *remote, struct addr *local)
{
    struct sockaddr_storage from, to;
    socklen_t from_n = sizeof(from), to_n = sizeof(to);
    int fd, on = 1, r;

    do
        fd = accept4(listener, (struct sockaddr *)&from, &from_n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    r = getsockname(fd, (struct sockaddr *)&to, &to_n) ? -errno : 0;
    if (r == 0)
        r = addr_from_sockaddr(remote, (struct sockaddr *)&from);
    if (r == 0)
        r = addr_from_sockaddr(local, (struct sockaddr *)&to);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}
