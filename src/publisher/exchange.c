// SPDX-License-Identifier: MIT
/* The requests of a publication and their answers: RFC 3903 section 5 and what servers do beside
 * it. At most one PUBLISH is unanswered, and each new one tells what is newest then. */
#include "publisher/publisher_internal.h"

static struct publisher *publisher_of(const struct publication *pub)
{
    return pub->section->publisher;
}

/* ---- waiting ---- */

static void wait_ms(struct publication *pub, uint64_t delay_ms)
{
    struct publisher *p = publisher_of(pub);

    p->counters.retried++;
    publication_move(pub, PUBLICATION_WAITING);
    timer_start(p->cfg.wheel, &pub->timer, delay_ms);
}

static uint64_t doubled_ms(const struct publication *pub, uint64_t first, uint64_t most)
{
    unsigned shift = pub->failures > 16 ? 16 : pub->failures ? pub->failures - 1 : 0;

    return first << shift < most ? first << shift : most;
}

static void wait_for_retry(struct publication *pub)
{
    struct section *s = pub->section;
    struct rng *rng = publisher_of(pub)->cfg.rng;
    uint64_t ms;

    if (pub->refused) {
        ms = doubled_ms(pub, REFUSED_FIRST_MS, REFUSED_MAX_MS);
        ms += rng_below(rng, (uint32_t)(ms / 4) + 1);
    } else {
        ms = doubled_ms(pub, RETRY_FIRST_MS, section_retry_interval_ms(s));
        ms -= rng_below(rng, (uint32_t)(ms / 4) + 1);
    }
    wait_ms(pub, ms);
}

/* ---- telling the edges ---- */

/* A token, says RFC 3903 section 8.3.1; some put quotes around it. It must come back as it was, but
 * must not break our message. */
static struct str entity_tag_of(const struct sip_message *response)
{
    struct str tag = sip_header_value(response, SIP_H_SIP_ETAG);

    for (size_t i = 0; i < tag.n; i++)
        if (tag.p[i] <= ' ' || tag.p[i] > '~' || tag.p[i] == ',')
            return STR_EMPTY;
    return tag.n <= ENTITY_TAG_MAX ? tag : STR_EMPTY;
}

static enum publish_step step_of(const struct publication *pub)
{
    if (pub->step == STEP_REMOVE)
        return PUBLISH_REMOVE;
    if (pub->step == STEP_INITIAL)
        return PUBLISH_INITIAL;
    return pub->refresh_due && pub->told == pub->sent ? PUBLISH_REFRESH : PUBLISH_MODIFY;
}

static void tell(const struct publication *pub, const struct change_publish *told)
{
    const struct section_terms *t = &pub->section->terms;
    struct feed_writer *changes = publisher_of(pub)->cfg.changes;
    struct change c;

    if (!feed_wants(changes, CHANGE_PUBLISH))
        return;
    c = (struct change){ .kind = CHANGE_PUBLISH,
                         .snapshot = pub->sent ? pub->sent : pub->newest,
                         .publish = *told };
    c.publish.step = step_of(pub);
    c.publish.section = t->settings->id;
    c.publish.package = t->settings->event;
    c.publish.server = t->settings->server_uri;
    c.publish.cseq = pub->cseq;
    if (!told->entity_tag.n)
        c.publish.entity_tag = pub->entity_tag;
    feed_put(changes, &c);
}

static void tell_done(const struct publication *pub, unsigned status,
                      const struct sip_message *response)
{
    uint64_t now = publisher_now(publisher_of(pub)), sent_ms = pub->txn.started_ms;

    tell(pub, &(struct change_publish){
                  .what = response ? EXCHANGE_ANSWERED : EXCHANGE_UNANSWERED,
                  .status = status,
                  .entity_tag = response && status / 100 == 2 ? entity_tag_of(response) : STR_EMPTY,
                  .reason = response ? response->reason : STR_EMPTY,
                  .took_ms = now > sent_ms ? (uint32_t)(now - sent_ms) : 0 });
}

/* ---- sending ---- */

