// SPDX-License-Identifier: MIT
/* What comes over a connection, and is cut into messages: what has begun and is not whole has one
 * bound for all. */
#include "net/stream.h"

#include <stdlib.h>
#include <sys/socket.h>

enum {
    READS = 4, /* per readable event: others want their turn */
    SCRATCH = 65536,
    IN_FIRST = 1024,
};

/* What is there of a message that has begun. */
static void in_hold(struct connection *c)
{
    held_set(&c->net->streams->begun, &c->in.held, c->in.room + (c->record ? TLS_RECORD_BYTES : 0));
}

bool tcp_is_midway(const struct connection *c)
{
    return c->record || (c->web ? web_is_midway(c) : c->in.n);
}

void tcp_in_drop(struct connection *c)
{
    free(c->in.p);
    c->in.p = NULL;
    c->in.n = c->in.room = 0;
    in_hold(c);
    tcp_count(c);
}

/* ---- reading ---- */

static struct flow flow_of(const struct connection *c)
{
    return (struct flow){ .transport = c->stream->transport,
                          .connection = c->number,
                          .protocol = c->stream->protocol,
                          .local = c->local,
                          .remote = c->remote,
                          .names = c->tls ? tls_link_names(c->tls) : NULL };
}

void tcp_receive(struct connection *c, struct str message)
{
    struct net *n = c->net;
    const struct flow from = flow_of(c);

    if (c->tls && tls_link_is_expired(c->tls)) { /* a new connection would be refused, too */
        n->counters.lost_tls++;
        tcp_log(c, LOG_LEVEL_WARN, "net.tls_expired", "the certificate of the peer has expired");
        tcp_close(c);
        return;
    }
    n->counters.received++;
    tcp_trace(c, false, message);
    net_names_ref(from.names); /* the connection may end meanwhile */
    n->cfg.receive(n->cfg.ctx, &from, message);
    net_names_unref(from.names);
}

static void receive_broken(struct connection *c, const struct frame *frame)
{
    struct net *n = c->net;
    const struct flow from = flow_of(c);
    const struct net_fault fault = { frame->status, frame->fault };

    n->counters.lost_broken++;
    tcp_log(c, LOG_LEVEL_DEBUG, "net.stream_broken", frame->fault);
    tcp_trace(c, false, frame->message);
    if (n->cfg.broken)
        n->cfg.broken(n->cfg.ctx, &from, frame->message, &fault);
    if (c->state != CONNECTION_CLOSED)
        tcp_take_leave(c);
}

/* As web_take. */
static bool take_messages(struct connection *c, struct str *bytes)
{
    size_t taken = 0;

    while (c->state == CONNECTION_OPEN) {
        bool awaited = c->framer.pong_due;
        struct frame frame;
        int r = framer_next(&c->framer, str_sub(*bytes, taken, bytes->n), &frame);

        taken += frame.taken;
        c->net->counters.pongs += awaited && !c->framer.pong_due;
        c->spoken = c->spoken || frame.taken;
        if (r == FRAME_MORE)
            break;
        if (r == 0)
            tcp_receive(c, frame.message);
        else if (r == FRAME_PING)
            (void)!tcp_send(c, STR("\r\n"));
        else
            receive_broken(c, &frame);
    }
    *bytes = str_sub(*bytes, taken, bytes->n);
    return !taken;
}

/* ---- what has begun ---- */

static void lose_unfinished(struct connection *c)
{
    c->net->counters.lost_unfinished++;
    tcp_log(c, LOG_LEVEL_WARN, "net.unfinished_full", "too much has begun that is not whole");
    tcp_in_drop(c); /* of nobody is a message being received now */
    tcp_end(c);
}

/* Who sends whole messages has none that is old. -EDQUOT: its own is the oldest. */
static int in_make_room(const struct connection *c, size_t more)
{
    const struct held *begun = &c->net->streams->begun;

    while (begun->bytes + more > c->net->cfg.held_max && !list_empty(&begun->order)) {
        struct connection *first = CONTAINER_OF(begun->order.next, struct connection, in.held.of);

        if (first == c)
            return -EDQUOT;
        lose_unfinished(first);
    }
    return 0;
}

static int in_reserve(struct connection *c, size_t least)
{
    size_t room = c->framer.whole ? c->framer.whole : IN_FIRST;
    char *p;
    int r;

    while (room < least)
        room *= 2;
    if (room <= c->in.room)
        return 0;
    r = in_make_room(c, room - c->in.room);
    if (r)
        return r;
    p = realloc(c->in.p, room);
    if (!p)
        return -ENOMEM;
    c->in.p = p;
    c->in.room = room;
    in_hold(c);
    tcp_count(c);
    return 0;
}

