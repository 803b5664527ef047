// SPDX-License-Identifier: MIT
/* Where the NOTIFYs of a dialog go, and what they call us. A next hop with a name goes back to
 * where the SUBSCRIBE came from, which is right for every peer that is its own edge; seek.c looks
 * further.
 */
#include "event/event_internal.h"

#include "txn/self.h"

enum { SIP_PORT = 5060, SIPS_PORT = 5061 };

static bool in_net(const struct addr *a, const char *text)
{
    struct addr_net net;

    return addr_net_parse(&net, str_of(text)) == 0 && addr_net_contains(&net, a);
}

/* Means something only in the network it is in: RFC 1918, 6598, 3927, 4193, 4291. */
static bool is_private(const struct addr *a)
{
    static const char *const nets[] = { "10.0.0.0/8",    "172.16.0.0/12",  "192.168.0.0/16",
                                        "100.64.0.0/10", "169.254.0.0/16", "fc00::/7",
                                        "fe80::/10" };

    for (size_t i = 0; i < ARRAY_LEN(nets); i++)
        if (in_net(a, nets[i]))
            return true;
    return false;
}

/* A sips URI says what it wants of a proxy; who shows one on a flow without TLS is reached as it
 * came. */
static bool same_protocol(const struct sip_uri *uri, const struct flow *flow)
{
    struct sip_uri plain = *uri;
    enum net_protocol protocol;

    plain.secure = flow->protocol == NET_TLS && uri->secure;
    return txn_uri_protocol(&protocol, &plain) == 0 && protocol == flow->protocol;
}

/* Does the URI name an address that can be reached as this flow's is? */
static bool uri_address(struct addr *out, const struct sip_uri *uri, const struct flow *flow)
{
    uint16_t port = flow->protocol == NET_TLS ? SIPS_PORT : SIP_PORT;

    if (!same_protocol(uri, flow) || addr_parse(out, uri->host, port))
        return false;
    addr_port_set(out, uri->port ? uri->port : port);
    return !addr_is_any(out) && out->sa.sa_family == flow->remote.sa.sa_family;
}

/* A Contact that only means something on the other side of a NAT: it is private, or the Via is not
 * where it came from. */
static bool is_behind_nat(const struct uas_request *rq, const struct addr *contact)
{
    const struct addr *source = &rq->flow->remote;
    const struct sip_via *via = &rq->msg->via;
    struct addr sent_by;

    if (addr_equal_host(contact, source))
        return false;
    if (is_private(contact))
        return true;
    return via->has_rport && addr_parse(&sent_by, via->host, SIP_PORT) == 0 &&
           !addr_equal_host(&sent_by, source);
}

/* The next hop: RFC 3261 section 12.2.1.1, with the source where that is the better guess. */
static void choose_remote(struct target *t, const struct uas_request *rq,
                          const struct sip_uri *contact, struct str routes)
{
    struct sip_name_addr route;
    struct str first;
    struct sip_uri uri;
    struct addr a;

    if (rq->endpoint->rewrite_contact)
        return;
    if (sip_list_next(&routes, &first)) {
        if (sip_name_addr_parse(&route, first) == 0 && sip_uri_parse(&uri, route.uri) == 0 &&
            uri_address(&a, &uri, &t->flow))
            t->flow.remote = a;
        return;
    }
    if (uri_address(&a, contact, &t->flow) && !is_behind_nat(rq, &a))
        t->flow.remote = a;
}

/* The first route, or else the Contact. */
static bool next_hop(struct sip_uri *out, bool *routed, struct str contact, struct str routes)
{
    struct sip_name_addr route;
    struct str first;

    *routed = sip_list_next(&routes, &first);
    if (*routed && sip_name_addr_parse(&route, first))
        return false;
    return sip_uri_parse(out, *routed ? route.uri : contact) == 0;
}

/* What was made of the source in the Contact's place is the end of the connection that is no
 * more. */
