// SPDX-License-Identifier: MIT
/* asterisk_event.h - what Asterisk servers tell each other in the event packages
 * `asterisk-devicestate` and `asterisk-mwi`: one JSON object a PUBLISH. Threads: pure functions. */
#pragma once
#include "config/settings.h"

enum asterisk_event_type { ASTERISK_DEVICE_STATE, ASTERISK_MAILBOX_STATE, ASTERISK_REFRESH };

enum { ASTERISK_NAME_MAX = 79, ASTERISK_EID_LEN = 17 }; /* "00:11:22:aa:bb:cc" */

struct asterisk_event {
    enum asterisk_event_type type;
    char eid[ASTERISK_EID_LEN + 1];   /* of the server, in lower case */
    char name[ASTERISK_NAME_MAX + 1]; /* the device, or the mailbox; empty for a refresh */
    size_t name_n;
    enum device_state state;
    bool cachable; /* false: of no lasting meaning */
    uint32_t new_count, old_count;
};

#define ASTERISK_EVENT_TYPE STR("application/json") /* of the body */

enum { ASTERISK_EVENT_REFUSED = 1 };
/* 0; ASTERISK_EVENT_REFUSED with the reason in `why`, one line: it is not well formed, lacks
 * something, or is not of this package; -ENOMEM. */
NODISCARD int asterisk_event_parse(struct asterisk_event *out, struct str package, struct str body,
                                   struct buf *why);
/* Is a state of this device or mailbox taken: switched on, and not filtered? A refresh always. */
bool asterisk_event_wanted(const struct asterisk_publication_settings *s,
                           enum asterisk_event_type type, struct str name);
/* As a body. */
void asterisk_event_print(const struct asterisk_event *e, struct buf *out);
