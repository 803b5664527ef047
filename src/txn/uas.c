// SPDX-License-Identifier: MIT
#include "txn/uas.h"

#include <stdlib.h>

#include "txn/authenticate.h"
#include "txn/identify.h"

#define MAX_FORWARDS_MAX 255 /* RFC 3261 section 20.22 */
#define UNSUPPORTED_MAX 256  /* bytes of option tags in a 420 */

struct uas_method {
    uas_handler_fn handler;
    void *ctx;
    struct str extensions;
};

struct uas {
    struct uas_config cfg;
    const struct settings *settings; /* a reference */
    struct identify_index *index;    /* NULL: for want of memory, slower */
    struct uas_method methods[SIP_METHODS];
    struct buf headers; /* of the response being made */
    struct authenticator authenticator;
    bool challenges_strangers;
    uas_refused_fn refused; /* NULL: nobody is told */
    void *refused_ctx;
    uas_dialog_fn dialog; /* NULL: we begin none */
    void *dialog_ctx;
    uas_transport_fn transport; /* NULL: nobody knows */
    void *transport_ctx;
    struct uas_counters counters;
};

int uas_create(struct uas **out, const struct uas_config *cfg)
{
    struct uas *u = calloc(1, sizeof(*u));

    if (!u)
        return -ENOMEM;
    u->cfg = *cfg;
    buf_init(&u->headers, SIP_MESSAGE_MAX);
    authenticator_init(&u->authenticator, cfg->nonces, cfg->rng);
    uas_settings_set(u, cfg->settings);
    *out = u;
    return 0;
}

void uas_destroy(struct uas *u)
{
    if (!u)
        return;
    identify_index_destroy(u->index);
    settings_unref(u->settings);
    buf_fini(&u->headers);
    free(u);
}

static bool challenges_strangers(const struct settings *s)
{
    if (s->general.strangers != STRANGERS_AUTO)
        return s->general.strangers == STRANGERS_CHALLENGE;
    for (size_t i = 0; i < s->n_endpoints; i++)
        if (s->endpoints[i].n_auths)
            return true;
    return false;
}

void uas_offer_set(struct uas *u, struct str accept, struct str allow_events)
{
    u->cfg.accept = accept;
    u->cfg.allow_events = allow_events;
}

void uas_settings_set(struct uas *u, const struct settings *settings)
{
    const struct settings *old = u->settings;

    identify_index_destroy(u->index);
    u->index = NULL;
    u->settings = settings_ref(settings);
    u->challenges_strangers = challenges_strangers(settings);
    authenticator_settings_set(&u->authenticator, settings);
    if (identify_index_create(&u->index, u->settings))
        log_warn(u->cfg.log, "uas.index_missing", KV_U("identifies", settings->n_identifies));
    if (old)
        settings_unref(old);
}

void uas_method_set(struct uas *u, enum sip_method method, struct str extensions,
                    uas_handler_fn handler, void *ctx)
{
    BUG_UNLESS(method > SIP_METHOD_OTHER && method < SIP_METHODS);
    u->methods[method] = (struct uas_method){ handler, ctx, extensions };
}

void uas_refused_set(struct uas *u, uas_refused_fn refused, void *ctx)
{
    u->refused = refused;
    u->refused_ctx = ctx;
}

void uas_dialog_set(struct uas *u, uas_dialog_fn dialog, void *ctx)
{
    u->dialog = dialog;
    u->dialog_ctx = ctx;
}

void uas_transport_set(struct uas *u, uas_transport_fn transport, void *ctx)
{
    u->transport = transport;
    u->transport_ctx = ctx;
}

void uas_counters_get(const struct uas *u, struct uas_counters *out)
{
    *out = u->counters;
}

/* ---- header lines ---- */

/* RFC 3261 section 25.1 token, which a pseudonym must be: "extstate/0.1" shows as "extstate". */
static struct str pseudonym(struct str agent)
{
    struct cursor c = cursor_on(agent);
    struct str token = cursor_token(&c);

    return token.n ? token : STR("extstate");
}

void uas_print_warning(struct buf *out, struct str agent, const char *text)
{
    buf_add(out, STR("Warning: 399 "));
    buf_add(out, pseudonym(agent));
    buf_add(out, STR(" \""));
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, c < ' ' || c >= 0x7f ? '?' : (char)c);
    }
    buf_add(out, STR("\"\r\n"));
}

