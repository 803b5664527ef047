// SPDX-License-Identifier: MIT
/* stream.h - what stream.c (listening, opening, finding), connection.c (the life of one), sending.c
 * and receiving.c share.
 * Private to src/net. */
#pragma once
#include "base/map.h"
#include "net/frame.h"
#include "net/net_private.h"
#include "net/tls_link.h"
#include "net/websocket.h"

/* The life of a connection. Half: the peer has ended its side, and what it asked is still answered.
 * Leaving: we have, and what comes is thrown away, so that the peer can read what was sent last.
 *
 *   opening ──▶ open ──▶ half ──▶ leaving ──▶ closed
 *      │          └──────────────▶───┘  ▲        ▲
 *      └────────────────────────────────┴────────┘  (from each)
 */
enum connection_state {
    CONNECTION_OPENING,
    CONNECTION_OPEN,
    CONNECTION_HALF,
    CONNECTION_LEAVING,
    CONNECTION_CLOSED,
    CONNECTION_STATES
};

struct stream { /* a transport */
    uv_poll_t poll;
    struct net *net; /* NULL once closing */
    struct str id;
    uint32_t transport;
    enum net_protocol protocol;
    struct net_stream_options options;
    int fd;
    bool wildcard, pausing; /* the latter: there are no descriptors for more */
    bool deaf;              /* another net accepts from it */
    bool hung_up;           /* nobody does, and its socket is gone */
    bool leaving;           /* its connections are not kept open any more */
    struct addr local;
    struct stream *next;     /* of the same transport */
    struct list connections; /* connection.of_stream */
    struct timer pause;
};

struct web {          /* what a connection of WebSocket has besides */
    bool open;        /* the opening handshake is done */
    bool pong_due;    /* our ping is not answered */
    uint32_t scanned; /* before that: the request does not end within so many bytes */
    struct websocket frames;
};

/* What connections have on the heap in one direction. There is a bound for all of them, over which
 * goes whoever has had it for longest. */
struct held {
    struct list order; /* holding.of */
    size_t bytes;
};
struct holding { /* of one */
    struct list of;
    size_t bytes; /* 0: it is in no list */
};

static inline void held_set(struct held *h, struct holding *of, size_t bytes)
{
    if (!bytes)
        list_remove(&of->of);
    else if (!of->bytes)
        list_append(&h->order, &of->of);
    h->bytes += bytes - of->bytes;
    of->bytes = bytes;
}

/* What it has now is something newer. */
static inline void held_renew(struct held *h, struct holding *of)
{
    list_remove(&of->of);
    if (of->bytes)
        list_append(&h->order, &of->of);
}

struct connection {
    uv_poll_t poll;
    struct net *net;
    struct stream *stream; /* NULL once it is closed */
    struct list of_stream, dirty;
    struct map_node node; /* by transport and remote, while requests may leave by it */
    struct timer timer;
    struct tls_link *tls; /* NULL: without */
    struct web *web;      /* likewise */
    uint64_t counted;     /* in net.heap */
    uint32_t number;
    int fd, events; /* the latter: what is polled for */
    enum connection_state state;
    bool opened;                  /* by us */
    bool wants_read;              /* what opening waits for */
    bool mapped, blocked, spoken; /* waits for writable; has sent us anything */
    bool record;                  /* OpenSSL has the beginning of one */
    struct addr local, remote;
    struct framer framer;
    struct {
        char *p;
        size_t n, room;
        struct holding held; /* with the record */
    } in;                    /* the beginning of a message; of WebSocket what is decoded of it */
    struct {
        char *p;
        size_t at, n, room; /* at..n waits */
        struct holding held;
    } out;
    uint64_t since_ms;   /* in this state */
    uint64_t begun_ms;   /* of the message in `in` */
    uint64_t blocked_ms; /* the last time that anything was taken, while it is blocked */
    size_t mark;         /* how much of what waited at marked_ms still does */
    uint64_t marked_ms;
    uint64_t received_ms; /* the last time */
    uint64_t sent_ms;
};

