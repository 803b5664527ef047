// SPDX-License-Identifier: MIT
#include "journal/journal_internal.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

struct testing {
    char directory[64], file[96];
    struct log *log;
    struct clock clock;
    _Atomic uint64_t wall_ms, later_ms;
    struct feed feed;
    struct inbox home; /* of what would be the edge thread: this one */
    struct feed_writer writer;
    struct journal *journal;
    struct journal_settings settings;
};

static uint64_t wall(void *ctx)
{
    return ((struct testing *)ctx)->wall_ms;
}

static uint64_t monotonic(void *ctx)
{
    return clock_monotonic_ms(&clock_system) + ((struct testing *)ctx)->later_ms;
}

static void begin(struct testing *t)
{
    assert_int_equal(
        journal_create(&t->journal, &(struct journal_config){ .directory = str_of(t->directory),
                                                              .version = STR("test"),
                                                              .clock = &t->clock,
                                                              .log = t->log }),
        0);
    journal_configure(t->journal, &t->feed, &t->settings);
}

static void end(struct testing *t)
{
    journal_destroy(t->journal);
    t->journal = NULL;
}

static void testing_init(struct testing *t)
{
    *t = (struct testing){ .directory = "/tmp/extstate-journal-XXXXXX",
                           .clock = { monotonic, wall, t },
                           .wall_ms = 1000000,
                           .settings = { true, CHANGE_ALL, 3600, 1024 } };
    assert_non_null(mkdtemp(t->directory));
    snprintf(t->file, sizeof(t->file), "%s/journal.db", t->directory);
    assert_int_equal(log_create(&t->log, open("/dev/null", O_WRONLY), LOG_LEVEL_INFO, &t->clock),
                     0);
    feed_init(&t->feed, t->log);
    inbox_init(&t->home, NULL, 1000000, NULL, NULL);
    feed_open(&t->feed, &t->home);
    feed_writer_init(&t->writer, &t->feed, &t->clock, true);
    begin(t);
}

static void testing_fini(struct testing *t)
{
    char command[256];

    end(t);
    feed_close(&t->feed);
    feed_writer_fini(&t->writer);
    inbox_fini(&t->home);
    log_destroy(t->log);
    snprintf(command, sizeof(command), "chmod -R u+w %s; rm -r %s", t->directory, t->directory);
    assert_int_equal(system(command), 0);
}

static void flush(struct testing *t)
{
    feed_flush(&t->writer);
    while (inbox_run(&t->home, 100))
        ;
}

static void put(struct testing *t, uint64_t cause, const char *device)
{
    feed_put(&t->writer, &(struct change){ .kind = CHANGE_DEVICE,
                                           .cause = { cause, STR("cli") },
                                           .device = { .device = str_of(device),
                                                       .state = DEVICE_INUSE,
                                                       .source = STR("cli"),
                                                       .says = true,
                                                       .said = DEVICE_INUSE } });
    flush(t);
}

/* ---- asking, on its thread ---- */

struct question {
    struct inbox_message m;
    struct testing *t;
    void (*run)(struct question *q);
    struct buf told;
    int result;
    atomic_bool done;
};

static void question_run(struct inbox_message *m, void *owner)
{
    struct question *q = CONTAINER_OF(m, struct question, m);

    (void)owner;
    q->run(q);
    atomic_store(&q->done, true);
}

static int add_row(void *ctx, const struct journal_row *row)
{
    struct question *q = ctx;

    buf_printf(&q->told, "%.*s@%llu#%llu ", STR_FMT(change_kind_name(row->kind)),
               (unsigned long long)row->at_ms, (unsigned long long)row->cause);
    return 0;
}

static void run_all(struct question *q)
{
    q->result = journal_each(
        q->t->journal, &(struct journal_query){ .kinds = CHANGE_ALL, .limit = 1000 }, add_row, q);
}

static void run_lamp(struct question *q)
{
    q->result = journal_each(q->t->journal,
                             &(struct journal_query){ .name = STR("Custom:lamp"),
                                                      .kinds = CHANGE_BIT(CHANGE_DEVICE),
                                                      .since_ms = 1000001,
                                                      .until_ms = 1000003,
                                                      .limit = 2 },
                             add_row, q);
}

static void run_chain(struct question *q)
{
    q->result = journal_chain(q->t->journal,
                              &(struct journal_chain_query){
                                  .run = journal_run(q->t->journal), .cause = 7, .limit = 100 },
                              add_row, q);
}

static int add_number(void *ctx, const struct journal_row *row)
{
    struct question *q = ctx;

    buf_printf(&q->told, "%llu/%llu ", (unsigned long long)row->number,
               (unsigned long long)row->total);
    return 0;
}

