// SPDX-License-Identifier: MIT
/* Lookups against a name server that is a table, by a clock that is stepped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory_testing.h"
#include "base/random.h"
#include "dns/dns.h"
#include "dns/dns_fixture.h"

enum { ASKED_MAX = 8192 };

struct bench {
    struct wheel wheel;
    struct clock clock;
    struct rng rng;
    struct dns *dns;
    uint64_t now;
    const struct zone *zone;
    size_t n_zone;
    bool silent, dead, without_ipv6;
    unsigned spoken; /* BIT(protocol) */
    unsigned asked;
    struct dns_entry *unanswered[ASKED_MAX];
    size_t n_unanswered;
    unsigned done;
    struct dns_targets found;
    char why[DNS_WHY_MAX];
};

struct zone {
    const char *name;
    enum dns_type type;
    uint32_t ttl_s;
    unsigned a, b, port;
    const char *target; /* of A and AAAA an address; of NAPTR: service and replacement */
};

static uint64_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now;
}

static void put_record(struct message *m, const struct zone *z)
{
    struct addr a;
    size_t at;

    if (z->type == DNS_SRV) {
        put_srv(m, z->name, z->ttl_s, z->a, z->b, z->port, z->target);
    } else if (z->type == DNS_NAPTR) {
        struct str rest = str_of(z->target), service = str_next(&rest, ' ');
        char word[16];

        snprintf(word, sizeof(word), "%.*s", STR_FMT(service));
        put_naptr(m, z->name, z->ttl_s, z->a, z->b, word, rest.p);
    } else {
        assert_int_equal(addr_parse(&a, str_of(z->target), 0), 0);
        at = rr_begin(m, z->name, z->type, z->ttl_s);
        if (z->type == DNS_A)
            buf_add(&m->b, (struct str){ (const char *)&a.v4.sin_addr, 4 });
        else
            buf_add(&m->b, (struct str){ (const char *)&a.v6.sin6_addr, 16 });
        rr_end(m, at);
    }
}

static void bench_query(void *ctx, const char *name, enum dns_type type, struct dns_entry *entry)
{
    struct bench *b = ctx;
    struct message m;
    bool known = false;

    b->asked++;
    if (b->silent) {
        assert_true(b->n_unanswered < ASKED_MAX);
        b->unanswered[b->n_unanswered++] = entry;
        return;
    }
    if (b->dead) {
        dns_answered(b->dns, entry, DNS_FAILED, STR_EMPTY);
        return;
    }
    for (size_t i = 0; i < b->n_zone; i++)
        known = known || strcmp(b->zone[i].name, name) == 0;
    message_begin(&m, name, type, known ? 0 : 3);
    for (size_t i = 0; i < b->n_zone; i++)
        if (strcmp(b->zone[i].name, name) == 0 && b->zone[i].type == type)
            put_record(&m, &b->zone[i]);
    if (!m.answers)
        put_soa(&m, "test", 60, 20);
    dns_answered(b->dns, entry, DNS_FAILED, message_end(&m));
}

static size_t bench_hosts(void *ctx, const char *name, struct addr *list, size_t most)
{
    (void)ctx;
    (void)most;
    return strcmp(name, "here.test") == 0 && addr_parse(&list[0], STR("192.0.2.99"), 0) == 0;
}

static bool bench_reached(void *ctx, enum net_protocol protocol, const struct addr *remote)
{
    const struct bench *b = ctx;

    return b->spoken & BIT(protocol) && (!b->without_ipv6 || remote->sa.sa_family == AF_INET);
}

static bool bench_speaks(void *ctx, enum net_protocol protocol)
{
    return ((struct bench *)ctx)->spoken & BIT(protocol);
}

static void bench_begin(struct bench *b, const struct zone *zone, size_t n)
{
    *b = (struct bench){ .now = 1000, .zone = zone, .n_zone = n, .spoken = ~0u };
    b->clock = (struct clock){ .monotonic_ms = bench_now, .wall_ms = bench_now, .ctx = b };
    wheel_init(&b->wheel, b->now);
    rng_init_seeded(&b->rng, 7);
    assert_int_equal(
        dns_create(&b->dns, &(struct dns_config){ .wheel = &b->wheel,
                                                  .clock = &b->clock,
                                                  .rng = &b->rng,
                                                  .port = { .ctx = b,
                                                            .query = bench_query,
                                                            .hosts = bench_hosts,
                                                            .reached = bench_reached,
                                                            .speaks = bench_speaks } }),
        0);
}

