// SPDX-License-Identifier: MIT
/* What is different between two settings, in the words of the files. Objects are compared as they
 * are in force, not as they are written: one that a reload keeps is the same. What an option fills
 * is in its table; where the reader does more than fill a field, a row here says what became of it.
 */
#include "config/manager.h"
#include "config/pjsip.h"

enum field_kind {
    FIELD_BOOL,
    FIELD_U16,
    FIELD_U32,
    FIELD_STR,
    FIELD_STRS,
    FIELD_ADDR,
    FIELD_NETS,
    FIELD_TOKENS,
    FIELD_MATCHES,
    FIELD_RULES,
    FIELD_EVENT,       /* of an inbound-publication: its package is behind "event_" */
    FIELD_IDENTIFIERS, /* in order */
    FIELD_ALGORITHMS   /* likewise */
};

struct field {
    const char *option;
    enum field_kind kind;
    size_t at, count; /* `count`: of a list its length */
};

#define FIELD(option, kind, type, member)              \
    {                                                  \
        option, kind, offsetof(struct type, member), 0 \
    }
#define FIELD_N(option, kind, type, member, n)                                \
    {                                                                         \
        option, kind, offsetof(struct type, member), offsetof(struct type, n) \
    }
#define END  \
    {        \
        NULL \
    }

static const struct field no_fields[] = { END };

static const struct field transport_fields[] = {
    FIELD("bind", FIELD_ADDR, transport_settings, bind),
    FIELD("external_signaling_port", FIELD_U16, transport_settings, external_port),
    FIELD("tos", FIELD_U32, transport_settings, tos),
    FIELD("cert_file", FIELD_STR, transport_settings, cert_file),
    FIELD("priv_key_file", FIELD_STR, transport_settings, key_file),
    FIELD("password", FIELD_STR, transport_settings, password),
    FIELD("ca_list_file", FIELD_STR, transport_settings, ca_file),
    FIELD("ca_list_path", FIELD_STR, transport_settings, ca_path),
    FIELD("verify_server", FIELD_BOOL, transport_settings, verify_server),
    FIELD("verify_client", FIELD_BOOL, transport_settings, verify_client),
    FIELD("require_client_cert", FIELD_BOOL, transport_settings, require_client_cert),
    FIELD("allow_wildcard_certs", FIELD_BOOL, transport_settings, wildcards),
    FIELD("method", FIELD_U32, transport_settings, tls_version),
    FIELD("cipher", FIELD_STR, transport_settings, cipher),
    FIELD("tcp_keepalive_enable", FIELD_BOOL, transport_settings, keepalive),
    FIELD("tcp_keepalive_idle_time", FIELD_U32, transport_settings, keepalive_idle_s),
    FIELD("tcp_keepalive_interval_time", FIELD_U32, transport_settings, keepalive_interval_s),
    FIELD("tcp_keepalive_probe_count", FIELD_U32, transport_settings, keepalive_probes),
    END,
};

static const struct field auth_fields[] = {
    FIELD("md5_cred", FIELD_STR, auth_settings, credential.hash[DIGEST_MD5]),
    FIELD("password_digest", FIELD_STR, auth_settings, credential.hash[DIGEST_SHA256]),
    FIELD("password_digest", FIELD_STR, auth_settings, credential.hash[DIGEST_SHA512_256]),
    FIELD("supported_algorithms_uac", FIELD_U32, auth_settings, credential.algorithms),
    FIELD("supported_algorithms_uas", FIELD_ALGORITHMS, auth_settings, server.order),
    END,
};

static const struct field http_fields[] = {
    FIELD("bind", FIELD_ADDR, http_settings, bind),
    FIELD_N("token", FIELD_TOKENS, http_settings, tokens, n_tokens),
    FIELD("tls_cert_file", FIELD_STR, http_settings, cert_file),
    FIELD("tls_key_file", FIELD_STR, http_settings, key_file),
    END,
};

