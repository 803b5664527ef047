// SPDX-License-Identifier: MIT
/* zone_rule.h - private to src/state: "CET-1CEST,M3.5.0,M10.5.0/3", the rule that goes on where the
 * table of a time zone ends. Source: POSIX, Base Definitions section 8.3, with the extensions of
 * RFC 8536 section 3.3.1. Threads: pure functions. */
#pragma once
#include "base/str.h"

struct zone_day { /* when one of the two changes happens, each year */
    enum { ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR, ZONE_DAY_OF_WEEK } kind;
    int month, week, day;
    int64_t time_s; /* local time; may be negative or beyond a day */
};

struct zone_rule {
    int64_t standard_s, summer_s; /* to add to UTC */
    bool has_summer;
    struct zone_day start, end; /* of summer time */
};

NODISCARD int zone_rule_parse(struct zone_rule *out, struct str text); /* 0 or -EINVAL */
int64_t zone_rule_offset_s(const struct zone_rule *rule, int64_t unix_s);

/* Days from 1970-01-01 to the first of a month (1..12) of the proleptic Gregorian calendar. */
int64_t days_to_month(int64_t year, int month);
