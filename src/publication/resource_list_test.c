// SPDX-License-Identifier: MIT
/* Resource lists against a real state core: what a worker that watches one is told, and that
 * nothing stays watched that nobody needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "publication/resource_list.h"
#include "txn/settings_fixture.h"

#define LIST(name, items) "[" name "]\ntype=resource_list\nevent=presence\nlist_item=" items "\n"

enum { LISTS = 61, WORKER = 0 };

struct testing {
    struct rng rng;
    struct wheel wheel;
    struct log *log;
    struct state_core *core;
    struct resource_lists *lists;
    const struct snapshot *newest; /* that the worker was told; a reference */
    unsigned told;
    char text[400];
};

static void newest_set(struct testing *t, const struct snapshot *s)
{
    snapshot_unref(t->newest);
    t->newest = s ? snapshot_ref(s) : NULL;
}

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    struct testing *t = ctx;

    (void)former;
    if (t->lists)
        resource_lists_snapshot(t->lists, s, consumers);
    if (!(consumers >> WORKER & 1))
        return;
    t->told++;
    newest_set(t, s);
}

static void configure(struct testing *t, const char *lists)
{
    struct settings *s = settings_fixture_with(lists, "");

    resource_lists_configure(t->lists, s);
    settings_unref(s);
}

static struct testing *testing_create(const char *lists)
{
    struct testing *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    rng_init_seeded(&t->rng, 7);
    wheel_init(&t->wheel, 1000);
    assert_int_equal(log_create(&t->log, -1, LOG_LEVEL_ERROR, &clock_system), 0);
    assert_int_equal(
        state_create(&t->core,
                     &(struct state_config){ .port = { .ctx = t, .snapshot = on_snapshot },
                                             .clock = &clock_system,
                                             .log = t->log,
                                             .rng = &t->rng }),
        0);
    assert_int_equal(
        resource_lists_create(&t->lists, &(struct resource_lists_config){ .core = t->core,
                                                                          .consumer = LISTS,
                                                                          .wheel = &t->wheel,
                                                                          .log = t->log,
                                                                          .rng = &t->rng }),
        0);
    configure(t, lists);
    return t;
}

static void testing_destroy(struct testing *t)
{
    newest_set(t, NULL);
    resource_lists_destroy(t->lists);
    state_destroy(t->core);
    log_destroy(t->log);
    free(t);
}

static int watch(struct testing *t, const char *name)
{
    const struct snapshot *s = NULL;
    const struct list_question q = {
        .name = { STR("presence" LIST_SUFFIX), STR("users"), str_of(name) }, .worker = WORKER
    };
    int r = resource_lists_watch(t->lists, &q, &s);

    if (!r)
        newest_set(t, s);
    return r;
}

static void unwatch(struct testing *t)
{
    uint64_t id = t->newest->resource_id;

    state_unwatch(t->core, id, WORKER);
    resource_lists_unwatch(t->lists, id, WORKER);
}

/* Something, or nothing, is published for an extension. */
static void publish(struct testing *t, const char *extension, bool anything)
{
    const struct resource_name name = { STR_EMPTY, STR("users"), str_of(extension) };
    struct event_state *state = NULL;

    if (anything) {
        assert_int_equal(event_state_create(&state), 0);
        state->has_presence = true;
        state->device = DEVICE_INUSE;
    }
    assert_int_equal(state_published(t->core, &name, state), 0);
    event_state_unref(state);
}

static void pass(struct testing *t)
{
    wheel_advance(&t->wheel, t->wheel.now_ms + UINT64_C(2) * WHEEL_TICK_MS);
}

/* "1000 1001- in( 1002 )": the minus says that there is no such resource. */
static const char *shown(struct testing *t)
{
    const struct list_state *l = t->newest->published->list;
    struct buf b;

    buf_init_on(&b, t->text, sizeof(t->text) - 1);
    for (size_t i = 0; i < l->n; i++)
        buf_printf(&b, "%s%.*s:%u%s", i ? " " : "", STR_FMT(l->items[i].user), l->items[i].level,
                   l->items[i].is_list    ? "+"
                   : l->items[i].snapshot ? ""
                                          : "-");
    t->text[b.n] = '\0';
    return t->text;
}

