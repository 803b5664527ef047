// SPDX-License-Identifier: MIT
/* inbound_diff.c - application/pidf-diff+xml: the patch operations of RFC 5261 section 4 applied
 * to a PIDF document. Both documents are trees; what is added moves from one into the other. The
 * words of section 5.1 say what was wrong. */
#include "body/inbound_select.h"
#include <libxml/tree.h>

struct patch {
    struct xml_tree base, diff;
    size_t work; /* of all operations: PATCH_WORK_MAX */
    struct buf *why;
};

static const char invalid_directive[] = "invalid-patch-directive:";
static const char invalid_nodes[] = "invalid-node-types: the content does not suit";

static int refuse(struct patch *p, const struct xml_node *op, const char *what)
{
    struct str sel = STR_EMPTY;

    (void)xml_attribute_find(op, STR("sel"), &sel);
    return xml_refuse(p->why, op, what, sel);
}

/* ---- nodes ---- */

static bool is_blank(const struct xml_node *n)
{
    return xml_is_text(n) && str_trim(n->text).n == 0;
}

static void node_remove(struct xml_node *n)
{
    list_remove(&n->link);
    n->parent = NULL;
}

/* Before `before`, which is the link of a child of `parent` or the head of its children. */
static void node_insert(struct xml_node *n, struct xml_node *parent, struct list *before)
{
    list_remove(&n->link);
    list_append(before, &n->link);
    n->parent = parent;
}

/* A text is a run of neighbours. */
static void text_remove(struct patch *p, struct xml_node *n)
{
    while (n && xml_is_text(n)) {
        struct xml_node *next = xml_next_node(n);

        p->work++;
        node_remove(n);
        n = next;
    }
}

static struct list *text_end(struct patch *p, struct xml_node *n)
{
    struct xml_node *next = xml_next_node(n);

    for (; next && xml_is_text(next); next = xml_next_node(next))
        p->work++;
    return next ? &next->link : &n->parent->children;
}

/* The operation holds nothing but text, which may be none at all. */
static bool text_only(const struct xml_node *op)
{
    return xml_first(op) == NULL;
}

/* ---- namespaces ---- */

/* A declaration must not give another meaning to a prefix that the element itself uses. */
static bool prefix_is_free(const struct xml_node *n, struct str prefix, struct str namespace)
{
    const struct xml_binding *b = xml_binding_at(n, prefix);

    if (b && !str_equal(b->namespace, namespace))
        return false;
    if (str_equal(n->name.prefix, prefix) && !str_equal(n->name.namespace, namespace))
        return false;
    for (size_t i = 0; i < n->n_attributes; i++) {
        const struct xml_name *name = &n->attributes[i].name;

        if (name->prefix.n && str_equal(name->prefix, prefix) &&
            !str_equal(name->namespace, namespace))
            return false;
    }
    return true;
}

/* Could stand in a document as a name without a prefix? `name` has a NUL behind it. */
static bool is_ncname(struct str name)
{
    return name.n > 0 && name.n <= XML_NAME_MAX && strlen(name.p) == name.n &&
           xmlValidateNCName((const xmlChar *)name.p, 0) == 0 && !str_equal(name, STR("xmlns"));
}

static void name_rename(struct xml_name *name, const struct xml_binding *b, struct str to)
{
    if (str_equal(name->prefix, b->prefix) && str_equal(name->namespace, b->namespace))
        name->namespace = to;
}

/* The node that follows `n` in the subtree of `top`, but none below `n`. */
static struct xml_node *walk_past(const struct xml_node *n, const struct xml_node *top)
{
    struct xml_node *next = NULL;

    for (; !next && n != top; n = n->parent)
        next = xml_next_node(n);
    return next;
}

/* Every name below `top` that has its namespace from this declaration there: none where the prefix
 * is declared again. */
static void namespace_rename(struct patch *p, struct xml_node *top, const struct xml_binding *b,
                             struct str to)
{
    struct xml_node *n = top;