struct streams {
    struct stream **list; /* by transport; NULL: there is none of that number */
    uint32_t n;
    struct connection **slots; /* by number; NULL: free */
    bool *held;                /* the number may not be used yet */
    uint32_t n_slots, next_slot;
    struct map by_remote;
    struct list dirty; /* with something to write */
    uint32_t *lost;    /* since the last flush; two for each slot fit */
    size_t n_lost;
    size_t waiting;     /* bytes to be sent, of all */
    struct held begun;  /* messages that are not whole */
    struct held unsent; /* what waits, with the room it has left when some has gone, and records */
    char *scratch;      /* what is read goes here first */
};

/* connection.c */
/* `to` is where it is being opened to; NULL: it was accepted. */
NODISCARD int tcp_create(struct connection **out, struct stream *s, int fd, const struct flow *to,
                         struct str host);
void tcp_adopted(struct connection *c);       /* it has proved itself elsewhere */
bool tcp_is_idle(const struct connection *c); /* nothing is under way on it */
void tcp_pause(struct connection *c);         /* or go on: as the net says */
/* The limits, or what is waited for, are other ones. */
void tcp_arm(struct connection *c);
/* Likewise what is polled for. */
void tcp_poll(struct connection *c);
void tcp_count(struct connection *c); /* its memory is another one */
uint64_t tcp_now(const struct connection *c);
void tcp_move(struct connection *c, enum connection_state next);
void tcp_log(const struct connection *c, enum log_level level, const char *name, const char *why);
void tcp_trace(const struct connection *c, bool sent, struct str bytes);
/* We end our side, and wait for the peer to end the other. */
void tcp_take_leave(struct connection *c);
/* Nothing is written any more. Its memory stays until the loop's turn is over, with the message
 * that is being received: callers further up look at both. */
void tcp_end(struct connection *c);
/* Likewise, and the log is told. */
void tcp_lose(struct connection *c, const char *why, int error);

/* sending.c */
/* Copies; as net_send. */
NODISCARD int tcp_send(struct connection *c, struct str bytes);
/* Copies; `head` goes first. As tcp_send, but nothing that is counted or traced. */
NODISCARD int tcp_put(struct connection *c, struct str head, struct str bytes);
void tcp_flush(struct connection *c);
/* Of those for whom too much waits for all, the first end. */
void tcp_bound_unsent(struct net *n);
void tcp_lose_slow(struct connection *c, const char *why);
void tcp_end_sending(struct connection *c); /* what was sent last has gone */
void tcp_out_drop(struct connection *c);
/* What the kernel takes is written first. */
void tcp_close(struct connection *c);

/* receiving.c */
void tcp_read(struct connection *c); /* what there is, for a while */
void tcp_receive(struct connection *c, struct str message);
/* Has a message, or a record of TLS, begun that is not whole? */
bool tcp_is_midway(const struct connection *c);
void tcp_in_drop(struct connection *c);

/* web.c */
/* Of the bytes, of which the first c->in.n are kept from before, take everything that is whole;
 * what is to be kept is left. False: what had begun before has ended. The connection may be over.
 */
bool web_take(struct connection *c, struct str *bytes);
/* Is a request, a message or a frame under way? */
bool web_is_midway(const struct connection *c);
/* As tcp_send, which calls it: with its frame. */
struct str web_head(char room[WEBSOCKET_HEAD_MAX], struct str message);
NODISCARD int web_ping(struct connection *c);
/* It is ended by us without a fault of the peer's. */
void web_farewell(struct connection *c);

/* stream.c */
int tcp_enter(struct connection *c); /* gives it a number: 0, -ENOBUFS, -ENOMEM */
void tcp_map(struct connection *c);
void tcp_unmap(struct connection *c);
/* No answer comes by it any more: that is told at the end of the turn. At most once before it
 * leaves, which tells it too. */
void tcp_tell(struct connection *c);
void tcp_leave(struct connection *c);
