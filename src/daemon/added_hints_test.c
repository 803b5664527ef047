// SPDX-License-Identifier: MIT
/* Hints that are added to what is written, and kept. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "daemon/added_hints.h"

struct place {
    char directory[64];
    struct added_hints added;
    struct dialplan *written;
};

static struct source_settings sources[] = { { .id = STR_INIT("pbx-a"), .hints = true },
                                            { .id = STR_INIT("a/b"), .hints = true },
                                            { .id = STR_INIT("quiet") } };
static const struct settings settings = { .sources = sources, .n_sources = ARRAY_LEN(sources) };

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct dialplan_context *ctx;

    assert_non_null(p);
    snprintf(p->directory, sizeof(p->directory), "/tmp/extstate-hints-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    added_hints_init(&p->added, str_of(p->directory), NULL);
    assert_int_equal(dialplan_create(&p->written), 0);
    assert_int_equal(dialplan_global_set(p->written, STR("WHO"), STR("alice")), 0);
    assert_int_equal(dialplan_context_get(p->written, STR("users"), &ctx), 0);
    assert_int_equal(dialplan_hint_add(ctx, &(struct hint_spec){ .extension = STR("1000"),
                                                                 .text = STR("PJSIP/${WHO}") }),
                     0);
    assert_int_equal(dialplan_hint_add(ctx, &(struct hint_spec){ .extension = STR("_2XX"),
                                                                 .text = STR("Custom:x") }),
                     0);
    assert_int_equal(dialplan_include_add(ctx, STR("more,9:00-17:00,mon-fri,*,*")), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    struct dirent *e;
    DIR *d = opendir(p->directory);

    while (d && (e = readdir(d)))
        (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(p->directory);
    added_hints_fini(&p->added);
    dialplan_unref(p->written);
    free(p);
    return 0;
}

static void assert_hint(struct dialplan *dp, const char *context, const char *extension,
                        const char *text)
{
    struct dialplan_match m;
    int r = dialplan_find(dp, str_of(context), str_of(extension), 0, &m);

    assert_int_equal(r, text ? 0 : DIALPLAN_NO_HINT);
    if (text)
        assert_true(str_equal(m.hint->text, str_of(text)));
}

static size_t files(const struct place *p)
{
    size_t n = 0;
    DIR *d = opendir(p->directory);

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static struct dialplan *merged(const struct place *p)
{
    struct dialplan *dp;

    assert_int_equal(added_hints_merge(&p->added, p->written, &dp), 0);
    return dp;
}

static void test_layers(void **state)
{
    struct place *p = *state;
    struct dialplan *dp = merged(p);
    char long_name[120];
    struct buf text;

    assert_ptr_equal(dp, p->written); /* nothing is added */
    dialplan_unref(dp);
    memset(long_name, 'x', sizeof(long_name));
    buf_init(&text, 4096);
    buf_add(&text, STR("users\t1000\tPJSIP/other\nusers\t1001\tPJSIP/bob\nsales\t2000\tX/y\n"
                       "\nbroken\nusers\t\tx\nusers\t1\n"));
    buf_printf(&text, "users\t%.*s\tx\n", (int)sizeof(long_name), long_name);
    assert_int_equal(added_hints_set(&p->added, STR("pbx-a"), buf_str(&text)), 0);
    assert_int_equal(added_hints_set(&p->added, STR("pbx-a"), buf_str(&text)), ADDED_HINTS_SAME);
    assert_int_equal(added_hints_set(&p->added, STR("z/b"), STR("users\t1001\tPJSIP/late\n")), 0);
    assert_int_equal(added_hints_set(&p->added, STR("a"), STR("users\t2002\tPJSIP/a\n")), 0);
    assert_int_equal(added_hints_set(&p->added, STR("a"), STR("sales\t2000\tPJSIP/a\n")), 0);
    dp = merged(p);
    assert_hint(dp, "users", "1000", "PJSIP/${WHO}"); /* what is written comes first, */
    assert_hint(dp, "users", "1001", "PJSIP/bob");    /* then whose name does, */
    assert_hint(dp, "sales", "2000", "PJSIP/a");      /* whenever he came */
    dialplan_unref(dp);
    assert_int_equal(added_hints_set(&p->added, STR("a"), STR_EMPTY), 0);
    dp = merged(p);
    assert_hint(dp, "sales", "2000", "X/y");
    assert_hint(dp, "users", "222", "Custom:x");
    assert_hint(dp, "users", "1", NULL);
    buf_reset(&text);
    dialplan_substitute(dp, STR("${WHO}"), STR("users"), STR("1000"), 0, &text);
    assert_true(str_equal(buf_str(&text), STR("alice")));
    buf_fini(&text);
    dialplan_unref(dp);
    assert_hint(p->written, "users", "1001", NULL); /* which has not changed */
    assert_int_equal(added_hints_set(&p->added, STR("pbx-a"), STR_EMPTY), 0);
    assert_int_equal(added_hints_set(&p->added, STR("pbx-a"), STR_EMPTY), ADDED_HINTS_SAME);
    dp = merged(p);
    assert_hint(dp, "sales", "2000", NULL);
    assert_hint(dp, "users", "1001", "PJSIP/late");
    dialplan_unref(dp);
}

static void test_kept(void **state)
{
    struct place *p = *state;
    struct added_hints again;
    struct dialplan *dp;
    char path[128];
    FILE *f;

    assert_int_equal(added_hints_set(&p->added, STR("pbx-a"), STR("users\t1001\tPJSIP/bob\n")), 0);
    assert_int_equal(added_hints_set(&p->added, STR("a/b"), STR("users\t1002\tPJSIP/c\n")), 0);
    assert_int_equal(added_hints_set(&p->added, STR("quiet"), STR("users\t1003\tPJSIP/d\n")), 0);
    assert_int_equal(files(p), 3);
    snprintf(path, sizeof(path), "%s/hints-pbx-a.new", p->directory); /* never finished */
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    added_hints_init(&again, str_of(p->directory), NULL);
    assert_int_equal(added_hints_load(&again, &settings), 0);
    assert_int_equal(added_hints_merge(&again, p->written, &dp), 0);
    assert_hint(dp, "users", "1001", "PJSIP/bob");
    assert_hint(dp, "users", "1002", "PJSIP/c");
    assert_hint(dp, "users", "1003", NULL); /* its hints are not imported any more */
    dialplan_unref(dp);
    added_hints_sweep(&again, &settings);
    assert_int_equal(files(p), 2);
    assert_int_equal(added_hints_set(&again, STR("pbx-a"), STR_EMPTY), 0);
    assert_int_equal(files(p), 1);
    added_hints_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
