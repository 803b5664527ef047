// SPDX-License-Identifier: MIT
/* websocket.h - SIP over WebSocket: the HTTP request that such a connection begins with, and
 * messages out of its frames. Source: RFC 6455 sections 4.2, 5 and 7, RFC 7118 sections 3 and 4.
 * Threads: pure functions. Private to src/net. */
#pragma once
#include "base/buf.h"

enum {
    WEBSOCKET_REQUEST_MAX = 8192,  /* the request line and the headers */
    WEBSOCKET_MESSAGE_MAX = 65535, /* as elsewhere: FRAME_MAX */
    WEBSOCKET_CONTROL_MAX = 125,
    WEBSOCKET_HEAD_MAX = 10, /* of a frame of ours */
    WEBSOCKET_REPLY_MAX = 512,
};

/* ---- the opening handshake ---- */

struct websocket_reply {
    unsigned status; /* 101, or what is wrong */
    const char *why; /* then; constant */
};
/* Answer a request, which ends with its empty line; `origins` are who may open one from a page in a
 * browser, separated by commas, everybody when empty. What is to be sent goes into `out`,
 * which has room for WEBSOCKET_REPLY_MAX. */
struct websocket_reply websocket_answer(struct buf *out, struct str request, struct str origins);
/* The same for a request that cannot be read to its end. */
void websocket_refuse(struct buf *out, unsigned status, const char *why);

/* ---- frames ---- */

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum websocket_code { /* why it is closed: RFC 6455 section 7.4.1 */
                      WEBSOCKET_NORMAL = 1000,
                      WEBSOCKET_GOING_AWAY = 1001,
                      WEBSOCKET_PROTOCOL = 1002,
                      WEBSOCKET_NOT_UTF8 = 1007,
                      WEBSOCKET_TOO_BIG = 1009,
};

/* What is between two reads. Zeroed: at the beginning of a frame. */
struct websocket {
    unsigned char head[14]; /* of the frame that has begun */
    uint8_t head_n, control_n;
    uint8_t opcode;  /* of the frame whose payload comes; fin likewise */
    uint8_t message; /* of the message that has begun: text or binary; 0: none has */
    bool in_payload; /* the head is complete, some of the payload is not */
    bool fin;        /* the last one of its message */
    uint32_t left;   /* bytes of the payload to come */
    uint32_t turn;   /* where in the mask it goes on */
    char control[WEBSOCKET_CONTROL_MAX];
};

/* One piece of memory, which is written to: a message is decoded towards its beginning.
 *
 *   begin ... decoded: of the message that has begun;  raw ... end: as it came */
struct websocket_bytes {
    char *p;
    size_t begin, decoded, raw, end;
};

enum websocket_event {
    WEBSOCKET_MORE = 1, /* everything is read; what is decoded has to be given again */
    WEBSOCKET_CONTROL,  /* of websocket.opcode, with this payload */
    WEBSOCKET_BROKEN,   /* nothing that comes can be understood any more; code and why */
};

struct websocket_frame {
    struct str payload; /* of a message or a control frame; borrows */
    uint16_t code;      /* broken: the reason to tell, and in words. Close: what the peer told, or
                           0 */
    const char *why;
};

/* The next thing in `b`. 0: a message, which has ended, and which may be written to; else a
 * websocket_event. */
NODISCARD int websocket_next(struct websocket *w, struct websocket_bytes *b,
                             struct websocket_frame *out);
/* Has a frame or a message begun that has not ended? */
static inline bool websocket_is_midway(const struct websocket *w)
{
    return w->head_n || w->message;
}
/* What goes before a payload of so many bytes. */
struct str websocket_head(char room[WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode, size_t n);
/* RFC 7118 section 4.1 leaves it to the sender: text where it can be. */
enum websocket_opcode websocket_opcode_for(struct str message);
