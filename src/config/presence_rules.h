// SPDX-License-Identifier: MIT
/* presence_rules.h - private to src/config: a presence authorization document, RFC 5025, which is a
 * ruleset of common policy, RFC 4745. It says who may watch one whose document it is.
 *
 * A rule applies while all of its conditions are true: `identity`, and `validity`. A condition that
 * is not known is never true, nor is `sphere`. What the rules that apply grant is put together: the
 * most generous sub-handling, and every transformation; nothing granted is nothing shown, so
 * without a rule a watcher is blocked (RFC 4745 section 10, RFC 5025 section 3.2.1).
 *
 * Transformations are not carried out one by one. Who is allowed and granted all of
 * provide-devices, provide-persons and provide-services (with all-devices, all-persons,
 * all-services) and provide-all-attributes sees the resource; who is granted less sees no more than
 * a polite block shows. Threads: what is read is immutable. */
#pragma once
#include "config/settings.h"

struct presence_rules;

enum { PRESENCE_RULES_FAULTY = 1 }; /* told; *out is untouched */

/* Problems go to `diag` with places in `file`: errors when it is faulty, and warnings for what is
 * not carried out. 0, PRESENCE_RULES_FAULTY, -ENOMEM. */
NODISCARD int presence_rules_parse(struct presence_rules **out, struct str text, struct str file,
                                   struct diag *diag);
void presence_rules_destroy(struct presence_rules *p);

/* What becomes of a watcher at this time. `uri` is its identity, empty when it has none. */
enum watcher_handling presence_rules_decide(const struct presence_rules *p, struct str uri,
                                            uint64_t wall_ms);
/* When a validity begins or ends next, after `wall_ms`; UINT64_MAX: never. */
uint64_t presence_rules_next_ms(const struct presence_rules *p, uint64_t wall_ms);
