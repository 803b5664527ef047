// SPDX-License-Identifier: MIT
/* Each allocation fails in turn: in the end every contact shows the newest state all the same, and
 * nothing leaks. */
#include "base/memory_testing.h"
#include "event/notifier_fixture.h"

#define UDP "[udp]\ntype=transport\nprotocol=udp\nbind=192.0.2.1:5060\n"
#define CONTACTS                                                                              \
    UDP "[alice]\ntype=endpoint\naors=alice\nmailboxes=1@d,2@d\n[alice]\ntype=aor\ncontact="  \
        "sip:alice@192.0.2.7:5070,sip:alice@192.0.2.7:5071\n[bob]\ntype=endpoint\naors=bob\n" \
        "mailboxes=1@d\naggregate_mwi=no\nvoicemail_extension=*97\n[bob]\ntype=aor\n"         \
        "max_contacts=1\ncontact=sip:bob@192.0.2.7:5072\n"

/* What each contact shows, by its port. */
struct shown {
    bool waiting[4], any[4];
};

/* Time passes; addresses are found, and every NOTIFY is answered. */
static void run(struct fixture *f, struct shown *shown, uint64_t ms)
{
    for (uint64_t end = f->now_ms + ms; f->now_ms < end;) {
        memory_guard(true);
        fixture_pass(f, WHEEL_TICK_MS);
        while (f->n_seeks) {
            struct fixture_seek s = f->seeks[--f->n_seeks];
            struct addr a = fixture_addr(s.host);

            addr_port_set(&a, s.port);
            fixture_resolved(f, s.question, &a);
        }
        memory_guard(false);
        while (f->seen < f->n_sent) {
            size_t i = addr_port(&f->sent[f->seen].to.remote) - 5070u;

            assert_true(i < ARRAY_LEN(shown->any));
            shown->any[i] = true;
            shown->waiting[i] = has(fixture_next(f), "Messages-Waiting: yes");
            answer_last(f, 200);
        }
    }
}

/* Bob registers, too. */
static void registers(struct fixture *f, struct contact **c)
{
    const struct contact what = { .id = 1,
                                  .aor = STR("bob"),
                                  .uri = STR("sip:bob@192.0.2.7:5073"),
                                  .target = STR("sip:bob@192.0.2.7:5073"),
                                  .endpoint = STR("bob"),
                                  .registered_wall_ms = clock_wall_ms(&f->clock) };

    assert_int_equal(contact_create(c, &what), 0);
    memory_guard(true);
    while (notifier_registered(f->notifier, STR("bob"), *c, NULL) == -ENOMEM)
        ;
    memory_guard(false);
}

/* False when no memory was missing. */
static bool told_without(unsigned nth)
{
    struct fixture *f = fixture_create(UDP);
    struct settings *s = settings_fixture(CONTACTS);
    struct shown shown = { 0 };
    struct contact *bob;

    f->guard = memory_guard;
    s->registrar.enabled = true;
    memory.failed = false;
    memory.left = (long)nth - 1;
    memory_guard(true);
    notifier_settings_set(f->notifier, s);
    memory_guard(false);
    settings_unref(f->settings);
    f->settings = s;
    registers(f, &bob);
    notifier_mailbox(f->notifier, STR("1@d"), true, 0, 0);
    notifier_mailbox(f->notifier, STR("2@d"), true, 0, 1);
    run(f, &shown, 5000);
    for (size_t i = 0; i < ARRAY_LEN(shown.any); i++)
        assert_true(shown.any[i] && !shown.waiting[i]);
    notifier_mailbox(f->notifier, STR("1@d"), true, 1, 0);
    run(f, &shown, 5000);
    for (size_t i = 0; i < ARRAY_LEN(shown.any); i++)
        assert_true(shown.waiting[i]);
    memory.left = -1;
    contact_unref(bob);
    fixture_destroy(f);
    return memory.failed;
}

static void test_told_in_the_end(void **state)
{
    unsigned nth = 1;

    (void)state;
    while (told_without(nth))
        nth++;
    assert_in_range(nth, 40, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_told_in_the_end) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
