// SPDX-License-Identifier: MIT
/* extstate.conf: what Asterisk has no section for. */
#include "base/log.h"
#include "config/conf_reader.h"
#include "config/schema.h"
#include "feed/change.h"

#include <stdlib.h>

#define SWITCH(member, text)                                                                   \
    .name = #member, .type = OPTION_BOOL, AT(compatibility_draft, c.member), .fallback = "no", \
    .meaning = text

struct compatibility_draft {
    struct compatibility_settings c;
    bool asterisk;
};

struct plugins_draft {
    struct settings *s;
};

/* ---- [general] ---- */

static int read_log_level(struct reading *r, const struct option *o, void *object,
                          const struct conf_entry *e, struct buf *why)
{
    enum log_level level;

    (void)o;
    if (log_level_parse(&level, e->value)) {
        if (why)
            buf_add(why, STR("not one of error, warn, info, debug"));
        return OPTION_BAD;
    }
    return arena_str(r->arena, &((struct general_settings *)object)->log_level, e->value);
}

static const struct option_word stranger_words[] = {
    { "auto", STRANGERS_AUTO },
    { "challenge", STRANGERS_CHALLENGE },
    { "refuse", STRANGERS_REFUSE },
    { NULL, 0 },
};

static int read_durability(struct reading *r, const struct option *o, void *object,
                           const struct conf_entry *e, struct buf *why)
{
    static const struct str names[] = { [DURABILITY_NONE] = STR_INIT("none"),
                                        [DURABILITY_NORMAL] = STR_INIT("normal"),
                                        [DURABILITY_FULL] = STR_INIT("full") };

    (void)r;
    (void)o;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_equal_nocase(names[i], e->value))
            continue;
        ((struct general_settings *)object)->durability = (enum durability)i;
        return 0;
    }
    return option_bad(why, "not one of full, normal, none");
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Six octets, as a MAC address is written: kept in lower case, in which they are compared. */
static int read_entity_id(struct reading *r, const struct option *o, void *object,
                          const struct conf_entry *e, struct buf *why)
{
    char text[sizeof("00:11:22:aa:bb:cc") - 1];

    (void)o;
    if (e->value.n != sizeof(text))
        return option_bad(why, "not six octets such as 02:00:5e:00:53:01");
    for (size_t i = 0; i < sizeof(text); i++) {
        char c = e->value.p[i];

        if (i % 3 == 2 ? c != ':' : !is_hex(c))
            return option_bad(why, "not six octets such as 02:00:5e:00:53:01");
        text[i] = c >= 'A' && c <= 'F' ? (char)(c + ('a' - 'A')) : c;
    }
    return arena_str(r->arena, &((struct general_settings *)object)->entityid,
                     (struct str){ text, sizeof(text) });
}

/* As dns_wire_create takes them: one port for each. */
static int read_nameservers(struct reading *r, const struct option *o, void *object,
                            const struct conf_entry *e, struct buf *why)
{
    struct str rest = e->value;
    char room[512];
    struct buf b;

    (void)o;
    buf_init_on(&b, room, sizeof(room));
    while (rest.p) {
        struct str server = str_next(&rest, ',');
        struct addr a;

        if (!server.n)
            continue;
        if (addr_parse(&a, server, 53))
            return option_bad(why, "not a list of addresses such as 192.0.2.1 or [::1]:5353");
        if (b.n)
            buf_add_char(&b, ',');
        addr_print(&b, &a);
    }
    if (b.error)
        return option_bad(why, "more than a resolver can ask");
    return arena_str(r->arena, &((struct general_settings *)object)->nameservers, buf_str(&b));
}

