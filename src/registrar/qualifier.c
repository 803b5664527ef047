// SPDX-License-Identifier: MIT
/* When each contact is asked, and what becomes of it. Where many are known at once, at the start
 * and after a reload, they are spread at random over their time; and the time is a little shorter
 * each time, so that they do not gather either. */
#include <stdlib.h>

#include "registrar/watch.h"

enum {
    SHORTER_PERCENT = 10, /* at most, than the frequency says */
    PUT_OFF_MS = 1000,    /* while we are short of something */
};

static const unsigned moves[QUALIFIED_STATES] = {
    [QUALIFIED_OFF] = BIT(QUALIFIED_RESTING),
    [QUALIFIED_RESTING] = BIT(QUALIFIED_OFF) | BIT(QUALIFIED_RESTING) | BIT(QUALIFIED_ASKING),
    [QUALIFIED_ASKING] = BIT(QUALIFIED_OFF) | BIT(QUALIFIED_RESTING),
};

unsigned qualifier_home(struct str aor, unsigned workers)
{
    return str_part(aor, workers);
}

const char *qualify_status_name(enum qualify_status status)
{
    static const char *const names[QUALIFY_STATUSES] = {
        [QUALIFY_OFF] = "unqualified",
        [QUALIFY_UNKNOWN] = "unknown",
        [QUALIFY_REACHABLE] = "reachable",
        [QUALIFY_UNREACHABLE] = "unreachable",
    };

    return names[status];
}

/* ---- one of them ---- */

static void qualified_move(struct qualified *c, enum qualified_state next)
{
    BUG_UNLESS(moves[c->state] & BIT(next));
    timer_stop(c->qualifier->cfg.wheel, &c->timer);
    c->state = next;
}

static void rest(struct qualified *c, uint64_t delay_ms)
{
    qualified_move(c, QUALIFIED_RESTING);
    timer_start(c->qualifier->cfg.wheel, &c->timer, delay_ms);
}

static void on_timer(struct timer *t)
{
    struct qualified *c = CONTAINER_OF(t, struct qualified, timer);
    const struct aor_settings *aor = settings_aor(c->qualifier->settings, c->contact->aor);

    qualified_move(c, QUALIFIED_ASKING);
    c->begun_ms = clock_monotonic_ms(c->qualifier->cfg.clock);
    c->request.timeout_ms = aor->qualify_timeout_ms;
    contact_request_start(&c->request);
}

/* ---- what is known ---- */

static enum contact_reach reach_of(enum qualify_status status)
{
    switch (status) {
    case QUALIFY_REACHABLE:
        return CONTACT_REACHED;
    case QUALIFY_UNREACHABLE:
        return CONTACT_UNREACHED;
    default:
        return CONTACT_NOT_ASKED;
    }
}

static void tell_log(struct qualified *c, enum qualify_status former)
{
    struct qualifier *q = c->qualifier;

    if (c->status == QUALIFY_UNREACHABLE) {
        q->counters.lost += former == QUALIFY_REACHABLE;
        log_info(q->cfg.log, "contact.unreachable", KV("aor", c->contact->aor),
                 KV("contact", c->contact->uri), KV_U("status", c->last_status));
    } else if (c->status == QUALIFY_REACHABLE) {
        q->counters.returned += former == QUALIFY_UNREACHABLE;
        log_info(q->cfg.log, "contact.reachable", KV("aor", c->contact->aor),
                 KV("contact", c->contact->uri), KV_U("rtt_ms", c->rtt_ms));
    }
}

static void status_note(struct qualified *c, enum qualify_status status)
{
    c->qualifier->n_of[c->status]--;
    c->qualifier->n_of[status]++;
    c->status = status;
    c->since_wall_ms = clock_wall_ms(c->qualifier->cfg.clock);
}

static void status_set(struct qualified *c, enum qualify_status status)
{
    struct qualifier *q = c->qualifier;
    enum qualify_status former = c->status;

    if (status == former)
        return;
    status_note(c, status);
    tell_log(c, former);
    if (reach_of(status) != reach_of(former) || status == QUALIFY_OFF)
        q->cfg.port.reach(q->cfg.port.ctx, c->contact->id, reach_of(status), c->rtt_ms);
    if (former == QUALIFY_UNREACHABLE && status == QUALIFY_REACHABLE && c->watch)
        watch_returned(c->watch);
}

/* ---- rounds ---- */

