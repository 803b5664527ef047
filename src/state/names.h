// SPDX-License-Identifier: MIT
/* names.h - private to src/state: names of devices and presence providers, "PJSIP/alice",
 * "Custom:lamp". The label before a ':' counts in any case, everything else as it is written. */
#pragma once
#include "base/map.h"
#include "state/pattern.h"

/* The name as it is kept: trimmed, in UTF-8, with our own labels spelt "Custom:" and
 * "CustomPresence:". 0 or STATE_BAD_NAME: it is empty, too long, or has control characters, which
 * records separate with. A device of a PBX whose files are in ISO 8859-1 is thus the same as that
 * of a command, which cannot be in that. */
struct name_room {
    char text[NAME_MAX_LEN];
};
NODISCARD int name_normalise(struct str *out, struct str name, struct name_room *room);

/* What stands before the ':', if that comes before any '/'; else empty. */
struct str name_label(struct str name);
bool name_equal(struct str a, struct str b);
uint64_t name_hash(const struct map *m, struct str name);

/* The extension that an autohint for this device gets; empty when it gets none. A slice of
 * `device`. */
struct str name_autohint(struct str device);
/* Is it something that people call or light, not a queue, a mailbox or another part of a PBX? */
bool name_is_phone(struct str device);
