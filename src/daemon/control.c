// SPDX-License-Identifier: MIT
/* The control socket, and what its commands reach. */
#include <fcntl.h>
#include <stdio.h>

#include "daemon/daemon_internal.h"
#include "daemon/status.h"

enum { CTL_CLIENTS_MAX = 64 };
#define CTL_OUTPUT_MAX (64u << 20)

static int port_on_state(void *ctx, struct ctl_job *job)
{
    struct daemon *d = ctx;

    return state_post_job(&d->state, job, &d->loop);
}

static int port_on_workers(void *ctx, struct ctl_job *job)
{
    struct daemon *d = ctx;

    return workers_post_job(d->workers, d->n_workers, job, &d->loop);
}

static int port_on_edge(void *ctx, struct ctl_job *job)
{
    struct daemon *d = ctx;

    return edge_post_job(&d->edge, job, &d->loop);
}

static int port_on_journal(void *ctx, struct ctl_job *job)
{
    struct daemon *d = ctx;

    return edge_post_journal_job(&d->edge, job, &d->loop);
}

static int port_endpoint(void *ctx, struct str id, struct str *context)
{
    return status_endpoint(((struct daemon *)ctx)->settings, id, context);
}

int daemon_reload_port(void *ctx, struct buf *report)
{
    return daemon_reload(ctx, report);
}

int daemon_preview_port(void *ctx, struct buf *report, ctl_change_fn each, void *each_ctx)
{
    return daemon_preview(ctx, report, each, each_ctx);
}

static void port_log_level(void *ctx, enum log_level level)
{
    log_level_set(((struct daemon *)ctx)->log, level);
}

static void port_trace(void *ctx, bool all, const struct addr_net *peers, size_t n_peers)
{
    struct daemon *d = ctx;

    for (unsigned i = 0; i < d->n_workers; i++)
        worker_post_trace(&d->workers[i], all, peers, n_peers);
}

static void port_status(void *ctx, struct json *out)
{
    struct daemon *d = ctx;

    status_print(out, &(struct status_facts){
                          .settings = d->settings,
                          .options = d->options,
                          .listeners = d->listeners,
                          .n_workers = d->n_workers,
                          .bodies = d->bodies,
                          .store = d->store,
                          .durability = d->begun_with->general.durability,
                          .log_level = log_level_get(d->log),
                          .started_wall_ms = d->started_wall_ms,
                          .subscriptions = atomic_load(&d->admission.held),
                          .state = &d->state,
                          .all_workers = d->workers,
                          .edge = &d->edge.loop,
                          .feed = &d->feed,
                          .journal = d->edge.journal,
                          .manager = ami_connections_server(d->edge.ami),
                      });
}

static int port_backup(void *ctx, struct str file, char *why, size_t why_n)
{
    return daemon_backup(ctx, file, why, why_n);
}

static int port_verify(void *ctx, struct ctl_verification *found, char *why, size_t why_n)
{
    return daemon_verify(ctx, found, why, why_n);
}

static void port_watch_hint(void *ctx, struct str context, struct json *out)
{
    struct daemon *d = ctx;

    status_print_watch_hint(out, d->settings, d->listeners, context);
}

/* That of the process before, so that nobody finds it closed. */
static int control_take(struct daemon *d)
{
    struct str path = d->settings->general.control_socket;
    struct inherited_socket *s =
        d->options->succession->from
            ? inherited_take_path(d->options->inherited, INHERITED_CONTROL, path)
            : NULL;

    return s ? fcntl(s->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

int daemon_open_ctl(struct daemon *d)
{
    int listener = control_take(d);
    int r = ctl_create(&d->ctl, &(struct ctl_config){
                                    .loop = &d->loop.uv,
                                    .log = d->log,
                                    .path = d->settings->general.control_socket,
                                    .max_clients = CTL_CLIENTS_MAX,
                                    .max_output_bytes = CTL_OUTPUT_MAX,
                                    .listens = listener >= 0,
                                    .listener = listener,
                                    .port = { .ctx = d,
                                              .on_state = port_on_state,
                                              .on_workers = port_on_workers,
                                              .on_edge = port_on_edge,
                                              .sources = edge_sources,
                                              .seen = edge_seen,
                                              .on_journal = port_on_journal,
                                              .endpoint = port_endpoint,
                                              .reload = daemon_reload_port,
                                              .preview = daemon_preview_port,
                                              .hint = daemon_hint_port,
                                              .log_level = port_log_level,
                                              .trace = port_trace,
                                              .status = port_status,
                                              .backup = port_backup,
                                              .verify = port_verify,
                                              .watch_hint = port_watch_hint,
                                              .upgrade = upgrade_begin },
                                });

    if (r == -EADDRINUSE)
        snprintf(d->why, sizeof(d->why), "another extstated is running on %.*s",
                 STR_FMT(d->settings->general.control_socket));
    else if (r)
        snprintf(d->why, sizeof(d->why), "the control socket %.*s cannot be made: %s",
                 STR_FMT(d->settings->general.control_socket), strerror(-r));
    return r;
}
