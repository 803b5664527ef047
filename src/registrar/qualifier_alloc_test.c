// SPDX-License-Identifier: MIT
/* Each allocation fails in turn: no contact is taken for gone by that, and nothing leaks. */
#include "base/memory_testing.h"
#include "registrar/qualifier_testing.h"

#define CONF                                                                               \
    "[udp]\ntype=transport\nbind=192.0.2.1:5060\n[alice]\ntype=endpoint\naors=alice\n"     \
    "outbound_auth=us\n[us]\ntype=auth\nusername=us\npassword=secret\n[alice]\ntype=aor\n" \
    "qualify_frequency=10\nqualify_2xx_only=yes\nauthenticate_qualify=yes\n"
#define CHALLENGE "WWW-Authenticate: Digest realm=\"phone\",nonce=\"n1\",qop=\"auth\"\r\n"

enum { CONTACTS = 2 };

static void answer(struct bench *b)
{
    bool guarded = memory.armed;

    memory_guard(false);
    bench_answer(b, bench_has(b, "Authorization:") ? 200 : 401, CHALLENGE);
    memory_guard(guarded);
}

/* The test's own network allocates, too. */
static int guarded_send(void *ctx, const struct flow *to, struct str bytes)
{
    bool guarded = memory.armed;
    int r;

    memory_guard(false);
    r = bench_send(ctx, to, bytes);
    memory_guard(guarded);
    return r;
}

/* False when no memory was missing. */
static bool asked_without(unsigned nth)
{
    static const char *const uris[CONTACTS] = { "sip:alice@phones.two", "sip:alice@192.0.2.9" };
    struct bench *b = bench_create(settings_fixture_with(CONF, "[registrar]\nenabled=yes\n"));

    b->send = guarded_send;
    memory.failed = false;
    memory.left = nth;
    for (unsigned i = 0; i < CONTACTS; i++) {
        struct contact what = contact_static(uris[i]), *c;

        what.id = i + 1;
        assert_int_equal(contact_create(&c, &what), 0);
        memory_guard(true);
        while (qualifier_contact(b->qualifier, c, NULL))
            assert_true(memory.failed);
        memory_guard(false);
        contact_unref(c);
    }
    for (unsigned i = 0; i < 4000; i++) {
        memory_guard(true);
        bench_tick(b);
        memory_guard(false);
        while (bench_await(b, 0))
            answer(b);
    }
    memory.left = -1;
    assert_int_equal(b->reach, CONTACT_REACHED);
    assert_int_equal(b->reaches, CONTACTS);
    assert_int_equal(bench_counters(b).reachable, CONTACTS);
    bench_destroy(b);
    return memory.failed;
}

static void test_asked_in_the_end(void **state)
{
    unsigned nth = 1;

    (void)state;
    while (asked_without(nth))
        nth++;
    assert_in_range(nth, 5, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_asked_in_the_end) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
