// SPDX-License-Identifier: MIT
/* notifier.h - one worker's subscriptions: RFC 6665 as a notifier, for every event package that has
 * a body generator.
 *
 * It answers SUBSCRIBE, keeps the dialogs and usages, and tells each subscriber the newest snapshot
 * of what it watches: one NOTIFY outstanding per subscription, the newest state wins, CSeq and
 * document version rise by one per NOTIFY sent. Where state comes from is behind a port: a watch is
 * asked for once per resource and answered later. Threads: the worker that owns it. */
#pragma once
#include "base/histogram.h"
#include "base/keep.h"
#include "body/body.h"
#include "config/settings.h"
#include "dns/dns.h"
#include "feed/feed.h"
#include "state/state.h"
#include "state/watcher.h"
#include "txn/uas.h"

#define LIST_EXTENSION "eventlist" /* the option tag of RFC 4662: resource lists */

struct notifier; /* opaque: see notifier.c */

struct notifier_port {
    void *ctx;
    /* Somebody wants this resource. Where nothing of that name is reachable and `served` is given,
     * it is the resource of that name in the context `served`, made when it is not there (a
     * compositor serves whatever users its domain has). The answer comes by notifier_watch_result
     * with the same cookie, never from inside. Negative: nothing was asked (the queue is full), the
     * subscriber gets 503. */
    int (*watch)(void *ctx, const struct resource_name *name, struct str served, uint64_t cookie);
    /* The last subscription of this resource is gone. */
    void (*unwatch)(void *ctx, uint64_t resource_id);
    /* May this process hold one more subscription? Counts it when true. (A limit across all
     * workers.) */
    bool (*admit)(void *ctx);
    void (*release)(void *ctx); /* gives one back */
    void (*readmit)(void *ctx); /* one of a former process: it is counted, limit or not */
    /* Who watches: see notifier_winfo_start. With number 0: all that there were have been told. One
     * that was pending until its subscription ended is told unasked. */
    void (*watcher)(void *ctx, const struct watcher_report *report);
    /* For what is told unasked. Find where to send; answer with notifier_resolved, never from
     * inside. An answer that does not come counts as none after half a minute. */
    void (*resolve)(void *ctx, const struct dns_question *q, uint64_t question);
    /* The way to send there by this protocol: by the transport that is named, or by the best of
     * all. 0 or -errno. */
    int (*route)(void *ctx, struct str transport_id, enum net_protocol protocol,
                 const struct addr *remote, struct flow *out);
    /* The same from this address of ours; -EADDRNOTAVAIL when no transport has it any more. */
    int (*route_from)(void *ctx, enum net_protocol protocol, const struct addr *local,
                      const struct addr *remote, struct flow *out);
    /* A subscription tells this endpoint the mailboxes of this group (settings_mailbox_group;
     * empty: of its own, settings_endpoint_group): see notifier_solicit. NULL without memory: then
     * it is told both ways. */
    struct solicitation *(*solicit)(void *ctx, struct str endpoint, struct str group);
    /* It has ended, and what solicit returned goes, too. */
    void (*unsolicit)(void *ctx, struct solicitation *s);
};

struct solicitation { /* the port's; the home of the endpoint keeps it in a list */
    struct list link;
    struct str endpoint, group;
};

struct limits;

struct notifier_config {
    struct txn_layer *txn;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    struct body_registry *bodies;    /* a reference is taken */
    const struct settings *settings; /* a reference is taken */
    struct net *net; /* may be NULL in tests: then flows' local addresses are used as they are */
    unsigned worker, workers;    /* our number, and how many there are */
    struct str allow;            /* methods served, for 200; borrowed */
    struct limits *limits;       /* of all workers; NULL: nothing is limited */
    struct keep keep;            /* what is to survive; empty: nothing is kept */
    struct keep_words words;     /* likewise: what subscribers show */
    uint64_t incarnation;        /* of the store: how often it has been started */
    struct feed_writer *changes; /* NULL: nobody wants any */
    struct notifier_port port;
};
NODISCARD int notifier_create(struct notifier **out, const struct notifier_config *cfg);
/* Drops everything without a word to the subscribers (see notifier_stop for the polite way), and
 * with it the watches: port.unwatch is not called. A SUBSCRIBE that still waits for its watch is
 * answered 503, so the transaction layer must outlive the notifier. */
void notifier_destroy(struct notifier *n);

/* A subscription of a former process, as it was kept. Its resource is asked for, and when the
 * answer comes its subscriber is told, unless she shows what there is; what has ended meanwhile is
 * ended. Before anything is received. Nonsense is logged and forgotten. */
