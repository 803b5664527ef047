// SPDX-License-Identifier: MIT
/* Each allocation fails in turn while new rules grant a watcher a part: it is shown nothing until
 * that part can be made, and then the part, without another reload. */
#include "base/memory_testing.h"
#include "event/notifier_fixture.h"

static const char document[] =
    "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy' "
    "xmlns:pr='urn:ietf:params:xml:ns:pres-rules'><rule id='a'>"
    "<actions><pr:sub-handling>allow</pr:sub-handling></actions><transformations>"
    "<pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme>"
    "</pr:provide-services></transformations></rule></ruleset>";

static struct sub sub_presence(void)
{
    struct sub s = sub_plain("c1");

    s.event = "presence";
    s.accept = "application/pidf+xml";
    return s;
}

static struct settings *rules_create(void)
{
    return settings_fixture_texts((struct settings_fixture_texts){
        FIXTURE_CONFIG, "[authorization]\npresence_rules=r.xml\n", document });
}

/* The lamp as the last of the new NOTIFYs says; `lamp` without one. Each is answered. */
static const char *lamp_after(struct fixture *f, const char *lamp, bool *blocked)
{
    while (f->seen < f->n_sent) {
        const struct sip_message *m = fixture_next(f);

        assert_false(has(m, "Ready") && has(m, "on-the-phone"));
        lamp = has(m, "<basic>open</basic>") ? "open" : "closed";
        *blocked |= str_equal(str_of(lamp), STR("closed"));
        answer_last(f, 200);
        memory_guard(false);
    }
    return lamp;
}

/* Three seconds later. */
static const char *lamp_settled(struct fixture *f, const char *lamp, bool *blocked)
{
    for (unsigned i = 0; i < 300; i++) {
        lamp = lamp_after(f, lamp, blocked);
        memory_guard(true);
        fixture_pass(f, WHEEL_TICK_MS);
        memory_guard(false);
    }
    return lamp;
}

/* False when no memory was missing. */
static bool granted_without(unsigned nth, unsigned *blocked_runs)
{
    struct fixture *f = fixture_create(NULL);
    struct settings *rules = rules_create();
    struct sub s = sub_presence();
    const char *lamp = "nothing";
    bool blocked = false;
    char tag[64];

    fixture_state(f, "100", EXTENSION_INUSE);
    establish(f, &s, tag);
    f->guard = memory_guard;
    memory.failed = false;
    memory.left = (long)nth - 1;
    memory_guard(true);
    notifier_settings_set(f->notifier, rules);
    memory_guard(false);
    lamp = lamp_settled(f, lamp, &blocked);
    if (!str_equal(str_of(lamp), STR("open")))
        fail_msg("allocation %u: the last one says %s", nth, lamp);
    *blocked_runs += blocked;
    memory.left = -1;
    fixture_destroy(f);
    settings_unref(rules);
    return memory.failed;
}

static void test_granted(void **state)
{
    unsigned nth = 1, blocked_runs = 0;

    (void)state;
    while (granted_without(nth, &blocked_runs))
        nth++;
    assert_in_range(nth, 4, 1000);
    assert_in_range(blocked_runs, 1, nth - 1);
}

/* False when no memory was missing. */
static bool begun_without(unsigned nth, unsigned *refused)
{
    struct fixture *f = fixture_create(NULL);
    struct settings *rules = rules_create();
    struct sub s = sub_presence();
    const char *lamp = "nothing";
    bool blocked = false;
    unsigned status;

    fixture_state(f, "100", EXTENSION_INUSE);
    notifier_settings_set(f->notifier, rules);
    f->guard = memory_guard;
    memory.failed = false;
    sub_send(f, &s);
    memory.left = (long)nth - 1;
    memory_guard(true);
    fixture_answer_questions(f, 1);
    memory_guard(false);
    status = fixture_next(f)->status;
    lamp = lamp_settled(f, lamp, &blocked);
    if (live(f) != (status != 503) || (live(f) && !str_equal(str_of(lamp), STR("open"))))
        fail_msg("allocation %u: %u, the last one says %s", nth, status, lamp);
    assert_false(blocked);
    *refused += status == 503;
    memory.left = -1;
    fixture_destroy(f);
    settings_unref(rules);
    return memory.failed;
}

static void test_begun(void **state)
{
    unsigned nth = 1, refused = 0;

    (void)state;
    while (begun_without(nth, &refused))
        nth++;
    assert_in_range(refused, 1, nth - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_granted),
        cmocka_unit_test(test_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
