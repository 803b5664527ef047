// SPDX-License-Identifier: MIT
/* What is sent over a connection: it waits for the end of the loop's turn, and then for the peer;
 * all that waits has one bound. */
#include "net/stream.h"

#include <stdlib.h>
#include <sys/socket.h>

enum {
    OUT_MAX = 1 << 20,   /* what may wait for one peer before requests wait elsewhere */
    OUT_SOON = 64 << 10, /* more is not gathered before it is written */
    OUT_FIRST = 1024,
};

/* What waits for the peer: with what OpenSSL has of it, once it has not been taken. */
static void out_hold(struct connection *c)
{
    held_set(&c->net->streams->unsent, &c->out.held,
             c->out.room + (c->blocked && c->tls ? TLS_RECORD_BYTES : 0));
}

void tcp_out_drop(struct connection *c)
{
    c->net->streams->waiting -= c->out.n - c->out.at;
    free(c->out.p);
    c->out.p = NULL;
    c->out.at = c->out.n = c->out.room = c->mark = 0;
    c->blocked = false;
    out_hold(c);
    tcp_count(c);
}

void tcp_lose_slow(struct connection *c, const char *why)
{
    c->net->counters.lost_slow++;
    tcp_log(c, LOG_LEVEL_WARN, "net.peer_slow", why);
    tcp_end(c);
}

/* How many bytes, -EAGAIN, another -errno. */
static ssize_t put_bytes(struct connection *c, const char *p, size_t n)
{
    ssize_t r =
        c->tls ? tls_link_write(c->tls, p, n) : send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    return r >= 0 || c->tls ? r : -errno;
}

/* What the kernel takes. False: it is over. */
static bool write_some(struct connection *c)
{
    struct net_counters *counters = &c->net->counters;

    while (c->out.at < c->out.n) {
        ssize_t r = put_bytes(c, c->out.p + c->out.at, c->out.n - c->out.at);

        counters->send_calls++;
        if (r == -EINTR)
            continue;
        if (r == -EAGAIN || r == -EWOULDBLOCK) {
            if (!c->blocked)
                c->blocked_ms = tcp_now(c);
            if (!c->mark) {
                c->mark = c->out.n - c->out.at;
                c->marked_ms = tcp_now(c);
                held_renew(&c->net->streams->unsent, &c->out.held);
            }
            c->blocked = true;
            out_hold(c);
            return true;
        }
        if (r < 0) {
            tcp_lose(c, "", (int)r);
            return false;
        }
        c->out.at += (size_t)r;
        c->mark -= (size_t)r < c->mark ? (size_t)r : c->mark;
        c->net->streams->waiting -= (size_t)r;
        c->blocked_ms = tcp_now(c);
        counters->sent_bytes += (size_t)r;
    }
    tcp_out_drop(c);
    return true;
}

/* What was sent last has gone. */
void tcp_end_sending(struct connection *c)
{
    if (c->state != CONNECTION_LEAVING)
        return;
    if (c->tls)
        tls_link_end(c->tls);
    shutdown(c->fd, SHUT_WR);
}

void tcp_flush(struct connection *c)
{
    bool was = c->blocked;

    list_remove(&c->dirty);
    if (c->state == CONNECTION_OPENING || !c->out.p || !write_some(c))
        return;
    tcp_poll(c);
    if (!c->blocked)
        tcp_end_sending(c);
    if (c->blocked != was)
        tcp_arm(c);
}

/* How much memory it takes that so much more waits. */
static size_t out_growth(const struct connection *c, size_t more)
{
    size_t room = c->out.room ? c->out.room : OUT_FIRST;

    while (room < c->out.n - c->out.at + more)
        room *= 2;
    return room - c->out.room;
}

static bool is_over_bound(const struct net *n, size_t more)
{
    const struct held *unsent = &n->streams->unsent;

    return unsent->bytes + more > n->cfg.held_max && !list_empty(&unsent->order);
}

