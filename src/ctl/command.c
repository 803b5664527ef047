// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "ctl/ctl_internal.h"

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

struct str request_text(const struct ctl_request *q, const char *name)
{
    const json_t *v = json_object_get(q->arguments, name);

    return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) }
                             : STR_EMPTY;
}

int request_u32(const struct ctl_request *q, const char *name, uint32_t *out)
{
    const json_t *value = json_object_get(q->arguments, name);
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;

    if (n < 0 || n > UINT32_MAX)
        return -EINVAL;
    *out = (uint32_t)n;
    return 0;
}

static bool is_exact(const struct ctl_request *q)
{
    return json_is_true(json_object_get(q->arguments, "exact"));
}

bool request_wants(const struct ctl_request *q, struct str name)
{
    struct str prefix = request_text(q, "prefix");

    return is_exact(q) ? state_names_equal(name, prefix) : str_starts_nocase(name, prefix);
}

bool request_wants_resource(const struct ctl_request *q, struct str extension, struct str context)
{
    struct buf full;
    char room[512];

    buf_init_on(&full, room, sizeof(room));
    buf_printf(&full, "%.*s@%.*s", STR_FMT(extension), STR_FMT(context));
    return request_wants(q, buf_str(&full));
}

void request_fail(struct ctl_request *q, const char *error, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    q->error = error;
    buf_reset(&q->message);
    buf_add(&q->message, str_of(text));
}

struct json request_row(struct ctl_request *q)
{
    struct json row = json_on(&q->out);

    buf_add(&q->out, q->before_row);
    json_add_object(&row, NULL);
    return row;
}

void request_row_end(struct ctl_request *q, struct json *row)
{
    json_end_object(row);
    buf_add(&q->out, q->after_row);
    q->rows++;
}

/* ---- jobs ---- */

void request_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    request_finish(q, NULL);
    request_answer(q);
}

static void post_to_state(struct ctl_request *q, const struct ctl_job *job)
{
    const struct ctl_port *port = request_port(q);

    q->job = *job;
    if (port && port->on_state(port->ctx, &q->job) == 0)
        return;
    request_fail(q, "busy", "the state thread has too much to do; try again");
    request_done(&q->job);
}

void request_on_state(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                      void (*done)(struct ctl_job *))
{
    post_to_state(q, &(struct ctl_job){ .run = run, .done = done });
}

static void done_kept(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    if (job->kept < 0 && !q->error)
        request_fail(q, "failed",
                     "it is so from now on, but is not written yet, because the store fails: "
                     "extstatectl status says why");
    request_done(job);
}

/* What changes something that is to survive. */
static void on_state_lasting(struct ctl_request *q, void (*run)(struct ctl_job *, void *))
{
    post_to_state(q, &(struct ctl_job){ .run = run, .done = done_kept, .lasts = true });
}

static void post_to_workers(struct ctl_request *q, const struct ctl_job *job)
{
    const struct ctl_port *port = request_port(q);

    q->job = *job;
    if (port && port->on_workers(port->ctx, &q->job) == 0)
        return;
    request_fail(q, "busy", "the workers have too much to do; try again");
    request_done(&q->job);
}

void request_on_workers(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                        void (*done)(struct ctl_job *))
{
    post_to_workers(q, &(struct ctl_job){ .run = run, .done = done });
}

/* Of what not every port has. */
static void post_to_seen(struct ctl_request *q, int (*post)(void *ctx, struct ctl_job *job),
                         void (*run)(struct ctl_job *, void *), void (*done)(struct ctl_job *))
{
    const struct ctl_port *port = request_port(q);

    q->job = (struct ctl_job){ .run = run, .done = done };
    if (port && post && post(port->ctx, &q->job) == 0)
        return;
    request_fail(q, "busy", "the edge thread has too much to do; try again");
    request_done(&q->job);
}

