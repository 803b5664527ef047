// SPDX-License-Identifier: MIT
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const phase_names[PHASE_KINDS] = {
    [PHASE_CONNECT] = "connect",     [PHASE_PRIME] = "prime",
    [PHASE_SUBSCRIBE] = "subscribe", [PHASE_FANOUT] = "fanout",
    [PHASE_REFRESH] = "refresh",     [PHASE_PUBLISH] = "publish",
    [PHASE_STORM] = "storm",         [PHASE_RESTART] = "restart",
    [PHASE_REST] = "rest",           [PHASE_UNSUBSCRIBE] = "unsubscribe",
    [PHASE_LIMIT] = "limit",
};

const char *phase_name(enum phase_kind kind)
{
    return phase_names[kind];
}

static int take_parameter(struct phase_spec *p, struct str text, const char **why)
{
    struct str value = text, key = str_next(&value, '=');
    uint32_t *number = str_equal(key, STR("n"))        ? &p->n
                       : str_equal(key, STR("rate"))   ? &p->rate
                       : str_equal(key, STR("window")) ? &p->window
                                                       : NULL;

    *why = "after the phase come n=, rate= and window=";
    if (!number)
        return -EINVAL;
    *why = "n, rate and window are numbers from 1";
    return value.p && str_to_u32(number, value) == 0 && *number ? 0 : -EINVAL;
}

int phase_spec_parse(struct phase_spec *out, struct str text, const char **why)
{
    struct str rest = text, name = str_next(&rest, ':');
    struct phase_spec p = { .kind = PHASE_KINDS };
    int r = 0;

    for (size_t i = 0; i < PHASE_KINDS; i++)
        if (str_equal(name, str_of(phase_names[i])))
            p.kind = (enum phase_kind)i;
    *why = "there is no such phase";
    if (p.kind == PHASE_KINDS)
        return -EINVAL;
    while (r == 0 && rest.p)
        r = take_parameter(&p, str_next(&rest, ','), why);
    if (r == 0)
        *out = p;
    return r;
}

/* ---- options ---- */

enum {
    OPTION_LOCAL = 256,
    OPTION_TRANSPORT,
    OPTION_SOCKETS,
    OPTION_CONNECTIONS,
    OPTION_WATCHERS,
    OPTION_RESOURCES,
    OPTION_BASE,
    OPTION_ZIPF,
    OPTION_EXPIRES,
    OPTION_PATIENCE,
    OPTION_LOSS,
    OPTION_DEAD,
    OPTION_SLOW,
    OPTION_SLOW_MS,
    OPTION_COMPOSITOR,
    OPTION_FROM,
    OPTION_DOMAIN,
    OPTION_CHANGE,
    OPTION_DEVICE,
    OPTION_SERVER,
    OPTION_SERVER_PID,
    OPTION_RESTART,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    { "server", required_argument, NULL, OPTION_SERVER },
    { "local", required_argument, NULL, OPTION_LOCAL },
    { "transport", required_argument, NULL, OPTION_TRANSPORT },
    { "sockets", required_argument, NULL, OPTION_SOCKETS },
    { "connections", required_argument, NULL, OPTION_CONNECTIONS },
    { "watchers", required_argument, NULL, OPTION_WATCHERS },
    { "resources", required_argument, NULL, OPTION_RESOURCES },
    { "base", required_argument, NULL, OPTION_BASE },
    { "zipf", required_argument, NULL, OPTION_ZIPF },
    { "expires", required_argument, NULL, OPTION_EXPIRES },
    { "patience", required_argument, NULL, OPTION_PATIENCE },
    { "loss", required_argument, NULL, OPTION_LOSS },
    { "dead", required_argument, NULL, OPTION_DEAD },
    { "slow", required_argument, NULL, OPTION_SLOW },
    { "slow-ms", required_argument, NULL, OPTION_SLOW_MS },
    { "compositor", no_argument, NULL, OPTION_COMPOSITOR },
    { "from", required_argument, NULL, OPTION_FROM },
    { "domain", required_argument, NULL, OPTION_DOMAIN },
    { "change", required_argument, NULL, OPTION_CHANGE },
    { "device", required_argument, NULL, OPTION_DEVICE },
    { "server-pid", required_argument, NULL, OPTION_SERVER_PID },
    { "restart", required_argument, NULL, OPTION_RESTART },
    { "json", required_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, OPTION_HELP },
    { "version", no_argument, NULL, OPTION_VERSION },
    { 0 },
};

