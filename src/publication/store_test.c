// SPDX-License-Identifier: MIT
/* The operations of RFC 3903 and what they leave behind. */
#include "publication/store_testing.h"

#include <stdio.h>

#define EARLY "dialogs 1000=early|r"
#define BUSY "dialogs 1000=confirmed"

/* ---- a life ---- */

static void test_life(void **state)
{
    struct store_bench b;
    etag_text tags[4] = { "" };
    struct publication_counters c;

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", tags[0], EARLY), 0);
    assert_told(&b, "1000@users " EARLY "\n");
    memcpy(tags[1], tags[0], ETAG_ROOM);
    assert_int_equal(bench_publish(&b, "a", tags[1], BUSY), 0);
    assert_told(&b, "1000@users " BUSY "\n");
    memcpy(tags[2], tags[1], ETAG_ROOM);
    assert_int_equal(bench_publish(&b, "a", tags[2], NULL), 0);
    assert_told(&b, ""); /* a refresh is silent */
    memcpy(tags[3], tags[2], ETAG_ROOM);
    assert_int_equal(bench_remove(&b, "a", tags[3]), 0);
    assert_told(&b, "1000@users -\n");
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(tags[i], tags[k]);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(bench_publish(&b, "a", tags[i], EARLY), PUBLICATION_NO_MATCH);
    assert_told(&b, "");
    c = bench_counters(&b);
    assert_int_equal(c.initial, 1);
    assert_int_equal(c.modified, 1);
    assert_int_equal(c.refreshed, 1);
    assert_int_equal(c.removed, 1);
    assert_int_equal(c.no_match, 4);
    assert_int_equal(c.composed, 3);
    assert_int_equal(c.publications, 0);
    assert_int_equal(c.resources, 0);
    assert_int_equal(c.bytes, 0);
    bench_fini(&b);
}

/* Bound to resource, package and publisher, and compared byte by byte. */
static void test_tags(void **state)
{
    struct store_bench b;
    etag_text a = "", other = "", upper;
    char longer[ETAG_ROOM + 1];
    struct publication_request rq;

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, EARLY), 0);
    rq = bench_request("a", NULL, EARLY);
    rq.extension = STR("1001");
    assert_int_equal(bench_apply(&b, &rq, other), 0);
    assert_told(&b, "1000@users " EARLY "\n1001@users " EARLY "\n");

    for (size_t i = 0; i < ETAG_ROOM; i++)
        upper[i] = (char)(a[i] >= 'a' && a[i] <= 'f' ? a[i] - 0x20 : a[i]);
    assert_string_not_equal(a, upper);
    (void)snprintf(longer, sizeof(longer), "%s0", a);
    assert_refused(&b, bench_request("a", other, BUSY), PUBLICATION_NO_MATCH);
    assert_refused(&b, bench_request("a", upper, BUSY), PUBLICATION_NO_MATCH);
    assert_refused(&b, bench_request("a", longer, BUSY), PUBLICATION_NO_MATCH);
    assert_refused(&b, bench_request("a", "*", BUSY), PUBLICATION_NO_MATCH);
    assert_refused(&b, bench_request("a", "0123456789abcdef0123456789abcdef", BUSY),
                   PUBLICATION_NO_MATCH);
    assert_refused(&b, bench_request("b", a, BUSY), PUBLICATION_NO_MATCH);
    assert_refused(&b, bench_request("b", a, NULL), PUBLICATION_NO_MATCH);
    rq = bench_request("a", a, BUSY);
    rq.package = STR("presence");
    assert_refused(&b, rq, PUBLICATION_NO_MATCH);
    rq = bench_request("a", a, BUSY);
    rq.context = STR("others");
    assert_refused(&b, rq, PUBLICATION_NO_MATCH);
    rq = bench_request("b", a, NULL);
    rq.expires_s = 0;
    assert_refused(&b, rq, PUBLICATION_NO_MATCH);

    assert_int_equal(bench_publish(&b, "a", a, BUSY), 0);
    assert_told(&b, "1000@users " BUSY "\n");
    bench_fini(&b);
}

/* Some clients clean up like this. */
static void test_nothing_kept(void **state)
{
    struct store_bench b;
    etag_text tag = "", another = "";
    struct publication_request rq;

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_remove(&b, "a", tag), 0);
    rq = bench_request("a", NULL, EARLY);
    rq.expires_s = 0;
    rq.refusal = (struct publication_refusal){ 400, STR("not looked at") };
    assert_int_equal(bench_apply(&b, &rq, another), 0);
    assert_string_not_equal(tag, another);
    assert_refused(&b, bench_request("a", tag, NULL), PUBLICATION_NO_MATCH);
    assert_int_equal(bench_counters(&b).publications, 0);
    assert_int_equal(bench_counters(&b).bytes, 0);
    bench_fini(&b);
}

