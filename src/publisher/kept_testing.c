// SPDX-License-Identifier: MIT
/* The bench's store: a place for each number, in memory. */
#include "publisher/publisher_testing.h"

static void on_put(void *ctx, const struct keep_record *record)
{
    struct bench *b = ctx;
    struct bench_store *store = &b->store;

    bench_guard(b, false);
    assert_int_equal(record->table, KEEP_SENT_PUBLICATION);
    assert_in_range(record->number, 1, KEPT_MAX - 1);
    str_free(&store->unwritten[record->number]);
    if (record->bytes.n)
        assert_int_equal(str_dup(&store->unwritten[record->number], record->bytes), 0);
    store->put[record->number] = true;
    store->puts++;
    bench_guard(b, true);
    if (!store->slow)
        bench_write(b);
}

void bench_write(struct bench *b)
{
    struct bench_store *store = &b->store;

    for (unsigned i = 0; i < KEPT_MAX && !store->fails; i++) {
        if (!store->put[i])
            continue;
        str_free(&store->kept[i]);
        store->kept[i] = store->unwritten[i];
        store->unwritten[i] = STR_EMPTY;
        store->put[i] = false;
    }
    while (!list_empty(&store->waits)) {
        struct keep_wait *w = CONTAINER_OF(store->waits.next, struct keep_wait, link);

        list_remove(&w->link);
        w->done(w, store->fails ? -EIO : 0);
    }
}

static void on_wait(void *ctx, struct keep_wait *w)
{
    struct bench *b = ctx;

    list_append(&b->store.waits, &w->link);
    if (!b->store.slow)
        bench_write(b);
}

struct keep bench_keep(struct bench *b)
{
    if (!b->store.works)
        return (struct keep){ .ctx = NULL };
    return (struct keep){ .ctx = b, .put = on_put, .wait = on_wait };
}

static uint64_t on_take(void *ctx)
{
    struct bench_store *store = &((struct bench *)ctx)->store;

    for (uint64_t i = 1; i < KEPT_MAX; i++)
        if (!store->taken[i]) {
            store->taken[i] = true;
            store->words[i] = 0;
            return i;
        }
    return 0;
}

static void on_give(void *ctx, uint64_t number)
{
    struct bench_store *store = &((struct bench *)ctx)->store;

    assert_true(store->taken[number]);
    store->taken[number] = false;
}

static void on_claim(void *ctx, uint64_t number)
{
    struct bench_store *store = &((struct bench *)ctx)->store;

    assert_false(store->taken[number]);
    store->taken[number] = true;
}

static void on_set(void *ctx, uint64_t number, uint64_t word)
{
    struct bench_store *store = &((struct bench *)ctx)->store;

    assert_true(store->taken[number]);
    store->words[number] = word;
}

static uint64_t on_get(void *ctx, uint64_t number)
{
    return ((const struct bench *)ctx)->store.words[number];
}

struct keep_words bench_words(struct bench *b)
{
    if (!b->store.works)
        return (struct keep_words){ .ctx = NULL };
    return (struct keep_words){ b, on_take, NULL, on_give, on_claim, on_set, on_get };
}

size_t bench_kept(const struct bench *b)
{
    size_t n = 0;

    for (unsigned i = 0; i < KEPT_MAX; i++)
        n += b->store.kept[i].n > 0;
    return n;
}

void bench_lose(struct bench *b)
{
    for (unsigned i = 0; i < KEPT_MAX; i++) {
        str_free(&b->store.kept[i]);
        str_free(&b->store.unwritten[i]);
    }
}
