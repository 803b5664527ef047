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
    const struct dns_question q = { .host = target->host,
                                    .port = target->port,
                                    .secure = target->secure,
                                    .fixed = t->protocol_named,
                                    .protocol = t->protocol };
    uint64_t now = publisher_now(p);

    if (s->resolving && now - s->asked_ms < RESOLVE_PATIENCE_MS)
        return;
    s->resolving = true;
    s->asked_ms = now;
    /* The answer ends this; without one nothing else would ask again. */
    if (!s->resolved)
        timer_start(p->cfg.wheel, &s->pause, RESOLVE_PATIENCE_MS);
    p->cfg.port.resolve(p->cfg.port.ctx, &q, s->cookie);
}

/* It is said once, until it is another reason. */
static void address_missing(struct section *s, struct str why)
{
    struct publisher *p = s->publisher;
    struct str copy;

    if (!str_equal(s->missing, why) || !s->missing.n)
        log_warn(p->cfg.log, "publish.no_address", KV("section", s->terms.settings->id),
                 KV("server", s->terms.settings->server_uri), KV("why", why));
    if (!str_equal(s->missing, why) && str_dup(&copy, why) == 0) {
        str_free(&s->missing);
        s->missing = copy;
    }
    /* An address that was good before stays in use. */
    s->targets.until_ms = publisher_now(p) + section_retry_interval_ms(s);
    if (s->resolved)
        return;
    pause_growing(s);
    section_pump(s);
}

/* The first of `found`, from this one on and around, that our transport reaches. */
static int target_choose(const struct section *s, const struct dns_targets *found, unsigned from,
                         unsigned *which, struct flow *flow)
{
    const struct publisher_port *port = &s->publisher->cfg.port;
    int r = -ENOENT;

    for (unsigned i = 0; i < found->n && r; i++) {
        const struct dns_target *t = &found->list[(from + i) % found->n];

        r = port->route(port->ctx, s->terms.settings->transport, t->protocol, &t->addr, flow);
        *which = (from + i) % found->n;
    }
    return r;
}

static bool same_place(const struct flow *a, const struct flow *b)
{
    return a->protocol == b->protocol && addr_equal(&a->remote, &b->remote);
}

/* The way there may begin at another transport of ours now. */
static void flow_renew(struct section *s)
{
    struct flow flow;
    unsigned which;

    if (target_choose(s, &s->targets, s->target, &which, &flow) == 0 && same_place(&flow, &s->flow))
        s->flow = flow;
}

