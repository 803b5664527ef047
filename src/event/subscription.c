// SPDX-License-Identifier: MIT
/* One usage of a dialog, from its 200 to its last NOTIFY: RFC 6665 sections 4.2.1 and 4.2.2. */
#include "body/sphere.h"
#include "event/event_internal.h"
#include "state/view.h"

#include <stdlib.h>

static const struct {
    const char *name;
    unsigned next;
} sub_states[SUB_STATES] = {
    [SUB_RESP_WAIT] = { "resp_wait",
                        BIT(SUB_KEEPING) | BIT(SUB_PENDING) | BIT(SUB_ACTIVE) | BIT(SUB_GONE) },
    [SUB_KEEPING] = { "keeping", BIT(SUB_PENDING) | BIT(SUB_ACTIVE) | BIT(SUB_GONE) },
    [SUB_PENDING] = { "pending", BIT(SUB_ACTIVE) | BIT(SUB_ENDING) | BIT(SUB_GONE) },
    [SUB_ACTIVE] = { "active", BIT(SUB_ENDING) | BIT(SUB_GONE) },
    [SUB_ENDING] = { "ending", BIT(SUB_TERMINATED) | BIT(SUB_GONE) },
    [SUB_TERMINATED] = { "terminated", BIT(SUB_GONE) },
    [SUB_GONE] = { "gone", 0 },
};

void sub_move(struct subscription *s, enum sub_state next)
{
    enum sub_state from;

    BUG_UNLESS(sub_states[s->state].next & BIT(next));
    log_debug(s->dialog->notifier->cfg.log, "subscription.state",
              KV("call_id", head_str(s->dialog->head, HEAD_CALL_ID)),
              KV("from", sub_states[s->state].name), KV("to", sub_states[next].name));
    from = (enum sub_state)s->state;
    s->state = (uint8_t)next;
    winfo_moved(s, from);
}

/* ---- life ---- */

static void subscription_fire(struct timer *timer);

/* How long a SUBSCRIBE may wait for its resource: half of what its transaction lives, so that it is
 * we who answer. */
static uint64_t patience_ms(const struct notifier *n)
{
    return 32ull * n->settings->global.timer_t1_ms;
}

static void subscription_link(struct subscription *s)
{
    struct dialog *d = s->dialog;
    struct notifier *n = d->notifier;

    list_init(&s->of_resource);
    list_init(&s->of_question);
    list_init(&s->of_dialog);
    list_append(&d->usages, &s->of_dialog);
    d->n_usages++;
    timer_init(&s->timer, subscription_fire);
    timer_start(n->cfg.wheel, &s->timer, patience_ms(n));
    n->counters.subscriptions++;
}

/* What is told unasked otherwise. The endpoint's own mailboxes are those that it has by then. */
static void solicitation_begin(struct subscription *s)
{
    const struct notifier_port *port = &s->dialog->notifier->cfg.port;
    struct str id = dialog_endpoint(s->dialog);
    const struct endpoint_settings *e;

    if (s->solicitation || s->list || !package_is_messages(sub_package(s)))
        return;
    e = settings_endpoint(s->dialog->notifier->settings, id);
    if (e && e->mailboxes.n)
        s->solicitation = port->solicit(
            port->ctx, id, s->texts[SUB_USER].n ? s->resource->newest->extension : STR_EMPTY);
}

static void solicitation_end(struct subscription *s, struct solicitation *solicitation)
{
    const struct notifier_port *port = &s->dialog->notifier->cfg.port;

    if (solicitation)
        port->unsolicit(port->ctx, solicitation);
}

/* First the new one: nothing that both tell may be told unasked in between. */
void subscription_resolicit(struct subscription *s)
{
    struct solicitation *former = s->solicitation;

    s->solicitation = NULL;
    solicitation_begin(s);
    solicitation_end(s, former);
}

/* ---- texts ---- */

struct str sub_text(const struct subscription *s, enum sub_text which)
{
    struct span at = s->texts[which];

    if (s->in_local & BIT(which))
        return str_sub(sub_text(s, SUB_LOCAL), at.at, (size_t)at.at + at.n);
    if (!at.n && which == SUB_LOCAL)
        return head_str(s->dialog->head, HEAD_LOCAL_URI);
    if (!at.n && which == SUB_REMOTE)
        return head_str(s->dialog->head, HEAD_REMOTE_URI);
    return (struct str){ s->text + at.at, at.n };
}

