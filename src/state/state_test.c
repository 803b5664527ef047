// SPDX-License-Identifier: MIT
/* Devices, presence and the hints that follow them. */
#include "state/state.h"
#include <stdio.h>

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

/* ---- devices ---- */

static void test_device(void **state)
{
    struct testing *t = *state;

    assert_int_equal(state_device_get(t->core, STR("PJSIP/alice")), DEVICE_INVALID);
    assert_int_equal(state_device_get(t->core, STR("Custom:lamp")), DEVICE_UNKNOWN);
    assert_int_equal(state_device_get(t->core, STR("custom:lamp")), DEVICE_UNKNOWN);
    assert_int_equal(state_device_get(t->core, STR("")), DEVICE_INVALID);
    assert_int_equal(report(t, "PJSIP/alice", "INUSE"), 0);
    assert_int_equal(report(t, "PJSIP/alice", "INUSE"), STATE_UNCHANGED);
    assert_int_equal(report(t, " PJSIP/alice ", "INUSE"), STATE_UNCHANGED);
    assert_events(t, "PJSIP/alice INUSE\n");
    assert_int_equal(state_device_get(t->core, STR("PJSIP/alice")), DEVICE_INUSE);
    assert_int_equal(state_device_get(t->core, STR("PJSIP/Alice")), DEVICE_INVALID);
    assert_int_equal(report(t, "PJSIP/bob", "INVALID"), 0); /* new, but it says nothing new */
    assert_events(t, "");
    assert_int_equal(forget(t, "test", "PJSIP/alice"), 0);
    assert_int_equal(forget(t, "test", "PJSIP/alice"), STATE_UNCHANGED);
    assert_int_equal(forget(t, "test", "PJSIP/nobody"), STATE_UNCHANGED);
    assert_events(t, "PJSIP/alice INVALID\n");
    assert_int_equal(forget(t, "test", ""), STATE_BAD_NAME);
}

static void test_sources(void **state)
{
    struct testing *t = *state;

    report_from(t, "one", "PJSIP/a", "RINGING");
    report_from(t, "two", "PJSIP/a", "INUSE");
    report_from(t, "three", "PJSIP/a", "NOT_INUSE");
    report_from(t, "three", "PJSIP/a", "INUSE");
    assert_events(t, "PJSIP/a RINGING\nPJSIP/a RINGINUSE\n");
    forget(t, "one", "PJSIP/a");
    forget(t, "two", "PJSIP/a");
    assert_events(t, "PJSIP/a INUSE\n");
    assert_int_equal(forget(t, "two", "PJSIP/a"), STATE_UNCHANGED);
    forget(t, "three", "PJSIP/a");
    assert_events(t, "PJSIP/a INVALID\n");
}

