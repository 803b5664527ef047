// SPDX-License-Identifier: MIT
/* pattern.h - private to src/state: names of extensions, of which dashes are no part when they are
 * compared. Threads: pure functions. */
#pragma once
#include "base/str.h"
#include "state/dialplan.h"

/* A name without its dashes, as it is hashed and found. `name` has at most NAME_MAX_LEN bytes. */
struct extension_key {
    char text[NAME_MAX_LEN];
    size_t n;
};
void extension_key_init(struct extension_key *key, struct str name);
static inline struct str extension_key_str(const struct extension_key *key)
{
    return (struct str){ key->text, key->n };
}

/* <0, 0, >0, bytewise, dashes ignored. */
int extension_compare(struct str a, struct str b);

static inline bool extension_is_pattern(struct str extension)
{
    return extension.n > 0 && extension.p[0] == '_';
}
