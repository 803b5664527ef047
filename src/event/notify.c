// SPDX-License-Identifier: MIT
/* One NOTIFY at a time per subscription: when one is due, its bytes, and what its answer means.
 * RFC 6665 section 4.2.2, RFC 5057 for what an error says about the usage. */
#include "event/event_internal.h"

#include <stdlib.h>

/* ---- entity-tags of views: RFC 5839 section 4.1 ---- */

enum { ENTITY_TAG_LEN = 16 };

/* What is told to everybody who gets this rendering, but for versions and names: two who know the
 * same tag see the same lamp. */
static void add_entity_tag(struct buf *b, uint64_t digest)
{
    char digits[ENTITY_TAG_LEN];

    hex_u64(digits, digest);
    buf_add(b, STR("SIP-ETag: "));
    buf_add(b, (struct str){ digits, sizeof(digits) });
    buf_add(b, STR("\r\n"));
}

int entity_tag_parse(uint64_t *out, struct str tag)
{
    uint64_t digest = 0;

    if (tag.n != ENTITY_TAG_LEN)
        return -EINVAL;
    for (size_t i = 0; i < tag.n; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = tag.p[i] ? strchr(digits, tag.p[i]) : NULL;

        if (!digit)
            return -EINVAL;
        digest = digest << 4 | (uint64_t)(digit - digits);
    }
    *out = digest;
    return 0;
}

/* ---- the shared end of the head ---- */

static void add_tail(struct buf *b, const struct notifier *n)
{
    const struct global_settings *g = &n->settings->global;

    sip_print_header(b, STR("Allow-Events"), buf_str(&n->allow_events));
    sip_print_header_u64(b, STR("Max-Forwards"), g->max_forwards);
    if (g->user_agent.n)
        sip_print_header(b, STR("User-Agent"), g->user_agent);
}

int notify_tail_create(struct notify_tail **out, const struct notifier *n)
{
    struct notify_tail *t = NULL;
    struct buf b;
    int r;

    buf_init(&b, SIP_MESSAGE_MAX);
    add_tail(&b, n);
    r = b.error;
    if (!r) {
        t = malloc(sizeof(*t) + b.n);
        r = t ? 0 : -ENOMEM;
    }
    if (!r) {
        *t = (struct notify_tail){ .refs = 1, .n = b.n };
        memcpy(t->text, b.p, b.n);
        *out = t;
    }
    buf_fini(&b);
    return r;
}

void notify_tail_unref(struct notify_tail *t)
{
    if (t && --t->refs == 0)
        free(t);
}

/* ---- bytes ---- */

/* RFC 6665 section 4.1.3. */
static void add_state(struct buf *b, const struct notify *t)
{
    static const struct str states[] = {
        [END_TIMEOUT] = STR_INIT("terminated;reason=timeout"),
        [END_NORESOURCE] = STR_INIT("terminated;reason=noresource"),
        [END_REJECTED] = STR_INIT("terminated;reason=rejected"),
        [END_DEACTIVATED] = STR_INIT("terminated;reason=deactivated"),
        [END_PROBATION] = STR_INIT("terminated;reason=probation;retry-after="),
        [END_GIVEUP] = STR_INIT("terminated;reason=giveup;retry-after="),
    };

    if (t->expires_s) {
        buf_add(b, t->pending ? STR("pending;expires=") : STR("active;expires="));
        buf_add_u64(b, t->expires_s);
        return;
    }
    buf_add(b, t->reason == END_NONE ? STR("terminated") : states[t->reason]);
    if (t->reason == END_PROBATION || t->reason == END_GIVEUP)
        buf_add_u64(b, t->retry_s);
}

static void add_head(struct buf *b, const struct notify *t)
{
    const struct subscription *s = t->subscription;

    head_print(t->head, &t->txn, s->cseq, b);
    buf_add(b, STR("Event: "));
    buf_add(b, sub_text(s, SUB_EVENT));
    buf_add(b, STR("\r\nSubscription-State: "));
    add_state(b, t);
    buf_add(b, STR("\r\n"));
    if (s->list)
        sip_print_header(b, STR("Require"), STR(LIST_EXTENSION));
    buf_add(b, (struct str){ t->tail->text, t->tail->n });
}

