// SPDX-License-Identifier: MIT
#include "publication/asterisk_source.h"

#include "base/map.h"
#include "base/record.h"
#include "base/tally.h"

#include <stdlib.h>

enum { WITHDRAW_RETRY_MS = 1000 };

struct server {
    struct map_node node;
    struct asterisk_sources *sources;
    struct list streams; /* by which it was heard: living ones, and ended ones with states */
    uint64_t heard_wall_ms;
    size_t devices, mailboxes;
    char source[sizeof("eid:") + ASTERISK_EID_LEN]; /* its name as a source */
};

struct told { /* a device or a mailbox that a server says something about */
    struct map_node node;
    struct list of_stream;
    struct stream *stream; /* the one that said it last: it lives with that */
    enum device_state state;
    uint32_t new_count, old_count;
    uint64_t changed_wall_ms; /* of the device; 0: it is only being noted */
    bool mailbox;
    uint8_t name_n;
    char name[];
};

struct stream { /* a server was heard by this publication */
    struct map_node node;
    struct list of_server;
    struct server *server;
    struct list told; /* struct told */
    struct timer lapse;
    uint64_t serial;
    bool ended, over; /* the publication; and the grace */
    bool silent;      /* what it told was kept, and its publication is not back yet */
    uint8_t inbound_n;
    char inbound[]; /* the inbound-publication that takes it */
};

struct asterisk_sources {
    struct asterisk_sources_config cfg;
    const struct settings *settings;
    struct map servers, told, streams;
    uint32_t grace_s;
    bool states_stay;
    char own_eid[ASTERISK_EID_LEN + 1];
    struct asterisk_sources_counters counters;
    struct tally heap; /* of servers, streams and what they told */
};

static struct str source_of(const struct server *s)
{
    return str_of(s->source);
}

static struct str eid_of(const struct server *s)
{
    return str_sub(source_of(s), STATE_SERVER_SOURCE.n, SIZE_MAX);
}

/* ---- servers ---- */

static bool server_is(const struct map_node *node, const void *eid)
{
    return str_equal(eid_of(CONTAINER_OF(node, const struct server, node)),
                     *(const struct str *)eid);
}

static struct server *server_find(const struct asterisk_sources *a, struct str eid)
{
    struct map_node *node = map_find(&a->servers, map_hash(&a->servers, eid), server_is, &eid);

    return node ? CONTAINER_OF(node, struct server, node) : NULL;
}

static struct server *server_make(struct asterisk_sources *a, struct str eid)
{
    struct server *s = calloc(1, sizeof(*s));
    struct buf source;

    if (!s)
        return NULL;
    s->sources = a;
    list_init(&s->streams);
    buf_init_on(&source, s->source, sizeof(s->source) - 1);
    buf_add(&source, STATE_SERVER_SOURCE);
    buf_add(&source, eid);
    map_add(&a->servers, &s->node, map_hash(&a->servers, eid));
    tally_add(&a->heap, s);
    log_info(a->cfg.log, "source.new", KV("eid", eid));
    return s;
}

/* Nothing of it is left to remember. */
static void server_release(struct server *s)
{
    if (!list_empty(&s->streams))
        return;
    map_remove(&s->sources->servers, &s->node);
    tally_remove(&s->sources->heap, s);
    free(s);
}

/* ---- what it has told ---- */

static struct str told_name(const struct told *t)
{
    return (struct str){ t->name, t->name_n };
}

/* ---- what is kept of it ---- */

enum { FORMAT = 1, KEPT_ROOM = 512 };
static const struct str kept_kinds[] = { STR_INIT("device"), STR_INIT("mailbox") };

/* "EID<tab>KIND<tab>NAME". */
static struct str kept_name(const struct told *t, struct buf *b)
{
    buf_add(b, eid_of(t->stream->server));
    buf_add_char(b, '\t');
    buf_add(b, kept_kinds[t->mailbox]);
    buf_add_char(b, '\t');
    buf_add(b, told_name(t));
    BUG_UNLESS(b->error == 0);
    return buf_str(b);
}