static const struct option general_options[] = {
    { "workers", OPTION_U32, AT(general_settings, workers), .fallback = "0", .max = 1024,
      .meaning = "Threads that speak SIP; 0 is one for each processor core." },
    { "control_socket", OPTION_STR, AT(general_settings, control_socket), .max = 107,
      .meaning = "Path of the socket for `extstatectl`; `extstated.sock` in the state directory "
                 "when not given." },
    { "plugin_directory", OPTION_STR, AT(general_settings, plugin_directory),
      .meaning = "Where plugins are loaded from; where they were installed to when not given." },
    { "log_level", OPTION_CUSTOM, .fallback = "info", .read = read_log_level,
      .type_text = "error, warn, info or debug",
      .meaning = "The least important lines of the log." },
    { "unknown_endpoints", OPTION_WORD, AT(general_settings, strangers), .fallback = "auto",
      .words = stranger_words,
      .meaning = "Who is known by no name or address is refused (403), or challenged as those who "
                 "are, so that nobody learns which names there are. `auto` challenges if any "
                 "endpoint has an `auth`." },
    { "durability", OPTION_CUSTOM, .fallback = "full", .read = read_durability,
      .type_text = "full, normal or none",
      .meaning = "What is acknowledged survives a loss of power; with `normal` the end of the "
                 "process only, and some 30 s may be lost with the power; with `none` "
                 "nothing is kept on disk." },
    { "subscription_default_expiry", OPTION_DURATION,
      AT(general_settings, subscription_default_expiry_s), .fallback = "3600", .min = 1,
      .max = UINT32_MAX, .meaning = "Length of a subscription that asks for none." },
    { "subscription_max_expiry", OPTION_DURATION, AT(general_settings, subscription_max_expiry_s),
      .fallback = "3600", .min = 1, .max = UINT32_MAX,
      .meaning = "Longest subscription; a longer wish is granted this." },
    { "max_subscriptions", OPTION_U32, AT(general_settings, max_subscriptions),
      .fallback = "1000000", .max = UINT32_MAX,
      .meaning = "How many subscriptions at most; more are answered 503." },
    { "max_connections", OPTION_U32, AT(general_settings, max_connections), .fallback = "100000",
      .max = 4000000,
      .meaning = "How many connections at most; more are closed as they come. The limit of open "
                 "files is raised as far as the system lets us." },
    { "connections_per_source", OPTION_U32, AT(general_settings, connections_per_source),
      .fallback = "10000", .max = 4000000,
      .meaning = "How many of them may come from one address, or one network of IPv6 (/64); 0 is "
                 "any number." },
    { "nameservers", OPTION_CUSTOM, .read = read_nameservers,
      .type_text = "list of addresses, each with `:port` or without",
      .meaning = "Who is asked for names: of compositors, of telephones that are told unasked, of "
                 "next hops of subscriptions, and of PBXs that are followed. Those of "
                 "/etc/resolv.conf, as a reload finds it, when not given." },
    { "connection_idle", OPTION_DURATION, AT(general_settings, connection_idle_s),
      .fallback = "3900", .max = UINT32_MAX,
      .meaning = "A connection without any message or keep-alive for so long is closed; 0 is "
                 "never. Longer than subscriptions are." },
    { "websocket_origins", OPTION_STR, AT(general_settings, websocket_origins), .max = 4095,
      .meaning = "Whose pages may open a WebSocket from a browser, as in "
                 "https://phones.example.com, comma separated; empty is anybody's. What is no "
                 "browser names no origin and is let in." },
    { "subscriptions_per_endpoint", OPTION_U32, AT(general_settings, subscriptions_per_endpoint),
      .fallback = "0", ANY_U32,
      .meaning = "How many subscriptions one endpoint may have; more are answered 503. 0 is any "
                 "number. When the first limit of the three is set by a reload, those that are "
                 "there already count for none." },
    { "subscriptions_per_resource", OPTION_U32, AT(general_settings, subscriptions_per_resource),
      .fallback = "0", ANY_U32,
      .meaning = "How many subscriptions one extension of a context may have, likewise." },
    { "subscriptions_per_address", OPTION_U32, AT(general_settings, subscriptions_per_address),
      .fallback = "0", ANY_U32,
      .meaning =
          "How many subscriptions may tell one address, or one network of IPv6 (/64), whatever "
          "the port, likewise." },
    { "requests_per_source", OPTION_U32, AT(general_settings, requests_per_source), .fallback = "0",
      .max = 1000000,
      .meaning =
          "How many requests one address, or one network of IPv6 (/64), may send in a second; "
          "more are answered 503. 0 is any number. Behind a proxy all come from one "
          "address." },
    { "requests_per_endpoint", OPTION_U32, AT(general_settings, requests_per_endpoint),
      .fallback = "0", .max = 1000000,
      .meaning = "How many requests one endpoint may send in a second, once it is known that it is "
                 "the one; likewise." },
    { "stop_grace", OPTION_DURATION, AT(general_settings, stop_grace_s), .fallback = "5",
      .max = 300,
      .meaning = "How long an orderly end waits for the answers to its last messages." },
    { "publish_retry_interval", OPTION_DURATION, AT(general_settings, publish_retry_interval_s),
      .fallback = "30", .min = 1, .max = 3600,
      .meaning =
          "Longest pause before a compositor that does not answer is asked again, and how often "
          "one publication is refreshed to find out whether it has forgotten us." },
    { "entityid", OPTION_CUSTOM, .read = read_entity_id, .type_text = "six octets",
      .meaning =
          "Who we are among Asterisk servers that tell each other states, as "
          "`02:00:5e:00:53:01`; made from the machine, its name and the control socket when not "
          "given, and then no variable of hints; else `${ENTITYID}` is it. With all zeros "
          "nothing is told." },
    { "systemname", OPTION_STR, AT(general_settings, systemname), .max = 79,
      .meaning = "`${SYSTEMNAME}` of hints." },
    { "source_grace", OPTION_DURATION, AT(general_settings, source_grace_s), .fallback = "30",
      .max = 86400,
      .meaning =
          "How long a state that another server told outlives the publication that told it." },
    { "execincludes", OPTION_BOOL, AT(general_settings, execincludes), .fallback = "no",
      .meaning = "Carry out `#exec` in pjsip.conf and extensions.conf." },
};

