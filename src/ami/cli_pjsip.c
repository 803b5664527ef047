// SPDX-License-Identifier: MIT
/* The words of `pjsip`. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- subscriptions ---- */

struct shown { /* what `like` is compared with and what is told: one or more lines */
    struct buf text;
    char room[4096];
};

static struct str caller_name(const json_t *row)
{
    struct str name = answer_text(row, "callerid_name"),
               number = answer_text(row, "callerid_number");

    return name.n ? name : number.n ? number : STR("<none>");
}

static void shown_in_full(struct shown *t, const json_t *row)
{
    struct str name = answer_text(row, "callerid_name"),
               number = answer_text(row, "callerid_number");

    buf_printf(&t->text, "Endpoint: %.*s/", STR_FMT(answer_text(row, "endpoint")));
    if (name.n)
        buf_printf(&t->text, "\"%.*s\" <%.*s>", STR_FMT(name), STR_FMT(number));
    else
        buf_add(&t->text, number.n ? number : STR("Unknown"));
    buf_printf(&t->text, "\nResource: %.*s/%.*s\n  Expiry: %8u  %.*s\n",
               STR_FMT(answer_text(row, "resource")), STR_FMT(answer_text(row, "event")),
               (unsigned)answer_number(row, "expires_s"), STR_FMT(answer_text(row, "call_id")));
}

static void shown_as_line(struct shown *t, const json_t *row)
{
    char room[2][256];
    struct buf who, what;

    buf_init_on(&who, room[0], sizeof(room[0]));
    buf_init_on(&what, room[1], sizeof(room[1]));
    buf_printf(&who, "%.*s/%.*s", STR_FMT(answer_text(row, "endpoint")), STR_FMT(caller_name(row)));
    buf_printf(&what, "%.*s/%.*s", STR_FMT(answer_text(row, "resource")),
               STR_FMT(answer_text(row, "event")));
    buf_add_column(&t->text, buf_str(&who), 30);
    buf_add_char(&t->text, ' ');
    buf_add_column(&t->text, buf_str(&what), 30);
    buf_printf(&t->text, " %6u %.*s", (unsigned)answer_number(row, "expires_s"),
               STR_FMT(answer_text(row, "call_id")));
}

static void lines_add(struct buf *b, struct str lines)
{
    for (;;) {
        size_t end = str_find_char(lines, '\n');

        cli_line(b, "%.*s", STR_FMT(str_sub(lines, 0, end)));
        if (end == lines.n)
            return;
        lines = str_sub(lines, end + 1, lines.n);
    }
}

static void subscriptions_head(struct buf *b, bool in_full)
{
    if (in_full) {
        cli_line(b, "Endpoint: <Endpoint/Caller-ID.............................................>");
        cli_line(b, "Resource: <Resource/Event.................................................>");
        cli_line(b, "  Expiry: <Expiry>  <Call-id..............................................>");
        cli_line(b, "===========================================================================");
        cli_line(b, "%s", "");
    } else {
        cli_line(b, "<Endpoint/CLI................> <Resource/Event..............> <Exp.> "
                    "<Call-id...>");
        cli_line(b, "%s", "");
    }
}

static bool is_in_full(const struct ami_session *s)
{
    return str_starts(str_of(s->command->words), STR("pjsip show"));
}

/* The pattern is argument[0]. */
static void subscriptions_print(struct ami_session *s, const json_t *rows, const struct regex *like)
{
    struct buf *b = cli_begin(s, true);
    unsigned long long told = 0;

    subscriptions_head(b, is_in_full(s));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct shown t;

        buf_init_on(&t.text, t.room, sizeof(t.room));
        if (is_in_full(s))
            shown_in_full(&t, json_array_get(rows, i));
        else
            shown_as_line(&t, json_array_get(rows, i));
        if (like && !regex_matches(like, buf_str(&t.text), NULL))
            continue;
        lines_add(b, buf_str(&t.text));
        told++;
    }
    if (!is_in_full(s))
        cli_line(b, "%s", "");
    if (like)
        cli_line(b, "%llu active subscriptions matched \"%.*s\"", told, STR_FMT(s->argument[0]));
    else
        cli_line(b, "%llu active subscriptions", told);
    cli_end(s);
}

