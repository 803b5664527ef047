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
        subscription_end(s, n->drain.reason == NOTIFIER_DRAIN_PROBATION ? END_PROBATION
                                                                        : END_DEACTIVATED);
        return true;
    }
    return false;
}

/* Those that wait for the answer to their last NOTIFY are passed over. */
static void drain_some(struct notifier *n, uint32_t budget)
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

static void drain_fire(struct timer *timer)
{
    struct notifier *n = CONTAINER_OF(timer, struct notifier, drain.timer);
    uint32_t share = n->drain.rate_per_s / (1000 / DRAIN_STEP_MS);

    drain_some(n, share ? share : 1);
    if (n->counters.subscriptions)
        timer_start(n->cfg.wheel, &n->drain.timer,
                    share ? DRAIN_STEP_MS : 1000 / n->drain.rate_per_s);
    else
        log_info(n->cfg.log, "notifier.drained");
}

void drain_init(struct notifier *n)
{
    timer_init(&n->drain.timer, drain_fire);
}

void notifier_drain(struct notifier *n, enum notifier_drain_reason reason, uint32_t retry_after_s,
                    uint32_t rate_per_s)
{
    if (n->stopping)
        return;
    n->drain.active = true;
    n->drain.reason = reason;
    n->drain.retry_after_s = retry_after_s;
    n->drain.rate_per_s = rate_per_s ? rate_per_s : 1;
    log_info(n->cfg.log, "notifier.drain", KV_U("subscriptions", n->counters.subscriptions),
             KV_U("rate_per_s", rate_per_s));
    timer_start(n->cfg.wheel, &n->drain.timer, 0);
}

void notifier_resume(struct notifier *n)
{
    n->drain.active = false;
    timer_stop(n->cfg.wheel, &n->drain.timer);
}
