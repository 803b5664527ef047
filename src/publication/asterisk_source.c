// SPDX-License-Identifier: MIT
#include "publication/asterisk_source.h"

#include "base/map.h"

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
    log_info(a->cfg.log, "source.new", KV("eid", eid));
    return s;
}

/* Nothing of it is left to remember. */
static void server_release(struct server *s)
{
    if (!list_empty(&s->streams))
        return;
    map_remove(&s->sources->servers, &s->node);
    free(s);
}

/* ---- what it has told ---- */

static struct str told_name(const struct told *t)
{
    return (struct str){ t->name, t->name_n };
}

static void told_destroy(struct told *t)
{
    struct server *s = t->stream->server;

    *(t->mailbox ? &s->mailboxes : &s->devices) -= 1;
    s->sources->counters.states--;
    map_remove(&s->sources->told, &t->node);
    list_remove(&t->of_stream);
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
};

static bool stream_is(const struct map_node *node, const void *key)
{
    const struct stream *m = CONTAINER_OF(node, const struct stream, node);
    const struct stream_key *k = key;

    return !m->ended && m->serial == k->serial && (!k->server || m->server == k->server);
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
    struct stream *m = stream_find(a, &(struct stream_key){ s, e->serial });

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

    while ((m = stream_find(a, &(struct stream_key){ NULL, serial })))
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

static int told_make(struct stream *m, const struct told_key *k, uint64_t hash)
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
    *(t->mailbox ? &s->mailboxes : &s->devices) += 1;
    s->sources->counters.states++;
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
static int told_note(struct stream *m, const struct asterisk_event *e)
{
    struct server *s = m->server;
    struct asterisk_sources *a = s->sources;
    const struct told_key k = { s, e->type == ASTERISK_MAILBOX_STATE, { e->name, e->name_n } };
    uint64_t hash = map_hash_mix(map_hash(&a->told, k.name), map_hash(&a->told, source_of(s)));
    struct map_node *node = map_find(&a->told, hash, told_is, &k);

    if (node) {
        told_move(CONTAINER_OF(node, struct told, node), m);
        return 0;
    }
    if (s->devices + s->mailboxes >= SOURCE_STATES_MAX)
        return -EDQUOT;
    return told_make(m, &k, hash);
}

static int event_say(struct stream *m, const struct asterisk_event *e)
{
    const struct server *s = m->server;
    const struct asterisk_sources *a = s->sources;
    struct str name = { e->name, e->name_n };
    int r = told_note(m, e);

    if (r)
        return r;
    if (e->type == ASTERISK_MAILBOX_STATE)
        r = mailbox_set(a->cfg.mailboxes, source_of(s), name, e->new_count, e->old_count);
    else
        r = state_device_set(a->cfg.core, source_of(s), name, e->state);
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
    known = stream_find(a, &(struct stream_key){ s, e->serial });
    m = stream_get(s, e);
    if (!m) {
        server_release(s);
        return -ENOMEM;
    }
    if (e->event->type != ASTERISK_REFRESH)
        r = event_say(m, e->event);
    if (r != -ENOMEM)
        s->heard_wall_ms = clock_wall_ms(a->cfg.clock);
    else if (!known) /* the publication does not come about */
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
}
