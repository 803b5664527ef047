// SPDX-License-Identifier: MIT
/* ami_calls.h - who is in a call with whom, from the channels of an Asterisk: what dialog-info then
 * tells. A channel belongs to the device before the last '-' of its name. Private to src/source. */
#pragma once
#include "ami/message.h"
#include "source/source_internal.h"

struct ami_calls; /* opaque: see ami_calls.c */

struct ami_calls_port {
    void *ctx;
    /* Ask for a variable of a channel; ami_calls_variable gets the value, with `which`. */
    void (*ask)(void *ctx, struct str channel, struct str variable, char which, struct str unique);
};
NODISCARD int ami_calls_create(struct ami_calls **out, struct source *s,
                               const struct ami_calls_port *port);
void ami_calls_destroy(struct ami_calls *c); /* NULL is fine */

/* An event about channels, or an entry of their list; others are not looked at. 0 or -ENOMEM. */
NODISCARD int ami_calls_event(struct ami_calls *c, struct str event, const struct ami_message *m);
/* The list of channels begins; and has ended: those that were not in it are gone. */
void ami_calls_begin(struct ami_calls *c);
void ami_calls_end(struct ami_calls *c);
/* All lists have been read: report the calls of every device. 0 or -ENOMEM. */
NODISCARD int ami_calls_read(struct ami_calls *c);
NODISCARD int ami_calls_variable(struct ami_calls *c, char which, struct str unique,
                                 struct str value);
/* The device was told to be in this state. 0 or -ENOMEM. */
NODISCARD int ami_calls_device(struct ami_calls *c, struct str device, enum device_state state);
/* Report the devices whose calls have changed. 0 or -ENOMEM. */
NODISCARD int ami_calls_flush(struct ami_calls *c);
/* All calls have ended, as far as anybody knows. */
void ami_calls_drop(struct ami_calls *c);
