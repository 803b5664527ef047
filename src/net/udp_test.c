// SPDX-License-Identifier: MIT
/* Real sockets on the loopback interface. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net.h"
#include "net/qos_testing.h"

#define PATIENCE_MS 5000

struct bench {
    struct loop loop;
    struct timer patience;
    struct log *log;
    int log_fd;
    bool expired;
    _Atomic uint64_t numbers;
};

struct side { /* one net with one socket, and what it saw */
    struct bench *bench;
    struct net *net;
    struct addr local;
    size_t received, until; /* stops the loop at `until` */
    bool echo;
    struct flow last;
    char text[256];
    size_t text_n;
    uint32_t next; /* the number expected next, when counting */
    bool counting;
};

static void on_patience(struct timer *t)
{
    struct bench *b = CONTAINER_OF(t, struct bench, patience);

    b->expired = true;
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
    return b;
}

static void bench_destroy(struct bench *b)
{
    timer_stop(&b->loop.wheel, &b->patience);
    loop_fini(&b->loop);
    log_destroy(b->log);
    close(b->log_fd);
    free(b);
}

static void bench_run(struct bench *b)
{
    timer_start(&b->loop.wheel, &b->patience, PATIENCE_MS);
    loop_run(&b->loop);
    timer_stop(&b->loop.wheel, &b->patience);
    assert_false(b->expired);
}

static void on_receive(void *ctx, const struct flow *from, struct str datagram)
{
    struct side *s = ctx;
    uint32_t number;

    s->received++;
    s->last = *from;
    s->text_n = datagram.n < sizeof(s->text) ? datagram.n : sizeof(s->text);
    memcpy(s->text, datagram.p, s->text_n);
    if (s->counting) {
        assert_int_equal(str_to_u32(&number, str_sub(datagram, 0, 6)), 0);
        assert_int_equal(number, s->next++);
    }
    if (s->echo)
        assert_int_equal(net_send(s->net, from, datagram), 0);
    if (s->received == s->until)
        loop_stop(&s->bench->loop);
}

static void on_flush(void *ctx)
{
    net_flush(ctx);
}

static struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 0), 0);
    return a;
}

static int side_listen(struct side *s, struct addr bind_to, unsigned sharers, uint32_t tos)
{
    struct net_udp_spec spec = {
        .id = STR("test"), .bind = bind_to, .tos = tos, .sharers = sharers
    };
    uint32_t transport = 99;
    int r = net_listen_udp(s->net, &spec, &transport);

    if (r)
        return r;
    assert_int_equal(transport, 0);
    net_local(s->net, transport, &s->local);
    assert_int_not_equal(addr_port(&s->local), 0);
    return 0;
}

/* Bind or skip: a machine may lack IPv6. */
static int side_try(struct side *s, struct bench *b, const char *bind_to)
{
    *s = (struct side){ .bench = b };
    assert_int_equal(net_create(&s->net, &(struct net_config){ .loop = &b->loop,
                                                               .log = b->log,
                                                               .receive = on_receive,
                                                               .ctx = s,
                                                               .numbers = &b->numbers,
                                                               .send_queue_max = 4096 }),
                     0);
    return side_listen(s, address(bind_to), 0, 0);
}

static void side_open(struct side *s, struct bench *b, const char *bind_to)
{
    assert_int_equal(side_try(s, b, bind_to), 0);
}

static struct flow flow_to(const char *host, const struct side *s)
{
    struct flow f = { .remote = address(host) };

    addr_port_set(&f.remote, addr_port(&s->local));
    return f;
}

static void test_thousands(void **state)
{
    enum { N = 4000, CHUNK = 100 };
    struct bench *b = bench_create();
    struct side from, to;
    struct net_counters sent, received;
    char text[700];

    (void)state;
    side_open(&from, b, "127.0.0.1");
    side_open(&to, b, "127.0.0.1");
    to.counting = true;
    memset(text, 'x', sizeof(text));
    for (uint32_t i = 0; i < N; i++) {
        struct flow f = flow_to("127.0.0.1", &to);
        char number[8];

        snprintf(number, sizeof(number), "%06u", i);
        memcpy(text, number, 6);
        assert_int_equal(net_send(from.net, &f, (struct str){ text, 300 + i % 400 }), 0);
        if (i % CHUNK != CHUNK - 1) /* an ordinary receive buffer holds so many */
            continue;
        net_flush(from.net);
        to.until = i + 1;
        bench_run(b);
    }
    assert_int_equal(to.received, N);
    assert_true(addr_equal(&to.last.remote, &from.local));
    assert_true(addr_equal(&to.last.local, &to.local));
    assert_int_equal(to.text_n, sizeof(to.text));
    net_counters_get(from.net, &sent);
    net_counters_get(to.net, &received);
    assert_int_equal(sent.sent, N);
    assert_int_equal(received.received, N);
    assert_int_equal(sent.sent_bytes, received.received_bytes);
    assert_true(sent.send_calls <= N / 40);
    assert_true(received.receive_calls <= N / 20);
    assert_int_equal(sent.send_errors, 0);
    net_destroy(from.net);
    net_destroy(to.net);
    bench_destroy(b);
}

