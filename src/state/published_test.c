// SPDX-License-Identifier: MIT
/* Resources that somebody publishes for, beside hints or without one. */
#include "state/state_testing.h"

/* ---- composites ---- */

static struct event_state *composite_of(enum device_state device)
{
    struct event_state *s;

    assert_int_equal(event_state_create(&s), 0);
    s->has_dialogs = true;
    s->device = device;
    return s;
}

static void publish_to(struct testing *t, const struct resource_name *name,
                       enum device_state device)
{
    struct event_state *s = device == DEVICE_INVALID ? NULL : composite_of(device);

    assert_int_equal(state_published(t->core, name, s), 0);
    event_state_unref(s);
}

static void order(struct testing *t, enum composition_order order)
{
    const struct context_order orders[] = { { STR("other"), COMPOSE_AGGREGATE },
                                            { STR("users"), order } };

    assert_int_equal(state_orders_set(t->core, orders, ARRAY_LEN(orders)), 0);
}

/* DEVICE_INVALID: nothing any more. */
static void publish(struct testing *t, const char *extension, enum device_state device)
{
    publish_to(t,
               &(struct resource_name){ .context = STR("users"), .extension = str_of(extension) },
               device);
}

static int look(struct testing *t, const char *package, const char *context, const char *extension,
                bool served, unsigned consumer, const struct snapshot **out)
{
    const struct resource_name name = { str_of(package), str_of(context), str_of(extension) };
    bool cacheable;

    return state_watch(t->core, &name, served, consumer, out, &cacheable);
}

static void unwatch(struct testing *t, const struct snapshot *s, unsigned consumer)
{
    state_unwatch(t->core, s->resource_id, consumer);
}

/* ---- the lamp ---- */

