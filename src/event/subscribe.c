// SPDX-License-Identifier: MIT
/* SUBSCRIBE: taken apart, checked in a fixed order, answered. RFC 6665 section 4.2.1. */
#include "event/event_internal.h"
#include "state/list_state.h"

enum { BRIEF_MAX_S = 3600 }; /* RFC 6665 section 4.2.1.1: an hour is never too brief */

struct ask_rooms { /* not in there: it begins zeroed */
    char resource[RESOURCE_MAX], package[128], accept[ACCEPT_MAX];
};

struct ask { /* one SUBSCRIBE */
    struct notifier *n;
    const struct uas_request *rq;
    struct dialog *dialog;      /* NULL: it makes one */
    struct subscription *usage; /* NULL: it makes one */
    struct address at;
    struct sip_event event;
    struct sip_uri contact;
    bool has_contact;
    uint32_t wanted_s;  /* by its Expires; 0: it has none */
    uint32_t expires_s; /* granted */
    struct suppression suppress;
    unsigned flags;
    const struct body_profile *profile; /* NULL: as before, and so is `accept` */
    struct str accept;                  /* of an opaque package */
    const struct subscription
        *namesake; /* another usage of the dialog: it is about the same resource */
    struct watched_name resource;
    bool list;       /* that is a resource list */
    struct str user; /* what names it */
    struct buf package;
    struct ask_rooms *rooms;
};

/* ---- answers ---- */

static void refusal_count(struct notifier_counters *c, unsigned status)
{
    const struct {
        unsigned status;
        uint64_t *counter;
    } counters[] = {
        { 400, &c->rejected_400 }, { 403, &c->rejected_403 }, { 404, &c->rejected_404 },
        { 406, &c->rejected_406 }, { 423, &c->rejected_423 }, { 481, &c->rejected_481 },
        { 489, &c->rejected_489 }, { 503, &c->rejected_503 },
    };

    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        if (counters[i].status == status) {
            ++*counters[i].counter;
            return;
        }
    }
    c->rejected_other++;
}

void request_refuse(struct notifier *n, struct server_txn *st, unsigned status, const char *why)
{
    if (status == 503) /* spread, or all of them return at once */
        sip_print_header_u64(&n->headers, STR("Retry-After"),
                             n->drain.active && n->drain.how.retry_after_s
                                 ? n->drain.how.retry_after_s
                                 : 5 + rng_below(n->cfg.rng, 10));
    if (status == 421)
        sip_print_header(&n->headers, STR("Require"), STR(LIST_EXTENSION));
    if (status == 489)
        sip_print_header(&n->headers, STR("Allow-Events"), buf_str(&n->allow_events));
    uas_print_warning(&n->headers, n->settings->global.user_agent, why);
    refusal_count(&n->counters, status);
    server_txn_reject(st, status, buf_str(&n->headers));
}

void request_accept(struct notifier *n, struct server_txn *st, const struct dialog_head *h,
                    unsigned status, uint32_t expires_s, bool list)
{
    buf_reset(&n->headers);
    if (list)
        sip_print_header(&n->headers, STR("Require"), STR(LIST_EXTENSION));
    sip_print_header_u64(&n->headers, STR("Expires"), expires_s);
    sip_print_header(&n->headers, STR("Contact"), head_contact(h));
    sip_print_header(&n->headers, STR("Allow"), n->cfg.allow);
    sip_print_header(&n->headers, STR("Allow-Events"), buf_str(&n->allow_events));
    server_txn_respond(st, &(struct sip_reply){ .status = status,
                                                .to_tag = head_str(h, HEAD_LOCAL_TAG),
                                                .headers = buf_str(&n->headers) });
}

/* Always true, for the checks to return. */
static bool refuse(struct ask *a, unsigned status, const char *why)
{
    char source[TXN_SOURCE_MAX];

    log_info(a->n->cfg.log, "subscribe.refused", KV_U("status", status), KV("why", why),
             KV("endpoint", a->rq->endpoint->id), KV("uri", a->rq->msg->uri),
             KV("call_id", a->rq->msg->call_id),
             KV("source", server_txn_source(a->rq->txn, source)));
    tell_refusal(a->n, a->rq, a->event.package, status, why);
    request_refuse(a->n, a->rq->txn, status, why);
    return true;
}

