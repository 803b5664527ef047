// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/dns_fixture.h"

static struct dns_answer *parsed(enum dns_type type, struct str message)
{
    struct dns_answer *a;

    assert_int_equal(dns_answer_parse(&a, type, message), 0);
    return a;
}

static void assert_str(struct str is, const char *wanted)
{
    assert_int_equal(is.n, strlen(wanted));
    assert_memory_equal(is.p, wanted, is.n);
}

static void test_service(void **state)
{
    struct message m;
    struct dns_answer *a;

    (void)state;
    message_begin(&m, "_sip._udp.esc.test", DNS_SRV, 0);
    put_srv(&m, "_sip._udp.esc.test", 600, 10, 60, 5070, "One.ESC.test");
    put_srv(&m, "_sip._udp.other.test", 5, 1, 1, 1, "not.ours.test");
    put_srv(&m, "_sip._udp.esc.test", 60, 20, 0, 5080, "");
    a = parsed(DNS_SRV, message_end(&m));
    assert_int_equal(a->outcome, DNS_FOUND);
    assert_int_equal(a->ttl_s, 60); /* the least */
    assert_int_equal(a->n, 2);
    assert_int_equal(a->records[0].priority, 10);
    assert_int_equal(a->records[0].weight, 60);
    assert_int_equal(a->records[0].port, 5070);
    assert_str(a->records[0].name, "one.esc.test");
    assert_str(a->records[1].name, "");
    free(a);
}

static void test_pointer(void **state)
{
    struct dns_answer *a;
    struct message m;
    size_t at;

    (void)state;
    message_begin(&m, "esc.test", DNS_NAPTR, 0);
    put_naptr(&m, "esc.test", 60, 10, 50, "SIP+D2U", "_sip._udp.esc.test");
    at = rr_begin(&m, "esc.test", DNS_NAPTR, 60);
    put(&m, 20, 2);
    put(&m, 1, 2);
    buf_add(&m.b, STR("\x01S\x07SIP+D2T\x00\x04_sip\x04_tcp\xc0\x0c"));
    rr_end(&m, at);
    a = parsed(DNS_NAPTR, message_end(&m));
    assert_int_equal(a->n, 2);
    assert_str(a->records[0].service, "SIP+D2U");
    assert_str(a->records[1].flags, "S");
    assert_str(a->records[1].service, "SIP+D2T");
    assert_str(a->records[1].name, "_sip._tcp.esc.test");
    free(a);
}

/* In whatever order the records come. */
static void test_alias(void **state)
{
    struct dns_answer *a;
    struct message m;

    (void)state;
    message_begin(&m, "esc.test", DNS_A, 0);
    put_a(&m, "host.test", 600, 0x7f000002);
    put_cname(&m, "b.test", 600, "host.test");
    put_cname(&m, "esc.test", 30, "b.test");
    a = parsed(DNS_A, message_end(&m));
    assert_int_equal(a->n, 1);
    assert_int_equal(a->ttl_s, 30);
    assert_int_equal(ntohl(a->records[0].addr.v4.sin_addr.s_addr), 0x7f000002);
    free(a);
    message_begin(&m, "esc.test", DNS_A, 0);
    put_cname(&m, "esc.test", 30, "b.test");
    put_cname(&m, "b.test", 30, "esc.test"); /* round and round */
    a = parsed(DNS_A, message_end(&m));
    assert_int_equal(a->outcome, DNS_NO_DATA);
    free(a);
}

static void test_nothing(void **state)
{
    static const struct {
        unsigned rcode;
        uint32_t soa_ttl_s, minimum_s;
        enum dns_outcome outcome;
        uint32_t ttl_s;
    } rows[] = {
        { 3, 60, 20, DNS_NO_NAME, 20 },
        { 3, 10, 20, DNS_NO_NAME, 10 },
        { 0, 86400, 86400, DNS_NO_DATA, DNS_NEGATIVE_MAX_S },
        { 0, UINT32_MAX, 20, DNS_NO_DATA, 0 },
        { 2, 60, 20, DNS_FAILED, DNS_FAILED_S },
        { 5, 60, 20, DNS_FAILED, DNS_FAILED_S },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dns_answer *a;
        struct message m;

        message_begin(&m, "no.test", DNS_SRV, rows[i].rcode);
        put_soa(&m, "test", rows[i].soa_ttl_s, rows[i].minimum_s);
        a = parsed(DNS_SRV, message_end(&m));
        assert_int_equal(a->outcome, rows[i].outcome);
        assert_int_equal(a->ttl_s, rows[i].ttl_s);
        assert_int_equal(a->n, 0);
        free(a);
    }
}

/* Cut at every byte, and with every byte changed: never more than what is there. */
static void test_damaged(void **state)
{
    struct dns_answer *a;
    struct message m;
    struct str whole;

    (void)state;
    message_begin(&m, "esc.test", DNS_SRV, 0);
    put_cname(&m, "esc.test", 60, "b.test");
    put_srv(&m, "b.test", 60, 1, 2, 3, "host.test");
    put_soa(&m, "test", 60, 20);
    whole = message_end(&m);
    for (size_t n = 0; n < whole.n; n++) {
        char *exact = malloc(n + 1);

        memcpy(exact, whole.p, n);
        a = parsed(DNS_SRV, (struct str){ exact, n });
        assert_true(a->n <= 1);
        free(a);
        memcpy(exact, whole.p, n);
        free(exact);
    }
    for (size_t i = 0; i < whole.n; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            m.bytes[i] = (char)(m.bytes[i] ^ 1 << bit);
            free(parsed(DNS_SRV, whole));
            m.bytes[i] = (char)(m.bytes[i] ^ 1 << bit);
        }
}

/* A name that points at itself, or forward; one with a blank; one with another's length. */
static void test_names(void **state)
{
    static const struct str names[] = {
        STR_INIT("\xc0\x27"),
        STR_INIT("\xff\xff"),
        STR_INIT("\x05host "),
        STR_INIT("\x01 \x00"),
        STR_INIT("\x40"
                 "aaaa\x00"),
        STR_INIT("\x01\n\x00"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct dns_answer *a;
        struct message m;
        size_t at;

        message_begin(&m, "a", DNS_SRV, 0);
        at = rr_begin(&m, "a", DNS_SRV, 60);
        put(&m, 0, 4);
        put(&m, 5060, 2);
        buf_add(&m.b, names[i]);
        rr_end(&m, at);
        a = parsed(DNS_SRV, message_end(&m));
        assert_int_equal(a->n, 0);
        free(a);
    }
}

static void test_many(void **state)
{
    struct dns_answer *a;
    struct message m;

    (void)state;
    message_begin(&m, "a", DNS_A, 0);
    for (uint32_t i = 0; i < 100; i++)
        put_a(&m, "a", 60, i);
    a = parsed(DNS_A, message_end(&m));
    assert_int_equal(a->n, DNS_RECORDS_MAX);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service), cmocka_unit_test(test_pointer),
        cmocka_unit_test(test_alias),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_names),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
