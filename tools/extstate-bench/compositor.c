// SPDX-License-Identifier: MIT
/* RFC 3903 section 6, as far as the only publisher of each resource notices. */
#include <stdlib.h>

#include "bench.h"

enum { BRANCH_MAX = 128 };

struct published { /* what the server says of one resource */
    enum lamp lamp;
    uint32_t etag; /* as last answered; 0: nothing is published */
    char branch[BRANCH_MAX + 1];
};

static struct published *published_of(const struct bench *b, const struct sip_message *m)
{
    uint32_t user;

    if (str_to_u32(&user, m->request_uri.user) || user < b->options->base ||
        user - b->options->base >= b->options->resources)
        return NULL;
    return &b->published[user - b->options->base];
}

static void show(struct bench *b, struct published *p, enum lamp lamp)
{
    struct resource *r = &b->resources[p - b->published];

    b->phase.counters.notifies++;
    phase_progress(b);
    if (lamp == p->lamp)
        return;
    if (b->phase.spec.kind == PHASE_FANOUT && p->lamp != LAMP_DARK && lamp != LAMP_DARK &&
        r->changed_us[lamp])
        histogram_add(&b->phase.latency, now_us() - r->changed_us[lamp]);
    resource_show(b, r, p->lamp, lamp);
    p->lamp = lamp;
}

/* The status for a PUBLISH that has not come before. */
static unsigned apply(struct bench *b, struct published *p, const struct sip_message *m)
{
    struct str match = sip_header_value(m, SIP_H_SIP_IF_MATCH);
    uint32_t etag = 0;

    if (match.n && (str_to_u32(&etag, match) || etag != p->etag))
        return 412;
    if (!match.n && !m->body.n)
        return 400;
    if (str_equal(sip_header_value(m, SIP_H_EXPIRES), STR("0")))
        show(b, p, LAMP_DARK);
    else if (m->body.n)
        show(b, p, lamp_read(m->body));
    p->etag++;
    return 200;
}

void compositor_publish(struct bench *b, const struct sip_message *m, const struct flow *from)
{
    struct published *p = published_of(b, m);
    unsigned status = p ? 200 : 404;
    char room[64];
    struct buf headers;

    buf_init_on(&headers, room, sizeof(room));
    if (p && str_equal(str_of(p->branch), m->branch))
        b->phase.counters.received_again++;
    else if (p)
        status = apply(b, p, m);
    if (status == 200) {
        buf_printf(&headers, "SIP-ETag: %u\r\nExpires: %u\r\n", p->etag, b->options->expires_s);
        snprintf(p->branch, sizeof(p->branch), "%.*s", STR_FMT(str_sub(m->branch, 0, BRANCH_MAX)));
    } else {
        bench_complain(b, "a PUBLISH of the server's was answered %u", status);
    }
    wire_reply(b, m, from, status, buf_str(&headers), 0);
}

uint64_t compositor_wrong(const struct bench *b)
{
    uint64_t wrong = 0;

    for (uint32_t i = 0; b->published && i < b->options->resources; i++)
        wrong += b->resources[i].known && b->published[i].lamp != b->resources[i].lamp;
    return wrong;
}

int compositor_create(struct bench *b)
{
    if (!b->options->compositor)
        return 0;
    b->published = calloc(b->options->resources, sizeof(*b->published));
    for (uint32_t i = 0; b->published && i < b->options->resources; i++) {
        b->published[i].lamp = LAMP_DARK;
        resource_count(b, &b->resources[i], 1, LAMP_DARK);
    }
    return b->published ? 0 : -ENOMEM;
}

void compositor_destroy(struct bench *b)
{
    free(b->published);
}
