// SPDX-License-Identifier: MIT
/* qualifier_internal.h - private to src/registrar: contacts that are asked.
 *
 * qualifier.c  when each of them is asked, and what is made of it
 * qualify.c    one question, and its answer
 * request.h    how that finds its way
 * watch.h      what a contact does, as it tells */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "registrar/qualifier.h"
#include "xml/xml.h"

enum { QUALIFIER_REGISTERED_MS = 250 }; /* after a REGISTER, whose answer comes first */

/*             ┌──────────────┐
 *             ▼              │
 *  off ◀──▶ resting ──its time──▶ asking */
enum qualified_state {
    QUALIFIED_OFF,
    QUALIFIED_RESTING, /* until its time */
    QUALIFIED_ASKING,  /* the request is under way */
    QUALIFIED_STATES
};

struct qualified {        /* a contact */
    struct map_node node; /* by its id */
    struct list link;
    struct qualifier *qualifier;
    const struct contact *contact; /* a reference */
    struct contact_request request;
    struct timer timer; /* resting: its time */
    enum qualified_state state;
    enum qualify_status status;
    uint32_t frequency_s;   /* that it was planned with; 0: off */
    uint64_t begun_ms;      /* the round under way, or the last one */
    uint64_t since_wall_ms; /* status */
    uint32_t rtt_ms;
    unsigned last_status;
    struct watch *watch; /* NULL: its dialogs are not watched */
};

/*  resting ──its time──▶ asking ◀──refresh──▶ active        leaving: any, when it is not wanted
 *     ▲                    │ │                  │            any more; it ends with the answer
 *     └────── no answer ───┘ └─▶ refused        │
 *     ▲                                         │
 *     └───────── it has ended, or is lost ──────┘ */
enum watch_state {
    WATCH_RESTING, /* until its time */
    WATCH_ASKING,  /* SUBSCRIBE is under way, the first or a refresh */
    WATCH_ACTIVE,
    WATCH_REFUSED, /* it does not support it */
    WATCH_LEAVING,
    WATCH_STATES
};

struct qualifier {
    struct qualifier_config cfg;
    const struct settings *settings; /* a reference */
    struct map contacts;             /* struct qualified */
    struct list all;                 /* the same, in the order in which they came */
    struct contact_requests requests;
    uint64_t begun_wall_ms;
    uint64_t n_of[QUALIFY_STATUSES];
    bool stopping;
    struct map watches;     /* struct watch, by the tag of its requests */
    struct list leaving;    /* watch.link: of no contact any more */
    uint64_t watch_turn_ms; /* when the next one may begin */
    uint64_t n_watches[WATCH_STATES];
    struct xml_parser xml;
    struct buf headers, why;            /* of the answer being made, of the body being read */
    struct qualifier_counters counters; /* but for how many there are */
};

/* ---- qualifier.c ---- */

/* The round is over. `status` as a client transaction has it; `rtt_ms` of an answer. */
void qualified_answered(struct qualified *c, unsigned status, uint32_t rtt_ms);
void qualified_unanswered(struct qualified *c, unsigned status);
/* Nothing is known by it, for we are short of something: another one soon. */
void qualified_put_off(struct qualified *c);

/* ---- qualify.c ---- */

extern const struct contact_request_ops qualify_ops;
