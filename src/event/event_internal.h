// SPDX-License-Identifier: MIT
/* event_internal.h - what the notifier's files share: dialogs with their usages, resources with
 * theirs.
 *
 *   notifier ──< dialog ──< subscription >── watched (newest snapshot) ──< name
 *
 * notifier.c      the whole: settings, stop, listings
 * subscribe.c     one SUBSCRIBE, checked and answered
 * address.c       what a Request-URI names
 * subscription.c  the state machine of one usage
 * notify.c        one NOTIFY as bytes, and what its answer means
 * dialog.c        dialogs, and the part of a NOTIFY that they fix
 * target.c        where a NOTIFY goes, what we call ourselves
 * watched.c       what names mean, and the fan-out of a change
 * follow.c        subscriptions go where their names lead now
 * winfo.c         who watches, for those who want to know
 * tell.c          what the edges are told
 * refused.c       ... also of what was refused before it came here
 * drain.c         moving the subscribers away
 * list.c          resource lists: what they show, as a body
 * keep.c          records of subscriptions, and answers that wait until they are durable
 * restore.c       subscriptions of a former process
 * import.c        subscriptions of another server
 * unsolicited.h   what is told without a subscription */
#pragma once
#include "base/interned.h"
#include "event/notifier.h"
#include "event/unsolicited.h"
#include "txn/limits.h"

/* What we keep of a peer's texts: more is refused. */
enum {
    CALL_ID_MAX = 255,
    TAG_MAX = 128,
    EVENT_URI_MAX = 512,
    EVENT_PARAMS_MAX = 128,
    ROUTES_MAX = 2048,   /* a whole route set */
    RESOURCE_MAX = 79,   /* a name in a dialplan */
    USER_AGENT_MAX = 64, /* the rest is cut off */
    DISPLAY_MAX = 64,    /* likewise: what a subscriber calls herself */
    ACCEPT_MAX = 2048,   /* likewise */
    USAGES_MAX = 32,     /* in one dialog */
};

/* A CSeq or a version is not written for each NOTIFY: of a restored subscription they go on this
 * much higher for each start in between, and before half of it is used up the record is written
 * again. */
enum { NUMBERS_STRIDE = 2048 };

enum {
    FAN_OUT_SLICE = 512,       /* subscriptions attended to in one tick: some 3 ms */
    FAN_OUT_TURN = 128,        /* of these in one turn of the loop, so that others get a word in */
    FAN_OUT_SMALL = 32,        /* of one resource: done at once, whoever else is in the queue */
    BACK_OFF_FIRST_MS = 32000, /* after a refused NOTIFY, doubled up to the next */
    BACK_OFF_MAX_MS = 600000,
    RETRY_AFTER_MAX_MS = 3600000, /* we do not believe a Retry-After beyond an hour */
    CONGESTED_MS = 1000,          /* our own queue was full, or memory short */
    SPARE_NOTIFIES = 1024,        /* kept for the next ones */
};

/* RFC 5839: the subscriber knows this view already. */
struct suppression {
    bool given, any; /* any: "*" */
    uint64_t tag;
};

struct span { /* a part of a text kept elsewhere */
    uint16_t at, n;
};

/* The end of every NOTIFY's head: Allow-Events, Max-Forwards, User-Agent. One for all, until the
 * settings change. */
struct notify_tail {
    unsigned refs;
    size_t n;
    char text[];
};

struct drain { /* subscribers are asked to go elsewhere, some at a time */
    struct timer timer;
    bool active;
    struct notifier_drain how;
    uint64_t begun_ms, n_due; /* the latter of ours, when it was last looked */
};

struct refused {            /* before it came here */
    struct list challenges; /* challenge.link, the oldest first */
    size_t n_challenges;
    struct timer timer;
    uint64_t paced_ms; /* until then as many have been told as may be, in the long run */
};

struct list_view { /* what a list showed one subscriber last: it is asked for several times */
    uint32_t number, generation; /* of the subscription, and of the rules */
    const struct snapshot *whole, *shown;
};

