// SPDX-License-Identifier: MIT
/* qos_testing.h - for tests: how the kernel marks what sockets send. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/net.h"

struct qos {
    int tos, priority;
    unsigned sockets; /* that were read; the last one's are above */
};

/* For net_each_socket and net_each_connection. */
static inline void qos_read(void *ctx, struct str id, int fd)
{
    struct qos *q = ctx;
    socklen_t n = sizeof(int);

    (void)id;
    assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &q->tos, &n), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &q->priority, &n), 0);
    q->sockets++;
}
