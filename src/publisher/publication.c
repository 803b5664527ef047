// SPDX-License-Identifier: MIT
/* One publication between its requests: what it has to tell, when, and how it ends.
 *
 * A refresh carries the body again, against RFC 3903 section 4.3: it costs little, compositors that
 * compare stay silent, and those that keep nothing but the last message do not forget the state. */
#include <stdlib.h>

#include "publisher/publisher_internal.h"

static const struct {
    const char *name;
    unsigned next;
} publication_states[PUBLICATION_STATES] = {
    [PUBLICATION_IDLE] = { "idle", BIT(PUBLICATION_READY) },
    [PUBLICATION_READY] = { "ready", BIT(PUBLICATION_SENDING) | BIT(PUBLICATION_IDLE) },
    [PUBLICATION_SENDING] = { "sending", BIT(PUBLICATION_IDLE) | BIT(PUBLICATION_READY) |
                                             BIT(PUBLICATION_WAITING) },
    [PUBLICATION_WAITING] = { "waiting", BIT(PUBLICATION_READY) },
};

static struct publisher *publisher_of(const struct publication *pub)
{
    return pub->section->publisher;
}

void publication_busy_update(struct publication *pub)
{
    bool busy =
        pub->removing || pub->state == PUBLICATION_READY || pub->state == PUBLICATION_SENDING;

    if (busy && !pub->busy)
        publisher_of(pub)->busy++;
    else if (!busy && pub->busy)
        publisher_of(pub)->busy--;
    pub->busy = busy;
}

void publication_move(struct publication *pub, enum publication_state next)
{
    BUG_UNLESS(publication_states[pub->state].next & BIT(next));
    log_debug(publisher_of(pub)->cfg.log, "publication.state",
              KV("section", pub->section->terms.settings->id),
              KV("extension", pub->newest->extension), KV("to", publication_states[next].name));
    pub->state = next;
    publication_busy_update(pub);
}

void snapshot_replace(const struct snapshot **slot, const struct snapshot *s)
{
    const struct snapshot *former = *slot;

    *slot = s ? snapshot_ref(s) : NULL;
    snapshot_unref(former);
}

/* ---- what there is to tell ---- */

bool publication_known(const struct publication *pub)
{
    return publisher_now(publisher_of(pub)) < pub->granted_until_ms;
}

void publication_count(struct publication *pub)
{
    tally_again(&publisher_of(pub)->heap.publications, &pub->counted,
                tally_size(pub) + tally_text(pub->message) + tally_text(pub->entity_tag) +
                    tally_text(pub->call_id) + tally_text(pub->last_reason));
}

void publication_text_drop(struct publication *pub, struct str *text)
{
    str_free(text);
    publication_count(pub);
}

void publication_forget(struct publication *pub)
{
    publication_text_drop(pub, &pub->entity_tag);
    snapshot_replace(&pub->told, NULL);
    pub->told_digest = 0;
    pub->told_idle = false;
    pub->granted_until_ms = 0;
}

bool publication_nothing_new(const struct publication *pub)
{
    const struct rendered_body *b;

    if (pub->restored)
        return true;
    if (!pub->told_digest || pub->uncertain)
        return false;
    return body_render(pub->section->terms.profile, pub->newest, publisher_of(pub)->cfg.rng, &b) ==
               0 &&
           publication_digest(b) == pub->told_digest;
}

uint64_t publication_digest(const struct rendered_body *b)
{
    uint64_t digest = body_digest(b);

    return digest ? digest : 1;
}

void publication_make_ready(struct publication *pub, bool routine)
{
    timer_stop(publisher_of(pub)->cfg.wheel, &pub->timer);
    publication_move(pub, PUBLICATION_READY);
    section_enqueue(pub->section, pub, routine);
}

static void refresh_later(struct publication *pub)
{
    struct publisher *p = publisher_of(pub);
    uint64_t now = publisher_now(p);

    timer_start(p->cfg.wheel, &pub->timer, pub->refresh_at_ms > now ? pub->refresh_at_ms - now : 0);
}

void publication_rest(struct publication *pub)
{
    publication_move(pub, PUBLICATION_IDLE);
    refresh_later(pub);
}

/* At 80 to 90 %: ahead of the server's clock, and not all at once. */
void publication_plan_refresh(struct publication *pub)
{
    struct publisher *p = publisher_of(pub);
    uint64_t now = publisher_now(p), share = rng_below(p->cfg.rng, 1 << 16), s = pub->granted_s;
    uint64_t left = s * 200 - ((s * 100 * share) >> 16);

    pub->refresh_at_ms = now + REFRESH_LEAST_MS;
    if (pub->granted_until_ms > pub->refresh_at_ms + left)
        pub->refresh_at_ms = pub->granted_until_ms - left;
}

/* A change while a refused one waits may go earlier, but not in a hurry, and not against the
 * server's Retry-After. */
