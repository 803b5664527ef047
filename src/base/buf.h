// SPDX-License-Identifier: MIT
/* buf.h - bounded output buffers.
 *
 * A buffer is born with its ceiling and remembers its first error; after an error every call does
 * nothing, so that a whole run needs one check at the end. Threads: one owner at a time. */
#pragma once
#include "base/str.h"

struct buf {
    char *p;        /* bytes written so far; not NUL terminated */
    size_t n;       /* how many */
    size_t room;    /* allocated */
    size_t ceiling; /* never more than this */
    int error;      /* 0, -EMSGSIZE at the ceiling, -ENOMEM */
    bool borrowed;  /* the storage is the caller's */
};

/* A buffer on the heap that grows up to `ceiling` bytes. End it with buf_fini. */
void buf_init(struct buf *b, size_t ceiling);
/* A buffer on the caller's storage of `size` bytes; buf_fini is allowed and frees nothing. */
void buf_init_on(struct buf *b, char *storage, size_t size);
void buf_fini(struct buf *b);
/* Empty it and forget the error; storage is kept. */
void buf_reset(struct buf *b);
/* Take the bytes away: `*out` must be freed by the caller with str_free, the buffer is empty
 * afterwards. Returns the buffer's error, then nothing is taken. Only for heap buffers. */
NODISCARD int buf_take(struct buf *b, struct str *out);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){ b->p, b->n };
}

void buf_add_slowly(struct buf *b, struct str s); /* private to what follows */
/* Here, so that a compiler makes a store or two of a literal. */
static inline void buf_add(struct buf *b, struct str s)
{
    if (b->error || s.n > b->room - b->n) {
        buf_add_slowly(b, s);
    } else if (s.n) {
        memcpy(b->p + b->n, s.p, s.n);
        b->n += s.n;
    }
}
static inline void buf_add_char(struct buf *b, char c)
{
    buf_add(b, (struct str){ &c, 1 });
}
void buf_add_u64(struct buf *b, uint64_t value);              /* decimal */
void buf_add_hex(struct buf *b, const void *bytes, size_t n); /* lower case */
void hex_u64(char out[16], uint64_t value);                   /* all sixteen digits, lower case */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Text whose encoding nobody tells: where it is no UTF-8 it is taken for ISO 8859-1, and becomes
 * UTF-8. */
void buf_add_utf8(struct buf *b, struct str s);
/* Text for XML content or attribute values: < > " & ' become named entities, CR and LF become &#13;
 * and &#10;, bytes that XML 1.0 cannot carry (control characters, broken UTF-8) become '?'. */
void buf_add_xml(struct buf *b, struct str s);
/* Text inside a JSON string, without the quotes; broken UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct str s);
/* Text for people at a terminal, whoever has sent it: what would steer that, or turn the order in
 * which the rest is read, becomes \n, \r, \t, \x1b or \u202e, as do bytes that are no UTF-8;
 * but not the characters of `kept`, ASCII, which stay. */
void buf_add_printable(struct buf *b, struct str s, const char *kept);
#define BUF_MASK STR("(not shown)") /* in the place of what is a secret */
/* The text, but for the passwords of SIP URIs in it. */
void buf_add_masked(struct buf *b, struct str s);
/* The same by what writes it as it has to stand there. */
void buf_add_masked_by(struct buf *b, struct str s, void (*add)(struct buf *b, struct str s));
/* Percent-escapes what `keep` (256 flags) does not allow. */
void buf_add_percent(struct buf *b, struct str s, const bool keep[256]);
/* `s` padded with blanks, or cut, to exactly `width` bytes (table columns). */
void buf_add_column(struct buf *b, struct str s, size_t width);
