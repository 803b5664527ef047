// SPDX-License-Identifier: MIT
/* backlog.h - what arrives on sockets that others have opened before anybody serves them.
 *
 * A process that begins with sockets of its own has nobody to disappoint; one that takes them over
 * may have to read a million records first, and the kernel's buffer of a socket holds some hundred
 * messages. So a thread reads them into memory until the workers can. Threads: the one that makes
 * it. */
#pragma once
#include "base/addr.h"
#include "base/log.h"

#define BACKLOG_BYTES_MAX (64u << 20) /* then the kernel's buffers have to do */

struct backlog; /* opaque: see backlog.c */

/* Begin to read these UDP sockets, which stay open and the caller's until backlog_stop. 0 or a
 * negative errno. */
NODISCARD int backlog_start(struct backlog **out, struct log *log, const int *fds, size_t n);
/* Read no more. NULL is fine, also for the others. */
void backlog_stop(struct backlog *b);
/* After backlog_stop: everything that was read, in that order, each for the call and no longer.
 * `socket` is its place in `fds`, `local` the address the peer sent to. */
typedef void (*backlog_fn)(void *ctx, size_t socket, const struct addr *local,
                           const struct addr *remote, struct str datagram);
void backlog_each(struct backlog *b, backlog_fn each, void *ctx);
size_t backlog_count(const struct backlog *b); /* that were read */
size_t backlog_lost(
    const struct backlog *b);            /* that found no memory, as the network may lose them */
void backlog_destroy(struct backlog *b); /* stops it, too */
