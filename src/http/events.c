// SPDX-License-Identifier: MIT
/* What is told as it happens: /v1/events, as server-sent events, and /ari/events, a WebSocket of
 * ARI's. Each change is written once and copied to everybody who wants it. Who does not read is
 * ended: she comes back and asks for what there is. */
#include "http/http_internal.h"

#include <stdlib.h>
#include <time.h>

enum {
    WAITING_MAX = 8 << 20, /* bytes for one that does not read */
    EVENT_MAX = 256 << 10,
    APPS_MAX = 100,
    DEVICES_MAX = 10000, /* of one application */
};

struct stream {
    struct list link; /* in http.streams */
    struct exchange *exchange;
    unsigned kinds;   /* of a /v1/events */
    struct list apps; /* of an /ari/events: struct membership */
    bool is_ari, fresh;
};

struct app { /* of ARI: there as long as somebody listens for it */
    struct list link, devices;
    size_t n_devices, n_streams;
    bool all;
    struct str name;
    char text[];
};

struct watched_device {
    struct list link;
    struct str name;
    char text[];
};

struct membership {
    struct list link;
    struct app *app;
};

static void on_change(void *ctx, const struct change *c);
static void on_turn(void *ctx);

/* ---- who listens ---- */

static const unsigned usual_kinds = CHANGE_BIT(CHANGE_DEVICE) | CHANGE_BIT(CHANGE_PRESENCE) |
                                    CHANGE_BIT(CHANGE_SNAPSHOT) | CHANGE_BIT(CHANGE_MAILBOX) |
                                    CHANGE_BIT(CHANGE_SOURCE);

static struct stream *stream_create(struct exchange *x, unsigned kinds, bool is_ari)
{
    struct http *h = x->http;
    struct stream *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    *s = (struct stream){ .exchange = x, .kinds = kinds, .is_ari = is_ari };
    list_init(&s->link);
    list_init(&s->apps);
    if (list_empty(&h->streams) && h->cfg.feed) {
        h->consumer = (struct feed_consumer){
            .kinds = usual_kinds, .each = on_change, .turn = on_turn, .ctx = h
        };
        list_init(&h->consumer.link);
        feed_subscribe(h->cfg.feed, &h->consumer);
    }
    list_append(&h->streams, &s->link);
    h->n_streams++;
    x->stream = s;
    x->rq.again = true;
    x->out.ceiling = WAITING_MAX;
    return s;
}

static void app_leave(struct app *a)
{
    if (--a->n_streams)
        return;
    LIST_FOREACH_SAFE (it, &a->devices) {
        struct watched_device *d = CONTAINER_OF(it, struct watched_device, link);

        list_remove(it);
        free(d);
    }
    list_remove(&a->link);
    free(a);
}

void stream_destroy(struct stream *s)
{
    struct http *h;

    if (!s)
        return;
    h = s->exchange->http;
    LIST_FOREACH_SAFE (it, &s->apps) {
        struct membership *m = CONTAINER_OF(it, struct membership, link);

        list_remove(it);
        app_leave(m->app);
        free(m);
    }
    list_remove(&s->link);
    h->n_streams--;
    if (list_empty(&h->streams) && h->cfg.feed)
        feed_unsubscribe(h->cfg.feed, &h->consumer);
    free(s);
}

bool stream_keep_alive(struct exchange *x)
{
    struct caller c;

    /* A session may have ended, a token may have gone. */
    if (x->out.error || access_check(x->http, &x->rq, &c) || !c.reads)
        return false;
    if (!x->out.n && !x->stream->is_ari)
        buf_add(&x->out, STR(":\n\n"));
    return true;
}

/* ---- /v1/events ---- */

static void print_snapshot(struct json *j, const struct change *c)
{
    const struct snapshot *s = c->snapshot;

    json_add_str(j, "extension", s->extension);
    json_add_str(j, "context", s->context);
    if (s->package.n)
        json_add_str(j, "event", s->package);
    json_add_str(j, "hint", s->hint);
    json_add_str(j, "name", s->hint_name);
    json_add_bool(j, "removed", s->state == EXTENSION_REMOVED);
    commands_print_lamp(j, s);
}

