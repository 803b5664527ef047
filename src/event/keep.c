// SPDX-License-Identifier: MIT
/* What is to survive of a subscription: its record, put whenever its subscriber was promised
 * something, and one word about what she shows. Answers wait here until what they promise is
 * durable. */
#include "base/record.h"
#include "event/event_internal.h"

#include <stdlib.h>

/* ---- the record ---- */

static uint64_t wall_of(const struct notifier *n, uint64_t ms)
{
    return clock_wall_ms(n->cfg.clock) + ms - notifier_now(n);
}

/* In keeping it has not begun yet. */
static uint64_t expires_ms_of(const struct subscription *s)
{
    return sub_is_answered(s) ? s->expires_ms
                              : notifier_now(s->dialog->notifier) + 1000ull * s->expires_s;
}

static unsigned flags_of(const struct subscription *s)
{
    bool pending = sub_is_answered(s) ? s->state == SUB_PENDING : s->handling == WATCHER_CONFIRM;

    return (pending ? RECORD_PENDING : 0u) | (s->approved ? RECORD_APPROVED : 0u) |
           (head_is_secure(s->dialog->head) ? RECORD_SECURE : 0u) |
           RECORD_PROTOCOL * head_flow(s->dialog->head).protocol;
}

enum { ADDR_ROOM = 64 };

static void add_addr(struct buf *out, const struct addr *a)
{
    struct buf text;
    char room[ADDR_ROOM];

    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, a);
    record_add_str(out, buf_str(&text));
}

static void add_numbers(struct buf *out, const struct subscription *s)
{
    const struct dialog *d = s->dialog;
    const struct notifier *n = d->notifier;
    const uint64_t numbers[] = { RECORD_FORMAT,
                                 n->cfg.incarnation,
                                 wall_of(n, expires_ms_of(s)),
                                 s->expires_s,
                                 flags_of(s),
                                 s->handling,
                                 wall_of(n, s->give_up_ms),
                                 d->local_cseq,
                                 d->remote_cseq,
                                 s->version,
                                 s->number };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        record_add_u64(out, numbers[i]);
}

/* restore.c reads it. */
void record_print(const struct subscription *s, struct buf *out)
{
    const struct dialog *d = s->dialog;
    const struct flow flow = head_flow(d->head);
    const struct notifier *n = d->notifier;

    add_numbers(out, s);
    record_add_str(out, dialog_endpoint(d));
    record_add_str(out, dialog_user_agent(d));
    record_add_str(out, dialog_routes(d));
    record_add_str(out,
                   flow.transport < n->n_transports ? n->transports[flow.transport].id : STR_EMPTY);
    add_addr(out, &flow.remote);
    add_addr(out, &flow.local);
    for (unsigned i = HEAD_REMOTE + 1; i < HEAD_PARTS; i++)
        record_add_str(out, head_str(d->head, (enum head_part)i));
    for (unsigned i = 0; i < SUB_TEXTS; i++)
        record_add_str(out, sub_text(s, (enum sub_text)i));
    record_add_str(out, sub_accept(s));
    record_add_str(out, body_profile_content_type(s->profile));
    record_add_u64(out, s->list);
}

int subscription_keep(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;
    struct buf *b = &n->scratch;

    if (!s->kept)
        return 0;
    buf_reset(b);
    record_print(s, b);
    if (b->error) {
        log_error(n->cfg.log, "subscription.not_kept", KV("endpoint", dialog_endpoint(s->dialog)),
                  KV_ERR(b->error));
        return b->error;
    }
    keep_put(&n->cfg.keep, &(struct keep_record){ .table = KEEP_SUBSCRIPTION,
                                                  .number = s->kept,
                                                  .bytes = buf_str(b) });
    return 0;
}

void subscription_forget(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;

    if (!s->kept || n->destroying)
        return;
    keep_forget(&n->cfg.keep, KEEP_SUBSCRIPTION, s->kept);
    n->cfg.words.give(n->cfg.words.ctx, s->kept);
    s->kept = 0;
}

static void usages_keep(struct dialog *d)
{
    LIST_FOREACH (it, &d->usages)
        (void)!subscription_keep(CONTAINER_OF(it, struct subscription, of_dialog));
}

void notifier_rewrite(struct notifier *n)
{
    MAP_FOREACH (node, &n->dialogs)
        usages_keep(CONTAINER_OF(node, struct dialog, node));
}

static bool is_half(uint32_t number)
{
    return number && number % (NUMBERS_STRIDE / 2) == 0;
}

/* The CSeq is the dialog's: each usage has it in its record, and the others may end. */
void kept_numbers_passed(struct subscription *s)
{
    if (is_half(s->dialog->local_cseq))
        usages_keep(s->dialog);
    else if (is_half(s->version))
        (void)!subscription_keep(s);
}

/* ---- the word ---- */

/* Its upper part is how far the CSeq is, in half strides, so that a record that could not be put
 * again is no harm; then what is shown. */
enum { SHOWN_BITS = 48, HALVES = UINT16_MAX };

static uint64_t halves_of(uint32_t cseq)
{
    return cseq / (NUMBERS_STRIDE / 2) % HALVES;
}

