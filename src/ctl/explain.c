// SPDX-License-Identifier: MIT
/* Why a lamp is as it is: from the words of the sources to the answers of those that show it, a row
 * for each part. Where nothing is shown the rows say why. */
#include "ctl/ctl_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum { NEAREST_MAX = 5 };

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

static struct json part(struct ctl_request *q, const char *name)
{
    struct json row = request_row(q);

    json_add_str(&row, "part", str_of(name));
    return row;
}

static void add_given(struct json *row, const char *key, struct str text)
{
    if (text.n)
        json_add_str(row, key, text);
}

static void add_resource(struct json *row, struct str context, struct str extension)
{
    char room[512];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, extension);
    buf_add_char(&b, '@');
    buf_add(&b, context);
    json_add_str(row, "resource", buf_str(&b));
}

/* One row that says in a word, and in a sentence, what is wrong. */
static void trouble(struct ctl_request *q, const char *what, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void trouble(struct ctl_request *q, const char *what, const char *format, ...)
{
    struct json row = part(q, "trouble");
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_add_str(&row, "what", str_of(what));
    json_add_str(&row, "why", str_of(text));
    request_row_end(q, &row);
}

/* ---- the resource ---- */

static struct str order_name(enum composition_order order)
{
    switch (order) {
    case COMPOSE_HINT_FIRST:
        return STR("hint");
    case COMPOSE_PUBLICATION_FIRST:
        return STR("publication");
    case COMPOSE_AGGREGATE:
        break;
    }
    return STR("aggregate");
}

static void on_hint(void *ctx, const struct state_hint_view *v, enum composition_order order)
{
    struct ctl_request *q = ctx;
    const struct snapshot *s = v->snapshot;
    struct json row = part(q, "resource");

    q->of = snapshot_ref(s);
    add_resource(&row, s->context, s->extension);
    json_add_str(&row, "state", extension_state_text(s->state));
    json_add_str(&row, "presence", presence_state_name(s->presence));
    add_given(&row, "subtype", s->presence_subtype);
    add_given(&row, "message", s->presence_message);
    json_add_bool(&row, "has_hint", s->has_hint);
    if (s->has_hint) {
        json_add_str(&row, "hint", s->hint);
        add_given(&row, "name", s->hint_name);
        json_add_str(&row, "hint_state", extension_state_text(s->hint_state));
        json_add_bool(&row, "autohint", v->autohint);
        add_given(&row, "file", v->file);
        json_add_u64(&row, "line", v->line);
    }
    json_add_bool(&row, "published", v->published);
    json_add_str(&row, "order", order_name(order));
    json_add_u64(&row, "sequence", s->sequence);
    json_add_u64(&row, "changed_ms", s->changed_wall_ms);
    json_add_u64(&row, "since_ms", s->since_wall_ms);
    if (s->stale)
        json_add_bool(&row, "stale", true);
    json_add_u64(&row, "cause", s->cause.number);
    json_add_str(&row, "source", s->cause.source);
    if (s->cause.away)
        json_add_u64(&row, "away_s", s->cause.grace_s);
    request_row_end(q, &row);
}

static void on_device(void *ctx, const struct state_device_view *v)
{
    struct ctl_request *q = ctx;
    struct json row = part(q, "device");

    print_device(&row, v);
    json_add_bool(&row, "known", v->known);
    request_row_end(q, &row);
    if (!v->known)
        trouble(q, "unknown_device", "no source says anything about %.*s, and no endpoint is it",
                STR_FMT(v->device));
}

static void on_presence(void *ctx, const struct state_presence_view *v, bool known)
{
    struct ctl_request *q = ctx;
    struct json row = part(q, "presence");

    print_presence(&row, v);
    json_add_bool(&row, "known", known);
    request_row_end(q, &row);
}

static void on_publication(void *ctx, const struct inbound_publication_view *v)
{
    struct ctl_request *q = ctx;
    struct json row = part(q, "publication");

    print_inbound(&row, v);
    request_row_end(q, &row);
}

/* ---- there is none ---- */

struct near {
    struct ctl_request *q;
    struct str extension;
    struct {
        char name[256];
        unsigned distance;
    } best[NEAREST_MAX];
    size_t n;
};

/* The same number in another context first, then what reads alike. */
static void on_near(void *ctx, const struct state_hint_view *v)
{
    struct near *near = ctx;
    unsigned distance = str_distance_nocase(v->extension, near->extension);
    size_t at = near->n < NEAREST_MAX ? near->n : NEAREST_MAX - 1;

    if (v->pattern || distance > 2 || distance >= near->extension.n)
        return;
    if (near->n == NEAREST_MAX && near->best[at].distance <= distance)
        return;
    for (; at > 0 && near->best[at - 1].distance > distance; at--)
        near->best[at] = near->best[at - 1];
    snprintf(near->best[at].name, sizeof(near->best[at].name), "%.*s@%.*s", STR_FMT(v->extension),
             STR_FMT(v->context));
    near->best[at].distance = distance;
    near->n += near->n < NEAREST_MAX;
}

static void no_hint(struct ctl_request *q, const struct state_core *core)
{
    struct near near = { .q = q, .extension = request_text(q, "extension") };
    struct json row = part(q, "trouble");
    char why[256];

    snprintf(why, sizeof(why), "there is no hint %.*s in context %.*s, or in what it includes",
             STR_FMT(str_sub(near.extension, 0, 79)),
             STR_FMT(str_sub(request_text(q, "context"), 0, 79)));
    state_hints_each(core, on_near, &near);
    json_add_str(&row, "what", STR("no_hint"));
    json_add_str(&row, "why", str_of(why));
    json_add_array(&row, "nearest");
    for (size_t i = 0; i < near.n; i++)
        json_add_str(&row, NULL, str_of(near.best[i].name));
    json_end_array(&row);
    request_row_end(q, &row);
}

const struct snapshot *state_look_up(const struct ctl_state *state, struct str context,
                                     struct str extension)
{
    const struct resource_name name = { .context = context, .extension = extension };
    const struct snapshot *found, *s;

    if (state_watch(state->core, &name, false, state->lookup, &found, NULL))
        return NULL;
    s = snapshot_ref(found);
    state_unwatch(state->core, s->resource_id, state->lookup);
    return s;
}

/* The endpoint's own context has to lead to it. */
static void check_reach(struct ctl_request *q, const struct ctl_state *state,
                        const struct snapshot *s)
{
    struct str endpoint = request_text(q, "endpoint");
    const struct snapshot *there;

    if (!endpoint.n)
        return;
    there = state_look_up(state, request_text(q, "endpoint_context"), request_text(q, "extension"));
    if (!there)
        trouble(q, "unreachable", "%.*s looks in context %.*s, where nothing leads to %.*s@%.*s",
                STR_FMT(str_sub(endpoint, 0, 79)), STR_FMT(request_text(q, "endpoint_context")),
                STR_FMT(s->extension), STR_FMT(s->context));
    else if (there->resource_id != s->resource_id)
        trouble(q, "unreachable", "%.*s looks in context %.*s, where %.*s is %.*s@%.*s",
                STR_FMT(str_sub(endpoint, 0, 79)), STR_FMT(request_text(q, "endpoint_context")),
                STR_FMT(str_sub(request_text(q, "extension"), 0, 79)), STR_FMT(there->extension),
                STR_FMT(there->context));
    snapshot_unref(there);
}

static void explain_state(struct ctl_job *job, void *subject)
{
    const struct state_look look = {
        .hint = on_hint, .device = on_device, .presence = on_presence, .ctx = request_of(job)
    };
    struct ctl_request *q = look.ctx;
    const struct ctl_state *state = subject;
    const struct snapshot *s =
        state_look_up(state, request_text(q, "context"), request_text(q, "extension"));
    struct resource_name name = { .context = request_text(q, "context"),
                                  .extension = request_text(q, "extension") };

    if (s)
        name = (struct resource_name){ .context = s->context, .extension = s->extension };
    if (state_look(state->core, &name, &look)) {
        no_hint(q, state->core);
    } else {
        publication_resource_each(state->publications, &name, on_publication, q);
        check_reach(q, state, q->of);
    }
    snapshot_unref(s);
}

/* ---- who shows it ---- */

static void on_watcher(void *ctx, const struct subscription_view *v)
{
    struct ctl_request *q = ctx;
    struct str endpoint = request_text(q, "endpoint");
    struct json row;

    if (endpoint.n && !str_equal(endpoint, v->endpoint))
        return;
    row = part(q, "watcher");
    print_subscription(&row, v);
    if (v->shown)
        json_add_str(&row, "shows", extension_state_text(v->shown->state));
    if (v->shown && v->shown->presence != PRESENCE_NOT_SET)
        json_add_str(&row, "shows_presence", presence_state_name(v->shown->presence));
    request_row_end(q, &row);
    q->watchers_shown++;
}

static void on_publisher(void *ctx, const struct publication_view *v)
{
    struct ctl_request *q = ctx;
    struct json row = part(q, "publisher");

    print_publication(&row, v);
    request_row_end(q, &row);
}

static void explain_worker(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_worker *w = subject;

    notifier_resource_each(w->notifier, q->of->resource_id, on_watcher, q);
    publisher_resource_each(w->publisher, q->of, on_publisher, q);
}

/* ---- what went wrong ---- */

static void on_refusal(void *ctx, struct str detail, uint64_t times)
{
    struct ctl_request *q = ctx;
    struct json row = part(q, "refusal");

    if (times > 1)
        json_add_u64(&row, "times", times);
    /* The members of a JSON object that has some. */
    buf_add_char(&q->out, ',');
    buf_add(&q->out, str_sub(detail, 1, detail.n - 1));
    request_row_end(q, &row);
}

static void on_source(void *ctx, const struct ctl_source *s)
{
    bool up = str_equal(s->state, STR("following"));
    struct ctl_request *q = ctx;
    struct json row;

    if (up && !s->stale)
        return;
    row = part(q, "source");
    json_add_str(&row, "source", s->source);
    json_add_str(&row, "protocol", s->protocol);
    json_add_bool(&row, "up", up);
    json_add_bool(&row, "stale", s->stale);
    json_add_str(&row, "why", s->complaint);
    json_add_u64(&row, "since_ms", s->since_ms);
    request_row_end(q, &row);
}

static void explain_edge(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_edge *e = q->seen(subject);
    struct recent_question question = { .extension = request_text(q, "extension"),
                                        .endpoint = request_text(q, "endpoint") };
    char room[512];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    if (q->of) {
        buf_add(&name, q->of->extension);
        buf_add_char(&name, '@');
        buf_add(&name, q->of->context);
        question.resource = buf_str(&name);
    }
    recent_refusals_each(e->recent, &question, on_refusal, q);
    if (q->sources_each)
        q->sources_each(subject, on_source, q);
}

static void explain_edge_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    if (q->of && !q->watchers_shown)
        trouble(q, "no_watcher",
                request_text(q, "endpoint").n ? "this endpoint has no subscription to it"
                                              : "nobody has a subscription to it");
    if (q->of && q->of->cause.number && request_port(q) && request_port(q)->on_journal)
        request_on_journal(q, history_chain, request_done);
    else
        request_done(job);
}

