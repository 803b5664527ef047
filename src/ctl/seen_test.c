// SPDX-License-Identifier: MIT
/* What the edge thread remembers of changes, and gathers for those who follow. */
#include "ctl/follow.h"
#include "ctl/recent.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

struct testing {
    struct feed feed;
    struct inbox home;
    struct feed_writer writer;
    struct clock clock;
    uint64_t now_ms;
    struct recent *recent;
    struct followers *followers;
    struct buf told;
};

static uint64_t now(void *ctx)
{
    return ((struct testing *)ctx)->now_ms;
}

static void testing_init(struct testing *t)
{
    *t = (struct testing){ .clock = { now, now, t }, .now_ms = 1000 };
    buf_init(&t->told, 1 << 20);
    feed_init(&t->feed, NULL);
    inbox_init(&t->home, NULL, 1000000, NULL, NULL);
    feed_open(&t->feed, &t->home);
    feed_writer_init(&t->writer, &t->feed, &t->clock, true);
    assert_int_equal(recent_create(&t->recent, &t->feed), 0);
    assert_int_equal(followers_create(&t->followers, &t->feed, &t->clock), 0);
}

static void testing_fini(struct testing *t)
{
    followers_destroy(t->followers);
    recent_destroy(t->recent);
    assert_int_equal(atomic_load(&t->feed.wanted), 0);
    feed_writer_fini(&t->writer);
    inbox_fini(&t->home);
    buf_fini(&t->told);
}

static void flush(struct testing *t)
{
    feed_flush(&t->writer);
    while (inbox_run(&t->home, 100))
        ;
}

static void put_refusal(struct testing *t, const char *uri, const char *endpoint)
{
    feed_put(&t->writer,
             &(struct change){ .kind = CHANGE_REFUSAL,
                               .subscription = { .what = SUBSCRIPTION_REFUSED,
                                                 .watcher = { .endpoint = str_of(endpoint) },
                                                 .uri = str_of(uri),
                                                 .status = 404 } });
    flush(t);
}

struct tally {
    unsigned n;
    uint64_t times;
};

static void count(void *ctx, struct str detail, uint64_t times)
{
    struct tally *tally = ctx;

    assert_true(str_starts(detail, STR("{\"at_ms\":1000,\"kind\":\"refusal\"")));
    tally->n++;
    tally->times += times;
}

static unsigned refusals(const struct testing *t, const char *resource, const char *extension,
                         const char *endpoint)
{
    struct tally tally = { 0, 0 };

    recent_refusals_each(
        t->recent,
        &(struct recent_question){ str_of(resource), str_of(extension), str_of(endpoint) }, count,
        &tally);
    return tally.n;
}

static void test_refusals(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    put_refusal(&t, "sip:1000@a", "alice");
    put_refusal(&t, "sip:1000@a", "bob");
    put_refusal(&t, "sip:2000@a", "alice");
    assert_int_equal(refusals(&t, "1000@users", "1000", ""), 2);
    assert_int_equal(refusals(&t, "1000@users", "1000", "alice"), 1);
    assert_int_equal(refusals(&t, "1000@users", "", ""), 0);
    assert_int_equal(refusals(&t, "", "", ""), 3);
    assert_int_equal(refusals(&t, "5000@users\n2000\n1000@users", "5000", ""), 1); /* an AOR's */
    for (int i = 0; i < 1000; i++) /* one that comes again and again is one */
        put_refusal(&t, "sip:3000@a", "eve");
    assert_int_equal(refusals(&t, "", "3000", ""), 1);
    assert_int_equal(refusals(&t, "", "1000", ""), 2);
    for (int i = 0; i < 1000; i++) { /* a flood leaves the newest, and of others all */
        char uri[32];

        snprintf(uri, sizeof(uri), "sip:%d@a", 4000 + i);
        put_refusal(&t, uri, "");
    }
    assert_int_equal(refusals(&t, "", "4499", ""), 0);
    assert_int_equal(refusals(&t, "", "4500", ""), 1);
    assert_int_equal(refusals(&t, "", "", ""), 504);
    testing_fini(&t);
}

/* What is remembered of one: how often, and who says that he is somebody. */
static void test_refusals_are_told_apart(void **state)
{
    struct change change = { .kind = CHANGE_REFUSAL };
    struct tally tally = { 0, 0 };
    struct testing t;

    (void)state;
    testing_init(&t);
    change.subscription = (struct change_subscription){ .what = SUBSCRIPTION_REFUSED,
                                                        .uri = STR("sip:1000@a"),
                                                        .from = STR("sip:alice@example.com"),
                                                        .status = 403 };
    for (unsigned i = 0; i < 3; i++) {
        feed_put(&t.writer, &change);
        flush(&t);
    }
    change.subscription.status = 401;
    feed_put(&t.writer, &change);
    change.subscription.from = STR("sip:bob@example.com");
    change.subscription.context = STR("users"); /* where it would have been looked for */
    feed_put(&t.writer, &change);
    flush(&t);
    recent_refusals_each(t.recent,
                         &(struct recent_question){ STR("1000@other"), STR("1000"), STR("alice") },
                         count, &tally);
    assert_int_equal(tally.n, 2);
    assert_int_equal(tally.times, 4);
    assert_int_equal(refusals(&t, "1000@users", "", ""), 1);
    assert_int_equal(refusals(&t, "1000@users", "1000", "bob"), 1);
    assert_int_equal(refusals(&t, "1000@users", "1000", "carol"), 0);
    testing_fini(&t);
}

