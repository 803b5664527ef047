// SPDX-License-Identifier: MIT
/* Setvar and Getvar: the functions that are about states, and globals. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "ami/server_internal.h"

struct variable { /* a global that somebody has set */
    struct map_node node;
    struct str name, value;
};

/* ---- globals ---- */

static bool variable_is(const struct map_node *node, const void *name)
{
    return str_equal(CONTAINER_OF(node, struct variable, node)->name, *(const struct str *)name);
}

static struct variable *variable_find(const struct ami_server *a, struct str name)
{
    struct map_node *node =
        map_find(&a->variables, map_hash(&a->variables, name), variable_is, &name);

    return node ? CONTAINER_OF(node, struct variable, node) : NULL;
}

static void variable_free(struct variable *v)
{
    str_free(&v->name);
    str_free(&v->value);
    free(v);
}

static int variable_set(struct ami_server *a, struct str name, struct str value)
{
    struct variable *v = variable_find(a, name);
    struct str copy;
    int r;

    if (!v && a->variables.count >= AMI_VARIABLES_MAX)
        return -ENOBUFS;
    r = str_dup(&copy, value);
    if (r)
        return r;
    if (v) {
        str_free(&v->value);
        v->value = copy;
        return 0;
    }
    v = calloc(1, sizeof(*v));
    r = v ? str_dup(&v->name, name) : -ENOMEM;
    if (r) {
        free(v);
        str_free(&copy);
        return r;
    }
    v->value = copy;
    map_add(&a->variables, &v->node, map_hash(&a->variables, name));
    return 0;
}

void variables_fini(struct ami_server *a)
{
    MAP_FOREACH_SAFE (node, &a->variables) {
        map_remove(&a->variables, node);
        variable_free(CONTAINER_OF(node, struct variable, node));
    }
    map_fini(&a->variables);
}

/* ---- functions ---- */

struct function {
    struct str name, arguments;
};

/* "NAME(arguments)", or a plain name. */
static bool function_read(struct function *out, struct str text)
{
    size_t open = str_find_char(text, '(');

    if (open == text.n || !str_ends(text, STR(")")))
        return false;
    out->name = str_trim(str_sub(text, 0, open));
    out->arguments = str_trim(str_sub(text, open + 1, text.n - 1));
    return true;
}

static struct str after_prefix(struct str text, struct str prefix)
{
    return str_starts_nocase(text, prefix) ? str_sub(text, prefix.n, text.n) : STR_EMPTY;
}

bool is_custom(struct str device)
{
    return after_prefix(device, STR("Custom:")).n > 0;
}

static struct str base64_decode(struct str text, char *room)
{
    struct str padded = text;
    int n;

    if (!text.n || text.n % 4)
        return STR_EMPTY;
    n = EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)text.p, (int)text.n);
    while (n > 0 && padded.n && padded.p[padded.n - 1] == '=') {
        padded.n--;
        n--;
    }
    return n > 0 ? (struct str){ room, (size_t)n } : STR_EMPTY;
}

json_t *presence_question(struct str provider)
{
    json_t *q = question("presence.list");

    question_text(q, "prefix", provider);
    if (q)
        (void)!json_object_set_new(q, "exact", json_true());
    return q;
}

const json_t *presence_row(const struct ami_answer *a, struct str provider)
{
    json_t *none;

    if (json_array_size(a->rows) || !after_prefix(provider, STR("CustomPresence:")).n)
        return json_array_get(a->rows, 0);
    none = json_pack("{s:s}", "state", "not_set");
    (void)!json_array_append_new(a->rows, none);
    return json_array_get(a->rows, 0);
}

bool presence_value_question(json_t *q, struct str value)
{
    struct str state = str_next(&value, ','), subtype = str_next(&value, ','),
               message = str_next(&value, ','), options = str_next(&value, ',');
    char room[2][AMI_REQUEST_LINE_MAX];
    enum presence_state parsed;

    if (presence_state_parse(&parsed, state))
        return false;
    if (str_find_char(options, 'e') < options.n) {
        subtype = str_sub(subtype, 0, sizeof(room[0]));
        message = str_sub(message, 0, sizeof(room[1]));
        subtype = base64_decode(subtype, room[0]);
        message = base64_decode(message, room[1]);
    }
    question_text(q, "state", state);
    question_text(q, "subtype", subtype);
    question_text(q, "message", message);
    return true;
}

/* ---- Setvar ---- */

static void answer_set(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        session_fail(s, "Variable not set");
    else
        session_succeed(s, "Variable Set");
}

static void set_device(struct ami_session *s, struct str device, struct str value)
{
    enum device_state state;
    json_t *q;

    if (!is_custom(device) || device_state_parse(&state, value) || state == DEVICE_UNKNOWN) {
        session_fail(s, "Variable not set");
        return;
    }
    q = question("devstate.set");
    question_text(q, "device", device);
    question_text(q, "state", value);
    session_ask(s, q, answer_set);
}

static void set_presence(struct ami_session *s, struct str provider, struct str value)
{
    json_t *q = question("presence.set");

    if (q && !presence_value_question(q, value)) {
        json_decref(q);
        session_fail(s, "Variable not set");
        return;
    }
    question_text(q, "provider", provider);
    session_ask(s, q, answer_set);
}

static void set_entry(struct ami_session *s, struct str entry, struct str value)
{
    size_t slash = str_find_char(entry, '/');
    json_t *q =
        database_set_question(str_sub(entry, 0, slash), str_sub(entry, slash + 1, entry.n), value);

    if (q)
        session_ask(s, q, answer_set);
    else
        session_fail(s, "Variable not set");
}

