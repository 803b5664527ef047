// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/inherited.h"

static struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(text), 0), 0);
    return a;
}

static int bound(int type, struct addr *at)
{
    int fd = socket(at->sa.sa_family, type, 0);
    socklen_t len = addr_socklen(at);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &at->sa, len), 0);
    assert_int_equal(getsockname(fd, &at->sa, &len), 0);
    return fd;
}

static void add(struct inherited *in, int fd, const char *name)
{
    assert_int_equal(inherited_add(in, fd, str_of(name)), 0);
}

static void test_kinds(void **state)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct addr tcp = address("127.0.0.1"), udp = tcp;
    struct inherited in = { 0 };
    int listener = bound(SOCK_STREAM, &tcp), control = socket(AF_UNIX, SOCK_STREAM, 0), pipes[2];

    (void)state;
    snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/extstate-inherited-%d", (int)getpid());
    assert_int_equal(listen(listener, 4), 0);
    add(&in, bound(SOCK_DGRAM, &udp), "extstate.socket");
    add(&in, listener, "extstate.socket");
    add(&in, socket(AF_INET, SOCK_STREAM, 0), "");
    assert_int_equal(connect(in.list[2].fd, &tcp.sa, addr_socklen(&tcp)), 0);
    add(&in, accept(listener, NULL, NULL), "");
    assert_int_equal(bind(control, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(control, 4), 0);
    add(&in, control, "");
    add(&in, socket(AF_UNIX, SOCK_STREAM, 0), "");
    assert_int_equal(connect(in.list[5].fd, (struct sockaddr *)&un, sizeof(un)), 0);
    add(&in, accept(control, NULL, NULL), "");
    assert_int_equal(pipe(pipes), 0);
    add(&in, pipes[0], "");
    unlink(un.sun_path);

    static const enum inherited_kind kinds[] = { INHERITED_UDP,        INHERITED_LISTENER,
                                                 INHERITED_CONNECTION, INHERITED_CONNECTION,
                                                 INHERITED_CONTROL,    INHERITED_CLIENT,
                                                 INHERITED_CLIENT,     INHERITED_OTHER };

    assert_int_equal(in.n, ARRAY_LEN(kinds));
    for (size_t i = 0; i < in.n; i++)
        assert_int_equal(in.list[i].kind, kinds[i]);
    assert_ptr_equal(inherited_take(&in, INHERITED_UDP, &udp, STR_EMPTY), &in.list[0]);
    assert_null(inherited_take(&in, INHERITED_UDP, &udp, STR_EMPTY)); /* there was one */
    assert_ptr_equal(inherited_take(&in, INHERITED_CONNECTION, &tcp, STR_EMPTY), &in.list[3]);
    assert_null(inherited_take_path(&in, INHERITED_CONTROL, STR("/elsewhere")));
    assert_ptr_equal(inherited_take_path(&in, INHERITED_CONTROL, str_of(un.sun_path)), &in.list[4]);
    /* Who was accepted has the listener's address. */
    assert_ptr_equal(inherited_take_path(&in, INHERITED_CLIENT, str_of(un.sun_path)), &in.list[6]);
    close(pipes[1]);
    inherited_close(&in);
}

static void test_report(void **state)
{
    struct addr at = address("127.0.0.1");
    struct inherited in = { 0 };
    int ends[2];
    struct log *log;
    char text[512];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(log_create(&log, ends[1], LOG_LEVEL_DEBUG, &clock_system), 0);
    add(&in, bound(SOCK_DGRAM, &at), "other.socket");
    inherited_report(&in, log);
    n = read(ends[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "inherited.not_used name=other.socket address=127.0.0.1:"));
    log_destroy(log);
    inherited_close(&in);
    close(ends[0]);
    close(ends[1]);
}

/* As a child that is passed these descriptors: the result of inherited_read, or 100 and how many.
 */
static int read_in_child(const char *fds, pid_t pid, const char *names, bool whoever)
{
    struct addr at = address("127.0.0.1");
    int fd = bound(SOCK_DGRAM, &at), status;
    pid_t child = fork();

    if (child == 0) {
        struct inherited in = { 0 };
        char text[16];
        int r;

        dup2(fd, 3);
        dup2(3, 4);
        for (int i = 5; i < 64; i++)
            close(i);
        snprintf(text, sizeof(text), "%d", (int)(pid ? pid : getpid()));
        setenv("LISTEN_FDS", fds, 1);
        setenv("LISTEN_PID", text, 1);
        if (names)
            setenv("LISTEN_FDNAMES", names, 1);
        r = inherited_read(&in, whoever);
        if (getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES"))
            _exit(99);
        for (size_t i = 0; i < in.n; i++)
            if (in.list[i].kind != INHERITED_UDP || fcntl(in.list[i].fd, F_GETFD) != FD_CLOEXEC)
                _exit(98);
        if (names && in.n == 2 && !str_equal(in.list[1].name, STR("b")))
            _exit(97);
        _exit(r ? -r : 100 + (int)in.n);
    }
    close(fd);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_environment(void **state)
{
    struct inherited in = { 0 };

    (void)state;
    assert_int_equal(read_in_child("2", 0, "a:b", false), 102);
    assert_int_equal(read_in_child("2", 0, NULL, false), 102);
    assert_int_equal(read_in_child("2", 1, "a:b", false), 100); /* another process's */
    assert_int_equal(read_in_child("2", 1, "a:b", true), 102);
    assert_int_equal(read_in_child("3", 0, "a:b", false), EINVAL); /* the third is not open */
    assert_int_equal(read_in_child("two", 0, NULL, false), EINVAL);
    assert_int_equal(read_in_child("99999999", 0, NULL, false), EINVAL);
    unsetenv("LISTEN_FDS");
    assert_int_equal(inherited_read(&in, false), 0);
    assert_int_equal(in.n, 0);
}

/* Behind them, as many as there are lines; all of them, or an error. */
static int read_behind_in_child(const char *names, const char *last)
{
    int file = memfd_create("", 0), status;
    pid_t child;

    assert_int_equal(write(file, names, strlen(names)), strlen(names));
    child = fork();
    if (child == 0) {
        struct addr at = address("127.0.0.1");
        struct inherited in = { 0 };
        int r;

        dup2(file, 63);
        dup2(bound(SOCK_DGRAM, &at), 62);
        for (int i = 3; i < 8; i++)
            dup2(62, i);
        for (int i = 8; i < 62; i++)
            close(i);
        r = inherited_add(&in, 3, STR("first"));
        r = r ? r : inherited_read_behind(&in, 63);
        for (size_t i = 1; i < in.n; i++)
            if (fcntl(in.list[i].fd, F_GETFD) != FD_CLOEXEC || in.list[i].fd != (int)i + 3)
                _exit(98);
        if (r == 0 && !str_equal(in.list[in.n - 1].name, str_of(last)))
            _exit(97);
        _exit(r ? -r : 100 + (int)in.n);
    }
    close(file);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_behind(void **state)
{
    (void)state;
    assert_int_equal(read_behind_in_child("", "first"), 101);
    assert_int_equal(read_behind_in_child("0/tcp\n3/a:b\n", "3/a:b"), 103);
    assert_int_equal(read_behind_in_child("a\nb\nc\nd\n", "d"), 105);
    assert_int_equal(read_behind_in_child("a\nb\nc\nd\ne\n", ""), EINVAL); /* nothing is open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