static void test_names(void **state)
{
    char name[81];
    struct testing *t = *state;

    assert_int_equal(report(t, "", "INUSE"), STATE_BAD_NAME);
    assert_int_equal(report(t, " ", "INUSE"), STATE_BAD_NAME);
    assert_int_equal(report(t, "custom:", "INUSE"), STATE_BAD_NAME);
    assert_int_equal(report(t, "Custom:a\tb", "INUSE"), STATE_BAD_NAME);
    assert_int_equal(presence(t, "", "away", "", ""), STATE_BAD_NAME);
    assert_int_equal(presence(t, "CustomPresence:", "away", "", ""), STATE_BAD_NAME);
    memset(name, 'x', sizeof(name));
    name[79] = '\0';
    assert_int_equal(report(t, name, "INUSE"), 0);
    name[79] = 'x';
    name[80] = '\0';
    assert_int_equal(report(t, name, "INUSE"), STATE_BAD_NAME);
    assert_int_equal(report_from(t, name, "PJSIP/a", "INUSE"), STATE_BAD_NAME);
    name[79] = '\0';
    name[78] = '\xf6'; /* of two bytes in UTF-8 */
    assert_int_equal(report(t, name, "INUSE"), STATE_BAD_NAME);
    buf_reset(&t->events);
    report(t, "cUSTOM:Lamp/1", "INUSE");
    report(t, "Custom:Lamp/1", "BUSY");
    report(t, "Custom:lamp/1", "BUSY");
    report(t, "MWI:Box", "INUSE");
    report(t, "mwi:Box", "NOT_INUSE"); /* one device, as it was called first */
    report(t, "mwi:box", "INUSE");
    report(t, "SIP/a:b", "INUSE"); /* no label behind a slash */
    report(t, "sip/a:b", "BUSY");
    report(t, "Queue:\xc4nderung", "INUSE");
    report(t, "queue:\xc3\x84nderung", "BUSY");
    assert_events(t, "Custom:Lamp/1 INUSE\nCustom:Lamp/1 BUSY\nCustom:lamp/1 BUSY\n"
                     "MWI:Box INUSE\nMWI:Box NOT_INUSE\nmwi:box INUSE\n"
                     "SIP/a:b INUSE\nsip/a:b BUSY\n"
                     "Queue:\xc3\x84nderung INUSE\nQueue:\xc3\x84nderung BUSY\n");
}

static void defaults(struct testing *t, const char *text)
{
    struct str names[8], rest = str_of(text);
    enum device_state states[8];
    size_t n = 0;

    while (rest.n) {
        names[n] = str_next(&rest, ' ');
        assert_int_equal(device_state_parse(&states[n++], str_next(&rest, ' ')), 0);
    }
    assert_int_equal(state_device_defaults(t->core, names, states, n), 0);
}

static void test_defaults(void **state)
{
    struct testing *t = *state;

    apply(t, "[users]\n1 PJSIP/a\n2 PJSIP/b\n3 PJSIP/a&PJSIP/b");
    buf_reset(&t->events);
    report(t, "PJSIP/b", "BUSY");
    assert_events(t, "PJSIP/b BUSY\n2@users #2 Busy\n3@users #2 Busy\n");
    defaults(t, "PJSIP/a NOT_INUSE PJSIP/b UNAVAILABLE PJSIP/c NOT_INUSE");
    assert_events(t, "PJSIP/a NOT_INUSE\nPJSIP/c NOT_INUSE\n1@users #2 Idle\n");
    defaults(t, "PJSIP/a NOT_INUSE PJSIP/b UNAVAILABLE PJSIP/c NOT_INUSE");
    assert_events(t, "");
    forget(t, "test", "PJSIP/b"); /* what it is without reports */
    assert_events(t, "PJSIP/b UNAVAILABLE\n2@users #3 Unavailable\n3@users #3 Idle\n");
    report(t, "PJSIP/a", "INUSE");
    assert_events(t, "PJSIP/a INUSE\n1@users #3 InUse\n3@users #4 InUse\n");
    defaults(t, "PJSIP/b NOT_INUSE");
    assert_events(t, "PJSIP/b NOT_INUSE\nPJSIP/c INVALID\n2@users #4 Idle\n");
    forget(t, "test", "PJSIP/a");
    assert_events(t, "PJSIP/a INVALID\n1@users #4 Unavailable\n3@users #5 Idle\n");
    defaults(t, "");
    assert_events(t, "PJSIP/b INVALID\n2@users #5 Unavailable\n3@users #6 Unavailable\n");
}