static bool can_be_opened(struct addr *out, const struct sip_uri *hop, bool routed,
                          const struct flow *flow, const struct endpoint_settings *e)
{
    return (routed || (e && !e->rewrite_contact)) && uri_address(out, hop, flow) &&
           (routed || addr_equal_host(out, &flow->remote) || !is_private(out));
}

bool target_reopen(struct flow *flow, const struct endpoint_settings *e, struct str contact,
                   struct str routes)
{
    struct sip_uri hop;
    struct addr a;
    bool routed;

    if (!next_hop(&hop, &routed, contact, routes) || !can_be_opened(&a, &hop, routed, flow, e))
        return false;
    flow->remote = a;
    flow->connection = NET_ANY_CONNECTION;
    return true;
}

bool target_reopen_otherwise(const struct notifier *n, struct flow *flow,
                             const struct endpoint_settings *e, struct str contact,
                             struct str routes)
{
    struct flow other = *flow, way;
    enum net_protocol protocol;
    struct sip_uri hop;
    struct addr a;
    bool routed;

    if (net_is_web(flow->protocol) || !next_hop(&hop, &routed, contact, routes) ||
        txn_uri_protocol(&protocol, &hop) || protocol == flow->protocol)
        return false;
    other.protocol = protocol;
    if (!can_be_opened(&a, &hop, routed, &other, e) ||
        n->cfg.port.route(n->cfg.port.ctx, e->transport, protocol, &a, &way))
        return false;
    *flow = way;
    return true;
}

static const struct transport_settings *transport_of(const struct notifier *n, uint32_t index)
{
    if (index >= n->n_transports)
        return NULL;
    return settings_transport(n->settings, n->transports[index].id);
}

bool transport_is_gone(const struct notifier *n, uint32_t index)
{
    return index < n->n_transports && n->transports[index].gone;
}

int transport_replace(const struct notifier *n, const struct endpoint_settings *e, uint32_t index,
                      const struct addr *remote, struct flow *out)
{
    const struct str ids[] = { e->transport, n->transports[index].id, STR_EMPTY };
    enum net_protocol protocol = n->transports[index].protocol;
    int r = -EAFNOSUPPORT;

    for (size_t i = e->transport.n ? 0 : 1; i < ARRAY_LEN(ids) && r; i++)
        r = n->cfg.port.route(n->cfg.port.ctx, ids[i], protocol, remote, out);
    return r;
}

static bool transport_leads(const struct notifier *n, uint32_t index, const struct flow *flow)
{
    const struct transport_settings *ts = transport_of(n, index);

    return ts && !n->transports[index].gone &&
           (uint32_t)n->transports[index].protocol == flow->protocol &&
           ts->bind.sa.sa_family == flow->remote.sa.sa_family;
}

/* The endpoint's own transport, unless the one the SUBSCRIBE came in on is symmetric, or it is of
 * another protocol or family. */
static uint32_t choose_transport(const struct notifier *n, const struct uas_request *rq,
                                 const struct flow *flow)
{
    const struct transport_settings *in =
        rq->endpoint->transport.n ? transport_of(n, rq->flow->transport) : NULL;

    if (!rq->endpoint->transport.n || (in && in->symmetric))
        return rq->flow->transport;
    for (uint32_t i = 0; i < n->n_transports; i++)
        if (str_equal(n->transports[i].id, rq->endpoint->transport) && transport_leads(n, i, flow))
            return i;
    return rq->flow->transport;
}

/* RFC 3261 section 12.2.1.1: by another protocol than the SUBSCRIBE came by, when that is what the
 * next hop names and we have it. A sips URI alone says what it wants of a proxy. */
