// SPDX-License-Identifier: MIT
/* list_state.h - what a resource list shows: its items in order, each with a snapshot of its own.
 * Source: RFC 4662. Immutable and counted, like the event state that it belongs to. Threads: one
 * while it is made, then any. */
#pragma once
#include "state/snapshot.h"

/* The list of an event package is a package of its own, which no Event header field can name:
 * "dialog list". */
#define LIST_SUFFIX " list"

enum list_standing { /* of an item, for who looks at it */
                     LIST_ITEM_SHOWN,
                     LIST_ITEM_PENDING, /* nobody has decided yet whether she may see it */
                     LIST_ITEM_REJECTED,
};

struct list_item {
    struct str user, name;           /* name: what people call it; empty: nothing else */
    const struct snapshot *snapshot; /* a reference; NULL: there is no such resource, or it is a
                                        list */
    enum list_standing standing;
    uint16_t level; /* 0: of the list itself; of a list in it one more than that */
    bool is_list;   /* what follows with a higher level is in it */
};

struct list_state {
    atomic_uint refs;
    bool full_state; /* each change tells all of it */
    uint32_t batch_ms;
    size_t n;
    struct list_item items[];
};

struct list_spec { /* borrowed for the call */
    bool full_state;
    uint32_t batch_ms;
    const struct list_item *items; /* references are taken */
    size_t n;
};
/* With one reference. 0 or -ENOMEM. */
NODISCARD int list_state_create(struct list_state **out, const struct list_spec *spec);
struct list_state *list_state_ref(const struct list_state *l); /* NULL is fine */
void list_state_unref(const struct list_state *l);             /* likewise */
bool list_state_equal(const struct list_state *a, const struct list_state *b);

/* What "dialog list" is a list of: "dialog"; empty for any other package. */
static inline struct str list_event(struct str package)
{
    const size_t suffix = sizeof(LIST_SUFFIX) - 1;

    return str_ends(package, STR(LIST_SUFFIX)) ? str_sub(package, 0, package.n - suffix)
                                               : STR_EMPTY;
}
