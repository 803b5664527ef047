// SPDX-License-Identifier: MIT
/* publication.h - event state received by PUBLISH: publications, their entity-tags and their ends,
 * and the composite event state of each resource.
 *
 * A pure machine on a timer wheel: no sockets, no SQL. Requests are applied one after the other,
 * wholly or not at all, and whatever follows is told through the port before the call returns.
 * Source: RFC 3903 section 6. Threads: one owner (the state thread). */
#pragma once
#include "base/buf.h"
#include "base/clock.h"
#include "base/keep.h"
#include "base/log.h"
#include "base/random.h"
#include "feed/change.h"
#include "loop/wheel.h"
#include "state/state.h"

struct asterisk_event;      /* asterisk_event.h */
struct publication_store;   /* opaque: see store.c */
struct publication_promise; /* likewise: see store_promise.c */

struct publication_patch {            /* borrowed for the call */
    struct str package, content_type; /* content type of the base, and of the result */
    struct str base, diff;
};

struct publication_event { /* of a stream; borrowed for the call */
    uint64_t serial;       /* of the publication, constant for its life */
    struct str publisher, package, inbound, answer_section; /* inbound: an inbound-publication */
    const struct asterisk_event *event;
};

struct publication_place { /* what was published, and where; borrowed for the call */
    struct str package, context, extension;
    struct str domain; /* that of the Request-URI used last */
    bool stream;
};

struct publication_port {
    void *ctx;
    /* Does the configuration of now have a place for this? NULL: it always does. */
    bool (*served)(void *ctx, const struct publication_place *place);
    /* The composite of a resource is another one now; NULL: nothing is published any more.
     * Borrowed. The name's package is empty for `dialog` and `presence`, which are one resource.
     * What the port wants to find again when that resource has another composite it may keep in
     * `*kept`, which is NULL at first. 0 or -ENOMEM: then the store does not change either. Must
     * not call back into the store. */
    int (*composed)(void *ctx, const struct resource_name *name,
                    const struct event_state *composite, void **kept);
    /* The store forgets a resource for which nothing is published any more: where many end at once,
     * some time after that was told. Only told where something is kept, and not when the store
     * itself ends. Likewise. */
    void (*forgotten)(void *ctx, void *kept);
    /* What a diff makes of the document it changes: the bytes of the result, for the next diff, and
     * what they say (one reference). 0; a SIP status with the reason in `why`, when it cannot be
     * accepted; -ENOMEM. NULL: diffs are refused. */
    int (*patch)(void *ctx, const struct publication_patch *p, struct buf *body,
                 struct event_state **document, struct buf *why);
    /* The next event of a stream, in the order they came. 0 or -ENOMEM: then the store does not
     * change either. Must not call back into the store. */
    int (*event)(void *ctx, const struct publication_event *e);
    /* A stream has ended, whatever the reason. Likewise. */
    void (*ended)(void *ctx, uint64_t serial);
    /* One that was kept goes on. Likewise. */
    void (*resumed)(void *ctx, uint64_t serial);
    /* What has become of a publication, or of a request; borrowed. Behind what it led to, and
     * between `begin` and `end`, as is that: all of it has one cause, `publisher` (empty: it ends
     * by itself, or by a reload). NULL, all three: nobody wants to know. */
    void (*changed)(void *ctx, const struct change_publication *c);
    void (*begin)(void *ctx, struct str publisher);
    void (*end)(void *ctx);
};

struct publication_config {
    struct publication_port port;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    struct keep keep;     /* KEEP_PUBLICATION, KEEP_PUBLICATION_BODY */
    uint64_t incarnation; /* below 2^31: numbers of publications are counted from it */
};
NODISCARD int publication_store_create(struct publication_store **out,
                                       const struct publication_config *cfg);
/* NULL is fine. What is kept stays. */
void publication_store_destroy(struct publication_store *store);

enum publication_outcome {                           /* answers, not failures */
                           PUBLICATION_NO_MATCH = 1, /* SIP-If-Match names no live publication of
                                                        this publisher -> 412 */
                           PUBLICATION_NO_BODY,  /* an initial publication without a body  -> 400 */
                           PUBLICATION_BAD_BODY, /* `refusal` of the request applies, or the patch
                                                    failed: see why */
                           PUBLICATION_QUOTA, /* this publisher, or this resource, has its maximum
                                                 -> 503 */
                           PUBLICATION_UNSERVED, /* a reload has just taken its place -> 404 */
                           PUBLICATION_UNKEPT,   /* nothing new can be kept at the moment -> 503 */
};

/* A body, or a time, that cannot be accepted; told only to those whose precondition holds: RFC 3903
 * section 6 has the entity-tag before both. */
struct publication_refusal {
    unsigned status; /* 0: all is fine */
    struct str why;
};

