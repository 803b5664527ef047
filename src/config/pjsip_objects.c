// SPDX-License-Identifier: MIT
/* Each section of pjsip.conf as a whole: what its options mean together, and whether what it refers
 * to is there. */
#include "config/conf_reader.h"
#include "config/pjsip.h"

/* ---- global and system ---- */

int global_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct global_draft *d = draft;

    (void)s;
    p->s->global = d->g;
    return 0;
}

int system_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct system_draft *d = draft;
    uint32_t least = 64 * d->timer_t1_ms; /* RFC 3261 section 17.1.1.2 */

    if (d->timer_b_ms < least) {
        if (s && conf_entry_find(s, STR("timer_b")))
            reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("timer_b")),
                         "timer_b = %u is less than 64 times timer_t1; %u is used instead",
                         d->timer_b_ms, least);
        d->timer_b_ms = least;
    }
    p->s->global.timer_t1_ms = d->timer_t1_ms;
    p->s->global.timer_b_ms = d->timer_b_ms;
    p->s->global.compact_headers = d->compact_headers;
    p->s->global.disable_rport = d->disable_rport;
    p->s->global.disable_tcp_switch = d->disable_tcp_switch;
    return 0;
}

/* ---- transport ---- */

static int transport_settle_external(struct pjsip_reader *p, struct transport_draft *d,
                                     const struct conf_section *s)
{
    if (d->external_hostname.n && d->t.external_address.n) {
        reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("external_signaling_hostname")),
                     "transport [%.*s] has external_signaling_address and "
                     "external_signaling_hostname; %s, remove one",
                     STR_FMT(s->name), p->r->strict ? "it is discarded" : "the address is used");
        return p->r->strict ? SCHEMA_REFUSED : 0;
    }
    if (d->external_hostname.n)
        d->t.external_address = d->external_hostname;
    d->t.external_port = (uint16_t)d->external_port;
    return 0;
}

static int tls_settle(struct pjsip_reader *p, struct transport_settings *t,
                      const struct conf_section *s)
{
    struct str *const paths[] = { &t->cert_file, &t->key_file, &t->ca_file, &t->ca_path };

    if (t->protocol != TRANSPORT_TLS && t->protocol != TRANSPORT_WSS)
        return 0;
    if (!t->cert_file.n) {
        reading_tell_lack(p->r, DIAG_ERROR, s->at,
                          "transport [%.*s] has no cert_file and is refused; add cert_file and "
                          "priv_key_file",
                          STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int r = reading_path(p->r, paths[i], paths[i] != &t->ca_path);

        if (r)
            return r;
    }
    return 0;
}

static bool socket_is_same(const struct transport_settings *a, const struct transport_settings *b)
{
    const struct str *const texts[][2] = {
        { &a->cert_file, &b->cert_file }, { &a->key_file, &b->key_file },
        { &a->password, &b->password },   { &a->ca_file, &b->ca_file },
        { &a->ca_path, &b->ca_path },     { &a->cipher, &b->cipher }
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!str_equal(*texts[i][0], *texts[i][1]))
            return false;
    return a->protocol == b->protocol && addr_equal(&a->bind, &b->bind) && a->tos == b->tos &&
           a->cos == b->cos && a->keepalive == b->keepalive &&
           a->keepalive_idle_s == b->keepalive_idle_s &&
           a->keepalive_interval_s == b->keepalive_interval_s &&
           a->keepalive_probes == b->keepalive_probes && a->tls_version == b->tls_version &&
           a->verify_server == b->verify_server && a->verify_client == b->verify_client &&
           a->require_client_cert == b->require_client_cert && a->wildcards == b->wildcards;
}

/* With allow_reload = no: the socket that there is goes on as it is. */
static int transport_stay(struct pjsip_reader *p, struct transport_draft *d,
                          const struct conf_section *s)
{
    const struct settings *before = p->r->source->former;
    const struct transport_settings *former =
        before && !d->allow_reload ? settings_transport(before, s->name) : NULL;
    int r;

    if (!former || socket_is_same(&d->t, former))
        return 0;
    reading_tell(
        p->r, DIAG_WARNING, pjsip_place(s, STR("allow_reload")),
        "transport [%.*s] goes on as it is, as allow_reload = no asks; what has changed of "
        "its socket counts from the next start",
        STR_FMT(s->name));
    r = transport_socket_former(p, &d->t, former);
    return r ? r : tls_settle(p, &d->t, s);
}

/* Whether it can be had is as much part of what is read as the text: the same text is something
 * else once the address is free. */
static int transport_listen(struct pjsip_reader *p, struct transport_settings *t,
                            const struct conf_section *s)
{
    const struct settings_source *source = p->r->source;
    struct transport_fault fault = { .option = NULL };
    const struct conf_entry *e;
    char room[256];
    int r;

    if (!source->listen)
        return 0;
    t->id = s->name;
    buf_init_on(&fault.why, room, sizeof(room));
    r = source->listen(source->listen_ctx, t, &fault);
    if (!r || r == -ENOMEM)
        return r;
    conf_fingerprint(&source->files, s->name);
    e = conf_entry_find(s, fault.option ? str_of(fault.option) : STR("bind"));
    e = e ? e : conf_entry_find(s, STR("bind"));
    reading_fault(p->r, e, e->value, fault.why.n ? buf_str(&fault.why) : str_of(strerror(-r)),
                  STR("nothing listens there"));
    return SCHEMA_REFUSED;
}

int transport_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    /* For WebSocket those of the other server's web server, which serves it there. */
    static const uint16_t ports[] = { [TRANSPORT_UDP] = 5060,
                                      [TRANSPORT_TCP] = 5060,
                                      [TRANSPORT_TLS] = 5061,
                                      [TRANSPORT_WS] = 8088,
                                      [TRANSPORT_WSS] = 8089 };
    struct transport_draft *d = draft;
    int r;

    if ((uint32_t)d->t.protocol == TRANSPORT_FLOW) {
        reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("protocol")),
                     "transport [%.*s]: nothing listens for protocol = flow; write udp, tcp, tls, "
                     "ws or wss",
                     STR_FMT(s->name));
        return 0;
    }
    if (addr_parse(&d->t.bind, d->bind, ports[d->t.protocol]))
        return SCHEMA_REFUSED; /* told by the table's reader */
    if (transport_settle_external(p, d, s))
        return SCHEMA_REFUSED;
    r = tls_settle(p, &d->t, s);
    if (!r)
        r = transport_stay(p, d, s);
    if (r)
        return r;
    r = transport_listen(p, &d->t, s);
    return r ? r : pjsip_keep(p, PJSIP_TRANSPORT, s, &d->t);
}

