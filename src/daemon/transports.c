// SPDX-License-Identifier: MIT
#include "daemon/transports.h"

#include <stdlib.h>
#include <unistd.h>

static void on_close_due(struct timer *timer);

void transports_init(struct transports *t, struct net *net, struct wheel *wheel, struct log *log,
                     unsigned worker)
{
    *t = (struct transports){ .net = net, .wheel = wheel, .log = log, .worker = worker };
    timer_init(&t->timer, on_close_due);
}

void transports_fini(struct transports *t)
{
    if (t->wheel)
        timer_stop(t->wheel, &t->timer);
    for (size_t i = 0; i < t->n; i++)
        str_free(&t->list[i].id);
    free(t->list);
    free(t->closes_ms);
    *t = (struct transports){ .net = NULL };
}

/* ---- the end of one ---- */

static void close_timer_arm(struct transports *t)
{
    uint64_t now = clock_monotonic_ms(t->wheel->clock), first = UINT64_MAX;

    for (size_t i = 0; i < t->n; i++)
        if (t->closes_ms[i] && t->closes_ms[i] < first)
            first = t->closes_ms[i];
    if (first == UINT64_MAX)
        timer_stop(t->wheel, &t->timer);
    else
        timer_start(t->wheel, &t->timer, first > now ? first - now : 0);
}

static void on_close_due(struct timer *timer)
{
    struct transports *t = CONTAINER_OF(timer, struct transports, timer);
    uint64_t now = clock_monotonic_ms(t->wheel->clock);

    for (size_t i = 0; i < t->n; i++) {
        if (!t->closes_ms[i] || t->closes_ms[i] > now)
            continue;
        net_close(t->net, (uint32_t)i);
        t->closes_ms[i] = 0;
        if (t->worker == 0)
            log_info(t->log, "transport.closed", KV("transport", t->list[i].id));
    }
    close_timer_arm(t);
}

static void leave(struct transports *t, uint32_t slot, uint64_t linger_ms)
{
    if (t->list[slot].gone)
        return;
    t->list[slot].gone = true;
    net_leave(t->net, slot);
    t->closes_ms[slot] = clock_monotonic_ms(t->wheel->clock) + linger_ms;
}

/* ---- what there is ---- */

static int make_room(struct transports *t, uint32_t slot)
{
    while (t->n <= slot) {
        uint64_t *closes;

        if (ARRAY_GROW(t->list, t->n))
            return -ENOMEM;
        closes = reallocarray(t->closes_ms, t->n + 1, sizeof(*closes));
        if (!closes)
            return -ENOMEM;
        t->closes_ms = closes;
        t->closes_ms[t->n] = 0;
        t->list[t->n++] = (struct notifier_transport){ .gone = true };
    }
    return 0;
}

static int rename_to(struct transports *t, const struct listener *l)
{
    struct str copy, *id = &t->list[l->slot].id;
    int r = str_dup(&copy, l->id);

    if (r)
        return r;
    str_free(id);
    *id = copy;
    return 0;
}

static int attach(struct transports *t, const struct listener *l, unsigned place, int fd)
{
    int r = l->protocol == NET_UDP ? net_attach_udp(t->net, l->slot, l->id, fd)
                                   : net_attach_stream(t->net, l->slot, l->protocol, l->id, fd);

    if (r) {
        close(fd);
        return r;
    }
    if (place >= l->n_read)
        net_deafen(t->net, l->slot);
    t->list[l->slot].gone = false;
    t->list[l->slot].protocol = l->protocol;
    return 0;
}

static int enter(struct transports *t, const struct listeners *ls, const struct listener *l)
{
    int fd, r = make_room(t, l->slot);

    if (r == 0)
        r = rename_to(t, l);
    for (unsigned place = t->worker; r == 0 && (fd = listener_take(l, place)) >= 0;
         place += ls->n_workers)
        r = attach(t, l, place, fd);
    if (r)
        return r;
    if (t->list[l->slot].gone)
        return -EBADF;
    return l->protocol == NET_UDP
               ? net_udp_set(t->net, l->slot, l->id, l->options.tos, l->options.cos)
               : net_stream_set(t->net, l->slot, l->id, &l->options);
}

