// SPDX-License-Identifier: MIT
#include "publication/asterisk_source.h"

#include "base/map.h"

#include <stdlib.h>

enum { WITHDRAW_RETRY_MS = 1000 };

struct server {
    struct map_node node;
    struct asterisk_sources *sources;
    struct list told; /* struct told */
    struct timer lapse;
    uint64_t heard_wall_ms;
    size_t devices, mailboxes, n_streams;
    char source[sizeof("eid:") + ASTERISK_EID_LEN]; /* its name as a source */
};

struct told { /* a device or a mailbox that a server says something about */
    struct map_node node;
    struct list of_server;
    struct server *server;
    bool mailbox;
    uint8_t name_n;
    char name[];
};

struct stream { /* a server was heard by this publication */
    struct map_node node;
    struct server *server;
    uint64_t serial;
};

struct asterisk_sources {
    struct asterisk_sources_config cfg;
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

static void server_lapsed(struct timer *t);

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
    list_init(&s->told);
    timer_init(&s->lapse, server_lapsed);
    buf_init_on(&source, s->source, sizeof(s->source) - 1);
    buf_add(&source, STATE_SERVER_SOURCE);
    buf_add(&source, eid);
    map_add(&a->servers, &s->node, map_hash(&a->servers, eid));
    log_info(a->cfg.log, "source.new", KV("eid", eid));
    return s;
}

static void told_destroy(struct told *t)
{
    struct server *s = t->server;

    *(t->mailbox ? &s->mailboxes : &s->devices) -= 1;
    s->sources->counters.states--;
    map_remove(&s->sources->told, &t->node);
    list_remove(&t->of_server);
    free(t);
}

static void server_destroy(struct server *s)
{
    BUG_UNLESS(!s->n_streams);
    LIST_FOREACH_SAFE (it, &s->told)
        told_destroy(CONTAINER_OF(it, struct told, of_server));
    timer_stop(s->sources->cfg.wheel, &s->lapse);
    map_remove(&s->sources->servers, &s->node);
    free(s);
}

/* Nothing of it is left to remember. */
static void server_release(struct server *s)
{
    if (!s->n_streams && list_empty(&s->told))
        server_destroy(s);
}

/* ---- its end ---- */

static int told_withdraw(const struct told *t)
{
    const struct asterisk_sources *a = t->server->sources;
    struct str name = { t->name, t->name_n };
    int r = t->mailbox ? mailbox_forget(a->cfg.mailboxes, source_of(t->server), name)
                       : state_device_forget(a->cfg.core, source_of(t->server), name);

    return r < 0 ? r : 0;
}

static void server_lapsed(struct timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, lapse);
    struct asterisk_sources *a = s->sources;
    size_t devices = s->devices, mailboxes = s->mailboxes;

    LIST_FOREACH_SAFE (it, &s->told) {
        struct told *t = CONTAINER_OF(it, struct told, of_server);

        if (told_withdraw(t)) {
            log_warn(a->cfg.log, "source.lapse_delayed", KV("eid", eid_of(s)));
            timer_start(a->cfg.wheel, &s->lapse, WITHDRAW_RETRY_MS);
            return;
        }
        told_destroy(t);
    }
    log_warn(a->cfg.log, "source.lapsed", KV("eid", eid_of(s)), KV_U("devices", devices),
             KV_U("mailboxes", mailboxes));
    a->counters.lapsed++;
    server_release(s);
}

/* Whether its time runs: while no publication of it lives, unless its states are to stay. */
static void server_watch(struct server *s)
{
    struct asterisk_sources *a = s->sources;

    if (s->n_streams || a->states_stay)
        timer_stop(a->cfg.wheel, &s->lapse);
    else if (!timer_running(&s->lapse))
        timer_start(a->cfg.wheel, &s->lapse, (uint64_t)a->grace_s * 1000);
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

    return m->serial == k->serial && (!k->server || m->server == k->server);
}

static struct stream *stream_find(const struct asterisk_sources *a, const struct stream_key *k)
{
    struct map_node *node =
        map_find(&a->streams, map_hash_u64(&a->streams, k->serial), stream_is, k);

    return node ? CONTAINER_OF(node, struct stream, node) : NULL;
}

/* The server was heard by this publication: it lives with it. */
static int stream_note(struct server *s, uint64_t serial)
{
    struct asterisk_sources *a = s->sources;
    struct stream *m;

    if (stream_find(a, &(struct stream_key){ s, serial }))
        return 0;
    m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->server = s;
    m->serial = serial;
    s->n_streams++;
    map_add(&a->streams, &m->node, map_hash_u64(&a->streams, serial));
    server_watch(s);
    return 0;
}

