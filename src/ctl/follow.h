// SPDX-License-Identifier: MIT
/* follow.h - what happens from now on, for whoever comes back to ask for it: changes are gathered
 * for each follower until the next time, and for one that does not come back only a while. Threads:
 * the edge's. */
#pragma once
#include "base/clock.h"
#include "feed/feed.h"

struct followers; /* opaque: see follow.c */

NODISCARD int followers_create(struct followers **out, struct feed *feed,
                               const struct clock *clock);
void followers_destroy(struct followers *all); /* NULL is fine */

struct follow_spec {      /* borrowed for the call */
    struct str resources; /* "1000@users", a line each; empty: everything */
    struct str names; /* what their hints name, comma or & separated: devices and providers; also
                         mailboxes */
    struct str members, lists; /* as of struct journal_chain_query */
    unsigned kinds;
};
enum follow_outcome {
    FOLLOW_TOO_MANY = 1, /* others do already */
    FOLLOW_ENDED,        /* it is not known, or was not asked for too long */
};
/* 0 with a number that is never 0, FOLLOW_TOO_MANY, -ENOMEM. */
NODISCARD int follow_begin(struct followers *all, const struct follow_spec *spec, uint64_t *number);
/* What has come since: JSON objects, each on a line, borrowed until the next call; and how many
 * there was no room for. 0 or FOLLOW_ENDED. */
NODISCARD int follow_next(struct followers *all, uint64_t number, struct str *rows, uint64_t *lost);
void follow_end(struct followers *all, uint64_t number);
