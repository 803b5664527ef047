// SPDX-License-Identifier: MIT
/* print.h - building SIP messages into bounded buffers. A failed buffer stays failed: check it once
 * at the end. Threads: pure functions. */
#pragma once
#include "sip/field.h"

/* "Name: value" CRLF. */
void sip_print_header(struct buf *b, struct str name, struct str value);
void sip_print_header_u64(struct buf *b, struct str name, uint64_t value);
/* A raw value from another message: folds become one blank. */
void sip_print_unfolded(struct buf *b, struct str value);
/* name="value"; line ends, which no quoted-pair can carry, become blanks. */
void sip_print_quoted(struct buf *b, struct str name, struct str value);

/* Put the compact forms of header names into a whole message that was printed with the long ones
 * (RFC 3261 section 7.3.3). In place: it only gets shorter. */
void sip_compact_headers(struct buf *b);

struct sip_reply { /* what a response says beyond what the request dictates */
    unsigned status;
    struct str reason;       /* empty: the default phrase */
    struct str to_tag;       /* added when the request's To has none; empty: no tag (100 only) */
    struct str headers;      /* more header lines, each ending CRLF; borrowed */
    struct str content_type; /* with `body` */
    struct str body;
    struct str server; /* Server header; empty: none */
};
/* The response to `request`, which came from `source`: Via (with received and rport per RFC 3261
 * section 18.2.1 and RFC 3581; `force_rport` treats the request as if it had asked), Call-ID, From,
 * To, CSeq, Record-Route for 2xx to dialog-forming requests, then the reply's own lines,
 * Content-Length last. Order as Asterisk sends it. */
void sip_print_response(struct buf *b, const struct sip_message *request, const struct addr *source,
                        bool force_rport, const struct sip_reply *reply);

/* What a response repeats of its request, for an answer that comes when the request is gone: the
 * lines are printed, and where some of them end is noted. */
struct sip_echo {
    uint32_t vias_end, routes_end, to_end; /* in the text */
    bool tagged;                           /* the request's To had a tag */
};
void sip_print_echo(struct buf *b, struct sip_echo *echo, const struct sip_message *request,
                    const struct addr *source, bool force_rport);
/* The same as sip_print_response with the request. */
void sip_print_response_from(struct buf *b, const struct sip_echo *echo, struct str text,
                             const struct sip_reply *reply);

/* Where a response to this request goes on UDP: RFC 3261 section 18.2.2, RFC 3581 section 4; but
 * for `maddr`, which is not heeded: anybody could have our answers sent to anybody. `source` may be
 * of no IP family: then the Via decides. -EBADMSG when the Via names no address and the source
 * cannot be used. */
NODISCARD int sip_response_target(struct addr *out, const struct sip_message *request,
                                  const struct addr *source, bool force_rport);
