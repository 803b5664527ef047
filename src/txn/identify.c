// SPDX-License-Identifier: MIT
/* Which endpoint sends a request: res_pjsip's identifiers, in the order the configuration gives. */
#include "txn/identify.h"

#include <stdlib.h>

#include "sip/print.h"

#define NAME_MAX_LEN 512 /* of "user@domain"; longer ones name nobody */

/* ---- names ---- */

static const struct endpoint_settings *find_named(const struct settings *s, struct str user,
                                                  struct str domain, unsigned by)
{
    char storage[NAME_MAX_LEN];
    struct buf id;
    const struct endpoint_settings *e;

    buf_init_on(&id, storage, sizeof(storage));
    buf_add(&id, user);
    if (domain.n) {
        buf_add_char(&id, '@');
        buf_add(&id, domain);
    }
    if (id.error)
        return NULL;
    e = settings_endpoint(s, buf_str(&id));
    return e && (!by || e->identify_by & by) ? e : NULL;
}

struct asked { /* a request, and where it came in */
    const struct settings *s;
    const struct sip_message *msg;
    struct str own_domain; /* of the transport */
};

/* user@domain, user@ what the domain is an alias of, user@ the domain of the transport it came by,
 * user alone. `by` is what the endpoint's identify_by must contain; 0: nothing. */
static const struct endpoint_settings *find_by_name(const struct asked *q, struct str user,
                                                    struct str domain, unsigned by)
{
    const struct settings *s = q->s;
    const struct endpoint_settings *e = NULL;

    if (!user.n)
        return NULL;
    if (s->endpoints_have_domains && !s->global.disable_multi_domain) {
        if (domain.n)
            e = find_named(s, user, domain, by);
        for (size_t i = 0; !e && i < s->n_aliases; i++) {
            if (str_equal_nocase(s->aliases[i].alias, domain))
                e = find_named(s, user, s->aliases[i].domain, by);
        }
        if (!e && q->own_domain.n)
            e = find_named(s, user, q->own_domain, by);
    }
    return e ? e : find_named(s, user, STR_EMPTY, by);
}

bool identify_from(const struct sip_message *msg, struct str *user, struct str *host)
{
    *user = msg->from_uri.user;
    *host = msg->from_uri.host;
    return msg->from_uri.sip;
}

static const struct endpoint_settings *by_username(const struct asked *q)
{
    char storage[NAME_MAX_LEN];
    struct buf decoded;
    struct str user, host;

    if (!identify_from(q->msg, &user, &host))
        return NULL;
    buf_init_on(&decoded, storage, sizeof(storage));
    sip_uri_user_decode(&decoded, user);
    if (decoded.error)
        return NULL;
    user = buf_str(&decoded);
    if (q->s->global.ignore_uri_user_options)
        user.n = str_find_char(user, ';');
    return find_by_name(q, user, host, IDENTIFY_USERNAME);
}

static const struct endpoint_settings *by_nobody(const struct asked *q)
{
    struct str user, host;

    if (!identify_from(q->msg, &user, &host))
        return NULL;
    return find_by_name(q, STR("anonymous"), host, 0);
}

/* ---- credentials ---- */

static const struct endpoint_settings *by_auth_username(const struct asked *q)
{
    const struct endpoint_settings *e = NULL;

    for (const struct sip_header *h = sip_header_first(q->msg, SIP_H_AUTHORIZATION); h && !e;
         h = sip_header_next(q->msg, h)) {
        char storage[2][NAME_MAX_LEN];
        struct buf username, realm;
        struct sip_credentials c;

        if (sip_credentials_parse(&c, h->value))
            continue;
        buf_init_on(&username, storage[0], NAME_MAX_LEN);
        buf_init_on(&realm, storage[1], NAME_MAX_LEN);
        sip_quoted_decode(&username, c.username);
        sip_quoted_decode(&realm, c.realm);
        if (!username.error && !realm.error)
            e = find_by_name(q, buf_str(&username), buf_str(&realm), IDENTIFY_AUTH_USERNAME);
    }
    return e;
}

/* ---- what the message says ---- */

