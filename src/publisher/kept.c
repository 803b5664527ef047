// SPDX-License-Identifier: MIT
/* What survives the process. A record is written when the server has acknowledged something, and
 * before an initial request leaves, the first of which waits until it is durable: whatever its
 * outcome, the same Call-ID takes its place later.
 * What the server shows is a word (base/keep.h): a digest once the entity-tag is durable that came
 * with it, 0 from when a body leaves. Where it is 0 after a restart nobody knows what is shown, nor
 * whether the entity-tag is the last one: the state of now is told, and a 412 is no surprise. */
#include "base/record.h"
#include "publisher/publisher_internal.h"

enum { KEPT_FORMAT = 1 };
enum { KEPT_BY_NAME = 1, KEPT_ENDS_IDLE = 2, KEPT_TOLD_IDLE = 4 };

/* ---- the record ---- */

/* What we print into messages must have come out of some, or of a configuration: a record may be
 * damaged in a way that its frame does not show. */
static bool is_sane(const struct kept_publication *k)
{
    const struct str texts[] = { k->section,   k->server_uri, k->from_uri,       k->to_uri,
                                 k->event,     k->body,       k->outbound_proxy, k->package,
                                 k->context,   k->extension,  k->call_id,        k->from_tag,
                                 k->entity_tag };
    bool sane = k->section.n && k->call_id.n && k->from_tag.n && k->from_tag.n <= TXN_TAG_MAX &&
                k->entity_tag.n <= ENTITY_TAG_MAX;

    for (size_t i = 0; i < ARRAY_LEN(texts) && sane; i++)
        sane = str_is_one_line(texts[i]);
    return sane;
}

int kept_parse(struct kept_publication *k, struct str record)
{
    struct record r = record_of(record);
    uint64_t format = record_u64(&r), flags;

    k->section = record_str(&r);
    k->server_uri = record_str(&r);
    k->from_uri = record_str(&r);
    k->to_uri = record_str(&r);
    k->event = record_str(&r);
    k->body = record_str(&r);
    k->outbound_proxy = record_str(&r);
    k->package = record_str(&r);
    k->context = record_str(&r);
    k->extension = record_str(&r);
    k->call_id = record_str(&r);
    k->from_tag = record_str(&r);
    k->entity_tag = record_str(&r);
    k->cseq = record_u32(&r);
    k->version = record_u32(&r);
    k->granted_s = record_u32(&r);
    k->incarnation = record_u64(&r);
    k->granted_until_wall_ms = record_u64(&r);
    flags = record_u64(&r);
    k->by_name = flags & KEPT_BY_NAME;
    k->ends_idle = flags & KEPT_ENDS_IDLE;
    k->told_idle = flags & KEPT_TOLD_IDLE;
    return r.error || format != KEPT_FORMAT || !is_sane(k) ? -EBADMSG : 0;
}

void kept_print(const struct kept_publication *k, struct buf *out)
{
    record_add_u64(out, KEPT_FORMAT);
    record_add_str(out, k->section);
    record_add_str(out, k->server_uri);
    record_add_str(out, k->from_uri);
    record_add_str(out, k->to_uri);
    record_add_str(out, k->event);
    record_add_str(out, k->body);
    record_add_str(out, k->outbound_proxy);
    record_add_str(out, k->package);
    record_add_str(out, k->context);
    record_add_str(out, k->extension);
    record_add_str(out, k->call_id);
    record_add_str(out, k->from_tag);
    record_add_str(out, k->entity_tag);
    record_add_u64(out, k->cseq);
    record_add_u64(out, k->version);
    record_add_u64(out, k->granted_s);
    record_add_u64(out, k->incarnation);
    record_add_u64(out, k->granted_until_wall_ms);
    record_add_u64(out, (k->by_name ? KEPT_BY_NAME : 0u) | (k->ends_idle ? KEPT_ENDS_IDLE : 0u) |
                            (k->told_idle ? KEPT_TOLD_IDLE : 0u));
}

int publisher_record_check(const struct keep_record *record)
{
    struct kept_publication k;

    return kept_parse(&k, record->bytes);
}

