// SPDX-License-Identifier: MIT
/* xml.c - libxml2 parses, this builds. A document type is refused as soon as it begins, so
 * no entity is ever declared: nothing can expand, and nothing outside is asked for. */
#include "xml/xml.h"
#include <libxml/SAX2.h>
#include <libxml/parser.h>

enum {
    EXCERPT_MAX = 48,  /* bytes of what a peer wrote, in a reason */
    MESSAGE_MAX = 120, /* of libxml2's remarks, in bytes */
    TREE_BLOCK = 8192,
    NAMES_KEPT = 16384, /* bytes of names that a parser may know and be kept */
};

#if LIBXML_VERSION < 21200
typedef xmlError *error_arg;
#else
typedef const xmlError *error_arg;
#endif

struct reader {
    xmlParserCtxt *parser;
    struct xml_tree *tree;
    struct xml_node *open; /* the innermost element that has not ended */
    struct buf text;       /* since the last tag */
    unsigned text_line;
    unsigned elements, depth;
    size_t bindings; /* in force */
    int result;      /* the first thing that was wrong */
    struct buf *why;
};

static void no_message(void *ctx, const char *format, ...)
{
    (void)ctx;
    (void)format;
}

void xml_init(void)
{
    xmlInitParser();
    /* What has no parser to complain to goes to stderr otherwise: here and in threads to come. */
    xmlSetGenericErrorFunc(NULL, no_message);
    xmlThrDefSetGenericErrorFunc(NULL, no_message);
}

/* ---- reasons ---- */

void xml_excerpt_print(struct buf *why, struct str text)
{
    buf_add_json(why, str_sub(text, 0, EXCERPT_MAX));
    if (text.n > EXCERPT_MAX)
        buf_add(why, STR("..."));
}

int xml_refuse_at(struct buf *why, unsigned line, struct str element, const char *what,
                  struct str value)
{
    buf_printf(why, "line %u", line);
    if (element.n) {
        buf_add(why, STR(", "));
        xml_excerpt_print(why, element);
    }
    buf_printf(why, ": %s", what);
    if (value.p) {
        buf_add(why, STR(" '"));
        xml_excerpt_print(why, value);
        buf_add(why, STR("'"));
    }
    return XML_MALFORMED;
}

/* ---- while libxml2 parses ---- */

static struct str str_from(const xmlChar *text)
{
    return str_of((const char *)text);
}

static void stop(struct reader *r, int result, const char *what)
{
    if (r->result == 0) {
        r->result = result;
        if (result > 0)
            (void)xml_refuse_at(r->why, (unsigned)xmlSAX2GetLineNumber(r->parser), STR_EMPTY, what,
                                STR_EMPTY);
    }
    xmlStopParser(r->parser);
}

static void on_error(void *ctx, error_arg e)
{
    struct reader *r = ctx;
    struct str message = str_trim(str_of(e->message));

    if (e->level < XML_ERR_ERROR || r->result)
        return;
    if (e->code == XML_ERR_NO_MEMORY) {
        r->result = -ENOMEM;
        return;
    }
    r->result = XML_MALFORMED;
    buf_printf(r->why, "line %d: ", e->line);
    buf_add_json(r->why, str_sub(message, 0, MESSAGE_MAX));
}

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    stop(ctx, XML_MALFORMED, "a document type is not accepted");
}

static void on_text(void *ctx, const xmlChar *text, int n)
{
    struct reader *r = ctx;

    if (r->text.n == 0)
        r->text_line = (unsigned)xmlSAX2GetLineNumber(r->parser);
    buf_add(&r->text, (struct str){ (const char *)text, (size_t)n });
    if (r->text.error)
        stop(r, r->text.error == -ENOMEM ? -ENOMEM : XML_TOO_LARGE, "a text too long");
}

static struct xml_node *node_add(struct reader *r, unsigned line)
{
    struct xml_node *n = arena_alloc(&r->tree->arena, sizeof(*n));

    if (!n)
        return NULL;
    n->line = line;
    n->parent = r->open;
    list_init(&n->children);
    list_init(&n->link);
    if (r->open)
        list_append(&r->open->children, &n->link);
    return n;
}

/* What came since the last tag becomes a text among the children of the open element. */
static int text_end(struct reader *r)
{
    struct xml_node *n;

    if (r->text.n == 0)
        return 0;
    n = node_add(r, r->text_line);
    if (!n || arena_str(&r->tree->arena, &n->text, buf_str(&r->text)))
        return -ENOMEM;
    buf_reset(&r->text);
    return 0;
}

