// SPDX-License-Identifier: MIT
#include "loop/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* Messages of one turn: a busy inbox must not keep I/O and timers waiting. */
enum {
    LOOP_INBOX_BATCH = 256,
    LOOP_GATE_MS = 1, /* between two looks at a closed gate */
};

/* Wakes only: the work is done before the next sleep. */
static void on_wheel_timer(uv_timer_t *t)
{
    (void)t;
}

static void on_wakeup(uv_poll_t *p, int status, int events)
{
    struct loop *l = p->data;
    uint64_t count;

    (void)status;
    (void)events;
    (void)!read(l->wakeup_fd, &count, sizeof(count));
    /* Here and not in the hook, where uv_stop would still let one more round of I/O happen. */
    if (atomic_load(&l->stopping))
        uv_stop(&l->uv);
}

/* Not libuv's own handle for this, whose receiver waits, spinning, until the sender has come back
 * from its write: most often the write is what woke the receiver. */
static void loop_wake(void *ctx)
{
    const struct loop *l = ctx;
    const uint64_t one = 1;

    (void)!write(l->wakeup_fd, &one, sizeof(one)); /* it fails when 2^64 wake-ups are unread */
}

/* What libuv's callbacks of this turn have left to do. */
static void loop_turn(struct loop *l)
{
    l->gate_closed = l->gate && !l->gate(l->gate_ctx);
    if (!l->gate_closed && inbox_run(&l->inbox, LOOP_INBOX_BATCH) == LOOP_INBOX_BATCH)
        loop_wake(l); /* maybe more: do not sleep. The inbox itself only wakes when it was empty. */
    wheel_advance(&l->wheel, clock_monotonic_ms(l->clock));
    if (l->flush)
        l->flush(l->flush_ctx);
}

/* Sleep no longer than the wheel may. After the flush hook, which may have started timers too. */
static void loop_arm(struct loop *l)
{
    uint64_t next_ms = wheel_next_ms(&l->wheel);
    uint64_t passed_ms = clock_monotonic_ms(l->clock) - l->wheel.now_ms;

    if (l->gate_closed && next_ms > passed_ms + LOOP_GATE_MS)
        next_ms = passed_ms + LOOP_GATE_MS;
    if (next_ms == UINT64_MAX) {
        uv_timer_stop(&l->wheel_timer);
        return;
    }
    /* libuv counts from the time it last looked, which was before this turn's work. */
    uv_update_time(&l->uv);
    uv_timer_start(&l->wheel_timer, on_wheel_timer, next_ms > passed_ms ? next_ms - passed_ms : 0,
                   0);
}

static void on_before_poll(uv_prepare_t *p)
{
    struct loop *l = p->data;

    loop_turn(l);
    loop_arm(l);
}

int loop_init(struct loop *l, const struct clock *clock, void *owner, size_t inbox_high)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

    if (fd < 0)
        return -errno;
    r = uv_loop_init(&l->uv);
    if (r) {
        close(fd);
        return loop_result(r);
    }
    r = uv_poll_init(&l->uv, &l->wakeup, fd);
    if (r) {
        uv_loop_close(&l->uv);
        close(fd);
        return loop_result(r);
    }
    l->wakeup_fd = fd;
    /* These cannot fail. */
    uv_timer_init(&l->uv, &l->wheel_timer);
    uv_prepare_init(&l->uv, &l->before_poll);
    uv_prepare_start(&l->before_poll, on_before_poll);
    uv_poll_start(&l->wakeup, UV_READABLE, on_wakeup);
    l->uv.data = l;
    l->wakeup.data = l;
    l->before_poll.data = l;
    l->clock = clock;
    l->flush = NULL;
    l->flush_ctx = NULL;
    l->gate = NULL;
    l->gate_ctx = NULL;
    l->gate_closed = false;
    atomic_init(&l->stopping, false);
    wheel_init(&l->wheel, clock_monotonic_ms(clock));
    l->wheel.clock = clock;
    inbox_init(&l->inbox, owner, inbox_high, loop_wake, l);
    return 0;
}

static void assert_closing(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    BUG_UNLESS(uv_is_closing(h)); /* whose it is would run, or sleep, for ever below */
}

void loop_fini(struct loop *l)
{
    inbox_close(&l->inbox);
    uv_close((uv_handle_t *)&l->wheel_timer, NULL);
    uv_close((uv_handle_t *)&l->wakeup, NULL);
    uv_close((uv_handle_t *)&l->before_poll, NULL);
    uv_walk(&l->uv, assert_closing, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    inbox_fini(&l->inbox);
    wheel_fini(&l->wheel);
    BUG_UNLESS(uv_loop_close(&l->uv) == 0);
    close(l->wakeup_fd);
}

void loop_again(struct loop *l)
{
    loop_wake(l);
}

void loop_flush_hook(struct loop *l, void (*flush)(void *ctx), void *ctx)
{
    l->flush = flush;
    l->flush_ctx = ctx;
}

void loop_gate(struct loop *l, bool (*gate)(void *ctx), void *ctx)
{
    l->gate = gate;
    l->gate_ctx = ctx;
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
    loop_turn(l); /* the last round of I/O may have left messages to send */
    atomic_store(&l->stopping, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    loop_wake(l);
}