/* One of them is another one. */
static void test_default_set(void **state)
{
    struct testing *t = *state;

    apply(t, "[users]\n1 PJSIP/a\n2 PJSIP/b");
    defaults(t, "PJSIP/a UNAVAILABLE PJSIP/b UNAVAILABLE");
    buf_reset(&t->events);
    assert_int_equal(state_device_default_set(t->core, STR("PJSIP/a"), DEVICE_NOT_INUSE), 0);
    assert_events(t, "PJSIP/a NOT_INUSE\n1@users #2 Idle\n");
    assert_int_equal(state_device_default_set(t->core, STR("PJSIP/a"), DEVICE_NOT_INUSE),
                     STATE_UNCHANGED);
    assert_int_equal(state_device_default_set(t->core, STR("PJSIP/c"), DEVICE_NOT_INUSE),
                     STATE_UNCHANGED);
    assert_int_equal(state_device_default_set(t->core, STR(" "), DEVICE_NOT_INUSE), STATE_BAD_NAME);
    /* A report counts more, and without it the default is what it is then. */
    report(t, "PJSIP/b", "BUSY");
    buf_reset(&t->events);
    assert_int_equal(state_device_default_set(t->core, STR("PJSIP/b"), DEVICE_NOT_INUSE), 0);
    assert_events(t, "");
    forget(t, "test", "PJSIP/b");
    assert_events(t, "PJSIP/b NOT_INUSE\n2@users #3 Idle\n");
}

/* Both devices of a hint change at once: it is told once. */
static void test_defaults_together(void **state)
{
    struct testing *t = *state;

    apply(t, "[users]\n1 PJSIP/a&PJSIP/b");
    buf_reset(&t->events);
    defaults(t, "PJSIP/a RINGING PJSIP/b INUSE PJSIP/a BUSY");
    assert_events(t, "PJSIP/a BUSY\nPJSIP/b INUSE\n1@users #2 Busy\n");
}

/* ---- hints ---- */

static void test_hint(void **state)
{
    struct testing *t = *state;
    const struct snapshot *s;

    report(t, "PJSIP/alice", "NOT_INUSE");
    buf_reset(&t->events);
    apply(t,
          "[users]\n1000 PJSIP/alice(Alice Smith)\n1001 PJSIP/bob\n1002 Custom:x\n1003 ,Custom:y");
    assert_events(t, "1000@users #1 Idle\n1001@users #1 Unavailable\n1002@users #1 Idle\n"
                     "1003@users #1 Unavailable\n");
    s = watch(t, "users", "1-000", 3);
    assert_true(str_equal(s->extension, STR("1000")));
    assert_true(str_equal(s->context, STR("users")));
    assert_true(str_equal(s->hint, STR("PJSIP/alice")));
    assert_true(str_equal(s->hint_name, STR("Alice Smith")));
    assert_int_equal(s->changed_wall_ms, 1000000);
    t->now_ms += 5000;
    report(t, "PJSIP/alice", "ONHOLD");
    assert_events(t, "PJSIP/alice ONHOLD\n1000@users #2 Hold -> 8\n");
    assert_int_equal(watch(t, "users", "1000", 4)->changed_wall_ms, 1005000);
    assert_int_equal(watch(t, "users", "1000", 4)->sequence, 2);
    report(t, "PJSIP/alice", "NOT_INUSE");
    assert_events(t, "PJSIP/alice NOT_INUSE\n1000@users #3 Idle -> 18\n");
    report(t, "PJSIP/alice", "UNKNOWN"); /* idle, too */
    assert_events(t, "PJSIP/alice UNKNOWN\n");
    s = watch(t, "users", "1000", 4);
    state_unwatch(t->core, s->resource_id, 3);
    state_unwatch(t->core, 999, 3);
    report(t, "PJSIP/alice", "INUSE");
    assert_events(t, "PJSIP/alice INUSE\n1000@users #4 InUse -> 10\n");
    assert_int_equal(watch_result(t, "users", "2000"), STATE_NO_HINT);
    assert_int_equal(watch_result(t, "nowhere", "1000"), STATE_NO_HINT);
}

