// SPDX-License-Identifier: MIT
#include "feed/change_json.h"
#include "journal/journal_internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WAITING_MAX = 32 << 20,
    BATCH_BYTES = 256 << 10, /* goes when it is as large, or when a turn ends */
    DETAIL_MAX = 64 << 10,
    INBOX_HIGH = 65536,
    RETRY_MS = 10000, /* after a failure; what comes meanwhile is lost */
    PRUNE_MS = 60000,
    TIDY_EVERY = 60, /* times that it was pruned */
    WHY_MAX = 128,
};

struct batch {
    struct inbox_message m;
    struct journal *journal;
    uint64_t lost;   /* before it */
    struct buf rows; /* struct row_head, name, detail; without gaps */
};

struct journal {
    struct loop loop; /* its owner is this struct */
    struct log *log;
    const struct clock *clock;
    char *path, *damaged;
    struct str version; /* on the heap */
    size_t waiting_max;
    pthread_t thread;
    bool started;

    /* of the edge thread */
    struct feed *feed;
    struct feed_consumer consumer;
    bool attached;
    struct batch *batch;
    struct buf scratch;
    uint64_t lost; /* since the last batch */

    /* any thread */
    atomic_size_t waiting;
    pthread_mutex_t lock; /* of: */
    struct journal_counters counters;

    /* its own */
    struct rng rng;
    struct journal_file file;
    struct timer prune;
    struct journal_settings settings;
    bool enabled;
    uint64_t retry_ms;  /* not before that; 0: all is well */
    uint64_t unwritten; /* rows lost that no row tells yet */
    uint64_t pending;   /* in the transaction */
    unsigned prunes;
};

/* ---- counters ---- */

static void lost_add(struct journal *j, uint64_t n)
{
    pthread_mutex_lock(&j->lock);
    j->counters.lost += n;
    pthread_mutex_unlock(&j->lock);
}

void journal_counters_get(struct journal *j, struct journal_counters *out)
{
    pthread_mutex_lock(&j->lock);
    *out = j->counters;
    pthread_mutex_unlock(&j->lock);
}

/* ---- the edge thread: gathering ---- */

static void batch_free(struct batch *b)
{
    buf_fini(&b->rows);
    free(b);
}

static void batch_drop(struct inbox_message *m)
{
    struct batch *b = CONTAINER_OF(m, struct batch, m);

    atomic_fetch_sub(&b->journal->waiting, b->rows.n);
    batch_free(b);
}

static void batch_run(struct inbox_message *m, void *owner);

static void batch_post(struct journal *j)
{
    struct batch *b = j->batch;

    if (!b)
        return;
    j->batch = NULL;
    b->lost = j->lost;
    j->lost = 0;
    atomic_fetch_add(&j->waiting, b->rows.n);
    inbox_post_always(&j->loop.inbox, &b->m);
}

static struct batch *batch_get(struct journal *j)
{
    struct batch *b = j->batch;

    if (b)
        return b;
    b = malloc(sizeof(*b));
    if (!b)
        return NULL;
    *b = (struct batch){ .m = { .run = batch_run, .drop = batch_drop }, .journal = j };
    list_init(&b->m.link);
    buf_init(&b->rows, SIZE_MAX / 2);
    j->batch = b;
    return b;
}

/* What is under way is told again by its answer. */
static bool is_kept(const struct change *c)
{
    return !(c->kind == CHANGE_NOTIFY && c->notify.what == EXCHANGE_SENT) &&
           !(c->kind == CHANGE_PUBLISH && c->publish.what == EXCHANGE_SENT);
}

static bool row_add(struct journal *j, const struct change *c)
{
    struct row_head head = { .at_ms = c->wall_ms, .cause = c->cause.number, .kind = c->kind };
    struct buf *text = &j->scratch;
    struct json out = json_on(text);
    struct batch *b;

    buf_reset(text);
    change_print_name(c, text);
    head.name_n = (uint32_t)text->n;
    json_add_object(&out, NULL);
    change_print_json(c, &out);
    json_end_object(&out);
    b = text->error ? NULL : batch_get(j);
    if (!b)
        return false;
    head.detail_n = (uint32_t)text->n - head.name_n;
    buf_add(&b->rows, (struct str){ (const char *)&head, sizeof(head) });
    buf_add(&b->rows, buf_str(text));
    return true;
}

