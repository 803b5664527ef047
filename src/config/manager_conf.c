// SPDX-License-Identifier: MIT
/* manager.conf: the manager interface, and who may log in to it. */
#include "config/conf_reader.h"
#include "config/manager.h"
#include "config/pjsip.h"

#include <stdlib.h>

enum { MANAGER_TLS_PORT = 5039 };

struct manager_draft {
    struct manager_settings m;
    struct str bind, tls_bind;
    uint32_t port;
};

struct user_draft {
    struct manager_user u;
    bool blind; /* a filter cannot be read: what it was to hide is not shown */
};

/* ---- classes ---- */

static const struct option_word class_words[] = {
    { "system", MANAGER_SYSTEM },
    { "call", MANAGER_CALL },
    { "log", MANAGER_LOG },
    { "verbose", MANAGER_VERBOSE },
    { "command", MANAGER_COMMAND },
    { "agent", MANAGER_AGENT },
    { "user", MANAGER_USER },
    { "config", MANAGER_CONFIG },
    { "dtmf", MANAGER_DTMF },
    { "reporting", MANAGER_REPORTING },
    { "cdr", MANAGER_CDR },
    { "dialplan", MANAGER_DIALPLAN },
    { "originate", MANAGER_ORIGINATE },
    { "agi", MANAGER_AGI },
    { "hookresponse", MANAGER_HOOKRESPONSE },
    { "cc", MANAGER_CC },
    { "aoc", MANAGER_AOC },
    { "test", MANAGER_TEST },
    { "security", MANAGER_SECURITY },
    { "message", MANAGER_MESSAGE },
    { "all", MANAGER_ALL },
    { "none", 0 },
    { NULL, 0 },
};

static bool class_find(uint32_t *sum, struct str name)
{
    for (const struct option_word *w = class_words; w->name; w++)
        if (str_equal_nocase(name, str_of(w->name))) {
            *sum |= w->value;
            return true;
        }
    return false;
}

int manager_classes_parse(uint32_t *out, struct str text)
{
    uint32_t sum = 0;
    bool known = false;

    if (str_to_u32(&sum, text) == 0) {
        *out = sum & MANAGER_ALL;
        return 0;
    }
    if (str_is_true(text) || value_is_no(text)) {
        *out = str_is_true(text) ? MANAGER_ALL : 0;
        return 0;
    }
    while (text.n)
        known |= class_find(&sum, str_next(&text, ','));
    if (!known)
        return -EINVAL;
    *out = sum;
    return 0;
}

void manager_classes_print(struct buf *out, uint32_t classes)
{
    for (const struct option_word *w = class_words; w->value != MANAGER_ALL; w++)
        if (classes & w->value)
            buf_printf(out, "%s,", w->name);
    buf_add(out, STR("all"));
}

/* ---- [general] ---- */

static const struct option manager_options[] = {
    { "enabled", OPTION_BOOL, AT(manager_settings, enabled), .fallback = "no",
      .meaning = "Listen at `bindaddr`." },
    { "bindaddr", OPTION_ADDR, AT(manager_draft, bind), .fallback = "0.0.0.0",
      .meaning = "Where to listen: an address, perhaps with a port." },
    { "port", OPTION_U32, AT(manager_draft, port), .fallback = "5038", .min = 1, .max = 65535,
      .meaning = "The port of a `bindaddr` without one." },
    { "tlsenable", OPTION_BOOL, AT(manager_settings, tls), .fallback = "no",
      .meaning = "Listen at `tlsbindaddr` for TLS, with or without `enabled`." },
    { "tlsbindaddr", OPTION_ADDR, AT(manager_draft, tls_bind), .fallback = "0.0.0.0",
      .meaning = "Likewise for TLS; its port is 5039 when none is given." },
    { "tlscertfile", OPTION_STR, AT(manager_settings, cert_file), .max = 4000,
      .meaning = "The certificate with its chain (PEM)." },
    { "tlsprivatekey", OPTION_STR, AT(manager_settings, key_file), .max = 4000,
      .meaning = "Its key (PEM); in `tlscertfile` when not given." },
    { "tlscipher", OPTION_STR, AT(manager_settings, cipher), .max = 2000,
      .meaning = "Names of OpenSSL, separated by commas or colons; OpenSSL's choice when not "
                 "given. TLS 1.2 and later is spoken." },
    { "displayconnects", OPTION_BOOL, AT(manager_settings, display_connects), .fallback = "yes",
      .meaning = "Log who logs in and off." },
    { "timestampevents", OPTION_BOOL, AT(manager_settings, timestamp_events), .fallback = "no",
      .meaning = "Events have a `Timestamp` (seconds since 1970)." },
    { "allowmultiplelogin", OPTION_BOOL, AT(manager_settings, allow_multiple_login),
      .fallback = "yes", .meaning = "A user may be logged in several times at once." },
    { "authtimeout", OPTION_U32, AT(manager_settings, auth_timeout_s), .fallback = "30", .min = 1,
      .max = 3600, .meaning = "How long a client has to log in, in seconds." },
    { "authlimit", OPTION_U32, AT(manager_settings, auth_limit), .fallback = "50", .min = 1,
      .max = 100000,
      .meaning = "How many clients may be connected that have not logged in; one more is closed." },
    { "disabledevents", OPTION_LIST, ARRAY_AT(manager_settings, disabled_events, n_disabled_events),
      .flags = OPTION_REPLACES, .meaning = "Names of events that nobody is sent." },
};