/* ---- auth ---- */

/* Some algorithm of this option has nothing to hash with. */
static bool algorithms_lack(struct pjsip_reader *p, const struct conf_section *s, struct str option,
                            const char *others)
{
    reading_tell_lack(p->r, DIAG_ERROR, pjsip_place(s, option),
                      "auth [%.*s] names an algorithm without a password_digest for it; %s, add "
                      "one or the password",
                      STR_FMT(s->name), p->r->strict ? "it is discarded" : others);
    return p->r->strict;
}

static unsigned algorithms_of(const struct digest_order *order)
{
    unsigned all = 0;

    for (size_t i = 0; i < order->n; i++)
        all |= BIT(order->list[i]);
    return all;
}

/* Those of `wanted` that are among `able`; if none is, all these, the strongest first. */
static void order_settle(struct digest_order *order, const struct digest_order *wanted,
                         unsigned able)
{
    struct digest_order out = { .n = 0 };

    for (size_t i = 0; i < wanted->n; i++)
        if (able & BIT(wanted->list[i]))
            out.list[out.n++] = wanted->list[i];
    for (unsigned a = DIGEST_ALGORITHMS; a-- > 0 && !(algorithms_of(wanted) & able);)
        if (able & BIT(a))
            out.list[out.n++] = (uint8_t)a;
    *order = out;
}

