// SPDX-License-Identifier: MIT
/* store DIRECTORY [RATE [SECONDS [RECORDS [BYTES]]]] - what it costs to have something kept, and
 * how long an acknowledgement waits for it, in real time.
 *
 * So many records a second, of so many bytes, over so many numbers, put in turns of a millisecond
 * by one owner, as a worker's subscriptions are. Prints for each second how many became durable and
 * how long the slowest waited, and at the end the CPU time of the whole process per record. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/random.h"
#include "loop/loop.h"
#include "store/ledger.h"

enum { LATENCIES_US = 1 << 22 };

struct bench {
    struct loop loop;
    struct ledger ledger;
    struct keep keep;
    struct rng rng;
    uint64_t rate, seconds, records, bytes;
    uint64_t started_ms, put, durable, second, worst_us;
    uint32_t *by_latency; /* how many waited so many microseconds */
    char *text;
    uv_timer_t timer;
    bool ended;
};

struct waiting {
    struct keep_wait wait;
    struct bench *bench;
    uint64_t since_us;
};

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

static void on_done(struct keep_wait *w, int result)
{
    struct waiting *waiting = CONTAINER_OF(w, struct waiting, wait);
    struct bench *b = waiting->bench;
    uint64_t us = now_us() - waiting->since_us;

    BUG_UNLESS(result == 0);
    b->durable++;
    b->worst_us = us > b->worst_us ? us : b->worst_us;
    b->by_latency[us < LATENCIES_US ? us : LATENCIES_US - 1]++;
    free(waiting);
    if (b->ended && b->durable == b->put)
        loop_stop(&b->loop);
}

static void put_one(struct bench *b)
{
    struct waiting *w = malloc(sizeof(*w));
    uint64_t number =
        b->put < b->records ? b->put + 1 : 1 + rng_below(&b->rng, (uint32_t)b->records);

    BUG_UNLESS(w);
    *w = (struct waiting){ .wait = { .done = on_done }, .bench = b, .since_us = now_us() };
    keep_put(&b->keep, &(struct keep_record){ .table = KEEP_SUBSCRIPTION,
                                              .number = number,
                                              .bytes = { b->text, b->bytes } });
    b->put++;
    keep_wait(&b->keep, &w->wait);
}

static void on_timer(uv_timer_t *timer)
{
    struct bench *b = timer->data;
    uint64_t ms = clock_monotonic_ms(&clock_system) - b->started_ms;

    while (!b->ended && b->put < b->rate * ms / 1000)
        put_one(b);
    if (ms / 1000 > b->second) {
        printf("%4llu s: %9llu put, %9llu durable, the slowest waited %6.1f ms\n",
               (unsigned long long)++b->second, (unsigned long long)b->put,
               (unsigned long long)b->durable, (double)b->worst_us / 1000);
        b->worst_us = 0;
    }
    if (ms >= b->seconds * 1000)
        b->ended = true;
    if (b->ended && b->durable == b->put)
        loop_stop(&b->loop);
}

static void on_flush(void *ctx)
{
    ledger_flush(&((struct bench *)ctx)->ledger);
}

static void on_rewrite(void *ctx)
{
    (void)ctx;
    BUG_UNLESS(!"the file is damaged");
}

static double percentile_ms(const struct bench *b, double part)
{
    uint64_t left = (uint64_t)((double)b->durable * part);

    for (uint32_t us = 0; us < LATENCIES_US; us++) {
        if (left < b->by_latency[us])
            return us / 1000.0;
        left -= b->by_latency[us];
    }
    return LATENCIES_US / 1000.0;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t fallback)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    struct bench b = { .rate = argument(argc, argv, 2, 5000),
                       .seconds = argument(argc, argv, 3, 10),
                       .records = argument(argc, argv, 4, 1000000),
                       .bytes = argument(argc, argv, 5, 450) };
    struct store_counters c;
    struct store *store;
    char why[256];
    double began_us;

    if (argc < 2) {
        fprintf(stderr, "usage: store DIRECTORY [RATE [SECONDS [RECORDS [BYTES]]]]\n");
        return 2;
    }
    if (store_open(&store,
                   &(struct store_config){ .directory = str_of(argv[1]),
                                           .durability = STORE_FULL,
                                           .clock = &clock_system },
                   why, sizeof(why))) {
        fprintf(stderr, "store: %s\n", why);
        return 1;
    }
    b.by_latency = calloc(LATENCIES_US, sizeof(*b.by_latency));
    b.text = malloc(b.bytes);
    BUG_UNLESS(b.by_latency && b.text && loop_init(&b.loop, &clock_system, &b, 1 << 20) == 0);
    rng_init_system(&b.rng);
    rng_fill(&b.rng, b.text, b.bytes);
    loop_flush_hook(&b.loop, on_flush, &b);
    ledger_init(&b.ledger,
                &(struct ledger_config){
                    .store = store, .home = &b.loop.inbox, .ctx = &b, .rewrite = on_rewrite });
    b.keep = ledger_keep(&b.ledger);
    BUG_UNLESS(store_start(store, why, sizeof(why)) == 0);
    began_us = cpu_us();
    b.started_ms = clock_monotonic_ms(&clock_system);
    uv_timer_init(&b.loop.uv, &b.timer);
    b.timer.data = &b;
    uv_timer_start(&b.timer, on_timer, 1, 1);
    loop_run(&b.loop);
    store_counters_get(store, &c);
    printf("%llu records, %.1f CPU-us each; durable after %.2f ms (half), %.2f (99 %%), %.2f (99.9 "
           "%%), %.2f "
           "(all); %llu commits, the largest of %llu records\n",
           (unsigned long long)b.durable, (cpu_us() - began_us) / (double)b.durable,
           percentile_ms(&b, 0.5), percentile_ms(&b, 0.99), percentile_ms(&b, 0.999),
           percentile_ms(&b, 0.9999999), (unsigned long long)c.commits,
           (unsigned long long)c.largest);
    uv_close((uv_handle_t *)&b.timer, NULL);
    store_stop(store);
    ledger_fini(&b.ledger);
    loop_fini(&b.loop);
    store_close(store);
    free(b.by_latency);
    free(b.text);
    return 0;
}
