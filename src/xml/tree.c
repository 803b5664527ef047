// SPDX-License-Identifier: MIT
/* tree.c - looking things up in a tree, and writing parts of it down. Nothing here recurses
 * or trusts the depth of a tree. */
#include "xml/xml.h"

static struct xml_node *node_of(const struct list *link, const struct list *head)
{
    return link == head ? NULL : CONTAINER_OF(link, struct xml_node, link);
}

struct xml_node *xml_first_node(const struct xml_node *parent)
{
    return node_of(parent->children.next, &parent->children);
}

struct xml_node *xml_next_node(const struct xml_node *n)
{
    return n->parent ? node_of(n->link.next, &n->parent->children) : NULL;
}

struct xml_node *xml_previous_node(const struct xml_node *n)
{
    return n->parent ? node_of(n->link.prev, &n->parent->children) : NULL;
}

static struct xml_node *to_element(struct xml_node *n)
{
    while (n && xml_is_text(n))
        n = xml_next_node(n);
    return n;
}

struct xml_node *xml_first(const struct xml_node *parent)
{
    return to_element(xml_first_node(parent));
}

struct xml_node *xml_next(const struct xml_node *n)
{
    return to_element(xml_next_node(n));
}

bool xml_is(const struct xml_node *n, struct str namespace, struct str local)
{
    return str_equal(n->name.local, local) && str_equal(n->name.namespace, namespace);
}

struct xml_node *xml_child(const struct xml_node *parent, struct str namespace, struct str local)
{
    struct xml_node *n = xml_first(parent);

    while (n && !xml_is(n, namespace, local))
        n = xml_next(n);
    return n;
}

struct xml_attribute *xml_attribute_of(const struct xml_node *n, struct str namespace,
                                       struct str local)
{
    for (size_t i = 0; i < n->n_attributes; i++) {
        struct xml_attribute *a = &n->attributes[i];

        if (str_equal(a->name.local, local) && str_equal(a->name.namespace, namespace))
            return a;
    }
    return NULL;
}

bool xml_attribute_find(const struct xml_node *n, struct str local, struct str *value)
{
    const struct xml_attribute *a = xml_attribute_of(n, STR_EMPTY, local);

    if (a)
        *value = a->value;
    return a != NULL;
}

struct str xml_text(const struct xml_node *n)
{
    const struct xml_node *first = xml_first_node(n);

    return first && xml_is_text(first) ? first->text : STR_EMPTY;
}

struct xml_node *xml_walk(const struct xml_node *n, const struct xml_node *top)
{
    struct xml_node *next = xml_first_node(n);

    while (!next && n != top) {
        next = xml_next_node(n);
        n = n->parent;
    }
    return next;
}

/* ---- prefixes ---- */

struct xml_binding *xml_binding_at(const struct xml_node *n, struct str prefix)
{
    for (size_t i = 0; i < n->n_bindings; i++)
        if (str_equal(n->bindings[i].prefix, prefix))
            return &n->bindings[i];
    return NULL;
}

struct xml_binding *xml_binding_find(const struct xml_node *n, const struct xml_node *top,
                                     struct str prefix)
{
    struct xml_binding *b = xml_binding_at(n, prefix);

    while (!b && n != top && n->parent) {
        n = n->parent;
        b = xml_binding_at(n, prefix);
    }
    return b;
}

bool xml_prefix_find(const struct xml_node *n, struct str prefix, struct str *namespace)
{
    const struct xml_binding *b = xml_binding_find(n, NULL, prefix);

    if (str_equal(prefix, STR("xml")))
        *namespace = NS_XML;
    else if (b)
        *namespace = b->namespace;
    else if (prefix.n == 0)
        *namespace = STR_EMPTY;
    else
        return false;
    return true;
}

size_t xml_bindings_count(const struct xml_node *n)
{
    size_t count = 0;

    for (; n; n = n->parent)
        count += n->n_bindings;
    return count;
}

int xml_binding_add(struct arena *a, struct xml_node *n, struct xml_binding binding)
{
    if (ARRAY_GROW_IN(a, n->bindings, n->n_bindings))
        return -ENOMEM;
    n->bindings[n->n_bindings++] = binding;
    return 0;
}

