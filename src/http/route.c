// SPDX-License-Identifier: MIT
#include "http/http_internal.h"

static const struct route routes[] = {
    { HTTP_GET, "/", RIGHT_NONE, page_get },
    { HTTP_GET, "/style.css", RIGHT_NONE, page_get },
    { HTTP_GET, "/app.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/server.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/board.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/panel.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/tables.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/telephone.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/jssip.js", RIGHT_NONE, page_get },
    { HTTP_GET, "/metrics", RIGHT_READ, metrics_get },
    { HTTP_GET, "/health/live", RIGHT_NONE, rest_live },
    { HTTP_GET, "/health/ready", RIGHT_NONE, rest_ready },
    { HTTP_GET, "/v1/session", RIGHT_NONE, rest_session_get },
    { HTTP_POST, "/v1/session", RIGHT_NONE, rest_session_post },
    { HTTP_DELETE, "/v1/session", RIGHT_NONE, rest_session_delete },
    { HTTP_GET, "/v1/status", RIGHT_READ, rest_members, "status" },
    { HTTP_GET, "/v1/devices", RIGHT_READ, rest_list, "devstate.list", "devices" },
    { HTTP_GET, "/v1/devices/", RIGHT_READ, rest_one, "devstate.list", "device" },
    { HTTP_PUT, "/v1/devices/", RIGHT_WRITE, rest_device_put },
    { HTTP_DELETE, "/v1/devices/", RIGHT_WRITE, rest_device_delete },
    { HTTP_GET, "/v1/presence", RIGHT_READ, rest_list, "presence.list", "presence" },
    { HTTP_GET, "/v1/presence/", RIGHT_READ, rest_one, "presence.list", "provider" },
    { HTTP_PUT, "/v1/presence/", RIGHT_WRITE, rest_presence_put },
    { HTTP_DELETE, "/v1/presence/", RIGHT_WRITE, rest_presence_delete },
    { HTTP_GET, "/v1/mailboxes", RIGHT_READ, rest_list, "mailbox.list", "mailboxes" },
    { HTTP_GET, "/v1/mailboxes/", RIGHT_READ, rest_one, "mailbox.list", "mailbox" },
    { HTTP_PUT, "/v1/mailboxes/", RIGHT_WRITE, rest_mailbox_put },
    { HTTP_DELETE, "/v1/mailboxes/", RIGHT_WRITE, rest_mailbox_delete },
    { HTTP_POST, "/v1/changes", RIGHT_WRITE, rest_changes },
    { HTTP_GET, "/v1/hints", RIGHT_READ, rest_list, "hints", "hints" },
    { HTTP_GET, "/v1/hints/", RIGHT_READ, rest_one, "hints", "hint" },
    { HTTP_GET, "/v1/explain/", RIGHT_READ, rest_explain, "explain", "parts" },
    { HTTP_GET, "/v1/history", RIGHT_READ, rest_history, "history", "changes" },
    { HTTP_GET, "/v1/subscriptions", RIGHT_READ, rest_list, "subscriptions", "subscriptions" },
    { HTTP_GET, "/v1/publications", RIGHT_READ, rest_list, "publications", "publications" },
    { HTTP_GET, "/v1/publications/received", RIGHT_READ, rest_list, "publications.inbound",
      "publications" },
    { HTTP_GET, "/v1/publishers", RIGHT_READ, rest_list, "publishers", "publishers" },
    { HTTP_GET, "/v1/events", RIGHT_READ, events_get },
    { HTTP_GET, "/v1/sources", RIGHT_READ, rest_list, "sources", "sources" },
    { HTTP_GET, "/v1/contacts", RIGHT_READ, rest_list, "contacts", "contacts" },
    { HTTP_GET, "/v1/notices", RIGHT_READ, rest_list, "mailbox.told", "notices" },
    { HTTP_GET, "/ari/deviceStates", RIGHT_READ, ari_devices },
    { HTTP_GET, "/ari/deviceStates/", RIGHT_READ, ari_device },
    { HTTP_PUT, "/ari/deviceStates/", RIGHT_WRITE, ari_device_put },
    { HTTP_DELETE, "/ari/deviceStates/", RIGHT_WRITE, ari_device_delete },
    { HTTP_GET, "/ari/applications", RIGHT_READ, ari_apps },
    { HTTP_GET, "/ari/applications/", RIGHT_READ, ari_app },
    { HTTP_POST, "/ari/applications/", RIGHT_READ, ari_app_subscribe },
    { HTTP_DELETE, "/ari/applications/", RIGHT_READ, ari_app_unsubscribe },
    { HTTP_GET, "/ari/mailboxes", RIGHT_READ, ari_mailboxes },
    { HTTP_GET, "/ari/mailboxes/", RIGHT_READ, ari_mailbox },
    { HTTP_PUT, "/ari/mailboxes/", RIGHT_WRITE, ari_mailbox_put },
    { HTTP_DELETE, "/ari/mailboxes/", RIGHT_WRITE, ari_mailbox_delete },
};

static const struct str method_names[HTTP_METHODS] = {
    [HTTP_GET] = STR_INIT("GET"),       [HTTP_HEAD] = STR_INIT("HEAD"),
    [HTTP_PUT] = STR_INIT("PUT"),       [HTTP_POST] = STR_INIT("POST"),
    [HTTP_DELETE] = STR_INIT("DELETE"),
};

static bool path_matches(const struct route *r, struct str path, struct str *name)
{
    struct str own = str_of(r->path);

    if (own.n > 1 && own.p[own.n - 1] == '/') {
        *name = str_sub(path, own.n, path.n);
        return path.n > own.n && str_starts(path, own);
    }
    *name = STR_EMPTY;
    return str_equal(path, own);
}

static void allow_add(struct buf *allow, enum http_method method)
{
    if (allow->n)
        buf_add(allow, STR(", "));
    buf_add(allow, method_names[method]);
    if (method == HTTP_GET)
        buf_add(allow, STR(", HEAD"));
}

const struct route *route_find(const struct http_request *rq, struct str *name, struct buf *allow)
{
    enum http_method method = rq->method == HTTP_HEAD ? HTTP_GET : rq->method;
    const struct route *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const struct route *r = &routes[i];
        struct str rest;

        if (!path_matches(r, rq->path, &rest))
            continue;
        if (r->method == method) {
            found = r;
            *name = rest;
            break;
        }
        allow_add(allow, r->method);
    }
    return found;
}
