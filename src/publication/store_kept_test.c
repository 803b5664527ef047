// SPDX-License-Identifier: MIT
/* Publications survive their process: what is kept of them, and what comes back. */
#include "publication/asterisk_event.h"
#include "publication/store_testing.h"

static struct keep_testing kept;

static void begin(struct store_bench *b)
{
    kept = (struct keep_testing){ .n = 0 };
    *b = (struct store_bench){ .now_ms = 0 };
    bench_init_keeping(b, &kept, 1);
}

/* Another process, some time later. */
static void restart(struct store_bench *b, uint64_t ms)
{
    static uint64_t incarnation = 1;

    bench_fini(b);
    b->now_ms += ms;
    bench_init_keeping(b, &kept, ++incarnation);
    bench_restore(b, &kept);
}

static size_t n_kept(void)
{
    size_t n = 0;

    for (size_t i = 0; i < kept.n; i++)
        n += kept.kept[i].record.table != KEEP_TABLES;
    return n;
}

static void assert_same_dump(const struct store_bench *b, struct buf *before)
{
    struct buf after;

    bench_dump(b, &after);
    assert_string_equal(before->p, after.p);
    buf_fini(&after);
    buf_fini(before);
}

/* All there is to see is as it was, composites with their ids included; tags and quotas go on. */
static void test_everything(void **state)
{
    struct publication_request rq;
    struct store_bench b;
    etag_text a = "", c = "", other = "", former;
    struct buf before;

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early|r|param=n:v y=confirmed"), 0);
    assert_int_equal(bench_publish(&b, "c", c, "dialogs x=confirmed"), 0);
    rq = bench_request("a", NULL, "presence tuple:t=open|n=en:Hi person:p|a=busy");
    rq.package = STR("presence");
    rq.call_id = STR("p");
    rq.priority = 3;
    assert_int_equal(bench_apply(&b, &rq, other), 0);
    bench_dump(&b, &before);
    buf_reset(&b.told);
    assert_int_equal(n_kept(), 6);
    restart(&b, 0);
    assert_told(&b, "1000@users dialogs x=early|r|param=n:v x-100000002=confirmed y=confirmed "
                    "presence tuple:t=open|n=en:Hi person:p|a=busy\n");
    assert_same_dump(&b, &before);
    assert_int_equal(bench_counters(&b).publications, 3);
    rq = bench_request("a", NULL, "dialogs z=early");
    rq.call_id = STR("z");
    rq.max_per_publisher = 2;
    assert_refused(&b, rq, PUBLICATION_QUOTA);
    memcpy(former, a, sizeof(former));
    assert_int_equal(bench_publish(&b, "a", a, NULL), 0); /* a refresh */
    assert_string_not_equal(a, former);
    assert_int_equal(bench_publish(&b, "a", former, NULL), PUBLICATION_NO_MATCH);
    assert_told(&b, "");
    assert_int_equal(bench_remove(&b, "a", a), 0);
    assert_int_equal(n_kept(), 4);
    buf_reset(&b.told);
    restart(&b, 0); /* its ids stay scoped */
    assert_told(&b, "1000@users dialogs x-100000002=confirmed presence tuple:t=open|n=en:Hi "
                    "person:p|a=busy\n");
    bench_fini(&b);
}

/* A refresh does not write the document again. */
static void test_writes(void **state)
{
    struct store_bench b;
    etag_text a = "";
    unsigned puts;

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    puts = kept.puts;
    assert_int_equal(bench_publish(&b, "a", a, NULL), 0);
    assert_int_equal(kept.puts, puts + 1);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=confirmed"), 0);
    assert_int_equal(kept.puts, puts + 3);
    bench_fini(&b);
    assert_int_equal(kept.puts, puts + 3);
    assert_int_equal(n_kept(), 2);
}

