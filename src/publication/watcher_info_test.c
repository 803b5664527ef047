// SPDX-License-Identifier: MIT
/* Watcher information against a real state core: what two workers tell, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "publication/compose_testing.h"
#include "publication/watcher_info.h"
#include "txn/settings_fixture.h"

#define RULES "[authorization]\nconfirm_timeout=60\n"

struct testing {
    uint64_t now_ms;
    struct clock clock;
    struct rng rng;
    struct wheel wheel;
    struct log *log;
    struct state_core *core;
    struct watcher_info *info;
    unsigned started, stopped, answered, answered_worker;
    uint64_t answered_cookie, generation;
    const struct snapshot *newest; /* a reference: of the last answer, or told later */
};

static const struct resource_name presence_of_1000 = { STR_INIT("presence"), STR_INIT("users"),
                                                       STR_INIT("1000") };

/* ---- ports ---- */

static uint64_t read_clock(void *ctx)
{
    return ((struct testing *)ctx)->now_ms;
}

static void newest_set(struct testing *t, const struct snapshot *s)
{
    snapshot_unref(t->newest);
    t->newest = s ? snapshot_ref(s) : NULL;
}

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    (void)former;
    watcher_info_snapshot(((struct testing *)ctx)->info, s);
    if (consumers)
        newest_set(ctx, s);
}

static void on_start(void *ctx, const struct resource_name *of, uint64_t resource_id,
                     uint64_t generation)
{
    struct testing *t = ctx;

    assert_true(str_equal(of->package, STR("presence")));
    assert_int_equal(resource_id, 17);
    t->started++;
    t->generation = generation;
}

static void on_stop(void *ctx, const struct resource_name *of)
{
    assert_true(str_equal(of->extension, STR("1000")));
    ((struct testing *)ctx)->stopped++;
}

static void on_answer(void *ctx, unsigned worker, uint64_t cookie, const struct snapshot *s,
                      bool cacheable)
{
    struct testing *t = ctx;

    assert_true(cacheable);
    t->answered++;
    t->answered_worker = worker;
    t->answered_cookie = cookie;
    newest_set(t, s);
}

/* ---- life ---- */

static void configure(struct testing *t, const char *rules)
{
    struct settings *s = settings_fixture_with("", rules);

    watcher_info_configure(t->info, s);
    settings_unref(s);
}

static struct testing *testing_create(void)
{
    struct testing *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    t->now_ms = 1000;
    t->clock = (struct clock){ read_clock, read_clock, t };
    rng_init_seeded(&t->rng, 7);
    wheel_init(&t->wheel, t->now_ms);
    assert_int_equal(log_create(&t->log, -1, LOG_LEVEL_ERROR, &t->clock), 0);
    assert_int_equal(
        state_create(&t->core,
                     &(struct state_config){ .port = { .ctx = t, .snapshot = on_snapshot },
                                             .clock = &t->clock,
                                             .log = t->log,
                                             .rng = &t->rng }),
        0);
    assert_int_equal(
        watcher_info_create(
            &t->info, &(struct watcher_info_config){ .port = { t, on_start, on_stop, on_answer },
                                                     .core = t->core,
                                                     .wheel = &t->wheel,
                                                     .clock = &t->clock,
                                                     .rng = &t->rng,
                                                     .log = t->log,
                                                     .n_workers = 2 }),
        0);
    configure(t, RULES "confirm=.\n");
    return t;
}

static void testing_destroy(struct testing *t)
{
    watcher_info_destroy(t->info);
    snapshot_unref(t->newest);
    state_destroy(t->core);
    wheel_fini(&t->wheel);
    log_destroy(t->log);
    free(t);
}

static void pass(struct testing *t, uint64_t ms)
{
    for (uint64_t end = t->now_ms + ms; t->now_ms < end;) {
        t->now_ms += WHEEL_TICK_MS;
        wheel_advance(&t->wheel, t->now_ms);
    }
}

/* ---- what workers do ---- */

static void watch(struct testing *t, unsigned worker, uint64_t cookie)
{
    watcher_info_watch(t->info, &(struct watcher_info_question){ .of = presence_of_1000,
                                                                 .resource_id = 17,
                                                                 .worker = worker,
                                                                 .cookie = cookie,
                                                                 .cacheable = true });
}

static void unwatch(struct testing *t, unsigned worker)
{
    uint64_t id = t->newest->resource_id;

    state_unwatch(t->core, id, worker);
    watcher_info_unwatch(t->info, id, worker);
}

