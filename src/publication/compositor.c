// SPDX-License-Identifier: MIT
/* What waits for the store, and what publishers are told. */
#include "publication/compositor_internal.h"

#include <stdlib.h>

enum { URI_LOGGED_MAX = 255 };

/* ---- waiting for the store ---- */

static bool has_cookie(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct pending, node)->cookie == *(const uint64_t *)key;
}

static struct pending *pending_find(struct compositor *c, uint64_t cookie)
{
    struct map_node *node =
        map_find(&c->pending, map_hash_u64(&c->pending, cookie), has_cookie, &cookie);

    return node ? CONTAINER_OF(node, struct pending, node) : NULL;
}

struct pending *pending_create(struct compositor *c, struct server_txn *st, const struct asker *by)
{
    const struct str parts[] = { by->endpoint, by->package, str_sub(by->uri, 0, URI_LOGGED_MAX),
                                 by->call_id };
    struct str kept[ARRAY_LEN(parts)];
    struct pending *p;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        n += parts[i].n;
    p = malloc(sizeof(*p) + n);
    if (!p)
        return NULL;
    *p = (struct pending){ .cookie = c->next_cookie++, .txn = st };
    n = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        kept[i] = (struct str){ p->text + n, parts[i].n };
        memcpy(p->text + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    p->by = (struct asker){ kept[0], kept[1], kept[2], kept[3] };
    map_add(&c->pending, &p->node, map_hash_u64(&c->pending, p->cookie));
    return p;
}

void pending_destroy(struct compositor *c, struct pending *p)
{
    map_remove(&c->pending, &p->node);
    free(p);
}

/* ---- answers ---- */

static void refusal_count(struct compositor_counters *c, unsigned status)
{
    const struct {
        unsigned status;
        uint64_t *counter;
    } counters[] = {
        { 400, &c->refused_400 }, { 403, &c->refused_403 }, { 404, &c->refused_404 },
        { 412, &c->refused_412 }, { 413, &c->refused_413 }, { 415, &c->refused_415 },
        { 423, &c->refused_423 }, { 489, &c->refused_489 }, { 503, &c->refused_503 },
    };

    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        if (counters[i].status == status) {
            ++*counters[i].counter;
            return;
        }
    }
    c->refused_other++;
}

/* Spread, or all of them return at once. */
static void print_retry_after(struct compositor *c)
{
    sip_print_header_u64(&c->headers, STR("Retry-After"), 5 + rng_below(c->cfg.rng, 10));
}

void compositor_reject(struct compositor *c, struct server_txn *st, unsigned status, struct str why)
{
    char text[WHY_MAX + 1] = "";
    struct buf b;

    buf_init_on(&b, text, WHY_MAX);
    buf_add(&b, str_sub(why, 0, WHY_MAX));
    if (status == 503)
        print_retry_after(c);
    uas_print_warning(&c->headers, c->settings->global.user_agent, text);
    server_txn_reject(st, status, buf_str(&c->headers));
}

void compositor_refuse(struct compositor *c, struct server_txn *st, const struct asker *by,
                       unsigned status, struct str why)
{
    char source[TXN_SOURCE_MAX];

    log_info(c->cfg.log, "publish.refused", KV_U("status", status), KV("why", why),
             KV("endpoint", by->endpoint), KV("package", by->package), KV("uri", by->uri),
             KV("call_id", by->call_id), KV("source", server_txn_source(st, source)));
    refusal_count(&c->counters, status);
    compositor_reject(c, st, status, why);
}

static void refuse_failed(struct compositor *c, const struct pending *p, int result)
{
    log_error(c->cfg.log, "publish.failed", KV_ERR(result), KV("uri", p->by.uri));
    if (result == -ENOMEM)
        compositor_refuse(c, p->txn, &p->by, 503, STR("there is no memory for this publication"));
    else
        compositor_refuse(c, p->txn, &p->by, 500, STR("the publication could not be stored"));
}

static void request_accept(struct compositor *c, const struct pending *p, struct str etag)
{
    log_debug(c->cfg.log, "publish.accepted", KV("endpoint", p->by.endpoint),
              KV("package", p->by.package), KV("uri", p->by.uri), KV("call_id", p->by.call_id),
              KV_U("expires_s", p->expires_s));
    sip_print_header(&c->headers, STR("SIP-ETag"), etag);
    sip_print_header_u64(&c->headers, STR("Expires"), p->expires_s);
    if (c->headers.error) { /* without its entity-tag it is of no use to anybody */
        int r = c->headers.error;

        buf_reset(&c->headers);
        refuse_failed(c, p, r);
        return;
    }
    c->counters.accepted++;
    server_txn_respond(p->txn,
                       &(struct sip_reply){ .status = 200, .headers = buf_str(&c->headers) });
}