struct texts { /* where they will stand */
    struct str own[SUB_TEXTS];
    struct span at[SUB_TEXTS];
    unsigned in_local;
    size_t n;
};

static struct str unless_equal(struct str text, struct str other)
{
    return str_equal(text, other) ? STR_EMPTY : text;
}

/* Nothing is kept twice: user and host are mostly part of the resource's URI, and that is mostly
 * what stands in To. */
/* memmem, which prepares for longer texts than these. */
static const char *find_within(struct str text, struct str part)
{
    for (; text.n >= part.n; text = str_sub(text, 1, text.n)) {
        text = str_sub(text, str_find_char(text, part.p[0]), text.n);
        if (str_starts(text, part))
            return text.p;
    }
    return NULL;
}

static int texts_place(struct texts *t, const struct subscription_spec *spec)
{
    const struct dialog_head *h = spec->dialog->head;

    *t = (struct texts){
        .own = { [SUB_EVENT] = spec->event,
                 [SUB_LOCAL] = unless_equal(spec->local, head_str(h, HEAD_LOCAL_URI)),
                 [SUB_REMOTE] = unless_equal(spec->remote, head_str(h, HEAD_REMOTE_URI)),
                 [SUB_DISPLAY] = spec->display,
                 [SUB_HOST] = spec->host,
                 [SUB_USER] = spec->user }
    };
    for (unsigned i = 0; i < SUB_TEXTS; i++) {
        struct str *own = &t->own[i];
        const char *within = NULL;

        if (i > SUB_REMOTE && own->n)
            within = find_within(spec->local, *own);
        t->at[i].n = (uint16_t)own->n;
        t->at[i].at = (uint16_t)(within ? (size_t)(within - spec->local.p) : t->n);
        if (within) {
            t->in_local |= BIT(i);
            *own = STR_EMPTY;
        }
        t->n += own->n;
    }
    return t->n > UINT16_MAX ? -EMSGSIZE : 0;
}

int subscription_create(struct subscription **out, const struct subscription_spec *spec)
{
    struct notifier *n = spec->dialog->notifier;
    struct interned *accept = NULL;
    struct subscription *s;
    struct sip_event e;
    struct texts t;
    int r = sip_event_parse(&e, spec->event);

    if (!r)
        r = texts_place(&t, spec);
    if (!r && spec->accept.n)
        r = interned_get(&accept, &n->interned, spec->accept);
    if (r)
        return r;
    s = malloc(sizeof(*s) + t.n);
    if (!s) {
        interned_unref(accept);
        return -ENOMEM;
    }
    *s = (struct subscription){ .dialog = spec->dialog,
                                .request = spec->request,
                                .profile = body_profile_ref(spec->profile),
                                .flags = (uint8_t)spec->flags,
                                .expires_s = spec->expires_s,
                                .suppress_given = spec->suppress.given,
                                .suppress_any = spec->suppress.any,
                                .suppress_tag = spec->suppress.tag,
                                .accept = accept,
                                .generation = n->generation,
                                .number = ++n->last_number,
                                .winfo = winfo_watched(e.package).n > 0,
                                .list = spec->list,
                                .state = SUB_RESP_WAIT,
                                .in_local = (uint8_t)t.in_local,
                                .package_n = (uint16_t)e.package.n };
    if (e.id.n)
        s->id = (struct span){ (uint16_t)(e.id.p - spec->event.p), (uint16_t)e.id.n };
    for (unsigned i = 0; i < SUB_TEXTS; i++) {
        s->texts[i] = t.at[i];
        if (t.own[i].n)
            memcpy(s->text + t.at[i].at, t.own[i].p, t.own[i].n);
    }
    tally_add(&n->heap.subscriptions, s);
    subscription_link(s);
    *out = s;
    return 0;
}