static bool choose_other(struct target *t, const struct notifier *n, const struct uas_request *rq,
                         const struct sip_uri *contact, struct str routes)
{
    struct flow flow = *rq->flow, way;
    struct sip_uri uri = *contact;
    struct sip_name_addr route;
    enum net_protocol protocol;
    struct str first;
    struct addr a;
    bool routed = sip_list_next(&routes, &first);

    if (rq->endpoint->rewrite_contact ||
        (routed && (sip_name_addr_parse(&route, first) || sip_uri_parse(&uri, route.uri))) ||
        !sip_param_find(uri.params, STR("transport"), NULL) || txn_uri_protocol(&protocol, &uri) ||
        protocol == flow.protocol)
        return false;
    flow.protocol = protocol;
    if (!uri_address(&a, &uri, &flow) || (!routed && is_behind_nat(rq, &a)) ||
        n->cfg.port.route(n->cfg.port.ctx, rq->endpoint->transport, protocol, &a, &way))
        return false;
    t->flow = way;
    return true;
}

/* Down the connection it came on: what browsers write into Contact cannot be reached. One of a
 * transport that is gone ends soon, so that another leads there if it can. */
static void choose_connection(struct target *t, const struct notifier *n,
                              const struct endpoint_settings *e, struct str routes)
{
    const struct addr remote = t->flow.remote;
    struct flow other;

    if (transport_is_gone(n, t->flow.transport) &&
        transport_replace(n, e, t->flow.transport, &remote, &other) == 0 &&
        target_reopen(&other, e, buf_str(&t->uri), routes))
        t->flow = other;
}

static void choose_flow(struct target *t, const struct notifier *n, const struct uas_request *rq,
                        const struct sip_uri *contact, struct str routes)
{
    const struct addr *source = &rq->flow->remote;
    struct addr local, remote;

    t->flow = *rq->flow;
    if (t->flow.connection) {
        choose_connection(t, n, rq->endpoint, routes);
        return;
    }
    if (choose_other(t, n, rq, contact, routes))
        return;
    choose_remote(t, rq, contact, routes);
    t->flow.transport = choose_transport(n, rq, &t->flow);
    remote = t->flow.remote;
    if (transport_is_gone(n, t->flow.transport) &&
        transport_replace(n, rq->endpoint, t->flow.transport, &remote, &t->flow) == 0)
        return;
    if (t->flow.transport == rq->flow->transport && addr_equal_host(&t->flow.remote, source) &&
        !addr_is_any(&t->flow.local))
        return;
    if (n->cfg.net && net_local_for(n->cfg.net, t->flow.transport, &t->flow.remote, &local) == 0)
        t->flow.local = local;
}

/* RFC 3261 section 19.1.1: a Request-URI has no headers. */
static void print_target(struct target *t, const struct uas_request *rq,
                         const struct sip_uri *contact, struct str routes)
{
    const struct addr *source = &rq->flow->remote;
    struct sip_uri uri = *contact;
    struct addr a;

    uri.headers = STR_EMPTY;
    if (!rq->endpoint->rewrite_contact || routes.n ||
        (uri_address(&a, contact, rq->flow) && addr_equal(&a, source))) {
        sip_uri_print(&t->uri, &uri);
        return;
    }
    txn_print_uri_at(&t->uri, &uri, rq->flow);
}

static bool is_secure(const struct uas_request *rq, const struct sip_uri *contact)
{
    const struct sip_header *h = sip_header_first(rq->msg, SIP_H_RECORD_ROUTE);
    struct sip_name_addr route;
    struct str rest, first;

    if (rq->uri.secure || contact->secure || !h)
        return rq->uri.secure || contact->secure;
    rest = h->value;
    return sip_list_next(&rest, &first) && sip_name_addr_parse(&route, first) == 0 &&
           str_starts_nocase(route.uri, STR("sips:"));
}

