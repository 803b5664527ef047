// SPDX-License-Identifier: MIT
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "store/mapped.h"
#include "store/store_internal.h"
#include "store/told.h"

enum {
    INBOX_HIGH = 1 << 20, /* nobody is refused: what waits is bounded by WAITING_BYTES_MAX */
    COMMIT_GAP_MS = 4,    /* between the beginnings of two commits while there is much to write */
    LOOK_MS = 1000, /* between two looks whether the file is still there, and the clock right */
    LOOK_IDLE_MS = 10000,     /* while nothing is written */
    CLOCK_SET_MS = 60 * 1000, /* the wall clock was, and is not only going fast */
    RETRY_FIRST_MS = 250,
    RETRY_MAX_MS = 5000,
    WAITING_BYTES_MAX = 128 << 20, /* while it fails: more is cheaper to put anew, all of it */
    NONCE_KEY_BYTES = 32,
    UNKNOWN_STARTS = 1000, /* more than there were since what is known of a damaged file */
};

struct store {
    struct loop loop; /* its owner is this struct */
    pthread_t thread;
    bool started;
    struct log *log;
    const struct clock *clock;
    struct place place;
    uint64_t incarnation, identity;
    char nonce_key[NONCE_KEY_BYTES];
    bool has_nonce_key;
    struct database database;
    struct checkpointer *checkpointer;
    struct list ledgers; /* ledger.link */
    struct list group;   /* ledger_batch.m.link: to be written, in order */
    size_t group_records, group_bytes, waiting_bytes_max;
    struct timer retry;
    uint32_t retry_ms;
    atomic_bool damaged; /* to be replaced by a new file */
    bool replacing;    /* everything is being put again for a new one, which is made of the group */
    uint64_t rewrites; /* how often everything was asked for; the number of the last time */
    unsigned missing;  /* ledgers that have not put everything yet */
    size_t rewrite_bytes;         /* of the group: batches that have */
    bool gathered;                /* the last commit was of several records */
    uint64_t begun_ms, looked_ms; /* the last commit; the last look around */
    struct timer look;
    int64_t ahead_ms; /* the wall clock of the monotonic one, as records have it */
    atomic_bool failing;
    atomic_uint late;      /* ledgers that wait in vain, because the disk hangs */
    atomic_size_t posted;  /* bytes that the thread has not come to yet */
    atomic_bool overflown; /* what came while it hung was too much: some of it is missing */
    pthread_mutex_t counters_lock;
    struct store_counters counters;
};

/* What the file does not have yet. */
static void self_make(struct store *s)
{
    struct rng rng;

    rng_init_system(&rng);
    if (!s->identity)
        rng_fill(&rng, &s->identity, sizeof(s->identity));
    if (!s->has_nonce_key)
        rng_fill(&rng, s->nonce_key, sizeof(s->nonce_key));
    s->has_nonce_key = true;
    explicit_bzero(&rng, sizeof(rng));
}

static int take_self(void *ctx, const struct keep_record *k)
{
    struct store *s = ctx;

    if (str_equal(k->name, STR("incarnation")))
        (void)!str_to_u64(&s->incarnation, k->bytes); /* nonsense counts as the first time */
    else if (str_equal(k->name, STR("identity")))
        (void)!str_to_u64(&s->identity, k->bytes);
    else if (str_equal(k->name, STR("nonce_key")) && k->bytes.n == sizeof(s->nonce_key)) {
        memcpy(s->nonce_key, k->bytes.p, sizeof(s->nonce_key));
        s->has_nonce_key = true;
    }
    return 0;
}

static int put_self(struct database *d, struct str name, struct str bytes)
{
    return database_put(d,
                        &(struct keep_record){ .table = KEEP_SELF, .name = name, .bytes = bytes });
}

static int put_self_number(struct database *d, struct str name, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

    return put_self(d, name, (struct str){ text, (size_t)n });
}