static void hasten(struct publication *pub)
{
    struct publisher *p = publisher_of(pub);
    uint64_t now = publisher_now(p), earliest = pub->attempt_ms + CHANGE_GAP_MS;
    uint64_t delay = earliest > now ? earliest - now : 0;

    if (pub->refused && !pub->retry_is_fixed && delay < timer_left_ms(p->cfg.wheel, &pub->timer))
        timer_start(p->cfg.wheel, &pub->timer, delay);
}

/* The resource of a restored one is there again: it goes on, and is silent when the server knows
 * what there is to know. */
static void adopt(struct publication *pub, const struct snapshot *snap)
{
    snapshot_replace(&pub->newest, snap);
    pub->restored = false;
    if (pub->refresh_due || !publication_nothing_new(pub)) {
        publication_make_ready(pub, false);
        return;
    }
    snapshot_replace(&pub->told, snap);
    refresh_later(pub);
}

void publication_newest_set(struct publication *pub, const struct snapshot *snap)
{
    struct publisher *p = publisher_of(pub);

    if (pub->removing || pub->newest == snap)
        return;
    if (pub->restored) {
        adopt(pub, snap);
        return;
    }
    /* What neither went out nor was acknowledged by an equal one is told to nobody. */
    if (pub->newest != pub->sent && pub->newest != pub->told)
        p->counters.coalesced++;
    snapshot_replace(&pub->newest, snap);
    if (pub->state == PUBLICATION_WAITING) {
        hasten(pub);
    } else if (pub->state == PUBLICATION_READY && pub->routine) {
        list_remove(&pub->ready);
        section_enqueue(pub->section, pub, false);
    } else if (pub->state == PUBLICATION_IDLE && publication_nothing_new(pub)) {
        snapshot_replace(&pub->told, snap);
        p->counters.swallowed++;
    } else if (pub->state == PUBLICATION_IDLE) {
        publication_make_ready(pub, false);
    }
}

void publication_refresh(struct publication *pub)
{
    if (pub->state != PUBLICATION_IDLE)
        return;
    pub->refresh_due = true;
    if (!pub->restored)
        publication_make_ready(pub, true);
}

void publication_retry(struct publication *pub)
{
    if (pub->state == PUBLICATION_WAITING)
        publication_make_ready(pub, false);
}

void publication_hurry(struct publication *pub)
{
    if (!pub->refused && !pub->retry_is_fixed)
        publication_retry(pub);
}

static void request_drop(struct publication *pub)
{
    if (!pub->txn.running && !pub->held)
        return;
    if (pub->held)
        list_remove(&pub->durable.link);
    else
        client_txn_stop(&pub->txn);
    pub->held = false;
    pub->section->outstanding--;
    publication_text_drop(pub, &pub->message);
}

void publication_recall(struct publication *pub)
{
    if (pub->state != PUBLICATION_SENDING)
        return;
    request_drop(pub);
    publication_make_ready(pub, false);
}

/* With other credentials a refusal may be one no longer; a switch or a plugin may have changed the
 * body. */
void publication_terms_changed(struct publication *pub, bool credentials_same)
{
    if (pub->state == PUBLICATION_IDLE)
        body_profile_replace(&pub->sent_profile, NULL);
    if (!credentials_same && pub->refused && !pub->retry_is_fixed)
        publication_retry(pub);
    else if (pub->state == PUBLICATION_IDLE && !publication_nothing_new(pub))
        publication_make_ready(pub, false);
}

/* ---- removal ---- */

bool publication_is_question(const struct publication *pub)
{
    return !pub->newest->extension.n && asterisk_package_known(pub->newest->package);
}

/* The newest state, but gone. NULL when memory is short. */
static struct snapshot *snapshot_of_end(const struct snapshot *s)
{
    struct snapshot *end;
    int r = snapshot_create(&end, &(struct snapshot_spec){ .resource_id = s->resource_id,
                                                           .sequence = s->sequence,
                                                           .changed_wall_ms = s->changed_wall_ms,
                                                           .state = EXTENSION_REMOVED,
                                                           .package = s->package,
                                                           .context = s->context,
                                                           .extension = s->extension,
                                                           .hint = s->hint,
                                                           .hint_name = s->hint_name });

    return r ? NULL : end;
}

/* Compositors tell their watchers the state before the removal (Kamailio does), so the last one
 * told says "gone". */
static void removal_begin(struct publication *pub, const struct snapshot *last)
{
    struct snapshot *end = last ? snapshot_ref(last) : snapshot_of_end(pub->newest);

    pub->removing = true;
    pub->restored = false;
    pub->remove_tries = 0;
    pub->goodbye_said = !end || (asterisk_package_known(end->package) && !end->published);
    if (end)
        snapshot_replace(&pub->newest, end);
    snapshot_unref(end);
    publication_busy_update(pub);
}

void publication_remove(struct publication *pub, const struct snapshot *last)
{
    bool patient = pub->retry_is_fixed && !publisher_of(pub)->stopping;

    if (!pub->removing) {
        if (pub->state != PUBLICATION_SENDING && !publication_known(pub)) {
            publication_destroy(pub);
            return;
        }
        removal_begin(pub, last);
    }
    if (pub->state == PUBLICATION_WAITING && !patient)
        publication_retry(pub);
    else if (pub->state == PUBLICATION_IDLE)
        publication_make_ready(pub, false);
}

