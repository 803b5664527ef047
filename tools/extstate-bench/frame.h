// SPDX-License-Identifier: MIT
/* frame.h - messages out of a stream: Content-Length says where each ends. Source: RFC 3261
 * sections 7.5 and 18.3. Threads: pure functions. */
#pragma once
#include "base/str.h"

enum { FRAME_MAX = 1 << 20 }; /* a message that is longer is a stream that has lost its place */

enum frame_outcome {
    FRAME_MORE = 1, /* the rest has not come yet */
};

/* The first message of `bytes`, which it borrows. `*taken` is how many bytes are done with: those
 * of the message, and the empty lines that may stand before it (RFC 5626 keep-alives), without a
 * message too. 0, FRAME_MORE, or -EBADMSG: no Content-Length, one that is no number, two that
 * differ, or more than FRAME_MAX. */
NODISCARD int frame_next(struct str *message, size_t *taken, struct str bytes);
