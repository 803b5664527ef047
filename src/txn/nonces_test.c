// SPDX-License-Identifier: MIT
#include "txn/nonces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    uint64_t now_ms;
    struct clock clock;
    struct rng rng;
    struct nonces *nonces;
    struct addr source;
    struct nonce_scope scope;
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
    rng_init_seeded(&f->rng, 1);
    assert_int_equal(nonces_create(&f->nonces, &(struct nonces_config){ .clock = &f->clock }), 0);
    assert_int_equal(addr_parse(&f->source, STR("192.0.2.7"), 5060), 0);
    f->scope = (struct nonce_scope){ &f->source, STR_INIT("realm") };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    nonces_destroy(f->nonces);
    free(f);
    return 0;
}

struct text {
    char bytes[NONCE_LEN];
};

static struct text make(struct fixture *f)
{
    struct text t = { "" };
    struct buf b;

    buf_init_on(&b, t.bytes, sizeof(t.bytes));
    assert_int_equal(nonce_print(f->nonces, &f->rng, &f->scope, &b), 0);
    assert_int_equal(b.error, 0);
    assert_int_equal(b.n, NONCE_LEN);
    return t;
}

static bool use(struct fixture *f, const struct text *t, uint32_t count)
{
    return nonce_use(f->nonces, &f->scope, (struct str){ t->bytes, NONCE_LEN }, count, 32);
}

static void test_a_count_is_used_once(void **state)
{
    struct fixture *f = *state;
    struct text t = make(f), other = make(f);

    assert_true(use(f, &t, 1));
    assert_false(use(f, &t, 1));
    assert_true(use(f, &t, 2));
    assert_false(use(f, &t, 1));
    assert_false(use(f, &t, 2));
    assert_false(use(f, &t, 0));
    assert_true(use(f, &other, 1));
    assert_false(use(f, &other, 1));
}

static void test_counts_may_overtake_each_other(void **state)
{
    struct fixture *f = *state;
    struct text t = make(f);

    assert_true(use(f, &t, 3));
    assert_true(use(f, &t, 2));
    assert_false(use(f, &t, 2));
    assert_true(use(f, &t, 66));
    assert_false(use(f, &t, 2)); /* further behind than is remembered */
    assert_false(use(f, &t, 3));
    assert_true(use(f, &t, 4));
    assert_true(use(f, &t, UINT32_MAX));
    assert_false(use(f, &t, UINT32_MAX));
    assert_false(use(f, &t, 66));
}

static void test_it_gets_old(void **state)
{
    struct fixture *f = *state;
    struct text t = make(f);

    f->now_ms += 32000;
    assert_true(use(f, &t, 1));
    f->now_ms++;
    assert_false(use(f, &t, 2));
}

static void test_it_is_for_one_source_and_realm(void **state)
{
    struct fixture *f = *state;
    struct text t = make(f);
    struct addr elsewhere;

    addr_port_set(&f->source, 1024); /* a NAT's doing */
    f->scope.realm = STR("other");
    assert_false(use(f, &t, 1));
    f->scope.realm = STR("realm");
    assert_int_equal(addr_parse(&elsewhere, STR("192.0.2.8"), 5060), 0);
    f->scope.source = &elsewhere;
    assert_false(use(f, &t, 1));
    f->scope.source = &f->source;
    assert_true(use(f, &t, 1));
}

static void test_what_is_not_ours_is_not_good(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < NONCE_LEN; i++) {
        struct text t = make(f);

        t.bytes[i] = t.bytes[i] == '0' ? '1' : '0';
        assert_false(use(f, &t, 1));
        t = make(f);
        t.bytes[i] = 'x';
        assert_false(use(f, &t, 1));
    }
    assert_false(nonce_use(f->nonces, &f->scope, STR(""), 1, 32));
    assert_false(nonce_use(f->nonces, &f->scope, STR("n1"), 1, 32));
}

