// SPDX-License-Identifier: MIT
#include "daemon/status.h"

#include <unistd.h>

static void print_listeners(struct json *out, const struct listeners *ls)
{
    static const struct str protocols[NET_PROTOCOLS] = {
        [NET_UDP] = STR_INIT("udp"), [NET_TCP] = STR_INIT("tcp"), [NET_TLS] = STR_INIT("tls"),
        [NET_WS] = STR_INIT("ws"),   [NET_WSS] = STR_INIT("wss"),
    };

    json_add_array(out, "listeners");
    for (size_t i = 0; i < ls->n; i++) {
        struct buf text;
        char room[80];

        buf_init_on(&text, room, sizeof(room));
        addr_print(&text, &ls->list[i].local);
        json_add_object(out, NULL);
        json_add_str(out, "transport", ls->list[i].id);
        json_add_str(out, "protocol", protocols[ls->list[i].protocol]);
        json_add_str(out, "address", buf_str(&text));
        json_end_object(out);
    }
    json_end_array(out);
}

static void print_generator(void *ctx, const char *kind, const char *name, const char *package,
                            const char *content_type, const char *plugin)
{
    struct json *out = ctx;

    json_add_object(out, NULL);
    json_add_str(out, "kind", str_of(kind));
    json_add_str(out, "name", str_of(name));
    json_add_str(out, "package", str_of(package));
    json_add_str(out, "content_type", str_of(content_type));
    json_add_str(out, "plugin", str_of(plugin));
    json_end_object(out);
}

static void print_compatibility(struct json *out, const struct compatibility_settings *c)
{
    json_add_object(out, "compatibility");
    json_add_bool(out, "ringing_repeat", c->ringing_repeat);
    json_add_bool(out, "unacceptable_489", c->unacceptable_489);
    json_add_bool(out, "terminated_without_reason", c->terminated_without_reason);
    json_add_bool(out, "removed_hint_is_idle", c->removed_hint_is_idle);
    json_add_bool(out, "unavailable_is_silent", c->unavailable_is_silent);
    json_add_bool(out, "asterisk_autohints", c->asterisk_autohints);
    json_add_bool(out, "asterisk_bodies", c->asterisk_bodies);
    json_add_bool(out, "publish_swaps_from_to", c->publish_swaps_from_to);
    json_add_bool(out, "publish_key_without_context", c->publish_key_without_context);
    json_add_bool(out, "strict_objects", c->strict_objects);
    json_add_bool(out, "lapsed_states_stay", c->lapsed_states_stay);
    json_add_bool(out, "ari_bad_state_is_500", c->ari_bad_state_is_500);
    json_add_bool(out, "restart_notify_all", c->restart_notify_all);
    json_end_object(out);
}

static void print_store_counters(struct json *out, struct store *store)
{
    struct store_counters c;

    store_counters_get(store, &c);
    json_add_str(out, "file", str_of(store_path(store)));
    json_add_bool(out, "failing", c.failing);
    if (*c.why)
        json_add_str(out, "last_failure", str_of(c.why));
    json_add_u64(out, "waiting_bytes", c.waiting_bytes);
    json_add_u64(out, "starts", store_incarnation(store));
    json_add_u64(out, "commits", c.commits);
    json_add_u64(out, "records", c.records);
    json_add_u64(out, "largest_commit", c.largest);
    json_add_u64(out, "last_commit_ms", c.committed_wall_ms);
    json_add_u64(out, "commit_us", c.commit_us);
    json_add_u64(out, "commit_us_max", c.commit_us_max);
    json_add_u64(out, "failures", c.failures);
    json_add_u64(out, "files_replaced", c.replaced);
}

static void print_store(struct json *out, const struct status_facts *f)
{
    static const char *const names[] = {
        [DURABILITY_FULL] = "full", [DURABILITY_NORMAL] = "normal", [DURABILITY_NONE] = "none"
    };

    json_add_object(out, "store");
    json_add_str(out, "durability", str_of(names[f->durability]));
    if (f->store)
        print_store_counters(out, f->store);
    json_end_object(out);
}

static void print_queues(struct json *out, const struct status_facts *f)
{
    json_add_object(out, "queues");
    json_add_u64(out, "state", inbox_length(&f->state->loop.inbox));
    json_add_u64(out, "edge", inbox_length(&f->edge->inbox));
    json_add_array(out, "workers");
    for (unsigned i = 0; i < f->n_workers; i++)
        json_add_u64(out, NULL, inbox_length(&f->all_workers[i].loop.inbox));
    json_end_array(out);
    json_end_object(out);
}

