// SPDX-License-Identifier: MIT
/* What is different on a connection of WebSocket: it begins with an HTTP request, messages come and
 * go in frames, and its end is told in one. */
#include "net/stream.h"

bool web_is_midway(const struct connection *c)
{
    return c->in.n || websocket_is_midway(&c->web->frames);
}

/* ---- sending ---- */

struct str web_head(char room[WEBSOCKET_HEAD_MAX], struct str message)
{
    return websocket_head(room, websocket_opcode_for(message), message.n);
}

static int web_control(struct connection *c, enum websocket_opcode opcode, struct str payload)
{
    char room[WEBSOCKET_HEAD_MAX];

    return tcp_put(c, websocket_head(room, opcode, payload.n), payload);
}

int web_ping(struct connection *c)
{
    int r = web_control(c, WEBSOCKET_PING, STR_EMPTY);

    c->web->pong_due |= r == 0;
    return r;
}

/* RFC 6455 section 5.5.1. Where there is no room for it the end of the connection has to do. */
static void web_close(struct connection *c, unsigned code)
{
    const char bytes[2] = { (char)(code >> 8), (char)code };

    (void)!web_control(c, WEBSOCKET_CLOSE, (struct str){ bytes, code ? sizeof(bytes) : 0 });
}

void web_farewell(struct connection *c)
{
    if (c->state == CONNECTION_OPEN && c->web->open)
        web_close(c, WEBSOCKET_GOING_AWAY);
}

/* ---- the opening handshake ---- */

/* The length of the request, or 0. Bytes may come one by one: what was looked at is not looked at
 * again. */
static size_t find_end(struct web *w, struct str bytes)
{
    struct str within = str_sub(bytes, 0, WEBSOCKET_REQUEST_MAX);
    size_t from = w->scanned > 3 ? w->scanned - 3 : 0;
    const char *end = memmem(within.p + from, within.n - from, "\r\n\r\n", 4);

    w->scanned = (uint32_t)within.n;
    return end ? (size_t)(end - bytes.p) + 4 : 0;
}

/* How many bytes the request was; 0: it is not there yet, or refused. */
static size_t web_open(struct connection *c, struct str bytes)
{
    size_t n = find_end(c->web, bytes);
    char room[WEBSOCKET_REPLY_MAX];
    struct websocket_reply reply;
    struct buf answer;

    buf_init_on(&answer, room, sizeof(room));
    if (n) {
        reply = websocket_answer(&answer, str_sub(bytes, 0, n), c->net->cfg.limits.web_origins);
    } else if (bytes.n < WEBSOCKET_REQUEST_MAX) {
        return 0;
    } else {
        reply = (struct websocket_reply){ 431, "The request is too long" };
        websocket_refuse(&answer, reply.status, reply.why);
    }
    BUG_UNLESS(!answer.error);
    if (tcp_put(c, buf_str(&answer), STR_EMPTY) == 0 && reply.status == 101) {
        c->web->open = true;
        c->spoken = true;
        c->net->counters.websockets++;
        return n;
    }
    if (c->state == CONNECTION_CLOSED)
        return 0;
    c->net->counters.websockets_refused++;
    tcp_log(c, LOG_LEVEL_INFO, "net.websocket_refused", reply.why);
    tcp_take_leave(c);
    return 0;
}

/* ---- receiving ---- */

/* Empty lines are the keep-alive of other transports, which some clients send here, too. */
static void receive_message(struct connection *c, struct str message)
{
    struct str rest = message;

    while (rest.n && (rest.p[0] == '\r' || rest.p[0] == '\n'))
        rest = str_sub(rest, 1, rest.n);
    if (rest.n)
        tcp_receive(c, rest);
    else if (str_equal(message, STR("\r\n\r\n")))
        (void)!tcp_send(c, STR("\r\n"));
}

static void receive_control(struct connection *c, const struct websocket_frame *frame)
{
    struct web *w = c->web;

    if (w->frames.opcode == WEBSOCKET_PING) {
        (void)!web_control(c, WEBSOCKET_PONG, frame->payload);
    } else if (w->frames.opcode == WEBSOCKET_PONG) {
        c->net->counters.pongs += w->pong_due;
        w->pong_due = false;
    } else {
        tcp_tell(c);
        web_close(c, frame->code);
        if (c->state != CONNECTION_CLOSED)
            tcp_take_leave(c);
    }
}

static void receive_broken(struct connection *c, const struct websocket_frame *frame)
{
    c->net->counters.lost_broken++;
    tcp_log(c, LOG_LEVEL_INFO, "net.websocket_broken", frame->why);
    web_close(c, frame->code);
    if (c->state != CONNECTION_CLOSED)
        tcp_take_leave(c);
}

static bool take_frames(struct connection *c, struct websocket_bytes *b)
{
    bool same = true;
    int r = 0;

    while (c->state == CONNECTION_OPEN && r != WEBSOCKET_MORE) {
        struct websocket_frame frame;

        r = websocket_next(&c->web->frames, b, &frame);
        same = same && websocket_is_midway(&c->web->frames);
        if (r == 0)
            receive_message(c, frame.payload);
        else if (r == WEBSOCKET_CONTROL)
            receive_control(c, &frame);
        else if (r == WEBSOCKET_BROKEN)
            receive_broken(c, &frame);
    }
    return same;
}

bool web_take(struct connection *c, struct str *bytes)
{
    bool was_open = c->web->open;
    size_t kept = was_open ? c->in.n : web_open(c, *bytes);
    /* What was read is ours to write to. */
    struct websocket_bytes b = { (char *)(uintptr_t)bytes->p, 0, kept, kept, bytes->n };
    bool same;

    if (c->state != CONNECTION_OPEN || !c->web->open)
        return true;
    if (!was_open)
        b.begin = kept;
    same = take_frames(c, &b) && was_open;
    *bytes = str_sub(*bytes, b.begin, b.decoded);
    return same;
}
