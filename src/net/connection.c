// SPDX-License-Identifier: MIT
/* The life of one connection, from opening to the end; whoever is slower than anybody needs to be
 * is given up. */
#include "net/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OPENING_MS = 10000, /* to be connected */
    FIRST_MS = 20000,   /* from there to the first message or keep-alive */
    MESSAGE_MS = 20000, /* from the first byte of a message to its last */
    BLOCKED_MS = 20000, /* without taking a byte of what waits */
    DRAIN_MS = 60000,   /* until all that waited at one time is taken, byte by byte or not */
    HALF_MS = 4000,     /* for the answers to who has ended */
    QUIET_MS = 5000,    /* of a transport that is gone: then nothing is under way */
    LEAVING_MS = 4000,  /* until the peer has read what was sent last, and ended */
};

static const struct {
    const char *name;
    unsigned next;
} states[CONNECTION_STATES] = {
    [CONNECTION_OPENING] = { "opening", BIT(CONNECTION_OPEN) | BIT(CONNECTION_LEAVING) |
                                            BIT(CONNECTION_CLOSED) },
    [CONNECTION_OPEN] = { "open",
                          BIT(CONNECTION_HALF) | BIT(CONNECTION_LEAVING) | BIT(CONNECTION_CLOSED) },
    [CONNECTION_HALF] = { "half", BIT(CONNECTION_LEAVING) | BIT(CONNECTION_CLOSED) },
    [CONNECTION_LEAVING] = { "leaving", BIT(CONNECTION_CLOSED) },
    [CONNECTION_CLOSED] = { "closed", 0 },
};

uint64_t tcp_now(const struct connection *c)
{
    return clock_monotonic_ms(c->net->cfg.loop->clock);
}

void tcp_move(struct connection *c, enum connection_state next)
{
    BUG_UNLESS(states[c->state].next & BIT(next));
    c->state = next;
    c->since_ms = tcp_now(c);
}

static void tell(const struct connection *c, enum log_level level, const char *name,
                 const char *why, int error)
{
    char room[64];
    struct buf peer;

    if (!log_enabled(c->net->cfg.log, level))
        return;
    buf_init_on(&peer, room, sizeof(room));
    addr_print(&peer, &c->remote);
    LOG_AT(c->net->cfg.log, level, name, KV("transport", c->stream->id), KV("peer", buf_str(&peer)),
           KV("why", error ? strerror(-error) : why));
}

void tcp_log(const struct connection *c, enum log_level level, const char *name, const char *why)
{
    tell(c, level, name, why, 0);
}

void tcp_trace(const struct connection *c, bool sent, struct str bytes)
{
    const struct net_traced what = { sent, c->stream->protocol, c->stream->id };

    net_trace(c->net, &what, &c->remote, bytes);
}

/* ---- the end ---- */

/* What it has, after that has changed. */
void tcp_count(struct connection *c)
{
    tally_again(&c->net->heap, &c->counted,
                tally_size(c) + (c->web ? tally_size(c->web) : 0) +
                    (c->in.p ? tally_size(c->in.p) : 0) + (c->out.p ? tally_size(c->out.p) : 0));
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    close(c->fd);
    free(c->in.p);
    free(c->web);
    free(c);
}

void tcp_end(struct connection *c)
{
    struct net *n = c->net;

    if (c->state == CONNECTION_CLOSED)
        return;
    tcp_leave(c);
    tcp_move(c, CONNECTION_CLOSED);
    timer_stop(&n->cfg.loop->wheel, &c->timer);
    tcp_out_drop(c);
    held_set(&n->streams->begun, &c->in.held, 0);
    tally_again(&n->heap, &c->counted, 0);
    tls_link_destroy(c->tls);
    c->tls = NULL;
    list_remove(&c->of_stream);
    list_remove(&c->dirty);
    c->stream = NULL;
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

void tcp_lose(struct connection *c, const char *why, int error)
{
    tell(c, LOG_LEVEL_DEBUG, "net.connection_ended", why, error);
    tcp_end(c);
}

/* ---- polling ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for(struct connection *c, int events)
{
    int r = 0;

    if (c->events == events)
        return;
    c->events = events;
    if (events)
        r = uv_poll_start(&c->poll, events, on_poll);
    else
        uv_poll_stop(&c->poll);
    BUG_UNLESS(r == 0); /* it fails for closing handles only */
}

