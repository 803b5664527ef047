// SPDX-License-Identifier: MIT
/* What was accepted and cannot be kept is taken back: then all is as if it had never been asked. */
#include "publication/asterisk_event.h"
#include "publication/store_testing.h"

#include <stdio.h>
#include <stdlib.h>

static struct keep_testing kept;

static void begin(struct store_bench *b)
{
    kept = (struct keep_testing){ .n = 0 };
    *b = (struct store_bench){ .now_ms = 0 };
    bench_init_keeping(b, &kept, 1);
}

static void restart(struct store_bench *b)
{
    bench_fini(b);
    bench_init_keeping(b, &kept, 2);
    bench_restore(b, &kept);
}

/* Accepted, and not yet kept; `etag` may be NULL, and is that of before otherwise. */
static struct publication_promise *promise(struct store_bench *b, const char *publisher,
                                           const char *etag, const char *document)
{
    struct publication_request rq = bench_request(publisher, etag, document);
    struct publication_promise *out;

    rq.supersede = !etag;
    assert_int_equal(bench_apply_promised(b, &rq, NULL, &out), 0);
    assert_non_null(out);
    return out;
}

static void test_modified(void **state)
{
    struct publication_promise *p;
    struct buf before, after;
    struct store_bench b;
    etag_text a = "", c = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    bench_run(&b, 5000);
    assert_int_equal(bench_publish(&b, "c", c, "dialogs y=confirmed"), 0);
    bench_run(&b, 5000);
    assert_told(&b, "1000@users dialogs x=early\n1000@users dialogs x=early y=confirmed\n");
    bench_dump(&b, &before);

    p = promise(&b, "a", a, "dialogs x=confirmed");
    bench_run(&b, 40);
    assert_told(&b, "1000@users dialogs x=confirmed y=confirmed\n");
    assert_refused(&b, bench_request("a", a, NULL), PUBLICATION_NO_MATCH);
    publication_promise_end(b.store, p, false);
    assert_told(&b, "1000@users dialogs x=early y=confirmed\n");
    bench_dump(&b, &after);
    assert_string_equal(before.p, after.p);
    buf_fini(&before);
    buf_fini(&after);

    /* on disk too; and it ends when it would have ended */
    restart(&b);
    assert_told(&b, "1000@users dialogs x=early y=confirmed\n");
    bench_run(&b, 59900);
    assert_told(&b, "");
    bench_run(&b, 120);
    assert_told(&b, "1000@users dialogs y=confirmed\n");
    assert_int_equal(bench_publish(&b, "a", a, NULL), PUBLICATION_NO_MATCH);
    bench_fini(&b);
}

static void test_kept(void **state)
{
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    publication_promise_end(b.store, promise(&b, "a", a, "dialogs x=confirmed"), true);
    assert_told(&b, "1000@users dialogs x=early\n1000@users dialogs x=confirmed\n");
    assert_int_equal(bench_publish(&b, "a", a, NULL), PUBLICATION_NO_MATCH);
    bench_fini(&b);
}

/* Who publishes without a tag again while nothing is known of the first time. */
static void test_several(void **state)
{
    static const char *const told[][2] = {
        { "1000@users dialogs x=early\n", "x=early" },
        { "", "x=terminated" },
        { "1000@users dialogs x=confirmed\n", "x=confirmed" },
        { "", "x=terminated" },
    };

    (void)state;
    for (unsigned which = 0; which < 4; which++) {
        struct publication_promise *first, *second;
        bool first_kept = which & 2, second_kept = which & 1;
        struct store_bench b;
        etag_text a = "";

        begin(&b);
        assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
        first = promise(&b, "a", a, "dialogs x=confirmed");
        second = promise(&b, "a", NULL, "dialogs x=terminated");
        buf_reset(&b.told);
        publication_promise_end(b.store, first, first_kept);
        assert_told(&b, "");
        publication_promise_end(b.store, second, second_kept);
        assert_told(&b, told[which][0]);
        assert_int_equal(bench_publish(&b, "a", a, NULL), which == 0 ? 0 : PUBLICATION_NO_MATCH);
        bench_fini(&b);
    }
}

static void test_initial(void **state)
{
    struct publication_promise *first, *second;
    struct store_bench b;

    (void)state;
    begin(&b);
    publication_promise_end(b.store, promise(&b, "a", NULL, "dialogs x=early"), false);
    assert_told(&b, "1000@users dialogs x=early\n1000@users -\n");
    assert_int_equal(bench_counters(&b).publications, 0);
    first = promise(&b, "a", NULL, "dialogs x=early");
    second = promise(&b, "a", NULL, "dialogs x=confirmed");
    publication_promise_end(b.store, first, false);
    publication_promise_end(b.store, second, false);
    assert_told(&b, "1000@users dialogs x=early\n1000@users dialogs x=confirmed\n1000@users -\n");
    for (size_t i = 0; i < kept.n; i++)
        assert_int_equal(kept.kept[i].record.table, KEEP_TABLES);
    bench_fini(&b);
}

