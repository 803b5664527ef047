// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include "base/log.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

/* A log into memory, with a clock that stands at 2026-11-24T01:52:13.123Z until it is moved. */
struct fixture {
    struct log *log;
    struct clock clock;
    int fd;
    _Atomic uint64_t passed_ms;
    char text[65536];
};

#define START_MS 1795485133123ull

static uint64_t fixture_monotonic(void *ctx)
{
    struct fixture *f = ctx;

    return 1000 + f->passed_ms;
}

static uint64_t fixture_wall(void *ctx)
{
    struct fixture *f = ctx;

    return START_MS + f->passed_ms;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    f->fd = memfd_create("log", 0);
    f->clock = (struct clock){ fixture_monotonic, fixture_wall, f };
    *state = f;
    return f->fd < 0 || log_create(&f->log, f->fd, LOG_LEVEL_DEBUG, &f->clock) ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    log_destroy(f->log);
    close(f->fd);
    free(f);
    return 0;
}

/* What has been written since the last call. */
static struct str written(struct fixture *f)
{
    ssize_t n = pread(f->fd, f->text, sizeof(f->text) - 1, 0);

    assert_true(n >= 0);
    f->text[n] = '\0';
    assert_int_equal(ftruncate(f->fd, 0), 0);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    return (struct str){ f->text, (size_t)n };
}

