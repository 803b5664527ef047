// SPDX-License-Identifier: MIT
/* A state core and one engine on a stepped clock: life, time, configuration. */
#include "scenario.h"

#include <stdlib.h>
#include <unistd.h>

/* Monday, 2026-01-05 12:00:00 UTC: the wall clock when the other one stands at zero. */
#define WALL_START_MS 1767614400000u

/* Where memory never runs out. */
__attribute__((weak)) bool guard_set(bool subject)
{
    return subject;
}

__attribute__((weak)) void guard_back(const bool *former)
{
    (void)former;
}

static uint64_t clock_read(void *ctx)
{
    return ((struct world *)ctx)->now_ms;
}

static uint64_t clock_wall(void *ctx)
{
    const struct world *w = ctx;

    return WALL_START_MS + w->now_ms + (uint64_t)w->wrong_ms;
}

/* ---- time and messages ---- */

void world_advance(struct world *w, uint64_t ms)
{
    SUBJECT;
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

    SUBJECT;
    if (w->killed)
        return;
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
    OUTSIDE;
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
        r = body_registry_create(&w->bodies, w->log, NULL);
    buf_add(problems, buf_str(&diag.text));
    diag_fini(&diag);
    if (r) {
        dialplan_unref(*dialplan);
        *dialplan = NULL;
    }
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
    if (r == 0 && w->dialplan) /* nobody knows any name by the first one */
        world_post_dialplan_changed(w);
    dialplan_unref(w->dialplan);
    w->dialplan = dialplan;
    return 0;
}

static int start_state(struct world *w)
{
    return state_engine_init(&w->state,
                             &(struct state_engine_config){ .port = world_state_port(w),
                                                            .eid = STR_INIT("02:00:00:00:00:01"),
                                                            .workers = world_workers_port(w),
                                                            .n_workers = 1,
                                                            .keep = world_keep(w),
                                                            .incarnation = w->incarnation,
                                                            .wheel = &w->wheel,
                                                            .settings = w->settings,
                                                            .clock = &w->clock,
                                                            .log = w->log,
                                                            .rng = &w->rng });
}

static int start_nonces(struct world *w)
{
    if (!w->nonces_memory)
        w->nonces_memory = calloc(1, nonces_bytes());
    if (!w->nonces_memory)
        return -ENOMEM;
    return nonces_create(&w->nonces, &(struct nonces_config){ .clock = &w->clock,
                                                              .epoch = STR("a boot"),
                                                              .key = STR("of this server"),
                                                              .memory = w->nonces_memory });
}

static int start_engine(struct world *w)
{
    struct engine_config config = { .wheel = &w->wheel,
                                    .clock = &w->clock,
                                    .rng = &w->rng,
                                    .log = w->log,
                                    .bodies = w->bodies,
                                    .settings = w->settings,
                                    .nonces = w->nonces,
                                    .limits = w->limits,
                                    .workers = 1,
                                    .max_server_bytes = 16 << 20,
                                    .keep = world_keep(w),
                                    .words = world_words(w),
                                    .incarnation = w->incarnation,
                                    .txn = world_txn_port(w),
                                    .notifier = world_notifier_port(w),
                                    .publisher = world_publisher_port(w),
                                    .compositor = world_compositor_port(w),
                                    .registrar = world_registrar_port(w),
                                    .qualifier = world_qualifier_port(w) };

    return engine_init(&w->engine, &config);
}

int world_start(struct world *w, struct buf *problems)
{
    SUBJECT;
    struct dialplan *dialplan = NULL;
    int r = read_files(w, &w->settings, &dialplan, problems);

    if (r)
        return r;
    if (w->settings->n_transports)
        w->local = w->settings->transports[0].bind;
    w->incarnation += w->store != STORE_NONE;
    w->killed = w->finishing = false;
    w->restoring = true;
    r = start_state(w);
    if (r == 0)
        r = start_nonces(w);
    if (r == 0)
        r = limits_create(&w->limits, &w->clock);
    if (r == 0)
        r = start_engine(w);
    if (r) {
        dialplan_unref(dialplan);
        w->killed = true;
        return r;
    }
    w->started = true;
    state_watch_all(w->state.core, 1);
    world_keep_restore_states(w);
    r = apply(w, w->settings, dialplan);
    w->killed = r != 0;
    return r;
}

int world_restore(struct world *w)
{
    SUBJECT;
    int r = w->store ? world_keep_restore(w) : 0;

    w->killed = r != 0;
    if (r)
        return r;
    world_words_settle(w);
    w->restoring = false;
    world_settle(w);
    return 0;
}

/* The state core posts, and the settings overtake that: a worker has them first, as from the state
 * thread. */
int world_reload(struct world *w, struct buf *problems)
{
    SUBJECT;
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
    list_init(&w->answers);
    world_keep_init(w);
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

/* What is written is on its way; nobody is told anything. */
void world_kill(struct world *w, bool power)
{
    w->finishing = w->killed = true;
    if (w->started)
        engine_fini(&w->engine);
    nonces_destroy(w->nonces);
    limits_destroy(w->limits);
    w->nonces = NULL;
    w->limits = NULL;
    if (power || w->store == STORE_NONE) {
        free(w->nonces_memory);
        w->nonces_memory = NULL;
    }
    world_drop_posted(w);
    state_engine_fini(&w->state);
    BUG_UNLESS(w->admitted == 0);
    world_keep_lose(w);
    world_words_lose(w, power);
    body_registry_unref(w->bodies);
    settings_unref(w->settings);
    dialplan_unref(w->dialplan);
    w->bodies = NULL;
    w->settings = NULL;
    w->dialplan = NULL;
}

void world_fini(struct world *w)
{
    world_kill(w, true);
    while (!list_empty(&w->sent)) {
        struct waiting *m = CONTAINER_OF(w->sent.next, struct waiting, link);

        list_remove(&m->link);
        waiting_free(m);
    }
    world_keep_fini(w);
    wheel_fini(&w->wheel); /* asserts that nobody forgot a timer */
    log_destroy(w->log);
    for (size_t i = 0; i < w->n_peers; i++)
        peer_free(&w->peers[i]);
}