/* ---- checks: each is true when it has answered ---- */

/* A connection of a transport that is gone ends soon. Who was sent away for that, and asks again at
 * once, would do it by the same. */
static bool check_transport(struct ask *a)
{
    const struct flow *by = a->rq->flow;

    return a->expires_s && by->connection && transport_is_gone(a->n, by->transport) &&
           refuse(a, 503, "the transport of this connection is gone");
}

static bool check_stopping(struct ask *a)
{
    if (a->n->stopping && !(a->n->quiet && a->usage))
        return refuse(a, 503, "this server is about to stop");
    return a->n->drain.active && !a->usage && refuse(a, 503, "this server is being drained");
}

/* What is new would be a promise. A fetch is none. */
static bool check_store(struct ask *a)
{
    return a->expires_s && keep_fails(&a->n->cfg.keep) &&
           refuse(a, 503, "subscriptions cannot be written to disk now");
}

static bool check_allowed(struct ask *a)
{
    if (a->rq->endpoint->allow_subscribe)
        return false;
    return refuse(a, a->dialog ? 403 : 603, "this endpoint may not subscribe");
}

static struct subscription *usage_find(const struct ask *a)
{
    LIST_FOREACH (it, &a->dialog->usages) {
        struct subscription *s = CONTAINER_OF(it, struct subscription, of_dialog);

        if (str_equal_nocase(sub_package(s), a->event.package) &&
            str_equal(sub_event_id(s), a->event.id))
            return s;
    }
    return NULL;
}

/* Whose subscription this is about was told when it began: now the Request-URI is our Contact. */
static bool check_event(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EVENT);

    if (!h)
        return refuse(a, 489, "there is no Event header field");
    if (sip_event_parse(&a->event, h->value))
        return refuse(a, 400, "the Event header field cannot be read");
    if (!(a->dialog && usage_find(a)) && !package_is_served(&a->at, a->event.package))
        return refuse(a, 489, "this event package is not served");
    if (a->event.params.n > EVENT_PARAMS_MAX)
        return refuse(a, 400, "the parameters of Event are longer than 128 bytes");
    return false;
}

/* An entity-tag that is none of ours matches nothing, which is no mistake: RFC 5839 section 5.1. */
static bool check_suppress(struct ask *a)
{
    struct str tag = sip_header_value(a->rq->msg, SIP_H_SUPPRESS_IF_MATCH);

    if (!tag.n)
        return false;
    a->suppress.any = str_equal(tag, STR("*"));
    a->suppress.given = a->suppress.any || entity_tag_parse(&a->suppress.tag, tag) == 0;
    return false;
}

/* Of several the first, as everybody does; "*" is for REGISTER. */
static bool check_contact(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_CONTACT);
    struct str rest = h ? h->value : STR_EMPTY, first;
    struct sip_name_addr na;

    if (!sip_list_next(&rest, &first))
        return !a->dialog && refuse(a, 400, "there is no Contact to send NOTIFY to");
    if (sip_name_addr_parse(&na, first) || sip_uri_parse(&a->contact, na.uri) || !a->contact.sip)
        return refuse(a, 400, "the Contact is not a SIP URI");
    if (na.uri.n > EVENT_URI_MAX)
        return refuse(a, 400, "the Contact is longer than 512 bytes");
    a->has_contact = true;
    return false;
}

bool join_accept(const struct sip_message *msg, struct buf *out)
{
    const struct sip_header *h = sip_header_first(msg, SIP_H_ACCEPT);
    bool any = h != NULL;

    for (; h && out->n + h->value.n + 2 <= out->room; h = sip_header_next(msg, h)) {
        if (out->n)
            buf_add(out, STR(", "));
        buf_add(out, h->value);
    }
    return any;
}

static bool names_lists(const struct sip_message *msg, enum sip_header_id id)
{
    for (const struct sip_header *h = sip_header_first(msg, id); h; h = sip_header_next(msg, h))
        if (str_is_listed(STR(LIST_EXTENSION), h->value))
            return true;
    return false;
}

bool understands_lists(const struct sip_message *msg)
{
    return names_lists(msg, SIP_H_SUPPORTED) || names_lists(msg, SIP_H_REQUIRE);
}

