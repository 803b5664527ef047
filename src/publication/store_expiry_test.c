// SPDX-License-Identifier: MIT
/* Publications end at their time: to the tick, also many of them. */
#include "publication/store_testing.h"

#include <malloc.h>

#define EARLY "dialogs 1000=early|r"

/* To the tick of the wheel, which never is early. */
static void test_expiry(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    rq = bench_request("a", NULL, EARLY);
    rq.expires_s = 3;
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_int_equal(bench_publish(&b, "c", c, "dialogs x=confirmed"), 0);
    buf_reset(&b.told);
    bench_run(&b, 12990);
    assert_told(&b, "");
    bench_run(&b, 20);
    assert_told(&b, "1000@users dialogs x=confirmed\n");
    assert_int_equal(bench_publish(&b, "a", a, EARLY), PUBLICATION_NO_MATCH);

    /* a refresh and a modification put it off, a failed one does not */
    bench_run(&b, 50000 - 13010);
    assert_int_equal(bench_publish(&b, "c", c, NULL), 0);
    bench_run(&b, 50000);
    assert_int_equal(bench_publish(&b, "c", c, "dialogs x=confirmed"), 0);
    bench_run(&b, 50000);
    rq = bench_request("c", c, "dialogs");
    rq.refusal = (struct publication_refusal){ 400, STR("no") };
    assert_int_equal(bench_apply(&b, &rq, NULL), PUBLICATION_BAD_BODY);
    bench_run(&b, 19990);
    assert_told(&b, "");
    bench_run(&b, 20);
    assert_told(&b, "1000@users -\n");
    assert_int_equal(bench_counters(&b).expired, 2);
    assert_int_equal(bench_counters(&b).bytes, 0);
    bench_fini(&b);
}

/* Whoever is told the end may have no room for it: it is tried again. */
static void test_expiry_delayed(void **state)
{
    struct store_bench b;
    etag_text tag = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", tag, EARLY), 0);
    buf_reset(&b.told);
    b.composed_result = -ENOMEM;
    bench_run(&b, 75000);
    assert_int_equal(bench_counters(&b).publications, 1);
    b.composed_result = 0;
    bench_run(&b, 1000);
    assert_told(&b, "1000@users -\n");
    assert_int_equal(bench_counters(&b).expired, 1);
    bench_fini(&b);
}

struct crowd {
    struct store_bench b;
    size_t n, late;
    uint64_t *due_ms; /* by extension */
};

static void crowd_watch(void *ctx, const struct resource_name *name, const struct event_state *s)
{
    struct crowd *c = ctx;
    uint32_t i;

    if (s)
        return;
    assert_int_equal(str_to_u32(&i, name->extension), 0);
    c->late += c->b.now_ms < c->due_ms[i] || c->b.now_ms > c->due_ms[i] + 2ull * WHEEL_TICK_MS;
    c->n++;
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks;
}

/* Each at its own second; and what each of them costs. */
static void test_crowd(void **state)
{
    enum { CROWD = 100000 };
    static const char busy[] = "dialogs a84b4c76e66710@pc33=confirmed|r|call=a84b4c76e66710@pc33:"
                               "1928301774:a6c85cf|local=sip:1000@example.com|remote=sip:bob@"
                               "biloxi.example.com";
    struct crowd c = { .n = 0 };
    struct event_state *document = event_state_of(busy);
    size_t before, per_publication;
    struct publication_answer answer;

    (void)state;
    bench_init(&c.b);
    c.b.silent = true;
    c.b.watch = crowd_watch;
    c.b.watch_ctx = &c;
    c.due_ms = calloc(CROWD, sizeof(*c.due_ms));
    assert_non_null(c.due_ms);
    before = heap_bytes();
    for (uint32_t i = 0; i < CROWD; i++) {
        char extension[16], call_id[64];
        struct publication_request rq = bench_request("kamailio.example.com", NULL, NULL);

        (void)snprintf(extension, sizeof(extension), "%u", i);
        (void)snprintf(call_id, sizeof(call_id), "%08x-5b8b-4e6d@192.0.2.1", i);
        rq.extension = str_of(extension);
        rq.call_id = str_of(call_id);
        rq.body = STR("500 bytes of XML");
        rq.document = document;
        rq.expires_s = 60 + rng_below(&c.b.rng, 3600);
        c.due_ms[i] = c.b.now_ms + (rq.expires_s + 10) * UINT64_C(1000);
        assert_int_equal(publication_apply(c.b.store, &rq, &answer), 0);
    }
    per_publication = (heap_bytes() - before) / CROWD;
    print_message("    %zu bytes each on the heap, %zu as counted\n", per_publication,
                  (size_t)(bench_counters(&c.b).bytes / CROWD));
    assert_true(per_publication < 1300);
    bench_run(&c.b, 4000000);
    assert_int_equal(c.n, CROWD);
    assert_int_equal(c.late, 0);
    assert_int_equal(bench_counters(&c.b).bytes, 0);
    event_state_unref(document);
    free(c.due_ms);
    bench_fini(&c.b);
}