static void test_several_devices(void **state)
{
    struct testing *t = *state;

    /* Blanks, a device given twice, nothing between two separators, a label in another case. */
    apply(t, "[a]\n1 PJSIP/x & PJSIP/y&& PJSIP/x&custom:z");
    assert_events(t, "1@a #1 Idle\n");
    report(t, "Custom:z", "UNAVAILABLE");
    report(t, "PJSIP/x", "RINGING");
    report(t, "PJSIP/y", "INUSE");
    report(t, "PJSIP/x", "NOT_INUSE");
    report(t, "PJSIP/y", "NOT_INUSE");
    report(t, "Custom:z", "ONHOLD");
    assert_events(t, "Custom:z UNAVAILABLE\n1@a #2 Unavailable\n"
                     "PJSIP/x RINGING\n1@a #3 Ringing\n"
                     "PJSIP/y INUSE\n1@a #4 InUse&Ringing\n"
                     "PJSIP/x NOT_INUSE\n1@a #5 InUse\n"
                     "PJSIP/y NOT_INUSE\n1@a #6 Idle\n"
                     "Custom:z ONHOLD\n1@a #7 Hold\n");
}

static void test_ringing_repeat(void **state)
{
    static const struct state_switches repeat = { .ringing_repeat = true };
    struct testing *t = *state;

    apply(t, "[a]\n1 PJSIP/x&PJSIP/y");
    report(t, "PJSIP/x", "RINGING");
    report(t, "PJSIP/y", "INUSE");
    buf_reset(&t->events);
    report(t, "PJSIP/x", "RINGINUSE");
    assert_events(t, "PJSIP/x RINGINUSE\n");
    report(t, "PJSIP/x", "RINGING");
    buf_reset(&t->events);
    state_switches_set(t->core, &repeat);
    report(t, "PJSIP/x", "RINGINUSE");
    assert_events(t, "PJSIP/x RINGINUSE\n1@a #4 InUse&Ringing\n");
    report(t, "PJSIP/x", "RINGINUSE"); /* the same report is no report */
    report_from(t, "other", "PJSIP/x", "NOT_INUSE");
    assert_events(t, "");
    report(t, "PJSIP/x", "BUSY"); /* neither rings */
    report(t, "PJSIP/y", "NOT_INUSE");
    assert_events(t, "PJSIP/x BUSY\n1@a #5 Busy\nPJSIP/y NOT_INUSE\n");
}

static void test_presence(void **state)
{
    struct testing *t = *state;

    apply(t, "[a]\n1 PJSIP/x,CustomPresence:x&custompresence:y\n2 ,CustomPresence:xx\n3 PJSIP/x");
    buf_reset(&t->events);
    presence(t, "CustomPresence:x", "available", "", "");
    assert_events(t, "CustomPresence:x available//\n1@a #2 Unavailable available//\n");
    assert_int_equal(presence(t, "CustomPresence:x", "available", "", ""), STATE_UNCHANGED);
    assert_events(t, "");
    presence(t, "custompresence:y", "away", "lunch", "until two");
    assert_events(t, "CustomPresence:y away/lunch/until two\n"
                     "1@a #3 Unavailable away/lunch/until two\n");
    presence(t, "CustomPresence:x", "away", "dinner", ""); /* the first of equals */
    assert_events(t, "CustomPresence:x away/dinner/\n1@a #4 Unavailable away/dinner/\n");
    presence(t, "CustomPresence:y", "xa", "dinner", "");
    presence(t, "CustomPresence:y", "not_set", "", "");
    presence(t, "CustomPresence:y", "unavailable", "a", "b");
    assert_events(t, "CustomPresence:y xa/dinner/\n1@a #5 Unavailable xa/dinner/\n"
                     "CustomPresence:y not_set//\n1@a #6 Unavailable away/dinner/\n"
                     "CustomPresence:y unavailable/a/b\n");
    presence(t, "CustomPresence:X", "dnd", "", ""); /* somebody else */
    assert_events(t, "CustomPresence:X dnd//\n");
    report(t, "PJSIP/x", "INUSE");
    assert_events(t, "PJSIP/x INUSE\n1@a #7 InUse away/dinner/\n3@a #2 InUse\n");
}

