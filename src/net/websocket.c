// SPDX-License-Identifier: MIT
#include "net/websocket.h"

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127, LENGTH_64_LEAST = 65536 };

static bool is_control(unsigned opcode)
{
    return opcode >= WEBSOCKET_CLOSE;
}

static int broken(struct websocket_frame *out, enum websocket_code code, const char *why)
{
    out->code = (uint16_t)code;
    out->why = why;
    return WEBSOCKET_BROKEN;
}

/* ---- heads ---- */

/* How long the head is, as far as its first two bytes say. */
static size_t head_length(const unsigned char *head)
{
    unsigned length = head[1] & LENGTH;

    return 2 + (length == LENGTH_16 ? 2u : length == LENGTH_64 ? 8u : 0u) + 4; /* the mask */
}

static const char *judge_start(const struct websocket *w)
{
    unsigned opcode = w->head[0] & OPCODE, length = w->head[1] & LENGTH;

    if (w->head[0] & RESERVED)
        return "Reserved bits are set"; /* no extension was agreed on */
    if (!(w->head[1] & MASKED))
        return "The frame is not masked";
    if (is_control(opcode)) {
        if (opcode > WEBSOCKET_PONG)
            return "Unknown opcode";
        if (!(w->head[0] & FIN))
            return "A control frame is fragmented";
        return length > WEBSOCKET_CONTROL_MAX ? "A control frame is too long" : NULL;
    }
    if (opcode > WEBSOCKET_BINARY)
        return "Unknown opcode";
    if (opcode == WEBSOCKET_CONTINUATION)
        return w->message ? NULL : "There is nothing to continue";
    return w->message ? "A message begins within another one" : NULL;
}

static uint64_t number_at(const unsigned char *p, size_t n)
{
    uint64_t number = 0;

    for (size_t i = 0; i < n; i++)
        number = number << 8 | p[i];
    return number;
}

/* The payload begins. `had` bytes of its message came in other frames. */
static int read_head(struct websocket *w, size_t had, struct websocket_frame *out)
{
    unsigned length = w->head[1] & LENGTH;
    size_t extra = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    uint64_t n = extra ? number_at(w->head + 2, extra) : length;

    if ((length == LENGTH_16 && n < LENGTH_16) ||
        (length == LENGTH_64 && (n < LENGTH_64_LEAST || n >> 63)))
        return broken(out, WEBSOCKET_PROTOCOL, "The length is not written as it has to be");
    w->opcode = w->head[0] & OPCODE;
    if (is_control(w->opcode))
        had = 0;
    if (n > WEBSOCKET_MESSAGE_MAX - had)
        return broken(out, WEBSOCKET_TOO_BIG, "The message is too long");
    w->fin = w->head[0] & FIN;
    w->left = (uint32_t)n;
    w->turn = 0;
    w->control_n = 0;
    w->in_payload = true;
    if (w->opcode == WEBSOCKET_TEXT || w->opcode == WEBSOCKET_BINARY)
        w->message = w->opcode;
    return 0;
}

/* Byte by byte: that is how they may come. 0 when the head is complete. */
static int take_head(struct websocket *w, struct websocket_bytes *b, struct websocket_frame *out)
{
    while (b->raw < b->end) {
        w->head[w->head_n++] = (unsigned char)b->p[b->raw++];
        if (w->head_n == 2) {
            const char *why = judge_start(w);

            if (why)
                return broken(out, WEBSOCKET_PROTOCOL, why);
        }
        if (w->head_n > 2 && w->head_n == head_length(w->head))
            return read_head(w, b->decoded - b->begin, out);
    }
    return WEBSOCKET_MORE;
}

/* ---- payloads ---- */

/* What there is of it, unmasked, to where it belongs. */
static void take_payload(struct websocket *w, struct websocket_bytes *b)
{
    const unsigned char *mask = w->head + w->head_n - 4;
    size_t n = b->end - b->raw < w->left ? b->end - b->raw : w->left;
    bool control = is_control(w->opcode);
    char *to = control ? w->control + w->control_n : b->p + b->decoded;

    memmove(to, b->p + b->raw, n);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(to[i] ^ (char)mask[(w->turn + i) & 3]);
    b->raw += n;
    w->left -= (uint32_t)n;
    w->turn = (uint32_t)(w->turn + n) & 3;
    if (control)
        w->control_n = (uint8_t)(w->control_n + n);
    else
        b->decoded += n;
}

/* RFC 6455 section 7.4 */
static bool code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int end_close(struct websocket_frame *out)
{
    if (!out->payload.n)
        return WEBSOCKET_CONTROL;
    if (out->payload.n < 2)
        return broken(out, WEBSOCKET_PROTOCOL, "A close frame has half a code");
    out->code = (uint16_t)number_at((const unsigned char *)out->payload.p, 2);
    if (!code_is_valid(out->code))
        return broken(out, WEBSOCKET_PROTOCOL, "A close frame has a code that there is not");
    if (!str_is_utf8(str_sub(out->payload, 2, out->payload.n)))
        return broken(out, WEBSOCKET_NOT_UTF8, "The reason of a close frame is not UTF-8");
    return WEBSOCKET_CONTROL;
}

static int end_frame(struct websocket *w, struct websocket_bytes *b, struct websocket_frame *out)
{
    bool text = w->message == WEBSOCKET_TEXT;

    w->in_payload = false;
    w->head_n = 0;
    if (is_control(w->opcode)) {
        out->payload = (struct str){ w->control, w->control_n };
        return w->opcode == WEBSOCKET_CLOSE ? end_close(out) : WEBSOCKET_CONTROL;
    }
    if (!w->fin)
        return 0;
    w->message = 0;
    out->payload = (struct str){ b->p + b->begin, b->decoded - b->begin };
    b->begin = b->decoded = b->raw;
    return text && !str_is_utf8(out->payload)
               ? broken(out, WEBSOCKET_NOT_UTF8, "A text message is not UTF-8")
               : 0;
}

int websocket_next(struct websocket *w, struct websocket_bytes *b, struct websocket_frame *out)
{
    *out = (struct websocket_frame){ .code = 0 };
    for (;;) {
        int r = w->in_payload ? 0 : take_head(w, b, out);

        if (r)
            return r;
        take_payload(w, b);
        if (w->left)
            return WEBSOCKET_MORE;
        r = end_frame(w, b, out);
        if (r || !w->message)
            return r;
    }
}

/* ---- ours: RFC 6455 section 5.1 has them without a mask ---- */

struct str websocket_head(char room[WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode, size_t n)
{
    size_t extra = n < LENGTH_16 ? 0 : n < LENGTH_64_LEAST ? 2 : 8;

    room[0] = (char)(FIN | opcode);
    room[1] = (char)(extra == 8 ? LENGTH_64 : extra ? LENGTH_16 : n);
    for (size_t i = 0; i < extra; i++)
        room[2 + i] = (char)(n >> 8 * (extra - 1 - i));
    return (struct str){ room, 2 + extra };
}

enum websocket_opcode websocket_opcode_for(struct str message)
{
    return str_is_utf8(message) ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
}
