// SPDX-License-Identifier: MIT
#include "dns/answer.h"

#include <stdlib.h>

enum {
    HEADER_BYTES = 12,
    CLASS_IN = 1,
    RCODE_NO_NAME = 3,
    ALIASES_MAX = 8,   /* CNAMEs one after the other */
    SECTION_MAX = 256, /* records looked at in one section */
    POINTERS_MAX = 64,
    LABEL_MAX = 63,
};

const char *dns_type_name(enum dns_type type)
{
    return type == DNS_A       ? "A"
           : type == DNS_AAAA  ? "AAAA"
           : type == DNS_SRV   ? "SRV"
           : type == DNS_NAPTR ? "NAPTR"
                               : "?";
}

const char *dns_outcome_name(enum dns_outcome outcome)
{
    static const char *const names[] = { [DNS_FOUND] = "found",
                                         [DNS_NO_NAME] = "no such name",
                                         [DNS_NO_DATA] = "no such record",
                                         [DNS_FAILED] = "no answer" };

    return names[outcome];
}

/* ---- bytes ---- */

struct reader { /* past the end everything is 0, and `broken` */
    struct str message;
    size_t at;
    bool broken;
};

static unsigned take(struct reader *r, unsigned bytes)
{
    unsigned value = 0;

    if (r->broken || bytes > r->message.n - r->at) {
        r->broken = true;
        return 0;
    }
    while (bytes--)
        value = value << 8 | (unsigned char)r->message.p[r->at++];
    return value;
}

static struct str take_bytes(struct reader *r, size_t n)
{
    struct str bytes = STR_EMPTY;

    if (r->broken || n > r->message.n - r->at) {
        r->broken = true;
        return bytes;
    }
    bytes = str_sub(r->message, r->at, r->at + n);
    r->at += n;
    return bytes;
}

static struct str take_string(struct reader *r)
{
    return take_bytes(r, take(r, 1));
}

/* What can stand in a URI or a log without being escaped; no server of anybody is called
 * otherwise. */
static bool is_plain(struct str label)
{
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' &&
            c != '_')
            return false;
    }
    return true;
}

/* RFC 1035 section 4.1.4. A pointer leads back, so that they come to an end, and not in too many
 * steps. Into `room` of DNS_NAME_MAX bytes, in lower case. */
static struct str take_name(struct reader *r, char *room)
{
    struct reader at = *r;
    size_t n = 0, end = 0;
    unsigned pointers = 0;

    for (;;) {
        size_t here = at.at;
        unsigned length = take(&at, 1);
        struct str label;

        if (length >= 0xc0) {
            size_t to = (length & 0x3fu) << 8 | take(&at, 1);

            if (!end)
                end = at.at;
            at.broken = at.broken || to >= here || ++pointers > POINTERS_MAX;
            at.at = to;
        } else if (!length) {
            break;
        } else {
            label = take_bytes(&at, length);
            at.broken = at.broken || length > LABEL_MAX || !is_plain(label) ||
                        n + (n > 0) + length > DNS_NAME_MAX;
            if (at.broken)
                break;
            if (n)
                room[n++] = '.';
            for (size_t i = 0; i < label.n; i++)
                room[n++] =
                    (char)(label.p[i] >= 'A' && label.p[i] <= 'Z' ? label.p[i] | 0x20 : label.p[i]);
        }
        if (at.broken)
            break;
    }
    r->broken = at.broken;
    r->at = end ? end : at.at;
    return r->broken ? STR_EMPTY : (struct str){ room, n };
}

/* ---- one record ---- */

struct rr {
    char owner_room[DNS_NAME_MAX];
    struct str owner;
    unsigned type, klass;
    uint32_t ttl_s;
    struct reader data;
    size_t end;
};

/* RFC 2181 section 8: with the highest bit it is none. */
static uint32_t ttl_of(uint32_t raw)
{
    return raw >> 31 ? 0 : raw;
}