static void on_change(void *ctx, const struct change *c)
{
    struct journal *j = ctx;

    if (!is_kept(c))
        return;
    if (atomic_load_explicit(&j->waiting, memory_order_relaxed) > j->waiting_max ||
        !row_add(j, c)) {
        j->lost++;
        return;
    }
    if (j->batch->rows.n >= BATCH_BYTES)
        batch_post(j);
}

static void on_turn(void *ctx)
{
    batch_post(ctx);
}

/* ---- failing ---- */

static void failed(struct journal *j, const char *why)
{
    bool first = j->retry_ms == 0;

    file_rollback(&j->file);
    j->retry_ms = clock_monotonic_ms(j->clock) + RETRY_MS;
    j->unwritten += j->pending;
    lost_add(j, j->pending);
    j->pending = 0;
    pthread_mutex_lock(&j->lock);
    j->counters.failures++;
    j->counters.failing = true;
    snprintf(j->counters.why, sizeof(j->counters.why), "%s", why);
    pthread_mutex_unlock(&j->lock);
    if (first)
        log_error(j->log, "journal.fails", KV("file", j->path), KV("why", why));
}

static void works_again(struct journal *j)
{
    j->retry_ms = 0;
    pthread_mutex_lock(&j->lock);
    j->counters.failing = false;
    pthread_mutex_unlock(&j->lock);
    log_info(j->log, "journal.works_again", KV("file", j->path), KV_U("lost", j->unwritten));
}

/* Whatever is in it, it must not be in the way of what happens now. */
static void set_aside(struct journal *j, const char *why)
{
    char beside[4200];

    file_close(&j->file);
    log_error(j->log, "journal.damaged", KV("file", j->path), KV("kept_as", j->damaged),
              KV("why", why));
    if (rename(j->path, j->damaged))
        (void)!unlink(j->path);
    snprintf(beside, sizeof(beside), "%s-wal", j->path);
    (void)!unlink(beside);
    snprintf(beside, sizeof(beside), "%s-shm", j->path);
    (void)!unlink(beside);
}

static int open_file(struct journal *j, char *why)
{
    sql_file_make(j->path);
    return file_open(&j->file, j->path, clock_wall_ms(j->clock), j->version, &j->rng, why, WHY_MAX);
}

/* The file is open, or it is known not to be for a while. */
static bool ready(struct journal *j)
{
    char why[WHY_MAX];
    int r;

    if (j->retry_ms && clock_monotonic_ms(j->clock) < j->retry_ms)
        return false;
    if (j->file.sql)
        return true;
    r = open_file(j, why);
    if (r == SQL_DAMAGED) {
        set_aside(j, why);
        r = open_file(j, why);
    }
    if (r)
        failed(j, why);
    return r == 0;
}

/* Of a file that is open. */
static void failed_with(struct journal *j, int r)
{
    char why[WHY_MAX];

    file_why(&j->file, why, sizeof(why));
    if (r == SQL_DAMAGED) {
        file_rollback(&j->file);
        set_aside(j, why);
    }
    failed(j, why);
}

/* ---- writing ---- */

static int put_lost(struct journal *j)
{
    const struct change c = { .kind = CHANGE_LOST,
                              .wall_ms = clock_wall_ms(j->clock),
                              .lost = { .n = j->unwritten, .kinds = j->settings.kinds } };
    char room[1024];
    struct buf text;
    struct json out;
    struct row_head head = { .at_ms = c.wall_ms, .kind = CHANGE_LOST };

    buf_init_on(&text, room, sizeof(room));
    out = json_on(&text);
    json_add_object(&out, NULL);
    change_print_json(&c, &out);
    json_end_object(&out);
    head.detail_n = (uint32_t)text.n;
    return file_put(&j->file, &head, text.p);
}

static uint64_t rows_count(const struct buf *rows)
{
    struct row_head head;
    uint64_t n = 0;

    for (size_t at = 0; at < rows->n; at += sizeof(head) + head.name_n + head.detail_n, n++)
        memcpy(&head, rows->p + at, sizeof(head));
    return n;
}

