// SPDX-License-Identifier: MIT
/* How many subscriptions an endpoint, a resource, and an address that is told may have. */
#include <stdlib.h>

#include "event/event_internal.h"

static bool is_limited(const struct general_settings *g)
{
    return g->subscriptions_per_endpoint || g->subscriptions_per_resource ||
           g->subscriptions_per_address;
}

static struct limit_claim address_claim(const struct notifier *n, const struct addr *remote,
                                        bool free_of_it)
{
    return (struct limit_claim){ limit_key(n->cfg.limits, LIMIT_SOURCE, limit_source(remote),
                                           STR_EMPTY),
                                 free_of_it ? 0 : n->settings->general.subscriptions_per_address };
}

int quota_take(struct quota **out, struct notifier *n, const struct quota_spec *spec)
{
    const struct general_settings *g = &n->settings->general;
    struct limits *l = n->cfg.limits;
    bool free_of_it = spec->restored;
    struct quota *q;
    int taken;

    *out = NULL;
    if (!l || !is_limited(g))
        return 0;
    q = malloc(sizeof(*q));
    if (!q)
        return -ENOMEM;
    *q = (struct quota){ .claims = {
                             { limit_key(l, LIMIT_ENDPOINT, spec->endpoint, STR_EMPTY),
                               free_of_it ? 0 : g->subscriptions_per_endpoint },
                             { limit_key(l, LIMIT_RESOURCE, spec->extension, spec->context),
                               free_of_it ? 0 : g->subscriptions_per_resource },
                             [QUOTA_CLAIM_ADDRESS] = address_claim(n, &spec->remote, free_of_it),
                         } };
    taken = limit_take(l, q->claims, QUOTA_CLAIMS);
    if (taken == QUOTA_CLAIMS) {
        *out = q;
        return 0;
    }
    free(q);
    if (taken < 0)
        return taken;
    n->counters.over_quota++;
    return QUOTA_FULL_ENDPOINT + taken;
}

void quota_give(struct notifier *n, struct quota *q)
{
    if (!q)
        return;
    limit_give(n->cfg.limits, q->claims, QUOTA_CLAIMS);
    free(q);
}

static uint64_t owner_hash(const struct notifier *n, const struct subscription *s)
{
    return map_hash_u64(&n->quotas, (uintptr_t)s);
}

static bool is_of(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct quota, node)->of == key;
}

void quota_attach(struct notifier *n, struct quota *q, const struct subscription *s)
{
    if (!q)
        return;
    q->of = s;
    map_add(&n->quotas, &q->node, owner_hash(n, s));
}

static struct quota *quota_of(const struct notifier *n, const struct subscription *s)
{
    struct map_node *node =
        n->quotas.count ? map_find(&n->quotas, owner_hash(n, s), is_of, s) : NULL;

    return node ? CONTAINER_OF(node, struct quota, node) : NULL;
}

/* Of a dialog's other usages each moves with its own refresh. */
int quota_move(struct notifier *n, const struct subscription *s, const struct addr *remote)
{
    struct quota *q = quota_of(n, s);
    struct limit_claim to, *from;
    int taken;

    if (!q)
        return 0;
    from = &q->claims[QUOTA_CLAIM_ADDRESS];
    to = address_claim(n, remote, false);
    if (to.key == from->key)
        return 0;
    taken = limit_take(n->cfg.limits, &to, 1);
    if (taken < 0)
        return taken;
    if (taken == 0) {
        n->counters.over_quota++;
        return QUOTA_FULL_ADDRESS;
    }
    limit_give(n->cfg.limits, from, 1);
    *from = to;
    return 0;
}

void quota_end(struct notifier *n, const struct subscription *s)
{
    struct quota *q = quota_of(n, s);

    if (!q)
        return;
    map_remove(&n->quotas, &q->node);
    quota_give(n, q);
}