struct notifier {
    struct notifier_config cfg;
    const struct settings *settings;       /* a reference */
    struct notifier_transport *transports; /* by flow.transport; the ids are ours */
    size_t n_transports;
    struct buf allow_events;        /* "dialog, presence" */
    struct notify_tail *tail;       /* a reference */
    struct buf headers;             /* of the response being made */
    struct buf scratch;             /* of whatever is being built */
    struct map dialogs;             /* by local tag */
    struct interned_table interned; /* struct peer, struct path, what is accepted */
    struct interned *last_path;     /* by these settings; mostly the next dialog's too; or NULL */
    struct map resources;           /* watched.node, by id */
    struct map quotas;              /* quota.node, by its subscription */
    struct map names;               /* name.node, by context and extension */
    struct map winfos;              /* winfo.node: whose watchers are asked for */
    struct list questions;          /* name.link of those asked for, oldest first */
    struct list idle;    /* watched.idle: without subscriptions, but see watched_release */
    struct list fan_out; /* watched.queued: with subscriptions still to be attended to */
    struct timer fan_out_timer;
    uint64_t slice_tick; /* of the clock: when the slice began that `slice_left` is the rest of */
    size_t slice_left;
    uint64_t next_cookie; /* of questions */
    uint32_t last_number; /* of subscriptions; none lives until it comes round */
    uint32_t generation;  /* of the settings */
    uint32_t lookup;      /* counts dialplans: names may mean something else now */
    struct timer rules_timer;
    uint64_t rules_due_ms; /* of the wall clock: who may watch changes then; UINT64_MAX: never */
    size_t outstanding;    /* NOTIFYs */
    struct notify *spare;  /* for the next ones, some */
    size_t n_spare;
    int print_result; /* of the last notify_print */
    bool stopping, destroying;
    bool bodies_changed;   /* since the settings were set */
    bool quiet;            /* stopping, and the next process goes on: nobody is told anything new */
    struct watched *limbo; /* where those that were restored wait for their resource; or NULL */
    struct list promises;  /* promise.link, oldest first */
    size_t n_promises;
    struct drain drain;
    struct refused refused;
    struct list_view list_view;
    struct unsolicited unsolicited;
    struct map seeks, seek_questions; /* struct seek, by dialog and by what was asked */
    struct notifier_counters counters;
    struct { /* what is on the heap */
        struct tally subscriptions, dialogs, resources, notifies;
    } heap;
};

static inline uint64_t notifier_now(const struct notifier *n)
{
    return clock_monotonic_ms(n->cfg.clock);
}

/* ---- address.c ---- */

struct watched_name;
struct subscription;

struct address { /* borrowed */
    const struct settings *settings;
    const struct endpoint_settings *endpoint; /* whose subscription it is */
    struct str host;                          /* of the Request-URI */
    bool lists, list_only; /* names may be those of resource lists; nothing else will do */
};

bool package_is_messages(struct str package);
/* Is this a package whose resources are extensions: `dialog`, `presence`? */
bool package_is_extension(struct str package);
/* Can this package be subscribed to at the Request-URI? */
bool package_is_served(const struct address *at, struct str package);
/* The package of that resource, as the state core has it: empty for an extension. Borrows from
 * both, and is printed on `room` if it is of watcher information. */
struct str address_package(const struct address *at, struct str package, struct buf *room);
/* What the Request-URI names for a subscription of this package, with its user part decoded as
 * `user`. Borrows from all of them. False: it names nothing. */
bool address_resolve(struct watched_name *out, const struct address *at, struct str package,
                     struct str user, struct buf *room);
/* The same for a subscription that is there, by the settings of now. */
bool address_again(struct watched_name *out, const struct subscription *s, struct buf *room);
/* The package whose bodies it has: that of watcher information is a template, and so is one that
 * nobody makes bodies for. */
struct str package_of_bodies(const struct notifier *n, struct str package);

/* ---- subscribe.c ---- */

/* All values of Accept in one; what does not fit is not looked at. False: there is none. */
bool join_accept(const struct sip_message *msg, struct buf *out);
/* Does whoever sent this understand resource lists? RFC 4662 section 4.1. */
bool understands_lists(const struct sip_message *msg);
/* What a subscriber calls herself, without its escapes. */
void add_display(struct buf *b, struct str display);

/* ---- target.c ---- */

struct target { /* where a dialog's NOTIFYs go */
    struct flow flow;
    bool secure;
    struct buf uri; /* the remote target */
    /* What target_finish makes: */
    bool ask_rport;
    bool for_any;       /* the remote did not matter */
    struct buf self;    /* what we call ourselves there, in Via too: host:port */
    struct buf contact; /* ours, with <> */
    char uri_room[EVENT_URI_MAX + 64], self_room[EVENT_URI_MAX], contact_room[2 * EVENT_URI_MAX];
};
/* `contact` is the subscriber's; `routes` the route set, comma separated. 0 or -EMSGSIZE. */
NODISCARD int target_choose(struct target *t, const struct notifier *n,
                            const struct uas_request *rq, const struct sip_uri *contact,
                            struct str routes);
/* With the flow chosen, what we call ourselves there. 0 or -EMSGSIZE. */
NODISCARD int target_finish(struct target *t, const struct notifier *n,
                            const struct endpoint_settings *e);
/* Is this transport known to be gone? */
bool transport_is_gone(const struct notifier *n, uint32_t index);
/* The way to the remote in the place of one by that transport: by the endpoint's own, else by the
 * one with the same name, else by any that reaches it. 0 or -errno: there is none. */
NODISCARD int transport_replace(const struct notifier *n, const struct endpoint_settings *e,
                                uint32_t index, const struct addr *remote, struct flow *out);
/* For bodies, escaped for XML: the resource as this subscriber named it, and the subscriber by
 * From: who she is, without port and transport, which say where. */
void print_resource_uri(struct buf *out, const struct sip_uri *request_uri, struct str resource);
void print_subscriber_uri(struct buf *out, const struct sip_uri *from_uri);
/* The same of a text, which may be no URI, not escaped. */
void subscriber_uri_add(struct buf *out, struct str from_uri);