static int put_rows(struct journal *j, const struct buf *rows)
{
    struct row_head head;
    int r = 0;

    if (j->unwritten) {
        r = put_lost(j);
        if (!r)
            j->unwritten = 0;
    }
    for (size_t at = 0; at < rows->n && r == 0; at += head.name_n + head.detail_n) {
        memcpy(&head, rows->p + at, sizeof(head));
        at += sizeof(head);
        r = file_put(&j->file, &head, rows->p + at);
    }
    return r;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void batch_write(struct journal *j, const struct batch *b)
{
    uint64_t n = rows_count(&b->rows), begun_us = now_us();
    int r;

    lost_add(j, b->lost);
    j->unwritten += b->lost;
    if (!j->enabled)
        return;
    j->pending += n;
    if (!ready(j)) {
        j->unwritten += j->pending;
        lost_add(j, j->pending);
        j->pending = 0;
        return;
    }
    r = put_rows(j, &b->rows);
    if (r)
        failed_with(j, r);
    pthread_mutex_lock(&j->lock);
    j->counters.write_us += now_us() - begun_us;
    pthread_mutex_unlock(&j->lock);
}

static void batch_run(struct inbox_message *m, void *owner)
{
    batch_write(owner, CONTAINER_OF(m, struct batch, m));
    batch_drop(m);
}

/* What came in this turn is one transaction. */
static void on_flush(void *ctx)
{
    struct journal *j = ctx;
    uint64_t begun_us = now_us();
    int r;

    if (!j->file.within)
        return;
    r = file_commit(&j->file);
    if (r) {
        failed_with(j, r);
        return;
    }
    if (j->retry_ms)
        works_again(j);
    pthread_mutex_lock(&j->lock);
    j->counters.written += j->pending;
    j->counters.transactions++;
    j->counters.write_us += now_us() - begun_us;
    pthread_mutex_unlock(&j->lock);
    j->pending = 0;
}

/* ---- retention ---- */

/* Some of what is too old, or too much. */
static int prune_some(struct journal *j, bool *more)
{
    uint64_t now_ms = clock_wall_ms(j->clock), age_ms = UINT64_C(1000) * j->settings.keep_s;
    int r = file_forget(&j->file, now_ms > age_ms ? now_ms - age_ms : 0, false, more);

    if (r == 0 && !*more && file_bytes(&j->file) > (uint64_t)j->settings.max_mib << 20) {
        r = file_forget(&j->file, 0, true, more);
        *more = r == 0;
    }
    if (r == 0 && j->prunes++ % TIDY_EVERY == 0)
        r = file_tidy(&j->file);
    return r ? r : file_shrink(&j->file);
}

static void on_prune(struct timer *t)
{
    struct journal *j = CONTAINER_OF(t, struct journal, prune);
    bool more = false;
    int r;

    if (!j->enabled)
        return;
    on_flush(j);
    if (ready(j)) {
        r = prune_some(j, &more);
        if (r)
            failed_with(j, r);
    }
    pthread_mutex_lock(&j->lock);
    j->counters.bytes = j->file.sql ? file_bytes(&j->file) : 0;
    j->counters.oldest_wall_ms = j->file.sql ? file_begins(&j->file) : 0;
    pthread_mutex_unlock(&j->lock);
    timer_start(&j->loop.wheel, &j->prune, more ? 0 : PRUNE_MS);
}

/* ---- settings ---- */

struct settings_message {
    struct inbox_message m;
    struct journal_settings settings;
};

static void settings_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct settings_message, m));
}

static void settings_run(struct inbox_message *m, void *owner)
{
    struct journal *j = owner;

    j->settings = CONTAINER_OF(m, struct settings_message, m)->settings;
    j->enabled = j->settings.enabled;
    settings_drop(m);
    pthread_mutex_lock(&j->lock);
    j->counters.enabled = j->enabled;
    pthread_mutex_unlock(&j->lock);
    if (j->enabled) {
        timer_start(&j->loop.wheel, &j->prune, 0);
        return;
    }
    on_flush(j);
    timer_stop(&j->loop.wheel, &j->prune);
    file_close(&j->file);
}

void journal_configure(struct journal *j, struct feed *feed, const struct journal_settings *s)
{
    struct settings_message *m = inbox_message_alloc(j->log, sizeof(*m));

    *m = (struct settings_message){ .m = { .run = settings_run, .drop = settings_drop },
                                    .settings = *s };
    list_init(&m->m.link);
    if (j->attached)
        feed_unsubscribe(j->feed, &j->consumer);
    j->attached = s->enabled;
    j->feed = feed;
    j->consumer = (struct feed_consumer){
        .kinds = s->kinds | CHANGE_BIT(CHANGE_LOST), .each = on_change, .turn = on_turn, .ctx = j
    };
    batch_post(j);
    inbox_post_always(&j->loop.inbox, &m->m);
    if (s->enabled)
        feed_subscribe(feed, &j->consumer);
}

