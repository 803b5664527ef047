// SPDX-License-Identifier: MIT
#include "base/interned.h"
#include <stdlib.h>

int interned_table_init(struct interned_table *t, struct rng *rng)
{
    t->tally = (struct tally){ .objects = 0 };
    return map_init(&t->map, rng);
}

void interned_table_fini(struct interned_table *t)
{
    BUG_UNLESS(t->map.count == 0);
    map_fini(&t->map);
}

static bool has_bytes(const struct map_node *node, const void *key)
{
    return str_equal(interned_str(CONTAINER_OF(node, const struct interned, node)),
                     *(const struct str *)key);
}

int interned_get(struct interned **out, struct interned_table *table, struct str bytes)
{
    uint64_t hash = map_hash(&table->map, bytes);
    struct map_node *node = map_find(&table->map, hash, has_bytes, &bytes);
    struct interned *i;

    if (node) {
        *out = interned_ref(CONTAINER_OF(node, struct interned, node));
        return 0;
    }
    if (bytes.n > UINT32_MAX)
        return -EMSGSIZE;
    i = malloc(sizeof(*i) + bytes.n);
    if (!i)
        return -ENOMEM;
    *i = (struct interned){ .table = table, .refs = 1, .n = (uint32_t)bytes.n };
    if (bytes.n)
        memcpy(i->bytes, bytes.p, bytes.n);
    map_add(&table->map, &i->node, hash);
    tally_add(&table->tally, i);
    *out = i;
    return 0;
}

struct interned *interned_ref(struct interned *i)
{
    i->refs++;
    return i;
}

void interned_unref(struct interned *i)
{
    if (!i || --i->refs)
        return;
    map_remove(&i->table->map, &i->node);
    tally_remove(&i->table->tally, i);
    free(i);
}