static void address_log(const struct section *s, const char *event)
{
    char room[DNS_TARGET_TEXT_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    dns_target_print(&b, (enum net_protocol)s->flow.protocol, &s->flow.remote);
    log_info(s->publisher->cfg.log, event, KV("section", s->terms.settings->id),
             KV("remote", buf_str(&b)));
}

/* What is under way to the former address begins anew. */
static void section_move(struct section *s, const struct flow *flow, unsigned target)
{
    s->target = target;
    s->flow = *flow;
    s->moved_ms = publisher_now(s->publisher);
    address_log(s, "publish.server_moved");
    LIST_FOREACH (it, &s->publications)
        publication_recall(CONTAINER_OF(it, struct publication, of_section));
}

bool section_failover(struct section *s, uint64_t attempt_ms, bool refused)
{
    uint64_t now = publisher_now(s->publisher);
    struct flow flow;
    unsigned which;

    /* One that refuses a single publication is not left again and again. */
    if (refused ? s->moved_ms && !s->tried && now - s->moved_ms < section_retry_interval_ms(s)
                : s->answered_ms > attempt_ms)
        return false;
    if (s->tried + 1 >= s->targets.n) {
        s->tried = 0; /* after the pause they are all tried again */
        return false;
    }
    s->tried++;
    if (target_choose(s, &s->targets, s->target + 1, &which, &flow) || same_place(&flow, &s->flow))
        return false;
    section_move(s, &flow, which);
    s->down = true; /* one request at a time, until this one has answered */
    return true;
}

/* Where we are is kept as long as it is one of them, whatever the order: another one need not know
 * our publications, and the draw by weight is another each time. */
static unsigned target_kept(const struct section *s, const struct dns_targets *found)
{
    for (unsigned i = 0; s->resolved && i < found->n; i++)
        if (found->list[i].protocol == (enum net_protocol)s->flow.protocol &&
            addr_equal(&found->list[i].addr, &s->flow.remote))
            return i;
    return 0;
}

void section_resolved(struct section *s, const struct dns_targets *found)
{
    struct publisher *p = s->publisher;
    bool moved, first = !s->resolved;
    struct flow flow;
    unsigned which;
    int r;

    s->resolving = false;
    r = target_choose(s, found, target_kept(s, found), &which, &flow);
    if (r) {
        address_missing(s, found->n ? str_of(strerror(-r)) : found->why);
        return;
    }
    moved = s->resolved && !same_place(&flow, &s->flow);
    if (first) {
        timer_stop(p->cfg.wheel, &s->pause);
        s->down_failures = 0;
    }
    str_free(&s->missing);
    s->targets = *found;
    s->targets.why = STR_EMPTY;
    s->target = which;
    s->resolved = true;
    s->resolved_ms = publisher_now(p);
    if (moved) {
        s->tried = 0;
        section_move(s, &flow, which);
        section_revive(s); /* this is not the one that was silent */
    }
    s->flow = flow;
    if (first)
        address_log(s, "publish.resolved");
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
    if (publisher_now(s->publisher) >= s->targets.until_ms)
        section_resolve(s); /* until it is answered, what was found goes on */
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
    while (!s->publisher->quiet && (!list_empty(&s->urgent) || !list_empty(&s->routine)) &&
           may_send(s))
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

bool publisher_matches(const struct publish_settings *ps, struct str context, struct str extension)
{
    if (ps->context && !regex_matches(ps->context, context, NULL))
        return false;
    return !ps->exten || regex_matches(ps->exten, extension, NULL);
}

bool section_matches(const struct section *s, const struct snapshot *snap)
{
    const struct publish_settings *ps = s->terms.settings;

    if (!package_matches(ps->event, snap->package))
        return false;
    if (asterisk_package_known(ps->event))
        return stream_matches(s, snap->extension);
    return publisher_matches(ps, snap->context, snap->extension);
}

int section_create(struct section **out, struct publisher *p, const struct settings *settings,
                   const struct publish_settings *ps)
{
    struct section *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    r = terms_init(&s->terms, p, settings, ps, NULL);
    if (r) {
        free(s);
        return r;
    }
    s->publisher = p;
    s->bodies_seen = p->bodies_set;
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

/* What is not of the target is as the section of that name has it now, or as little as there can
 * be. */
static struct publish_settings *former_dup(const struct publisher *p,
                                           const struct publish_settings *of)
{
    const struct publish_settings *now = settings_publish(p->settings, of->id);
    struct str texts[] = { of->id,    of->server_uri, of->from_uri,      of->to_uri,
                           of->event, of->body,       of->outbound_proxy };
    struct publish_settings *ps;
    size_t n = 0;
    char *at;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        n += texts[i].n;
    ps = calloc(1, sizeof(*ps) + n);
    if (!ps)
        return NULL;
    at = (char *)(ps + 1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        str_keep(&texts[i], &at);
    *ps = (struct publish_settings){ .id = texts[0],
                                     .server_uri = texts[1],
                                     .from_uri = texts[2],
                                     .to_uri = texts[3],
                                     .event = texts[4],
                                     .body = texts[5],
                                     .outbound_proxy = texts[6],
                                     .expiration_s = of->expiration_s };
    if (now) {
        ps->auths = now->auths;
        ps->n_auths = now->n_auths;
        ps->max_auth_attempts = now->max_auth_attempts;
        ps->transport = now->transport;
    }
    return ps;
}

int section_create_former(struct section **out, struct publisher *p,
                          const struct publish_settings *former)
{
    struct publish_settings *ps = former_dup(p, former);
    int r = ps ? section_create(out, p, p->settings, ps) : -ENOMEM;

    if (r) {
        free(ps);
        return r;
    }
    (*out)->former = ps;
    section_retire(*out);
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
    str_free(&s->missing);
    terms_fini(&s->terms);
    free(s->former);
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

    if (s->terms.owner == settings && s->bodies_seen == s->publisher->bodies_set)
        return 0;
    r = terms_init(&t, s->publisher, settings, ps, &s->terms);
    if (r)
        return r;
    if (!publisher_same_target(s->terms.owner, s->terms.settings, settings, ps)) {
        terms_fini(&t);
        return SECTION_DIFFERS;
    }
    credentials_same = terms_same_credentials(&s->terms, &t);
    if (credentials_same)
        nonces_keep(s, &t);
    else
        nonces_forget(s);
    if (!str_equal(s->terms.settings->transport, ps->transport) ||
        s->terms.protocol != t.protocol || s->terms.protocol_named != t.protocol_named)
        s->resolved = false;
    terms_fini(&s->terms);
    s->terms = t;
    s->bodies_seen = s->publisher->bodies_set;
    /* As long as it answers its name is not looked up again: of several addresses each look-up may
     * give another, and they need not know of each other. */
    if (s->resolved) {
        flow_renew(s);
        section_resolve(s);
    }
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
