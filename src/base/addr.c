// SPDX-License-Identifier: MIT
#include "base/addr.h"
#include <arpa/inet.h>

static void addr_set_v4(struct addr *a, const void *bytes, in_port_t port_be)
{
    memset(a, 0, sizeof(*a));
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = port_be;
    memcpy(&a->v4.sin_addr, bytes, sizeof(a->v4.sin_addr));
}

static void addr_set_v6(struct addr *a, const struct in6_addr *bytes, in_port_t port_be,
                        uint32_t scope)
{
    /* One host, one address: a dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d. */
    if (IN6_IS_ADDR_V4MAPPED(bytes)) {
        addr_set_v4(a, bytes->s6_addr + 12, port_be);
        return;
    }
    memset(a, 0, sizeof(*a));
    a->v6.sin6_family = AF_INET6;
    a->v6.sin6_port = port_be;
    a->v6.sin6_addr = *bytes;
    a->v6.sin6_scope_id = scope;
}

/* inet_pton wants a NUL; no address is longer than INET6_ADDRSTRLEN. */
static bool pton(int family, void *out, struct str text)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(family, copy, out) == 1;
}

static int port_parse(uint16_t *out, struct str text)
{
    uint32_t port;

    if (text.n > 5 || str_to_u32(&port, text) || port > UINT16_MAX)
        return -EINVAL;
    *out = (uint16_t)port;
    return 0;
}

/* Split the text in host and port. `port` stays untouched when there is none; `v6` tells what the
 * host must be. */
static int addr_split(struct str text, struct str *host, uint16_t *port, bool *v6)
{
    size_t colon = str_find_char(text, ':');

    if (text.n && text.p[0] == '[') {
        size_t bracket = str_find_char(text, ']');
        struct str rest = str_sub(text, bracket + 1, text.n);

        if (bracket == text.n)
            return -EINVAL;
        *host = str_sub(text, 1, bracket);
        *v6 = true;
        if (rest.n == 0)
            return 0;
        return rest.p[0] == ':' ? port_parse(port, str_sub(rest, 1, rest.n)) : -EINVAL;
    }
    *host = str_sub(text, 0, colon);
    *v6 = false;
    if (colon == text.n)
        return 0;
    if (str_find_char(str_sub(text, colon + 1, text.n), ':') + colon + 1 < text.n) {
        *host = text; /* two colons: bare IPv6, which has no place for a port */
        *v6 = true;
        return 0;
    }
    return port_parse(port, str_sub(text, colon + 1, text.n));
}

int addr_parse(struct addr *out, struct str text, uint16_t default_port)
{
    uint16_t port = default_port;
    struct in6_addr six;
    struct in_addr four;
    struct str host;
    bool v6;
    int r = addr_split(text, &host, &port, &v6);

    if (r)
        return r;
    if (v6) {
        if (!pton(AF_INET6, &six, host))
            return -EINVAL;
        addr_set_v6(out, &six, htons(port), 0);
        return 0;
    }
    if (!pton(AF_INET, &four, host))
        return -EINVAL;
    addr_set_v4(out, &four, htons(port));
    return 0;
}

int addr_from_sockaddr(struct addr *out, const struct sockaddr *sa)
{
    struct addr a;

    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&a.v4, sa,
               sizeof(a.v4)); /* copied: storage given to us need not be aligned for it */
        addr_set_v4(out, &a.v4.sin_addr, a.v4.sin_port);
        return 0;
    case AF_INET6:
        memcpy(&a.v6, sa, sizeof(a.v6));
        addr_set_v6(out, &a.v6.sin6_addr, a.v6.sin6_port, a.v6.sin6_scope_id);
        return 0;
    default:
        return -EAFNOSUPPORT;
    }
}

