// SPDX-License-Identifier: MIT
/* when.h - times as people write and read them, in local time. Times are milliseconds since 1970.
 * Threads: as localtime_r and mktime. */
#pragma once
#include "base/result.h"
#include <stddef.h>
#include <time.h>

enum when_kind {
    WHEN_DATE = 1, /* "2026-11-22 10:00": with a day */
    WHEN_OF_DAY,   /* "10:00": the last one that has been */
    WHEN_AGO,      /* "90s", "15m", "2h", "3d" */
};
/* One of these, or -EINVAL: it is no time, or no day of any calendar. */
NODISCARD int when_parse(const char *text, time_t now, long long *ms);
/* The same time of the next day. */
long long when_next_day(long long ms);

enum when_parts { WHEN_DAY = 1, WHEN_TIME = 2, WHEN_BOTH = 3 };
void when_print(long long ms, enum when_parts parts, char *out, size_t room);