/* By the wall clock; one that was set back makes nobody live longer than was granted. */
static void test_time(void **state)
{
    static const struct {
        uint64_t off_ms;
        int64_t wall_ms;
        uint64_t left_ms; /* until it ends; 60 s were granted, and 10 s of grace */
    } cases[] = {
        { 0, 0, 70000 },   { 30000, 0, 40000 },   { 69000, 0, 1000 },  { 70000, 0, 0 },
        { 3600000, 0, 0 }, { 0, -300000, 70000 }, { 0, 50000, 20000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_bench b;
        etag_text a = "";

        begin(&b);
        assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
        b.wall_off_ms = cases[i].wall_ms;
        restart(&b, cases[i].off_ms);
        assert_told(&b, "1000@users dialogs x=early\n");
        if (cases[i].left_ms)
            bench_run(&b, cases[i].left_ms - 20);
        assert_told(&b, "");
        bench_run(&b, 40);
        assert_told(&b, "1000@users -\n");
        assert_int_equal(bench_counters(&b).expired, 1);
        bench_run(&b, 20);
        assert_int_equal(n_kept(), 0);
        bench_fini(&b);
    }
}

/* The rest of it is superseded by who began anew on the same host, and a diff finds its base. */
static void test_what_goes_on(void **state)
{
    struct publication_request rq;
    struct store_bench b;
    etag_text a = "", d = "";

    (void)state;
    begin(&b);
    rq = bench_request("a", NULL, "dialogs 1=early");
    rq.origin = STR("192.0.2.1 host 5060");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = bench_request("d", NULL, "presence tuple:t=open");
    rq.package = STR("presence");
    rq.content_type = STR("Application/PIDF-diff+xml; charset=utf-8");
    assert_int_equal(bench_apply(&b, &rq, d), 0);
    restart(&b, 0);
    buf_reset(&b.told);
    rq = bench_request("d", d, NULL);
    rq.package = STR("presence");
    rq.content_type = STR("Application/PIDF-diff+xml; charset=utf-8");
    rq.diff = true;
    rq.body = STR("+note:en:Hi");
    assert_int_equal(bench_apply(&b, &rq, d), 0);
    assert_told(&b, "1000@users dialogs 1=early presence tuple:t=open note:en:Hi\n");
    rq = bench_request("a", NULL, "dialogs 1=confirmed");
    rq.call_id = STR("another");
    rq.origin = STR("192.0.2.1 host 5060");
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users dialogs 1=confirmed presence tuple:t=open note:en:Hi\n");
    bench_fini(&b);
}

static void test_streams(void **state)
{
    struct asterisk_event event = { .type = ASTERISK_DEVICE_STATE, .name = "one" };
    struct publication_request rq = bench_request("a", NULL, NULL);
    struct store_bench b;
    etag_text a = "";
    struct buf before;

    (void)state;
    begin(&b);
    rq.package = ASTERISK_DEVICES;
    rq.context = STR_EMPTY;
    rq.extension = STR("in");
    rq.stream = true;
    rq.event = &event;
    rq.body = STR("{}");
    rq.content_type = STR("application/json");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    bench_dump(&b, &before);
    assert_int_equal(n_kept(), 1);
    restart(&b, 0);
    assert_same_dump(&b, &before);
    assert_told(&b, "resumed 100000001\n");
    rq.if_match = str_of(a);
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    bench_run(&b, 71000);
    assert_int_equal(n_kept(), 0);
    bench_fini(&b);
}

static bool nobody(void *ctx, const struct publication_place *place)
{
    (void)ctx;
    (void)place;
    return false;
}

static void test_unserved(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    b.served = nobody;
    restart(&b, 0);
    assert_told(&b, "");
    assert_int_equal(bench_counters(&b).resources, 0);
    assert_int_equal(n_kept(), 0);
    bench_fini(&b);
}

/* What a damaged disk gives back is forgotten, alone. */
static void test_damage(void **state)
{
    (void)state;
    for (enum keep_table table = KEEP_PUBLICATION; table <= KEEP_PUBLICATION_BODY; table++) {
        for (unsigned how = 0; how < 3; how++) {
            struct store_bench b;
            etag_text a = "", c = "";
            size_t i = 0;

            begin(&b);
            assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
            assert_int_equal(bench_publish(&b, "c", c, "dialogs y=early"), 0);
            while (kept.kept[i].record.table != table)
                i++;
            if (how == 0) /* it is not there */
                kept.kept[i].record.table = KEEP_TABLES;
            else if (how == 1)
                kept.kept[i].text[1] = 9; /* no length of a tag, and no flag */
            else
                kept.kept[i].text[0] = 9; /* another format */
            restart(&b, 0);
            assert_told(&b, "1000@users dialogs y=early\n");
            assert_int_equal(n_kept(), 2);
            assert_int_equal(bench_publish(&b, "a", a, NULL), PUBLICATION_NO_MATCH);
            bench_fini(&b);
        }
    }
}

/* Nothing new while it fails; what is there goes on. */
static void test_failing(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    buf_reset(&b.told);
    kept.fails = true;
    assert_refused(&b, bench_request("a", a, "dialogs x=terminated"), PUBLICATION_UNKEPT);
    assert_refused(&b, bench_request("c", NULL, "dialogs x=early"), PUBLICATION_UNKEPT);
    assert_refused(&b, bench_request("c", a, "dialogs x=early"), PUBLICATION_NO_MATCH);
    assert_int_equal(bench_publish(&b, "a", a, NULL), 0);
    assert_int_equal(bench_remove(&b, "a", a), 0);
    kept.fails = false;
    bench_fini(&b);
}

/* The store begins a new file. */
static void test_rewrite(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    kept = (struct keep_testing){ .n = 0 };
    publications_keep_all(b.store);
    buf_reset(&b.told);
    restart(&b, 0);
    assert_told(&b, "1000@users dialogs x=early\n");
    assert_int_equal(bench_publish(&b, "a", a, NULL), 0);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_writes),
        cmocka_unit_test(test_time),       cmocka_unit_test(test_what_goes_on),
        cmocka_unit_test(test_streams),    cmocka_unit_test(test_unserved),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_failing),
        cmocka_unit_test(test_rewrite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