/* After the end of its connection: the way to the Contact, or the first of its routes, by one that
 * is opened, in the place of the remote and connection of `flow`. False: nobody could be reached
 * there, most often because it is behind a NAT. `e` NULL: it is gone. */
bool target_reopen(struct flow *flow, const struct endpoint_settings *e, struct str contact,
                   struct str routes);
/* The same where that names another protocol than the connection's was, of which the URI without a
 * `transport` is one (RFC 3263 section 4.1): the way by a transport of ours that has it. */
bool target_reopen_otherwise(const struct notifier *n, struct flow *flow,
                             const struct endpoint_settings *e, struct str contact,
                             struct str routes);

struct target_memory {    /* what is known of one; borrowed for the call */
    struct str transport; /* its id */
    enum net_protocol protocol;
    struct str routes;
    struct addr remote;
    struct addr local; /* as it was, for want of something better */
    struct str uri;
    bool secure;
};
/* Where that is now, with the transports of now; `e` NULL: it is gone. 0 or -EMSGSIZE. */
NODISCARD int target_recall(struct target *t, const struct notifier *n,
                            const struct endpoint_settings *e, const struct target_memory *m);

/* ---- dialog.c ---- */

/* Who a dialog is with, interned: its texts are behind it. */
struct peer {
    uint16_t endpoint_n, user_agent_n,
        routes_n; /* the endpoint's id; the route set comma separated */
    char text[];
};

/* The way of a dialog's NOTIFYs as far as other dialogs share it, interned likewise. Without gaps:
 * it is compared as bytes. */
struct path {
    uint32_t transport, protocol;
    struct addr local;
    uint16_t via_n;     /* "Via: ...;branch=" */
    uint16_t contact_n; /* ours, with <> */
    uint16_t strict_n;  /* the Request-URI if that is a strict router's, else empty */
    uint16_t routes_n;  /* Route lines, but for the target that a strict router wants as the last */
    uint16_t user_n;    /* of our Contact */
    uint16_t for_any;   /* it would be the same for any remote, as far as that has no routes */
    char text[];
};

enum head_part {              /* the texts of a head */
                 HEAD_REMOTE, /* its flow's, as bytes: see head_remote */
                 HEAD_LOCAL_TAG,
                 HEAD_CALL_ID,
                 HEAD_REMOTE_TAG,
                 HEAD_REMOTE_URI,
                 HEAD_LOCAL_URI,
                 HEAD_TARGET,
                 HEAD_PARTS
};

/* What a dialog fixes of its NOTIFYs: immutable and counted, because the one under way is printed
 * again and again while a refresh may have changed the target. */
struct dialog_head {
    struct interned *path; /* a struct path; a reference */
    unsigned refs;
    uint32_t connection;       /* of its flow */
    uint16_t ends[HEAD_PARTS]; /* of each text */
    char text[];
};

static inline struct str head_str(const struct dialog_head *h, enum head_part part)
{
    uint16_t at = part ? h->ends[part - 1] : 0;

    return (struct str){ h->text + at, (size_t)(h->ends[part] - at) };
}
struct dialog_head *dialog_head_ref(struct dialog_head *h);
void dialog_head_unref(struct dialog_head *h); /* NULL is fine */
struct addr head_remote(const struct dialog_head *h);
struct flow head_flow(const struct dialog_head *h);
struct str head_contact(const struct dialog_head *h); /* ours, with <> */
bool head_is_secure(const struct dialog_head *h);
/* "NOTIFY sip:... SIP/2.0" CRLF, Via, From, To, Contact, Call-ID, CSeq, Route. */
void head_print(const struct dialog_head *h, const struct client_txn *ct, uint32_t cseq,
                struct buf *out);

enum dialog_seeking {
    SEEKING_NOT,
    SEEKING_ASKS, /* where its next hop is was asked for: no NOTIFY but the last leaves meanwhile */
    SEEKING_TRIES /* it goes where that is, and has not been answered from there yet */
};

struct dialog {
    struct map_node node;
    struct notifier *notifier;
    struct list usages;       /* subscription.of_dialog */
    struct dialog_head *head; /* a reference */
    struct interned *peer;    /* a struct peer; a reference */
    uint32_t local_cseq, remote_cseq;
    uint16_t n_usages, pins; /* it lives as long as there are any */
    bool recalled;           /* of a former process, and the subscriber has not been heard since */
    uint8_t seeking;         /* enum dialog_seeking */
    uint8_t reopened;        /* times in a row that a connection of ours brought no answer */
    bool reached;            /* one has, since we have it */
};

struct dialog_spec { /* borrowed for the call */
    const struct uas_request *rq;
    const struct sip_uri *contact;
    struct str local_tag;
};
/* All values of Record-Route in one. */
void gather_routes(const struct sip_message *msg, struct buf *out);
/* 0, -ENOMEM, -EMSGSIZE; -EBADMSG: the route set is not a line of text. Pinned once. */
NODISCARD int dialog_create(struct dialog **out, struct notifier *n,
                            const struct dialog_spec *spec);
