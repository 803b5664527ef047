// SPDX-License-Identifier: MIT
/* outbound-publish sections: one that cannot publish is refused with the reason, the others run. */
#include "config/pjsip.h"

static bool event_is_served(struct str event)
{
    return str_equal(event, STR("dialog")) || str_equal(event, STR("presence")) ||
           asterisk_package_known(event);
}

/* SCHEMA_REFUSED when it cannot do anything, which has been told then. */
static int publish_check_event(struct pjsip_reader *p, const struct publish_settings *u,
                               const struct conf_section *s)
{
    if (event_is_served(u->event))
        return 0;
    reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("event")),
                 "outbound-publish [%.*s]: event %.*s is unknown, write dialog, presence, "
                 "asterisk-devicestate or asterisk-mwi; the section is idle",
                 STR_FMT(s->name), STR_FMT(u->event));
    return SCHEMA_REFUSED;
}

static void publish_check_users(struct pjsip_reader *p, const struct publish_settings *u,
                                const struct conf_section *s)
{
    bool stream = asterisk_package_known(u->event);

    if (!stream && !u->multi_user)
        reading_tell_lack(p->r, DIAG_WARNING, pjsip_place(s, STR("multi_user")),
                          "outbound-publish [%.*s]: the user part of its URIs is replaced by the "
                          "extension although multi_user is no; write multi_user = yes",
                          STR_FMT(s->name));
    if (stream && u->multi_user)
        reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("multi_user")),
                     "outbound-publish [%.*s]: multi_user has no meaning with event %.*s: its URIs "
                     "stay as they are; write multi_user = no",
                     STR_FMT(s->name), STR_FMT(u->event));
}

static bool target_is_served(const struct publish_settings *u)
{
    static const struct str words[] = { STR_INIT("udp"), STR_INIT("tcp"), STR_INIT("tls") };
    struct str transport;
    struct sip_uri uri;

    if (sip_uri_parse(&uri, u->outbound_proxy.n ? u->outbound_proxy : u->server_uri) ||
        !sip_param_find(uri.params, STR("transport"), &transport))
        return true; /* a URI that is none has been told */
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal_nocase(transport, words[i]))
            return true;
    return false;
}

static int publish_check_options(struct pjsip_reader *p, const struct publish_settings *u,
                                 const struct conf_section *s)
{
    if (u->body.n == 0 && !asterisk_package_known(u->event)) {
        reading_tell_lack(p->r, DIAG_ERROR, s->at,
                          "outbound-publish [%.*s] has no @body and is refused; add @body = "
                          "application/dialog-info+xml or another media type",
                          STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    if (u->body.n && p->r->source->body_known &&
        !p->r->source->body_known(p->r->source->ctx, u->event, u->body)) {
        reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("@body")),
                     "outbound-publish [%.*s] is refused: nothing makes @body = %.*s for event "
                     "%.*s; correct it, or load the plugin that does",
                     STR_FMT(s->name), STR_FMT(u->body), STR_FMT(u->event));
        return SCHEMA_REFUSED;
    }
    if (u->expiration_s == 0) {
        reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("expiration")),
                     "outbound-publish [%.*s] is refused: expiration = 0 would end each "
                     "publication at once; write "
                     "seconds, as 3600",
                     STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    if (!target_is_served(u)) {
        reading_tell(
            p->r, DIAG_ERROR,
            pjsip_place(s, u->outbound_proxy.n ? STR("outbound_proxy") : STR("server_uri")),
            "outbound-publish [%.*s] is refused: its URI asks for a transport that is not "
            "spoken here; write transport=udp, tcp or tls",
            STR_FMT(s->name));
        return SCHEMA_REFUSED;
    }
    publish_check_users(p, u, s);
    pjsip_check_proxy(p, s, "outbound-publish", u->outbound_proxy);
    return 0;
}

void pjsip_check_proxy(struct pjsip_reader *p, const struct conf_section *s, const char *kind,
                       struct str proxy)
{
    if (proxy.n && !str_contains_nocase(proxy, STR(";lr")))
        reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("outbound_proxy")),
                     "%s [%.*s]: outbound_proxy has no lr parameter; write \\;lr, because ; alone "
                     "begins a comment",
                     kind, STR_FMT(s->name));
}

int pjsip_compile(struct pjsip_reader *p, const struct conf_section *s, const char *kind,
                  struct str option, struct str pattern, struct regex **out)
{
    struct buf why;
    int r;