static void stream_destroy(struct stream *m)
{
    struct server *s = m->server;

    map_remove(&s->sources->streams, &m->node);
    s->n_streams--;
    free(m);
}

void asterisk_sources_ended(struct asterisk_sources *a, uint64_t serial)
{
    struct stream *m;

    while ((m = stream_find(a, &(struct stream_key){ NULL, serial }))) {
        struct server *s = m->server;

        stream_destroy(m);
        if (s->n_streams)
            continue;
        log_info(a->cfg.log, "source.silent", KV("eid", eid_of(s)), KV_U("grace_s", a->grace_s));
        server_watch(s);
        server_release(s);
    }
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

    return t->server == k->server && t->mailbox == k->mailbox &&
           str_equal((struct str){ t->name, t->name_n }, k->name);
}

static int told_make(struct server *s, const struct told_key *k, uint64_t hash)
{
    struct told *t = calloc(1, sizeof(*t) + k->name.n);

    if (!t)
        return -ENOMEM;
    t->server = s;
    t->mailbox = k->mailbox;
    t->name_n = (uint8_t)k->name.n;
    memcpy(t->name, k->name.p, k->name.n);
    list_init(&t->of_server);
    list_append(&s->told, &t->of_server);
    map_add(&s->sources->told, &t->node, hash);
    *(t->mailbox ? &s->mailboxes : &s->devices) += 1;
    s->sources->counters.states++;
    return 0;
}

/* So that it can be withdrawn. 0, -ENOMEM, or -EDQUOT when the server has told too much. */
static int told_note(struct server *s, const struct asterisk_event *e)
{
    struct asterisk_sources *a = s->sources;
    const struct told_key k = { s, e->type == ASTERISK_MAILBOX_STATE, { e->name, e->name_n } };
    uint64_t hash = map_hash_mix(map_hash(&a->told, k.name), map_hash(&a->told, source_of(s)));

    if (map_find(&a->told, hash, told_is, &k))
        return 0;
    if (s->devices + s->mailboxes >= SOURCE_STATES_MAX)
        return -EDQUOT;
    return told_make(s, &k, hash);
}

static int event_say(struct server *s, const struct asterisk_event *e)
{
    const struct asterisk_sources *a = s->sources;
    struct str name = { e->name, e->name_n };
    int r = told_note(s, e);

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

/* A publication that does not come about for lack of memory keeps nobody alive. */
static void stream_forget(struct server *s, uint64_t serial)
{
    struct stream *m = stream_find(s->sources, &(struct stream_key){ s, serial });

    if (m)
        stream_destroy(m);
    server_watch(s);
    server_release(s);
}

static int event_apply(struct asterisk_sources *a, const struct publication_event *e)
{
    struct server *s;
    bool known;
    int r = server_get(a, str_of(e->event->eid), &s);

    if (r)
        return r;
    known = stream_find(a, &(struct stream_key){ s, e->serial });
    r = stream_note(s, e->serial);
    if (r == 0 && e->event->type != ASTERISK_REFRESH)
        r = event_say(s, e->event);
    if (r == -ENOMEM && !known)
        stream_forget(s, e->serial);
    else if (r != -ENOMEM)
        s->heard_wall_ms = clock_wall_ms(a->cfg.clock);
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
    BUG_UNLESS(eid.n == ASTERISK_EID_LEN);
    memcpy(a->own_eid, eid.p, eid.n);
    a->grace_s = settings->general.source_grace_s;
    a->states_stay = settings->compatibility.lapsed_states_stay;
    MAP_FOREACH (node, &a->servers)
        server_watch(CONTAINER_OF(node, struct server, node));
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
    if (a->servers.buckets)
        MAP_FOREACH_SAFE (node, &a->servers)
            server_destroy(CONTAINER_OF(node, struct server, node));
    map_fini(&a->streams);
    map_fini(&a->told);
    map_fini(&a->servers);
    free(a);
}

/* ---- listings ---- */

void asterisk_sources_each(const struct asterisk_sources *a,
                           void (*each)(void *ctx, const struct asterisk_source_view *v), void *ctx)
{
    MAP_FOREACH (node, &a->servers) {
        const struct server *s = CONTAINER_OF(node, const struct server, node);
        const struct asterisk_source_view v = {
            .eid = eid_of(s),
            .heard_wall_ms = s->heard_wall_ms,
            .devices = s->devices,
            .mailboxes = s->mailboxes,
            .publications = s->n_streams,
            .lapsing = timer_running(&s->lapse),
            .lapses_s = (uint32_t)((timer_left_ms(a->cfg.wheel, &s->lapse) + 999) / 1000),
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