static void listed(struct testing *t, unsigned worker)
{
    watcher_info_report(
        t->info, worker,
        &(struct watcher_report){ .of = presence_of_1000, .generation = t->generation });
}

static void tell(struct testing *t, unsigned worker, uint64_t number, const char *who,
                 enum es_watcher_status status, enum es_watcher_event event)
{
    watcher_info_report(t->info, worker,
                        &(struct watcher_report){ .of = presence_of_1000,
                                                  .generation = t->generation,
                                                  .number = number,
                                                  .endpoint = str_of(who),
                                                  .uri = str_of(who),
                                                  .status = status,
                                                  .event = event });
}

static void subscribes(struct testing *t, unsigned worker, uint64_t number, const char *who)
{
    tell(t, worker, number, who, ES_WATCHER_ACTIVE, ES_WATCHER_SUBSCRIBE);
}

/* Watched by worker 0, with nobody there yet. */
static void begin(struct testing *t)
{
    watch(t, 0, 1);
    listed(t, 0);
    listed(t, 1);
    assert_int_equal(t->answered, 1);
}

/* ---- what is seen ---- */

static void watcher_print(struct buf *b, const struct es_watcher *w)
{
    static const char *const states[] = { "pending", "active", "waiting", "terminated" };

    buf_printf(b, "%s%.*s %.*s %s %d%s", b->n ? ", " : "", STR_FMT(es_str(w->id)),
               STR_FMT(es_str(w->uri)), states[w->status], (int)w->event, w->changed ? " *" : "");
}

static void check(const struct testing *t, const char *expected)
{
    char room[512];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    assert_non_null(t->newest);
    assert_true(str_equal(t->newest->package, STR("presence.winfo")));
    assert_non_null(t->newest->published);
    for (size_t i = 0; i < t->newest->published->n_watchers; i++)
        watcher_print(&b, &t->newest->published->watchers[i]);
    if (!str_equal(buf_str(&b), str_of(expected)))
        fail_msg("%.*s instead of %s", STR_FMT(buf_str(&b)), expected);
}

/* ---- tests ---- */

/* Nobody is told anything before all workers have told whom they have. */
static void test_all_workers(void **state)
{
    struct testing *t = testing_create();

    (void)state;
    watch(t, 1, 42);
    assert_int_equal(t->started, 1);
    subscribes(t, 0, 1, "bob");
    subscribes(t, 1, 1, "carol");
    listed(t, 1);
    pass(t, 10000);
    assert_int_equal(t->answered, 0);
    watch(t, 0, 43); /* another one who wants to know waits, too */
    assert_int_equal(t->answered, 0);
    listed(t, 0);
    assert_int_equal(t->answered, 2);
    assert_int_equal(t->answered_worker, 0);
    assert_int_equal(t->answered_cookie, 43);
    assert_int_equal(t->started, 1);
    check(t, "0-1 bob active 0 *, 1-1 carol active 0 *");
    watch(t, 1, 44); /* by another name: it is known */
    assert_int_equal(t->answered, 3);
    testing_destroy(t);
}

static void test_changes(void **state)
{
    struct testing *t = testing_create();
    uint64_t sequence;

    (void)state;
    begin(t);
    check(t, "");
    pass(t, 5000);
    tell(t, 0, 1, "bob", ES_WATCHER_PENDING, ES_WATCHER_SUBSCRIBE);
    subscribes(t, 0, 2, "carol");
    pass(t, 20);
    check(t, "0-1 bob pending 0 *, 0-2 carol active 0 *");
    assert_true(t->newest->published->changes_suffice);
    sequence = t->newest->sequence;
    /* No more often than every five seconds. */
    tell(t, 0, 1, "bob", ES_WATCHER_ACTIVE, ES_WATCHER_APPROVED);
    pass(t, 4900);
    assert_int_equal(t->newest->sequence, sequence);
    pass(t, 200);
    assert_int_equal(t->newest->sequence, sequence + 1);
    check(t, "0-1 bob active 1 *, 0-2 carol active 0");
    /* Who goes is told once. */
    tell(t, 0, 2, "carol", ES_WATCHER_TERMINATED, ES_WATCHER_TIMEOUT);
    pass(t, 6000);
    check(t, "0-2 carol terminated 5 *, 0-1 bob active 1");
    subscribes(t, 1, 1, "dave");
    pass(t, 6000);
    check(t, "0-1 bob active 1, 1-1 dave active 0 *");
    testing_destroy(t);
}

