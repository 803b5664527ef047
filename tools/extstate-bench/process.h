// SPDX-License-Identifier: MIT
/* process.h - what a process and all its descendants have used, from /proc. Threads: any. */
#pragma once
#include "base/result.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_NAMES_MAX = 32 }; /* of threads; what others used is in the sum alone */

struct process_thread { /* all of one name, in all of the processes */
    char name[16];
    uint64_t cpu_ns;
};

struct process_use {
    uint64_t cpu_ns;       /* user and system time of all their threads that still live */
    uint64_t memory_bytes; /* resident; what several share is counted once */
    uint32_t processes;
    struct process_thread threads[PROCESS_NAMES_MAX];
    size_t n_threads;
};

/* What the threads of that name had used; 0 when there was none. */
uint64_t process_thread_cpu_ns(const struct process_use *use, const char *name);

/* 0, -ESRCH when there is no such process, -EACCES when its memory may not be looked at. */
NODISCARD int process_tree_use(struct process_use *out, pid_t root);
