// SPDX-License-Identifier: MIT
/* Dialogs: RFC 3261 section 12, RFC 6665 section 4.5.2 for those with several usages. */
#include "event/event_internal.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- heads ---- */

struct dialog_head *dialog_head_ref(struct dialog_head *h)
{
    h->refs++;
    return h;
}

static void path_unref(struct notifier *n, struct interned *i)
{
    if (i == n->last_path && i->refs == 1)
        n->last_path = NULL;
    interned_unref(i);
}

void dialog_head_unref(struct dialog_head *h)
{
    struct notifier *n;

    if (!h || --h->refs)
        return;
    n = CONTAINER_OF(h->path->table, struct notifier, interned);
    tally_remove(&n->heap.dialogs, h);
    path_unref(n, h->path);
    free(h);
}

static const struct path *path_of(const struct dialog_head *h)
{
    return (const void *)h->path->bytes;
}

/* Without the zeros at the end of an IPv4 address. */
static struct str remote_bytes(const struct addr *a)
{
    return (struct str){ (const char *)a, a->sa.sa_family == AF_INET
                                              ? offsetof(struct sockaddr_in, sin_zero)
                                              : sizeof(*a) };
}

struct addr head_remote(const struct dialog_head *h)
{
    struct str bytes = head_str(h, HEAD_REMOTE);
    struct addr a = { .v6 = { .sin6_family = AF_UNSPEC } };

    memcpy(&a, bytes.p, bytes.n);
    return a;
}

struct flow head_flow(const struct dialog_head *h)
{
    const struct path *p = path_of(h);

    return (struct flow){ p->transport, h->connection, p->protocol, p->local, head_remote(h) };
}

struct str head_contact(const struct dialog_head *h)
{
    const struct path *p = path_of(h);

    return (struct str){ p->text + p->via_n, p->contact_n };
}

bool head_is_secure(const struct dialog_head *h)
{
    return str_starts(head_contact(h), STR("<sips:"));
}

static void print_party(struct buf *out, struct str uri, struct str tag)
{
    buf_add(out, uri);
    if (tag.n) {
        buf_add(out, STR(">;tag="));
        buf_add(out, tag);
    } else {
        buf_add_char(out, '>');
    }
}

void head_print(const struct dialog_head *h, const struct client_txn *ct, uint32_t cseq,
                struct buf *out)
{
    const struct path *p = path_of(h);
    const struct str strict = { p->text + p->via_n + p->contact_n, p->strict_n };

    buf_add(out, STR("NOTIFY "));
    buf_add(out, strict.n ? strict : head_str(h, HEAD_TARGET));
    buf_add(out, STR(" SIP/2.0\r\n"));
    buf_add(out, (struct str){ p->text, p->via_n });
    txn_print_branch(ct, out);
    buf_add(out, STR("From: <"));
    print_party(out, head_str(h, HEAD_LOCAL_URI), head_str(h, HEAD_LOCAL_TAG));
    buf_add(out, STR("\r\nTo: <"));
    print_party(out, head_str(h, HEAD_REMOTE_URI), head_str(h, HEAD_REMOTE_TAG));
    buf_add(out, STR("\r\nContact: "));
    buf_add(out, head_contact(h));
    buf_add(out, STR("\r\nCall-ID: "));
    buf_add(out, head_str(h, HEAD_CALL_ID));
    buf_add(out, STR("\r\nCSeq: "));
    buf_add_u64(out, cseq);
    buf_add(out, STR(" NOTIFY\r\n"));
    buf_add(out, (struct str){ strict.p + strict.n, p->routes_n });
    if (strict.n) {
        buf_add(out, STR("Route: <"));
        buf_add(out, head_str(h, HEAD_TARGET));
        buf_add(out, STR(">\r\n"));
    }
}

struct head_parts { /* borrowed */
    struct target *target;
    const struct endpoint_settings *endpoint; /* whose it is */
    struct str routes;                        /* the route set */
    struct str text[HEAD_PARTS];              /* but for what the target has */
};

