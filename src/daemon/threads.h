// SPDX-License-Identifier: MIT
/* threads.h - the state thread, the workers, and what they say to each other.
 *
 * Each thread has a loop with an inbox; a message is a small heap object that belongs to its
 * receiver. Snapshots travel as references. Private to the daemon folder. */
#pragma once
#include <pthread.h>

#include "ctl/ctl.h"
#include "daemon/engine.h"
#include "daemon/state_engine.h"
#include "daemon/transports.h"
#include "dns/wire.h"
#include "feed/feed.h"
#include "loop/loop.h"
#include "source/source.h"
#include "store/ledger.h"
#include "store/told.h"

#define WORKERS_MAX 62
/* Consumer bit of the publishers in the state core; workers use their own number. */
#define CONSUMER_PUBLISHERS 63

struct worker;

struct reporter;
struct state_thread {
    struct loop loop;    /* its owner is this struct */
    struct list intakes; /* of sources that are followed: reports.c */
    struct ledger ledger;
    struct rng rng;
    struct state_engine engine;
    struct feed *feed;
    struct feed_writer changes;
    struct log *log;
    struct worker *workers;
    unsigned n_workers;
    pthread_t thread;
    bool started;
};

struct admission { /* one limit for all workers */
    atomic_uint_fast64_t held;
    atomic_uint_fast64_t limit;
};

/* resolve.c: what a thread knows of names, and its questions to name servers. */
struct names_port {
    void *ctx;
    /* As those of dns_port. */
    bool (*reached)(void *ctx, enum net_protocol protocol, const struct addr *remote);
    bool (*speaks)(void *ctx, enum net_protocol protocol);
};
struct names {
    struct names_port port;
    struct log *log;
    struct dns_wire *wire;
    struct dns *dns;
};
struct names_config {
    struct loop *loop;
    struct rng *rng;
    struct log *log;
    struct str servers; /* as dns_wire_create has them */
    struct names_port port;
};
NODISCARD int names_init(struct names *n, const struct names_config *cfg);
void names_servers_set(struct names *n, struct str servers);
void names_fini(struct names *n); /* also of what is not initialised, but all zero */

struct forwarded { /* what others have handed to a worker and it has not run yet */
    atomic_size_t n, bytes;
};

struct worker {
    struct loop loop; /* its owner is this struct */
    struct rng rng;
    unsigned index;
    struct forwarded requests, answers;
    _Atomic uint64_t elsewhere_ns; /* what others had of a processor for the requests by UDP that
                                      it has handed to them */
    struct log *log;
    struct ledger ledger;
    struct feed_writer changes;
    struct told *told;
    struct limits *limits;
    struct state_thread *state;
    struct worker *peers;
    unsigned n_peers;
    struct admission *admission;
    struct net *net;
    struct transports transports;
    struct engine engine;
    bool engine_ready, stopped_told;
    bool lends;     /* another worker has sent by a connection of this one */
    bool finishing; /* all threads have ended, and nobody is told anything any more */
    struct timer stop_poll;
    uint64_t stop_deadline_ms;
    struct names names;
    void (*stopped)(void *ctx, struct worker *w); /* on the worker's thread */
    void *stopped_ctx;
    pthread_t thread;
    bool started;
};

struct state_thread_config {
    const struct clock *clock;
    struct log *log;
    const struct settings *settings;
    struct snapshot_heap *snapshots; /* of all threads */
    struct store *store;             /* NULL: nothing is kept */
    struct str eid;                  /* our entity id, where the settings have none */
    struct feed *feed;
    struct worker *workers; /* initialised before the core says anything */
    unsigned n_workers;
};
NODISCARD int state_thread_init(struct state_thread *s, const struct state_thread_config *cfg);
struct apply { /* borrowed for the call */
    const struct settings *settings;
    struct dialplan *dialplan;
    struct dialplan *former; /* the dialplan before; ends at home, as that takes milliseconds */
    struct listeners *listeners;
    struct body_registry *bodies;
    struct loop *home;
};
/* Hand over a dialplan with the device defaults and switches of these settings. Before the thread
 * runs: directly, and of no more than these two; later: by message, and each worker is sent the
 * settings, the plugins and the listeners before it hears of any change that they make. */
NODISCARD int state_thread_apply(struct state_thread *s, const struct apply *what);
NODISCARD int state_thread_start(struct state_thread *s);
void state_thread_stop(struct state_thread *s); /* stops and joins */
void state_thread_fini(struct state_thread *s);

struct worker_config {
    unsigned index;
    const struct clock *clock;
    struct log *log;
    const struct settings *settings;
    struct body_registry *bodies;
    struct state_thread *state;
    struct store *store;  /* NULL: nothing is kept */
    struct str directory; /* with it: for the words of told.h */
    struct nonces *nonces;
    struct limits *limits;
    struct feed *feed;
    struct worker *peers;
    unsigned n_peers;
    struct admission *admission;
    _Atomic uint64_t *kept;      /* net_config.numbers */
    struct listeners *listeners; /* whose sockets it takes */
    void (*stopped)(void *ctx, struct worker *w);
    void *stopped_ctx;
};
NODISCARD int worker_init(struct worker *w, const struct worker_config *cfg);
NODISCARD int worker_start(struct worker *w);
void worker_join(struct worker *w);
void worker_fini(struct worker *w);

