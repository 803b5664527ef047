// SPDX-License-Identifier: MIT
/* dns.h - where to send a request that is for a name: RFC 3263.
 *
 * A lookup has the targets in the order in which they are to be tried: those of the first service
 * that has any, by priority and weight (RFC 2782), and of each host its IPv6 addresses before its
 * IPv4 ones, as far as a transport of ours reaches them. Answers are kept as long as they say, and
 * many lookups of one name share one question. The network is behind a port: wire.h, or a test.
 * Threads: the worker that owns it. */
#pragma once
#include "base/log.h"
#include "dns/answer.h"
#include "loop/wheel.h"
#include "net/net.h"

struct dns;       /* opaque: see dns.c */
struct dns_entry; /* likewise: one name's records of one type */

enum {
    DNS_TARGETS_MAX = 16,
    DNS_ENTRIES_MAX = 1024,  /* kept; the one not used for longest goes */
    DNS_PENDING_MAX = 256,   /* questions without an answer; more count as not answered */
    DNS_PENDING_OWN = 64,    /* of these for names of the configuration alone */
    DNS_PENDING_ASKER = 32,  /* for names out of one endpoint's requests */
    DNS_LOOKUPS_MAX = 4096,  /* at once */
    DNS_PATIENCE_MS = 20000, /* for one lookup, whatever it asks */
    DNS_STALE_S = 3600,      /* when nobody answers, what was known until then will do so long: RFC
                                8767; asked again after DNS_STALE_TTL_S */
    DNS_STALE_TTL_S = 30,
    DNS_WHY_MAX = 512,
};

struct dns_question { /* borrowed for the call */
    struct str host;  /* a name or a literal, without brackets */
    struct str asker; /* the endpoint whose requests name it; empty: the configuration does */
    uint16_t port;    /* 0: none is named */
    bool secure;      /* sips: TLS and nothing else */
    bool fixed;       /* the protocol is named, by the URI or by a transport that is configured */
    enum net_protocol protocol; /* that one; or, unless NAPTR or SRV say otherwise, the usual one */
};

struct dns_target {
    struct addr addr;
    enum net_protocol protocol;
};

struct dns_targets {
    unsigned n;
    struct dns_target list[DNS_TARGETS_MAX];
    uint64_t until_ms; /* of the clock: it may be otherwise then. UINT64_MAX: never */
    bool full;         /* not all was asked: the asker's share of questions is under way */
    struct str why; /* without any: what was asked, and what was answered. Borrowed for the call */
};

/* "udp 192.0.2.1:5060" */
enum { DNS_TARGET_TEXT_MAX = 64 };
void dns_target_print(struct buf *out, enum net_protocol protocol, const struct addr *addr);

typedef void (*dns_done_fn)(void *ctx, uint64_t cookie, const struct dns_targets *found);

struct dns_port {
    void *ctx;
    /* Ask; dns_answered tells what came of it, sooner or later, or now. `name` is lower case. */
    void (*query)(void *ctx, const char *name, enum dns_type type, struct dns_entry *entry);
    /* The addresses that this machine itself knows for the name (/etc/hosts), at most `most`; how
     * many there are. */
    size_t (*hosts)(void *ctx, const char *name, struct addr *list, size_t most);
    /* Can we send there? */
    bool (*reached)(void *ctx, enum net_protocol protocol, const struct addr *remote);
    /* Is there any transport of this protocol? */
    bool (*speaks)(void *ctx, enum net_protocol protocol);
};

struct dns_config {
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct dns_port port;
};
NODISCARD int dns_create(struct dns **out, const struct dns_config *cfg);
/* Lookups end without a word. Nothing is answered afterwards. */
void dns_destroy(struct dns *d);

/* `done` comes once, never from inside, and within DNS_PATIENCE_MS. 0; -EAGAIN: there are too many;
 * -ENOMEM. */
NODISCARD int dns_lookup(struct dns *d, const struct dns_question *q, dns_done_fn done, void *ctx,
                         uint64_t cookie);
size_t dns_lookups(const struct dns *d); /* that are not done */
/* What came of a query: the message (borrowed for the call), or, when it is empty, `without`. */
void dns_answered(struct dns *d, struct dns_entry *entry, enum dns_outcome without,
                  struct str message);
/* There are other name servers: nothing that is known counts any more. */
void dns_forget(struct dns *d);

/* RFC 2782: by priority, and among the same one at random, those with more weight sooner. */
void dns_srv_order(struct dns_record *records, size_t n, struct rng *rng);
