// SPDX-License-Identifier: MIT
/* store_testing.h - a store on a stepped clock, whose port writes down what it is told:
 *
 *     1000@users dialogs 1000=early|r
 *
 * a line for each composite, "-" for none, ":package" behind the name of other packages' resources;
 * "event 1 of a: NAME" and "ended 1" for streams.
 * For tests only. */
#pragma once
#include "base/keep_testing.h"
#include "publication/compose_testing.h"
#include "publication/publication.h"

struct store_bench {
    struct publication_store *store;
    struct wheel wheel;
    struct clock clock;
    struct rng rng;
    uint64_t now_ms;
    int64_t wall_off_ms; /* the wall clock is that much ahead */
    struct buf told;     /* since it was last read */
    unsigned tells;      /* altogether */
    bool silent;         /* nothing is written down */
    int composed_result; /* what the port answers */
    unsigned kept;       /* resources that the port has heard of, and were not forgotten */
    void (*watch)(void *ctx, const struct resource_name *name, const struct event_state *s);
    void *watch_ctx;
    bool (*served)(void *ctx, const struct publication_place *place);
    void (*guard)(bool subject); /* whether what allocates now is the store, not its test */
};

enum { ETAG_ROOM = 64 };
typedef char etag_text[ETAG_ROOM];

void bench_init(struct store_bench *b);
/* With a port that keeps; `b` may be one that has had its fini, on whose clock it goes on. What is
 * kept is given back by bench_restore. */
void bench_init_keeping(struct store_bench *b, struct keep_testing *kept, uint64_t incarnation);
void bench_restore(struct store_bench *b, struct keep_testing *kept);
void bench_fini(struct store_bench *b);
/* Time passes, every 10 ms on its own. */
void bench_run(struct store_bench *b, uint64_t ms);
void assert_told(struct store_bench *b, const char *lines); /* and forget it */

/* A request of `publisher` for 1000@users, package dialog, 60 s with 10 s of grace, from its one
 * Call-ID; `etag` NULL or empty is an initial one, `document` NULL has no body. The document is the
 * request's: bench_apply frees it. */
struct publication_request bench_request(const char *publisher, const char *etag,
                                         const char *document);
/* `etag`, which may be NULL, gets the new tag where there is one. */
int bench_apply(struct store_bench *b, struct publication_request *rq, etag_text etag);
/* The same, whose promise the test will end. */
int bench_apply_promised(struct store_bench *b, struct publication_request *rq, etag_text etag,
                         struct publication_promise **promise);
/* Both at once. */
int bench_publish(struct store_bench *b, const char *publisher, etag_text etag,
                  const char *document);
int bench_remove(struct store_bench *b, const char *publisher, etag_text etag);

/* All publications, counters left out, as one sorted text; free with buf_fini. */
void bench_dump(const struct store_bench *b, struct buf *out);
struct publication_counters bench_counters(const struct store_bench *b);
/* It is answered so; nothing is changed by it, nor is anybody told. */
void assert_refused(struct store_bench *b, struct publication_request rq, int result);
