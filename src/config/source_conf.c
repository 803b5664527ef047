// SPDX-License-Identifier: MIT
/* extstate.conf: sections with type = source, the PBXs whose states are followed. */
#include "config/pjsip.h"

#define MEMBER(member) AT(source_draft, s.member)

struct source_draft {
    struct source_settings s;
    uint32_t port, hints; /* 0: as the protocol has it */
};

static const struct option_word protocol_words[] = { { "ami", SOURCE_AMI },
                                                     { "esl", SOURCE_ESL },
                                                     { NULL, 0 } };
static const struct option_word login_words[] = { { "auto", SOURCE_LOGIN_AUTO },
                                                  { "md5", SOURCE_LOGIN_MD5 },
                                                  { "plain", SOURCE_LOGIN_PLAIN },
                                                  { NULL, 0 } };
static const struct option_word stale_words[] = { { "unavailable", SOURCE_STALE_UNAVAILABLE },
                                                  { "keep", SOURCE_STALE_KEEP },
                                                  { NULL, 0 } };
static const struct option_word hints_words[] = { { "no", 0 }, { "import", 1 }, { NULL, 0 } };

static const struct option source_options[] = {
    { "protocol", OPTION_WORD, MEMBER(protocol), .flags = OPTION_REQUIRED | OPTION_VITAL,
      .words = protocol_words,
      .meaning = "How it tells its states: Asterisk's Manager Interface, or FreeSWITCH's event "
                 "socket." },
    { "host", OPTION_HOST, MEMBER(host), .flags = OPTION_REQUIRED | OPTION_VITAL,
      .meaning = "Its name or address. A name is looked up anew for each connection." },
    { "port", OPTION_U32, AT(source_draft, port), .max = 65535,
      .meaning = "5038 of `ami`, 5039 with `tls`; 8021 of `esl`." },
    { "username", OPTION_STR, MEMBER(username), .max = 79,
      .meaning = "The section of its manager.conf as which to log in; `esl` has none." },
    { "secret", OPTION_STR, MEMBER(secret), .max = 255,
      .flags = OPTION_REQUIRED | OPTION_SECRET | OPTION_VITAL,
      .meaning = "Its secret, or the event socket's password." },
    { "login", OPTION_WORD, MEMBER(login), .fallback = "auto", .words = login_words,
      .meaning = "Whether `ami` proves the secret by an MD5 challenge or says it; `auto`: says it "
                 "by TLS only." },
    { "tls", OPTION_BOOL, MEMBER(tls), .fallback = "no", .meaning = "Connect by TLS." },
    { "verify_server", OPTION_BOOL, MEMBER(verify_server), .fallback = "yes",
      .meaning = "With `tls`: its certificate has to be good and for `host`." },
    { "allow_wildcard_certs", OPTION_BOOL, MEMBER(wildcards), .fallback = "no",
      .meaning = "With verify_server `*.example.com` names each host of that domain." },
    { "ca_list_file", OPTION_STR, MEMBER(ca_file), .max = 4095,
      .meaning = "Who is trusted to certify it, as PEM; whom the system trusts when neither this "
                 "nor ca_list_path is given. Like the other paths from the configuration "
                 "directory." },
    { "ca_list_path", OPTION_STR, MEMBER(ca_path), .max = 4095,
      .meaning = "The same as a directory, with names that `openssl rehash` makes." },
    { "cert_file", OPTION_STR, MEMBER(cert_file), .max = 4095,
      .meaning = "Our certificate as PEM, where it asks for one." },
    { "priv_key_file", OPTION_STR, MEMBER(key_file), .max = 4095,
      .meaning = "Its key; in cert_file when not given." },
    { "devices", OPTION_LIST, ARRAY_AT(source_draft, s.devices, s.n_devices),
      .meaning = "What the names of the devices begin with that are taken from it, as in "
                 "`PJSIP/, Custom:`; all when not given." },
    { "presence", OPTION_BOOL, MEMBER(presence), .fallback = "yes",
      .meaning = "Take its presence states." },
    { "mailboxes", OPTION_BOOL, MEMBER(mailboxes), .fallback = "yes",
      .meaning = "Take its message counts." },
    { "hints", OPTION_WORD, AT(source_draft, hints), .fallback = "no", .words = hints_words,
      .meaning = "`import`: its hints become resources here, in contexts of the same names, "
                 "unless extensions.conf has one for the extension." },
    { "calls", OPTION_BOOL, MEMBER(calls), .fallback = "no",
      .meaning = "Follow its calls: dialog-info then tells who calls whom, and the Call-ID by "
                 "which a ringing call can be picked up." },
    { "domain", OPTION_HOST, MEMBER(domain),
      .meaning = "With `calls`: the host of the URIs of the parties; `host` when not given." },
    { "grace", OPTION_DURATION, MEMBER(grace_s), .fallback = "30", .max = 604800,
      .meaning = "How long its states outlive the connection to it." },
    { "stale", OPTION_WORD, MEMBER(stale), .fallback = "unavailable", .words = stale_words,
      .meaning = "What becomes of them then: its devices and presence are unavailable, or stay as "
                 "they were told last." },
    { "retry_interval", OPTION_DURATION, MEMBER(retry_interval_s), .fallback = "30", .min = 1,
      .max = 3600,
      .meaning = "Longest pause before another attempt to connect; the first ones are shorter." },
    { "ping_interval", OPTION_DURATION, MEMBER(ping_interval_s), .fallback = "15", .min = 1,
      .max = 3600,
      .meaning = "How often it is asked for a sign of life; without one by the next time the "
                 "connection is given up." },
};

