// SPDX-License-Identifier: MIT
/* What runs on the state thread. */
#include "ctl/ctl_internal.h"

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

static struct state_core *core_of(void *subject)
{
    return ((struct ctl_state *)subject)->core;
}

static struct str source_of(const struct ctl_request *q)
{
    struct str source = request_text(q, "source");

    return source.n ? source : STR("ctl");
}

/* While the store fails nothing is promised that it could not keep. */
static bool refused(struct ctl_request *q, void *subject)
{
    const struct ctl_state *s = subject;

    if (!keep_fails(&s->keep))
        return false;
    q->job.lasts = false; /* there is nothing to wait for */
    request_fail(q, "failed",
                 "nothing has changed: the store cannot be written at the moment; extstatectl "
                 "status says why");
    return true;
}

/* What holds still has no member for it. */
void print_stale(struct json *row, bool stale)
{
    if (stale)
        json_add_bool(row, "stale", true);
}

/* ---- devices ---- */

void print_device(struct json *row, const struct state_device_view *v)
{
    json_add_str(row, "device", v->device);
    json_add_str(row, "state", device_state_name(v->state));
    json_add_str(row, "text", device_state_text(v->state));
    json_add_u64(row, "changed_ms", v->changed_wall_ms);
    print_stale(row, v->stale);
    json_add_array(row, "sources");
    for (size_t i = 0; i < v->n_sources; i++) {
        json_add_object(row, NULL);
        json_add_str(row, "source", v->sources[i].source);
        json_add_str(row, "state", device_state_name(v->sources[i].state));
        json_add_u64(row, "changed_ms", v->sources[i].changed_wall_ms);
        print_stale(row, v->sources[i].stale);
        json_end_object(row);
    }
    json_end_array(row);
}

static void on_device(void *ctx, const struct state_device_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants(q, v->device))
        return;
    row = request_row(q);
    print_device(&row, v);
    request_row_end(q, &row);
}

void state_devices(struct ctl_job *job, void *subject)
{
    state_devices_each(core_of(subject), on_device, request_of(job));
}

void state_device_look(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct str device = request_text(q, "device");
    enum device_state state = state_device_get(core_of(subject), device);
    struct json row = request_row(q);

    json_add_str(&row, "device", device);
    json_add_str(&row, "state", device_state_name(state));
    json_add_str(&row, "text", device_state_text(state));
    print_stale(&row, state_device_is_stale(core_of(subject), device));
    request_row_end(q, &row);
}

static void answer_change(struct ctl_request *q, int r, const char *what, struct str name)
{
    if (r == STATE_BAD_NAME)
        request_fail(q, "usage", "%s name \"%.*s\" is empty or longer than 79 bytes", what,
                     STR_FMT(name));
    else if (r < 0)
        request_fail(q, "failed", "%s", strerror(-r));
}

void state_device_change(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct str device = request_text(q, "device");
    enum device_state state;

    if (refused(q, subject))
        return;
    if (device_state_parse(&state, request_text(q, "state"))) {
        request_fail(q, "usage",
                     "\"%.*s\" is no device state; use one of UNKNOWN NOT_INUSE INUSE BUSY INVALID "
                     "UNAVAILABLE RINGING "
                     "RINGINUSE ONHOLD",
                     STR_FMT(request_text(q, "state")));
        return;
    }
    answer_change(q, state_device_set(core_of(subject), source_of(q), device, state), "device",
                  device);
}

void state_device_drop(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct str device = request_text(q, "device"), source = source_of(q);
    int r;

    if (refused(q, subject))
        return;
    r = state_device_forget(core_of(subject), source, device);
    if (r == STATE_UNCHANGED)
        request_fail(q, "not_found", "source \"%.*s\" says nothing about device \"%.*s\"",
                     STR_FMT(source), STR_FMT(device));
    else
        answer_change(q, r, "device", device);
}

/* ---- presence ---- */