static void test_orders(void **state)
{
    static const struct {
        enum composition_order order;
        const char *device;
        enum device_state published; /* DEVICE_INVALID: none */
        enum extension_state lamp, hint;
        bool has_hint, has_published;
    } cases[] = {
        { COMPOSE_AGGREGATE, "NOT_INUSE", DEVICE_INVALID, EXTENSION_IDLE, EXTENSION_IDLE, true,
          false },
        { COMPOSE_AGGREGATE, "NOT_INUSE", DEVICE_INUSE, EXTENSION_INUSE, EXTENSION_IDLE, true,
          true },
        { COMPOSE_AGGREGATE, "INUSE", DEVICE_NOT_INUSE, EXTENSION_INUSE, EXTENSION_INUSE, true,
          true },
        { COMPOSE_AGGREGATE, "INUSE", DEVICE_RINGING, EXTENSION_INUSE_RINGING, EXTENSION_INUSE,
          true, true },
        { COMPOSE_AGGREGATE, "UNAVAILABLE", DEVICE_NOT_INUSE, EXTENSION_IDLE, EXTENSION_UNAVAILABLE,
          true, true },
        { COMPOSE_HINT_FIRST, "NOT_INUSE", DEVICE_RINGING, EXTENSION_IDLE, EXTENSION_IDLE, true,
          false },
        { COMPOSE_PUBLICATION_FIRST, "INUSE", DEVICE_NOT_INUSE, EXTENSION_IDLE,
          EXTENSION_UNAVAILABLE, false, true },
        { COMPOSE_PUBLICATION_FIRST, "INUSE", DEVICE_INVALID, EXTENSION_INUSE, EXTENSION_INUSE,
          true, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct resource_name name = { .context = STR("users"), .extension = STR("1000") };
        const struct snapshot *s;
        struct testing t;

        testing_init(&t);
        apply(&t, "[users]\n1000 PJSIP/a\n");
        assert_int_equal(report(&t, "PJSIP/a", cases[i].device), 0);
        order(&t, cases[i].order);
        publish_to(&t, &name, cases[i].published);
        s = watch(&t, "users", "1000", 1);
        if (s->state != cases[i].lamp || s->hint_state != cases[i].hint)
            fail_msg("case %zu: %d, hint %d", i, s->state, s->hint_state);
        assert_int_equal(s->has_hint, cases[i].has_hint);
        assert_int_equal(s->published != NULL, cases[i].has_published);
        testing_fini(&t);
    }
}

/* What nobody sees is not told; another order is told at once. */
static void test_hidden_is_silent(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n1000 PJSIP/a\n");
    watch(&t, "users", "1000", 1);
    order(&t, COMPOSE_HINT_FIRST);
    buf_reset(&t.events);
    publish(&t, "1000", DEVICE_RINGING);
    assert_events(&t, "");
    order(&t, COMPOSE_PUBLICATION_FIRST);
    assert_events(&t, "1000@users #2 Ringing -> 2\n");
    order(&t, COMPOSE_PUBLICATION_FIRST);
    assert_int_equal(report(&t, "PJSIP/a", "INUSE"), 0);
    assert_events(&t, "PJSIP/a INUSE\n");
    publish(&t, "1000", DEVICE_INVALID);
    assert_events(&t, "1000@users #3 InUse -> 2\n");
    assert_int_equal(state_orders_set(t.core, NULL, 0), 0);
    publish(&t, "1000", DEVICE_RINGING);
    assert_events(&t, "1000@users #4 InUse&Ringing -> 2\n");
    testing_fini(&t);
}

/* Another composite is told although it says the same as a device: its dialogs are others. */
static void test_told(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    state_watch_all(t.core, 5);
    apply(&t, "[users]\n1000 PJSIP/a\n");
    buf_reset(&t.events);
    publish(&t, "1000", DEVICE_INUSE);
    publish(&t, "1000", DEVICE_INUSE);
    publish(&t, "1000", DEVICE_INVALID);
    publish(&t, "1000", DEVICE_INVALID);
    assert_events(&t, "1000@users #2 InUse -> 20\n1000@users #3 InUse -> 20\n"
                      "1000@users #4 Unavailable -> 20\n");
    testing_fini(&t);
}

/* ---- without a hint ---- */

static void test_life_without_hint(void **state)
{
    const struct snapshot *s;
    struct testing t;
    uint64_t id;

    (void)state;
    testing_init(&t);
    state_watch_all(t.core, 5);
    apply(&t, "[users]\n");
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), STATE_NO_HINT);
    publish(&t, "1000", DEVICE_RINGING);
    assert_events(&t, "1000@users #2 Ringing -> 20\n");
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), 0);
    id = s->resource_id;
    assert_false(s->has_hint);
    publish(&t, "1000", DEVICE_INVALID);
    assert_events(&t, "1000@users #3 Unavailable -> 22\n");
    /* It is still watched, and so is whatever comes next under that name. */
    publish(&t, "1000", DEVICE_INUSE);
    assert_events(&t, "1000@users #4 InUse -> 22\n");
    publish(&t, "1000", DEVICE_INVALID);
    buf_reset(&t.events);
    state_unwatch(t.core, id, 1);
    assert_events(&t, "1000@users #6 removed -> 20\n");
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), STATE_NO_HINT);
    /* Nobody watches: the last publication ends it. */
    publish(&t, "1000", DEVICE_INUSE);
    publish(&t, "1000", DEVICE_INVALID);
    assert_events(&t, "1000@users #2 InUse -> 20\n1000@users #3 Unavailable -> 20\n"
                      "1000@users #4 removed -> 20\n");
    testing_fini(&t);
}

/* Whoever holds a resource can tell its end first, and let it end later. */
static void test_held(void **state)
{
    const struct resource_name name = { .context = STR("users"), .extension = STR("1000") };
    struct event_state *busy = composite_of(DEVICE_INUSE);
    struct hint *held = NULL, *first;
    const struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    state_watch_all(t.core, 5);
    apply(&t, "[users]\n_1XXX PJSIP/a\n");
    buf_reset(&t.events);
    assert_int_equal(state_publish(t.core, &name, NULL, &held), 0);
    assert_null(held);
    assert_int_equal(state_publish(t.core, &name, busy, &held), 0);
    assert_non_null(held);
    first = held;
    assert_int_equal(state_publish(t.core, &name, NULL, &held), 0);
    assert_ptr_equal(held, first);
    assert_events(&t, "1000@users #1 Unavailable -> 20\n1000@users #2 InUse -> 20\n"
                      "1000@users #3 Unavailable -> 20\n");
    assert_int_equal(state_publish(t.core, &name, busy, &held), 0);
    assert_ptr_equal(held, first);
    assert_int_equal(state_publish(t.core, &name, NULL, &held), 0);
    buf_reset(&t.events);
    /* Its hint goes meanwhile, and it does; what comes then is another. */
    apply(&t, "[users]\n");
    assert_int_equal(report(&t, "PJSIP/a", "INUSE"), 0);
    assert_events(&t, "1000@users #6 removed -> 20\nPJSIP/a INUSE\n");
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), STATE_NO_HINT);
    assert_int_equal(state_publish(t.core, &name, busy, &held), 0);
    assert_int_equal(state_publish(t.core, &name, NULL, &held), 0);
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), STATE_NO_HINT);
    assert_events(&t, "1000@users #2 InUse -> 20\n1000@users #3 Unavailable -> 20\n");
    state_let_go(t.core, held);
    assert_events(&t, "1000@users #4 removed -> 20\n");
    /* One that something is published for goes on. */
    held = NULL;
    assert_int_equal(state_publish(t.core, &name, busy, &held), 0);
    state_let_go(t.core, held);
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), 0);
    /* One that has ended is let go of, or goes with the core. */
    for (int i = 0; i < 2; i++) {
        held = NULL;
        assert_int_equal(state_publish(t.core, &name, busy, &held), 0);
        assert_int_equal(state_resource_end(t.core, &name), 0);
        if (i == 0)
            state_let_go(t.core, held);
    }
    event_state_unref(busy);
    testing_fini(&t);
}

