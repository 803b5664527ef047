// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <time.h>

#include "daemon/threads.h"

enum {
    STATE_INBOX_HIGH = 65536,
    WORKER_BACKLOG_MAX = 16384, /* above it the state thread waits for that worker */
};

struct watch_message {
    struct inbox_message m;
    struct watch_question question;
    char text[];
};

struct unwatch_message {
    struct inbox_message m;
    unsigned worker;
    uint64_t resource_id;
};

struct apply_message {
    struct inbox_message m;
    struct apply what; /* references */
};

struct job_message {
    struct inbox_message m;
    struct keep_wait wait;
    struct ctl_job *job;
    struct loop *home;
};

static void message_free(struct inbox_message *m)
{
    free(m);
}

/* ---- what the core says ---- */

static void on_snapshot(void *ctx, const struct snapshot *snap, const struct snapshot *former,
                        uint64_t consumers)
{
    struct state_thread *s = ctx;
    unsigned home = publisher_home(snap->extension, s->n_workers);

    (void)former;
    for (unsigned w = 0; w < s->n_workers; w++) {
        bool notifier = consumers >> w & 1;
        bool publisher = w == home && (consumers >> CONSUMER_PUBLISHERS & 1);

        if (notifier || publisher)
            worker_post_snapshot(&s->workers[w], snap, notifier, publisher);
    }
}

static void on_device(void *ctx, const struct state_device_change *c)
{
    struct state_thread *s = ctx;

    if (c->state != c->former)
        log_debug(s->log, "device.changed", KV("device", c->device),
                  KV("state", device_state_name(c->state)), KV("source", c->source));
}

static void on_presence(void *ctx, struct str provider, enum presence_state state,
                        struct str subtype, struct str message)
{
    struct state_thread *s = ctx;

    (void)subtype;
    (void)message;
    log_debug(s->log, "presence.changed", KV("provider", provider),
              KV("state", presence_state_name(state)));
}

static void on_republish(void *ctx, struct str section)
{
    struct state_thread *s = ctx;

    for (unsigned w = 0; w < s->n_workers; w++)
        worker_post_republish(&s->workers[w], section);
}

static void on_mailbox(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    struct state_thread *s = ctx;

    for (unsigned w = 0; w < s->n_workers; w++)
        worker_post_mailbox(&s->workers[w], mailbox, counts);
}

static void on_contact(void *ctx, const struct contact *now, const struct contact *former)
{
    struct state_thread *s = ctx;
    struct str aor = now ? now->aor : former->aor;

    worker_post_contact(&s->workers[qualifier_home(aor, s->n_workers)], now, former);
}

static void on_registered(void *ctx, struct str endpoint, const struct contact *now,
                          const struct contact *former)
{
    struct state_thread *s = ctx;

    worker_post_registered(&s->workers[notifier_home(endpoint, s->n_workers)], endpoint, now,
                           former);
}

static void on_answer(void *ctx, unsigned worker, uint64_t cookie, const struct snapshot *snap,
                      bool cacheable)
{
    struct state_thread *s = ctx;

    worker_post_watch_result(&s->workers[worker], cookie, snap, cacheable);
}

/* Who cannot keep up, a worker or the edges, makes the state thread, and so the sources, wait:
 * memory stays bounded. */
static bool consumers_ready(void *ctx)
{
    struct state_thread *s = ctx;

    if (feed_is_behind(s->feed))
        return false;
    for (unsigned w = 0; w < s->n_workers; w++)
        if (inbox_length(&s->workers[w].loop.inbox) > WORKER_BACKLOG_MAX)
            return false;
    return true;
}

static void on_flush(void *ctx)
{
    struct state_thread *s = ctx;

    ledger_flush(&s->ledger);
    feed_flush(&s->changes);
    for (unsigned w = 0; w < s->n_workers; w++)
        inbox_nudge(&s->workers[w].loop.inbox);
}

/* ---- applying a configuration ---- */

/* While nothing is published no worker is told what nobody watches. */
static void watch_for_publishers(struct state_thread *s, const struct settings *settings)
{
    if (settings->n_publishes)
        state_watch_all(s->engine.core, CONSUMER_PUBLISHERS);
}

static int apply(struct state_thread *s, const struct settings *settings, struct dialplan *dp)
{
    int r = state_engine_apply(&s->engine, settings, dp);

    if (r >= 0)
        watch_for_publishers(s, settings);
    /* By the first one nobody knows any name; who is restored would ask twice. */
    for (unsigned w = 0; w < s->n_workers && r == 0 && s->started; w++)
        worker_post_dialplan_changed(&s->workers[w]);
    return r < 0 ? r : 0;
}

