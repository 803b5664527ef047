// SPDX-License-Identifier: MIT
/* Which section of pjsip.conf is what, and reading them kind by kind. */
#include "config/pjsip.h"

#include <stdlib.h>

static const struct kind {
    const char *type; /* as written after type =, in this case only */
    const struct schema *schema;
    pjsip_finish_fn finish;
    bool single; /* one section at most, and its name may stand for the type */
    int (*former)(struct pjsip_reader *p, void *draft); /* with `single` */
} kinds[PJSIP_KINDS] = {
    [PJSIP_GLOBAL] = { "global", &global_schema, global_finish, true, global_former },
    [PJSIP_SYSTEM] = { "system", &system_schema, system_finish, true, system_former },
    [PJSIP_TRANSPORT] = { "transport", &transport_schema, transport_finish, false },
    [PJSIP_ACL] = { "acl", &acl_schema, acl_finish, false },
    [PJSIP_AUTH] = { "auth", &auth_schema, auth_finish, false },
    [PJSIP_AOR] = { "aor", &aor_schema, aor_finish, false },
    [PJSIP_ENDPOINT] = { "endpoint", &endpoint_schema, endpoint_finish, false },
    [PJSIP_IDENTIFY] = { "identify", &identify_schema, identify_finish, false },
    [PJSIP_PUBLISH] = { "outbound-publish", &publish_schema, publish_finish, false },
    [PJSIP_ASTERISK_PUBLICATION] = { "asterisk-publication", &asterisk_publication_schema,
                                     asterisk_publication_finish, false },
    [PJSIP_INBOUND_PUBLICATION] = { "inbound-publication", &inbound_publication_schema,
                                    inbound_publication_finish, false },
    [PJSIP_RESOURCE_LIST] = { "resource_list", &resource_list_schema, resource_list_finish, false },
    [PJSIP_DOMAIN_ALIAS] = { "domain_alias", &domain_alias_schema, domain_alias_finish, false },
};

const struct schema *pjsip_schema(enum pjsip_kind kind)
{
    return kinds[kind].schema;
}

/* Objects of a PBX that mean nothing here. */
static const char *const foreign_types[] = {
    "contact",
    "registration",
    "phoneprov",
    "subscription_persistence",
    "websocket_client",
    "geolocation",
    "profile",
    "location",
    "mwi",
    "outbound_websocket",
    "verification",
    "attestation",
    "store",
    "certificate",
};

/* ---- ids ---- */

struct seen_id { /* in the scratch arena */
    struct map_node node;
    enum pjsip_kind kind;
    const struct conf_section *section;
};

struct seen_key {
    enum pjsip_kind kind;
    struct str id;
};

static bool seen_equal(const struct map_node *node, const void *key)
{
    const struct seen_id *s = CONTAINER_OF(node, struct seen_id, node);
    const struct seen_key *k = key;

    return s->kind == k->kind && str_equal(s->section->name, k->id);
}

static uint64_t seen_hash(const struct pjsip_reader *p, const struct seen_key *key)
{
    return map_hash_mix(map_hash(&p->seen, key->id), key->kind);
}

static const struct seen_id *seen_find(const struct pjsip_reader *p, const struct seen_key *key)
{
    struct map_node *node = map_find(&p->seen, seen_hash(p, key), seen_equal, key);

    return node ? CONTAINER_OF(node, struct seen_id, node) : NULL;
}

static bool may_be_unread(const struct pjsip_reader *p, struct str id)
{
    return p->conf->partial || seen_find(p, &(struct seen_key){ PJSIP_NO_KIND, id });
}

const char *pjsip_why_missing(const struct pjsip_reader *p, enum pjsip_kind kind, struct str id)
{
    const struct seen_id *s = seen_find(p, &(struct seen_key){ kind, id });
    size_t index;

    if (settings_id_find(p->s, kind, id, &index) || (s && s->section->partial))
        return NULL;
    if (s)
        return "is refused (see its own message)";
    return may_be_unread(p, id) ? NULL : "does not exist";
}