static bool is_there(const struct testing *t, const char *extension)
{
    const struct snapshot *s =
        state_find(t->core, &(struct resource_name){ STR_EMPTY, STR("users"), str_of(extension) });

    return s != NULL;
}

static void test_items(void **state)
{
    struct testing *t = testing_create(LIST("a", "1,2,b,3") LIST("b", "2,a,c,4") LIST("c", "b,5"));

    (void)state;
    publish(t, "1", true);
    publish(t, "5", true);
    assert_int_equal(watch(t, "none"), STATE_NO_HINT);
    assert_int_equal(watch(t, "a"), 0);
    assert_string_equal(shown(t), "1:0 2:0- b:0+ c:1+ 5:2 4:1- 3:0-");
    /* What comes is found, several in one go are told once, and what goes is told. */
    publish(t, "2", true);
    publish(t, "4", true);
    assert_int_equal(t->told, 0);
    pass(t);
    assert_int_equal(t->told, 1);
    assert_string_equal(shown(t), "1:0 2:0 b:0+ c:1+ 5:2 4:1 3:0-");
    pass(t);
    assert_int_equal(t->told, 1);
    unwatch(t);
    publish(t, "1", false);
    publish(t, "2", false);
    publish(t, "4", false);
    publish(t, "5", false);
    assert_false(is_there(t, "1") || is_there(t, "2") || is_there(t, "4") || is_there(t, "5"));
    testing_destroy(t);
}

static void test_reload(void **state)
{
    struct testing *t = testing_create(LIST("a", "1,b") LIST("b", "2"));

    (void)state;
    publish(t, "1", true);
    publish(t, "2", true);
    assert_int_equal(watch(t, "a"), 0);
    t->told = 0;
    configure(t, LIST("a", "1,b") LIST("b", "2") LIST("other", "9"));
    assert_int_equal(t->told, 0);
    configure(t, LIST("a", "1,b") LIST("b", "2,3"));
    assert_int_equal(t->told, 1);
    assert_string_equal(shown(t), "1:0 b:0+ 2:1 3:1-");
    configure(t, LIST("a", "1,b"));
    assert_string_equal(shown(t), "1:0 b:0-"); /* a name like any other now */
    configure(t, LIST("b", "1"));
    assert_int_equal(t->newest->state, EXTENSION_REMOVED);
    unwatch(t);
    testing_destroy(t);
}

static void assert_caused(const struct testing *t, const struct cause *cause, const char *source)
{
    assert_int_equal(t->newest->cause.number, cause->number);
    assert_true(str_equal(t->newest->cause.source, str_of(source)));
}

static struct cause publish_by(struct testing *t, const char *source, const char *extension)
{
    struct cause cause;

    state_cause_begin(t->core, str_of(source));
    publish(t, extension, true);
    cause = state_cause(t->core);
    state_cause_end(t->core);
    return cause;
}

/* What a list shows comes of what its items show, and has the cause of the last of them. */
static void test_causes(void **state)
{
    struct testing *t = testing_create(LIST("a", "1,2"));
    struct cause cause;

    (void)state;
    assert_int_equal(watch(t, "a"), 0);
    assert_true(str_equal(t->newest->cause.source, STATE_CAUSE_WATCHED));
    cause = publish_by(t, "pbx-a", "1"); /* one that is new */
    pass(t);
    assert_caused(t, &cause, "pbx-a");
    (void)publish_by(t, "pbx-a", "1"); /* and changes */
    cause = publish_by(t, "pbx-b", "2");
    pass(t);
    assert_caused(t, &cause, "pbx-b");
    configure(t, LIST("a", "1")); /* of which no item knows anything */
    assert_true(str_equal(t->newest->cause.source, STATE_CAUSE_CONFIGURATION));
    assert_true(t->newest->cause.number > cause.number);
    unwatch(t);
    testing_destroy(t);
}

static void on_list(void *ctx, const struct resource_list_view *v)
{
    struct buf *b = ctx;

    buf_printf(b, "%.*s/%.*s %s:", STR_FMT(v->name.extension), STR_FMT(v->name.context),
               v->snapshot ? "watched" : "unwatched");
    for (size_t i = 0; i < v->state->n; i++)
        buf_printf(b, " %.*s%s", STR_FMT(v->state->items[i].user),
                   v->state->items[i].snapshot ? "" : "-");
    buf_add(b, STR("; "));
}

