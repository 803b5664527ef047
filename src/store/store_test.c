// SPDX-License-Identifier: MIT
/* With real files, and a file system of SQLite's between that fails when a test wants it to. */
#include "base/buf.h"
#include "store/store_internal.h"
#include "store/told.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAITING_BYTES_MAX = 1 << 20 };

/* ---- an owner ---- */

struct owner {
    struct loop loop; /* run by the test, turn by turn */
    struct ledger ledger;
    struct keep keep;
    struct keep_wait wait;
    bool waits;
    int result; /* of what was waited for last */
    unsigned rewrites;
    bool has_nothing; /* to put again */
};

struct fixture {
    char directory[128];
    struct store *store;
    struct owner owner;
    char why[256];
};

static void on_done(struct keep_wait *w, int result)
{
    struct owner *o = CONTAINER_OF(w, struct owner, wait);

    o->waits = false;
    o->result = result;
}

static void put_number(struct owner *o, uint64_t number, const char *bytes)
{
    keep_put(&o->keep, &(struct keep_record){
                           .table = KEEP_SUBSCRIPTION, .number = number, .bytes = str_of(bytes) });
}

static void on_rewrite(void *ctx)
{
    struct owner *o = ctx;

    o->rewrites++;
    if (o->has_nothing)
        return;
    put_number(o, 1, "again");
}

static atomic_llong wall_wrong_ms;

static uint64_t monotonic_ms(void *ctx)
{
    (void)ctx;
    return clock_monotonic_ms(&clock_system);
}

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return clock_wall_ms(&clock_system) + (uint64_t)atomic_load(&wall_wrong_ms);
}

static const struct clock test_clock = { .monotonic_ms = monotonic_ms, .wall_ms = wall_ms };

static int open_with(struct fixture *f, const char *vfs)
{
    return store_open(&f->store,
                      &(struct store_config){ .directory = str_of(f->directory),
                                              .durability = STORE_NORMAL,
                                              .clock = &test_clock,
                                              .vfs = vfs,
                                              .waiting_bytes_max = WAITING_BYTES_MAX },
                      f->why, sizeof(f->why));
}

static void own(struct fixture *f)
{
    struct owner *o = &f->owner;

    *o = (struct owner){ .wait = { .done = on_done } };
    assert_int_equal(loop_init(&o->loop, &clock_system, o, 1000), 0);
    ledger_init(&o->ledger, &(struct ledger_config){ .store = f->store,
                                                     .home = &o->loop.inbox,
                                                     .wheel = &o->loop.wheel,
                                                     .ctx = o,
                                                     .rewrite = on_rewrite });
    o->keep = ledger_keep(&o->ledger);
}

static void begin(struct fixture *f, const char *vfs)
{
    assert_int_equal(open_with(f, vfs), 0);
    own(f);
    assert_int_equal(store_start(f->store, f->why, sizeof(f->why)), 0);
}