void notifier_restore(struct notifier *n, const struct keep_record *record);
/* Is it one of these records? 0 or -EBADMSG. Any thread. */
NODISCARD int notifier_record_check(const struct keep_record *record);
struct notifier_import {       /* a subscription that another server kept; borrowed for the call */
    struct str packet;         /* the SUBSCRIBE that began it, as it came */
    struct str endpoint, tag;  /* whose it is; the other server's tag, of txn_foreign_class here */
    struct str contact;        /* the subscriber's, as in a Contact; empty: the packet's */
    struct addr remote, local; /* where that came from, and where it came in */
    uint32_t cseq, version;    /* of the last NOTIFY, or later */
    uint64_t expires_wall_ms;
};
/* It goes on here: its subscriber is told once, and may refresh it within her dialog. 0; -EEXIST:
 * it is here already; otherwise negative, and `*why` (constant) says it in words. */
NODISCARD int notifier_import(struct notifier *n, const struct notifier_import *what,
                              const char **why);
/* The store begins anew: everything is put again. */
void notifier_rewrite(struct notifier *n);

/* The end of a turn of the loop: some of those are told that many others wait with. True: there are
 * more, and the next turn should come at once; otherwise a timer says when. */
NODISCARD bool notifier_turn(struct notifier *n);

/* The handler of SUBSCRIBE, which understands LIST_EXTENSION: register with uas_method_set, ctx the
 * struct notifier. */
void notifier_subscribe(void *notifier, const struct uas_request *rq);

/* A request was refused before it came here, which is told to the edges if it is a SUBSCRIBE:
 * register with uas_refused_set, ctx the struct notifier. */
void notifier_refused(void *notifier, const struct uas_request *rq, unsigned status,
                      const char *why);

/* The answer to port.watch: a snapshot to start with (borrowed), or NULL: no such resource, 404.
 * `cacheable`: the same name gives the same resource until notifier_dialplan_changed; of NULL: at
 * any time of day. */
void notifier_watch_result(struct notifier *n, uint64_t cookie, const struct snapshot *s,
                           bool cacheable);
/* A resource changed (borrowed). One that nobody here watches is ignored. After EXTENSION_REMOVED
 * what its subscriptions name is asked for anew: they go on with that, or end with
 * reason=noresource. */
void notifier_snapshot(struct notifier *n, const struct snapshot *s);
/* Names may now mean other resources, and notifier_settings_set has been called: cached answers are
 * forgotten, and running subscriptions go where their names lead now, as a new one would. */
void notifier_dialplan_changed(struct notifier *n);
/* Other plugins, to be said before the settings that go with them (a reference is taken). A running
 * subscription has its body from what makes its media type now; where nothing does it ends with
 * reason=deactivated, and the subscriber, who asks anew, is offered what there is. */
void notifier_bodies_set(struct notifier *n, struct body_registry *bodies);
/* Running subscriptions keep going; those whose endpoint is gone or may no longer subscribe end
 * with reason=rejected. */
void notifier_settings_set(struct notifier *n, const struct settings *settings);
/* What flow.transport means (copied), to be said before the settings that go with it; until then it
 * counts the transports of the first settings that are served. A subscription of one that is gone
 * goes on by another, and a NOTIFY tells the subscriber at once where we are now; where there is
 * none it ends with reason=deactivated. 0 or -ENOMEM, then the former ones count. */
struct notifier_transport {
    struct str id;
    bool gone; /* answers still leave by it, but nothing else */
    enum net_protocol protocol;
};
NODISCARD int notifier_transports_set(struct notifier *n, const struct notifier_transport *list,
                                      size_t count);
/* The id of the one with that number; empty: there is none. Borrowed until they are set again. */
struct str notifier_transport_id(const struct notifier *n, uint32_t number);

/* Tell by port.watcher who subscribes to this resource (its package is named, "presence", and its
 * id is the one it has now), then that these were all, and from then on each change, until
 * notifier_winfo_stop. `generation` is repeated in each report. */
void notifier_winfo_start(struct notifier *n, const struct resource_name *of, uint64_t resource_id,
                          uint64_t generation);
void notifier_winfo_stop(struct notifier *n, const struct resource_name *of);

/* ---- mailboxes told unasked (`mailboxes` of endpoints) ---- */

struct contact; /* registrar/contact.h */

/* Which of `workers` tells this endpoint. */
unsigned notifier_home(struct str endpoint, unsigned workers);
/* The counts of a mailbox that some endpoint is told, or that none is any more (`exists` false): as
 * mailbox_port.unsolicited says. */
void notifier_mailbox(struct notifier *n, struct str mailbox, bool exists, uint32_t new_count,
                      uint32_t old_count);
/* To the home of the endpoint: one of the registered contacts of its AORs is new, has registered
 * again, or is gone (`now` NULL): contacts_port.changed. One that is known is taken for what it
 * was. 0; -ENOMEM, unless it is gone: it is to be said again. */
NODISCARD int notifier_registered(struct notifier *n, struct str endpoint,
                                  const struct contact *now, const struct contact *former);
void notifier_resolved(struct notifier *n, uint64_t question,
                       const struct dns_targets *found /* none: not found */);