static int put_selves(const struct store *s, struct database *d)
{
    int r = put_self_number(d, STR("incarnation"), s->incarnation);

    r = r ? r : put_self_number(d, STR("identity"), s->identity);
    return r ? r : put_self(d, STR("nonce_key"), store_nonce_key(s));
}

/* Damage is noted, and no reason not to go on: the file is replaced by what there is in memory. */
static int despite_damage(struct store *s, const struct database *d, int r)
{
    if (r != SQL_DAMAGED)
        return r;
    log_error(s->log, "store.damaged", KV("file", s->place.path),
              KV("why", sqlite3_errmsg(d->sql)));
    atomic_store(&s->damaged, true);
    return 0;
}

/* Numbers that must not come twice are counted from it. A file from before the last start (a copy
 * that is used once more) says too little: what was told last says the rest, and by the gap that
 * it is not of this file. */
static int incarnation_find(struct store *s, struct str directory)
{
    int each, r = despite_damage(
                  s, &s->database,
                  database_read(&s->database, ALL_RECORDS, KEEP_SELF, take_self, s, &each));
    uint64_t told;

    if (r)
        return r;
    told = told_incarnation(directory, s->identity);
    if (told > s->incarnation)
        s->incarnation = told + 1;
    s->incarnation += s->damaged ? UNKNOWN_STARTS : 1;
    self_make(s);
    return 0;
}

static int incarnation_begin(struct store *s)
{
    int r = database_begin(&s->database);

    r = r ? r : put_selves(s, &s->database);
    r = r ? r : database_commit(&s->database);
    /* Also where nothing else is synced: a loss of power must not have it come twice. */
    r = r ? r : database_sync(&s->database);
    if (r != SQL_DAMAGED)
        return r;
    r = despite_damage(s, &s->database, r); /* the file that is made in its place has it */
    database_rollback(&s->database);
    return r;
}

/* ---- failing ---- */

static void failure_note(struct store *s, int result, const char *why)
{
    bool first = !atomic_exchange(&s->failing, true);

    pthread_mutex_lock(&s->counters_lock);
    s->counters.failures++;
    s->counters.waiting_bytes = s->group_bytes;
    snprintf(s->counters.why, sizeof(s->counters.why), "%s", why);
    pthread_mutex_unlock(&s->counters_lock);
    if (first)
        log_error(s->log, "store.fails", KV("file", s->place.path), KV("why", why),
                  KV("meanwhile", "nothing new is accepted, what is there is served"));
    else
        log_warn(s->log, "store.still_fails", KV("why", why));
    if (result == SQL_DAMAGED)
        s->damaged = true;
    LIST_FOREACH (it, &s->group)
        ledger_batch_fail(CONTAINER_OF(it, struct ledger_batch, m.link),
                          result < 0 ? result : -EUCLEAN);
    s->retry_ms = s->retry_ms ? s->retry_ms * 2 : RETRY_FIRST_MS;
    if (s->retry_ms > RETRY_MAX_MS)
        s->retry_ms = RETRY_MAX_MS;
    timer_start(&s->loop.wheel, &s->retry, s->retry_ms);
}

void store_late(struct store *s, bool late)
{
    static const char why[] = "the disk does not answer";

    if (!late) {
        if (atomic_fetch_sub(&s->late, 1) == 1)
            log_warn(s->log, "store.answers_again", KV("file", s->place.path));
        return;
    }
    if (atomic_fetch_add(&s->late, 1) > 0)
        return;
    pthread_mutex_lock(&s->counters_lock);
    s->counters.failures++;
    snprintf(s->counters.why, sizeof(s->counters.why), "%s", why);
    pthread_mutex_unlock(&s->counters_lock);
    log_error(s->log, "store.fails", KV("file", s->place.path), KV("why", why),
              KV("meanwhile", "nothing new is accepted, what is there is served"));
}

static void group_drop(struct store *s)
{
    LIST_FOREACH_SAFE (it, &s->group) {
        list_remove(it);
        ledger_batch_free(CONTAINER_OF(it, struct ledger_batch, m.link));
    }
    s->group_records = s->group_bytes = s->rewrite_bytes = 0;
}

