// SPDX-License-Identifier: MIT
/* Objects become part of the settings. Those that a reload refuses are taken over from the settings
 * before, wholly: nothing may point into what goes, and what goes on after many faulty reloads must
 * not keep all of them. A table says what of each object is more than its bytes. */
#include "config/pjsip.h"

#define NONE SIZE_MAX

enum copy_kind {
    COPY_END,
    COPY_STR,
    COPY_STRS,
    COPY_NETS,
    COPY_MATCHES,
    COPY_RULES,
    COPY_REGEX,
    COPY_REGEX_CASED, /* which is not for any case */
};

struct copied {
    enum copy_kind kind;
    size_t at, other; /* `other`: of a list its length, of a pattern its text */
};

#define TEXT(type, member)                            \
    {                                                 \
        COPY_STR, offsetof(struct type, member), NONE \
    }
#define LIST(kind, type, member, n)                                   \
    {                                                                 \
        kind, offsetof(struct type, member), offsetof(struct type, n) \
    }
#define END                  \
    {                        \
        COPY_END, NONE, NONE \
    }

/* id and place are made anew */
static const struct copied global_copied[] = {
    TEXT(global_draft, g.user_agent),
    TEXT(global_draft, g.debug_host),
    TEXT(global_draft, g.default_voicemail_extension),
    TEXT(global_draft, g.default_from_user),
    TEXT(global_draft, g.default_realm),
    END,
};

static const struct copied compositor_copied[] = {
    LIST(COPY_STRS, compositor_settings, domains, n_domains),
    TEXT(compositor_settings, context),
    LIST(COPY_STRS, compositor_settings, packages, n_packages),
    LIST(COPY_STRS, compositor_settings, opaques, n_opaques),
    LIST(COPY_STRS, compositor_settings, publishers, n_publishers),
    LIST(COPY_STRS, compositor_settings, priorities, n_priorities),
    END,
};

static const struct copied source_copied[] = {
    TEXT(source_settings, host),     TEXT(source_settings, ca_file),
    TEXT(source_settings, ca_path),  TEXT(source_settings, cert_file),
    TEXT(source_settings, key_file), TEXT(source_settings, username),
    TEXT(source_settings, secret),   LIST(COPY_STRS, source_settings, devices, n_devices),
    TEXT(source_settings, domain),   END,
};

static const struct copied transport_copied[] = {
    TEXT(transport_settings, domain),
    TEXT(transport_settings, external_address),
    TEXT(transport_settings, cert_file),
    TEXT(transport_settings, key_file),
    TEXT(transport_settings, password),
    TEXT(transport_settings, ca_file),
    TEXT(transport_settings, ca_path),
    TEXT(transport_settings, cipher),
    LIST(COPY_NETS, transport_settings, local_nets, n_local_nets),
    END,
};

#define RULES(type, member)                               \
    LIST(COPY_RULES, type, member.rules, member.n_rules), \
        LIST(COPY_STRS, type, member.names, member.n_names)

static const struct copied acl_copied[] = {
    RULES(acl_settings, source),
    RULES(acl_settings, contact),
    END,
};

static const struct copied auth_copied[] = {
    TEXT(auth_settings, credential.username),
    TEXT(auth_settings, credential.password),
    TEXT(auth_settings, credential.hash[DIGEST_MD5]),
    TEXT(auth_settings, credential.hash[DIGEST_SHA256]),
    TEXT(auth_settings, credential.hash[DIGEST_SHA512_256]),
    TEXT(auth_settings, credential.realm),
    TEXT(auth_settings, server.realm),
    TEXT(auth_settings, server.a1[DIGEST_MD5]),
    TEXT(auth_settings, server.a1[DIGEST_SHA256]),
    TEXT(auth_settings, server.a1[DIGEST_SHA512_256]),
    END,
};

static const struct copied aor_copied[] = {
    LIST(COPY_STRS, aor_settings, contacts, n_contacts),
    TEXT(aor_settings, mailboxes),
    TEXT(aor_settings, voicemail_extension),
    TEXT(aor_settings, outbound_proxy),
    END,
};

