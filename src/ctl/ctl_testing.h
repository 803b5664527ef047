// SPDX-License-Identifier: MIT
/* ctl_testing.h - a control socket's server with a real state core behind it, everything on one
 * thread: the port runs jobs at once. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h> /* after what it needs */

#include "base/keep_testing.h"
#include "ctl/ctl.h"

struct fixture {
    uv_loop_t loop;
    struct log *log;
    struct rng rng;
    struct wheel wheel;
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct asterisk_sources *sources;
    struct ctl_state state; /* all of those */
    struct keep_testing kept;
    int kept_result; /* of what lasts */
    unsigned n_lasting;
    struct ctl *ctl, *former; /* NULL, or who has handed over */
    char directory[64], path[96];
    int fd;
    char answer[65536];
    size_t n;
    bool busy, hold;
    int reload_result;
    unsigned worker_jobs;
    struct ctl_job *held[2];
    size_t n_held;
    struct ctl_upgrade *upgrade;
    int passed[3];
    char passed_names[3][32];
    size_t n_passed;
    enum log_level level;
    bool trace_all;
    size_t n_peers;
};

static inline int fake_on_state(void *ctx, struct ctl_job *job)
{
    struct fixture *f = ctx;

    if (f->busy)
        return -EAGAIN;
    if (f->hold) {
        assert_true(f->n_held < ARRAY_LEN(f->held));
        f->held[f->n_held++] = job;
        return 0;
    }
    job->run(job, &f->state);
    f->n_lasting += job->lasts;
    if (job->lasts)
        job->kept = f->kept_result;
    job->done(job);
    return 0;
}

static inline int fake_on_edge(void *ctx, struct ctl_job *job)
{
    job->run(job, ctx);
    job->done(job);
    return 0;
}

static inline void fake_sources(void *subject, ctl_source_fn each, void *ctx)
{
    (void)subject;
    each(ctx, &(struct ctl_source){ .source = STR("pbx-a"),
                                    .protocol = STR("ami"),
                                    .state = STR("waiting"),
                                    .stale = true,
                                    .complaint = STR("it cannot be reached"),
                                    .retry_ms = 1000 });
}

static inline int fake_on_workers(void *ctx, struct ctl_job *job)
{
    struct fixture *f = ctx;

    if (f->busy)
        return -EAGAIN;
    f->worker_jobs++;
    job->done(job); /* there are no workers here */
    return 0;
}

static inline int fake_reload(void *ctx, struct buf *report)
{
    struct fixture *f = ctx;

    buf_add(report, STR("pjsip.conf:3: warning: something\n"));
    return f->reload_result;
}

static inline int fake_preview(void *ctx, struct buf *report, ctl_change_fn each, void *each_ctx)
{
    each(each_ctx, &(struct ctl_change){ .kind = "endpoint",
                                         .name = STR("alice"),
                                         .change = "changed",
                                         .options = STR("context") });
    each(each_ctx, &(struct ctl_change){ .kind = "publications of outbound-publish",
                                         .name = STR("esc"),
                                         .change = "stop",
                                         .counted = true,
                                         .count = 3 });
    return fake_reload(ctx, report);
}

static inline int fake_hint(void *ctx, const struct ctl_hint *hint)
{
    (void)ctx;
    if (hint->include.n)
        return str_equal(hint->include, STR("c")) ? CTL_HINT_EXISTS : 0;
    if (hint->exclude.n)
        return str_equal(hint->exclude, STR("c")) ? 0 : CTL_HINT_UNKNOWN;
    if (str_equal(hint->extension, STR("1000")))
        return hint->text.n ? CTL_HINT_EXISTS : 0;
    return hint->text.n ? str_equal(hint->extension, STR("none")) ? CTL_HINT_IMPOSSIBLE : 0
                        : CTL_HINT_UNKNOWN;
}

static inline void fake_log_level(void *ctx, enum log_level level)
{
    ((struct fixture *)ctx)->level = level;
}

static inline void fake_trace(void *ctx, bool all, const struct addr_net *peers, size_t n_peers)
{
    struct fixture *f = ctx;

    (void)peers;
    f->trace_all = all;
    f->n_peers = n_peers;
}

static inline void fake_status(void *ctx, struct json *out)
{
    (void)ctx;
    json_add_str(out, "version", STR("0.0"));
}

static inline void fake_watch_hint(void *ctx, struct str context, struct json *out)
{
    (void)ctx;
    json_add_str(out, "from", context);
}

static inline void fake_upgrade(void *ctx, struct ctl_upgrade *u)
{
    ((struct fixture *)ctx)->upgrade = u;
}

