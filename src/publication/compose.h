// SPDX-License-Identifier: MIT
/* compose.h - several publishers' documents become one state: the composition policies of each
 * event package. Pure functions; results owe nothing to the inputs. Threads: any.
 *
 * Dialogs (RFC 4235): the union of what is live; the same call told twice is one dialog. Presence
 * (RFC 3863, 4479, 4480): the union of the tuples, one person made of all; what was told with a
 * time is as old as that, what was told without one came after whatever had arrived before it.
 * What a person is for a time only (RFC 4480 section 3.1) counts while it holds. Messages (RFC
 * 3842): sums. Anything else: the newest document. */
#pragma once
#include "base/str.h"
#include "state/event_state.h"

struct composition_input { /* one publication */
    const struct event_state *document;
    /* What `document` has replaced by the very change that is composed now, else NULL. A dialog
     * that ended between the two is told in this composite, and in none after it. */
    const struct event_state *former;
    uint64_t serial;   /* unique and constant for the publication's life: makes clashing ids unique,
                          and is the order of what has no other */
    uint64_t changed;  /* when its document was last another one, on any scale: the newest wins */
    uint32_t priority; /* of its publisher; the higher wins before the newest */
    /* In and out: its ids have met those of an older publication, so all of them carry its serial,
     * from then on. Begins false; the caller keeps it for the publication's life. */
    bool scoped;
};

/* What holds at `wall_ms`. 0 or -ENOMEM. Without inputs there is nothing to compose: do not ask.
 * Where a single document already says it all, *out is a reference to that one. */
NODISCARD int composite_create(struct event_state **out, struct composition_input *inputs, size_t n,
                               uint64_t wall_ms);
/* Nothing of the document begins or ends to hold between the two, of which the first is `wall_ms`
 * or before it, the second behind it: narrows what is there. */
void event_state_period(const struct event_state *s, uint64_t wall_ms, uint64_t *from_ms,
                        uint64_t *until_ms);

/* What one NOTIFY may say of a resource, in bytes as event_state_shown counts them. A datagram over
 * IPv4 carries 65507; the rest is for the message's head, the root of the document and a hint. */
enum { COMPOSITE_SHOWN_MAX = 56 * 1024 };
/* Bytes that it has in any body of ours, or more. Those of documents that add up are, added, those
 * of their composite or more, also when some of them have gone. */
size_t event_state_shown(const struct event_state *s);
/* Do both show in one body, each by itself? Messages are summed up, and of what is not understood
 * one document shows. */
bool event_states_add_up(const struct event_state *a, const struct event_state *b);