    while (n && p->work <= PATCH_WORK_MAX) {
        p->work += 1 + n->n_bindings + n->n_attributes;
        if (n != top && xml_binding_at(n, b->prefix)) {
            n = walk_past(n, top);
            continue;
        }
        name_rename(&n->name, b, to);
        for (size_t i = 0; i < n->n_attributes; i++)
            name_rename(&n->attributes[i].name, b, to);
        n = xml_walk(n, top);
    }
}

/* One more would not be taken by who reads the result. */
static bool is_full(const struct xml_node *n)
{
    return n->n_attributes + n->n_bindings >= XML_ATTRIBUTES_MAX;
}

static int refuse_full(struct patch *p, const struct xml_node *op, struct str name)
{
    (void)xml_refuse(p->why, op, "too many attributes or namespaces:", name);
    return INBOUND_TOO_LARGE;
}

/* ---- add: section 4.3 ---- */

static int attribute_add(struct patch *p, const struct xml_node *op, struct xml_node *n,
                         struct str qname)
{
    struct xml_attribute a = { .value = xml_text(op) };
    struct cursor c;
    struct str local;

    c = cursor_on(qname);
    if (is_full(n))
        return refuse_full(p, op, qname);
    if (selector_name(&a.name, &c, op, STR_EMPTY) || !cursor_done(&c))
        return xml_refuse(p->why, op, "invalid-namespace-prefix, or no name at all:", qname);
    if (arena_str(&p->base.arena, &local, a.name.local))
        return -ENOMEM;
    a.name.local = local;
    if (!is_ncname(local) || xml_attribute_of(n, a.name.namespace, local))
        return xml_refuse(p->why, op, "is there already, or cannot be:", qname);
    if (a.name.prefix.n && !prefix_is_free(n, a.name.prefix, a.name.namespace))
        return xml_refuse(p->why, op,
                          "invalid-namespace-prefix: means something else there:", qname);
    if (ARRAY_GROW_IN(&p->base.arena, n->attributes, n->n_attributes))
        return -ENOMEM;
    n->attributes[n->n_attributes++] = a;
    return 0;
}

static int binding_add(struct patch *p, const struct xml_node *op, struct xml_node *n,
                       struct str name)
{
    struct xml_binding b = { .namespace = str_trim(xml_text(op)) };

    if (is_full(n))
        return refuse_full(p, op, name);
    if (arena_str(&p->base.arena, &b.prefix, name))
        return -ENOMEM;
    if (!is_ncname(b.prefix) || str_equal(b.prefix, STR("xml")) || xml_binding_at(n, b.prefix) ||
        !prefix_is_free(n, b.prefix, b.namespace))
        return xml_refuse(p->why, op, "invalid-namespace-prefix:", b.prefix);
    return xml_binding_add(&p->base.arena, n, b);
}

static int add_typed(struct patch *p, const struct xml_node *op, const struct target *t,
                     struct str type)
{
    struct str axis = STR("namespace::");

    if (t->kind != TARGET_ELEMENT || !text_only(op))
        return refuse(p, op, invalid_nodes);
    if (str_starts(type, STR("@")))
        return attribute_add(p, op, t->node, str_sub(type, 1, type.n));
    if (str_starts(type, axis))
        return binding_add(p, op, t->node, str_sub(type, axis.n, type.n));
    return xml_refuse(p->why, op, "neither an attribute nor a namespace:", type);
}

static int add_at(struct patch *p, const struct xml_node *op, const struct target *t,
                  struct str pos, struct xml_node **parent, struct list **before)
{
    bool inside = pos.n == 0 || str_equal(pos, STR("prepend"));

    *parent = inside ? t->node : t->node->parent;
    if ((inside && t->kind != TARGET_ELEMENT) || t->kind == TARGET_ATTRIBUTE ||
        t->kind == TARGET_BINDING)
        return refuse(p, op, invalid_directive);
    if (!*parent)
        return refuse(p, op, "invalid-xml-prolog-operation:");
    if (pos.n == 0)
        *before = &t->node->children;
    else if (inside)
        *before = t->node->children.next;
    else if (str_equal(pos, STR("before")))
        *before = &t->node->link;
    else if (str_equal(pos, STR("after")))
        *before = t->kind == TARGET_TEXT ? text_end(p, t->node) : t->node->link.next;
    else
        return xml_refuse(p->why, op, "unknown pos", pos);
    return 0;
}

