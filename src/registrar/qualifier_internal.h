// SPDX-License-Identifier: MIT
/* qualifier_internal.h - private to src/registrar: contacts that are asked.
 *
 * qualifier.c  when each of them is asked, and what is made of it
 * qualify.c    one question: where it goes, its bytes, its answer */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "registrar/qualifier.h"

/*             ┌──────────────────────────────────────────────┐
 *             ▼                                              │
 *  off ◀──▶ resting ──its time──▶ seeking ──address──▶ asking ┤
 *             ▲                      │                       │
 *             └─────────no address───┘      the next address, a challenge
 *
 * A contact that it was registered by the connection of goes from resting to asking; it seeks when
 * that connection is no more. */
enum qualified_state {
    QUALIFIED_OFF,
    QUALIFIED_RESTING, /* until its time */
    QUALIFIED_SEEKING, /* the address of the next hop was asked for */
    QUALIFIED_ASKING,  /* OPTIONS has been sent */
    QUALIFIED_STATES
};

struct qualified {               /* a contact */
    struct map_node node, asked; /* by its id; seeking: by the question */
    struct list link;
    struct qualifier *qualifier;
    const struct contact *contact; /* a reference */
    struct client_txn txn;
    struct timer timer; /* resting: its time; seeking, asking: patience */
    enum qualified_state state;
    enum qualify_status status;
    uint32_t frequency_s;        /* that it was planned with; 0: off */
    uint64_t begun_ms;           /* the round under way, or the last one */
    uint64_t since_wall_ms;      /* status */
    uint64_t question;           /* seeking */
    struct dns_targets *targets; /* on the heap, while there are several and none has answered */
    unsigned target;             /* the one in use */
    struct str authorization;    /* lines, after a challenge */
    uint32_t cseq, rtt_ms;
    unsigned last_status, challenges; /* the latter in this round */
    bool by_connection;               /* asking: the one that it was registered by */
    char tag[TXN_TAG_MAX], call_id[32];
    uint8_t tag_n;
};

struct qualifier {
    struct qualifier_config cfg;
    const struct settings *settings; /* a reference */
    struct map contacts, seeking;    /* struct qualified */
    struct list all;                 /* the same, in the order in which they came */
    uint64_t last_question, begun_wall_ms;
    uint64_t n_of[QUALIFY_STATUSES];
    bool stopping;
    struct qualifier_counters counters; /* but for how many there are */
};

/* ---- qualifier.c ---- */

void qualified_move(struct qualified *c, enum qualified_state next);
/* The round is over. `status` as a client transaction has it; `rtt_ms` of an answer. */
void qualified_answered(struct qualified *c, unsigned status, uint32_t rtt_ms);
void qualified_unanswered(struct qualified *c, unsigned status);
/* Nothing is known by it, for we are short of something: another one soon. */
void qualified_put_off(struct qualified *c);

/* ---- qualify.c ---- */

/* Begin: it is resting. */
void qualify(struct qualified *c);
/* Its patience is over. */
void qualify_timeout(struct qualified *c);
/* What a question under way has. */
void qualify_end(struct qualified *c);
