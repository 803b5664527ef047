// SPDX-License-Identifier: MIT
#include "process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

enum { MEMORY = 32 << 20, BURN_NS = 50000000 };

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A grandchild that has burnt a known time and touched a known memory, says so and sleeps. */
static void be_grandchild(int told)
{
    char *p = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(p, 1, MEMORY);
    while (cpu_ns() < BURN_NS)
        ;
    (void)!write(told, "x", 1);
    pause();
}

static void test_tree(void **state)
{
    struct process_use use;
    int told[2], status;
    char c;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(told), 0);
    child = fork();
    if (child == 0) {
        pid_t grandchild = fork();

        if (grandchild == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            be_grandchild(told[1]);
        }
        waitpid(grandchild, &status, 0);
        _exit(0);
    }
    assert_int_equal(read(told[0], &c, 1), 1);
    assert_int_equal(process_tree_use(&use, child), 0);
    assert_int_equal(use.processes, 2);
    assert_true(use.cpu_ns >= BURN_NS);
    assert_int_equal(use.n_threads, 1);
    assert_int_equal(process_thread_cpu_ns(&use, use.threads[0].name), use.cpu_ns);
    assert_int_equal(process_thread_cpu_ns(&use, "nobody"), 0);
    assert_true(use.memory_bytes >= MEMORY);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_int_equal(process_tree_use(&use, child), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