/* A peer that has ended is not read from: that would be told again and again. */
void tcp_poll(struct connection *c)
{
    bool opening = c->state == CONNECTION_OPENING;
    bool reads = (c->state == CONNECTION_OPEN && !c->net->paused) || c->state == CONNECTION_LEAVING;

    poll_for(c, (reads || (opening && c->wants_read) ? UV_READABLE : 0) |
                    (c->blocked || (opening && !c->wants_read) ? UV_WRITABLE : 0));
}

bool tcp_is_idle(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !tcp_is_midway(c) && !c->out.p &&
           (!c->web || c->web->open);
}

void tcp_pause(struct connection *c)
{
    tcp_poll(c);
}

/* ---- patience ---- */

static void sooner(uint64_t *due, uint64_t ms)
{
    if (ms < *due)
        *due = ms;
}

static uint64_t state_due(const struct connection *c)
{
    static const uint64_t patience[CONNECTION_STATES] = { [CONNECTION_OPENING] = OPENING_MS,
                                                          [CONNECTION_HALF] = HALF_MS,
                                                          [CONNECTION_LEAVING] = LEAVING_MS };

    if (c->state != CONNECTION_OPEN)
        return c->since_ms + patience[c->state];
    return c->spoken ? UINT64_MAX : c->since_ms + FIRST_MS;
}

static uint64_t idle_due(const struct connection *c)
{
    uint64_t last_ms = c->received_ms > c->sent_ms ? c->received_ms : c->sent_ms;
    uint64_t idle_ms = c->net->cfg.limits.idle_ms;

    if (c->state != CONNECTION_OPEN)
        return UINT64_MAX;
    if (c->stream->leaving)
        return last_ms + QUIET_MS;
    return idle_ms ? last_ms + idle_ms : UINT64_MAX;
}

/* Only who has spoken SIP is sent more of it. */
static uint64_t ping_due(const struct connection *c)
{
    uint64_t every_ms = c->net->cfg.limits.keep_alive_ms;

    return every_ms && c->spoken && c->state == CONNECTION_OPEN ? c->sent_ms + every_ms
                                                                : UINT64_MAX;
}

void tcp_arm(struct connection *c)
{
    uint64_t due = state_due(c), now = tcp_now(c);

    sooner(&due, idle_due(c));
    sooner(&due, ping_due(c));
    if (tcp_is_midway(c))
        sooner(&due, c->begun_ms + MESSAGE_MS);
    if (c->blocked) {
        sooner(&due, c->blocked_ms + BLOCKED_MS);
        sooner(&due, c->marked_ms + DRAIN_MS);
    }
    if (due == UINT64_MAX)
        timer_stop(&c->net->cfg.loop->wheel, &c->timer);
    else
        timer_start(&c->net->cfg.loop->wheel, &c->timer, due > now ? due - now : 0);
}

void tcp_adopted(struct connection *c)
{
    c->spoken = true;
    if (c->web)
        c->web->open = true;
    tcp_arm(c);
}

static void send_ping(struct connection *c)
{
    if (c->web ? web_ping(c) : tcp_send(c, STR("\r\n\r\n"))) {
        c->sent_ms = tcp_now(c); /* no room: its turn is over */
        return;
    }
    c->net->counters.pings++;
    c->framer.pong_due = !c->web;
}

static void on_due(struct timer *t)
{
    struct connection *c = CONTAINER_OF(t, struct connection, timer);
    struct net_counters *counters = &c->net->counters;
    uint64_t now = tcp_now(c);

    if (c->blocked && (c->blocked_ms + BLOCKED_MS <= now || c->marked_ms + DRAIN_MS <= now)) {
        tcp_lose_slow(c, "it does not take what is sent to it");
        return;
    }
    if (state_due(c) <= now || (tcp_is_midway(c) && c->begun_ms + MESSAGE_MS <= now)) {
        counters->lost_late += c->state == CONNECTION_OPENING || c->state == CONNECTION_OPEN;
        tcp_lose(c, "it does not go on", 0);
        return;
    }
    if (idle_due(c) <= now && c->stream->leaving) {
        tell(c, LOG_LEVEL_DEBUG, "net.connection_ended", "its transport is gone", 0);
        tcp_close(c);
        return;
    }
    if (idle_due(c) <= now) {
        counters->lost_idle++;
        tcp_lose(c, "nothing was said for long", 0);
        return;
    }
    if (ping_due(c) <= now)
        send_ping(c);
    if (c->state != CONNECTION_CLOSED)
        tcp_arm(c);
}

void tcp_take_leave(struct connection *c)
{
    tcp_unmap(c);
    tcp_in_drop(c);
    tcp_move(c, CONNECTION_LEAVING);
    tcp_poll(c);
    if (!c->out.p)
        tcp_end_sending(c);
    tcp_arm(c);
}

