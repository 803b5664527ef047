// SPDX-License-Identifier: MIT
/* One client: its messages one after the other, and what it is told. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- what is sent ---- */

static void session_send(struct ami_session *s, struct buf *b)
{
    const struct ami_server_port *port = &s->server->cfg.port;
    size_t ceiling = b->ceiling;

    if (b->n)
        port->send(port->ctx, s->connection, buf_str(b));
    if (b->room <= 1 << 16) {
        buf_reset(b);
        return;
    }
    buf_fini(b); /* a list was in it */
    buf_init(b, ceiling);
}

void session_flush(struct ami_session *s)
{
    if (s->out.error) {
        log_warn(s->server->cfg.log, "ami.answer_too_large", KV_ERR(s->out.error));
        buf_reset(&s->out);
        session_close(s);
    }
    session_send(s, &s->out);
}

void session_close(struct ami_session *s)
{
    const struct ami_server_port *port = &s->server->cfg.port;

    if (s->closing)
        return;
    s->closing = true;
    timer_stop(s->server->cfg.wheel, &s->timer);
    port->close(port->ctx, s->connection);
}

void session_finish(struct ami_session *s)
{
    session_send(s, &s->held);
    session_close(s);
}

struct buf *session_respond(struct ami_session *s, const char *response)
{
    ami_add(&s->out, STR("Response"), str_of(response));
    if (s->action_id.n)
        ami_add(&s->out, STR("ActionID"), buf_str(&s->action_id));
    return &s->out;
}

void session_succeed(struct ami_session *s, const char *message)
{
    struct buf *b = session_respond(s, "Success");

    if (message)
        ami_add(b, STR("Message"), str_of(message));
    ami_end(b);
    session_done(s);
}

void session_fail(struct ami_session *s, const char *format, ...)
{
    struct buf *b = session_respond(s, "Error");
    char text[AMI_REQUEST_LINE_MAX + 256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ami_add(b, STR("Message"), str_of(text));
    ami_end(b);
    session_done(s);
}

void session_list_begin(struct ami_session *s, const char *message)
{
    struct buf *b = session_respond(s, "Success");

    ami_add(b, STR("EventList"), STR("start"));
    ami_add(b, STR("Message"), str_of(message));
    ami_end(b);
}

struct buf *session_list_event(struct ami_session *s, const char *event)
{
    ami_add(&s->out, STR("Event"), str_of(event));
    if (s->action_id.n)
        ami_add(&s->out, STR("ActionID"), buf_str(&s->action_id));
    return &s->out;
}

void session_list_end(struct ami_session *s, const char *event, uint64_t items)
{
    struct buf *b = session_list_event(s, event);

    ami_add(b, STR("EventList"), STR("Complete"));
    ami_add_u64(b, STR("ListItems"), items);
    ami_end(b);
    session_done(s);
}

/* ---- events ---- */

bool session_wants(const struct ami_session *s, uint32_t class, struct str event, struct str lines)
{
    return s->user && !s->closing && (s->user->read & s->mask & class) &&
           manager_filters_pass(s->user->filters, s->user->n_filters, event, lines) &&
           manager_filters_pass(s->filters, s->n_filters, event, lines);
}

void session_event(struct ami_session *s, struct str lines)
{
    const struct ami_server_port *port = &s->server->cfg.port;

    if (!s->holding) {
        port->send(port->ctx, s->connection, lines);
        return;
    }
    buf_add(&s->held, lines);
    if (!s->held.error)
        return;
    log_warn(s->server->cfg.log, "ami.client_cut_off", KV("user", s->user->name),
             KV("why", "too many events behind an action"));
    buf_reset(&s->held);
    session_close(s);
}

/* ---- actions ---- */

void session_remember(struct ami_session *s, const struct str *texts, size_t n)
{
    size_t at = 0;

    BUG_UNLESS(n <= ARRAY_LEN(s->argument));
    buf_reset(&s->text);
    for (size_t i = 0; i < n; i++)
        buf_add(&s->text, texts[i]);
    for (size_t i = 0; i < n; i++) {
        s->argument[i] =
            s->text.error ? STR_EMPTY : str_sub(buf_str(&s->text), at, at + texts[i].n);
        at += texts[i].n;
    }
}

void session_done(struct ami_session *s)
{
    BUG_UNLESS(s->action);
    s->action = NULL;
    s->answered = NULL;
    json_decref(s->questions);
    json_decref(s->kept);
    s->questions = s->kept = NULL;
    s->busy = s->holding = false;
    session_flush(s);
    session_send(s, &s->held);
}

static void action_begin(struct ami_session *s, const struct ami_message *m)
{
    static const struct ami_action fault = { .name = "" };

    s->busy = true;
    s->action = &fault; /* until it is known which */
    buf_reset(&s->action_id);
    buf_add(&s->action_id, ami_get(m, STR("ActionID")));
    s->server->counters.actions++;
    if (m->fault == AMI_FAULT_LINE_TOO_LONG)
        session_fail(s, "Failed to parse message: line too long");
    else if (m->fault == AMI_FAULT_TOO_MANY_LINES)
        session_fail(s, "Failed to parse message: too many lines");
    else
        action_run(s, m);
}

/* All whole messages, until one takes its time. */
static void session_read(struct ami_session *s, struct str *bytes)
{
    while (!s->busy && !s->closing) {
        struct ami_message m;
        int r = ami_read(&s->reader, bytes, &m);

        if (r == 0)
            return;
        if (r < 0) {
            log_error(s->server->cfg.log, "ami.message", KV_ERR(r));
            session_close(s);
            return;
        }
        action_begin(s, &m);
    }
}

static void session_pause(struct ami_session *s)
{
    const struct ami_server_port *port = &s->server->cfg.port;
    bool paused = s->busy || s->pending.n;

    if (paused == s->paused || s->closing)
        return;
    s->paused = paused;
    port->pause(port->ctx, s->connection, paused);
}

/* The action under way is over: on with what has come meanwhile. */
static void session_go_on(struct ami_session *s)
{
    struct str rest = buf_str(&s->pending);

    if (s->receiving)
        return; /* whoever has called does */
    s->receiving = true;
    session_read(s, &rest);
    s->receiving = false;
    if (s->pending.n && rest.n)
        memmove(s->pending.p, rest.p, rest.n);
    s->pending.n = rest.n;
    session_pause(s);
}

void ami_session_receive(struct ami_session *s, struct str bytes)
{
    if (s->closing)
        return;
    if (!s->busy && !s->pending.n) {
        s->receiving = true;
        session_read(s, &bytes);
        s->receiving = false;
    }
    buf_add(&s->pending, bytes);
    if (s->pending.error) {
        log_error(s->server->cfg.log, "ami.message", KV_ERR(s->pending.error));
        session_close(s);
    }
    session_pause(s);
}

/* ---- commands ---- */

json_t *question(const char *command)
{
    return json_pack("{s:s}", "command", command);
}

/* Bytes that are no UTF-8 are passed on as they are. */
void question_text(json_t *q, const char *key, struct str value)
{
    (void)!json_object_set_new(q, key, json_stringn_nocheck(value.n ? value.p : "", value.n));
}

struct str answer_text(const json_t *row, const char *key)
{
    const json_t *v = json_object_get(row, key);

    return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) }
                             : STR_EMPTY;
}

