// SPDX-License-Identifier: MIT
/* Dialogs whose next hop is a name: RFC 3263.
 *
 * Where a SUBSCRIBE came from is where its subscriber can be reached, if that is its own edge, and
 * costs no lookup. So a name in Contact is looked up when nobody answers there, or the connection
 * has ended. A name in Record-Route is that of a proxy, which need not listen where it sends from:
 * it is looked up at once, and the source is used when it is one of its addresses, or when there is
 * none. What is found is tried in its order until something other than 503 is answered.
 *
 *     not ──▶ asking ──found──▶ trying ──answer──▶ not
 *                └─ none, or it is there already ─▶ */
#include "event/event_internal.h"

#include <stdlib.h>

enum {
    ROUTE_PATIENCE_MS = 2000, /* a new subscriber waits for its first NOTIFY */
    PATIENCE_MS = 30000,
};

struct seek {
    struct map_node by_question, by_dialog;
    struct dialog *dialog;
    uint64_t question; /* 0: it has been answered */
    enum seek_why why;
    struct timer timer;
    unsigned next; /* of those found */
    struct dns_targets found;
};

/* ---- what there is ---- */

static bool asks(const struct map_node *node, const void *question)
{
    return CONTAINER_OF(node, const struct seek, by_question)->question ==
           *(const uint64_t *)question;
}

static bool is_of(const struct map_node *node, const void *dialog)
{
    return CONTAINER_OF(node, const struct seek, by_dialog)->dialog == dialog;
}

static uint64_t dialog_hash(const struct dialog *d)
{
    return map_hash_u64(&d->notifier->seeks, (uintptr_t)d);
}

static struct seek *seek_of(const struct dialog *d)
{
    struct map_node *node = NULL;

    if (d->seeking)
        node = map_find(&d->notifier->seeks, dialog_hash(d), is_of, d);
    return node ? CONTAINER_OF(node, struct seek, by_dialog) : NULL;
}

static void question_end(struct seek *k)
{
    struct notifier *n = k->dialog->notifier;

    timer_stop(n->cfg.wheel, &k->timer);
    if (k->question)
        map_remove(&n->seek_questions, &k->by_question);
    k->question = 0;
}

static void seek_end(struct seek *k)
{
    struct dialog *d = k->dialog;

    question_end(k);
    map_remove(&d->notifier->seeks, &k->by_dialog);
    d->seeking = SEEKING_NOT;
    free(k);
}

void seek_over(struct dialog *d)
{
    struct seek *k = seek_of(d);

    if (k)
        seek_end(k);
}

/* ---- the name ---- */

/* The next hop: RFC 3261 section 12.2.1.1. False when it is an address, or cannot be read. */
static bool name_find(struct sip_uri *out, const struct dialog *d)
{
    struct str routes = dialog_routes(d), uri = head_str(d->head, HEAD_TARGET), first;
    struct sip_name_addr route;
    struct addr literal;

    if (sip_list_next(&routes, &first)) {
        if (sip_name_addr_parse(&route, first))
            return false;
        uri = route.uri;
    }
    return sip_uri_parse(out, uri) == 0 && out->sip && addr_parse(&literal, out->host, 0) != 0;
}

struct str seek_name(const struct dialog *d)
{
    struct sip_uri uri;

    return name_find(&uri, d) ? uri.host : STR_EMPTY;
}

static void on_patience(struct timer *timer);

/* 0, SEEK_NONE, -ENOMEM. */
static int ask(struct dialog *d, enum seek_why why)
{
    struct notifier *n = d->notifier;
    const struct endpoint_settings *e = settings_endpoint(n->settings, dialog_endpoint(d));
    const struct transport_settings *by = e ? settings_transport(n->settings, e->transport) : NULL;
    struct dns_question q;
    struct sip_uri uri;
    struct seek *k;

    if (!e || !n->cfg.port.resolve || net_is_web(head_flow(d->head).protocol) ||
        !name_find(&uri, d))
        return SEEK_NONE;
    q = (struct dns_question){ .host = uri.host,
                               .asker = dialog_endpoint(d),
                               .port = uri.port,
                               .secure = uri.secure,
                               .fixed = txn_uri_protocol_named(&uri, by) };
    if (txn_uri_protocol_by(&q.protocol, &uri, by))
        return SEEK_NONE;
    k = calloc(1, sizeof(*k));
    if (!k)
        return -ENOMEM;
    *k = (struct seek){ .dialog = d,
                        .why = why,
                        .question = ++n->unsolicited.requests.last_question };
    timer_init(&k->timer, on_patience);
    timer_start(n->cfg.wheel, &k->timer, why == SEEK_ROUTE ? ROUTE_PATIENCE_MS : PATIENCE_MS);
    map_add(&n->seeks, &k->by_dialog, dialog_hash(d));
    map_add(&n->seek_questions, &k->by_question, map_hash_u64(&n->seek_questions, k->question));
    d->seeking = SEEKING_ASKS;
    n->cfg.port.resolve(n->cfg.port.ctx, &q, k->question);
    return 0;
}

