// SPDX-License-Identifier: MIT
/* Each allocation of a conversation by connections and by datagrams fails in turn, once: what
 * cannot be is not, and nothing crashes or leaks. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory_testing.h"
#include "base/random.h"
#include "net/net.h"

#define HEAD "OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\n"

enum { UDP, TCP, TURNS = 30 };

struct side {
    struct net *net;
    struct addr local[2];
    size_t received;
};

static void turn(struct loop *l, struct side *a, struct side *b)
{
    for (unsigned i = 0; i < TURNS; i++) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        net_flush(a->net);
        net_flush(b->net);
        if (i > 3)
            usleep(50); /* the kernel carries it */
    }
}

/* Answered in more bytes than a socket takes at once. */
static void on_receive(void *ctx, const struct flow *from, struct str message)
{
    static char answer[60000] = "SIP/2.0 200 OK\r\nl: 59972\r\n\r\n";
    struct side *s = ctx;

    s->received++;
    if (str_starts(message, STR("OPTIONS")))
        for (unsigned i = 0; i < 8; i++)
            (void)!net_send(s->net, from, (struct str){ answer, sizeof(answer) });
}

static int admit(void *ctx, const struct addr *remote)
{
    (void)ctx;
    (void)remote;
    return 0;
}

static int side_open(struct side *s, struct loop *l, struct rng *rng, struct log *log)
{
    const struct net_config cfg = { .loop = l,
                                    .log = log,
                                    .receive = on_receive,
                                    .ctx = s,
                                    .send_queue_max = 100,
                                    .rng = rng,
                                    .limits = { .connections = 10 },
                                    .admit = admit };
    struct net_udp_spec spec = { .sharers = 0 };
    int fd, r = net_create(&s->net, &cfg);

    assert_int_equal(addr_parse(&spec.bind, STR("127.0.0.1"), 0), 0);
    if (r)
        return r;
    r = net_bind_udp(&fd, &spec, &s->local[UDP]);
    if (!r) {
        r = net_attach_udp(s->net, UDP, STR("udp"), fd);
        if (r)
            close(fd);
    }
    if (r)
        return r;
    r = net_bind_stream(&fd, &spec, &s->local[TCP]);
    if (r)
        return r;
    r = net_attach_stream(s->net, TCP, NET_TCP, STR("tcp"), fd);
    if (r)
        close(fd);
    return r ? r
             : net_stream_set(s->net, TCP, STR("renamed"),
                              &(struct net_stream_options){ .tos = 0 });
}

static void talk(struct loop *l, struct side *a, struct side *b)
{
    const struct addr_net everybody = { .prefix = 0 };
    struct flow to = { .transport = TCP, .connection = NET_ANY_CONNECTION };

    net_trace_set(b->net, false, &everybody, 1);
    to.remote = b->local[TCP];
    to.local = a->local[TCP];
    if (net_connect(a->net, &to, STR_EMPTY) == 0)
        (void)!net_send(a->net, &to, STR(HEAD "ab"));
    turn(l, a, b);
    if (to.connection != NET_ANY_CONNECTION)
        (void)!net_send(a->net, &to, STR("c" HEAD "abc" HEAD));
    turn(l, a, b);
    to = (struct flow){ .transport = UDP, .remote = b->local[UDP], .local = a->local[UDP] };
    (void)!net_send(a->net, &to, STR(HEAD "abc"));
    turn(l, a, b);
}

/* Did one fail? */
static bool run(long allocations)
{
    struct side a = { .net = NULL }, b = { .net = NULL };
    struct loop loop;
    struct rng rng;
    struct log *log;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    rng_init_seeded(&rng, 1);
    assert_int_equal(log_create(&log, fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    assert_int_equal(loop_init(&loop, &clock_system, NULL, 16), 0);
    memory.failed = false;
    memory.left = allocations;
    memory_guard(true);
    if (side_open(&a, &loop, &rng, log) == 0 && side_open(&b, &loop, &rng, log) == 0)
        talk(&loop, &a, &b);
    net_destroy(a.net);
    net_destroy(b.net);
    memory_guard(false);
    memory.left = -1;
    loop_fini(&loop);
    log_destroy(log);
    close(fd);
    if (!memory.failed)
        assert_true(a.received >= 24 && b.received >= 3);
    return memory.failed;
}

static void test_each(void **state)
{
    long n = 0;

    (void)state;
    while (run(n))
        n++;
    assert_in_range(n, 20, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_each) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
