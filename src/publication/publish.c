// SPDX-License-Identifier: MIT
/* PUBLISH: taken apart, checked in the order of RFC 3903 section 6, and asked of the store. */
#include "publication/compositor_internal.h"

/* ---- refusals ---- */

bool ask_refuse(struct ask *a, unsigned status, const char *why)
{
    compositor_refuse(a->c, a->rq->txn, &a->by, status, str_of(why));
    return true;
}

void ask_refuse_later(struct ask *a, unsigned status, struct str why)
{
    if (!a->p.refusal.status)
        a->p.refusal = (struct publication_refusal){ status, why };
}

/* ---- checks: each is true when it has answered ---- */

static bool check_stopping(struct ask *a)
{
    return a->c->stopping && ask_refuse(a, 503, "this server is about to stop");
}

static bool check_load(struct ask *a)
{
    return a->c->pending.count >= COMPOSITOR_PENDING_MAX &&
           ask_refuse(a, 503, "there are too many requests that wait");
}

/* RFC 3903 section 4: there are no dialogs. */
static bool check_dialog(struct ask *a)
{
    return a->rq->msg->to_tag.n && ask_refuse(a, 481, "there is no such dialog");
}

static bool check_call_id(struct ask *a)
{
    struct str id = a->rq->msg->call_id;

    if (id.n > CALL_ID_MAX)
        return ask_refuse(a, 400, "the Call-ID is longer than 255 bytes");
    if (str_find_char(id, '\r') < id.n || str_find_char(id, '\n') < id.n)
        return ask_refuse(a, 400, "the Call-ID is not one word");
    a->p.call_id = id;
    return false;
}

static bool check_domain(struct ask *a)
{
    a->section = settings_compositor(a->rq->settings, a->rq->uri.host);
    if (!a->section)
        return ask_refuse(a, 404, "this domain is not served");
    a->p.context = a->section->context;
    return false;
}

static bool check_user(struct ask *a)
{
    struct buf user;

    buf_init_on(&user, a->user_room, sizeof(a->user_room));
    sip_uri_user_decode(&user, a->rq->uri.user);
    if (user.error)
        return ask_refuse(a, 404, "the name of the resource is longer than 79 bytes");
    if (!user.n)
        return ask_refuse(a, 404, "the Request-URI names no resource");
    a->p.extension = buf_str(&user);
    return false;
}

static bool list_has(const struct str *list, size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(list[i], text))
            return true;
    return false;
}

static bool refuse_event(struct ask *a, const char *why)
{
    const struct str streams[] = { ASTERISK_DEVICES, ASTERISK_MAILBOXES };
    const struct compositor_settings *s = a->section;
    struct buf *b = &a->c->headers;
    size_t n = s->n_packages + s->n_opaques;

    for (size_t i = 0; i < n; i++) {
        buf_add(b, i ? STR(", ") : STR("Allow-Events: "));
        buf_add(b, i < s->n_packages ? s->packages[i] : s->opaques[i - s->n_packages]);
    }
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        if (!settings_takes_package(a->rq->settings, streams[i]))
            continue;
        buf_add(b, n++ ? STR(", ") : STR("Allow-Events: "));
        buf_add(b, streams[i]);
    }
    if (n)
        buf_add(b, STR("\r\n"));
    return ask_refuse(a, 489, why);
}

/* RFC 3903 section 6, step 2. Templates (presence.winfo) are in neither list. */
static bool check_event(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EVENT);
    const struct compositor_settings *s = a->section;
    struct str package = a->event.package;

    if (!h)
        return refuse_event(a, "there is no Event header field");
    if (!package.n)
        return ask_refuse(a, 400, "the Event header field cannot be read");
    a->by.package = a->p.package = package;
    a->opaque = list_has(s->opaques, s->n_opaques, package);
    if (!a->opaque && !list_has(s->packages, s->n_packages, package))
        return refuse_event(a, "this event package cannot be published here");
    return false;
}