/* Anything may be published for a package that is not understood, if it says what it is. */
static void print_accept(struct buf *out, struct str package)
{
    char room[512];
    struct buf types;

    buf_init_on(&types, room, sizeof(room));
    if (asterisk_package_known(package))
        buf_add(&types, ASTERISK_EVENT_TYPE);
    else if (inbound_package_known(package))
        inbound_types_print(package, &types);
    else
        buf_add(&types, STR("*/*"));
    sip_print_header(out, STR("Accept"), buf_str(&types));
}

static void refuse_body(struct compositor *c, const struct pending *p,
                        const struct publication_answer *answer)
{
    if (answer->status == 415)
        print_accept(&c->headers, p->by.package);
    if (answer->status == 423)
        sip_print_header_u64(&c->headers, STR("Min-Expires"), p->minimum_expiry_s);
    if (answer->temporary)
        print_retry_after(c);
    compositor_refuse(c, p->txn, &p->by, answer->status, answer->why);
}

void compositor_answer(struct compositor *c, uint64_t cookie, int result,
                       const struct publication_answer *answer)
{
    struct pending *p = pending_find(c, cookie);

    BUG_UNLESS(p); /* answered twice, or never asked */
    buf_reset(&c->headers);
    switch (result) {
    case 0:
        request_accept(c, p, answer->etag);
        break;
    case PUBLICATION_NO_MATCH:
        compositor_refuse(c, p->txn, &p->by, 412,
                          STR("no publication of this publisher has this entity-tag"));
        break;
    case PUBLICATION_NO_BODY:
        compositor_refuse(c, p->txn, &p->by, 400, STR("a first publication needs a body"));
        break;
    case PUBLICATION_BAD_BODY:
        refuse_body(c, p, answer);
        break;
    case PUBLICATION_UNSERVED:
        compositor_refuse(c, p->txn, &p->by, 404, STR("this is not served any more"));
        break;
    case PUBLICATION_UNKEPT:
        compositor_refuse(c, p->txn, &p->by, 503,
                          STR("nothing new can be kept here at the moment"));
        break;
    case PUBLICATION_QUOTA:
        compositor_refuse(c, p->txn, &p->by, 503,
                          STR("this publisher or this resource has too many publications"));
        break;
    default:
        BUG_UNLESS(result < 0);
        refuse_failed(c, p, result);
    }
    pending_destroy(c, p);
}

/* ---- life ---- */

int compositor_create(struct compositor **out, const struct compositor_config *cfg)
{
    struct compositor *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    r = map_init(&c->pending, cfg->rng);
    if (r) {
        free(c);
        return r;
    }
    c->cfg = *cfg;
    c->settings = settings_ref(cfg->settings);
    buf_init(&c->headers, SIP_MESSAGE_MAX);
    buf_init(&c->publisher, SIP_MESSAGE_MAX);
    buf_init(&c->origin, SIP_MESSAGE_MAX);
    buf_init(&c->content_type, SIP_MESSAGE_MAX);
    buf_init(&c->why, WHY_MAX);
    *out = c;
    return 0;
}

void compositor_destroy(struct compositor *c)
{
    if (!c)
        return;
    /* What was handed over may be on disk: whoever asked asks again, and the next process answers.
     */
    MAP_FOREACH_SAFE (it, &c->pending)
        pending_destroy(c, CONTAINER_OF(it, struct pending, node));
    map_fini(&c->pending);
    settings_unref(c->settings);
    buf_fini(&c->headers);
    buf_fini(&c->publisher);
    buf_fini(&c->origin);
    buf_fini(&c->content_type);
    buf_fini(&c->why);
    xml_parser_fini(&c->xml);
    free(c);
}

void compositor_settings_set(struct compositor *c, const struct settings *settings)
{
    const struct settings *former = c->settings;

    c->settings = settings_ref(settings);
    settings_unref(former);
}

void compositor_stop(struct compositor *c)
{
    c->stopping = true;
}

size_t compositor_unanswered(const struct compositor *c)
{
    return c->pending.count;
}

void compositor_counters_get(const struct compositor *c, struct compositor_counters *out)
{
    *out = c->counters;
    out->pending = c->pending.count;
}
