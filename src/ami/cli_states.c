// SPDX-License-Identifier: MIT
/* Words about hints, devices, presence and mailboxes. */
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- core show hints ---- */

static void add_column(struct buf *b, struct str text, size_t width)
{
    buf_add_column(b, text, width);
}

static void hint_line(struct buf *b, const json_t *row)
{
    char room[256];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_printf(&name, "%.*s@%.*s", STR_FMT(answer_text(row, "extension")),
               STR_FMT(answer_text(row, "context")));
    buf_add(b, STR("Output: "));
    add_column(b, buf_str(&name), 30);
    buf_add(b, STR(": "));
    add_column(b, answer_text(row, "hint"), 60);
    buf_add(b, STR("  State:"));
    add_column(b, answer_text(row, "state"), 15);
    buf_add(b, STR(" Presence:"));
    add_column(b, answer_text(row, "presence"), 15);
    buf_printf(b, " Watchers %2u\r\n", (unsigned)answer_number(row, "watchers"));
}

static void answer_hints(struct ami_session *s, const struct ami_answer *a)
{
    uint64_t told = 0;
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_EXTENSION, &rows);
    struct buf *b;

    if (rows_failed(s, a, rows))
        return;
    b = cli_begin(s, true);
    for (size_t i = 0; i < n; i++)
        told += answer_text(rows[i], "hint").n > 0;
    if (told) {
        cli_line(b, "%s", "");
        cli_line(b, "    -= Registered Asterisk Dial Plan Hints =-");
        for (size_t i = 0; i < n; i++)
            if (answer_text(rows[i], "hint").n)
                hint_line(b, rows[i]);
        cli_line(b, "----------------");
        cli_line(b, "- %llu hints registered", (unsigned long long)told);
    } else {
        cli_line(b, "There are no registered dialplan hints");
    }
    free(rows);
    cli_end(s);
}

static void run_hints(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)arguments;
    (void)n;
    session_ask(s, question("hints"), answer_hints);
}

static void answer_hint(struct ami_session *s, const struct ami_answer *a)
{
    struct str wanted = s->argument[0];
    uint64_t told = 0;
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_EXTENSION, &rows);
    struct buf *b;

    if (rows_failed(s, a, rows))
        return;
    b = cli_begin(s, true);
    for (size_t i = 0; i < n; i++) {
        if (!answer_text(rows[i], "hint").n)
            continue;
        hint_line(b, rows[i]);
        told++;
    }
    if (told)
        cli_line(b, "%llu hint%s matching extension %.*s", (unsigned long long)told,
                 told == 1 ? "" : "s", STR_FMT(wanted));
    else
        cli_line(b, "No hints matching extension %.*s", STR_FMT(wanted));
    free(rows);
    cli_end(s);
}

static void run_hint(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = question("hints");

    session_remember(s, arguments, n);
    question_text(q, "prefix", arguments[0]);
    session_ask(s, q, answer_hint);
}

/* ---- devstate ---- */

static void add_rule(struct buf *b, const char *title)
{
    static const char dashes[] =
        "---------------------------------------------------------------------";

    cli_line(b, "%s%s", title, dashes + strlen(title));
}

static void answer_devices(struct ami_session *s, const struct ami_answer *a)
{
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_DEVICE, &rows);
    struct buf *b;

    if (rows_failed(s, a, rows))
        return;
    b = cli_begin(s, true);
    cli_line(b, "%s", "");
    add_rule(b, "");
    add_rule(b, "--- Custom Device States ");
    add_rule(b, "");
    cli_line(b, "---");
    for (size_t i = 0; i < n; i++) {
        if (!database_key(rows[i]).n)
            continue;
        cli_line(b, "--- Name: '%.*s'  State: '%.*s'", STR_FMT(answer_text(rows[i], "device")),
                 STR_FMT(answer_text(rows[i], "state")));
        cli_line(b, "---");
    }
    add_rule(b, "");
    add_rule(b, "");
    cli_line(b, "%s", "");
    free(rows);
    cli_end(s);
}