/* Who takes what is sent to him does not pay for those who do not. */
static void shed_unsent(struct net *n)
{
    struct connection *first =
        CONTAINER_OF(n->streams->unsent.order.next, struct connection, out.held.of);

    if (list_empty(&first->dirty))
        tcp_lose_slow(first, "too much waits for all, and for this one for longest");
    else
        tcp_flush(first); /* it has waited for the end of the turn only */
}

void tcp_bound_unsent(struct net *n)
{
    while (is_over_bound(n, 0))
        shed_unsent(n);
}

/* 0 or -ENOTCONN: it is one of those who go. */
static int out_make_room(struct connection *c, size_t more)
{
    while (is_over_bound(c->net, out_growth(c, more))) {
        shed_unsent(c->net);
        if (c->state == CONNECTION_CLOSED)
            return -ENOTCONN;
    }
    return 0;
}

static int out_reserve(struct connection *c, size_t more)
{
    int r = out_make_room(c, more);
    size_t growth;
    char *p;

    if (r)
        return r;
    growth = out_growth(c, more);
    if (c->out.at && c->out.n + more > c->out.room) {
        memmove(c->out.p, c->out.p + c->out.at, c->out.n - c->out.at);
        c->out.n -= c->out.at;
        c->out.at = 0;
    }
    if (!growth)
        return 0;
    p = realloc(c->out.p, c->out.room + growth);
    if (!p)
        return -ENOMEM;
    c->out.p = p;
    c->out.room += growth;
    out_hold(c);
    tcp_count(c);
    return 0;
}

static bool is_answer(struct str bytes)
{
    return str_starts(bytes, STR("SIP/2.0 "));
}

/* RFC 3261 section 18.2.2: an answer goes where the request came from, also to who has nothing more
 * to ask. */
static bool may_send(const struct connection *c, struct str bytes)
{
    return c->state == CONNECTION_OPENING || c->state == CONNECTION_OPEN ||
           (c->state == CONNECTION_HALF && is_answer(bytes));
}

/* Requests can wait where they come from; answers, of which there are as many as the peer asks for,
 * have some more room, and who does not take those either asks in vain. */
static int find_room(struct connection *c, struct str bytes)
{
    size_t waits = c->out.n - c->out.at + bytes.n;

    if (waits <= OUT_MAX)
        return 0;
    if (!is_answer(bytes))
        return -EAGAIN;
    if (waits <= (size_t)2 * OUT_MAX)
        return 0;
    tcp_lose_slow(c, "it does not take the answers to what it asks");
    return -ENOTCONN;
}

static void out_add(struct connection *c, struct str bytes)
{
    if (bytes.n)
        memcpy(c->out.p + c->out.n, bytes.p, bytes.n);
    c->out.n += bytes.n;
    c->net->streams->waiting += bytes.n;
}

int tcp_put(struct connection *c, struct str head, struct str bytes)
{
    int r;

    if (!may_send(c, bytes))
        return -ENOTCONN;
    r = find_room(c, bytes);
    if (r)
        return r;
    r = out_reserve(c, head.n + bytes.n);
    if (r)
        return r;
    out_add(c, head);
    out_add(c, bytes);
    c->sent_ms = tcp_now(c);
    if (c->blocked || c->state == CONNECTION_OPENING)
        return 0;
    if (list_empty(&c->dirty))
        list_append(&c->net->streams->dirty, &c->dirty);
    if (c->out.n - c->out.at >= OUT_SOON) {
        tcp_flush(c);
        return c->state == CONNECTION_CLOSED ? -ENOTCONN : 0;
    }
    return 0;
}

int tcp_send(struct connection *c, struct str bytes)
{
    char room[WEBSOCKET_HEAD_MAX];
    int r;

    if (c->web && !c->web->open)
        return -ENOTCONN;
    r = tcp_put(c, c->web ? web_head(room, bytes) : STR_EMPTY, bytes);
    if (r == 0 && bytes.n > 4) { /* not a keep-alive */
        c->net->counters.sent++;
        tcp_trace(c, true, bytes);
    }
    return r;
}

void tcp_close(struct connection *c)
{
    if (c->web)
        web_farewell(c);
    if (c->state != CONNECTION_OPENING && c->out.p && !write_some(c))
        return;
    tcp_end(c);
}
