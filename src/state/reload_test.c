// SPDX-License-Identifier: MIT
/* One dialplan after another, and hints that patterns become. */
#include <stdio.h>

#include "state/state.h"
#include "state/state_testing.h"

enum { MATERIALISED_MAX = 100000 }; /* as in state_internal.h */

static bool compares;

static int start(void **state)
{
    static struct testing t;

    testing_init(&t);
    t.compares = compares;
    report(&t, "PJSIP/alice", "INUSE");
    report(&t, "PJSIP/bob", "RINGING");
    report(&t, "PJSIP/carol", "NOT_INUSE");
    buf_reset(&t.events);
    *state = &t;
    return 0;
}

static int stop(void **state)
{
    testing_fini(*state);
    return 0;
}

/* ---- reload ---- */

static void test_unchanged(void **state)
{
    struct testing *t = *state;
    const struct snapshot *before, *after;

    apply(t, "[a]\n1 PJSIP/alice(Alice)\n[b]\n1 PJSIP/bob");
    assert_events(t, "1@a #1 InUse\n1@b #1 Ringing\n");
    before = watch(t, "a", "1", 0);
    apply(t, "[b]\n1 PJSIP/bob\n[a]\n2 PJSIP/alice\n1 PJSIP/alice(Alice)");
    assert_events(t, "2@a #1 InUse\n");
    after = watch(t, "a", "1", 0);
    assert_ptr_equal(before, after); /* not even a new snapshot */
    report(t, "PJSIP/alice", "NOT_INUSE");
    assert_events(t, "PJSIP/alice NOT_INUSE\n1@a #2 Idle -> 1\n2@a #2 Idle\n");
}

static void test_changed(void **state)
{
    struct testing *t = *state;
    uint64_t id;

    apply(t, "[a]\n1 PJSIP/alice");
    id = watch(t, "a", "1", 0)->resource_id;
    buf_reset(&t->events);
    apply(t, "[a]\n1 PJSIP/bob");
    assert_events(t, "1@a #2 Ringing -> 1\n");
    report(t, "PJSIP/alice", "BUSY"); /* is nothing to it any more */
    assert_events(t, "PJSIP/alice BUSY\n");
    report(t, "PJSIP/bob", "INUSE");
    assert_events(t, "PJSIP/bob INUSE\n1@a #3 InUse -> 1\n");
    assert_int_equal(watch(t, "a", "1", 0)->resource_id, id);
    apply(t, "global WHO=alice\n[a]\n1 PJSIP/${WHO}");
    assert_events(t, "1@a #4 Busy -> 1\n");
    apply(t, "global WHO=bob\n[a]\n1 PJSIP/${WHO}");
    assert_events(t, "1@a #5 InUse -> 1\n");
    assert_true(str_equal(watch(t, "a", "1", 0)->hint, STR("PJSIP/bob")));
}

/* Another text that shows the same lamp is nobody's business, but listings show it. */
static void test_changed_quietly(void **state)
{
    struct testing *t = *state;
    const struct snapshot *s;

    apply(t, "[a]\n1-0 PJSIP/alice(Alice)");
    s = watch(t, "a", "10", 0);
    buf_reset(&t->events);
    apply(t, "[a]\n10 PJSIP/alice&PJSIP/carol(Both)");
    assert_events(t, "");
    s = watch(t, "a", "10", 0);
    assert_true(str_equal(s->extension, STR("10")));
    assert_true(str_equal(s->hint, STR("PJSIP/alice&PJSIP/carol")));
    assert_true(str_equal(s->hint_name, STR("Both")));
    assert_int_equal(s->sequence, 1);
    report(t, "PJSIP/carol", "RINGING");
    assert_events(t, "PJSIP/carol RINGING\n10@a #2 InUse&Ringing -> 1\n");
}

