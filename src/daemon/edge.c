// SPDX-License-Identifier: MIT
#include "daemon/edge.h"

#include <stdlib.h>

enum { EDGE_INBOX_HIGH = 65536 };

struct settings_message {
    struct inbox_message m;
    const struct settings *settings; /* a reference */
};

static void settings_drop(struct inbox_message *m)
{
    struct settings_message *s = CONTAINER_OF(m, struct settings_message, m);

    settings_unref(s->settings);
    free(s);
}

static void settings_run(struct inbox_message *m, void *owner)
{
    struct settings_message *s = CONTAINER_OF(m, struct settings_message, m);
    struct edge *e = owner;
    const struct settings *former = e->settings;

    e->settings = s->settings;
    s->settings = former;
    settings_drop(m);
}

void edge_post_settings(struct edge *e, const struct settings *settings)
{
    struct settings_message *s = inbox_message_alloc(e->log, sizeof(*s));

    *s = (struct settings_message){ .m = { .run = settings_run, .drop = settings_drop },
                                    .settings = settings_ref(settings) };
    list_init(&s->m.link);
    inbox_post_always(&e->loop.inbox, &s->m);
}

struct job_message {
    struct inbox_message m;
    struct ctl_job *job;
    struct loop *home;
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

    j->job->run(j->job, owner);
    m->run = job_finish;
    inbox_post_always(&j->home->inbox, m);
}

/* A job whose thread is going away still goes home: its owner waits for it there. */
static void job_drop(struct inbox_message *m)
{
    job_finish(m, NULL);
}

int edge_post_job(struct edge *e, struct ctl_job *job, struct loop *home)
{
    struct job_message *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    *j =
        (struct job_message){ .m = { .run = job_run, .drop = job_drop }, .job = job, .home = home };
    list_init(&j->m.link);
    r = inbox_post(&e->loop.inbox, &j->m);
    if (r)
        free(j);
    return r;
}

static void on_flush(void *ctx)
{
    feed_flush(&((struct edge *)ctx)->changes);
}

int edge_init(struct edge *e, const struct edge_config *cfg)
{
    int r;

    *e = (struct edge){
        .log = cfg->log,
        .feed = cfg->feed,
        .state = cfg->state,
        .workers = cfg->workers,
        .n_workers = cfg->n_workers,
    };
    r = loop_init(&e->loop, cfg->clock, e, EDGE_INBOX_HIGH);
    if (r)
        return r;
    loop_flush_hook(&e->loop, on_flush, e);
    feed_open(e->feed, &e->loop.inbox);
    feed_writer_init(&e->changes, e->feed, cfg->clock, true);
    e->settings = settings_ref(cfg->settings);
    e->ready = true;
    return 0;
}

static void *edge_main(void *arg)
{
    struct edge *e = arg;

    (void)!pthread_setname_np(pthread_self(), "edge");
    loop_run(&e->loop);
    return NULL;
}

int edge_start(struct edge *e)
{
    int r = pthread_create(&e->thread, NULL, edge_main, e);

    e->started = r == 0;
    return -r;
}

void edge_stop(struct edge *e)
{
    if (!e->started)
        return;
    feed_close(e->feed);
    loop_stop(&e->loop);
    pthread_join(e->thread, NULL);
    e->started = false;
}

void edge_fini(struct edge *e)
{
    if (!e->ready)
        return;
    feed_close(e->feed);
    feed_writer_fini(&e->changes);
    loop_flush_hook(&e->loop, NULL, NULL);
    loop_fini(&e->loop);
    settings_unref(e->settings);
    e->ready = false;
}
