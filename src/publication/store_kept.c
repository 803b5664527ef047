// SPDX-License-Identifier: MIT
/* Publications that survive: one record says whose it is and until when, another one what it says,
 * which a refresh need not write again. */
#include "loop/inbox.h"
#include "publication/compose.h"
#include "publication/store_internal.h"
#include "state/event_record.h"

#include <stdlib.h>

enum {
    FORMAT = 1, /* of both records */
    NUMBERS_ROOM = 256,
    FLAG_STREAM = 1,
    FLAG_SCOPED = 2,
};

/* ---- writing ---- */

/* Room for a record that is written once: what was accepted must not get lost for want of memory.
 */
static void record_begin(const struct publication_store *store, struct buf *b, size_t texts)
{
    size_t size = texts + NUMBERS_ROOM;

    buf_init_on(b, inbox_message_alloc(store->cfg.log, size), size);
    record_add_u64(b, FORMAT);
}

static void record_end(struct publication_store *store, struct buf *b, enum keep_table table,
                       uint64_t number)
{
    BUG_UNLESS(b->error == 0);
    keep_put(&store->cfg.keep,
             &(struct keep_record){ .table = table, .number = number, .bytes = buf_str(b) });
    free(b->p);
}

/* The texts of a record, in its order. */
enum { TEXTS = 7 };
struct kept_texts {
    struct str text[TEXTS]; /* package, context, extension, publisher, domain, Call-ID, type */
};

static struct kept_texts texts_of(const struct publication *p)
{
    return (struct kept_texts){
        { published_word_text(p->package), published_word_text(p->resource->context),
          published_extension(p->resource), published_word_text(p->publisher),
          published_word_text(p->domain), p->call_id, published_word_text(p->says.content_type) }
    };
}

static void publication_put(const struct publication *p)
{
    struct publication_store *store = p->resource->store;
    const struct kept_texts texts = texts_of(p);
    uint64_t now_ms = clock_wall_ms(store->cfg.clock);
    size_t size = ETAG_BYTES;
    struct buf b;

    for (size_t i = 0; i < TEXTS; i++)
        size += texts.text[i].n;
    record_begin(store, &b, size);
    record_add_str(&b, (struct str){ (const char *)p->tag, ETAG_BYTES });
    for (size_t i = 0; i < TEXTS; i++)
        record_add_str(&b, texts.text[i]);
    record_add_u64(&b, (p->stream ? FLAG_STREAM : 0) | (p->scoped ? FLAG_SCOPED : 0));
    record_add_u64(&b, p->origin);
    record_add_u64(&b, p->expires_s);
    record_add_u64(&b, p->grace_s);
    record_add_u64(&b, now_ms + timer_left_ms(store->cfg.wheel, &p->expiry));
    record_add_u64(&b, p->published_wall_ms);
    record_add_u64(&b, p->says.changed);
    record_add_u64(&b, p->says.changed_wall_ms);
    record_add_u64(&b, p->says.priority);
    record_add_u64(&b, p->says.version);
    record_add_u64(&b, p->says.body_len);
    record_end(store, &b, KEEP_PUBLICATION, p->serial);
}

static void body_put(const struct publication *p)
{
    struct publication_store *store = p->resource->store;
    struct buf b;

    record_begin(store, &b, event_state_bytes(p->says.state) + p->says.body.n);
    event_record_add(&b, p->says.state);
    record_add_str(&b, p->says.body);
    record_end(store, &b, KEEP_PUBLICATION_BODY, p->serial);
}

void published_keep(const struct publication *p, bool body)
{
    if (!p->resource->store->cfg.keep.put || p->internal)
        return;
    publication_put(p);
    if (body && !p->stream)
        body_put(p);
}

void published_forget(const struct publication *p)
{
    const struct keep *keep = &p->resource->store->cfg.keep;

    if (p->internal)
        return;
    keep_forget(keep, KEEP_PUBLICATION, p->serial);
    if (!p->stream)
        keep_forget(keep, KEEP_PUBLICATION_BODY, p->serial);
}

void publications_keep_all(struct publication_store *store)
{
    MAP_FOREACH (node, &store->resources)
        LIST_FOREACH (it, &CONTAINER_OF(node, struct published_resource, node)->publications)
            published_keep(published_at(it), true);
}

/* ---- reading ---- */

struct kept { /* a record of KEEP_PUBLICATION; borrowed */
    struct str tag;
    struct kept_texts texts;
    uint64_t flags, origin, ends_wall_ms, published_wall_ms, changed, changed_wall_ms;
    uint32_t expires_s, grace_s, priority, version, body_len;
};