static void test_presence_invalid(void **state)
{
    struct testing *t = *state;

    apply(t, "[a]\n1 PJSIP/x,CustomPresence:x&PJSIP/p\n2 PJSIP/x,PJSIP/p");
    assert_events(t, "1@a #1 Unavailable\n2@a #1 Unavailable\n");
    presence(t, "CustomPresence:x", "chat", "s", "m");
    presence(t, "CustomPresence:x", "", "", ""); /* invalid: as if nothing had been said */
    assert_events(t, "CustomPresence:x chat/s/m\n1@a #2 Unavailable chat/s/m\n"
                     "CustomPresence:x //\n");
    report(t, "PJSIP/x", "BUSY");
    assert_events(t, "PJSIP/x BUSY\n1@a #3 Busy chat/s/m\n2@a #2 Busy\n");
    presence(t, "PJSIP/p", "available", "", "");
    assert_events(t, "PJSIP/p available//\n1@a #4 Busy available//\n2@a #3 Busy available//\n");
}

/* What was assumed and is now said changes nothing for hints, but is known from then on. */
static void test_presence_first(void **state)
{
    struct testing *t = *state;
    struct state_counters c;

    assert_int_equal(presence(t, "CustomPresence:x", "not_set", "", ""), 0);
    assert_int_equal(presence(t, "CustomPresence:x", "not_set", "", ""), STATE_UNCHANGED);
    assert_events(t, "");
    state_counters_get(t->core, &c);
    assert_int_equal(c.presences, 1);
}

static void test_watch_all(void **state)
{
    static const struct state_switches silent = { .unavailable_is_silent = true };
    struct testing *t = *state;

    state_switches_set(t->core, &silent);
    state_watch_all(t->core, 63);
    report(t, "PJSIP/a", "INUSE");
    buf_reset(&t->events);
    apply(t, "[a]\n1 PJSIP/a\n2 PJSIP/b\n3 PJSIP/b,CustomPresence:c");
    assert_events(t, "1@a #1 InUse -> 8000000000000000\n");
    (void)watch(t, "a", "1", 0);
    state_watch_all(t->core, 62); /* is told what the others were */
    assert_events(t, "1@a #1 InUse -> 4000000000000000\n");
    state_watch_all(t->core, 62);
    assert_events(t, "");
    report(t, "PJSIP/b", "NOT_INUSE");
    assert_events(t, "PJSIP/b NOT_INUSE\n2@a #2 Idle -> c000000000000000\n"
                     "3@a #2 Idle -> c000000000000000\n");
    report(t, "PJSIP/b", "UNAVAILABLE"); /* this is a change like any other */
    assert_events(t, "PJSIP/b UNAVAILABLE\n2@a #3 Unavailable -> c000000000000000\n"
                     "3@a #3 Unavailable -> c000000000000000\n");
    report(t, "PJSIP/a", "BUSY");
    assert_events(t, "PJSIP/a BUSY\n1@a #2 Busy -> c000000000000001\n");
    state_watch_all(t->core, 61);
    assert_events(t, "1@a #2 Busy -> 2000000000000000\n2@a #3 Unavailable -> 2000000000000000\n"
                     "3@a #3 Unavailable -> 2000000000000000\n");
}

static bool cacheable(struct testing *t, const char *extension)
{
    const struct resource_name name = { .context = STR("top"), .extension = str_of(extension) };
    const struct snapshot *s;
    bool answer = false;

    assert_int_equal(state_watch(t->core, &name, false, 1, &s, &answer), 0);
    return answer;
}

static void test_cacheable(void **state)
{
    struct testing *t = *state;

    assert_int_equal(watch_result(t, "top", "1"), STATE_NO_HINT); /* there is no dialplan yet */
    apply(t, "[top]\ninclude one\ninclude two,*\n[one]\n1 x/y\n_2X x/y\n[two]\n3 x/y\n_4X x/y");
    assert_true(cacheable(t, "1"));
    assert_true(cacheable(t, "21"));
    assert_true(cacheable(t, "21"));
    assert_false(cacheable(t, "3"));
    assert_false(cacheable(t, "41"));
    assert_false(cacheable(t, "41"));
}