/* Far more than there is room for: whichever has gone, none is good twice. */
static void test_those_that_are_forgotten_are_stale(void **state)
{
    enum { MANY = 130000 };
    struct fixture *f = *state;
    struct text *t = calloc(MANY, sizeof(*t));
    size_t fresh = 0, again = 0;

    assert_non_null(t);
    for (size_t i = 0; i < MANY; i++) {
        f->now_ms = i / 1000;
        t[i] = make(f);
        assert_true(use(f, &t[i], 1));
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_false(use(f, &t[i], 1));
        fresh += use(f, &t[i], 2);
        again += use(f, &t[i], 2);
    }
    assert_int_equal(again, 0);
    assert_true(fresh > 90000 && fresh < 120000); /* 7 in each of 16384 sets */
    free(t);
}

/* As the next process does. */
static void go_on(struct fixture *f, const char *epoch, const char *key, void *memory)
{
    nonces_destroy(f->nonces);
    f->nonces = NULL;
    assert_int_equal(nonces_create(&f->nonces, &(struct nonces_config){ .clock = &f->clock,
                                                                        .epoch = str_of(epoch),
                                                                        .key = str_of(key),
                                                                        .memory = memory }),
                     0);
}

static void test_with_key_and_memory_it_goes_on(void **state)
{
    struct fixture *f = *state;
    void *memory = calloc(1, nonces_bytes());
    struct text used, unused;

    assert_non_null(memory);
    f->now_ms = 5000;
    go_on(f, "boot 1", "key", memory);
    used = make(f);
    unused = make(f);
    assert_true(use(f, &used, 1));
    go_on(f, "boot 1", "key", memory);
    assert_false(use(f, &used, 1));
    assert_true(use(f, &used, 2));
    assert_true(use(f, &unused, 1));
    go_on(f, "boot 1", "another key", memory);
    assert_false(use(f, &used, 3));
    go_on(f, "", "key", memory);
    assert_false(use(f, &used, 3));
    used = make(f);
    assert_true(use(f, &used, 1));
    go_on(f, "", "key", memory); /* whose clock it was is not known */
    assert_false(use(f, &used, 2));
    nonces_destroy(f->nonces);
    f->nonces = NULL;
    free(memory);
}

/* The key alone says that it is ours, not that it was not used. */
static void test_without_the_memory_those_from_before_are_stale(void **state)
{
    struct fixture *f = *state;
    void *memory = calloc(1, nonces_bytes());
    struct text before, since;

    assert_non_null(memory);
    for (size_t i = 0; i < 2; i++) {
        f->now_ms = 5000;
        go_on(f, "boot 1", "key", NULL);
        before = make(f);
        f->now_ms = 5001;
        go_on(f, "boot 1", "key", i ? memory : NULL);
        since = make(f);
        assert_false(use(f, &before, 1));
        assert_true(use(f, &since, 1));
    }
    nonces_destroy(f->nonces);
    f->nonces = NULL;
    free(memory);
}

/* By its clock one from before is young once more. */
static void test_of_another_boot_none_is_good(void **state)
{
    struct fixture *f = *state;
    struct text before;

    f->now_ms = 5000;
    go_on(f, "boot 1", "key", NULL);
    before = make(f);
    f->now_ms = 1000;
    go_on(f, "boot 2", "key", NULL);
    assert_false(use(f, &before, 1));
    f->now_ms = 6000;
    assert_false(use(f, &before, 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(test_a_count_is_used_once),
        T(test_counts_may_overtake_each_other),
        T(test_it_gets_old),
        T(test_it_is_for_one_source_and_realm),
        T(test_what_is_not_ours_is_not_good),
        T(test_those_that_are_forgotten_are_stale),
        T(test_with_key_and_memory_it_goes_on),
        T(test_without_the_memory_those_from_before_are_stale),
        T(test_of_another_boot_none_is_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
