// SPDX-License-Identifier: MIT
/* Listeners and what a worker makes of them: real sockets on the loopback interface, a clock that
 * is stepped. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/transports.h"
#include "txn/settings_fixture.h"

enum { LINGER_MS = 32000, WORKERS = 2 };

struct side { /* a worker's */
    struct net *net;
    struct transports transports;
    unsigned received;
    struct flow last;
};

struct bench {
    uint64_t now_ms;
    struct clock clock;
    struct loop loop;
    struct log *log;
    int log_fd, peer;
    struct addr peer_address;
    struct listeners *listeners;
    struct inherited inherited;
    struct side sides[WORKERS];
};

static uint64_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now_ms;
}

static void on_receive(void *ctx, const struct flow *from, struct str datagram)
{
    struct side *s = ctx;

    (void)datagram;
    s->received++;
    s->last = *from;
}

static struct addr loopback(uint16_t port)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, STR("127.0.0.1"), port), 0);
    return a;
}

static int bind_alone(const struct addr *a, struct addr *local)
{
    const struct net_udp_spec spec = { .bind = *a };
    int fd, r = net_bind_udp(&fd, &spec, local);

    return r ? r : fd;
}

/* One that nobody had a moment ago. */
static uint16_t free_port(void)
{
    struct addr any = loopback(0), local;
    int fd = bind_alone(&any, &local);

    assert_true(fd >= 0);
    close(fd);
    return addr_port(&local);
}

static struct bench *bench_create(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct addr any = loopback(0);

    assert_non_null(b);
    b->now_ms = 1000000;
    b->clock = (struct clock){ bench_now, bench_now, b };
    b->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&b->log, b->log_fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    assert_int_equal(loop_init(&b->loop, &b->clock, b, 16), 0);
    b->peer = bind_alone(&any, &b->peer_address);
    assert_true(b->peer >= 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct side *s = &b->sides[i];

        assert_int_equal(net_create(&s->net, &(struct net_config){ .loop = &b->loop,
                                                                   .log = b->log,
                                                                   .receive = on_receive,
                                                                   .ctx = s,
                                                                   .send_queue_max = 16 }),
                         0);
        transports_init(&s->transports, s->net, &b->loop.wheel, b->log, i);
    }
    return b;
}

static void bench_destroy(struct bench *b)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        transports_fini(&b->sides[i].transports);
        net_destroy(b->sides[i].net);
    }
    loop_fini(&b->loop);
    listeners_unref(b->listeners);
    inherited_close(&b->inherited);
    log_destroy(b->log);
    close(b->log_fd);
    close(b->peer);
    free(b);
}

/* A configuration with these transports, NAME PORT each; the result of the last claim that failed.
 */
static int bench_reload_at(struct bench *b, const char *names, const char *host,
                           const uint16_t *ports)
{
    struct listeners_draft draft = {
        .former = b->listeners, .clock = &b->clock, .n_workers = WORKERS, .inherited = &b->inherited
    };
    struct listeners *made;
    struct settings *settings;
    struct transport_fault fault = { .option = NULL };
    char text[1024] = "";
    int r, failed = 0;

    for (size_t i = 0; names[i]; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "[%c]\ntype=transport\nbind=%s:%u\n", names[i], host, ports[i]);
    settings = settings_fixture(text);
    for (size_t i = 0; i < settings->n_transports; i++) {
        r = listeners_claim(&draft, &settings->transports[i], &fault);
        failed = r ? r : failed;
    }
    if (!failed) {
        assert_int_equal(listeners_make(&made, &draft, settings, LINGER_MS), 0);
        listeners_unref(b->listeners);
        b->listeners = made;
        for (unsigned i = 0; i < WORKERS; i++)
            assert_int_equal(transports_apply(&b->sides[i].transports, made, LINGER_MS), 0);
    }
    listeners_draft_fini(&draft);
    settings_unref(settings);
    return failed;
}