static void apply_drop(struct inbox_message *m)
{
    struct apply_message *a = CONTAINER_OF(m, struct apply_message, m);

    dialplan_unref(a->what.dialplan);
    dialplan_unref(a->what.former);
    settings_unref(a->what.settings);
    listeners_unref(a->what.listeners);
    body_registry_unref(a->what.bodies);
    free(a);
}

static void apply_finish(struct inbox_message *m, void *owner)
{
    (void)owner;
    apply_drop(m);
}

static void apply_run(struct inbox_message *m, void *owner)
{
    struct apply *a = &CONTAINER_OF(m, struct apply_message, m)->what;
    static const struct timespec pause = { .tv_nsec = 100000000 };
    struct state_thread *s = owner;
    int r;

    /* Before whatever they have the state core tell: a subscription whose hint goes asks for what
     * its name means by the new ones. */
    for (unsigned w = 0; w < s->n_workers; w++)
        worker_post_settings(&s->workers[w], a->settings, a->listeners, a->bodies);
    r = apply(s, a->settings, a->dialplan);
    if (r) /* the workers have the new settings now, so there is no way back */
        log_error(s->log, "state.apply", KV_ERR(r));
    while (r == -ENOMEM) {
        (void)nanosleep(&pause, NULL);
        r = apply(s, a->settings, a->dialplan);
    }
    if (r == 0)
        a->dialplan = NULL;
    m->run = apply_finish;
    inbox_post_always(&a->home->inbox, m);
}

int state_thread_apply(struct state_thread *s, const struct apply *what)
{
    struct apply_message *a;
    int r;

    if (!s->started) {
        r = apply(s, what->settings, dialplan_ref(what->dialplan));
        if (r)
            dialplan_unref(what->dialplan);
        return r;
    }
    a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->m = (struct inbox_message){ .run = apply_run, .drop = apply_drop };
    list_init(&a->m.link);
    a->what = (struct apply){ .settings = settings_ref(what->settings),
                              .dialplan = dialplan_ref(what->dialplan),
                              .former = dialplan_ref(what->former),
                              .listeners = listeners_ref(what->listeners),
                              .bodies = body_registry_ref(what->bodies),
                              .home = what->home };
    inbox_post_always(&s->loop.inbox, &a->m);
    return 0;
}

/* ---- messages ---- */

static void watch_run(struct inbox_message *m, void *owner)
{
    struct watch_message *w = CONTAINER_OF(m, struct watch_message, m);

    state_engine_watch(&((struct state_thread *)owner)->engine, &w->question);
    free(w);
}

int state_post_watch(struct state_thread *s, unsigned worker, const struct resource_name *name,
                     struct str served, uint64_t cookie)
{
    struct watch_message *w =
        malloc(sizeof(*w) + name->package.n + name->context.n + name->extension.n + served.n);
    struct watch_question *q;
    char *at;
    int r;

    if (!w)
        return -ENOMEM;
    *w = (struct watch_message){ .m = { .run = watch_run, .drop = message_free, .patient = true },
                                 .question = { *name, served, worker, cookie } };
    list_init(&w->m.link);
    q = &w->question;
    at = w->text;
    str_keep(&q->name.package, &at);
    str_keep(&q->name.context, &at);
    str_keep(&q->name.extension, &at);
    str_keep(&q->served, &at);
    if (!s->started) { /* a subscription is restored: as many as there are may ask */
        inbox_post_always(&s->loop.inbox, &w->m);
        return 0;
    }
    r = inbox_post(&s->loop.inbox, &w->m);
    if (r)
        free(w);
    return r;
}

static void unwatch_run(struct inbox_message *m, void *owner)
{
    struct unwatch_message *u = CONTAINER_OF(m, struct unwatch_message, m);
    struct state_thread *s = owner;

    state_engine_unwatch(&s->engine, u->resource_id, u->worker);
    free(u);
}

void state_post_unwatch(struct state_thread *s, unsigned worker, uint64_t resource_id)
{
    struct unwatch_message *u = inbox_message_alloc(s->log, sizeof(*u));

    *u = (struct unwatch_message){
        .m = { .run = unwatch_run, .drop = message_free, .patient = true },
        .worker = worker,
        .resource_id = resource_id
    };
    list_init(&u->m.link);
    inbox_post_always(&s->loop.inbox, &u->m);
}

static void job_finish(struct inbox_message *m, void *owner)
{
    struct job_message *j = CONTAINER_OF(m, struct job_message, m);

    (void)owner;
    j->job->done(j->job);
    free(j);
}

static void job_kept(struct keep_wait *w, int result)
{
    struct job_message *j = CONTAINER_OF(w, struct job_message, wait);

    j->job->kept = result;
    j->m.run = job_finish;
    inbox_post_always(&j->home->inbox, &j->m);
}

