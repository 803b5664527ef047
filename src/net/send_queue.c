// SPDX-License-Identifier: MIT
#include "net/send_queue.h"

#include <netinet/in.h>
#include <stdlib.h>

/* What an empty queue may keep after a burst. */
#define ARENA_KEEP (1u << 20)
#define ENTRIES_KEEP 4096u

/* Room for either family's packet info, aligned as the kernel wants it. */
union send_control {
    struct cmsghdr align;
    char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct send_batch {
    struct mmsghdr messages[SEND_BATCH];
    struct iovec pieces[SEND_BATCH];
    union send_control control[SEND_BATCH];
};

void send_queue_init(struct send_queue *q, size_t limit)
{
    *q = (struct send_queue){ .limit = limit ? limit : 1 };
}

void send_queue_fini(struct send_queue *q)
{
    free(q->entries);
    free(q->bytes);
    *q = (struct send_queue){ .limit = q->limit };
}

/* Doubles `*p` until `need` items of `size` fit. */
static int grow(void **p, size_t *room, size_t need, size_t size)
{
    size_t next = *room ? *room : 64;
    void *bigger;

    while (next < need)
        next *= 2;
    if (next == *room)
        return 0;
    bigger = reallocarray(*p, next, size);
    if (!bigger)
        return -ENOMEM;
    *p = bigger;
    *room = next;
    return 0;
}

int send_queue_add(struct send_queue *q, const struct addr *remote, const struct addr *local,
                   struct str bytes)
{
    void *entries = q->entries, *arena = q->bytes;
    int r;

    if (send_queue_waiting(q) >= q->limit)
        return -EAGAIN;
    r = grow(&entries, &q->room, q->n + 1, sizeof(*q->entries));
    q->entries = entries;
    if (r)
        return r;
    r = grow(&arena, &q->bytes_room, q->used + bytes.n, 1);
    q->bytes = arena;
    if (r)
        return r;
    q->entries[q->n] = (struct send_entry){
        .offset = q->used, .len = (uint32_t)bytes.n, .pinned = local != NULL, .remote = *remote
    };
    if (local)
        q->entries[q->n].local = *local;
    if (bytes.n)
        memcpy(q->bytes + q->used, bytes.p, bytes.n);
    q->used += bytes.n;
    q->n++;
    return 0;
}

/* The source address of a datagram from a socket that is bound to all of them: ip(7), RFC 3542
 * section 6.2. */
static void pin_source(struct msghdr *m, union send_control *control, const struct addr *local)
{
    struct cmsghdr *c;

    memset(control, 0, sizeof(*control));
    m->msg_control = control;
    if (local->sa.sa_family == AF_INET6) {
        struct in6_pktinfo info = { .ipi6_addr = local->v6.sin6_addr,
                                    .ipi6_ifindex = local->v6.sin6_scope_id };

        m->msg_controllen = sizeof(control->v6);
        c = CMSG_FIRSTHDR(m);
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    } else {
        struct in_pktinfo info = { .ipi_spec_dst = local->v4.sin_addr };

        m->msg_controllen = sizeof(control->v4);
        c = CMSG_FIRSTHDR(m);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    }
}

static unsigned fill_batch(const struct send_queue *q, struct send_batch *b)
{
    size_t n = send_queue_waiting(q);

    n = n > SEND_BATCH ? SEND_BATCH : n;
    for (size_t i = 0; i < n; i++) {
        struct send_entry *e = &q->entries[q->head + i];
        struct msghdr *m = &b->messages[i].msg_hdr;

        b->pieces[i] = (struct iovec){ .iov_base = q->bytes + e->offset, .iov_len = e->len };
        *m = (struct msghdr){ .msg_name = &e->remote.sa,
                              .msg_namelen = addr_socklen(&e->remote),
                              .msg_iov = &b->pieces[i],
                              .msg_iovlen = 1 };
        if (e->pinned)
            pin_source(m, &b->control[i], &e->local);
    }
    return (unsigned)n;
}

/* All is written: start over, and give back what a burst took. */
static void rewind_empty(struct send_queue *q)
{
    q->head = q->n = q->used = 0;
    if (q->bytes_room > ARENA_KEEP || q->room > ENTRIES_KEEP) {
        size_t limit = q->limit;

        send_queue_fini(q);
        q->limit = limit;
    }
}

/* Drop the written front once it is the larger half, so that a queue that never empties stays
 * bounded. */
static void compact(struct send_queue *q)
{
    size_t base, waiting = send_queue_waiting(q);

    if (q->head < waiting)
        return;
    base = q->entries[q->head].offset;
    memmove(q->bytes, q->bytes + base, q->used - base);
    memmove(q->entries, q->entries + q->head, waiting * sizeof(*q->entries));
    for (size_t i = 0; i < waiting; i++)
        q->entries[i].offset -= base;
    q->used -= base;
    q->head = 0;
    q->n = waiting;
}

int send_queue_write(struct send_queue *q, const struct send_writer *w)
{
    struct send_batch batch;

    while (send_queue_waiting(q)) {
        unsigned n = fill_batch(q, &batch);
        int r = w->write(w->ctx, batch.messages, n);

        if (r == -EINTR)
            continue;
        if (r == -EAGAIN || r == -EWOULDBLOCK) {
            compact(q);
            return SEND_QUEUE_BLOCKED;
        }
        if (r > 0) {
            q->head += (size_t)r;
            continue;
        }
        /* The kernel's answer is about the first one only: the others may well go. */
        w->refused(w->ctx, &q->entries[q->head], r < 0 ? r : -EIO);
        q->head++;
    }
    rewind_empty(q);
    return 0;
}