void subscription_destroy(struct subscription *s)
{
    struct dialog *d = s->dialog;
    struct notifier *n = d->notifier;

    BUG_UNLESS(sub_is_answered(s) || !s->request);
    if (sub_is_answered(s))
        n->counters.ended++;
    sub_move(s, SUB_GONE);
    subscription_forget(s);
    promise_detach(s);
    notify_forget(s);
    solicitation_end(s, s->solicitation);
    timer_stop(n->cfg.wheel, &s->timer);
    dialog_pin(d);
    list_remove(&s->of_dialog);
    d->n_usages--;
    watched_leave(n, s);
    snapshot_unref(s->sent);
    body_profile_unref(s->sent_profile);
    body_profile_unref(s->profile);
    view_unref(s->view);
    interned_unref(s->accept);
    quota_end(n, s);
    tally_remove(&n->heap.subscriptions, s);
    free(s);
    n->counters.subscriptions--;
    n->cfg.port.release(n->cfg.port.ctx);
    dialog_unpin(d);
}

/* ---- the timer ---- */

void subscription_arm(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;
    uint64_t now = notifier_now(n), due = s->expires_ms;

    if (s->retry_ms && s->retry_ms < due)
        due = s->retry_ms;
    if (s->state == SUB_PENDING && s->give_up_ms < due)
        due = s->give_up_ms;
    timer_start(n->cfg.wheel, &s->timer, due > now ? due - now : 0);
}

static void subscription_fire(struct timer *timer)
{
    struct subscription *s = CONTAINER_OF(timer, struct subscription, timer);
    struct notifier *n = s->dialog->notifier;
    uint64_t now = notifier_now(n);

    if (s->state == SUB_RESP_WAIT) {
        log_warn(n->cfg.log, "subscription.watch_unanswered",
                 KV("endpoint", dialog_endpoint(s->dialog)));
        subscription_refuse(s, 503, "the state of this resource was not found in time");
        return;
    }
    if (s->state == SUB_KEEPING) {
        subscription_refuse(s, 503, "this subscription was not written to disk in time");
        return;
    }
    if (now >= s->expires_ms) {
        n->counters.expired++;
        subscription_end(s, END_TIMEOUT);
        return;
    }
    if (s->state == SUB_PENDING && now >= s->give_up_ms) {
        subscription_end(s, END_GIVEUP);
        return;
    }
    if (s->retry_ms && now >= s->retry_ms) {
        s->retry_ms = 0;
        s->hold = false;
    }
    subscription_arm(s);
    subscription_attend(s);
}

void subscription_retry(struct subscription *s, uint64_t delay_ms, bool hold)
{
    s->retry_ms = notifier_now(s->dialog->notifier) + delay_ms;
    s->hold = hold;
    subscription_arm(s);
}

/* Rounded down: what a NOTIFY says never reaches beyond what was granted. */
uint32_t subscription_left_s(const struct subscription *s)
{
    uint64_t now = notifier_now(s->dialog->notifier);
    uint64_t left = s->expires_ms > now ? (s->expires_ms - now) / 1000 : 0;

    return left ? (uint32_t)left : 1;
}

static void expiry_set(struct subscription *s, uint32_t expires_s)
{
    s->expires_s = expires_s;
    s->expires_ms = notifier_now(s->dialog->notifier) + 1000ull * expires_s;
}

/* ---- answers to SUBSCRIBE ---- */

static struct server_txn *request_take(struct subscription *s)
{
    struct server_txn *st = s->request;

    s->request = NULL;
    return st;
}

/* `accept`: for the answer's Accept, or empty. */
static void refuse(struct subscription *s, unsigned status, const char *why, struct str accept)
{
    struct notifier *n = s->dialog->notifier;
    struct server_txn *st = request_take(s);
    char source[TXN_SOURCE_MAX];

    log_info(n->cfg.log, "subscribe.refused", KV_U("status", status), KV("why", why),
             KV("endpoint", dialog_endpoint(s->dialog)), KV("uri", sub_text(s, SUB_LOCAL)),
             KV("call_id", head_str(s->dialog->head, HEAD_CALL_ID)),
             KV("source", server_txn_source(st, source)));
    tell_subscription(s, SUBSCRIPTION_REFUSED, status, why);
    buf_reset(&n->headers);
    if (accept.n)
        sip_print_header(&n->headers, STR("Accept"), accept);
    subscription_destroy(s);
    request_refuse(n, st, status, why);
}

void subscription_refuse(struct subscription *s, unsigned status, const char *why)
{
    refuse(s, status, why, STR_EMPTY);
}

