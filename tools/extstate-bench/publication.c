// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "bench.h"

enum { ETAG_MAX = 256 };

static struct publication *publication_of(struct request *q)
{
    return CONTAINER_OF(q, struct publication, request);
}

/* Publications of resources that are watched come first; the others are those of the publish phase.
 */
static bool watched(const struct publication *p)
{
    return p->request.id.index < p->request.bench->options->resources;
}

static void print_publish(struct request *q, struct buf *out)
{
    const struct publication *p = publication_of(q);
    const struct bench *b = q->bench;
    char user_room[16], uri_room[512], body_room[1536];
    struct buf user, uri, body;

    buf_init_on(&user, user_room, sizeof(user_room));
    resource_user(&user, b, q->id.index);
    buf_init_on(&uri, uri_room, sizeof(uri_room));
    buf_printf(&uri, "sip:%.*s@%.*s", STR_FMT(buf_str(&user)), STR_FMT(b->domain));
    buf_init_on(&body, body_room, sizeof(body_room));
    lamp_print(&body, p->lamp, buf_str(&uri), p->version);
    request_print_head(q, out, STR("PUBLISH"), buf_str(&uri), buf_str(&user), STR_EMPTY);
    if (p->etag)
        sip_print_header(out, STR("SIP-If-Match"), str_of(p->etag));
    buf_printf(out,
               "Event: dialog\r\nExpires: %u\r\nContent-Type: application/dialog-info+xml\r\n"
               "Content-Length: %zu\r\n\r\n",
               b->options->expires_s, body.n);
    buf_add(out, buf_str(&body));
}

static void publish(struct publication *p)
{
    p->again = false;
    p->lamp = p->wanted;
    p->version++;
    request_start(&p->request);
}

void publication_set(struct publication *p, enum lamp lamp)
{
    struct bench *b = p->request.bench;

    p->wanted = lamp;
    if (p->operation) { /* the former one is not waited for any more */
        b->phase.counters.merged++;
        phase_finish(b, true);
    }
    p->operation = !watched(p);
    if (request_running(&p->request))
        p->again = true; /* RFC 3903 section 4: one at a time */
    else
        publish(p);
}

static void finish(struct publication *p, bool ok)
{
    struct bench *b = p->request.bench;

    struct resource *r = watched(p) ? &b->resources[p->request.id.index] : NULL;

    if (r && ok)
        resource_acknowledge(b, r);
    else if (r)
        resource_refuse(b, r);
    else if (p->operation)
        phase_finish(b, ok);
    p->operation = false;
}

static void keep_etag(struct publication *p, struct str etag)
{
    struct str kept;

    free(p->etag);
    p->etag = NULL;
    if (etag.n && etag.n <= ETAG_MAX && str_dup(&kept, etag) == 0)
        p->etag = (char *)kept.p;
}

void publication_response(struct publication *p, const struct sip_message *m)
{
    struct bench *b = p->request.bench;

    request_stop(&p->request);
    if (m->status < 300) {
        keep_etag(p, sip_header_value(m, SIP_H_SIP_ETAG));
        if (b->phase.spec.kind == PHASE_PRIME || b->phase.spec.kind == PHASE_PUBLISH)
            histogram_add(&b->phase.latency, now_us() - p->request.first_us);
        phase_progress(b);
        if (p->again)
            publish(p);
        else
            finish(p, true);
    } else if (m->status == 412 && p->etag) { /* the server has forgotten it: begin anew */
        keep_etag(p, STR_EMPTY);
        publish(p);
    } else if (m->status == 503) {
        request_refused(&p->request, m);
    } else {
        bench_complain(b, "a PUBLISH was answered %u %.*s", m->status, STR_FMT(m->reason));
        finish(p, false);
    }
}

/* Nobody knows whether the last one arrived. */
static void on_expired(struct request *q)
{
    struct publication *p = publication_of(q);

    keep_etag(p, STR_EMPTY);
    publish(p);
}

void publications_reconnected(struct bench *b, uint32_t connection)
{
    uint32_t n = b->options->resources + PUBLISH_RESOURCES;

    for (uint32_t i = connection; i < n; i += b->options->sockets)
        if (request_running(&b->publications[i].request))
            on_expired(&b->publications[i].request);
}

static const struct request_kind publish_kind = { print_publish, on_expired };

int publications_create(struct bench *b)
{
    uint32_t n = b->options->resources + PUBLISH_RESOURCES;

    b->publications = calloc(n, sizeof(*b->publications));
    for (uint32_t i = 0; b->publications && i < n; i++)
        request_init(&b->publications[i].request, b, &publish_kind, (struct identity){ 'p', i, 0 });
    return b->publications ? 0 : -ENOMEM;
}

void publications_destroy(struct bench *b)
{
    for (uint32_t i = 0; b->publications && i < b->options->resources + PUBLISH_RESOURCES; i++) {
        request_stop(&b->publications[i].request);
        free(b->publications[i].etag);
    }
    free(b->publications);
}
