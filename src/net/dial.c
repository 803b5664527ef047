// SPDX-License-Identifier: MIT
#include "net/dial.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_link.h"

enum {
    READ_ROOM = 65536,
    READS_A_TURN = 4, /* then others have theirs */
};

enum dial_state {
    DIAL_CONNECTING,  /* to one of its addresses */
    DIAL_HANDSHAKING, /* TLS */
    DIAL_OPEN,
    DIAL_ENDED,
};

struct net_dial {
    uv_poll_t poll; /* while it has a descriptor */
    bool polling, closing, paused;
    enum dial_state state;
    struct loop *loop;
    struct net_dial_port cb;
    struct net_tls *tls;
    struct tls_link *secure; /* NULL: without */
    struct addr addresses[NET_DIAL_ADDRESSES];
    size_t n_addresses, next;
    int fd;
    struct buf out; /* what is not sent yet, from `sent` on */
    size_t sent;
    enum tls_wish wish; /* of a handshake, or 0 */
    size_t host_n;
    char host[];
};

static void on_poll(uv_poll_t *p, int status, int events);

/* ---- the end ---- */

static void dial_free(struct net_dial *l)
{
    if (l->polling)
        return;
    tls_link_destroy(l->secure);
    net_tls_unref(l->tls);
    if (l->fd >= 0)
        close(l->fd);
    buf_fini(&l->out);
    free(l);
}

static void on_poll_closed(uv_handle_t *h)
{
    struct net_dial *l = CONTAINER_OF(h, struct net_dial, poll);

    l->polling = false;
    if (l->closing)
        dial_free(l);
}

static void ended(struct net_dial *l, const char *why)
{
    if (l->state == DIAL_ENDED)
        return;
    l->state = DIAL_ENDED;
    if (l->polling)
        uv_poll_stop(&l->poll);
    l->cb.ended(l->cb.ctx, str_of(why));
}

void net_dial_close(struct net_dial *l)
{
    if (!l || l->closing)
        return;
    l->closing = true;
    l->state = DIAL_ENDED;
    if (l->polling)
        uv_close((uv_handle_t *)&l->poll, on_poll_closed);
    else
        dial_free(l);
}

/* ---- opening ---- */

static void follow(struct net_dial *l)
{
    int events = l->paused && l->state == DIAL_OPEN ? 0 : UV_READABLE;

    if (l->state == DIAL_CONNECTING || l->wish == TLS_WANTS_WRITE || l->out.n > l->sent)
        events |= UV_WRITABLE;
    if (l->state == DIAL_CONNECTING)
        events = UV_WRITABLE;
    if (events)
        (void)uv_poll_start(&l->poll, events, on_poll);
    else
        uv_poll_stop(&l->poll);
}

void net_dial_pause(struct net_dial *l, bool paused)
{
    if (l->paused == paused || l->state != DIAL_OPEN)
        return;
    l->paused = paused;
    follow(l);
}

static int socket_open(const struct addr *to)
{
    int one = 1, fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, &to->sa, addr_socklen(to)) == 0 || errno == EINPROGRESS)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

/* A poll handle is for one descriptor, which dup3 gives another socket: the number stays, and so
 * does the handle. Takes the descriptor. */
static int descriptor_set(struct net_dial *l, int fd)
{
    int r;

    if (l->polling) {
        uv_poll_stop(&l->poll);
        r = dup3(fd, l->fd, O_CLOEXEC) < 0 ? -errno : 0;
        close(fd);
        return r;
    }
    r = uv_poll_init(&l->loop->uv, &l->poll, fd);
    if (r) {
        close(fd);
        return r;
    }
    l->fd = fd;
    l->polling = true;
    return 0;
}

/* The next address that can be tried at all. 0, or a negative errno: there is none, and why not, or
 * else `r`. */
static int try_next(struct net_dial *l, int r)
{
    while (l->next < l->n_addresses) {
        int fd = socket_open(&l->addresses[l->next++]);

        r = fd < 0 ? fd : descriptor_set(l, fd);
        if (r)
            continue;
        l->state = DIAL_CONNECTING;
        follow(l);
        return 0;
    }
    return r;
}

