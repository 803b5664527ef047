// SPDX-License-Identifier: MIT
/* Lookups. Each is worked out from the beginning whenever something that it waited for has come,
 * from what is known by then: so there is no state that could be wrong. */
#include "dns/cache.h"

#include <stdlib.h>

enum {
    SERVICES_MAX = 8,
    SRV_MAX = 16, /* hosts of one service */
    HOSTS_MAX = 8,
    SIP_PORT = 5060,
    SIPS_PORT = 5061,
    SERVICE_NAME_MAX = DNS_NAME_MAX + sizeof("_sips._tcp."),
};

struct lookup {
    struct list link; /* in dns.ready, or in the waiters of what it waits for */
    struct list all;
    struct dns *dns;
    dns_done_fn done;
    void *ctx;
    uint64_t cookie, began_ms;
    uint16_t port, asker;
    bool secure, fixed;
    enum net_protocol protocol;
    struct addr hosts[HOSTS_MAX]; /* a literal, or what this machine knows for the name */
    size_t n_hosts;
    struct dns_targets found;
    struct dns_entry *pending; /* the first that is missing */
    struct buf why;
    char why_room[DNS_WHY_MAX];
    char host[DNS_NAME_MAX + 1];
};

struct service {
    enum net_protocol protocol;
    char name[SERVICE_NAME_MAX + 1];
};

static const struct {
    const char *naptr, *prefix, *name;
} protocols[NET_PROTOCOLS] = { /* RFC 3263 section 4.1 */
                               [NET_UDP] = { "SIP+D2U", "_sip._udp.", "udp" },
                               [NET_TCP] = { "SIP+D2T", "_sip._tcp.", "tcp" },
                               [NET_TLS] = { "SIPS+D2T", "_sips._tcp.", "tls" }
};

void dns_target_print(struct buf *out, enum net_protocol protocol, const struct addr *addr)
{
    buf_add(out, str_of(protocols[protocol].name));
    buf_add_char(out, ' ');
    addr_print(out, addr);
}

/* ---- what is known ---- */

static void because(struct lookup *l, enum dns_type type, const char *name, const char *what)
{
    if (l->why.n)
        buf_add(&l->why, STR("; "));
    buf_printf(&l->why, "%s %s: %s", dns_type_name(type), name, what);
}

/* NULL: there is nothing, or nothing yet (l->pending). */
static const struct dns_answer *records_of(struct lookup *l, const char *name, enum dns_type type)
{
    struct dns_entry *pending;
    const struct cache_question q = { name, type, l->began_ms, l->asker };
    const struct dns_entry *e = cache_get(l->dns, &q, &pending);

    if (pending && !l->pending)
        l->pending = pending;
    if (!e && !pending) {
        because(l, type, name, "cannot be asked for now");
        l->found.full = true;
    }
    if (!e)
        return NULL;
    if (e->expires_ms < l->found.until_ms)
        l->found.until_ms = e->expires_ms;
    if (e->answer->outcome == DNS_FOUND)
        return e->answer;
    because(l, type, name, dns_outcome_name(e->answer->outcome));
    return NULL;
}

static bool speaks(const struct lookup *l, enum net_protocol protocol)
{
    const struct dns_port *port = &l->dns->cfg.port;

    return (!l->secure || protocol == NET_TLS) && port->speaks(port->ctx, protocol);
}

/* ---- hosts ---- */

static bool target_add(struct lookup *l, struct addr addr, uint16_t port,
                       enum net_protocol protocol)
{
    const struct dns_port *p = &l->dns->cfg.port;

    addr_port_set(&addr, port);
    if (!p->reached(p->ctx, protocol, &addr))
        return false;
    if (l->found.n < DNS_TARGETS_MAX)
        l->found.list[l->found.n++] = (struct dns_target){ addr, protocol };
    return true;
}