static bool name_fits(const struct xml_name *name)
{
    return name->local.n <= XML_NAME_MAX && name->prefix.n <= XML_NAME_MAX &&
           name->namespace.n <= XML_NAME_MAX;
}

static int attribute_add(struct reader *r, struct xml_node *n, const xmlChar **a)
{
    struct xml_attribute attribute = { .name = { str_from(a[1]), str_from(a[0]), str_from(a[2]) } };
    struct str value = { (const char *)a[3], (size_t)(a[4] - a[3]) };

    if (!name_fits(&attribute.name))
        return XML_TOO_LARGE;
    if (arena_str(&r->tree->arena, &attribute.value, value) ||
        ARRAY_GROW_IN(&r->tree->arena, n->attributes, n->n_attributes))
        return -ENOMEM;
    n->attributes[n->n_attributes++] = attribute;
    return 0;
}

static int element_add(struct reader *r, const struct xml_name *name, const xmlChar **bindings,
                       int n_bindings, const xmlChar **attributes, int n_attributes)
{
    struct xml_node *n;
    int result = text_end(r);

    if (result)
        return result;
    if (++r->elements > XML_ELEMENTS_MAX || ++r->depth > XML_DEPTH_MAX || !name_fits(name) ||
        n_bindings + n_attributes > XML_ATTRIBUTES_MAX)
        return XML_TOO_LARGE;
    r->bindings += (size_t)n_bindings;
    if (r->bindings > XML_BINDINGS_MAX)
        return XML_TOO_LARGE;
    n = node_add(r, (unsigned)xmlSAX2GetLineNumber(r->parser));
    if (!n)
        return -ENOMEM;
    n->name = *name;
    for (int i = 0; i < n_bindings && result == 0; i++, bindings += 2) {
        struct xml_binding b = { str_from(bindings[0]), str_from(bindings[1]) };

        if (b.prefix.n > XML_NAME_MAX || b.namespace.n > XML_NAME_MAX)
            return XML_TOO_LARGE;
        result = xml_binding_add(&r->tree->arena, n, b);
    }
    for (int i = 0; i < n_attributes && result == 0; i++, attributes += 5)
        result = attribute_add(r, n, attributes);
    if (!r->open)
        r->tree->root = n;
    r->open = n;
    return result;
}

static void on_start(void *ctx, const xmlChar *local, const xmlChar *prefix,
                     const xmlChar *namespace, int n_bindings, const xmlChar **bindings,
                     int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    const struct xml_name name = { str_from(prefix), str_from(local), str_from(namespace) };
    struct reader *r = ctx;
    int result;

    (void)n_defaulted; /* needs a document type */
    if (r->result)
        return;
    result = element_add(r, &name, bindings, n_bindings, attributes, n_attributes);
    if (result)
        stop(
            r, result,
            "too many or too deep elements, too many attributes or namespaces, or too long a name");
}

static void on_end(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *namespace)
{
    struct reader *r = ctx;

    (void)local;
    (void)prefix;
    (void)namespace;
    if (r->result)
        return;
    if (text_end(r)) {
        stop(r, -ENOMEM, "");
        return;
    }
    r->bindings -= r->open->n_bindings;
    r->open = r->open->parent;
    r->depth--;
}

static const xmlSAXHandler handler = {
    .initialized = XML_SAX2_MAGIC,
    .internalSubset = on_doctype,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .serror = on_error,
};

/* ---- the document as a whole ---- */

static bool charset_fits(struct str name)
{
    return str_equal_nocase(name, STR("UTF-8")) || str_equal_nocase(name, STR("UTF8")) ||
           str_equal_nocase(name, STR("US-ASCII"));
}

/* What the XML declaration says about the encoding, if it says anything; what is odd about it is
 * left to libxml2. */
static struct str declared_encoding(struct str body)
{
    static const char word[] = "encoding";
    struct str bom = STR("\xef\xbb\xbf"), declaration;
    struct cursor c;
    const char *at;

    if (str_starts(body, bom))
        body = str_sub(body, bom.n, body.n);
    if (!str_starts(body, STR("<?xml")))
        return STR_EMPTY;
    declaration = str_sub(body, 0, str_find_char(body, '>'));
    at = memmem(declaration.p, declaration.n, word, sizeof(word) - 1);
    if (!at)
        return STR_EMPTY;
    at += sizeof(word) - 1;
    c = cursor_on(str_sub(declaration, (size_t)(at - declaration.p), declaration.n));
    if (!cursor_skip(&c, '='))
        return STR_EMPTY;
    if (cursor_char(&c, '\''))
        return cursor_until(&c, '\'');
    return cursor_char(&c, '"') ? cursor_until(&c, '"') : STR_EMPTY;
}

