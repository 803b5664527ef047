// SPDX-License-Identifier: MIT
/* One type=outbound-publish section: its server. Requests go through a window; a server that does
 * not answer is asked by one request at a time until it does; a server that has forgotten one
 * publication is asked about all of them. */
#include <stdlib.h>

#include "publisher/publisher_internal.h"

uint64_t section_retry_interval_ms(const struct section *s)
{
    uint64_t interval_s = s->publisher->settings->general.publish_retry_interval_s;

    if (!interval_s)
        interval_s = RETRY_INTERVAL_S;
    return (interval_s < RETRY_INTERVAL_MAX_S ? interval_s : RETRY_INTERVAL_MAX_S) * 1000;
}

/* ---- pauses ---- */

/* Whoever hears nothing from a server keeps nothing for it for ever: what is lapsed is gone there
 * too, and a section that is gone here does not wait until it is. */
static void drop_removed(struct section *s)
{
    bool hopeless = s->retired && s->down_failures >= REMOVE_TRIES;

    LIST_FOREACH_SAFE (it, &s->publications) {
        struct publication *pub = CONTAINER_OF(it, struct publication, of_section);

        if (pub->removing && pub->state != PUBLICATION_SENDING &&
            (hopeless || !publication_known(pub)))
            publication_destroy(pub);
    }
}

static void pause_growing(struct section *s)
{
    struct publisher *p = s->publisher;
    uint64_t most = section_retry_interval_ms(s);
    unsigned shift = s->down_failures > 16 ? 16 : s->down_failures;
    uint64_t ms = (uint64_t)RETRY_FIRST_MS << shift;

    ms = ms > most ? most : ms;
    s->down_failures++;
    timer_start(p->cfg.wheel, &s->pause, ms - rng_below(p->cfg.rng, (uint32_t)(ms / 4) + 1));
    drop_removed(s);
}

void section_congested(struct section *s)
{
    if (!timer_running(&s->pause))
        timer_start(s->publisher->cfg.wheel, &s->pause, CONGESTED_MS);
}

static void on_pause_over(struct timer *t)
{
    section_pump(CONTAINER_OF(t, struct section, pause));
}

/* ---- verification ---- */

/* In less than a retry interval, so that the loss is found, and mended, within one. */
static void probe_arm(struct section *s)
{
    struct publisher *p = s->publisher;
    uint64_t ms = section_retry_interval_ms(s) * 4 / 5;

    timer_start(p->cfg.wheel, &s->probe, ms + rng_below(p->cfg.rng, (uint32_t)(ms / 8) + 1));
}

/* Ask about every publication that is at rest; a tag that is lost shows as 412 and is published
 * anew. At most once per retry interval: what asks for it may go on for long. */
static void section_verify(struct section *s)
{
    struct publisher *p = s->publisher;
    uint64_t now = publisher_now(p), interval = section_retry_interval_ms(s);

    if (s->retired)
        return;
    if (s->epoch && now - s->verified_ms < interval) {
        s->verify_pending = true;
        timer_start(p->cfg.wheel, &s->probe, s->verified_ms + interval - now);
        return;
    }
    s->verify_pending = false;
    s->verified_ms = now;
    s->epoch++;
    probe_arm(s);
    LIST_FOREACH (it, &s->publications)
        publication_refresh(CONTAINER_OF(it, struct publication, of_section));
}

/* Whoever was away, or is another one, may know nothing of us. */
static void section_revive(struct section *s)
{
    s->down = false;
    s->down_failures = 0;
    timer_stop(s->publisher->cfg.wheel, &s->pause);
    LIST_FOREACH (it, &s->publications)
        publication_hurry(CONTAINER_OF(it, struct publication, of_section));
    section_verify(s);
}

/* ---- address ---- */

static void section_resolve(struct section *s)
{
    struct publisher *p = s->publisher;
    const struct section_terms *t = &s->terms;
    const struct sip_uri *target = t->settings->outbound_proxy.n ? &t->proxy : &t->server;
    uint64_t now = publisher_now(p);

    if (s->resolving && now - s->asked_ms < RESOLVE_PATIENCE_MS)
        return;
    s->resolving = true;
    s->asked_ms = now;
    /* The answer ends this; without one nothing else would ask again. */
    if (!s->resolved)
        timer_start(p->cfg.wheel, &s->pause, RESOLVE_PATIENCE_MS);
    p->cfg.port.resolve(p->cfg.port.ctx, target->host, target->port, s->cookie);
}

