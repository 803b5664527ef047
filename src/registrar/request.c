// SPDX-License-Identifier: MIT
#include "registrar/request.h"

#include <stdlib.h>

#include "sip/digest.h"
#include "txn/self.h"

enum {
    SEEK_PATIENCE_MS = 30000, /* for an address */
    CHALLENGES_MAX = 2,       /* that are answered in a row: the second time it may be a nonce
                                 that is too old */
    HOST_MAX = 512,
    FROM_MAX = 1024, /* a URI */
    AUTHORIZATION_MAX = 4096,
};

static const struct client_txn_ops txn_ops, txn_ops_sufficed;

/* ---- whose it is ---- */

static const struct endpoint_settings *endpoint_of(const struct contact_request *r)
{
    return settings_endpoint(r->all->settings,
                             r->ops->endpoint ? r->ops->endpoint(r) : r->contact->endpoint);
}

static const struct aor_settings *aor_of(const struct contact_request *r)
{
    return settings_aor(r->all->settings, r->contact->aor);
}

/* The one it is sent in. Each time it is repeated it is the same request (RFC 3261 section
 * 17.1.1.2), though a NOTIFY that has overtaken the answer has begun one. */
static const struct contact_dialog *dialog_of(const struct contact_request *r)
{
    return r->in_dialog ? r->dialog : NULL;
}

static struct str proxy_of(const struct contact_request *r)
{
    const struct contact_dialog *d = dialog_of(r);
    struct str proxy = aor_of(r)->outbound_proxy;

    if (d && d->routes.n) /* it would be among them */
        return STR_EMPTY;
    return proxy.n ? proxy : endpoint_of(r)->outbound_proxy;
}

static struct str routes_of(const struct contact_request *r)
{
    const struct contact_dialog *d = dialog_of(r);

    return d && d->routes.n ? d->routes : r->contact->route;
}

static struct str transport_of(const struct contact_request *r)
{
    struct str transport = endpoint_of(r)->transport;

    return transport.n ? transport : r->contact->transport;
}

static struct str target_of(const struct contact_request *r)
{
    const struct contact_dialog *d = dialog_of(r);

    return d && d->target.n ? d->target : r->contact->target;
}

/* ---- the next hop ---- */

struct hop { /* borrowed */
    struct sip_uri uri;
    enum net_protocol protocol;
    bool named; /* the protocol: else it is what is usual */
};

static int hop_uri(struct sip_uri *out, const struct contact_request *r)
{
    struct str proxy = proxy_of(r), routes = routes_of(r), first;
    struct sip_name_addr route;

    if (proxy.n)
        return sip_uri_parse(out, proxy);
    if (!sip_list_next(&routes, &first)) /* what it calls itself leads nowhere behind a NAT */
        return sip_uri_parse(out, r->contact->rewritten ? r->contact->target : target_of(r));
    if (sip_name_addr_parse(&route, first))
        return -EBADMSG;
    return sip_uri_parse(out, route.uri);
}

/* RFC 3261 section 8.1.2. 0, -EBADMSG, -EPROTONOSUPPORT. */
static int hop_find(struct hop *out, const struct contact_request *r)
{
    const struct transport_settings *by = settings_transport(r->all->settings, transport_of(r));
    int result = hop_uri(&out->uri, r);

    if (result)
        return result;
    out->named = txn_uri_protocol_named(&out->uri, by);
    return txn_uri_protocol_by(&out->protocol, &out->uri, by);
}

/* By the connection that it was registered by, if there is nothing on the way. */
static bool has_connection(const struct contact_request *r)
{
    uint32_t connection = r->contact->flow.connection;

    return connection && connection != NET_ANY_CONNECTION && connection != NET_NO_CONNECTION &&
           !routes_of(r).n && !proxy_of(r).n;
}

/* Back where its REGISTER came from, from the address that this was sent to: the NAT before a
 * telephone lets through nothing else, and many a telephone itself. Unless the endpoint's transport
 * is another one. */
