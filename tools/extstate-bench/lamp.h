// SPDX-License-Identifier: MIT
/* lamp.h - the lamps that a change lights one after the other, as the server is told them and as
 * its NOTIFY shows them. Threads: pure functions. */
#pragma once
#include "base/buf.h"

enum lamp {
    LAMP_IDLE,
    LAMP_RINGING,
    LAMP_BUSY,
    LAMP_HELD,
    LAMPS,
    LAMP_DARK = LAMPS /* none shown */
};

/* The device state that lights it: "INUSE". */
const char *lamp_device_state(enum lamp lamp);
/* The one that follows. Four in turn, so that a NOTIFY tells which of the last changes it shows. */
static inline enum lamp lamp_next(enum lamp lamp)
{
    return (lamp + 1) % LAMPS;
}
/* What an application/dialog-info+xml document shows; LAMP_DARK when it is empty or shows something
 * else. Of several dialogs the first counts. RFC 4235. */
enum lamp lamp_read(struct str document);
/* The document that a publisher of this lamp sends: one dialog, or none when idle, since Kamailio
 * leaves a publication as it is whose dialog has once been terminated. */
void lamp_print(struct buf *out, enum lamp lamp, struct str entity, uint32_t version);
