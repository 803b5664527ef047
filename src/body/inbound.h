// SPDX-License-Identifier: MIT
/* inbound.h - bodies of PUBLISH requests, read into event state.
 *
 * XML is read with libxml2 in SAX2 mode: no DTD, no entities but the five of XML, no network, and
 * limits on depth, attributes and size. What is not well formed, or not of its schema, is refused
 * whole with a reason: nothing that was accepted can spoil the document of others. Known liberties
 * of publishers are taken as meant: elements out of the schema's order, `display-name` for
 * `display`, `pvalue` for `pval`, a person without an id, an unknown basic. Threads: pure
 * functions. */
#pragma once
#include "base/buf.h"
#include "state/event_state.h"

enum inbound_outcome {
    INBOUND_WRONG_TYPE = 1, /* not a type this package has                  -> 415 */
    INBOUND_MALFORMED,      /* what it is says the reason                   -> 400 */
    INBOUND_TOO_LARGE,      /* over the limit of elements, depth, texts     -> 413 */
};

/* Can anything be published for this package? `dialog`, `presence` and `message-summary` can. */
bool inbound_package_known(struct str package);
/* The media types it takes, comma separated, for Accept in 415. */
void inbound_types_print(struct str package, struct buf *out);

/* `content_type` is the value of the header field, with parameters; multipart/related is taken
 * apart. `dialog` and `presence` take each other's types: a dialog-info published for presence says
 * what its dialogs say. *out: a document with one reference; `why` gets the reason of a refusal,
 * one line. 0, an inbound_outcome, -ENOMEM. */
NODISCARD int inbound_parse(struct event_state **out, struct str package, struct str content_type,
                            struct str body, struct buf *why);

/* Is this a partial document that changes another one (application/pidf-diff+xml with a pidf-diff
 * root, RFC 5264)? Such a one cannot be parsed by itself. */
bool inbound_is_diff(struct str package, struct str content_type, struct str body);
/* `base`, the PIDF document published before, changed as the diff says (RFC 5261, RFC 5262). 0,
 * INBOUND_MALFORMED with the reason in `why`, INBOUND_TOO_LARGE, -ENOMEM. */
NODISCARD int inbound_patch(struct str base, struct str diff, struct buf *out, struct buf *why);