static uint64_t ms_until_next(struct qualified *c)
{
    struct qualifier *q = c->qualifier;
    uint32_t interval_ms = c->frequency_s * 1000u;
    uint64_t next_ms =
        c->begun_ms + interval_ms - rng_below(q->cfg.rng, interval_ms / 100 * SHORTER_PERCENT + 1);
    uint64_t now_ms = clock_monotonic_ms(q->cfg.clock);

    return next_ms > now_ms ? next_ms - now_ms : 0;
}

static void round_end(struct qualified *c, unsigned status, enum qualify_status found)
{
    c->last_status = status;
    rest(c, ms_until_next(c));
    status_set(c, found);
}

static bool is_success(const struct qualified *c, unsigned status)
{
    const struct aor_settings *aor = settings_aor(c->qualifier->settings, c->contact->aor);

    return status / 100 == 2 || !aor || !aor->qualify_2xx_only;
}

void qualified_answered(struct qualified *c, unsigned status, uint32_t rtt_ms)
{
    struct qualifier_counters *counters = &c->qualifier->counters;

    counters->answered++;
    histogram_add(&counters->rtt, rtt_ms);
    c->rtt_ms = rtt_ms;
    round_end(c, status, is_success(c, status) ? QUALIFY_REACHABLE : QUALIFY_UNREACHABLE);
}

void qualified_unanswered(struct qualified *c, unsigned status)
{
    c->qualifier->counters.unanswered++;
    round_end(c, status, QUALIFY_UNREACHABLE);
}

void qualified_put_off(struct qualified *c)
{
    rest(c, PUT_OFF_MS);
}

/* ---- when it begins to be asked, or ceases ---- */

static uint32_t frequency_of(const struct qualified *c)
{
    const struct settings *s = c->qualifier->settings;
    const struct aor_settings *aor = settings_aor(s, c->contact->aor);

    if (c->qualifier->stopping || !aor || !settings_endpoint(s, c->contact->endpoint))
        return 0;
    return aor->qualify_frequency_s;
}

static uint64_t ms_until_first(const struct qualified *c)
{
    uint32_t most_s = c->qualifier->settings->global.max_initial_qualify_time_s;

    if (!most_s || most_s > c->frequency_s)
        most_s = c->frequency_s;
    return rng_below(c->qualifier->cfg.rng, most_s * 1000u);
}

/* It just came by a REGISTER: whoever sent that is there to be asked. */
static bool is_fresh(const struct qualified *c)
{
    return !c->contact->is_static && c->contact->registered_wall_ms >= c->qualifier->begun_wall_ms;
}

static void turn_on(struct qualified *c, uint64_t delay_ms)
{
    if (c->status == QUALIFY_OFF)
        status_note(c, QUALIFY_UNKNOWN);
    rest(c, delay_ms);
}

static void turn_off(struct qualified *c)
{
    qualified_move(c, QUALIFIED_OFF);
    if (!c->qualifier->stopping)
        status_set(c, QUALIFY_OFF);
}

/* `registered`: it was, just now. What is under way is asked anew: its bytes may be others now. */
static void qualified_plan(struct qualified *c, bool registered)
{
    uint32_t frequency_s = frequency_of(c);
    bool changed = frequency_s != c->frequency_s, was_under_way = c->state == QUALIFIED_ASKING;

    contact_request_stop(&c->request);
    c->frequency_s = frequency_s;
    if (frequency_s && registered)
        turn_on(c, QUALIFIER_REGISTERED_MS);
    else if (frequency_s && was_under_way)
        turn_on(c, 0);
    else if (frequency_s && changed)
        turn_on(c, ms_until_first(c));
    else if (!frequency_s && c->state != QUALIFIED_OFF)
        turn_off(c);
}

/* ---- its dialogs ---- */

static bool has_settings(const struct qualified *c)
{
    const struct settings *s = c->qualifier->settings;

    return settings_aor(s, c->contact->aor) && settings_endpoint(s, c->contact->endpoint);
}

static bool is_watched(const struct qualified *c)
{
    const struct registrar_settings *s = &c->qualifier->settings->registrar;

    return s->enabled && s->watch_dialogs && has_settings(c);
}

static void watch_plan(struct qualified *c, uint64_t delay_ms)
{
    struct watch *w = c->watch;

    if (c->qualifier->stopping) /* what it does is not known to be over */
        return;
    if (is_watched(c) && !w) {
        c->watch = watch_create(c->qualifier, c->contact, delay_ms);
    } else if (!is_watched(c) && w) {
        c->watch = NULL;
        watch_leave(w, has_settings(c));
    }
}