/* One who comes and goes between two documents was never there. */
static void test_transient(void **state)
{
    struct testing *t = testing_create();

    (void)state;
    begin(t);
    subscribes(t, 0, 1, "bob");
    tell(t, 0, 1, "bob", ES_WATCHER_TERMINATED, ES_WATCHER_TIMEOUT);
    tell(t, 0, 9, "eve", ES_WATCHER_TERMINATED, ES_WATCHER_TIMEOUT);
    pass(t, 6000);
    check(t, "");
    testing_destroy(t);
}

/* When the last worker has let go, nothing is left, and what is still under way counts no more. */
static void test_stop(void **state)
{
    struct testing *t = testing_create();
    uint64_t former;

    (void)state;
    begin(t);
    watch(t, 1, 2);
    subscribes(t, 0, 1, "bob");
    unwatch(t, 0);
    assert_int_equal(t->stopped, 0);
    unwatch(t, 1);
    assert_int_equal(t->stopped, 1);
    subscribes(t, 0, 2, "carol");
    former = t->generation;
    watch(t, 0, 3);
    assert_int_equal(t->started, 2);
    assert_int_not_equal(t->generation, former);
    t->generation--;
    subscribes(t, 0, 3, "dave");
    listed(t, 0);
    listed(t, 1);
    assert_int_equal(t->answered, 2);
    t->generation++;
    listed(t, 0);
    listed(t, 1);
    assert_int_equal(t->answered, 3);
    check(t, "");
    testing_destroy(t);
}

