// SPDX-License-Identifier: MIT
/* What runs on the workers' threads, one worker after the other: the request's buffers are never
 * shared. */
#include <stdlib.h>

#include "ctl/ctl_internal.h"

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

static void json_addr(struct json *out, const char *key, const struct addr *a)
{
    struct buf text;
    char room[80];

    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, a);
    json_add_str(out, key, buf_str(&text));
}

void print_subscription(struct json *row, const struct subscription_view *v)
{
    json_add_str(row, "resource", v->resource);
    json_add_str(row, "context", v->context);
    json_add_str(row, "event", v->package);
    json_add_str(row, "event_id", v->event_id);
    json_add_str(row, "content_type", v->content_type);
    if (v->list)
        json_add_bool(row, "list", true);
    json_add_str(row, "endpoint", v->endpoint);
    json_add_str(row, "callerid_name", v->callerid_name);
    json_add_str(row, "callerid_number", v->callerid_number);
    json_add_str(row, "call_id", v->call_id);
    json_add_str(row, "local_tag", v->local_tag);
    json_add_str(row, "remote_tag", v->remote_tag);
    json_add_masked(row, "remote_uri", v->remote_uri);
    json_add_masked(row, "contact", v->contact);
    json_add_str(row, "user_agent", v->user_agent);
    json_addr(row, "remote", &v->remote);
    json_add_str(row, "protocol", str_of(net_protocol_name(v->protocol)));
    json_add_str(row, "state", str_of(v->state));
    json_add_u64(row, "expires_s", v->expires_s);
    json_add_u64(row, "cseq", v->cseq);
    json_add_u64(row, "version", v->version);
    json_add_bool(row, "outstanding", v->outstanding);
    json_add_u64(row, "failures", v->failures);
    json_add_u64(row, "unconnected", v->unconnected);
    json_add_u64(row, "told_sequence", v->told_sequence);
    json_add_u64(row, "current_sequence", v->current_sequence);
    json_add_u64(row, "acknowledged_after_ms", v->acknowledged_after_ms);
}

static void on_subscription(void *ctx, const struct subscription_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants_resource(q, v->resource, v->context))
        return;
    row = request_row(q);
    print_subscription(&row, v);
    request_row_end(q, &row);
}

void worker_subscriptions(struct ctl_job *job, void *worker)
{
    notifier_each(((struct ctl_worker *)worker)->notifier, on_subscription, request_of(job));
}

void print_notice(struct json *row, const struct notice_view *v)
{
    json_add_str(row, "endpoint", v->endpoint);
    json_add_masked(row, "contact", v->contact);
    json_add_str(row, "mailbox", v->mailbox);
    json_add_str(row, "state", str_of(v->state));
    json_add_u64(row, "last_status", v->last_status);
    json_add_u64(row, "failures", v->failures);
    json_add_u64(row, "retry_s", v->retry_s);
    json_add_u64(row, "cseq", v->cseq);
}

static void on_notice(void *ctx, const struct notice_view *v)
{
    struct ctl_request *q = ctx;
    struct json row = request_row(q);

    print_notice(&row, v);
    request_row_end(q, &row);
}

void worker_notices(struct ctl_job *job, void *worker)
{
    notifier_notices_each(((struct ctl_worker *)worker)->notifier, on_notice, request_of(job));
}

static void print_registered(struct json *row, const struct contact *c)
{
    json_add_u64(row, "registered_ms", c->registered_wall_ms);
    json_add_str(row, "user_agent", c->user_agent);
    json_add_masked(row, "path", c->route);
    json_add_str(row, "transport", c->transport);
    json_addr(row, "source", &c->flow.remote);
    json_add_str(row, "call_id", c->call_id);
    json_add_u64(row, "cseq", c->cseq);
}

void print_contact(struct json *row, const struct contact *c)
{
    json_add_str(row, "aor", c->aor);
    json_add_masked(row, "contact", c->uri);
    json_add_masked(row, "target", c->target);
    json_add_str(row, "endpoint", c->endpoint);
    json_add_bool(row, "static", c->is_static);
    if (!c->is_static)
        print_registered(row, c);
}