static int on_print(struct client_txn *ct, struct buf *out)
{
    struct publication *pub = CONTAINER_OF(ct, struct publication, txn);
    int r = 0;

    if (pub->message.n)
        buf_add(out, pub->message);
    else
        r = request_print(pub, out);
    if (r == 0)
        r = out->error;
    if (r == 0 && !pub->message.n)
        r = str_dup(&pub->message, buf_str(out));
    publication_count(pub);
    pub->print_error = r;
    return r;
}

static void on_done(struct client_txn *ct, unsigned status, const struct sip_message *response);
static struct str on_host(const struct client_txn *ct);
static const struct client_txn_ops publication_ops = { .print = on_print,
                                                       .done = on_done,
                                                       .host = on_host };

/* Whom the configuration names, whatever a look-up has made of it: RFC 5922 section 7.3. */
static struct str on_host(const struct client_txn *ct)
{
    const struct section_terms *t =
        &CONTAINER_OF(ct, const struct publication, txn)->section->terms;

    return t->settings->outbound_proxy.n ? t->proxy.host : t->server.host;
}

/* What the server needs next; false when nothing. */
static bool step_choose(struct publication *pub)
{
    bool known = publication_known(pub);

    if (!known)
        publication_forget(pub);
    if (!pub->removing && known && !pub->refresh_due && publication_nothing_new(pub))
        return false;
    if (pub->removing && pub->goodbye_said) {
        pub->step = STEP_REMOVE;
    } else {
        if (habit_begins_anew(pub))
            publication_text_drop(pub, &pub->entity_tag);
        pub->step = pub->entity_tag.n ? STEP_MODIFY : STEP_INITIAL;
    }
    return known || !pub->removing;
}

static void step_count(const struct publication *pub)
{
    struct publisher_counters *c = &publisher_of(pub)->counters;

    c->sent++;
    if (pub->step == STEP_REMOVE)
        c->remove++;
    else if (pub->step == STEP_INITIAL)
        c->initial++;
    else if (pub->refresh_due && pub->told == pub->newest)
        c->refresh++;
    else
        c->modify++;
}

static void start_failed(struct publication *pub, int error);

/* What the next process has to know when this one ends before the answer: that nobody knows what is
 * shown; of an initial one its Call-ID, so that it is repeated and not doubled; and numbers beyond
 * these. */
static void request_keep(struct publication *pub)
{
    if (pub->step != STEP_REMOVE)
        publication_keep_untold(pub);
    if ((pub->step == STEP_INITIAL && !pub->kept_bare) || pub->cseq % (NUMBERS_STRIDE / 2) == 0)
        publication_keep(pub);
}

/* Also where nobody has been asked yet: an answer that is never heard may grant it. */
static void attempt_begin(struct publication *pub, bool body)
{
    const struct section *s = pub->section;
    uint32_t wanted_s = s->terms.settings->expiration_s;

    pub->expires_s = !body ? 0 : wanted_s > s->min_expires_s ? wanted_s : s->min_expires_s;
    pub->attempt_ms = publisher_now(s->publisher);
    pub->uncertain = pub->uncertain || body;
}

static void request_start(struct publication *pub)
{
    struct section *s = pub->section;
    bool body = pub->step != STEP_REMOVE, was_uncertain = pub->uncertain;
    uint64_t shown = pub->sent ? pub->sent->sequence : pub->newest->sequence;
    int r;

    publication_text_drop(pub, &pub->message);
    pub->print_error = 0;
    pub->cseq++;
    if (body) {
        snapshot_replace(&pub->sent, pub->newest);
        body_profile_replace(&pub->sent_profile, s->terms.profile);
        pub->version++;
    }
    attempt_begin(pub, body);
    pub->sent_epoch = s->epoch;
    request_keep(pub);
    r = client_txn_start(s->publisher->cfg.txn, &pub->txn, SIP_PUBLISH, &s->flow, &publication_ops);
    if (r) { /* nobody has seen it */
        pub->cseq--;
        pub->version -= body;
        pub->uncertain = was_uncertain;
        start_failed(pub, r);
        return;
    }
    s->outstanding++;
    step_count(pub);
    tell(pub,
         &(struct change_publish){ .what = EXCHANGE_SENT,
                                   .coalesced = body && pub->sent->sequence > shown + 1
                                                    ? (uint32_t)(pub->sent->sequence - shown - 1)
                                                    : 0 });
}

