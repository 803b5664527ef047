// SPDX-License-Identifier: MIT
/* compose.h - several publishers' documents become one state: the composition policies of each
 * event package. Pure functions; the result is new and owes nothing to the inputs. Threads: any. */
#pragma once
#include "base/str.h"
#include "state/event_state.h"

struct composition_input { /* one publication */
    const struct event_state *document;
    uint64_t serial; /* unique and constant for the publication's life; makes clashing ids unique */
    uint64_t changed_ms; /* when its document was last another one: the newest wins */
    uint32_t priority;   /* of its publisher; the higher wins before the newest */
};

/* 0 or -ENOMEM. Without inputs there is nothing to compose: do not ask. */
NODISCARD int composite_create(struct event_state **out, const struct composition_input *inputs,
                               size_t n);
/* Do two composites say the same? Timestamps that only repeat do not count. */
bool composite_same(const struct event_state *a, const struct event_state *b);

/* `former` with what the partial document `change` says: dialogs are matched by id, terminated ones
 * that were not known are ignored. 0 or -ENOMEM. */
NODISCARD int dialogs_merge(struct event_state **out, const struct event_state *former,
                            const struct event_state *change);
