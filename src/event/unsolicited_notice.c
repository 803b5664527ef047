// SPDX-License-Identifier: MIT
/* One NOTIFY at a time per notice, with the newest state: when one is due, its bytes, what its
 * answer means. Whoever does not take it is tried again, ever more seldom, until the newest state
 * has arrived: nobody subscribed, so nobody else will notice that a lamp is wrong. */
#include "event/event_internal.h"

#include <stdlib.h>

enum {
    TURN_MAX = 256,      /* notices that are begun in one tick of the wheel */
    REGISTERED_MS = 250, /* after a REGISTER, whose answer comes first */
};

static const unsigned notice_moves[NOTICE_STATES] = {
    [NOTICE_IDLE] = BIT(NOTICE_DUE) | BIT(NOTICE_WAITING),
    [NOTICE_DUE] = BIT(NOTICE_IDLE) | BIT(NOTICE_SENDING) | BIT(NOTICE_WAITING),
    [NOTICE_SENDING] = BIT(NOTICE_IDLE) | BIT(NOTICE_DUE) | BIT(NOTICE_WAITING),
    [NOTICE_WAITING] = BIT(NOTICE_IDLE) | BIT(NOTICE_DUE) | BIT(NOTICE_WAITING),
};

static struct notifier *notifier_of(const struct notice *t)
{
    return t->addressee->notifier;
}

static struct str contact_of(const struct notice *t)
{
    return t->request.contact->uri;
}

static bool is_seeking(const struct notice *t)
{
    return t->state == NOTICE_SENDING && t->request.state == REQUEST_SEEKING;
}

const char *notice_state_name(const struct notice *t)
{
    switch (t->state) {
    case NOTICE_IDLE:
        return t->is_told ? "told" : "silent";
    case NOTICE_WAITING:
        return "waiting";
    default:
        return "sending";
    }
}

/* ---- moves ---- */

static void view_forget(struct notice *t)
{
    snapshot_unref(t->view);
    t->view = NULL;
    t->body = NULL;
}

static void notice_leave(struct notice *t)
{
    struct notifier *n = notifier_of(t);

    list_remove(&t->due);
    timer_stop(n->cfg.wheel, &t->timer);
    contact_request_stop(&t->request);
    n->unsolicited.outstanding -= t->is_sent;
    t->is_sent = false;
    view_forget(t);
}

static void notice_move(struct notice *t, enum notice_state next)
{
    BUG_UNLESS(notice_moves[t->state] & BIT(next));
    notice_leave(t);
    t->state = next;
}

static void notice_due(struct notice *t)
{
    struct unsolicited *u = &notifier_of(t)->unsolicited;

    notice_move(t, NOTICE_DUE);
    list_append(&u->due, &t->due);
    if (!timer_running(&u->turn))
        timer_start(notifier_of(t)->cfg.wheel, &u->turn, 0);
}

void notice_rest(struct notice *t)
{
    if (!t->is_sent && t->state != NOTICE_IDLE)
        notice_move(t, NOTICE_IDLE);
}

void notice_recall(struct notice *t)
{
    if (t->state != NOTICE_SENDING)
        return;
    if (notifier_of(t)->stopping)
        notice_move(t, NOTICE_IDLE);
    else
        notice_due(t);
}

/* What a subscription told until a reload had it tell something else is not what was told unasked
 * before that. */
static void solicited_look(struct notice *t)
{
    unsigned solicited = notice_solicited(t);

    if (solicited < t->solicited)
        t->is_told = t->quiet = false;
    t->solicited = solicited;
}

/* ---- failures ---- */

static void wait_ms(struct notice *t, uint64_t delay_ms, bool hold)
{
    notice_move(t, NOTICE_WAITING);
    t->hold = hold;
    timer_start(notifier_of(t)->cfg.wheel, &t->timer, delay_ms);
}

void notice_registered(struct notice *t)
{
    t->is_told = t->quiet = false;
    t->failures = 0;
    wait_ms(t, REGISTERED_MS, true);
}

static uint64_t back_off_ms(const struct notice *t)
{
    unsigned shift = t->failures > 16 ? 16 : t->failures ? t->failures - 1 : 0;
    uint64_t ms = (uint64_t)BACK_OFF_FIRST_MS << shift;

    return ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS;
}

static uint64_t retry_after_ms(const struct sip_message *response)
{
    uint32_t seconds;

    if (!response ||
        sip_delta_seconds_parse(&seconds, sip_header_value(response, SIP_H_RETRY_AFTER)))
        return 0;
    return 1000ull * seconds < RETRY_AFTER_MAX_MS ? 1000ull * seconds : RETRY_AFTER_MAX_MS;
}