/* Ports of its publisher and its notifier; ctx is the worker. */
int worker_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                 const struct addr *remote, struct flow *out);
void worker_publisher_resolve(void *ctx, const struct dns_question *q, uint64_t cookie);
void worker_notifier_resolve(void *ctx, const struct dns_question *q, uint64_t question);
struct solicitation *worker_solicit(void *ctx, struct str endpoint, struct str group);
void worker_unsolicit(void *ctx, struct solicitation *s);
/* Likewise, of its qualifier. */
void worker_qualifier_resolve(void *ctx, const struct dns_question *q, uint64_t question);
struct str worker_transport_id(void *ctx, uint32_t transport);
void worker_report_reach(void *ctx, uint64_t contact_id, enum contact_reach reach, uint32_t rtt_ms);
void worker_report_dialogs(void *ctx, uint64_t contact_id, const struct event_state *dialogs);
/* Port of its compositor; ctx is the worker. */
int worker_report_mailbox(void *ctx, struct str mailbox, uint32_t new_count, uint32_t old_count);
NODISCARD int worker_names_init(struct worker *w, struct str servers);
/* [global] debug = yes, or an address. */
void worker_trace_settings(struct net *net, const struct global_settings *g);

/* Messages to a worker, from any thread. */
void worker_post_settings(struct worker *w, const struct settings *settings,
                          struct listeners *listeners, struct body_registry *bodies);
void worker_post_snapshot(struct worker *w, const struct snapshot *s, bool notifier,
                          bool publisher);
void worker_post_watch_result(struct worker *w, uint64_t cookie, const struct snapshot *s,
                              bool cacheable);
void worker_post_dialplan_changed(struct worker *w);
void worker_post_republish(struct worker *w, struct str section);
/* As mailbox_port.unsolicited. */
void worker_post_mailbox(struct worker *w, struct str mailbox, const struct mailbox_counts *counts);
/* As contacts_port.changed, to the home of its AOR. */
void worker_post_contact(struct worker *w, const struct contact *now, const struct contact *former);
/* As state_engine_port.registered, to the home of that endpoint. */
void worker_post_registered(struct worker *w, struct str endpoint, const struct contact *now,
                            const struct contact *former);
/* notifier_winfo_start, or without a generation notifier_winfo_stop. */
void worker_post_winfo(struct worker *w, const struct resource_name *of, uint64_t resource_id,
                       uint64_t generation);
/* What came to `poster`, and is for `w`. 0; -EAGAIN: as many wait as may; -ENOMEM. */
NODISCARD int worker_post_datagram(struct worker *w, struct worker *poster, const struct flow *from,
                                   struct str datagram);
/* The same before the threads run, however many there are. False: there is no memory. */
bool worker_post_backlog(struct worker *w, const struct flow *from, struct str datagram);
void worker_post_trace(struct worker *w, bool all, const struct addr_net *peers, size_t n_peers);
void worker_post_stop(struct worker *w, uint64_t grace_ms);

/* Messages to the state thread. -EAGAIN when it is busy. */
NODISCARD int state_post_watch(struct state_thread *s, unsigned worker,
                               const struct resource_name *name, struct str served,
                               uint64_t cookie);
/* Answered by compositor_answer of the worker. The request is copied. */
NODISCARD int state_post_publication(struct state_thread *s, unsigned worker,
                                     const struct publication_request *rq, uint64_t cookie);
/* As registrar_port.apply; answered by registrar_answer of the worker. */
NODISCARD int state_post_registration(struct state_thread *s, unsigned worker,
                                      struct registration *r);
/* As contacts_connections_lost. */
void state_post_lost(struct state_thread *s, struct log *log, const uint32_t *connections,
                     size_t n);
/* The report is copied. */
void state_post_watcher(struct state_thread *s, unsigned worker,
                        const struct watcher_report *report);
void state_post_unwatch(struct state_thread *s, unsigned worker, uint64_t resource_id);

/* reports.c: what a source tells, see source/report.h. Who reports has a reporter, which it may ask
 * how much of it is still to be heard. */
NODISCARD int reporter_create(struct reporter **out, struct str source);
void reporter_unref(struct reporter *r);           /* NULL is fine */
size_t reporter_waiting(const struct reporter *r); /* bytes */
bool reporter_lost(struct reporter *r); /* some could not be taken in: all is to be told anew */
/* The bytes are copied. */
void state_post_reports(struct state_thread *s, struct reporter *r, struct str reports);
/* Who has told something is kept in KEEP_SELF. Before the thread runs, but behind all that it has
 * told: what comes from sources that are not followed any more is forgotten then. Records of others
 * are none of its business. 0 or -ENOMEM. */
NODISCARD int state_intake_restore(struct state_thread *s, const struct keep_record *record,
                                   const struct settings *settings);
/* How it was last. Before the thread runs. */
struct source_standing state_intake_standing(const struct state_thread *s, struct str source);
void state_intakes_keep_all(const struct state_thread *s); /* put all of them again */
void state_intakes_fini(struct state_thread *s);

/* To all workers; ctx is the state thread. */
void state_winfo_start(void *ctx, const struct resource_name *of, uint64_t resource_id,
                       uint64_t generation);
void state_winfo_stop(void *ctx, const struct resource_name *of);

/* Run a ctl job on the state thread, or on every worker in turn, then `finish` it on `home`; one
 * that lasts when it is durable. */
NODISCARD int state_post_job(struct state_thread *s, struct ctl_job *job, struct loop *home);
NODISCARD int workers_post_job(struct worker *workers, unsigned n, struct ctl_job *job,
                               struct loop *home);
