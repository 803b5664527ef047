// SPDX-License-Identifier: MIT
/* watch.h - private to src/registrar: what a telephone does, as it tells itself: a subscription of
 * ours to its package `dialog`. Source: RFC 6665 section 4.1, RFC 4235. Threads: the worker that
 * owns it.
 *
 * watch.c         the subscription
 * watch_notify.c  what comes of it */
#pragma once
#include "registrar/qualifier_internal.h"
#include "state/event_state.h"

enum {
    WATCH_DIALOGS_MAX = 100,      /* of one telephone; more are refused */
    WATCH_BYTES_MAX = 256 * 1024, /* likewise: that they take together */
    WATCH_TAG_MAX = 255,
    WATCH_URI_MAX = 1024,
    WATCH_ROUTES_MAX = 2048,
};

struct watch {
    struct map_node node; /* qualifier.watches, by the tag of its requests */
    struct list link;     /* qualifier.leaving */
    struct qualifier *qualifier;
    const struct contact *contact; /* a reference */
    struct contact_request request;
    struct timer timer;
    enum watch_state state;
    uint32_t remote_cseq; /* of the dialog, which `request` has from its first NOTIFY on */
    /* Times of the monotonic clock. */
    uint64_t begun_ms;    /* the first SUBSCRIBE of the dialog */
    uint64_t refresh_ms;  /* active: then */
    uint64_t ends_ms;     /* the dialog, unless it is refreshed */
    uint64_t patience_ms; /* active, `awaited`: then it has failed. Timer N */
    uint64_t gap_ms;      /* active, `gap`: then all is asked for, unless it is awaited */
    uint64_t turn_ms;     /* its turn, unless that is over */
    bool awaited;         /* a NOTIFY that says all there is */
    bool gap;             /* something is missing */
    bool told;            /* what is known of its dialogs, if only that nothing is */
    bool said;            /* leaving: the last SUBSCRIBE has been sent */
    bool lengthened;      /* `asked_s`, by the answer to the former SUBSCRIBE */
    uint32_t asked_s;
    unsigned failures;                  /* in a row */
    unsigned gaps;                      /* likewise */
    unsigned last_status;               /* of a SUBSCRIBE; 0: none yet */
    struct str why;                     /* constant: in place of a status */
    const struct event_state *document; /* all its dialogs; a reference, or NULL */
    uint64_t heard_wall_ms;             /* the last NOTIFY */
};

/* Begins after that pause. */
struct watch *watch_create(struct qualifier *q, const struct contact *contact, uint64_t delay_ms);
/* It is no longer wanted: nothing is known of its dialogs any more, and it ends by itself, when the
 * telephone knows, if it `may` be told. */
void watch_leave(struct watch *w, bool may);
void watch_destroy(struct watch *w); /* NULL is fine */
/* The contact has been refreshed; `anew`: by a telephone that may have forgotten us, or from
 * elsewhere. */
void watch_contact_set(struct watch *w, const struct contact *now, bool anew);
/* It answers again. */
void watch_returned(struct watch *w);
/* The settings are others now. */
void watch_settings_changed(struct watch *w);
/* Nothing is sent any more: the process ends. */
void watch_quiet(struct watch *w);
/* By the tag of our requests; NULL: there is none. */
struct watch *watch_find(const struct qualifier *q, struct str tag);

struct watch_view watch_view_of(const struct watch *w); /* NULL is fine */

/* ---- shared by the two files ---- */

/* Whatever it knows of its dialogs, to who holds states. */
void watch_tell(struct watch *w);
/* A NOTIFY says all there is: it goes on until it is to be refreshed. */
void watch_heard(struct watch *w);
/* RFC 6665 section 4.1.3: the telephone says how long it still lasts. 0: it does not. */
void watch_expires_in(struct watch *w, uint32_t seconds);
/* Ask for everything soon: not the sooner the more often it was in vain. */
void watch_refresh_soon(struct watch *w);
/* It has ended there; once more soon. The dialogs stay what they were until that fails. */
void watch_again(struct watch *w);
/* Nothing is known any more, and it is tried again: in `retry_s`, or 0: after a while. */
void watch_failed(struct watch *w, unsigned status, struct str why, uint32_t retry_s);
/* It does not want to, for good. */
void watch_refused(struct watch *w, unsigned status, struct str why);
void watch_move(struct watch *w, enum watch_state next);
