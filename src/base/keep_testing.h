// SPDX-License-Identifier: MIT
/* keep_testing.h - a keep port in memory: what an owner has put, to be looked at and given back.
 * For tests only. */
#pragma once
#include "base/buf.h"
#include "base/keep.h"

struct kept { /* one record */
    struct keep_record record;
    char text[5000];
};

struct keep_testing {
    struct kept kept[64];
    size_t n;
    unsigned puts;
    bool fails;
    unsigned fails_after; /* so many more times that it is asked; 0: `fails` has it all */
};

static inline size_t kept_find(const struct keep_testing *t, const struct keep_record *r)
{
    size_t i = 0;

    while (i < t->n &&
           (t->kept[i].record.table != r->table || t->kept[i].record.number != r->number ||
            !str_equal(t->kept[i].record.name, r->name)))
        i++;
    return i;
}

static inline void keep_testing_put(void *ctx, const struct keep_record *r)
{
    struct keep_testing *t = ctx;
    size_t i = kept_find(t, r);
    struct kept *k;
    char *at;

    t->puts++;
    if (!r->bytes.n) {
        if (i < t->n)
            t->kept[i].record.table = KEEP_TABLES; /* its place stays empty */
        return;
    }
    for (size_t free = 0; i == t->n && free < t->n; free++)
        if (t->kept[free].record.table == KEEP_TABLES)
            i = free;
    BUG_UNLESS(i < ARRAY_LEN(t->kept) && r->name.n + r->bytes.n <= sizeof(k->text));
    k = &t->kept[i];
    at = k->text;
    t->n += i == t->n;
    k->record = *r;
    str_keep(&k->record.name, &at);
    str_keep(&k->record.bytes, &at);
}

static inline bool keep_testing_fails(void *ctx)
{
    struct keep_testing *t = ctx;

    t->fails = t->fails || t->fails_after == 1;
    t->fails_after -= t->fails_after > 0;
    return t->fails;
}

/* All that is put is durable at once. */
static inline void keep_testing_wait(void *ctx, struct keep_wait *w)
{
    w->done(w, keep_testing_fails(ctx) ? -EIO : 0);
}

static inline struct keep keep_testing_port(struct keep_testing *t)
{
    return (struct keep){
        .ctx = t, .put = keep_testing_put, .wait = keep_testing_wait, .fails = keep_testing_fails
    };
}

/* "NAME NAME " of one table, in the order in which they came first. */
static inline void keep_testing_names(const struct keep_testing *t, enum keep_table table,
                                      struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->kept[i].record.table != table)
            continue;
        buf_add(out, t->kept[i].record.name);
        buf_add_char(out, ' ');
    }
}
