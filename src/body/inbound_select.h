// SPDX-License-Identifier: MIT
/* inbound_select.h - private to inbound_diff.c: the selectors of XML patch operations, RFC 5261
 * section 4.1, a small part of XPath 1.0: steps down by name or `*`, predicates that are positions
 * or compare an attribute, a child or the element itself with a literal, and at the end perhaps an
 * attribute, text() or a namespace declaration; or id('x') first. Threads: pure functions. */
#pragma once
#include "body/inbound_internal.h"

/* Nodes that the operations of one patch may look at, and attributes and declarations where they
 * are many: some ten milliseconds. */
enum { PATCH_WORK_MAX = 1 << 20 };

enum target_kind { TARGET_ELEMENT, TARGET_TEXT, TARGET_ATTRIBUTE, TARGET_BINDING };

struct target {
    enum target_kind kind;
    struct xml_node *node; /* the element; of a text the first node of it: neighbours are one */
    struct xml_attribute *attribute;
    struct xml_binding *binding;
};

/* The one node below `root` that the attribute `sel` of the operation means. Its prefixes, and the
 * namespace of names without one, are those in force at the operation. `work` counts up. 0;
 * INBOUND_MALFORMED or INBOUND_TOO_LARGE with the reason in `why`. */
NODISCARD int selector_find(struct target *out, struct xml_node *root,
                            const struct xml_node *operation, size_t *work, struct buf *why);

/* [prefix:]local at `c`, the prefix looked up at `scope`; without one the namespace is `fallback`.
 * NULL, or what is wrong with it. */
const char *selector_name(struct xml_name *out, struct cursor *c, const struct xml_node *scope,
                          struct str fallback);
