// SPDX-License-Identifier: MIT
/* inbound.c - which body is read by whom, and what all readers need. */
#include "body/inbound_internal.h"
#include "sip/field.h"

#include <stddef.h>

enum {
    ROWS_MAX =
        1024, /* dialogs, or tuples and the like, of one document: each is compared with all */
    TREE_ROOM = 8192,
};

enum body_type {
    TYPE_DIALOG_INFO,
    TYPE_PIDF,
    TYPE_PIDF_DIFF,
    TYPE_XPIDF,
    TYPE_CPIM,
    TYPE_SUMMARY,
    BODY_TYPES
};

static const struct str subtypes[BODY_TYPES] = { /* of application/ */
                                                 [TYPE_DIALOG_INFO] = STR_INIT("dialog-info+xml"),
                                                 [TYPE_PIDF] = STR_INIT("pidf+xml"),
                                                 [TYPE_PIDF_DIFF] = STR_INIT("pidf-diff+xml"),
                                                 [TYPE_XPIDF] = STR_INIT("xpidf+xml"),
                                                 [TYPE_CPIM] = STR_INIT("cpim-pidf+xml"),
                                                 [TYPE_SUMMARY] =
                                                     STR_INIT("simple-message-summary")
};

static const struct package {
    struct str name;
    size_t n;
    enum body_type types[BODY_TYPES]; /* in the order of Accept */
} packages[] = {
    { STR_INIT("dialog"), 4, { TYPE_DIALOG_INFO, TYPE_PIDF, TYPE_XPIDF, TYPE_CPIM } },
    { STR_INIT("presence"),
      5,
      { TYPE_PIDF, TYPE_PIDF_DIFF, TYPE_XPIDF, TYPE_CPIM, TYPE_DIALOG_INFO } },
    { STR_INIT("message-summary"), 1, { TYPE_SUMMARY } },
};

static const struct package *package_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(packages); i++)
        if (str_equal(packages[i].name, name))
            return &packages[i];
    return NULL;
}

static bool package_has(const struct package *p, enum body_type type)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->types[i] == type)
            return true;
    return false;
}

bool inbound_package_known(struct str package)
{
    return package_find(package) != NULL;
}

void inbound_types_print(struct str package, struct buf *out)
{
    const struct package *p = package_find(package);

    for (size_t i = 0; p && i < p->n; i++) {
        buf_add(out, STR("application/"));
        buf_add(out, subtypes[p->types[i]]);
        buf_add(out, STR(", "));
    }
    if (p)
        buf_add(out, STR("multipart/related"));
}

/* ---- what all readers need ---- */

int inbound_content(struct inbound *in, struct es_text *out, const struct xml_node *n)
{
    return event_state_text(in->state, out, str_trim(xml_text(n)));
}

int inbound_attribute(struct inbound *in, struct es_text *out, const struct xml_node *n,
                      struct str local)
{
    struct str value = STR_EMPTY;

    (void)xml_attribute_find(n, local, &value);
    return event_state_text(in->state, out, str_trim(value));
}

static int xml_take(struct inbound *in, struct es_text *out)
{
    in->kept_xml += in->xml.n;
    if (in->xml.error == -ENOMEM)
        return -ENOMEM;
    if (in->xml.error || in->kept_xml > INBOUND_XML_MAX) {
        buf_add(in->why, STR("too much in elements of other namespaces"));
        return INBOUND_TOO_LARGE;
    }
    return event_state_text(in->state, out, buf_str(&in->xml));
}

int inbound_keep(struct inbound *in, struct es_text *out, struct xml_node *n)
{
    int r;

    buf_reset(&in->xml);
    r = xml_print(&in->tree.arena, n, false, &in->xml);
    return r ? r : xml_take(in, out);
}

