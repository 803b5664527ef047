// SPDX-License-Identifier: MIT
/* extstate.conf: [compositor], and which of several serves a domain. */
#include "config/pjsip.h"
#include "state/watcher.h"

#define MEMBER(member) AT(compositor_draft, c.member)

struct compositor_draft {
    struct compositor_settings c;
    uint32_t users;
    bool packages_given; /* what is written replaces the default, and each further line adds */
};

enum { USERS_ANY, USERS_KNOWN, DOMAIN_MAX = 257 /* of host_parse, and brackets */ };

static const struct option_word publish_words[] = {
    { "none", PUBLISH_NONE }, { "own", PUBLISH_OWN }, { "any", PUBLISH_ANY }, { NULL, 0 }
};
static const struct option_word order_words[] = { { "aggregate", COMPOSE_AGGREGATE },
                                                  { "hint", COMPOSE_HINT_FIRST },
                                                  { "publication", COMPOSE_PUBLICATION_FIRST },
                                                  { NULL, 0 } };
static const struct option_word users_words[] = { { "any", USERS_ANY },
                                                  { "known", USERS_KNOWN },
                                                  { NULL, 0 } };

/* ---- domains ---- */

/* The one spelling of a host that is compared: addresses as addr_print has them, names in small
 * letters. False when it is neither. */
static bool domain_print(struct buf *out, struct str host)
{
    struct addr a;

    if (!host_parse(&host, host))
        return false;
    if (addr_parse(&a, host, 0) == 0) {
        addr_print_host(out, &a);
        return !out->error;
    }
    for (size_t i = 0; i < host.n; i++) {
        bool capital = host.p[i] >= 'A' && host.p[i] <= 'Z';

        buf_add_char(out, capital ? (char)(host.p[i] - 'A' + 'a') : host.p[i]);
    }
    return !out->error;
}

/* ---- values ---- */

static int list_add(struct reading *r, struct str **list, size_t *n, struct str text)
{
    int result = ARRAY_GROW_IN(r->arena, *list, *n);

    if (result == 0)
        result = arena_str(r->arena, &(*list)[*n], text);
    *n += result == 0;
    return result;
}

static bool list_has(const struct str *list, size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(list[i], text))
            return true;
    return false;
}

/* Adds what `check` finds nothing wrong with to a list; the rest is told and left out. */
static int read_members(struct reading *r, const struct conf_entry *e, struct str **list, size_t *n,
                        const char *(*check)(struct str member))
{
    struct str rest = e->value;

    while (rest.n) {
        struct str member = str_next(&rest, ',');
        const char *why = member.n ? check(member) : NULL;
        int result = 0;

        if (why)
            reading_fault(r, e, member, str_of(why), STR("it is left out"));
        else if (member.n && !list_has(*list, *n, member))
            result = list_add(r, list, n, member);
        if (result)
            return result;
    }
    return 0;
}

static const char *domain_check(struct str member)
{
    char room[DOMAIN_MAX];
    struct buf domain;

    buf_init_on(&domain, room, sizeof(room));
    return domain_print(&domain, member) ? NULL : HOST_EXPECTED;
}

#define PACKAGES "dialog, presence, message-summary"

static bool package_is_known(struct str package)
{
    return str_equal(package, STR("dialog")) || str_equal(package, STR("presence")) ||
           str_equal(package, STR("message-summary"));
}

static const char *package_check(struct str member)
{
    return package_is_known(member) ? NULL
                                    : "not one of " PACKAGES
                                      "; opaque = serves others as they are published";
}

/* Templates (RFC 6665 section 5.2) tell what the notifier knows: nobody publishes that. */
static const char *opaque_check(struct str member)
{
    struct cursor c = cursor_on(member);

    if (str_is_listed(member, STR(PACKAGES)))
        return "a package that is understood; name it in packages";
    if (cursor_token(&c).n != member.n)
        return "not the name of an event package";
    if (winfo_watched(member).n || str_equal_nocase(member, STR("winfo")))
        return "a package that cannot be published";
    return NULL;
}

