// SPDX-License-Identifier: MIT
/* opaque.c - event packages that nobody here understands: the body is the document that was
 * published, byte for byte, and of its type. Each is registered as a plugin of one generator. And
 * those that are only published, never subscribed to. */
#include "body/registry.h"
#include <stdlib.h>

struct opaque_package {
    struct es_plugin plugin;
    struct es_body_generator generator;
    const struct es_body_generator *generators[2];
    char package[];
};

static int opaque_generate(const struct es_body_request *rq, struct es_document *out)
{
    if (rq->snapshot->content)
        rq->api->raw(out, *rq->snapshot->content);
    return 0;
}

int body_package_opaque_add(struct body_registry *r, struct str package, struct buf *why)
{
    struct cursor c = cursor_on(package);
    struct opaque_package *p;
    int result;

    if (!cursor_token(&c).n || !cursor_done(&c)) {
        buf_printf(why, "'%.*s' is no event package", STR_FMT(package));
        return -EINVAL;
    }
    if (body_package_known(r, package)) {
        buf_printf(why, "there are bodies for %.*s, so it cannot be opaque", STR_FMT(package));
        return -EINVAL;
    }
    p = calloc(1, sizeof(*p) + package.n + 1);
    if (!p)
        return -ENOMEM;
    memcpy(p->package, package.p, package.n);
    p->generator = (struct es_body_generator){ .size = sizeof(p->generator),
                                               .name = "opaque",
                                               .package = p->package,
                                               .content_type = BODY_ANY_TYPE,
                                               .generate = opaque_generate };
    p->generators[0] = &p->generator;
    p->plugin = (struct es_plugin){ .abi = ES_PLUGIN_ABI,
                                    .size = sizeof(p->plugin),
                                    .name = p->package,
                                    .generators = p->generators };
    result = body_registry_add(r, &p->plugin, p, why);
    if (result)
        free(p);
    else
        r->plugins->values = p; /* whose life is the registry's */
    return result;
}

struct body_part body_part_published(struct body_registry *r)
{
    return (struct body_part){ .registry = r,
                               .plugin = "extstate",
                               .name = "published",
                               .package = "",
                               .content_type = "application/json",
                               .generate = opaque_generate };
}

int body_choose_published(struct body_registry *r, const struct body_profile **out)
{
    struct body_profile *p = calloc(1, sizeof(*p) + sizeof(struct body_part *));

    if (!p)
        return -ENOMEM;
    p->registry = r;
    p->flags = ES_FLAG_PUBLISH;
    p->n_generators = 1;
    p->parts[0] = &r->published;
    *out = body_profile_intern(r, p);
    return 0;
}