static void add_body(struct buf *out, const struct rendered_body *body,
                     const struct body_slots *slots)
{
    struct str type = body_content_type(body);

    if (type.n) /* a package that is served as it was published, and nothing was */
        sip_print_header(out, STR("Content-Type"), type);
    sip_print_header_u64(out, STR("Content-Length"), body_length(body, slots));
    buf_add(out, STR("\r\n"));
    body_print(body, slots, out);
}

int view_digest(const struct subscription *s, const struct body_profile *p,
                const struct snapshot *snap, uint64_t *out)
{
    const struct rendered_body *body;
    int r;

    if (s->list)
        return list_digest(s, p, snap, out);
    r = body_render(p, snap, s->dialog->notifier->cfg.rng, &body);
    if (!r)
        *out = body_digest(body);
    return r;
}

static int list_notify_print(const struct notify *t, struct buf *out)
{
    const struct subscription *s = t->subscription;
    uint64_t digest;
    int r = list_digest(s, s->sent_profile, s->sent, &digest);

    if (r)
        return r;
    add_head(out, t);
    add_entity_tag(out, digest);
    if (!t->bodiless)
        return list_print(
            s, &(struct list_news){ .profile = s->sent_profile, .is = s->sent, .was = t->was },
            out);
    buf_add(out, STR("Content-Length: 0\r\n\r\n"));
    return out->error;
}

/* Everything it reads was fixed when the NOTIFY was started, so that each time gives the same
 * bytes; the rendered body hangs on the snapshot. */
static int body_notify_print(const struct notify *t, struct buf *out)
{
    const struct subscription *s = t->subscription;
    struct notifier *n = s->dialog->notifier;
    const struct body_slots slots = { .version = s->version,
                                      .local = sub_text(s, SUB_LOCAL),
                                      .remote = sub_text(s, SUB_REMOTE) };
    const struct rendered_body *whole, *body = NULL;
    int r = body_render(s->sent_profile, s->sent, n->cfg.rng, &whole);

    if (!r && t->news)
        r = body_render(t->news, s->sent, n->cfg.rng, &body);
    if (r)
        return r;
    add_head(out, t);
    add_entity_tag(out, body_digest(whole));
    if (t->bodiless)
        buf_add(out, STR("Content-Length: 0\r\n\r\n"));
    else
        add_body(out, body ? body : whole, &slots);
    return out->error;
}

static int notify_print(struct client_txn *ct, struct buf *out)
{
    const struct notify *t = CONTAINER_OF(ct, const struct notify, txn);
    struct notifier *n = t->notifier;
    int r = t->subscription->list ? list_notify_print(t, out) : body_notify_print(t, out);

    n->counters.notify_retransmitted += t->sent && r == 0;
    n->print_result = r;
    return r;
}

/* ---- sending ---- */

static const struct client_txn_ops notify_ops;

static struct notify *notify_alloc(struct notifier *n)
{
    struct notify *t = n->spare;

    if (t) {
        n->spare = t->next;
        n->n_spare--;
        return t;
    }
    t = malloc(sizeof(*t));
    if (!t)
        return NULL;
    client_txn_init(&t->txn);
    t->notifier = n;
    tally_add(&n->heap.notifies, t);
    return t;
}

/* Its transaction is over. */
static void notify_release(struct subscription *s)
{
    struct notify *t = s->notify;
    struct notifier *n = t->notifier;

    s->notify = NULL;
    dialog_head_unref(t->head);
    notify_tail_unref(t->tail);
    snapshot_unref(t->was);
    if (n->n_spare == SPARE_NOTIFIES) {
        tally_remove(&n->heap.notifies, t);
        free(t);
        return;
    }
    t->next = n->spare;
    n->spare = t;
    n->n_spare++;
}

void notify_fini(struct notifier *n)
{
    while (n->spare) {
        struct notify *t = notify_alloc(n);

        tally_remove(&n->heap.notifies, t);
        free(t);
    }
}

