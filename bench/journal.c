// SPDX-License-Identifier: MIT
/* journal DIRECTORY [CHANGES] - what a row of the journal costs each thread that has to do with it.
 *
 * Changes of 2,000 devices, each with the snapshot that comes of it, put in turns of a hundred by
 * this thread as by the state thread, told by a second one as by the edge's, and written by the
 * journal's own into DIRECTORY/journal.db, which has to be new. Prints for each thread its CPU time
 * per row, and the bytes of the file. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal/journal.h"

enum { DEVICES = 2000, AT_ONCE = 100, ON_THE_WAY = 10000, CHANGES = 200000 };

struct bench {
    struct feed feed;
    struct feed_writer writer;
    struct loop edge;
    struct journal *journal;
    uint64_t changes, here_ns;
};

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- what another thread has used ---- */

struct question {
    struct inbox_message m;
    _Atomic uint64_t ns;
};

static void question_run(struct inbox_message *m, void *owner)
{
    (void)owner;
    CONTAINER_OF(m, struct question, m)->ns = thread_ns();
}

static void question_drop(struct inbox_message *m)
{
    (void)m;
}

static uint64_t used_ns(struct loop *l)
{
    struct question q = { .m = { .run = question_run, .drop = question_drop } };

    list_init(&q.m.link);
    inbox_post_always(&l->inbox, &q.m);
    while (!q.ns)
        usleep(100);
    return q.ns;
}

/* ---- the changes ---- */

static void put_one(struct bench *b, uint64_t i)
{
    bool idle = i / DEVICES % 2;
    const struct cause cause = { i + 1, STR("pbx-a") };
    char device[32], extension[16];
    struct snapshot *s;
    struct change told;

    snprintf(device, sizeof(device), "PJSIP/%u", (unsigned)(1000 + i % DEVICES));
    snprintf(extension, sizeof(extension), "%u", (unsigned)(1000 + i % DEVICES));
    BUG_UNLESS(snapshot_create(&s, &(struct snapshot_spec){
                                       .resource_id = i % DEVICES + 1,
                                       .sequence = i + 1,
                                       .cause = cause,
                                       .state = idle ? EXTENSION_IDLE : EXTENSION_INUSE,
                                       .has_hint = true,
                                       .presence = PRESENCE_NOT_SET,
                                       .context = STR("users"),
                                       .extension = str_of(extension),
                                       .hint = str_of(device),
                                   }) == 0);
    told = (struct change){ .kind = CHANGE_DEVICE, .cause = cause };
    told.device = (struct change_device){ .device = str_of(device),
                                          .state = idle ? DEVICE_NOT_INUSE : DEVICE_INUSE,
                                          .former = idle ? DEVICE_INUSE : DEVICE_NOT_INUSE,
                                          .source = STR("pbx-a"),
                                          .says = true,
                                          .said = idle ? DEVICE_NOT_INUSE : DEVICE_INUSE };
    b->here_ns -= thread_ns(); /* without what makes them */
    feed_put(&b->writer, &told);
    feed_put(&b->writer, &(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = s, .former = s });
    b->here_ns += thread_ns();
    snapshot_unref(s);
}

static uint64_t written(struct bench *b)
{
    struct journal_counters c;

    journal_counters_get(b->journal, &c);
    BUG_UNLESS(!c.failing && !c.lost);
    return c.written;
}

static void put_all(struct bench *b)
{
    for (uint64_t i = 0; i < b->changes; i++) {
        put_one(b, i);
        if (i % AT_ONCE != AT_ONCE - 1)
            continue;
        b->here_ns -= thread_ns();
        feed_flush(&b->writer);
        b->here_ns += thread_ns();
        while (2 * (i + 1) > written(b) + ON_THE_WAY)
            usleep(200);
    }
    feed_flush(&b->writer);
    while (written(b) < 2 * b->changes)
        usleep(1000);
}

static double clock_ns(void) /* of asking for the time twice */
{
    enum { TIMES = 100000 };
    uint64_t begun = thread_ns();

    for (unsigned i = 0; i < TIMES; i++)
        (void)thread_ns();
    return (double)(thread_ns() - begun) / TIMES;
}

static double file_bytes(const char *directory)
{
    char path[4096];
    struct stat is;

    snprintf(path, sizeof(path), "%s/journal.db", directory);
    return stat(path, &is) == 0 ? (double)is.st_size : 0;
}

static void *edge_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

int main(int argc, char **argv)
{
    struct bench b = { .changes = argc > 2 ? strtoull(argv[2], NULL, 10) : CHANGES };
    const struct journal_settings settings = { true, CHANGE_ALL, 86400, 1024 };
    uint64_t edge_ns, journal_ns;
    pthread_t edge;
    double rows;

    if (argc < 2 || b.changes < AT_ONCE) {
        fprintf(stderr, "usage: journal DIRECTORY [CHANGES]\n");
        return 2;
    }
    b.changes -= b.changes % AT_ONCE;
    rows = 2 * (double)b.changes;
    feed_init(&b.feed, NULL);
    BUG_UNLESS(loop_init(&b.edge, &clock_system, &b, 1 << 20) == 0);
    feed_open(&b.feed, &b.edge.inbox);
    feed_writer_init(&b.writer, &b.feed, &clock_system, true);
    BUG_UNLESS(journal_create(&b.journal, &(struct journal_config){ .directory = str_of(argv[1]),
                                                                    .version = STR("bench"),
                                                                    .clock = &clock_system }) == 0);
    journal_configure(b.journal, &b.feed, &settings);
    BUG_UNLESS(pthread_create(&edge, NULL, edge_main, &b.edge) == 0);
    edge_ns = used_ns(&b.edge);
    journal_ns = used_ns(journal_loop(b.journal));
    put_all(&b);
    edge_ns = used_ns(&b.edge) - edge_ns;
    journal_ns = used_ns(journal_loop(b.journal)) - journal_ns;
    loop_stop(&b.edge);
    pthread_join(edge, NULL);
    journal_destroy(b.journal);
    printf("%.0f rows; each costs %.2f CPU-us where it happens, %.2f in the edge thread, %.2f in "
           "the journal's own, and %.0f bytes of disk\n",
           rows, ((double)b.here_ns / rows - clock_ns() / 2) / 1000, (double)edge_ns / rows / 1000,
           (double)journal_ns / rows / 1000, file_bytes(argv[1]) / rows);
    feed_close(&b.feed);
    feed_writer_fini(&b.writer);
    loop_fini(&b.edge);
    return 0;
}