static void test_removed(void **state)
{
    struct testing *t = *state;
    uint64_t id;

    apply(t, "[a]\n1 PJSIP/alice\n2 PJSIP/alice,CustomPresence:alice");
    presence(t, "CustomPresence:alice", "away", "s", "m");
    id = watch(t, "a", "1", 0)->resource_id;
    buf_reset(&t->events);
    apply(t, "[a]\n3 PJSIP/alice"); /* the old ones end before the new one comes */
    assert_events(t, "1@a #2 removed -> 1\n2@a #3 removed away/s/m\n3@a #1 InUse\n");
    state_unwatch(t->core, id, 0);
    assert_int_equal(watch_result(t, "a", "1"), STATE_NO_HINT);
    apply(t, "[a]\n1 PJSIP/alice");
    assert_events(t, "3@a #2 removed\n1@a #1 InUse\n"); /* another resource */
    assert_int_not_equal(watch(t, "a", "1", 0)->resource_id, id);
    apply(t, "");
    assert_events(t, "1@a #2 removed -> 1\n");
    report(t, "PJSIP/alice", "BUSY");
    assert_events(t, "PJSIP/alice BUSY\n");
}

static void test_presence_part(void **state)
{
    struct testing *t = *state;

    presence(t, "CustomPresence:alice", "away", "s", "m");
    apply(t, "[a]\n1 PJSIP/alice,CustomPresence:alice");
    buf_reset(&t->events);
    apply(t, "[a]\n1 PJSIP/alice");
    assert_events(t, "1@a #2 InUse\n");
    apply(t, "[a]\n1 PJSIP/alice,CustomPresence:alice");
    assert_events(t, "1@a #3 InUse away/s/m\n");
    presence(t, "CustomPresence:alice", "", "", "");
    buf_reset(&t->events);
    apply(t, "[a]\n1 PJSIP/alice,CustomPresence:alice"); /* invalid: what it was stays */
    assert_events(t, "");
    apply(t, "[a]\n1 PJSIP/alice,PJSIP/alice"); /* but not for other providers */
    assert_events(t, "1@a #4 InUse\n");
}

static void test_silent(void **state)
{
    static const struct state_switches silent = { .unavailable_is_silent = true };
    struct testing *t = *state;

    state_switches_set(t->core, &silent);
    apply(t, "[a]\n1 PJSIP/nobody\n2 PJSIP/alice\n_3X PJSIP/nobody");
    assert_events(t, "2@a #1 InUse\n");
    apply(t, "[a]\n1 PJSIP/carol\n2 PJSIP/nobody");
    assert_events(t, "1@a #2 Idle\n2@a #2 Unavailable\n"); /* a hint that is not fresh */
}

static void test_long_text(void **state)
{
    struct testing *t = *state;
    struct buf text;

    /* 4095 bytes are all that a text may become; more is no hint anybody can have meant. */
    buf_init(&text, 10000);
    buf_printf(&text, "global X=%0200d\n[a]\n1 PJSIP/alice", 0);
    for (int i = 0; i < 30; i++)
        buf_add(&text, STR("&${X}"));
    buf_add_char(&text, '\0');
    assert_int_equal(text.error, 0);
    apply(t, text.p);
    assert_events(t, "1@a #1 Unavailable\n");
    buf_fini(&text);
}

/* ---- patterns ---- */

static void test_materialise(void **state)
{
    struct testing *t = *state;
    const struct snapshot *s;

    state_watch_all(t->core, 60);
    apply(t, "global T=PJSIP\n[top]\ninclude a\n[a]\n_X! ${T}/${EXTEN},CustomPresence:${CONTEXT}\n"
             "_[a-z]. PJSIP/${EXTEN}(Somebody)");
    assert_events(t, "");
    s = watch(t, "top", "alice", 1);
    assert_events(t, "alice@a #1 InUse -> 1000000000000000\n"); /* who asks has the answer */
    assert_true(str_equal(s->context, STR("a")));
    assert_true(str_equal(s->hint, STR("PJSIP/alice")));
    assert_true(str_equal(s->hint_name, STR("Somebody")));
    assert_ptr_equal(watch(t, "a", "alice", 2), s);
    report(t, "PJSIP/alice", "NOT_INUSE");
    assert_events(t, "PJSIP/alice NOT_INUSE\nalice@a #2 Idle -> 1000000000000006\n");
}