/* `s->sent` becomes `snap`; returns how many states in between were never told. */
static uint64_t sent_set(struct subscription *s, const struct snapshot *snap)
{
    const struct snapshot *former = s->sent;
    uint64_t between = 0;

    body_profile_replace(&s->sent_profile, s->profile);
    if (snap == former)
        return 0;
    if (former && former->resource_id == snap->resource_id && snap->sequence > former->sequence + 1)
        between = snap->sequence - former->sequence - 1;
    sub_notifier(s)->counters.coalesced += between;
    s->sent = snapshot_ref(snap);
    snapshot_unref(former);
    return between;
}

/* When it may ask again. */
static uint32_t retry_after_s(const struct subscription *s)
{
    const struct notifier *n = s->dialog->notifier;

    return s->reason == END_GIVEUP ? n->settings->authorization->give_up_s
                                   : n->drain.how.retry_after_s;
}

/* The changes are enough for a subscriber that shows the state before this one, and did not ask. */
static bool changes_suffice(const struct subscription *s, const struct snapshot *view)
{
    return s->winfo && !s->answer_due && s->sent->sequence + 1 == view->sequence &&
           view->published->changes_suffice;
}

/* Where the lamp needs no dialog that has ended, it is told to who shows what was before. Those
 * that have ended are the last. */
static bool has_ended(const struct subscription *s, const struct snapshot *view)
{
    const struct event_state *is = view->published;

    return (s->flags & ES_FLAG_NO_IDLE_DIALOG) && is != s->sent->published && is->has_dialogs &&
           is->n_dialogs && is->dialogs[is->n_dialogs - 1].state == ES_DIALOG_TERMINATED;
}

/* What is told only once, to who shows the state that was told last. NULL: it gets the state as it
 * is, which is never wrong. */
static const struct body_profile *news_for(const struct subscription *s,
                                           const struct snapshot *view)
{
    const struct body_profile *news = NULL;
    unsigned flag = 0;

    if (!s->acknowledged || !s->notified || s->profile != s->sent_profile || !view->published ||
        s->sent->resource_id != view->resource_id)
        return NULL;
    if (changes_suffice(s, view))
        flag = ES_FLAG_PARTIAL;
    else if (has_ended(s, view))
        flag = ES_FLAG_ENDED;
    return !flag || body_profile_with(s->profile, flag, &news) ? NULL : news;
}

/* RFC 4662 section 4.5: changes are enough for who shows what was told last, and did not ask. */
static const struct snapshot *list_was(const struct subscription *s, const struct snapshot *view)
{
    return s->list && s->acknowledged && s->notified && !s->answer_due && sub_runs(s) &&
                   s->profile == s->sent_profile && s->sent->resource_id == view->resource_id
               ? snapshot_ref(s->sent)
               : NULL;
}

/* Fix what the NOTIFY will say. */
static void notify_compose(struct subscription *s, struct notify *t, const struct snapshot *view)
{
    struct dialog *d = s->dialog;
    struct notifier *n = d->notifier;

    s->notify = t;
    t->subscription = s;
    t->sent = false;
    t->news = news_for(s, view);
    t->was = list_was(s, view);
    t->coalesced = (uint32_t)sent_set(s, view);
    s->acknowledged = false;
    t->head = dialog_head_ref(d->head);
    t->tail = n->tail;
    t->tail->refs++;
    s->cseq = ++d->local_cseq;
    t->bodiless = notify_is_suppressed(s);
    if (!t->bodiless)
        s->version = s->documented ? s->version + 1 : 0;
    t->expires_s = sub_runs(s) ? subscription_left_s(s) : 0;
    t->pending = s->state == SUB_PENDING;
    t->retry_s = retry_after_s(s);
    t->reason = n->settings->compatibility.terminated_without_reason ? END_NONE : s->reason;
}

/* Not sent after all: the numbers are free again. */
static void notify_uncompose(struct subscription *s, uint32_t former_cseq)
{
    s->dialog->local_cseq--;
    s->cseq = former_cseq;
    if (s->documented && !s->notify->bodiless)
        s->version--;
    notify_release(s);
}