/* ---- what is checked, and in which order ---- */

static void test_order_of_checks(void **state)
{
    static const struct {
        bool tag, bad_tag, body, refused, removal, over_quota;
        int result;
    } cases[] = {
        { .body = true, .refused = true, .bad_tag = true, .result = PUBLICATION_NO_MATCH },
        { .bad_tag = true, .removal = true, .result = PUBLICATION_NO_MATCH },
        { .bad_tag = true, .result = PUBLICATION_NO_MATCH },
        { .result = PUBLICATION_NO_BODY },
        { .over_quota = true, .result = PUBLICATION_NO_BODY },
        { .body = true, .refused = true, .over_quota = true, .result = PUBLICATION_BAD_BODY },
        { .body = true, .over_quota = true, .result = PUBLICATION_QUOTA },
        { .tag = true, .body = true, .refused = true, .result = PUBLICATION_BAD_BODY },
        { .tag = true, .over_quota = true, .result = 0 },
        { .tag = true, .body = true, .over_quota = true, .result = 0 },
        { .refused = true, .result = PUBLICATION_BAD_BODY },
        { .tag = true, .refused = true, .result = PUBLICATION_BAD_BODY },
        { .tag = true, .result = 0 },
        { .tag = true, .body = true, .refused = true, .removal = true, .result = 0 },
    };
    struct store_bench b;
    etag_text tag = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", tag, EARLY), 0);
    assert_told(&b, "1000@users " EARLY "\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct publication_request rq = bench_request("a",
                                                      cases[i].tag       ? tag
                                                      : cases[i].bad_tag ? "x"
                                                                         : NULL,
                                                      cases[i].body ? EARLY : NULL);

        if (cases[i].refused)
            rq.refusal = (struct publication_refusal){ 415, STR("not this") };
        if (cases[i].removal)
            rq.expires_s = 0;
        rq.max_per_publisher = cases[i].over_quota ? 1 : 0;
        if (cases[i].result)
            assert_refused(&b, rq, cases[i].result);
        else
            assert_int_equal(bench_apply(&b, &rq, tag), 0);
    }
    assert_told(&b, "1000@users -\n"); /* the last one removed it */
    bench_fini(&b);
}

/* The reason is told, whole or cut, and is the store's. */
static void test_refusal(void **state)
{
    struct store_bench b;
    struct publication_answer answer;
    char why[600];
    etag_text tag = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", tag, EARLY), 0);
    assert_told(&b, "1000@users " EARLY "\n");
    memset(why, 'x', sizeof(why));
    for (size_t n = 0; n < sizeof(why); n += 150) {
        struct publication_request rq = bench_request("a", n % 300 ? tag : NULL, BUSY);

        rq.refusal = (struct publication_refusal){ 413, { why, n } };
        assert_int_equal(publication_apply(b.store, &rq, &answer), PUBLICATION_BAD_BODY);
        event_state_unref(rq.document);
        assert_int_equal(answer.status, 413);
        assert_ptr_not_equal(answer.why.p, why);
        assert_int_equal(answer.why.n, n < 256 ? n : 256);
        assert_int_equal(answer.etag.n, 0);
    }
    assert_int_equal(bench_counters(&b).refused, 4);
    assert_int_equal(bench_publish(&b, "a", tag, BUSY), 0); /* the tag is still good */
    assert_told(&b, "1000@users " BUSY "\n");
    bench_fini(&b);
}

/* ---- 1.5: of a hundred with one tag one wins ---- */

static void test_race(void **state)
{
    struct store_bench b;
    etag_text tag = "", won = "";
    unsigned wins = 0, lost = 0;

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", tag, EARLY), 0);
    for (size_t i = 0; i < 100; i++) {
        struct publication_request rq = bench_request("a", tag, i % 3 ? BUSY : NULL);
        int r = bench_apply(&b, &rq, won);

        wins += r == 0;
        lost += r == PUBLICATION_NO_MATCH;
    }
    assert_int_equal(wins, 1);
    assert_int_equal(lost, 99);
    assert_int_equal(bench_publish(&b, "a", won, BUSY), 0);
    bench_fini(&b);
}

/* ---- quotas ---- */

static int publish_at(struct store_bench *b, const char *publisher, const char *extension,
                      uint32_t per_publisher, uint32_t per_resource, etag_text tag)
{
    struct publication_request rq = bench_request(publisher, NULL, EARLY);

    rq.extension = str_of(extension);
    rq.max_per_publisher = per_publisher;
    rq.max_per_resource = per_resource;
    return bench_apply(b, &rq, tag);
}

