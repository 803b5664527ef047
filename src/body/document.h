// SPDX-License-Identifier: MIT
/* document.h - the document that a generator writes: a tree of elements, and how it becomes text
 * with slots.
 *
 * Everything lives in the document's arena and dies with it. The first error stays (-ENOMEM,
 * -EMSGSIZE for a limit, -EINVAL for what cannot be XML), and after it every call does nothing.
 * Threads: one owner. */
#pragma once
#include "base/buf.h"
#include "extstate/body.h"
#include <stddef.h>

enum {
    DOCUMENT_DEPTH_MAX = 32,
    DOCUMENT_TEXT_MAX = 64 * 1024, /* of the texts in it, and of the whole when printed */
    /* Of the tree, which has a dozen bytes for each that is printed where elements are shortest: it
     * is full behind the paper. */
    DOCUMENT_MEMORY_MAX = 16 * DOCUMENT_TEXT_MAX,
    DOCUMENT_NAME_MAX = 128,
};

enum segment_kind {
    SEGMENT_TEXT,
    SEGMENT_UNIQUE, /* text that does not count when two bodies are compared */
    SEGMENT_SLOT,
};

struct segment {     /* a printed document is a row of these */
    uint32_t length; /* bytes of the text; 0 for a slot */
    uint8_t kind, slot;
};

struct document_block {
    struct document_block *next;
};

struct es_document {
    struct es_node *root;
    struct piece *raw, **raw_end; /* a body that is not XML; see document.c */
    struct es_text unique;        /* borrowed */
    int error;
    struct document_block *blocks;          /* beyond the first */
    char *at, *end;                         /* free memory of the current block */
    size_t memory, text;                    /* taken so far */
    _Alignas(max_align_t) char first[4096]; /* enough for the usual body, without malloc */
};

/* `unique`: the token that the generator may write, borrowed while the document lives. */
void document_init(struct es_document *d, struct es_text unique);
void document_fini(struct es_document *d);

/* Nothing was written, or all of it was removed again. */
bool document_empty(const struct es_document *d);
/* Not XML: written with raw(). */
bool document_is_raw(const struct es_document *d);

/* Print it: the bytes to `text`, one struct segment after the other to `segments`. 0, the
 * document's error or that of one of the buffers. */
NODISCARD int document_print(const struct es_document *d, struct buf *text, struct buf *segments);

extern const struct es_document_api document_api;
