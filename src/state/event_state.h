// SPDX-License-Identifier: MIT
/* event_state.h - one document of a publisher, or the composite event state of a resource: RFC 3903
 * section 3. Immutable once it is handed out, and counted.
 *
 * Whoever makes one allocates everything from its arena. Facets that nobody told are not given.
 * Threads: one while it is made, then any. */
#pragma once
#include "base/arena.h"
#include "extstate/event_state.h"
#include "state/device.h"
#include <stdatomic.h>

struct list_state;

struct opaque_state { /* the last document of a package that is not understood, as published */
    struct str content_type, body;
};

/* What a document tells of a person for a time only: RFC 4480 section 3.1. It is not among what
 * that person has always; a composite has no such parts, but in its person those that hold. */
enum timed_kind { TIMED_ACTIVITY, TIMED_ELEMENT, TIMED_NOTE };
struct timed_part {
    enum timed_kind kind;
    size_t person;              /* its place in the array */
    uint64_t from_ms, until_ms; /* of the wall clock; without one 0, UINT64_MAX */
    struct es_element element;
    struct es_note note; /* of a TIMED_NOTE, instead of the element */
};

struct event_state {
    atomic_uint refs;
    bool has_dialogs, has_presence, has_messages, has_opaque, has_watchers, has_list;
    bool spheres_differ; /* of a composite: its documents do not agree on the person's sphere */
    /* What it says as the state of a device, for whoever shows one lamp: dialogs, or else presence.
     * DEVICE_INVALID: nothing. */
    enum device_state device;

    const struct es_dialog *dialogs; /* of a composite: the one a single lamp should show first */
    size_t n_dialogs;
    bool partial;     /* of a document: dialogs that it does not name stay as they are */
    uint32_t version; /* of a document */

    struct es_presence presence;
    const struct timed_part *timed;
    size_t n_timed;
    struct es_messages messages;
    struct opaque_state opaque;

    union { /* each resource has one or the other */
        const struct es_watcher *watchers;
        const struct list_state *list; /* a reference: list_state.h */
    };
    size_t n_watchers;
    bool changes_suffice; /* watchers that have changed are all there is new since the state before
                           */

    size_t packed_bytes;              /* of one that event_state_pack has made: event_state_bytes */
    const struct event_state *source; /* what it borrows from: a reference, or NULL */
    struct arena arena;
};

/* Empty, with one reference. 0 or -ENOMEM. */
NODISCARD int event_state_create(struct event_state **out);
struct event_state *event_state_ref(const struct event_state *s); /* NULL is fine */
void event_state_unref(const struct event_state *s);              /* NULL is fine */

static inline struct str es_str(struct es_text t)
{
    return (struct str){ t.p, t.n };
}
static inline struct es_text es_text_from(struct str s)
{
    return (struct es_text){ s.p, s.n };
}
/* A copy in its arena. 0 or -ENOMEM. */
NODISCARD int event_state_text(struct event_state *s, struct es_text *out, struct str text);

/* What dialogs say as the state of a device: an early dialog that rings here, one held, one talking
 * or being set up; NOT_INUSE when all have ended. */
enum device_state dialogs_device_state(const struct es_dialog *dialogs, size_t n);
/* What presence says: nobody is there (every tuple closed, or none), on the phone or busy, or idle.
 */
enum device_state presence_device_state(const struct es_presence *p);

int es_text_compare(struct es_text a, struct es_text b);
bool es_text_same(struct es_text a, struct es_text b);
enum device_state event_state_device(const struct event_state *s); /* as its facets say */
/* Do both say the same? */
bool event_state_same(const struct event_state *a, const struct event_state *b);
/* The same of two composites, where timestamps that only repeat do not count. */
bool composite_same(const struct event_state *a, const struct event_state *b);

/* A copy in as little memory as it takes, which is no longer `partial`; its `device` is what its
 * facets say. 0 or -ENOMEM. */
NODISCARD int event_state_pack(struct event_state **out, const struct event_state *s);
size_t event_state_bytes(const struct event_state *s); /* that such a copy takes; 0 for NULL */
