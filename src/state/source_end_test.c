// SPDX-License-Identifier: MIT
/* A source that goes, comes back and says everything anew; and the calls it knows of. */
#include "state/state_testing.h"

#define PLAN "[users]\n1000 PJSIP/alice&PJSIP/bob,CustomPresence:alice\n1001 Custom:lamp\n"

static void say(struct testing *t, const char *source, const char *device, enum device_state state)
{
    assert_true(state_device_set(t->core, str_of(source), str_of(device), state) >= 0);
}

static void say_presence(struct testing *t, const char *source, enum presence_state state)
{
    const struct presence_report report = { .source = str_of(source),
                                            .provider = STR("CustomPresence:alice"),
                                            .message = STR("lunch"),
                                            .state = state };

    assert_true(state_presence_report(t->core, &report) >= 0);
}

static void end_all(struct testing *t, const char *source, uint64_t until, enum source_end how)
{
    const struct source_ending end = { str_of(source), until, how, 30 };

    while (state_source_end(t->core, &end, 1) == STATE_MORE)
        ;
}

static void begin(struct testing *t)
{
    testing_init(t);
    apply(t, PLAN);
    say(t, "a", "PJSIP/alice", DEVICE_INUSE);
    say(t, "a", "Custom:lamp", DEVICE_INUSE);
    say(t, "b", "PJSIP/bob", DEVICE_NOT_INUSE);
    say_presence(t, "a", PRESENCE_AWAY);
    buf_reset(&t->events);
}

static void test_unavailable(void **state)
{
    struct testing t;

    (void)state;
    begin(&t);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_UNAVAILABLE);
    assert_events(&t, "PJSIP/alice UNAVAILABLE\n1000@users #4 Idle away//lunch stale\n"
                      "Custom:lamp UNAVAILABLE\n1001@users #3 Unavailable stale\n"
                      "CustomPresence:alice unavailable//\n"
                      "1000@users #5 Idle unavailable// stale\n");
    /* It is not told twice. */
    end_all(&t, "a", state_reports(t.core), SOURCE_END_UNAVAILABLE);
    assert_events(&t, "");
    testing_fini(&t);
}

/* Who watches is told nothing of what stays as it was: sequences are the former ones. */
static void test_kept(void **state)
{
    struct testing t;

    (void)state;
    begin(&t);
    watch(&t, "users", "1000", 3);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_KEPT);
    assert_events(&t, "1000@users #3 InUse away//lunch stale\n1001@users #2 InUse stale\n");
    end_all(&t, "a", state_reports(t.core), SOURCE_END_KEPT);
    assert_events(&t, "");
    testing_fini(&t);
}

static bool is_stale(struct testing *t, const char *device)
{
    return state_device_is_stale(t->core, str_of(device));
}

/* What is said again holds again, one after the other; what is not said again stays stale, and is
 * forgotten when all has been said. */
static void test_back(void **state)
{
    static const enum source_end ends[] = { SOURCE_END_UNAVAILABLE, SOURCE_END_KEPT };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct testing t;
        uint64_t until;

        begin(&t);
        end_all(&t, "a", state_reports(t.core), ends[i]);
        until = state_reports(t.core);
        buf_reset(&t.events);
        say(&t, "a", "Custom:lamp", ends[i] == SOURCE_END_KEPT ? DEVICE_INUSE : DEVICE_UNAVAILABLE);
        assert_events(&t, ends[i] == SOURCE_END_KEPT ? "1001@users #2 InUse\n"
                                                     : "1001@users #3 Unavailable\n");
        assert_false(is_stale(&t, "Custom:lamp"));
        assert_true(is_stale(&t, "PJSIP/alice"));
        end_all(&t, "a", until, SOURCE_END_FORGOTTEN);
        assert_false(is_stale(&t, "PJSIP/alice"));
        assert_int_equal(state_device_get(t.core, STR("PJSIP/alice")), DEVICE_INVALID);
        assert_int_not_equal(state_device_get(t.core, STR("Custom:lamp")), DEVICE_UNKNOWN);
        testing_fini(&t);
    }
}

/* The lamp is stale until each of its states holds again. */
static void test_each_of_a_lamp(void **state)
{
    struct testing t;

    (void)state;
    begin(&t);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_KEPT);
    buf_reset(&t.events);
    say(&t, "a", "PJSIP/alice", DEVICE_INUSE);
    assert_events(&t, "");
    say_presence(&t, "a", PRESENCE_AWAY);
    assert_events(&t, "1000@users #3 InUse away//lunch\n");
    testing_fini(&t);
}

