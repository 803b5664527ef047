// SPDX-License-Identifier: MIT
/* One end is a link, the other a socket that the test reads and writes when it wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/link.h"

struct fixture {
    struct loop loop;
    struct net_link *link;
    int peer;
    struct buf got;
    unsigned opened, ended;
    int result;
    bool pause_at_first, close_at_first;
};

static void on_opened(void *ctx)
{
    ((struct fixture *)ctx)->opened++;
}

static void on_received(void *ctx, struct str bytes)
{
    struct fixture *f = ctx;

    buf_add(&f->got, bytes);
    if (f->pause_at_first)
        net_link_pause(f->link, true);
    if (f->close_at_first)
        net_link_close(f->link);
}

static void on_ended(void *ctx, int result, const char *why)
{
    struct fixture *f = ctx;

    (void)why;
    f->ended++;
    f->result = result;
    net_link_destroy(f->link);
    f->link = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct net_link_spec spec = { .waiting_max = 1 << 20, .stall_ms = 200 };
    int fds[2];

    assert_non_null(f);
    assert_int_equal(loop_init(&f->loop, &clock_system, f, 16), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    spec.loop = &f->loop;
    spec.port = (struct net_link_port){ f, on_opened, on_received, on_ended };
    spec.fd = fds[0];
    assert_int_equal(addr_parse(&spec.remote, STR("192.0.2.1"), 1), 0);
    f->peer = fds[1];
    buf_init(&f->got, 1 << 20);
    assert_int_equal(net_link_create(&f->link, &spec), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    net_link_destroy(f->link);
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

static void feed(struct fixture *f, const char *text)
{
    assert_int_equal(write(f->peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void test_both_ways(void **state)
{
    struct fixture *f = *state;
    char room[16];

    net_link_send(f->link, STR("hello")); /* before it is open */
    assert_int_equal(net_link_waiting(f->link), 5);
    UNTIL(f, f->opened && !net_link_waiting(f->link));
    assert_int_equal(read(f->peer, room, sizeof(room)), 5);
    feed(f, "there");
    UNTIL(f, f->got.n == 5);
    assert_memory_equal(f->got.p, "there", 5);
    close(f->peer);
    f->peer = -1;
    UNTIL(f, f->ended);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->opened, 1);
}

/* What comes while it is paused waits in the kernel; that the peer goes is found all the same. */
static void test_pause(void **state)
{
    struct fixture *f = *state;

    f->pause_at_first = true;
    feed(f, "one");
    UNTIL(f, f->got.n == 3);
    feed(f, "two");
    for (int i = 0; i < 5; i++)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(f->got.n, 3);
    f->pause_at_first = false;
    net_link_pause(f->link, false);
    UNTIL(f, f->got.n == 6);
    net_link_pause(f->link, true);
    shutdown(f->peer, SHUT_RDWR);
    UNTIL(f, f->ended);
}

static void test_close(void **state)
{
    struct fixture *f = *state;
    char room[16];

    UNTIL(f, f->opened);
    f->close_at_first = true;
    net_link_send(f->link, STR("bye"));
    feed(f, "quit");
    UNTIL(f, f->ended);
    assert_int_equal(f->result, 0);
    assert_int_equal(read(f->peer, room, sizeof(room)), 3);
    assert_int_equal(read(f->peer, room, sizeof(room)), 0);
}

static void fill(struct fixture *f, size_t bytes)
{
    static char room[65536];

    for (size_t n = 0; n < bytes; n += sizeof(room))
        net_link_send(f->link, (struct str){ room, sizeof(room) });
}

static void test_too_much(void **state)
{
    struct fixture *f = *state;

    UNTIL(f, f->opened);
    fill(f, 4 << 20);
    assert_int_equal(f->ended, 0); /* late, always */
    UNTIL(f, f->ended);
    assert_int_equal(f->result, -ENOBUFS);
}

static void test_stalled(void **state)
{
    struct fixture *f = *state;

    UNTIL(f, f->opened);
    fill(f, 1 << 20);
    UNTIL(f, f->ended);
    assert_int_equal(f->result, -ETIMEDOUT);
}

/* One who reads slowly, but reads, is waited for. */
static void test_slow(void **state)
{
    struct fixture *f = *state;
    static char room[8192];
    size_t got = 0;

    UNTIL(f, f->opened);
    net_link_patience(f->link, 60000);
    fill(f, 1 << 20);
    while (got < 1 << 20) {
        ssize_t n = read(f->peer, room, sizeof(room));

        assert_int_equal(f->ended, 0);
        if (n > 0)
            got += (size_t)n;
        else
            turn(f);
    }
    assert_int_equal(got, 1 << 20);
    assert_int_equal(net_link_waiting(f->link), 0);
    assert_int_equal(f->ended, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(test_both_ways), TEST(test_pause),   TEST(test_close),
        TEST(test_too_much),  TEST(test_stalled), TEST(test_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
