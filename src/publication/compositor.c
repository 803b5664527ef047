// SPDX-License-Identifier: MIT
/* PUBLISH: checked in the order of RFC 3903 section 6, asked of the store, answered. */
#include "publication/compositor.h"

#include "base/map.h"

#include <stdlib.h>

enum {
    RESOURCE_MAX = 79,   /* a name in a dialplan */
    CALL_ID_MAX = 255,   /* what we keep of a publisher's texts */
    PENDING_MAX = 10000, /* requests that wait for the store */
    PUBLISHER_MAX = 256,
    WHY_MAX = 256,
};

struct pending { /* a request that waits for the store's answer */
    struct map_node node;
    uint64_t cookie;
    struct server_txn *txn;
    uint32_t expires_s; /* granted */
    uint8_t has_accept; /* a refusal for the type says which there are */
    uint16_t package_n;
    char package[];
};

struct compositor {
    struct compositor_config cfg;
    const struct settings *settings; /* a reference */
    struct map pending;
    struct buf headers; /* of the response being made */
    uint64_t next_cookie;
    bool stopping;
    struct compositor_counters counters;
};

struct ask { /* one PUBLISH */
    struct compositor *c;
    const struct uas_request *rq;
    const struct compositor_settings *served;
    struct publication_request out;
    struct sip_event event;
    struct event_state *document;
    struct buf user, publisher, why;
    char user_room[RESOURCE_MAX], publisher_room[PUBLISHER_MAX], why_room[WHY_MAX];
};

/* ---- life ---- */

int compositor_create(struct compositor **out, const struct compositor_config *cfg)
{
    struct compositor *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    r = map_init(&c->pending, cfg->rng);
    if (r) {
        free(c);
        return r;
    }
    c->cfg = *cfg;
    c->settings = settings_ref(cfg->settings);
    c->next_cookie = 1;
    buf_init(&c->headers, SIP_MESSAGE_MAX);
    *out = c;
    return 0;
}

static void answer_count(struct compositor_counters *n, unsigned status)
{
    const struct {
        unsigned status;
        uint64_t *counter;
    } counters[] = {
        { 200, &n->accepted },    { 400, &n->refused_400 }, { 403, &n->refused_403 },
        { 404, &n->refused_404 }, { 412, &n->refused_412 }, { 413, &n->refused_413 },
        { 415, &n->refused_415 }, { 423, &n->refused_423 }, { 489, &n->refused_489 },
        { 503, &n->refused_503 },
    };

    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        if (counters[i].status == status) {
            ++*counters[i].counter;
            return;
        }
    }
    n->refused_other++;
}

/* With what is in c->headers (reset it first), a Warning that says why, and a Retry-After for 503.
 */
static void answer_refuse(struct compositor *c, struct server_txn *st, unsigned status,
                          struct str why)
{
    char text[WHY_MAX];

    if (status == 503) /* spread, or all of them return at once */
        sip_print_header_u64(&c->headers, STR("Retry-After"), 5 + rng_below(c->cfg.rng, 10));
    why = str_sub(why, 0, sizeof(text) - 1);
    if (why.n)
        memcpy(text, why.p, why.n);
    text[why.n] = '\0';
    uas_print_warning(&c->headers, c->settings->global.user_agent, text);
    answer_count(&c->counters, status);
    server_txn_reject(st, status, buf_str(&c->headers));
}

static struct pending *pending_take(struct compositor *c, struct map_node *node)
{
    struct pending *p = CONTAINER_OF(node, struct pending, node);

    map_remove(&c->pending, node);
    c->counters.pending--;
    return p;
}

void compositor_destroy(struct compositor *c)
{
    if (!c)
        return;
    MAP_FOREACH_SAFE (node, &c->pending) {
        struct pending *p = pending_take(c, node);

        buf_reset(&c->headers);
        answer_refuse(c, p->txn, 503, STR("this server is about to stop"));
        free(p);
    }
    map_fini(&c->pending);
    buf_fini(&c->headers);
    settings_unref(c->settings);
    free(c);
}

void compositor_settings_set(struct compositor *c, const struct settings *settings)
{
    const struct settings *former = c->settings;

    c->settings = settings_ref(settings);
    settings_unref(former);
}

void compositor_stop(struct compositor *c)
{
    c->stopping = true;
}

void compositor_counters_get(const struct compositor *c, struct compositor_counters *out)
{
    *out = c->counters;
}

/* ---- the checks, in order: each is true when it has answered ---- */