static void bench_end(struct bench *b)
{
    dns_destroy(b->dns);
    wheel_fini(&b->wheel);
}

static void bench_step(struct bench *b, uint64_t ms)
{
    for (uint64_t end = b->now + ms; b->now < end;) {
        b->now += WHEEL_TICK_MS;
        wheel_advance(&b->wheel, b->now);
    }
}

static void on_done(void *ctx, uint64_t cookie, const struct dns_targets *found)
{
    struct bench *b = ctx;

    assert_int_equal(cookie, 42);
    b->done++;
    b->found = *found;
    snprintf(b->why, sizeof(b->why), "%.*s", STR_FMT(found->why));
}

/* "udp:192.0.2.1:5060 ..." or "- why". */
static const char *looked_up(struct bench *b, const struct dns_question *q, char *room, size_t size)
{
    static const char *const names[NET_PROTOCOLS] = {
        [NET_UDP] = "udp", [NET_TCP] = "tcp", [NET_TLS] = "tls"
    };
    unsigned done = b->done;
    struct buf out;

    assert_int_equal(dns_lookup(b->dns, q, on_done, b, 42), 0);
    assert_int_equal(b->done, done); /* never from inside */
    bench_step(b, 200);
    assert_int_equal(b->done, done + 1);
    buf_init_on(&out, room, size - 1);
    for (unsigned i = 0; i < b->found.n; i++) {
        buf_printf(&out, "%s%s:", i ? " " : "", names[b->found.list[i].protocol]);
        addr_print(&out, &b->found.list[i].addr);
    }
    if (!b->found.n)
        buf_printf(&out, "- %s", b->why);
    room[out.n] = '\0';
    return room;
}

#define NAMED(p) .fixed = true, .protocol = (p)

static const struct zone procedure_zone[] = {
    { "naptr.test", DNS_NAPTR, 600, 20, 1, 0, "SIP+D2U _sip._udp.naptr.test" },
    { "naptr.test", DNS_NAPTR, 600, 10, 9, 0, "SIPS+D2T elsewhere.test" },
    { "naptr.test", DNS_NAPTR, 600, 10, 1, 0, "SIP+D2X nobody.test" },
    { "elsewhere.test", DNS_SRV, 600, 1, 1, 5071, "h1.test" },
    { "_sip._udp.naptr.test", DNS_SRV, 600, 1, 1, 5070, "h1.test" },
    { "h1.test", DNS_A, 600, 0, 0, 0, "192.0.2.1" },
    { "h2.test", DNS_A, 600, 0, 0, 0, "192.0.2.2" },
    { "h2.test", DNS_AAAA, 600, 0, 0, 0, "2001:db8::2" },
    { "_sip._tcp.srv.test", DNS_SRV, 600, 2, 0, 5080, "h2.test" },
    { "_sip._tcp.srv.test", DNS_SRV, 600, 1, 0, 5081, "h1.test" },
    { "srv.test", DNS_A, 600, 0, 0, 0, "192.0.2.7" },
    { "_sip._udp.none.test", DNS_SRV, 600, 0, 0, 0, "" },
    { "none.test", DNS_A, 600, 0, 0, 0, "192.0.2.8" },
    { "bad.test", DNS_NAPTR, 600, 1, 1, 0, "SIP+D2U _sip._udp.gone.test" },
    { "bad.test", DNS_A, 600, 0, 0, 0, "192.0.2.9" },
};

