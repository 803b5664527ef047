// SPDX-License-Identifier: MIT
/* The operations of RFC 3903 and what they leave behind. */
#include "publication/store_testing.h"

#include <malloc.h>
#include <stdio.h>

#define EARLY "dialogs 1000=early|r"
#define BUSY "dialogs 1000=confirmed"
#define IDLE "dialogs 1000=terminated"

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

/* Nothing is changed by a request that is refused, nor is anybody told. */
static void assert_refused(struct store_bench *b, struct publication_request rq, int result)
{
    struct buf before, after;

    bench_dump(b, &before);
    assert_int_equal(bench_apply(b, &rq, NULL), result);
    bench_dump(b, &after);
    assert_string_equal(before.p, after.p);
    assert_told(b, "");
    buf_fini(&before);
    buf_fini(&after);
}

/* Bound to resource, package and publisher, and compared byte by byte. */
static void test_tags(void **state)
{
    struct store_bench b;
    etag_text a = "", other = "", upper, longer;
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
    (void)snprintf(longer, ETAG_ROOM, "%s0", a);
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

static void assert_too_large(struct store_bench *b, struct publication_request rq)
{
    struct publication_answer answer;

    assert_int_equal(publication_apply(b->store, &rq, &answer), PUBLICATION_BAD_BODY);
    assert_int_equal(answer.status, 413);
    assert_true(str_starts(answer.why, STR("all that is published for this resource")));
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
    assert_too_large(&b, bench_request("a", NULL, dialogs_text(room, sizeof(room), 'a', 900)));
    assert_int_equal(bench_counters(&b).resources, 0);
    assert_int_equal(bench_publish(&b, "a", a, dialogs_text(room, sizeof(room), 'a', THIRD)), 0);
    assert_int_equal(bench_publish(&b, "b", NULL, dialogs_text(room, sizeof(room), 'b', THIRD)), 0);
    assert_int_equal(bench_publish(&b, "c", c, BUSY), 0);
    buf_reset(&b.told);
    dialogs_text(room, sizeof(room), 'c', THIRD);
    assert_too_large(&b, bench_request("c", c, room));
    assert_too_large(&b, bench_request("d", NULL, room));
    rq = bench_request("c", NULL, room);
    rq.supersede = true;
    assert_too_large(&b, rq);

    dialogs_text(room, sizeof(room), '+', THIRD); /* what is not named stays */
    assert_too_large(&b, bench_request("a", a, room));
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
            assert_too_large(&b, rq);
        }
    }
    bench_fini(&b);
}

/* ---- time ---- */

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

/* ---- several publishers of one resource ---- */

static void test_two_publishers(void **state)
{
    struct store_bench b;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, BUSY), 0);
    assert_int_equal(bench_publish(&b, "c", c, EARLY), 0);
    assert_told(&b, "1000@users " BUSY "\n"
                    "1000@users dialogs 1000-2=early|r 1000=confirmed\n");
    assert_int_equal(bench_remove(&b, "a", a), 0); /* the other's row remains, as it was called */
    assert_told(&b, "1000@users dialogs 1000-2=early|r\n");
    assert_int_equal(bench_publish(&b, "a", (char[ETAG_ROOM]){ "" }, IDLE), 0);
    assert_told(&b, ""); /* an idle one does not hide the busy one */
    assert_int_equal(bench_publish(&b, "c", c, IDLE), 0);
    assert_told(&b, "1000@users dialogs 1000-2=terminated\n");
    bench_fini(&b);
}

