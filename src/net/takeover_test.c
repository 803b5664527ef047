// SPDX-License-Identifier: MIT
/* Sockets that somebody else has opened, and reads no more: real ones, on the loopback interface.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/backlog.h"
#include "net/net.h"

enum { PATIENCE_MS = 5000 };

struct bench {
    struct loop loop;
    struct timer patience;
    struct log *log;
    int log_fd, sender;
    bool expired;
    struct net *net;
    size_t received, until;
    struct flow last;
};

static void on_patience(struct timer *t)
{
    struct bench *b = CONTAINER_OF(t, struct bench, patience);

    b->expired = true;
    loop_stop(&b->loop);
}

static void on_receive(void *ctx, const struct flow *from, struct str datagram)
{
    struct bench *b = ctx;

    (void)datagram;
    b->last = *from;
    if (++b->received == b->until)
        loop_stop(&b->loop);
}

static struct bench *bench_create(void)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&b->log, b->log_fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    assert_int_equal(loop_init(&b->loop, &clock_system, b, 16), 0);
    timer_init(&b->patience, on_patience);
    b->sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(b->sender >= 0);
    assert_int_equal(net_create(&b->net, &(struct net_config){ .loop = &b->loop,
                                                               .log = b->log,
                                                               .receive = on_receive,
                                                               .ctx = b,
                                                               .send_queue_max = 16 }),
                     0);
    return b;
}

static void bench_destroy(struct bench *b)
{
    net_destroy(b->net);
    timer_stop(&b->loop.wheel, &b->patience);
    loop_fini(&b->loop);
    log_destroy(b->log);
    close(b->log_fd);
    close(b->sender);
    free(b);
}

/* Until there are `n` more. */
static void bench_receive(struct bench *b, size_t n)
{
    b->until = b->received + n;
    timer_start(&b->loop.wheel, &b->patience, PATIENCE_MS);
    loop_run(&b->loop);
    timer_stop(&b->loop.wheel, &b->patience);
    assert_false(b->expired);
}

/* A turn in which nothing comes. */
static void bench_idle(struct bench *b)
{
    timer_start(&b->loop.wheel, &b->patience, 20);
    loop_run(&b->loop);
    assert_true(b->expired);
    b->expired = false;
}

static struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 0), 0);
    return a;
}

static int bind_shared(struct addr at, struct addr *local)
{
    const struct net_udp_spec spec = { .bind = at, .sharers = 2 };
    int fd;

    assert_int_equal(net_bind_udp(&fd, &spec, local), 0);
    return fd;
}

static void say(struct bench *b, const struct addr *to, struct str text)
{
    struct addr where = *to;

    if (addr_is_any(to)) {
        where = address("127.0.0.3");
        addr_port_set(&where, addr_port(to));
    }
    assert_int_equal(sendto(b->sender, text.p, text.n, 0, &where.sa, addr_socklen(&where)), text.n);
}

static void wait_empty(int fd)
{
    for (unsigned i = 0; i < PATIENCE_MS; i++) {
        int waiting;

        assert_int_equal(ioctl(fd, FIONREAD, &waiting), 0);
        if (!waiting)
            return;
        usleep(1000);
    }
    fail();
}

/* ---- several sockets of a transport ---- */

static void test_two_sockets(void **state)
{
    struct bench *b = bench_create();
    struct addr at = address("127.0.0.1"), local, other;
    int first = bind_shared(at, &local), second = bind_shared(at, &other);

    (void)state;
    assert_int_equal(net_attach_udp(b->net, 0, STR("udp"), first), 0);
    assert_int_equal(net_attach_udp(b->net, 0, STR("udp"), second), 0);
    say(b, &local, STR("one"));
    say(b, &other, STR("two"));
    bench_receive(b, 2);
    assert_int_equal(b->last.transport, 0);
    assert_int_equal(net_udp_set(b->net, 0, STR("other"), 0, 0), 0);
    net_close(b->net, 0);
    bench_idle(b); /* they close behind the loop's back */
    assert_int_equal(fcntl(first, F_GETFD), -1);
    assert_int_equal(fcntl(second, F_GETFD), -1);
    bench_destroy(b);
}

static void count_socket(void *ctx, struct str id, int fd)
{
    assert_true(str_equal(id, STR("udp")) && fd >= 0);
    ++*(size_t *)ctx;
}

static void test_pause(void **state)
{
    struct bench *b = bench_create();
    struct addr local, later;
    size_t sockets = 0;

    (void)state;
    assert_int_equal(
        net_attach_udp(b->net, 0, STR("udp"), bind_shared(address("127.0.0.1"), &local)), 0);
    net_pause(b->net, true);
    assert_int_equal(
        net_attach_udp(b->net, 1, STR("udp"), bind_shared(address("127.0.0.1"), &later)), 0);
    say(b, &local, STR("one"));
    say(b, &later, STR("two"));
    bench_idle(b);
    assert_int_equal(b->received, 0);
    net_each_socket(b->net, count_socket, &sockets);
    assert_int_equal(sockets, 2);
    net_pause(b->net, false);
    bench_receive(b, 2);
    bench_destroy(b);
}

