// SPDX-License-Identifier: MIT
/* Settings as a whole: which files are read in which order, finding objects by id, and their end.
 */
#include "config/conf_reader.h"
#include "config/manager.h"
#include "config/pjsip.h"

#include <stdlib.h>

struct settings_owned {
    struct arena arena;
    struct map ids;        /* struct settings_id by kind and id */
    struct conf *extstate; /* plugins' options point into it */
};

/* ---- ids ---- */

struct settings_id { /* in the arena */
    struct map_node node;
    enum pjsip_kind kind;
    struct str id;
    size_t index;
};

struct id_key {
    enum pjsip_kind kind;
    struct str id;
};

static bool id_equal(const struct map_node *node, const void *key)
{
    const struct settings_id *i = CONTAINER_OF(node, struct settings_id, node);
    const struct id_key *k = key;

    return i->kind == k->kind && str_equal(i->id, k->id);
}

static uint64_t id_hash(const struct map *ids, enum pjsip_kind kind, struct str id)
{
    return map_hash_mix(map_hash(ids, id), kind);
}

int settings_id_add(struct settings *s, enum pjsip_kind kind, struct str id, size_t index)
{
    struct settings_owned *owned = s->owned;
    struct settings_id *i = arena_alloc(&owned->arena, sizeof(*i));

    if (!i)
        return -ENOMEM;
    i->kind = kind;
    i->id = id;
    i->index = index;
    s->endpoints_have_domains |= kind == PJSIP_ENDPOINT && str_find_char(id, '@') < id.n;
    map_add(&owned->ids, &i->node, id_hash(&owned->ids, kind, id));
    return 0;
}

bool settings_id_find(const struct settings *s, enum pjsip_kind kind, struct str id, size_t *index)
{
    const struct settings_owned *owned = s->owned;
    struct id_key key = { kind, id };
    struct map_node *node = map_find(&owned->ids, id_hash(&owned->ids, kind, id), id_equal, &key);

    if (!node)
        return false;
    *index = CONTAINER_OF(node, struct settings_id, node)->index;
    return true;
}

const struct endpoint_settings *settings_endpoint(const struct settings *s, struct str id)
{
    size_t i;

    return settings_id_find(s, PJSIP_ENDPOINT, id, &i) ? &s->endpoints[i] : NULL;
}

const struct auth_settings *settings_auth(const struct settings *s, struct str id)
{
    size_t i;

    return settings_id_find(s, PJSIP_AUTH, id, &i) ? &s->auths[i] : NULL;
}

const struct resource_list_settings *settings_resource_list(const struct settings *s, struct str id,
                                                            struct str event)
{
    size_t i;

    if (!s->n_resource_lists || !settings_id_find(s, PJSIP_RESOURCE_LIST, id, &i) ||
        !str_equal_nocase(s->resource_lists[i].event, event))
        return NULL;
    return &s->resource_lists[i];
}

const struct aor_settings *settings_aor(const struct settings *s, struct str id)
{
    size_t i;

    return settings_id_find(s, PJSIP_AOR, id, &i) ? &s->aors[i] : NULL;
}

const struct transport_settings *settings_transport(const struct settings *s, struct str id)
{
    size_t i;

    return settings_id_find(s, PJSIP_TRANSPORT, id, &i) ? &s->transports[i] : NULL;
}

const struct publish_settings *settings_publish(const struct settings *s, struct str id)
{
    size_t i;

    return settings_id_find(s, PJSIP_PUBLISH, id, &i) ? &s->publishes[i] : NULL;
}

bool settings_owns(const struct endpoint_settings *e, struct str user)
{
    for (size_t i = 0; i < e->n_aors; i++)
        if (str_equal(e->aors[i], user))
            return true;
    return str_equal(e->id, user);
}

bool settings_endpoint_reachable(const struct settings *s, const struct endpoint_settings *e)
{
    for (size_t i = 0; i < e->n_aors; i++) {
        const struct aor_settings *a = settings_aor(s, e->aors[i]);

        if (a && a->n_contacts)
            return true;
    }
    return false;
}

