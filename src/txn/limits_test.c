// SPDX-License-Identifier: MIT
#include "txn/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    uint64_t now_ms;
    struct clock clock;
    struct limits *limits;
    const struct limit_claim *taken[8]; /* both claims of each */
    size_t n_taken;
};

static uint64_t now(void *ctx)
{
    return ((struct fixture *)ctx)->now_ms;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->clock = (struct clock){ now, now, f };
    assert_int_equal(limits_create(&f->limits, &f->clock), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    while (f->n_taken) /* by a test that has failed */
        limit_give(f->limits, f->taken[--f->n_taken], 2);
    limits_destroy(f->limits);
    free(f);
    return 0;
}

static unsigned asks(struct fixture *f, uint64_t key, uint32_t per_s, unsigned times)
{
    unsigned may = 0;

    for (unsigned i = 0; i < times; i++)
        may += limit_ask(f->limits, key, per_s);
    return may;
}

static void test_as_often_as_that_in_a_second(void **state)
{
    struct fixture *f = *state;
    uint64_t one = limit_key(f->limits, LIMIT_SOURCE, STR("one"), STR_EMPTY),
             other = limit_key(f->limits, LIMIT_SOURCE, STR("other"), STR_EMPTY);

    assert_int_equal(asks(f, one, 10, 50), 10);
    assert_int_equal(asks(f, other, 10, 50), 10);
    assert_int_equal(asks(f, one, 0, 50), 50);
    f->now_ms += 99;
    assert_int_equal(asks(f, one, 10, 50), 0);
    f->now_ms += 1;
    assert_int_equal(asks(f, one, 10, 50), 1);
    f->now_ms += 500;
    assert_int_equal(asks(f, one, 10, 50), 5);
    f->now_ms += 3600000; /* whoever has been quiet may not do more than at first */
    assert_int_equal(asks(f, one, 10, 50), 10);
    assert_int_equal(asks(f, other, 1, 50), 1);
}

/* Far more than are remembered: who goes on is still limited most of the time. */
static void test_there_are_many(void **state)
{
    struct fixture *f = *state;
    uint64_t key = limit_key(f->limits, LIMIT_SOURCE, STR("loud"), STR_EMPTY);
    unsigned may = 0;

    for (uint64_t i = 0; i < 100000; i++) {
        (void)limit_ask(f->limits, i * 0x9e3779b97f4a7c15ull, 10);
        may += asks(f, key, 10, 1);
    }
    assert_true(may >= 10 && may < 1000);
}

static void test_keys(void **state)
{
    struct fixture *f = *state;
    const struct limits *l = f->limits;

    assert_int_equal(limit_key(l, LIMIT_SOURCE, STR("a"), STR("b")),
                     limit_key(l, LIMIT_SOURCE, STR("a"), STR("b")));
    assert_int_not_equal(limit_key(l, LIMIT_SOURCE, STR("a"), STR("b")),
                         limit_key(l, LIMIT_SOURCE, STR("b"), STR("a")));
    assert_int_not_equal(limit_key(l, LIMIT_SOURCE, STR("a"), STR_EMPTY),
                         limit_key(l, LIMIT_ENDPOINT, STR("a"), STR_EMPTY));
}

static int take(struct fixture *f, const struct limit_claim *claims)
{
    int n = limit_take(f->limits, claims, 2);

    if (n == 2)
        f->taken[f->n_taken++] = claims;
    return n;
}

static void give(struct fixture *f, const struct limit_claim *claims)
{
    size_t i = 0;

    while (f->taken[i] != claims)
        i++;
    f->taken[i] = f->taken[--f->n_taken];
    limit_give(f->limits, claims, 2);
}

static void test_as_many_as_that(void **state)
{
    struct fixture *f = *state;
    static const struct limit_claim alice[] = { { 1, 2 }, { 100, 3 } },
                                    bob[] = { { 2, 2 }, { 100, 3 } },
                                    any[] = { { 1, 0 }, { 100, 0 } };

    assert_int_equal(take(f, alice), 2);
    assert_int_equal(take(f, alice), 2);
    assert_int_equal(take(f, alice), 0); /* she has two */
    assert_int_equal(take(f, bob), 2);
    assert_int_equal(take(f, bob), 1); /* it has three; he still has one */
    give(f, alice);
    assert_int_equal(take(f, bob), 2);
    assert_int_equal(take(f, any), 2);
    give(f, alice);
    give(f, any);
    give(f, bob);
    give(f, bob);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(test_as_often_as_that_in_a_second),
        T(test_there_are_many),
        T(test_keys),
        T(test_as_many_as_that),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
