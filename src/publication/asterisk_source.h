// SPDX-License-Identifier: MIT
/* asterisk_source.h - other servers as sources of device states and mailbox counts.
 *
 * What a server says is filed under its entity id, as source "eid:02:00:5e:00:53:01", so that
 * several servers' reports of one device are combined like any others. A state lives as long as the
 * publication that said it last; when that has ended, and no other of the server says it again
 * within [general] source_grace, it is withdrawn. (Asterisk keeps it for ever: [compatibility]
 * lapsed_states_stay.) So is what a new configuration does not take any more, at once.
 *
 * What is not cachable is of no lasting meaning and ignored, as is what bears our own entity id.
 * Threads: the state thread. */
#pragma once
#include "base/keep.h"
#include "base/log.h"
#include "loop/wheel.h"
#include "publication/asterisk_event.h"
#include "publication/mailbox.h"

enum {
    SOURCE_SERVERS_MAX = 1000,  /* more are ignored */
    SOURCE_STATES_MAX = 100000, /* devices and mailboxes of one server; likewise */
};

struct asterisk_sources; /* opaque: see asterisk_source.c */

struct asterisk_sources_config {
    struct state_core *core; /* both outlive it */
    struct mailboxes *mailboxes;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    void *ctx;
    /* A server asks for all our states, by this outbound-publish section. */
    void (*refresh)(void *ctx, struct str section);
    struct keep keep; /* KEEP_SOURCE_STATE */
};
NODISCARD int asterisk_sources_create(struct asterisk_sources **out,
                                      const struct asterisk_sources_config *cfg);
/* NULL is fine; what it told stays, and so does what is kept. */
void asterisk_sources_destroy(struct asterisk_sources *a);

/* `eid` is ours; a reference to the settings is kept. Before the first event. */
void asterisk_sources_configure(struct asterisk_sources *a, const struct settings *settings,
                                struct str eid);

/* As publication_port.event and .ended. 0 or -ENOMEM. */
NODISCARD int asterisk_sources_event(struct asterisk_sources *a, const struct publication_event *e);
void asterisk_sources_ended(struct asterisk_sources *a, uint64_t serial);

/* A state that was kept, after the configuration and before the first event. 0, -EBADMSG (nonsense)
 * or -ENOMEM. */
NODISCARD int asterisk_source_restore(struct asterisk_sources *a, const struct keep_record *record);
/* As publication_port.resumed; when all have been told, those that were not have ended. */
void asterisk_sources_resumed(struct asterisk_sources *a, uint64_t serial);
void asterisk_sources_restored(struct asterisk_sources *a);
NODISCARD int asterisk_source_record_check(const struct keep_record *record); /* 0 or -EBADMSG */
void asterisk_sources_keep_all(const struct asterisk_sources *a);             /* once more */

struct asterisk_source_view { /* borrowed for the call */
    struct str eid;
    uint64_t heard_wall_ms;
    size_t devices, mailboxes, publications;
    bool lapsing;
    uint32_t lapses_s; /* if lapsing: then its states are withdrawn */
};
void asterisk_sources_each(const struct asterisk_sources *a,
                           void (*each)(void *ctx, const struct asterisk_source_view *v),
                           void *ctx);

struct asterisk_sources_counters {
    uint64_t servers, states;
    uint64_t events, ignored, over_limit, lapsed;
    uint64_t bytes; /* on the heap, malloc's own included: servers, and which states are whose */
};
void asterisk_sources_counters_get(const struct asterisk_sources *a,
                                   struct asterisk_sources_counters *out);
