// SPDX-License-Identifier: MIT
/* tls_hello.h - how long the ClientHello of a stranger claims to be, from the bytes as they come.
 *
 * OpenSSL makes room for what is claimed, up to 131,396 bytes, before any of it is there, and has
 * no option for that; so it is looked at on its way there. Also the second one, after a
 * HelloRetryRequest (RFC 8446 section 4.1.2), is not encrypted. Private to src/net: see
 * net_tls_guard. */
#pragma once
#include <openssl/types.h>

#include "base/str.h"

/* As much as there is room for from the beginning. With two tickets and keys of several groups one
 * has some 4,000 bytes. */
enum { TLS_HELLO_MAX = 16 << 10 };

struct tls_hello {                       /* zero at first */
    unsigned char record[5], message[4]; /* heads, as far as they have come */
    unsigned char record_n, message_n;
    bool begun, over;      /* over: what comes now is encrypted, or bounded anyway */
    bool refused, owned;   /* by tls_hello_watch; it goes with the BIO */
    uint16_t record_left;  /* bytes until the next head */
    uint32_t message_left; /* likewise */
    const SSL *ssl;
};

/* `is_13`: TLS 1.3 has been agreed on, or nothing yet. False: a ClientHello has begun that claims
 * more than TLS_HELLO_MAX. */
NODISCARD bool tls_hello_look(struct tls_hello *h, struct str bytes, bool is_13);

/* Look at all that it reads from now on, which fails when that is so (`refused`). `h` has to be
 * there until tls_hello_ignore, or as long as the connection's BIO. */
void tls_hello_watch(struct tls_hello *h, const SSL *ssl);
void tls_hello_ignore(const SSL *ssl);