/* Dashes are part of a name, but not of a number: who asks first does not name another's device. */
static void test_materialise_names(void **state)
{
    struct testing *t = *state;
    const struct snapshot *s;

    apply(t, "[a]\n_f. Custom:${EXTEN}");
    report(t, "Custom:front-door", "RINGING");
    s = watch(t, "a", "fr-ontdoor", 1);
    assert_true(str_equal(s->hint, STR("Custom:fr-ontdoor")));
    buf_reset(&t->events);
    s = watch(t, "a", "front-door", 2);
    assert_true(str_equal(s->extension, STR("front-door")));
    assert_true(str_equal(s->hint, STR("Custom:front-door")));
    assert_events(t, "front-door@a #1 Ringing\n");
    report(t, "Custom:front-door", "NOT_INUSE");
    assert_events(t, "Custom:front-door NOT_INUSE\nfront-door@a #2 Idle -> 4\n");
}

static void test_materialise_numbers(void **state)
{
    struct testing *t = *state;
    const struct snapshot *s;

    apply(t, "[a]\n_X! PJSIP/${EXTEN},CustomPresence:${CONTEXT}${EXTEN:1}");
    s = watch(t, "a", "1-234", 1);
    assert_true(str_equal(s->extension, STR("1234")));
    assert_true(str_equal(s->hint, STR("PJSIP/1234,CustomPresence:a234")));
    assert_ptr_equal(watch(t, "a", "1234", 1), s);
    presence(t, "CustomPresence:a234", "dnd", "", "");
    assert_events(t, "1234@a #1 Unavailable\nCustomPresence:a234 dnd//\n"
                     "1234@a #2 Unavailable dnd// -> 2\n");
}

/* A name that somebody asks for becomes part of a hint's text. */
static void test_materialise_refusals(void **state)
{
    static const char *const names[] = {
        "a&PJSIP/alice",
        "a,CustomPresence:alice",
        "a\nb",
        "a\x7f",
        "\x01",
        "_X",
        "_!",
        "-",
        "--",
        "",
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
    };
    struct testing *t = *state;
    struct state_counters c;

    apply(t, "[a]\n_! PJSIP/${EXTEN}");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(watch_result(t, "a", names[i]), STATE_NO_HINT);
    state_counters_get(t->core, &c);
    assert_int_equal(c.resources, 0);
    assert_true(str_equal(watch(t, "a", "${T}", 1)->hint, STR("PJSIP/${T}"))); /* no variable */
}

static void test_materialised_reload(void **state)
{
    struct testing *t = *state;
    uint64_t id;

    apply(t, "[a]\n_[a-z]. PJSIP/${EXTEN}\n_1X Custom:${EXTEN}");
    id = watch(t, "a", "alice", 0)->resource_id;
    (void)watch(t, "a", "11", 0);
    (void)watch(t, "a", "bob", 0);
    state_unwatch(t->core, watch(t, "a", "bob", 0)->resource_id, 0);
    buf_reset(&t->events);
    /* With the new pattern's text; 11 has none any more, and nobody misses bob. */
    apply(t, "[a]\n_[a-z]. Custom:${EXTEN}\n_2X Custom:${EXTEN}");
    assert_events(t, "11@a #2 removed -> 1\nbob@a #2 removed\nalice@a #2 Idle -> 1\n");
    assert_int_equal(watch(t, "a", "alice", 0)->resource_id, id);
    /* Written out, and back again. */
    apply(t, "[a]\n_[a-z]. Custom:${EXTEN}\nalice PJSIP/alice");
    assert_events(t, "alice@a #3 InUse -> 1\n");
    apply(t, "[a]\n_[a-z]. Custom:${EXTEN}");
    assert_events(t, "alice@a #4 Idle -> 1\n");
    assert_int_equal(watch(t, "a", "alice", 0)->resource_id, id);
    state_unwatch(t->core, id, 0);
    apply(t, "[a]\n_[a-z]. Custom:${EXTEN}");
    assert_events(t, "alice@a #5 removed\n");
}

