// SPDX-License-Identifier: MIT
/* Each allocation of each operation fails in turn: the operation says so, nobody is told anything,
 * everything is as it was, and with memory it works. */
#include <errno.h>

#include "base/memory_testing.h"
#include "state/state.h"
#include "state/state_testing.h"

/* ---- everything there is to see ---- */

static void print_hint(void *ctx, const struct state_hint_view *v)
{
    const struct snapshot *s = v->snapshot;

    buf_printf(ctx, "%.*s@%.*s %.*s %.*s %u %llx %d %d\n", STR_FMT(v->extension),
               STR_FMT(v->context), STR_FMT(v->hint), STR_FMT(v->name), v->line,
               (unsigned long long)v->consumers, v->autohint, v->pattern);
    if (s)
        buf_printf(ctx, " %p %u %llu %d %d %.*s %.*s\n", (const void *)s, atomic_load(&s->refs),
                   (unsigned long long)s->resource_id, (int)s->state, (int)s->presence,
                   STR_FMT(s->presence_subtype), STR_FMT(s->presence_message));
}

static void print_device(void *ctx, const struct state_device_view *v)
{
    buf_printf(ctx, "%.*s %d %d %llu\n", STR_FMT(v->device), (int)v->state, v->stale,
               (unsigned long long)v->changed_wall_ms);
    for (size_t i = 0; i < v->n_sources; i++)
        buf_printf(ctx, " %.*s %d %d %llu\n", STR_FMT(v->sources[i].source),
                   (int)v->sources[i].state, v->sources[i].stale,
                   (unsigned long long)v->sources[i].changed_wall_ms);
}

static void print_presence(void *ctx, const struct state_presence_view *v)
{
    buf_printf(ctx, "%.*s %d %d %.*s %.*s\n", STR_FMT(v->provider), (int)v->state, v->stale,
               STR_FMT(v->subtype), STR_FMT(v->message));
}

static void dump(const struct testing *t, struct buf *b)
{
    struct state_counters c;

    buf_reset(b);
    state_hints_each(t->core, print_hint, b);
    state_devices_each(t->core, print_device, b);
    state_presences_each(t->core, print_presence, b);
    state_counters_get(t->core, &c);
    buf_printf(b, "%llu %llu %llu %llu %llu", (unsigned long long)c.devices,
               (unsigned long long)c.presences, (unsigned long long)c.hints,
               (unsigned long long)c.resources, (unsigned long long)c.snapshots);
    assert_int_equal(b->error, 0);
}

/* ---- operations ---- */

enum {
    DEVICE,
    INSTEAD, /* source "other" of that one, and stale */
    FORGET,
    DEFAULTS,
    DEFAULT,
    NO_DEFAULTS,
    PRESENCE,
    APPLY,
    WATCH,
    PEEK,
    PUBLISH,
    END,
    ORDER,
    SAYS,       /* a source with a name, of presence */
    SOURCE_END, /* of source "s" */
};

struct step {
    int what;
    const char *name;
    int value;
    const char *text;
};

static const char before_text[] =
    "global T=PJSIP\n[a]\nautohints\ninclude b\n1 PJSIP/a&PJSIP/b(A)\n"
    "2 Custom:lamp,CustomPresence:a&CustomPresence:b\n"
    "_3X PJSIP/${EXTEN}&${T}/a\n_4X PJSIP/a\n4 PJSIP/a\n"
    "[b]\nautohints\n5 PJSIP/new1&PJSIP/new2,PJSIP/p1&PJSIP/p2\n";
static const char after_text[] = "global T=PJSIP\n[b]\n6 PJSIP/new3,PJSIP/p3\n"
                                 "5 PJSIP/new2&PJSIP/new4&PJSIP/a\n"
                                 "[a]\nautohints\n1 PJSIP/b(B)\n2 Custom:lamp&PJSIP/b\n"
                                 "_[34]X Custom:${EXTEN}\n7 PJSIP/a\n8 PJSIP/a\nx PJSIP/x\n";