static inline void ignore_snapshot(void *ctx, const struct snapshot *s,
                                   const struct snapshot *former, uint64_t consumers)
{
    (void)former;
    (void)ctx;
    (void)s;
    (void)consumers;
}

static inline void ignore_device(void *ctx, const struct state_device_change *change)
{
    (void)ctx;
    (void)change;
}

static inline void ignore_presence(void *ctx, struct str provider, enum presence_state state,
                                   struct str subtype, struct str message)
{
    (void)ctx;
    (void)provider;
    (void)state;
    (void)subtype;
    (void)message;
}

static inline void add_hint(struct dialplan_context *ctx, struct str extension, struct str text)
{
    assert_int_equal(dialplan_hint_add(ctx, &(struct hint_spec){ .extension = extension,
                                                                 .text = text,
                                                                 .file = STR("x"),
                                                                 .line = 1 }),
                     0);
}

static inline void ignore_here(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    (void)ctx;
    (void)mailbox;
    (void)counts;
}

static inline int ignore_composite(void *ctx, const struct resource_name *name,
                                   const struct event_state *composite, void **kept)
{
    (void)ctx;
    (void)name;
    (void)kept;
    (void)composite;
    return 0;
}

/* One server that was heard and is silent since. */
static inline void make_sources(struct fixture *f)
{
    const struct asterisk_event event = { .type = ASTERISK_DEVICE_STATE,
                                          .eid = "02:00:00:00:51:60",
                                          .name = "Custom:far",
                                          .name_n = 10,
                                          .state = DEVICE_INUSE,
                                          .cachable = true };

    assert_int_equal(asterisk_sources_create(
                         &f->sources, &(struct asterisk_sources_config){ .core = f->core,
                                                                         .mailboxes = f->mailboxes,
                                                                         .wheel = &f->wheel,
                                                                         .clock = &clock_system,
                                                                         .rng = &f->rng,
                                                                         .log = f->log }),
                     0);
    assert_int_equal(asterisk_sources_event(
                         f->sources, &(struct publication_event){ .serial = 1, .event = &event }),
                     0);
    asterisk_sources_ended(f->sources, 1);
}

static inline void make_core(struct fixture *f)
{
    struct dialplan_context *ctx;
    struct dialplan *dp;

    rng_init_seeded(&f->rng, 1);
    assert_int_equal(
        state_create(&f->core, &(struct state_config){ .port = { .ctx = f,
                                                                 .snapshot = ignore_snapshot,
                                                                 .device = ignore_device,
                                                                 .presence = ignore_presence },
                                                       .clock = &clock_system,
                                                       .log = f->log,
                                                       .rng = &f->rng }),
        0);
    assert_int_equal(dialplan_create(&dp), 0);
    assert_int_equal(dialplan_context_get(dp, STR("users"), &ctx), 0);
    add_hint(ctx, STR("1000"), STR("Custom:1000,CustomPresence:1000"));
    add_hint(ctx, STR("1001"), STR("Custom:1001"));
    assert_int_equal(state_dialplan_apply(f->core, dp), 0);
    wheel_init(&f->wheel, 0);
    assert_int_equal(
        publication_store_create(
            &f->publications,
            &(struct publication_config){ .port = { .ctx = f, .composed = ignore_composite },
                                          .wheel = &f->wheel,
                                          .clock = &clock_system,
                                          .log = f->log,
                                          .rng = &f->rng }),
        0);
    assert_int_equal(mailboxes_create(&f->mailboxes, f->core, f->publications,
                                      &(struct mailbox_port){ .here = ignore_here }, &f->rng),
                     0);
    make_sources(f);
    f->state = (struct ctl_state){ f->core, f->publications, f->mailboxes, f->sources,
                                   keep_testing_port(&f->kept) };
}

static inline struct ctl_config config_of(struct fixture *f)
{
    return (struct ctl_config){ .loop = &f->loop,
                                .log = f->log,
                                .path = str_of(f->path),
                                .max_clients = 2,
                                .max_output_bytes = 1 << 20,
                                .port = { .ctx = f,
                                          .on_state = fake_on_state,
                                          .on_workers = fake_on_workers,
                                          .on_edge = fake_on_edge,
                                          .sources = fake_sources,
                                          .reload = fake_reload,
                                          .preview = fake_preview,
                                          .hint = fake_hint,
                                          .log_level = fake_log_level,
                                          .trace = fake_trace,
                                          .status = fake_status,
                                          .watch_hint = fake_watch_hint,
                                          .upgrade = fake_upgrade } };
}
