// SPDX-License-Identifier: MIT
#include "base/memory_testing.h"
#include "feed/feed.h"
#include <pthread.h>
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
    struct feed_consumer consumer, other;
    struct buf told;
    unsigned turns;
};

static uint64_t noon(void *ctx)
{
    (void)ctx;
    return UINT64_C(12) * 3600 * 1000;
}

/* "device Custom:1 of cli #7 at 43200000\n" */
static void on_change(void *ctx, const struct change *c)
{
    struct testing *t = ctx;
    struct str what = STR_EMPTY;

    if (c->kind == CHANGE_DEVICE)
        what = c->device.device;
    else if (c->kind == CHANGE_NOTIFY)
        what = c->notify.watcher.endpoint;
    else if (c->kind == CHANGE_SNAPSHOT)
        what = c->snapshot->extension;
    buf_printf(&t->told, "%.*s %.*s of %.*s #%llu at %llu", STR_FMT(change_kind_name(c->kind)),
               STR_FMT(what), STR_FMT(c->cause.source), (unsigned long long)c->cause.number,
               (unsigned long long)c->wall_ms);
    if (c->kind == CHANGE_LOST)
        buf_printf(&t->told, " n=%llu kinds=%x", (unsigned long long)c->lost.n, c->lost.kinds);
    buf_add_char(&t->told, '\n');
}

static void on_turn(void *ctx)
{
    ((struct testing *)ctx)->turns++;
}

static void testing_init(struct testing *t, unsigned kinds, bool patient)
{
    *t = (struct testing){ .clock = { noon, noon, NULL } };
    buf_init(&t->told, 1 << 20);
    feed_init(&t->feed, NULL);
    inbox_init(&t->home, NULL, 1000000, NULL, NULL);
    feed_open(&t->feed, &t->home);
    feed_writer_init(&t->writer, &t->feed, &t->clock, patient);
    t->consumer =
        (struct feed_consumer){ .kinds = kinds, .each = on_change, .turn = on_turn, .ctx = t };
    feed_subscribe(&t->feed, &t->consumer);
}

static void testing_fini(struct testing *t)
{
    feed_close(&t->feed);
    feed_writer_fini(&t->writer);
    inbox_fini(&t->home);
    assert_int_equal(atomic_load(&t->feed.waiting), 0);
    buf_fini(&t->told);
}

static void assert_told(struct testing *t, const char *expected)
{
    feed_flush(&t->writer);
    while (inbox_run(&t->home, 100) == 100)
        ;
    buf_add_char(&t->told, '\0');
    assert_int_equal(t->told.error, 0);
    assert_string_equal(t->told.p, expected);
    buf_reset(&t->told);
}

static void put_device(struct testing *t, const char *name)
{
    char copy[80]; /* what is borrowed may change behind the call */
    size_t n = strlen(name);
    struct change change = { .kind = CHANGE_DEVICE, .cause = { 7, STR("cli") } };

    memcpy(copy, name, n);
    change.device.device = (struct str){ copy, n };
    feed_put(&t->writer, &change);
    memset(copy, 'x', n);
}

static void put_notify(struct testing *t, const char *endpoint)
{
    feed_put(&t->writer,
             &(struct change){ .kind = CHANGE_NOTIFY,
                               .notify = { .watcher = { .endpoint = str_of(endpoint) } } });
}

static void test_what_is_wanted_is_told_in_order(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t, CHANGE_BIT(CHANGE_DEVICE), true);
    assert_true(feed_wants(&t.writer, CHANGE_DEVICE));
    assert_false(feed_wants(&t.writer, CHANGE_NOTIFY));
    put_device(&t, "Custom:1");
    put_notify(&t, "alice");
    put_device(&t, "Custom:2");
    assert_told(&t, "device Custom:1 of cli #7 at 43200000\n"
                    "device Custom:2 of cli #7 at 43200000\n");
    assert_int_equal(t.turns, 1);
    feed_unsubscribe(&t.feed, &t.consumer);
    feed_unsubscribe(&t.feed, &t.consumer);
    assert_false(feed_wants(&t.writer, CHANGE_DEVICE));
    put_device(&t, "Custom:3");
    assert_told(&t, "");
    testing_fini(&t);
}

static void test_nobody_to_tell(void **state)
{
    struct feed_writer nowhere;

    (void)state;
    feed_writer_init(&nowhere, NULL, NULL, false);
    assert_false(feed_wants(&nowhere, CHANGE_DEVICE));
    assert_false(feed_wants(NULL, CHANGE_DEVICE));
    feed_put(&nowhere, &(struct change){ .kind = CHANGE_DEVICE });
    feed_flush(&nowhere);
    feed_writer_fini(&nowhere);
}

/* It lives until it has been told, and its cause is that of the change. */
static void test_snapshots_are_kept(void **state)
{
    const struct snapshot_spec spec = { .resource_id = 1,
                                        .sequence = 3,
                                        .cause = { 9, STR("pbx-a") },
                                        .context = STR("users"),
                                        .extension = STR("1000") };
    struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t, CHANGE_ALL, true);
    assert_int_equal(snapshot_create(&s, &spec), 0);
    feed_put(&t.writer,
             &(struct change){ .kind = CHANGE_SNAPSHOT, .wall_ms = 5, .snapshot = s, .former = s });
    assert_int_equal(atomic_load(&s->refs), 3);
    snapshot_unref(snapshot_ref(s));
    assert_told(&t, "snapshot 1000 of pbx-a #9 at 5\n");
    assert_int_equal(atomic_load(&s->refs), 1);
    feed_put(&t.writer, &(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = s });
    feed_flush(&t.writer);
    feed_put(&t.writer, &(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = s });
    testing_fini(&t); /* neither the one on its way nor the one not sent is told */
    assert_int_equal(atomic_load(&s->refs), 1);
    snapshot_unref(s);
}