static void print_device(struct json *j, const struct change_device *d)
{
    json_add_str(j, "device", d->device);
    json_add_str(j, "state", device_state_name(d->state));
    json_add_str(j, "former", device_state_name(d->former));
    json_add_str(j, "source", d->source);
    if (d->says)
        json_add_str(j, "said", device_state_name(d->said));
}

static void print_presence(struct json *j, const struct change_presence *p)
{
    json_add_str(j, "provider", p->provider);
    json_add_str(j, "state", presence_state_name(p->state));
    json_add_str(j, "subtype", p->subtype);
    json_add_str(j, "message", p->message);
}

static void print_mailbox(struct json *j, const struct change_mailbox *m)
{
    json_add_str(j, "mailbox", m->mailbox);
    json_add_bool(j, "exists", m->exists);
    json_add_u64(j, "new", m->new_count);
    json_add_u64(j, "old", m->old_count);
    json_add_str(j, "source", m->source);
}

static void print_source(struct json *j, const struct change_source *s)
{
    json_add_str(j, "source", s->source);
    json_add_str(j, "protocol", s->protocol);
    json_add_bool(j, "up", s->up);
    json_add_bool(j, "stale", s->stale);
    json_add_str(j, "why", s->why);
}

static void print_event(struct buf *out, const struct change *c)
{
    struct json j = json_on(out);

    buf_printf(out, "event: %.*s\ndata: ", STR_FMT(change_kind_name(c->kind)));
    json_add_object(&j, NULL);
    json_add_u64(&j, "at_ms", c->wall_ms);
    if (c->cause.away)
        json_add_u64(&j, "away_s", c->cause.grace_s);
    switch (c->kind) {
    case CHANGE_DEVICE:
        print_device(&j, &c->device);
        break;
    case CHANGE_PRESENCE:
        print_presence(&j, &c->presence);
        break;
    case CHANGE_SNAPSHOT:
        print_snapshot(&j, c);
        break;
    case CHANGE_MAILBOX:
        print_mailbox(&j, &c->mailbox);
        break;
    case CHANGE_SOURCE:
        print_source(&j, &c->source);
        break;
    default:
        break;
    }
    json_end_object(&j);
    buf_add(out, STR("\n\n"));
}

static bool kinds_parse(struct str text, unsigned *kinds)
{
    struct str rest = text;

    *kinds = 0;
    while (rest.n) {
        struct str word = str_next(&rest, ',');
        unsigned kind = 0;

        while (kind < CHANGE_KINDS && !(usual_kinds & CHANGE_BIT(kind) &&
                                        str_equal(word, change_kind_name((enum change_kind)kind))))
            kind++;
        if (kind == CHANGE_KINDS)
            return false;
        *kinds |= CHANGE_BIT(kind);
    }
    return *kinds != 0;
}

void events_get(struct exchange *x)
{
    unsigned kinds = usual_kinds;
    struct str text;

    if (exchange_query(x, "kinds", &text) && !kinds_parse(text, &kinds)) {
        exchange_fail(x, 400, "usage",
                      "kinds are snapshot, device, presence, mailbox and source, with commas");
        return;
    }
    if (x->rq.method == HTTP_HEAD || !stream_create(x, kinds, false)) {
        exchange_fail(x, x->rq.method == HTTP_HEAD ? 405 : 503, "busy", "that is no stream");
        return;
    }
    /* What is asked for after this has been read misses nothing. */
    buf_add(&x->out, STR("retry: 2000\n\nevent: hello\ndata: {}\n\n"));
    x->type = "text/event-stream; charset=utf-8";
    exchange_answer(x, 200);
}

/* ---- /ari/events ---- */

static struct app *app_find(struct http *h, struct str name)
{
    LIST_FOREACH (it, &h->apps) {
        struct app *a = CONTAINER_OF(it, struct app, link);

        if (str_equal(a->name, name))
            return a;
    }
    return NULL;
}

static struct app *app_create(struct http *h, struct str name)
{
    struct app *a = calloc(1, sizeof(*a) + name.n);
    char *at;

    if (!a)
        return NULL;
    at = a->text;
    a->name = name;
    str_keep(&a->name, &at);
    list_init(&a->link);
    list_init(&a->devices);
    list_append(&h->apps, &a->link);
    return a;
}

static bool app_is_named_well(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == '/' || name.p[i] == 0x7f)
            return false;
    return name.n > 0 && name.n <= 128;
}

