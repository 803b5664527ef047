// SPDX-License-Identifier: MIT
/* /v1: the control socket's commands, as resources. */
#include "http/http_internal.h"

static void answer_json(struct exchange *x, unsigned status)
{
    buf_add_char(&x->out, '\n');
    x->type = "application/json";
    exchange_answer(x, status);
}

static void answer_done(struct exchange *x, const struct commands_answer *answer)
{
    (void)answer;
    exchange_answer(x, 204);
}

/* Texts that are no UTF-8 are none that jansson takes: then NULL. */
static json_t *text(struct str s)
{
    return json_stringn(s.n ? s.p : "", s.n);
}

static struct str member_text(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) }
                             : STR_EMPTY;
}

/* ---- reading ---- */

static void answer_list(struct exchange *x, const struct commands_answer *answer)
{
    buf_printf(&x->out, "{\"%s\":[", x->route->member);
    buf_add(&x->out, answer->rows);
    buf_add(&x->out, STR("]}"));
    answer_json(x, 200);
}

static void refuse_text(struct exchange *x)
{
    exchange_fail(x, 400, "usage", "that is no UTF-8");
}

void rest_list(struct exchange *x)
{
    struct str prefix = STR_EMPTY;
    bool exact = exchange_query(x, "name", &prefix);
    json_t *p;

    if (!exact)
        (void)exchange_query(x, "prefix", &prefix);
    p = text(prefix);
    if (p)
        exchange_ask(
            x, json_pack("{ss so sb}", "command", x->route->command, "prefix", p, "exact", exact),
            answer_list);
    else
        refuse_text(x);
}

static void answer_one(struct exchange *x, const struct commands_answer *answer)
{
    if (!answer->n_rows) {
        exchange_fail(x, 404, "not_found", "there is no %s \"%.*s\"", x->route->member,
                      STR_FMT(x->name));
        return;
    }
    buf_add(&x->out, answer->rows);
    answer_json(x, 200);
}

void rest_one(struct exchange *x)
{
    json_t *name = text(x->name);

    if (name)
        exchange_ask(
            x, json_pack("{ss so sb}", "command", x->route->command, "prefix", name, "exact", 1),
            answer_one);
    else
        refuse_text(x);
}

static void answer_members(struct exchange *x, const struct commands_answer *answer)
{
    buf_add(&x->out, answer->members);
    answer_json(x, 200);
}

void rest_members(struct exchange *x)
{
    exchange_ask(x, json_pack("{ss}", "command", x->route->command), answer_members);
}

/* ---- why, and what was ---- */

/* Arguments of the query that a command has by the same names. False: one of them is none, which is
 * answered. */
static bool add_arguments(struct exchange *x, json_t *q, const char *const *texts,
                          const char *const *numbers)
{
    struct str value;

    for (size_t i = 0; texts[i]; i++)
        if (exchange_query(x, texts[i], &value) && json_object_set_new(q, texts[i], text(value))) {
            refuse_text(x);
            return false;
        }
    for (size_t i = 0; numbers[i]; i++) {
        uint64_t n;

        if (!exchange_query(x, numbers[i], &value))
            continue;
        if (str_to_u64(&n, value) || n > INT64_MAX ||
            json_object_set_new(q, numbers[i], json_integer((json_int_t)n))) {
            exchange_fail(x, 400, "usage", "%s is a number", numbers[i]);
            return false;
        }
    }
    return true;
}

/* "kinds=device,snapshot" becomes a list. */
static int add_kinds(const struct exchange *x, json_t *q)
{
    struct str rest;
    json_t *list;

    if (!exchange_query(x, "kinds", &rest))
        return 0;
    list = json_array();
    while (list && rest.n)
        if (json_array_append_new(list, text(str_next(&rest, ','))))
            rest = STR_EMPTY;
    return json_object_set_new(q, "kinds", list);
}