static void print_allow(struct uas *u)
{
    buf_add(&u->headers, STR("Allow: OPTIONS"));
    for (unsigned m = 0; m < SIP_METHODS; m++) {
        if (!u->methods[m].handler || m == SIP_OPTIONS)
            continue;
        buf_add(&u->headers, STR(", "));
        buf_add(&u->headers, sip_method_name((enum sip_method)m));
    }
    buf_add(&u->headers, STR("\r\n"));
}

/* What any method understands, each tag once. */
static void print_supported(struct uas *u)
{
    struct str separator = STR("Supported: ");

    for (unsigned m = 0; m < SIP_METHODS; m++) {
        struct str rest = u->methods[m].extensions;

        while (rest.p) {
            struct str tag = str_next(&rest, ',');
            bool known = tag.n == 0;

            for (unsigned k = 0; k < m && !known; k++)
                known = str_is_listed(tag, u->methods[k].extensions);
            if (known)
                continue;
            buf_add(&u->headers, separator);
            buf_add(&u->headers, tag);
            separator = STR(", ");
        }
    }
    if (separator.n == 2)
        buf_add(&u->headers, STR("\r\n"));
}

static void add_header(struct uas *u, struct str name, struct str value)
{
    if (value.n)
        sip_print_header(&u->headers, name, value);
}

static void tell_refused(struct uas *u, const struct uas_request *rq, unsigned status,
                         const char *why)
{
    if (u->refused)
        u->refused(u->refused_ctx, rq, status,
                   rq->denied ? "the endpoint does not permit this address" : why);
}

static struct str source_print(struct buf *out, char *room, size_t size, const struct addr *source)
{
    buf_init_on(out, room, size);
    addr_print(out, source);
    return buf_str(out);
}

/* Ends the request with what is in u->headers; always true, for the checks to return. Nothing that
 * is answered here is kept: mostly it is not known yet who asks, so that a flood of it takes no
 * memory, and said again it is the same. The log has been told why. */
static bool refuse_told(struct uas *u, const struct uas_request *rq, unsigned status,
                        const char *why)
{
    tell_refused(u, rq, status, why);
    uas_print_warning(&u->headers, u->settings->global.user_agent, why);
    server_txn_reject_once(rq->txn, status, buf_str(&u->headers));
    return true;
}

static bool refuse(struct uas *u, const struct uas_request *rq, unsigned status, const char *why)
{
    char room[64];
    struct buf peer;

    log_info(u->cfg.log, "uas.refused", KV_U("status", status), KV("method", rq->msg->method_text),
             KV("why", why), KV("call_id", rq->msg->call_id),
             KV("source", source_print(&peer, room, sizeof(room), &rq->flow->remote)));
    return refuse_told(u, rq, status, why);
}

/* ---- the checks, in order: each is true when it has answered ---- */

/* Where the first URI in that header field says, if it says so by an address; what is a name cannot
 * be looked up while a request waits. "*" says nothing. */
static bool first_address(const struct sip_message *msg, enum sip_header_id field, bool *any,
                          struct addr *out)
{
    const struct sip_header *h = sip_header_first(msg, field);
    struct str rest = h ? h->value : STR_EMPTY, first;
    struct sip_name_addr na;
    struct sip_uri uri;

    *any = sip_list_next(&rest, &first) && !str_equal(first, STR("*"));
    return *any && sip_name_addr_parse(&na, first) == 0 && sip_uri_parse(&uri, na.uri) == 0 &&
           addr_parse(out, uri.host, 0) == 0;
}

static bool has_rules(const struct address_rules *r)
{
    return r->n_rules || r->n_names;
}

static bool rules_permit(const struct settings *s, const struct uas_request *rq,
                         const struct address_rules *source, const struct address_rules *contact)
{
    /* What is sent because of the request goes to one of these first. */
    static const enum sip_header_id hops[] = { SIP_H_CONTACT, SIP_H_RECORD_ROUTE, SIP_H_PATH };

    if (has_rules(source) && !address_rules_permit(s, source, &rq->flow->remote))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(hops) && has_rules(contact); i++) {
        struct addr address;
        bool any;

        if (!first_address(rq->msg, hops[i], &any, &address)) {
            if (any)
                return false;
            continue;
        }
        if (hops[i] != SIP_H_CONTACT && addr_equal_host(&address, &rq->flow->remote))
            continue; /* the proxy that it came from */
        if (!address_rules_permit(s, contact, &address))
            return false;
    }
    return true;
}