const struct schema manager_schema = {
    .file = "manager.conf",
    .section = "[general]",
    .kind = "[general]",
    .meaning = "The manager interface (AMI): see [ami.md](ami.md). The file need not exist. A "
               "reload that finds a fault in it leaves all of it as it was.",
    OPTIONS(manager_options),
    .ignored = "webenabled httptimeout brokeneventsaction channelvars debug block-sockets "
               "tlscafile tlscapath tlsdontverifyserver tlsdisablev1 tlsdisablev11 tlsdisablev12 "
               "tlsservercipherorder sslenable sslbindaddr sslbindport sslcert sslcipher "
               "maxfiles displaysystemname ",
    .object_size = sizeof(struct manager_draft),
};

/* ---- users ---- */

static int filter_add(struct reading *r, struct user_draft *d, struct str criteria, struct str text,
                      struct buf *why)
{
    struct manager_filter *f;
    int result = manager_filter_create(&f, criteria, text, why);

    if (result) {
        d->blind = true;
        return result == -EINVAL ? OPTION_BAD : result;
    }
    result = ARRAY_GROW_IN(r->arena, d->u.filters, d->u.n_filters);
    if (result)
        manager_filter_destroy(f);
    else
        d->u.filters[d->u.n_filters++] = f;
    return result;
}

static int read_classes(struct reading *r, const struct option *o, void *object,
                        const struct conf_entry *e, struct buf *why)
{
    struct str rest = e->value;
    uint32_t sum = 0;

    (void)why;
    while (rest.n) {
        struct str part = str_next(&rest, ',');

        if (part.n && !class_find(&sum, part))
            reading_fault(r, e, part, STR("no class of events or actions"), STR("it is left out"));
    }
    memcpy((char *)object + o->at, &sum, sizeof(sum));
    return 0;
}

static int read_filter(struct reading *r, const struct option *o, void *object,
                       const struct conf_entry *e, struct buf *why)
{
    (void)o;
    return filter_add(r, object, STR_EMPTY, e->value, why);
}

static const struct option user_options[] = {
    { "secret", OPTION_STR, AT(manager_user, secret), .flags = OPTION_SECRET, .max = 1024,
      .meaning = "The password. Without one nobody can log in as this user." },
    { "read", OPTION_CUSTOM, AT(manager_user, read), .read = read_classes,
      .type_text = "list of classes",
      .meaning = "Classes of events that the user is sent: `system`, `call`, `log`, `verbose`, "
                 "`command`, `agent`, `user`, `config`, `dtmf`, `reporting`, `cdr`, `dialplan`, "
                 "`originate`, `agi`, `hookresponse`, `cc`, `aoc`, `test`, `security`, `message`, "
                 "or `all`. Here there are events of `system`, `call`, `user` and `security`." },
    { "write", OPTION_CUSTOM, AT(manager_user, write), .read = read_classes,
      .type_text = "list of classes",
      .meaning = "Classes of actions that the user may run, likewise." },
    ADDRESS_RULES("", manager_user, source, "a client connects from"),
    { "eventfilter", OPTION_CUSTOM, .flags = OPTION_CLOSES, .read = read_filter,
      .type_text = "regular expression, repeatable",
      .meaning = "Only events whose text it matches are sent; with `!` in front, those are not. "
                 "As `eventfilter(action(include|exclude),name(EVENT),header(NAME),"
                 "method(regex|exact|starts_with|ends_with|contains|none))` each part narrows what "
                 "it is about. An event has to match one that includes, if there are such, and "
                 "none that excludes. At the start a user with one that cannot be used is sent no "
                 "events." },
    { "writetimeout", OPTION_U32, AT(manager_user, write_timeout_ms), .fallback = "10000",
      .min = 10, .max = 3600000,
      .meaning = "A client that takes nothing for so many milliseconds while something waits for "
                 "it is cut off. (Asterisk's default is 100.)" },
    { "displayconnects", OPTION_BOOL, AT(manager_user, display_connects),
      .meaning = "As in [general], whose value is the default." },
    { "allowmultiplelogin", OPTION_BOOL, AT(manager_user, allow_multiple_login),
      .meaning = "Likewise." },
};