static int bench_reload(struct bench *b, const char *names, const uint16_t *ports)
{
    return bench_reload_at(b, names, "127.0.0.1", ports);
}

/* Does a datagram to this port reach one of us? By which transport, then. */
static bool reaches(struct bench *b, uint16_t port, uint32_t *transport)
{
    struct addr to = loopback(port);

    for (unsigned i = 0; i < WORKERS; i++)
        b->sides[i].received = 0;
    assert_int_equal(sendto(b->peer, "x", 1, 0, &to.sa, addr_socklen(&to)), 1);
    uv_run(&b->loop.uv, UV_RUN_NOWAIT);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (!b->sides[i].received)
            continue;
        *transport = b->sides[i].last.transport;
        return true;
    }
    return false;
}

static void pass(struct bench *b, uint64_t ms)
{
    b->now_ms += ms;
    wheel_advance(&b->loop.wheel, b->now_ms);
    uv_run(&b->loop.uv, UV_RUN_NOWAIT); /* closing callbacks */
}

static bool routed_by(struct bench *b, const char *id, uint32_t transport)
{
    struct flow flow;

    return transports_route(&b->sides[0].transports, str_of(id), NET_UDP, &b->peer_address,
                            &flow) == 0 &&
           flow.transport == transport;
}

/* ---- cases ---- */

static void test_moves(void **state)
{
    struct bench *b = bench_create();
    uint16_t ports[] = { free_port(), free_port() };
    uint32_t by;

    (void)state;
    assert_int_equal(bench_reload(b, "a", &ports[0]), 0);
    assert_true(routed_by(b, "a", 0));
    assert_int_equal(bench_reload(b, "a", &ports[1]), 0);
    assert_true(routed_by(b, "a", 1));
    assert_true(routed_by(b, "", 1));
    assert_true(reaches(b, ports[1], &by) && by == 1);
    assert_true(reaches(b, ports[0], &by) && by == 0); /* for some time */
    pass(b, LINGER_MS - 1);
    assert_true(reaches(b, ports[0], &by) && by == 0);
    pass(b, 11);
    assert_false(reaches(b, ports[0], &by));
    assert_true(reaches(b, ports[1], &by) && by == 1);
    bench_destroy(b);
}

/* Another name for the same address is the same sockets, two that change places, too. */
static void test_names(void **state)
{
    struct bench *b = bench_create();
    uint16_t ports[] = { free_port(), free_port() };

    (void)state;
    assert_int_equal(bench_reload(b, "ab", ports), 0);
    assert_int_equal(bench_reload(b, "ba", ports), 0);
    assert_true(routed_by(b, "b", 0) && routed_by(b, "a", 1));
    assert_int_equal(b->listeners->next_slot, 2);
    assert_int_equal(b->listeners->n_left, 0);
    bench_destroy(b);
}

static bool routed_from(struct bench *b, const char *local, uint16_t port, uint32_t transport)
{
    struct addr from;
    struct flow flow;

    assert_int_equal(addr_parse(&from, str_of(local), port), 0);
    return transports_route_from(&b->sides[0].transports, NET_UDP, &from, &b->peer_address,
                                 &flow) == 0 &&
           flow.transport == transport && addr_equal(&flow.local, &from) &&
           addr_equal(&flow.remote, &b->peer_address);
}

/* What is said from an address goes on from it, by whatever is bound to it, as long as it is ours.
 */