static void test_ends(void **state)
{
    struct store_bench b;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=confirmed y=early"), 0);
    buf_reset(&b.told);
    /* told once, beside what lives; a repetition is no news */
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=terminated y=early"), 0);
    assert_told(&b, "1000@users dialogs y=early x=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=terminated y=early"), 0);
    assert_told(&b, "");
    assert_int_equal(bench_publish(&b, "c", c, "dialogs z=trying"), 0);
    assert_told(&b, "1000@users dialogs y=early z=trying\n");
    assert_int_equal(bench_remove(&b, "c", c), 0);
    assert_told(&b, "1000@users dialogs y=early\n");
    /* terminated, then the same id again: a new call; all terminated, and the tag still works */
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early y=terminated"), 0);
    assert_told(&b, "1000@users dialogs x=early y=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=terminated y=terminated"), 0);
    assert_told(&b, "1000@users dialogs x=terminated y=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs"), 0);
    assert_told(&b, "1000@users dialogs\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs y=confirmed"), 0);
    assert_told(&b, "1000@users dialogs y=confirmed\n");
    bench_fini(&b);
}

/* Dialog and presence of one extension are one state; other packages are not. */
static void test_packages(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text presence = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", (char[ETAG_ROOM]){ "" }, BUSY), 0);
    rq = bench_request("a", NULL, "presence tuple:t=open");
    rq.package = STR("presence");
    assert_int_equal(bench_apply(&b, &rq, presence), 0);
    rq = bench_request("a", NULL, "messages:yes|voice=1/0/0/0");
    rq.package = STR("message-summary");
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users " BUSY "\n"
                    "1000@users " BUSY " presence tuple:t=open\n"
                    "1000@users:message-summary messages:yes|voice=1/0/0/0\n");
    rq = bench_request("a", presence, NULL);
    rq.package = STR("presence");
    rq.expires_s = 0;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users " BUSY "\n");
    assert_int_equal(bench_counters(&b).resources, 2);
    bench_fini(&b);
}

/* Another priority of the publisher is news, though its document is the same. */
static void test_priority(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    assert_int_equal(bench_publish(&b, "c", c, "dialogs y=early"), 0);
    assert_told(&b, "1000@users dialogs x=early\n1000@users dialogs y=early x=early\n");
    rq = bench_request("a", a, "dialogs x=early");
    rq.priority = 5;
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users dialogs x=early y=early\n");
    bench_fini(&b);
}

/* ---- partial documents, differences ---- */

static void test_partial(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "";
    char many[16 * 1024] = "partial:20";
    size_t n = strlen(many);

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "partial:7 x=early"), 0); /* all there is */
    assert_told(&b, "1000@users dialogs x=early\n");
    assert_int_equal(bench_publish(&b, "a", a, "partial:8 y=trying"), 0);
    assert_told(&b, "1000@users dialogs x=early y=trying\n");
    assert_refused(&b, bench_request("a", a, "partial:8 z=trying"), PUBLICATION_BAD_BODY);
    assert_refused(&b, bench_request("a", a, "partial:3 z=trying"), PUBLICATION_BAD_BODY);
    assert_int_equal(bench_publish(&b, "a", a, "partial:9 x=terminated q=terminated"), 0);
    assert_told(&b, "1000@users dialogs y=trying x=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "partial:10"), 0);
    assert_told(&b, "1000@users dialogs y=trying\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs:2 z=confirmed"), 0); /* begins anew */
    assert_told(&b, "1000@users dialogs z=confirmed\n");
    /* the version counts of a document that said nothing new, too */
    assert_int_equal(bench_publish(&b, "a", a, "dialogs:5 z=confirmed"), 0);
    assert_refused(&b, bench_request("a", a, "partial:4 y=trying"), PUBLICATION_BAD_BODY);
    assert_int_equal(bench_publish(&b, "a", a, "partial:6 y=trying"), 0);
    assert_told(&b, "1000@users dialogs z=confirmed y=trying\n");
    for (size_t i = 0; i < 999; i++)
        n += (size_t)snprintf(many + n, sizeof(many) - n, " %zu=trying", i);
    assert_refused(&b, bench_request("a", a, many), PUBLICATION_BAD_BODY);
    /* where no dialogs were told before, it is all there is again */
    rq = bench_request("a", a, "presence");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_int_equal(bench_publish(&b, "a", a, "partial:1 x=early"), 0);
    assert_told(&b, "1000@users presence\n1000@users dialogs x=early\n");
    bench_fini(&b);
}

