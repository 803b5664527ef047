// SPDX-License-Identifier: MIT
/* snapshot.h - the one kind of thing that lights lamps: the state of a resource at one moment,
 * immutable and counted.
 *
 * Producers (hints now, composed publications later) build one per change; consumers (NOTIFY,
 * PUBLISH, the edges) keep a reference. Rendered bodies hang on the snapshot, so that they are made
 * once and shared. Threads: any may read, ref and unref; only the state thread builds. */
#pragma once
#include "state/device.h"
#include <stdatomic.h>

struct snapshot_body { /* a rendered body, owned by the snapshot: see body/body.h */
    struct snapshot_body *next;
    const void *key;
    void (*destroy)(struct snapshot_body *b);
};

struct snapshot {
    atomic_uint refs;
    _Atomic(struct snapshot_body *) bodies; /* newest first; only ever prepended to */
    uint64_t resource_id;                   /* never reused while the process lives */
    uint64_t sequence;                      /* of this resource: 1, 2, 3, ... */
    uint64_t changed_wall_ms;
    enum extension_state state; /* EXTENSION_REMOVED: the hint is gone, and this is the last */
    enum presence_state presence;
    struct str context, extension; /* where the hint lives, its concrete name */
    struct str hint, hint_name;    /* text as evaluated; "Alice Smith" or empty */
    struct str presence_subtype, presence_message;
    char text[]; /* the strings above */
};

struct snapshot_spec { /* everything is borrowed for the call */
    uint64_t resource_id, sequence, changed_wall_ms;
    enum extension_state state;
    enum presence_state presence;
    struct str context, extension, hint, hint_name, presence_subtype, presence_message;
};

/* With one reference. Returns 0 or -ENOMEM. */
NODISCARD int snapshot_create(struct snapshot **out, const struct snapshot_spec *spec);
struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_unref(const struct snapshot *s); /* NULL is fine */

/* The body with this key, or NULL. It lives as long as the snapshot. */
struct snapshot_body *snapshot_body_find(const struct snapshot *s, const void *key);
/* Offer a rendered body. When another thread was faster its body is returned and `b` destroyed;
 * otherwise `b`. */
struct snapshot_body *snapshot_body_add(const struct snapshot *s, struct snapshot_body *b);
