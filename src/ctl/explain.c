// SPDX-License-Identifier: MIT
/* Why a lamp is as it is: from the words of the sources to the answers of those that show it, a row
 * for each part. Where nothing is shown the rows say why. */
#include "ctl/subject.h"

#include "state/list_state.h"

#include <stdarg.h>
#include <stdio.h>

enum { NEAREST_MAX = 5 };

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

struct json request_part(struct ctl_request *q, const char *name)
{
    struct json row = request_row(q);

    json_add_str(&row, "part", str_of(name));
    return row;
}

void request_trouble(struct ctl_request *q, const char *what, const char *format, ...)
{
    struct json row = request_part(q, "trouble");
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_add_str(&row, "what", str_of(what));
    json_add_str(&row, "why", str_of(text));
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

static void near_lists(struct near *near, const struct settings *s)
{
    struct str context = request_text(near->q, "context");

    for (size_t i = 0; s && i < s->n_resource_lists; i++)
        on_near(near, &(struct state_hint_view){ .extension = s->resource_lists[i].id,
                                                 .context = context });
}

static void no_hint(struct ctl_request *q, const struct ctl_state *state)
{
    struct near near = { .q = q, .extension = request_text(q, "extension") };
    struct json row = request_part(q, "trouble");
    char why[400];

    snprintf(why, sizeof(why),
             "no resource list, AOR with mailboxes or mailbox is called so, and there is no hint "
             "%.*s in context %.*s, or in what it includes",
             STR_FMT(str_sub(near.extension, 0, 79)),
             STR_FMT(str_sub(request_text(q, "context"), 0, 79)));
    state_hints_each(state->core, on_near, &near);
    near_lists(&near, state->settings);
    json_add_str(&row, "what", STR("no_hint"));
    json_add_str(&row, "why", str_of(why));
    json_add_array(&row, "nearest");
    for (size_t i = 0; i < near.n; i++)
        json_add_str(&row, NULL, str_of(near.best[i].name));
    json_end_array(&row);
    request_row_end(q, &row);
}

static void explain_state(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);

    subjects_find(q, subject, true);
    if (q->of.found)
        return;
    if (request_text(q, "context").n)
        no_hint(q, subject);
    else
        request_fail(q, "usage",
                     "\"resource\" is EXTENSION@CONTEXT, an AOR with mailboxes, or a mailbox");
}

/* ---- who shows it ---- */

static bool is_asked_about(const struct ctl_request *q, const struct snapshot *s)
{
    for (size_t i = 0; s && i < q->of.n; i++)
        if (!q->of.all[i].having && q->of.all[i].snapshot->resource_id == s->resource_id)
            return true;
    return false;
}

/* A list shows its members, each as that watcher may see it; one that is kept from him is none. */
static const struct snapshot *shown_of(const struct ctl_request *q, const struct snapshot *shown)
{
    const struct list_state *l =
        shown && shown->published && shown->published->has_list ? shown->published->list : NULL;

    if (!q->watched->having)
        return shown;
    for (size_t i = 0; l && i < l->n; i++)
        if (l->items[i].standing == LIST_ITEM_SHOWN && is_asked_about(q, l->items[i].snapshot))
            return l->items[i].snapshot;
    return NULL;
}

static void print_shown(struct json *row, const struct snapshot *shown)
{
    char room[64];
    struct buf text;

    if (!shown->package.n)
        json_add_str(row, "shows", extension_state_text(shown->state));
    if (!shown->package.n && shown->presence != PRESENCE_NOT_SET)
        json_add_str(row, "shows_presence", presence_state_name(shown->presence));
    if (!shown->published || (!shown->published->has_messages && !shown->published->has_list))
        return;
    buf_init_on(&text, room, sizeof(room));
    if (shown->published->has_list)
        buf_printf(&text, "%zu members", shown->published->list->n);
    else
        buf_printf(&text, "%u new, %u old",
                   shown->published->messages.counts[ES_MESSAGES_VOICE].new_count,
                   shown->published->messages.counts[ES_MESSAGES_VOICE].old_count);
    json_add_str(row, "shows", buf_str(&text));
}

static void on_watcher(void *ctx, const struct subscription_view *v)
{
    struct ctl_request *q = ctx;
    struct str endpoint = request_text(q, "endpoint");
    const struct snapshot *shown = shown_of(q, v->shown);
    struct json row;

    if (endpoint.n && !str_equal(endpoint, v->endpoint))
        return;
    row = request_part(q, "watcher");
    print_subscription(&row, v);
    if (shown)
        print_shown(&row, shown);
    request_row_end(q, &row);
    q->watchers_shown++;
}

