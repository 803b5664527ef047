// SPDX-License-Identifier: MIT
/* config_test.h - for the tests of this folder: files in memory, and comparing texts. */
#pragma once
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/settings.h"

struct test_file { /* a list of these ends with a NULL path */
    const char *path, *text;
};

static inline int test_files_read(void *ctx, struct str path, struct str *text)
{
    for (const struct test_file *f = ctx; f->path; f++)
        if (str_equal(path, str_of(f->path)))
            return str_dup(text, str_of(f->text));
    return -ENOENT;
}

static inline int test_files_expand(void *ctx, struct str pattern,
                                    void (*each)(void *each_ctx, struct str path), void *each_ctx)
{
    struct str name;
    int r = str_dup(&name, pattern);

    if (r)
        return r;
    for (const struct test_file *f = ctx; f->path; f++)
        if (fnmatch(name.p, f->path, FNM_PATHNAME) == 0)
            each(each_ctx, str_of(f->path));
    str_free(&name);
    return 0;
}

static inline struct conf_source test_conf_source(const struct test_file *files)
{
    return (struct conf_source){ .file = files->path ? str_of(files->path) : STR("none"),
                                 .read = test_files_read,
                                 .expand = test_files_expand,
                                 .ctx = (void *)files };
}

/* phones.example has two addresses, and served.example one, and a server; nothing else has any. */
static inline int test_resolve(void *ctx, struct str host, bool srv,
                               void (*each)(void *each_ctx, const struct addr *address),
                               void *each_ctx, const char **why)
{
    struct addr a;

    (void)ctx;
    if (str_equal(host, STR("served.example"))) {
        assert_int_equal(addr_parse(&a, srv ? STR("192.0.2.79") : STR("192.0.2.78"), 5060), 0);
        each(each_ctx, &a);
        return 0;
    }
    if (!str_equal(host, STR("phones.example"))) {
        *why = "no such name";
        return -ENOENT;
    }
    assert_int_equal(addr_parse(&a, STR("192.0.2.77"), 5060), 0);
    each(each_ctx, &a);
    assert_int_equal(addr_parse(&a, STR("2001:db8::77"), 5060), 0);
    each(each_ctx, &a);
    return 0;
}

static inline void test_assert_text(const char *what, const char *name, struct str got,
                                    const char *want)
{
    if (!str_equal(got, str_of(want)))
        fail_msg("%s: %s is\n%.*s\nand not\n%s", name, what, STR_FMT(got), want);
}

#define assert_str(got, want) test_assert_text(#got, __func__, got, want)