static void chain_of_1000(struct question *q, uint64_t until_ms, uint32_t limit)
{
    q->result =
        journal_chain(q->t->journal,
                      &(struct journal_chain_query){ .run = journal_run(q->t->journal),
                                                     .cause = 7,
                                                     .until_ms = until_ms,
                                                     .names = STR("1000@users"),
                                                     .hinted = STR("Custom:lamps\nCustom:lamp"),
                                                     .limit = limit },
                      add_number, q);
}

static void run_chain_of_1000(struct question *q)
{
    chain_of_1000(q, 0, 100);
}

static void run_chain_until(struct question *q)
{
    chain_of_1000(q, 1000001, 100);
}

static void run_chain_of_two(struct question *q)
{
    chain_of_1000(q, 0, 2);
}

static void run_chain_of_three(struct question *q)
{
    chain_of_1000(q, 0, 3);
}

static void run_watchers(struct question *q)
{
    q->result = journal_watchers(q->t->journal, STR("1000@users"), 0, add_row, q);
}

static void run_check(struct question *q)
{
    char why[128];

    q->result = journal_check(q->t->journal, why, sizeof(why));
    buf_add(&q->told, str_of(why));
}

/* Without memory a change may be lost, and then it never is. */
#define WAIT_FOR(condition)                       \
    for (unsigned ms_ = 0; !(condition); ms_++) { \
        assert_true(ms_ < 20000);                 \
        usleep(1000);                             \
    }

static void assert_answer(struct testing *t, void (*run)(struct question *q), int result,
                          const char *expected)
{
    struct question q = { .m = { .run = question_run }, .t = t, .run = run };

    list_init(&q.m.link);
    buf_init(&q.told, 1 << 20);
    inbox_post_always(&journal_loop(t->journal)->inbox, &q.m);
    while (!atomic_load(&q.done))
        usleep(1000);
    buf_add_char(&q.told, '\0');
    assert_int_equal(q.told.error, 0);
    assert_int_equal(q.result, result);
    assert_string_equal(q.told.p, expected);
    buf_fini(&q.told);
}

/* ---- tests ---- */

static void test_it_is_read_again(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    for (unsigned i = 0; i < 5; i++) {
        t.wall_ms = 1000000 + i;
        put(&t, 5 + i, i == 3 ? "Custom:other" : "Custom:lamp");
    }
    assert_answer(&t, run_all, 0,
                  "device@1000000#5 device@1000001#6 device@1000002#7 device@1000003#8 "
                  "device@1000004#9 ");
    assert_answer(&t, run_lamp, 0, "device@1000001#6 device@1000002#7 ");
    assert_answer(&t, run_chain, 0, "device@1000002#7 ");
    assert_answer(&t, run_check, 0, "ok");
    end(&t);
    begin(&t); /* another process: its numbers are others */
    put(&t, 7, "Custom:lamp");
    assert_answer(&t, run_chain, 0, "device@1000004#7 ");
    assert_answer(&t, run_lamp, 0, "device@1000001#6 device@1000002#7 ");
    testing_fini(&t);
}

static void put_snapshot(struct testing *t, const char *extension)
{
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &(struct snapshot_spec){ .cause = { 7, STR("cli") },
                                                                  .context = STR("users"),
                                                                  .extension = str_of(extension) }),
                     0);
    feed_put(&t->writer, &(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = s });
    flush(t);
    snapshot_unref(s);
}

static void test_the_chain_of_one_resource(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    put(&t, 7, "Custom:other");
    put(&t, 7, "Custom:lamp");
    put(&t, 8, "Custom:later");
    t.wall_ms = 1000001;
    put_snapshot(&t, "999");
    put_snapshot(&t, "1000");
    t.wall_ms = 1000002;
    put_snapshot(&t, "1001");
    put_snapshot(&t, "1000");
    assert_answer(&t, run_chain_of_1000, 0, "1/4 2/4 5/4 7/4 ");
    assert_answer(&t, run_chain_until, 0, "1/3 2/3 5/3 ");
    /* With more than there is room for its own and what its hint names come first. */
    assert_answer(&t, run_chain_of_two, 0, "5/4 7/4 ");
    assert_answer(&t, run_chain_of_three, 0, "2/4 5/4 7/4 ");
    testing_fini(&t);
}

