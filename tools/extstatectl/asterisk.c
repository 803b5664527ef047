// SPDX-License-Identifier: MIT
/* Asterisk's words, with Asterisk's columns: scripts and fingers that know them go on working. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "extstatectl.h"

struct collected {
    json_t *rows;
};

static void collect_row(void *ctx, json_t *row)
{
    json_array_append(((struct collected *)ctx)->rows, row);
}

/* All rows of a request as a JSON array the caller owns, or NULL with the exit code in `*code`. */
static json_t *collect(const struct invocation *in, json_t *request, int *code)
{
    struct collected c = { .rows = json_array() };
    json_t *answer = NULL;
    struct client client;

    if (client_open(&client, in->options->socket)) {
        json_decref(request);
        json_decref(c.rows);
        *code = EXIT_UNREACHABLE;
        return NULL;
    }
    *code = client_call(&client, request, collect_row, &c, &answer);
    json_decref(answer);
    client_close(&client);
    if (*code == EXIT_OK)
        return c.rows;
    json_decref(c.rows);
    return NULL;
}

/* ---- core show hints ---- */

static int compare_hints(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;
    int r = strcmp(row_text(*x, "extension"), row_text(*y, "extension"));

    return r ? r : strcmp(row_text(*x, "context"), row_text(*y, "context"));
}

static void print_hint(const json_t *row)
{
    char name[256];

    snprintf(name, sizeof(name), "%s@%s", row_text(row, "extension"), row_text(row, "context"));
    printf("%-30.30s: %-60.60s  State:%-15.15s Presence:%-15.15s Watchers %2lld\n", name,
           row_text(row, "hint"), row_text(row, "state"), row_text(row, "presence"),
           row_number(row, "watchers"));
}

static size_t print_hints_sorted(json_t *rows)
{
    size_t n = json_array_size(rows);
    const json_t **sorted = calloc(n + 1, sizeof(json_t *));

    if (!sorted)
        return 0;
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(rows, i);
    qsort(sorted, n, sizeof(json_t *), compare_hints);
    for (size_t i = 0; i < n; i++)
        print_hint(sorted[i]);
    free(sorted);
    return n;
}

static int run_core_show_hints(const struct invocation *in)
{
    int code;
    json_t *rows = collect(in, json_pack("{ss}", "command", "hints"), &code);
    size_t n;

    if (!rows)
        return code;
    n = json_array_size(rows);
    if (n == 0) {
        puts("There are no registered dialplan hints");
    } else {
        puts("\n    -= Registered Asterisk Dial Plan Hints =-");
        print_hints_sorted(rows);
        printf("----------------\n- %zu hints registered\n", n);
    }
    json_decref(rows);
    return EXIT_OK;
}

static int run_core_show_hint(const struct invocation *in)
{
    int code;
    json_t *rows;
    size_t n;

    if (in->n != 1)
        return usage_of("core show hint");
    rows = collect(in, json_pack("{ss ss}", "command", "hints", "prefix", in->words[0]), &code);
    if (!rows)
        return code;
    n = print_hints_sorted(rows);
    if (n)
        printf("%zu hint%s matching extension %s\n", n, n == 1 ? "" : "s", in->words[0]);
    else
        printf("No hints matching extension %s\n", in->words[0]);
    json_decref(rows);
    return n ? EXIT_OK : EXIT_NOTHING;
}

/* ---- pjsip subscriptions ---- */

struct subscription_text { /* one subscription as printed, for `like` */
    char text[1024];
};

static void print_list_form(const json_t *row, struct subscription_text *out)
{
    const char *cli = *row_text(row, "callerid_name")     ? row_text(row, "callerid_name")
                      : *row_text(row, "callerid_number") ? row_text(row, "callerid_number")
                                                          : "<none>";
    char left[256], middle[256];

    snprintf(left, sizeof(left), "%s/%s", row_text(row, "endpoint"), cli);
    snprintf(middle, sizeof(middle), "%s/%s", row_text(row, "resource"), row_text(row, "event"));
    snprintf(out->text, sizeof(out->text), "%-30.30s %-30.30s %6lld %s\n", left, middle,
             row_number(row, "expires_s"), row_text(row, "call_id"));
}