static void answer_subscriptions(struct ami_session *s, const struct ami_answer *a)
{
    struct regex *like = NULL;

    if (cli_failed(s, a))
        return;
    if (s->argument[0].n && regex_create(&like, s->argument[0], false, NULL))
        cli_usage(s);
    else
        subscriptions_print(s, a->rows, like);
    regex_destroy(like);
}

static bool remember_like(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str like =
        n == 2 && str_equal_nocase(arguments[0], STR("like")) ? arguments[1] : STR_EMPTY;

    session_remember(s, &like, 1);
    if (n && !like.n)
        cli_usage(s);
    return !n || like.n;
}

static bool is_outbound(const struct ami_session *s)
{
    return str_ends(str_of(s->command->words), STR(" outbound"));
}

static json_t *question_of(const struct ami_session *s)
{
    return question(is_outbound(s) ? "subscriptions.outbound" : "subscriptions");
}

static void run_subscriptions(struct ami_session *s, const struct str *arguments, size_t n)
{
    if (remember_like(s, arguments, n))
        session_ask(s, question_of(s), answer_subscriptions);
}

static void parameter(struct buf *b, struct str name, struct str value)
{
    cli_line(b, "%-20.*s: %.*s", STR_FMT(name), STR_FMT(value));
}

/* s->kept is the subscription. */
static void answer_subscription_state(struct ami_session *s, const struct ami_answer *a)
{
    const json_t *row = s->kept;
    struct buf *b = cli_begin(s, true);

    cli_line(b, "%-20s: %s", "ParameterName", "ParameterValue");
    cli_line(b, "================================================================");
    parameter(b, STR("Resource"), answer_text(row, "resource"));
    parameter(b, STR("Event"), answer_text(row, "event"));
    cli_line(b, "%-20s: %u", "Expiry", (unsigned)answer_number(row, "expires_s"));
    subscription_fields(b, s->server, row, answer_text(json_array_get(a->rows, 0), "state"),
                        parameter);
    cli_line(b, "%s", "");
    cli_end(s);
}

static void answer_subscription(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    for (size_t i = 0; i < json_array_size(a->rows) && !s->kept; i++)
        if (str_equal(answer_text(json_array_get(a->rows, i), "call_id"), s->argument[0]))
            s->kept = json_incref(json_array_get(a->rows, i));
    if (!s->kept) {
        cli_say(s, false, "Unable to find subscription %.*s", STR_FMT(s->argument[0]));
        return;
    }
    session_ask(s,
                hint_question("hint.get", answer_text(s->kept, "resource"),
                              answer_text(s->kept, "context")),
                answer_subscription_state);
}

static void run_subscription(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, arguments, n);
    session_ask(s, question_of(s), answer_subscription);
}

/* ---- objects ---- */

static const char rule[] =
    "==========================================================================================";

#define AOR_HEAD "        Aor:  <Aor............................................>  <MaxContact>"
#define AUTH_HEAD \
    "    I/OAuth:  <AuthId/UserName...........................................................>"
#define CONTACT_HEAD \
    "      Contact:  <Aor/ContactUri..........................> <Hash....> <Status> <RTT(ms)..>"
#define IDENTIFY_HEAD \
    "   Identify:  <Identify/Endpoint.........................................................>"
#define MATCH_HEAD "        Match:  <criteria.........................>"

struct shown_of { /* what objects are shown with */
    const struct settings *settings;
    const json_t *devices; /* rows; of those kinds that ask for them, as contacts are */
    struct contact_rows contacts;
    bool brief; /* a line for each, without what belongs to it */
};

/* What there is of one kind, and how it is shown. */
struct kind {
    const char *head;     /* lines, the first is of the kind itself */
    size_t list, n, size; /* in struct settings, and of one */
    /* How many objects that were. */
    size_t (*print)(struct buf *b, const struct shown_of *with, const void *object);
};

