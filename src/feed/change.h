// SPDX-License-Identifier: MIT
/* change.h - everything that happens, as the edges are told it: from what a source says to the
 * answer of a telephone that shows it.
 *
 *     CHANGE_DEVICE or CHANGE_PRESENCE or CHANGE_MAILBOX or CHANGE_PUBLICATION
 *       → CHANGE_SNAPSHOT → CHANGE_NOTIFY and CHANGE_PUBLISH
 *
 * What belongs together has one cause. Threads: plain values. */
#pragma once
#include "base/addr.h"
#include "state/snapshot.h"

enum change_kind {
    /* Of the state thread: each once, in the order in which they happened, none is ever lost. */
    CHANGE_DEVICE,
    CHANGE_PRESENCE,
    CHANGE_SNAPSHOT,
    CHANGE_MAILBOX,
    CHANGE_PUBLICATION,
    CHANGE_CONTACT,  /* of an AOR */
    CHANGE_ENDPOINT, /* whether it can be reached */
    /* Of the workers: in order as far as one subscription or publication is concerned. When the
     * edges cannot keep up they are lost, and CHANGE_LOST says how many. */
    CHANGE_SUBSCRIPTION, /* accepted, refreshed, ended */
    CHANGE_REFUSAL,      /* refused, given up: seldom, unlike the former, when all is well */
    CHANGE_NOTIFY,
    CHANGE_PUBLISH,
    /* Of the edges. */
    CHANGE_SOURCE, /* a PBX that reports states */
    CHANGE_LOST,
    CHANGE_KINDS
};
#define CHANGE_BIT(kind) (1u << (kind))
#define CHANGE_ALL (CHANGE_BIT(CHANGE_KINDS) - 1)

/* "device", "presence", "snapshot", ... */
struct str change_kind_name(enum change_kind kind);

struct change_device {
    struct str device;
    enum device_state state, former; /* aggregated; the same when another source outweighs it */
    struct str source;               /* who said it; empty: its default has changed */
    bool says;                       /* false: the source says nothing any more */
    enum device_state said;
};

struct change_presence {
    struct str provider, subtype, message;
    enum presence_state state;
};

struct change_mailbox {
    struct str mailbox, source; /* that reported last */
    bool exists;                /* false: nobody reports it any more */
    uint32_t new_count, old_count;
};

enum publication_change {
    PUBLICATION_CHANGE_INITIAL, /* in the place of what its publisher has left behind, if any */
    PUBLICATION_CHANGE_REFRESHED,
    PUBLICATION_CHANGE_MODIFIED,
    PUBLICATION_CHANGE_REMOVED, /* by its publisher, or a reload */
    PUBLICATION_CHANGE_EXPIRED,
    PUBLICATION_CHANGE_REFUSED,
};
struct str publication_change_name(enum publication_change what); /* "initial", ... */

struct change_publication { /* received */
    enum publication_change what;
    struct str package, context, extension, publisher, content_type, call_id;
    struct str entity_tag; /* as it is now */
    uint32_t expires_s;
    unsigned status; /* of PUBLICATION_CHANGE_REFUSED, else 200 */
    struct str why;  /* likewise */
};

enum contact_change {                             /* what is known of it now */
                      CONTACT_CHANGE_UNQUALIFIED, /* nobody asks whether it is there */
                      CONTACT_CHANGE_UNKNOWN,     /* it has not been asked yet */
                      CONTACT_CHANGE_REACHABLE,
                      CONTACT_CHANGE_UNREACHABLE,
                      CONTACT_CHANGE_REMOVED, /* it is gone */
};
struct str contact_change_name(enum contact_change what); /* "unqualified", "unknown", ... */

struct change_contact {
    enum contact_change what;
    bool added; /* it is new */
    struct str aor, contact, endpoint;
    uint32_t rtt_ms; /* reachable: how long its answer took */
};

struct change_endpoint { /* by any contact of its AORs */
    struct str endpoint;
    bool reachable;
};

enum subscription_change {
    SUBSCRIPTION_ACCEPTED,
    SUBSCRIPTION_REFRESHED,
    SUBSCRIPTION_ENDED, /* with a last NOTIFY: `why` is its reason, empty when there was none */
    /* Of CHANGE_REFUSAL: */
    SUBSCRIPTION_REFUSED,  /* `status` and `why`, as in the answer's Warning */
    SUBSCRIPTION_GIVEN_UP, /* `why`: it does not answer, or refuses NOTIFY */
};
struct str subscription_change_name(enum subscription_change what);

struct change_watcher { /* whose subscription it is */
    struct str endpoint, package, call_id;
    struct str contact; /* where NOTIFY goes: a URI; empty: not known yet */
    struct addr remote;
};

struct change_subscription { /* the snapshot: what it is about, NULL while that is not known */
    enum subscription_change what;
    struct change_watcher watcher;
    struct str uri; /* what was asked for: user@host or the whole Request-URI */
    /* Of one that was refused before it was known what it is about: where its endpoint looks, and,
     * when no endpoint is known, who it says that it is. */
    struct str context, from;
    struct str user_agent;
    unsigned status;
    struct str why;
    uint32_t expires_s;
};

enum exchange_change { EXCHANGE_SENT, EXCHANGE_ANSWERED, EXCHANGE_UNANSWERED };
struct str exchange_change_name(enum exchange_change what); /* "sent", "answered", "unanswered" */

struct change_notify { /* the snapshot: what is shown, as far as this watcher may see it */
    enum exchange_change what;
    struct change_watcher watcher;
    uint32_t cseq;
    unsigned status;    /* of the answer; 408: there was none, 503: it could not be sent */
    uint32_t took_ms;   /* from its sending to the answer */
    uint32_t coalesced; /* states before this one that were never told */
    bool caused;        /* it tells a change, and not what was asked for */
    uint32_t late_ms;   /* then: from the change to its sending */
    bool last;          /* the subscription ends with it */
};

enum publish_step { PUBLISH_INITIAL, PUBLISH_MODIFY, PUBLISH_REFRESH, PUBLISH_REMOVE };
struct str publish_step_name(enum publish_step step);

struct change_publish { /* sent; the snapshot: what is told */
    enum exchange_change what;
    enum publish_step step;
    struct str section, package, server; /* server: its URI */
    struct str entity_tag;               /* given with the answer; else the one that was sent */
    uint32_t cseq;
    unsigned status;
    struct str reason;
    uint32_t took_ms, coalesced;
};

struct change_source {
    struct str source, protocol; /* "pbx-a", "ami" */
    bool up, stale;              /* stale: what it said counts no more, or is the last known */
    struct str why;
};

struct change_lost {
    uint64_t n;
    unsigned kinds; /* of which, as bits */
};

struct change {
    enum change_kind kind;
    uint64_t wall_ms;
    struct cause cause; /* number 0: none is known */
    /* Of CHANGE_SNAPSHOT: the state now, and the one before it (of a new one: that
     * nothing is known, or NULL). Of others see
     * there. A consumer that keeps one takes a reference. */
    const struct snapshot *snapshot, *former;
    union {
        struct change_device device;
        struct change_presence presence;
        struct change_mailbox mailbox;
        struct change_publication publication;
        struct change_contact contact;
        struct change_endpoint endpoint;
        struct change_subscription subscription;
        struct change_notify notify;
        struct change_publish publish;
        struct change_source source;
        struct change_lost lost;
    };
};