static void print_show_form(const json_t *row, struct subscription_text *out)
{
    snprintf(out->text, sizeof(out->text),
             "Endpoint: %s/\"%s\" <%s>\nResource: %s/%s\n  Expiry: %8lld  %s\n\n",
             row_text(row, "endpoint"), row_text(row, "callerid_name"),
             row_text(row, "callerid_number"), row_text(row, "resource"), row_text(row, "event"),
             row_number(row, "expires_s"), row_text(row, "call_id"));
}

static const char list_legend[] =
    "Endpoint/CLI                   Resource/Event                 Expiry Call-id\n"
    "==============================================================================\n\n";
static const char show_legend[] =
    "Endpoint: <Endpoint/Caller-ID.............................................>\n"
    "Resource: <Resource/Event.................................................>\n"
    "  Expiry: <Expiry>  <Call-id..............................................>\n"
    "===========================================================================\n\n";

static int print_subscriptions(const struct invocation *in, const char *legend,
                               void (*print)(const json_t *row, struct subscription_text *out))
{
    const char *like = in->n == 2 && strcmp(in->words[0], "like") == 0 ? in->words[1] : NULL;
    json_t *rows, *row;
    size_t i, shown = 0;
    regex_t re;
    int code;

    if (in->n && !like) {
        fputs("extstatectl: only \"like REGEX\" may follow\n", stderr);
        return EXIT_USAGE;
    }
    if (like && regcomp(&re, like, REG_EXTENDED | REG_NOSUB)) {
        fprintf(stderr, "extstatectl: \"%s\" is no regular expression\n", like);
        return EXIT_USAGE;
    }
    rows = collect(in, json_pack("{ss}", "command", "subscriptions"), &code);
    if (rows) {
        fputs(legend, stdout);
        json_array_foreach(rows, i, row)
        {
            struct subscription_text text;

            print(row, &text);
            if (like && regexec(&re, text.text, 0, NULL, 0) != 0)
                continue;
            fputs(text.text, stdout);
            shown++;
        }
        printf("\n%zu active subscriptions", shown);
        if (like)
            printf(" matched \"%s\"", like);
        puts("\n");
        json_decref(rows);
    }
    if (like)
        regfree(&re);
    return code;
}

static int run_list_inbound(const struct invocation *in)
{
    return print_subscriptions(in, list_legend, print_list_form);
}

static int run_show_inbound(const struct invocation *in)
{
    return print_subscriptions(in, show_legend, print_show_form);
}

/* We subscribe to nobody. */
static int run_outbound(const struct invocation *in)
{
    (void)in;
    puts("0 active subscriptions\n");
    return EXIT_OK;
}

static void print_parameter(const char *name, const char *value)
{
    printf("%-20s: %s\n", name, value);
}

static int run_show_one(const struct invocation *in)
{
    json_t *rows, *row;
    size_t i;
    int code;
    bool found = false;

    if (in->n != 1)
        return usage_of("pjsip show subscription inbound");
    rows = collect(in, json_pack("{ss}", "command", "subscriptions"), &code);
    if (!rows)
        return code;
    json_array_foreach(rows, i, row)
    {
        char text[256];

        if (strcmp(row_text(row, "call_id"), in->words[0]) != 0)
            continue;
        found = true;
        printf("%-20s: %s\n================================================================\n",
               "ParameterName", "ParameterValue");
        print_parameter("Resource", row_text(row, "resource"));
        print_parameter("Event", row_text(row, "event"));
        snprintf(text, sizeof(text), "%lld", row_number(row, "expires_s"));
        print_parameter("Expiry", text);
        print_parameter("Role", "Notifier");
        print_parameter("Endpoint", row_text(row, "endpoint"));
        print_parameter("Callid", row_text(row, "call_id"));
        print_parameter("State",
                        strcmp(row_text(row, "state"), "active") == 0 ? "ACTIVE" : "TERMINATED");
        snprintf(text, sizeof(text), "\"%s\" <%s>", row_text(row, "callerid_name"),
                 row_text(row, "callerid_number"));
        print_parameter("Callerid", text);
        print_parameter("SubscriptionType", "extension_state");
    }
    if (!found)
        printf("Unable to find subscription with call-id %s\n", in->words[0]);
    json_decref(rows);
    return found ? EXIT_OK : EXIT_NOTHING;
}

