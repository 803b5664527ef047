// SPDX-License-Identifier: MIT
/* answer.h - what a name server answered: one message taken apart, with its lifetime.
 *
 * The message has been matched to its question; everything else in it is whatever somebody sent.
 * Source: RFC 1035 section 4, 2181 section 8, 2308, 2782, 2915, 3596. Threads: pure functions.
 * Private to the folder and to its fuzz target. */
#pragma once
#include "base/addr.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_NAPTR = 35,
};
const char *dns_type_name(enum dns_type type);

enum dns_outcome {
    DNS_FOUND,
    DNS_NO_NAME, /* the name does not exist */
    DNS_NO_DATA, /* it does, but has nothing of this type */
    DNS_FAILED,  /* nobody knows: no answer, a refusal, nonsense */
};
const char *dns_outcome_name(enum dns_outcome outcome);

enum {
    DNS_NAME_MAX = 253,       /* in text, without the dot at the end */
    DNS_RECORDS_MAX = 32,     /* more are left out */
    DNS_TEXT_MAX = 8192,      /* of all texts of an answer; what does not fit is left out */
    DNS_TTL_MAX_S = 86400,    /* RFC 8767 section 4 has seven days: a server moves sooner */
    DNS_NEGATIVE_MAX_S = 300, /* whatever the SOA says: somebody waits for the name to appear */
    DNS_FAILED_S = 5,
};

struct dns_record {
    uint16_t priority, weight; /* of SRV; of NAPTR order and preference */
    uint16_t port;             /* of SRV */
    struct addr addr;          /* of A and AAAA, with port 0 */
    struct str name;           /* of SRV its target, of NAPTR its replacement; "" is the root */
    struct str flags, service; /* of NAPTR */
};

struct dns_answer { /* one allocation: free() */
    enum dns_outcome outcome;
    uint32_t ttl_s;
    size_t n; /* 0 unless DNS_FOUND */
    struct dns_record records[];
};

/* 0 or -ENOMEM. A message that is damaged is DNS_FAILED, and so is an empty one. */
NODISCARD int dns_answer_parse(struct dns_answer **out, enum dns_type type, struct str message);
