// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "source/source_internal.h"

enum {
    FIRST_RETRY_MS = 1000,
    PATIENCE_MS = 10000, /* until a connection is open, and until it is logged in */
    OUT_MAX = 4 << 20,
    OUT_FULL = 64 << 10, /* reports leave before the end of what was received */
    COMPLAINT_MAX = 200,
    SERVER_MAX = 120,
};

struct source {
    const struct source_settings *settings;
    const struct protocol *protocol;
    void *client;
    struct source_port port;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    enum source_state state;
    struct timer retry, grace, ping;
    uint64_t retry_ms; /* the next pause */
    bool connected;    /* the port has a connection, or is making one */
    bool alive;        /* something came since the last ping */
    bool stale;
    struct buf out;
    uint64_t since_ms, synced_ms, connections, events, reports;
    struct str server, complaint;
    char server_text[SERVER_MAX], complaint_text[COMPLAINT_MAX];
};

static const struct {
    const char *name;
    unsigned next;
} states[SOURCE_STATES] = {
    [SOURCE_WAITING] = { "waiting", BIT(SOURCE_CONNECTING) | BIT(SOURCE_WAITING) },
    [SOURCE_CONNECTING] = { "connecting", BIT(SOURCE_LOGGING_IN) | BIT(SOURCE_WAITING) },
    [SOURCE_LOGGING_IN] = { "logging in", BIT(SOURCE_READING) | BIT(SOURCE_WAITING) },
    [SOURCE_READING] = { "reading",
                         BIT(SOURCE_READING) | BIT(SOURCE_FOLLOWING) | BIT(SOURCE_WAITING) },
    [SOURCE_FOLLOWING] = { "following", BIT(SOURCE_READING) | BIT(SOURCE_WAITING) },
};

const char *source_state_name(enum source_state state)
{
    return states[state].name;
}

static void move(struct source *s, enum source_state next)
{
    BUG_UNLESS(states[s->state].next & BIT(next));
    if (s->state != next)
        log_debug(s->log, "source.state", KV("source", s->settings->id),
                  KV("state", states[next].name));
    s->state = next;
}

/* A text that is kept for views; what is too long is cut. */
static void note(struct str *kept, char *room, size_t size, struct str text)
{
    kept->n = text.n < size ? text.n : size;
    kept->p = room;
    if (kept->n)
        memcpy(room, text.p, kept->n);
    for (size_t i = 0; i < kept->n; i++) /* it is shown to people */
        room[i] = (unsigned char)room[i] < ' ' ? ' ' : room[i];
}

/* ---- whether what it has told holds ---- */

struct source_standing source_standing(const struct source *s)
{
    bool away = s->stale || timer_running(&s->grace);

    return (struct source_standing){ away ? s->since_ms : 0, s->stale };
}

static void standing_report(struct source *s)
{
    const struct source_standing standing = source_standing(s);

    report_standing(source_reports(s), &standing);
}

/* After a start, and after its settings have changed, it has time to be found where it is now. */
static void standing_take(struct source *s, const struct source_standing *former)
{
    uint64_t now_ms = clock_wall_ms(s->clock), grace_ms = s->settings->grace_s * 1000ull;
    uint64_t away_ms = former->away_ms && former->away_ms < now_ms ? now_ms - former->away_ms : 0;
    uint64_t least_ms = grace_ms < PATIENCE_MS ? grace_ms : PATIENCE_MS;

    s->since_ms = now_ms - away_ms;
    s->stale = former->stale;
    if (!s->stale)
        timer_start(s->wheel, &s->grace,
                    grace_ms - least_ms > away_ms ? grace_ms - away_ms : least_ms);
}

/* ---- connecting ---- */

/* The pause is one of several that grow, and no two sources that lose one server come back at once.
 */
static void retry_later(struct source *s)
{
    uint64_t max_ms = s->settings->retry_interval_s * 1000ull;
    uint64_t pause_ms = s->retry_ms < max_ms ? s->retry_ms : max_ms;

    s->retry_ms = pause_ms * 2;
    pause_ms -= rng_below(s->rng, (uint32_t)(pause_ms / 5) + 1);
    timer_start(s->wheel, &s->retry, pause_ms);
}

