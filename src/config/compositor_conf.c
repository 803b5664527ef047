// SPDX-License-Identifier: MIT
/* Compositors: [compositor] of extstate.conf, and any section there with type = compositor. */
#include "config/conf_reader.h"
#include "config/schema.h"

#include <stdlib.h>

struct compositor_draft {
    struct compositor_settings c;
};

/* ---- packages ---- */

static const struct str known_packages[] = { STR_INIT("dialog"), STR_INIT("presence"),
                                             STR_INIT("message-summary") };

static bool is_known_package(struct str package)
{
    for (size_t i = 0; i < ARRAY_LEN(known_packages); i++)
        if (str_equal(package, known_packages[i]))
            return true;
    return false;
}

static int list_add(struct reading *r, struct str **list, size_t *n, struct str value)
{
    int result = ARRAY_GROW_IN(r->arena, *list, *n);

    if (!result)
        result = arena_str(r->arena, &(*list)[*n], value);
    if (!result)
        ++*n;
    return result;
}

static int read_packages(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why)
{
    struct compositor_settings *c = &((struct compositor_draft *)object)->c;
    struct str rest = e->value;

    (void)o;
    c->packages = NULL;
    c->n_packages = 0;
    while (rest.p) {
        struct str package = str_next(&rest, ',');
        int result;

        if (!is_known_package(package))
            return option_bad(why,
                              "not all of dialog, presence, message-summary; others are served "
                              "as they are published: name them in opaque");
        result = list_add(r, &c->packages, &c->n_packages, package);
        if (result)
            return result;
    }
    return 0;
}

/* RFC 6665 section 8.4: an event type is a token, and one with a template is not published. */
static bool is_package_token(struct str package)
{
    struct cursor c = cursor_on(package);
    struct str token = cursor_token(&c);

    return token.n && cursor_done(&c) && !memchr(token.p, '.', token.n);
}

static int read_opaque(struct reading *r, const struct option *o, void *object,
                       const struct conf_entry *e, struct buf *why)
{
    struct compositor_settings *c = &((struct compositor_draft *)object)->c;
    struct str rest = e->value;

    (void)o;
    while (rest.p) {
        struct str package = str_next(&rest, ',');
        int result;

        if (is_known_package(package))
            return option_bad(why, "dialog, presence and message-summary are not opaque: name them "
                                   "in packages");
        if (!is_package_token(package))
            return option_bad(why, "not a list of event packages");
        result = list_add(r, &c->opaques, &c->n_opaques, package);
        if (result)
            return result;
    }
    return 0;
}

/* ---- the table ---- */

static const struct option_word rights[] = {
    { "none", PUBLISH_NONE }, { "own", PUBLISH_OWN }, { "any", PUBLISH_ANY }, { NULL, 0 }
};
static const struct option_word orders[] = { { "aggregate", COMPOSE_AGGREGATE },
                                             { "hint", COMPOSE_HINT_FIRST },
                                             { "publication", COMPOSE_PUBLICATION_FIRST },
                                             { NULL, 0 } };
static const struct option_word users[] = { { "known", false }, { "any", true }, { NULL, 0 } };
static const struct option_word types[] = { { "compositor", 0 }, { NULL, 0 } };

struct compositor_words { /* options whose fields are not numbers */
    uint32_t type, publish, order, users;
};

struct compositor_object {
    struct compositor_draft d; /* first: custom readers know nothing else */
    struct compositor_words w;
};

