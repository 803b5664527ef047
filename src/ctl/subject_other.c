// SPDX-License-Identifier: MIT
/* What is no lamp: resource lists, messages of AORs and mailboxes, what is published for other
 * packages, who watches. */
#include "ctl/subject.h"

#include "feed/change_json.h"
#include "state/list_state.h"
#include "state/watcher.h"

#include <stdio.h>

/* ---- a resource list ---- */

static void add_lamp(struct json *row, const struct snapshot *s)
{
    json_add_str(row, "state", extension_state_text(s->state));
    if (s->presence == PRESENCE_NOT_SET)
        return;
    json_add_str(row, "presence", presence_state_name(s->presence));
    search_add_given(row, "subtype", s->presence_subtype);
    search_add_given(row, "message", s->presence_message);
}

/* That one, as it is now: a list does not follow what is only stale, or no more. */
static const struct snapshot *newest_of(const struct search *f, const struct snapshot *s)
{
    const struct resource_name name = { s->package, s->context, s->extension };
    const struct snapshot *newest = state_find(f->state->core, &name);

    return newest && newest->resource_id == s->resource_id && newest->sequence == s->sequence
               ? newest
               : s;
}

static void tell_member(struct search *f, const struct list_item *item)
{
    const struct snapshot *s = item->snapshot ? newest_of(f, item->snapshot) : NULL;
    struct json row = request_part(f->q, "member");

    json_add_str(&row, "list", f->name);
    json_add_str(&row, "item", item->user);
    json_add_u64(&row, "level", item->level);
    if (item->is_list)
        json_add_bool(&row, "is_list", true);
    else
        json_add_bool(&row, "known", s != NULL);
    search_add_given(&row, "name", item->name);
    if (s) {
        request_add_resource(&row, "resource", s->context, s->extension);
        search_add_given(&row, "package", s->package);
        if (!s->package.n)
            add_lamp(&row, s);
        change_print_contents(s, &row);
        search_add_made(&row, s);
    }
    request_row_end(f->q, &row);
}

static void find_member(struct search *f, const struct list_item *item)
{
    const struct snapshot *s = item->snapshot;

    if (f->tells)
        tell_member(f, item);
    if (s) {
        search_add_line(&f->q->of.members, STR_EMPTY);
        change_print_resource(&f->q->of.members, s->context, s->extension);
        if (s->has_hint)
            search_add_word(f, s->hint);
    } else if (!item->is_list && !f->unknown++) {
        snprintf(f->first, sizeof(f->first), "%.*s", STR_FMT(item->user));
    }
}

static void list_troubles(struct search *f, const struct resource_list_view *v)
{
    struct str endpoint = request_text(f->q, "endpoint");
    struct str there = request_text(f->q, "endpoint_context");
    size_t members = 0;

    for (size_t i = 0; i < v->state->n; i++)
        members += !v->state->items[i].is_list;
    if (f->unknown == members)
        request_trouble(f->q, "empty_list",
                        "the list shows nothing: none of its %zu members is there; the first is %s",
                        members, f->first);
    else if (f->unknown)
        request_trouble(f->q, "unknown_member",
                        "%zu of its %zu members %s not there: nothing has %s name; the first is %s",
                        f->unknown, members, f->unknown == 1 ? "is" : "are",
                        f->unknown == 1 ? "its" : "their", f->first);
    if (endpoint.n && v->name.context.n && !str_equal(v->name.context, there))
        request_trouble(f->q, "unreachable",
                        "%.*s looks in context %.*s, where the list has that context's members",
                        STR_FMT(str_sub(endpoint, 0, 79)), STR_FMT(there));
}

static void tell_list(struct search *f, const struct resource_list_view *v)
{
    struct json row = request_part(f->q, "resource");

    json_add_str(&row, "resource", f->name);
    json_add_str(&row, "package", v->name.package);
    json_add_str(&row, "event", v->of->event);
    json_add_u64(&row, "members", v->state->n);
    json_add_bool(&row, "full_state", v->of->full_state);
    json_add_u64(&row, "batch_ms", v->of->batch_ms);
    search_add_given(&row, "file", v->of->at.file);
    json_add_u64(&row, "line", v->of->at.line);
    json_add_bool(&row, "watched", v->snapshot != NULL);
    if (v->snapshot)
        search_add_made(&row, v->snapshot);
    request_row_end(f->q, &row);
}

static void on_list(void *ctx, const struct resource_list_view *v)
{
    struct search *f = ctx;
    char room[512];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    change_print_resource(&name, v->name.context, v->name.extension);
    f->name = buf_str(&name);
    f->unknown = 0;
    if (v->snapshot)
        search_add(f, v->snapshot, false);
    if (f->tells)
        tell_list(f, v);
    for (size_t i = 0; i < v->state->n; i++)
        find_member(f, &v->state->items[i]);
    if (f->tells)
        list_troubles(f, v);
    f->found = true;
}

/* ---- messages ---- */

struct reports { /* of one mailbox */
    struct search *search;
    struct json row;
    struct mailbox_counts newest;
    size_t n;
};

static void on_report(void *ctx, const struct mailbox_report *r)
{
    struct reports *reports = ctx;
    struct json *row = &reports->row;

    if (!reports->n++)
        reports->newest = r->counts;
    json_add_object(row, NULL);
    json_add_str(row, "source", r->source);
    json_add_u64(row, "new", r->counts.new_count);
    json_add_u64(row, "old", r->counts.old_count);
    json_add_u64(row, "changed_ms", r->changed_wall_ms);
    print_stale(row, r->stale);
    json_end_object(row);
}