/* RFC 7984 section 4: both families, and what RFC 6724 prefers first. */
static void host_add(struct lookup *l, const char *name, uint16_t port, enum net_protocol protocol)
{
    static const enum dns_type families[] = { DNS_AAAA, DNS_A };
    const struct dns_answer *answers[] = { records_of(l, name, DNS_AAAA),
                                           records_of(l, name, DNS_A) };

    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        bool reached = false;

        for (size_t i = 0; answers[f] && i < answers[f]->n; i++)
            reached = target_add(l, answers[f]->records[i].addr, port, protocol) || reached;
        if (answers[f] && !reached)
            because(l, families[f], name, "no transport leads there");
    }
}

static uint16_t usual_port(enum net_protocol protocol)
{
    return protocol == NET_TLS ? SIPS_PORT : SIP_PORT;
}

static void own_host_add(struct lookup *l)
{
    uint16_t port = l->port ? l->port : usual_port(l->protocol);
    bool reached = false;

    for (size_t i = 0; i < l->n_hosts; i++)
        reached = target_add(l, l->hosts[i], port, l->protocol) || reached;
    if (!reached)
        buf_printf(&l->why, "%s: no transport leads there", l->host);
}

/* ---- services ---- */

static size_t heavier(const struct dns_record *records, size_t n, struct rng *rng)
{
    uint32_t sum = 0, drawn;
    size_t i = 0;

    for (size_t k = 0; k < n; k++)
        sum += records[k].weight;
    drawn = rng_below(rng, sum + 1);
    for (sum = records[0].weight; sum < drawn; sum += records[i].weight)
        i++;
    return i;
}

static void record_move(struct dns_record *records, size_t from, size_t to)
{
    struct dns_record r = records[from];

    memmove(&records[to + 1], &records[to], (from - to) * sizeof(r));
    records[to] = r;
}

/* Those without weight first among their like, as RFC 2782 has it: so they have a small chance. */
static bool goes_before(const struct dns_record *a, const struct dns_record *b)
{
    return a->priority != b->priority ? a->priority < b->priority : !a->weight && b->weight;
}

/* Among those without weight each is the first as often: the order of an answer that is kept does
 * not change. */
void dns_srv_order(struct dns_record *records, size_t n, struct rng *rng)
{
    for (size_t i = 1; i < n; i++)
        record_move(records, i, rng_below(rng, (uint32_t)i + 1));
    for (size_t i = 1; i < n; i++) {
        size_t to = i;

        while (to && goes_before(&records[i], &records[to - 1]))
            to--;
        record_move(records, i, to);
    }
    for (size_t i = 0; i < n; i++) {
        size_t like = 1;

        while (i + like < n && records[i + like].priority == records[i].priority)
            like++;
        record_move(records, i + heavier(&records[i], like, rng), i);
    }
}

/* RFC 2782: the root as the target says that there is decidedly no such service. */
static void service_add(struct lookup *l, const struct service *s)
{
    const struct dns_answer *answer = records_of(l, s->name, DNS_SRV);
    struct dns_record ordered[SRV_MAX];
    size_t n = answer ? answer->n : 0;
    char host[DNS_NAME_MAX + 1];

    n = n > SRV_MAX ? SRV_MAX : n;
    if (n)
        memcpy(ordered, answer->records, n * sizeof(ordered[0]));
    dns_srv_order(ordered, n, l->dns->cfg.rng);
    for (size_t i = 0; i < n; i++) {
        if (!ordered[i].name.n || !ordered[i].port) {
            because(l, DNS_SRV, s->name, "says that there is no such service");
            continue;
        }
        snprintf(host, sizeof(host), "%.*s", STR_FMT(ordered[i].name));
        host_add(l, host, ordered[i].port, s->protocol);
    }
}