static void test_longer_than_a_chunk(void **state)
{
    static char text[100000];
    struct testing t;

    (void)state;
    memset(text, 'm', sizeof(text));
    testing_init(&t, CHANGE_ALL, true);
    for (int i = 0; i < 100; i++)
        put_device(&t, "Custom:1");
    feed_put(&t.writer, &(struct change){ .kind = CHANGE_PRESENCE,
                                          .presence = { .message = { text, sizeof(text) } } });
    feed_flush(&t.writer);
    while (inbox_run(&t.home, 100) == 100)
        ;
    assert_int_equal(atomic_load(&t.feed.told), 101);
    testing_fini(&t);
}

/* Workers are not held up: what nobody has time for is counted, and so told in its place. */
static void test_behind(void **state)
{
    struct testing t;
    char expected[100];
    size_t kept = 0;

    (void)state;
    testing_init(&t, CHANGE_ALL, false);
    while (!feed_is_behind(&t.feed)) {
        put_notify(&t, "alice");
        kept++;
    }
    put_notify(&t, "bob");
    put_notify(&t, "bob");
    assert_int_equal(atomic_load(&t.feed.lost), 2);
    while (inbox_run(&t.home, 100) == 100)
        ;
    assert_false(feed_is_behind(&t.feed));
    assert_true(atomic_load(&t.feed.told) <= kept);
    buf_reset(&t.told);
    feed_flush(&t.writer);
    while (inbox_run(&t.home, 100) == 100)
        ;
    buf_reset(&t.told);
    put_notify(&t, "carol");
    snprintf(expected, sizeof(expected),
             "lost  of  #0 at 43200000 n=2 kinds=%x\nnotify carol of  #0 at 43200000\n",
             CHANGE_BIT(CHANGE_NOTIFY));
    assert_told(&t, expected);
    put_notify(&t, "dave");
    assert_told(&t, "notify dave of  #0 at 43200000\n");
    testing_fini(&t);
}

/* A feed that is closed holds nobody up, whatever is still on its way. */
static void test_closed(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t, CHANGE_ALL, true);
    while (!feed_is_behind(&t.feed))
        put_device(&t, "Custom:1");
    feed_close(&t.feed);
    assert_false(feed_is_behind(&t.feed));
    put_device(&t, "Custom:2");
    testing_fini(&t);
}

static void test_without_memory(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t, CHANGE_ALL, false);
    memory = (struct memory_testing){ .armed = true, .left = 0 };
    put_notify(&t, "alice");
    assert_true(memory.failed);
    memory = (struct memory_testing){ .left = -1 };
    put_notify(&t, "bob");
    feed_flush(&t.writer);
    while (inbox_run(&t.home, 100) == 100)
        ;
    assert_int_equal(atomic_load(&t.feed.lost), 1);
    assert_int_equal(atomic_load(&t.feed.told), 2);
    testing_fini(&t);
}

static void leave_both(void *ctx, const struct change *c)
{
    struct testing *t = ctx;

    on_change(ctx, c);
    feed_unsubscribe(&t->feed, &t->consumer);
    feed_unsubscribe(&t->feed, &t->other);
}

static void test_consumers_leave_while_they_are_told(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t, CHANGE_ALL, true);
    feed_unsubscribe(&t.feed, &t.consumer);
    t.other = (struct feed_consumer){ .kinds = CHANGE_ALL, .each = on_change, .ctx = &t };
    t.consumer.each = leave_both;
    feed_subscribe(&t.feed, &t.consumer);
    feed_subscribe(&t.feed, &t.other);
    put_device(&t, "Custom:1");
    put_device(&t, "Custom:2");
    assert_told(&t, "device Custom:1 of cli #7 at 43200000\n");
    testing_fini(&t);
}

/* ---- threads ---- */

enum { ROUNDS = 20000 };

static void *write_much(void *arg)
{
    struct testing *t = arg;
    struct feed_writer w;

    feed_writer_init(&w, &t->feed, &t->clock, false);
    for (int i = 0; i < ROUNDS; i++) {
        feed_put(&w, &(struct change){ .kind = CHANGE_NOTIFY });
        if (i % 100 == 99)
            feed_flush(&w);
    }
    feed_flush(&w);
    feed_writer_fini(&w);
    return NULL;
}

static void count(void *ctx, const struct change *c)
{
    struct testing *t = ctx;

    t->turns += c->kind == CHANGE_NOTIFY ? 1 : (unsigned)c->lost.n;
}

static void test_from_several_threads(void **state)
{
    pthread_t threads[3];
    struct testing t;
    unsigned sum;

    (void)state;
    testing_init(&t, CHANGE_ALL, true);
    t.consumer.each = count;
    t.consumer.turn = NULL;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &t), 0);
    for (int i = 0; i < 1000; i++)
        (void)inbox_run(&t.home, 10);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    while (inbox_run(&t.home, 100))
        ;
    sum = (unsigned)(atomic_load(&t.feed.lost));
    assert_true(t.turns <= ARRAY_LEN(threads) * ROUNDS);
    assert_true(t.turns + sum >= ARRAY_LEN(threads) * ROUNDS);
    testing_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wanted_is_told_in_order),
        cmocka_unit_test(test_nobody_to_tell),
        cmocka_unit_test(test_snapshots_are_kept),
        cmocka_unit_test(test_longer_than_a_chunk),
        cmocka_unit_test(test_behind),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_consumers_leave_while_they_are_told),
        cmocka_unit_test(test_from_several_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