static bool refuse_accept(struct ask *a, struct str types)
{
    if (a->rq->settings->compatibility.unacceptable_489)
        return refuse(a, 489, "no media type in Accept can be made for this package");
    sip_print_header(&a->n->headers, STR("Accept"), types);
    return refuse(a, 406, "no media type in Accept can be made for this package");
}

static bool refuse_accept_any(struct ask *a)
{
    struct buf types;
    char room[512];

    buf_init_on(&types, room, sizeof(room));
    body_types_print(a->n->cfg.bodies, package_of_bodies(a->n, a->event.package), &types);
    return refuse_accept(a, buf_str(&types));
}

/* Of a package whose bodies have whatever type is published. */
static bool check_accept_opaque(struct ask *a, struct str accept)
{
    struct str type =
        a->usage ? subscription_unaccepted(a->usage, a->usage->resource, accept) : STR_EMPTY;

    a->accept = accept;
    return type.n && refuse_accept(a, type);
}

static bool check_accept(struct ask *a)
{
    const struct uas_request *rq = a->rq;
    struct str agent =
        a->dialog ? dialog_user_agent(a->dialog)
                  : str_sub(sip_header_value(rq->msg, SIP_H_USER_AGENT), 0, USER_AGENT_MAX);
    const struct es_subscriber who = { .size = sizeof(who),
                                       .package =
                                           es_text_from(package_of_bodies(a->n, a->event.package)),
                                       .user_agent = es_text_from(agent),
                                       .endpoint = es_text_from(rq->endpoint->id) };
    struct buf accept;
    bool given;
    int r;

    buf_init_on(&accept, a->rooms->accept, sizeof(a->rooms->accept));
    given = join_accept(rq->msg, &accept);
    if (!given && a->usage)
        return false;
    if (given && !accept.n) /* says that nothing is acceptable: RFC 3261 section 20.1 */
        return refuse_accept_any(a);
    a->flags = body_flags_of(rq->settings, rq->endpoint, agent);
    r = body_negotiate(a->n->cfg.bodies, &who, buf_str(&accept), a->flags, &a->profile);
    if (r == BODY_NO_GENERATOR)
        return refuse_accept_any(a);
    if (r)
        return refuse(a, 503, "there is no memory for this subscription");
    return body_type_is_any(body_profile_content_type(a->profile)) &&
           check_accept_opaque(a, buf_str(&accept));
}

static bool check_expires(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EXPIRES);
    const struct general_settings *g = &a->rq->settings->general;

    if (h && sip_delta_seconds_parse(&a->wanted_s, h->value))
        return refuse(a, 400, "Expires is not a number of seconds");
    a->expires_s = h ? a->wanted_s : g->subscription_default_expiry_s;
    if (a->expires_s > g->subscription_max_expiry_s)
        a->expires_s = g->subscription_max_expiry_s;
    return false;
}

/* What we chose ourselves, without an Expires or by the cap, is not too brief. */
static bool check_brief(struct ask *a)
{
    uint32_t min_s = a->rq->endpoint->sub_min_expiry_s;

    if (!a->wanted_s || a->wanted_s >= min_s || a->wanted_s >= BRIEF_MAX_S)
        return false;
    sip_print_header_u64(&a->n->headers, STR("Min-Expires"), min_s);
    return refuse(a, 423, "Expires is below the minimum of this endpoint");
}

/* The parties of a new dialog are kept as long as it lives. */
static bool check_sizes(struct ask *a)
{
    const struct sip_message *msg = a->rq->msg;

    if (msg->call_id.n > CALL_ID_MAX)
        return refuse(a, 400, "the Call-ID is longer than 255 bytes");
    if (!str_is_one_line(msg->call_id))
        return refuse(a, 400, "the Call-ID is not one word");
    if (msg->from_tag.n > TAG_MAX)
        return refuse(a, 400, "the tag of From is longer than 128 bytes");
    if (!str_is_one_line(msg->from_tag))
        return refuse(a, 400, "the tag of From is not one word");
    if (msg->uri.n > EVENT_URI_MAX)
        return refuse(a, 414, "the Request-URI is longer than 512 bytes");
    if (msg->from_parts.uri.n > EVENT_URI_MAX || msg->to_parts.uri.n > EVENT_URI_MAX)
        return refuse(a, 400, "the URI of From or To is longer than 512 bytes");
    return false;
}

