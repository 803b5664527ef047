// SPDX-License-Identifier: MIT
/* keep_fixture.h - for tests: what a notifier keeps, as a table. Everything is durable when the
 * test says so. */
#pragma once
#include "event/notifier_fixture.h"

enum { KEPT_RECORD_MAX = 2048 };

struct kept_fixture {
    struct kept_entry { /* by number; 0 is none */
        char bytes[KEPT_RECORD_MAX];
        size_t n; /* 0: there is no record */
        uint64_t word;
        bool taken;
    } at[16];
    struct list waits;
    bool fails;
    size_t puts;
};

static inline void kept_put(void *ctx, const struct keep_record *r)
{
    struct kept_fixture *k = ctx;

    assert_int_equal(r->table, KEEP_SUBSCRIPTION);
    assert_in_range(r->number, 1, ARRAY_LEN(k->at) - 1);
    assert_in_range(r->bytes.n, 0, KEPT_RECORD_MAX);
    k->at[r->number].n = r->bytes.n;
    if (r->bytes.n)
        memcpy(k->at[r->number].bytes, r->bytes.p, r->bytes.n);
    k->puts++;
}

static inline void kept_wait(void *ctx, struct keep_wait *w)
{
    list_append(&((struct kept_fixture *)ctx)->waits, &w->link);
}

static inline bool kept_fails(void *ctx)
{
    return ((struct kept_fixture *)ctx)->fails;
}

static inline uint64_t kept_take(void *ctx)
{
    struct kept_fixture *k = ctx;

    for (uint64_t i = 1; i < ARRAY_LEN(k->at); i++) {
        if (k->at[i].taken)
            continue;
        k->at[i].taken = true;
        k->at[i].word = 0;
        return i;
    }
    return 0;
}

static inline uint64_t kept_take_foreign(void *ctx, unsigned class)
{
    (void)class;
    return kept_take(ctx);
}

static inline void kept_claim(void *ctx, uint64_t number)
{
    struct kept_fixture *k = ctx;

    assert_in_range(number, 1, ARRAY_LEN(k->at) - 1);
    k->at[number].taken = true;
}

static inline void kept_give(void *ctx, uint64_t number)
{
    struct kept_fixture *k = ctx;

    assert_true(k->at[number].taken);
    k->at[number].taken = false;
}

static inline void kept_set(void *ctx, uint64_t number, uint64_t word)
{
    struct kept_fixture *k = ctx;

    assert_true(k->at[number].taken);
    k->at[number].word = word;
}

static inline uint64_t kept_get(void *ctx, uint64_t number)
{
    return ((const struct kept_fixture *)ctx)->at[number].word;
}

/* Before anything is subscribed. */
static inline void kept_attach(struct kept_fixture *k, struct fixture *f, uint64_t incarnation)
{
    struct notifier_config *cfg = &f->notifier->cfg;

    list_init(&k->waits);
    cfg->keep = (struct keep){ k, kept_put, kept_wait, kept_fails };
    cfg->words = (struct keep_words){ k,          kept_take, kept_take_foreign, kept_give,
                                      kept_claim, kept_set,  kept_get };
    cfg->incarnation = incarnation;
}

/* Everything put so far is durable, or cannot be written. */
static inline void kept_settle(struct kept_fixture *k, struct fixture *f, int result)
{
    while (!list_empty(&k->waits)) {
        struct keep_wait *w = CONTAINER_OF(k->waits.next, struct keep_wait, link);

        list_remove(&w->link);
        fixture_guard(f, true);
        w->done(w, result);
        fixture_guard(f, false);
    }
}

static inline size_t kept_records(const struct kept_fixture *k)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(k->at); i++)
        n += k->at[i].n > 0;
    return n;
}

static inline size_t kept_numbers(const struct kept_fixture *k)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(k->at); i++)
        n += k->at[i].taken;
    return n;
}

/* `alice` subscribes to 100 and is told. */
static inline void kept_establish(struct kept_fixture *k, struct fixture *f)
{
    struct sub s = sub_plain("c1");

    fixture_state(f, "100", EXTENSION_INUSE);
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    expect_nothing(f);
    kept_settle(k, f, 0);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 200);
    assert_int_equal(kept_records(k), 1);
}
