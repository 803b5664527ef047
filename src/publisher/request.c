// SPDX-License-Identifier: MIT
/* One PUBLISH as bytes. */
#include "publisher/publisher_internal.h"
#include "txn/self.h"

struct identities {               /* the section's URIs, mostly with the extension as user */
    struct buf request, from, to; /* as they stand in headers */
    struct buf local, remote;     /* escaped, as they stand in bodies */
    char room[5][PUBLISH_URI_MAX];
};

/* What servers tell each other goes to one resource, whatever it is about. */
static void identity_print(struct buf *out, const struct section_terms *t,
                           const struct sip_uri *uri, struct str extension)
{
    if (asterisk_package_known(t->settings->event))
        sip_uri_print(out, uri);
    else
        sip_uri_print_with_user(out, uri, extension);
}

/* `printed` for a body. Whoever sees that needs no password. */
static void body_identity_print(struct buf *out, const struct section_terms *t,
                                const struct sip_uri *of, struct str extension,
                                const struct buf *printed)
{
    char room[PUBLISH_URI_MAX];
    struct sip_uri uri = *of;
    struct buf text;

    if (!uri.password.n) {
        buf_add_xml(out, buf_str(printed));
        return;
    }
    uri.password = STR_EMPTY;
    buf_init_on(&text, room, sizeof(room));
    identity_print(&text, t, &uri, extension);
    buf_add_xml(out, buf_str(&text));
}

static int identities_print(struct identities *id, const struct section_terms *t,
                            struct str extension)
{
    struct buf *all[] = { &id->request, &id->from, &id->to, &id->local, &id->remote };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init_on(all[i], id->room[i], sizeof(id->room[i]));
    identity_print(&id->request, t, &t->server, extension);
    identity_print(&id->from, t, &t->from, extension);
    identity_print(&id->to, t, &t->to, extension);
    body_identity_print(&id->local, t, &t->from, extension, &id->from);
    body_identity_print(&id->remote, t, &t->to, extension, &id->to);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->error)
            return all[i]->error;
    return 0;
}

static void print_party(struct buf *out, struct str name, struct str uri, struct str tag)
{
    buf_add(out, name);
    buf_add(out, STR(": <"));
    buf_add(out, uri);
    buf_add_char(out, '>');
    if (tag.n) {
        buf_add(out, STR(";tag="));
        buf_add(out, tag);
    }
    buf_add(out, STR("\r\n"));
}

static void print_parties(const struct publication *pub, const struct identities *id,
                          struct buf *out)
{
    bool swap = pub->section->terms.owner->compatibility.publish_swaps_from_to;
    struct str tag = { pub->from_tag, pub->from_tag_n };

    print_party(out, STR("From"), buf_str(swap ? &id->to : &id->from), tag);
    print_party(out, STR("To"), buf_str(swap ? &id->from : &id->to), STR_EMPTY);
}

/* As seen from the compositor, which may be outside our networks. */
static void print_via(const struct publication *pub, struct buf *out)
{
    const struct publisher_port *port = &pub->section->publisher->cfg.port;
    const struct settings *s = pub->section->terms.owner;
    struct str by = port->transport(port->ctx, pub->txn.flow.transport);
    char room[PUBLISH_URI_MAX];
    struct buf self;

    buf_init_on(&self, room, sizeof(room));
    self_choose(settings_transport(s, by), &pub->txn.flow, &self);
    txn_print_via(&pub->txn, buf_str(&self), !s->global.disable_rport, out);
}

static void print_head(const struct publication *pub, const struct identities *id, struct buf *out)
{
    const struct section_terms *t = &pub->section->terms;
    const struct global_settings *g = &t->owner->global;

    buf_add(out, STR("PUBLISH "));
    buf_add(out, buf_str(&id->request));
    buf_add(out, STR(" SIP/2.0\r\n"));
    print_via(pub, out);
    if (t->settings->outbound_proxy.n) {
        buf_add(out, STR("Route: <"));
        buf_add(out, t->settings->outbound_proxy);
        buf_add(out, STR(">\r\n"));
    }
    print_parties(pub, id, out);
    sip_print_header(out, STR("Call-ID"), pub->call_id);
    buf_add(out, STR("CSeq: "));
    buf_add_u64(out, pub->cseq);
    buf_add(out, STR(" PUBLISH\r\n"));
    sip_print_header(out, STR("Event"), t->settings->event);
    if (pub->entity_tag.n)
        sip_print_header(out, STR("SIP-If-Match"), pub->entity_tag);
    sip_print_header_u64(out, STR("Expires"), pub->expires_s);
    sip_print_header_u64(out, STR("Max-Forwards"), g->max_forwards);
    if (g->user_agent.n)
        sip_print_header(out, STR("User-Agent"), g->user_agent);
}

/* With the nonces we have, so that not every request costs a challenge. */
static int print_authorization(struct section *s, struct str uri, struct buf *out)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(s->sessions) && r == 0; i++)
        if (s->sessions[i].credential)
            r = digest_session_print(&s->sessions[i], s->publisher->cfg.rng, STR("PUBLISH"), uri,
                                     out);
    return r;
}

static int print_body(struct publication *pub, const struct identities *id, struct buf *out)
{
    const struct body_profile *profile = pub->sent_profile;
    const struct rendered_body *body;
    struct body_slots slots = { .version = pub->version,
                                .local = buf_str(&id->local),
                                .remote = buf_str(&id->remote) };
    int r = body_render(profile, pub->sent, pub->section->publisher->cfg.rng, &body);

    if (r)
        return r;
    pub->sent_digest = publication_digest(body);
    sip_print_header(out, STR("Content-Type"), body_profile_content_type(profile));
    sip_print_header_u64(out, STR("Content-Length"), body_length(body, &slots));
    buf_add(out, STR("\r\n"));
    body_print(body, &slots, out);
    return out->error;
}

int request_print(struct publication *pub, struct buf *out)
{
    struct identities id;
    int r = identities_print(&id, &pub->section->terms, pub->newest->extension);

    if (r)
        return r;
    print_head(pub, &id, out);
    r = print_authorization(pub->section, buf_str(&id.request), out);
    if (r)
        return r;
    if (pub->step != STEP_REMOVE)
        return print_body(pub, &id, out);
    sip_print_header_u64(out, STR("Content-Length"), 0);
    buf_add(out, STR("\r\n"));
    return out->error;
}