/* How many of the next eight bytes, up to the first that is none, are printable ASCII; 0 at the end
 * as well. See "Bit Twiddling Hacks", hasless(). */
static unsigned plain_bytes(struct str body, size_t at)
{
    const uint64_t each = 0x0101010101010101ull;
    uint64_t w, others;

    if (body.n - at < sizeof(w))
        return 0;
    memcpy(&w, body.p + at, sizeof(w));
    w = le64toh(w);
    others = ((w - ' ' * each) | w) & 0x80 * each;
    return others ? (unsigned)__builtin_ctzll(others) / 8 : sizeof(w);
}

int xml_text_check(struct str body, struct buf *why)
{
    unsigned line = 1;

    if (body.n > XML_TEXT_MAX) {
        buf_printf(why, "more than %d bytes", XML_TEXT_MAX);
        return XML_TOO_LARGE;
    }
    for (size_t i = 0; i < body.n;) {
        unsigned char c = (unsigned char)body.p[i];
        size_t length = plain_bytes(body, i);

        if (length) {
            i += length;
            continue;
        }
        length = c < 0x80 ? 1 : str_utf8_length(str_sub(body, i, body.n));
        if (length == 0)
            return xml_refuse_at(why, line, STR_EMPTY, "not UTF-8", STR_EMPTY);
        if (c < ' ' && c != '\t' && c != '\r' && c != '\n')
            return xml_refuse_at(why, line, STR_EMPTY, "a control character", STR_EMPTY);
        line += c == '\n';
        i += length;
    }
    return 0;
}

/* The one that was kept, or a new one, and what it is to parse; NULL without memory. */
static xmlParserCtxt *parser_take(struct reader *r, struct xml_parser *keeper, struct str body)
{
    xmlParserCtxt *p = keeper ? keeper->spare : NULL;

    if (!p)
        return xmlCreatePushParserCtxt((xmlSAXHandler *)&handler, r, body.p, (int)body.n, NULL);
    keeper->spare = NULL;
    p->userData = r;
    if (xmlCtxtResetPush(p, body.p, (int)body.n, NULL, NULL) == 0)
        return p;
    xmlFreeParserCtxt(p);
    return NULL;
}

int xml_tree_parse(struct xml_tree *t, struct str body, struct buf *why)
{
    struct reader r = { .tree = t, .why = why };
    struct str encoding = declared_encoding(body);

    if (encoding.n && !charset_fits(encoding))
        return xml_refuse_at(why, 1, STR_EMPTY, "the encoding is not UTF-8 but", encoding);
    if (body.n == 0)
        return xml_refuse_at(why, 1, STR_EMPTY, "no document", STR_EMPTY);
    r.parser = parser_take(&r, t->keeper, body);
    if (!r.parser)
        return -ENOMEM;
    t->parser = r.parser;
    t->arena.block_size = TREE_BLOCK;
    buf_init(&r.text, XML_TEXT_MAX);
    /* NOENT: without it &amp; in an attribute arrives as &#38;. There are no other entities. */
    xmlCtxtUseOptions(r.parser, XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_IGNORE_ENC);
    (void)xmlParseChunk(r.parser, NULL, 0, 1);
    if (r.result == 0 && (!r.parser->wellFormed || !r.parser->nsWellFormed || !t->root || r.open))
        r.result = xml_refuse_at(why, 1, STR_EMPTY, "not well-formed", STR_EMPTY);
    buf_fini(&r.text);
    t->parsed = r.result == 0;
    return r.result;
}

/* One that has met anything wrong is not trusted with another document, and one that has been told
 * ever new names is forgotten with them. */
static bool is_worth_keeping(const struct xml_tree *t)
{
    return t->keeper && !t->keeper->spare && t->parsed &&
           xmlDictGetUsage(((xmlParserCtxt *)t->parser)->dict) <= NAMES_KEPT;
}

void xml_tree_fini(struct xml_tree *t)
{
    arena_fini(&t->arena);
    if (is_worth_keeping(t))
        t->keeper->spare = t->parser;
    else if (t->parser)
        xmlFreeParserCtxt(t->parser);
    *t = (struct xml_tree){ .root = NULL };
}

void xml_parser_fini(struct xml_parser *p)
{
    if (p->spare)
        xmlFreeParserCtxt(p->spare);
    p->spare = NULL;
}
