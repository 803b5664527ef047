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

    if (client_open(&client, in->options->socket, in->options->json)) {
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

static void hint_name(const json_t *row, char *out, size_t room)
{
    snprintf(out, room, "%s@%s", row_text(row, "extension"), row_text(row, "context"));
}

static int compare_hints(const void *a, const void *b)
{
    char x[256], y[256];

    hint_name(*(json_t *const *)a, x, sizeof(x));
    hint_name(*(json_t *const *)b, y, sizeof(y));
    return strcmp(x, y);
}

static void print_hint(const json_t *row)
{
    char name[256];

    hint_name(row, name, sizeof(name));
    printf("%-30.30s: %-60.60s  State:%-15.15s Presence:%-15.15s Watchers %2lld\n", name,
           row_text(row, "hint"), row_text(row, "state"), row_text(row, "presence"),
           row_number(row, "watchers"));
}

static void print_hints_sorted(const struct invocation *in, json_t *rows)
{
    size_t n = json_array_size(rows);
    json_t **sorted = calloc(n + 1, sizeof(json_t *));

    if (!sorted)
        return;
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(rows, i);
    qsort(sorted, n, sizeof(json_t *), compare_hints);
    for (size_t i = 0; i < n; i++) {
        if (in->options->json)
            print_json_line(NULL, sorted[i]);
        else
            print_hint(sorted[i]);
    }
    free(sorted);
}

static int run_core_show_hints(const struct invocation *in)
{
    int code;
    json_t *rows = collect(in, json_pack("{ss}", "command", "hints"), &code);
    size_t n;

    if (!rows)
        return code;
    n = json_array_size(rows);
    if (in->options->json) {
        print_hints_sorted(in, rows);
    } else if (n == 0) {
        puts("There are no registered dialplan hints");
    } else {
        puts("\n    -= Registered Asterisk Dial Plan Hints =-");
        print_hints_sorted(in, rows);
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
    n = json_array_size(rows);
    print_hints_sorted(in, rows);
    if (n && !in->options->json)
        printf("%zu hint%s matching extension %s\n", n, n == 1 ? "" : "s", in->words[0]);
    else if (!in->options->json)
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

static void caller_id(const json_t *row, const char *unknown, char *out, size_t room)
{
    const char *name = row_text(row, "callerid_name"), *number = row_text(row, "callerid_number");

    if (*name && *number)
        snprintf(out, room, "\"%s\" <%s>", name, number);
    else
        snprintf(out, room, "%s", *name ? name : *number ? number : unknown);
}

static void print_show_form(const json_t *row, struct subscription_text *out)
{
    char cli[256];

    caller_id(row, "<none>", cli, sizeof(cli));
    snprintf(out->text, sizeof(out->text),
             "Endpoint: %s/%s\nResource: %s/%s\n  Expiry: %8lld  %s\n\n", row_text(row, "endpoint"),
             cli, row_text(row, "resource"), row_text(row, "event"), row_number(row, "expires_s"),
             row_text(row, "call_id"));
}

static const char list_legend[] =
    "Endpoint/CLI                   Resource/Event                 Expiry Call-id\n"
    "==============================================================================\n";
static const char show_legend[] =
    "Endpoint: <Endpoint/Caller-ID.............................................>\n"
    "Resource: <Resource/Event.................................................>\n"
    "  Expiry: <Expiry>  <Call-id..............................................>\n"
    "===========================================================================\n";

struct subscription_form {
    const char *command, *legend;
    void (*print)(const json_t *row, struct subscription_text *out);
};

static size_t print_rows(const struct invocation *in, json_t *rows,
                         const struct subscription_form *form, const regex_t *like)
{
    json_t *row;
    size_t i, shown = 0;

    json_array_foreach(rows, i, row)
    {
        struct subscription_text text;

        form->print(row, &text);
        if (like && regexec(like, text.text, 0, NULL, 0) != 0)
            continue;
        if (in->options->json)
            print_json_line(NULL, row);
        else
            fputs(text.text, stdout);
        shown++;
    }
    return shown;
}

static int print_subscriptions(const struct invocation *in, const struct subscription_form *form)
{
    const char *like = in->n == 2 && strcmp(in->words[0], "like") == 0 ? in->words[1] : NULL;
    json_t *rows;
    size_t shown;
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
    rows = collect(in, json_pack("{ss}", "command", form->command), &code);
    if (rows && !in->options->json)
        fputs(form->legend, stdout);
    if (rows) {
        shown = print_rows(in, rows, form, like ? &re : NULL);
        if (!in->options->json)
            printf("\n%zu active subscriptions%s%s%s\n", shown, like ? " matched \"" : "",
                   like ? like : "", like ? "\"" : "");
        json_decref(rows);
    }
    if (like)
        regfree(&re);
    return code;
}

static int run_list_inbound(const struct invocation *in)
{
    return print_subscriptions(
        in, &(struct subscription_form){ "subscriptions", list_legend, print_list_form });
}

static int run_show_inbound(const struct invocation *in)
{
    return print_subscriptions(
        in, &(struct subscription_form){ "subscriptions", show_legend, print_show_form });
}

static int run_list_outbound(const struct invocation *in)
{
    return print_subscriptions(
        in, &(struct subscription_form){ "subscriptions.outbound", list_legend, print_list_form });
}

static int run_show_outbound(const struct invocation *in)
{
    return print_subscriptions(
        in, &(struct subscription_form){ "subscriptions.outbound", show_legend, print_show_form });
}

static void print_parameter(const char *name, const char *value)
{
    printf("%-20s: %s\n", name, value);
}

/* Asterisk has the state with the subscription; we ask for the hint. */
static void print_extension_state(const struct invocation *in, const json_t *subscription)
{
    char name[256];
    int code;
    json_t *rows, *row;
    size_t i;

    snprintf(name, sizeof(name), "%s@%s", row_text(subscription, "resource"),
             row_text(subscription, "context"));
    print_parameter("Extension", row_text(subscription, "resource"));
    rows = collect(in, json_pack("{ss ss}", "command", "hints", "prefix", name), &code);
    json_array_foreach(rows, i, row)
    {
        char found[256];

        hint_name(row, found, sizeof(found));
        if (strcmp(found, name) == 0)
            print_parameter("ExtensionStates", row_text(row, "state"));
    }
    json_decref(rows);
}

static void print_subscription(const struct invocation *in, const json_t *row)
{
    bool active = strcmp(row_text(row, "state"), "active") == 0;
    char text[256];

    printf("%-20s: %s\n================================================================\n",
           "ParameterName", "ParameterValue");
    print_parameter("Resource", row_text(row, "resource"));
    print_parameter("Event", row_text(row, "event"));
    snprintf(text, sizeof(text), "%lld", row_number(row, "expires_s"));
    print_parameter("Expiry", text);
    print_parameter("Role", "Notifier");
    print_parameter("Endpoint", row_text(row, "endpoint"));
    print_parameter("Callid", row_text(row, "call_id"));
    print_parameter("State", active ? "ACTIVE" : "TERMINATED");
    caller_id(row, "Unknown", text, sizeof(text));
    print_parameter("Callerid", text);
    print_parameter("SubscriptionType", "extension_state");
    print_extension_state(in, row);
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
        if (strcmp(row_text(row, "call_id"), in->words[0]) != 0)
            continue;
        found = true;
        if (in->options->json)
            print_json_line(NULL, row);
        else
            print_subscription(in, row);
    }
    if (!found && !in->options->json)
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

static int set_logger(const struct invocation *in, bool all, const char *peer, const char *done)
{
    json_t *peers = json_array();
    int r;

    if (peer)
        json_array_append_new(peers, json_string(peer));
    r = call_simple(in, json_pack("{ss sb so}", "command", "trace", "all", all, "peers", peers),
                    NULL);
    if (r == EXIT_OK && !in->options->json)
        printf("%s%s\n", done, peer ? peer : "");
    return r;
}

static int run_logger_on(const struct invocation *in)
{
    return set_logger(in, true, NULL, "PJSIP Logging enabled");
}

static int run_logger_off(const struct invocation *in)
{
    return set_logger(in, false, NULL, "PJSIP Logging disabled");
}

static int run_logger_host(const struct invocation *in)
{
    if (in->n != 1)
        return usage_of("pjsip set logger host");
    return set_logger(in, false, in->words[0], "PJSIP Logging Enabled for host: ");
}

/* What is traced has everything already. */
static int run_logger_verbose(const struct invocation *in)
{
    const char *word = in->n ? in->words[0] : "on";
    bool on = strcmp(word, "on") == 0;

    if (in->n > 1 || (!on && strcmp(word, "off") != 0))
        return usage_of("pjsip set logger verbose");
    return set_logger(in, on, NULL, on ? "PJSIP Logging enabled" : "PJSIP Logging disabled");
}

/* ---- pjsip history ---- */

static int set_history(const struct invocation *in, const char *field, bool value, const char *done)
{
    int r;

    if (in->n)
        return usage_of("pjsip set history");
    r = call_simple(in, json_pack("{ss sb}", "command", "messages", field, value), NULL);
    if (r == EXIT_OK && !in->options->json)
        printf("PJSIP History %s\n", done);
    return r;
}

static int run_history_on(const struct invocation *in)
{
    return set_history(in, "keep", true, "enabled");
}

static int run_history_off(const struct invocation *in)
{
    return set_history(in, "keep", false, "disabled");
}

static int run_history_clear(const struct invocation *in)
{
    return set_history(in, "clear", true, "cleared");
}

static int by_number(const void *a, const void *b)
{
    long long x = row_number(*(json_t *const *)a, "number"),
              y = row_number(*(json_t *const *)b, "number");

    return x < y ? -1 : x > y;
}

static bool is_sent(const json_t *row)
{
    return json_is_true(json_object_get(row, "sent"));
}

/* As it came: its lines are shown as lines, whatever else is in them as an escape. */
static struct str message_of(const json_t *row)
{
    const json_t *message = json_object_get(row, "message");

    return (struct str){ json_string_value(message), json_string_length(message) };
}

static struct str line_next(struct str *rest)
{
    size_t end = str_find_char(*rest, '\n');
    struct str line = str_sub(*rest, 0, end);

    *rest = end < rest->n ? str_sub(*rest, end + 1, rest->n) : (struct str){ NULL, 0 };
    return str_ends(line, STR("\r")) ? str_sub(line, 0, line.n - 1) : line;
}

static void print_message_line(const json_t *row)
{
    struct str rest = message_of(row);

    printf("%05lld %10lld * %s %-24s ", row_number(row, "number"), row_number(row, "at_ms") / 1000,
           is_sent(row) ? "==>" : "<==", row_text(row, "peer"));
    printable_print(stdout, line_next(&rest), "\t");
    putchar('\n');
}

static void print_message(const json_t *row)
{
    struct str rest = message_of(row);

    printf("<--- History Entry %lld %s %s at %lld --->\n", row_number(row, "number"),
           is_sent(row) ? "Sent to" : "Received from", row_text(row, "peer"),
           row_number(row, "at_ms") / 1000);
    while (rest.p) {
        printable_print(stdout, line_next(&rest), "\t");
        putchar('\n');
    }
}

static void print_messages(const struct invocation *in, json_t **rows, size_t n)
{
    if (!in->options->json) {
        printf("%-5s %-10s %-30s %s\n", "No.", "Timestamp", "(Dir) Address", "SIP Message");
        printf("===== ========== ============================== "
               "===================================\n");
    }
    for (size_t i = 0; i < n; i++) {
        if (in->options->json)
            print_json_line(NULL, rows[i]);
        else
            print_message_line(rows[i]);
    }
}

/* EXIT_NOTHING: there is none of that number. */
static int print_entry(const struct invocation *in, json_t **rows, size_t n)
{
    const char *wanted = in->words[1];
    size_t i = 0;

    while (i < n && row_number(rows[i], "number") != strtoll(wanted, NULL, 10))
        i++;
    if (i == n) {
        printf("There is no history entry %s\n", wanted);
        return EXIT_NOTHING;
    }
    if (in->options->json)
        print_json_line(NULL, rows[i]);
    else
        print_message(rows[i]);
    return EXIT_OK;
}

static int run_history(const struct invocation *in)
{
    const struct ctl_options raw = { .socket = in->options->socket, .json = true };
    bool one = in->n == 2 && strcmp(in->words[0], "entry") == 0;
    json_t *list, **rows;
    size_t n;
    int code;

    if (in->n && !one)
        return usage_of("pjsip show history");
    list = collect(&(struct invocation){ .options = &raw },
                   json_pack("{ss}", "command", "messages"), &code);
    if (!list)
        return code;
    n = json_array_size(list);
    rows = calloc(n + 1, sizeof(json_t *));
    if (!rows)
        exit(EXIT_FAILED);
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(list, i);
    qsort(rows, n, sizeof(json_t *), by_number);
    code = EXIT_OK;
    if (one)
        code = print_entry(in, rows, n);
    else
        print_messages(in, rows, n);
    free(rows);
    json_decref(list);
    return code;
}

/* ---- the daemon ---- */

static int run_uptime(const struct invocation *in)
{
    json_t *answer = NULL;
    int r = call_simple(in, json_pack("{ss}", "command", "status"), &answer);

    if (r == EXIT_OK && !in->options->json)
        printf("System uptime: %lld seconds\n", row_number(answer, "uptime_s"));
    json_decref(answer);
    return r;
}

static int run_version(const struct invocation *in)
{
    json_t *answer = NULL;
    int r = call_simple(in, json_pack("{ss}", "command", "status"), &answer);

    if (r == EXIT_OK && !in->options->json)
        printf("extstate %s\n", row_text(answer, "version"));
    json_decref(answer);
    return r;
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
    { "pjsip list subscriptions outbound", "[like REGEX]", "which telephones say what they do",
      run_list_outbound, true },
    { "pjsip show subscriptions outbound", "[like REGEX]", "which telephones say what they do",
      run_show_outbound, true },
    { "pjsip set history on", "", "keep all messages in memory, the newest ones", run_history_on,
      true },
    { "pjsip set history off", "", "keep no more of them", run_history_off, true },
    { "pjsip set history clear", "", "forget those that are kept", run_history_clear, true },
    { "pjsip show history", "[entry NUMBER]", "the messages that are kept, or one of them",
      run_history, true },
    { "pjsip set logger on", "", "trace every message", run_logger_on, true },
    { "pjsip set logger off", "", "trace nothing", run_logger_off, true },
    { "pjsip set logger host", "ADDRESS[/BITS]", "trace one peer", run_logger_host, true },
    { "pjsip set logger verbose", "[on|off]", "the same as on, and off", run_logger_verbose, true },
    { 0 },
};