int net_dial_open(struct net_dial **out, const struct net_dial_config *cfg)
{
    struct net_dial *l = calloc(1, sizeof(*l) + cfg->host.n + 1);
    int r;

    if (!l)
        return -ENOMEM;
    memcpy(l->host, cfg->host.p, cfg->host.n);
    l->host_n = cfg->host.n;
    l->n_addresses = cfg->n_addresses < NET_DIAL_ADDRESSES ? cfg->n_addresses : NET_DIAL_ADDRESSES;
    for (size_t i = 0; i < l->n_addresses; i++)
        l->addresses[i] = cfg->addresses[i];
    l->loop = cfg->loop;
    l->cb = cfg->cb;
    l->fd = -1;
    l->tls = net_tls_ref(cfg->tls);
    buf_init(&l->out, cfg->send_max);
    r = try_next(l, -EADDRNOTAVAIL);
    if (r)
        net_dial_close(l);
    else
        *out = l;
    return r;
}

static void opened(struct net_dial *l)
{
    l->state = DIAL_OPEN;
    l->wish = 0;
    follow(l);
    l->cb.opened(l->cb.ctx);
}

static void handshake(struct net_dial *l)
{
    int r = tls_link_handshake(l->secure);

    if (r > 0) {
        l->wish = (enum tls_wish)r;
        follow(l);
    } else if (r) {
        const char *why = tls_link_why(l->secure);

        ended(l, why ? why : strerror(-r));
    } else {
        opened(l);
    }
}

static void connected(struct net_dial *l)
{
    socklen_t n = sizeof(int);
    int error = 0, r;

    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) || error) {
        r = try_next(l, error ? -error : -EIO);
        if (r)
            ended(l, strerror(-r));
        return;
    }
    if (!l->tls) {
        opened(l);
        return;
    }
    r = tls_link_create(&l->secure, &(struct tls_link_spec){ .tls = l->tls,
                                                             .fd = l->fd,
                                                             .client = true,
                                                             .host = { l->host, l->host_n },
                                                             .remote = &l->addresses[l->next - 1],
                                                             .clock = l->loop->clock });
    if (r) {
        ended(l, strerror(-r));
        return;
    }
    l->state = DIAL_HANDSHAKING;
    handshake(l);
}

/* ---- bytes ---- */

static ssize_t receive(struct net_dial *l, char *room)
{
    ssize_t n;

    if (l->secure)
        return tls_link_read(l->secure, room, READ_ROOM);
    n = recv(l->fd, room, READ_ROOM, 0);
    return n < 0 ? -errno : n;
}

/* What was read belongs to the peer's last words, even when it has hung up since. */
static void read_some(struct net_dial *l)
{
    static _Thread_local char room[READ_ROOM];

    for (int i = 0; i < READS_A_TURN || (l->secure && tls_link_pending(l->secure)); i++) {
        ssize_t n = receive(l, room);

        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n <= 0) {
            ended(l, n ? strerror((int)-n) : "the connection was closed by the peer");
            return;
        }
        l->cb.received(l->cb.ctx, (struct str){ room, (size_t)n });
        if (l->state != DIAL_OPEN || (l->paused && !l->secure))
            return; /* what TLS has read already the kernel does not tell again */
    }
}

/* 0, also when not all of it could be; a negative errno. */
static int write_some(struct net_dial *l)
{
    while (l->sent < l->out.n) {
        const char *p = l->out.p + l->sent;
        size_t left = l->out.n - l->sent;
        ssize_t n =
            l->secure ? tls_link_write(l->secure, p, left) : send(l->fd, p, left, MSG_NOSIGNAL);

        if (n < 0 && !l->secure)
            n = -errno;
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        l->sent += (size_t)n;
    }
    l->sent = 0;
    buf_reset(&l->out);
    return 0;
}

int net_dial_send(struct net_dial *l, struct str bytes)
{
    int r;

    if (l->state != DIAL_OPEN)
        return -ENOTCONN;
    if (l->sent) {
        memmove(l->out.p, l->out.p + l->sent, l->out.n - l->sent);
        l->out.n -= l->sent;
        l->sent = 0;
    }
    if (bytes.n > l->out.ceiling - l->out.n)
        return -EAGAIN;
    buf_add(&l->out, bytes);
    if (l->out.error)
        return l->out.error;
    r = write_some(l);
    if (r == 0)
        follow(l);
    return r == 0 || r == -EAGAIN ? 0 : -ENOTCONN; /* reading tells what has happened */
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct net_dial *l = CONTAINER_OF(p, struct net_dial, poll);
    int r;

    if (l->state == DIAL_CONNECTING) {
        connected(l);
        return;
    }
    if (status) {
        ended(l, uv_strerror(status));
        return;
    }
    if (l->state == DIAL_HANDSHAKING) {
        handshake(l);
        return;
    }
    if (events & UV_WRITABLE) {
        r = write_some(l);
        if (r) {
            ended(l, strerror(-r));
            return;
        }
        follow(l);
    }
    if (events & UV_READABLE && l->state == DIAL_OPEN)
        read_some(l);
}