bool settings_one_dialog(const struct settings *s, struct str user_agent)
{
    struct str rest = s->dialog_info.single_dialog_agents;

    while (rest.p) {
        struct str part = str_trim(str_next(&rest, ','));

        if (part.n && str_contains_nocase(user_agent, part))
            return true;
    }
    return s->dialog_info.single_dialog;
}

/* ---- life ---- */

static int settings_create(struct settings **out)
{
    struct settings *s = calloc(1, sizeof(*s));
    struct settings_owned *owned = calloc(1, sizeof(*owned));
    struct rng rng;
    int r = -ENOMEM;

    if (!s || !owned)
        goto out;
    rng_init_system(&rng);
    r = map_init(&owned->ids, &rng);
    if (r)
        goto out;
    atomic_init(&s->refs, 1);
    s->owned = owned;
    *out = s;
    return 0;
out:
    free(s);
    free(owned);
    return r;
}

static void settings_destroy(struct settings *s)
{
    struct settings_owned *owned = s->owned;

    for (size_t i = 0; i < s->n_publishes; i++) {
        regex_destroy(s->publishes[i].context);
        regex_destroy(s->publishes[i].exten);
        regex_destroy(s->publishes[i].state);
    }
    for (size_t i = 0; i < s->n_asterisk_publications; i++)
        asterisk_publication_fini(&s->asterisk_publications[i]);
    for (size_t i = 0; i < s->n_endpoints; i++)
        endpoint_fini(&s->endpoints[i]);
    for (size_t i = 0; i < s->n_identifies; i++)
        identify_fini(&s->identifies[i]);
    free(s->transports);
    free(s->acls);
    free(s->endpoints);
    free(s->aors);
    free(s->mailbox_groups);
    free(s->auths);
    free(s->identifies);
    free(s->publishes);
    free(s->asterisk_publications);
    free(s->inbound_publications);
    free(s->resource_lists);
    free(s->plugins);
    free(s->compositors);
    free(s->sources);
    authorization_unref(s->authorization);
    manager_settings_unref(s->manager);
    free(s->aliases);
    map_fini(&owned->ids);
    conf_destroy(owned->extstate);
    arena_fini(&owned->arena);
    free(owned);
    free(s);
}

struct settings *settings_ref(const struct settings *s)
{
    struct settings *counted = (struct settings *)s; /* the count is the one thing that changes */

    atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return counted;
}

void settings_unref(const struct settings *s)
{
    struct settings *counted = (struct settings *)s;

    if (counted && atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) == 1)
        settings_destroy(counted);
}

/* ---- reading ---- */

static struct conf_source source_of(const struct settings_source *source, struct str file)
{
    struct conf_source s = source->files;

    s.directory = source->directory;
    s.file = file;
    return s;
}

/* "SECTION.OPTION=VALUE" as one more line of extstate.conf. */
static int override_apply(struct reading *r, struct conf *conf, struct str text)
{
    size_t equals = str_find_char(text, '='), dot = equals;
    struct str section, name;

    while (dot > 0 && text.p[dot - 1] != '.')
        dot--;
    section = str_trim(str_sub(text, 0, dot ? dot - 1 : 0));
    name = str_trim(str_sub(text, dot, equals));
    if (equals == text.n || section.n == 0 || name.n == 0) {
        r->override_faults++;
        reading_tell(r, DIAG_ERROR, override_place,
                     "\"%.*s\" is not SECTION.OPTION=VALUE, as general.workers=4", STR_FMT(text));
        return 0;
    }
    return conf_set(conf, section, name, str_trim(str_sub(text, equals + 1, text.n)),
                    override_place);
}

static int read_extstate(struct reading *r, struct settings *s, bool *unusable)
{
    struct settings_owned *owned = s->owned;
    struct conf_source source = source_of(r->source, STR("extstate.conf"));
    int result = conf_read(&owned->extstate, &source, r->diag);

    *unusable = result == CONF_DAMAGED;
    if (result == -ENOENT)
        result = conf_create(&owned->extstate);
    if (result < 0)
        return result;
    for (size_t i = 0; i < r->source->n_overrides; i++) {
        result = override_apply(r, owned->extstate, r->source->overrides[i]);
        if (result)
            return result;
    }
    r->exact = true;
    result = extstate_conf_read(r, s, owned->extstate);
    r->exact = false;
    return result;
}