socklen_t addr_socklen(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

uint16_t addr_port(const struct addr *a)
{
    return ntohs(a->sa.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

void addr_port_set(struct addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
    else
        a->v4.sin_port = htons(port);
}

bool addr_equal_host(const struct addr *a, const struct addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET6)
        return a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
    return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return addr_equal_host(a, b) && addr_port(a) == addr_port(b);
}

bool addr_is_any(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
    return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* Without inet_ntop: it uses sprintf, and every message that leaves has an address in it. */
static void print_v4(struct buf *b, const struct in_addr *a)
{
    const unsigned char *bytes = (const unsigned char *)a;
    char text[INET_ADDRSTRLEN], *at = text;

    for (size_t i = 0; i < sizeof(*a); i++) {
        if (i)
            *at++ = '.';
        if (bytes[i] >= 100)
            *at++ = (char)('0' + bytes[i] / 100);
        if (bytes[i] >= 10)
            *at++ = (char)('0' + bytes[i] / 10 % 10);
        *at++ = (char)('0' + bytes[i] % 10);
    }
    buf_add(b, (struct str){ text, (size_t)(at - text) });
}

void addr_print_host(struct buf *b, const struct addr *a)
{
    char text[INET6_ADDRSTRLEN];

    if (a->sa.sa_family != AF_INET6) {
        print_v4(b, &a->v4.sin_addr);
        return;
    }
    BUG_UNLESS(inet_ntop(AF_INET6, &a->v6.sin6_addr, text, sizeof(text)));
    buf_add_char(b, '[');
    buf_add(b, str_of(text));
    buf_add_char(b, ']');
}

void addr_print(struct buf *b, const struct addr *a)
{
    addr_print_host(b, a);
    buf_add_char(b, ':');
    buf_add_u64(b, addr_port(a));
}

static unsigned char *addr_bytes(struct addr *a, unsigned *bits)
{
    *bits = a->sa.sa_family == AF_INET6 ? 128 : 32;
    return a->sa.sa_family == AF_INET6 ? a->v6.sin6_addr.s6_addr : (unsigned char *)&a->v4.sin_addr;
}

/* "24", or for IPv4 "255.255.255.0". */
static int prefix_parse(unsigned *out, struct str text, unsigned bits)
{
    struct in_addr mask;
    uint32_t number;

    if (str_to_u32(&number, text) == 0) {
        if (number > bits)
            return -EINVAL;
        *out = number;
        return 0;
    }
    if (bits != 32 || !pton(AF_INET, &mask, text))
        return -EINVAL;
    number = ~ntohl(mask.s_addr);
    if (number & (number + 1)) /* a mask with holes is no network */
        return -EINVAL;
    *out = 32 - (unsigned)__builtin_popcount(number);
    return 0;
}

int addr_net_parse(struct addr_net *out, struct str text)
{
    size_t slash = str_find_char(text, '/');
    struct str host = str_sub(text, 0, slash);
    unsigned bits, written = str_find_char(host, ':') < host.n ? 128 : 32;
    struct addr_net net;
    struct in6_addr six;
    struct in_addr four;
    unsigned char *bytes;
    int r;

    if (written == 128 ? !pton(AF_INET6, &six, host) : !pton(AF_INET, &four, host))
        return -EINVAL;
    net.prefix = written;
    if (slash < text.n) {
        r = prefix_parse(&net.prefix, str_sub(text, slash + 1, text.n), written);
        if (r)
            return r;
    }
    if (written == 128)
        addr_set_v6(&net.base, &six, 0, 0);
    else
        addr_set_v4(&net.base, &four, 0);
    bytes = addr_bytes(&net.base, &bits);
    if (bits < written) {
        /* A network of mapped addresses is folded as its members are; wider than ::ffff:0:0/96 it
         * has others. */
        if (net.prefix < 96)
            return -EINVAL;
        net.prefix -= 96;
    }
    for (unsigned i = net.prefix; i < bits; i++)
        bytes[i / 8] &= (unsigned char)~(0x80u >> i % 8);
    *out = net;
    return 0;
}

bool addr_net_contains(const struct addr_net *net, const struct addr *a)
{
    struct addr x = *a, base = net->base;
    unsigned bits, whole = net->prefix / 8, rest = net->prefix % 8;
    const unsigned char *p = addr_bytes(&x, &bits), *q = addr_bytes(&base, &bits);

    if (x.sa.sa_family != base.sa.sa_family || memcmp(p, q, whole))
        return false;
    return rest == 0 || ((p[whole] ^ q[whole]) & (0xff00u >> rest) & 0xff) == 0;
}