static bool take_rr(struct reader *r, struct rr *rr)
{
    size_t length;

    rr->owner = take_name(r, rr->owner_room);
    rr->type = take(r, 2);
    rr->klass = take(r, 2);
    rr->ttl_s = ttl_of(take(r, 4));
    length = take(r, 2);
    rr->data = *r;
    (void)take_bytes(r, length);
    rr->end = r->at;
    rr->data.message.n = rr->end; /* its names may point back, but nothing goes beyond */
    return !r->broken;
}

static bool is_whole(const struct rr *rr)
{
    return !rr->data.broken && rr->data.at == rr->end;
}

struct gathered {
    struct dns_record records[DNS_RECORDS_MAX];
    size_t n;
    uint32_t ttl_s;
    char text[DNS_TEXT_MAX];
    size_t text_n;
};

static bool keep_text(struct gathered *g, struct str *s)
{
    char *at = g->text + g->text_n;

    if (s->n > sizeof(g->text) - g->text_n)
        return false;
    str_keep(s, &at);
    g->text_n += s->n;
    return true;
}

static void address_of(struct dns_record *record, struct rr *rr)
{
    struct str bytes;

    if (rr->type == DNS_A) {
        record->addr.v4.sin_family = AF_INET;
        bytes = take_bytes(&rr->data, sizeof(record->addr.v4.sin_addr));
        if (bytes.n)
            memcpy(&record->addr.v4.sin_addr, bytes.p, bytes.n);
    } else {
        record->addr.v6.sin6_family = AF_INET6;
        bytes = take_bytes(&rr->data, sizeof(record->addr.v6.sin6_addr));
        if (bytes.n)
            memcpy(&record->addr.v6.sin6_addr, bytes.p, bytes.n);
    }
}

/* One that is damaged is left out; what it promised is the sender's loss. */
static void gather(struct gathered *g, struct rr *rr)
{
    struct dns_record record = { .addr = { .v6 = { .sin6_family = AF_UNSPEC } } };
    struct gathered *text = g;
    size_t text_n = g->text_n;
    char room[DNS_NAME_MAX];
    bool fits = true;

    if (g->n == DNS_RECORDS_MAX)
        return;
    switch (rr->type) {
    case DNS_SRV:
        record.priority = (uint16_t)take(&rr->data, 2);
        record.weight = (uint16_t)take(&rr->data, 2);
        record.port = (uint16_t)take(&rr->data, 2);
        record.name = take_name(&rr->data, room);
        break;
    case DNS_NAPTR:
        record.priority = (uint16_t)take(&rr->data, 2);
        record.weight = (uint16_t)take(&rr->data, 2);
        record.flags = take_string(&rr->data);
        record.service = take_string(&rr->data);
        (void)take_string(&rr->data); /* a regular expression: SIP has none */
        record.name = take_name(&rr->data, room);
        fits = keep_text(text, &record.flags) && keep_text(text, &record.service);
        break;
    default:
        address_of(&record, rr);
    }
    if (!is_whole(rr) || !fits || !keep_text(text, &record.name)) {
        g->text_n = text_n;
        return;
    }
    g->ttl_s = rr->ttl_s < g->ttl_s ? rr->ttl_s : g->ttl_s;
    g->records[g->n++] = record;
}

/* ---- the message ---- */

struct layout {
    char name_room[2][DNS_NAME_MAX]; /* what was asked for, then what that is an alias of */
    struct str name;
    size_t answers_at;
    unsigned answers, authorities;
    unsigned rcode;
};

static bool layout_find(struct layout *l, struct str message)
{
    struct reader r = { .message = message };
    unsigned flags, questions;

    (void)take(&r, 2);
    flags = take(&r, 2);
    questions = take(&r, 2);
    l->answers = take(&r, 2);
    l->authorities = take(&r, 2);
    (void)take(&r, 2);
    l->name = take_name(&r, l->name_room[0]);
    (void)take(&r, 4); /* its type and class */
    l->answers_at = r.at;
    l->rcode = flags & 0xfu;
    return !r.broken && flags >> 15 && questions == 1;
}