#define KIND(lines, plural, type, print)                                                 \
    {                                                                                    \
        lines, offsetof(struct settings, plural), offsetof(struct settings, n_##plural), \
            sizeof(struct type), print                                                   \
    }

static void head_print(struct buf *b, const char *lines, bool brief)
{
    struct str all = str_of(lines);

    cli_line(b, "%s", "");
    lines_add(b, brief ? str_sub(all, 0, str_find_char(all, '\n')) : all);
    cli_line(b, "%s", rule);
    cli_line(b, "%s", "");
}

/* `pjsip list` instead of `show`. */
static bool is_brief(const struct ami_session *s)
{
    return str_starts(str_of(s->command->words), STR("pjsip list"));
}

/* The name that is wanted is argument[0]; empty: all. */
static void kind_show(struct ami_session *s, const struct kind *k, struct shown_of *with)
{
    const char *settings = (const char *)s->server->settings;
    size_t n = *(const size_t *)(const void *)(settings + k->n), told = 0;
    const void **list =
        objects_sorted(*(const void *const *)(const void *)(settings + k->list), n, k->size);
    struct str wanted = s->argument[0];
    struct buf *b;

    if (!list) {
        session_fail(s, "Memory allocation failure");
        return;
    }
    with->settings = s->server->settings;
    with->brief = is_brief(s);
    b = cli_begin(s, true);
    head_print(b, k->head, with->brief);
    for (size_t i = 0; i < n; i++)
        if (!wanted.n || str_equal(wanted, *(const struct str *)list[i]))
            told += k->print(b, with, list[i]);
    free(list);
    if (!told && wanted.n) {
        cli_line(b, "Unable to find object %.*s.", STR_FMT(wanted));
    } else {
        cli_line(b, "%s", "");
        cli_line(b, "Objects found: %zu", told);
        cli_line(b, "%s", "");
    }
    cli_end(s);
}

static void kind_run(struct ami_session *s, const struct kind *k, const struct str *arguments,
                     size_t n)
{
    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    kind_show(s, k, &(struct shown_of){ .brief = false });
}

static size_t contact_lines(struct buf *b, const struct shown_of *with,
                            const struct aor_settings *aor)
{
    json_t *const *rows;
    size_t n = contacts_of(&with->contacts, aor->id, &rows);

    for (size_t i = 0; i < n; i++)
        contact_line(b, rows[i]);
    return n;
}

static void aor_lines(struct buf *b, const struct shown_of *with, const struct aor_settings *aor)
{
    cli_line(b, "        Aor:  %-50.*s%u", STR_FMT(aor->id), aor->max_contacts);
    if (!with->brief)
        (void)contact_lines(b, with, aor);
}

/* Shown with its contacts, which are asked for; s->kept: the devices, of kinds that have asked. */
static void kind_show_contacts(struct ami_session *s, const struct kind *k,
                               const struct ami_answer *a)
{
    struct shown_of with = { .devices = s->kept };

    if (cli_failed(s, a))
        return;
    if (contacts_begin(&with.contacts, s->server, a->rows)) {
        session_fail(s, "Memory allocation failure");
        return;
    }
    kind_show(s, k, &with);
    contacts_end(&with.contacts);
}

static void identify_lines(struct buf *b, const struct shown_of *with,
                           const struct identify_settings *i)
{
    char room[80];
    struct buf net;

    cli_line(b, "   Identify:  %.*s/%.*s", STR_FMT(i->id), STR_FMT(i->endpoint));
    for (size_t m = 0; m < i->n_matches && !with->brief; m++) {
        buf_init_on(&net, room, sizeof(room));
        addr_print_host(&net, &i->matches[m].net.base);
        cli_line(b, "        Match: %s%.*s/%u", i->matches[m].negated ? "!" : "",
                 STR_FMT(buf_str(&net)), i->matches[m].net.prefix);
    }
}

static size_t endpoint_print(struct buf *b, const struct shown_of *with, const void *object)
{
    const struct settings *settings = with->settings;
    const struct endpoint_settings *e = object;
    struct str state = endpoint_state(with->devices, e->id);
    char room[200];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_add(&name, e->id);
    if (e->callerid_number.n)
        buf_printf(&name, "/%.*s", STR_FMT(e->callerid_number));
    cli_line(b, " Endpoint:  %-53.*s%-14.*s0 of inf", STR_FMT(buf_str(&name)), STR_FMT(state));
    if (with->brief)
        return 1;
    for (size_t i = 0; i < e->n_auths; i++) {
        const struct auth_settings *auth = settings_auth(settings, e->auths[i]);

        if (auth)
            cli_line(b, "     InAuth:  %.*s/%.*s", STR_FMT(auth->id),
                     STR_FMT(auth->credential.username));
    }
    for (size_t i = 0; i < e->n_aors; i++) {
        const struct aor_settings *aor = settings_aor(settings, e->aors[i]);

        if (aor)
            aor_lines(b, with, aor);
    }
    for (size_t i = 0; i < settings->n_identifies; i++)
        if (str_equal(settings->identifies[i].endpoint, e->id))
            identify_lines(b, with, &settings->identifies[i]);
    cli_line(b, "%s", "");
    return 1;
}

static void answer_endpoints_contacts(struct ami_session *s, const struct ami_answer *a)
{
    static const struct kind endpoints =
        KIND(" Endpoint:  <Endpoint/CID.....................................>  <State.....>  "
             "<Channels.>\n" AUTH_HEAD "\n" AOR_HEAD "\n" CONTACT_HEAD "\n"
             "  Transport:  <TransportId........>  <Type>  <cos>  <tos>  "
             "<BindAddress..................>\n" IDENTIFY_HEAD "\n" MATCH_HEAD "\n"
             "    Channel:  <ChannelId......................................>  <State.....>  "
             "<Time.....>\n"
             "        Exten: <DialedExten...........>  CLCID: <ConnectedLineCID.......>",
             endpoints, endpoint_settings, endpoint_print);

    kind_show_contacts(s, &endpoints, a);
}

static void answer_endpoints(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    s->kept = json_incref(a->rows);
    session_ask(s, question("contacts"), answer_endpoints_contacts);
}

static void run_endpoints(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = question("devstate.list");

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    question_text(q, "prefix", STR("PJSIP/"));
    session_ask(s, q, answer_endpoints);
}

static size_t transport_print(struct buf *b, const struct shown_of *with, const void *object)
{
    static const char *const protocols[] = { [TRANSPORT_UDP] = "udp",
                                             [TRANSPORT_TCP] = "tcp",
                                             [TRANSPORT_TLS] = "tls",
                                             [TRANSPORT_WS] = "ws",
                                             [TRANSPORT_WSS] = "wss" };
    const struct transport_settings *t = object;
    char room[80];
    struct buf address;

    (void)with;
    buf_init_on(&address, room, sizeof(room));
    addr_print(&address, &t->bind);
    cli_line(b, "Transport:  %-21.*s  %6s  %5u  %5u  %.*s", STR_FMT(t->id), protocols[t->protocol],
             (unsigned)t->cos, (unsigned)t->tos, STR_FMT(buf_str(&address)));
    return 1;
}

static void run_transports(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const struct kind transports =
        KIND("Transport:  <TransportId........>  <Type>  <cos>  <tos>  "
             "<BindAddress....................>",
             transports, transport_settings, transport_print);

    kind_run(s, &transports, arguments, n);
}

static size_t aor_print(struct buf *b, const struct shown_of *with, const void *object)
{
    aor_lines(b, with, object);
    if (!with->brief)
        cli_line(b, "%s", "");
    return 1;
}

static void answer_aors(struct ami_session *s, const struct ami_answer *a)
{
    static const struct kind aors = KIND(AOR_HEAD "\n" CONTACT_HEAD, aors, aor_settings, aor_print);

    kind_show_contacts(s, &aors, a);
}

static void run_aors(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    session_ask(s, question("contacts"), answer_aors);
}

static size_t contacts_print(struct buf *b, const struct shown_of *with, const void *object)
{
    return contact_lines(b, with, object);
}

static void answer_contacts(struct ami_session *s, const struct ami_answer *a)
{
    static const struct kind contacts = KIND(CONTACT_HEAD, aors, aor_settings, contacts_print);

    kind_show_contacts(s, &contacts, a);
}

static void run_contacts(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    session_ask(s, question("contacts"), answer_contacts);
}

static size_t auth_print(struct buf *b, const struct shown_of *with, const void *object)
{
    const struct auth_settings *auth = object;

    (void)with;
    cli_line(b, "     Auth:  %.*s/%.*s", STR_FMT(auth->id), STR_FMT(auth->credential.username));
    return 1;
}

static void run_auths(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const struct kind auths = KIND(AUTH_HEAD, auths, auth_settings, auth_print);

    kind_run(s, &auths, arguments, n);
}

static size_t identify_print(struct buf *b, const struct shown_of *with, const void *object)
{
    identify_lines(b, with, object);
    if (!with->brief)
        cli_line(b, "%s", "");
    return 1;
}

static void run_identifies(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const struct kind identifies =
        KIND(IDENTIFY_HEAD "\n" MATCH_HEAD, identifies, identify_settings, identify_print);

    kind_run(s, &identifies, arguments, n);
}

/* ---- what all have in common ---- */

static const char *identifier_name(unsigned by)
{
    switch (by) {
    case IDENTIFY_USERNAME:
        return "username";
    case IDENTIFY_AUTH_USERNAME:
        return "auth_username";
    case IDENTIFY_IP:
        return "ip";
    case IDENTIFY_HEADER:
        return "header";
    case IDENTIFY_REQUEST_URI:
        return "request_uri";
    default:
        return "anonymous";
    }
}

/* The ways in which it is found out who a request is from, in the order in which they are tried. */
static void run_identifiers(struct ami_session *s, const struct str *arguments, size_t n)
{
    const struct global_settings *g = &s->server->settings->global;
    struct buf *b = cli_begin(s, true);

    (void)arguments;
    (void)n;
    cli_line(b, "%-20s", "Identifier Names:");
    for (size_t i = 0; i < ARRAY_LEN(g->identifier_order); i++)
        cli_line(b, "%-20s", identifier_name(g->identifier_order[i]));
    cli_end(s);
}

static void setting(struct buf *b, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
static void setting(struct buf *b, const char *name, const char *format, ...)
{
    char value[512];
    va_list args;

    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    cli_line(b, " %-36s: %s", name, value);
}

static void settings_head(struct buf *b, const char *title)
{
    cli_line(b, "%s", "");
    cli_line(b, "%s Settings:", title);
    cli_line(b, "%s", "");
    cli_line(b, " %-36s: %s", "ParameterName", "ParameterValue");
    cli_line(b, " =======================================================");
}

static const char *yes_no(bool value)
{
    return value ? "true" : "false";
}

static void run_settings(struct ami_session *s, const struct str *arguments, size_t n)
{
    const struct global_settings *g = &s->server->settings->global;
    struct buf *b = cli_begin(s, true);

    (void)arguments;
    (void)n;
    settings_head(b, "Global");
    setting(b, "debug", "%.*s",
            STR_FMT(g->debug_host.n ? g->debug_host : str_of(g->debug ? "yes" : "no")));
    setting(b, "default_from_user", "%.*s", STR_FMT(g->default_from_user));
    setting(b, "default_realm", "%.*s", STR_FMT(g->default_realm));
    setting(b, "default_voicemail_extension", "%.*s", STR_FMT(g->default_voicemail_extension));
    setting(b, "disable_multi_domain", "%s", yes_no(g->disable_multi_domain));
    setting(b, "ignore_uri_user_options", "%s", yes_no(g->ignore_uri_user_options));
    setting(b, "keep_alive_interval", "%u", g->keep_alive_interval_s);
    setting(b, "max_forwards", "%u", g->max_forwards);
    setting(b, "mwi_disable_initial_unsolicited", "%s", yes_no(g->mwi_disable_initial_unsolicited));
    setting(b, "user_agent", "%.*s", STR_FMT(g->user_agent));
    settings_head(b, "System");
    setting(b, "compact_headers", "%s", yes_no(g->compact_headers));
    setting(b, "disable_rport", "%s", yes_no(g->disable_rport));
    setting(b, "disable_tcp_switch", "%s", yes_no(g->disable_tcp_switch));
    setting(b, "timer_b", "%u", g->timer_b_ms);
    setting(b, "timer_t1", "%u", g->timer_t1_ms);
    cli_line(b, "%s", "");
    cli_end(s);
}

static void run_version(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)arguments;
    (void)n;
    cli_say(s, true, "extstate %s; there is no pjproject here", s->server->cfg.version);
}

/* ---- logger ---- */

static void answer_logger(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "PJSIP Logging %.*s", STR_FMT(s->argument[0]));
}

