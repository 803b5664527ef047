// SPDX-License-Identifier: MIT
/* compose_internal.h - what the files that compose share. Everything made here lives in a scratch
 * arena and borrows from the documents; event_state_pack makes the result of it. */
#pragma once
#include "publication/compose.h"
#include "state/dialogs.h"

struct composition { /* one composite in the making */
    struct arena scratch;
    struct composition_input **inputs; /* by serial */
    size_t n;
    uint64_t wall_ms;
    struct event_state view; /* the result, borrowed */
};

/* Each fills in its facet of the view. 0 or -ENOMEM. */
NODISCARD int composition_dialogs(struct composition *c);
NODISCARD int composition_presence(struct composition *c);
NODISCARD int composition_messages(struct composition *c);

/* <0 when `a` counts less than `b`: priority, then who changed last, then who came last. */
int composition_input_compare(const struct composition_input *a, const struct composition_input *b);

/* ---- of several that mean the same, one is chosen ---- */

struct choice {
    const void *element;
    struct composition_input *from;
    struct es_text key[2]; /* those with equal keys compete */
    bool alone;            /* competes with none */
    bool lost;
    bool timed;
    int64_t when_ms; /* if timed */
    uint64_t rank;   /* 0 is best; equal ranks win together */
    size_t position; /* in the order of serials */
};

/* Gives each its rank: priority, then time told, then arrival. */
NODISCARD int choices_rank(struct arena *scratch, struct choice *choices, size_t n);
enum choice_order { CHOICE_BY_POSITION, CHOICE_BY_RANK };
/* The winners, of which *n is the number afterwards, in that order. */
NODISCARD int choices_settle(struct arena *scratch, struct choice *choices, size_t *n,
                             enum choice_order order, struct choice ***winners);

/* ---- ids that are unique in one document ---- */

struct scoped_id {
    struct es_text *id; /* is replaced where it has to be */
    struct composition_input *from;
    size_t position; /* within its publication */
};

/* An id belongs to the oldest publication that names it. Others get their serial behind it. */
NODISCARD int scoped_ids_settle(struct arena *scratch, struct scoped_id *ids, size_t n);
