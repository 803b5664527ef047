// SPDX-License-Identifier: MIT
/* tls_sessions.h - sessions with servers, to be taken up again: the next handshake with one needs
 * no certificates and half of the time.
 *
 * One for each server that was asked for by one name, in a table of fixed size in which the newer
 * one stays. A session of TLS 1.3 is good for one connection, which brings the next one (RFC 8446
 * appendix C.4). Whether the certificate is still good is looked at again when an hour is over.
 * Threads: any; one lock. Private to src/net. */
#pragma once
#include <openssl/ssl.h>

#include "base/addr.h"

#define TLS_SESSION_MS (UINT64_C(3600) * 1000)

struct tls_sessions; /* opaque: see tls_sessions.c */

struct tls_server { /* borrowed */
    const struct addr *remote;
    struct str host; /* whom its certificate has to name; empty: the remote */
};

NODISCARD int tls_sessions_create(struct tls_sessions **out); /* 0 or -ENOMEM */
void tls_sessions_destroy(struct tls_sessions *t);            /* NULL is fine */
/* The caller's from now on; NULL: there is none. `*verified_ms` is when its certificate was looked
 * at. */
SSL_SESSION *tls_sessions_take(struct tls_sessions *t, const struct tls_server *server,
                               uint64_t now_ms, uint64_t *verified_ms);
/* Takes `session`. */
void tls_sessions_keep(struct tls_sessions *t, const struct tls_server *server,
                       SSL_SESSION *session, uint64_t verified_ms);