/* Kept at first, and unavailable by another configuration; both are forgotten. */
static void test_unavailable_after_all(void **state)
{
    struct testing t;

    (void)state;
    begin(&t);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_KEPT);
    buf_reset(&t.events);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_UNAVAILABLE);
    assert_events(&t, "PJSIP/alice UNAVAILABLE\n1000@users #4 Idle away//lunch stale\n"
                      "Custom:lamp UNAVAILABLE\n1001@users #3 Unavailable stale\n"
                      "CustomPresence:alice unavailable//\n"
                      "1000@users #5 Idle unavailable// stale\n");
    end_all(&t, "a", state_reports(t.core), SOURCE_END_FORGOTTEN);
    assert_events(&t, "PJSIP/alice INVALID\n"
                      "Custom:lamp UNKNOWN\n1001@users #4 Idle\n"
                      "CustomPresence:alice not_set//\n1000@users #6 Idle\n");
    testing_fini(&t);
}

/* Presence that is not set, and is kept, holds again when it is forgotten. */
static void test_presence_not_set(void **state)
{
    const struct presence_report report = { .source = STR("a"),
                                            .provider = STR("CustomPresence:alice"),
                                            .state = PRESENCE_NOT_SET };
    struct testing t;

    (void)state;
    begin(&t);
    assert_int_equal(state_presence_report(t.core, &report), 0);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_KEPT);
    say(&t, "a", "PJSIP/alice", DEVICE_INUSE);
    buf_reset(&t.events);
    end_all(&t, "a", state_reports(t.core) - 1, SOURCE_END_FORGOTTEN);
    assert_events(&t, "Custom:lamp UNKNOWN\n1001@users #3 Idle\n1000@users #4 InUse\n");
    testing_fini(&t);
}

/* A provider that nobody knows any more; one that says itself that it knows nothing changes
 * nothing. */
static void test_presence_of_a_pbx(void **state)
{
    const struct presence_report away = { .source = STR("a"),
                                          .provider = STR("Teams:alice"),
                                          .message = STR("lunch"),
                                          .state = PRESENCE_AWAY };
    struct presence_report nothing = away;
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n1000 PJSIP/alice,Teams:alice\n");
    assert_int_equal(state_presence_report(t.core, &away), 0);
    nothing.message = STR_EMPTY;
    nothing.state = PRESENCE_INVALID;
    buf_reset(&t.events);
    assert_int_equal(state_presence_report(t.core, &nothing), 0);
    assert_events(&t, "Teams:alice //\n");
    assert_int_equal(state_presence_report(t.core, &away), 0);
    buf_reset(&t.events);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_FORGOTTEN);
    assert_events(&t, "Teams:alice //\n1000@users #3 Unavailable\n");
    testing_fini(&t);
}

/* ---- since when, and why ---- */

static const struct snapshot *lamp(struct testing *t, const char *extension)
{
    return state_find(t->core, &(struct resource_name){ .context = STR("users"),
                                                        .extension = str_of(extension) });
}

/* Presence, and whether it is stale, is no other state. */
static void test_since(void **state)
{
    struct testing t;
    uint64_t begun;

    (void)state;
    begin(&t);
    begun = t.now_ms;
    t.now_ms += 1000;
    say_presence(&t, "a", PRESENCE_DND);
    assert_int_equal(lamp(&t, "1000")->since_wall_ms, begun);
    assert_int_equal(lamp(&t, "1000")->changed_wall_ms, t.now_ms);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_KEPT);
    t.now_ms += 1000;
    assert_true(lamp(&t, "1000")->stale);
    assert_int_equal(lamp(&t, "1000")->changed_wall_ms, begun + 1000);
    say(&t, "b", "PJSIP/bob", DEVICE_RINGING);
    assert_int_equal(lamp(&t, "1000")->since_wall_ms, t.now_ms);
    testing_fini(&t);
}

static void test_cause(void **state)
{
    const struct cause *cause;
    struct testing t;

    (void)state;
    begin(&t);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_UNAVAILABLE);
    cause = &lamp(&t, "1001")->cause;
    assert_true(cause->away && cause->grace_s == 30 && str_equal(cause->source, STR("a")));
    say(&t, "a", "Custom:lamp", DEVICE_INUSE);
    assert_false(lamp(&t, "1001")->cause.away);
    testing_fini(&t);
}

static void test_forgotten(void **state)
{
    struct testing t;

    (void)state;
    begin(&t);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_FORGOTTEN);
    assert_events(&t, "PJSIP/alice INVALID\n1000@users #4 Idle away//lunch\n"
                      "Custom:lamp UNKNOWN\n1001@users #3 Idle\n"
                      "CustomPresence:alice not_set//\n1000@users #5 Idle\n");
    testing_fini(&t);
}

/* What is said again is what counts; of that nobody is told. */
static void test_anew(void **state)
{
    struct testing t;
    uint64_t until;

    (void)state;
    begin(&t);
    until = state_reports(t.core);
    say(&t, "a", "PJSIP/alice", DEVICE_INUSE);
    say_presence(&t, "a", PRESENCE_AWAY);
    say(&t, "a", "PJSIP/new", DEVICE_INUSE);
    assert_events(&t, "PJSIP/new INUSE\n");
    end_all(&t, "a", until, SOURCE_END_FORGOTTEN);
    assert_events(&t, "Custom:lamp UNKNOWN\n1001@users #3 Idle\n");
    testing_fini(&t);
}