void pjsip_check_reference(struct pjsip_reader *p, const struct conf_section *s, struct str option,
                           enum pjsip_kind kind, struct str id)
{
    const char *why = pjsip_why_missing(p, kind, id);

    if (why)
        reading_tell(p->r, DIAG_WARNING, pjsip_place(s, option),
                     "%.*s [%.*s]: %s %.*s %s; define it or correct the name",
                     STR_FMT(conf_entry_find(s, STR("type"))->value), STR_FMT(s->name),
                     kinds[kind].type, STR_FMT(id), why);
}

/* ---- selection ---- */

struct selected { /* what becomes of a section */
    enum pjsip_kind kind;
    bool discarded; /* read, but not kept */
    bool misspelt;  /* the kind is what it was before the reload */
};

static bool names_have(const char *const *names, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(name, str_of(names[i])))
            return true;
    return false;
}

static enum pjsip_kind kind_of(const struct conf_section *s)
{
    const struct conf_entry *type = conf_entry_find(s, STR("type"));

    if (s->is_template)
        return PJSIP_NO_KIND;
    for (size_t k = 0; k < PJSIP_KINDS; k++)
        if (type ? str_equal(type->value, str_of(kinds[k].type))
                 : kinds[k].single && str_equal(s->name, str_of(kinds[k].type)))
            return (enum pjsip_kind)k;
    return PJSIP_NO_KIND;
}

static int id_note(struct pjsip_reader *p, const struct conf_section *s, enum pjsip_kind kind)
{
    struct seen_id *seen = arena_alloc(&p->r->scratch, sizeof(*seen));

    if (!seen)
        return -ENOMEM;
    seen->kind = kind;
    seen->section = s;
    map_add(&p->seen, &seen->node, seen_hash(p, &(struct seen_key){ kind, s->name }));
    return 0;
}

/* A name that a type has already: that section is only read to tell what else is wrong with it. */
static void duplicate_tell(struct pjsip_reader *p, struct selected *selected,
                           const struct conf_section *s, const struct conf_section *first)
{
    selected->discarded = true;
    reading_tell(
        p->r, DIAG_ERROR, s->at,
        "%s [%.*s] is defined again, first at %.*s:%u; %s; rename or remove one",
        kinds[selected->kind].type, STR_FMT(s->name), STR_FMT(first->at.file), first->at.line,
        p->r->strict ? "every section of this type is discarded, as strict_objects = yes asks"
                     : "the first stays");
}

static int select_section(struct pjsip_reader *p, struct selected *selected,
                          const struct conf_section *s)
{
    const struct seen_id *first;

    selected->kind = kind_of(s);
    if (selected->kind == PJSIP_NO_KIND)
        return s->partial && !conf_entry_find(s, STR("type")) ? id_note(p, s, PJSIP_NO_KIND) : 0;
    if (kinds[selected->kind].single)
        return 0;
    first = seen_find(p, &(struct seen_key){ selected->kind, s->name });
    if (!first)
        return id_note(p, s, selected->kind);
    duplicate_tell(p, selected, s, first->section);
    return 0;
}

/* ---- types that nobody knows ---- */

/* Of all types there are; NULL: none is like it. */
static const char *nearest_type(struct str type)
{
    const char *names[PJSIP_KINDS + ARRAY_LEN(foreign_types)];
    size_t n = 0;

    for (size_t i = 0; i < PJSIP_KINDS; i++)
        names[n++] = kinds[i].type;
    for (size_t i = 0; i < ARRAY_LEN(foreign_types); i++)
        names[n++] = foreign_types[i];
    return nearest_name(type, names, n);
}

static bool kind_is_there(const struct pjsip_reader *p, const struct selected *selected,
                          enum pjsip_kind kind, struct str id)
{
    for (size_t i = 0; i < p->conf->n_sections; i++)
        if (selected[i].kind == kind &&
            (kinds[kind].single || str_equal(p->conf->sections[i].name, id)))
            return true;
    return false;
}