static const struct step steps[] = {
    { DEVICE, "PJSIP/a", DEVICE_INUSE, "one" },
    { DEVICE, "PJSIP/x", DEVICE_BUSY, "one" },
    { PRESENCE, "CustomPresence:a", PRESENCE_AWAY, "" },
    { APPLY, NULL, 0, before_text },
    { WATCH, "1", 0, NULL },
    { PEEK, "31", 0, NULL },
    { WATCH, "31", 0, NULL },
    { PEEK, "31", 0, NULL },
    { WATCH, "42", 0, NULL },
    { WATCH, "x", 0, NULL },
    { DEVICE, "PJSIP/a", DEVICE_RINGING, "one" },
    { DEVICE, "PJSIP/a", DEVICE_INUSE, "two" },
    { DEVICE, "PJSIP/a", DEVICE_INUSE, "three" },
    { FORGET, "PJSIP/a", 0, "two" },
    { DEVICE, "PJSIP/y", DEVICE_INUSE, "one" },
    { DEFAULTS, NULL, 0, NULL },
    { DEFAULTS, NULL, 1, NULL },
    { FORGET, "PJSIP/x", 0, "one" },
    { DEFAULT, "PJSIP/b", DEVICE_RINGING, NULL },
    { PRESENCE, "CustomPresence:b", PRESENCE_DND, "a long one" },
    { PRESENCE, "CustomPresence:b", PRESENCE_DND, "another" },
    { PRESENCE, "CustomPresence:unused", PRESENCE_NOT_SET, "x" },
    { DEVICE, "PJSIP/x", DEVICE_BUSY, "one" },
    { APPLY, NULL, 0, after_text },
    { WATCH, "39", 0, NULL },
    { NO_DEFAULTS, NULL, 0, NULL },
    { APPLY, NULL, 0, before_text },
    { PUBLISH, "1", DEVICE_INUSE, NULL },
    { PUBLISH, "1", DEVICE_RINGING, NULL },
    { PUBLISH, "9", DEVICE_INUSE, NULL }, /* without a hint */
    { PUBLISH, "9", DEVICE_RINGING, NULL },
    { ORDER, "a", COMPOSE_HINT_FIRST, NULL },
    { ORDER, "a", COMPOSE_PUBLICATION_FIRST, NULL },
    { APPLY, NULL, 0, after_text },
    { END, "1", 0, NULL },
    { END, "9", 0, NULL },
    { PUBLISH, "1", DEVICE_RINGING, NULL },
    { APPLY, NULL, 0, before_text },
    { DEVICE, "PJSIP/b", DEVICE_INUSE, "s" },
    { SOURCE_END, NULL, SOURCE_END_KEPT, NULL },
    { SOURCE_END, NULL, SOURCE_END_UNAVAILABLE, NULL },
    { DEVICE, "PJSIP/b", DEVICE_UNAVAILABLE, "s" },
    { INSTEAD, "PJSIP/b", DEVICE_RINGING, "s" },
    { FORGET, "PJSIP/b", 0, "other" },
    { DEVICE, "PJSIP/b", DEVICE_UNAVAILABLE, "s" },
    { SOURCE_END, NULL, SOURCE_END_KEPT, NULL },
    { FORGET, "PJSIP/b", 0, "s" },
    { SAYS, "CustomPresence:a", PRESENCE_CHAT, "s" },
    { SOURCE_END, NULL, SOURCE_END_UNAVAILABLE, NULL },
    { SAYS, "CustomPresence:a", PRESENCE_UNAVAILABLE, "s" },
    { SOURCE_END, NULL, SOURCE_END_KEPT, NULL },
    { SOURCE_END, NULL, SOURCE_END_FORGOTTEN, NULL },
    { APPLY, NULL, 0, "" },
};

static int peek(struct testing *t, const struct resource_name *name)
{
    const struct snapshot *s = NULL;
    int r = state_peek(t->core, name, false, &s);

    snapshot_unref(s);
    return r;
}

