// SPDX-License-Identifier: MIT
/* recent.h - what is remembered without a journal, for whoever asks why a lamp shows nothing: the
 * last subscriptions that were refused or given up, and how the sources are. Threads: the edge's.
 */
#pragma once
#include "feed/feed.h"

struct recent; /* opaque: see recent.c */

NODISCARD int recent_create(struct recent **out, struct feed *feed);
void recent_destroy(struct recent *r); /* NULL is fine */

struct recent_question {  /* borrowed; an empty text fits anything */
    struct str resource;  /* "1000@users" */
    struct str extension; /* "1000": what was asked for where nothing of that name was found */
    struct str endpoint;
};
/* Refusals, the oldest first: `detail` is a JSON object. */
void recent_refusals_each(const struct recent *r, const struct recent_question *q,
                          void (*each)(void *ctx, struct str detail), void *ctx);
struct recent_source {
    struct str source, protocol, why;
    bool up, stale;
    uint64_t since_wall_ms;
};
void recent_sources_each(const struct recent *r,
                         void (*each)(void *ctx, const struct recent_source *s), void *ctx);
