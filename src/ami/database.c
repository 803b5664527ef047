// SPDX-License-Identifier: MIT
/* The families of Asterisk's database that are ours: CustomDevstate and CustomPresence. */
#include <stdlib.h>

#include "ami/server_internal.h"

struct family {
    const char *name, *prefix, *key; /* of the names; which field of a row has them */
    const char *list, *set, *forget; /* commands */
};

static const struct family families[] = {
    { "CustomDevstate", "Custom:", "device", "devstate.list", "devstate.set", "devstate.forget" },
    { "CustomPresence", "CustomPresence:", "provider", "presence.list", "presence.set", NULL },
};

static const struct family *family_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (str_equal(name, str_of(families[i].name)))
            return &families[i];
    return NULL;
}

static void question_name(json_t *q, const struct family *f, const char *field, struct str key)
{
    char room[2 * AMI_REQUEST_LINE_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    buf_printf(&b, "%s%.*s", f->prefix, STR_FMT(key));
    question_text(q, field, buf_str(&b));
}

json_t *database_set_question(struct str family, struct str key, struct str value)
{
    const struct family *f = family_find(family);
    enum device_state state;
    json_t *q;
    bool good;

    if (!f || !key.n)
        return NULL;
    q = question(f->set);
    if (f == &families[0]) {
        good = device_state_parse(&state, value) == 0 && state != DEVICE_UNKNOWN;
        question_text(q, "state", value);
    } else {
        good = q && presence_value_question(q, value);
    }
    if (!good) {
        json_decref(q);
        return NULL;
    }
    question_name(q, f, f->key, key);
    return q;
}

void database_value_print(struct buf *b, const json_t *row)
{
    struct str subtype = answer_text(row, "subtype"), message = answer_text(row, "message");

    buf_add(b, answer_text(row, "state"));
    if (subtype.n || message.n)
        buf_printf(b, ",%.*s,%.*s", STR_FMT(subtype), STR_FMT(message));
}

static const struct family *row_family(const json_t *row)
{
    return &families[json_object_get(row, "provider") != NULL];
}

const char *database_family(const json_t *row)
{
    return row_family(row)->name;
}

/* Behind the prefix; empty: it is no entry, as a device of another kind or one that nobody has set
 * is none. */
struct str database_key(const json_t *row)
{
    const struct family *f = row_family(row);
    struct str name = answer_text(row, f->key), prefix = str_of(f->prefix);

    if (f == &families[0] && !json_array_size(json_object_get(row, "sources")))
        return STR_EMPTY;
    return str_starts(name, prefix) ? str_sub(name, prefix.n, name.n) : STR_EMPTY;
}

static const json_t *row_find(const json_t *rows, struct str key)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (str_equal(database_key(json_array_get(rows, i)), key))
            return json_array_get(rows, i);
    return NULL;
}

/* ---- one ---- */

void database_list(struct ami_session *s, struct str family, struct str prefix,
                   void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    static const struct ami_answer none = { .error = NULL };
    const struct family *f = family_find(family);
    json_t *q;

    if (!f) {
        answered(s, &none);
        return;
    }
    q = question(f->list);
    question_name(q, f, "prefix", prefix);
    session_ask(s, q, answered);
}

static void answer_get(struct ami_session *s, const struct ami_answer *a)
{
    const json_t *row = row_find(a->rows, s->argument[1]);
    char room[4096];
    struct buf *b, value;

    if (!row) {
        session_fail(s, "Database entry not found");
        return;
    }
    buf_init_on(&value, room, sizeof(room));
    database_value_print(&value, row);
    session_list_begin(s, "Result will follow");
    b = &s->out;
    ami_add(b, STR("Event"), STR("DBGetResponse"));
    ami_add(b, STR("Family"), s->argument[0]);
    ami_add(b, STR("Key"), s->argument[1]);
    ami_add(b, STR("Val"), buf_str(&value));
    if (s->action_id.n)
        ami_add(b, STR("ActionID"), buf_str(&s->action_id));
    ami_end(b);
    session_list_end(s, "DBGetComplete", 1);
}

/* False: it has been answered. */
static bool names_read(struct ami_session *s, const struct ami_message *m, struct str names[2])
{
    names[0] = ami_get(m, STR("Family"));
    names[1] = ami_get(m, STR("Key"));
    if (!names[0].n)
        session_fail(s, "No family specified.");
    else if (!names[1].n)
        session_fail(s, "No key specified.");
    return names[0].n && names[1].n;
}

