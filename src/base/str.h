// SPDX-License-Identifier: MIT
/* str.h - borrowed slices of text, and a cursor that takes them apart.
 *
 * A `struct str` borrows its bytes, promises no NUL and may contain any byte. The empty slice may
 * have a NULL pointer. Nothing here allocates except str_dup. Threads: pure functions. */
#pragma once
#include "base/result.h"
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal)               \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
#define STR_EMPTY ((struct str){ NULL, 0 })
#define STR_FMT(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct str str_of(const char *cstr)
{
    return (struct str){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline struct str str_sub(struct str s, size_t from, size_t to)
{
    from = from > s.n ? s.n : from;
    to = to > s.n ? s.n : to;
    return (struct str){ s.n ? s.p + from : s.p, to > from ? to - from : 0 };
}

/* The upper-case ASCII letters of eight bytes made lower case: per byte, bit 7 of `from_a` says >=
 * 'A', of `after_z` > 'Z'; bytes with bit 7 set are no ASCII. */
static inline uint64_t str_lower_word(uint64_t word)
{
    const uint64_t each = 0x0101010101010101ull;
    uint64_t low = word & (0x7f * each);
    uint64_t from_a = low + (0x80 - 'A') * each, after_z = low + (0x7f - 'Z') * each;

    return word | (((from_a ^ after_z) & ~word & (0x80 * each)) >> 2);
}

/* The less than eight bytes behind `at` as a number, the first the lowest. */
static inline uint64_t str_last_word(struct str s, size_t at)
{
    const unsigned char *p = (const unsigned char *)(s.n ? s.p + at : s.p);
    size_t n = s.n - at;
    uint32_t low, high;

    if (n < sizeof(low))
        return n ? p[0] | (uint64_t)p[n / 2] << n / 2 * 8 | (uint64_t)p[n - 1] << (n - 1) * 8 : 0;
    memcpy(&low, p, sizeof(low));
    memcpy(&high, p + n - sizeof(high), sizeof(high)); /* where they overlap they are the same */
    return le32toh(low) | (uint64_t)le32toh(high) << (n - sizeof(high)) * 8;
}

/* memcmp may not be given the NULL of an empty slice. Here, so that a compiler makes a load or two
 * of a comparison with a literal. */
static inline bool str_equal(struct str a, struct str b)
{
    return a.n == b.n && (b.n == 0 || memcmp(a.p, b.p, b.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_same_letters(struct str a, struct str b); /* of one length; private to what follows */
static inline bool str_equal_nocase(struct str a,
                                    struct str b) /* ASCII letters only, as SIP asks */
{
    return a.n == b.n && str_same_letters(a, b);
}

static inline bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_same_letters(str_sub(s, 0, prefix.n), prefix);
}

static inline bool str_ends_nocase(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_same_letters(str_sub(s, s.n - suffix.n, s.n), suffix);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_equal(str_sub(s, s.n - suffix.n, s.n), suffix);
}

bool str_contains_nocase(struct str s, struct str part);
int str_compare(struct str a, struct str b); /* <0, 0, >0, bytewise */
/* In which of `n` parts it falls: to spread what nobody gains by having fall together. */
unsigned str_part(struct str s, unsigned n);

/* Offset of the first `c`, or s.n when there is none. */
static inline size_t str_find_char(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

/* Is there any control character below space? */
bool str_has_controls(struct str s);
/* No CR, LF or NUL: what a header field is made of, where a quoted string may have any other. */
bool str_is_one_line(struct str s);

static inline bool str_is_blank(char c)
{
    return (unsigned char)c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

/* Without blanks, tabs, CR and LF at both ends. */
static inline struct str str_trim(struct str s)
{
    while (s.n && str_is_blank(s.p[s.n - 1]))
        s.n--;
    while (s.n && str_is_blank(*s.p)) {
        s.p++;
        s.n--;
    }
    return s;
}

/* Cut `*rest` at its first `separator`: the part before it, trimmed, is returned and `*rest` moves
 * behind it. When there is no separator all of it is returned and `*rest` becomes empty with a NULL
 * pointer, which ends a loop `while (rest.p) part = str_next(&rest, ',')`. */
struct str str_next(struct str *rest, char separator);
/* Is it, in any case, one of those in a list that commas separate? */
bool str_is_listed(struct str s, struct str list);
/* Is it, just so, one of these lines? */
bool str_is_line(struct str s, struct str lines);

/* The next password of a SIP URI (RFC 3261 section 25.1) in a text, from *end on, which begins as
 * 0: what is from *begin to *end then. False: there is none. A port before an @ that is no
 * userinfo's is taken for one, too. */
bool str_next_password(struct str text, size_t *begin, size_t *end);

/* Bytes of the well-formed UTF-8 character that `s` begins with; 0: there is none. */
size_t str_utf8_length(struct str s);
bool str_is_utf8(struct str s);

/* Decimal, all of `s`. -EINVAL when it is empty or has anything but digits, -ERANGE when it does
 * not fit. */
NODISCARD int str_to_u32(uint32_t *out, struct str s);
NODISCARD int str_to_u64(uint64_t *out, struct str s);

/* yes, true, y, t, 1, on in any case; everything else is false (the rule of the configuration
 * files). */
bool str_is_true(struct str s);

/* A copy on the heap with a NUL behind it, which the caller frees: `out->p` may be passed to
 * free(). Returns 0 or -ENOMEM, then `*out` is untouched. An empty slice gives an allocated empty
 * string. */
NODISCARD int str_dup(struct str *out, struct str s);

/* Frees what str_dup made and empties the slice. */
void str_free(struct str *s);

/* How many letters must be put in, taken out, changed or swapped with their neighbour; case does
 * not count. Of more than 64 bytes: 64. */
unsigned str_distance_nocase(struct str a, struct str b);

/* Copies the bytes to `*at`, makes the slice borrow the copy, and moves `*at` behind it: how an
 * object keeps several texts in the memory behind itself. */
static inline void str_keep(struct str *s, char **at)
{
    if (s->n)
        memcpy(*at, s->p, s->n);
    s->p = *at;
    *at += s->n;
}

/* A cursor over a slice. Every function below moves it only on success; the slices it returns
 * borrow the text. */
struct cursor {
    const char *p, *end;
};

static inline struct cursor cursor_on(struct str s)
{
    return (struct cursor){ s.p, s.n ? s.p + s.n : s.p };
}

static inline bool cursor_done(const struct cursor *c)
{
    return c->p == c->end;
}

static inline struct str cursor_rest(const struct cursor *c)
{
    return (struct str){ c->p, (size_t)(c->end - c->p) };
}

/* That character, now. */
static inline bool cursor_char(struct cursor *c, char ch)
{
    if (cursor_done(c) || *c->p != ch)
        return false;
    c->p++;
    return true;
}

void cursor_blanks(struct cursor *c); /* skips blanks, tabs and folded line ends (SIP's LWS) */
bool cursor_skip(struct cursor *c, char ch);        /* blanks, that character, blanks */
struct str cursor_until(struct cursor *c, char ch); /* up to `ch` or the end; `ch` stays */
struct str cursor_token(struct cursor *c);          /* RFC 3261 token; empty when there is none */
/* A quoted-string with its quotes, backslash escapes respected; false when it does not start or
 * end. */
bool cursor_quoted(struct cursor *c, struct str *out);