static void test_quota(void **state)
{
    struct store_bench b;
    etag_text tag = "";

    (void)state;
    bench_init(&b);
    /* of a publisher, wherever it publishes */
    assert_int_equal(publish_at(&b, "a", "1000", 2, 0, tag), 0);
    assert_int_equal(publish_at(&b, "a", "1001", 2, 0, NULL), 0);
    assert_int_equal(publish_at(&b, "a", "1002", 2, 0, NULL), PUBLICATION_QUOTA);
    assert_int_equal(publish_at(&b, "b", "1002", 2, 0, NULL), 0);
    assert_int_equal(bench_remove(&b, "a", tag), 0); /* given back */
    assert_int_equal(publish_at(&b, "a", "1002", 2, 0, NULL), 0);
    assert_int_equal(publish_at(&b, "a", "1003", 2, 0, NULL), PUBLICATION_QUOTA);
    bench_run(&b, 80000); /* given back with their end, too */
    assert_int_equal(bench_counters(&b).publications, 0);
    assert_int_equal(publish_at(&b, "a", "1003", 2, 0, NULL), 0);
    /* of a resource, whoever publishes */
    assert_int_equal(publish_at(&b, "b", "1003", 0, 2, NULL), 0);
    assert_int_equal(publish_at(&b, "c", "1003", 0, 2, NULL), PUBLICATION_QUOTA);
    assert_int_equal(publish_at(&b, "c", "1004", 0, 2, NULL), 0);
    assert_int_equal(bench_counters(&b).over_quota, 3);
    bench_fini(&b);
}

/* What is refused for its quota leaves no resource behind; one that replaces itself needs none. */
static void test_quota_edges(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    struct event_state *mailbox = event_state_of("dialogs m=trying");
    const struct resource_name name = { .context = STR("users"), .extension = STR("1000") };

    (void)state;
    bench_init(&b);
    assert_int_equal(publication_internal_set(b.store, &name, STR("dialog"), STR("a"), mailbox), 0);
    assert_int_equal(publish_at(&b, "a", "1000", 1, 1, NULL), 0); /* sources do not count */
    assert_int_equal(publish_at(&b, "a", "2000", 1, 0, NULL), PUBLICATION_QUOTA);
    assert_int_equal(bench_counters(&b).resources, 1);
    rq = bench_request("a", NULL, BUSY);
    rq.max_per_publisher = rq.max_per_resource = 1;
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_int_equal(bench_counters(&b).publications, 1);
    event_state_unref(mailbox);
    bench_fini(&b);
}

/* ---- what one NOTIFY can carry ---- */

/* `n` dialogs with that prefix (`+`: a partial document), of which 50 are more than a third of what
 * a resource may show. */
enum { THIRD = 50 };
static const char *dialogs_text(char *room, size_t size, char prefix, unsigned n)
{
    int at = snprintf(room, size, prefix == '+' ? "partial:7" : "dialogs");

    for (unsigned i = 0; i < n; i++)
        at += snprintf(room + at, size - (size_t)at, " %c%u=confirmed|local=sip:%0100u", prefix, i,
                       i);
    assert_true((size_t)at < size);
    return room;
}

/* `temporary`: were it alone, it would not be. */
static void assert_too_large(struct store_bench *b, struct publication_request rq, bool temporary)
{
    struct publication_answer answer;

    assert_int_equal(publication_apply(b->store, &rq, &answer), PUBLICATION_BAD_BODY);
    assert_int_equal(answer.status, 413);
    assert_true(str_starts(answer.why, STR("all that is published for this resource")));
    assert_int_equal(answer.temporary, temporary);
    assert_refused(b, rq, PUBLICATION_BAD_BODY);
}

/* Whoever would make the resource too large is refused, and the others are shown as before. */
static void test_too_large(void **state)
{
    static char room[1 << 17];
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_too_large(&b, bench_request("a", NULL, dialogs_text(room, sizeof(room), 'a', 900)),
                     false);
    assert_int_equal(bench_counters(&b).resources, 0);
    assert_int_equal(bench_publish(&b, "a", a, dialogs_text(room, sizeof(room), 'a', THIRD)), 0);
    assert_int_equal(bench_publish(&b, "b", NULL, dialogs_text(room, sizeof(room), 'b', THIRD)), 0);
    assert_int_equal(bench_publish(&b, "c", c, BUSY), 0);
    buf_reset(&b.told);
    dialogs_text(room, sizeof(room), 'c', THIRD);
    assert_too_large(&b, bench_request("c", c, room), true);
    assert_too_large(&b, bench_request("d", NULL, room), true);
    rq = bench_request("c", NULL, room);
    rq.supersede = true;
    assert_too_large(&b, rq, true);

    dialogs_text(room, sizeof(room), '+', THIRD); /* what is not named stays */
    assert_too_large(&b, bench_request("a", a, room), true);
    dialogs_text(room, sizeof(room), 'c', THIRD);

    rq = bench_request("d", NULL, room); /* another resource, and another body of this one */
    rq.extension = STR("1001");
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    rq = bench_request("d", NULL, "presence tuple:t=open");
    rq.package = STR("presence");
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_int_equal(bench_publish(&b, "a", a, BUSY), 0); /* which makes room */
    assert_int_equal(bench_publish(&b, "c", c, room), 0);
    bench_fini(&b);
}

