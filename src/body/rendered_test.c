// SPDX-License-Identifier: MIT
/* Rendering: once per snapshot and profile, shared, compared; and what becomes of plugins that
 * fail. */
#include "body/published_testing.h"
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#define PIDF "application/pidf+xml"
#define XPIDF "application/xpidf+xml"
#define TEST "application/x-test"

static int setup(void **state)
{
    struct body_registry *r;

    if (body_registry_create(&r, NULL, NULL))
        return -1;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    body_registry_unref(*state);
    return 0;
}

static const struct rendered_body *rendered(const struct body_profile *p, const struct snapshot *s,
                                            uint64_t seed)
{
    const struct rendered_body *b = NULL;
    struct rng rng;

    rng_init_seeded(&rng, seed);
    assert_int_equal(body_render(p, s, &rng, &b), 0);
    assert_non_null(b);
    return b;
}

/* ---- sharing ---- */

static void test_rendered_once(void **state)
{
    const struct body_profile *p = profile_for(*state, watcher("presence", ""), PIDF, 0);
    const struct body_profile *q = profile_for(*state, watcher("presence", ""), XPIDF, 0);
    struct snapshot *s = snapshot_new(resource_in(EXTENSION_IDLE));
    struct body_counters c;

    assert_ptr_equal(rendered(p, s, 1), rendered(p, s, 2));
    assert_ptr_equal(rendered(q, s, 1), rendered(q, s, 2));
    assert_ptr_not_equal(rendered(p, s, 1), rendered(q, s, 1));
    body_counters_get(*state, &c);
    assert_int_equal(c.rendered, 2);
    assert_int_equal(c.reused, 4);
    assert_int_equal(c.failures, 0);
    snapshot_unref(s);
}

enum { THREADS = 8, ROUNDS = 200 };

struct racer {
    struct body_registry *registry;
    struct snapshot *const *snapshots;
    pthread_barrier_t *start;
    const struct rendered_body *got[ROUNDS];
    uint64_t seed;
};

static void *race(void *arg)
{
    struct racer *me = arg;
    bool ok = true;
    struct rng rng;

    rng_init_seeded(&rng, me->seed);
    for (int i = 0; i < ROUNDS; i++) {
        struct es_subscriber s = watcher("presence", i % 2 ? "Digium" : "phone");
        const struct body_profile *p;

        pthread_barrier_wait(me->start);
        ok = ok && body_choose(me->registry, &s, STR(XPIDF), (unsigned)i % 4, &p) == 0 &&
             body_render(p, me->snapshots[i], &rng, &me->got[i]) == 0;
    }
    return ok ? me : NULL;
}

/* All threads choose and render the same at the same time, and all get the same body. */
static void test_race(void **state)
{
    static struct racer racers[THREADS];
    struct snapshot *snapshots[ROUNDS];
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    void *ok;

    for (int i = 0; i < ROUNDS; i++)
        snapshots[i] = snapshot_new(resource_in(EXTENSION_INUSE));
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){
            .registry = *state, .snapshots = snapshots, .start = &start, .seed = i + 1
        };
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
    }
    for (int i = 0; i < ROUNDS; i++)
        for (int k = 1; k < THREADS; k++)
            assert_ptr_equal(racers[k].got[i], racers[0].got[i]);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < ROUNDS; i++)
        snapshot_unref(snapshots[i]);
}

/* ---- comparing ---- */

static void compare(struct body_registry *r, const char *type, struct snapshot_spec x,
                    struct snapshot_spec y, bool same)
{
    const struct body_profile *p = profile_for(r, watcher("presence", ""), type, 0);
    struct snapshot *a = snapshot_new(x), *b = snapshot_new(y);
    const struct rendered_body *first = rendered(p, a, 1), *second = rendered(p, b, 2);

    assert_int_equal(body_same(first, second), same);
    assert_int_equal(body_digest(first) == body_digest(second), same);
    assert_true(body_same(first, first));
    snapshot_unref(a);
    snapshot_unref(b);
}

