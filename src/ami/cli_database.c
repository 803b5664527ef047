// SPDX-License-Identifier: MIT
/* The words of `database`, for the families that are ours. */
#include <stdlib.h>

#include "ami/query.h"
#include "ami/server_internal.h"

enum {
    ROW_MAX = 4096, /* bytes of a name or a value */
    QUERY_ANSWER_MAX = AMI_ANSWER_MAX / 2,
};

static bool row_is(const json_t *row, struct str key, bool exact)
{
    struct str name = database_key(row);

    return name.n && (exact ? str_equal(name, key) : str_starts(name, key));
}

/* As the database has it: "/CustomDevstate/lamp0", "INUSE". */
static void row_print(const json_t *row, struct buf *name, char *name_room, struct buf *value,
                      char *value_room)
{
    buf_init_on(name, name_room, ROW_MAX);
    buf_init_on(value, value_room, ROW_MAX);
    buf_printf(name, "/%s/%.*s", database_family(row), STR_FMT(database_key(row)));
    database_value_print(value, row);
}

static void row_show(struct buf *b, const json_t *row)
{
    char room[2][ROW_MAX];
    struct buf name, value;

    row_print(row, &name, room[0], &value, room[1]);
    cli_line(b, "%-50.*s: %-25.*s", STR_FMT(buf_str(&name)), STR_FMT(buf_str(&value)));
}

static uint64_t rows_show(struct buf *b, const json_t *rows, struct str prefix)
{
    uint64_t told = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (!row_is(row, prefix, false))
            continue;
        row_show(b, row);
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

/* All of it: the rows of one family are kept until those of the other come, which are answered by
 * what the command is for. */
static void devices_keep(struct ami_session *s, const struct ami_answer *a,
                         void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    if (cli_failed(s, a))
        return;
    s->kept = json_incref(a->rows);
    database_list(s, STR("CustomPresence"), STR_EMPTY, answered);
}

static void answer_show_devices(struct ami_session *s, const struct ami_answer *a)
{
    devices_keep(s, a, answer_show_all);
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

/* ---- showkey ---- */

static uint64_t rows_show_key(struct buf *b, const json_t *rows, struct str key)
{
    uint64_t told = 0;

    for (size_t i = 0; i < json_array_size(rows); i++)
        if (row_is(json_array_get(rows, i), key, true)) {
            row_show(b, json_array_get(rows, i));
            told++;
        }
    return told;
}

static void answer_show_key(struct ami_session *s, const struct ami_answer *a)
{
    uint64_t told;
    struct buf *b;

    if (cli_failed(s, a))
        return;
    b = cli_begin(s, true);
    told = rows_show_key(b, s->kept, s->argument[0]);
    show_end(s, b, told + rows_show_key(b, a->rows, s->argument[0]));
}

static void answer_key_devices(struct ami_session *s, const struct ami_answer *a)
{
    devices_keep(s, a, answer_show_key);
}

static void run_show_key(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, arguments, n);
    database_list(s, STR("CustomDevstate"), STR_EMPTY, answer_key_devices);
}

/* ---- query ---- */

static int query_put_rows(struct query *q, const json_t *rows)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        char room[2][ROW_MAX];
        struct buf name, value;

        if (!database_key(row).n)
            continue;
        row_print(row, &name, room[0], &value, room[1]);
        r = query_put(q, buf_str(&name), buf_str(&value));
    }
    return r;
}

static void on_column(void *ctx, struct str name, struct str value, bool last)
{
    cli_line(ctx, "%-5.*s: %-50.*s", STR_FMT(name), STR_FMT(value));
    if (last)
        cli_line(ctx, "%s", "");
}

struct edits {
    json_t *questions;
    bool strange; /* one of them can be no entry of ours */
};

/* "/CustomDevstate/lamp0" */
static void on_edit(void *ctx, struct str key, const struct str *value)
{
    struct edits *e = ctx;
    struct str name = str_sub(key, 1, key.n), family = str_next(&name, '/');
    json_t *q =
        value ? database_set_question(family, name, *value) : database_del_question(family, name);

    if (!q || !str_starts(key, STR("/")))
        e->strange = true;
    if (q && json_array_append_new(e->questions, q))
        e->strange = true;
}

static void answer_edited(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    buf_add(cli_begin(s, true),
            (struct str){ json_string_value(s->kept), json_string_length(s->kept) });
    cli_end(s);
}

/* What it has changed is set as `database put` does it; none of it, when one of them can be no
 * entry. */
static void query_answer(struct ami_session *s, struct query *q, const struct buf *lines)
{
    struct edits e = { .questions = json_array() };

    if (query_changes(q, on_edit, &e) || !e.questions || lines->error) {
        cli_say(s, false, "Memory allocation failure");
    } else if (e.strange) {
        cli_say(s, false, "Failed to update entry");
    } else if (json_array_size(e.questions)) {
        json_decref(s->kept);
        s->kept = json_stringn_nocheck(lines->n ? lines->p : "", lines->n);
        session_ask_each(s, json_incref(e.questions), answer_edited);
    } else {
        buf_add(cli_begin(s, true), buf_str(lines));
        cli_end(s);
    }
    json_decref(e.questions);
}

static void answer_query(struct ami_session *s, const struct ami_answer *a)
{
    struct query *q = NULL;
    struct buf lines;
    int r;

    if (cli_failed(s, a))
        return;
    buf_init(&lines, QUERY_ANSWER_MAX);
    r = query_create(&q);
    if (r == 0)
        r = query_put_rows(q, s->kept);
    if (r == 0)
        r = query_put_rows(q, a->rows);
    if (r == 0)
        r = query_run(q, s->argument[0], s->server->cfg.clock,
                      &(struct query_sink){ &lines, on_column });
    if (r == QUERY_REFUSED)
        cli_say(s, false, "SQL failed: %s", query_why(q));
    else if (r)
        cli_say(s, false, "Memory allocation failure");
    else
        query_answer(s, q, &lines);
    query_destroy(q);
    buf_fini(&lines);
}

static void answer_query_devices(struct ami_session *s, const struct ami_answer *a)
{
    devices_keep(s, a, answer_query);
}

static void run_query(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, arguments, n);
    database_list(s, STR("CustomDevstate"), STR_EMPTY, answer_query_devices);
}

/* ---- one ---- */

static void answer_get(struct ami_session *s, const struct ami_answer *a)
{
    char room[ROW_MAX];
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
    { "database showkey", 1, 1, run_show_key, "database showkey <key>" },
    { "database query", 1, 1, run_query,
      "database query \"<SQL Statement>\"\n"
      "       Asked of a table astdb(key, value) that has the families there are; what the\n"
      "       statement changes is set." },
    { "database get", 2, 2, run_get, "database get <family> <key>" },
    { "database put", 3, 3, run_put, "database put <family> <key> <value>" },
    { "database del", 2, 2, run_del, "database del <family> <key>" },
    { "database deltree", 1, 2, run_del_tree, "database deltree <family> [keytree]" },
};
const struct cli_group cli_database = { commands, ARRAY_LEN(commands) };
