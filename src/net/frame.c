// SPDX-License-Identifier: MIT
#include "net/frame.h"

/* Cut a header at its end: a line that begins with a blank goes on with the one before. RFC 3261
 * section 7.3.1. */
static struct str header_next(struct str *rest)
{
    struct str all = *rest, header;
    size_t n = 0;

    do
        n += str_find_char(str_sub(all, n, all.n), '\n') + 1;
    while (n < all.n && (all.p[n] == ' ' || all.p[n] == '\t'));
    header = str_sub(all, 0, n);
    *rest = str_sub(all, n, all.n);
    return header;
}

/* `head` ends with the line end of its last header. NULL, or what is wrong. */
static const char *read_length(uint32_t *out, struct str head)
{
    bool found = false;

    (void)header_next(&head); /* the start line */
    while (head.n) {
        struct str value = header_next(&head), name = str_trim(str_next(&value, ':'));
        uint32_t n;

        if (!str_equal_nocase(name, STR("Content-Length")) && !str_equal_nocase(name, STR("l")))
            continue;
        if (str_to_u32(&n, str_trim(value)))
            return "Bad Content-Length";
        if (found && n != *out)
            return "Several Content-Lengths";
        *out = n;
        found = true;
    }
    return found ? NULL : "Missing Content-Length";
}

/* Empty lines before a message. 0: there are none left. Two at once are a ping also while the
 * answer to ours has not come: not everybody knows that one is due. */
static int skip_lines(struct framer *f, struct str bytes, struct frame *out)
{
    while (out->taken < bytes.n) {
        struct str rest = str_sub(bytes, out->taken, bytes.n);
        bool was_line = f->line;

        if (rest.p[0] != '\r' && rest.p[0] != '\n')
            return 0;
        if (rest.p[0] == '\r' && rest.n == 1)
            break;
        if (!was_line && str_starts(rest, STR("\r\n\r\n"))) {
            out->taken += 4;
            return FRAME_PING;
        }
        out->taken += str_starts(rest, STR("\r\n")) ? 2 : 1;
        if (f->pong_due) {
            f->pong_due = false;
            continue;
        }
        f->line = !was_line;
        if (was_line)
            return FRAME_PING;
    }
    return FRAME_MORE;
}

static int broken(struct frame *out, struct str head, unsigned status, const char *fault)
{
    out->message = head;
    out->status = status;
    out->fault = fault;
    return FRAME_BROKEN;
}

/* The end of the head, or 0. What was looked at before is not looked at again: bytes may come one
 * by one. */
static size_t find_head(struct framer *f, struct str bytes)
{
    size_t from = f->scanned > 3 ? f->scanned - 3 : 0;
    const char *end = memmem(bytes.p + from, bytes.n - from, "\r\n\r\n", 4);

    if (end)
        return (size_t)(end - bytes.p) + 4;
    f->scanned = (uint32_t)bytes.n;
    return 0;
}

static int measure(struct framer *f, struct str bytes, struct frame *out)
{
    struct str within = str_sub(bytes, 0, FRAME_HEAD_MAX);
    size_t head_n = find_head(f, within);
    uint32_t body_n = 0;
    const char *fault;
    struct str head;

    if (!head_n)
        return within.n < FRAME_HEAD_MAX ? FRAME_MORE
                                         : broken(out, STR_EMPTY, 513, "The headers are too long");
    head = str_sub(bytes, 0, head_n);
    fault = read_length(&body_n, str_sub(head, 0, head_n - 2));
    if (fault)
        return broken(out, head, 400, fault);
    if (body_n > FRAME_MAX - head_n)
        return broken(out, head, 513, "The message is too long");
    f->whole = (uint32_t)head_n + body_n;
    return 0;
}

int framer_next(struct framer *f, struct str bytes, struct frame *out)
{
    struct str rest;
    int r;

    *out = (struct frame){ .taken = 0 };
    if (!f->scanned && !f->whole) {
        r = skip_lines(f, bytes, out);
        if (r)
            return r;
        f->line = false;
    }
    rest = str_sub(bytes, out->taken, bytes.n);
    r = f->whole ? 0 : measure(f, rest, out);
    if (r)
        return r;
    if (rest.n < f->whole)
        return FRAME_MORE;
    out->message = str_sub(rest, 0, f->whole);
    out->taken += f->whole;
    f->whole = f->scanned = 0;
    return 0;
}