static void ask_with(struct exchange *x, json_t *q, const char *const *texts,
                     const char *const *numbers)
{
    if (!q || json_object_set_new(q, "command", json_string(x->route->command)) ||
        add_kinds(x, q)) {
        json_decref(q);
        exchange_fail(x, 400, "usage", "these arguments are none");
        return;
    }
    if (add_arguments(x, q, texts, numbers))
        exchange_ask(x, q, answer_list);
    else
        json_decref(q);
}

void rest_explain(struct exchange *x)
{
    json_t *q = json_object();

    if (json_object_set_new(q, "resource", text(x->name))) {
        json_decref(q);
        refuse_text(x);
        return;
    }
    ask_with(x, q, (const char *const[]){ "endpoint", NULL },
             (const char *const[]){ "at_ms", NULL });
}

void rest_history(struct exchange *x)
{
    ask_with(x, json_object(), (const char *const[]){ "resource", NULL },
             (const char *const[]){ "since_ms", "until_ms", "limit", NULL });
}

/* ---- changing ---- */

/* A device of Asterisk's own kind has one state, whoever sets it: what a click sets is what is
 * shown.
 */
static const char *source_for(const struct exchange *x, struct str device)
{
    return str_starts_nocase(device, STR("Custom:")) ? "ctl" : x->caller.name;
}

/* The body becomes the command, with what the path names. Members that are none are refused, so
 * that a misspelt one is noticed. */
static void change(struct exchange *x, const char *command, const char *key,
                   const char *const *members)
{
    json_t *name = text(x->name), *q = json_object();
    const char *member;
    json_t *value;
    int r;

    json_object_foreach(x->object, member, value)
    {
        size_t i = 0;

        while (members[i] && !str_equal(str_of(members[i]), str_of(member)))
            i++;
        if (members[i])
            continue;
        json_decref(name);
        json_decref(q);
        exchange_fail(x, 400, "usage", "\"%.64s\" is no member of it", member);
        return;
    }
    if (!name) {
        json_decref(q);
        refuse_text(x);
        return;
    }
    r = json_object_update(q, x->object ? x->object : q);
    r |= json_object_set_new(q, key, name);
    r |= json_object_set_new(q, "command", json_string(command));
    r |= json_object_set_new(q, "source", json_string(source_for(x, x->name)));
    if (r) {
        json_decref(q);
        q = NULL;
    }
    exchange_ask(x, q, answer_done);
}

void rest_device_put(struct exchange *x)
{
    change(x, "devstate.set", "device", (const char *const[]){ "state", NULL });
}

void rest_device_delete(struct exchange *x)
{
    change(x, "devstate.forget", "device", (const char *const[]){ NULL });
}

void rest_presence_put(struct exchange *x)
{
    change(x, "presence.set", "provider",
           (const char *const[]){ "state", "subtype", "message", NULL });
}

void rest_presence_delete(struct exchange *x)
{
    json_decref(x->object);
    x->object = json_pack("{ss}", "state", "not_set");
    rest_presence_put(x);
}

void rest_mailbox_put(struct exchange *x)
{
    change(x, "mailbox.set", "mailbox", (const char *const[]){ "new", "old", NULL });
}

void rest_mailbox_delete(struct exchange *x)
{
    change(x, "mailbox.forget", "mailbox", (const char *const[]){ NULL });
}

static void answer_changes(struct exchange *x, const struct commands_answer *answer)
{
    buf_add(&x->out, STR("{\"refused\":["));
    buf_add(&x->out, answer->rows);
    buf_add(&x->out, STR("]}"));
    answer_json(x, answer->n_rows ? 207 : 200);
}

