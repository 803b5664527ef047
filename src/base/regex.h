// SPDX-License-Identifier: MIT
/* regex.h - patterns from configuration files and operators, by PCRE2 with limits on length,
 * nesting, matching steps, depth and heap, so that no pattern can stop the server. POSIX extended
 * patterns as users write them for Asterisk behave the same: unanchored, no capture. Threads: a
 * compiled pattern may be used by any. */
#pragma once
#include "base/buf.h"

struct regex; /* opaque: see regex.c */

/* Compile at most 256 bytes. On -EINVAL `why` (may be NULL) receives what is wrong and at which
 * offset. Returns 0, -EINVAL or -ENOMEM. */
NODISCARD int regex_create(struct regex **out, struct str pattern, bool nocase, struct buf *why);
void regex_destroy(struct regex *re);
/* A text on which a limit is hit does not match; `*limit_hit` (may be NULL) tells whether one was.
 * A text of more than 1024 bytes is such a limit. */
bool regex_matches(const struct regex *re, struct str text, bool *limit_hit);
