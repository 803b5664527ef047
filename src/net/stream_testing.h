// SPDX-License-Identifier: MIT
/* stream_testing.h - connections on the loopback interface; the other side is a plain socket, or
 * another net. Time is the real one and what a test adds to it. */
#pragma once
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "net/net.h"

#define START "OPTIONS sip:a SIP/2.0\r\n"
#define ONE START "Content-Length: 3\r\n\r\nabc"
#define ANSWER "SIP/2.0 200 OK\r\nl: 0\r\n\r\n"

enum { LOST_MAX = 8, CONNECTIONS_MAX = 4, IDLE_MS = 600000, KEEP_ALIVE_MS = 90000 };

struct bench {
    struct loop loop;
    struct clock clock;
    uint64_t added_ms, added_wall_ms;
    struct rng rng;
    struct log *log;
    int log_fd;
};

struct side { /* one net with one listening socket, and what it saw */
    struct bench *bench;
    struct net *net;
    struct addr local;
    size_t received, bytes, broken, n_lost, admitted;
    struct flow last;
    struct net_fault fault;
    struct str answer; /* to every message; empty: none */
    uint32_t lost[LOST_MAX];
};

static inline uint64_t moved_ms(void *ctx)
{
    return clock_monotonic_ms(&clock_system) + ((struct bench *)ctx)->added_ms;
}

static inline uint64_t wall_ms(void *ctx)
{
    return clock_wall_ms(&clock_system) + ((struct bench *)ctx)->added_wall_ms;
}

static inline struct bench *bench_create(void)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->clock = (struct clock){ .monotonic_ms = moved_ms, .wall_ms = wall_ms, .ctx = b };
    rng_init_system(&b->rng);
    b->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&b->log, b->log_fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    assert_int_equal(loop_init(&b->loop, &b->clock, b, 16), 0);
    return b;
}

static inline void bench_destroy(struct bench *b)
{
    loop_fini(&b->loop);
    log_destroy(b->log);
    close(b->log_fd);
    free(b);
}

static inline void on_receive(void *ctx, const struct flow *from, struct str message)
{
    struct side *s = ctx;

    s->received++;
    s->bytes += message.n;
    s->last = *from;
    if (s->answer.n)
        (void)!net_send(s->net, from, s->answer);
}

static inline void on_broken(void *ctx, const struct flow *from, struct str head,
                             const struct net_fault *fault)
{
    struct side *s = ctx;

    s->broken++;
    s->bytes += head.n;
    s->fault = *fault;
    if (s->answer.n)
        assert_int_equal(net_send(s->net, from, s->answer), 0);
}

static inline void on_lost(void *ctx, const uint32_t *connections, size_t n)
{
    struct side *s = ctx;

    for (size_t i = 0; i < n; i++) {
        assert_true(s->n_lost < LOST_MAX);
        assert_true(!i || connections[i - 1] <= connections[i]);
        s->lost[s->n_lost++] = connections[i];
    }
}

static inline struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 0), 0);
    return a;
}

static inline struct net_config usual(struct side *s, struct bench *b, unsigned worker)
{
    return (struct net_config){ .loop = &b->loop,
                                .log = b->log,
                                .receive = on_receive,
                                .ctx = s,
                                .worker = worker,
                                .rng = &b->rng,
                                .limits = { CONNECTIONS_MAX, IDLE_MS, KEEP_ALIVE_MS },
                                .broken = on_broken,
                                .lost = on_lost };
}

static inline int side_create(struct side *s, struct bench *b, const struct net_config *cfg,
                              const char *bind_to, enum net_protocol protocol)
{
    const struct net_udp_spec spec = { .bind = address(bind_to), .sharers = 2 };
    int fd, r;

    *s = (struct side){ .bench = b, .answer = STR_EMPTY };
    assert_int_equal(net_create(&s->net, cfg), 0);
    r = net_bind_stream(&fd, &spec, &s->local);
    if (!r)
        r = net_attach_stream(s->net, 3, protocol, STR("stream"), fd);
    return r;
}

/* -EADDRNOTAVAIL or -EAFNOSUPPORT where there is no IPv6. */
static inline int side_try(struct side *s, struct bench *b, unsigned worker, const char *bind_to,
                           enum net_protocol protocol)
{
    const struct net_config cfg = usual(s, b, worker);

    return side_create(s, b, &cfg, bind_to, protocol);
}

static inline void side_open(struct side *s, struct bench *b)
{
    assert_int_equal(side_try(s, b, 5, "127.0.0.1", NET_TCP), 0);
}

static inline void turn(struct side *s)
{
    uv_run(&s->bench->loop.uv, UV_RUN_NOWAIT);
    net_flush(s->net);
}

#define UNTIL(s, condition)                                       \
    do {                                                          \
        for (unsigned tries = 0; !(condition) && tries < 4000;) { \
            turn(s);                                              \
            if (++tries > 20)                                     \
                usleep(500);                                      \
        }                                                         \
        assert_true(condition);                                   \
    } while (0)

static inline struct net_counters counters(const struct side *s)
{
    struct net_counters c;

    net_counters_get(s->net, &c);
    return c;
}

static inline int plug(struct side *s)
{
    uint64_t before = counters(s).accepted;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &s->local.sa, addr_socklen(&s->local)), 0);
    UNTIL(s, counters(s).accepted == before + 1);
    return fd;
}

static inline void put(int fd, struct str text)
{
    assert_int_equal(send(fd, text.p, text.n, MSG_NOSIGNAL), text.n);
}

/* What has come to the socket; `*end` when that was all. */
static inline size_t take(struct side *s, int fd, char *text, size_t room, bool *end)
{
    ssize_t r;

    turn(s);
    r = recv(fd, text, room, MSG_DONTWAIT);
    *end = r == 0 || (r < 0 && errno == ECONNRESET);
    return r > 0 ? (size_t)r : 0;
}

static inline void expect(struct side *s, int fd, struct str text)
{
    char got[256];
    size_t n = 0;
    bool end = false;

    UNTIL(s, (n += take(s, fd, got + n, sizeof(got) - n, &end)) >= text.n || end);
    assert_true(str_equal((struct str){ got, n }, text));
}

static inline void expect_end(struct side *s, int fd)
{
    char got[256];
    bool end = false;

    UNTIL(s, take(s, fd, got, sizeof(got), &end) == 0 && end);
}

/* And all of it is read. */
static inline void feed(struct side *s, int fd, struct str text)
{
    uint64_t before = counters(s).received_bytes;

    put(fd, text);
    UNTIL(s, counters(s).received_bytes == before + text.n);
}

static inline bool is_over(struct side *s, int fd)
{
    char byte;
    bool end;

    (void)!take(s, fd, &byte, 1, &end);
    return end;
}

static inline void side_close(struct side *s)
{
    net_destroy(s->net);
}
