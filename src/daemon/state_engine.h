// SPDX-License-Identifier: MIT
/* state_engine.h - all that the state thread owns, without the thread: the state core, the
 * publications that are composed into it, mailboxes, what Asterisk servers tell each other, who
 * watches, and the contacts that are registered. state_thread.c runs it; the scenario runner steps
 * it. Threads: one owner. */
#pragma once
#include "base/keep.h"
#include "config/settings.h"
#include "feed/feed.h"
#include "publication/asterisk_local.h"
#include "publication/asterisk_source.h"
#include "publication/mailbox.h"
#include "publication/publication.h"
#include "publication/resource_list.h"
#include "publication/watcher_info.h"
#include "registrar/contacts.h"
#include "state/state.h"

/* Consumer bit of the engine itself, for looking up what a name means; workers are 0, 1, ... */
#define CONSUMER_LOOKUP 62
#define CONSUMER_LISTS 61 /* likewise, for the items of resource lists */

struct state_engine_port {
    struct state_port state;
    uint64_t publishers; /* consumers of snapshots that are to be published, and only that */
    /* Publish everything again by this outbound-publish section: the other server asks for it.
     * `ctx` is that of `state`. */
    void (*republish)(void *ctx, struct str section);
    /* mailbox_port.unsolicited, for all workers; `ctx` likewise. */
    void (*mailbox)(void *ctx, struct str mailbox, const struct mailbox_counts *counts);
    /* contacts_port.changed; `ctx` likewise. NULL: nobody wants to know. */
    void (*contact)(void *ctx, const struct contact *now, const struct contact *former);
    /* Likewise of the registered ones of an endpoint with `mailboxes`; and after a reload those
     * that there are, once more. */
    void (*registered)(void *ctx, struct str endpoint, const struct contact *now,
                       const struct contact *former);
};

struct state_engine {
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct asterisk_sources *sources; /* other servers */
    struct asterisk_locals *locals;   /* for other servers */
    struct watcher_info *watchers;
    struct resource_lists *lists;
    struct contacts *contacts;
    const struct settings *settings; /* those applied last: a reference */
    bool settled;                    /* wholly */
    struct state_engine_port port;
    struct watcher_info_port workers;
    struct keep keep;
    struct feed_writer *changes;
    struct log *log;
    char cause[128];                /* of the PUBLISH that is carried out */
    char eid[ASTERISK_EID_LEN + 1]; /* ours, where the configuration has none */
};

struct state_engine_config {
    struct state_engine_port port;
    struct watcher_info_port workers; /* all answers to state_engine_watch go there */
    unsigned n_workers;
    struct snapshot_heap *snapshots; /* NULL: nobody wants to know */
    struct keep keep;            /* what is to survive, and is given back by state_engine_restore */
    uint64_t incarnation;        /* of the store: how often it has been started */
    struct str eid;              /* six octets: our entity id, where the configuration has none */
    struct feed_writer *changes; /* NULL: nobody wants any */
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    const struct settings *settings;
};
NODISCARD int state_engine_init(struct state_engine *e, const struct state_engine_config *cfg);
void state_engine_fini(struct state_engine *e);

/* A record that was kept. Before anything else happens, but after the first state_engine_apply;
 * devices, presences, mailboxes and contacts before that, so that hints begin with the right state.
 * Nonsense is logged and forgotten. */
void state_engine_restore(struct state_engine *e, const struct keep_record *record);
/* All have been, those of publications included: what they make is told. 0 or -ENOMEM. */
NODISCARD int state_engine_restored(struct state_engine *e);
/* Is it one that state_engine_restore would take? 0 or -EBADMSG. Any thread. */
NODISCARD int state_engine_record_check(const struct keep_record *record);
/* Everything is to be kept again: the store begins anew. */
void state_engine_rewrite(struct state_engine *e);

/* Give the core its switches, what devices are while nobody reports them (PJSIP/<endpoint> is idle
 * when a contact makes it reachable, otherwise unavailable), and the dialplan, in this
 * order, so that a hint that comes with its endpoint is told once, as it is. Settings that were
 * applied before are not looked at again. The dialplan is taken on 0 and on STATE_SAME_NAMES: then
 * no name means anything else than before. */
NODISCARD int state_engine_apply(struct state_engine *e, const struct settings *settings,
                                 struct dialplan *dp);

struct watch_question { /* what notifier_port.watch asks for; borrowed for the call */
    struct resource_name name;
    struct str served;
    unsigned worker;
    uint64_t cookie;
};
/* Answered once by workers.answer: before this returns, or of watcher information when every worker
 * has told whom it has. */
void state_engine_watch(struct state_engine *e, const struct watch_question *q);
void state_engine_unwatch(struct state_engine *e, uint64_t resource_id, unsigned worker);
