// SPDX-License-Identifier: MIT
/* bodies.h - the registry of bodies as a configuration wants it. Threads: before workers start. */
#pragma once
#include "body/body.h"
#include "config/settings.h"

/* Also makes the readers of published bodies ready. Built-in generators with their options, and the
 * packages that are served as they are published; plugins come next. 0; -EINVAL, told in `diag`;
 * -ENOMEM. */
NODISCARD int bodies_create(struct body_registry **out, const struct settings *settings,
                            struct log *log, struct diag *diag);
