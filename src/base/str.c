// SPDX-License-Identifier: MIT
#include "base/str.h"
#include <stdlib.h>

/* Mostly they are the same bytes, or differ early. */
bool str_same_letters(struct str a, struct str b)
{
    uint64_t x, y;
    size_t i = 0;

    for (; i + sizeof(x) <= b.n; i += sizeof(x)) {
        memcpy(&x, a.p + i, sizeof(x));
        memcpy(&y, b.p + i, sizeof(y));
        if (x != y && str_lower_word(x) != str_lower_word(y))
            return false;
    }
    x = str_last_word(a, i);
    y = str_last_word(b, i);
    return x == y || str_lower_word(x) == str_lower_word(y);
}

bool str_contains_nocase(struct str s, struct str part)
{
    if (part.n == 0)
        return true;
    for (size_t i = 0; i + part.n <= s.n; i++)
        if ((s.p[i] | 0x20) == (part.p[0] | 0x20) && /* most are not */
            str_same_letters(str_sub(s, i, i + part.n), part))
            return true;
    return false;
}

int str_compare(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    if (order)
        return order;
    return a.n < b.n ? -1 : a.n > b.n;
}

unsigned str_part(struct str s, unsigned n)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h % n;
}

struct str str_next(struct str *rest, char separator)
{
    size_t at = str_find_char(*rest, separator);
    struct str part = str_sub(*rest, 0, at);

    *rest = at < rest->n ? str_sub(*rest, at + 1, rest->n) : STR_EMPTY;
    return str_trim(part);
}

bool str_has_controls(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ')
            return true;
    return false;
}

bool str_is_one_line(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || !s.p[i])
            return false;
    return true;
}

bool str_is_listed(struct str s, struct str list)
{
    while (list.p)
        if (str_equal_nocase(str_next(&list, ','), s))
            return true;
    return false;
}

bool str_is_line(struct str s, struct str lines)
{
    for (size_t at = 0; at < lines.n;) {
        struct str rest = str_sub(lines, at, lines.n);
        size_t end = str_find_char(rest, '\n');

        if (str_equal(str_sub(rest, 0, end), s))
            return true;
        at += end + 1;
    }
    return false;
}

/* Where the password of the userinfo begins that is from `at` on, and where it ends; false: it has
 * none, and no other URI begins before *end. */
static bool password_find(struct str text, size_t at, size_t *begin, size_t *end)
{
    *begin = 0;
    for (*end = at; *end < text.n && !memchr(" \t\r\n<>\"", text.p[*end], 7); ++*end) {
        if (text.p[*end] == '@')
            return *begin > 0;
        if (text.p[*end] == ':' && !*begin)
            *begin = *end + 1;
    }
    return false;
}

bool str_next_password(struct str text, size_t *begin, size_t *end)
{
    size_t from = *end, colon;

    for (size_t at = from; (colon = at + str_find_char(str_sub(text, at, text.n), ':')) < text.n;
         at = colon + 1) {
        struct str before = str_sub(text, from, colon);

        if (!str_ends_nocase(before, STR("sip")) && !str_ends_nocase(before, STR("sips")))
            continue;
        if (password_find(text, colon + 1, begin, end))
            return true;
        from = *end;
        colon = from - 1;
    }
    return false;
}

/* The table of RFC 3629 section 4, which leaves out overlong forms, surrogates and what is beyond
 * U+10FFFF. */
size_t str_utf8_length(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned low = 0x80, high = 0xbf;
    size_t length;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.n < length)
        return 0;
    switch (p[0]) {
    case 0xe0:
        low = 0xa0;
        break;
    case 0xed:
        high = 0x9f;
        break;
    case 0xf0:
        low = 0x90;
        break;
    case 0xf4:
        high = 0x8f;
        break;
    default:
        break;
    }
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* How much of it is ASCII, which is nearly all of nearly every message. */
static size_t ascii_length(struct str s)
{
    const uint64_t high = 0x8080808080808080u;
    uint64_t word = 0;
    size_t n = 0;

    while (s.n - n >= sizeof(word)) {
        memcpy(&word, s.p + n, sizeof(word));
        if (word & high)
            break;
        n += sizeof(word);
    }
    while (n < s.n && !(s.p[n] & 0x80))
        n++;
    return n;
}

bool str_is_utf8(struct str s)
{
    for (s = str_sub(s, ascii_length(s), s.n); s.n; s = str_sub(s, ascii_length(s), s.n)) {
        size_t n = str_utf8_length(s);

        if (!n)
            return false;
        s = str_sub(s, n, s.n);
    }
    return true;
}