/* To the home of the endpoint: from now on, until notifier_unsolicit, a subscription tells it the
 * mailboxes of this group, and nothing of them is told unasked. `s` is borrowed until then, but no
 * longer than the notifier lives. */
void notifier_solicit(struct notifier *n, struct solicitation *s);
void notifier_unsolicit(struct notifier *n, struct solicitation *s);

/* "told": it shows what there is. "silent": a subscription tells it, or not all of it is known.
 * "sending". "waiting": for another try. */
struct notice_view { /* borrowed for the call */
    struct str endpoint, contact;
    struct str mailbox;      /* empty: the sum of all */
    const char *state;       /* one of the words above */
    unsigned last_status;    /* 0: none; 408: no answer, 503: not reached */
    uint32_t retry_s;        /* until the next try; 0: none is waiting */
    uint32_t cseq, failures; /* failures in a row */
};
void notifier_notices_each(const struct notifier *n,
                           void (*each)(void *ctx, const struct notice_view *v), void *ctx);

/* Move the subscribers away: end `rate_per_s` subscriptions a second, with terminated;
 * reason=deactivated (they subscribe anew at once) or reason=probation;retry-after=... (not before
 * that), and answer new SUBSCRIBEs 503 with Retry-After. Until notifier_resume. */
enum notifier_drain_reason { NOTIFIER_DRAIN_DEACTIVATED, NOTIFIER_DRAIN_PROBATION };
struct notifier_drain {
    enum notifier_drain_reason reason;
    uint32_t retry_after_s;
    uint32_t rate_per_s;      /* of all workers together; 0 counts as 1 */
    unsigned worker, workers; /* which of how many this is: it ends every workers-th */
};
void notifier_drain(struct notifier *n, const struct notifier_drain *how);
void notifier_resume(struct notifier *n);
bool notifier_is_draining(const struct notifier *n);

/* End every subscription with terminated;reason=deactivated (phones then subscribe anew at once).
 * Where subscriptions are kept they go on in the next process, and nobody is told anything, but
 * while they are being moved away (notifier_drain). */
void notifier_stop(struct notifier *n);
/* NOTIFYs still waiting for an answer, and answers that wait for the store; after notifier_stop
 * also what is still to be sent to subscribers. */
size_t notifier_unanswered(const struct notifier *n);

struct subscription_view { /* borrowed for the call */
    struct str endpoint, callerid_name, callerid_number, call_id, resource, context, package,
        event_id, content_type;
    struct str user_agent, remote_uri, local_tag, remote_tag, contact;
    struct addr remote;
    enum net_protocol protocol; /* by which it is told there */
    const char *state;          /* "active", "pending", "terminated", "resp_wait" */
    uint32_t expires_s;         /* left */
    uint32_t cseq, version;     /* of the last NOTIFY sent */
    uint64_t told_sequence; /* of the snapshot last acknowledged, or that said the same; 0: none */
    uint64_t current_sequence;      /* of the newest snapshot */
    uint64_t acknowledged_after_ms; /* how long the last answer took */
    uint32_t failures;
    uint32_t unconnected; /* connections to it in a row that could not be had, or ended early */
    bool outstanding;     /* a NOTIFY waits for its answer */
    const struct snapshot *shown; /* told last; NULL: nothing yet */
    bool list; /* `resource` is a resource list, and `content_type` that of its items */
};
void notifier_each(const struct notifier *n,
                   void (*each)(void *ctx, const struct subscription_view *v), void *ctx);

/* Those of one resource. */
void notifier_resource_each(const struct notifier *n, uint64_t resource_id,
                            void (*each)(void *ctx, const struct subscription_view *v), void *ctx);

struct notifier_counters {
    uint64_t subscriptions, resources, watches_pending;
    uint64_t accepted, refreshed, ended, expired, fetched;
    uint64_t rejected_400, rejected_403, rejected_404, rejected_406, rejected_423, rejected_481,
        rejected_489, rejected_503, rejected_other;
    uint64_t over_quota; /* among those of 503 */
    uint64_t notify_sent, notify_acknowledged, notify_failed, notify_timeout, coalesced, swallowed;
    uint64_t notify_retransmitted;
    /* From the change to the NOTIFY that tells it, and to its answer. */
    struct histogram sent_after, acknowledged_after;
    uint64_t unsolicited; /* contacts that are told unasked, for each mailbox or for all */
    uint64_t unsolicited_sent, unsolicited_acknowledged, unsolicited_failed;
    uint64_t dialogs, interned;
    /* On the heap, malloc's own included. Of dialogs with their heads; of resources with their
     * names, without snapshots; of NOTIFYs under way and some spare ones; of hash tables. */
    uint64_t subscription_bytes, dialog_bytes, resource_bytes, notify_bytes, interned_bytes,
        table_bytes;
};
void notifier_counters_get(const struct notifier *n, struct notifier_counters *out);
