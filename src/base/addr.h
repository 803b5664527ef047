// SPDX-License-Identifier: MIT
/* addr.h - IP addresses with ports, and networks. IPv4-mapped IPv6 addresses are folded to IPv4. */
#pragma once
#include "base/buf.h"
#include <netinet/in.h>

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* "192.0.2.1", "192.0.2.1:5060", "[2001:db8::1]:5060", "2001:db8::1". -EINVAL when it is none of
 * these (host names included). Without a port `default_port` is used. */
NODISCARD int addr_parse(struct addr *out, struct str text, uint16_t default_port);
/* From what the kernel gave; -EAFNOSUPPORT unless it is IP. */
NODISCARD int addr_from_sockaddr(struct addr *out, const struct sockaddr *sa);
socklen_t addr_socklen(const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_port_set(struct addr *a, uint16_t port);
bool addr_equal(const struct addr *a, const struct addr *b);      /* address and port */
bool addr_equal_host(const struct addr *a, const struct addr *b); /* address only */
bool addr_is_any(const struct addr *a);                           /* 0.0.0.0 or :: */
void addr_print(struct buf *b, const struct addr *a);             /* host:port, IPv6 in brackets */
void addr_print_host(struct buf *b, const struct addr *a);        /* host, IPv6 in brackets */

struct addr_net {
    struct addr base;
    unsigned prefix; /* bits */
};

/* "192.0.2.0/24", "192.0.2.0/255.255.255.0", "2001:db8::/32" or a single address. -EINVAL
 * otherwise. */
NODISCARD int addr_net_parse(struct addr_net *out, struct str text);
bool addr_net_contains(const struct addr_net *net, const struct addr *a);