/* ---- views ---- */

static void print_hint(void *ctx, const struct state_hint_view *v)
{
    buf_printf(ctx, "%.*s@%.*s %.*s (%.*s) %.*s:%u %llx %s%s%.*s\n", STR_FMT(v->extension),
               STR_FMT(v->context), STR_FMT(v->hint), STR_FMT(v->name), STR_FMT(v->file), v->line,
               (unsigned long long)v->consumers, v->pattern ? "pattern " : "",
               v->autohint ? "auto " : "",
               STR_FMT(v->snapshot ? extension_state_text(v->snapshot->state) : STR_EMPTY));
}

static void print_device(void *ctx, const struct state_device_view *v)
{
    buf_printf(ctx, "%.*s %.*s %llu:", STR_FMT(v->device), STR_FMT(device_state_name(v->state)),
               (unsigned long long)v->changed_wall_ms);
    for (size_t i = 0; i < v->n_sources; i++)
        buf_printf(ctx, " %.*s=%.*s@%llu", STR_FMT(v->sources[i].source),
                   STR_FMT(device_state_name(v->sources[i].state)),
                   (unsigned long long)v->sources[i].changed_wall_ms);
    buf_add_char(ctx, '\n');
}

static void print_presence(void *ctx, const struct state_presence_view *v)
{
    buf_printf(ctx, "%.*s %.*s/%.*s/%.*s %llu\n", STR_FMT(v->provider),
               STR_FMT(presence_state_name(v->state)), STR_FMT(v->subtype), STR_FMT(v->message),
               (unsigned long long)v->changed_wall_ms);
}

static void test_views(void **state)
{
    struct testing *t = *state;
    struct state_counters c;

    state_hints_each(t->core, print_hint, &t->events);
    apply(t,
          "[a]\nautohints\n_2XX PJSIP/${EXTEN}\n1 PJSIP/x(Xaver)\n[b]\n1 PJSIP/z,CustomPresence:z");
    report_from(t, "one", "PJSIP/x", "INUSE");
    t->now_ms = 2000000;
    report_from(t, "two", "PJSIP/x", "INUSE");
    defaults(t, "PJSIP/w NOT_INUSE");
    presence(t, "CustomPresence:p", "dnd", "s", "m");
    (void)watch(t, "a", "222", 2);
    buf_reset(&t->events);
    state_hints_each(t->core, print_hint, &t->events);
    state_devices_each(t->core, print_device, &t->events);
    state_presences_each(t->core, print_presence, &t->events);
    assert_events(t, "1@a PJSIP/x (Xaver) test.conf:4 0 InUse\n"
                     "_2XX@a PJSIP/${EXTEN} () test.conf:3 0 pattern \n"
                     "1@b PJSIP/z,CustomPresence:z () test.conf:6 0 Unavailable\n"
                     "x@a PJSIP/x (PJSIP/x) :0 0 auto InUse\n"
                     "w@a PJSIP/w (PJSIP/w) :0 0 auto Idle\n"
                     "222@a PJSIP/222 () test.conf:3 4 Unavailable\n"
                     "PJSIP/x INUSE 1000000: one=INUSE@1000000 two=INUSE@2000000\n"
                     "PJSIP/w NOT_INUSE 2000000:\n"
                     "CustomPresence:p dnd/s/m 2000000\n");
    report_from(t, "two", "PJSIP/x", "INUSE");
    state_counters_get(t->core, &c);
    assert_int_equal(c.devices, 2);
    assert_int_equal(c.presences, 1);
    assert_int_equal(c.hints, 3);
    assert_int_equal(c.resources, 5);
    assert_int_equal(c.device_reports, 3);
    assert_int_equal(c.duplicates, 1);
    assert_int_equal(c.snapshots, 6);
}