enum { TEXT_MAX = 128, SOCKETS_MAX = 1024 };

static int complain(const char *what, const char *value)
{
    fprintf(stderr, "extstate-bench: %s: \"%s\"\n", what, value);
    return -EINVAL;
}

static int take_number(uint32_t *out, const char *value, uint32_t least, uint32_t most)
{
    uint32_t n;

    if (str_to_u32(&n, str_of(value)) || n < least || n > most) {
        fprintf(stderr, "extstate-bench: not a number from %u to %u: \"%s\"\n", least, most, value);
        return -EINVAL;
    }
    *out = n;
    return 0;
}

static int take_change(struct options *o, const char *value)
{
    static const struct {
        const char *prefix;
        enum change_kind kind;
    } kinds[] = { { "none", CHANGE_NONE },
                  { "publish", CHANGE_PUBLISH },
                  { "ctl:", CHANGE_CTL },
                  { "ami:", CHANGE_AMI },
                  { "command:", CHANGE_COMMAND } };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct str prefix = str_of(kinds[i].prefix), text = str_of(value);

        if (!str_starts(text, prefix) || (text.n > prefix.n) != (prefix.p[prefix.n - 1] == ':'))
            continue;
        o->change = kinds[i].kind;
        o->change_to = value + prefix.n;
        return 0;
    }
    return complain("changes are none, publish, ctl:SOCKET, ami:HOST:PORT:USER:SECRET or "
                    "command:COMMAND",
                    value);
}

static int take_address(struct addr *out, bool *has, const char *value, uint16_t port)
{
    if (addr_parse(out, str_of(value), port))
        return complain("not an IP address with an optional port", value);
    *has = true;
    return 0;
}

/* What goes into messages as it is has nothing in it that means something there. */
static int take_text(const char **out, const char *value, const char *besides)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    char allowed[128];
    size_t n = strlen(value);

    snprintf(allowed, sizeof(allowed), "%s%s", letters, besides);
    if (n == 0 || n > TEXT_MAX || strspn(value, allowed) != n)
        return complain("empty, too long, or with a character that has no place there", value);
    *out = value;
    return 0;
}

static int take_zipf(double *out, const char *value)
{
    char *end;
    double d = strtod(value, &end);

    if (*end || end == value || !(d >= 0 && d <= 10))
        return complain("the exponent is a number from 0 to 10", value);
    *out = d;
    return 0;
}

static int take_transport(enum transport *out, const char *value)
{
    static const char *const names[] = { "udp", "tcp", "tls" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(value, names[i]))
            continue;
        *out = (enum transport)i;
        return 0;
    }
    return complain("transports are udp, tcp and tls", value);
}