/* See to it that within `top` this name of `n` means what it should. */
static int name_declare(struct arena *a, struct xml_node *top, struct xml_node *n,
                        const struct xml_name *name)
{
    const struct xml_binding *b;
    struct xml_node *at = n;

    if (str_equal(name->prefix, STR("xml")))
        return 0;
    b = xml_binding_find(n, top, name->prefix);
    if (b ? str_equal(b->namespace, name->namespace) : name->namespace.n == 0)
        return 0;
    /* A prefix that nobody between here and the top has declared is declared once, at the top. Not
     * so without a prefix: the top may hold elements that have no namespace. */
    if (!b && name->prefix.n)
        at = top;
    BUG_UNLESS(!xml_binding_at(at, name->prefix));
    if (at->n_bindings >= XML_BINDINGS_MAX)
        return XML_TOO_LARGE;
    return xml_binding_add(a, at, (struct xml_binding){ name->prefix, name->namespace });
}

static int names_declare(struct arena *a, struct xml_node *top)
{
    int r = 0;

    for (struct xml_node *n = top; n && r == 0; n = xml_walk(n, top)) {
        if (xml_is_text(n))
            continue;
        r = name_declare(a, top, n, &n->name);
        for (size_t i = 0; i < n->n_attributes && r == 0; i++)
            if (n->attributes[i].name.prefix.n) /* without one: no namespace, whatever holds */
                r = name_declare(a, top, n, &n->attributes[i].name);
    }
    return r;
}

/* ---- printing ---- */

static void print_name(const struct xml_name *name, struct buf *out)
{
    if (name->prefix.n) {
        buf_add(out, name->prefix);
        buf_add_char(out, ':');
    }
    buf_add(out, name->local);
}

/* buf_add_xml, but for one character. Blanks and line ends are not the same in attributes, where
 * they become blanks when they are read, and in texts. */
static void print_escaped(struct str text, char but, struct str by, struct buf *out)
{
    while (text.n) {
        size_t n = str_find_char(text, but);

        buf_add_xml(out, str_sub(text, 0, n));
        if (n < text.n)
            buf_add(out, by);
        text = str_sub(text, n + 1, text.n);
    }
}

static void print_attribute(const struct xml_name *name, struct str value, struct buf *out)
{
    buf_add_char(out, ' ');
    print_name(name, out);
    buf_add(out, STR("=\""));
    print_escaped(value, '\t', STR("&#9;"), out);
    buf_add_char(out, '"');
}

static void print_start(const struct xml_node *n, struct buf *out)
{
    buf_add_char(out, '<');
    print_name(&n->name, out);
    for (size_t i = 0; i < n->n_bindings; i++) {
        const struct xml_binding *b = &n->bindings[i];
        struct xml_name name = { STR("xmlns"), b->prefix, STR_EMPTY };

        if (b->prefix.n == 0)
            name = (struct xml_name){ .local = STR("xmlns") };
        print_attribute(&name, b->namespace, out);
    }
    for (size_t i = 0; i < n->n_attributes; i++)
        print_attribute(&n->attributes[i].name, n->attributes[i].value, out);
    buf_add(out, list_empty(&n->children) ? STR("/>") : STR(">"));
}

static void print_end(const struct xml_node *n, struct buf *out)
{
    buf_add(out, STR("</"));
    print_name(&n->name, out);
    buf_add_char(out, '>');
}

static void print_text(const struct xml_node *n, bool blanks, struct buf *out)
{
    if (blanks || str_trim(n->text).n || !xml_first(n->parent))
        print_escaped(n->text, '\n', STR("\n"), out);
}

int xml_print(struct arena *arena, struct xml_node *top, bool blanks, struct buf *out)
{
    const struct xml_node *n = top;
    int r = names_declare(arena, top);

    while (n && r == 0) {
        const struct xml_node *next = xml_first_node(n);

        if (xml_is_text(n))
            print_text(n, blanks, out);
        else
            print_start(n, out);
        while (!next && n != top) {
            next = xml_next_node(n);
            n = n->parent;
            if (!next)
                print_end(n, out);
        }
        n = next;
    }
    return r;
}