/* What a publisher has published stays while the pattern does. */
static void test_materialised_reload_published(void **state)
{
    struct testing *t = *state;
    uint64_t id;

    state_watch_all(t->core, 4);
    apply(t, "[a]\n_[a-z]. PJSIP/${EXTEN}\nbob PJSIP/bob");
    id = watch(t, "a", "alice", 0)->resource_id;
    state_unwatch(t->core, id, 0);
    buf_reset(&t->events);
    apply(t, "[a]\n_[a-z]. PJSIP/${EXTEN}");
    assert_events(t, "bob@a #2 removed -> 10\n");
    apply(t, "");
    assert_events(t, "alice@a #2 removed -> 10\n");
}

static void test_bound(void **state)
{
    struct testing *t = *state;
    struct state_counters c;
    uint64_t first = 0, second = 0;
    char name[16];

    state_watch_all(t->core, 7); /* one that watches everything keeps nothing alive */
    apply(t, "[a]\n_X. Custom:lamp");
    for (int i = 0; i < MATERIALISED_MAX; i++) {
        const struct snapshot *s;

        snprintf(name, sizeof(name), "%d", 1000000 + i);
        s = watch(t, "a", name, 0);
        first = i == 500 ? s->resource_id : first;
        second = i == 300 ? s->resource_id : second;
    }
    buf_reset(&t->events);
    assert_int_equal(watch_result(t, "a", "5"), STATE_NO_HINT); /* no match at all */
    assert_int_equal(watch_result(t, "a", "55"), STATE_NO_HINT);
    assert_int_equal(watch(t, "a", "1000000", 1)->sequence, 1); /* those that are there, are */
    state_unwatch(t->core, first, 0);
    state_unwatch(t->core, second, 0);
    assert_events(t, "");
    assert_int_equal(watch_result(t, "a", "55"), 0);
    assert_events(t, "1000500@a #2 removed -> 80\n55@a #1 Idle -> 80\n");
    assert_int_equal(watch_result(t, "a", "1000300"), 0); /* watched again */
    assert_int_equal(watch_result(t, "a", "56"), STATE_NO_HINT);
    state_counters_get(t->core, &c);
    assert_int_equal(c.resources, MATERIALISED_MAX);
    buf_reset(&t->events);
    apply(t, "[a]\n_1. Custom:lamp"); /* which makes room for one */
    assert_events(t, "55@a #2 removed -> a0\n");
    assert_int_equal(watch_result(t, "a", "11"), 0);
    assert_int_equal(watch_result(t, "a", "12"), STATE_NO_HINT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* What a reload does most of the time. */
static void test_literals(void **state)
{
    struct testing *t = *state;
    struct dialplan *other = plan_of("[a]\n9 PJSIP/alice\n_X! Custom:${EXTEN}"), *dp;
    const struct snapshot *alice;

    apply(t, "[a]\n1 PJSIP/alice\n2 PJSIP/bob\n3-3 PJSIP/carol\n_X! Custom:${EXTEN}");
    alice = watch(t, "a", "1", 0);
    (void)watch(t, "a", "2", 0);
    (void)watch(t, "a", "77", 0);
    buf_reset(&t->events);
    /* One reads otherwise, one goes to its pattern, one is another's name now, two come. */
    apply(t, "[a]\n1 PJSIP/alice\n33 PJSIP/bob(Bob)\n4 PJSIP/carol\n77 PJSIP/bob\n"
             "_X! Custom:${EXTEN}");
    assert_events(t, "33@a #2 Ringing\n4@a #1 Idle\n77@a #2 Ringing -> 1\n"
                     "2@a #2 Idle -> 1\n");
    assert_ptr_equal(watch(t, "a", "1", 0), alice);
    /* Compared with one that is not in force. */
    dp = plan_of("[a]\n9 PJSIP/alice\n_X! Custom:${EXTEN}");
    assert_int_equal(dialplan_compare(dp, other), 0);
    buf_reset(&t->events);
    assert_int_equal(state_dialplan_apply(t->core, dialplan_ref(dp)), 0);
    dialplan_unref(t->dialplan);
    dialplan_unref(other);
    t->dialplan = dp;
    assert_events(t, "33@a #3 removed\n4@a #2 removed\n9@a #1 InUse\n"
                     "1@a #2 Idle -> 1\n77@a #3 Idle -> 1\n");
    /* Whether names still mean the same. */
    for (size_t i = 0; i < 2; i++) {
        dp = plan_of(i ? "[a]\n9 PJSIP/bob\n_X! Custom:${EXTEN}"
                       : "[a]\n9 PJSIP/bob\n8 PJSIP/bob\n_X! Custom:${EXTEN}");
        assert_int_equal(dialplan_compare(dp, t->dialplan), 0);
        assert_int_equal(state_dialplan_apply(t->core, dialplan_ref(dp)), 0);
        dialplan_unref(t->dialplan);
        t->dialplan = dp;
    }
    dp = plan_of("[a]\n9 PJSIP/carol\n_X! Custom:${EXTEN}");
    assert_int_equal(dialplan_compare(dp, t->dialplan), 0);
    assert_int_equal(state_dialplan_apply(t->core, dp), STATE_SAME_NAMES);
}

static void on_change(void *ctx, const struct dialplan_change *c)
{
    static const char *const kinds[] = { "global", "includes", "autohints", "hint", "name" };

    buf_printf(ctx, "%s%s %.*s@%.*s %.*s>%.*s\n",
               c->added     ? "+"
               : c->removed ? "-"
                            : "",
               kinds[c->kind], STR_FMT(c->extension), STR_FMT(c->context), STR_FMT(c->was),
               STR_FMT(c->is));
}

static void test_told(void **state)
{
    struct testing *t = *state;
    struct dialplan *from = plan_of("global A=1\n[a]\ninclude b\n1 X/1(One)\n2 X/2\n"
                                    "3 X/3\n_4X X/4\n_5X X/5\n[b]\nautohints\n[gone]\n9 X/9");
    struct dialplan *to = plan_of("global A=2\n[a]\n1 X/1(Won)\n2 X/22\n6 X/6\n"
                                  "_4X X/44\n_6X X/6\n[new]\nautohints\n7 X/7\n[b]");

    dialplan_changes(to, from, on_change, &t->events);
    assert_events(t, "global A@ 1>2\n"
                     "includes @a >\nname 1@a One>Won\nhint 2@a X/2>X/22\n+hint 6@a >X/6\n"
                     "hint _4X@a X/4>X/44\n+hint _6X@a >X/6\n-hint 3@a X/3>\n-hint _5X@a X/5>\n"
                     "autohints @new >yes\n+hint 7@new >X/7\nautohints @b yes>\n"
                     "-hint 9@gone X/9>\n");
    dialplan_changes(to, to, on_change, &t->events);
    assert_events(t, "");
    dialplan_unref(from);
    from = plan_of("");
    dialplan_unref(to);
    to = plan_of("global C=1");
    dialplan_changes(to, from, on_change, &t->events);
    dialplan_changes(from, to, on_change, &t->events);
    assert_events(t, "+global C@ >1\n-global C@ 1>\n");
    dialplan_unref(from);
    dialplan_unref(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unchanged),
        TEST(test_changed),
        TEST(test_changed_quietly),
        TEST(test_removed),
        TEST(test_presence_part),
        TEST(test_silent),
        TEST(test_long_text),
        TEST(test_materialise),
        TEST(test_materialise_names),
        TEST(test_materialise_numbers),
        TEST(test_materialise_refusals),
        TEST(test_materialised_reload),
        TEST(test_materialised_reload_published),
        TEST(test_literals),
        TEST(test_told),
        TEST(test_bound),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    compares = true; /* and they are told the same */
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