/* RFC 6665 section 4.5.2 does not say what a further usage of a dialog is about: its Request-URI is
 * our Contact. One that names somebody else is believed, otherwise it is about what the dialog is
 * about. */
static const struct subscription *find_namesake(const struct ask *a)
{
    const struct uas_request *rq = a->rq;

    if (!a->dialog || (rq->uri.user.n && !sip_user_equal(rq->uri.user, rq->endpoint->contact_user)))
        return NULL;
    LIST_FOREACH (it, &a->dialog->usages) {
        const struct subscription *s = CONTAINER_OF(it, const struct subscription, of_dialog);

        if (sub_runs(s) && !s->list)
            return s;
    }
    return NULL;
}

/* What the other usage is about, wherever that lives. */
static void resource_of_namesake(struct ask *a)
{
    const struct snapshot *s = a->namesake->resource->newest;
    a->resource = (struct watched_name){ .name = { .package = address_package(
                                                       &a->at, a->event.package, &a->package),
                                                   .context = s->context,
                                                   .extension = s->extension } };
    if (!s->has_hint)
        a->resource.served = s->context;
    a->at.host = sub_text(a->namesake, SUB_HOST);
    /* her own mailboxes, whatever these are after a reload */
    if (a->namesake->texts[SUB_USER].n || !package_is_messages(a->event.package))
        a->user = s->extension;
}

static bool check_resource(struct ask *a)
{
    struct buf name;

    buf_init_on(&a->package, a->rooms->package, sizeof(a->rooms->package));
    a->namesake = find_namesake(a);
    if (a->namesake && watched_is_limbo(a->namesake->resource))
        return refuse(a, 503, "what this dialog is about is not known again yet");
    if (a->namesake) {
        resource_of_namesake(a);
        return false;
    }
    buf_init_on(&name, a->rooms->resource, sizeof(a->rooms->resource));
    sip_uri_user_decode(&name, a->rq->uri.user);
    if (name.error)
        return refuse(a, 404, "the name of the resource is longer than 79 bytes");
    a->user = buf_str(&name);
    if (!str_is_one_line(a->user))
        return refuse(a, 404, "nothing is named with a line end or a NUL");
    a->at.lists = understands_lists(a->rq->msg);
    if (!address_resolve(&a->resource, &a->at, a->event.package, a->user, &a->package))
        return refuse(a, 404, "the Request-URI names no resource");
    a->list = list_event(a->resource.name.package).n > 0;
    return false;
}

/* What an endpoint is told unasked it cannot subscribe to, unless that takes the place: it would be
 * told twice. One without a contact that we reach is told nothing. */
static bool check_unsolicited(struct ask *a)
{
    const struct uas_request *rq = a->rq;
    const struct endpoint_settings *e = rq->endpoint;
    const struct mailbox_group *group;

    if (a->list || !package_is_messages(a->event.package) || e->mwi_subscribe_replaces_unsolicited)
        return false;
    group = settings_mailbox_group(rq->settings, a->resource.name.extension);
    if (!group || !mailboxes_meet(e->mailboxes, group->mailboxes) ||
        !unsolicited_reaches(rq->settings, e))
        return false;
    return refuse(a, 500, "this endpoint is told these mailboxes without a subscription");
}

/* ---- making a subscription ---- */

static int make_dialog(struct ask *a)
{
    char tag[TXN_TAG_MAX];

    return dialog_create(&a->dialog, a->n,
                         &(struct dialog_spec){ .rq = a->rq,
                                                .contact = &a->contact,
                                                .local_tag = txn_tag_make(a->n->cfg.txn, tag) });
}

void add_display(struct buf *b, struct str display)
{
    size_t end = b->n + DISPLAY_MAX;

    if (display.n <= DISPLAY_MAX && str_find_char(display, '\\') == display.n) {
        buf_add(b, display); /* the usual case: all of it */
        return;
    }
    while (display.n) {
        size_t escape = display.n > 1 && display.p[0] == '\\';
        size_t length = str_utf8_length(str_sub(display, escape, display.n));

        length = length ? length : 1;
        if (b->n + length > end)
            return;
        buf_add(b, str_sub(display, escape, escape + length));
        display = str_sub(display, escape + length, display.n);
    }
}