const struct schema general_schema = {
    .file = "extstate.conf",
    .section = "[general]",
    .kind = "[general]",
    .meaning = "The program itself. On the command line `--set general.OPTION=VALUE`.",
    .options = general_options,
    .n_options = ARRAY_LEN(general_options),
    .ignored = "",
    .object_size = sizeof(struct general_settings),
    .closed = true,
};

/* ---- [compatibility] ---- */

static int read_restart_notify(struct reading *r, const struct option *o, void *object,
                               const struct conf_entry *e, struct buf *why)
{
    bool all = str_equal_nocase(e->value, STR("all"));

    (void)r;
    (void)o;
    if (!all && !str_equal_nocase(e->value, STR("changed")))
        return option_bad(why, "not one of changed, all");
    ((struct compatibility_draft *)object)->c.restart_notify_all = all;
    return 0;
}

static const struct option compatibility_options[] = {
    { "asterisk", OPTION_BOOL, AT(compatibility_draft, asterisk), .fallback = "no",
      .meaning = "Turns on every switch below that has no line of its own." },
    { SWITCH(ringing_repeat, "An unchanged state is told again while it rings.") },
    { SWITCH(unacceptable_489,
             "A subscription without a usable Accept is answered 489, not 406.") },
    { SWITCH(terminated_without_reason, "Subscription-State: terminated comes without a reason.") },
    { SWITCH(removed_hint_is_idle,
             "The last body of a removed hint says idle or open, not closed.") },
    { SWITCH(unavailable_is_silent,
             "A new hint that is unavailable is neither told nor published.") },
    { SWITCH(asterisk_autohints, "autohints makes hints for devices of every kind, only after a "
                                 "change, and never removes them.") },
    { SWITCH(asterisk_bodies,
             "Elements, their order, ids and contacts of bodies as Asterisk writes them.") },
    { SWITCH(publish_swaps_from_to,
             "from_uri goes into the To of a PUBLISH and to_uri into its From.") },
    { SWITCH(publish_key_without_context,
             "The same extension in two contexts shares one publication.") },
    { SWITCH(strict_objects, "One bad or unknown option discards its object, one repeated id every "
                             "object of its type.") },
    { SWITCH(lapsed_states_stay, "The states of a server whose publications have ended stay as "
                                 "they are.") },
    { SWITCH(ari_bad_state_is_500, "A state that is none is answered 500 by /ari/deviceStates, not "
                                   "400.") },
    { "restart_notify", OPTION_CUSTOM, AT(compatibility_draft, c.restart_notify_all),
      .fallback = "changed", .read = read_restart_notify, .type_text = "changed or all",
      .meaning = "After a restart every watcher is told (`all`, which `asterisk` turns on), or who "
                 "shows something else than there is." },
};

