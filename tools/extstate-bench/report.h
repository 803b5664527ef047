// SPDX-License-Identifier: MIT
/* report.h - what one phase has measured: a JSON line for programs, a row for people. Threads: pure
 * functions. */
#pragma once
#include "base/buf.h"
#include "histogram.h"
#include "process.h"

#define REPORT_UNKNOWN UINT64_MAX

struct report {
    const char *phase;
    const char *operation; /* what `operations` counts: "NOTIFY" */
    uint32_t watchers, resources;
    uint32_t rate; /* a second, asked for; 0: a closed loop */
    uint64_t operations, elapsed_us;
    const struct histogram *latency; /* microseconds */
    /* Completeness. `wrong` watchers do not show the true lamp at the end, looked at one by one;
     * `undone` operations had no good end. */
    uint64_t changes, merged, wrong, undone;
    uint64_t sent_again, received_again,
        overtaken; /* requests; NOTIFYs; NOTIFYs older than the last */
    uint64_t timeouts, refused, subscribed_again, connections_lost, lost_on_purpose;
    uint64_t bench_dropped, server_dropped; /* datagrams, by the kernel: a socket was full */
    uint64_t late_us;  /* open loop: how late the meter began an operation at worst */
    uint64_t stall_us; /* the longest time that it did nothing, or one thing */
    uint64_t server_cpu_ns, bench_cpu_ns; /* REPORT_UNKNOWN without --server-pid */
    const struct process_thread *threads; /* the same by their names, if that is known */
    size_t n_threads;
    uint64_t memory_bytes;       /* the server's, at the end; or REPORT_UNKNOWN */
    int64_t memory_growth_bytes; /* since before the first subscription */
    bool memory_per_watcher;     /* the growth is that of the subscriptions */
};

bool report_complete(const struct report *r);
uint64_t report_per_second(const struct report *r);
/* One object and a line end. Every number is whole and has its unit in its name; what is not known
 * is null. */
void report_print_json(struct buf *out, const struct report *r);
void report_print_title(struct buf *out);
void report_print_row(struct buf *out, const struct report *r);