static void test_from_an_address(void **state)
{
    struct bench *b = bench_create();
    uint16_t ports[] = { free_port(), free_port() };

    (void)state;
    assert_int_equal(bench_reload(b, "ab", ports), 0);
    assert_true(routed_from(b, "127.0.0.1", ports[0], 0));
    assert_true(routed_from(b, "127.0.0.1", ports[1], 1));
    assert_false(routed_from(b, "127.0.0.2", ports[1], 1));
    assert_false(routed_from(b, "::1", ports[1], 1));
    assert_int_equal(bench_reload_at(b, "c", "0.0.0.0", &ports[1]), 0);
    assert_false(routed_from(b, "127.0.0.1", ports[0], 0)); /* it is still read, but gone */
    assert_true(routed_from(b, "127.0.0.1", ports[1], 2));
    assert_true(routed_from(b, "127.0.0.2", ports[1], 2));
    assert_false(routed_from(b, "192.0.2.1", ports[1], 2));
    assert_false(routed_from(b, "0.0.0.0", ports[1], 2));
    bench_destroy(b);
}

/* Back again while the former sockets are still read, and after that; each is another number. */
static void test_there_and_back(void **state)
{
    struct bench *b = bench_create();
    uint16_t ports[] = { free_port(), free_port() };
    uint32_t by;

    (void)state;
    assert_int_equal(bench_reload(b, "a", &ports[0]), 0);
    assert_int_equal(bench_reload(b, "a", &ports[1]), 0);
    pass(b, 1000);
    assert_int_equal(bench_reload(b, "a", &ports[0]), 0);
    assert_true(routed_by(b, "a", 2));
    pass(b, 2ULL * LINGER_MS);
    assert_true(reaches(b, ports[0], &by) && by == 2);
    assert_int_equal(bench_reload(b, "a", &ports[1]), 0);
    assert_true(reaches(b, ports[1], &by) && by == 3);
    assert_int_equal(b->listeners->n_left, 1); /* those that are closed are forgotten */
    bench_destroy(b);
}

/* Somebody else has the address, or it is claimed twice: nothing is as it was not before. */
static void test_taken(void **state)
{
    struct bench *b = bench_create();
    uint16_t ports[] = { free_port(), free_port(), 0 };
    struct addr other = loopback(ports[1]);
    uint32_t by;
    int fd;

    (void)state;
    assert_int_equal(bench_reload(b, "a", ports), 0);
    fd = bind_alone(&other, &other);
    assert_true(fd >= 0);
    assert_int_equal(bench_reload(b, "ab", ports), -EADDRINUSE);
    close(fd);
    ports[2] = ports[1];
    assert_int_equal(bench_reload(b, "abc", ports), -EADDRINUSE);
    assert_false(reaches(b, ports[1], &by)); /* what was opened for it is closed */
    assert_true(reaches(b, ports[0], &by));
    bench_destroy(b);
}

/* All are the other transport's; the kernel's choice is made once. */
static void test_kernel_chooses(void **state)
{
    struct bench *b = bench_create();
    const uint16_t any[] = { 0, 0 };
    uint16_t chosen;
    uint32_t by;

    (void)state;
    assert_int_equal(bench_reload(b, "ab", any), 0);
    chosen = addr_port(&b->listeners->list[1].local);
    assert_true(reaches(b, chosen, &by) && by == 1);
    assert_int_equal(bench_reload(b, "b", any), 0);
    assert_int_equal(addr_port(&b->listeners->list[0].local), chosen);
    assert_true(routed_by(b, "b", 1));
    bench_destroy(b);
}

/* ---- sockets that were there before ---- */

/* `n` of them at one address. */
static uint16_t inherit(struct bench *b, size_t n, unsigned sharers)
{
    struct net_udp_spec spec = { .bind = loopback(0), .sharers = sharers };
    struct addr local = loopback(0);
    int fd;

    for (size_t i = 0; i < n; i++, spec.bind = local) {
        assert_int_equal(net_bind_udp(&fd, &spec, &local), 0);
        assert_int_equal(inherited_add(&b->inherited, fd, STR("a")), 0);
    }
    return addr_port(&local);
}

static size_t count_taken(const struct bench *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->inherited.n; i++)
        n += b->inherited.list[i].taken;
    return n;
}