static bool way_back_find(const struct contact_request *r, const struct dns_target *to,
                          struct flow *out)
{
    const struct contact_request_port *port = &r->all->port;
    const struct flow *registered = &r->contact->flow;
    struct str named = endpoint_of(r)->transport;

    return !r->contact->is_static && addr_equal_host(&to->addr, &registered->remote) &&
           port->route_from(port->ctx, to->protocol, &registered->local, &to->addr, out) == 0 &&
           (!named.n || str_equal(named, port->transport(port->ctx, out->transport)));
}

/* Otherwise by the endpoint's transport, or the one that it was registered by, if that is still
 * there. */
static int way_find(const struct contact_request *r, const struct dns_target *to, struct flow *out)
{
    const struct contact_request_port *port = &r->all->port;
    int result;

    if (way_back_find(r, to, out))
        return 0;
    result = port->route(port->ctx, transport_of(r), to->protocol, &to->addr, out);
    if (result && !endpoint_of(r)->transport.n && r->contact->transport.n)
        result = port->route(port->ctx, STR_EMPTY, to->protocol, &to->addr, out);
    return result;
}

/* ---- bytes ---- */

static void add_from_uri(struct buf *out, const struct contact_request *r, struct str host)
{
    const struct endpoint_settings *e = endpoint_of(r);
    struct str user = r->ops->from_user ? r->ops->from_user(r) : STR_EMPTY;

    if (!user.n)
        user = e->from_user.n ? e->from_user : r->all->settings->global.default_from_user;
    buf_add(out, STR("sip:"));
    buf_add(out, user);
    if (user.n)
        buf_add_char(out, '@');
    if (e->from_domain.n)
        sip_host_print(out, e->from_domain);
    else
        buf_add(out, host);
}

static void add_from(struct buf *out, const struct contact_request *r, struct str self)
{
    buf_add(out, STR("From: <"));
    buf_add(out, self);
    buf_add(out, STR(">;tag="));
    buf_add(out, contact_request_tag(r));
    buf_add(out, STR("\r\n"));
}

static void add_to(struct buf *out, const struct contact_request *r)
{
    const struct contact_dialog *d = dialog_of(r);

    buf_add(out, STR("To: <"));
    buf_add(out, r->contact->target);
    buf_add_char(out, '>');
    if (d) {
        buf_add(out, STR(";tag="));
        buf_add(out, d->remote_tag);
    }
    buf_add(out, STR("\r\n"));
}

static void add_routes(struct buf *out, const struct contact_request *r)
{
    struct str proxy = proxy_of(r), routes = routes_of(r);

    if (proxy.n) {
        buf_add(out, STR("Route: <"));
        buf_add(out, proxy);
        buf_add(out, STR(">\r\n"));
    }
    if (routes.n)
        sip_print_header(out, STR("Route"), routes);
}

static void add_contact(struct buf *out, const struct contact_request *r, struct str host)
{
    bool secure = str_starts_nocase(target_of(r), STR("sips:"));

    buf_add(out, STR("Contact: "));
    self_print_contact(out, secure, endpoint_of(r)->contact_user, host,
                       (enum net_protocol)r->txn.flow.protocol);
    buf_add(out, STR("\r\n"));
}