void print_qualified(struct json *row, const struct qualify_view *v)
{
    if (!v->contact->is_static)
        json_add_u64(row, "expires_s", v->left_s);
    json_add_str(row, "status", str_of(qualify_status_name(v->status)));
    json_add_u64(row, "since_ms", v->since_wall_ms);
    json_add_u64(row, "last_status", v->last_status);
    json_add_u64(row, "rtt_ms", v->rtt_ms);
    json_add_u64(row, "next_s", v->next_s);
}

static void print_watched(struct json *row, const struct watch_view *v)
{
    json_add_str(row, "watch", str_of(watch_status_name(v->status)));
    if (v->status == WATCHED_NOT)
        return;
    json_add_u64(row, "watch_status", v->last_status);
    json_add_str(row, "watch_why", v->why);
    json_add_u64(row, "watch_next_s", v->next_s);
    json_add_u64(row, "heard_ms", v->heard_wall_ms);
    json_add_u64(row, "dialogs", v->dialogs);
}

static void on_contact(void *ctx, const struct qualify_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants(q, v->contact->aor))
        return;
    row = request_row(q);
    print_contact(&row, v->contact);
    print_qualified(&row, v);
    print_watched(&row, &v->watch);
    request_row_end(q, &row);
}

void worker_contacts(struct ctl_job *job, void *worker)
{
    const struct ctl_worker *w = worker;

    if (w->qualifier)
        qualifier_each(w->qualifier, on_contact, request_of(job));
}

static void on_subscribed(void *ctx, const struct qualify_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!v->watch.call_id.n || !request_wants(q, v->contact->aor))
        return;
    row = request_row(q);
    json_add_str(&row, "role", STR("subscriber"));
    json_add_str(&row, "resource", v->contact->aor);
    json_add_str(&row, "event", STR("dialog"));
    json_add_str(&row, "endpoint", v->contact->endpoint);
    json_add_masked(&row, "contact", v->contact->uri);
    json_add_str(&row, "call_id", v->watch.call_id);
    json_add_str(&row, "state", STR("active"));
    json_add_u64(&row, "expires_s", v->watch.left_s);
    json_add_u64(&row, "heard_ms", v->watch.heard_wall_ms);
    json_add_u64(&row, "dialogs", v->watch.dialogs);
    request_row_end(q, &row);
}

void worker_subscriptions_outbound(struct ctl_job *job, void *worker)
{
    const struct ctl_worker *w = worker;

    if (w->qualifier)
        qualifier_each(w->qualifier, on_subscribed, request_of(job));
}

static void on_kept(void *ctx, const struct net_kept *what)
{
    struct ctl_request *q = ctx;
    struct json row = request_row(q);

    json_add_u64(&row, "number", what->number);
    json_add_u64(&row, "at_ms", what->wall_ms);
    json_add_bool(&row, "sent", what->sent);
    json_addr(&row, "peer", &what->peer);
    json_add_str(&row, "protocol", str_of(net_protocol_name(what->protocol)));
    json_add_str(&row, "message", what->message);
    request_row_end(q, &row);
}

void worker_messages(struct ctl_job *job, void *worker)
{
    struct ctl_request *q = request_of(job);
    struct net *net = ((struct ctl_worker *)worker)->net;
    const json_t *keep = json_object_get(q->arguments, "keep");
    bool clear = json_is_true(json_object_get(q->arguments, "clear"));

    if (keep)
        net_history_set(net, json_is_true(keep));
    if (clear)
        net_history_clear(net);
    if (!keep && !clear)
        net_history_each(net, on_kept, q);
}