static void gone(struct source *s)
{
    bool followed = s->state == SOURCE_FOLLOWING || s->state == SOURCE_READING;

    if (s->connected)
        s->port.disconnect(s->port.ctx);
    s->connected = false;
    timer_stop(s->wheel, &s->ping);
    move(s, SOURCE_WAITING);
    s->protocol->closed(s->client);
    buf_reset(&s->out); /* half of something; all is told anew */
    if (followed && !timer_running(&s->grace) && !s->stale) {
        s->since_ms = clock_wall_ms(s->clock);
        timer_start(s->wheel, &s->grace, s->settings->grace_s * 1000ull);
        standing_report(s);
        source_flush(s);
    }
    if (followed)
        s->port.changed(s->port.ctx);
}

void source_fail(struct source *s, bool refused, struct str why)
{
    if (s->state == SOURCE_WAITING)
        return;
    if (s->out.n && !s->out.error)
        source_flush(s);
    log_warn(s->log, refused ? "source.refused" : "source.lost", KV("source", s->settings->id),
             KV("why", why), KV("state", states[s->state].name));
    note(&s->complaint, s->complaint_text, sizeof(s->complaint_text), why);
    gone(s);
    if (refused)
        s->retry_ms = UINT32_MAX;
    retry_later(s);
}

void source_ended(struct source *s, struct str why)
{
    source_fail(s, false, why);
}

static void connect_now(struct timer *t)
{
    struct source *s = CONTAINER_OF(t, struct source, retry);
    int r;

    move(s, SOURCE_CONNECTING);
    s->alive = false;
    timer_start(s->wheel, &s->ping, PATIENCE_MS);
    r = s->port.connect(s->port.ctx);
    s->connected = r == 0;
    if (r)
        source_fail(s, false, str_of(strerror(-r)));
}

void source_opened(struct source *s)
{
    if (s->state != SOURCE_CONNECTING)
        return;
    move(s, SOURCE_LOGGING_IN);
    timer_start(s->wheel, &s->ping, PATIENCE_MS);
    s->protocol->opened(s->client);
}

void source_received(struct source *s, struct str bytes)
{
    if (s->state == SOURCE_WAITING || s->state == SOURCE_CONNECTING)
        return;
    s->alive = true;
    s->protocol->received(s->client, bytes);
    source_flush(s);
}

static void on_ping(struct timer *t)
{
    struct source *s = CONTAINER_OF(t, struct source, ping);

    if (s->state == SOURCE_CONNECTING || s->state == SOURCE_LOGGING_IN || !s->alive) {
        source_fail(s, false,
                    s->state == SOURCE_CONNECTING   ? STR("it cannot be reached")
                    : s->state == SOURCE_LOGGING_IN ? STR("it does not answer the login")
                                                    : STR("it gives no sign of life"));
        return;
    }
    s->alive = false;
    timer_start(s->wheel, &s->ping, s->settings->ping_interval_s * 1000ull);
    s->protocol->ping(s->client);
    source_flush(s);
}

static void on_grace(struct timer *t)
{
    struct source *s = CONTAINER_OF(t, struct source, grace);

    s->stale = true;
    log_warn(s->log, "source.stale", KV("source", s->settings->id),
             KV_U("grace_s", s->settings->grace_s));
    s->protocol->stale(s->client);
    report_stale(source_reports(s), s->settings->stale == SOURCE_STALE_KEEP, s->settings->grace_s);
    standing_report(s);
    source_flush(s);
    s->port.changed(s->port.ctx);
}

/* ---- what a protocol says ---- */

const struct source_settings *source_settings(const struct source *s)
{
    return s->settings;
}

struct wheel *source_wheel(const struct source *s)
{
    return s->wheel;
}

struct rng *source_rng(const struct source *s)
{
    return s->rng;
}

struct log *source_log(const struct source *s)
{
    return s->log;
}

bool source_send(struct source *s, struct str bytes)
{
    int r = s->connected ? s->port.send(s->port.ctx, bytes) : -ENOTCONN;

    if (r)
        source_fail(s, false, r == -EAGAIN ? STR("it does not read") : str_of(strerror(-r)));
    return r == 0;
}

void source_server_set(struct source *s, struct str server)
{
    note(&s->server, s->server_text, sizeof(s->server_text), server);
}

void source_complain(struct source *s, struct str why)
{
    log_warn(s->log, "source.complaint", KV("source", s->settings->id), KV("why", why));
    note(&s->complaint, s->complaint_text, sizeof(s->complaint_text), why);
}