static bool was_kind(const struct pjsip_reader *p, enum pjsip_kind kind, struct str id,
                     const char *meant)
{
    const char *type = kinds[kind].type;
    size_t index;

    if (kinds[kind].single)
        return str_equal(id, str_of(type)) || (meant && strcmp(meant, type) == 0);
    return settings_id_find(p->r->source->former, kind, id, &index);
}

/* What a section of that name was before the reload and nothing is any more: the kind that is
 * meant, or else the first. */
static enum pjsip_kind former_kind(const struct pjsip_reader *p, const struct selected *selected,
                                   struct str id, const char *meant)
{
    enum pjsip_kind first = PJSIP_NO_KIND;

    for (size_t k = 0; k < PJSIP_KINDS && p->r->source->former; k++) {
        enum pjsip_kind kind = (enum pjsip_kind)k;

        if (!was_kind(p, kind, id, meant) || kind_is_there(p, selected, kind, id))
            continue;
        if (meant && strcmp(meant, kinds[k].type) == 0)
            return kind;
        if (first == PJSIP_NO_KIND)
            first = kind;
    }
    return first;
}

/* An unknown type is none of our business, unless it looks like a slip. At a reload the section is
 * not one that is gone. */
static int select_misspelt(struct pjsip_reader *p, struct selected *selected, size_t i)
{
    const struct conf_section *s = &p->conf->sections[i];
    const struct conf_entry *e = conf_entry_find(s, STR("type"));
    struct str type = e ? e->value : STR_EMPTY;
    const char *meant;
    enum pjsip_kind kind;

    if (s->is_template || selected[i].kind != PJSIP_NO_KIND ||
        names_have(foreign_types, ARRAY_LEN(foreign_types), type))
        return 0;
    meant = nearest_type(type);
    kind = former_kind(p, selected, s->name, meant);
    if (kind == PJSIP_NO_KIND) {
        if (e && meant)
            reading_tell(p->r, DIAG_WARNING, e->at,
                         "unknown type %.*s, the section is ignored; did you mean %s?",
                         STR_FMT(type), meant);
        return 0;
    }
    if (e)
        reading_tell(p->r, DIAG_ERROR, e->at, "unknown type %.*s; did you mean %s?", STR_FMT(type),
                     kinds[kind].type);
    else
        reading_tell(p->r, DIAG_ERROR, s->at, "[%.*s] has no type; add type = %s", STR_FMT(s->name),
                     kinds[kind].type);
    selected[i] = (struct selected){ .kind = kind, .misspelt = true };
    return kinds[kind].single ? 0 : id_note(p, s, kind);
}

static int select_sections(struct pjsip_reader *p, struct selected *selected)
{
    bool all_discarded[PJSIP_KINDS + 1] = { false };

    for (size_t i = 0; i < p->conf->n_sections; i++) {
        int r = select_section(p, &selected[i], &p->conf->sections[i]);

        if (r)
            return r;
        all_discarded[selected[i].kind] |= selected[i].discarded && p->r->strict;
    }
    for (size_t i = 0; i < p->conf->n_sections; i++) {
        int r = select_misspelt(p, selected, i);

        if (r)
            return r;
        selected[i].discarded |= selected[i].misspelt || all_discarded[selected[i].kind];
    }
    return 0;
}

/* ---- reading ---- */

/* Unless every fault has said it already. */
static void former_tell(struct pjsip_reader *p, enum pjsip_kind kind, const struct conf_section *s)
{
    if (p->r->faults == 0 || p->r->strict)
        reading_tell(p->r, DIAG_WARNING, s->at,
                     "%s [%.*s] cannot be used as it stands; what was loaded before goes on",
                     kinds[kind].type, STR_FMT(s->name));
}

/* The only section of its kind into the draft; defaults, or at a reload what there was, instead of
 * one that is refused and instead of several. */