/* Pending until its subscription ended: remembered, whether anybody looks or not. */
static void test_waiting(void **state)
{
    struct testing *t = testing_create();

    (void)state;
    tell(t, 1, 7, "bob", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    begin(t);
    check(t, "1-7 bob waiting 5 *");
    unwatch(t, 0);
    pass(t, 50000);
    watch(t, 0, 9);
    listed(t, 0);
    listed(t, 1);
    check(t, "1-7 bob waiting 5 *");
    pass(t, 10000); /* a minute is over */
    pass(t, 5000);
    check(t, "1-7 bob terminated 6 *");
    testing_destroy(t);
}

/* Her next subscription takes its place, and so does a rule about her. */
static void test_waiting_ends(void **state)
{
    struct testing *t = testing_create();

    (void)state;
    begin(t);
    tell(t, 0, 1, "bob", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    tell(t, 0, 2, "carol", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    tell(t, 1, 1, "dave", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    pass(t, 6000);
    check(t, "0-1 bob waiting 5 *, 0-2 carol waiting 5 *, 1-1 dave waiting 5 *");
    tell(t, 1, 2, "bob", ES_WATCHER_PENDING, ES_WATCHER_SUBSCRIBE);
    configure(t, RULES "allow=carol\nblock=dave\nconfirm=.\n");
    pass(t, 6000);
    check(t, "0-1 bob terminated 6 *, 0-2 carol terminated 1 *, 1-1 dave terminated 4 *, "
             "1-2 bob pending 0 *");
    testing_destroy(t);
}

/* A rule about him begins by itself: the clock began at 1 s. */
static void test_waiting_until_a_rule_begins(void **state)
{
    struct testing *t = testing_create();
    struct settings *s = settings_fixture_texts((struct settings_fixture_texts){
        "", RULES "presence_rules=r.xml\n",
        "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy'>"
        "<rule><actions><h:sub-handling xmlns:h='urn:ietf:params:xml:ns:pres-rules'>confirm"
        "</h:sub-handling></actions></rule><rule><conditions><validity>"
        "<from>1970-01-01T00:00:21Z</from><until>1970-01-01T01:00:00Z</until></validity>"
        "</conditions><actions><h:sub-handling xmlns:h='urn:ietf:params:xml:ns:pres-rules'>"
        "polite-block</h:sub-handling></actions></rule></ruleset>" });

    (void)state;
    watcher_info_configure(t->info, s);
    settings_unref(s);
    begin(t);
    tell(t, 0, 1, "bob", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    pass(t, 19900);
    check(t, "0-1 bob waiting 5 *");
    pass(t, 200);
    check(t, "0-1 bob terminated 1 *");
    testing_destroy(t);
}

static void publish(struct testing *t, const char *document)
{
    const struct resource_name of = { .context = STR("users"), .extension = STR("1000") };
    struct event_state *s = event_state_of(document);

    assert_int_equal(state_published(t->core, &of, s), 0);
    event_state_unref(s);
}

static void configure_to_confirm_at_work(struct testing *t)
{
    struct settings *s = settings_fixture_texts((struct settings_fixture_texts){
        "", RULES "presence_rules=r.xml\n",
        "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy'>"
        "<rule><conditions><sphere value='work'/></conditions>"
        "<actions><h:sub-handling xmlns:h='urn:ietf:params:xml:ns:pres-rules'>confirm"
        "</h:sub-handling></actions></rule></ruleset>" });

    watcher_info_configure(t->info, s);
    settings_unref(s);
}

/* The rule about him depends on the sphere: it is looked at when that changes. When carol went
 * there was none about her any more, which her worker did not know yet. */
static void test_waiting_in_a_sphere(void **state)
{
    struct testing *t = testing_create();

    (void)state;
    configure_to_confirm_at_work(t);
    publish(t, "presence person:p|e=sphere:<sphere><work/></sphere>");
    begin(t);
    tell(t, 0, 1, "bob", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    publish(t, "presence person:p|n=Hi|e=sphere:<sphere><work/></sphere>");
    pass(t, 6000);
    check(t, "0-1 bob waiting 5 *");
    publish(t, "presence person:p|e=sphere:<sphere><home/></sphere>");
    tell(t, 0, 2, "carol", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    publish(t, "presence person:p|e=sphere:<sphere><work/></sphere>");
    pass(t, 6000);
    check(t, "0-1 bob terminated 4 *");
    testing_destroy(t);
}

static void test_waiting_in_a_sphere_unseen(void **state)
{
    struct testing *t = testing_create();

    (void)state;
    configure_to_confirm_at_work(t);
    publish(t, "presence person:p|e=sphere:<sphere><work/></sphere>");
    tell(t, 0, 1, "bob", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    tell(t, 0, 2, "carol", ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    publish(t, "presence person:p|e=sphere:<sphere><home/></sphere>");
    begin(t);
    check(t, "");
    testing_destroy(t);
}

static void test_waiting_is_bounded(void **state)
{
    struct testing *t = testing_create();
    char who[32];

    (void)state;
    for (unsigned i = 0; i <= WAITING_MAX; i++) {
        snprintf(who, sizeof(who), "w%u", i);
        tell(t, 0, 1 + i, who, ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT);
    }
    watch(t, 0, 1);
    listed(t, 0);
    listed(t, 1);
    assert_true(t->newest && t->newest->published && t->newest->published->n_watchers > 100);
    assert_true(str_equal(es_str(t->newest->published->watchers[0].uri), STR("w1")));
    testing_destroy(t);
}

/* A document stays below what one datagram holds. Where somebody is left out who was in the last
 * one, the changes do not tell the whole. */
static void test_too_many(void **state)
{
    struct testing *t = testing_create();
    const struct event_state *told;
    size_t n;

    (void)state;
    begin(t);
    for (unsigned i = 1; i <= 1000; i++)
        subscribes(t, 0, i, "sip:somebody@example.com");
    pass(t, 6000);
    told = t->newest->published;
    n = told->n_watchers;
    assert_in_range(n, 200, 400);
    assert_true(told->changes_suffice);
    tell(t, 1, 1, "sip:eve@example.com", ES_WATCHER_PENDING, ES_WATCHER_SUBSCRIBE);
    pass(t, 6000);
    told = t->newest->published;
    assert_int_equal(told->n_watchers, n);
    assert_true(str_equal(es_str(told->watchers[0].uri), STR("sip:eve@example.com")));
    assert_false(told->changes_suffice);
    testing_destroy(t);
}

/* All of them gone while their table grows. */
static void test_end_of_many(void **state)
{
    char name[16];

    (void)state;
    for (unsigned many = 1; many < 300; many += 7) {
        struct testing *t = testing_create();

        for (unsigned i = 0; i < many; i++) {
            snprintf(name, sizeof(name), "%u", i);
            watcher_info_watch(t->info, &(struct watcher_info_question){
                                            .of = { STR("presence"), STR("users"), str_of(name) },
                                            .resource_id = 17,
                                            .cookie = 1,
                                            .cacheable = true });
        }
        testing_destroy(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_workers),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_transient),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_waiting_ends),
        cmocka_unit_test(test_waiting_until_a_rule_begins),
        cmocka_unit_test(test_waiting_in_a_sphere),
        cmocka_unit_test(test_waiting_in_a_sphere_unseen),
        cmocka_unit_test(test_waiting_is_bounded),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_end_of_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