static const struct copied endpoint_copied[] = {
    TEXT(endpoint_settings, context),
    LIST(COPY_STRS, endpoint_settings, auths, n_auths),
    LIST(COPY_STRS, endpoint_settings, outbound_auths, n_outbound_auths),
    LIST(COPY_STRS, endpoint_settings, aors, n_aors),
    TEXT(endpoint_settings, transport),
    TEXT(endpoint_settings, contact_user),
    TEXT(endpoint_settings, callerid_name),
    TEXT(endpoint_settings, callerid_number),
    TEXT(endpoint_settings, from_domain),
    TEXT(endpoint_settings, from_user),
    TEXT(endpoint_settings, outbound_proxy),
    TEXT(endpoint_settings, mailboxes),
    TEXT(endpoint_settings, voicemail_extension),
    TEXT(endpoint_settings, mwi_from_user),
    TEXT(endpoint_settings, incoming_mwi_mailbox),
    TEXT(endpoint_settings, watch_allow_pattern),
    TEXT(endpoint_settings, watch_deny_pattern),
    LIST(COPY_REGEX, endpoint_settings, watch_allow, watch_allow_pattern),
    LIST(COPY_REGEX, endpoint_settings, watch_deny, watch_deny_pattern),
    RULES(endpoint_settings, source),
    RULES(endpoint_settings, contact),
    END,
};

static const struct copied identify_copied[] = {
    TEXT(identify_settings, endpoint),
    LIST(COPY_MATCHES, identify_settings, matches, n_matches),
    TEXT(identify_settings, header),
    TEXT(identify_settings, header_value),
    TEXT(identify_settings, uri),
    LIST(COPY_REGEX_CASED, identify_settings, header_pattern, header_value),
    LIST(COPY_REGEX_CASED, identify_settings, uri_pattern, uri),
    LIST(COPY_STRS, identify_settings, certificates, n_certificates),
    END,
};

static const struct copied publish_copied[] = {
    TEXT(publish_settings, server_uri),
    TEXT(publish_settings, from_uri),
    TEXT(publish_settings, to_uri),
    TEXT(publish_settings, event),
    LIST(COPY_STRS, publish_settings, auths, n_auths),
    TEXT(publish_settings, outbound_proxy),
    TEXT(publish_settings, transport),
    TEXT(publish_settings, body),
    TEXT(publish_settings, context_pattern),
    TEXT(publish_settings, exten_pattern),
    LIST(COPY_REGEX, publish_settings, context, context_pattern),
    LIST(COPY_REGEX, publish_settings, exten, exten_pattern),
    TEXT(publish_settings, state_pattern),
    LIST(COPY_REGEX, publish_settings, state, state_pattern),
    END,
};

static const struct copied asterisk_publication_copied[] = {
    TEXT(asterisk_publication_settings, devicestate_publish),
    TEXT(asterisk_publication_settings, mailboxstate_publish),
    TEXT(asterisk_publication_settings, device_pattern),
    TEXT(asterisk_publication_settings, mailbox_pattern),
    LIST(COPY_REGEX, asterisk_publication_settings, device_filter, device_pattern),
    LIST(COPY_REGEX, asterisk_publication_settings, mailbox_filter, mailbox_pattern),
    END,
};

/* packages are constants */
static const struct copied inbound_publication_copied[] = {
    TEXT(inbound_publication_settings, endpoint),
    TEXT(inbound_publication_settings, events[0].publication),
    TEXT(inbound_publication_settings, events[1].publication),
    END,
};

static const struct copied resource_list_copied[] = {
    TEXT(resource_list_settings, event),
    LIST(COPY_STRS, resource_list_settings, items, n_items),
    END,
};

static const struct copied domain_alias_copied[] = {
    TEXT(domain_alias, domain),
    END,
};

#define KEPT(type, array, n, id_member, place, table, settle_fn)                             \
    {                                                                                        \
        offsetof(struct settings, array), offsetof(struct settings, n), sizeof(struct type), \
            offsetof(struct type, id_member), place, table, settle_fn                        \
    }