static bool is_listed(const struct listeners *ls, uint32_t slot)
{
    for (size_t i = 0; i < ls->n; i++)
        if (ls->list[i].slot == slot)
            return true;
    return false;
}

static bool has_address(const struct transports *t, uint32_t slot, const struct addr *a)
{
    struct addr bound;

    net_local(t->net, slot, &bound);
    return addr_equal(&bound, a) || (addr_is_any(&bound) && bound.sa.sa_family == a->sa.sa_family &&
                                     addr_port(&bound) == addr_port(a) && net_is_ours(t->net, a));
}

/* Whoever connects to an address that is another transport's by now is not for one that ends. Of
 * two sockets of one address the kernel chooses any, and of a narrower one that first. */
static void give_up_address(struct transports *t, uint32_t slot)
{
    struct addr bound;

    net_local(t->net, slot, &bound);
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->list[i].gone && t->list[i].protocol != NET_UDP && has_address(t, i, &bound))
            net_hang_up(t->net, slot);
}

int transports_apply(struct transports *t, const struct listeners *ls, uint64_t linger_ms)
{
    int result = 0;

    for (size_t i = 0; i < ls->n; i++) {
        int r = enter(t, ls, &ls->list[i]);

        if (r)
            log_error(t->log, "transport.listen", KV("transport", ls->list[i].id),
                      KV_U("worker", t->worker), KV_ERR(r));
        if (result == 0)
            result = r;
    }
    for (uint32_t slot = 0; slot < t->n; slot++)
        if (!is_listed(ls, slot))
            leave(t, slot, linger_ms);
    for (uint32_t slot = 0; slot < t->n; slot++)
        if (t->closes_ms[slot] && t->list[slot].protocol != NET_UDP)
            give_up_address(t, slot);
    close_timer_arm(t);
    return result;
}

static struct flow flow_by(const struct transports *t, uint32_t slot, const struct addr *local,
                           const struct addr *remote)
{
    enum net_protocol protocol = t->list[slot].protocol;
    struct flow flow = { .transport = slot,
                         .connection = protocol == NET_UDP ? 0 : NET_ANY_CONNECTION,
                         .protocol = protocol,
                         .local = *local,
                         .remote = *remote };

    if (!net_is_secure(protocol)) /* one of TLS is of whom its certificate names, which is asked
                                     when it is opened; and none is handed on */
        net_find_connection(t->net, &flow);
    return flow;
}

int transports_route(const struct transports *t, struct str id, enum net_protocol protocol,
                     const struct addr *remote, struct flow *out)
{
    int r = -EAFNOSUPPORT;

    for (size_t i = 0; i < t->n; i++) {
        struct addr bound, local;

        if (t->list[i].gone || t->list[i].protocol != protocol ||
            (id.n && !str_equal(t->list[i].id, id)))
            continue;
        net_local(t->net, (uint32_t)i, &bound);
        if (bound.sa.sa_family != remote->sa.sa_family)
            continue;
        r = net_local_for(t->net, (uint32_t)i, remote, &local);
        if (r)
            continue;
        *out = flow_by(t, (uint32_t)i, &local, remote);
        return 0;
    }
    return r;
}

int transports_route_from(const struct transports *t, enum net_protocol protocol,
                          const struct addr *local, const struct addr *remote, struct flow *out)
{
    if (addr_is_any(local) || local->sa.sa_family != remote->sa.sa_family)
        return -EADDRNOTAVAIL;
    for (size_t i = 0; i < t->n; i++) {
        if (t->list[i].gone || t->list[i].protocol != protocol ||
            !has_address(t, (uint32_t)i, local))
            continue;
        *out = flow_by(t, (uint32_t)i, local, remote);
        return 0;
    }
    return -EADDRNOTAVAIL;
}