/* ---- who may see what ---- */

struct permission { /* what the rules say now */
    enum watcher_handling handling;
    struct view *view; /* a reference; NULL: everything */
};

static struct permission permission_of(const struct subscription *s, const struct watched *w)
{
    const struct dialog_head *h = s->dialog->head;
    const struct settings *settings = s->dialog->notifier->settings;
    struct permission p = { .view = NULL };
    struct str sphere = STR_EMPTY;
    char room[XML_NAME_MAX];

    if (s->list) { /* who may see what is asked for each item */
        p.handling = WATCHER_ALLOW;
        return p;
    }
    if (settings->authorization->ask_spheres && sphere_of(&sphere, w->newest->published, room)) {
        p.handling = WATCHER_UNDECIDED;
        return p;
    }
    p.handling = settings_authorize(
        settings,
        &(struct watcher_question){ .endpoint = dialog_endpoint(s->dialog),
                                    .uri = head_str(h, HEAD_REMOTE_URI),
                                    .package = sub_package(s),
                                    .context = w->newest->context,
                                    .extension = w->newest->extension,
                                    .sphere = sphere,
                                    .wall_ms = clock_wall_ms(s->dialog->notifier->cfg.clock) },
        &p.view);
    return p;
}

/* Its reference is taken. */
static void permission_set(struct subscription *s, const struct permission *p)
{
    view_unref(s->view);
    s->view = p->view;
    s->handling = (uint8_t)p->handling;
}

/* The rules have changed. Who waited and is allowed now is told; who was allowed and must be
 * confirmed asks anew. Another view of what is shown is told as far as it shows another body. */
static enum end_reason permission_apply(struct subscription *s, const struct permission *p)
{
    enum watcher_handling former = s->handling;

    permission_set(s, p);
    if (p->handling == former)
        return END_NONE;
    if (p->handling == WATCHER_BLOCK)
        return END_REJECTED;
    if (p->handling == WATCHER_CONFIRM)
        return END_DEACTIVATED;
    if (s->state == SUB_PENDING) {
        s->approved = true;
        sub_move(s, SUB_ACTIVE);
        s->answer_due = true; /* RFC 6665 section 4.2.1.2: the new state is told at once */
    }
    s->acknowledged = false; /* what it was shown was something else */
    (void)!subscription_keep(s);
    return END_NONE;
}

struct str subscription_unaccepted(const struct subscription *s, const struct watched *w,
                                   struct str accept)
{
    const struct event_state *published = w->newest->published;
    struct str type;

    if (!accept.n || s->handling != WATCHER_ALLOW || !published || !published->has_opaque)
        return STR_EMPTY;
    type = published->opaque.content_type;
    type = str_next(&type, ';');
    return body_type_accepted(accept, type) ? STR_EMPTY : type;
}

/* RFC 6665 section 4.2.1.1, RFC 3261 section 21.4.7. */
static bool can_show(struct subscription *s, const struct watched *w)
{
    struct str type = subscription_unaccepted(s, w, sub_accept(s));

    if (!type.n)
        return true;
    if (s->dialog->notifier->settings->compatibility.unacceptable_489)
        refuse(s, 489, "what is published has no media type in Accept", STR_EMPTY);
    else
        refuse(s, 406, "what is published has no media type in Accept", type);
    return false;
}

/* Is there a body to tell? Better now than after a 200 that no NOTIFY can follow. */
static bool can_render(struct subscription *s, const struct watched *w)
{
    struct notifier *n = s->dialog->notifier;
    const struct rendered_body *body;
    int r =
        s->list ? list_check(s, w->newest) : body_render(s->profile, w->newest, n->cfg.rng, &body);

    if (!r)
        return true;
    log_error(n->cfg.log, "subscription.no_body",
              KV("content_type", body_profile_content_type(s->profile)), KV_ERR(r));
    if (r == -ENOMEM)
        subscription_refuse(s, 503, "there is no memory for this subscription");
    else
        subscription_refuse(s, 500, "the body of this resource could not be made");
    return false;
}