void print_presence(struct json *row, const struct state_presence_view *v)
{
    json_add_str(row, "provider", v->provider);
    json_add_str(row, "state", presence_state_name(v->state));
    json_add_str(row, "subtype", v->subtype);
    json_add_str(row, "message", v->message);
    if (v->source.n)
        json_add_str(row, "source", v->source);
    json_add_u64(row, "changed_ms", v->changed_wall_ms);
    print_stale(row, v->stale);
}

static void on_presence(void *ctx, const struct state_presence_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants(q, v->provider))
        return;
    row = request_row(q);
    print_presence(&row, v);
    request_row_end(q, &row);
}

void state_presences(struct ctl_job *job, void *subject)
{
    state_presences_each(core_of(subject), on_presence, request_of(job));
}

static bool is_settable(struct str provider)
{
    static const struct str label = STR_INIT("CustomPresence:");

    return str_starts_nocase(provider, label) && provider.n > label.n;
}

void state_presence_change(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct str provider = request_text(q, "provider");
    enum presence_state state;
    int r;

    if (refused(q, subject))
        return;
    if (!is_settable(provider)) {
        request_fail(q, "usage",
                     "\"%.*s\" is not settable; providers are named CustomPresence:NAME",
                     STR_FMT(provider));
        return;
    }
    if (presence_state_parse(&state, request_text(q, "state"))) {
        request_fail(q, "usage",
                     "\"%.*s\" is no presence state; use one of not_set unavailable available away "
                     "xa chat dnd",
                     STR_FMT(request_text(q, "state")));
        return;
    }
    state_cause_begin(core_of(subject), source_of(q));
    r = state_presence_set(core_of(subject), provider, state, request_text(q, "subtype"),
                           request_text(q, "message"));
    state_cause_end(core_of(subject));
    answer_change(q, r, "provider", provider);
}

/* ---- many at once ---- */

static const struct {
    const char *key;
    void (*run)(struct ctl_job *job, void *subject);
} change_kinds[] = {
    { "device", state_device_change },
    { "provider", state_presence_change },
    { "mailbox", state_mailbox_change },
};

static void change_one(struct ctl_request *q, json_t *change, void *subject)
{
    json_t *whole = q->arguments;

    q->arguments = change;
    for (size_t i = 0; i < ARRAY_LEN(change_kinds); i++) {
        if (!json_object_get(change, change_kinds[i].key))
            continue;
        if (request_check(q))
            change_kinds[i].run(&q->job, subject);
        q->job.lasts = true; /* one that is refused ends no wait for those before it */
        q->arguments = whole;
        return;
    }
    q->arguments = whole;
    request_fail(q, "usage", "a change has \"device\", \"provider\" or \"mailbox\"");
}

static void tell_refused(struct ctl_request *q, size_t index)
{
    struct json row = request_row(q);

    json_add_u64(&row, "index", index);
    json_add_str(&row, "error", str_of(q->error));
    json_add_str(&row, "message", buf_str(&q->message));
    request_row_end(q, &row);
    q->error = NULL;
    buf_reset(&q->message);
}

/* One that is wrong does not hold up the others. They are one command and one source. */
void state_changes(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const json_t *list = json_object_get(q->arguments, "changes");
    json_t *source = json_object_get(q->arguments, "source"), *change;
    size_t i;

    if (refused(q, subject))
        return;
    json_array_foreach(list, i, change)
    {
        if (json_is_object(change) &&
            (json_object_set_new(change, "command", json_string("changes")) ||
             (source && !json_object_get(change, "source") &&
              json_object_set(change, "source", source))))
            request_fail(q, "failed", "there is no memory for it");
        else
            change_one(q, change, subject);
        if (q->error)
            tell_refused(q, i);
    }
}

/* ---- hints ---- */