static struct publication_request diff_request(const char *etag, const char *diff)
{
    struct publication_request rq = bench_request("a", etag, NULL);

    rq.package = STR("presence");
    rq.content_type = STR("application/pidf-diff+xml");
    rq.body = str_of(diff);
    rq.diff = true;
    return rq;
}

static void test_diff(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    assert_refused(&b, diff_request(NULL, "+tuple:u=open"), PUBLICATION_BAD_BODY);
    rq = bench_request("a", NULL, "presence tuple:t=closed");
    rq.package = STR("presence");
    rq.content_type = STR("Application/PIDF-diff+xml; charset=utf-8");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = diff_request(a, "+tuple:u=open");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = diff_request(a, "+note:en:x");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users presence tuple:t=closed\n"
                    "1000@users presence tuple:t=closed tuple:u=open\n"
                    "1000@users presence tuple:t=closed tuple:u=open note:en:x\n");
    rq = diff_request(a, "nonsense");
    assert_refused(&b, rq, PUBLICATION_BAD_BODY);
    rq = bench_request("a", a, "presence tuple:t=open"); /* no pidf-full: nothing to patch */
    rq.package = STR("presence");
    rq.content_type = STR("application/pidf+xml");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users presence tuple:t=open\n");
    assert_refused(&b, diff_request(a, "+note:en:y"), PUBLICATION_BAD_BODY);
    bench_fini(&b);
}

static void test_diff_answer(void **state)
{
    struct store_bench b;
    struct publication_answer answer;
    struct publication_request rq;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    rq = bench_request("a", NULL, "presence");
    rq.package = STR("presence");
    rq.content_type = STR("Application/PIDF-diff+xml; charset=utf-8");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = diff_request(a, "huge");
    assert_int_equal(publication_apply(b.store, &rq, &answer), PUBLICATION_BAD_BODY);
    assert_int_equal(answer.status, 413);
    assert_true(str_equal(answer.why, STR("no such node: huge")));
    rq = diff_request(NULL, "+x");
    assert_int_equal(publication_apply(b.store, &rq, &answer), PUBLICATION_BAD_BODY);
    assert_int_equal(answer.status, 400);
    bench_fini(&b);
}

/* ---- a publisher that begins anew ---- */

#define OLD "dialogs x=confirmed|call=u:: y=terminated|call=v:w:"

