// SPDX-License-Identifier: MIT
/* One end is a connection that is dialled, the other a plain socket. TLS:
 * tests/e2e/test_sources.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/dial.h"

enum { SEND_MAX = 1 << 20 };

struct fixture {
    struct loop loop;
    struct net_dial *dial;
    struct addr listens, deaf; /* where somebody listens, and where nobody does */
    int listener, peer;
    unsigned opened, ended;
    struct buf got;
    char why[80];
    bool pause_at_first, close_at_first, close_opened;
};

static void on_opened(void *ctx)
{
    struct fixture *f = ctx;

    f->opened++;
    if (f->close_opened) {
        net_dial_close(f->dial);
        f->dial = NULL;
    }
}

static void on_received(void *ctx, struct str bytes)
{
    struct fixture *f = ctx;

    buf_add(&f->got, bytes);
    if (f->pause_at_first)
        net_dial_pause(f->dial, true);
    if (f->close_at_first) {
        net_dial_close(f->dial);
        f->dial = NULL;
    }
}

static void on_ended(void *ctx, struct str why)
{
    struct fixture *f = ctx;

    f->ended++;
    snprintf(f->why, sizeof(f->why), "%.*s", STR_FMT(why));
}

static int bound(struct addr *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof(at->v4);

    *at =
        (struct addr){ .v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &at->sa, n), 0);
    assert_int_equal(getsockname(fd, &at->sa, &n), 0);
    return fd;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(loop_init(&f->loop, &clock_system, f, 16), 0);
    f->listener = bound(&f->listens);
    assert_int_equal(listen(f->listener, 4), 0);
    f->peer = bound(&f->deaf); /* it has the port, so that nobody else listens there */
    buf_init(&f->got, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    net_dial_close(f->dial);
    close(f->listener);
    close(f->peer);
    loop_fini(&f->loop);
    buf_fini(&f->got);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    uv_run(&f->loop.uv, UV_RUN_ONCE);
}

/* What has ended before goes no further. */
#define UNTIL(f, condition)                                  \
    while (!(condition)) {                                   \
        assert_true((f)->ended == 0 && (f)->got.error == 0); \
        turn(f);                                             \
    }

static int open_to(struct fixture *f, const struct addr *addresses, size_t n)
{
    return net_dial_open(&f->dial,
                         &(struct net_dial_config){ .loop = &f->loop,
                                                    .host = STR("pbx.example"),
                                                    .addresses = addresses,
                                                    .n_addresses = n,
                                                    .cb = { f, on_opened, on_received, on_ended },
                                                    .send_max = SEND_MAX });
}

static void connect_to_peer(struct fixture *f)
{
    assert_int_equal(open_to(f, &f->listens, 1), 0);
    assert_int_equal(f->opened, 0); /* late, always */
    UNTIL(f, f->opened);
    close(f->peer);
    f->peer = accept(f->listener, NULL, NULL);
    assert_true(f->peer >= 0);
}

static void say(struct fixture *f, const char *text)
{
    assert_int_equal(write(f->peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void test_both_ways(void **state)
{
    struct fixture *f = *state;
    char room[16];

    connect_to_peer(f);
    assert_int_equal(net_dial_send(f->dial, STR("hello")), 0);
    assert_int_equal(read(f->peer, room, sizeof(room)), 5);
    say(f, "there");
    UNTIL(f, f->got.n == 5);
    assert_memory_equal(f->got.p, "there", 5);
    say(f, "last words");
    shutdown(f->peer, SHUT_WR);
    UNTIL(f, f->ended);
    assert_int_equal(f->got.n, 15);
    assert_string_equal(f->why, "the connection was closed by the peer");
    assert_int_equal(net_dial_send(f->dial, STR("x")), -ENOTCONN);
}

/* Whoever refuses is passed over, and of those that cannot be tried at all the loop hears nothing.
 */
static void test_next_address(void **state)
{
    struct fixture *f = *state;
    const struct addr addresses[] = { { .sa.sa_family = AF_UNSPEC }, f->deaf, f->deaf, f->listens };
    char room[16];

    assert_int_equal(open_to(f, addresses, ARRAY_LEN(addresses)), 0);
    UNTIL(f, f->opened);
    assert_int_equal(f->ended, 0);
    close(f->peer);
    f->peer = accept(f->listener, NULL, NULL);
    assert_int_equal(net_dial_send(f->dial, STR("hello")), 0);
    assert_int_equal(read(f->peer, room, sizeof(room)), 5);
}

static void test_nobody_there(void **state)
{
    struct fixture *f = *state;
    const struct addr addresses[] = { f->deaf, f->deaf }, none = { .sa.sa_family = AF_UNSPEC };

    assert_int_equal(open_to(f, NULL, 0), -EADDRNOTAVAIL);
    assert_int_equal(open_to(f, &none, 1), -EAFNOSUPPORT);
    assert_null(f->dial);
    assert_int_equal(open_to(f, addresses, 2), 0);
    assert_int_equal(f->ended, 0); /* late, always */
    UNTIL(f, f->ended);
    assert_string_equal(f->why, "Connection refused");
    assert_int_equal(f->opened, 0);
    assert_int_equal(net_dial_send(f->dial, STR("x")), -ENOTCONN);
}

/* More addresses than there is room for: the first ones count. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    struct addr addresses[NET_DIAL_ADDRESSES + 1];

    for (size_t i = 0; i < NET_DIAL_ADDRESSES; i++)
        addresses[i] = f->deaf;
    addresses[NET_DIAL_ADDRESSES] = f->listens;
    assert_int_equal(open_to(f, addresses, ARRAY_LEN(addresses)), 0);
    UNTIL(f, f->ended);
    assert_int_equal(f->opened, 0);
}

/* What comes while it is paused waits in the kernel. */
static void test_pause(void **state)
{
    struct fixture *f = *state;

    connect_to_peer(f);
    f->pause_at_first = true;
    say(f, "one");
    UNTIL(f, f->got.n == 3);
    say(f, "two");
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(f->got.n, 3);
    f->pause_at_first = false;
    net_dial_pause(f->dial, false);
    UNTIL(f, f->got.n == 6);
}

/* A peer that does not read has so much waiting for it and no more; then all of that comes. */
static void test_bound(void **state)
{
    struct fixture *f = *state;
    static char room[65536];
    size_t sent = 0, got = 0;
    int r;

    connect_to_peer(f);
    while ((r = net_dial_send(f->dial, (struct str){ room, sizeof(room) })) == 0)
        sent += sizeof(room);
    assert_int_equal(r, -EAGAIN);
    assert_true(sent >= SEND_MAX);
    while (got < sent) {
        ssize_t n = recv(f->peer, room, sizeof(room), MSG_DONTWAIT);

        if (n > 0)
            got += (size_t)n;
        else
            uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(net_dial_send(f->dial, STR("x")), 0);
    assert_int_equal(f->ended, 0);
}

static void test_closed_from_within(void **state)
{
    struct fixture *f = *state;
    char c;

    connect_to_peer(f);
    f->close_at_first = true;
    say(f, "quit");
    UNTIL(f, !f->dial);
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(f->ended, 0);
    assert_int_equal(read(f->peer, &c, 1), 0);
    f->close_opened = true;
    assert_int_equal(open_to(f, &f->listens, 1), 0);
    UNTIL(f, !f->dial);
    assert_int_equal(open_to(f, &f->listens, 1), 0); /* closed while it connects */
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_both_ways),
        TEST(test_next_address),
        TEST(test_nobody_there),
        TEST(test_many),
        TEST(test_pause),
        TEST(test_bound),
        TEST(test_closed_from_within),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