void seek_route(struct dialog *d)
{
    const struct endpoint_settings *e;

    if (!dialog_routes(d).n || head_flow(d->head).connection)
        return;
    e = settings_endpoint(d->notifier->settings, dialog_endpoint(d));
    if (!e || e->rewrite_contact)
        return;
    seek_over(d);
    (void)!ask(d, SEEK_ROUTE); /* else it is told where it came from */
}

/* ---- what was found ---- */

static bool is_there(const struct dialog *d, const struct dns_target *to)
{
    const struct flow flow = head_flow(d->head);

    return flow.protocol == to->protocol && addr_equal(&flow.remote, &to->addr);
}

static int target_set(struct dialog *d, const struct dns_target *to)
{
    struct notifier *n = d->notifier;
    const struct endpoint_settings *e = settings_endpoint(n->settings, dialog_endpoint(d));
    char room[DNS_TARGET_TEXT_MAX];
    struct flow flow;
    struct buf text;
    int r = e ? n->cfg.port.route(n->cfg.port.ctx, e->transport, to->protocol, &to->addr, &flow)
              : -ENOENT;

    if (r && e && e->transport.n)
        r = n->cfg.port.route(n->cfg.port.ctx, STR_EMPTY, to->protocol, &to->addr, &flow);
    if (!r)
        r = dialog_redirect(d, e, &flow);
    if (r)
        return r;
    buf_init_on(&text, room, sizeof(room));
    dns_target_print(&text, to->protocol, &to->addr);
    log_info(n->cfg.log, "dialog.redirected", KV("endpoint", dialog_endpoint(d)),
             KV("call_id", head_str(d->head, HEAD_CALL_ID)), KV("to", buf_str(&text)));
    return 0;
}

/* To the next one that can be sent to, but for the one that has just been in vain. */
static bool next_take(struct seek *k)
{
    while (k->next < k->found.n) {
        const struct dns_target *to = &k->found.list[k->next++];

        if (!is_there(k->dialog, to) && target_set(k->dialog, to) == 0)
            return true;
    }
    return false;
}

static bool is_among(const struct seek *k)
{
    for (unsigned i = 0; i < k->found.n; i++)
        if (is_there(k->dialog, &k->found.list[i]))
            return true;
    return false;
}

static void dialog_attend(struct dialog *d)
{
    LIST_FOREACH_SAFE (it, &d->usages) {
        struct subscription *s = CONTAINER_OF(it, struct subscription, of_dialog);

        if (sub_runs(s))
            subscription_attend(s);
    }
}

static void dialog_unreached(struct dialog *d, enum seek_why why)
{
    LIST_FOREACH_SAFE (it, &d->usages) {
        struct subscription *s = CONTAINER_OF(it, struct subscription, of_dialog);

        if (sub_runs(s))
            notify_unreached(s, why == SEEK_REFUSED);
    }
}

/* `found` NULL: no answer came. */
static void seek_answered(struct seek *k, const struct dns_targets *found)
{
    struct dialog *d = k->dialog;
    enum seek_why why = k->why;
    bool goes;

    question_end(k);
    if (found)
        k->found = *found;
    k->found.why = STR_EMPTY; /* borrowed */
    goes = why == SEEK_ROUTE && is_among(k) ? false : next_take(k);
    if (goes)
        d->seeking = SEEKING_TRIES;
    else
        seek_end(k);
    dialog_pin(d);
    if (goes || why == SEEK_ROUTE)
        dialog_attend(d);
    else
        dialog_unreached(d, why);
    dialog_unpin(d);
}

static void on_patience(struct timer *timer)
{
    seek_answered(CONTAINER_OF(timer, struct seek, timer), NULL);
}

void seek_resolved(struct notifier *n, uint64_t question, const struct dns_targets *found)
{
    struct map_node *node =
        map_find(&n->seek_questions, map_hash_u64(&n->seek_questions, question), asks, &question);
    struct seek *k = node ? CONTAINER_OF(node, struct seek, by_question) : NULL;

    if (!k)
        return; /* the subscription has ended */
    if (!found->n)
        log_info(n->cfg.log, "dialog.no_address", KV("endpoint", dialog_endpoint(k->dialog)),
                 KV("call_id", head_str(k->dialog->head, HEAD_CALL_ID)), KV("why", found->why));
    seek_answered(k, found);
}

int seek_elsewhere(struct dialog *d, enum seek_why why)
{
    struct seek *k = seek_of(d);

    if (!k)
        return ask(d, why) ? SEEK_NONE : SEEK_WAITS;
    if (d->seeking == SEEKING_ASKS)
        return SEEK_WAITS;
    if (next_take(k))
        return 0;
    seek_end(k);
    return SEEK_NONE;
}
