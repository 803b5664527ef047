// SPDX-License-Identifier: MIT
/* The addresses that a host name of `match` stands for: of the servers that offer SIP for it, else
 * its own. By what the system asks, in /etc/resolv.conf and /etc/hosts; the caller waits. */
#include "config/pjsip.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

enum {
    ANSWER_MAX = 65535,
    TRY_S = 2, /* for each name server, twice: three questions are asked while a start waits */
    TRIES = 2,
    SRV_TARGET = 6 /* behind priority, weight and port */
};

struct wanted {
    void (*each)(void *ctx, const struct addr *address);
    void *ctx;
    size_t n;
};

/* 0 or an error of getaddrinfo. */
static int addresses(struct wanted *w, const char *name)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
    struct addrinfo *found = NULL;
    int r = getaddrinfo(name, NULL, &hints, &found);

    if (r)
        return r;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        struct addr address;

        if (addr_from_sockaddr(&address, a->ai_addr))
            continue;
        w->each(w->ctx, &address);
        w->n++;
    }
    freeaddrinfo(found);
    return 0;
}

/* One that cannot be read, or is "." (RFC 2782: there is none), has no address. */
static void targets(struct wanted *w, const unsigned char *answer, int n)
{
    char name[NS_MAXDNAME];
    ns_msg message;
    ns_rr record;

    if (ns_initparse(answer, n, &message))
        return;
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        if (ns_parserr(&message, ns_s_an, i, &record) || ns_rr_type(record) != ns_t_srv ||
            ns_rr_rdlen(record) <= SRV_TARGET ||
            dn_expand(ns_msg_base(message), ns_msg_end(message), ns_rr_rdata(record) + SRV_TARGET,
                      name, sizeof(name)) < 0 ||
            !*name)
            continue;
        (void)addresses(w, name);
    }
}

/* Where no name server answers the other questions are not asked. 0 or -ENOMEM. */
static int servers(struct wanted *w, const char *host)
{
    static const char *const services[] = { "_sip._udp", "_sip._tcp", "_sips._tcp" };
    struct __res_state state = { .options = 0 };
    unsigned char *answer = malloc(ANSWER_MAX);
    char name[NS_MAXDNAME];

    if (!answer)
        return -ENOMEM;
    if (res_ninit(&state))
        goto out;
    state.retrans = TRY_S;
    state.retry = TRIES;
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        struct buf text;
        int n;

        buf_init_on(&text, name, sizeof(name) - 1);
        buf_printf(&text, "%s.%s", services[i], host);
        if (text.error)
            break;
        name[text.n] = '\0';
        n = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, ANSWER_MAX);
        if (n >= 0)
            targets(w, answer, n);
        else if (state.res_h_errno == TRY_AGAIN)
            break;
    }
    res_nclose(&state);
out:
    free(answer);
    return 0;
}

int match_addresses(struct str host, bool srv,
                    void (*each)(void *each_ctx, const struct addr *address), void *each_ctx,
                    const char **why)
{
    struct wanted w = { .each = each, .ctx = each_ctx };
    struct str name;
    int r = str_dup(&name, host);

    if (r)
        return r;
    if (srv && str_find_char(host, '.') < host.n) /* others are of this machine's network */
        r = servers(&w, name.p);
    if (r == 0 && !w.n) {
        int error = addresses(&w, name.p);

        if (error) {
            *why = gai_strerror(error);
            r = -ENOENT;
        }
    }
    str_free(&name);
    return r;
}