static bool refuse(struct ask *a, unsigned status, const char *why)
{
    log_info(a->c->cfg.log, "publish.refused", KV_U("status", status), KV("why", why),
             KV("endpoint", a->rq->endpoint->id), KV("uri", a->rq->msg->uri),
             KV("call_id", a->rq->msg->call_id));
    answer_refuse(a->c, a->rq->txn, status, str_of(why));
    return true;
}

static bool check_stopping(struct ask *a)
{
    if (a->c->stopping)
        return refuse(a, 503, "this server is about to stop");
    return a->c->counters.pending >= PENDING_MAX &&
           refuse(a, 503, "too many publications wait to be stored");
}

/* RFC 3903 has no dialogs, and we have none with a publisher. */
static bool check_dialog(struct ask *a)
{
    if (a->rq->msg->to_tag.n)
        return refuse(a, 481, "there is no such dialog");
    return a->rq->msg->call_id.n > CALL_ID_MAX &&
           refuse(a, 400, "the Call-ID is longer than 255 bytes");
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return false;
    return true;
}

static bool check_resource(struct ask *a)
{
    struct str user = a->rq->uri.user;

    a->served = settings_compositor(a->rq->settings, a->rq->uri.host);
    if (!a->served)
        return refuse(a, 404, "no compositor serves the domain of the Request-URI");
    if (a->rq->settings->global.ignore_uri_user_options)
        user.n = str_find_char(user, ';');
    sip_uri_user_decode(&a->user, user);
    if (a->user.error)
        return refuse(a, 404, "the name of the resource is longer than 79 bytes");
    if (!a->user.n || !is_printable(buf_str(&a->user)))
        return refuse(a, 404, "the Request-URI names no resource");
    a->out.context = a->served->context;
    a->out.extension = buf_str(&a->user);
    return false;
}

static bool list_has(const struct str *list, size_t n, struct str word)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(list[i], word))
            return true;
    return false;
}

static void print_list(struct buf *out, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (out->n)
            buf_add(out, STR(", "));
        buf_add(out, list[i]);
    }
}

static bool refuse_event(struct ask *a, const char *why)
{
    const struct compositor_settings *s = a->served;
    struct buf packages;
    char room[1024];

    buf_init_on(&packages, room, sizeof(room));
    print_list(&packages, s->packages, s->n_packages);
    print_list(&packages, s->opaques, s->n_opaques);
    sip_print_header(&a->c->headers, STR("Allow-Events"), buf_str(&packages));
    return refuse(a, 489, why);
}

/* What is published for `dialog` or `presence` shows as an extension. */
static bool names_resource(const struct ask *a)
{
    bool extension =
        str_equal(a->out.package, STR("dialog")) || str_equal(a->out.package, STR("presence"));

    return state_name_is_possible(
        &(struct resource_name){ .package = extension ? STR_EMPTY : a->out.package,
                                 .context = a->out.context,
                                 .extension = a->out.extension });
}

static bool check_event(struct ask *a)
{
    const struct compositor_settings *s = a->served;
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EVENT);

    if (!h)
        return refuse_event(a, "there is no Event header field");
    if (sip_event_parse(&a->event, h->value))
        return refuse(a, 400, "the Event header field cannot be read");
    if (!list_has(s->packages, s->n_packages, a->event.package) &&
        !list_has(s->opaques, s->n_opaques, a->event.package))
        return refuse_event(a, "this event package cannot be published here");
    a->out.package = a->event.package;
    if (!names_resource(a))
        return refuse(a, 404, "nothing of that name can be watched");
    return false;
}

static bool is_own(const struct endpoint_settings *e, struct str user)
{
    return str_equal(e->id, user) || list_has(e->aors, e->n_aors, user);
}

static bool check_right(struct ask *a)
{
    const struct compositor_settings *s = a->served;
    const struct endpoint_settings *e = a->rq->endpoint;

    if (s->publish == PUBLISH_NONE)
        return refuse(a, 403, "nobody may publish in this domain");
    if (s->n_publishers && !list_has(s->publishers, s->n_publishers, e->id))
        return refuse(a, 403, "this endpoint may not publish in this domain");
    if (s->publish == PUBLISH_OWN && !is_own(e, a->out.extension))
        return refuse(a, 403, "this endpoint may publish its own state only");
    if (!s->any_user && !settings_endpoint(a->rq->settings, a->out.extension) &&
        !settings_aor(a->rq->settings, a->out.extension))
        return refuse(a, 404, "there is no such user");
    return false;
}

static bool is_token(struct str text)
{
    struct cursor c = cursor_on(text);

    return cursor_token(&c).n && cursor_done(&c);
}