/* `status` as a client transaction has it: 408 nobody answers, 503 not reached. */
static void notice_fail(struct notice *t, unsigned status, const struct sip_message *response)
{
    struct notifier *n = notifier_of(t);
    uint64_t told_ms = retry_after_ms(response), delay_ms;

    t->failures++;
    t->last_status = status;
    delay_ms = told_ms ? told_ms : back_off_ms(t);
    n->counters.unsolicited_failed++;
    LOG_AT(n->cfg.log, t->failures == 1 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "unsolicited.failed",
           KV("endpoint", addressee_id(t->addressee)), KV("contact", contact_of(t)),
           KV_U("status", status), KV_U("failures", t->failures), KV_U("retry_ms", delay_ms));
    wait_ms(t, delay_ms, told_ms > 0);
}

/* ---- what is told ---- */

/* What a body is made from. 0, NOTICE_NOTHING, -ENOMEM. */
static int view_create(const struct notice *t, struct snapshot **out)
{
    struct notifier *n = notifier_of(t);
    const struct endpoint_settings *e = settings_endpoint(n->settings, addressee_id(t->addressee));
    bool any = e && settings_aor(n->settings, t->request.contact->aor);
    struct es_message_count sum;
    struct event_state *document;
    struct str account;
    int r = any ? notice_sum(t, &sum) : NOTICE_NOTHING;

    if (!r)
        r = event_state_create(&document);
    if (r)
        return r;
    document->has_messages = true;
    document->messages.counts[ES_MESSAGES_VOICE] = sum;
    document->messages.waiting = sum.new_count > 0;
    account = e->voicemail_extension.n ? e->voicemail_extension
                                       : n->settings->global.default_voicemail_extension;
    r = event_state_text(document, &document->messages.account, account);
    if (!r)
        r = snapshot_create(out, &(struct snapshot_spec){ .sequence = 1,
                                                          .presence = PRESENCE_NOT_SET,
                                                          .published = document,
                                                          .package = STR("message-summary"),
                                                          .extension = e->id });
    event_state_unref(document);
    return r;
}

struct notice_body { /* a body, and what it lives as long as */
    struct snapshot *view;
    const struct rendered_body *body;
};

/* 0, NOTICE_NOTHING, negative. */
static int notice_body_make(const struct notice *t, struct notice_body *out)
{
    int r = view_create(t, &out->view);

    if (!r) {
        r = body_render(t->addressee->profile, out->view, notifier_of(t)->cfg.rng, &out->body);
        if (r)
            snapshot_unref(out->view);
    }
    return r;
}

static void notice_body_set(struct notice *t, const struct notice_body *made)
{
    view_forget(t);
    t->view = made->view;
    t->body = made->body;
}

/* ---- when ---- */

/* Is there anything in it that the telephone does not know? */
static bool is_news(struct notice *t, const struct notice_body *made)
{
    uint64_t digest = body_digest(made->body);

    if (t->quiet) {
        t->quiet = false;
        t->is_told = true;
        t->told = digest;
    }
    return !t->is_told || t->told != digest;
}

static void notice_begin(struct notice *t)
{
    struct notice_body made;
    int r = notice_body_make(t, &made);

    if (r == 0 && !is_news(t, &made)) {
        snapshot_unref(made.view);
        r = NOTICE_NOTHING;
    }
    if (r == NOTICE_NOTHING) {
        notice_move(t, NOTICE_IDLE);
    } else if (r) {
        wait_ms(t, CONGESTED_MS, true);
    } else {
        notice_move(t, NOTICE_SENDING);
        notice_body_set(t, &made);
        contact_request_start(&t->request);
    }
}

/* So many at a time: at the start everybody is due. */
void notices_turn(struct timer *timer)
{
    struct notifier *n = CONTAINER_OF(timer, struct notifier, unsolicited.turn);
    struct list *due = &n->unsolicited.due;

    for (size_t i = 0; i < TURN_MAX && !list_empty(due); i++)
        notice_begin(CONTAINER_OF(due->next, struct notice, due));
    if (!list_empty(due))
        timer_start(n->cfg.wheel, timer, 0);
}

static void on_timer(struct timer *timer)
{
    notice_due(CONTAINER_OF(timer, struct notice, timer));
}

/* What is not on its way yet takes the change along. */
static void seeking_attend(struct notice *t)
{
    struct notice_body made;
    int r = notice_body_make(t, &made);

    if (r == NOTICE_NOTHING)
        notice_move(t, NOTICE_IDLE);
    else if (r == 0)
        notice_body_set(t, &made);
}

