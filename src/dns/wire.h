// SPDX-License-Identifier: MIT
/* wire.h - questions to name servers by c-ares, on the loop of a worker. Threads: the worker. */
#pragma once
#include "dns/dns.h"
#include "loop/loop.h"

struct dns_wire; /* opaque: see wire.c */

/* `servers`: host[:port], separated by commas, addresses only; empty: those of the system
 * (/etc/resolv.conf). -EINVAL for what is no such list. */
NODISCARD int dns_wire_create(struct dns_wire **out, struct loop *loop, struct str servers);
/* Whoever is asked is told to `d`. */
void dns_wire_bind(struct dns_wire *w, struct dns *d);
/* What is asked is answered by nothing; the handles are closed by the loop. */
void dns_wire_destroy(struct dns_wire *w);
/* A reload: other servers, or /etc/resolv.conf is another file now. What is under way is asked
 * again. DNS_WIRE_SAME: nothing is different. 0; negative: the former ones go on. */
enum { DNS_WIRE_SAME = 1 };
NODISCARD int dns_wire_servers_set(struct dns_wire *w, struct str servers);

/* Of dns_port; ctx is the wire. */
void dns_wire_query(void *ctx, const char *name, enum dns_type type, struct dns_entry *entry);
size_t dns_wire_hosts(void *ctx, const char *name, struct addr *list, size_t most);
