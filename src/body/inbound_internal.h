// SPDX-License-Identifier: MIT
/* inbound_internal.h - private to the readers of inbound bodies: what they share, and one reader
 * for each kind of document. Threads: one owner. */
#pragma once
#include "body/inbound.h"
#include "xml/xml.h"

#define NS_DIALOG_INFO STR("urn:ietf:params:xml:ns:dialog-info")
#define NS_PIDF STR("urn:ietf:params:xml:ns:pidf")
#define NS_PIDF_DIFF STR("urn:ietf:params:xml:ns:pidf-diff")
#define NS_DATA_MODEL STR("urn:ietf:params:xml:ns:pidf:data-model")
#define NS_RPID STR("urn:ietf:params:xml:ns:pidf:rpid")

enum { INBOUND_XML_MAX = 256 * 1024 }; /* all XML that one state may keep */

struct inbound { /* one body while it is read */
    struct event_state *state;
    struct xml_tree tree;
    struct buf xml;  /* what is being copied */
    size_t kept_xml; /* bytes so far */
    struct buf *why;
};

/* The text of an element, or one of its attributes (empty when it has none), without blanks around.
 * 0 or -ENOMEM. */
NODISCARD int inbound_content(struct inbound *in, struct es_text *out, const struct xml_node *n);
NODISCARD int inbound_attribute(struct inbound *in, struct es_text *out, const struct xml_node *n,
                                struct str local);
/* An element as XML; or those children of `parent` that `wanted` picks. 0, INBOUND_TOO_LARGE,
 * -ENOMEM. */
NODISCARD int inbound_keep(struct inbound *in, struct es_text *out, struct xml_node *n);
NODISCARD int inbound_keep_children(struct inbound *in, struct es_text *out,
                                    const struct xml_node *parent,
                                    bool (*wanted)(const struct xml_node *n));

/* Is the document of its schema, as far as publishers are known to keep to it? 0, or
 * INBOUND_MALFORMED with the reason in `why`. Readers are given none but these. */
NODISCARD int inbound_dialog_check(const struct xml_node *root, struct buf *why);
NODISCARD int inbound_pidf_check(const struct xml_node *root, struct buf *why);
NODISCARD int inbound_xpidf_check(const struct xml_node *root, struct buf *why);
NODISCARD int inbound_diff_check(const struct xml_node *root, struct buf *why);

/* Each reads one kind of document, from its root, into the state. 0, INBOUND_MALFORMED,
 * INBOUND_TOO_LARGE, -ENOMEM. */
NODISCARD int inbound_dialog_read(struct inbound *in, const struct xml_node *root);
NODISCARD int inbound_pidf_read(struct inbound *in, const struct xml_node *root);
NODISCARD int inbound_xpidf_read(struct inbound *in, const struct xml_node *root);
NODISCARD int inbound_messages_read(struct inbound *in, struct str body);

/* The root part of a multipart/related body, RFC 2387: `params` are those of its Content-Type. 0,
 * or INBOUND_MALFORMED. Slices of `body`. */
NODISCARD int inbound_multipart_root(struct str params, struct str body, struct str *content_type,
                                     struct str *root, struct buf *why);

/* ---- shared by the presence readers ---- */

struct inbound_elements {
    struct es_element *p;
    size_t n;
};
/* Is it one of the list of RFC 4480 section 3.2? */
bool inbound_activity_known(struct str name);
/* The activity of that name, `other` for one that is not in the list. */
NODISCARD int inbound_activity_add(struct inbound *in, struct inbound_elements *to,
                                   struct str name);
/* Contact and priority of a tuple; `n` has the attribute `priority`. */
NODISCARD int inbound_contact_read(struct inbound *in, struct es_tuple *t, const struct xml_node *n,
                                   struct str uri);
