// SPDX-License-Identifier: MIT
/* The place of the file in the state directory: nobody else's, taken by a new file when the one in
 * it is damaged. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/store_internal.h"

enum {
    PATIENCE_MS = 5000,     /* at a start, with another program that has the file locked */
    PATH_PATIENCE_S = 1,    /* with who reads it by its path */
    ROOM = PLACE_ROOM + 48, /* for names that are made of its path */
};

/* Two writers would each undo what the other one believes. */
static int directory_lock(struct place *p, struct str directory, char *why, size_t why_n)
{
    char path[ROOM];

    snprintf(path, sizeof(path), "%.*s/extstate.lock", STR_FMT(directory));
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (p->lock < 0) {
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        return -errno;
    }
    if (flock(p->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    snprintf(why, why_n, "another extstated uses the state directory %.*s", STR_FMT(directory));
    return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static const char *const ends[] = { "", "-wal", "-shm" };

/* The damaged file stays for whoever wants to look, under another name, with its log. What was
 * begun in its place and could not be finished does not. */
static void move_aside(struct place *p)
{
    uint64_t now_s = clock_wall_ms(p->clock) / 1000;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char from[ROOM], to[ROOM];

        snprintf(from, sizeof(from), "%s%s", p->path, ends[i]);
        snprintf(to, sizeof(to), "%s.damaged-%llu%s", p->path, (unsigned long long)now_s, ends[i]);
        if (p->unfinished)
            (void)!unlink(from);
        else if (rename(from, to) == 0)
            log_error(p->log, "store.damaged_file_kept", KV("as", to));
    }
}

/* A new file is made beside the former one, and called whole when everything is in it: only then,
 * or at the next start, does it take the place. */
static const char *path_making(const struct place *p, char out[static ROOM])
{
    snprintf(out, ROOM, "%s.new", p->path);
    return out;
}

static const char *path_whole(const struct place *p, char out[static ROOM])
{
    snprintf(out, ROOM, "%s.whole", p->path);
    return out;
}

void place_making_remove(const struct place *p)
{
    char path[ROOM], file[ROOM + 8];

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(file, sizeof(file), "%s%s", path_making(p, path), ends[i]);
        (void)!unlink(file);
    }
}

/* What was renamed in it stays so. */
static int directory_sync(const struct place *p)
{
    char path[PLACE_ROOM];
    int fd, r;

    snprintf(path, sizeof(path), "%s", p->path);
    *strrchr(path, '/') = '\0';
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

static int whole_make(const struct place *p)
{
    char from[ROOM], to[ROOM];

    if (rename(path_making(p, from), path_whole(p, to)))
        return -errno;
    return directory_sync(p);
}

/* -ENOENT: there is none. */
static int whole_take(struct place *p)
{
    char whole[ROOM];

    if (access(path_whole(p, whole), F_OK))
        return -errno;
    move_aside(p);
    p->unfinished = true;
    if (rename(whole, p->path))
        return -errno;
    log_error(p->log, "store.begun_anew", KV("file", p->path));
    return directory_sync(p);
}

/* ---- for the store ---- */

struct database_config place_config(const struct place *p)
{
    return (struct database_config){ .path = p->path, .vfs = p->vfs, .durability = p->durability };
}

int place_init(struct place *p, const struct store_config *cfg)
{
    *p = (struct place){ .vfs = cfg->vfs,
                         .durability = cfg->durability,
                         .clock = cfg->clock,
                         .log = cfg->log,
                         .lock = -1 };
    pthread_rwlock_init(&p->readers, NULL);
    return snprintf(p->path, sizeof(p->path), "%.*s/extstate.db", STR_FMT(cfg->directory)) <
                   PLACE_ROOM
               ? 0
               : -ENAMETOOLONG;
}

void place_fini(struct place *p)
{
    if (p->lock >= 0)
        close(p->lock);
    pthread_rwlock_destroy(&p->readers);
}

int place_open(struct place *p, struct str directory, struct database *d, char *why, size_t why_n)
{
    struct database_config cfg = place_config(p);
    int r = directory_lock(p, directory, why, why_n);

    if (r)
        return r;
    r = whole_take(p);
    if (r && r != -ENOENT)
        return r;
    p->unfinished = false;
    place_making_remove(p);
    cfg.patience_ms = PATIENCE_MS;
    sql_file_make(p->path);
    r = database_open(d, &cfg, why, why_n);
    if (r == 0 && d->lost)
        log_error(p->log, "store.log_damaged", KV("file", p->path),
                  KV_U("transactions_lost", d->lost));
    if (r != SQL_DAMAGED)
        return r;
    log_error(p->log, "store.damaged", KV("file", p->path), KV("why", why));
    move_aside(p);
    sql_file_make(p->path);
    r = database_open(d, &cfg, why, why_n);
    return r == SQL_DAMAGED ? -EUCLEAN : r;
}

int place_making_open(const struct place *p, struct database *d, char *why, size_t why_n)
{
    struct database_config cfg = place_config(p);
    char path[ROOM];

    place_making_remove(p);
    cfg.path = path_making(p, path);
    sql_file_make(cfg.path);
    return database_open(d, &cfg, why, why_n);
}

bool place_is_own_name(const struct place *p, struct str file)
{
    static const struct str own[] = { STR_INIT("-wal"), STR_INIT("-shm"), STR_INIT("-journal"),
                                      STR_INIT(".new"), STR_INIT(".whole") };
    struct str path = str_of(p->path);

    if (!str_starts(file, path))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (str_starts(str_sub(file, path.n, file.n), own[i]))
            return true;
    return false;
}

/* A backup may take long, and the thread has others to answer: it comes back. */
static int readers_wait(struct place *p)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATH_PATIENCE_S;
    return -pthread_rwlock_timedwrlock(&p->readers, &until);
}

int place_replace(struct place *p, struct database *d, char *why, size_t why_n)
{
    const struct database_config cfg = place_config(p);
    int r = readers_wait(p);

    if (r) {
        snprintf(why, why_n, "a backup or a verification still reads the damaged file");
        return r;
    }
    database_close(d);
    r = whole_make(p);
    r = r ? r : whole_take(p);
    if (r)
        snprintf(why, why_n, "%s", strerror(-r));
    else
        r = database_open(d, &cfg, why, why_n);
    pthread_rwlock_unlock(&p->readers);
    if (r == 0)
        p->unfinished = false;
    return r;
}