void request_on_edge(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                     void (*done)(struct ctl_job *))
{
    const struct ctl_port *port = request_port(q);

    q->seen = port ? port->seen : NULL;
    post_to_seen(q, q->seen ? port->on_edge : NULL, run, done);
}

void request_on_journal(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                        void (*done)(struct ctl_job *))
{
    const struct ctl_port *port = request_port(q);

    post_to_seen(q, port ? port->on_journal : NULL, run, done);
}

static void thread_passed(struct ctl_job *job, void *thread)
{
    (void)job;
    (void)thread;
}

/* What was posted to the workers before is in force on each of them at `done`. When they have too
 * much to do it will be all the same, only later. */
static void after_workers(struct ctl_request *q, void (*done)(struct ctl_job *))
{
    const struct ctl_port *port = request_port(q);

    q->job = (struct ctl_job){ .run = thread_passed, .done = done };
    if (!port || port->on_workers(port->ctx, &q->job))
        done(&q->job);
}

static void command_devstate_list(struct ctl_request *q)
{
    request_on_state(q, state_devices, request_done);
}

static void command_devstate_get(struct ctl_request *q)
{
    request_on_state(q, state_device_look, request_done);
}

static void command_devstate_set(struct ctl_request *q)
{
    on_state_lasting(q, state_device_change);
}

static void command_devstate_forget(struct ctl_request *q)
{
    on_state_lasting(q, state_device_drop);
}

static void command_presence_list(struct ctl_request *q)
{
    request_on_state(q, state_presences, request_done);
}

static void command_presence_set(struct ctl_request *q)
{
    on_state_lasting(q, state_presence_change);
}

static void command_changes(struct ctl_request *q)
{
    on_state_lasting(q, state_changes);
}

static void hints_counted(struct ctl_job *job)
{
    request_on_state(request_of(job), state_hints, request_done);
}

static void command_hints(struct ctl_request *q)
{
    request_on_workers(q, worker_count_watchers, hints_counted);
}

static void command_hint_get(struct ctl_request *q)
{
    request_on_state(q, state_hint_look, request_done);
}

static void command_contexts(struct ctl_request *q)
{
    request_on_state(q, state_contexts, request_done);
}

static void command_global_get(struct ctl_request *q)
{
    request_on_state(q, state_global_look, request_done);
}

static void command_subscriptions(struct ctl_request *q)
{
    request_on_workers(q, worker_subscriptions, request_done);
}

static void command_subscriptions_outbound(struct ctl_request *q)
{
    request_on_workers(q, worker_subscriptions_outbound, request_done);
}

static void command_subscription_import(struct ctl_request *q)
{
    post_to_workers(q, &(struct ctl_job){
                           .run = worker_subscription_import, .done = done_kept, .lasts = true });
}

static void command_publications(struct ctl_request *q)
{
    request_on_workers(q, worker_publications, request_done);
}

static void command_publishers(struct ctl_request *q)
{
    request_on_workers(q, worker_publishers, request_done);
}

static void command_publications_inbound(struct ctl_request *q)
{
    request_on_state(q, state_publications, request_done);
}

static void command_mailbox_list(struct ctl_request *q)
{
    request_on_state(q, state_mailboxes, request_done);
}

static void command_mailbox_set(struct ctl_request *q)
{
    on_state_lasting(q, state_mailbox_change);
}

static void command_mailbox_forget(struct ctl_request *q)
{
    on_state_lasting(q, state_mailbox_drop);
}

static void command_mailbox_told(struct ctl_request *q)
{
    request_on_workers(q, worker_notices, request_done);
}

static void command_contacts(struct ctl_request *q)
{
    request_on_workers(q, worker_contacts, request_done);
}