static bool is_loose(struct str route, struct str *route_uri)
{
    struct sip_name_addr na;
    struct sip_uri uri;

    if (sip_name_addr_parse(&na, route) || sip_uri_parse(&uri, na.uri))
        return true; /* what we cannot read is best left alone */
    *route_uri = str_sub(na.uri, 0, na.uri.n - uri.headers.n); /* RFC 3261 section 19.1.1 */
    return sip_param_find(uri.params, STR("lr"), NULL);
}

static void add_route(struct buf *b, struct str route)
{
    buf_add(b, STR("Route: "));
    buf_add(b, route);
    buf_add(b, STR("\r\n"));
}

static uint16_t since(const struct buf *b, size_t start)
{
    return (uint16_t)(b->n - start);
}

/* Would it be made once more? Routes are left aside. */
static bool path_fits(const struct path *p, const struct target *t, struct str user)
{
    struct str contact = { p->text + p->via_n, p->contact_n };
    struct str scheme = t->secure ? STR("<sips:") : STR("<sip:");

    return p->transport == t->flow.transport && p->protocol == t->flow.protocol &&
           addr_equal(&p->local, &t->flow.local) && str_starts(contact, scheme) &&
           str_equal(str_sub(contact, scheme.n, scheme.n + p->user_n), user);
}

static void path_remember(struct notifier *n, struct interned *i)
{
    const struct path *p = (const void *)i->bytes;

    if (!p->for_any || p->routes_n || p->strict_n)
        return;
    n->last_path = i;
}

/* RFC 3261 section 12.2.1.1: before a strict router its URI is the Request-URI, and the remote
 * target the last Route. */
static int path_make(struct interned **out, struct notifier *n, const struct head_parts *parts)
{
    const struct target *t = parts->target;
    struct str rest = parts->routes, first = STR_EMPTY, strict = STR_EMPTY, route;
    bool loose = !sip_list_next(&rest, &first) || is_loose(first, &strict);
    struct buf *b = &n->scratch;
    struct path p = { .transport = t->flow.transport,
                      .protocol = t->flow.protocol,
                      .local = t->flow.local,
                      .contact_n = (uint16_t)t->contact.n,
                      .strict_n = loose ? 0 : (uint16_t)strict.n,
                      .user_n = (uint16_t)parts->endpoint->contact_user.n,
                      .for_any = t->for_any };
    size_t start;

    buf_reset(b);
    buf_add(b, (struct str){ (const char *)&p, sizeof(p) });
    start = b->n;
    txn_print_via_head((enum net_protocol)t->flow.protocol, buf_str(&t->self), t->ask_rport, b);
    p.via_n = since(b, start);
    buf_add(b, buf_str(&t->contact));
    if (!loose)
        buf_add(b, strict);
    start = b->n;
    if (loose && first.n)
        add_route(b, first);
    while (sip_list_next(&rest, &route))
        add_route(b, route);
    if (b->error)
        return b->error;
    p.routes_n = since(b, start);
    memcpy(b->p, &p, sizeof(p));
    return interned_get(out, &n->interned, buf_str(b));
}

static int path_intern(struct interned **out, struct notifier *n, const struct head_parts *parts)
{
    int r;

    if (n->last_path && !parts->routes.n &&
        path_fits((const void *)n->last_path->bytes, parts->target,
                  parts->endpoint->contact_user)) {
        *out = interned_ref(n->last_path);
        return 0;
    }
    r = target_finish(parts->target, n, parts->endpoint);
    if (!r)
        r = path_make(out, n, parts);
    if (!r)
        path_remember(n, *out);
    return r;
}

static int head_create(struct dialog_head **out, struct notifier *n, const struct head_parts *p)
{
    struct dialog_head h = { .refs = 1, .connection = p->target->flow.connection };
    struct buf *b = &n->scratch;
    int r = path_intern(&h.path, n, p);

    if (r)
        return r;
    buf_reset(b);
    for (unsigned i = 0; i < HEAD_PARTS; i++) {
        struct str text = p->text[i];

        if (i == HEAD_REMOTE)
            text = remote_bytes(&p->target->flow.remote);
        else if (i == HEAD_TARGET)
            text = buf_str(&p->target->uri);
        buf_add(b, text);
        h.ends[i] = since(b, 0);
    }
    r = b->error;
    if (!r) {
        *out = malloc(sizeof(h) + b->n);
        r = *out ? 0 : -ENOMEM;
    }
    if (r) {
        path_unref(n, h.path);
        return r;
    }
    **out = h;
    tally_add(&n->heap.dialogs, *out);
    memcpy((*out)->text, b->p, b->n);
    return 0;
}