/* The removal is over, with or without success. */
static void removal_end(struct publication *pub)
{
    publisher_succeed(pub);
    publication_destroy(pub);
}

static void send_next(struct publication *pub);

static void on_recorded(struct keep_wait *w, int result)
{
    struct publication *pub = CONTAINER_OF(w, struct publication, durable);
    struct section *s = pub->section;

    (void)result; /* a disk that fails keeps no lamp dark */
    pub->recorded = true;
    if (!pub->held) /* from inside */
        return;
    pub->held = false;
    s->outstanding--;
    if (s->publisher->quiet)
        publication_make_ready(pub, false);
    else
        send_next(pub);
    section_pump(s);
}

/* Before the first request leaves its record is durable: if this process ends before the answer,
 * the next one knows that the server may have something of ours. True: it waits for that. */
static bool record_hold(struct publication *pub)
{
    const struct publisher_config *cfg = &pub->section->publisher->cfg;

    if (pub->step != STEP_INITIAL || pub->recorded || !cfg->words.take)
        return false;
    attempt_begin(pub, true);
    publication_keep(pub);
    if (!pub->number)
        return false;
    pub->durable.done = on_recorded;
    keep_wait(&cfg->keep, &pub->durable);
    pub->held = !pub->recorded;
    pub->section->outstanding += pub->held;
    return pub->held;
}

/* Send what is due now: from the window, or in place of a request that is over. */
static void send_next(struct publication *pub)
{
    if (!step_choose(pub)) {
        if (pub->removing)
            removal_end(pub);
        else
            publication_rest(pub);
        return;
    }
    if (pub->state == PUBLICATION_READY)
        publication_move(pub, PUBLICATION_SENDING);
    if (!record_hold(pub))
        request_start(pub);
}

void publication_send(struct publication *pub)
{
    pub->auth_attempts = 0;
    pub->brief_tries = 0;
    send_next(pub);
}

/* ---- failures ---- */

/* `text` in place of what was kept, mostly in its memory: answers resemble each other. 0 or
 * -ENOMEM. */
static int text_keep(struct publication *pub, struct str *kept, struct str text)
{
    struct str copy = STR_EMPTY;
    int r = 0;

    if (text.n && text.n == kept->n) {
        memcpy((char *)kept->p, text.p, text.n);
        return 0;
    }
    if (text.n)
        r = str_dup(&copy, text);
    if (r)
        return r;
    str_free(kept);
    *kept = copy;
    publication_count(pub);
    return 0;
}

static void reason_keep(struct publication *pub, unsigned status, struct str reason)
{
    pub->last_status = status;
    (void)!text_keep(pub, &pub->last_reason, str_sub(reason, 0, REASON_MAX));
}

static void failure_count(struct publication *pub)
{
    struct publisher *p = publisher_of(pub);

    p->counters.failed++;
    pub->failures++;
    log_warn(p->cfg.log, "publish.failed", KV("section", pub->section->terms.settings->id),
             KV("extension", pub->newest->extension), KV_U("status", pub->last_status),
             KV("reason", pub->last_reason), KV_U("failures", pub->failures));
}

/* True while the server is worth another try. */
static bool removal_goes_on(struct publication *pub)
{
    if (!publication_known(pub))
        return false;
    if (pub->refused && pub->step != STEP_REMOVE) {
        pub->goodbye_said = true; /* then without the last word */
        return true;
    }
    return !pub->refused && ++pub->remove_tries < REMOVE_TRIES;
}