static void told_put(const struct told *t, struct str bytes)
{
    const struct keep *keep = &t->stream->server->sources->cfg.keep;
    char room[KEPT_ROOM];
    struct buf name;

    if (!keep->put)
        return;
    buf_init_on(&name, room, sizeof(room));
    keep_put(keep, &(struct keep_record){
                       .table = KEEP_SOURCE_STATE, .name = kept_name(t, &name), .bytes = bytes });
}

static void told_keep(const struct told *t)
{
    const struct stream *m = t->stream;
    char room[KEPT_ROOM];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    record_add_u64(&b, FORMAT);
    record_add_str(&b, t->mailbox ? STR_EMPTY : device_state_name(t->state));
    record_add_u64(&b, t->new_count);
    record_add_u64(&b, t->old_count);
    record_add_u64(&b, m->serial);
    record_add_str(&b, (struct str){ m->inbound, m->inbound_n });
    record_add_u64(&b, m->server->heard_wall_ms);
    record_add_u64(&b, t->changed_wall_ms);
    BUG_UNLESS(b.error == 0);
    told_put(t, buf_str(&b));
}

struct kept { /* borrowed */
    struct asterisk_event event;
    uint64_t serial, heard_wall_ms, changed_wall_ms;
    struct str inbound;
};

static bool text_take(char *to, size_t max, struct str from)
{
    if (!from.n || from.n > max)
        return false;
    memcpy(to, from.p, from.n);
    return true;
}

static int kept_parse(struct kept *k, const struct keep_record *record)
{
    struct str name = record->name, eid = str_next(&name, '\t'), kind = str_next(&name, '\t'),
               state;
    struct record r = record_of(record->bytes);
    uint64_t format = record_u64(&r);
    bool mailbox = str_equal(kind, kept_kinds[1]);

    *k = (struct kept){ .event = { .type = mailbox ? ASTERISK_MAILBOX_STATE : ASTERISK_DEVICE_STATE,
                                   .name_n = name.n,
                                   .cachable = true } };
    state = record_str(&r);
    k->event.new_count = record_u32(&r);
    k->event.old_count = record_u32(&r);
    k->serial = record_u64(&r);
    k->inbound = record_str(&r);
    k->heard_wall_ms = record_u64(&r);
    k->changed_wall_ms = record_u64(&r);
    if (r.error || format != FORMAT || (!mailbox && !str_equal(kind, kept_kinds[0])) ||
        eid.n != ASTERISK_EID_LEN || k->inbound.n > UINT8_MAX ||
        !text_take(k->event.eid, ASTERISK_EID_LEN, eid) ||
        !text_take(k->event.name, ASTERISK_NAME_MAX, name))
        return -EBADMSG;
    return mailbox || device_state_parse(&k->event.state, state) == 0 ? 0 : -EBADMSG;
}

int asterisk_source_record_check(const struct keep_record *record)
{
    struct kept k;

    return kept_parse(&k, record);
}

static void told_destroy(struct told *t)
{
    struct server *s = t->stream->server;

    *(t->mailbox ? &s->mailboxes : &s->devices) -= 1;
    s->sources->counters.states--;
    map_remove(&s->sources->told, &t->node);
    list_remove(&t->of_stream);
    tally_remove(&s->sources->heap, t);
    free(t);
}

static int told_withdraw(const struct told *t)
{
    const struct server *s = t->stream->server;
    const struct asterisk_sources *a = s->sources;
    int r = t->mailbox ? mailbox_forget(a->cfg.mailboxes, source_of(s), told_name(t))
                       : state_device_forget(a->cfg.core, source_of(s), told_name(t));

    return r < 0 ? r : 0;
}

/* The configuration may be another one since it was told. An inbound-publication that is gone has
 * its publications ended by whoever took them. */
