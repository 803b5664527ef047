// SPDX-License-Identifier: MIT
/* history.h - private to net: the messages that net_history_set has kept. */
#pragma once
#include "base/list.h"
#include "net/net.h"

struct history {
    bool on;
    struct list kept; /* struct kept, the oldest first */
    size_t bytes;     /* of them */
};
void history_init(struct history *h);
void history_fini(struct history *h);
/* Without memory it is left out, and its number is missing. */
void history_add(struct history *h, const struct net_kept *what);
