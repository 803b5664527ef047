// SPDX-License-Identifier: MIT
/* added_hints.h - hints that are not written in extensions.conf but told at run time, as those of
 * other PBXs are: layered over what is written, which comes first, then by the registrar's name.
 * Each lot has a registrar, and a file in the state directory by which it survives. Private to the
 * daemon folder. Threads: the main thread. */
#pragma once
#include "base/list.h"
#include "base/log.h"
#include "config/settings.h"

struct added_hints {
    struct list registrars;
    struct str directory; /* borrowed */
    struct log *log;
};

void added_hints_init(struct added_hints *a, struct str state_directory, struct log *log);
void added_hints_fini(struct added_hints *a);
/* What was kept of the sources whose hints are imported. 0 or -ENOMEM. */
NODISCARD int added_hints_load(struct added_hints *a, const struct settings *settings);
/* Remove what was kept of others, or was never finished. */
void added_hints_sweep(const struct added_hints *a, const struct settings *settings);
/* All that this registrar has from now on: a line each of context, extension and text, between
 * tabs; none: it has none. 0; ADDED_HINTS_SAME: it had them; -ENOMEM. What cannot be written is
 * logged. */
enum { ADDED_HINTS_SAME = 1 };
NODISCARD int added_hints_set(struct added_hints *a, struct str registrar, struct str text);
/* What is written, and what is added. 0, with a reference; or -ENOMEM. */
NODISCARD int added_hints_merge(const struct added_hints *a, struct dialplan *written,
                                struct dialplan **out);
