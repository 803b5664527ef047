// SPDX-License-Identifier: MIT
/* Hints that appear with their devices. */
#include "state/state.h"
#include "state/state_testing.h"

static int start(void **state)
{
    static struct testing t;

    testing_init(&t);
    *state = &t;
    return 0;
}

static int stop(void **state)
{
    testing_fini(*state);
    return 0;
}

static void test_names(void **state)
{
    static const struct {
        const char *device, *events;
    } cases[] = {
        { "PJSIP/alice", "PJSIP/alice INUSE\nalice@a #1 InUse\n" },
        { "custom:lamp", "Custom:lamp INUSE\nlamp@a #1 InUse\n" },
        { "Custom:b/c", "Custom:b/c INUSE\nb/c@a #1 InUse\n" },
        { "SIP/d:e", "SIP/d:e INUSE\nd:e@a #1 InUse\n" },
        { "Stasis:s", "Stasis:s INUSE\ns@a #1 InUse\n" },
        { "DAHDI/1-1", "DAHDI/1-1 INUSE\n1-1@a #1 InUse\n" },
        { "Custom:x&y,z", "Custom:x&y,z INUSE\nx&y,z@a #1 InUse\n" },
        { "nothing", "nothing INUSE\n" },
        { "PJSIP/", "PJSIP/ INUSE\n" },
        { "MWI:1000@default", "MWI:1000@default INUSE\n" },
        { "Queue:sales", "Queue:sales INUSE\n" },
        { "Local/1@x", "Local/1@x INUSE\n" },
        { "Park:701", "Park:701 INUSE\n" },
        { "ConfBridge:1", "ConfBridge:1 INUSE\n" },
        { "MeetMe:1", "MeetMe:1 INUSE\n" },
        { "Calendar:c", "Calendar:c INUSE\n" },
        { "ccss:1", "ccss:1 INUSE\n" },
        { "agent:1", "agent:1 INUSE\n" },
    };
    struct testing *t = *state;

    apply(t, "[a]\nautohints\n[b]");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        report(t, cases[i].device, "INUSE");
        assert_events(t, cases[i].events);
    }
    /* Its text is one device, whatever is in the name. */
    assert_true(str_equal(watch(t, "a", "x&y,z", 0)->hint, STR("Custom:x&y,z")));
    report(t, "Custom:x&y,z", "BUSY");
    assert_events(t, "Custom:x&y,z BUSY\nx&y,z@a #2 Busy -> 1\n");
    apply(t, "[a]\nautohints");
    report(t, "Custom:x&y,z", "RINGING");
    assert_events(t, "Custom:x&y,z RINGING\nx&y,z@a #3 Ringing -> 1\n");
}

static void test_life(void **state)
{
    struct testing *t = *state;
    const struct snapshot *s;
    uint64_t id;

    apply(t, "[a]\nautohints\n[b]\nautohints\n[c]");
    report(t, "PJSIP/alice", "UNAVAILABLE");
    assert_events(t, "PJSIP/alice UNAVAILABLE\nalice@a #1 Unavailable\nalice@b #1 Unavailable\n");
    report(t, "Custom:lamp", "UNKNOWN"); /* which is what was assumed, but now it is known */
    assert_events(t, "lamp@a #1 Idle\nlamp@b #1 Idle\n");
    s = watch(t, "a", "alice", 1);
    id = s->resource_id;
    assert_true(str_equal(s->hint, STR("PJSIP/alice")));
    assert_true(str_equal(s->hint_name, STR("PJSIP/alice")));
    assert_int_equal(watch_result(t, "c", "alice"), STATE_NO_HINT);
    report(t, "PJSIP/alice", "INUSE");
    assert_events(t, "PJSIP/alice INUSE\nalice@a #2 InUse -> 2\nalice@b #2 InUse\n");
    report_from(t, "other", "PJSIP/alice", "INUSE");
    forget(t, "test", "PJSIP/alice");
    assert_events(t, "");
    forget(t, "other", "PJSIP/alice"); /* the last one */
    assert_events(t, "PJSIP/alice INVALID\nalice@a #3 removed -> 2\nalice@b #3 removed\n");
    state_unwatch(t->core, id, 1);
    assert_int_equal(watch_result(t, "a", "alice"), STATE_NO_HINT);
    report(t, "PJSIP/alice", "INUSE");
    assert_events(t, "PJSIP/alice INUSE\nalice@a #1 InUse\nalice@b #1 InUse\n");
    assert_int_not_equal(watch(t, "a", "alice", 1)->resource_id, id);
}

