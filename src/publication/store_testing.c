// SPDX-License-Identifier: MIT
#include "publication/store_testing.h"
#include "publication/asterisk_event.h"

#include <stdio.h>

static uint64_t bench_now(void *ctx)
{
    return ((struct store_bench *)ctx)->now_ms;
}

static uint64_t bench_wall(void *ctx)
{
    const struct store_bench *b = ctx;

    return b->now_ms + (uint64_t)b->wall_off_ms;
}

static int bench_composed(void *ctx, const struct resource_name *name,
                          const struct event_state *composite, void **kept)
{
    struct store_bench *b = ctx;

    if (b->composed_result)
        return b->composed_result;
    b->kept += !*kept;
    *kept = b;
    b->tells++;
    if (b->watch)
        b->watch(b->watch_ctx, name, composite);
    if (b->silent)
        return 0;
    buf_printf(&b->told, "%.*s@%.*s", STR_FMT(name->extension), STR_FMT(name->context));
    if (name->package.n)
        buf_printf(&b->told, ":%.*s", STR_FMT(name->package));
    buf_add_char(&b->told, ' ');
    event_state_print(&b->told, composite);
    buf_add_char(&b->told, '\n');
    return 0;
}

static void bench_forgotten(void *ctx, void *kept)
{
    struct store_bench *b = ctx;

    assert_ptr_equal(kept, b);
    b->kept--;
}

/* "+text": text is appended to the base, and the document is what it says then; a base with a word
 * that cannot be is answered. */
static int bench_patch(void *ctx, const struct publication_patch *p, struct buf *body,
                       struct event_state **document, struct buf *why)
{
    struct store_bench *b = ctx;
    char text[512];

    assert_true(str_equal(p->content_type, STR("Application/PIDF-diff+xml; charset=utf-8")));
    assert_true(str_equal(p->package, STR("presence")));
    if (!str_starts(p->diff, STR("+"))) {
        buf_printf(why, "no such node: %.*s", STR_FMT(p->diff));
        return str_equal(p->diff, STR("huge")) ? 413 : 400;
    }
    buf_printf(body, "%.*s %.*s", STR_FMT(p->base), STR_FMT(str_sub(p->diff, 1, p->diff.n)));
    if (body->error)
        return body->error;
    (void)snprintf(text, sizeof(text), "%.*s", STR_FMT(buf_str(body)));
    if (b->guard)
        b->guard(false);
    *document = event_state_of(text);
    if (b->guard)
        b->guard(true);
    return 0;
}

static int bench_event(void *ctx, const struct publication_event *e)
{
    struct store_bench *b = ctx;

    if (b->composed_result)
        return b->composed_result;
    buf_printf(&b->told, "event %u of %.*s: %s\n", (unsigned)e->serial, STR_FMT(e->publisher),
               e->event->name);
    return 0;
}

static void bench_ended(void *ctx, uint64_t serial)
{
    buf_printf(&((struct store_bench *)ctx)->told, "ended %u\n", (unsigned)serial);
}

static void bench_resumed(void *ctx, uint64_t serial)
{
    buf_printf(&((struct store_bench *)ctx)->told, "resumed %llx\n", (unsigned long long)serial);
}

static void bench_begin(struct store_bench *b, struct keep keep, uint64_t incarnation)
{
    struct publication_config cfg = { .wheel = &b->wheel,
                                      .clock = &b->clock,
                                      .rng = &b->rng,
                                      .keep = keep,
                                      .incarnation = incarnation };

    b->clock = (struct clock){ bench_now, bench_wall, b };
    rng_init_seeded(&b->rng, incarnation + 1);
    wheel_init(&b->wheel, b->now_ms);
    b->wheel.clock = &b->clock;
    buf_init(&b->told, 1 << 20);
    cfg.port.ctx = b;
    cfg.port.composed = bench_composed;
    cfg.port.forgotten = bench_forgotten;
    cfg.port.patch = bench_patch;
    cfg.port.event = bench_event;
    cfg.port.ended = bench_ended;
    cfg.port.resumed = bench_resumed;
    cfg.port.served = b->served;
    assert_int_equal(publication_store_create(&b->store, &cfg), 0);
}

void bench_init(struct store_bench *b)
{
    *b = (struct store_bench){ .now_ms = 1000000 };
    bench_begin(b, (struct keep){ .ctx = NULL }, 0);
}

void bench_init_keeping(struct store_bench *b, struct keep_testing *kept, uint64_t incarnation)
{
    *b = (struct store_bench){ .now_ms = b->now_ms ? b->now_ms : 1000000,
                               .wall_off_ms = b->wall_off_ms,
                               .served = b->served };
    bench_begin(b, keep_testing_port(kept), incarnation);
}