static const struct field acl_fields[] = {
    FIELD_N("permit or deny", FIELD_RULES, acl_settings, source.rules, source.n_rules),
    FIELD_N("contact_permit or contact_deny", FIELD_RULES, acl_settings, contact.rules,
            contact.n_rules),
    END,
};

static const struct field aor_fields[] = {
    FIELD("qualify_timeout", FIELD_U32, aor_settings, qualify_timeout_ms),
    END,
};

static const struct field endpoint_fields[] = {
    FIELD_N("permit or deny", FIELD_RULES, endpoint_settings, source.rules, source.n_rules),
    FIELD_N("contact_permit or contact_deny", FIELD_RULES, endpoint_settings, contact.rules,
            contact.n_rules),
    FIELD("context", FIELD_STR, endpoint_settings, context),
    FIELD("callerid", FIELD_STR, endpoint_settings, callerid_name),
    FIELD("callerid", FIELD_STR, endpoint_settings, callerid_number),
    END,
};

static const struct field identify_fields[] = {
    FIELD_N("match", FIELD_MATCHES, identify_settings, matches, n_matches),
    FIELD("match_header", FIELD_STR, identify_settings, header),
    FIELD("match_header", FIELD_STR, identify_settings, header_value),
    FIELD("match_request_uri", FIELD_STR, identify_settings, uri),
    FIELD_N("@match_certificate", FIELD_STRS, identify_settings, certificates, n_certificates),
    END,
};

static const struct field publish_fields[] = {
    FIELD("@body", FIELD_STR, publish_settings, body),
    FIELD("@device_state_filter or @mailbox_state_filter", FIELD_STR, publish_settings,
          state_pattern),
    END,
};

static const struct field inbound_fields[] = {
    FIELD("event_asterisk-devicestate", FIELD_EVENT, inbound_publication_settings, events),
    FIELD("event_asterisk-mwi", FIELD_EVENT, inbound_publication_settings, events),
    END,
};

static const struct field compositor_fields[] = {
    FIELD_N("domains", FIELD_STRS, compositor_settings, domains, n_domains),
    FIELD_N("packages", FIELD_STRS, compositor_settings, packages, n_packages),
    FIELD_N("opaque", FIELD_STRS, compositor_settings, opaques, n_opaques),
    FIELD("users", FIELD_BOOL, compositor_settings, any_user),
    END,
};

static const struct field source_fields[] = {
    FIELD("port", FIELD_U16, source_settings, port),
    FIELD("hints", FIELD_BOOL, source_settings, hints),
    END,
};

static const struct field general_fields[] = {
    FIELD("log_level", FIELD_STR, general_settings, log_level),
    FIELD("entityid", FIELD_STR, general_settings, entityid),
    END,
};

static const struct field global_fields[] = {
    FIELD("endpoint_identifier_order", FIELD_IDENTIFIERS, global_settings, identifier_order),
    FIELD("debug", FIELD_BOOL, global_settings, debug),
    FIELD("debug", FIELD_STR, global_settings, debug_host),
    FIELD("default_auth_algorithms_uac", FIELD_U32, global_settings, algorithms_uac),
    FIELD("default_auth_algorithms_uas", FIELD_ALGORITHMS, global_settings, algorithms_uas),
    END,
};

static const struct field compatibility_fields[] = {
    FIELD("restart_notify", FIELD_BOOL, compatibility_settings, restart_notify_all),
    END,
};

/* Its options are read into a draft of their own. */
static const struct field system_fields[] = {
    FIELD("timer_t1", FIELD_U32, global_settings, timer_t1_ms),
    FIELD("timer_b", FIELD_U32, global_settings, timer_b_ms),
    FIELD("compact_headers", FIELD_BOOL, global_settings, compact_headers),
    FIELD("disable_rport", FIELD_BOOL, global_settings, disable_rport),
    FIELD("disable_tcp_switch", FIELD_BOOL, global_settings, disable_tcp_switch),
    END,
};

