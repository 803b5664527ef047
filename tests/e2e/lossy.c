// SPDX-License-Identifier: MIT
/* lossy.so - an LD_PRELOAD shim that loses datagrams: LOSSY_PERCENT of those sent and of those
 * received, each drawn from a seeded generator. The program under test is the released one; the
 * network is what is bad. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t seed = 88172645463325252u;

static int lost(void)
{
    const char *percent = getenv("LOSSY_PERCENT");
    uint64_t x;

    if (!percent)
        return 0;
    pthread_mutex_lock(&lock);
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    x = seed;
    pthread_mutex_unlock(&lock);
    return x % 100 < (uint64_t)strtoul(percent, NULL, 10);
}

typedef int (*sendmmsg_fn)(int, struct mmsghdr *, unsigned, int);
typedef int (*recvmmsg_fn)(int, struct mmsghdr *, unsigned, int, struct timespec *);

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's names are its own
__attribute__((visibility("default"))) int sendmmsg(int fd, struct mmsghdr *v, unsigned n,
                                                    int flags)
{
    sendmmsg_fn real = (sendmmsg_fn)(uintptr_t)dlsym(RTLD_NEXT, "sendmmsg");

    for (unsigned i = 0; i < n; i++) {
        if (lost())
            continue;
        if (real(fd, &v[i], 1, flags) != 1)
            return i ? (int)i : -1;
    }
    return (int)n;
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's names are its own
__attribute__((visibility("default"))) int recvmmsg(int fd, struct mmsghdr *v, unsigned n,
                                                    int flags, struct timespec *timeout)
{
    recvmmsg_fn real = (recvmmsg_fn)(uintptr_t)dlsym(RTLD_NEXT, "recvmmsg");
    int got = real(fd, v, n, flags, timeout);

    for (int i = 0; i < got; i++)
        if (lost())
            v[i].msg_len = 0; /* an empty datagram says nothing to anybody */
    return got;
}