/* After a failure the next change may try again at once, but only after the first one. */
void notice_attend(struct notice *t, bool retry)
{
    bool may_retry = retry || (!t->hold && t->failures <= 1);

    if (notifier_of(t)->stopping)
        return;
    solicited_look(t);
    if (t->state == NOTICE_IDLE || (t->state == NOTICE_WAITING && may_retry) ||
        (is_seeking(t) && retry))
        notice_due(t);
    else if (is_seeking(t))
        seeking_attend(t);
}

/* ---- answers ---- */

static void answer_told(struct notice *t, unsigned status)
{
    struct notifier *n = notifier_of(t);

    n->counters.unsolicited_acknowledged++;
    if (t->failures)
        log_info(n->cfg.log, "unsolicited.told", KV("endpoint", addressee_id(t->addressee)),
                 KV("contact", contact_of(t)), KV_U("failures", t->failures));
    t->is_told = true;
    t->told = t->sent;
    t->failures = 0;
    t->last_status = status;
    notice_due(t); /* there may be news */
}

static struct notice *notice_of(struct contact_request *r)
{
    return CONTAINER_OF(r, struct notice, request);
}

static const struct notice *notice_of_const(const struct contact_request *r)
{
    return CONTAINER_OF(r, const struct notice, request);
}

static void on_print(const struct contact_request *r, struct buf *out)
{
    buf_add(out, STR("Event: message-summary\r\nSubscription-State: active\r\n"));
    sip_print_header(out, STR("Allow-Events"),
                     buf_str(&notifier_of(notice_of_const(r))->allow_events));
}

static void on_body(const struct contact_request *r, struct str self, struct buf *out)
{
    const struct rendered_body *body = notice_of_const(r)->body;
    const struct body_slots slots = { .local = self };

    sip_print_header(out, STR("Content-Type"), body_content_type(body));
    sip_print_header_u64(out, STR("Content-Length"), body_length(body, &slots));
    buf_add(out, STR("\r\n"));
    body_print(body, &slots, out);
}

static struct str on_endpoint(const struct contact_request *r)
{
    return addressee_id(notice_of_const(r)->addressee);
}

static struct str on_from_user(const struct contact_request *r)
{
    return settings_endpoint(r->all->settings, on_endpoint(r))->mwi_from_user;
}

static void on_sent(struct contact_request *r)
{
    struct notice *t = notice_of(r);
    struct notifier *n = notifier_of(t);

    n->unsolicited.outstanding += !t->is_sent;
    n->counters.unsolicited_sent++;
    t->is_sent = true;
    t->sent = body_digest(t->body);
    t->is_told = false; /* until it says so, nobody knows */
}

static void on_done(struct contact_request *r, unsigned status, const struct sip_message *response)
{
    struct notice *t = notice_of(r);

    if (status / 100 == 2)
        answer_told(t, status);
    else
        notice_fail(t, status, response);
    if (notifier_of(t)->stopping)
        notice_rest(t);
}

static void on_put_off(struct contact_request *r)
{
    struct notice *t = notice_of(r);

    if (notifier_of(t)->stopping)
        notice_rest(t);
    else
        wait_ms(t, CONGESTED_MS, true);
}

static const struct contact_request_ops notice_ops = {
    .method = SIP_NOTIFY,
    .print = on_print,
    .body = on_body,
    .endpoint = on_endpoint,
    .from_user = on_from_user,
    .sent = on_sent,
    .done = on_done,
    .put_off = on_put_off,
    .success_suffices = true,
};

/* ---- life ---- */

struct notice *notice_create(struct addressee *a, const struct contact *contact, struct box *box,
                             bool quiet)
{
    struct notice *t = calloc(1, sizeof(*t));
    struct notifier *n = a->notifier;

    if (!t)
        return NULL;
    *t = (struct notice){ .addressee = a, .box = box, .quiet = quiet };
    if (box)
        box->refs++;
    contact_request_init(&t->request, &n->unsolicited.requests, contact_ref(contact), &notice_ops);
    timer_init(&t->timer, on_timer);
    list_init(&t->due);
    list_init(&t->of_addressee);
    list_append(&a->notices, &t->of_addressee);
    n->counters.unsolicited++;
    return t;
}

void notice_contact_set(struct notice *t, const struct contact *contact)
{
    const struct contact *former = t->request.contact;

    t->request.contact = contact_ref(contact);
    contact_unref(former);
}

void notice_destroy(struct notice *t)
{
    struct notifier *n = notifier_of(t);

    notice_leave(t);
    list_remove(&t->of_addressee);
    box_unref(n, t->box);
    contact_unref(t->request.contact);
    n->counters.unsolicited--;
    free(t);
}
