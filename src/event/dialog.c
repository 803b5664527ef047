// SPDX-License-Identifier: MIT
/* Dialogs: RFC 3261 section 12, RFC 6665 section 4.5.2 for those with several usages. */
#include "event/event_internal.h"

#include <stdlib.h>

/* ---- heads ---- */

struct dialog_head *dialog_head_ref(struct dialog_head *h)
{
    h->refs++;
    return h;
}

void dialog_head_unref(struct dialog_head *h)
{
    if (h && --h->refs == 0)
        free(h);
}

struct head_parts { /* borrowed */
    const struct target *target;
    struct str local_uri, local_tag, remote_uri, remote_tag, call_id, routes;
};

/* Adds the text and remembers where it stands. */
static struct span add_span(struct buf *b, struct str text)
{
    struct span s = { (uint16_t)b->n, (uint16_t)text.n };

    buf_add(b, text);
    return s;
}

static struct span span_since(const struct buf *b, size_t start)
{
    return (struct span){ (uint16_t)start, (uint16_t)(b->n - start) };
}

static bool is_loose(struct str route, struct str *route_uri)
{
    struct sip_name_addr na;
    struct sip_uri uri;

    if (sip_name_addr_parse(&na, route) || sip_uri_parse(&uri, na.uri))
        return true; /* what we cannot read is best left alone */
    *route_uri = na.uri;
    return sip_param_find(uri.params, STR("lr"), NULL);
}

static void add_request_line(struct buf *b, struct dialog_head *h, struct str uri, bool is_target)
{
    size_t start = b->n;
    struct span s;

    buf_add(b, STR("NOTIFY "));
    s = add_span(b, uri);
    if (is_target)
        h->target = s;
    buf_add(b, STR(" SIP/2.0\r\n"));
    h->request = span_since(b, start);
}

static void add_party(struct buf *b, struct str name, struct str uri, struct str tag,
                      struct span *uri_at, struct span *tag_at)
{
    buf_add(b, name);
    buf_add(b, STR(": <"));
    *uri_at = add_span(b, uri);
    buf_add_char(b, '>');
    if (tag.n)
        buf_add(b, STR(";tag="));
    *tag_at = add_span(b, tag);
    buf_add(b, STR("\r\n"));
}

static void add_identity(struct buf *b, struct dialog_head *h, const struct head_parts *p)
{
    size_t start = b->n;

    add_party(b, STR("From"), p->local_uri, p->local_tag, &h->local_uri, &h->local_tag);
    add_party(b, STR("To"), p->remote_uri, p->remote_tag, &h->remote_uri, &h->remote_tag);
    buf_add(b, STR("Contact: "));
    h->contact = add_span(b, buf_str(&p->target->contact));
    buf_add(b, STR("\r\nCall-ID: "));
    h->call_id = add_span(b, p->call_id);
    buf_add(b, STR("\r\nCSeq: "));
    h->identity = span_since(b, start);
}

static void add_route(struct buf *b, struct str route)
{
    buf_add(b, STR("Route: "));
    buf_add(b, route);
    buf_add(b, STR("\r\n"));
}

/* The whole text. RFC 3261 section 12.2.1.1: before a strict router its URI is the Request-URI, and
 * the remote target the last Route. */
static void add_head(struct buf *b, struct dialog_head *h, const struct head_parts *p)
{
    struct str target = buf_str(&p->target->uri), rest = p->routes, first = STR_EMPTY,
               strict = STR_EMPTY, route;
    bool loose = !sip_list_next(&rest, &first) || is_loose(first, &strict);
    size_t start;

    add_request_line(b, h, loose ? target : strict, loose);
    add_identity(b, h, p);
    start = b->n;
    if (loose && first.n)
        add_route(b, first);
    while (sip_list_next(&rest, &route))
        add_route(b, route);
    if (!loose) {
        buf_add(b, STR("Route: <"));
        h->target = add_span(b, target);
        buf_add(b, STR(">\r\n"));
    }
    h->routes = span_since(b, start);
}

