// SPDX-License-Identifier: MIT
/* The words of `database`, for the families that are ours. */
#include <stdlib.h>

#include "ami/server_internal.h"

static bool row_is(const json_t *row, struct str key, bool exact)
{
    struct str name = database_key(row);

    return name.n && (exact ? str_equal(name, key) : str_starts(name, key));
}

static uint64_t rows_show(struct buf *b, const json_t *rows, struct str prefix)
{
    uint64_t told = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        char room[2][4096];
        struct buf name, value;

        if (!row_is(row, prefix, false))
            continue;
        buf_init_on(&name, room[0], sizeof(room[0]));
        buf_init_on(&value, room[1], sizeof(room[1]));
        buf_printf(&name, "/%s/%.*s", database_family(row), STR_FMT(database_key(row)));
        database_value_print(&value, row);
        cli_line(b, "%-50.*s: %-25.*s", STR_FMT(buf_str(&name)), STR_FMT(buf_str(&value)));
        told++;
    }
    return told;
}

static void show_end(struct ami_session *s, struct buf *b, uint64_t told)
{
    cli_line(b, "%llu results found.", (unsigned long long)told);
    cli_end(s);
}

static void answer_show(struct ami_session *s, const struct ami_answer *a)
{
    struct buf *b;

    if (cli_failed(s, a))
        return;
    b = cli_begin(s, true);
    show_end(s, b, rows_show(b, a->rows, s->argument[1]));
}

static void answer_show_all(struct ami_session *s, const struct ami_answer *a)
{
    uint64_t told;
    struct buf *b;

    if (cli_failed(s, a))
        return;
    b = cli_begin(s, true);
    told = rows_show(b, s->kept, STR_EMPTY);
    show_end(s, b, told + rows_show(b, a->rows, STR_EMPTY));
}

static void answer_show_devices(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    s->kept = json_incref(a->rows);
    database_list(s, STR("CustomPresence"), STR_EMPTY, answer_show_all);
}

static void run_show(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str names[2] = { n > 0 ? arguments[0] : STR_EMPTY, n > 1 ? arguments[1] : STR_EMPTY };

    session_remember(s, names, 2);
    if (n)
        database_list(s, names[0], names[1], answer_show);
    else
        database_list(s, STR("CustomDevstate"), STR_EMPTY, answer_show_devices);
}

static void answer_get(struct ami_session *s, const struct ami_answer *a)
{
    char room[4096];
    struct buf value;

    if (cli_failed(s, a))
        return;
    buf_init_on(&value, room, sizeof(room));
    for (size_t i = 0; i < json_array_size(a->rows); i++)
        if (row_is(json_array_get(a->rows, i), s->argument[1], true))
            database_value_print(&value, json_array_get(a->rows, i));
    if (value.n)
        cli_say(s, true, "Value: %.*s", STR_FMT(buf_str(&value)));
    else
        cli_say(s, true, "Database entry not found.");
}

static void run_get(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, arguments, n);
    database_list(s, arguments[0], arguments[1], answer_get);
}

static void answer_put(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Updated database successfully");
}

static void run_put(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = database_set_question(arguments[0], arguments[1], arguments[2]);

    (void)n;
    if (q)
        session_ask(s, q, answer_put);
    else
        cli_say(s, false, "Failed to update entry");
}

static void answer_del(struct ami_session *s, const struct ami_answer *a)
{
    cli_say(s, true, a->error ? "Database entry does not exist." : "Database entry removed.");
}

static void run_del(struct ami_session *s, const struct str *arguments, size_t n)
{
    json_t *q = database_del_question(arguments[0], arguments[1]);

    (void)n;
    if (q)
        session_ask(s, q, answer_del);
    else
        cli_say(s, true, "Database entry does not exist.");
}

static void answer_removed(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "%llu database entries removed.",
                (unsigned long long)answer_number(s->kept, "n"));
}

static void answer_del_tree(struct ami_session *s, const struct ami_answer *a)
{
    json_t *list = database_del_questions(a->rows, s->argument[1]);

    if (json_array_size(list)) {
        s->kept = json_pack("{s:I}", "n", (json_int_t)json_array_size(list));
        session_ask_each(s, list, answer_removed);
        return;
    }
    json_decref(list);
    if (!cli_failed(s, a))
        cli_say(s, true, "Database entries do not exist.");
}

static void run_del_tree(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str names[2] = { arguments[0], n > 1 ? arguments[1] : STR_EMPTY };

    session_remember(s, names, 2);
    database_list(s, names[0], names[1], answer_del_tree);
}

static const struct cli_command commands[] = {
    { "database show", 0, 2, run_show, "database show [family [key]]" },
    { "database get", 2, 2, run_get, "database get <family> <key>" },
    { "database put", 3, 3, run_put, "database put <family> <key> <value>" },
    { "database del", 2, 2, run_del, "database del <family> <key>" },
    { "database deltree", 1, 2, run_del_tree, "database deltree <family> [keytree]" },
};
const struct cli_group cli_database = { commands, ARRAY_LEN(commands) };
