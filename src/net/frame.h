// SPDX-License-Identifier: MIT
/* frame.h - messages out of a stream: Content-Length says where each ends, empty lines between them
 * are keep-alives. Source: RFC 3261 sections 7.5 and 18.3, RFC 5626 section 4.4.1. Threads: pure
 * functions. Private to src/net. */
#pragma once
#include "base/str.h"

enum {
    FRAME_HEAD_MAX = 16384, /* start line and headers */
    FRAME_MAX = 65535,      /* what a datagram could carry, too */
};

struct framer {
    uint32_t scanned; /* of the message that has begun: here its head does not end yet */
    uint32_t whole;   /* its length, once the head is there; else 0 */
    bool line;        /* an empty line was the last that came */
    bool pong_due;    /* set by who sends a ping: the next empty line is the answer */
};

struct frame {
    size_t taken;       /* bytes that are done with, whatever the result */
    struct str message; /* borrows; of a broken one the head, or nothing */
    unsigned status;    /* of a broken one: what to answer, and why */
    const char *fault;
};

enum frame_outcome {
    FRAME_MORE = 1, /* nothing more can be said before more bytes have come */
    FRAME_PING,     /* to be answered with an empty line */
    FRAME_BROKEN,   /* where the next message begins cannot be known */
};

/* The first thing in `bytes`, which begin where `taken` of the call before ended. 0: a message, or
 * a frame_outcome. */
NODISCARD int framer_next(struct framer *f, struct str bytes, struct frame *out);