void rest_changes(struct exchange *x)
{
    json_t *list = json_object_get(x->object, "changes"), *change;
    size_t i;

    if (!json_is_array(list) || json_object_size(x->object) != 1) {
        exchange_fail(x, 400, "usage", "the body is {\"changes\":[...]}");
        return;
    }
    json_array_foreach(list, i, change)
    {
        struct str device = member_text(change, "device");

        if (json_is_object(change) &&
            json_object_set_new(change, "source", json_string(source_for(x, device)))) {
            exchange_fail(x, 503, "busy", "there is no memory for it");
            return;
        }
    }
    exchange_ask(
        x, json_pack("{ss sO ss}", "command", "changes", "changes", list, "source", x->caller.name),
        answer_changes);
}

/* ---- who is logged in ---- */

static void answer_session(struct exchange *x, struct str name, bool writes, const char *csrf)
{
    struct json out = json_on(&x->out);

    json_add_object(&out, NULL);
    json_add_str(&out, "name", name);
    json_add_bool(&out, "reads", x->caller.reads);
    json_add_bool(&out, "writes", writes);
    if (csrf)
        json_add_str(&out, "csrf", str_of(csrf));
    json_end_object(&out);
    answer_json(x, 200);
}

void rest_session_get(struct exchange *x)
{
    const struct session *s = x->caller.session;

    answer_session(x, str_of(x->caller.name), s ? s->writes : x->caller.writes, s ? s->csrf : NULL);
}

static void set_cookie(struct exchange *x, const char *id, uint32_t seconds)
{
    buf_printf(
        &x->fields,
        "Set-Cookie: extstate_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%u%s\r\n", id,
        seconds, x->rq.secure ? "; Secure" : "");
}

void rest_session_post(struct exchange *x)
{
    struct http *h = x->http;
    const struct session *s;
    struct credential c;
    int r;

    if (!x->object) { /* a form of another page sends none */
        exchange_fail(x, 415, "usage", "the body is application/json");
        return;
    }
    r = access_prove(h, &x->rq, member_text(x->object, "name"), member_text(x->object, "secret"),
                     &c);
    if (r) {
        h->refused++;
        exchange_fail(x, r == ACCESS_TOO_OFTEN ? 429 : 401, "unauthorized",
                      r == ACCESS_TOO_OFTEN ? "too many wrong secrets came from this address"
                                            : "the name or the secret is wrong");
        return;
    }
    if (x->caller.session) /* that browser begins anew */
        session_end(h, x->caller.session);
    x->caller.session = NULL;
    s = session_create(h, &c);
    if (!s) {
        exchange_fail(x, 503, "busy", "there is no memory for it");
        return;
    }
    x->caller.reads = c.reads;
    set_cookie(x, s->id, h->settings->http.session_lifetime_s);
    answer_session(x, c.name, s->writes, s->csrf);
}

void rest_session_delete(struct exchange *x)
{
    const struct session *s = x->caller.session;

    if (s && !str_equal(str_of(s->csrf), x->rq.csrf)) {
        exchange_fail(x, 403, "forbidden", "the page's proof is missing");
        return;
    }
    if (s)
        session_end(x->http, s);
    set_cookie(x, "", 0);
    exchange_answer(x, 204);
}

/* ---- health ---- */

static void answer_text(struct exchange *x, unsigned status, const char *words)
{
    buf_add(&x->out, str_of(words));
    x->type = "text/plain; charset=utf-8";
    exchange_answer(x, status);
}

void rest_live(struct exchange *x)
{
    answer_text(x, 200, "alive\n");
}

/* All threads have answered; what is acknowledged can be kept. */
static void answer_ready(struct exchange *x, const struct commands_answer *answer)
{
    json_error_t why;
    json_t *status = json_loadb(answer->members.p, answer->members.n, 0, &why);
    bool failing = json_is_true(json_object_get(json_object_get(status, "store"), "failing"));

    json_decref(status);
    if (failing)
        answer_text(x, 503, "the store cannot be written\n");
    else
        answer_text(x, 200, "ready\n");
}

void rest_ready(struct exchange *x)
{
    exchange_ask(x, json_pack("{ss}", "command", "status"), answer_ready);
}