const struct schema compatibility_schema = {
    .file = "extstate.conf",
    .section = "[compatibility]",
    .kind = "[compatibility]",
    .meaning = "Habits of Asterisk that somebody may rely on, each of them off unless asked for.",
    .options = compatibility_options,
    .n_options = ARRAY_LEN(compatibility_options),
    .ignored = "",
    .object_size = sizeof(struct compatibility_draft),
    .closed = true,
};

/* ---- [dialog-info] ---- */

static const struct option dialog_info_options[] = {
    { "single_dialog_agents", OPTION_STR, AT(dialog_info_settings, single_dialog_agents),
      .fallback = "SPA962", .max = 512,
      .meaning = "Comma separated: a subscriber whose User-Agent has one of these in it, in any "
                 "case, is shown one dialog at most, the most urgent." },
    { "single_dialog", OPTION_BOOL, AT(dialog_info_settings, single_dialog), .fallback = "no",
      .meaning = "Every subscriber is." },
    { "idle_dialog", OPTION_BOOL, AT(dialog_info_settings, idle_dialog), .fallback = "yes",
      .meaning = "Where nothing is going on there is one terminated dialog, which many telephones "
                 "need; no: there is none, and a dialog that has ended is told once." },
};

const struct schema dialog_info_schema = {
    .file = "extstate.conf",
    .section = "[dialog-info]",
    .kind = "[dialog-info]",
    .meaning = "The body application/dialog-info+xml.",
    .options = dialog_info_options,
    .n_options = ARRAY_LEN(dialog_info_options),
    .ignored = "",
    .object_size = sizeof(struct dialog_info_settings),
    .closed = true,
};

/* ---- [registrar] ---- */

static const struct option registrar_options[] = {
    { "enabled", OPTION_BOOL, AT(registrar_settings, enabled), .fallback = "no",
      .meaning =
          "Accept REGISTER for each aor of pjsip.conf with `max_contacts`. The device "
          "PJSIP/endpoint is then Not in use while one of its aors has a contact, and "
          "Unavailable without, as long as nobody else says what it is. Contacts of aors with "
          "`qualify_frequency` are asked whether they are there, and count while they "
          "answer." },
    { "watch_dialogs", OPTION_BOOL, AT(registrar_settings, watch_dialogs), .fallback = "no",
      .meaning = "Subscribe to what each contact does (`Event: dialog`), registered or static: the "
                 "telephone itself says what PJSIP/endpoint is, and who calls. One that does not "
                 "support it is left alone." },
};

const struct schema registrar_schema = {
    .file = "extstate.conf",
    .section = "[registrar]",
    .kind = "[registrar]",
    .meaning = "Telephones register here. Leave it out where they register with a PBX whose "
               "pjsip.conf this is, too.",
    .options = registrar_options,
    .n_options = ARRAY_LEN(registrar_options),
    .ignored = "",
    .object_size = sizeof(struct registrar_settings),
    .closed = true,
};

/* ---- [journal] ---- */

static const struct option_word kind_words[] = {
    { "device", CHANGE_BIT(CHANGE_DEVICE) },
    { "presence", CHANGE_BIT(CHANGE_PRESENCE) },
    { "snapshot", CHANGE_BIT(CHANGE_SNAPSHOT) },
    { "mailbox", CHANGE_BIT(CHANGE_MAILBOX) },
    { "publication", CHANGE_BIT(CHANGE_PUBLICATION) },
    { "contact", CHANGE_BIT(CHANGE_CONTACT) },
    { "endpoint", CHANGE_BIT(CHANGE_ENDPOINT) },
    { "subscription", CHANGE_BIT(CHANGE_SUBSCRIPTION) },
    { "refusal", CHANGE_BIT(CHANGE_REFUSAL) },
    { "notify", CHANGE_BIT(CHANGE_NOTIFY) },
    { "publish", CHANGE_BIT(CHANGE_PUBLISH) },
    { "source", CHANGE_BIT(CHANGE_SOURCE) },
    { NULL, 0 },
};