/* RFC 3903 section 6: at most one entity-tag. Which one it is comes later, in the store. */
static bool check_condition(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_SIP_IF_MATCH);

    if (!h)
        return false;
    if (sip_header_next(a->rq->msg, h) || !is_token(h->value))
        return refuse(a, 400, "SIP-If-Match is not one entity-tag");
    a->out.if_match = h->value;
    return false;
}

static bool check_expires(struct ask *a)
{
    const struct compositor_settings *s = a->served;
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EXPIRES);
    uint32_t expires_s = s->default_expiry_s;

    if (h && sip_delta_seconds_parse(&expires_s, h->value))
        return refuse(a, 400, "Expires is not a number of seconds");
    if (expires_s && expires_s < s->minimum_expiry_s) {
        sip_print_header_u64(&a->c->headers, STR("Min-Expires"), s->minimum_expiry_s);
        return refuse(a, 423, "Expires is below the minimum of this compositor");
    }
    a->out.expires_s = expires_s > s->maximum_expiry_s ? s->maximum_expiry_s : expires_s;
    a->out.grace_s = s->expiry_grace_s;
    return false;
}

/* ---- the body: what is wrong with it is told only when the entity-tag is right ---- */

static void body_refuse(struct ask *a, unsigned status)
{
    a->out.refusal = (struct publication_refusal){ .status = status, .why = buf_str(&a->why) };
}

/* As it is: RFC 3903 leaves it to the package, and this one is not understood. */
static int opaque_read(struct ask *a)
{
    struct event_state *d;
    int r = event_state_create(&d);

    if (r)
        return r;
    r = arena_str(&d->arena, &d->opaque.content_type, a->out.content_type);
    if (!r)
        r = arena_str(&d->arena, &d->opaque.body, a->out.body);
    if (r) {
        event_state_unref(d);
        return r;
    }
    d->has_opaque = true;
    a->document = d;
    return 0;
}

static int body_read(struct ask *a)
{
    static const unsigned statuses[] = {
        [INBOUND_WRONG_TYPE] = 415, [INBOUND_MALFORMED] = 400, [INBOUND_TOO_LARGE] = 413
    };
    struct publication_request *out = &a->out;
    int r;

    if (out->body.n > a->served->max_body) {
        buf_printf(&a->why, "the body is longer than %u bytes", a->served->max_body);
        body_refuse(a, 413);
        return 0;
    }
    if (!out->content_type.n) {
        buf_add(&a->why, STR("the body has no Content-Type"));
        body_refuse(a, 415);
        return 0;
    }
    if (list_has(a->served->opaques, a->served->n_opaques, out->package))
        return opaque_read(a);
    out->diff = inbound_is_diff(out->package, out->content_type, out->body);
    if (out->diff)
        return 0;
    r = inbound_parse(&a->document, out->package, out->content_type, out->body, &a->why);
    if (r > 0)
        body_refuse(a, statuses[r]);
    return r < 0 ? r : 0;
}

static bool check_body(struct ask *a)
{
    const struct sip_message *msg = a->rq->msg;

    a->out.body = msg->body;
    a->out.content_type = sip_header_value(msg, SIP_H_CONTENT_TYPE);
    if (!a->out.expires_s) { /* a removal: what it says does not matter */
        a->out.body = STR_EMPTY;
        return false;
    }
    if (!a->out.body.n)
        return false;
    if (body_read(a))
        return refuse(a, 503, "there is no memory for this publication");
    a->out.document = a->document;
    return false;
}

/* ---- asking the store ---- */

/* Entity-tags are bound to that. Whoever is let in as anybody is told apart by address. */
static struct str publisher_name(struct ask *a)
{
    struct str id = a->rq->endpoint->id;

    buf_add(&a->publisher, id);
    if (str_equal(id, STR("anonymous")) || str_starts(id, STR("anonymous@"))) {
        struct addr source = a->rq->flow->remote;

        addr_port_set(&source, 0);
        buf_add_char(&a->publisher, ' ');
        addr_print(&a->publisher, &source);
    }
    return buf_str(&a->publisher);
}

static struct pending *pending_create(struct ask *a)
{
    struct compositor *c = a->c;
    struct str package = a->out.package;
    struct pending *p = malloc(sizeof(*p) + package.n);

    if (!p)
        return NULL;
    *p = (struct pending){ .cookie = c->next_cookie++,
                           .txn = a->rq->txn,
                           .expires_s = a->out.expires_s,
                           .has_accept = inbound_package_known(package),
                           .package_n = (uint16_t)package.n };
    memcpy(p->package, package.p, package.n);
    map_add(&c->pending, &p->node, map_hash_u64(&c->pending, p->cookie));
    c->counters.pending++;
    return p;
}

