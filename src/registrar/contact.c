// SPDX-License-Identifier: MIT
#include "registrar/contact.h"

#include "base/record.h"
#include "config/settings.h"
#include "sip/field.h"

#include <stdlib.h>

enum {
    FORMAT = 1,
    NUMBERS_ROOM = 256, /* of a record: all that are no texts, and the lengths of those */
    ADDR_ROOM = 64,
    FLAG_REWRITTEN = 1,
};

/* One list for their sizes, their copies and their order in a record, in which the last one stands
 * at its end, since it came later. */
enum { TEXTS = 9, TEXTS_FIRST = 8 };
static void texts_of(struct contact *c, struct str *texts[static TEXTS])
{
    struct str *all[] = { &c->aor,        &c->uri,     &c->target,    &c->route,   &c->endpoint,
                          &c->user_agent, &c->call_id, &c->transport, &c->outbound };

    memcpy(texts, all, sizeof(all));
}

static size_t texts_size(const struct contact *c)
{
    struct str *texts[TEXTS];
    size_t size = 0;

    texts_of((struct contact *)c, texts);
    for (size_t i = 0; i < TEXTS; i++)
        size += texts[i]->n;
    return size;
}

int contact_create(struct contact **out, const struct contact *what)
{
    struct contact *c = malloc(sizeof(*c) + texts_size(what));
    struct str *texts[TEXTS];
    char *at;

    if (!c)
        return -ENOMEM;
    memcpy(c, what, sizeof(*c));
    atomic_init(&c->refs, 1);
    c->flow.names = NULL;
    at = c->text;
    texts_of(c, texts);
    for (size_t i = 0; i < TEXTS; i++)
        str_keep(texts[i], &at);
    *out = c;
    return 0;
}

int contact_create_static(struct contact **out, uint64_t id, struct str aor, struct str uri,
                          struct str endpoint)
{
    struct contact what = { .id = id,
                            .is_static = true,
                            .aor = aor,
                            .uri = uri,
                            .q = CONTACT_NO_Q,
                            .endpoint = endpoint,
                            .flow = { .transport = CONTACT_NO_TRANSPORT } };
    char room[CONTACT_URI_MAX];
    struct sip_uri parts;
    struct buf target;

    buf_init_on(&target, room, sizeof(room));
    if (sip_uri_parse(&parts, uri) == 0 && parts.sip) {
        parts.headers = STR_EMPTY; /* RFC 3261 section 19.1.1 */
        sip_uri_print(&target, &parts);
    }
    if (!target.n || target.error)
        return -EBADMSG;
    what.target = buf_str(&target);
    return contact_create(out, &what);
}

void contact_unref(const struct contact *c)
{
    if (c && atomic_fetch_sub_explicit(&((struct contact *)c)->refs, 1, memory_order_acq_rel) == 1)
        free((struct contact *)c);
}

/* Whoever names the address that it calls from listens there no more than behind a NAT. */
static bool is_where_it_came_from(const struct contact *c)
{
    struct sip_uri uri;
    struct addr a;

    return c->rewritten || (sip_uri_parse(&uri, c->target) == 0 &&
                            addr_parse(&a, uri.host, uri.port ? uri.port : 5060) == 0 &&
                            addr_equal(&a, &c->flow.remote));
}

bool contact_is_tied(const struct contact *c)
{
    uint32_t connection = c->flow.connection;

    return connection && connection != NET_ANY_CONNECTION && connection != NET_NO_CONNECTION &&
           !c->route.n && !c->is_static &&
           (net_is_web(c->flow.protocol) || is_where_it_came_from(c));
}

bool contact_same_way(const struct contact *a, const struct contact *b)
{
    return str_equal(a->target, b->target) && str_equal(a->route, b->route) &&
           str_equal(a->endpoint, b->endpoint) && str_equal(a->transport, b->transport) &&
           a->flow.connection == b->flow.connection && a->flow.protocol == b->flow.protocol &&
           addr_equal(&a->flow.remote, &b->flow.remote) &&
           addr_equal(&a->flow.local, &b->flow.local);
}

