// SPDX-License-Identifier: MIT
#include "base/map.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

struct thing {
    struct map_node node;
    uint64_t key;
    bool in;
    unsigned seen;
};

static struct thing *thing_of(const struct map_node *node)
{
    return CONTAINER_OF(node, struct thing, node);
}

static bool thing_is(const struct map_node *node, const void *key)
{
    return thing_of(node)->key == *(const uint64_t *)key;
}

static struct map_node *find(const struct map *m, uint64_t key)
{
    return map_find(m, map_hash_u64(m, key), thing_is, &key);
}

static void add(struct map *m, struct thing *t)
{
    map_add(m, &t->node, map_hash_u64(m, t->key));
    t->in = true;
}

static void start(struct map *m, struct rng *rng)
{
    rng_init_seeded(rng, 20260314);
    assert_int_equal(map_init(m, rng), 0);
}

/* From OpenSSL's SIPHASH MAC with c-rounds 1 and d-rounds 3: key 00..0f, message 00..n-1. */
static void test_siphash_vectors(void **state)
{
    static const struct {
        size_t n;
        uint64_t hash;
    } cases[] = {
        { 0, 0xabac0158050fc4dc },  { 1, 0xc9f49bf37d57ca93 },  { 7, 0xd3927d989bb11140 },
        { 8, 0x369095118d299a8e },  { 9, 0x25a48eb36c063de4 },  { 15, 0xd320d86d2a519956 },
        { 16, 0xcc4fdd1a7d908b66 }, { 63, 0x9d199062b7bbb3a8 },
    };
    const struct map m = { .key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
    char message[64];

    (void)state;
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (char)i;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(map_hash(&m, (struct str){ cases[i].n ? message : NULL, cases[i].n }) ==
                    cases[i].hash);
}

/* Numbers in a row, and far apart, fill the buckets evenly; with another key in another way. */
static void test_hash_u64(void **state)
{
    struct rng rng;

    (void)state;
    rng_init_seeded(&rng, 1);
    for (unsigned shift = 0; shift < 52; shift += 4) {
        unsigned chains[4096] = { 0 }, longest = 0, moved = 0;
        struct map m, other;

        assert_int_equal(map_init(&m, &rng), 0);
        assert_int_equal(map_init(&other, &rng), 0);
        for (uint64_t i = 0; i < 4096; i++) {
            uint64_t hash = map_hash_u64(&m, i << shift);
            unsigned chain = ++chains[hash % 4096];

            longest = chain > longest ? chain : longest;
            moved += hash % 4096 != map_hash_u64(&other, i << shift) % 4096;
        }
        assert_in_range(longest, 1, 16);
        assert_in_range(moved, 4000, 4096);
        map_fini(&m);
        map_fini(&other);
    }
}

/* Every byte at every place of a word: folded exactly when it is an upper-case ASCII letter. */
static void test_hash_nocase(void **state)
{
    char text[11], folded[11];
    struct map m;
    struct rng rng;

    (void)state;
    start(&m, &rng);
    for (size_t at = 0; at < sizeof(text); at++)
        for (int c = 0; c < 256; c++) {
            memset(text, 'Z', sizeof(text));
            memset(folded, 'z', sizeof(folded));
            text[at] = (char)c;
            folded[at] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            assert_true(map_hash_nocase(&m, (struct str){ text, sizeof(text) }) ==
                        map_hash(&m, (struct str){ folded, sizeof(folded) }));
        }
    assert_true(map_hash(&m, STR("Bob")) != map_hash(&m, STR("bob")));
    map_fini(&m);
}

static void test_keyed(void **state)
{
    struct map a, b;
    struct rng rng;

    (void)state;
    start(&a, &rng);
    assert_int_equal(map_init(&b, &rng), 0);
    assert_true(map_hash(&a, STR("x")) != map_hash(&b, STR("x")));
    assert_true(map_hash_mix(1, 2) != map_hash_mix(2, 1));
    map_fini(&a);
    map_fini(&b);
}

static void test_empty(void **state)
{
    struct map m;
    struct rng rng;

    (void)state;
    start(&m, &rng);
    assert_null(find(&m, 1));
    assert_null(map_next(&m, NULL));
    map_fini(&m);
    map_fini(&m);
}

/* All keys in one chain: only `equal` tells them apart. */
static void test_same_hash(void **state)
{
    struct thing things[100] = { 0 };
    struct map m;
    struct rng rng;

    (void)state;
    start(&m, &rng);
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        things[i].key = i;
        map_add(&m, &things[i].node, 42);
    }
    for (uint64_t i = 0; i < ARRAY_LEN(things); i++)
        assert_ptr_equal(map_find(&m, 42, thing_is, &i), &things[i].node);
    assert_null(map_find(&m, 42, thing_is, &(uint64_t){ 100 }));
    assert_null(map_find(&m, 43, thing_is, &(uint64_t){ 1 }));
    map_remove(&m, &things[50].node);
    assert_null(map_find(&m, 42, thing_is, &(uint64_t){ 50 }));
    assert_int_equal(m.count, 99);
    map_fini(&m);
}