/* A user of a domain that is served: publishers hear of it when there is something to tell. */
static void test_served(void **state)
{
    const struct snapshot *s, *again;
    struct testing t;

    (void)state;
    testing_init(&t);
    state_watch_all(t.core, 5);
    apply(&t, "[users]\n");
    assert_int_equal(look(&t, "", "users", "1000", true, 1, &s), 0);
    assert_int_equal(s->state, EXTENSION_UNAVAILABLE);
    assert_null(s->published);
    assert_events(&t, "");
    unwatch(&t, s, 1);
    assert_events(&t, "");
    assert_int_equal(look(&t, "", "users", "1000", true, 1, &s), 0);
    assert_int_equal(look(&t, "", "users", "1-000", true, 2, &again), 0);
    assert_ptr_equal(s, again);
    publish(&t, "1000", DEVICE_INUSE);
    assert_events(&t, "1000@users #2 InUse -> 26\n");
    testing_fini(&t);
}

/* It is over for those who watch it; what is published under the name afterwards is another. */
static void test_ends(void **state)
{
    const struct resource_name user = { .context = STR("users"), .extension = STR("1000") };
    const struct resource_name hint = { .context = STR("users"), .extension = STR("2000") };
    const struct snapshot *s;
    struct testing t;
    uint64_t id;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n2000 PJSIP/a\n");
    publish(&t, "1000", DEVICE_INUSE);
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), 0);
    id = s->resource_id;
    buf_reset(&t.events);
    assert_int_equal(state_resource_end(t.core, &user), 0);
    assert_events(&t, "1000@users #4 removed -> 2\n");
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), STATE_NO_HINT);
    assert_int_equal(state_resource_end(t.core, &user), 0);
    assert_int_equal(state_resource_end(t.core, &hint), 0);
    assert_events(&t, "");
    publish(&t, "1000", DEVICE_INUSE);
    assert_int_equal(look(&t, "", "users", "1000", false, 1, &s), 0);
    assert_int_not_equal(s->resource_id, id);
    testing_fini(&t);
}

/* What other packages are about has nothing to do with the dialplan, nor with extensions. */
static void test_packages(void **state)
{
    const struct resource_name messages = { STR("message-summary"), STR("users"), STR("1000") };
    const struct snapshot *lamp, *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n1000 PJSIP/a\n_2XXX PJSIP/b\n");
    assert_int_equal(look(&t, "message-summary", "users", "1000", false, 1, &s), STATE_NO_HINT);
    publish_to(&t, &messages, DEVICE_NOT_INUSE);
    assert_int_equal(look(&t, "message-summary", "users", "1000", false, 1, &s), 0);
    assert_true(str_equal(s->package, STR("message-summary")));
    lamp = watch(&t, "users", "1000", 1);
    assert_int_not_equal(lamp->resource_id, s->resource_id);
    assert_null(lamp->published);
    assert_int_equal(look(&t, "message-summary", "users", "1-000", false, 1, &s), STATE_NO_HINT);
    assert_int_equal(look(&t, "message-summary", "users", "2000", false, 1, &s), STATE_NO_HINT);
    /* A reload leaves it alone. */
    buf_reset(&t.events);
    apply(&t, "[users]\n_1XXX PJSIP/b\n");
    assert_int_equal(look(&t, "message-summary", "users", "1000", false, 1, &s), 0);
    testing_fini(&t);
}

/* ---- the dialplan ---- */

static void test_pattern_is_made(void **state)
{
    const struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n_1XXX PJSIP/${EXTEN}\n");
    assert_int_equal(report(&t, "PJSIP/1000", "RINGING"), 0);
    publish(&t, "1000", DEVICE_INUSE);
    s = watch(&t, "users", "1000", 1);
    assert_true(s->has_hint);
    assert_int_equal(s->state, EXTENSION_INUSE_RINGING);
    testing_fini(&t);
}

