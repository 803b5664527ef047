// SPDX-License-Identifier: MIT
/* Subscriptions of a former process: a record becomes a dialog with a usage in the state that it
 * was in, and then is about what its Request-URI names now, as after a reload. */
#include "base/record.h"
#include "event/event_internal.h"

#include <stdlib.h>

/* ---- the record ---- */

static void read_numbers(struct subscription_memory *m, struct record *r)
{
    m->incarnation = record_u64(r);
    m->expires_wall_ms = record_u64(r);
    m->expires_s = record_u32(r);
    m->flags = record_u32(r);
    m->handling = record_u32(r);
    m->give_up_wall_ms = record_u64(r);
    m->dialog.local_cseq = record_u32(r);
    m->dialog.remote_cseq = record_u32(r);
    m->version = record_u32(r);
    m->number = record_u32(r);
}

/* As keep.c wrote it. 0 or -EBADMSG. */
static int memory_read(struct subscription_memory *m, struct str bytes)
{
    struct dialog_memory *d = &m->dialog;
    struct record r = record_of(bytes);
    struct str remote, local;

    *m = (struct subscription_memory){ .number = 0 };
    if (record_u64(&r) != RECORD_FORMAT)
        return -EBADMSG;
    read_numbers(m, &r);
    d->endpoint = record_str(&r);
    d->user_agent = record_str(&r);
    d->routes = record_str(&r);
    d->target.transport = record_str(&r);
    remote = record_str(&r);
    local = record_str(&r);
    for (unsigned i = HEAD_REMOTE + 1; i < HEAD_PARTS; i++)
        d->text[i] = record_str(&r);
    d->target.uri = d->text[HEAD_TARGET];
    d->target.secure = m->flags & RECORD_SECURE;
    d->target.protocol = (enum net_protocol)(m->flags / RECORD_PROTOCOL);
    d->target.routes = d->routes;
    for (unsigned i = 0; i < SUB_TEXTS; i++)
        m->text[i] = record_str(&r);
    m->accept = record_str(&r);
    m->content_type = record_str(&r);
    m->list = record_u64(&r);
    if (r.error || addr_parse(&d->target.remote, remote, 0) ||
        addr_parse(&d->target.local, local, 0))
        return -EBADMSG;
    return 0;
}

static bool is_uri(struct str s)
{
    struct sip_uri uri;

    return s.n <= EVENT_URI_MAX && sip_uri_parse(&uri, s) == 0;
}

bool subscription_memory_is_sane(const struct subscription_memory *m)
{
    const struct dialog_memory *d = &m->dialog;
    bool sane = d->target.protocol < NET_PROTOCOLS && m->handling <= WATCHER_ALLOW && m->number &&
                m->expires_s && m->text[SUB_EVENT].n && d->text[HEAD_LOCAL_TAG].n &&
                d->text[HEAD_CALL_ID].n && is_uri(d->target.uri) &&
                is_uri(d->text[HEAD_LOCAL_URI]) && is_uri(d->text[HEAD_REMOTE_URI]) &&
                str_is_one_line(d->routes) && d->endpoint.n <= UINT16_MAX &&
                d->user_agent.n <= USER_AGENT_MAX && d->routes.n <= ROUTES_MAX;

    for (unsigned i = HEAD_REMOTE + 1; i < HEAD_PARTS; i++)
        sane = sane && str_is_one_line(d->text[i]);
    for (unsigned i = 0; i < SUB_TEXTS; i++) /* the display name is for bodies, as the user agent */
        sane = sane && (i == SUB_DISPLAY || str_is_one_line(m->text[i]));
    return sane;
}

/* ---- from then to now ---- */

/* By how much the numbers of the record's writing are surpassed since. */
static uint32_t ahead_of(const struct notifier *n, const struct subscription_memory *m,
                         uint64_t word)
{
    uint64_t starts = n->cfg.incarnation > m->incarnation ? n->cfg.incarnation - m->incarnation : 1;
    uint32_t by_starts = (uint32_t)(starts * NUMBERS_STRIDE);
    uint32_t by_word = kept_cseq(word, m->dialog.local_cseq) - m->dialog.local_cseq;

    return by_starts > by_word ? by_starts : by_word;
}

/* What is past is now. */
static uint64_t monotonic_of(const struct notifier *n, uint64_t wall_ms)
{
    uint64_t now = clock_wall_ms(n->cfg.clock);

    return notifier_now(n) + (wall_ms > now ? wall_ms - now : 0);
}

/* When the wall clock has gone back, not later than what was granted from now. */
static uint64_t expiry_of(const struct notifier *n, const struct subscription_memory *m)
{
    uint64_t at_most = notifier_now(n) + UINT64_C(1000) * m->expires_s;
    uint64_t kept = monotonic_of(n, m->expires_wall_ms);

    return kept < at_most ? kept : at_most;
}

/* Its media type, with the switches of now; without a plugin that made it, what there is. */
static int profile_choose(const struct body_profile **out, const struct notifier *n,
                          const struct subscription_memory *m, unsigned flags)
{
    const struct dialog_memory *d = &m->dialog;
    struct sip_event event;
    struct es_subscriber who = { .size = sizeof(who),
                                 .user_agent = es_text_from(d->user_agent),
                                 .endpoint = es_text_from(d->endpoint) };
    int r = sip_event_parse(&event, m->text[SUB_EVENT]);

    if (r)
        return r;
    who.package = es_text_from(package_of_bodies(n, event.package));
    r = body_choose(n->cfg.bodies, &who, m->content_type, flags, out);
    return r == BODY_NO_GENERATOR ? body_negotiate(n->cfg.bodies, &who, STR_EMPTY, flags, out) : r;
}

