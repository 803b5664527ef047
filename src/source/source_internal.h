// SPDX-License-Identifier: MIT
/* source_internal.h - what a protocol has to do for the life of its connection (source.c), and what
 * that does for it. Private to src/source. */
#pragma once
#include "source/report.h"
#include "source/source.h"

struct protocol {
    /* Made once for a source; 0 or -ENOMEM. */
    int (*create)(void **client, struct source *s);
    void (*destroy)(void *client);
    void (*opened)(void *client);
    void (*received)(void *client, struct str bytes);
    void (*closed)(void *client); /* the connection is over: the next one begins afresh */
    void (*ping)(void *client);   /* ask for a sign of life; once logged in */
    void (*stale)(void *client);  /* what it has told holds no more */
};
extern const struct protocol ami_protocol, esl_protocol;

const struct source_settings *source_settings(const struct source *s);
struct wheel *source_wheel(const struct source *s);
struct rng *source_rng(const struct source *s);
struct log *source_log(const struct source *s);

/* False: the connection is over, and the protocol has been told so. */
bool source_send(struct source *s, struct str bytes);
/* Give the connection up, for this reason; `refused`: trying again soon makes no sense. The
 * protocol is told that it is closed before this returns. */
void source_fail(struct source *s, bool refused, struct str why);
/* What it says it is; for views. */
void source_server_set(struct source *s, struct str server);
/* Something that it refuses, which it can be followed without; for views, until the next time. */
void source_complain(struct source *s, struct str why);
void source_logged_in(struct source *s);
/* All is read from now on; and that was all. Not whole: what is not among it may be there all the
 * same. */
void source_reading(struct source *s);
void source_read(struct source *s, bool whole, bool mailboxes);
void source_count_event(struct source *s);
/* Where reports are printed to: then source_reported. They leave at the end of what was received,
 * or by source_flush. */
struct buf *source_reports(struct source *s);
void source_reported(struct source *s);
void source_flush(struct source *s);
/* Is this device one that is taken from it? */
bool source_takes(const struct source *s, struct str device);
void source_hints(struct source *s, const struct source_hint *hints, size_t n);