void action_setvar(struct ami_session *s, const struct ami_message *m)
{
    struct str name = ami_get(m, STR("Variable")), value = ami_get(m, STR("Value"));
    struct function f;

    if (!name.n)
        session_fail(s, "No variable specified");
    else if (ami_get(m, STR("Channel")).n)
        session_fail(s, "No such channel");
    else if (!function_read(&f, name))
        answer_set(s, &(struct ami_answer){ .error = variable_set(s->server, name, value) ? "failed"
                                                                                          : NULL });
    else if (str_equal(f.name, STR("DEVICE_STATE")))
        set_device(s, f.arguments, value);
    else if (str_equal(f.name, STR("PRESENCE_STATE")))
        set_presence(s, f.arguments, value);
    else if (str_equal(f.name, STR("DB")))
        set_entry(s, f.arguments, value);
    else
        session_fail(s, "Variable not set");
}

/* ---- Getvar ---- */

void variable_got(struct ami_session *s, struct str value)
{
    struct buf *b = session_respond(s, "Success");

    ami_add(b, STR("Variable"), s->argument[0]);
    ami_add(b, STR("Value"), value);
    ami_end(b);
    session_done(s);
}

static void answer_device(struct ami_session *s, const struct ami_answer *a)
{
    variable_got(s, answer_text(json_array_get(a->rows, 0), "state"));
}

static void answer_extension(struct ami_session *s, const struct ami_answer *a)
{
    const json_t *row = json_array_get(a->rows, 0);

    variable_got(s, row ? extension_state_name(extension_state_of_text(answer_text(row, "state")))
                        : STR("UNKNOWN"));
}

/* The options are in argument[1]. */
static void answer_hint(struct ami_session *s, const struct ami_answer *a)
{
    struct str options = s->argument[1];
    bool name = str_find_char(options, 'n') < options.n;

    variable_got(s, answer_text(json_array_get(a->rows, 0), name ? "name" : "hint"));
}

static void got_encoded(struct ami_session *s, struct str value)
{
    unsigned char room[2 * 1300];

    if (value.n > 1300)
        value.n = 1300; /* no presence has more */
    variable_got(
        s, (struct str){ (char *)room, (size_t)EVP_EncodeBlock(
                                           room, (const unsigned char *)(value.n ? value.p : ""),
                                           (int)value.n) });
}

/* The field is in argument[1], the options in argument[2], whose it is in argument[3]. */
static void answer_presence(struct ami_session *s, const struct ami_answer *a)
{
    struct str options = s->argument[2], field = s->argument[1];
    const char *key = str_equal_nocase(field, STR("value"))     ? "state"
                      : str_equal_nocase(field, STR("subtype")) ? "subtype"
                                                                : "message";
    struct str value = answer_text(presence_row(a, s->argument[3]), key);

    if (str_find_char(options, 'e') < options.n)
        got_encoded(s, value);
    else
        variable_got(s, value);
}

static void answer_global(struct ami_session *s, const struct ami_answer *a)
{
    variable_got(s, answer_text(json_array_get(a->rows, 0), "value"));
}

static void get_extension(struct ami_session *s, struct str arguments,
                          void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    struct str rest = str_next(&arguments, ','), extension = str_next(&rest, '@');
    json_t *q = question("hint.get");

    question_text(q, "extension", extension);
    question_text(q, "context", rest.n ? rest : STR("default"));
    session_ask(s, q, answered);
}

static void get_function(struct ami_session *s, const struct function *f)
{
    struct str rest = f->arguments;
    json_t *q;

    if (str_equal(f->name, STR("DEVICE_STATE"))) {
        q = question("devstate.get");
        question_text(q, "device", rest);
        session_ask(s, q, answer_device);
    } else if (str_equal(f->name, STR("EXTENSION_STATE"))) {
        get_extension(s, rest, answer_extension);
    } else if (str_equal(f->name, STR("HINT"))) {
        get_extension(s, rest, answer_hint);
    } else if (str_equal(f->name, STR("PRESENCE_STATE"))) {
        session_ask(s, presence_question(s->argument[3]), answer_presence);
    } else if (str_equal(f->name, STR("DB"))) {
        database_get(s, str_next(&rest, '/'));
    } else {
        variable_got(s, STR_EMPTY);
    }
}

void action_getvar(struct ami_session *s, const struct ami_message *m)
{
    struct str name = ami_get(m, STR("Variable"));
    struct str texts[4] = { name };
    const struct variable *v;
    struct function f;
    json_t *q;

    if (!name.n) {
        session_fail(s, "No variable specified");
        return;
    }
    if (ami_get(m, STR("Channel")).n) {
        session_fail(s, "No such channel");
        return;
    }
    if (function_read(&f, name)) {
        struct str rest = f.arguments;

        (void)str_next(&rest, ',');
        texts[1] = str_next(&rest, ',');
        texts[2] = str_next(&rest, ',');
        rest = f.arguments;
        if (str_equal(f.name, STR("DB"))) {
            (void)str_next(&rest, '/');
            texts[3] = rest;
        } else {
            texts[3] = str_next(&rest, ',');
        }
        session_remember(s, texts, 4);
        get_function(s, &f);
        return;
    }
    session_remember(s, texts, 1);
    v = variable_find(s->server, name);
    if (v) {
        variable_got(s, v->value);
        return;
    }
    q = question("global.get");
    question_text(q, "name", name);
    session_ask(s, q, answer_global);
}
