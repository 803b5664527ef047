// SPDX-License-Identifier: MIT
#include "daemon/bodies.h"

static int opaques_add(const struct settings *settings, struct body_registry *registry,
                       struct diag *diag)
{
    int result = 0;

    for (size_t i = 0; i < settings->n_compositors; i++) {
        const struct compositor_settings *c = &settings->compositors[i];

        for (size_t k = 0; k < c->n_opaques && result != -ENOMEM; k++) {
            struct buf why;
            int r;

            if (body_package_known(registry, c->opaques[k]))
                continue; /* of another section */
            buf_init(&why, 256);
            r = body_package_opaque_add(registry, c->opaques[k], &why);
            if (r)
                diag_add(diag, DIAG_ERROR, c->at, "compositor %.*s: opaque %.*s: %.*s",
                         STR_FMT(c->id), STR_FMT(c->opaques[k]), STR_FMT(buf_str(&why)));
            buf_fini(&why);
            result = r ? r : result;
        }
    }
    return result;
}

int bodies_create(struct body_registry **out, const struct settings *settings, struct log *log,
                  struct diag *diag)
{
    const struct dialog_info_settings *d = &settings->dialog_info;
    const struct plugin_option options[] = {
        { STR("single_dialog_agents"), d->single_dialog_agents },
        { STR("single_dialog"), d->single_dialog ? STR("yes") : STR("no") },
        { STR("idle_dialog"), d->idle_dialog ? STR("yes") : STR("no") },
    };
    struct body_registry *registry;
    int r;

    r = body_registry_create(&registry, log, options, ARRAY_LEN(options), NULL);
    if (r)
        return r;
    r = opaques_add(settings, registry, diag);
    if (r) {
        body_registry_destroy(registry);
        return r;
    }
    *out = registry;
    return 0;
}
