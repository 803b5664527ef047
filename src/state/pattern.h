// SPDX-License-Identifier: MIT
/* pattern.h - private to src/state: names of extensions. In numbers dashes are for the eye only:
 * they are no part of them when they are compared. In other names they are: front-door and
 * fr-ontdoor are two, whose pattern hint has two devices. Threads: pure functions. */
#pragma once
#include "base/str.h"
#include "state/dialplan.h"

/* A number without its dashes, and any other name as it is: how it is hashed and found. `name` has
 * at most NAME_MAX_LEN bytes. */
struct extension_key {
    char text[NAME_MAX_LEN];
    size_t n;
};
void extension_key_init(struct extension_key *key, struct str name);
static inline struct str extension_key_str(const struct extension_key *key)
{
    return (struct str){ key->text, key->n };
}

/* <0, 0, >0, bytewise, of such keys. */
int extension_compare(struct str a, struct str b);

static inline bool extension_is_pattern(struct str extension)
{
    return extension.n > 0 && extension.p[0] == '_';
}
