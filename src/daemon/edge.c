// SPDX-License-Identifier: MIT
#include "daemon/edge.h"

#include "daemon/pbxs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/status.h"

enum {
    EDGE_INBOX_HIGH = 65536,
    EDGE_PATIENCE_MS = 5000, /* at the end */
};

struct terms_message {
    struct inbox_message m;
    struct edge_terms terms;
    struct ami_listeners manager;
};

static struct edge_terms terms_ref(const struct edge_terms *t)
{
    return (struct edge_terms){ settings_ref(t->settings), listeners_ref(t->listeners),
                                body_registry_ref(t->bodies) };
}

static void terms_unref(struct edge_terms *t)
{
    settings_unref(t->settings);
    listeners_unref(t->listeners);
    body_registry_unref(t->bodies);
}

static void terms_drop(struct inbox_message *m)
{
    struct terms_message *t = CONTAINER_OF(m, struct terms_message, m);

    terms_unref(&t->terms);
    for (size_t i = 0; i < AMI_LISTENERS; i++)
        if (t->manager.fds[i] >= 0)
            close(t->manager.fds[i]);
    net_tls_unref(t->manager.tls);
    free(t);
}

static void reload_passed(struct ctl_job *job, void *state)
{
    (void)job;
    (void)state;
}

static void reload_tell(struct edge *e);

static void reload_told(struct ctl_job *job)
{
    struct edge *e = CONTAINER_OF(job, struct edge, reloaded);

    e->reloading = false;
    if (!e->started)
        return; /* the job was dropped: everything ends */
    ami_server_reloaded(ami_connections_server(e->ami));
    if (e->reloaded_again)
        reload_tell(e);
}

/* Behind what it has changed, which comes by the state thread. */
static void reload_tell(struct edge *e)
{
    e->reloaded_again = e->reloading;
    if (e->reloading || e->alone)
        return;
    e->reloaded = (struct ctl_job){ .run = reload_passed, .done = reload_told };
    e->reloading = state_post_job(e->state, &e->reloaded, &e->loop) == 0;
    if (!e->reloading) /* it has too much to do to wait for it */
        ami_server_reloaded(ami_connections_server(e->ami));
}

static void terms_run(struct inbox_message *m, void *owner)
{
    struct terms_message *t = CONTAINER_OF(m, struct terms_message, m);
    struct edge *e = owner;
    struct edge_terms former = e->terms;

    e->terms = t->terms;
    t->terms = former;
    http_settings_set(e->http, e->terms.settings);
    if (!journal_settings_equal(&e->terms.settings->journal, &former.settings->journal))
        journal_configure(e->journal, e->feed, &e->terms.settings->journal);
    ami_server_settings(ami_connections_server(e->ami), e->terms.settings);
    ami_connections_listen(e->ami, &t->manager);
    t->manager = (struct ami_listeners){ .fds = { -1, -1 } };
    if (e->configured)
        reload_tell(e);
    e->configured = true;
    pbxs_apply(e->pbxs, e->terms.settings);
    terms_drop(m);
}

void edge_post_terms(struct edge *e, const struct edge_terms *terms,
                     const struct manager_listeners *manager)
{
    struct terms_message *t = inbox_message_alloc(e->log, sizeof(*t));

    *t = (struct terms_message){ .m = { .run = terms_run, .drop = terms_drop },
                                 .terms = terms_ref(terms) };
    manager_listeners_share(manager, &t->manager);
    list_init(&t->m.link);
    inbox_post_always(&e->loop.inbox, &t->m);
}

struct job_message {
    struct inbox_message m;
    struct ctl_job *job;
    struct loop *home;
    void *subject;
};

static void job_finish(struct inbox_message *m, void *owner)
{
    struct job_message *j = CONTAINER_OF(m, struct job_message, m);

    (void)owner;
    j->job->done(j->job);
    free(j);
}

static void job_run(struct inbox_message *m, void *owner)
{
    struct job_message *j = CONTAINER_OF(m, struct job_message, m);

    (void)owner;
    j->job->run(j->job, j->subject);
    m->run = job_finish;
    inbox_post_always(&j->home->inbox, m);
}

/* A job whose thread is going away still goes home: its owner waits for it there. */
static void job_drop(struct inbox_message *m)
{
    job_finish(m, NULL);
}