static void on_pbx(void *ctx, const struct ctl_source *s)
{
    struct ctl_request *q = ctx;
    struct json row = request_row(q);

    json_add_str(&row, "source", s->source);
    json_add_str(&row, "protocol", s->protocol);
    json_add_str(&row, "state", s->state);
    json_add_bool(&row, "stale", s->stale);
    json_add_str(&row, "server", s->server);
    json_add_str(&row, "complaint", s->complaint);
    json_add_u64(&row, "since_ms", s->since_ms);
    json_add_u64(&row, "synced_ms", s->synced_ms);
    json_add_u64(&row, "connections", s->connections);
    json_add_u64(&row, "events", s->events);
    json_add_u64(&row, "reports", s->reports);
    if (s->retry_ms)
        json_add_u64(&row, "retry_ms", s->retry_ms);
    request_row_end(q, &row);
}

static void edge_sources(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);

    q->sources_each(subject, on_pbx, q);
}

static void sources_of_servers(struct ctl_job *job)
{
    request_on_state(request_of(job), state_sources, request_done);
}

/* PBXs that are followed, then servers that publish. */
static void command_sources(struct ctl_request *q)
{
    const struct ctl_port *port = request_port(q);

    q->sources_each = port ? port->sources : NULL;
    post_to_seen(q, q->sources_each ? port->on_edge : NULL, edge_sources, sources_of_servers);
}

static void command_drain(struct ctl_request *q)
{
    uint32_t rate, retry_after_s;
    struct str reason = request_text(q, "reason");

    if (request_u32(q, "rate", &rate) || !rate || request_u32(q, "retry_after_s", &retry_after_s))
        request_fail(q, "usage",
                     "rate is a number of subscriptions a second, retry_after_s one of "
                     "seconds");
    else if (!str_equal(reason, STR("deactivated")) && !str_equal(reason, STR("probation")))
        request_fail(q, "usage", "reason is deactivated or probation");
    if (q->error)
        request_done(&q->job);
    else
        request_on_workers(q, worker_drain, request_done);
}

static void command_drain_stop(struct ctl_request *q)
{
    request_on_workers(q, worker_resume, request_done);
}

/* ---- status ---- */

static void print_status(struct ctl_request *q, struct json *out)
{
    const struct ctl_port *port = request_port(q);

    if (port)
        port->status(port->ctx, out);
    json_add_object(out, "state");
    json_add_u64(out, "devices", q->state.devices);
    json_add_u64(out, "presences", q->state.presences);
    json_add_u64(out, "hints", q->state.hints);
    json_add_u64(out, "resources", q->state.resources);
    json_add_u64(out, "device_reports", q->state.device_reports);
    json_add_u64(out, "duplicates", q->state.duplicates);
    json_add_u64(out, "snapshots", q->state.snapshots);
    json_add_u64(out, "device_bytes", q->state.device_bytes);
    json_add_u64(out, "presence_bytes", q->state.presence_bytes);
    json_add_u64(out, "hint_bytes", q->state.hint_bytes);
    json_add_u64(out, "mailbox_bytes", q->mailbox_bytes);
    json_add_u64(out, "table_bytes", q->state.table_bytes);
    json_add_u64(out, "snapshot_bytes", q->state.snapshot_bytes);
    json_add_u64(out, "body_bytes", q->state.body_bytes);
    json_end_object(out);
    worker_print_status(q, out);
}

static void status_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    request_finish(q, print_status);
    request_answer(q);
}

static void status_counted(struct ctl_job *job)
{
    request_on_state(request_of(job), state_status, status_done);
}

static void command_status(struct ctl_request *q)
{
    request_on_workers(q, worker_status, status_counted);
}

/* ---- the daemon itself ---- */

static void print_report(struct ctl_request *q, struct json *out)
{
    json_add_bool(out, "partly", q->partly);
    json_add_str(out, "report", buf_str(&q->message));
}

static void reload_answer(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    request_finish(q, q->error ? NULL : print_report);
    request_answer(q);
}

/* The settings go by the state thread to the workers, and so does this. */
static void reload_applied(struct ctl_job *job)
{
    after_workers(request_of(job), reload_answer);
}

static void add_given(struct json *row, const char *key, struct str text)
{
    if (text.n)
        json_add_str(row, key, text);
}

