// SPDX-License-Identifier: MIT
/* One question: where the OPTIONS goes, its bytes, and its answer. The bytes are made of what the
 * contact and the settings are, each time again: where one of them changes, it is asked anew. */
#include <stdlib.h>

#include "registrar/qualifier_internal.h"
#include "sip/digest.h"
#include "txn/self.h"

enum {
    SEEK_PATIENCE_MS = 30000, /* for an address */
    CHALLENGES_MAX = 2,       /* that are answered in one round: the second time it may be a nonce
                                 that is too old */
    HOST_MAX = 512,
    AUTHORIZATION_MAX = 4096,
};

static const struct client_txn_ops qualify_ops;

/* ---- whose it is ---- */

/* What is asked has both: see frequency_of. */
static const struct endpoint_settings *endpoint_of(const struct qualified *c)
{
    return settings_endpoint(c->qualifier->settings, c->contact->endpoint);
}

static const struct aor_settings *aor_of(const struct qualified *c)
{
    return settings_aor(c->qualifier->settings, c->contact->aor);
}

static struct str proxy_of(const struct qualified *c)
{
    struct str proxy = aor_of(c)->outbound_proxy;

    return proxy.n ? proxy : endpoint_of(c)->outbound_proxy;
}

static struct str transport_of(const struct qualified *c)
{
    struct str transport = endpoint_of(c)->transport;

    return transport.n ? transport : c->contact->transport;
}

/* ---- the next hop ---- */

struct hop { /* borrowed */
    struct sip_uri uri;
    enum net_protocol protocol;
    bool named; /* the protocol: else it is what is usual */
};

static int hop_uri(struct sip_uri *out, const struct qualified *c)
{
    struct str proxy = proxy_of(c), routes = c->contact->route, first;
    struct sip_name_addr route;

    if (proxy.n)
        return sip_uri_parse(out, proxy);
    if (!sip_list_next(&routes, &first))
        return sip_uri_parse(out, c->contact->target);
    if (sip_name_addr_parse(&route, first))
        return -EBADMSG;
    return sip_uri_parse(out, route.uri);
}

/* RFC 3261 section 8.1.2. 0, -EBADMSG, -EPROTONOSUPPORT. */
static int hop_find(struct hop *out, const struct qualified *c)
{
    const struct transport_settings *by =
        settings_transport(c->qualifier->settings, transport_of(c));
    int r = hop_uri(&out->uri, c);

    if (r)
        return r;
    out->named = txn_uri_protocol_named(&out->uri, by);
    return txn_uri_protocol_by(&out->protocol, &out->uri, by);
}

/* By the connection that it was registered by, if there is nothing on the way. */
static bool has_connection(const struct qualified *c)
{
    uint32_t connection = c->contact->flow.connection;

    return connection && connection != NET_ANY_CONNECTION && connection != NET_NO_CONNECTION &&
           !c->contact->route.n && !proxy_of(c).n;
}

/* By the endpoint's transport, or the one that it was registered by, if that is still there. */
static int way_find(const struct qualified *c, const struct dns_target *to, struct flow *out)
{
    const struct qualifier_port *port = &c->qualifier->cfg.port;
    int r = port->route(port->ctx, transport_of(c), to->protocol, &to->addr, out);

    if (r && !endpoint_of(c)->transport.n && c->contact->transport.n)
        r = port->route(port->ctx, STR_EMPTY, to->protocol, &to->addr, out);
    return r;
}

/* ---- bytes ---- */

static void add_from(struct buf *out, const struct qualified *c, struct str host)
{
    const struct endpoint_settings *e = endpoint_of(c);
    struct str user =
        e->from_user.n ? e->from_user : c->qualifier->settings->global.default_from_user;

    buf_add(out, STR("From: <sip:"));
    buf_add(out, user);
    if (user.n)
        buf_add_char(out, '@');
    buf_add(out, e->from_domain.n ? e->from_domain : host);
    buf_add(out, STR(">;tag="));
    buf_add(out, (struct str){ c->tag, c->tag_n });
    buf_add(out, STR("\r\n"));
}

static void add_routes(struct buf *out, const struct qualified *c)
{
    struct str proxy = proxy_of(c);

    if (proxy.n) {
        buf_add(out, STR("Route: <"));
        buf_add(out, proxy);
        buf_add(out, STR(">\r\n"));
    }
    if (c->contact->route.n)
        sip_print_header(out, STR("Route"), c->contact->route);
}

static void add_contact(struct buf *out, const struct qualified *c, struct str host)
{
    bool secure = str_starts_nocase(c->contact->target, STR("sips:"));

    buf_add(out, STR("Contact: "));
    self_print_contact(out, secure, endpoint_of(c)->contact_user, host,
                       (enum net_protocol)c->txn.flow.protocol);
    buf_add(out, STR("\r\n"));
}

