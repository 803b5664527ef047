// SPDX-License-Identifier: MIT
#include "daemon/status.h"

#include <unistd.h>

static void print_listeners(struct json *out, const struct worker *w)
{
    json_add_array(out, "listeners");
    for (size_t i = 0; i < w->n_transports; i++) {
        struct addr bound;
        struct buf text;
        char room[80];

        net_local(w->net, (uint32_t)i, &bound);
        buf_init_on(&text, room, sizeof(room));
        addr_print(&text, &bound);
        json_add_object(out, NULL);
        json_add_str(out, "transport", w->transport_ids[i]);
        json_add_str(out, "protocol", STR("udp"));
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
    json_end_object(out);
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
    print_listeners(out, &f->workers[0]);
    json_add_array(out, "bodies");
    body_registry_each(f->bodies, print_generator, out);
    json_end_array(out);
    print_compatibility(out, &f->settings->compatibility);
}

static bool endpoint_can_watch(const struct endpoint_settings *e, struct str context)
{
    return e->allow_subscribe && e->n_auths == 0 && (e->identify_by & IDENTIFY_USERNAME) &&
           str_equal(e->context, context);
}

static void print_server(struct json *out, const struct worker *w)
{
    struct addr bound;
    struct buf text;
    char room[80];

    net_local(w->net, 0, &bound);
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
                             const struct worker *worker, struct str context)
{
    if (worker->n_transports)
        print_server(out, worker);
    for (size_t i = 0; i < settings->n_endpoints; i++) {
        if (!endpoint_can_watch(&settings->endpoints[i], context))
            continue;
        json_add_str(out, "from", settings->endpoints[i].id);
        return;
    }
}

static bool same_transport(const struct transport_settings *a, const struct transport_settings *b)
{
    return a->protocol == b->protocol && addr_equal(&a->bind, &b->bind) && a->tos == b->tos;
}

static void check_transports(const struct settings *running, const struct settings *wanted,
                             struct diag *diag)
{
    for (size_t i = 0; i < wanted->n_transports; i++) {
        const struct transport_settings *t = &wanted->transports[i];
        const struct transport_settings *was = settings_transport(running, t->id);

        if (!was || !same_transport(was, t))
            diag_add(diag, DIAG_WARNING, t->at,
                     "transport %.*s is new or changed: that takes a restart", STR_FMT(t->id));
    }
    for (size_t i = 0; i < running->n_transports; i++) {
        struct str id = running->transports[i].id;

        if (!settings_transport(wanted, id))
            diag_add(diag, DIAG_WARNING, (struct diag_place){ STR("pjsip.conf"), 0 },
                     "transport %.*s is gone, but is served until a restart", STR_FMT(id));
    }
}

static bool same_plugins(const struct settings *a, const struct settings *b)
{
    if (a->n_plugins != b->n_plugins)
        return false;
    for (size_t i = 0; i < a->n_plugins; i++) {
        const struct conf_section *x = a->plugins[i].options, *y = b->plugins[i].options;

        if (!str_equal(a->plugins[i].name, b->plugins[i].name) || !x != !y ||
            (x && x->n_entries != y->n_entries))
            return false;
        for (size_t k = 0; x && k < x->n_entries; k++)
            if (!str_equal(x->entries[k].name, y->entries[k].name) ||
                !str_equal(x->entries[k].value, y->entries[k].value))
                return false;
    }
    return true;
}

void status_check_reload(const struct settings *running, const struct settings *wanted,
                         struct diag *diag)
{
    const struct diag_place at = { STR_INIT("extstate.conf"), 0 };

    if (running->general.workers != wanted->general.workers)
        diag_add(diag, DIAG_WARNING, at, "[general] workers changes only at a restart");
    if (!str_equal(running->general.control_socket, wanted->general.control_socket))
        diag_add(diag, DIAG_WARNING, at, "[general] control_socket changes only at a restart");
    if (!same_plugins(running, wanted))
        diag_add(diag, DIAG_WARNING, at, "[plugins] and their options are read only at a start");
    check_transports(running, wanted, diag);
}