static void test_same(void **state)
{
    struct snapshot_spec idle = resource_in(EXTENSION_IDLE), other = idle;

    compare(*state, PIDF, idle, idle, true);
    compare(*state, XPIDF, idle, idle, true); /* but for the atomid */
    compare(*state, PIDF, resource_in(EXTENSION_INUSE), resource_in(EXTENSION_BUSY), true);
    compare(*state, PIDF, resource_in(EXTENSION_INUSE), idle, false);
    compare(*state, XPIDF, resource_in(EXTENSION_INUSE), idle, false);
    other.presence = PRESENCE_DND; /* nobody but Digium's phones is told */
    compare(*state, PIDF, idle, other, true);
    other.extension = STR("1001");
    compare(*state, PIDF, idle, other, false);
    compare(*state, XPIDF, idle, other, false);
}

/* The digest may be stored: it must not change from one release to the next without a thought. */
static void test_digest_is_stable(void **state)
{
    const struct body_profile *p = profile_for(*state, watcher("presence", ""), XPIDF, 0);
    struct snapshot *s = snapshot_new(resource_in(EXTENSION_IDLE));

    assert_int_equal(body_digest(rendered(p, s, 1)), 0xba40fcc39bd1af40);
    snapshot_unref(s);
}

/* ---- what a generator sees ---- */

/* Plugins are compiled against these places: what is added goes behind them. */
_Static_assert(offsetof(struct es_snapshot, presence_message) == 96 &&
                   offsetof(struct es_snapshot, has_hint) == 112,
               "the snapshot of ABI 1");
_Static_assert(offsetof(struct es_document_api, raw_slot) == 13 * sizeof(void *) &&
                   offsetof(struct es_document_api, xml) == 14 * sizeof(void *),
               "the document API of ABI 1");
_Static_assert(sizeof(struct es_subscriber) == 72 && sizeof(struct es_body_request) == 56,
               "the subscriber and the request of ABI 1");

static int generate_seen(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_snapshot *s = rq->snapshot;
    char line[256];

    snprintf(line, sizeof(line), "%zu %d hint %d %d dialogs %d %zu %.*s presence %zu messages %d ",
             s->size, (int)s->state, s->has_hint, (int)s->hint_state, s->has_dialogs, s->n_dialogs,
             s->n_dialogs ? (int)s->dialogs[0].id.n : 0, s->n_dialogs ? s->dialogs[0].id.p : "",
             s->published_presence ? s->published_presence->n_tuples : 99,
             s->messages ? s->messages->waiting : -1);
    rq->api->raw(out, es_text_of(line));
    rq->api->raw(out, s->content_type ? *s->content_type : ES_TEXT("nothing"));
    rq->api->raw(out, s->content ? *s->content : ES_TEXT(" else"));
    return 0;
}

static const struct es_body_generator *const one_seeing[] = {
    GENERATOR(.name = "seen", .package = "test", .content_type = TEST, .generate = generate_seen),
    NULL
};

static void test_snapshot(void **state)
{
    static const struct es_dialog dialogs[] = { { .id = ES_TEXT("d1") }, { .id = ES_TEXT("d2") } };
    static const struct es_tuple tuple = { .basic = ES_BASIC_OPEN };
    static const struct es_presence presence = { .tuples = &tuple, .n_tuples = 1 };
    static const struct es_messages messages = { .waiting = true };
    static const struct {
        struct published_resource of;
        const char *seen; /* behind the size */
    } cases[] = {
        { { .state = EXTENSION_IDLE },
          " 0 hint 0 4 dialogs 0 0  presence 99 messages -1 nothing else" },
        { { .has_hint = true, .hint_state = EXTENSION_RINGING },
          " 0 hint 1 8 dialogs 0 0  presence 99 messages -1 nothing else" },
        { { .has_hint = true, .hint_state = EXTENSION_REMOVED },
          " 0 hint 1 -2 dialogs 0 0  presence 99 messages -1 nothing else" },
        { { .has_dialogs = true },
          " 0 hint 0 4 dialogs 1 0  presence 99 messages -1 nothing else" },
        { { .state = EXTENSION_INUSE, .has_dialogs = true, .dialogs = dialogs, .n_dialogs = 2 },
          " 1 hint 0 4 dialogs 1 2 d1 presence 99 messages -1 nothing else" },
        { { .presence = &presence, .messages = &messages },
          " 0 hint 0 4 dialogs 0 0  presence 1 messages 1 nothing else" },
        { { .content_type = "a/b", .content = "!" },
          " 0 hint 0 4 dialogs 0 0  presence 99 messages -1 a/b!" },
    };
    static struct es_plugin plugin;

    plug(*state, &plugin, "plugin", one_seeing, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char expected[256];

        snprintf(expected, sizeof(expected), "%zu%s", sizeof(struct es_snapshot), cases[i].seen);
        check_published(*state, watcher("test", ""), TEST, 0, &cases[i].of, expected);
    }
}

