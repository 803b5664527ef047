// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"
#include "process.h"

enum {
    BEGIN_BATCH = 256,  /* operations begun in a turn: answers want their turn too */
    SETTLE_US = 200000, /* what comes after the end may still be wrong, and costs the server */
    WINDOW = 256,
    WINDOW_CHANGES = 32,
    WINDOW_CONNECTIONS = 64, /* a listening socket's backlog is 128 at least */
    RESTART_REFRESH_S = 10,  /* within which all phones refresh, when no rate is given */
};

void phase_progress(struct bench *b)
{
    b->phase.progress_us = now_us();
}

void phase_finish(struct bench *b, bool ok)
{
    b->phase.finished++;
    b->phase.failed += !ok;
    phase_progress(b);
}

/* ---- operations ---- */

static void set_publication(struct bench *b, uint64_t k)
{
    struct publication *p =
        &b->publications[b->options->resources + (uint32_t)(k % PUBLISH_RESOURCES)];

    publication_set(p, lamp_next(p->wanted));
}

static void for_watcher(struct bench *b, uint64_t k)
{
    struct watcher *w = &b->watchers[shape_order((uint32_t)k, b->options->watchers)];
    enum phase_kind kind = b->phase.spec.kind;

    if (kind == PHASE_SUBSCRIBE || kind == PHASE_STORM)
        watcher_subscribe(w);
    else if (w->dead || w->task != TASK_NONE || !watcher_subscribed(w))
        /* The dead do nothing more; who subscribes anew after a restart refreshes thereby. */
        phase_finish(b, w->dead || (kind == PHASE_RESTART && w->task != TASK_NONE));
    else if (kind == PHASE_UNSUBSCRIBE)
        watcher_end(w);
    else
        watcher_refresh(w);
}

static void begin_operation(struct bench *b, uint64_t k)
{
    uint32_t resource = (uint32_t)(k % b->options->resources);

    if (b->phase.spec.kind == PHASE_CONNECT)
        connection_make(b, (uint32_t)k);
    else if (b->phase.spec.kind == PHASE_PRIME)
        change_make(b, resource, LAMP_BUSY);
    else if (b->phase.spec.kind == PHASE_FANOUT)
        change_make(b, resource, lamp_next(b->resources[resource].lamp));
    else if (b->phase.spec.kind == PHASE_PUBLISH)
        set_publication(b, k);
    else if (b->phase.spec.kind == PHASE_REST)
        phase_finish(b, true);
    else
        for_watcher(b, k);
}

/* Closed loop: the next change, or PUBLISH, waits until the former one of its resource is over. */
static bool must_wait(const struct bench *b)
{
    const struct phase *p = &b->phase;

    if (p->spec.kind == PHASE_FANOUT || p->spec.kind == PHASE_PRIME)
        return b->resources[p->begun % b->options->resources].changing;
    return p->spec.kind == PHASE_PUBLISH &&
           request_running(
               &b->publications[b->options->resources + p->begun % PUBLISH_RESOURCES].request);
}

