// SPDX-License-Identifier: MIT
/* mailbox.h - message counts of mailboxes, and who gets to see them in `message-summary`.
 *
 * Several sources may report one mailbox: the newest report counts, because a mailbox is one thing
 * wherever its messages are kept; when its source is gone, the newest of the others. A mailbox is
 * also a device, `MWI:mailbox@context`, in use while it has new messages. The mailboxes of an AOR,
 * and of all AORs of an endpoint, are summed into the message-summary of that name. Source: RFC
 * 3842. Threads: the state thread. */
#pragma once
#include "config/settings.h"
#include "publication/publication.h"

struct mailboxes; /* opaque: see mailbox.c */

struct mailbox_counts {
    uint32_t new_count, old_count;
};

struct mailbox_port {
    void *ctx;
    /* What our own sources say, those that are no other servers (STATE_SERVER_SOURCE): the newest
     * of their reports, which may be just what it was; NULL: they say nothing any more. */
    void (*here)(void *ctx, struct str mailbox, const struct mailbox_counts *counts);
    /* A mailbox that an endpoint is told unasked (`mailboxes` of endpoints): its counts, zero while
     * nobody reports it, when it is named and each time they change; NULL: no endpoint names it any
     * more. */
    void (*unsolicited)(void *ctx, struct str mailbox, const struct mailbox_counts *counts);
    /* The newest report is another one now; NULL: there is none any more, `source` was the last.
     * Its cause is the present one of the core. May be NULL. */
    void (*changed)(void *ctx, struct str mailbox, struct str source,
                    const struct mailbox_counts *counts);
    struct keep keep;          /* KEEP_MAILBOX: what our own sources say */
    const struct clock *clock; /* for when they have said it; NULL: nobody wants to know */
};

/* Both outlive it; `port` is copied. 0 or -ENOMEM. */
NODISCARD int mailboxes_create(struct mailboxes **out, struct state_core *core,
                               struct publication_store *publications,
                               const struct mailbox_port *port, struct rng *rng);
void mailboxes_destroy(struct mailboxes *m); /* NULL is fine; what it told stays told */

/* AORs and endpoints and their mailboxes: who may be asked for, and what is told unasked, from now
 * on. 0 or -ENOMEM, then some of it may
 * have been done, and doing it again does the rest. */
NODISCARD int mailboxes_configure(struct mailboxes *m, const struct settings *settings);

enum mailbox_outcome {
    MAILBOX_BAD_NAME = 1, /* empty, over 79 bytes, as is a source, or with control characters */
    MAILBOX_MORE,         /* there is more to do of the same */
    MAILBOX_UNCHANGED,    /* this source says nothing of it as it is */
};
/* What this source says. 0, MAILBOX_BAD_NAME, -ENOMEM: then it may not be told yet, and saying it
 * again does. */
NODISCARD int mailbox_set(struct mailboxes *m, struct str source, struct str mailbox,
                          uint32_t new_count, uint32_t old_count);
/* The same of a source that says again what has not changed, as after a pause: that does not make
 * it the newest report. */
NODISCARD int mailbox_hear(struct mailboxes *m, struct str source, struct str mailbox,
                           uint32_t new_count, uint32_t old_count);
/* How many reports there have been: a moment, for mailboxes_source_end. */
uint64_t mailboxes_reports(const struct mailboxes *m);
/* As state_source_end, but that a number of messages cannot be unavailable: then it is forgotten.
 * 0: that was all; MAILBOX_MORE; -ENOMEM. */
NODISCARD int mailboxes_source_end(struct mailboxes *m, const struct source_ending *end,
                                   size_t limit);
/* It says nothing any more. 0, MAILBOX_UNCHANGED, MAILBOX_BAD_NAME, -ENOMEM. */
NODISCARD int mailbox_forget(struct mailboxes *m, struct str source, struct str mailbox);

/* Take a record that was kept; before anybody reports anything. 0; MAILBOX_BAD_NAME; -EBADMSG: it
 * is nonsense; -ENOMEM: it may not be told yet. */
NODISCARD int mailbox_restore(struct mailboxes *m, const struct keep_record *record);
/* Is it one of these records? 0 or -EBADMSG. Any thread. */
NODISCARD int mailbox_record_check(const struct keep_record *record);
/* Put all of them again. */
void mailboxes_keep_all(const struct mailboxes *m);

struct mailbox_view {           /* borrowed for the call */
    struct str mailbox, source; /* the newest report's */
    uint32_t new_count, old_count;
    bool stale; /* likewise: its source is away for too long */
    size_t n_sources;
    const struct mailbox_counts *here; /* as told by the port; NULL: nothing */
};

struct mailbox_report { /* borrowed for the call */
    struct str source;
    struct mailbox_counts counts;
    uint64_t changed_wall_ms; /* 0: not known */
    bool stale;               /* the source is away for too long */
};
enum mailbox_explain_outcome { MAILBOX_UNKNOWN = 1 };
/* What each source says of one mailbox, the newest report, which counts, first; and in which
 * message-summaries it counts. 0 or MAILBOX_UNKNOWN: nobody reports it, and none has it. */
NODISCARD int mailbox_explain(const struct mailboxes *m, struct str mailbox,
                              void (*report)(void *ctx, const struct mailbox_report *r),
                              void (*shown)(void *ctx, const struct resource_name *name),
                              void *ctx);
/* The mailboxes that count in one. 0 or MAILBOX_UNKNOWN: there is no such message-summary. */
NODISCARD int mailbox_group_each(const struct mailboxes *m, const struct resource_name *name,
                                 void (*each)(void *ctx, struct str mailbox), void *ctx);

uint64_t mailboxes_bytes(const struct mailboxes *m); /* on the heap, malloc's own included */
void mailboxes_each(const struct mailboxes *m,
                    void (*each)(void *ctx, const struct mailbox_view *v), void *ctx);