void bench_restore(struct store_bench *b, struct keep_testing *kept)
{
    static const enum keep_table tables[] = { KEEP_PUBLICATION, KEEP_PUBLICATION_BODY };

    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (size_t i = kept->n; i-- > 0;) { /* in any order */
            const struct kept k = kept->kept[i];
            struct keep_record record = k.record;
            int r;

            if (record.table != tables[t])
                continue;
            record.bytes.p = k.text + record.name.n;
            r = publication_restore(b->store, &record);
            assert_int_equal(r, publication_record_check(&record));
            if (r) /* as the engine does */
                keep_forget(&(struct keep){ .ctx = kept, .put = keep_testing_put }, tables[t],
                            record.number);
        }
    assert_int_equal(publications_restored(b->store), 0);
}

void bench_fini(struct store_bench *b)
{
    publication_store_destroy(b->store);
    wheel_fini(&b->wheel); /* no timer is left */
    buf_fini(&b->told);
}

void bench_run(struct store_bench *b, uint64_t ms)
{
    uint64_t end_ms = b->now_ms + ms;

    while (b->now_ms < end_ms) {
        uint64_t next_ms = b->now_ms + wheel_next_ms(&b->wheel);

        if (next_ms < b->now_ms || next_ms > end_ms)
            next_ms = end_ms;
        b->now_ms = next_ms;
        wheel_advance(&b->wheel, b->now_ms);
    }
}

void assert_told(struct store_bench *b, const char *lines)
{
    buf_add_char(&b->told, '\0');
    assert_int_equal(b->told.error, 0);
    assert_string_equal(b->told.p, lines);
    buf_reset(&b->told);
}

struct publication_request bench_request(const char *publisher, const char *etag,
                                         const char *document)
{
    return (struct publication_request){
        .package = STR("dialog"),
        .context = STR("users"),
        .extension = STR("1000"),
        .publisher = str_of(publisher),
        .call_id = str_of(publisher),
        .if_match = str_of(etag),
        .content_type = STR("text/test"),
        .body = str_of(document),
        .document = document ? event_state_of(document) : NULL,
        .expires_s = 60,
        .grace_s = 10,
    };
}

int bench_apply_promised(struct store_bench *b, struct publication_request *rq, etag_text etag,
                         struct publication_promise **promise)
{
    struct publication_answer answer = { .status = 0 };
    int r = publication_apply(b->store, rq, &answer);

    event_state_unref(rq->document);
    rq->document = NULL;
    assert_int_equal(answer.etag.n, r ? 0 : 32);
    if (r == 0 && etag)
        (void)snprintf(etag, ETAG_ROOM, "%.*s", STR_FMT(answer.etag));
    if (promise)
        *promise = answer.promise;
    else if (answer.promise)
        publication_promise_end(b->store, answer.promise, true);
    return r;
}

int bench_apply(struct store_bench *b, struct publication_request *rq, etag_text etag)
{
    return bench_apply_promised(b, rq, etag, NULL);
}

int bench_publish(struct store_bench *b, const char *publisher, etag_text etag,
                  const char *document)
{
    struct publication_request rq = bench_request(publisher, etag, document);

    return bench_apply(b, &rq, etag);
}

int bench_remove(struct store_bench *b, const char *publisher, etag_text etag)
{
    struct publication_request rq = bench_request(publisher, etag, NULL);

    rq.expires_s = 0;
    return bench_apply(b, &rq, etag);
}

/* ---- dumps ---- */

struct dump {
    char (*lines)[512];
    size_t n;
};

static void dump_add(void *ctx, const struct inbound_publication_view *v)
{
    struct dump *d = ctx;
    void *lines = realloc(d->lines, (d->n + 1) * sizeof(*d->lines));

    assert_non_null(lines);
    d->lines = lines;
    (void)snprintf(d->lines[d->n++], sizeof(*d->lines),
                   "%.*s@%.*s %.*s by %.*s tag %.*s type %.*s call %.*s for %u since %llu changed "
                   "%llu body %zu\n",
                   STR_FMT(v->extension), STR_FMT(v->context), STR_FMT(v->package),
                   STR_FMT(v->publisher), STR_FMT(v->etag), STR_FMT(v->content_type),
                   STR_FMT(v->call_id), v->expires_s, (unsigned long long)v->published_wall_ms,
                   (unsigned long long)v->changed_wall_ms, v->body_len);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

void bench_dump(const struct store_bench *b, struct buf *out)
{
    struct dump d = { NULL, 0 };

    publication_store_each(b->store, dump_add, &d);
    if (d.n)
        qsort(d.lines, d.n, sizeof(*d.lines), by_text);
    buf_init(out, 1 << 20);
    for (size_t i = 0; i < d.n; i++)
        buf_add(out, str_of(d.lines[i]));
    buf_add_char(out, '\0');
    assert_int_equal(out->error, 0);
    free(d.lines);
}

void assert_refused(struct store_bench *b, struct publication_request rq, int result)
{
    struct buf before, after;

    bench_dump(b, &before);
    assert_int_equal(bench_apply(b, &rq, NULL), result);
    bench_dump(b, &after);
    assert_string_equal(before.p, after.p);
    assert_told(b, "");
    buf_fini(&before);
    buf_fini(&after);
}

struct publication_counters bench_counters(const struct store_bench *b)
{
    struct publication_counters c;

    publication_counters_get(b->store, &c);
    return c;
}
