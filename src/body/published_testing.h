// SPDX-License-Identifier: MIT
/* published_testing.h - resources for which something is published. For tests only. */
#pragma once
#include "body/body_testing.h"

struct published_resource {
    enum extension_state state; /* of the whole */
    bool has_hint;
    enum extension_state hint_state;
    const struct es_dialog *dialogs; /* with has_dialogs */
    size_t n_dialogs;
    bool has_dialogs;
    const struct es_presence *presence;
    const struct es_messages *messages;
    const char *content_type, *content;
    const struct es_dialog *calls; /* of the hint; NULL: not known */
    size_t n_calls;
};

static inline struct snapshot *published_snapshot(const struct published_resource *of)
{
    struct snapshot_spec spec = resource_in(of->state);
    struct event_state *published, *calls = NULL;
    struct snapshot *s;

    if (of->calls) {
        assert_int_equal(event_state_create(&calls), 0);
        calls->has_dialogs = true;
        calls->dialogs = of->calls;
        calls->n_dialogs = of->n_calls;
        spec.calls = calls;
    }
    assert_int_equal(event_state_create(&published), 0);
    published->has_dialogs = of->has_dialogs;
    published->dialogs = of->dialogs;
    published->n_dialogs = of->n_dialogs;
    published->has_presence = of->presence != NULL;
    if (of->presence)
        published->presence = *of->presence;
    published->has_messages = of->messages != NULL;
    if (of->messages)
        published->messages = *of->messages;
    published->has_opaque = of->content_type != NULL;
    published->opaque = (struct opaque_state){ str_of(of->content_type), str_of(of->content) };
    spec.published = published;
    spec.has_hint = of->has_hint;
    spec.hint_state = of->has_hint ? of->hint_state : EXTENSION_UNAVAILABLE;
    s = snapshot_new(spec);
    event_state_unref(published);
    event_state_unref(calls);
    return s;
}

static inline void check_published(struct body_registry *r, struct es_subscriber who,
                                   const char *type, unsigned flags,
                                   const struct published_resource *of, const char *expected)
{
    struct snapshot *s = published_snapshot(of);
    char *text = body_text(profile_for(r, who, type, flags), s);

    assert_string_equal(text, expected);
    free(text);
    snapshot_unref(s);
}