static bool told_is_wanted(const struct told *t)
{
    const struct stream *m = t->stream;
    const struct settings *settings = m->server->sources->settings;
    const struct inbound_publication_settings *in =
        settings_inbound_publication(settings, (struct str){ m->inbound, m->inbound_n });
    const struct asterisk_publication_settings *p =
        in ? settings_asterisk_publication(settings, in,
                                           t->mailbox ? ASTERISK_MAILBOXES : ASTERISK_DEVICES)
           : NULL;

    return !p || asterisk_event_wanted(
                     p, t->mailbox ? ASTERISK_MAILBOX_STATE : ASTERISK_DEVICE_STATE, told_name(t));
}

/* ---- streams ---- */

struct stream_key {
    const struct server *server; /* NULL: any */
    uint64_t serial;
    bool silent; /* only one that is */
};

static bool stream_is(const struct map_node *node, const void *key)
{
    const struct stream *m = CONTAINER_OF(node, const struct stream, node);
    const struct stream_key *k = key;

    return !m->ended && m->serial == k->serial && (!k->server || m->server == k->server) &&
           (m->silent || !k->silent);
}

static struct stream *stream_find(const struct asterisk_sources *a, const struct stream_key *k)
{
    struct map_node *node =
        map_find(&a->streams, map_hash_u64(&a->streams, k->serial), stream_is, k);

    return node ? CONTAINER_OF(node, struct stream, node) : NULL;
}

static void stream_destroy(struct stream *m)
{
    struct server *s = m->server;

    LIST_FOREACH_SAFE (it, &m->told)
        told_destroy(CONTAINER_OF(it, struct told, of_stream));
    timer_stop(s->sources->cfg.wheel, &m->lapse);
    map_remove(&s->sources->streams, &m->node);
    list_remove(&m->of_server);
    tally_remove(&s->sources->heap, m);
    free(m);
    server_release(s);
}

/* All that is over, and what is not wanted any more. */
static void stream_withdraw(struct stream *m)
{
    struct asterisk_sources *a = m->server->sources;
    size_t withdrawn = 0;

    LIST_FOREACH_SAFE (it, &m->told) {
        struct told *t = CONTAINER_OF(it, struct told, of_stream);

        if (!m->over && told_is_wanted(t))
            continue;
        if (told_withdraw(t)) {
            log_warn(a->cfg.log, "source.withdrawal_delayed", KV("eid", eid_of(m->server)));
            timer_start(a->cfg.wheel, &m->lapse, WITHDRAW_RETRY_MS);
            return;
        }
        told_put(t, STR_EMPTY);
        told_destroy(t);
        withdrawn++;
    }
    if (withdrawn)
        log_warn(a->cfg.log, "source.withdrawn", KV("eid", eid_of(m->server)),
                 KV_U("states", withdrawn));
    if (m->over) {
        a->counters.lapsed++;
        stream_destroy(m);
    }
}

static void stream_due(struct timer *timer)
{
    struct stream *m = CONTAINER_OF(timer, struct stream, lapse);

    m->over = m->ended;
    stream_withdraw(m);
}

/* Whether its time runs: once it has ended, unless states are to stay. */
static void stream_watch(struct stream *m)
{
    const struct asterisk_sources *a = m->server->sources;

    if (!m->ended || a->states_stay)
        timer_stop(a->cfg.wheel, &m->lapse);
    else if (!timer_running(&m->lapse))
        timer_start(a->cfg.wheel, &m->lapse, (uint64_t)a->grace_s * 1000);
}

/* The server is heard by this publication. NULL: no memory. */
static struct stream *stream_get(struct server *s, const struct publication_event *e)
{
    struct asterisk_sources *a = s->sources;
    struct stream *m = stream_find(a, &(struct stream_key){ .server = s, .serial = e->serial });

    if (m)
        return m;
    BUG_UNLESS(e->inbound.n <= UINT8_MAX);
    m = calloc(1, sizeof(*m) + e->inbound.n);
    if (!m)
        return NULL;
    m->server = s;
    m->serial = e->serial;
    m->inbound_n = (uint8_t)e->inbound.n;
    if (e->inbound.n)
        memcpy(m->inbound, e->inbound.p, e->inbound.n);
    list_init(&m->told);
    list_init(&m->of_server);
    timer_init(&m->lapse, stream_due);
    list_append(&s->streams, &m->of_server);
    map_add(&a->streams, &m->node, map_hash_u64(&a->streams, e->serial));
    tally_add(&a->heap, m);
    return m;
}

