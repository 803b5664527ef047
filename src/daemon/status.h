// SPDX-License-Identifier: MIT
/* status.h - what the daemon knows about itself, as JSON members for `extstatectl status`. Private
 * to the daemon folder. Threads: any. */
#pragma once
#include "ami/server.h"
#include "daemon/daemon.h"
#include "daemon/threads.h"

struct status_facts {
    const struct settings *settings;
    const struct daemon_options *options;
    const struct listeners *listeners;
    unsigned n_workers;
    const struct body_registry *bodies;
    struct store *store;        /* NULL: nothing is kept */
    enum durability durability; /* it began with */
    enum log_level log_level;
    uint64_t started_wall_ms;
    uint64_t subscriptions;
    struct state_thread *state;
    struct worker *all_workers;
    struct loop *edge;
    const struct feed *feed;
    struct journal *journal;
    const struct ami_server *manager;
};
void status_print(struct json *out, const struct status_facts *facts);

/* As the port of ctl.h has it. */
NODISCARD int status_endpoint(const struct settings *settings, struct str id, struct str *context);
/* Members "server" and "from": a listener, and an endpoint that sees this context. Members are left
 * out when there is none. */
void status_print_watch_hint(struct json *out, const struct settings *settings,
                             const struct listeners *listeners, struct str context);

/* Warn of what a reload does not change: `running` is what the process began with. */
void status_check_reload(const struct settings *running, const struct settings *wanted,
                         struct diag *diag);