static void settle(struct subscription *s, const struct subscription_memory *m, uint64_t number)
{
    struct notifier *n = s->dialog->notifier;

    timer_stop(n->cfg.wheel, &s->timer);
    s->state = m->flags & RECORD_PENDING ? SUB_PENDING : SUB_ACTIVE;
    s->handling = (uint8_t)m->handling;
    s->approved = m->flags & RECORD_APPROVED;
    s->documented = true; /* perhaps: a document may have been told after the record was written */
    s->version = m->version + m->ahead;
    s->expires_ms = expiry_of(n, m);
    s->give_up_ms = monotonic_of(n, m->give_up_wall_ms);
    s->number = m->number;
    if (m->number > n->last_number)
        n->last_number = m->number;
    s->kept = (uint32_t)number;
    subscription_doubt(s);
}

/* It counts for what it counted before. Without memory for that it counts for nothing. */
static void recount(struct subscription *s, const struct subscription_memory *m)
{
    struct notifier *n = s->dialog->notifier;
    struct watched_name key = { .served = STR_EMPTY };
    char package_room[128];
    struct buf package;
    struct quota *q;

    buf_init_on(&package, package_room, sizeof(package_room));
    if (!address_again(&key, s, &package))
        key = (struct watched_name){ .served = STR_EMPTY };
    if (quota_take(&q, n,
                   &(struct quota_spec){ .endpoint = m->dialog.endpoint,
                                         .context = key.name.context,
                                         .extension = key.name.extension,
                                         .remote = head_remote(s->dialog->head),
                                         .restored = true }) == 0)
        quota_attach(n, q, s);
}

/* 0 or negative: nothing is there. */
static int usage_recall(struct dialog *d, const struct subscription_memory *m, uint64_t number)
{
    struct notifier *n = d->notifier;
    const struct endpoint_settings *e = settings_endpoint(n->settings, m->dialog.endpoint);
    struct subscription_spec spec = {
        .dialog = d,
        .flags = e ? body_flags_of(n->settings, e, dialog_user_agent(d)) : 0,
        .expires_s = m->expires_s,
        .list = m->list,
        .accept = m->accept,
        .event = m->text[SUB_EVENT],
        .local = m->text[SUB_LOCAL],
        .remote = m->text[SUB_REMOTE],
        .display = m->text[SUB_DISPLAY],
        .host = m->text[SUB_HOST],
        .user = m->text[SUB_USER]
    };
    struct subscription *s;
    int r = profile_choose(&spec.profile, n, m, spec.flags);

    if (!r)
        r = subscription_create(&s, &spec);
    if (r)
        return r < 0 ? r : -ENOENT;
    n->cfg.port.readmit(n->cfg.port.ctx);
    settle(s, m, number);
    recount(s, m);
    if (m->moved)
        kept_owe(s);
    r = m->unwritten || m->moved ? subscription_keep(s) : 0;
    r = r ? r : watched_recall(s);
    if (r) {
        s->kept = 0;
        subscription_destroy(s);
    }
    return r;
}

/* Its Contact says something else now, as after a reload that moves its transport. By a connection
 * the telephone comes back by itself. */
static bool is_elsewhere(const struct dialog *d, const struct target_memory *m)
{
    const struct flow now = head_flow(d->head);

    return now.protocol == NET_UDP && !addr_equal(&now.local, &m->local);
}

int subscription_recall(struct notifier *n, struct subscription_memory *m, uint64_t number)
{
    struct dialog *d;
    int r;

    m->ahead = ahead_of(n, m, n->cfg.words.get(n->cfg.words.ctx, number));
    m->dialog.local_cseq += m->ahead;
    if (m->dialog.remote_cseq) /* the last one may come again, and its answer was lost */
        m->dialog.remote_cseq--;
    r = dialog_recall(&d, n, &m->dialog);
    if (r)
        return r;
    m->moved = is_elsewhere(d, &m->dialog.target);
    r = usage_recall(d, m, number);
    dialog_unpin(d);
    return r;
}

/* Read, and of use. */
static int memory_take(struct subscription_memory *m, const struct keep_record *record)
{
    int r = memory_read(m, record->bytes);

    return r ? r : subscription_memory_is_sane(m) && record->number <= UINT32_MAX ? 0 : -EBADMSG;
}

int notifier_record_check(const struct keep_record *record)
{
    struct subscription_memory m;

    return memory_take(&m, record);
}

/* One for which there is no memory is not forgotten: the next start may have it. */
void notifier_restore(struct notifier *n, const struct keep_record *record)
{
    struct subscription_memory m;
    int r = memory_take(&m, record);

    if (!r) {
        n->cfg.words.claim(n->cfg.words.ctx, record->number);
        r = subscription_recall(n, &m, record->number);
    }
    if (!r)
        return;
    log_error(n->cfg.log, "subscription.not_restored", KV_U("number", record->number),
              KV("endpoint", r == -EBADMSG ? STR_EMPTY : m.dialog.endpoint), KV_ERR(r));
    if (r != -ENOMEM)
        keep_forget(&n->cfg.keep, KEEP_SUBSCRIPTION, record->number);
}