static void test_supersede(void **state)
{
    static const struct {
        const char *what, *publisher, *call_id, *package, *document, *told;
        bool supersede;
        unsigned publications;
    } cases[] = {
        { "the same Call-ID", "a", "a", "dialog", "dialogs z=trying",
          "1000@users dialogs z=trying\n", true, 1 },
        { "the same dialogs", "a", "n", "dialog", "dialogs y=early|call=v:: x=early|call=u:t:s",
          "1000@users dialogs y=early|call=v:: x=early|call=u:t:s\n", true, 1 },
        { "just the same", "a", "n", "dialog", OLD, "", true, 1 },
        { "partial, but a beginning", "a", "a", "dialog", "partial:0 z=trying",
          "1000@users dialogs z=trying\n", true, 1 },
        { "not where it is not wanted", "a", "a", "dialog", "dialogs z=trying",
          "1000@users dialogs x=confirmed|call=u:: z=trying\n", false, 2 },
        { "not another publisher's", "b", "n", "dialog", OLD,
          "1000@users dialogs x-2=confirmed|call=u:: x=confirmed|call=u::\n", true, 2 },
        { "not of another package", "a", "a", "presence", "presence",
          "1000@users dialogs x=confirmed|call=u:: presence\n", true, 2 },
        { "not with other dialogs", "a", "n", "dialog", "dialogs x=trying|call=u::",
          "1000@users dialogs x=confirmed|call=u:: x-2=trying|call=u::\n", true, 2 },
        { "not with other calls", "a", "n", "dialog", "dialogs x=trying|call=u:: y=early|call=w::",
          "1000@users dialogs y-2=early|call=w:: x=confirmed|call=u:: x-2=trying|call=u::\n", true,
          2 },
        { "not with calls that may be others", "a", "n", "dialog", "dialogs x=early y=early",
          "1000@users dialogs x-2=early y-2=early x=confirmed|call=u::\n", true, 2 },
        { "not with another branch of a call", "a", "n", "dialog",
          "dialogs x=early|call=u:t: y=early|call=v:t:",
          "1000@users dialogs x-2=early|call=u:t: y-2=early|call=v:t: x=confirmed|call=u::\n", true,
          2 },
        { "not without any", "a", "n", "dialog", "dialogs", "", true, 2 },
        { "not without a Call-ID", "a", "", "dialog", "dialogs z=trying",
          "1000@users dialogs x=confirmed|call=u:: z=trying\n", true, 2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_bench b;
        struct publication_request rq;
        etag_text old = "", new = "";

        bench_init(&b);
        print_message("    %s\n", cases[i].what);
        assert_int_equal(bench_publish(&b, "a", old, OLD), 0);
        buf_reset(&b.told);
        rq = bench_request(cases[i].publisher, NULL, cases[i].document);
        rq.call_id = str_of(cases[i].call_id);
        rq.package = str_of(cases[i].package);
        rq.supersede = cases[i].supersede;
        assert_int_equal(bench_apply(&b, &rq, new), 0);
        assert_told(&b, cases[i].told);
        assert_int_equal(bench_counters(&b).publications, cases[i].publications);
        assert_int_equal(bench_counters(&b).superseded, 2 - cases[i].publications);
        assert_int_equal(bench_publish(&b, "a", old, NULL),
                         cases[i].publications == 1 ? PUBLICATION_NO_MATCH : 0);
        rq = bench_request(cases[i].publisher, new, NULL);
        rq.package = str_of(cases[i].package);
        assert_int_equal(bench_apply(&b, &rq, new), 0);
        bench_fini(&b);
    }
}

/* Where nothing in the documents tells calls apart, the host does. */
static void test_supersede_of_one_host(void **state)
{
    static const struct {
        const char *package, *origin, *former, *now;
        bool superseded;
    } cases[] = {
        { "dialog", "h", "dialogs x=confirmed", "dialogs x=terminated", true },
        { "dialog", "i", "dialogs x=confirmed", "dialogs x=terminated", false },
        { "dialog", "", "dialogs x=confirmed", "dialogs x=terminated", false },
        { "dialog", "h", "dialogs x=confirmed", "dialogs", true },
        { "dialog", "i", "dialogs x=confirmed", "dialogs", false },
        { "dialog", "h", "dialogs", "dialogs x=early", true },
        { "dialog", "h", "dialogs x=confirmed", "dialogs y=terminated", false },
        { "dialog", "h", "dialogs x=confirmed|call=u::", "dialogs x=terminated", false },
        { "dialog", "h", "dialogs x=confirmed|call=u::", "dialogs", false },
        { "dialog", "h", "dialogs x=confirmed|call=u::", "dialogs x=early|call=v::", false },
        { "dialog", "i", "dialogs x=confirmed|call=u::", "dialogs x=early|call=u::", true },
        { "presence", "h", "presence tuple:a=open", "presence tuple:a=closed", true },
        { "presence", "i", "presence tuple:a=open", "presence tuple:a=closed", false },
        { "presence", "h", "presence tuple:a=open", "presence tuple:b=closed", false },
        { "presence", "h", "presence tuple:a=open tuple:b=open", "presence tuple:a=open", false },
        { "presence", "h", "presence", "presence", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_bench b;
        struct publication_request rq;

        bench_init(&b);
        print_message("    %s, then %s\n", cases[i].former, cases[i].now);
        rq = bench_request("a", NULL, cases[i].former);
        rq.package = str_of(cases[i].package);
        rq.origin = str_of(*cases[i].origin ? "h" : "");
        assert_int_equal(bench_apply(&b, &rq, NULL), 0);
        rq = bench_request("a", NULL, cases[i].now);
        rq.package = str_of(cases[i].package);
        rq.origin = str_of(cases[i].origin);
        rq.call_id = STR("n");
        rq.supersede = true;
        assert_int_equal(bench_apply(&b, &rq, NULL), 0);
        assert_int_equal(bench_counters(&b).superseded, cases[i].superseded);
        bench_fini(&b);
    }
}

/* All that a publisher left behind goes at once, and none of it for a request that fails. */
static void test_supersede_several(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text tags[3] = { "", "", "" };
    struct buf before, after;

    (void)state;
    bench_init(&b);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bench_publish(&b, "a", tags[i], "dialogs x=early"), 0);
    buf_reset(&b.told);
    bench_dump(&b, &before);
    rq = bench_request("a", NULL, "dialogs y=early");
    rq.supersede = true;
    b.composed_result = -ENOMEM;
    assert_int_equal(bench_apply(&b, &rq, NULL), -ENOMEM);
    b.composed_result = 0;
    bench_dump(&b, &after);
    assert_string_equal(before.p, after.p);
    buf_fini(&before);
    buf_fini(&after);
    rq = bench_request("a", NULL, "dialogs y=early");
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users dialogs y=early\n");
    assert_int_equal(bench_counters(&b).publications, 1);
    assert_int_equal(bench_counters(&b).superseded, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bench_publish(&b, "a", tags[i], NULL), PUBLICATION_NO_MATCH);
    /* even where the first says what it said before */
    assert_int_equal(bench_publish(&b, "a", (char[ETAG_ROOM]){ "" }, "dialogs y=early"), 0);
    assert_told(&b, "1000@users dialogs y-4=early y=early\n");
    rq = bench_request("a", NULL, "dialogs y=early");
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users dialogs y=early\n");
    bench_fini(&b);
}

/* ---- what no PUBLISH made ---- */

static void test_internal(void **state)
{
    const struct resource_name box = { .package = STR("message-summary"),
                                       .context = STR("users"),
                                       .extension = STR("1000") };
    const struct str package = box.package;
    struct event_state *one = event_state_of("messages:yes|voice=1/0/0/0"),
                       *none = event_state_of("messages:no|voice=0/0/0/0");
    struct store_bench b;
    struct publication_request rq;

    (void)state;
    bench_init(&b);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), NULL), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), one), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), one), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("b"), one), 0);
    rq = bench_request("a", NULL, "messages:yes|voice=5/0/0/0");
    rq.package = package;
    rq.supersede = true; /* sources are no publishers */
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users:message-summary messages:yes|voice=1/0/0/0\n"
                    "1000@users:message-summary messages:yes|voice=2/0/0/0\n"
                    "1000@users:message-summary messages:yes|voice=7/0/0/0\n");
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), none), 0);
    assert_told(&b, "1000@users:message-summary messages:yes|voice=6/0/0/0\n");
    bench_run(&b, 1000000); /* the published one ends */
    assert_told(&b, "1000@users:message-summary messages:yes|voice=1/0/0/0\n");
    assert_int_equal(bench_counters(&b).publications, 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("b"), NULL), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), NULL), 0);
    assert_told(&b, "1000@users:message-summary messages:no|voice=0/0/0/0\n"
                    "1000@users:message-summary -\n");
    assert_int_equal(bench_counters(&b).bytes, 0);
    event_state_unref(one);
    event_state_unref(none);
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
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_nothing_kept),
        cmocka_unit_test(test_order_of_checks),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_race),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_quota_edges),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_too_large_opaque),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_expiry_delayed),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_crowd_moves),
        cmocka_unit_test(test_two_publishers),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_answer),
        cmocka_unit_test(test_supersede),
        cmocka_unit_test(test_supersede_of_one_host),
        cmocka_unit_test(test_supersede_several),
        cmocka_unit_test(test_internal),
        cmocka_unit_test(test_port_fails),
        cmocka_unit_test(test_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