/* A publication does not hide what is found in an include, but is found where it lives. */
static void test_does_not_hide(void **state)
{
    const struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t,
          "[users]\ninclude more\n[more]\n1000 PJSIP/a\n_2XXX PJSIP/b\n[phones]\ninclude users\n");
    publish(&t, "1000", DEVICE_INUSE);
    publish(&t, "3000", DEVICE_INUSE);
    s = watch(&t, "users", "1000", 1);
    assert_true(str_equal(s->context, STR("more")));
    s = watch(&t, "users", "3000", 1);
    assert_true(str_equal(s->context, STR("users")));
    assert_int_equal(look(&t, "", "phones", "3000", false, 1, &s), STATE_NO_HINT);
    testing_fini(&t);
}

static void test_reloads(void **state)
{
    const struct snapshot *s;
    struct testing t;
    uint64_t id;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n");
    publish(&t, "1000", DEVICE_NOT_INUSE);
    s = watch(&t, "users", "1000", 1);
    id = s->resource_id;
    assert_int_equal(report(&t, "PJSIP/a", "INUSE"), 0);
    buf_reset(&t.events);
    /* It gets a hint, then one from a pattern, then an autohint, then none. */
    apply(&t, "[users]\n1000 PJSIP/a(Alice)\n");
    assert_events(&t, "1000@users #3 InUse -> 2\n");
    s = watch(&t, "users", "1000", 1);
    assert_true(s->resource_id == id && s->has_hint && str_equal(s->hint_name, STR("Alice")));
    apply(&t, "[users]\n_1XXX PJSIP/b\n");
    assert_events(&t, "1000@users #4 Idle -> 2\n");
    apply(&t, "[users]\n");
    assert_events(&t, "1000@users #5 Idle -> 2\n");
    s = watch(&t, "users", "1000", 1);
    assert_true(s->resource_id == id && !s->has_hint && !s->hint.n && s->published);
    publish(&t, "1000", DEVICE_INVALID);
    assert_events(&t, "1000@users #6 Unavailable -> 2\n");
    /* With neither, it outlives a reload as long as it is watched. */
    apply(&t, "[users]\n2000 PJSIP/a\n");
    assert_events(&t, "2000@users #1 InUse\n");
    unwatch(&t, watch(&t, "users", "2000", 1), 1);
    testing_fini(&t);
}

static void test_autohints(void **state)
{
    const struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\nautohints\n");
    publish(&t, "alice", DEVICE_NOT_INUSE);
    s = watch(&t, "users", "alice", 1);
    assert_false(s->has_hint);
    assert_int_equal(report(&t, "PJSIP/alice", "INUSE"), 0);
    s = watch(&t, "users", "alice", 1);
    assert_true(s->has_hint);
    assert_int_equal(s->state, EXTENSION_INUSE);
    assert_int_equal(forget(&t, "test", "PJSIP/alice"), 0);
    s = watch(&t, "users", "alice", 1);
    assert_false(s->has_hint);
    assert_int_equal(s->state, EXTENSION_IDLE);
    testing_fini(&t);
}

/* ---- views ---- */

static void note_view(void *ctx, const struct state_hint_view *v)
{
    buf_printf(ctx, "%.*s%s%s\n", STR_FMT(v->extension), v->hint.n ? " hint" : "",
               v->published ? " published" : "");
}

static void test_listed(void **state)
{
    const struct resource_name messages = { STR("message-summary"), STR("users"), STR("4000") };
    const struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    apply(&t, "[users]\n1000 PJSIP/a\n2000 PJSIP/a\n");
    publish(&t, "2000", DEVICE_INUSE);
    publish(&t, "3000", DEVICE_INUSE);
    publish_to(&t, &messages, DEVICE_INUSE);
    assert_int_equal(look(&t, "", "users", "5000", true, 1, &s), 0);
    buf_reset(&t.events);
    state_hints_each(t.core, note_view, &t.events);
    assert_events(&t, "1000 hint\n2000 hint published\n3000 published\n");
    testing_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_hidden_is_silent),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_life_without_hint),
        cmocka_unit_test(test_served),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_pattern_is_made),
        cmocka_unit_test(test_does_not_hide),
        cmocka_unit_test(test_reloads),
        cmocka_unit_test(test_autohints),
        cmocka_unit_test(test_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