static void test_procedure(void **state)
{
    static const struct {
        struct dns_question q;
        bool without_ipv6;
        unsigned without; /* BIT(protocol) */
        const char *found;
    } rows[] = {
        { { .host = STR_INIT("192.0.2.5") }, false, 0, "udp:192.0.2.5:5060" },
        { { .host = STR_INIT("2001:db8::5"), .port = 5099 }, false, 0, "udp:[2001:db8::5]:5099" },
        { { .host = STR_INIT("192.0.2.5"), .secure = true, .protocol = NET_TLS },
          false,
          0,
          "tls:192.0.2.5:5061" },
        { { .host = STR_INIT("here.test") }, false, 0, "udp:192.0.2.99:5060" },
        { { .host = STR_INIT("LocalHost.") }, false, 0, "udp:127.0.0.1:5060 udp:[::1]:5060" },
        { { .host = STR_INIT("localhost") }, true, 0, "udp:127.0.0.1:5060" },
        { { .host = STR_INIT("naptr.test"), .port = 5099 },
          false,
          0,
          "- AAAA naptr.test: no such record; A naptr.test: no such record" },
        { { .host = STR_INIT("H2.Test"), .port = 5099 },
          false,
          0,
          "udp:[2001:db8::2]:5099 udp:192.0.2.2:5099" },
        { { .host = STR_INIT("h2.test"), .port = 5099 }, true, 0, "udp:192.0.2.2:5099" },
        { { .host = STR_INIT("naptr.test") }, false, 0, "tls:192.0.2.1:5071" },
        { { .host = STR_INIT("naptr.test") }, false, BIT(NET_TLS), "udp:192.0.2.1:5070" },
        { { .host = STR_INIT("naptr.test"), .secure = true, .protocol = NET_TLS },
          false,
          0,
          "tls:192.0.2.1:5071" },
        { { .host = STR_INIT("naptr.test"), NAMED(NET_UDP) }, false, 0, "udp:192.0.2.1:5070" },
        { { .host = STR_INIT("srv.test") },
          false,
          0,
          "tcp:192.0.2.1:5081 tcp:[2001:db8::2]:5080 tcp:192.0.2.2:5080" },
        { { .host = STR_INIT("srv.test"), NAMED(NET_UDP) }, false, 0, "udp:192.0.2.7:5060" },
        { { .host = STR_INIT("srv.test"), NAMED(NET_TLS), .secure = true },
          false,
          0,
          "tls:192.0.2.7:5061" },
        { { .host = STR_INIT("bad.test") }, false, 0, "udp:192.0.2.9:5060" },
        { { .host = STR_INIT("none.test"), NAMED(NET_UDP) }, false, 0, "udp:192.0.2.8:5060" },
        { { .host = STR_INIT("no.test"), NAMED(NET_TCP) },
          false,
          0,
          "- SRV _sip._tcp.no.test: no such name; AAAA no.test: no such name; "
          "A no.test: no such name" },
        { { .host = STR_INIT("h1.test"), .port = 1 },
          false,
          BIT(NET_UDP),
          "- AAAA h1.test: no such record; A h1.test: no transport leads there" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        char room[1024];

        bench_begin(&b, procedure_zone, ARRAY_LEN(procedure_zone));
        b.without_ipv6 = rows[i].without_ipv6;
        b.spoken = ~rows[i].without;
        assert_string_equal(looked_up(&b, &rows[i].q, room, sizeof(room)), rows[i].found);
        bench_end(&b);
    }
}

static struct dns_record srv(uint16_t priority, uint16_t weight, uint16_t port)
{
    return (struct dns_record){ .priority = priority, .weight = weight, .port = port };
}

/* RFC 2782: priorities always, weights in proportion; one without weight now and then. */
static void test_weights(void **state)
{
    unsigned first[5] = { 0 };
    struct rng rng;

    (void)state;
    rng_init_seeded(&rng, 1);
    for (unsigned i = 0; i < 10000; i++) {
        struct dns_record r[] = { srv(20, 9, 4), srv(10, 30, 1), srv(10, 10, 2), srv(10, 0, 3),
                                  srv(20, 0, 0) };
        unsigned seen = 0;

        dns_srv_order(r, ARRAY_LEN(r), &rng);
        for (size_t k = 0; k < ARRAY_LEN(r); k++) {
            assert_int_equal(r[k].priority, k < 3 ? 10 : 20);
            seen |= 1u << r[k].port;
        }
        assert_int_equal(seen, 0x1f);
        first[r[0].port]++;
    }
    assert_in_range(first[1], 7000, 7700); /* 30 of 41 */
    assert_in_range(first[2], 2200, 2700);
    assert_in_range(first[3], 100, 400); /* 1 of 41 */
}

static void test_srv_without_weights(void **state)
{
    unsigned first[3] = { 0 };
    struct rng rng;

    (void)state;
    rng_init_seeded(&rng, 1);
    for (unsigned i = 0; i < 3000; i++) {
        struct dns_record r[] = { srv(10, 0, 0), srv(10, 0, 1), srv(10, 0, 2) };

        dns_srv_order(r, ARRAY_LEN(r), &rng);
        first[r[0].port]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        assert_in_range(first[i], 900, 1100);
}

static const struct zone before[] = { { "a.test", DNS_A, 30, 0, 0, 0, "192.0.2.1" } };
static const struct zone after[] = { { "a.test", DNS_A, 30, 0, 0, 0, "192.0.2.2" } };
static const struct dns_question a_test = { .host = STR_INIT("a.test"), .port = 5060 };

static void test_lifetime(void **state)
{
    char room[256];
    struct bench b;

    (void)state;
    bench_begin(&b, before, 1);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.1:5060");
    assert_int_equal(b.asked, 2);
    /* The AAAA that is not there is known for 20 s, the A for 30. */
    assert_in_range(b.found.until_ms, 21000, 21020);
    b.zone = after;
    bench_step(&b, 19000);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.1:5060");
    assert_int_equal(b.asked, 2);
    bench_step(&b, 1000);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.1:5060");
    assert_int_equal(b.asked, 3);
    bench_step(&b, 10000);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.2:5060");
    b.zone = before;
    dns_forget(b.dns);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.1:5060");
    bench_end(&b);
}

/* RFC 8767: what was there is better than nothing, for an hour. */
static void test_stale(void **state)
{
    char room[256];
    struct bench b;

    (void)state;
    bench_begin(&b, before, 1);
    (void)looked_up(&b, &a_test, room, sizeof(room));
    b.dead = true;
    bench_step(&b, 31000);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.1:5060");
    bench_step(&b, UINT64_C(1000) * (DNS_STALE_S + DNS_STALE_TTL_S));
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)),
                        "- AAAA a.test: no answer; A a.test: no answer");
    b.dead = false;
    bench_step(&b, UINT64_C(1000) * DNS_FAILED_S);
    assert_string_equal(looked_up(&b, &a_test, room, sizeof(room)), "udp:192.0.2.1:5060");
    bench_end(&b);
}