static int print(const struct contact_request *r, struct buf *out)
{
    const struct contact_requests *all = r->all;
    const struct global_settings *g = &all->settings->global;
    struct str by = all->port.transport(all->port.ctx, r->txn.flow.transport);
    struct str method = sip_method_name(r->ops->method);
    char host_room[HOST_MAX], from_room[FROM_MAX];
    struct buf host, from;

    buf_init_on(&host, host_room, sizeof(host_room));
    buf_init_on(&from, from_room, sizeof(from_room));
    self_choose(settings_transport(all->settings, by), &r->txn.flow, &host);
    add_from_uri(&from, r, buf_str(&host));
    if (host.error || from.error)
        return -EMSGSIZE;
    buf_add(out, method);
    buf_add_char(out, ' ');
    buf_add(out, target_of(r));
    buf_add(out, STR(" SIP/2.0\r\n"));
    txn_print_via(&r->txn, buf_str(&host), !g->disable_rport, out);
    add_routes(out, r);
    add_from(out, r, buf_str(&from));
    add_to(out, r);
    sip_print_header(out, STR("Call-ID"), contact_request_call_id(r));
    buf_add(out, STR("CSeq: "));
    buf_add_u64(out, r->cseq);
    buf_add_char(out, ' ');
    buf_add(out, method);
    buf_add(out, STR("\r\n"));
    add_contact(out, r, buf_str(&host));
    buf_add(out, r->authorization);
    sip_print_header_u64(out, STR("Max-Forwards"), g->max_forwards);
    if (g->user_agent.n)
        sip_print_header(out, STR("User-Agent"), g->user_agent);
    r->ops->print(r, out);
    if (r->ops->body)
        r->ops->body(r, buf_str(&from), out);
    else
        buf_add(out, STR("Content-Length: 0\r\n\r\n"));
    return out->error;
}

static int on_print(struct client_txn *ct, struct buf *out)
{
    return print(CONTAINER_OF(ct, struct contact_request, txn), out);
}

/* Only asked for while it is sent. */
static struct str on_host(const struct client_txn *ct)
{
    struct hop hop;

    return hop_find(&hop, CONTAINER_OF(ct, const struct contact_request, txn)) ? STR_EMPTY
                                                                               : hop.uri.host;
}

/* ---- sending ---- */

static void attempt_failed(struct contact_request *r, unsigned status,
                           const struct sip_message *response);

static void under_way_end(struct contact_request *r)
{
    timer_stop(r->all->wheel, &r->timer);
    if (r->state == REQUEST_SEEKING)
        map_remove(&r->all->seeking, &r->asked);
    r->state = REQUEST_NONE;
}

void contact_request_stop(struct contact_request *r)
{
    under_way_end(r);
    client_txn_stop(&r->txn);
    str_free(&r->authorization);
    free(r->targets);
    r->targets = NULL;
}

static void finish(struct contact_request *r, unsigned status, const struct sip_message *response)
{
    contact_request_stop(r);
    r->ops->done(r, status, response);
}

static void put_off(struct contact_request *r)
{
    contact_request_stop(r);
    r->ops->put_off(r);
}

/* Our own shortages pass; a network that refuses is as good as no answer. */
static void start_failed(struct contact_request *r, int error)
{
    r->cseq--;
    if (error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN)
        put_off(r);
    else
        attempt_failed(r, error == -EMSGSIZE ? 500 : 503, NULL);
}

static void ask(struct contact_request *r, const struct flow *way)
{
    struct contact_requests *all = r->all;
    int result;

    under_way_end(r);
    r->cseq++;
    result = client_txn_start(all->txn, &r->txn, r->ops->method, way,
                              r->ops->success_suffices ? &txn_ops_sufficed : &txn_ops);
    if (result) {
        start_failed(r, result);
        return;
    }
    r->state = REQUEST_SENT;
    r->ops->sent(r);
    if (r->timeout_ms)
        timer_start(all->wheel, &r->timer, r->timeout_ms);
}

/* At one of where it is. */
static void ask_at(struct contact_request *r, const struct dns_target *to)
{
    struct flow way;

    if (way_find(r, to, &way))
        attempt_failed(r, 503, NULL);
    else
        ask(r, &way);
}

/* Whose requests name the next hop; the configuration's names are nobody's. */
static struct str asker_of(const struct contact_request *r)
{
    const struct contact_dialog *d = dialog_of(r);
    bool is_theirs = !r->contact->is_static || (d && (d->target.n || d->routes.n));

    return is_theirs && !proxy_of(r).n ? r->contact->endpoint : STR_EMPTY;
}