static void explain_workers_done(struct ctl_job *job)
{
    request_on_edge(request_of(job), explain_edge, explain_edge_done);
}

static void explain_state_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    if (q->of)
        request_on_workers(q, explain_worker, explain_workers_done);
    else
        explain_workers_done(job);
}

/* ---- names ---- */

static bool argument_set(struct ctl_request *q, const char *name, struct str text)
{
    return json_object_set_new(q->arguments, name, json_stringn(text.p, text.n)) == 0;
}

/* Who asks, and where that one looks. */
static bool endpoint_find(struct ctl_request *q)
{
    const struct ctl_port *port = request_port(q);
    struct str endpoint = request_text(q, "endpoint"), context = STR_EMPTY;
    int r = -ENOENT;

    if (!endpoint.n)
        return true;
    if (port->endpoint)
        r = port->endpoint(port->ctx, endpoint, &context);
    if (r == -ENOENT)
        request_fail(q, "not_found", "there is no endpoint \"%.*s\"",
                     STR_FMT(str_sub(endpoint, 0, 79)));
    else if (!argument_set(q, "endpoint_context", context)) /* a reload may come */
        request_fail(q, "failed", "the context of this endpoint is no text");
    q->endpoint_barred = r == -EPERM;
    return !q->error;
}

bool request_resource(struct ctl_request *q)
{
    struct str resource = request_text(q, "resource"), context;
    size_t at = str_find_char(resource, '@');

    if (!endpoint_find(q))
        return false;
    context = str_sub(resource, at + 1, resource.n);
    if (!context.n && request_text(q, "endpoint").n)
        context = request_text(q, "endpoint_context");
    if (!at || !resource.n || !context.n)
        request_fail(q, "usage", "\"resource\" is EXTENSION@CONTEXT");
    else if (!argument_set(q, "extension", str_sub(resource, 0, at)) ||
             !argument_set(q, "context", context))
        request_fail(q, "failed", "there is no memory");
    return !q->error;
}

void command_explain(struct ctl_request *q)
{
    if (!request_resource(q)) {
        request_done(&q->job);
        return;
    }
    if (json_object_get(q->arguments, "at_ms")) {
        history_explain(q);
        return;
    }
    if (q->endpoint_barred)
        trouble(q, "may_not_subscribe", "this endpoint may not subscribe: allow_subscribe is no");
    q->sources_each = request_port(q)->sources;
    request_on_state(q, explain_state, explain_state_done);
}
