// SPDX-License-Identifier: MIT
#include "feed/feed.h"

#include <stdalign.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 8192 };

struct record { /* of a chunk, one behind the other */
    size_t size;
    struct change change;
    char text[];
};

struct feed_chunk {
    struct inbox_message m;
    struct feed *feed;
    size_t used, room;
    alignas(max_align_t) char bytes[];
};

/* ---- the texts of a change ---- */

#define TEXT(member) offsetof(struct change, member)

enum { TEXTS_MAX = 10 };

/* Ends with 0, where no text is. */
static const size_t texts_of[CHANGE_KINDS][TEXTS_MAX] = {
    [CHANGE_DEVICE] = { TEXT(device.device), TEXT(device.source) },
    [CHANGE_PRESENCE] = { TEXT(presence.provider), TEXT(presence.subtype), TEXT(presence.message) },
    [CHANGE_MAILBOX] = { TEXT(mailbox.mailbox), TEXT(mailbox.source) },
    [CHANGE_PUBLICATION] = { TEXT(publication.package), TEXT(publication.context),
                             TEXT(publication.extension), TEXT(publication.publisher),
                             TEXT(publication.content_type), TEXT(publication.call_id),
                             TEXT(publication.entity_tag), TEXT(publication.why) },
    [CHANGE_CONTACT] = { TEXT(contact.aor), TEXT(contact.contact), TEXT(contact.endpoint) },
    [CHANGE_ENDPOINT] = { TEXT(endpoint.endpoint) },
    [CHANGE_SUBSCRIPTION] = { TEXT(subscription.watcher.endpoint),
                              TEXT(subscription.watcher.package),
                              TEXT(subscription.watcher.call_id),
                              TEXT(subscription.watcher.contact), TEXT(subscription.uri),
                              TEXT(subscription.user_agent), TEXT(subscription.why) },
    [CHANGE_REFUSAL] = { TEXT(subscription.watcher.endpoint), TEXT(subscription.watcher.package),
                         TEXT(subscription.watcher.call_id), TEXT(subscription.watcher.contact),
                         TEXT(subscription.uri), TEXT(subscription.context),
                         TEXT(subscription.from), TEXT(subscription.user_agent),
                         TEXT(subscription.why) },
    [CHANGE_NOTIFY] = { TEXT(notify.watcher.endpoint), TEXT(notify.watcher.package),
                        TEXT(notify.watcher.call_id), TEXT(notify.watcher.contact) },
    [CHANGE_PUBLISH] = { TEXT(publish.section), TEXT(publish.package), TEXT(publish.server),
                         TEXT(publish.entity_tag), TEXT(publish.reason) },
    [CHANGE_SOURCE] = { TEXT(source.source), TEXT(source.protocol), TEXT(source.why) },
};

static struct str *text_at(struct change *c, size_t offset)
{
    return (struct str *)(void *)((char *)c + offset);
}

static size_t texts_size(const struct change *c)
{
    size_t n = c->cause.source.n;

    for (const size_t *at = texts_of[c->kind]; *at; at++)
        n += ((const struct str *)(const void *)((const char *)c + *at))->n;
    return n;
}

static void texts_keep(struct record *r)
{
    char *at = r->text;

    str_keep(&r->change.cause.source, &at);
    for (const size_t *offset = texts_of[r->change.kind]; *offset; offset++)
        str_keep(text_at(&r->change, *offset), &at);
}

/* ---- chunks ---- */

static struct record *record_at(struct feed_chunk *chunk, size_t at)
{
    return at < chunk->used ? (struct record *)(void *)(chunk->bytes + at) : NULL;
}

static void chunk_free(struct feed_chunk *chunk)
{
    struct record *r;

    for (size_t at = 0; (r = record_at(chunk, at)); at += r->size) {
        snapshot_unref(r->change.snapshot);
        snapshot_unref(r->change.former);
    }
    free(chunk);
}

static void chunk_done(struct feed_chunk *chunk)
{
    atomic_fetch_sub(&chunk->feed->waiting, chunk->used);
    chunk_free(chunk);
}

static void chunk_drop(struct inbox_message *m)
{
    chunk_done(CONTAINER_OF(m, struct feed_chunk, m));
}

/* A consumer may go, or take others with it, while it is told. */
static void consumers_begin(struct feed *f)
{
    f->next = f->consumers.next;
}

static struct feed_consumer *consumer_next(struct feed *f)
{
    struct list *at = f->next;

    if (at == &f->consumers)
        return NULL;
    f->next = at->next;
    return CONTAINER_OF(at, struct feed_consumer, link);
}

static void tell(struct feed *f, const struct change *c)
{
    struct feed_consumer *to;

    consumers_begin(f);
    while ((to = consumer_next(f)))
        if (to->kinds & CHANGE_BIT((unsigned)c->kind))
            to->each(to->ctx, c);
}

static void chunk_run(struct inbox_message *m, void *owner)
{
    struct feed_chunk *chunk = CONTAINER_OF(m, struct feed_chunk, m);
    struct feed *f = chunk->feed;
    struct feed_consumer *to;
    struct record *r;

    (void)owner;
    for (size_t at = 0; (r = record_at(chunk, at)); at += r->size) {
        tell(f, &r->change);
        atomic_fetch_add_explicit(&f->told, 1, memory_order_relaxed);
    }
    consumers_begin(f);
    while ((to = consumer_next(f)))
        if (to->turn)
            to->turn(to->ctx);
    chunk_done(chunk);
}