/* Each to the tick of what it was granted last, whatever moved it before, be it alone or with a
 * third of all. */
static void test_crowd_moves(void **state)
{
    enum { CROWD = 30000 };
    struct crowd c = { .n = 0 };
    etag_text *tags = calloc(CROWD, sizeof(*tags));

    (void)state;
    bench_init(&c.b);
    c.b.silent = true;
    c.b.watch = crowd_watch;
    c.b.watch_ctx = &c;
    c.due_ms = calloc(CROWD, sizeof(*c.due_ms));
    assert_true(c.due_ms && tags);
    for (uint32_t i = 0; i < 3 * CROWD; i++) { /* begun, then refreshed at random, then together */
        uint32_t of = i / CROWD == 1 ? rng_below(&c.b.rng, CROWD) : i % CROWD;
        struct publication_request rq = bench_request("a", tags[of], i < CROWD ? EARLY : NULL);
        char extension[16];

        if (i >= 2 * CROWD && of % 3)
            continue;
        (void)snprintf(extension, sizeof(extension), "%u", of);
        rq.extension = str_of(extension);
        rq.expires_s = i < 2 * CROWD ? 60 + rng_below(&c.b.rng, 300) : 200;
        c.due_ms[of] = c.b.now_ms + (rq.expires_s + 10) * UINT64_C(1000);
        assert_int_equal(bench_apply(&c.b, &rq, tags[of]), 0);
        if (i < 2 * CROWD)
            bench_run(&c.b, 1);
    }
    assert_int_equal(c.n, 0);
    bench_run(&c.b, 400000);
    assert_int_equal(c.n, CROWD);
    assert_int_equal(c.late, 0);
    assert_int_equal(bench_counters(&c.b).expired, CROWD);
    free(tags);
    free(c.due_ms);
    bench_fini(&c.b);
}

/* Many in the same tick: all are told in it, and nothing of them can be seen any more while what is
 * left of them is cleared away. */
static void test_at_once(void **state)
{
    enum { CROWD = 5000 };
    struct store_bench b;
    struct publication_request rq;
    struct publication_counters c;
    etag_text tag = "", first = "";

    (void)state;
    bench_init(&b);
    b.silent = true;
    for (unsigned i = 0; i < CROWD; i++) {
        char extension[16];

        rq = bench_request("a", NULL, EARLY);
        (void)snprintf(extension, sizeof(extension), "%u", i);
        rq.extension = str_of(extension);
        assert_int_equal(bench_apply(&b, &rq, i ? NULL : first), 0);
    }
    assert_int_equal(b.kept, CROWD);
    b.silent = false;
    rq.extension = STR("0");
    bench_run(&b, 70000);
    assert_int_equal(b.tells, 2 * CROWD);
    c = bench_counters(&b);
    assert_true(c.publications == 0 && c.expired == CROWD && c.bytes > 0);
    buf_reset(&b.told);

    /* its tag is worth nothing, and it counts for no quota */
    memcpy(tag, first, sizeof(tag));
    rq = bench_request("a", tag, EARLY);
    rq.extension = STR("0");
    assert_int_equal(bench_apply(&b, &rq, NULL), PUBLICATION_NO_MATCH);
    rq = bench_request("a", NULL, EARLY);
    rq.extension = STR("4999");
    rq.max_per_publisher = rq.max_per_resource = 1;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "4999@users " EARLY "\n");

    /* in portions, of which none forgets the resource that lives */
    bench_run(&b, WHEEL_TICK_MS);
    assert_in_range(b.kept, 2, CROWD - 1);
    bench_run(&b, 5ull * WHEEL_TICK_MS);
    assert_int_equal(b.kept, 1);
    assert_int_equal(bench_counters(&b).resources, 1);
    bench_run(&b, 70000);
    assert_told(&b, "4999@users -\n");
    bench_run(&b, WHEEL_TICK_MS);
    assert_int_equal(b.kept, 0);
    assert_int_equal(bench_counters(&b).bytes, 0);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry),  cmocka_unit_test(test_expiry_delayed),
        cmocka_unit_test(test_crowd),   cmocka_unit_test(test_crowd_moves),
        cmocka_unit_test(test_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