static void end(struct fixture *f)
{
    store_stop(f->store);
    ledger_fini(&f->owner.ledger);
    store_close(f->store);
    f->store = NULL;
    loop_fini(&f->owner.loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->directory, sizeof(f->directory), "/tmp/store_test.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[160];

    snprintf(command, sizeof(command), "rm -r %s", f->directory);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* Until `done`, at most some seconds. */
#define WAIT_FOR(f, done)                           \
    do {                                            \
        unsigned tries_ = 0;                        \
        while (!(done)) {                           \
            assert_true(tries_++ < 10000);          \
            usleep(1000);                           \
            inbox_run(&(f)->owner.loop.inbox, 100); \
            ledger_flush(&(f)->owner.ledger);       \
        }                                           \
    } while (0)

/* How the store got on with what has been put. */
static int written(struct fixture *f)
{
    f->owner.waits = true;
    keep_wait(&f->owner.keep, &f->owner.wait);
    ledger_flush(&f->owner.ledger);
    WAIT_FOR(f, !f->owner.waits);
    return f->owner.result;
}

/* ---- reading ---- */

static int add_text(void *ctx, const struct keep_record *k)
{
    struct buf *b = ctx;

    if (k->table < KEEP_NUMBERED)
        buf_add_u64(b, k->number);
    else
        buf_add(b, k->name);
    buf_add_char(b, '=');
    buf_add(b, k->bytes);
    buf_add_char(b, ' ');
    return 0;
}

/* Before the thread runs. */
static void assert_reads(struct fixture *f, enum keep_table table, const char *expected)
{
    struct buf b;

    buf_init(&b, 4096);
    assert_int_equal(store_read(f->store, table, add_text, &b), 0);
    buf_add_char(&b, '\0');
    assert_int_equal(b.error, 0);
    assert_string_equal(b.p, expected);
    buf_fini(&b);
}

static void assert_has(struct fixture *f, enum keep_table table, const char *expected)
{
    assert_int_equal(open_with(f, NULL), 0);
    assert_reads(f, table, expected);
    store_close(f->store);
}

/* ---- tests ---- */

static void test_what_was_put_is_there_the_next_time(void **state)
{
    struct fixture *f = *state;

    begin(f, NULL);
    put_number(&f->owner, 7, "seven");
    put_number(&f->owner, 9, "nine");
    keep_put(&f->owner.keep, &(struct keep_record){ .table = KEEP_DEVICE,
                                                    .name = STR("Custom:a"),
                                                    .bytes = STR("INUSE") });
    assert_int_equal(written(f), 0);
    put_number(&f->owner, 7, "seven again");
    keep_forget(&f->owner.keep, KEEP_SUBSCRIPTION, 9);
    keep_forget(&f->owner.keep, KEEP_SUBSCRIPTION, 11); /* was never there */
    assert_int_equal(written(f), 0);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "7=seven again ");
    assert_has(f, KEEP_DEVICE, "Custom:a=INUSE ");
}

/* As everything is that is put again by the owner of a million subscriptions. */
static void test_much_is_written_like_little(void **state)
{
    static char bytes[WAITING_BYTES_MAX + 1];
    struct fixture *f = *state;

    memset(bytes, 'x', sizeof(bytes));
    begin(f, NULL);
    keep_put(&f->owner.keep, &(struct keep_record){ .table = KEEP_SUBSCRIPTION,
                                                    .number = 2,
                                                    .bytes = { bytes, sizeof(bytes) } });
    assert_int_equal(written(f), 0);
    assert_int_equal(f->owner.rewrites, 0);
    end(f);
}

static void test_what_is_posted_is_written_before_the_end(void **state)
{
    struct fixture *f = *state;

    begin(f, NULL);
    for (uint64_t i = 1; i <= 3; i++) {
        put_number(&f->owner, i, "x");
        ledger_flush(&f->owner.ledger);
    }
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=x 2=x 3=x ");
}

static void path_of(const struct fixture *f, const char *name, char path[static 128])
{
    snprintf(path, 128, "%.100s/%s", f->directory, name);
}

static mode_t mode_of(struct fixture *f, const char *name)
{
    char path[128];
    struct stat st;

    path_of(f, name, path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* A key is in it, and who watches whom. */
static void test_the_file_is_for_its_owner(void **state)
{
    struct fixture *f = *state;
    mode_t mask = umask(0);

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    umask(mask);
    assert_int_equal(mode_of(f, "extstate.db"), 0640);
    assert_int_equal(mode_of(f, "extstate.db-wal"), 0640);
    end(f);
}

static void test_each_start_has_a_number(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 1; i < 4; i++) {
        assert_int_equal(open_with(f, NULL), 0);
        assert_int_equal(store_incarnation(f->store), i);
        store_close(f->store); /* it has not begun, so the next one is as if it had not been */
        begin(f, NULL);
        assert_int_equal(store_incarnation(f->store), i);
        end(f);
    }
}

/* A copy is used again, after others were counted from it already: what was told last knows. */
static void test_a_former_file_goes_on_from_what_was_told(void **state)
{
    static const struct {
        uint64_t told, of; /* incarnation, added to the store's identity */
        uint64_t expected;
    } cases[] = { { 1, 0, 2 }, { 40, 0, 42 }, { 90, 1, 43 } };
    struct fixture *f = *state;

    begin(f, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t identity = store_identity(f->store) + cases[i].of;
        struct told *told;

        end(f);
        assert_int_equal(told_open(&told, &(struct told_config){ .directory = str_of(f->directory),
                                                                 .identity = identity,
                                                                 .incarnation = cases[i].told,
                                                                 .workers = 1 }),
                         0);
        told_begin(told);
        told_close(told);
        begin(f, NULL);
        assert_int_equal(store_incarnation(f->store), cases[i].expected);
    }
    end(f);
}

static void test_a_directory_has_one_store(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;

    assert_int_equal(open_with(f, NULL), 0);
    assert_int_equal(open_with(&other, NULL), -EBUSY);
    assert_non_null(strstr(other.why, "another extstated"));
    store_close(f->store);
}

static void test_a_directory_that_is_none_is_an_error_with_a_reason(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;

    snprintf(other.directory, sizeof(other.directory), "%.100s/missing", f->directory);
    assert_true(open_with(&other, NULL) < 0);
    assert_non_null(strstr(other.why, "No such file"));
}

static void test_a_schema_of_the_future_is_left_alone(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sqlite3 *sql;

    assert_int_equal(open_with(f, NULL), 0);
    assert_int_equal(store_probe(str_of(f->directory), f->why, sizeof(f->why)), 0);
    store_close(f->store);
    path_of(f, "extstate.db", path);
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(sql);
    assert_int_equal(open_with(f, NULL), -EPROTO);
    assert_non_null(strstr(f->why, "99"));
    *f->why = '\0';
    assert_int_equal(store_probe(str_of(f->directory), f->why, sizeof(f->why)), -EPROTO);
    assert_non_null(strstr(f->why, "99"));
}

static void damage(struct fixture *f, off_t at)
{
    static const char junk[8192] = "no database";
    char path[128];
    int fd;

    path_of(f, "extstate.db", path);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
    close(fd);
}

/* The first page of a table. */
static long root_of(struct fixture *f, const char *table)
{
    char path[128];
    sqlite3_stmt *st;
    sqlite3 *sql;
    long page;

    path_of(f, "extstate.db", path);
    assert_int_equal(sqlite3_open_v2(path, &sql, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sql, "SELECT rootpage FROM sqlite_schema WHERE name = ?1",
                                        -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    page = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return page;
}

static void damage_page(struct fixture *f, long page)
{
    static const char junk[4096] = "no page";
    char path[128];
    int fd;

    path_of(f, "extstate.db", path);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, junk, sizeof(junk), (page - 1) * (off_t)sizeof(junk)),
                     sizeof(junk));
    close(fd);
}

static unsigned files_damaged(struct fixture *f)
{
    char command[200], line[32] = "";
    FILE *p;

    snprintf(command, sizeof(command), "ls %s | grep -c 'extstate.db.damaged-[0-9]*$'",
             f->directory);
    p = popen(command, "r");
    assert_non_null(p);
    assert_non_null(fgets(line, sizeof(line), p));
    pclose(p);
    return (unsigned)strtoul(line, NULL, 10);
}

/* What the file says of itself is lost, its records are not; and no number comes twice. */
static void test_a_damaged_self_begins_another_one(void **state)
{
    struct fixture *f = *state;
    uint64_t identity;
    struct told *told;

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    identity = store_identity(f->store);
    assert_int_equal(told_open(&told, &(struct told_config){ .directory = str_of(f->directory),
                                                             .identity = identity,
                                                             .incarnation = 4711,
                                                             .workers = 1 }),
                     0);
    told_begin(told);
    told_close(told);
    end(f);
    damage_page(f, root_of(f, "self"));
    assert_int_equal(open_with(f, NULL), 0);
    assert_true(store_identity(f->store) != identity);
    assert_true(store_incarnation(f->store) > 4711);
    assert_reads(f, KEEP_SUBSCRIPTION, "1=x ");
    own(f);
    assert_int_equal(store_start(f->store, f->why, sizeof(f->why)), 0);
    WAIT_FOR(f, f->owner.rewrites == 1);
    assert_int_equal(written(f), 0);
    identity = store_identity(f->store);
    end(f);
    assert_int_equal(files_damaged(f), 1);
    assert_int_equal(open_with(f, NULL), 0);
    assert_true(store_identity(f->store) == identity);
    store_close(f->store);
}

static void count_record(void *ctx, const struct keep_record *k)
{
    unsigned *counts = ctx;

    counts[k->table]++;
}

/* Nothing that is written comes near it. */
static void test_what_verify_finds_is_mended(void **state)
{
    struct fixture *f = *state;
    unsigned counts[KEEP_TABLES] = { 0 };
    char why[256];

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    end(f);
    begin(f, NULL);
    damage_page(f, root_of(f, "autohint"));
    assert_int_equal(store_verify(f->store, count_record, counts, why, sizeof(why)), -EUCLEAN);
    put_number(&f->owner, 1, "again");
    assert_int_equal(written(f), 0);
    WAIT_FOR(f, f->owner.rewrites == 1 && files_damaged(f) == 1);
    assert_int_equal(store_verify(f->store, count_record, counts, why, sizeof(why)), 0);
    assert_int_equal(mode_of(f, "extstate.db"), 0640);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

static void test_a_file_that_is_none_is_put_aside_and_a_new_one_begun(void **state)
{
    struct fixture *f = *state;

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    end(f);
    damage(f, 0);
    assert_has(f, KEEP_SUBSCRIPTION, "");
    assert_int_equal(files_damaged(f), 1);
}

static int mark(void *ctx, const struct keep_record *record)
{
    ((bool *)ctx)[record->number] = true;
    return 0;
}

/* What could be read is put again by its owner. */
static void test_a_damaged_page_has_the_file_replaced(void **state)
{
    struct fixture *f = *state;
    char long_text[600];
    bool seen[100] = { false };
    size_t n = 0;

    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    begin(f, NULL);
    for (uint64_t i = 1; i < 100; i++)
        put_number(&f->owner, i, long_text);
    assert_int_equal(written(f), 0);
    end(f);
    damage_page(f, 17); /* some leaf of the table */
    assert_int_equal(open_with(f, NULL), 0);
    assert_int_equal(store_read(f->store, KEEP_SUBSCRIPTION, mark, seen), 0);
    assert_true(seen[1] && seen[99]); /* what is before and behind it */
    for (uint64_t i = 1; i < 100; i++)
        n += seen[i];
    assert_in_range(n, 99 - 7, 98);
    own(f);
    assert_int_equal(store_start(f->store, f->why, sizeof(f->why)), 0);
    WAIT_FOR(f, f->owner.rewrites == 1);
    assert_int_equal(written(f), 0);
    end(f);
    assert_int_equal(files_damaged(f), 1);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

/* What a process that was killed leaves, with some bytes of its log changed. */
static unsigned lost_with(struct fixture *f, off_t at, const char *bytes, size_t n)
{
    char command[640], path[128], log[128], why[256];
    struct database d;
    unsigned lost;
    int fd;

    path_of(f, "copy.db", path);
    path_of(f, "copy.db-wal", log);
    snprintf(command, sizeof(command), "cp %s/extstate.db %s && cp %s/extstate.db-wal %s",
             f->directory, path, f->directory, log);
    assert_int_equal(system(command), 0);
    fd = open(log, O_WRONLY);
    assert_true(fd >= 0);
    if (at < 0)
        at += lseek(fd, 0, SEEK_END);
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
    assert_int_equal(database_open(&d, &(struct database_config){ .path = path }, why, sizeof(why)),
                     0);
    lost = d.lost;
    database_close(&d);
    return lost;
}

static void test_what_a_damaged_log_loses_is_known(void **state)
{
    enum { COMMITS = 6 };
    struct fixture *f = *state;

    begin(f, NULL);
    for (uint64_t i = 1; i <= COMMITS; i++) {
        put_number(&f->owner, i, "x");
        assert_int_equal(written(f), 0);
    }
    assert_int_equal(lost_with(f, 0, "", 0), 0);
    assert_int_equal(lost_with(f, -10, "damaged", 7), 0); /* as after any crash */
    assert_in_range(lost_with(f, 32 + 24 + 100, "damaged", 7), COMMITS - 1, COMMITS + 20);
    assert_int_equal(lost_with(f, 12, "damaged", 7), 1);
    assert_int_equal(lost_with(f, 0, "damaged", 7), 1);
    end(f);
}

static int add_name(void *ctx, const struct keep_record *record)
{
    unsigned *seen = ctx;
    uint64_t i = 0;

    assert_int_equal(str_to_u64(&i, str_sub(record->name, 1, record->name.n)), 0);
    seen[i]++;
    return 0;
}

static void test_damaged_names_are_read_from_both_ends(void **state)
{
    struct fixture *f = *state;
    unsigned seen[200] = { 0 }, n = 0;
    char text[600];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    begin(f, NULL);
    for (unsigned i = 100; i < 200; i++) {
        char name[8];

        snprintf(name, sizeof(name), "d%u", i);
        keep_put(&f->owner.keep, &(struct keep_record){ .table = KEEP_DEVICE,
                                                        .name = str_of(name),
                                                        .bytes = str_of(text) });
    }
    assert_int_equal(written(f), 0);
    end(f);
    damage_page(f, 20); /* one of them */
    assert_int_equal(open_with(f, NULL), 0);
    assert_int_equal(store_read(f->store, KEEP_DEVICE, add_name, seen), 0);
    assert_true(seen[100] && seen[199]);
    for (size_t i = 100; i < 200; i++) {
        assert_in_range(seen[i], 0, 1);
        n += seen[i];
    }
    assert_in_range(n, 100 - 7, 99);
    store_close(f->store);
}

/* ---- a disk that fails ---- */

static struct {        /* SQLite's methods have no place for a context */
    atomic_int result; /* of every write: an SQLite code, 0: it is done */
    atomic_bool hangs;
    atomic_bool held;     /* a write has come that hangs */
    atomic_bool unsynced; /* what is in the log */
} disk;

static sqlite3_vfs failing_vfs;
static sqlite3_io_methods failing_methods[2]; /* of the file, and of its log */
static int (*real_write)(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at);
static int (*real_sync)(sqlite3_file *file, int flags);

static bool is_log(const sqlite3_file *file)
{
    return file->pMethods == &failing_methods[1];
}

static int failing_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    int result = atomic_load(&disk.result);

    while (atomic_load(&disk.hangs)) {
        atomic_store(&disk.held, true);
        usleep(1000);
    }
    if (is_log(file))
        atomic_store(&disk.unsynced, true);
    errno = EROFS; /* what the real one leaves */
    return result ? result : real_write(file, bytes, n, at);
}

static int watched_sync(sqlite3_file *file, int flags)
{
    if (is_log(file))
        atomic_store(&disk.unsynced, false);
    return real_sync(file, flags);
}

static int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    sqlite3_vfs *real = vfs->pAppData;
    sqlite3_io_methods *methods = &failing_methods[(flags & SQLITE_OPEN_WAL) != 0];
    int r = real->xOpen(real, name, file, flags, out);

    if (r == SQLITE_OK && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB))) {
        *methods = *file->pMethods;
        real_write = methods->xWrite; /* all of its files have the same */
        methods->xWrite = failing_write;
        real_sync = methods->xSync;
        methods->xSync = watched_sync;
        file->pMethods = methods;
    }
    return r;
}