int publisher_record_extension(struct str *out, struct str record)
{
    struct kept_publication k;
    int r = kept_parse(&k, record);

    if (r == 0)
        *out = k.extension;
    return r;
}

/* ---- keeping ---- */

static struct publisher *publisher_of(const struct publication *pub)
{
    return pub->section->publisher;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What an unanswered request asks for may have been granted. */
static struct kept_publication kept_of(const struct publication *pub)
{
    const struct section *s = pub->section;
    const struct publish_settings *ps = s->terms.settings;
    const struct publisher_config *cfg = &s->publisher->cfg;
    uint64_t asked_until_ms = pub->attempt_ms + (uint64_t)pub->expires_s * 1000;
    uint64_t until_ms =
        pub->uncertain ? later(pub->granted_until_ms, asked_until_ms) : pub->granted_until_ms;

    return (struct kept_publication){
        .section = ps->id,
        .server_uri = ps->server_uri,
        .from_uri = ps->from_uri,
        .to_uri = ps->to_uri,
        .event = ps->event,
        .body = ps->body,
        .outbound_proxy = ps->outbound_proxy,
        .package = pub->newest->package,
        .context = pub->newest->context,
        .extension = pub->newest->extension,
        .call_id = pub->call_id,
        .from_tag = { pub->from_tag, pub->from_tag_n },
        .entity_tag = pub->entity_tag,
        .cseq = pub->cseq,
        .version = pub->version == UINT32_MAX ? 0 : pub->version, /* no document yet */
        .granted_s =
            pub->uncertain && pub->expires_s > pub->granted_s ? pub->expires_s : pub->granted_s,
        .incarnation = cfg->incarnation,
        .granted_until_wall_ms =
            clock_wall_ms(cfg->clock) + until_ms - clock_monotonic_ms(cfg->clock),
        .by_name = s->terms.owner->compatibility.publish_key_without_context,
        .ends_idle = s->ends_idle,
        .told_idle = pub->told_idle,
    };
}

static void put(struct publication *pub)
{
    struct kept_publication k = kept_of(pub);
    struct publisher *p = publisher_of(pub);
    struct buf b;

    buf_init(&b, RECORD_MAX);
    kept_print(&k, &b);
    if (b.error)
        log_error(p->cfg.log, "publish.keep", KV("section", k.section),
                  KV("extension", k.extension), KV_ERR(b.error));
    else
        keep_put(&p->cfg.keep, &(struct keep_record){ .table = KEEP_SENT_PUBLICATION,
                                                      .number = pub->number,
                                                      .bytes = buf_str(&b) });
    buf_fini(&b);
    pub->kept_bare = !b.error && !pub->entity_tag.n;
}

void publication_keep(struct publication *pub)
{
    const struct publisher_config *cfg = &publisher_of(pub)->cfg;
    uint64_t former = pub->foreign ? pub->number : 0;

    if (!cfg->words.take || publication_is_question(pub))
        return;
    if (!pub->number || pub->foreign) {
        pub->number = cfg->words.take(cfg->words.ctx);
        pub->foreign = false;
    }
    if (pub->number)
        put(pub);
    if (former)
        keep_forget(&cfg->keep, KEEP_SENT_PUBLICATION, former);
}

static void word_set(const struct publication *pub, uint64_t word)
{
    const struct keep_words *words = &publisher_of(pub)->cfg.words;

    if (pub->number && !pub->foreign)
        words->set(words->ctx, pub->number, word);
}

static void on_durable(struct keep_wait *w, int result)
{
    struct publication *pub = CONTAINER_OF(w, struct publication, durable);

    if (result == 0 && !pub->uncertain)
        word_set(pub, pub->told_digest);
}

void publication_keep_told(struct publication *pub)
{
    publication_keep(pub);
    list_remove(&pub->durable.link);
    pub->durable.done = on_durable;
    keep_wait(&publisher_of(pub)->cfg.keep, &pub->durable);
}

void publication_keep_untold(struct publication *pub)
{
    word_set(pub, 0);
}

void publication_unkeep(struct publication *pub)
{
    const struct publisher_config *cfg = &publisher_of(pub)->cfg;

    if (!pub->number)
        return;
    keep_forget(&cfg->keep, KEEP_SENT_PUBLICATION, pub->number);
    if (!pub->foreign)
        cfg->words.give(cfg->words.ctx, pub->number);
    pub->number = 0;
}

void publisher_rewrite(struct publisher *p)
{
    LIST_FOREACH (it, &p->sections)
        LIST_FOREACH (node, &CONTAINER_OF(it, struct section, link)->publications) {
            struct publication *pub = CONTAINER_OF(node, struct publication, of_section);

            if (pub->number)
                publication_keep(pub);
        }
}

/* ---- restoring ---- */

static bool means_the_same(const struct section *s, const struct kept_publication *k)
{
    const struct publish_settings *ps = s->terms.settings;

    return str_equal(ps->id, k->section) && str_equal(ps->server_uri, k->server_uri) &&
           str_equal(ps->from_uri, k->from_uri) && str_equal(ps->to_uri, k->to_uri) &&
           str_equal(ps->event, k->event) && str_equal(ps->body, k->body) &&
           str_equal(ps->outbound_proxy, k->outbound_proxy);
}

static struct section *section_of(const struct publisher *p, const struct kept_publication *k)
{
    bool by_name = p->settings->compatibility.publish_key_without_context;