/* ---- fields ---- */

static bool nets_equal(const struct addr_net *a, const struct addr_net *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!addr_equal_host(&a[i].base, &b[i].base) || a[i].prefix != b[i].prefix)
            return false;
    return true;
}

static bool matches_equal(const struct identify_match *a, const struct identify_match *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!nets_equal(&a[i].net, &b[i].net, 1) || a[i].port != b[i].port ||
            a[i].negated != b[i].negated)
            return false;
    return true;
}

static bool rules_equal(const struct address_rule *a, const struct address_rule *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!nets_equal(&a[i].net, &b[i].net, 1) || a[i].permit != b[i].permit ||
            a[i].negated != b[i].negated)
            return false;
    return true;
}

static bool strs_equal(const struct str *a, const struct str *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!str_equal(a[i], b[i]))
            return false;
    return true;
}

static struct str event_of(const struct inbound_publication_settings *p, const struct field *f)
{
    struct str package = str_of(f->option + sizeof("event_") - 1);

    for (size_t i = 0; i < p->n_events; i++)
        if (str_equal(p->events[i].package, package))
            return p->events[i].publication;
    return STR_EMPTY;
}

static bool tokens_equal(const struct http_token *a, const struct http_token *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!str_equal(a[i].name, b[i].name) || !str_equal(a[i].secret, b[i].secret) ||
            a[i].writes != b[i].writes)
            return false;
    return true;
}

static bool list_equal(const struct field *f, const void *a, const void *b, size_t n)
{
    if (f->kind == FIELD_STRS)
        return strs_equal(a, b, n);
    if (f->kind == FIELD_RULES)
        return rules_equal(a, b, n);
    if (f->kind == FIELD_TOKENS)
        return tokens_equal(a, b, n);
    return f->kind == FIELD_NETS ? nets_equal(a, b, n) : matches_equal(a, b, n);
}

static bool field_equal(const struct field *f, const void *a, const void *b)
{
    const char *x = (const char *)a + f->at, *y = (const char *)b + f->at;
    const void *list[2];
    size_t n[2];

    switch (f->kind) {
    case FIELD_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case FIELD_U16:
        return memcmp(x, y, sizeof(uint16_t)) == 0;
    case FIELD_U32:
        return memcmp(x, y, sizeof(uint32_t)) == 0;
    case FIELD_IDENTIFIERS:
        return memcmp(x, y, sizeof(((struct global_settings *)NULL)->identifier_order)) == 0;
    case FIELD_ALGORITHMS:
        return memcmp(x, y, sizeof(struct digest_order)) == 0;
    case FIELD_STR:
        return str_equal(*(const struct str *)(const void *)x,
                         *(const struct str *)(const void *)y);
    case FIELD_ADDR:
        return addr_equal((const void *)x, (const void *)y);
    case FIELD_EVENT:
        return str_equal(event_of(a, f), event_of(b, f));
    case FIELD_STRS:
    case FIELD_NETS:
    case FIELD_TOKENS:
    case FIELD_MATCHES:
    case FIELD_RULES:
        memcpy(&list[0], x, sizeof(list[0]));
        memcpy(&list[1], y, sizeof(list[1]));
        memcpy(&n[0], (const char *)a + f->count, sizeof(n[0]));
        memcpy(&n[1], (const char *)b + f->count, sizeof(n[1]));
        return n[0] == n[1] && list_equal(f, list[0], list[1], n[0]);
    }
    return true;
}

