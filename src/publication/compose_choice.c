// SPDX-License-Identifier: MIT
/* Of several that mean the same, one is chosen; of several that are called the same, all but one
 * get another name. Everything by sorting: a resource may have hundreds of publishers, and they may
 * mean us ill. */
#include "base/buf.h"
#include "publication/compose_internal.h"

#include <stdlib.h>

int composition_input_compare(const struct composition_input *a, const struct composition_input *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->changed != b->changed)
        return a->changed < b->changed ? -1 : 1;
    return (a->serial > b->serial) - (a->serial < b->serial);
}

/* ---- choices ---- */

static int by_arrival(const void *x, const void *y)
{
    const struct choice *a = *(struct choice *const *)x, *b = *(struct choice *const *)y;

    if (a->from->changed != b->from->changed)
        return a->from->changed < b->from->changed ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

/* Best first; `rank` is the number of the arrival still. */
static int by_worth(const void *x, const void *y)
{
    const struct choice *a = *(struct choice *const *)x, *b = *(struct choice *const *)y;

    if (a->from->priority != b->from->priority)
        return a->from->priority > b->from->priority ? -1 : 1;
    if (a->when_ms != b->when_ms)
        return a->when_ms > b->when_ms ? -1 : 1;
    return (a->rank < b->rank) - (a->rank > b->rank);
}

static int by_key(const void *x, const void *y)
{
    const struct choice *a = *(struct choice *const *)x, *b = *(struct choice *const *)y;
    int order = es_text_compare(a->key[0], b->key[0]);

    if (!order)
        order = es_text_compare(a->key[1], b->key[1]);
    return order ? order : (a->rank > b->rank) - (a->rank < b->rank);
}

static int by_position(const void *x, const void *y)
{
    const struct choice *a = *(struct choice *const *)x, *b = *(struct choice *const *)y;

    return (a->position > b->position) - (a->position < b->position);
}

static int by_rank(const void *x, const void *y)
{
    const struct choice *a = *(struct choice *const *)x, *b = *(struct choice *const *)y;

    return a->rank == b->rank ? by_position(x, y) : a->rank < b->rank ? -1 : 1;
}

static struct choice **choices_list(struct arena *scratch, struct choice *choices, size_t n)
{
    struct choice **list = arena_alloc(scratch, (n + 1) * sizeof(struct choice *));

    for (size_t i = 0; list && i < n; i++)
        list[i] = &choices[i];
    return list;
}

int choices_rank(struct arena *scratch, struct choice *choices, size_t n)
{
    struct choice **list = choices_list(scratch, choices, n);
    int64_t newest_ms = INT64_MIN;

    if (!list)
        return -ENOMEM;
    qsort(list, n, sizeof(*list), by_arrival);
    for (size_t i = 0; i < n; i++) {
        if (!list[i]->timed)
            list[i]->when_ms = newest_ms;
        else if (list[i]->when_ms > newest_ms)
            newest_ms = list[i]->when_ms;
        list[i]->rank = i;
    }
    qsort(list, n, sizeof(*list), by_worth);
    for (size_t i = 0; i < n; i++)
        list[i]->rank = i;
    return 0;
}

int choices_settle(struct arena *scratch, struct choice *choices, size_t *n,
                   enum choice_order order, struct choice ***winners)
{
    struct choice **list = choices_list(scratch, choices, *n), *best = NULL;
    size_t left = 0;

    if (!list)
        return -ENOMEM;
    qsort(list, *n, sizeof(*list), by_key);
    for (size_t i = 0; i < *n; i++) {
        struct choice *c = list[i];

        if (c->alone)
            continue;
        if (best && es_text_same(best->key[0], c->key[0]) && es_text_same(best->key[1], c->key[1]))
            c->lost = c->rank != best->rank;
        else
            best = c;
    }
    for (size_t i = 0; i < *n; i++)
        if (!list[i]->lost)
            list[left++] = list[i];
    qsort(list, left, sizeof(*list), order == CHOICE_BY_RANK ? by_rank : by_position);
    *n = left;
    *winners = list;
    return 0;
}

/* ---- ids ---- */

static int by_id(const void *x, const void *y)
{
    const struct scoped_id *a = *(struct scoped_id *const *)x, *b = *(struct scoped_id *const *)y;
    int order = es_text_compare(*a->id, *b->id);

    if (order)
        return order;
    if (a->from->serial != b->from->serial)
        return a->from->serial < b->from->serial ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

/* What the rows are called before any of them is given another id, sorted. */
struct known_ids {
    struct es_text *sorted;
    size_t n;
};

static int text_by_bytes(const void *a, const void *b)
{
    return es_text_compare(*(const struct es_text *)a, *(const struct es_text *)b);
}

/* "1000-3f.1": what stands behind the last '-' names the publication and the attempt, so that no
 * two that are made here are the same; those that were there before are looked up. */
static int id_extend(struct arena *scratch, const struct known_ids *known, struct scoped_id *s,
                     size_t *attempt)
{
    struct es_text id = *s->id, extended;
    char storage[64];
    char *p = arena_alloc(scratch, id.n + sizeof(storage));

    if (!p)
        return -ENOMEM;
    if (id.n)
        memcpy(p, id.p, id.n);
    do {
        struct buf b;

        buf_init_on(&b, storage, sizeof(storage));
        buf_printf(&b, "-%llx", (unsigned long long)s->from->serial);
        if (*attempt)
            buf_printf(&b, ".%zu", *attempt);
        ++*attempt;
        memcpy(p + id.n, b.p, b.n);
        extended = (struct es_text){ p, id.n + b.n };
    } while (bsearch(&extended, known->sorted, known->n, sizeof(extended), text_by_bytes));
    *s->id = extended;
    return 0;
}

int scoped_ids_settle(struct arena *scratch, struct scoped_id *ids, size_t n)
{
    struct scoped_id **list = arena_alloc(scratch, (n + 1) * sizeof(struct scoped_id *));
    struct known_ids known = { arena_alloc(scratch, (n + 1) * sizeof(struct es_text)), n };
    size_t first = 0, attempt = 0;

    if (!list || !known.sorted)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        list[i] = &ids[i];
    qsort(list, n, sizeof(*list), by_id);
    for (size_t i = 0; i < n; i++) {
        known.sorted[i] = *list[i]->id;
        if (!es_text_same(known.sorted[first], known.sorted[i]))
            first = i;
        else if (list[i]->from->serial != list[first]->from->serial)
            list[i]->from->scoped = true;
    }
    for (size_t i = 0; i < n; i++) {
        bool again = i && list[i]->from == list[i - 1]->from &&
                     es_text_same(known.sorted[i], known.sorted[i - 1]);
        int r = 0;

        if (!again)
            attempt = 0;
        if (again || list[i]->from->scoped)
            r = id_extend(scratch, &known, list[i], &attempt);
        if (r)
            return r;
    }
    return 0;
}