/* Of what was read into `in` already, or into the place that all share. */
static int in_keep(struct connection *c, struct str rest)
{
    int r = 0;

    if (c->in.n)
        memmove(c->in.p, rest.p, rest.n);
    else
        r = in_reserve(c, rest.n);
    if (r)
        return r;
    if (!c->in.n)
        memcpy(c->in.p, rest.p, rest.n);
    c->in.n = rest.n;
    in_hold(c);
    return 0;
}

static void begin(struct connection *c)
{
    c->begun_ms = tcp_now(c);
    held_renew(&c->net->streams->begun, &c->in.held);
}

/* All is read that has come. */
static int record_look(struct connection *c)
{
    bool had = tcp_is_midway(c), had_record = c->record;
    int r;

    c->record = tls_link_is_midway(c->tls);
    r = c->record && !had_record ? in_make_room(c, TLS_RECORD_BYTES) : 0;
    in_hold(c);
    if (!r && c->record && !had) {
        begin(c);
        tcp_arm(c);
    }
    return r;
}

static void reading_failed(struct connection *c, int error)
{
    if (error == -EDQUOT) {
        lose_unfinished(c);
        return;
    }
    c->net->counters.lost_tls += error == -EPROTO;
    tcp_lose(c, "", error);
}

static void take_bytes(struct connection *c, struct str bytes)
{
    bool had = tcp_is_midway(c), spoken = c->spoken;
    bool same = c->web ? web_take(c, &bytes) : take_messages(c, &bytes);
    int r = 0;

    if (c->state != CONNECTION_OPEN)
        return;
    c->record = false; /* it has ended with these bytes */
    if (bytes.n)
        r = in_keep(c, bytes);
    else
        tcp_in_drop(c);
    if (r) {
        reading_failed(c, r);
        return;
    }
    if (tcp_is_midway(c) && !(had && same))
        begin(c);
    else if (c->spoken == spoken) /* whoever has begun to speak is sent keep-alives */
        return;
    tcp_arm(c);
}

/* What comes after our end is only thrown away, and need not be understood. */
static ssize_t get_bytes(struct connection *c, char *p, size_t n)
{
    bool plain = !c->tls || c->state == CONNECTION_LEAVING;
    ssize_t r = plain ? recv(c->fd, p, n, MSG_DONTWAIT) : tls_link_read(c->tls, p, n);

    return r >= 0 || !plain ? r : -errno;
}

/* A message that has begun goes on where it is, another one begins in the place that all share. 0:
 * the peer has ended. */
static ssize_t read_some(struct connection *c, struct str *bytes)
{
    char *at = c->net->streams->scratch, *from = at;
    size_t room = SCRATCH;
    ssize_t r;

    if (c->state == CONNECTION_OPEN && c->in.n) {
        int failed = in_reserve(c, c->in.n + 1);

        if (failed)
            return failed;
        from = c->in.p;
        at = from + c->in.n;
        room = c->in.room - c->in.n;
    }
    r = get_bytes(c, at, room);
    if (r < 0)
        return r;
    *bytes = (struct str){ from, (size_t)(at - from) + (size_t)r };
    return r;
}

static void peer_has_ended(struct connection *c)
{
    if (c->state == CONNECTION_LEAVING) {
        tcp_end(c);
        return;
    }
    tcp_tell(c);
    tcp_in_drop(c);
    tcp_move(c, CONNECTION_HALF);
    tcp_poll(c);
    tcp_arm(c);
}

void tcp_read(struct connection *c)
{
    struct net *n = c->net;

    /* What TLS has taken from the kernel already wakes nobody. */
    for (unsigned i = 0;
         (i < READS || (c->tls && tls_link_pending(c->tls))) && c->events & UV_READABLE; i++) {
        struct str bytes = STR_EMPTY;
        ssize_t r = read_some(c, &bytes);

        n->counters.receive_calls++;
        if (r == -EINTR)
            continue;
        if (r == -EAGAIN || r == -EWOULDBLOCK) {
            r = c->tls && c->state == CONNECTION_OPEN ? record_look(c) : 0;
            if (r)
                reading_failed(c, (int)r);
            return;
        }
        if (r < 0) {
            reading_failed(c, (int)r);
            return;
        }
        if (r == 0) {
            peer_has_ended(c);
            return;
        }
        n->counters.received_bytes += (size_t)r;
        c->received_ms = tcp_now(c);
        if (c->state == CONNECTION_OPEN)
            take_bytes(c, bytes);
        if (c->state == CONNECTION_CLOSED)
            return;
    }
}