static int read_domains(struct reading *r, const struct option *o, void *object,
                        const struct conf_entry *e, struct buf *why)
{
    struct compositor_settings *c = &((struct compositor_draft *)object)->c;

    (void)o;
    (void)why;
    return read_members(r, e, &c->domains, &c->n_domains, domain_check);
}

static int read_packages(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why)
{
    struct compositor_draft *d = object;
    bool is_default = !why;

    (void)o;
    if (!is_default && !d->packages_given) {
        d->packages_given = true;
        d->c.packages = NULL;
        d->c.n_packages = 0;
    }
    return read_members(r, e, &d->c.packages, &d->c.n_packages, package_check);
}

static int read_opaque(struct reading *r, const struct option *o, void *object,
                       const struct conf_entry *e, struct buf *why)
{
    struct compositor_settings *c = &((struct compositor_draft *)object)->c;

    (void)o;
    (void)why;
    return read_members(r, e, &c->opaques, &c->n_opaques, opaque_check);
}

static const struct option compositor_options[] = {
    { "domains", OPTION_CUSTOM, .read = read_domains, .type_text = "list of hosts",
      .meaning = "Hosts of the Request-URIs it serves, names or addresses; every one that no other "
                 "section names when not given. A `type = domain_alias` of pjsip.conf is served "
                 "like its domain." },
    { "context", OPTION_STR, MEMBER(context), .fallback = "default", .max = 79,
      .meaning = "Where its resources live: what is published for an extension and the hint of "
                 "that extension in this context are one." },
    { "packages", OPTION_CUSTOM, .read = read_packages, .fallback = PACKAGES,
      .type_text = "list of " PACKAGES, .meaning = "Event packages that may be published." },
    { "opaque", OPTION_CUSTOM, .read = read_opaque, .type_text = "list",
      .meaning = "Other event packages, served as they are published: the last document "
                 "wins." },
    { "publish", OPTION_WORD, MEMBER(publish), .fallback = "own", .words = publish_words,
      .meaning = "Whose state an endpoint may publish: nobody's, its own (the user part is the "
                 "name of the endpoint or of one of its AORs), or anybody's." },
    { "publishers", OPTION_LIST, ARRAY_AT(compositor_draft, c.publishers, c.n_publishers),
      .meaning = "Endpoints that may publish; all when not given." },
    { "priority", OPTION_LIST, ARRAY_AT(compositor_draft, c.priorities, c.n_priorities),
      .meaning = "Endpoints whose documents count more than those of others where two contradict "
                 "each other, and whose dialogs stand first among equals: the first one the most. "
                 "Among the rest the newest counts." },
    { "minimum_expiry", OPTION_DURATION, MEMBER(minimum_expiry_s), .fallback = "5",
      .max = UINT32_MAX, .meaning = "Shortest publication; a shorter wish is answered 423." },
    { "maximum_expiry", OPTION_DURATION, MEMBER(maximum_expiry_s), .fallback = "3600", .min = 1,
      .max = UINT32_MAX, .meaning = "Longest publication; a longer wish is granted this." },
    { "default_expiry", OPTION_DURATION, MEMBER(default_expiry_s), .fallback = "3600", .min = 1,
      .max = UINT32_MAX, .meaning = "Length of a publication that asks for none." },
    { "expiry_grace", OPTION_DURATION, MEMBER(expiry_grace_s), .fallback = "10", .max = 86400,
      .meaning = "How much longer a publication is kept than was granted, for publishers that "
                 "refresh at the last moment." },
    { "max_publications_per_publisher", OPTION_U32, MEMBER(max_per_publisher), .fallback = "10000",
      ANY_U32, .meaning = "More are answered 503; 0 is no limit." },
    { "max_publications_per_resource", OPTION_U32, MEMBER(max_per_resource), .fallback = "32",
      ANY_U32, .meaning = "More are answered 503; 0 is no limit." },
    { "max_body", OPTION_U32, MEMBER(max_body), .fallback = "65536", .min = 1, .max = 65536,
      .meaning = "Bytes of a published document; a larger one is answered 413." },
    { "order", OPTION_WORD, MEMBER(order), .fallback = "aggregate", .words = order_words,
      .meaning = "What an extension shows that has a hint and publications: both combined, the "
                 "hint, or what is published." },
    { "users", OPTION_WORD, AT(compositor_draft, users), .fallback = "any", .words = users_words,
      .meaning = "Who may be published for: any user of the domains, or those that an endpoint or "
                 "an AOR is named after." },
    { "supersede", OPTION_BOOL, MEMBER(supersede), .fallback = "yes",
      .meaning = "A publisher that begins anew replaces what it left behind." },
};

