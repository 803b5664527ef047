// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/become.h"

static const struct str overrides[] = { STR_INIT("general.workers=2"), STR_INIT("a.b=c d") };

static bool has(char *const *texts, const char *text)
{
    size_t n = 0;

    for (; *texts; texts++)
        n += strcmp(*texts, text) == 0;
    assert_in_range(n, 0, 1);
    return n;
}

static void test_arguments(void **state)
{
    struct daemon_options o = { .config_directory = STR("/etc/x"),
                                .state_directory = STR("/var/x"),
                                .overrides = overrides,
                                .n_overrides = 2,
                                .log_file = STR("/log") };
    char **texts;

    (void)state;
    assert_int_equal(become_arguments(&texts, &o, "/bin/x", true), 0);
    assert_string_equal(texts[0], "/bin/x");
    assert_true(has(texts, "--config-dir=/etc/x") && has(texts, "--state-dir=/var/x"));
    assert_true(has(texts, "--set=general.workers=2") && has(texts, "--set=a.b=c d"));
    assert_true(has(texts, "--log-file=/log") && has(texts, "--foreground"));
    assert_true(has(texts, "--rehearse"));
    become_texts_free(texts);
    o.background = true;
    o.log_file = STR_EMPTY;
    assert_int_equal(become_arguments(&texts, &o, "/bin/x", false), 0);
    assert_false(has(texts, "--foreground") || has(texts, "--rehearse"));
    assert_null(texts[5]);
    become_texts_free(texts);
}

static void test_joined(void **state)
{
    char *const texts[] = { "/bin/x", "--set=a=b c\nd", "--log-file=x", NULL };
    char *joined = become_join(texts), **split = become_split(joined);

    (void)state;
    assert_true(joined && split);
    for (size_t i = 0; i < ARRAY_LEN(texts) - 1; i++)
        assert_string_equal(split[i], texts[i]);
    assert_null(split[3]);
    free(joined);
    become_texts_free(split);
}

static void test_environment(void **state)
{
    char *const names[] = { "udp", "has:colon", "", "client-7" };
    const char *const more[] = { SUCCESSION_FROM, "1.0" };
    char **texts;

    (void)state;
    setenv("LISTEN_PID", "1", 1);
    setenv(SUCCESSION_FAILED, "long ago", 1);
    setenv("BECOME_TEST", "stays", 1);
    assert_int_equal(become_environment(&texts, names, ARRAY_LEN(names), more, 2), 0);
    assert_true(has(texts, "BECOME_TEST=stays") && has(texts, "LISTEN_FDS=4"));
    assert_true(has(texts, "LISTEN_FDNAMES=udp:::client-7"));
    assert_true(has(texts, SUCCESSION_FROM "=1.0"));
    assert_false(has(texts, "LISTEN_PID=1") || has(texts, SUCCESSION_FAILED "=long ago"));
    become_texts_free(texts);
}

/* A shell sees them in order, with its own process number. */
static void test_becoming(void **state)
{
    static const char script[] =
        "[ $LISTEN_FDS = 2 ] && [ $LISTEN_PID = $$ ] && echo one >&3 && echo two >&4";
    char *const arguments[] = { "sh", "-c", (char *)(uintptr_t)script, NULL };
    char *const names[] = { "a", "b" };
    int first[2], second[2], status;
    char text[16] = "";
    pid_t child;

    (void)state;
    assert_int_equal(pipe(first), 0);
    assert_int_equal(pipe(second), 0);
    child = fork();
    if (child == 0) {
        int fds[] = { second[1], first[1] }; /* where the other one has to go, perhaps */

        if (become_place(fds, 2) == 0)
            (void)!become(&(struct become){
                .path = "/bin/sh", .arguments = arguments, .names = names, .n_fds = 2 });
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(second[0], text, sizeof(text)), 4);
    assert_memory_equal(text, "one\n", 4);
    assert_int_equal(read(first[0], text, sizeof(text)), 4);
    assert_memory_equal(text, "two\n", 4);
    for (size_t i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
}

/* As many as may be open, the wrong way round, some of them where others belong. */
static void test_many(void **state)
{
    enum { N = 3000 };
    struct rlimit files;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < N + 200)
        skip();
    child = fork();
    if (child == 0) {
        static int fds[N];

        files.rlim_cur = N + 101; /* and one that is free */
        if (setrlimit(RLIMIT_NOFILE, &files))
            _exit(1);
        for (int i = 0; i < N; i++) {
            int file = memfd_create("", MFD_CLOEXEC);

            fds[i] = dup3(file, 100 + N - i - 1, O_CLOEXEC);
            close(file);
            if (fds[i] < 0 || ftruncate(fds[i], i))
                _exit(1);
        }
        if (become_place(fds, N))
            _exit(2);
        for (int i = 0; i < N; i++) {
            struct stat st;

            if (fds[i] != 3 + i || fstat(3 + i, &st) || st.st_size != i || fcntl(3 + i, F_GETFD))
                _exit(3);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_no_such_program(void **state)
{
    char *const arguments[] = { "x", NULL };

    (void)state;
    assert_int_equal(become(&(struct become){ .path = "/none", .arguments = arguments }), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),   cmocka_unit_test(test_joined),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_becoming),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_no_such_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