struct told_cause {
    struct testing *t;
    char text[512];
};

static void on_caused(void *ctx, const struct snapshot *s, const struct snapshot *former,
                      uint64_t consumers)
{
    struct told_cause *c = ctx;
    size_t n = strlen(c->text);

    (void)consumers;
    snprintf(c->text + n, sizeof(c->text) - n, "%.*s #%llu %.*s, was %s\n", STR_FMT(s->extension),
             (unsigned long long)s->cause.number, STR_FMT(s->cause.source),
             former ? extension_state_text(former->state).p : "none");
}

static void on_said(void *ctx, const struct state_device_change *d)
{
    struct told_cause *c = ctx;
    struct cause cause = state_cause(c->t->core);
    size_t n = strlen(c->text);

    snprintf(c->text + n, sizeof(c->text) - n, "%.*s #%llu %.*s: %.*s says %.*s\n",
             STR_FMT(d->device), (unsigned long long)cause.number, STR_FMT(cause.source),
             STR_FMT(d->source), STR_FMT(d->says ? device_state_name(d->said) : STR("nothing")));
}

static void assert_caused(struct told_cause *c, const char *expected)
{
    assert_string_equal(c->text, expected);
    *c->text = '\0';
}

/* Everything that one event leads to has its number and its name. */
static void test_causes(void **state)
{
    struct testing *t = *state, other = { .now_ms = 1 };
    struct state_config cfg = testing_config(t);
    struct told_cause told = { .t = &other };

    cfg.port = (struct state_port){ .ctx = &told, .snapshot = on_caused, .device = on_said };
    assert_int_equal(state_create(&other.core, &cfg), 0);
    assert_int_equal(
        state_dialplan_apply(other.core, plan_of("[a]\n1 Custom:1\n2 Custom:1&Custom:2")), 0);
    assert_caused(&told, "1 #1 configuration, was none\n2 #1 configuration, was none\n");
    assert_int_equal(report_from(&other, "pbx", "Custom:1", "INUSE"), 0);
    assert_caused(&told, "Custom:1 #2 pbx: pbx says INUSE\n"
                         "1 #2 pbx, was Idle\n2 #2 pbx, was Idle\n");
    assert_int_equal(report_from(&other, "ctl", "Custom:1", "NOT_INUSE"), 0);
    assert_caused(&told, "Custom:1 #3 ctl: ctl says NOT_INUSE\n"); /* is outweighed, and told */
    assert_int_equal(report_from(&other, "ctl", "Custom:1", "NOT_INUSE"), STATE_UNCHANGED);
    assert_caused(&told, "");
    state_cause_begin(other.core, STR("ami"));
    assert_int_equal(report_from(&other, "pbx", "Custom:2", "BUSY"), 0);
    assert_int_equal(forget(&other, "ctl", "Custom:1"), 0);
    state_cause_end(other.core);
    assert_caused(&told, "Custom:2 #4 ami: pbx says BUSY\n"
                         "2 #4 ami, was InUse\n"
                         "Custom:1 #4 ami: ctl says nothing\n");
    assert_int_equal(state_cause(other.core).number, 0);
    state_destroy(other.core);
}

/* A port may leave out what does not interest it. */
static void test_quiet_port(void **state)
{
    struct testing *t = *state;
    struct state_config cfg = testing_config(t);
    struct state_core *core;

    cfg.port = (struct state_port){ .ctx = NULL };
    assert_int_equal(state_create(&core, &cfg), 0);
    assert_int_equal(state_dialplan_apply(core, plan_of("[a]\n1 PJSIP/a,CustomPresence:a")), 0);
    assert_int_equal(state_device_set(core, STR("x"), STR("PJSIP/a"), DEVICE_BUSY), 0);
    assert_int_equal(
        state_presence_set(core, STR("CustomPresence:a"), PRESENCE_DND, STR_EMPTY, STR_EMPTY), 0);
    state_destroy(core);
    state_destroy(NULL);
}