bool contact_is_configured(const struct contact *c, const struct settings *s)
{
    const struct aor_settings *a = s->registrar.enabled ? settings_aor(s, c->aor) : NULL;

    if (!a || !c->is_static)
        return a && a->max_contacts;
    for (size_t i = 0; i < a->n_contacts; i++)
        if (str_equal(a->contacts[i], c->uri))
            return true;
    return false;
}

/* ---- the record ---- */

size_t contact_record_size(const struct contact *c)
{
    return texts_size(c) + NUMBERS_ROOM;
}

static void add_addr(struct buf *out, const struct addr *a)
{
    char room[ADDR_ROOM];
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, a);
    record_add_str(out, buf_str(&text));
}

void contact_record_print(const struct contact *c, struct buf *out)
{
    struct str *texts[TEXTS];

    record_add_u64(out, FORMAT);
    texts_of((struct contact *)c, texts);
    for (size_t i = 0; i < TEXTS_FIRST; i++)
        record_add_str(out, *texts[i]);
    record_add_u64(out, c->cseq);
    record_add_u64(out, c->q);
    record_add_u64(out, c->expires_s);
    record_add_u64(out, c->expires_wall_ms);
    record_add_u64(out, c->registered_wall_ms);
    record_add_u64(out, c->rewritten ? FLAG_REWRITTEN : 0);
    record_add_u64(out, c->flow.protocol);
    add_addr(out, &c->flow.remote);
    add_addr(out, &c->flow.local);
    record_add_str(out, c->outbound);
}

bool contact_text_is_line(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
            return false;
    return true;
}

static bool is_sip_uri(struct str s)
{
    struct sip_uri uri;

    return s.n <= CONTACT_URI_MAX && sip_uri_parse(&uri, s) == 0 && uri.sip;
}

static bool is_sane(struct contact *c)
{
    struct str *texts[TEXTS];

    texts_of(c, texts);
    for (size_t i = 0; i < TEXTS; i++)
        if (!contact_text_is_line(*texts[i]))
            return false;
    return c->aor.n && c->call_id.n && c->call_id.n <= CONTACT_CALL_ID_MAX && is_sip_uri(c->uri) &&
           is_sip_uri(c->target) && c->route.n <= CONTACT_ROUTE_MAX &&
           c->user_agent.n <= CONTACT_AGENT_MAX && c->outbound.n <= CONTACT_OUTBOUND_MAX &&
           c->expires_s && (c->q <= 1000 || c->q == CONTACT_NO_Q) &&
           c->flow.protocol < NET_PROTOCOLS;
}

int contact_record_parse(struct contact *out, struct str bytes)
{
    struct record r = record_of(bytes);
    struct contact c = { .flow = { .transport = CONTACT_NO_TRANSPORT } };
    struct str *texts[TEXTS], remote, local;
    uint64_t format = record_u64(&r);
    uint32_t q;

    texts_of(&c, texts);
    for (size_t i = 0; i < TEXTS_FIRST; i++)
        *texts[i] = record_str(&r);
    c.cseq = record_u32(&r);
    q = record_u32(&r);
    c.expires_s = record_u32(&r);
    c.expires_wall_ms = record_u64(&r);
    c.registered_wall_ms = record_u64(&r);
    c.rewritten = record_u64(&r) & FLAG_REWRITTEN;
    c.flow.protocol = record_u32(&r);
    remote = record_str(&r);
    local = record_str(&r);
    c.outbound = record_str(&r);
    if (r.error || format != FORMAT || q > UINT16_MAX || addr_parse(&c.flow.remote, remote, 0) ||
        addr_parse(&c.flow.local, local, 0))
        return -EBADMSG;
    c.q = (uint16_t)q;
    if (c.flow.protocol != NET_UDP)
        c.flow.connection = NET_NO_CONNECTION;
    if (!is_sane(&c))
        return -EBADMSG;
    memcpy(out, &c, sizeof(c));
    return 0;
}