/* Where the server was found. */
static void add_remote(struct json *row, const struct flow *flow)
{
    char room[DNS_TARGET_TEXT_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    if (flow)
        dns_target_print(&b, (enum net_protocol)flow->protocol, &flow->remote);
    json_add_str(row, "remote", buf_str(&b));
}

void print_publication(struct json *row, const struct publication_view *v)
{
    json_add_str(row, "section", v->section);
    json_add_str(row, "extension", v->extension);
    json_add_str(row, "context", v->context);
    json_add_str(row, "event", v->package);
    json_add_str(row, "content_type", v->content_type);
    json_add_masked(row, "server_uri", v->server_uri);
    add_remote(row, v->flow);
    json_add_str(row, "state", str_of(v->state));
    json_add_str(row, "entity_tag", v->entity_tag);
    json_add_u64(row, "expires_s", v->expires_s);
    json_add_u64(row, "retry_s", v->retry_s);
    json_add_u64(row, "last_status", v->last_status);
    json_add_str(row, "last_reason", v->last_reason);
    json_add_u64(row, "queued", v->queued);
    json_add_u64(row, "failures", v->failures);
    json_add_u64(row, "cseq", v->cseq);
    json_add_u64(row, "told_sequence", v->told_sequence);
    json_add_u64(row, "current_sequence", v->current_sequence);
}

static void on_publication(void *ctx, const struct publication_view *v)
{
    struct ctl_request *q = ctx;
    struct json row;

    if (!request_wants_resource(q, v->extension, v->context))
        return;
    row = request_row(q);
    print_publication(&row, v);
    request_row_end(q, &row);
}

void worker_publications(struct ctl_job *job, void *worker)
{
    publisher_each(((struct ctl_worker *)worker)->publisher, on_publication, request_of(job));
}

struct publisher_row {
    struct ctl_request *q;
    unsigned worker;
};

static void on_publisher(void *ctx, const struct publisher_view *v)
{
    const struct publisher_row *at = ctx;
    struct json row = request_row(at->q);

    json_add_str(&row, "section", v->section);
    json_add_u64(&row, "worker", at->worker);
    json_add_masked(&row, "server_uri", v->server_uri);
    json_add_u64(&row, "publications", v->publications);
    json_add_u64(&row, "outstanding", v->outstanding);
    /* Who has nothing to send there has not looked for it. */
    json_add_bool(&row, "up", (v->resolved || !v->publications) && !v->down);
    json_add_bool(&row, "resolved", v->resolved);
    json_add_u64(&row, "failures", v->failures);
    json_add_bool(&row, "retired", v->retired);
    request_row_end(at->q, &row);
}

void worker_publishers(struct ctl_job *job, void *worker)
{
    const struct ctl_worker *w = worker;

    publisher_sections_each(w->publisher, on_publisher,
                            &(struct publisher_row){ request_of(job), w->index });
}

/* ---- what another server kept ---- */

/* On the worker that in-dialog requests with that tag come to. */
void worker_subscription_import(struct ctl_job *job, void *worker)
{
    struct ctl_request *q = request_of(job);
    const struct ctl_worker *w = worker;
    struct notifier_import im = { .packet = request_text(q, "packet"),
                                  .endpoint = request_text(q, "endpoint"),
                                  .tag = request_text(q, "tag"),
                                  .contact = request_text(q, "contact") };
    const char *why = "";
    uint32_t expires_s;
    int r;

    if (txn_foreign_class(im.tag) % w->workers != w->index)
        return;
    if (addr_parse(&im.remote, request_text(q, "remote"), 0) ||
        addr_parse(&im.local, request_text(q, "local"), 0)) {
        request_fail(q, "usage", "remote and local are addresses with a port");
        return;
    }
    if (request_u32(q, "cseq", &im.cseq) || request_u32(q, "version", &im.version) ||
        request_u32(q, "expires_s", &expires_s) || im.cseq > INT32_MAX / 2 ||
        im.version > INT32_MAX) {
        request_fail(q, "usage", "cseq, version and expires_s (since 1970) are numbers");
        return;
    }
    im.expires_wall_ms = UINT64_C(1000) * expires_s;
    r = notifier_import(w->notifier, &im, &why);
    if (r)
        request_fail(q, "failed", "%s", why);
}

/* ---- moving the subscribers away ---- */

void worker_drain(struct ctl_job *job, void *worker)
{
    const struct ctl_request *q = request_of(job);
    const struct ctl_worker *w = worker;
    struct notifier_drain how = { .reason = str_equal(request_text(q, "reason"), STR("probation"))
                                                ? NOTIFIER_DRAIN_PROBATION
                                                : NOTIFIER_DRAIN_DEACTIVATED,
                                  .worker = w->index,
                                  .workers = w->workers };

    if (request_u32(q, "rate", &how.rate_per_s) ||
        request_u32(q, "retry_after_s", &how.retry_after_s))
        return; /* has been checked */
    notifier_drain(w->notifier, &how);
}

void worker_resume(struct ctl_job *job, void *worker)
{
    (void)job;
    notifier_resume(((struct ctl_worker *)worker)->notifier);
}

/* ---- watchers per hint ---- */

struct watcher_count {
    struct map_node node;
    uint64_t n;
    size_t context_n, extension_n;
    char text[]; /* extension, context */
};

struct watcher_key {
    struct str context, extension;
};

static bool count_is(const struct map_node *node, const void *key)
{
    const struct watcher_count *c = CONTAINER_OF(node, struct watcher_count, node);
    const struct watcher_key *k = key;

    return str_equal((struct str){ c->text, c->extension_n }, k->extension) &&
           str_equal((struct str){ c->text + c->extension_n, c->context_n }, k->context);
}

static uint64_t count_hash(const struct map *m, const struct watcher_key *k)
{
    return map_hash_mix(map_hash(m, k->extension), map_hash(m, k->context));
}

/* Who watches the watchers of a lamp does not watch the lamp. */
static void on_watcher(void *ctx, const struct subscription_view *v)
{
    struct ctl_request *q = ctx;
    struct watcher_key key = { v->context, v->resource };
    uint64_t hash = count_hash(&q->watchers, &key);
    struct map_node *node = map_find(&q->watchers, hash, count_is, &key);
    struct watcher_count *c;

    if (winfo_watched(v->package).n)
        return;
    if (node) {
        CONTAINER_OF(node, struct watcher_count, node)->n++;
        return;
    }
    c = malloc(sizeof(*c) + key.context.n + key.extension.n);
    if (!c) {
        q->error = "failed";
        return;
    }
    *c = (struct watcher_count){ .n = 1,
                                 .context_n = key.context.n,
                                 .extension_n = key.extension.n };
    if (key.extension.n)
        memcpy(c->text, key.extension.p, key.extension.n);
    if (key.context.n)
        memcpy(c->text + key.extension.n, key.context.p, key.context.n);
    map_add(&q->watchers, &c->node, hash);
}

void worker_count_watchers(struct ctl_job *job, void *worker)
{
    struct ctl_request *q = request_of(job);

    if (!q->has_watchers) {
        rng_init_system(&q->rng);
        if (map_init(&q->watchers, &q->rng)) {
            q->error = "failed";
            return;
        }
        q->has_watchers = true;
    }
    notifier_each(((struct ctl_worker *)worker)->notifier, on_watcher, q);
}

uint64_t watchers_of(const struct ctl_request *q, struct str context, struct str extension)
{
    struct watcher_key key = { context, extension };
    struct map_node *node =
        q->has_watchers ? map_find(&q->watchers, count_hash(&q->watchers, &key), count_is, &key)
                        : NULL;

    return node ? CONTAINER_OF(node, struct watcher_count, node)->n : 0;
}

void watchers_fini(struct ctl_request *q)
{
    if (!q->has_watchers)
        return;
    MAP_FOREACH_SAFE (node, &q->watchers) {
        map_remove(&q->watchers, node);
        free(CONTAINER_OF(node, struct watcher_count, node));
    }
    map_fini(&q->watchers);
    q->has_watchers = false;
}

/* ---- counters, summed over the workers ---- */

struct counter {
    const char *name;
    size_t offset;
};

#define COUNTER(type, field)                 \
    {                                        \
#field, offsetof(struct type, field) \
    }

static const struct counter notifier_fields[] = {
    COUNTER(notifier_counters, subscriptions),
    COUNTER(notifier_counters, resources),
    COUNTER(notifier_counters, watches_pending),
    COUNTER(notifier_counters, accepted),
    COUNTER(notifier_counters, refreshed),
    COUNTER(notifier_counters, ended),
    COUNTER(notifier_counters, expired),
    COUNTER(notifier_counters, fetched),
    COUNTER(notifier_counters, rejected_400),
    COUNTER(notifier_counters, rejected_403),
    COUNTER(notifier_counters, rejected_404),
    COUNTER(notifier_counters, rejected_406),
    COUNTER(notifier_counters, rejected_423),
    COUNTER(notifier_counters, rejected_481),
    COUNTER(notifier_counters, rejected_489),
    COUNTER(notifier_counters, rejected_503),
    COUNTER(notifier_counters, rejected_other),
    COUNTER(notifier_counters, over_quota),
    COUNTER(notifier_counters, notify_sent),
    COUNTER(notifier_counters, notify_acknowledged),
    COUNTER(notifier_counters, notify_failed),
    COUNTER(notifier_counters, notify_timeout),
    COUNTER(notifier_counters, notify_retransmitted),
    COUNTER(notifier_counters, coalesced),
    COUNTER(notifier_counters, swallowed),
    COUNTER(notifier_counters, unsolicited),
    COUNTER(notifier_counters, unsolicited_sent),
    COUNTER(notifier_counters, unsolicited_acknowledged),
    COUNTER(notifier_counters, unsolicited_failed),
    COUNTER(notifier_counters, subscription_bytes),
    COUNTER(notifier_counters, dialogs),
    COUNTER(notifier_counters, dialog_bytes),
    COUNTER(notifier_counters, interned),
    COUNTER(notifier_counters, interned_bytes),
    COUNTER(notifier_counters, resource_bytes),
    COUNTER(notifier_counters, notify_bytes),
    COUNTER(notifier_counters, table_bytes),
};

static const struct counter publisher_fields[] = {
    COUNTER(publisher_counters, publications),
    COUNTER(publisher_counters, sections),
    COUNTER(publisher_counters, sent),
    COUNTER(publisher_counters, initial),
    COUNTER(publisher_counters, modify),
    COUNTER(publisher_counters, refresh),
    COUNTER(publisher_counters, remove),
    COUNTER(publisher_counters, acknowledged),
    COUNTER(publisher_counters, failed),
    COUNTER(publisher_counters, challenged),
    COUNTER(publisher_counters, retried),
    COUNTER(publisher_counters, coalesced),
    COUNTER(publisher_counters, swallowed),
    COUNTER(publisher_counters, lost_tags),
    COUNTER(publisher_counters, publication_bytes),
    COUNTER(publisher_counters, resource_bytes),
    COUNTER(publisher_counters, table_bytes),
};

static const struct counter qualifier_fields[] = {
    COUNTER(qualifier_counters, contacts),    COUNTER(qualifier_counters, unqualified),
    COUNTER(qualifier_counters, unknown),     COUNTER(qualifier_counters, reachable),
    COUNTER(qualifier_counters, unreachable), COUNTER(qualifier_counters, sent),
    COUNTER(qualifier_counters, answered),    COUNTER(qualifier_counters, unanswered),
    COUNTER(qualifier_counters, challenged),  COUNTER(qualifier_counters, lost),
    COUNTER(qualifier_counters, returned),
};

static const struct counter watch_fields[] = {
    COUNTER(watch_counters, watched),        COUNTER(watch_counters, trying),
    COUNTER(watch_counters, refused),        COUNTER(watch_counters, subscribed),
    COUNTER(watch_counters, failed),         COUNTER(watch_counters, notified),
    COUNTER(watch_counters, notify_refused),
};

static const struct counter compositor_fields[] = {
    COUNTER(compositor_counters, requests),
    COUNTER(compositor_counters, accepted),
    COUNTER(compositor_counters, pending),
    COUNTER(compositor_counters, refused_400),
    COUNTER(compositor_counters, refused_403),
    COUNTER(compositor_counters, refused_404),
    COUNTER(compositor_counters, refused_412),
    COUNTER(compositor_counters, refused_413),
    COUNTER(compositor_counters, refused_415),
    COUNTER(compositor_counters, refused_423),
    COUNTER(compositor_counters, refused_489),
    COUNTER(compositor_counters, refused_503),
    COUNTER(compositor_counters, refused_other),
    COUNTER(compositor_counters, mailboxes_reported),
    COUNTER(compositor_counters, mailboxes_refused),
};

static const struct counter store_fields[] = {
    COUNTER(publication_counters, publications), COUNTER(publication_counters, resources),
    COUNTER(publication_counters, bytes),        COUNTER(publication_counters, initial),
    COUNTER(publication_counters, refreshed),    COUNTER(publication_counters, modified),
    COUNTER(publication_counters, removed),      COUNTER(publication_counters, expired),
    COUNTER(publication_counters, superseded),   COUNTER(publication_counters, no_match),
    COUNTER(publication_counters, refused),      COUNTER(publication_counters, over_quota),
    COUNTER(publication_counters, composed),     COUNTER(publication_counters, unchanged),
};

static const struct counter source_fields[] = {
    COUNTER(asterisk_sources_counters, servers),    COUNTER(asterisk_sources_counters, states),
    COUNTER(asterisk_sources_counters, events),     COUNTER(asterisk_sources_counters, ignored),
    COUNTER(asterisk_sources_counters, over_limit), COUNTER(asterisk_sources_counters, lapsed),
    COUNTER(asterisk_sources_counters, bytes),
};

static const struct counter contact_fields[] = {
    COUNTER(contact_counters, registered),   COUNTER(contact_counters, fixed),
    COUNTER(contact_counters, unreached),    COUNTER(contact_counters, added),
    COUNTER(contact_counters, refreshed),    COUNTER(contact_counters, removed),
    COUNTER(contact_counters, expired),      COUNTER(contact_counters, displaced),
    COUNTER(contact_counters, disconnected), COUNTER(contact_counters, bytes),
};

static const struct counter registrar_fields[] = {
    COUNTER(registrar_counters, requests),      COUNTER(registrar_counters, accepted),
    COUNTER(registrar_counters, pending),       COUNTER(registrar_counters, refused_400),
    COUNTER(registrar_counters, refused_403),   COUNTER(registrar_counters, refused_404),
    COUNTER(registrar_counters, refused_420),   COUNTER(registrar_counters, refused_423),
    COUNTER(registrar_counters, refused_500),   COUNTER(registrar_counters, refused_503),
    COUNTER(registrar_counters, refused_other),
};

static const struct counter txn_fields[] = {
    COUNTER(txn_counters, requests),
    COUNTER(txn_counters, retransmitted_requests),
    COUNTER(txn_counters, merged),
    COUNTER(txn_counters, responses_in),
    COUNTER(txn_counters, stray_responses),
    COUNTER(txn_counters, malformed),
    COUNTER(txn_counters, unanswerable),
    COUNTER(txn_counters, client_started),
    COUNTER(txn_counters, client_retransmissions),
    COUNTER(txn_counters, client_timeouts),
    COUNTER(txn_counters, client_errors),
    COUNTER(txn_counters, overload),
    COUNTER(txn_counters, server_live),
    COUNTER(txn_counters, client_live),
    COUNTER(txn_counters, forwarded),
    COUNTER(txn_counters, forward_lost),
    COUNTER(txn_counters, server_bytes),
    COUNTER(txn_counters, table_bytes),
};

static const struct counter uas_fields[] = {
    COUNTER(uas_counters, unidentified),       COUNTER(uas_counters, challenged),
    COUNTER(uas_counters, wrong_credentials),  COUNTER(uas_counters, stale_nonces),
    COUNTER(uas_counters, broken_credentials), COUNTER(uas_counters, denied),
    COUNTER(uas_counters, too_often),
};

static const struct counter net_fields[] = {
    COUNTER(net_counters, received),
    COUNTER(net_counters, received_bytes),
    COUNTER(net_counters, sent),
    COUNTER(net_counters, sent_bytes),
    COUNTER(net_counters, receive_calls),
    COUNTER(net_counters, send_calls),
    COUNTER(net_counters, dropped_full),
    COUNTER(net_counters, send_errors),
    COUNTER(net_counters, lost),
    COUNTER(net_counters, connections),
    COUNTER(net_counters, accepted),
    COUNTER(net_counters, opened),
    COUNTER(net_counters, refused),
    COUNTER(net_counters, refused_source),
    COUNTER(net_counters, lost_slow),
    COUNTER(net_counters, lost_late),
    COUNTER(net_counters, lost_unfinished),
    COUNTER(net_counters, lost_broken),
    COUNTER(net_counters, lost_idle),
    COUNTER(net_counters, pings),
    COUNTER(net_counters, pongs),
    COUNTER(net_counters, handshakes),
    COUNTER(net_counters, resumed),
    COUNTER(net_counters, lost_tls),
    COUNTER(net_counters, websockets),
    COUNTER(net_counters, websockets_refused),
    COUNTER(net_counters, connection_bytes),
    COUNTER(net_counters, history_bytes),
};

static uint64_t *counter_at(void *values, const struct counter *c)
{
    return (uint64_t *)(void *)((char *)values + c->offset);
}

static void counters_add(void *sum, void *part, const struct counter *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *counter_at(sum, &fields[i]) += *counter_at(part, &fields[i]);
}

static void counters_print(struct json *out, const char *key, void *values,
                           const struct counter *fields, size_t n)
{
    json_add_object(out, key);
    for (size_t i = 0; i < n; i++)
        json_add_u64(out, fields[i].name, *counter_at(values, &fields[i]));
    json_end_object(out);
}

void worker_status(struct ctl_job *job, void *worker)
{
    struct ctl_request *q = request_of(job);
    struct ctl_worker *w = worker;
    struct notifier_counters notifier;
    struct publisher_counters publisher;
    struct compositor_counters compositor;
    struct registrar_counters registrar = { 0 };
    struct qualifier_counters qualifier = { 0 };
    struct txn_counters txn;
    struct uas_counters uas;
    struct net_counters net;

    if (w->registrar)
        registrar_counters_get(w->registrar, &registrar);
    if (w->qualifier)
        qualifier_counters_get(w->qualifier, &qualifier);
    notifier_counters_get(w->notifier, &notifier);
    publisher_counters_get(w->publisher, &publisher);
    compositor_counters_get(w->compositor, &compositor);
    txn_counters_get(w->txn, &txn);
    uas_counters_get(w->uas, &uas);
    net_counters_get(w->net, &net);
    counters_add(&q->notifier, &notifier, notifier_fields, ARRAY_LEN(notifier_fields));
    histogram_merge(&q->notifier.sent_after, &notifier.sent_after);
    histogram_merge(&q->notifier.acknowledged_after, &notifier.acknowledged_after);
    counters_add(&q->publisher, &publisher, publisher_fields, ARRAY_LEN(publisher_fields));
    counters_add(&q->compositor, &compositor, compositor_fields, ARRAY_LEN(compositor_fields));
    counters_add(&q->registrar, &registrar, registrar_fields, ARRAY_LEN(registrar_fields));
    counters_add(&q->qualifier, &qualifier, qualifier_fields, ARRAY_LEN(qualifier_fields));
    counters_add(&q->qualifier.watch, &qualifier.watch, watch_fields, ARRAY_LEN(watch_fields));
    histogram_merge(&q->qualifier.rtt, &qualifier.rtt);
    counters_add(&q->txn, &txn, txn_fields, ARRAY_LEN(txn_fields));
    counters_add(&q->uas, &uas, uas_fields, ARRAY_LEN(uas_fields));
    counters_add(&q->net, &net, net_fields, ARRAY_LEN(net_fields));
}

static void histogram_print(struct json *out, const char *key, const struct histogram *h)
{
    json_add_object(out, key);
    json_add_array(out, "counts");
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        json_add_u64(out, NULL, h->counts[i]);
    json_end_array(out);
    json_add_u64(out, "sum_ms", h->sum_ms);
    json_end_object(out);
}

static void latency_print(struct json *out, const struct ctl_request *q)
{
    json_add_object(out, "latency");
    json_add_array(out, "bounds_ms");
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        json_add_u64(out, NULL, histogram_bounds_ms[i]);
    json_end_array(out);
    histogram_print(out, "sent", &q->notifier.sent_after);
    histogram_print(out, "acknowledged", &q->notifier.acknowledged_after);
    histogram_print(out, "contacts", &q->qualifier.rtt);
    json_end_object(out);
}

void worker_print_status(struct ctl_request *q, struct json *out)
{
    counters_print(out, "notifier", &q->notifier, notifier_fields, ARRAY_LEN(notifier_fields));
    counters_print(out, "publisher", &q->publisher, publisher_fields, ARRAY_LEN(publisher_fields));
    counters_print(out, "compositor", &q->compositor, compositor_fields,
                   ARRAY_LEN(compositor_fields));
    counters_print(out, "publications", &q->publications, store_fields, ARRAY_LEN(store_fields));
    counters_print(out, "sources", &q->sources, source_fields, ARRAY_LEN(source_fields));
    counters_print(out, "registrar", &q->registrar, registrar_fields, ARRAY_LEN(registrar_fields));
    counters_print(out, "contacts", &q->contacts, contact_fields, ARRAY_LEN(contact_fields));
    counters_print(out, "qualify", &q->qualifier, qualifier_fields, ARRAY_LEN(qualifier_fields));
    counters_print(out, "watch", &q->qualifier.watch, watch_fields, ARRAY_LEN(watch_fields));
    counters_print(out, "transactions", &q->txn, txn_fields, ARRAY_LEN(txn_fields));
    counters_print(out, "requests", &q->uas, uas_fields, ARRAY_LEN(uas_fields));
    counters_print(out, "network", &q->net, net_fields, ARRAY_LEN(net_fields));
    latency_print(out, q);
}