/* ---- a new file ---- */

static int group_put(const struct store *s, struct database *d)
{
    int r = 0;

    LIST_FOREACH (it, &s->group)
        for (struct ledger_record *k = CONTAINER_OF(it, struct ledger_batch, m.link)->first;
             k && r == 0; k = k->next)
            r = database_put(d, &k->record);
    return r;
}

/* Everything is put again by those who have it. The former file stays as it is until then. */
static void replace_begin(struct store *s)
{
    group_drop(s);
    s->replacing = true;
    s->rewrites++;
    s->missing = 0;
    LIST_FOREACH (it, &s->ledgers) {
        s->missing++;
        ledger_ask_rewrite(CONTAINER_OF(it, struct ledger, link), s->rewrites);
    }
}

static int making_fill(const struct store *s, char *why, size_t why_n)
{
    struct database d;
    int r = place_making_open(&s->place, &d, why, why_n);

    if (r)
        return r;
    r = database_begin(&d);
    r = r ? r : put_selves(s, &d);
    r = r ? r : group_put(s, &d);
    r = r ? r : database_commit(&d);
    r = r ? r : database_settle(&d);
    if (r)
        database_why(&d, SQLITE_ERROR, why, why_n);
    database_close(&d);
    return r;
}

static int file_replace(struct store *s, char *why, size_t why_n)
{
    int r = making_fill(s, why, why_n);

    if (r)
        place_making_remove(&s->place);
    else
        r = place_replace(&s->place, &s->database, why, why_n);
    if (r)
        return r < 0 ? r : -EUCLEAN;
    s->damaged = s->replacing = false;
    pthread_mutex_lock(&s->counters_lock);
    s->counters.replaced++;
    pthread_mutex_unlock(&s->counters_lock);
    return 0;
}

/* ---- committing ---- */

static int group_write(struct store *s)
{
    int r = database_begin(&s->database);

    r = r ? r : group_put(s, &s->database);
    return r ? r : database_commit(&s->database);
}

static void committed(struct store *s, uint64_t took_us)
{
    size_t n = s->group_records;

    if (atomic_exchange(&s->failing, false))
        log_warn(s->log, "store.works_again", KV("file", s->place.path), KV_U("records", n));
    s->retry_ms = 0;
    timer_stop(&s->loop.wheel, &s->retry);
    s->gathered = n > 1;
    s->group_records = s->group_bytes = s->rewrite_bytes = 0;
    LIST_FOREACH_SAFE (it, &s->group) {
        list_remove(it);
        ledger_batch_settle(CONTAINER_OF(it, struct ledger_batch, m.link));
    }
    pthread_mutex_lock(&s->counters_lock);
    s->counters.commits++;
    s->counters.committed_wall_ms = clock_wall_ms(s->clock);
    s->counters.records += n;
    s->counters.commit_us = took_us;
    if (took_us > s->counters.commit_us_max)
        s->counters.commit_us_max = took_us;
    if (n > s->counters.largest)
        s->counters.largest = n;
    pthread_mutex_unlock(&s->counters_lock);
}

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

static int64_t clock_ahead_ms(const struct store *s)
{
    return (int64_t)(clock_wall_ms(s->clock) - clock_monotonic_ms(s->clock));
}

/* Ends are kept by the wall clock: what it has been set by is wrong in every record. */
static void look_at_clock(struct store *s)
{
    int64_t ahead_ms = clock_ahead_ms(s), by_ms = ahead_ms - s->ahead_ms;

    if (by_ms > -CLOCK_SET_MS && by_ms < CLOCK_SET_MS)
        return;
    log_warn(s->log, "store.clock_set", KV_I("by_s", by_ms / 1000),
             KV("meanwhile", "what is kept is written again"));
    s->ahead_ms = ahead_ms;
    LIST_FOREACH (it, &s->ledgers)
        ledger_ask_rewrite(CONTAINER_OF(it, struct ledger, link), 0);
}

