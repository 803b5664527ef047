// SPDX-License-Identifier: MIT
/* Which endpoint sends a request: res_pjsip's identifiers, in the order the configuration gives. */
#include "txn/identify.h"

#include <stdlib.h>

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

/* user@domain, user@ what the domain is an alias of, user@ each transport's domain, user alone.
 * `by` is what the endpoint's identify_by must contain; 0: nothing. */
static const struct endpoint_settings *find_by_name(const struct settings *s, struct str user,
                                                    struct str domain, unsigned by)
{
    const struct endpoint_settings *e = NULL;

    if (!user.n)
        return NULL;
    if (!s->global.disable_multi_domain) {
        if (domain.n)
            e = find_named(s, user, domain, by);
        for (size_t i = 0; !e && i < s->n_aliases; i++) {
            if (str_equal_nocase(s->aliases[i].alias, domain))
                e = find_named(s, user, s->aliases[i].domain, by);
        }
        for (size_t i = 0; !e && i < s->n_transports; i++) {
            if (s->transports[i].domain.n)
                e = find_named(s, user, s->transports[i].domain, by);
        }
    }
    return e ? e : find_named(s, user, STR_EMPTY, by);
}

bool identify_from(const struct sip_message *msg, struct str *user, struct str *host)
{
    *user = msg->from_uri.user;
    *host = msg->from_uri.host;
    return msg->from_uri.sip;
}

static const struct endpoint_settings *by_username(const struct settings *s,
                                                   const struct sip_message *msg)
{
    char storage[NAME_MAX_LEN];
    struct buf decoded;
    struct str user, host;

    if (!identify_from(msg, &user, &host))
        return NULL;
    buf_init_on(&decoded, storage, sizeof(storage));
    sip_uri_user_decode(&decoded, user);
    if (decoded.error)
        return NULL;
    user = buf_str(&decoded);
    if (s->global.ignore_uri_user_options)
        user.n = str_find_char(user, ';');
    return find_by_name(s, user, host, IDENTIFY_USERNAME);
}

static const struct endpoint_settings *by_nobody(const struct settings *s,
                                                 const struct sip_message *msg)
{
    struct str user, host;

    if (!identify_from(msg, &user, &host))
        return NULL;
    return find_by_name(s, STR("anonymous"), host, 0);
}

/* ---- credentials ---- */

/* A quoted-string's text into `out`, or a token as it is. */
static void add_unquoted(struct buf *out, struct str value)
{
    if (value.n < 2 || value.p[0] != '"') {
        buf_add(out, value);
        return;
    }
    for (size_t i = 1; i + 1 < value.n; i++) {
        if (value.p[i] == '\\' && i + 2 < value.n)
            i++;
        buf_add_char(out, value.p[i]);
    }
}

/* username and realm of one Authorization value, RFC 7616 section 3.4; empty when it is no digest.
 */
static void read_credentials(struct str value, struct buf *username, struct buf *realm)
{
    struct cursor c = cursor_on(value);
    struct str rest, parameter;

    if (!str_equal_nocase(cursor_token(&c), STR("Digest")))
        return;
    rest = str_trim(cursor_rest(&c));
    while (sip_list_next(&rest, &parameter)) {
        size_t equals = str_find_char(parameter, '=');
        struct str name = str_trim(str_sub(parameter, 0, equals));
        struct str text = str_trim(str_sub(parameter, equals + 1, parameter.n));

        if (str_equal_nocase(name, STR("username")) && !username->n)
            add_unquoted(username, text);
        else if (str_equal_nocase(name, STR("realm")) && !realm->n)
            add_unquoted(realm, text);
    }
}

static const struct endpoint_settings *by_auth_username(const struct settings *s,
                                                        const struct sip_message *msg)
{
    const struct endpoint_settings *e = NULL;

    for (const struct sip_header *h = sip_header_first(msg, SIP_H_AUTHORIZATION); h && !e;
         h = sip_header_next(msg, h)) {
        char storage[2][NAME_MAX_LEN];
        struct buf username, realm;

        buf_init_on(&username, storage[0], NAME_MAX_LEN);
        buf_init_on(&realm, storage[1], NAME_MAX_LEN);
        read_credentials(h->value, &username, &realm);
        if (!username.error && !realm.error)
            e = find_by_name(s, buf_str(&username), buf_str(&realm), IDENTIFY_AUTH_USERNAME);
    }
    return e;
}

/* ---- the order ---- */

const struct endpoint_settings *identify_with(const struct settings *s,
                                              const struct identify_index *ix,
                                              const struct sip_message *msg,
                                              const struct addr *source)
{
    const struct endpoint_settings *e = NULL;

    for (size_t i = 0; !e && i < ARRAY_LEN(s->global.identifier_order); i++) {
        switch (s->global.identifier_order[i]) {
        case IDENTIFY_IP:
            e = identify_by_address(s, ix, source);
            break;
        case IDENTIFY_USERNAME:
            e = by_username(s, msg);
            break;
        case IDENTIFY_AUTH_USERNAME:
            e = by_auth_username(s, msg);
            break;
        case IDENTIFY_ANONYMOUS:
            e = by_nobody(s, msg);
            break;
        default: /* header, request_uri: the settings do not hold their rules yet */
            break;
        }
    }
    return e;
}

const struct endpoint_settings *endpoint_identify(const struct settings *s,
                                                  const struct sip_message *msg,
                                                  const struct addr *source)
{
    return identify_with(s, NULL, msg, source);
}