static void test_deaf(void **state)
{
    struct bench *b = bench_create();
    struct addr local;
    int fd = bind_shared(address("127.0.0.1"), &local), reader = dup(fd);
    struct flow to = { .remote = local };
    size_t sockets = 0;
    char text[8];

    (void)state;
    assert_int_equal(net_attach_udp(b->net, 0, STR("udp"), fd), 0);
    net_deafen(b->net, 0);
    net_each_socket(b->net, count_socket, &sockets);
    assert_int_equal(sockets, 0);
    assert_int_equal(net_send(b->net, &to, STR("self")), 0); /* it still sends */
    assert_int_equal(net_unsent(b->net), 1);
    net_flush(b->net);
    assert_int_equal(net_unsent(b->net), 0);
    bench_idle(b);
    assert_int_equal(recv(reader, text, sizeof(text), MSG_DONTWAIT), 4);
    close(reader);
    bench_destroy(b);
}

/* ---- adopting one ---- */

static int plain(int family, int type, const char *at)
{
    int fd = socket(family, type, 0);
    struct addr a = address(at);

    assert_true(fd >= 0);
    if (bind(fd, &a.sa, addr_socklen(&a))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_adopt(void **state)
{
    struct net_udp_spec spec = { .bind = address("0.0.0.0") };
    struct bench *b = bench_create();
    int fd = plain(AF_INET, SOCK_DGRAM, "0.0.0.0");
    struct addr local, sent_to = address("127.0.0.3");

    (void)state;
    assert_int_equal(net_adopt_udp(fd, &spec, &local), 0);
    assert_true(addr_is_any(&local) && addr_port(&local));
    assert_false(net_shares(fd));
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(net_attach_udp(b->net, 0, STR("udp"), fd), 0);
    say(b, &local, STR("one"));
    bench_receive(b, 1);
    assert_true(addr_equal_host(&b->last.local, &sent_to)); /* it learns where each one was sent */
    bench_destroy(b);
}

static void test_adopt_not(void **state)
{
    const struct net_udp_spec spec = { .bind = address("127.0.0.1") };
    struct addr local;
    int tcp = plain(AF_INET, SOCK_STREAM, "127.0.0.1"), both = plain(AF_INET6, SOCK_DGRAM, "::");

    (void)state;
    assert_int_equal(net_adopt_udp(tcp, &spec, &local), -EPROTOTYPE);
    close(tcp);
    if (both < 0)
        return; /* a machine without IPv6 */
    assert_int_equal(net_adopt_udp(both, &spec, &local), -EAFNOSUPPORT);
    close(both);
}

/* ---- the backlog ---- */

struct heard {
    size_t n, sockets[4];
    struct addr local[4], remote[4];
    char text[4][16];
};

static void on_heard(void *ctx, size_t at, const struct addr *local, const struct addr *remote,
                     struct str datagram)
{
    struct heard *h = ctx;

    assert_true(h->n < ARRAY_LEN(h->sockets) && datagram.n < sizeof(h->text[0]));
    h->sockets[h->n] = at;
    h->local[h->n] = *local;
    h->remote[h->n] = *remote;
    memcpy(h->text[h->n++], datagram.p, datagram.n);
}

static void test_backlog(void **state)
{
    struct bench *b = bench_create();
    struct backlog *backlog;
    struct heard heard = { 0 };
    struct addr local[2], expected = address("127.0.0.3");
    const int fds[2] = { bind_shared(address("127.0.0.1"), &local[0]),
                         bind_shared(address("0.0.0.0"), &local[1]) };
    char text[16];

    (void)state;
    say(b, &local[0], STR("before"));
    assert_int_equal(backlog_start(&backlog, b->log, fds, 2), 0);
    say(b, &local[1], STR("while"));
    wait_empty(fds[0]);
    wait_empty(fds[1]);
    backlog_stop(backlog);
    say(b, &local[0], STR("after"));
    assert_int_equal(backlog_count(backlog), 2);
    backlog_each(backlog, on_heard, &heard);
    for (size_t i = 0; i < 2; i++) { /* of two sockets either may be first */
        size_t at = heard.sockets[i];

        assert_string_equal(heard.text[i], at ? "while" : "before");
        addr_port_set(&expected, addr_port(&local[1]));
        assert_true(addr_equal(&heard.local[i], at ? &expected : &local[0]));
        assert_int_not_equal(addr_port(&heard.remote[i]), 0);
    }
    assert_int_not_equal(heard.sockets[0], heard.sockets[1]);
    backlog_destroy(backlog);
    assert_int_equal(recv(fds[0], text, sizeof(text), MSG_DONTWAIT), 5);
    close(fds[0]);
    close(fds[1]);
    bench_destroy(b);
}

/* What has no room any more stays where it is. */
static void test_backlog_full(void **state)
{
    enum { SIZE = 60000, FITS = BACKLOG_BYTES_MAX / SIZE };
    struct bench *b = bench_create();
    struct backlog *backlog;
    struct addr local;
    int fd = bind_shared(address("127.0.0.1"), &local);
    char *text = calloc(1, SIZE);
    size_t sent = 0, left = 0;

    (void)state;
    assert_int_equal(backlog_start(&backlog, b->log, &fd, 1), 0);
    for (; sent < FITS - 8; sent++) {
        say(b, &local, (struct str){ text, SIZE });
        wait_empty(fd);
    }
    for (; sent < FITS; sent++) {
        say(b, &local, (struct str){ text, SIZE });
        usleep(1000);
    }
    say(b, &local, STR("stays"));
    backlog_stop(backlog);
    while (recv(fd, text, SIZE, MSG_DONTWAIT) > 0)
        left++;
    assert_true(left > 0);
    assert_int_equal(backlog_count(backlog) + left, sent + 1);
    backlog_destroy(backlog);
    free(text);
    close(fd);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_sockets),  cmocka_unit_test(test_pause),
        cmocka_unit_test(test_deaf),         cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_adopt_not),    cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_backlog_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