/* The field that an option's table says it fills. False: a row above has it, or nothing. */
static bool option_field(const struct option *o, size_t object_size, struct field *f)
{
    static const struct {
        enum field_kind kind;
        size_t size;
    } kinds[] = {
        [OPTION_BOOL] = { FIELD_BOOL, sizeof(bool) },
        [OPTION_U32] = { FIELD_U32, sizeof(uint32_t) },
        [OPTION_DURATION] = { FIELD_U32, sizeof(uint32_t) },
        [OPTION_STR] = { FIELD_STR, sizeof(struct str) },
        [OPTION_LIST] = { FIELD_STRS, sizeof(struct str *) },
        [OPTION_URI] = { FIELD_STR, sizeof(struct str) },
        [OPTION_URI_LIST] = { FIELD_STRS, sizeof(struct str *) },
        [OPTION_USER] = { FIELD_STR, sizeof(struct str) },
        [OPTION_HOST] = { FIELD_STR, sizeof(struct str) },
        [OPTION_ADDR] = { FIELD_STR, sizeof(struct str) },
        [OPTION_WORD] = { FIELD_U32, sizeof(uint32_t) },
        [OPTION_WORDS] = { FIELD_U32, sizeof(uint32_t) },
        [OPTION_NETS] = { FIELD_NETS, sizeof(struct addr_net *) },
    };

    if (o->type == OPTION_CUSTOM || o->at + kinds[o->type].size > object_size)
        return false;
    *f = (struct field){ o->name, kinds[o->type].kind, o->at, o->count };
    return true;
}

/* ---- objects ---- */

struct comparison {
    settings_change_fn each;
    void *ctx;
};

static void tell(const struct comparison *c, const char *kind, struct str id,
                 enum settings_change_what what, struct str options)
{
    c->each(c->ctx, &(struct settings_change){ kind, id, what, options });
}

static void name_add(struct buf *names, const char *option)
{
    struct str rest = buf_str(names), last = STR_EMPTY;

    while (rest.n)
        last = str_trim(str_next(&rest, ','));
    if (str_equal(last, str_of(option)))
        return; /* two fields of one option */
    buf_add(names, names->n ? STR(", ") : STR_EMPTY);
    buf_add(names, str_of(option));
}

struct compared { /* how objects of a kind are */
    const char *kind;
    const struct schema *schema; /* NULL: `fields` is all */
    size_t size;                 /* of the object in the settings, with which the draft begins */
    const struct field *fields;
};

static void object_compare(const struct comparison *c, const struct compared *k, struct str id,
                           const void *from, const void *to)
{
    char room[2048];
    struct buf names;
    struct field f;

    buf_init_on(&names, room, sizeof(room));
    for (size_t i = 0; k->schema && i < k->schema->n_options; i++)
        if (option_field(&k->schema->options[i], k->size, &f) && !field_equal(&f, from, to))
            name_add(&names, f.option);
    for (const struct field *row = k->fields; row->option; row++)
        if (!field_equal(row, from, to))
            name_add(&names, row->option);
    if (names.n)
        tell(c, k->kind, id, SETTINGS_CHANGED, buf_str(&names));
}

static struct str object_id(const struct pjsip_objects *o, size_t i)
{
    struct str id;

    memcpy(&id, o->first + i * o->size + o->id, sizeof(id));
    return id;
}

static void objects_compare(const struct comparison *c, enum pjsip_kind kind, size_t size,
                            const struct field *fields, const struct settings *from,
                            const struct settings *to)
{
    const struct schema *schema = pjsip_schema(kind);
    const struct compared compared = { schema->kind, schema, size, fields };
    const struct pjsip_objects was = pjsip_objects(from, kind), is = pjsip_objects(to, kind);
    size_t index;

    for (size_t i = 0; i < is.n; i++) {
        struct str id = object_id(&is, i);

        if (settings_id_find(from, kind, id, &index))
            object_compare(c, &compared, id, was.first + index * was.size, is.first + i * is.size);
        else
            tell(c, schema->kind, id, SETTINGS_ADDED, STR_EMPTY);
    }
    for (size_t i = 0; i < was.n; i++)
        if (!settings_id_find(to, kind, object_id(&was, i), &index))
            tell(c, schema->kind, object_id(&was, i), SETTINGS_REMOVED, STR_EMPTY);
}

