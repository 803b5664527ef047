// SPDX-License-Identifier: MIT
/* Each section of pjsip.conf as a whole: what its options mean together, and whether what it refers
 * to is there. */
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

int transport_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct transport_draft *d = draft;
    bool tls = d->t.protocol == TRANSPORT_TLS || d->t.protocol == TRANSPORT_WSS;

    if (d->t.protocol != TRANSPORT_UDP)
        reading_tell(
            p->r, DIAG_WARNING, pjsip_place(s, STR("protocol")),
            "transport [%.*s]: only protocol = udp is served in this version; nothing listens here",
            STR_FMT(s->name));
    if ((uint32_t)d->t.protocol == TRANSPORT_FLOW)
        return 0;
    if (addr_parse(&d->t.bind, d->bind, tls ? 5061 : 5060))
        return SCHEMA_REFUSED; /* told by the table's reader */
    if (transport_settle_external(p, d, s))
        return SCHEMA_REFUSED;
    return pjsip_keep(p, PJSIP_TRANSPORT, s, &d->t);
}

/* ---- auth ---- */

/* Leave only algorithms for which there is something to hash with. */
static int auth_settle_algorithms(struct pjsip_reader *p, struct auth_draft *d,
                                  const struct conf_section *s)
{
    struct digest_credential *c = &d->a.credential;
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
    if (d->algorithms & ~able)
        reading_tell_lack(
            p->r, DIAG_ERROR, pjsip_place(s, STR("supported_algorithms_uac")),
            "auth [%.*s] names an algorithm without a password_digest for it; %s, add one "
            "or the password",
            STR_FMT(s->name), p->r->strict ? "it is discarded" : "it answers with the others");
    if (p->r->strict && d->algorithms & ~able)
        return SCHEMA_REFUSED;
    c->algorithms = wanted & able ? wanted & able : able;
    return 0;
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
    return pjsip_keep(p, PJSIP_AUTH, s, &d->a);
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
    for (size_t i = 0; i < e->n_aors; i++)
        pjsip_check_reference(p, s, STR("aors"), PJSIP_AOR, e->aors[i]);
    if (e->transport.n)
        pjsip_check_reference(p, s, STR("transport"), PJSIP_TRANSPORT, e->transport);
    pjsip_check_proxy(p, s, "endpoint", e->outbound_proxy);
}

int endpoint_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct endpoint_draft *d = draft;

    d->e.context = d->subscribe_context.n ? d->subscribe_context
                   : d->context.n         ? d->context
                                          : STR("default");
    endpoint_settle(p, &d->e, s);
    return pjsip_keep(p, PJSIP_ENDPOINT, s, &d->e);
}

void identify_settle(struct pjsip_reader *p, void *identify, const struct conf_section *s)
{
    const struct identify_settings *i = identify;

    pjsip_check_reference(p, s, STR("endpoint"), PJSIP_ENDPOINT, i->endpoint);
}

int identify_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct identify_draft *d = draft;
    const struct conf_entry *match = conf_entry_find(s, STR("match"));

    identify_settle(p, &d->i, s);
    if ((!match || match->value.n == 0) && d->i.n_matches == 0) {
        bool other = d->match_header.n || d->match_request_uri.n;

        reading_tell_lack(
            p->r, other ? DIAG_WARNING : DIAG_ERROR, s->at,
            other ? "identify [%.*s]: match_header and match_request_uri are not served in this "
                    "version; the "
                    "section is idle"
                  : "identify [%.*s] has nothing to match and is refused; add match = ADDRESS",
            STR_FMT(s->name));
        return other ? 0 : SCHEMA_REFUSED;
    }
    return pjsip_keep(p, PJSIP_IDENTIFY, s, &d->i);
}

int domain_alias_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    return pjsip_keep(p, PJSIP_DOMAIN_ALIAS, s, draft);
}