struct publication_request {
    struct str package;            /* of Event: "dialog", "presence", "message-summary", ... */
    struct str context, extension; /* the resource */
    struct str domain;             /* of the Request-URI */
    struct str publisher;          /* who sent it; entity-tags are bound to that */
    struct str origin;             /* which of its hosts, as far as can be told; or empty */
    struct str call_id;
    struct str if_match;                /* empty: an initial publication */
    struct str content_type, body;      /* as received; an empty body: a refresh */
    const struct event_state *document; /* the body, parsed; NULL without one, or for a diff */
    bool diff;                          /* `body` changes what was published before */
    /* Each body is an event and none is state: nothing is composed. `event` is the body, parsed;
     * NULL when it is to be ignored. */
    bool stream;
    const struct asterisk_event *event;
    struct str answer_section; /* of a stream: by which outbound-publish to answer a refresh */
    struct publication_refusal refusal;
    uint32_t expires_s; /* granted; 0 removes */
    uint32_t grace_s;   /* how much longer it is kept than was granted */
    uint32_t priority;  /* of this publisher among others, the higher the more */
    uint32_t max_per_publisher, max_per_resource; /* 0: no limit */
    bool supersede; /* a publisher that begins anew replaces what it left behind */
};

enum { PUBLICATION_ANSWER_MAX = 288 }; /* bytes of all texts */
struct publication_answer {            /* borrowed until the next call on the store */
    struct str etag; /* of the publication as it is now; also told for one that was removed */
    /* Something new has been accepted, which may be told when that is durable, and then, or when it
     * cannot be made durable, ends with publication_promise_end, or with the store. NULL: there is
     * nothing to wait for. */
    struct publication_promise *promise;
    struct str why;  /* for PUBLICATION_BAD_BODY: one line */
    unsigned status; /* likewise: 400, 413, 415 or 423 */
    bool temporary;  /* likewise: it may be accepted later, when others have published less */
};

/* Everything is borrowed for the call and copied when kept. The first failing check decides, in
 * this order: place, entity-tag, `refusal`, a missing body, whether the store can keep it, quota,
 * the body (a diff, a partial
 * document, and whether all of the resource still fits into one NOTIFY: 413). A removal does not
 * look at the last five; an initial publication with `expires_s` 0 leaves nothing behind, and
 * succeeds. The body itself is kept only where a later diff needs it: of application/pidf-diff+xml
 * (RFC 5264 section 4.2). Returns 0, a publication_outcome, or a negative errno; unless 0, nothing
 * has changed. */
NODISCARD int publication_apply(struct publication_store *store,
                                const struct publication_request *rq,
                                struct publication_answer *answer);

/* In the order they were made. One that is not kept, and its publisher is told so: the publication
 * is again what it was, by the same entity-tag, and a new one is gone. (What else a publisher that
 * began anew had left behind is not brought back.) */
void publication_promise_end(struct publication_store *store, struct publication_promise *promise,
                             bool kept);

/* Before any request: a record that was kept, those of KEEP_PUBLICATION first. One whose place is
 * not served any more is forgotten. 0, -EBADMSG (nonsense) or -ENOMEM. */
NODISCARD int publication_restore(struct publication_store *store,
                                  const struct keep_record *record);
/* All have been: composites are told. What ended meanwhile expires now. 0 or -ENOMEM, also when
 * there was not enough before: then the store is good for nothing but its destruction. */
NODISCARD int publications_restored(struct publication_store *store);
NODISCARD int publication_record_check(const struct keep_record *record); /* 0 or -EBADMSG */
void publications_keep_all(struct publication_store *store);              /* once more */

/* The configuration has changed: publications for which there is no place any more end as if they
 * were removed, their publishers get 412 (or 404). For want of memory some end a little later. */
void publication_store_prune(struct publication_store *store);

/* One that no PUBLISH made and no time ends: `source` says this about the resource, until it says
 * something else or NULL. How mailboxes come into message-summary. 0 or -ENOMEM. */
NODISCARD int publication_internal_set(struct publication_store *store,
                                       const struct resource_name *name, struct str package,
                                       struct str source, const struct event_state *document);

struct inbound_publication_view { /* borrowed for the call */
    struct str package, context, extension, publisher, etag, content_type, call_id;
    uint32_t expires_s; /* left of what was granted */
    uint64_t published_wall_ms, changed_wall_ms;
    size_t body_len;
};
void publication_store_each(const struct publication_store *store,
                            void (*each)(void *ctx, const struct inbound_publication_view *v),
                            void *ctx);

/* Publications that have expired are not counted as such at once, but go on as resources and bytes
 * until they are cleared away: 10 ms later, or when it is their turn. */
/* The same for one resource. */
void publication_resource_each(const struct publication_store *store,
                               const struct resource_name *name,
                               void (*each)(void *ctx, const struct inbound_publication_view *v),
                               void *ctx);

struct publication_counters {
    uint64_t publications, resources, bytes;
    uint64_t initial, refreshed, modified, removed, expired, superseded;
    uint64_t no_match, refused, over_quota, composed, unchanged;
};
void publication_counters_get(const struct publication_store *store,
                              struct publication_counters *out);
