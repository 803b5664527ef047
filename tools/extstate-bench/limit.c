// SPDX-License-Identifier: MIT
/* What this machine can do at best: datagrams as large as a NOTIFY one way and as large as its
 * answer back, between two threads over the loopback, in batches and with nothing done to them. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum {
    NOTIFY_BYTES = 1092,
    ANSWER_BYTES = 401,
    BATCH = 32,
    PAIRS = 200000,
    PAIRS_AT_ONCE = 256,
};

struct end {
    int fd;
    size_t send_bytes;
    uint64_t sent, received, total;
    uint64_t cpu_ns;
    struct histogram *latency;
    int error;
};

struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    char bytes[BATCH][2048];
};

static void batch_init(struct batch *t)
{
    *t = (struct batch){ 0 };
    for (size_t i = 0; i < BATCH; i++) {
        t->pieces[i].iov_base = t->bytes[i];
        t->messages[i].msg_hdr.msg_iov = &t->pieces[i];
        t->messages[i].msg_hdr.msg_iovlen = 1;
    }
}

static void batch_size(struct batch *t, size_t bytes)
{
    for (size_t i = 0; i < BATCH; i++)
        t->pieces[i].iov_len = bytes;
}

static int end_receive(struct end *e, struct batch *t)
{
    int n;

    batch_size(t, sizeof(t->bytes[0]));
    n = recvmmsg(e->fd, t->messages, BATCH, MSG_WAITFORONE, NULL);
    if (n < 0)
        e->error = -errno;
    e->received += n > 0 ? (uint64_t)n : 0;
    return n;
}

static void end_send(struct end *e, struct batch *t, unsigned n)
{
    unsigned done = 0;

    batch_size(t, e->send_bytes);
    while (done < n && !e->error) {
        int r = sendmmsg(e->fd, t->messages + done, n - done, 0);

        if (r < 0)
            e->error = -errno;
        done += r > 0 ? (unsigned)r : 0;
    }
    e->sent += done;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The server's side: the time of sending is in the datagram and comes back in the answer. */
static void *run_sender(void *arg)
{
    struct end *e = arg;
    struct batch t;

    batch_init(&t);
    while (!e->error && e->received < e->total) {
        unsigned n = 0;

        for (; n < BATCH && e->sent + n < e->total && e->sent + n < e->received + PAIRS_AT_ONCE;
             n++) {
            uint64_t now = now_us();

            memcpy(t.bytes[n], &now, sizeof(now));
        }
        end_send(e, &t, n);
        if (n == BATCH)
            continue;
        n = (unsigned)end_receive(e, &t);
        for (unsigned i = 0; !e->error && i < n; i++) {
            uint64_t then;

            memcpy(&then, t.bytes[i], sizeof(then));
            histogram_add(e->latency, now_us() - then);
        }
    }
    e->cpu_ns = thread_cpu_ns();
    return NULL;
}

static void *run_answerer(void *arg)
{
    struct end *e = arg;
    struct batch t;

    batch_init(&t);
    while (!e->error && e->sent < e->total) {
        int n = end_receive(e, &t);

        if (n > 0)
            end_send(e, &t, (unsigned)n);
    }
    e->cpu_ns = thread_cpu_ns();
    return NULL;
}

/* Two sockets of the loopback, connected; a lost datagram would stop both, so they do not wait for
 * ever. */
static int open_pair(int fds[2])
{
    struct sockaddr_in names[2];
    const struct timeval patience = { .tv_sec = 2 };
    int size = 4 << 20;

    for (int i = 0; i < 2; i++) {
        socklen_t n = sizeof(names[i]);

        names[i] = (struct sockaddr_in){ .sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&names[i], n) ||
            getsockname(fds[i], (struct sockaddr *)&names[i], &n))
            return -errno;
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    }
    for (int i = 0; i < 2; i++)
        if (connect(fds[i], (struct sockaddr *)&names[!i], sizeof(names[!i])))
            return -errno;
    return 0;
}

int limit_run(struct bench *b, const struct phase_spec *spec)
{
    uint64_t pairs = spec->n ? spec->n : PAIRS, begin_us = now_us();
    struct histogram *latency = &b->phase.latency;
    int fds[2] = { -1, -1 }, r = open_pair(fds);
    struct end sender = {
        .fd = fds[0], .send_bytes = NOTIFY_BYTES, .total = pairs, .latency = latency
    };
    struct end answerer = { .fd = fds[1], .send_bytes = ANSWER_BYTES, .total = pairs };
    pthread_t threads[2];

    b->phase = (struct phase){ .spec = *spec };
    if (r == 0)
        r = -pthread_create(&threads[0], NULL, run_sender, &sender);
    if (r == 0) {
        BUG_UNLESS(pthread_create(&threads[1], NULL, run_answerer, &answerer) == 0);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        report_tell(b, &(struct report){ .phase = "limit",
                                         .operation = "datagram pair",
                                         .operations = sender.received,
                                         .undone = pairs - sender.received,
                                         .elapsed_us = now_us() - begin_us,
                                         .latency = latency,
                                         .server_cpu_ns = sender.cpu_ns,
                                         .bench_cpu_ns = answerer.cpu_ns,
                                         .memory_bytes = REPORT_UNKNOWN });
    }
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return r;
}
