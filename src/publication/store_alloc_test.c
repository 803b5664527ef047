// SPDX-License-Identifier: MIT
/* Each allocation of each operation fails in turn: the operation says so, nobody is told anything,
 * everything is as it was, and with memory it works. */
#include "base/memory_testing.h"
#include "publication/store_testing.h"
#include "state/dialogs.h"

#include <stdio.h>

/* ---- steps ---- */

enum { TAGS = 4 };

enum step_kind { PUBLISH, REFRESH, REMOVE, DIFF, SOURCE };

struct step {
    enum step_kind kind;
    const char *publisher;
    unsigned tag; /* which of the tags is used and renewed; an unused one is empty */
    const char *package, *document, *call_id;
    bool supersede;
};

#define PIDF                         \
    "presence tuple:t=open|c=sip:a " \
    "person:p|a=busy|a@1-9000000=meal|n@1-9000000=de:x|e=mood:<m/>|n=en:x device:d|d=u note:en:x"
#define PIDF_DIFF "Application/PIDF-diff+xml; charset=utf-8"

static const struct step steps[] = {
    { PUBLISH, "a", 0, "dialog", "dialogs x=early|call=c:l:r y=confirmed", "one", false },
    { PUBLISH, "b", 1, "dialog", "dialogs x=early|call=c:r:l y=early", "two", false },
    { PUBLISH, "a", 0, "dialog", "partial:1 x=terminated|call=c:l:r z=early", "one", false },
    { PUBLISH, "a", 0, "dialog", "dialogs y=early", "another", false },
    { REFRESH, "b", 1, "dialog", NULL, "yet another", false },
    { PUBLISH, "a", 2, "presence", PIDF " ext:<x/>", "one", false },
    { PUBLISH, "b", 3, "presence", PIDF " ext:<y/>", "one", false },
    { DIFF, "a", 2, "presence", "+tuple:u=closed", "one", false },
    { SOURCE, "s", 0, "message-summary", "messages:yes|account=sip:a|voice=1/0/0/0", "", false },
    { SOURCE, "s", 0, "message-summary", "messages:no|account=sip:b|voice=0/0/0/0", "", false },
    { SOURCE, "t", 0, "message-summary", "messages:no", "", false },
    { PUBLISH, "a", 0, "dialog", "dialogs q=early", "new", true },
    { REMOVE, "b", 1, "dialog", NULL, "", false },
    { SOURCE, "s", 0, "message-summary", NULL, "", false },
    { SOURCE, "t", 0, "message-summary", NULL, "", false },
    { PUBLISH, "c", 1, "conference", "opaque:text/plain:hello", "c", false },
    { REMOVE, "c", 1, "conference", NULL, "", false },
};

struct stage {
    struct store_bench b;
    etag_text tags[TAGS];
};

static int source_run(struct stage *s, const struct step *step, const struct event_state *document)
{
    const struct resource_name name = { str_of(step->package), STR("users"), STR("1000") };

    return publication_internal_set(s->b.store, &name, name.package, str_of(step->publisher),
                                    document);
}

/* With `allocations` of the store's succeeding. Returns whether one failed. */
static bool step_run(struct stage *s, const struct step *step, long allocations, int *result)
{
    char *tag = s->tags[step->tag];
    struct publication_request rq =
        bench_request(step->publisher, step->supersede ? "" : tag,
                      step->document && step->kind != DIFF ? step->document : NULL);
    struct publication_answer answer = { .status = 0 };
    bool failed;

    rq.package = str_of(step->package);
    rq.call_id = str_of(step->call_id);
    rq.supersede = step->supersede;
    rq.content_type = str_equal(rq.package, STR("presence")) ? STR(PIDF_DIFF) : STR("text/test");
    rq.diff = step->kind == DIFF;
    if (rq.diff)
        rq.body = str_of(step->document);
    if (step->kind == REMOVE)
        rq.expires_s = 0;
    memory.left = allocations;
    *result = step->kind == SOURCE ? source_run(s, step, rq.document)
                                   : publication_apply(s->b.store, &rq, &answer);
    if (*result == 0 && answer.promise)
        publication_promise_end(s->b.store, answer.promise, true);
    failed = allocations >= 0 && memory.left < 0;
    memory.left = -1;
    event_state_unref(rq.document);
    if (*result == 0 && step->kind != SOURCE)
        (void)snprintf(tag, ETAG_ROOM, "%.*s", STR_FMT(answer.etag));
    if (*result == 0 && step->kind == REMOVE)
        tag[0] = '\0';
    return failed;
}

/* What is told is written into room that is already there. */
static void reserve(struct buf *b)
{
    static char room[1 << 16];

    buf_add(b, (struct str){ room, sizeof(room) });
    assert_int_equal(b->error, 0);
    buf_reset(b);
}

/* `kept` NULL: nothing is. */
static void prepare(struct stage *s, size_t n, struct keep_testing *kept)
{
    int r;

    *s = (struct stage){ .tags = { "" } };
    if (kept) {
        *kept = (struct keep_testing){ .n = 0 };
        bench_init_keeping(&s->b, kept, 1);
    } else {
        bench_init(&s->b);
    }
    s->b.guard = memory_guard;
    reserve(&s->b.told);
    for (size_t i = 0; i < n; i++) {
        step_run(s, &steps[i], -1, &r);
        assert_int_equal(r, 0);
    }
    buf_reset(&s->b.told);
}

