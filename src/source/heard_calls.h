// SPDX-License-Identifier: MIT
/* heard_calls.h - the calls of a device as a report has them, made whole by those that were known.
 * Private to src/source. Threads: pure functions. */
#pragma once
#include "state/event_state.h"

/* `said` with what it leaves open of a call as `former` has it, in the same order where nothing
 * else is different. A PBX that is read anew says less of a call than its events have said, and not
 * all at once. NULL: nothing is known, or whoever says it has listened since the calls began, and
 * what it leaves open is not any more. `reading`: while it is read lists may leave out the name of
 * somebody that they have; otherwise that has no name any more. `said` is changed meanwhile, and
 * may borrow its texts; the result borrows nothing. 0 or -ENOMEM. */
NODISCARD int heard_calls_complete(struct event_state **out, struct event_state *said,
                                   const struct event_state *former, bool reading);