/* The flush hook writes what receive callbacks sent. */
static void check_echo(const char *server_bind, const char *server_host, const char *client_bind)
{
    struct bench *b = bench_create();
    struct side server, client;
    struct flow f;
    int r = side_try(&server, b, server_bind);

    if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) {
        net_destroy(server.net);
        bench_destroy(b);
        skip();
    }
    assert_int_equal(r, 0);
    side_open(&client, b, client_bind);
    server.echo = true;
    client.until = 1;
    loop_flush_hook(&b->loop, on_flush, server.net);
    f = flow_to(server_host, &server);
    assert_int_equal(net_send(client.net, &f, STR("ping")), 0);
    net_flush(client.net);
    bench_run(b);
    assert_true(addr_equal(&server.last.remote, &client.local));
    assert_true(addr_equal(&server.last.local, &f.remote));  /* the address the peer used */
    assert_true(addr_equal(&client.last.remote, &f.remote)); /* and is answered from */
    assert_int_equal(client.text_n, 4);
    assert_memory_equal(client.text, "ping", 4);
    net_destroy(server.net);
    net_destroy(client.net);
    bench_destroy(b);
}

static void test_bound_address(void **state)
{
    (void)state;
    check_echo("127.0.0.3", "127.0.0.3", "127.0.0.1");
}

static void test_wildcard_answers_from_the_address_used(void **state)
{
    (void)state;
    check_echo("0.0.0.0", "127.0.0.1", "127.0.0.1");
    check_echo("0.0.0.0", "127.0.0.2", "127.0.0.1");
    check_echo("0.0.0.0", "127.1.2.3", "127.0.0.9");
}

static void test_ipv6(void **state)
{
    (void)state;
    check_echo("::1", "::1", "::1");
    check_echo("::", "::1", "::1");
}

/* Two sockets, one per family, on the same port: the IPv6 wildcard is for IPv6 only. */
static void test_families_apart(void **state)
{
    struct bench *b = bench_create();
    struct side v6, v4;
    struct addr same = address("0.0.0.0");
    int r = side_try(&v6, b, "::");

    (void)state;
    if (r == 0) {
        v4 = (struct side){ .bench = b };
        assert_int_equal(net_create(&v4.net, &(struct net_config){ .loop = &b->loop,
                                                                   .log = b->log,
                                                                   .receive = on_receive,
                                                                   .ctx = &v4,
                                                                   .send_queue_max = 4 }),
                         0);
        addr_port_set(&same, addr_port(&v6.local));
        assert_int_equal(side_listen(&v4, same, 0, 0), 0);
        net_destroy(v4.net);
    }
    net_destroy(v6.net);
    bench_destroy(b);
    if (r)
        skip();
}

static void test_reuse_port(void **state)
{
    struct bench *b = bench_create();
    struct side s[3];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        s[i] = (struct side){ .bench = b };
        assert_int_equal(net_create(&s[i].net, &(struct net_config){ .loop = &b->loop,
                                                                     .log = b->log,
                                                                     .receive = on_receive,
                                                                     .ctx = &s[i],
                                                                     .send_queue_max = 4 }),
                         0);
    }
    assert_int_equal(side_listen(&s[0], address("127.0.0.1"), 2, 0), 0);
    assert_int_equal(side_listen(&s[1], s[0].local, 2, 0), 0);
    assert_int_equal(side_listen(&s[2], s[0].local, 0, 0), -EADDRINUSE);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        net_destroy(s[i].net);
    bench_destroy(b);
}

/* Of several sockets one reads what is published for a resource, whoever sends it to whichever
 * domain. */