void subscription_accept(struct subscription *s, struct watched *w)
{
    struct notifier *n = s->dialog->notifier;
    struct permission permission;
    enum end_reason reason = subscription_recheck(s);

    if (reason == END_DEACTIVATED) {
        subscription_refuse(s, 503, "what it came in by, or what makes its body, is gone");
        return;
    }
    if (reason) {
        subscription_refuse(s, 403, "this endpoint may not subscribe");
        return;
    }
    permission = permission_of(s, w);
    if (permission.handling == WATCHER_UNDECIDED) {
        subscription_refuse(s, 503, "there is no memory for this subscription");
        return;
    }
    permission_set(s, &permission);
    if (s->handling == WATCHER_BLOCK) {
        subscription_refuse(s, 403, "this subscriber may not watch this resource");
        return;
    }
    if (!can_show(s, w) || !can_render(s, w))
        return;
    watched_join(w, s);
    s->give_up_ms = notifier_now(n) + 1000ull * n->settings->authorization->give_up_s;
    if (!s->expires_s || !notifier_keeps(n))
        subscription_begin(s);
    else if (subscription_promise(s))
        subscription_refuse(s, 503, "there is no memory for this subscription");
}

void subscription_begin(struct subscription *s)
{
    struct dialog *d = s->dialog;
    struct notifier *n = d->notifier;
    struct server_txn *request = request_take(s);

    solicitation_begin(s);
    expiry_set(s, s->expires_s);
    sub_move(s, s->handling == WATCHER_CONFIRM ? SUB_PENDING : SUB_ACTIVE);
    s->answer_due = true;
    request_accept(n, request, d->head, 200, s->expires_s, s->list);
    log_info(n->cfg.log, "subscription.accepted", KV("package", sub_package(s)),
             KV("resource", s->resource->newest->extension), KV("endpoint", dialog_endpoint(d)),
             KV_U("expires_s", s->expires_s), KV("call_id", head_str(d->head, HEAD_CALL_ID)));
    tell_subscription(s, SUBSCRIPTION_ACCEPTED, 200, "");
    if (!s->expires_s) { /* RFC 6665 section 4.4.3 */
        n->counters.fetched++;
        subscription_end(s, END_TIMEOUT);
        return;
    }
    n->counters.accepted++;
    subscription_arm(s);
    subscription_attend(s);
}

/* The subscriber has moved: what is under way to its old address would time out there, and end a
 * subscription that was just refreshed. */
static void usages_follow(struct dialog *d)
{
    LIST_FOREACH_SAFE (it, &d->usages) {
        struct subscription *s = CONTAINER_OF(it, struct subscription, of_dialog);

        if (s->notify && s->notify->head != d->head && (sub_runs(s) || s->state == SUB_ENDING)) {
            notify_abandon(s);
            subscription_attend(s);
        }
    }
}

static void refresh_apply(struct subscription *s, const struct refresh *r)
{
    if (r->profile) {
        body_profile_replace(&s->profile, r->profile);
        s->flags = (uint8_t)r->flags;
        interned_unref(s->accept);
        s->accept = r->accept;
    }
    s->retry_ms = 0; /* whatever it had us wait for: now it asks */
    s->dialog->reopened = 0;
    s->hold = false;
    expiry_set(s, r->expires_s);
    subscription_arm(s);
}

static void dropped(struct subscription *s, enum subscription_change what, const char *why)
{
    struct dialog *d = s->dialog;

    log_info(d->notifier->cfg.log, "subscription.dropped", KV("why", why),
             KV("endpoint", dialog_endpoint(d)), KV("call_id", head_str(d->head, HEAD_CALL_ID)),
             KV_U("cseq", s->cseq));
    tell_subscription(s, what, 0, why);
    subscription_destroy(s);
}

/* RFC 5839 sections 4.5 and 5.7: the subscription goes on or ends, and nothing is told. */
static bool refresh_is_silent(struct subscription *s)
{
    if (!notify_is_suppressed(s))
        return false;
    s->suppress_given = false;
    notify_known(s);
    return true;
}

/* Now, or when it is durable; the NOTIFY that answers it follows then. One that is ended must not
 * return after a restart, one that goes on is owed that NOTIFY; one of which nobody can say how it
 * goes on is as it was for the next process, and for whoever asked. What is left is to be waited
 * for, or NULL. */