/* `composite` is what a PUBLISH says. */
static int step_run(struct testing *t, const struct step *s, const struct event_state *composite)
{
    static const struct str names[] = { STR_INIT("PJSIP/x"), STR_INIT("PJSIP/b"),
                                        STR_INIT("PJSIP/d") };
    const enum device_state states[] = { DEVICE_INUSE, s->value ? DEVICE_BUSY : DEVICE_ONHOLD,
                                         DEVICE_NOT_INUSE };
    const struct resource_name name = { .context = STR("a"), .extension = str_of(s->name) };
    const struct context_order order = { name.extension, (enum composition_order)s->value };
    const struct presence_report report = { .source = str_of(s->text),
                                            .provider = name.extension,
                                            .state = (enum presence_state)s->value };
    const struct state_device_word word = { .source = STR("other"),
                                            .instead_of = report.source,
                                            .device = name.extension,
                                            .state = (enum device_state)s->value,
                                            .stale = true };
    const struct source_ending end = { STR("s"), UINT64_MAX, (enum source_end)s->value, 30 };
    const struct snapshot *snapshot;

    switch (s->what) {
    case DEVICE:
        return state_device_set(t->core, str_of(s->text), str_of(s->name),
                                (enum device_state)s->value);
    case INSTEAD:
        return state_device_say(t->core, &word);
    case FORGET:
        return state_device_forget(t->core, str_of(s->text), str_of(s->name));
    case DEFAULTS:
        return state_device_defaults(t->core, names, states, 3);
    case NO_DEFAULTS:
        return state_device_defaults(t->core, NULL, NULL, 0);
    case DEFAULT:
        return state_device_default_set(t->core, str_of(s->name), (enum device_state)s->value);
    case PRESENCE:
        return state_presence_set(t->core, str_of(s->name), (enum presence_state)s->value,
                                  str_of("sub"), str_of(s->text));
    case SAYS:
        return state_presence_report(t->core, &report);
    case SOURCE_END:
        return state_source_end(t->core, &end, SIZE_MAX);
    case PEEK:
        return peek(t, &name);
    case PUBLISH:
        return state_published(t->core, &name, composite);
    case END:
        return state_published(t->core, &name, NULL);
    case ORDER:
        return state_orders_set(t->core, &order, 1);
    default:
        return state_watch(t->core, &name, false, 1, &snapshot, NULL);
    }
}

/* Only what the core allocates is to fail, not the dialplan: that has a test of its own. Nor does
 * the buffer of this test, which has its room beforehand. Returns whether an allocation failed. */
static bool step_limited(struct testing *t, const struct step *s, long allocations, int *result)
{
    struct dialplan *dp = s->what == APPLY ? plan_of(s->text) : NULL;
    struct event_state *composite = NULL;
    bool failed;

    assert_int_equal(event_state_create(&composite), 0);
    composite->has_dialogs = true;
    composite->device = (enum device_state)s->value;
    memory.left = allocations;
    *result = dp ? state_dialplan_apply(t->core, dp) : step_run(t, s, composite);
    failed = allocations >= 0 && memory.left < 0;
    memory.left = -1;
    event_state_unref(composite);
    if (*result)
        dialplan_unref(dp);
    return failed;
}

static void reserve(struct buf *b)
{
    static char room[1 << 16];

    buf_add(b, (struct str){ room, sizeof(room) });
    assert_int_equal(b->error, 0);
    buf_reset(b);
}

/* A core on which the first `n` steps were done. */
static void prepare(struct testing *t, size_t n)
{
    int r;

    testing_init(t);
    reserve(&t->events);
    for (size_t i = 0; i < n; i++) {
        step_limited(t, &steps[i], -1, &r);
        assert_int_equal(r, 0);
    }
    buf_reset(&t->events);
}

/* Step `i` with its allocation `n` failing. False when it has not so many. */
static bool step_fails(size_t i, long n, const char *events)
{
    struct buf before, after;
    struct testing t;
    bool failed;
    int r;

    prepare(&t, i);
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    dump(&t, &before);
    failed = step_limited(&t, &steps[i], n, &r);
    if (r) {
        assert_int_equal(r, -ENOMEM);
        dump(&t, &after);
        assert_true(str_equal(buf_str(&before), buf_str(&after)));
        assert_events(&t, "");
        step_limited(&t, &steps[i], -1, &r);
        assert_int_equal(r, 0);
    }
    if (steps[i].what == END && failed) /* what nothing holds any more may be gone later */
        assert_true(t.events.n && str_starts(str_of(events), buf_str(&t.events)));
    else
        assert_events(&t, events);
    buf_fini(&before);
    buf_fini(&after);
    testing_fini(&t);
    return failed;
}

