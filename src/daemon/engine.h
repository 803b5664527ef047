// SPDX-License-Identifier: MIT
/* engine.h - one worker's SIP side without sockets and threads: transactions, request checks,
 * notifier, publisher, compositor and registrar wired together. worker.c runs it on a thread with
 * sockets; the scenario runner steps it with a clock of its own. Threads: one owner. */
#pragma once
#include "base/keep.h"
#include "event/notifier.h"
#include "publication/compositor.h"
#include "publisher/publisher.h"
#include "registrar/qualifier.h"
#include "registrar/registrar.h"

struct engine {
    struct txn_layer *txn;
    struct uas *uas;
    struct notifier *notifier;
    struct publisher *publisher;
    struct compositor *compositor;
    struct registrar *registrar;
    struct registrar_port registrations; /* of the configuration */
    struct qualifier *qualifier;
    const struct settings *settings;
    unsigned worker, workers;
    struct buf accept, allow_events; /* of all packages, for OPTIONS */
};

struct engine_config {
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    struct body_registry *bodies;
    const struct settings *settings;
    struct nonces *nonces;    /* of all workers */
    struct limits *limits;    /* likewise; NULL: nothing is limited */
    struct net *net;          /* NULL without sockets */
    unsigned worker, workers; /* our number, and how many there are */
    size_t max_server_bytes;  /* as in txn_config */
    struct keep keep;         /* what is to survive, and is given back by engine_restore */
    struct keep_words words;
    uint64_t incarnation;        /* of the store: how often it has been started */
    struct feed_writer *changes; /* NULL: nobody wants any */
    struct txn_port txn;
    struct notifier_port notifier;
    struct publisher_port publisher;
    struct compositor_port compositor;
    struct registrar_port registrar; /* without `transport`, which is the engine's */
    struct qualifier_port qualifier;
};
NODISCARD int engine_init(struct engine *e, const struct engine_config *cfg);
void engine_fini(struct engine *e);
/* A record that was kept. Before anything else happens. Nonsense is logged and forgotten. */
void engine_restore(struct engine *e, const struct keep_record *record);
/* Is it one that engine_restore would take? 0 or -EBADMSG. Any thread. */
NODISCARD int engine_record_check(const struct keep_record *record);
/* Everything is to be kept again: the store begins anew. */
void engine_rewrite(struct engine *e);
/* A datagram came in. */
void engine_receive(struct engine *e, const struct flow *from, struct str datagram);
/* As txn_receive_forwarded. */
void engine_receive_forwarded(struct engine *e, const struct flow *from, struct str datagram);
/* As notifier_transports_set, before the settings. */
NODISCARD int engine_transports_set(struct engine *e, const struct notifier_transport *list,
                                    size_t count);
/* Other plugins, before the settings (a reference is taken). */
void engine_bodies_set(struct engine *e, struct body_registry *bodies);
void engine_settings_set(struct engine *e, const struct settings *settings);
/* Begin the polite end: subscriptions deactivated and publications removed, unless they are kept
 * and the subscribers are not being moved away; who has published answered. Over when engine_busy
 * is 0. */
void engine_stop(struct engine *e);
size_t engine_busy(const struct engine *e);
