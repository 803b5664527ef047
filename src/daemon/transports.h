// SPDX-License-Identifier: MIT
/* transports.h - one worker's share of the listeners: which number in its net is which transport.
 *
 * A transport that is gone is read, and answered from, for some time: what is under way by it ends
 * in order, and who was told a moment ago where to find us is not sent away. Nothing new is sent by
 * it. Private to the daemon folder. Threads: the worker that owns it. */
#pragma once
#include "daemon/listeners.h"
#include "event/notifier.h"
#include "loop/wheel.h"
#include "net/net.h"

struct transports {
    struct net *net;
    struct wheel *wheel;
    struct log *log;
    unsigned worker;
    struct notifier_transport *list; /* by number; those closed are gone, too */
    uint64_t *closes_ms;             /* by number: when one that is gone closes; 0: it is not gone,
                                        or is closed */
    size_t n;
    struct timer timer; /* the next one closes */
};

void transports_init(struct transports *t, struct net *net, struct wheel *wheel, struct log *log,
                     unsigned worker);
/* What there is from now on; what there is no more goes on for `linger_ms`. A socket that cannot be
 * taken is logged and left to the other workers. 0, or the first failure. */
int transports_apply(struct transports *t, const struct listeners *ls, uint64_t linger_ms);
/* As notifier_port.route. */
NODISCARD int transports_route(const struct transports *t, struct str id,
                               enum net_protocol protocol, const struct addr *remote,
                               struct flow *out);
/* As notifier_port.route_from. */
NODISCARD int transports_route_from(const struct transports *t, enum net_protocol protocol,
                                    const struct addr *local, const struct addr *remote,
                                    struct flow *out);
void transports_fini(struct transports *t); /* the sockets are the net's */