static void test_core(void **state)
{
    long total = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct testing plain; /* where nothing fails */
        long n = 0;
        int r;

        prepare(&plain, i);
        step_limited(&plain, &steps[i], -1, &r);
        assert_int_equal(r, 0);
        buf_add_char(&plain.events, '\0');
        while (step_fails(i, n, plain.events.p))
            n++;
        total += n;
        testing_fini(&plain);
    }
    assert_true(total > 150);
}

static void test_create(void **state)
{
    struct testing t;
    struct state_config cfg;
    struct state_core *core = NULL;
    long n;
    int r;

    (void)state;
    testing_init(&t);
    cfg = testing_config(&t);
    for (n = 0;; n++) {
        memory.left = n;
        r = state_create(&core, &cfg);
        memory.left = -1;
        if (r != -ENOMEM)
            break;
        assert_null(core);
    }
    assert_int_equal(r, 0);
    assert_true(n > 4);
    state_destroy(core);
    testing_fini(&t);
}

static int plan_fill(struct dialplan *dp, struct str text)
{
    const struct hint_spec literal = { .extension = STR("1000"), .text = text };
    struct hint_spec pattern = { .extension = STR("_1XX"), .text = STR("PJSIP/a") };
    char name[] = "_1XXa";
    struct dialplan_context *ctx = NULL;
    int r = dialplan_global_set(dp, STR("a"), STR("b"));

    if (r == 0)
        r = dialplan_global_set(dp, STR("a"), STR("c${a}"));
    if (r == 0)
        r = dialplan_context_get(dp, STR("users"), &ctx);
    if (r == 0)
        r = dialplan_hint_add(ctx, &literal);
    for (pattern.extension = str_of(name); r == 0 && name[4] < 'm'; name[4]++)
        r = dialplan_hint_add(ctx, &pattern);
    if (r == 0)
        r = dialplan_include_add(ctx, STR("other"));
    if (r == 0)
        r = dialplan_include_add(ctx, STR("other,9:00-17:00"));
    if (r == 0)
        r = dialplan_include_add(ctx, STR("other,*,*,*,*,UTC"));
    return r == DIALPLAN_BAD_TIME ? 0 : r; /* where there is no zone database */
}

static void test_dialplan(void **state)
{
    struct dialplan *former = NULL, *dp = NULL;
    long n;
    int r;

    (void)state;
    assert_int_equal(dialplan_create(&former), 0);
    assert_int_equal(plan_fill(former, STR("PJSIP/b")), 0);
    for (n = 0;; n++) {
        memory.left = n;
        r = dialplan_create(&dp);
        if (r == 0)
            r = plan_fill(dp, STR("PJSIP/a"));
        if (r == 0)
            r = dialplan_compare(dp, former);
        memory.left = -1;
        dialplan_unref(dp);
        dp = NULL;
        if (r != -ENOMEM)
            break;
    }
    dialplan_unref(former);
    assert_int_equal(r, 0);
    assert_true(n > 10);
}

static void test_others(void **state)
{
    const struct snapshot_spec spec = { .resource_id = 1 };
    struct snapshot *s = NULL;
    bool holds;
    int r = 0;

    (void)state;
    memory.left = 0;
    assert_int_equal(snapshot_create(&s, &spec), -ENOMEM);
    assert_null(s);
    for (long n = 0; n == 0 || r == -ENOMEM; n++) {
        memory.left = n;
        r = timespec_holds(STR("*,*,*,*,UTC"), 0, &holds);
    }
    memory.left = -1;
    assert_true(r == 0 || r == DIALPLAN_BAD_TIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_dialplan),
        cmocka_unit_test(test_others),
    };

    memory.armed = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
