// SPDX-License-Identifier: MIT
/* event_record.h - a publisher's document as bytes that are kept, and back.
 *
 * All that it says, in the numbers and texts of base/record.h; watchers are not among it, as nobody
 * publishes them. Threads: pure functions. */
#pragma once
#include "base/record.h"
#include "state/event_state.h"

/* No more bytes than the document has in memory, its own struct and arrays included. */
void event_record_add(struct buf *b, const struct event_state *s);
/* What event_record_add has written, at the cursor. Its texts borrow the bytes. 0, -EBADMSG (then
 * the cursor has that error, too) or -ENOMEM. */
NODISCARD int event_record_read(struct record *r, struct event_state **out);