static void print_change(void *ctx, const struct ctl_change *c)
{
    struct ctl_request *q = ctx;
    struct json row = request_row(q);

    json_add_str(&row, "kind", str_of(c->kind));
    add_given(&row, "name", c->name);
    json_add_str(&row, "change", str_of(c->change));
    add_given(&row, "options", c->options);
    add_given(&row, "was", c->was);
    add_given(&row, "is", c->is);
    if (c->counted)
        json_add_u64(&row, "count", c->count);
    request_row_end(q, &row);
}

static bool is_dry(const struct ctl_request *q)
{
    return json_is_true(json_object_get(q->arguments, "dry_run"));
}

/* On the main thread. */
static void main_reload(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_port *port = request_port(q);
    int r;

    (void)subject;
    if (!port)
        return;
    r = is_dry(q) ? port->preview(port->ctx, &q->message, print_change, q)
                  : port->reload(port->ctx, &q->message);
    q->partly = r == CTL_RELOAD_PARTLY;
    if (r < 0)
        q->error = "failed"; /* the message is the report */
    if (r < 0 && !q->message.n)
        request_fail(q, "failed", "%s", strerror(-r));
}

static void reload_read(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_port *port = request_port(q);

    q->job = (struct ctl_job){ .run = thread_passed, .done = reload_applied };
    if (is_dry(q) || !port)
        reload_answer(&q->job);
    else if (port->on_state(port->ctx, &q->job))
        reload_applied(&q->job);
}

static void command_reload(struct ctl_request *q)
{
    const struct ctl_port *port = request_port(q);

    q->job = (struct ctl_job){ .run = main_reload, .done = reload_read };
    if (!port->on_main) {
        main_reload(&q->job, NULL);
        reload_read(&q->job);
    } else if (port->on_main(port->ctx, &q->job)) {
        request_fail(q, "busy", "the main thread has too much to do; try again");
        reload_answer(&q->job);
    }
}

/* ---- hints and includes at run time ---- */

/* On the main thread. */
static void main_hint(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_port *port = request_port(q);
    const struct ctl_hint hint = { .context = request_text(q, "context"),
                                   .extension = request_text(q, "extension"),
                                   .text = request_text(q, "hint"),
                                   .name = request_text(q, "name"),
                                   .replace =
                                       json_is_true(json_object_get(q->arguments, "replace")) };
    int r = port ? port->hint(port->ctx, &hint) : 0;

    (void)subject;
    if (r == CTL_HINT_EXISTS)
        request_fail(q, "usage", "there is a hint %.*s@%.*s already", STR_FMT(hint.extension),
                     STR_FMT(hint.context));
    else if (r == CTL_HINT_UNKNOWN)
        request_fail(q, "not_found", "there is no hint %.*s@%.*s", STR_FMT(hint.extension),
                     STR_FMT(hint.context));
    else if (r > 0)
        request_fail(q, "usage", "no hint can be called %.*s@%.*s", STR_FMT(hint.extension),
                     STR_FMT(hint.context));
    else if (r < 0)
        request_fail(q, "failed", "%s", strerror(-r));
}

/* Likewise. */
static void main_include(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_port *port = request_port(q);
    struct str context = request_text(q, "context"), include = request_text(q, "include");
    bool adds = str_equal(request_text(q, "command"), STR("include.add"));
    const struct ctl_hint edit = { .context = context,
                                   .include = adds ? include : STR_EMPTY,
                                   .exclude = adds ? STR_EMPTY : include };
    int r = port ? port->hint(port->ctx, &edit) : 0;

    (void)subject;
    if (r == CTL_HINT_EXISTS)
        request_fail(q, "usage", "%.*s includes %.*s already", STR_FMT(context), STR_FMT(include));
    else if (r == CTL_HINT_UNKNOWN)
        request_fail(q, "not_found", "%.*s does not include %.*s", STR_FMT(context),
                     STR_FMT(include));
    else if (r > 0)
        request_fail(q, "usage", "\"%.*s\" cannot be included", STR_FMT(include));
    else if (r < 0)
        request_fail(q, "failed", "%s", strerror(-r));
}

