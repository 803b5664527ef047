// SPDX-License-Identifier: MIT
/* What a telephone tells by NOTIFY: RFC 6665 section 4.1.3, RFC 4235 section 4.3. Who it is, the
 * dialog says: nobody else knows its tags and its Call-ID. */
#include <stdlib.h>

#include "body/inbound.h"
#include "registrar/watch.h"
#include "state/dialogs.h"

#define DIALOG_INFO "application/dialog-info+xml"

struct notice { /* one NOTIFY */
    struct watch *w;
    const struct uas_request *rq;
    struct str state, params; /* of Subscription-State */
};

/* ---- whose it is ---- */

/* What the next SUBSCRIBE will have is nobody's to know. */
static bool has_been_asked(const struct watch *w)
{
    return w->request.dialog || (w->state != WATCH_RESTING && w->state != WATCH_REFUSED);
}

static struct watch *watch_of(const struct qualifier *q, const struct sip_message *msg)
{
    struct watch *w = msg->to_tag.n ? watch_find(q, msg->to_tag) : NULL;

    if (!w || !has_been_asked(w) ||
        !str_equal(msg->call_id, contact_request_call_id(&w->request)) || !msg->from_tag.n ||
        (w->request.dialog && !str_equal(msg->from_tag, w->request.dialog->remote_tag)))
        return NULL;
    return w;
}

const struct endpoint_settings *qualifier_dialog_endpoint(void *qualifier,
                                                          const struct sip_message *msg)
{
    const struct qualifier *q = qualifier;
    const struct watch *w = msg->method == SIP_NOTIFY ? watch_of(q, msg) : NULL;

    return w ? settings_endpoint(q->settings, w->contact->endpoint) : NULL;
}

/* ---- answers ---- */

/* With what is in q->headers already; always true, for the checks to return. */
static bool refuse(struct notice *n, unsigned status, struct str why)
{
    struct qualifier *q = n->w->qualifier;
    char text[256];

    log_info(q->cfg.log, "watch.notify_refused", KV_U("status", status), KV("why", why),
             KV("aor", n->w->contact->aor), KV("contact", n->w->contact->uri));
    q->counters.watch.notify_refused++;
    why = str_sub(why, 0, sizeof(text) - 1);
    memcpy(text, why.p, why.n);
    text[why.n] = '\0';
    uas_print_warning(&q->headers, q->settings->global.user_agent, text);
    server_txn_reject(n->rq->txn, status, buf_str(&q->headers));
    return true;
}

static void notice_accept(struct notice *n)
{
    server_txn_reject(n->rq->txn, 200, STR_EMPTY);
}

/* ---- checks, in order: each is true when it has answered ---- */

static bool check_source(struct notice *n)
{
    return !contact_request_is_from(&n->w->request, &n->rq->flow->remote) &&
           refuse(n, 403, STR("it does not come from where the telephone is"));
}

/* RFC 3261 section 12.2.2. */
static bool check_order(struct notice *n)
{
    return n->w->request.dialog && n->rq->msg->cseq <= n->w->remote_cseq &&
           refuse(n, 500, STR("a later request of this dialog has been here before"));
}

static bool check_event(struct notice *n)
{
    const struct sip_header *h = sip_header_first(n->rq->msg, SIP_H_EVENT);
    struct sip_event event;

    if (h && sip_event_parse(&event, h->value) == 0 &&
        str_equal_nocase(event.package, STR("dialog")) && !event.has_id)
        return false;
    sip_print_header(&n->w->qualifier->headers, STR("Allow-Events"), STR("dialog"));
    return refuse(n, 489, STR("this is a subscription to dialog"));
}

static bool check_state(struct notice *n)
{
    struct str value = str_trim(sip_header_value(n->rq->msg, SIP_H_SUBSCRIPTION_STATE));
    size_t end = str_find_char(value, ';');

    n->state = str_trim(str_sub(value, 0, end));
    n->params = str_sub(value, end, value.n);
    return !n->state.n && refuse(n, 400, STR("there is no Subscription-State"));
}

/* ---- the dialog ---- */

static bool uri_parse(struct sip_uri *out, struct str s)
{
    return s.n <= WATCH_URI_MAX && sip_uri_parse(out, s) == 0 && out->sip;
}

/* Where the telephone wants requests: also those of a dialog that there is already (RFC 3261
 * section 12.2.1.2); a Request-URI has no headers (section 19.1.1). Without a Contact that can be
 * used it is where it was registered. */