static int job_post(struct loop *to, void *subject, struct ctl_job *job, struct loop *home)
{
    struct job_message *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    *j = (struct job_message){
        .m = { .run = job_run, .drop = job_drop }, .job = job, .home = home, .subject = subject
    };
    list_init(&j->m.link);
    r = inbox_post(&to->inbox, &j->m);
    if (r)
        free(j);
    return r;
}

int edge_post_job(struct edge *e, struct ctl_job *job, struct loop *home)
{
    return job_post(&e->loop, e, job, home);
}

int edge_post_journal_job(struct edge *e, struct ctl_job *job, struct loop *home)
{
    return job_post(journal_loop(e->journal), e->journal, job, home);
}

static void on_flush(void *ctx)
{
    feed_flush(&((struct edge *)ctx)->changes);
}

/* ---- what the servers reach ---- */

static int port_on_state(void *ctx, struct ctl_job *job)
{
    struct edge *e = ctx;

    return e->alone ? -EAGAIN : state_post_job(e->state, job, &e->loop);
}

static int port_on_workers(void *ctx, struct ctl_job *job)
{
    struct edge *e = ctx;

    return e->alone ? -EAGAIN : workers_post_job(e->workers, e->n_workers, job, &e->loop);
}

static int port_on_main(void *ctx, struct ctl_job *job)
{
    struct edge *e = ctx;

    return e->alone ? -EAGAIN : job_post(e->main, e->main->inbox.owner, job, &e->loop);
}

static int port_reload(void *ctx, struct buf *report)
{
    const struct ctl_port *daemon = &((struct edge *)ctx)->daemon;

    return daemon->reload(daemon->ctx, report);
}

static int port_preview(void *ctx, struct buf *report, ctl_change_fn each, void *each_ctx)
{
    const struct ctl_port *daemon = &((struct edge *)ctx)->daemon;

    return daemon->preview(daemon->ctx, report, each, each_ctx);
}

static int port_hint(void *ctx, const struct ctl_hint *hint)
{
    const struct ctl_port *daemon = &((struct edge *)ctx)->daemon;

    return daemon->hint(daemon->ctx, hint);
}

static void port_trace(void *ctx, bool all, const struct addr_net *peers, size_t n_peers)
{
    struct edge *e = ctx;

    for (unsigned i = 0; i < e->n_workers && !e->alone; i++)
        worker_post_trace(&e->workers[i], all, peers, n_peers);
}

static int port_on_edge(void *ctx, struct ctl_job *job)
{
    struct edge *e = ctx;

    return edge_post_job(e, job, &e->loop);
}

void edge_sources(void *edge, ctl_source_fn each, void *ctx)
{
    pbxs_each(((struct edge *)edge)->pbxs, each, ctx);
}

const struct ctl_edge *edge_seen(const void *edge)
{
    return &((const struct edge *)edge)->seen;
}

static int port_on_journal(void *ctx, struct ctl_job *job)
{
    struct edge *e = ctx;

    return edge_post_journal_job(e, job, &e->loop);
}

static int port_endpoint(void *ctx, struct str id, struct str *context)
{
    return status_endpoint(((struct edge *)ctx)->terms.settings, id, context);
}

static void port_status(void *ctx, struct json *out)
{
    struct edge *e = ctx;

    if (e->alone)
        return;
    status_print(out, &(struct status_facts){
                          .settings = e->terms.settings,
                          .options = e->facts.options,
                          .listeners = e->terms.listeners,
                          .n_workers = e->n_workers,
                          .bodies = e->terms.bodies,
                          .store = e->facts.store,
                          .durability = e->facts.durability,
                          .log_level = log_level_get(e->log),
                          .started_wall_ms = e->facts.started_wall_ms,
                          .subscriptions = atomic_load(&e->facts.admission->held),
                          .state = e->state,
                          .all_workers = e->workers,
                          .edge = &e->loop,
                          .feed = e->feed,
                          .journal = e->journal,
                          .manager = ami_connections_server(e->ami),
                      });
}

static void port_watch_hint(void *ctx, struct str context, struct json *out)
{
    struct edge *e = ctx;

    status_print_watch_hint(out, e->terms.settings, e->terms.listeners, context);
}

/* ---- giving way ---- */

