// SPDX-License-Identifier: MIT
/* expiry [PUBLICATIONS [SECONDS]] - how late the ends of publications are told, in real time.
 *
 * So many publications of one dialog each, every one for an extension of its own, in a store over a
 * state core on an event loop, as the state thread of extstated has them. In a first run their ends
 * are spread over so many seconds, in a second one all of them are due in the same tick. Prints,
 * for each: ms from when a publication was due until the snapshot without it was told. The clock
 * goes once all are published; until then the test moves it. */
#include "body/inbound.h"
#include "loop/loop.h"
#include "publication/publication.h"
#include "xml/xml.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { START_MS = 1000000, LEAD_S = 3 }; /* nothing is due before the clock goes */

struct bench {
    struct loop loop;
    struct clock clock;
    struct rng rng;
    struct log *log;
    struct state_core *core;
    struct publication_store *store;
    struct event_state *document;
    uint64_t stands_ms;  /* where the clock stands, and where it began to go */
    uint64_t started_us; /* when that was; 0: it stands */
    uint32_t n, left;
    uint32_t *due_ms, *late_us; /* by extension; due from START_MS on */
};

static const char body[] =
    "<?xml version='1.0'?><dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='0' "
    "state='full' entity='sip:1000@example.com'><dialog id='a84b4c76e66710' "
    "call-id='a84b4c76e66710@pc33.example.com' local-tag='1928301774' remote-tag='456248' "
    "direction='recipient'><state>confirmed</state><local><identity>sip:1000@example.com</identity>"
    "</local><remote><identity>sip:bob@biloxi.example.com</identity></remote></dialog></"
    "dialog-info>";

static uint64_t real_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t bench_us(const struct bench *b)
{
    return b->stands_ms * 1000 + (b->started_us ? real_us() - b->started_us : 0);
}

static uint64_t bench_ms(void *ctx)
{
    return bench_us(ctx) / 1000;
}

/* ---- the state thread ---- */

static int on_composed(void *ctx, const struct resource_name *name,
                       const struct event_state *composite, void **kept)
{
    struct hint *held = *kept;
    int r = state_publish(((struct bench *)ctx)->core, name, composite, &held);

    *kept = held;
    return r;
}

static void on_forgotten(void *ctx, void *kept)
{
    state_let_go(((struct bench *)ctx)->core, kept);
}

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    (void)former;
    struct bench *b = ctx;
    uint64_t due_us;
    uint32_t i;

    (void)consumers;
    if (s->published || s->state == EXTENSION_REMOVED)
        return;
    BUG_UNLESS(str_to_u32(&i, s->extension) == 0 && i < b->n);
    due_us = (START_MS + (uint64_t)b->due_ms[i]) * 1000;
    BUG_UNLESS(bench_us(b) >= due_us); /* never early */
    b->late_us[i] = (uint32_t)(bench_us(b) - due_us);
    if (--b->left == 0)
        loop_stop(&b->loop);
}

static void bench_init(struct bench *b, uint32_t n)
{
    struct buf why;

    *b = (struct bench){ .n = n, .left = n, .stands_ms = START_MS };
    b->clock = (struct clock){ bench_ms, bench_ms, b };
    rng_init_seeded(&b->rng, 1);
    b->due_ms = calloc(n, sizeof(*b->due_ms));
    b->late_us = calloc(n, sizeof(*b->late_us));
    BUG_UNLESS(b->due_ms && b->late_us);
    buf_init(&why, 1024);
    BUG_UNLESS(inbound_parse(&b->document, NULL, STR("dialog"), STR("application/dialog-info+xml"),
                             str_of(body), &why) == 0);
    buf_fini(&why);
    BUG_UNLESS(log_create(&b->log, STDERR_FILENO, LOG_LEVEL_WARN, &b->clock) == 0);
    BUG_UNLESS(loop_init(&b->loop, &b->clock, b, 1000) == 0);
    BUG_UNLESS(state_create(&b->core,
                            &(struct state_config){ .port = { .ctx = b, .snapshot = on_snapshot },
                                                    .clock = &b->clock,
                                                    .log = b->log,
                                                    .rng = &b->rng }) == 0);
    BUG_UNLESS(
        publication_store_create(
            &b->store, &(struct publication_config){
                           .port = { .ctx = b, .composed = on_composed, .forgotten = on_forgotten },
                           .wheel = &b->loop.wheel,
                           .clock = &b->clock,
                           .rng = &b->rng,
                           .log = b->log }) == 0);
}

static void bench_fini(struct bench *b)
{
    publication_store_destroy(b->store);
    state_destroy(b->core);
    loop_fini(&b->loop);
    log_destroy(b->log);
    event_state_unref(b->document);
    free(b->due_ms);
    free(b->late_us);
}

/* ---- what is published ---- */

/* With a spread they come within a second, and are granted up to so many. */
static void bench_load(struct bench *b, uint32_t spread_s)
{
    for (uint32_t i = 0; i < b->n; i++) {
        char extension[16], call_id[64];
        struct publication_answer answer;
        struct publication_request rq = { .package = STR("dialog"),
                                          .context = STR("users"),
                                          .publisher = STR("kamailio.example.com"),
                                          .content_type = STR("application/dialog-info+xml"),
                                          .body = str_of(body),
                                          .document = b->document,
                                          .grace_s = LEAD_S };

        if (spread_s)
            b->stands_ms = START_MS + UINT64_C(1000) * i / b->n;
        (void)snprintf(extension, sizeof(extension), "%u", i);
        (void)snprintf(call_id, sizeof(call_id), "%08x-5b8b-4e6d@192.0.2.1", i);
        rq.extension = str_of(extension);
        rq.call_id = str_of(call_id);
        rq.expires_s = 1 + (spread_s ? rng_below(&b->rng, spread_s) : 0);
        b->due_ms[i] = (uint32_t)(b->stands_ms - START_MS) + (rq.expires_s + rq.grace_s) * 1000;
        BUG_UNLESS(publication_apply(b->store, &rq, &answer) == 0);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void run(uint32_t n, uint32_t spread_s)
{
    struct bench b;
    uint32_t middle = n / 2, almost = n - n / 100 - 1;
    uint64_t begun_us, loaded_us;
    size_t heap;

    bench_init(&b, n);
    begun_us = real_us();
    bench_load(&b, spread_s);
    loaded_us = real_us() - begun_us;
    heap = mallinfo2().uordblks;
    b.started_us = real_us();
    loop_run(&b.loop);
    qsort(b.late_us, n, sizeof(*b.late_us), by_size);
    printf(
        "%u publications, due within %u s: loaded in %.1f s, %zu MB; late by %.1f (median), %.1f "
        "(99 %%), %.1f ms (all)\n",
        n, spread_s, (double)loaded_us / 1e6, heap >> 20, b.late_us[middle] / 1e3,
        b.late_us[almost] / 1e3, b.late_us[n - 1] / 1e3);
    bench_fini(&b);
}

int main(int argc, char **argv)
{
    uint32_t n = 1000000, spread_s = 60;

    if ((argc > 1 && str_to_u32(&n, str_of(argv[1]))) || !n ||
        (argc > 2 && str_to_u32(&spread_s, str_of(argv[2])))) {
        fprintf(stderr, "usage: expiry [PUBLICATIONS [SECONDS]]\n");
        return 2;
    }
    (void)mallopt(M_MXFAST, 0); /* as extstated does: see src/daemon/main.c */
    xml_init();
    run(n, spread_s);
    run(n, 0);
    return 0;
}
