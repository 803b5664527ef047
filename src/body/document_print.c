// SPDX-License-Identifier: MIT
/* document_print.c - how a document becomes text with slots. */
#include "body/document_private.h"

struct printer {
    struct buf *text, *segments;
    size_t from; /* of the text: what has no segment yet */
};

static void segment_add(struct printer *pr, enum segment_kind kind, enum es_slot slot)
{
    struct segment s = { .length = (uint32_t)(pr->text->n - pr->from),
                         .kind = (uint8_t)kind,
                         .slot = (uint8_t)slot };

    pr->from = pr->text->n;
    if (s.length || kind == SEGMENT_SLOT)
        buf_add(pr->segments, (struct str){ (const char *)&s, sizeof(s) });
}

static void print_pieces(struct printer *pr, const struct piece *p, bool escape)
{
    for (; p; p = p->next) {
        if (p->kind != SEGMENT_TEXT)
            segment_add(pr, SEGMENT_TEXT, 0); /* what came before */
        if (escape)
            buf_add_xml(pr->text, p->text);
        else
            buf_add(pr->text, p->text);
        if (p->kind != SEGMENT_TEXT)
            segment_add(pr, p->kind, p->slot);
    }
}

static void print_indent(struct printer *pr, const struct es_node *n)
{
    for (unsigned i = 0; i < n->depth; i++)
        buf_add_char(pr->text, ' ');
}

static void print_end_tag(struct printer *pr, const struct es_node *n)
{
    buf_add(pr->text, STR("</"));
    buf_add(pr->text, n->name);
    buf_add(pr->text, STR(">\n"));
}

/* Phones compare less strictly than this is kept: one blank per level, a blank before the slash of
 * an empty element, a leaf on one line. It is the layout that they have seen for years. */
static void print_node(struct printer *pr, const struct es_node *n)
{
    print_indent(pr, n);
    if (!n->name.n) {
        print_pieces(pr, n->text, false);
        buf_add_char(pr->text, '\n');
        return;
    }
    buf_add_char(pr->text, '<');
    buf_add(pr->text, n->name);
    for (const struct attribute *a = n->attributes; a; a = a->next) {
        buf_add_char(pr->text, ' ');
        buf_add(pr->text, a->name);
        buf_add(pr->text, STR("=\""));
        print_pieces(pr, a->value, true);
        buf_add_char(pr->text, '"');
    }
    if (n->text) {
        buf_add_char(pr->text, '>');
        print_pieces(pr, n->text, true);
        print_end_tag(pr, n);
    } else if (n->first) {
        buf_add(pr->text, STR(">\n"));
        for (const struct es_node *child = n->first; child; child = child->next)
            print_node(pr, child); /* no deeper than DOCUMENT_DEPTH_MAX */
        print_indent(pr, n);
        print_end_tag(pr, n);
    } else {
        buf_add(pr->text, STR(" />\n"));
    }
}

int document_print(const struct es_document *d, struct buf *text, struct buf *segments)
{
    struct printer pr = { .text = text, .segments = segments, .from = text->n };

    if (d->error)
        return d->error;
    if (d->root) {
        buf_add(text, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        print_node(&pr, d->root);
    } else {
        print_pieces(&pr, d->raw, false);
    }
    segment_add(&pr, SEGMENT_TEXT, 0);
    return text->error ? text->error : segments->error;
}
