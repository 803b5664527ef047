// SPDX-License-Identifier: MIT
#include "dns/cache.h"

#include <stdlib.h>

struct key {
    struct str name;
    enum dns_type type;
};

static uint64_t now_ms(const struct dns *d)
{
    return clock_monotonic_ms(d->cfg.clock);
}

static bool is_entry(const struct map_node *node, const void *key)
{
    const struct dns_entry *e = CONTAINER_OF(node, const struct dns_entry, node);
    const struct key *k = key;

    return e->type == k->type && str_equal(str_of(e->name), k->name);
}

static uint64_t hash_of(const struct dns *d, const struct key *k)
{
    return map_hash_mix(map_hash(&d->entries, k->name), k->type);
}

static void entry_destroy(struct dns *d, struct dns_entry *e)
{
    BUG_UNLESS(list_empty(&e->waiters));
    map_remove(&d->entries, &e->node);
    list_remove(&e->recent);
    d->n_entries--;
    free(e->answer);
    free(e);
}

/* One that is being asked for stays: its answer has to find it. There are fewer of them than there
 * is room for. */
static void make_room(struct dns *d)
{
    LIST_FOREACH_SAFE (it, &d->recent) {
        struct dns_entry *e = CONTAINER_OF(it, struct dns_entry, recent);

        if (d->n_entries < DNS_ENTRIES_MAX)
            return;
        if (!e->pending)
            entry_destroy(d, e);
    }
}

static struct dns_entry *entry_create(struct dns *d, const struct key *k)
{
    struct dns_entry *e;

    make_room(d);
    e = calloc(1, sizeof(*e) + k->name.n + 1);
    if (!e)
        return NULL;
    memcpy(e->name, k->name.p, k->name.n);
    e->type = k->type;
    list_init(&e->waiters);
    list_init(&e->recent);
    list_append(&d->recent, &e->recent);
    map_add(&d->entries, &e->node, hash_of(d, k));
    d->n_entries++;
    return e;
}

uint16_t cache_asker(const struct dns *d, struct str endpoint)
{
    return endpoint.n ? (uint16_t)(1 + map_hash(&d->entries, endpoint) % (DNS_ASKERS - 1)) : 0;
}

/* May this asker have one more under way? */
static bool may_ask(const struct dns *d, uint16_t asker)
{
    return asker ? d->n_pending < DNS_PENDING_MAX - DNS_PENDING_OWN &&
                       d->n_asked[asker] < DNS_PENDING_ASKER
                 : d->n_pending < DNS_PENDING_MAX;
}

/* It was there a while ago, and nobody says anything else. */
static bool may_stay(const struct dns_entry *e, uint64_t now)
{
    return e->answer && e->answer->outcome == DNS_FOUND &&
           now < e->answered_ms + UINT64_C(1000) * (e->answer->ttl_s + DNS_STALE_S);
}

static void ask(struct dns *d, struct dns_entry *e, uint16_t asker)
{
    e->pending = true;
    e->asker = asker;
    d->n_asked[asker]++;
    d->n_pending++;
    d->cfg.port.query(d->cfg.port.ctx, e->name, e->type, e);
}

const struct dns_entry *cache_get(struct dns *d, const struct cache_question *q,
                                  struct dns_entry **pending)
{
    const struct key k = { str_of(q->name), q->type };
    struct map_node *node = map_find(&d->entries, hash_of(d, &k), is_entry, &k);
    struct dns_entry *e = node ? CONTAINER_OF(node, struct dns_entry, node) : NULL;

    *pending = NULL;
    if (!e && may_ask(d, q->asker))
        e = entry_create(d, &k);
    if (!e)
        return NULL;
    list_remove(&e->recent);
    list_append(&d->recent, &e->recent);
    if (!e->pending &&
        !(e->answer && (e->expires_ms > now_ms(d) || e->answered_ms >= q->since_ms))) {
        if (!may_ask(d, q->asker))
            return may_stay(e, now_ms(d)) ? e : NULL;
        ask(d, e, q->asker);
    }
    if (!e->pending)
        return e->answer ? e : NULL;
    *pending = e;
    return NULL;
}

void dns_answered(struct dns *d, struct dns_entry *e, enum dns_outcome without, struct str message)
{
    uint64_t now = now_ms(d);
    struct dns_answer *answer;
    int r;

    BUG_UNLESS(e->pending);
    e->pending = false;
    d->n_asked[e->asker]--;
    d->n_pending--;
    r = dns_answer_parse(&answer, e->type, message);
    if (r == 0 && !message.n)
        answer->outcome = without;
    if (r) {
        answer = NULL; /* no memory, and so no answer */
        e->expires_ms = now;
    } else if (answer->outcome == DNS_FAILED && may_stay(e, now)) {
        free(answer);
        answer = NULL;
        e->expires_ms = now + UINT64_C(1000) * DNS_STALE_TTL_S;
    }
    if (answer) {
        free(e->answer);
        e->answer = answer;
        e->answered_ms = now;
        /* A second at least: a lookup's questions depend on each other's answers. */
        e->expires_ms = now + UINT64_C(1000) * (answer->ttl_s ? answer->ttl_s : 1);
    }
    list_splice(&d->ready, &e->waiters);
    if (!list_empty(&d->ready) && !timer_running(&d->turn))
        timer_start(d->cfg.wheel, &d->turn, 0);
}

void dns_forget(struct dns *d)
{
    MAP_FOREACH_SAFE (it, &d->entries) {
        struct dns_entry *e = CONTAINER_OF(it, struct dns_entry, node);

        if (!e->pending)
            entry_destroy(d, e);
    }
}

void cache_fini(struct dns *d)
{
    MAP_FOREACH_SAFE (it, &d->entries)
        entry_destroy(d, CONTAINER_OF(it, struct dns_entry, node));
    map_fini(&d->entries);
}