/* What has ended does not come back, and a promise that nobody ends does so with the store. */
static void test_ended(void **state)
{
    struct publication_promise *p;
    struct publication_request rq;
    struct store_bench b;
    etag_text a = "", tag;

    (void)state;
    for (unsigned expires = 0; expires < 2; expires++) {
        begin(&b);
        a[0] = '\0';
        assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
        rq = bench_request("a", a, "dialogs x=confirmed");
        assert_int_equal(bench_apply_promised(&b, &rq, tag, &p), 0);
        buf_reset(&b.told);
        if (expires)
            bench_run(&b, 69995); /* it has ended, and waits to be cleared away */
        else
            assert_int_equal(bench_remove(&b, "a", tag), 0);
        if (expires && !b.told.n)
            bench_run(&b, 10);
        assert_told(&b, "1000@users -\n");
        publication_promise_end(b.store, p, false);
        assert_told(&b, "");
        (void)promise(&b, "a", NULL, "dialogs x=early");
        bench_fini(&b);
    }
}

static struct str served_domain;

static bool one_domain(void *ctx, const struct publication_place *place)
{
    (void)ctx;
    return str_equal(place->domain, served_domain);
}

/* It has moved to another domain, and a reload takes away the former one. */
static void test_unserved_before(void **state)
{
    struct publication_request rq;
    struct publication_promise *p;
    struct store_bench b;
    etag_text a = "";

    (void)state;
    kept = (struct keep_testing){ .n = 0 };
    b = (struct store_bench){ .served = one_domain };
    bench_init_keeping(&b, &kept, 1);
    rq = bench_request("a", a, "dialogs x=early");
    served_domain = rq.domain;
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = bench_request("a", a, "dialogs x=confirmed");
    served_domain = rq.domain = STR("elsewhere.example");
    assert_int_equal(bench_apply_promised(&b, &rq, NULL, &p), 0);
    publication_store_prune(b.store);
    assert_told(&b, "1000@users dialogs x=early\n1000@users dialogs x=confirmed\n");
    publication_promise_end(b.store, p, false);
    assert_told(&b, "1000@users dialogs x=early\n1000@users -\n");
    bench_run(&b, 20);
    assert_int_equal(bench_counters(&b).publications, 0);
    bench_fini(&b);
}

/* Its time is up while it waits. */
static void test_late(void **state)
{
    struct publication_promise *p;
    struct publication_request rq;
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    rq = bench_request("a", a, "dialogs x=confirmed");
    rq.expires_s = 600;
    assert_int_equal(bench_apply_promised(&b, &rq, NULL, &p), 0);
    bench_run(&b, 80000);
    buf_reset(&b.told);
    publication_promise_end(b.store, p, false);
    bench_run(&b, 20);
    assert_told(&b, "1000@users dialogs x=early\n1000@users -\n");
    bench_fini(&b);
}

/* Without memory for the composite its tag is good again all the same. */
static void test_no_memory(void **state)
{
    struct publication_promise *p;
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    p = promise(&b, "a", a, "dialogs x=confirmed");
    b.composed_result = -ENOMEM;
    publication_promise_end(b.store, p, false);
    b.composed_result = 0;
    buf_reset(&b.told);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    assert_told(&b, "1000@users dialogs x=early\n");
    bench_fini(&b);
}

static struct publication_request stream_request(const char *etag,
                                                 const struct asterisk_event *event)
{
    struct publication_request rq = bench_request("a", etag, NULL);

    rq.body = STR("{}");
    rq.stream = true;
    rq.event = event;
    return rq;
}

static void test_stream(void **state)
{
    const struct asterisk_event event = { .name = "Custom:x" };
    struct publication_request rq;
    struct publication_promise *p;
    struct store_bench b;
    etag_text a = "";

    (void)state;
    begin(&b);
    rq = stream_request("", &event);
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = stream_request(a, &event);
    assert_int_equal(bench_apply_promised(&b, &rq, NULL, &p), 0);
    publication_promise_end(b.store, p, false);
    rq = stream_request(a, &event);
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    bench_fini(&b);
}

/* ---- as if it had never been asked ---- */

enum { PUBLISHERS = 4, STEPS = 400, HISTORIES = 50, PENDING = 6 };

struct pending { /* what one store has accepted, and the other not heard of */
    struct publication_promise *promise;
    unsigned publisher;
    bool initial;
    char document[64];
    etag_text etag;
};

struct twins {
    struct rng rng;
    struct store_bench asked, kept; /* the second hears only of what was kept */
    etag_text tags[2][PUBLISHERS];
    unsigned waiting[PUBLISHERS];
    struct pending pending[PENDING];
    size_t n;
};

static const char *const names[PUBLISHERS] = { "a", "b", "c", "d" };