/* Behind what it has changed. */
static void hint_changed(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_port *port = request_port(q);

    q->job = (struct ctl_job){ .run = thread_passed, .done = request_done };
    if (!port || port->on_state(port->ctx, &q->job))
        request_done(&q->job);
}

static void dialplan_change(struct ctl_request *q, void (*run)(struct ctl_job *, void *))
{
    const struct ctl_port *port = request_port(q);

    q->job = (struct ctl_job){ .run = run, .done = hint_changed };
    if (!port->on_main) {
        run(&q->job, NULL);
        hint_changed(&q->job);
    } else if (port->on_main(port->ctx, &q->job)) {
        request_fail(q, "busy", "the main thread has too much to do; try again");
        request_done(&q->job);
    }
}

static void command_hint_add(struct ctl_request *q)
{
    if (request_text(q, "hint").n) {
        dialplan_change(q, main_hint);
        return;
    }
    request_fail(q, "usage", "there is no \"hint\"");
    request_done(&q->job);
}

static void command_hint_remove(struct ctl_request *q)
{
    (void)json_object_del(q->arguments, "hint");
    dialplan_change(q, main_hint);
}

static void command_include(struct ctl_request *q)
{
    if (request_text(q, "include").n && request_text(q, "context").n) {
        dialplan_change(q, main_include);
        return;
    }
    request_fail(q, "usage", "\"context\" and \"include\" name two contexts");
    request_done(&q->job);
}

enum { UPGRADE_TIMEOUT_S = 30 }; /* to read the configuration, and what it runs */

static void upgrade_failed(struct ctl_upgrade *u, struct str why)
{
    struct ctl_request *q = CONTAINER_OF(u, struct ctl_request, upgrade);

    q->error = "failed";
    buf_add(&q->message, why);
    request_done(&q->job);
}

static void command_upgrade(struct ctl_request *q)
{
    const struct ctl_port *port = request_port(q);
    struct str program = request_text(q, "binary");
    uint32_t timeout_s = UPGRADE_TIMEOUT_S;

    if (program.n && program.p[0] != '/')
        request_fail(q, "usage", "\"binary\" is a path that begins with /");
    else if (json_object_get(q->arguments, "timeout_s") &&
             (request_u32(q, "timeout_s", &timeout_s) || !timeout_s))
        request_fail(q, "usage", "\"timeout_s\" is a number of seconds");
    if (q->error) {
        request_done(&q->job);
        return;
    }
    q->upgrade = (struct ctl_upgrade){ .program = program,
                                       .timeout_s = timeout_s,
                                       .failed = upgrade_failed };
    port->upgrade(port->ctx, &q->upgrade);
}

static void print_upgraded(struct ctl_request *q, struct json *out)
{
    json_add_str(out, "version", str_of(q->upgraded->version));
    json_add_str(out, "former", str_of(q->upgraded->former));
    json_add_u64(out, "took_ms", q->upgraded->took_ms);
}

void request_upgraded(struct ctl_request *q, const struct ctl_upgraded *how)
{
    q->upgraded = how;
    if (how->failed)
        request_fail(q, "failed",
                     "the new program could not start, and the former one serves again: %s",
                     how->failed);
    request_finish(q, print_upgraded);
    request_answer(q);
}

static void command_log_level(struct ctl_request *q)
{
    const struct ctl_port *port = request_port(q);
    enum log_level level;

    if (log_level_parse(&level, request_text(q, "level")))
        request_fail(q, "usage", "\"%.*s\" is no log level; use error, warn, info or debug",
                     STR_FMT(request_text(q, "level")));
    else
        port->log_level(port->ctx, level);
    request_done(&q->job);
}

