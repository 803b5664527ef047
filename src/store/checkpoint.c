// SPDX-License-Identifier: MIT
/* Checkpoints, beside the commits: what SQLite has written to its log is moved into the file by a
 * thread with a connection of its own, because that takes as long as the disk wants. While it works
 * the log grows, so it comes back for the rest, until that is little; then the store's thread moves
 * the last of it between two commits, after which the log begins anew. */
#include <stdlib.h>

#include "store/store_internal.h"

enum {
    LOG_PAGES = 1024, /* 4 MiB: a sync of more has commits wait, 64 MiB for 150 ms */
    REST_PAGES = 256, /* little enough for the store's thread */
    ROUNDS = 8,
};

struct checkpointer {
    struct database_config cfg;
    pthread_rwlock_t *path;
    struct log *log;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted_cond;
    bool wanted, ending; /* by the lock */
    atomic_bool nearly;  /* the rest is for the store's thread */
};

/* False: it is to end. */
static bool wait_until_wanted(struct checkpointer *c)
{
    bool ending;

    pthread_mutex_lock(&c->lock);
    while (!c->wanted && !c->ending)
        pthread_cond_wait(&c->wanted_cond, &c->lock);
    c->wanted = false;
    ending = c->ending;
    pthread_mutex_unlock(&c->lock);
    return !ending;
}

static void checkpoint(struct checkpointer *c, sqlite3 *sql)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        int in_log = 0, moved = 0;
        int r = sqlite3_wal_checkpoint_v2(sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);

        if (r != SQLITE_OK) { /* the next commit asks again */
            log_warn(c->log, "store.checkpoint", KV("why", sqlite3_errmsg(sql)));
            return;
        }
        if (in_log - moved <= REST_PAGES)
            break;
    }
    atomic_store(&c->nearly, true);
}

static void *checkpointer_main(void *arg)
{
    struct checkpointer *c = arg;

    (void)!pthread_setname_np(pthread_self(), "checkpoint");
    while (wait_until_wanted(c)) {
        sqlite3 *sql = NULL;

        /* Anew each time: the file may be another one. */
        pthread_rwlock_rdlock(c->path);
        if (sqlite3_open_v2(c->cfg.path, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                            c->cfg.vfs) == SQLITE_OK)
            checkpoint(c, sql);
        sqlite3_close(sql);
        pthread_rwlock_unlock(c->path);
    }
    return NULL;
}

int checkpointer_create(struct checkpointer **out, const struct database_config *cfg,
                        pthread_rwlock_t *path, struct log *log)
{
    struct checkpointer *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->cfg = *cfg;
    c->path = path;
    c->log = log;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wanted_cond, NULL);
    atomic_init(&c->nearly, false);
    r = pthread_create(&c->thread, NULL, checkpointer_main, c);
    if (r) {
        pthread_cond_destroy(&c->wanted_cond);
        pthread_mutex_destroy(&c->lock);
        free(c);
        return -r;
    }
    *out = c;
    return 0;
}

void checkpointer_destroy(struct checkpointer *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_signal(&c->wanted_cond);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wanted_cond);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void checkpointer_committed(struct checkpointer *c, const struct database *d)
{
    if (atomic_exchange(&c->nearly, false))
        (void)!sqlite3_wal_checkpoint_v2(d->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (d->log_pages < LOG_PAGES)
        return;
    pthread_mutex_lock(&c->lock);
    c->wanted = true;
    pthread_cond_signal(&c->wanted_cond);
    pthread_mutex_unlock(&c->lock);
}