/* Leave only algorithms for which there is something to hash with. */
static int auth_settle_algorithms(struct pjsip_reader *p, struct auth_draft *d,
                                  const struct conf_section *s)
{
    struct digest_credential *c = &d->a.credential;
    struct digest_order *order = &d->a.server.order;
    unsigned able = 0, wanted = d->algorithms ? d->algorithms : p->s->global.algorithms_uac;

    for (unsigned a = 0; a < DIGEST_ALGORITHMS; a++)
        if (c->password.n || c->hash[a].n)
            able |= BIT(a);
    if (able == 0) {
        reading_tell_lack(
            p->r, DIAG_ERROR, s->at,
            "auth [%.*s] has no password and is refused; add password, password_digest or md5_cred",
            STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    if (d->algorithms & ~able &&
        algorithms_lack(p, s, STR("supported_algorithms_uac"), "it answers with the others"))
        return SCHEMA_REFUSED;
    if (algorithms_of(order) & ~able &&
        algorithms_lack(p, s, STR("supported_algorithms_uas"), "it challenges with the others"))
        return SCHEMA_REFUSED;
    c->algorithms = wanted & able ? wanted & able : able;
    order_settle(order, order->n ? order : &p->s->global.algorithms_uas, able);
    return 0;
}

/* What a request is checked against is hashed now. A hash that is given is for the realm it was
 * made for, and whoever gives one means that. */
static int auth_settle_server(struct pjsip_reader *p, struct auth_settings *a)
{
    const struct digest_credential *c = &a->credential;
    struct auth_server *server = &a->server;
    int r = 0;

    server->realm =
        c->realm.n == 0 || str_equal(c->realm, STR("*")) ? p->s->global.default_realm : c->realm;
    for (size_t i = 0; i < server->order.n && r == 0; i++) {
        enum digest_algorithm algorithm = server->order.list[i];
        struct digest_hex a1;

        server->a1[algorithm] = c->hash[algorithm];
        if (c->hash[algorithm].n)
            continue;
        r = digest_a1(&a1, algorithm, c->username, server->realm, c->password);
        if (r == 0)
            r = arena_str(p->r->arena, &server->a1[algorithm], digest_hex_str(&a1));
    }
    return r;
}

static bool has_hash(const struct digest_credential *c)
{
    for (size_t a = 0; a < DIGEST_ALGORITHMS; a++)
        if (c->hash[a].n)
            return true;
    return false;
}

int auth_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct auth_draft *d = draft;
    struct digest_credential *c = &d->a.credential;
    int r;

    if (d->type == AUTH_GOOGLE_OAUTH) {
        reading_tell(p->r, DIAG_WARNING, s->at,
                     "auth [%.*s]: auth_type = google_oauth is not served; the section is idle",
                     STR_FMT(s->name));
        return 0;
    }
    if (auth_settle_algorithms(p, d, s))
        return SCHEMA_REFUSED;
    if (has_hash(c) && (c->realm.n == 0 || str_equal(c->realm, STR("*"))))
        reading_tell_lack(
            p->r, DIAG_WARNING, s->at,
            "auth [%.*s]: a hashed password fits the realm it was made for only; add realm = ...",
            STR_FMT(s->name));
    r = auth_settle_server(p, &d->a);
    return r ? r : pjsip_keep(p, PJSIP_AUTH, s, &d->a);
}

/* ---- aor, endpoint, identify ---- */

void aor_settle(struct pjsip_reader *p, void *aor, const struct conf_section *s)
{
    pjsip_check_proxy(p, s, "aor", ((const struct aor_settings *)aor)->outbound_proxy);
}

int aor_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    aor_settle(p, draft, s);
    return pjsip_keep(p, PJSIP_AOR, s, draft);
}

/* The ids stay: that something is missing must not make an endpoint more open than it was meant to
 * be. */
void endpoint_settle(struct pjsip_reader *p, void *endpoint, const struct conf_section *s)
{
    const struct endpoint_settings *e = endpoint;

    for (size_t i = 0; i < e->n_auths; i++)
        pjsip_check_reference(p, s, STR("auth"), PJSIP_AUTH, e->auths[i]);
    for (size_t i = 0; i < e->n_outbound_auths; i++)
        pjsip_check_reference(p, s, STR("outbound_auth"), PJSIP_AUTH, e->outbound_auths[i]);
    for (size_t i = 0; i < e->n_aors; i++)
        pjsip_check_reference(p, s, STR("aors"), PJSIP_AOR, e->aors[i]);
    if (e->transport.n)
        pjsip_check_reference(p, s, STR("transport"), PJSIP_TRANSPORT, e->transport);
    pjsip_check_proxy(p, s, "endpoint", e->outbound_proxy);
    address_names_check(p, s, "endpoint", &e->source);
    address_names_check(p, s, "endpoint", &e->contact);
}

void endpoint_fini(struct endpoint_settings *e)
{
    regex_destroy(e->watch_allow);
    regex_destroy(e->watch_deny);
}

int endpoint_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct endpoint_draft *d = draft;
    int r;

    d->e.context = d->subscribe_context.n ? d->subscribe_context
                   : d->context.n         ? d->context
                                          : STR("default");
    endpoint_settle(p, &d->e, s);
    r = pjsip_compile(p, s, "endpoint", STR("@watch_allow"), d->e.watch_allow_pattern,
                      &d->e.watch_allow);
    if (r == 0)
        r = pjsip_compile(p, s, "endpoint", STR("@watch_deny"), d->e.watch_deny_pattern,
                          &d->e.watch_deny);
    if (r == 0)
        r = pjsip_keep(p, PJSIP_ENDPOINT, s, &d->e);
    if (r)
        endpoint_fini(&d->e);
    return r;
}