static void arm_pacer(struct bench *b)
{
    uint64_t at_us = pace_time_us(&b->phase.pace, b->phase.begun);
    const struct itimerspec at = { .it_value = { .tv_sec = (time_t)(at_us / 1000000),
                                                 .tv_nsec = (long)(at_us % 1000000 * 1000) } };

    timerfd_settime(b->pacer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Keeps the loop from sleeping. */
static void on_busy(uv_idle_t *idle)
{
    (void)idle;
}

static void begin_operations(struct bench *b)
{
    struct phase *p = &b->phase;
    unsigned batch = 0;

    for (; batch < BEGIN_BATCH && p->begun < p->total; batch++) {
        uint64_t now = now_us();

        if (p->pace.per_second ? p->begun >= pace_due(&p->pace, now)
                               : p->begun >= p->finished + p->window || must_wait(b))
            break;
        if (p->pace.per_second && now - pace_time_us(&p->pace, p->begun) > p->late_us)
            p->late_us = now - pace_time_us(&p->pace, p->begun);
        begin_operation(b, p->begun++);
    }
    if (batch == BEGIN_BATCH)
        uv_idle_start(&b->busy, on_busy);
    else
        uv_idle_stop(&b->busy);
    if (p->pace.per_second && p->begun < p->total && batch < BEGIN_BATCH)
        arm_pacer(b);
}

/* ---- the restart ---- */

static void on_restart_closed(uv_handle_t *h)
{
    free(h);
}

static void on_restarted(uv_process_t *process, int64_t status, int signal)
{
    struct bench *b = process->data;

    uv_close((uv_handle_t *)process, on_restart_closed);
    if (status || signal) {
        bench_complain(b, "the restart command has failed");
        b->phase.failed++;
    }
    change_close(b);
    if (change_open(b))
        b->phase.failed++;
    b->phase.restarted = true;
    b->phase.pace.begin_us = now_us();
    phase_progress(b);
}

static int begin_restart(struct bench *b)
{
    char *words[] = { "sh", "-c", (char *)b->options->restart, NULL };
    uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE },
                                     { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
                                     { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO } };
    const uv_process_options_t options = {
        .file = "/bin/sh", .args = words, .stdio = stdio, .stdio_count = 3, .exit_cb = on_restarted
    };
    uv_process_t *process = calloc(1, sizeof(*process));
    int r;

    if (!process)
        return -ENOMEM;
    process->data = b;
    r = uv_spawn(&b->loop.uv, process, &options);
    if (r)
        uv_close((uv_handle_t *)process, on_restart_closed);
    return loop_result(r);
}

/* Every lamp is changed, so that a right one shows that its watcher has been told since. */
static void begin_restart_changes(struct bench *b)
{
    struct phase *p = &b->phase;

    for (unsigned i = 0; i < BEGIN_BATCH && p->changes_begun < b->options->resources; i++) {
        struct resource *r = &b->resources[p->changes_begun++];

        change_make(b, p->changes_begun - 1, lamp_next(r->lamp));
    }
}

/* ---- the turn ---- */

static bool asks_for_lamps(enum phase_kind kind)
{
    return kind != PHASE_CONNECT && kind != PHASE_PUBLISH && kind != PHASE_UNSUBSCRIBE &&
           kind != PHASE_REST;
}

static bool is_done(const struct bench *b)
{
    const struct phase *p = &b->phase;

    if (p->finished < p->total || (asks_for_lamps(p->spec.kind) && b->wrong) ||
        (p->spec.kind != PHASE_CONNECT && connections_down(b)))
        return false;
    return p->spec.kind != PHASE_RESTART ||
           (p->restarted && p->changes_begun == b->options->resources);
}

static void end_when_over(struct bench *b)
{
    struct phase *p = &b->phase;
    uint64_t now = now_us();

    if (!is_done(b)) {
        p->end_us = 0;
        if (now - p->progress_us > b->options->patience_s * UINT64_C(1000000))
            loop_stop(&b->loop);
    } else if (!p->end_us) {
        p->end_us = p->progress_us;
    } else if (now - p->progress_us > SETTLE_US && list_empty(&b->late)) {
        loop_stop(&b->loop);
    }
}

void phase_turn(void *bench)
{
    struct bench *b = bench;
    uint64_t now = now_us();

    if (now - b->phase.turn_us > b->phase.stall_us)
        b->phase.stall_us = now - b->phase.turn_us;
    b->phase.turn_us = now;
    if (b->phase.restarted)
        begin_restart_changes(b);
    if (b->phase.restarted || b->phase.spec.kind != PHASE_RESTART)
        begin_operations(b);
    change_flush(b);
    wire_flush(b);
    end_when_over(b);
}

/* ---- the report ---- */

struct use {
    struct process_use server;
    pid_t server_pid;
    bool server_known;
    uint64_t bench_cpu_ns, bench_dropped, server_dropped;
};

/* --server-pid: a number, or a file with one. */
static pid_t server_pid(const char *text)
{
    FILE *f = strchr(text, '/') ? fopen(text, "re") : NULL;
    char line[32] = "";

    if (f) {
        if (!fgets(line, sizeof(line), f))
            line[0] = '\0';
        fclose(f);
        text = line;
    }
    return (pid_t)strtol(text, NULL, 10);
}

static void use_get(struct use *out, struct bench *b)
{
    struct rusage own;
    int r = 0;

    *out = (struct use){ 0 };
    wire_drops(b, &out->bench_dropped, &out->server_dropped);
    getrusage(RUSAGE_SELF, &own);
    out->bench_cpu_ns =
        ((uint64_t)own.ru_utime.tv_sec + (uint64_t)own.ru_stime.tv_sec) * 1000000000 +
        ((uint64_t)own.ru_utime.tv_usec + (uint64_t)own.ru_stime.tv_usec) * 1000;
    if (!b->options->server_pid)
        return;
    out->server_pid = server_pid(b->options->server_pid);
    r = out->server_pid > 0 ? process_tree_use(&out->server, out->server_pid) : -ESRCH;
    if (r)
        bench_complain(b, "--server-pid %s: %s", b->options->server_pid, strerror(-r));
    out->server_known = r == 0;
}

/* One by one, and from what they were told alone. */
static uint64_t count_wrong(const struct bench *b)
{
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < b->options->watchers; i++) {
        const struct watcher *w = &b->watchers[i];
        const struct resource *r = &b->resources[w->resource];

        wrong += w->wanted && !w->dead && r->known && w->lamp != r->lamp;
    }
    return wrong + compositor_wrong(b);
}

