// SPDX-License-Identifier: MIT
/* channel.h - one connection to the server, over TCP or TLS: messages in, messages out.
 *
 * What is sent in a turn of the loop is written together, and what the peer does not take yet
 * waits. The server's certificate is not checked: this is a meter. Threads: the loop's. */
#pragma once
#include <openssl/types.h>

#include "base/addr.h"
#include "loop/loop.h"

struct channel; /* opaque: see channel.c */

struct channel_config {
    struct loop *loop;
    struct addr server, local; /* local: port 0 */
    SSL_CTX *tls;              /* NULL: TCP. Borrowed for as long as the channel is */
    struct list *unwritten;    /* where a channel waits for channels_flush */
    void *ctx;
    void (*opened)(void *ctx);                      /* the peer is there; the handshake is over */
    void (*receive)(void *ctx, struct str message); /* borrowed for the call */
    /* It could not be opened, or has ended; the channel is gone. `why` is borrowed. */
    void (*closed)(void *ctx, const char *why);
};
/* Nothing is called back before this returns. `*local` is our side. 0 or a negative errno. */
NODISCARD int channel_open(struct channel **out, struct addr *local,
                           const struct channel_config *cfg);
/* Without a word to `closed`; what is unwritten is lost. NULL is fine. Not from its own callbacks.
 */
void channel_close(struct channel *c);
/* Copies. */
void channel_send(struct channel *c, struct str message);
/* Write what waits in all channels of the list. */
void channels_flush(struct list *unwritten);