/* ---- reading ---- */

struct loop *journal_loop(struct journal *j)
{
    return &j->loop;
}

/* 0 with everything written that has come, or a journal_outcome. */
static int readable(struct journal *j)
{
    if (!j->enabled)
        return JOURNAL_OFF;
    on_flush(j);
    return ready(j) ? 0 : JOURNAL_FAILS;
}

int journal_each(struct journal *j, const struct journal_query *q, journal_row_fn each, void *ctx)
{
    sqlite3_stmt *st;
    int r = readable(j);

    if (r)
        return r;
    st = j->file.statements[STATEMENT_BY_NAME];
    if (q->name.n)
        sqlite3_bind_text(st, 1, q->name.p, (int)q->name.n, SQLITE_STATIC);
    else
        sqlite3_bind_null(st, 1);
    sqlite3_bind_int64(st, 2, (int64_t)q->since_ms);
    sqlite3_bind_int64(st, 3, q->until_ms ? (int64_t)q->until_ms : INT64_MAX);
    sqlite3_bind_int64(st, 4, file_kinds(q->kinds));
    sqlite3_bind_int64(st, 5, q->limit);
    return file_rows(&j->file, STATEMENT_BY_NAME, each, ctx);
}

int journal_next(struct journal *j, struct str name, unsigned kinds, uint64_t after_ms,
                 journal_row_fn each, void *ctx)
{
    sqlite3_stmt *st;
    int r = readable(j);

    if (r)
        return r;
    st = j->file.statements[STATEMENT_NEXT];
    sqlite3_bind_text(st, 1, name.n ? name.p : "", (int)name.n, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, (int64_t)after_ms);
    sqlite3_bind_int64(st, 3, file_kinds(kinds));
    return file_rows(&j->file, STATEMENT_NEXT, each, ctx);
}

/* What makes a state, rather than comes of it. */
#define CHANGES_BEFORE                                                                      \
    (CHANGE_BIT(CHANGE_DEVICE) | CHANGE_BIT(CHANGE_PRESENCE) | CHANGE_BIT(CHANGE_MAILBOX) | \
     CHANGE_BIT(CHANGE_PUBLICATION) | CHANGE_BIT(CHANGE_SOURCE) | CHANGE_BIT(CHANGE_CONTACT))

/* Of a member of a list, what it showed; of a list, who was told of that. */
#define CHANGES_OF_MEMBERS CHANGE_BIT(CHANGE_SNAPSHOT)
#define CHANGES_OF_LISTS (CHANGE_BIT(CHANGE_SNAPSHOT) | CHANGE_BIT(CHANGE_NOTIFY))

static void bind_text(sqlite3_stmt *st, int at, struct str text)
{
    sqlite3_bind_text(st, at, text.n ? text.p : "", (int)text.n, SQLITE_STATIC);
}

int journal_chain(struct journal *j, const struct journal_chain_query *q, journal_row_fn each,
                  void *ctx)
{
    sqlite3_stmt *st;
    int r = readable(j);

    if (r)
        return r;
    st = j->file.statements[STATEMENT_BY_CAUSE];
    sqlite3_bind_int64(st, 1, (int64_t)q->run);
    sqlite3_bind_int64(st, 2, (int64_t)q->cause);
    sqlite3_bind_int64(st, 3, q->until_ms ? (int64_t)q->until_ms : INT64_MAX);
    bind_text(st, 4, q->names);
    sqlite3_bind_int64(st, 5, file_kinds(CHANGES_BEFORE));
    bind_text(st, 6, q->hinted);
    sqlite3_bind_int64(st, 7, q->limit);
    sqlite3_bind_int64(st, 8, file_kinds(CHANGES_OF_MEMBERS));
    bind_text(st, 9, q->members);
    sqlite3_bind_int64(st, 10, file_kinds(CHANGES_OF_LISTS));
    bind_text(st, 11, q->lists);
    return file_rows(&j->file, STATEMENT_BY_CAUSE, each, ctx);
}