/* What the edges are told, and what of that is written. */
static void print_manager(struct json *out, const struct status_facts *f)
{
    struct ami_counters c;

    ami_counters_get(f->manager, &c);
    json_add_object(out, "manager");
    json_add_u64(out, "sessions", c.sessions);
    json_add_u64(out, "logged_in", c.logged_in);
    json_add_u64(out, "actions", c.actions);
    json_add_u64(out, "refused", c.refused);
    json_add_u64(out, "events", c.events);
    json_end_object(out);
}

static void print_seen(struct json *out, const struct status_facts *f)
{
    struct journal_counters j;

    journal_counters_get(f->journal, &j);
    json_add_object(out, "feed");
    json_add_u64(out, "told", atomic_load(&f->feed->told));
    json_add_u64(out, "lost", atomic_load(&f->feed->lost));
    json_add_u64(out, "waiting_bytes", atomic_load(&f->feed->waiting));
    json_end_object(out);
    json_add_object(out, "journal");
    json_add_bool(out, "enabled", j.enabled);
    json_add_bool(out, "failing", j.failing);
    json_add_str(out, "last_failure", str_of(j.why));
    json_add_u64(out, "written", j.written);
    json_add_u64(out, "lost", j.lost);
    json_add_u64(out, "transactions", j.transactions);
    json_add_u64(out, "failures", j.failures);
    json_add_u64(out, "write_us", j.write_us);
    json_add_u64(out, "bytes", j.bytes);
    json_add_u64(out, "oldest_ms", j.oldest_wall_ms);
    json_end_object(out);
}

int status_endpoint(const struct settings *settings, struct str id, struct str *context)
{
    const struct endpoint_settings *e = settings_endpoint(settings, id);

    if (!e)
        return -ENOENT;
    *context = e->context;
    return e->allow_subscribe ? 0 : -EPERM;
}

void status_print(struct json *out, const struct status_facts *f)
{
    json_add_str(out, "version", STR(EXTSTATE_VERSION));
    json_add_u64(out, "pid", (uint64_t)getpid());
    json_add_u64(out, "started_ms", f->started_wall_ms);
    json_add_u64(out, "uptime_s", (clock_wall_ms(&clock_system) - f->started_wall_ms) / 1000);
    json_add_str(out, "config_directory", f->options->config_directory);
    json_add_str(out, "state_directory", f->options->state_directory);
    json_add_str(out, "log_level", str_of(log_level_name(f->log_level)));
    json_add_u64(out, "workers", f->n_workers);
    json_add_u64(out, "endpoints", f->settings->n_endpoints);
    json_add_u64(out, "publishers", f->settings->n_publishes);
    json_add_u64(out, "subscriptions", f->subscriptions);
    json_add_u64(out, "subscriptions_max", f->settings->general.max_subscriptions);
    print_listeners(out, f->listeners);
    json_add_array(out, "bodies");
    body_registry_each(f->bodies, print_generator, out);
    json_end_array(out);
    print_store(out, f);
    print_queues(out, f);
    print_compatibility(out, &f->settings->compatibility);
    print_seen(out, f);
    print_manager(out, f);
}

static bool endpoint_can_watch(const struct endpoint_settings *e, struct str context)
{
    return e->allow_subscribe && e->n_auths == 0 && (e->identify_by & IDENTIFY_USERNAME) &&
           str_equal(e->context, context);
}

static void print_server(struct json *out, struct addr bound)
{
    struct buf text;
    char room[80];

    if (addr_is_any(&bound)) {
        uint16_t port = addr_port(&bound);
        bool v6 = bound.sa.sa_family == AF_INET6;

        if (addr_parse(&bound, v6 ? STR("::1") : STR("127.0.0.1"), port))
            return;
    }
    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, &bound);
    json_add_str(out, "server", buf_str(&text));
}

void status_print_watch_hint(struct json *out, const struct settings *settings,
                             const struct listeners *listeners, struct str context)
{
    if (listeners->n)
        print_server(out, listeners->list[0].local);
    for (size_t i = 0; i < settings->n_endpoints; i++) {
        if (!endpoint_can_watch(&settings->endpoints[i], context))
            continue;
        json_add_str(out, "from", settings->endpoints[i].id);
        return;
    }
}

void status_check_reload(const struct settings *running, const struct settings *wanted,
                         struct diag *diag)
{
    const struct diag_place at = { STR_INIT("extstate.conf"), 0 };

    if (running->general.workers != wanted->general.workers)
        diag_add(diag, DIAG_WARNING, at, "[general] workers changes only at a restart");
    if (running->general.durability != wanted->general.durability)
        diag_add(diag, DIAG_WARNING, at, "[general] durability changes only at a restart");
    if (!str_equal(running->general.control_socket, wanted->general.control_socket))
        diag_add(diag, DIAG_WARNING, at, "[general] control_socket changes only at a restart");
}