/* Sections of extstate.conf, of which no index knows where they stand. */
struct sections {
    const char *first;
    size_t n, size;
};

static const char *section_find(const struct sections *s, size_t id_at, struct str id)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *section = s->first + i * s->size;

        if (str_equal(*(const struct str *)(const void *)(section + id_at), id))
            return section;
    }
    return NULL;
}

static void sections_compare(const struct comparison *c, const struct compared *k, size_t id_at,
                             struct sections from, struct sections to)
{
    from.size = to.size = k->size;
    for (size_t i = 0; i < to.n; i++) {
        const char *is = to.first + i * to.size;
        struct str id = *(const struct str *)(const void *)(is + id_at);
        const char *was = section_find(&from, id_at, id);

        if (was)
            object_compare(c, k, id, was, is);
        else
            tell(c, k->kind, id, SETTINGS_ADDED, STR_EMPTY);
    }
    for (size_t i = 0; i < from.n; i++) {
        const char *was = from.first + i * from.size;
        struct str id = *(const struct str *)(const void *)(was + id_at);

        if (!section_find(&to, id_at, id))
            tell(c, k->kind, id, SETTINGS_REMOVED, STR_EMPTY);
    }
}

static const struct compared source_compared = { "source", &source_schema,
                                                 sizeof(struct source_settings), source_fields };

static void note_difference(void *ctx, const struct settings_change *change)
{
    (void)change;
    *(bool *)ctx = true;
}

bool settings_source_equal(const struct source_settings *a, const struct source_settings *b)
{
    bool different = false;

    object_compare(&(struct comparison){ note_difference, &different }, &source_compared, a->id, a,
                   b);
    return !different;
}

static void own_sections_compare(const struct comparison *c, const struct settings *from,
                                 const struct settings *to)
{
    static const struct compared compositor = { "compositor", &compositor_schema,
                                                sizeof(struct compositor_settings),
                                                compositor_fields };

    sections_compare(c, &compositor, offsetof(struct compositor_settings, id),
                     (struct sections){ (const char *)from->compositors, from->n_compositors },
                     (struct sections){ (const char *)to->compositors, to->n_compositors });
    sections_compare(c, &source_compared, offsetof(struct source_settings, id),
                     (struct sections){ (const char *)from->sources, from->n_sources },
                     (struct sections){ (const char *)to->sources, to->n_sources });
}

/* ---- all of it ---- */

/* What there is one of. */
static void singles_compare(const struct comparison *c, const struct settings *from,
                            const struct settings *to)
{
    static const struct {
        struct compared compared;
        size_t at;
    } singles[] = {
        { { "[general]", &general_schema, sizeof(struct general_settings), general_fields },
          offsetof(struct settings, general) },
        { { "[compatibility]", &compatibility_schema, sizeof(struct compatibility_settings),
            compatibility_fields },
          offsetof(struct settings, compatibility) },
        { { "[dialog-info]", &dialog_info_schema, sizeof(struct dialog_info_settings), no_fields },
          offsetof(struct settings, dialog_info) },
        { { "[http]", &http_schema, sizeof(struct http_settings), http_fields },
          offsetof(struct settings, http) },
        { { "[journal]", &journal_schema, sizeof(struct journal_settings), no_fields },
          offsetof(struct settings, journal) },
        { { "[registrar]", &registrar_schema, sizeof(struct registrar_settings), no_fields },
          offsetof(struct settings, registrar) },
        { { "[global]", &global_schema, sizeof(struct global_settings), global_fields },
          offsetof(struct settings, global) },
        { { "[system]", NULL, 0, system_fields }, offsetof(struct settings, global) },
    };

    for (size_t i = 0; i < ARRAY_LEN(singles); i++)
        object_compare(c, &singles[i].compared, STR_EMPTY, (const char *)from + singles[i].at,
                       (const char *)to + singles[i].at);
    if (from->authorization->fingerprint != to->authorization->fingerprint)
        tell(c, "[authorization]", STR_EMPTY, SETTINGS_CHANGED, STR_EMPTY);
    if (from->manager->fingerprint != to->manager->fingerprint)
        tell(c, "manager.conf", STR_EMPTY, SETTINGS_CHANGED, STR_EMPTY);
}

