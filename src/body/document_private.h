// SPDX-License-Identifier: MIT
/* document_private.h - the tree that document.c builds and document_print.c prints; private to
 * these two. */
#pragma once
#include "body/document.h"

struct piece { /* text and slots in a row are a value */
    struct piece *next;
    enum segment_kind kind;
    enum es_slot slot;
    struct str text; /* as given, escaped when printed */
};

struct attribute {
    struct attribute *next;
    struct str name;
    struct piece *value;
};

struct es_node {
    struct es_document *document;
    struct es_node *parent, *next; /* no parent: the root, or removed */
    struct es_node *first, **last_next;
    struct attribute *attributes, **attributes_end;
    struct piece *text, **text_end;
    struct str name; /* ends with a NUL; markup has none, and its text is written as it is */
    unsigned depth;
};
