// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "store/store_internal.h"

enum { PATIENCE_MS = 2000 }; /* lamps may be stale for so long */

/* ---- batches ---- */

void ledger_batch_free(struct ledger_batch *b)
{
    while (b && b->first) {
        struct ledger_record *r = b->first;

        b->first = r->next;
        free(r);
    }
    free(b);
}

static struct ledger_batch *batch_of(struct inbox_message *m)
{
    return CONTAINER_OF(m, struct ledger_batch, m);
}

static void batch_drop(struct inbox_message *m)
{
    ledger_batch_free(batch_of(m));
}

static void batch_begin(struct ledger *l)
{
    l->batch = inbox_message_alloc(l->log, sizeof(*l->batch));
    *l->batch = (struct ledger_batch){ .m = { .run = store_batch_run, .drop = batch_drop },
                                       .ledger = l,
                                       .mark = ++l->mark };
    list_init(&l->batch->m.link);
}

/* Those that wait for nothing behind this mark. */
static void waits_end(struct ledger *l, uint64_t mark, int result)
{
    while (!list_empty(&l->waits)) {
        struct keep_wait *w = CONTAINER_OF(l->waits.next, struct keep_wait, link);

        if (w->mark > mark)
            return;
        list_remove(&w->link);
        w->done(w, result);
    }
}

/* ---- a disk that hangs ---- */

static void late_set(struct ledger *l, bool late)
{
    if (l->late == late)
        return;
    l->late = late;
    store_late(l->store, late);
}

static void patience_fire(struct timer *t)
{
    struct ledger *l = CONTAINER_OF(t, struct ledger, patience);

    late_set(l, true);
    waits_end(l, UINT64_MAX, -ETIMEDOUT);
}

/* ---- settled ---- */

static void settled_run(struct inbox_message *m, void *owner)
{
    struct ledger_batch *b = batch_of(m);
    struct ledger *l = b->ledger;

    (void)owner;
    l->settled_mark = b->mark;
    ledger_batch_free(b);
    late_set(l, false);
    timer_stop(l->wheel, &l->patience);
    waits_end(l, l->settled_mark, 0);
    if (!list_empty(&l->waits))
        timer_start(l->wheel, &l->patience, PATIENCE_MS);
}

void ledger_batch_settle(struct ledger_batch *b)
{
    b->m.run = settled_run;
    inbox_post_always(b->ledger->home, &b->m);
}

/* ---- what else the store says ---- */

struct notice {
    struct inbox_message m;
    struct ledger *ledger;
    uint64_t mark;
    int result; /* 0: everything is to be put again */
    uint64_t rewrite;
};

static void notice_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct notice, m));
}

/* Who waited for records that went with the former file waits for those that take their place. */
static void put_all_again(struct ledger *l, uint64_t rewrite)
{
    l->rewriting = true;
    l->rewrite(l->ctx);
    l->rewriting = false;
    if (!rewrite)
        return;
    if (!l->batch)
        batch_begin(l);
    l->batch->rewrite = rewrite;
    LIST_FOREACH (it, &l->waits)
        CONTAINER_OF(it, struct keep_wait, link)->mark = l->mark;
}

static void notice_run(struct inbox_message *m, void *owner)
{
    const struct notice n = *CONTAINER_OF(m, struct notice, m);

    (void)owner;
    notice_drop(m);
    if (n.result) {
        n.ledger->failed_mark = n.mark;
        waits_end(n.ledger, n.mark, n.result);
    } else {
        put_all_again(n.ledger, n.rewrite);
    }
}

static void notice_post(struct ledger *l, const struct notice *what)
{
    struct notice *n = inbox_message_alloc(l->log, sizeof(*n));

    *n = *what;
    n->ledger = l;
    n->m = (struct inbox_message){ .run = notice_run, .drop = notice_drop };
    list_init(&n->m.link);
    inbox_post_always(l->home, &n->m);
}

void ledger_batch_fail(struct ledger_batch *b, int result)
{
    if (b->failure_told)
        return;
    b->failure_told = true;
    notice_post(b->ledger, &(struct notice){ .mark = b->mark, .result = result });
}

void ledger_ask_rewrite(struct ledger *l, uint64_t rewrite)
{
    notice_post(l, &(struct notice){ .rewrite = rewrite });
}

/* ---- the owner's side ---- */

static void ledger_put(void *ctx, const struct keep_record *record)
{
    struct ledger *l = ctx;
    struct ledger_record *r;
    char *at;

    /* Nobody is promised anything while it is late. */
    if (l->late && !l->rewriting && store_overflows(l->store))
        return;
    r = inbox_message_alloc(l->log, sizeof(*r) + record->name.n + record->bytes.n);
    at = r->text;
    *r = (struct ledger_record){ .record = *record };
    str_keep(&r->record.name, &at);
    str_keep(&r->record.bytes, &at);
    if (!l->batch)
        batch_begin(l);
    if (l->batch->last)
        l->batch->last->next = r;
    else
        l->batch->first = r;
    l->batch->last = r;
    l->batch->n++;
    l->batch->bytes += sizeof(*r) + record->name.n + record->bytes.n;
}

static void ledger_wait(void *ctx, struct keep_wait *w)
{
    struct ledger *l = ctx;

    w->mark = l->mark;
    if (list_empty(&l->waits) && l->mark == l->settled_mark) {
        w->done(w, 0);
    } else if (list_empty(&l->waits) && (l->late || l->mark == l->failed_mark)) {
        w->done(w, -EIO); /* what was told already will not be again */
    } else {
        list_append(&l->waits, &w->link);
        if (!timer_running(&l->patience))
            timer_start(l->wheel, &l->patience, PATIENCE_MS);
    }
}

static bool ledger_fails(void *ctx)
{
    return store_fails(((const struct ledger *)ctx)->store);
}

struct keep ledger_keep(struct ledger *l)
{
    if (!l->store)
        return (struct keep){ .ctx = NULL };
    return (struct keep){ .ctx = l, .put = ledger_put, .wait = ledger_wait, .fails = ledger_fails };
}

void ledger_flush(struct ledger *l)
{
    struct ledger_batch *b = l->batch;

    if (!b)
        return;
    l->batch = NULL;
    store_post(l->store, b);
}

void ledger_init(struct ledger *l, const struct ledger_config *cfg)
{
    *l = (struct ledger){ .store = cfg->store,
                          .home = cfg->home,
                          .wheel = cfg->wheel,
                          .log = cfg->log,
                          .ctx = cfg->ctx,
                          .rewrite = cfg->rewrite };
    list_init(&l->link);
    list_init(&l->waits);
    timer_init(&l->patience, patience_fire);
    if (l->store)
        store_ledger_add(l->store, l);
}

void ledger_fini(struct ledger *l)
{
    if (!l->store)
        return;
    ledger_batch_free(l->batch);
    l->batch = NULL;
    waits_end(l, UINT64_MAX, -ECANCELED);
    timer_stop(l->wheel, &l->patience);
    list_remove(&l->link);
}