static int make_usage(struct ask *a, struct subscription **out)
{
    struct buf *b = &a->n->scratch;
    size_t event_n, local_n, remote_n;

    buf_reset(b);
    sip_print_unfolded(b, a->event.package);
    sip_print_unfolded(b, a->event.params);
    event_n = b->n;
    if (a->namesake)
        buf_add(b, sub_text(a->namesake, SUB_LOCAL));
    else
        print_resource_uri(b, &a->rq->uri, a->resource.name.extension);
    local_n = b->n - event_n;
    print_subscriber_uri(b, &a->rq->msg->from_uri);
    remote_n = b->n - event_n - local_n;
    add_display(b, a->rq->msg->from_parts.display);
    if (b->error)
        return b->error;
    if (!str_is_one_line((struct str){ b->p, event_n }))
        return -EBADMSG;
    return subscription_create(out, &(struct subscription_spec){
                                        .dialog = a->dialog,
                                        .request = a->rq->txn,
                                        .profile = a->profile,
                                        .flags = a->flags,
                                        .expires_s = a->expires_s,
                                        .suppress = a->suppress,
                                        .list = a->list,
                                        .accept = a->accept,
                                        .event = { b->p, event_n },
                                        .local = { b->p + event_n, local_n },
                                        .remote = { b->p + event_n + local_n, remote_n },
                                        .display = { b->p + event_n + local_n + remote_n,
                                                     b->n - event_n - local_n - remote_n },
                                        .host = a->at.host,
                                        .user = a->user,
                                    });
}

/* What a further usage changes of its dialog: RFC 3261 section 12.2.2. */
static int retarget(struct ask *a)
{
    struct dialog_head *head;
    int r = dialog_head_after(a->dialog, a->rq, a->has_contact ? &a->contact : NULL, &head);

    if (r)
        return r;
    dialog_head_set(a->dialog, head);
    a->dialog->recalled = false;
    seek_route(a->dialog);
    return 0;
}

static const char *quota_why(int r)
{
    return r == QUOTA_FULL_ENDPOINT   ? "this endpoint has as many subscriptions as it may have"
           : r == QUOTA_FULL_RESOURCE ? "there are too many subscriptions to this resource"
                                      : "there are too many subscriptions that tell this address";
}

static int make_quota(struct ask *a, struct quota **out)
{
    return quota_take(out, a->n,
                      &(struct quota_spec){ .endpoint = a->rq->endpoint->id,
                                            .context = a->resource.name.context,
                                            .extension = a->resource.name.extension,
                                            .remote = head_remote(a->dialog->head) });
}

static void begin(struct ask *a)
{
    const struct notifier_port *port = &a->n->cfg.port;
    struct dialog_head *former = NULL; /* what a namesake says may stand there */
    struct quota *quota = NULL;
    struct subscription *s;
    int r;

    if (!port->admit(port->ctx)) {
        refuse(a, 503, "there are too many subscriptions");
        return;
    }
    if (a->dialog) {
        dialog_pin(a->dialog);
        former = dialog_head_ref(a->dialog->head);
        r = retarget(a);
    } else {
        r = make_dialog(a);
    }
    if (!r)
        r = make_quota(a, &quota);
    if (!r)
        r = make_usage(a, &s);
    if (r) {
        quota_give(a->n, quota);
        port->release(port->ctx);
        refuse(a, r > 0 || r == -ENOMEM ? 503 : 400,
               r > 0           ? quota_why(r)
               : r == -ENOMEM  ? "there is no memory for this subscription"
               : r == -EBADMSG ? "the header has what cannot be sent back"
                               : "the header is too long to be kept");
    } else {
        quota_attach(a->n, quota, s);
        watched_find(s, &a->resource);
    }
    dialog_head_unref(former);
    if (a->dialog)
        dialog_unpin(a->dialog);
}

/* ---- inside a dialog ---- */

/* Who asks, and is it new? RFC 3261 section 12.2.2. */
static bool check_dialog(struct ask *a)
{
    struct dialog *d = dialog_find(a->n, a->rq->msg);

    if (!d)
        return refuse(a, 481, "there is no such dialog");
    if (!str_equal(dialog_endpoint(d), a->rq->endpoint->id))
        return refuse(a, 403, "this dialog belongs to another endpoint");
    if (a->rq->msg->cseq <= d->remote_cseq)
        return refuse(a, 500, "the CSeq is not higher than the last one");
    d->remote_cseq = a->rq->msg->cseq;
    a->dialog = d;
    return false;
}