const struct schema manager_user_schema = {
    .file = "manager.conf",
    .section = "any other section",
    .kind = "user",
    .meaning = "A user of the manager interface: its name is the section's. From where it may log "
               "in is as in acl.conf: the last of `permit` and `deny` that matches decides.",
    OPTIONS(user_options),
    .ignored = "setvar hasmanager displaysystemname ",
    .object_size = sizeof(struct user_draft),
};

static struct str filter_criteria(struct str name)
{
    static const struct str begin = STR_INIT("eventfilter(");

    return str_starts_nocase(name, begin) && str_ends(name, STR(")"))
               ? str_sub(name, begin.n, name.n - 1)
               : STR_EMPTY;
}

static int entry_read(struct reading *r, const struct schema_use *use, struct user_draft *d,
                      const struct conf_entry *e)
{
    struct str criteria = filter_criteria(e->name);
    char room[200];
    struct buf why;
    int result;

    if (!criteria.n)
        return schema_apply(r, use, d, e);
    buf_init_on(&why, room, sizeof(room));
    result = filter_add(r, d, criteria, e->value, &why);
    if (result != OPTION_BAD)
        return result;
    reading_fault(r, e, e->value, buf_str(&why), STR("the user is sent no events"));
    return 0;
}

static void filters_fini(struct manager_user *u)
{
    for (size_t i = 0; i < u->n_filters; i++)
        manager_filter_destroy(u->filters[i]);
}

static void rules_check(struct reading *r, const struct settings *s, const struct manager_user *u,
                        const struct conf_section *section)
{
    size_t index;

    for (size_t i = 0; i < u->source.n_names; i++)
        if (!settings_id_find(s, SETTINGS_NAMED_RULES, u->source.names[i], &index))
            reading_tell(r, DIAG_WARNING, section->at,
                         "user [%.*s]: acl.conf has no [%.*s], so everything is denied; define it "
                         "or correct the name",
                         STR_FMT(section->name), STR_FMT(u->source.names[i]));
}

static int user_read(struct reading *r, struct settings *s, const struct schema_use *use,
                     const struct conf_section *section)
{
    struct manager_settings *m = s->manager;
    struct user_draft *defaults = use->defaults, d;
    int result = 0;

    defaults->u.display_connects = m->display_connects;
    defaults->u.allow_multiple_login = m->allow_multiple_login;
    d = *defaults;
    for (size_t i = 0; i < section->n_entries && result == 0; i++)
        result = entry_read(r, use, &d, &section->entries[i]);
    if (result == 0)
        result = arena_str(r->arena, &d.u.name, section->name);
    if (result == 0 && d.blind)
        d.u.read = 0;
    if (result == 0 && !d.u.secret.n)
        reading_tell_lack(r, DIAG_WARNING, section->at,
                          "user [%.*s] has no secret, so nobody can log in as it; add secret = ...",
                          STR_FMT(section->name));
    if (result == 0)
        rules_check(r, s, &d.u, section);
    if (result == 0)
        result = ARRAY_GROW_IN(r->arena, m->users, m->n_users);
    if (result)
        filters_fini(&d.u);
    else
        m->users[m->n_users++] = d.u;
    return result;
}

static int users_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &manager_user_schema);

    for (size_t i = 0; i < conf->n_sections && result == 0; i++) {
        const struct conf_section *section = &conf->sections[i];

        if (section->is_template || str_equal_nocase(section->name, STR("general")))
            continue;
        if (manager_user_find(s->manager, section->name))
            reading_tell(r, DIAG_ERROR, section->at,
                         "[%.*s] is defined again; the first stays, remove one",
                         STR_FMT(section->name));
        else
            result = user_read(r, s, &use, section);
    }
    schema_use_fini(&use);
    return result;
}

/* ---- all of it ---- */

static int address_settle(struct reading *r, struct addr *out, struct diag_place *out_at,
                          struct str text, uint16_t port, struct diag_place at)
{
    int result = addr_parse(out, text, port);

    BUG_UNLESS(result == 0); /* OPTION_ADDR has looked at it */
    return at.file.n ? reading_place(r, at, out_at) : 0;
}

