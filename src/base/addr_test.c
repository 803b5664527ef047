// SPDX-License-Identifier: MIT
#include "base/addr.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static void assert_printed(const struct addr *a, const char *want, const char *want_host)
{
    char text[100];
    struct buf b;

    buf_init_on(&b, text, sizeof(text));
    addr_print(&b, a);
    buf_add_char(&b, '\0');
    assert_int_equal(b.error, 0);
    assert_string_equal(text, want);
    if (!want_host)
        return;
    buf_reset(&b);
    addr_print_host(&b, a);
    buf_add_char(&b, '\0');
    assert_string_equal(text, want_host);
}

static void test_parse(void **state)
{
    static const struct {
        const char *in, *out, *host; /* out NULL: -EINVAL; port 5060 is the default given */
    } cases[] = {
        { "10.20.100.255", "10.20.100.255:5060", "10.20.100.255" },
        { "192.0.2.1", "192.0.2.1:5060", "192.0.2.1" },
        { "192.0.2.1:0", "192.0.2.1:0", "192.0.2.1" },
        { "192.0.2.1:65535", "192.0.2.1:65535", "192.0.2.1" },
        { "255.255.255.255:1", "255.255.255.255:1", "255.255.255.255" },
        { "[2001:db8::1]:5061", "[2001:db8::1]:5061", "[2001:db8::1]" },
        { "[2001:DB8::1]", "[2001:db8::1]:5060", "[2001:db8::1]" },
        { "2001:db8::1", "[2001:db8::1]:5060", "[2001:db8::1]" },
        { "2001:db8:0:0:0:0:0:1234", "[2001:db8::1234]:5060", NULL },
        { "::", "[::]:5060", "[::]" },
        { "::1", "[::1]:5060", "[::1]" },
        { "::ffff:192.0.2.1", "192.0.2.1:5060", "192.0.2.1" },
        { "[::ffff:c000:201]:7", "192.0.2.1:7", "192.0.2.1" },
        { "1111:2222:3333:4444:5555:6666:123.123.123.123",
          "[1111:2222:3333:4444:5555:6666:7b7b:7b7b]:5060", NULL },
        { "", NULL, NULL },
        { "example.com", NULL, NULL },
        { "example.com:5060", NULL, NULL },
        { "192.0.2", NULL, NULL },
        { "192.0.2.256", NULL, NULL },
        { "192.0.2.01", NULL, NULL },
        { "192.0.2.1:", NULL, NULL },
        { "192.0.2.1:65536", NULL, NULL },
        { "192.0.2.1:99999999999", NULL, NULL },
        { "192.0.2.1:5x", NULL, NULL },
        { "192.0.2.1:-1", NULL, NULL },
        { " 192.0.2.1", NULL, NULL },
        { "192.0.2.1 ", NULL, NULL },
        { ":5060", NULL, NULL },
        { ":", NULL, NULL },
        { "[192.0.2.1]", NULL, NULL },
        { "[2001:db8::1", NULL, NULL },
        { "[2001:db8::1]5060", NULL, NULL },
        { "[2001:db8::1]:", NULL, NULL },
        { "[]", NULL, NULL },
        { "[", NULL, NULL },
        { "2001:db8::1]:5060", NULL, NULL },
        { "2001:db8::12345", NULL, NULL },
        { "1:2:3:4:5:6:7:8:9", NULL, NULL },
        { "fe80::1%eth0", NULL, NULL },
        { "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr a;
        int r = addr_parse(&a, str_of(cases[i].in), 5060);

        assert_int_equal(r, cases[i].out ? 0 : -EINVAL);
        if (cases[i].out)
            assert_printed(&a, cases[i].out, cases[i].host);
    }
    assert_int_equal(addr_parse(&(struct addr){ 0 }, STR("192.0.2.1\0"), 5060), -EINVAL);
    assert_int_equal(addr_parse(&(struct addr){ 0 }, STR_EMPTY, 5060), -EINVAL);
}

static struct addr addr_of(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 5060), 0);
    return a;
}

static void test_from_sockaddr(void **state)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(7), .sin6_scope_id = 3, .sin6_flowinfo = 9
    };
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(5060) };
    struct sockaddr unix_domain = { .sa_family = AF_UNIX };
    struct addr a, mapped = addr_of("192.0.2.1:7");

    (void)state;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &six.sin6_addr), 1);
    assert_int_equal(addr_from_sockaddr(&a, (struct sockaddr *)&six), 0);
    assert_int_equal(a.sa.sa_family, AF_INET);
    assert_true(addr_equal(&a, &mapped));
    assert_int_equal(addr_socklen(&a), sizeof(struct sockaddr_in));

    assert_int_equal(inet_pton(AF_INET6, "fe80::1", &six.sin6_addr), 1);
    assert_int_equal(addr_from_sockaddr(&a, (struct sockaddr *)&six), 0);
    assert_printed(&a, "[fe80::1]:7", NULL);
    assert_int_equal(a.v6.sin6_scope_id, 3); /* without it nobody can answer */
    assert_int_equal(a.v6.sin6_flowinfo, 0);
    assert_int_equal(addr_socklen(&a), sizeof(struct sockaddr_in6));

    assert_int_equal(inet_pton(AF_INET, "192.0.2.9", &four.sin_addr), 1);
    assert_int_equal(addr_from_sockaddr(&a, (struct sockaddr *)&four), 0);
    assert_printed(&a, "192.0.2.9:5060", NULL);
    assert_int_equal(addr_from_sockaddr(&a, &unix_domain), -EAFNOSUPPORT);
    assert_printed(&a, "192.0.2.9:5060", NULL);
}