static void test_million(void **state)
{
    const size_t n = 1000000;
    struct thing *things = calloc(n, sizeof(*things));
    size_t walked = 0, longest_step = 0;
    struct map m;
    struct rng rng;

    (void)state;
    assert_non_null(things);
    start(&m, &rng);
    for (size_t i = 0; i < n; i++) {
        size_t moved = m.moved;
        struct map_node **old = m.old;

        things[i].key = i * 0x9e3779b97f4a7c15ull;
        add(&m, &things[i]);
        if (old && m.old == old && m.moved - moved > longest_step)
            longest_step = m.moved - moved;
        assert_true(m.count <= (m.mask + 1) + 1); /* load factor about one, at all times */
    }
    assert_int_equal(longest_step, 2);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(find(&m, things[i].key), &things[i].node);
    MAP_FOREACH (it, &m) {
        thing_of(it)->seen++;
        walked++;
    }
    assert_int_equal(walked, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(things[i].seen, 1);
    for (size_t i = 0; i < n; i += 2)
        map_remove(&m, &things[i].node);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(find(&m, things[i].key), i % 2 ? &things[i].node : NULL);
    assert_int_equal(m.count, n / 2);
    map_fini(&m);
    free(things);
}

/* The walk sees each node that is in exactly once, and no other. */
static void check_walk(struct map *m, struct thing *things, size_t n)
{
    size_t walked = 0;

    for (size_t i = 0; i < n; i++)
        things[i].seen = 0;
    MAP_FOREACH (it, m) {
        thing_of(it)->seen++;
        walked++;
    }
    assert_int_equal(walked, m->count);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(things[i].seen, things[i].in);
}

/* Random additions, removals and walks, against a flag per thing. */
static void test_against_model(void **state)
{
    enum { THINGS = 3000, STEPS = 200000 };
    struct thing *things = calloc(THINGS, sizeof(*things));
    size_t count = 0;
    struct map m;
    struct rng rng;

    (void)state;
    assert_non_null(things);
    start(&m, &rng);
    for (size_t i = 0; i < THINGS; i++)
        things[i].key = i;
    for (unsigned step = 0; step < STEPS; step++) {
        /* The share of additions swings, so that the table fills and empties. */
        bool fill = rng_below(&rng, 100) < (step / 10000 % 2 ? 35u : 65u);
        struct thing *t = &things[rng_below(&rng, THINGS)];

        if (fill && !t->in) {
            add(&m, t);
            count++;
        } else if (!fill && t->in) {
            map_remove(&m, &t->node);
            t->in = false;
            count--;
        }
        t = &things[rng_below(&rng, THINGS)];
        assert_ptr_equal(find(&m, t->key), t->in ? &t->node : NULL);
        assert_int_equal(m.count, count);
        if (step % 500 == 0)
            check_walk(&m, things, THINGS);
    }
    map_fini(&m);
    free(things);
}

/* At every fill of a table that is just growing, so that the walk crosses both arrays. */
static void test_remove_during_walk(void **state)
{
    enum { THINGS = 200 };
    struct thing things[THINGS];
    struct rng rng;

    (void)state;
    for (size_t n = 0; n <= THINGS; n++)
        for (unsigned keep = 1; keep < 4; keep++) { /* remove all but each `keep`-th; 1: all */
            struct map m;
            size_t walked = 0;

            start(&m, &rng);
            memset(things, 0, sizeof(things));
            for (size_t i = 0; i < n; i++) {
                things[i].key = i;
                add(&m, &things[i]);
            }
            MAP_FOREACH_SAFE (it, &m) {
                struct thing *t = thing_of(it);

                t->seen++;
                if (keep > 1 && walked % keep == 0) {
                    walked++;
                    continue;
                }
                map_remove(&m, it);
                memset(&t->node, 0xee,
                       sizeof(t->node)); /* it may be freed: nobody looks at it again */
                t->in = false;
                walked++;
            }
            assert_int_equal(walked, n);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(things[i].seen, 1);
                assert_ptr_equal(find(&m, i), things[i].in ? &things[i].node : NULL);
            }
            assert_int_equal(m.count, keep == 1 ? 0 : (n + keep - 1) / keep);
            map_fini(&m);
        }
}

