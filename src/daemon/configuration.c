// SPDX-License-Identifier: MIT
#include "daemon/configuration.h"
#include "daemon/certificates.h"
#include "daemon/manager.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct str file_names[] = { STR_INIT("pjsip.conf"), STR_INIT("extensions.conf"),
                                         STR_INIT("extstate.conf"), STR_INIT("acl.conf"),
                                         STR_INIT("manager.conf") };

static bool path_print(char *room, size_t size, struct str directory, struct str name)
{
    struct buf b;

    buf_init_on(&b, room, size);
    buf_printf(&b, "%.*s/%.*s", STR_FMT(directory), STR_FMT(name));
    buf_add_char(&b, '\0');
    return !b.error;
}

unsigned configuration_present(const struct daemon_options *options)
{
    unsigned present = 0;
    char path[4096];

    for (size_t i = 0; i < ARRAY_LEN(file_names); i++)
        if (path_print(path, sizeof(path), options->config_directory, file_names[i]) &&
            access(path, F_OK) == 0)
            present |= BIT(i);
    return present;
}

int configuration_check_vanished(unsigned before, unsigned now, struct diag *diag)
{
    for (size_t i = 0; i < ARRAY_LEN(file_names); i++)
        if (before & ~now & BIT(i))
            diag_add(
                diag, DIAG_ERROR, (struct diag_place){ file_names[i], 0 },
                "the file was there before and is not now; put it back, or restart without it");
    return before & ~now ? -ENOENT : 0;
}

static int check_directory(const struct daemon_options *options, struct diag *diag)
{
    char path[4096];
    struct stat st;

    if (path_print(path, sizeof(path), options->config_directory, STR(".")) &&
        stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    diag_add(diag, DIAG_ERROR, (struct diag_place){ options->config_directory, 0 },
             "there is no such directory; name one with --config-dir");
    return -EINVAL;
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

/* All of them are tried: a failure is an error in `diag`. 0 or -EINVAL. */
static int load_plugins(const struct settings *settings, struct body_registry *registry,
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

/* ---- plugins of a reload: the registry that takes the place of the former one ---- */

struct bodies_reading {
    const struct configuration_former *former;
    struct body_registry *bodies; /* a reference: the former one until there is another */
    struct log *log;
    struct diag *diag;
};

/* One fault keeps all plugins as they were: [plugins] is one thing, like other sections. */
static int bodies_read(void *ctx, const struct settings *s)
{
    struct bodies_reading *b = ctx;
    struct body_registry *made = NULL;
    int r;

    if (settings_same_plugins(b->former->bodies_of, s))
        return 0;
    r = body_registry_create(&made, b->log, b->former->bodies);
    if (r)
        return r;
    r = load_plugins(s, made, b->diag);
    if (r) {
        diag_add(b->diag, DIAG_WARNING, s->n_plugins ? s->plugins->at : (struct diag_place){ 0 },
                 "[plugins] goes on as it was before the reload");
        body_registry_unref(made);
        return 0;
    }
    body_registry_unref(b->bodies);
    b->bodies = made;
    return 0;
}

static bool body_known(void *ctx, struct str event, struct str type)
{
    const struct bodies_reading *b = ctx;

    return body_type_known(b->bodies, event, type);
}

/* ---- all files ---- */

/* All files, so that every problem is told at once. 0; CONFIGURATION_UNUSABLE, then `c` has what
 * could be read; or a negative errno. To be ended with configuration_fini in any case. */
enum { CONFIGURATION_UNUSABLE = 1 };

static int read_files(struct configuration *c, const struct daemon_options *options,
                      const struct configuration_former *former, struct log *log, struct diag *diag)
{
    struct bodies_reading bodies = { former, former ? body_registry_ref(former->bodies) : NULL, log,
                                     diag };
    struct settings_source source = {
        .directory = options->config_directory,
        .state_directory = options->state_directory,
        .overrides = options->overrides,
        .n_overrides = options->n_overrides,
        .former = former ? former->settings : NULL,
        .former_dialplan = former ? former->dialplan : NULL,
        .plugins = former ? bodies_read : NULL,
        .body_known = former ? body_known : NULL,
        .ctx = &bodies,
        .listen = former ? listeners_claim : listeners_check,
        .listen_ctx = former ? former->listeners : NULL,
    };
    int r = check_directory(options, diag), r2;

    if (r == 0)
        r = settings_read(&c->settings, &source, diag);
    c->bodies = bodies.bodies;
    c->bodies_of = former && c->bodies == former->bodies ? former->bodies_of : c->settings;
    if (r < 0)
        return r;
    r2 = extensions_read(&c->dialplan, &source, &c->settings->general, diag);
    if (r2 && r2 != -EINVAL)
        return r2;
    return r == SETTINGS_UNUSABLE || r2 ? CONFIGURATION_UNUSABLE : 0;
}

/* What needs the registry to be judged: @body without a generator. `lacking`: there are plugins
 * that it is without. */
static void check_bodies(const struct settings *settings, const struct body_registry *registry,
                         bool lacking, struct diag *diag)
{
    for (size_t i = 0; i < settings->n_publishes; i++) {
        const struct publish_settings *p = &settings->publishes[i];

        if (body_package_known(registry, p->event) &&
            !body_type_known(registry, p->event, p->body)) {
            struct buf types;

            buf_init(&types, 1024);
            body_types_print(registry, p->event, &types);
            diag_add(diag, DIAG_ERROR, p->at,
                     "outbound-publish %.*s: nothing makes @body=%.*s for event %.*s%s; use one "
                     "of: %.*s",
                     STR_FMT(p->id), STR_FMT(p->body), STR_FMT(p->event),
                     lacking ? ", unless it is a plugin that is not loaded" : "",
                     STR_FMT(buf_str(&types)));
            buf_fini(&types);
        }
    }
}

static int load_bodies(struct configuration *c, struct log *log, struct diag *diag)
{
    int r = body_registry_create(&c->bodies, log, NULL);

    return r ? r : load_plugins(c->settings, c->bodies, diag);
}

int configuration_read(struct configuration *out, const struct daemon_options *options,
                       const struct configuration_former *former, struct log *log,
                       struct diag *diag)
{
    struct configuration c = { 0 };
    int r = read_files(&c, options, former, log, diag);

    if (r == 0 && !former) {
        r = load_bodies(&c, log, diag);
        if (r == 0)
            check_bodies(c.settings, c.bodies, false, diag);
    }
    if (r == 0)
        certificates_check(c.settings, clock_wall_ms(&clock_system), diag);
    if (r) {
        configuration_fini(&c);
        return r == CONFIGURATION_UNUSABLE ? -EINVAL : r;
    }
    *out = c;
    return 0;
}

void configuration_fini(struct configuration *c)
{
    settings_unref(c->settings);
    dialplan_unref(c->dialplan);
    body_registry_unref(c->bodies);
    *c = (struct configuration){ 0 };
}

int configuration_check(const struct daemon_options *options, struct log *log, struct diag *diag)
{
    struct configuration c = { 0 };
    int r = read_files(&c, options, NULL, log, diag);

    if (r < 0)
        goto out;
    r = load_bodies(&c, log, diag);
    if (r && r != -EINVAL)
        goto out;
    check_bodies(c.settings, c.bodies, r || c.settings->plugins_partial, diag);
    manager_check(c.settings->manager, diag);
    certificates_check(c.settings, clock_wall_ms(&clock_system), diag);
    r = diag->errors ? -EINVAL : 0;
out:
    configuration_fini(&c);
    return r;
}