static int head_create(struct dialog_head **out, struct notifier *n, const struct head_parts *p)
{
    struct dialog_head h = { .refs = 1,
                             .ask_rport = p->target->ask_rport,
                             .flow = p->target->flow,
                             .sent_by = p->target->sent_by };
    struct buf *b = &n->scratch;

    buf_reset(b);
    add_head(b, &h, p);
    if (b->error)
        return b->error;
    *out = malloc(sizeof(h) + b->n);
    if (!*out)
        return -ENOMEM;
    **out = h;
    memcpy((*out)->text, b->p, b->n);
    return 0;
}

static size_t head_length(const struct dialog_head *h)
{
    return (size_t)h->routes.at + h->routes.n;
}

static bool head_equal(const struct dialog_head *a, const struct dialog_head *b)
{
    return a->ask_rport == b->ask_rport && a->flow.transport == b->flow.transport &&
           a->flow.connection == b->flow.connection && addr_equal(&a->flow.local, &b->flow.local) &&
           addr_equal(&a->flow.remote, &b->flow.remote) && addr_equal(&a->sent_by, &b->sent_by) &&
           str_equal((struct str){ a->text, head_length(a) },
                     (struct str){ b->text, head_length(b) });
}

int dialog_head_after(struct dialog *d, const struct uas_request *rq, const struct sip_uri *contact,
                      struct dialog_head **out)
{
    const struct dialog_head *h = d->head;
    struct str routes = { d->text + d->endpoint_n + d->user_agent_n, d->routes_n };
    struct sip_uri former;
    struct dialog_head *made;
    struct target t;
    int r;

    if (!contact) {
        r = sip_uri_parse(&former, head_str(h, h->target));
        if (r)
            return r;
        contact = &former;
    }
    r = target_choose(&t, d->notifier, rq, contact, routes);
    if (r)
        return r;
    r = head_create(&made, d->notifier,
                    &(struct head_parts){ .target = &t,
                                          .local_uri = head_str(h, h->local_uri),
                                          .local_tag = head_str(h, h->local_tag),
                                          .remote_uri = head_str(h, h->remote_uri),
                                          .remote_tag = head_str(h, h->remote_tag),
                                          .call_id = head_str(h, h->call_id),
                                          .routes = routes });
    if (r)
        return r;
    if (head_equal(made, h)) {
        dialog_head_unref(made);
        made = dialog_head_ref(d->head);
    }
    *out = made;
    return 0;
}

void dialog_head_set(struct dialog *d, struct dialog_head *head)
{
    dialog_head_unref(d->head);
    d->head = head;
}

/* ---- dialogs ---- */

static uint64_t tag_hash(const struct notifier *n, struct str local_tag)
{
    return map_hash(&n->dialogs, local_tag);
}

/* The route set, comma separated and without folds: RFC 3261 section 12.1.1. */
static void gather_routes(const struct sip_message *msg, struct buf *out)
{
    for (const struct sip_header *h = sip_header_first(msg, SIP_H_RECORD_ROUTE); h;
         h = sip_header_next(msg, h)) {
        struct str rest = h->value, route;

        while (sip_list_next(&rest, &route)) {
            if (out->n)
                buf_add(out, STR(", "));
            sip_print_unfolded(out, route);
        }
    }
}

/* The first head; the sip layer has found the URIs of From and To to be URIs. */
static int first_head(struct dialog_head **out, struct notifier *n, const struct dialog_spec *spec,
                      struct str routes)
{
    const struct sip_message *msg = spec->rq->msg;
    struct sip_name_addr from, to;
    struct target t;
    int r = sip_name_addr_parse(&from, msg->from);