static int print_options(const struct qualified *c, struct buf *out)
{
    const struct qualifier *q = c->qualifier;
    const struct global_settings *g = &q->settings->global;
    struct str by = q->cfg.port.transport(q->cfg.port.ctx, c->txn.flow.transport);
    struct addr sent_by;
    char room[HOST_MAX];
    struct buf host;

    buf_init_on(&host, room, sizeof(room));
    self_choose(settings_transport(q->settings, by), &c->txn.flow, &sent_by, &host);
    buf_add(out, STR("OPTIONS "));
    buf_add(out, c->contact->target);
    buf_add(out, STR(" SIP/2.0\r\n"));
    txn_print_via(&c->txn, &sent_by, !g->disable_rport, out);
    add_routes(out, c);
    add_from(out, c, buf_str(&host));
    buf_add(out, STR("To: <"));
    buf_add(out, c->contact->target);
    buf_add(out, STR(">\r\n"));
    sip_print_header(out, STR("Call-ID"), (struct str){ c->call_id, sizeof(c->call_id) });
    buf_add(out, STR("CSeq: "));
    buf_add_u64(out, c->cseq);
    buf_add(out, STR(" OPTIONS\r\n"));
    add_contact(out, c, buf_str(&host));
    buf_add(out, c->authorization);
    sip_print_header_u64(out, STR("Max-Forwards"), g->max_forwards);
    if (g->user_agent.n)
        sip_print_header(out, STR("User-Agent"), g->user_agent);
    buf_add(out, STR("Accept: application/sdp\r\nContent-Length: 0\r\n\r\n"));
    return host.error ? host.error : out->error;
}

static int on_print(struct client_txn *ct, struct buf *out)
{
    return print_options(CONTAINER_OF(ct, struct qualified, txn), out);
}

/* Only asked for while it is sent. */
static struct str on_host(const struct client_txn *ct)
{
    struct hop hop;

    return hop_find(&hop, CONTAINER_OF(ct, const struct qualified, txn)) ? STR_EMPTY : hop.uri.host;
}

/* ---- asking ---- */

static void attempt_failed(struct qualified *c, unsigned status, bool answered);

/* Our own shortages pass; a network that refuses is as good as no answer. */
static void start_failed(struct qualified *c, int error)
{
    c->cseq--;
    if (error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN)
        qualified_put_off(c);
    else
        attempt_failed(c, error == -EMSGSIZE ? 500 : 503, false);
}

static void ask(struct qualified *c, const struct flow *way)
{
    struct qualifier *q = c->qualifier;
    uint32_t timeout_ms = aor_of(c)->qualify_timeout_ms;
    int r;

    c->cseq++;
    r = client_txn_start(q->cfg.txn, &c->txn, SIP_OPTIONS, way, &qualify_ops);
    if (r) {
        start_failed(c, r);
        return;
    }
    qualified_move(c, QUALIFIED_ASKING);
    q->counters.sent++;
    if (timeout_ms)
        timer_start(q->cfg.wheel, &c->timer, timeout_ms);
}

/* At one of where it is. */
static void ask_at(struct qualified *c, const struct dns_target *to)
{
    struct flow way;

    if (way_find(c, to, &way))
        attempt_failed(c, 503, false);
    else
        ask(c, &way);
}

static void seek(struct qualified *c)
{
    struct qualifier *q = c->qualifier;
    struct hop hop;

    c->by_connection = false;
    if (hop_find(&hop, c)) {
        qualified_unanswered(c, 503);
        return;
    }
    qualified_move(c, QUALIFIED_SEEKING);
    c->question = ++q->last_question;
    map_add(&q->seeking, &c->asked, map_hash_u64(&q->seeking, c->question));
    timer_start(q->cfg.wheel, &c->timer, SEEK_PATIENCE_MS);
    q->cfg.port.resolve(q->cfg.port.ctx,
                        &(struct dns_question){ .host = hop.uri.host,
                                                .port = hop.uri.port,
                                                .secure = hop.uri.secure,
                                                .fixed = hop.named,
                                                .protocol = hop.protocol },
                        c->question);
}

void qualify(struct qualified *c)
{
    struct flow way = c->contact->flow;

    c->begun_ms = clock_monotonic_ms(c->qualifier->cfg.clock);
    c->challenges = 0;
    c->by_connection = has_connection(c);
    way.names = NULL;
    if (c->by_connection)
        ask(c, &way);
    else
        seek(c);
}

void qualify_end(struct qualified *c)
{
    client_txn_stop(&c->txn);
    str_free(&c->authorization);
    free(c->targets);
    c->targets = NULL;
}

/* ---- what comes of it ---- */

static bool asks(const struct map_node *node, const void *question)
{
    return CONTAINER_OF(node, const struct qualified, asked)->question ==
           *(const uint64_t *)question;
}