static uint64_t back_off_ms(struct subscription *s)
{
    uint64_t delay = BACK_OFF_FIRST_MS;

    if (s->failures < UINT16_MAX)
        s->failures++;
    for (unsigned i = 1; i < s->failures && delay < BACK_OFF_MAX_MS; i++)
        delay *= 2;
    return delay < BACK_OFF_MAX_MS ? delay : BACK_OFF_MAX_MS;
}

/* The connection that was opened to it brought no answer. False: nor will another one. */
static bool opens_again(struct subscription *s)
{
    struct dialog *d = s->dialog;
    uint64_t delay_ms = sub_runs(s) ? dialog_reopen_ms(d) : UINT64_MAX;

    if (delay_ms == UINT64_MAX)
        return false;
    if (d->reopened++ == 1)
        log_info(d->notifier->cfg.log, "notify.no_connection", KV("endpoint", dialog_endpoint(d)),
                 KV("call_id", head_str(d->head, HEAD_CALL_ID)), KV_U("retry_ms", delay_ms));
    s->answer_due = true;
    subscription_retry(s, delay_ms, true);
    return true;
}

static const char lost_for_good[] = "its connection has ended, and its Contact cannot be reached";

/* Its connection is no more. 0: there is another way; DIALOG_WAITS: it is told when the subscriber
 * comes back, or is found by its name; DIALOG_STRANDED. */
static int way_renew(struct subscription *s)
{
    int r = dialog_reopen(s->dialog);

    if (r == DIALOG_STRANDED && sub_runs(s)) {
        r = seek_elsewhere(s->dialog, SEEK_UNREACHED);
        s->answer_due = s->answer_due || r == SEEK_WAITS;
        r = r == 0 ? 0 : r == SEEK_WAITS ? DIALOG_WAITS : DIALOG_STRANDED;
    }
    s->acknowledged = false;
    if (r == 0)
        s->answer_due = true;
    if (r == DIALOG_STRANDED && opens_again(s))
        return DIALOG_WAITS;
    if (r >= 0)
        return r;
    subscription_retry(s, CONGESTED_MS, true);
    return DIALOG_WAITS;
}

/* It did not even leave. Our own shortages pass; a network that refuses is as good as no answer. */
static void notify_not_started(struct subscription *s, int error)
{
    struct notifier *n = s->dialog->notifier;
    bool memory = error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN;
    bool body = error == n->print_result || error == -EMSGSIZE;
    bool connection = head_flow(s->dialog->head).connection && !memory && !body;
    int way = connection ? way_renew(s) : DIALOG_STRANDED;

    if (body)
        log_error(n->cfg.log, "notify.not_printed",
                  KV("content_type", body_profile_content_type(s->sent_profile)), KV_ERR(error));
    n->counters.notify_failed++;
    if (way == 0)
        notify_due(s);
    else if (!sub_runs(s))
        subscription_gone(s, "the last NOTIFY could not be sent");
    else if (way == DIALOG_WAITS)
        log_debug(n->cfg.log, "notify.waits", KV("endpoint", dialog_endpoint(s->dialog)));
    else if (memory)
        subscription_retry(s, CONGESTED_MS, true);
    else if (body) /* of this state: nobody refused anything, and the next one may well be told */
        subscription_retry(s, BACK_OFF_FIRST_MS, false);
    else
        subscription_gone(s, connection ? lost_for_good : "its address cannot be reached");
}

/* Before `s->notified` says that there has been one. */
static void notify_measure(struct subscription *s, struct notify *t)
{
    uint64_t now_ms, changed_ms = s->sent->changed_wall_ms;

    t->sent = true;
    t->late_ms = 0;
    t->tells_change = s->notified && s->sent->sequence > s->told_sequence;
    if (!t->tells_change)
        return;
    now_ms = clock_wall_ms(t->notifier->cfg.clock);
    t->late_ms = now_ms > changed_ms ? (uint32_t)(now_ms - changed_ms) : 0;
    histogram_add(&t->notifier->counters.sent_after, t->late_ms);
}