int str_to_u64(uint64_t *out, struct str s)
{
    uint64_t value = 0;
    bool fits = true;

    if (s.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

        if (digit > 9)
            return -EINVAL;
        /* Not at once: a letter further on makes it no number at all, which is the better answer.
         */
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            fits = false;
    }
    if (!fits)
        return -ERANGE;
    *out = value;
    return 0;
}

int str_to_u32(uint32_t *out, struct str s)
{
    uint64_t value;
    int r = str_to_u64(&value, s);

    if (r)
        return r;
    if (value > UINT32_MAX)
        return -ERANGE;
    *out = (uint32_t)value;
    return 0;
}

bool str_is_true(struct str s)
{
    static const struct str words[] = {
        STR_INIT("yes"), STR_INIT("true"), STR_INIT("y"),
        STR_INIT("t"),   STR_INIT("1"),    STR_INIT("on"),
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal_nocase(s, words[i]))
            return true;
    return false;
}

int str_dup(struct str *out, struct str s)
{
    char *p = malloc(s.n + 1);

    if (!p)
        return -ENOMEM;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    *out = (struct str){ p, s.n };
    return 0;
}

void str_free(struct str *s)
{
    free((char *)s->p);
    *s = STR_EMPTY;
}

/* LWS = [*WSP CRLF] 1*WSP: RFC 3261 section 25.1. A line end that nothing follows is not ours to
 * skip. A bare LF folds as well, because some phones send it. */
void cursor_blanks(struct cursor *c)
{
    const char *p = c->p;

    while (p < c->end) {
        const char *q = p;

        if (*q == '\r' && c->end - q > 1 && q[1] == '\n')
            q++;
        if (*q == '\n') {
            q++;
            if (q == c->end)
                break;
        }
        if (*q != ' ' && *q != '\t')
            break;
        p = q + 1;
    }
    c->p = p;
}

bool cursor_skip(struct cursor *c, char ch)
{
    struct cursor ahead = *c;

    cursor_blanks(&ahead);
    if (!cursor_char(&ahead, ch))
        return false;
    cursor_blanks(&ahead);
    *c = ahead;
    return true;
}

struct str cursor_until(struct cursor *c, char ch)
{
    struct str rest = cursor_rest(c);
    struct str part = str_sub(rest, 0, str_find_char(rest, ch));

    if (part.n)
        c->p += part.n;
    return part;
}

struct str cursor_token(struct cursor *c)
{
    /* 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~"): RFC 3261 section
     * 25.1. */
    static const bool of_token[256] = {
        ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true,
        ['.'] = true,         ['!'] = true,         ['%'] = true,         ['*'] = true,
        ['_'] = true,         ['+'] = true,         ['`'] = true,         ['\''] = true,
        ['~'] = true,
    };
    const char *start = c->p;

    while (c->p < c->end && of_token[(unsigned char)*c->p])
        c->p++;
    return (struct str){ start, (size_t)(c->p - start) };
}

bool cursor_quoted(struct cursor *c, struct str *out)
{
    const char *p = c->p;

    if (cursor_done(c) || *p != '"')
        return false;
    for (p++; p < c->end && *p != '"'; p++)
        if (*p == '\\' && ++p == c->end)
            return false;
    if (p == c->end)
        return false;
    p++;
    *out = (struct str){ c->p, (size_t)(p - c->p) };
    c->p = p;
    return true;
}

/* ---- how near names are ---- */

enum { NAME_COMPARED_MAX = 64 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

unsigned str_distance_nocase(struct str a, struct str b)
{
    unsigned rows[3][NAME_COMPARED_MAX + 1];
    unsigned *two_ago = rows[0], *ago = rows[1], *now = rows[2];

    if (a.n > NAME_COMPARED_MAX || b.n > NAME_COMPARED_MAX)
        return NAME_COMPARED_MAX;
    for (unsigned j = 0; j <= b.n; j++)
        ago[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *spare = two_ago;

        now[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            bool same = lower(a.p[i - 1]) == lower(b.p[j - 1]);
            unsigned best = ago[j - 1] + !same;

            if (ago[j] + 1 < best)
                best = ago[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) &&
                lower(a.p[i - 2]) == lower(b.p[j - 1]) && two_ago[j - 2] + 1 < best)
                best = two_ago[j - 2] + 1;
            now[j] = best;
        }
        two_ago = ago;
        ago = now;
        now = spare;
    }
    return ago[b.n];
}
