// SPDX-License-Identifier: MIT
/* publisher.h - outbound publication of resources to event state compositors: RFC 3903 as an event
 * publication agent.
 *
 * Every type=outbound-publish section is a set of publications, one per resource it matches. A
 * publication tells the newest snapshot: one PUBLISH outstanding, the newest wins, the entity-tag's
 * life is followed whatever the server does, and a server that forgets or comes back is whole again
 * within one retry interval. Threads: the worker that owns it; a resource belongs to one worker
 * (publisher_home). */
#pragma once
#include "body/body.h"
#include "config/settings.h"
#include "txn/txn.h"

struct publisher; /* opaque: see publisher.c */

struct publisher_port {
    void *ctx;
    /* Find where to send for `host` (name or literal) and port (0: default). Answer with
     * publisher_resolved, never from inside. An answer that does not come is asked for again after
     * half a minute. Asked at the start, at a reload, and when the server does not answer. */
    void (*resolve)(void *ctx, struct str host, uint16_t port, uint64_t cookie);
    /* The transport to send by: the named one, or the best for this remote. Fills transport and
     * local. 0 or -errno. */
    int (*route)(void *ctx, struct str transport_id, const struct addr *remote, struct flow *out);
};

struct publisher_config {
    struct txn_layer *txn;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    struct body_registry *bodies;
    const struct settings *settings; /* a reference is taken */
    struct publisher_port port;
};
NODISCARD int publisher_create(struct publisher **out, const struct publisher_config *cfg);
void publisher_destroy(struct publisher *p);

/* Which of `workers` publishes this extension. By name only, so that publications shared across
 * contexts (publish_key_without_context) meet in one worker. */
unsigned publisher_home(struct str extension, unsigned workers);

/* A resource changed, was made, or is gone (EXTENSION_REMOVED: its publications are removed with
 * Expires 0). Borrowed. */
void publisher_snapshot(struct publisher *p, const struct snapshot *s);
/* A reload: sections that are new publish the current states, sections that are gone or mean
 * another server, identity, event or body remove theirs, filters are applied anew. Anything else
 * (lifetimes, credentials, transport, header fields) holds from the next request on and disturbs
 * nothing. */
void publisher_settings_set(struct publisher *p, const struct settings *settings);
/* Another server asks for everything that this section publishes. */
void publisher_republish(struct publisher *p, struct str section);
void publisher_resolved(struct publisher *p, uint64_t cookie,
                        const struct addr *remote /* NULL: not found */);

/* Remove every publication: the final state, then Expires 0. Done when publisher_busy is 0, which a
 * server that is away can make long: the caller has the patience. Later changes and reloads are
 * ignored. */
void publisher_stop(struct publisher *p);
/* How many publications have something unanswered or still to send. */
size_t publisher_busy(const struct publisher *p);

/* "publishing": sent, or waiting for its turn. "published". "waiting": for another try, for the
 * server, or for its address. "refused": an answer that does not change by itself; tried again, but
 * seldom. "removing". */
struct publication_view { /* borrowed for the call */
    struct str section, context, extension, package, content_type, server_uri, entity_tag,
        last_reason;
    const char *state;       /* one of the words above */
    uint32_t expires_s;      /* left of what the server granted; 0: nothing published */
    uint32_t retry_s;        /* until the next attempt; 0: none is waiting */
    unsigned last_status;    /* 0: never answered; 408 timeout, 503 unreachable likewise */
    unsigned queued;         /* 1 when a newer state waits behind an unanswered PUBLISH */
    uint32_t cseq, failures; /* failures in a row */
    uint64_t told_sequence, current_sequence;
};
void publisher_each(const struct publisher *p,
                    void (*each)(void *ctx, const struct publication_view *v), void *ctx);

struct publisher_counters {
    uint64_t publications, sections;
    uint64_t sent, initial, modify, refresh, remove, acknowledged, failed, challenged, retried,
        coalesced, swallowed;
    uint64_t lost_tags; /* 412 */
};
void publisher_counters_get(const struct publisher *p, struct publisher_counters *out);