static void notify_send(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;
    const struct snapshot *view = watched_view(s);
    struct notify *t = view ? notify_alloc(n) : NULL;
    uint32_t former_cseq = s->cseq;
    struct flow flow;
    int r;

    if (!t) {
        if (sub_runs(s))
            subscription_retry(s, CONGESTED_MS, true);
        else
            subscription_gone(s, "the last NOTIFY could not be made");
        return;
    }
    notify_compose(s, t, view);
    kept_owe(s);
    n->print_result = 0;
    flow = head_flow(t->head);
    r = client_txn_start(n->cfg.txn, &t->txn, SIP_NOTIFY, &flow, &notify_ops);
    if (r) {
        notify_uncompose(s, former_cseq);
        notify_not_started(s, r);
        return;
    }
    notify_measure(s, t);
    s->notified = true;
    s->documented = s->documented || !t->bodiless;
    s->suppress_given = false;
    s->answer_due = false;
    s->batched = false;
    n->outstanding++;
    n->counters.notify_sent++;
    kept_numbers_passed(s);
    tell_notify(s, &(struct change_notify){ .what = EXCHANGE_SENT,
                                            .caused = t->tells_change,
                                            .late_ms = t->late_ms,
                                            .coalesced = t->coalesced });
    if (s->state == SUB_ENDING)
        sub_move(s, SUB_TERMINATED);
}

/* ---- when ---- */

bool notify_is_suppressed(const struct subscription *s)
{
    const struct snapshot *view = s->suppress_given ? watched_view(s) : NULL;
    uint64_t digest;

    if (!view)
        return false;
    return s->suppress_any ||
           (view_digest(s, s->profile, view, &digest) == 0 && digest == s->suppress_tag);
}

void notify_known(struct subscription *s)
{
    const struct snapshot *view = watched_view(s);

    if (s->notify || !view)
        return; /* its answer says what the subscriber knows */
    (void)sent_set(s, view);
    s->told_sequence = s->sent->sequence;
    s->acknowledged = true;
    kept_shows(s);
}

bool notify_is_shown(struct subscription *s)
{
    const struct snapshot *view = watched_view(s);

    if (!view || s->answer_due || s->dialog->notifier->settings->compatibility.restart_notify_all ||
        !kept_showed(s, s->profile, view))
        return false;
    notify_known(s);
    return true;
}

/* Would the body of `snap` repeat what the subscriber shows? */
static bool says_the_same(const struct subscription *s, const struct snapshot *snap)
{
    struct notifier *n = sub_notifier(s);
    const struct rendered_body *was, *is;
    uint64_t was_digest, is_digest;

    if (!s->acknowledged)
        return false;
    if (snap == s->sent && s->profile == s->sent_profile)
        return true;
    if (s->list)
        return view_digest(s, s->sent_profile, s->sent, &was_digest) == 0 &&
               view_digest(s, s->profile, snap, &is_digest) == 0 && was_digest == is_digest;
    if (n->settings->compatibility.ringing_repeat && snap->state > 0 &&
        (snap->state & EXTENSION_RINGING))
        return false;
    return body_render(s->sent_profile, s->sent, n->cfg.rng, &was) == 0 &&
           body_render(s->profile, snap, n->cfg.rng, &is) == 0 && body_same(was, is);
}

static void notify_swallow(struct subscription *s, const struct snapshot *snap)
{
    if (snap != s->sent)
        sub_notifier(s)->counters.swallowed++;
    (void)sent_set(s, snap);
    s->told_sequence = snap->sequence;
    s->batched = false;
}

/* After a refusal the next change may try again at once, but only after the first one. */
static bool must_wait(const struct subscription *s, const struct snapshot *newest)
{
    return s->retry_ms && (s->hold || s->failures > 1 || newest == s->sent);
}

/* A change that is to wait for others: from the first one on. */
static bool batch_begins(struct subscription *s)
{
    uint32_t batch_ms = s->list && !s->batched ? list_batch_ms(s) : 0;

    if (!batch_ms || !s->acknowledged)
        return false;
    s->batched = true;
    subscription_retry(s, batch_ms, true);
    return true;
}