/* ---- plugins that fail ---- */

static int generate_good(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->text(rq->api->root(out, "good"), rq->snapshot->hint_name);
    return 0;
}

static int generate_error(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->root(out, "half");
    return -EIO;
}

static int generate_nothing(const struct es_body_request *rq, struct es_document *out)
{
    (void)rq;
    (void)out;
    return 0;
}

static int generate_positive(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->root(out, "half");
    return 1;
}

static int generate_absurd(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->root(out, "half");
    return INT_MIN; /* no errno: it has no positive counterpart */
}

static int generate_spoiled(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->root(out, "not a name");
    return 0;
}

static int generate_huge(const struct es_body_request *rq, struct es_document *out)
{
    static const char quotes[40000] = { '"' };

    rq->api->text(rq->api->root(out, "huge"), (struct es_text){ quotes, sizeof(quotes) });
    rq->api->text(rq->api->root(out, "huge"), (struct es_text){ quotes, sizeof(quotes) });
    return 0;
}

static int generate_raw(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->raw(out, ES_TEXT("Account: "));
    rq->api->raw_slot(out, ES_SLOT_LOCAL);
    rq->api->raw(out, ES_TEXT("\r\n"));
    return 0;
}

static int add_element(const struct es_body_request *rq, struct es_document *d)
{
    rq->api->attribute(rq->api->root(d, "x"), "added", ES_TEXT("yes"));
    return 0;
}

static int add_and_fail(const struct es_body_request *rq, struct es_document *d)
{
    rq->api->attribute(rq->api->root(d, "x"), "failed", ES_TEXT("yes"));
    return -EIO;
}

static int add_and_spoil(const struct es_body_request *rq, struct es_document *d)
{
    rq->api->raw(d, ES_TEXT("beside the root"));
    return 0;
}

static int remove_all(const struct es_body_request *rq, struct es_document *d)
{
    rq->api->remove(rq->api->root(d, "x"));
    return 0;
}

static void check_test_body(struct body_registry *r, const char *expected, unsigned failures)
{
    char *text = body_of(r, watcher("test", ""), TEST, 0, resource_in(EXTENSION_IDLE));
    struct body_counters c;

    assert_string_equal(text, expected);
    free(text);
    body_counters_get(r, &c);
    assert_int_equal(c.failures, failures);
}

static const struct es_body_generator *const falling_back[] = {
    GENERATOR(.name = "good", .package = "test", .content_type = TEST, .generate = generate_good),
    GENERATOR(.name = "never", .package = "test", .content_type = TEST,
              .generate = generate_nothing),
    GENERATOR(.name = "error", .package = "test", .content_type = TEST, .priority = 9,
              .generate = generate_error),
    GENERATOR(.name = "nothing", .package = "test", .content_type = TEST, .priority = 5,
              .generate = generate_nothing),
    GENERATOR(.name = "positive", .package = "test", .content_type = TEST, .priority = 4,
              .generate = generate_positive),
    GENERATOR(.name = "spoiled", .package = "test", .content_type = TEST, .priority = 3,
              .generate = generate_spoiled),
    GENERATOR(.name = "huge", .package = "test", .content_type = TEST, .priority = 2,
              .generate = generate_huge),
    NULL,
};