static void address_missing(struct section *s, int error)
{
    log_warn(s->publisher->cfg.log, "publish.no_address", KV("section", s->terms.settings->id),
             KV("server", s->terms.settings->server_uri), KV_ERR(error));
    if (s->resolved)
        return; /* an address that was good before stays in use */
    pause_growing(s);
    section_pump(s);
}

void section_resolved(struct section *s, const struct addr *remote)
{
    struct publisher *p = s->publisher;
    struct flow flow;
    int r = -ENOENT;
    bool moved;

    s->resolving = false;
    if (remote)
        r = p->cfg.port.route(p->cfg.port.ctx, s->terms.settings->transport, remote, &flow);
    if (r) {
        address_missing(s, r);
        return;
    }
    moved = s->resolved && !addr_equal(&flow.remote, &s->flow.remote);
    if (!s->resolved) {
        timer_stop(p->cfg.wheel, &s->pause);
        s->down_failures = 0;
    }
    s->flow = flow;
    s->resolved = true;
    s->resolved_ms = publisher_now(p);
    if (moved) {
        log_info(p->cfg.log, "publish.server_moved", KV("section", s->terms.settings->id));
        LIST_FOREACH (it, &s->publications)
            publication_recall(CONTAINER_OF(it, struct publication, of_section));
        section_revive(s); /* this is not the one that was silent */
    }
    section_pump(s);
}

/* ---- the window ---- */

void section_enqueue(struct section *s, struct publication *pub, bool routine)
{
    pub->routine = routine;
    list_append(routine ? &s->routine : &s->urgent, &pub->ready);
}

static bool may_send(struct section *s)
{
    if (timer_running(&s->pause))
        return false;
    if (!s->resolved) {
        section_resolve(s);
        return false;
    }
    return s->outstanding < (s->down ? 1 : SECTION_WINDOW);
}

/* Changes first, but not only: what is never refreshed lapses. */
static struct publication *section_next(struct section *s)
{
    bool routine =
        list_empty(&s->urgent) || (!list_empty(&s->routine) && ++s->picks % ROUTINE_SHARE == 0);
    struct list *next = routine ? s->routine.next : s->urgent.next;

    list_remove(next);
    return CONTAINER_OF(next, struct publication, ready);
}

void section_pump(struct section *s)
{
    while ((!list_empty(&s->urgent) || !list_empty(&s->routine)) && may_send(s))
        publication_send(section_next(s));
    if (s->retired && s->n_publications == 0)
        section_destroy(s);
}

/* ---- health ---- */

void section_answered(struct section *s)
{
    struct publisher *p = s->publisher;

    s->answered_ms = publisher_now(p);
    if (!s->down)
        return;
    log_info(p->cfg.log, "publish.server_back", KV("section", s->terms.settings->id));
    section_revive(s);
}

void section_unanswered(struct section *s, uint64_t attempt_ms)
{
    struct publisher *p = s->publisher;

    if (!s->down && s->answered_ms > attempt_ms)
        return; /* others were answered meanwhile: it lives, and this one had bad luck */
    if (!s->down)
        log_warn(p->cfg.log, "publish.server_down", KV("section", s->terms.settings->id),
                 KV("server", s->terms.settings->server_uri));
    s->down = true;
    if (!timer_running(&s->pause))
        pause_growing(s);
    if (publisher_now(p) - s->resolved_ms > RETRY_FIRST_MS)
        section_resolve(s); /* its name may point elsewhere by now */
}

/* Tags from before the last verification are its business: it will meet them all. */
void section_tag_lost(struct section *s, uint32_t tag_epoch)
{
    if (tag_epoch != s->epoch)
        return;
    log_info(s->publisher->cfg.log, "publish.server_forgot", KV("section", s->terms.settings->id),
             KV_U("publications", s->n_publications));
    section_verify(s);
}

static void probe_oldest(struct section *s)
{
    LIST_FOREACH (it, &s->publications) {
        struct publication *pub = CONTAINER_OF(it, struct publication, of_section);

        if (pub->state == PUBLICATION_IDLE && pub->entity_tag.n && !habit_begins_anew(pub)) {
            publication_refresh(pub);
            return;
        }
    }
}

/* A server that was restarted between two changes would show dead lamps until the next refresh: the
 * publication that was silent for longest is refreshed now and then, and its 412 gives the loss
 * away. */