const struct schema source_schema = {
    .file = "extstate.conf",
    .section = "type = source",
    .kind = "source",
    .meaning = "A PBX whose states are followed: see doc/sources.md. The section's name is that of "
               "its reports, in `extstatectl devstate list` for instance.",
    OPTIONS(source_options),
    .ignored = "",
    .object_size = sizeof(struct source_draft),
    .closed = true,
};

bool source_conf_is(const struct conf_section *s)
{
    const struct conf_entry *type = conf_entry_find(s, STR("type"));

    return type && str_equal_nocase(type->value, STR("source"));
}

static const struct source_settings *source_find(const struct settings *s, struct str id)
{
    for (size_t i = 0; s && i < s->n_sources; i++)
        if (str_equal(s->sources[i].id, id))
            return &s->sources[i];
    return NULL;
}

bool source_conf_was(const struct reading *r, const struct settings *s,
                     const struct conf_section *section)
{
    for (size_t i = 0; i < s->n_plugins; i++)
        if (str_equal(s->plugins[i].name, section->name))
            return false;
    return source_find(r->source->former, section->name) && !source_conf_is(section);
}

/* Names by which others report. */
static bool is_reserved(struct str id)
{
    return str_starts(id, STATE_SERVER_SOURCE) || str_equal(id, STATE_MAILBOX_SOURCE) ||
           str_equal(id, STATE_PHONE_SOURCE) || str_equal(id, STR("ctl"));
}

static const char *fault_of(const struct source_settings *c)
{
    if (is_reserved(c->id))
        return "has a name by which others report";
    if (c->id.n > NAME_MAX_LEN)
        return "has a name of more than 79 bytes";
    if (c->protocol == SOURCE_AMI && !c->username.n)
        return "has no username, which protocol = ami needs";
    return NULL;
}

/* 0, SCHEMA_REFUSED (told), or a negative errno. */
static int settle(struct reading *r, struct source_draft *d, const struct conf_section *section)
{
    struct source_settings *c = &d->s;
    struct str *const paths[] = { &c->ca_file, &c->ca_path, &c->cert_file, &c->key_file };
    const char *fault;

    c->id = section->name;
    c->port = (uint16_t)(d->port                     ? d->port
                         : c->protocol == SOURCE_ESL ? 8021
                         : c->tls                    ? 5039
                                                     : 5038);
    c->hints = d->hints;
    fault = fault_of(c);
    if (fault) {
        reading_tell_lack(r, DIAG_ERROR, section->at, "source [%.*s] %s and is refused%s",
                          STR_FMT(section->name), fault,
                          r->former ? "; what was loaded before goes on" : "");
        return SCHEMA_REFUSED;
    }
    if (c->hints && c->protocol == SOURCE_ESL)
        reading_tell(r, DIAG_WARNING, pjsip_place(section, STR("hints")),
                     "hints = import: protocol = esl has no hints to import");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int result = reading_path(r, paths[i], paths[i] != &c->ca_path);

        if (result)
            return result;
    }
    return 0;
}

static int keep(struct reading *r, struct settings *s, struct source_settings *c,
                const struct conf_section *section)
{
    int result = arena_str(r->arena, &c->id, section->name);

    if (result == 0)
        result = reading_place(r, section->at, &c->at);
    if (result == 0)
        result = ARRAY_GROW(s->sources, s->n_sources);
    if (result == 0)
        s->sources[s->n_sources++] = *c;
    return result;
}

static int read_section(struct reading *r, struct settings *s, const struct schema_use *use,
                        const struct conf_section *section)
{
    const struct source_settings *former = source_find(r->source->former, section->name);
    struct source_draft d;
    int result;

    r->former = former != NULL;
    result = schema_read(r, use, &d, section);
    if (result == 0 && former && r->faults)
        result = SCHEMA_REFUSED;
    if (result == 0)
        result = settle(r, &d, section);
    if (result == SCHEMA_REFUSED && former)
        result = source_former(r, &d.s, former);
    if (result == 0)
        result = keep(r, s, &d.s, section);
    r->former = false;
    return result < 0 ? result : 0;
}

/* Its type is misspelt, or left out. */
static int keep_section(struct reading *r, struct settings *s, const struct conf_section *section)
{
    struct source_settings c;
    int result;

    reading_tell(r, DIAG_ERROR, pjsip_place(section, STR("type")),
                 "[%.*s] was a source and has not type = source any more; what was loaded before "
                 "goes on, remove the section to end it",
                 STR_FMT(section->name));
    result = source_former(r, &c, source_find(r->source->former, section->name));
    return result ? result : keep(r, s, &c, section);
}

int source_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &source_schema);

    for (size_t i = 0; result == 0 && i < conf->n_sections; i++) {
        const struct conf_section *section = &conf->sections[i];
        const struct source_settings *first = source_find(s, section->name);
        bool is = source_conf_is(section);

        if (section->is_template || (!is && !source_conf_was(r, s, section)))
            continue;
        if (first)
            reading_tell(r, DIAG_ERROR, section->at,
                         "source [%.*s] is at %.*s:%u already; the first is used, give this one "
                         "another name",
                         STR_FMT(section->name), STR_FMT(first->at.file), first->at.line);
        else
            result = is ? read_section(r, s, &use, section) : keep_section(r, s, section);
    }
    schema_use_fini(&use);
    return result;
}