    LIST_FOREACH (it, &p->sections) {
        struct section *s = CONTAINER_OF(it, struct section, link);

        if (means_the_same(s, k) && (s->retired || by_name == k->by_name))
            return s;
    }
    return NULL;
}

static int section_get(struct section **out, struct publisher *p, const struct kept_publication *k)
{
    struct publish_settings former = { .id = k->section,
                                       .server_uri = k->server_uri,
                                       .from_uri = k->from_uri,
                                       .to_uri = k->to_uri,
                                       .event = k->event,
                                       .body = k->body,
                                       .outbound_proxy = k->outbound_proxy,
                                       .expiration_s = k->granted_s };
    int r = 0;

    *out = section_of(p, k);
    if (!*out) {
        r = section_create_former(out, p, &former);
        if (r == 0)
            list_append(&p->sections, &(*out)->link);
    }
    return r;
}

static bool is_lapsed(const struct publisher *p, const struct kept_publication *k)
{
    uint64_t ahead = (p->cfg.incarnation - k->incarnation) * NUMBERS_STRIDE;

    return !k->granted_s || k->granted_until_wall_ms <= clock_wall_ms(p->cfg.clock) ||
           k->incarnation > p->cfg.incarnation || k->cseq + ahead > INT32_MAX ||
           k->version + ahead > UINT32_MAX;
}

static int restore(struct publisher *p, const struct keep_record *record, bool ours)
{
    struct kept_publication k;
    struct publication *pub;
    struct section *s;
    int r = kept_parse(&k, record->bytes);

    if (r)
        return r;
    if (is_lapsed(p, &k)) {
        keep_forget(&p->cfg.keep, KEEP_SENT_PUBLICATION, record->number);
        return 0;
    }
    r = section_get(&s, p, &k);
    if (r)
        return r;
    r = publication_create_kept(&pub, s, &k);
    if (r)
        return r;
    s->ends_idle = k.ends_idle;
    pub->number = record->number;
    pub->foreign = !ours;
    pub->kept_bare = !k.entity_tag.n;
    pub->recorded = true;
    if (ours) {
        p->cfg.words.claim(p->cfg.words.ctx, pub->number);
        pub->told_digest = p->cfg.words.get(p->cfg.words.ctx, pub->number);
    }
    pub->uncertain = pub->doubtful = !pub->told_digest;
    pub->told_idle = pub->told_idle || pub->uncertain;
    publisher_file(p, pub);
    p->counters.restored++;
    return 0;
}

void publisher_restore(struct publisher *p, const struct keep_record *record, bool ours)
{
    int r = restore(p, record, ours);

    if (r == 0)
        return;
    log_error(p->cfg.log, "publish.restore", KV_U("number", record->number), KV_ERR(r));
    if (r != -ENOMEM)
        keep_forget(&p->cfg.keep, KEEP_SENT_PUBLICATION, record->number);
}
