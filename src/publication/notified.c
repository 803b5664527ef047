// SPDX-License-Identifier: MIT
/* NOTIFY that nobody subscribed to: another PBX tells the messages of one mailbox. Source: RFC 3842
 * for the body; which mailbox it is, and that every failure is 404, is Asterisk's. */
#include "body/inbound.h"
#include "publication/compositor_internal.h"

struct report { /* one NOTIFY */
    struct compositor *c;
    const struct uas_request *rq;
};

/* Always true, for the checks to return. */
static bool refuse(struct report *n, unsigned status, struct str why)
{
    log_info(n->c->cfg.log, "mailbox.refused", KV_U("status", status), KV("why", why),
             KV("endpoint", n->rq->endpoint->id), KV("call_id", n->rq->msg->call_id));
    n->c->counters.mailboxes_refused++;
    compositor_reject(n->c, n->rq->txn, status, why);
    return true;
}

/* It is none of ours, or has ended. RFC 6665 section 4.1.3. */
static bool check_dialog(struct report *n)
{
    return n->rq->msg->to_tag.n && refuse(n, 481, STR("there is no such dialog"));
}

static bool check_event(struct report *n)
{
    const struct sip_header *h = sip_header_first(n->rq->msg, SIP_H_EVENT);
    struct sip_event event;

    if (!h) /* not all who do this name it */
        return false;
    if (sip_event_parse(&event, h->value) == 0 &&
        str_equal_nocase(event.package, STR("message-summary")))
        return false;
    sip_print_header(&n->c->headers, STR("Allow-Events"), STR("message-summary"));
    return refuse(n, 489, STR("this event package is not taken without a subscription"));
}

static bool check_mailbox(struct report *n)
{
    return !n->rq->endpoint->incoming_mwi_mailbox.n &&
           refuse(n, 404, STR("this endpoint has no incoming_mwi_mailbox"));
}

static bool check_disposition(struct report *n)
{
    return !compositor_may_render(n->rq->msg) &&
           refuse(n, 404, STR("the Content-Disposition is not render"));
}

static void mailbox_report(struct report *n, const struct event_state *document)
{
    const struct es_message_count *voice = &document->messages.counts[ES_MESSAGES_VOICE];
    const struct compositor_port *port = &n->c->cfg.port;
    int r;

    if (!voice->given) {
        (void)refuse(n, 404, STR("the body has no Voice-Message"));
        return;
    }
    r = port->mailbox(port->ctx, n->rq->endpoint->incoming_mwi_mailbox, voice->new_count,
                      voice->old_count);
    if (r) {
        (void)refuse(n, 503, STR("this server is busy"));
        return;
    }
    n->c->counters.mailboxes_reported++;
    server_txn_reject(n->rq->txn, 200, STR_EMPTY);
}

static void body_read(struct report *n)
{
    const struct sip_message *msg = n->rq->msg;
    struct event_state *document;
    int r;

    buf_reset(&n->c->why);
    r = inbound_parse(&document, NULL, STR("message-summary"),
                      sip_header_value(msg, SIP_H_CONTENT_TYPE), msg->body, &n->c->why);
    if (r < 0) {
        (void)refuse(n, 503, STR("there is no memory for this request"));
    } else if (r) {
        (void)refuse(n, 404, buf_str(&n->c->why));
    } else {
        mailbox_report(n, document);
        event_state_unref(document);
    }
}

void compositor_notify(void *compositor, const struct uas_request *rq)
{
    static bool (*const checks[])(struct report * n) = { check_dialog, check_event, check_mailbox,
                                                         check_disposition };
    struct report n = { compositor, rq };

    buf_reset(&n.c->headers);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (checks[i](&n))
            return;
    body_read(&n);
}