static void tell_subscribers(struct bench *b, struct report *r)
{
    const struct phase *p = &b->phase;

    r->operation = "NOTIFY";
    r->phase = p->spec.kind == PHASE_SUBSCRIBE ? "initial" : "storm-lamps";
    r->latency = &p->first_notify;
    r->operations = p->first_notify.n;
    r->server_cpu_ns = r->bench_cpu_ns = REPORT_UNKNOWN; /* is in the line before */
    r->n_threads = 0;
    r->memory_per_watcher = false;
    report_tell(b, r);
}

/* What the threads after a phase have used in it. */
static void subtract_threads(struct process_use *after, const struct process_use *before)
{
    for (size_t i = 0; i < after->n_threads; i++)
        after->threads[i].cpu_ns -= process_thread_cpu_ns(before, after->threads[i].name);
}

static void tell(struct bench *b, const struct use *before, struct use *after)
{
    const struct phase *p = &b->phase;
    const struct counters *c = &p->counters;
    bool told = before->server_known && after->server_known &&
                before->server_pid == after->server_pid &&
                before->server.cpu_ns <= after->server.cpu_ns; /* else one of them has died */
    struct report r = {
        .phase = p->name,
        .operation = p->operation,
        .watchers = b->options->watchers,
        .resources = b->options->resources,
        .rate = p->pace.per_second,
        .operations = p->finished - p->failed,
        .elapsed_us = (p->end_us ? p->end_us : now_us()) - p->begin_us,
        .latency = &p->latency,
        .changes = c->changes,
        .merged = c->merged,
        .wrong = asks_for_lamps(p->spec.kind) ? count_wrong(b) : 0,
        .undone = p->total - p->finished + p->failed +
                  (p->spec.kind == PHASE_CONNECT ? 0 : connections_down(b)),
        .sent_again = c->sent_again,
        .received_again = c->received_again,
        .overtaken = c->overtaken,
        .timeouts = c->timeouts,
        .refused = c->refused,
        .subscribed_again = c->subscribed_again,
        .connections_lost = c->connections_lost,
        .lost_on_purpose = c->lost_on_purpose,
        .bench_dropped = after->bench_dropped - before->bench_dropped,
        .server_dropped = after->server_dropped < before->server_dropped
                              ? after->server_dropped /* it was restarted */
                              : after->server_dropped - before->server_dropped,
        .late_us = p->late_us,
        .stall_us = p->stall_us,
        .server_cpu_ns = told ? after->server.cpu_ns - before->server.cpu_ns : REPORT_UNKNOWN,
        .bench_cpu_ns = after->bench_cpu_ns - before->bench_cpu_ns,
        .memory_bytes = after->server_known ? after->server.memory_bytes : REPORT_UNKNOWN,
        .memory_per_watcher = told && b->memory_empty &&
                              (p->spec.kind == PHASE_SUBSCRIBE || p->spec.kind == PHASE_REST),
    };

    if (told) {
        subtract_threads(&after->server, &before->server);
        r.threads = after->server.threads;
        r.n_threads = after->server.n_threads;
    }
    r.memory_growth_bytes = (int64_t)after->server.memory_bytes - (int64_t)b->memory_empty;
    if (p->spec.kind == PHASE_FANOUT)
        r.operations = c->notifies;
    if (p->spec.kind == PHASE_FANOUT && !r.watchers)
        r.operation = "PUBLISH";
    if (p->spec.kind == PHASE_RESTART)
        r.operations = p->latency.n;
    report_tell(b, &r);
    if (p->spec.kind == PHASE_SUBSCRIBE || p->spec.kind == PHASE_STORM)
        tell_subscribers(b, &r);
}