enum { TRACE_PEERS_MAX = 32 };

/* {"all":true}, {"peers":["192.0.2.7","198.51.100.0/24"]}, or neither: off. */
static void command_trace(struct ctl_request *q)
{
    const struct ctl_port *port = request_port(q);
    const json_t *list = json_object_get(q->arguments, "peers");
    bool all = json_is_true(json_object_get(q->arguments, "all"));
    struct addr_net peers[TRACE_PEERS_MAX];
    size_t n = json_array_size(list);

    if (n > TRACE_PEERS_MAX)
        request_fail(q, "usage", "at most %d peers can be traced", TRACE_PEERS_MAX);
    for (size_t i = 0; i < n && !q->error; i++) {
        const json_t *v = json_array_get(list, i);
        struct str text = { json_string_value(v), json_string_length(v) };

        if (!json_is_string(v) || addr_net_parse(&peers[i], text))
            request_fail(q, "usage", "\"%.*s\" is no address or network", STR_FMT(text));
    }
    if (!q->error)
        port->trace(port->ctx, all, peers, n);
    after_workers(q, request_done);
}

/* {"keep":true}, {"keep":false}, {"clear":true}; neither: those that are kept. */
static void command_messages(struct ctl_request *q)
{
    request_on_workers(q, worker_messages, request_done);
}

static void print_watch_hint(struct ctl_request *q, struct json *out)
{
    const struct ctl_port *port = request_port(q);

    port->watch_hint(port->ctx, request_text(q, "context"), out);
}

static void command_watch_hint(struct ctl_request *q)
{
    request_finish(q, print_watch_hint);
    request_answer(q);
}

static void command_ping(struct ctl_request *q)
{
    request_done(&q->job);
}

static const struct {
    const char *name;
    void (*run)(struct ctl_request *q);
} commands[] = {
    { "ping", command_ping },
    { "status", command_status },
    { "devstate.list", command_devstate_list },
    { "devstate.get", command_devstate_get },
    { "devstate.set", command_devstate_set },
    { "devstate.forget", command_devstate_forget },
    { "presence.list", command_presence_list },
    { "presence.set", command_presence_set },
    { "changes", command_changes },
    { "hints", command_hints },
    { "hint.get", command_hint_get },
    { "hint.add", command_hint_add },
    { "hint.remove", command_hint_remove },
    { "include.add", command_include },
    { "include.remove", command_include },
    { "contexts", command_contexts },
    { "global.get", command_global_get },
    { "subscriptions", command_subscriptions },
    { "subscriptions.outbound", command_subscriptions_outbound },
    { "subscription.import", command_subscription_import },
    { "publications", command_publications },
    { "publishers", command_publishers },
    { "publications.inbound", command_publications_inbound },
    { "mailbox.list", command_mailbox_list },
    { "mailbox.set", command_mailbox_set },
    { "mailbox.forget", command_mailbox_forget },
    { "mailbox.told", command_mailbox_told },
    { "contacts", command_contacts },
    { "sources", command_sources },
    { "drain", command_drain },
    { "drain.stop", command_drain_stop },
    { "reload", command_reload },
    { "log.level", command_log_level },
    { "trace", command_trace },
    { "messages", command_messages },
    { "watch.hint", command_watch_hint },
    { "explain", command_explain },
    { "history", command_history },
    { "follow", command_follow },
    { "follow.next", command_follow_next },
    { "follow.end", command_follow_end },
    { "backup", command_backup },
    { "verify", command_verify },
    { "upgrade", command_upgrade },
};

void command_dispatch(struct ctl_request *q)
{
    struct str name = request_text(q, "command");

    if (!request_check(q)) {
        request_done(&q->job);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_equal(name, str_of(commands[i].name))) {
            commands[i].run(q);
            return;
        }
    }
    request_fail(q, "unknown_command", "there is no command \"%.*s\"",
                 STR_FMT(str_sub(name, 0, 64)));
    request_done(&q->job);
}
