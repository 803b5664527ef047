// SPDX-License-Identifier: MIT
#include "body/builtin.h"

static enum es_extension_state told(const struct es_body_request *rq, enum es_extension_state state)
{
    if (state != ES_EXTENSION_REMOVED)
        return state;
    return rq->flags & ES_FLAG_REMOVED_IS_IDLE ? ES_EXTENSION_IDLE : ES_EXTENSION_UNAVAILABLE;
}

enum es_extension_state builtin_state(const struct es_body_request *rq)
{
    return told(rq, rq->snapshot->state);
}

enum es_extension_state builtin_hint_state(const struct es_body_request *rq)
{
    return told(rq, rq->snapshot->hint_state);
}

bool builtin_has_call(const struct es_snapshot *s)
{
    return s->n_dialogs && s->dialogs[0].state != ES_DIALOG_TERMINATED;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_contains(struct es_text s, struct es_text part)
{
    for (size_t i = 0; i + part.n <= s.n; i++) {
        size_t k = 0;

        while (k < part.n && lower(s.p[i + k]) == lower(part.p[k]))
            k++;
        if (k == part.n)
            return true;
    }
    return false;
}

static const struct es_body_generator *const generators[] = {
    &dialog_info_generator, &pidf_generator,         &xpidf_generator,  &cpim_pidf_generator,
    &messages_generator,    &watcher_info_generator, &opaque_generator, NULL,
};

static const struct es_body_supplement *const supplements[] = { &digium_supplement,
                                                                &eyebeam_supplement, NULL };

const struct es_plugin builtin_plugin = {
    .abi = ES_PLUGIN_ABI,
    .size = sizeof(struct es_plugin),
    .name = "builtin",
    .version = "1",
    .description = "the bodies of dialog, presence and message-summary, of their watchers, and of "
                   "packages that are served as they are published",
    .generators = generators,
    .supplements = supplements,
};