struct dialog *dialog_find(const struct notifier *n, const struct sip_message *msg);
struct dialog_memory { /* what is known of one; borrowed for the call */
    struct target_memory target;
    struct str endpoint, user_agent, routes;
    struct str text[HEAD_PARTS]; /* but for HEAD_REMOTE and HEAD_TARGET */
    uint32_t local_cseq, remote_cseq;
};
/* A dialog of a former process: the one that is here already, if there is one, which then knows
 * what the later of the two memories knows. Pinned once. 0, -ENOMEM, -EMSGSIZE. */
NODISCARD int dialog_recall(struct dialog **out, struct notifier *n, const struct dialog_memory *m);
void dialog_pin(struct dialog *d);
void dialog_unpin(struct dialog *d); /* it may be gone */
/* The head after this in-dialog request; `contact` NULL: as before. `*out` may be the present head;
 * give it to dialog_head_set or unref it. 0, -ENOMEM, -EMSGSIZE. */
NODISCARD int dialog_head_after(struct dialog *d, const struct uas_request *rq,
                                const struct sip_uri *contact, struct dialog_head **out);
void dialog_head_set(struct dialog *d, struct dialog_head *head); /* takes the reference */
enum dialog_way {
    DIALOG_MOVED = 1, /* by another transport from now on, which the subscriber has to be told */
    DIALOG_STRANDED,  /* its transport is gone, and no other reaches the subscriber */
    DIALOG_WAITS      /* likewise, until the subscriber is heard again: we were away, not it */
};
/* See that it has a transport. 0: as before; DIALOG_MOVED; DIALOG_STRANDED; -ENOMEM, -EMSGSIZE. */
NODISCARD int dialog_reroute(struct dialog *d, const struct endpoint_settings *e);
/* Why that found no way; NULL: it is not by a transport that is gone. */
const char *dialog_stranded_why(const struct dialog *d);
/* Its connection has ended. 0: there is another way, by one that is opened; DIALOG_STRANDED: there
 * is none; DIALOG_WAITS; -ENOMEM, -EMSGSIZE. */
NODISCARD int dialog_reopen(struct dialog *d);
/* When one of ours that has brought no answer is opened anew: UINT64_MAX, no more. */
uint64_t dialog_reopen_ms(const struct dialog *d);
void dialog_answered(struct dialog *d);
/* By this way from now on. 0, -ENOMEM, -EMSGSIZE. */
NODISCARD int dialog_redirect(struct dialog *d, const struct endpoint_settings *e,
                              const struct flow *flow);
struct str dialog_endpoint(const struct dialog *d);
struct str dialog_user_agent(const struct dialog *d);
struct str dialog_routes(const struct dialog *d);

/* ---- seek.c: next hops that are names ---- */

enum seek_why {
    SEEK_ROUTE,     /* it begins, or was heard again */
    SEEK_UNREACHED, /* nobody answers, or its connection has ended */
    SEEK_REFUSED    /* 503 */
};
/* The dialog begins, or has a head anew: look for its proxy, if that has a name. */
void seek_route(struct dialog *d);
enum seek_way {
    SEEK_WAITS = 1, /* its subscriptions are attended to when it is known, or told that it is not
                       (notify_unreached) */
    SEEK_NONE       /* there is no other place */
};
/* A NOTIFY was in vain. 0: the next one goes elsewhere; enum seek_way. */
NODISCARD int seek_elsewhere(struct dialog *d, enum seek_why why);
void seek_over(struct dialog *d); /* it is where it should be, or has ended */
/* The name of the next hop; empty: it is an address. */
struct str seek_name(const struct dialog *d);
void seek_resolved(struct notifier *n, uint64_t question, const struct dns_targets *found);

/* ---- subscription.c ---- */

/* A subscription as its notifier sees it: RFC 6665 section 4.2.2. The end has two steps, because
 * the last NOTIFY waits for the answer to the one before.
 *
 *   resp_wait ──200──▶ active ──end──▶ ending ──last NOTIFY──▶ terminated ──answer──▶ gone
 *    │    └──200──▶ pending ──end──▶ ─┘  │                                            ▲
 *    │               └─confirmed─▶ active└──NOTIFY failed──▶ gone                     │
 *    └──refused──▶ gone      active, pending ──NOTIFY failed──────────────────────────┘
 *
 * Where subscriptions are kept, keeping is between resp_wait and the 200: its record is not durable
 * yet. One that is restored begins active or pending. */
enum sub_state {
    SUB_RESP_WAIT,
    SUB_KEEPING,
    SUB_PENDING,
    SUB_ACTIVE,
    SUB_ENDING,
    SUB_TERMINATED,
    SUB_GONE,
    SUB_STATES
};

enum end_reason { /* RFC 6665 section 4.1.3 */
                  END_NONE,
                  END_TIMEOUT,
                  END_NORESOURCE,
                  END_REJECTED,
                  END_DEACTIVATED,
                  END_PROBATION,
                  END_GIVEUP,
                  END_REASONS
};

struct watched;