static bool stream_join(struct stream *s, struct str name, bool all)
{
    struct http *h = s->exchange->http;
    struct membership *m = malloc(sizeof(*m));
    struct app *a = app_find(h, name);

    if (m && !a)
        a = app_create(h, name);
    if (!m || !a) {
        free(m);
        return false;
    }
    a->all |= all;
    a->n_streams++;
    m->app = a;
    list_init(&m->link);
    list_append(&s->apps, &m->link);
    return true;
}

bool ari_events_begin(struct exchange *x)
{
    struct str apps, all = STR_EMPTY, rest;
    struct stream *s;
    size_t n = 0;

    if (!exchange_query(x, "app", &apps))
        return false;
    (void)exchange_query(x, "subscribeAll", &all);
    s = stream_create(x, CHANGE_BIT(CHANGE_DEVICE), true);
    if (!s)
        return false;
    x->status = 101;
    x->answered = true;
    rest = apps;
    while (rest.n) {
        struct str name = str_next(&rest, ',');

        if (!app_is_named_well(name) || ++n > APPS_MAX || !stream_join(s, name, str_is_true(all)))
            return false;
    }
    return n > 0;
}

/* Asterisk's: "2026-01-31T12:00:00.000+0000". */
static void print_ari_time(struct json *j, const char *key, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char room[40], second[32];
    struct tm tm;
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    gmtime_r(&seconds, &tm);
    strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(&b, "%s.%03u+0000", second, (unsigned)(wall_ms % 1000));
    json_add_str(j, key, buf_str(&b));
}

static void print_ari_event(struct buf *out, const struct app *a, const struct change *c,
                            struct str asterisk_id)
{
    struct json j = json_on(out);

    json_add_object(&j, NULL);
    json_add_str(&j, "type", STR("DeviceStateChanged"));
    json_add_str(&j, "application", a->name);
    print_ari_time(&j, "timestamp", c->wall_ms);
    json_add_object(&j, "device_state");
    json_add_str(&j, "name", c->device.device);
    json_add_str(&j, "state", device_state_name(c->device.state));
    json_end_object(&j);
    if (asterisk_id.n)
        json_add_str(&j, "asterisk_id", asterisk_id);
    json_end_object(&j);
    buf_add_char(out, '\n'); /* ends the message, and is none of it */
}

static struct watched_device *device_find(const struct app *a, struct str name)
{
    LIST_FOREACH (it, &a->devices) {
        struct watched_device *d = CONTAINER_OF(it, struct watched_device, link);

        if (str_equal_nocase(d->name, name))
            return d;
    }
    return NULL;
}

static void tell_ari(struct stream *s, const struct change *c)
{
    const struct http *h = s->exchange->http;

    /* It is told of what the sources together say, not of each. */
    if (c->device.state == c->device.former)
        return;
    LIST_FOREACH (it, &s->apps) {
        const struct app *a = CONTAINER_OF(it, struct membership, link)->app;

        if (!a->all && !device_find(a, c->device.device))
            continue;
        print_ari_event(&s->exchange->out, a, c, settings_entity_id(h->settings, h->cfg.eid));
        s->fresh = true;
    }
}

/* ---- changes ---- */

static void on_change(void *ctx, const struct change *c)
{
    struct http *h = ctx;
    struct buf text;
    bool printed = false;

    buf_init(&text, EVENT_MAX);
    LIST_FOREACH (it, &h->streams) {
        struct stream *s = CONTAINER_OF(it, struct stream, link);

        if (!(s->kinds & CHANGE_BIT((unsigned)c->kind)))
            continue;
        if (s->is_ari) {
            tell_ari(s, c);
            continue;
        }
        if (!printed)
            print_event(&text, c);
        printed = true;
        /* One that lacks a change is none that may go on. */
        if (text.error)
            s->exchange->out.error = text.error;
        buf_add(&s->exchange->out, buf_str(&text));
        s->fresh = true;
    }
    buf_fini(&text);
}

static void on_turn(void *ctx)
{
    struct http *h = ctx;

    LIST_FOREACH (it, &h->streams) {
        struct stream *s = CONTAINER_OF(it, struct stream, link);

        if (s->fresh)
            s->exchange->ready(s->exchange);
        s->fresh = false;
    }
}

/* ---- /ari/applications ---- */

