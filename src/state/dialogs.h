// SPDX-License-Identifier: MIT
/* dialogs.h - the dialogs of a document by their ids, and what a partial document changes: RFC 4235
 * section 4.1. Threads: pure functions. */
#pragma once
#include "state/event_state.h"

static inline bool dialog_is_live(const struct es_dialog *d) /* NULL is not */
{
    return d && d->state != ES_DIALOG_TERMINATED;
}

struct dialog_index {
    const struct es_dialog **by_id;
    size_t n;
};
NODISCARD int dialog_index_make(struct arena *scratch, struct dialog_index *out,
                                const struct event_state *s);
/* The last one of that id, or NULL. */
const struct es_dialog *dialog_index_find(const struct dialog_index *x, struct es_text id);

/* `former` with what the partial document `change` says: dialogs are matched by id, terminated ones
 * that were not known are ignored, and those that ended before are gone unless nothing else is
 * left. 0 or -ENOMEM. */
NODISCARD int dialogs_merge(struct event_state **out, const struct event_state *former,
                            const struct event_state *change);
