// SPDX-License-Identifier: MIT
#include "net/backlog.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "net/net_private.h"

struct datagram {
    struct list link;
    size_t socket, n;
    struct addr local, remote;
    char bytes[];
};

struct backlog {
    struct log *log;
    struct pollfd *polled; /* the sockets, then the descriptor that ends it */
    size_t n;              /* sockets */
    struct list datagrams;
    size_t count, bytes, lost;
    int end;
    pthread_t thread;
    bool running;
    char room[DATAGRAM_MAX];
};

/* ---- its thread ---- */

static void keep(struct backlog *b, size_t socket, struct msghdr *m, size_t n)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t len = sizeof(bound);
    struct datagram *d = malloc(sizeof(*d) + n);

    if (!d) {
        b->lost++;
        return;
    }
    *d = (struct datagram){ .socket = socket, .n = n };
    list_init(&d->link);
    if (addr_from_sockaddr(&d->remote, m->msg_name) ||
        getsockname(b->polled[socket].fd, (struct sockaddr *)&bound, &len) ||
        addr_from_sockaddr(&d->local, (struct sockaddr *)&bound)) {
        free(d);
        return;
    }
    if (addr_is_any(&d->local))
        udp_read_destination(&d->local, m);
    memcpy(d->bytes, b->room, n);
    list_append(&b->datagrams, &d->link);
    b->count++;
    b->bytes += sizeof(*d) + n;
}

static bool is_full(const struct backlog *b)
{
    return b->bytes + sizeof(struct datagram) + sizeof(b->room) > BACKLOG_BYTES_MAX;
}

static void read_all(struct backlog *b, size_t socket)
{
    while (!is_full(b)) {
        struct sockaddr_storage name;
        char control[256];
        struct iovec piece = { b->room, sizeof(b->room) };
        struct msghdr m = { .msg_name = &name,
                            .msg_namelen = sizeof(name),
                            .msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control) };
        ssize_t got = recvmsg(b->polled[socket].fd, &m, MSG_DONTWAIT);

        if (got >= 0)
            keep(b, socket, &m, (size_t)got);
        else if (errno != EINTR) /* empty; what else there may be, the workers will see */
            return;
    }
}

static void *backlog_main(void *arg)
{
    struct backlog *b = arg;

    (void)!pthread_setname_np(pthread_self(), "backlog");
    while (!is_full(b) && !b->polled[b->n].revents) {
        if (poll(b->polled, (nfds_t)b->n + 1, -1) < 0)
            continue;
        for (size_t i = 0; i < b->n; i++)
            if (b->polled[i].revents)
                read_all(b, i);
    }
    if (is_full(b))
        log_warn(b->log, "net.backlog_full", KV_U("datagrams", b->count), KV_U("bytes", b->bytes));
    return NULL;
}

/* ---- life ---- */

int backlog_start(struct backlog **out, struct log *log, const int *fds, size_t n)
{
    struct backlog *b = calloc(1, sizeof(*b));
    int r = -ENOMEM;

    if (!b)
        return r;
    *b = (struct backlog){ .log = log, .n = n };
    list_init(&b->datagrams);
    b->end = eventfd(0, EFD_CLOEXEC);
    b->polled = calloc(n + 1, sizeof(*b->polled));
    if (b->end < 0 || !b->polled) {
        r = b->polled ? -errno : r;
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        b->polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
    b->polled[n] = (struct pollfd){ .fd = b->end, .events = POLLIN };
    r = -pthread_create(&b->thread, NULL, backlog_main, b);
    b->running = r == 0;
    if (r == 0) {
        *out = b;
        b = NULL;
    }
out:
    backlog_destroy(b);
    return r;
}

void backlog_stop(struct backlog *b)
{
    const uint64_t one = 1;

    if (!b || !b->running)
        return;
    (void)!write(b->end, &one, sizeof(one));
    pthread_join(b->thread, NULL);
    b->running = false;
}

/* Each is gone before the next one is copied by whoever gets it: memory stays as it was. */
void backlog_each(struct backlog *b, backlog_fn each, void *ctx)
{
    if (!b)
        return;
    LIST_FOREACH_SAFE (it, &b->datagrams) {
        struct datagram *d = CONTAINER_OF(it, struct datagram, link);

        each(ctx, d->socket, &d->local, &d->remote, (struct str){ d->bytes, d->n });
        list_remove(it);
        free(d);
    }
}

size_t backlog_count(const struct backlog *b)
{
    return b ? b->count : 0;
}

size_t backlog_lost(const struct backlog *b)
{
    return b ? b->lost : 0;
}

void backlog_destroy(struct backlog *b)
{
    if (!b)
        return;
    backlog_stop(b);
    LIST_FOREACH_SAFE (it, &b->datagrams)
        free(CONTAINER_OF(it, struct datagram, link));
    if (b->end >= 0)
        close(b->end);
    free(b->polled);
    free(b);
}
