// SPDX-License-Identifier: MIT
/* process.h - what a process and all its descendants have used, from /proc. Threads: any. */
#pragma once
#include "base/result.h"
#include <stdint.h>
#include <sys/types.h>

struct process_use {
    uint64_t cpu_ns;       /* user and system time of all their threads that still live */
    uint64_t memory_bytes; /* resident; what several share is counted once */
    uint32_t processes;
};

/* 0, -ESRCH when there is no such process, -EACCES when its memory may not be looked at. */
NODISCARD int process_tree_use(struct process_use *out, pid_t root);