/* Presence that somebody else has said since is no longer the source's. */
static void test_presence_is_the_last_ones(void **state)
{
    struct testing t;

    (void)state;
    begin(&t);
    say_presence(&t, "b", PRESENCE_AWAY);
    end_all(&t, "a", state_reports(t.core), SOURCE_END_FORGOTTEN);
    buf_reset(&t.events);
    end_all(&t, "b", state_reports(t.core), SOURCE_END_UNAVAILABLE);
    assert_events(&t, "PJSIP/bob UNAVAILABLE\n1000@users #5 Unavailable away//lunch stale\n"
                      "CustomPresence:alice unavailable//\n"
                      "1000@users #6 Unavailable unavailable// stale\n");
    testing_fini(&t);
}

/* ---- calls ---- */

static struct event_state *calls_new(void)
{
    struct event_state *s;

    assert_int_equal(event_state_create(&s), 0);
    s->has_dialogs = true;
    return s;
}

static const struct event_state *calls_told(struct testing *t)
{
    const struct resource_name name = { .context = STR("users"), .extension = STR("1000") };

    return state_find(t->core, &name)->calls;
}

static int set_calls(struct testing *t, const char *source, const char *device,
                     const struct event_state *calls)
{
    return state_device_calls_set(t->core, str_of(source), str_of(device), calls);
}

static void test_calls(void **state)
{
    struct event_state *one = calls_new(), *two = calls_new();
    struct testing t;

    (void)state;
    begin(&t);
    assert_int_equal(set_calls(&t, "b", "PJSIP/bob", one), 0);
    assert_events(&t, ""); /* she is in no call yet */
    say(&t, "b", "PJSIP/bob", DEVICE_RINGING);
    assert_events(&t, "PJSIP/bob RINGING\n1000@users #4 InUse&Ringing away//lunch\n");
    assert_ptr_equal(calls_told(&t), one);
    assert_int_equal(set_calls(&t, "a", "PJSIP/alice", two), 0); /* one that rings comes first */
    assert_events(&t, "");
    assert_int_equal(set_calls(&t, "b", "PJSIP/bob", one), STATE_UNCHANGED);
    assert_int_equal(set_calls(&t, "b", "PJSIP/bob", NULL), 0);
    assert_events(&t, "1000@users #5 InUse&Ringing away//lunch\n");
    assert_ptr_equal(calls_told(&t), two);
    assert_int_equal(set_calls(&t, "b", "PJSIP/bob", one), 0);
    assert_int_equal(state_device_forget(t.core, STR("b"), STR("PJSIP/bob")), 0);
    assert_ptr_equal(calls_told(&t), two);
    assert_int_equal(set_calls(&t, "b", "PJSIP/bob", one), STATE_UNCHANGED); /* b says nothing */
    assert_int_equal(set_calls(&t, "x", "PJSIP/nobody", one), STATE_UNCHANGED);
    event_state_unref(one);
    event_state_unref(two);
    testing_fini(&t);
}

/* What is said again, the state or the calls, is said; the other ends. */
static void test_calls_end(void **state)
{
    static const enum source_end hows[] = { SOURCE_END_FORGOTTEN, SOURCE_END_UNAVAILABLE,
                                            SOURCE_END_KEPT };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
        struct event_state *one = calls_new(), *same = calls_new();
        struct testing t;
        uint64_t until;

        begin(&t);
        assert_int_equal(set_calls(&t, "a", "PJSIP/alice", one), 0);
        until = state_reports(t.core);
        assert_int_equal(set_calls(&t, "a", "PJSIP/alice", same), STATE_UNCHANGED);
        say(&t, "a", "PJSIP/alice", DEVICE_INUSE);
        buf_reset(&t.events);
        end_all(&t, "a", until, hows[i]);
        assert_ptr_equal(calls_told(&t), one);
        until = state_reports(t.core);
        say(&t, "a", "PJSIP/alice", DEVICE_INUSE);
        end_all(&t, "a", until, hows[i]);
        assert_null(calls_told(&t));
        assert_int_equal(state_device_get(t.core, STR("PJSIP/alice")), DEVICE_INUSE);
        assert_int_equal(set_calls(&t, "a", "PJSIP/alice", one), 0);
        assert_ptr_equal(calls_told(&t), one);
        end_all(&t, "a", state_reports(t.core), hows[i]);
        assert_null(calls_told(&t));
        event_state_unref(one);
        event_state_unref(same);
        testing_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unavailable),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_each_of_a_lamp),
        cmocka_unit_test(test_unavailable_after_all),
        cmocka_unit_test(test_presence_not_set),
        cmocka_unit_test(test_presence_of_a_pbx),
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_cause),
        cmocka_unit_test(test_anew),
        cmocka_unit_test(test_presence_is_the_last_ones),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_calls_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