static void on_here(void *ctx, struct str device, bool reported, enum device_state state)
{
    struct str name = reported ? device_state_name(state) : STR("-");

    buf_printf(ctx, "%.*s %.*s\n", STR_FMT(device), STR_FMT(name));
}

/* What this server says itself is told apart from what others say, and is not changed by it. */
static void test_here(void **state)
{
    static const struct {
        const char *source, *change, *told;
    } steps[] = {
        { "eid:02", "BUSY", "" },
        { "ctl", "INUSE", "Custom:1 INUSE\n" },
        { "ctl", "INUSE", "" },
        { "mwi", "RINGING", "Custom:1 RINGINUSE\n" },
        { "eid:02", "ONHOLD", "" },
        { "eid:02", NULL, "" },
        { "ctl", NULL, "Custom:1 RINGING\n" },
        { "mwi", "UNKNOWN", "Custom:1 UNKNOWN\n" },
        { "mwi", NULL, "Custom:1 -\n" },
        { "mwi", "UNKNOWN", "Custom:1 UNKNOWN\n" },
    };
    struct testing *t = *state, other = { .now_ms = 1 };
    struct state_config cfg = testing_config(t);

    buf_init(&other.events, 4096);
    cfg.port = (struct state_port){ .ctx = &other.events, .device_here = on_here };
    assert_int_equal(state_create(&other.core, &cfg), 0);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_not_equal(steps[i].change
                                 ? report_from(&other, steps[i].source, "Custom:1", steps[i].change)
                                 : forget(&other, steps[i].source, "Custom:1"),
                             STATE_BAD_NAME);
        assert_events(&other, steps[i].told);
    }
    testing_fini(&other);
}

static struct state_counters counters_of(const struct testing *t)
{
    struct state_counters c;

    state_counters_get(t->core, &c);
    return c;
}

/* What is there is counted, and when it has gone nothing is left. */
static void test_bytes(void **state)
{
    struct testing *t = *state;
    struct state_counters none = counters_of(t), one, two, more;

    assert_int_equal(none.device_bytes + none.presence_bytes, 0);
    report_from(t, "one", "PJSIP/a", "INUSE");
    one = counters_of(t);
    report_from(t, "one", "PJSIP/a", "BUSY");
    assert_int_equal(counters_of(t).device_bytes, one.device_bytes);
    report_from(t, "one", "PJSIP/b", "INUSE");
    two = counters_of(t);
    report_from(t, "another, with a name of some length", "PJSIP/a", "INUSE");
    more = counters_of(t);
    assert_in_range(more.device_bytes, two.device_bytes + 32, 4 * one.device_bytes);
    forget(t, "one", "PJSIP/a");
    forget(t, "another, with a name of some length", "PJSIP/a");
    assert_int_equal(counters_of(t).device_bytes, two.device_bytes - one.device_bytes);
    forget(t, "one", "PJSIP/b");
    assert_int_equal(counters_of(t).device_bytes, 0);
    assert_int_equal(presence(t, "CustomPresence:a", "away", "", "out for a lunch that is long"),
                     0);
    one = counters_of(t);
    assert_int_equal(presence(t, "CustomPresence:a", "away", "", ""), 0);
    assert_true(counters_of(t).presence_bytes < one.presence_bytes);
    buf_reset(&t->events);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_device),    TEST(test_sources),          TEST(test_names),
        TEST(test_defaults),  TEST(test_default_set),      TEST(test_defaults_together),
        TEST(test_hint),      TEST(test_several_devices),  TEST(test_ringing_repeat),
        TEST(test_presence),  TEST(test_presence_invalid), TEST(test_presence_first),
        TEST(test_watch_all), TEST(test_cacheable),        TEST(test_views),
        TEST(test_causes),    TEST(test_quiet_port),       TEST(test_here),
        TEST(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