static void job_run(struct inbox_message *m, void *owner)
{
    struct job_message *j = CONTAINER_OF(m, struct job_message, m);
    struct state_thread *s = owner;

    feed_flush(&s->changes); /* the edge thread hears of it before the answer */
    j->job->run(j->job, &(struct ctl_state){ .core = s->engine.core,
                                             .publications = s->engine.publications,
                                             .mailboxes = s->engine.mailboxes,
                                             .sources = s->engine.sources,
                                             .keep = s->engine.keep,
                                             .lookup = CONSUMER_LOOKUP,
                                             .contacts = s->engine.contacts,
                                             .lists = s->engine.lists,
                                             .settings = s->engine.settings });
    j->wait.done = job_kept;
    if (j->job->lasts)
        keep_wait(&s->engine.keep, &j->wait);
    else
        job_kept(&j->wait, 0);
}

/* A job whose thread is going away still goes home: its owner waits for it there. */
static void job_drop(struct inbox_message *m)
{
    struct job_message *j = CONTAINER_OF(m, struct job_message, m);

    j->job->done(j->job);
    free(j);
}

int state_post_job(struct state_thread *s, struct ctl_job *job, struct loop *home)
{
    struct job_message *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    *j =
        (struct job_message){ .m = { .run = job_run, .drop = job_drop }, .job = job, .home = home };
    list_init(&j->m.link);
    r = inbox_post(&s->loop.inbox, &j->m);
    if (r)
        free(j);
    return r;
}

/* ---- life ---- */

static void on_rewrite(void *ctx)
{
    struct state_thread *s = ctx;

    state_engine_rewrite(&s->engine);
    state_intakes_keep_all(s);
}

int state_thread_init(struct state_thread *s, const struct state_thread_config *cfg)
{
    int r;

    *s = (struct state_thread){
        .log = cfg->log, .feed = cfg->feed, .workers = cfg->workers, .n_workers = cfg->n_workers
    };
    rng_init_system(&s->rng);
    list_init(&s->intakes);
    r = loop_init(&s->loop, cfg->clock, s, STATE_INBOX_HIGH);
    if (r)
        return r;
    feed_writer_init(&s->changes, cfg->feed, cfg->clock, true);
    loop_gate(&s->loop, consumers_ready, s);
    loop_flush_hook(&s->loop, on_flush, s);
    ledger_init(&s->ledger, &(struct ledger_config){ .store = cfg->store,
                                                     .home = &s->loop.inbox,
                                                     .wheel = &s->loop.wheel,
                                                     .log = cfg->log,
                                                     .ctx = s,
                                                     .rewrite = on_rewrite });
    r = state_engine_init(&s->engine,
                          &(struct state_engine_config){
                              .port = { .state = { .ctx = s,
                                                   .snapshot = on_snapshot,
                                                   .device = on_device,
                                                   .presence = on_presence },
                                        .publishers = UINT64_C(1) << CONSUMER_PUBLISHERS,
                                        .republish = on_republish,
                                        .mailbox = on_mailbox,
                                        .contact = on_contact,
                                        .registered = on_registered },
                              .workers = { .ctx = s,
                                           .start = state_winfo_start,
                                           .stop = state_winfo_stop,
                                           .answer = on_answer },
                              .n_workers = cfg->n_workers,
                              .snapshots = cfg->snapshots,
                              .keep = ledger_keep(&s->ledger),
                              .incarnation = cfg->store ? store_incarnation(cfg->store) : 0,
                              .eid = cfg->eid,
                              .changes = &s->changes,
                              .wheel = &s->loop.wheel,
                              .settings = cfg->settings,
                              .clock = cfg->clock,
                              .log = cfg->log,
                              .rng = &s->rng,
                          });
    if (r) {
        ledger_fini(&s->ledger);
        loop_fini(&s->loop);
        return r;
    }
    watch_for_publishers(s, cfg->settings);
    return 0;
}

static void *state_thread_main(void *arg)
{
    struct state_thread *s = arg;

    (void)!pthread_setname_np(pthread_self(), "state");
    loop_run(&s->loop);
    return NULL;
}

int state_thread_start(struct state_thread *s)
{
    int r = pthread_create(&s->thread, NULL, state_thread_main, s);

    s->started = r == 0;
    return -r;
}

void state_thread_stop(struct state_thread *s)
{
    if (!s->started)
        return;
    loop_stop(&s->loop);
    pthread_join(s->thread, NULL);
    s->started = false;
}

void state_thread_fini(struct state_thread *s)
{
    inbox_close(&s->loop.inbox);
    state_intakes_fini(s);
    state_engine_fini(&s->engine);
    feed_writer_fini(&s->changes);
    ledger_fini(&s->ledger);
    loop_fini(&s->loop);
}