static struct str target_of(const struct sip_message *msg)
{
    const struct sip_header *h = sip_header_first(msg, SIP_H_CONTACT);
    struct str rest = h ? h->value : STR_EMPTY, first;
    struct sip_name_addr na;
    struct sip_uri uri;

    if (!sip_list_next(&rest, &first) || sip_name_addr_parse(&na, first) ||
        !uri_parse(&uri, na.uri) || !contact_text_is_line(na.uri))
        return STR_EMPTY;
    return str_sub(na.uri, 0, na.uri.n - uri.headers.n);
}

/* RFC 3261 section 12.1.1: as they stand in the request that makes the dialog. False: one of them
 * leads nowhere. */
static bool routes_print(struct buf *out, const struct sip_message *msg)
{
    for (const struct sip_header *h = sip_header_first(msg, SIP_H_RECORD_ROUTE); h;
         h = sip_header_next(msg, h)) {
        struct str rest = h->value, route;

        while (sip_list_next(&rest, &route)) {
            struct sip_name_addr na;
            struct sip_uri uri;

            if (sip_name_addr_parse(&na, route) || !uri_parse(&uri, na.uri))
                return false;
            if (out->n)
                buf_add(out, STR(", "));
            sip_print_unfolded(out, route);
        }
    }
    return !out->error && contact_text_is_line(buf_str(out));
}

/* 0 or -ENOMEM. */
static int dialog_set(struct watch *w, struct str target, struct str routes, struct str tag)
{
    struct contact_dialog *d = malloc(sizeof(*d) + target.n + routes.n + tag.n);
    char *at;

    if (!d)
        return -ENOMEM;
    *d = (struct contact_dialog){ target, routes, tag };
    at = d->text;
    str_keep(&d->target, &at);
    str_keep(&d->routes, &at);
    str_keep(&d->remote_tag, &at);
    free(w->request.dialog);
    w->request.dialog = d;
    return 0;
}

static bool dialog_begin(struct notice *n)
{
    const struct sip_message *msg = n->rq->msg;
    char room[WATCH_ROUTES_MAX];
    struct buf routes;

    buf_init_on(&routes, room, sizeof(room));
    if (!routes_print(&routes, msg) || msg->from_tag.n > WATCH_TAG_MAX)
        return refuse(n, 400, STR("Record-Route or the tag of From cannot be read"));
    return dialog_set(n->w, target_of(msg), buf_str(&routes), msg->from_tag) &&
           refuse(n, 503, STR("there is no memory for this request"));
}

/* What is under way asks where it asked. */
static bool dialog_go_on(struct notice *n)
{
    const struct contact_dialog *d = n->w->request.dialog;
    struct str target = target_of(n->rq->msg);

    if (!target.n || str_equal(target, d->target) || n->w->request.state != REQUEST_NONE)
        return false;
    return dialog_set(n->w, target, d->routes, d->remote_tag) &&
           refuse(n, 503, STR("there is no memory for this request"));
}

static bool check_dialog(struct notice *n)
{
    bool answered = n->w->request.dialog ? dialog_go_on(n) : dialog_begin(n);

    if (!answered)
        n->w->remote_cseq = n->rq->msg->cseq;
    return answered;
}

/* ---- the document ---- */

/* In order by its CSeq, so that a whole document is the newest whatever its version: there are
 * telephones that count none. */
static bool is_next(const struct watch *w, const struct event_state *document)
{
    return !document->partial || (w->document && document->version == w->document->version + 1);
}

static bool may_be_merged(const struct watch *w, const struct event_state *document)
{
    return w->document && document->version > w->document->version;
}

static size_t live_count(const struct event_state *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_dialogs; i++)
        n += dialog_is_live(&s->dialogs[i]);
    return n;
}

/* `*out` is what all dialogs are now. 0 or -ENOMEM. */
static int document_make(struct event_state **out, const struct watch *w,
                         const struct event_state *document)
{
    return document->partial && w->document ? dialogs_merge(out, w->document, document)
                                            : event_state_pack(out, document);
}

static bool says_the_same(const struct event_state *a, const struct event_state *b)
{
    return a && event_state_same(a, b);
}

static void document_set(struct watch *w, const struct event_state *now)
{
    const struct event_state *former = w->document;

    w->document = now;
    if (!says_the_same(former, now))
        watch_tell(w);
    event_state_unref(former);
}