int journal_watchers(struct journal *j, struct str name, uint64_t at_ms, journal_row_fn each,
                     void *ctx)
{
    sqlite3_stmt *st;
    int r = readable(j);

    if (r)
        return r;
    st = j->file.statements[STATEMENT_WATCHERS];
    sqlite3_bind_text(st, 1, name.n ? name.p : "", (int)name.n, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, at_ms ? (int64_t)at_ms : INT64_MAX);
    return file_rows(&j->file, STATEMENT_WATCHERS, each, ctx);
}

uint64_t journal_begins(struct journal *j)
{
    return readable(j) ? 0 : file_begins(&j->file);
}

uint64_t journal_run(struct journal *j)
{
    return j->file.run;
}

int journal_check(struct journal *j, char *why, size_t why_n)
{
    int r = readable(j);

    return r ? r : file_check(&j->file, why, why_n);
}

/* ---- life ---- */

static void *journal_main(void *arg)
{
    struct journal *j = arg;

    (void)!pthread_setname_np(pthread_self(), "journal");
    loop_run(&j->loop);
    return NULL;
}

static int paths_make(struct journal *j, struct str directory)
{
    struct str name = STR("/journal.db"), aside = STR("/journal.db.damaged");

    j->path = malloc(directory.n + name.n + 1);
    j->damaged = malloc(directory.n + aside.n + 1);
    if (!j->path || !j->damaged)
        return -ENOMEM;
    snprintf(j->path, directory.n + name.n + 1, "%.*s%s", STR_FMT(directory), name.p);
    snprintf(j->damaged, directory.n + aside.n + 1, "%.*s%s", STR_FMT(directory), aside.p);
    return 0;
}

static void journal_free(struct journal *j)
{
    if (j->batch)
        batch_free(j->batch);
    buf_fini(&j->scratch);
    pthread_mutex_destroy(&j->lock);
    str_free(&j->version);
    free(j->damaged);
    free(j->path);
    free(j);
}

int journal_create(struct journal **out, const struct journal_config *cfg)
{
    struct journal *j = calloc(1, sizeof(*j));
    int r;

    if (!j)
        return -ENOMEM;
    j->log = cfg->log;
    j->clock = cfg->clock;
    j->waiting_max = cfg->waiting_max ? cfg->waiting_max : WAITING_MAX;
    atomic_init(&j->waiting, 0);
    pthread_mutex_init(&j->lock, NULL);
    buf_init(&j->scratch, DETAIL_MAX);
    rng_init_system(&j->rng);
    timer_init(&j->prune, on_prune);
    r = paths_make(j, cfg->directory);
    r = r ? r : str_dup(&j->version, cfg->version);
    r = r ? r : loop_init(&j->loop, cfg->clock, j, INBOX_HIGH);
    if (r) {
        journal_free(j);
        return r;
    }
    loop_flush_hook(&j->loop, on_flush, j);
    r = -pthread_create(&j->thread, NULL, journal_main, j);
    if (r) {
        loop_fini(&j->loop);
        journal_free(j);
        return r;
    }
    j->started = true;
    *out = j;
    return 0;
}

static void stop_run(struct inbox_message *m, void *owner)
{
    struct journal *j = owner;

    free(m);
    on_flush(j);
    loop_stop(&j->loop);
}

static void stop_drop(struct inbox_message *m)
{
    free(m);
}

void journal_stop(struct journal *j)
{
    struct inbox_message *m;

    if (!j || !j->started)
        return;
    if (j->attached)
        feed_unsubscribe(j->feed, &j->consumer);
    j->attached = false;
    batch_post(j);
    m = inbox_message_alloc(j->log, sizeof(*m));
    *m = (struct inbox_message){ .run = stop_run, .drop = stop_drop };
    list_init(&m->link);
    inbox_post_always(&j->loop.inbox, m);
    pthread_join(j->thread, NULL);
    j->started = false;
}

void journal_destroy(struct journal *j)
{
    if (!j)
        return;
    journal_stop(j);
    inbox_close(&j->loop.inbox); /* jobs under way go home */
    timer_stop(&j->loop.wheel, &j->prune);
    loop_flush_hook(&j->loop, NULL, NULL);
    loop_fini(&j->loop);
    file_close(&j->file);
    journal_free(j);
}