/* What is published for `dialog` or `presence` shows as an extension. */
static bool check_name(struct ask *a)
{
    bool extension =
        str_equal(a->p.package, STR("dialog")) || str_equal(a->p.package, STR("presence"));
    const struct resource_name name = { .package = extension ? STR_EMPTY : a->p.package,
                                        .context = a->p.context,
                                        .extension = a->p.extension };

    return !state_name_is_possible(&name) && ask_refuse(a, 404, "nothing can have this name");
}

static bool check_right(struct ask *a)
{
    const struct compositor_settings *s = a->section;
    const struct endpoint_settings *e = a->rq->endpoint;

    if (s->publish == PUBLISH_NONE)
        return ask_refuse(a, 403, "nobody may publish here");
    if (s->n_publishers && !list_has(s->publishers, s->n_publishers, e->id))
        return ask_refuse(a, 403, "this endpoint is not among those that may publish here");
    if (s->publish == PUBLISH_OWN && !settings_owns(e, a->p.extension))
        return ask_refuse(a, 403, "this endpoint may publish its own state only");
    return false;
}

static bool user_is_known(const struct settings *s, const struct compositor_settings *section,
                          struct str user)
{
    return section->any_user || settings_endpoint(s, user) || settings_aor(s, user);
}

static bool check_known(struct ask *a)
{
    return !user_is_known(a->rq->settings, a->section, a->p.extension) &&
           ask_refuse(a, 404, "there is no such user");
}

bool compositor_serves(const struct settings *settings, const struct publication_place *place)
{
    const struct compositor_settings *s;

    if (place->stream)
        return stream_is_served(settings, place);
    s = settings_compositor(settings, place->domain);
    return s && str_equal(s->context, place->context) &&
           (list_has(s->packages, s->n_packages, place->package) ||
            list_has(s->opaques, s->n_opaques, place->package)) &&
           user_is_known(settings, s, place->extension);
}

/* Step 3, as far as it can be seen here. */
static bool check_precondition(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_SIP_IF_MATCH);
    struct cursor c = cursor_on(h ? h->value : STR_EMPTY);

    if (!h)
        return false;
    a->p.if_match = cursor_token(&c);
    if (!a->p.if_match.n || !cursor_done(&c) || sip_header_next(a->rq->msg, h))
        return ask_refuse(a, 400, "SIP-If-Match is not one entity-tag");
    return false;
}

/* Step 4. */
static bool check_expires(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EXPIRES);
    const struct compositor_settings *s = a->section;

    a->p.expires_s = s->default_expiry_s;
    if (h && sip_delta_seconds_parse(&a->p.expires_s, h->value))
        return ask_refuse(a, 400, "Expires is not a number of seconds");
    if (a->p.expires_s && a->p.expires_s < s->minimum_expiry_s)
        ask_refuse_later(a, 423, STR("Expires is below the minimum"));
    if (a->p.expires_s > s->maximum_expiry_s)
        a->p.expires_s = s->maximum_expiry_s;
    return false;
}

/* ---- the body ---- */

/* What came of reading the body: 0 or a negative errno, which `r` is. */
static int refuse_body(struct ask *a, int r)
{
    static const struct {
        unsigned status;
        struct str why;
    } refusals[] = {
        [INBOUND_WRONG_TYPE] = { 415, STR_INIT("this type cannot be published for this package") },
        [INBOUND_MALFORMED] = { 400, STR_INIT("the body cannot be read") },
        [INBOUND_TOO_LARGE] = { 413, STR_INIT("the body holds too much") },
    };
    struct buf *why = &a->c->why;

    if (r <= 0)
        return r;
    ask_refuse_later(a, refusals[r].status, why->n ? buf_str(why) : refusals[r].why);
    return 0;
}

/* 0 or a negative errno. */
static int read_document(struct ask *a)
{
    return refuse_body(a, inbound_parse(&a->document, &a->c->xml, a->p.package, a->p.content_type,
                                        a->p.body, &a->c->why));
}

