// SPDX-License-Identifier: MIT
/* cache.h - what is known of names, and what is being asked. Private to the folder. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "dns/dns.h"

struct dns_entry {
    struct map_node node;
    struct list recent;        /* in dns.recent, the one used last at its end */
    struct list waiters;       /* lookup.link: whom its answer makes go on */
    struct dns_answer *answer; /* NULL: there was none yet */
    uint64_t answered_ms, expires_ms;
    enum dns_type type;
    bool pending;
    uint16_t asker; /* whose share of pending ones that is, while it is pending */
    char name[];
};

/* Who asks, for what each of them may have under way: 0 is the configuration, others are endpoints,
 * of which two may be taken for one. */
enum { DNS_ASKERS = 1024 };

struct dns {
    struct dns_config cfg;
    struct map entries;
    struct list recent;
    struct list ready; /* lookup.link: to be looked at in the next turn */
    struct timer turn;
    size_t n_entries, n_pending, n_lookups;
    uint16_t n_asked[DNS_ASKERS]; /* pending ones, of each asker */
    struct list lookups;          /* lookup.all, the oldest first */
    struct timer patience;
};

uint16_t cache_asker(const struct dns *d, struct str endpoint); /* empty: the configuration */

struct cache_question { /* borrowed for the call */
    const char *name;
    enum dns_type type;
    uint64_t since_ms;
    uint16_t asker;
};
/* The records, as they are now or were asked for after `since_ms`; asks when there are none. When
 * there is no room for that, those that were known until lately. NULL: wait for `*pending`, or,
 * when that is NULL, there is no room for the question, or no memory for the answer. */
const struct dns_entry *cache_get(struct dns *d, const struct cache_question *q,
                                  struct dns_entry **pending);
void cache_fini(struct dns *d);
