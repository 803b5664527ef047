// SPDX-License-Identifier: MIT
/* watcher_info.c - application/watcherinfo+xml, RFC 3858: who watches a resource in a package. */
#include "body/builtin.h"

static const char *const status_names[] = {
    [ES_WATCHER_PENDING] = "pending",
    [ES_WATCHER_ACTIVE] = "active",
    [ES_WATCHER_WAITING] = "waiting",
    [ES_WATCHER_TERMINATED] = "terminated",
};

static const char *const event_names[] = {
    [ES_WATCHER_SUBSCRIBE] = "subscribe",     [ES_WATCHER_APPROVED] = "approved",
    [ES_WATCHER_DEACTIVATED] = "deactivated", [ES_WATCHER_PROBATION] = "probation",
    [ES_WATCHER_REJECTED] = "rejected",       [ES_WATCHER_TIMEOUT] = "timeout",
    [ES_WATCHER_GIVEUP] = "giveup",           [ES_WATCHER_NORESOURCE] = "noresource",
};

/* Who has gone is news, and no part of what there is. */
static bool is_told(const struct es_watcher *w, bool partial)
{
    return partial ? w->changed : w->status != ES_WATCHER_TERMINATED;
}

static void watcher_print(const struct es_document_api *api, struct es_node *list,
                          const struct es_watcher *w)
{
    struct es_node *n = api->child(list, "watcher");

    api->attribute(n, "id", w->id);
    api->attribute(n, "status", es_text_of(status_names[w->status]));
    api->attribute(n, "event", es_text_of(event_names[w->event]));
    if (w->display.n)
        api->attribute(n, "display-name", w->display);
    api->text(n, w->uri);
}

/* "presence" of "presence.winfo". */
static struct es_text watched_package(struct es_text package)
{
    const size_t suffix = sizeof(".winfo") - 1;

    package.n = package.n > suffix ? package.n - suffix : 0;
    return package;
}

static int watcher_info_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_document_api *api = rq->api;
    const struct es_snapshot *s = rq->snapshot;
    bool partial = rq->flags & ES_FLAG_PARTIAL;
    struct es_node *root = api->root(out, "watcherinfo"), *list;

    api->attribute(root, "xmlns", ES_TEXT("urn:ietf:params:xml:ns:watcherinfo"));
    api->attribute_slot(root, "version", ES_SLOT_VERSION, NULL);
    api->attribute(root, "state", es_text_of(partial ? "partial" : "full"));
    list = api->child(root, "watcher-list");
    api->attribute_slot(list, "resource", ES_SLOT_LOCAL, NULL);
    api->attribute(list, "package", watched_package(s->package));
    for (size_t i = 0; i < s->n_watchers; i++)
        if (is_told(&s->watchers[i], partial))
            watcher_print(api, list, &s->watchers[i]);
    return 0;
}

const struct es_body_generator watcher_info_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "watcherinfo",
    .package = "winfo",
    .content_type = "application/watcherinfo+xml",
    .generate = watcher_info_generate,
};