static void run_logger(struct ami_session *s, const struct str *arguments, size_t n)
{
    bool verbose = str_equal_nocase(arguments[0], STR("verbose")), /* one place has them all */
        one = n == (verbose && n > 1 ? 2 : 1),
         on = one && (str_equal_nocase(arguments[n - 1], STR("on")) ||
                      str_equal_nocase(arguments[n - 1], STR("verbose"))),
         off = one && str_equal_nocase(arguments[n - 1], STR("off")),
         host = n >= 2 && str_equal_nocase(arguments[0], STR("host"));
    json_t *q;

    if (!on && !off && !host) {
        cli_usage(s);
        return;
    }
    session_remember(s,
                     (struct str[]){ on    ? STR("enabled")
                                     : off ? STR("disabled")
                                           : STR("Enabled for host") },
                     1);
    q = question("trace");
    if (q && on)
        (void)!json_object_set_new(q, "all", json_true());
    if (q && host)
        (void)!json_object_set_new(
            q, "peers", json_pack("[o]", json_stringn_nocheck(arguments[1].p, arguments[1].n)));
    session_ask(s, q, answer_logger);
}

#define OBJECTS(plural, singular, run)                                                    \
    { "pjsip show " plural, 0, 0, run, NULL }, { "pjsip list " plural, 0, 0, run, NULL }, \
    {                                                                                     \
        "pjsip show " singular, 1, 1, run, "pjsip show " singular " <id>"                 \
    }