static void test_publishes_by_resource(void **state)
{
    enum { READERS = 3, RESOURCES = 40, SENDERS = 6 };
    struct bench *b = bench_create();
    struct side to[READERS], from[SENDERS];
    size_t readers = 0, got = 0;

    (void)state;
    for (size_t i = 0; i < READERS; i++) {
        to[i] = (struct side){ .bench = b };
        assert_int_equal(net_create(&to[i].net, &(struct net_config){ .loop = &b->loop,
                                                                      .log = b->log,
                                                                      .receive = on_receive,
                                                                      .ctx = &to[i],
                                                                      .send_queue_max = 4 }),
                         0);
        assert_int_equal(side_listen(&to[i], i ? to[0].local : address("127.0.0.1"), READERS, 0),
                         0);
    }
    for (size_t i = 0; i < SENDERS; i++)
        side_open(&from[i], b, "127.0.0.1");
    for (size_t k = 0; k < RESOURCES; k++) {
        struct flow f = flow_to("127.0.0.1", &to[0]);
        size_t before[READERS], shares = 0;

        for (size_t i = 0; i < READERS; i++)
            before[i] = to[i].received;
        for (size_t i = 0; i < SENDERS; i++) { /* each with a domain of its own */
            char text[80];
            size_t n = (size_t)snprintf(text, sizeof(text),
                                        "PUBLISH sip:1%02zu@%zu.example.com SIP/2.0\r\n", k, i);

            assert_int_equal(net_send(from[i].net, &f, (struct str){ text, n }), 0);
            net_flush(from[i].net);
        }
        for (size_t i = 0; i < READERS; i++) /* whoever it is, the last of them ends the loop */
            to[i].until = to[i].received + SENDERS;
        bench_run(b);
        for (size_t i = 0; i < READERS; i++)
            shares += to[i].received > before[i];
        assert_int_equal(shares, 1);
    }
    for (size_t i = 0; i < READERS; i++) {
        readers += to[i].received > 0;
        got += to[i].received;
        net_destroy(to[i].net);
    }
    assert_int_equal(readers, READERS);
    assert_int_equal(got, RESOURCES * SENDERS);
    for (size_t i = 0; i < SENDERS; i++)
        net_destroy(from[i].net);
    bench_destroy(b);
}

/* A datagram the kernel refuses costs none of its neighbours. */
static void test_refused_datagrams(void **state)
{
    struct bench *b = bench_create();
    struct side from, to;
    struct flow good, bad;
    struct net_counters c;

    (void)state;
    side_open(&from, b, "127.0.0.1");
    side_open(&to, b, "127.0.0.1");
    good = flow_to("127.0.0.1", &to);
    bad = flow_to("255.255.255.255", &to); /* broadcast was not asked for: EACCES */
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(net_send(from.net, i % 3 ? &good : &bad, STR("x")), 0);
    net_flush(from.net);
    to.until = 20;
    bench_run(b);
    net_counters_get(from.net, &c);
    assert_int_equal(c.sent, 20);
    assert_int_equal(c.send_errors, 10);
    net_destroy(from.net);
    net_destroy(to.net);
    bench_destroy(b);
}

static void test_refused_calls(void **state)
{
    struct bench *b = bench_create();
    struct side s;
    struct flow to, six = { .remote = address("::1") };
    char *large = calloc(1, 65508);

    (void)state;
    assert_non_null(large);
    side_open(&s, b, "127.0.0.1");
    to = flow_to("127.0.0.1", &s);
    assert_int_equal(net_send(s.net, &to, (struct str){ large, 65508 }), -EMSGSIZE);
    assert_int_equal(net_send(s.net, &six, STR("x")), -EAFNOSUPPORT);
    to.transport = 1;
    assert_int_equal(net_send(s.net, &to, STR("x")), -EINVAL);
    to.transport = 0;
    s.until = 1;
    assert_int_equal(net_send(s.net, &to, (struct str){ large, 65507 }), 0);
    net_flush(s.net);
    bench_run(b);
    assert_int_equal(s.received, 1);
    net_destroy(s.net);
    bench_destroy(b);
    free(large);
}