static void test_next_generator(void **state)
{
    static struct es_plugin plugin;

    plug(*state, &plugin, "plugin", falling_back, NULL);
    assert_string_equal(body_profile_generator(profile_for(*state, watcher("test", ""), TEST, 0)).p,
                        "error");
    check_test_body(*state, PROLOG "<good>Alice Smith</good>\n", 5);
}

static void test_all_fail(void **state)
{
    static const struct {
        int (*generate)(const struct es_body_request *, struct es_document *);
        int error;
    } cases[] = {
        { generate_absurd, -EINVAL },   { generate_error, -EIO },
        { generate_nothing, -ENODATA }, { generate_positive, -EINVAL },
        { generate_spoiled, -EINVAL },  { generate_huge, -EMSGSIZE },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct es_body_generator *const generators[] = {
            GENERATOR(.name = "bad", .package = "test", .content_type = TEST,
                      .generate = cases[i].generate),
            NULL
        };
        struct es_subscriber s = watcher("test", "");
        const struct body_profile *p = NULL;
        const struct rendered_body *b = NULL;
        struct body_registry *r;
        struct es_plugin plugin;
        struct snapshot *snapshot = snapshot_new(resource_in(EXTENSION_IDLE));
        struct rng rng;

        (void)state;
        rng_init_seeded(&rng, 1);
        assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
        plug(r, &plugin, "plugin", generators, NULL);
        assert_int_equal(body_choose(r, &s, STR(TEST), 0, &p), 0);
        assert_int_equal(body_render(p, snapshot, &rng, &b), cases[i].error);
        assert_null(b);
        snapshot_unref(snapshot);
        body_registry_unref(r);
    }
}

static const struct es_body_generator *const one_good[] = {
    GENERATOR(.name = "good", .package = "test", .content_type = TEST, .generate = generate_good),
    NULL
};

static const struct es_body_supplement *const mostly_failing[] = {
    SUPPLEMENT(.name = "last", .content_type = TEST, .order = 300, .supplement = add_element),
    SUPPLEMENT(.name = "fail", .content_type = TEST, .order = 1, .supplement = add_and_fail),
    SUPPLEMENT(.name = "spoil", .content_type = TEST, .order = 2, .supplement = add_and_spoil),
    SUPPLEMENT(.name = "remove", .content_type = TEST, .order = 3, .supplement = remove_all),
    SUPPLEMENT(.name = "elsewhere", .content_type = "application/x-other",
               .supplement = add_and_spoil),
    NULL,
};

/* A supplement that fails leaves no trace, whatever it had done before. */
static void test_supplements(void **state)
{
    static struct es_plugin plugin;

    plug(*state, &plugin, "plugin", one_good, mostly_failing);
    check_test_body(*state, PROLOG "<good added=\"yes\">Alice Smith</good>\n", 3);
}

static const struct es_body_generator *const one_raw[] = {
    GENERATOR(.name = "raw", .package = "test", .content_type = TEST, .generate = generate_raw),
    NULL
};

static const struct es_body_supplement *const one_removing[] = {
    SUPPLEMENT(.name = "spoil", .content_type = TEST, .supplement = remove_all), NULL
};

static void test_raw_has_no_supplements(void **state)
{
    static struct es_plugin plugin;

    plug(*state, &plugin, "plugin", one_raw, one_removing);
    check_test_body(*state, "Account: " LOCAL_URI "\r\n", 0);
}

int main(void)
{
#define TEST_CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST_CASE(test_rendered_once),
        TEST_CASE(test_race),
        TEST_CASE(test_same),
        TEST_CASE(test_digest_is_stable),
        TEST_CASE(test_snapshot),
        TEST_CASE(test_next_generator),
        TEST_CASE(test_all_fail),
        TEST_CASE(test_supplements),
        TEST_CASE(test_raw_has_no_supplements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