enum sub_text {
    SUB_EVENT,   /* Event's value */
    SUB_LOCAL,   /* the resource's URI for bodies, escaped; empty: as in To */
    SUB_REMOTE,  /* the subscriber's, likewise; empty: as in From */
    SUB_DISPLAY, /* what the subscriber calls herself */
    SUB_HOST,    /* what the Request-URI named */
    SUB_USER,
    SUB_TEXTS
};

/* There are a million of them: what most do not have is a pointer or a bit, what the dialog knows
 * is not repeated. What each NOTIFY looks at comes first, in as few cache lines as will hold it. */
struct subscription {
    struct list of_resource; /* watched.told or .behind */
    struct list of_question; /* name.waiting, while what it is about is asked */
    struct dialog *dialog;
    struct watched *resource;                /* NULL in resp_wait */
    struct notify *notify;                   /* the one under way, or NULL */
    const struct body_profile *profile;      /* what it wants now; a reference */
    const struct body_profile *sent_profile; /* of the last NOTIFY, likewise; or NULL */
    const struct snapshot *sent;             /* likewise; NULL: nothing yet */
    const struct view *view; /* what it may see of what it is allowed to, a reference; NULL:
                                everything */
    struct interned *accept; /* of an opaque package: what it takes, a reference; NULL: anything */
    union {
        struct server_txn *request; /* in resp_wait and keeping: the SUBSCRIBE to be answered */
        uint64_t expires_ms;        /* later */
    };
    uint64_t retry_ms; /* not before; 0: any time */
    uint64_t told_sequence;
    uint32_t version, cseq; /* of the last NOTIFY */
    uint32_t acknowledged_after_ms;
    uint32_t generation; /* of the settings it was checked against */
    uint32_t lookup;     /* notifier.lookup when it was asked what it is about */
    uint32_t kept;       /* the number of its record; 0: there is none */
    uint16_t failures;   /* in a row */
    uint8_t state, reason, flags;
    uint8_t handling;        /* enum watcher_handling; who is not allowed sees the neutral state */
    bool suppress_given : 1; /* suppress_tag means something, unless the next */
    bool suppress_any : 1;   /* "*" */
    bool notified : 1;       /* cseq means something */
    bool documented : 1;     /* version means something */
    bool acknowledged : 1;   /* `sent` is what the subscriber shows */
    bool answer_due : 1;     /* a NOTIFY must follow the 200 to a SUBSCRIBE */
    bool hold : 1;           /* a change does not end the wait for retry_ms */
    bool winfo : 1;          /* it is about watchers */
    bool list : 1;           /* about a resource list */
    bool batched : 1;        /* what it waits for in retry_ms is told together */
    bool approved : 1;       /* it was pending once */
    bool promised : 1;       /* an answer to it waits: a struct promise */
    bool restored : 1;       /* what it shows has not been looked at yet */
    uint8_t in_local;        /* bits of those texts that are part of SUB_LOCAL */
    uint16_t package_n;      /* how SUB_EVENT begins */
    struct span id;          /* in SUB_EVENT */
    struct span texts[SUB_TEXTS];
    struct list of_dialog;
    struct timer timer;                /* expiry or retry; in resp_wait: patience */
    struct solicitation *solicitation; /* NULL: it tells nothing that is told unasked */
    uint64_t give_up_ms;               /* while it is pending */
    uint64_t suppress_tag;             /* of the last SUBSCRIBE, until a NOTIFY answers it */
    uint32_t expires_s;                /* granted; 0: a fetch */
    uint32_t number;                   /* among those of the notifier */
    char text[];
};

/* ---- quota.c ---- */

enum { QUOTA_CLAIM_ADDRESS = 2, QUOTA_CLAIMS };
struct quota {            /* one subscription's part of what several may have together */
    struct map_node node; /* of notifier.quotas: without limits nobody has one */
    const struct subscription *of;
    struct limit_claim claims[QUOTA_CLAIMS];
};
struct quota_spec { /* borrowed for the call */
    struct str endpoint, context, extension;
    struct addr remote; /* where its NOTIFYs go; the port does not matter */
    bool restored;      /* it was accepted before, so it counts, but is not refused */
};
enum { QUOTA_FULL_ENDPOINT = 1, QUOTA_FULL_RESOURCE, QUOTA_FULL_ADDRESS };
/* 0, with NULL where nothing is limited; or which of them has as many as it may have, which is
 * counted; or -ENOMEM. */
NODISCARD int quota_take(struct quota **out, struct notifier *n, const struct quota_spec *spec);
void quota_give(struct notifier *n, struct quota *q); /* NULL is fine */
/* It is that of this subscription, until that ends. */
void quota_attach(struct notifier *n, struct quota *q, const struct subscription *s);
/* Its NOTIFYs will go there: 0, QUOTA_FULL_ADDRESS or -ENOMEM, then nothing is changed. */
NODISCARD int quota_move(struct notifier *n, const struct subscription *s,
                         const struct addr *remote);
void quota_end(struct notifier *n, const struct subscription *s);