static size_t server_living(const struct server *s)
{
    size_t n = 0;

    LIST_FOREACH (it, &s->streams)
        n += !CONTAINER_OF(it, struct stream, of_server)->ended;
    return n;
}

static void stream_end(struct stream *m)
{
    const struct asterisk_sources *a = m->server->sources;

    m->ended = true;
    if (list_empty(&m->told)) {
        stream_destroy(m);
        return;
    }
    log_info(a->cfg.log, "source.silent", KV("eid", eid_of(m->server)),
             KV_U("grace_s", a->grace_s));
    stream_watch(m);
}

void asterisk_sources_ended(struct asterisk_sources *a, uint64_t serial)
{
    struct stream *m;

    while ((m = stream_find(a, &(struct stream_key){ .serial = serial })))
        stream_end(m);
}

/* ---- what it says ---- */

struct told_key {
    const struct server *server;
    bool mailbox;
    struct str name;
};

static bool told_is(const struct map_node *node, const void *key)
{
    const struct told *t = CONTAINER_OF(node, const struct told, node);
    const struct told_key *k = key;

    return t->stream->server == k->server && t->mailbox == k->mailbox &&
           str_equal(told_name(t), k->name);
}

static int told_make(struct stream *m, const struct told_key *k, uint64_t hash, struct told **out)
{
    struct server *s = m->server;
    struct told *t = calloc(1, sizeof(*t) + k->name.n);

    if (!t)
        return -ENOMEM;
    t->stream = m;
    t->mailbox = k->mailbox;
    t->name_n = (uint8_t)k->name.n;
    memcpy(t->name, k->name.p, k->name.n);
    list_init(&t->of_stream);
    list_append(&m->told, &t->of_stream);
    map_add(&s->sources->told, &t->node, hash);
    tally_add(&s->sources->heap, t);
    *(t->mailbox ? &s->mailboxes : &s->devices) += 1;
    s->sources->counters.states++;
    *out = t;
    return 0;
}

/* From now on it lives with this stream. */
static void told_move(struct told *t, struct stream *m)
{
    struct stream *former = t->stream;

    if (former == m)
        return;
    t->stream = m;
    list_remove(&t->of_stream);
    list_append(&m->told, &t->of_stream);
    if (former->ended && list_empty(&former->told))
        stream_destroy(former);
}

/* So that it can be withdrawn. 0, -ENOMEM, or -EDQUOT when the server has told too much. */
static int told_note(struct stream *m, const struct asterisk_event *e, struct told **out)
{
    struct server *s = m->server;
    struct asterisk_sources *a = s->sources;
    const struct told_key k = { s, e->type == ASTERISK_MAILBOX_STATE, { e->name, e->name_n } };
    uint64_t hash = map_hash_mix(map_hash(&a->told, k.name), map_hash(&a->told, source_of(s)));
    struct map_node *node = map_find(&a->told, hash, told_is, &k);

    if (node) {
        *out = CONTAINER_OF(node, struct told, node);
        told_move(*out, m);
        return 0;
    }
    if (s->devices + s->mailboxes >= SOURCE_STATES_MAX)
        return -EDQUOT;
    return told_make(m, &k, hash, out);
}