static void ask_store(struct ask *a)
{
    const struct compositor_settings *s = a->served;
    struct compositor *c = a->c;
    struct pending *p;
    int r;

    a->out.publisher = publisher_name(a);
    a->out.call_id = a->rq->msg->call_id;
    a->out.max_per_publisher = s->max_per_publisher;
    a->out.max_per_resource = s->max_per_resource;
    a->out.order = s->order;
    a->out.supersede = s->supersede;
    p = pending_create(a);
    if (!p) {
        refuse(a, 503, "there is no memory for this publication");
        return;
    }
    r = c->cfg.port.apply(c->cfg.port.ctx, &a->out, p->cookie);
    if (!r)
        return;
    log_warn(c->cfg.log, "publish.not_asked", KV("resource", a->out.extension), KV_ERR(r));
    free(pending_take(c, &p->node));
    refuse(a, 503, "publications cannot be stored now");
}

static void ask_init(struct ask *a, struct compositor *c, const struct uas_request *rq)
{
    a->c = c;
    a->rq = rq;
    a->served = NULL;
    a->document = NULL;
    a->out = (struct publication_request){ 0 };
    buf_init_on(&a->user, a->user_room, sizeof(a->user_room));
    buf_init_on(&a->publisher, a->publisher_room, sizeof(a->publisher_room));
    buf_init_on(&a->why, a->why_room, sizeof(a->why_room));
    buf_reset(&c->headers);
}

void compositor_publish(void *compositor, const struct uas_request *rq)
{
    static bool (*const checks[])(struct ask * a) = {
        check_stopping, check_dialog,    check_resource, check_event,
        check_right,    check_condition, check_expires,  check_body,
    };
    struct compositor *c = compositor;
    struct ask a;
    bool answered = false;

    c->counters.requests++;
    ask_init(&a, c, rq);
    for (size_t i = 0; i < ARRAY_LEN(checks) && !answered; i++)
        answered = checks[i](&a);
    if (!answered)
        ask_store(&a);
    event_state_unref(a.document);
}

/* ---- its answer ---- */

static bool pending_is(const struct map_node *node, const void *cookie)
{
    return CONTAINER_OF(node, const struct pending, node)->cookie == *(const uint64_t *)cookie;
}

static void answer_accept(struct compositor *c, const struct pending *p, struct str etag)
{
    sip_print_header(&c->headers, STR("SIP-ETag"), etag);
    sip_print_header_u64(&c->headers, STR("Expires"), p->expires_s);
    answer_count(&c->counters, 200);
    server_txn_respond(p->txn,
                       &(struct sip_reply){ .status = 200, .headers = buf_str(&c->headers) });
}

static void answer_bad_body(struct compositor *c, const struct pending *p,
                            const struct publication_answer *answer)
{
    struct buf types;
    char room[512];

    buf_init_on(&types, room, sizeof(room));
    if (p->has_accept)
        inbound_types_print((struct str){ p->package, p->package_n }, &types);
    if (answer->status == 415 && types.n)
        sip_print_header(&c->headers, STR("Accept"), buf_str(&types));
    answer_refuse(c, p->txn, answer->status, answer->why);
}

static void answer_failure(struct compositor *c, const struct pending *p, int result)
{
    log_error(c->cfg.log, "publish.failed", KV_ERR(result));
    if (result == -ENOMEM)
        answer_refuse(c, p->txn, 503, STR("there is no memory for this publication"));
    else
        answer_refuse(c, p->txn, 500, STR("the publication could not be stored"));
}

void compositor_answer(struct compositor *c, uint64_t cookie, int result,
                       const struct publication_answer *answer)
{
    struct map_node *node =
        map_find(&c->pending, map_hash_u64(&c->pending, cookie), pending_is, &cookie);
    struct pending *p;

    BUG_UNLESS(node);
    p = pending_take(c, node);
    buf_reset(&c->headers);
    switch (result) {
    case 0:
        answer_accept(c, p, answer->etag);
        break;
    case PUBLICATION_NO_MATCH:
        answer_refuse(c, p->txn, 412, STR("no live publication of yours has this entity-tag"));
        break;
    case PUBLICATION_NO_BODY:
        answer_refuse(c, p->txn, 400, STR("an initial publication needs a body"));
        break;
    case PUBLICATION_BAD_BODY:
        answer_bad_body(c, p, answer);
        break;
    case PUBLICATION_QUOTA:
        answer_refuse(c, p->txn, 503, STR("there are too many publications"));
        break;
    default:
        answer_failure(c, p, result);
        break;
    }
    if (result)
        log_info(c->cfg.log, "publish.not_accepted", KV_I("result", result));
    free(p);
}