/* ---- running one ---- */

static const struct {
    const char *operation;
    uint32_t n; /* 0: given below */
} phases[PHASE_KINDS] = {
    [PHASE_CONNECT] = { "connection" },  [PHASE_PRIME] = { "change" },
    [PHASE_SUBSCRIBE] = { "SUBSCRIBE" }, [PHASE_FANOUT] = { "NOTIFY" },
    [PHASE_REFRESH] = { "SUBSCRIBE" },   [PHASE_PUBLISH] = { "PUBLISH", 10000 },
    [PHASE_STORM] = { "SUBSCRIBE" },     [PHASE_RESTART] = { "lamp" },
    [PHASE_REST] = { "second", 10 },     [PHASE_UNSUBSCRIBE] = { "SUBSCRIBE" },
};

static uint64_t operations_of(const struct bench *b, const struct phase_spec *s)
{
    const struct options *o = b->options;

    if (phases[s->kind].n)
        return s->n ? s->n : phases[s->kind].n;
    if (s->kind == PHASE_CONNECT)
        return o->sockets;
    if (s->kind == PHASE_PRIME)
        return o->resources;
    if (s->kind == PHASE_FANOUT)
        return s->n ? s->n : o->resources;
    return s->n && s->n < o->watchers ? s->n : o->watchers; /* each once */
}

static uint64_t window_of(const struct phase_spec *s, uint64_t total)
{
    if (s->window)
        return s->window;
    return s->kind == PHASE_STORM     ? total
           : s->kind == PHASE_FANOUT  ? WINDOW_CHANGES
           : s->kind == PHASE_CONNECT ? WINDOW_CONNECTIONS
                                      : WINDOW;
}

static uint32_t rate_of(const struct bench *b, const struct phase_spec *s)
{
    if (s->kind == PHASE_REST)
        return 1;
    if (s->kind == PHASE_RESTART && !s->rate)
        return b->options->watchers / RESTART_REFRESH_S + 1;
    return s->rate;
}

/* What a former phase has given up is no operation of this one. */
static void forget_operations(struct bench *b)
{
    for (uint32_t i = 0; i < b->options->watchers; i++)
        b->watchers[i].operation = false;
    for (uint32_t i = 0; i < b->options->resources; i++)
        b->resources[i].changing = false;
    for (uint32_t i = 0; i < b->options->resources + PUBLISH_RESOURCES; i++)
        b->publications[i].operation = false;
    connections_forget_operations(b);
}

static void phase_init(struct bench *b, const struct phase_spec *s)
{
    struct phase *p = &b->phase;

    forget_operations(b);
    *p = (struct phase){ .spec = *s, .name = phase_name(s->kind) };
    p->operation = phases[s->kind].operation;
    p->total = operations_of(b, s);
    p->window = window_of(s, p->total);
    p->pace.per_second = rate_of(b, s);
    p->begin_us = p->progress_us = p->turn_us = p->pace.begin_us = now_us();
}

static int run(struct bench *b, const struct phase_spec *spec)
{
    struct use before, after;
    int r = 0;

    use_get(&before, b);
    phase_init(b, spec);
    if (!b->memory_empty && spec->kind == PHASE_SUBSCRIBE)
        b->memory_empty = before.server.memory_bytes;
    if (spec->kind == PHASE_RESTART)
        r = begin_restart(b);
    if (r == 0) {
        loop_run(&b->loop);
        use_get(&after, b);
        tell(b, &before, &after);
    }
    return r;
}

int phase_run(struct bench *b, const struct phase_spec *spec)
{
    bool needed = b->options->change != CHANGE_NONE && asks_for_lamps(spec->kind) &&
                  spec->kind != PHASE_PRIME;
    int r = 0;

    if (b->connections && !b->connected && spec->kind != PHASE_CONNECT) {
        r = run(b, &(struct phase_spec){ .kind = PHASE_CONNECT });
        if (connections_down(b) == b->options->sockets)
            r = -ECONNREFUSED;
    }
    b->connected = true;
    if (r == 0 && needed && !b->primed)
        r = run(b, &(struct phase_spec){ .kind = PHASE_PRIME });
    b->primed |= needed || spec->kind == PHASE_PRIME;
    return r ? r : run(b, spec);
}
