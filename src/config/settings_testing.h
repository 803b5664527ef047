// SPDX-License-Identifier: MIT
/* settings_testing.h - for the tests of this folder: settings from texts in memory. */
#pragma once
#include <stdio.h>

#include "config/config_test.h"

struct loaded {
    struct settings *s;
    struct diag diag;
    int result;
};

/* `source` says everything but the files. */
static inline struct loaded load_source(struct settings_source source, const char *pjsip,
                                        const char *extstate)
{
    struct test_file files[] = { { "etc/pjsip.conf", pjsip },
                                 { "etc/extstate.conf", extstate },
                                 { NULL, NULL } };
    struct loaded l = { .s = NULL };

    source.directory = STR("etc");
    source.state_directory = STR("/var/lib/extstate");
    source.resolve = test_resolve;
    if (!pjsip)
        files[0] = files[1];
    if (!pjsip || !extstate)
        files[1].path = NULL;
    if (!pjsip && !extstate)
        files[0].path = NULL;
    source.files = test_conf_source(files);
    diag_init(&l.diag);
    l.result = settings_read(&l.s, &source, &l.diag);
    assert_int_not_equal(l.result, -ENOMEM);
    return l;
}

static inline struct loaded load_with(const char *pjsip, const char *extstate,
                                      const struct str *overrides, size_t n_overrides)
{
    return load_source(
        (struct settings_source){ .overrides = overrides, .n_overrides = n_overrides }, pjsip,
        extstate);
}

static inline struct loaded load(const char *pjsip, const char *extstate)
{
    return load_with(pjsip, extstate, NULL, 0);
}

static inline void unload(struct loaded *l)
{
    settings_unref(l->s);
    diag_fini(&l->diag);
}

#define UDP                                                                                      \
    "[udp]\ntype=transport\nbind=127.0.0.1\n" /* lines 1 to 3, so that nobody misses a transport \
                                               */

/* Only the messages of a pjsip.conf behind UDP, whose first line is therefore 4. */
static inline void check_diag(const char *pjsip, const char *extstate, const char *want)
{
    char *text;
    struct loaded l;
    struct buf diag;

    buf_init(&diag, 1 << 16);
    assert_true(asprintf(&text, "%s%s", UDP, pjsip) > 0);
    l = load(text, extstate);
    assert_int_equal(l.result, 0);
    diag_print(&l.diag, &diag);
    test_assert_text("diag", pjsip, buf_str(&diag), want);
    buf_fini(&diag);
    unload(&l);
    free(text);
}

static inline void assert_addr(const struct addr *a, const char *want)
{
    char room[80];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    addr_print(&b, a);
    assert_str(buf_str(&b), want);
}
