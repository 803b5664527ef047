// SPDX-License-Identifier: MIT
/* Requests, whoever asks. Memory is counted: requests hold the struct commands, so that a job that
 * comes home after commands_destroy finds out that nobody waits any more. */
#include <stdlib.h>

#include "ctl/ctl_internal.h"

struct commands {
    uv_loop_t *loop;
    struct ctl_port port;
    size_t refs, under_way;
    bool closed;
};

static void commands_unref(struct commands *c)
{
    if (--c->refs == 0)
        free(c);
}

int commands_create(struct commands **out, uv_loop_t *loop, const struct ctl_port *port)
{
    struct commands *c = malloc(sizeof(*c));

    if (!c)
        return -ENOMEM;
    *c = (struct commands){ .loop = loop, .port = *port, .refs = 1 };
    *out = c;
    return 0;
}

void commands_destroy(struct commands *c)
{
    if (!c)
        return;
    c->closed = true;
    commands_unref(c);
}

size_t commands_unanswered(const struct commands *c)
{
    return c->under_way;
}

const struct ctl_port *request_port(const struct ctl_request *q)
{
    return q->commands->closed ? NULL : &q->commands->port;
}

uv_loop_t *request_loop(const struct ctl_request *q)
{
    return q->commands->loop;
}

static void request_free(struct ctl_request *q)
{
    watchers_fini(q);
    subjects_fini(q);
    json_decref(q->arguments);
    buf_fini(&q->out);
    buf_fini(&q->members);
    buf_fini(&q->message);
    q->commands->under_way--;
    commands_unref(q->commands);
    free(q);
}

struct ctl_request *request_create(struct commands *c, const struct request_end *end)
{
    struct ctl_request *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->commands = c;
    q->end = end;
    c->refs++;
    c->under_way++;
    buf_init(&q->out, CTL_ANSWER_MAX);
    buf_init(&q->members, CTL_ANSWER_MAX);
    buf_init(&q->message, 1 << 20);
    buf_init(&q->of.names, 1 << 20);
    buf_init(&q->of.words, 1 << 20);
    buf_init(&q->of.members, 1 << 20);
    buf_init(&q->of.lists, 1 << 20);
    buf_init(&q->of.mailboxes, 1 << 20);
    buf_init(&q->of.endpoints, 1 << 20);
    buf_init(&q->of.absent, 1 << 20);
    buf_init(&q->of.contacted, 1 << 20);
    return q;
}

void request_finish(struct ctl_request *q, void (*more)(struct ctl_request *q, struct json *out))
{
    if (q->out.error) { /* rows that did not fit are no answer */
        request_fail(q, "failed", "the answer is too large: %s", strerror(-q->out.error));
        buf_reset(&q->out);
    }
    q->end->finish(q, more);
}

void request_answer(struct ctl_request *q)
{
    if (!q->commands->closed)
        q->end->answered(q);
    request_free(q);
}

/* ---- from within ---- */

static void members_finish(struct ctl_request *q,
                           void (*more)(struct ctl_request *q, struct json *out))
{
    struct json out = json_on(&q->members);

    json_add_object(&out, NULL);
    if (more && !q->error)
        more(q, &out);
    json_end_object(&out);
    if (q->members.error && !q->error)
        request_fail(q, "failed", "the answer is too large: %s", strerror(-q->members.error));
}

static void members_answer(struct ctl_request *q)
{
    struct str rows = buf_str(&q->out);

    q->answered(q->ctx, q->client_id,
                &(struct commands_answer){ .error = q->error,
                                           .message = buf_str(&q->message),
                                           .rows = str_sub(rows, 0, rows.n ? rows.n - 1 : 0),
                                           .n_rows = q->rows,
                                           .members = buf_str(&q->members) });
}

int commands_ask(struct commands *c, const struct commands_question *question)
{
    static const struct request_end end = { .finish = members_finish, .answered = members_answer };
    struct ctl_request *q = request_create(c, &end);

    if (!q) {
        json_decref(question->arguments);
        return -ENOMEM;
    }
    q->arguments = question->arguments;
    q->ctx = question->ctx;
    q->client_id = question->cookie;
    q->answered = question->answered;
    q->after_row = STR(",");
    command_dispatch(q);
    return 0;
}
