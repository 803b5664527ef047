// SPDX-License-Identifier: MIT
/* resource_list.h - resource lists as one more producer of snapshots: `type = resource_list` of
 * pjsip.conf, RFC 4662.
 *
 * A list is a resource of the state core, in the context that its items are found in; what it shows
 * is a struct list_state. It is there while a worker watches it: then its items are watched, once
 * for all lists together, and whatever changes in one operation of the core is one change of the
 * list. An item that is a list for the same event is a list within the list; one that was there
 * already, at whatever depth, is not there once more. Threads: the state thread. */
#pragma once
#include "config/settings.h"
#include "loop/wheel.h"
#include "state/list_state.h"
#include "state/state.h"

struct resource_lists; /* opaque: see resource_list.c */

struct resource_lists_config {
    struct state_core *core; /* outlives it */
    unsigned consumer;       /* of the core: the lists together */
    struct wheel *wheel;
    struct log *log;
    struct rng *rng;
};
/* 0 or -ENOMEM. */
NODISCARD int resource_lists_create(struct resource_lists **out,
                                    const struct resource_lists_config *cfg);
void resource_lists_destroy(struct resource_lists *ls); /* NULL is fine */

/* Settings have been applied, or a dialplan: what items mean is looked up again. Lists that are
 * gone end. A reference to the settings is taken. */
void resource_lists_configure(struct resource_lists *ls, const struct settings *settings);

struct list_question {         /* borrowed for the call */
    struct resource_name name; /* "dialog list", where its items are, its own name */
    struct str served;         /* of a compositor: its context; see notifier_port.watch */
    unsigned worker;
};
/* A worker watches: *out is borrowed until it changes. 0, STATE_NO_HINT, -ENOMEM. */
NODISCARD int resource_lists_watch(struct resource_lists *ls, const struct list_question *q,
                                   const struct snapshot **out);
/* A worker does not watch this resource any more, after state_unwatch; any other is ignored. */
void resource_lists_unwatch(struct resource_lists *ls, uint64_t resource_id, unsigned worker);

struct resource_list_view { /* borrowed for the call */
    const struct resource_list_settings *of;
    struct resource_name name;
    const struct snapshot *snapshot; /* what is told; NULL: nobody watches it there */
    const struct list_state *state;  /* what that would tell now */
};
/* Lists of that name, whichever event they are for: as they are watched there, else as whoever
 * subscribes from that context would find them. 0 or -ENOMEM: not all of them. */
NODISCARD int resource_lists_look(struct resource_lists *ls, struct str context, struct str name,
                                  void (*each)(void *ctx, const struct resource_list_view *v),
                                  void *each_ctx);
/* The watched ones that a resource is in. */
void resource_lists_having(const struct resource_lists *ls, uint64_t resource_id,
                           void (*each)(void *ctx, const struct snapshot *list), void *each_ctx);

/* From inside of the core's port: a resource shows something else, or is new. */
void resource_lists_snapshot(struct resource_lists *ls, const struct snapshot *s,
                             uint64_t consumers);