static void run_devices(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = question("devstate.list");

    (void)arguments;
    (void)n;
    question_text(q, "prefix", STR("Custom:"));
    session_ask(s, q, answer_devices);
}

static void answer_changing(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Changing %.*s to %.*s", STR_FMT(s->argument[0]), STR_FMT(s->argument[1]));
}

static void run_device_change(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str device = arguments[0];
    enum device_state state;
    json_t *q;

    if (!is_custom(device) || device_state_parse(&state, arguments[1]) || state == DEVICE_UNKNOWN) {
        cli_usage(s);
        return;
    }
    session_remember(s,
                     (struct str[]){ str_sub(device, sizeof("Custom:") - 1, device.n),
                                     device_state_name(state) },
                     n);
    q = question("devstate.set");
    question_text(q, "device", device);
    question_text(q, "state", arguments[1]);
    session_ask(s, q, answer_changing);
}

/* ---- presencestate ---- */

static void answer_presences(struct ami_session *s, const struct ami_answer *a)
{
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_PROVIDER, &rows);
    struct buf *b;

    if (rows_failed(s, a, rows))
        return;
    b = cli_begin(s, true);
    cli_line(b, "%s", "");
    add_rule(b, "");
    add_rule(b, "--- Custom Presence States ");
    add_rule(b, "");
    cli_line(b, "---");
    for (size_t i = 0; i < n; i++) {
        cli_line(b, "--- Name: '%.*s'", STR_FMT(answer_text(rows[i], "provider")));
        cli_line(b, "    --- State: '%.*s'", STR_FMT(answer_text(rows[i], "state")));
        cli_line(b, "    --- Subtype: '%.*s'", STR_FMT(answer_text(rows[i], "subtype")));
        cli_line(b, "    --- Message: '%.*s'", STR_FMT(answer_text(rows[i], "message")));
        cli_line(b, "    --- Base64 Encoded: 'No'");
        cli_line(b, "---");
    }
    add_rule(b, "");
    add_rule(b, "");
    cli_line(b, "%s", "");
    free(rows);
    cli_end(s);
}

static void run_presences(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)arguments;
    (void)n;
    session_ask(s, question("presence.list"), answer_presences);
}

static void run_presence_change(struct ami_session *s, const struct str *arguments, size_t n)
{
    static const struct str prefix = STR_INIT("CustomPresence:");
    json_t *q = question("presence.set");

    if (!str_starts_nocase(arguments[0], prefix) || arguments[0].n == prefix.n ||
        !presence_value_question(q, arguments[1])) {
        json_decref(q);
        cli_usage(s);
        return;
    }
    session_remember(
        s, (struct str[]){ str_sub(arguments[0], prefix.n, arguments[0].n), arguments[1] }, n);
    question_text(q, "provider", arguments[0]);
    session_ask(s, q, answer_changing);
}

/* ---- mwi ---- */

static void answer_mailboxes(struct ami_session *s, const struct ami_answer *a)
{
    struct regex *like = NULL;
    uint64_t told = 0;
    struct buf *b;

    if (cli_failed(s, a))
        return;
    if (s->argument[0].n && regex_create(&like, s->argument[0], false, NULL)) {
        cli_usage(s);
        return;
    }
    b = cli_begin(s, true);
    cli_line(b, "%6s %6s %s", "New", "Old", "Mailbox");
    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        const json_t *row = json_array_get(a->rows, i);
        struct str mailbox = answer_text(row, "mailbox");

        if (like && !regex_matches(like, mailbox, NULL))
            continue;
        cli_line(b, "%6u %6u %.*s", (unsigned)answer_number(row, "new"),
                 (unsigned)answer_number(row, "old"), STR_FMT(mailbox));
        told++;
    }
    cli_line(b, "%s", "");
    cli_line(b, "Mailboxes found: %llu", (unsigned long long)told);
    regex_destroy(like);
    cli_end(s);
}

