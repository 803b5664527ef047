// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST_ROOM = 128 };

void buf_init(struct buf *b, size_t ceiling)
{
    *b = (struct buf){ .ceiling = ceiling };
}

void buf_init_on(struct buf *b, char *storage, size_t size)
{
    *b = (struct buf){ .p = storage, .room = size, .ceiling = size, .borrowed = true };
}

void buf_fini(struct buf *b)
{
    if (!b->borrowed)
        free(b->p);
    *b = (struct buf){ .p = NULL };
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->error = 0;
}

int buf_take(struct buf *b, struct str *out)
{
    char *p;

    BUG_UNLESS(!b->borrowed);
    if (b->error)
        return b->error;
    /* What is taken is often kept for long: give back the room that doubling left over. The NUL is
     * a courtesy, as with str_dup. */
    p = realloc(b->p, b->n + 1);
    if (!p)
        return -ENOMEM;
    p[b->n] = '\0';
    *out = (struct str){ p, b->n };
    b->p = NULL;
    b->n = 0;
    b->room = 0;
    return 0;
}

/* Make room for `n` more bytes, or set the error. */
static bool buf_reserve(struct buf *b, size_t n)
{
    size_t room;
    char *p;

    if (b->error)
        return false;
    if (n <= b->room - b->n)
        return true;
    if (n > b->ceiling - b->n) {
        b->error = -EMSGSIZE;
        return false;
    }
    room = b->room ? b->room : BUF_FIRST_ROOM;
    while (room < b->n + n)
        room = room > b->ceiling / 2 ? b->ceiling : room * 2;
    if (room > b->ceiling)
        room = b->ceiling;
    p = realloc(b->p, room);
    if (!p) {
        b->error = -ENOMEM;
        return false;
    }
    b->p = p;
    b->room = room;
    return true;
}

