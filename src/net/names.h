// SPDX-License-Identifier: MIT
/* names.h - whom a certificate names: the SIP URIs and host names of its subjectAltName, RFC 5922
 * section 7.1. Counted and immutable. Threads: any. */
#pragma once
#include "base/str.h"

struct net_names; /* opaque: see names.c */

/* Of texts "sip:alice@example.com", "sip:example.com", and for a host name "dns:example.com". 0 or
 * -ENOMEM. */
NODISCARD int net_names_create(struct net_names **out, const struct str *texts, size_t n);
struct net_names *net_names_ref(const struct net_names *n); /* NULL is fine, for both */
void net_names_unref(const struct net_names *n);

/* Is it that host? By a host name only when no URI names a domain; with `wildcards` "*.example.com"
 * is any host of it, which RFC 5922 section 7.2 forbids. */
bool net_names_host(const struct net_names *n, struct str host, bool wildcards);
/* "example.com", likewise, or "alice@example.com", which is named by a URI; "sip:" in front does
 * not matter. */
bool net_names_have(const struct net_names *n, struct str identity);
