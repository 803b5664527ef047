// SPDX-License-Identifier: MIT
#include "base/record.h"

enum { U64_BYTES_MAX = 10 };

/* Seven bits a byte, the lowest first; the eighth says that more follow. */
void record_add_u64(struct buf *b, uint64_t value)
{
    char bytes[U64_BYTES_MAX];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    buf_add(b, (struct str){ bytes, n });
}

void record_add_str(struct buf *b, struct str s)
{
    record_add_u64(b, s.n);
    buf_add(b, s);
}

static uint64_t fail(struct record *r)
{
    r->error = -EBADMSG;
    r->at.p = r->at.end;
    return 0;
}

uint64_t record_u64(struct record *r)
{
    uint64_t value = 0;

    if (cursor_done(&r->at))
        return 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte;

        if (cursor_done(&r->at))
            return fail(r);
        byte = (unsigned char)*r->at.p++;
        if (shift == 63 && byte > 1)
            return fail(r);
        value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    return fail(r);
}

uint32_t record_u32(struct record *r)
{
    uint64_t value = record_u64(r);

    return value > UINT32_MAX ? (uint32_t)fail(r) : (uint32_t)value;
}

struct str record_str(struct record *r)
{
    uint64_t n = record_u64(r);
    struct str s = { r->at.p, (size_t)n };

    if (n > cursor_rest(&r->at).n) {
        fail(r);
        return STR_EMPTY;
    }
    r->at.p += n;
    return s;
}
