// SPDX-License-Identifier: MIT
/* inbound_select.c - a selector is parsed into steps; then each element is asked whether it fits
 * the step of its depth, and if so, those in it. No sets of nodes, no recursion, and a limit on how
 * many nodes are looked at. */
#include "body/inbound_select.h"

enum { STEPS_MAX = XML_DEPTH_MAX, PREDICATES_MAX = 4 };

static const char unlocated[] = "unlocated-node: not exactly one";
static const char malformed[] = "not a selector of RFC 5261:";

struct predicate {
    enum { POSITION, ATTRIBUTE, CHILD, ITSELF } kind;
    uint32_t position;
    struct xml_name name;
    struct str literal;
};

struct step {
    bool any;
    struct xml_name name;
    struct predicate predicates[PREDICATES_MAX];
    size_t n;
};

struct selector {
    const struct xml_node *scope; /* where prefixes are looked up */
    struct step steps[STEPS_MAX];
    size_t n;
    struct str id; /* of id('x'); NULL pointer: from the top */
    enum target_kind kind;
    struct xml_name attribute;
    struct str prefix;      /* of namespace::prefix */
    uint32_t text_position; /* of text()[2]; 0: there must be one only */
    size_t *work;
    size_t name_work; /* of one name that has to be looked up */
};

/* ---- parsing: NULL, or what is wrong ---- */

static struct str name_scan(struct cursor *c)
{
    static const char ends[] = "/[]()='\"@: \t\r\n";
    const char *start = c->p;

    while (!cursor_done(c) && !memchr(ends, *c->p, sizeof(ends) - 1))
        c->p++;
    return (struct str){ start, (size_t)(c->p - start) };
}

static bool word_skip(struct cursor *c, struct str word)
{
    if (!str_starts(cursor_rest(c), word))
        return false;
    c->p += word.n;
    return true;
}

const char *selector_name(struct xml_name *out, struct cursor *c, const struct xml_node *scope,
                          struct str fallback)
{
    struct xml_name name = { .local = name_scan(c), .namespace = fallback };

    if (cursor_char(c, ':')) {
        name.prefix = name.local;
        name.local = name_scan(c);
        if (name.prefix.n == 0 || !xml_prefix_find(scope, name.prefix, &name.namespace))
            return "invalid-namespace-prefix: not declared in";
    }
    if (name.local.n == 0)
        return malformed;
    *out = name;
    return NULL;
}

static bool literal_scan(struct cursor *c, struct str *out)
{
    char quote = cursor_done(c) ? '\0' : *c->p;

    if (quote != '\'' && quote != '"')
        return false;
    c->p++;
    *out = cursor_until(c, quote);
    return cursor_char(c, quote);
}

static const char *element_name(struct selector *s, struct xml_name *out, struct cursor *c)
{
    struct str fallback = STR_EMPTY; /* RFC 5261 section 4.2.2: unlike XPath 1.0 */

    *s->work += s->name_work;
    (void)xml_prefix_find(s->scope, STR_EMPTY, &fallback);
    return selector_name(out, c, s->scope, fallback);
}

/* [2], [@a='1'], [a='1'], [.='1']: behind the opening bracket */
static const char *predicate_parse(struct selector *s, struct predicate *p, struct cursor *c)
{
    const char *wrong = NULL;
    struct cursor ahead;

    cursor_blanks(c);
    ahead = *c;
    if (str_to_u32(&p->position, name_scan(&ahead)) == 0) {
        p->kind = POSITION;
        *c = ahead;
    } else if (cursor_char(c, '@')) {
        p->kind = ATTRIBUTE;
        *s->work += s->name_work;
        wrong = selector_name(&p->name, c, s->scope, STR_EMPTY);
    } else if (word_skip(c, STR(".")) && !cursor_done(c)) {
        p->kind = ITSELF;
    } else {
        p->kind = CHILD;
        wrong = element_name(s, &p->name, c);
    }
    if (wrong)
        return wrong;
    if (p->kind != POSITION && !(cursor_skip(c, '=') && literal_scan(c, &p->literal)))
        return malformed;
    cursor_blanks(c);
    return cursor_char(c, ']') ? NULL : malformed;
}

static const char *step_parse(struct selector *s, struct step *step, struct cursor *c)
{
    const char *wrong = NULL;
    unsigned positions = 0;

    if (*s->work > PATCH_WORK_MAX)
        return malformed; /* nobody hears that */
    *step = (struct step){ .any = cursor_char(c, '*') };
    if (!step->any)
        wrong = element_name(s, &step->name, c);
    while (!wrong && cursor_char(c, '[')) {
        if (step->n == PREDICATES_MAX)
            return "too many predicates in";
        wrong = predicate_parse(s, &step->predicates[step->n], c);
        positions += step->predicates[step->n].kind == POSITION;
        step->n++;
    }
    return wrong ? wrong : positions > 1 ? "two positions in one step of" : NULL;
}

