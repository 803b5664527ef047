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
#include "base/keep.h"
#include "body/body.h"
#include "config/settings.h"
#include "dns/dns.h"
#include "feed/feed.h"
#include "txn/txn.h"

struct publisher; /* opaque: see publisher.c */

struct publisher_port {
    void *ctx;
    /* Find where to send. Answer with publisher_resolved, never from inside. An answer that does
     * not come is asked for again after half a minute. Asked at the start, at a reload, when the
     * server does not answer, and when what was found is no longer sure. */
    void (*resolve)(void *ctx, const struct dns_question *q, uint64_t cookie);
    /* The way to send there by this protocol: by the transport that is named, or by the best of
     * all. 0 or -errno. */
    int (*route)(void *ctx, struct str transport_id, enum net_protocol protocol,
                 const struct addr *remote, struct flow *out);
    /* The id of flow.transport; empty: nothing leaves by it any more. */
    struct str (*transport)(void *ctx, uint32_t transport);
};

struct publisher_config {
    struct txn_layer *txn;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    struct body_registry *bodies;    /* a reference is taken */
    const struct settings *settings; /* a reference is taken */
    struct publisher_port port;
    struct keep keep; /* what is to survive, and is given back by publisher_restore */
    struct keep_words words;
    uint64_t incarnation;        /* of the store: how often it has been started */
    struct feed_writer *changes; /* NULL: nobody wants any */
};
NODISCARD int publisher_create(struct publisher **out, const struct publisher_config *cfg);
/* What is kept stays kept: publications go on with the next process. */
void publisher_destroy(struct publisher *p);

/* Which of `workers` publishes this extension. By name only, so that publications shared across
 * contexts (publish_key_without_context) meet in one worker. */
unsigned publisher_home(struct str extension, unsigned workers);

/* A record of KEEP_SENT_PUBLICATION, before anything else happens. `ours`: its number is one of
 * `words`; it need not be when the number of workers has changed. A publication goes on when its
 * resource is heard of again. One whose section means something else now, or which the section no
 * longer matches, is removed, and likewise when nobody has told its resource within half a minute.
 * One that has lapsed is forgotten, as is nonsense, which is logged. */
void publisher_restore(struct publisher *p, const struct keep_record *record, bool ours);
/* Everything is to be kept again. */
void publisher_rewrite(struct publisher *p);
/* Whether publisher_restore could read it. 0 or -EBADMSG. */
NODISCARD int publisher_record_check(const struct keep_record *record);
/* Whose publication such a record is: see publisher_home. Likewise. */
NODISCARD int publisher_record_extension(struct str *out, struct str record);

/* A resource changed, was made, or is gone (EXTENSION_REMOVED: its publications are removed with
 * Expires 0). Borrowed. */
void publisher_snapshot(struct publisher *p, const struct snapshot *s);
/* Other plugins, to be said before the settings that go with them (a reference is taken). A section
 * whose body nothing makes any more goes on with what has made it so far. */
void publisher_bodies_set(struct publisher *p, struct body_registry *bodies);
/* A reload: sections that are new publish the current states, sections that are gone or mean
 * another server, identity, event or body remove theirs, filters are applied anew. Anything else
 * (lifetimes, credentials, transport, header fields) holds from the next request on and disturbs
 * nothing. */
void publisher_settings_set(struct publisher *p, const struct settings *settings);
/* Another server asks for everything that this section publishes. */
void publisher_republish(struct publisher *p, struct str section);
void publisher_resolved(struct publisher *p, uint64_t cookie,
                        const struct dns_targets *found /* none: not found */);

/* The process ends. Where publications are kept, nothing new is sent; otherwise every publication
 * is removed: the final state, then Expires 0. Done when publisher_busy is 0, which a server that
 * is away can make long: the caller has the patience. Later changes and reloads are ignored. */
void publisher_stop(struct publisher *p);
/* The same for good: also what is kept is removed. */
void publisher_leave(struct publisher *p);
/* What a section comes to, for telling what a reload would do. Does it publish anything? */
bool publisher_serves(const struct publish_settings *ps);
/* One that serves extensions: this one too? */
bool publisher_matches(const struct publish_settings *ps, struct str context, struct str extension);
/* Do publications of `a` go on with `b`, or end there and begin anew? */
bool publisher_same_target(const struct settings *a_owner, const struct publish_settings *a,
                           const struct settings *b_owner, const struct publish_settings *b);
/* How many publications have something unanswered or still to send; after a stop that keeps them,
 * those with something unanswered. */
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
    const struct flow *flow; /* where the requests go; NULL: there is no address yet */
};
void publisher_each(const struct publisher *p,
                    void (*each)(void *ctx, const struct publication_view *v), void *ctx);

/* One server that is published to, as this worker finds it. */
struct publisher_view { /* borrowed for the call */
    struct str section, server_uri;
    size_t publications, outstanding; /* the latter: PUBLISHes without an answer yet */
    bool resolved, down;              /* its address is known; the last requests went unanswered */
    uint32_t failures;                /* in a row, while it is down */
    bool retired;                     /* its publications are being removed */
};
void publisher_sections_each(const struct publisher *p,
                             void (*each)(void *ctx, const struct publisher_view *v), void *ctx);
/* Those of the resource of this snapshot. */
void publisher_resource_each(const struct publisher *p, const struct snapshot *of,
                             void (*each)(void *ctx, const struct publication_view *v), void *ctx);

struct publisher_counters {
    uint64_t publications, sections;
    uint64_t sent, initial, modify, refresh, remove, acknowledged, failed, challenged, retried,
        coalesced, swallowed;
    uint64_t lost_tags; /* 412 */
    uint64_t restored;  /* kept by a process before this one */
    /* On the heap, malloc's own included: publications with their texts; of each extension that it
     * has newest. */
    uint64_t publication_bytes, resource_bytes, table_bytes;
};
void publisher_counters_get(const struct publisher *p, struct publisher_counters *out);
