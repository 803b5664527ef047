// SPDX-License-Identifier: MIT
/* What a name means that somebody asks about: an extension, a resource list, the messages of an AOR
 * or those of one mailbox, what is published for another package, who watches; perhaps several of
 * these at once. On the state thread. */
#include "ctl/subject.h"

#include "feed/change_json.h"
#include "state/list_state.h"

#include <stdlib.h>

/* ---- names ---- */

void search_add_line(struct buf *lines, struct str line)
{
    if (lines->n)
        buf_add_char(lines, '\n');
    buf_add(lines, line);
}

static void line_add(struct buf *lines, struct str context, struct str extension)
{
    char room[512];
    struct buf line;

    buf_init_on(&line, room, sizeof(room));
    change_print_resource(&line, context, extension);
    if (!line.error && !str_is_line(buf_str(&line), buf_str(lines)))
        search_add_line(lines, buf_str(&line));
}

void search_add_word(struct search *f, struct str name)
{
    buf_add(&f->q->of.words, name);
    buf_add_char(&f->q->of.words, '&');
}

void request_add_resource(struct json *row, const char *key, struct str context,
                          struct str extension)
{
    char room[512];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    change_print_resource(&b, context, extension);
    json_add_str(row, key, buf_str(&b));
}

void search_add(struct search *f, const struct snapshot *s, bool having)
{
    struct ctl_request *q = f->q;

    for (size_t i = 0; i < q->of.n; i++)
        if (q->of.all[i].snapshot->resource_id == s->resource_id) {
            q->of.all[i].having &= having;
            line_add(having ? &q->of.lists : &q->of.names, s->context, s->extension);
            return;
        }
    if (ARRAY_GROW(q->of.all, q->of.n)) {
        request_fail(q, "failed", "there is no memory");
        return;
    }
    q->of.all[q->of.n++] = (struct subject){ snapshot_ref(s), having };
    line_add(having ? &q->of.lists : &q->of.names, s->context, s->extension);
}

void subjects_fini(struct ctl_request *q)
{
    for (size_t i = 0; i < q->of.n; i++)
        snapshot_unref(q->of.all[i].snapshot);
    free(q->of.all);
    buf_fini(&q->of.names);
    buf_fini(&q->of.words);
    buf_fini(&q->of.members);
    buf_fini(&q->of.lists);
    buf_fini(&q->of.mailboxes);
    buf_fini(&q->of.endpoints);
    buf_fini(&q->of.absent);
    buf_fini(&q->of.contacted);
}

/* ---- what all have ---- */

void search_add_given(struct json *row, const char *key, struct str text)
{
    if (text.n)
        json_add_str(row, key, text);
}

void search_add_made(struct json *row, const struct snapshot *s)
{
    json_add_u64(row, "sequence", s->sequence);
    json_add_u64(row, "changed_ms", s->changed_wall_ms);
    if (!s->package.n)
        json_add_u64(row, "since_ms", s->since_wall_ms);
    print_stale(row, s->stale);
    json_add_u64(row, "cause", s->cause.number);
    json_add_str(row, "source", s->cause.source);
    if (s->cause.away)
        json_add_u64(row, "away_s", s->cause.grace_s);
}

static void on_publication(void *ctx, const struct inbound_publication_view *v)
{
    struct search *f = ctx;
    struct json row;

    if (!v->etag.n) /* what mailboxes make of it: they are told themselves */
        return;
    row = request_part(f->q, "publication");
    print_inbound(&row, v);
    request_row_end(f->q, &row);
}

void search_publications(struct search *f, const struct snapshot *s)
{
    const struct resource_name name = { s->package, s->context, s->extension };

    if (f->tells)
        publication_resource_each(f->state->publications, &name, on_publication, f);
}

/* ---- an extension ---- */

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

static void tell_hint(struct search *f, const struct state_hint_view *v,
                      enum composition_order order)
{
    const struct snapshot *s = v->snapshot;
    struct json row = request_part(f->q, "resource");

    request_add_resource(&row, "resource", s->context, s->extension);
    json_add_str(&row, "state", extension_state_text(s->state));
    json_add_str(&row, "presence", presence_state_name(s->presence));
    search_add_given(&row, "subtype", s->presence_subtype);
    search_add_given(&row, "message", s->presence_message);
    json_add_bool(&row, "has_hint", s->has_hint);
    if (s->has_hint) {
        json_add_str(&row, "hint", s->hint);
        search_add_given(&row, "name", s->hint_name);
        json_add_str(&row, "hint_state", extension_state_text(s->hint_state));
        json_add_bool(&row, "autohint", v->autohint);
        search_add_given(&row, "file", v->file);
        json_add_u64(&row, "line", v->line);
    }
    json_add_bool(&row, "published", v->published);
    json_add_str(&row, "order", order_name(order));
    search_add_made(&row, s);
    request_row_end(f->q, &row);
}