/* What a selector can only end in; false: it is another step. */
static bool end_parse(struct selector *s, struct cursor *c, const char **wrong)
{
    *wrong = NULL;
    if (cursor_char(c, '@')) {
        s->kind = TARGET_ATTRIBUTE;
        *wrong = selector_name(&s->attribute, c, s->scope, STR_EMPTY);
    } else if (word_skip(c, STR("namespace::"))) {
        s->kind = TARGET_BINDING;
        s->prefix = name_scan(c);
        *wrong = s->prefix.n ? NULL : malformed;
    } else if (word_skip(c, STR("text()"))) {
        s->kind = TARGET_TEXT;
        if (cursor_char(c, '[') &&
            (str_to_u32(&s->text_position, name_scan(c)) || !cursor_char(c, ']')))
            *wrong = malformed;
    } else {
        return false;
    }
    if (!*wrong && !cursor_done(c))
        *wrong = malformed;
    return true;
}

static const char *selector_parse(struct selector *s, struct str text)
{
    struct cursor c = cursor_on(str_trim(text));
    const char *wrong = NULL;

    if (word_skip(&c, STR("id("))) {
        if (!literal_scan(&c, &s->id) || !cursor_char(&c, ')'))
            return malformed;
        if (cursor_done(&c))
            return NULL;
        if (!cursor_char(&c, '/'))
            return malformed;
    } else {
        cursor_char(&c, '/');
    }
    do {
        if (end_parse(s, &c, &wrong))
            return wrong;
        if (s->n == STEPS_MAX)
            return "too many steps in";
        wrong = step_parse(s, &s->steps[s->n++], &c);
    } while (!wrong && cursor_char(&c, '/'));
    return wrong ? wrong : cursor_done(&c) ? NULL : malformed;
}

/* ---- finding ---- */

/* The root counts under both its names: the examples of RFC 5262 and RFC 5264 begin with
 * `presence` where the document is a pidf-full. */
static bool names_root(const struct xml_name *name)
{
    return (str_equal(name->namespace, NS_PIDF) && str_equal(name->local, STR("presence"))) ||
           (str_equal(name->namespace, NS_PIDF_DIFF) && str_equal(name->local, STR("pidf-full")));
}

static bool name_fits(const struct xml_name *name, const struct xml_node *n)
{
    return xml_is(n, name->namespace, name->local) ||
           (!n->parent && names_root(name) && names_root(&n->name));
}

/* Is the literal all the text in the element? */
static bool value_is(struct selector *s, const struct xml_node *top, struct str literal)
{
    for (const struct xml_node *n = top; n && *s->work <= PATCH_WORK_MAX; n = xml_walk(n, top)) {
        ++*s->work;
        if (!str_starts(literal, n->text))
            return false;
        literal = str_sub(literal, n->text.n, literal.n);
    }
    return literal.n == 0;
}

static bool value_fits(struct selector *s, const struct predicate *p, const struct xml_node *n)
{
    const struct xml_attribute *a;

    switch (p->kind) {
    case ATTRIBUTE:
        *s->work += n->n_attributes / 4; /* a few are as good as none */
        a = xml_attribute_of(n, p->name.namespace, p->name.local);
        return a && str_equal(a->value, p->literal);
    case CHILD:
        for (const struct xml_node *c = xml_first_node(n); c; c = xml_next_node(c)) {
            ++*s->work;
            if (!xml_is_text(c) && name_fits(&p->name, c) && value_is(s, c, p->literal))
                return true;
        }
        return false;
    case ITSELF:
        return value_is(s, n, p->literal);
    case POSITION:
        break;
    }
    return true;
}

/* Do the name and the first `n_predicates` fit, positions aside? */
static bool step_fits_partly(struct selector *s, const struct step *step, size_t n_predicates,
                             const struct xml_node *n)
{
    ++*s->work;
    if (!step->any && !name_fits(&step->name, n))
        return false;
    for (size_t i = 0; i < n_predicates; i++)
        if (!value_fits(s, &step->predicates[i], n))
            return false;
    return true;
}