static void on_probe(struct timer *t)
{
    struct section *s = CONTAINER_OF(t, struct section, probe);

    probe_arm(s);
    if (s->down)
        return; /* when it is back all are verified anyway */
    if (s->verify_pending)
        section_verify(s);
    else
        probe_oldest(s);
    section_pump(s);
}

/* ---- life ---- */

/* A device or a mailbox; or, without a name, the question for those of the other server. */
static bool stream_matches(const struct section *s, struct str name)
{
    const struct publish_settings *ps = s->terms.settings;

    if (!name.n)
        return settings_publish_asks(s->terms.owner, ps);
    return !ps->state || regex_matches(ps->state, name, NULL);
}

/* Extensions show in two packages, whoever else has a package of its own. */
static bool package_matches(struct str event, struct str package)
{
    if (package.n)
        return str_equal(event, package);
    return str_equal(event, STR("dialog")) || str_equal(event, STR("presence"));
}

bool section_matches(const struct section *s, const struct snapshot *snap)
{
    const struct publish_settings *ps = s->terms.settings;

    if (!package_matches(ps->event, snap->package))
        return false;
    if (asterisk_package_known(ps->event))
        return stream_matches(s, snap->extension);
    if (ps->context && !regex_matches(ps->context, snap->context, NULL))
        return false;
    return !ps->exten || regex_matches(ps->exten, snap->extension, NULL);
}

int section_create(struct section **out, struct publisher *p, const struct settings *settings,
                   const struct publish_settings *ps)
{
    struct section *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    r = terms_init(&s->terms, p, settings, ps);
    if (r) {
        free(s);
        return r;
    }
    s->publisher = p;
    s->cookie = ++p->next_cookie;
    list_init(&s->link);
    list_init(&s->publications);
    list_init(&s->urgent);
    list_init(&s->routine);
    timer_init(&s->pause, on_pause_over);
    timer_init(&s->probe, on_probe);
    probe_arm(s);
    p->counters.sections++;
    *out = s;
    return 0;
}

static void nonces_forget(struct section *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->sessions); i++)
        digest_session_fini(&s->sessions[i]);
}

void section_destroy(struct section *s)
{
    struct publisher *p = s->publisher;

    LIST_FOREACH_SAFE (it, &s->publications)
        publication_destroy(CONTAINER_OF(it, struct publication, of_section));
    timer_stop(p->cfg.wheel, &s->pause);
    timer_stop(p->cfg.wheel, &s->probe);
    list_remove(&s->link);
    p->counters.sections--;
    nonces_forget(s);
    terms_fini(&s->terms);
    free(s);
}

/* The nonces go on with the same credentials, which are now elsewhere in memory. */
static void nonces_keep(struct section *s, const struct section_terms *t)
{
    for (size_t i = 0; i < ARRAY_LEN(s->sessions); i++)
        for (size_t c = 0; c < t->n_credentials; c++)
            if (s->sessions[i].credential == s->terms.credentials[c]) {
                s->sessions[i].credential = t->credentials[c];
                break;
            }
}

int section_rebind(struct section *s, const struct settings *settings,
                   const struct publish_settings *ps)
{
    struct section_terms t;
    bool credentials_same;
    int r;

    if (s->terms.owner == settings)
        return 0;
    r = terms_init(&t, s->publisher, settings, ps);
    if (r)
        return r;
    if (!terms_same_target(&s->terms, &t)) {
        terms_fini(&t);
        return SECTION_DIFFERS;
    }
    credentials_same = terms_same_credentials(&s->terms, &t);
    if (credentials_same)
        nonces_keep(s, &t);
    else
        nonces_forget(s);
    if (!str_equal(s->terms.settings->transport, ps->transport))
        s->resolved = false;
    terms_fini(&s->terms);
    s->terms = t;
    /* As long as it answers its name is not looked up again: of several addresses each look-up may
     * give another, and they need not know of each other. */
    if (s->resolved)
        section_resolve(s);
    LIST_FOREACH (it, &s->publications)
        publication_terms_changed(CONTAINER_OF(it, struct publication, of_section),
                                  credentials_same);
    return 0;
}

void section_retire(struct section *s)
{
    s->retired = true;
    timer_stop(s->publisher->cfg.wheel, &s->probe);
    LIST_FOREACH_SAFE (it, &s->publications)
        publication_remove(CONTAINER_OF(it, struct publication, of_section), NULL);
}