void commands_print_lamp(struct json *row, const struct snapshot *s)
{
    json_add_str(row, "state", s ? extension_state_text(s->state) : STR("Unavailable"));
    json_add_str(row, "presence", s ? presence_state_name(s->presence) : STR("not_set"));
    if (!s)
        return;
    json_add_str(row, "presence_subtype", s->presence_subtype);
    json_add_str(row, "presence_message", s->presence_message);
    json_add_u64(row, "sequence", s->sequence);
    json_add_u64(row, "changed_ms", s->changed_wall_ms);
    json_add_u64(row, "since_ms", s->since_wall_ms);
    print_stale(row, s->stale);
}

static void on_hint(void *ctx, const struct state_hint_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants_resource(q, v->extension, v->context))
        return;
    row = request_row(q);
    json_add_str(&row, "extension", v->extension);
    json_add_str(&row, "context", v->context);
    json_add_str(&row, "hint", v->hint);
    json_add_str(&row, "name", v->name);
    commands_print_lamp(&row, v->snapshot);
    json_add_u64(&row, "watchers", v->snapshot ? watchers_of(q, v->context, v->extension) : 0);
    json_add_bool(&row, "pattern", v->pattern);
    json_add_bool(&row, "autohint", v->autohint);
    json_add_str(&row, "file", v->file);
    json_add_u64(&row, "line", v->line);
    request_row_end(q, &row);
}

void state_hints(struct ctl_job *job, void *subject)
{
    state_hints_each(core_of(subject), on_hint, request_of(job));
}

/* What the name means there, which may be in a context that it includes. */
void state_hint_look(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_state *s = subject;
    const struct resource_name name = { .context = request_text(q, "context"),
                                        .extension = request_text(q, "extension") };
    const struct snapshot *found;
    uint64_t resource_id;
    struct json row;
    int r = state_watch(s->core, &name, false, s->lookup, &found, NULL);

    if (r < 0)
        request_fail(q, "failed", "%s", strerror(-r));
    if (r)
        return;
    row = request_row(q);
    json_add_str(&row, "extension", found->extension);
    json_add_str(&row, "context", found->context);
    json_add_str(&row, "hint", found->hint);
    json_add_str(&row, "name", found->hint_name);
    commands_print_lamp(&row, found);
    request_row_end(q, &row);
    resource_id = found->resource_id;
    state_unwatch(s->core, resource_id, s->lookup);
}

void state_global_look(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct buf text, value;
    struct json row;

    buf_init(&text, 4096);
    buf_init(&value, 4096);
    buf_printf(&text, "${%.*s}", STR_FMT(request_text(q, "name")));
    if (!text.error)
        state_substitute(core_of(subject), buf_str(&text), &value);
    row = request_row(q);
    json_add_str(&row, "name", request_text(q, "name"));
    json_add_str(&row, "value", buf_str(&value));
    request_row_end(q, &row);
    buf_fini(&text);
    buf_fini(&value);
}

static void print_include(void *row, struct str text)
{
    json_add_str(row, NULL, text);
}

void state_contexts(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct dialplan *dp = state_dialplan(core_of(subject));
    const struct dialplan_context *c = NULL;

    while (dp && (c = dialplan_context_next(dp, c))) {
        struct json row;

        if (!request_wants(q, dialplan_context_name(c)))
            continue;
        row = request_row(q);
        json_add_str(&row, "context", dialplan_context_name(c));
        json_add_bool(&row, "autohints", dialplan_context_autohints(c));
        json_add_array(&row, "includes");
        dialplan_includes_each(c, print_include, &row);
        json_end_array(&row);
        request_row_end(q, &row);
    }
}

/* ---- publications received ---- */

void print_inbound(struct json *row, const struct inbound_publication_view *v)
{
    json_add_str(row, "extension", v->extension);
    json_add_str(row, "context", v->context);
    json_add_str(row, "event", v->package);
    json_add_str(row, "publisher", v->publisher);
    json_add_str(row, "entity_tag", v->etag);
    json_add_str(row, "call_id", v->call_id);
    json_add_str(row, "content_type", v->content_type);
    json_add_u64(row, "body_len", v->body_len);
    json_add_u64(row, "expires_s", v->expires_s);
    json_add_u64(row, "published_ms", v->published_wall_ms);
    json_add_u64(row, "changed_ms", v->changed_wall_ms);
}

