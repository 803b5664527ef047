// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/shed.h"

#define US UINT64_C(1000)
#define WINDOW_US (SHED_WINDOW_MS * US)

/* ---- what is let in ---- */

enum { FLOODERS = 64 };

struct model {
    struct rng rng;
    struct shed shed;
    struct shed_times now;
    uint64_t cost_us;      /* of a request */
    uint64_t elsewhere_us; /* likewise, of another thread */
    uint64_t other_us;     /* of a window, with something else */
    uint64_t passed, passed_light, sent_light;
};

static struct addr source(unsigned network, unsigned n)
{
    struct addr a = { .v4 = { .sin_family = AF_INET } };

    a.v4.sin_addr.s_addr = htonl(0x0a000000u + (network << 16) + n);
    return a;
}

static void model_begin(struct model *m, uint64_t seed)
{
    *m = (struct model){ .cost_us = 10 };
    rng_init_seeded(&m->rng, seed);
    shed_begin(&m->shed, &m->rng, m->now);
}

static void model_pass(struct model *m, const struct addr *from, bool light)
{
    m->passed++;
    m->passed_light += light;
    m->now.thread += m->cost_us * US;
    m->now.elsewhere += m->elsewhere_us * US;
    shed_count(&m->shed, &from->sa, m->cost_us * US);
}

/* The kernel's part: as the filter has it, with luck left out. */
static void model_send(struct model *m, unsigned network, unsigned n, unsigned requests, bool light)
{
    struct addr from = source(network, n);
    uint64_t pass = requests;

    if (shed_is_heavy(&m->shed, &from.sa))
        pass = ((uint64_t)requests * m->shed.share + rng_below(&m->rng, UINT32_MAX)) / SHED_ALL;
    m->sent_light += light ? requests : 0;
    while (pass--)
        model_pass(m, &from, light);
}

static void model_window(struct model *m, unsigned flood, bool full)
{
    m->passed = 0;
    for (unsigned i = 0; i < FLOODERS; i++)
        model_send(m, 1, i, flood, false);
    for (unsigned i = 0; i < 10; i++)
        model_send(m, 2, i, 1, true);
    m->now.thread += m->other_us * US;
    m->now.clock += WINDOW_US * US;
    if (m->now.thread > m->now.clock) /* it has been late, and there was no more to have */
        m->now.clock = m->now.thread;
    m->shed.full = full;
    shed_step(&m->shed, &m->rng, m->now);
}

static void test_flood(void **state)
{
    struct model m;
    uint64_t passed = 0, before;

    (void)state;
    model_begin(&m, 1);
    for (unsigned i = 0; i < 40; i++)
        model_window(&m, 200, i < 2);
    before = m.sent_light - m.passed_light;
    for (unsigned i = 0; i < 100; i++) {
        model_window(&m, 200, false);
        passed += m.passed;
    }
    /* Three quarters of the time are 1500 requests in a window; 12,800 came. */
    assert_in_range(passed / 100, 1000, 1700);
    assert_true(m.shed.share < SHED_ALL / 4);
    assert_in_range(m.sent_light - m.passed_light - before, 0, 300); /* whose hash is a flooder's */
    for (unsigned i = 0; i < 100; i++)
        model_window(&m, 0, false);
    assert_int_equal(m.shed.share, SHED_ALL);
    assert_true(shed_is_over(&m.shed));
}

/* With another key other sources share a place with a flooder. */
static void test_another_key(void **state)
{
    struct model m;
    uint32_t key;

    (void)state;
    model_begin(&m, 2);
    key = m.shed.key;
    for (unsigned i = 0; i < 240; i++)
        model_window(&m, 200, i < 2);
    assert_int_equal(m.shed.key, key);
    for (unsigned i = 0; i < 20; i++) {
        model_window(&m, 200, false);
        assert_in_range(m.passed, 0, 4000);
    }
    assert_int_not_equal(m.shed.key, key);
}

/* The socket fills though the worker does little: it gets no processor. */
static void test_full(void **state)
{
    struct model m;

    (void)state;
    model_begin(&m, 3);
    m.cost_us = 0;
    for (unsigned i = 0; i < 8; i++)
        model_window(&m, 200, true);
    assert_in_range(m.passed, 0, 400);
    for (unsigned i = 0; i < 40; i++)
        model_window(&m, 200, false);
    assert_in_range(m.passed, 5000, 64 * 200 + 10);
}

/* What takes the time is not what comes. */
static void test_other_work(void **state)
{
    struct model m;

    (void)state;
    model_begin(&m, 4);
    m.other_us = WINDOW_US;
    m.cost_us = 1;
    for (unsigned i = 0; i < 100; i++)
        model_window(&m, 10, i < 1);
    assert_int_equal(m.passed, 650);
    assert_int_equal(m.shed.share, SHED_ALL);
}

