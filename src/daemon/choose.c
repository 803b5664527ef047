// SPDX-License-Identifier: MIT
#include "daemon/choose.h"

bool address_choose(struct addr *out, const struct addrinfo *list, uint16_t port,
                    address_reached_fn reached, void *ctx)
{
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        struct addr remote;

        if (addr_from_sockaddr(&remote, a->ai_addr))
            continue;
        addr_port_set(&remote, port);
        if (!reached(ctx, &remote))
            continue;
        *out = remote;
        return true;
    }
    return false;
}