static void on_publication(void *ctx, const struct inbound_publication_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants_resource(q, v->extension, v->context))
        return;
    row = request_row(q);
    print_inbound(&row, v);
    request_row_end(q, &row);
}

void state_publications(struct ctl_job *job, void *subject)
{
    publication_store_each(((struct ctl_state *)subject)->publications, on_publication,
                           request_of(job));
}

/* ---- mailboxes ---- */

static void on_mailbox(void *ctx, const struct mailbox_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants(q, v->mailbox))
        return;
    row = request_row(q);
    json_add_str(&row, "mailbox", v->mailbox);
    json_add_u64(&row, "new", v->new_count);
    json_add_u64(&row, "old", v->old_count);
    json_add_str(&row, "source", v->source);
    json_add_u64(&row, "sources", v->n_sources);
    print_stale(&row, v->stale);
    request_row_end(q, &row);
}

void state_mailboxes(struct ctl_job *job, void *subject)
{
    mailboxes_each(((struct ctl_state *)subject)->mailboxes, on_mailbox, request_of(job));
}

static void answer_mailbox(struct ctl_request *q, int r)
{
    if (r == MAILBOX_BAD_NAME)
        request_fail(q, "usage", "mailbox name \"%.*s\" is empty or longer than 79 bytes",
                     STR_FMT(request_text(q, "mailbox")));
    else if (r < 0)
        request_fail(q, "failed", "%s", strerror(-r));
}

void state_mailbox_change(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    uint32_t new_count, old_count;

    if (refused(q, subject))
        return;
    if (request_u32(q, "new", &new_count) || request_u32(q, "old", &old_count)) {
        request_fail(q, "usage", "new and old are numbers of messages");
        return;
    }
    answer_mailbox(q, mailbox_set(((struct ctl_state *)subject)->mailboxes, source_of(q),
                                  request_text(q, "mailbox"), new_count, old_count));
}

void state_mailbox_drop(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct str mailbox = request_text(q, "mailbox"), source = source_of(q);
    int r;

    if (refused(q, subject))
        return;
    r = mailbox_forget(((struct ctl_state *)subject)->mailboxes, source, mailbox);
    if (r == MAILBOX_UNCHANGED)
        request_fail(q, "not_found", "source \"%.*s\" says nothing about mailbox \"%.*s\"",
                     STR_FMT(source), STR_FMT(mailbox));
    else
        answer_mailbox(q, r);
}

/* ---- other servers ---- */

static void on_source(void *ctx, const struct asterisk_source_view *v)
{
    struct ctl_request *q = ctx;
    struct json row = request_row(q);

    json_add_str(&row, "eid", v->eid);
    json_add_str(&row, "protocol", STR("publish"));
    json_add_u64(&row, "heard_ms", v->heard_wall_ms);
    json_add_u64(&row, "devices", v->devices);
    json_add_u64(&row, "mailboxes", v->mailboxes);
    json_add_u64(&row, "publications", v->publications);
    if (v->lapsing)
        json_add_u64(&row, "lapses_s", v->lapses_s);
    request_row_end(q, &row);
}

void state_sources(struct ctl_job *job, void *subject)
{
    asterisk_sources_each(((struct ctl_state *)subject)->sources, on_source, request_of(job));
}

void state_status(struct ctl_job *job, void *subject)
{
    state_counters_get(core_of(subject), &request_of(job)->state);
    publication_counters_get(((struct ctl_state *)subject)->publications,
                             &request_of(job)->publications);
    asterisk_sources_counters_get(((struct ctl_state *)subject)->sources,
                                  &request_of(job)->sources);
    request_of(job)->mailbox_bytes = mailboxes_bytes(((struct ctl_state *)subject)->mailboxes);
    if (((struct ctl_state *)subject)->contacts)
        contacts_counters_get(((struct ctl_state *)subject)->contacts, &request_of(job)->contacts);
}