enum { TEXT_MAX_LEN = 1024 }; /* of a value that is compared; a longer one is none */

static bool text_matches(struct str text, struct str want, const struct regex *pattern)
{
    return pattern ? regex_matches(pattern, text, NULL) : str_equal(text, want);
}

static bool header_matches(const struct identify_settings *id, const struct sip_header *h)
{
    char room[TEXT_MAX_LEN];
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    sip_print_unfolded(&text, h->value);
    return !text.error &&
           text_matches(str_trim(buf_str(&text)), id->header_value, id->header_pattern);
}

/* Compact names are the long ones. */
static bool header_is(const struct sip_header *h, enum sip_header_id id, struct str name)
{
    return id != SIP_H_OTHER ? h->id == id : str_equal_nocase(h->name, name);
}

static bool matches_header(const struct identify_settings *id, const struct sip_message *msg)
{
    enum sip_header_id known = sip_header_id_parse(id->header);

    for (size_t i = 0; id->header.n && i < msg->n_headers; i++)
        if (header_is(&msg->headers[i], known, id->header) && header_matches(id, &msg->headers[i]))
            return true;
    return false;
}

static bool matches_uri(const struct identify_settings *id, const struct sip_message *msg)
{
    return id->uri.n && text_matches(msg->uri, id->uri, id->uri_pattern);
}

/* The first section in the order of the file whose endpoint is there; what its identify_by says
 * does not matter, as in Asterisk. */
static const struct endpoint_settings *by_message(
    const struct settings *s, const struct sip_message *msg,
    bool (*matches)(const struct identify_settings *id, const struct sip_message *msg))
{
    for (size_t i = 0; s->identifies_messages && i < s->n_identifies; i++) {
        const struct identify_settings *id = &s->identifies[i];
        const struct endpoint_settings *e =
            matches(id, msg) ? settings_endpoint(s, id->endpoint) : NULL;

        if (e)
            return e;
    }
    return NULL;
}

/* ---- what the peer has proved ---- */

/* RFC 5922. The first section in the order of the file, whatever identify_by says. */
static const struct endpoint_settings *by_certificate(const struct settings *s,
                                                      const struct net_names *names)
{
    for (size_t i = 0; i < s->n_identifies; i++) {
        const struct identify_settings *id = &s->identifies[i];
        const struct endpoint_settings *e = NULL;

        for (size_t k = 0; k < id->n_certificates && !e; k++)
            if (net_names_have(names, id->certificates[k]))
                e = settings_endpoint(s, id->endpoint);
        if (e)
            return e;
    }
    return NULL;
}

/* ---- the order ---- */

const struct endpoint_settings *identify_with(const struct settings *s,
                                              const struct identify_index *ix,
                                              const struct sip_message *msg,
                                              const struct flow *from, struct str transport)
{
    const struct transport_settings *by =
        s->endpoints_have_domains ? settings_transport(s, transport) : NULL;
    const struct asked q = { s, msg, by ? by->domain : STR_EMPTY };
    const struct endpoint_settings *e = from->names ? by_certificate(s, from->names) : NULL;

    for (size_t i = 0; !e && i < ARRAY_LEN(s->global.identifier_order); i++) {
        switch (s->global.identifier_order[i]) {
        case IDENTIFY_IP:
            e = identify_by_address(s, ix, &from->remote);
            break;
        case IDENTIFY_USERNAME:
            e = by_username(&q);
            break;
        case IDENTIFY_AUTH_USERNAME:
            e = by_auth_username(&q);
            break;
        case IDENTIFY_HEADER:
            e = by_message(s, msg, matches_header);
            break;
        case IDENTIFY_REQUEST_URI:
            e = by_message(s, msg, matches_uri);
            break;
        case IDENTIFY_ANONYMOUS:
            e = by_nobody(&q);
            break;
        }
    }
    return e;
}

const struct endpoint_settings *endpoint_identify(const struct settings *s,
                                                  const struct sip_message *msg,
                                                  const struct flow *from, struct str transport)
{
    return identify_with(s, NULL, msg, from, transport);
}
