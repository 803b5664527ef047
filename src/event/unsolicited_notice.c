// SPDX-License-Identifier: MIT
/* One NOTIFY at a time per notice, with the newest state: when one is due, its bytes, what its
 * answer means. Whoever does not take it is tried again, ever more seldom, until the newest state
 * has arrived: nobody subscribed, so nobody else will notice that a lamp is wrong. */
#include "event/event_internal.h"

#include <stdlib.h>

enum {
    TURN_MAX = 256,           /* notices that are begun in one tick of the wheel */
    SEEK_PATIENCE_MS = 30000, /* for an address */
};

static const unsigned notice_moves[NOTICE_STATES] = {
    [NOTICE_IDLE] = BIT(NOTICE_DUE),
    [NOTICE_DUE] = BIT(NOTICE_IDLE) | BIT(NOTICE_SEEKING) | BIT(NOTICE_WAITING),
    [NOTICE_SEEKING] =
        BIT(NOTICE_IDLE) | BIT(NOTICE_DUE) | BIT(NOTICE_SENDING) | BIT(NOTICE_WAITING),
    [NOTICE_SENDING] = BIT(NOTICE_DUE) | BIT(NOTICE_SEEKING) | BIT(NOTICE_WAITING),
    [NOTICE_WAITING] = BIT(NOTICE_IDLE) | BIT(NOTICE_DUE),
};

static struct notifier *notifier_of(const struct notice *t)
{
    return t->addressee->notifier;
}

