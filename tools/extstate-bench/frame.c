// SPDX-License-Identifier: MIT
#include "frame.h"

/* Cut a header at its end: a line that begins with a blank goes on with the one before. RFC 3261
 * section 7.3.1. */
static struct str header_next(struct str *rest)
{
    size_t n = 0;

    do
        n += str_find_char(str_sub(*rest, n, rest->n), '\n') + 1;
    while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'));
    n = n < rest->n ? n : rest->n;

    struct str header = { rest->p, n };

    *rest = str_sub(*rest, n, rest->n);
    return header;
}

/* `head` ends with its last header. */
static int read_length(uint32_t *out, struct str head)
{
    bool found = false;

    while (head.n) {
        struct str value = header_next(&head), name = str_next(&value, ':');
        uint32_t n;

        if (!str_equal_nocase(name, STR("Content-Length")) && !str_equal_nocase(name, STR("l")))
            continue;
        if (str_to_u32(&n, str_trim(value)) || n > FRAME_MAX || (found && n != *out))
            return -EBADMSG;
        *out = n;
        found = true;
    }
    return found ? 0 : -EBADMSG;
}

int frame_next(struct str *message, size_t *taken, struct str bytes)
{
    size_t before = 0, head_n;
    const char *end;
    struct str rest;
    uint32_t body_n = 0;
    int r;

    while (before < bytes.n && (bytes.p[before] == '\r' || bytes.p[before] == '\n'))
        before++;
    *taken = before;
    rest = str_sub(bytes, before, bytes.n);
    end = rest.n ? memmem(rest.p, rest.n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return rest.n > FRAME_MAX ? -EBADMSG : FRAME_MORE;
    head_n = (size_t)(end - rest.p) + 4;
    r = read_length(&body_n, str_sub(rest, 0, head_n - 2));
    if (r)
        return r;
    if (rest.n - head_n < body_n)
        return FRAME_MORE;
    *message = str_sub(rest, 0, head_n + body_n);
    *taken += message->n;
    return 0;
}
