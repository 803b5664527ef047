// SPDX-License-Identifier: MIT
#include "daemon/configuration.h"

#include <stdlib.h>

int configuration_read(struct configuration *out, const struct daemon_options *options,
                       struct diag *diag)
{
    struct settings_source source = {
        .directory = options->config_directory,
        .state_directory = options->state_directory,
        .overrides = options->overrides,
        .n_overrides = options->n_overrides,
    };
    struct configuration c = { 0 };
    int r = settings_read(&c.settings, &source, diag);
    int r2;

    if (r && r != -EINVAL)
        goto out;
    /* extensions.conf is read all the same: every problem is told at once. */
    r2 =
        extensions_read(&c.dialplan, &source, c.settings && c.settings->general.execincludes, diag);
    r = r ? r : r2;
out:
    if (r) {
        configuration_fini(&c);
        return r;
    }
    *out = c;
    return 0;
}

void configuration_fini(struct configuration *c)
{
    settings_unref(c->settings);
    dialplan_destroy(c->dialplan);
    *c = (struct configuration){ 0 };
}

static int load_plugin(const struct settings *settings, const struct plugin_settings *p,
                       struct body_registry *registry, struct buf *why)
{
    size_t n = p->options ? p->options->n_entries : 0;
    struct plugin_option *options = calloc(n + 1, sizeof(*options));
    int r;

    if (!options)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        options[i] =
            (struct plugin_option){ p->options->entries[i].name, p->options->entries[i].value };
    r = body_plugin_load(registry, settings->general.plugin_directory, p->name, options, n, why);
    free(options);
    return r;
}

int configuration_load_plugins(const struct settings *settings, struct body_registry *registry,
                               struct diag *diag)
{
    int result = 0;

    for (size_t i = 0; i < settings->n_plugins; i++) {
        const struct plugin_settings *p = &settings->plugins[i];
        struct buf why;
        int r;

        buf_init(&why, 1024);
        r = load_plugin(settings, p, registry, &why);
        if (r) {
            struct str reason = why.n ? buf_str(&why) : str_of(strerror(-r));

            diag_add(diag, DIAG_ERROR, p->at, "plugin %.*s cannot be loaded: %.*s",
                     STR_FMT(p->name), STR_FMT(reason));
            result = -EINVAL;
        }
        buf_fini(&why);
    }
    return result;
}

void configuration_check_bodies(const struct settings *settings,
                                const struct body_registry *registry, struct diag *diag)
{
    for (size_t i = 0; i < settings->n_publishes; i++) {
        const struct publish_settings *p = &settings->publishes[i];

        if (body_package_known(registry, p->event) &&
            !body_type_known(registry, p->event, p->body)) {
            struct buf types;

            buf_init(&types, 1024);
            body_types_print(registry, p->event, &types);
            diag_add(
                diag, DIAG_ERROR, p->at,
                "outbound-publish %.*s: nothing makes @body=%.*s for event %.*s; use one of: %.*s",
                STR_FMT(p->id), STR_FMT(p->body), STR_FMT(p->event), STR_FMT(buf_str(&types)));
            buf_fini(&types);
        }
    }
}
