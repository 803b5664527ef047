// SPDX-License-Identifier: MIT
/* timestamp.h - dateTime of XML Schema (part 2, section 3.2.7), as PIDF, RPID and common policy
 * have it: "2026-01-31T09:00:00.5+01:00". It is RFC 3339's with capitals, and may lack the zone.
 * Pure. Threads: any. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct timestamp {
    int64_t ms; /* since 1970, what is finer cut off; in UTC when nothing says where */
    bool zoned; /* it says so itself: else nobody knows when it is */
};

/* Blanks around it are fine. False, with *out untouched: none, or a year that has not four digits.
 */
NODISCARD bool timestamp_parse(struct timestamp *out, struct str text);