static void test_equal_and_port(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal, host;
    } cases[] = {
        { "192.0.2.1:1", "192.0.2.1:1", true, true },
        { "192.0.2.1:1", "192.0.2.1:2", false, true },
        { "192.0.2.1:1", "192.0.2.2:1", false, false },
        { "[2001:db8::1]:1", "[2001:db8:0::1]:1", true, true },
        { "[2001:db8::1]:1", "[2001:db8::1]:2", false, true },
        { "[2001:db8::1]:1", "[2001:db8::2]:1", false, false },
        { "0.0.0.0:1", "[::]:1", false, false },
    };
    struct addr a = addr_of("192.0.2.1"), six = addr_of("::1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr x = addr_of(cases[i].a), y = addr_of(cases[i].b);

        assert_int_equal(addr_equal(&x, &y), cases[i].equal);
        assert_int_equal(addr_equal_host(&y, &x), cases[i].host);
    }
    addr_port_set(&a, 65535);
    assert_int_equal(addr_port(&a), 65535);
    addr_port_set(&six, 258);
    assert_int_equal(addr_port(&six), 258);
    assert_int_equal(ntohs(six.v6.sin6_port), 258);
}

static void test_any(void **state)
{
    static const struct {
        const char *text;
        bool any;
    } cases[] = {
        { "0.0.0.0", true },    { "::", true },   { "::ffff:0.0.0.0", true },
        { "127.0.0.1", false }, { "::1", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr a = addr_of(cases[i].text);

        assert_int_equal(addr_is_any(&a), cases[i].any);
    }
}

static void test_net_parse(void **state)
{
    static const struct {
        const char *in, *base; /* base NULL: -EINVAL */
        unsigned prefix;
    } cases[] = {
        { "192.0.2.0/24", "192.0.2.0:0", 24 },
        { "192.0.2.77/24", "192.0.2.0:0", 24 }, /* host bits are cleared */
        { "192.0.2.77/255.255.255.0", "192.0.2.0:0", 24 },
        { "192.0.2.77/255.255.255.224", "192.0.2.64:0", 27 },
        { "10.0.0.1/0.0.0.0", "0.0.0.0:0", 0 },
        { "10.0.0.1/255.255.255.255", "10.0.0.1:0", 32 },
        { "0.0.0.0/0", "0.0.0.0:0", 0 },
        { "192.0.2.1", "192.0.2.1:0", 32 },
        { "192.0.2.1/32", "192.0.2.1:0", 32 },
        { "2001:db8::/32", "[2001:db8::]:0", 32 },
        { "2001:db8:ffff::1/33", "[2001:db8:8000::]:0", 33 },
        { "2001:db8::1", "[2001:db8::1]:0", 128 },
        { "::/0", "[::]:0", 0 },
        { "::ffff:192.0.2.7/120", "192.0.2.0:0", 24 },
        { "::ffff:0:0/96", "0.0.0.0:0", 0 },
        { "::ffff:192.0.2.7", "192.0.2.7:0", 32 },
        { "::ffff:0:0/95", NULL, 0 },
        { "", NULL, 0 },
        { "/", NULL, 0 },
        { "/24", NULL, 0 },
        { "192.0.2.0/", NULL, 0 },
        { "192.0.2.0/33", NULL, 0 },
        { "192.0.2.0/-1", NULL, 0 },
        { "192.0.2.0/255.0.255.0", NULL, 0 },
        { "192.0.2.0/0.0.0.255", NULL, 0 },
        { "192.0.2.0/24/24", NULL, 0 },
        { "192.0.2.0:5060", NULL, 0 },
        { "192.0.2.0:5060/24", NULL, 0 },
        { "2001:db8::/129", NULL, 0 },
        { "2001:db8::/255.255.255.0", NULL, 0 },
        { "[2001:db8::]/32", NULL, 0 },
        { "example.com/24", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr_net net;

        assert_int_equal(addr_net_parse(&net, str_of(cases[i].in)), cases[i].base ? 0 : -EINVAL);
        if (!cases[i].base)
            continue;
        assert_printed(&net.base, cases[i].base, NULL);
        assert_int_equal(net.prefix, cases[i].prefix);
    }
}

static void test_net_contains(void **state)
{
    static const struct {
        const char *net, *addr;
        bool inside;
    } cases[] = {
        { "192.0.2.0/24", "192.0.2.0", true },
        { "192.0.2.0/24", "192.0.2.255:99", true },
        { "192.0.2.0/24", "192.0.3.0", false },
        { "192.0.2.64/27", "192.0.2.95", true },
        { "192.0.2.64/27", "192.0.2.96", false },
        { "192.0.2.64/27", "192.0.2.63", false },
        { "128.0.0.0/1", "255.0.0.0", true },
        { "128.0.0.0/1", "127.0.0.0", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "192.0.2.1", false },
        { "2001:db8::/32", "2001:db8:ffff::", true },
        { "2001:db8::/32", "2001:db9::", false },
        { "2001:db8:8000::/33", "2001:db8:7fff::", false },
        { "192.0.2.0/24", "::ffff:192.0.2.5", true },
        { "::ffff:192.0.2.0/120", "192.0.2.5", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr a = addr_of(cases[i].addr);
        struct addr_net net;

        assert_int_equal(addr_net_parse(&net, str_of(cases[i].net)), 0);
        assert_int_equal(addr_net_contains(&net, &a), cases[i].inside);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),          cmocka_unit_test(test_from_sockaddr),
        cmocka_unit_test(test_equal_and_port), cmocka_unit_test(test_any),
        cmocka_unit_test(test_net_parse),      cmocka_unit_test(test_net_contains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