/* True when it has answered. */
static bool document_take(struct notice *n, const struct event_state *document)
{
    struct watch *w = n->w;
    bool next = is_next(w, document);
    struct event_state *now = NULL;

    /* What changes something else than is known says little: section 4.3. */
    if (!next && w->document && !may_be_merged(w, document)) {
        watch_refresh_soon(w);
        return false;
    }
    if (document_make(&now, w, document))
        return refuse(n, 503, STR("there is no memory for this request"));
    if (live_count(now) > WATCH_DIALOGS_MAX || event_state_bytes(now) > WATCH_BYTES_MAX) {
        event_state_unref(now);
        return refuse(n, 413, STR("there are more than 100 dialogs, or 256 kB of them"));
    }
    document_set(w, now);
    if (!next)
        watch_refresh_soon(w);
    else if (!document->partial)
        watch_heard(w);
    return false;
}

static bool is_dialog_info(struct str content_type)
{
    return str_equal_nocase(str_trim(str_next(&content_type, ';')), STR(DIALOG_INFO));
}

/* True when it has answered; what could not be read is asked for again. */
static bool body_read(struct notice *n)
{
    struct qualifier *q = n->w->qualifier;
    const struct sip_message *msg = n->rq->msg;
    struct str type = sip_header_value(msg, SIP_H_CONTENT_TYPE);
    struct event_state *document;
    bool answered;
    int r;

    if (!is_dialog_info(type)) {
        sip_print_header(&q->headers, STR("Accept"), STR(DIALOG_INFO));
        return refuse(n, 415, STR("this type of body cannot be read"));
    }
    buf_reset(&q->why);
    r = inbound_parse(&document, &q->xml, STR("dialog"), type, msg->body, &q->why);
    if (r < 0)
        return refuse(n, 503, STR("there is no memory for this request"));
    if (r)
        return refuse(n, r == INBOUND_TOO_LARGE ? 413 : 400, buf_str(&q->why));
    answered = document_take(n, document);
    event_state_unref(document);
    return answered;
}

/* ---- the subscription ---- */

static uint32_t seconds_of(const struct notice *n, struct str name)
{
    struct str text;
    uint32_t seconds;

    return sip_param_find(n->params, name, &text) && sip_delta_seconds_parse(&seconds, text) == 0
               ? seconds
               : 0;
}

static void terminated(struct notice *n)
{
    static const char *const for_good[] = { "rejected", "noresource", "invariant" };
    struct watch *w = n->w;
    struct str reason = STR_EMPTY;

    (void)sip_param_find(n->params, STR("reason"), &reason);
    for (size_t i = 0; i < ARRAY_LEN(for_good); i++)
        if (str_equal_nocase(reason, str_of(for_good[i]))) {
            watch_refused(w, 0, str_of(for_good[i]));
            return;
        }
    if (str_equal_nocase(reason, STR("deactivated")) || str_equal_nocase(reason, STR("timeout")))
        watch_again(w);
    else
        watch_failed(w, 0, STR("it has ended the subscription"), seconds_of(n, STR("retry-after")));
}

static void notice_take(struct notice *n)
{
    struct watch *w = n->w;

    w->heard_wall_ms = clock_wall_ms(w->qualifier->cfg.clock);
    w->qualifier->counters.watch.notified++;
    if (w->state == WATCH_LEAVING) {
        notice_accept(n);
    } else if (str_equal_nocase(n->state, STR("terminated"))) {
        notice_accept(n);
        terminated(n);
    } else if (!n->rq->msg->body.n) { /* nothing is said yet, or nothing at all */
        watch_expires_in(w, seconds_of(n, STR("expires")));
        watch_heard(w);
        if (!w->told && str_equal_nocase(n->state, STR("active")))
            watch_tell(w); /* what a former process was told is over */
        notice_accept(n);
    } else if (body_read(n)) {
        watch_refresh_soon(w);
    } else {
        watch_expires_in(w, seconds_of(n, STR("expires")));
        notice_accept(n);
    }
}

bool qualifier_notify(struct qualifier *q, const struct uas_request *rq)
{
    static bool (*const checks[])(struct notice * n) = { check_source, check_order, check_event,
                                                         check_state, check_dialog };
    struct notice n = { .w = watch_of(q, rq->msg), .rq = rq };

    if (!n.w)
        return false;
    buf_reset(&q->headers);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (checks[i](&n))
            return true;
    notice_take(&n);
    return true;
}
