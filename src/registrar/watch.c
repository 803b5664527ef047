// SPDX-License-Identifier: MIT
/* A subscription to what a telephone does, for as long as its contact is there. One that cannot be
 * had is remembered, so that nobody is asked what he has refused; one that nobody answers is tried
 * again. Where there are many at once they begin one after the other. */
#include "registrar/watch.h"

#include <stdlib.h>

#include "loop/inbox.h"
#include "state/dialogs.h"

enum {
    EXPIRES_S = 3600, /* RFC 4235 section 3.4 */
    EXPIRES_MAX_S = 86400,
    REFRESH_LEAST_MS = 5000,
    PACE_MS = 5, /* between two that begin */
    PUT_OFF_MS = 1000,
    BACK_OFF_FIRST_MS = 30000,
    BACK_OFF_MAX_MS = 1800000,
    GAP_FIRST_MS = 10000,
    RETRY_MAX_S = 3600, /* we do not believe more */
    STEADY_MS = 60000,  /* one that has lasted so long has not failed at once */
};

static const unsigned moves[WATCH_STATES] = {
    [WATCH_RESTING] =
        BIT(WATCH_RESTING) | BIT(WATCH_ASKING) | BIT(WATCH_REFUSED) | BIT(WATCH_LEAVING),
    [WATCH_ASKING] =
        BIT(WATCH_RESTING) | BIT(WATCH_ACTIVE) | BIT(WATCH_REFUSED) | BIT(WATCH_LEAVING),
    [WATCH_ACTIVE] = BIT(WATCH_RESTING) | BIT(WATCH_ASKING) | BIT(WATCH_ACTIVE) |
                     BIT(WATCH_REFUSED) | BIT(WATCH_LEAVING),
    [WATCH_REFUSED] = BIT(WATCH_RESTING) | BIT(WATCH_LEAVING),
    [WATCH_LEAVING] = BIT(WATCH_LEAVING),
};

void watch_move(struct watch *w, enum watch_state next)
{
    BUG_UNLESS(moves[w->state] & BIT(next));
    timer_stop(w->qualifier->cfg.wheel, &w->timer);
    w->qualifier->n_watches[w->state]--;
    w->qualifier->n_watches[next]++;
    w->state = next;
}

static uint64_t now_ms(const struct watch *w)
{
    return clock_monotonic_ms(w->qualifier->cfg.clock);
}

/* Up to a tenth shorter, so that they do not gather. */
static uint64_t jittered_ms(const struct watch *w, uint64_t ms)
{
    return ms - rng_below(w->qualifier->cfg.rng, (uint32_t)(ms / 10) + 1);
}

/* When the next one may begin, from now. */
static uint64_t turn_ms(const struct watch *w)
{
    struct qualifier *q = w->qualifier;
    uint64_t now = now_ms(w), turn = q->watch_turn_ms > now ? q->watch_turn_ms : now;

    q->watch_turn_ms = turn + PACE_MS;
    return turn - now;
}

/* While the process ends nothing more is sent: what is told by then is only taken. */
static void wake_in(struct watch *w, uint64_t delay_ms)
{
    if (!w->qualifier->stopping)
        timer_start(w->qualifier->cfg.wheel, &w->timer, delay_ms);
}

static void rest(struct watch *w, uint64_t delay_ms)
{
    watch_move(w, WATCH_RESTING);
    wake_in(w, delay_ms);
}

/* ---- what is known ---- */

void watch_tell(struct watch *w)
{
    const struct qualifier_port *port = &w->qualifier->cfg.port;

    w->told = true;
    port->dialogs(port->ctx, w->contact->id, w->document);
}

static void document_drop(struct watch *w)
{
    bool any = w->document;

    event_state_unref(w->document);
    w->document = NULL;
    if (any || !w->told)
        watch_tell(w);
}

/* ---- the dialog ---- */

static bool tag_is(const struct map_node *node, const void *tag)
{
    return str_equal(contact_request_tag(&CONTAINER_OF(node, const struct watch, node)->request),
                     *(const struct str *)tag);
}

struct watch *watch_find(const struct qualifier *q, struct str tag)
{
    struct map_node *node = map_find(&q->watches, map_hash(&q->watches, tag), tag_is, &tag);

    return node ? CONTAINER_OF(node, struct watch, node) : NULL;
}

static void list_tag(struct watch *w)
{
    struct map *watches = &w->qualifier->watches;

    map_add(watches, &w->node, map_hash(watches, contact_request_tag(&w->request)));
}

