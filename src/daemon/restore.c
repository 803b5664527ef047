// SPDX-License-Identifier: MIT
/* What the process before this one has kept. */
#include <stdio.h>

#include "daemon/daemon_internal.h"

static int store_unusable(struct daemon *d, int r, const char *why)
{
    snprintf(d->why, sizeof(d->why), "the store in %.*s cannot be used: %s",
             STR_FMT(d->options->state_directory), why);
    return r;
}

int daemon_open_store(struct daemon *d)
{
    enum durability durability = d->settings->general.durability;
    struct str directory = d->options->state_directory;
    char why[256];
    int r;

    if (durability == DURABILITY_NONE)
        return 0;
    r = store_open(&d->store,
                   &(struct store_config){
                       .directory = directory,
                       .durability = durability == DURABILITY_FULL ? STORE_FULL : STORE_NORMAL,
                       .clock = &clock_system,
                       .log = d->log },
                   why, sizeof(why));
    return r ? store_unusable(d, r, why) : 0;
}

static int restore_state(void *ctx, const struct keep_record *record)
{
    struct daemon *d = ctx;

    daemon_still_alive(d);
    state_engine_restore(&d->state.engine, record);
    return 0;
}

static int restore_source(void *ctx, const struct keep_record *record)
{
    struct daemon *d = ctx;

    return state_intake_restore(&d->state, record, d->settings);
}

/* Subscriptions are so many that each worker's are read by a thread of their own. */
struct share {
    struct daemon *d;
    unsigned worker;
    int result;
    pthread_t thread;
    bool started;
};

static int restore_subscription(void *ctx, const struct keep_record *record)
{
    const struct share *s = ctx;

    daemon_still_alive(s->d);
    engine_restore(&s->d->workers[s->worker].engine, record);
    return 0;
}

static void *share_main(void *arg)
{
    struct share *s = arg;
    struct daemon *d = s->d;

    s->result = store_read_share(d->store, KEEP_SUBSCRIPTION, s->worker, d->n_workers,
                                 restore_subscription, s);
    return NULL;
}

static int restore_subscriptions(struct daemon *d)
{
    struct share shares[WORKERS_MAX];
    int r = 0;

    for (unsigned i = 0; i < d->n_workers; i++) {
        struct share *s = &shares[i];

        *s = (struct share){ .d = d, .worker = i };
        s->started = pthread_create(&s->thread, NULL, share_main, s) == 0;
        if (!s->started)
            (void)share_main(s);
    }
    for (unsigned i = 0; i < d->n_workers; i++) {
        if (shares[i].started)
            pthread_join(shares[i].thread, NULL);
        r = r ? r : shares[i].result;
    }
    return r;
}

/* It belongs to the worker that publishes its extension. After the number of workers has changed
 * another one may have its number, which must not be given out again. */
static int restore_sent_publication(void *ctx, const struct keep_record *record)
{
    struct daemon *d = ctx;
    unsigned owner = told_worker(record->number, d->n_workers), home = owner;
    struct keep_words words = told_words(d->workers[owner].told);
    struct str extension;

    if (publisher_record_extension(&extension, record->bytes) == 0)
        home = publisher_home(extension, d->n_workers);
    if (home != owner)
        words.claim(words.ctx, record->number);
    daemon_still_alive(d);
    engine_restore(&d->workers[home].engine, record);
    return 0;
}

struct kept_table {
    enum keep_table table;
    int (*restore)(void *ctx, const struct keep_record *record);
};

static int restore_tables(struct daemon *d, const struct kept_table *tables, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = store_read(d->store, tables[i].table, tables[i].restore, d);
    return r;
}

static int restored(struct daemon *d, int r)
{
    if (r)
        snprintf(d->why, sizeof(d->why), "what was kept cannot be read: %s", strerror(-r));
    return r;
}

int daemon_restore_states(struct daemon *d)
{
    static const struct kept_table tables[] = {
        { KEEP_DEVICE, restore_state },         { KEEP_PRESENCE, restore_state },
        { KEEP_MAILBOX, restore_state },        { KEEP_CONTACT, restore_state },
        { KEEP_SILENT_CONTACT, restore_state },
    };

    return d->store ? restored(d, restore_tables(d, tables, ARRAY_LEN(tables))) : 0;
}

int daemon_restore(struct daemon *d)
{
    static const struct kept_table states[] = {
        { KEEP_SOURCE_STATE, restore_state }, { KEEP_AUTOHINT, restore_state },
        { KEEP_PUBLICATION, restore_state },  { KEEP_PUBLICATION_BODY, restore_state },
        { KEEP_SELF, restore_source },
    };
    static const struct kept_table told[] = { /* which look at those */
                                              { KEEP_SENT_PUBLICATION, restore_sent_publication }
    };
    uint64_t begun_ms = clock_monotonic_ms(&clock_system);
    char why[256];
    int r;

    if (!d->store)
        return 0;
    r = restore_tables(d, states, ARRAY_LEN(states));
    if (r == 0)
        r = state_engine_restored(&d->state.engine);
    if (r == 0)
        r = restore_tables(d, told, ARRAY_LEN(told));
    r = restored(d, r ? r : restore_subscriptions(d));
    if (r)
        return r;
    log_info(d->log, "daemon.restored",
             KV_U("took_ms", clock_monotonic_ms(&clock_system) - begun_ms));
    r = store_start(d->store, why, sizeof(why));
    if (r)
        return store_unusable(d, r, why);
    for (unsigned i = 0; i < d->n_workers; i++)
        told_begin(d->workers[i].told);
    return 0;
}
