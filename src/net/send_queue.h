// SPDX-License-Identifier: MIT
/* send_queue.h - datagrams waiting for one socket: copied into one growing arena, written in
 * batches.
 *
 * It knows no socket: a writer is passed in, so that a test can be a full kernel buffer. In steady
 * state nothing is allocated: the arena and the entries keep their room. Threads: one owner. */
#pragma once
#include "base/addr.h"
#include <sys/socket.h>

#define SEND_BATCH \
    64 /* datagrams a system call; more gains nothing, and the arena stays in the cache */

struct send_entry {
    size_t offset; /* into the arena */
    uint32_t len;
    bool pinned; /* leave from `local` */
    struct addr remote, local;
};

struct send_queue {
    struct send_entry *entries; /* head..n wait */
    size_t head, n, room;
    char *bytes; /* the arena */
    size_t used, bytes_room;
    size_t limit; /* entries that may wait */
};

struct send_writer {
    void *ctx;
    /* As sendmmsg: how many of the first went out, at least one; or -errno of the first one. */
    int (*write)(void *ctx, struct mmsghdr *messages, unsigned n);
    /* A datagram that the kernel refused for good. */
    void (*refused)(void *ctx, const struct send_entry *entry, int error);
};

void send_queue_init(struct send_queue *q, size_t limit);
void send_queue_fini(struct send_queue *q);

static inline size_t send_queue_waiting(const struct send_queue *q)
{
    return q->n - q->head;
}

/* `local` is the address to leave from, NULL for the socket's own. 0, -EAGAIN at the limit,
 * -ENOMEM. */
NODISCARD int send_queue_add(struct send_queue *q, const struct addr *remote,
                             const struct addr *local, struct str bytes);

enum send_queue_outcome {
    SEND_QUEUE_BLOCKED = 1
}; /* the kernel takes no more now; the rest stays */

/* Write what waits. 0 or SEND_QUEUE_BLOCKED. */
NODISCARD int send_queue_write(struct send_queue *q, const struct send_writer *w);
