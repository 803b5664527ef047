// SPDX-License-Identifier: MIT
/* source.h - a PBX whose states are followed: the life of the connection to it, whatever it speaks.
 *
 * Connecting, with pauses that grow; logging in; reading what there is; following what changes; and
 * again. What it tells goes out as reports (report.h), of which whoever holds the states drops what
 * is nothing new, so that a connection which comes back costs what has changed. When it is away for
 * longer than its grace its states are stale.
 *
 * A pure machine without sockets: its owner opens the connection, gives it the bytes, and steps the
 * wheel. Threads: one owner. */
#pragma once
#include "base/log.h"
#include "base/random.h"
#include "config/settings.h"
#include "loop/wheel.h"

struct source;      /* opaque: see source.c */
struct source_hint; /* below */

/* The life of the connection.
 *
 *   waiting ──▶ connecting ──▶ logging in ──▶ reading ──▶ following
 *      ▲             │              │            │ ▲          │
 *      └─────────────┴──────────────┴────────────┴─┼──────────┤ (it ends)
 *                                                  └──────────┘ (to be read anew)
 */
enum source_state {
    SOURCE_WAITING,
    SOURCE_CONNECTING,
    SOURCE_LOGGING_IN,
    SOURCE_READING,
    SOURCE_FOLLOWING,
    SOURCE_STATES
};
const char *source_state_name(enum source_state state); /* "waiting", ... */

struct source_port {
    void *ctx;
    /* Open a connection; source_opened or source_ended tells what came of it, never from within. 0
     * or a negative errno. */
    int (*connect)(void *ctx);
    /* 0, or a negative errno, after which the connection is given up. */
    int (*send)(void *ctx, struct str bytes);
    /* Close it; nothing more is told of it. */
    void (*disconnect)(void *ctx);
    /* Reports (report.h), in order, borrowed for the call. */
    void (*report)(void *ctx, struct str reports);
    /* All hints that it has, when that is known or has changed; borrowed for the call. Only with
     * `hints` of its settings. */
    void (*hints)(void *ctx, const struct source_hint *hints, size_t n);
    /* It is followed from now on; it is not any more, because of its view's complaint; or its
     * states are stale. */
    void (*changed)(void *ctx);
};

struct source_hint {
    struct str context, extension, text;
};

/* Whether what it has told holds: reported when it changes, and kept, so that the next start or
 * another connection goes on from there. */
struct source_standing {
    uint64_t away_ms; /* wall time since when it is not followed; 0: it is, or never was */
    bool stale;       /* its grace is over, and it has not been read since */
};

struct source_config {
    const struct source_settings *settings; /* outlives it */
    struct source_standing standing;        /* of the one before */
    struct source_port port;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
};
/* Connects at once, as soon as the wheel turns. 0 or -ENOMEM. */
NODISCARD int source_create(struct source **out, const struct source_config *cfg);
/* Disconnects; what it has told is not taken back. NULL is fine. */
void source_destroy(struct source *s);

void source_opened(struct source *s);
void source_received(struct source *s, struct str bytes);
void source_ended(struct source *s, struct str why);

/* The same settings at another place, which outlives it. */
void source_settings_set(struct source *s, const struct source_settings *settings);
/* Something that it has reported got lost: it is read anew, by another connection. */
void source_lost(struct source *s);

struct source_standing source_standing(const struct source *s);

struct source_view { /* borrowed */
    enum source_state state;
    bool stale;           /* its grace is over */
    uint64_t since_ms;    /* wall time of the last change between following and not */
    uint64_t synced_ms;   /* wall time when it was last read as a whole; 0: never */
    struct str server;    /* what it says it is; empty before */
    struct str complaint; /* why it is not followed, or what it refuses; empty: nothing */
    uint64_t connections; /* how often it was logged in */
    uint64_t events;      /* messages and events that came */
    uint64_t reports;     /* that went out */
    uint64_t retry_ms;    /* while it waits: until the next attempt */
};
void source_view(const struct source *s, struct source_view *out);
