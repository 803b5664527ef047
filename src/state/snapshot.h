// SPDX-License-Identifier: MIT
/* snapshot.h - the one kind of thing that lights lamps: the state of a resource at one moment,
 * immutable and counted.
 *
 * Producers (hints, composed publications) build one per change; consumers (NOTIFY,
 * PUBLISH, the edges) keep a reference. Rendered bodies hang on the snapshot, so that they are made
 * once and shared. Threads: any may read, ref and unref; only the state thread builds. */
#pragma once
#include "state/event_state.h"
#include <stdatomic.h>

/* What snapshots and their bodies have on the heap, malloc's own included, whichever thread has
 * them. */
struct snapshot_heap {
    _Atomic uint64_t bytes, body_bytes;
};

/* A rendered body, owned by the snapshot: see body/body.h. Where the snapshot is counted it is the
 * beginning of what malloc gave. */
struct snapshot_body {
    struct snapshot_body *next;
    uint64_t key; /* the address of something that it keeps in memory, or an odd number */
    void (*destroy)(struct snapshot_body *b);
};

/* What made something change: an event of a source, a reload, the end of a publication. Whatever
 * follows from it carries its number, so that all of it can be found together. */
struct cause {
    uint64_t number;   /* 1, 2, 3, ... since the process began; 0: not known */
    struct str source; /* who said it: "pbx-a", "cli", "configuration" */
    bool away;         /* it did not: it is a PBX that is away for longer than its grace */
    uint32_t grace_s;  /* then */
};

struct snapshot {
    atomic_uint refs;
    struct snapshot_heap *heap;             /* NULL: it is not counted */
    _Atomic(struct snapshot_body *) bodies; /* newest first; only ever prepended to */
    uint64_t resource_id;                   /* never reused while the process lives */
    uint64_t sequence;                      /* of this resource: 1, 2, 3, ... */
    uint64_t changed_wall_ms;
    uint64_t since_wall_ms;     /* `state` is what it is */
    struct cause cause;         /* of the change that made it */
    enum extension_state state; /* EXTENSION_REMOVED: the resource is gone, and this is the last */
    enum extension_state hint_state; /* of the hint alone; UNAVAILABLE without one */
    bool has_hint;
    bool stale; /* a source of what it is made of is away for too long, and may say otherwise */
    enum presence_state presence;
    /* Composed publications that count here; a reference. NULL: none. */
    const struct event_state *published;
    /* The calls of the hint, instead of which there is else one dialog that stands for it; a
     * reference. NULL: none are known. */
    const struct event_state *calls;
    struct str package;            /* empty: an extension, for `dialog` and `presence` */
    struct str context, extension; /* where it lives, its concrete name */
    struct str hint, hint_name;    /* text as evaluated; "Alice Smith" or empty */
    struct str presence_subtype, presence_message;
    char text[]; /* the strings above */
};

struct snapshot_spec {          /* everything is borrowed for the call */
    struct snapshot_heap *heap; /* NULL, or it lives longer than all that it counts */
    uint64_t resource_id, sequence, changed_wall_ms, since_wall_ms;
    struct cause cause;
    enum extension_state state, hint_state;
    bool has_hint, stale;
    enum presence_state presence;
    const struct event_state *published, *calls; /* references are taken */
    struct str package, context, extension, hint, hint_name, presence_subtype, presence_message;
};

/* What a resource is called: an extension of a context, which shows in `dialog` and `presence`; or,
 * for any other event package, whom it is about. */
struct resource_name {
    struct str package; /* empty: an extension */
    struct str context, extension;
};

/* With one reference. Returns 0 or -ENOMEM. */
NODISCARD int snapshot_create(struct snapshot **out, const struct snapshot_spec *spec);
struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_unref(const struct snapshot *s); /* NULL is fine */

/* The body with this key, or NULL. It lives as long as the snapshot. */
struct snapshot_body *snapshot_body_find(const struct snapshot *s, uint64_t key);
/* Offer a rendered body. When another thread was faster its body is returned and `b` destroyed;
 * otherwise `b`. */
struct snapshot_body *snapshot_body_add(const struct snapshot *s, struct snapshot_body *b);