static bool dialog_is_live(const struct dialog *d)
{
    LIST_FOREACH (it, &d->usages)
        if (sub_runs(CONTAINER_OF(it, const struct subscription, of_dialog)))
            return true;
    return false;
}

static bool check_usage(struct ask *a)
{
    struct subscription *s = usage_find(a);

    a->usage = s;
    if (s && sub_runs(s))
        return false;
    if (s && !sub_is_answered(s)) {
        sip_print_header_u64(&a->n->headers, STR("Retry-After"), rng_below(a->n->cfg.rng, 10));
        return refuse(a, 500, "the former request of this subscription is not answered yet");
    }
    if (s || !a->expires_s || !dialog_is_live(a->dialog))
        return refuse(a, 481, "there is no such subscription");
    if (a->dialog->n_usages >= USAGES_MAX)
        return refuse(a, 403, "there are too many subscriptions in this dialog");
    return false;
}

static bool checks_pass(struct ask *a, bool (*const checks[])(struct ask *a), size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (checks[i](a))
            return false;
    return true;
}

/* The end of a subscription is nobody's to forbid. */
static int refresh_quota(struct ask *a, const struct dialog_head *head)
{
    const struct addr remote = head_remote(head);

    return a->expires_s ? quota_move(a->n, a->usage, &remote) : 0;
}

static void apply_refresh(struct ask *a)
{
    struct refresh r = { .request = a->rq->txn,
                         .profile = a->profile,
                         .flags = a->flags,
                         .expires_s = a->expires_s,
                         .suppress = a->suppress };
    int result = a->accept.n ? interned_get(&r.accept, &a->n->interned, a->accept) : 0;

    if (!result && a->usage->kept) {
        r.promise = promise_create(a->n);
        result = r.promise ? 0 : -ENOMEM;
    }
    if (!result)
        result = dialog_head_after(a->dialog, a->rq, a->has_contact ? &a->contact : NULL, &r.head);
    if (!result)
        result = refresh_quota(a, r.head);
    if (!result) {
        subscription_refresh(a->usage, &r);
        return;
    }
    dialog_head_unref(r.head);
    promise_destroy(r.promise);
    interned_unref(r.accept);
    refuse(a, result > 0 || result == -ENOMEM ? 503 : 400,
           result > 0          ? quota_why(result)
           : result == -ENOMEM ? "there is no memory for this request"
                               : "the Contact is too long to be kept");
}

static void subscribe_inside(struct ask *a)
{
    static bool (*const always[])(struct ask * a) = { check_dialog,  check_event, check_suppress,
                                                      check_expires, check_usage, check_contact };
    static bool (*const staying[])(struct ask * a) = { check_stopping, check_allowed, check_brief,
                                                       check_accept };
    static bool (*const joining[])(struct ask * a) = { check_store, check_sizes, check_resource,
                                                       check_unsolicited };

    if (!checks_pass(a, always, ARRAY_LEN(always)))
        return;
    if (a->expires_s && !checks_pass(a, staying, ARRAY_LEN(staying)))
        return;
    if (a->usage)
        apply_refresh(a);
    else if (checks_pass(a, joining, ARRAY_LEN(joining)))
        begin(a);
}

static void subscribe_new(struct ask *a)
{
    static bool (*const checks[])(struct ask * a) = {
        check_stopping, check_allowed,  check_event,      check_suppress, check_contact,
        check_accept,   check_expires,  check_transport,  check_store,    check_brief,
        check_sizes,    check_resource, check_unsolicited
    };

    if (checks_pass(a, checks, ARRAY_LEN(checks)))
        begin(a);
}

void notifier_subscribe(void *notifier, const struct uas_request *rq)
{
    struct ask_rooms rooms;
    struct ask a = {
        .n = notifier, .rq = rq, .at = { rq->settings, rq->endpoint, rq->uri.host }, .rooms = &rooms
    };

    buf_reset(&a.n->headers);
    refused_answered(a.n, rq);
    if (rq->msg->to_tag.n)
        subscribe_inside(&a);
    else
        subscribe_new(&a);
}
