// SPDX-License-Identifier: MIT
/* The stream framer: however the bytes are cut, the same comes out. The first byte says how. */
#include <stdlib.h>

#include "base/result.h"
#include "net/frame.h"
#include "net/masked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { THINGS_MAX = 4096 };

struct thing {
    int outcome;
    unsigned status;
    size_t n;
};

/* What comes out of the stream, given in pieces of this size. */
static size_t read_all(struct thing *things, struct str stream, size_t piece)
{
    struct framer f = { 0 };
    size_t at = 0, n = 0;

    for (size_t end = piece; n < THINGS_MAX; end += piece) {
        struct str bytes = str_sub(stream, at, end < stream.n ? end : stream.n);
        struct frame frame;
        int r = FRAME_MORE;

        while (n < THINGS_MAX && (r = framer_next(&f, bytes, &frame)) != FRAME_MORE) {
            BUG_UNLESS(frame.taken <= bytes.n && frame.message.n <= FRAME_MAX);
            things[n++] = (struct thing){ r, frame.status, frame.message.n };
            if (r == FRAME_BROKEN)
                return n;
            at += frame.taken;
            bytes = str_sub(bytes, frame.taken, bytes.n);
        }
        if (r == FRAME_MORE)
            at += frame.taken;
        BUG_UNLESS(bytes.n - frame.taken <= FRAME_MAX);
        if (end >= stream.n)
            break;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct thing whole[THINGS_MAX], cut[THINGS_MAX];
    struct str stream;
    struct buf shown;
    size_t n;

    if (!size)
        return 0;
    stream = (struct str){ (const char *)data + 1, size - 1 };
    buf_init(&shown, 3 * size + 64); /* as the trace has room */
    masked_add(&shown, stream);
    BUG_UNLESS(!shown.error);
    buf_fini(&shown);
    n = read_all(whole, stream, stream.n + 1);
    BUG_UNLESS(read_all(cut, stream, data[0] ? data[0] : 1) == n);
    for (size_t i = 0; i < n; i++)
        BUG_UNLESS(cut[i].outcome == whole[i].outcome && cut[i].status == whole[i].status &&
                   cut[i].n == whole[i].n);
    return 0;
}
