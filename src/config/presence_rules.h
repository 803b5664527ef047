// SPDX-License-Identifier: MIT
/* presence_rules.h - private to src/config: a presence authorization document, RFC 5025, which is a
 * ruleset of common policy, RFC 4745. It says who may watch one whose document it is.
 *
 * A rule applies while all of its conditions are true: `identity`, `sphere`, and `validity`. A
 * condition that is not known is never true. What the rules that apply grant is put together: the
 * most generous sub-handling, and every transformation; nothing granted is nothing shown, so
 * without a rule a watcher is blocked (RFC 4745 section 10, RFC 5025 sections 3.2.1 and 3.3).
 *
 * Threads: what is read is immutable, but for the views that hang on it. */
#pragma once
#include "config/settings.h"
#include "state/view.h"

struct presence_rules;

enum { PRESENCE_RULES_FAULTY = 1 }; /* told; *out is untouched */

/* Problems go to `diag` with places in `file`: errors when it is faulty, and warnings for what is
 * not carried out. 0, PRESENCE_RULES_FAULTY, -ENOMEM. */
NODISCARD int presence_rules_parse(struct presence_rules **out, struct str text, struct str file,
                                   struct diag *diag);
void presence_rules_destroy(struct presence_rules *p);

struct presence_question { /* borrowed */
    struct str uri;        /* of the watcher, empty when it has no identity */
    struct str sphere;     /* of who is watched; empty: undefined */
    uint64_t wall_ms;
};
/* What becomes of a watcher. One who is allowed, but not all there is, gets a reference to what it
 * is shown in *view, which is untouched otherwise: the same for the same grants, as long as the
 * document lives. `view` NULL: such a one is blocked politely. */
enum watcher_handling presence_rules_decide(const struct presence_rules *p,
                                            const struct presence_question *q, struct view **view);
/* Does any rule depend on the sphere? */
bool presence_rules_ask_sphere(const struct presence_rules *p);
/* When a validity begins or ends next, after `wall_ms`; UINT64_MAX: never. */
uint64_t presence_rules_next_ms(const struct presence_rules *p, uint64_t wall_ms);
