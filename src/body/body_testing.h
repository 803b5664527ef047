// SPDX-License-Identifier: MIT
/* body_testing.h - what the tests of bodies share: one watcher, one resource, and its body as text.
 * For tests only. */
#pragma once
#include "body/body.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define PROLOG "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define LOCAL_URI "sip:1000@pbx.example:5160"
#define REMOTE_URI "sip:alice@pbx.example"

static inline struct es_subscriber watcher(const char *package, const char *user_agent)
{
    return (struct es_subscriber){
        .size = sizeof(struct es_subscriber),
        .package = es_text_of(package),
        .user_agent = es_text_of(user_agent),
        .endpoint = ES_TEXT("alice"),
    };
}

static inline struct snapshot_spec resource_in(enum extension_state state)
{
    return (struct snapshot_spec){
        .resource_id = 1,
        .sequence = 1,
        .state = state,
        .presence = PRESENCE_NOT_SET,
        .context = STR("users"),
        .extension = STR("1000"),
        .hint = STR("PJSIP/alice"),
        .hint_name = STR("Alice Smith"),
    };
}

static inline struct snapshot *snapshot_new(struct snapshot_spec spec)
{
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &spec), 0);
    return s;
}

static inline const struct body_profile *profile_for(struct body_registry *r,
                                                     struct es_subscriber s, const char *type,
                                                     unsigned flags)
{
    const struct body_profile *p = NULL;

    assert_int_equal(body_choose(r, &s, str_of(type), flags, &p), 0);
    return p;
}

/* The body of a snapshot as the usual watcher gets it with version 7; the caller frees it. */
static inline char *body_text(const struct body_profile *p, const struct snapshot *s)
{
    const struct body_slots slots = { 7, STR(LOCAL_URI), STR(REMOTE_URI) };
    const struct rendered_body *body = NULL;
    struct rng rng;
    struct buf out;
    struct str text;

    rng_init_seeded(&rng, 1);
    buf_init(&out, 1 << 20);
    assert_int_equal(body_render(p, s, &rng, &body), 0);
    body_print(body, &slots, &out);
    assert_int_equal(out.n, body_length(body, &slots));
    buf_add_char(&out, '\0');
    assert_int_equal(buf_take(&out, &text), 0);
    return (char *)(uintptr_t)text.p;
}

static inline char *body_of(struct body_registry *r, struct es_subscriber s, const char *type,
                            unsigned flags, struct snapshot_spec spec)
{
    struct snapshot *snapshot = snapshot_new(spec);
    char *text = body_text(profile_for(r, s, type, flags), snapshot);

    snapshot_unref(snapshot);
    return text;
}

#define GENERATOR(...) \
    (&(const struct es_body_generator){ .size = sizeof(struct es_body_generator), __VA_ARGS__ })
#define SUPPLEMENT(...) \
    (&(const struct es_body_supplement){ .size = sizeof(struct es_body_supplement), __VA_ARGS__ })

/* Add generators and supplements as one plugin of that name. */
static inline void plug(struct body_registry *r, struct es_plugin *plugin, const char *name,
                        const struct es_body_generator *const *generators,
                        const struct es_body_supplement *const *supplements)
{
    char reason[256];
    struct buf why;

    *plugin = (struct es_plugin){ .abi = ES_PLUGIN_ABI,
                                  .size = sizeof(*plugin),
                                  .name = name,
                                  .generators = generators,
                                  .supplements = supplements };
    buf_init_on(&why, reason, sizeof(reason));
    assert_int_equal(body_registry_add(r, plugin, NULL, &why), 0);
}