static const struct option compositor_options[] = {
    { "type", OPTION_WORD, AT(compositor_object, w.type), .words = types, .fallback = "compositor",
      .meaning = "Not needed in a section called [compositor]." },
    { "domains", OPTION_LIST, ARRAY_AT(compositor_object, d.c.domains, d.c.n_domains),
      .meaning = "Host parts of the Request-URIs it serves, names or addresses. Without any it "
                 "serves every domain that no other section names; who subscribes there is shown "
                 "what its own context has first." },
    { "context", OPTION_STR, AT(compositor_object, d.c.context), .fallback = "default", .max = 79,
      .meaning = "Where its resources live: what is published for a user and a hint of the same "
                 "name in this context are one lamp." },
    { "packages", OPTION_CUSTOM, .read = read_packages,
      .fallback = "dialog,presence,message-summary",
      .type_text = "list of dialog, presence, message-summary",
      .meaning = "Event packages that may be published, and are composed." },
    { "opaque", OPTION_CUSTOM, .read = read_opaque, .type_text = "list of event packages",
      .meaning = "Event packages that are served as they are published: the last document wins." },
    { "publish", OPTION_WORD, AT(compositor_object, w.publish), .words = rights, .fallback = "own",
      .meaning = "Whose state an endpoint may publish: nobody's, its own (the user is its id or "
                 "that of one of its aors), anybody's." },
    { "publishers", OPTION_LIST, ARRAY_AT(compositor_object, d.c.publishers, d.c.n_publishers),
      .meaning = "Endpoints that may publish; all of them when not given." },
    { "minimum_expiry", OPTION_DURATION, AT(compositor_object, d.c.minimum_expiry_s),
      .fallback = "5", .max = UINT32_MAX,
      .meaning = "Shortest publication; a shorter wish is answered 423." },
    { "maximum_expiry", OPTION_DURATION, AT(compositor_object, d.c.maximum_expiry_s),
      .fallback = "3600", .min = 1, .max = UINT32_MAX,
      .meaning = "Longest publication; a longer wish is granted this." },
    { "default_expiry", OPTION_DURATION, AT(compositor_object, d.c.default_expiry_s),
      .fallback = "3600", .min = 1, .max = UINT32_MAX,
      .meaning = "Length of a publication that asks for none." },
    { "expiry_grace", OPTION_DURATION, AT(compositor_object, d.c.expiry_grace_s), .fallback = "10",
      .max = 3600,
      .meaning = "How much longer a publication is kept than was granted: many publishers refresh "
                 "at the very end." },
    { "max_publications_per_publisher", OPTION_U32, AT(compositor_object, d.c.max_per_publisher),
      .fallback = "10000", ANY_U32, .meaning = "More are answered 503; 0 is no limit." },
    { "max_publications_per_resource", OPTION_U32, AT(compositor_object, d.c.max_per_resource),
      .fallback = "32", ANY_U32, .meaning = "More are answered 503; 0 is no limit." },
    { "max_body", OPTION_U32, AT(compositor_object, d.c.max_body), .fallback = "65536", .min = 1,
      .max = 65536, .meaning = "Bytes of a body; a larger one is answered 413." },
    { "order", OPTION_WORD, AT(compositor_object, w.order), .words = orders,
      .fallback = "aggregate",
      .meaning = "Where there is a hint as well: both count like two devices, the hint alone, or "
                 "the publications alone while there are any." },
    { "users", OPTION_WORD, AT(compositor_object, w.users), .words = users, .fallback = "any",
      .meaning = "Whom it serves: any user of its domains, or those that are an endpoint or an "
                 "aor." },
    { "supersede", OPTION_BOOL, AT(compositor_object, d.c.supersede), .fallback = "yes",
      .meaning =
          "A publisher that begins anew replaces what it left behind for the same dialogs." },
};

const struct schema compositor_schema = {
    .file = "extstate.conf",
    .section = "[compositor], type = compositor",
    .kind = "compositor",
    .meaning =
        "An event state compositor: accepts PUBLISH and composes what several publishers say. "
        "Any number of sections, for different domains.",
    OPTIONS(compositor_options),
    .ignored = "",
    .object_size = sizeof(struct compositor_object),
    .closed = true,
};

/* ---- reading ---- */

bool is_compositor_section(const struct conf_section *s)
{
    const struct conf_entry *type = conf_entry_find(s, STR("type"));

    if (type)
        return str_equal_nocase(type->value, STR("compositor"));
    return str_equal_nocase(s->name, STR("compositor"));
}