void notify_due(struct subscription *s)
{
    const struct snapshot *newest;

    if (s->notify || s->promised)
        return; /* its answer asks again; or the one to the subscriber goes first */
    if (s->state == SUB_ENDING) {
        notify_send(s);
        return;
    }
    if (!sub_runs(s) || sub_notifier(s)->quiet || s->dialog->seeking == SEEKING_ASKS ||
        (s->dialog->reopened && s->retry_ms))
        return;
    newest = watched_view(s);
    if (newest && !s->answer_due) {
        if (must_wait(s, newest))
            return;
        if (says_the_same(s, newest)) {
            notify_swallow(s, newest);
            return;
        }
        if (batch_begins(s))
            return;
    }
    s->retry_ms = 0;
    notify_send(s);
}

void notify_forget(struct subscription *s)
{
    if (!s->notify)
        return;
    client_txn_stop(&s->notify->txn);
    s->dialog->notifier->outstanding--;
    notify_release(s);
}

void notify_abandon(struct subscription *s)
{
    notify_forget(s);
    s->acknowledged = false;
}

/* ---- answers ---- */

enum verdict { VERDICT_LATER, VERDICT_TOLD, VERDICT_GONE, VERDICT_REFUSED };

/* What an error says about the usage: RFC 6665 section 4.2.2 and RFC 5057 section 5.1. Whatever is
 * not named may pass. */
static enum verdict verdict_on(unsigned status)
{
    switch (status) {
    case 404:
    case 405:
    case 408:
    case 410:
    case 416:
    case 480:
    case 481:
    case 482:
    case 483:
    case 484:
    case 485:
    case 489:
    case 501:
    case 502:
    case 604:
        return VERDICT_GONE;
    case 406:
    case 413:
    case 415:
    case 488:
    case 513:
        return VERDICT_REFUSED; /* the body: too big, or of a type it does not want */
    default:
        return status / 100 == 2 ? VERDICT_TOLD : VERDICT_LATER;
    }
}

static void answer_told(struct notifier *n, struct subscription *s)
{
    n->counters.notify_acknowledged++;
    s->acknowledged = true;
    s->told_sequence = s->sent->sequence;
    if (!s->answer_due) /* else what it shows is told as something else */
        kept_shows(s);
    s->failures = 0;
    s->hold = false;
    s->retry_ms = 0;
}

static void answer_refused(struct subscription *s, unsigned status,
                           const struct sip_message *response)
{
    struct notifier *n = s->dialog->notifier;
    struct str after = sip_header_value(response, SIP_H_RETRY_AFTER);
    uint64_t delay = back_off_ms(s);
    uint32_t seconds;
    bool told_when = after.n && sip_delta_seconds_parse(&seconds, after) == 0;

    if (told_when)
        delay = 1000ull * seconds < RETRY_AFTER_MAX_MS ? 1000ull * seconds : RETRY_AFTER_MAX_MS;
    if (verdict_on(status) == VERDICT_REFUSED)
        log_warn(n->cfg.log, "notify.body_refused", KV_U("status", status),
                 KV("endpoint", dialog_endpoint(s->dialog)),
                 KV("content_type", body_profile_content_type(s->sent_profile)));
    else
        log_info(n->cfg.log, "notify.refused", KV_U("status", status),
                 KV("endpoint", dialog_endpoint(s->dialog)), KV_U("retry_ms", delay));
    subscription_retry(s, delay, told_when || status == 503);
}

/* RFC 3857 section 4.10. */
static void pace(struct subscription *s, uint64_t sent_ms)
{
    uint64_t now = notifier_now(s->dialog->notifier), due = sent_ms + WINFO_PACE_MS;

    if (due > now)
        subscription_retry(s, due - now, true);
}

/* RFC 6665 section 4.2.2 has us end who does not answer. Who has asked since that was sent is
 * there, though: he was away, and is owed another one, whose answer decides. */
static bool is_back(const struct subscription *s, unsigned status,
                    const struct sip_message *response)
{
    return !response && status == 408 && s->answer_due && sub_runs(s);
}