static int read_single(struct pjsip_reader *p, enum pjsip_kind kind,
                       const struct selected *selected, void *draft)
{
    const struct schema_use *use = &p->uses[kind];
    const struct conf_section *found = NULL;
    bool faulty = false, former = p->r->source->former;
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; i < p->conf->n_sections && r >= 0; i++) {
        if (selected[i].kind != kind)
            continue;
        found = &p->conf->sections[i];
        if (n++)
            reading_tell(p->r, DIAG_ERROR, found->at,
                         "another section of type = %s; %s instead of all of them, keep one",
                         kinds[kind].type,
                         former ? "what was loaded before goes on" : "the defaults are used");
        p->r->former = former;
        r = schema_read(p->r, use, draft, found);
        p->r->former = false;
        faulty |= r == SCHEMA_REFUSED || selected[i].misspelt || (former && p->r->faults);
    }
    if (r < 0)
        return r;
    if (n == 1 && !faulty)
        return kinds[kind].finish(p, draft, found);
    if (n == 1 && former)
        former_tell(p, kind, found);
    memcpy(draft, use->defaults, use->schema->object_size);
    r = n && former ? kinds[kind].former(p, draft) : 0;
    return r ? r : kinds[kind].finish(p, draft, NULL);
}

static int read_section(struct pjsip_reader *p, enum pjsip_kind kind, bool discarded, void *draft,
                        const struct conf_section *s)
{
    const struct settings *former = p->r->source->former;
    size_t index = 0, kept;
    int r;

    p->r->former = former && settings_id_find(former, kind, s->name, &index) &&
                   !settings_id_find(p->s, kind, s->name, &kept);
    r = schema_read(p->r, &p->uses[kind], draft, s);
    if (r == 0 && (discarded || (p->r->former && p->r->faults)))
        r = SCHEMA_REFUSED;
    if (r == 0)
        r = kinds[kind].finish(p, draft, s);
    if (r == SCHEMA_REFUSED && p->r->former) {
        former_tell(p, kind, s);
        r = pjsip_keep_former(p, kind, s, index);
    } else if (r == SCHEMA_REFUSED && kind == PJSIP_ACL) {
        r = acl_refused(p, draft, s);
    }
    p->r->former = false;
    return r < 0 ? r : 0;
}

static int read_sections(struct pjsip_reader *p, enum pjsip_kind kind,
                         const struct selected *selected, void *draft)
{
    int r = 0;

    for (size_t i = 0; i < p->conf->n_sections && r == 0; i++)
        if (selected[i].kind == kind)
            r = read_section(p, kind, selected[i].discarded, draft, &p->conf->sections[i]);
    return r;
}

static int read_kinds(struct pjsip_reader *p, const struct selected *selected)
{
    for (size_t k = 0; k < PJSIP_KINDS; k++) {
        enum pjsip_kind kind = (enum pjsip_kind)k;
        void *draft;
        int r = schema_use_init(p->r, &p->uses[k], kinds[k].schema);

        p->n_uses = k + 1;
        if (r)
            return r;
        draft = arena_alloc(&p->r->scratch, kinds[k].schema->object_size);
        if (!draft)
            return -ENOMEM;
        r = kinds[k].single ? read_single(p, kind, selected, draft)
                            : read_sections(p, kind, selected, draft);
        if (r)
            return r;
    }
    return 0;
}

int pjsip_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct pjsip_reader p = { .r = r, .s = s, .conf = conf };
    struct selected *selected = calloc(conf->n_sections + 1, sizeof(*selected));
    int result = -ENOMEM;

    if (!selected)
        return result;
    result = map_init(&p.seen, &r->rng);
    if (result)
        goto out;
    result = select_sections(&p, selected);
    if (result == 0)
        result = read_kinds(&p, selected);
    map_fini(&p.seen);
out:
    for (size_t i = 0; i < p.n_uses; i++)
        schema_use_fini(&p.uses[i]);
    free(selected);
    return result;
}