static void test_remove_stranger_aborts(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct thing t = { .key = 1 };
        struct map m;
        struct rng rng;

        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        start(&m, &rng);
        map_remove(&m, &t.node);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_rng_seeded(void **state)
{
    unsigned char a[1000], b[1000];
    struct rng x, y, z;

    (void)state;
    rng_init_seeded(&x, 7);
    rng_init_seeded(&y, 7);
    rng_init_seeded(&z, 8);
    rng_fill(&x, a, sizeof(a));
    rng_fill(&y, b, sizeof(b));
    assert_memory_equal(a, b, sizeof(a));
    assert_true(rng_u64(&x) == rng_u64(&y));
    assert_true(rng_u64(&x) != rng_u64(&z));
}

static void test_rng_system(void **state)
{
    static const size_t sizes[] = { 1, 255, 256, 257, 1000, 3, 0 };
    unsigned char a[1000], b[1000] = { 0 };
    struct rng x, y;

    (void)state;
    rng_init_system(&x);
    rng_init_system(&y);
    assert_true(rng_u64(&x) != rng_u64(&y));
    assert_true(rng_u64(&x) != rng_u64(&x));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t zeros = 0;

        memset(a, 0, sizeof(a));
        rng_fill(&x, a, sizes[i]);
        assert_memory_equal(a + sizes[i], b, sizeof(a) - sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            zeros += a[k] == 0;
        /* Bytes already given out are wiped from the pool: a mistake in the offsets would show
         * them. */
        assert_true(sizes[i] < 200 || zeros < sizes[i] / 20);
    }
}

static void test_rng_below(void **state)
{
    unsigned hits[7] = { 0 }, thirds[3] = { 0 };
    struct rng r;

    (void)state;
    rng_init_seeded(&r, 1);
    for (unsigned i = 0; i < 70000; i++) {
        uint32_t x = rng_below(&r, 7);

        assert_true(x < 7);
        hits[x]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(hits); i++)
        assert_in_range(hits[i], 9500, 10500);
    /* With three quarters of all draws as the limit, a multiplication alone gives one residue twice
     * the others. */
    for (unsigned i = 0; i < 30000; i++)
        thirds[rng_below(&r, 0xc0000000u) % 3]++;
    for (size_t i = 0; i < ARRAY_LEN(thirds); i++)
        assert_in_range(thirds[i], 9500, 10500);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(rng_below(&r, 1), 0);
        assert_true(rng_below(&r, UINT32_MAX) < UINT32_MAX);
        assert_true(rng_below(&r, 0x80000001u) <= 0x80000000u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_hash_u64),
        cmocka_unit_test(test_hash_nocase),
        cmocka_unit_test(test_keyed),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_same_hash),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_remove_during_walk),
        cmocka_unit_test(test_remove_stranger_aborts),
        cmocka_unit_test(test_rng_seeded),
        cmocka_unit_test(test_rng_system),
        cmocka_unit_test(test_rng_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
