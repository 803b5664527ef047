// SPDX-License-Identifier: MIT
/* Which section of pjsip.conf is what, and reading them kind by kind. */
#include "config/pjsip.h"

#include <stdlib.h>

static const struct kind {
    const char *type; /* as written after type =, in this case only */
    const struct schema *schema;
    pjsip_finish_fn finish;
    bool single; /* one section at most, and its name may stand for the type */
} kinds[PJSIP_KINDS] = {
    [PJSIP_GLOBAL] = { "global", &global_schema, global_finish, true },
    [PJSIP_SYSTEM] = { "system", &system_schema, system_finish, true },
    [PJSIP_TRANSPORT] = { "transport", &transport_schema, transport_finish, false },
    [PJSIP_AUTH] = { "auth", &auth_schema, auth_finish, false },
    [PJSIP_AOR] = { "aor", &aor_schema, aor_finish, false },
    [PJSIP_ENDPOINT] = { "endpoint", &endpoint_schema, endpoint_finish, false },
    [PJSIP_IDENTIFY] = { "identify", &identify_schema, identify_finish, false },
    [PJSIP_PUBLISH] = { "outbound-publish", &publish_schema, publish_finish, false },
    [PJSIP_DOMAIN_ALIAS] = { "domain_alias", &domain_alias_schema, domain_alias_finish, false },
};

/* Objects whose absence a user would notice, and objects of a PBX that mean nothing here. */
static const char *const unserved_types[] = { "acl", "resource_list", "inbound-publication",
                                              "asterisk-publication" };
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

bool pjsip_seen(const struct pjsip_reader *p, enum pjsip_kind kind, struct str id)
{
    return seen_find(p, &(struct seen_key){ kind, id }) != NULL;
}

/* ---- selection ---- */

static void tell_unserved(struct pjsip_reader *p, const struct conf_section *s, struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(unserved_types); i++)
        if (str_equal(type, str_of(unserved_types[i])))
            reading_tell(p->r, DIAG_WARNING, s->at,
                         "[%.*s]: type = %.*s is not served in this version; the section is idle",
                         STR_FMT(s->name), STR_FMT(type));
}

/* An unknown type is none of our business, unless it looks like a slip. */
static void tell_unknown_type(struct pjsip_reader *p, const struct conf_entry *e)
{
    const char *names[PJSIP_KINDS + ARRAY_LEN(unserved_types) + ARRAY_LEN(foreign_types)];
    const char *nearest;
    size_t n = 0;

    for (size_t i = 0; i < PJSIP_KINDS; i++)
        names[n++] = kinds[i].type;
    for (size_t i = 0; i < ARRAY_LEN(unserved_types); i++)
        names[n++] = unserved_types[i];
    for (size_t i = 0; i < ARRAY_LEN(foreign_types); i++)
        names[n++] = foreign_types[i];
    nearest = nearest_name(e->value, names, n);
    if (nearest && !str_equal(e->value, str_of(nearest)))
        reading_tell(p->r, DIAG_WARNING, e->at,
                     "unknown type %.*s, the section is ignored; did you mean %s?",
                     STR_FMT(e->value), nearest);
}

static enum pjsip_kind kind_of(struct pjsip_reader *p, const struct conf_section *s)
{
    const struct conf_entry *type = conf_entry_find(s, STR("type"));

    if (s->is_template)
        return PJSIP_NO_KIND;
    for (size_t k = 0; k < PJSIP_KINDS; k++)
        if (type ? str_equal(type->value, str_of(kinds[k].type))
                 : kinds[k].single && str_equal(s->name, str_of(kinds[k].type)))
            return (enum pjsip_kind)k;
    if (type) {
        tell_unserved(p, s, type->value);
        tell_unknown_type(p, type);
    }
    return PJSIP_NO_KIND;
}

/* Remember the id; when it is there already, the section is out. */
static int id_note(struct pjsip_reader *p, const struct conf_section *s, enum pjsip_kind kind,
                   bool *duplicate)
{
    struct seen_key key = { kind, s->name };
    const struct seen_id *first = seen_find(p, &key);
    struct seen_id *seen;

    *duplicate = first != NULL;
    if (first) {
        reading_tell(p->r, DIAG_ERROR, s->at,
                     "%s [%.*s] is defined again, first at %.*s:%u; %s; rename or remove one",
                     kinds[kind].type, STR_FMT(s->name), STR_FMT(first->section->at.file),
                     first->section->at.line,
                     p->r->strict
                         ? "every section of this type is discarded, as strict_objects = yes asks"
                         : "the first stays");
        return 0;
    }
    seen = arena_alloc(&p->r->scratch, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    seen->kind = kind;
    seen->section = s;
    map_add(&p->seen, &seen->node, seen_hash(p, &key));
    return 0;
}

/* What kind each section is; those that are not to be read are PJSIP_NO_KIND. */
static int select_sections(struct pjsip_reader *p, enum pjsip_kind *selected)
{
    bool discarded[PJSIP_KINDS] = { false };

    for (size_t i = 0; i < p->conf->n_sections; i++) {
        const struct conf_section *s = &p->conf->sections[i];
        bool duplicate;
        int r;

        selected[i] = kind_of(p, s);
        if (selected[i] == PJSIP_NO_KIND || kinds[selected[i]].single)
            continue;
        r = id_note(p, s, selected[i], &duplicate);
        if (r)
            return r;
        if (duplicate) {
            discarded[selected[i]] = p->r->strict;
            selected[i] = PJSIP_NO_KIND;
        }
    }
    for (size_t i = 0; i < p->conf->n_sections; i++)
        if (selected[i] != PJSIP_NO_KIND && discarded[selected[i]])
            selected[i] = PJSIP_NO_KIND;
    return 0;
}

/* ---- reading ---- */

static int read_single(struct pjsip_reader *p, enum pjsip_kind kind,
                       const enum pjsip_kind *selected, void *draft)
{
    const struct schema_use *use = &p->uses[kind];
    const struct conf_section *found = NULL;
    size_t n = 0;
    int r = SCHEMA_REFUSED;

    for (size_t i = 0; i < p->conf->n_sections; i++)
        if (selected[i] == kind) {
            found = &p->conf->sections[i];
            if (n++)
                reading_tell(p->r, DIAG_ERROR, found->at,
                             "another section of type = %s; the defaults are used instead of all "
                             "of them, keep one",
                             kinds[kind].type);
        }
    if (n == 1)
        r = schema_read(p->r, use, draft, found);
    if (r == SCHEMA_REFUSED) /* or there is none */
        memcpy(draft, use->defaults, use->schema->object_size);
    return r < 0 ? r : kinds[kind].finish(p, draft, found);
}

static int read_sections(struct pjsip_reader *p, enum pjsip_kind kind,
                         const enum pjsip_kind *selected, void *draft)
{
    for (size_t i = 0; i < p->conf->n_sections; i++) {
        const struct conf_section *s = &p->conf->sections[i];
        int r;

        if (selected[i] != kind)
            continue;
        r = schema_read(p->r, &p->uses[kind], draft, s);
        if (r == 0)
            r = kinds[kind].finish(p, draft, s);
        else if (r == SCHEMA_REFUSED)
            r = 0;
        if (r)
            return r;
    }
    return 0;
}

static int read_kinds(struct pjsip_reader *p, const enum pjsip_kind *selected)
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
    enum pjsip_kind *selected = calloc(conf->n_sections + 1, sizeof(*selected));
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
