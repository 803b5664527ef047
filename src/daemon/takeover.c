// SPDX-License-Identifier: MIT
/* Sockets that were open before this process began, and what has arrived on them until it serves.
 */
#include <stdlib.h>

#include "daemon/daemon_internal.h"

static const struct inherited_socket *udp_socket_at(const struct inherited *in, size_t at)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->list[i].kind == INHERITED_UDP && at-- == 0)
            return &in->list[i];
    return NULL;
}

int daemon_inherit(struct daemon *d)
{
    const struct inherited *in = d->options->inherited;
    size_t n = 0;
    int *fds, r;

    if (!in->n)
        return 0;
    fds = calloc(in->n, sizeof(*fds));
    if (!fds)
        return -ENOMEM;
    while (udp_socket_at(in, n)) {
        fds[n] = udp_socket_at(in, n)->fd;
        n++;
    }
    r = backlog_start(&d->backlog, d->log, fds, n);
    free(fds);
    return r;
}

/* Of which connections are handed on. */
static const struct listener *plain_listener(const struct daemon *d, struct str id)
{
    for (size_t i = 0; i < d->listeners->n; i++)
        if (d->listeners->list[i].protocol != NET_UDP &&
            !net_is_secure(d->listeners->list[i].protocol) &&
            str_equal(d->listeners->list[i].id, id))
            return &d->listeners->list[i];
    return NULL;
}

/* There may be too many of them for a second descriptor of each. */
static void adopt_connection(struct daemon *d, struct inherited_socket *s)
{
    struct str id = s->name, number = str_next(&id, '/');
    const struct listener *l = plain_listener(d, id);
    uint32_t worker;
    int r;

    if (!l || str_to_u32(&worker, number))
        return;
    r = net_adopt_connection(d->workers[worker % d->n_workers].net, l->slot, s->fd);
    if (r)
        log_warn(d->log, "daemon.connection_lost", KV("transport", l->id), KV_ERR(r));
    s->lent = r == 0;
    s->taken = true;
}

void daemon_adopt_connections(struct daemon *d)
{
    struct inherited *in = d->options->inherited;

    for (size_t i = 0; i < in->n && d->options->succession->from; i++)
        if (in->list[i].kind == INHERITED_CONNECTION)
            adopt_connection(d, &in->list[i]);
}

struct delivery {
    struct daemon *d;
    size_t lost;
};

static void deliver(void *ctx, size_t at, const struct addr *local, const struct addr *remote,
                    struct str datagram)
{
    struct delivery *to = ctx;
    struct daemon *d = to->d;
    const struct inherited_socket *s = udp_socket_at(d->options->inherited, at);

    for (size_t i = 0; s && s->taken && i < d->listeners->n; i++) {
        const struct listener *l = &d->listeners->list[i];
        struct flow from = { .transport = l->slot, .local = *local, .remote = *remote };

        if (l->protocol != NET_UDP || !addr_equal(&l->local, &s->local))
            continue;
        to->lost += !worker_post_backlog(&d->workers[s->place % d->n_workers], &from, datagram);
        return;
    }
}

void daemon_deliver_backlog(struct daemon *d)
{
    struct delivery to = { .d = d };

    if (!d->backlog)
        return;
    backlog_stop(d->backlog);
    to.lost = backlog_lost(d->backlog);
    backlog_each(d->backlog, deliver, &to);
    log_info(d->log, "daemon.backlog", KV_U("datagrams", backlog_count(d->backlog)),
             KV_U("lost", to.lost));
    backlog_destroy(d->backlog);
    d->backlog = NULL;
}