/* From as many peers as it takes to reach each of the sockets. All of it arrives. */
static void many_peers(struct bench *b, uint16_t port)
{
    enum { PEERS = 64 };
    struct addr any = loopback(0), to = loopback(port), local;

    for (unsigned i = 0; i < WORKERS; i++)
        b->sides[i].received = 0;
    for (unsigned i = 0; i < PEERS; i++) {
        int fd = bind_alone(&any, &local);

        assert_int_equal(sendto(fd, "x", 1, 0, &to.sa, addr_socklen(&to)), 1);
        close(fd);
        uv_run(&b->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(b->sides[0].received + b->sides[1].received, PEERS);
}

static void test_inherited_more_than_workers(void **state)
{
    struct bench *b = bench_create();
    uint16_t port = inherit(b, 5, 5);

    (void)state;
    assert_int_equal(bench_reload(b, "a", &port), 0);
    assert_int_equal(count_taken(b), 5);
    inherited_close(&b->inherited);
    many_peers(b, port);
    assert_true(b->sides[0].received && b->sides[1].received);
    assert_true(routed_by(b, "a", 0));
    bench_destroy(b);
}

/* They share their address, so that there can be more. */
static void test_inherited_fewer(void **state)
{
    struct bench *b = bench_create();
    uint16_t port = inherit(b, 1, 1);

    (void)state;
    assert_int_equal(bench_reload(b, "a", &port), 0);
    assert_int_equal(b->listeners->list[0].n_read, WORKERS);
    many_peers(b, port);
    assert_true(b->sides[0].received && b->sides[1].received);
    bench_destroy(b);
}

/* It does not share: one worker reads it, both send from it. */
static void test_inherited_alone(void **state)
{
    struct bench *b = bench_create();
    uint16_t port = inherit(b, 1, 0);
    struct addr local;

    (void)state;
    assert_int_equal(bench_reload(b, "a", &port), 0);
    many_peers(b, port);
    assert_int_equal(b->sides[1].received, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct flow to = { .remote = b->peer_address };
        char text[4];

        net_local(b->sides[i].net, 0, &local);
        assert_int_equal(addr_port(&local), port);
        assert_int_equal(net_send(b->sides[i].net, &to, STR("hey")), 0);
        net_flush(b->sides[i].net);
        assert_int_equal(recv(b->peer, text, sizeof(text), 0), 3);
    }
    bench_destroy(b);
}

/* By its name where the kernel chose the port; others stay. */
static void test_inherited_by_name(void **state)
{
    struct bench *b = bench_create();
    uint16_t any = 0, port = inherit(b, 1, 1);
    uint32_t transport;

    (void)state;
    inherit(b, 1, 1);
    str_free(&b->inherited.list[1].name);
    assert_int_equal(bench_reload(b, "a", &any), 0);
    assert_int_equal(count_taken(b), 1);
    assert_int_equal(addr_port(&b->listeners->list[0].local), port);
    assert_true(reaches(b, port, &transport));
    bench_destroy(b);
}

/* Whoever only looks whether it could start must not get what is sent to who runs. */
static void test_rehearsal(void **state)
{
    struct bench *b = bench_create();
    uint16_t port = inherit(b, 1, 1);
    struct listeners_draft draft = {
        .clock = &b->clock, .n_workers = WORKERS, .inherited = &b->inherited, .rehearsal = true
    };
    struct transport_settings t = { .id = STR("a"), .bind = loopback(port) };
    struct transport_fault fault;

    (void)state;
    assert_int_equal(listeners_claim(&draft, &t, &fault), 0);
    assert_int_equal(draft.list[0].n_fds, 1);
    listeners_draft_fini(&draft);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_from_an_address),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_kernel_chooses),
        cmocka_unit_test(test_inherited_more_than_workers),
        cmocka_unit_test(test_inherited_fewer),
        cmocka_unit_test(test_inherited_alone),
        cmocka_unit_test(test_inherited_by_name),
        cmocka_unit_test(test_rehearsal),

    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