/* `recalled_ms`: when it was said to a former process; 0: now, and it is kept. */
static int event_say(struct stream *m, const struct asterisk_event *e, uint64_t recalled_ms)
{
    const struct server *s = m->server;
    const struct asterisk_sources *a = s->sources;
    const struct state_source_view said = { .source = source_of(s),
                                            .state = e->state,
                                            .changed_wall_ms = recalled_ms
                                                                   ? recalled_ms
                                                                   : clock_wall_ms(a->cfg.clock) };
    struct str name = { e->name, e->name_n };
    struct told *t;
    int r = told_note(m, e, &t);

    if (r)
        return r;
    if (e->type == ASTERISK_MAILBOX_STATE)
        r = mailbox_set(a->cfg.mailboxes, source_of(s), name, e->new_count, e->old_count);
    else if (recalled_ms)
        r = state_device_recall(a->cfg.core, name, &said);
    else
        r = state_device_set(a->cfg.core, source_of(s), name, e->state);
    if (!t->changed_wall_ms || t->state != e->state)
        t->changed_wall_ms = said.changed_wall_ms;
    t->state = e->state;
    t->new_count = e->new_count;
    t->old_count = e->old_count;
    if (!recalled_ms && r >= 0)
        told_keep(t);
    return r < 0 ? r : 0; /* a name that is none is told to nobody */
}

static bool is_ignored(const struct asterisk_sources *a, const struct asterisk_event *e)
{
    if (str_equal(str_of(e->eid), str_of(a->own_eid))) {
        log_warn(a->cfg.log, "source.own_eid", KV("eid", str_of(e->eid)));
        return true;
    }
    return e->type == ASTERISK_DEVICE_STATE && !e->cachable;
}

static int server_get(struct asterisk_sources *a, struct str eid, struct server **out)
{
    struct server *s = server_find(a, eid);

    if (!s && a->servers.count >= SOURCE_SERVERS_MAX)
        return -EDQUOT;
    if (!s)
        s = server_make(a, eid);
    *out = s;
    return s ? 0 : -ENOMEM;
}

static int event_apply(struct asterisk_sources *a, const struct publication_event *e)
{
    struct server *s;
    struct stream *m;
    bool known;
    int r = server_get(a, str_of(e->event->eid), &s);

    if (r)
        return r;
    known = stream_find(a, &(struct stream_key){ .server = s, .serial = e->serial });
    m = stream_get(s, e);
    if (!m) {
        server_release(s);
        return -ENOMEM;
    }
    s->heard_wall_ms = clock_wall_ms(a->cfg.clock);
    if (e->event->type != ASTERISK_REFRESH)
        r = event_say(m, e->event, 0);
    if (r == -ENOMEM && !known) /* the publication does not come about */
        stream_end(m);
    return r;
}

int asterisk_sources_event(struct asterisk_sources *a, const struct publication_event *e)
{
    struct str name = { e->event->name, e->event->name_n };
    int r;

    a->counters.events++;
    if (is_ignored(a, e->event)) {
        a->counters.ignored++;
        return 0;
    }
    r = event_apply(a, e);
    if (r == -EDQUOT) {
        a->counters.over_limit++;
        log_warn(a->cfg.log, "source.over_limit", KV("eid", str_of(e->event->eid)),
                 KV("name", name));
        r = 0;
    }
    if (r == 0 && e->event->type == ASTERISK_REFRESH && e->answer_section.n)
        a->cfg.refresh(a->cfg.ctx, e->answer_section);
    return r;
}

/* ---- what survives ---- */

static int kept_say(struct asterisk_sources *a, const struct kept *k)
{
    const struct publication_event e = { .serial = k->serial,
                                         .inbound = k->inbound,
                                         .event = &k->event };
    struct server *s;
    struct stream *m;
    int r = server_get(a, str_of(k->event.eid), &s);

    if (r)
        return r == -EDQUOT ? -EBADMSG : r;
    m = stream_get(s, &e);
    if (!m) {
        server_release(s);
        return -ENOMEM;
    }
    m->silent = true;
    if (k->heard_wall_ms > s->heard_wall_ms)
        s->heard_wall_ms = k->heard_wall_ms;
    r = event_say(m, &k->event,
                  k->changed_wall_ms ? k->changed_wall_ms : clock_wall_ms(a->cfg.clock));
    return r == -EDQUOT ? -EBADMSG : r;
}

int asterisk_source_restore(struct asterisk_sources *a, const struct keep_record *record)
{
    struct kept k;
    int r = kept_parse(&k, record);

    if (r)
        return r;
    return is_ignored(a, &k.event) ? -EBADMSG : kept_say(a, &k);
}

