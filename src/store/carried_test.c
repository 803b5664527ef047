// SPDX-License-Identifier: MIT
#include "store/carried.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char directory[64], path[128];
    struct carried *carried;
};

static int try_open(struct fixture *f, uint64_t identity, size_t bytes)
{
    return carried_open(&f->carried, &(struct carried_config){ .directory = str_of(f->directory),
                                                               .name = STR("table"),
                                                               .identity = identity,
                                                               .bytes = bytes });
}

static char *open_as(struct fixture *f, uint64_t identity, size_t bytes)
{
    carried_close(f->carried);
    f->carried = NULL;
    assert_int_equal(try_open(f, identity, bytes), 0);
    return carried_memory(f->carried);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->directory, sizeof(f->directory), "/tmp/carried-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/table", f->directory);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    carried_close(f->carried);
    unlink(f->path);
    rmdir(f->directory);
    free(f);
    return 0;
}

static void test_what_was_written_is_there_again(void **state)
{
    struct fixture *f = *state;
    char *memory = open_as(f, 1, 10000);
    struct stat st;

    assert_int_equal(memory[0], 0);
    assert_int_equal(memory[9999], 0);
    memory[0] = 'a';
    memory[9999] = 'z';
    memory = open_as(f, 1, 10000);
    assert_int_equal(memory[0], 'a');
    assert_int_equal(memory[9999], 'z');
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_of_another_store_or_size_it_is_zeroed(void **state)
{
    struct fixture *f = *state;

    memset(open_as(f, 1, 10000), 'a', 10000);
    assert_int_equal(*open_as(f, 2, 10000), 0);
    *open_as(f, 2, 10000) = 'b';
    assert_int_equal(*open_as(f, 2, 20000), 0);
}

static void test_of_another_boot_it_is_zeroed(void **state)
{
    struct fixture *f = *state;
    int fd;

    *open_as(f, 1, 10000) = 'a';
    fd = open(f->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "0", 1, 24), 1); /* the boot's id begins there */
    assert_int_equal(pwrite(fd, "-", 1, 25), 1);
    close(fd);
    assert_int_equal(*open_as(f, 1, 10000), 0);
}

static void test_a_directory_that_is_not_there(void **state)
{
    struct fixture *f = *state;

    snprintf(f->directory, sizeof(f->directory), "/nowhere");
    assert_int_equal(try_open(f, 1, 10000), -ENOENT);
    snprintf(f->directory, sizeof(f->directory), "%.*s", (int)(strlen(f->path) - 6), f->path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(test_what_was_written_is_there_again),
        T(test_of_another_store_or_size_it_is_zeroed),
        T(test_of_another_boot_it_is_zeroed),
        T(test_a_directory_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
