// SPDX-License-Identifier: MIT
/* Where compositors and telephones are that are called by a name: a worker's lookups, and its
 * questions to name servers. */
#include "daemon/threads.h"

static bool is_reached(void *ctx, enum net_protocol protocol, const struct addr *remote)
{
    struct flow flow;

    return worker_route(ctx, STR_EMPTY, protocol, remote, &flow) == 0;
}

static bool is_spoken(void *ctx, enum net_protocol protocol)
{
    const struct transports *t = &((struct worker *)ctx)->transports;

    for (size_t i = 0; i < t->n; i++)
        if (!t->list[i].gone && t->list[i].protocol == protocol)
            return true;
    return false;
}

static void query(void *ctx, const char *name, enum dns_type type, struct dns_entry *entry)
{
    dns_wire_query(((struct worker *)ctx)->wire, name, type, entry);
}

static size_t hosts(void *ctx, const char *name, struct addr *list, size_t most)
{
    return dns_wire_hosts(((struct worker *)ctx)->wire, name, list, most);
}

int worker_dns_init(struct worker *w, const struct clock *clock, struct str servers)
{
    int r = dns_wire_create(&w->wire, &w->loop, servers);

    if (r == 0)
        r = dns_create(&w->dns, &(struct dns_config){ .wheel = &w->loop.wheel,
                                                      .clock = clock,
                                                      .rng = &w->rng,
                                                      .port = { .ctx = w,
                                                                .query = query,
                                                                .hosts = hosts,
                                                                .reached = is_reached,
                                                                .speaks = is_spoken } });
    if (r)
        log_error(w->log, "worker.dns", KV_ERR(r));
    else
        dns_wire_bind(w->wire, w->dns);
    return r;
}

void worker_dns_settings(struct worker *w, struct str servers)
{
    int r = dns_wire_servers_set(w->wire, servers);

    if (r < 0)
        log_error(w->log, "worker.dns", KV_ERR(r)); /* the former servers go on */
    if (r == 0)
        dns_forget(w->dns);
}

void worker_dns_fini(struct worker *w)
{
    dns_wire_destroy(w->wire);
    dns_destroy(w->dns);
    w->wire = NULL;
    w->dns = NULL;
}

static void answer_publisher(void *ctx, uint64_t cookie, const struct dns_targets *found)
{
    publisher_resolved(((struct worker *)ctx)->engine.publisher, cookie, found);
}

static void answer_notifier(void *ctx, uint64_t cookie, const struct dns_targets *found)
{
    notifier_resolved(((struct worker *)ctx)->engine.notifier, cookie, found);
}

static void answer_qualifier(void *ctx, uint64_t cookie, const struct dns_targets *found)
{
    qualifier_resolved(((struct worker *)ctx)->engine.qualifier, cookie, found);
}

/* Whoever asks has a timer for an answer that does not come. */
static void lookup(struct worker *w, const struct dns_question *q, uint64_t cookie,
                   dns_done_fn done)
{
    int r = dns_lookup(w->dns, q, done, w, cookie);

    if (r)
        log_error(w->log, "worker.resolve", KV("host", q->host), KV_ERR(r));
}

void worker_publisher_resolve(void *ctx, const struct dns_question *q, uint64_t cookie)
{
    lookup(ctx, q, cookie, answer_publisher);
}

void worker_notifier_resolve(void *ctx, const struct dns_question *q, uint64_t question)
{
    lookup(ctx, q, question, answer_notifier);
}

void worker_qualifier_resolve(void *ctx, const struct dns_question *q, uint64_t question)
{
    lookup(ctx, q, question, answer_qualifier);
}