static void test_local_for(void **state)
{
    struct bench *b = bench_create();
    struct side wild, bound;
    struct addr peer = address("127.0.0.9"), six = address("::1"), local;

    (void)state;
    side_open(&wild, b, "0.0.0.0");
    side_open(&bound, b, "127.0.0.4");
    for (unsigned i = 0; i < 2; i++) { /* asked, then remembered */
        assert_int_equal(net_local_for(wild.net, 0, &peer, &local), 0);
        assert_false(addr_is_any(&local));
        assert_int_equal(addr_port(&local), addr_port(&wild.local));
    }
    assert_int_equal(net_local_for(bound.net, 0, &peer, &local), 0);
    assert_true(addr_equal(&local, &bound.local));
    assert_int_equal(net_local_for(wild.net, 0, &six, &local), -EAFNOSUPPORT);
    assert_int_equal(net_local_for(wild.net, 7, &peer, &local), -EINVAL);
    net_destroy(wild.net);
    net_destroy(bound.net);
    bench_destroy(b);
}

/* What was queued when everything ends is still sent, with the type of service asked for. */
static void test_destroy_sends_the_rest(void **state)
{
    struct bench *b = bench_create();
    struct side s = { .bench = b };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    union {
        struct cmsghdr align;
        char room[64];
    } control;
    char text[16];
    struct iovec piece = { text, sizeof(text) };
    struct msghdr m = { .msg_iov = &piece,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    struct flow to = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
    assert_int_equal(net_create(&s.net, &(struct net_config){ .loop = &b->loop,
                                                              .log = b->log,
                                                              .receive = on_receive,
                                                              .ctx = &s,
                                                              .send_queue_max = 4 }),
                     0);
    assert_int_equal(side_listen(&s, address("127.0.0.1"), 0, 0x60), 0);
    assert_int_equal(addr_from_sockaddr(&to.remote, (struct sockaddr *)&at), 0);
    assert_int_equal(net_send(s.net, &to, STR("last words")), 0);
    net_destroy(s.net);
    assert_int_equal(recvmsg(fd, &m, MSG_DONTWAIT), 10);
    assert_memory_equal(text, "last words", 10);
    assert_non_null(CMSG_FIRSTHDR(&m));
    assert_int_equal(*CMSG_DATA(CMSG_FIRSTHDR(&m)), 0x60);
    close(fd);
    bench_destroy(b);
}

static size_t count_in_file(int fd, const char *part)
{
    static const size_t size = 1 << 16;
    char *text = calloc(1, size);
    size_t n = 0;

    assert_non_null(text);
    assert_true(pread(fd, text, size - 1, 0) >= 0);
    for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
        n++;
    free(text);
    return n;
}

static void test_trace(void **state)
{
    struct bench *b = bench_create();
    char name[] = "/tmp/udp_test.XXXXXX";
    struct side s;
    struct flow to;
    struct addr_net near, far;
    int fd = mkstemp(name);

    (void)state;
    assert_true(fd >= 0);
    unlink(name);
    log_destroy(b->log);
    assert_int_equal(log_create(&b->log, fd, LOG_LEVEL_ERROR, &clock_system), 0);
    assert_int_equal(addr_net_parse(&near, STR("127.0.0.0/8")), 0);
    assert_int_equal(addr_net_parse(&far, STR("192.0.2.0/24")), 0);
    side_open(&s, b, "127.0.0.1");
    to = flow_to("127.0.0.1", &s);
    for (unsigned i = 0; i < 4; i++) {
        net_trace_set(s.net, i == 2, i == 1 ? &near : &far, i == 1 || i == 3 ? 1 : 0);
        assert_int_equal(net_send(s.net, &to, STR("OPTIONS sip:trace SIP/2.0\r\n")), 0);
        net_flush(s.net);
        s.until = i + 1;
        bench_run(b);
    }
    assert_int_equal(count_in_file(fd, "OPTIONS sip:trace"), 4); /* twice out, twice in */
    assert_int_equal(count_in_file(fd, "received from 127.0.0.1:"), 2);
    assert_int_equal(count_in_file(fd, "sent to 127.0.0.1:"), 2);
    net_destroy(s.net);
    close(fd);
    bench_destroy(b);
}

struct keeping {
    unsigned n, sent;
    uint64_t last;
    size_t bytes;
};

static void on_kept(void *ctx, const struct net_kept *what)
{
    struct keeping *k = ctx;

    assert_true(!k->n || what->number > k->last);
    assert_int_equal(what->protocol, NET_UDP);
    assert_true(str_starts(what->message, STR("OPTIONS sip:kept")));
    assert_false(str_contains_nocase(what->message, STR("proves")));
    k->last = what->number;
    k->bytes += what->message.n;
    k->n++;
    k->sent += what->sent;
}

static struct keeping kept_by(const struct side *s)
{
    struct keeping k = { 0 };

    net_history_each(s->net, on_kept, &k);
    return k;
}

static void send_kept(struct side *s, struct str message)
{
    const struct flow to = flow_to("127.0.0.1", s);

    assert_int_equal(net_send(s->net, &to, message), 0);
    net_flush(s->net);
    s->until = s->received + 1;
    bench_run(s->bench);
}

static void test_history(void **state)
{
    static const char head[] = "OPTIONS sip:kept SIP/2.0\r\nAuthorization: Digest "
                               "username=\"a\", response=\"proves\"\r\n\r\n";
    struct bench *b = bench_create();
    struct buf large;
    struct side s;

    (void)state;
    side_open(&s, b, "127.0.0.1");
    send_kept(&s, STR("OPTIONS sip:before SIP/2.0\r\n\r\n"));
    net_history_set(s.net, true);
    send_kept(&s, str_of(head));
    assert_int_equal(kept_by(&s).n, 2);
    assert_int_equal(kept_by(&s).sent, 1);
    net_history_set(s.net, false);
    send_kept(&s, STR("OPTIONS sip:after SIP/2.0\r\n\r\n"));
    assert_int_equal(kept_by(&s).n, 2);
    net_history_set(s.net, true);
    net_history_clear(s.net);
    assert_int_equal(kept_by(&s).n, 0);
    buf_init(&large, 60000);
    buf_add(&large, str_of(head));
    while (large.n < 50000)
        buf_add(&large, STR("................................................................"));
    for (unsigned i = 0; i < 60; i++) /* 6 MB, of two each */
        send_kept(&s, buf_str(&large));
    assert_in_range(kept_by(&s).bytes, NET_HISTORY_MAX - 100000, NET_HISTORY_MAX);
    assert_int_equal(kept_by(&s).last, 121); /* the newest ones; none of before, none of off */
    buf_fini(&large);
    net_destroy(s.net);
    bench_destroy(b);
}

/* Whatever it was before: without a priority of ours it is the one that goes with the tos. */
static void test_qos(void **state)
{
    static const struct qos rows[] = { { 0, 5 },    { 0, 0 },    { 0x10, 0 }, { 0x10, 5 },
                                       { 0x10, 0 }, { 0x68, 6 }, { 0, 0 } };
    struct bench *b = bench_create();
    struct side s;

    (void)state;
    side_open(&s, b, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fresh = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct qos q = { .sockets = 0 }, want = { .sockets = 0 };

        assert_int_equal(setsockopt(fresh, IPPROTO_IP, IP_TOS, &rows[i].tos, sizeof(int)), 0);
        qos_read(&want, STR_EMPTY, fresh);
        close(fresh);
        assert_int_equal(
            net_udp_set(s.net, 0, STR("qos"), (uint32_t)rows[i].tos, (uint32_t)rows[i].priority),
            0);
        net_each_socket(s.net, qos_read, &q);
        assert_int_equal(q.tos, rows[i].tos);
        assert_int_equal(q.priority, rows[i].priority ? rows[i].priority : want.priority);
    }
    net_destroy(s.net);
    bench_destroy(b);
}

struct class
{
    int value;
    unsigned sockets;
};

static void class_read(void *ctx, struct str id, int fd)
{
    struct class *c = ctx;
    socklen_t n = sizeof(c->value);

    (void)id;
    assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &c->value, &n), 0);
    c->sockets++;
}

/* One that there is none of leaves it as it is. */
static void test_bad_tos(void **state)
{
    struct bench *b = bench_create();
    struct class c = { 0 };
    struct side s;

    (void)state;
    side_open(&s, b, "::1");
    assert_int_equal(net_udp_set(s.net, 0, STR("qos"), 0x68, 0), 0);
    assert_int_equal(net_udp_set(s.net, 0, STR("qos"), 256, 0), -EINVAL);
    net_each_socket(s.net, class_read, &c);
    assert_int_equal(c.sockets, 1);
    assert_int_equal(c.value, 0x68);
    net_destroy(s.net);
    bench_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousands),
        cmocka_unit_test(test_bound_address),
        cmocka_unit_test(test_wildcard_answers_from_the_address_used),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_families_apart),
        cmocka_unit_test(test_reuse_port),
        cmocka_unit_test(test_publishes_by_resource),
        cmocka_unit_test(test_refused_datagrams),
        cmocka_unit_test(test_refused_calls),
        cmocka_unit_test(test_local_for),
        cmocka_unit_test(test_destroy_sends_the_rest),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_qos),
        cmocka_unit_test(test_bad_tos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