/* ---- life ---- */

static void on_timer(struct timer *t)
{
    struct publication *pub = CONTAINER_OF(t, struct publication, timer);
    struct section *s = pub->section;

    if (pub->restored)
        publication_remove(pub, NULL);
    else if (pub->state == PUBLICATION_IDLE)
        publication_refresh(pub);
    else
        publication_retry(pub);
    section_pump(s);
}

static int call_id_make(struct publication *pub)
{
    unsigned char random[16];
    struct buf b;
    int r;

    rng_fill(publisher_of(pub)->cfg.rng, random, sizeof(random));
    buf_init(&b, 64);
    buf_add_hex(&b, random, sizeof(random));
    r = buf_take(&b, &pub->call_id);
    buf_fini(&b);
    return r;
}

static void begin(struct publication *pub, const struct snapshot *newest)
{
    struct section *s = pub->section;

    pub->newest = snapshot_ref(newest);
    client_txn_init(&pub->txn);
    timer_init(&pub->timer, on_timer);
    list_init(&pub->durable.link);
    list_init(&pub->ready);
    list_init(&pub->of_section);
    list_append(&s->publications, &pub->of_section);
    s->n_publications++;
    s->publisher->counters.publications++;
    publication_count(pub);
}

int publication_create(struct publication **out, struct section *s, const struct snapshot *newest)
{
    struct publication *pub = calloc(1, sizeof(*pub));
    int r;

    if (!pub)
        return -ENOMEM;
    pub->section = s;
    r = call_id_make(pub);
    if (r) {
        free(pub);
        return r;
    }
    pub->from_tag_n = (uint8_t)txn_tag_make(s->publisher->cfg.txn, pub->from_tag).n;
    pub->cseq = rng_below(s->publisher->cfg.rng, 1 << 15);
    pub->version = UINT32_MAX; /* the first document is number 0 */
    begin(pub, newest);
    publication_make_ready(pub, false);
    *out = pub;
    return 0;
}

/* How long it is still granted; a clock that was set back does not make it longer. */
static uint64_t kept_left_ms(const struct publisher *p, const struct kept_publication *k)
{
    uint64_t now = clock_wall_ms(p->cfg.clock), most = (uint64_t)k->granted_s * 1000, left;

    left = k->granted_until_wall_ms > now ? k->granted_until_wall_ms - now : 0;
    return left < most ? left : most;
}

int publication_create_kept(struct publication **out, struct section *s,
                            const struct kept_publication *k)
{
    struct publisher *p = s->publisher;
    uint32_t ahead = (uint32_t)(p->cfg.incarnation - k->incarnation) * NUMBERS_STRIDE;
    struct snapshot_spec spec = { .state = EXTENSION_UNAVAILABLE,
                                  .package = k->package,
                                  .context = k->context,
                                  .extension = k->extension };
    struct snapshot *name = NULL;
    struct publication *pub = calloc(1, sizeof(*pub));
    int r = pub ? snapshot_create(&name, &spec) : -ENOMEM;

    if (r == 0)
        r = str_dup(&pub->call_id, k->call_id);
    if (r == 0 && k->entity_tag.n)
        r = str_dup(&pub->entity_tag, k->entity_tag);
    if (r)
        goto out;
    pub->section = s;
    memcpy(pub->from_tag, k->from_tag.p, k->from_tag.n);
    pub->from_tag_n = (uint8_t)k->from_tag.n;
    pub->cseq = k->cseq + ahead;
    pub->version = k->version + ahead;
    pub->granted_s = k->granted_s;
    pub->granted_until_ms = publisher_now(p) + kept_left_ms(p, k);
    pub->told_idle = k->told_idle;
    pub->restored = true;
    begin(pub, name);
    publication_plan_refresh(pub);
    timer_start(p->cfg.wheel, &pub->timer, s->retired || !section_matches(s, name) ? 0 : ORPHAN_MS);
    *out = pub;
    pub = NULL;
out:
    snapshot_unref(name);
    if (pub) {
        str_free(&pub->call_id);
        str_free(&pub->entity_tag);
        free(pub);
    }
    return r;
}

void publication_destroy(struct publication *pub)
{
    struct section *s = pub->section;
    struct publisher *p = s->publisher;

    request_drop(pub);
    if (!p->ending)
        publication_unkeep(pub);
    list_remove(&pub->durable.link);
    timer_stop(p->cfg.wheel, &pub->timer);
    map_remove(&p->publications, &pub->node);
    list_remove(&pub->ready);
    list_remove(&pub->of_section);
    s->n_publications--;
    p->counters.publications--;
    p->busy -= pub->busy;
    snapshot_unref(pub->newest);
    snapshot_unref(pub->sent);
    snapshot_unref(pub->told);
    body_profile_unref(pub->sent_profile);
    tally_again(&p->heap.publications, &pub->counted, 0);
    str_free(&pub->message);
    str_free(&pub->entity_tag);
    str_free(&pub->call_id);
    str_free(&pub->last_reason);
    free(pub);
}