static size_t lines_in(struct str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static void test_line(void **state)
{
    struct fixture *f = *state;
    const char *text = "x y";
    char word[] = "word";

    log_info(f->log, "subscription.accepted", KV("package", STR("dialog")), KV_U("expires_s", 600));
    written(f);
    assert_string_equal(
        f->text,
        "2026-11-24T01:52:13.123Z info subscription.accepted package=dialog expires_s=600\n");
    f->passed_ms = 877;
    log_error(f->log, "a.b");
    written(f);
    assert_string_equal(f->text, "2026-11-24T01:52:14.000Z error a.b\n");
    log_warn(f->log, "a.b", KV_I("i", INT64_MIN), KV_U("u", UINT64_MAX), KV("c", text),
             KV("w", word));
    written(f);
    assert_string_equal(f->text, "2026-11-24T01:52:14.000Z warn a.b i=-9223372036854775808 "
                                 "u=18446744073709551615 c=\"x y\" w=word\n");
    log_debug(f->log, "a.b", KV_ERR(-ENOENT));
    written(f);
    assert_string_equal(f->text,
                        "2026-11-24T01:52:14.000Z debug a.b error=\"No such file or directory\"\n");
}

static void test_values(void **state)
{
    static const struct {
        struct str in;
        const char *out;
    } cases[] = {
        { STR_INIT("sip:bob@[2001:db8::1]:5060;x"), "sip:bob@[2001:db8::1]:5060;x" },
        { STR_INIT("~!'"), "~!'" },
        { STR_INIT(""), "\"\"" },
        { { NULL, 0 }, "\"\"" },
        { STR_INIT("a b"), "\"a b\"" },
        { STR_INIT("a=b"), "\"a=b\"" },
        { STR_INIT("a\"b"), "\"a\\\"b\"" },
        { STR_INIT("a\\b"), "\"a\\\\b\"" },
        { STR_INIT("a\nlevel=x"), "\"a\\nlevel=x\"" }, /* no line of its own */
        { STR_INIT("\r\t\0\x1b[31m\x7f"), "\"\\x0d\\x09\\x00\\x1b[31m\\x7f\"" },
        { STR_INIT("\xc3\xab"), "\"\\xc3\\xab\"" },
        { STR_INIT("<sips:a:pw@h>;\tSip:b:x@y"),
          "\"<sips:a:(not shown)@h>;\\x09Sip:b:(not shown)@y\"" },
        { STR_INIT("sip:a@h:5060;a=b:c@d"), "\"sip:a@h:5060;a=b:c@d\"" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[200];

        log_info(f->log, "n", KV("k", cases[i].in));
        written(f);
        snprintf(want, sizeof(want), "2026-11-24T01:52:13.123Z info n k=%s\n", cases[i].out);
        assert_string_equal(f->text, want);
    }
}

static void test_levels(void **state)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    struct fixture *f = *state;
    enum log_level level;

    for (int i = 0; i < LOG_LEVELS; i++) {
        assert_int_equal(log_level_parse(&level, str_of(names[i])), 0);
        assert_int_equal(level, i);
        assert_string_equal(log_level_name(level), names[i]);
        log_level_set(f->log, level);
        assert_int_equal(log_level_get(f->log), i);
        log_error(f->log, "n");
        log_warn(f->log, "n");
        log_info(f->log, "n");
        log_debug(f->log, "n");
        f->passed_ms += 1000;
        assert_int_equal(lines_in(written(f)), i + 1);
        assert_true(log_enabled(f->log, level));
        assert_int_equal(log_enabled(f->log, LOG_LEVEL_DEBUG), i == LOG_LEVEL_DEBUG);
    }
    level = LOG_LEVEL_WARN;
    assert_int_equal(log_level_parse(&level, STR("Info")), -EINVAL);
    assert_int_equal(log_level_parse(&level, STR("")), -EINVAL);
    assert_int_equal(log_level_parse(&level, STR("information")), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_false(log_enabled(NULL, LOG_LEVEL_ERROR)); /* no log: silence */
    log_error(NULL, "n");
    log_trace(NULL, STR("h"), STR("b"));
    log_destroy(NULL);
}

static void burst(struct fixture *f, const char *name, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        log_write(f->log, LOG_LEVEL_INFO, name, NULL, 0);
}

static void test_rate(void **state)
{
    struct fixture *f = *state;

    burst(f, "a", 100);
    assert_int_equal(lines_in(written(f)), 20);
    assert_null(strstr(f->text, "suppressed"));
    burst(f, "b", 5); /* a name of its own */
    assert_int_equal(lines_in(written(f)), 5);
    f->passed_ms += 99;
    burst(f, "a", 1);
    assert_int_equal(written(f).n, 0);
    f->passed_ms += 1;
    burst(f, "a", 3);
    assert_int_equal(lines_in(written(f)), 1);
    assert_non_null(strstr(f->text, " info a suppressed=81\n"));
    f->passed_ms += 1000;
    burst(f, "a", 30);
    assert_int_equal(lines_in(written(f)), 10);
    assert_non_null(strstr(f->text, " info a suppressed=2\n"));
    f->passed_ms += 3600000; /* never more than the burst is saved up */
    burst(f, "a", 30);
    assert_int_equal(lines_in(written(f)), 20);
    assert_non_null(strstr(f->text, " info a suppressed=20\n"));
}

/* The text of the name counts, not where it is. */
static void test_rate_by_text(void **state)
{
    struct fixture *f = *state;
    char name[8];

    for (unsigned i = 0; i < 50; i++) {
        char *copy = strdup("same");

        assert_non_null(copy);
        burst(f, copy, 1);
        free(copy);
    }
    assert_int_equal(lines_in(written(f)), 20);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        burst(f, name, 1);
    }
    assert_int_equal(lines_in(written(f)), 300);
}

/* More names than the table holds: none may be lost or abort, and a flood still stays a trickle. */
static void test_rate_many_names(void **state)
{
    struct fixture *f = *state;
    char name[100];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "a.long.prefix.that.fills.the.whole.slot.of.the.table.%u", i);
        burst(f, name, 1);
        if (i % 500 == 0)
            assert_true(written(f).n > 0);
    }
    written(f);
    burst(f, "flood", 1000);
    assert_int_equal(lines_in(written(f)), 20);
}

