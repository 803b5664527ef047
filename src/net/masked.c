// SPDX-License-Identifier: MIT
#include "net/masked.h"

/* The next line with its end. */
static struct str line_next(struct str *rest)
{
    size_t end = str_find_char(*rest, '\n');
    struct str line = str_sub(*rest, 0, end + 1);

    *rest = str_sub(*rest, end + 1, rest->n);
    return line;
}

/* RFC 3261 section 7.3.1: it goes on with the lines that begin with a blank. */
static struct str header_next(struct str *rest)
{
    struct str all = *rest, header = line_next(rest);

    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        header.n += line_next(rest).n;
    return str_sub(all, 0, header.n);
}

static bool proves(struct str name)
{
    return str_equal_nocase(name, STR("Authorization")) ||
           str_equal_nocase(name, STR("Proxy-Authorization"));
}

/* RFC 7615: the server proves in it that it knows the password, too. */
static bool informs(struct str name)
{
    return str_equal_nocase(name, STR("Authentication-Info")) ||
           str_equal_nocase(name, STR("Proxy-Authentication-Info"));
}

/* Up to the end of the value: a quoted string, or a token. */
static size_t value_end(struct str text, size_t at)
{
    bool quoted = at < text.n && text.p[at] == '"';

    for (at += quoted; at < text.n; at++) {
        if (quoted && text.p[at] == '\\')
            at++;
        else if (quoted && text.p[at] == '"')
            return at + 1;
        else if (!quoted && memchr(", \t\r\n", text.p[at], 5))
            return at;
    }
    return text.n;
}

/* What is not a parameter of that name may be masked, too: rather that. */
static void add_digest(struct buf *out, struct str value, struct str secret)
{
    size_t shown = 0;

    for (size_t i = 0; i < value.n; i++) {
        struct str rest = str_sub(value, i, value.n);
        size_t at;

        if (!str_starts_nocase(rest, secret))
            continue;
        for (at = i + secret.n; at < value.n && memchr(" \t\r\n", value.p[at], 4);)
            at++;
        if (at == value.n || value.p[at++] != '=')
            continue;
        while (at < value.n && memchr(" \t\r\n", value.p[at], 4))
            at++;
        buf_add_masked(out, str_sub(value, shown, at));
        buf_add(out, BUF_MASK);
        shown = value_end(value, at);
        i = shown ? shown - 1 : 0;
    }
    buf_add_masked(out, str_sub(value, shown, value.n));
}

static void header_add(struct buf *out, struct str header)
{
    size_t colon = str_find_char(header, ':');
    struct str name = str_trim(str_sub(header, 0, colon));
    struct str value = str_sub(header, colon + 1, header.n);

    if (colon < header.n && informs(name)) {
        add_digest(out, header, STR("rspauth"));
        return;
    }
    if (colon == header.n || !proves(name)) {
        buf_add_masked(out, header);
        return;
    }
    buf_add(out, str_sub(header, 0, colon + 1));
    if (str_starts_nocase(str_trim(value), STR("Digest"))) {
        add_digest(out, value, STR("response"));
    } else {
        buf_add_char(out, ' ');
        buf_add(out, BUF_MASK);
        buf_add(out, STR("\r\n"));
    }
}

void masked_add(struct buf *out, struct str message)
{
    size_t before = 0; /* RFC 3261 section 7.5: empty lines before a message are ignored */

    while (before < message.n && memchr("\r\n", message.p[before], 2))
        before++;
    buf_add(out, str_sub(message, 0, before));
    message = str_sub(message, before, message.n);
    while (message.n) {
        struct str header = header_next(&message);

        header_add(out, header);
        if (str_trim(header).n == 0) /* the body */
            break;
    }
    buf_add(out, message);
}