static int take_option(struct options *o, int option, char *value)
{
    switch (option) {
    case OPTION_SERVER:
        return take_address(&o->server, &o->has_server, value, 5060);
    case OPTION_LOCAL:
        return take_address(&o->local, &o->has_local, value, 0);
    case OPTION_TRANSPORT:
        return take_transport(&o->transport, value);
    case OPTION_SOCKETS:
        return take_number(&o->sockets, value, 1, SOCKETS_MAX);
    case OPTION_CONNECTIONS:
        return take_number(&o->sockets, value, 1, 1000000);
    case OPTION_WATCHERS:
        return take_number(&o->watchers, value, 0, 10000000);
    case OPTION_RESOURCES:
        return take_number(&o->resources, value, 1, 10000000);
    case OPTION_BASE:
        return take_number(&o->base, value, 0, 1000000000);
    case OPTION_ZIPF:
        return take_zipf(&o->zipf, value);
    case OPTION_EXPIRES:
        return take_number(&o->expires_s, value, 1, 1000000000);
    case OPTION_PATIENCE:
        return take_number(&o->patience_s, value, 1, 86400);
    case OPTION_LOSS:
        return take_number(&o->loss_percent, value, 0, 90);
    case OPTION_DEAD:
        return take_number(&o->dead_percent, value, 0, 100);
    case OPTION_SLOW:
        return take_number(&o->slow_percent, value, 0, 100);
    case OPTION_SLOW_MS:
        return take_number(&o->slow_ms, value, 1, 30000);
    case OPTION_COMPOSITOR:
        o->compositor = true;
        return 0;
    case OPTION_FROM:
        return take_text(&o->from, value, "+*~");
    case OPTION_DOMAIN:
        return take_text(&o->domain, value, "[]:");
    case OPTION_CHANGE:
        return take_change(o, value);
    case OPTION_DEVICE:
        return take_text(&o->device, value, "/:@");
    case OPTION_SERVER_PID:
        o->server_pid = value;
        return 0;
    case OPTION_RESTART:
        o->restart = value;
        return 0;
    case OPTION_JSON:
        o->json = value;
        return 0;
    case OPTION_HELP:
        return OPTIONS_HELP;
    case OPTION_VERSION:
        return OPTIONS_VERSION;
    default:
        return -EINVAL; /* getopt has said why */
    }
}

static int take_phases(struct options *o, char **words, int n)
{
    static char *usual[] = { "subscribe", "fanout", "refresh", "unsubscribe" };
    const char *why;

    if (n == 0) {
        words = usual;
        n = (int)ARRAY_LEN(usual);
    }
    for (int i = 0; i < n; i++) {
        if (o->n_phases == PHASES_MAX)
            return complain("too many phases", words[i]);
        if (phase_spec_parse(&o->phases[o->n_phases++], str_of(words[i]), &why))
            return complain(why, words[i]);
    }
    return 0;
}

/* What the transport allows and the phases need. */
static int check(const struct options *o)
{
    if (o->transport == TRANSPORT_UDP && o->sockets > SOCKETS_MAX)
        return complain("more sockets than UDP needs", "--connections");
    if (o->transport != TRANSPORT_UDP && o->loss_percent)
        return complain("only datagrams can be lost", "--loss");
    for (size_t i = 0; i < o->n_phases; i++) {
        enum phase_kind kind = o->phases[i].kind;

        if (kind != PHASE_LIMIT && !o->has_server)
            return complain("--server ADDRESS[:PORT] is missing for", phase_name(kind));
        if (kind == PHASE_CONNECT && o->transport == TRANSPORT_UDP)
            return complain("over UDP there is no", phase_name(kind));
        if ((kind == PHASE_PRIME || kind == PHASE_FANOUT || kind == PHASE_RESTART) &&
            o->change == CHANGE_NONE)
            return complain("without changes (--change) there is no", phase_name(kind));
        if (kind == PHASE_RESTART && !o->restart)
            return complain("--restart COMMAND is missing for", phase_name(kind));
    }
    return 0;
}

int options_parse(struct options *out, int argc, char **argv)
{
    struct options o = { .sockets = 16,
                         .watchers = 1000,
                         .resources = 100,
                         .base = 1000,
                         .expires_s = 3600,
                         .patience_s = 40,
                         .slow_ms = 1000,
                         .from = "bench",
                         .change = CHANGE_PUBLISH,
                         .device = "Custom:" };
    int r = 0, option;

    optind = 0; /* getopt begins anew: tests call this more than once */
    while (r == 0 && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        r = take_option(&o, option, optarg);
    if (r == 0)
        r = take_phases(&o, argv + optind, argc - optind);
    if (r == 0)
        r = check(&o);
    if (r == 0)
        *out = o;
    return r;
}
