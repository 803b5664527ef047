// SPDX-License-Identifier: MIT
#include "body/builtin.h"

enum es_extension_state builtin_state(const struct es_body_request *rq)
{
    if (rq->snapshot->state != ES_EXTENSION_REMOVED)
        return rq->snapshot->state;
    return rq->flags & ES_FLAG_REMOVED_IS_IDLE ? ES_EXTENSION_IDLE : ES_EXTENSION_UNAVAILABLE;
}

static const struct es_body_generator *const generators[] = {
    &dialog_info_generator, &pidf_generator, &xpidf_generator, &cpim_pidf_generator, NULL,
};

static const struct es_body_supplement *const supplements[] = { &digium_supplement,
                                                                &eyebeam_supplement, NULL };

const struct es_plugin builtin_plugin = {
    .abi = ES_PLUGIN_ABI,
    .size = sizeof(struct es_plugin),
    .name = "builtin",
    .version = "1",
    .description = "the bodies of extension states that Asterisk has",
    .generators = generators,
    .supplements = supplements,
};
