// SPDX-License-Identifier: MIT
#include "http/http_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct exchange *exchange_create(struct http *h, void (*ready)(struct exchange *x), void *server)
{
    struct exchange *x = calloc(1, sizeof(*x));

    if (!x)
        return NULL;
    x->http = h;
    x->id = ++h->next_exchange;
    x->ready = ready;
    x->server = server;
    buf_init(&x->head, HTTP_HEAD_MAX);
    buf_init(&x->body, HTTP_BODY_MAX);
    buf_init(&x->fields, HTTP_HEAD_MAX);
    buf_init(&x->out, HTTP_ANSWER_MAX);
    list_init(&x->link);
    list_append(&h->exchanges, &x->link);
    h->requests++;
    return x;
}

void exchange_destroy(struct exchange *x)
{
    if (!x)
        return;
    list_remove(&x->link);
    stream_destroy(x->stream);
    json_decref(x->object);
    json_decref(x->collected);
    buf_fini(&x->head);
    buf_fini(&x->body);
    buf_fini(&x->fields);
    buf_fini(&x->out);
    free(x);
}

/* ---- answers ---- */

void exchange_answer(struct exchange *x, unsigned status)
{
    x->status = status;
    if (x->out.error || x->fields.error) {
        buf_reset(&x->out);
        buf_reset(&x->fields);
        x->type = NULL;
        x->status = 500;
    }
    x->answered = true;
    x->ready(x);
}

void exchange_field(struct exchange *x, const char *name, struct str value)
{
    buf_printf(&x->fields, "%s: %.*s\r\n", name, STR_FMT(value));
}

void exchange_fail(struct exchange *x, unsigned status, const char *error, const char *format, ...)
{
    struct json out = json_on(&x->out);
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_reset(&x->out);
    json_add_object(&out, NULL);
    json_add_str(&out, "error", str_of(error));
    json_add_str(&out, "message", str_of(text));
    json_end_object(&out);
    buf_add_char(&x->out, '\n');
    x->type = "application/json";
    exchange_answer(x, status);
}

bool exchange_query(const struct exchange *x, const char *name, struct str *value)
{
    struct str rest = x->rq.query, wanted = str_of(name);

    while (rest.n) {
        size_t end = str_find_char(rest, '\0');
        struct str part = str_sub(rest, 0, end);

        rest = str_sub(rest, end + 1, rest.n);
        if (!str_starts(part, wanted) || part.n == wanted.n || part.p[wanted.n] != '=')
            continue;
        *value = str_sub(part, wanted.n + 1, part.n);
        return true;
    }
    return false;
}

/* ---- commands ---- */

unsigned exchange_status(const struct commands_answer *answer)
{
    static const struct {
        const char *error;
        unsigned status;
    } all[] = { { "usage", 400 },
                { "not_found", 404 },
                { "unknown_command", 404 },
                { "busy", 503 },
                { "failed", 503 } };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_equal(str_of(answer->error), str_of(all[i].error)))
            return all[i].status;
    return 500;
}

/* As exchange_status; but who asks may know that there is something, though not for him. */
static unsigned status_for(const struct exchange *x, const struct commands_answer *answer)
{
    unsigned status = exchange_status(answer);

    return status == 404 && x->unfound ? x->unfound : status;
}

static void on_answered(void *ctx, uint64_t id, const struct commands_answer *answer)
{
    struct http *h = ctx;

    LIST_FOREACH_SAFE (it, &h->exchanges) {
        struct exchange *x = CONTAINER_OF(it, struct exchange, link);

        if (x->id != id)
            continue;
        if (!answer->error) {
            x->then(x, answer);
            return;
        }
        if (exchange_status(answer) == 503)
            exchange_field(x, "Retry-After", STR("1"));
        exchange_fail(x, status_for(x, answer), answer->error, "%.*s", STR_FMT(answer->message));
        return;
    }
}

void exchange_ask(struct exchange *x, json_t *arguments,
                  void (*then)(struct exchange *x, const struct commands_answer *answer))
{
    int r = -ENOMEM;

    x->then = then;
    if (arguments)
        r = commands_ask(x->http->commands, &(struct commands_question){ .arguments = arguments,
                                                                         .ctx = x->http,
                                                                         .cookie = x->id,
                                                                         .answered = on_answered });
    if (r)
        exchange_fail(x, 503, "busy", "there is no memory for it");
}

/* ---- from the head to the route ---- */

static void refuse(struct exchange *x, int outcome)
{
    x->http->refused++;
    switch (outcome) {
    case ACCESS_TOO_OFTEN:
        exchange_field(x, "Retry-After", STR("60"));
        exchange_fail(x, 429, "too_often", "too many wrong secrets came from this address");
        return;
    case ACCESS_FOREIGN:
        exchange_fail(x, 403, "forbidden", "a page of another site may not ask this");
        return;
    }
    /* A browser that is asked for a password by its own window would go on sending it. */
    exchange_field(x, "WWW-Authenticate",
                   str_starts(x->rq.path, STR("/ari/")) ? STR("Basic realm=\"extstate\"")
                                                        : STR("Bearer realm=\"extstate\""));
    exchange_fail(x, 401, "unauthorized", "a token is needed: see doc/http.md");
}

static bool is_granted(struct exchange *x)
{
    int r = access_check(x->http, &x->rq, &x->caller);
    enum right right = x->route->right;

    if (right == RIGHT_NONE && r != ACCESS_FOREIGN)
        return true;
    if (r == 0 && (right == RIGHT_READ ? x->caller.reads : x->caller.writes))
        return true;
    if (r == 0 && x->caller.name[0]) {
        x->http->refused++;
        exchange_fail(x, 403, "forbidden", "%s may not %s", x->caller.name,
                      right == RIGHT_READ ? "read" : "set states, or the page's proof is missing");
    } else {
        refuse(x, r);
    }
    return false;
}

void exchange_begin(struct exchange *x)
{
    struct buf allow;
    char room[80];

    buf_init_on(&allow, room, sizeof(room));
    x->route = route_find(&x->rq, &x->name, &allow);
    if (!x->route && allow.n) {
        exchange_field(x, "Allow", buf_str(&allow));
        exchange_fail(x, 405, "usage", "that cannot be done with it");
    } else if (!x->route) {
        exchange_fail(x, 404, "not_found", "there is nothing of that name");
    } else if (is_granted(x) && x->rq.method != HTTP_GET && x->rq.method != HTTP_HEAD &&
               x->rq.method != HTTP_DELETE && x->rq.content_type.n &&
               !str_starts_nocase(x->rq.content_type, STR("application/json")) &&
               !str_starts(x->rq.path, STR("/ari/"))) {
        exchange_fail(x, 415, "usage", "the body is application/json");
    }
}

static bool body_read(struct exchange *x)
{
    json_error_t why;

    if (x->body.error) {
        exchange_fail(x, 503, "busy", "there is no memory for it");
        return false;
    }
    if (!x->body.n || !str_starts_nocase(x->rq.content_type, STR("application/json")))
        return true;
    x->object = json_loadb(x->body.p, x->body.n, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(x->object))
        return true;
    exchange_fail(x, 400, "usage", "the body is no JSON object%s%s", x->object ? "" : ": ",
                  x->object ? "" : why.text);
    return false;
}

void exchange_go(struct exchange *x)
{
    if (!x->answered && body_read(x))
        x->route->go(x);
}