static void vfs_register(void)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    failing_vfs = *real;
    failing_vfs.zName = "failing";
    failing_vfs.pAppData = real;
    failing_vfs.xOpen = failing_open;
    assert_int_equal(sqlite3_vfs_register(&failing_vfs, 0), SQLITE_OK);
}

/* Also where nothing else need survive that: numbers are counted from it. */
static void test_the_number_of_a_start_survives_a_loss_of_power(void **state)
{
    struct fixture *f = *state;

    begin(f, "failing");
    assert_false(atomic_load(&disk.unsynced));
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    assert_true(atomic_load(&disk.unsynced)); /* durability is normal */
    end(f);
}

static const struct refusal {
    int code, result;
    const char *why;
} refusals[] = {
    { SQLITE_FULL, -ENOSPC, "full" },
    /* Of a file system that has become read-only, as SQLite's own VFS says it; and as SQLite. */
    { SQLITE_IOERR_WRITE, -EIO, "Read-only file system" },
    { SQLITE_READONLY, -EROFS, "readonly" },
};

static void check_refusal(struct fixture *f, const struct refusal *r)
{
    struct store_counters c;

    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    assert_false(keep_fails(&f->owner.keep));

    atomic_store(&disk.result, r->code);
    put_number(&f->owner, 2, r->why);
    assert_int_equal(written(f), r->result);
    assert_true(keep_fails(&f->owner.keep));
    store_counters_get(f->store, &c);
    assert_true(c.failing && c.failures > 0);
    assert_non_null(strstr(c.why, r->why));
    put_number(&f->owner, 3, r->why);
    assert_true(written(f) < 0); /* at once, and not when it is tried again */

    atomic_store(&disk.result, 0);
    WAIT_FOR(f, !keep_fails(&f->owner.keep));
    WAIT_FOR(f, written(f) == 0); /* which the owner hears a little later */
}

