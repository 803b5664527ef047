// SPDX-License-Identifier: MIT
/* Publications that are streams of events: the life of any other, and nothing composed. */
#include "publication/asterisk_event.h"
#include "publication/store_testing.h"

static struct publication_request stream_request(const char *publisher, const char *etag,
                                                 const struct asterisk_event *event)
{
    struct publication_request rq = bench_request(publisher, etag, NULL);

    rq.package = ASTERISK_DEVICES;
    rq.context = STR_EMPTY;
    rq.extension = STR("in");
    rq.stream = true;
    rq.event = event;
    rq.body = event ? STR("{}") : STR_EMPTY;
    rq.content_type = event ? STR("application/json") : STR_EMPTY;
    return rq;
}

static int tell(struct store_bench *b, const char *publisher, etag_text etag, const char *name)
{
    struct asterisk_event event = { .type = ASTERISK_DEVICE_STATE };
    struct publication_request rq = stream_request(publisher, etag, name ? &event : NULL);

    if (name)
        memcpy(event.name, name, strlen(name) + 1);
    return bench_apply(b, &rq, etag);
}

static void test_life(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "", former;

    (void)state;
    bench_init(&b);
    assert_int_equal(tell(&b, "a", a, "one"), 0);
    memcpy(former, a, sizeof(former));
    assert_int_equal(tell(&b, "a", a, "two"), 0);
    assert_string_not_equal(a, former);
    assert_int_equal(tell(&b, "a", a, "two"), 0); /* the same again is an event all the same */
    assert_int_equal(tell(&b, "a", a, NULL), 0);  /* a refresh is none */
    assert_told(&b, "event 1 of a: one\nevent 1 of a: two\nevent 1 of a: two\n");
    assert_int_equal(tell(&b, "a", former, "three"), PUBLICATION_NO_MATCH);
    assert_int_equal(tell(&b, "b", a, "three"), PUBLICATION_NO_MATCH);
    rq = stream_request("a", a, &(struct asterisk_event){ .type = ASTERISK_REFRESH });
    rq.refusal = (struct publication_refusal){ 400, STR("no") };
    assert_int_equal(bench_apply(&b, &rq, NULL), PUBLICATION_BAD_BODY);
    assert_told(&b, "");
    assert_int_equal(bench_counters(&b).publications, 1);
    assert_int_equal(bench_remove(&b, "a", a), PUBLICATION_NO_MATCH); /* another package */
    rq = stream_request("a", a, NULL);
    rq.expires_s = 0;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "ended 1\n");
    assert_int_equal(bench_counters(&b).bytes, 0);
    assert_int_equal(bench_counters(&b).composed, 0);
    bench_fini(&b);
}

/* What is ignored keeps its publication alive. */
static void test_ignored(void **state)
{
    struct store_bench b;
    struct publication_request rq = stream_request("a", NULL, NULL);
    etag_text a = "";

    (void)state;
    bench_init(&b);
    rq.body = STR("{}");
    rq.content_type = STR("application/json");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "");
    bench_run(&b, 50000);
    rq = stream_request("a", a, NULL);
    rq.body = STR("{}");
    rq.content_type = STR("application/json");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    bench_run(&b, 50000);
    assert_int_equal(bench_counters(&b).publications, 1);
    bench_run(&b, 30000);
    assert_told(&b, "ended 1\n");
    bench_fini(&b);
}

/* Several of one resource, each with its own end; one that begins anew by its Call-ID goes on. */
static void test_ends(void **state)
{
    struct asterisk_event event = { .type = ASTERISK_DEVICE_STATE, .name = "x" };
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(tell(&b, "a", a, "one"), 0);
    rq = stream_request("a", NULL, &event);
    rq.call_id = STR("other");
    assert_int_equal(bench_apply(&b, &rq, c), 0);
    assert_int_equal(bench_counters(&b).publications, 2);
    bench_run(&b, 40000);
    assert_int_equal(tell(&b, "a", c, "two"), 0);
    rq = stream_request("a", NULL, &event);
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, c), 0);
    assert_told(&b, "event 1 of a: one\nevent 2 of a: x\nevent 2 of a: two\nevent 1 of a: x\n"
                    "ended 2\n"); /* the last change of 2 came with that Call-ID as well */
    assert_int_equal(bench_counters(&b).superseded, 2);
    bench_run(&b, 80000);
    assert_told(&b, "ended 1\n");
    assert_int_equal(bench_counters(&b).expired, 1);
    bench_fini(&b);
}

/* What cannot be told is not taken: the tag is still good. */
static void test_no_memory(void **state)
{
    struct store_bench b;
    etag_text a = "", none = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(tell(&b, "a", a, "one"), 0);
    b.composed_result = -ENOMEM;
    assert_int_equal(tell(&b, "a", a, "two"), -ENOMEM);
    assert_int_equal(tell(&b, "c", none, "two"), -ENOMEM);
    b.composed_result = 0;
    assert_int_equal(tell(&b, "a", a, "three"), 0);
    assert_told(&b, "event 1 of a: one\nevent 1 of a: three\n");
    assert_int_equal(bench_counters(&b).publications, 1);
    assert_int_equal(bench_counters(&b).modified, 1);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