static const struct option journal_options[] = {
    { "enabled", OPTION_BOOL, AT(journal_settings, enabled), .fallback = "no",
      .meaning = "Keep one, `journal.db` in the state directory, for `extstatectl history` and "
                 "`explain --at`." },
    { "kinds", OPTION_WORDS, AT(journal_settings, kinds),
      .fallback = "device,presence,snapshot,mailbox,publication,contact,endpoint,subscription,"
                  "refusal,notify,publish,source",
      .words = kind_words,
      .meaning =
          "What is written. `notify`, a row for each answer to a NOTIFY, is most of it where "
          "many watch." },
    { "keep", OPTION_DURATION, AT(journal_settings, keep_s), .fallback = "30d", .min = 60,
      .max = UINT32_MAX, .meaning = "How long; what is older goes." },
    { "max_mib", OPTION_U32, AT(journal_settings, max_mib), .fallback = "1024", .min = 1,
      .max = 1 << 20, .meaning = "How large in MiB; the oldest goes first." },
};

const struct schema journal_schema = {
    .file = "extstate.conf",
    .section = "[journal]",
    .kind = "[journal]",
    .meaning = "What has happened, on disk. It is history: no state needs it, and nothing waits "
               "for it.",
    .options = journal_options,
    .n_options = ARRAY_LEN(journal_options),
    .ignored = "",
    .object_size = sizeof(struct journal_settings),
    .closed = true,
};

/* ---- [plugins] ---- */

static struct plugin_settings *plugin_find(const struct settings *s, struct str name)
{
    for (size_t i = 0; i < s->n_plugins; i++)
        if (str_equal(s->plugins[i].name, name))
            return &s->plugins[i];
    return NULL;
}

/* The name becomes part of a path. */
static bool is_plugin_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!letter && (i == 0 || !strchr("_-.", c)))
            return false;
    }
    return name.n > 0 && name.n <= 64;
}

/* Its options are found later. */
static int plugin_add(struct reading *r, struct settings *s, struct str name, struct diag_place at)
{
    struct plugin_settings p = { .at = at };
    int result = arena_str(r->arena, &p.name, name);

    if (result == 0)
        result = reading_place(r, at, &p.at);
    if (result == 0)
        result = ARRAY_GROW(s->plugins, s->n_plugins);
    if (result == 0)
        s->plugins[s->n_plugins++] = p;
    return result;
}

static int read_load(struct reading *r, const struct option *o, void *object,
                     const struct conf_entry *e, struct buf *why)
{
    struct settings *s = ((struct plugins_draft *)object)->s;

    (void)o;
    if (!is_plugin_name(e->value))
        return option_bad(why, "not the name of a plugin: letters, digits, _ - and ., at most 64");
    if (!plugin_find(s, e->value))
        return plugin_add(r, s, e->value, e->at);
    reading_tell(r, DIAG_WARNING, e->at, "plugin %.*s is loaded already; remove one of the lines",
                 STR_FMT(e->value));
    return 0;
}

static const struct option plugins_options[] = {
    { "load", OPTION_CUSTOM, .read = read_load, .type_text = "name, repeatable",
      .meaning = "A plugin to load; its own options are in a section of that name." },
};

const struct schema plugins_schema = {
    .file = "extstate.conf",
    .section = "[plugins]",
    .kind = "[plugins]",
    .meaning = "Body generators and supplements loaded at start.",
    .options = plugins_options,
    .n_options = ARRAY_LEN(plugins_options),
    .ignored = "",
    .object_size = sizeof(struct plugins_draft),
    .closed = true,
};

/* ---- reading ---- */

int conf_sections_read(struct reading *r, const struct schema_use *use, void *object,
                       const struct conf *conf, struct str name)
{
    int result = 0;

    r->faults = 0;
    r->former = r->source->former;
    for (size_t i = 0; result == 0 && i < conf->n_sections; i++) {
        const struct conf_section *s = &conf->sections[i];

        if (s->is_template || !str_equal_nocase(s->name, name))
            continue;
        for (size_t j = 0; result == 0 && j < s->n_entries; j++)
            result = schema_apply(r, use, object, &s->entries[j]);
    }
    if (result == 0 && r->former && r->faults)
        result = SECTIONS_STAY;
    r->former = false;
    return result;
}

static int settle_control_socket(struct reading *r, struct general_settings *g)
{
    struct buf path;
    int result;

    if (!g->plugin_directory.n)
        g->plugin_directory = STR(EXTSTATE_PLUGINDIR);
    if (g->control_socket.n)
        return 0;
    buf_init(&path, 8192);
    conf_path_print(&path, r->source->state_directory, STR("extstated.sock"));
    result = path.error ? path.error : arena_str(r->arena, &g->control_socket, buf_str(&path));
    buf_fini(&path);
    return result;
}