static bool head_equal(const struct dialog_head *a, const struct dialog_head *b)
{
    return a->path == b->path && a->connection == b->connection &&
           memcmp(a->ends, b->ends, sizeof(a->ends)) == 0 &&
           memcmp(a->text, b->text, a->ends[HEAD_PARTS - 1]) == 0;
}

static const struct peer *peer_of(const struct dialog *d)
{
    return (const void *)d->peer->bytes;
}

int dialog_head_after(struct dialog *d, const struct uas_request *rq, const struct sip_uri *contact,
                      struct dialog_head **out)
{
    const struct dialog_head *h = d->head;
    struct head_parts parts = {
        .endpoint = rq->endpoint,
        .routes = dialog_routes(d),
    };
    struct sip_uri former;
    struct dialog_head *made;
    struct target t;
    int r;

    if (!contact) {
        r = sip_uri_parse(&former, head_str(h, HEAD_TARGET));
        if (r)
            return r;
        contact = &former;
    }
    r = target_choose(&t, d->notifier, rq, contact, parts.routes);
    if (r)
        return r;
    parts.target = &t;
    for (unsigned i = 0; i < HEAD_TARGET; i++)
        parts.text[i] = head_str(h, i);
    r = head_create(&made, d->notifier, &parts);
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

/* All stays as it is but for who we are. */
static int head_by(struct dialog_head **out, struct dialog *d, const struct endpoint_settings *e,
                   const struct flow *flow)
{
    const struct dialog_head *h = d->head;
    const struct peer *peer = peer_of(d);
    struct target t = { .flow = *flow, .secure = str_starts(head_contact(h), STR("<sips:")) };
    struct head_parts parts = {
        .target = &t,
        .endpoint = e,
        .routes = { peer->text + peer->endpoint_n + peer->user_agent_n, peer->routes_n },
    };

    buf_init_on(&t.uri, t.uri_room, sizeof(t.uri_room));
    buf_add(&t.uri, head_str(h, HEAD_TARGET));
    for (unsigned i = 0; i < HEAD_TARGET; i++)
        parts.text[i] = head_str(h, i);
    return head_create(out, d->notifier, &parts);
}

int dialog_redirect(struct dialog *d, const struct endpoint_settings *e, const struct flow *flow)
{
    struct dialog_head *head;
    int r = head_by(&head, d, e, flow);

    if (r)
        return r;
    dialog_head_set(d, head);
    return 0;
}

int dialog_reroute(struct dialog *d, const struct endpoint_settings *e)
{
    struct notifier *n = d->notifier;
    const struct flow former = head_flow(d->head);
    struct flow flow;
    int r;

    if (!transport_is_gone(n, former.transport))
        return 0;
    r = transport_replace(n, e, former.transport, &former.remote, &flow);
    if (!r && flow.protocol != NET_UDP &&
        !target_reopen(&flow, e, head_str(d->head, HEAD_TARGET), dialog_routes(d)))
        r = -ENOTCONN;
    if (r)
        return DIALOG_STRANDED;
    r = dialog_redirect(d, e, &flow);
    return r ? r : DIALOG_MOVED;
}

const char *dialog_stranded_why(const struct dialog *d)
{
    const struct notifier *n = d->notifier;
    const struct endpoint_settings *e = settings_endpoint(n->settings, dialog_endpoint(d));
    const struct flow former = head_flow(d->head);
    struct flow flow;

    if (!transport_is_gone(n, former.transport))
        return NULL;
    return e && transport_replace(n, e, former.transport, &former.remote, &flow) == 0
               ? "its transport is gone, and only its connection by that led to the subscriber"
               : "its transport is gone, and no other leads to the subscriber";
}

int dialog_reopen(struct dialog *d)
{
    static const struct endpoint_settings nobody = { .rewrite_contact = true };
    struct notifier *n = d->notifier;
    const struct endpoint_settings *e = settings_endpoint(n->settings, dialog_endpoint(d));
    struct flow flow = head_flow(d->head);
    bool opened = flow.connection == NET_ANY_CONNECTION;
    int r;

    if (flow.connection == NET_NO_CONNECTION)
        return DIALOG_WAITS;
    e = e ? e : &nobody;
    if (opened ||
        (!target_reopen(&flow, e, head_str(d->head, HEAD_TARGET), dialog_routes(d)) &&
         (d->recalled || !target_reopen_otherwise(n, &flow, e, head_str(d->head, HEAD_TARGET),
                                                  dialog_routes(d))))) {
        if (!d->recalled)
            return DIALOG_STRANDED;
        flow.connection = NET_NO_CONNECTION;
    }
    r = dialog_redirect(d, e, &flow);
    return r ? r : flow.connection == NET_NO_CONNECTION ? DIALOG_WAITS : 0;
}

/* At once, and then as a datagram is sent again: by Timer E, until Timer F. A proxy that is started
 * anew is away for seconds; a telephone that only calls is not there at all. */
uint64_t dialog_reopen_ms(const struct dialog *d)
{
    const struct global_settings *g = &d->notifier->settings->global;
    uint64_t longest = g->timer_t1_ms > TIMER_T2_MS ? g->timer_t1_ms : TIMER_T2_MS;
    uint64_t delay = 0, passed = 0;

    if (head_flow(d->head).connection != NET_ANY_CONNECTION || (!d->reached && !dialog_routes(d).n))
        return UINT64_MAX;
    for (unsigned i = 0; i < d->reopened; i++) {
        delay = i ? 2 * delay : g->timer_t1_ms;
        delay = delay < longest ? delay : longest;
        passed += delay;
    }
    return passed < g->timer_b_ms ? delay : UINT64_MAX;
}

void dialog_answered(struct dialog *d)
{
    d->reached = d->reached || head_flow(d->head).connection == NET_ANY_CONNECTION;
    d->reopened = 0;
}

/* ---- dialogs ---- */

static uint64_t tag_hash(const struct notifier *n, struct str local_tag)
{
    return map_hash(&n->dialogs, local_tag);
}

/* The route set, comma separated and without folds: RFC 3261 section 12.1.1. */
void gather_routes(const struct sip_message *msg, struct buf *out)
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
    struct target t;
    int r = target_choose(&t, n, spec->rq, spec->contact, routes);

