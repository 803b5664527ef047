// SPDX-License-Identifier: MIT
/* WebSocket's frames: however the bytes are cut, the same comes out; and the opening handshake. The
 * first byte says how they are cut. */
#include <stdlib.h>

#include "net/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { THINGS_MAX = 4096 };

struct thing {
    int outcome;
    unsigned code;
    size_t n;
    uint32_t hash;
};

static uint32_t hash_of(struct str s)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * 16777619u;
    return hash;
}

/* What comes out of the stream, given in pieces of this size; `room` has place for all of it. */
static size_t read_all(struct thing *things, struct str stream, size_t piece, char *room)
{
    struct websocket w = { .head_n = 0 };
    size_t kept = 0, n = 0;

    for (size_t at = 0; at < stream.n && n < THINGS_MAX; at += piece) {
        struct str more = str_sub(stream, at, at + piece);
        struct websocket_bytes b = { room, 0, kept, kept, kept + more.n };
        struct websocket_frame frame;
        int r;

        memcpy(room + kept, more.p, more.n);
        while (n < THINGS_MAX && (r = websocket_next(&w, &b, &frame)) != WEBSOCKET_MORE) {
            BUG_UNLESS(frame.payload.n <= WEBSOCKET_MESSAGE_MAX);
            BUG_UNLESS((r == WEBSOCKET_BROKEN) == (frame.why != NULL));
            things[n++] = (struct thing){ r, frame.code, frame.payload.n, hash_of(frame.payload) };
            if (r == WEBSOCKET_BROKEN)
                return n;
        }
        kept = b.decoded - b.begin;
        BUG_UNLESS(kept <= WEBSOCKET_MESSAGE_MAX);
        memmove(room, room + b.begin, kept);
    }
    return n;
}

/* A request ends with its first empty line. */
static void answer(struct str stream)
{
    const char *end = memmem(stream.p, stream.n, "\r\n\r\n", 4);
    char room[WEBSOCKET_REPLY_MAX];
    struct websocket_reply reply;
    struct buf out;

    if (!end)
        return;
    buf_init_on(&out, room, sizeof(room));
    reply = websocket_answer(&out, str_sub(stream, 0, (size_t)(end - stream.p) + 4),
                             STR("https://a.example"));
    BUG_UNLESS(!out.error && out.n && (reply.status == 101) == !reply.why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct thing whole[THINGS_MAX], cut[THINGS_MAX];
    struct str stream;
    char *room;
    size_t n;

    if (size < 2)
        return 0;
    stream = (struct str){ (const char *)data + 1, size - 1 };
    answer(stream);
    room = malloc(2 * stream.n);
    if (!room)
        return 0;
    n = read_all(whole, stream, stream.n, room);
    BUG_UNLESS(read_all(cut, stream, data[0] ? data[0] : 1, room) == n);
    for (size_t i = 0; i < n; i++)
        BUG_UNLESS(cut[i].outcome == whole[i].outcome && cut[i].code == whole[i].code &&
                   cut[i].n == whole[i].n && cut[i].hash == whole[i].hash);
    free(room);
    return 0;
}