    if (pattern.n == 0)
        return 0;
    buf_init(&why, 256);
    r = regex_create(out, pattern, true, &why);
    if (r == -EINVAL) {
        reading_tell(p->r, DIAG_ERROR, pjsip_place(s, option),
                     "%s [%.*s] is refused: %.*s = %.*s is no regular expression: %.*s", kind,
                     STR_FMT(s->name), STR_FMT(option), STR_FMT(pattern), STR_FMT(buf_str(&why)));
        r = SCHEMA_REFUSED;
    }
    buf_fini(&why);
    return r;
}

static bool is_web(const struct transport_settings *t)
{
    return t->protocol == TRANSPORT_WS || t->protocol == TRANSPORT_WSS;
}

/* Only credentials that there are stay in the list; without them the server's challenge is the
 * answer, as before. */
void publish_settle(struct pjsip_reader *p, void *publish, const struct conf_section *s)
{
    struct publish_settings *u = publish;
    size_t index, n = 0;
    const char *why;

    for (size_t i = 0; i < u->n_auths; i++) {
        why = pjsip_why_missing(p, PJSIP_AUTH, u->auths[i]);
        if (why)
            reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("outbound_auth")),
                         "outbound-publish [%.*s]: outbound_auth %.*s %s; challenges are not "
                         "answered with it",
                         STR_FMT(s->name), STR_FMT(u->auths[i]), why);
        if (settings_id_find(p->s, PJSIP_AUTH, u->auths[i], &index))
            u->auths[n++] = u->auths[i];
    }
    u->n_auths = n;
    why = u->transport.n ? pjsip_why_missing(p, PJSIP_TRANSPORT, u->transport) : NULL;
    if (why)
        reading_tell(p->r, DIAG_WARNING, pjsip_place(s, STR("transport")),
                     "outbound-publish [%.*s]: transport %.*s %s; any transport is used",
                     STR_FMT(s->name), STR_FMT(u->transport), why);
    if (!settings_id_find(p->s, PJSIP_TRANSPORT, u->transport, &index)) {
        u->transport = STR_EMPTY;
    } else if (is_web(&p->s->transports[index])) {
        reading_tell(p->r, DIAG_ERROR, pjsip_place(s, STR("transport")),
                     "outbound-publish [%.*s]: transport %.*s is of WebSocket, by which we are "
                     "called and call nobody; any transport is used",
                     STR_FMT(s->name), STR_FMT(u->transport));
        u->transport = STR_EMPTY;
    }
}

/* An option that means nothing for the event has no pattern either. */
static int publish_compile(struct pjsip_reader *p, struct publish_draft *d,
                           const struct conf_section *s)
{
    bool stream = asterisk_package_known(d->p.event);
    bool devices = str_equal(d->p.event, ASTERISK_DEVICES);
    const struct {
        struct str option, pattern;
        struct regex **out;
        bool means;
    } patterns[] = {
        { STR("@context"), d->p.context_pattern, &d->p.context, !stream },
        { STR("@exten"), d->p.exten_pattern, &d->p.exten, !stream },
        { STR("@device_state_filter"), d->device_state_filter, &d->p.state, stream && devices },
        { STR("@mailbox_state_filter"), d->mailbox_state_filter, &d->p.state, stream && !devices },
    };
    int r = 0;

    d->p.state_pattern = !stream   ? STR_EMPTY
                         : devices ? d->device_state_filter
                                   : d->mailbox_state_filter;
    for (size_t i = 0; i < ARRAY_LEN(patterns) && !r; i++)
        if (patterns[i].means)
            r = pjsip_compile(p, s, "outbound-publish", patterns[i].option, patterns[i].pattern,
                              patterns[i].out);
    return r;
}

int publish_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct publish_settings *u = &((struct publish_draft *)draft)->p;
    int r;

    if (u->server_uri.n == 0) /* written, but by a later empty line taken back */
        return SCHEMA_REFUSED;
    r = publish_check_event(p, u, s);
    if (r)
        return r;
    r = publish_check_options(p, u, s);
    if (r)
        return r;
    u->from_uri = u->from_uri.n ? u->from_uri : u->server_uri;
    u->to_uri = u->to_uri.n ? u->to_uri : u->server_uri;
    publish_settle(p, u, s);
    r = publish_compile(p, draft, s);
    if (r == 0)
        r = pjsip_keep(p, PJSIP_PUBLISH, s, u);
    if (r == 0)
        return 0;
    regex_destroy(u->context);
    regex_destroy(u->exten);
    regex_destroy(u->state);
    return r;
}