/* RFC 3263 section 4.3. */
static bool goes_elsewhere(struct subscription *s, unsigned status,
                           const struct sip_message *response, bool moved)
{
    struct dialog *d = s->dialog;
    bool unreached = status == 503 || (!response && status == 408);

    if (!unreached) {
        if (d->seeking == SEEKING_TRIES)
            seek_over(d);
        return false;
    }
    if (!sub_runs(s) || is_back(s, status, response))
        return false;
    if (!response && status == 408)
        d->reopened = UINT8_MAX; /* it has had its time */
    if (!(moved && d->seeking) &&
        seek_elsewhere(d, response ? SEEK_REFUSED : SEEK_UNREACHED) == SEEK_NONE)
        return false;
    s->answer_due = true;
    return true;
}

void notify_unreached(struct subscription *s, bool refused)
{
    if (refused)
        subscription_retry(s, back_off_ms(s), true);
    else if (!opens_again(s))
        subscription_gone(s, "the subscriber does not answer");
}

/* Which answer it is says why: 481 comes of a telephone that was started anew, 489 or 405 of one
 * that is none for this package. */
static void gone_by_answer(struct subscription *s, unsigned status)
{
    char why[48];

    snprintf(why, sizeof(why), "the subscriber refuses NOTIFY with %u", status);
    subscription_gone(s, why);
}

/* `response` is NULL when nobody answered, nothing could be sent again, or it was a 2xx. */
static void notify_done(struct client_txn *ct, unsigned status, const struct sip_message *response)
{
    const struct notify *t = CONTAINER_OF(ct, const struct notify, txn);
    struct subscription *s = t->subscription;
    struct notifier *n = t->notifier;
    enum verdict v = response || status / 100 == 2 ? verdict_on(status) : VERDICT_GONE;
    bool lost = !response && status == 503 && ct->flow.connection;
    bool moved = s->notify->head != s->dialog->head; /* since it was sent */
    uint64_t now = notifier_now(n), sent_ms = ct->started_ms;

    n->outstanding--;
    s->acknowledged_after_ms = now > sent_ms ? (uint32_t)(now - sent_ms) : 0;
    if (v == VERDICT_TOLD && t->tells_change)
        histogram_add(&n->counters.acknowledged_after, t->late_ms + s->acknowledged_after_ms);
    tell_notify(s, &(struct change_notify){ .what = response || status / 100 == 2
                                                        ? EXCHANGE_ANSWERED
                                                        : EXCHANGE_UNANSWERED,
                                            .status = status,
                                            .took_ms = s->acknowledged_after_ms,
                                            .late_ms = t->late_ms,
                                            .caused = t->tells_change });
    notify_release(s);
    if (response || status / 100 == 2)
        dialog_answered(s->dialog);
    if (v == VERDICT_TOLD)
        answer_told(n, s);
    else if (!response && status == 408)
        n->counters.notify_timeout++;
    else
        n->counters.notify_failed++;
    if (s->state == SUB_TERMINATED) {
        subscription_destroy(s);
        return;
    }
    if (lost && (moved || way_renew(s) != DIALOG_STRANDED)) {
        s->answer_due = true;
        subscription_attend(s);
        return;
    }
    if (!lost && goes_elsewhere(s, status, response, moved)) {
        subscription_attend(s);
        return;
    }
    if (v == VERDICT_GONE && !is_back(s, status, response)) {
        if (response)
            gone_by_answer(s, status);
        else
            subscription_gone(s, lost ? lost_for_good : "the subscriber does not answer");
        return;
    }
    if ((v == VERDICT_LATER || v == VERDICT_REFUSED) && sub_runs(s))
        answer_refused(s, status, response);
    else if (s->winfo && sub_runs(s))
        pace(s, sent_ms);
    subscription_attend(s);
}

static struct str notify_host(const struct client_txn *ct)
{
    return seek_name(CONTAINER_OF(ct, const struct notify, txn)->subscription->dialog);
}

static const struct client_txn_ops notify_ops = {
    .print = notify_print, .host = notify_host, .done = notify_done, .success_suffices = true
};