void action_db_get(struct ami_session *s, const struct ami_message *m)
{
    struct str names[2];

    if (!names_read(s, m, names))
        return;
    session_remember(s, names, 2);
    database_list(s, names[0], names[1], answer_get);
}

/* ---- for Getvar, which has remembered the key as argument[3] ---- */

static void answer_variable(struct ami_session *s, const struct ami_answer *a)
{
    const json_t *row = row_find(a->rows, s->argument[3]);
    char room[4096];
    struct buf value;

    buf_init_on(&value, room, sizeof(room));
    if (row)
        database_value_print(&value, row);
    variable_got(s, buf_str(&value));
}

void database_get(struct ami_session *s, struct str family)
{
    database_list(s, family, s->argument[3], answer_variable);
}

/* ---- many ---- */

static void answer_tree(struct ami_session *s, const struct ami_answer *a)
{
    struct str key = s->argument[1];
    uint64_t told = 0;

    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        struct str name = database_key(json_array_get(a->rows, i));

        told += name.n && str_starts(name, key);
    }
    if (!told) {
        session_fail(s, "Database entry not found");
        return;
    }
    session_list_begin(s, "Result will follow");
    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        const json_t *row = json_array_get(a->rows, i);
        struct str name = database_key(row);
        struct buf *b = &s->out;

        if (!name.n || !str_starts(name, key))
            continue;
        ami_add(b, STR("Event"), STR("DBGetTreeResponse"));
        buf_printf(b, "Key: /%s/%.*s\r\nVal: ", row_family(row)->name, STR_FMT(name));
        database_value_print(b, row);
        buf_add(b, STR("\r\n"));
        if (s->action_id.n)
            ami_add(b, STR("ActionID"), buf_str(&s->action_id));
        ami_end(b);
    }
    session_list_end(s, "DBGetTreeComplete", told);
}

void action_db_get_tree(struct ami_session *s, const struct ami_message *m)
{
    struct str names[2] = { ami_get(m, STR("Family")), ami_get(m, STR("Key")) };

    session_remember(s, names, 2);
    database_list(s, names[0], names[1], answer_tree);
}

/* ---- changes ---- */

static void answer_put(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        session_fail(s, "Failed to update entry");
    else
        session_succeed(s, "Updated database successfully");
}

void action_db_put(struct ami_session *s, const struct ami_message *m)
{
    struct str names[2];
    json_t *q;

    if (!names_read(s, m, names))
        return;
    q = database_set_question(names[0], names[1], ami_get(m, STR("Val")));
    if (q)
        session_ask(s, q, answer_put);
    else
        session_fail(s, "Failed to update entry");
}

static void answer_del(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        session_fail(s, "Database entry not found");
    else
        session_succeed(s, "Key deleted successfully");
}

/* A presence cannot be forgotten: it is not set any more. */
json_t *database_del_question(struct str family, struct str key)
{
    const struct family *f = family_find(family);
    json_t *q;

    if (!f || !key.n)
        return NULL;
    q = question(f->forget ? f->forget : f->set);
    question_name(q, f, f->key, key);
    if (!f->forget)
        question_text(q, "state", STR("not_set"));
    return q;
}

/* For each row whose key begins like that; NULL without memory. */
json_t *database_del_questions(const json_t *rows, struct str prefix)
{
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        struct str key = database_key(row);

        if (key.n && str_starts(key, prefix))
            (void)!json_array_append_new(list,
                                         database_del_question(str_of(row_family(row)->name), key));
    }
    return list;
}

static void answer_deleted(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        session_fail(s, "%.*s", STR_FMT(a->message));
    else
        session_succeed(s, "Key tree deleted successfully");
}

static void answer_del_tree(struct ami_session *s, const struct ami_answer *a)
{
    json_t *list = database_del_questions(a->rows, s->argument[1]);

    if (json_array_size(list)) {
        session_ask_each(s, list, answer_deleted);
        return;
    }
    json_decref(list);
    session_fail(s, "Database entry not found");
}

void action_db_del_tree(struct ami_session *s, const struct ami_message *m)
{
    struct str names[2] = { ami_get(m, STR("Family")), ami_get(m, STR("Key")) };

    session_remember(s, names, 2);
    if (!names[0].n)
        session_fail(s, "No family specified.");
    else
        database_list(s, names[0], names[1], answer_del_tree);
}

void action_db_del(struct ami_session *s, const struct ami_message *m)
{
    struct str names[2];
    json_t *q;

    if (!names_read(s, m, names))
        return;
    q = database_del_question(names[0], names[1]);
    if (q)
        session_ask(s, q, answer_del);
    else
        session_fail(s, "Database entry not found");
}