/* A request to: to the main thread, and back when it is not to be. */
struct upgrade_message {
    struct inbox_message m;
    struct edge *edge;
    struct ctl_upgrade *asked; /* here */
    struct ctl_upgrade passed; /* there */
    char why[1024];
};

static void upgrade_refused(struct inbox_message *m, void *owner)
{
    struct upgrade_message *u = CONTAINER_OF(m, struct upgrade_message, m);

    (void)owner;
    u->asked->failed(u->asked, str_of(u->why));
    free(u);
}

static void upgrade_drop(struct inbox_message *m)
{
    upgrade_refused(m, NULL);
}

static void on_upgrade_failed(struct ctl_upgrade *passed, struct str why)
{
    struct upgrade_message *u = CONTAINER_OF(passed, struct upgrade_message, passed);

    snprintf(u->why, sizeof(u->why), "%.*s", STR_FMT(why));
    u->m.run = upgrade_refused;
    inbox_post_always(&u->edge->loop.inbox, &u->m);
}

static void upgrade_pass(struct inbox_message *m, void *owner)
{
    struct upgrade_message *u = CONTAINER_OF(m, struct upgrade_message, m);
    const struct ctl_port *daemon = &u->edge->daemon;

    (void)owner;
    daemon->upgrade(daemon->ctx, &u->passed);
}

static void port_upgrade(void *ctx, struct ctl_upgrade *asked)
{
    struct edge *e = ctx;
    struct upgrade_message *u = calloc(1, sizeof(*u));

    if (!u) {
        asked->failed(asked, STR("out of memory"));
        return;
    }
    *u = (struct upgrade_message){ .m = { .run = upgrade_pass, .drop = upgrade_drop },
                                   .edge = e,
                                   .asked = asked };
    u->passed = (struct ctl_upgrade){ .program = asked->program,
                                      .timeout_s = asked->timeout_s,
                                      .elsewhere = true,
                                      .failed = on_upgrade_failed };
    snprintf(u->why, sizeof(u->why), "the server is stopping");
    list_init(&u->m.link);
    inbox_post_always(&e->main->inbox, &u->m);
}

/* As when a service manager wants it. */
static void port_stop(void *ctx)
{
    (void)ctx;
    (void)kill(getpid(), SIGTERM);
}

/* ---- life ---- */

static int port_ask(void *ctx, const struct commands_question *question)
{
    return commands_ask(((struct edge *)ctx)->commands, question);
}

/* What the manager interface and HTTP may ask, each for what its clients are let do. */
static struct ctl_port edge_port(struct edge *e)
{
    return (struct ctl_port){ .ctx = e,
                              .on_state = port_on_state,
                              .on_workers = port_on_workers,
                              .on_main = port_on_main,
                              .on_edge = port_on_edge,
                              .sources = edge_sources,
                              .seen = edge_seen,
                              .on_journal = port_on_journal,
                              .endpoint = port_endpoint,
                              .reload = port_reload,
                              .preview = port_preview,
                              .hint = port_hint,
                              .upgrade = port_upgrade,
                              .trace = port_trace,
                              .status = port_status,
                              .watch_hint = port_watch_hint };
}

static int manager_init(struct edge *e, const struct edge_config *cfg)
{
    const struct ctl_port port = edge_port(e);
    int r = commands_create(&e->commands, &e->loop.uv, &port);

    if (r)
        return r;
    rng_init_system(&e->rng);
    return ami_connections_create(
        &e->ami, &(struct ami_connections_config){
                     .loop = &e->loop,
                     .log = cfg->log,
                     .feed = cfg->feed,
                     .server = { .port = { .ctx = e, .ask = port_ask, .stop = port_stop },
                                 .clock = cfg->clock,
                                 .rng = &e->rng,
                                 .log = cfg->log,
                                 .settings = cfg->terms.settings,
                                 .version = EXTSTATE_VERSION,
                                 .eid = cfg->facts.eid,
                                 .started_wall_ms = cfg->facts.started_wall_ms } });
}

/* Those to whom changes are told for others to ask. */
static int edge_see(struct edge *e, const struct edge_config *cfg)
{
    int r = recent_create(&e->seen.recent, e->feed);

    r = r ? r : followers_create(&e->seen.followers, e->feed, cfg->clock);
    r = r ? r
          : journal_create(&e->journal, &(struct journal_config){
                                            .directory = cfg->facts.options->state_directory,
                                            .version = STR(EXTSTATE_VERSION),
                                            .clock = cfg->clock,
                                            .log = cfg->log });
    if (!r && cfg->terms.settings->journal.enabled)
        journal_configure(e->journal, e->feed, &cfg->terms.settings->journal);
    return r;
}

