// SPDX-License-Identifier: MIT
/* Where those are who are called by a name: a thread's lookups, and its questions to name servers;
 * and what a worker looks up. */
#include "daemon/threads.h"

static void query(void *ctx, const char *name, enum dns_type type, struct dns_entry *entry)
{
    dns_wire_query(((struct names *)ctx)->wire, name, type, entry);
}

static size_t hosts(void *ctx, const char *name, struct addr *list, size_t most)
{
    return dns_wire_hosts(((struct names *)ctx)->wire, name, list, most);
}

static bool reached(void *ctx, enum net_protocol protocol, const struct addr *remote)
{
    const struct names_port *port = &((struct names *)ctx)->port;

    return port->reached(port->ctx, protocol, remote);
}

static bool speaks(void *ctx, enum net_protocol protocol)
{
    const struct names_port *port = &((struct names *)ctx)->port;

    return port->speaks(port->ctx, protocol);
}

int names_init(struct names *n, const struct names_config *cfg)
{
    int r;

    *n = (struct names){ .port = cfg->port, .log = cfg->log };
    r = dns_wire_create(&n->wire, cfg->loop, cfg->servers);
    if (r == 0)
        r = dns_create(&n->dns, &(struct dns_config){ .wheel = &cfg->loop->wheel,
                                                      .clock = cfg->loop->clock,
                                                      .rng = cfg->rng,
                                                      .port = { .ctx = n,
                                                                .query = query,
                                                                .hosts = hosts,
                                                                .reached = reached,
                                                                .speaks = speaks } });
    if (r)
        log_error(n->log, "names.none", KV_ERR(r));
    else
        dns_wire_bind(n->wire, n->dns);
    return r;
}

void names_servers_set(struct names *n, struct str servers)
{
    int r = dns_wire_servers_set(n->wire, servers);

    if (r < 0)
        log_error(n->log, "names.servers", KV_ERR(r)); /* the former ones go on */
    if (r == 0)
        dns_forget(n->dns);
}

void names_fini(struct names *n)
{
    dns_wire_destroy(n->wire);
    dns_destroy(n->dns);
    n->wire = NULL;
    n->dns = NULL;
}

/* ---- a worker's ---- */

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

int worker_names_init(struct worker *w, struct str servers)
{
    return names_init(&w->names, &(struct names_config){ .loop = &w->loop,
                                                         .rng = &w->rng,
                                                         .log = w->log,
                                                         .servers = servers,
                                                         .port = { w, is_reached, is_spoken } });
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
    int r = dns_lookup(w->names.dns, q, done, w, cookie);

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
