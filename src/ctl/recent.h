// SPDX-License-Identifier: MIT
/* recent.h - what is remembered without a journal, for whoever asks why a lamp shows nothing: the
 * last subscriptions that were refused or given up. Threads: the edge's. */
#pragma once
#include "feed/feed.h"

struct recent; /* opaque: see recent.c */

NODISCARD int recent_create(struct recent **out, struct feed *feed);
void recent_destroy(struct recent *r); /* NULL is fine */

struct recent_question {  /* borrowed; an empty text fits anything */
    struct str resources; /* "1000@users", a line each; AORs without a context */
    struct str extension; /* "1000": what was asked for where it is not known what that names */
    struct str endpoint;  /* or who says that he is that one, and was not believed */
};
/* Refusals, those of endpoints and then those of strangers, the oldest first: `detail` is a JSON
 * object. One that comes again and again is one, with the newest time: `times` says how often. */
void recent_refusals_each(const struct recent *r, const struct recent_question *q,
                          void (*each)(void *ctx, struct str detail, uint64_t times), void *ctx);