static void word_set(const struct subscription *s, uint64_t shown)
{
    const struct keep_words *words = &s->dialog->notifier->cfg.words;

    if (s->kept)
        words->set(words->ctx, s->kept,
                   (halves_of(s->dialog->local_cseq) + 1) << SHOWN_BITS | shown);
}

uint32_t kept_cseq(uint64_t word, uint32_t then)
{
    uint64_t halves = (word >> SHOWN_BITS) + HALVES - 1 - halves_of(then);

    halves %= HALVES;
    if (!(word >> SHOWN_BITS) || halves > HALVES / 2) /* not known; before the record */
        return then;
    return (then / (NUMBERS_STRIDE / 2) + (uint32_t)halves + 1) * (NUMBERS_STRIDE / 2);
}

/* What a NOTIFY says, but for its numbers. 0: there is no memory to know. */
static uint64_t shown_of(const struct subscription *s, const struct body_profile *p,
                         const struct snapshot *snap)
{
    uint64_t shown;

    if (view_digest(s, p, snap, &shown))
        return 0;
    shown ^= (s->state == SUB_PENDING ? UINT64_MAX : 0);
    shown = (shown ^ shown >> SHOWN_BITS) & ((UINT64_C(1) << SHOWN_BITS) - 1);
    return shown ? shown : 1;
}

void kept_owe(struct subscription *s)
{
    word_set(s, 0);
}

void kept_shows(struct subscription *s)
{
    if (s->kept)
        word_set(s, shown_of(s, s->sent_profile, s->sent));
}

bool kept_showed(const struct subscription *s, const struct body_profile *p,
                 const struct snapshot *snap)
{
    const struct keep_words *words = &s->dialog->notifier->cfg.words;
    uint64_t word = s->kept ? words->get(words->ctx, s->kept) : 0;
    uint64_t shown = word & ((UINT64_C(1) << SHOWN_BITS) - 1);

    return shown && shown == shown_of(s, p, snap);
}

/* ---- promises ---- */

static void promise_kept(struct keep_wait *w, int result)
{
    struct promise *p = CONTAINER_OF(w, struct promise, wait);
    struct notifier *n = p->notifier;
    struct subscription *s = p->subscription;

    if (s) {
        p->subscription = NULL;
        s->promised = false;
    }
    if (p->request)
        request_accept(n, p->request, p->head, p->status, p->expires_s, p->list);
    promise_destroy(p);
    if (!s)
        return;
    if (sub_is_answered(s))
        subscription_attend(s);
    else if (result)
        subscription_refuse(s, 503, "subscriptions cannot be written to disk now");
    else
        subscription_begin(s);
}

struct promise *promise_create(struct notifier *n)
{
    struct promise *p = malloc(sizeof(*p));

    if (!p)
        return NULL;
    *p = (struct promise){ .notifier = n, .wait = { .done = promise_kept } };
    list_init(&p->wait.link);
    list_init(&p->link);
    list_append(&n->promises, &p->link);
    n->n_promises++;
    return p;
}

void promise_destroy(struct promise *p)
{
    if (!p)
        return;
    list_remove(&p->wait.link);
    list_remove(&p->link);
    p->notifier->n_promises--;
    dialog_head_unref(p->head);
    free(p);
}

void promise_detach(struct subscription *s)
{
    if (!s->promised)
        return;
    LIST_FOREACH (it, &s->dialog->notifier->promises) { /* those of some milliseconds */
        struct promise *p = CONTAINER_OF(it, struct promise, link);

        if (p->subscription == s)
            p->subscription = NULL;
    }
    s->promised = false;
}

static void promise_attach(struct promise *p, struct subscription *s)
{
    promise_detach(s);
    p->subscription = s;
    s->promised = true;
}

void promise_make(struct promise *p, struct subscription *s, struct server_txn *request,
                  unsigned status, uint32_t expires_s)
{
    promise_attach(p, s);
    p->request = request;
    p->head = dialog_head_ref(s->dialog->head);
    p->status = (uint16_t)status;
    p->expires_s = expires_s;
    p->list = s->list;
}

void promise_wait(struct promise *p)
{
    keep_wait(&p->notifier->cfg.keep, &p->wait);
}

int subscription_promise(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;
    uint64_t number = n->cfg.words.take(n->cfg.words.ctx);
    struct promise *p;
    int r;

    if (!number)
        return -ENOSPC;
    BUG_UNLESS(number <= UINT32_MAX);
    s->kept = (uint32_t)number;
    r = subscription_keep(s);
    if (r)
        return r;
    p = promise_create(n);
    if (!p)
        return -ENOMEM;
    sub_move(s, SUB_KEEPING);
    promise_attach(p, s);
    promise_wait(p);
    return 0;
}

void promises_drop(struct notifier *n)
{
    LIST_FOREACH_SAFE (it, &n->promises) {
        struct promise *p = CONTAINER_OF(it, struct promise, link);
        struct subscription *s = p->subscription;

        if (s && !sub_is_answered(s)) /* whoever asked asks again: the next process answers */
            s->request = NULL;
        if (s)
            promise_detach(s);
        promise_destroy(p);
    }
}