uint64_t answer_number(const json_t *row, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(row, key));
}

static json_t *rows_load(struct str rows)
{
    struct buf b;
    json_t *list;

    buf_init(&b, rows.n + 2);
    buf_add_char(&b, '[');
    buf_add(&b, rows);
    buf_add_char(&b, ']');
    list = b.error ? NULL : json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
    buf_fini(&b);
    return list;
}

static void on_answer(void *ctx, uint64_t cookie, const struct commands_answer *answer)
{
    struct ami_session *s = server_session(ctx, cookie);
    struct ami_answer a = { .error = answer->error, .message = answer->message };

    if (!s || s->closing || !s->answered)
        return;
    if (!a.error)
        a.rows = rows_load(answer->rows);
    if (!a.error && !a.rows) {
        a.error = "failed";
        a.message = STR("out of memory");
    }
    s->answered(s, &a);
    json_decref(a.rows);
    if (!s->busy)
        session_go_on(s);
}

void session_ask(struct ami_session *s, json_t *arguments,
                 void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    const struct ami_server_port *port = &s->server->cfg.port;
    const struct commands_question q = {
        .arguments = arguments, .ctx = s->server, .cookie = s->id, .answered = on_answer
    };

    s->answered = answered;
    if (!arguments || port->ask(port->ctx, &q))
        session_fail(s, "Memory allocation failure");
}

static void on_each(struct ami_session *s, const struct ami_answer *a)
{
    json_t *next;

    (void)!json_array_remove(s->questions, 0);
    next = json_array_get(s->questions, 0);
    if (next && !a->error) {
        session_ask(s, json_incref(next), on_each);
        return;
    }
    json_decref(s->questions);
    s->questions = NULL;
    s->all_answered(s, a);
}

void session_ask_each(struct ami_session *s, json_t *questions,
                      void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    s->questions = questions;
    s->all_answered = answered;
    session_ask(s, json_incref(json_array_get(questions, 0)), on_each);
}

/* ---- life ---- */

int ami_session_create(struct ami_session **out, struct ami_server *a, const struct ami_peer *peer,
                       void *connection)
{
    struct ami_session *s;

    if (a->counters.strangers >= a->settings->manager->auth_limit) {
        log_warn(a->cfg.log, "ami.too_many_strangers", KV_U("limit", a->counters.strangers));
        return AMI_TOO_MANY;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->server = a;
    s->connection = connection;
    s->id = ++a->next_session;
    s->peer = *peer;
    s->mask = MANAGER_ALL;
    ami_reader_init(&s->reader, AMI_REQUEST_LINE_MAX, AMI_REQUEST_LINES_MAX);
    buf_init(&s->pending, AMI_PENDING_MAX);
    buf_init(&s->out, AMI_ANSWER_MAX);
    buf_init(&s->held, AMI_HELD_MAX);
    buf_init(&s->action_id, AMI_ID_MAX);
    buf_init(&s->text, (size_t)4 * AMI_REQUEST_LINE_MAX);
    timer_init(&s->timer, login_expired);
    timer_start(a->cfg.wheel, &s->timer, UINT64_C(1000) * a->settings->manager->auth_timeout_s);
    list_init(&s->link);
    list_append(&a->sessions, &s->link);
    a->counters.sessions++;
    a->counters.strangers++;
    *out = s;
    buf_add(&s->out, STR(AMI_BANNER "\r\n"));
    session_flush(s);
    return 0;
}

void ami_session_destroy(struct ami_session *s)
{
    if (!s)
        return;
    if (s->user)
        session_log_off(s);
    else
        s->server->counters.strangers--;
    s->server->counters.sessions--;
    timer_stop(s->server->cfg.wheel, &s->timer);
    list_remove(&s->link);
    for (size_t i = 0; i < s->n_filters; i++)
        manager_filter_destroy(s->filters[i]);
    free(s->filters);
    json_decref(s->questions);
    json_decref(s->kept);
    ami_reader_fini(&s->reader);
    buf_fini(&s->pending);
    buf_fini(&s->out);
    buf_fini(&s->held);
    buf_fini(&s->action_id);
    buf_fini(&s->text);
    free(s);
}
