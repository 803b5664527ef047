// SPDX-License-Identifier: MIT
/* settings_fixture.h - for tests: settings from texts instead of files. */
#pragma once
#include "config/settings.h"

struct settings_fixture_texts {
    const char *pjsip_conf, *extstate_conf; /* NULL: the file does not exist */
    const char *document;                   /* every .xml */
    const char *acl_conf;
};

static inline int settings_fixture_open(void *ctx, struct str path, struct str *text)
{
    const struct settings_fixture_texts *t = ctx;
    const char *found = str_ends(path, STR("pjsip.conf")) ? t->pjsip_conf
                        : str_ends(path, STR("acl.conf")) ? t->acl_conf
                        : str_ends(path, STR(".xml"))     ? t->document
                                                          : t->extstate_conf;

    return found ? str_dup(text, str_of(found)) : -ENOENT;
}

static inline int settings_fixture_expand(void *ctx, struct str pattern,
                                          void (*each)(void *each_ctx, struct str path),
                                          void *each_ctx)
{
    (void)ctx;
    each(each_ctx, pattern);
    return 0;
}

static inline struct settings *settings_fixture_texts(struct settings_fixture_texts texts)
{
    struct settings_source source = {
        .directory = STR("/nowhere"),
        .state_directory = STR("/nowhere"),
        .files = { .read = settings_fixture_open, .expand = settings_fixture_expand, .ctx = &texts }
    };
    struct settings *s = NULL;
    struct diag diag;

    diag_init(&diag);
    if (settings_read(&s, &source, &diag) || diag.errors)
        fail_msg("%.*s", STR_FMT(buf_str(&diag.text)));
    diag_fini(&diag);
    return s;
}

static inline struct settings *settings_fixture_with(const char *pjsip_conf,
                                                     const char *extstate_conf)
{
    return settings_fixture_texts((struct settings_fixture_texts){
        .pjsip_conf = pjsip_conf, .extstate_conf = extstate_conf });
}

static inline struct settings *settings_fixture(const char *pjsip_conf)
{
    return settings_fixture_with(pjsip_conf, NULL);
}