static struct promise *refresh_answer(struct subscription *s, const struct refresh *r)
{
    struct notifier *n = s->dialog->notifier;
    unsigned status = s->answer_due ? 200 : 204;

    if (s->answer_due)
        kept_owe(s);
    if (!r->promise) {
        request_accept(n, r->request, s->dialog->head, status, r->expires_s, s->list);
        return NULL;
    }
    if (!r->expires_s) {
        subscription_forget(s);
    } else if (subscription_keep(s)) {
        promise_destroy(r->promise);
        request_refuse(n, r->request, 500, "this subscription is too long to be kept");
        return NULL;
    }
    promise_make(r->promise, s, r->request, status, r->expires_s);
    return r->promise;
}

void subscription_refresh(struct subscription *s, const struct refresh *r)
{
    struct dialog *d = s->dialog;
    struct notifier *n = d->notifier;
    bool moved = !str_equal(head_str(d->head, HEAD_REMOTE), head_str(r->head, HEAD_REMOTE));
    struct promise *promise;

    dialog_pin(d);
    dialog_head_set(d, r->head);
    d->recalled = false;
    seek_route(d);
    if (moved && s->notify)
        notify_abandon(s);
    s->suppress_given = r->suppress.given;
    s->suppress_any = r->suppress.any;
    s->suppress_tag = r->suppress.tag;
    if (r->expires_s)
        refresh_apply(s, r);
    s->answer_due = !refresh_is_silent(s);
    promise = refresh_answer(s, r);
    if (r->expires_s) {
        n->counters.refreshed++;
        log_debug(n->cfg.log, "subscription.refreshed",
                  KV("call_id", head_str(d->head, HEAD_CALL_ID)), KV_U("expires_s", r->expires_s));
        tell_subscription(s, SUBSCRIPTION_REFRESHED, 200, "");
        subscription_attend(s);
    } else if (s->answer_due) {
        subscription_end(s, END_TIMEOUT);
    } else { /* RFC 5839 section 5.7: the 204 concludes it */
        dropped(s, SUBSCRIPTION_ENDED, "unsubscribed, and knows the state");
    }
    if (moved)
        usages_follow(d);
    if (promise)
        promise_wait(promise);
    dialog_unpin(d);
}

/* ---- the end, and what else may happen ---- */

void subscription_end(struct subscription *s, enum end_reason reason)
{
    static const char *const reasons[END_REASONS] = { "",         "timeout",     "noresource",
                                                      "rejected", "deactivated", "probation",
                                                      "giveup" };
    struct dialog *d = s->dialog;
    const char *why = reason == END_DEACTIVATED ? dialog_stranded_why(d) : NULL;

    if (!sub_runs(s))
        return;
    watched_strand(s);
    (void)!subscription_recheck(s); /* a last look shows no more than the newest rules let it */
    if (why)
        log_info(d->notifier->cfg.log, "dialog.stranded", KV("endpoint", dialog_endpoint(d)),
                 KV("call_id", head_str(d->head, HEAD_CALL_ID)), KV("why", why));
    log_info(d->notifier->cfg.log, "subscription.ended", KV("reason", reasons[reason]),
             KV("endpoint", dialog_endpoint(d)), KV("call_id", head_str(d->head, HEAD_CALL_ID)));
    tell_subscription(s, SUBSCRIPTION_ENDED, 0, why ? why : reasons[reason]);
    s->reason = (uint8_t)reason;
    sub_move(s, SUB_ENDING);
    timer_stop(d->notifier->cfg.wheel, &s->timer);
    notify_due(s);
}

void subscription_gone(struct subscription *s, const char *why)
{
    dropped(s, SUBSCRIPTION_GIVEN_UP, why);
}

unsigned body_flags_of(const struct settings *settings, const struct endpoint_settings *e,
                       struct str user_agent)
{
    unsigned flags = 0;

    if (settings->compatibility.asterisk_bodies)
        flags |= ES_FLAG_ASTERISK;
    if (settings->compatibility.removed_hint_is_idle)
        flags |= ES_FLAG_REMOVED_IS_IDLE;
    if (e->notify_early_inuse_ringing)
        flags |= ES_FLAG_EARLY_INUSE_RINGING;
    if (settings_one_dialog(settings, user_agent))
        flags |= ES_FLAG_ONE_DIALOG;
    if (!settings->dialog_info.idle_dialog)
        flags |= ES_FLAG_NO_IDLE_DIALOG;
    return flags;
}