struct subscription_spec { /* borrowed for the call */
    struct dialog *dialog;
    struct server_txn *request; /* NULL: it is restored */
    const struct body_profile *profile;
    unsigned flags;
    uint32_t expires_s;
    struct suppression suppress;
    bool list;
    struct str accept; /* of an opaque package */
    struct str event, local, remote, display, host, user;
};
struct str sub_text(const struct subscription *s, enum sub_text which);
static inline struct str sub_package(const struct subscription *s)
{
    return (struct str){ s->text, s->package_n };
}
static inline struct str sub_event_id(const struct subscription *s)
{
    return (struct str){ s->text + s->id.at, s->id.n };
}
static inline struct str sub_accept(const struct subscription *s)
{
    return s->accept ? interned_str(s->accept) : STR_EMPTY;
}
/* The admitted slot is given back when it goes. 0, -ENOMEM, -EMSGSIZE. */
NODISCARD int subscription_create(struct subscription **out, const struct subscription_spec *spec);
/* Silently; it must not owe an answer. */
void subscription_destroy(struct subscription *s);
/* It tells of another resource now: what only the former one told is told unasked again. */
void subscription_resolicit(struct subscription *s);
/* An opaque package's bodies have the type published, which nobody knows before. That of what this
 * subscriber would be shown, without parameters, if such an Accept does not cover it; else empty.
 */
struct str subscription_unaccepted(const struct subscription *s, const struct watched *w,
                                   struct str accept);
/* From resp_wait. Both answer the SUBSCRIBE, the former when it is durable; the subscription may be
 * gone afterwards. */
void subscription_accept(struct subscription *s, struct watched *w);
void subscription_refuse(struct subscription *s, unsigned status,
                         const char *why); /* keeping, too */
/* Its 200, and what follows. From resp_wait or keeping. */
void subscription_begin(struct subscription *s);
static inline bool sub_is_answered(const struct subscription *s)
{
    return s->state > SUB_KEEPING;
}
/* The first look at one that was restored, with its resource: true when it shows what there is.
 * `restored` stays set on one that has to be ended: for `reason`, or because its time is over. */
bool subscription_settle(struct subscription *s);

struct refresh { /* borrowed for the call */
    struct server_txn *request;
    struct dialog_head *head;           /* its reference is taken */
    const struct body_profile *profile; /* NULL: as before, and `accept`, too */
    unsigned flags;
    struct interned *accept; /* of an opaque package; its reference is taken */
    uint32_t expires_s;      /* 0: unsubscribe */
    struct suppression suppress;
    struct promise *promise; /* taken; NULL: it is not kept */
};
void subscription_refresh(struct subscription *s, const struct refresh *r);
/* All of these may leave it gone. */
void subscription_end(struct subscription *s, enum end_reason reason);
void subscription_attend(struct subscription *s); /* something changed: look what is due */
void subscription_gone(struct subscription *s, const char *why);

void sub_move(struct subscription *s, enum sub_state next);
static inline bool sub_runs(const struct subscription *s)
{
    return s->state == SUB_ACTIVE || s->state == SUB_PENDING;
}
void subscription_arm(struct subscription *s);
uint32_t subscription_left_s(const struct subscription *s);
unsigned body_flags_of(const struct settings *settings, const struct endpoint_settings *e,
                       struct str user_agent);
/* The settings may have changed: END_NONE, or why it is to be ended. What it is shown, also in its
 * last NOTIFY, is from now on what it may see. */
NODISCARD enum end_reason subscription_recheck(struct subscription *s);
void subscription_retry(struct subscription *s, uint64_t delay_ms, bool hold);

/* ---- notify.c ---- */

/* The NOTIFY under way, from its sending to its answer: what it takes to print it again. */
struct notify {
    struct client_txn txn;
    struct notifier *notifier;
    struct subscription *subscription;
    struct dialog_head *head;        /* a reference */
    struct notify_tail *tail;        /* a reference */
    const struct body_profile *news; /* what is told; NULL: just `sent_profile` */
    const struct snapshot *was;      /* of a list: since this, a reference; NULL: all of it */
    struct notify *next;             /* among the spare ones */
    uint32_t expires_s, retry_s;
    uint32_t late_ms; /* how long after the change that it tells it was sent */
    uint8_t reason;
    bool pending, bodiless; /* the latter by RFC 5839 */
    bool tells_change;      /* after others: the first one of a subscription is no measure */
    bool sent;
    uint32_t coalesced; /* states that it makes up for */
};

void notify_due(struct subscription *s); /* sends what is due; it may be gone afterwards */
void notify_unreached(struct subscription *s, bool refused); /* it may be gone */
void notify_abandon(struct subscription *s); /* forget the one under way: its address has changed */
void notify_forget(struct subscription *s);  /* it is going */
/* What the rules say of it is asked again when it is attended to. */
static inline void subscription_doubt(struct subscription *s)
{
    s->generation = s->dialog->notifier->generation - 1;
}
void notify_fini(struct notifier *n);
/* 64 bits of what this shows by this profile, but for its numbers. 0 or negative as body_render. */
NODISCARD int view_digest(const struct subscription *s, const struct body_profile *p,
                          const struct snapshot *snap, uint64_t *out);
