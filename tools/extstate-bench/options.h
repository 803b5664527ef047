// SPDX-License-Identifier: MIT
/* options.h - what the command line asks for. Threads: pure functions. */
#pragma once
#include "base/addr.h"

enum phase_kind {
    PHASE_CONNECT,
    PHASE_PRIME,
    PHASE_SUBSCRIBE,
    PHASE_FANOUT,
    PHASE_REFRESH,
    PHASE_PUBLISH,
    PHASE_STORM,
    PHASE_RESTART,
    PHASE_REST,
    PHASE_UNSUBSCRIBE,
    PHASE_LIMIT,
    PHASE_KINDS
};

/* "fanout:n=1000,rate=200": 0 where nothing is said. */
struct phase_spec {
    enum phase_kind kind;
    uint32_t n;      /* operations */
    uint32_t rate;   /* a second, open loop */
    uint32_t window; /* at once, closed loop */
};
/* 0; -EINVAL, with `*why` (constant) saying what is wrong. */
NODISCARD int phase_spec_parse(struct phase_spec *out, struct str text, const char **why);
const char *phase_name(enum phase_kind kind);

enum change_kind { CHANGE_NONE, CHANGE_PUBLISH, CHANGE_CTL, CHANGE_AMI, CHANGE_COMMAND };

enum transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };

enum { PHASES_MAX = 32 };

struct options {
    struct addr server, local;
    bool has_server, has_local;
    enum transport transport;
    uint32_t sockets; /* of UDP, or connections */
    uint32_t watchers, resources, base, expires_s, patience_s;
    double zipf;
    bool compositor;
    uint32_t loss_percent, dead_percent, slow_percent, slow_ms;
    const char *from, *domain; /* domain NULL: the server's address */
    enum change_kind change;
    const char *change_to; /* what stands behind "ctl:" and its like */
    const char *device;    /* the device of resource N is this and N */
    const char *server_pid, *restart, *json;
    struct phase_spec phases[PHASES_MAX];
    size_t n_phases;
};

enum options_outcome { OPTIONS_HELP = 1, OPTIONS_VERSION };

/* The texts borrow argv. 0, an options_outcome, or -EINVAL: a line on standard error has said why.
 */
NODISCARD int options_parse(struct options *out, int argc, char **argv);