void buf_add_slowly(struct buf *b, struct str s)
{
    if (!s.n || !buf_reserve(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void buf_add_u64(struct buf *b, uint64_t value)
{
    size_t n = 1;

    for (uint64_t rest = value; rest > 9; rest /= 10)
        n++;
    if (!buf_reserve(b, n))
        return;
    b->n += n;
    for (char *at = b->p + b->n; n; n--, value /= 10)
        *--at = (char)('0' + value % 10);
}

void buf_add_hex(struct buf *b, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;

    if (n > SIZE_MAX / 2 || !buf_reserve(b, n * 2))
        return;
    for (size_t i = 0; i < n; i++) {
        b->p[b->n++] = digits[from[i] >> 4];
        b->p[b->n++] = digits[from[i] & 15];
    }
}

/* Eight digits at once: each in a byte of its own, and made a letter if it is above 9. */
static void hex_u32(char *out, uint32_t value)
{
    uint64_t x = value;

    x = (x | x << 16) & 0x0000ffff0000ffffu;
    x = (x | x << 8) & 0x00ff00ff00ff00ffu;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
    x += 0x3030303030303030u +
         ((x + 0x0606060606060606u) >> 4 & 0x0101010101010101u) * ('a' - '0' - 10);
    x = htobe64(x);
    memcpy(out, &x, sizeof(x));
}

void hex_u64(char out[16], uint64_t value)
{
    hex_u32(out, (uint32_t)(value >> 32));
    hex_u32(out + 8, (uint32_t)value);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    size_t left = b->room - b->n;
    char *text = NULL;
    va_list args;
    int n;

    if (b->error)
        return;
    va_start(args, format);
    n = vsnprintf(left ? b->p + b->n : NULL, left, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < left) {
        b->n += (size_t)n;
        return;
    }
    /* It wants more room, and vsnprintf a byte for its NUL, which the ceiling may not have: print
     * it aside. */
    va_start(args, format);
    n = n < 0 ? n : vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        b->error = -ENOMEM;
        return;
    }
    buf_add(b, (struct str){ text, (size_t)n });
    free(text);
}

/* What stands for one character of the input: `length` bytes of it are replaced by `by`, or kept
 * when that is empty. */
struct replacement {
    size_t length;
    struct str by;
};

typedef struct replacement (*replace_fn)(const char *p, size_t n, char scratch[8]);

/* What nobody replaces: printable ASCII but for the quotes, '&', '<', '>' and '\\'. */
static bool is_plain(char c)
{
    static const bool plain[256] = {
        [' ' ... '!'] = true, ['#' ... '%'] = true, ['(' ... ';'] = true,
        ['='] = true,         ['?' ... '['] = true, [']' ... '~'] = true,
    };

    return plain[(unsigned char)c];
}

/* Copy `s`, in runs as long as possible, with some characters replaced. */
static void buf_add_replaced(struct buf *b, struct str s, replace_fn replace)
{
    size_t plain = 0, at = 0;

    while (at < s.n && !b->error) {
        char scratch[8];
        struct replacement r;

        while (at < s.n && is_plain(s.p[at]))
            at++;
        if (at == s.n)
            break;
        r = replace(s.p + at, s.n - at, scratch);
        if (r.by.n) {
            buf_add(b, str_sub(s, plain, at));
            buf_add(b, r.by);
            plain = at + r.length;
        }
        at += r.length;
    }
    buf_add(b, str_sub(s, plain, at));
}

static struct replacement replace_xml(const char *p, size_t n, char scratch[8])
{
    size_t length;

    (void)scratch;
    switch (*p) {
    case '<':
        return (struct replacement){ 1, STR("&lt;") };
    case '>':
        return (struct replacement){ 1, STR("&gt;") };
    case '&':
        return (struct replacement){ 1, STR("&amp;") };
    case '"':
        return (struct replacement){ 1, STR("&quot;") };
    case '\'':
        return (struct replacement){ 1, STR("&apos;") };
    case '\r':
        return (struct replacement){ 1, STR("&#13;") };
    case '\n':
        return (struct replacement){ 1, STR("&#10;") };
    default:
        break;
    }
    length = str_utf8_length((struct str){ p, n });
    if (length == 0)
        return (struct replacement){ 1, STR("?") };
    if ((unsigned char)*p < 0x20 && *p != '\t')
        return (struct replacement){ 1, STR("?") };
    /* Char in XML 1.0 section 2.2 ends at U+FFFD in the basic plane: U+FFFE and U+FFFF cannot be
     * carried. */
    if (length == 3 && memcmp(p, "\xef\xbf\xbe", 3) >= 0 && memcmp(p, "\xef\xbf\xbf", 3) <= 0)
        return (struct replacement){ 3, STR("?") };
    return (struct replacement){ length, STR_EMPTY };
}

void buf_add_xml(struct buf *b, struct str s)
{
    buf_add_replaced(b, s, replace_xml);
}

static struct replacement replace_json(const char *p, size_t n, char scratch[8])
{
    static const char digits[] = "0123456789abcdef";
    size_t length;

    switch (*p) {
    case '"':
        return (struct replacement){ 1, STR("\\\"") };
    case '\\':
        return (struct replacement){ 1, STR("\\\\") };
    case '\b':
        return (struct replacement){ 1, STR("\\b") };
    case '\f':
        return (struct replacement){ 1, STR("\\f") };
    case '\n':
        return (struct replacement){ 1, STR("\\n") };
    case '\r':
        return (struct replacement){ 1, STR("\\r") };
    case '\t':
        return (struct replacement){ 1, STR("\\t") };
    default:
        break;
    }
    if ((unsigned char)*p < 0x20) {
        memcpy(scratch, "\\u00", 4);
        scratch[4] = digits[(unsigned char)*p >> 4];
        scratch[5] = digits[(unsigned char)*p & 15];
        return (struct replacement){ 1, { scratch, 6 } };
    }
    length = str_utf8_length((struct str){ p, n });
    if (length == 0)
        return (struct replacement){ 1, STR("\xef\xbf\xbd") };
    return (struct replacement){ length, STR_EMPTY };
}

void buf_add_json(struct buf *b, struct str s)
{
    buf_add_replaced(b, s, replace_json);
}

void buf_add_masked_by(struct buf *b, struct str s, void (*add)(struct buf *b, struct str s))
{
    size_t shown = 0, begin, end = 0;

    for (; str_next_password(s, &begin, &end); shown = end) {
        add(b, str_sub(s, shown, begin));
        add(b, BUF_MASK);
    }
    add(b, str_sub(s, shown, s.n));
}

void buf_add_masked(struct buf *b, struct str s)
{
    buf_add_masked_by(b, s, buf_add);
}

static uint32_t code_point(struct str character)
{
    static const unsigned char first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t code = (unsigned char)*character.p & first_bits[character.n];

    for (size_t i = 1; i < character.n; i++)
        code = code << 6 | ((unsigned char)character.p[i] & 0x3f);
    return code;
}

/* Control characters, Unicode's own ends of lines, and those that turn the direction of reading. */
static bool steers(uint32_t code)
{
    return code < ' ' || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

void buf_add_printable(struct buf *b, struct str s, const char *kept)
{
    while (s.n && !b->error) {
        size_t length = str_utf8_length(s);
        struct str character = str_sub(s, 0, length ? length : 1);
        char c = *s.p;

        if (length == 0)
            buf_printf(b, "\\x%02x", (unsigned)(unsigned char)c);
        else if (!steers(code_point(character)) || (length == 1 && c && strchr(kept, c)))
            buf_add(b, character);
        else if (c == '\n' || c == '\r' || c == '\t')
            buf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (length == 1)
            buf_printf(b, "\\x%02x", (unsigned)c);
        else
            buf_printf(b, "\\u%04x", (unsigned)code_point(character));
        s = str_sub(s, character.n, s.n);
    }
}

void buf_add_utf8(struct buf *b, struct str s)
{
    if (str_is_utf8(s)) {
        buf_add(b, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned c = (unsigned char)s.p[i];

        if (c >= 0x80)
            buf_add_char(b, (char)(0xc0 | c >> 6));
        buf_add_char(b, (char)(c < 0x80 ? c : 0x80 | (c & 0x3f)));
    }
}

void buf_add_percent(struct buf *b, struct str s, const bool keep[256])
{
    static const char digits[] = "0123456789ABCDEF"; /* upper case: RFC 3986 section 2.1 */
    size_t kept = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char escaped[3] = { '%', digits[c >> 4], digits[c & 15] };

        if (keep[c])
            continue;
        buf_add(b, str_sub(s, kept, i));
        buf_add(b, (struct str){ escaped, sizeof(escaped) });
        kept = i + 1;
    }
    buf_add(b, str_sub(s, kept, s.n));
}

void buf_add_column(struct buf *b, struct str s, size_t width)
{
    size_t n = s.n < width ? s.n : width;

    /* Rather a blank more than half a character. */
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    if (!buf_reserve(b, width))
        return;
    buf_add(b, str_sub(s, 0, n));
    if (width > n)
        memset(b->p + b->n, ' ', width - n);
    b->n += width - n;
}