void asterisk_sources_resumed(struct asterisk_sources *a, uint64_t serial)
{
    struct stream *m;

    while ((m = stream_find(a, &(struct stream_key){ .serial = serial, .silent = true })))
        m->silent = false;
}

void asterisk_sources_restored(struct asterisk_sources *a)
{
    MAP_FOREACH_SAFE (node, &a->streams) {
        struct stream *m = CONTAINER_OF(node, struct stream, node);

        if (m->silent)
            stream_end(m);
        else
            stream_withdraw(m);
    }
}

void asterisk_sources_keep_all(const struct asterisk_sources *a)
{
    MAP_FOREACH (node, &a->told)
        told_keep(CONTAINER_OF(node, const struct told, node));
}

/* ---- life ---- */

void asterisk_sources_configure(struct asterisk_sources *a, const struct settings *settings,
                                struct str eid)
{
    const struct settings *former = a->settings;

    BUG_UNLESS(eid.n == ASTERISK_EID_LEN);
    memcpy(a->own_eid, eid.p, eid.n);
    a->settings = settings_ref(settings);
    settings_unref(former);
    a->grace_s = settings->general.source_grace_s;
    a->states_stay = settings->compatibility.lapsed_states_stay;
    MAP_FOREACH_SAFE (node, &a->streams) {
        struct stream *m = CONTAINER_OF(node, struct stream, node);

        stream_watch(m);
        stream_withdraw(m);
    }
}

int asterisk_sources_create(struct asterisk_sources **out,
                            const struct asterisk_sources_config *cfg)
{
    struct asterisk_sources *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return -ENOMEM;
    a->cfg = *cfg;
    r = map_init(&a->servers, cfg->rng);
    if (r == 0)
        r = map_init(&a->told, cfg->rng);
    if (r == 0)
        r = map_init(&a->streams, cfg->rng);
    if (r)
        asterisk_sources_destroy(a);
    else
        *out = a;
    return r;
}

void asterisk_sources_destroy(struct asterisk_sources *a)
{
    if (!a)
        return;
    if (a->streams.buckets)
        MAP_FOREACH_SAFE (node, &a->streams)
            stream_destroy(CONTAINER_OF(node, struct stream, node));
    BUG_UNLESS(!a->heap.bytes);
    map_fini(&a->streams);
    map_fini(&a->told);
    map_fini(&a->servers);
    settings_unref(a->settings);
    free(a);
}

/* ---- listings ---- */

/* When the last of it lapses: a server with a publication that lives does not. */
static uint64_t server_left_ms(const struct server *s)
{
    uint64_t last = 0;

    LIST_FOREACH (it, &s->streams) {
        const struct stream *m = CONTAINER_OF(it, const struct stream, of_server);
        uint64_t left = timer_left_ms(s->sources->cfg.wheel, &m->lapse);

        last = left > last ? left : last;
    }
    return last;
}

void asterisk_sources_each(const struct asterisk_sources *a,
                           void (*each)(void *ctx, const struct asterisk_source_view *v), void *ctx)
{
    MAP_FOREACH (node, &a->servers) {
        const struct server *s = CONTAINER_OF(node, const struct server, node);
        size_t living = server_living(s);
        const struct asterisk_source_view v = {
            .eid = eid_of(s),
            .heard_wall_ms = s->heard_wall_ms,
            .devices = s->devices,
            .mailboxes = s->mailboxes,
            .publications = living,
            .lapsing = !living && !a->states_stay,
            .lapses_s = (uint32_t)((server_left_ms(s) + 999) / 1000),
        };

        each(ctx, &v);
    }
}

void asterisk_sources_counters_get(const struct asterisk_sources *a,
                                   struct asterisk_sources_counters *out)
{
    *out = a->counters;
    out->servers = a->servers.count;
    out->bytes =
        a->heap.bytes + map_bytes(&a->servers) + map_bytes(&a->told) + map_bytes(&a->streams);
}