/* The dialog is over; the next request begins another one. */
static void dialog_drop(struct watch *w)
{
    contact_request_stop(&w->request);
    map_remove(&w->qualifier->watches, &w->node);
    contact_request_renew(&w->request);
    list_tag(w);
    free(w->request.dialog);
    w->request.dialog = NULL;
    w->awaited = w->gap = false;
}

/* ---- asking ---- */

static void ask(struct watch *w)
{
    watch_move(w, WATCH_ASKING);
    if (!w->request.dialog)
        w->begun_ms = now_ms(w);
    w->awaited = !w->request.dialog || w->gap;
    contact_request_start(&w->request);
}

static void plan(struct watch *w)
{
    uint64_t now = now_ms(w), next = w->refresh_ms;

    watch_move(w, WATCH_ACTIVE);
    if (w->awaited && w->patience_ms < next)
        next = w->patience_ms;
    if (w->gap && !w->awaited && w->gap_ms < next)
        next = w->gap_ms;
    wake_in(w, next > now ? next - now : 0);
}

static void on_timer(struct timer *t)
{
    struct watch *w = CONTAINER_OF(t, struct watch, timer);

    if (w->state == WATCH_LEAVING && w->said) {
        watch_destroy(w);
    } else if (w->state == WATCH_LEAVING) {
        w->said = true;
        contact_request_start(&w->request);
    } else if (w->state == WATCH_ACTIVE && w->awaited && w->patience_ms <= now_ms(w)) {
        watch_failed(w, 0, STR("it accepts and tells nothing"), 0); /* RFC 6665 section 4.1.2.4 */
    } else {
        ask(w);
    }
}

/* Of what is granted three quarters to nine tenths are used. */
static uint64_t refresh_at_ms(const struct watch *w, uint32_t granted_s)
{
    uint64_t ms = UINT64_C(10) * granted_s * (75 + rng_below(w->qualifier->cfg.rng, 16));

    return now_ms(w) + (ms > REFRESH_LEAST_MS ? ms : REFRESH_LEAST_MS);
}

void watch_expires_in(struct watch *w, uint32_t seconds)
{
    uint64_t at_ms = seconds ? refresh_at_ms(w, seconds) : UINT64_MAX;

    if (seconds)
        w->ends_ms = now_ms(w) + UINT64_C(1000) * seconds;
    if (w->state != WATCH_ACTIVE || at_ms >= w->refresh_ms)
        return;
    w->refresh_ms = at_ms;
    plan(w);
}

void watch_heard(struct watch *w)
{
    w->awaited = w->gap = false;
    w->gaps = 0;
    if (w->state == WATCH_ACTIVE)
        plan(w);
}

static void gap_until(struct watch *w, uint64_t delay_ms)
{
    w->gap = true;
    w->awaited = false;
    w->gap_ms = now_ms(w) + delay_ms;
    if (w->state == WATCH_ACTIVE)
        plan(w);
}

void watch_refresh_soon(struct watch *w)
{
    unsigned doublings = w->gaps < 8 ? w->gaps : 8;

    gap_until(w, w->gaps ? (uint64_t)GAP_FIRST_MS << doublings : 0);
    w->gaps++;
}

/* ---- how it ends ---- */

static void failure_count(struct watch *w)
{
    if (w->request.dialog && now_ms(w) - w->begun_ms >= STEADY_MS)
        w->failures = 0;
    w->failures++;
}

static uint64_t back_off_ms(const struct watch *w)
{
    unsigned doublings = w->failures - 1 < 10 ? w->failures - 1 : 10;
    uint64_t ms = (uint64_t)BACK_OFF_FIRST_MS << doublings;

    return jittered_ms(w, ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS);
}

void watch_failed(struct watch *w, unsigned status, struct str why, uint32_t retry_s)
{
    failure_count(w);
    w->last_status = status;
    w->why = why;
    log_info(w->qualifier->cfg.log, "watch.failed", KV("aor", w->contact->aor),
             KV("contact", w->contact->uri), KV_U("status", status), KV("why", why));
    w->qualifier->counters.watch.failed++;
    dialog_drop(w);
    rest(w, retry_s ? UINT64_C(1000) * (retry_s < RETRY_MAX_S ? retry_s : RETRY_MAX_S)
                    : back_off_ms(w));
    document_drop(w);
}

void watch_refused(struct watch *w, unsigned status, struct str why)
{
    w->last_status = status;
    w->why = why;
    log_info(w->qualifier->cfg.log, "watch.refused", KV("aor", w->contact->aor),
             KV("contact", w->contact->uri), KV_U("status", status), KV("why", why));
    dialog_drop(w);
    watch_move(w, WATCH_REFUSED);
    document_drop(w);
}

