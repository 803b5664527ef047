// SPDX-License-Identifier: MIT
/* A state core and one engine on a stepped clock: life, time, configuration. */
#include "daemon/bodies.h"
#include "scenario.h"

#include <stdlib.h>
#include <unistd.h>

/* Monday, 2026-01-05 12:00:00 UTC: the wall clock when the other one stands at zero. */
#define WALL_START_MS 1767614400000u

static uint64_t clock_read(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static uint64_t clock_wall(void *ctx)
{
    return WALL_START_MS + ((struct world *)ctx)->now_ms;
}

/* ---- time and messages ---- */

void world_advance(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_ms + ms;

    world_settle(w);
    while (w->now_ms < end) {
        uint64_t next = wheel_next_ms(&w->wheel), left = end - w->now_ms;

        next = next ? next : WHEEL_TICK_MS;
        w->now_ms += next < left ? next : left;
        wheel_advance(&w->wheel, w->now_ms);
        world_settle(w);
    }
}

void world_receive(struct world *w, const struct addr *from, struct str datagram)
{
    struct flow flow = { .local = w->local, .remote = *from };

    if (w->verbose)
        log_trace(w->log, STR("received"), datagram);
    engine_receive(&w->engine, &flow, datagram);
    world_settle(w);
}

void waiting_free(struct waiting *m)
{
    str_free(&m->bytes);
    free(m);
}

/* ---- configuration ---- */

static int file_read(void *ctx, struct str path, struct str *text)
{
    struct world *w = ctx;

    for (size_t i = 0; i < w->n_files; i++)
        if (str_ends(path, w->files[i].name))
            return str_dup(text, w->files[i].text);
    return -ENOENT;
}

static int file_expand(void *ctx, struct str pattern, void (*each)(void *each_ctx, struct str path),
                       void *each_ctx)
{
    (void)ctx;
    each(each_ctx, pattern);
    return 0;
}

static bool body_known(void *ctx, struct str event, struct str type)
{
    return body_type_known(((struct world *)ctx)->bodies, event, type);
}

static int read_files(struct world *w, struct settings **settings, struct dialplan **dialplan,
                      struct buf *problems)
{
    struct settings_source source = {
        .directory = STR_INIT("/config"),
        .state_directory = STR_INIT("/state"),
        .overrides = w->overrides,
        .n_overrides = w->n_overrides,
        .former = w->settings,
        .former_dialplan = w->dialplan,
        .body_known = w->bodies ? body_known : NULL,
        .ctx = w,
        .files = { .read = file_read, .expand = file_expand, .ctx = w },
    };
    struct diag diag;
    int r;

    diag_init(&diag);
    r = settings_read(settings, &source, &diag);
    if (r == SETTINGS_UNUSABLE)
        r = -EINVAL;
    if (r == 0)
        r = extensions_read(dialplan, &source, &(*settings)->general, &diag);
    if (r == 0 && !w->bodies)
        r = bodies_create(&w->bodies, *settings, w->log, &diag);
    buf_add(problems, buf_str(&diag.text));
    diag_fini(&diag);
    return r;
}

/* The dialplan is taken. */
static int apply(struct world *w, const struct settings *settings, struct dialplan *dialplan)
{
    int r = state_engine_apply(&w->state, settings, dialplan_ref(dialplan));

    if (r < 0) {
        dialplan_unref(dialplan);
        dialplan_unref(dialplan);
        return r;
    }
    dialplan_unref(w->dialplan);
    w->dialplan = dialplan;
    if (r == 0)
        world_post_dialplan_changed(w);
    return 0;
}

static int start_state(struct world *w)
{
    return state_engine_init(&w->state,
                             &(struct state_engine_config){ .port = world_state_port(w),
                                                            .eid = STR_INIT("02:00:00:00:00:01"),
                                                            .workers = world_workers_port(w),
                                                            .n_workers = 1,
                                                            .wheel = &w->wheel,
                                                            .settings = w->settings,
                                                            .clock = &w->clock,
                                                            .log = w->log,
                                                            .rng = &w->rng });
}

static int start_engine(struct world *w)
{
    struct engine_config config = { .wheel = &w->wheel,
                                    .clock = &w->clock,
                                    .rng = &w->rng,
                                    .log = w->log,
                                    .bodies = w->bodies,
                                    .settings = w->settings,
                                    .workers = 1,
                                    .max_server_bytes = 16 << 20,
                                    .txn = world_txn_port(w),
                                    .notifier = world_notifier_port(w),
                                    .publisher = world_publisher_port(w),
                                    .compositor = world_compositor_port(w) };

    return engine_init(&w->engine, &config);
}

int world_start(struct world *w, struct buf *problems)
{
    struct dialplan *dialplan = NULL;
    int r = read_files(w, &w->settings, &dialplan, problems);

    if (r)
        return r;
    if (w->settings->n_transports)
        w->local = w->settings->transports[0].bind;
    r = start_state(w);
    if (r == 0)
        r = start_engine(w);
    if (r) {
        dialplan_unref(dialplan);
        return r;
    }
    w->started = true;
    state_watch_all(w->state.core, 1);
    r = apply(w, w->settings, dialplan);
    world_settle(w);
    return r;
}

/* The state core posts, and the settings overtake that: a worker has them first, as from the state
 * thread. */
int world_reload(struct world *w, struct buf *problems)
{
    struct settings *settings = NULL;
    struct dialplan *dialplan = NULL;
    int r = read_files(w, &settings, &dialplan, problems);

    if (r == 0)
        r = apply(w, settings, dialplan);
    if (r) {
        settings_unref(settings);
        return r;
    }
    engine_settings_set(&w->engine, settings);
    settings_unref(w->settings);
    w->settings = settings;
    world_settle(w);
    return 0;
}

/* ---- life ---- */

void world_init(struct world *w, uint64_t seed, bool verbose)
{
    *w = (struct world){ .verbose = verbose };
    w->clock = (struct clock){ .monotonic_ms = clock_read, .wall_ms = clock_wall, .ctx = w };
    rng_init_seeded(&w->rng, seed);
    list_init(&w->sent);
    list_init(&w->posted);
    wheel_init(&w->wheel, 0);
    BUG_UNLESS(log_create(&w->log, STDERR_FILENO, verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
                          &w->clock) == 0);
    BUG_UNLESS(addr_parse(&w->local, STR("127.0.0.1"), 5060) == 0);
}

static void peer_free(struct peer *p)
{
    str_free(&p->request);
    str_free(&p->response);
    str_free(&p->sent);
}

void world_fini(struct world *w)
{
    w->finishing = true;
    if (w->started)
        engine_fini(&w->engine);
    world_drop_posted(w);
    while (!list_empty(&w->sent)) {
        struct waiting *m = CONTAINER_OF(w->sent.next, struct waiting, link);

        list_remove(&m->link);
        waiting_free(m);
    }
    state_engine_fini(&w->state);
    BUG_UNLESS(w->admitted == 0);
    wheel_fini(&w->wheel); /* asserts that nobody forgot a timer */
    body_registry_destroy(w->bodies);
    settings_unref(w->settings);
    dialplan_unref(w->dialplan);
    log_destroy(w->log);
    for (size_t i = 0; i < w->n_peers; i++)
        peer_free(&w->peers[i]);
}