static int general_take_former(struct reading *r, struct general_settings *g)
{
    struct general_settings f = r->source->former->general;
    struct str *const texts[] = { &f.control_socket, &f.plugin_directory, &f.log_level,
                                  &f.systemname,     &f.entityid,         &f.websocket_origins,
                                  &f.nameservers };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int result = arena_str(r->arena, texts[i], *texts[i]);

        if (result)
            return result;
    }
    *g = f;
    return 0;
}

static int read_general(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct general_settings *g = &s->general;
    struct schema_use use;
    int result = schema_use_init(r, &use, &general_schema);

    if (result)
        goto out;
    memcpy(g, use.defaults, sizeof(*g));
    result = conf_sections_read(r, &use, g, conf, STR("general"));
    if (result == SECTIONS_STAY)
        result = general_take_former(r, g);
    if (result)
        goto out;
    if (g->subscription_default_expiry_s > g->subscription_max_expiry_s)
        g->subscription_default_expiry_s = g->subscription_max_expiry_s;
    result = settle_control_socket(r, g);
out:
    schema_use_fini(&use);
    return result;
}

static void turn_all_on(struct compatibility_draft *d)
{
    for (size_t i = 0; i < ARRAY_LEN(compatibility_options); i++)
        *((char *)d + compatibility_options[i].at) = true;
}

/* `asterisk` may stand anywhere, and lines of their own win over it: so they are read again on top
 * of it. */
static int read_compatibility(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct compatibility_draft d;
    struct schema_use use;
    int result = schema_use_init(r, &use, &compatibility_schema);

    if (result)
        goto out;
    memcpy(&d, use.defaults, sizeof(d));
    result = conf_sections_read(r, &use, &d, conf, STR("compatibility"));
    if (result == 0 && d.asterisk) {
        turn_all_on(&d);
        result = conf_sections_read(r, &use, &d, conf, STR("compatibility"));
    }
    s->compatibility = result == SECTIONS_STAY ? r->source->former->compatibility : d.c;
    result = result == SECTIONS_STAY ? 0 : result;
out:
    schema_use_fini(&use);
    return result;
}

static int read_dialog_info(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct dialog_info_settings *d = &s->dialog_info;
    struct schema_use use;
    int result = schema_use_init(r, &use, &dialog_info_schema);

    if (result == 0) {
        memcpy(d, use.defaults, sizeof(*d));
        result = conf_sections_read(r, &use, d, conf, STR("dialog-info"));
    }
    if (result == SECTIONS_STAY) {
        *d = r->source->former->dialog_info;
        result = arena_str(r->arena, &d->single_dialog_agents, d->single_dialog_agents);
    }
    schema_use_fini(&use);
    return result;
}

static int read_journal(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &journal_schema);

    if (result == 0) {
        memcpy(&s->journal, use.defaults, sizeof(s->journal));
        result = conf_sections_read(r, &use, &s->journal, conf, STR("journal"));
    }
    if (result == SECTIONS_STAY) {
        s->journal = r->source->former->journal;
        result = 0;
    }
    schema_use_fini(&use);
    return result;
}

static int read_registrar(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &registrar_schema);

    if (result == 0) {
        memcpy(&s->registrar, use.defaults, sizeof(s->registrar));
        result = conf_sections_read(r, &use, &s->registrar, conf, STR("registrar"));
    }
    if (result == SECTIONS_STAY) {
        s->registrar = r->source->former->registrar;
        result = 0;
    }
    schema_use_fini(&use);
    return result;
}

static int plugins_take_former(struct reading *r, struct settings *s)
{
    const struct settings *former = r->source->former;
    int result = 0;

    s->n_plugins = 0;
    for (size_t i = 0; result == 0 && i < former->n_plugins; i++)
        result = plugin_add(r, s, former->plugins[i].name, former->plugins[i].at);
    return result;
}

static int read_plugins(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct plugins_draft d = { s };
    struct schema_use use;
    int result = schema_use_init(r, &use, &plugins_schema);

    if (result == 0)
        result = conf_sections_read(r, &use, &d, conf, STR("plugins"));
    if (result == SECTIONS_STAY)
        result = plugins_take_former(r, s);
    s->plugins_partial = conf->partial;
    for (size_t i = 0; i < conf->n_sections; i++)
        s->plugins_partial |=
            conf->sections[i].partial && str_equal_nocase(conf->sections[i].name, STR("plugins"));
    schema_use_fini(&use);
    return result;
}

