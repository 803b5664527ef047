// SPDX-License-Identifier: MIT
/* How a UDP socket is made, or one that somebody else has made becomes ours. */
#include "net/net_private.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_BUFFER (4 << 20)

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* Best effort: beyond net.core.rmem_max only with CAP_NET_ADMIN. */
static void enlarge_buffers(int fd)
{
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, KERNEL_BUFFER))
        (void)!set_option(fd, SOL_SOCKET, SO_RCVBUF, KERNEL_BUFFER);
    if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, KERNEL_BUFFER))
        (void)!set_option(fd, SOL_SOCKET, SO_SNDBUF, KERNEL_BUFFER);
}

/* By a number made of the user part of "PUBLISH sip:USER@HOST", of USER_MAX bytes at most. Anything
 * else gets a number that no socket has. */
void net_share_udp(int fd, unsigned sharers)
{
    enum { METHOD = 0x5055424c /* "PUBL" */, MIX = 0x9e3779b1 };
    enum { USER = 12, USER_MAX = 24, EACH = 6, ALL = USER_MAX * EACH };
    const struct sock_filter before[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, USER + USER_MAX, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, METHOD, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_LDX | BPF_IMM, 0), /* the number so far */
    };
    const struct sock_filter after[] = {
        BPF_STMT(BPF_MISC | BPF_TXA, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, sharers),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_filter code[ARRAY_LEN(before) + ALL + ARRAY_LEN(after)], *at = code;

    memcpy(at, before, sizeof(before));
    at += ARRAY_LEN(before);
    for (unsigned i = 0; i < USER_MAX; i++, at += EACH) {
        uint8_t rest = (uint8_t)((USER_MAX - i) * EACH - 2); /* from the first jump to `after` */
        const struct sock_filter byte[EACH] = {
            BPF_STMT(BPF_LD | BPF_B | BPF_ABS, USER + i),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, '@', rest, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ' ', (uint8_t)(rest - 1), 0),
            BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
            BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MIX),
            BPF_STMT(BPF_MISC | BPF_TAX, 0),
        };
        memcpy(at, byte, sizeof(byte));
    }
    memcpy(at, after, sizeof(after));
    const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

    (void)!setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

int udp_tos(int fd, bool v6, uint32_t *tos)
{
    int value = 0;
    socklen_t n = sizeof(value);

    if (v6 ? getsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, &n)
           : getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &n))
        return -errno;
    *tos = (uint32_t)value;
    return 0;
}

int udp_set_tos(int fd, bool v6, uint32_t tos)
{
    return v6 ? set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, (int)tos)
              : set_option(fd, IPPROTO_IP, IP_TOS, (int)tos);
}

int socket_set_priority(int fd, uint32_t cos)
{
    return set_option(fd, SOL_SOCKET, SO_PRIORITY, (int)cos);
}

static int set_options(int fd, const struct net_udp_spec *spec)
{
    bool v6 = spec->bind.sa.sa_family == AF_INET6, wildcard = addr_is_any(&spec->bind);
    int r = 0;

    if (!r && spec->sharers)
        r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!r && wildcard)
        r = v6 ? set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
               : set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (!r && spec->tos)
        r = udp_set_tos(fd, v6, spec->tos);
    enlarge_buffers(fd);
    return r;
}

int udp_read_local(struct addr *local, int fd)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t len = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &len))
        return -errno;
    return addr_from_sockaddr(local, (const struct sockaddr *)&bound);
}

/* What a socket is that somebody else has made. */
static int check_udp(int fd)
{
    int protocol = 0, only = 1;
    socklen_t len = sizeof(protocol);
    struct addr local = { .sa.sa_family = AF_UNSPEC };
    int r;

    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len))
        return -errno;
    r = protocol == IPPROTO_UDP ? udp_read_local(&local, fd) : -EPROTOTYPE;
    len = sizeof(only);
    if (r == 0 && local.sa.sa_family == AF_INET6 &&
        getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len))
        r = -errno;
    return r ? r : only ? 0 : -EAFNOSUPPORT;
}

int net_adopt_udp(int fd, const struct net_udp_spec *spec, struct addr *local)
{
    struct net_udp_spec rest = *spec;
    int flags = fcntl(fd, F_GETFL), r = check_udp(fd);

    if (r)
        return r;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return -errno;
    rest.sharers = 0; /* it is bound, and shares or does not */
    (void)!set_option(fd, SOL_SOCKET, SO_DETACH_FILTER, 0); /* of a process that was flooded */
    r = set_options(fd, &rest);
    return r ? r : udp_read_local(local, fd);
}

bool net_shares(int fd)
{
    int shares = 0;
    socklen_t len = sizeof(shares);

    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, &len) == 0 && shares;
}

int net_bind_udp(int *out, const struct net_udp_spec *spec, struct addr *local)
{
    int fd = socket(spec->bind.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : set_options(fd, spec);

    if (!r && spec->bind.sa.sa_family == AF_INET6)
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!r && bind(fd, &spec->bind.sa, addr_socklen(&spec->bind)))
        r = -errno;
    if (!r)
        r = udp_read_local(local, fd);
    if (r) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    if (spec->sharers > 1)
        net_share_udp(fd, spec->sharers);
    *out = fd;
    return 0;
}
