// SPDX-License-Identifier: MIT
/* What the edges are told of subscriptions: nothing is put together that nobody wants. */
#include "event/event_internal.h"

static struct change_watcher watcher_of(const struct subscription *s)
{
    const struct dialog_head *h = s->dialog->head;

    return (struct change_watcher){ .endpoint = dialog_endpoint(s->dialog),
                                    .package = sub_package(s),
                                    .call_id = head_str(h, HEAD_CALL_ID),
                                    .contact = head_str(h, HEAD_TARGET),
                                    .remote = head_remote(h) };
}

/* What it is about; NULL while nobody knows. */
static const struct snapshot *subject_of(const struct subscription *s)
{
    return s->resource && !watched_is_limbo(s->resource) ? s->resource->newest : NULL;
}

void tell_subscription(const struct subscription *s, enum subscription_change what, unsigned status,
                       const char *why)
{
    struct notifier *n = s->dialog->notifier;
    enum change_kind kind = what >= SUBSCRIPTION_REFUSED ? CHANGE_REFUSAL : CHANGE_SUBSCRIPTION;

    if (!feed_wants(n->cfg.changes, kind))
        return;
    feed_put(n->cfg.changes,
             &(struct change){ .kind = kind,
                               .snapshot = subject_of(s),
                               .subscription = { .what = what,
                                                 .watcher = watcher_of(s),
                                                 .uri = sub_text(s, SUB_LOCAL),
                                                 .user_agent = dialog_user_agent(s->dialog),
                                                 .status = status,
                                                 .why = str_of(why),
                                                 .expires_s = s->expires_s } });
}

/* The texts are the peer's, of any length. Within a dialog the Request-URI names no resource. */
struct change_subscription tell_refusal_of(const struct uas_request *rq, struct str package,
                                           unsigned status, const char *why)
{
    const struct endpoint_settings *e = rq->endpoint ? rq->endpoint : rq->denied;

    return (struct change_subscription){
        .what = SUBSCRIPTION_REFUSED,
        .watcher = { .endpoint = e ? e->id : STR_EMPTY,
                     .package = str_sub(package, 0, RESOURCE_MAX),
                     .call_id = str_sub(rq->msg->call_id, 0, CALL_ID_MAX),
                     .remote = rq->flow->remote },
        .uri = str_sub(rq->msg->uri, 0, EVENT_URI_MAX),
        .context = e && !rq->msg->to_tag.n ? e->context : STR_EMPTY,
        .from = e ? STR_EMPTY : str_sub(rq->msg->from_parts.uri, 0, EVENT_URI_MAX),
        .user_agent = str_sub(sip_header_value(rq->msg, SIP_H_USER_AGENT), 0, USER_AGENT_MAX),
        .status = status,
        .why = str_of(why),
    };
}

void tell_refusal(const struct notifier *n, const struct uas_request *rq, struct str package,
                  unsigned status, const char *why)
{
    if (!feed_wants(n->cfg.changes, CHANGE_REFUSAL))
        return;
    feed_put(n->cfg.changes,
             &(struct change){ .kind = CHANGE_REFUSAL,
                               .subscription = tell_refusal_of(rq, package, status, why) });
}

void tell_notify(const struct subscription *s, const struct change_notify *told)
{
    struct notifier *n = s->dialog->notifier;
    struct change c;

    if (!feed_wants(n->cfg.changes, CHANGE_NOTIFY))
        return;
    c = (struct change){ .kind = CHANGE_NOTIFY, .snapshot = s->sent, .notify = *told };
    c.notify.watcher = watcher_of(s);
    c.notify.cseq = s->cseq;
    c.notify.last = s->state == SUB_ENDING || s->state == SUB_TERMINATED;
    feed_put(n->cfg.changes, &c);
}