void watch_again(struct watch *w)
{
    failure_count(w);
    if (w->failures > 1) {
        w->failures--;
        watch_failed(w, 0, STR("it ends the subscription at once"), 0);
        return;
    }
    dialog_drop(w);
    rest(w, turn_ms(w));
}

void watch_destroy(struct watch *w)
{
    if (!w)
        return;
    timer_stop(w->qualifier->cfg.wheel, &w->timer);
    w->qualifier->n_watches[w->state]--;
    contact_request_stop(&w->request);
    map_remove(&w->qualifier->watches, &w->node);
    list_remove(&w->link);
    event_state_unref(w->document);
    contact_unref(w->contact);
    free(w->request.dialog);
    free(w);
}

void watch_leave(struct watch *w, bool may)
{
    bool known = w->request.dialog;

    document_drop(w);
    contact_request_stop(&w->request);
    watch_move(w, WATCH_LEAVING);
    if (!known || !may) {
        watch_destroy(w);
        return;
    }
    list_append(&w->qualifier->leaving, &w->link);
    timer_start(w->qualifier->cfg.wheel, &w->timer, turn_ms(w));
}

/* ---- one SUBSCRIBE ---- */

static struct watch *watch_of(struct contact_request *r)
{
    return CONTAINER_OF(r, struct watch, request);
}

static void on_print(const struct contact_request *r, struct buf *out)
{
    const struct watch *w = CONTAINER_OF(r, const struct watch, request);

    buf_add(out, STR("Event: dialog\r\nAccept: application/dialog-info+xml\r\n"));
    sip_print_header_u64(out, STR("Expires"), w->state == WATCH_LEAVING ? 0 : w->asked_s);
}

static void on_sent(struct contact_request *r)
{
    watch_of(r)->qualifier->counters.watch.subscribed++;
}

static void on_put_off(struct contact_request *r)
{
    struct watch *w = watch_of(r);

    if (w->state == WATCH_LEAVING)
        watch_destroy(w);
    else
        rest(w, PUT_OFF_MS);
}

static uint32_t seconds_of(const struct sip_message *msg, enum sip_header_id id, uint32_t fallback)
{
    const struct sip_header *h = sip_header_first(msg, id);
    uint32_t seconds;

    return h && sip_delta_seconds_parse(&seconds, h->value) == 0 ? seconds : fallback;
}

/* RFC 6665 section 4.1.2.1. */
static void granted(struct watch *w, const struct sip_message *response)
{
    uint32_t seconds = seconds_of(response, SIP_H_EXPIRES, w->asked_s);

    if (!seconds) {
        watch_failed(w, response->status, STR("it grants no time"), 0);
        return;
    }
    w->last_status = response->status;
    w->why = STR_EMPTY;
    w->refresh_ms = refresh_at_ms(w, seconds < w->asked_s ? seconds : w->asked_s);
    w->ends_ms = now_ms(w) + UINT64_C(1000) * seconds;
    w->patience_ms = now_ms(w) + w->qualifier->settings->global.timer_b_ms;
    plan(w);
}

/* RFC 6665 section 4.1.2.1: with what it asks for, once. One that asks for a second more each time
 * would have us ask for a day. */
static void too_brief(struct watch *w, const struct sip_message *response, bool again)
{
    uint32_t least_s = seconds_of(response, SIP_H_MIN_EXPIRES, 0);

    if (again || least_s <= w->asked_s || least_s > EXPIRES_MAX_S) {
        watch_refused(w, 423, STR_EMPTY);
        return;
    }
    w->asked_s = least_s;
    w->lengthened = true;
    rest(w, turn_ms(w));
}

/* Is it the moment, and not the telephone? */
static bool passes(unsigned status)
{
    static const unsigned list[] = { 408, 480, 481, 486, 491, 500, 502, 503, 504, 600 };

    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        if (list[i] == status)
            return true;
    return false;
}

static void left(struct watch *w, bool success)
{
    if (!success) {
        watch_destroy(w);
        return;
    }
    watch_move(w, WATCH_LEAVING); /* its last NOTIFY gets its 200 */
    timer_start(w->qualifier->cfg.wheel, &w->timer, w->qualifier->settings->global.timer_b_ms);
}

