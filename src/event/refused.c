// SPDX-License-Identifier: MIT
/* SUBSCRIBEs that were refused before they came to the notifier: by rate limits, acl objects, who
 * sends them, their credentials. Whoever asks why a lamp stays dark is told of those, too.
 *
 * Anybody can make them, so that few a second are told and the others counted. A challenge is
 * nothing to tell: only one that nobody has answered for half a minute. */
#include <stdlib.h>

#include "event/event_internal.h"

enum {
    CHALLENGES_MAX = 128, /* of which we wait for the answer; then the oldest are forgotten */
    ANSWER_MS = 32000,    /* somebody may have to type a password; RFC 3261: timer F */
    LOOK_MS = 1000,       /* whether one is over */
    APART_MS = 1000,      /* those that are told, in the long run */
    BURST_MS = 200000,    /* 200 of them at once */
};

struct challenge {
    struct list link;
    uint64_t due_ms;
    struct change_subscription is;
    char text[];
};

static bool may_tell(struct refused *r, uint64_t now_ms)
{
    if (r->paced_ms < now_ms)
        r->paced_ms = now_ms;
    if (r->paced_ms - now_ms >= BURST_MS)
        return false;
    r->paced_ms += APART_MS;
    return true;
}

static void tell(struct notifier *n, const struct change_subscription *what)
{
    if (!feed_wants(n->cfg.changes, CHANGE_REFUSAL))
        return;
    if (may_tell(&n->refused, notifier_now(n)))
        feed_put(n->cfg.changes, &(struct change){ .kind = CHANGE_REFUSAL, .subscription = *what });
    else
        feed_lose(n->cfg.changes, CHANGE_REFUSAL);
}

/* ---- challenges ---- */

static void challenge_drop(struct refused *r, struct challenge *c)
{
    list_remove(&c->link);
    r->n_challenges--;
    free(c);
}

static struct challenge *challenge_oldest(struct refused *r)
{
    return CONTAINER_OF(r->challenges.next, struct challenge, link);
}

static void log_unanswered(struct notifier *n, const struct change_subscription *is)
{
    char room[TXN_SOURCE_MAX];
    struct buf source;

    buf_init_on(&source, room, sizeof(room));
    addr_print(&source, &is->watcher.remote);
    log_info(n->cfg.log, "subscribe.refused", KV_U("status", is->status), KV("why", is->why),
             KV("endpoint", is->watcher.endpoint), KV("uri", is->uri),
             KV("call_id", is->watcher.call_id), KV("source", buf_str(&source)));
}

static void challenges_fire(struct timer *timer)
{
    struct notifier *n = CONTAINER_OF(timer, struct notifier, refused.timer);
    struct refused *r = &n->refused;

    LIST_FOREACH_SAFE (it, &r->challenges) {
        struct challenge *c = CONTAINER_OF(it, struct challenge, link);

        if (c->due_ms > notifier_now(n))
            break;
        log_unanswered(n, &c->is);
        tell(n, &c->is);
        challenge_drop(r, c);
    }
    if (r->n_challenges)
        timer_start(n->cfg.wheel, timer, LOOK_MS);
}

static struct challenge *challenge_make(const struct change_subscription *is)
{
    struct challenge *c =
        malloc(sizeof(*c) + is->watcher.endpoint.n + is->watcher.package.n + is->watcher.call_id.n +
               is->uri.n + is->context.n + is->from.n + is->user_agent.n);
    char *at;

    if (!c)
        return NULL;
    *c = (struct challenge){ .is = *is };
    at = c->text;
    str_keep(&c->is.watcher.endpoint, &at);
    str_keep(&c->is.watcher.package, &at);
    str_keep(&c->is.watcher.call_id, &at);
    str_keep(&c->is.uri, &at);
    str_keep(&c->is.context, &at);
    str_keep(&c->is.from, &at);
    str_keep(&c->is.user_agent, &at);
    list_init(&c->link);
    return c;
}

/* Of strangers nobody expects one, and a flood of them costs nothing. Without memory it is not
 * waited for, either. */
static void challenge_remember(struct notifier *n, const struct change_subscription *is)
{
    struct refused *r = &n->refused;
    struct challenge *c;

    if (!is->watcher.endpoint.n || !feed_wants(n->cfg.changes, CHANGE_REFUSAL))
        return;
    c = challenge_make(is);
    if (!c)
        return;
    c->due_ms = notifier_now(n) + ANSWER_MS;
    c->is.why = STR("it was asked for its password, and has not come back with one");
    if (r->n_challenges == CHALLENGES_MAX)
        challenge_drop(r, challenge_oldest(r));
    list_append(&r->challenges, &c->link);
    r->n_challenges++;
    if (!timer_running(&r->timer))
        timer_start(n->cfg.wheel, &r->timer, LOOK_MS);
}

/* By the same Call-ID (RFC 3261 section 22.2), or what else makes it the same question. */
static bool is_answered_by(const struct challenge *c, const struct change_subscription *again)
{
    return str_equal(c->is.watcher.call_id, again->watcher.call_id) ||
           (str_equal(c->is.watcher.endpoint, again->watcher.endpoint) &&
            str_equal(c->is.uri, again->uri) &&
            addr_equal(&c->is.watcher.remote, &again->watcher.remote));
}

static void challenges_answered(struct refused *r, const struct change_subscription *again)
{
    LIST_FOREACH_SAFE (it, &r->challenges) {
        struct challenge *c = CONTAINER_OF(it, struct challenge, link);

        if (is_answered_by(c, again))
            challenge_drop(r, c);
    }
}

void refused_answered(struct notifier *n, const struct uas_request *rq)
{
    struct change_subscription again;

    if (list_empty(&n->refused.challenges))
        return;
    again = tell_refusal_of(rq, STR_EMPTY, 0, "");
    challenges_answered(&n->refused, &again);
}

/* ---- what the notifier is told ---- */

void notifier_refused(void *notifier, const struct uas_request *rq, unsigned status,
                      const char *why)
{
    const struct sip_header *event = sip_header_first(rq->msg, SIP_H_EVENT);
    struct sip_event parsed = { .package = STR_EMPTY };
    struct change_subscription is;
    struct notifier *n = notifier;

    if (rq->msg->method != SIP_SUBSCRIBE)
        return;
    if (!event || sip_event_parse(&parsed, event->value))
        parsed.package = STR_EMPTY;
    is = tell_refusal_of(rq, parsed.package, status, why ? why : "");
    challenges_answered(&n->refused, &is);
    if (why)
        tell(n, &is);
    else
        challenge_remember(n, &is);
}

void refused_init(struct notifier *n)
{
    list_init(&n->refused.challenges);
    timer_init(&n->refused.timer, challenges_fire);
}

void refused_fini(struct notifier *n)
{
    timer_stop(n->cfg.wheel, &n->refused.timer);
    LIST_FOREACH_SAFE (it, &n->refused.challenges)
        challenge_drop(&n->refused, CONTAINER_OF(it, struct challenge, link));
}