void source_logged_in(struct source *s)
{
    s->connections++;
    s->retry_ms = FIRST_RETRY_MS;
    s->complaint = STR_EMPTY;
    timer_start(s->wheel, &s->ping, s->settings->ping_interval_s * 1000ull);
    log_info(s->log, "source.connected", KV("source", s->settings->id), KV("server", s->server));
}

void source_reading(struct source *s)
{
    if (s->state == SOURCE_WAITING)
        return;
    move(s, SOURCE_READING);
    report_begin(source_reports(s));
    source_reported(s);
}

void source_read(struct source *s, bool whole, bool mailboxes)
{
    bool was_away;

    if (s->state == SOURCE_WAITING)
        return;
    move(s, SOURCE_FOLLOWING);
    if (whole)
        report_end(source_reports(s), mailboxes);
    source_reported(s);
    s->synced_ms = clock_wall_ms(s->clock);
    was_away = s->stale || timer_running(&s->grace);
    s->stale = false;
    timer_stop(s->wheel, &s->grace);
    if (was_away) {
        s->since_ms = s->synced_ms;
        standing_report(s);
        s->port.changed(s->port.ctx);
    }
    log_info(s->log, "source.read", KV("source", s->settings->id), KV_U("events", s->events),
             KV_U("reports", s->reports));
}

void source_count_event(struct source *s)
{
    s->events++;
}

struct buf *source_reports(struct source *s)
{
    return &s->out;
}

void source_reported(struct source *s)
{
    s->reports++;
    if (s->out.n >= OUT_FULL)
        source_flush(s);
}

/* What got lost for want of memory is told when all is read anew. */
void source_flush(struct source *s)
{
    int error = s->out.error;

    if (error) {
        buf_reset(&s->out);
        source_fail(s, false, str_of(strerror(-error)));
        return;
    }
    if (s->out.n)
        s->port.report(s->port.ctx, buf_str(&s->out));
    buf_reset(&s->out);
}

bool source_takes(const struct source *s, struct str device)
{
    const struct source_settings *c = s->settings;

    for (size_t i = 0; i < c->n_devices; i++)
        if (str_starts_nocase(device, c->devices[i]))
            return true;
    return c->n_devices == 0;
}

void source_hints(struct source *s, const struct source_hint *hints, size_t n)
{
    s->port.hints(s->port.ctx, hints, n);
}

/* ---- life ---- */

int source_create(struct source **out, const struct source_config *cfg)
{
    struct source *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->settings = cfg->settings;
    s->protocol = cfg->settings->protocol == SOURCE_ESL ? &esl_protocol : &ami_protocol;
    s->port = cfg->port;
    s->wheel = cfg->wheel;
    s->clock = cfg->clock;
    s->rng = cfg->rng;
    s->log = cfg->log;
    s->retry_ms = FIRST_RETRY_MS;
    timer_init(&s->retry, connect_now);
    timer_init(&s->grace, on_grace);
    timer_init(&s->ping, on_ping);
    buf_init(&s->out, OUT_MAX);
    r = s->protocol->create(&s->client, s);
    if (r) {
        buf_fini(&s->out);
        free(s);
        return r;
    }
    timer_start(s->wheel, &s->retry, 0);
    standing_take(s, &cfg->standing); /* what it told before is shown meanwhile */
    standing_report(s);
    source_flush(s);
    *out = s;
    return 0;
}

void source_destroy(struct source *s)
{
    if (!s)
        return;
    timer_stop(s->wheel, &s->retry);
    timer_stop(s->wheel, &s->grace);
    timer_stop(s->wheel, &s->ping);
    if (s->connected)
        s->port.disconnect(s->port.ctx);
    s->protocol->destroy(s->client);
    buf_fini(&s->out);
    free(s);
}

void source_settings_set(struct source *s, const struct source_settings *settings)
{
    s->settings = settings;
}

void source_lost(struct source *s)
{
    source_fail(s, false, str_of(strerror(ENOMEM)));
}

void source_view(const struct source *s, struct source_view *out)
{
    *out = (struct source_view){
        .state = s->state,
        .stale = s->stale,
        .since_ms = s->since_ms,
        .synced_ms = s->synced_ms,
        .server = s->server,
        .complaint = s->complaint,
        .connections = s->connections,
        .events = s->events,
        .reports = s->reports,
        .retry_ms = timer_left_ms(s->wheel, &s->retry),
    };
}