const struct schema compositor_schema = {
    .file = "extstate.conf",
    .section = "[compositor]",
    .kind = "compositor",
    .meaning = "Takes PUBLISH requests and composes what they say. Several sections are possible: "
               "one of another name has `type = compositor`.",
    OPTIONS(compositor_options),
    .ignored = "",
    .object_size = sizeof(struct compositor_draft),
    .closed = true,
};

/* ---- which one serves a domain ---- */

static const struct compositor_settings *find_domain(const struct settings *s, struct str domain)
{
    size_t i;

    return settings_id_find(s, SETTINGS_COMPOSITOR_DOMAIN, domain, &i) ? &s->compositors[i] : NULL;
}

void settings_add_opaques(const struct settings *s, struct buf *list)
{
    for (size_t i = 0; i < s->n_compositors; i++) {
        const struct compositor_settings *c = &s->compositors[i];

        for (size_t k = 0; k < c->n_opaques; k++)
            if (!str_is_listed(c->opaques[k], buf_str(list)))
                buf_printf(list, "%s%.*s", list->n ? ", " : "", STR_FMT(c->opaques[k]));
    }
}

const struct compositor_settings *settings_compositor(const struct settings *s, struct str domain)
{
    const struct compositor_settings *c = find_domain(s, domain); /* most write it that way */
    char room[DOMAIN_MAX];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    if (!c && domain_print(&name, domain))
        c = find_domain(s, buf_str(&name));
    return c ? c : find_domain(s, STR_EMPTY);
}

static void tell_taken(struct reading *r, const struct compositor_settings *c, struct str domain,
                       const struct compositor_settings *first)
{
    if (domain.n)
        reading_tell(r, DIAG_ERROR, c->at,
                     "compositor [%.*s]: %.*s is served by [%.*s] at %.*s:%u already; the first "
                     "keeps it, remove one",
                     STR_FMT(c->id), STR_FMT(domain), STR_FMT(first->id), STR_FMT(first->at.file),
                     first->at.line);
    else
        reading_tell(r, DIAG_ERROR, c->at,
                     "compositor [%.*s] has no domains, as [%.*s] at %.*s:%u; the first serves "
                     "what no other names, add domains = ...",
                     STR_FMT(c->id), STR_FMT(first->id), STR_FMT(first->at.file), first->at.line);
}

static int domain_add(struct reading *r, struct settings *s, size_t index, struct str domain)
{
    const struct compositor_settings *first;
    char room[DOMAIN_MAX];
    struct buf name;
    struct str kept;
    int result;

    buf_init_on(&name, room, sizeof(room));
    if (domain.n && !domain_print(&name, domain))
        return 0; /* an alias that no Request-URI can name */
    first = find_domain(s, buf_str(&name));
    if (first) {
        if (first != &s->compositors[index])
            tell_taken(r, &s->compositors[index], domain, first);
        return 0;
    }
    result = arena_str(r->arena, &kept, buf_str(&name));
    return result ? result : settings_id_add(s, SETTINGS_COMPOSITOR_DOMAIN, kept, index);
}

