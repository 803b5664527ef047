// SPDX-License-Identifier: MIT
#include "body/document_private.h"
#include <stdlib.h>

void document_init(struct es_document *d, struct es_text unique)
{
    d->root = NULL;
    d->raw = NULL;
    d->raw_end = &d->raw;
    d->unique = unique;
    d->error = 0;
    d->blocks = NULL;
    d->at = d->first;
    d->end = d->first + sizeof(d->first);
    d->memory = d->text = 0;
}

void document_fini(struct es_document *d)
{
    while (d->blocks) {
        struct document_block *next = d->blocks->next;

        free(d->blocks);
        d->blocks = next;
    }
}

bool document_empty(const struct es_document *d)
{
    return !d->root && !d->raw;
}

bool document_is_raw(const struct es_document *d)
{
    return d->raw != NULL;
}

static void *spoil(struct es_document *d, int error)
{
    if (!d->error)
        d->error = error;
    return NULL;
}

/* ---- the arena ---- */

static bool add_block(struct es_document *d, size_t n)
{
    size_t head = (sizeof(struct document_block) + 15) & ~(size_t)15;
    size_t room = n > sizeof(d->first) ? n : sizeof(d->first);
    struct document_block *b = malloc(head + room);

    if (!b) {
        spoil(d, -ENOMEM);
        return false;
    }
    b->next = d->blocks;
    d->blocks = b;
    d->at = (char *)b + head;
    d->end = d->at + room;
    return true;
}

/* As it was before. */
static void *arena_room(struct es_document *d, size_t n)
{
    void *p;

    if (d->error)
        return NULL;
    if (n > DOCUMENT_MEMORY_MAX - d->memory)
        return spoil(d, -EMSGSIZE);
    n = (n + 15) & ~(size_t)15;
    if (n > (size_t)(d->end - d->at) && !add_block(d, n))
        return NULL;
    p = d->at;
    d->at += n;
    d->memory = d->memory + n > DOCUMENT_MEMORY_MAX ? DOCUMENT_MEMORY_MAX : d->memory + n;
    return p;
}

static void *arena_take(struct es_document *d, size_t n)
{
    void *p = arena_room(d, n);

    return p ? memset(p, 0, n) : NULL;
}

/* With a NUL behind it; a NULL pointer when there is no room. */
static struct str arena_copy(struct es_document *d, struct str s)
{
    char *copy = arena_room(d, s.n + 1);

    if (copy) {
        if (s.n)
            memcpy(copy, s.p, s.n);
        copy[s.n] = '\0';
    }
    return (struct str){ copy, s.n };
}

/* ---- elements ---- */

/* The names of XML as far as they are ASCII: nothing that we write to has others. Empty, and the
 * document spoilt, when it is none. */
static struct str name_of(struct es_document *d, const char *name)
{
    enum { NAME_CHAR = 1, NAME_BEGIN };
    static const uint8_t kinds[256] = {
        ['a' ... 'z'] = NAME_BEGIN, ['A' ... 'Z'] = NAME_BEGIN, ['_'] = NAME_BEGIN,
        ['0' ... '9'] = NAME_CHAR,  ['-' ... '.'] = NAME_CHAR,  [':'] = NAME_CHAR,
    };
    size_t n = 0;

    if (name && kinds[(unsigned char)*name] == NAME_BEGIN)
        while (n <= DOCUMENT_NAME_MAX && kinds[(unsigned char)name[n]])
            n++;
    if (n && n <= DOCUMENT_NAME_MAX && !name[n] && name[n - 1] != ':')
        return (struct str){ name, n };
    spoil(d, -EINVAL);
    return STR_EMPTY;
}

static struct es_node *node_nameless(struct es_document *d, struct es_node *parent)
{
    unsigned depth = parent ? parent->depth + 1 : 0;
    struct es_node *n;

    if (d->error)
        return NULL;
    if (depth >= DOCUMENT_DEPTH_MAX)
        return spoil(d, -EMSGSIZE);
    if (parent && parent->text)
        return spoil(d, -EINVAL);
    n = arena_take(d, sizeof(*n));
    if (!n)
        return NULL;
    n->document = d;
    n->parent = parent;
    n->depth = depth;
    n->last_next = &n->first;
    n->attributes_end = &n->attributes;
    n->text_end = &n->text;
    return n;
}

static struct es_node *node_new(struct es_document *d, struct es_node *parent, const char *name)
{
    struct es_node *n = node_nameless(d, parent);
    struct str given;

    if (!n)
        return NULL;
    given = name_of(d, name);
    if (!given.n)
        return NULL;
    n->name = arena_copy(d, given);
    return n->name.p ? n : NULL;
}

static struct es_node *document_root(struct es_document *d, const char *name)
{
    if (!d || d->error)
        return NULL;
    if (d->raw)
        return spoil(d, -EINVAL);
    if (!d->root)
        d->root = node_new(d, NULL, name);
    return d->root;
}

static void node_append(struct es_node *n)
{
    *n->parent->last_next = n;
    n->parent->last_next = &n->next;
}

static struct es_node *node_child(struct es_node *parent, const char *name)
{
    struct es_node *n = parent ? node_new(parent->document, parent, name) : NULL;

    if (n)
        node_append(n);
    return n;
}

/* Where `n` hangs; it must have a parent. */
static struct es_node **node_link(struct es_node *n)
{
    struct es_node **link = &n->parent->first;

    while (*link != n)
        link = &(*link)->next;
    return link;
}

static struct es_node *node_child_before(struct es_node *sibling, const char *name)
{
    struct es_node *n;