/* Step `i` with its allocation `n` failing. False when it has not so many. */
static bool step_fails(size_t i, long n, const char *told, struct keep_testing *kept)
{
    struct publication_counters counters;
    struct buf before, after;
    struct stage s;
    bool failed;
    int r;

    prepare(&s, i, kept);
    bench_dump(&s.b, &before);
    counters = bench_counters(&s.b);
    failed = step_run(&s, &steps[i], n, &r);
    if (r) {
        struct publication_counters now = bench_counters(&s.b);

        assert_int_equal(r, -ENOMEM);
        bench_dump(&s.b, &after);
        assert_string_equal(before.p, after.p);
        assert_memory_equal(&counters, &now, sizeof(now));
        assert_told(&s.b, "");
        buf_fini(&after);
        step_run(&s, &steps[i], -1, &r);
        assert_int_equal(r, 0);
    }
    assert_told(&s.b, told);
    buf_fini(&before);
    bench_fini(&s.b);
    return failed;
}

static void operations(struct keep_testing *kept)
{
    long total = 0;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct stage plain; /* where nothing fails */
        long n = 0;
        int r;

        prepare(&plain, i, kept);
        step_run(&plain, &steps[i], -1, &r);
        assert_int_equal(r, 0);
        buf_add_char(&plain.b.told, '\0');
        while (step_fails(i, n, plain.b.told.p, kept))
            n++;
        total += n;
        bench_fini(&plain.b);
    }
    print_message("    %ld allocations\n", total);
    assert_true(total > 100);
}

static void test_operations(void **state)
{
    static struct keep_testing kept;

    (void)state;
    operations(NULL);
    operations(&kept);
}

/* The end of a publication waits for memory, and then is told. */
static void test_expiry(void **state)
{
    bool failed = true;

    (void)state;
    for (long n = 0; failed; n++) {
        struct stage s;

        prepare(&s, 2, NULL);
        bench_run(&s.b, 69000);
        memory.left = n;
        bench_run(&s.b, 1010);
        failed = memory.left < 0;
        memory.left = -1;
        bench_run(&s.b, 1500);
        assert_int_equal(bench_counters(&s.b).publications, 0);
        assert_int_equal(bench_counters(&s.b).expired, 2);
        assert_int_equal(bench_counters(&s.b).bytes, 0);
        assert_true(str_ends(buf_str(&s.b.told), STR("1000@users -\n")));
        bench_fini(&s.b);
    }
}

/* Many documents need more than the first block of scratch, wherever one is at. */
static void test_compose(void **state)
{
    enum { MANY = 60 };
    struct event_state *document =
        event_state_of("dialogs x=early|call=c:l:r y=confirmed " PIDF
                       " ext:<x/> messages:yes|account=sip:a|voice=1/0/0/0 opaque:a:b");
    struct event_state *change = event_state_of("partial:1 y=trying z=trying");
    struct event_state *out = NULL;
    struct composition_input in[MANY];
    int r = -ENOMEM;
    long n;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        in[i] = (struct composition_input){ .document = document, .serial = i, .changed = i };
    for (n = 0; r == -ENOMEM; n++) {
        assert_null(out);
        memory.left = n;
        r = composite_create(&out, in, MANY, 0);
        memory.left = -1;
    }
    assert_int_equal(r, 0);
    assert_int_equal(out->n_dialogs, MANY + 1);
    assert_true(n > 20);
    event_state_unref(out);
    out = NULL;
    for (n = 0, r = -ENOMEM; r == -ENOMEM; n++) {
        assert_null(out);
        memory.left = n;
        r = dialogs_merge(&out, document, change);
        memory.left = -1;
    }
    assert_event_state(out, "dialogs x=early|call=c:l:r y=trying z=trying");
    event_state_unref(out);
    event_state_unref(document);
    event_state_unref(change);
}

static void test_create(void **state)
{
    struct store_bench b;
    struct publication_config cfg = { .wheel = &b.wheel, .clock = &b.clock, .rng = &b.rng };
    struct publication_store *store = NULL;
    int r = -ENOMEM;
    long n;

    (void)state;
    bench_init(&b);
    for (n = 0; r == -ENOMEM; n++) {
        assert_null(store);
        memory.left = n;
        r = publication_store_create(&store, &cfg);
        memory.left = -1;
    }
    assert_int_equal(r, 0);
    assert_true(n > 3);
    publication_store_destroy(store);
    bench_fini(&b);
}

/* Without enough memory for all of it nothing is forgotten. */
static void test_restore(void **state)
{
    static struct keep_testing kept;
    static struct store_bench b;
    struct buf before;
    struct stage s;
    bool failed = true;
    long n;

    (void)state;
    memory_guard(false);
    prepare(&s, 8, &kept);
    bench_dump(&s.b, &before);
    b.now_ms = s.b.now_ms;
    bench_fini(&s.b);
    for (n = 0; failed; n++) {
        static struct keep_testing now;
        int r = 0;

        now = kept;
        bench_init_keeping(&b, &now, 2);
        reserve(&b.told);
        memory.left = n;
        memory_guard(true);
        for (unsigned t = KEEP_PUBLICATION; t <= KEEP_PUBLICATION_BODY; t++)
            for (size_t i = 0; i < kept.n; i++) {
                if (kept.kept[i].record.table == t && r == 0)
                    r = publication_restore(b.store, &kept.kept[i].record);
                assert_true(r == 0 || r == -ENOMEM);
            }
        r = publications_restored(b.store);
        failed = memory.left < 0;
        memory_guard(false);
        memory.left = -1;
        assert_int_equal(now.puts, kept.puts);
        if (r == 0) {
            struct buf after;

            bench_dump(&b, &after);
            assert_string_equal(before.p, after.p);
            buf_fini(&after);
        } else {
            assert_true(failed && r == -ENOMEM);
        }
        bench_fini(&b);
    }
    assert_true(n > 30);
    buf_fini(&before);
    memory_guard(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations), cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_compose),    cmocka_unit_test(test_create),
        cmocka_unit_test(test_restore),
    };

    memory.armed = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
