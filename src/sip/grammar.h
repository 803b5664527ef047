// SPDX-License-Identifier: MIT
/* grammar.h - private to src/sip: character classes, and the pieces that several header fields are
 * made of. Source: RFC 3261 section 25.1. Everything takes a cursor, and moves it only on success.
 * Threads: pure functions. */
#pragma once
#include "sip/field.h"

/* Bits of sip_chars[]. */
enum {
    CH_TOKEN = 1 << 0,
    CH_USER = 1 << 1,    /* user and password of a SIP URI, '%' included */
    CH_PARAM = 1 << 2,   /* names and values of URI parameters, '%' included */
    CH_HEADER = 1 << 3,  /* headers of a SIP URI, '%', '=' and '&' included */
    CH_HOST = 1 << 4,    /* host names and IPv4 */
    CH_VALUE = 1 << 5,   /* parameter values that need no quotes, as peers write them */
    CH_OPAQUE = 1 << 6,  /* any URI at all */
    CH_DISPLAY = 1 << 7, /* display names without quotes */
    CH_HEX = 1 << 8,
    CH_DIGIT = 1 << 9,
    CH_ALPHA = 1 << 10,
    CH_PNAME = 1 << 11, /* names of parameters in headers and URIs */
    CH_SCHEME = 1 << 12,
};
extern const uint16_t sip_chars[256];

static inline bool ch_is(char c, unsigned classes)
{
    return sip_chars[(unsigned char)c] & classes;
}

/* A cursor; the empty slice's NULL is no pointer to add to. */
static inline struct cursor scan_on(struct str s)
{
    return (struct cursor){ s.p, s.n ? s.p + s.n : s.p };
}

/* The rest of the line, without its end, behind which the cursor goes; false when the text ends
 * first. */
static inline bool scan_line(struct cursor *c, struct str *line)
{
    size_t left = (size_t)(c->end - c->p);
    const char *lf = left ? memchr(c->p, '\n', left) : NULL;

    if (!lf)
        return false;
    *line = (struct str){ c->p, (size_t)(lf - c->p) };
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    c->p = lf + 1;
    return true;
}

/* Equal in any case; peers mostly write the usual one, which is quicker to see. */
static inline bool word_is(struct str text, struct str word)
{
    return text.n == word.n &&
           (memcmp(text.p, word.p, word.n) == 0 || str_equal_nocase(text, word));
}

/* Some byte below ' ' in eight? See "Bit Twiddling Hacks", hasless(). */
static inline bool word_has_control(uint64_t w)
{
    return (w - UINT64_C(0x2020202020202020)) & ~w & UINT64_C(0x8080808080808080);
}

static inline bool str_has_control(struct str s)
{
    uint64_t w;

    if (s.n < sizeof(w)) {
        for (size_t i = 0; i < s.n; i++)
            if ((unsigned char)s.p[i] < ' ')
                return true;
        return false;
    }
    for (size_t i = 0; i + sizeof(w) <= s.n; i += sizeof(w)) {
        memcpy(&w, s.p + i, sizeof(w));
        if (word_has_control(w))
            return true;
    }
    memcpy(&w, s.p + s.n - sizeof(w), sizeof(w));
    return word_has_control(w);
}

/* The longest run of these characters, possibly empty. */
static inline struct str scan_span(struct cursor *c, unsigned classes)
{
    const char *start = c->p, *p = start, *end = c->end; /* not in memory at each step */

    while (end - p >= 4 && ch_is(p[0], classes) && ch_is(p[1], classes) && ch_is(p[2], classes) &&
           ch_is(p[3], classes))
        p += 4;
    while (p < end && ch_is(*p, classes))
        p++;
    c->p = p;
    return (struct str){ start, (size_t)(p - start) };
}

/* LWS; a line end inside a header's value is always a fold. */
static inline void scan_blanks(struct cursor *c)
{
    while (c->p < c->end && str_is_blank(*c->p))
        c->p++;
}

/* SWS, that character, SWS. */
static inline bool scan_separator(struct cursor *c, char ch)
{
    struct cursor ahead = *c;

    scan_blanks(&ahead);
    if (!cursor_char(&ahead, ch))
        return false;
    scan_blanks(&ahead);
    *c = ahead;
    return true;
}

/* At most five digits and 65535. */
bool scan_port(struct cursor *c, uint16_t *out);

/* Host name, IPv4 or IPv6 reference; `*host` comes without brackets. */
bool scan_host(struct cursor *c, struct str *host, bool *ipv6);

struct sip_param {
    struct str name, value; /* a quoted value keeps its quotes */
};

/* SEMI name [EQUAL value]; the name is made of `name_class`. */
bool scan_param(struct cursor *c, unsigned name_class, struct sip_param *out);

struct sip_wanted { /* a parameter that is looked for, of several the first */
    struct str name;
    bool found;
    struct str value;
};

/* Header parameters up to whatever is none; false when a semicolon is left over. `*out` begins with
 * the first semicolon. `wanted` may be NULL. */
bool scan_params(struct cursor *c, struct str *out, struct sip_wanted *wanted);

/* Has it nothing else in it? */
static inline bool all_of(struct str s, unsigned classes)
{
    struct cursor c = scan_on(s);

    return scan_span(&c, classes).n == s.n;
}

/* sent-protocol LWS sent-by, which is enough of a Via to answer. */
bool scan_via_head(struct cursor *c, struct sip_via *out);

/* `quoted` without its quotes, when it has any. */
struct str unquoted(struct str quoted);