static void look_around(struct store *s)
{
    uint64_t now_ms = clock_monotonic_ms(s->clock);

    if (now_ms - s->looked_ms < LOOK_MS)
        return;
    s->looked_ms = now_ms;
    look_at_clock(s);
    if (!database_is_elsewhere(&s->database))
        return;
    log_error(s->log, "store.file_gone", KV("file", s->place.path));
    s->damaged = true;
    s->identity =
        0; /* told.* of that directory may be others likewise: nobody is to believe them */
    self_make(s);
}

static void group_replace(struct store *s)
{
    uint64_t begun_us = now_us();
    char why[128];
    int r = file_replace(s, why, sizeof(why));

    if (r)
        failure_note(s, r, why);
    else
        committed(s, now_us() - begun_us);
}

static void group_commit(struct store *s)
{
    uint64_t begun_us = now_us();
    char why[128];
    int r;

    s->begun_ms = clock_monotonic_ms(s->clock);
    look_around(s);
    if (atomic_exchange(&s->overflown, false) ||
        (s->group_bytes - s->rewrite_bytes > s->waiting_bytes_max && atomic_load(&s->failing))) {
        s->damaged = true;
        s->replacing = false;
    }
    if (s->damaged && !s->replacing)
        replace_begin(s);
    if (s->replacing) {
        if (!s->missing)
            group_replace(s);
        return;
    }
    r = group_write(s);
    if (r) {
        database_why(&s->database, SQLITE_ERROR, why, sizeof(why));
        database_rollback(&s->database);
        failure_note(s, r, why);
        return;
    }
    committed(s, now_us() - begun_us);
    checkpointer_committed(s->checkpointer, &s->database);
}

/* At the end of each turn. */
static void on_flush(void *ctx)
{
    struct store *s = ctx;

    if (!list_empty(&s->group) && !timer_running(&s->retry))
        group_commit(s);
}

/* While there is much to write, what comes waits in the inbox for a commit worth its sync. */
static bool on_gate(void *ctx)
{
    const struct store *s = ctx;

    return !s->gathered || clock_monotonic_ms(s->clock) - s->begun_ms >= COMMIT_GAP_MS;
}

static void retry_fire(struct timer *t)
{
    struct store *s = CONTAINER_OF(t, struct store, retry);

    if (!list_empty(&s->group) || s->damaged)
        group_commit(s);
}

static void look_fire(struct timer *t)
{
    struct store *s = CONTAINER_OF(t, struct store, look);

    timer_start(&s->loop.wheel, t, LOOK_IDLE_MS);
    look_around(s);
    if (s->damaged && !timer_running(&s->retry))
        group_commit(s);
}

void store_batch_run(struct inbox_message *m, void *owner)
{
    struct ledger_batch *b = CONTAINER_OF(m, struct ledger_batch, m);
    struct store *s = owner;

    atomic_fetch_sub(&s->posted, b->bytes);
    list_append(&s->group, &b->m.link);
    s->group_records += b->n;
    s->group_bytes += b->bytes;
    if (b->rewrite && b->rewrite == s->rewrites) {
        s->missing--;
        s->rewrite_bytes += b->bytes;
    }
    if (!timer_running(&s->retry))
        return;
    ledger_batch_fail(b, -EIO);
    pthread_mutex_lock(&s->counters_lock);
    s->counters.waiting_bytes = s->group_bytes;
    pthread_mutex_unlock(&s->counters_lock);
}

bool store_overflows(struct store *s)
{
    if (atomic_load(&s->posted) <= s->waiting_bytes_max)
        return false;
    atomic_store(&s->overflown, true);
    return true;
}

void store_post(struct store *s, struct ledger_batch *b)
{
    atomic_fetch_add(&s->posted, b->bytes);
    inbox_post_always(&s->loop.inbox, &b->m);
}

/* ---- life ---- */