    if (r)
        return r;
    return head_create(out, n,
                       &(struct head_parts){ .target = &t,
                                             .endpoint = spec->rq->endpoint,
                                             .routes = routes,
                                             .text = {
                                                 [HEAD_LOCAL_URI] = msg->to_parts.uri,
                                                 [HEAD_LOCAL_TAG] = spec->local_tag,
                                                 [HEAD_REMOTE_URI] = msg->from_parts.uri,
                                                 [HEAD_REMOTE_TAG] = msg->from_tag,
                                                 [HEAD_CALL_ID] = msg->call_id,
                                             } });
}

static int peer_intern(struct interned **out, struct notifier *n, struct str endpoint,
                       struct str agent, struct str routes)
{
    const struct peer p = { (uint16_t)endpoint.n, (uint16_t)agent.n, (uint16_t)routes.n };
    struct buf *b = &n->scratch;

    buf_reset(b);
    buf_add(b, (struct str){ (const char *)&p, sizeof(p) });
    buf_add(b, endpoint);
    buf_add(b, agent);
    buf_add(b, routes);
    return b->error ? b->error : interned_get(out, &n->interned, buf_str(b));
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
    if (!str_is_one_line(buf_str(&routes))) /* as what is restored has to be */
        return -EBADMSG;
    d = malloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    *d = (struct dialog){ .notifier = n,
                          .pins = 1,
                          .local_cseq = rng_below(n->cfg.rng, 1 << 15),
                          .remote_cseq = rq->msg->cseq };
    list_init(&d->usages);
    r = peer_intern(&d->peer, n, rq->endpoint->id, str_sub(agent, 0, USER_AGENT_MAX),
                    buf_str(&routes));
    if (!r)
        r = first_head(&d->head, n, spec, buf_str(&routes));
    if (r) {
        interned_unref(d->peer);
        free(d);
        return r;
    }
    tally_add(&n->heap.dialogs, d);
    map_add(&n->dialogs, &d->node, tag_hash(n, spec->local_tag));
    seek_route(d);
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
    seek_over(d);
    map_remove(&d->notifier->dialogs, &d->node);
    tally_remove(&d->notifier->heap.dialogs, d);
    dialog_head_unref(d->head);
    interned_unref(d->peer);
    free(d);
}