static void on_having(void *ctx, const struct snapshot *list)
{
    buf_printf(ctx, "%.*s ", STR_FMT(list->extension));
}

static void assert_looks(struct testing *t, const char *context, const char *name,
                         const char *expected)
{
    struct buf b;

    buf_init_on(&b, t->text, sizeof(t->text) - 1);
    assert_int_equal(resource_lists_look(t->lists, str_of(context), str_of(name), on_list, &b), 0);
    t->text[b.n] = '\0';
    assert_string_equal(t->text, expected);
}

static void assert_having(struct testing *t, const char *extension, const char *expected)
{
    const struct resource_name name = { STR_EMPTY, STR("users"), str_of(extension) };
    const struct snapshot *s = state_find(t->core, &name);
    struct buf b;

    assert_non_null(s);
    buf_init_on(&b, t->text, sizeof(t->text) - 1);
    resource_lists_having(t->lists, s->resource_id, on_having, &b);
    t->text[b.n] = '\0';
    assert_string_equal(t->text, expected);
}

/* Whether somebody watches it or not; and nothing stays behind. */
static void test_looking(void **state)
{
    struct testing *t = testing_create(LIST("a", "1,b") LIST("b", "2,1") LIST("c", "2"));

    (void)state;
    publish(t, "1", true);
    assert_looks(t, "users", "none", "");
    assert_looks(t, "users", "a", "a/users unwatched: 1 b- 2-; ");
    assert_looks(t, "office", "a", "a/office unwatched: 1- b- 2-; ");
    assert_having(t, "1", "");
    assert_int_equal(watch(t, "a"), 0);
    assert_looks(t, "users", "a", "a/users watched: 1 b- 2-; ");
    assert_looks(t, "office", "a", "a/office unwatched: 1- b- 2-; ");
    assert_having(t, "1", "a ");
    unwatch(t);
    assert_having(t, "1", "");
    publish(t, "1", false);
    assert_false(is_there(t, "1") || is_there(t, "2"));
    testing_destroy(t);
}

static void plan(struct testing *t, const char *pattern, const char *text)
{
    const struct hint_spec hint = { .extension = str_of(pattern), .text = str_of(text) };
    struct dialplan_context *users;
    struct dialplan *dp;

    assert_int_equal(dialplan_create(&dp), 0);
    assert_int_equal(dialplan_context_get(dp, STR("users"), &users), 0);
    assert_int_equal(dialplan_hint_add(users, &hint), 0);
    assert_int_equal(state_dialplan_apply(t->core, dp), 0);
}

static void on_state(void *ctx, const struct resource_list_view *v)
{
    *(enum extension_state *)ctx = v->state->items[0].snapshot->state;
}

/* Looking makes no hint of a pattern, which publishers would be told of. */
static void test_looking_makes_nothing(void **state)
{
    struct testing *t = testing_create(LIST("a", "31,32"));
    enum extension_state shown = EXTENSION_IDLE;

    (void)state;
    plan(t, "_3X", "Custom:${EXTEN}");
    state_watch_all(t->core, WORKER);
    assert_int_equal(state_device_set(t->core, STR("a"), STR("Custom:31"), DEVICE_INUSE), 0);
    assert_looks(t, "users", "a", "a/users unwatched: 31 32; ");
    assert_int_equal(resource_lists_look(t->lists, STR("users"), STR("a"), on_state, &shown), 0);
    assert_int_equal(shown, EXTENSION_INUSE);
    assert_int_equal(t->told, 0);
    publish(t, "32", true); /* it is there, without a look at the pattern */
    assert_looks(t, "users", "a", "a/users unwatched: 31 32; ");
    assert_false(is_there(t, "31"));
    assert_int_equal(watch(t, "a"), 0);
    assert_true(is_there(t, "31"));
    assert_looks(t, "users", "a", "a/users watched: 31 32; ");
    unwatch(t);
    testing_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_causes),
        cmocka_unit_test(test_looking),
        cmocka_unit_test(test_looking_makes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
