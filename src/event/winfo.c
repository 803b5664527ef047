// SPDX-License-Identifier: MIT
/* Watcher information, RFC 3857, as its source: what becomes of subscriptions, told to whoever
 * collects it for the resource. */
#include "event/event_internal.h"

#include <stdlib.h>

struct winfo { /* somebody wants to know who watches this */
    struct map_node node;
    uint64_t generation;
    struct resource_name of;
    char text[];
};

static uint64_t winfo_hash(const struct notifier *n, const struct resource_name *of)
{
    return map_hash_mix(map_hash(&n->winfos, of->context), map_hash(&n->winfos, of->extension));
}

static bool winfo_is(const struct map_node *node, const void *key)
{
    const struct resource_name *a = &CONTAINER_OF(node, const struct winfo, node)->of;
    const struct resource_name *b = key;

    return str_equal(a->extension, b->extension) && str_equal(a->context, b->context) &&
           str_equal(a->package, b->package);
}

static struct winfo *winfo_find(const struct notifier *n, const struct resource_name *of)
{
    struct map_node *node = map_find(&n->winfos, winfo_hash(n, of), winfo_is, of);

    return node ? CONTAINER_OF(node, struct winfo, node) : NULL;
}

/* ---- reports ---- */

static struct resource_name watched_in(const struct subscription *s, const struct watched *w)
{
    const struct snapshot *snap = w->newest;
    struct str package = snap->package;

    if (!package.n)
        package = str_equal_nocase(sub_package(s), STR("dialog")) ? STR("dialog") : STR("presence");
    return (struct resource_name){ package, snap->context, snap->extension };
}

static struct resource_name watched_by(const struct subscription *s)
{
    return watched_in(s, s->resource);
}

static void report_in(const struct subscription *s, const struct watched *resource,
                      uint64_t generation, enum es_watcher_status status,
                      enum es_watcher_event event)
{
    const struct notifier_port *port = &s->dialog->notifier->cfg.port;
    const struct dialog_head *h = s->dialog->head;
    char room[2 * EVENT_URI_MAX];
    struct buf uri;

    buf_init_on(&uri, room, sizeof(room));
    subscriber_uri_add(&uri, head_str(h, HEAD_REMOTE_URI));
    port->watcher(port->ctx, &(struct watcher_report){ .of = watched_in(s, resource),
                                                       .generation = generation,
                                                       .number = s->number,
                                                       .endpoint = dialog_endpoint(s->dialog),
                                                       .uri = buf_str(&uri),
                                                       .display = sub_text(s, SUB_DISPLAY),
                                                       .status = status,
                                                       .event = event });
}

static void report(const struct subscription *s, uint64_t generation, enum es_watcher_status status,
                   enum es_watcher_event event)
{
    report_in(s, s->resource, generation, status, event);
}

static enum es_watcher_event event_of(const struct subscription *s)
{
    static const enum es_watcher_event events[END_REASONS] = {
        [END_NONE] = ES_WATCHER_TIMEOUT, /* its NOTIFY was not answered, or refused */
        [END_TIMEOUT] = ES_WATCHER_TIMEOUT,     [END_NORESOURCE] = ES_WATCHER_NORESOURCE,
        [END_REJECTED] = ES_WATCHER_REJECTED,   [END_DEACTIVATED] = ES_WATCHER_DEACTIVATED,
        [END_PROBATION] = ES_WATCHER_PROBATION, [END_GIVEUP] = ES_WATCHER_GIVEUP,
    };

    return events[s->reason];
}

static void report_end(const struct subscription *s, const struct winfo *w, bool pending)
{
    enum es_watcher_event event = event_of(s);
    bool waits = pending && event == ES_WATCHER_TIMEOUT;

    if (w || waits)
        report(s, w ? w->generation : 0, waits ? ES_WATCHER_WAITING : ES_WATCHER_TERMINATED, event);
}

