// SPDX-License-Identifier: MIT
#include "config/settings_testing.h"

static void assert_bound(const struct addr *a, const char *want)
{
    char room[80];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    addr_print(&b, a);
    assert_str(buf_str(&b), want);
}

static void test_defaults(void **state)
{
    struct loaded l = load(UDP, "[http]\nenabled = yes\n");
    const struct http_settings *h = &l.s->http;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_true(h->enabled);
    assert_bound(&h->bind, "127.0.0.1:8088");
    assert_int_equal(h->n_tokens, 0);
    assert_int_equal(h->n_allow, 0);
    assert_int_equal(h->n_readers, 2);
    assert_int_equal(h->readers[0].prefix, 8);
    assert_int_equal(h->max_connections, 1000);
    assert_int_equal(h->session_lifetime_s, 43200);
    unload(&l);
    l = load(UDP, "");
    assert_false(l.s->http.enabled);
    unload(&l);
}

static void test_values(void **state)
{
    struct loaded l = load(UDP, "[http]\nenabled=yes\nbind=[::1]:9\ntls_cert_file=a.pem\n"
                                "tls_key_file=/k.pem\ntoken = wall, read, 0123456789abcdef\n"
                                "token = desk , WRITE , 0123456789abcdef,x\nallow=10.0.0.0/8\n"
                                "read_without_token =\nhosts=a.example,b.example\n");
    const struct http_settings *h = &l.s->http;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_bound(&h->bind, "[::1]:9");
    assert_str(h->cert_file, "etc/a.pem");
    assert_str(h->key_file, "/k.pem");
    assert_int_equal(h->n_tokens, 2);
    assert_str(h->tokens[0].name, "wall");
    assert_false(h->tokens[0].writes);
    assert_str(h->tokens[1].name, "desk");
    assert_str(h->tokens[1].secret, "0123456789abcdef,x");
    assert_true(h->tokens[1].writes);
    assert_int_equal(h->n_allow, 1);
    assert_int_equal(h->n_readers, 0);
    unload(&l);
}

static void test_bad_values(void **state)
{
    static const struct {
        const char *line, *told;
    } cases[] = {
        { "bind = somewhere", "not an address" },
        { "token = wall", "not NAME, read or write, SECRET" },
        { "token = wall, admin, 0123456789abcdef", "not NAME, read or write, SECRET" },
        { "token = wa:ll, read, 0123456789abcdef", "none of them a colon" },
        { "token = wall, read, short", "16 to 256" },
        { "token = wall, read, 0123456789 abcdef", "16 to 256" },
        { "token = a, read, 0123456789abcdef\ntoken = a, read, 0123456789abcdeg", "another token" },
        { "allow = everybody", "not an address or network" },
        { "max_connections = 0", "max_connections" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[300];
        struct loaded l;

        snprintf(text, sizeof(text), "[http]\n%s\n", cases[i].line);
        l = load(UDP, text);
        assert_true(str_contains_nocase(buf_str(&l.diag.text), str_of(cases[i].told)));
        assert_false(str_contains_nocase(buf_str(&l.diag.text), STR("0123456789abcdef")));
        unload(&l);
    }
}

/* What a reload cannot read goes on as it was, and lives longer than what it came from. */
static void test_former(void **state)
{
    struct loaded l = load(UDP, "[http]\nenabled=yes\ntoken = wall, read, 0123456789abcdef\n"
                                "allow=10.0.0.0/8\nhosts=a.example\ntls_cert_file=a.pem\n");
    struct loaded next = load_source((struct settings_source){ .former = l.s }, UDP,
                                     "[http]\nenabled=no\nbind=somewhere\n");
    const struct http_settings *h = &next.s->http;

    (void)state;
    unload(&l);
    assert_true(h->enabled);
    assert_str(h->tokens[0].name, "wall");
    assert_str(h->tokens[0].secret, "0123456789abcdef");
    assert_int_equal(h->allow[0].prefix, 8);
    assert_int_equal(h->n_readers, 2);
    assert_str(h->hosts, "a.example");
    assert_str(h->cert_file, "etc/a.pem");
    unload(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_former),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
