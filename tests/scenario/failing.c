// SPDX-License-Identifier: MIT
/* The n-th allocation of what a scenario tests fails, once: nothing may crash, hang or leak by
 * that. What comes of it in the story is not looked at; the *_alloc_test.c beside the code do that.
 */
#include "scenario.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory_testing.h"

enum { PATIENCE_S = 60 };

bool guard_set(bool subject)
{
    bool former = memory.armed;

    memory_guard(subject);
    return former;
}

void guard_back(const bool *former)
{
    memory_guard(*former);
}

int scenario_fail_one(const char *path, const struct how *how, uint64_t n)
{
    struct how failing = *how;

    failing.failing = true;
    memory.left = (long)n;
    return scenario_run(path, &failing);
}

/* How many there are when none fails. */
static int count(uint64_t *out, const char *path, const struct how *how)
{
    int r = scenario_fail_one(path, how, LONG_MAX);

    *out = (uint64_t)(LONG_MAX - memory.left);
    memory.left = -1;
    return r;
}

/* In a process of its own, so that the others are not in the way. What it says is said when it is
 * wanted: in a file without a name. */
static bool ends_in_order(const char *path, const struct how *how, uint64_t n)
{
    FILE *said = tmpfile();
    int status = -1, c;
    pid_t child;

    fflush(stdout); /* or the child says it again */
    child = said ? fork() : -1;
    if (child == 0) {
        (void)!dup2(fileno(said), STDERR_FILENO);
        alarm(PATIENCE_S);
        (void)!scenario_fail_one(path, how, n);
        exit(EXIT_SUCCESS);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status) {
        fprintf(stderr, "%s: with allocation %llu failing: %s %d\n", path, (unsigned long long)n,
                WIFSIGNALED(status) ? "signal" : "exit",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        for (rewind(said); (c = fgetc(said)) != EOF;)
            fputc(c, stderr);
    }
    if (said)
        fclose(said);
    return status == 0;
}

unsigned scenario_fail(const char *path, const struct how *how, uint64_t first, uint64_t every)
{
    uint64_t all;
    unsigned failed = 0, runs = 0;

    if (count(&all, path, how))
        return 1;
    for (uint64_t n = first; n < all; n += every) {
        failed += !ends_in_order(path, how, n);
        runs++;
    }
    printf("%s: %u of %llu, %u wrong\n", path, runs, (unsigned long long)all, failed);
    return failed;
}