static bool step_fits(struct selector *s, const struct step *step, const struct xml_node *n)
{
    if (!step_fits_partly(s, step, step->n, n))
        return false;
    for (size_t i = 0; i < step->n; i++) {
        uint32_t position = 1;

        if (step->predicates[i].kind != POSITION)
            continue;
        for (const struct xml_node *m = n->parent ? xml_first(n->parent) : n; m != n;
             m = xml_next(m))
            position += step_fits_partly(s, step, i, m);
        return position == step->predicates[i].position;
    }
    return true;
}

/* The next element that is not below `n`, and how many steps down it is; NULL: none at `depth` 0 or
 * more. */
static struct xml_node *walk_beside(const struct xml_node *n, size_t *depth)
{
    struct xml_node *next = xml_next(n);

    for (; !next && *depth; next = xml_next(n)) {
        n = n->parent;
        --*depth;
    }
    return next;
}

/* Below `base`, or from the root; NULL unless it is exactly one. What does not fit its step is not
 * looked into. */
static struct xml_node *element_find(struct selector *s, struct xml_node *root,
                                     const struct xml_node *base)
{
    struct xml_node *n = base ? xml_first(base) : root, *found = NULL;
    size_t depth = 0;

    while (n && s->n) {
        bool fits = step_fits(s, &s->steps[depth], n), last = depth + 1 == s->n;

        if (*s->work > PATCH_WORK_MAX || (fits && last && found))
            return NULL;
        if (fits && last)
            found = n;
        if (fits && !last && xml_first(n)) {
            n = xml_first(n);
            depth++;
        } else {
            n = walk_beside(n, &depth);
        }
    }
    return found;
}

/* In a document without a schema the attributes called `id` are the ones: RFC 5262 section 3. */
static struct xml_node *id_find(struct selector *s, struct xml_node *root)
{
    struct str id;

    for (struct xml_node *n = root; n; n = xml_walk(n, root)) {
        *s->work += 1 + n->n_attributes / 4;
        if (xml_attribute_find(n, STR("id"), &id) && str_equal(id, s->id))
            return n;
    }
    return NULL;
}

static struct xml_node *text_find(const struct selector *s, const struct xml_node *element)
{
    struct xml_node *found = NULL;
    uint32_t position = 0;

    for (struct xml_node *n = xml_first_node(element); n; n = xml_next_node(n)) {
        const struct xml_node *former = xml_previous_node(n);

        ++*s->work;
        if (!xml_is_text(n) || (former && xml_is_text(former)))
            continue;
        position++;
        if (s->text_position == 0 && found)
            return NULL;
        if (s->text_position == 0 || s->text_position == position)
            found = n;
    }
    return found;
}

static bool target_find(const struct selector *s, struct xml_node *element, struct target *out)
{
    *out = (struct target){ .kind = s->kind, .node = element };
    switch (s->kind) {
    case TARGET_ELEMENT:
        break;
    case TARGET_TEXT:
        out->node = text_find(s, element);
        return out->node != NULL;
    case TARGET_ATTRIBUTE:
        out->attribute = xml_attribute_of(element, s->attribute.namespace, s->attribute.local);
        return out->attribute != NULL;
    case TARGET_BINDING:
        out->binding = xml_binding_at(element, s->prefix);
        return out->binding != NULL;
    }
    return true;
}

static unsigned depth_of(const struct xml_node *n)
{
    unsigned depth = 0;

    for (; n; n = n->parent)
        depth++;
    return depth;
}

int selector_find(struct target *out, struct xml_node *root, const struct xml_node *operation,
                  size_t *work, struct buf *why)
{
    struct selector s = { .scope = operation,
                          .work = work,
                          .name_work = 1 + xml_bindings_count(operation) };
    struct xml_node *element = root;
    struct target found;
    const char *wrong;
    struct str text;

    if (!xml_attribute_find(operation, STR("sel"), &text))
        return xml_refuse(why, operation, "no attribute sel", STR_EMPTY);
    wrong = selector_parse(&s, text);
    if (wrong && *work <= PATCH_WORK_MAX)
        return xml_refuse(why, operation, wrong, text);
    if (wrong)
        element = NULL;
    else if (s.id.p)
        element = id_find(&s, root);
    if (element && (s.n || !s.id.p))
        element = element_find(&s, element, s.id.p ? element : NULL);
    if (*work > PATCH_WORK_MAX || (element && depth_of(element) > XML_DEPTH_MAX)) {
        (void)xml_refuse(why, operation, "too much to look at, or too deep", text);
        return INBOUND_TOO_LARGE;
    }
    if (!element || !target_find(&s, element, &found))
        return xml_refuse(why, operation, unlocated, text);
    *out = found;
    return 0;
}