/* ---- reading ---- */

bool compositor_conf_is(const struct conf_section *s)
{
    const struct conf_entry *type = conf_entry_find(s, STR("type"));

    return str_equal_nocase(type ? type->value : s->name, STR("compositor"));
}

static void settle_expiry(struct reading *r, struct compositor_settings *c,
                          const struct conf_section *s)
{
    uint32_t wish_s = c->default_expiry_s;

    if (c->maximum_expiry_s < c->minimum_expiry_s) {
        reading_tell(r, DIAG_WARNING, pjsip_place(s, STR("maximum_expiry")),
                     "maximum_expiry = %u is less than minimum_expiry; %u is used for both",
                     c->maximum_expiry_s, c->minimum_expiry_s);
        c->maximum_expiry_s = c->minimum_expiry_s;
    }
    if (wish_s < c->minimum_expiry_s)
        c->default_expiry_s = c->minimum_expiry_s;
    if (wish_s > c->maximum_expiry_s)
        c->default_expiry_s = c->maximum_expiry_s;
    if (wish_s != c->default_expiry_s && conf_entry_find(s, STR("default_expiry")))
        reading_tell(r, DIAG_WARNING, pjsip_place(s, STR("default_expiry")),
                     "default_expiry = %u is not between minimum_expiry and maximum_expiry; %u is "
                     "used instead",
                     wish_s, c->default_expiry_s);
}

/* One whose domains are all bad must not become the one for every domain. */
static bool has_lost_domains(struct reading *r, const struct compositor_settings *c,
                             const struct conf_section *s)
{
    const struct conf_entry *domains = conf_entry_find(s, STR("domains"));

    if (c->n_domains || !domains || !domains->value.n)
        return false;
    reading_tell(r, DIAG_ERROR, domains->at,
                 "compositor [%.*s] is refused: none of its domains is one%s", STR_FMT(s->name),
                 r->former ? "; what was loaded before goes on" : "");
    return true;
}

static void settle(struct reading *r, struct compositor_draft *d,
                   const struct conf_section *section)
{
    struct compositor_settings *c = &d->c;

    settle_expiry(r, c, section);
    if (!c->context.n)
        c->context = STR("default");
    if (!c->n_packages && !c->n_opaques)
        reading_tell(r, DIAG_WARNING, pjsip_place(section, STR("packages")),
                     "compositor [%.*s] has neither packages nor opaque, so nothing can be "
                     "published there",
                     STR_FMT(section->name));
    c->any_user = d->users == USERS_ANY;
}

/* Into the settings. */
static int keep(struct reading *r, struct settings *s, struct compositor_settings *c,
                const struct conf_section *section)
{
    size_t index = s->n_compositors;
    int result = arena_str(r->arena, &c->id, section->name);
    if (result == 0)
        result = reading_place(r, section->at, &c->at);
    if (result == 0)
        result = ARRAY_GROW(s->compositors, index);
    if (result)
        return result;
    s->compositors[s->n_compositors++] = *c;
    if (!c->n_domains)
        return domain_add(r, s, index, STR_EMPTY);
    for (size_t i = 0; result == 0 && i < c->n_domains; i++)
        result = domain_add(r, s, index, c->domains[i]);
    return result;
}

/* What the section was before a reload; several may have one name. */
static const struct compositor_settings *former_of(const struct reading *r,
                                                   const struct settings *s, struct str id)
{
    const struct settings *former = r->source->former;
    size_t before = 0;

    for (size_t i = 0; i < s->n_compositors; i++)
        before += str_equal(s->compositors[i].id, id);
    for (size_t i = 0; former && i < former->n_compositors; i++)
        if (str_equal(former->compositors[i].id, id) && before-- == 0)
            return &former->compositors[i];
    return NULL;
}