static void put_told(struct testing *t, const char *extension)
{
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &(struct snapshot_spec){ .cause = { 7, STR("cli") },
                                                                  .context = STR("users"),
                                                                  .extension = str_of(extension) }),
                     0);
    feed_put(
        &t->writer,
        &(struct change){ .kind = CHANGE_NOTIFY, .snapshot = s, .notify.what = EXCHANGE_ANSWERED });
    flush(t);
    snapshot_unref(s);
}

static void chain_with(struct question *q, struct str names, struct str members, struct str lists)
{
    q->result = journal_chain(q->t->journal,
                              &(struct journal_chain_query){ .run = journal_run(q->t->journal),
                                                             .cause = 7,
                                                             .names = names,
                                                             .members = members,
                                                             .lists = lists,
                                                             .limit = 100 },
                              add_number, q);
}

static void run_chain_of_member(struct question *q)
{
    chain_with(q, STR("1000@users"), STR_EMPTY, STR("other@users\nlamps@users"));
}

static void run_chain_of_list(struct question *q)
{
    chain_with(q, STR("lamps@users"), STR("1001@users\n1000@users\n"), STR_EMPTY);
}

static void run_chain_of_both(struct question *q)
{
    chain_with(q, STR("1000@users\nlamps@users"), STR_EMPTY, STR_EMPTY);
}

/* A member has what the watchers of its lists were told, a list what its members showed. */
static void test_the_chain_of_a_list(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    put(&t, 7, "Custom:lamp");
    put_snapshot(&t, "1000");
    put_told(&t, "1000");
    put_snapshot(&t, "lamps");
    put_told(&t, "lamps");
    put_snapshot(&t, "amps"); /* the end of another name */
    put_told(&t, "amps");
    assert_answer(&t, run_chain_of_member, 0, "1/5 2/5 3/5 4/5 5/5 ");
    assert_answer(&t, run_chain_of_list, 0, "1/4 2/4 4/4 5/4 ");
    assert_answer(&t, run_chain_of_both, 0, "1/5 2/5 3/5 4/5 5/5 ");
    testing_fini(&t);
}

static void put_notify(struct testing *t, const struct snapshot *s, const char *call_id,
                       enum exchange_change what)
{
    feed_put(&t->writer, &(struct change){ .kind = CHANGE_NOTIFY,
                                           .snapshot = s,
                                           .notify = { .what = what,
                                                       .watcher = { .package = STR("dialog"),
                                                                    .call_id = str_of(call_id) },
                                                       .status = 200 } });
    flush(t);
    t->wall_ms++;
}

static void test_the_last_of_each_watcher(void **state)
{
    struct snapshot *s;
    struct testing t;

    (void)state;
    testing_init(&t);
    assert_int_equal(snapshot_create(&s, &(struct snapshot_spec){ .cause = { 3, STR("cli") },
                                                                  .context = STR("users"),
                                                                  .extension = STR("1000") }),
                     0);
    put_notify(&t, s, "a", EXCHANGE_ANSWERED);
    put_notify(&t, s, "b", EXCHANGE_ANSWERED);
    put_notify(&t, s, "a", EXCHANGE_ANSWERED);
    put_notify(&t, s, "b", EXCHANGE_SENT); /* its answer would be written */
    snapshot_unref(s);
    assert_answer(&t, run_watchers, 0, "notify@1000001#3 notify@1000002#3 ");
    testing_fini(&t);
}

static void test_off(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    put(&t, 1, "Custom:lamp");
    t.settings.enabled = false;
    journal_configure(t.journal, &t.feed, &t.settings);
    assert_false(feed_wants(&t.writer, CHANGE_DEVICE));
    assert_answer(&t, run_all, JOURNAL_OFF, "");
    t.settings.enabled = true;
    journal_configure(t.journal, &t.feed, &t.settings);
    assert_answer(&t, run_all, 0, "device@1000000#1 ");
    testing_fini(&t);
}