/* Sending, and its request has failed for good. */
static void fail(struct publication *pub, bool refused, uint64_t retry_after_ms)
{
    failure_count(pub);
    pub->refused = refused;
    pub->retry_is_fixed = retry_after_ms > 0;
    if (pub->removing && (!removal_goes_on(pub) || (retry_after_ms && publisher_of(pub)->stopping)))
        removal_end(pub);
    else if (pub->removing && refused)
        send_next(pub);
    else if (retry_after_ms)
        wait_ms(pub, retry_after_ms);
    else
        wait_for_retry(pub);
}

/* RFC 3263 section 4.3: to the next of the server's addresses, by a request of its own. */
static bool goes_elsewhere(struct publication *pub, bool refused)
{
    return section_failover(pub->section, pub->attempt_ms, refused);
}

/* A request that could not be written (a URI too long, a body nobody can make, no memory), or that
 * the network did not take. */
static void start_failed(struct publication *pub, int error)
{
    struct section *s = pub->section;

    if (!pub->print_error && (error == -EAGAIN || error == -ENOBUFS)) {
        publication_make_ready(pub, false);
        section_congested(s);
        return;
    }
    if (pub->print_error || error == -EMSGSIZE) {
        reason_keep(pub, 500, str_of(strerror(-error)));
        fail(pub, error != -ENOMEM, 0);
        return;
    }
    reason_keep(pub, 503, str_of(strerror(-error)));
    if (goes_elsewhere(pub, false))
        return;
    section_unanswered(s, pub->attempt_ms);
    fail(pub, false, 0);
}

static bool is_temporary(unsigned status)
{
    if (status == 501 || status == 505 || status == 513)
        return false;
    return status == 408 || status == 480 || status == 491 || status / 100 == 5;
}