static void seek(struct contact_request *r)
{
    struct contact_requests *all = r->all;
    struct hop hop;

    r->by_connection = false;
    if (hop_find(&hop, r)) {
        finish(r, 503, NULL);
        return;
    }
    under_way_end(r);
    r->state = REQUEST_SEEKING;
    r->question = ++all->last_question;
    map_add(&all->seeking, &r->asked, map_hash_u64(&all->seeking, r->question));
    timer_start(all->wheel, &r->timer, SEEK_PATIENCE_MS);
    all->port.resolve(all->port.ctx,
                      &(struct dns_question){ .host = hop.uri.host,
                                              .asker = asker_of(r),
                                              .port = hop.uri.port,
                                              .secure = hop.uri.secure,
                                              .fixed = hop.named,
                                              .protocol = hop.protocol },
                      r->question);
}

void contact_request_start(struct contact_request *r)
{
    struct flow way = r->contact->flow;

    r->challenges = 0;
    r->in_dialog = r->dialog;
    r->by_connection = has_connection(r);
    way.names = NULL;
    if (r->by_connection)
        ask(r, &way);
    else
        seek(r);
}

bool contact_request_is_from(const struct contact_request *r, const struct addr *source)
{
    struct addr literal;
    struct sip_uri uri;

    if ((r->dialog && r->dialog->routes.n) || routes_of(r).n || proxy_of(r).n ||
        sip_uri_parse(&uri, r->contact->target) || addr_parse(&literal, uri.host, 0))
        return true;
    return addr_equal_host(source, &literal) || addr_equal_host(source, &r->txn.flow.remote) ||
           (!r->contact->is_static && addr_equal_host(source, &r->contact->flow.remote));
}

/* ---- what comes of it ---- */

static bool asks(const struct map_node *node, const void *question)
{
    return CONTAINER_OF(node, const struct contact_request, asked)->question ==
           *(const uint64_t *)question;
}

/* Only of several is anything kept; without memory there is no other. */
static void targets_keep(struct contact_request *r, const struct dns_targets *found)
{
    free(r->targets);
    r->next = 0;
    r->targets = found->n > 1 ? malloc(sizeof(*r->targets)) : NULL;
    if (r->targets)
        *r->targets = *found;
}

bool contact_requests_resolved(struct contact_requests *all, uint64_t question,
                               const struct dns_targets *found)
{
    struct map_node *node =
        map_find(&all->seeking, map_hash_u64(&all->seeking, question), asks, &question);
    struct contact_request *r;

    if (!node) /* it took too long, or another answer is waited for by now */
        return false;
    r = CONTAINER_OF(node, struct contact_request, asked);
    if (!found->n) {
        log_debug(all->log, "contact.no_address", KV("aor", r->contact->aor),
                  KV("contact", r->contact->uri), KV("why", found->why));
        if (found->full) /* which says nothing of the contact */
            put_off(r);
        else
            finish(r, 503, NULL);
        return true;
    }
    targets_keep(r, found);
    ask_at(r, &found->list[0]);
    return true;
}

/* Its connection has ended. An address that was put in its place led there, too; and who wrote a
 * Contact that cannot be called, as a browser does, has no other. */
static bool may_seek(const struct contact_request *r)
{
    struct hop hop;

    return r->by_connection && !r->contact->rewritten && hop_find(&hop, r) == 0 &&
           hop.protocol <= NET_TLS;
}

/* RFC 3263 section 4.3. `status` 408: no answer, 503: not reached. */
static void attempt_failed(struct contact_request *r, unsigned status,
                           const struct sip_message *response)
{
    if (status == 503 && !response && may_seek(r)) {
        seek(r);
    } else if (r->targets && r->next + 1u < r->targets->n) {
        r->next++;
        ask_at(r, &r->targets->list[r->next]);
    } else {
        finish(r, status, response);
    }
}

static void on_timer(struct timer *t)
{
    struct contact_request *r = CONTAINER_OF(t, struct contact_request, timer);

    if (r->state == REQUEST_SEEKING) {
        finish(r, 503, NULL);
        return;
    }
    client_txn_stop(&r->txn);
    attempt_failed(r, 408, NULL);
}