/* The same media type with other flags, by the plugins of now. Without memory for it the old body
 * goes on. False: nothing makes that type any more. */
static bool rechoose(struct subscription *s, unsigned flags)
{
    struct notifier *n = s->dialog->notifier;
    const struct body_profile *chosen;
    const struct es_subscriber who = { .size = sizeof(who),
                                       .package =
                                           es_text_from(package_of_bodies(n, sub_package(s))),
                                       .user_agent = es_text_from(dialog_user_agent(s->dialog)),
                                       .endpoint = es_text_from(dialog_endpoint(s->dialog)) };
    int r = body_choose(n->cfg.bodies, &who, body_profile_content_type(s->profile), flags, &chosen);

    if (r == BODY_NO_GENERATOR)
        return false;
    if (r) {
        log_warn(n->cfg.log, "subscription.profile_kept", KV_ERR(r));
        return true;
    }
    body_profile_replace(&s->profile, chosen);
    s->flags = (uint8_t)flags;
    return true;
}

/* Its transport may be gone. Without memory it is looked at again. */
static int way_check(struct subscription *s, const struct endpoint_settings *e)
{
    int r = dialog_reroute(s->dialog, e);

    if (r < 0) {
        log_warn(s->dialog->notifier->cfg.log, "dialog.not_rerouted", KV_ERR(r));
        if (!s->retry_ms && sub_runs(s))
            subscription_retry(s, CONGESTED_MS, false);
    }
    s->answer_due |= r == DIALOG_MOVED;
    return r;
}

enum end_reason subscription_recheck(struct subscription *s)
{
    struct notifier *n = sub_notifier(s);
    const struct endpoint_settings *e;
    struct permission permission;
    unsigned flags;
    int way;

    if (s->generation == n->generation)
        return END_NONE;
    e = settings_endpoint(n->settings, dialog_endpoint(s->dialog));
    if (!e || !e->allow_subscribe)
        return END_REJECTED;
    way = way_check(s, e);
    if (way == DIALOG_STRANDED)
        return END_DEACTIVATED;
    flags = body_flags_of(n->settings, e, dialog_user_agent(s->dialog));
    if ((flags != s->flags || !body_profile_is_of(s->profile, n->cfg.bodies)) &&
        !rechoose(s, flags))
        return END_DEACTIVATED;
    s->generation = way < 0 ? n->generation - 1 : n->generation;
    if (s->resource)
        solicitation_begin(s);
    if (!s->resource)
        return END_NONE;
    permission = permission_of(s, s->resource);
    if (permission.handling == WATCHER_UNDECIDED) { /* not shown too much until it is known */
        permission.handling = WATCHER_POLITE_BLOCK;
        subscription_doubt(s);
        if (!s->retry_ms)
            subscription_retry(s, CONGESTED_MS, false);
    }
    return permission_apply(s, &permission);
}

bool subscription_settle(struct subscription *s)
{
    s->reason = (uint8_t)subscription_recheck(s);
    if (s->reason)
        return false;
    if (notifier_now(s->dialog->notifier) >= s->expires_ms)
        return false;
    s->restored = false;
    subscription_arm(s);
    return notify_is_shown(s);
}

static enum end_reason look_again(struct subscription *s)
{
    enum end_reason reason = s->reason ? (enum end_reason)s->reason : subscription_recheck(s);

    if (reason || !s->restored || subscription_settle(s) || !s->restored)
        return reason;
    s->dialog->notifier->counters.expired++;
    return END_TIMEOUT;
}

void subscription_attend(struct subscription *s)
{
    const struct notifier *n = sub_notifier(s);
    enum end_reason reason = END_NONE;

    if (sub_runs(s) && n->stopping && !n->quiet)
        reason = END_DEACTIVATED;
    else if (sub_runs(s) && !follow(s))
        return;
    else if (sub_runs(s))
        reason = look_again(s);
    else if (s->state == SUB_ENDING)
        (void)!subscription_recheck(s); /* its last NOTIFY has still to be made */
    if (reason)
        subscription_end(s, reason);
    else
        notify_due(s);
}
