// SPDX-License-Identifier: MIT
/* What comes by a socket of one worker and is for another one. */
#include <stdlib.h>

#include "daemon/threads.h"

struct datagram_message {
    struct inbox_message m;
    struct flow from;
    size_t n;
    char bytes[];
};

static void datagram_drop(struct inbox_message *m)
{
    struct datagram_message *d = CONTAINER_OF(m, struct datagram_message, m);

    net_names_unref(d->from.names);
    free(d);
}

static void datagram_run(struct inbox_message *m, void *owner)
{
    struct datagram_message *d = CONTAINER_OF(m, struct datagram_message, m);
    struct worker *w = owner;

    engine_receive(&w->engine, &d->from, (struct str){ d->bytes, d->n });
    datagram_drop(m);
}

static struct datagram_message *datagram_copy(const struct flow *from, struct str datagram)
{
    struct datagram_message *d = malloc(sizeof(*d) + datagram.n);

    if (!d)
        return NULL;
    d->m = (struct inbox_message){ .run = datagram_run, .drop = datagram_drop, .patient = true };
    list_init(&d->m.link);
    d->from = *from;
    net_names_ref(from->names);
    d->n = datagram.n;
    memcpy(d->bytes, datagram.p, datagram.n);
    return d;
}

int worker_post_datagram(struct worker *w, const struct flow *from, struct str datagram)
{
    struct datagram_message *d = datagram_copy(from, datagram);
    int r;

    if (!d)
        return -ENOMEM;
    if (from->connection && str_starts(datagram, STR("SIP/"))) /* nobody repeats that answer */
        r = inbox_post_once(&w->loop.inbox, &d->m);
    else
        r = inbox_post(&w->loop.inbox, &d->m);
    if (r)
        datagram_drop(&d->m);
    return r;
}

bool worker_post_backlog(struct worker *w, const struct flow *from, struct str datagram)
{
    struct datagram_message *d = datagram_copy(from, datagram);

    if (d)
        inbox_post_always(&w->loop.inbox, &d->m);
    return d;
}