static int add_apply(struct patch *p, struct xml_node *op, const struct target *t)
{
    struct str type, pos = STR_EMPTY;
    struct xml_node *parent = NULL, *n;
    struct list *before = NULL;
    int r;

    if (xml_attribute_find(op, STR("type"), &type))
        return add_typed(p, op, t, type);
    (void)xml_attribute_find(op, STR("pos"), &pos);
    r = add_at(p, op, t, pos, &parent, &before);
    while (r == 0 && (n = xml_first_node(op)) != NULL)
        node_insert(n, parent, before);
    return r;
}

/* ---- replace: section 4.4 ---- */

static int element_replace(struct patch *p, struct xml_node *op, struct xml_node *old)
{
    struct xml_node *new = xml_first(op);

    for (const struct xml_node *n = xml_first_node(op); n; n = xml_next_node(n))
        if (n != new && !is_blank(n))
            return refuse(p, op, invalid_nodes);
    if (!new)
        return refuse(p, op, invalid_nodes);
    if (!old->parent) {
        node_remove(new);
        p->base.root = new;
        return 0;
    }
    node_insert(new, old->parent, &old->link);
    node_remove(old);
    return 0;
}

static int text_replace(struct patch *p, struct xml_node *op, struct xml_node *old)
{
    struct xml_node *new = xml_first_node(op), *parent = old->parent;
    struct list *before = text_end(p, old);

    text_remove(p, old);
    if (new)
        node_insert(new, parent, before);
    return 0;
}

static int binding_replace(struct patch *p, const struct xml_node *op, const struct target *t)
{
    struct str namespace = str_trim(xml_text(op));

    namespace_rename(p, t->node, t->binding, namespace);
    t->binding->namespace = namespace;
    return 0;
}

static int replace_apply(struct patch *p, struct xml_node *op, const struct target *t)
{
    if (t->kind == TARGET_ELEMENT)
        return element_replace(p, op, t->node);
    if (!text_only(op))
        return refuse(p, op, invalid_nodes);
    if (t->kind == TARGET_TEXT)
        return text_replace(p, op, t->node);
    if (t->kind == TARGET_BINDING)
        return binding_replace(p, op, t);
    t->attribute->value = xml_text(op);
    return 0;
}

/* ---- remove: section 4.5 ---- */

/* The text beside an element that goes with it must be blank. `n` is the first node of it; NULL:
 * there is none. */
static bool blanks_only(struct patch *p, const struct xml_node *n)
{
    if (!n || !xml_is_text(n))
        return false;
    for (; n && xml_is_text(n); n = xml_next_node(n), p->work++)
        if (!is_blank(n))
            return false;
    return true;
}

static struct xml_node *text_before(struct patch *p, const struct xml_node *n)
{
    struct xml_node *first = NULL;

    for (struct xml_node *m = xml_previous_node(n); m && xml_is_text(m); m = xml_previous_node(m)) {
        first = m;
        p->work++;
    }
    return first;
}

static int element_remove(struct patch *p, const struct xml_node *op, struct xml_node *n)
{
    struct xml_node *former = text_before(p, n), *next = xml_next_node(n);
    struct str ws = STR_EMPTY;
    bool both, before, after;

    if (!n->parent)
        return refuse(p, op, "invalid-root-element-operation:");
    (void)xml_attribute_find(op, STR("ws"), &ws);
    both = str_equal(ws, STR("both"));
    before = both || str_equal(ws, STR("before"));
    after = both || str_equal(ws, STR("after"));
    if ((ws.n && !before && !after) || (before && !blanks_only(p, former)) ||
        (after && !blanks_only(p, next)))
        return xml_refuse(p->why, op, "invalid-whitespace-directive:", ws);
    if (before)
        text_remove(p, former);
    node_remove(n); /* in between: after it, what stands on both sides is one text */
    if (after)
        text_remove(p, next);
    return 0;
}