static uint64_t retry_after_ms(const struct sip_message *response)
{
    uint64_t ms;
    uint32_t s;

    if (!response || sip_delta_seconds_parse(&s, sip_header_value(response, SIP_H_RETRY_AFTER)))
        return 0;
    ms = (uint64_t)s * 1000;
    return ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

/* ---- answers ---- */

static void entity_tag_keep(struct publication *pub, const struct sip_message *response)
{
    struct publisher *p = publisher_of(pub);
    struct str tag = entity_tag_of(response);

    if (!tag.n)
        log_warn(p->cfg.log, "publish.no_entity_tag",
                 KV("section", pub->section->terms.settings->id),
                 KV("extension", pub->newest->extension));
    if (text_keep(pub, &pub->entity_tag, tag))
        return; /* the former one will give a 412, which heals */
    pub->tag_epoch = pub->sent_epoch;
}

/* Counted from when it was asked: the server may have begun to count then. */
static void granted_keep(struct publication *pub, const struct sip_message *response)
{
    uint32_t s;

    if (sip_delta_seconds_parse(&s, sip_header_value(response, SIP_H_EXPIRES)) || s == 0)
        s = pub->expires_s;
    pub->granted_s = s;
    pub->granted_until_ms = pub->attempt_ms + (uint64_t)s * 1000;
    publication_plan_refresh(pub);
}

static void on_accepted(struct publication *pub, const struct sip_message *response)
{
    struct section *s = pub->section;

    s->publisher->counters.acknowledged++;
    digest_session_renew(&s->sessions[0], response);
    pub->failures = 0;
    pub->refused = pub->refresh_due = pub->retry_is_fixed = pub->uncertain = false;
    if (pub->step == STEP_REMOVE) {
        removal_end(pub);
        return;
    }
    entity_tag_keep(pub, response);
    granted_keep(pub, response);
    snapshot_replace(&pub->told, pub->sent);
    pub->told_digest = pub->sent_digest;
    pub->told_idle = habit_is_idle(pub->told);
    pub->doubtful = false;
    publication_keep_told(pub);
    list_remove(&pub->of_section); /* its turn to be probed comes last now */
    list_append(&s->publications, &pub->of_section);
    publication_rest(pub);
    if (!pub->removing && publication_is_question(pub))
        pub->removing = true;
    if (pub->removing)
        pub->goodbye_said = pub->goodbye_said || pub->told == pub->newest;
    if (pub->removing || !publication_nothing_new(pub))
        publication_make_ready(pub, false);
    else if (pub->sent_epoch != s->epoch)
        publication_refresh(pub); /* a server that forgot meanwhile may have answered before */
}

/* 412: the server does not know our publication. Publish anew at once, whatever the failed request
 * was. A removal's says little, because the same hint, come back, may have taken its place. */
static bool on_tag_lost(struct publication *pub)
{
    if (pub->step == STEP_INITIAL || !pub->entity_tag.n)
        return false;
    publisher_of(pub)->counters.lost_tags++;
    publication_forget(pub);
    if (!pub->removing && !pub->doubtful)
        section_tag_lost(pub->section, pub->tag_epoch);
    return true;
}

/* What an operator can do about a challenge that stays unanswered. */
static struct str challenge_fault(const struct section *s, bool too_often)
{
    if (!s->terms.n_credentials)
        return STR("challenged, and there is no outbound_auth");
    return too_often
               ? STR("credentials not accepted")
               : STR("no credential for this realm, or supported_algorithms_uac is too narrow");
}

/* 401, 407. True when there is an answer to the challenge. */
static bool on_challenge(struct publication *pub, const struct sip_message *response)
{
    struct section *s = pub->section;
    struct digest_session *session = &s->sessions[response->status == 407];
    uint32_t most = s->terms.settings->max_auth_attempts;
    /* "stale" counts too: there are servers that say so for ever. */
    bool too_often = pub->auth_attempts++ >= (most ? most : 1);

    s->publisher->counters.challenged++;
    if (!too_often && digest_session_choose(session, response, s->terms.credentials,
                                            s->terms.n_credentials, NULL) == 0)
        return true;
    reason_keep(pub, response->status, challenge_fault(s, too_often));
    digest_session_fini(session);
    return false;
}

/* 423. True when the server said what it wants, and it is more than it was asked for. */
static bool on_too_brief(struct publication *pub, const struct sip_message *response)
{
    struct section *s = pub->section;
    uint32_t minimum_s;

    if (sip_delta_seconds_parse(&minimum_s, sip_header_value(response, SIP_H_MIN_EXPIRES)) ||
        minimum_s <= pub->expires_s || pub->step == STEP_REMOVE ||
        pub->brief_tries++ >= BRIEF_TRIES)
        return false;
    if (minimum_s > s->min_expires_s)
        s->min_expires_s = minimum_s;
    return true;
}

static void on_answer(struct publication *pub, unsigned status, const struct sip_message *response)
{
    if (status / 100 == 2)
        on_accepted(pub, response);
    else if ((status == 412 && on_tag_lost(pub)) ||
             ((status == 401 || status == 407) && on_challenge(pub, response)) ||
             (status == 423 && on_too_brief(pub, response)))
        send_next(pub);
    else if (status == 503 && goes_elsewhere(pub, true))
        return;
    else
        fail(pub, !is_temporary(status), retry_after_ms(response));
}

static void on_no_answer(struct publication *pub, unsigned status)
{
    reason_keep(pub, status,
                status == 408   ? STR("no answer")
                : status == 503 ? STR("unreachable")
                                : STR("not sent"));
    if (!pub->print_error && goes_elsewhere(pub, false))
        return;
    if (!pub->print_error)
        section_unanswered(pub->section, pub->attempt_ms);
    fail(pub, false, 0);
}

static void on_done(struct client_txn *ct, unsigned status, const struct sip_message *response)
{
    struct publication *pub = CONTAINER_OF(ct, struct publication, txn);
    struct section *s = pub->section;
    bool was_down = s->down;

    s->outstanding--;
    publication_text_drop(pub, &pub->message);
    tell_done(pub, status, response);
    if (response) {
        reason_keep(pub, status, response->reason);
        section_answered(s);
        if (status != 503)
            s->tried = 0;
        habit_learn(s, response);
        if (was_down)
            pub->sent_epoch = s->epoch; /* this answer is the news that it is back */
        on_answer(pub, status, response);
    } else {
        on_no_answer(pub, status);
    }
    section_pump(s);
}
