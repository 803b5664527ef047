// SPDX-License-Identifier: MIT
#include "channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"

enum {
    READ_BYTES = 65536, /* more than a TLS record: none is left behind in OpenSSL */
    READS = 16,         /* at once: others want their turn */
    SEND_MAX = 64 << 20,
};

struct channel {
    uv_poll_t poll;
    struct channel_config cfg;
    struct list link; /* in cfg.unwritten */
    int fd;
    SSL *tls; /* NULL: TCP */
    bool connected, open;
    bool tls_wants_write; /* to be able to go on, whatever it does */
    struct buf in, out;
    size_t written; /* of `out` */
};

/* ---- bytes: how many, 0 at the end of the stream, or a negative errno; -EAGAIN: later ---- */

static ssize_t tls_result(struct channel *c, int r)
{
    int why = r > 0 ? SSL_ERROR_NONE : SSL_get_error(c->tls, r);

    c->tls_wants_write = why == SSL_ERROR_WANT_WRITE;
    switch (why) {
    case SSL_ERROR_NONE:
        return r;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return errno ? -errno : -ECONNRESET;
    default:
        return -EPROTO;
    }
}

static void tls_begin(void)
{
    ERR_clear_error(); /* what SSL_get_error looks at besides the result */
    errno = 0;
}

static ssize_t read_bytes(struct channel *c, char *room)
{
    ssize_t n;

    if (c->tls) {
        tls_begin();
        return tls_result(c, SSL_read(c->tls, room, READ_BYTES));
    }
    n = recv(c->fd, room, READ_BYTES, 0);
    return n < 0 ? -errno : n;
}

static ssize_t write_bytes(struct channel *c, const char *p, size_t n)
{
    ssize_t r;

    if (c->tls) {
        tls_begin();
        return tls_result(c, SSL_write(c->tls, p, (int)n));
    }
    r = send(c->fd, p, n, MSG_NOSIGNAL);
    return r < 0 ? -errno : r;
}

/* ---- the stages: 0, -EAGAIN, or a negative errno that ends the channel ---- */

static int connect_more(struct channel *c)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) || error)
        return -(error ? error : errno);
    if (getpeername(c->fd, (struct sockaddr *)&(struct sockaddr_storage){ 0 },
                    &(socklen_t){ sizeof(struct sockaddr_storage) }))
        return -EAGAIN; /* still under way */
    c->connected = true;
    return 0;
}

static int shake_hands(struct channel *c)
{
    ssize_t r;

    if (!c->tls)
        return 0;
    tls_begin();
    r = tls_result(c, SSL_do_handshake(c->tls));
    return r > 0 ? 0 : r ? (int)r : -ECONNRESET;
}

static int take_messages(struct channel *c)
{
    struct str rest = buf_str(&c->in), message;
    size_t taken;
    int r = c->in.error;

    while (r == 0) {
        r = frame_next(&message, &taken, rest);
        rest = str_sub(rest, taken, rest.n);
        if (r == 0)
            c->cfg.receive(c->cfg.ctx, message);
    }
    if (rest.n)
        memmove(c->in.p, rest.p, rest.n);
    c->in.n = rest.n;
    return r == FRAME_MORE ? 0 : r;
}

static int read_some(struct channel *c)
{
    char room[READ_BYTES];

    for (unsigned i = 0; i < READS; i++) {
        ssize_t n = read_bytes(c, room);
        int r;

        if (n == -EAGAIN || n == -EINTR)
            return 0;
        if (n <= 0)
            return n ? (int)n : -ECONNRESET;
        buf_add(&c->in, (struct str){ room, (size_t)n });
        r = take_messages(c);
        if (r)
            return r;
    }
    return 0;
}

static int write_some(struct channel *c)
{
    while (c->out.n > c->written) {
        ssize_t n = write_bytes(c, c->out.p + c->written, c->out.n - c->written);

        if (n == -EAGAIN || n == -EINTR)
            return 0;
        if (n <= 0)
            return n ? (int)n : -ECONNRESET;
        c->written += (size_t)n;
    }
    if (c->out.error)
        return c->out.error;
    buf_reset(&c->out);
    c->written = 0;
    return 0;
}