void settings_compare(const struct settings *from, const struct settings *to,
                      settings_change_fn each, void *ctx)
{
    static const struct {
        enum pjsip_kind kind;
        size_t size;
        const struct field *fields;
    } kinds[] = {
        { PJSIP_TRANSPORT, sizeof(struct transport_settings), transport_fields },
        { PJSIP_ACL, sizeof(struct acl_settings), acl_fields },
        { PJSIP_AUTH, sizeof(struct auth_settings), auth_fields },
        { PJSIP_AOR, sizeof(struct aor_settings), aor_fields },
        { PJSIP_ENDPOINT, sizeof(struct endpoint_settings), endpoint_fields },
        { PJSIP_IDENTIFY, sizeof(struct identify_settings), identify_fields },
        { PJSIP_PUBLISH, sizeof(struct publish_settings), publish_fields },
        { PJSIP_ASTERISK_PUBLICATION, sizeof(struct asterisk_publication_settings), no_fields },
        { PJSIP_INBOUND_PUBLICATION, sizeof(struct inbound_publication_settings), inbound_fields },
        { PJSIP_RESOURCE_LIST, sizeof(struct resource_list_settings), no_fields },
        { PJSIP_DOMAIN_ALIAS, sizeof(struct domain_alias), no_fields },
    };
    const struct comparison c = { each, ctx };

    if (from == to)
        return;
    singles_compare(&c, from, to);
    own_sections_compare(&c, from, to);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        objects_compare(&c, kinds[i].kind, kinds[i].size, kinds[i].fields, from, to);
}

/* ---- plugins ---- */

static const struct plugin_settings *plugin_find(const struct settings *s, struct str name)
{
    for (size_t i = 0; i < s->n_plugins; i++)
        if (str_equal(s->plugins[i].name, name))
            return &s->plugins[i];
    return NULL;
}

static bool options_equal(const struct conf_section *a, const struct conf_section *b)
{
    if (!a || !b)
        return a == b;
    if (a->n_entries != b->n_entries)
        return false;
    for (size_t i = 0; i < a->n_entries; i++)
        if (!str_equal(a->entries[i].name, b->entries[i].name) ||
            !str_equal(a->entries[i].value, b->entries[i].value))
            return false;
    return true;
}

void settings_compare_plugins(const struct settings *from, const struct settings *to,
                              settings_change_fn each, void *ctx)
{
    const struct comparison c = { each, ctx };

    for (size_t i = 0; i < to->n_plugins; i++) {
        const struct plugin_settings *is = &to->plugins[i];
        const struct plugin_settings *was = plugin_find(from, is->name);

        if (!was)
            tell(&c, "plugin", is->name, SETTINGS_ADDED, STR_EMPTY);
        else if (!options_equal(was->options, is->options))
            tell(&c, "plugin", is->name, SETTINGS_CHANGED, STR_EMPTY);
    }
    for (size_t i = 0; i < from->n_plugins; i++)
        if (!plugin_find(to, from->plugins[i].name))
            tell(&c, "plugin", from->plugins[i].name, SETTINGS_REMOVED, STR_EMPTY);
}

bool settings_same_plugins(const struct settings *a, const struct settings *b)
{
    if (a->n_plugins != b->n_plugins ||
        !str_equal(a->general.plugin_directory, b->general.plugin_directory))
        return false;
    for (size_t i = 0; i < a->n_plugins; i++)
        if (!str_equal(a->plugins[i].name, b->plugins[i].name) ||
            !options_equal(a->plugins[i].options, b->plugins[i].options))
            return false;
    return true;
}
