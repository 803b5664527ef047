// SPDX-License-Identifier: MIT
/* All sessions, and what concerns them. */
#include <stdlib.h>

#include "ami/server_internal.h"

struct ami_session *server_session(const struct ami_server *a, uint64_t id)
{
    LIST_FOREACH (it, &a->sessions) {
        struct ami_session *s = CONTAINER_OF(it, struct ami_session, link);

        if (s->id == id)
            return s;
    }
    return NULL;
}

/* ---- events ---- */

void event_begin(const struct ami_server *a, struct buf *b, const char *event, uint32_t class)
{
    struct str systemname = a->settings->general.systemname;
    uint64_t now_ms = clock_wall_ms(a->cfg.clock);

    ami_add(b, STR("Event"), str_of(event));
    buf_add(b, STR("Privilege: "));
    manager_classes_print(b, class);
    buf_add(b, STR("\r\n"));
    if (a->settings->manager->timestamp_events)
        buf_printf(b, "Timestamp: %llu.%06u\r\n", (unsigned long long)(now_ms / 1000),
                   (unsigned)(now_ms % 1000 * 1000));
    if (systemname.n)
        ami_add(b, STR("SystemName"), systemname);
}

static bool is_disabled(const struct ami_server *a, const char *event)
{
    const struct manager_settings *m = a->settings->manager;

    for (size_t i = 0; i < m->n_disabled_events; i++)
        if (str_equal_nocase(m->disabled_events[i], str_of(event)))
            return true;
    return false;
}

void session_tell(struct ami_session *s, const char *event, uint32_t class, const struct buf *b)
{
    if (!b->error && !is_disabled(s->server, event) &&
        session_wants(s, class, str_of(event), buf_str(b)))
        session_event(s, buf_str(b));
}

void server_tell(struct ami_server *a, const char *event, uint32_t class, const struct buf *b)
{
    a->counters.events++;
    LIST_FOREACH_SAFE (it, &a->sessions)
        session_tell(CONTAINER_OF(it, struct ami_session, link), event, class, b);
}

/* ---- life ---- */

int ami_server_create(struct ami_server **out, const struct ami_server_config *cfg)
{
    struct ami_server *a = calloc(1, sizeof(*a));
    int r = -ENOMEM;

    if (!a)
        return r;
    a->cfg = *cfg;
    list_init(&a->sessions);
    a->reloaded_wall_ms = cfg->started_wall_ms;
    r = map_init(&a->variables, cfg->rng);
    if (r) {
        free(a);
        return r;
    }
    a->settings = settings_ref(cfg->settings);
    *out = a;
    return 0;
}

void ami_server_destroy(struct ami_server *a)
{
    if (!a)
        return;
    BUG_UNLESS(list_empty(&a->sessions));
    variables_fini(a);
    settings_unref(a->settings);
    str_free(&a->reloading);
    free(a);
}

/* With the rights of now, or not at all. */
static void session_follow(struct ami_session *s, const struct settings *settings)
{
    const struct manager_user *now =
        s->user ? manager_user_find(settings->manager, s->user->name) : NULL;

    if (!s->user || s->manager == settings->manager)
        return;
    if (!now || !str_equal(now->secret, s->user->secret) ||
        !address_rules_permit(settings, &now->source, &s->peer.remote)) {
        log_info(s->server->cfg.log, "ami.user_gone", KV("user", s->user->name));
        session_close(s);
        return;
    }
    s->user = now;
    manager_settings_unref(s->manager);
    s->manager = manager_settings_ref(settings->manager);
    s->server->cfg.port.patience(s->server->cfg.port.ctx, s->connection, now->write_timeout_ms);
}

void ami_server_settings(struct ami_server *a, const struct settings *settings)
{
    const struct settings *former = a->settings;

    a->settings = settings_ref(settings);
    LIST_FOREACH_SAFE (it, &a->sessions)
        session_follow(CONTAINER_OF(it, struct ami_session, link), settings);
    settings_unref(former);
}

void ami_server_reloaded(struct ami_server *a)
{
    char room[2 * AMI_REQUEST_LINE_MAX];
    struct buf b;

    a->reloaded_wall_ms = clock_wall_ms(a->cfg.clock);
    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, "Reload", MANAGER_SYSTEM);
    ami_add(&b, STR("Module"), a->reloading.n ? a->reloading : STR("All"));
    ami_add_u64(&b, STR("Status"), 0);
    ami_end(&b);
    str_free(&a->reloading);
    server_tell(a, "Reload", MANAGER_SYSTEM, &b);
}

void ami_server_shutdown(struct ami_server *a, bool restart)
{
    char room[1024];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, "Shutdown", MANAGER_SYSTEM);
    ami_add(&b, STR("Shutdown"), STR("Cleanly"));
    ami_add(&b, STR("Restart"), restart ? STR("True") : STR("False"));
    ami_end(&b);
    server_tell(a, "Shutdown", MANAGER_SYSTEM, &b);
    LIST_FOREACH_SAFE (it, &a->sessions)
        session_finish(CONTAINER_OF(it, struct ami_session, link));
}

void ami_counters_get(const struct ami_server *a, struct ami_counters *out)
{
    uint64_t sessions = a->counters.sessions, strangers = a->counters.strangers;

    *out = (struct ami_counters){ .sessions = sessions,
                                  .logged_in = sessions > strangers ? sessions - strangers : 0,
                                  .actions = a->counters.actions,
                                  .refused = a->counters.refused,
                                  .events = a->counters.events };
}