    if (!sibling)
        return NULL;
    if (!sibling->parent)
        return spoil(sibling->document, -EINVAL); /* nothing stands beside the root */
    n = node_new(sibling->document, sibling->parent, name);
    if (!n)
        return NULL;
    *node_link(sibling) = n;
    n->next = sibling;
    return n;
}

static struct es_node *node_find(struct es_node *parent, const char *name)
{
    if (!parent || !name)
        return NULL;
    for (struct es_node *n = parent->first; n; n = n->next)
        if (n->name.n && !strcmp(n->name.p, name))
            return n;
    return NULL;
}

static struct es_node *node_next(struct es_node *n)
{
    n = n ? n->next : NULL;
    while (n && !n->name.n)
        n = n->next;
    return n;
}

static const char *node_name(const struct es_node *n)
{
    return n ? n->name.p : "";
}

static void node_remove(struct es_node *n)
{
    if (!n || n->document->error)
        return;
    if (n == n->document->root) {
        n->document->root = NULL;
    } else if (n->parent) {
        struct es_node **link = node_link(n);

        *link = n->next;
        if (n->parent->last_next == &n->next)
            n->parent->last_next = link;
    }
    n->parent = n->next =
        NULL; /* the memory stays until the document goes: a stale pointer does no harm */
}

/* ---- values ---- */

static bool is_unique(const struct es_document *d, struct es_text t)
{
    return t.n && t.n == d->unique.n && !memcmp(t.p, d->unique.p, t.n);
}

static struct piece *piece_text(struct es_document *d, struct es_text t)
{
    struct piece *p;

    if (d->error)
        return NULL;
    if (t.n > DOCUMENT_TEXT_MAX - d->text)
        return spoil(d, -EMSGSIZE);
    p = arena_take(d, sizeof(*p));
    if (!p)
        return NULL;
    p->kind = is_unique(d, t) ? SEGMENT_UNIQUE : SEGMENT_TEXT;
    p->text = arena_copy(d, (struct str){ t.p, t.n });
    d->text += t.n;
    return p->text.p ? p : NULL;
}

static struct piece *piece_slot(struct es_document *d, enum es_slot slot)
{
    struct piece *p;

    if (d->error)
        return NULL;
    if ((unsigned)slot >= ES_SLOTS)
        return spoil(d, -EINVAL);
    p = arena_take(d, sizeof(*p));
    if (!p)
        return NULL;
    p->kind = SEGMENT_SLOT;
    p->slot = slot;
    return p;
}

/* The attribute of this name, emptied, or a new one at the end. */
static struct attribute *attribute_for(struct es_node *n, const char *name)
{
    struct attribute *a;
    struct str given;

    if (n->document->error)
        return NULL;
    given = name_of(n->document, name);
    if (!given.n)
        return NULL;
    for (a = n->attributes; a; a = a->next)
        if (a->name.n == given.n && memcmp(a->name.p, given.p, given.n) == 0)
            return a;
    a = arena_take(n->document, sizeof(*a));
    if (!a)
        return NULL;
    a->name = arena_copy(n->document, given);
    if (!a->name.p)
        return NULL;
    *n->attributes_end = a;
    n->attributes_end = &a->next;
    return a;
}

static void node_attribute(struct es_node *n, const char *name, struct es_text value)
{
    struct attribute *a = n ? attribute_for(n, name) : NULL;

    if (a)
        a->value = piece_text(n->document, value);
}

static void node_attribute_slot(struct es_node *n, const char *name, enum es_slot slot,
                                const char *suffix)
{
    struct attribute *a = n ? attribute_for(n, name) : NULL;

    if (!a)
        return;
    a->value = piece_slot(n->document, slot);
    if (a->value && suffix && *suffix)
        a->value->next = piece_text(n->document, es_text_of(suffix));
}

static void text_append(struct es_node *n, struct piece *p)
{
    if (!p)
        return;
    if (n->first) {
        spoil(n->document, -EINVAL); /* mixed content: the indentation would become part of it */
        return;
    }
    *n->text_end = p;
    n->text_end = &p->next;
}

static void node_text(struct es_node *n, struct es_text value)
{
    if (n && value.n)
        text_append(n, piece_text(n->document, value));
}

static void node_text_slot(struct es_node *n, enum es_slot slot)
{
    if (n)
        text_append(n, piece_slot(n->document, slot));
}

static void node_xml(struct es_node *parent, struct es_text markup)
{
    struct es_node *n = parent && markup.n ? node_nameless(parent->document, parent) : NULL;

    if (!n)
        return;
    n->text = piece_text(n->document, markup);
    if (n->text)
        node_append(n);
}

static void raw_append(struct es_document *d, struct piece *p)
{
    if (!p)
        return;
    if (d->root) {
        spoil(d, -EINVAL);
        return;
    }
    *d->raw_end = p;
    d->raw_end = &p->next;
}

static void document_raw(struct es_document *d, struct es_text bytes)
{
    if (d && bytes.n)
        raw_append(d, piece_text(d, bytes));
}

static void document_raw_slot(struct es_document *d, enum es_slot slot)
{
    if (d)
        raw_append(d, piece_slot(d, slot));
}

const struct es_document_api document_api = {
    .size = sizeof(struct es_document_api),
    .root = document_root,
    .child = node_child,
    .child_before = node_child_before,
    .find = node_find,
    .next = node_next,
    .name = node_name,
    .attribute = node_attribute,
    .attribute_slot = node_attribute_slot,
    .text = node_text,
    .text_slot = node_text_slot,
    .remove = node_remove,
    .raw = document_raw,
    .raw_slot = document_raw_slot,
    .xml = node_xml,
};