bool uas_contact_permitted(const struct settings *s, const struct endpoint_settings *e,
                           const struct sip_uri *contact)
{
    struct addr address;
    bool known = addr_parse(&address, contact->host, 0) == 0;
    bool permitted =
        !has_rules(&e->contact) || (known && address_rules_permit(s, &e->contact, &address));

    for (size_t i = 0; i < s->n_acls && permitted; i++)
        permitted = !has_rules(&s->acls[i].contact) ||
                    (known && address_rules_permit(s, &s->acls[i].contact, &address));
    return permitted;
}

static void tell_denied(struct uas *u, const struct uas_request *rq, const char *name,
                        struct str whose)
{
    char room[64];
    struct buf peer;

    u->counters.denied++;
    log_info(u->cfg.log, "uas.denied", KV("method", rq->msg->method_text), KV(name, whose),
             KV("source", source_print(&peer, room, sizeof(room), &rq->flow->remote)));
}

static const char too_often[] = "there are too many requests in a second";

static void tell_often(struct uas *u, const struct uas_request *rq, struct str endpoint)
{
    char room[64];
    struct buf peer;

    u->counters.too_often++;
    log_warn(u->cfg.log, "uas.too_often", KV("method", rq->msg->method_text),
             KV("endpoint", endpoint),
             KV("source", source_print(&peer, room, sizeof(room), &rq->flow->remote)));
}

/* RFC 3261 section 21.5.4. Spread, or all of them return at once. */
static uint64_t retry_after_s(struct uas *u)
{
    return 5 + rng_below(u->cfg.rng, 10);
}

static bool may_ask(struct uas *u, enum limit_what what, struct str who, uint32_t per_s)
{
    return !per_s || !u->cfg.limits ||
           limit_ask(u->cfg.limits, limit_key(u->cfg.limits, what, who, STR_EMPTY), per_s);
}

/* Behind the proof: nobody uses up what is another's. */
static bool check_endpoint_rate(struct uas *u, struct uas_request *rq)
{
    if (may_ask(u, LIMIT_ENDPOINT, rq->endpoint->id, u->settings->general.requests_per_endpoint))
        return false;
    tell_often(u, rq, rq->endpoint->id);
    sip_print_header_u64(&u->headers, STR("Retry-After"), retry_after_s(u));
    return refuse_told(u, rq, 503, too_often);
}

static const struct acl_settings *acl_that_denies(const struct uas *u, const struct uas_request *rq)
{
    for (size_t i = 0; i < u->settings->n_acls; i++)
        if (!rules_permit(u->settings, rq, &u->settings->acls[i].source,
                          &u->settings->acls[i].contact))
            return &u->settings->acls[i];
    return NULL;
}

bool uas_admit(void *uas, const struct sip_message *msg, const struct flow *from,
               struct txn_refusal *refusal)
{
    struct uas *u = uas;
    const struct uas_request rq = { .msg = msg, .flow = from, .settings = u->settings };
    const struct acl_settings *acl;

    if (!may_ask(u, LIMIT_SOURCE, limit_source(&from->remote),
                 u->settings->general.requests_per_source)) {
        tell_often(u, &rq, STR_EMPTY);
        *refusal = (struct txn_refusal){ .status = 503,
                                         .why = too_often,
                                         .retry_after_s = retry_after_s(u) };
    } else if ((acl = acl_that_denies(u, &rq))) {
        tell_denied(u, &rq, "acl", acl->id);
        *refusal = (struct txn_refusal){ .status = 403, .why = "this address is denied" };
    } else {
        return true;
    }
    tell_refused(u, &rq, refusal->status, refusal->why);
    return false;
}

static bool check_uri(struct uas *u, struct uas_request *rq)
{
    rq->uri = rq->msg->request_uri;
    if (!rq->uri.sip)
        return refuse(u, rq, 416, "the Request-URI is not a SIP URI");
    if (u->settings->global.ignore_uri_user_options)
        rq->uri.user.n = str_find_char(rq->uri.user, ';');
    return false;
}

static bool check_max_forwards(struct uas *u, struct uas_request *rq)
{
    const struct sip_header *h = sip_header_first(rq->msg, SIP_H_MAX_FORWARDS);
    uint32_t hops;

    if (h && (str_to_u32(&hops, h->value) || hops > MAX_FORWARDS_MAX))
        return refuse(u, rq, 400, "Max-Forwards is not a number up to 255");
    return false;
}