/* Only of several is anything kept; without memory there is no other. */
static void targets_keep(struct qualified *c, const struct dns_targets *found)
{
    free(c->targets);
    c->target = 0;
    c->targets = found->n > 1 ? malloc(sizeof(*c->targets)) : NULL;
    if (c->targets)
        *c->targets = *found;
}

void qualifier_resolved(struct qualifier *q, uint64_t question, const struct dns_targets *found)
{
    struct map_node *node =
        map_find(&q->seeking, map_hash_u64(&q->seeking, question), asks, &question);
    struct qualified *c;

    if (!node) /* it took too long, or another answer is waited for by now */
        return;
    c = CONTAINER_OF(node, struct qualified, asked);
    if (!found->n) {
        log_debug(q->cfg.log, "contact.no_address", KV("aor", c->contact->aor),
                  KV("contact", c->contact->uri), KV("why", found->why));
        qualified_unanswered(c, 503);
        return;
    }
    targets_keep(c, found);
    ask_at(c, &found->list[0]);
}

/* Its connection has ended. An address that was put in its place led there, too; and who wrote a
 * Contact that cannot be called, as a browser does, has no other. */
static bool may_seek(const struct qualified *c)
{
    struct hop hop;

    return c->by_connection && !c->contact->rewritten && hop_find(&hop, c) == 0 &&
           hop.protocol <= NET_TLS;
}

/* RFC 3263 section 4.3. `status` 408: no answer, 503: not reached. */
static void attempt_failed(struct qualified *c, unsigned status, bool answered)
{
    if (status == 503 && !answered && may_seek(c)) {
        seek(c);
    } else if (c->targets && c->target + 1u < c->targets->n) {
        c->target++;
        ask_at(c, &c->targets->list[c->target]);
    } else {
        qualified_unanswered(c, status);
    }
}

void qualify_timeout(struct qualified *c)
{
    if (c->state == QUALIFIED_SEEKING) {
        qualified_unanswered(c, 503);
        return;
    }
    client_txn_stop(&c->txn);
    attempt_failed(c, 408, false);
}

/* ---- challenges ---- */

static size_t credentials_find(const struct qualified *c, const struct digest_credential **list)
{
    const struct endpoint_settings *e = endpoint_of(c);
    size_t n = 0;

    for (size_t i = 0; i < e->n_outbound_auths; i++) {
        const struct auth_settings *a = settings_auth(c->qualifier->settings, e->outbound_auths[i]);

        if (a)
            list[n++] = &a->credential;
    }
    return n;
}

static int authorization_make(struct qualified *c, struct digest_session *session)
{
    char room[AUTHORIZATION_MAX];
    struct str made;
    struct buf b;
    int r;

    buf_init_on(&b, room, sizeof(room));
    r = digest_session_print(session, c->qualifier->cfg.rng, STR("OPTIONS"), c->contact->target,
                             &b);
    if (r == 0)
        r = str_dup(&made, buf_str(&b));
    if (r)
        return r;
    str_free(&c->authorization);
    c->authorization = made;
    return 0;
}

/* What the next one says. The nonce is not kept: that would be memory for each contact, and this is
 * once a minute. 0, DIGEST_NO_CREDENTIAL, negative. */
static int challenge_answer(struct qualified *c, const struct sip_message *response)
{
    const struct endpoint_settings *e = endpoint_of(c);
    const struct digest_credential **list = calloc(e->n_outbound_auths + 1, sizeof(*list));
    struct digest_session session = { .proxy = false };
    int r = -ENOMEM;

    if (list)
        r = digest_session_choose(&session, response, list, credentials_find(c, list), NULL);
    if (r == 0)
        r = authorization_make(c, &session);
    digest_session_fini(&session);
    free(list);
    return r;
}

static bool is_challenge(const struct qualified *c, const struct sip_message *response)
{
    return response && (response->status == 401 || response->status == 407) &&
           aor_of(c)->authenticate_qualify && c->challenges < CHALLENGES_MAX;
}

/* ---- answers ---- */

static void on_done(struct client_txn *ct, unsigned status, const struct sip_message *response)
{
    struct qualified *c = CONTAINER_OF(ct, struct qualified, txn);
    uint64_t took_ms = clock_monotonic_ms(c->qualifier->cfg.clock) - ct->started_ms;
    const struct flow way = ct->flow;
    int r = DIGEST_NO_CREDENTIAL;

    if (is_challenge(c, response))
        r = challenge_answer(c, response);
    if (r == 0) {
        c->challenges++;
        c->qualifier->counters.challenged++;
        ask(c, &way);
    } else if (r < 0) {
        qualified_put_off(c);
    } else if (status == 408 || status == 503) {
        attempt_failed(c, status, response != NULL);
    } else {
        qualified_answered(c, status, (uint32_t)took_ms);
    }
}

static const struct client_txn_ops qualify_ops = {
    .print = on_print, .done = on_done, .success_suffices = true, .host = on_host
};
