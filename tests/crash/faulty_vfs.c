// SPDX-License-Identifier: MIT
/* A VFS of SQLite that kills the process at the n-th boundary of what it does to the disk: before a
 * write, in the middle of it, before a sync, a truncation, a removal. n is EXTSTATE_KILL_AT. A file
 * that EXTSTATE_DISK names says what the disk is meanwhile: "read-only", or "hangs" until it says
 * something else. Without them nothing happens. It is linked into extstated_faulty alone, and the
 * default there. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this */
};

static sqlite3_vfs *real_vfs;
static atomic_long left; /* boundaries; 0: it never happens */
static const char *disk; /* NULL: it works */

static bool disk_is(const char *what)
{
    char text[16] = "";
    int fd = disk ? open(disk, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return false;
    (void)!read(fd, text, sizeof(text) - 1);
    close(fd);
    return strcmp(text, what) == 0;
}

static void boundary(void)
{
    if (atomic_load(&left) > 0 && atomic_fetch_sub(&left, 1) == 1)
        kill(getpid(), SIGKILL);
    while (disk_is("hangs"))
        usleep(10000);
}

/* As the real one says it. */
static int read_only(int result)
{
    errno = EROFS;
    return result;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct faulty_file *)f)->real;
}

/* ---- what is counted ---- */

static int faulty_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    sqlite3_file *real = real_of(f);

    boundary();
    if (atomic_load(&left) == 1)
        (void)real->pMethods->xWrite(real, bytes, n / 2, at);
    boundary();
    if (disk_is("read-only"))
        return read_only(SQLITE_IOERR_WRITE);
    return real->pMethods->xWrite(real, bytes, n, at);
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    boundary();
    if (disk_is("read-only"))
        return read_only(SQLITE_IOERR_TRUNCATE);
    return real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int faulty_sync(sqlite3_file *f, int flags)
{
    boundary();
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int faulty_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    boundary();
    if (disk_is("read-only"))
        return read_only(SQLITE_IOERR_DELETE);
    return real_vfs->xDelete(real_vfs, name, sync);
}

/* ---- what is passed on ---- */

static int faulty_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int faulty_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), bytes, n, at);
}

static int faulty_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int faulty_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int faulty_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int faulty_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int faulty_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int faulty_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int faulty_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int faulty_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void faulty_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int faulty_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods faulty_methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_reserved,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector,
    .xDeviceCharacteristics = faulty_traits,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

static int faulty_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags,
                       int *out_flags)
{
    struct faulty_file *f = (struct faulty_file *)file;
    int r;

    (void)v;
    f->real = (sqlite3_file *)(f + 1);
    if (disk_is("read-only"))
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    r = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
    f->base.pMethods = f->real->pMethods ? &faulty_methods : NULL;
    return r;
}

static sqlite3_vfs faulty;

__attribute__((constructor)) static void faulty_register(void)
{
    const char *at = getenv("EXTSTATE_KILL_AT");

    atomic_init(&left, at ? strtol(at, NULL, 10) : 0);
    disk = getenv("EXTSTATE_DISK");
    real_vfs = sqlite3_vfs_find(NULL);
    if (!real_vfs)
        abort();
    faulty = *real_vfs; /* what it does not do itself finds its data there */
    faulty.pNext = NULL;
    faulty.zName = "faulty";
    faulty.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
    faulty.xOpen = faulty_open;
    faulty.xDelete = faulty_delete;
    if (sqlite3_vfs_register(&faulty, 1) != SQLITE_OK)
        abort();
}