/* Many wait for one question, and no longer than their patience. */
static void test_waiters(void **state)
{
    struct bench b;

    (void)state;
    bench_begin(&b, before, 1);
    b.silent = true;
    for (unsigned i = 0; i < DNS_LOOKUPS_MAX; i++)
        assert_int_equal(dns_lookup(b.dns, &a_test, on_done, &b, 42), 0);
    assert_int_equal(dns_lookup(b.dns, &a_test, on_done, &b, 42), -EAGAIN);
    bench_step(&b, 1000);
    assert_int_equal(b.asked, 2);
    assert_int_equal(b.done, 0);
    for (size_t i = 0; i < b.n_unanswered; i++) {
        struct message m;

        message_begin(&m, "a.test", i ? DNS_A : DNS_AAAA, 0);
        if (i)
            put_a(&m, "a.test", 60, 0xc0000201);
        dns_answered(b.dns, b.unanswered[i], DNS_FAILED, message_end(&m));
    }
    bench_step(&b, 20);
    assert_int_equal(b.done, DNS_LOOKUPS_MAX);
    assert_int_equal(b.found.n, 1);
    b.n_unanswered = 0;
    b.asked = 0;
    assert_int_equal(dns_lookup(b.dns, &(struct dns_question){ .host = STR("b.test"), .port = 1 },
                                on_done, &b, 42),
                     0);
    bench_step(&b, DNS_PATIENCE_MS - 100);
    assert_int_equal(b.done, DNS_LOOKUPS_MAX);
    bench_step(&b, 200);
    assert_int_equal(b.done, DNS_LOOKUPS_MAX + 1);
    assert_string_equal(b.why, "AAAA b.test: no answer");
    assert_int_equal(dns_lookups(b.dns), 0);
    assert_int_equal(b.asked, 2);
    bench_end(&b);
}

