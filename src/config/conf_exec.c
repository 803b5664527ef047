// SPDX-License-Identifier: MIT
/* #exec: a shell command whose output is read, bounded in bytes and in time. Written out instead of
 * popen(3), which knows neither bound. */
#include "config/conf_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* After fork in a process with threads: nothing but system calls. */
static _Noreturn void child_run(const char *command, int output)
{
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;

    setpgid(0, 0); /* so that it can be ended with all it starts */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(127);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int child_start(const char *command, pid_t *pid, int *output)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    *pid = fork();
    if (*pid == 0)
        child_run(command, ends[1]);
    close(ends[1]);
    if (*pid < 0) {
        int r = -errno;

        close(ends[0]);
        return r;
    }
    *output = ends[0];
    return 0;
}

/* All of the output into `out`. 0, -ETIMEDOUT, -EMSGSIZE, -ENOMEM, or what poll and read fail with.
 */
static int output_read(int fd, uint64_t deadline, struct buf *out)
{
    char room[4096];

    for (;;) {
        uint64_t now = clock_monotonic_ms(&clock_system);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (now >= deadline)
            return -ETIMEDOUT;
        n = poll(&p, 1, (int)(deadline - now));
        if (n > 0)
            n = read(fd, room, sizeof(room));
        else if (n == 0)
            return -ETIMEDOUT;
        else
            n = -1;
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            buf_add(out, (struct str){ room, (size_t)n });
        if (out->error)
            return out->error;
    }
}

/* It may have closed its output and live on. 0 or -ETIMEDOUT. */
static int child_wait(pid_t pid, uint64_t deadline, int *status)
{
    for (;;) {
        pid_t r = waitpid(pid, status, WNOHANG);

        if (r > 0 || (r < 0 && errno == ECHILD)) /* reaped already where SIGCHLD is ignored */
            return 0;
        if (clock_monotonic_ms(&clock_system) >= deadline)
            return -ETIMEDOUT;
        poll(NULL, 0, 5);
    }
}

static void child_end(pid_t pid)
{
    int status;

    kill(-pid, SIGKILL);
    kill(pid, SIGKILL); /* it may not have its group yet */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
}

static void explain(struct buf *why, int result, int status)
{
    if (result == -ETIMEDOUT)
        buf_printf(why, "ended after %d seconds; make it faster", CONF_EXEC_TIMEOUT_MS / 1000);
    else if (result == -EMSGSIZE)
        buf_printf(why, "it prints more than %d bytes; make it print less", CONF_EXEC_OUTPUT_MAX);
    else if (result)
        buf_printf(why, "cannot be run: %s", strerror(-result));
    else if (WIFSIGNALED(status))
        buf_printf(why, "ended by signal %d, its output is used as far as it came",
                   WTERMSIG(status));
    else if (WEXITSTATUS(status))
        buf_printf(why, "exit status %d, its output is used as far as it came",
                   WEXITSTATUS(status));
}

int conf_exec(struct str command, struct str *output, struct buf *why)
{
    struct str line = STR_EMPTY;
    struct buf bytes;
    uint64_t deadline = clock_monotonic_ms(&clock_system) + CONF_EXEC_TIMEOUT_MS;
    int fd = -1, status = 0, r;
    pid_t pid = -1;

    buf_init(&bytes, CONF_EXEC_OUTPUT_MAX);
    r = str_dup(&line, command);
    if (r)
        goto out;
    r = child_start(line.p, &pid, &fd);
    if (r == 0) {
        r = output_read(fd, deadline, &bytes);
        close(fd);
        r = r ? r : child_wait(pid, deadline, &status);
        if (r)
            child_end(pid);
    }
    if (r == 0)
        r = buf_take(&bytes, output);
    explain(why, r, status);
    r = r && r != -ENOMEM ? -EIO : r;
out:
    str_free(&line);
    buf_fini(&bytes);
    return r;
}