/* An explicit hint with the same device ends with its dialplan, not with its device. */
static void test_only_autohints_end(void **state)
{
    struct testing *t = *state;

    apply(t, "[a]\nautohints\n1 PJSIP/alice");
    report(t, "PJSIP/alice", "INUSE");
    buf_reset(&t->events);
    forget(t, "test", "PJSIP/alice");
    assert_events(t, "PJSIP/alice INVALID\nalice@a #2 removed\n1@a #3 Unavailable\n");
}

static void test_not_needed(void **state)
{
    struct testing *t = *state;

    apply(t, "[a]\nautohints\ninclude b\nalice Custom:x\n10-00 Custom:x\n_b! Custom:x\n"
             "[b]\ncarol Custom:x\n_d! Custom:x\n[e]\nautohints");
    buf_reset(&t->events);
    report(t, "PJSIP/alice", "INUSE");
    report(t, "PJSIP/1000", "INUSE");
    report(t, "PJSIP/bob", "INUSE");
    report(t, "PJSIP/carol", "INUSE");
    report(t, "PJSIP/dave", "INUSE");
    report(t, "PJSIP/eve", "INUSE");
    report(t, "Custom:eve", "BUSY"); /* the name is taken */
    assert_events(t, "PJSIP/alice INUSE\nalice@e #1 InUse\n"
                     "PJSIP/1000 INUSE\n1000@e #1 InUse\n"
                     "PJSIP/bob INUSE\nbob@e #1 InUse\n"
                     "PJSIP/carol INUSE\ncarol@e #1 InUse\n"
                     "PJSIP/dave INUSE\ndave@e #1 InUse\n"
                     "PJSIP/eve INUSE\neve@a #1 InUse\neve@e #1 InUse\n"
                     "Custom:eve BUSY\n");
}

/* Each context has its own, even where it could see another one's. */
static void test_included(void **state)
{
    struct testing *t = *state;

    apply(t, "[b]\nautohints\n[a]\nautohints\ninclude b\n[c]\ninclude b");
    report(t, "PJSIP/alice", "INUSE");
    assert_events(t, "PJSIP/alice INUSE\nalice@b #1 InUse\nalice@a #1 InUse\n");
    assert_true(str_equal(watch(t, "a", "alice", 1)->context, STR("a")));
    assert_true(str_equal(watch(t, "c", "alice", 1)->context, STR("b")));
}

static void test_known_before(void **state)
{
    struct testing *t = *state;

    report(t, "PJSIP/alice", "INUSE");
    report(t, "Custom:lamp", "BUSY");
    report(t, "MWI:box", "BUSY");
    forget(t, "test", "Custom:lamp");
    buf_reset(&t->events);
    apply(t, "[a]\nautohints\n1 PJSIP/nobody");
    assert_events(t, "1@a #1 Unavailable\nalice@a #1 InUse\n");
}

/* What an endpoint is without reports makes it known. */
static void test_defaults(void **state)
{
    static const enum device_state idle = DEVICE_NOT_INUSE;
    const struct str alice = STR("PJSIP/alice");
    struct testing *t = *state;

    apply(t, "[a]\nautohints");
    assert_int_equal(state_device_defaults(t->core, &alice, &idle, 1), 0);
    assert_events(t, "PJSIP/alice NOT_INUSE\nalice@a #1 Idle\n");
    report(t, "PJSIP/alice", "INUSE");
    forget(t, "test", "PJSIP/alice");
    assert_events(t,
                  "PJSIP/alice INUSE\nalice@a #2 InUse\nPJSIP/alice NOT_INUSE\nalice@a #3 Idle\n");
    assert_int_equal(state_device_defaults(t->core, NULL, NULL, 0), 0);
    assert_events(t, "PJSIP/alice INVALID\nalice@a #4 removed\n");
}

