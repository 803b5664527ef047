// SPDX-License-Identifier: MIT
/* `pjsip show history`: the messages that are kept while that is on. */
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- on, off and clear ---- */

static void answer_set(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "PJSIP History %.*s", STR_FMT(s->argument[0]));
}

static void run_set(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const struct {
        struct str word, told;
        const char *field;
        bool value;
    } words[] = {
        { STR_INIT("on"), STR_INIT("enabled"), "keep", true },
        { STR_INIT("off"), STR_INIT("disabled"), "keep", false },
        { STR_INIT("clear"), STR_INIT("cleared"), "clear", true },
    };

    (void)n;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal_nocase(arguments[0], words[i].word)) {
            json_t *q = question("messages");

            session_remember(s, &words[i].told, 1);
            if (q)
                (void)!json_object_set_new(q, words[i].field, json_boolean(words[i].value));
            session_ask(s, q, answer_set);
            return;
        }
    cli_usage(s);
}

/* ---- show ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = answer_number(*(json_t *const *)a, "number"),
             y = answer_number(*(json_t *const *)b, "number");

    return x < y ? -1 : x > y;
}

static bool is_sent(const json_t *row)
{
    return json_is_true(json_object_get(row, "sent"));
}

static void message_line(struct buf *b, const json_t *row)
{
    struct str message = answer_text(row, "message"), first = str_next(&message, '\n');

    if (str_ends(first, STR("\r")))
        first.n--;
    cli_line(b, "%05llu %10llu * %s %-24.*s %.*s", (unsigned long long)answer_number(row, "number"),
             (unsigned long long)answer_number(row, "at_ms") / 1000,
             is_sent(row) ? "==>" : "<==", STR_FMT(answer_text(row, "peer")), STR_FMT(first));
}

static void answer_show(struct ami_session *s, const struct ami_answer *a)
{
    size_t n = json_array_size(a->rows);
    json_t **rows = malloc((n + 1) * sizeof(json_t *));
    struct buf *b;

    if (rows_failed(s, a, rows))
        return;
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(a->rows, i);
    qsort(rows, n, sizeof(json_t *), by_number);
    b = cli_begin(s, true);
    cli_line(b, "%-5s %-10s %-30s %s", "No.", "Timestamp", "(Dir) Address", "SIP Message");
    cli_line(b, "===== ========== ============================== "
                "===================================");
    for (size_t i = 0; i < n; i++)
        message_line(b, rows[i]);
    free(rows);
    cli_end(s);
}

static void message_print(struct ami_session *s, const json_t *row)
{
    struct str rest = answer_text(row, "message"), peer = answer_text(row, "peer");
    struct buf *b = cli_begin(s, true);

    cli_line(b, "<--- History Entry %llu %s %.*s at %llu --->",
             (unsigned long long)answer_number(row, "number"),
             is_sent(row) ? "Sent to" : "Received from", STR_FMT(peer),
             (unsigned long long)answer_number(row, "at_ms") / 1000);
    while (rest.p) {
        struct str line = str_next(&rest, '\n');

        if (str_ends(line, STR("\r")))
            line.n--;
        cli_output(b, line);
    }
    cli_end(s);
}

/* The number is argument[0]. */
static void answer_entry(struct ami_session *s, const struct ami_answer *a)
{
    uint32_t number;

    if (cli_failed(s, a))
        return;
    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        const json_t *row = json_array_get(a->rows, i);

        if (str_to_u32(&number, s->argument[0]) == 0 && answer_number(row, "number") == number) {
            message_print(s, row);
            return;
        }
    }
    cli_say(s, false, "There is no history entry %.*s", STR_FMT(s->argument[0]));
}

static void run_show(struct ami_session *s, const struct str *arguments, size_t n)
{
    uint32_t number;

    if (n == 0) {
        session_ask(s, question("messages"), answer_show);
    } else if (n == 2 && str_equal_nocase(arguments[0], STR("entry")) &&
               str_to_u32(&number, arguments[1]) == 0) {
        session_remember(s, &arguments[1], 1);
        session_ask(s, question("messages"), answer_entry);
    } else {
        cli_usage(s);
    }
}

static const struct cli_command commands[] = {
    { "pjsip set history", 1, 1, run_set, "pjsip set history {on|off|clear}" },
    { "pjsip show history", 0, 2, run_show, "pjsip show history [entry <number>]" },
};
const struct cli_group cli_history = { commands, ARRAY_LEN(commands) };