/* ---- writing ---- */

void feed_writer_init(struct feed_writer *w, struct feed *f, const struct clock *clock,
                      bool patient)
{
    *w = (struct feed_writer){ .feed = f, .clock = clock, .patient = patient };
}

void feed_writer_fini(struct feed_writer *w)
{
    if (w->chunk)
        chunk_free(w->chunk);
    w->chunk = NULL;
    w->feed = NULL;
}

void feed_lose(struct feed_writer *w, enum change_kind kind)
{
    w->lost.n++;
    w->lost.kinds |= CHANGE_BIT((unsigned)kind);
    atomic_fetch_add_explicit(&w->feed->lost, 1, memory_order_relaxed);
}

static struct feed_chunk *chunk_make(struct feed_writer *w, size_t room)
{
    size_t size = sizeof(struct feed_chunk) + room;
    struct feed_chunk *chunk = w->patient ? inbox_message_alloc(w->feed->log, size) : malloc(size);

    if (!chunk)
        return NULL;
    *chunk = (struct feed_chunk){ .m = { .run = chunk_run, .drop = chunk_drop },
                                  .feed = w->feed,
                                  .room = room };
    list_init(&chunk->m.link);
    return chunk;
}

/* Room in the chunk; NULL: there is no memory. */
static struct record *record_make(struct feed_writer *w, size_t size)
{
    struct record *r;

    if (w->chunk && w->chunk->used + size > w->chunk->room)
        feed_flush(w);
    if (!w->chunk)
        w->chunk = chunk_make(w, size > CHUNK_BYTES ? size : CHUNK_BYTES);
    if (!w->chunk)
        return NULL;
    r = (struct record *)(void *)(w->chunk->bytes + w->chunk->used);
    r->size = size;
    w->chunk->used += size;
    return r;
}

static bool put(struct feed_writer *w, const struct change *c)
{
    const size_t align = alignof(max_align_t);
    size_t size = (sizeof(struct record) + texts_size(c) + align - 1) / align * align;
    struct record *r = record_make(w, size);

    if (!r)
        return false;
    r->change = *c;
    texts_keep(r);
    if (c->snapshot)
        (void)snapshot_ref(c->snapshot);
    if (c->former)
        (void)snapshot_ref(c->former);
    return true;
}

/* Where something is missing stands in its place. */
static void put_lost(struct feed_writer *w)
{
    const struct change c = { .kind = CHANGE_LOST,
                              .wall_ms = clock_wall_ms(w->clock),
                              .lost = w->lost };

    if (put(w, &c))
        w->lost = (struct change_lost){ 0 };
}

/* Others are about the resource, and made by somebody else. */
static bool tells_snapshot(enum change_kind kind)
{
    return kind == CHANGE_SNAPSHOT || kind == CHANGE_NOTIFY || kind == CHANGE_PUBLISH;
}

void feed_put(struct feed_writer *w, const struct change *c)
{
    struct change filled = *c;

    if (!feed_wants(w, c->kind))
        return;
    if (!w->patient && feed_is_behind(w->feed)) {
        feed_lose(w, c->kind);
        return;
    }
    if (w->lost.n)
        put_lost(w);
    if (!filled.wall_ms)
        filled.wall_ms = clock_wall_ms(w->clock);
    if (!filled.cause.number && filled.snapshot && tells_snapshot(c->kind))
        filled.cause = filled.snapshot->cause;
    if (!put(w, &filled))
        feed_lose(w, c->kind);
}

void feed_flush(struct feed_writer *w)
{
    struct feed_chunk *chunk = w->chunk;

    if (!chunk)
        return;
    w->chunk = NULL;
    atomic_fetch_add(&w->feed->waiting, chunk->used);
    inbox_post_always(w->feed->home, &chunk->m);
}

/* ---- life, and consumers ---- */

void feed_init(struct feed *f, struct log *log)
{
    *f = (struct feed){ .log = log };
    atomic_init(&f->wanted, 0);
    atomic_init(&f->waiting, 0);
    atomic_init(&f->told, 0);
    atomic_init(&f->lost, 0);
    list_init(&f->consumers);
    f->next = &f->consumers;
}

void feed_open(struct feed *f, struct inbox *home)
{
    f->home = home;
}

void feed_close(struct feed *f)
{
    atomic_store(&f->wanted, 0);
}

static void wanted_update(struct feed *f)
{
    unsigned kinds = 0;

    LIST_FOREACH (it, &f->consumers)
        kinds |= CONTAINER_OF(it, const struct feed_consumer, link)->kinds;
    atomic_store(&f->wanted, kinds);
}

void feed_subscribe(struct feed *f, struct feed_consumer *c)
{
    BUG_UNLESS(f->home && c->each && c->kinds);
    list_init(&c->link);
    list_append(&f->consumers, &c->link);
    wanted_update(f);
}

void feed_unsubscribe(struct feed *f, struct feed_consumer *c)
{
    if (!c->link.next || list_empty(&c->link))
        return;
    if (f->next == &c->link)
        f->next = c->link.next;
    list_remove(&c->link);
    wanted_update(f);
}

bool feed_is_behind(struct feed *f)
{
    return atomic_load_explicit(&f->waiting, memory_order_relaxed) > FEED_HIGH &&
           atomic_load_explicit(&f->wanted, memory_order_relaxed);
}