/* By order and preference: RFC 3263 section 4.1 takes the first that we speak. */
static size_t naptr_services(struct lookup *l, struct service list[SERVICES_MAX])
{
    const struct dns_answer *answer = records_of(l, l->host, DNS_NAPTR);
    uint32_t ranks[SERVICES_MAX];
    size_t n = 0;

    for (size_t i = 0; answer && i < answer->n; i++) {
        const struct dns_record *r = &answer->records[i];
        uint32_t rank = (uint32_t)r->priority << 16 | r->weight;
        size_t to = n;
        unsigned p = 0;

        while (p < NET_PROTOCOLS &&
               !(protocols[p].naptr && str_equal_nocase(r->service, str_of(protocols[p].naptr))))
            p++;
        if (p == NET_PROTOCOLS || !speaks(l, (enum net_protocol)p) || !r->name.n ||
            !str_equal_nocase(r->flags, STR("s")) || n == SERVICES_MAX)
            continue;
        for (; to && ranks[to - 1] > rank; to--) {
            ranks[to] = ranks[to - 1];
            list[to] = list[to - 1];
        }
        ranks[to] = rank;
        list[to].protocol = (enum net_protocol)p;
        snprintf(list[to].name, sizeof(list[to].name), "%.*s", STR_FMT(r->name));
        n++;
    }
    if (answer && !n)
        because(l, DNS_NAPTR, l->host, "names nothing that we speak");
    return n;
}

static void service_of(struct service *s, enum net_protocol protocol, const char *host)
{
    s->protocol = protocol;
    snprintf(s->name, sizeof(s->name), "%s%s", protocols[protocol].prefix, host);
}

static size_t usual_services(const struct lookup *l, struct service list[SERVICES_MAX])
{
    size_t n = 0;

    for (unsigned p = 0; p < NET_PROTOCOLS && n < SERVICES_MAX; p++)
        if (protocols[p].prefix && (l->fixed ? l->protocol == p : speaks(l, (enum net_protocol)p)))
            service_of(&list[n++], (enum net_protocol)p, l->host);
    return n;
}

/* ---- a lookup ---- */

/* Everything that is missing at one stage is asked for at once. */
static void find(struct lookup *l)
{
    struct service services[SERVICES_MAX];
    size_t n = 0, said;

    if (l->n_hosts) {
        own_host_add(l);
        return;
    }
    if (l->port) {
        host_add(l, l->host, l->port, l->protocol);
        return;
    }
    if (!l->fixed)
        n = naptr_services(l, services);
    if (l->pending)
        return;
    if (!n)
        n = usual_services(l, services);
    said = l->why.n;
    for (size_t i = 0; i < n; i++)
        (void)records_of(l, services[i].name, DNS_SRV);
    l->why.n = said; /* it is said by whoever looks at them */
    for (size_t i = 0; i < n && !l->pending && !l->found.n; i++)
        service_add(l, &services[i]);
    if (!l->pending && !l->found.n)
        host_add(l, l->host, usual_port(l->protocol), l->protocol);
}

static void lookup_end(struct lookup *l)
{
    struct dns *d = l->dns;

    list_remove(&l->link);
    list_remove(&l->all);
    d->n_lookups--;
    free(l);
}

static void lookup_done(struct lookup *l)
{
    l->found.why = buf_str(&l->why);
    list_remove(&l->link);
    l->done(l->ctx, l->cookie, &l->found);
    lookup_end(l);
}

static void lookup_run(struct lookup *l)
{
    list_remove(&l->link);
    buf_init_on(&l->why, l->why_room, sizeof(l->why_room));
    l->pending = NULL;
    l->found = (struct dns_targets){ .until_ms = UINT64_MAX };
    find(l);
    if (l->pending)
        list_append(&l->pending->waiters, &l->link);
    else
        lookup_done(l);
}

static void on_turn(struct timer *t)
{
    struct dns *d = CONTAINER_OF(t, struct dns, turn);
    struct list now;

    list_init(&now);
    list_splice(&now, &d->ready);
    while (!list_empty(&now))
        lookup_run(CONTAINER_OF(now.next, struct lookup, link));
}

