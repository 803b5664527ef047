// SPDX-License-Identifier: MIT
/* zone.h - private to src/state: the local time of a named time zone, which the C library offers
 * only by changing the process's environment. Reads the files of the system's zone database (RFC
 * 8536, versions 1 to 4). Threads: a zone never changes once it is made. */
#pragma once
#include "base/str.h"
#include <time.h>

struct zone; /* opaque: see zone.c */

enum { ZONE_UNKNOWN = 1 }; /* no such zone, or a file that is none */

/* "Europe/Berlin", from the system's database. 0, -ENOMEM or ZONE_UNKNOWN. */
NODISCARD int zone_create(struct zone **out, struct str name);
/* From the bytes of such a file, for tests. 0, -ENOMEM or ZONE_UNKNOWN. */
NODISCARD int zone_create_from(struct zone **out, struct str name, struct str file);
void zone_destroy(struct zone *z); /* NULL is fine */

struct str zone_name(const struct zone *z);
/* Seconds to add to UTC. */
int64_t zone_offset_s(const struct zone *z, int64_t unix_s);
