// SPDX-License-Identifier: MIT
/* heard_calls.h - the calls of a device as a report has them, made whole by those that were known.
 * Private to src/source. Threads: pure functions. */
#pragma once
#include "state/event_state.h"

/* `said` with what it leaves open of a call as `former` (NULL: nothing is known) has it, in the
 * same order where nothing else is different. A PBX that is read anew says less of a call than its
 * events have said, and not all at once. `said` is changed meanwhile, and may borrow its texts; the
 * result borrows nothing. 0 or -ENOMEM. */
NODISCARD int heard_calls_complete(struct event_state **out, struct event_state *said,
                                   const struct event_state *former);
