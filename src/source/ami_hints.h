// SPDX-License-Identifier: MIT
/* ami_hints.h - the hints that an Asterisk has, as it told them. Private to src/source. */
#pragma once
#include "source/source_internal.h"

struct ami_hints; /* opaque: see ami_hints.c */

NODISCARD int ami_hints_create(struct ami_hints **out, struct source *s);
void ami_hints_destroy(struct ami_hints *h); /* NULL is fine */
/* The list of hints begins; and has ended: those that were not in it are gone. */
void ami_hints_begin(struct ami_hints *h);
void ami_hints_end(struct ami_hints *h);
/* One that there is; with an empty text: there is none any more. 0 or -ENOMEM. */
NODISCARD int ami_hints_note(struct ami_hints *h, struct str context, struct str extension,
                             struct str text);
/* Tell the source, if anything has changed since the last time. 0 or -ENOMEM: later. */
NODISCARD int ami_hints_flush(struct ami_hints *h);