static void on_done(struct contact_request *r, unsigned status, const struct sip_message *response)
{
    struct watch *w = watch_of(r);
    bool lengthened = w->lengthened;

    w->lengthened = false;
    if (w->state == WATCH_LEAVING) {
        left(w, status / 100 == 2);
    } else if (status / 100 == 2) {
        granted(w, response);
    } else if (status == 423 && response) {
        too_brief(w, response, lengthened);
    } else if (status == 481 && w->request.dialog) {
        w->last_status = status;
        watch_again(w);
    } else if (passes(status)) { /* RFC 3261 section 12.2.1.2: with 408 the dialog is over */
        watch_failed(w, status, STR_EMPTY,
                     response ? seconds_of(response, SIP_H_RETRY_AFTER, 0) : 0);
    } else {
        watch_refused(w, status, STR_EMPTY);
    }
}

static const struct contact_request_ops watch_ops = {
    .method = SIP_SUBSCRIBE,
    .print = on_print,
    .sent = on_sent,
    .done = on_done,
    .put_off = on_put_off,
};

/* ---- what happens around it ---- */

/* Another one only when that is over: who registers ever again takes none from others. */
static uint64_t own_turn_ms(struct watch *w, uint64_t delay_ms)
{
    uint64_t now = now_ms(w);

    if (w->turn_ms <= now)
        w->turn_ms = now + delay_ms + turn_ms(w);
    return w->turn_ms - now;
}

static void ask_soon(struct watch *w, uint64_t delay_ms)
{
    if (w->qualifier->stopping)
        return;
    if (w->state == WATCH_RESTING) {
        rest(w, own_turn_ms(w, delay_ms));
    } else if (w->state == WATCH_ASKING) { /* what is under way may go nowhere */
        contact_request_stop(&w->request);
        rest(w, own_turn_ms(w, delay_ms));
    } else if (w->state == WATCH_ACTIVE) {
        gap_until(w, own_turn_ms(w, delay_ms));
    }
}

void watch_contact_set(struct watch *w, const struct contact *now, bool anew)
{
    const struct contact *former = w->contact;

    if (anew)
        contact_request_stop(&w->request);
    w->contact = contact_ref(now);
    w->request.contact = now;
    if (anew || (w->state == WATCH_RESTING && w->failures && passes(w->last_status)))
        ask_soon(w, QUALIFIER_REGISTERED_MS);
    contact_unref(former);
}

void watch_returned(struct watch *w)
{
    if (w->state == WATCH_ACTIVE || w->state == WATCH_RESTING)
        ask_soon(w, 0);
}

void watch_settings_changed(struct watch *w)
{
    w->asked_s = EXPIRES_S;
    if (w->state == WATCH_REFUSED || w->state == WATCH_ASKING) {
        contact_request_stop(&w->request);
        rest(w, turn_ms(w));
    }
}

void watch_quiet(struct watch *w)
{
    contact_request_stop(&w->request);
    timer_stop(w->qualifier->cfg.wheel, &w->timer);
}

/* Between the refresh and its answer, and while it waits for us to have room, it goes on. */
static enum watch_status status_of(const struct watch *w)
{
    if (w->state == WATCH_REFUSED)
        return WATCHED_REFUSED;
    return w->request.dialog ? WATCHED_YES : WATCHED_TRYING;
}

struct watch_view watch_view_of(const struct watch *w)
{
    struct watch_view v = { .status = WATCHED_NOT };

    if (!w)
        return v;
    v = (struct watch_view){ .status = status_of(w),
                             .last_status = w->last_status,
                             .why = w->why,
                             .heard_wall_ms = w->heard_wall_ms };
    if (timer_running(&w->timer))
        v.next_s = (uint32_t)(timer_left_ms(w->qualifier->cfg.wheel, &w->timer) / 1000) + 1;
    if (v.status == WATCHED_YES) {
        v.call_id = contact_request_call_id(&w->request);
        v.left_s = w->ends_ms > now_ms(w) ? (uint32_t)((w->ends_ms - now_ms(w)) / 1000) : 0;
    }
    for (size_t i = 0; w->document && i < w->document->n_dialogs; i++)
        v.dialogs += dialog_is_live(&w->document->dialogs[i]);
    return v;
}

/* ---- life ---- */

struct watch *watch_create(struct qualifier *q, const struct contact *contact, uint64_t delay_ms)
{
    struct watch *w =
        inbox_message_alloc(q->cfg.log, sizeof(*w)); /* nobody would ask for it again */

    *w = (struct watch){ .qualifier = q, .contact = contact_ref(contact), .asked_s = EXPIRES_S };
    list_init(&w->link);
    timer_init(&w->timer, on_timer);
    contact_request_init(&w->request, &q->requests, contact, &watch_ops);
    list_tag(w);
    q->n_watches[w->state]++;
    rest(w, delay_ms + turn_ms(w));
    return w;
}