/* Whose time is over is not there any more, and need not know. */
static void watch_end(struct qualified *c)
{
    const struct contact *contact = c->contact;
    bool expired =
        !contact->is_static && contact->expires_wall_ms <= clock_wall_ms(c->qualifier->cfg.clock);
    struct watch *w = c->watch;

    c->watch = NULL;
    if (w && c->qualifier->stopping)
        watch_destroy(w);
    else if (w)
        watch_leave(w, has_settings(c) && !expired);
}

/* ---- all of them ---- */

static bool has_id(const struct map_node *node, const void *id)
{
    return CONTAINER_OF(node, const struct qualified, node)->contact->id == *(const uint64_t *)id;
}

static struct qualified *qualified_find(const struct qualifier *q, uint64_t id)
{
    struct map_node *node = map_find(&q->contacts, map_hash_u64(&q->contacts, id), has_id, &id);

    return node ? CONTAINER_OF(node, struct qualified, node) : NULL;
}

static int qualified_create(struct qualifier *q, const struct contact *contact)
{
    struct qualified *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->qualifier = q;
    c->contact = contact_ref(contact);
    c->since_wall_ms = clock_wall_ms(q->cfg.clock);
    q->n_of[QUALIFY_OFF]++;
    contact_request_init(&c->request, &q->requests, c->contact, &qualify_ops);
    timer_init(&c->timer, on_timer);
    map_add(&q->contacts, &c->node, map_hash_u64(&q->contacts, contact->id));
    list_init(&c->link);
    list_append(&q->all, &c->link);
    qualified_plan(c, is_fresh(c));
    watch_plan(c, is_fresh(c) ? QUALIFIER_REGISTERED_MS : 0);
    return 0;
}

static void qualified_destroy(struct qualified *c)
{
    struct qualifier *q = c->qualifier;

    watch_end(c);
    contact_request_stop(&c->request);
    if (c->state != QUALIFIED_OFF)
        qualified_move(c, QUALIFIED_OFF);
    map_remove(&q->contacts, &c->node);
    list_remove(&c->link);
    q->n_of[c->status]--;
    contact_unref(c->contact);
    free(c);
}

/* One that does not answer is asked as soon as it is heard of again. */
static void qualified_refresh(struct qualified *c, const struct contact *now)
{
    const struct contact *former = c->contact;
    bool moved = !contact_same_way(now, former);

    c->contact = contact_ref(now);
    c->request.contact = now;
    if (moved || c->status == QUALIFY_UNREACHABLE)
        qualified_plan(c, !now->is_static);
    if (c->watch) /* with another Call-ID it has begun anew, and may have forgotten us */
        watch_contact_set(c->watch, now, moved || !str_equal(now->call_id, former->call_id));
    watch_plan(c, 0);
    contact_unref(former);
}

int qualifier_contact(struct qualifier *q, const struct contact *now, const struct contact *former)
{
    struct qualified *c = qualified_find(q, now ? now->id : former->id);

    if (!now && c)
        qualified_destroy(c);
    else if (now && c)
        qualified_refresh(c, now);
    else if (now)
        return qualified_create(q, now);
    return 0;
}

/* What is under way would go on with other bytes. */
static void leaving_review(struct qualifier *q)
{
    LIST_FOREACH_SAFE (it, &q->leaving) {
        struct watch *w = CONTAINER_OF(it, struct watch, link);

        if (w->request.state != REQUEST_NONE || !settings_aor(q->settings, w->contact->aor) ||
            !settings_endpoint(q->settings, w->contact->endpoint))
            watch_destroy(w);
    }
}

void qualifier_settings_set(struct qualifier *q, const struct settings *settings)
{
    const struct settings *former = q->settings;

    q->settings = settings_ref(settings);
    q->requests.settings = q->settings;
    leaving_review(q);
    LIST_FOREACH (it, &q->all) {
        struct qualified *c = CONTAINER_OF(it, struct qualified, link);

        qualified_plan(c, false);
        watch_plan(c, 0);
        if (c->watch)
            watch_settings_changed(c->watch);
    }
    settings_unref(former);
}

void qualifier_stop(struct qualifier *q)
{
    q->stopping = true;
    LIST_FOREACH (it, &q->all) {
        struct qualified *c = CONTAINER_OF(it, struct qualified, link);

        qualified_plan(c, false);
        if (c->watch)
            watch_quiet(c->watch);
    }
    LIST_FOREACH (it, &q->leaving)
        watch_quiet(CONTAINER_OF(it, struct watch, link));
}

