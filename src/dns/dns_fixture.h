// SPDX-License-Identifier: MIT
/* dns_fixture.h - messages of a name server, written for tests. */
#pragma once
#include "dns/answer.h"

struct message {
    char bytes[4096];
    struct buf b;
    unsigned answers, authorities;
};

static inline void put(struct message *m, unsigned value, unsigned bytes)
{
    while (bytes--)
        buf_add_char(&m->b, (char)(value >> 8 * bytes));
}

static inline void put_name(struct message *m, const char *name)
{
    struct str rest = str_of(name);

    while (rest.n) {
        struct str label = str_next(&rest, '.');

        put(m, (unsigned)label.n, 1);
        buf_add(&m->b, label);
    }
    put(m, 0, 1);
}

static inline void message_begin(struct message *m, const char *name, enum dns_type type,
                                 unsigned rcode)
{
    buf_init_on(&m->b, m->bytes, sizeof(m->bytes));
    m->answers = m->authorities = 0;
    put(m, 0x1234, 2);
    put(m, 0x8180 | rcode, 2);
    put(m, 1, 2);
    put(m, 0, 4);
    put(m, 0, 2);
    put_name(m, name);
    put(m, type, 2);
    put(m, 1, 2);
}

/* Up to its data, whose length is put by rr_end. */
static inline size_t rr_begin(struct message *m, const char *owner, unsigned type, uint32_t ttl_s)
{
    put_name(m, owner);
    put(m, type, 2);
    put(m, 1, 2);
    put(m, ttl_s, 4);
    put(m, 0, 2);
    if (type == DNS_SOA)
        m->authorities++;
    else
        m->answers++;
    return m->b.n;
}

static inline void rr_end(struct message *m, size_t begin)
{
    m->bytes[begin - 2] = (char)((m->b.n - begin) >> 8);
    m->bytes[begin - 1] = (char)(m->b.n - begin);
}

static inline void put_a(struct message *m, const char *owner, uint32_t ttl_s, uint32_t address)
{
    size_t at = rr_begin(m, owner, DNS_A, ttl_s);

    put(m, address, 4);
    rr_end(m, at);
}

static inline void put_srv(struct message *m, const char *owner, uint32_t ttl_s, unsigned priority,
                           unsigned weight, unsigned port, const char *target)
{
    size_t at = rr_begin(m, owner, DNS_SRV, ttl_s);

    put(m, priority, 2);
    put(m, weight, 2);
    put(m, port, 2);
    put_name(m, target);
    rr_end(m, at);
}

static inline void put_naptr(struct message *m, const char *owner, uint32_t ttl_s, unsigned order,
                             unsigned preference, const char *service, const char *replacement)
{
    size_t at = rr_begin(m, owner, DNS_NAPTR, ttl_s);

    put(m, order, 2);
    put(m, preference, 2);
    buf_add(&m->b, STR("\x01s"));
    put(m, (unsigned)strlen(service), 1);
    buf_add(&m->b, str_of(service));
    put(m, 0, 1);
    put_name(m, replacement);
    rr_end(m, at);
}

static inline void put_cname(struct message *m, const char *owner, uint32_t ttl_s,
                             const char *target)
{
    size_t at = rr_begin(m, owner, DNS_CNAME, ttl_s);

    put_name(m, target);
    rr_end(m, at);
}

static inline void put_soa(struct message *m, const char *owner, uint32_t ttl_s, uint32_t minimum_s)
{
    size_t at = rr_begin(m, owner, DNS_SOA, ttl_s);

    put_name(m, "ns.test");
    put_name(m, "admin.test");
    for (int i = 0; i < 4; i++)
        put(m, 0, 4);
    put(m, minimum_s, 4);
    rr_end(m, at);
}

static inline struct str message_end(struct message *m)
{
    m->bytes[7] = (char)m->answers;
    m->bytes[9] = (char)m->authorities;
    return buf_str(&m->b);
}