static void test_what_a_disk_refuses_is_written_when_it_takes_it_again(void **state)
{
    struct fixture *f = *state;

    begin(f, "failing");
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        check_refusal(f, &refusals[i]);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=x 2=readonly 3=readonly ");
}

static void test_what_waits_while_it_fails_is_bounded(void **state)
{
    static char bytes[WAITING_BYTES_MAX + 1];
    struct fixture *f = *state;

    memset(bytes, 'x', sizeof(bytes));
    begin(f, "failing");
    atomic_store(&disk.result, SQLITE_FULL);
    put_number(&f->owner, 2, "x");
    assert_true(written(f) < 0);
    keep_put(&f->owner.keep, &(struct keep_record){ .table = KEEP_SUBSCRIPTION,
                                                    .number = 3,
                                                    .bytes = { bytes, sizeof(bytes) } });
    assert_true(written(f) < 0);
    atomic_store(&disk.result, 0);
    WAIT_FOR(f, f->owner.rewrites == 1);
    assert_int_equal(written(f), 0);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

static void test_what_a_failing_disk_never_took_is_lost_with_the_end(void **state)
{
    struct fixture *f = *state;

    begin(f, "failing");
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    atomic_store(&disk.result, SQLITE_IOERR_WRITE);
    put_number(&f->owner, 2, "y");
    ledger_flush(&f->owner.ledger);
    end(f);
    atomic_store(&disk.result, 0);
    assert_has(f, KEEP_SUBSCRIPTION, "1=x ");
}

static void test_a_disk_that_hangs_counts_as_failing(void **state)
{
    struct fixture *f = *state;
    struct owner *o = &f->owner;
    uint64_t begun_ms;

    begin(f, "failing");
    put_number(o, 1, "x");
    assert_int_equal(written(f), 0);
    atomic_store(&disk.hangs, true);
    put_number(o, 2, "y");
    o->waits = true;
    begun_ms = clock_monotonic_ms(&clock_system);
    keep_wait(&o->keep, &o->wait);
    ledger_flush(&o->ledger);
    wheel_advance(&o->loop.wheel, begun_ms + 1900);
    assert_true(o->waits && !keep_fails(&o->keep));
    wheel_advance(&o->loop.wheel, begun_ms + 2500);
    assert_true(!o->waits && keep_fails(&o->keep));
    assert_int_equal(o->result, -ETIMEDOUT);
    put_number(o, 3, "z");
    assert_true(written(f) < 0); /* at once */

    atomic_store(&disk.hangs, false);
    WAIT_FOR(f, !keep_fails(&o->keep));
    assert_int_equal(written(f), 0);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=x 2=y 3=z ");
}

static void test_what_waits_while_it_hangs_is_bounded(void **state)
{
    static char bytes[WAITING_BYTES_MAX / 8];
    const struct keep_record much = { .table = KEEP_SUBSCRIPTION,
                                      .number = 3,
                                      .bytes = { bytes, sizeof(bytes) } };
    struct fixture *f = *state;
    struct owner *o = &f->owner;
    struct store_counters counters;

    memset(bytes, 'x', sizeof(bytes));
    begin(f, "failing");
    put_number(o, 2, "y");
    assert_int_equal(written(f), 0);
    atomic_store(&disk.held, false);
    atomic_store(&disk.hangs, true);
    put_number(o, 2, "z");
    o->waits = true;
    keep_wait(&o->keep, &o->wait);
    ledger_flush(&o->ledger);
    WAIT_FOR(f, atomic_load(&disk.held)); /* what comes later waits outside */
    wheel_advance(&o->loop.wheel, clock_monotonic_ms(&clock_system) + 2500);
    assert_true(keep_fails(&o->keep));
    for (unsigned i = 0; i < 100; i++) {
        keep_put(&o->keep, &much);
        ledger_flush(&o->ledger);
    }
    store_counters_get(f->store, &counters);
    assert_true(counters.waiting_bytes > WAITING_BYTES_MAX);
    assert_true(counters.waiting_bytes < 2ul * WAITING_BYTES_MAX);
    keep_forget(&o->keep, KEEP_SUBSCRIPTION, 2);
    assert_true(written(f) < 0);
    atomic_store(&disk.hangs, false);
    WAIT_FOR(f, o->rewrites == 1 && !keep_fails(&o->keep));
    assert_int_equal(written(f), 0);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

static void test_another_process_that_writes_makes_it_wait(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sqlite3 *sql;

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    path_of(f, "extstate.db", path);
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    put_number(&f->owner, 2, "y");
    ledger_flush(&f->owner.ledger);
    WAIT_FOR(f, keep_fails(&f->owner.keep));
    sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(sql);
    WAIT_FOR(f, !keep_fails(&f->owner.keep));
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=x 2=y ");
}

static void *let_go(void *sql)
{
    usleep(50000);
    assert_int_equal(sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    return NULL;
}

static void test_a_start_waits_for_another_process_that_writes(void **state)
{
    struct fixture *f = *state;
    pthread_t other;
    char path[128];
    sqlite3 *sql;

    assert_int_equal(open_with(f, NULL), 0);
    path_of(f, "extstate.db", path);
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    store_close(f->store);
    assert_int_equal(sqlite3_exec(sql, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&other, NULL, let_go, sql), 0);
    assert_int_equal(open_with(f, NULL), 0);
    pthread_join(other, NULL);
    store_close(f->store);
    sqlite3_close(sql);
}

static void test_a_file_that_is_damaged_while_it_is_open_is_replaced(void **state)
{
    struct fixture *f = *state;

    begin(f, "failing");
    put_number(&f->owner, 1, "x");
    put_number(&f->owner, 2, "y");
    assert_int_equal(written(f), 0);
    atomic_store(&disk.result, SQLITE_CORRUPT);
    put_number(&f->owner, 3, "z");
    ledger_flush(&f->owner.ledger);
    WAIT_FOR(f, keep_fails(&f->owner.keep));
    atomic_store(&disk.result, 0);
    WAIT_FOR(f, f->owner.rewrites == 1);
    assert_int_equal(written(f), 0);
    assert_false(keep_fails(&f->owner.keep));
    end(f);
    assert_int_equal(files_damaged(f), 1);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

/* While it is read by its path, SQLite would take the log of a new one for its own. */
static void replace_while_it_is_read(void *ctx, const struct keep_record *k)
{
    struct fixture *f = ctx;
    struct store_counters c;

    if (k->table != KEEP_SUBSCRIPTION)
        return;
    atomic_store(&disk.result, SQLITE_CORRUPT);
    put_number(&f->owner, 3, "z");
    ledger_flush(&f->owner.ledger);
    WAIT_FOR(f, keep_fails(&f->owner.keep));
    atomic_store(&disk.result, 0);
    WAIT_FOR(f, (store_counters_get(f->store, &c), strstr(c.why, "still reads")));
    assert_int_equal(files_damaged(f), 0);
}

static void test_a_damaged_file_stays_while_it_is_read(void **state)
{
    struct fixture *f = *state;
    char why[256];

    begin(f, "failing");
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    assert_int_equal(store_verify(f->store, replace_while_it_is_read, f, why, sizeof(why)), 0);
    WAIT_FOR(f, !keep_fails(&f->owner.keep));
    WAIT_FOR(f, written(f) == 0); /* which the owner hears a little later */
    end(f);
    assert_int_equal(files_damaged(f), 1);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

static unsigned rows_of(const char *path)
{
    sqlite3_stmt *st;
    sqlite3 *sql;
    unsigned n;

    assert_int_equal(sqlite3_open_v2(path, &sql, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sql, "SELECT count(*) FROM subscription", -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = (unsigned)sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return n;
}

static unsigned rows_of_damaged(struct fixture *f)
{
    char command[200], path[256] = "";
    FILE *p;

    snprintf(command, sizeof(command), "ls %s/extstate.db.damaged-* | grep '[0-9]$'", f->directory);
    p = popen(command, "r");
    assert_non_null(p);
    assert_non_null(fgets(path, sizeof(path), p));
    pclose(p);
    path[strcspn(path, "\n")] = '\0';
    return rows_of(path);
}

/* Each try makes a file, and none of them takes the place of the one that was damaged. */
static void test_a_damaged_file_stays_while_no_new_one_can_be_begun(void **state)
{
    struct fixture *f = *state;
    struct store_counters c = { .failures = 0 };

    begin(f, "failing");
    put_number(&f->owner, 1, "x");
    put_number(&f->owner, 2, "y");
    assert_int_equal(written(f), 0);
    atomic_store(&disk.result, SQLITE_CORRUPT);
    put_number(&f->owner, 3, "z");
    ledger_flush(&f->owner.ledger);
    WAIT_FOR(f, keep_fails(&f->owner.keep));
    atomic_store(&disk.result, SQLITE_FULL);
    WAIT_FOR(f, (store_counters_get(f->store, &c), c.failures >= 3));
    atomic_store(&disk.result, 0);
    WAIT_FOR(f, !keep_fails(&f->owner.keep));
    assert_int_equal(f->owner.rewrites, 1);
    assert_int_equal(written(f), 0);
    end(f);
    assert_int_equal(files_damaged(f), 1);
    assert_int_equal(rows_of_damaged(f), 2);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

/* A process that ends before everything has been put again has lost nothing by that. */
static void test_a_damaged_file_stays_until_the_new_one_is_whole(void **state)
{
    struct fixture *f = *state;
    struct store_counters c = { .failures = 0 };
    char path[128];

    begin(f, "failing");
    put_number(&f->owner, 1, "x");
    put_number(&f->owner, 2, "y");
    assert_int_equal(written(f), 0);
    atomic_store(&disk.result, SQLITE_CORRUPT);
    put_number(&f->owner, 3, "z");
    ledger_flush(&f->owner.ledger);
    while (!keep_fails(&f->owner.keep))
        usleep(1000);
    atomic_store(&disk.result, 0);
    path_of(f, "extstate.db", path);
    for (unsigned i = 0; i < 50; i++) { /* it has been asked for, and nobody answers */
        assert_int_equal(rows_of(path), 2);
        usleep(10000);
    }
    assert_int_equal(files_damaged(f), 0);
    WAIT_FOR(f, (store_counters_get(f->store, &c), c.replaced == 1));
    assert_int_equal(files_damaged(f), 1);
    assert_int_equal(written(f), 0);
    end(f);
    assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
}

/* The process ended while the names were changed. */
static void test_a_whole_file_takes_the_place_at_the_next_start(void **state)
{
    static const char *const junk[] = { "extstate.db", "extstate.db-wal", "extstate.db.new" };
    struct fixture *f = *state;
    char path[128], whole[128];

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    end(f);
    path_of(f, "extstate.db", path);
    path_of(f, "extstate.db.whole", whole);
    assert_int_equal(rename(path, whole), 0);
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        FILE *file;

        path_of(f, junk[i], path);
        file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "what was damaged, and what was being made");
        fclose(file);
    }
    assert_has(f, KEEP_SUBSCRIPTION, "1=x ");
    assert_int_equal(files_damaged(f), 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(whole, F_OK), -1);
}

static void test_a_file_that_somebody_removes_is_written_anew(void **state)
{
    static const char *const names[] = { "extstate.db", "extstate.db-wal", "extstate.db-shm" };
    struct fixture *f = *state;
    char path[128];

    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        uint64_t identity;

        begin(f, NULL);
        identity = store_identity(f->store);
        put_number(&f->owner, 2, "y");
        assert_int_equal(written(f), 0);
        path_of(f, names[k], path);
        assert_int_equal(unlink(path), 0);
        for (uint64_t i = 0; f->owner.rewrites == 0; i++) {
            assert_true(i < 500);
            keep_forget(&f->owner.keep, KEEP_SUBSCRIPTION, 3); /* something to write */
            ledger_flush(&f->owner.ledger);
            usleep(10000);
            inbox_run(&f->owner.loop.inbox, 100);
        }
        assert_int_equal(written(f), 0);
        end(f);
        assert_has(f, KEEP_SUBSCRIPTION, "1=again ");
        assert_int_equal(open_with(f, NULL), 0); /* what was told is not believed */
        assert_true(store_identity(f->store) != identity);
        store_close(f->store);
    }
}

static void test_who_waits_when_the_file_is_gone_is_answered(void **state)
{
    struct fixture *f = *state;
    char path[128];

    begin(f, NULL);
    path_of(f, "extstate.db", path);
    assert_int_equal(unlink(path), 0);
    f->owner.has_nothing = true;
    keep_forget(&f->owner.keep, KEEP_SUBSCRIPTION, 3);
    f->owner.waits = true;
    keep_wait(&f->owner.keep, &f->owner.wait);
    ledger_flush(&f->owner.ledger);
    WAIT_FOR(f, !f->owner.waits);
    assert_int_equal(f->owner.result, 0);
    assert_int_equal(f->owner.rewrites, 1);
    end(f);
}

/* Into the same file: nobody waits longer for that. */
static void test_a_clock_that_is_set_has_everything_put_again(void **state)
{
    static const long long by_ms[] = { 3ll * 3600 * 1000, 0 };
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_LEN(by_ms); i++) { /* there, and back */
        begin(f, NULL);
        atomic_store(&wall_wrong_ms, by_ms[i]);
        put_number(&f->owner, 2, "y");
        assert_int_equal(written(f), 0);
        WAIT_FOR(f, f->owner.rewrites == 1);
        end(f);
        assert_has(f, KEEP_SUBSCRIPTION, "1=again 2=y ");
        assert_int_equal(files_damaged(f), 0);
    }
}

/* ---- copies ---- */

static void test_a_copy_is_a_store(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = *f;
    unsigned counts[KEEP_TABLES] = { 0 };
    char path[128], other[128], why[128];
    struct stat st;

    begin(f, NULL);
    put_number(&f->owner, 1, "x");
    assert_int_equal(written(f), 0);
    path_of(f, "copy", copy.directory);
    assert_int_equal(mkdir(copy.directory, 0700), 0);
    path_of(&copy, "extstate.db", path);
    assert_int_equal(store_backup(f->store, str_of(path), why, sizeof(why)), 0);
    assert_true(store_backup(f->store, str_of(path), why, sizeof(why)) < 0); /* is there already */
    assert_non_null(strstr(why, "exists"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(store_verify(f->store, count_record, counts, why, sizeof(why)), 0);
    assert_int_equal(counts[KEEP_SUBSCRIPTION], 1);
    assert_int_equal(counts[KEEP_SELF], 3);
    path_of(f, "extstate.db.whole", other); /* the next start would take it for the newer one */
    assert_int_equal(store_backup(f->store, str_of(other), why, sizeof(why)), -EINVAL);
    path_of(f, "extstate.db-journal", other);
    assert_int_equal(store_backup(f->store, str_of(other), why, sizeof(why)), -EINVAL);
    path_of(f, "nowhere/extstate.db", other);
    assert_int_equal(store_backup(f->store, str_of(other), why, sizeof(why)), -ENOENT);
    end(f);
    assert_has(&copy, KEEP_SUBSCRIPTION, "1=x ");
    /* The original goes on counting meanwhile. */
    assert_int_equal(open_with(&copy, NULL), 0);
    assert_int_equal(store_incarnation(copy.store), 1002);
    store_close(copy.store);
}

static void test_the_key_of_nonces_is_the_files(void **state)
{
    struct fixture *f = *state;
    char key[32], path[128];

    begin(f, NULL);
    assert_int_equal(store_nonce_key(f->store).n, sizeof(key));
    memcpy(key, store_nonce_key(f->store).p, sizeof(key));
    end(f);
    begin(f, NULL);
    assert_memory_equal(store_nonce_key(f->store).p, key, sizeof(key));
    end(f);
    path_of(f, "extstate.db", path);
    assert_int_equal(unlink(path), 0);
    begin(f, NULL);
    assert_memory_not_equal(store_nonce_key(f->store).p, key, sizeof(key));
    end(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(test_what_was_put_is_there_the_next_time),
        T(test_the_key_of_nonces_is_the_files),
        T(test_much_is_written_like_little),
        T(test_what_is_posted_is_written_before_the_end),
        T(test_the_file_is_for_its_owner),
        T(test_each_start_has_a_number),
        T(test_a_former_file_goes_on_from_what_was_told),
        T(test_a_directory_has_one_store),
        T(test_a_directory_that_is_none_is_an_error_with_a_reason),
        T(test_a_schema_of_the_future_is_left_alone),
        T(test_a_file_that_is_none_is_put_aside_and_a_new_one_begun),
        T(test_a_damaged_page_has_the_file_replaced),
        T(test_damaged_names_are_read_from_both_ends),
        T(test_what_a_damaged_log_loses_is_known),
        T(test_a_damaged_self_begins_another_one),
        T(test_what_verify_finds_is_mended),
        T(test_the_number_of_a_start_survives_a_loss_of_power),
        T(test_what_a_disk_refuses_is_written_when_it_takes_it_again),
        T(test_what_waits_while_it_fails_is_bounded),
        T(test_what_a_failing_disk_never_took_is_lost_with_the_end),
        T(test_a_disk_that_hangs_counts_as_failing),
        T(test_what_waits_while_it_hangs_is_bounded),
        T(test_another_process_that_writes_makes_it_wait),
        T(test_a_start_waits_for_another_process_that_writes),
        T(test_a_file_that_is_damaged_while_it_is_open_is_replaced),
        T(test_a_damaged_file_stays_while_it_is_read),
        T(test_a_damaged_file_stays_while_no_new_one_can_be_begun),
        T(test_a_damaged_file_stays_until_the_new_one_is_whole),
        T(test_a_whole_file_takes_the_place_at_the_next_start),
        T(test_a_file_that_somebody_removes_is_written_anew),
        T(test_who_waits_when_the_file_is_gone_is_answered),
        T(test_a_clock_that_is_set_has_everything_put_again),
        T(test_a_copy_is_a_store),
    };

    vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