static void on_publisher(void *ctx, const struct publication_view *v)
{
    struct ctl_request *q = ctx;
    struct json row = request_part(q, "publisher");

    print_publication(&row, v);
    request_row_end(q, &row);
}

static void on_notice(void *ctx, const struct notice_view *v)
{
    struct ctl_request *q = ctx;
    struct str endpoint = request_text(q, "endpoint");
    struct json row;

    if ((endpoint.n && !str_equal(endpoint, v->endpoint)) ||
        !str_is_line(v->endpoint, buf_str(&q->of.endpoints)) ||
        (v->mailbox.n && !str_is_line(v->mailbox, buf_str(&q->of.mailboxes))))
        return;
    row = request_part(q, "notice");
    print_notice(&row, v);
    request_row_end(q, &row);
    q->watchers_shown++;
}

static bool is_hinted(const struct ctl_request *q, struct str endpoint)
{
    struct str rest = buf_str(&q->of.words);

    while (rest.n) {
        struct str named = device_endpoint(str_next(&rest, '&'));

        if (named.n && str_equal(named, endpoint))
            return true;
    }
    return false;
}

/* By it the endpoint's device is what it is while nobody says anything else. */
static void on_contact(void *ctx, const struct qualify_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!is_hinted(q, v->contact->endpoint))
        return;
    row = request_part(q, "contact");
    print_contact(&row, v->contact);
    print_qualified(&row, v);
    request_row_end(q, &row);
    search_add_line(&q->of.contacted, v->contact->endpoint);
}

static void explain_worker(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_worker *w = subject;

    for (size_t i = 0; i < q->of.n; i++) {
        q->watched = &q->of.all[i];
        notifier_resource_each(w->notifier, q->watched->snapshot->resource_id, on_watcher, q);
        if (!q->watched->having)
            publisher_resource_each(w->publisher, q->watched->snapshot, on_publisher, q);
    }
    if (q->of.endpoints.n)
        notifier_notices_each(w->notifier, on_notice, q);
    if (q->of.words.n && w->qualifier)
        qualifier_each(w->qualifier, on_contact, q);
}

/* ---- what went wrong ---- */

static void on_refusal(void *ctx, struct str detail, uint64_t times)
{
    struct ctl_request *q = ctx;
    struct json row = request_part(q, "refusal");

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
    row = request_part(q, "source");
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
                                        .endpoint = request_text(q, "endpoint"),
                                        .resources = buf_str(&q->of.names) };

    recent_refusals_each(e->recent, &question, on_refusal, q);
    if (q->sources_each)
        q->sources_each(subject, on_source, q);
}

static bool has_cause(const struct ctl_request *q)
{
    for (size_t i = 0; i < q->of.n; i++)
        if (q->of.all[i].snapshot->cause.number && !q->of.all[i].having)
            return true;
    return false;
}

static void explain_edge_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    if (q->of.found && !q->watchers_shown)
        request_trouble(q, "no_watcher",
                        request_text(q, "endpoint").n ? "this endpoint has no subscription to it"
                                                      : "nobody has a subscription to it");
    if (has_cause(q) && request_port(q) && request_port(q)->on_journal)
        request_on_journal(q, history_chain, request_done);
    else
        request_done(job);
}

static void explain_workers_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);
    struct str absent = buf_str(&q->of.absent);

    while (absent.n) {
        struct str endpoint = str_next(&absent, '\n');

        if (!str_is_line(endpoint, buf_str(&q->of.contacted)))
            request_trouble(q, "no_contact", "no telephone is registered as %.*s",
                            STR_FMT(endpoint));
    }
    request_on_edge(q, explain_edge, explain_edge_done);
}

static void explain_state_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    if (q->error)
        request_done(job);
    else if (q->of.found)
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
    if (!at || !resource.n)
        request_fail(q, "usage", "\"resource\" is EXTENSION@CONTEXT, an AOR or a mailbox");
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
        request_trouble(q, "may_not_subscribe",
                        "this endpoint may not subscribe: allow_subscribe is no");
    q->sources_each = request_port(q)->sources;
    request_on_state(q, explain_state, explain_state_done);
}
