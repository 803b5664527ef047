// SPDX-License-Identifier: MIT
/* Strangers send more than can be read, with a thread to themselves, and answers come through. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "net/net.h"

enum {
    PATIENCE_MS = 60000,
    LOOK_MS = 20,
    REQUEST_US = 200, /* that one takes: without help nearly all answers are lost */
    SOME = 128,       /* requests, which no socket is half full of */
    EACH = 1000,      /* one of so many is an answer */
    ANSWERS = 15,
    LOG_MAX = 1 << 16,
};

static const struct str request = STR_INIT("OPTIONS sip:server SIP/2.0\r\n\r\n"),
                        answer = STR_INIT("SIP/2.0 200 OK\r\n\r\n");

struct flood {
    struct loop loop;
    struct net *net;
    struct log *log;
    struct rng rng;
    struct timer look;
    struct addr local;
    int log_fd;
    uint64_t until_ms;
    unsigned answers;
    const char *wanted; /* in the log */
    int own;            /* -1, or what some requests are sent from at each look */
    bool overloads;     /* they are too much for somebody */
    atomic_bool ended;
};

static void *strangers(void *arg)
{
    struct flood *f = arg;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    for (unsigned i = 1; !atomic_load(&f->ended); i++) {
        struct str text = i % EACH ? request : answer;

        (void)!sendto(fd, text.p, text.n, 0, &f->local.sa, addr_socklen(&f->local));
    }
    close(fd);
    return NULL;
}

static void on_receive(void *ctx, const struct flow *from, struct str datagram)
{
    struct flood *f = ctx;

    (void)from;
    if (f->overloads)
        net_overloaded(f->net);
    else if (!str_equal(datagram, answer))
        usleep(REQUEST_US);
    else if (++f->answers >= ANSWERS && !f->wanted)
        loop_stop(&f->loop);
}

static bool is_logged(const struct flood *f, const char *what)
{
    char text[LOG_MAX];
    ssize_t n = pread(f->log_fd, text, sizeof(text), 0);

    assert_true(n >= 0);
    return memmem(text, (size_t)n, what, strlen(what));
}

static void on_look(struct timer *t)
{
    struct flood *f = CONTAINER_OF(t, struct flood, look);

    for (unsigned i = 0; i < SOME && f->own >= 0; i++)
        (void)!sendto(f->own, request.p, request.n, 0, &f->local.sa, addr_socklen(&f->local));
    if ((f->wanted && is_logged(f, f->wanted)) || clock_monotonic_ms(&clock_system) > f->until_ms)
        loop_stop(&f->loop);
    else
        timer_start(&f->loop.wheel, t, LOOK_MS);
}

static void run(struct flood *f, const char *wanted)
{
    f->wanted = wanted;
    f->until_ms = clock_monotonic_ms(&clock_system) + PATIENCE_MS;
    timer_start(&f->loop.wheel, &f->look, LOOK_MS);
    loop_run(&f->loop);
    timer_stop(&f->loop.wheel, &f->look);
}

static void begin(struct flood *f)
{
    struct net_udp_spec spec = { .id = STR("test") };
    uint32_t transport;

    *f = (struct flood){ .log_fd = memfd_create("log", MFD_CLOEXEC), .own = -1 };
    assert_true(f->log_fd >= 0);
    rng_init_system(&f->rng);
    timer_init(&f->look, on_look);
    assert_int_equal(log_create(&f->log, f->log_fd, LOG_LEVEL_DEBUG, &clock_system), 0);
    assert_int_equal(loop_init(&f->loop, &clock_system, f, 16), 0);
    assert_int_equal(net_create(&f->net, &(struct net_config){ .loop = &f->loop,
                                                               .log = f->log,
                                                               .receive = on_receive,
                                                               .ctx = f,
                                                               .send_queue_max = 4,
                                                               .sheds = true,
                                                               .rng = &f->rng }),
                     0);
    assert_int_equal(addr_parse(&spec.bind, STR("127.0.0.1"), 0), 0);
    assert_int_equal(net_listen_udp(f->net, &spec, &transport), 0);
    net_local(f->net, transport, &f->local);
}

static void end(struct flood *f)
{
    net_destroy(f->net);
    loop_fini(&f->loop);
    log_destroy(f->log);
    close(f->log_fd);
}

static void test_answers_come_through(void **state)
{
    struct flood f;
    struct net_counters c;
    pthread_t thread;

    (void)state;
    begin(&f);
    assert_int_equal(pthread_create(&thread, NULL, strangers, &f), 0);
    run(&f, "net.shedding ");
    assert_true(is_logged(&f, "net.shedding "));

    f.answers = 0;
    run(&f, NULL);
    assert_true(f.answers >= ANSWERS);
    net_counters_get(f.net, &c);
    assert_true(c.lost > c.received);
    atomic_store(&f.ended, true);
    pthread_join(thread, NULL);
    run(&f, "net.shedding_ended ");
    assert_true(is_logged(&f, "net.shedding_ended "));
    end(&f);
}

/* The socket has room, and who was handed the requests has not. */
static void test_overloaded(void **state)
{
    struct flood f;

    (void)state;
    begin(&f);
    f.own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(f.own >= 0);
    f.overloads = true;
    run(&f, "net.shedding ");
    assert_true(is_logged(&f, "net.shedding "));
    close(f.own);
    f.own = -1;
    run(&f, "net.shedding_ended ");
    assert_true(is_logged(&f, "net.shedding_ended "));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_come_through),
        cmocka_unit_test(test_overloaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
