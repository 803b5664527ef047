// SPDX-License-Identifier: MIT
/* dialplan_internal.h - private to src/state: what a dialplan is made of. dialplan.c builds it,
 * search.c looks hints up, substitute.c replaces variables. Threads: one owner. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "state/dialplan.h"
#include "state/pattern.h"
#include "state/timespec.h"
#include <stdatomic.h>

enum { SUBSTITUTED_MAX_LEN = 4095, INCLUDE_DEPTH_MAX = 128 };

struct literal_change { /* of one that comes, goes, or reads differently */
    struct str context, extension;
    const struct hint_entry *entry; /* NULL: it goes */
};

struct dialplan_difference {
    struct dialplan *former; /* a reference, which keeps the texts; NULL: not compared, or not only
                                literals are different */
    struct literal_change *changes;
    size_t n;
    bool names_stay;
};

struct dialplan {
    atomic_uint refs;
    struct dialplan_difference difference;
    struct rng rng;
    struct list contexts; /* in order of definition */
    struct map contexts_by_name, globals;
    struct list zones; /* struct zone_entry */
    uint64_t searches; /* so far: see search.c */
};

struct dialplan_context {
    struct list link; /* dialplan.contexts */
    struct map_node node;
    struct dialplan *dialplan;
    struct list hints; /* literals as they came, then patterns, most specific first */
    struct map literals;
    struct hint_record **patterns; /* in match order */
    size_t n_patterns, patterns_room;
    struct list includes;
    bool autohints;
    uint64_t searched; /* the number of the search that came by last */
    struct str name;
    char text[];
};

struct hint_record {
    struct hint_entry entry;
    struct list link; /* dialplan_context.hints */
    struct map_node node;
    char text[];
};

struct zone_entry { /* shared by the includes that name it */
    struct list link;
    struct zone *zone;
};

struct include {
    struct list link; /* dialplan_context.includes */
    struct str text, name;
    bool timed;
    struct time_rule rule; /* only when timed */
    char room[];
};

struct global {
    struct map_node node;
    struct str name, value; /* on the heap */
};

void dialplan_difference_forget(struct dialplan *dp);
/* NULL when there is none. */
const struct global *dialplan_global_find(const struct dialplan *dp, struct str name);
/* The first pattern of this context that matches, NULL when none does. */
const struct hint_entry *dialplan_context_pattern(const struct dialplan_context *ctx,
                                                  struct str extension);
const struct hint_entry *dialplan_context_literal(const struct dialplan_context *ctx,
                                                  struct str extension);

/* dialplan_find with hints beside those of the dialplan. */
struct dialplan_search {
    const struct dialplan *dialplan;
    struct str context, extension;
    uint64_t wall_ms;
    /* Does this context have a hint for that extension, made at run time? May be NULL. */
    bool (*has)(void *ctx, const struct dialplan_context *context, struct str extension);
    void *ctx;
};
/* As dialplan_find; `out->hint` is NULL when `has` said so. */
NODISCARD int dialplan_search(const struct dialplan_search *s, struct dialplan_match *out);