static const struct kept {
    size_t array, count; /* in the settings */
    size_t size, id, at; /* of the object */
    const struct copied *copied;
    void (*settle)(struct pjsip_reader *p, void *object, const struct conf_section *s);
} kept[PJSIP_KINDS] = {
    [PJSIP_TRANSPORT] = KEPT(transport_settings, transports, n_transports, id,
                             offsetof(struct transport_settings, at), transport_copied, NULL),
    [PJSIP_ACL] = KEPT(acl_settings, acls, n_acls, id, offsetof(struct acl_settings, at),
                       acl_copied, acl_settle),
    [PJSIP_AUTH] = KEPT(auth_settings, auths, n_auths, id, offsetof(struct auth_settings, at),
                        auth_copied, NULL),
    [PJSIP_AOR] = KEPT(aor_settings, aors, n_aors, id, NONE, aor_copied, aor_settle),
    [PJSIP_ENDPOINT] =
        KEPT(endpoint_settings, endpoints, n_endpoints, id, offsetof(struct endpoint_settings, at),
             endpoint_copied, endpoint_settle),
    [PJSIP_IDENTIFY] =
        KEPT(identify_settings, identifies, n_identifies, id,
             offsetof(struct identify_settings, at), identify_copied, identify_settle),
    [PJSIP_PUBLISH] = KEPT(publish_settings, publishes, n_publishes, id,
                           offsetof(struct publish_settings, at), publish_copied, publish_settle),
    [PJSIP_ASTERISK_PUBLICATION] =
        KEPT(asterisk_publication_settings, asterisk_publications, n_asterisk_publications, id,
             offsetof(struct asterisk_publication_settings, at), asterisk_publication_copied,
             asterisk_publication_settle),
    [PJSIP_INBOUND_PUBLICATION] =
        KEPT(inbound_publication_settings, inbound_publications, n_inbound_publications, id,
             offsetof(struct inbound_publication_settings, at), inbound_publication_copied,
             inbound_publication_settle),
    [PJSIP_RESOURCE_LIST] =
        KEPT(resource_list_settings, resource_lists, n_resource_lists, id,
             offsetof(struct resource_list_settings, at), resource_list_copied, NULL),
    [PJSIP_DOMAIN_ALIAS] =
        KEPT(domain_alias, aliases, n_aliases, alias, NONE, domain_alias_copied, NULL),
};

struct pjsip_objects pjsip_objects(const struct settings *s, enum pjsip_kind kind)
{
    const struct kept *k = &kept[kind];
    struct pjsip_objects o = { .size = k->size, .id = k->id };

    memcpy(&o.first, (const char *)s + k->array, sizeof(o.first));
    memcpy(&o.n, (const char *)s + k->count, sizeof(o.n));
    return o;
}

/* ---- into the settings ---- */

int pjsip_keep(struct pjsip_reader *p, enum pjsip_kind kind, const struct conf_section *s,
               const void *object)
{
    const struct kept *k = &kept[kind];
    size_t *n = (size_t *)(void *)((char *)p->s + k->count);
    void **array = (void **)(void *)((char *)p->s + k->array);
    struct diag_place at = s->at;
    struct str id;
    char *place;
    int r = arena_str(p->r->arena, &id, s->name);

    if (r == 0 && k->at != NONE)
        r = reading_place(p->r, s->at, &at);
    if (r == 0)
        r = array_grow(array, *n, k->size);
    if (r == 0)
        r = settings_id_add(p->s, kind, id, *n);
    if (r)
        return r;
    place = (char *)*array + *n * k->size;
    memcpy(place, object, k->size);
    memcpy(place + k->id, &id, sizeof(id));
    if (k->at != NONE)
        memcpy(place + k->at, &at, sizeof(at));
    ++*n;
    return 0;
}

/* ---- from the settings before ---- */

static int str_renew(struct arena *a, struct str *s)
{
    return arena_str(a, s, *s);
}

static int bytes_renew(struct arena *a, void *array, size_t n, size_t size)
{
    void *former, *copy;

    memcpy(&former, array, sizeof(former));
    copy = arena_alloc(a, n * size + 1);
    if (!copy)
        return -ENOMEM;
    if (n)
        memcpy(copy, former, n * size);
    memcpy(array, &copy, sizeof(copy));
    return 0;
}

static int strs_renew(struct arena *a, struct str **list, size_t n)
{
    int r = bytes_renew(a, list, n, sizeof(**list));

    for (size_t i = 0; i < n && r == 0; i++)
        r = str_renew(a, &(*list)[i]);
    return r;
}