int inbound_keep_children(struct inbound *in, struct es_text *out, const struct xml_node *parent,
                          bool (*wanted)(const struct xml_node *n))
{
    int r = 0;

    buf_reset(&in->xml);
    for (struct xml_node *n = xml_first(parent); n && r == 0; n = xml_next(n))
        if (wanted(n))
            r = xml_print(&in->tree.arena, n, false, &in->xml);
    return r ? r : xml_take(in, out);
}

/* ---- what the Content-Type says ---- */

static bool charset_known(struct str params)
{
    struct str charset;

    if (!sip_param_find(params, STR("charset"), &charset))
        return true;
    if (charset.n > 1 && charset.p[0] == '"')
        charset = str_sub(charset, 1, charset.n - 1);
    return str_equal_nocase(charset, STR("UTF-8")) || str_equal_nocase(charset, STR("UTF8")) ||
           str_equal_nocase(charset, STR("US-ASCII"));
}

/* 0 or INBOUND_WRONG_TYPE. */
static int type_find(const struct package *p, const struct sip_media_range *range,
                     enum body_type *out)
{
    if (!str_equal_nocase(range->type, STR("application")) || !charset_known(range->params))
        return INBOUND_WRONG_TYPE;
    for (size_t i = 0; i < p->n; i++)
        if (str_equal_nocase(range->subtype, subtypes[p->types[i]])) {
            *out = p->types[i];
            return 0;
        }
    return INBOUND_WRONG_TYPE;
}

static bool is_multipart(const struct sip_media_range *range)
{
    return str_equal_nocase(range->type, STR("multipart")) &&
           str_equal_nocase(range->subtype, STR("related"));
}

int inbound_root(struct str *content_type, struct str *body, struct buf *why)
{
    struct sip_media_range range;

    if (!str_starts_nocase(*content_type, STR("m")) || /* it mostly is "application" */
        sip_media_range_parse(&range, *content_type) || !is_multipart(&range))
        return 0;
    return inbound_multipart_root(range.params, *body, content_type, body, why);
}

/* The type of the body; of a multipart/related one that of the root part, which `body` becomes. 0,
 * INBOUND_WRONG_TYPE, INBOUND_MALFORMED. */
static int body_open(const struct package *p, struct str content_type, struct str *body,
                     enum body_type *type, struct buf *why)
{
    struct sip_media_range range;
    int r = inbound_root(&content_type, body, why);

    if (r)
        return r;
    r = sip_media_range_parse(&range, content_type) ? INBOUND_WRONG_TYPE : 0;
    if (r == 0)
        r = type_find(p, &range, type);
    if (r) {
        buf_add(why, STR("not a type, or not a charset, for this package: '"));
        xml_excerpt_print(why, content_type);
        buf_add(why, STR("'"));
    }
    return r;
}

/* ---- reading ---- */

static const struct root {
    struct str namespace, name;
    unsigned types; /* bits: where it may stand */
    int (*check)(const struct xml_node *root, struct buf *why);
    int (*read)(struct inbound *in, const struct xml_node *root);
} roots[] = {
    { STR_INIT("urn:ietf:params:xml:ns:dialog-info"), STR_INIT("dialog-info"),
      BIT(TYPE_DIALOG_INFO), inbound_dialog_check, inbound_dialog_read },
    /* RFC 5262 section 3 does not want `presence` where a diff may come, but it can only mean one
     * thing. */
    { STR_INIT("urn:ietf:params:xml:ns:pidf"), STR_INIT("presence"),
      BIT(TYPE_PIDF) | BIT(TYPE_PIDF_DIFF) | BIT(TYPE_XPIDF) | BIT(TYPE_CPIM), inbound_pidf_check,
      inbound_pidf_read },
    { STR_INIT("urn:ietf:params:xml:ns:pidf-diff"), STR_INIT("pidf-full"), BIT(TYPE_PIDF_DIFF),
      inbound_pidf_check, inbound_pidf_read },
    { STR_INIT(""), STR_INIT("presence"), BIT(TYPE_XPIDF) | BIT(TYPE_CPIM), inbound_xpidf_check,
      inbound_xpidf_read },
};