/* Of documents that nobody understands one shows: each is measured by itself. */
static void test_too_large_opaque(void **state)
{
    static char room[COMPOSITE_SHOWN_MAX + 64];
    struct store_bench b;

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 3; i++) {
        struct publication_request rq;
        int at = snprintf(room, sizeof(room), "opaque:x/y:%u", i);

        memset(room + at, 'x', sizeof(room) - (size_t)at);
        room[COMPOSITE_SHOWN_MAX + sizeof("opaque::") - 1 + (i == 2)] = '\0';
        rq = bench_request(i ? "b" : "a", NULL, room);
        rq.package = STR("conference");
        if (i < 2) {
            assert_int_equal(bench_apply(&b, &rq, NULL), 0);
            buf_reset(&b.told);
        } else {
            assert_too_large(&b, rq, false);
        }
    }
    bench_fini(&b);
}

/* ---- whoever is told cannot take it: row 10 ---- */

static void test_port_fails(void **state)
{
    const struct resource_name name = { .context = STR("users"), .extension = STR("1000") };
    struct event_state *document = event_state_of("dialogs m=trying");
    struct store_bench b;
    struct buf before, after;
    etag_text a = "", untouched;

    (void)state;
    bench_init(&b);
    b.composed_result = -ENOMEM;
    assert_int_equal(bench_publish(&b, "a", a, EARLY), -ENOMEM);
    assert_int_equal(publication_internal_set(b.store, &name, STR("dialog"), STR("s"), document),
                     -ENOMEM);
    assert_int_equal(bench_counters(&b).resources, 0);
    assert_int_equal(bench_counters(&b).bytes, 0);
    b.composed_result = 0;
    assert_int_equal(bench_publish(&b, "a", a, EARLY), 0);
    assert_told(&b, "1000@users " EARLY "\n");
    memcpy(untouched, a, ETAG_ROOM);
    bench_dump(&b, &before);
    b.composed_result = -ENOMEM;
    assert_int_equal(bench_publish(&b, "a", a, BUSY), -ENOMEM);
    assert_int_equal(bench_remove(&b, "a", a), -ENOMEM);
    assert_int_equal(bench_publish(&b, "c", (char[ETAG_ROOM]){ "" }, BUSY), -ENOMEM);
    assert_int_equal(publication_internal_set(b.store, &name, STR("dialog"), STR("s"), document),
                     -ENOMEM);
    b.composed_result = 0;
    bench_dump(&b, &after);
    assert_string_equal(before.p, after.p);
    assert_string_equal(a, untouched);
    assert_int_equal(bench_publish(&b, "a", a, BUSY), 0);
    assert_told(&b, "1000@users " BUSY "\n");
    buf_fini(&before);
    buf_fini(&after);
    event_state_unref(document);
    bench_fini(&b);
}

/* ---- views ---- */

static void test_views(void **state)
{
    struct store_bench b;
    struct buf dump;
    etag_text a = "";
    char expected[512];
    struct publication_request rq;

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, EARLY), 0);
    bench_run(&b, 5000);
    rq = bench_request("a", a, NULL);
    rq.call_id = STR("another");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    bench_run(&b, 15000);
    bench_dump(&b, &dump);
    (void)snprintf(expected, sizeof(expected),
                   "1000@users dialog by a tag %s type text/test call another for 45 since 1000000 "
                   "changed 1000000 body %zu\n",
                   a, sizeof(EARLY) - 1);
    assert_string_equal(dump.p, expected);
    buf_fini(&dump);
    bench_run(&b, 50000); /* in its grace */
    bench_dump(&b, &dump);
    assert_non_null(strstr(dump.p, " for 0 since"));
    buf_fini(&dump);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),         cmocka_unit_test(test_tags),
        cmocka_unit_test(test_nothing_kept), cmocka_unit_test(test_order_of_checks),
        cmocka_unit_test(test_refusal),      cmocka_unit_test(test_race),
        cmocka_unit_test(test_quota),        cmocka_unit_test(test_quota_edges),
        cmocka_unit_test(test_too_large),    cmocka_unit_test(test_too_large_opaque),
        cmocka_unit_test(test_port_fails),   cmocka_unit_test(test_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