/* Relative ones are below the configuration directory, as all are. */
static int path_settle(struct reading *r, struct str *path)
{
    struct buf full;
    int result;

    if (!path->n || path->p[0] == '/')
        return 0;
    buf_init(&full, CONF_PATH_MAX);
    conf_path_print(&full, r->source->directory, *path);
    result = full.error ? full.error : arena_str(r->arena, path, buf_str(&full));
    buf_fini(&full);
    return result;
}

struct manager_places { /* what a listener's fault is told at */
    struct diag_place bind, tls;
};

static int general_settle(struct reading *r, struct manager_draft *d,
                          const struct manager_places *at)
{
    struct manager_settings *m = &d->m;
    int result = address_settle(r, &m->bind, &m->bind_at, d->bind, (uint16_t)d->port, at->bind);

    if (result == 0)
        result =
            address_settle(r, &m->tls_bind, &m->tls_at, d->tls_bind, MANAGER_TLS_PORT, at->tls);
    if (result == 0)
        result = path_settle(r, &m->cert_file);
    if (result == 0)
        result = path_settle(r, &m->key_file);
    if (result == 0 && m->tls && !m->cert_file.n) {
        r->faults++;
        reading_tell(r, DIAG_ERROR, at->tls,
                     "tlsenable without tlscertfile; there is no TLS without a certificate");
        m->tls = false;
    }
    return result;
}

static void fingerprint_add(struct manager_settings *m, const struct conf_section *s)
{
    const struct conf_source sum = { .fingerprint = &m->fingerprint };

    conf_fingerprint(&sum, s->name);
    for (size_t i = 0; i < s->n_entries; i++) {
        conf_fingerprint(&sum, s->entries[i].name);
        conf_fingerprint(&sum, s->entries[i].value);
    }
}

static int general_section_read(struct reading *r, const struct schema_use *use,
                                struct manager_draft *d, const struct conf_section *s,
                                struct manager_places *at)
{
    int result = 0;

    for (size_t i = 0; i < s->n_entries && result == 0; i++) {
        const struct conf_entry *e = &s->entries[i];

        if (str_equal_nocase(e->name, STR("enabled")) ||
            str_equal_nocase(e->name, STR("bindaddr")) || str_equal_nocase(e->name, STR("port")))
            at->bind = e->at;
        else if (str_starts_nocase(e->name, STR("tls")))
            at->tls = e->at;
        result = schema_apply(r, use, d, e);
    }
    return result;
}

static int general_read(struct reading *r, struct manager_draft *d, const struct conf *conf)
{
    struct manager_places at = { .bind = { .line = 0 } };
    struct schema_use use;
    int result = schema_use_init(r, &use, &manager_schema);

    if (result == 0) {
        struct arena arena = d->m.arena;

        memcpy(d, use.defaults, sizeof(*d));
        d->m.arena = arena;
        atomic_init(&d->m.refs, 1);
    }
    for (size_t i = 0; i < conf->n_sections && result == 0; i++) {
        const struct conf_section *s = &conf->sections[i];

        if (s->is_template)
            continue;
        fingerprint_add(&d->m, s);
        if (str_equal_nocase(s->name, STR("general")))
            result = general_section_read(r, &use, d, s, &at);
    }
    if (result == 0)
        result = general_settle(r, d, &at);
    schema_use_fini(&use);
    return result;
}

/* What is read goes into an arena of its own, because it may outlive the settings. */
int manager_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct manager_draft *d = calloc(1, sizeof(*d));
    struct arena *arena = r->arena;
    int result;

    if (!d)
        return -ENOMEM;
    d->m.arena.block_size = 1024;
    atomic_init(&d->m.refs, 1);
    s->manager = &d->m; /* the draft begins with it */
    r->arena = &d->m.arena;
    r->file[0] = r->file[1] = STR_EMPTY;
    r->faults = 0;
    r->former = r->source->former;
    result = general_read(r, d, conf);
    if (result == 0)
        result = users_read(r, s, conf);
    if (result == 0 && r->former && r->faults) {
        s->manager = manager_settings_ref(r->source->former->manager);
        manager_settings_unref(&d->m);
    }
    r->former = false;
    r->arena = arena;
    r->file[0] = r->file[1] = STR_EMPTY;
    return result;
}

struct manager_settings *manager_settings_ref(struct manager_settings *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void manager_settings_unref(struct manager_settings *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < m->n_users; i++)
        filters_fini(&m->users[i]);
    arena_fini(&m->arena);
    free(m);
}

const struct manager_user *manager_user_find(const struct manager_settings *m, struct str name)
{
    for (size_t i = 0; i < m->n_users; i++)
        if (str_equal(m->users[i].name, name))
            return &m->users[i];
    return NULL;
}
