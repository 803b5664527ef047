// SPDX-License-Identifier: MIT
/* After a reload, or when its resource has gone, a subscription shows what a new one would show at
 * that moment: what its Request-URI names is asked for anew, and it goes there in its dialog. */
#include "event/event_internal.h"

/* A list of watchers outlives what is watched. */
static bool outlives(const struct subscription *s)
{
    return s->winfo && !watched_is_removed(s->resource);
}

static bool nowhere(struct subscription *s)
{
    if (outlives(s))
        return true;
    subscription_end(s, END_NORESOURCE);
    return false;
}

bool follow(struct subscription *s)
{
    struct notifier *n = sub_notifier(s);
    bool removed = watched_is_removed(s->resource);
    struct watched_name key;
    char package_room[128];
    struct buf package;
    int r;

    if (!list_empty(&s->of_question))
        return !removed; /* the answer looks again */
    if (s->lookup == n->lookup && !removed)
        return true;
    if (!settings_endpoint(n->settings, dialog_endpoint(s->dialog)))
        return true; /* it is about to end for that */
    s->lookup = n->lookup;
    buf_init_on(&package, package_room, sizeof(package_room));
    if (!address_again(&key, s, &package))
        return nowhere(s);
    r = watched_find_again(s, &key);
    if (r) {
        log_warn(n->cfg.log, "notifier.watch_failed", KV("resource", key.name.extension),
                 KV_ERR(r));
        s->lookup--;
        if (!s->retry_ms)
            subscription_retry(s, CONGESTED_MS, false);
    }
    return !watched_is_removed(s->resource);
}

void follow_answer(struct subscription *s, const struct watched_answer *a)
{
    struct notifier *n = s->dialog->notifier;
    bool removed = watched_is_removed(s->resource);

    if (!sub_runs(s))
        return;
    if (s->lookup != n->lookup)
        (void)follow(s); /* it was asked of a former dialplan: once more */
    else if (a->resource && !watched_is_removed(a->resource))
        watched_move(s, a->resource);
    else if (a->exists)
        subscription_end(s, END_DEACTIVATED); /* no memory, or gone already: it asks anew */
    else if (removed || a->always)
        (void)nowhere(s);
}
