// SPDX-License-Identifier: MIT
#include "store/told.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char directory[64];
    struct told *told;
    struct keep_words words;
    uint64_t incarnation;
    unsigned worker, workers;
};

static void reopen(struct fixture *f, uint64_t incarnation)
{
    told_close(f->told);
    f->told = NULL;
    assert_int_equal(told_open(&f->told, &(struct told_config){ .directory = str_of(f->directory),
                                                                .identity = 77,
                                                                .incarnation = incarnation,
                                                                .worker = f->worker,
                                                                .workers = f->workers }),
                     0);
    f->words = told_words(f->told);
}

static void begin(struct fixture *f)
{
    reopen(f, ++f->incarnation);
    told_begin(f->told);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->directory, sizeof(f->directory), "/tmp/told_test.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->worker = 1;
    f->workers = 2;
    begin(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];

    told_close(f->told);
    snprintf(command, sizeof(command), "rm -r %s", f->directory);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* As where the file system fails: what was said goes on, and the file is not believed any more. */
static void test_words_go_on_without_the_file(void **state)
{
    struct fixture *f = *state;
    char path[128];
    uint64_t a, b;

    begin(f); /* cmocka has taken the signal since the last time */
    a = f->words.take(f->told);
    b = f->words.take(f->told);
    f->words.set(f->told, a, 5);
    snprintf(path, sizeof(path), "%s/told.1", f->directory);
    assert_int_equal(truncate(path, 4096), 0);
    f->words.set(f->told, b, 6);
    f->words.set(f->told, a, 7);
    assert_int_equal(f->words.get(f->told, a), 7);
    assert_int_equal(f->words.get(f->told, b), 6);
    begin(f);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 0);
    assert_int_equal(told_incarnation(str_of(f->directory), 77), f->incarnation);
}

static void test_words_are_there_after_the_process(void **state)
{
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told), b = f->words.take(f->told);

    assert_true(a && b && a != b);
    f->words.set(f->told, a, 11);
    f->words.set(f->told, b, 22);
    begin(f);
    f->words.claim(f->told, a);
    f->words.claim(f->told, b);
    assert_int_equal(f->words.get(f->told, a), 11);
    assert_int_equal(f->words.get(f->told, b), 22);
}

/* Of any class that leaves this worker as the remainder: in-dialog requests find them by that. */
static void test_foreign_numbers(void **state)
{
    struct fixture *f = *state;
    uint64_t a = f->words.take_foreign(f->told, 37), b = f->words.take_foreign(f->told, 37);

    assert_true(a && b && a != b);
    assert_int_equal(a % TOLD_CLASSES, 37);
    assert_int_equal(told_worker(b, 2), f->worker);
    f->words.set(f->told, a, 11);
    begin(f);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 11);
}

static void test_what_nobody_claims_is_given_out_again(void **state)
{
    struct fixture *f = *state;
    uint64_t numbers[4];

    for (size_t i = 0; i < 4; i++) {
        numbers[i] = f->words.take(f->told);
        f->words.set(f->told, numbers[i], 5);
    }
    begin(f);
    f->words.claim(f->told, numbers[1]);
    f->words.claim(f->told, numbers[3]);
    assert_int_equal(f->words.take(f->told), numbers[0]);
    assert_int_equal(f->words.get(f->told, numbers[0]), 0);
    assert_int_equal(f->words.take(f->told), numbers[2]);
    assert_true(f->words.take(f->told) > numbers[3]);
    f->words.give(f->told, numbers[3]);
    assert_int_equal(f->words.take(f->told), numbers[3]);
    assert_int_equal(f->words.get(f->told, numbers[3]), 0);
}

static void test_another_worker_goes_on_with_the_words_of_one_that_is_no_more(void **state)
{
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told);

    f->words.set(f->told, a, 11);
    f->worker = 0;
    f->workers = 1;
    begin(f);
    assert_int_equal(told_worker(a, 1), 0);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 11);
    assert_true(f->words.take(f->told) != a);
}