static void on_hint(void *ctx, const struct state_hint_view *v, enum composition_order order)
{
    struct search *f = ctx;

    search_add(f, v->snapshot, false);
    if (f->tells)
        tell_hint(f, v, order);
}

struct str device_endpoint(struct str device)
{
    return str_starts(device, STR("PJSIP/")) ? str_sub(device, sizeof("PJSIP/") - 1, device.n)
                                             : STR_EMPTY;
}

static void on_device(void *ctx, const struct state_device_view *v)
{
    struct search *f = ctx;
    struct json row;

    search_add_word(f, v->device);
    if (f->state->contacts && v->known && !v->n_sources && v->state == DEVICE_UNAVAILABLE &&
        device_endpoint(v->device).n)
        search_add_line(&f->q->of.absent, device_endpoint(v->device));
    if (!f->tells)
        return;
    row = request_part(f->q, "device");
    print_device(&row, v);
    json_add_bool(&row, "known", v->known);
    request_row_end(f->q, &row);
    if (!v->known)
        request_trouble(f->q, "unknown_device",
                        "no source says anything about %.*s, and no endpoint is it",
                        STR_FMT(v->device));
}

static void on_presence(void *ctx, const struct state_presence_view *v, bool known)
{
    struct search *f = ctx;
    struct json row;

    search_add_word(f, v->provider);
    if (!f->tells)
        return;
    row = request_part(f->q, "presence");
    print_presence(&row, v);
    json_add_bool(&row, "known", known);
    request_row_end(f->q, &row);
}

static void on_list_having(void *ctx, const struct snapshot *list)
{
    struct search *f = ctx;
    struct json row;

    search_add(f, list, true);
    if (!f->tells)
        return;
    row = request_part(f->q, "list");
    request_add_resource(&row, "resource", list->context, list->extension);
    json_add_str(&row, "event", list_event(list->package));
    request_row_end(f->q, &row);
}

void search_having(struct search *f, const struct snapshot *s)
{
    if (f->state->lists)
        resource_lists_having(f->state->lists, s->resource_id, on_list_having, f);
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
        request_trouble(
            q, "unreachable", "%.*s looks in context %.*s, where nothing leads to %.*s@%.*s",
            STR_FMT(str_sub(endpoint, 0, 79)), STR_FMT(request_text(q, "endpoint_context")),
            STR_FMT(s->extension), STR_FMT(s->context));
    else if (there->resource_id != s->resource_id)
        request_trouble(q, "unreachable", "%.*s looks in context %.*s, where %.*s is %.*s@%.*s",
                        STR_FMT(str_sub(endpoint, 0, 79)),
                        STR_FMT(request_text(q, "endpoint_context")),
                        STR_FMT(str_sub(request_text(q, "extension"), 0, 79)),
                        STR_FMT(there->extension), STR_FMT(there->context));
    snapshot_unref(there);
}

static bool find_extension(struct search *f)
{
    const struct state_look look = {
        .hint = on_hint, .device = on_device, .presence = on_presence, .ctx = f
    };
    struct resource_name name = { .context = request_text(f->q, "context"),
                                  .extension = request_text(f->q, "extension") };
    const struct snapshot *s, *at;
    int r;

    if (!name.context.n)
        return false;
    s = state_look_up(f->state, name.context, name.extension);
    if (s)
        name = (struct resource_name){ .context = s->context, .extension = s->extension };
    r = state_look(f->state->core, &name, &look);
    at = r == 0 ? state_find(f->state->core, &name) : NULL;
    if (at) {
        search_publications(f, at);
        search_having(f, at);
        if (f->tells)
            check_reach(f->q, f->state, at);
    }
    snapshot_unref(s);
    return r == 0;
}

/* ---- all of them ---- */

void subjects_find(struct ctl_request *q, const struct ctl_state *state, bool tell)
{
    struct str context = request_text(q, "context"), extension = request_text(q, "extension");
    struct search f = { .q = q, .state = state, .tells = tell };

    line_add(&q->of.names, context, extension);
    f.found = find_extension(&f);
    search_others(&f);
    q->of.found = f.found;
    if (q->of.names.error || q->of.words.error || q->of.members.error || q->of.lists.error ||
        q->of.mailboxes.error || q->of.endpoints.error || q->of.absent.error)
        request_fail(q, "failed", "there is no memory");
}