static int go_on(struct channel *c)
{
    int r = c->connected ? 0 : connect_more(c);

    if (r == 0 && !c->open) {
        r = shake_hands(c);
        if (r == 0) {
            c->open = true;
            c->cfg.opened(c->cfg.ctx);
        }
    }
    if (r == 0)
        r = read_some(c);
    return r ? r : write_some(c);
}

/* ---- the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_more(struct channel *c)
{
    bool write = !c->connected || c->tls_wants_write || c->out.n > c->written;

    BUG_UNLESS(uv_poll_start(&c->poll, UV_READABLE | (write ? UV_WRITABLE : 0), on_poll) == 0);
}

static const char *reason(int error)
{
    const char *why = error == -EPROTO ? ERR_reason_error_string(ERR_peek_error()) : NULL;

    return error == -ECONNRESET ? "closed by the server"
           : error == -EBADMSG  ? "what comes has no Content-Length, and so no end"
           : why                ? why
                                : strerror(-error);
}

static void work(struct channel *c, int (*stage)(struct channel *))
{
    int r = stage(c);
    void (*closed)(void *ctx, const char *why) = c->cfg.closed;
    void *ctx = c->cfg.ctx;

    if (r == 0 || r == -EAGAIN) {
        poll_more(c);
        return;
    }
    channel_close(c);
    closed(ctx, reason(r));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status; /* what is wrong the stage finds out */
    (void)events;
    work(poll->data, go_on);
}

void channel_send(struct channel *c, struct str message)
{
    buf_add(&c->out, message);
    list_remove(&c->link);
    list_append(c->cfg.unwritten, &c->link);
}

void channels_flush(struct list *unwritten)
{
    while (!list_empty(unwritten)) {
        struct channel *c = CONTAINER_OF(unwritten->next, struct channel, link);

        list_remove(&c->link);
        if (c->open)
            work(c, write_some);
    }
}

/* ---- opening and closing ---- */

static int connect_begin(struct channel *c, struct addr *local)
{
    const struct addr *server = &c->cfg.server;
    struct sockaddr_storage name = { 0 };
    socklen_t n = sizeof(name);
    int one = 1;

    c->fd = socket(server->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    (void)!setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* we gather ourselves */
    /* The port when it is known to whom: one that is being forgotten for another server is free. */
    (void)!setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(c->fd, &c->cfg.local.sa, addr_socklen(&c->cfg.local)) ||
        (connect(c->fd, &server->sa, addr_socklen(server)) && errno != EINPROGRESS) ||
        getsockname(c->fd, (struct sockaddr *)&name, &n))
        return -errno;
    return addr_from_sockaddr(local, (struct sockaddr *)&name);
}

static int tls_create(struct channel *c)
{
    if (!c->cfg.tls)
        return 0;
    c->tls = SSL_new(c->cfg.tls);
    if (!c->tls || !SSL_set_fd(c->tls, c->fd))
        return -ENOMEM;
    SSL_set_connect_state(c->tls);
    return 0;
}

static void channel_free(struct channel *c)
{
    SSL_free(c->tls);
    if (c->fd >= 0)
        close(c->fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    channel_free(handle->data);
}

int channel_open(struct channel **out, struct addr *local, const struct channel_config *cfg)
{
    struct channel *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    *c = (struct channel){ .cfg = *cfg, .fd = -1 };
    list_init(&c->link);
    buf_init(&c->in, FRAME_MAX + READ_BYTES);
    buf_init(&c->out, SEND_MAX);
    r = connect_begin(c, local);
    if (r == 0)
        r = tls_create(c);
    if (r == 0)
        r = loop_result(uv_poll_init(&cfg->loop->uv, &c->poll, c->fd));
    if (r) {
        channel_free(c);
        return r;
    }
    c->poll.data = c;
    poll_more(c);
    *out = c;
    return 0;
}

void channel_close(struct channel *c)
{
    if (!c)
        return;
    list_remove(&c->link);
    uv_close((uv_handle_t *)&c->poll, on_closed);
}