/* ---- challenges ---- */

static size_t credentials_find(const struct contact_request *r,
                               const struct digest_credential **list)
{
    const struct endpoint_settings *e = endpoint_of(r);
    size_t n = 0;

    for (size_t i = 0; i < e->n_outbound_auths; i++) {
        const struct auth_settings *a = settings_auth(r->all->settings, e->outbound_auths[i]);

        if (a)
            list[n++] = &a->credential;
    }
    return n;
}

static int authorization_make(struct contact_request *r, struct digest_session *session)
{
    char room[AUTHORIZATION_MAX];
    struct str made;
    struct buf b;
    int result;

    buf_init_on(&b, room, sizeof(room));
    result = digest_session_print(session, r->all->rng, sip_method_name(r->ops->method),
                                  target_of(r), &b);
    if (result == 0)
        result = str_dup(&made, buf_str(&b));
    if (result)
        return result;
    str_free(&r->authorization);
    r->authorization = made;
    return 0;
}

/* What the next one says. The nonce is not kept: that would be memory for each contact, and this is
 * once a minute. 0, DIGEST_NO_CREDENTIAL, negative. */
static int challenge_answer(struct contact_request *r, const struct sip_message *response)
{
    const struct endpoint_settings *e = endpoint_of(r);
    const struct digest_credential **list = calloc(e->n_outbound_auths + 1, sizeof(*list));
    struct digest_session session = { .proxy = false };
    int result = -ENOMEM;

    if (list)
        result = digest_session_choose(&session, response, list, credentials_find(r, list), NULL);
    if (result == 0)
        result = authorization_make(r, &session);
    digest_session_fini(&session);
    free(list);
    return result;
}

static bool is_challenge(const struct contact_request *r, const struct sip_message *response)
{
    return response && (response->status == 401 || response->status == 407) &&
           (!r->ops->authenticates || r->ops->authenticates(r)) && r->challenges < CHALLENGES_MAX;
}

/* ---- answers ---- */

static void on_done(struct client_txn *ct, unsigned status, const struct sip_message *response)
{
    struct contact_request *r = CONTAINER_OF(ct, struct contact_request, txn);
    const struct flow way = ct->flow;
    int result = DIGEST_NO_CREDENTIAL;

    if (is_challenge(r, response))
        result = challenge_answer(r, response);
    if (result == 0) {
        r->challenges++;
        r->all->challenged++;
        ask(r, &way);
    } else if (result < 0) {
        put_off(r);
    } else if (status == 408 || status == 503) {
        attempt_failed(r, status, response);
    } else {
        finish(r, status, response);
    }
}

static const struct client_txn_ops txn_ops = { .print = on_print,
                                               .done = on_done,
                                               .host = on_host };
static const struct client_txn_ops txn_ops_sufficed = {
    .print = on_print, .done = on_done, .success_suffices = true, .host = on_host
};

/* ---- life ---- */

int contact_requests_init(struct contact_requests *all, struct rng *keys)
{
    return map_init(&all->seeking, keys);
}

void contact_requests_fini(struct contact_requests *all)
{
    map_fini(&all->seeking);
}

void contact_request_renew(struct contact_request *r)
{
    unsigned char random[sizeof(r->call_id) / 2];
    struct buf b;

    r->tag_n = (uint8_t)txn_tag_make(r->all->txn, r->tag).n;
    rng_fill(r->all->rng, random, sizeof(random));
    buf_init_on(&b, r->call_id, sizeof(r->call_id));
    buf_add_hex(&b, random, sizeof(random));
    r->cseq = 0;
}

void contact_request_init(struct contact_request *r, struct contact_requests *all,
                          const struct contact *contact, const struct contact_request_ops *ops)
{
    *r = (struct contact_request){ .ops = ops, .all = all, .contact = contact };
    client_txn_init(&r->txn);
    timer_init(&r->timer, on_timer);
    contact_request_renew(r);
}