/* Nobody understands it, but whoever watches may read XML. 0 or a negative errno. */
static int read_opaque(struct ask *a)
{
    struct event_state *s;
    int r = inbound_check_xml(a->p.content_type, a->p.body, &a->c->why);

    if (r)
        return refuse_body(a, r);
    r = event_state_create(&s);
    if (r)
        return r;
    s->has_opaque = true;
    r = arena_str(&s->arena, &s->opaque.content_type, a->p.content_type);
    if (!r)
        r = arena_str(&s->arena, &s->opaque.body, a->p.body);
    if (r)
        event_state_unref(s);
    else
        a->document = s;
    return r;
}

static bool check_type(struct ask *a)
{
    struct str type = sip_header_value(a->rq->msg, SIP_H_CONTENT_TYPE);
    struct sip_media_range range;

    if (!type.n) {
        ask_refuse_later(a, 415, STR("there is a body, but no Content-Type"));
    } else if (sip_media_range_parse(&range, type) || str_equal(range.type, STR("*")) ||
               str_equal(range.subtype, STR("*"))) {
        ask_refuse_later(a, 400, STR("the Content-Type cannot be read"));
    } else { /* it may be printed again: without folds */
        sip_print_unfolded(&a->c->content_type, type);
        a->p.content_type = buf_str(&a->c->content_type);
    }
    return !a->p.refusal.status;
}

bool compositor_may_render(const struct sip_message *msg)
{
    struct str word = sip_header_value(msg, SIP_H_CONTENT_DISPOSITION);

    word = str_trim(str_next(&word, ';'));
    return !word.n || str_equal_nocase(word, STR("render"));
}

static bool check_disposition(struct ask *a)
{
    if (!compositor_may_render(a->rq->msg))
        ask_refuse_later(a, 415, STR("the Content-Disposition is not render"));
    return !a->p.refusal.status;
}

/* Of a multipart/related the root part is what is published: only that can be changed by a diff,
 * and be one. 0 or a negative errno. */
static int read_composed(struct ask *a)
{
    struct buf *why = &a->c->why;
    struct str type = a->p.content_type;
    int r = inbound_root(&type, &a->p.body, why);

    if (r) {
        ask_refuse_later(a, 400, buf_str(why));
        return 0;
    }
    if (type.p != a->p.content_type.p) {
        buf_reset(&a->c->content_type);
        sip_print_unfolded(&a->c->content_type, type);
        a->p.content_type = buf_str(&a->c->content_type);
    }
    r = inbound_is_diff(&a->p.diff, a->p.package, a->p.content_type, a->p.body);
    if (r || !a->p.diff)
        return r ? r : read_document(a);
    if (!a->p.if_match.n) /* RFC 5264 section 4.3.2 */
        ask_refuse_later(a, 400, STR("a partial document cannot begin a publication"));
    return 0;
}

/* Step 5. A removal's body is of no interest, nor is one that nobody will see. 0 or a negative
 * errno. */
static int read_body(struct ask *a)
{
    if (!a->p.expires_s)
        return 0;
    a->p.body = a->rq->msg->body;
    if (a->p.body.n > a->section->max_body)
        ask_refuse_later(a, 413, STR("the body is larger than is taken here"));
    if (!a->p.body.n || a->p.refusal.status || !check_disposition(a) || !check_type(a))
        return 0;
    if (a->p.stream)
        return stream_read_body(a);
    return a->opaque ? read_opaque(a) : read_composed(a);
}

/* ---- the question ---- */

/* Entity-tags are bound to it. Of those that come in as nobody in particular only the address is
 * known; not the port, which a NAT may change. */
static struct str name_publisher(const struct ask *a)
{
    struct str id = a->rq->endpoint->id;
    struct buf *b = &a->c->publisher;

    if (!str_equal(id, STR("anonymous")) && !str_starts(id, STR("anonymous@")))
        return id;
    buf_add(b, id);
    buf_add_char(b, ' ');
    addr_print_host(b, &a->rq->flow->remote);
    return buf_str(b);
}

/* The host that made the request, by its name for itself in the last Via, at the address it reached
 * us from: that of a proxy, or of a NAT, behind which there may be several. */
