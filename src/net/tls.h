// SPDX-License-Identifier: MIT
/* tls.h - what a transport needs for TLS: its certificate, whom it trusts, and what it asks of
 * peers. Counted and immutable: connections go on with what they began with. Threads: any; made by
 * one that may read files. */
#pragma once
#include <openssl/types.h>

#include "base/buf.h"

struct net_tls; /* opaque: see tls.c */

enum net_tls_version {
    NET_TLS_1_2, /* and later */
    NET_TLS_1_3,
    NET_TLS_1_1, /* these for who has nothing newer */
    NET_TLS_1_0
};

struct net_tls_spec { /* borrowed; empty: not given */
    struct str cert_file, key_file, password, ca_file, ca_path;
    struct str cipher;            /* names of OpenSSL, comma separated */
    enum net_tls_version version; /* the oldest */
    bool verify_server;           /* of connections that we open: RFC 5922 section 7.3 */
    bool wildcards;               /* there "*.example.com" is any host of it, which that forbids */
    bool verify_client;           /* a certificate that is shown has to be good */
    bool require_client_cert;     /* and there has to be one */
};
enum { NET_TLS_BAD = 1 };
/* 0; NET_TLS_BAD, with which option is bad (constant) and why; -ENOMEM. */
NODISCARD int net_tls_create(struct net_tls **out, const struct net_tls_spec *spec,
                             const char **option, struct buf *why);
/* From when to when the first certificate of a PEM file holds, in ms since 1970. 0; -EINVAL: none
 * can be read there. */
struct net_tls_dates {
    uint64_t begins_ms, ends_ms;
};
NODISCARD int net_tls_dates_read(struct net_tls_dates *out, struct str cert_file);
struct net_tls *net_tls_ref(struct net_tls *t);
void net_tls_unref(struct net_tls *t); /* NULL is fine */
/* Do both show the same certificate? NULL shows none. */
bool net_tls_shows_same(const struct net_tls *a, const struct net_tls *b);

/* For who has connections of OpenSSL's in other hands: one that begins a handshake as a server now,
 * and again. It fails when the ClientHello claims more than any has, for which OpenSSL would make
 * room. 0 or -ENOMEM. */
NODISCARD int net_tls_guard(const SSL *ssl);
