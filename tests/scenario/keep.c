// SPDX-License-Identifier: MIT
/* What is kept while nothing runs, in memory: records, words, and what waits for them. Everything
 * becomes durable when its turn is over, but for what `store` says. */
#include "scenario.h"

#include <stdlib.h>

struct kept { /* a record; its texts are on the heap */
    struct list link;
    struct keep_record record;
};

/* ---- records ---- */

static bool record_is(const struct keep_record *a, const struct keep_record *b)
{
    return a->table == b->table && a->number == b->number && str_equal(a->name, b->name);
}

static void kept_free(struct kept *k)
{
    list_remove(&k->link);
    str_free(&k->record.name);
    str_free(&k->record.bytes);
    free(k);
}

static void records_free(struct list *records)
{
    while (!list_empty(records))
        kept_free(CONTAINER_OF(records->next, struct kept, link));
}

static void record_write(struct world *w, struct kept *k)
{
    LIST_FOREACH (it, &w->kept) {
        struct kept *former = CONTAINER_OF(it, struct kept, link);

        if (!record_is(&former->record, &k->record))
            continue;
        kept_free(former);
        break;
    }
    list_remove(&k->link);
    if (k->record.bytes.n)
        list_append(&w->kept, &k->link);
    else
        kept_free(k);
}

static void keep_port_put(void *ctx, const struct keep_record *record)
{
    OUTSIDE;
    struct world *w = ctx;
    struct kept *k = calloc(1, sizeof(*k));

    BUG_UNLESS(k != NULL);
    /* What was accepted comes back. */
    BUG_UNLESS(!record->bytes.n ||
               !(engine_record_check(record) || state_engine_record_check(record)));
    k->record = *record;
    BUG_UNLESS(str_dup(&k->record.name, record->name) == 0);
    BUG_UNLESS(str_dup(&k->record.bytes, record->bytes) == 0);
    list_init(&k->link);
    list_append(&w->unwritten, &k->link);
}

static void keep_port_wait(void *ctx, struct keep_wait *wait)
{
    struct world *w = ctx;

    if (list_empty(&w->unwritten) && list_empty(&w->waits))
        wait->done(wait, 0);
    else
        list_append(&w->waits, &wait->link);
}

static bool keep_port_fails(void *ctx)
{
    return ((struct world *)ctx)->store == STORE_FAILS;
}

struct keep world_keep(struct world *w)
{
    if (!w->store)
        return (struct keep){ .ctx = NULL };
    return (struct keep){
        .ctx = w, .put = keep_port_put, .wait = keep_port_wait, .fails = keep_port_fails
    };
}

/* The turn is over. True: somebody has been told. */
bool world_keep_settle(struct world *w)
{
    struct list waits;
    bool any;

    if (w->store == STORE_WORKS)
        while (!list_empty(&w->unwritten))
            record_write(w, CONTAINER_OF(w->unwritten.next, struct kept, link));
    if (w->store == STORE_SLOW)
        return false;
    list_init(&waits);
    list_splice(&waits, &w->waits);
    any = !list_empty(&waits);
    while (!list_empty(&waits)) {
        struct keep_wait *wait = CONTAINER_OF(waits.next, struct keep_wait, link);

        list_remove(&wait->link);
        wait->done(wait, w->store == STORE_FAILS ? -EIO : 0);
    }
    return any;
}

static void restore_table(struct world *w, enum keep_table table)
{
    struct list *it = w->kept.next;

    while (it != &w->kept) {
        const struct keep_record *r = &CONTAINER_OF(it, struct kept, link)->record;

        it = it->next;
        if (r->table != table)
            continue;
        if (table == KEEP_SUBSCRIPTION || table == KEEP_SENT_PUBLICATION)
            engine_restore(&w->engine, r);
        else
            state_engine_restore(&w->state, r);
    }
}

/* As daemon_restore_states. What is forgotten meanwhile is only put. */
void world_keep_restore_states(struct world *w)
{
    static const enum keep_table tables[] = { KEEP_DEVICE, KEEP_PRESENCE, KEEP_MAILBOX,
                                              KEEP_CONTACT, KEEP_SILENT_CONTACT };

    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        restore_table(w, tables[i]);
}

/* In the order of daemon_restore. */
int world_keep_restore(struct world *w)
{
    static const enum keep_table tables[] = { KEEP_SOURCE_STATE, KEEP_AUTOHINT, KEEP_PUBLICATION,
                                              KEEP_PUBLICATION_BODY };
    int r;

    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        restore_table(w, tables[i]);
    r = state_engine_restored(&w->state);
    if (r)
        return r;
    restore_table(w, KEEP_SENT_PUBLICATION);
    restore_table(w, KEEP_SUBSCRIPTION);
    return 0;
}

/* The process has ended: what was not written is lost. */
void world_keep_lose(struct world *w)
{
    BUG_UNLESS(list_empty(&w->waits)); /* whoever waited has gone */
    records_free(&w->unwritten);
}

/* ---- words ---- */

static struct kept_word *word_find(struct world *w, uint64_t number)
{
    for (size_t i = 0; i < w->n_words; i++)
        if (w->words[i].number == number)
            return &w->words[i];
    return NULL;
}

static uint64_t words_take(void *ctx)
{
    struct world *w = ctx;
    uint64_t number = 1;

    if (w->n_words == WORDS_MAX)
        return 0;
    while (word_find(w, number))
        number++;
    w->words[w->n_words++] = (struct kept_word){ .number = number, .taken = true };
    return number;
}

static void words_give(void *ctx, uint64_t number)
{
    struct world *w = ctx;
    struct kept_word *k = word_find(w, number);

    BUG_UNLESS(k && k->taken);
    *k = w->words[--w->n_words];
}

static void words_claim(void *ctx, uint64_t number)
{
    struct world *w = ctx;
    struct kept_word *k = word_find(w, number);

    if (!k) {
        BUG_UNLESS(w->n_words < WORDS_MAX);
        k = &w->words[w->n_words++];
        *k = (struct kept_word){ .number = number };
    }
    BUG_UNLESS(!k->taken);
    k->taken = true;
}

static void words_set(void *ctx, uint64_t number, uint64_t word)
{
    struct kept_word *k = word_find(ctx, number);

    BUG_UNLESS(k && k->taken);
    k->word = word;
}

static uint64_t words_get(void *ctx, uint64_t number)
{
    const struct kept_word *k = word_find(ctx, number);

    BUG_UNLESS(k && k->taken);
    return k->word;
}

struct keep_words world_words(struct world *w)
{
    if (!w->store)
        return (struct keep_words){ .ctx = NULL };
    return (struct keep_words){ .ctx = w,
                                .take = words_take,
                                .give = words_give,
                                .claim = words_claim,
                                .set = words_set,
                                .get = words_get };
}

/* Every number has to be claimed again; after the machine was off no word is known. */
void world_words_lose(struct world *w, bool power)
{
    for (size_t i = 0; i < w->n_words; i++) {
        w->words[i].taken = false;
        if (power)
            w->words[i].word = 0;
    }
}

/* All records have been read: what nobody has claimed is free. */
void world_words_settle(struct world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_words; i++)
        if (w->words[i].taken)
            w->words[n++] = w->words[i];
    w->n_words = n;
}

/* ---- life ---- */

void world_keep_init(struct world *w)
{
    list_init(&w->kept);
    list_init(&w->unwritten);
    list_init(&w->waits);
}

void world_keep_fini(struct world *w)
{
    world_keep_lose(w);
    records_free(&w->kept);
}
