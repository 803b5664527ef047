// SPDX-License-Identifier: MIT
/* record.h - small binary records, as they are kept on disk.
 *
 * A record is its fields one behind the other; the reader knows their order. Fields are only ever
 * added at the end: one that a record does not have reads as 0 or empty, so that records of former
 * versions stay readable. A reader that meets nonsense remembers it and reads nothing more, so that
 * a whole record needs one check. Threads: pure functions. */
#pragma once
#include "base/buf.h"

void record_add_u64(struct buf *b, uint64_t value); /* 1 to 10 bytes, small values are short */
void record_add_str(struct buf *b, struct str s);

struct record { /* a cursor */
    struct cursor at;
    int error; /* 0, or -EBADMSG from then on */
};

static inline struct record record_of(struct str bytes)
{
    return (struct record){ .at = cursor_on(bytes) };
}
uint64_t record_u64(struct record *r);
uint32_t record_u32(struct record *r);   /* a larger one is nonsense */
struct str record_str(struct record *r); /* borrows the bytes */
