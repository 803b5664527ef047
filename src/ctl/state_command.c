// SPDX-License-Identifier: MIT
/* What runs on the state thread. */
#include "ctl/ctl_internal.h"

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

static bool has_prefix(const struct ctl_request *q, struct str name)
{
    return str_starts_nocase(name, request_text(q, "prefix"));
}

static struct str source_of(const struct ctl_request *q)
{
    struct str source = request_text(q, "source");

    return source.n ? source : STR("ctl");
}

/* ---- devices ---- */

static void on_device(void *ctx, const struct state_device_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!has_prefix(q, v->device))
        return;
    row = request_row(q);
    json_add_str(&row, "device", v->device);
    json_add_str(&row, "state", device_state_name(v->state));
    json_add_str(&row, "text", device_state_text(v->state));
    json_add_u64(&row, "changed_ms", v->changed_wall_ms);
    json_add_array(&row, "sources");
    for (size_t i = 0; i < v->n_sources; i++) {
        json_add_object(&row, NULL);
        json_add_str(&row, "source", v->sources[i].source);
        json_add_str(&row, "state", device_state_name(v->sources[i].state));
        json_add_u64(&row, "changed_ms", v->sources[i].changed_wall_ms);
        json_end_object(&row);
    }
    json_end_array(&row);
    request_row_end(q, &row);
}

void state_devices(struct ctl_job *job, void *core)
{
    state_devices_each(core, on_device, request_of(job));
}

static void answer_change(struct ctl_request *q, int r, const char *what, struct str name)
{
    if (r == STATE_BAD_NAME)
        request_fail(q, "usage", "%s name \"%.*s\" is empty or longer than 79 bytes", what,
                     STR_FMT(name));
    else if (r < 0)
        request_fail(q, "failed", "%s", strerror(-r));
}

void state_device_change(struct ctl_job *job, void *core)
{
    struct ctl_request *q = request_of(job);
    struct str device = request_text(q, "device");
    enum device_state state;

    if (device_state_parse(&state, request_text(q, "state"))) {
        request_fail(q, "usage",
                     "\"%.*s\" is no device state; use one of UNKNOWN NOT_INUSE INUSE BUSY INVALID "
                     "UNAVAILABLE RINGING "
                     "RINGINUSE ONHOLD",
                     STR_FMT(request_text(q, "state")));
        return;
    }
    answer_change(q, state_device_set(core, source_of(q), device, state), "device", device);
}

void state_device_drop(struct ctl_job *job, void *core)
{
    struct ctl_request *q = request_of(job);
    struct str device = request_text(q, "device");

    answer_change(q, state_device_forget(core, source_of(q), device), "device", device);
}

/* ---- presence ---- */

static void on_presence(void *ctx, const struct state_presence_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!has_prefix(q, v->provider))
        return;
    row = request_row(q);
    json_add_str(&row, "provider", v->provider);
    json_add_str(&row, "state", presence_state_name(v->state));
    json_add_str(&row, "subtype", v->subtype);
    json_add_str(&row, "message", v->message);
    json_add_u64(&row, "changed_ms", v->changed_wall_ms);
    request_row_end(q, &row);
}

void state_presences(struct ctl_job *job, void *core)
{
    state_presences_each(core, on_presence, request_of(job));
}

void state_presence_change(struct ctl_job *job, void *core)
{
    struct ctl_request *q = request_of(job);
    struct str provider = request_text(q, "provider");
    enum presence_state state;

    if (!str_starts_nocase(provider, STR("CustomPresence:")) ||
        provider.n == sizeof("CustomPresence:") - 1) {
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
    answer_change(q,
                  state_presence_set(core, provider, state, request_text(q, "subtype"),
                                     request_text(q, "message")),
                  "provider", provider);
}

/* ---- hints ---- */

static void print_hint_state(struct json *row, const struct snapshot *s)
{
    json_add_str(row, "state", s ? extension_state_text(s->state) : STR("Unavailable"));
    json_add_str(row, "presence", s ? presence_state_name(s->presence) : STR("not_set"));
    if (!s)
        return;
    json_add_str(row, "presence_subtype", s->presence_subtype);
    json_add_str(row, "presence_message", s->presence_message);
    json_add_u64(row, "sequence", s->sequence);
    json_add_u64(row, "changed_ms", s->changed_wall_ms);
}

static void on_hint(void *ctx, const struct state_hint_view *v)
{
    struct ctl_request *q = ctx;
    struct str prefix = request_text(q, "prefix");
    struct buf full;
    struct json row;
    char room[512];

    buf_init_on(&full, room, sizeof(room));
    buf_add(&full, v->extension);
    buf_add_char(&full, '@');
    buf_add(&full, v->context);
    if (!str_starts_nocase(buf_str(&full), prefix))
        return;
    row = request_row(q);
    json_add_str(&row, "extension", v->extension);
    json_add_str(&row, "context", v->context);
    json_add_str(&row, "hint", v->hint);
    json_add_str(&row, "name", v->name);
    print_hint_state(&row, v->snapshot);
    json_add_u64(&row, "watchers", v->snapshot ? watchers_of(q, v->context, v->extension) : 0);
    json_add_bool(&row, "pattern", v->pattern);
    json_add_bool(&row, "autohint", v->autohint);
    json_add_str(&row, "file", v->file);
    json_add_u64(&row, "line", v->line);
    request_row_end(q, &row);
}

void state_hints(struct ctl_job *job, void *core)
{
    state_hints_each(core, on_hint, request_of(job));
}

void state_status(struct ctl_job *job, void *core)
{
    state_counters_get(core, &request_of(job)->state);
}