static void run_mailboxes(struct ami_session *s, const struct str *arguments, size_t n)
{
    bool like = n == 2 && str_equal_nocase(arguments[0], STR("like"));

    if (n && !like) {
        cli_usage(s);
        return;
    }
    session_remember(s, arguments + like, like);
    if (!like)
        s->argument[0] = STR_EMPTY;
    session_ask(s, question("mailbox.list"), answer_mailboxes);
}

static void answer_mailbox(struct ami_session *s, const struct ami_answer *a)
{
    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        const json_t *row = json_array_get(a->rows, i);

        if (!str_equal(answer_text(row, "mailbox"), s->argument[0]))
            continue;
        cli_say(s, true, "%.*s: %u new, %u old", STR_FMT(s->argument[0]),
                (unsigned)answer_number(row, "new"), (unsigned)answer_number(row, "old"));
        return;
    }
    if (!cli_failed(s, a))
        cli_say(s, false, "Unable to find mailbox %.*s", STR_FMT(s->argument[0]));
}

static void run_mailbox(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = question("mailbox.list");

    session_remember(s, arguments, n);
    question_text(q, "prefix", arguments[0]);
    session_ask(s, q, answer_mailbox);
}

static void answer_mailbox_change(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "%.*s %.*s", STR_FMT(s->argument[1]), STR_FMT(s->argument[0]));
}

static void run_mailbox_update(struct ami_session *s, const struct str *arguments, size_t n)
{
    uint32_t new_count = 0, old_count = 0;

    if ((n > 1 && str_to_u32(&new_count, arguments[1])) ||
        (n > 2 && str_to_u32(&old_count, arguments[2]))) {
        cli_usage(s);
        return;
    }
    session_remember(s, (struct str[]){ arguments[0], STR("Updated mailbox") }, 2);
    session_ask(s, mailbox_question(arguments[0], new_count, old_count), answer_mailbox_change);
}

static void run_mailbox_delete(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)n;
    session_remember(s, (struct str[]){ arguments[0], STR("Deleted mailbox") }, 2);
    session_ask(s, mailbox_question(arguments[0], 0, 0), answer_mailbox_change);
}

static const struct cli_command commands[] = {
    { "core show hints", 0, 0, run_hints, NULL },
    { "core show hint", 1, 1, run_hint, "core show hint <exten>" },
    { "devstate list", 0, 0, run_devices, NULL },
    { "devstate change", 2, 2, run_device_change,
      "devstate change <device> <state>\n"
      "       Change a custom device to a new state.\n"
      "       The possible values for the state are:\n"
      "UNKNOWN | NOT_INUSE | INUSE | BUSY | INVALID | UNAVAILABLE | RINGING\n"
      "RINGINUSE | ONHOLD\n"
      "\n"
      "Examples:\n"
      "       devstate change Custom:mystate1 INUSE\n"
      "       devstate change Custom:mystate1 NOT_INUSE\n"
      "       \n" },
    { "presencestate list", 0, 0, run_presences, NULL },
    { "presencestate change", 2, 2, run_presence_change,
      "presencestate change CustomPresence:<name> \"state[,subtype[,message[,e]]]\"\n"
      "The states are: not_set unavailable available away xa chat dnd" },
    { "mwi list mailboxes", 0, 2, run_mailboxes, "mwi list mailboxes [like <regex>]" },
    { "mwi show mailboxes", 0, 2, run_mailboxes, "mwi show mailboxes [like <regex>]" },
    { "mwi show mailbox", 1, 1, run_mailbox, "mwi show mailbox <mailbox>" },
    { "mwi update mailbox", 1, 3, run_mailbox_update,
      "mwi update mailbox <mailbox> [<new> [<old>]]" },
    { "mwi delete mailbox", 1, 1, run_mailbox_delete, "mwi delete mailbox <mailbox>" },
};
const struct cli_group cli_states = { commands, ARRAY_LEN(commands) };