static void tell_unserved(struct reading *r, const struct settings *s, bool missing)
{
    char room[4096];
    struct buf path;

    if (s->n_transports)
        return;
    buf_init_on(&path, room, sizeof(room));
    conf_path_print(&path, r->source->directory, STR("pjsip.conf"));
    reading_tell(r, DIAG_WARNING, (struct diag_place){ buf_str(&path), 0 },
                 missing ? "the file does not exist, so no SIP is served; does --config-dir name "
                           "the right directory?"
                         : "no transport, so no SIP is served; add a section with type = "
                           "transport");
}

/* A file that need not be there. */
static int read_optional(struct reading *r, struct settings *s, struct str file,
                         int (*read)(struct reading *r, struct settings *s,
                                     const struct conf *conf),
                         bool *unusable)
{
    struct conf_source source = source_of(r->source, file);
    struct conf *conf = NULL;
    int result = conf_read(&conf, &source, r->diag);

    *unusable = *unusable || result == CONF_DAMAGED;
    if (result == -ENOENT)
        result = conf_create(&conf);
    if (result < 0)
        return result;
    result = read(r, s, conf);
    conf_destroy(conf);
    return result;
}

static int read_pjsip(struct reading *r, struct settings *s, bool *unusable)
{
    struct conf_source source = source_of(r->source, STR("pjsip.conf"));
    struct conf *conf = NULL;
    bool missing;
    int result;

    source.allow_exec = source.allow_exec || s->general.execincludes;
    result = conf_read(&conf, &source, r->diag);
    *unusable = result == CONF_DAMAGED;
    missing = result == -ENOENT;
    if (missing)
        result = conf_create(&conf); /* the defaults come from reading all the same */
    if (result < 0)
        return result;
    result = pjsip_read(r, s, conf);
    if (result == 0 && !*unusable)
        tell_unserved(r, s, missing);
    conf_destroy(conf);
    return result;
}

int settings_read(struct settings **out, const struct settings_source *from, struct diag *diag)
{
    bool extstate_unusable, pjsip_unusable, optional_unusable = false;
    struct settings_source source = *from;
    struct settings *s = NULL;
    struct reading r;
    int result = settings_create(&s);

    if (result)
        return result;
    source.files.fingerprint = &s->fingerprint;
    for (size_t i = 0; i < from->n_overrides; i++)
        conf_fingerprint(&source.files, from->overrides[i]);
    result = reading_init(&r, &source, &((struct settings_owned *)s->owned)->arena, diag);
    if (result)
        goto out;
    result = read_extstate(&r, s, &extstate_unusable);
    if (result)
        goto out_reading;
    if (from->plugins && !extstate_unusable)
        result = from->plugins(from->ctx, s);
    if (result)
        goto out_reading;
    r.strict = s->compatibility.strict_objects;
    result = read_optional(&r, s, STR("acl.conf"), named_rules_read, &optional_unusable);
    if (result == 0)
        result = read_optional(&r, s, STR("manager.conf"), manager_conf_read, &optional_unusable);
    if (result == 0)
        result = read_pjsip(&r, s, &pjsip_unusable);
    if (result == 0)
        result = mailbox_groups_make(&r, s);
    if (result == 0 && !pjsip_unusable)
        result = compositor_conf_settle(&r, s);
    if (result)
        goto out_reading;
    for (size_t i = 0; i < s->n_endpoints; i++)
        s->limits_watching |= s->endpoints[i].watch_allow || s->endpoints[i].watch_deny;
    for (size_t i = 0; i < s->n_identifies; i++)
        s->identifies_messages |= s->identifies[i].header.n || s->identifies[i].uri.n;
    if (extstate_unusable || optional_unusable || pjsip_unusable || r.override_faults)
        result = SETTINGS_UNUSABLE;
    if (result == 0 && from->former && from->former->fingerprint == s->fingerprint) {
        *out = settings_ref(from->former);
    } else {
        *out = s;
        s = NULL;
    }
out_reading:
    reading_fini(&r);
out:
    settings_unref(s);
    return result;
}
