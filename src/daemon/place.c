// SPDX-License-Identifier: MIT
#include "daemon/place.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int path_copy(char room[PATH_MAX], struct str path)
{
    if (path.n >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(room, path.p, path.n);
    room[path.n] = '\0';
    return 0;
}

static int directory_make(const char *path, mode_t mode)
{
    return mkdir(path, mode) && errno != EEXIST ? -errno : 0;
}

int place_directory_make(struct str path)
{
    char room[PATH_MAX];
    int r = path_copy(room, path);

    for (size_t i = 1; i < path.n && r == 0; i++) {
        if (room[i] != '/')
            continue;
        room[i] = '\0';
        r = directory_make(room, 0755);
        room[i] = '/';
    }
    return r ? r : directory_make(room, 0750);
}

int place_path_absolute(struct str *out, struct str path)
{
    char room[PATH_MAX];
    char *text;
    int n;

    if (path.n && path.p[0] == '/')
        return str_dup(out, path);
    if (!getcwd(room, sizeof(room)))
        return -errno;
    n = asprintf(&text, "%s/%.*s", room, STR_FMT(path));
    if (n < 0)
        return -ENOMEM;
    *out = (struct str){ text, (size_t)n };
    return 0;
}

int place_program(struct str *out, const char *name)
{
    char room[PATH_MAX];
    ssize_t n;

    if (strchr(name, '/'))
        return place_path_absolute(out, str_of(name));
    n = readlink("/proc/self/exe", room, sizeof(room)); /* it was looked for in $PATH */
    return n < 0 ? -errno : str_dup(out, (struct str){ room, (size_t)n });
}

int place_background(void)
{
    int ends[2];
    char word;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC)) {
        perror("extstated: pipe");
        exit(EXIT_FAILURE);
    }
    child = fork();
    if (child < 0) {
        perror("extstated: fork");
        exit(EXIT_FAILURE);
    }
    if (child) {
        close(ends[1]);
        _exit(read(ends[0], &word, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[0]);
    setsid();
    if (chdir("/")) {
        perror("extstated: chdir");
        exit(EXIT_FAILURE);
    }
    return ends[1];
}

int place_log_to(struct str path)
{
    char room[PATH_MAX];
    int r = path_copy(room, path), fd;

    if (r)
        return r;
    fd = open(room, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    r = dup2(fd, STDERR_FILENO) < 0 ? -errno : 0;
    close(fd);
    return r;
}

void place_let_go(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return;
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    close(fd);
}
