// SPDX-License-Identifier: MIT
/* choose.h - which of the addresses of a name to send to. Private to the daemon folder. */
#pragma once
#include <netdb.h>

#include "base/addr.h"

/* Can we send there? */
typedef bool (*address_reached_fn)(void *ctx, const struct addr *remote);

/* The first of the list that is reached, with this port: the resolver has put them in the order of
 * RFC 6724, but knows nothing of our transports, and may begin with IPv6 when we have none. False
 * when there is none; *out is untouched then. */
NODISCARD bool address_choose(struct addr *out, const struct addrinfo *list, uint16_t port,
                              address_reached_fn reached, void *ctx);