/* 0 or -EINVAL: it is none of ours. */
NODISCARD int entity_tag_parse(uint64_t *out, struct str tag);
/* Is what it would be told what it said it knows? */
bool notify_is_suppressed(const struct subscription *s);
/* It knows the newest state, as if it had been told. */
void notify_known(struct subscription *s);
/* Does it show what there is, as far as anything is known of what a former process told? Then that
 * is as if it had been told by this one. */
bool notify_is_shown(struct subscription *s);
NODISCARD int notify_tail_create(struct notify_tail **out, const struct notifier *n);
void notify_tail_unref(struct notify_tail *t); /* NULL is fine */

/* ---- watched.c ---- */

struct watched { /* a resource with subscriptions */
    struct map_node node;
    struct notifier *notifier;
    const struct snapshot *newest;
    const struct snapshot *neutral; /* for those who may not see it, or do not take its type; NULL
                                       until somebody asks */
    const struct snapshot *gone;    /* for those whom it is not shown any more; likewise */
    struct list told; /* subscriptions that know what is newest, or are told on their next answer */
    struct list behind; /* those still to be attended to, the longest behind first */
    struct list names;  /* name.link */
    struct list queued, idle;
    uint64_t idle_cookie;
    unsigned pins;
};

/* By its resource, which the watchers have in common: a fan-out has it in the cache. */
static inline struct notifier *sub_notifier(const struct subscription *s)
{
    return s->resource ? s->resource->notifier : s->dialog->notifier;
}

struct watched_name { /* what a subscriber asks for: see notifier_port.watch */
    struct resource_name name;
    struct str served;
};
/* Find what the name means, now or later: the subscription is accepted or refused. */
void watched_find(struct subscription *s, const struct watched_name *key);
/* The same for one that runs: watched_settle, now or later. Negative: it cannot be asked. */
NODISCARD int watched_find_again(struct subscription *s, const struct watched_name *key);
void watched_join(struct watched *w, struct subscription *s);
/* From its resource to this one, where it is attended to, soon. */
void watched_move(struct subscription *s, struct watched *to);
void watched_leave(struct notifier *n, struct subscription *s); /* in resp_wait too */
bool watched_is_removed(const struct watched *w);
/* What this subscriber may see and can show: the newest state, or the part of it that she is
 * granted; a neutral one that never changes; or the end of a resource that she is not shown any
 * more. NULL: there is no memory for that. */
const struct snapshot *watched_view(const struct subscription *s);
/* What is shown in the place of it, in that state, with nothing else known. 0 or -ENOMEM. */
NODISCARD int stand_in_make(struct snapshot **out, const struct snapshot *of,
                            enum extension_state state);
void watched_fan_out_all(struct notifier *n); /* every subscription is attended to, soon */
void watched_fan_out_fire(struct timer *t);
void watched_refuse_all(struct notifier *n); /* every waiting SUBSCRIBE gets its 503 */
/* Likewise those whose endpoint is gone or may no longer subscribe. */
void watched_refuse_barred(struct notifier *n);
void watched_fini(struct notifier *n);

struct watched *watched_by_id(const struct notifier *n, uint64_t resource_id); /* or NULL */
/* As if its resource had gone just now: what it names is asked for. 0 or -ENOMEM. */
NODISCARD int watched_recall(struct subscription *s);
/* It ends before that is answered: its last NOTIFY is about a resource of its name that is gone. */
void watched_strand(struct subscription *s);
static inline bool watched_is_limbo(const struct watched *w)
{
    return w == w->notifier->limbo;
}

/* ---- follow.c ---- */

struct watched_answer {
    struct watched *resource; /* NULL: there is none, or no memory for it */
    bool exists;
    bool always; /* there is none at any time of day */
};
/* A running subscription goes where its name leads now. False: there is nothing to tell until the
 * answer comes, or it is gone. */
bool follow(struct subscription *s);
/* The answer; it may be gone afterwards. */
void follow_answer(struct subscription *s, const struct watched_answer *a);

/* ---- keep.c ---- */

/* An answer that waits until what it promises is durable. Where the store fails, one to a new
 * SUBSCRIBE becomes a 503, others leave all the same. */
struct promise {
    struct keep_wait wait;
    struct list link; /* notifier.promises */
    struct notifier *notifier;
    struct subscription *subscription; /* NULL: it is gone, or has a later one */
    struct server_txn *request;        /* NULL: the subscription has it, in keeping */
    struct dialog_head *head;          /* likewise; a reference */
    uint32_t expires_s;
    uint16_t status;
    bool list; /* it answers for one */
};

/* ---- restore.c ---- */

struct subscription_memory { /* what is known of one; borrowed for the call */
    struct dialog_memory dialog;
    uint64_t incarnation, expires_wall_ms, give_up_wall_ms;
    uint32_t number, expires_s, flags, handling, version, ahead;
    bool list;
    struct str text[SUB_TEXTS];
    struct str accept, content_type;
    bool unwritten; /* its record is to be put */
    bool moved;     /* set: we have another address than its subscriber knows */
};
/* What we print into messages must have come out of some: a record may be damaged in a way that its
 * frame does not show. */