static const struct cli_command commands[] = {
    { "pjsip show subscriptions inbound", 0, 2, run_subscriptions,
      "pjsip show subscriptions inbound [like <regex>]" },
    { "pjsip show subscriptions outbound", 0, 2, run_subscriptions,
      "pjsip show subscriptions outbound [like <regex>]" },
    { "pjsip list subscriptions inbound", 0, 2, run_subscriptions,
      "pjsip list subscriptions inbound [like <regex>]" },
    { "pjsip list subscriptions outbound", 0, 2, run_subscriptions,
      "pjsip list subscriptions outbound [like <regex>]" },
    { "pjsip show subscription inbound", 1, 1, run_subscription,
      "pjsip show subscription inbound <call-id>" },
    { "pjsip show subscription outbound", 1, 1, run_subscription,
      "pjsip show subscription outbound <call-id>" },
    OBJECTS("endpoints", "endpoint", run_endpoints),
    OBJECTS("transports", "transport", run_transports),
    OBJECTS("aors", "aor", run_aors),
    OBJECTS("contacts", "contact", run_contacts),
    OBJECTS("auths", "auth", run_auths),
    OBJECTS("identifies", "identify", run_identifies),
    { "pjsip show version", 0, 0, run_version, NULL },
    { "pjsip show settings", 0, 0, run_settings, NULL },
    { "pjsip show identifiers", 0, 0, run_identifiers, NULL },
    { "pjsip set logger", 1, 3, run_logger,
      "pjsip set logger {on|off|host <address>[/mask]|verbose [on|off]}" },
};
const struct cli_group cli_pjsip = { commands, ARRAY_LEN(commands) };
