// SPDX-License-Identifier: MIT
/* state_testing.h - what the tests of this folder share: a dialplan as text, and a core whose port
 * writes down what it is told. For tests only. */
#pragma once
#include "state/state.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

/* ---- dialplans ---- */

static inline void plan_line(struct dialplan *dp, struct dialplan_context **ctx, struct str line,
                             unsigned number)
{
    struct str rest = line, word = str_next(&rest, ' ');

    rest = str_trim(rest);
    if (str_starts(word, STR("["))) {
        assert_int_equal(dialplan_context_get(dp, str_sub(word, 1, word.n - 1), ctx), 0);
    } else if (str_equal(word, STR("global"))) {
        struct str name = str_next(&rest, '=');

        assert_int_equal(dialplan_global_set(dp, name, rest), 0);
    } else if (str_equal(word, STR("autohints"))) {
        dialplan_autohints_set(*ctx, true);
    } else if (str_equal(word, STR("include"))) {
        assert_int_equal(dialplan_include_add(*ctx, rest), 0);
    } else {
        struct str text = str_next(&rest, '(');
        struct hint_spec spec = { .extension = word,
                                  .text = text,
                                  .name = str_next(&rest, ')'),
                                  .file = STR("test.conf"),
                                  .line = number };

        assert_int_equal(dialplan_hint_add(*ctx, &spec), 0);
    }
}

/* Lines "[context]", "autohints", "include TEXT", "global NAME=VALUE", "EXTENSION HINT(NAME)". */
static inline struct dialplan *plan_of(const char *text)
{
    struct dialplan_context *ctx = NULL;
    struct str rest = str_of(text);
    struct dialplan *dp;
    unsigned number = 0;

    assert_int_equal(dialplan_create(&dp), 0);
    while (rest.p) {
        struct str line = str_next(&rest, '\n');

        number++;
        if (line.n)
            plan_line(dp, &ctx, line, number);
    }
    return dp;
}

/* ---- cores ---- */

struct testing {
    struct state_core *core;
    struct rng rng;
    struct clock clock;
    uint64_t now_ms;
    struct dialplan *dialplan; /* applied last */
    bool compares;             /* dialplans, before they are applied */
    struct buf events;         /* what the port was told since it was last read */
};

static inline uint64_t testing_now(void *ctx)
{
    return ((struct testing *)ctx)->now_ms;
}

/* "1000@users #1 Idle" or "1000@users #2 InUse away/lunch/until two", "stale", and who was told:
 * "-> 3" */
static inline void testing_snapshot(void *ctx, const struct snapshot *s,
                                    const struct snapshot *former, uint64_t consumers)
{
    struct testing *t = ctx;

    if (former)
        assert_true(former->resource_id == s->resource_id && former->sequence <= s->sequence);

    buf_printf(&t->events, "%.*s@%.*s #%llu ", STR_FMT(s->extension), STR_FMT(s->context),
               (unsigned long long)s->sequence);
    if (s->state == EXTENSION_REMOVED)
        buf_add(&t->events, STR("removed"));
    else
        buf_add(&t->events, extension_state_text(s->state));
    if (s->presence != PRESENCE_NOT_SET || s->presence_subtype.n || s->presence_message.n)
        buf_printf(&t->events, " %.*s/%.*s/%.*s", STR_FMT(presence_state_name(s->presence)),
                   STR_FMT(s->presence_subtype), STR_FMT(s->presence_message));
    if (s->stale)
        buf_add(&t->events, STR(" stale"));
    if (consumers)
        buf_printf(&t->events, " -> %llx", (unsigned long long)consumers);
    buf_add_char(&t->events, '\n');
}

static inline void testing_device(void *ctx, const struct state_device_change *c)
{
    struct testing *t = ctx;

    if (c->state != c->former)
        buf_printf(&t->events, "%.*s %.*s\n", STR_FMT(c->device),
                   STR_FMT(device_state_name(c->state)));
}

static inline void testing_presence(void *ctx, struct str provider, enum presence_state state,
                                    struct str subtype, struct str message)
{
    struct testing *t = ctx;

    buf_printf(&t->events, "%.*s %.*s/%.*s/%.*s\n", STR_FMT(provider),
               STR_FMT(presence_state_name(state)), STR_FMT(subtype), STR_FMT(message));
}

static inline struct state_config testing_config(struct testing *t)
{
    return (struct state_config){
        .port = { t, testing_snapshot, testing_device, testing_presence, NULL },
        .clock = &t->clock,
        .rng = &t->rng,
    };
}

static inline void testing_init(struct testing *t)
{
    struct state_config cfg;

    *t = (struct testing){ .now_ms = 1000000 };
    t->clock = (struct clock){ testing_now, testing_now, t };
    rng_init_seeded(&t->rng, 20260314);
    buf_init(&t->events, 1 << 24);
    cfg = testing_config(t);
    assert_int_equal(state_create(&t->core, &cfg), 0);
}

static inline void testing_fini(struct testing *t)
{
    state_destroy(t->core);
    t->core = NULL;
    dialplan_unref(t->dialplan);
    buf_fini(&t->events);
}

#define assert_events(t, want) assert_events_at(t, want, __FILE__, __LINE__)
static inline void assert_events_at(struct testing *t, const char *want, const char *file, int line)
{
    assert_int_equal(t->events.error, 0);
    if (!str_equal(buf_str(&t->events), str_of(want))) {
        print_error("told:\n%.*swanted:\n%s", STR_FMT(buf_str(&t->events)), want);
        _fail(file, line);
    }
    buf_reset(&t->events);
}

static inline void apply(struct testing *t, const char *text)
{
    struct dialplan *dp = plan_of(text);

    if (t->compares && t->dialplan)
        assert_int_equal(dialplan_compare(dp, t->dialplan), 0);
    assert_in_range(state_dialplan_apply(t->core, dialplan_ref(dp)), 0, STATE_SAME_NAMES);
    dialplan_unref(t->dialplan);
    t->dialplan = dp;
}

static inline int report_from(struct testing *t, const char *source, const char *device,
                              const char *state)
{
    enum device_state s;

    assert_int_equal(device_state_parse(&s, str_of(state)), 0);
    return state_device_set(t->core, str_of(source), str_of(device), s);
}

static inline int report(struct testing *t, const char *device, const char *state)
{
    return report_from(t, "test", device, state);
}

static inline int forget(struct testing *t, const char *source, const char *device)
{
    return state_device_forget(t->core, str_of(source), str_of(device));
}

static inline int presence(struct testing *t, const char *provider, const char *state,
                           const char *subtype, const char *message)
{
    enum presence_state s = PRESENCE_INVALID;

    if (*state)
        assert_int_equal(presence_state_parse(&s, str_of(state)), 0);
    return state_presence_set(t->core, str_of(provider), s, str_of(subtype), str_of(message));
}

/* The snapshot of a resource that is there. */
static inline const struct snapshot *watch(struct testing *t, const char *context,
                                           const char *extension, unsigned consumer)
{
    const struct resource_name name = { .context = str_of(context),
                                        .extension = str_of(extension) };
    const struct snapshot *s = NULL;

    assert_int_equal(state_watch(t->core, &name, false, consumer, &s, NULL), 0);
    assert_non_null(s);
    return s;
}

static inline int watch_result(struct testing *t, const char *context, const char *extension)
{
    const struct resource_name name = { .context = str_of(context),
                                        .extension = str_of(extension) };
    const struct snapshot *s = NULL;

    return state_watch(t->core, &name, false, 5, &s, NULL);
}