/* ---- opening ---- */

static void connection_opened(struct connection *c)
{
    c->spoken = c->opened; /* who opens speaks first */
    tcp_move(c, CONNECTION_OPEN);
    tcp_poll(c);
    tcp_arm(c);
    tcp_flush(c);
}

/* Connected; is there TLS to agree on? */
static void shake_hands(struct connection *c)
{
    struct net_counters *counters = &c->net->counters;
    int r = c->tls ? tls_link_handshake(c->tls) : 0;

    if (r < 0) {
        const char *why = tls_link_why(c->tls);

        counters->lost_tls++;
        tell(c, c->opened ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "net.tls_failed", why, why ? 0 : r);
        tcp_end(c);
        return;
    }
    if (r == 0) {
        counters->handshakes += c->tls != NULL;
        counters->resumed += c->tls && tls_link_resumed(c->tls);
        connection_opened(c);
        return;
    }
    c->wants_read = r == TLS_WANTS_READ;
    tcp_poll(c);
}

static int socket_error(const struct connection *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -errno : -error;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *c = poll->data;

    int error = status < 0 || c->state == CONNECTION_OPENING ? socket_error(c) : 0;

    if (status < 0 && !error)
        error = status;
    if (error) {
        tcp_lose(c, "", error);
        return;
    }
    if (c->state == CONNECTION_OPENING) {
        shake_hands(c);
        return;
    }
    if (events & UV_WRITABLE && c->blocked) {
        c->blocked = false;
        tcp_flush(c);
    }
    if (events & UV_READABLE && c->state != CONNECTION_CLOSED)
        tcp_read(c);
}

static int read_names(struct connection *c)
{
    struct sockaddr_storage local = { 0 }, remote = { 0 };
    socklen_t local_n = sizeof(local), remote_n = sizeof(remote);
    int r;

    if (getsockname(c->fd, (struct sockaddr *)&local, &local_n) ||
        getpeername(c->fd, (struct sockaddr *)&remote, &remote_n))
        return -errno;
    r = addr_from_sockaddr(&c->local, (const struct sockaddr *)&local);
    return r ? r : addr_from_sockaddr(&c->remote, (const struct sockaddr *)&remote);
}

/* 0, also where no TLS is wanted. */
static int tls_prepare(struct connection *c, struct str host)
{
    const struct tls_link_spec spec = { .tls = c->stream->options.tls,
                                        .fd = c->fd,
                                        .client = c->opened,
                                        .host = host,
                                        .remote = &c->remote,
                                        .clock = c->net->cfg.loop->clock };

    if (!net_is_secure(c->stream->protocol))
        return 0;
    return spec.tls ? tls_link_create(&c->tls, &spec) : -EPROTO;
}

static int web_prepare(struct connection *c)
{
    if (!net_is_web(c->stream->protocol))
        return 0;
    c->web = calloc(1, sizeof(*c->web));
    return c->web ? 0 : -ENOMEM;
}

static void connection_free(struct connection *c)
{
    tls_link_destroy(c->tls);
    free(c->web);
    free(c);
}

int tcp_create(struct connection **out, struct stream *s, int fd, const struct flow *to,
               struct str host)
{
    struct net *n = s->net;
    struct connection *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->net = n;
    c->stream = s;
    c->fd = fd;
    c->opened = to != NULL;
    c->since_ms = c->received_ms = c->sent_ms = tcp_now(c);
    c->state = to || net_is_secure(s->protocol) ? CONNECTION_OPENING : CONNECTION_OPEN;
    c->wants_read = !to;
    list_init(&c->of_stream);
    list_init(&c->dirty);
    list_init(&c->in.held.of);
    list_init(&c->out.held.of);
    timer_init(&c->timer, on_due);
    if (to) {
        c->local = to->local;
        c->remote = to->remote;
    }
    r = to ? 0 : read_names(c);
    if (!r)
        r = web_prepare(c);
    if (!r)
        r = tls_prepare(c, host);
    if (!r)
        r = tcp_enter(c);
    if (r) {
        connection_free(c);
        return r;
    }
    r = loop_result(uv_poll_init(&n->cfg.loop->uv, &c->poll, fd));
    if (r) {
        tcp_leave(c);
        connection_free(c);
        return r;
    }
    c->poll.data = c;
    list_append(&s->connections, &c->of_stream);
    tcp_poll(c);
    tcp_arm(c);
    tcp_map(c);
    tcp_count(c);
    *out = c;
    return 0;
}