/* Those of the name, or what it is an alias of: an alias is looked for from the beginning again,
 * since the order of records means nothing. False: damaged. */
static bool answers_gather(struct gathered *g, struct layout *l, struct str message,
                           enum dns_type type)
{
    for (unsigned alias = 0; alias < ALIASES_MAX; alias++) {
        struct reader r = { .message = message, .at = l->answers_at };
        char *next_room = l->name_room[1 - alias % 2];
        struct str next = STR_EMPTY;
        struct rr rr;

        for (unsigned i = 0; i < l->answers && i < SECTION_MAX; i++) {
            if (!take_rr(&r, &rr))
                return g->n > 0;
            if (rr.klass != CLASS_IN || !str_equal(rr.owner, l->name))
                continue;
            if (rr.type == (unsigned)type) {
                gather(g, &rr);
            } else if (rr.type == DNS_CNAME && !next.n) {
                next = take_name(&rr.data, next_room);
                if (next.n)
                    g->ttl_s = rr.ttl_s < g->ttl_s ? rr.ttl_s : g->ttl_s;
            }
        }
        if (g->n || !next.n)
            return true;
        l->name = next;
    }
    return true;
}

/* RFC 2308 section 5: the lesser of the SOA's own lifetime and of its last field. */
static uint32_t negative_ttl(const struct layout *l, struct str message)
{
    struct reader r = { .message = message, .at = l->answers_at };
    char room[DNS_NAME_MAX];
    struct rr rr;

    for (unsigned i = 0; i < l->answers + l->authorities && i < SECTION_MAX; i++) {
        uint32_t minimum_s;

        if (!take_rr(&r, &rr))
            break;
        if (i < l->answers || rr.type != DNS_SOA)
            continue;
        (void)take_name(&rr.data, room);
        (void)take_name(&rr.data, room);
        (void)take_bytes(&rr.data, 16); /* serial, refresh, retry, expire */
        minimum_s = ttl_of(take(&rr.data, 4));
        if (!is_whole(&rr))
            break;
        return rr.ttl_s < minimum_s ? rr.ttl_s : minimum_s;
    }
    return DNS_FAILED_S;
}

static void outcome_find(struct dns_answer *head, struct gathered *g, enum dns_type type,
                         struct str message)
{
    struct layout l;

    if (!layout_find(&l, message) || (l.rcode && l.rcode != RCODE_NO_NAME) ||
        !answers_gather(g, &l, message, type))
        return;
    if (g->n) {
        head->outcome = DNS_FOUND;
        head->ttl_s = g->ttl_s;
        return;
    }
    head->outcome = l.rcode ? DNS_NO_NAME : DNS_NO_DATA;
    head->ttl_s = negative_ttl(&l, message);
    if (head->ttl_s > DNS_NEGATIVE_MAX_S)
        head->ttl_s = DNS_NEGATIVE_MAX_S;
}

int dns_answer_parse(struct dns_answer **out, enum dns_type type, struct str message)
{
    struct dns_answer head = { .outcome = DNS_FAILED, .ttl_s = DNS_FAILED_S };
    struct gathered g;
    struct dns_answer *a;
    char *at;

    g.n = g.text_n = 0;
    g.ttl_s = DNS_TTL_MAX_S;
    outcome_find(&head, &g, type, message);
    head.n = head.outcome == DNS_FOUND ? g.n : 0;
    a = malloc(sizeof(*a) + head.n * sizeof(a->records[0]) + g.text_n);
    if (!a)
        return -ENOMEM;
    *a = head;
    at = (char *)&a->records[a->n];
    for (size_t i = 0; i < a->n; i++) {
        a->records[i] = g.records[i];
        str_keep(&a->records[i].flags, &at);
        str_keep(&a->records[i].service, &at);
        str_keep(&a->records[i].name, &at);
    }
    *out = a;
    return 0;
}