static bool check_method(struct uas *u, struct uas_request *rq)
{
    enum sip_method m = rq->msg->method;

    if (m == SIP_METHOD_OTHER) { /* RFC 3261 section 21.5.2 */
        print_allow(u);
        return refuse(u, rq, 501, "this method is not known here");
    }
    if (m != SIP_OPTIONS && !u->methods[m].handler) {
        print_allow(u);
        return refuse(u, rq, 405, "this method is not served here");
    }
    return false;
}

/* Not all of them, if they are many: it is told to anybody, by an address that may be another's. A
 * 420 names at least one (RFC 3261 section 8.2.2.3); one alone that is too long for that is no
 * extension of anybody's. */
static bool check_require(struct uas *u, struct uas_request *rq)
{
    char room[UNSUPPORTED_MAX];
    struct buf tags;
    bool unsupported = false;

    buf_init_on(&tags, room, sizeof(room));
    for (const struct sip_header *h = sip_header_first(rq->msg, SIP_H_REQUIRE); h;
         h = sip_header_next(rq->msg, h)) {
        struct str rest = h->value, tag;

        while (sip_list_next(&rest, &tag)) {
            if (!tag.n || str_is_listed(tag, u->methods[rq->msg->method].extensions))
                continue;
            unsupported = true;
            if (tags.n + tag.n + 2 > sizeof(room))
                continue;
            buf_add(&tags, tags.n ? STR(", ") : STR_EMPTY);
            sip_print_unfolded(&tags, tag);
        }
    }
    if (!unsupported)
        return false;
    if (!tags.n)
        return refuse(u, rq, 400, "an option tag in Require is too long");
    add_header(u, STR("Unsupported"), buf_str(&tags));
    return refuse(u, rq, 420, "an extension in Require is not supported");
}

/* We understand bodies as they are, and nobody minds the coding of an empty one. */
static bool check_encoding(struct uas *u, struct uas_request *rq)
{
    struct str coding = sip_header_value(rq->msg, SIP_H_CONTENT_ENCODING);

    if (!coding.n || !rq->msg->body.n || str_equal_nocase(coding, STR("identity")))
        return false;
    add_header(u, STR("Accept-Encoding"), STR("identity"));
    return refuse(u, rq, 415, "a body with a content coding cannot be read");
}

/* RFC 3261 section 11.2. */
static bool answer_options(struct uas *u, struct uas_request *rq)
{
    char room[1024];
    struct buf events;

    if (rq->msg->method != SIP_OPTIONS)
        return false;
    buf_init_on(&events, room, sizeof(room));
    buf_add(&events, u->cfg.allow_events);
    settings_add_opaques(rq->settings, &events);
    print_allow(u);
    print_supported(u);
    add_header(u, STR("Accept"), u->cfg.accept);
    add_header(u, STR("Allow-Events"), buf_str(&events));
    add_header(u, STR("Accept-Encoding"), STR("identity"));
    server_txn_reject_once(rq->txn, 200, buf_str(&u->headers));
    return true;
}

/* ---- who asks ---- */

static bool refuse_stranger(struct uas *u, const struct uas_request *rq)
{
    struct str user = STR_EMPTY, host;
    char why_storage[160], peer_storage[64];
    struct buf why, peer;

    if (!identify_from(rq->msg, &user, &host))
        user = STR_EMPTY;
    buf_init_on(&why, why_storage, sizeof(why_storage) - 1);
    buf_add(&why, STR("no endpoint matches From "));
    user = str_sub(user, 0, 64);
    buf_add(&why, user.n ? user : STR("(no user)"));
    buf_add(&why, STR(" or the source address"));
    why_storage[why.n] = '\0';
    log_info(
        u->cfg.log, "uas.unidentified", KV("method", rq->msg->method_text), KV("from_user", user),
        KV("source", source_print(&peer, peer_storage, sizeof(peer_storage), &rq->flow->remote)));
    return refuse_told(u, rq, 403, why_storage);
}

/* RFC 3261 section 22.1. There are clients that answer on the same branch. `why`: NULL, or what was
 * wrong. */
static bool challenge(struct uas *u, const struct uas_request *rq, bool stale, const char *why)
{
    int r =
        authenticate_print(&u->authenticator, rq->endpoint, &rq->flow->remote, stale, &u->headers);

    if (r) {
        log_error(u->cfg.log, "uas.challenge", KV_ERR(r));
        buf_reset(&u->headers);
        return refuse_told(u, rq, 500, "no challenge can be made");
    }
    tell_refused(u, rq, 401, why);
    server_txn_reject_once(rq->txn, 401, buf_str(&u->headers));
    return true;
}

