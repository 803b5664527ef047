// SPDX-License-Identifier: MIT
/* state_engine.h - all that the state thread owns, without the thread: the state core, the
 * publications that are composed into it, and mailboxes. state_thread.c runs it; the scenario
 * runner steps it. Threads: one owner. */
#pragma once
#include "config/settings.h"
#include "publication/mailbox.h"
#include "publication/publication.h"
#include "state/state.h"

struct state_engine {
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct log *log;
};

struct state_engine_config {
    struct state_port port;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    const struct settings *settings;
};
NODISCARD int state_engine_init(struct state_engine *e, const struct state_engine_config *cfg);
void state_engine_fini(struct state_engine *e);

/* Give the core its switches, what devices are while nobody reports them (PJSIP/<endpoint> is idle
 * when a static contact makes it reachable, otherwise unavailable), and the dialplan, in this
 * order, so that a hint that comes with its endpoint is told once, as it is. The dialplan is taken
 * on 0. */
NODISCARD int state_engine_apply(struct state_engine *e, const struct settings *settings,
                                 struct dialplan *dp);

/* What notifier_port.watch asks for. Results as state_watch. */
NODISCARD int state_engine_watch(struct state_engine *e, const struct resource_name *name,
                                 struct str served, unsigned consumer, const struct snapshot **out,
                                 bool *cacheable);
