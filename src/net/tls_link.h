// SPDX-License-Identifier: MIT
/* tls_link.h - TLS on one connected socket. Private to src/net. */
#pragma once
#include <sys/types.h>

#include "base/addr.h"
#include "base/clock.h"
#include "net/names.h"
#include "net/tls.h"

struct tls_link; /* opaque: see tls.c */

bool net_tls_verifies_server(const struct net_tls *t); /* NULL: no */

/* `host` is whom the certificate of a server has to name; empty: `remote` itself. Copied. */
struct tls_link_spec {
    struct net_tls *tls;
    int fd;
    bool client;
    struct str host;
    const struct addr *remote;
    const struct clock *clock;
};
/* 0, -ENOMEM, -EPROTO. */
NODISCARD int tls_link_create(struct tls_link **out, const struct tls_link_spec *spec);
void tls_link_destroy(struct tls_link *l); /* NULL is fine; says good-bye if it can */

enum tls_wish { TLS_WANTS_READ = 1, TLS_WANTS_WRITE };
/* 0: it is done; enum tls_wish; negative: it has failed (tls_link_why). */
NODISCARD int tls_link_handshake(struct tls_link *l);
/* How many bytes; 0 at the end; -EAGAIN; another negative errno. */
ssize_t tls_link_read(struct tls_link *l, void *p, size_t n);
ssize_t tls_link_write(struct tls_link *l, const void *p, size_t n);
/* Is there more to read that the kernel does not know of? */
bool tls_link_pending(const struct tls_link *l);
/* After -EAGAIN: has a record begun, which takes TLS_RECORD_BYTES until it is whole? */
enum { TLS_RECORD_BYTES = 17 << 10 };
bool tls_link_is_midway(const struct tls_link *l);
void tls_link_end(struct tls_link *l); /* nothing is written any more */
/* What went wrong, or NULL. Until the next call. */
const char *tls_link_why(const struct tls_link *l);
struct str tls_link_host(const struct tls_link *l);
/* Has the peer to prove, or has it proven, that it is the host, or the remote? */
bool tls_link_verifies(const struct tls_link *l);
/* Whom the certificate of a client names, when it is good. Borrowed; NULL: there is none. */
const struct net_names *tls_link_names(const struct tls_link *l);
/* Is the certificate of a client, or one that it rests on, good no more, though it was at the
 * handshake? One that nobody has asked for does not count. */
bool tls_link_is_expired(const struct tls_link *l);
bool tls_link_resumed(const struct tls_link *l);
