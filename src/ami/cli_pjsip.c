// SPDX-License-Identifier: MIT
/* The words of `pjsip`. */
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

static void run_inbound(struct ami_session *s, const struct str *arguments, size_t n)
{
    if (remember_like(s, arguments, n))
        session_ask(s, question("subscriptions"), answer_subscriptions);
}

/* We subscribe to nobody. */
static void run_outbound(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const struct ami_answer none = { .error = NULL };

    if (remember_like(s, arguments, n))
        answer_subscriptions(s, &none);
}

static void parameter(struct buf *b, const char *name, struct str value)
{
    cli_line(b, "%-20s: %.*s", name, STR_FMT(value));
}

static void subscription_print(struct ami_session *s, const json_t *row)
{
    bool mwi = str_equal(answer_text(row, "event"), STR("message-summary"));
    struct buf *b = cli_begin(s, true);
    char room[300];
    struct buf caller;

    buf_init_on(&caller, room, sizeof(room));
    buf_printf(&caller, "\"%.*s\" <%.*s>", STR_FMT(answer_text(row, "callerid_name")),
               STR_FMT(answer_text(row, "callerid_number")));
    cli_line(b, "%-20s: %s", "ParameterName", "ParameterValue");
    cli_line(b, "========================================");
    parameter(b, "Resource", answer_text(row, "resource"));
    parameter(b, "Event", answer_text(row, "event"));
    cli_line(b, "%-20s: %u", "Expiry", (unsigned)answer_number(row, "expires_s"));
    parameter(b, "Role", STR("Notifier"));
    parameter(b, "Endpoint", answer_text(row, "endpoint"));
    parameter(b, "Callid", answer_text(row, "call_id"));
    parameter(b, "State", answer_text(row, "state"));
    parameter(b, "Callerid",
              answer_text(row, "callerid_name").n ? buf_str(&caller) : STR("Unknown"));
    parameter(b, "SubscriptionType", mwi ? STR("mwi") : STR("extension_state"));
    parameter(b, mwi ? "Mailboxes" : "Extension", answer_text(row, "resource"));
    cli_line(b, "%s", "");
    cli_end(s);
}

static void answer_subscription(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    for (size_t i = 0; i < json_array_size(a->rows); i++)
        if (str_equal(answer_text(json_array_get(a->rows, i), "call_id"), s->argument[0])) {
            subscription_print(s, json_array_get(a->rows, i));
            return;
        }
    cli_say(s, false, "Unable to find subscription %.*s", STR_FMT(s->argument[0]));
}

static void run_subscription(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, arguments, n);
    session_ask(s, question("subscriptions"), answer_subscription);
}

/* ---- objects ---- */

static const char rule[] =
    "==========================================================================================";

/* The name that is wanted is argument[0]; empty: all. */
static bool is_shown(const struct ami_session *s, struct str id)
{
    return !s->argument[0].n || str_equal(s->argument[0], id);
}

static void objects_end(struct ami_session *s, struct buf *b, size_t n)
{
    if (!n && s->argument[0].n) {
        cli_line(b, "Unable to find object %.*s.", STR_FMT(s->argument[0]));
    } else {
        cli_line(b, "%s", "");
        cli_line(b, "Objects found: %zu", n);
        cli_line(b, "%s", "");
    }
    cli_end(s);
}

static void head(struct buf *b, const char *const *lines, size_t n)
{
    cli_line(b, "%s", "");
    for (size_t i = 0; i < n; i++)
        cli_line(b, "%s", lines[i]);
    cli_line(b, "%s", rule);
    cli_line(b, "%s", "");
}

#define AOR_HEAD "        Aor:  <Aor............................................>  <MaxContact>"
#define CONTACT_HEAD \
    "      Contact:  <Aor/ContactUri..........................> <Hash....> <Status> <RTT(ms)..>"
#define IDENTIFY_HEAD \
    "   Identify:  <Identify/Endpoint.........................................................>"
#define MATCH_HEAD "        Match:  <criteria.........................>"

static void aor_line(struct buf *b, const struct aor_settings *aor)
{
    cli_line(b, "        Aor:  %-50.*s%zu", STR_FMT(aor->id), aor->n_contacts);
}

static void contact_lines(struct buf *b, const struct aor_settings *aor)
{
    for (size_t i = 0; i < aor->n_contacts; i++)
        cli_line(b, "      Contact:  %.*s/%.*s", STR_FMT(aor->id), STR_FMT(aor->contacts[i]));
}

