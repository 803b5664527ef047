// SPDX-License-Identifier: MIT
/* Each allocation fails in turn: a telephone is watched in the end, and nothing leaks. */
#include "base/memory_testing.h"
#include "registrar/qualifier_testing.h"

#define ON "[registrar]\nenabled=yes\nwatch_dialogs=yes\n"
#define CONF                                                                           \
    "[udp]\ntype=transport\nbind=192.0.2.1:5060\n[alice]\ntype=endpoint\naors=alice\n" \
    "outbound_auth=us\n[us]\ntype=auth\nusername=us\npassword=secret\n[alice]\ntype=aor\n"
#define CHALLENGE "WWW-Authenticate: Digest realm=\"phone\",nonce=\"n1\",qop=\"auth\"\r\n"

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

static void guarded_receive(struct txn_layer *t, const struct flow *from, struct str datagram)
{
    memory_guard(true);
    txn_receive(t, from, datagram);
    memory_guard(false);
}

static void answer(struct bench *b)
{
    if (!bench_has(b, "Authorization:")) {
        bench_answer(b, 401, CHALLENGE);
        return;
    }
    bench_answer(b, 200, "");
}

static unsigned tell(struct bench *b, const char *body)
{
    return bench_notify(b, &(struct bench_notice){ .body = body });
}

/* A telephone that tells what it does once it is asked, and tells it again when that was in vain.
 */
static void telephone(struct bench *b)
{
    answer(b);
    if (!bench_has(b, "Authorization:"))
        return;
    while (tell(b, DIALOG_INFO("0", "full", DIALOG("a", "early", "recipient"))) != 200)
        assert_true(memory.failed);
    while (tell(b, DIALOG_INFO("1", "partial", DIALOG("b", "confirmed", "initiator"))) != 200)
        assert_true(memory.failed);
}

/* False when no memory was missing. */
static bool watched_without(unsigned nth)
{
    struct bench *b = bench_create(settings_fixture_with(CONF, ON));
    const struct settings *off = settings_fixture_with(CONF, "[registrar]\nenabled=yes\n");
    struct contact what = contact_static("sip:alice@phones.two"), *c;

    b->send = guarded_send;
    b->receive = guarded_receive;
    memory.failed = false;
    memory.left = nth;
    assert_int_equal(contact_create(&c, &what), 0);
    memory_guard(true);
    while (qualifier_contact(b->qualifier, c, NULL))
        assert_true(memory.failed);
    memory_guard(false);
    contact_unref(c);
    for (unsigned i = 0; i < 20000 && (!b->dialogs || b->dialogs->device != DEVICE_RINGINUSE);
         i++) {
        memory_guard(true);
        bench_tick(b);
        memory_guard(false);
        if (bench_await(b, 0))
            telephone(b);
    }
    assert_non_null(b->dialogs);
    assert_int_equal(b->dialogs->device, DEVICE_RINGINUSE);
    assert_int_equal(bench_view(b).watch.status, WATCHED_YES);
    memory_guard(true);
    qualifier_settings_set(b->qualifier, off);
    memory_guard(false);
    for (unsigned i = 0; i < 4000; i++) {
        memory_guard(true);
        bench_tick(b);
        memory_guard(false);
        if (bench_await(b, 0))
            answer(b);
    }
    memory.left = -1;
    assert_null(b->dialogs);
    assert_true(list_empty(&b->qualifier->leaving));
    settings_unref(b->settings);
    b->settings = off;
    bench_destroy(b);
    return memory.failed;
}

static void test_watched_in_the_end(void **state)
{
    unsigned nth = 0;

    (void)state;
    while (watched_without(nth))
        nth++;
    assert_in_range(nth, 10, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_watched_in_the_end) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
