// SPDX-License-Identifier: MIT
/* message.h - the Asterisk Manager Interface on the wire: messages out of a stream of bytes, and
 * into a buffer. A message is lines `Name: value`, ended by CR LF or LF alone, and an empty line; a
 * name may come several times (`Output`). A server says who it is with one line before all of them.
 * Threads: one owner at a time. */
#pragma once
#include "base/buf.h"

struct ami_header {
    struct str name, value; /* of a line without a colon the name is empty, and it is the value */
};

enum ami_fault {
    AMI_FAULT_NONE,
    AMI_FAULT_LINE_TOO_LONG,
    AMI_FAULT_TOO_MANY_LINES,
};

struct ami_message {
    const struct ami_header *headers; /* in the order they came */
    unsigned n_headers;
    enum ami_fault fault; /* the first one; the lines it is about are not among the headers */
};

/* The value of the first header of that name, in any case; without one an empty slice, whose
 * pointer is NULL. */
struct str ami_get(const struct ami_message *m, struct str name);
/* The same for the one after `*at`, which begins with 0 and counts on; false: there is no other. */
bool ami_each(const struct ami_message *m, struct str name, unsigned *at, struct str *value);

/* A stream as it is read. Lines above the limits are passed over, so that its memory is bounded,
 * and their message says so. */
struct ami_reader {
    unsigned line_max, lines_max;
    bool greeting;    /* the next line is one by itself */
    bool passing;     /* over the rest of a line that is too long */
    bool given;       /* what is in `text` was handed out: it goes at the next call */
    unsigned n_lines; /* of the message that has begun */
    size_t line_at;   /* where in `text` its last line begins */
    struct buf text;  /* of the message, lines ended by LF */
    struct ami_header *headers;
    unsigned n_headers, room;
    enum ami_fault fault;
};

enum {
    /* What Asterisk takes from its clients. */
    AMI_REQUEST_LINE_MAX = 1024,
    AMI_REQUEST_LINES_MAX = 128,
};

void ami_reader_init(struct ami_reader *r, unsigned line_max, unsigned lines_max);
void ami_reader_fini(struct ami_reader *r);

enum ami_read {
    AMI_READ_MESSAGE = 1,
    AMI_READ_GREETING, /* one header without a name, the line; none when that was too long */
};

/* The next message of the stream that goes on with `*bytes`, from which is cut what was read.
 * `*out` borrows from the reader until the next call. Empty lines before a message are nothing. 0:
 * all was read and there is no whole message; or an enum ami_read, or -ENOMEM, after which nothing
 * can be made of the stream. */
NODISCARD int ami_read(struct ami_reader *r, struct str *bytes, struct ami_message *out);

/* One header. What would end the line (CR, LF, NUL) becomes a blank: a value may come from
 * anywhere. */
void ami_add(struct buf *b, struct str name, struct str value);
/* The same without the passwords of SIP URIs. */
void ami_add_masked(struct buf *b, struct str name, struct str value);
void ami_add_u64(struct buf *b, struct str name, uint64_t value);
void ami_end(struct buf *b); /* the empty line */

/* The escapes of C for what cannot be seen and for \ ' " ?, as Asterisk has them in what is told of
 * presence; and back: what is no such escape stays as it is. */
void ami_escape(struct buf *b, struct str s);
void ami_unescape(struct buf *b, struct str s);