int edge_init(struct edge *e, const struct edge_config *cfg)
{
    int r;

    *e = (struct edge){ .log = cfg->log,
                        .feed = cfg->feed,
                        .facts = cfg->facts,
                        .state = cfg->state,
                        .workers = cfg->workers,
                        .n_workers = cfg->n_workers,
                        .main = cfg->main,
                        .daemon = cfg->daemon };
    r = loop_init(&e->loop, cfg->clock, e, EDGE_INBOX_HIGH);
    if (r)
        return r;
    loop_flush_hook(&e->loop, on_flush, e);
    feed_open(e->feed, &e->loop.inbox);
    feed_writer_init(&e->changes, e->feed, cfg->clock, true);
    e->terms = terms_ref(&cfg->terms);
    e->ready = true;
    r = edge_see(e, cfg);
    r = r ? r
          : pbxs_create(&e->pbxs, &(struct pbxs_config){ .loop = &e->loop,
                                                         .log = cfg->log,
                                                         .state = cfg->state,
                                                         .settings = cfg->terms.settings,
                                                         .changes = &e->changes,
                                                         .hints = cfg->hints,
                                                         .ctx = cfg->hints_ctx });
    r = r ? r : manager_init(e, cfg);
    r = r ? r
          : http_create(&e->http, &(struct http_config){ .loop = &e->loop.uv,
                                                         .clock = cfg->clock,
                                                         .log = cfg->log,
                                                         .settings = cfg->terms.settings,
                                                         .feed = cfg->feed,
                                                         .port = edge_port(e),
                                                         .eid = cfg->facts.eid,
                                                         .socket = cfg->http_socket });
    if (r)
        edge_fini(e);
    return r;
}

static void *edge_main(void *arg)
{
    struct edge *e = arg;

    (void)!pthread_setname_np(pthread_self(), "edge");
    loop_run(&e->loop);
    atomic_store(&e->ended, true);
    return NULL;
}

int edge_start(struct edge *e)
{
    int r = pthread_create(&e->thread, NULL, edge_main, e);

    e->started = r == 0;
    return -r;
}

static void stop_drop(struct inbox_message *m)
{
    free(m);
}

static void stop_run(struct inbox_message *m, void *owner)
{
    struct edge *e = owner;

    free(m);
    ami_server_shutdown(ami_connections_server(e->ami), e->restarts);
    loop_stop(&e->loop);
}

void edge_stop(struct edge *e, bool restart)
{
    struct inbox_message *m;
    static const struct timespec pause = { .tv_nsec = 1000000 };

    if (!e->started)
        return;
    feed_close(e->feed);
    e->restarts = restart;
    m = inbox_message_alloc(e->log, sizeof(*m));
    *m = (struct inbox_message){ .run = stop_run, .drop = stop_drop };
    list_init(&m->link);
    inbox_post_always(&e->loop.inbox, m);
    for (unsigned ms = 0; !atomic_load(&e->ended) && ms < EDGE_PATIENCE_MS; ms++)
        (void)nanosleep(&pause, NULL);
    e->hangs = !atomic_load(&e->ended);
    e->started = false;
    if (e->hangs)
        log_error(e->log, "edge.hangs");
    else
        pthread_join(e->thread, NULL);
    journal_stop(e->journal);
}

int edge_http_socket(const struct edge *e)
{
    return e->hangs ? -1 : http_socket(e->http);
}

void edge_fini(struct edge *e)
{
    if (!e->ready)
        return;
    e->alone = true; /* jobs that come home now would go on to the next thread */
    http_destroy(e->http);
    commands_destroy(e->commands);
    ami_connections_destroy(e->ami);
    e->ami = NULL;
    pbxs_destroy(e->pbxs);
    journal_destroy(e->journal);
    e->journal = NULL;
    followers_destroy(e->seen.followers);
    recent_destroy(e->seen.recent);
    feed_close(e->feed);
    feed_writer_fini(&e->changes);
    loop_flush_hook(&e->loop, NULL, NULL);
    loop_fini(&e->loop);
    terms_unref(&e->terms);
    e->ready = false;
}
