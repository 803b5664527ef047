// SPDX-License-Identifier: MIT
/* timespec.h - private to src/state: "9:00-17:00,mon-fri,1-31,jan-dec[,Europe/Berlin]" read once
 * and asked often. Threads: a rule never changes once it is made. */
#pragma once
#include "base/str.h"
#include "state/zone.h"
#include <stdint.h>

struct time_rule {
    uint32_t minutes[24 * 60 / 32]; /* of the day, one bit each; like the rest in local time */
    uint32_t weekdays;              /* bit 0 is Sunday */
    uint32_t monthdays;             /* bit 0 is the first */
    uint32_t months;                /* bit 0 is January */
    const struct zone *zone;        /* NULL: the process's. Not owned */
};

/* `*zone` is the name of the time zone or empty, a slice of `spec`; finding it is the caller's. 0
 * or DIALPLAN_BAD_TIME, then nothing is touched. */
NODISCARD int time_rule_parse(struct time_rule *out, struct str spec, struct str *zone);
bool time_rule_holds(const struct time_rule *rule, uint64_t wall_ms);
