// SPDX-License-Identifier: MIT
#include "report.h"

#include <stdio.h>

#include "base/json.h"

static const struct {
    const char *name;
    unsigned per_10000;
} percentiles[] = { { "p50", 5000 }, { "p99", 9900 }, { "p999", 9990 }, { "max", 10000 } };

bool report_complete(const struct report *r)
{
    return r->wrong == 0 && r->undone == 0;
}

uint64_t report_per_second(const struct report *r)
{
    return r->elapsed_us ? r->operations * 1000000 / r->elapsed_us : 0;
}

static uint64_t per_operation(const struct report *r, uint64_t value)
{
    return value == REPORT_UNKNOWN || !r->operations ? REPORT_UNKNOWN : value / r->operations;
}

static bool has_memory_per_watcher(const struct report *r)
{
    return r->memory_per_watcher && r->memory_bytes != REPORT_UNKNOWN && r->watchers;
}

static void add_number(struct json *j, const char *key, uint64_t value)
{
    if (value == REPORT_UNKNOWN)
        json_add_null(j, key);
    else
        json_add_u64(j, key, value);
}

static void add_latency(struct json *j, const struct histogram *h)
{
    json_add_object(j, "latency_us");
    json_add_u64(j, "count", h->n);
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
        add_number(j, percentiles[i].name,
                   h->n ? histogram_percentile(h, percentiles[i].per_10000) : REPORT_UNKNOWN);
    json_end_object(j);
}

void report_print_json(struct buf *out, const struct report *r)
{
    struct json j = json_on(out);

    json_add_object(&j, NULL);
    json_add_str(&j, "phase", str_of(r->phase));
    json_add_str(&j, "operation", str_of(r->operation));
    json_add_bool(&j, "complete", report_complete(r));
    json_add_u64(&j, "watchers", r->watchers);
    json_add_u64(&j, "resources", r->resources);
    add_number(&j, "rate", r->rate ? r->rate : REPORT_UNKNOWN);
    json_add_u64(&j, "operations", r->operations);
    json_add_u64(&j, "elapsed_us", r->elapsed_us);
    json_add_u64(&j, "per_second", report_per_second(r));
    add_latency(&j, r->latency);
    json_add_u64(&j, "changes", r->changes);
    json_add_u64(&j, "merged", r->merged);
    json_add_u64(&j, "wrong", r->wrong);
    json_add_u64(&j, "undone", r->undone);
    json_add_u64(&j, "sent_again", r->sent_again);
    json_add_u64(&j, "received_again", r->received_again);
    json_add_u64(&j, "overtaken", r->overtaken);
    json_add_u64(&j, "timeouts", r->timeouts);
    json_add_u64(&j, "refused", r->refused);
    json_add_u64(&j, "subscribed_again", r->subscribed_again);
    json_add_u64(&j, "connections_lost", r->connections_lost);
    json_add_u64(&j, "lost_on_purpose", r->lost_on_purpose);
    json_add_u64(&j, "bench_dropped", r->bench_dropped);
    json_add_u64(&j, "server_dropped", r->server_dropped);
    json_add_u64(&j, "late_us", r->late_us);
    json_add_u64(&j, "stall_us", r->stall_us);
    add_number(&j, "server_cpu_ns", r->server_cpu_ns);
    json_add_object(&j, "server_cpu_ns_by_thread");
    for (size_t i = 0; i < r->n_threads; i++)
        json_add_u64(&j, r->threads[i].name, r->threads[i].cpu_ns);
    json_end_object(&j);
    add_number(&j, "server_cpu_ns_per_operation", per_operation(r, r->server_cpu_ns));
    add_number(&j, "bench_cpu_ns_per_operation", per_operation(r, r->bench_cpu_ns));
    add_number(&j, "memory_bytes", r->memory_bytes);
    if (has_memory_per_watcher(r))
        json_add_i64(&j, "memory_bytes_per_subscription", r->memory_growth_bytes / r->watchers);
    else
        json_add_null(&j, "memory_bytes_per_subscription");
    json_end_object(&j);
    buf_add_char(out, '\n');
}

/* ---- for people ---- */

void report_print_title(struct buf *out)
{
    buf_printf(out, "%-12s %9s %-9s %9s %8s %8s %8s %8s %8s %8s %7s %7s %7s  %s\n", "phase",
               "count", "of", "a second", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPU-us",
               "B each", "resent", "refused", "wrong", "result");
}

/* A cell of eight characters: thousandths with three digits behind the point. */
static void add_thousandths(struct buf *out, uint64_t value)
{
    if (value == REPORT_UNKNOWN)
        buf_printf(out, " %8s", "-");
    else if (value >= 10000000)
        buf_printf(out, " %8.1f", (double)value / 1000);
    else
        buf_printf(out, " %8.3f", (double)value / 1000);
}

void report_print_row(struct buf *out, const struct report *r)
{
    uint64_t resent = r->sent_again + r->received_again;

    buf_printf(out, "%-12s %9llu %-9s %9llu", r->phase, (unsigned long long)r->operations,
               r->operation, (unsigned long long)report_per_second(r));
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
        add_thousandths(out, r->latency->n
                                 ? histogram_percentile(r->latency, percentiles[i].per_10000)
                                 : REPORT_UNKNOWN);
    add_thousandths(out, per_operation(r, r->server_cpu_ns));
    if (has_memory_per_watcher(r))
        buf_printf(out, " %8lld", (long long)(r->memory_growth_bytes / r->watchers));
    else
        buf_printf(out, " %8s", "-");
    buf_printf(out, " %7llu %7llu %7llu  %s\n", (unsigned long long)resent,
               (unsigned long long)r->refused, (unsigned long long)r->wrong,
               report_complete(r) ? "complete" : "INCOMPLETE");
}
