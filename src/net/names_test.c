// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/names.h"

static const struct row {
    const char *texts[3];
    const char *identity;
    bool is, wild;
} rows[] = {
    { { "dns:one.example" }, "one.example", true, true },
    { { "dns:one.example" }, "ONE.example", true, true },
    { { "dns:one.example" }, "sip:one.example", true, false },
    { { "dns:one.example" }, "two.example", false, false },
    { { "dns:one.example" }, "alice@one.example", false, false },
    { { "sip:one.example" }, "one.example", true, true },
    { { "SIP:one.example:5061;transport=tls" }, "one.example", true, true },
    { { "sip:one.example", "dns:two.example" }, "two.example", false, false },
    { { "sip:alice@one.example", "dns:two.example" }, "two.example", true, true },
    { { "sip:alice@one.example" }, "one.example", false, false },
    { { "sip:alice@one.example" }, "alice@One.example", true, false },
    { { "sip:alice@one.example" }, "sip:alice@one.example", true, false },
    { { "sip:alice@one.example" }, "Alice@one.example", false, false },
    { { "sip:alice@one.example" }, "alice@two.example", false, false },
    { { "dns:x", "sip:bob@one.example", "sip:alice@one.example" },
      "alice@one.example",
      true,
      false },
    { { "sip:@one.example" }, "@one.example", false, false },
    { { "sip:" }, "", false, false },
    { { "dns:*.one.example" }, "a.one.example", false, true },
    { { "dns:*.one.example" }, "one.example", false, false },
    { { "dns:*.one.example" }, "a.b.one.example", false, false },
    { { "http://one.example" }, "one.example", false, false },
    { { NULL }, "one.example", false, false },
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str texts[3];
        struct net_names *names;
        size_t n = 0;

        while (n < ARRAY_LEN(texts) && rows[i].texts[n]) {
            texts[n] = str_of(rows[i].texts[n]);
            n++;
        }
        assert_int_equal(net_names_create(&names, texts, n), 0);
        if (net_names_have(names, str_of(rows[i].identity)) != rows[i].is ||
            net_names_host(names, str_of(rows[i].identity), true) != rows[i].wild)
            fail_msg("row %zu: %s", i, rows[i].identity);
        assert_ptr_equal(net_names_ref(names), names);
        net_names_unref(names);
        net_names_unref(names);
    }
    assert_false(net_names_have(NULL, STR("one.example")));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