static const char *const own_sections[] = { "general",       "compatibility", "plugins",
                                            "authorization", "compositor",    "dialog-info",
                                            "http",          "journal",       "registrar" };

static bool is_own_section(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(own_sections); i++)
        if (str_equal_nocase(name, str_of(own_sections[i])))
            return true;
    return false;
}

/* Unless it may belong to a plugin that could not be read of. */
static void tell_unknown_section(struct reading *r, const struct conf_section *s,
                                 bool plugins_partial)
{
    static const char *const types[] = { "compositor", "source" };
    const struct conf_entry *type = conf_entry_find(s, STR("type"));
    const char *nearest = nearest_name(s->name, own_sections, ARRAY_LEN(own_sections));
    const char *nearest_type = type ? nearest_name(type->value, types, ARRAY_LEN(types)) : NULL;
    struct diag_place at = s->at;

    for (size_t i = 0; i < s->n_entries; i++)
        if (is_override(s->entries[i].at))
            at = override_place;
    if (!nearest && plugins_partial)
        return;
    r->override_faults += is_override(at);
    if (nearest_type)
        reading_tell(r, is_override(at) ? DIAG_ERROR : DIAG_WARNING, at,
                     "unknown section [%.*s] is ignored; did you mean type = %s?", STR_FMT(s->name),
                     nearest_type);
    else if (nearest)
        reading_tell(r, is_override(at) ? DIAG_ERROR : DIAG_WARNING, at,
                     "unknown section [%.*s] is ignored; did you mean [%s]?", STR_FMT(s->name),
                     nearest);
    else
        reading_tell(r, is_override(at) ? DIAG_ERROR : DIAG_WARNING, at,
                     "unknown section [%.*s] is ignored; for the options of a plugin write load = "
                     "%.*s in [plugins]",
                     STR_FMT(s->name), STR_FMT(s->name));
}

/* A plugin has one section of options: what a second one says is added to the first. */
static int merge_options(struct reading *r, struct conf *conf, struct conf_section *first,
                         const struct conf_section *s)
{
    reading_tell(r, DIAG_WARNING, s->at, "[%.*s] again; its options are added to the first",
                 STR_FMT(s->name));
    for (size_t i = 0; i < s->n_entries; i++) {
        const struct conf_entry *e = &s->entries[i];
        int result = conf_section_add(conf->owned, first, e->name, e->value, e->at);

        if (result)
            return result;
    }
    return 0;
}

static int assign_options(struct reading *r, struct settings *settings, struct conf *conf)
{
    for (size_t i = 0; i < conf->n_sections; i++) {
        struct conf_section *s = &conf->sections[i];
        struct plugin_settings *p = plugin_find(settings, s->name);
        int result = 0;

        if (s->is_template || is_own_section(s->name) || compositor_conf_is(s) ||
            compositor_conf_was(r, settings, s) || source_conf_is(s) ||
            source_conf_was(r, settings, s) || authorization_conf_is_meant(s))
            continue;
        if (!p)
            tell_unknown_section(r, s, settings->plugins_partial);
        else if (p->options)
            result = merge_options(r, conf, (struct conf_section *)p->options, s);
        else
            p->options = s;
        if (result)
            return result;
    }
    return 0;
}

int extstate_conf_read(struct reading *r, struct settings *s, struct conf *conf)
{
    int result = read_general(r, s, conf);

    if (result)
        return result;
    result = read_compatibility(r, s, conf);
    if (result)
        return result;
    result = authorization_conf_read(r, s, conf);
    if (result)
        return result;
    result = read_dialog_info(r, s, conf);
    if (result)
        return result;
    result = http_conf_read(r, s, conf);
    if (result)
        return result;
    result = read_journal(r, s, conf);
    if (result)
        return result;
    result = read_registrar(r, s, conf);
    if (result)
        return result;
    result = read_plugins(r, s, conf);
    if (result)
        return result;
    result = compositor_conf_read(r, s, conf);
    if (result)
        return result;
    result = source_conf_read(r, s, conf);
    return result ? result : assign_options(r, s, conf);
}