struct str notice_contact(const struct notice *t)
{
    return (struct str){ t->contact, t->contact_n };
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

static void notice_leave(struct notice *t)
{
    struct notifier *n = notifier_of(t);

    list_remove(&t->due);
    timer_stop(n->cfg.wheel, &t->timer);
    if (t->state == NOTICE_SEEKING)
        map_remove(&n->unsolicited.seeking, &t->node);
    if (t->state == NOTICE_SENDING) {
        client_txn_stop(&t->txn);
        str_free(&t->message);
        n->unsolicited.outstanding--;
    }
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
    if (t->state != NOTICE_SENDING && t->state != NOTICE_IDLE)
        notice_move(t, NOTICE_IDLE);
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

/* After a failure the next change may try again at once, but only after the first one. */
void notice_attend(struct notice *t, bool retry)
{
    bool may_retry = retry || (!t->hold && t->failures <= 1);

    if (notifier_of(t)->stopping)
        return;
    solicited_look(t);
    if (t->state == NOTICE_IDLE || (t->state == NOTICE_WAITING && may_retry) ||
        (t->state == NOTICE_SEEKING && retry))
        notice_due(t);
}

/* ---- failures ---- */

static void wait_ms(struct notice *t, uint64_t delay_ms, bool hold)
{
    notice_move(t, NOTICE_WAITING);
    t->hold = hold;
    timer_start(notifier_of(t)->cfg.wheel, &t->timer, delay_ms);
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
           KV("endpoint", addressee_id(t->addressee)), KV("contact", notice_contact(t)),
           KV_U("status", status), KV_U("failures", t->failures), KV_U("retry_ms", delay_ms));
    wait_ms(t, delay_ms, told_ms > 0);
}

/* ---- what is told ---- */

/* What a body is made from. 0, NOTICE_NOTHING, -ENOMEM. */
static int view_create(const struct notice *t, struct snapshot **out)
{
    struct notifier *n = notifier_of(t);
    const struct endpoint_settings *e = settings_endpoint(n->settings, addressee_id(t->addressee));
    struct es_message_count sum;
    struct event_state *document;
    struct str account;
    int r = e ? notice_sum(t, &sum) : NOTICE_NOTHING;

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

/* A body that lives as long as the snapshot. 0, NOTICE_NOTHING, negative: likewise. */
static int body_create(const struct notice *t, struct snapshot **view,
                       const struct rendered_body **body)
{
    int r = view_create(t, view);

    if (!r) {
        r = body_render(t->addressee->profile, *view, notifier_of(t)->cfg.rng, body);
        if (r)
            snapshot_unref(*view);
    }
    return r;
}

/* ---- bytes ---- */

/* The next hop on the way to the contact, of the first AOR that has it; empty: there is none but
 * the contact. */
static struct str proxy_of(const struct notice *t, const struct endpoint_settings *e)
{
    const struct settings *s = notifier_of(t)->settings;

    for (size_t i = 0; i < e->n_aors; i++) {
        const struct aor_settings *aor = settings_aor(s, e->aors[i]);

        for (size_t k = 0; aor && k < aor->n_contacts; k++)
            if (str_equal(aor->contacts[k], notice_contact(t)))
                return aor->outbound_proxy.n ? aor->outbound_proxy : e->outbound_proxy;
    }
    return e->outbound_proxy;
}

struct hop { /* the next one; borrowed */
    struct sip_uri uri;
    enum net_protocol protocol;
    bool named; /* the protocol: else it is what is usual */
};

/* RFC 3261 section 8.1.2. 0, -EBADMSG, -EPROTONOSUPPORT. */
static int hop_find(struct hop *out, const struct notice *t, const struct endpoint_settings *e)
{
    const struct settings *s = notifier_of(t)->settings;
    struct str proxy = proxy_of(t, e);
    const struct transport_settings *by = settings_transport(s, e->transport);
    int r = sip_uri_parse(&out->uri, proxy.n ? proxy : notice_contact(t));

    if (r)
        return r;
    out->named = txn_uri_protocol_named(&out->uri, by);
    return txn_uri_protocol_by(&out->protocol, &out->uri, by);
}

struct draft { /* a NOTIFY that is being written; borrowed */
    const struct settings *settings;
    const struct endpoint_settings *endpoint;
    const struct target *target;
    const struct rendered_body *body;
};

static void add_from_uri(struct buf *b, const struct draft *d)
{
    const struct endpoint_settings *e = d->endpoint;
    struct str user = e->mwi_from_user.n ? e->mwi_from_user
                      : e->from_user.n   ? e->from_user
                                         : d->settings->global.default_from_user;

    buf_add(b, STR("sip:"));
    buf_add(b, user);
    if (user.n)
        buf_add_char(b, '@');
    if (e->from_domain.n)
        sip_host_print(b, e->from_domain);
    else
        buf_add(b, buf_str(&d->target->self));
}

static void add_head(struct buf *b, const struct notice *t)
{
    const struct draft *d = t->draft;
    const struct notify_tail *tail = notifier_of(t)->tail;
    struct str proxy = proxy_of(t, d->endpoint);

    buf_add(b, STR("NOTIFY "));
    buf_add(b, buf_str(&d->target->uri));
    buf_add(b, STR(" SIP/2.0\r\n"));
    txn_print_via(&t->txn, buf_str(&d->target->self), d->target->ask_rport, b);
    buf_add(b, STR("From: <"));
    add_from_uri(b, d);
    buf_add(b, STR(">;tag="));
    buf_add(b, (struct str){ t->tag, t->tag_n });
    buf_add(b, STR("\r\nTo: <"));
    buf_add(b, buf_str(&d->target->uri));
    buf_add(b, STR(">\r\n"));
    sip_print_header(b, STR("Contact"), buf_str(&d->target->contact));
    sip_print_header(b, STR("Call-ID"), (struct str){ t->call_id, sizeof(t->call_id) });
    buf_add(b, STR("CSeq: "));
    buf_add_u64(b, t->cseq);
    buf_add(b, STR(" NOTIFY\r\n"));
    if (proxy.n) {
        buf_add(b, STR("Route: <"));
        buf_add(b, proxy);
        buf_add(b, STR(">\r\n"));
    }
    buf_add(b, STR("Event: message-summary\r\nSubscription-State: active\r\n"));
    buf_add(b, (struct str){ tail->text, tail->n });
}

static int add_message(struct buf *out, const struct notice *t)
{
    const struct rendered_body *body = t->draft->body;
    char room[2 * EVENT_URI_MAX];
    struct buf local;
    struct body_slots slots = { .version = 0 };

    buf_init_on(&local, room, sizeof(room));
    add_from_uri(&local, t->draft);
    if (local.error)
        return local.error;
    slots.local = buf_str(&local);
    add_head(out, t);
    sip_print_header(out, STR("Content-Type"), body_content_type(body));
    sip_print_header_u64(out, STR("Content-Length"), body_length(body, &slots));
    buf_add(out, STR("\r\n"));
    body_print(body, &slots, out);
    return out->error;
}

static int on_print(struct client_txn *ct, struct buf *out)
{
    struct notice *t = CONTAINER_OF(ct, struct notice, txn);

    if (t->message.n) {
        buf_add(out, t->message);
        return out->error;
    }
    t->print_error = add_message(out, t);
    if (!t->print_error)
        t->print_error = str_dup(&t->message, buf_str(out));
    return t->print_error;
}

/* ---- sending ---- */

static void on_done(struct client_txn *ct, unsigned status, const struct sip_message *response);
static struct str on_host(const struct client_txn *ct);
static const struct client_txn_ops notice_ops = { .print = on_print,
                                                  .done = on_done,
                                                  .host = on_host };

/* Only asked for while it is sent. */
static struct str on_host(const struct client_txn *ct)
{
    const struct notice *t = CONTAINER_OF(ct, const struct notice, txn);
    struct hop hop;

    return hop_find(&hop, t, t->draft->endpoint) ? STR_EMPTY : hop.uri.host;
}

/* 0, -EMSGSIZE, or why there is no way to this address. */
static int target_make(struct target *out, const struct notice *t,
                       const struct endpoint_settings *e, const struct dns_target *to)
{
    struct notifier *n = notifier_of(t);
    struct sip_uri uri;
    int r = n->cfg.port.route(n->cfg.port.ctx, e->transport, to->protocol, &to->addr, &out->flow);

    if (!r)
        r = sip_uri_parse(&uri, notice_contact(t));
    if (r)
        return r;
    uri.headers = STR_EMPTY; /* RFC 3261 section 19.1.1 */
    buf_init_on(&out->uri, out->uri_room, sizeof(out->uri_room));
    sip_uri_print(&out->uri, &uri);
    out->secure = uri.secure;
    r = target_finish(out, n, e);
    return out->uri.error ? out->uri.error : r;
}

/* Our own shortages pass; a network that refuses is as good as no answer. */
static void start_failed(struct notice *t, int error)
{
    bool ours = error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN;

    t->cseq--;
    str_free(&t->message);
    if (ours)
        wait_ms(t, CONGESTED_MS, true);
    else
        notice_fail(t, t->print_error || error == -EMSGSIZE ? 500 : 503, NULL);
}

static void notice_send(struct notice *t, const struct endpoint_settings *e,
                        const struct rendered_body *body, const struct dns_target *to)
{
    struct notifier *n = notifier_of(t);
    struct target target;
    const struct draft draft = { n->settings, e, &target, body };
    int r = target_make(&target, t, e, to);

    t->cseq++;
    t->print_error = 0;
    t->draft = &draft;
    if (!r)
        r = client_txn_start(n->cfg.txn, &t->txn, SIP_NOTIFY, &target.flow, &notice_ops);
    t->draft = NULL;
    if (r) {
        start_failed(t, r);
        return;
    }
    notice_move(t, NOTICE_SENDING);
    n->unsolicited.outstanding++;
    n->counters.unsolicited_sent++;
    t->sent = body_digest(body);
    t->is_told = false; /* until it says so, nobody knows */
}

static bool notice_asks(const struct map_node *node, const void *question)
{
    return CONTAINER_OF(node, const struct notice, node)->question == *(const uint64_t *)question;
}

/* To one of where it is. */
static void notice_try(struct notice *t, const struct dns_target *to)
{
    struct notifier *n = notifier_of(t);
    const struct rendered_body *body;
    struct snapshot *view;
    int r = body_create(t, &view, &body);

    if (r == 0) {
        notice_send(t, settings_endpoint(n->settings, addressee_id(t->addressee)), body, to);
        snapshot_unref(view);
    } else if (r == NOTICE_NOTHING) {
        notice_move(t, NOTICE_IDLE);
    } else {
        wait_ms(t, CONGESTED_MS, true);
    }
}

/* Only of several is anything kept; without memory there is no other. */
static void targets_keep(struct notice *t, const struct dns_targets *found)
{
    free(t->targets);
    t->target = 0;
    t->targets = found->n > 1 ? malloc(sizeof(*t->targets)) : NULL;
    if (t->targets)
        *t->targets = *found;
}

static void targets_forget(struct notice *t)
{
    free(t->targets);
    t->targets = NULL;
}

void notifier_resolved(struct notifier *n, uint64_t question, const struct dns_targets *found)
{
    struct map *seeking = &n->unsolicited.seeking;
    struct map_node *node =
        map_find(seeking, map_hash_u64(seeking, question), notice_asks, &question);
    struct notice *t;

    if (!node) {
        seek_resolved(n, question, found);
        return;
    }
    t = CONTAINER_OF(node, struct notice, node);
    if (!found->n) {
        log_info(n->cfg.log, "unsolicited.no_address", KV("endpoint", addressee_id(t->addressee)),
                 KV("contact", notice_contact(t)), KV("why", found->why));
        notice_fail(t, 503, NULL);
        return;
    }
    targets_keep(t, found);
    notice_try(t, &found->list[0]);
}

/* ---- when ---- */

/* Is there anything that it does not know? 0, NOTICE_NOTHING, negative. */
static int notice_news(struct notice *t)
{
    const struct rendered_body *body;
    struct snapshot *view;
    uint64_t digest;
    int r = body_create(t, &view, &body);

    if (r)
        return r;
    digest = body_digest(body);
    snapshot_unref(view);
    if (t->quiet) {
        t->quiet = false;
        t->is_told = true;
        t->told = digest;
    }
    return t->is_told && t->told == digest ? NOTICE_NOTHING : 0;
}

static void seeking_begin(struct notice *t)
{
    struct notifier *n = notifier_of(t);
    struct unsolicited *u = &n->unsolicited;

    notice_move(t, NOTICE_SEEKING);
    t->question = ++u->last_question;
    map_add(&u->seeking, &t->node, map_hash_u64(&u->seeking, t->question));
    timer_start(n->cfg.wheel, &t->timer, SEEK_PATIENCE_MS);
}

static void notice_seek(struct notice *t)
{
    struct notifier *n = notifier_of(t);
    const struct endpoint_settings *e = settings_endpoint(n->settings, addressee_id(t->addressee));
    struct dns_question q;
    struct hop hop;

    if (hop_find(&hop, t, e)) {
        notice_fail(t, 503, NULL);
        return;
    }
    seeking_begin(t);
    q = (struct dns_question){ .host = hop.uri.host,
                               .port = hop.uri.port,
                               .secure = hop.uri.secure,
                               .fixed = hop.named,
                               .protocol = hop.protocol };
    n->cfg.port.resolve(n->cfg.port.ctx, &q, t->question);
}

/* So many at a time: at the start everybody is due. */
void notices_turn(struct timer *timer)
{
    struct notifier *n = CONTAINER_OF(timer, struct notifier, unsolicited.turn);
    struct list *due = &n->unsolicited.due;

    for (size_t i = 0; i < TURN_MAX && !list_empty(due); i++) {
        struct notice *t = CONTAINER_OF(due->next, struct notice, due);
        int r = notice_news(t);

        if (r == 0)
            notice_seek(t);
        else if (r == NOTICE_NOTHING)
            notice_move(t, NOTICE_IDLE);
        else
            wait_ms(t, CONGESTED_MS, true);
    }
    if (!list_empty(due))
        timer_start(n->cfg.wheel, timer, 0);
}

static void on_timer(struct timer *timer)
{
    struct notice *t = CONTAINER_OF(timer, struct notice, timer);

    if (t->state == NOTICE_SEEKING)
        notice_fail(t, 503, NULL);
    else
        notice_due(t);
}

/* ---- answers ---- */

static void answer_told(struct notice *t, unsigned status)
{
    struct notifier *n = notifier_of(t);

    n->counters.unsolicited_acknowledged++;
    if (t->failures)
        log_info(n->cfg.log, "unsolicited.told", KV("endpoint", addressee_id(t->addressee)),
                 KV("contact", notice_contact(t)), KV_U("failures", t->failures));
    t->is_told = true;
    t->told = t->sent;
    t->failures = 0;
    t->last_status = status;
    notice_due(t); /* there may be news */
}

/* RFC 3263 section 4.3. */
static bool notice_goes_elsewhere(struct notice *t, unsigned status,
                                  const struct sip_message *response)
{
    if (!t->targets || (response && status != 503) || t->target + 1u >= t->targets->n)
        return false;
    t->target++;
    seeking_begin(t); /* and it is found at once */
    notice_try(t, &t->targets->list[t->target]);
    return true;
}

static void on_done(struct client_txn *ct, unsigned status, const struct sip_message *response)
{
    struct notice *t = CONTAINER_OF(ct, struct notice, txn);

    if (status / 100 == 2) {
        targets_forget(t);
        answer_told(t, status);
    } else if (!notice_goes_elsewhere(t, status, response)) {
        targets_forget(t);
        notice_fail(t, status, response);
    }
    if (notifier_of(t)->stopping)
        notice_rest(t);
}

/* ---- life ---- */

static void call_id_make(struct notice *t)
{
    unsigned char random[sizeof(t->call_id) / 2];
    struct buf b;

    rng_fill(notifier_of(t)->cfg.rng, random, sizeof(random));
    buf_init_on(&b, t->call_id, sizeof(t->call_id));
    buf_add_hex(&b, random, sizeof(random));
}

struct notice *notice_create(struct addressee *a, struct str contact, struct box *box, bool quiet)
{
    struct notice *t = malloc(sizeof(*t) + contact.n);
    struct notifier *n = a->notifier;

    if (!t)
        return NULL;
    *t = (struct notice){ .addressee = a, .box = box, .quiet = quiet, .contact_n = contact.n };
    memcpy(t->contact, contact.p, contact.n);
    if (box)
        box->refs++;
    t->tag_n = (uint8_t)txn_tag_make(n->cfg.txn, t->tag).n;
    call_id_make(t);
    client_txn_init(&t->txn);
    timer_init(&t->timer, on_timer);
    list_init(&t->due);
    list_init(&t->of_addressee);
    list_append(&a->notices, &t->of_addressee);
    n->counters.unsolicited++;
    return t;
}

void notice_destroy(struct notice *t)
{
    struct notifier *n = notifier_of(t);

    notice_leave(t);
    targets_forget(t);
    list_remove(&t->of_addressee);
    box_unref(n, t->box);
    n->counters.unsolicited--;
    free(t);
}
