// SPDX-License-Identifier: MIT
#include "store/mapped.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MAPPINGS_MAX = 128, /* what comes after is not looked after */
    HEAD_BYTES = 8,     /* of a file, that say what it is */
};

struct mapping {
    atomic_uintptr_t begin, end; /* `end` 0: not used */
    atomic_int fd;
};

static struct mapping mappings[MAPPINGS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of who takes one */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction former;
static uintptr_t page_bytes;
static int spare_fd; /* of memory: the page at an address is at that offset; -1: there is none */

static const struct mapping *mapping_of(uintptr_t at)
{
    for (size_t i = 0; i < MAPPINGS_MAX; i++)
        if (at >= atomic_load(&mappings[i].begin) && at < atomic_load(&mappings[i].end))
            return &mappings[i];
    return NULL;
}

/* With what was in it; the kernel says EFAULT where we would get another signal. */
static bool page_keep(uintptr_t page)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return pwrite(spare_fd, (const void *)page, page_bytes, (off_t)page) == (ssize_t)page_bytes;
}

static bool page_empty(uintptr_t page)
{
    return fallocate(spare_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)page,
                     (off_t)page_bytes) == 0;
}

static bool page_replace(uintptr_t page)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return mmap((void *)page, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, spare_fd,
                (off_t)page) != MAP_FAILED;
}

/* In the middle of an access, in any thread. What has no remedy comes again, to whom it would have
 * come. */
static void on_bus(int number, siginfo_t *info, void *context)
{
    static const char nothing[HEAD_BYTES];
    uintptr_t at = (uintptr_t)info->si_addr, page = at & ~(page_bytes - 1);
    const struct mapping *m = mapping_of(at);
    int error = errno;

    (void)context;
    if ((page_keep(page) || (m && page_empty(page))) && page_replace(page)) {
        if (m)
            (void)!pwrite(atomic_load(&m->fd), nothing, sizeof(nothing), 0);
    } else {
        (void)sigaction(number, &former, NULL);
    }
    errno = error;
}

static void spare_make(void)
{
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    spare_fd = memfd_create("pages without a disk", MFD_CLOEXEC);
    if (spare_fd < 0 || ftruncate(spare_fd, INT64_C(1) << 47) == 0) /* of all addresses there are */
        return;
    close(spare_fd);
    spare_fd = -1;
}

void mapped_guard(void)
{
    struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO }, now;

    (void)pthread_once(&once, spare_make);
    pthread_mutex_lock(&lock);
    if (spare_fd >= 0 && sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction != on_bus) {
        former = now;
        (void)sigaction(SIGBUS, &action, NULL);
    }
    pthread_mutex_unlock(&lock);
}

void *mapped_open(int fd, size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (map == MAP_FAILED)
        return NULL;
    mapped_guard();
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MAPPINGS_MAX; i++) {
        struct mapping *m = &mappings[i];

        if (atomic_load(&m->end))
            continue;
        atomic_store(&m->fd, fd);
        atomic_store(&m->begin, (uintptr_t)map);
        atomic_store(&m->end, (uintptr_t)map + bytes);
        break;
    }
    pthread_mutex_unlock(&lock);
    return map;
}

void mapped_close(void *map, size_t bytes)
{
    if (!map)
        return;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MAPPINGS_MAX; i++)
        if (atomic_load(&mappings[i].end) && atomic_load(&mappings[i].begin) == (uintptr_t)map)
            atomic_store(&mappings[i].end, 0);
    pthread_mutex_unlock(&lock);
    munmap(map, bytes);
}
