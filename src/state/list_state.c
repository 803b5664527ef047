// SPDX-License-Identifier: MIT
#include "state/list_state.h"

#include <stdlib.h>

int list_state_create(struct list_state **out, const struct list_spec *spec)
{
    size_t texts = 0;
    struct list_state *l;
    char *at;

    for (size_t i = 0; i < spec->n; i++)
        texts += spec->items[i].user.n + spec->items[i].name.n;
    l = malloc(sizeof(*l) + spec->n * sizeof(l->items[0]) + texts);
    if (!l)
        return -ENOMEM;
    *l = (struct list_state){ .full_state = spec->full_state,
                              .batch_ms = spec->batch_ms,
                              .n = spec->n };
    atomic_init(&l->refs, 1);
    at = (char *)&l->items[spec->n];
    for (size_t i = 0; i < spec->n; i++) {
        struct list_item *item = &l->items[i];

        *item = spec->items[i];
        str_keep(&item->user, &at);
        str_keep(&item->name, &at);
        if (item->snapshot)
            (void)snapshot_ref(item->snapshot);
    }
    *out = l;
    return 0;
}

struct list_state *list_state_ref(const struct list_state *l)
{
    struct list_state *shared = (struct list_state *)l; /* only the count changes */

    if (shared)
        atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void list_state_unref(const struct list_state *l)
{
    struct list_state *shared = (struct list_state *)l;

    if (!shared || atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < shared->n; i++)
        snapshot_unref(shared->items[i].snapshot);
    free(shared);
}

bool list_state_equal(const struct list_state *a, const struct list_state *b)
{
    if (a->n != b->n || a->full_state != b->full_state || a->batch_ms != b->batch_ms)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct list_item *x = &a->items[i], *y = &b->items[i];

        if (x->snapshot != y->snapshot || x->standing != y->standing || x->level != y->level ||
            x->is_list != y->is_list || !str_equal(x->user, y->user) ||
            !str_equal(x->name, y->name))
            return false;
    }
    return true;
}