static struct str name_origin(const struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_VIA), *next;
    struct sip_via via = a->rq->msg->via;
    struct buf *b = &a->c->origin;
    struct str list, value, last = STR_EMPTY;

    while ((next = sip_header_next(a->rq->msg, h)))
        h = next;
    list = h->value;
    while (sip_list_next(&list, &value))
        last = value;
    if (last.p != sip_header_value(a->rq->msg, SIP_H_VIA).p && sip_via_parse(&via, last))
        return STR_EMPTY;
    addr_print_host(b, &a->rq->flow->remote);
    buf_add_char(b, ' ');
    buf_add(b, via.host);
    buf_add_char(b, ' ');
    buf_add_u64(b, via.port ? via.port : 5060);
    return b->error ? STR_EMPTY : buf_str(b);
}

/* The first one named counts the most, who is not named nothing. */
static uint32_t priority_of(const struct compositor_settings *s, struct str endpoint)
{
    for (size_t i = 0; i < s->n_priorities; i++)
        if (str_equal(s->priorities[i], endpoint))
            return (uint32_t)(s->n_priorities - i);
    return 0;
}

static void ask_store(struct ask *a)
{
    const struct compositor_port *port = &a->c->cfg.port;
    const struct compositor_settings *s = a->section;
    struct pending *p;
    int r;

    a->p.publisher = name_publisher(a);
    a->p.priority = priority_of(s, a->rq->endpoint->id);
    a->p.origin = name_origin(a);
    a->p.domain = a->rq->uri.host;
    a->p.document = a->document;
    a->p.grace_s = s->expiry_grace_s;
    a->p.max_per_publisher = s->max_per_publisher;
    a->p.max_per_resource = a->p.stream ? 0 : s->max_per_resource;
    a->p.supersede = s->supersede;
    if (a->c->publisher.error || a->c->content_type.error) {
        ask_refuse(a, 503, "there is no memory for this publication");
        return;
    }
    p = pending_create(a->c, a->rq->txn, &a->by);
    if (!p) {
        ask_refuse(a, 503, "there is no memory for this publication");
        return;
    }
    p->expires_s = a->p.expires_s;
    p->minimum_expiry_s = s->minimum_expiry_s;
    r = port->apply(port->ctx, &a->p, p->cookie);
    if (!r)
        return;
    log_warn(a->c->cfg.log, "publish.not_asked", KV_ERR(r));
    pending_destroy(a->c, p);
    ask_refuse(a, 503, "this publication cannot be looked at now");
}

static bool checks_pass(struct ask *a, bool (*const checks[])(struct ask *a), size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (checks[i](a))
            return false;
    return true;
}

void compositor_publish(void *compositor, const struct uas_request *rq)
{
    static bool (*const always[])(struct ask * a) = { check_stopping, check_load, check_dialog,
                                                      check_call_id };
    static bool (*const composed[])(struct ask * a) = { check_domain, check_user, check_known,
                                                        check_event,  check_name, check_right };
    static bool (*const streamed[])(struct ask * a) = { check_user, stream_check_resource };
    static bool (*const behind[])(struct ask * a) = { check_precondition, check_expires };
    struct compositor *c = compositor;
    struct ask a = {
        .c = c,
        .rq = rq,
        .by = { .endpoint = rq->endpoint->id, .uri = rq->msg->uri, .call_id = rq->msg->call_id }
    };

    c->counters.requests++;
    buf_reset(&c->headers);
    buf_reset(&c->publisher);
    buf_reset(&c->origin);
    buf_reset(&c->content_type);
    buf_reset(&c->why);
    if (!checks_pass(&a, always, ARRAY_LEN(always)))
        return;
    if (!(stream_is_asked(&a) ? checks_pass(&a, streamed, ARRAY_LEN(streamed))
                              : checks_pass(&a, composed, ARRAY_LEN(composed))))
        return;
    if (!checks_pass(&a, behind, ARRAY_LEN(behind)))
        return;
    if (read_body(&a))
        ask_refuse(&a, 503, "there is no memory for this body");
    else
        ask_store(&a);
    event_state_unref(a.document);
}