/* It was one before, so what it is made of is a pattern. */
static int regex_renew(struct regex **regex, struct str pattern, bool nocase)
{
    return *regex ? regex_create(regex, pattern, nocase, NULL) : 0;
}

static int field_renew(struct arena *a, const struct copied *c, char *object)
{
    void *field = object + c->at, *other = object + (c->other == NONE ? 0 : c->other);

    switch (c->kind) {
    case COPY_STR:
        return str_renew(a, field);
    case COPY_STRS:
        return strs_renew(a, field, *(size_t *)other);
    case COPY_NETS:
        return bytes_renew(a, field, *(size_t *)other, sizeof(struct addr_net));
    case COPY_MATCHES:
        return bytes_renew(a, field, *(size_t *)other, sizeof(struct identify_match));
    case COPY_RULES:
        return bytes_renew(a, field, *(size_t *)other, sizeof(struct address_rule));
    case COPY_REGEX:
        return regex_renew(field, *(struct str *)other, true);
    case COPY_REGEX_CASED:
        return regex_renew(field, *(struct str *)other, false);
    case COPY_END:
        break;
    }
    return 0;
}

/* `object` has the bytes of the former one. On failure patterns are left that are nobody's: those
 * not renewed yet are the former's, so all are forgotten but the `renewed` ones. */
static int object_renew(struct arena *a, const struct copied *copied, char *object, size_t *renewed)
{
    int r = 0;

    for (*renewed = 0; copied[*renewed].kind != COPY_END; ++*renewed) {
        r = field_renew(a, &copied[*renewed], object);
        if (r)
            break;
    }
    return r;
}

static void patterns_drop(const struct copied *copied, char *object, size_t renewed)
{
    for (size_t i = 0; i < renewed; i++)
        if (copied[i].kind == COPY_REGEX || copied[i].kind == COPY_REGEX_CASED)
            regex_destroy(*(struct regex **)(void *)(object + copied[i].at));
}

int pjsip_keep_former(struct pjsip_reader *p, enum pjsip_kind kind, const struct conf_section *s,
                      size_t index)
{
    const struct kept *k = &kept[kind];
    size_t renewed;
    char *object = arena_alloc(&p->r->scratch, k->size);
    int r;

    if (!object)
        return -ENOMEM;
    memcpy(object, pjsip_objects(p->r->source->former, kind).first + index * k->size, k->size);
    r = object_renew(p->r->arena, k->copied, object, &renewed);
    if (r == 0 && k->settle)
        k->settle(p, object, s);
    if (r == 0)
        r = pjsip_keep(p, kind, s, object);
    if (r)
        patterns_drop(k->copied, object, renewed);
    return r;
}

int global_former(struct pjsip_reader *p, void *draft)
{
    struct global_draft *d = draft;
    size_t renewed;

    d->g = p->r->source->former->global;
    return object_renew(p->r->arena, global_copied, draft, &renewed);
}

int transport_socket_former(struct pjsip_reader *p, struct transport_settings *t,
                            const struct transport_settings *former)
{
    const struct transport_settings now = *t;
    size_t renewed;

    *t = *former;
    t->domain = now.domain;
    t->external_address = now.external_address;
    t->external_port = now.external_port;
    t->local_nets = now.local_nets;
    t->n_local_nets = now.n_local_nets;
    t->symmetric = now.symmetric;
    return object_renew(p->r->arena, transport_copied, (char *)t, &renewed);
}

int system_former(struct pjsip_reader *p, void *draft)
{
    const struct global_settings *g = &p->r->source->former->global;

    *(struct system_draft *)draft = (struct system_draft){ g->timer_t1_ms, g->timer_b_ms,
                                                           g->compact_headers, g->disable_rport };
    return 0;
}

int compositor_former(struct reading *r, struct compositor_settings *c,
                      const struct compositor_settings *former)
{
    size_t renewed;

    *c = *former;
    return object_renew(r->arena, compositor_copied, (char *)c, &renewed);
}

int source_former(struct reading *r, struct source_settings *c,
                  const struct source_settings *former)
{
    size_t renewed;

    *c = *former;
    return object_renew(r->arena, source_copied, (char *)c, &renewed);
}