bool compositor_conf_was(const struct reading *r, const struct settings *s,
                         const struct conf_section *section)
{
    const struct settings *former = r->source->former;
    bool was = false;

    for (size_t i = 0; former && i < former->n_compositors; i++)
        was |= str_equal(former->compositors[i].id, section->name);
    for (size_t i = 0; i < s->n_plugins; i++)
        was &= !str_equal(s->plugins[i].name, section->name);
    return was && !compositor_conf_is(section);
}

/* Its type is misspelt, or left out. */
static int keep_section(struct reading *r, struct settings *s, const struct conf_section *section)
{
    const struct compositor_settings *former = former_of(r, s, section->name);
    struct compositor_settings c;
    int result;

    if (!former)
        return 0;
    reading_tell(r, DIAG_ERROR, pjsip_place(section, STR("type")),
                 "[%.*s] was a compositor and has not type = compositor any more; what was loaded "
                 "before goes on, remove the section to end it",
                 STR_FMT(section->name));
    result = compositor_former(r, &c, former);
    return result ? result : keep(r, s, &c, section);
}

static int read_section(struct reading *r, struct settings *s, const struct schema_use *use,
                        const struct conf_section *section)
{
    const struct compositor_settings *former = former_of(r, s, section->name);
    struct compositor_draft d;
    bool refused;
    int result;

    r->former = former != NULL;
    result = schema_read(r, use, &d, section);
    if (result < 0)
        goto out;
    refused =
        result == SCHEMA_REFUSED || (former && r->faults) || has_lost_domains(r, &d.c, section);
    result = 0;
    if (!refused)
        settle(r, &d, section);
    else if (former)
        result = compositor_former(r, &d.c, former);
    if (result == 0 && (!refused || former))
        result = keep(r, s, &d.c, section);
out:
    r->former = false;
    return result;
}

int compositor_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &compositor_schema);

    for (size_t i = 0; result == 0 && i < conf->n_sections; i++) {
        const struct conf_section *section = &conf->sections[i];

        if (section->is_template)
            continue;
        if (compositor_conf_is(section))
            result = read_section(r, s, &use, section);
        else if (compositor_conf_was(r, s, section))
            result = keep_section(r, s, section);
    }
    schema_use_fini(&use);
    return result;
}

/* A domain that is served itself is not looked at as an alias. */
static int alias_add(struct reading *r, struct settings *s, const struct domain_alias *a)
{
    char rooms[2][DOMAIN_MAX];
    const struct compositor_settings *c;
    struct buf alias, domain;

    buf_init_on(&alias, rooms[0], DOMAIN_MAX);
    buf_init_on(&domain, rooms[1], DOMAIN_MAX);
    if (!domain_print(&alias, a->alias) || !domain_print(&domain, a->domain))
        return 0;
    c = find_domain(s, buf_str(&domain));
    if (!c || find_domain(s, buf_str(&alias)))
        return 0;
    return domain_add(r, s, (size_t)(c - s->compositors), a->alias);
}

static void warn_unknown(struct reading *r, const struct settings *s,
                         const struct compositor_settings *c, const char *option,
                         const struct str *endpoints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!settings_endpoint(s, endpoints[i]))
            reading_tell(r, DIAG_WARNING, c->at,
                         "compositor [%.*s]: %s names %.*s, but there is no such endpoint",
                         STR_FMT(c->id), option, STR_FMT(endpoints[i]));
}

int compositor_conf_settle(struct reading *r, struct settings *s)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < s->n_aliases; i++)
        result = alias_add(r, s, &s->aliases[i]);
    for (size_t i = 0; i < s->n_compositors; i++) {
        const struct compositor_settings *c = &s->compositors[i];

        warn_unknown(r, s, c, "publishers", c->publishers, c->n_publishers);
        warn_unknown(r, s, c, "priority", c->priorities, c->n_priorities);
    }
    return result;
}
