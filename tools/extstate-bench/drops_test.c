// SPDX-License-Identifier: MIT
#include "drops.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

/* Fill the buffer of a socket that nobody reads, until most of it must have been thrown away. */
static void test_full_socket(void **state)
{
    enum { DATAGRAMS = 1000 };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0), size = 4096;
    socklen_t n = sizeof(to);
    uint16_t ports[2] = { 0 };
    char bytes[1000] = { 0 };
    uint64_t dropped;

    (void)state;
    assert_int_equal(setsockopt(in, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_int_equal(bind(in, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(getsockname(in, (struct sockaddr *)&to, &n), 0);
    ports[1] = ntohs(to.sin_port);
    assert_int_equal(drops_count(ports, 2), 0);
    for (int i = 0; i < DATAGRAMS; i++)
        assert_int_equal(sendto(out, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, n),
                         sizeof(bytes));
    dropped = drops_count(ports, 2);
    assert_in_range(dropped, DATAGRAMS / 2, DATAGRAMS);
    assert_int_equal(drops_count(ports, 1), 0);
    close(in);
    close(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