static int remove_apply(struct patch *p, const struct xml_node *op, const struct target *t)
{
    struct xml_node *n = t->node;

    switch (t->kind) {
    case TARGET_ELEMENT:
        return element_remove(p, op, n);
    case TARGET_TEXT:
        text_remove(p, n);
        break;
    case TARGET_ATTRIBUTE:
        *t->attribute = n->attributes[--n->n_attributes];
        break;
    case TARGET_BINDING: /* where it is still needed, printing declares it again */
        *t->binding = n->bindings[--n->n_bindings];
        break;
    }
    return 0;
}

/* ---- the whole ---- */

static int operation_apply(struct patch *p, struct xml_node *op)
{
    struct target t;
    int r = selector_find(&t, p->base.root, op, &p->work, p->why);

    if (r)
        return r;
    if (xml_is(op, NS_PIDF_DIFF, STR("add")))
        return add_apply(p, op, &t);
    if (xml_is(op, NS_PIDF_DIFF, STR("replace")))
        return replace_apply(p, op, &t);
    return remove_apply(p, op, &t);
}

static bool is_document(const struct xml_node *root)
{
    return xml_is(root, NS_PIDF, STR("presence")) || xml_is(root, NS_PIDF_DIFF, STR("pidf-full"));
}

static int patch_apply(struct patch *p)
{
    const struct xml_node *diff = p->diff.root;
    int r = 0;

    if (!is_document(p->base.root))
        return xml_refuse(p->why, p->base.root, "what was published before is no PIDF document",
                          STR_EMPTY);
    if (!xml_is(diff, NS_PIDF_DIFF, STR("pidf-diff")))
        return xml_refuse(p->why, diff, "not a pidf-diff", STR_EMPTY);
    r = inbound_diff_check(diff, p->why);
    for (struct xml_node *op = xml_first(diff); op && r == 0; op = xml_next(op)) {
        r = operation_apply(p, op);
        if (r == 0 && p->work > PATCH_WORK_MAX) { /* it may have been given up */
            (void)refuse(p, op, "too much to look at");
            r = INBOUND_TOO_LARGE;
        }
    }
    if (r == 0 && !is_document(p->base.root))
        r = xml_refuse(p->why, diff, "invalid-root-element-operation:", p->base.root->name.local);
    return r;
}

/* Each operation sees to what it can see. Whether the whole is still a document, within its limits
 * and with namespaces that are URIs, is asked of whoever will read it. */
static int result_check(struct patch *p, struct str result)
{
    struct xml_tree t = { .root = NULL };
    char room[256];
    struct buf reason;
    int r;

    buf_init_on(&reason, room, sizeof(room));
    r = xml_tree_parse(&t, result, &reason);
    xml_tree_fini(&t);
    if (r > 0) {
        buf_add(p->why, STR("the result, "));
        buf_add(p->why, buf_str(&reason));
    }
    return r;
}

/* With more it would not be read, and printing takes the longer the more there are. */
static bool bindings_fit(const struct xml_node *root)
{
    for (const struct xml_node *n = root; n; n = xml_walk(n, root))
        if (n->n_bindings && xml_bindings_count(n) > XML_BINDINGS_MAX)
            return false;
    return true;
}

static int patch_print(struct patch *p, struct buf *out)
{
    size_t start = out->n;
    int r = XML_TOO_LARGE;

    buf_add(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    if (bindings_fit(p->base.root))
        r = xml_print(&p->base.arena, p->base.root, true, out);
    buf_add_char(out, '\n');
    if (r < 0 || out->error == -ENOMEM)
        return -ENOMEM;
    if (r == 0 && out->error == 0 && out->n - start <= INBOUND_BODY_MAX)
        return result_check(p, str_sub(buf_str(out), start, out->n));
    buf_add(p->why, STR("the result is too large"));
    return INBOUND_TOO_LARGE;
}

int inbound_patch(struct str base, struct str diff, struct buf *out, struct buf *why)
{
    struct patch p = { .why = why };
    int r = xml_text_check(base, why);

    if (r == 0)
        r = xml_text_check(diff, why);
    if (r == 0)
        r = xml_tree_parse(&p.base, base, why);
    if (r == 0)
        r = xml_tree_parse(&p.diff, diff, why);
    if (r == 0)
        r = patch_apply(&p);
    if (r == 0)
        r = patch_print(&p, out);
    xml_tree_fini(&p.base);
    xml_tree_fini(&p.diff);
    return r;
}
