// SPDX-License-Identifier: MIT
/* What comes by a socket of one worker and is for another one.
 *
 * To tags and branches say whose it is, and anybody can write what he likes there. So little may
 * wait: a snapshot that comes meanwhile, which is a lamp, waits behind it; and what it costs counts
 * where it was received (net_config.elsewhere_ns, net_overloaded), so that it is refused there when
 * it is too much. */
#include <stdlib.h>

#include "daemon/threads.h"

/* Of requests as many as a turn of the loop runs, which is some 4 ms; they come again. Answers take
 * less, and are more: of a fan-out. Nobody repeats those by a connection. */
static const struct room {
    size_t n, bytes;
} requests_room = { 256, 1 << 20 }, answers_room = { 4096, 4 << 20 },
  answers_once_room = { 8192, 8 << 20 };

struct datagram_message {
    struct inbox_message m;
    struct forwarded *among;      /* NULL: nobody has forwarded it */
    _Atomic uint64_t *charged_ns; /* NULL: nobody */
    struct flow from;
    size_t n;
    char bytes[];
};

static void forwarded_less(struct forwarded *f, size_t bytes)
{
    atomic_fetch_sub(&f->n, 1);
    atomic_fetch_sub(&f->bytes, bytes);
}

static bool forwarded_more(struct forwarded *f, const struct room *most, size_t bytes)
{
    size_t n = atomic_fetch_add(&f->n, 1) + 1;
    size_t all = atomic_fetch_add(&f->bytes, bytes) + bytes;

    if (n <= most->n && all <= most->bytes)
        return true;
    forwarded_less(f, bytes);
    return false;
}

static void datagram_drop(struct inbox_message *m)
{
    struct datagram_message *d = CONTAINER_OF(m, struct datagram_message, m);

    if (d->among)
        forwarded_less(d->among, d->n);
    net_names_unref(d->from.names);
    free(d);
}

static void datagram_run(struct inbox_message *m, void *owner)
{
    struct datagram_message *d = CONTAINER_OF(m, struct datagram_message, m);
    struct worker *w = owner;
    uint64_t begun_ns = d->charged_ns ? clock_thread_ns() : 0;
    struct str datagram = { d->bytes, d->n };

    if (d->among)
        engine_receive_forwarded(&w->engine, &d->from, datagram);
    else
        engine_receive(&w->engine, &d->from, datagram);
    if (d->charged_ns)
        atomic_fetch_add(d->charged_ns, clock_thread_ns() - begun_ns);
    datagram_drop(m);
}

static struct datagram_message *datagram_copy(const struct flow *from, struct str datagram)
{
    struct datagram_message *d = malloc(sizeof(*d) + datagram.n);

    if (!d)
        return NULL;
    d->m = (struct inbox_message){ .run = datagram_run, .drop = datagram_drop, .patient = true };
    list_init(&d->m.link);
    d->among = NULL;
    d->charged_ns = NULL;
    d->from = *from;
    net_names_ref(from->names);
    d->n = datagram.n;
    memcpy(d->bytes, datagram.p, datagram.n);
    return d;
}

int worker_post_datagram(struct worker *w, struct worker *poster, const struct flow *from,
                         struct str datagram)
{
    bool answer = str_starts(datagram, STR("SIP/"));
    struct forwarded *among = answer ? &w->answers : &w->requests;
    const struct room *most = !answer            ? &requests_room
                              : from->connection ? &answers_once_room
                                                 : &answers_room;
    struct datagram_message *d;

    if (!forwarded_more(among, most, datagram.n))
        return -EAGAIN;
    d = datagram_copy(from, datagram);
    if (!d) {
        forwarded_less(among, datagram.n);
        return -ENOMEM;
    }
    d->among = among;
    if (!answer && !from->connection)
        d->charged_ns = &poster->elsewhere_ns;
    inbox_post_always(&w->loop.inbox, &d->m);
    return 0;
}

bool worker_post_backlog(struct worker *w, const struct flow *from, struct str datagram)
{
    struct datagram_message *d = datagram_copy(from, datagram);

    if (d)
        inbox_post_always(&w->loop.inbox, &d->m);
    return d;
}