static bool name_is_possible(const struct kept *k)
{
    const struct str *t = k->texts.text;
    const struct resource_name name = published_name(t[0], t[1], t[2]);

    return t[0].n && (k->flags & FLAG_STREAM ? t[2].n <= UINT8_MAX : state_name_is_possible(&name));
}

static int kept_parse(struct kept *k, struct str bytes)
{
    struct record r = record_of(bytes);
    uint64_t format = record_u64(&r);

    k->tag = record_str(&r);
    for (size_t i = 0; i < TEXTS; i++)
        k->texts.text[i] = record_str(&r);
    k->flags = record_u64(&r);
    k->origin = record_u64(&r);
    k->expires_s = record_u32(&r);
    k->grace_s = record_u32(&r);
    k->ends_wall_ms = record_u64(&r);
    k->published_wall_ms = record_u64(&r);
    k->changed = record_u64(&r);
    k->changed_wall_ms = record_u64(&r);
    k->priority = record_u32(&r);
    k->version = record_u32(&r);
    k->body_len = record_u32(&r);
    return r.error || format != FORMAT || k->tag.n != ETAG_BYTES || !name_is_possible(k) ? -EBADMSG
                                                                                         : 0;
}

int publication_record_check(const struct keep_record *record)
{
    struct record r = record_of(record->bytes);
    struct event_state *document;
    struct kept k;
    int result;

    if (record->table == KEEP_PUBLICATION)
        return kept_parse(&k, record->bytes);
    if (record_u64(&r) != FORMAT)
        return -EBADMSG;
    result = event_record_read(&r, &document);
    if (result)
        return result;
    event_state_unref(document);
    (void)record_str(&r);
    return r.error;
}

/* What is left of its time by the wall clock; one that was set back does not make it longer. */
static uint64_t left_ms(const struct publication_store *store, const struct kept *k)
{
    uint64_t now_ms = clock_wall_ms(store->cfg.clock);
    uint64_t granted_ms = ((uint64_t)k->expires_s + k->grace_s) * 1000;
    uint64_t left = k->ends_wall_ms > now_ms ? k->ends_wall_ms - now_ms : 0;

    return left < granted_ms ? left : granted_ms;
}

/* What its record says, but for its document. 0, -EBADMSG or -ENOMEM. */
static int restored_fill(struct publication *p, const struct kept *k, uint64_t number)
{
    struct publication_store *store = p->resource->store;
    unsigned char tag[ETAG_BYTES];
    int r = published_word_get(store, WORD_TYPE, k->texts.text[6], &p->says.content_type);

    if (r)
        return r;
    memcpy(tag, k->tag.p, ETAG_BYTES);
    if (!published_tag_set(store, p, tag))
        return -EBADMSG;
    p->serial = number;
    p->scoped = k->flags & FLAG_SCOPED;
    p->origin = k->origin;
    p->expires_s = k->expires_s;
    p->grace_s = k->grace_s;
    p->published_wall_ms = k->published_wall_ms;
    p->says.changed = k->changed;
    p->says.changed_wall_ms = k->changed_wall_ms;
    p->says.priority = k->priority;
    p->says.version = k->version;
    p->says.body_len = k->body_len;
    timer_start(store->cfg.wheel, &p->expiry, left_ms(store, k));
    if (number > store->last_serial)
        store->last_serial = number;
    if (k->changed > store->last_change)
        store->last_change = k->changed;
    return 0;
}

static int restore_into(struct published_resource *resource, const struct kept *k, uint64_t number)
{
    const struct str *t = k->texts.text;
    const struct published_identity who = { .publisher = t[3],
                                            .package = t[0],
                                            .call_id = t[5],
                                            .domain = t[4],
                                            .stream = k->flags & FLAG_STREAM };
    struct publication_store *store = resource->store;
    struct publication *p;
    int r = ARRAY_GROW(store->restored, store->n_restored);

    if (r == 0)
        r = published_create(resource, &who, &p);
    if (r)
        return r;
    r = restored_fill(p, k, number);
    if (r) {
        published_destroy(store, p);
        return r;
    }
    resource->ended++; /* it stays until all have been read */
    if (store->n_restored && store->restored[store->n_restored - 1]->serial > number)
        store->restored_sorted = false;
    store->restored[store->n_restored++] = p;
    if (p->stream) {
        published_join(p);
        store->cfg.port.resumed(store->cfg.port.ctx, number);
    }
    return 0;
}

