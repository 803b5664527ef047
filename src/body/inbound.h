// SPDX-License-Identifier: MIT
/* inbound.h - bodies of PUBLISH requests, read into event state.
 *
 * XML is read as xml.h says. What is not well formed, or not of its schema, is refused whole with a
 * reason: nothing that was accepted can spoil the document of others. Known liberties of publishers
 * are taken as meant: elements out of the schema's order, `display-name` for `display`, `pvalue`
 * for `pval`, a person, device or tuple without an id (it gets one), a basic that is `unknown`; see
 * inbound_schema.c. Elements of other namespaces are kept as XML. Threads: pure functions, once
 * xml_init was called. */
#pragma once
#include "base/buf.h"
#include "state/event_state.h"
#include "xml/xml.h"

enum { INBOUND_BODY_MAX = XML_TEXT_MAX }; /* bytes */

enum inbound_outcome {
    INBOUND_WRONG_TYPE = 1,            /* not a type, or charset, this package has     -> 415 */
    INBOUND_MALFORMED = XML_MALFORMED, /* what it is says the reason                   -> 400 */
    INBOUND_TOO_LARGE = XML_TOO_LARGE, /* over the limit of elements, depth, texts     -> 413 */
};

/* Can anything be published for this package? `dialog`, `presence` and `message-summary` can. */
bool inbound_package_known(struct str package);
/* The media types it takes, its own first, comma separated, for Accept in 415. */
void inbound_types_print(struct str package, struct buf *out);

/* `content_type` is the value of the header field, with parameters; of multipart/related the root
 * part is read. `dialog` and `presence` take each other's types: a dialog-info published for
 * presence says what its dialogs say (has_dialogs), a presence document published for dialog says
 * who is there (has_presence). *out: a document with one reference; `why` gets the reason of a
 * refusal, one line that tells where. `xml`: of who reads many; or NULL. 0, an inbound_outcome,
 * -ENOMEM. */
NODISCARD int inbound_parse(struct event_state **out, struct xml_parser *xml, struct str package,
                            struct str content_type, struct str body, struct buf *why);

/* Of a type that is XML: is it well formed, within the limits, and without a document type?
 * Anything else is fine. 0, an inbound_outcome with the reason in `why`, -ENOMEM. */
NODISCARD int inbound_check_xml(struct str content_type, struct str body, struct buf *why);

/* The root part of a multipart/related body, and its type, in place of both: RFC 2387 section 3.
 * Slices of `body`. Whatever is of another type stays as it is. 0, or INBOUND_MALFORMED with the
 * reason in `why`. */
NODISCARD int inbound_root(struct str *content_type, struct str *body, struct buf *why);

/* Is this a partial document that changes another one (application/pidf-diff+xml with a pidf-diff
 * root, RFC 5264)? Such a one cannot be parsed by itself. 0 or -ENOMEM. */
NODISCARD int inbound_is_diff(bool *out, struct str package, struct str content_type,
                              struct str body);
/* `base`, the PIDF document published before (application/pidf+xml, or application/pidf-diff+xml
 * with a pidf-full root), changed as the diff says: RFC 5261, RFC 5262. What comes out has the type
 * of the base, is well-formed and within the limits, and has neither comments nor processing
 * instructions any more; inbound_parse says what it means. 0; INBOUND_MALFORMED or
 * INBOUND_TOO_LARGE with the reason in `why`, -ENOMEM: then what is in `out` is of no use. */
NODISCARD int inbound_patch(struct str base, struct str diff, struct buf *out, struct buf *why);