void qualifier_resolved(struct qualifier *q, uint64_t question, const struct dns_targets *found)
{
    (void)contact_requests_resolved(&q->requests, question, found);
}

/* ---- views ---- */

static uint32_t left_s_of(const struct qualifier *q, const struct contact *c)
{
    uint64_t now_ms = clock_wall_ms(q->cfg.clock);

    if (c->is_static || c->expires_wall_ms <= now_ms)
        return 0;
    return (uint32_t)((c->expires_wall_ms - now_ms + 999) / 1000);
}

const char *watch_status_name(enum watch_status status)
{
    static const char *const names[WATCHED_STATUSES] = {
        [WATCHED_NOT] = "off",
        [WATCHED_TRYING] = "trying",
        [WATCHED_YES] = "watched",
        [WATCHED_REFUSED] = "not supported",
    };

    return names[status];
}

void qualifier_each(const struct qualifier *q,
                    void (*each)(void *ctx, const struct qualify_view *v), void *ctx)
{
    LIST_FOREACH (it, &q->all) {
        const struct qualified *c = CONTAINER_OF(it, const struct qualified, link);
        struct qualify_view v = { .contact = c->contact,
                                  .status = c->status,
                                  .since_wall_ms = c->since_wall_ms,
                                  .rtt_ms = c->rtt_ms,
                                  .left_s = left_s_of(q, c->contact),
                                  .last_status = c->last_status,
                                  .watch = watch_view_of(c->watch) };

        if (c->state == QUALIFIED_RESTING)
            v.next_s = (uint32_t)(timer_left_ms(q->cfg.wheel, &c->timer) / 1000) + 1;
        each(ctx, &v);
    }
}

void qualifier_counters_get(const struct qualifier *q, struct qualifier_counters *out)
{
    *out = q->counters;
    out->challenged = q->requests.challenged;
    out->contacts = q->contacts.count;
    out->unqualified = q->n_of[QUALIFY_OFF];
    out->unknown = q->n_of[QUALIFY_UNKNOWN];
    out->reachable = q->n_of[QUALIFY_REACHABLE];
    out->unreachable = q->n_of[QUALIFY_UNREACHABLE];
    out->watch.watched = q->n_watches[WATCH_ACTIVE];
    out->watch.refused = q->n_watches[WATCH_REFUSED];
    out->watch.trying = q->n_watches[WATCH_RESTING] + q->n_watches[WATCH_ASKING];
}

/* ---- life ---- */

int qualifier_create(struct qualifier **out, const struct qualifier_config *cfg)
{
    struct qualifier *q = calloc(1, sizeof(*q));
    struct rng own; /* what has keys of ours only does not shift the numbers of a scenario */
    int r = -ENOMEM;

    if (!q)
        return r;
    q->cfg = *cfg;
    q->settings = settings_ref(cfg->settings);
    q->requests = (struct contact_requests){ .txn = cfg->txn,
                                             .wheel = cfg->wheel,
                                             .rng = cfg->rng,
                                             .log = cfg->log,
                                             .port = cfg->port.requests,
                                             .settings = q->settings };
    q->begun_wall_ms = clock_wall_ms(cfg->clock);
    list_init(&q->all);
    list_init(&q->leaving);
    buf_init(&q->headers, 1024);
    buf_init(&q->why, 256);
    rng_init_system(&own);
    r = map_init(&q->contacts, &own);
    if (r == 0)
        r = contact_requests_init(&q->requests, &own);
    if (r == 0)
        r = map_init(&q->watches, &own);
    if (r)
        qualifier_destroy(q);
    else
        *out = q;
    return r;
}

void qualifier_destroy(struct qualifier *q)
{
    if (!q)
        return;
    q->stopping = true;
    LIST_FOREACH_SAFE (it, &q->all)
        qualified_destroy(CONTAINER_OF(it, struct qualified, link));
    LIST_FOREACH_SAFE (it, &q->leaving)
        watch_destroy(CONTAINER_OF(it, struct watch, link));
    map_fini(&q->contacts);
    contact_requests_fini(&q->requests);
    map_fini(&q->watches);
    xml_parser_fini(&q->xml);
    buf_fini(&q->headers);
    buf_fini(&q->why);
    settings_unref(q->settings);
    free(q);
}