void identify_settle(struct pjsip_reader *p, void *identify, const struct conf_section *s)
{
    const struct identify_settings *i = identify;

    pjsip_check_reference(p, s, STR("endpoint"), PJSIP_ENDPOINT, i->endpoint);
}

void identify_fini(struct identify_settings *i)
{
    regex_destroy(i->header_pattern);
    regex_destroy(i->uri_pattern);
}

/* "/PATTERN/" is one, in the case it is written in; anything else is a text. */
static int identify_compile(struct pjsip_reader *p, const struct conf_section *s, struct str option,
                            struct str *text, struct regex **out)
{
    char room[128];
    struct buf why;
    int r;

    if (text->n < 2 || text->p[0] != '/' || text->p[text->n - 1] != '/')
        return 0;
    *text = str_sub(*text, 1, text->n - 1);
    buf_init_on(&why, room, sizeof(room));
    r = regex_create(out, *text, false, &why);
    if (r != -EINVAL)
        return r;
    reading_tell(p->r, DIAG_ERROR, pjsip_place(s, option),
                 "identify [%.*s] is refused: %.*s is no pattern: %.*s", STR_FMT(s->name),
                 STR_FMT(*text), STR_FMT(buf_str(&why)));
    return SCHEMA_REFUSED;
}

static int identify_header(struct pjsip_reader *p, struct identify_draft *d,
                           const struct conf_section *s)
{
    size_t colon = str_find_char(d->match_header, ':');

    d->i.header = str_trim(str_sub(d->match_header, 0, colon));
    d->i.header_value = str_trim(str_sub(d->match_header, colon + 1, d->match_header.n));
    if (!d->match_header.n || (colon < d->match_header.n && d->i.header.n))
        return identify_compile(p, s, STR("match_header"), &d->i.header_value,
                                &d->i.header_pattern);
    reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("match_header")),
                 "identify [%.*s] is refused: match_header is not Name: value", STR_FMT(s->name));
    return SCHEMA_REFUSED;
}

int identify_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct identify_draft *d = draft;
    const struct conf_entry *match = conf_entry_find(s, STR("match"));
    bool by_other = d->match_header.n || d->match_request_uri.n || d->i.n_certificates;
    int r;

    identify_settle(p, &d->i, s);
    if ((!match || match->value.n == 0) && d->i.n_matches == 0 && !by_other) {
        reading_tell_lack(
            p->r, DIAG_ERROR, s->at,
            "identify [%.*s] has nothing to match and is refused; add match = ADDRESS",
            STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    d->i.uri = d->match_request_uri;
    r = identify_header(p, d, s);
    if (r == 0)
        r = identify_compile(p, s, STR("match_request_uri"), &d->i.uri, &d->i.uri_pattern);
    if (r == 0)
        r = pjsip_keep(p, PJSIP_IDENTIFY, s, &d->i);
    if (r)
        identify_fini(&d->i);
    return r;
}

static bool items_have(const struct resource_list_settings *l, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(l->items[i], name))
            return true;
    return false;
}

/* Each once, and none that can be no name. */
static void items_settle(struct pjsip_reader *p, struct resource_list_settings *l,
                         const struct conf_section *s)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n_items; i++) {
        struct str name = l->items[i];

        if (name.n > LIST_ITEM_MAX)
            reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("list_item")),
                         "resource_list [%.*s]: list_item %.*s is longer than %d bytes and is left "
                         "out",
                         STR_FMT(s->name), STR_FMT(name), LIST_ITEM_MAX);
        else if (items_have(l, n, name))
            reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("list_item")),
                         "resource_list [%.*s]: list_item %.*s is there twice", STR_FMT(s->name),
                         STR_FMT(name));
        else
            l->items[n++] = name;
    }
    l->n_items = n;
}

int resource_list_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    static const char *const events[] = { "dialog", "presence", "message-summary" };
    struct resource_list_settings *l = draft;
    bool served = false;

    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        served = served || str_equal(l->event, str_of(events[i]));
    if (!served) {
        reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("event")),
                     "resource_list [%.*s] is refused: event = %.*s; write dialog, presence or "
                     "message-summary",
                     STR_FMT(s->name), STR_FMT(l->event));
        return SCHEMA_REFUSED;
    }
    items_settle(p, l, s);
    if (!l->n_items) {
        reading_tell_lack(p->r, DIAG_ERROR, s->at,
                          "resource_list [%.*s] has no list_item and is refused", STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    return pjsip_keep(p, PJSIP_RESOURCE_LIST, s, l);
}

int domain_alias_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    return pjsip_keep(p, PJSIP_DOMAIN_ALIAS, s, draft);
}