/* Neither questions nor what is known grows without bound. */
static void test_bounds(void **state)
{
    char name[32], room[256];
    struct bench b;

    (void)state;
    bench_begin(&b, before, 1);
    b.silent = true;
    for (unsigned i = 0; i < 2 * DNS_PENDING_MAX; i++) {
        snprintf(name, sizeof(name), "h%u.test", i);
        assert_int_equal(dns_lookup(b.dns,
                                    &(struct dns_question){ .host = str_of(name), .port = 1 },
                                    on_done, &b, 42),
                         0);
    }
    bench_step(&b, 20);
    assert_int_equal(b.asked, DNS_PENDING_MAX);
    assert_string_equal(b.why, "AAAA h511.test: cannot be asked for now; "
                               "A h511.test: cannot be asked for now");
    for (size_t i = 0; i < b.n_unanswered; i++)
        dns_answered(b.dns, b.unanswered[i], DNS_NO_NAME, STR_EMPTY);
    bench_step(&b, 20);
    assert_int_equal(b.done, 2 * DNS_PENDING_MAX);
    b.silent = false;
    b.asked = 0;
    (void)looked_up(&b, &a_test, room, sizeof(room));
    for (unsigned i = 0; i < DNS_ENTRIES_MAX; i++) {
        snprintf(name, sizeof(name), "g%u.test", i);
        assert_int_equal(dns_lookup(b.dns,
                                    &(struct dns_question){ .host = str_of(name), .port = 1 },
                                    on_done, &b, 42),
                         0);
    }
    bench_step(&b, 20);
    (void)looked_up(&b, &a_test, room, sizeof(room));
    assert_int_equal(b.asked, 2 + 2 * DNS_ENTRIES_MAX + 2); /* it had gone, and is asked anew */
    bench_end(&b);
}

static void ask_many(struct bench *b, const char *prefix, unsigned n, const char *asker)
{
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s%u.test", prefix, i);
        assert_int_equal(dns_lookup(b->dns,
                                    &(struct dns_question){
                                        .host = str_of(name), .asker = str_of(asker), .port = 1 },
                                    on_done, b, 42),
                         0);
    }
    bench_step(b, 20);
}

/* Whoever names hosts whose servers are silent keeps nobody else from asking, nor from what was
 * known. */
static void test_shares(void **state)
{
    char room[256], who[16];
    struct bench b;

    (void)state;
    bench_begin(&b, before, 1);
    (void)looked_up(&b, &a_test, room, sizeof(room));
    bench_step(&b, 120000); /* past its lifetime */
    b.asked = 0;
    b.silent = true;
    ask_many(&b, "m", 100, "mallory");
    assert_int_equal(b.asked, DNS_PENDING_ASKER);
    assert_true(b.found.full);
    ask_many(&b, "a", 1, "alice");
    assert_int_equal(b.asked, DNS_PENDING_ASKER + 2);
    assert_string_equal(
        looked_up(
            &b,
            &(struct dns_question){ .host = STR("a.test"), .asker = STR("mallory"), .port = 5060 },
            room, sizeof(room)),
        "udp:192.0.2.1:5060");
    for (unsigned i = 0; i < 20; i++) {
        snprintf(who, sizeof(who), "crowd%u", i);
        ask_many(&b, who, 40, who);
    }
    assert_int_equal(b.asked, DNS_PENDING_MAX - DNS_PENDING_OWN);
    ask_many(&b, "own", DNS_PENDING_OWN, "");
    assert_int_equal(b.asked, DNS_PENDING_MAX);
    for (size_t i = 0; i < b.n_unanswered; i++)
        dns_answered(b.dns, b.unanswered[i], DNS_NO_NAME, STR_EMPTY);
    ask_many(&b, "again", 100, "mallory");
    assert_int_equal(b.asked, DNS_PENDING_MAX + DNS_PENDING_ASKER);
    bench_end(&b);
}

/* Each allocation fails in turn: a lookup is refused, or done in its time, and the next one finds
 * what there is. */
static void test_memory(void **state)
{
    bool failed = true;
    char room[256];

    (void)state;
    for (long nth = 0; failed; nth++) {
        struct bench b;
        int r;

        bench_begin(&b, procedure_zone, ARRAY_LEN(procedure_zone));
        memory.failed = false;
        memory.left = nth;
        memory_guard(true);
        r = dns_lookup(b.dns, &(struct dns_question){ .host = STR("srv.test") }, on_done, &b, 42);
        bench_step(&b, 200);
        memory_guard(false);
        memory.left = -1;
        failed = memory.failed;
        assert_true(r == 0 || (r == -ENOMEM && failed));
        assert_int_equal(b.done, r == 0);
        assert_string_equal(
            looked_up(&b, &(struct dns_question){ .host = STR("srv.test") }, room, sizeof(room)),
            "tcp:192.0.2.1:5081 tcp:[2001:db8::2]:5080 tcp:192.0.2.2:5080");
        assert_true(nth < 100);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_procedure),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_srv_without_weights),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_waiters),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
