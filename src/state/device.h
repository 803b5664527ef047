// SPDX-License-Identifier: MIT
/* device.h - device states, presence states, extension states: values, names and the rules that
 * combine them. The tables are Asterisk's, because the states of a hint must not depend on who
 * evaluates it. Threads: pure functions. */
#pragma once
#include "base/str.h"

enum device_state { /* the numbers are Asterisk's and cross the network */
                    DEVICE_UNKNOWN,
                    DEVICE_NOT_INUSE,
                    DEVICE_INUSE,
                    DEVICE_BUSY,
                    DEVICE_INVALID,
                    DEVICE_UNAVAILABLE,
                    DEVICE_RINGING,
                    DEVICE_RINGINUSE,
                    DEVICE_ONHOLD,
                    DEVICE_STATES
};

enum extension_state { /* a set of bits, and two values for hints that are gone */
                       EXTENSION_REMOVED = -2,
                       EXTENSION_DEACTIVATED = -1,
                       EXTENSION_IDLE = 0,
                       EXTENSION_INUSE = 1,
                       EXTENSION_BUSY = 2,
                       EXTENSION_UNAVAILABLE = 4,
                       EXTENSION_RINGING = 8,
                       EXTENSION_INUSE_RINGING = 9,
                       EXTENSION_ONHOLD = 16,
};

enum presence_state {
    PRESENCE_NOT_SET,
    PRESENCE_UNAVAILABLE,
    PRESENCE_AVAILABLE,
    PRESENCE_AWAY,
    PRESENCE_XA,
    PRESENCE_CHAT,
    PRESENCE_DND,
    PRESENCE_INVALID,
    PRESENCE_STATES
};

/* Upper-case name: "NOT_INUSE". */
struct str device_state_name(enum device_state s);
/* For people: "Not in use". */
struct str device_state_text(enum device_state s);
/* Any case. -EINVAL when it is no device state's name. */
NODISCARD int device_state_parse(enum device_state *out, struct str name);

/* Several devices of a hint, or several sources of a device, become one state. Order does not
 * matter. */
struct device_aggregate {
    enum device_state strongest;
    bool ringing, in_use;
};
void device_aggregate_init(struct device_aggregate *a);
void device_aggregate_add(struct device_aggregate *a, enum device_state s);
enum device_state device_aggregate_result(
    const struct device_aggregate *a); /* INVALID when nothing was added */

enum extension_state extension_state_of(enum device_state s);
/* As printed by "core show hints": "Idle", "InUse", ..., "InUse&Ringing", "Unknown". */
struct str extension_state_text(enum extension_state s);
/* As the dialplan function EXTENSION_STATE() answers: "NOT_INUSE", "RINGINUSE", ... */
struct str extension_state_name(enum extension_state s);

struct str presence_state_name(enum presence_state s); /* lower case; empty for PRESENCE_INVALID */
NODISCARD int presence_state_parse(enum presence_state *out,
                                   struct str name); /* any case; -EINVAL */
unsigned presence_state_rank(
    enum presence_state s); /* of several providers the highest rank wins */