static void put_device(struct testing *t, const char *name)
{
    struct change change = { .kind = CHANGE_DEVICE };

    change.device.device = str_of(name);
    feed_put(&t->writer, &change);
    flush(t);
}

static size_t lines(struct testing *t, uint64_t number, uint64_t *lost)
{
    struct str rows;
    size_t n = 0;

    assert_int_equal(follow_next(t->followers, number, &rows, lost), 0);
    while (rows.n) {
        struct str line = str_next(&rows, '\n');

        assert_true(line.n > 2 && line.p[0] == '{' && line.p[line.n - 1] == '}');
        n++;
    }
    return n;
}

static void test_follow(void **state)
{
    uint64_t number, lost;
    struct testing t;
    struct str rows;

    (void)state;
    testing_init(&t);
    assert_int_equal(
        follow_begin(t.followers,
                     &(struct follow_spec){ .resources = STR("1000@users"),
                                            .names = STR("Custom:1& custom:2 ,CustomPresence:1"),
                                            .kinds = CHANGE_ALL },
                     &number),
        0);
    put_device(&t, "Custom:1");
    put_device(&t, "Custom:2");
    put_device(&t, "Custom:3");
    assert_int_equal(lines(&t, number, &lost), 2);
    assert_int_equal(lines(&t, number, &lost), 0);
    put_device(&t, "Custom:1");
    assert_int_equal(lines(&t, number, &lost), 1);
    assert_int_equal(lost, 0);
    t.now_ms += 31000;
    put_device(&t, "Custom:1"); /* nobody came back for it */
    assert_int_equal(follow_next(t.followers, number, &rows, &lost), FOLLOW_ENDED);
    assert_int_equal(follow_next(t.followers, 77, &rows, &lost), FOLLOW_ENDED);
    testing_fini(&t);
}

static void put_shown(struct testing *t, enum change_kind kind, const char *extension,
                      uint64_t cause)
{
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &(struct snapshot_spec){ .cause = { cause, STR("cli") },
                                                                  .context = STR("users"),
                                                                  .extension = str_of(extension) }),
                     0);
    feed_put(&t->writer, &(struct change){ .kind = kind, .snapshot = s });
    flush(t);
    snapshot_unref(s);
}

/* Of members of a list what they show; of lists that it is in what comes of the same cause. */
static void test_follow_lists(void **state)
{
    const struct follow_spec list = { .resources = STR("lamps@users"),
                                      .members = STR("1000@users\n1001@users"),
                                      .kinds = CHANGE_ALL };
    const struct follow_spec member = { .resources = STR("1000@users\nmore@users"),
                                        .lists = STR("lamps@users"),
                                        .kinds = CHANGE_ALL };
    uint64_t of_list, of_member, lost;
    struct testing t;

    (void)state;
    testing_init(&t);
    assert_int_equal(follow_begin(t.followers, &list, &of_list), 0);
    assert_int_equal(follow_begin(t.followers, &member, &of_member), 0);
    put_shown(&t, CHANGE_SNAPSHOT, "1000", 7);
    put_shown(&t, CHANGE_NOTIFY, "1000", 7); /* its own watchers */
    put_shown(&t, CHANGE_SNAPSHOT, "lamps", 7);
    put_shown(&t, CHANGE_NOTIFY, "lamps", 7);
    assert_int_equal(lines(&t, of_list, &lost), 3);
    assert_int_equal(lines(&t, of_member, &lost), 4);
    put_shown(&t, CHANGE_SNAPSHOT, "1001", 8);
    put_shown(&t, CHANGE_SNAPSHOT, "lamps", 8);
    put_shown(&t, CHANGE_NOTIFY, "lamps", 8);
    put_shown(&t, CHANGE_NOTIFY, "lamps", 0);
    put_shown(&t, CHANGE_SNAPSHOT, "other", 7);
    assert_int_equal(lines(&t, of_list, &lost), 4);
    assert_int_equal(lines(&t, of_member, &lost), 0);
    testing_fini(&t);
}

static void test_more_than_there_is_room_for(void **state)
{
    uint64_t number, lost;
    struct testing t;
    size_t n;

    (void)state;
    testing_init(&t);
    assert_int_equal(
        follow_begin(t.followers, &(struct follow_spec){ .kinds = CHANGE_ALL }, &number), 0);
    for (int i = 0; i < 20000; i++)
        put_device(&t, "Custom:1");
    n = lines(&t, number, &lost);
    assert_true(n > 1000 && lost > 1000);
    assert_int_equal(n + lost, 20000);
    put_device(&t, "Custom:1");
    assert_int_equal(lines(&t, number, &lost), 1);
    assert_int_equal(lost, 0);
    testing_fini(&t);
}

static void test_too_many(void **state)
{
    const struct follow_spec spec = { .kinds = CHANGE_ALL };
    uint64_t number, first;
    struct testing t;

    (void)state;
    testing_init(&t);
    assert_int_equal(follow_begin(t.followers, &spec, &first), 0);
    for (int i = 1; i < 64; i++)
        assert_int_equal(follow_begin(t.followers, &spec, &number), 0);
    assert_int_equal(follow_begin(t.followers, &spec, &number), FOLLOW_TOO_MANY);
    follow_end(t.followers, first);
    follow_end(t.followers, first);
    assert_int_equal(follow_begin(t.followers, &spec, &number), 0);
    t.now_ms += 31000;
    assert_int_equal(follow_begin(t.followers, &spec, &number), 0); /* the others went away */
    testing_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refusals_are_told_apart),
        cmocka_unit_test(test_follow_lists),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_more_than_there_is_room_for),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
