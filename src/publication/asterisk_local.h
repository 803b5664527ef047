// SPDX-License-Identifier: MIT
/* asterisk_local.h - what this server tells others in Asterisk's event packages.
 *
 * Each device and mailbox that one of our own sources reports is a resource of its own, of package
 * `asterisk-devicestate` or `asterisk-mwi`, whose document is the JSON object to publish; so it has
 * one request outstanding, the newest state wins, and whatever a publisher does about failures
 * holds for it. Asterisk sends all of them through one publication instead, to which the receiver's
 * rules are the same. A device that nobody reports any more ends as UNKNOWN, a mailbox as empty:
 * nothing in these packages says that a state is gone. One more resource of each package, with an
 * empty name, asks the other server for all it has: publishers end it as soon as it was heard.
 *
 * Nothing is kept for a package that no outbound-publish section is about. Threads: the state
 * thread. */
#pragma once
#include "base/log.h"
#include "loop/wheel.h"
#include "publication/asterisk_event.h"
#include "publication/mailbox.h"

struct asterisk_locals; /* opaque: see asterisk_local.c */

struct asterisk_locals_port {
    void *ctx;
    /* A resource changed, came, or is gone (EXTENSION_REMOVED). Borrowed. */
    void (*snapshot)(void *ctx, const struct snapshot *s);
    /* Say everything by asterisk_local_device and asterisk_local_mailbox, before this returns. */
    void (*walk)(void *ctx);
};

struct asterisk_locals_config {
    struct asterisk_locals_port port;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
};
NODISCARD int asterisk_locals_create(struct asterisk_locals **out,
                                     const struct asterisk_locals_config *cfg);
void asterisk_locals_destroy(struct asterisk_locals *l); /* NULL is fine; tells nobody */

/* Which packages are told, and who we are: `eid` has ASTERISK_EID_LEN bytes; all zero, as in
 * Asterisk, tells nothing. What that changes is told. */
void asterisk_locals_configure(struct asterisk_locals *l, const struct settings *settings,
                               struct str eid);

/* As state_port.device_here and mailbox_port.here. What cannot be told for lack of memory is told a
 * second later. */
void asterisk_local_device(struct asterisk_locals *l, struct str device, bool reported,
                           enum device_state state);
void asterisk_local_mailbox(struct asterisk_locals *l, struct str mailbox,
                            const struct mailbox_counts *counts);
