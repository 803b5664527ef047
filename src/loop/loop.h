// SPDX-License-Identifier: MIT
/* loop.h - one thread's event loop: libuv, a timer wheel driven by one uv_timer, an inbox woken by
 * an eventfd.
 *
 * Order of one turn: I/O and inbox callbacks, due timers, then the flush hook (send queues are
 * written there, once a turn). Threads: a loop belongs to the thread that runs it; only
 * loop_inbox()'s posts and loop_stop come from others. */
#pragma once
#include "base/clock.h"
#include "base/result.h"
#include "loop/inbox.h"
#include "loop/wheel.h"
#include <stdatomic.h>
#include <uv.h>

struct loop {
    uv_loop_t uv;
    struct wheel wheel;
    struct inbox inbox;
    uv_timer_t wheel_timer;
    uv_poll_t wakeup;
    int wakeup_fd;
    uv_prepare_t before_poll;
    const struct clock *clock;
    void (*flush)(void *ctx);
    void *flush_ctx;
    bool (*gate)(void *ctx);
    void *gate_ctx;
    bool gate_closed; /* at the last look */
    _Atomic bool stopping;
};

/* `owner` is what inbox messages get. Returns 0 or a negative errno. */
NODISCARD int loop_init(struct loop *l, const struct clock *clock, void *owner, size_t inbox_high);
/* After loop_run returned. Every handle that others opened on l->uv must have been closed by them
 * (uv_close) before; this runs the loop until the closing callbacks are done. */
void loop_fini(struct loop *l);
/* From the flush hook: there is more to do, after what has come in meanwhile. No sleep before it.
 */
void loop_again(struct loop *l);
/* Called at the end of every turn, before the loop sleeps. */
void loop_flush_hook(struct loop *l, void (*flush)(void *ctx), void *ctx);
/* Messages wait in the inbox while `gate` answers false; it is asked again every millisecond. For a
 * producer that must not outrun its consumers. */
void loop_gate(struct loop *l, bool (*gate)(void *ctx), void *ctx);
void loop_run(struct loop *l);
/* Any thread. */
void loop_stop(struct loop *l);
/* -errno of a libuv result: they are the same numbers on Linux. */
static inline int loop_result(int uv_result)
{
    return uv_result < 0 ? uv_result : 0;
}