struct dialog_key {
    struct str local_tag, remote_tag, call_id;
};

static bool is_dialog_of(const struct map_node *node, const void *key)
{
    const struct dialog *d = CONTAINER_OF(node, const struct dialog, node);
    const struct dialog_key *k = key;

    return str_equal(head_str(d->head, HEAD_LOCAL_TAG), k->local_tag) &&
           str_equal(head_str(d->head, HEAD_REMOTE_TAG), k->remote_tag) &&
           str_equal(head_str(d->head, HEAD_CALL_ID), k->call_id);
}

static struct dialog *dialog_find_key(const struct notifier *n, const struct dialog_key *key)
{
    struct map_node *node = map_find(&n->dialogs, tag_hash(n, key->local_tag), is_dialog_of, key);

    return node ? CONTAINER_OF(node, struct dialog, node) : NULL;
}

struct dialog *dialog_find(const struct notifier *n, const struct sip_message *msg)
{
    return dialog_find_key(n, &(struct dialog_key){ msg->to_tag, msg->from_tag, msg->call_id });
}

/* The later one of two memories knows more; numbers only rise. */
static void learn(struct dialog *d, const struct dialog_memory *m, struct dialog_head *head)
{
    if (m->remote_cseq > d->remote_cseq) {
        dialog_head_set(d, dialog_head_ref(head));
        d->remote_cseq = m->remote_cseq;
    }
    if (m->local_cseq > d->local_cseq)
        d->local_cseq = m->local_cseq;
    dialog_pin(d);
}

static int head_recall(struct dialog_head **out, struct notifier *n, const struct dialog_memory *m)
{
    static const struct endpoint_settings gone = { .sub_min_expiry_s = 0 };
    const struct endpoint_settings *e = settings_endpoint(n->settings, m->endpoint);
    struct head_parts parts = { .endpoint = e ? e : &gone, .routes = m->routes };
    struct target t;
    int r = target_recall(&t, n, e, &m->target);

    if (r)
        return r;
    parts.target = &t;
    memcpy(parts.text, m->text, sizeof(parts.text));
    return head_create(out, n, &parts);
}

int dialog_recall(struct dialog **out, struct notifier *n, const struct dialog_memory *m)
{
    const struct dialog_key key = { m->text[HEAD_LOCAL_TAG], m->text[HEAD_REMOTE_TAG],
                                    m->text[HEAD_CALL_ID] };
    struct dialog_head *head;
    struct dialog *d;
    int r = head_recall(&head, n, m);

    if (r)
        return r;
    *out = dialog_find_key(n, &key);
    if (*out) {
        learn(*out, m, head);
        dialog_head_unref(head);
        return 0;
    }
    d = malloc(sizeof(*d));
    r = d ? 0 : -ENOMEM;
    if (d) {
        *d = (struct dialog){ .notifier = n,
                              .pins = 1,
                              .head = head,
                              .local_cseq = m->local_cseq,
                              .remote_cseq = m->remote_cseq,
                              .recalled = true };
        list_init(&d->usages);
        r = peer_intern(&d->peer, n, m->endpoint, m->user_agent, m->routes);
    }
    if (r) {
        dialog_head_unref(head);
        free(d);
        return r;
    }
    tally_add(&n->heap.dialogs, d);
    map_add(&n->dialogs, &d->node, tag_hash(n, key.local_tag));
    *out = d;
    return 0;
}

struct str dialog_routes(const struct dialog *d)
{
    const struct peer *p = peer_of(d);

    return (struct str){ p->text + p->endpoint_n + p->user_agent_n, p->routes_n };
}

struct str dialog_endpoint(const struct dialog *d)
{
    const struct peer *p = peer_of(d);

    return (struct str){ p->text, p->endpoint_n };
}

struct str dialog_user_agent(const struct dialog *d)
{
    const struct peer *p = peer_of(d);

    return (struct str){ p->text + p->endpoint_n, p->user_agent_n };
}
