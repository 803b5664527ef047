// SPDX-License-Identifier: MIT
/* interned.h - bytes that many objects have in common, kept once and counted.
 *
 * What is interned in one table can be compared by its address. Threads: one owner, the table's. */
#pragma once
#include "base/map.h"
#include "base/tally.h"

struct interned_table {
    struct map map;
    struct tally tally;
};

struct interned {
    struct map_node node;
    struct interned_table *table;
    uint32_t refs;
    uint32_t n;
    _Alignas(8) char bytes[]; /* immutable */
};

static inline struct str interned_str(const struct interned *i)
{
    return (struct str){ i->bytes, i->n };
}

/* 0 or -ENOMEM. */
NODISCARD int interned_table_init(struct interned_table *t, struct rng *rng);
void interned_table_fini(struct interned_table *t); /* asserts that nobody has anything of it */
/* Those bytes, copied if nobody has them yet. With a reference. 0, -ENOMEM, -EMSGSIZE. */
NODISCARD int interned_get(struct interned **out, struct interned_table *table, struct str bytes);
struct interned *interned_ref(struct interned *i);
void interned_unref(struct interned *i); /* NULL is fine; the last one frees it */