int store_open(struct store **out, const struct store_config *cfg, char *why, size_t why_n)
{
    struct store *s = calloc(1, sizeof(*s));
    int r = -ENOMEM;

    if (!s)
        return r;
    *why = '\0';
    mapped_guard();
    s->log = cfg->log;
    s->clock = cfg->clock;
    s->waiting_bytes_max = cfg->waiting_bytes_max ? cfg->waiting_bytes_max : WAITING_BYTES_MAX;
    list_init(&s->ledgers);
    list_init(&s->group);
    timer_init(&s->retry, retry_fire);
    timer_init(&s->look, look_fire);
    s->ahead_ms = clock_ahead_ms(s);
    atomic_init(&s->failing, false);
    atomic_init(&s->late, 0);
    atomic_init(&s->posted, 0);
    atomic_init(&s->overflown, false);
    pthread_mutex_init(&s->counters_lock, NULL);
    r = loop_init(&s->loop, cfg->clock, s, INBOX_HIGH);
    if (r) {
        pthread_mutex_destroy(&s->counters_lock);
        free(s);
        return r;
    }
    loop_flush_hook(&s->loop, on_flush, s);
    loop_gate(&s->loop, on_gate, s);
    r = place_init(&s->place, cfg);
    r = r ? r : place_open(&s->place, cfg->directory, &s->database, why, why_n);
    if (r == 0) {
        r = incarnation_find(s, cfg->directory);
        if (r)
            database_why(&s->database, SQLITE_ERROR, why, why_n);
        r = r > 0 ? -EUCLEAN : r;
    }
    if (r) {
        if (!*why)
            snprintf(why, why_n, "%s", strerror(-r));
        store_close(s);
        return r;
    }
    *out = s;
    return 0;
}

int store_read(struct store *s, enum keep_table table,
               int (*each)(void *ctx, const struct keep_record *record), void *ctx)
{
    int each_result, r = database_read(&s->database, ALL_RECORDS, table, each, ctx, &each_result);

    r = despite_damage(s, &s->database, r);
    return each_result ? each_result : r;
}

int store_read_share(struct store *s, enum keep_table table, unsigned worker, unsigned workers,
                     int (*each)(void *ctx, const struct keep_record *record), void *ctx)
{
    const struct database_config cfg = place_config(&s->place);
    int each_result = 0, r;
    struct database d;
    char which[64];

    snprintf(which, sizeof(which), "(number %% %d) %% %u = %u", TOLD_CLASSES, workers, worker);
    r = database_open_reader(&d, &cfg);
    if (r)
        return r < 0 ? r : -EUCLEAN;
    r = despite_damage(s, &d, database_read(&d, which, table, each, ctx, &each_result));
    database_close(&d);
    return each_result ? each_result : r;
}

uint64_t store_incarnation(const struct store *s)
{
    return s->incarnation;
}

uint64_t store_identity(const struct store *s)
{
    return s->identity;
}

struct str store_nonce_key(const struct store *s)
{
    return (struct str){ s->nonce_key, sizeof(s->nonce_key) };
}

void store_ledger_add(struct store *s, struct ledger *l)
{
    list_append(&s->ledgers, &l->link);
}

static void *store_main(void *arg)
{
    struct store *s = arg;

    (void)!pthread_setname_np(pthread_self(), "store");
    timer_start(&s->loop.wheel, &s->look, s->damaged ? 0 : LOOK_IDLE_MS);
    loop_run(&s->loop);
    return NULL;
}

int store_start(struct store *s, char *why, size_t why_n)
{
    const struct database_config cfg = place_config(&s->place);
    int r = incarnation_begin(s);

    if (r) {
        database_why(&s->database, SQLITE_ERROR, why, why_n);
        return r > 0 ? -EUCLEAN : r;
    }
    sqlite3_busy_timeout(s->database.sql, 0); /* whoever waits is answered */
    r = checkpointer_create(&s->checkpointer, &cfg, &s->place.readers, s->log);
    r = r ? r : -pthread_create(&s->thread, NULL, store_main, s);
    s->started = r == 0;
    if (r)
        snprintf(why, why_n, "%s", strerror(-r));
    return r;
}