static void identify_lines(struct buf *b, const struct identify_settings *i)
{
    char room[80];
    struct buf net;

    cli_line(b, "   Identify:  %.*s/%.*s", STR_FMT(i->id), STR_FMT(i->endpoint));
    for (size_t m = 0; m < i->n_matches; m++) {
        buf_init_on(&net, room, sizeof(room));
        addr_print_host(&net, &i->matches[m].net.base);
        cli_line(b, "        Match: %s%.*s/%u", i->matches[m].negated ? "!" : "",
                 STR_FMT(buf_str(&net)), i->matches[m].net.prefix);
    }
}

static void endpoint_lines(struct ami_session *s, struct buf *b, const struct endpoint_settings *e,
                           struct str state)
{
    const struct settings *settings = s->server->settings;
    char room[200];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_add(&name, e->id);
    if (e->callerid_number.n)
        buf_printf(&name, "/%.*s", STR_FMT(e->callerid_number));
    cli_line(b, " Endpoint:  %-53.*s%-14.*s0 of inf", STR_FMT(buf_str(&name)), STR_FMT(state));
    for (size_t i = 0; i < e->n_auths; i++) {
        const struct auth_settings *auth = settings_auth(settings, e->auths[i]);

        if (auth)
            cli_line(b, "     InAuth:  %.*s/%.*s", STR_FMT(auth->id),
                     STR_FMT(auth->credential.username));
    }
    for (size_t i = 0; i < e->n_aors; i++) {
        const struct aor_settings *aor = settings_aor(settings, e->aors[i]);

        if (aor) {
            aor_line(b, aor);
            contact_lines(b, aor);
        }
    }
    for (size_t i = 0; i < settings->n_identifies; i++)
        if (str_equal(settings->identifies[i].endpoint, e->id))
            identify_lines(b, &settings->identifies[i]);
    cli_line(b, "%s", "");
}

static void answer_endpoints(struct ami_session *s, const struct ami_answer *a)
{
    static const char *const lines[] = {
        " Endpoint:  <Endpoint/CID.....................................>  <State.....>  "
        "<Channels.>",
        "    I/OAuth:  "
        "<AuthId/UserName...........................................................>",
        AOR_HEAD,
        CONTACT_HEAD,
        "  Transport:  <TransportId........>  <Type>  <cos>  <tos>  "
        "<BindAddress..................>",
        IDENTIFY_HEAD,
        MATCH_HEAD,
        "    Channel:  <ChannelId......................................>  <State.....>  "
        "<Time.....>",
        "        Exten: <DialedExten...........>  CLCID: <ConnectedLineCID.......>",
    };
    const struct settings *settings = s->server->settings;
    const struct endpoint_settings **list;
    struct buf *b;
    size_t told = 0;

    if (cli_failed(s, a))
        return;
    list = endpoints_sorted(s->server);
    b = cli_begin(s, true);
    head(b, lines, ARRAY_LEN(lines));
    for (size_t i = 0; list && i < settings->n_endpoints; i++) {
        if (!is_shown(s, list[i]->id))
            continue;
        endpoint_lines(s, b, list[i], endpoint_state(a->rows, list[i]->id));
        told++;
    }
    free(list);
    objects_end(s, b, told);
}

static void run_endpoints(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = question("devstate.list");

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    question_text(q, "prefix", STR("PJSIP/"));
    session_ask(s, q, answer_endpoints);
}

static const char *protocol_name(enum transport_protocol p)
{
    static const char *const names[] = { [TRANSPORT_UDP] = "udp",
                                         [TRANSPORT_TCP] = "tcp",
                                         [TRANSPORT_TLS] = "tls",
                                         [TRANSPORT_WS] = "ws",
                                         [TRANSPORT_WSS] = "wss" };

    return names[p];
}

static void run_transports(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const char *const lines[] = {
        "Transport:  <TransportId........>  <Type>  <cos>  <tos>  "
        "<BindAddress....................>",
    };
    const struct settings *settings = s->server->settings;
    struct buf *b;
    size_t told = 0;

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    b = cli_begin(s, true);
    head(b, lines, ARRAY_LEN(lines));
    for (size_t i = 0; i < settings->n_transports; i++) {
        const struct transport_settings *t = &settings->transports[i];
        char room[80];
        struct buf address;

        if (!is_shown(s, t->id))
            continue;
        buf_init_on(&address, room, sizeof(room));
        addr_print(&address, &t->bind);
        cli_line(b, "Transport:  %-21.*s  %6s  %5u  %5u  %.*s", STR_FMT(t->id),
                 protocol_name(t->protocol), 0u, (unsigned)t->tos, STR_FMT(buf_str(&address)));
        told++;
    }
    objects_end(s, b, told);
}