static void ask(struct twins *t, unsigned who, bool initial)
{
    static const char *const states[] = { "early", "confirmed", "terminated", "early|r" };
    struct pending *p = &t->pending[t->n];
    struct publication_request rq;

    *p = (struct pending){ .publisher = who, .initial = initial };
    (void)snprintf(p->document, sizeof(p->document), "dialogs %s%u=%s", names[who],
                   (unsigned)rng_below(&t->rng, 2), states[rng_below(&t->rng, ARRAY_LEN(states))]);
    rq = bench_request(names[who], initial ? "" : t->tags[0][who], p->document);
    rq.supersede = true;
    assert_int_equal(bench_apply_promised(&t->asked, &rq, p->etag, &p->promise), 0);
    t->waiting[who]++;
    t->n++;
}

static void decide(struct twins *t, bool keeps)
{
    struct pending *p = &t->pending[0];
    struct publication_request rq;

    publication_promise_end(t->asked.store, p->promise, keeps);
    t->waiting[p->publisher]--;
    if (keeps) {
        memcpy(t->tags[0][p->publisher], p->etag, sizeof(p->etag));
        rq = bench_request(names[p->publisher], p->initial ? "" : t->tags[1][p->publisher],
                           p->document);
        rq.supersede = true;
        assert_int_equal(bench_apply(&t->kept, &rq, t->tags[1][p->publisher]), 0);
    }
    memmove(t->pending, t->pending + 1, --t->n * sizeof(*p));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { WORDS = 32, COMPOSITE_ROOM = 1024 };

/* The words of the composite of now, in order: one who was not kept the first time he published and
 * then was has another place in it. */
static void composite_get(struct store_bench *b, char out[COMPOSITE_ROOM])
{
    static const char *const probe[] = { "dialogs probe=early", "dialogs probe=confirmed" };
    char *words[WORDS] = { NULL }, *rest = NULL;
    etag_text etag = "";
    size_t n = 0, used = 0;

    assert_int_equal(bench_publish(b, "probe", etag, probe[0]), 0);
    buf_reset(&b->told);
    assert_int_equal(bench_publish(b, "probe", etag, probe[1]), 0);
    buf_add_char(&b->told, '\0');
    for (char *word = strtok_r(b->told.p, " \n", &rest); word;
         word = strtok_r(NULL, " \n", &rest)) {
        assert_true(n < WORDS);
        words[n++] = word;
    }
    qsort(words, n, sizeof(*words), by_text);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(out + used, COMPOSITE_ROOM - used, "%s ", words[i]);
    assert_true(used < COMPOSITE_ROOM);
    assert_int_equal(bench_remove(b, "probe", etag), 0);
}

static void assert_twins(struct twins *t)
{
    char asked[COMPOSITE_ROOM], hears[COMPOSITE_ROOM];

    composite_get(&t->asked, asked);
    composite_get(&t->kept, hears);
    assert_string_equal(asked, hears);
    assert_int_equal(bench_counters(&t->asked).publications, bench_counters(&t->kept).publications);
}

static void step(struct twins *t)
{
    unsigned who = (unsigned)rng_below(&t->rng, PUBLISHERS);

    switch (rng_below(&t->rng, 8)) {
    case 0:
    case 1:
    case 2:
        if (t->n < PENDING)
            ask(t, who, t->waiting[who] || !t->tags[0][who][0] || rng_below(&t->rng, 4) == 0);
        break;
    case 3:
        if (!t->waiting[who] && t->tags[0][who][0]) {
            assert_int_equal(bench_remove(&t->asked, names[who], t->tags[0][who]), 0);
            assert_int_equal(bench_remove(&t->kept, names[who], t->tags[1][who]), 0);
            t->tags[0][who][0] = t->tags[1][who][0] = '\0';
        }
        break;
    default:
        if (t->n)
            decide(t, rng_below(&t->rng, 2));
        else
            assert_twins(t);
    }
}

static void test_twins(void **state)
{
    struct twins *t = calloc(1, sizeof(*t));

    (void)state;
    assert_non_null(t);
    for (unsigned seed = 0; seed < HISTORIES; seed++) {
        *t = (struct twins){ .n = 0 };
        rng_init_seeded(&t->rng, seed);
        begin(&t->asked);
        bench_init(&t->kept);
        for (unsigned i = 0; i < STEPS; i++)
            step(t);
        while (t->n)
            decide(t, rng_below(&t->rng, 2));
        assert_twins(t);
        restart(&t->asked); /* nor is anything else on disk */
        assert_twins(t);
        bench_fini(&t->asked);
        bench_fini(&t->kept);
    }
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modified), cmocka_unit_test(test_kept),
        cmocka_unit_test(test_several),  cmocka_unit_test(test_initial),
        cmocka_unit_test(test_ended),    cmocka_unit_test(test_unserved_before),
        cmocka_unit_test(test_late),     cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_stream),   cmocka_unit_test(test_twins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
