// SPDX-License-Identifier: MIT
/* The life of one connection: what is read is cut into messages, what is sent waits for the end of
 * the loop's turn, and whoever is slower than anybody needs to be is given up. */
#include "net/stream.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OPENING_MS = 10000,  /* to be connected */
    FIRST_MS = 20000,    /* from there to the first message or keep-alive */
    MESSAGE_MS = 20000,  /* from the first byte of a message to its last */
    BLOCKED_MS = 20000,  /* without taking a byte of what waits */
    DRAIN_MS = 60000,    /* until all that waited at one time is taken, byte by byte or not */
    HALF_MS = 4000,      /* for the answers to who has ended */
    QUIET_MS = 5000,     /* of a transport that is gone: then nothing is under way */
    LEAVING_MS = 4000,   /* until the peer has read what was sent last, and ended */
    OUT_MAX = 1 << 20,   /* what may wait for one peer before requests wait elsewhere */
    OUT_SOON = 64 << 10, /* more is not gathered before it is written */
    READS = 4,           /* per readable event: others want their turn */
    SCRATCH = 65536,
    IN_FIRST = 1024,
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

static uint64_t now_of(const struct connection *c)
{
    return clock_monotonic_ms(c->net->cfg.loop->clock);
}

static void connection_move(struct connection *c, enum connection_state next)
{
    BUG_UNLESS(states[c->state].next & BIT(next));
    c->state = next;
    c->since_ms = now_of(c);
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

/* ---- the end ---- */

/* What it has, after that has changed. */
static void count(struct connection *c)
{
    tally_again(&c->net->heap, &c->counted,
                tally_size(c) + (c->web ? tally_size(c->web) : 0) +
                    (c->in.p ? tally_size(c->in.p) : 0) + (c->out.p ? tally_size(c->out.p) : 0));
}

static void in_free(struct connection *c)
{
    free(c->in.p);
    c->in.p = NULL;
    c->in.n = c->in.room = 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    close(c->fd);
    in_free(c);
    free(c->web);
    free(c);
}

/* What waits for the peer: with what OpenSSL has of it, once it has not been taken. */
static void out_hold(struct connection *c)
{
    held_set(&c->net->streams->unsent, &c->out.held,
             c->out.room + (c->blocked && c->tls ? TLS_RECORD_BYTES : 0));
}

static void out_free(struct connection *c)
{
    c->net->streams->waiting -= c->out.n - c->out.at;
    free(c->out.p);
    c->out.p = NULL;
    c->out.at = c->out.n = c->out.room = c->mark = 0;
    c->blocked = false;
    out_hold(c);
    count(c);
}

/* What is there of a message that has begun. */
static void in_hold(struct connection *c)
{
    held_set(&c->net->streams->begun, &c->in.held, c->in.room + (c->record ? TLS_RECORD_BYTES : 0));
}

static void in_drop(struct connection *c)
{
    in_free(c);
    in_hold(c);
    count(c);
}

/* Nothing is written any more. Its memory stays until the loop's turn is over, with the message
 * that is being received: callers further up look at both. */
static void connection_end(struct connection *c)
{
    struct net *n = c->net;

    if (c->state == CONNECTION_CLOSED)
        return;
    tcp_leave(c);
    connection_move(c, CONNECTION_CLOSED);
    timer_stop(&n->cfg.loop->wheel, &c->timer);
    out_free(c);
    held_set(&n->streams->begun, &c->in.held, 0);
    tally_again(&n->heap, &c->counted, 0);
    tls_link_destroy(c->tls);
    c->tls = NULL;
    list_remove(&c->of_stream);
    list_remove(&c->dirty);
    c->stream = NULL;
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

static void connection_lose(struct connection *c, const char *why, int error)
{
    tell(c, LOG_LEVEL_DEBUG, "net.connection_ended", why, error);
    connection_end(c);
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
static void poll_renew(struct connection *c)
{
    bool opening = c->state == CONNECTION_OPENING;
    bool reads = (c->state == CONNECTION_OPEN && !c->net->paused) || c->state == CONNECTION_LEAVING;

    poll_for(c, (reads || (opening && c->wants_read) ? UV_READABLE : 0) |
                    (c->blocked || (opening && !c->wants_read) ? UV_WRITABLE : 0));
}

/* Has a message, or a record of TLS, begun that is not whole? */
static bool is_midway(const struct connection *c)
{
    return c->record || (c->web ? web_is_midway(c) : c->in.n);
}

bool tcp_is_idle(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !is_midway(c) && !c->out.p && (!c->web || c->web->open);
}

void tcp_pause(struct connection *c)
{
    poll_renew(c);
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
    uint64_t due = state_due(c), now = now_of(c);

    sooner(&due, idle_due(c));
    sooner(&due, ping_due(c));
    if (is_midway(c))
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
        c->sent_ms = now_of(c); /* no room: its turn is over */
        return;
    }
    c->net->counters.pings++;
    c->framer.pong_due = !c->web;
}

static void lose_slow(struct connection *c, const char *why)
{
    c->net->counters.lost_slow++;
    tell(c, LOG_LEVEL_WARN, "net.peer_slow", why, 0);
    connection_end(c);
}

static void on_due(struct timer *t)
{
    struct connection *c = CONTAINER_OF(t, struct connection, timer);
    struct net_counters *counters = &c->net->counters;
    uint64_t now = now_of(c);

    if (c->blocked && (c->blocked_ms + BLOCKED_MS <= now || c->marked_ms + DRAIN_MS <= now)) {
        lose_slow(c, "it does not take what is sent to it");
        return;
    }
    if (state_due(c) <= now || (is_midway(c) && c->begun_ms + MESSAGE_MS <= now)) {
        counters->lost_late += c->state == CONNECTION_OPENING || c->state == CONNECTION_OPEN;
        connection_lose(c, "it does not go on", 0);
        return;
    }
    if (idle_due(c) <= now && c->stream->leaving) {
        tell(c, LOG_LEVEL_DEBUG, "net.connection_ended", "its transport is gone", 0);
        tcp_close(c);
        return;
    }
    if (idle_due(c) <= now) {
        counters->lost_idle++;
        connection_lose(c, "nothing was said for long", 0);
        return;
    }
    if (ping_due(c) <= now)
        send_ping(c);
    if (c->state != CONNECTION_CLOSED)
        tcp_arm(c);
}

/* ---- writing ---- */

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
                c->blocked_ms = now_of(c);
            if (!c->mark) {
                c->mark = c->out.n - c->out.at;
                c->marked_ms = now_of(c);
                held_renew(&c->net->streams->unsent, &c->out.held);
            }
            c->blocked = true;
            out_hold(c);
            return true;
        }
        if (r < 0) {
            connection_lose(c, "", (int)r);
            return false;
        }
        c->out.at += (size_t)r;
        c->mark -= (size_t)r < c->mark ? (size_t)r : c->mark;
        c->net->streams->waiting -= (size_t)r;
        c->blocked_ms = now_of(c);
        counters->sent_bytes += (size_t)r;
    }
    out_free(c);
    return true;
}