/* All have the same patience, so that the oldest is the first that loses it. */
static void on_patience(struct timer *t)
{
    struct dns *d = CONTAINER_OF(t, struct dns, patience);
    uint64_t now = clock_monotonic_ms(d->cfg.clock);

    LIST_FOREACH_SAFE (it, &d->lookups) {
        struct lookup *l = CONTAINER_OF(it, struct lookup, all);

        if (l->began_ms + DNS_PATIENCE_MS > now) {
            timer_start(d->cfg.wheel, t, l->began_ms + DNS_PATIENCE_MS - now);
            return;
        }
        l->found.n = 0;
        because(l, l->pending ? l->pending->type : DNS_A, l->pending ? l->pending->name : l->host,
                dns_outcome_name(DNS_FAILED));
        lookup_done(l);
    }
}

/* A name as it is asked for; empty when it is none. */
static void host_set(struct lookup *l, struct str host)
{
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n > DNS_NAME_MAX)
        host.n = 0;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        l->host[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
}

/* RFC 6761 section 6.3: localhost is nobody's business. Numbers and what this machine knows itself
 * are not looked up either, nor the services of such a name. */
static void hosts_find(struct lookup *l, struct str host)
{
    const struct dns_port *port = &l->dns->cfg.port;

    if (addr_parse(&l->hosts[0], host, 0) == 0)
        l->n_hosts = 1;
    else
        l->n_hosts = port->hosts(port->ctx, l->host, l->hosts, HOSTS_MAX);
    if (!l->n_hosts && str_equal(str_of(l->host), STR("localhost"))) {
        l->hosts[0].v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        l->hosts[1].v6 =
            (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
        l->n_hosts = 2;
    }
}

int dns_lookup(struct dns *d, const struct dns_question *q, dns_done_fn done, void *ctx,
               uint64_t cookie)
{
    struct lookup *l;

    if (d->n_lookups >= DNS_LOOKUPS_MAX)
        return -EAGAIN;
    l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->dns = d;
    l->done = done;
    l->ctx = ctx;
    l->cookie = cookie;
    l->began_ms = clock_monotonic_ms(d->cfg.clock);
    l->port = q->port;
    l->asker = cache_asker(d, q->asker);
    l->secure = q->secure;
    l->fixed = q->fixed;
    l->protocol = q->protocol;
    host_set(l, q->host);
    hosts_find(l, q->host);
    buf_init_on(&l->why, l->why_room, sizeof(l->why_room));
    list_init(&l->link);
    list_init(&l->all);
    list_append(&d->ready, &l->link);
    list_append(&d->lookups, &l->all);
    d->n_lookups++;
    if (!timer_running(&d->turn))
        timer_start(d->cfg.wheel, &d->turn, 0);
    if (!timer_running(&d->patience))
        timer_start(d->cfg.wheel, &d->patience, DNS_PATIENCE_MS);
    return 0;
}

size_t dns_lookups(const struct dns *d)
{
    return d->n_lookups;
}

/* ---- life ---- */

int dns_create(struct dns **out, const struct dns_config *cfg)
{
    struct dns *d = calloc(1, sizeof(*d));
    int r = d ? map_init(&d->entries, cfg->rng) : -ENOMEM;

    if (r) {
        free(d);
        return r;
    }
    d->cfg = *cfg;
    list_init(&d->recent);
    list_init(&d->ready);
    list_init(&d->lookups);
    timer_init(&d->turn, on_turn);
    timer_init(&d->patience, on_patience);
    *out = d;
    return 0;
}

void dns_destroy(struct dns *d)
{
    if (!d)
        return;
    timer_stop(d->cfg.wheel, &d->turn);
    timer_stop(d->cfg.wheel, &d->patience);
    LIST_FOREACH_SAFE (it, &d->lookups)
        lookup_end(CONTAINER_OF(it, struct lookup, all));
    cache_fini(d);
    free(d);
}