/* It costs this thread little, and another one the rest. */
static void test_elsewhere(void **state)
{
    struct model m;
    uint64_t passed = 0;

    (void)state;
    model_begin(&m, 6);
    m.cost_us = 1;
    m.elsewhere_us = 9;
    for (unsigned i = 0; i < 140; i++) {
        model_window(&m, 200, i < 1);
        passed += i < 40 ? 0 : m.passed;
    }
    assert_in_range(passed / 100, 1000, 1700); /* as in test_flood */
}

/* Answers fill it: to refuse requests would help nobody. */
static void test_answers(void **state)
{
    struct model m;

    (void)state;
    model_begin(&m, 5);
    m.cost_us = 1;
    for (unsigned i = 0; i < 100; i++) {
        m.shed.answers = 5000;
        model_window(&m, 10, true);
    }
    assert_int_equal(m.passed, 650);
}

/* ---- the filter ---- */

struct pair {
    int from, to;
    bool v6;
};

static bool pair_open(struct pair *p, bool v6)
{
    struct addr local;
    socklen_t len = sizeof(local);

    *p = (struct pair){ .v6 = v6 };
    assert_int_equal(addr_parse(&local, v6 ? STR("::1") : STR("127.0.0.1"), 0), 0);
    p->to = socket(local.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    p->from = socket(local.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (p->to < 0 || bind(p->to, &local.sa, addr_socklen(&local)))
        return false; /* a machine may lack IPv6 */
    assert_int_equal(getsockname(p->to, &local.sa, &len), 0);
    assert_int_equal(connect(p->from, &local.sa, addr_socklen(&local)), 0);
    return true;
}

static void pair_close(struct pair *p)
{
    close(p->from);
    close(p->to);
}

/* How many of them arrive. */
static unsigned pair_try(const struct pair *p, struct str datagram, unsigned n)
{
    unsigned arrived = 0;
    char room[64];

    while (n--) {
        assert_int_equal(send(p->from, datagram.p, datagram.n, 0), datagram.n);
        while (recv(p->to, room, sizeof(room), 0) > 0)
            arrived++;
    }
    return arrived;
}

static struct sockaddr_storage pair_source(const struct pair *p)
{
    struct sockaddr_storage a = { 0 };
    socklen_t len = sizeof(a);

    assert_int_equal(getsockname(p->from, (struct sockaddr *)&a, &len), 0);
    return a;
}

static void check_filter(bool v6)
{
    static const struct str request = STR_INIT("OPTIONS sip:a SIP/2.0\r\n"),
                            answer = STR_INIT("SIP/2.0 200 OK\r\n"), shortest = STR_INIT("\r\n");
    struct sockaddr_storage from;
    struct shed s;
    struct pair p;
    struct rng rng;
    unsigned half;

    if (!pair_open(&p, v6)) {
        pair_close(&p);
        return;
    }
    from = pair_source(&p);
    rng_init_seeded(&rng, 6);
    for (unsigned key = 0; key < 20; key++) {
        shed_begin(&s, &rng, (struct shed_times){ 0 });
        memset(s.heavy, 0xff, sizeof(s.heavy));
        s.share = 1;
        assert_int_equal(shed_apply(&s, p.to, v6), 0);
        assert_int_equal(pair_try(&p, request, 20), 0);
        assert_int_equal(pair_try(&p, shortest, 2), 0);
        assert_int_equal(pair_try(&p, answer, 20), 20);
        for (uint32_t i = 0; i < SHED_SOURCES && shed_is_heavy(&s, (struct sockaddr *)&from); i++)
            s.heavy[i / 32] = ~(UINT32_C(1) << i % 32);
        assert_int_equal(shed_apply(&s, p.to, v6), 0);
        assert_int_equal(pair_try(&p, request, 20), 20);
    }
    memset(s.heavy, 0xff, sizeof(s.heavy));
    s.share = SHED_ALL / 2;
    assert_int_equal(shed_apply(&s, p.to, v6), 0);
    half = pair_try(&p, request, 1000);
    assert_in_range(half, 300, 700);
    assert_true(shed_lost(p.to) >= 1000 - half);
    s.share = SHED_ALL;
    assert_int_equal(shed_apply(&s, p.to, v6), 0);
    assert_int_equal(pair_try(&p, request, 20), 20);
    assert_int_equal(pair_try(&p, shortest, 2), 2);
    pair_close(&p);
}

static void test_filter(void **state)
{
    (void)state;
    check_filter(false);
    check_filter(true);
}

static void test_half_full(void **state)
{
    static const char datagram[1000];
    struct pair p;

    (void)state;
    assert_true(pair_open(&p, false));
    assert_false(shed_is_needed(p.to));
    for (unsigned i = 0; i < 10000 && !shed_is_needed(p.to); i++)
        assert_int_equal(send(p.from, datagram, sizeof(datagram), 0), sizeof(datagram));
    assert_true(shed_is_needed(p.to));
    assert_int_equal(shed_lost(p.to), 0);
    pair_close(&p);
    assert_false(shed_is_needed(p.to)); /* it is not there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood),     cmocka_unit_test(test_another_key),
        cmocka_unit_test(test_full),      cmocka_unit_test(test_other_work),
        cmocka_unit_test(test_elsewhere), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_filter),    cmocka_unit_test(test_half_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
