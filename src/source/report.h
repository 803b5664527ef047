// SPDX-License-Identifier: MIT
/* report.h - what a source tells, as bytes that travel to who holds the states, many in one
 * message; and what is done with it there.
 *
 * The one end of it is a source's thread, the other the state thread: there is one struct
 * source_intake for each source, which the state thread owns. */
#pragma once
#include "base/record.h"
#include "publication/mailbox.h"
#include "source/source.h"
#include "state/event_state.h"
#include "state/state.h"

/* ---- telling: pure functions ---- */

void report_device(struct buf *b, struct str device, enum device_state state);
/* It is no device any more. */
void report_no_device(struct buf *b, struct str device);
void report_presence(struct buf *b, struct str provider, enum presence_state state,
                     struct str subtype, struct str message);
void report_mailbox(struct buf *b, struct str mailbox, uint32_t new_count, uint32_t old_count);
/* The calls of a device from now on; NULL: none. `listed`: more may be known of some than that,
 * from before anybody listened. */
void report_calls(struct buf *b, struct str device, const struct event_state *calls, bool listed);
/* All of it is told anew from here on, and that was all: what was not told again is gone.
 * `mailboxes`: those were among it. */
void report_begin(struct buf *b);
void report_end(struct buf *b, bool mailboxes);
/* The source is away for longer than its grace: what it has told is stale, and unavailable, and its
 * mailboxes are forgotten; or all is kept as it is, but for its calls. */
void report_stale(struct buf *b, bool keep, uint32_t grace_s);
void report_standing(struct buf *b, const struct source_standing *standing);
/* There is no such source any more: all is forgotten. */
void report_gone(struct buf *b);

/* ---- hearing: the state thread ---- */

struct source_intake { /* zeroed, but for its name */
    struct str source;
    struct source_standing standing;
    bool gone;  /* it has been told so, and nothing else since */
    bool whole; /* between report_begin and report_end, and this is when it began: */
    uint64_t begun, mailboxes_begun;
    struct source_sweep { /* what is to end, in portions */
        bool states, mailboxes;
        enum source_end how;
        uint32_t grace_s;
        uint64_t until, mailboxes_until;
    } sweep;
};

/* Apply them. Without memory some may have got lost; -ENOMEM says so, and the source has to be read
 * anew. -EBADMSG: they are nonsense. 0; INTAKE_SWEEPS: source_intake_sweep has something to do. */
enum { INTAKE_SWEEPS = 1 };
NODISCARD int source_intake_apply(struct source_intake *f, struct state_core *core,
                                  struct mailboxes *mailboxes, struct str reports);
/* A portion of that. 0: it is done; INTAKE_SWEEPS; -ENOMEM: it is to be tried again. */
NODISCARD int source_intake_sweep(struct source_intake *f, struct state_core *core,
                                  struct mailboxes *mailboxes);