static int xml_read(struct inbound *in, enum body_type type, struct str body)
{
    const struct xml_node *root;
    unsigned rows = 0;
    int r = xml_tree_parse(&in->tree, body, in->why);

    if (r)
        return r;
    root = in->tree.root;
    for (const struct xml_node *n = xml_first(root); n; n = xml_next(n))
        if (++rows > ROWS_MAX) {
            (void)xml_refuse(in->why, n, "too many elements below the root", STR_EMPTY);
            return INBOUND_TOO_LARGE;
        }
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if ((roots[i].types & BIT(type)) && xml_is(root, roots[i].namespace, roots[i].name)) {
            r = roots[i].check(root, in->why);
            return r ? r : roots[i].read(in, root);
        }
    if (xml_is(root, NS_PIDF_DIFF, STR("pidf-diff")))
        return xml_refuse(in->why, root, "changes a document that was never published", STR_EMPTY);
    return xml_refuse(in->why, root, "is not a root element for this type; its namespace is",
                      root->name.namespace.n ? root->name.namespace : STR(""));
}

static int body_read(struct inbound *in, const struct package *p, struct str content_type,
                     struct str body)
{
    enum body_type type;
    int r = body_open(p, content_type, &body, &type, in->why);
    if (r == 0)
        r = xml_text_check(body, in->why);
    if (r)
        return r;
    return type == TYPE_SUMMARY ? inbound_messages_read(in, body) : xml_read(in, type, body);
}

int inbound_parse(struct event_state **out, struct xml_parser *xml, struct str package,
                  struct str content_type, struct str body, struct buf *why)
{
    const struct package *p = package_find(package);
    _Alignas(max_align_t) char room[TREE_ROOM];
    struct inbound in = { .tree.keeper = xml, .why = why };
    int r;

    if (!p)
        return INBOUND_WRONG_TYPE;
    arena_lend(&in.tree.arena, room, sizeof(room));
    r = event_state_create(&in.state);
    if (r)
        return r;
    buf_init(&in.xml, INBOUND_XML_MAX);
    r = body_read(&in, p, content_type, body);
    if (r == 0) {
        *out = in.state;
        in.state = NULL;
    }
    buf_fini(&in.xml);
    xml_tree_fini(&in.tree);
    event_state_unref(in.state);
    return r;
}

int inbound_check_xml(struct str content_type, struct str body, struct buf *why)
{
    struct xml_tree t = { .root = NULL };
    struct sip_media_range range;
    struct str end;
    int r;

    if (sip_media_range_parse(&range, content_type))
        return 0;
    end = str_sub(range.subtype, range.subtype.n > 4 ? range.subtype.n - 4 : 0, range.subtype.n);
    if (!str_equal_nocase(range.subtype, STR("xml")) && !str_equal_nocase(end, STR("+xml")))
        return 0;
    r = xml_text_check(body, why);
    if (r == 0)
        r = xml_tree_parse(&t, body, why);
    xml_tree_fini(&t);
    return r;
}

int inbound_is_diff(bool *out, struct str package, struct str content_type, struct str body)
{
    const struct package *p = package_find(package);
    struct xml_tree t = { .root = NULL };
    struct sip_media_range range;
    enum body_type type;
    struct buf why;
    char reason[64]; /* inbound_parse tells it again */
    int r;

    *out = false;
    if (!p || !package_has(p, TYPE_PIDF_DIFF) || sip_media_range_parse(&range, content_type) ||
        type_find(p, &range, &type) || type != TYPE_PIDF_DIFF)
        return 0;
    buf_init_on(&why, reason, sizeof(reason));
    r = xml_text_check(body, &why);
    if (r == 0)
        r = xml_tree_parse(&t, body, &why);
    *out = r == 0 && xml_is(t.root, NS_PIDF_DIFF, STR("pidf-diff"));
    xml_tree_fini(&t);
    return r < 0 ? r : 0;
}
