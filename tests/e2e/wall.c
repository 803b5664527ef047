// SPDX-License-Identifier: MIT
/* wall.so - an LD_PRELOAD shim in which the wall clock is wrong by $EXTSTATE_WALL seconds, or by as
 * many as the file of that name says at the moment. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_gettime_fn)(clockid_t, struct timespec *);

static time_t wrong_by(const char *wrong)
{
    char text[24] = "";
    int fd;

    if (*wrong != '/')
        return strtol(wrong, NULL, 10);
    fd = open(wrong, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    (void)!read(fd, text, sizeof(text) - 1);
    close(fd);
    return strtol(text, NULL, 10);
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's names are its own
__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *out)
{
    static clock_gettime_fn real;
    const char *wrong = getenv("EXTSTATE_WALL");
    int r;

    if (!real)
        real = (clock_gettime_fn)(uintptr_t)dlsym(RTLD_NEXT, "clock_gettime");
    r = real(id, out);
    if (r == 0 && id == CLOCK_REALTIME && wrong)
        out->tv_sec += wrong_by(wrong);
    return r;
}
