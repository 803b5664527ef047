// SPDX-License-Identifier: MIT
/* opaque.c - event packages that nobody here understands: the body is the document that was
 * published, byte for byte, and of its type. And those that are only published, never subscribed
 * to. */
#include "body/builtin.h"
#include "body/registry.h"

static int opaque_generate(const struct es_body_request *rq, struct es_document *out)
{
    if (rq->snapshot->content)
        rq->api->raw(out, *rq->snapshot->content);
    return 0;
}

const struct es_body_generator opaque_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "opaque",
    .package = BODY_OPAQUE,
    .content_type = BODY_ANY_TYPE,
    .generate = opaque_generate,
};

struct body_part body_part_published(struct body_registry *r)
{
    return (struct body_part){ .registry = r,
                               .plugin = "extstate",
                               .name = "published",
                               .package = "",
                               .content_type = "application/json",
                               .media_type = STR("application/json"),
                               .generate = opaque_generate };
}

int body_choose_published(struct body_registry *r, const struct body_profile **out)
{
    union body_profile_room room = {
        .profile = { .registry = r, .flags = ES_FLAG_PUBLISH, .n_generators = 1 }
    };

    room.profile.parts[0] = &r->published;
    return body_profile_intern(out, &room.profile);
}