static void print_app(struct json *j, const struct app *a)
{
    static const char *const nothing[] = { "channel_ids", "bridge_ids", "endpoint_ids" };

    json_add_object(j, NULL);
    json_add_str(j, "name", a->name);
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        json_add_array(j, nothing[i]);
        json_end_array(j);
    }
    json_add_array(j, "device_names");
    if (a->all)
        json_add_str(j, NULL, STR(""));
    LIST_FOREACH (it, &a->devices)
        json_add_str(j, NULL, CONTAINER_OF(it, const struct watched_device, link)->name);
    json_end_array(j);
    json_end_object(j);
}

void ari_apps(struct exchange *x)
{
    struct json j = json_on(&x->out);

    json_add_array(&j, NULL);
    LIST_FOREACH (it, &x->http->apps)
        print_app(&j, CONTAINER_OF(it, const struct app, link));
    json_end_array(&j);
    x->type = "application/json";
    exchange_answer(x, 200);
}

static void answer_app(struct exchange *x, const struct app *a)
{
    struct json j = json_on(&x->out);

    print_app(&j, a);
    x->type = "application/json";
    exchange_answer(x, 200);
}

void ari_app(struct exchange *x)
{
    const struct app *a = app_find(x->http, x->name);

    if (a)
        answer_app(x, a);
    else
        ari_fail(x, 404, "Application does not exist.");
}

/* The application and the devices of ".../APP/subscription?eventSource=deviceState:NAME,...". NULL:
 * that is answered. */
static struct app *subscription_of(struct exchange *x, struct buf *sources)
{
    size_t end = str_find_char(x->name, '/');
    struct app *a = app_find(x->http, str_sub(x->name, 0, end));
    struct str rest;

    if (!str_equal(str_sub(x->name, end, x->name.n), STR("/subscription"))) {
        ari_fail(x, 404, "Resource not found");
        return NULL;
    }
    if (!ari_argument(x, "eventSource", sources)) {
        ari_fail(x, 400, "Missing parameter eventSource");
        return NULL;
    }
    if (!a) {
        ari_fail(x, 404, "Application does not exist.");
        return NULL;
    }
    rest = buf_str(sources);
    while (rest.n) {
        if (str_starts(str_next(&rest, ','), STR("deviceState:")))
            continue;
        ari_fail(x, 422, "Event source does not exist.");
        return NULL;
    }
    return a;
}

static struct str source_next(struct str *rest)
{
    struct str source = str_next(rest, ',');

    return str_sub(source, sizeof("deviceState:") - 1, source.n);
}

static bool app_watch(struct app *a, struct str name)
{
    struct watched_device *d;
    char *at;

    if (!name.n)
        a->all = true;
    if (!name.n || device_find(a, name))
        return true;
    d = a->n_devices < DEVICES_MAX ? malloc(sizeof(*d) + name.n) : NULL;
    if (!d)
        return false;
    at = d->text;
    d->name = name;
    str_keep(&d->name, &at);
    list_init(&d->link);
    list_append(&a->devices, &d->link);
    a->n_devices++;
    return true;
}

static bool app_unwatch(struct app *a, struct str name)
{
    struct watched_device *d = device_find(a, name);
    bool was = name.n ? d != NULL : a->all;

    if (!name.n)
        a->all = false;
    if (name.n && d) {
        list_remove(&d->link);
        free(d);
        a->n_devices--;
    }
    return was;
}

/* Each of the devices that are named, until one cannot be had: that is answered so. */
static void app_change(struct exchange *x, bool (*change)(struct app *a, struct str name),
                       unsigned status, const char *refusal)
{
    struct buf sources;
    char room[HTTP_SOURCES_MAX];
    struct str rest;
    struct app *a;

    buf_init_on(&sources, room, sizeof(room));
    a = subscription_of(x, &sources);
    if (!a)
        return;
    rest = buf_str(&sources);
    while (rest.n) {
        if (change(a, source_next(&rest)))
            continue;
        ari_fail(x, status, refusal);
        return;
    }
    answer_app(x, a);
}

void ari_app_subscribe(struct exchange *x)
{
    app_change(x, app_watch, 503, "Too many devices");
}

void ari_app_unsubscribe(struct exchange *x)
{
    app_change(x, app_unwatch, 409, "Application not subscribed to event source.");
}
