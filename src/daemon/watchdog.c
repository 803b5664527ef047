// SPDX-License-Identifier: MIT
#include "daemon/watchdog.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/systemd.h"

enum {
    ASKS = 4, /* in the time that systemd waits */
    START_INTERVAL_MS = 1000,
};
/* From each sign of life on. */
#define MORE_TIME "EXTEND_TIMEOUT_USEC=30000000"

static void pass(struct ctl_job *job, void *thread)
{
    (void)job;
    (void)thread;
}

static void edge_answered(struct ctl_job *job)
{
    struct watchdog *w = CONTAINER_OF(job, struct watchdog, job);

    w->asking = false;
    if (!w->ended)
        systemd_notify("WATCHDOG=1");
}

static void workers_answered(struct ctl_job *job)
{
    struct watchdog *w = CONTAINER_OF(job, struct watchdog, job);

    w->job.done = edge_answered;
    w->asking = !w->ended && edge_post_job(w->edge, &w->job, w->home) == 0;
}

static void state_answered(struct ctl_job *job)
{
    struct watchdog *w = CONTAINER_OF(job, struct watchdog, job);

    w->job.done = workers_answered;
    /* Too busy for one more message: that is asked again. */
    w->asking = !w->ended && workers_post_job(w->workers, w->n_workers, &w->job, w->home) == 0;
}

static void on_due(struct timer *t)
{
    struct watchdog *w = CONTAINER_OF(t, struct watchdog, timer);

    timer_start(&w->home->wheel, &w->timer, w->interval_ms);
    if (w->asking)
        return;
    w->job = (struct ctl_job){ .run = pass, .done = state_answered };
    w->asking = state_post_job(w->state, &w->job, w->home) == 0;
}

/* sd_watchdog_enabled(3). */
void watchdog_init(struct watchdog *w)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t us = usec ? strtoull(usec, NULL, 10) : 0, ms = us / 1000 / ASKS;

    if (!us || (pid && strtol(pid, NULL, 10) != getpid()))
        ms = 0;
    else if (!ms)
        ms = 1;
    *w = (struct watchdog){ .interval_ms = ms };
    atomic_init(&w->alive_ms, clock_monotonic_ms(&clock_system));
}

void watchdog_alive(struct watchdog *w, bool watched)
{
    uint64_t now = clock_monotonic_ms(&clock_system), last = atomic_load(&w->alive_ms),
             interval = w->interval_ms ? w->interval_ms : START_INTERVAL_MS;

    if (now - last >= interval && atomic_compare_exchange_strong(&w->alive_ms, &last, now))
        systemd_notify(watched ? "WATCHDOG=1\n" MORE_TIME : MORE_TIME);
}

void watchdog_start(struct watchdog *w, struct state_thread *state, struct worker *workers,
                    unsigned n_workers, struct edge *edge, struct loop *home)
{
    w->state = state;
    w->workers = workers;
    w->n_workers = n_workers;
    w->edge = edge;
    w->home = home;
    timer_init(&w->timer, on_due);
    if (w->interval_ms)
        timer_start(&home->wheel, &w->timer, w->interval_ms);
}

void watchdog_end(struct watchdog *w)
{
    w->ended = true;
    if (w->interval_ms)
        timer_stop(&w->home->wheel, &w->timer);
}
