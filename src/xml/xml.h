// SPDX-License-Identifier: MIT
/* xml.h - an XML document from outside as a small tree.
 *
 * Made from libxml2's SAX2 callbacks: UTF-8 only, no document type, hence no entities but the five
 * of XML, no network, and limits on depth, elements, attributes and sizes. Comments and processing
 * instructions are not kept; texts on both sides of one are one text. Names keep their prefixes,
 * but what counts is the namespace: a node may be moved anywhere, into another tree as well, and
 * xml_print declares what is not declared where it went. Everything lives as long as the tree it
 * was parsed into. Threads: one owner for each tree, once xml_init was called. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"

#define NS_XML STR("http://www.w3.org/XML/1998/namespace")

enum xml_outcome { /* 1 is free for who reads more than XML: see body/inbound.h */
                   XML_MALFORMED = 2,
                   XML_TOO_LARGE,
};

enum {                           /* XML_TOO_LARGE beyond */
       XML_TEXT_MAX = 64 * 1024, /* bytes */
       XML_DEPTH_MAX = 32,
       XML_ELEMENTS_MAX = 4096,
       XML_ATTRIBUTES_MAX = 64, /* of one element, declarations of namespaces among them */
       XML_BINDINGS_MAX = 64, /* of an element and those that it is in: each name may be looked for
                                 among them all */
       XML_NAME_MAX = 256     /* bytes of a name, a prefix or a namespace */
};

struct xml_name {
    struct str prefix, local, namespace; /* no prefix, no namespace: empty */
};

struct xml_attribute {
    struct xml_name name;
    struct str value;
};

struct xml_binding { /* xmlns:prefix="namespace" */
    struct str prefix, namespace;
};

struct xml_node {     /* an element, or a text when its name is empty */
    struct list link; /* among its siblings */
    struct list children;
    struct xml_node *parent; /* NULL: the root */
    struct xml_name name;
    struct xml_attribute *attributes;
    size_t n_attributes;
    struct xml_binding *bindings; /* made at this element */
    size_t n_bindings;
    struct str text;
    unsigned line; /* of the document, from 1 */
};

/* libxml2's parser, kept from one document to the next, as making one costs more than a small
 * document. Begins zeroed. */
struct xml_parser {
    void *spare;
};

struct xml_tree { /* begins zeroed */
    struct xml_node *root;
    struct arena arena;
    struct xml_parser *keeper; /* set by who has one, before it parses; outlives the tree */
    void *parser;              /* names live in its dictionary */
    bool parsed;
};

/* Prepare libxml2. Before the first thread is made. */
void xml_init(void);

/* UTF-8 without control characters, and not too much? 0, XML_MALFORMED, XML_TOO_LARGE. */
NODISCARD int xml_text_check(struct str body, struct buf *why);
/* 0; XML_MALFORMED or XML_TOO_LARGE with the reason in `why`; -ENOMEM. Whichever it is,
 * xml_tree_fini ends it. `body` has passed xml_text_check. */
NODISCARD int xml_tree_parse(struct xml_tree *t, struct str body, struct buf *why);
void xml_tree_fini(struct xml_tree *t);
void xml_parser_fini(struct xml_parser *p);

static inline bool xml_is_text(const struct xml_node *n)
{
    return n->name.local.n == 0;
}
bool xml_is(const struct xml_node *n, struct str namespace, struct str local);
/* The children one after the other, texts among them: NULL when there is none (any more). */
struct xml_node *xml_first_node(const struct xml_node *parent);
struct xml_node *xml_next_node(const struct xml_node *n);
struct xml_node *xml_previous_node(const struct xml_node *n);
/* The same for elements alone. */
struct xml_node *xml_first(const struct xml_node *parent);
struct xml_node *xml_next(const struct xml_node *n);
struct xml_node *xml_child(const struct xml_node *parent, struct str namespace, struct str local);
struct xml_attribute *xml_attribute_of(const struct xml_node *n, struct str namespace,
                                       struct str local);
/* The value of an attribute without a namespace; false when there is none. */
bool xml_attribute_find(const struct xml_node *n, struct str local, struct str *value);
/* The text up to the first child element, as it is. */
struct str xml_text(const struct xml_node *n);

/* The node that follows `n` in the subtree of `top`, children first; NULL at the end. */
struct xml_node *xml_walk(const struct xml_node *n, const struct xml_node *top);
/* What the prefix stands for at `n`; false when nobody has declared it. Without a prefix there is
 * always an answer. */
bool xml_prefix_find(const struct xml_node *n, struct str prefix, struct str *namespace);
/* How many declarations there are at `n` and above it. */
size_t xml_bindings_count(const struct xml_node *n);
/* The declaration of the prefix at `n` itself, or NULL. */
struct xml_binding *xml_binding_at(const struct xml_node *n, struct str prefix);
/* The one that is in force at `n`, looking no further up than `top` (NULL: the root); or NULL. */
struct xml_binding *xml_binding_find(const struct xml_node *n, const struct xml_node *top,
                                     struct str prefix);
NODISCARD int xml_binding_add(struct arena *a, struct xml_node *n, struct xml_binding binding);

/* The element, with all in it, as XML that can stand anywhere: it declares each prefix it uses.
 * `blanks`: as it was written; otherwise without the blanks between elements. The missing
 * declarations are added to the nodes, in `arena`. 0 (but see the buffer's error), -ENOMEM;
 * XML_TOO_LARGE when they would be more than XML_BINDINGS_MAX, which no part of one document needs.
 */
NODISCARD int xml_print(struct arena *arena, struct xml_node *top, bool blanks, struct buf *out);

/* ---- reasons ---- */

/* "line 3, state: unknown state 'x'". The element may be empty, and the value's pointer NULL.
 * Returns XML_MALFORMED. */
int xml_refuse_at(struct buf *why, unsigned line, struct str element, const char *what,
                  struct str value);
static inline int xml_refuse(struct buf *why, const struct xml_node *n, const char *what,
                             struct str value)
{
    (void)xml_refuse_at(why, n->line, n->name.local, what, value);
    return XML_MALFORMED; /* said here as well, for those who analyse a caller alone */
}
/* The beginning of what a peer wrote; half a character at the end becomes U+FFFD. */
void xml_excerpt_print(struct buf *why, struct str text);
