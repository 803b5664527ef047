// SPDX-License-Identifier: MIT
/* store_testing.h - a store on a stepped clock, whose port writes down what it is told:
 *
 *     1000@users dialogs 1000=early|r
 *
 * a line for each composite, "-" for none, ":package" behind the name of other packages' resources;
 * "event 1 of a: NAME" and "ended 1" for streams.
 * For tests only. */
#pragma once
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
    void (*guard)(bool subject); /* whether what allocates now is the store, not its test */
};

enum { ETAG_ROOM = 64 };
typedef char etag_text[ETAG_ROOM];

void bench_init(struct store_bench *b);
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
/* Both at once. */
int bench_publish(struct store_bench *b, const char *publisher, etag_text etag,
                  const char *document);
int bench_remove(struct store_bench *b, const char *publisher, etag_text etag);

/* All publications, counters left out, as one sorted text; free with buf_fini. */
void bench_dump(const struct store_bench *b, struct buf *out);
struct publication_counters bench_counters(const struct store_bench *b);
/* It is answered so; nothing is changed by it, nor is anybody told. */
void assert_refused(struct store_bench *b, struct publication_request rq, int result);