bool subscription_memory_is_sane(const struct subscription_memory *m);
/* A subscription with this number, whose word may say more. 0 or negative: there is none. */
NODISCARD int subscription_recall(struct notifier *n, struct subscription_memory *m,
                                  uint64_t number);

/* ---- keep.c ---- */

static inline bool notifier_keeps(const struct notifier *n)
{
    return n->cfg.keep.put != NULL;
}
/* Put its record, anew. 0 (without one, too) or -ENOMEM. */
int subscription_keep(struct subscription *s);
void subscription_forget(struct subscription *s); /* likewise, but for the end of the process */
/* From resp_wait to keeping, with its first record. 0, or negative: it is refused. */
NODISCARD int subscription_promise(struct subscription *s);
void kept_numbers_passed(struct subscription *s); /* its CSeq and version have risen */
/* A CSeq that nothing was told with yet, by the record's and the word, or the record's where that
 * does not say. */
uint32_t kept_cseq(uint64_t word, uint32_t then);
void kept_owe(struct subscription *s);   /* what it shows is not known any more */
void kept_shows(struct subscription *s); /* it shows what was told last */
bool kept_showed(const struct subscription *s, const struct body_profile *p,
                 const struct snapshot *snap);      /* in the former process: this */
struct promise *promise_create(struct notifier *n); /* NULL without memory */
void promise_destroy(struct promise *p);            /* NULL is fine */
/* This answer to its last SUBSCRIBE; to be followed by promise_wait. */
void promise_make(struct promise *p, struct subscription *s, struct server_txn *request,
                  unsigned status, uint32_t expires_s);
void promise_wait(struct promise *p); /* may answer from inside */
void promise_detach(struct subscription *s);
void promises_drop(struct notifier *n);
void record_print(const struct subscription *s, struct buf *out);

enum record_flag { /* of a record */
                   RECORD_PENDING = 1,
                   RECORD_APPROVED = 2,
                   RECORD_SECURE = 4,
                   RECORD_PROTOCOL = 8 /* times enum net_protocol */
};
enum { RECORD_FORMAT = 1 };

/* ---- list.c ---- */

/* What this list shows the subscriber, borrowed until another one is asked for; NULL: there is no
 * memory for that. */
const struct snapshot *list_view(const struct subscription *s, const struct snapshot *whole);
void list_view_forget(struct notifier *n);
uint32_t list_batch_ms(const struct subscription *s);
/* 64 bits of what it says, but for its numbers: equal lists have equal ones, in every process. 0 or
 * negative as body_render. */
NODISCARD int list_digest(const struct subscription *s, const struct body_profile *p,
                          const struct snapshot *snap, uint64_t *out);
/* Can its body be made, and does it fit? As list_print. */
NODISCARD int list_check(const struct subscription *s, const struct snapshot *snap);
struct list_news {
    const struct body_profile *profile;
    const struct snapshot *is, *was; /* was: what the subscriber shows; NULL: everything is told */
};
/* Content-Type, Content-Length and the body. 0, -EMSGSIZE, or negative as body_render. */
NODISCARD int list_print(const struct subscription *s, const struct list_news *news,
                         struct buf *out);

/* ---- winfo.c ---- */

/* It has come from another state: whoever wants to know is told. */
void winfo_moved(const struct subscription *s, enum sub_state from);
/* It is about to go on as a watcher of another resource. */
void winfo_follows(struct subscription *s, const struct watched *to);
void winfo_fini(struct notifier *n);

/* ---- tell.c ---- */

/* To the edges. */
void tell_subscription(const struct subscription *s, enum subscription_change what, unsigned status,
                       const char *why);
/* Of a SUBSCRIBE that has no subscription; `package` may be empty. */
void tell_refusal(const struct notifier *n, const struct uas_request *rq, struct str package,
                  unsigned status, const char *why);
/* What that says; borrowed from the request. */
struct change_subscription tell_refusal_of(const struct uas_request *rq, struct str package,
                                           unsigned status, const char *why);
/* Of the NOTIFY sent last; whose it is is filled in. */
void tell_notify(const struct subscription *s, const struct change_notify *told);

/* ---- refused.c ---- */

void refused_init(struct notifier *n);
void refused_fini(struct notifier *n);
/* What was challenged has come back. */
void refused_answered(struct notifier *n, const struct uas_request *rq);

/* ---- drain.c ---- */

void drain_init(struct notifier *n);

/* ---- subscribe.c ---- */

/* Answers with n->headers (reset it first), a Warning that says why, and what the status demands.
 * Counts it. */
void request_refuse(struct notifier *n, struct server_txn *st, unsigned status, const char *why);
/* 200 to a SUBSCRIBE, or 204: no NOTIFY will follow. */
void request_accept(struct notifier *n, struct server_txn *st, const struct dialog_head *h,
                    unsigned status, uint32_t expires_s, bool list);