/* ---- the rest ---- */

static int run_dialplan_reload(const struct invocation *in)
{
    return in->n ? usage_of("dialplan reload") : configuration_reload(in, "Dialplan reloaded.");
}

static int run_reload(const struct invocation *in)
{
    return configuration_reload(in, "");
}

static int set_logger(const struct invocation *in, bool all, const char *peer)
{
    json_t *peers = json_array();

    if (peer)
        json_array_append_new(peers, json_string(peer));
    return call_simple(in, json_pack("{ss sb so}", "command", "trace", "all", all, "peers", peers),
                       NULL);
}

static int run_logger_on(const struct invocation *in)
{
    int r = set_logger(in, true, NULL);

    if (r == EXIT_OK)
        puts("PJSIP Logging enabled");
    return r;
}

static int run_logger_off(const struct invocation *in)
{
    int r = set_logger(in, false, NULL);

    if (r == EXIT_OK)
        puts("PJSIP Logging disabled");
    return r;
}

static int run_logger_host(const struct invocation *in)
{
    int r;

    if (in->n != 1)
        return usage_of("pjsip set logger host");
    r = set_logger(in, false, in->words[0]);
    if (r == EXIT_OK)
        printf("PJSIP Logging Enabled for host: %s\n", in->words[0]);
    return r;
}

static int print_status_member(const struct invocation *in, const char *format, const char *key)
{
    json_t *answer = NULL;
    int r = call_simple(in, json_pack("{ss}", "command", "status"), &answer);

    if (r == EXIT_OK && strcmp(key, "version") == 0)
        printf("extstate %s\n", row_text(answer, key));
    else if (r == EXIT_OK)
        printf("%s: %lld seconds\n", format, row_number(answer, key));
    json_decref(answer);
    return r;
}

static int run_uptime(const struct invocation *in)
{
    return print_status_member(in, "System uptime", "uptime_s");
}

static int run_version(const struct invocation *in)
{
    return print_status_member(in, "", "version");
}

const struct command asterisk_commands[] = {
    { "core show hints", "", "all hints", run_core_show_hints, true },
    { "core show hint", "PREFIX", "hints that begin with this", run_core_show_hint, true },
    { "core show uptime", "", "how long the daemon runs", run_uptime, true },
    { "core show version", "", "the daemon's version", run_version, true },
    { "core reload", "", "read the configuration again", run_reload, true },
    { "module reload", "", "read the configuration again", run_reload, true },
    { "dialplan reload", "", "read the configuration again", run_dialplan_reload, true },
    { "pjsip reload", "", "read the configuration again", run_reload, true },
    { "pjsip list subscriptions inbound", "[like REGEX]", "who watches what", run_list_inbound,
      true },
    { "pjsip show subscriptions inbound", "[like REGEX]", "who watches what", run_show_inbound,
      true },
    { "pjsip show subscription inbound", "CALL-ID", "one subscription", run_show_one, true },
    { "pjsip list subscriptions outbound", "", "none: we subscribe to nobody", run_outbound, true },
    { "pjsip show subscriptions outbound", "", "none: we subscribe to nobody", run_outbound, true },
    { "pjsip set logger on", "", "trace every message", run_logger_on, true },
    { "pjsip set logger off", "", "trace nothing", run_logger_off, true },
    { "pjsip set logger host", "ADDRESS[/BITS]", "trace one peer", run_logger_host, true },
    { 0 },
};