static int publication_read(struct publication_store *store, const struct keep_record *record)
{
    struct published_resource *resource;
    struct resource_name name;
    struct kept k;
    int r = kept_parse(&k, record->bytes);
    const struct str *t = k.texts.text;

    if (r)
        return r;
    if (!published_is_served(store,
                             &(struct publication_place){ .package = t[0],
                                                          .context = t[1],
                                                          .extension = t[2],
                                                          .domain = t[4],
                                                          .stream = k.flags & FLAG_STREAM })) {
        log_info(store->cfg.log, "publication.unserved", KV("package", t[0]), KV("context", t[1]),
                 KV("extension", t[2]), KV("domain", t[4]), KV("publisher", t[3]));
        keep_forget(&store->cfg.keep, KEEP_PUBLICATION, record->number);
        return 0;
    }
    name = published_name(t[0], t[1], t[2]);
    r = published_resource_get(store, &name, &resource);
    if (r)
        return r;
    r = restore_into(resource, &k, record->number);
    published_resource_tidy(resource);
    return r;
}

static int by_serial(const void *x, const void *y)
{
    uint64_t a = (*(struct publication *const *)x)->serial,
             b = (*(struct publication *const *)y)->serial;

    return (a > b) - (a < b);
}

static struct publication *restored_find(struct publication_store *store, uint64_t serial)
{
    size_t from = 0, to = store->n_restored;

    if (!store->restored_sorted && to)
        qsort(store->restored, to, sizeof(struct publication *), by_serial);
    store->restored_sorted = true;
    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (store->restored[middle]->serial < serial)
            from = middle + 1;
        else
            to = middle;
    }
    return from < store->n_restored && store->restored[from]->serial == serial
               ? store->restored[from]
               : NULL;
}

/* 0, -EBADMSG or -ENOMEM. */
static int body_parse(struct publication_document *says, struct str bytes)
{
    struct event_state *borrowed = NULL, *packed = NULL;
    struct record r = record_of(bytes);
    uint64_t format = record_u64(&r);
    int result = event_record_read(&r, &borrowed);
    struct str body = record_str(&r);

    if (result == 0 && (r.error || format != FORMAT))
        result = -EBADMSG;
    if (result == 0)
        result = event_state_pack(&packed, borrowed);
    if (result == 0 && body.n)
        result = str_dup(&says->body, body);
    if (result == 0)
        says->state = event_state_ref(packed);
    event_state_unref(packed);
    event_state_unref(borrowed);
    return result;
}

static int body_read(struct publication_store *store, const struct keep_record *record)
{
    struct publication *p = restored_find(store, record->number);
    int r;

    if (!p) { /* it is not served any more */
        keep_forget(&store->cfg.keep, KEEP_PUBLICATION_BODY, record->number);
        return 0;
    }
    if (p->stream || p->says.state)
        return -EBADMSG;
    r = body_parse(&p->says, record->bytes);
    if (r)
        return r;
    published_join(p);
    p->resource->restored = true;
    return 0;
}

int publication_restore(struct publication_store *store, const struct keep_record *record)
{
    int r = record->table == KEEP_PUBLICATION ? publication_read(store, record)
                                              : body_read(store, record);

    store->restore_failed |= r == -ENOMEM;
    return r;
}

/* What it said is lost. */
static void restored_drop(struct publication *p)
{
    struct publication_store *store = p->resource->store;

    log_error(store->cfg.log, "publication.damaged", KV_U("number", p->serial),
              KV("package", published_word_text(p->package)),
              KV("context", published_word_text(p->resource->context)),
              KV("extension", published_extension(p->resource)));
    published_forget(p);
    published_destroy(store, p);
}

void publications_restored_end(struct publication_store *store)
{
    for (size_t i = 0; i < store->n_restored; i++) {
        struct publication *p = store->restored[i];
        struct published_resource *resource = p->resource;

        resource->ended--;
        if (list_empty(&p->of_resource))
            restored_drop(p);
        published_resource_tidy(resource);
    }
    free(store->restored);
    store->restored = NULL;
    store->n_restored = 0;
}

int publications_restored(struct publication_store *store)
{
    size_t n = store->n_restored;

    if (store->restore_failed)
        return -ENOMEM; /* nothing may be taken for damaged */
    for (size_t i = 0; i < n; i++) {
        struct published_resource *resource = store->restored[i]->resource;
        int r = resource->restored ? published_compose(resource) : 0;

        if (r)
            return r;
        resource->restored = false;
    }
    publications_restored_end(store);
    if (n)
        log_info(store->cfg.log, "publications.restored", KV_U("publications", n));
    return 0;
}