static void on_elsewhere(void *ctx, const struct resource_name *name)
{
    (void)ctx;
    (void)name;
}

static void tell_mailbox(struct search *f, struct str mailbox)
{
    struct reports reports = { .search = f, .row = request_part(f->q, "mailbox") };

    json_add_str(&reports.row, "mailbox", mailbox);
    json_add_array(&reports.row, "sources");
    (void)!mailbox_explain(f->state->mailboxes, mailbox, on_report, on_elsewhere, &reports);
    json_end_array(&reports.row);
    json_add_bool(&reports.row, "known", reports.n > 0);
    json_add_u64(&reports.row, "new", reports.newest.new_count);
    json_add_u64(&reports.row, "old", reports.newest.old_count);
    request_row_end(f->q, &reports.row);
    if (!reports.n)
        request_trouble(f->q, "unknown_mailbox",
                        "no source says anything about mailbox %.*s: it counts as empty",
                        STR_FMT(mailbox));
}

static void find_unasked(struct search *f, struct str mailbox)
{
    const struct settings *s = f->state->settings;

    for (size_t i = 0; s && i < s->n_endpoints; i++) {
        struct str rest = s->endpoints[i].mailboxes, name;

        while (mailbox_next(&rest, &name))
            if (str_equal(name, mailbox)) {
                search_add_line(&f->q->of.endpoints, s->endpoints[i].id);
                f->shown = true;
            }
    }
}

/* Once, however many of the message-summaries it is in. */
static void on_mailbox(void *ctx, struct str mailbox)
{
    struct search *f = ctx;

    if (str_is_line(mailbox, buf_str(&f->q->of.mailboxes)))
        return;
    search_add_line(&f->q->of.mailboxes, mailbox);
    search_add_word(f, mailbox);
    find_unasked(f, mailbox);
    f->found = true;
    if (f->tells)
        tell_mailbox(f, mailbox);
}

/* ---- what is no lamp ---- */

static void tell_other(struct search *f, const struct snapshot *s)
{
    struct json row = request_part(f->q, "resource");

    request_add_resource(&row, "resource", s->context, s->extension);
    json_add_str(&row, "package", s->package);
    json_add_str(&row, "event", s->package);
    change_print_contents(s, &row);
    json_add_bool(&row, "published", s->published != NULL);
    search_add_made(&row, s);
    request_row_end(f->q, &row);
}

static void find_other(struct search *f, const struct resource_name *name)
{
    const struct snapshot *s = state_find(f->state->core, name);
    size_t n = f->q->of.n;

    if (!s || !s->published)
        return;
    search_add(f, s, false);
    if (f->q->of.n == n) /* it has been found by another name */
        return;
    f->found = true;
    if (f->tells)
        tell_other(f, s);
    search_publications(f, s);
    search_having(f, s);
    (void)!mailbox_group_each(f->state->mailboxes, name, on_mailbox, f);
}

static void on_shown(void *ctx, const struct resource_name *name)
{
    struct search *f = ctx;

    find_other(f, name);
    f->shown = true;
}

static void on_said(void *ctx, const struct mailbox_report *report)
{
    (void)ctx;
    (void)report;
}

/* The one that is called so, whatever shows it. */
static void find_mailbox(struct search *f)
{
    struct str mailbox = request_text(f->q, "resource");

    if (mailbox_explain(f->state->mailboxes, mailbox, on_said, on_shown, f))
        return;
    on_mailbox(f, mailbox);
    if (f->tells && !f->shown)
        request_trouble(f->q, "not_shown",
                        "nothing has mailbox %.*s: no AOR to subscribe to, and no endpoint",
                        STR_FMT(str_sub(mailbox, 0, 79)));
}

static bool is_of_lamps(struct str package)
{
    return str_equal(package, STR("dialog")) || str_equal(package, STR("presence"));
}

static void find_package(struct search *f, struct str package)
{
    const struct str contexts[] = { STR_EMPTY, request_text(f->q, "context") };
    char room[128];
    struct buf watchers;

    buf_init_on(&watchers, room, sizeof(room));
    buf_add(&watchers, package);
    buf_add(&watchers, STR(WINFO_SUFFIX));
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        struct resource_name name = { package, contexts[i], request_text(f->q, "extension") };

        if (!is_of_lamps(package))
            find_other(f, &name);
        name.package = buf_str(&watchers);
        if (!watchers.error)
            find_other(f, &name);
    }
}

void search_others(struct search *f)
{
    const struct settings *s = f->state->settings;
    struct str context = request_text(f->q, "context"), name = request_text(f->q, "extension");

    if (f->state->lists && resource_lists_look(f->state->lists, context, name, on_list, f))
        request_fail(f->q, "failed", "there is no memory");
    find_package(f, STR("dialog"));
    find_package(f, STR("presence"));
    find_package(f, STR("message-summary"));
    for (size_t i = 0; s && i < s->n_compositors; i++)
        for (size_t k = 0; k < s->compositors[i].n_opaques; k++)
            find_package(f, s->compositors[i].opaques[k]);
    find_mailbox(f);
}