/* Figure 1 of section 4.7.1; an authorised fetch is no watcher (section 4.7.2). */
void winfo_moved(const struct subscription *s, enum sub_state from)
{
    struct notifier *n = s->dialog->notifier;
    bool ran = from == SUB_ACTIVE || from == SUB_PENDING;
    struct resource_name of;
    const struct winfo *w;

    if (s->winfo || !s->resource || n->destroying || (!n->winfos.count && from != SUB_PENDING))
        return;
    of = watched_by(s);
    w = winfo_find(n, &of);
    if (ran && !sub_runs(s)) {
        if (s->expires_s || from == SUB_PENDING)
            report_end(s, w, from == SUB_PENDING);
    } else if (w && s->expires_s && sub_runs(s)) {
        report(s, w->generation, s->state == SUB_PENDING ? ES_WATCHER_PENDING : ES_WATCHER_ACTIVE,
               ran ? ES_WATCHER_APPROVED : ES_WATCHER_SUBSCRIBE);
    }
}

static void report_running(const struct subscription *s, const struct watched *resource,
                           uint64_t generation)
{
    report_in(s, resource, generation,
              s->state == SUB_PENDING ? ES_WATCHER_PENDING : ES_WATCHER_ACTIVE,
              s->approved ? ES_WATCHER_APPROVED : ES_WATCHER_SUBSCRIBE);
}

/* There it is another watcher. Of the same name it is told once more: its watchers may have been
 * asked for in between. */
void winfo_follows(struct subscription *s, const struct watched *to)
{
    struct notifier *n = s->dialog->notifier;
    struct resource_name from_name = watched_by(s), to_name = watched_in(s, to);
    const struct winfo *w;

    if (s->winfo)
        return;
    if (!watched_is_limbo(s->resource) && !resource_name_equal(&from_name, &to_name)) {
        w = winfo_find(n, &from_name);
        if (w)
            report(s, w->generation, ES_WATCHER_TERMINATED, ES_WATCHER_NORESOURCE);
        s->number = ++n->last_number;
    }
    w = winfo_find(n, &to_name);
    if (w)
        report_running(s, to, w->generation);
}

/* ---- who asks ---- */

static void list_report(const struct winfo *w, const struct list *subscriptions)
{
    LIST_FOREACH (it, subscriptions) {
        const struct subscription *s = CONTAINER_OF(it, const struct subscription, of_resource);

        if (sub_runs(s) && str_equal(watched_by(s).package, w->of.package))
            report_running(s, s->resource, w->generation);
    }
}

static struct winfo *winfo_create(struct notifier *n, const struct resource_name *of,
                                  uint64_t generation)
{
    struct winfo *w = malloc(sizeof(*w) + of->package.n + of->context.n + of->extension.n);
    char *at;

    if (!w)
        return NULL;
    *w = (struct winfo){ .generation = generation, .of = *of };
    at = w->text;
    str_keep(&w->of.package, &at);
    str_keep(&w->of.context, &at);
    str_keep(&w->of.extension, &at);
    map_add(&n->winfos, &w->node, winfo_hash(n, of));
    return w;
}

void notifier_winfo_start(struct notifier *n, const struct resource_name *of, uint64_t resource_id,
                          uint64_t generation)
{
    const struct winfo *w = winfo_create(n, of, generation);
    const struct watched *there = watched_by_id(n, resource_id);

    if (!w) /* who asks is not kept waiting for what will not come */
        log_error(n->cfg.log, "notifier.winfo", KV("resource", of->extension), KV_ERR(-ENOMEM));
    if (w && there) {
        list_report(w, &there->told);
        list_report(w, &there->behind);
    }
    n->cfg.port.watcher(n->cfg.port.ctx,
                        &(struct watcher_report){ .of = *of, .generation = generation });
}

static void winfo_destroy(struct notifier *n, struct winfo *w)
{
    map_remove(&n->winfos, &w->node);
    free(w);
}

void notifier_winfo_stop(struct notifier *n, const struct resource_name *of)
{
    struct winfo *w = winfo_find(n, of);

    if (w)
        winfo_destroy(n, w);
}

void winfo_fini(struct notifier *n)
{
    if (n->winfos.buckets)
        MAP_FOREACH_SAFE (node, &n->winfos)
            winfo_destroy(n, CONTAINER_OF(node, struct winfo, node));
    map_fini(&n->winfos);
}
