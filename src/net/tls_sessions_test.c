// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/tls_sessions.h"

static SSL_SESSION *session(int version)
{
    SSL_SESSION *s = SSL_SESSION_new();

    assert_non_null(s);
    assert_int_equal(SSL_SESSION_set_protocol_version(s, version), 1);
    return s;
}

static struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 0), 0);
    return a;
}

static bool has(struct tls_sessions *t, const struct tls_server *server, uint64_t now_ms)
{
    uint64_t verified_ms = 0;
    SSL_SESSION *s = tls_sessions_take(t, server, now_ms, &verified_ms);

    if (s)
        assert_int_equal(verified_ms, 1000);
    SSL_SESSION_free(s);
    return s;
}

static void test_whose(void **state)
{
    const struct addr one = address("192.0.2.1:5061"), port = address("192.0.2.1:5062"),
                      v6 = address("[2001:db8::1]:5061");
    const struct tls_server server = { &one, STR_INIT("one.example") },
                            others[] = { { &one, STR_INIT("two.example") },
                                         { &one, STR_EMPTY },
                                         { &port, STR_INIT("one.example") },
                                         { &v6, STR_INIT("one.example") } };
    struct tls_sessions *t;

    (void)state;
    assert_int_equal(tls_sessions_create(&t), 0);
    assert_false(has(t, &server, 1000));
    tls_sessions_keep(t, &server, session(TLS1_2_VERSION), 1000);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(has(t, &others[i], 1000));
    assert_true(has(t, &server, 1000));
    assert_true(has(t, &server, 1000 + TLS_SESSION_MS - 1));
    assert_false(has(t, &server, 1000 + TLS_SESSION_MS));
    tls_sessions_destroy(t);
}

static void test_once(void **state)
{
    const struct addr one = address("192.0.2.1:5061");
    const struct tls_server server = { &one, STR_EMPTY };
    struct tls_sessions *t;

    (void)state;
    assert_int_equal(tls_sessions_create(&t), 0);
    for (int i = 0; i < 2; i++) {
        tls_sessions_keep(t, &server, session(TLS1_2_VERSION), 1000);
        tls_sessions_keep(t, &server, session(TLS1_3_VERSION), 1000);
        assert_true(has(t, &server, 1000));
        assert_false(has(t, &server, 1000));
    }
    tls_sessions_destroy(t);
}

/* Longer than a name may be: not kept, and freed. */
static void test_long_name(void **state)
{
    static char name[256];
    const struct addr one = address("192.0.2.1:5061");
    const struct tls_server longest = { &one, { name, sizeof(name) - 1 } },
                            longer = { &one, { name, sizeof(name) } };
    struct tls_sessions *t;

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_int_equal(tls_sessions_create(&t), 0);
    tls_sessions_keep(t, &longest, session(TLS1_2_VERSION), 1000);
    tls_sessions_keep(t, &longer, session(TLS1_2_VERSION), 1000);
    assert_true(has(t, &longest, 1000));
    assert_false(has(t, &longer, 1000));
    tls_sessions_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_whose), cmocka_unit_test(test_once),
                                        cmocka_unit_test(test_long_name) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
