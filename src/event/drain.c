// SPDX-License-Identifier: MIT
/* Moving the subscribers away before a server goes: RFC 6665 section 4.1.3 for what the reasons
 * have them do. At a bounded rate, or their new server would get all of them at once. */
#include "event/event_internal.h"

enum { DRAIN_STEP_MS = 100 };

static bool drain_one(struct notifier *n, struct dialog *d)
{
    LIST_FOREACH (it, &d->usages) {
        struct subscription *s = CONTAINER_OF(it, struct subscription, of_dialog);

        if (!sub_runs(s))
            continue;
        subscription_end(s, n->drain.how.reason == NOTIFIER_DRAIN_PROBATION ? END_PROBATION
                                                                            : END_DEACTIVATED);
        return true;
    }
    return false;
}

/* Those that wait for the answer to their last NOTIFY are passed over. */
static void drain_some(struct notifier *n, uint64_t budget)
{
    MAP_FOREACH_SAFE (node, &n->dialogs) {
        struct dialog *d = CONTAINER_OF(node, struct dialog, node);
        bool any = true;

        if (!budget)
            return;
        dialog_pin(d);
        while (budget && any) {
            any = drain_one(n, d);
            budget -= any;
        }
        dialog_unpin(d);
    }
}

/* How many have been due here by now. The first one of all is due at once, at the first worker. */
static uint64_t drain_due(const struct drain *d, uint64_t now_ms)
{
    uint64_t all = (now_ms - d->begun_ms) * d->how.rate_per_s / 1000 + 1;

    return (all + d->how.workers - 1 - d->how.worker) / d->how.workers;
}

/* Until the next one is due here. */
static uint64_t drain_wait_ms(const struct drain *d, uint64_t now_ms)
{
    uint64_t next = d->n_due * d->how.workers + d->how.worker;
    uint64_t due_ms = d->begun_ms + (next * 1000 + d->how.rate_per_s - 1) / d->how.rate_per_s;

    return due_ms > now_ms + DRAIN_STEP_MS ? due_ms - now_ms : DRAIN_STEP_MS;
}

static void drain_fire(struct timer *timer)
{
    struct notifier *n = CONTAINER_OF(timer, struct notifier, drain.timer);
    struct drain *d = &n->drain;
    uint64_t due = drain_due(d, notifier_now(n));

    drain_some(n, due - d->n_due);
    d->n_due = due; /* what nobody was there for is not made up for */
    if (n->counters.subscriptions)
        timer_start(n->cfg.wheel, &d->timer, drain_wait_ms(d, notifier_now(n)));
    else
        log_info(n->cfg.log, "notifier.drained");
}

void drain_init(struct notifier *n)
{
    timer_init(&n->drain.timer, drain_fire);
}

void notifier_drain(struct notifier *n, const struct notifier_drain *how)
{
    if (n->stopping)
        return;
    n->drain.active = true;
    n->drain.how = *how;
    n->drain.how.rate_per_s += !how->rate_per_s;
    n->drain.begun_ms = notifier_now(n);
    n->drain.n_due = 0;
    log_info(n->cfg.log, "notifier.drain", KV_U("subscriptions", n->counters.subscriptions),
             KV_U("rate_per_s", how->rate_per_s));
    timer_start(n->cfg.wheel, &n->drain.timer, 0);
}

void notifier_resume(struct notifier *n)
{
    n->drain.active = false;
    timer_stop(n->cfg.wheel, &n->drain.timer);
}

bool notifier_is_draining(const struct notifier *n)
{
    return n->drain.active;
}