int target_finish(struct target *t, const struct notifier *n, const struct endpoint_settings *e)
{
    const struct transport_settings *ts = transport_of(n, t->flow.transport);

    buf_init_on(&t->self, t->self_room, sizeof(t->self_room));
    buf_init_on(&t->contact, t->contact_room, sizeof(t->contact_room));
    t->ask_rport = !n->settings->global.disable_rport;
    t->for_any = !ts || !ts->n_local_nets;
    self_choose(ts, &t->flow, &t->self);
    self_print_contact(&t->contact, t->secure, e->contact_user, buf_str(&t->self),
                       (enum net_protocol)t->flow.protocol);
    return t->self.error ? t->self.error : t->contact.error;
}

/* From the address that it is told from already, if we have that: the NAT before a telephone lets
 * through what comes from there. What the transport is called now does not matter. */
static int way_again(struct flow *out, const struct notifier *n, const struct endpoint_settings *e,
                     const struct target_memory *m)
{
    const struct str ids[] = { e ? e->transport : STR_EMPTY, m->transport, STR_EMPTY };
    int r = n->cfg.port.route_from(n->cfg.port.ctx, m->protocol, &m->local, &m->remote, out);

    for (size_t i = ids[0].n ? 0 : 1; i < ARRAY_LEN(ids) && r; i++)
        r = n->cfg.port.route(n->cfg.port.ctx, ids[i], m->protocol, &m->remote, out);
    return r;
}

int target_recall(struct target *t, const struct notifier *n, const struct endpoint_settings *e,
                  const struct target_memory *m)
{
    bool connected;

    t->secure = m->secure;
    t->flow = (struct flow){ .protocol = m->protocol, .local = m->local, .remote = m->remote };
    (void)!way_again(&t->flow, n, e, m);
    /* An upgrade hands connections on. */
    connected = t->flow.connection && t->flow.connection != NET_ANY_CONNECTION;
    if (m->protocol != NET_UDP && !connected && !target_reopen(&t->flow, e, m->uri, m->routes))
        t->flow.connection = NET_NO_CONNECTION;
    buf_init_on(&t->uri, t->uri_room, sizeof(t->uri_room));
    buf_add(&t->uri, m->uri);
    return t->uri.error;
}

int target_choose(struct target *t, const struct notifier *n, const struct uas_request *rq,
                  const struct sip_uri *contact, struct str routes)
{
    t->secure = is_secure(rq, contact);
    buf_init_on(&t->uri, t->uri_room, sizeof(t->uri_room));
    print_target(t, rq, contact, routes);
    choose_flow(t, n, rq, contact, routes);
    return t->uri.error;
}

/* ---- URIs for bodies ---- */

void print_resource_uri(struct buf *out, const struct sip_uri *request_uri, struct str resource)
{
    struct sip_uri uri = *request_uri;
    char room[4 * EVENT_URI_MAX];
    struct buf text;

    uri.headers = uri.password = STR_EMPTY; /* they only served to reach us */
    buf_init_on(&text, room, sizeof(room));
    sip_uri_print_with_user(&text, &uri, resource);
    buf_add_xml(out, buf_str(&text));
}

static void add_subscriber(struct buf *out, const struct sip_uri *uri)
{
    if (!uri->sip) {
        sip_uri_print(out, uri);
        return;
    }
    buf_add(out, uri->scheme);
    buf_add_char(out, ':');
    buf_add(out, uri->user);
    if (uri->user.n)
        buf_add_char(out, '@');
    if (uri->host_ipv6)
        buf_add_char(out, '[');
    buf_add(out, uri->host);
    if (uri->host_ipv6)
        buf_add_char(out, ']');
    sip_params_print_without(out, uri->params, STR("transport"));
}

void subscriber_uri_add(struct buf *out, struct str from_uri)
{
    struct sip_uri uri;

    if (sip_uri_parse(&uri, from_uri))
        buf_add(out, from_uri);
    else
        add_subscriber(out, &uri);
}

void print_subscriber_uri(struct buf *out, const struct sip_uri *from_uri)
{
    char room[2 * EVENT_URI_MAX];
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    add_subscriber(&text, from_uri);
    buf_add_xml(out, buf_str(&text));
}