static void test_words_of_another_start_are_not_believed(void **state)
{
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told);

    f->words.set(f->told, a, 11);
    f->incarnation++; /* a start without us in between: the store was copied back */
    begin(f);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 0);
}

/* It leaves the words to the one after it, which has the same number if the store has not committed
 * its own, and the next one if it has. */
static void test_a_start_that_has_not_begun_changes_nothing(void **state)
{
    static const bool committed[] = { false, true, true, false, false, true };
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told);

    f->words.set(f->told, a, 11);
    for (size_t i = 0; i < ARRAY_LEN(committed); i++) {
        reopen(f, f->incarnation + 1);
        f->words.claim(f->told, a);
        assert_int_equal(f->words.get(f->told, a), 11);
        f->incarnation += committed[i];
    }
    begin(f);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 11);
}

/* The store of before is copied back, but the words have gone on; whoever looks in between. */
static void test_words_that_went_on_are_not_believed_by_a_former_store(void **state)
{
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told), former = f->incarnation;

    begin(f);
    f->words.set(f->told, a, 11);
    reopen(f, f->incarnation + 1);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 11);
    reopen(f, former + 1);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 0);
}

static void file_write(const struct fixture *f, const void *bytes, size_t n, off_t at)
{
    char path[80];
    int fd;

    snprintf(path, sizeof(path), "%.60s/told.1", f->directory);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static void test_files_from_before_starts_were_noted_are_believed(void **state)
{
    static const uint64_t none = 0;
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told);

    f->words.set(f->told, a, 11);
    told_close(f->told);
    f->told = NULL;
    file_write(f, &none, sizeof(none), 64);
    begin(f);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 11);
}

static void test_words_of_another_boot_are_not_believed(void **state)
{
    struct fixture *f = *state;
    uint64_t a = f->words.take(f->told);

    f->words.set(f->told, a, 11);
    told_close(f->told);
    f->told = NULL;
    file_write(f, "0-", 2, 24); /* the boot id's beginning */
    begin(f);
    f->words.claim(f->told, a);
    assert_int_equal(f->words.get(f->told, a), 0);
}

static void test_there_are_many(void **state)
{
    enum { N = 200000 };
    struct fixture *f = *state;
    uint64_t last = 0;

    for (uint64_t i = 1; i <= N; i++) {
        last = f->words.take(f->told);
        assert_true(last);
        f->words.set(f->told, last, i);
    }
    begin(f);
    f->words.claim(f->told, last);
    assert_int_equal(f->words.get(f->told, last), N);
}

static void test_a_number_beyond_the_file_has_no_word(void **state)
{
    struct fixture *f = *state;
    uint64_t number = 64 * 1000000 + 1;

    f->words.claim(f->told, number);
    assert_int_equal(f->words.get(f->told, number), 0);
    f->words.set(f->told, number, 3);
    assert_int_equal(f->words.get(f->told, number), 3);
    f->words.claim(f->told, UINT64_MAX); /* of a damaged record */
    f->words.set(f->told, UINT64_MAX, 3);
    assert_int_equal(f->words.get(f->told, UINT64_MAX), 0);
    f->words.give(f->told, UINT64_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(test_words_are_there_after_the_process),
        T(test_words_go_on_without_the_file),
        T(test_a_start_that_has_not_begun_changes_nothing),
        T(test_foreign_numbers),
        T(test_what_nobody_claims_is_given_out_again),
        T(test_another_worker_goes_on_with_the_words_of_one_that_is_no_more),
        T(test_words_of_another_start_are_not_believed),
        T(test_words_that_went_on_are_not_believed_by_a_former_store),
        T(test_files_from_before_starts_were_noted_are_believed),
        T(test_words_of_another_boot_are_not_believed),
        T(test_there_are_many),
        T(test_a_number_beyond_the_file_has_no_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