static uint64_t count(struct testing *t, const char *sql)
{
    sqlite3 *reader;
    sqlite3_stmt *st;
    uint64_t n;

    assert_int_equal(sqlite3_open(t->file, &reader), SQLITE_OK);
    sqlite3_busy_timeout(reader, 20000);
    assert_int_equal(sqlite3_prepare_v2(reader, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(reader);
    return n;
}

static void test_age(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    put(&t, 1, "Custom:lamp");
    t.wall_ms += 3600000;
    put(&t, 2, "Custom:lamp");
    t.wall_ms += 1;
    assert_answer(&t, run_check, 0, "ok");
    journal_configure(t.journal, &t.feed, &t.settings); /* looks at once */
    WAIT_FOR(count(&t, "SELECT count(*) FROM change") == 1);
    assert_answer(&t, run_all, 0, "device@4600000#2 ");
    testing_fini(&t);
}

/* The oldest go, and the file becomes smaller. */
static void test_size(void **state)
{
    struct journal_counters counters;
    struct testing t;
    struct change change = { .kind = CHANGE_DEVICE };
    char name[80];

    (void)state;
    testing_init(&t);
    for (unsigned i = 0; i < 40000; i++) {
        snprintf(name, sizeof(name), "Custom:%u-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 i % 9);
        change.device.device = str_of(name);
        feed_put(&t.writer, &change);
    }
    flush(&t);
    assert_answer(&t, run_check, 0, "ok");
    assert_int_equal(count(&t, "SELECT count(*) FROM change"), 40000);
    t.settings.max_mib = 2;
    journal_configure(t.journal, &t.feed, &t.settings);
    WAIT_FOR((journal_counters_get(t.journal, &counters), counters.bytes) &&
             counters.bytes <= 2 << 20 && count(&t, "SELECT count(*) FROM change") < 20000);
    assert_int_equal(counters.lost, 0);
    assert_int_equal(counters.written, 40000);
    assert_answer(&t, run_check, 0, "ok");
    testing_fini(&t);
}

static void scribble(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    static const char text[] = "this is no database, whatever somebody has written here";

    for (int i = 0; i < 200; i++)
        assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    close(fd);
}

static void test_a_damaged_file_is_set_aside(void **state)
{
    struct testing t;
    struct stat st;
    char aside[128];

    (void)state;
    testing_init(&t);
    put(&t, 1, "Custom:lamp");
    end(&t);
    scribble(t.file);
    begin(&t);
    put(&t, 2, "Custom:lamp");
    assert_answer(&t, run_all, 0, "device@1000000#2 ");
    snprintf(aside, sizeof(aside), "%s.damaged", t.file);
    assert_int_equal(stat(aside, &st), 0);
    testing_fini(&t);
}

/* A disk that cannot be written loses history and nothing else. (As root nothing is read-only, so
 * the path is made impossible.) */
static void test_a_file_that_cannot_be_made(void **state)
{
    struct journal_counters counters;
    struct testing t;

    (void)state;
    testing_init(&t);
    put(&t, 1, "Custom:lamp");
    end(&t);
    assert_int_equal(unlink(t.file), 0);
    assert_int_equal(mkdir(t.file, 0700), 0);
    begin(&t);
    put(&t, 2, "Custom:lamp");
    put(&t, 3, "Custom:lamp");
    assert_answer(&t, run_all, JOURNAL_FAILS, "");
    journal_counters_get(t.journal, &counters);
    assert_true(counters.failing);
    assert_int_equal(counters.lost, 2);
    assert_int_equal(counters.written, 0);
    testing_fini(&t);
}

/* What a newer program has written is left alone. */
static void test_a_newer_schema(void **state)
{
    struct testing t;
    sqlite3 *sql;

    (void)state;
    testing_init(&t);
    put(&t, 1, "Custom:lamp");
    end(&t);
    assert_int_equal(sqlite3_open(t.file, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sql, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(sql);
    begin(&t);
    put(&t, 2, "Custom:lamp");
    assert_answer(&t, run_all, JOURNAL_FAILS, "");
    assert_int_equal(count(&t, "SELECT count(*) FROM change"), 1);
    testing_fini(&t);
}

/* A disk that is full: what is under way is lost, and that is told when there is room again. */
static void test_full(void **state)
{
    struct rlimit none = { 4096, RLIM_INFINITY }, former;
    struct journal_counters counters;
    struct testing t;

    (void)state;
    testing_init(&t);
    put(&t, 1, "Custom:lamp");
    assert_answer(&t, run_check, 0, "ok");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    none.rlim_max = former.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    put(&t, 2, "Custom:lamp");
    WAIT_FOR((journal_counters_get(t.journal, &counters), counters.failing));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
    assert_int_equal(counters.lost, 1);
    t.later_ms = 20000; /* it is tried again */
    put(&t, 3, "Custom:lamp");
    assert_answer(&t, run_all, 0, "device@1000000#1 lost@1000000#0 device@1000000#3 ");
    journal_counters_get(t.journal, &counters);
    assert_false(counters.failing);
    testing_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_read_again),
        cmocka_unit_test(test_the_chain_of_one_resource),
        cmocka_unit_test(test_the_chain_of_a_list),
        cmocka_unit_test(test_the_last_of_each_watcher),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_a_damaged_file_is_set_aside),
        cmocka_unit_test(test_a_file_that_cannot_be_made),
        cmocka_unit_test(test_a_newer_schema),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
