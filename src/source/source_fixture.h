// SPDX-License-Identifier: MIT
/* source_fixture.h - a source on a stepped clock, and what it does: what it sends, reports and asks
 * of its owner, as text. For tests only. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "publication/mailbox.h"
#include "source/report.h"
#include "source/source.h"
#include "state/state.h"

struct bench {
    struct source_settings settings;
    struct source *source;
    struct wheel wheel;
    struct clock clock;
    struct rng rng;
    uint64_t now_ms;
    struct buf sent, did, hints, told;
    int connect_result, send_result;
    /* What its reports become. */
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct source_intake intake;
    struct wheel publication_wheel;
};

static inline uint64_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now_ms;
}

static inline int bench_connect(void *ctx)
{
    struct bench *b = ctx;

    buf_add(&b->did, STR("connect "));
    return b->connect_result;
}

static inline int bench_send(void *ctx, struct str bytes)
{
    struct bench *b = ctx;

    if (b->send_result == 0)
        buf_add(&b->sent, bytes);
    return b->send_result;
}

static inline void bench_disconnect(void *ctx)
{
    buf_add(&((struct bench *)ctx)->did, STR("disconnect "));
}

static inline void bench_report(void *ctx, struct str reports)
{
    struct bench *b = ctx;
    int r = source_intake_apply(&b->intake, b->core, b->mailboxes, reports);

    assert_true(r == 0 || r == INTAKE_SWEEPS);
    while (r == INTAKE_SWEEPS)
        r = source_intake_sweep(&b->intake, b->core, b->mailboxes);
    assert_int_equal(r, 0);
}

static inline void bench_hints(void *ctx, const struct source_hint *hints, size_t n)
{
    struct bench *b = ctx;

    buf_reset(&b->hints);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b->hints, "%.*s@%.*s=%.*s ", STR_FMT(hints[i].extension),
                   STR_FMT(hints[i].context), STR_FMT(hints[i].text));
}

static inline void bench_changed(void *ctx)
{
    struct bench *b = ctx;
    struct source_view v;

    source_view(b->source, &v);
    buf_add(&b->told, v.stale                       ? STR("stale ")
                      : v.state == SOURCE_FOLLOWING ? STR("up ")
                                                    : STR("down "));
}

static inline int bench_ignore_composed(void *ctx, const struct resource_name *name,
                                        const struct event_state *composite, void **held)
{
    (void)ctx;
    (void)name;
    (void)composite;
    (void)held;
    return 0;
}

static inline void bench_ignore_here(void *ctx, struct str mailbox,
                                     const struct mailbox_counts *counts)
{
    (void)ctx;
    (void)mailbox;
    (void)counts;
}

static inline void bench_states_init(struct bench *b)
{
    assert_int_equal(
        state_create(&b->core, &(struct state_config){ .clock = &b->clock, .rng = &b->rng }), 0);
    assert_int_equal(
        publication_store_create(
            &b->publications,
            &(struct publication_config){ .port = { .ctx = b, .composed = bench_ignore_composed },
                                          .wheel = &b->publication_wheel,
                                          .clock = &b->clock,
                                          .rng = &b->rng }),
        0);
    assert_int_equal(mailboxes_create(&b->mailboxes, b->core, b->publications,
                                      &(struct mailbox_port){ .ctx = b,
                                                              .here = bench_ignore_here,
                                                              .unsolicited = bench_ignore_here },
                                      &b->rng),
                     0);
}

/* With the settings as they are now, as after a reload; what was told before stays. */
static inline void bench_source_begin(struct bench *b)
{
    source_destroy(b->source);
    assert_int_equal(
        source_create(&b->source, &(struct source_config){ .settings = &b->settings,
                                                           .standing = b->intake.standing,
                                                           .port = { b, bench_connect, bench_send,
                                                                     bench_disconnect, bench_report,
                                                                     bench_hints, bench_changed },
                                                           .wheel = &b->wheel,
                                                           .clock = &b->clock,
                                                           .rng = &b->rng }),
        0);
}

/* `settings` as a test wants them; what is not given is what the configuration would have. */
static inline void bench_init(struct bench *b, const struct source_settings *settings)
{
    *b = (struct bench){ .settings = *settings, .now_ms = 1000000 };
    b->settings.id = STR("pbx-a");
    b->settings.host = STR("192.0.2.1");
    b->settings.username = STR("extstate");
    b->settings.secret = STR("s3cret");
    b->settings.grace_s = 30;
    b->settings.retry_interval_s = 30;
    b->settings.ping_interval_s = 15;
    b->clock = (struct clock){ bench_now, bench_now, b };
    b->intake.source = b->settings.id;
    rng_init_seeded(&b->rng, 7);
    wheel_init(&b->wheel, b->now_ms);
    wheel_init(&b->publication_wheel, b->now_ms);
    buf_init(&b->sent, 1 << 24);
    buf_init(&b->did, 1 << 20);
    buf_init(&b->hints, 1 << 20);
    buf_init(&b->told, 1 << 20);
    bench_states_init(b);
    bench_source_begin(b);
}

static inline void bench_fini(struct bench *b)
{
    source_destroy(b->source);
    wheel_fini(&b->wheel);
    mailboxes_destroy(b->mailboxes);
    publication_store_destroy(b->publications);
    state_destroy(b->core);
    buf_fini(&b->sent);
    buf_fini(&b->did);
    buf_fini(&b->hints);
    buf_fini(&b->told);
}

/* Two extensions of the context users, and what they show. */
static inline void bench_hint(struct bench *b, const char *one, const char *its, const char *two,
                              const char *others)
{
    const char *const hints[][2] = { { one, its }, { two, others } };
    struct dialplan_context *ctx;
    struct dialplan *dp;

    assert_int_equal(dialplan_create(&dp), 0);
    assert_int_equal(dialplan_context_get(dp, STR("users"), &ctx), 0);
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        assert_int_equal(
            dialplan_hint_add(ctx, &(struct hint_spec){ .extension = str_of(hints[i][0]),
                                                        .text = str_of(hints[i][1]) }),
            0);
    assert_int_equal(state_dialplan_apply(b->core, dp), 0);
}

/* The calls that an extension shows; NULL: none. */
static inline const struct event_state *bench_calls(struct bench *b, const char *extension)
{
    const struct resource_name name = { .context = STR("users"), .extension = str_of(extension) };
    const struct snapshot *s = state_find(b->core, &name);

    assert_non_null(s);
    return s->calls;
}

#define assert_es(got, want) assert_true(str_equal(es_str(got), STR(want)))

static inline void bench_step(struct bench *b, uint64_t ms)
{
    b->now_ms += ms;
    wheel_advance(&b->wheel, b->now_ms);
}
