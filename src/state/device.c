// SPDX-License-Identifier: MIT
#include "state/device.h"

static const struct {
    struct str name, text;
    unsigned
        rank; /* of several devices the highest wins, see device_aggregate_result for the rest */
    enum extension_state extension;
} devices[DEVICE_STATES] = {
    [DEVICE_UNKNOWN] = { STR_INIT("UNKNOWN"), STR_INIT("Unknown"), 1, EXTENSION_IDLE },
    [DEVICE_NOT_INUSE] = { STR_INIT("NOT_INUSE"), STR_INIT("Not in use"), 3, EXTENSION_IDLE },
    [DEVICE_INUSE] = { STR_INIT("INUSE"), STR_INIT("In use"), 6, EXTENSION_INUSE },
    [DEVICE_BUSY] = { STR_INIT("BUSY"), STR_INIT("Busy"), 7, EXTENSION_BUSY },
    [DEVICE_INVALID] = { STR_INIT("INVALID"), STR_INIT("Invalid"), 0, EXTENSION_UNAVAILABLE },
    [DEVICE_UNAVAILABLE] = { STR_INIT("UNAVAILABLE"), STR_INIT("Unavailable"), 2,
                             EXTENSION_UNAVAILABLE },
    [DEVICE_RINGING] = { STR_INIT("RINGING"), STR_INIT("Ringing"), 5, EXTENSION_RINGING },
    [DEVICE_RINGINUSE] = { STR_INIT("RINGINUSE"), STR_INIT("Ring+Inuse"), 8,
                           EXTENSION_INUSE_RINGING },
    [DEVICE_ONHOLD] = { STR_INIT("ONHOLD"), STR_INIT("On Hold"), 4, EXTENSION_ONHOLD },
};

static const struct {
    int value; /* the bits in use and on hold together have a name, though no device makes them */
    struct str text, name;
} extensions[] = {
    { EXTENSION_IDLE, STR_INIT("Idle"), STR_INIT("NOT_INUSE") },
    { EXTENSION_INUSE, STR_INIT("InUse"), STR_INIT("INUSE") },
    { EXTENSION_BUSY, STR_INIT("Busy"), STR_INIT("BUSY") },
    { EXTENSION_UNAVAILABLE, STR_INIT("Unavailable"), STR_INIT("UNAVAILABLE") },
    { EXTENSION_RINGING, STR_INIT("Ringing"), STR_INIT("RINGING") },
    { EXTENSION_INUSE_RINGING, STR_INIT("InUse&Ringing"), STR_INIT("RINGINUSE") },
    { EXTENSION_ONHOLD, STR_INIT("Hold"), STR_INIT("ONHOLD") },
    { EXTENSION_INUSE | EXTENSION_ONHOLD, STR_INIT("InUse&Hold"), STR_INIT("HOLDINUSE") },
};

static const struct {
    struct str name;
    unsigned rank;
} presences[PRESENCE_STATES] = {
    [PRESENCE_NOT_SET] = { STR_INIT("not_set"), 1 },
    [PRESENCE_UNAVAILABLE] = { STR_INIT("unavailable"), 3 },
    [PRESENCE_AVAILABLE] = { STR_INIT("available"), 2 },
    [PRESENCE_AWAY] = { STR_INIT("away"), 5 },
    [PRESENCE_XA] = { STR_INIT("xa"), 6 },
    [PRESENCE_CHAT] = { STR_INIT("chat"), 4 },
    [PRESENCE_DND] = { STR_INIT("dnd"), 7 },
    [PRESENCE_INVALID] = { STR_INIT(""), 0 },
};

struct str device_state_name(enum device_state s)
{
    return devices[(unsigned)s < DEVICE_STATES ? s : DEVICE_UNKNOWN].name;
}

struct str device_state_text(enum device_state s)
{
    return devices[(unsigned)s < DEVICE_STATES ? s : DEVICE_UNKNOWN].text;
}

int device_state_parse(enum device_state *out, struct str name)
{
    for (unsigned i = 0; i < DEVICE_STATES; i++)
        if (str_equal_nocase(name, devices[i].name)) {
            *out = (enum device_state)i;
            return 0;
        }
    return -EINVAL;
}

void device_aggregate_init(struct device_aggregate *a)
{
    *a = (struct device_aggregate){ .strongest = DEVICE_INVALID };
}

void device_aggregate_add(struct device_aggregate *a, enum device_state s)
{
    if ((unsigned)s >= DEVICE_STATES)
        return;
    a->ringing |= s == DEVICE_RINGING;
    a->in_use |= s == DEVICE_INUSE || s == DEVICE_ONHOLD || s == DEVICE_BUSY;
    if (devices[s].rank > devices[a->strongest].rank)
        a->strongest = s;
}

/* A call in progress on one device must not hide that another one rings. */
enum device_state device_aggregate_result(const struct device_aggregate *a)
{
    return a->ringing && a->in_use ? DEVICE_RINGINUSE : a->strongest;
}

enum extension_state extension_state_of(enum device_state s)
{
    return devices[(unsigned)s < DEVICE_STATES ? s : DEVICE_INVALID].extension;
}

struct str extension_state_text(enum extension_state s)
{
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
        if (extensions[i].value == (int)s)
            return extensions[i].text;
    return STR("Unknown");
}

struct str extension_state_name(enum extension_state s)
{
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
        if (extensions[i].value == (int)s)
            return extensions[i].name;
    return STR("UNKNOWN");
}

struct str presence_state_name(enum presence_state s)
{
    return presences[(unsigned)s < PRESENCE_STATES ? s : PRESENCE_INVALID].name;
}

int presence_state_parse(enum presence_state *out, struct str name)
{
    for (unsigned i = 0; i < PRESENCE_INVALID; i++)
        if (str_equal_nocase(name, presences[i].name)) {
            *out = (enum presence_state)i;
            return 0;
        }
    return -EINVAL;
}

unsigned presence_state_rank(enum presence_state s)
{
    return presences[(unsigned)s < PRESENCE_STATES ? s : PRESENCE_INVALID].rank;
}