static void test_long_line(void **state)
{
    static const char head[] = "2026-11-24T01:52:13.123Z info n k=";
    struct fixture *f = *state;
    char value[5000];
    struct str text;

    memset(value, 'v', sizeof(value));
    log_info(f->log, "n", KV("k", ((struct str){ value, sizeof(value) })), KV("after", STR("x")));
    text = written(f);
    assert_in_range(text.n, 2000, 2048);
    assert_memory_equal(text.p, head, sizeof(head) - 1);
    assert_true(str_ends(text, STR("vvv…\n")));

    memset(value, '\x01', sizeof(value)); /* no half escape */
    for (size_t shift = 1; shift < 6; shift++) {
        value[shift] = 'a';
        log_info(f->log, "n", KV("k", ((struct str){ value, sizeof(value) })));
        assert_true(str_ends(written(f), STR("\\x01…\n")));
    }
    burst(f, "n", 30);
    f->passed_ms += 100;
    written(f);
    log_info(f->log, "n", KV("k", ((struct str){ value, sizeof(value) })));
    assert_true(str_ends(written(f), STR("…\n")));
    assert_non_null(strstr(f->text, " n suppressed=16 k=")); /* not what is cut off */

    /* The longest line that is not cut, and the first that is. */
    memset(value, 'v', sizeof(value));
    f->passed_ms += 10000;
    for (size_t n = 1990; n < 2020; n++) {
        f->passed_ms += 1000;
        log_info(f->log, "n", KV("k", ((struct str){ value, n })));
        text = written(f);
        assert_true(text.n <= 2048);
        assert_int_equal(str_ends(text, STR("…\n")), sizeof(head) - 1 + n > 2044);
        if (!str_ends(text, STR("…\n")))
            assert_int_equal(text.n, sizeof(head) + n);
    }
}

static void test_trace(void **state)
{
    struct fixture *f = *state;

    log_level_set(f->log, LOG_LEVEL_ERROR);
    log_trace(f->log, STR("udp in 192.0.2.1:5060"),
              STR("OPTIONS sip:x SIP/2.0\r\nVia:\ty\r\n\r\n\x01\xff\r\x1b[2J\x7f\r"));
    written(f);
    assert_string_equal(f->text, "2026-11-24T01:52:13.123Z trace udp in 192.0.2.1:5060\n"
                                 "    OPTIONS sip:x SIP/2.0\r\n    Via:\ty\r\n    \r\n"
                                 "    \\x01\\xff\\x0d\\x1b[2J\\x7f\r\n");
    log_trace(f->log, STR("h"), STR_EMPTY);
    written(f);
    assert_string_equal(f->text, "2026-11-24T01:52:13.123Z trace h\n");
    for (unsigned i = 0; i < 100; i++)
        log_trace(f->log, STR("h"), STR("b"));
    assert_int_equal(lines_in(written(f)), 200);
}

static void test_broken_descriptor(void **state)
{
    struct fixture *f = *state;
    struct log *l = NULL;

    assert_int_equal(log_create(&l, -1, LOG_LEVEL_INFO, &f->clock), 0);
    log_info(l, "n", KV_U("u", 1)); /* nothing to do about it, and no loop */
    log_trace(l, STR("h"), STR("b"));
    log_destroy(l);
}

struct writer {
    struct log *log;
    unsigned id;
};

static void *write_many(void *ctx)
{
    struct writer *w = ctx;

    for (unsigned i = 0; i < 2000; i++) {
        log_info(w->log, "thread.shared", KV_U("id", w->id), KV("text", STR("some more words")));
        log_level_set(w->log, i % 2 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG);
    }
    return NULL;
}

/* Whole lines only, and each line either written or counted as left out. */
static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct writer writers[4];
    pthread_t threads[4];
    struct str text;
    unsigned long suppressed = 0;
    size_t lines = 0;

    assert_int_equal(fcntl(f->fd, F_SETFL, O_APPEND), 0);
    for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
        writers[i] = (struct writer){ f->log, i };
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        usleep(1000);
        f->passed_ms += 500;
    }
    for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    f->passed_ms += 500;
    log_info(f->log, "thread.shared", KV_U("id", 9), KV("text", STR("some more words")));
    text = written(f);
    while (text.n) {
        struct str line = str_next(&text, '\n');
        const char *count;

        if (!line.n)
            break;
        lines++;
        assert_true(str_starts(line, STR("2026-11-24T01:52:")));
        assert_true(str_ends(line, STR(" text=\"some more words\"")));
        assert_in_range(line.n, 60, 120);
        count = memmem(line.p, line.n, "suppressed=", 11);
        suppressed += count ? strtoul(count + 11, NULL, 10) : 0;
    }
    assert_int_equal(lines + suppressed, 8001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate_by_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate_many_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
