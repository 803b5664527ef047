// SPDX-License-Identifier: MIT
/* What an outbound-publish section comes to: its URIs taken apart, the body's profile, the
 * credentials found. Made whole or not at all, so that a reload cannot leave a section between two
 * servers. */
#include <stdlib.h>

#include "publisher/publisher_internal.h"

static int uris_parse(struct section_terms *t)
{
    const struct publish_settings *ps = t->settings;
    const struct sip_uri *target = ps->outbound_proxy.n ? &t->proxy : &t->server;
    const struct transport_settings *by = settings_transport(t->owner, ps->transport);
    int r = sip_uri_parse(&t->server, ps->server_uri);

    if (r == 0)
        r = sip_uri_parse(&t->from, ps->from_uri);
    if (r == 0)
        r = sip_uri_parse(&t->to, ps->to_uri);
    if (r == 0 && ps->outbound_proxy.n)
        r = sip_uri_parse(&t->proxy, ps->outbound_proxy);
    if (r)
        return r;
    t->protocol_named = txn_uri_protocol_named(target, by);
    return txn_uri_protocol_by(&t->protocol, target, by);
}

static int profile_choose(const struct body_profile **out, const struct section_terms *t,
                          struct body_registry *bodies)
{
    const struct compatibility_settings *c = &t->owner->compatibility;
    const struct publish_settings *ps = t->settings;
    const struct es_subscriber server = { .size = sizeof(server),
                                          .package = { ps->event.p, ps->event.n },
                                          .publisher = true };
    unsigned flags = ES_FLAG_PUBLISH;
    int r;

    if (asterisk_package_known(ps->event))
        return body_choose_published(bodies, out);
    if (c->asterisk_bodies)
        flags |= ES_FLAG_ASTERISK;
    if (c->removed_hint_is_idle)
        flags |= ES_FLAG_REMOVED_IS_IDLE;
    r = body_choose(bodies, &server, ps->body, flags, out);
    return r == BODY_NO_GENERATOR ? -ENOENT : r;
}

/* One whose plugin is gone publishes what it has published, by the former one. */
static int profile_find(struct section_terms *t, struct body_registry *bodies,
                        const struct section_terms *former)
{
    const struct body_profile *profile;
    int r = profile_choose(&profile, t, bodies);

    if (r == -ENOENT && former && str_equal(former->settings->event, t->settings->event) &&
        str_equal(former->settings->body, t->settings->body)) {
        profile = former->profile;
        r = 0;
    }
    if (r == 0)
        t->profile = body_profile_ref(profile);
    return r;
}

static int credentials_find(struct section_terms *t)
{
    const struct publish_settings *ps = t->settings;

    t->credentials = calloc(ps->n_auths + 1, sizeof(*t->credentials));
    if (!t->credentials)
        return -ENOMEM;
    for (size_t i = 0; i < ps->n_auths; i++) {
        const struct auth_settings *a = settings_auth(t->owner, ps->auths[i]);

        if (a)
            t->credentials[t->n_credentials++] = &a->credential;
    }
    return 0;
}

int terms_init(struct section_terms *t, struct publisher *p, const struct settings *settings,
               const struct publish_settings *ps, const struct section_terms *former)
{
    int r;

    *t = (struct section_terms){ .owner = settings_ref(settings), .settings = ps };
    r = uris_parse(t);
    if (r == 0)
        r = profile_find(t, p->cfg.bodies, former);
    if (r == 0)
        r = credentials_find(t);
    if (r)
        terms_fini(t);
    return r;
}

void terms_fini(struct section_terms *t)
{
    free(t->credentials);
    body_profile_unref(t->profile);
    settings_unref(t->owner);
    *t = (struct section_terms){ .owner = NULL };
}

bool publisher_same_target(const struct settings *a_owner, const struct publish_settings *a,
                           const struct settings *b_owner, const struct publish_settings *b)
{
    return str_equal(a->server_uri, b->server_uri) && str_equal(a->from_uri, b->from_uri) &&
           str_equal(a->to_uri, b->to_uri) && str_equal(a->event, b->event) &&
           str_equal(a->body, b->body) && str_equal(a->outbound_proxy, b->outbound_proxy) &&
           a_owner->compatibility.publish_key_without_context ==
               b_owner->compatibility.publish_key_without_context;
}

static bool same_credential(const struct digest_credential *a, const struct digest_credential *b)
{
    for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++)
        if (!str_equal(a->hash[i], b->hash[i]))
            return false;
    return str_equal(a->username, b->username) && str_equal(a->password, b->password) &&
           str_equal(a->realm, b->realm) && a->algorithms == b->algorithms;
}

bool terms_same_credentials(const struct section_terms *a, const struct section_terms *b)
{
    if (a->n_credentials != b->n_credentials)
        return false;
    for (size_t i = 0; i < a->n_credentials; i++)
        if (!same_credential(a->credentials[i], b->credentials[i]))
            return false;
    return true;
}