static void run_aors(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const char *const lines[] = { AOR_HEAD, CONTACT_HEAD };
    const struct settings *settings = s->server->settings;
    struct buf *b;
    size_t told = 0;

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    b = cli_begin(s, true);
    head(b, lines, ARRAY_LEN(lines));
    for (size_t i = 0; i < settings->n_aors; i++) {
        if (!is_shown(s, settings->aors[i].id))
            continue;
        aor_line(b, &settings->aors[i]);
        contact_lines(b, &settings->aors[i]);
        cli_line(b, "%s", "");
        told++;
    }
    objects_end(s, b, told);
}

static void run_contacts(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const char *const lines[] = { CONTACT_HEAD };
    const struct settings *settings = s->server->settings;
    struct buf *b;
    size_t told = 0;

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    b = cli_begin(s, true);
    head(b, lines, ARRAY_LEN(lines));
    for (size_t i = 0; i < settings->n_aors; i++) {
        if (!is_shown(s, settings->aors[i].id))
            continue;
        contact_lines(b, &settings->aors[i]);
        told += settings->aors[i].n_contacts;
    }
    objects_end(s, b, told);
}

static void run_auths(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const char *const lines[] = {
        "    I/OAuth:  "
        "<AuthId/UserName...........................................................>",
    };
    const struct settings *settings = s->server->settings;
    struct buf *b;
    size_t told = 0;

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    b = cli_begin(s, true);
    head(b, lines, ARRAY_LEN(lines));
    for (size_t i = 0; i < settings->n_auths; i++) {
        const struct auth_settings *auth = &settings->auths[i];

        if (!is_shown(s, auth->id))
            continue;
        cli_line(b, "     Auth:  %.*s/%.*s", STR_FMT(auth->id), STR_FMT(auth->credential.username));
        told++;
    }
    objects_end(s, b, told);
}

static void run_identifies(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const char *const lines[] = { IDENTIFY_HEAD, MATCH_HEAD };
    const struct settings *settings = s->server->settings;
    struct buf *b;
    size_t told = 0;

    session_remember(s, (struct str[]){ n ? arguments[0] : STR_EMPTY }, 1);
    b = cli_begin(s, true);
    head(b, lines, ARRAY_LEN(lines));
    for (size_t i = 0; i < settings->n_identifies; i++) {
        if (!is_shown(s, settings->identifies[i].id))
            continue;
        identify_lines(b, &settings->identifies[i]);
        cli_line(b, "%s", "");
        told++;
    }
    objects_end(s, b, told);
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
    bool on = n == 1 && (str_equal_nocase(arguments[0], STR("on")) ||
                         str_equal_nocase(arguments[0], STR("verbose"))),
         off = n == 1 && str_equal_nocase(arguments[0], STR("off")),
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
    { "pjsip show subscriptions inbound", 0, 2, run_inbound,
      "pjsip show subscriptions inbound [like <regex>]" },
    { "pjsip show subscriptions outbound", 0, 2, run_outbound,
      "pjsip show subscriptions outbound [like <regex>]" },
    { "pjsip list subscriptions inbound", 0, 2, run_inbound,
      "pjsip list subscriptions inbound [like <regex>]" },
    { "pjsip list subscriptions outbound", 0, 2, run_outbound,
      "pjsip list subscriptions outbound [like <regex>]" },
    { "pjsip show subscription inbound", 1, 1, run_subscription,
      "pjsip show subscription inbound <call-id>" },
    OBJECTS("endpoints", "endpoint", run_endpoints),
    OBJECTS("transports", "transport", run_transports),
    OBJECTS("aors", "aor", run_aors),
    OBJECTS("contacts", "contact", run_contacts),
    OBJECTS("auths", "auth", run_auths),
    OBJECTS("identifies", "identify", run_identifies),
    { "pjsip show version", 0, 0, run_version, NULL },
    { "pjsip set logger", 1, 3, run_logger, "pjsip set logger {on|off|host <address>[/mask]}" },
};
const struct cli_group cli_pjsip = { commands, ARRAY_LEN(commands) };
