// SPDX-License-Identifier: MIT
/* drops.h - datagrams that the kernel threw away since a socket's buffer was full, from
 * /proc/net/udp. Threads: any. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Over all UDP sockets on this machine that are bound to one of these ports, since they were
 * opened. */
uint64_t drops_count(const uint16_t *ports, size_t n);