    if (!r)
        r = sip_name_addr_parse(&to, msg->to);
    if (!r)
        r = target_choose(&t, n, spec->rq, spec->contact, routes);
    if (r)
        return r;
    return head_create(out, n,
                       &(struct head_parts){ .target = &t,
                                             .local_uri = to.uri,
                                             .local_tag = spec->local_tag,
                                             .remote_uri = from.uri,
                                             .remote_tag = msg->from_tag,
                                             .call_id = msg->call_id,
                                             .routes = routes });
}

/* What a dialog keeps beside its head: endpoint, User-Agent, route set. */
enum { DIALOG_TEXTS = 3 };

static struct dialog *dialog_alloc(struct notifier *n, const struct str texts[DIALOG_TEXTS])
{
    size_t size = 0, at = 0;
    struct dialog *d;

    for (size_t i = 0; i < DIALOG_TEXTS; i++)
        size += texts[i].n;
    d = malloc(sizeof(*d) + size);
    if (!d)
        return NULL;
    *d = (struct dialog){ .notifier = n,
                          .pins = 1,
                          .local_cseq = rng_below(n->cfg.rng, 1 << 15),
                          .endpoint_n = (uint16_t)texts[0].n,
                          .user_agent_n = (uint16_t)texts[1].n,
                          .routes_n = (uint16_t)texts[2].n };
    for (size_t i = 0; i < DIALOG_TEXTS; i++) {
        if (texts[i].n)
            memcpy(d->text + at, texts[i].p, texts[i].n);
        at += texts[i].n;
    }
    list_init(&d->usages);
    return d;
}

int dialog_create(struct dialog **out, struct notifier *n, const struct dialog_spec *spec)
{
    const struct uas_request *rq = spec->rq;
    struct str agent = sip_header_value(rq->msg, SIP_H_USER_AGENT);
    char room[ROUTES_MAX];
    struct buf routes;
    struct dialog *d;
    int r;

    buf_init_on(&routes, room, sizeof(room));
    gather_routes(rq->msg, &routes);
    if (routes.error || rq->endpoint->id.n > UINT16_MAX)
        return -EMSGSIZE;
    d = dialog_alloc(n, (const struct str[]){ rq->endpoint->id, str_sub(agent, 0, USER_AGENT_MAX),
                                              buf_str(&routes) });
    if (!d)
        return -ENOMEM;
    r = first_head(&d->head, n, spec, buf_str(&routes));
    if (r) {
        free(d);
        return r;
    }
    d->remote_cseq = rq->msg->cseq;
    map_add(&n->dialogs, &d->node, tag_hash(n, spec->local_tag));
    *out = d;
    return 0;
}

void dialog_pin(struct dialog *d)
{
    d->pins++;
}

void dialog_unpin(struct dialog *d)
{
    if (--d->pins || d->n_usages)
        return;
    BUG_UNLESS(list_empty(&d->usages));
    map_remove(&d->notifier->dialogs, &d->node);
    dialog_head_unref(d->head);
    free(d);
}

static bool is_dialog_of(const struct map_node *node, const void *key)
{
    const struct dialog *d = CONTAINER_OF(node, const struct dialog, node);
    const struct sip_message *msg = key;

    return str_equal(head_str(d->head, d->head->local_tag), msg->to_tag) &&
           str_equal(head_str(d->head, d->head->remote_tag), msg->from_tag) &&
           str_equal(head_str(d->head, d->head->call_id), msg->call_id);
}

struct dialog *dialog_find(const struct notifier *n, const struct sip_message *msg)
{
    struct map_node *node = map_find(&n->dialogs, tag_hash(n, msg->to_tag), is_dialog_of, msg);

    return node ? CONTAINER_OF(node, struct dialog, node) : NULL;
}

struct str dialog_endpoint(const struct dialog *d)
{
    return (struct str){ d->text, d->endpoint_n };
}

struct str dialog_user_agent(const struct dialog *d)
{
    return (struct str){ d->text + d->endpoint_n, d->user_agent_n };
}