static void test_reload(void **state)
{
    struct testing *t = *state;
    uint64_t id;

    apply(t, "[a]\nautohints\n[b]\nautohints");
    report(t, "PJSIP/alice", "INUSE");
    report(t, "PJSIP/bob", "RINGING");
    id = watch(t, "a", "alice", 2)->resource_id;
    buf_reset(&t->events);
    apply(t, "[a]\nautohints\n[b]");
    assert_events(t, "alice@b #2 removed\nbob@b #2 removed\n");
    /* Written out, with other devices: the resource and its watchers stay. */
    apply(t, "[a]\nautohints\nalice PJSIP/alice&PJSIP/bob(Alice)\n[b]");
    assert_events(t, "alice@a #2 InUse&Ringing -> 4\n");
    assert_int_equal(watch(t, "a", "alice", 2)->resource_id, id);
    forget(t, "test", "PJSIP/bob");
    assert_events(t, "PJSIP/bob INVALID\nbob@a #2 removed\nalice@a #3 InUse -> 4\n");
    /* And back: the device is known. */
    apply(t, "[a]\nautohints");
    assert_events(t, "");
    assert_int_equal(watch(t, "a", "alice", 2)->resource_id, id);
    forget(t, "test", "PJSIP/alice");
    assert_events(t, "PJSIP/alice INVALID\nalice@a #4 removed -> 4\n");
}

/* A pattern takes an autohint over when it is watched, and ends it otherwise. */
static void test_reload_pattern(void **state)
{
    struct testing *t = *state;
    uint64_t id;

    apply(t, "[a]\nautohints");
    report(t, "PJSIP/alice", "INUSE");
    report(t, "PJSIP/bob", "RINGING");
    id = watch(t, "a", "alice", 2)->resource_id;
    buf_reset(&t->events);
    apply(t, "[a]\nautohints\n_[a-z]. Custom:${EXTEN}");
    assert_events(t, "bob@a #2 removed\nalice@a #2 Idle -> 4\n");
    assert_int_equal(watch(t, "a", "alice", 2)->resource_id, id);
    apply(t, "[a]\nautohints");
    assert_events(t, "alice@a #3 InUse -> 4\nbob@a #1 Ringing\n");
    assert_int_equal(watch(t, "a", "alice", 2)->resource_id, id);
}

/* Two devices want one name: who has it keeps it. */
static void test_reload_rivals(void **state)
{
    struct testing *t = *state;

    report(t, "Custom:alice", "BUSY");
    apply(t, "[a]\nautohints");
    report(t, "PJSIP/alice", "INUSE");
    buf_reset(&t->events);
    apply(t, "[a]\nautohints");
    assert_events(t, "");
    assert_true(str_equal(watch(t, "a", "alice", 2)->hint, STR("Custom:alice")));
    forget(t, "test", "Custom:alice");
    assert_events(t, "Custom:alice UNKNOWN\nalice@a #2 removed -> 4\n");
    report(t, "PJSIP/alice", "BUSY");
    assert_events(t, "PJSIP/alice BUSY\nalice@a #1 Busy\n");
}

static void test_as_asterisk(void **state)
{
    static const struct state_switches asterisk = { .asterisk_autohints = true };
    static const enum device_state states[] = { DEVICE_NOT_INUSE, DEVICE_NOT_INUSE };
    const struct str names[] = { STR("PJSIP/x"), STR("PJSIP/alice") };
    struct testing *t = *state;

    state_switches_set(t->core, &asterisk);
    report(t, "PJSIP/alice", "INUSE");
    buf_reset(&t->events);
    apply(t, "[a]\nautohints"); /* not before the next change */
    assert_events(t, "");
    report_from(t, "other", "PJSIP/alice", "NOT_INUSE"); /* which this is none of */
    assert_events(t, "");
    report(t, "PJSIP/alice", "BUSY");
    report(t, "Queue:sales", "INUSE");
    report(t, "Local/1@x", "INVALID"); /* said for the first time */
    assert_events(t, "PJSIP/alice BUSY\nalice@a #1 Busy\n"
                     "Queue:sales INUSE\nsales@a #1 InUse\n"
                     "1@x@a #1 Unavailable\n");
    forget(t, "test", "Queue:sales");
    assert_events(t, "Queue:sales INVALID\nsales@a #2 Unavailable\n");
    apply(t, "[a]\nautohints\n[b]\nautohints");
    assert_events(t, "");
    assert_int_equal(state_device_defaults(t->core, names, states, 2), 0);
    assert_events(t, "PJSIP/x NOT_INUSE\nx@a #1 Idle\nx@b #1 Idle\n");
    state_switches_set(t->core, &(struct state_switches){ .ringing_repeat = false });
    apply(t, "[b]\nautohints\n[a]\nautohints");
    assert_events(t, "sales@a #3 removed\n1@x@a #2 removed\nalice@b #1 Busy\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),         TEST(test_life),        TEST(test_only_autohints_end),
        TEST(test_not_needed),    TEST(test_included),    TEST(test_known_before),
        TEST(test_defaults),      TEST(test_reload),      TEST(test_reload_pattern),
        TEST(test_reload_rivals), TEST(test_as_asterisk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