/* Behind everything that was posted. */
static void stop_run(struct inbox_message *m, void *owner)
{
    struct store *s = owner;

    free(m);
    s->gathered = false;
    if (!list_empty(&s->group))
        group_commit(s);
    if (!list_empty(&s->group))
        log_error(s->log, "store.lost", KV_U("records", s->group_records),
                  KV("why", s->counters.why));
    loop_stop(&s->loop);
}

static void stop_drop(struct inbox_message *m)
{
    free(m);
}

void store_stop(struct store *s)
{
    struct inbox_message *m;

    if (!s->started)
        return;
    m = inbox_message_alloc(s->log, sizeof(*m));
    *m = (struct inbox_message){ .run = stop_run, .drop = stop_drop };
    list_init(&m->link);
    inbox_post_always(&s->loop.inbox, m);
    pthread_join(s->thread, NULL);
    s->started = false;
    checkpointer_destroy(
        s->checkpointer); /* the numbers of its files may be others' at an upgrade */
    s->checkpointer = NULL;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_stop(s);
    BUG_UNLESS(list_empty(&s->ledgers));
    inbox_close(&s->loop.inbox);
    group_drop(s);
    timer_stop(&s->loop.wheel, &s->retry);
    timer_stop(&s->loop.wheel, &s->look);
    loop_fini(&s->loop);
    checkpointer_destroy(s->checkpointer);
    database_close(&s->database);
    place_fini(&s->place);
    pthread_mutex_destroy(&s->counters_lock);
    free(s);
}

/* ---- questions ---- */

int store_probe(struct str directory, char *why, size_t why_n)
{
    char path[PLACE_ROOM];
    const struct database_config cfg = { .path = path };

    *why = '\0';
    if (snprintf(path, sizeof(path), "%.*s/extstate.db", STR_FMT(directory)) < PLACE_ROOM)
        return database_probe(&cfg, why, why_n);
    snprintf(why, why_n, "its path is too long");
    return -ENAMETOOLONG;
}

bool store_fails(const struct store *s)
{
    return atomic_load(&s->failing) || atomic_load(&s->late);
}

void store_counters_get(struct store *s, struct store_counters *out)
{
    pthread_mutex_lock(&s->counters_lock);
    *out = s->counters;
    pthread_mutex_unlock(&s->counters_lock);
    out->failing = store_fails(s);
    out->waiting_bytes = out->failing ? out->waiting_bytes + atomic_load(&s->posted) : 0;
}

int store_backup(struct store *s, struct str file, char *why, size_t why_n)
{
    const struct database_config cfg = place_config(&s->place);
    char path[PLACE_ROOM];
    int r;

    if (snprintf(path, sizeof(path), "%.*s", STR_FMT(file)) >= PLACE_ROOM) {
        snprintf(why, why_n, "the path is too long");
        return -ENAMETOOLONG;
    }
    if (place_is_own_name(&s->place, file)) {
        snprintf(why, why_n, "that name is the store's own");
        return -EINVAL;
    }
    pthread_rwlock_rdlock(&s->place.readers);
    r = database_backup(&cfg, path, why, why_n);
    pthread_rwlock_unlock(&s->place.readers);
    return r;
}

int store_verify(struct store *s, void (*each)(void *ctx, const struct keep_record *record),
                 void *ctx, char *why, size_t why_n)
{
    const struct database_config cfg = place_config(&s->place);
    int r;

    pthread_rwlock_rdlock(&s->place.readers);
    r = database_verify(&cfg, each, ctx, why, why_n);
    pthread_rwlock_unlock(&s->place.readers);

    if (r == -EUCLEAN && !atomic_exchange(&s->damaged, true))
        log_error(s->log, "store.damaged", KV("file", s->place.path), KV("why", why));
    return r;
}

const char *store_path(const struct store *s)
{
    return s->place.path;
}

const char *store_table_name(enum keep_table table)
{
    return database_table_name(table);
}