/* What was sent last has gone. */
static void end_sending(struct connection *c)
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
    poll_renew(c);
    if (!c->blocked)
        end_sending(c);
    if (c->blocked != was)
        tcp_arm(c);
}

/* How much memory it takes that so much more waits. */
static size_t out_growth(const struct connection *c, size_t more)
{
    size_t room = c->out.room ? c->out.room : IN_FIRST;

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
        lose_slow(first, "too much waits for all, and for this one for longest");
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
    count(c);
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
    lose_slow(c, "it does not take the answers to what it asks");
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
    c->sent_ms = now_of(c);
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

static void connection_trace(const struct connection *c, bool sent, struct str bytes)
{
    const struct net_traced what = { sent, c->stream->protocol, c->stream->id };

    net_trace(c->net, &what, &c->remote, bytes);
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
        connection_trace(c, true, bytes);
    }
    return r;
}

void tcp_close(struct connection *c)
{
    if (c->web)
        web_farewell(c);
    if (c->state != CONNECTION_OPENING && c->out.p && !write_some(c))
        return;
    connection_end(c);
}

void tcp_take_leave(struct connection *c)
{
    tcp_unmap(c);
    in_drop(c);
    connection_move(c, CONNECTION_LEAVING);
    poll_renew(c);
    if (!c->out.p)
        end_sending(c);
    tcp_arm(c);
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
        tell(c, LOG_LEVEL_WARN, "net.tls_expired", "the certificate of the peer has expired", 0);
        tcp_close(c);
        return;
    }
    n->counters.received++;
    connection_trace(c, false, message);
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
    tell(c, LOG_LEVEL_DEBUG, "net.stream_broken", frame->fault, 0);
    connection_trace(c, false, frame->message);
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
    tell(c, LOG_LEVEL_WARN, "net.unfinished_full", "too much has begun that is not whole", 0);
    in_drop(c); /* of nobody is a message being received now */
    connection_end(c);
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
    count(c);
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
    c->begun_ms = now_of(c);
    held_renew(&c->net->streams->begun, &c->in.held);
}

/* All is read that has come. */
static int record_look(struct connection *c)
{
    bool had = is_midway(c), had_record = c->record;
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
    connection_lose(c, "", error);
}

static void take_bytes(struct connection *c, struct str bytes)
{
    bool had = is_midway(c), spoken = c->spoken;
    bool same = c->web ? web_take(c, &bytes) : take_messages(c, &bytes);
    int r = 0;

    if (c->state != CONNECTION_OPEN)
        return;
    c->record = false; /* it has ended with these bytes */
    if (bytes.n)
        r = in_keep(c, bytes);
    else
        in_drop(c);
    if (r) {
        reading_failed(c, r);
        return;
    }
    if (is_midway(c) && !(had && same))
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
        connection_end(c);
        return;
    }
    tcp_tell(c);
    in_drop(c);
    connection_move(c, CONNECTION_HALF);
    poll_renew(c);
    tcp_arm(c);
}

static void on_readable(struct connection *c)
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
        c->received_ms = now_of(c);
        if (c->state == CONNECTION_OPEN)
            take_bytes(c, bytes);
        if (c->state == CONNECTION_CLOSED)
            return;
    }
}

/* ---- opening ---- */

static void connection_opened(struct connection *c)
{
    c->spoken = c->opened; /* who opens speaks first */
    connection_move(c, CONNECTION_OPEN);
    poll_renew(c);
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
        connection_end(c);
        return;
    }
    if (r == 0) {
        counters->handshakes += c->tls != NULL;
        counters->resumed += c->tls && tls_link_resumed(c->tls);
        connection_opened(c);
        return;
    }
    c->wants_read = r == TLS_WANTS_READ;
    poll_renew(c);
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
        connection_lose(c, "", error);
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
        on_readable(c);
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
    c->since_ms = c->received_ms = c->sent_ms = now_of(c);
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
    poll_renew(c);
    tcp_arm(c);
    tcp_map(c);
    count(c);
    *out = c;
    return 0;
}
