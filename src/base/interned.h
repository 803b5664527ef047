// SPDX-License-Identifier: MIT
/* interned.h - bytes that many objects have in common, kept once and counted.
 *
 * What is interned in one table can be compared by its address. Threads: one owner, the table's. */
#pragma once
#include "base/map.h"

struct interned {
    struct map_node node;
    struct map *table;
    uint32_t refs;
    uint32_t n;
    _Alignas(8) char bytes[]; /* immutable */
};

static inline struct str interned_str(const struct interned *i)
{
    return (struct str){ i->bytes, i->n };
}

/* Those bytes in this table, whose nodes are nothing else, copied if nobody has them yet. With a
 * reference. 0, -ENOMEM, -EMSGSIZE. */
NODISCARD int interned_get(struct interned **out, struct map *table, struct str bytes);
struct interned *interned_ref(struct interned *i);
void interned_unref(struct interned *i); /* NULL is fine; the last one frees it */