static void tell_wrong(struct uas *u, const struct uas_request *rq, const char *why)
{
    char room[64];
    struct buf peer;

    log_info(u->cfg.log, "uas.unauthenticated", KV("method", rq->msg->method_text),
             KV("endpoint", rq->endpoint ? rq->endpoint->id : STR("(unknown)")),
             KV("source", source_print(&peer, room, sizeof(room), &rq->flow->remote)),
             KV("why", why));
}

/* Is it who the endpoint, or with NULL a stranger, should be? */
static bool check_credentials(struct uas *u, struct uas_request *rq)
{
    const char *why = NULL;

    switch (authenticate(&u->authenticator, rq->endpoint, rq->msg, &rq->flow->remote, &why)) {
    case AUTHENTICATION_PASSED:
        return false;
    case AUTHENTICATION_NONE:
        u->counters.challenged++;
        return challenge(u, rq, false, NULL);
    case AUTHENTICATION_WRONG:
        u->counters.wrong_credentials++;
        why = "the user name or password is wrong";
        tell_wrong(u, rq, why);
        return challenge(u, rq, false, why);
    case AUTHENTICATION_STALE:
        u->counters.stale_nonces++;
        return challenge(u, rq, true, NULL);
    case AUTHENTICATION_BROKEN:
        u->counters.broken_credentials++;
        tell_wrong(u, rq, why);
        return refuse_told(u, rq, 400, why);
    case AUTHENTICATION_CLOSED:
        break;
    }
    tell_wrong(u, rq, "none of the endpoint's auth sections can be used");
    return refuse_told(u, rq, 500, "nobody can authenticate as this endpoint now");
}

/* A NOTIFY within a dialog is in one that we began, or in none: RFC 6665 section 4.1.3. Whoever
 * asks need not prove who he is to hear that, since it ends what he has left of it. */
static bool check_dialog(struct uas *u, struct uas_request *rq)
{
    if (!u->dialog || rq->msg->method != SIP_NOTIFY || !rq->msg->to_tag.n)
        return false;
    rq->endpoint = u->dialog(u->dialog_ctx, rq->msg);
    rq->in_dialog = rq->endpoint;
    return !rq->endpoint && refuse(u, rq, 481, "there is no such dialog");
}

static struct str transport_of(const struct uas *u, const struct flow *flow)
{
    return u->transport ? u->transport(u->transport_ctx, flow->transport) : STR_EMPTY;
}

static bool check_identity(struct uas *u, struct uas_request *rq)
{
    const struct endpoint_settings *e = rq->endpoint;

    if (!rq->in_dialog)
        e = identify_with(u->settings, u->index, rq->msg, rq->flow, transport_of(u, rq->flow));
    if (e && !rules_permit(u->settings, rq, &e->source, &e->contact)) {
        tell_denied(u, rq, "endpoint", e->id);
        rq->denied = e;
        e = NULL; /* from there it is nobody, and nobody is told that it is somebody elsewhere */
    }
    rq->endpoint = e;
    if (e) {
        server_txn_force_rport_set(rq->txn, e->force_rport);
        return false;
    }
    u->counters.unidentified++;
    if (u->challenges_strangers)
        return check_credentials(u, rq);
    /* Where nobody is asked who he is anybody may ask who we are: a proxy looks whether we live. */
    return rq->msg->method == SIP_OPTIONS ? answer_options(u, rq) : refuse_stranger(u, rq);
}

static bool check_authentication(struct uas *u, struct uas_request *rq)
{
    const struct endpoint_settings *e = rq->endpoint;

    if (!e->n_auths || rq->in_dialog ||
        (rq->msg->method == SIP_OPTIONS && e->allow_unauthenticated_options))
        return false;
    return check_credentials(u, rq);
}

void uas_request(void *uas, struct server_txn *st, const struct sip_message *msg,
                 const struct flow *from)
{
    /* A Route is not looked at: the message has arrived, and phones that name us there mean us. */
    static bool (*const checks[])(struct uas *, struct uas_request *) = {
        check_uri,    check_max_forwards, check_method,         check_require,       check_encoding,
        check_dialog, check_identity,     check_authentication, check_endpoint_rate, answer_options,
    };
    struct uas *u = uas;
    struct uas_request rq = { .msg = msg, .flow = from, .txn = st, .settings = u->settings };

    buf_reset(&u->headers);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (checks[i](u, &rq))
            return;
    }
    u->methods[msg->method].handler(u->methods[msg->method].ctx, &rq);
}
