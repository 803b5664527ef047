// SPDX-License-Identifier: MIT
/* settings_fixture.h - for tests: settings from a text instead of a file. */
#pragma once
#include "config/settings.h"

static inline int settings_fixture_open(void *ctx, struct str path, struct str *text)
{
    const char *pjsip_conf = ctx;

    if (!str_ends(path, STR("pjsip.conf")))
        return -ENOENT;
    return str_dup(text, str_of(pjsip_conf));
}

static inline int settings_fixture_expand(void *ctx, struct str pattern,
                                          void (*each)(void *each_ctx, struct str path),
                                          void *each_ctx)
{
    (void)ctx;
    each(each_ctx, pattern);
    return 0;
}

static inline struct settings *settings_fixture(const char *pjsip_conf)
{
    char *text = strdup(pjsip_conf);
    struct settings_source source = {
        .directory = STR("/nowhere"),
        .state_directory = STR("/nowhere"),
        .files = { .read = settings_fixture_open, .expand = settings_fixture_expand, .ctx = text }
    };
    struct settings *s = NULL;
    struct diag diag;

    assert_non_null(text);
    diag_init(&diag);
    if (settings_read(&s, &source, &diag) || diag.errors)
        fail_msg("%.*s", STR_FMT(buf_str(&diag.text)));
    diag_fini(&diag);
    free(text);
    return s;
}