static bool serves_domain(const struct compositor_settings *c, struct str domain)
{
    for (size_t i = 0; i < c->n_domains; i++)
        if (str_equal_nocase(c->domains[i], domain))
            return true;
    return false;
}

/* Told when it is true. */
static bool is_taken(struct reading *r, const struct settings *s, struct diag_place at,
                     const struct compositor_settings *c)
{
    for (size_t i = 0; i < s->n_compositors; i++) {
        const struct compositor_settings *other = &s->compositors[i];

        if (!c->n_domains && !other->n_domains) {
            reading_tell(r, DIAG_ERROR, at,
                         "compositor [%.*s] is refused: it has no domains, and neither has [%.*s]; "
                         "name the domains of one of them",
                         STR_FMT(c->id), STR_FMT(other->id));
            return true;
        }
        for (size_t k = 0; k < c->n_domains; k++) {
            if (!serves_domain(other, c->domains[k]))
                continue;
            reading_tell(
                r, DIAG_ERROR, at,
                "compositor [%.*s] is refused: [%.*s] serves %.*s already; leave it to one "
                "of them",
                STR_FMT(c->id), STR_FMT(other->id), STR_FMT(c->domains[k]));
            return true;
        }
    }
    return false;
}

static void settle_expiry(struct reading *r, struct diag_place at, struct compositor_settings *c)
{
    if (c->minimum_expiry_s > c->maximum_expiry_s) {
        reading_tell(
            r, DIAG_ERROR, at,
            "compositor [%.*s]: minimum_expiry is longer than maximum_expiry; it is cut to "
            "%u seconds",
            STR_FMT(c->id), c->maximum_expiry_s);
        c->minimum_expiry_s = c->maximum_expiry_s;
    }
    if (c->default_expiry_s > c->maximum_expiry_s)
        c->default_expiry_s = c->maximum_expiry_s;
    if (c->default_expiry_s < c->minimum_expiry_s)
        c->default_expiry_s = c->minimum_expiry_s;
}

static int compositor_keep(struct reading *r, struct settings *s,
                           const struct conf_section *section,
                           const struct compositor_object *object)
{
    struct compositor_settings c = object->d.c;
    int result = arena_str(r->arena, &c.id, section->name);

    c.publish = (enum publish_right)object->w.publish;
    c.order = (enum composition_order)object->w.order;
    c.any_user = object->w.users;
    if (!result)
        result = reading_place(r, section->at, &c.at);
    if (result || is_taken(r, s, section->at, &c))
        return result;
    settle_expiry(r, section->at, &c);
    result = ARRAY_GROW(s->compositors, s->n_compositors);
    if (!result)
        s->compositors[s->n_compositors++] = c;
    return result;
}

static int section_read(struct reading *r, const struct schema_use *use, struct settings *s,
                        const struct conf_section *section)
{
    struct compositor_object object;
    int result;

    memcpy(&object, use->defaults, sizeof(object));
    result = schema_read(r, use, &object, section);
    if (result)
        return result < 0 ? result : 0;
    return compositor_keep(r, s, section, &object);
}

int compositor_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &compositor_schema);

    for (size_t i = 0; i < conf->n_sections && !result; i++)
        if (!conf->sections[i].is_template && is_compositor_section(&conf->sections[i]))
            result = section_read(r, &use, s, &conf->sections[i]);
    schema_use_fini(&use);
    return result;
}

/* ---- finding ---- */

static struct str alias_followed(const struct settings *s, struct str domain)
{
    for (size_t i = 0; i < s->n_aliases; i++)
        if (str_equal_nocase(s->aliases[i].alias, domain))
            return s->aliases[i].domain;
    return domain;
}

const struct compositor_settings *settings_compositor(const struct settings *s, struct str domain)
{
    const struct compositor_settings *any = NULL;
    struct str real = alias_followed(s, domain);

    for (size_t i = 0; i < s->n_compositors; i++) {
        const struct compositor_settings *c = &s->compositors[i];

        if (serves_domain(c, domain) || serves_domain(c, real))
            return c;
        if (!c->n_domains)
            any = c;
    }
    return any;
}
